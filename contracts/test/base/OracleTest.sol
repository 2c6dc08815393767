// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {OracleConfiguration, Report} from "../../src/oracle/OracleSources.sol";
import {RiskOracle} from "../../src/RiskOracle.sol";
import {Fixtures} from "./Fixtures.sol";
import {Test} from "./Test.sol";

/// @title An oracle with sources whose keys are known
abstract contract OracleTest is Test {
    uint256 internal constant SOURCES = 5;
    uint32 internal constant BTC = Fixtures.BTC;
    uint256 internal constant NOW = Fixtures.NOW;

    RiskOracle internal oracle;
    /// @dev Ordered by address.
    uint256[] internal keys;

    function setUp() public virtual {
        vm.warp(NOW);
        oracle = new RiskOracle(address(this));
        oracle.configureUnderlying(BTC, _configuration());
        for (uint256 index = 0; index < SOURCES; index++) {
            keys.push(index + 1);
            oracle.setSource(BTC, vm.addr(index + 1), true);
        }
        _order(keys);
    }

    function _configuration() internal pure returns (OracleConfiguration memory) {
        return OracleConfiguration({
            minSources: 3,
            maxReportAge: 60,
            maxRoundAge: 120,
            outlierMultipleTenths: 30,
            outlierFloorBps: 10,
            outlierCapBps: 1_000,
            spotMoveBps: 1_000,
            volatilityMoveBps: 3_000,
            windDownDelay: 7 days,
            minInterval: 0
        });
    }

    function _order(uint256[] memory list) private {
        for (uint256 next = 1; next < list.length; next++) {
            for (uint256 place = next; place > 0 && vm.addr(list[place - 1]) > vm.addr(list[place]); place--) {
                (list[place - 1], list[place]) = (list[place], list[place - 1]);
            }
        }
        keys = list;
    }

    function _sign(uint256 key, uint256 underlyingWord, uint256[8] memory expiryWords)
        internal
        view
        returns (Report memory)
    {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, oracle.reportDigest(underlyingWord, expiryWords));
        return Report(underlyingWord, expiryWords, abi.encodePacked(r, s, v));
    }

    /// @dev The first `count` sources agree.
    function _agreeing(uint256 count, uint256 spot, uint256 timestamp, uint256[8] memory expiryWords)
        internal
        view
        returns (Report[] memory reports)
    {
        reports = new Report[](count);
        uint256 word = Fixtures.underlyingWord(spot, timestamp, 30_000, BTC);
        for (uint256 index = 0; index < count; index++) {
            reports[index] = _sign(keys[index], word, expiryWords);
        }
    }

    function _agreeing(uint256 spot, uint256 timestamp) internal view returns (Report[] memory) {
        return _agreeing(3, spot, timestamp, Fixtures.expiryWords());
    }

    /// @dev Three agreeing reports of this moment.
    function _post(uint256 spot) internal returns (bool accepted) {
        return oracle.postRound(BTC, _agreeing(spot, block.timestamp));
    }

    function _expectRefused(bytes memory reason, Report[] memory reports) internal {
        vm.expectRevert(reason);
        oracle.postRound(BTC, reports);
    }

    function _spot() internal view returns (uint256) {
        (uint256 word,) = oracle.latestUnderlyingWord(BTC);
        return word & (2 ** 44 - 1);
    }
}
