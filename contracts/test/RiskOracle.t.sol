// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IRiskOracle} from "../src/interfaces/IRiskOracle.sol";
import {OracleMedian} from "../src/libraries/OracleMedian.sol";
import {OracleWords} from "../src/libraries/OracleWords.sol";
import {OracleConfiguration, OracleSources, Report} from "../src/oracle/OracleSources.sol";
import {RiskOracle} from "../src/RiskOracle.sol";
import {Fixtures} from "./base/Fixtures.sol";
import {OracleTest} from "./base/OracleTest.sol";

contract RiskOracleTest is OracleTest {
    function _signers(uint256 count) private view returns (address[] memory signers) {
        signers = new address[](count);
        for (uint256 index = 0; index < count; index++) {
            signers[index] = vm.addr(keys[index]);
        }
    }

    /// @dev With other words, or for another oracle, a signature is that of a stranger. The first report keeps the order.
    function _strangerOf(RiskOracle asked, Report memory report) private view returns (bytes memory refusal) {
        bytes memory signature = report.signature;
        bytes32 r;
        bytes32 s;
        uint8 v;
        assembly ("memory-safe") {
            r := mload(add(signature, 32))
            s := mload(add(signature, 64))
            v := byte(0, mload(add(signature, 96)))
        }
        address signer = ecrecover(asked.reportDigest(report.underlyingWord, report.expiryWords), v, r, s);
        return abi.encodeWithSelector(OracleSources.UnknownSource.selector, 0, signer);
    }

    // ----- posting and reading

    function test_postsAndReads() public {
        assertEq(oracle.latestRound(BTC), 0, "no round");
        (uint256 none, bool freshNone) = oracle.latestUnderlyingWord(BTC);
        assertTrue(none == 0 && !freshNone, "nothing is fresh");
        assertEq(oracle.volatilityIndex(BTC), 0, "no index");

        uint256[8] memory words = Fixtures.expiryWords();
        uint256 word = Fixtures.underlyingWord(NOW);
        Report[] memory reports = _agreeing(96_000e6, NOW);
        vm.expectEmit(true, true, true, true, address(oracle));
        // At the money all expiries are at 65,536 in units of h = 1/2.
        emit RiskOracle.RoundAccepted(BTC, 1, NOW, 96_000e6, 32_768, word, words, _signers(3));
        vm.prank(address(0xbeef));
        assertTrue(oracle.postRound(BTC, reports), "accepted");

        (uint256 readWord, uint256[8] memory readWords) = oracle.freshRoundWords(BTC, 1);
        assertEq(readWord, word, "underlying word");
        for (uint256 index = 0; index < 8; index++) {
            assertEq(readWords[index], words[index], "expiry word");
        }
        assertEq(oracle.latestRound(BTC), 1, "first round");
        assertEq(oracle.volatilityIndex(BTC), 32_768, "index");
        (bool registered, uint256 last) = oracle.sourceOf(BTC, vm.addr(keys[0]));
        assertTrue(registered && last == NOW, "the report is used");
        (, last) = oracle.sourceOf(BTC, vm.addr(keys[3]));
        assertEq(last, 0, "no report of another source is");
    }

    function test_fewerExpiriesReplaceMore() public {
        _post(96_000e6);
        vm.warp(NOW + 1);
        uint256[8] memory fewer;
        fewer[0] = Fixtures.expiryWords()[0];
        oracle.postRound(BTC, _agreeing(3, 96_000e6, NOW + 1, fewer));
        (, uint256[8] memory words) = oracle.freshRoundWords(BTC, 2);
        assertEq(words[0], fewer[0], "the word of the new round");
        assertEq(words[1], 0, "the earlier round's words are gone");
    }

    function test_onlyTheNewestRoundIsRead() public {
        vm.expectRevert(abi.encodeWithSelector(IRiskOracle.NotLatestRound.selector, 0, 0));
        oracle.freshRoundWords(BTC, 0);
        _post(96_000e6);
        vm.warp(NOW + 1);
        _post(96_000e6);
        vm.expectRevert(abi.encodeWithSelector(IRiskOracle.NotLatestRound.selector, 1, 2));
        oracle.freshRoundWords(BTC, 1);
        vm.expectRevert(abi.encodeWithSelector(IRiskOracle.NotLatestRound.selector, 3, 2));
        oracle.freshRoundWords(BTC, 3);
    }

    function test_agesAtTheBound() public {
        _post(96_000e6);
        vm.warp(NOW + 120);
        oracle.freshRoundWords(BTC, 1);
        vm.warp(NOW + 121);
        vm.expectRevert(abi.encodeWithSelector(IRiskOracle.StaleRound.selector, 1));
        oracle.freshRoundWords(BTC, 1);
        (uint256 word, bool fresh) = oracle.latestUnderlyingWord(BTC);
        assertTrue(!fresh && word == Fixtures.underlyingWord(NOW), "the last price remains known");
    }

    function test_roundHoldsMedians() public {
        Report[] memory reports = new Report[](5);
        for (uint256 index = 0; index < 5; index++) {
            uint256[8] memory own = Fixtures.expiryWords();
            // Forwards 97,000 to 97,004 in another order than spots.
            own[0] = Fixtures.expiryWord(Fixtures.vols(), 1, Fixtures.HOUR + 168, 2 ** 21 - 1_000, (97_004 - index) * 1e6);
            reports[index] = _sign(
                keys[index],
                Fixtures.underlyingWord((96_000 + (index * 2) % 5) * 1e6, NOW - index, 30_000 + index, BTC),
                own
            );
        }
        oracle.postRound(BTC, reports);
        (uint256 word, uint256[8] memory result) = oracle.freshRoundWords(BTC, 1);
        assertEq(word, Fixtures.underlyingWord(96_002e6, NOW - 2, 30_002, BTC), "underlying");
        assertEq(OracleWords.forward(result[0]), 97_002e6, "forward");
    }

    function test_aLiarIsRejectedAmongFour() public {
        Report[] memory reports = _agreeing(4, 96_000e6, NOW, Fixtures.expiryWords());
        reports[1] = _sign(keys[1], Fixtures.underlyingWord(1, NOW, 30_000, BTC), Fixtures.expiryWords());
        oracle.postRound(BTC, reports);
        assertEq(_spot(), 96_000e6, "without the liar");
    }

    // ----- refusals of reports

    function test_refusesUnknownUnderlying() public {
        Report[] memory reports = _agreeing(96_000e6, NOW);
        vm.expectRevert(abi.encodeWithSelector(OracleSources.NotConfigured.selector, 2));
        oracle.postRound(2, reports);
    }

    function test_refusesCounts() public {
        _expectRefused(
            abi.encodeWithSelector(OracleSources.WrongReportCount.selector, 2, 3, 16),
            _agreeing(2, 96_000e6, NOW, Fixtures.expiryWords())
        );
        _expectRefused(
            abi.encodeWithSelector(OracleSources.WrongReportCount.selector, 17, 3, 16), new Report[](17)
        );
    }

    function test_refusesSignatures() public {
        Report[] memory reports = _agreeing(96_000e6, NOW);
        bytes memory good = reports[2].signature;
        reports[2].signature = hex"1234";
        _expectRefused(abi.encodeWithSelector(OracleSources.InvalidSignature.selector, 2), reports);
        reports[2].signature = new bytes(65);
        _expectRefused(abi.encodeWithSelector(OracleSources.InvalidSignature.selector, 2), reports);
        reports[2].signature = good;
        oracle.postRound(BTC, reports);
    }

    function test_refusesStrangers() public {
        Report[] memory reports = _agreeing(96_000e6, NOW);
        uint256 stranger = 100;
        // A stranger with the highest address of all, so that the order is kept.
        while (vm.addr(stranger) < vm.addr(keys[4])) stranger++;
        reports[2] = _sign(stranger, reports[0].underlyingWord, reports[0].expiryWords);
        _expectRefused(
            abi.encodeWithSelector(OracleSources.UnknownSource.selector, 2, vm.addr(stranger)), reports
        );
    }

    function test_refusesSourcesOfOtherUnderlyings() public {
        oracle.configureUnderlying(2, _configuration());
        Report[] memory reports = _agreeing(96_000e6, NOW);
        vm.expectRevert(abi.encodeWithSelector(OracleSources.UnknownSource.selector, 0, vm.addr(keys[0])));
        oracle.postRound(2, reports);
    }

    function test_refusesRemovedSources() public {
        oracle.setSource(BTC, vm.addr(keys[1]), false);
        _expectRefused(
            abi.encodeWithSelector(OracleSources.UnknownSource.selector, 1, vm.addr(keys[1])),
            _agreeing(96_000e6, NOW)
        );
    }

    function test_refusesSignersTwiceOrInAnotherOrder() public {
        Report[] memory reports = _agreeing(96_000e6, NOW);
        Report memory first = reports[0];
        reports[1] = first;
        _expectRefused(
            abi.encodeWithSelector(OracleSources.SignersNotAscending.selector, 1, vm.addr(keys[0])), reports
        );
        reports[1] = reports[2];
        reports[2] = first;
        _expectRefused(
            abi.encodeWithSelector(OracleSources.SignersNotAscending.selector, 2, vm.addr(keys[0])), reports
        );
    }

    function test_refusesChangedWords() public {
        Report[] memory reports = _agreeing(96_000e6, NOW);
        reports[0].underlyingWord += 1;
        _expectRefused(_strangerOf(oracle, reports[0]), reports);
    }

    function test_refusesReportsForAnotherOracle() public {
        Report[] memory reports = _agreeing(96_000e6, NOW);
        RiskOracle other = new RiskOracle(address(this));
        other.configureUnderlying(BTC, _configuration());
        for (uint256 index = 0; index < SOURCES; index++) {
            other.setSource(BTC, vm.addr(keys[index]), true);
        }
        vm.expectRevert(_strangerOf(other, reports[0]));
        other.postRound(BTC, reports);
        vm.chainId(5);
        _expectRefused(_strangerOf(oracle, reports[0]), reports);
    }

    function test_refusesInvalidWordsAndNamesTheReport() public {
        Report[] memory reports = _agreeing(96_000e6, NOW);
        uint256[8] memory words = Fixtures.expiryWords();
        words[1] = Fixtures.expiryWord(Fixtures.vols(), 1, Fixtures.HOUR + 720, 0, 97_000e6);
        reports[1] = _sign(keys[1], reports[0].underlyingWord, words);
        bytes memory reason = abi.encodeWithSelector(OracleWords.DiscountZero.selector, 1);
        _expectRefused(abi.encodeWithSelector(OracleSources.InvalidReport.selector, 1, reason), reports);
        reports[1] = _sign(keys[1], Fixtures.underlyingWord(96_000e6, NOW, 30_000, 2), Fixtures.expiryWords());
        reason = abi.encodeWithSelector(OracleWords.UnderlyingMismatch.selector, 1, 2);
        _expectRefused(abi.encodeWithSelector(OracleSources.InvalidReport.selector, 1, reason), reports);
    }

    function test_refusesTimes() public {
        Report[] memory reports = _agreeing(96_000e6, NOW + 1);
        _expectRefused(abi.encodeWithSelector(OracleSources.ReportInFuture.selector, 0, NOW + 1), reports);
        vm.warp(NOW + 61);
        oracle.postRound(BTC, reports);
        vm.warp(NOW + 200);
        reports = _agreeing(96_000e6, NOW + 140);
        reports[2] = _sign(keys[2], Fixtures.underlyingWord(NOW + 139), Fixtures.expiryWords());
        _expectRefused(abi.encodeWithSelector(OracleSources.ReportStale.selector, 2, NOW + 139), reports);
    }

    function test_refusesReplays() public {
        Report[] memory reports = _agreeing(96_000e6, NOW);
        oracle.postRound(BTC, reports);
        _expectRefused(abi.encodeWithSelector(OracleSources.ReportReplayed.selector, 0, NOW, NOW), reports);
        vm.warp(NOW + 10);
        Report[] memory newer = _agreeing(96_000e6, NOW + 10);
        // A report that is newer than the last round, but no newer than the source's last one.
        newer[1] = _sign(keys[1], Fixtures.underlyingWord(NOW + 9), Fixtures.expiryWords());
        oracle.postRound(BTC, newer);
        vm.warp(NOW + 20);
        Report[] memory later = _agreeing(96_000e6, NOW + 20);
        later[1] = newer[1];
        _expectRefused(
            abi.encodeWithSelector(OracleSources.ReportReplayed.selector, 1, NOW + 9, NOW + 9), later
        );
    }

    function test_removalDoesNotForgetWhatWasUsed() public {
        _post(96_000e6);
        oracle.setSource(BTC, vm.addr(keys[0]), false);
        oracle.setSource(BTC, vm.addr(keys[0]), true);
        _expectRefused(
            abi.encodeWithSelector(OracleSources.ReportReplayed.selector, 0, NOW, NOW), _agreeing(96_000e6, NOW)
        );
    }

    function test_refusesReportsFromBeforeTheRound() public {
        Report[] memory others = new Report[](3);
        vm.warp(NOW + 5);
        for (uint256 index = 0; index < 3; index++) {
            others[index] = _sign(
                keys[index + 2], Fixtures.underlyingWord(index == 2 ? NOW : NOW + 5), Fixtures.expiryWords()
            );
        }
        oracle.postRound(BTC, _agreeing(3, 96_000e6, NOW, Fixtures.expiryWords()));
        _expectRefused(abi.encodeWithSelector(OracleSources.ReportNotNewer.selector, 2, NOW, NOW), others);
    }

    function test_refusesOtherStructures() public {
        Report[] memory reports = _agreeing(96_000e6, NOW);
        uint256[8] memory words = Fixtures.expiryWords();
        words[1] = Fixtures.expiryWord(Fixtures.HOUR + 721);
        reports[2] = _sign(keys[2], reports[0].underlyingWord, words);
        _expectRefused(abi.encodeWithSelector(OracleMedian.StructureMismatch.selector, 2, 1), reports);
        words = Fixtures.expiryWords();
        words[0] = Fixtures.expiryWord(Fixtures.vols(), 2, Fixtures.HOUR + 168, 2 ** 21 - 1_000, 97_000e6);
        reports[2] = _sign(keys[2], reports[0].underlyingWord, words);
        _expectRefused(abi.encodeWithSelector(OracleMedian.StructureMismatch.selector, 2, 0), reports);
        words = Fixtures.expiryWords();
        words[2] = 0;
        reports[2] = _sign(keys[2], reports[0].underlyingWord, words);
        _expectRefused(abi.encodeWithSelector(OracleMedian.StructureMismatch.selector, 2, 2), reports);
        words = Fixtures.expiryWords();
        words[3] = Fixtures.expiryWord(Fixtures.HOUR + 5_000);
        reports[2] = _sign(keys[2], reports[0].underlyingWord, words);
        _expectRefused(abi.encodeWithSelector(OracleMedian.StructureMismatch.selector, 2, 3), reports);
    }

    function test_refusesTooFewThatAgree() public {
        Report[] memory reports = _agreeing(96_000e6, NOW);
        // 0.1 % and one unit are ticks, more is an outlier: the other two agree exactly.
        reports[1] = _sign(keys[1], Fixtures.underlyingWord(96_096e6 + 2, NOW, 30_000, BTC), Fixtures.expiryWords());
        _expectRefused(abi.encodeWithSelector(OracleMedian.TooFewAgree.selector, 0, 0, 2), reports);
        reports[1] = _sign(keys[1], Fixtures.underlyingWord(96_096e6 + 1, NOW, 30_000, BTC), Fixtures.expiryWords());
        oracle.postRound(BTC, reports);
        assertEq(_spot(), 96_000e6, "a tick is kept, and the median is as it was");
    }

    function test_aFieldOfAnExpiryMayBeDisputed() public {
        Report[] memory reports = _agreeing(96_000e6, NOW);
        uint256[8] memory words = Fixtures.expiryWords();
        uint256[8] memory pillars = Fixtures.vols();
        pillars[5] = pillars[5] * 3 / 2;
        words[2] = Fixtures.expiryWord(pillars, 1, Fixtures.HOUR + 4_380, 2 ** 21 - 1_000, 97_000e6);
        reports[0] = _sign(keys[0], reports[0].underlyingWord, words);
        _expectRefused(abi.encodeWithSelector(OracleMedian.TooFewAgree.selector, 3, 100, 2), reports);
    }

    /// @dev Each report keeps the ratio of 2; the means of two, rounded down, miss it by one.
    function test_refusesMediansThatFormNoRound() public {
        Report[] memory reports = new Report[](4);
        for (uint256 index = 0; index < 4; index++) {
            uint256[8] memory pillars;
            for (uint256 pillar = 1; pillar < 8; pillar++) {
                pillars[pillar] = 65_536 + index % 2;
            }
            pillars[0] = 2 * pillars[1];
            uint256[8] memory words;
            words[0] = Fixtures.expiryWord(pillars, 1, Fixtures.HOUR + 24, 2 ** 21, 97_000e6);
            reports[index] = _sign(keys[index], Fixtures.underlyingWord(NOW), words);
        }
        _expectRefused(abi.encodeWithSelector(OracleWords.PillarRatio.selector, 0, 1), reports);
    }

    // ----- configuration and sources

    function test_configures() public {
        OracleConfiguration memory configuration = _configuration();
        configuration.minSources = 16;
        vm.expectEmit(true, true, true, true, address(oracle));
        emit OracleSources.UnderlyingConfigured(7, configuration);
        oracle.configureUnderlying(7, configuration);
        assertEq(
            uint256(keccak256(abi.encode(oracle.configurationOf(7)))),
            uint256(keccak256(abi.encode(configuration))),
            "configuration"
        );
    }

    function test_configurationBounds() public {
        OracleConfiguration memory c = _configuration();
        c.minSources = 0;
        _expectSetting("minSources", 0, c);
        c.minSources = 17;
        _expectSetting("minSources", 17, c);
        c = _configuration();
        c.maxRoundAge = 0;
        _expectSetting("maxRoundAge", 0, c);
        c.maxRoundAge = 1_801;
        _expectSetting("maxRoundAge", 1_801, c);
        c = _configuration();
        c.maxReportAge = 0;
        _expectSetting("maxReportAge", 0, c);
        c.maxReportAge = 121;
        _expectSetting("maxReportAge", 121, c);
        c = _configuration();
        c.outlierMultipleTenths = 9;
        _expectSetting("outlierMultipleTenths", 9, c);
        c.outlierMultipleTenths = 1_001;
        _expectSetting("outlierMultipleTenths", 1_001, c);
        c = _configuration();
        c.outlierCapBps = 0;
        _expectSetting("outlierCapBps", 0, c);
        c.outlierCapBps = 10_001;
        _expectSetting("outlierCapBps", 10_001, c);
        c = _configuration();
        c.outlierFloorBps = 1_001;
        _expectSetting("outlierFloorBps", 1_001, c);
        c = _configuration();
        c.spotMoveBps = 9;
        _expectSetting("spotMoveBps", 9, c);
        c.spotMoveBps = 5_001;
        _expectSetting("spotMoveBps", 5_001, c);
        c = _configuration();
        c.volatilityMoveBps = 99;
        _expectSetting("volatilityMoveBps", 99, c);
        c.volatilityMoveBps = 20_001;
        _expectSetting("volatilityMoveBps", 20_001, c);
        c = _configuration();
        c.windDownDelay = 3 days - 1;
        _expectSetting("windDownDelay", 3 days - 1, c);
        c.windDownDelay = 30 days + 1;
        _expectSetting("windDownDelay", 30 days + 1, c);
        c = _configuration();
        c.minInterval = 120;
        _expectSetting("minInterval", 120, c);
        c.maxRoundAge = 1_800;
        c.minInterval = 301;
        _expectSetting("minInterval", 301, c);
    }

    function _expectSetting(string memory setting, uint256 value, OracleConfiguration memory c) private {
        vm.expectRevert(abi.encodeWithSelector(OracleSources.SettingOutOfRange.selector, setting, value));
        oracle.configureUnderlying(BTC, c);
    }

    function test_ownerAlone() public {
        bytes memory refusal = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, address(0xbeef));
        vm.startPrank(address(0xbeef));
        vm.expectRevert(refusal);
        oracle.configureUnderlying(BTC, _configuration());
        vm.expectRevert(refusal);
        oracle.setSource(BTC, address(1), true);
        vm.stopPrank();
    }

    function test_sources() public {
        vm.expectRevert(OracleSources.SourceZero.selector);
        oracle.setSource(BTC, address(0), true);
        address first = vm.addr(keys[0]);
        vm.expectRevert(abi.encodeWithSelector(OracleSources.SourceUnchanged.selector, BTC, first));
        oracle.setSource(BTC, first, true);
        vm.expectRevert(abi.encodeWithSelector(OracleSources.SourceUnchanged.selector, BTC, address(9)));
        oracle.setSource(BTC, address(9), false);
        for (uint256 index = SOURCES; index < 16; index++) {
            oracle.setSource(BTC, address(uint160(100 + index)), true);
        }
        assertEq(oracle.sourcesOf(BTC).length, 16, "full");
        vm.expectRevert(abi.encodeWithSelector(OracleSources.TooManySources.selector, BTC));
        oracle.setSource(BTC, address(9), true);
        vm.expectEmit(true, true, true, true, address(oracle));
        emit OracleSources.SourceSet(BTC, first, false);
        oracle.setSource(BTC, first, false);
        address[] memory left = oracle.sourcesOf(BTC);
        assertEq(left.length, 15, "one less");
        for (uint256 index = 0; index < left.length; index++) {
            assertTrue(left[index] != first, "the removed one is gone");
        }
        (bool registered,) = oracle.sourceOf(BTC, first);
        assertTrue(!registered, "not registered");
        oracle.setSource(BTC, address(9), true);
    }

    // ----- gas

    /// @dev Eight expiries, values that differ within the floor.
    function _full(uint256 count, uint256 timestamp) private view returns (Report[] memory reports) {
        reports = new Report[](count);
        for (uint256 index = 0; index < count; index++) {
            uint256[8] memory words;
            uint256[8] memory pillars = Fixtures.vols();
            for (uint256 pillar = 0; pillar < 8; pillar++) {
                pillars[pillar] += (index * 7 + pillar * 3 + timestamp) % 11;
            }
            for (uint256 place = 0; place < 8; place++) {
                words[place] = Fixtures.expiryWord(
                    pillars,
                    1,
                    Fixtures.HOUR + 24 * (place + 1),
                    2 ** 21 - 1_000 - index,
                    97_000e6 + ((index * 5 + timestamp) % 7) * 1e6
                );
            }
            reports[index] = _sign(
                keys[index],
                Fixtures.underlyingWord(96_000e6 + ((index * 3 + timestamp) % 5) * 1e6, timestamp, 30_000 + index, BTC),
                words
            );
        }
    }

    /// @dev Work alone: within one transaction, storage that was written before costs next to nothing. Whole transactions are measured in
    /// `src/chain/oracle.test.ts`.
    function test_gasOfAPost() public {
        for (uint256 count = 3; count <= 5; count += 2) {
            for (uint256 post = 0; post < 3; post++) {
                vm.warp(block.timestamp + 10);
                Report[] memory reports = _full(count, block.timestamp);
                uint256 before = gasleft();
                oracle.postRound(BTC, reports);
                uint256 used = before - gasleft();
                if (post < 2) continue;
                emit GasOfPost(count, used);
                assertTrue(used < 50_000 * count, "gas of a post");
            }
        }
    }

    event GasOfPost(uint256 reports, uint256 gasUsed);
}
