// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Groth16Proof, IBatchVerifier15, IVerifier10, IVerifier14, IVerifier15} from "./interfaces/Groth16.sol";
import {IProofGate, InsolvencyClaim, SettlementClaim, SolvencyClaim, TransferClaim} from "./interfaces/IProofGate.sol";
import {IRiskOracle} from "./interfaces/IRiskOracle.sol";
import {IRiskParameters} from "./interfaces/IRiskParameters.sol";
import {ProofContext} from "./libraries/ProofContext.sol";

/// @notice Verifiers of all circuits; the number is the circuit's capacity in legs.
struct Verifiers {
    IVerifier15 insolvency8;
    IVerifier15 insolvency32;
    IVerifier15 solvency8;
    IVerifier15 solvency16;
    IVerifier14 transfer16;
    IVerifier10 settlement8;
    IVerifier10 settlement32;
    IBatchVerifier15 insolvencyBatch8;
    IBatchVerifier15 insolvencyBatch32;
}

/// @title Judge of all proofs
/// @notice No owner, no state: what is proven depends on the verifiers given at deployment, on the oracle and on the parameters alone.
/// Rounds and parameters are read here; accounts and contexts are the caller's, and a caller that took them from elsewhere than its own
/// state would prove nothing.
/// @dev Each check either passes or reverts. A verifier that runs out of gas says false or reverts, which is a refusal too.
contract ProofGate is IProofGate {
    /// @notice There is no contract at an address.
    error NoContract(address account);

    /// @notice Numbers of proofs are below this in absolute value.
    int256 internal constant LIMIT = 2 ** 96;
    /// @notice A factor of 1 on the requirement.
    uint16 internal constant MINIMUM_LEVEL = 4_096;

    /// @notice Where rounds are read.
    IRiskOracle public immutable oracle;
    /// @notice Where commitments to margin parameters are read.
    IRiskParameters public immutable parameters;
    IVerifier15 public immutable insolvency8;
    IVerifier15 public immutable insolvency32;
    IVerifier15 public immutable solvency8;
    IVerifier15 public immutable solvency16;
    IVerifier14 public immutable transfer16;
    IVerifier10 public immutable settlement8;
    IVerifier10 public immutable settlement32;
    IBatchVerifier15 public immutable insolvencyBatch8;
    IBatchVerifier15 public immutable insolvencyBatch32;

    constructor(IRiskOracle oracle_, IRiskParameters parameters_, Verifiers memory verifiers) {
        oracle = IRiskOracle(_contract(address(oracle_)));
        parameters = IRiskParameters(_contract(address(parameters_)));
        insolvency8 = IVerifier15(_contract(address(verifiers.insolvency8)));
        insolvency32 = IVerifier15(_contract(address(verifiers.insolvency32)));
        solvency8 = IVerifier15(_contract(address(verifiers.solvency8)));
        solvency16 = IVerifier15(_contract(address(verifiers.solvency16)));
        transfer16 = IVerifier14(_contract(address(verifiers.transfer16)));
        settlement8 = IVerifier10(_contract(address(verifiers.settlement8)));
        settlement32 = IVerifier10(_contract(address(verifiers.settlement32)));
        insolvencyBatch8 = IBatchVerifier15(_contract(address(verifiers.insolvencyBatch8)));
        insolvencyBatch32 = IBatchVerifier15(_contract(address(verifiers.insolvencyBatch32)));
    }

    /// @inheritdoc IProofGate
    function requireInsolvency(InsolvencyClaim calldata claim, Groth16Proof calldata proof) external view {
        IVerifier15 verifier = _insolvencyVerifier(claim.capacity);
        if (!verifier.verifyProof(proof.a, proof.b, proof.c, insolvencySignals(claim))) {
            revert InvalidProof(Circuit.Insolvency, claim.capacity);
        }
    }

    /// @inheritdoc IProofGate
    /// @dev When the batch does not hold, each proof is checked alone, so that the first bad one is named. Should all of them hold after
    /// all, they are accepted: each has then been verified.
    function requireInsolvencyBatch(InsolvencyClaim[] calldata claims, Groth16Proof[] calldata proofs) external view {
        if (claims.length == 0 || claims.length != proofs.length) {
            revert BatchLengthMismatch(claims.length, proofs.length);
        }
        InsolvencyClaim calldata first = claims[0];
        IVerifier15 verifier = _insolvencyVerifier(first.capacity);
        uint256[15][] memory signals = new uint256[15][](claims.length);
        signals[0] = insolvencySignals(first);
        for (uint256 index = 1; index < claims.length; index++) {
            InsolvencyClaim calldata claim = claims[index];
            if (
                claim.underlyingId != first.underlyingId || claim.version != first.version || claim.round != first.round
                    || claim.capacity != first.capacity
            ) revert MixedBatch(index);
            // Round and parameters are those of the first; assigning a memory array would share it, hence the copy word by word.
            for (uint256 word = 4; word < 14; word++) {
                signals[index][word] = signals[0][word];
            }
            _setInsolvency(signals[index], claim);
        }
        IBatchVerifier15 batch = first.capacity == 8 ? insolvencyBatch8 : insolvencyBatch32;
        if (batch.verifyBatch(proofs, signals)) return;
        for (uint256 index = 0; index < claims.length; index++) {
            Groth16Proof calldata proof = proofs[index];
            if (!verifier.verifyProof(proof.a, proof.b, proof.c, signals[index])) revert InvalidProofInBatch(index);
        }
    }

    /// @inheritdoc IProofGate
    function requireSolvency(SolvencyClaim calldata claim, Groth16Proof calldata proof) external view {
        IVerifier15 verifier;
        if (claim.capacity == 8) verifier = solvency8;
        else if (claim.capacity == 16) verifier = solvency16;
        else revert UnknownCapacity(Circuit.Solvency, claim.capacity);
        if (!verifier.verifyProof(proof.a, proof.b, proof.c, solvencySignals(claim))) {
            revert InvalidProof(Circuit.Solvency, claim.capacity);
        }
    }

    /// @inheritdoc IProofGate
    function requireTransfer(TransferClaim calldata claim, Groth16Proof calldata proof) external view {
        if (claim.capacity != 16) revert UnknownCapacity(Circuit.Transfer, claim.capacity);
        if (!transfer16.verifyProof(proof.a, proof.b, proof.c, transferSignals(claim))) {
            revert InvalidProof(Circuit.Transfer, claim.capacity);
        }
    }

    /// @inheritdoc IProofGate
    function requireSettlement(SettlementClaim calldata claim, Groth16Proof calldata proof) external view {
        IVerifier10 verifier;
        if (claim.capacity == 8) verifier = settlement8;
        else if (claim.capacity == 32) verifier = settlement32;
        else revert UnknownCapacity(Circuit.Settlement, claim.capacity);
        if (!verifier.verifyProof(proof.a, proof.b, proof.c, settlementSignals(claim))) {
            revert InvalidProof(Circuit.Settlement, claim.capacity);
        }
    }

    /// @inheritdoc IProofGate
    function insolvencySignals(InsolvencyClaim calldata claim) public view returns (uint256[15] memory signals) {
        _setMarket(signals, claim.underlyingId, claim.version, claim.round);
        _setInsolvency(signals, claim);
    }

    /// @inheritdoc IProofGate
    function solvencySignals(SolvencyClaim calldata claim) public view returns (uint256[15] memory signals) {
        if (claim.cash <= -LIMIT || claim.cash >= LIMIT) revert CashClaimOutOfRange(claim.cash);
        if (claim.level < MINIMUM_LEVEL) revert LevelOutOfRange(claim.level);
        _setMarket(signals, claim.underlyingId, claim.version, claim.round);
        signals[0] = claim.commitment;
        signals[1] = claim.scale;
        signals[2] = ProofContext.fromSigned(claim.cash);
        signals[3] = claim.level;
        signals[14] = claim.context;
    }

    /// @notice The public signals of a transfer claim, for provers and tests; nothing is proven here.
    function transferSignals(TransferClaim calldata claim) public pure returns (uint256[14] memory) {
        return [
            claim.evaluationA,
            claim.evaluationB,
            claim.oldA,
            claim.oldB,
            claim.newA,
            claim.newB,
            claim.scaleOldA,
            claim.scaleOldB,
            claim.scaleNewA,
            claim.scaleNewB,
            claim.underlyingId,
            claim.context,
            claim.pointA,
            claim.pointB
        ];
    }

    /// @notice The public signals of a settlement claim, for provers and tests; nothing is proven here.
    function settlementSignals(SettlementClaim calldata claim) public pure returns (uint256[10] memory) {
        if (claim.cash <= -LIMIT || claim.cash >= LIMIT) revert CashClaimOutOfRange(claim.cash);
        return [
            ProofContext.fromSigned(claim.cash),
            claim.newCommitment,
            claim.oldCommitment,
            claim.scale,
            claim.settlementWords[0],
            claim.settlementWords[1],
            claim.settlementWords[2],
            claim.settlementWords[3],
            claim.underlyingId,
            claim.context
        ];
    }

    /// @dev Words of the round and commitment to the parameters have the same places in both margin circuits.
    function _setMarket(uint256[15] memory signals, uint32 underlyingId, uint64 version, uint64 round) private view {
        (uint256 underlyingWord, uint256[8] memory expiryWords) = oracle.freshRoundWords(underlyingId, round);
        signals[4] = underlyingWord;
        for (uint256 index = 0; index < 8; index++) {
            signals[5 + index] = expiryWords[index];
        }
        signals[13] = parameters.commitmentAt(underlyingId, version);
    }

    function _setInsolvency(uint256[15] memory signals, InsolvencyClaim calldata claim) private pure {
        if (claim.mark <= -LIMIT || claim.mark >= LIMIT) revert MarkOutOfRange(claim.mark);
        // The limit is positive.
        // forge-lint: disable-next-line(unsafe-typecast)
        if (claim.requirement >= uint256(LIMIT)) revert RequirementOutOfRange(claim.requirement);
        signals[0] = ProofContext.fromSigned(claim.mark);
        signals[1] = claim.requirement;
        signals[2] = claim.commitment;
        signals[3] = claim.scale;
        signals[14] = claim.context;
    }

    function _insolvencyVerifier(uint8 capacity) private view returns (IVerifier15) {
        if (capacity == 8) return insolvency8;
        if (capacity == 32) return insolvency32;
        revert UnknownCapacity(Circuit.Insolvency, capacity);
    }

    function _contract(address account) private view returns (address) {
        if (account.code.length == 0) revert NoContract(account);
        return account;
    }
}
