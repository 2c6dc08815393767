// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Groth16Proof, IBatchVerifier14, IVerifier10, IVerifier14, IVerifier16} from "./interfaces/Groth16.sol";
import {IProofGate, InsolvencyClaim, SettlementClaim, SolvencyClaim, TransferClaim} from "./interfaces/IProofGate.sol";
import {IRiskOracle} from "./interfaces/IRiskOracle.sol";
import {IRiskParameters} from "./interfaces/IRiskParameters.sol";
import {OracleWords} from "./libraries/OracleWords.sol";
import {ProofContext} from "./libraries/ProofContext.sol";
import {Units} from "./libraries/Units.sol";

/// @notice Verifiers of all circuits; the number is the circuit's capacity in legs.
struct Verifiers {
    IVerifier14 insolvency8;
    IVerifier14 insolvency16;
    IVerifier14 insolvency32;
    IVerifier16 solvency8;
    IVerifier16 solvency16;
    IVerifier14 transfer16;
    IVerifier10 settlement8;
    IVerifier10 settlement32;
    IBatchVerifier14 insolvencyBatch8;
    IBatchVerifier14 insolvencyBatch16;
    IBatchVerifier14 insolvencyBatch32;
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
    int256 internal constant LIMIT = Units.SIGNED_MONEY_LIMIT;
    uint256 internal constant AMOUNT_LIMIT = Units.MONEY_LIMIT;
    /// @notice Slopes are below this in absolute value.
    int256 internal constant SLOPE_LIMIT = 2 ** 57;
    /// @notice A scale of 1.
    uint256 internal constant SCALE_ONE = 2 ** 40;
    /// @notice A quantity of one contract.
    uint256 internal constant QUANTITY_ONE = 1e6;
    /// @notice Largest quantity that moving collateral is a leg of.
    uint256 internal constant MAX_QUANTITY = 2 ** 47 - 1;
    /// @notice A factor of 1 on the requirement.
    uint16 internal constant MINIMUM_LEVEL = 4_096;

    /// @notice Where rounds are read.
    IRiskOracle public immutable oracle;
    /// @notice Where commitments to margin parameters are read.
    IRiskParameters public immutable parameters;
    IVerifier14 public immutable insolvency8;
    IVerifier14 public immutable insolvency16;
    IVerifier14 public immutable insolvency32;
    IVerifier16 public immutable solvency8;
    IVerifier16 public immutable solvency16;
    IVerifier14 public immutable transfer16;
    IVerifier10 public immutable settlement8;
    IVerifier10 public immutable settlement32;
    IBatchVerifier14 public immutable insolvencyBatch8;
    IBatchVerifier14 public immutable insolvencyBatch16;
    IBatchVerifier14 public immutable insolvencyBatch32;

    constructor(IRiskOracle oracle_, IRiskParameters parameters_, Verifiers memory verifiers) {
        oracle = IRiskOracle(_contract(address(oracle_)));
        parameters = IRiskParameters(_contract(address(parameters_)));
        insolvency8 = IVerifier14(_contract(address(verifiers.insolvency8)));
        insolvency16 = IVerifier14(_contract(address(verifiers.insolvency16)));
        insolvency32 = IVerifier14(_contract(address(verifiers.insolvency32)));
        solvency8 = IVerifier16(_contract(address(verifiers.solvency8)));
        solvency16 = IVerifier16(_contract(address(verifiers.solvency16)));
        transfer16 = IVerifier14(_contract(address(verifiers.transfer16)));
        settlement8 = IVerifier10(_contract(address(verifiers.settlement8)));
        settlement32 = IVerifier10(_contract(address(verifiers.settlement32)));
        insolvencyBatch8 = IBatchVerifier14(_contract(address(verifiers.insolvencyBatch8)));
        insolvencyBatch16 = IBatchVerifier14(_contract(address(verifiers.insolvencyBatch16)));
        insolvencyBatch32 = IBatchVerifier14(_contract(address(verifiers.insolvencyBatch32)));
    }

    /// @inheritdoc IProofGate
    function requireInsolvency(InsolvencyClaim calldata claim, Groth16Proof calldata proof) external view {
        (IVerifier14 verifier,) = _insolvencyVerifiers(claim.capacity);
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
        (IVerifier14 verifier, IBatchVerifier14 batch) = _insolvencyVerifiers(first.capacity);
        uint256[14][] memory signals = new uint256[14][](claims.length);
        signals[0] = insolvencySignals(first);
        for (uint256 index = 1; index < claims.length; index++) {
            InsolvencyClaim calldata claim = claims[index];
            if (
                claim.underlyingId != first.underlyingId || claim.version != first.version || claim.round != first.round
                    || claim.capacity != first.capacity
            ) revert MixedBatch(index);
            // Round and parameters are those of the first; assigning a memory array would share it, hence the copy word by word.
            for (uint256 word = 3; word < 13; word++) {
                signals[index][word] = signals[0][word];
            }
            _setInsolvency(signals[index], claim);
        }
        if (batch.verifyBatch(proofs, signals)) return;
        for (uint256 index = 0; index < claims.length; index++) {
            Groth16Proof calldata proof = proofs[index];
            if (!verifier.verifyProof(proof.a, proof.b, proof.c, signals[index])) revert InvalidProofInBatch(index);
        }
    }

