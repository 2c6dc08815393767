// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {CollateralValues, ICollateralVault} from "./interfaces/ICollateralVault.sol";
import {IRiskOracle} from "./interfaces/IRiskOracle.sol";
import {OracleWords} from "./libraries/OracleWords.sol";
import {Units} from "./libraries/Units.sol";

/// @notice A kind of collateral.
/// @param token ERC-20 that neither takes fees nor changes balances by itself
/// @param priceUnderlyingId its whole token is worth the spot of this underlying
/// @param haircutBps part of the value that does not count in accounts of that underlying, in basis points
/// @param crossHaircutBps the same in accounts of other underlyings, at least `haircutBps`: their proofs do not know what a fall of the price
/// does to the collateral, so that the haircut alone must cover it
/// @param decimals of the token
/// @param cap deposits that would bring `total` above it are refused; 0 takes no more
/// @param total of all accounts, in the token's smallest unit
struct Collateral {
    IERC20 token;
    uint32 priceUnderlyingId;
    uint16 haircutBps;
    uint16 crossHaircutBps;
    uint8 decimals;
    uint128 cap;
    uint128 total;
}

/// @notice Both haircuts of a kind, in basis points.
/// @param own in accounts of the underlying that prices the kind
/// @param cross in accounts of other underlyings, at least `own` and at most 10,000
struct Haircuts {
    uint16 own;
    uint16 cross;
}

