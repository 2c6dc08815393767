// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {OracleWords} from "../libraries/OracleWords.sol";
import {Units} from "../libraries/Units.sol";

/// @notice What one source says of a market, signed by it. Section 3 of docs/margin-model.md.
/// @param underlyingWord names the underlying and the time of the observation
/// @param expiryWords used ones first, by increasing expiry; unused ones are 0
/// @param signature of 65 bytes, over `reportDigest`
struct Report {
    uint256 underlyingWord;
    uint256[8] expiryWords;
    bytes signature;
}

/// @notice How the reports on an underlying are judged.
/// @param minSources fewest reports of a round, and fewest values of each field that must remain; in [1, 16]. With fewer than half of
/// it lying, no result leaves the range of honest values: 3 stands one liar, 5 stand two
/// @param maxReportAge seconds up to which a report may be used, in [1, `maxRoundAge`]
/// @param maxRoundAge seconds for which a round is fresh, in [1, 1800]
/// @param outlierMultipleTenths multiple of the median absolute deviation up to which a value is kept, in tenths; in [10, 1000]
/// @param outlierFloorBps a deviation up to this part of the median is never an outlier; at most `outlierCapBps`
/// @param outlierCapBps a deviation beyond this part of the median always is one; in [1, 10000]
/// @param spotMoveBps largest move of spot from one round to the next without confirmation, in [10, 5000]
/// @param volatilityMoveBps the same for the volatility index, relative to it, in [100, 20000]
/// @param windDownDelay seconds without a round after which anyone may wind the underlying down, in [3 days, 30 days]
/// @param minInterval seconds between rounds that move little, below `maxRoundAge` and at most 300: each round makes proofs void that were made for the one
/// before, so nobody may post every report that there is
struct OracleConfiguration {
    uint8 minSources;
    uint32 maxReportAge;
    uint32 maxRoundAge;
    uint16 outlierMultipleTenths;
    uint16 outlierFloorBps;
    uint16 outlierCapBps;
    uint16 spotMoveBps;
    uint16 volatilityMoveBps;
    uint32 windDownDelay;
    uint16 minInterval;
}

