// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

/// @title A Groth16 verifier of the `insolvency` circuit
/// @notice Section 5 of docs/margin-model.md gives the order of the public signals.
interface IInsolvencyVerifier {
    /// @param a proof point A in G1, affine
    /// @param b proof point B in G2, affine, imaginary part first
    /// @param c proof point C in G1, affine
    /// @param publicSignals 15 field elements; an implementation refuses those that are not below the field's order
    /// @return whether the proof holds for these signals
    function verifyProof(
        uint256[2] calldata a,
        uint256[2][2] calldata b,
        uint256[2] calldata c,
        uint256[15] calldata publicSignals
    ) external view returns (bool);
}
