// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {IRiskOracle} from "../src/interfaces/IRiskOracle.sol";
import {OracleConfiguration, OracleSources, Report} from "../src/oracle/OracleSources.sol";
import {RiskOracle} from "../src/RiskOracle.sol";
import {Fixtures} from "./base/Fixtures.sol";
import {OracleTest} from "./base/OracleTest.sol";

/// @title Rounds that move too far
contract RiskOracleBreakerTest is OracleTest {
    uint256 private constant START = 100_000e6;

    function setUp() public override {
        super.setUp();
        _post(START);
    }

    function _postAt(uint256 later, uint256 spot) private returns (bool) {
        vm.warp(NOW + later);
        return _post(spot);
    }

    /// @dev Three expiries whose volatilities are those of the fixtures times a factor in percent.
    function _scaledVols(uint256 percent) private pure returns (uint256[8] memory words) {
        uint256[8] memory pillars = Fixtures.vols();
        for (uint256 pillar = 0; pillar < 8; pillar++) {
            pillars[pillar] = pillars[pillar] * percent / 100;
        }
        words[0] = Fixtures.expiryWord(pillars, 1, Fixtures.HOUR + 168, 2 ** 21, 97_000e6);
        words[1] = Fixtures.expiryWord(pillars, 1, Fixtures.HOUR + 720, 2 ** 21, 97_000e6);
    }

    function _assertPending(uint256 timestamp, uint256 spot) private view {
        (uint256 pendingTimestamp, uint256 pendingSpot, uint256 volatility) = oracle.pendingRound(BTC);
        assertEq(pendingTimestamp, timestamp, "time of the pending round");
        assertEq(pendingSpot, spot, "spot of the pending round");
        assertTrue(timestamp == 0 ? volatility == 0 : volatility != 0, "index of the pending round");
    }

    function test_movesUpToTheLimitPass() public {
        assertTrue(_postAt(1, START * 11 / 10), "10 % up");
        assertTrue(_postAt(2, START * 11 / 10 * 9 / 10), "10 % down");
        assertTrue(!_postAt(3, START * 99 / 100 * 9 / 10 - 1), "more than 10 % down");
        assertTrue(!_postAt(4, START * 99 / 100 * 11 / 10 + 1), "more than 10 % up");
        assertEq(oracle.latestRound(BTC), 3, "three rounds");
    }

    function test_pendingJudgesNothing() public {
        vm.warp(NOW + 1);
        Report[] memory reports = _agreeing(START / 2, NOW + 1);
        address[] memory signers = new address[](3);
        for (uint256 index = 0; index < 3; index++) {
            signers[index] = vm.addr(keys[index]);
        }
        vm.expectEmit(true, true, true, true, address(oracle));
        emit RiskOracle.RoundPending(
            BTC, NOW + 1, START / 2, 32_768, reports[0].underlyingWord, Fixtures.expiryWords(), signers
        );
        assertTrue(!oracle.postRound(BTC, reports), "pending");
        assertEq(oracle.latestRound(BTC), 1, "no new round");
        assertEq(_spot(), START, "the accepted spot");
        vm.expectRevert(abi.encodeWithSelector(IRiskOracle.RoundUnconfirmed.selector, 1));
        oracle.freshRoundWords(BTC, 1);
        (uint256 word, bool fresh) = oracle.latestUnderlyingWord(BTC);
        assertEq(word, Fixtures.underlyingWord(START, NOW, 30_000, BTC), "the accepted words");
        assertTrue(!fresh, "doubtful");
        _assertPending(NOW + 1, START / 2);
    }

    function test_judgingGoesOnAfterConfirmation() public {
        assertTrue(!_postAt(1, START / 2), "pending");
        assertTrue(_postAt(2, START / 2), "confirmed");
        oracle.freshRoundWords(BTC, 2);
    }

    function test_roundsThatMoveLittleKeepTheirDistance() public {
        OracleConfiguration memory c = _configuration();
        c.minInterval = 10;
        oracle.configureUnderlying(BTC, c);
        vm.warp(NOW + 9);
        Report[] memory reports = _agreeing(START, NOW + 9);
        vm.expectRevert(abi.encodeWithSelector(RiskOracle.RoundTooSoon.selector, NOW + 9, NOW + 10));
        oracle.postRound(BTC, reports);
        assertTrue(_postAt(10, START), "in time");
        assertTrue(!_postAt(11, START / 2), "a crash need not wait to be seen");
        assertTrue(_postAt(12, START / 2), "nor to be confirmed");
        assertTrue(!_postAt(13, START), "seen");
        assertTrue(_postAt(14, START / 2), "nor to be dismissed");
    }

    function test_laterRoundConfirms() public {
        assertTrue(!_postAt(1, START / 2), "pending");
        vm.warp(NOW + 2);
        Report[] memory reports = _agreeing(START * 54 / 100, NOW + 2);
        vm.expectEmit(true, true, true, true, address(oracle));
        emit RiskOracle.PendingResolved(BTC, NOW + 1, true);
        assertTrue(oracle.postRound(BTC, reports), "confirmed");
        assertEq(oracle.latestRound(BTC), 2, "round");
        assertEq(_spot(), START * 54 / 100, "the newer values");
        _assertPending(0, 0);
    }

    function test_roundNearTheAcceptedOneClears() public {
        assertTrue(!_postAt(1, START / 2), "pending");
        vm.warp(NOW + 2);
        Report[] memory reports = _agreeing(START * 99 / 100, NOW + 2);
        vm.expectEmit(true, true, true, true, address(oracle));
        emit RiskOracle.PendingResolved(BTC, NOW + 1, false);
        assertTrue(oracle.postRound(BTC, reports), "accepted");
        _assertPending(0, 0);
        assertTrue(!_postAt(3, START / 2), "what was cleared confirms nothing");
    }

    function test_roundNearNeitherReplacesThePending() public {
        assertTrue(!_postAt(1, START / 2), "pending");
        assertTrue(!_postAt(2, START / 4), "another");
        _assertPending(NOW + 2, START / 4);
        assertTrue(!_postAt(3, START / 2), "near the first pending round alone");
        assertTrue(_postAt(4, START / 2), "near the third");
    }

    function test_volatilityBreaks() public {
        vm.warp(NOW + 1);
        assertTrue(oracle.postRound(BTC, _agreeing(3, START, NOW + 1, _scaledVols(130))), "30 % up");
        vm.warp(NOW + 2);
        assertTrue(!oracle.postRound(BTC, _agreeing(3, START, NOW + 2, _scaledVols(175))), "another 35 %");
        assertEq(oracle.volatilityIndex(BTC), uint256(65_536) * 130 / 100 / 2, "the accepted index");
        vm.warp(NOW + 3);
        assertTrue(oracle.postRound(BTC, _agreeing(3, START, NOW + 3, _scaledVols(180))), "confirmed");
        vm.warp(NOW + 4);
        assertTrue(!oracle.postRound(BTC, _agreeing(3, START, NOW + 4, _scaledVols(120))), "a third down");
    }

    /// @dev Spot must be near the pending one as well when only volatility broke.
    function test_confirmationNeedsBoth() public {
        vm.warp(NOW + 1);
        assertTrue(!oracle.postRound(BTC, _agreeing(3, START / 2, NOW + 1, _scaledVols(180))), "both moved");
        vm.warp(NOW + 2);
        assertTrue(!oracle.postRound(BTC, _agreeing(3, START / 2, NOW + 2, _scaledVols(100))), "spot agrees alone");
        vm.warp(NOW + 3);
        assertTrue(!oracle.postRound(BTC, _agreeing(3, START, NOW + 3, _scaledVols(180))), "index agrees with none");
    }

    function test_expiriesThatVanishMustBeConfirmed() public {
        uint256[8] memory none;
        vm.warp(NOW + 1);
        assertTrue(!oracle.postRound(BTC, _agreeing(3, START, NOW + 1, none)), "no expiries");
        vm.warp(NOW + 2);
        assertTrue(oracle.postRound(BTC, _agreeing(3, START, NOW + 2, none)), "still none");
        assertEq(oracle.volatilityIndex(BTC), 0, "no index");
        vm.warp(NOW + 3);
        assertTrue(!oracle.postRound(BTC, _agreeing(3, START, NOW + 3, _scaledVols(100))), "expiries again");
        vm.warp(NOW + 4);
        assertTrue(oracle.postRound(BTC, _agreeing(3, START, NOW + 4, _scaledVols(100))), "confirmed");
    }

    /// @dev Reports of a spike, signed before the pending round, by sources that were not used for it: they cannot confirm it.
    function test_reportsFromBeforeThePendingRoundDoNotConfirm() public {
        vm.warp(NOW + 10);
        Report[] memory spike = new Report[](3);
        for (uint256 index = 0; index < 3; index++) {
            // The first is new, the others are as old as the pending round or older.
            spike[index] = _sign(
                keys[index + 2],
                Fixtures.underlyingWord(START / 2, NOW + 10 - 4 * index, 30_000, BTC),
                Fixtures.expiryWords()
            );
        }
        assertTrue(!oracle.postRound(BTC, _agreeing(3, START / 2, NOW + 6, Fixtures.expiryWords())), "pending");
        _expectRefused(
            abi.encodeWithSelector(OracleSources.ReportNotNewer.selector, 1, NOW + 6, NOW + 6), spike
        );
    }

    /// @dev Nor do reports from before the crash clear it.
    function test_reportsFromBeforeThePendingRoundDoNotClear() public {
        vm.warp(NOW + 10);
        Report[] memory calm = new Report[](3);
        for (uint256 index = 0; index < 3; index++) {
            calm[index] = _sign(
                keys[index + 2],
                Fixtures.underlyingWord(START, NOW + (index == 0 ? 10 : 5), 30_000, BTC),
                Fixtures.expiryWords()
            );
        }
        assertTrue(!oracle.postRound(BTC, _agreeing(3, START / 2, NOW + 6, Fixtures.expiryWords())), "pending");
        _expectRefused(
            abi.encodeWithSelector(OracleSources.ReportNotNewer.selector, 1, NOW + 5, NOW + 6), calm
        );
        _assertPending(NOW + 6, START / 2);
    }

    /// @dev The reports of the pending round itself are used.
    function test_reportsOfThePendingRoundDoNotConfirm() public {
        vm.warp(NOW + 1);
        Report[] memory reports = _agreeing(START / 2, NOW + 1);
        oracle.postRound(BTC, reports);
        _expectRefused(
            abi.encodeWithSelector(OracleSources.ReportReplayed.selector, 0, NOW + 1, NOW + 1), reports
        );
    }

    /// @dev One stale honest report among newer ones moves nothing: the median is that of the newer ones.
    function test_oneStaleReportDoesNotDecide() public {
        vm.warp(NOW + 50);
        Report[] memory reports = _agreeing(4, START * 95 / 100, NOW + 50, Fixtures.expiryWords());
        reports[2] =
            _sign(keys[2], Fixtures.underlyingWord(START * 2, NOW + 1, 30_000, BTC), Fixtures.expiryWords());
        assertTrue(oracle.postRound(BTC, reports), "accepted");
        assertEq(_spot(), START * 95 / 100, "the newer price");
    }

    /// @dev What is pending is kept through settlement arithmetic, and the other way round.
    function testFuzz_sequence(uint256 seed) public {
        uint256 accepted = START;
        uint256 pending = 0;
        uint256 round = 1;
        for (uint256 step = 1; step <= 12; step++) {
            uint256 random = uint256(keccak256(abi.encode(seed, step)));
            uint256 origin = random % 2 == 0 || pending == 0 ? accepted : pending;
            uint256 spot = origin * (80 + (random >> 8) % 40) / 100;
            bool near = _near(accepted, spot) || (pending != 0 && _near(pending, spot));
            assertTrue(_postAt(step * 37, spot) == near, "accepted when near to either");
            if (near) (accepted, pending, round) = (spot, 0, round + 1);
            else pending = spot;
            assertEq(_spot(), accepted, "accepted spot");
            assertEq(oracle.latestRound(BTC), round, "round");
            _assertPending(pending == 0 ? 0 : block.timestamp, pending);
        }
    }

    function _near(uint256 from, uint256 to) private pure returns (bool) {
        return to * 10 <= from * 11 && to * 10 >= from * 9;
    }
}
