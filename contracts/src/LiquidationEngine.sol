// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Groth16Proof} from "./interfaces/Groth16.sol";
import {Account, IClearingHouse, SliceMove} from "./interfaces/IClearingHouse.sol";
import {ILiquidatorRegistry} from "./interfaces/ILiquidatorRegistry.sol";
import {InsolvencyClaim, IProofGate} from "./interfaces/IProofGate.sol";
import {IRiskOracle} from "./interfaces/IRiskOracle.sol";
import {IRiskParameters, LiquidationTerms} from "./interfaces/IRiskParameters.sol";
import {LiquidationMath, LiquidationState, ProvenFigures, Sale} from "./libraries/LiquidationMath.sol";
import {ProofContext} from "./libraries/ProofContext.sol";

/// @notice What a keeper asks for. Money is in 1e-6 USD.
/// @param accountId account to liquidate
/// @param nonce of the account, as the proof binds it: an account that has changed since is refused before the proof is looked at
/// @param vesselId account of the keeper that takes and pays: without positions, or with the same commitment
/// @param round number of the oracle round that the proof is about; must be the newest
/// @param mark proven value of the positions, signed
/// @param baseRequirement proven maintenance requirement without moving collateral, signed
/// @param collateralSlope proven: what a unit of moving collateral adds to it, in 2^-54, signed
/// @param capacity legs of the circuit
/// @param maxPayment most that the keeper pays, proceeds and fee together
/// @param minScaleTaken least that the keeper wants, in 2^-40
/// @param deadline last second at which the order may be executed
struct LiquidationOrder {
    uint256 accountId;
    uint64 nonce;
    uint256 vesselId;
    uint64 round;
    int256 mark;
    int256 baseRequirement;
    int256 collateralSlope;
    uint8 capacity;
    uint256 maxPayment;
    uint256 minScaleTaken;
    uint256 deadline;
}

/// @notice What a liquidation comes to. Money is in 1e-6 USD.
/// @param penaltyBps of the worth taken
/// @param sale at the price factor `10000 - penaltyBps`
/// @param reward part of the penalty that stays with the keeper
/// @param fundFee rest of the penalty, for the insurance fund
/// @param payment what the vessel pays: proceeds and fee
struct Liquidation {
    uint256 penaltyBps;
    Sale sale;
    uint256 reward;
    uint256 fundFee;
    uint256 payment;
}

