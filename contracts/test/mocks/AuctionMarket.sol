// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {IRiskOracle} from "../../src/interfaces/IRiskOracle.sol";
import {IRiskParameters, LiquidationTerms} from "../../src/interfaces/IRiskParameters.sol";
import {IWindDown} from "../../src/interfaces/IWindDown.sol";

/// @title Oracle and parameters in one, set by the test
contract AuctionMarket is IRiskOracle, IRiskParameters, IWindDown {
    uint256 public constant MAX_AGE = 600;

    mapping(uint32 underlyingId => uint64) public latestRound;
    mapping(uint32 underlyingId => uint256) public timestampOf;
    mapping(uint32 underlyingId => uint256) public volatilityIndex;
    mapping(uint32 underlyingId => bool) public isWoundDown;
    mapping(uint32 underlyingId => uint64) public versionOf;
    mapping(uint32 underlyingId => mapping(uint64 version => LiquidationTerms)) private _terms;

    function post(uint32 underlyingId) external {
        latestRound[underlyingId]++;
        timestampOf[underlyingId] = block.timestamp;
    }

    function setVolatility(uint32 underlyingId, uint256 volatility) external {
        volatilityIndex[underlyingId] = volatility;
    }

    function windDown(uint32 underlyingId) external {
        isWoundDown[underlyingId] = true;
        latestRound[underlyingId]++;
    }

    function setTerms(uint32 underlyingId, LiquidationTerms calldata terms) external {
        _terms[underlyingId][++versionOf[underlyingId]] = terms;
    }

    function freshRoundWords(uint32 underlyingId, uint64 round)
        external
        view
        returns (uint256 underlyingWord, uint256[8] memory expiryWords)
    {
        if (round == 0 || round != latestRound[underlyingId]) {
            revert NotLatestRound(round, latestRound[underlyingId]);
        }
        bool fresh;
        (underlyingWord, fresh) = latestUnderlyingWord(underlyingId);
        if (!fresh) revert StaleRound(round);
        expiryWords[0] = 1;
    }

    function latestUnderlyingWord(uint32 underlyingId) public view returns (uint256 underlyingWord, bool fresh) {
        uint256 timestamp = timestampOf[underlyingId];
        underlyingWord = 96_000e6 | (timestamp << 44);
        fresh = isWoundDown[underlyingId] || block.timestamp <= timestamp + MAX_AGE;
    }

    function settlementWord(uint32 underlyingId, uint32 expiryHour) external pure returns (uint256) {
        revert NotSettled(underlyingId, expiryHour);
    }

    function commitmentAt(uint32, uint64 version) external pure returns (uint256) {
        return 1_000 + version;
    }

    function termsAt(uint32 underlyingId, uint64 version) external view returns (LiquidationTerms memory) {
        if (version == 0 || version > versionOf[underlyingId]) revert UnknownVersion(underlyingId, version);
        return _terms[underlyingId][version];
    }
}
