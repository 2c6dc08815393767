// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Groth16Proof} from "./interfaces/Groth16.sol";
import {IFundHouse} from "./interfaces/IFundHouse.sol";
import {WithdrawalRequest} from "./interfaces/Requests.sol";
import {IInsuranceFund} from "./interfaces/IInsuranceFund.sol";
import {Units} from "./libraries/Units.sol";

/// @title Insurance fund
/// @notice Decides what the fund pays towards losses. Its money is the cash of account 1 of the clearing house, so that fees, draws and
/// contributions (`deposit` to that account, by anyone) are bookings there; this contract holds no tokens between transactions.
/// Amounts are in 1e-6 units of the settlement asset.
/// @dev A part of the cash is earmarked as the gamma reserve, for the losses of jumps that come all at once: it is drawn last and never
/// withdrawn. The reserve never exceeds the cash.
contract InsuranceFund is IInsuranceFund, Ownable2Step, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice Limit of what is paid for one underlying: a bucket that fills up as it pays and leaks evenly.
    /// @param amount that the bucket holds, and that leaks out in `CAP_PERIOD`; 0 for no payments
    /// @param used part of the bucket that was full at `updatedAt`
    /// @param updatedAt in seconds
    struct Cap {
        uint128 amount;
        uint128 used;
        uint40 updatedAt;
    }

    /// @notice The fund belongs to a clearing house.
    event Initialized(address indexed clearingHouse);
    /// @notice The limit of an underlying changed.
    event CapSet(uint32 indexed underlyingId, uint256 amount);
    /// @notice The rule by which the reserve grows changed.
    event ReserveRuleSet(uint256 shareBps, uint256 target);
    /// @notice What withdrawals must leave changes.
    /// @param effectiveFrom when it counts; now for a rise
    event MinimumSet(uint256 minimum, uint256 effectiveFrom);
    /// @notice A part of new cash was earmarked.
    /// @param reserve afterwards
    event Allocated(uint256 amount, uint256 reserve, uint256 cash);
    /// @notice The fund pays for a loss.
    /// @param wanted what was asked for
    /// @param reserve afterwards
    event Drawn(uint32 indexed underlyingId, uint256 wanted, uint256 fromFund, uint256 fromReserve, uint256 reserve);
    /// @notice Cash that the fund does not need left it.
    event SurplusWithdrawn(address indexed recipient, uint256 amount);

    /// @notice The clearing house was named before.
    error AlreadyInitialized();
    /// @notice The clearing house has not been named.
    error NotInitialized();
    /// @notice Account 1 of the clearing house is another's.
    error NotFundAccount(address owner);
    /// @notice Only the clearing house draws.
    error NotClearingHouse(address sender);
    /// @notice A share is above 100 %.
    error ShareOutOfRange(uint256 value);
    /// @notice The recipient is the zero address, this contract, or the clearing house, where tokens would be lost.
    error InvalidRecipient(address recipient);
    /// @notice The amount is 0, or more than what is neither earmarked nor part of the minimum.
    error NotSurplus(uint256 amount, uint256 surplus);
    /// @notice The clearing house paid less than was asked for, as it does while a socialised loss is open.
    error PaidShort(uint256 amount, uint256 received);

    /// @notice The fund's account in the clearing house.
    uint256 public constant FUND_ACCOUNT_ID = 1;
    /// @notice Time in which a full bucket becomes empty, in seconds.
    uint256 public constant CAP_PERIOD = 7 days;
    /// @notice Time until a lower minimum counts, in seconds.
    uint256 public constant MINIMUM_DELAY = 7 days;
    /// @notice 100 %, in basis points.
    uint256 public constant BASIS = Units.BASIS;

    /// @notice The clearing house; zero until `initialize`.
    IFundHouse public clearingHouse;
    /// @notice Earmarked part of the cash.
    uint256 public reserve;
    /// @notice Reserve up to which new cash is earmarked. A lower target releases nothing.
    uint256 public reserveTarget;
    /// @notice Part of new cash that is earmarked, in basis points.
    uint16 public reserveShareBps;
    /// @notice Limits by underlying.
    mapping(uint32 underlyingId => Cap cap) public capOf;
    /// @dev Cash as this contract last saw it; what exceeds it is new.
    uint256 private _allocatedCash;
    uint256 private _minimum;
    uint256 private _nextMinimum;
    uint256 private _nextMinimumFrom;

    constructor(address owner_) Ownable(owner_) {}

    /// @notice Names the clearing house, for good.
    function initialize(IFundHouse clearingHouse_) external onlyOwner nonReentrant {
        if (address(clearingHouse) != address(0)) revert AlreadyInitialized();
        address accountOwner = clearingHouse_.getAccount(FUND_ACCOUNT_ID).owner;
        if (accountOwner != address(this)) revert NotFundAccount(accountOwner);
        clearingHouse = clearingHouse_;
        emit Initialized(address(clearingHouse_));
    }

    /// @notice Limits what is paid for an underlying. What has been used stays used.
    /// @param amount at most this at once, and as much again in each `CAP_PERIOD`; 0 for nothing
    function setCap(uint32 underlyingId, uint128 amount) external onlyOwner nonReentrant {
        Cap storage cap = capOf[underlyingId];
        // Not above what the bucket held, hence within 128 bits.
        // forge-lint: disable-next-line(unsafe-typecast)
        cap.used = uint128(_usedOf(cap));
        // Times of this millennium fit.
        // forge-lint: disable-next-line(unsafe-typecast)
        cap.updatedAt = uint40(block.timestamp);
        cap.amount = amount;
        emit CapSet(underlyingId, amount);
    }

    /// @notice Sets how the reserve grows from now on. Cash that came before is allocated by the old rule.
    /// @param shareBps part of new cash that is earmarked, in basis points
    /// @param target reserve up to which that is done
    function setReserveRule(uint16 shareBps, uint256 target) external onlyOwner nonReentrant {
        if (shareBps > BASIS) revert ShareOutOfRange(shareBps);
        if (address(clearingHouse) != address(0)) _allocate(_cash());
        reserveShareBps = shareBps;
        reserveTarget = target;
        emit ReserveRuleSet(shareBps, target);
    }

    /// @notice Sets what withdrawals must leave beside the reserve. A rise counts at once, a fall after `MINIMUM_DELAY`.
    function setMinimum(uint256 newMinimum) external onlyOwner nonReentrant {
        uint256 current = minimum();
        uint256 effectiveFrom = block.timestamp;
        if (newMinimum < current) {
            effectiveFrom += MINIMUM_DELAY;
            _minimum = current;
        } else {
            _minimum = newMinimum;
        }
        _nextMinimum = newMinimum;
        _nextMinimumFrom = effectiveFrom;
        emit MinimumSet(newMinimum, effectiveFrom);
    }

    /// @notice Earmarks the reserve's share of cash that came in since the last allocation. Anyone may; draws and withdrawals do it first,
    /// so that it makes no difference who calls when.
    /// @return earmarked what the reserve grew by
    function allocate() external nonReentrant returns (uint256 earmarked) {
        if (address(clearingHouse) == address(0)) revert NotInitialized();
        return _allocate(_cash());
    }

    /// @inheritdoc IInsuranceFund
    function draw(uint32 underlyingId, uint256 amount, uint256 cash)
        external
        nonReentrant
        returns (uint256 fromFund, uint256 fromReserve)
    {
        if (msg.sender != address(clearingHouse)) revert NotClearingHouse(msg.sender);
        _allocate(cash);
        Cap storage cap = capOf[underlyingId];
        uint256 used = _usedOf(cap);
        uint256 paid = Math.min(amount, Math.min(cash, Math.saturatingSub(cap.amount, used)));
        fromFund = Math.min(paid, cash - reserve);
        fromReserve = paid - fromFund;
        if (paid != 0) {
            // `used + paid` is at most the cap's amount.
            // forge-lint: disable-next-line(unsafe-typecast)
            cap.used = uint128(used + paid);
            // Times of this millennium fit.
            // forge-lint: disable-next-line(unsafe-typecast)
            cap.updatedAt = uint40(block.timestamp);
            reserve -= fromReserve;
            _allocatedCash = cash - paid;
        }
        emit Drawn(underlyingId, amount, fromFund, fromReserve, reserve);
    }

    /// @notice Withdraws cash that is neither earmarked nor part of the minimum. The clearing house's own gates apply.
    /// @param amount in 1e-6 units, at least 1
    function withdrawSurplus(uint256 amount, address recipient) external onlyOwner nonReentrant {
        IFundHouse house = clearingHouse;
        if (address(house) == address(0)) revert NotInitialized();
        if (recipient == address(0) || recipient == address(this) || recipient == address(house)) {
            revert InvalidRecipient(recipient);
        }
        uint256 cash = _cash();
        _allocate(cash);
        uint256 available = Math.saturatingSub(cash, reserve + minimum());
        if (amount == 0 || amount > available) revert NotSurplus(amount, available);
        _allocatedCash = cash - amount;
        emit SurplusWithdrawn(recipient, amount);

        IERC20 asset = IERC20(house.asset());
        uint256 before = asset.balanceOf(address(this));
        WithdrawalRequest memory request;
        request.accountId = FUND_ACCOUNT_ID;
        request.amount = amount;
        request.minPaid = amount;
        Groth16Proof memory noProof;
        house.withdraw(request, noProof);
        uint256 received = asset.balanceOf(address(this)) - before;
        if (received != amount) revert PaidShort(amount, received);
        asset.safeTransfer(recipient, amount);
    }

    /// @inheritdoc IInsuranceFund
    function coverage(uint32 underlyingId, uint256 cash) external view returns (uint256 available) {
        Cap storage cap = capOf[underlyingId];
        return Math.min(cash, Math.saturatingSub(cap.amount, _usedOf(cap)));
    }

    /// @notice What the owner could withdraw now, were new cash allocated.
    function surplus() external view returns (uint256 available) {
        uint256 cash = _cash();
        return Math.saturatingSub(cash, Math.min(reserve, cash) + _earmarkOf(cash) + minimum());
    }

    /// @notice What withdrawals must leave beside the reserve.
    function minimum() public view returns (uint256) {
        return block.timestamp >= _nextMinimumFrom ? _nextMinimum : _minimum;
    }

    /// @dev Keeps the reserve within the cash.
    function _allocate(uint256 cash) private returns (uint256 earmarked) {
        uint256 kept = Math.min(reserve, cash);
        earmarked = _earmarkOf(cash);
        reserve = kept + earmarked;
        _allocatedCash = cash;
        if (earmarked != 0) emit Allocated(earmarked, kept + earmarked, cash);
    }

    /// @dev What an allocation would earmark.
    function _earmarkOf(uint256 cash) private view returns (uint256) {
        uint256 kept = Math.min(reserve, cash);
        uint256 growth = Math.saturatingSub(cash, _allocatedCash);
        uint256 missing = Math.saturatingSub(reserveTarget, kept);
        return Math.min(Math.min(growth * reserveShareBps / BASIS, missing), cash - kept);
    }

    /// @dev What of a bucket is full now. Roundings leave it fuller by less than a unit.
    function _usedOf(Cap storage cap) private view returns (uint256) {
        uint256 leaked = uint256(cap.amount) * (block.timestamp - cap.updatedAt) / CAP_PERIOD;
        return Math.saturatingSub(cap.used, leaked);
    }

    /// @dev Cash of the fund's account, which has no positions and so never owes any.
    function _cash() private view returns (uint256) {
        return SafeCast.toUint256(clearingHouse.getAccount(FUND_ACCOUNT_ID).cash);
    }
}
