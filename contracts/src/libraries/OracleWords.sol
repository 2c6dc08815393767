// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

/// @title Bounds of oracle words
/// @notice Section 3 of docs/margin-model.md with the bounds of section 1. Fields are given from the least significant
/// bit; prices are in 1e-6 USD.
/// @dev Fields that fill their bits exactly (spot, forward, realised volatility, spacing) have no upper bound to check.
library OracleWords {
    /// @notice Bits above the last field of the underlying word are set.
    error UnderlyingWordTooLarge();
    /// @notice The word names another underlying.
    error UnderlyingMismatch(uint32 expected, uint32 actual);
    /// @notice Spot is 0.
    error SpotZero();
    /// @notice The timestamp is 0.
    error TimestampZero();
    /// @notice A used expiry word follows an unused one.
    error ExpiryWordAfterUnused(uint256 index);
    /// @notice An expiry word is not below 2^248.
    error ExpiryWordTooLarge(uint256 index);
    /// @notice An expiry is not later than the one before it.
    error ExpiryNotIncreasing(uint256 index);
    /// @notice An expiry is not later than the round's timestamp.
    error ExpiryNotInFuture(uint256 index);
    /// @notice An expiry is more than four years after the round's timestamp.
    error ExpiryTooFar(uint256 index);
    /// @notice A forward is 0.
    error ForwardZero(uint256 index);
    /// @notice A discount factor is 0.
    error DiscountZero(uint256 index);
    /// @notice A pillar volatility is outside [2^15, 2^19).
    error VolatilityOutOfRange(uint256 index, uint256 pillar);
    /// @notice A pillar volatility is more than twice, or less than half, of the one before it.
    error PillarRatio(uint256 index, uint256 pillar);

    /// @notice Expiry words of a round.
    uint256 internal constant EXPIRY_COUNT = 8;
    /// @notice Volatilities of an expiry word.
    uint256 internal constant PILLAR_COUNT = 8;
    /// @notice Smallest pillar volatility, in 2^-16 h.
    uint256 internal constant MIN_PILLAR = 1 << 15;
    /// @notice Pillar volatilities are below this, in 2^-16 h.
    uint256 internal constant PILLAR_LIMIT = 1 << 19;
    /// @notice Longest time to an expiry: four years of 365 days, in seconds.
    uint256 internal constant MAX_TENOR = 4 * 31_536_000;

    /// @notice The lowest bit of each of the eight lanes of 20 bits that hold pillar volatilities.
    uint256 internal constant LANE_ONES = (2 ** 160 - 1) / (2 ** 20 - 1);
    /// @notice The highest bit of each lane; 0 in valid words.
    uint256 internal constant LANE_TOPS = LANE_ONES << 19;
    /// @notice All other bits of the lanes.
    uint256 internal constant LANE_VALUES = LANE_TOPS - LANE_ONES;
    uint256 private constant DISCOUNT_BITS = (2 ** 22 - 1) << 182;
    uint256 private constant LANE_BITS_15 = LANE_ONES << 15;
    uint256 private constant FIRST_SEVEN = 2 ** 140 - 1;
    uint256 private constant FIRST_SEVEN_TOPS = LANE_TOPS & FIRST_SEVEN;

    /// @notice Spot, in 1e-6 USD.
    function spot(uint256 underlyingWord) internal pure returns (uint256) {
        return underlyingWord & (2 ** 44 - 1);
    }

    /// @notice Seconds since 1970-01-01 UTC.
    function timestamp(uint256 underlyingWord) internal pure returns (uint256) {
        return (underlyingWord >> 44) & (2 ** 40 - 1);
    }

    /// @notice Id of the underlying.
    function underlyingId(uint256 underlyingWord) internal pure returns (uint32) {
        // A word that has been checked has 136 bits.
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint32(underlyingWord >> 104);
    }

    /// @notice Whole hours since 1970-01-01 UTC.
    function expiryHour(uint256 expiryWord) internal pure returns (uint256) {
        return (expiryWord >> 162) & (2 ** 20 - 1);
    }

    /// @notice Discount factor, in 2^-21.
    function discount(uint256 expiryWord) internal pure returns (uint256) {
        return (expiryWord >> 182) & (2 ** 22 - 1);
    }

    /// @notice Forward, in 1e-6 USD.
    function forward(uint256 expiryWord) internal pure returns (uint256) {
        return expiryWord >> 204;
    }

    /// @notice The pillar spacing is `2^(spacingExponent - 2)`.
    function spacingExponent(uint256 expiryWord) internal pure returns (uint256) {
        return (expiryWord >> 160) & 3;
    }

    /// @notice Reverts, with the error that says why, unless every field of a round is within its bounds.
    /// @param expectedId the underlying that the word must name
    function validate(uint32 expectedId, uint256 underlyingWord, uint256[8] memory expiryWords) internal pure {
        bytes memory fault = findFault(expectedId, underlyingWord, expiryWords);
        if (fault.length != 0) {
            assembly ("memory-safe") {
                revert(add(fault, 0x20), mload(fault))
            }
        }
    }

    /// @notice The encoded error of the first field that is out of its bounds; empty when there is none.
    /// @param expectedId the underlying that the word must name
    function findFault(uint32 expectedId, uint256 underlyingWord, uint256[8] memory expiryWords)
        internal
        pure
        returns (bytes memory fault)
    {
        if (underlyingWord >> 136 != 0) return abi.encodeWithSelector(UnderlyingWordTooLarge.selector);
        uint32 actualId = underlyingId(underlyingWord);
        if (actualId != expectedId) return abi.encodeWithSelector(UnderlyingMismatch.selector, expectedId, actualId);
        if (spot(underlyingWord) == 0) return abi.encodeWithSelector(SpotZero.selector);
        uint256 time = timestamp(underlyingWord);
        if (time == 0) return abi.encodeWithSelector(TimestampZero.selector);

        bool ended = false;
        uint256 earliest = 1;
        unchecked {
            for (uint256 index = 0; index < EXPIRY_COUNT; index++) {
                uint256 word = expiryWords[index];
                if (word == 0) {
                    ended = true;
                    continue;
                }
                if (ended) return abi.encodeWithSelector(ExpiryWordAfterUnused.selector, index);
                uint256 hour = expiryHour(word);
                // One comparison for each field of a good word; what is wrong with a bad one is found afterwards.
                uint256 tenor = hour * 3600 - time;
                if (
                    hour < earliest || tenor - 1 >= MAX_TENOR || (word >> 204) - 1 >= 2 ** 44 - 1
                        || word & DISCOUNT_BITS == 0 || !_pillarsAreValid(word)
                ) return _expiryFault(index, word, hour, earliest, time);
                earliest = hour + 1;
            }
        }
    }

    /// @dev Of a word that is not valid.
    function _expiryFault(uint256 index, uint256 word, uint256 hour, uint256 earliest, uint256 time)
        private
        pure
        returns (bytes memory)
    {
        if (word >> 248 != 0) return abi.encodeWithSelector(ExpiryWordTooLarge.selector, index);
        if (hour < earliest) return abi.encodeWithSelector(ExpiryNotIncreasing.selector, index);
        uint256 expiry = hour * 3600;
        if (expiry <= time) return abi.encodeWithSelector(ExpiryNotInFuture.selector, index);
        if (expiry - time > MAX_TENOR) return abi.encodeWithSelector(ExpiryTooFar.selector, index);
        if (forward(word) == 0) return abi.encodeWithSelector(ForwardZero.selector, index);
        if (discount(word) == 0) return abi.encodeWithSelector(DiscountZero.selector, index);
        return _pillarFault(word, index);
    }

    /// @dev All eight pillars at once, each in its lane of 20 bits. Sums and differences stay within a lane, because the lane's top bit is
    /// free in a valid word, and set before anything is subtracted.
    function _pillarsAreValid(uint256 word) private pure returns (bool) {
        unchecked {
            uint256 lanes = word & (2 ** 160 - 1);
            if (lanes & LANE_TOPS != 0) return false;
            // At least 2^15: one of the bits 15 to 18.
            uint256 high = lanes | (lanes >> 1) | (lanes >> 2) | (lanes >> 3);
            if (high & LANE_BITS_15 != LANE_BITS_15) return false;
            // `a <= 2 b` exactly when `ceil(a / 2) <= b`.
            uint256 halves = ((lanes + LANE_ONES) >> 1) & LANE_VALUES;
            uint256 upper = ((lanes & FIRST_SEVEN) | LANE_TOPS) - (halves >> 20);
            uint256 lower = ((lanes >> 20) | LANE_TOPS) - (halves & FIRST_SEVEN);
            return upper & lower & FIRST_SEVEN_TOPS == FIRST_SEVEN_TOPS;
        }
    }

    /// @dev Of a word whose pillars are not valid.
    function _pillarFault(uint256 word, uint256 index) private pure returns (bytes memory fault) {
        uint256 previous = 0;
        for (uint256 pillar = 0; pillar < PILLAR_COUNT; pillar++) {
            uint256 volatility = (word >> (20 * pillar)) & (2 ** 20 - 1);
            if (volatility < MIN_PILLAR || volatility >= PILLAR_LIMIT) {
                return abi.encodeWithSelector(VolatilityOutOfRange.selector, index, pillar);
            }
            if (pillar != 0 && (volatility > 2 * previous || previous > 2 * volatility)) {
                return abi.encodeWithSelector(PillarRatio.selector, index, pillar);
            }
            previous = volatility;
        }
    }
}
