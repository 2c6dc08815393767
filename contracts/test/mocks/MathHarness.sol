// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {LiquidationTerms} from "../../src/interfaces/IRiskParameters.sol";
import {
    LiquidationMath,
    LiquidationState,
    PriceCurve,
    ProvenFigures,
    Sale,
    Takeover
} from "../../src/libraries/LiquidationMath.sol";
import {Openings} from "../../src/libraries/Openings.sol";
import {ProofContext} from "../../src/libraries/ProofContext.sol";

/// @notice What a call of a batch gave.
/// @param data the result, or the error
struct Outcome {
    bool success;
    bytes data;
}

/// @title The libraries' functions, to be called from outside
contract MathHarness {
    /// @notice Many calls of this contract in one.
    function batch(bytes[] calldata calls) external view returns (Outcome[] memory outcomes) {
        outcomes = new Outcome[](calls.length);
        for (uint256 index = 0; index < calls.length; index++) {
            (outcomes[index].success, outcomes[index].data) = address(this).staticcall(calls[index]);
        }
    }

    function atScale(ProvenFigures calldata proven, uint256 scale) external pure returns (ProvenFigures memory) {
        return LiquidationMath.atScale(proven, scale);
    }

    function requirementWith(int256 baseRequirement, int256 collateralSlope, uint256 movingCollateral)
        external
        pure
        returns (uint256)
    {
        return LiquidationMath.requirementWith(baseRequirement, collateralSlope, movingCollateral);
    }

    function subsidisedRequirement(uint256 requirement, int256 baseRequirement) external pure returns (uint256) {
        return LiquidationMath.subsidisedRequirement(requirement, baseRequirement);
    }

    function equityOf(LiquidationState calldata state) external pure returns (int256) {
        return LiquidationMath.equityOf(state);
    }

    function worthOf(LiquidationState calldata state) external pure returns (int256) {
        return LiquidationMath.worthOf(state);
    }

    function sizeOf(uint256 requirement, int256 equity) external pure returns (uint256) {
        return LiquidationMath.sizeOf(requirement, equity);
    }

    function targetOf(uint256 requirement, uint256 bufferBps) external pure returns (uint256) {
        return LiquidationMath.targetOf(requirement, bufferBps);
    }

    function sale(LiquidationState calldata state, uint256 bufferBps, uint256 factorBps, uint256 maxScale)
        external
        pure
        returns (Sale memory)
    {
        return LiquidationMath.sale(state, bufferBps, factorBps, maxScale);
    }

    function takeover(
        LiquidationState calldata state,
        uint256 bufferBps,
        uint256 elapsed,
        uint256 length,
        uint256 maxScale
    ) external pure returns (Takeover memory) {
        return LiquidationMath.takeover(state, bufferBps, elapsed, length, maxScale);
    }

    function vesselFloor(
        ProvenFigures calldata proven,
        uint256 bufferBps,
        uint256 heldScale,
        uint256 movingCollateral
    ) external pure returns (int256) {
        return LiquidationMath.vesselFloor(proven, bufferBps, heldScale, movingCollateral);
    }

    function factorAt(LiquidationTerms calldata terms, uint256 elapsed) external pure returns (uint256) {
        PriceCurve memory curve = PriceCurve({
            startFactorBps: terms.startFactorBps,
            fastFactorBps: terms.fastFactorBps,
            cuspFactorBps: terms.cuspFactorBps,
            fastSeconds: terms.fastSeconds,
            tailSeconds: terms.tailSeconds
        });
        return LiquidationMath.factorAt(curve, elapsed);
    }

    function penaltyBps(LiquidationTerms calldata terms, int256 equity, uint256 requirement, uint256 volatility)
        external
        pure
        returns (uint256)
    {
        return LiquidationMath.penaltyBps(terms, equity, requirement, volatility);
    }

    function startFee(LiquidationState calldata state, LiquidationTerms calldata terms, uint256 volatility)
        external
        pure
        returns (uint256 fee, uint256 reward)
    {
        return LiquidationMath.startFee(state, terms, volatility);
    }

    function floorDiv(int256 dividend, uint256 divisor) external pure returns (int256) {
        return LiquidationMath.floorDiv(dividend, divisor);
    }

    function openingPoint(uint256 commitment, uint256[] calldata legs, uint256 salt) external pure returns (uint256) {
        return Openings.point(commitment, legs, salt);
    }

    function openingEvaluation(uint256 point, uint256[] calldata legs, uint256 salt) external pure returns (uint256) {
        return Openings.evaluation(point, legs, salt);
    }

    function insolvencyContext(address consumer, uint256 accountId, uint256 nonce, uint256 round, address keeper)
        external
        view
        returns (uint256)
    {
        return ProofContext.insolvency(consumer, accountId, nonce, round, keeper);
    }

    function solvencyContext(address consumer, uint256 purpose, uint256 accountId, uint256 nonce, uint256 round)
        external
        view
        returns (uint256)
    {
        return ProofContext.solvency(consumer, purpose, accountId, nonce, round);
    }

    function transferContext(
        address consumer,
        uint256 accountA,
        uint256 nonceA,
        uint256 accountB,
        uint256 nonceB,
        int256 cashToA
    ) external view returns (uint256) {
        return ProofContext.transfer(consumer, accountA, nonceA, accountB, nonceB, cashToA);
    }

    function settlementContext(address consumer, uint256 accountId, uint256 nonce) external view returns (uint256) {
        return ProofContext.settlement(consumer, accountId, nonce);
    }

    function fromSigned(int256 value) external pure returns (uint256) {
        return ProofContext.fromSigned(value);
    }
}
