// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Groth16Proof} from "../interfaces/Groth16.sol";
import {ProofContext} from "./ProofContext.sol";

/// @title Several Groth16 proofs of one key, verified by one product of pairings
/// @notice Proof i with public signals x_i states `e(A_i, B_i) = e(alpha, beta) e(L(x_i), gamma) e(C_i, delta)`, where
/// `L(x) = IC_0 + sum x_j IC_j`. The equations are raised to powers r_i and multiplied:
///
///     prod e(r_i A_i, B_i) e(-(sum r_i) alpha, beta) e(-sum r_i L(x_i), gamma) e(-sum r_i C_i, delta) = 1
///
/// That is n + 3 pairings in place of 4 n, and 15 multiplications for the public signals of all proofs together.
///
/// @dev Why the powers. Without them the errors of two false proofs could cancel. r_0 is 1, the others are 128 bits each of a hash of
/// all proofs and all signals, so that whoever makes proofs has fixed all of them before the powers are known. All points lie in
/// groups of the prime order (the precompiles check it; G1 is all of its curve), so equation i has an error e_i, an exponent
/// modulo that order, and the product holds when `e_0 + sum r_i e_i = 0`. If some e_j with j > 0 is not 0, then, the other powers given,
/// one value of r_j at most fits: a chance of 2^-128 for every try, and a try is a hash over other inputs. If e_0 alone is not 0,
/// no powers help. Hence r_0 need not be random, and a single proof is verified exactly.
///
/// The same proof with the same signals may stand in a batch twice: it is true twice. That a claim is used once is for the caller.
///
/// Points are never reduced or repaired: what is no point of its curve, or has a coordinate not below the modulus, makes a precompile
/// fail, and the answer is false. A failed precompile uses up all gas that it was given, 63/64 of what there was. A call that
/// lacks gas is answered with false too, or reverts; true comes from the pairing alone. So false does not show that a proof is bad.
library Groth16Batch {
    /// @dev Modulus of the curve's coordinates.
    uint256 private constant BASE_FIELD =
        21888242871839275222246405745257275088696311157297823662689037894645226208583;

    /// @dev Bytes of a point of G1, and of a pair of points of G1 and G2.
    uint256 private constant G1_BYTES = 64;
    uint256 private constant PAIR_BYTES = 192;

    /// @dev Where the pairs of gamma and delta lie, behind that of beta.
    uint256 private constant GAMMA_PAIR = 192;
    uint256 private constant DELTA_PAIR = 384;

    /// @dev Where points lie in a key, in bytes.
    uint256 private constant BETA = 64;
    uint256 private constant GAMMA = 192;
    uint256 private constant DELTA = 320;
    uint256 private constant INPUTS = 448;

    /// @notice Whether all proofs hold.
    /// @param key coordinates of alpha (2), beta, gamma, delta (4 each, imaginary parts first) and IC_0 to IC_14 (2 each)
    /// @param proofs at least one, otherwise the answer is false
    /// @param publicSignals as many sets as proofs; each signal below the order of the scalar field, otherwise the answer is false
    function verify(uint256[44] memory key, Groth16Proof[] calldata proofs, uint256[14][] calldata publicSignals)
        internal
        view
        returns (bool)
    {
        uint256 count = proofs.length;
        if (count == 0 || count != publicSignals.length) return false;

        bytes32 seed = seedOf(proofs, publicSignals);
        // A pair for each proof, then the pairs of beta, gamma and delta. Zeros are points at infinity: where sums begin.
        uint256[] memory buffer = new uint256[]((count + 3) * 6);
        uint256 pairs;
        assembly ("memory-safe") {
            pairs := add(buffer, 32)
        }
        uint256 keyPairs = pairs + count * PAIR_BYTES;
        if (!_addProofs(pairs, keyPairs + DELTA_PAIR, proofs, seed)) return false;
        if (!_addKey(keyPairs, key, publicSignals, seed)) return false;
        return _productIsOne(pairs, (count + 3) * PAIR_BYTES);
    }

    /// @dev Writes the pairs of all proofs, and adds up their C.
    function _addProofs(uint256 pairs, uint256 sumOfC, Groth16Proof[] calldata proofs, bytes32 seed)
        private
        view
        returns (bool)
    {
        for (uint256 index = 0; index < proofs.length; index++) {
            if (!_addProof(pairs + index * PAIR_BYTES, sumOfC, proofs[index], powerOf(seed, index))) return false;
        }
        return true;
    }

    /// @dev Writes the pairs of beta, gamma and delta. The sum of all C lies in the last of them already.
    function _addKey(uint256 keyPairs, uint256[44] memory key, uint256[14][] calldata publicSignals, bytes32 seed)
        private
        view
        returns (bool)
    {
        // Of the key's IC points: the sum of the powers, and the sums of powers times signals.
        uint256[15] memory scalars;
        for (uint256 index = 0; index < publicSignals.length; index++) {
            if (!_addSignals(scalars, publicSignals[index], powerOf(seed, index))) return false;
        }
        uint256 keyPoints;
        assembly ("memory-safe") {
            keyPoints := key
        }
        if (!_addMultiple(keyPairs, keyPoints, scalars[0])) return false;
        for (uint256 index = 0; index < 15; index++) {
            uint256 point = keyPoints + INPUTS + index * G1_BYTES;
            if (!_addMultiple(keyPairs + GAMMA_PAIR, point, scalars[index])) return false;
        }
        _finishPair(keyPairs, keyPoints + BETA);
        _finishPair(keyPairs + GAMMA_PAIR, keyPoints + GAMMA);
        _finishPair(keyPairs + DELTA_PAIR, keyPoints + DELTA);
        return true;
    }

    /// @notice Hash of all proofs and all signals. How many follows from the length of what is hashed, 704 bytes for each.
    /// @dev For tests: a power that any part of a proof or a signal does not enter can be forged with.
    function seedOf(Groth16Proof[] calldata proofs, uint256[14][] calldata publicSignals)
        internal
        pure
        returns (bytes32 seed)
    {
        assembly ("memory-safe") {
            // Elements have a fixed size and lie one behind the other; the compiler has checked that they lie within the calldata.
            let buffer := mload(0x40)
            let proofBytes := mul(proofs.length, 256)
            let signalBytes := mul(publicSignals.length, 448)
            calldatacopy(buffer, proofs.offset, proofBytes)
            calldatacopy(add(buffer, proofBytes), publicSignals.offset, signalBytes)
            seed := keccak256(buffer, add(proofBytes, signalBytes))
        }
    }

    /// @notice The power of an equation: 1 for the first, 128 bits of a hash for the others.
    function powerOf(bytes32 seed, uint256 index) internal pure returns (uint256 power) {
        if (index == 0) return 1;
        assembly ("memory-safe") {
            mstore(0x00, seed)
            mstore(0x20, index)
            power := shr(128, keccak256(0x00, 0x40))
        }
    }

    /// @dev Adds the power, and the power times each signal; false for a signal that is not below the field's order.
    function _addSignals(uint256[15] memory scalars, uint256[14] calldata signals, uint256 power)
        private
        pure
        returns (bool ok)
    {
        uint256 field = ProofContext.SCALAR_FIELD;
        assembly ("memory-safe") {
            ok := 1
            mstore(scalars, addmod(mload(scalars), power, field))
            for { let offset := 0 } lt(offset, 448) { offset := add(offset, 32) } {
                let signal := calldataload(add(signals, offset))
                // Another number with the same residue would be a second form of the same statement.
                ok := and(ok, lt(signal, field))
                let scalar := add(scalars, add(offset, 32))
                mstore(scalar, addmod(mload(scalar), mulmod(power, signal, field), field))
            }
        }
    }

    /// @dev Writes the pair of power times A, and B; adds power times C to a sum.
    function _addProof(uint256 pair, uint256 sumOfC, Groth16Proof calldata proof, uint256 power)
        private
        view
        returns (bool)
    {
        // A, B and C lie one behind the other.
        uint256[2] memory point;
        uint256 pointer;
        assembly ("memory-safe") {
            pointer := point
            calldatacopy(pointer, proof, 64)
            calldatacopy(add(pair, 64), add(proof, 64), 128)
        }
        if (!_addMultiple(pair, pointer, power)) return false;
        assembly ("memory-safe") {
            calldatacopy(pointer, add(proof, 192), 64)
        }
        return _addMultiple(sumOfC, pointer, power);
    }

    /// @dev sum += scalar point. False when a point is none, or gas is short.
    /// @param sum where the sum lies, a point of G1
    /// @param point where the point lies
    function _addMultiple(uint256 sum, uint256 point, uint256 scalar) private view returns (bool ok) {
        assembly ("memory-safe") {
            // Sum, point and scalar, one behind the other, so that the product lies where the addition takes it from.
            let work := mload(0x40)
            mcopy(work, sum, 64)
            mcopy(add(work, 64), point, 64)
            mstore(add(work, 128), scalar)
            ok := 1
            // The first power is 1, and the addition checks the point as well.
            if xor(scalar, 1) {
                ok := staticcall(gas(), 7, add(work, 64), 96, add(work, 64), 64)
                // A chain without the precompile would answer with nothing, and leave the memory as it was.
                ok := and(ok, eq(returndatasize(), 64))
            }
            if ok {
                ok := staticcall(gas(), 6, work, 128, sum, 64)
                ok := and(ok, eq(returndatasize(), 64))
            }
        }
    }

    /// @dev Negates the point of G1 of a pair, and puts in the key's point of G2.
    function _finishPair(uint256 pair, uint256 g2Point) private pure {
        assembly ("memory-safe") {
            let y := add(pair, 32)
            // Computed by a precompile, hence below the modulus; 0 stays 0.
            mstore(y, mod(sub(BASE_FIELD, mload(y)), BASE_FIELD))
            mcopy(add(pair, 64), g2Point, 128)
        }
    }

    /// @dev Whether the product of the pairings is 1. False when a point is none, or gas is short.
    function _productIsOne(uint256 pairs, uint256 length) private view returns (bool ok) {
        assembly ("memory-safe") {
            ok := staticcall(gas(), 8, pairs, length, 0x00, 32)
            ok := and(ok, and(eq(returndatasize(), 32), eq(mload(0x00), 1)))
        }
    }
}
