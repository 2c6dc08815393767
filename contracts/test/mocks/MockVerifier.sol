// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {IInsolvencyVerifier} from "../../src/interfaces/IInsolvencyVerifier.sol";

/// @title A verifier that accepts one set of signals, or all
/// @dev Stands in for a real one, whose proofs cannot be made in these tests.
contract MockVerifier is IInsolvencyVerifier {
    bool public acceptsAll;
    bytes32 public acceptedHash;

    function acceptAll(bool accepts) external {
        acceptsAll = accepts;
    }

    function acceptOnly(uint256[15] calldata signals) external {
        acceptsAll = false;
        acceptedHash = keccak256(abi.encode(signals));
    }

    function verifyProof(
        uint256[2] calldata,
        uint256[2][2] calldata,
        uint256[2] calldata,
        uint256[15] calldata publicSignals
    ) external view returns (bool) {
        return acceptsAll || keccak256(abi.encode(publicSignals)) == acceptedHash;
    }
}
