// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {OracleWords} from "../src/libraries/OracleWords.sol";
import {RiskOracle} from "../src/RiskOracle.sol";
import {Fixtures} from "./base/Fixtures.sol";
import {Test} from "./base/Test.sol";

contract RiskOracleTest is Test {
    RiskOracle private oracle;
    address private reporter = makeAddr("reporter");

    function setUp() public {
        vm.warp(Fixtures.NOW + 10);
        oracle = new RiskOracle(address(this));
        oracle.configureUnderlying(Fixtures.BTC, reporter, 60);
    }

    function _post(uint256 word, uint256[8] memory words) private returns (uint64) {
        vm.prank(reporter);
        return oracle.postRound(Fixtures.BTC, word, words);
    }

    function _expectRefused(bytes memory reason, uint256 word, uint256[8] memory words) private {
        vm.prank(reporter);
        vm.expectRevert(reason);
        oracle.postRound(Fixtures.BTC, word, words);
    }

    /// @dev A round whose second expiry word is replaced.
    function _expectExpiryRefused(bytes memory reason, uint256 expiryWord) private {
        uint256[8] memory words = Fixtures.expiryWords();
        words[1] = expiryWord;
        _expectRefused(reason, Fixtures.underlyingWord(Fixtures.NOW), words);
    }

    function test_postsAndReads() public {
        assertEq(oracle.latestRound(Fixtures.BTC), 0, "no round");
        assertTrue(!oracle.isFresh(Fixtures.BTC), "nothing is fresh");
        uint256[8] memory words = Fixtures.expiryWords();
        uint256 word = Fixtures.underlyingWord(Fixtures.NOW);
        vm.expectEmit(true, true, true, true, address(oracle));
        emit RiskOracle.RoundPosted(Fixtures.BTC, 1, Fixtures.NOW, 96_000e6, word, words);
        assertEq(_post(word, words), 1, "first round");
        (uint256 readWord, uint256[8] memory readWords) = oracle.roundWords(Fixtures.BTC, 1);
        assertEq(readWord, word, "underlying word");
        for (uint256 index = 0; index < 8; index++) {
            assertEq(readWords[index], words[index], "expiry word");
        }
        assertTrue(oracle.isFresh(Fixtures.BTC), "fresh");
        assertEq(oracle.reporterOf(Fixtures.BTC), reporter, "reporter");
        assertEq(oracle.maxAgeOf(Fixtures.BTC), 60, "age");
    }

    function test_agesAtTheBound() public {
        _post(Fixtures.underlyingWord(Fixtures.NOW), Fixtures.expiryWords());
        vm.warp(Fixtures.NOW + 60);
        assertTrue(oracle.isFresh(Fixtures.BTC), "at the bound");
        vm.warp(Fixtures.NOW + 61);
        assertTrue(!oracle.isFresh(Fixtures.BTC), "beyond the bound");
    }

    function test_oldRoundIsNotRead() public {
        _post(Fixtures.underlyingWord(Fixtures.NOW), Fixtures.expiryWords());
        uint256[8] memory fewer;
        fewer[0] = Fixtures.expiryWords()[0];
        assertEq(_post(Fixtures.underlyingWord(Fixtures.NOW + 1), fewer), 2, "second round");
        (, uint256[8] memory words) = oracle.roundWords(Fixtures.BTC, 2);
        assertEq(words[1], 0, "the earlier round's words are gone");
        vm.expectRevert(abi.encodeWithSelector(RiskOracle.NotLatestRound.selector, 1, 2));
        oracle.roundWords(Fixtures.BTC, 1);
        vm.expectRevert(abi.encodeWithSelector(RiskOracle.NotLatestRound.selector, 0, 0));
        oracle.roundWords(7, 0);
    }

    function test_extremesAreAccepted() public {
        uint256[8] memory low;
        uint256[8] memory high;
        for (uint256 pillar = 0; pillar < 8; pillar++) {
            low[pillar] = pillar % 2 == 0 ? 2 ** 15 : 2 ** 16;
            high[pillar] = pillar % 2 == 0 ? 2 ** 19 - 1 : 2 ** 18;
        }
        uint256[8] memory words;
        words[0] = Fixtures.expiryWord(low, 0, Fixtures.HOUR + 1, 1, 1);
        words[1] = Fixtures.expiryWord(high, 3, Fixtures.HOUR + 4 * 8_760, 2 ** 22 - 1, 2 ** 44 - 1);
        _post(Fixtures.underlyingWord(2 ** 44 - 1, Fixtures.NOW, 2 ** 20 - 1, Fixtures.BTC), words);
        uint256[8] memory none;
        _post(Fixtures.underlyingWord(1, Fixtures.NOW + 1, 0, Fixtures.BTC), none);
    }

    function test_refusesStrangers() public {
        vm.expectRevert(abi.encodeWithSelector(RiskOracle.NotReporter.selector, Fixtures.BTC, address(this)));
        oracle.postRound(Fixtures.BTC, Fixtures.underlyingWord(Fixtures.NOW), Fixtures.expiryWords());
        vm.prank(reporter);
        vm.expectRevert(abi.encodeWithSelector(RiskOracle.NotReporter.selector, 2, reporter));
        oracle.postRound(2, Fixtures.underlyingWord(1, Fixtures.NOW, 0, 2), Fixtures.expiryWords());
    }

    function test_stoppedReporterIsRefused() public {
        oracle.configureUnderlying(Fixtures.BTC, address(0), 60);
        _expectRefused(
            abi.encodeWithSelector(RiskOracle.NotReporter.selector, Fixtures.BTC, reporter),
            Fixtures.underlyingWord(Fixtures.NOW),
            Fixtures.expiryWords()
        );
    }

    function test_ownerAloneConfigures() public {
        vm.prank(reporter);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, reporter));
        oracle.configureUnderlying(Fixtures.BTC, reporter, 60);
        vm.expectRevert(abi.encodeWithSelector(RiskOracle.MaxAgeOutOfRange.selector, 0));
        oracle.configureUnderlying(Fixtures.BTC, reporter, 0);
        vm.expectRevert(abi.encodeWithSelector(RiskOracle.MaxAgeOutOfRange.selector, 86_401));
        oracle.configureUnderlying(Fixtures.BTC, reporter, 86_401);
    }

    function test_refusesUnderlyingWord() public {
        uint256[8] memory words = Fixtures.expiryWords();
        uint256 word = Fixtures.underlyingWord(Fixtures.NOW);
        _expectRefused(abi.encodeWithSelector(OracleWords.UnderlyingWordTooLarge.selector), word | (1 << 136), words);
        _expectRefused(
            abi.encodeWithSelector(OracleWords.UnderlyingMismatch.selector, Fixtures.BTC, 2),
            Fixtures.underlyingWord(1, Fixtures.NOW, 0, 2),
            words
        );
        _expectRefused(
            abi.encodeWithSelector(OracleWords.SpotZero.selector),
            Fixtures.underlyingWord(0, Fixtures.NOW, 0, Fixtures.BTC),
            words
        );
        _expectRefused(
            abi.encodeWithSelector(OracleWords.TimestampZero.selector),
            Fixtures.underlyingWord(1, 0, 0, Fixtures.BTC),
            words
        );
    }

    function test_refusesTimestamps() public {
        uint256[8] memory words = Fixtures.expiryWords();
        _expectRefused(
            abi.encodeWithSelector(RiskOracle.TimestampInFuture.selector, Fixtures.NOW + 11, Fixtures.NOW + 10),
            Fixtures.underlyingWord(Fixtures.NOW + 11),
            words
        );
        _post(Fixtures.underlyingWord(Fixtures.NOW), words);
        _expectRefused(
            abi.encodeWithSelector(RiskOracle.TimestampNotIncreasing.selector, Fixtures.NOW, Fixtures.NOW),
            Fixtures.underlyingWord(Fixtures.NOW),
            words
        );
        _expectRefused(
            abi.encodeWithSelector(RiskOracle.TimestampNotIncreasing.selector, Fixtures.NOW - 1, Fixtures.NOW),
            Fixtures.underlyingWord(Fixtures.NOW - 1),
            words
        );
    }

    function test_refusesUsedWordAfterUnused() public {
        uint256[8] memory words = Fixtures.expiryWords();
        words[1] = 0;
        _expectRefused(
            abi.encodeWithSelector(OracleWords.ExpiryWordAfterUnused.selector, 2),
            Fixtures.underlyingWord(Fixtures.NOW),
            words
        );
    }

    function test_refusesExpiryWord() public {
        _expectExpiryRefused(
            abi.encodeWithSelector(OracleWords.ExpiryWordTooLarge.selector, 1),
            Fixtures.expiryWord(Fixtures.HOUR + 720) | (1 << 248)
        );
        _expectExpiryRefused(
            abi.encodeWithSelector(OracleWords.ExpiryNotIncreasing.selector, 1),
            Fixtures.expiryWord(Fixtures.HOUR + 168)
        );
        _expectExpiryRefused(
            abi.encodeWithSelector(OracleWords.ExpiryTooFar.selector, 1),
            Fixtures.expiryWord(Fixtures.HOUR + 4 * 8_760 + 1)
        );
        _expectExpiryRefused(
            abi.encodeWithSelector(OracleWords.ForwardZero.selector, 1),
            Fixtures.expiryWord(Fixtures.vols(), 1, Fixtures.HOUR + 720, 2 ** 21, 0)
        );
        _expectExpiryRefused(
            abi.encodeWithSelector(OracleWords.DiscountZero.selector, 1),
            Fixtures.expiryWord(Fixtures.vols(), 1, Fixtures.HOUR + 720, 0, 1)
        );
    }

    function test_refusesExpiryNotInFuture() public {
        uint256[8] memory words = Fixtures.expiryWords();
        words[0] = Fixtures.expiryWord(Fixtures.HOUR);
        _expectRefused(
            abi.encodeWithSelector(OracleWords.ExpiryNotInFuture.selector, 0),
            Fixtures.underlyingWord(Fixtures.HOUR * 3600),
            words
        );
    }

    function test_refusesVolatilityOutOfRange() public {
        for (uint256 pillar = 0; pillar < 8; pillar++) {
            for (uint256 side = 0; side < 2; side++) {
                uint256[8] memory pillars = Fixtures.vols();
                pillars[pillar] = side == 0 ? 2 ** 15 - 1 : 2 ** 19;
                // Neighbours before it follow, so that the ratio is not what fails.
                for (uint256 before = 0; before < pillar; before++) {
                    pillars[before] = side == 0 ? 2 ** 15 : 2 ** 19 - 1;
                }
                _expectExpiryRefused(
                    abi.encodeWithSelector(OracleWords.VolatilityOutOfRange.selector, 1, pillar),
                    Fixtures.expiryWord(pillars, 1, Fixtures.HOUR + 720, 2 ** 21, 1)
                );
            }
        }
    }

    function test_refusesPillarRatio() public {
        for (uint256 pillar = 1; pillar < 8; pillar++) {
            for (uint256 side = 0; side < 2; side++) {
                uint256[8] memory pillars;
                for (uint256 index = 0; index < 8; index++) {
                    bool later = index >= pillar;
                    pillars[index] = side == 0 ? (later ? 80_001 : 40_000) : (later ? 40_000 : 80_001);
                }
                _expectExpiryRefused(
                    abi.encodeWithSelector(OracleWords.PillarRatio.selector, 1, pillar),
                    Fixtures.expiryWord(pillars, 1, Fixtures.HOUR + 720, 2 ** 21, 1)
                );
            }
        }
    }
}
