// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Account, IClearingHouse, SliceTransfer} from "./interfaces/IClearingHouse.sol";
import {Legs} from "./libraries/Legs.sol";
import {PublicSignals} from "./libraries/PublicSignals.sol";

/// @title Accounts and the settlement asset
/// @notice Holds the settlement asset, and for each account its cash, the commitment to its legs and their scale.
///
/// Cash is signed: who has bought options for more than was deposited owes the difference, and the options stand
/// against it. The claim of all accounts together is therefore the sum of their signed cash, `totalCash`, and the house
/// always holds at least that many tokens. The positive balances alone may exceed it by what others owe; a withdrawal
/// beyond the tokens held is refused with `InsufficientLiquidity` until debts are settled.
/// @dev All amounts are in 1e-6 units of the settlement asset.
contract ClearingHouse is IClearingHouse, Ownable2Step, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice The settlement asset has not 6 decimals.
    error UnsupportedDecimals(uint8 decimals);
    /// @notice An address is zero.
    error ZeroAddress();
    /// @notice There is no such account.
    error UnknownAccount(uint256 accountId);
    /// @notice The sender does not own the account.
    error NotAccountOwner(uint256 accountId, address sender);
    /// @notice The sender is not the settler.
    error NotSettler(address sender);
    /// @notice The sender is not the liquidation engine.
    error NotEngine(address sender);
    /// @notice An amount is 0.
    error ZeroAmount();
    /// @notice Cash would leave (-2^96, 2^96).
    error CashOutOfRange(uint256 accountId);
    /// @notice Tokens received or sent differ from the amount: the asset takes a fee or changes balances.
    error TransferAmountMismatch(uint256 expected, uint256 actual);
    /// @notice The account has positions.
    error PositionsOpen(uint256 accountId);
    /// @notice The account has less cash than the amount.
    error InsufficientCash(uint256 accountId, int256 cash, uint256 amount);
    /// @notice The house holds fewer tokens than the amount, because other accounts owe cash.
    error InsufficientLiquidity(uint256 available, uint256 amount);
    /// @notice An account without positions would owe cash.
    error DebtWithoutPositions(uint256 accountId);
    /// @notice Cash would move from an account to itself.
    error SameAccount(uint256 accountId);
    /// @notice A commitment or salt is not below the field's order.
    error NotFieldElement(uint256 value);
    /// @notice Scale, commitment and legs must all be zero, or none of them; without positions the salt is 0 too.
    error InconsistentPositions();
    /// @notice A slice has a scale of 0, or one above the account's.
    error SliceOutOfRange(uint256 scaleTaken, uint256 scale);

    /// @notice An account has been created.
    event AccountCreated(uint256 indexed accountId, address indexed owner, uint32 indexed underlyingId);
    /// @notice Tokens came in. `cash` is the account's cash afterwards.
    event Deposited(uint256 indexed accountId, address indexed payer, uint256 amount, int256 cash);
    /// @notice Tokens went out. `cash` is the account's cash afterwards.
    event Withdrawn(uint256 indexed accountId, address indexed recipient, uint256 amount, int256 cash);
    /// @notice Cash moved between accounts.
    event CashSettled(uint256 indexed from, uint256 indexed to, uint256 amount);
    /// @notice An account's positions were replaced. `legs` and `salt` open the commitment, so that anyone can prove.
    event PositionsAttested(
        uint256 indexed accountId, uint64 nonce, uint256 commitment, uint64 scale, uint256[] legs, uint256 salt
    );
    /// @notice A slice of an account moved to a keeper's sub-account.
    event SliceTransferred(
        uint256 indexed accountId,
        uint256 indexed subAccountId,
        address indexed keeper,
        uint64 nonce,
        uint64 scaleTaken,
        int256 cashTaken,
        uint256 traderProceeds,
        uint256 fundFee,
        uint256 sliceDeposit
    );
    /// @notice The settler has been set.
    event SettlerSet(address indexed settler);
    /// @notice The liquidation engine has been set.
    event EngineSet(address indexed engine);

    /// @notice The treasury's account, which receives the fund's part of penalties. It is an ordinary account.
    uint256 public constant FUND_ACCOUNT_ID = 1;
    /// @notice Cash is below this in absolute value.
    int256 public constant CASH_LIMIT = 2 ** 96;

    /// @notice The settlement asset.
    IERC20 public immutable asset;
    /// @notice Number of accounts; ids count from 1.
    uint256 public accountCount;
    /// @notice Sum of the signed cash of all accounts: never above the tokens held.
    uint256 public totalCash;
    /// @notice May attest positions and settle cash.
    address public settler;
    /// @notice May transfer slices.
    address public engine;
    mapping(uint256 accountId => Account) private _accounts;

    modifier onlySettler() {
        if (msg.sender != settler) revert NotSettler(msg.sender);
        _;
    }

    modifier onlyEngine() {
        if (msg.sender != engine) revert NotEngine(msg.sender);
        _;
    }

    /// @param asset_ ERC-20 with 6 decimals that neither takes fees nor changes balances by itself
    /// @param owner_ sets the settler and the engine
    /// @param treasury owns the fund's account
    constructor(IERC20Metadata asset_, address owner_, address treasury) Ownable(owner_) {
        uint8 decimals = asset_.decimals();
        if (decimals != 6) revert UnsupportedDecimals(decimals);
        if (treasury == address(0)) revert ZeroAddress();
        asset = asset_;
        _createAccount(treasury, 0);
    }

    /// @notice Sets who attests positions and settles cash.
    /// @dev Temporary: transfer proofs with both owners' consent replace this role.
    /// @param settler_ zero for nobody
    function setSettler(address settler_) external onlyOwner nonReentrant {
        settler = settler_;
        emit SettlerSet(settler_);
    }

    /// @notice Sets the liquidation engine, which is trusted with every account.
    /// @param engine_ zero for none
    function setEngine(address engine_) external onlyOwner nonReentrant {
        engine = engine_;
        emit EngineSet(engine_);
    }

    /// @notice Creates an empty account of the sender.
    /// @param underlyingId the underlying of all its legs, for good
    function createAccount(uint32 underlyingId) external nonReentrant returns (uint256 accountId) {
        return _createAccount(msg.sender, underlyingId);
    }

    /// @notice Pays into an account; anyone may.
    function deposit(uint256 accountId, uint256 amount) external nonReentrant {
        Account storage account = _existing(accountId);
        if (amount == 0) revert ZeroAmount();
        int256 cash = _addCash(accountId, account, _signed(accountId, amount));
        totalCash += amount;
        emit Deposited(accountId, msg.sender, amount, cash);
        _pull(msg.sender, amount);
    }

    /// @notice Pays out to the account's owner.
    /// @dev Only without positions, for now: with positions, a proof that the account stays solvent is needed.
    function withdraw(uint256 accountId, uint256 amount) external nonReentrant {
        Account storage account = _existing(accountId);
        if (account.owner != msg.sender) revert NotAccountOwner(accountId, msg.sender);
        if (amount == 0) revert ZeroAmount();
        if (account.scale != 0) revert PositionsOpen(accountId);
        int256 before = account.cash;
        if (before < _signed(accountId, amount)) revert InsufficientCash(accountId, before, amount);
        if (totalCash < amount) revert InsufficientLiquidity(totalCash, amount);
        int256 cash = _addCash(accountId, account, -int256(amount));
        totalCash -= amount;
        emit Withdrawn(accountId, msg.sender, amount, cash);
        _push(msg.sender, amount);
    }

    /// @notice Moves cash between accounts, for premiums. The payer may end up owing cash if it has positions.
    /// @dev Temporary: transfer proofs with both owners' consent replace it.
    function settleCash(uint256 from, uint256 to, uint256 amount) external onlySettler nonReentrant {
        Account storage payer = _existing(from);
        Account storage payee = _existing(to);
        if (from == to) revert SameAccount(from);
        if (amount == 0) revert ZeroAmount();
        int256 signedAmount = _signed(from, amount);
        int256 cash = _addCash(from, payer, -signedAmount);
        if (cash < 0 && payer.scale == 0) revert DebtWithoutPositions(from);
        _addCash(to, payee, signedAmount);
        emit CashSettled(from, to, amount);
    }

    /// @notice Replaces an account's positions, and publishes the opening of their commitment.
    /// @dev Temporary: transfer proofs with both owners' consent replace it. The legs are checked for form; that the
    /// commitment is theirs is not computed here, because hashing 32 legs would cost more than all the rest, but anyone
    /// can compute it from the event.
    /// @param commitment section 2 of docs/margin-model.md; 0 for no positions
    /// @param scale in 2^-40; 0 for no positions
    /// @param legs well-formed legs, without unused places
    /// @param salt of the commitment; 0 for no positions
    function attestPositions(uint256 accountId, uint256 commitment, uint64 scale, uint256[] calldata legs, uint256 salt)
        external
        onlySettler
        nonReentrant
    {
        Account storage account = _existing(accountId);
        if (commitment >= PublicSignals.SCALAR_FIELD) revert NotFieldElement(commitment);
        if (salt >= PublicSignals.SCALAR_FIELD) revert NotFieldElement(salt);
        bool empty = scale == 0;
        if ((commitment == 0) != empty || (legs.length == 0) != empty || (empty && salt != 0)) {
            revert InconsistentPositions();
        }
        if (empty && account.cash < 0) revert DebtWithoutPositions(accountId);
        Legs.validate(legs);
        uint64 nonce = ++account.nonce;
        account.commitment = commitment;
        account.scale = scale;
        emit PositionsAttested(accountId, nonce, commitment, scale, legs, salt);
    }

    /// @inheritdoc IClearingHouse
    /// @dev Cash is conserved: the accounts' sum grows by exactly what the keeper pays.
    function transferSlice(SliceTransfer calldata slice)
        external
        onlyEngine
        nonReentrant
        returns (uint256 subAccountId)
    {
        Account storage account = _existing(slice.accountId);
        uint64 scale = account.scale;
        if (slice.scaleTaken == 0 || slice.scaleTaken > scale) revert SliceOutOfRange(slice.scaleTaken, scale);

        subAccountId = _createAccount(slice.keeper, account.underlyingId);
        Account storage subAccount = _accounts[subAccountId];
        subAccount.commitment = account.commitment;
        subAccount.scale = slice.scaleTaken;
        uint64 nonce = ++account.nonce;
        account.scale = scale - slice.scaleTaken;
        if (account.scale == 0) account.commitment = 0;
        uint256 payment = _moveSliceCash(slice, subAccountId);
        emit SliceTransferred(
            slice.accountId,
            subAccountId,
            slice.keeper,
            nonce,
            slice.scaleTaken,
            slice.cashTaken,
            slice.traderProceeds,
            slice.fundFee,
            slice.sliceDeposit
        );
        _pull(slice.keeper, payment);
    }

    /// @inheritdoc IClearingHouse
    function getAccount(uint256 accountId) external view returns (Account memory) {
        return _accounts[accountId];
    }

    /// @return payment what the keeper owes, by which the sum of cash has grown
    function _moveSliceCash(SliceTransfer calldata slice, uint256 subAccountId) private returns (uint256 payment) {
        Account storage account = _accounts[slice.accountId];
        int256 proceeds = _signed(slice.accountId, slice.traderProceeds);
        int256 fundFee = _signed(FUND_ACCOUNT_ID, slice.fundFee);
        int256 sliceDeposit = _signed(subAccountId, slice.sliceDeposit);
        int256 cash = _addCash(slice.accountId, account, proceeds - slice.cashTaken);
        if (cash < 0 && account.scale == 0) revert DebtWithoutPositions(slice.accountId);
        _addCash(subAccountId, _accounts[subAccountId], slice.cashTaken + sliceDeposit);
        _addCash(FUND_ACCOUNT_ID, _accounts[FUND_ACCOUNT_ID], fundFee);
        payment = uint256(proceeds + fundFee + sliceDeposit);
        totalCash += payment;
    }

    function _createAccount(address owner_, uint32 underlyingId) private returns (uint256 accountId) {
        accountId = ++accountCount;
        Account storage account = _accounts[accountId];
        account.owner = owner_;
        account.underlyingId = underlyingId;
        emit AccountCreated(accountId, owner_, underlyingId);
    }

    function _existing(uint256 accountId) private view returns (Account storage account) {
        account = _accounts[accountId];
        if (account.owner == address(0)) revert UnknownAccount(accountId);
    }

    /// @dev An amount as a signed number, refused when no account could hold it.
    function _signed(uint256 accountId, uint256 amount) private pure returns (int256) {
        if (amount >= uint256(CASH_LIMIT)) revert CashOutOfRange(accountId);
        return int256(amount);
    }

    /// @dev `change` is a sum of few numbers below 2^96.
    function _addCash(uint256 accountId, Account storage account, int256 change) private returns (int256 cash) {
        cash = account.cash + change;
        if (cash <= -CASH_LIMIT || cash >= CASH_LIMIT) revert CashOutOfRange(accountId);
        account.cash = int128(cash);
    }

    function _pull(address payer, uint256 amount) private {
        uint256 before = asset.balanceOf(address(this));
        asset.safeTransferFrom(payer, address(this), amount);
        uint256 received = asset.balanceOf(address(this)) - before;
        if (received != amount) revert TransferAmountMismatch(amount, received);
    }

    function _push(address recipient, uint256 amount) private {
        uint256 before = asset.balanceOf(address(this));
        asset.safeTransfer(recipient, amount);
        uint256 sent = before - asset.balanceOf(address(this));
        if (sent != amount) revert TransferAmountMismatch(amount, sent);
    }
}
