// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Groth16Proof} from "./Groth16.sol";

/// @notice What an insolvency proof says: at the newest round the positions are worth `mark`, and one scenario requires
/// `baseRequirement + moving * collateralSlope / 2^54` of an account whose moving collateral has the value `moving`, whatever that is.
/// @param commitment to the legs
/// @param scale in 2^-40
/// @param underlyingId of the account
/// @param version of the risk parameters
/// @param round number of the oracle round; must be the newest, and fresh
/// @param mark in 1e-6 USD, signed
/// @param baseRequirement maintenance without moving collateral, in 1e-6 USD, signed
/// @param collateralSlope what a unit of moving collateral adds to it, in 2^-54, signed
/// @param context field element that the proof binds
/// @param capacity legs of the circuit: 8, 16 or 32
struct InsolvencyClaim {
    uint256 commitment;
    uint64 scale;
    uint32 underlyingId;
    uint64 version;
    uint64 round;
    int256 mark;
    int256 baseRequirement;
    int256 collateralSlope;
    uint256 context;
    uint8 capacity;
}

/// @notice What a solvency proof says: cash, positions and moving collateral cover `level` times their maintenance requirement in all
/// scenarios.
/// @param cash with which the account is solvent, other collateral included, in 1e-6 USD, signed
/// @param movingCollateral value of the collateral that is priced by the account's underlying, in 1e-6 USD, at the round's price; the proof has
/// it as a leg, neither more nor less of it
/// @param level factor on the requirement, in 2^-12
/// @param capacity legs of the circuit: 8 or 16
struct SolvencyClaim {
    uint256 commitment;
    uint64 scale;
    uint32 underlyingId;
    uint64 version;
    uint64 round;
    int256 cash;
    uint256 movingCollateral;
    uint16 level;
    uint256 context;
    uint8 capacity;
}

/// @notice What a transfer proof says: nothing was created, and the published legs are those of the new commitments.
/// @param evaluationA value at `pointA` of the polynomial whose coefficients are A's new salt and legs; `Openings`
/// @param capacity legs of the circuit: 16
struct TransferClaim {
    uint256 evaluationA;
    uint256 evaluationB;
    uint256 oldA;
    uint256 oldB;
    uint256 newA;
    uint256 newB;
    uint64 scaleOldA;
    uint64 scaleOldB;
    uint64 scaleNewA;
    uint64 scaleNewB;
    uint32 underlyingId;
    uint256 context;
    uint256 pointA;
    uint256 pointB;
    uint8 capacity;
}

/// @notice What a settlement proof says: all legs of these hours pay `cash` together, and the others remain.
/// @param capacity legs of the circuit: 8 or 32
struct SettlementClaim {
    int256 cash;
    uint256 newCommitment;
    uint256 oldCommitment;
    uint64 scale;
    uint256[4] settlementWords;
    uint32 underlyingId;
    uint256 context;
    uint8 capacity;
}

/// @title Judge of all proofs
/// @notice Builds the public signals from a claim, the oracle's newest round and the parameters, and asks the verifier. Each function
/// returns if the claim is proven and reverts otherwise.
interface IProofGate {
    /// @notice Which circuit a proof is for.
    enum Circuit {
        Insolvency,
        Solvency,
        Transfer,
        Settlement
    }

    /// @notice The proof does not hold for what the chain and the caller say.
    error InvalidProof(Circuit circuit, uint8 capacity);
    /// @notice A proof of a batch does not hold.
    error InvalidProofInBatch(uint256 index);
    /// @notice There is no circuit of this size.
    error UnknownCapacity(Circuit circuit, uint8 capacity);
    /// @notice Proofs and claims differ in number, or there are none.
    error BatchLengthMismatch(uint256 claims, uint256 proofs);
    /// @notice Claims of a batch differ in underlying, version, round or capacity.
    error MixedBatch(uint256 index);
    /// @notice The mark is not within [-2^96, 2^96).
    error MarkOutOfRange(int256 mark);
    /// @notice The requirement is not within [-2^96, 2^96).
    error RequirementOutOfRange(int256 baseRequirement);
    /// @notice The slope is not within [-2^57, 2^57).
    error SlopeOutOfRange(int256 collateralSlope);
    /// @notice Moving collateral is not below 2^96, or is a leg of more than 2^47 - 1 at the account's scale.
    error MovingCollateralOutOfRange(uint256 movingCollateral);
    /// @notice A solvency claim has a scale of 0: there is nothing to prove, and nothing to express collateral in.
    error ScaleZero();
    /// @notice The cash is not within (-2^96, 2^96).
    error CashClaimOutOfRange(int256 cash);
    /// @notice The level is outside [4096, 65535].
    error LevelOutOfRange(uint16 level);

    function requireInsolvency(InsolvencyClaim calldata claim, Groth16Proof calldata proof) external view;

    /// @notice Checks several proofs with one multi-pairing. All claims are of one underlying, version, round and capacity.
    function requireInsolvencyBatch(InsolvencyClaim[] calldata claims, Groth16Proof[] calldata proofs) external view;

    function requireSolvency(SolvencyClaim calldata claim, Groth16Proof calldata proof) external view;

    function requireTransfer(TransferClaim calldata claim, Groth16Proof calldata proof) external view;

    function requireSettlement(SettlementClaim calldata claim, Groth16Proof calldata proof) external view;

    /// @notice The public signals of an insolvency claim, for provers and tests; nothing is proven here.
    function insolvencySignals(InsolvencyClaim calldata claim) external view returns (uint256[14] memory);

    /// @notice The public signals of a solvency claim, for provers and tests; nothing is proven here.
    function solvencySignals(SolvencyClaim calldata claim) external view returns (uint256[16] memory);
}
