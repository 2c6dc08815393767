// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

/// @notice A Groth16 proof: affine points, coordinates of G2 with the imaginary part first.
struct Groth16Proof {
    uint256[2] a;
    uint256[2][2] b;
    uint256[2] c;
}

/// @title A verifier of a circuit with 10 public signals: `settlement`
interface IVerifier10 {
    /// @return whether the proof holds; an implementation refuses signals that are not below the field's order
    function verifyProof(
        uint256[2] calldata a,
        uint256[2][2] calldata b,
        uint256[2] calldata c,
        uint256[10] calldata publicSignals
    ) external view returns (bool);
}

/// @title A verifier of a circuit with 14 public signals: `transfer`, `insolvency`
interface IVerifier14 {
    /// @return whether the proof holds; an implementation refuses signals that are not below the field's order
    function verifyProof(
        uint256[2] calldata a,
        uint256[2][2] calldata b,
        uint256[2] calldata c,
        uint256[14] calldata publicSignals
    ) external view returns (bool);
}

/// @title A verifier of a circuit with 16 public signals: `solvency`
interface IVerifier16 {
    /// @return whether the proof holds; an implementation refuses signals that are not below the field's order
    function verifyProof(
        uint256[2] calldata a,
        uint256[2][2] calldata b,
        uint256[2] calldata c,
        uint256[16] calldata publicSignals
    ) external view returns (bool);
}

/// @title A verifier of several proofs of one circuit with 14 public signals at once
interface IBatchVerifier14 {
    /// @param proofs at least one
    /// @param publicSignals one set for each proof
    /// @return whether all proofs hold; which one does not is for single verification to find
    function verifyBatch(Groth16Proof[] calldata proofs, uint256[14][] calldata publicSignals)
        external
        view
        returns (bool);
}
