// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SignedMath} from "@openzeppelin/contracts/utils/math/SignedMath.sol";
import {CollateralValues} from "../interfaces/ICollateralVault.sol";
import {LiquidationTerms} from "../interfaces/IRiskParameters.sol";
import {Units} from "./Units.sol";

/// @notice What an account is judged by, all at its present scale. Money is in 1e-6 USD.
/// @param cash signed
/// @param collateral value after haircuts
/// @param movingCollateral the part of it that moves with the underlying of the positions
/// @param saleCollateral value of collateral at which slices are priced, at least `collateral`
/// @param mark value of the positions, signed
/// @param requirement maintenance, moving collateral included
/// @param scale in 2^-40, at least 1
/// @param reserved cash that bids of the running auction have paid; it is not for sale
struct LiquidationState {
    int256 cash;
    uint256 collateral;
    uint256 movingCollateral;
    uint256 saleCollateral;
    int256 mark;
    uint256 requirement;
    uint256 scale;
    uint256 reserved;
}

/// @notice What an insolvency proof shows, in 1e-6 USD.
/// @param mark value of the positions, signed
/// @param baseRequirement maintenance without moving collateral, signed
/// @param collateralSlope what a unit of moving collateral adds to it, in 2^-54, signed
/// @param scale of the proof, in 2^-40, at least 1
struct ProvenFigures {
    int256 mark;
    int256 baseRequirement;
    int256 collateralSlope;
    uint256 scale;
}

/// @notice The price factor over time: two straight lines.
/// @param startFactorBps with which public bidding starts, in basis points
/// @param fastFactorBps at the end of the fast stage, at most the start's
/// @param cuspFactorBps at the end of the curve, at most the fast stage's
/// @param fastSeconds length of the fast stage
/// @param tailSeconds length of the whole curve, at least the fast stage's
struct PriceCurve {
    uint256 startFactorBps;
    uint256 fastFactorBps;
    uint256 cuspFactorBps;
    uint256 fastSeconds;
    uint256 tailSeconds;
}

/// @notice A sale of a part of an account that is worth something.
/// @param worth equity with collateral at the value at which slices are priced
/// @param target requirement and buffer
/// @param maxScale most that may be sold: what brings the account to its target at this price
/// @param cashTaken the slice's share of cash that is not reserved, signed
/// @param worthTaken the slice's share of the worth that is not reserved
/// @param proceeds what the account is paid for it
/// @param reservedAfter what is reserved afterwards: what was not for sale, and the proceeds
struct Sale {
    int256 worth;
    uint256 target;
    uint256 maxScale;
    uint256 scaleTaken;
    int256 cashTaken;
    uint256 worthTaken;
    uint256 proceeds;
    uint256 reservedAfter;
}

/// @notice A takeover of a part of an account that is worth nothing. Reserved cash goes with it like all other cash; nothing is reserved
/// afterwards.
/// @param worth equity with collateral at the value at which slices are priced, at most 0
/// @param subsidy what the taker is paid
struct Takeover {
    int256 worth;
    uint256 target;
    uint256 scaleTaken;
    int256 cashTaken;
    uint256 subsidy;
}

