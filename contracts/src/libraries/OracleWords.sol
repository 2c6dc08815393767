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

    /// @notice Reverts unless every field of a round is within its bounds.
    /// @param expectedId the underlying that the word must name
    function validate(uint32 expectedId, uint256 underlyingWord, uint256[8] calldata expiryWords) internal pure {
        if (underlyingWord >> 136 != 0) revert UnderlyingWordTooLarge();
        uint32 actualId = underlyingId(underlyingWord);
        if (actualId != expectedId) revert UnderlyingMismatch(expectedId, actualId);
        if (spot(underlyingWord) == 0) revert SpotZero();
        uint256 time = timestamp(underlyingWord);
        if (time == 0) revert TimestampZero();

        bool ended = false;
        uint256 previousHour = 0;
        for (uint256 index = 0; index < EXPIRY_COUNT; index++) {
            uint256 word = expiryWords[index];
            if (word == 0) {
                ended = true;
                continue;
            }
            if (ended) revert ExpiryWordAfterUnused(index);
            if (word >> 248 != 0) revert ExpiryWordTooLarge(index);
            uint256 hour = expiryHour(word);
            if (hour <= previousHour) revert ExpiryNotIncreasing(index);
            previousHour = hour;
            uint256 expiry = hour * 3600;
            if (expiry <= time) revert ExpiryNotInFuture(index);
            if (expiry - time > MAX_TENOR) revert ExpiryTooFar(index);
            if (forward(word) == 0) revert ForwardZero(index);
            if (discount(word) == 0) revert DiscountZero(index);
            _validatePillars(word, index);
        }
    }

    function _validatePillars(uint256 word, uint256 index) private pure {
        uint256 previous = 0;
        for (uint256 pillar = 0; pillar < PILLAR_COUNT; pillar++) {
            uint256 volatility = (word >> (20 * pillar)) & (2 ** 20 - 1);
            if (volatility < MIN_PILLAR || volatility >= PILLAR_LIMIT) revert VolatilityOutOfRange(index, pillar);
            if (pillar != 0 && (volatility > 2 * previous || previous > 2 * volatility)) {
                revert PillarRatio(index, pillar);
            }
            previous = volatility;
        }
    }
}
