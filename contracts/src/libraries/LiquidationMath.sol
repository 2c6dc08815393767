// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice What an account is judged by.
/// @param cash in 1e-6 USD, signed
/// @param mark value of the positions, in 1e-6 USD, signed
/// @param requirement in 1e-6 USD
/// @param scale in 2^-40, at least 1 and below 2^64
struct LiquidationState {
    int256 cash;
    int256 mark;
    uint256 requirement;
    uint256 scale;
}

/// @notice Settings of liquidations, in basis points.
/// @param bufferBps the account is brought to the requirement and this part of it
/// @param penaltyBps part of the sold equity that the trader loses
/// @param rewardShareBps the keeper's part of the penalty; the rest is the fund's
struct LiquidationSettings {
    uint16 bufferBps;
    uint16 penaltyBps;
    uint16 rewardShareBps;
}

/// @notice Every figure of a liquidation, named as in section 6. Amounts are in 1e-6 USD.
/// @param scaleTaken in 2^-40, at least 1 and at most the account's scale
/// @param cashTaken signed
struct LiquidationAmounts {
    int256 equity;
    uint256 target;
    uint256 deficit;
    uint256 kept;
    uint256 scaleTaken;
    int256 cashTaken;
    uint256 equityTaken;
    uint256 traderProceeds;
    uint256 penalty;
    uint256 reward;
    uint256 fundFee;
    uint256 sliceDeposit;
    uint256 keeperPays;
}

/// @title Arithmetic of liquidations
/// @notice Section 6 of docs/margin-model.md, to the unit.
/// @dev With amounts below 2^96, scales below 2^64 and rates of at most 10,000, no product reaches 2^163.
library LiquidationMath {
    /// @notice Equity is at least the requirement.
    error AccountHealthy(int256 equity, uint256 requirement);
    /// @notice Nothing is left to sell: equity is 0 or less.
    error BadDebt(int256 equity);
    /// @notice The slice rounds to a scale of 0.
    error SliceTooSmall();

    /// @notice 100 %, in basis points.
    uint256 internal constant BASIS = 10_000;

    /// @notice The amounts of liquidating an account.
    /// @param state within the bounds of its fields
    /// @param settings `bufferBps` and `rewardShareBps` at most 10,000, `penaltyBps` below
    function amounts(LiquidationState memory state, LiquidationSettings memory settings)
        internal
        pure
        returns (LiquidationAmounts memory a)
    {
        a.equity = state.cash + state.mark;
        if (a.equity >= int256(state.requirement)) revert AccountHealthy(a.equity, state.requirement);
        if (a.equity <= 0) revert BadDebt(a.equity);
        uint256 equity = uint256(a.equity);
        uint256 keptShare = BASIS - settings.penaltyBps;

        a.target = Math.ceilDiv(state.requirement * (BASIS + settings.bufferBps), BASIS);
        a.deficit = a.target - equity;
        a.kept = equity * keptShare / BASIS;
        a.scaleTaken = state.scale * a.deficit / (a.deficit + a.kept);
        if (a.scaleTaken == 0) revert SliceTooSmall();

        a.cashTaken = floorDiv(state.cash * int256(a.scaleTaken), state.scale);
        a.equityTaken = equity * a.scaleTaken / state.scale;
        a.traderProceeds = Math.ceilDiv(a.equityTaken * keptShare, BASIS);
        a.penalty = a.equityTaken - a.traderProceeds;
        a.reward = a.penalty * settings.rewardShareBps / BASIS;
        a.fundFee = a.penalty - a.reward;
        uint256 targetTaken = Math.ceilDiv(a.target * a.scaleTaken, state.scale);
        a.sliceDeposit = targetTaken > a.equityTaken ? targetTaken - a.equityTaken : 0;
        a.keeperPays = a.traderProceeds + a.fundFee + a.sliceDeposit;
    }

    /// @notice Division rounded towards minus infinity.
    /// @param divisor at least 1
    function floorDiv(int256 dividend, uint256 divisor) internal pure returns (int256) {
        int256 signedDivisor = int256(divisor);
        int256 quotient = dividend / signedDivisor;
        return dividend % signedDivisor < 0 ? quotient - 1 : quotient;
    }
}