/// @title Atomic liquidations at a fixed penalty
/// @notice A keeper proves that an account's mark, and its requirement for any moving collateral, are such and such at the newest round. When
/// equity is below the requirement, and the account worth something, the keeper's vessel buys the slice that brings the account to its
/// requirement and the buffer. Larger accounts are for
/// auctions, unless the keeper is a registered backstop.
/// @dev Holds no funds. A proof shows one scenario; the keeper picks it. A milder one shows a smaller requirement: it sells less, at a smaller penalty, and
/// leaves the vessel with less to be liquidated by. Since equity must be below the proven requirement, no account with equity above
/// `atomicLimit` is ever sold here by the public, and none that lacks more than that.
contract LiquidationEngine is ReentrancyGuardTransient {
    /// @notice An address is zero.
    error ZeroAddress();
    /// @notice The order is too late.
    error DeadlinePassed(uint256 deadline);
    /// @notice There is no such account.
    error UnknownAccount(uint256 accountId);
    /// @notice The account has no positions.
    error NoPositions(uint256 accountId);
    /// @notice An auction of the account runs: bid there.
    error AccountInAuction(uint256 accountId);
    /// @notice The account is worth nothing: it is taken over in an auction.
    error BadDebt(int256 worth);
    /// @notice The requirement is above what the public may liquidate at a fixed penalty.
    error AboveAtomicLimit(uint256 requirement, uint256 limit);
    /// @notice The keeper would pay more than the order's limit.
    error PaymentAboveLimit(uint256 payment, uint256 maxPayment);
    /// @notice The keeper would get less than the order's limit.
    error ScaleBelowLimit(uint256 scaleTaken, uint256 minScaleTaken);
    /// @notice A batch has no orders, or too many.
    error BatchSizeOutOfRange(uint256 orders);
    /// @notice The account's positions are not those of the order: somebody else was first, or it occurs twice in the batch, or as a vessel.
    /// @param nonce of the account now
    error AccountChanged(uint256 accountId, uint64 nonce);
    /// @notice An order of a batch cannot be executed; all are undone.
    /// @param reason error of the order alone
    error OrderFailed(uint256 index, bytes reason);
    /// @notice The function is the contract's own.
    error NotSelf(address sender);

    /// @notice An account has been liquidated.
    /// @param nonce of the account before, as the proof binds it
    /// @param version of parameters and terms
    /// @param commitment to the legs that account and vessel now share
    /// @param state of the account before
    /// @param liquidation every figure of it
    event Liquidated(
        uint256 indexed accountId,
        uint256 indexed vesselId,
        address indexed keeper,
        uint64 nonce,
        uint64 round,
        uint64 version,
        uint256 commitment,
        LiquidationState state,
        Liquidation liquidation
    );

    /// @notice Most orders of a batch.
    uint256 public constant MAX_ORDERS = 16;

    /// @notice Source of the volatility index.
    IRiskOracle public immutable oracle;
    /// @notice Source of versions and terms.
    IRiskParameters public immutable parameters;
    /// @notice Holder of accounts.
    IClearingHouse public immutable house;
    /// @notice Judge of proofs.
    IProofGate public immutable gate;
    /// @notice List of backstops.
    ILiquidatorRegistry public immutable registry;

    constructor(
        IRiskOracle oracle_,
        IRiskParameters parameters_,
        IClearingHouse house_,
        IProofGate gate_,
        ILiquidatorRegistry registry_
    ) {
        if (
            address(oracle_) == address(0) || address(parameters_) == address(0) || address(house_) == address(0)
                || address(gate_) == address(0) || address(registry_) == address(0)
        ) revert ZeroAddress();
        oracle = oracle_;
        parameters = parameters_;
        house = house_;
        gate = gate_;
        registry = registry_;
    }

    /// @notice Liquidates an account. The sender is the keeper, and owns the vessel.
    /// @dev Proof context: `ProofContext.insolvency(this, accountId, nonce, round, keeper)`. Who loses a race pays for no verification.
    /// @return liquidation every figure of it
    function liquidate(LiquidationOrder calldata order, Groth16Proof calldata proof)
        external
        nonReentrant
        returns (Liquidation memory liquidation)
    {
        Account memory account = expectedAccount(order);
        uint64 version = parameters.versionOf(account.underlyingId);
        gate.requireInsolvency(_claim(order, account, version, msg.sender), proof);
        return _execute(order, account, version, msg.sender);
    }

    /// @notice Liquidates several accounts of one underlying, whose proofs are checked at once. All orders are executed or none.
    /// @param orders at most 16, all of one round and capacity
    /// @param proofs one for each order
    function liquidateBatch(LiquidationOrder[] calldata orders, Groth16Proof[] calldata proofs)
        external
        nonReentrant
        returns (Liquidation[] memory liquidations)
    {
        uint256 count = orders.length;
        if (count == 0 || count > MAX_ORDERS) revert BatchSizeOutOfRange(count);
        InsolvencyClaim[] memory claims = new InsolvencyClaim[](count);
        uint64 version;
        for (uint256 index = 0; index < count; index++) {
            try this.expectedAccount(orders[index]) returns (Account memory account) {
                // The gate refuses claims of another underlying than the first one's.
                if (index == 0) version = parameters.versionOf(account.underlyingId);
                claims[index] = _claim(orders[index], account, version, msg.sender);
            } catch (bytes memory reason) {
                revert OrderFailed(index, reason);
            }
        }
        gate.requireInsolvencyBatch(claims, proofs);

        liquidations = new Liquidation[](count);
        for (uint256 index = 0; index < count; index++) {
            try this.executeProven(orders[index], version, msg.sender) returns (Liquidation memory liquidation) {
                liquidations[index] = liquidation;
            } catch (bytes memory reason) {
                revert OrderFailed(index, reason);
            }
        }
    }

    /// @notice Executes an order of a batch whose proof has been checked. This contract alone may call, so that the error of an order can
    /// be told with its index.
    function executeProven(LiquidationOrder calldata order, uint64 version, address keeper)
        external
        returns (Liquidation memory liquidation)
    {
        if (msg.sender != address(this)) revert NotSelf(msg.sender);
        // Earlier orders may have changed the account.
        return _execute(order, expectedAccount(order), version, keeper);
    }

    /// @notice The account of an order; reverts when the order cannot be executed any more, whatever its proof says.
    /// @dev What others' orders and trades change is looked at here, before the costly proof. A deposit moves no nonce:
    /// equity is judged with the proof.
    function expectedAccount(LiquidationOrder calldata order) public view returns (Account memory account) {
        if (block.timestamp > order.deadline) revert DeadlinePassed(order.deadline);
        uint256 accountId = order.accountId;
        account = house.getAccount(accountId);
        if (account.owner == address(0)) revert UnknownAccount(accountId);
        if (account.nonce != order.nonce) revert AccountChanged(accountId, account.nonce);
        if (account.scale == 0) revert NoPositions(accountId);
        if (account.inAuction) revert AccountInAuction(accountId);
    }

    /// @notice What a liquidation comes to if the order's figures are proven; nothing is proven here. Reverts as the liquidation would,
    /// but for what the clearing house asks of the vessel.
    /// @param keeper who would send the order
    function previewLiquidation(LiquidationOrder calldata order, address keeper)
        external
        view
        returns (Liquidation memory liquidation)
    {
        Account memory account = expectedAccount(order);
        (, liquidation,) = _price(order, account, parameters.versionOf(account.underlyingId), keeper);
    }

    function _execute(LiquidationOrder calldata order, Account memory account, uint64 version, address keeper)
        private
        returns (Liquidation memory liquidation)
    {
        LiquidationState memory state;
        uint256 bufferBps;
        (state, liquidation, bufferBps) = _price(order, account, version, keeper);
        house.moveSlice(
            SliceMove({
                accountId: order.accountId,
                vesselId: order.vesselId,
                keeper: keeper,
                // At most the account's scale.
                // forge-lint: disable-next-line(unsafe-typecast)
                scaleTaken: uint64(liquidation.sale.scaleTaken),
                cashTaken: liquidation.sale.cashTaken,
                traderProceeds: liquidation.sale.proceeds,
                fundFee: liquidation.fundFee,
                subsidy: 0,
                proven: ProvenFigures(order.mark, order.baseRequirement, order.collateralSlope, account.scale),
                bufferBps: bufferBps
            })
        );
        emit Liquidated(
            order.accountId,
            order.vesselId,
            keeper,
            account.nonce,
            order.round,
            version,
            account.commitment,
            state,
            liquidation
        );
    }

    function _price(LiquidationOrder calldata order, Account memory account, uint64 version, address keeper)
        private
        view
        returns (LiquidationState memory state, Liquidation memory liquidation, uint256 bufferBps)
    {
        state = _liquidatableState(order, account);
        LiquidationTerms memory terms = parameters.termsAt(account.underlyingId, version);
        bufferBps = terms.bufferBps;
        liquidation.penaltyBps = _penaltyBps(terms, state, account.underlyingId, keeper);
        liquidation.sale = LiquidationMath.sale(
            state, bufferBps, LiquidationMath.BASIS - liquidation.penaltyBps, type(uint64).max
        );
        _splitPenalty(liquidation, terms.rewardShareBps);
        if (liquidation.payment > order.maxPayment) {
            revert PaymentAboveLimit(liquidation.payment, order.maxPayment);
        }
        uint256 scaleTaken = liquidation.sale.scaleTaken;
        if (scaleTaken < order.minScaleTaken) revert ScaleBelowLimit(scaleTaken, order.minScaleTaken);
    }

    function _liquidatableState(LiquidationOrder calldata order, Account memory account)
        private
        view
        returns (LiquidationState memory state)
    {
        state.cash = account.cash;
        LiquidationMath.setCollateral(state, house.collateralValueOf(order.accountId, false));
        state.mark = order.mark;
        state.requirement =
            LiquidationMath.requirementWith(order.baseRequirement, order.collateralSlope, state.movingCollateral);
        state.scale = account.scale;
        int256 equity = LiquidationMath.equityOf(state);
        // Below 2^100.
        // forge-lint: disable-next-line(unsafe-typecast)
        if (equity >= int256(state.requirement)) {
            revert LiquidationMath.AccountHealthy(equity, state.requirement);
        }
        int256 worth = LiquidationMath.worthOf(state);
        if (worth <= 0) revert BadDebt(worth);
    }

    function _penaltyBps(
        LiquidationTerms memory terms,
        LiquidationState memory state,
        uint32 underlyingId,
        address keeper
    ) private view returns (uint256) {
        if (registry.isBackstop(keeper)) return terms.backstopBps;
        int256 equity = LiquidationMath.equityOf(state);
        uint256 size = LiquidationMath.sizeOf(state.requirement, equity);
        if (size > terms.atomicLimit) revert AboveAtomicLimit(size, terms.atomicLimit);
        return LiquidationMath.penaltyBps(terms, equity, state.requirement, oracle.volatilityIndex(underlyingId));
    }

    function _splitPenalty(Liquidation memory liquidation, uint256 rewardShareBps) private pure {
        uint256 penalty = liquidation.sale.worthTaken - liquidation.sale.proceeds;
        liquidation.reward = penalty * rewardShareBps / LiquidationMath.BASIS;
        liquidation.fundFee = penalty - liquidation.reward;
        liquidation.payment = liquidation.sale.proceeds + liquidation.fundFee;
    }

    function _claim(LiquidationOrder calldata order, Account memory account, uint64 version, address keeper)
        private
        view
        returns (InsolvencyClaim memory)
    {
        return InsolvencyClaim({
            commitment: account.commitment,
            scale: account.scale,
            underlyingId: account.underlyingId,
            version: version,
            round: order.round,
            mark: order.mark,
            baseRequirement: order.baseRequirement,
            collateralSlope: order.collateralSlope,
            context: ProofContext.insolvency(address(this), order.accountId, account.nonce, order.round, keeper),
            capacity: order.capacity
        });
    }
}
