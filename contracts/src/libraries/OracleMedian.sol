// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {OracleWords} from "./OracleWords.sol";
import {Units} from "./Units.sol";

/// @notice What is an outlier.
/// @param minimum values that must remain of each field
/// @param multipleTenths multiple of the median absolute deviation (MAD) up to which a value is kept, in tenths; at least 10
/// @param floorBps a deviation up to this part of the median, and one unit, is never an outlier
/// @param capBps a deviation beyond this part of the median, and one unit, always is one; at least `floorBps`
struct OutlierLimits {
    uint256 minimum;
    uint256 multipleTenths;
    uint256 floorBps;
    uint256 capBps;
}

/// @title Medians of reports, field by field
/// @notice Let m be the median of a field's n values, and MAD the median of their distances from m. A value is rejected when its distance exceeds
/// `max(floor, multiple MAD)` or the cap. The result is the median of the values that remain. A median of an even count is the mean of the
/// two in the middle, rounded down.
/// @dev When fewer than half of `minimum` reports lie, every result lies between two values that honest reports gave for this field: the honest
/// are a majority of whatever remains. `src/market/oracle-median.ts` computes the same, to the bit.
library OracleMedian {
    /// @notice Reports name other expiries, or other spacings of pillars, than the first one.
    error StructureMismatch(uint256 index, uint256 expiry);
    /// @notice Too few values of a field remain after outliers are rejected.
    /// @param word 0 for the underlying word, 1 to 8 for expiry words
    /// @param shift place of the field's lowest bit in the word
    error TooFewAgree(uint256 word, uint256 shift, uint256 remaining);

    /// @notice 100 %, in basis points.
    uint256 internal constant BASIS = Units.BASIS;
    /// @dev Spacing exponent and expiry hour: what reports must agree on.
    uint256 private constant STRUCTURE = (2 ** 22 - 1) << 160;
    uint256 private constant PRICE_BITS = 2 ** 44 - 1;
    uint256 private constant DISCOUNT_BITS = 2 ** 22 - 1;
    uint256 private constant VOLATILITY_BITS = 2 ** 20 - 1;

    /// @notice One round of several reports.
    /// @param underlyingWords of valid reports of one underlying; their order is lost
    /// @param expiryWords for each of the eight places the words of all reports; their order is lost
    function aggregate(
        uint256[] memory underlyingWords,
        uint256[][8] memory expiryWords,
        OutlierLimits memory limits
    ) internal pure returns (uint256 underlyingWord, uint256[8] memory aggregated) {
        uint256[] memory values = new uint256[](underlyingWords.length);
        underlyingWord = _aggregateUnderlying(underlyingWords, values, limits);
        uint256 shift = _allowanceShift(limits.floorBps);
        unchecked {
            for (uint256 place = 0; place < OracleWords.EXPIRY_COUNT; place++) {
                uint256[] memory words = expiryWords[place];
                uint256 structure = words[0] & STRUCTURE;
                for (uint256 index = 1; index < words.length; index++) {
                    if (_at(words, index) & STRUCTURE != structure) revert StructureMismatch(index, place);
                }
                // The hour of a used word is not 0, and after an unused word all are unused.
                if (structure == 0) break;
                uint256 quotes = _aggregateQuotes(words, values, limits, place + 1);
                aggregated[place] = structure | quotes | _aggregatePillars(words, values, limits, place + 1, shift);
            }
        }
    }

    /// @notice Median after rejection, and how many values remained; 0 and 0 when none did.
    /// @param values in increasing order, at least one, each below 2^128
    function robustMedian(uint256[] memory values, OutlierLimits memory limits)
        internal
        pure
        returns (uint256 median, uint256 remaining)
    {
        unchecked {
            uint256 count = values.length;
            median = _middle(values, 0, count);
            uint256 limit = median * limits.floorBps / BASIS + 1;
            uint256 low = _at(values, 0);
            uint256 high = _at(values, count - 1);
            if (high - median <= limit && median - low <= limit) return (median, count);

            uint256 multiple = limits.multipleTenths * _medianDeviation(values, median) / 10;
            if (multiple > limit) limit = multiple;
            uint256 cap = median * limits.capBps / BASIS + 1;
            if (cap < limit) limit = cap;
            // What remains is a run of the ordered values.
            uint256 begin = 0;
            uint256 end = count;
            while (begin < end && _at(values, begin) + limit < median) begin++;
            while (end > begin && _at(values, end - 1) > median + limit) end--;
            if (begin == end) return (0, 0);
            return (_middle(values, begin, end), end - begin);
        }
    }

    /// @notice Takes a field of each word, and puts the values in increasing order.
    /// @dev Insertion: lists are of at most 16.
    /// @param values receives the field's values; as long as `words`
    function takeSorted(uint256[] memory words, uint256[] memory values, uint256 shift, uint256 mask) internal pure {
        assembly ("memory-safe") {
            let first := add(values, 0x20)
            let end := add(first, shl(5, mload(values)))
            let word := add(words, 0x20)
            for { let next := first } lt(next, end) { next := add(next, 0x20) } {
                let value := and(shr(shift, mload(word)), mask)
                word := add(word, 0x20)
                let place := next
                for {} gt(place, first) {} {
                    let before := mload(sub(place, 0x20))
                    if iszero(gt(before, value)) { break }
                    mstore(place, before)
                    place := sub(place, 0x20)
                }
                mstore(place, value)
            }
        }
    }

    /// @dev The timestamp is a plain median: reports that are too old or in the future have been refused, and outliers in time say nothing.
    function _aggregateUnderlying(uint256[] memory words, uint256[] memory values, OutlierLimits memory limits)
        private
        pure
        returns (uint256 word)
    {
        word = _field(words, values, limits, 0, 0, PRICE_BITS);
        takeSorted(words, values, 44, 2 ** 40 - 1);
        word |= _middle(values, 0, values.length) << 44;
        word |= _field(words, values, limits, 0, 84, VOLATILITY_BITS);
        word |= words[0] >> 104 << 104;
    }

    /// @dev Discount factor and forward.
    function _aggregateQuotes(
        uint256[] memory words,
        uint256[] memory values,
        OutlierLimits memory limits,
        uint256 wordNumber
    ) private pure returns (uint256) {
        return _field(words, values, limits, wordNumber, 182, DISCOUNT_BITS)
            | _field(words, values, limits, wordNumber, 204, PRICE_BITS);
    }

    /// @dev The eight volatilities are put in order all at once, each in its lane of 20 bits. When no lane's extremes are further from
    /// its median than surely is allowed, the medians are the result; otherwise each lane is judged by itself.
    function _aggregatePillars(
        uint256[] memory words,
        uint256[] memory values,
        OutlierLimits memory limits,
        uint256 wordNumber,
        uint256 allowanceShift
    ) private pure returns (uint256 pillars) {
        _sortLanes(words);
        unchecked {
            uint256 count = words.length;
            uint256 half = count / 2;
            pillars = _at(words, half);
            if (count % 2 == 0) {
                pillars = ((pillars + _at(words, half - 1)) >> 1) & OracleWords.LANE_VALUES;
            }
            uint256 allowance = ((pillars >> allowanceShift)
                        & (OracleWords.LANE_ONES * ((2 ** 19 - 1) >> allowanceShift)))
                + OracleWords.LANE_ONES;
            allowance |= OracleWords.LANE_TOPS;
            uint256 spare =
                (allowance - (_at(words, count - 1) - pillars)) & (allowance - (pillars - _at(words, 0)));
            if (spare & OracleWords.LANE_TOPS == OracleWords.LANE_TOPS) return pillars;
            pillars = 0;
            for (uint256 shift = 0; shift < 160; shift += 20) {
                takeSorted(words, values, shift, VOLATILITY_BITS);
                pillars |= _judge(values, limits, wordNumber, shift);
            }
        }
    }

    /// @dev Smallest s of at least 1 with `2^-s <= floorBps / 10000`, and at most 19: a shift that gives no more than the floor.
    function _allowanceShift(uint256 floorBps) private pure returns (uint256 shift) {
        shift = 1;
        while (shift < 19 && floorBps << shift < BASIS) shift++;
    }

    /// @dev Keeps the lanes alone of each word, and puts each lane in order by exchanging neighbours.
    function _sortLanes(uint256[] memory words) private pure {
        uint256 tops = OracleWords.LANE_TOPS;
        uint256 lanes = OracleWords.LANE_VALUES;
        assembly ("memory-safe") {
            let first := add(words, 0x20)
            let end := add(first, shl(5, mload(words)))
            for { let next := first } lt(next, end) { next := add(next, 0x20) } {
                // Carried down through the words that are in order already: the larger of each pair stays, the smaller goes on.
                let carried := and(mload(next), lanes)
                for { let place := next } gt(place, first) { place := sub(place, 0x20) } {
                    let before := mload(sub(place, 0x20))
                    // The lane's top bit remains where `before` is at least as large; it is spread over the lane.
                    let larger := and(sub(or(before, tops), carried), tops)
                    let exchanged := and(xor(before, carried), sub(larger, shr(19, larger)))
                    mstore(place, xor(carried, exchanged))
                    carried := xor(before, exchanged)
                }
                mstore(first, carried)
            }
        }
    }

    function _field(
        uint256[] memory words,
        uint256[] memory values,
        OutlierLimits memory limits,
        uint256 wordNumber,
        uint256 shift,
        uint256 mask
    ) private pure returns (uint256) {
        takeSorted(words, values, shift, mask);
        return _judge(values, limits, wordNumber, shift);
    }

    /// @dev In its place in the word.
    function _judge(uint256[] memory values, OutlierLimits memory limits, uint256 wordNumber, uint256 shift)
        private
        pure
        returns (uint256)
    {
        (uint256 median, uint256 remaining) = robustMedian(values, limits);
        if (remaining < limits.minimum) revert TooFewAgree(wordNumber, shift, remaining);
        return median << shift;
    }

    /// @dev Median of the ordered values of [begin, end), which holds one at least.
    function _middle(uint256[] memory values, uint256 begin, uint256 end) private pure returns (uint256) {
        unchecked {
            return (_at(values, (begin + end - 1) / 2) + _at(values, (begin + end) / 2)) / 2;
        }
    }

    /// @dev Median of the distances of ordered values from their median: from the middle outwards, the nearer one first.
    function _medianDeviation(uint256[] memory values, uint256 median) private pure returns (uint256) {
        unchecked {
            uint256 count = values.length;
            // The values before `left` and those from `right` on are not taken yet.
            uint256 left = (count + 1) / 2;
            uint256 right = left;
            uint256 distance = 0;
            uint256 previous = 0;
            for (uint256 taken = 0; taken <= count / 2; taken++) {
                previous = distance;
                uint256 below = left == 0 ? type(uint256).max : median - _at(values, left - 1);
                uint256 above = right == count ? type(uint256).max : _at(values, right) - median;
                if (below <= above) {
                    distance = below;
                    left--;
                } else {
                    distance = above;
                    right++;
                }
            }
            return count % 2 == 0 ? (previous + distance) / 2 : distance;
        }
    }

    /// @dev Without a check of bounds, which the callers keep.
    function _at(uint256[] memory values, uint256 index) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(add(values, 0x20), shl(5, index)))
        }
    }
}
