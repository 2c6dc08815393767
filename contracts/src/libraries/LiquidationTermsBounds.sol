// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {LiquidationTerms} from "../interfaces/IRiskParameters.sol";
import {ParameterWords} from "./ParameterWords.sol";
import {Units} from "./Units.sol";

/// @title Bounds of liquidation terms
/// @notice What no governance may set, and what one version may change. `src/liquidation/terms.ts` checks the same.
library LiquidationTermsBounds {
    /// @notice The initial level is not above maintenance, or above 4 times maintenance.
    error InitialLevelOutOfRange(uint256 value);
    /// @notice The buffer is above 100 %.
    error BufferOutOfRange(uint256 value);
    /// @notice A tier that is worse covered has a smaller penalty than the one before it.
    error PenaltiesNotOrdered(uint256 tier);
    /// @notice The penalty of a tier, with that of turbulent markets, is above 20 %.
    error PenaltyOutOfRange(uint256 tier, uint256 value);
    /// @notice The keeper's part of a penalty is above all of it.
    error RewardShareOutOfRange(uint256 value);
    /// @notice Backstops would pay less than anyone else has to.
    error BackstopOutOfRange(uint256 value, uint256 limit);
    /// @notice The fee of an auction, with the penalty of turbulent markets, is above 5 %.
    error FeeOutOfRange(uint256 value);
    /// @notice The tip is above 500 USD.
    error TipOutOfRange(uint256 value);
    /// @notice The chip is above the whole fee.
    error ChipOutOfRange(uint256 value);
    /// @notice Public bidding starts above the worth of what is sold.
    error StartFactorOutOfRange(uint256 value);
    /// @notice The price factors do not fall from start over the fast stage's end to the cusp.
    error FactorsNotOrdered(uint256 start, uint256 fast, uint256 cusp);
    /// @notice The curve ends below a half.
    error CuspFactorOutOfRange(uint256 value);
    /// @notice The curve is shorter than a minute or longer than a day.
    error TailOutOfRange(uint256 value);
    /// @notice The fast stage is as long as the curve or longer.
    error FastStageOutOfRange(uint256 value, uint256 tail);
    /// @notice The rise of subsidies is shorter than a minute or longer than a day.
    error InsolventSecondsOutOfRange(uint256 value);
    /// @notice Commitment and reveal of sealed bids take neither no time at all nor 10 to 600 seconds each.
    error SealedStageOutOfRange(uint256 commitSeconds, uint256 revealSeconds);
    /// @notice The time without a second fee is longer than a day.
    error CoolOffOutOfRange(uint256 value);
    /// @notice Proofs may be used for less than 10 seconds or more than an hour.
    error MaxProofAgeOutOfRange(uint256 value);
    /// @notice The smallest bid is above half of what is for sale.
    error MinBidOutOfRange(uint256 value);

    /// @notice Level of the maintenance requirement, in 2^-12.
    uint256 internal constant MAINTENANCE_LEVEL = Units.MAINTENANCE_LEVEL;
    /// @notice Largest initial level, in 2^-12.
    uint256 internal constant LARGEST_LEVEL = 16_384;
    /// @notice 100 %, in basis points.
    uint256 internal constant BASIS = Units.BASIS;
    /// @notice Largest penalty, in basis points.
    uint256 internal constant LARGEST_PENALTY = 2_000;
    /// @notice Largest fee of an auction, in basis points.
    uint256 internal constant LARGEST_FEE = 500;
    /// @notice Largest tip, in 1e-6 USD.
    uint256 internal constant LARGEST_TIP = 500e6;
    /// @notice Least price factor, in basis points.
    uint256 internal constant LEAST_FACTOR = 5_000;
    /// @notice Rates of a sale move by at most this in one version, in basis points.
    uint256 internal constant RATE_STEP = 500;
    /// @notice The buffer rises by at most this in one version, in basis points.
    uint256 internal constant BUFFER_STEP = 1_000;

    /// @notice Reverts unless every field is within its bounds, naming the field.
    function validate(LiquidationTerms memory t) internal pure {
        if (t.initialLevel <= MAINTENANCE_LEVEL || t.initialLevel > LARGEST_LEVEL) {
            revert InitialLevelOutOfRange(t.initialLevel);
        }
        if (t.bufferBps > BASIS) revert BufferOutOfRange(t.bufferBps);
        for (uint256 tier = 0; tier < 4; tier++) {
            if (tier > 0 && t.penaltyBps[tier] < t.penaltyBps[tier - 1]) revert PenaltiesNotOrdered(tier);
            uint256 penalty = uint256(t.penaltyBps[tier]) + t.volatilityPenaltyBps;
            if (penalty > LARGEST_PENALTY) revert PenaltyOutOfRange(tier, penalty);
        }
        if (t.rewardShareBps > BASIS) revert RewardShareOutOfRange(t.rewardShareBps);
        if (t.backstopBps > t.penaltyBps[0]) revert BackstopOutOfRange(t.backstopBps, t.penaltyBps[0]);
        uint256 fee = uint256(t.feeBps) + t.volatilityPenaltyBps;
        if (fee > LARGEST_FEE) revert FeeOutOfRange(fee);
        if (t.tip > LARGEST_TIP) revert TipOutOfRange(t.tip);
        if (t.chipBps > BASIS) revert ChipOutOfRange(t.chipBps);
        _validateAuction(t);
    }

    /// @notice Reverts when a sale's terms worsen for holders of positions by more than one version may worsen them.
    /// @param previous terms in force
    /// @param next terms to come
    function requireSteps(LiquidationTerms memory previous, LiquidationTerms memory next) internal pure {
        if (next.initialLevel > uint256(previous.initialLevel) + previous.initialLevel / 4) {
            revert ParameterWords.StepTooLarge("initialLevel", previous.initialLevel, next.initialLevel);
        }
        _requireRise("bufferBps", previous.bufferBps, next.bufferBps, BUFFER_STEP);
        for (uint256 tier = 0; tier < 4; tier++) {
            _requireRise("penaltyBps", previous.penaltyBps[tier], next.penaltyBps[tier], RATE_STEP);
            _requireRise(
                "volatilityPenaltyBps",
                uint256(previous.penaltyBps[tier]) + previous.volatilityPenaltyBps,
                uint256(next.penaltyBps[tier]) + next.volatilityPenaltyBps,
                RATE_STEP
            );
        }
        _requireFall("startFactorBps", previous.startFactorBps, next.startFactorBps);
        _requireFall("fastFactorBps", previous.fastFactorBps, next.fastFactorBps);
        _requireFall("cuspFactorBps", previous.cuspFactorBps, next.cuspFactorBps);
        if (2 * uint256(next.tailSeconds) < previous.tailSeconds) {
            revert ParameterWords.StepTooLarge("tailSeconds", previous.tailSeconds, next.tailSeconds);
        }
    }

    function _validateAuction(LiquidationTerms memory t) private pure {
        if (t.startFactorBps > BASIS) revert StartFactorOutOfRange(t.startFactorBps);
        if (t.fastFactorBps > t.startFactorBps || t.cuspFactorBps > t.fastFactorBps) {
            revert FactorsNotOrdered(t.startFactorBps, t.fastFactorBps, t.cuspFactorBps);
        }
        if (t.cuspFactorBps < LEAST_FACTOR) revert CuspFactorOutOfRange(t.cuspFactorBps);
        if (t.tailSeconds < 60 || t.tailSeconds > 1 days) revert TailOutOfRange(t.tailSeconds);
        if (t.fastSeconds >= t.tailSeconds) revert FastStageOutOfRange(t.fastSeconds, t.tailSeconds);
        if (t.insolventSeconds < 60 || t.insolventSeconds > 1 days) {
            revert InsolventSecondsOutOfRange(t.insolventSeconds);
        }
        bool noSealedStage = t.commitSeconds == 0 && t.revealSeconds == 0;
        if (!noSealedStage && !(_isStage(t.commitSeconds) && _isStage(t.revealSeconds))) {
            revert SealedStageOutOfRange(t.commitSeconds, t.revealSeconds);
        }
        if (t.coolOffSeconds > 1 days) revert CoolOffOutOfRange(t.coolOffSeconds);
        if (t.maxProofAge < 10 || t.maxProofAge > 1 hours) revert MaxProofAgeOutOfRange(t.maxProofAge);
        if (t.minBidBps > BASIS / 2) revert MinBidOutOfRange(t.minBidBps);
    }

    function _isStage(uint256 length) private pure returns (bool) {
        return length >= 10 && length <= 600;
    }

    function _requireRise(string memory name, uint256 previous, uint256 next, uint256 step) private pure {
        if (next > previous + step) revert ParameterWords.StepTooLarge(name, previous, next);
    }

    function _requireFall(string memory name, uint256 previous, uint256 next) private pure {
        if (next + RATE_STEP < previous) revert ParameterWords.StepTooLarge(name, previous, next);
    }
}