/// @title Who reports, and which reports are taken
abstract contract OracleSources is Ownable2Step, EIP712, ReentrancyGuardTransient {
    /// @notice A setting is out of its bounds.
    error SettingOutOfRange(string setting, uint256 value);
    /// @notice The underlying has no configuration.
    error NotConfigured(uint32 underlyingId);
    /// @notice The zero address signs nothing.
    error SourceZero();
    /// @notice The source is registered already, or is not registered.
    error SourceUnchanged(uint32 underlyingId, address source);
    /// @notice An underlying has at most 16 sources.
    error TooManySources(uint32 underlyingId);
    /// @notice A round takes at least `minSources` and at most 16 reports.
    error WrongReportCount(uint256 given, uint256 minimum, uint256 maximum);
    /// @notice The signature is malformed.
    error InvalidSignature(uint256 index);
    /// @notice Reports must be ordered by signer, each signer once.
    error SignersNotAscending(uint256 index, address signer);
    /// @notice The signer is no source of the underlying.
    error UnknownSource(uint256 index, address signer);
    /// @notice A field is out of its bounds.
    /// @param reason encoded error of `OracleWords`
    error InvalidReport(uint256 index, bytes reason);
    /// @notice The report's time is later than the block's.
    error ReportInFuture(uint256 index, uint256 timestamp);
    /// @notice The report is older than `maxReportAge`.
    error ReportStale(uint256 index, uint256 timestamp);
    /// @notice The report is not later than the newest round, or than the round that waits for confirmation.
    error ReportNotNewer(uint256 index, uint256 timestamp, uint256 roundTimestamp);
    /// @notice The report is not later than the source's last one that was used.
    error ReportReplayed(uint256 index, uint256 timestamp, uint256 lastTimestamp);

    /// @notice An underlying has been configured.
    event UnderlyingConfigured(uint32 indexed underlyingId, OracleConfiguration configuration);
    /// @notice A source has been registered or removed.
    event SourceSet(uint32 indexed underlyingId, address indexed source, bool registered);

    /// @dev `lastTimestamp` outlives a removal, so that nothing can be replayed after the source has come back.
    struct Source {
        bool registered;
        uint40 lastTimestamp;
    }

    /// @dev Reports of a round, checked.
    /// @param signers ascending
    /// @param columns for each of the eight places the words of all reports
    struct UsedReports {
        address[] signers;
        uint256[] underlyingWords;
        uint256[][8] columns;
    }

    /// @notice Most sources of an underlying.
    uint256 public constant MAX_SOURCES = 16;
    /// @notice Longest time for which a round may be fresh, in seconds.
    /// @dev A round holds for less than the settlement windows of two hours lie apart; `SettlementPrices` relies on it.
    uint256 public constant MAX_ROUND_AGE = 30 minutes;
    /// @notice Largest `minInterval`, in seconds.
    uint256 public constant MAX_INTERVAL = 300;
    /// @notice EIP-712 type of a report.
    bytes32 public constant REPORT_TYPEHASH = keccak256("Report(uint256 underlyingWord,uint256[8] expiryWords)");

    mapping(uint32 underlyingId => OracleConfiguration) private _configurations;
    mapping(uint32 underlyingId => mapping(address signer => Source)) private _sources;
    mapping(uint32 underlyingId => address[]) private _sourceLists;

    constructor(address owner_) Ownable(owner_) EIP712("zkmargin oracle", "1") {}

    /// @notice Sets how reports on an underlying are judged, from the next round on.
    function configureUnderlying(uint32 underlyingId, OracleConfiguration calldata configuration)
        external
        onlyOwner
        nonReentrant
    {
        _requireRange("minSources", configuration.minSources, 1, MAX_SOURCES);
        _requireRange("maxRoundAge", configuration.maxRoundAge, 1, MAX_ROUND_AGE);
        _requireRange("maxReportAge", configuration.maxReportAge, 1, configuration.maxRoundAge);
        _requireRange("outlierMultipleTenths", configuration.outlierMultipleTenths, 10, 1_000);
        _requireRange("outlierCapBps", configuration.outlierCapBps, 1, Units.BASIS);
        _requireRange("outlierFloorBps", configuration.outlierFloorBps, 0, configuration.outlierCapBps);
        _requireRange("spotMoveBps", configuration.spotMoveBps, 10, 5_000);
        _requireRange("volatilityMoveBps", configuration.volatilityMoveBps, 100, 20_000);
        _requireRange("windDownDelay", configuration.windDownDelay, 3 days, 30 days);
        _requireRange("minInterval", configuration.minInterval, 0, Math.min(MAX_INTERVAL, configuration.maxRoundAge - 1));
        _configurations[underlyingId] = configuration;
        emit UnderlyingConfigured(underlyingId, configuration);
    }

    /// @notice Registers or removes a source: an address whose key signs reports. A contract cannot be one.
    function setSource(uint32 underlyingId, address signer, bool registered) external onlyOwner nonReentrant {
        if (signer == address(0)) revert SourceZero();
        Source storage source = _sources[underlyingId][signer];
        if (source.registered == registered) revert SourceUnchanged(underlyingId, signer);
        source.registered = registered;
        address[] storage list = _sourceLists[underlyingId];
        if (registered) {
            if (list.length == MAX_SOURCES) revert TooManySources(underlyingId);
            list.push(signer);
        } else {
            uint256 index = 0;
            while (list[index] != signer) index++;
            list[index] = list[list.length - 1];
            list.pop();
        }
        emit SourceSet(underlyingId, signer, registered);
    }

    /// @notice How reports are judged; zeros for an underlying that was not configured.
    function configurationOf(uint32 underlyingId) public view returns (OracleConfiguration memory) {
        return _configurations[underlyingId];
    }

    /// @notice All registered sources of an underlying, in no order.
    function sourcesOf(uint32 underlyingId) external view returns (address[] memory) {
        return _sourceLists[underlyingId];
    }

    /// @notice Whether an address is a source, and the time of its last report that was used; 0 for none.
    function sourceOf(uint32 underlyingId, address signer)
        external
        view
        returns (bool registered, uint256 lastTimestamp)
    {
        Source storage source = _sources[underlyingId][signer];
        return (source.registered, source.lastTimestamp);
    }

    /// @notice What a source signs.
    function reportDigest(uint256 underlyingWord, uint256[8] memory expiryWords) public view returns (bytes32) {
        bytes32 wordsHash;
        assembly ("memory-safe") {
            // Eight words in a row: what `abi.encodePacked` would copy.
            wordsHash := keccak256(expiryWords, 0x100)
        }
        return _hashTypedDataV4(keccak256(abi.encode(REPORT_TYPEHASH, underlyingWord, wordsHash)));
    }

    /// @dev Checks reports and marks them as used.
    /// @param after_ every report must be later than this
    function _useReports(
        uint32 underlyingId,
        Report[] calldata reports,
        OracleConfiguration memory configuration,
        uint256 after_
    ) internal returns (UsedReports memory used) {
        uint256 count = reports.length;
        if (count < configuration.minSources || count > MAX_SOURCES) {
            revert WrongReportCount(count, configuration.minSources, MAX_SOURCES);
        }
        used.signers = new address[](count);
        used.underlyingWords = new uint256[](count);
        for (uint256 place = 0; place < OracleWords.EXPIRY_COUNT; place++) {
            used.columns[place] = new uint256[](count);
        }
        address previous = address(0);
        for (uint256 index = 0; index < count; index++) {
            Report calldata report = reports[index];
            uint256[8] memory words = report.expiryWords;
            address signer = _recover(index, report, words);
            if (signer <= previous) revert SignersNotAscending(index, signer);
            previous = signer;
            _useSource(underlyingId, index, signer, report.underlyingWord, words);
            _requireTimely(index, OracleWords.timestamp(report.underlyingWord), configuration.maxReportAge, after_);
            used.signers[index] = signer;
            used.underlyingWords[index] = report.underlyingWord;
            _putColumns(used.columns, index, words);
        }
    }

    /// @dev `columns[place][index] = words[place]` for all eight places; the index is within all columns.
    function _putColumns(uint256[][8] memory columns, uint256 index, uint256[8] memory words) private pure {
        assembly ("memory-safe") {
            let offset := add(0x20, shl(5, index))
            for { let place := 0 } lt(place, 0x100) { place := add(place, 0x20) } {
                mstore(add(mload(add(columns, place)), offset), mload(add(words, place)))
            }
        }
    }

    function _useSource(
        uint32 underlyingId,
        uint256 index,
        address signer,
        uint256 underlyingWord,
        uint256[8] memory words
    ) private {
        Source storage source = _sources[underlyingId][signer];
        if (!source.registered) revert UnknownSource(index, signer);
        bytes memory fault = OracleWords.findFault(underlyingId, underlyingWord, words);
        if (fault.length != 0) revert InvalidReport(index, fault);
        uint256 time = OracleWords.timestamp(underlyingWord);
        uint256 lastTimestamp = source.lastTimestamp;
        if (time <= lastTimestamp) revert ReportReplayed(index, time, lastTimestamp);
        // A field of 40 bits.
        // forge-lint: disable-next-line(unsafe-typecast)
        source.lastTimestamp = uint40(time);
    }

    /// @param words those of the report
    function _recover(uint256 index, Report calldata report, uint256[8] memory words)
        private
        view
        returns (address signer)
    {
        ECDSA.RecoverError failure;
        (signer, failure,) =
            ECDSA.tryRecoverCalldata(reportDigest(report.underlyingWord, words), report.signature);
        if (failure != ECDSA.RecoverError.NoError) revert InvalidSignature(index);
    }

    function _requireTimely(uint256 index, uint256 time, uint256 maxReportAge, uint256 after_) private view {
        if (time > block.timestamp) revert ReportInFuture(index, time);
        if (block.timestamp - time > maxReportAge) revert ReportStale(index, time);
        if (time <= after_) revert ReportNotNewer(index, time, after_);
    }

    function _requireRange(string memory setting, uint256 value, uint256 minimum, uint256 maximum) private pure {
        if (value < minimum || value > maximum) revert SettingOutOfRange(setting, value);
    }
}
