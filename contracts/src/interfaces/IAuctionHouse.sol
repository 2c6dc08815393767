// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

/// @title What the sealed-bid stage needs of the auction house
interface IAuctionHouse {
    /// @notice Times of an account's running auction, in seconds; all 0 when none runs.
    /// @param auctionNumber grows with each auction of any account
    /// @param commitEnd end of the commitments of sealed bids; equal to the start when there is no sealed stage
    /// @param revealEnd end of reveals
    /// @param publicStart from when on anyone may bid
    /// @param startFactorBps least price factor of a sealed bid, in basis points
    struct Stages {
        uint64 auctionNumber;
        uint40 start;
        uint40 commitEnd;
        uint40 revealEnd;
        uint40 publicStart;
        uint16 startFactorBps;
    }

    function stagesOf(uint256 accountId) external view returns (Stages memory stages);

    /// @notice Reverts unless sealed bids can be executed now: between reveals and public bidding, at a young proof, for an account that is worth something
    /// whose positions nothing else has changed. What fails after that is the bidder's doing.
    function requireFillable(uint256 accountId) external view;

    /// @notice Executes a revealed bid at its own price factor. The sealed-bid stage alone may call, between the end of reveals and
    /// the start of public bidding.
    /// @param bidder owns the vessel
    /// @param factorBps price factor of the bid, at least the curve's start
    /// @return scaleTaken 0 when nothing is left for sale
    function fillSealed(uint256 accountId, address bidder, uint256 vesselId, uint256 factorBps, uint256 maxScale)
        external
        returns (uint256 scaleTaken);
}

/// @title What the auction house needs of the sealed-bid stage
interface ISealedBidStage {
    /// @notice Whether there is anyone who may bid; without registered liquidators auctions have no sealed stage.
    function hasLiquidators() external view returns (bool);
}
