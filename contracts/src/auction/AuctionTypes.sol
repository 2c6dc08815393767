// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {ISealedBidStage} from "../interfaces/IAuctionHouse.sol";
import {Coverage, IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IProofGate} from "../interfaces/IProofGate.sol";
import {IRiskOracle} from "../interfaces/IRiskOracle.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {LiquidationState, Sale, Takeover} from "../libraries/LiquidationMath.sol";

/// @notice Terms by which bids of an auction are priced, as they were at its start. Shares are in basis points, times in seconds.
struct BidTerms {
    uint16 bufferBps;
    uint16 startFactorBps;
    uint16 fastFactorBps;
    uint16 cuspFactorBps;
    uint32 fastSeconds;
    uint32 tailSeconds;
    uint32 insolventSeconds;
    uint32 maxProofAge;
    uint16 backstopBps;
    uint16 minBidBps;
}

/// @notice A running auction; all zero when none runs. Times are in seconds since 1970-01-01 UTC, money in 1e-6 USD.
/// @dev Five slots, of which a bid writes one.
/// @param number grows with each auction of any account
/// @param startNonce nonce of the account at the start
/// @param baseScale scale of the account at the start, and of all proofs
/// @param collateralSlope proven: what a unit of moving collateral adds to the requirement, in 2^-54, signed
/// @param reserved cash that bids have paid and that is not for sale
/// @param insolventSince when the account was found to be worth nothing, later by the time in which figures were too old to trade by; 0 while
/// it is worth something
/// @param moves slices moved so far; each raises the account's nonce by one
/// @param recordedAt when the figures below were recorded
/// @param mark proven at the base scale, signed
/// @param baseRequirement proven at the base scale, without moving collateral, signed
/// @param provenAt timestamp of the round of the proof
/// @param round of the proof
/// @param version of margin parameters and terms at the start
/// @param publicStart from when on anyone may bid; the price curve starts there
struct Auction {
    uint64 number;
    uint64 startNonce;
    uint64 baseScale;
    int64 collateralSlope;
    // The next slot.
    uint128 reserved;
    uint40 insolventSince;
    uint32 moves;
    uint40 recordedAt;
    // The next slot.
    int104 mark;
    int104 baseRequirement;
    uint40 provenAt;
    // The next slot.
    uint64 round;
    uint64 version;
    uint40 start;
    uint40 publicStart;
    uint16 commitSeconds;
    uint16 revealSeconds;
    BidTerms terms;
}

/// @notice Contracts that an auction house works with.
/// @param sealedBidStage zero for none
struct AuctionContracts {
    IRiskOracle oracle;
    IRiskParameters parameters;
    IClearingHouse house;
    IProofGate gate;
    ISealedBidStage sealedBidStage;
}

/// @notice What is asked for in a bid, whoever brings it.
/// @param leastScale smallest part that may be taken unless it is all that is for sale
struct BidQuote {
    uint256 factorBps;
    uint256 leastScale;
    Sale sale;
    LiquidationState state;
}

/// @title Errors and events of the auction house
interface AuctionReports {
    /// @notice Why an auction ended.
    enum EndReason {
        Sold,
        TakenOver,
        Recovered,
        Covered,
        Superseded,
        Released
    }

