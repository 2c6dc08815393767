// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {IRiskOracle} from "./interfaces/IRiskOracle.sol";
import {OracleMedian, OutlierLimits} from "./libraries/OracleMedian.sol";
import {OracleWords} from "./libraries/OracleWords.sol";
import {VolatilityIndex} from "./libraries/VolatilityIndex.sol";
import {OracleConfiguration, OracleSources, Report} from "./oracle/OracleSources.sol";
import {SettlementPrices} from "./oracle/SettlementPrices.sol";

/// @title Market rounds, agreed by several sources
/// @notice Sources sign reports; anyone posts enough of them as a round, which holds the median of each field. Every bound that the margin model relies
/// on is checked here, once, so that no proof has to handle malformed words. A round that moves too far must be confirmed by a later one.
/// @dev Storage holds the newest round alone: a round that is not the newest judges nothing. Earlier rounds are in events. The poster chooses
/// among signed reports and is not trusted: see `OracleConfiguration.minSources` for what liars can do, and docs for what a poster can.
contract RiskOracle is IRiskOracle, OracleSources, SettlementPrices {
    /// @notice The underlying is wound down: no more rounds.
    error UnderlyingWoundDown(uint32 underlyingId);
    /// @notice The underlying never had a round.
    error NoRound(uint32 underlyingId);
    /// @notice The underlying cannot be wound down before this time.
    error NotSilent(uint32 underlyingId, uint256 until);

    /// @notice A round that moves little may not follow the one before so soon.
    error RoundTooSoon(uint256 timestamp, uint256 earliest);

    /// @notice A round has been accepted. `timestamp` is in seconds, `spot` in 1e-6 USD, `volatility` (the index) in 2^-16.
    event RoundAccepted(
        uint32 indexed underlyingId,
        uint64 indexed round,
        uint256 timestamp,
        uint256 spot,
        uint256 volatility,
        uint256 underlyingWord,
        uint256[8] expiryWords,
        address[] signers
    );
    /// @notice A round moved too far and waits for a later one that confirms it. It judges nothing.
    event RoundPending(
        uint32 indexed underlyingId,
        uint256 timestamp,
        uint256 spot,
        uint256 volatility,
        uint256 underlyingWord,
        uint256[8] expiryWords,
        address[] signers
    );
    /// @notice The round that waited is done with: a later one agreed with it, or with the accepted round instead.
    /// @param timestamp of the round that waited
    event PendingResolved(uint32 indexed underlyingId, uint256 timestamp, bool confirmed);
    /// @notice No more rounds but one, with spot and timestamp of the last and without its expiries, which counts as fresh for ever. Every hour that
    /// has no price settles at its spot.
    /// @param round number of that round
    event WoundDown(uint32 indexed underlyingId, uint64 round, uint256 spot);

    /// @dev One slot.
    struct Newest {
        uint136 underlyingWord;
        uint64 round;
        uint24 volatility;
        bool woundDown;
    }

    /// @dev One slot: the round that waits for confirmation (its timestamp is 0 when there is none), and the running sum of settlement prices.
    struct Progress {
        uint48 pendingSpot;
        uint40 pendingTimestamp;
        uint24 pendingVolatility;
        uint64 spotSeconds;
        uint16 coveredSeconds;
    }

    /// @dev A round in the making.
    struct Candidate {
        uint256 timestamp;
        uint256 spot;
        uint256 volatility;
        uint256 underlyingWord;
        uint256[8] expiryWords;
    }

    mapping(uint32 underlyingId => Newest) private _newest;
    mapping(uint32 underlyingId => Progress) private _progress;
    mapping(uint32 underlyingId => uint256[8]) private _expiryWords;

    constructor(address owner_) OracleSources(owner_) {}

    /// @notice Posts a round. Anyone may.
    /// @param reports ordered by signer, each signer once. All name the same expiries with the same spacings
    /// @return accepted false when the round waits for confirmation
    function postRound(uint32 underlyingId, Report[] calldata reports) external nonReentrant returns (bool accepted) {
        OracleConfiguration memory configuration = configurationOf(underlyingId);
        if (configuration.minSources == 0) revert NotConfigured(underlyingId);
        Newest memory newest = _newest[underlyingId];
        if (newest.woundDown) revert UnderlyingWoundDown(underlyingId);
        Progress memory progress = _progress[underlyingId];

        uint256 after_ = OracleWords.timestamp(newest.underlyingWord);
        if (progress.pendingTimestamp > after_) after_ = progress.pendingTimestamp;
        UsedReports memory used = _useReports(underlyingId, reports, configuration, after_);
        Candidate memory candidate = _aggregate(underlyingId, used, configuration);

        bool confirmed;
        (accepted, confirmed) = _judge(candidate, newest, progress, configuration);
        if (!accepted) {
            _keepPending(underlyingId, candidate, progress, used.signers);
            return false;
        }
        // A round that resolves a pending one is always in time: until it comes, nothing can be judged.
        uint256 earliest = OracleWords.timestamp(newest.underlyingWord) + configuration.minInterval;
        if (progress.pendingTimestamp == 0 && newest.round != 0 && candidate.timestamp < earliest) {
            revert RoundTooSoon(candidate.timestamp, earliest);
        }
        if (progress.pendingTimestamp != 0) {
            emit PendingResolved(underlyingId, progress.pendingTimestamp, confirmed);
        }
        _accept(underlyingId, candidate, newest, progress, configuration.maxRoundAge);
        emit RoundAccepted(
            underlyingId,
            newest.round,
            candidate.timestamp,
            candidate.spot,
            candidate.volatility,
            candidate.underlyingWord,
            candidate.expiryWords,
            used.signers
        );
    }

    /// @notice Winds an underlying down, when no round has been accepted for `windDownDelay`. Anyone may; nobody can undo it.
    /// @dev The expiries of the last round go. From now on every hour settles at once, at the last spot: an option is worth its intrinsic value. Marked
    /// with a time value, it could be bought, its time value be withdrawn, and the debt be left to the house when it settles for less. Without
    /// expiries no account with options can be proven anything of; they settle first, as anyone can make them.
    function windDown(uint32 underlyingId) external nonReentrant {
        Newest storage newest = _newest[underlyingId];
        if (newest.round == 0) revert NoRound(underlyingId);
        if (newest.woundDown) revert UnderlyingWoundDown(underlyingId);
        uint256 word = newest.underlyingWord;
        uint256 until = OracleWords.timestamp(word) + configurationOf(underlyingId).windDownDelay;
        if (block.timestamp <= until) revert NotSilent(underlyingId, until);
        newest.woundDown = true;
        // A round of its own: an auction's figures from before, with time value, must not pass for figures of the round that stays for ever.
        uint64 round = ++newest.round;
        newest.volatility = 0;
        delete _expiryWords[underlyingId];
        emit WoundDown(underlyingId, round, OracleWords.spot(word));
    }

    /// @inheritdoc IRiskOracle
    function latestRound(uint32 underlyingId) external view returns (uint64) {
        return _newest[underlyingId].round;
    }

    /// @inheritdoc IRiskOracle
    function freshRoundWords(uint32 underlyingId, uint64 round)
        external
        view
        returns (uint256 underlyingWord, uint256[8] memory expiryWords)
    {
        Newest memory newest = _newest[underlyingId];
        if (round == 0 || round != newest.round) revert NotLatestRound(round, newest.round);
        if (!newest.woundDown && _progress[underlyingId].pendingTimestamp != 0) revert RoundUnconfirmed(round);
        if (!_isFresh(underlyingId, newest)) revert StaleRound(round);
        return (newest.underlyingWord, _expiryWords[underlyingId]);
    }

    /// @inheritdoc IRiskOracle
    function latestUnderlyingWord(uint32 underlyingId) external view returns (uint256 underlyingWord, bool fresh) {
        Newest memory newest = _newest[underlyingId];
        fresh = !newest.woundDown && _progress[underlyingId].pendingTimestamp == 0 && _isFresh(underlyingId, newest);
        return (newest.underlyingWord, fresh);
    }

    /// @inheritdoc IRiskOracle
    function volatilityIndex(uint32 underlyingId) external view returns (uint256) {
        return _newest[underlyingId].volatility;
    }

    /// @inheritdoc IRiskOracle
    function settlementWord(uint32 underlyingId, uint32 expiryHour) external view returns (uint256) {
        uint256 price = 0;
        // A word has 20 bits for the hour, and 0 marks an unused one.
        if (expiryHour != 0 && expiryHour < 2 ** 20) {
            price = _recordedPrice(underlyingId, expiryHour);
            if (price == 0) {
                Newest memory newest = _newest[underlyingId];
                if (newest.woundDown) price = OracleWords.spot(newest.underlyingWord);
            }
        }
        if (price == 0) revert NotSettled(underlyingId, expiryHour);
        return expiryHour | (price << 20);
    }

    /// @notice Whether an underlying is wound down.
    function isWoundDown(uint32 underlyingId) external view returns (bool) {
        return _newest[underlyingId].woundDown;
    }

    /// @notice The round that waits for confirmation; zeros when there is none.
    function pendingRound(uint32 underlyingId)
        external
        view
        returns (uint256 timestamp, uint256 spot, uint256 volatility)
    {
        Progress storage progress = _progress[underlyingId];
        return (progress.pendingTimestamp, progress.pendingSpot, progress.pendingVolatility);
    }

    /// @notice The running sum of the settlement price of the hour after the newest round, up to that round.
    /// @return spotSeconds sum of spot times seconds
    /// @return coveredSeconds of the hour's window
    function settlementProgress(uint32 underlyingId)
        external
        view
        returns (uint256 spotSeconds, uint256 coveredSeconds)
    {
        Progress storage progress = _progress[underlyingId];
        return (progress.spotSeconds, progress.coveredSeconds);
    }

    /// @dev The medians are judged by the same bounds as reports: a ratio of pillars may fail by rounding, or when different values were rejected.
    function _aggregate(
        uint32 underlyingId,
        UsedReports memory used,
        OracleConfiguration memory configuration
    ) private pure returns (Candidate memory candidate) {
        OutlierLimits memory limits = OutlierLimits({
            minimum: configuration.minSources,
            multipleTenths: configuration.outlierMultipleTenths,
            floorBps: configuration.outlierFloorBps,
            capBps: configuration.outlierCapBps
        });
        (candidate.underlyingWord, candidate.expiryWords) = OracleMedian.aggregate(used.underlyingWords, used.columns, limits);
        OracleWords.validate(underlyingId, candidate.underlyingWord, candidate.expiryWords);
        candidate.timestamp = OracleWords.timestamp(candidate.underlyingWord);
        candidate.spot = OracleWords.spot(candidate.underlyingWord);
        candidate.volatility = VolatilityIndex.compute(candidate.underlyingWord, candidate.expiryWords);
    }

    /// @return accepted whether the round is near the accepted one, or near the one that waits, or the first
    /// @return confirmed whether it is accepted because of the one that waits
    function _judge(
        Candidate memory candidate,
        Newest memory newest,
        Progress memory progress,
        OracleConfiguration memory configuration
    ) private pure returns (bool accepted, bool confirmed) {
        if (
            newest.round == 0
                || _isNear(candidate, OracleWords.spot(newest.underlyingWord), newest.volatility, configuration)
        ) return (true, false);
        confirmed = progress.pendingTimestamp != 0
            && _isNear(candidate, progress.pendingSpot, progress.pendingVolatility, configuration);
        return (confirmed, confirmed);
    }

    /// @dev An index that comes from or goes to 0, where a round has no expiries, has moved too far.
    function _isNear(
        Candidate memory candidate,
        uint256 spot,
        uint256 volatility,
        OracleConfiguration memory configuration
    ) private pure returns (bool) {
        return _hasMovedAtMost(spot, candidate.spot, configuration.spotMoveBps)
            && _hasMovedAtMost(volatility, candidate.volatility, configuration.volatilityMoveBps)
            && (volatility == 0) == (candidate.volatility == 0);
    }

    function _hasMovedAtMost(uint256 from, uint256 to, uint256 limitBps) private pure returns (bool) {
        return (to > from ? to - from : from - to) * OracleMedian.BASIS <= from * limitBps;
    }

    function _keepPending(
        uint32 underlyingId,
        Candidate memory candidate,
        Progress memory progress,
        address[] memory signers
    ) private {
        // Fields of 44 and 40 bits, and an index of at most 21.
        // forge-lint: disable-start(unsafe-typecast)
        progress.pendingSpot = uint48(candidate.spot);
        progress.pendingTimestamp = uint40(candidate.timestamp);
        progress.pendingVolatility = uint24(candidate.volatility);
        // forge-lint: disable-end(unsafe-typecast)
        _progress[underlyingId] = progress;
        emit RoundPending(
            underlyingId,
            candidate.timestamp,
            candidate.spot,
            candidate.volatility,
            candidate.underlyingWord,
            candidate.expiryWords,
            signers
        );
    }

    /// @dev Replaces the newest round, in storage and in `newest`, and brings settlement prices up to it.
    function _accept(
        uint32 underlyingId,
        Candidate memory candidate,
        Newest memory newest,
        Progress memory progress,
        uint256 maxRoundAge
    ) private {
        uint256 sum = 0;
        uint256 covered = 0;
        if (newest.round != 0) {
            Interval memory interval = Interval({
                begin: OracleWords.timestamp(newest.underlyingWord),
                end: candidate.timestamp,
                holdLimit: maxRoundAge,
                spot: OracleWords.spot(newest.underlyingWord),
                nextSpot: candidate.spot
            });
            (sum, covered) = _advance(underlyingId, interval, progress.spotSeconds, progress.coveredSeconds);
        }
        newest.round++;
        // A valid word has 136 bits, an index at most 21; spots are below 2^44 and seconds at most 1800.
        // forge-lint: disable-start(unsafe-typecast)
        newest.underlyingWord = uint136(candidate.underlyingWord);
        newest.volatility = uint24(candidate.volatility);
        Progress memory next;
        next.spotSeconds = uint64(sum);
        next.coveredSeconds = uint16(covered);
        // forge-lint: disable-end(unsafe-typecast)
        _newest[underlyingId] = newest;
        _progress[underlyingId] = next;
        _expiryWords[underlyingId] = candidate.expiryWords;
    }

    function _isFresh(uint32 underlyingId, Newest memory newest) private view returns (bool) {
        if (newest.woundDown) return true;
        if (newest.round == 0) return false;
        return block.timestamp - OracleWords.timestamp(newest.underlyingWord)
            <= configurationOf(underlyingId).maxRoundAge;
    }
}
