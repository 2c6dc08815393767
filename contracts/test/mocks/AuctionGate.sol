// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Groth16Proof} from "../../src/interfaces/Groth16.sol";
import {
    InsolvencyClaim,
    IProofGate,
    SettlementClaim,
    SolvencyClaim,
    TransferClaim
} from "../../src/interfaces/IProofGate.sol";
import {IRiskOracle} from "../../src/interfaces/IRiskOracle.sol";

/// @title A gate whose proofs are hashes of what they claim
/// @notice A proof fits one claim, with all its fields, like a real one; whether the claim is true is for the test to decide.
contract AuctionGate is IProofGate {
    int256 private constant LIMIT = 2 ** 96;
    int256 private constant SLOPE_LIMIT = 2 ** 57;

    IRiskOracle public immutable oracle;

    constructor(IRiskOracle oracle_) {
        oracle = oracle_;
    }

    function prove(InsolvencyClaim memory claim) external pure returns (Groth16Proof memory proof) {
        proof.a[0] = uint256(keccak256(abi.encode(claim)));
    }

    function prove(SolvencyClaim memory claim) external pure returns (Groth16Proof memory proof) {
        proof.a[0] = uint256(keccak256(abi.encode(claim)));
    }

    function requireInsolvency(InsolvencyClaim calldata claim, Groth16Proof calldata proof) public view {
        oracle.freshRoundWords(claim.underlyingId, claim.round);
        if (claim.mark < -LIMIT || claim.mark >= LIMIT) revert MarkOutOfRange(claim.mark);
        if (claim.baseRequirement < -LIMIT || claim.baseRequirement >= LIMIT) {
            revert RequirementOutOfRange(claim.baseRequirement);
        }
        if (claim.collateralSlope < -SLOPE_LIMIT || claim.collateralSlope >= SLOPE_LIMIT) {
            revert SlopeOutOfRange(claim.collateralSlope);
        }
        if (proof.a[0] != uint256(keccak256(abi.encode(claim)))) {
            revert InvalidProof(Circuit.Insolvency, claim.capacity);
        }
    }

    function requireInsolvencyBatch(InsolvencyClaim[] calldata claims, Groth16Proof[] calldata proofs) external view {
        if (claims.length == 0 || claims.length != proofs.length) {
            revert BatchLengthMismatch(claims.length, proofs.length);
        }
        for (uint256 index = 0; index < claims.length; index++) {
            if (
                claims[index].underlyingId != claims[0].underlyingId || claims[index].version != claims[0].version
                    || claims[index].round != claims[0].round || claims[index].capacity != claims[0].capacity
            ) revert MixedBatch(index);
            requireInsolvency(claims[index], proofs[index]);
        }
    }

    function requireSolvency(SolvencyClaim calldata claim, Groth16Proof calldata proof) external view {
        oracle.freshRoundWords(claim.underlyingId, claim.round);
        if (claim.cash <= -LIMIT || claim.cash >= LIMIT) revert CashClaimOutOfRange(claim.cash);
        if (proof.a[0] != uint256(keccak256(abi.encode(claim)))) {
            revert InvalidProof(Circuit.Solvency, claim.capacity);
        }
    }

    function requireTransfer(TransferClaim calldata claim, Groth16Proof calldata) external pure {
        revert InvalidProof(Circuit.Transfer, claim.capacity);
    }

    function requireSettlement(SettlementClaim calldata claim, Groth16Proof calldata) external pure {
        revert InvalidProof(Circuit.Settlement, claim.capacity);
    }

    function insolvencySignals(InsolvencyClaim calldata) external pure returns (uint256[14] memory signals) {}

    function solvencySignals(SolvencyClaim calldata) external pure returns (uint256[16] memory signals) {}
}
