// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

/// @notice What an insolvency proof for an auction says. Money is in 1e-6 USD.
/// @param nonce of the account, or that with which its running auction began, as the proof binds it; another one is refused before the proof
/// is looked at
/// @param round number of the oracle round; must be the newest
/// @param mark of the positions at the scale with which the auction began, signed
/// @param baseRequirement maintenance without moving collateral, at the same scale, signed
/// @param collateralSlope what a unit of moving collateral adds to the requirement, in 2^-54, signed
/// @param capacity legs of the circuit
struct AuctionClaim {
    uint256 accountId;
    uint64 nonce;
    uint64 round;
    int256 mark;
    int256 baseRequirement;
    int256 collateralSlope;
    uint8 capacity;
}

/// @notice A bid for a part of an account that is worth something.
/// @param vesselId account of the bidder that takes and pays: without positions, or with the same commitment
/// @param auctionNumber auction that the bid is for
/// @param round of the recorded proof that the bid is for
/// @param maxScale most that is wanted, in 2^-40
/// @param minScale least that is wanted, in 2^-40
/// @param maxPayment most that is paid, in 1e-6 USD
/// @param deadline last second at which the bid may be executed
/// @param asBackstop whether to buy at the backstops' discount, at any time; registered backstops only
struct BidOrder {
    uint256 accountId;
    uint256 vesselId;
    uint64 auctionNumber;
    uint64 round;
    uint256 maxScale;
    uint256 minScale;
    uint256 maxPayment;
    uint256 deadline;
    bool asBackstop;
}

/// @notice A takeover of a part of an account that is worth nothing. The fields are those of a bid, but for the price.
/// @param minSubsidy least that is received, in 1e-6 USD
/// @param asBackstop whether to take over before public bidding; registered backstops only
struct TakeOverOrder {
    uint256 accountId;
    uint256 vesselId;
    uint64 auctionNumber;
    uint64 round;
    uint256 maxScale;
    uint256 minScale;
    uint256 minSubsidy;
    uint256 deadline;
    bool asBackstop;
}

/// @notice Proof that an auctioned account covers its maintenance requirement again.
/// @param nonce of the account, as the proof binds it; another one is refused before the proof is looked at
/// @param round number of the oracle round; must be the newest
/// @param version of the margin parameters: that of the auction, or the one in force
/// @param provenCash cash with which the account is solvent, collateral of other underlyings included, in 1e-6 USD, signed
/// @param capacity legs of the circuit
struct CancelRequest {
    uint256 accountId;
    uint64 nonce;
    uint64 round;
    uint64 version;
    int256 provenCash;
    uint8 capacity;
}