    /// @inheritdoc IProofGate
    function requireSolvency(SolvencyClaim calldata claim, Groth16Proof calldata proof) external view {
        IVerifier16 verifier;
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
    function insolvencySignals(InsolvencyClaim calldata claim) public view returns (uint256[14] memory signals) {
        uint256[10] memory market = _market(claim.underlyingId, claim.version, claim.round);
        for (uint256 index = 0; index < 10; index++) {
            signals[3 + index] = market[index];
        }
        _setInsolvency(signals, claim);
    }

    /// @inheritdoc IProofGate
    function solvencySignals(SolvencyClaim calldata claim) public view returns (uint256[16] memory signals) {
        if (claim.cash <= -LIMIT || claim.cash >= LIMIT) revert CashClaimOutOfRange(claim.cash);
        if (claim.level < MINIMUM_LEVEL) revert LevelOutOfRange(claim.level);
        if (claim.movingCollateral >= AMOUNT_LIMIT) revert MovingCollateralOutOfRange(claim.movingCollateral);
        if (claim.scale == 0) revert ScaleZero();
        uint256[10] memory market = _market(claim.underlyingId, claim.version, claim.round);
        for (uint256 index = 0; index < 10; index++) {
            signals[5 + index] = market[index];
        }
        signals[0] = claim.commitment;
        signals[1] = claim.scale;
        signals[2] = ProofContext.fromSigned(claim.cash);
        signals[3] = _collateralQuantity(claim.movingCollateral, claim.scale, OracleWords.spot(market[0]));
        signals[4] = claim.level;
        signals[15] = claim.context;
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

    /// @dev The nine words of the round and the commitment to the parameters: they follow each other in both margin circuits.
    function _market(uint32 underlyingId, uint64 version, uint64 round)
        private
        view
        returns (uint256[10] memory market)
    {
        (uint256 underlyingWord, uint256[8] memory expiryWords) = oracle.freshRoundWords(underlyingId, round);
        market[0] = underlyingWord;
        for (uint256 index = 0; index < 8; index++) {
            market[1 + index] = expiryWords[index];
        }
        market[9] = parameters.commitmentAt(underlyingId, version);
    }

    function _setInsolvency(uint256[14] memory signals, InsolvencyClaim calldata claim) private pure {
        signals[0] = _figures(claim.mark, claim.baseRequirement, claim.collateralSlope);
        signals[1] = claim.commitment;
        signals[2] = claim.scale;
        signals[13] = claim.context;
    }

    /// @dev Three numbers in one signal, of 252 bits, because each signal costs a multiplication. Each is shifted to be at least 0 and has places of its
    /// own, so that the word of one triple is that of no other.
    function _figures(int256 mark, int256 baseRequirement, int256 collateralSlope) private pure returns (uint256) {
        if (mark < -LIMIT || mark >= LIMIT) revert MarkOutOfRange(mark);
        if (baseRequirement < -LIMIT || baseRequirement >= LIMIT) revert RequirementOutOfRange(baseRequirement);
        if (collateralSlope < -SLOPE_LIMIT || collateralSlope >= SLOPE_LIMIT) revert SlopeOutOfRange(collateralSlope);
        // Sums within [0, 2 limits).
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint256(mark + LIMIT) | (uint256(baseRequirement + LIMIT) << 97)
            // forge-lint: disable-next-line(unsafe-typecast)
            | (uint256(collateralSlope + SLOPE_LIMIT) << 194);
    }

    /// @dev The moving collateral as contracts of the underlying for each unit of scale, rounded down, as quantities of legs are: in 1e-6. More than
    /// the largest quantity is refused: nothing may be left out, since collateral may add to the requirement.
    function _collateralQuantity(uint256 movingCollateral, uint256 scale, uint256 spot)
        private
        pure
        returns (uint256 quantity)
    {
        // Below 2^96 * 2^60. An accepted round's spot is at least 1.
        quantity = movingCollateral * (SCALE_ONE * QUANTITY_ONE) / (scale * spot);
        if (quantity > MAX_QUANTITY) revert MovingCollateralOutOfRange(movingCollateral);
    }

    function _insolvencyVerifiers(uint8 capacity) private view returns (IVerifier14, IBatchVerifier14) {
        if (capacity == 8) return (insolvency8, insolvencyBatch8);
        if (capacity == 16) return (insolvency16, insolvencyBatch16);
        if (capacity == 32) return (insolvency32, insolvencyBatch32);
        revert UnknownCapacity(Circuit.Insolvency, capacity);
    }

    function _contract(address account) private view returns (address) {
        if (account.code.length == 0) revert NoContract(account);
        return account;
    }
}
