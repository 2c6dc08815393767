// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SignedMath} from "@openzeppelin/contracts/utils/math/SignedMath.sol";
import {LiquidationTerms} from "../interfaces/IRiskParameters.sol";

/// @notice What an account is judged by, all at its present scale. Money is in 1e-6 USD.
/// @param cash signed
/// @param collateral value after haircuts
/// @param movingCollateral the part of it that moves with the underlying of the positions
/// @param mark value of the positions, signed
/// @param requirement maintenance, moving collateral included
/// @param scale in 2^-40, at least 1
/// @param reserved cash that bids of the running auction have paid; it is not for sale
struct LiquidationState {
    int256 cash;
    uint256 collateral;
    uint256 movingCollateral;
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

/// @notice A sale of a part of an account with equity.
/// @param target requirement and buffer
/// @param maxScale most that may be sold: what brings the account to its target at this price
/// @param cashTaken the slice's share of cash that is not reserved, signed
/// @param equityTaken the slice's share of equity that is not reserved
/// @param proceeds what the account is paid for it
/// @param reservedAfter what is reserved afterwards: what was not for sale, and the proceeds
struct Sale {
    int256 equity;
    uint256 target;
    uint256 maxScale;
    uint256 scaleTaken;
    int256 cashTaken;
    uint256 equityTaken;
    uint256 proceeds;
    uint256 reservedAfter;
}

/// @notice A takeover of a part of an account without equity. Reserved cash goes with it like all other cash; nothing is reserved
/// afterwards.
/// @param subsidy what the taker is paid
struct Takeover {
    int256 equity;
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
    /// @notice The account has no equity to sell.
    error NoEquity(int256 equity);
    /// @notice The account has equity: it is sold, not subsidised.
    error HasEquity(int256 equity);
    /// @notice The slice rounds to a scale of 0.
    error SliceTooSmall();

    /// @notice 100 %, in basis points.
    uint256 internal constant BASIS = 10_000;
    /// @notice Slopes are in units of two to the power of minus this.
    uint256 internal constant SLOPE_PLACES = 54;

