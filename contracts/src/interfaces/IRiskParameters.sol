// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

/// @notice Terms of liquidations of one underlying. Shares are in basis points, times in seconds, money in 1e-6 USD.
/// @dev The five parameters of Maker's Clipper are `startFactorBps` (buf), `tailSeconds` (tail), `cuspFactorBps` (cusp), `chipBps`
/// (chip) and `tip` (tip).
/// @param initialLevel factor on the maintenance requirement that trades and withdrawals must cover, in 2^-12
/// @param bufferBps accounts are brought to the requirement and this part of it
/// @param penaltyBps of an atomic liquidation, by equity over requirement: at least 75 %, 50 %, 25 %, below
/// @param volatilityThreshold volatility index from which `volatilityPenaltyBps` is added, in 2^-16
/// @param volatilityPenaltyBps added to the penalty, and to the starting fee of auctions, in turbulent markets
/// @param rewardShareBps keeper's part of an atomic penalty; the rest is the fund's
/// @param atomicLimit largest requirement, with what equity lacks to 0, of an account that the public may liquidate at the fixed penalty
/// @param backstopBps discount at which registered backstops take over
/// @param feeBps of the worth put up, charged to the account when an auction starts
/// @param tip flat reward of who starts an auction; never more than the fee
/// @param chipBps part of the fee that is added to the tip
/// @param startFactorBps price factor with which public bidding starts
/// @param fastFactorBps price factor at the end of the fast stage
/// @param cuspFactorBps price factor at the end of the curve
/// @param fastSeconds length of the fast stage
/// @param tailSeconds length of the whole curve
/// @param insolventSeconds time in which the subsidy of an insolvent account rises from nothing to all that it lacks
/// @param commitSeconds sealed bids are committed for so long; 0 for no sealed stage
/// @param revealSeconds and revealed for so long
/// @param coolOffSeconds after an auction no second fee is charged for so long
/// @param maxProofAge age of the proven round up to which bids are taken
/// @param minBidBps smallest part of what is for sale that a bid may leave the rest behind with
struct LiquidationTerms {
    uint16 initialLevel;
    uint16 bufferBps;
    uint16[4] penaltyBps;
    uint32 volatilityThreshold;
    uint16 volatilityPenaltyBps;
    uint16 rewardShareBps;
    uint96 atomicLimit;
    uint16 backstopBps;
    uint16 feeBps;
    uint64 tip;
    uint16 chipBps;
    uint16 startFactorBps;
    uint16 fastFactorBps;
    uint16 cuspFactorBps;
    uint32 fastSeconds;
    uint32 tailSeconds;
    uint32 insolventSeconds;
    uint32 commitSeconds;
    uint32 revealSeconds;
    uint32 coolOffSeconds;
    uint32 maxProofAge;
    uint16 minBidBps;
}

/// @title What the rest of the system reads of the risk parameters
/// @notice Margin parameters and liquidation terms of an underlying change together, in numbered versions that stay readable:
/// an auction goes by the version with which it began.
interface IRiskParameters {
    /// @notice The underlying has no parameters, or no such version.
    error UnknownVersion(uint32 underlyingId, uint64 version);

    /// @notice The version in force; 0 when nothing was set.
    function versionOf(uint32 underlyingId) external view returns (uint64 version);

    /// @notice Poseidon commitment to the margin parameters of a version.
    function commitmentAt(uint32 underlyingId, uint64 version) external view returns (uint256 commitment);

    /// @notice The initial level of a version's terms, in 2^-12: all that trades and withdrawals need of them.
    function initialLevelAt(uint32 underlyingId, uint64 version) external view returns (uint16 level);

    /// @notice Liquidation terms of a version.
    function termsAt(uint32 underlyingId, uint64 version) external view returns (LiquidationTerms memory terms);
}
