// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

/// @title Settlement prices of all hours
/// @notice The price of an hour is the average of spot over the 30 minutes before it, weighted by time. The spot of a round holds from the round's
/// timestamp to that of the next, but no longer than the round is fresh: beyond that nobody knows the price. What is thus missing to half of the
/// window is filled with the spot of the first round at or after the hour, which makes the price final:
/// `price = floor((Σ spot seconds + missing nextSpot) / (covered + missing))`, `missing = max(0, 900 - covered)`.
/// @dev Every hour is priced, whether a round names it or not: one running sum is enough, because windows of different hours do not overlap. When no
/// round came for more than an hour, the hours in between have no coverage at all, so that one record holds their common price.
abstract contract SettlementPrices {
    using Checkpoints for Checkpoints.Trace208;

    /// @notice Hours, usually one, have a settlement price.
    /// @param lastHour the same as `firstHour`, or the last of several hours without any coverage
    /// @param price in 1e-6 USD
    /// @param coveredSeconds of the window of 1800
    event HoursSettled(
        uint32 indexed underlyingId,
        uint256 indexed firstHour,
        uint256 lastHour,
        uint256 price,
        uint256 coveredSeconds
    );

    /// @dev From one accepted round to the next.
    /// @param begin timestamp of the first
    /// @param end timestamp of the second, later
    /// @param holdLimit seconds for which the first round's spot holds at most; at most 1800
    struct Interval {
        uint256 begin;
        uint256 end;
        uint256 holdLimit;
        uint256 spot;
        uint256 nextSpot;
    }

    /// @notice The average is taken over so many seconds before an hour.
    uint256 public constant SETTLEMENT_WINDOW = 30 minutes;
    /// @notice Coverage below this is filled up with the spot of the round that makes the price final.
    uint256 public constant MIN_COVERAGE = SETTLEMENT_WINDOW / 2;

    mapping(uint32 underlyingId => mapping(uint256 hour => uint256 price)) private _prices;
    /// @dev Hours without any coverage: by the last of a run, `firstHour * 2^44 + price`.
    mapping(uint32 underlyingId => Checkpoints.Trace208) private _silences;

    /// @dev Adds an interval to the running sum of the hour after its begin, and settles what hours it reaches.
    /// @param sum of spot times seconds of that hour's window so far
    /// @param covered seconds of that window so far
    /// @return nextSum the same for the hour after the interval's end
    /// @return nextCovered the same for the hour after the interval's end
    function _advance(uint32 underlyingId, Interval memory interval, uint256 sum, uint256 covered)
        internal
        returns (uint256 nextSum, uint256 nextCovered)
    {
        uint256 hour = interval.begin / 1 hours + 1;
        uint256 seconds_ = _coveredSeconds(interval, hour * 1 hours);
        nextSum = sum + interval.spot * seconds_;
        nextCovered = covered + seconds_;
        uint256 endHour = interval.end / 1 hours;
        if (endHour >= hour) {
            _settle(underlyingId, hour, nextSum, nextCovered, interval.nextSpot);
            if (endHour > hour) _settleSilence(underlyingId, hour + 1, endHour, interval.nextSpot);
            nextSum = 0;
            nextCovered = 0;
        }
    }

    /// @dev In 1e-6 USD; 0 when no round has settled the hour.
    function _recordedPrice(uint32 underlyingId, uint256 hour) internal view returns (uint256 price) {
        price = _prices[underlyingId][hour];
        if (price != 0) return price;
        // Hours asked for have 32 bits.
        // forge-lint: disable-next-line(unsafe-typecast)
        uint256 silence = _silences[underlyingId].lowerLookup(uint48(hour));
        return silence >> 44 <= hour ? silence & (2 ** 44 - 1) : 0;
    }

    /// @dev Seconds of the window before `hourEnd` for which the first round's spot holds.
    function _coveredSeconds(Interval memory interval, uint256 hourEnd) private pure returns (uint256) {
        uint256 from = Math.max(interval.begin, hourEnd - SETTLEMENT_WINDOW);
        uint256 to = Math.min(Math.min(interval.end, interval.begin + interval.holdLimit), hourEnd);
        return Math.saturatingSub(to, from);
    }

    function _settle(uint32 underlyingId, uint256 hour, uint256 sum, uint256 covered, uint256 nextSpot) private {
        uint256 missing = Math.saturatingSub(MIN_COVERAGE, covered);
        uint256 price = (sum + missing * nextSpot) / (covered + missing);
        _prices[underlyingId][hour] = price;
        emit HoursSettled(underlyingId, hour, hour, price, covered);
    }

    /// @dev The round before held until the window of `firstHour` at the latest: these hours have no coverage.
    function _settleSilence(uint32 underlyingId, uint256 firstHour, uint256 lastHour, uint256 price) private {
        // Hours of rounds have 29 bits, and prices 44.
        // forge-lint: disable-next-line(unsafe-typecast)
        _silences[underlyingId].push(uint48(lastHour), uint208((firstHour << 44) | price));
        emit HoursSettled(underlyingId, firstHour, lastHour, price, 0);
    }
}
