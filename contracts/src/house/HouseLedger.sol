// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {Account, Coverage, IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IInsuranceFund} from "../interfaces/IInsuranceFund.sol";
import {Units} from "../libraries/Units.sol";

/// @notice Sums of the clearing house, in 1e-6 units.
/// @param tokensHeld tokens that came in and have not gone out; gifts are not among them
/// @param settlementFloat cash credited by settlements less cash debited
/// @param openDeficit cash of accounts that nothing backs; negative when withdrawals have paid towards deficits that are still pending
/// @param pendingDeficit what accounts in auctions lack
/// @param uncoveredDeficit the part of it that the insurance fund could not pay now
/// @param gatedUntil withdrawals in tokens are refused before this time, in seconds since 1970-01-01 UTC; 0 when they are not
struct Totals {
    uint256 tokensHeld;
    int256 settlementFloat;
    int256 openDeficit;
    uint256 pendingDeficit;
    uint256 uncoveredDeficit;
    uint256 gatedUntil;
}

/// @title Money of the clearing house
/// @notice Accounts' cash, tokens that come in and go out, deficits and who bears them.
///
/// **The identity.** At the end of every call, with sums over all accounts,
/// `sum of cash == tokensHeld + settlementFloat + openDeficit`, and the asset's balance of this contract is at least `tokensHeld`.
/// Cash is created by tokens, by settlements (the other side's settlement destroys as much) and by socialised losses, by nothing else.
///
/// **A deficit that is open is borne by withdrawals in tokens.** With `T = tokensHeld` and the deficit `D`, a withdrawal of `a` is paid
/// `floor(a T / (T + D))`, and the rest lowers the deficit. Both T and D shrink in proportion, so the order of withdrawals does not
/// matter, and withdrawals of `T + D` together take exactly D. T is made of tokens alone: what two accounts of one owner owe each other
/// moves neither T nor D, so nobody improves his share by trading with himself or by settling one side first.
///
/// **Deficits that are still pending.** While accounts are auctioned that lack more than the fund could pay, withdrawals in tokens wait,
/// for a day at most, and not again within two days of when they began to wait. At all other times the part that the fund could not pay counts
/// as open, and so it does at once when it is dust. If the auctions end better, what was kept back is the fund's.
abstract contract HouseLedger is IClearingHouse, Ownable2Step, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using EnumerableSet for EnumerableSet.UintSet;

    /// @notice The settlement asset has not 6 decimals.
    error UnsupportedDecimals(uint8 decimals);
    /// @notice An address is zero.
    error ZeroAddress();
    /// @notice There is no such account.
    error UnknownAccount(uint256 accountId);
    /// @notice An amount is 0.
    error ZeroAmount();
    /// @notice Cash would leave (-2^96, 2^96).
    error CashOutOfRange(uint256 accountId);
    /// @notice Tokens received or sent differ from the amount: the asset takes a fee or changes balances.
    error TransferAmountMismatch(uint256 expected, uint256 actual);
    /// @notice The house holds fewer tokens than the payment, because other accounts owe cash; or nothing would be paid.
    error InsufficientLiquidity(uint256 available, uint256 payment);
    /// @notice An account without positions would owe cash.
    error DebtWithoutPositions(uint256 accountId);
    /// @notice Withdrawals in tokens wait for auctions that may end in a deficit.
    error WithdrawalsGated(uint256 until);
    /// @notice The insurance fund said that it pays more than was asked for.
    error InvalidDraw(uint256 given, uint256 wanted);

    /// @notice An account has been created.
    event AccountCreated(uint256 indexed accountId, address indexed owner, uint32 indexed underlyingId);
    /// @notice The insurance fund's account received cash, after `repaid` of the payment closed a part of the open deficit.
    event FundPaid(uint256 credited, uint256 repaid);
    /// @notice The open deficit has changed.
    event DeficitChanged(int256 openDeficit);
    /// @notice What an account in auction lacks, and what all of them lack.
    event PendingDeficitSet(uint256 indexed accountId, uint256 deficit, uint256 total);

    /// @notice The insurance fund's account.
    uint256 public constant FUND_ACCOUNT_ID = 1;
    /// @notice Cash is below this in absolute value.
    int256 public constant CASH_LIMIT = Units.SIGNED_MONEY_LIMIT;
    /// @notice Longest time for which withdrawals wait, in seconds.
    uint256 public constant MAX_GATE_SECONDS = 1 days;
    /// @notice Deficits of at most this part of the tokens held gate nothing: an account that lacks dust costs nearly nothing to make.
    uint256 public constant GATE_DIVISOR = 10_000;

    /// @notice The settlement asset.
    IERC20 public immutable asset;
    /// @notice Pays subsidies, and owns account 1.
    IInsuranceFund public immutable fund;
    /// @notice Number of accounts; ids count from 1.
    uint256 public accountCount;
    uint128 internal _tokensHeld;
    int128 internal _openDeficit;
    int128 internal _settlementFloat;
    uint128 private _pendingDeficit;
    /// @dev When the gate last closed.
    uint256 private _gatedSince;
    mapping(uint256 accountId => Account) internal _accounts;
    /// @notice What an account in auction lacks, in 1e-6 units.
    mapping(uint256 accountId => uint256) public pendingDeficitOf;
    mapping(uint256 underlyingId => uint256) private _pendingOfUnderlying;
    /// @dev Few: only underlyings with rounds can have insolvent accounts.
    EnumerableSet.UintSet private _pendingUnderlyings;

    constructor(IERC20Metadata asset_, address owner_, IInsuranceFund fund_) Ownable(owner_) {
        uint8 decimals = asset_.decimals();
        if (decimals != 6) revert UnsupportedDecimals(decimals);
        if (address(fund_) == address(0)) revert ZeroAddress();
        asset = asset_;
        fund = fund_;
        _createAccount(address(fund_), 0);
    }

    /// @inheritdoc IClearingHouse
    function getAccount(uint256 accountId) external view returns (Account memory) {
        return _accounts[accountId];
    }

    /// @notice Sums of the house.
    function totals() external view returns (Totals memory sums) {
        (uint256 uncovered, uint256 gatedUntil) = _uncoveredDeficit();
        return Totals(_tokensHeld, _settlementFloat, _openDeficit, _pendingDeficit, uncovered, gatedUntil);
    }

    /// @notice What a withdrawal of an amount would pay in tokens now, as far as the house is concerned.
    /// @return paid at most the amount; more than `tokensHeld` would be refused
    /// @return gatedUntil 0 when withdrawals are not gated
    function previewWithdrawal(uint256 amount) external view returns (uint256 paid, uint256 gatedUntil) {
        uint256 uncovered;
        (uncovered, gatedUntil) = _uncoveredDeficit();
        paid = _paymentFor(amount, uncovered);
    }

    function _createAccount(address owner_, uint32 underlyingId) internal returns (uint256 accountId) {
        accountId = ++accountCount;
        Account storage account = _accounts[accountId];
        account.owner = owner_;
        account.underlyingId = underlyingId;
        emit AccountCreated(accountId, owner_, underlyingId);
    }

    function _existing(uint256 accountId) internal view returns (Account storage account) {
        account = _accounts[accountId];
        if (account.owner == address(0)) revert UnknownAccount(accountId);
    }

    /// @dev An amount as a signed number, refused when no account could hold it.
    function _signed(uint256 accountId, uint256 amount) internal pure returns (int256) {
        // The limit is positive.
        // forge-lint: disable-next-line(unsafe-typecast)
        if (amount >= uint256(CASH_LIMIT)) revert CashOutOfRange(accountId);
        // Below 2^96.
        // forge-lint: disable-next-line(unsafe-typecast)
        return int256(amount);
    }

    /// @dev `change` is a sum of few numbers below 2^96.
    function _addCash(uint256 accountId, Account storage account, int256 change) internal returns (int256 cash) {
        cash = account.cash + change;
        if (cash <= -CASH_LIMIT || cash >= CASH_LIMIT) revert CashOutOfRange(accountId);
        // Absolute value below 2^96.
        // forge-lint: disable-next-line(unsafe-typecast)
        account.cash = int128(cash);
    }

    function _requireNoBareDebt(uint256 accountId, Account storage account) internal view {
        if (account.cash < 0 && account.scale == 0) revert DebtWithoutPositions(accountId);
    }

    /// @dev A payment to the fund, which the caller has taken from accounts. It repays the open deficit first: cash that nothing backed
    /// becomes backed by cash that ceases to exist.
    function _payFund(uint256 amount) internal {
        if (amount == 0) return;
        int256 deficit = _openDeficit;
        int256 signedAmount = _signed(FUND_ACCOUNT_ID, amount);
        int256 repaid = deficit <= 0 ? int256(0) : (signedAmount < deficit ? signedAmount : deficit);
        if (repaid != 0) _setOpenDeficit(deficit - repaid);
        int256 credited = signedAmount - repaid;
        if (credited != 0) _addCash(FUND_ACCOUNT_ID, _accounts[FUND_ACCOUNT_ID], credited);
        // Both lie in [0, amount].
        // forge-lint: disable-next-line(unsafe-typecast)
        emit FundPaid(uint256(credited), uint256(repaid));
    }

    /// @dev Takes a subsidy from the fund and from everybody; the caller gives it to an account.
    function _drawSubsidy(uint32 underlyingId, uint256 amount) internal returns (Coverage memory coverage) {
        if (amount == 0) return coverage;
        int256 signedAmount = _signed(FUND_ACCOUNT_ID, amount);
        Account storage fundAccount = _accounts[FUND_ACCOUNT_ID];
        // The fund's account has no positions, hence never owes cash.
        // forge-lint: disable-next-line(unsafe-typecast)
        (coverage.fromFund, coverage.fromReserve) = fund.draw(underlyingId, amount, uint256(int256(fundAccount.cash)));
        uint256 given = coverage.fromFund + coverage.fromReserve;
        if (given > amount) revert InvalidDraw(given, amount);
        // At most the amount.
        // forge-lint: disable-next-line(unsafe-typecast)
        int256 signedGiven = int256(given);
        if (given != 0) {
            _addCash(FUND_ACCOUNT_ID, fundAccount, -signedGiven);
            _requireNoBareDebt(FUND_ACCOUNT_ID, fundAccount);
        }
        coverage.socialised = amount - given;
        if (coverage.socialised != 0) _setOpenDeficit(_openDeficit + signedAmount - signedGiven);
    }

    function _setPendingDeficit(uint256 accountId, uint256 deficit) internal {
        _signed(accountId, deficit);
        uint256 previous = pendingDeficitOf[accountId];
        if (previous == deficit) return;
        uint256 underlyingId = _existing(accountId).underlyingId;
        pendingDeficitOf[accountId] = deficit;
        uint256 ofUnderlying = _pendingOfUnderlying[underlyingId] + deficit - previous;
        _pendingOfUnderlying[underlyingId] = ofUnderlying;
        if (ofUnderlying == 0) _pendingUnderlyings.remove(underlyingId);
        else _pendingUnderlyings.add(underlyingId);
        uint256 total = uint256(_pendingDeficit) + deficit - previous;
        // A sum of numbers below 2^96, fewer than 2^32.
        // forge-lint: disable-next-line(unsafe-typecast)
        _pendingDeficit = uint128(total);
        emit PendingDeficitSet(accountId, deficit, total);
        if (total == 0) _releasePrepayment();
        // Accounts that are auctioned one after the other must not keep the gate closed: after a day it stays open for as long. And what closes
        // nothing, dust or what the fund covers, must not use it up.
        else if (deficit > previous && block.timestamp >= _gatedSince + 2 * MAX_GATE_SECONDS) {
            (uint256 uncovered,) = _uncoveredDeficit();
            if (_gates(uncovered)) _gatedSince = block.timestamp;
        }
    }

    function _receiveTokens(address payer, uint256 amount) internal {
        // Tokens of a standard asset: the sum of amounts cannot exceed its supply, and amounts are below 2^96.
        // forge-lint: disable-next-line(unsafe-typecast)
        _tokensHeld += uint128(amount);
        uint256 before = asset.balanceOf(address(this));
        asset.safeTransferFrom(payer, address(this), amount);
        uint256 received = asset.balanceOf(address(this)) - before;
        if (received != amount) revert TransferAmountMismatch(amount, received);
    }

    /// @dev Books a withdrawal in tokens, whose amount the caller has taken from an account.
    /// @return paid what is to be sent
    function _bookPayment(uint256 amount) internal returns (uint256 paid) {
        (uint256 uncovered, uint256 gatedUntil) = _uncoveredDeficit();
        if (gatedUntil != 0) revert WithdrawalsGated(gatedUntil);
        paid = _paymentFor(amount, uncovered);
        uint256 held = _tokensHeld;
        if (paid == 0 || paid > held) revert InsufficientLiquidity(held, paid);
        // At most the tokens held.
        // forge-lint: disable-next-line(unsafe-typecast)
        _tokensHeld = uint128(held - paid);
        // Amounts are below 2^96.
        // forge-lint: disable-next-line(unsafe-typecast)
        if (paid != amount) _setOpenDeficit(_openDeficit - int256(amount - paid));
    }

    function _sendTokens(address recipient, uint256 amount) internal {
        uint256 before = asset.balanceOf(address(this));
        asset.safeTransfer(recipient, amount);
        uint256 sent = before - asset.balanceOf(address(this));
        if (sent != amount) revert TransferAmountMismatch(amount, sent);
    }

    /// @dev Whether the fund's money is spoken for.
    function _fundEngaged() internal view returns (bool) {
        return _openDeficit > 0 || _pendingDeficit != 0;
    }

    /// @dev What was kept back for deficits that did not come.
    function _releasePrepayment() private {
        int256 deficit = _openDeficit;
        if (deficit >= 0) return;
        _setOpenDeficit(0);
        _addCash(FUND_ACCOUNT_ID, _accounts[FUND_ACCOUNT_ID], -deficit);
        // Negative, and above -2^127.
        // forge-lint: disable-next-line(unsafe-typecast)
        emit FundPaid(uint256(-deficit), 0);
    }

    function _setOpenDeficit(int256 deficit) private {
        // Steps are below 2^96: a sum of them takes 2^31 calls to leave the range.
        // forge-lint: disable-next-line(unsafe-typecast)
        _openDeficit = int128(deficit);
        emit DeficitChanged(deficit);
    }

    /// @dev The part of pending deficits that the fund could not pay, and until when it gates withdrawals.
    function _uncoveredDeficit() private view returns (uint256 uncovered, uint256 gatedUntil) {
        uint256 pending = _pendingDeficit;
        if (pending == 0) return (0, 0);
        // The fund's account never owes cash.
        // forge-lint: disable-next-line(unsafe-typecast)
        uint256 cash = uint256(int256(_accounts[FUND_ACCOUNT_ID].cash));
        uint256 covered = 0;
        uint256 count = _pendingUnderlyings.length();
        for (uint256 index = 0; index < count; index++) {
            uint256 underlyingId = _pendingUnderlyings.at(index);
            // Ids of underlyings have 32 bits.
            // forge-lint: disable-next-line(unsafe-typecast)
            uint256 available = fund.coverage(uint32(underlyingId), cash);
            covered += Math.min(available, _pendingOfUnderlying[underlyingId]);
        }
        // Underlyings share the fund's cash.
        uncovered = pending - Math.min(covered, cash);
        if (_gates(uncovered) && block.timestamp < _gatedSince + MAX_GATE_SECONDS) {
            gatedUntil = _gatedSince + MAX_GATE_SECONDS;
        }
    }

    function _gates(uint256 uncovered) private view returns (bool) {
        return uncovered > _tokensHeld / GATE_DIVISOR;
    }

    function _paymentFor(uint256 amount, uint256 uncovered) private view returns (uint256) {
        // A sum of numbers below 2^96.
        // forge-lint: disable-next-line(unsafe-typecast)
        int256 deficit = int256(_openDeficit) + int256(uncovered);
        if (deficit <= 0) return amount;
        uint256 held = _tokensHeld;
        // Positive.
        // forge-lint: disable-next-line(unsafe-typecast)
        return Math.mulDiv(amount, held, held + uint256(deficit));
    }
}
