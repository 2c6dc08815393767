// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Groth16Proof} from "./Groth16.sol";

/// @notice A withdrawal of cash.
/// @param amount by which the account's cash falls, in 1e-6 units
/// @param toAccountId 0 to be paid in tokens; otherwise the account that receives the cash
/// @param minPaid smallest payment in tokens that the owner accepts: less than the amount is paid while a deficit is open
/// @param provenCash cash of the solvency proof: at most the account's cash and fresh collateral of other underlyings afterwards;
/// collateral that moves with the positions is a leg of the proof; ignored without positions
/// @param round of the proof
/// @param capacity of the proof's circuit
struct WithdrawalRequest {
    uint256 accountId;
    uint256 amount;
    uint256 toAccountId;
    uint256 minPaid;
    int256 provenCash;
    uint64 round;
    uint8 capacity;
}

/// @notice A withdrawal of collateral to the account's owner; fields as in `WithdrawalRequest`.
/// @param amount in the token's smallest unit
struct CollateralWithdrawal {
    uint256 accountId;
    uint256 collateralId;
    uint256 amount;
    int256 provenCash;
    uint64 round;
    uint8 capacity;
}

/// @notice How the new positions of an account can be known.
/// @param custodian zero: `legs` and `salt` open the new commitment, and are published. Otherwise a registered custodian, who says
/// with its signature that it holds the opening; `legs` is empty and `salt` 0
/// @param custodianSignature of a `CustodyReceipt`
struct Opening {
    uint256[] legs;
    uint256 salt;
    address custodian;
    bytes custodianSignature;
}

/// @notice An owner's consent to its side of a trade.
/// @param maxFee most that the account may be charged, in 1e-6 units
/// @param deadline last second at which the consent holds
/// @param signature of a `TradeConsent`; ignored when the owner sends the transaction
struct Consent {
    uint256 maxFee;
    uint256 deadline;
    bytes signature;
}

/// @notice One side of a trade.
/// @param newCommitment to the positions after the trade; with a new scale of 0 only the transfer proof sees it
/// @param newScale in 2^-40; 0 closes the account's positions
/// @param emptyCommitment old commitment of the transfer proof when the account has no positions: to any legs, which a scale of 0 makes nothing
/// @param provenCash cash of the solvency proof: at most the account's cash and fresh collateral of other underlyings after the trade
/// @param capacity of the solvency proof's circuit
struct TradeSide {
    uint256 accountId;
    uint256 newCommitment;
    uint64 newScale;
    uint256 emptyCommitment;
    int256 provenCash;
    uint8 capacity;
    Opening opening;
    Consent consent;
}

/// @notice A trade between two accounts of one underlying.
/// @param cashToA what B pays to A, in 1e-6 units, signed
/// @param round of the solvency proofs
struct TradeRequest {
    TradeSide a;
    TradeSide b;
    int256 cashToA;
    uint64 round;
}

/// @notice Proofs of a trade. A solvency proof is ignored when that side's new scale is 0.
struct TradeProofs {
    Groth16Proof transfer;
    Groth16Proof solvencyA;
    Groth16Proof solvencyB;
}

/// @notice A settlement of expired legs.
/// @param expiryHours 1 to 4 hours since 1970-01-01 UTC, increasing
/// @param cash what the legs pay together, in 1e-6 units, signed
/// @param newCommitment to the legs that remain, with the same salt
/// @param capacity of the proof's circuit
struct SettlementRequest {
    uint256 accountId;
    uint32[] expiryHours;
    int256 cash;
    uint256 newCommitment;
    uint8 capacity;
}
