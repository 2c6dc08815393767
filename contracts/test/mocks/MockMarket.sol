// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {IRiskOracle} from "../../src/interfaces/IRiskOracle.sol";
import {IRiskParameters, LiquidationTerms} from "../../src/interfaces/IRiskParameters.sol";
import {Fixtures} from "../base/Fixtures.sol";

/// @title An oracle that says what it is told
contract MockOracle is IRiskOracle {
    struct Round {
        uint64 round;
        bool stale;
        uint256 underlyingWord;
    }

    mapping(uint32 underlyingId => Round) public rounds;
    mapping(uint32 underlyingId => mapping(uint32 hour => uint256)) public prices;

    function post(uint32 underlyingId, uint256 spot) external {
        Round storage round = rounds[underlyingId];
        round.round++;
        round.stale = false;
        round.underlyingWord = Fixtures.underlyingWord(spot, block.timestamp, 30_000, underlyingId);
    }

    function setStale(uint32 underlyingId, bool stale) external {
        rounds[underlyingId].stale = stale;
    }

    function setPrice(uint32 underlyingId, uint32 hour, uint256 price) external {
        prices[underlyingId][hour] = price;
    }

    function latestRound(uint32 underlyingId) external view returns (uint64 round) {
        return rounds[underlyingId].round;
    }

    function freshRoundWords(uint32 underlyingId, uint64 round)
        external
        view
        returns (uint256 underlyingWord, uint256[8] memory expiryWords)
    {
        Round storage latest = rounds[underlyingId];
        if (round == 0 || round != latest.round) revert NotLatestRound(round, latest.round);
        if (latest.stale) revert StaleRound(round);
        return (latest.underlyingWord, Fixtures.expiryWords());
    }

    function latestUnderlyingWord(uint32 underlyingId) external view returns (uint256 underlyingWord, bool fresh) {
        Round storage latest = rounds[underlyingId];
        return (latest.underlyingWord, latest.round != 0 && !latest.stale);
    }

    function volatilityIndex(uint32) external pure returns (uint256 volatility) {
        return 2 ** 15;
    }

    function settlementWord(uint32 underlyingId, uint32 expiryHour) external view returns (uint256 word) {
        uint256 price = prices[underlyingId][expiryHour];
        if (price == 0) revert NotSettled(underlyingId, expiryHour);
        return expiryHour + (price << 20);
    }
}

/// @title Parameters with an initial level of 1.25 and a commitment that tells underlying and version
contract MockParameters is IRiskParameters {
    mapping(uint32 underlyingId => uint64) public versionOf;

    function bump(uint32 underlyingId) external {
        versionOf[underlyingId]++;
    }

    function commitmentAt(uint32 underlyingId, uint64 version) external view returns (uint256 commitment) {
        _check(underlyingId, version);
        return 7_000_000 + 1_000 * uint256(underlyingId) + version;
    }

    function initialLevelAt(uint32 underlyingId, uint64 version) public view returns (uint16) {
        _check(underlyingId, version);
        return uint16(5_119 + version);
    }

    function termsAt(uint32 underlyingId, uint64 version) external view returns (LiquidationTerms memory terms) {
        terms.initialLevel = initialLevelAt(underlyingId, version);
    }

    function _check(uint32 underlyingId, uint64 version) private view {
        if (version == 0 || version > versionOf[underlyingId]) revert UnknownVersion(underlyingId, version);
    }
}
