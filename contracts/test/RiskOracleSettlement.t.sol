// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {IRiskOracle} from "../src/interfaces/IRiskOracle.sol";
import {OracleSources, Report} from "../src/oracle/OracleSources.sol";
import {SettlementPrices} from "../src/oracle/SettlementPrices.sol";
import {RiskOracle} from "../src/RiskOracle.sol";
import {Fixtures} from "./base/Fixtures.sol";
import {OracleTest} from "./base/OracleTest.sol";

/// @title Settlement prices, and the end of an underlying
contract RiskOracleSettlementTest is OracleTest {
    /// @dev A whole hour; the first round comes at it.
    uint256 private constant HOUR = Fixtures.HOUR;
    uint256 private constant FRESH = 120;

    function setUp() public override {
        super.setUp();
        assertEq(NOW % 3600, 0, "the tests start at a whole hour");
    }

    function _postAt(uint256 timestamp, uint256 spot) private {
        vm.warp(timestamp);
        assertTrue(_post(spot), "accepted");
    }

    function _price(uint256 hour) private view returns (uint256) {
        uint256 word = oracle.settlementWord(BTC, uint32(hour));
        assertEq(word % 2 ** 20, hour, "hour in the word");
        return word >> 20;
    }

    function _expectNotSettled(uint256 hour) private {
        vm.expectRevert(abi.encodeWithSelector(IRiskOracle.NotSettled.selector, BTC, hour));
        oracle.settlementWord(BTC, uint32(hour));
    }

    // ----- settlement

    function test_averagesOverTheWindow() public {
        // Every minute; 100 USD more after a quarter of an hour into the window.
        uint256 end = NOW + 3600;
        for (uint256 time = NOW; time < end; time += 60) {
            _postAt(time, time < end - 900 ? 96_000e6 : 96_100e6);
        }
        (uint256 spotSeconds, uint256 covered) = oracle.settlementProgress(BTC);
        assertEq(covered, 1_740, "up to the newest round");
        assertEq(spotSeconds, 900 * 96_000e6 + 840 * 96_100e6, "running sum");
        _expectNotSettled(HOUR + 1);
        vm.warp(end);
        Report[] memory reports = _agreeing(90_000e6, end);
        vm.expectEmit(true, true, true, true, address(oracle));
        emit SettlementPrices.HoursSettled(BTC, HOUR + 1, HOUR + 1, 96_050e6, 1_800);
        oracle.postRound(BTC, reports);
        assertEq(_price(HOUR + 1), 96_050e6, "the last spot has no weight");
        (spotSeconds, covered) = oracle.settlementProgress(BTC);
        assertTrue(spotSeconds == 0 && covered == 0, "a new sum");
    }

    function test_priceIsFinal() public {
        _postAt(NOW + 3599, 96_000e6);
        _postAt(NOW + 3600, 97_000e6);
        uint256 price = _price(HOUR + 1);
        _postAt(NOW + 3601, 99_000e6);
        _postAt(NOW + 7200, 99_000e6);
        assertEq(_price(HOUR + 1), price, "unchanged");
    }

    function test_hourOfTheFirstRoundAndEarlierHaveNoPrice() public {
        _postAt(NOW, 96_000e6);
        _postAt(NOW + 4 * 3600, 96_000e6);
        _expectNotSettled(HOUR);
        _expectNotSettled(HOUR - 1);
        _expectNotSettled(0);
        _expectNotSettled(HOUR + 5);
        _expectNotSettled(2 ** 20);
        _expectNotSettled(type(uint32).max);
        assertEq(_price(HOUR + 1), 96_000e6, "settled");
    }

    function test_aGapIsFilledToHalfTheWindow() public {
        // The window begins at 1800. A round at 2400 holds for 120 seconds, then nothing until after the hour.
        _postAt(NOW + 2400, 96_000e6);
        vm.warp(NOW + 3700);
        Report[] memory reports = _agreeing(99_000e6, NOW + 3700);
        vm.expectEmit(true, true, true, true, address(oracle));
        emit SettlementPrices.HoursSettled(
            BTC, HOUR + 1, HOUR + 1, (uint256(120) * 96_000e6 + 780 * 99_000e6) / 900, 120
        );
        oracle.postRound(BTC, reports);
    }

    function test_halfAWindowIsEnough() public {
        for (uint256 time = NOW + 1800; time < NOW + 2700; time += 100) {
            _postAt(time, 96_000e6);
        }
        // The last one, at 2600, holds until 2720.
        _postAt(NOW + 3600, 99_000e6);
        assertEq(_price(HOUR + 1), 96_000e6, "the spot after the hour has no weight");
    }

    function test_hoursOfSilenceSettleAtTheNextSpot() public {
        _postAt(NOW + 3590, 96_000e6);
        vm.warp(NOW + 5 * 3600 + 30);
        Report[] memory reports = _agreeing(99_000e6, NOW + 5 * 3600 + 30);
        vm.expectEmit(true, true, true, true, address(oracle));
        emit SettlementPrices.HoursSettled(BTC, HOUR + 2, HOUR + 5, 99_000e6, 0);
        oracle.postRound(BTC, reports);
        assertEq(_price(HOUR + 1), (uint256(10) * 96_000e6 + 890 * 99_000e6) / 900, "the first hour has coverage");
        for (uint256 hour = HOUR + 2; hour <= HOUR + 5; hour++) {
            assertEq(_price(hour), 99_000e6, "silence");
        }
        _expectNotSettled(HOUR + 6);
        // A second silence does not change the first.
        _postAt(NOW + 9 * 3600, 98_000e6);
        assertEq(_price(HOUR + 5), 99_000e6, "first silence");
        assertEq(_price(HOUR + 6), (uint256(0) * 99_000e6 + 900 * 98_000e6) / 900, "no coverage: in the hour's first half");
        assertEq(_price(HOUR + 7), 98_000e6, "second silence");
        assertEq(_price(HOUR + 9), 98_000e6, "at the hour");
    }

    /// @dev A pending round has no weight, and does not end the weight of the accepted one.
    function test_pendingRoundsHaveNoWeight() public {
        _postAt(NOW + 3500, 96_000e6);
        vm.warp(NOW + 3550);
        assertTrue(!_post(48_000e6), "pending");
        vm.warp(NOW + 3600);
        assertTrue(!_post(24_000e6), "another");
        _expectNotSettled(HOUR + 1);
        vm.warp(NOW + 3610);
        assertTrue(_post(96_000e6), "accepted");
        assertEq(_price(HOUR + 1), 96_000e6, "100 seconds of the accepted round, the rest of the final one");
    }

    /// @dev Second by second.
    /// forge-config: default.fuzz.runs = 64
    function testFuzz_againstSeconds(uint256 seed) public {
        uint256 count = 40;
        uint256[] memory times = new uint256[](count);
        uint256[] memory spots = new uint256[](count);
        uint256 time = NOW + seed % 3600;
        for (uint256 index = 0; index < count; index++) {
            uint256 random = uint256(keccak256(abi.encode(seed, index)));
            uint256 step = random % 20 == 0 ? (random >> 16) % 12_000 : (random >> 16) % (random % 2 == 0 ? 100 : 600);
            time += 1 + step;
            times[index] = time;
            spots[index] = 96_000e6 + (random >> 64) % 5_000e6;
            _postAt(time, spots[index]);
        }
        for (uint256 hour = times[0] / 3600 + 1; hour <= time / 3600; hour++) {
            assertEq(_price(hour), _naivePrice(hour, times, spots), "price");
        }
        _expectNotSettled(times[0] / 3600);
        _expectNotSettled(time / 3600 + 1);
    }

    function _naivePrice(uint256 hour, uint256[] memory times, uint256[] memory spots)
        private
        pure
        returns (uint256)
    {
        uint256 sum = 0;
        uint256 covered = 0;
        uint256 newest = 0;
        for (uint256 second = hour * 3600 - 1800; second < hour * 3600; second++) {
            while (newest + 1 < times.length && times[newest + 1] <= second) newest++;
            if (times[newest] <= second && second < times[newest] + FRESH) {
                sum += spots[newest];
                covered++;
            }
        }
        uint256 next = 0;
        while (times[next] < hour * 3600) next++;
        uint256 missing = covered < 900 ? 900 - covered : 0;
        return (sum + missing * spots[next]) / (covered + missing);
    }

    // ----- wind-down

    function test_windsDown() public {
        _postAt(NOW + 5, 96_000e6);
        _postAt(NOW + 3600, 97_000e6);
        uint256 price = _price(HOUR + 1);
        uint256 until = NOW + 3600 + 7 days;
        vm.warp(until);
        vm.expectRevert(abi.encodeWithSelector(RiskOracle.NotSilent.selector, BTC, until));
        oracle.windDown(BTC);
        vm.warp(until + 1);
        vm.expectEmit(true, true, true, true, address(oracle));
        emit RiskOracle.WoundDown(BTC, 3, 97_000e6);
        vm.prank(address(0xbeef));
        oracle.windDown(BTC);
        assertTrue(oracle.isWoundDown(BTC), "wound down");

        vm.warp(until + 3650 days);
        (uint256 word,) = oracle.freshRoundWords(BTC, 3);
        assertEq(word, Fixtures.underlyingWord(97_000e6, NOW + 3600, 30_000, BTC), "fresh for ever");
        (, bool fresh) = oracle.latestUnderlyingWord(BTC);
        assertTrue(!fresh, "not for collateral");
        assertEq(_price(HOUR + 1), price, "a settled hour keeps its price");
        assertEq(_price(HOUR + 2), 97_000e6, "an hour before the end");
        assertEq(_price(HOUR + 50_000), 97_000e6, "an hour far away");
        _expectNotSettled(0);
        _expectNotSettled(2 ** 20);
        Report[] memory reports = _agreeing(96_000e6, block.timestamp);
        _expectRefused(abi.encodeWithSelector(RiskOracle.UnderlyingWoundDown.selector, BTC), reports);
        vm.expectRevert(abi.encodeWithSelector(RiskOracle.UnderlyingWoundDown.selector, BTC));
        oracle.windDown(BTC);
    }

    function test_pendingRoundsDoNotPutOffTheEnd() public {
        _postAt(NOW, 96_000e6);
        vm.warp(NOW + 7 days);
        uint256[8] memory none;
        assertTrue(!oracle.postRound(BTC, _agreeing(3, 48_000e6, NOW + 7 days, none)), "pending");
        vm.warp(NOW + 7 days + 1);
        oracle.windDown(BTC);
        assertEq(_spot(), 96_000e6, "the last accepted round");
    }

    function test_acceptedRoundsPutOffTheEnd() public {
        _postAt(NOW, 96_000e6);
        _postAt(NOW + 6 days, 96_000e6);
        vm.warp(NOW + 13 days);
        vm.expectRevert(abi.encodeWithSelector(RiskOracle.NotSilent.selector, BTC, NOW + 13 days));
        oracle.windDown(BTC);
    }

    function test_nothingToWindDown() public {
        vm.warp(NOW + 100 days);
        vm.expectRevert(abi.encodeWithSelector(RiskOracle.NoRound.selector, BTC));
        oracle.windDown(BTC);
        vm.expectRevert(abi.encodeWithSelector(RiskOracle.NoRound.selector, 2));
        oracle.windDown(2);
    }
}