    /// @notice Proven figures at another scale of the same legs: the mark rounded up, the requirement down. The slope is the same at all
    /// scales: it is the collateral that becomes less.
    /// @param proven at a scale of at least 1
    function atScale(ProvenFigures memory proven, uint256 scale) internal pure returns (ProvenFigures memory) {
        return ProvenFigures({
            mark: -floorDiv(-proven.mark * int256(scale), proven.scale),
            baseRequirement: floorDiv(proven.baseRequirement * int256(scale), proven.scale),
            collateralSlope: proven.collateralSlope,
            scale: scale
        });
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
    function subsidisedRequirement(int256 baseRequirement, int256 collateralSlope, uint256 movingCollateral)
        internal
        pure
        returns (uint256)
    {
        return Math.min(
            requirementWith(baseRequirement, collateralSlope, movingCollateral), requirementWith(baseRequirement, 0, 0)
        );
    }

    /// @notice Cash, collateral and positions together.
    function equityOf(LiquidationState memory state) internal pure returns (int256) {
        return state.cash + int256(state.collateral) + state.mark;
    }

    /// @notice The requirement with its buffer, rounded up.
    function targetOf(uint256 requirement, uint256 bufferBps) internal pure returns (uint256) {
        return Math.ceilDiv(requirement * (BASIS + bufferBps), BASIS);
    }

    /// @notice A sale at a price factor. Selling the fraction f of what is not reserved for `d f (E - reserved)` brings the account to its target T when
    /// `f = (T - E) / (T - E + reserved + d (E - reserved))`.
    /// Buffer included, an account above its requirement may still be below its target: whether it may be liquidated at all is the caller's
    /// question.
    /// @param factorBps d: price per unit of equity, at most 20,000
    /// @param maxScale most that the buyer wants, in 2^-40
    function sale(LiquidationState memory state, uint256 bufferBps, uint256 factorBps, uint256 maxScale)
        internal
        pure
        returns (Sale memory s)
    {
        s.equity = equityOf(state);
        if (s.equity <= 0) revert NoEquity(s.equity);
        s.target = targetOf(state.requirement, bufferBps);
        uint256 equity = uint256(s.equity);
        if (equity >= s.target) revert AccountHealthy(s.equity, s.target);
        // When all that is left of equity is what bids have paid, that is for sale again.
        uint256 reserved = equity > state.reserved ? state.reserved : 0;
        uint256 saleable = equity - reserved;
        uint256 deficit = s.target - equity;
        // Nothing is rounded before the division: for small accounts that would sell more than they need.
        s.maxScale = state.scale * deficit * BASIS / ((deficit + reserved) * BASIS + saleable * factorBps);
        s.scaleTaken = Math.min(s.maxScale, maxScale);
        if (s.scaleTaken == 0) revert SliceTooSmall();
        s.cashTaken = floorDiv((state.cash - int256(reserved)) * int256(s.scaleTaken), state.scale);
        s.equityTaken = Math.ceilDiv(saleable * s.scaleTaken, state.scale);
        s.proceeds = Math.ceilDiv(s.equityTaken * factorBps, BASIS);
        s.reservedAfter = reserved + s.proceeds;
    }

    /// @notice A takeover. The subsidy of the whole account rises in a straight line from 0 to all that it lacks to its target.
    /// @param elapsed seconds since the account was found to have no equity
    /// @param length seconds of the rise, at least 1
    function takeover(
        LiquidationState memory state,
        uint256 bufferBps,
        uint256 elapsed,
        uint256 length,
        uint256 maxScale
    ) internal pure returns (Takeover memory t) {
        t.equity = equityOf(state);
        if (t.equity > 0) revert HasEquity(t.equity);
        t.target = targetOf(state.requirement, bufferBps);
        uint256 whole = (t.target + uint256(-t.equity)) * Math.min(elapsed, length) / length;
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
    function factorAt(LiquidationTerms memory terms, uint256 elapsed) internal pure returns (uint256) {
        if (elapsed < terms.fastSeconds) {
            return _line(terms.startFactorBps, terms.fastFactorBps, elapsed, terms.fastSeconds);
        }
        uint256 length = terms.tailSeconds - terms.fastSeconds;
        elapsed -= terms.fastSeconds;
        return
            elapsed >= length
                ? terms.cuspFactorBps
                : _line(terms.fastFactorBps, terms.cuspFactorBps, elapsed, length);
    }

    /// @notice Penalty of an atomic liquidation, in basis points, by how much of the requirement is covered and by the volatility index.
    /// @param equity above 0
    /// @param volatility index of the round, in 2^-16
    function penaltyBps(LiquidationTerms memory terms, uint256 equity, uint256 requirement, uint256 volatility)
        internal
        pure
        returns (uint256 penalty)
    {
        uint256 quarters = equity >= requirement ? 3 : 4 * equity / requirement;
        penalty = terms.penaltyBps[3 - quarters];
        if (volatility >= terms.volatilityThreshold) penalty += terms.volatilityPenaltyBps;
    }

    /// @notice Fee of an auction's start: a part of the equity that would be put up at a price factor of 1, rounded down; 0 without equity.
    /// @return fee charged to the account
    /// @return reward of who starts the auction, at most the fee
    function startFee(LiquidationState memory state, LiquidationTerms memory terms, uint256 volatility)
        internal
        pure
        returns (uint256 fee, uint256 reward)
    {
        int256 signedEquity = equityOf(state);
        uint256 target = targetOf(state.requirement, terms.bufferBps);
        if (signedEquity <= 0 || uint256(signedEquity) >= target) return (0, 0);
        uint256 equity = uint256(signedEquity);
        uint256 rate = terms.feeBps;
        if (volatility >= terms.volatilityThreshold) rate += terms.volatilityPenaltyBps;
        // With d = 1 the part for sale is (T - E) / T.
        fee = equity * (target - equity) / target * rate / BASIS;
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