/// @title Tokens given as collateral beside cash
/// @notice Holds the tokens, knows whose they are, and values them. Whether tokens may leave is for the clearing house to judge; it is the
/// only contract that may move them.
///
/// Collateral backs debts in cash, so the caps also bound how much of the house's cash can be owed against other tokens.
/// @dev Tokens held are at least the sum of all balances; what was sent here without a deposit belongs to nobody.
contract CollateralVault is ICollateralVault, Ownable2Step, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice The clearing house has been set already.
    error AlreadyInitialized();
    /// @notice An address is zero.
    error ZeroAddress();
    /// @notice The sender is not the clearing house.
    error NotHouse(address sender);
    /// @notice There are 8 kinds already.
    error TooManyCollaterals();
    /// @notice There is a kind with this token.
    error DuplicateToken(address token);
    /// @notice The token has more decimals than can be valued.
    error UnsupportedDecimals(uint8 decimals);
    /// @notice There is no such kind.
    error UnknownCollateral(uint256 collateralId);
    /// @notice Haircuts are above 100 %, or that of other underlyings' accounts is the smaller one.
    error HaircutsOutOfRange(Haircuts haircuts);
    /// @notice Neither haircut may be below the present one, and one must be above it: haircuts fall only with a delay.
    error HaircutsNotHigher(Haircuts haircuts, Haircuts present);
    /// @notice Neither scheduled haircut may be above the present one, and one must be below it.
    error HaircutsNotLower(Haircuts haircuts, Haircuts present);
    /// @notice No lower haircuts are scheduled, or their time has not come; `activeAt` is 0 when none are.
    error HaircutsNotDue(uint256 collateralId, uint256 activeAt);
    /// @notice An amount is 0.
    error ZeroAmount();
    /// @notice The deposit would exceed the kind's cap.
    error CapExceeded(uint256 collateralId, uint256 total, uint256 cap);
    /// @notice The kind's price is old, in doubt, or has stopped: deposits would count in liquidations at a price that nobody vouches for.
    error PriceNotFresh(uint256 collateralId);
    /// @notice The account has less.
    error InsufficientCollateral(uint256 accountId, uint256 collateralId, uint256 balance, uint256 amount);
    /// @notice Tokens received or sent differ from the amount: the token takes a fee or changes balances.
    error TransferAmountMismatch(uint256 expected, uint256 actual);

    /// @notice The clearing house has been set.
    event Initialized(address indexed house);
    /// @notice A kind has been added.
    event CollateralAdded(
        uint256 indexed collateralId,
        address indexed token,
        uint32 indexed priceUnderlyingId,
        Haircuts haircuts,
        uint256 cap,
        uint256 decimals
    );
    /// @notice The cap of a kind has changed.
    event CapSet(uint256 indexed collateralId, uint256 cap);
    /// @notice A haircut of a kind has changed.
    event HaircutsSet(uint256 indexed collateralId, Haircuts haircuts);
    /// @notice Lower haircuts may be applied from `activeAt` on.
    event HaircutsScheduled(uint256 indexed collateralId, Haircuts haircuts, uint256 activeAt);
    /// @notice Tokens came in.
    event CollateralDeposited(
        uint256 indexed accountId, uint256 indexed collateralId, address indexed payer, uint256 amount
    );
    /// @notice Tokens went out.
    event CollateralWithdrawn(
        uint256 indexed accountId, uint256 indexed collateralId, address indexed recipient, uint256 amount
    );
    /// @notice Tokens changed accounts with a slice.
    event CollateralMoved(uint256 indexed from, uint256 indexed to, uint256 indexed collateralId, uint256 amount);

    /// @notice Haircuts that fall.
    struct ScheduledHaircuts {
        Haircuts haircuts;
        uint40 activeAt;
    }

    /// @notice Most kinds; ids are 1 to 8.
    uint256 public constant MAX_COLLATERALS = 8;
    /// @notice Most decimals of a token: with amounts below 2^128 no product overflows.
    uint8 public constant MAX_DECIMALS = 24;
    /// @notice Delay of lower haircuts, in seconds.
    uint256 public constant HAIRCUT_DELAY = 2 days;
    /// @notice Values are cut here, so that no balance can break the arithmetic of a liquidation.
    uint256 public constant VALUE_LIMIT = Units.MAX_MONEY;
    /// @notice Least part of a haircut that is taken from the value at which slices are priced, in basis points.
    uint256 public constant SALE_SHARE_BPS = 2_500;
    uint256 private constant BASIS = Units.BASIS;

    /// @notice Where prices are read.
    IRiskOracle public immutable oracle;
    /// @notice The clearing house, set once.
    address public house;
    /// @notice Number of kinds.
    uint256 public collateralCount;
    mapping(uint256 collateralId => Collateral) private _collaterals;
    /// @notice Lower haircuts that wait for their time.
    mapping(uint256 collateralId => ScheduledHaircuts) public scheduledHaircuts;
    /// @notice Whether there is a kind with this token.
    mapping(address token => bool) public isListed;
    mapping(uint256 accountId => mapping(uint256 collateralId => uint256)) private _balances;
    /// @notice Kinds that an account holds: bit `id` for each.
    mapping(uint256 accountId => uint256) public heldKinds;

    modifier onlyHouse() {
        if (msg.sender != house) revert NotHouse(msg.sender);
        _;
    }

    /// @param owner_ adds kinds, sets caps and haircuts; a timelock where money is
    constructor(IRiskOracle oracle_, address owner_) Ownable(owner_) {
        if (address(oracle_) == address(0)) revert ZeroAddress();
        oracle = oracle_;
    }

    /// @notice Sets the clearing house, once and for good: vault and house know each other, so one of them must be told.
    function initialize(address house_) external onlyOwner nonReentrant {
        if (house != address(0)) revert AlreadyInitialized();
        if (house_ == address(0)) revert ZeroAddress();
        house = house_;
        emit Initialized(house_);
    }

    /// @notice Adds a kind. Kinds are never removed: a cap of 0 and a haircut of 100 % retire one.
    /// @param priceUnderlyingId its spot is the value of a whole token
    /// @param cap most of all accounts together, in the token's smallest unit
    function addCollateral(
        IERC20Metadata token,
        uint32 priceUnderlyingId,
        Haircuts calldata haircuts,
        uint128 cap
    ) external onlyOwner nonReentrant returns (uint256 collateralId) {
        if (address(token) == address(0)) revert ZeroAddress();
        if (isListed[address(token)]) revert DuplicateToken(address(token));
        _requireInRange(haircuts);
        uint8 decimals = token.decimals();
        if (decimals > MAX_DECIMALS) revert UnsupportedDecimals(decimals);
        collateralId = collateralCount + 1;
        if (collateralId > MAX_COLLATERALS) revert TooManyCollaterals();
        collateralCount = collateralId;
        isListed[address(token)] = true;
        _collaterals[collateralId] =
            Collateral(token, priceUnderlyingId, haircuts.own, haircuts.cross, decimals, cap, 0);
        emit CollateralAdded(collateralId, address(token), priceUnderlyingId, haircuts, cap, decimals);
    }

    /// @notice Sets a kind's cap. A cap below the total takes nothing from anyone, it refuses deposits.
    function setCap(uint256 collateralId, uint128 cap) external onlyOwner nonReentrant {
        _existing(collateralId).cap = cap;
        emit CapSet(collateralId, cap);
    }

    /// @notice Raises one haircut or both at once, and drops scheduled lower ones.
    function raiseHaircuts(uint256 collateralId, Haircuts calldata haircuts) external onlyOwner nonReentrant {
        Haircuts memory present = _haircutsOf(_existing(collateralId));
        _requireInRange(haircuts);
        if (!_isRise(present, haircuts)) revert HaircutsNotHigher(haircuts, present);
        delete scheduledHaircuts[collateralId];
        _setHaircuts(collateralId, haircuts);
    }

    /// @notice Schedules a lower haircut, or both: what makes the house less safe is seen before it happens.
    function scheduleHaircuts(uint256 collateralId, Haircuts calldata haircuts) external onlyOwner nonReentrant {
        Haircuts memory present = _haircutsOf(_existing(collateralId));
        _requireInRange(haircuts);
        if (!_isRise(haircuts, present)) revert HaircutsNotLower(haircuts, present);
        // Seconds since 1970 fit 40 bits for 34,000 years.
        // forge-lint: disable-next-line(unsafe-typecast)
        uint40 activeAt = uint40(block.timestamp + HAIRCUT_DELAY);
        scheduledHaircuts[collateralId] = ScheduledHaircuts(haircuts, activeAt);
        emit HaircutsScheduled(collateralId, haircuts, activeAt);
    }

    /// @notice Applies scheduled haircuts when their time has come; anyone may.
    function applyHaircuts(uint256 collateralId) external nonReentrant {
        ScheduledHaircuts memory scheduled = scheduledHaircuts[collateralId];
        if (scheduled.activeAt == 0 || block.timestamp < scheduled.activeAt) {
            revert HaircutsNotDue(collateralId, scheduled.activeAt);
        }
        delete scheduledHaircuts[collateralId];
        _setHaircuts(collateralId, scheduled.haircuts);
    }

    /// @inheritdoc ICollateralVault
    function take(uint256 accountId, address payer, uint256 collateralId, uint256 amount)
        external
        onlyHouse
        nonReentrant
    {
        Collateral storage collateral = _existing(collateralId);
        if (amount == 0) revert ZeroAmount();
        // Liquidations count what is here at the last price. A token that died in silence must not be brought to ward one off.
        (, bool fresh) = oracle.latestUnderlyingWord(collateral.priceUnderlyingId);
        if (!fresh) revert PriceNotFresh(collateralId);
        uint256 cap = collateral.cap;
        // The total is at most an earlier cap, hence below 2^128.
        if (amount > cap || collateral.total + amount > cap) revert CapExceeded(collateralId, collateral.total, cap);
        // At most the cap.
        // forge-lint: disable-next-line(unsafe-typecast)
        collateral.total += uint128(amount);
        _credit(accountId, collateralId, amount);
        emit CollateralDeposited(accountId, collateralId, payer, amount);
        IERC20 token = collateral.token;
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(payer, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != amount) revert TransferAmountMismatch(amount, received);
    }

    /// @inheritdoc ICollateralVault
    function give(uint256 accountId, address recipient, uint256 collateralId, uint256 amount)
        external
        onlyHouse
        nonReentrant
    {
        Collateral storage collateral = _existing(collateralId);
        if (amount == 0) revert ZeroAmount();
        _debit(accountId, collateralId, amount);
        // At most the account's balance, which is part of the total.
        // forge-lint: disable-next-line(unsafe-typecast)
        collateral.total -= uint128(amount);
        emit CollateralWithdrawn(accountId, collateralId, recipient, amount);
        IERC20 token = collateral.token;
        uint256 before = token.balanceOf(address(this));
        token.safeTransfer(recipient, amount);
        uint256 sent = before - token.balanceOf(address(this));
        if (sent != amount) revert TransferAmountMismatch(amount, sent);
    }

    /// @inheritdoc ICollateralVault
    function moveShare(uint256 from, uint256 to, uint256 scaleTaken, uint256 scale, uint32 underlyingId)
        external
        onlyHouse
        nonReentrant
        returns (uint256 givenOf, CollateralValues memory values)
    {
        uint256 kinds = heldKinds[from];
        if (kinds != 0) {
            givenOf = _valuesOf(from, underlyingId, true).moving;
            _moveKinds(from, to, scaleTaken, scale, kinds);
        }
        values = _valuesOf(to, underlyingId, true);
    }

    /// @inheritdoc ICollateralVault
    function valuesOf(uint256 accountId, uint32 underlyingId, bool onlyFresh)
        external
        view
        returns (CollateralValues memory values)
    {
        return _valuesOf(accountId, underlyingId, onlyFresh);
    }

    /// @notice Value of all that an account holds at the oracle's spots, in 1e-6 units, below 2^96: what takers of slices may hope to sell it for,
    /// but for their costs. Kinds whose own haircut is above a quarter are doubtful, and count as in `saleValue`; others have no haircut here.
    /// @param onlyFresh whether collateral with a stale price counts as nothing; otherwise the last known price counts
    function fullValueOf(uint256 accountId, bool onlyFresh) external view returns (uint256 value) {
        uint256 kinds = heldKinds[accountId];
        for (uint256 collateralId = 1; collateralId <= MAX_COLLATERALS; collateralId++) {
            if (kinds & (1 << collateralId) == 0) continue;
            Collateral storage collateral = _collaterals[collateralId];
            uint256 haircut = collateral.haircutBps;
            uint256 kept = BASIS * BASIS - (haircut > SALE_SHARE_BPS ? haircut * haircut : 0);
            value += _pricedAmount(accountId, collateralId, onlyFresh) * kept / (BASIS * BASIS * 10 ** collateral.decimals);
        }
        return Math.min(value, VALUE_LIMIT);
    }

    /// @notice What an account holds of a kind, in the token's smallest unit.
    function balanceOf(uint256 accountId, uint256 collateralId) external view returns (uint256 amount) {
        return _balances[accountId][collateralId];
    }

    /// @notice A kind; all fields are zero when there is none.
    function getCollateral(uint256 collateralId) external view returns (Collateral memory collateral) {
        return _collaterals[collateralId];
    }

    function _moveKinds(uint256 from, uint256 to, uint256 scaleTaken, uint256 scale, uint256 kinds) private {
        for (uint256 collateralId = 1; collateralId <= MAX_COLLATERALS; collateralId++) {
            if (kinds & (1 << collateralId) == 0) continue;
            uint256 balance = _balances[from][collateralId];
            // Balances are below 2^128 and scales below 2^64.
            uint256 amount = scaleTaken == scale ? balance : balance * scaleTaken / scale;
            if (amount == 0) continue;
            _debit(from, collateralId, amount);
            _credit(to, collateralId, amount);
            emit CollateralMoved(from, to, collateralId, amount);
        }
    }

    function _valuesOf(uint256 accountId, uint32 underlyingId, bool onlyFresh)
        private
        view
        returns (CollateralValues memory values)
    {
        uint256 kinds = heldKinds[accountId];
        if (kinds == 0) return values;
        for (uint256 collateralId = 1; collateralId <= MAX_COLLATERALS; collateralId++) {
            if (kinds & (1 << collateralId) == 0) continue;
            Collateral storage collateral = _collaterals[collateralId];
            bool isMoving = collateral.priceUnderlyingId == underlyingId;
            uint256 haircut = collateral.haircutBps;
            uint256 kept = BASIS - (isMoving ? haircut : collateral.crossHaircutBps);
            uint256 amount = _pricedAmount(accountId, collateralId, onlyFresh);
            uint256 unit = BASIS * 10 ** collateral.decimals;
            uint256 value = amount * kept / unit;
            values.value += value;
            if (isMoving) values.moving += value;
            uint256 saleHaircut = haircut * Math.max(haircut, SALE_SHARE_BPS);
            values.saleValue += amount * (BASIS * BASIS - saleHaircut) / (BASIS * unit);
        }
        values.value = Math.min(values.value, VALUE_LIMIT);
        values.moving = Math.min(values.moving, VALUE_LIMIT);
        values.saleValue = Math.min(values.saleValue, VALUE_LIMIT);
    }

    /// @dev What an account holds of a kind, in its smallest unit, times the spot: below 2^128 * 2^44, and with factors of haircuts below 2^199.
    function _pricedAmount(uint256 accountId, uint256 collateralId, bool onlyFresh) private view returns (uint256) {
        (uint256 word, bool fresh) = oracle.latestUnderlyingWord(_collaterals[collateralId].priceUnderlyingId);
        return onlyFresh && !fresh ? 0 : _balances[accountId][collateralId] * OracleWords.spot(word);
    }

    function _credit(uint256 accountId, uint256 collateralId, uint256 amount) private {
        uint256 balance = _balances[accountId][collateralId];
        _balances[accountId][collateralId] = balance + amount;
        if (balance == 0) heldKinds[accountId] |= 1 << collateralId;
    }

    function _debit(uint256 accountId, uint256 collateralId, uint256 amount) private {
        uint256 balance = _balances[accountId][collateralId];
        if (balance < amount) revert InsufficientCollateral(accountId, collateralId, balance, amount);
        _balances[accountId][collateralId] = balance - amount;
        if (balance == amount) heldKinds[accountId] &= ~(1 << collateralId);
    }

    function _setHaircuts(uint256 collateralId, Haircuts memory haircuts) private {
        Collateral storage collateral = _collaterals[collateralId];
        collateral.haircutBps = haircuts.own;
        collateral.crossHaircutBps = haircuts.cross;
        emit HaircutsSet(collateralId, haircuts);
    }

    function _haircutsOf(Collateral storage collateral) private view returns (Haircuts memory) {
        return Haircuts(collateral.haircutBps, collateral.crossHaircutBps);
    }

    function _requireInRange(Haircuts calldata haircuts) private pure {
        if (haircuts.own > haircuts.cross || haircuts.cross > BASIS) revert HaircutsOutOfRange(haircuts);
    }

    /// @dev Neither falls, and one rises.
    function _isRise(Haircuts memory from, Haircuts memory to) private pure returns (bool) {
        return to.own >= from.own && to.cross >= from.cross && (to.own != from.own || to.cross != from.cross);
    }

    function _existing(uint256 collateralId) private view returns (Collateral storage collateral) {
        if (collateralId == 0 || collateralId > collateralCount) revert UnknownCollateral(collateralId);
        return _collaterals[collateralId];
    }
}
