// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {OracleMedian, OutlierLimits} from "../src/libraries/OracleMedian.sol";
import {OracleWords} from "../src/libraries/OracleWords.sol";
import {VolatilityIndex} from "../src/libraries/VolatilityIndex.sol";
import {Fixtures} from "./base/Fixtures.sol";
import {Test} from "./base/Test.sol";

/// @title The libraries, with calls that can revert
contract OracleLibraries {
    function aggregate(
        uint256[] memory underlyingWords,
        uint256[][8] memory expiryWords,
        OutlierLimits memory limits
    ) external pure returns (uint256, uint256[8] memory) {
        return OracleMedian.aggregate(underlyingWords, expiryWords, limits);
    }

    function validate(uint32 id, uint256 underlyingWord, uint256[8] memory words) external pure {
        OracleWords.validate(id, underlyingWord, words);
    }
}

/// @title Medians, bounds and the index against plain restatements of what they should be
contract RiskOracleMedianTest is Test {
    OracleLibraries private libraries = new OracleLibraries();

    // ----- restatements

    function _sorted(uint256[] memory values) private pure returns (uint256[] memory result) {
        result = new uint256[](values.length);
        for (uint256 index = 0; index < values.length; index++) {
            // Rank: how many are smaller, or equal and earlier.
            uint256 rank = 0;
            for (uint256 other = 0; other < values.length; other++) {
                if (values[other] < values[index] || (values[other] == values[index] && other < index)) rank++;
            }
            result[rank] = values[index];
        }
    }

    function _median(uint256[] memory values) private pure returns (uint256) {
        uint256[] memory ordered = _sorted(values);
        uint256 half = ordered.length / 2;
        return ordered.length % 2 == 1 ? ordered[half] : (ordered[half - 1] + ordered[half]) / 2;
    }

    function _distance(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a - b : b - a;
    }

    function _naive(uint256[] memory values, OutlierLimits memory limits)
        private
        pure
        returns (uint256 median, uint256 remaining)
    {
        median = _median(values);
        uint256[] memory distances = new uint256[](values.length);
        for (uint256 index = 0; index < values.length; index++) {
            distances[index] = _distance(values[index], median);
        }
        uint256 mad = _median(distances);
        for (uint256 index = 0; index < values.length; index++) {
            if (!_isOutlier(distances[index], mad, median, limits)) remaining++;
        }
        if (remaining == 0) return (0, 0);
        uint256[] memory kept = new uint256[](remaining);
        uint256 next = 0;
        for (uint256 index = 0; index < values.length; index++) {
            if (!_isOutlier(distances[index], mad, median, limits)) kept[next++] = values[index];
        }
        median = _median(kept);
    }

    function _isOutlier(uint256 distance, uint256 mad, uint256 median, OutlierLimits memory limits)
        private
        pure
        returns (bool)
    {
        if (distance > median * limits.capBps / 10_000 + 1) return true;
        return distance > median * limits.floorBps / 10_000 + 1 && distance * 10 > limits.multipleTenths * mad;
    }

    function _limits(uint256 seed) private pure returns (OutlierLimits memory limits) {
        limits.minimum = 1;
        limits.multipleTenths = 10 + seed % 50;
        limits.capBps = 1 + (seed >> 32) % 3_000;
        limits.floorBps = (seed >> 64) % (limits.capBps + 1);
    }

    /// @dev One to sixteen values near a middle, some of them far away or equal.
    function _values(uint256 seed, uint256 size) private pure returns (uint256[] memory values) {
        values = new uint256[](1 + seed % 16);
        for (uint256 index = 0; index < values.length; index++) {
            uint256 random = uint256(keccak256(abi.encode(seed, index)));
            uint256 spread = size >> (1 + (random >> 200) % 16);
            values[index] = random % 5 == 0 ? size : size + random % (spread + 1);
        }
    }

    // ----- medians

    function testFuzz_robustMedian(uint256 seed, uint256 size, uint256 limitSeed) public pure {
        uint256[] memory values = _values(seed, size % 2 ** (seed % 43));
        OutlierLimits memory limits = _limits(limitSeed);
        (uint256 expected, uint256 expectedRemaining) = _naive(values, limits);
        OracleMedian.takeSorted(values, values, 0, type(uint256).max);
        (uint256 median, uint256 remaining) = OracleMedian.robustMedian(values, limits);
        assertEq(remaining, expectedRemaining, "remaining");
        assertEq(median, expected, "median");
    }

    function testFuzz_takeSorted(uint256[] memory words) public pure {
        uint256[] memory expected = _sorted(_take(words, 16, 40));
        uint256[] memory values = new uint256[](words.length);
        OracleMedian.takeSorted(words, values, 16, 2 ** 40 - 1);
        for (uint256 index = 0; index < values.length; index++) {
            assertEq(values[index], expected[index], "order");
        }
    }

    function test_knownMedians() public pure {
        OutlierLimits memory limits = OutlierLimits(1, 30, 0, 10_000);
        uint256[] memory values = new uint256[](5);
        (values[0], values[1], values[2], values[3], values[4]) = (100, 101, 102, 104, 200);
        (uint256 median, uint256 remaining) = OracleMedian.robustMedian(values, limits);
        // Distances 2, 1, 0, 2, 98: MAD 2, limit 6. The other four have 101 and 102 in the middle.
        assertTrue(median == 101 && remaining == 4, "one outlier");
        limits.multipleTenths = 490;
        (median, remaining) = OracleMedian.robustMedian(values, limits);
        assertTrue(median == 102 && remaining == 5, "98 is 49 times 2");
        limits.capBps = 9_000;
        (median, remaining) = OracleMedian.robustMedian(values, limits);
        assertTrue(median == 101 && remaining == 4, "the cap is 91 + 1");
        limits = OutlierLimits(1, 30, 10_000, 10_000);
        (median, remaining) = OracleMedian.robustMedian(values, limits);
        assertTrue(median == 102 && remaining == 5, "the floor forgives");
        uint256[] memory two = new uint256[](2);
        (two[0], two[1]) = (100, 200);
        limits.floorBps = 0;
        limits.capBps = 10;
        (median, remaining) = OracleMedian.robustMedian(two, limits);
        assertTrue(median == 0 && remaining == 0, "two that disagree leave nothing");
    }

    /// @dev With fewer than half of `minimum` lying, no result leaves the range of honest values, whatever liars say.
    function testFuzz_minorityCannotMoveAFieldOutOfTheHonestRange(uint256 seed, uint256 lies, uint256 limitSeed)
        public
        pure
    {
        uint256[] memory values = _values(seed, 2 ** 30);
        OutlierLimits memory limits = _limits(limitSeed);
        limits.minimum = 1 + lies % values.length;
        uint256 liars = (limits.minimum - 1) / 2;
        uint256 low = type(uint256).max;
        uint256 high = 0;
        for (uint256 index = 0; index < values.length; index++) {
            if (index < liars) {
                uint256 lie = uint256(keccak256(abi.encode(lies, index)));
                values[index] = lie % 3 == 0 ? lie % 2 ** 44 : 2 ** 30 + lie % 2 ** (10 + lie % 20);
            } else {
                if (values[index] < low) low = values[index];
                if (values[index] > high) high = values[index];
            }
        }
        OracleMedian.takeSorted(values, values, 0, type(uint256).max);
        (uint256 median, uint256 remaining) = OracleMedian.robustMedian(values, limits);
        if (remaining >= limits.minimum) assertTrue(median >= low && median <= high, "honest range");
    }

    // ----- whole rounds

    struct Reports {
        uint256 places;
        uint256[] underlyingWords;
        uint256[][8] columns;
    }

    /// @dev Every field by itself against the restatement.
    function testFuzz_aggregate(uint256 seed, uint256 limitSeed) public view {
        OutlierLimits memory limits = _limits(limitSeed);
        limits.minimum = 1 + (limitSeed >> 96) % 3;
        Reports memory reports = _randomReports(seed);
        (bool ok, bytes memory data) = address(libraries).staticcall(
            abi.encodeCall(OracleLibraries.aggregate, (reports.underlyingWords, reports.columns, limits))
        );
        (uint256 word, uint256[8] memory expected, bool valid) = _naiveRound(reports, limits);
        assertTrue(ok == valid, "refused when a field has too little left");
        if (!ok) {
            assertTrue(bytes4(data) == OracleMedian.TooFewAgree.selector, "reason");
            return;
        }
        (uint256 actualWord, uint256[8] memory actual) = abi.decode(data, (uint256, uint256[8]));
        assertEq(actualWord, word, "underlying word");
        for (uint256 place = 0; place < 8; place++) {
            assertEq(actual[place], expected[place], "expiry word");
        }
    }

    function _randomReports(uint256 seed) private pure returns (Reports memory reports) {
        uint256 count = 1 + seed % 16;
        // Small spreads take the way of all lanes at once, wide ones that of each lane.
        uint256 spread = 1 << (seed >> 8) % 14;
        reports.places = (seed >> 16) % 9;
        reports.underlyingWords = new uint256[](count);
        for (uint256 place = 0; place < 8; place++) {
            reports.columns[place] = new uint256[](count);
        }
        for (uint256 index = 0; index < count; index++) {
            uint256 random = uint256(keccak256(abi.encode(seed, index)));
            reports.underlyingWords[index] = Fixtures.underlyingWord(
                96_000e6 + random % (spread << 20), Fixtures.NOW + random % 60, 30_000 + random % spread, 1
            );
            for (uint256 place = 0; place < reports.places; place++) {
                reports.columns[place][index] = _randomExpiry(random, place, spread);
            }
        }
    }

    function _naiveRound(Reports memory reports, OutlierLimits memory limits)
        private
        pure
        returns (uint256 word, uint256[8] memory words, bool valid)
    {
        uint256 field;
        bool fieldValid;
        (word, valid) = _naiveField(reports.underlyingWords, 0, 44, limits);
        (field, fieldValid) = _naiveField(reports.underlyingWords, 84, 20, limits);
        valid = valid && fieldValid;
        word |= field | (_median(_take(reports.underlyingWords, 44, 40)) << 44) | (1 << 104);
        for (uint256 place = 0; place < reports.places; place++) {
            (words[place], fieldValid) = _naiveExpiry(reports.columns[place], limits);
            valid = valid && fieldValid;
        }
    }

    function _randomExpiry(uint256 random, uint256 place, uint256 spread) private pure returns (uint256) {
        uint256[8] memory pillars = Fixtures.vols();
        for (uint256 pillar = 0; pillar < 8; pillar++) {
            pillars[pillar] += uint256(keccak256(abi.encode(random, place, pillar))) % spread;
        }
        uint256 forward = 97_000e6 + uint256(keccak256(abi.encode(random, place))) % (spread << 20);
        return Fixtures.expiryWord(
            pillars, place % 4, Fixtures.HOUR + 24 * (place + 1), 2 ** 21 - random % (spread * 64), forward
        );
    }

    function _take(uint256[] memory words, uint256 shift, uint256 bits) private pure returns (uint256[] memory values) {
        values = new uint256[](words.length);
        for (uint256 index = 0; index < words.length; index++) {
            values[index] = (words[index] >> shift) % 2 ** bits;
        }
    }

    function _naiveField(uint256[] memory words, uint256 shift, uint256 bits, OutlierLimits memory limits)
        private
        pure
        returns (uint256 placed, bool valid)
    {
        (uint256 median, uint256 remaining) = _naive(_take(words, shift, bits), limits);
        return (median << shift, remaining >= limits.minimum);
    }

    function _naiveExpiry(uint256[] memory words, OutlierLimits memory limits)
        private
        pure
        returns (uint256 word, bool valid)
    {
        valid = true;
        for (uint256 index = 0; index < 10; index++) {
            uint256 shift = index < 8 ? 20 * index : index == 8 ? 182 : 204;
            (uint256 field, bool fieldValid) =
                _naiveField(words, shift, index < 8 ? 20 : index == 8 ? 22 : 44, limits);
            word |= field;
            valid = valid && fieldValid;
        }
        word |= words[0] & ((2 ** 22 - 1) << 160);
    }

    // ----- bounds

    /// @dev The check of all pillars at once refuses what a check of one by one refuses.
    function testFuzz_pillarBounds(uint256 seed, uint256 changed, uint256 value) public view {
        uint256[8] memory pillars;
        uint256 previous = bound(seed, 2 ** 15, 2 ** 19 - 1);
        for (uint256 pillar = 0; pillar < 8; pillar++) {
            pillars[pillar] = previous;
            uint256 random = uint256(keccak256(abi.encode(seed, pillar)));
            // Often exactly at the edge of what is allowed.
            if (random % 3 == 0) previous = previous * 2;
            else if (random % 3 == 1) previous = (previous + 1) / 2;
            if (previous >= 2 ** 19) previous = 2 ** 19 - 1;
            if (previous < 2 ** 15) previous = 2 ** 15;
        }
        uint256 place = changed % 8;
        if (value % 4 == 0) pillars[place] = (value >> 8) % 2 ** 20;
        else if (value % 4 == 1) pillars[place] += (value >> 8) % 3;
        else if (value % 4 == 2) pillars[place] -= (value >> 8) % 3;

        bytes memory reason;
        for (uint256 pillar = 0; pillar < 8 && reason.length == 0; pillar++) {
            if (pillars[pillar] < 2 ** 15 || pillars[pillar] >= 2 ** 19) {
                reason = abi.encodeWithSelector(OracleWords.VolatilityOutOfRange.selector, 0, pillar);
            } else if (
                pillar > 0
                    && (pillars[pillar] > 2 * pillars[pillar - 1] || pillars[pillar - 1] > 2 * pillars[pillar])
            ) {
                reason = abi.encodeWithSelector(OracleWords.PillarRatio.selector, 0, pillar);
            }
        }
        uint256[8] memory words;
        words[0] = Fixtures.expiryWord(pillars, 1, Fixtures.HOUR + 1, 2 ** 21, 97_000e6);
        _expectFault(reason, Fixtures.underlyingWord(Fixtures.NOW), words);
    }

    function _expectFault(bytes memory reason, uint256 word, uint256[8] memory words) private view {
        (bool ok, bytes memory data) =
            address(libraries).staticcall(abi.encodeCall(OracleLibraries.validate, (1, word, words)));
        assertTrue(ok == (reason.length == 0), "refused exactly when out of bounds");
        assertTrue(keccak256(data) == keccak256(reason), "reason");
    }

    function test_fieldBounds() public view {
        uint256[8] memory words = Fixtures.expiryWords();
        uint256 good = Fixtures.underlyingWord(Fixtures.NOW);
        _expectFault("", good, words);
        _expectFault(abi.encodeWithSelector(OracleWords.UnderlyingWordTooLarge.selector), good | (1 << 136), words);
        _expectFault(
            abi.encodeWithSelector(OracleWords.UnderlyingMismatch.selector, 1, 2),
            Fixtures.underlyingWord(1, Fixtures.NOW, 0, 2),
            words
        );
        _expectFault(
            abi.encodeWithSelector(OracleWords.SpotZero.selector),
            Fixtures.underlyingWord(0, Fixtures.NOW, 0, 1),
            words
        );
        _expectFault(
            abi.encodeWithSelector(OracleWords.TimestampZero.selector), Fixtures.underlyingWord(1, 0, 0, 1), words
        );
        words[1] = 0;
        _expectFault(abi.encodeWithSelector(OracleWords.ExpiryWordAfterUnused.selector, 2), good, words);
        _expectExpiryFault(OracleWords.ExpiryWordTooLarge.selector, Fixtures.expiryWord(Fixtures.HOUR + 720) | 1 << 248);
        _expectExpiryFault(OracleWords.ExpiryNotIncreasing.selector, Fixtures.expiryWord(Fixtures.HOUR + 168));
        _expectExpiryFault(
            OracleWords.ExpiryTooFar.selector, Fixtures.expiryWord(Fixtures.HOUR + 4 * 8_760 + 1)
        );
        _expectExpiryFault(
            OracleWords.ForwardZero.selector,
            Fixtures.expiryWord(Fixtures.vols(), 1, Fixtures.HOUR + 720, 1, 0)
        );
        _expectExpiryFault(
            OracleWords.DiscountZero.selector,
            Fixtures.expiryWord(Fixtures.vols(), 1, Fixtures.HOUR + 720, 0, 1)
        );
        words = Fixtures.expiryWords();
        words[0] = Fixtures.expiryWord(Fixtures.HOUR);
        _expectFault(abi.encodeWithSelector(OracleWords.ExpiryNotInFuture.selector, 0), good, words);
    }

    function _expectExpiryFault(bytes4 selector, uint256 word) private view {
        uint256[8] memory words = Fixtures.expiryWords();
        words[1] = word;
        _expectFault(abi.encodeWithSelector(selector, 1), Fixtures.underlyingWord(Fixtures.NOW), words);
    }

    // ----- index

    /// @dev Expiries at given tenors in hours from a timestamp on the hour, with volatilities at the money in 2^-16 h, h = 1.
    function _index(uint256[] memory hoursAhead, uint256[] memory volatilities) private pure returns (uint256) {
        uint256[8] memory words;
        for (uint256 index = 0; index < hoursAhead.length; index++) {
            uint256[8] memory pillars;
            for (uint256 pillar = 0; pillar < 8; pillar++) {
                pillars[pillar] = volatilities[index];
            }
            words[index] = Fixtures.expiryWord(pillars, 2, Fixtures.HOUR + hoursAhead[index], 2 ** 21, 97_000e6);
        }
        return VolatilityIndex.compute(Fixtures.underlyingWord(Fixtures.NOW), words);
    }

    function test_index() public pure {
        uint256[] memory tenors = new uint256[](1);
        uint256[] memory volatilities = new uint256[](1);
        assertEq(_index(new uint256[](0), new uint256[](0)), 0, "no expiries");
        volatilities[0] = 50_000;
        for (tenors[0] = 1; tenors[0] < 10_000; tenors[0] += 719) {
            assertEq(_index(tenors, volatilities), 50_000, "flat outside");
        }
        tenors = new uint256[](2);
        volatilities = new uint256[](2);
        (tenors[0], tenors[1]) = (360, 1_440);
        (volatilities[0], volatilities[1]) = (80_000, 60_000);
        // Total variance over 30 days: (80000^2 15 + (60000^2 60 - 80000^2 15) 15 / 45) / 30 = 4.533e9.
        assertEq(_index(tenors, volatilities), 67_330, "interpolated");
        (tenors[0], tenors[1]) = (719, 720);
        assertEq(_index(tenors, volatilities), 60_000, "exactly 30 days");
    }

    function test_indexTakesSpacing() public pure {
        for (uint256 exponent = 0; exponent < 4; exponent++) {
            uint256[8] memory words;
            words[0] = Fixtures.expiryWord(Fixtures.vols(), exponent, Fixtures.HOUR + 24, 2 ** 21, 97_000e6);
            assertEq(
                VolatilityIndex.compute(Fixtures.underlyingWord(Fixtures.NOW), words),
                (65_536 << exponent) / 4,
                "in units of h"
            );
        }
    }

    function testFuzz_indexLiesBetweenItsNeighbours(uint256 first, uint256 second, uint256 a, uint256 b) public pure {
        uint256[] memory tenors = new uint256[](2);
        uint256[] memory volatilities = new uint256[](2);
        (tenors[0], tenors[1]) = (bound(first, 1, 719), bound(second, 720, 35_000));
        (volatilities[0], volatilities[1]) = (bound(a, 2 ** 15, 2 ** 19 - 1), bound(b, 2 ** 15, 2 ** 19 - 1));
        // The weights of the squares are T1 (T2 - M) and T2 (M - T1), which sum to M (T2 - T1).
        uint256 index = _index(tenors, volatilities);
        uint256 low = volatilities[0] < volatilities[1] ? volatilities[0] : volatilities[1];
        uint256 high = volatilities[0] < volatilities[1] ? volatilities[1] : volatilities[0];
        assertTrue(index >= low && index <= high, "between");
    }
}
