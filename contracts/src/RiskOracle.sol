// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IRiskOracle} from "./interfaces/IRiskOracle.sol";
import {OracleWords} from "./libraries/OracleWords.sol";

/// @title Market rounds
/// @notice One reporter per underlying posts rounds: a word for the underlying, and eight for its expiries. Every bound
/// that the margin model relies on is checked here, once, so that no proof has to handle malformed words.
/// @dev Storage holds the newest round only: a round that is not the newest judges nothing. Earlier rounds are in events.
contract RiskOracle is IRiskOracle, Ownable2Step, ReentrancyGuardTransient {
    /// @notice The sender is not the underlying's reporter.
    error NotReporter(uint32 underlyingId, address sender);
    /// @notice The timestamp is later than the block's.
    error TimestampInFuture(uint256 timestamp, uint256 blockTimestamp);
    /// @notice The timestamp is not later than that of the newest round.
    error TimestampNotIncreasing(uint256 timestamp, uint256 latest);
    /// @notice The round is not the newest one.
    error NotLatestRound(uint64 round, uint64 latest);
    /// @notice A maximal age is 0 or above a day.
    error MaxAgeOutOfRange(uint256 maxAge);

    /// @notice Reporter and maximal age of an underlying have been set.
    event UnderlyingConfigured(uint32 indexed underlyingId, address indexed reporter, uint32 maxAge);
    /// @notice A round has been posted. `timestamp` is in seconds, `spot` in 1e-6 USD.
    event RoundPosted(
        uint32 indexed underlyingId,
        uint64 indexed round,
        uint256 timestamp,
        uint256 spot,
        uint256 underlyingWord,
        uint256[8] expiryWords
    );

    /// @notice What the owner sets, and the number of the newest round.
    /// @param reporter may post; zero when nobody may
    /// @param round number of the newest round, 0 for none
    /// @param maxAge seconds for which a round is fresh
    struct Underlying {
        address reporter;
        uint64 round;
        uint32 maxAge;
    }

    /// @notice Longest maximal age, in seconds.
    uint256 public constant MAX_MAX_AGE = 1 days;

    mapping(uint32 underlyingId => Underlying) private _underlyings;
    mapping(uint32 underlyingId => uint256) private _underlyingWords;
    mapping(uint32 underlyingId => uint256[8]) private _expiryWords;

    constructor(address owner_) Ownable(owner_) {}

    /// @notice Sets who posts rounds of an underlying, and for how long a round is fresh.
    /// @param reporter zero stops further rounds
    /// @param maxAge seconds, in [1, 86,400]
    function configureUnderlying(uint32 underlyingId, address reporter, uint32 maxAge) external onlyOwner nonReentrant {
        if (maxAge == 0 || maxAge > MAX_MAX_AGE) revert MaxAgeOutOfRange(maxAge);
        Underlying storage underlying = _underlyings[underlyingId];
        underlying.reporter = reporter;
        underlying.maxAge = maxAge;
        emit UnderlyingConfigured(underlyingId, reporter, maxAge);
    }

    /// @notice Posts the next round.
    /// @param underlyingId must be the id in the word
    /// @param underlyingWord section 3 of docs/margin-model.md
    /// @param expiryWords used ones first, by increasing expiry; unused ones are 0
    /// @return round number of the round
    function postRound(uint32 underlyingId, uint256 underlyingWord, uint256[8] calldata expiryWords)
        external
        nonReentrant
        returns (uint64 round)
    {
        Underlying storage underlying = _underlyings[underlyingId];
        if (underlying.reporter != msg.sender) revert NotReporter(underlyingId, msg.sender);
        OracleWords.validate(underlyingId, underlyingWord, expiryWords);
        uint256 time = OracleWords.timestamp(underlyingWord);
        if (time > block.timestamp) revert TimestampInFuture(time, block.timestamp);
        uint256 latest = OracleWords.timestamp(_underlyingWords[underlyingId]);
        if (time <= latest) revert TimestampNotIncreasing(time, latest);

        round = ++underlying.round;
        _underlyingWords[underlyingId] = underlyingWord;
        _expiryWords[underlyingId] = expiryWords;
        emit RoundPosted(underlyingId, round, time, OracleWords.spot(underlyingWord), underlyingWord, expiryWords);
    }

    /// @inheritdoc IRiskOracle
    function latestRound(uint32 underlyingId) external view returns (uint64) {
        return _underlyings[underlyingId].round;
    }

    /// @inheritdoc IRiskOracle
    function roundWords(uint32 underlyingId, uint64 round)
        external
        view
        returns (uint256 underlyingWord, uint256[8] memory expiryWords)
    {
        uint64 latest = _underlyings[underlyingId].round;
        if (round == 0 || round != latest) revert NotLatestRound(round, latest);
        return (_underlyingWords[underlyingId], _expiryWords[underlyingId]);
    }

    /// @inheritdoc IRiskOracle
    function isFresh(uint32 underlyingId) external view returns (bool) {
        Underlying storage underlying = _underlyings[underlyingId];
        if (underlying.round == 0) return false;
        return block.timestamp - OracleWords.timestamp(_underlyingWords[underlyingId]) <= underlying.maxAge;
    }

    /// @notice Who may post rounds of an underlying.
    function reporterOf(uint32 underlyingId) external view returns (address) {
        return _underlyings[underlyingId].reporter;
    }

    /// @notice For how many seconds a round of an underlying is fresh.
    function maxAgeOf(uint32 underlyingId) external view returns (uint32) {
        return _underlyings[underlyingId].maxAge;
    }
}