    /// @notice An address is zero.
    error ZeroAddress();
    /// @notice There is no such account.
    error UnknownAccount(uint256 accountId);
    /// @notice The account has no positions.
    error NoPositions(uint256 accountId);
    /// @notice No auction of the account runs.
    error NoAuction(uint256 accountId);
    /// @notice An auction of the account runs already.
    error AuctionRunning(uint256 accountId, uint64 auctionNumber);
    /// @notice The auction is not the one that the order is for, or goes by another round.
    error AuctionChanged(uint64 auctionNumber, uint64 round);
    /// @notice The nonce is not the one that the proof is for: the account's positions have changed, or another auction runs.
    /// @param nonce that proofs must bind now
    error AccountChanged(uint256 accountId, uint64 nonce);
    /// @notice A settlement has changed the positions: start anew.
    error AuctionSuperseded(uint256 accountId);
    /// @notice The order is too late.
    error DeadlinePassed(uint256 deadline);
    /// @notice Public bidding has not begun.
    error PublicBiddingNotOpen(uint256 publicStart);
    /// @notice The price curve has ended: restart the auction.
    error AuctionExpired(uint256 expiredAt);
    /// @notice The price curve has not ended.
    error AuctionNotExpired(uint256 expiresAt);
    /// @notice The proven round is too old to trade by: refresh it.
    error ProofTooOld(uint256 provenAt);
    /// @notice The sender is not a registered backstop.
    error NotBackstop(address sender);
    /// @notice The sender is not the sealed-bid stage.
    error NotSealedBidStage(address sender);
    /// @notice Sealed bids are executed after their reveals and before public bidding only.
    error NotFillTime(uint256 revealEnd, uint256 publicStart);
    /// @notice A sealed bid is below the curve's start.
    error FactorBelowStart(uint256 factorBps, uint256 startFactorBps);
    /// @notice The bid takes too small a part of what is for sale.
    error BidTooSmall(uint256 scaleTaken, uint256 leastScale);
    /// @notice Less would be taken than the order's limit.
    error ScaleBelowLimit(uint256 scaleTaken, uint256 minScale);
    /// @notice More would be paid than the order's limit.
    error PaymentAboveLimit(uint256 payment, uint256 maxPayment);
    /// @notice Less would be received than the order's limit.
    error SubsidyBelowLimit(uint256 subsidy, uint256 minSubsidy);
    /// @notice The proof is neither of a newer round nor worse for the account as it stands.
    error NotWorse(uint64 round, uint64 recordedRound);
    /// @notice The figures do not show the account below its requirement. That it is healthy, `cancel` shows.
    error NotLiquidatable(int256 equity, uint256 requirement);
    /// @notice The version is neither the auction's nor the one in force.
    error WrongVersion(uint64 version);
    /// @notice The proof assumes more cash than the account has with its fresh collateral of other underlyings.
    error ProvenCashTooHigh(int256 provenCash, int256 available);
    /// @notice The account does not reach its target yet.
    error NotCovered(int256 equity, uint256 target);
    /// @notice The figures have not stood for long enough to end the auction.
    error FiguresTooNew(uint256 standsAt);
    /// @notice The account was worth nothing when a settlement changed its positions: start anew, or prove its recovery.
    error AwaitingProof(uint256 accountId);

    /// @notice An auction began.
    /// @param keeper who started it
    /// @param figures recorded, and terms
    /// @param state of the account before the fee
    /// @param fee charged to the account
    /// @param reward part of the fee for the keeper's account
    event AuctionStarted(
        uint256 indexed accountId,
        uint64 indexed auctionNumber,
        address indexed keeper,
        Auction figures,
        LiquidationState state,
        uint256 fee,
        uint256 rewardAccountId,
        uint256 reward
    );
    /// @notice Newer or worse figures count from now on. A restart has moved `publicStart`.
    event AuctionRefreshed(
        uint256 indexed accountId,
        uint64 indexed auctionNumber,
        address indexed keeper,
        uint64 round,
        uint256 provenAt,
        int256 mark,
        int256 baseRequirement,
        int256 collateralSlope,
        uint256 publicStart
    );
    /// @notice A bid was executed.
    /// @param factorBps price factor
    /// @param nonce of the account before
    /// @param state of the account before, at its present scale
    /// @param sale every figure of the sale
    event BidExecuted(
        uint256 indexed accountId,
        uint256 indexed vesselId,
        address indexed bidder,
        uint64 auctionNumber,
        uint64 round,
        uint64 nonce,
        uint256 factorBps,
        LiquidationState state,
        Sale sale
    );
    /// @notice A part of an account that is worth nothing was taken over.
    /// @param coverage where the subsidy came from
    event TakenOver(
        uint256 indexed accountId,
        uint256 indexed vesselId,
        address indexed taker,
        uint64 auctionNumber,
        uint64 round,
        uint64 nonce,
        LiquidationState state,
        Takeover takeover,
        Coverage coverage
    );
    /// @notice The account was found to be worth nothing, or something again.
    /// @param since from when on the subsidy rises; 0 when it is worth something
    /// @param deficit what the account lacks to a worth of 0
    event InsolvencyMarked(uint256 indexed accountId, uint64 indexed auctionNumber, uint256 since, uint256 deficit);
    /// @notice An auction ended. Without an auction here, the number is 0.
    event AuctionEnded(uint256 indexed accountId, uint64 indexed auctionNumber, EndReason reason);
    /// @notice The sealed-bid stage was set; zero for none.
    event SealedBidStageSet(address indexed stage);
}