/// @title Arithmetic of liquidations and auctions
/// @notice Section 6 of docs/margin-model.md, to the unit. Every rounding is against who takes the slice.
/// @dev With amounts below 2^96, slopes below 2^57, scales below 2^64 and rates of at most 20,000, equity stays below 2^98, requirements
/// below 2^99.2 and targets below 2^100.2, and no product reaches 2^200. Callers keep the rates within that: a factor that a stranger chooses could make `sale` revert.
library LiquidationMath {
    // Numbers that change between signed and unsigned are below 2^200, and not negative when they become unsigned.
    // forge-lint: disable-start(unsafe-typecast)

    /// @notice Equity covers what is asked for.
    error AccountHealthy(int256 equity, uint256 target);
    /// @notice The account is worth nothing that could be sold.
    error NoWorth(int256 worth);
    /// @notice The account is worth something: it is sold, not subsidised.
    error HasWorth(int256 worth);
    /// @notice The slice rounds to a scale of 0.
    error SliceTooSmall();

    /// @notice 100 %, in basis points.
    uint256 internal constant BASIS = Units.BASIS;
    /// @notice Slopes are in units of two to the power of minus this.
    uint256 internal constant SLOPE_PLACES = 54;

    /// @notice Proven figures at another scale of the same legs: the mark rounded up, the requirement down. The slope is the same at all
    /// scales: it is the collateral that becomes less.
    /// @param proven at a scale of at least 1
    function atScale(ProvenFigures memory proven, uint256 scale) internal pure returns (ProvenFigures memory) {
        return ProvenFigures({
            mark: markAt(proven.mark, proven.scale, scale),
            baseRequirement: baseRequirementAt(proven.baseRequirement, proven.scale, scale),
            collateralSlope: proven.collateralSlope,
            scale: scale
        });
    }

    /// @notice The mark of `atScale`, rounded up.
    /// @param provenScale of the proof, at least 1
    function markAt(int256 mark, uint256 provenScale, uint256 scale) internal pure returns (int256) {
        return -floorDiv(-mark * int256(scale), provenScale);
    }

    /// @notice The base requirement of `atScale`, rounded down.
    /// @param provenScale of the proof, at least 1
    function baseRequirementAt(int256 baseRequirement, uint256 provenScale, uint256 scale)
        internal
        pure
        returns (int256)
    {
        return floorDiv(baseRequirement * int256(scale), provenScale);
    }

    /// @notice What a scenario requires of an account with its moving collateral: at least 0, and never more than the true requirement,
    /// whatever collateral came or went since the proof.
    /// @param movingCollateral at the scale of `baseRequirement`
    function requirementWith(int256 baseRequirement, int256 collateralSlope, uint256 movingCollateral)
        internal
        pure
        returns (uint256)
    {
        // A shift of a signed number rounds towards minus infinity.
        int256 requirement = baseRequirement + ((int256(movingCollateral) * collateralSlope) >> SLOPE_PLACES);
        return requirement > 0 ? uint256(requirement) : 0;
    }

    /// @notice The requirement that a subsidy counts: nothing for the risk of collateral itself. Otherwise an owner could raise what his account
    /// lacks by giving collateral, or by letting a hedge of it expire, and have the waterfall pay for a fall that has not happened.
    /// @param requirement with moving collateral
    /// @param baseRequirement without any
    function subsidisedRequirement(uint256 requirement, int256 baseRequirement) internal pure returns (uint256) {
        return baseRequirement > 0 ? Math.min(requirement, uint256(baseRequirement)) : 0;
    }

    /// @notice Sets what a state says of collateral.
    function setCollateral(LiquidationState memory state, CollateralValues memory values) internal pure {
        state.collateral = values.value;
        state.movingCollateral = values.moving;
        state.saleCollateral = values.saleValue;
    }

    /// @notice Cash, collateral after haircuts and positions together: what must cover the requirement.
    function equityOf(LiquidationState memory state) internal pure returns (int256) {
        return state.cash + int256(state.collateral) + state.mark;
    }

    /// @notice The same with collateral at the value at which slices are priced: what there is to sell. At least the equity.
    function worthOf(LiquidationState memory state) internal pure returns (int256) {
        return state.cash + int256(state.saleCollateral) + state.mark;
    }

    /// @notice What decides whether an account is too large to be sold at once: the requirement, and what equity lacks to 0. With a requirement
    /// of 0 a lack of equity can be as large as the haircuts of all collateral.
    function sizeOf(uint256 requirement, int256 equity) internal pure returns (uint256) {
        return equity < 0 ? requirement + uint256(-equity) : requirement;
    }

    /// @notice The requirement with its buffer, rounded up.
    function targetOf(uint256 requirement, uint256 bufferBps) internal pure returns (uint256) {
        return Math.ceilDiv(requirement * (BASIS + bufferBps), BASIS);
    }

    /// @notice A sale at a price factor. Selling the fraction f of what is not reserved for `d f (W - reserved)` brings the account to its target T when
    /// `f = (T - E) / (T - E + reserved + d (W - reserved))`, with its equity E and its worth W.
    /// Buffer included, an account above its requirement may still be below its target: whether it may be liquidated at all is the caller's
    /// question.
    /// @param factorBps d: price per unit of worth, at most 20,000
    /// @param maxScale most that the buyer wants, in 2^-40
    function sale(LiquidationState memory state, uint256 bufferBps, uint256 factorBps, uint256 maxScale)
        internal
        pure
        returns (Sale memory s)
    {
        s.worth = worthOf(state);
        if (s.worth <= 0) revert NoWorth(s.worth);
        s.target = targetOf(state.requirement, bufferBps);
        int256 equity = equityOf(state);
        if (equity >= int256(s.target)) revert AccountHealthy(equity, s.target);
        uint256 worth = uint256(s.worth);
        // When all that is left of the worth is what bids have paid, that is for sale again.
        uint256 reserved = worth > state.reserved ? state.reserved : 0;
        uint256 saleable = worth - reserved;
        uint256 deficit = uint256(int256(s.target) - equity);
        // Nothing is rounded before the division: for small accounts that would sell more than they need.
        s.maxScale = state.scale * deficit * BASIS / ((deficit + reserved) * BASIS + saleable * factorBps);
        s.scaleTaken = Math.min(s.maxScale, maxScale);
        if (s.scaleTaken == 0) revert SliceTooSmall();
        s.cashTaken = floorDiv((state.cash - int256(reserved)) * int256(s.scaleTaken), state.scale);
        s.worthTaken = Math.ceilDiv(saleable * s.scaleTaken, state.scale);
        s.proceeds = Math.ceilDiv(s.worthTaken * factorBps, BASIS);
        s.reservedAfter = reserved + s.proceeds;
    }

    /// @notice A takeover. The subsidy of the whole account rises in a straight line from 0 to all that its worth lacks to its target.
    /// @param elapsed seconds since the account was found to be worth nothing
    /// @param length seconds of the rise, at least 1
    function takeover(
        LiquidationState memory state,
        uint256 bufferBps,
        uint256 elapsed,
        uint256 length,
        uint256 maxScale
    ) internal pure returns (Takeover memory t) {
        t.worth = worthOf(state);
        if (t.worth > 0) revert HasWorth(t.worth);
        t.target = targetOf(state.requirement, bufferBps);
        uint256 whole = (t.target + uint256(-t.worth)) * Math.min(elapsed, length) / length;
        t.scaleTaken = Math.min(state.scale, maxScale);
        if (t.scaleTaken == 0) revert SliceTooSmall();
        t.cashTaken = floorDiv(state.cash * int256(t.scaleTaken), state.scale);
        t.subsidy = whole * t.scaleTaken / state.scale;
    }

    /// @notice What cash and collateral must at least be to hold `heldScale` of these legs with equity at the target, and not below 0, rounded up.
    /// @dev Give the figures of the proof, at the scale of the proof. Those of `atScale` have been rounded by up to a unit, and a vessel that holds
    /// many times their scale would multiply that.
    /// @param heldScale of the vessel, with the slice
    /// @param movingCollateral of the vessel that counts, at most what so much of the account comes with
    function vesselFloor(
        ProvenFigures memory proven,
        uint256 bufferBps,
        uint256 heldScale,
        uint256 movingCollateral
    ) internal pure returns (int256) {
        int256 share = int256(BASIS + bufferBps);
        int256 baseTarget = -floorDiv(-proven.baseRequirement * share, BASIS);
        int256 ofCollateral =
            -floorDiv(-int256(movingCollateral) * proven.collateralSlope * share, BASIS << SLOPE_PLACES);
        int256 ofLegs = -floorDiv((proven.mark - baseTarget) * int256(heldScale), proven.scale);
        int256 forNoDebt = -floorDiv(proven.mark * int256(heldScale), proven.scale);
        return SignedMath.max(ofLegs + ofCollateral, forNoDebt);
    }

    /// @notice Price factor of the public stage, in basis points: two straight lines, rounded up.
    /// @param elapsed seconds since public bidding began, at most `tailSeconds`
    function factorAt(PriceCurve memory curve, uint256 elapsed) internal pure returns (uint256) {
        if (elapsed < curve.fastSeconds) {
            return _line(curve.startFactorBps, curve.fastFactorBps, elapsed, curve.fastSeconds);
        }
        uint256 length = curve.tailSeconds - curve.fastSeconds;
        elapsed -= curve.fastSeconds;
        return
            elapsed >= length
                ? curve.cuspFactorBps
                : _line(curve.fastFactorBps, curve.cuspFactorBps, elapsed, length);
    }

    /// @notice Penalty of an atomic liquidation, in basis points, by how much of the requirement is covered and by the volatility index.
    /// @param equity signed
    /// @param volatility index of the round, in 2^-16
    function penaltyBps(LiquidationTerms memory terms, int256 equity, uint256 requirement, uint256 volatility)
        internal
        pure
        returns (uint256 penalty)
    {
        uint256 quarters = 3;
        if (equity < int256(requirement)) quarters = equity > 0 ? 4 * uint256(equity) / requirement : 0;
        penalty = terms.penaltyBps[3 - quarters];
        if (volatility >= terms.volatilityThreshold) penalty += terms.volatilityPenaltyBps;
    }

    /// @notice Fee of an auction's start: a part of the worth that would be put up at a price factor of 1, rounded down; 0 without any.
    /// @return fee charged to the account
    /// @return reward of who starts the auction, at most the fee
    function startFee(LiquidationState memory state, LiquidationTerms memory terms, uint256 volatility)
        internal
        pure
        returns (uint256 fee, uint256 reward)
    {
        int256 signedWorth = worthOf(state);
        int256 lack = int256(targetOf(state.requirement, terms.bufferBps)) - equityOf(state);
        if (signedWorth <= 0 || lack <= 0) return (0, 0);
        (uint256 worth, uint256 deficit) = (uint256(signedWorth), uint256(lack));
        uint256 rate = terms.feeBps;
        if (volatility >= terms.volatilityThreshold) rate += terms.volatilityPenaltyBps;
        // With d = 1 the part for sale is (T - E) / (T - E + W).
        fee = worth * deficit / (deficit + worth) * rate / BASIS;
        reward = Math.min(fee, terms.tip + fee * terms.chipBps / BASIS);
    }

    /// @notice Division rounded towards minus infinity.
    /// @param divisor at least 1
    function floorDiv(int256 dividend, uint256 divisor) internal pure returns (int256) {
        int256 signedDivisor = int256(divisor);
        int256 quotient = dividend / signedDivisor;
        return dividend % signedDivisor < 0 ? quotient - 1 : quotient;
    }

    /// @dev From `from` down to `to` over `length`, rounded up.
    function _line(uint256 from, uint256 to, uint256 elapsed, uint256 length) private pure returns (uint256) {
        return from - (from - to) * elapsed / length;
    }

    // forge-lint: disable-end(unsafe-typecast)
}
