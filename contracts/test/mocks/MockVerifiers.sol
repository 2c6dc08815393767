// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Groth16Proof} from "../../src/interfaces/Groth16.sol";

/// @title What all stand-ins for verifiers share: they accept registered signals alone, or all
/// @dev Real proofs cannot be made in these tests. A proof whose first number is 666 never holds.
abstract contract MockVerifier {
    bool public acceptsAll = true;
    mapping(bytes32 signalsHash => bool) private _accepted;

    function acceptAll(bool accepts) external {
        acceptsAll = accepts;
    }

    /// @param signals encoded by `abi.encode` of the fixed array
    function acceptSignals(bytes calldata signals) external {
        acceptsAll = false;
        _accepted[keccak256(signals)] = true;
    }

    function _holds(uint256 tag, bytes memory signals) internal view returns (bool) {
        return tag != 666 && (acceptsAll || _accepted[keccak256(signals)]);
    }
}

contract MockVerifier10 is MockVerifier {
    function verifyProof(
        uint256[2] calldata a,
        uint256[2][2] calldata,
        uint256[2] calldata,
        uint256[10] calldata publicSignals
    ) external view returns (bool) {
        return _holds(a[0], abi.encode(publicSignals));
    }
}

contract MockVerifier14 is MockVerifier {
    function verifyProof(
        uint256[2] calldata a,
        uint256[2][2] calldata,
        uint256[2] calldata,
        uint256[14] calldata publicSignals
    ) external view returns (bool) {
        return _holds(a[0], abi.encode(publicSignals));
    }
}

contract MockVerifier16 is MockVerifier {
    function verifyProof(
        uint256[2] calldata a,
        uint256[2][2] calldata,
        uint256[2] calldata,
        uint256[16] calldata publicSignals
    ) external view returns (bool) {
        return _holds(a[0], abi.encode(publicSignals));
    }
}

contract MockBatchVerifier14 is MockVerifier {
    function verifyBatch(Groth16Proof[] calldata proofs, uint256[14][] calldata publicSignals)
        external
        view
        returns (bool)
    {
        for (uint256 index = 0; index < proofs.length; index++) {
            if (!_holds(proofs[index].a[0], abi.encode(publicSignals[index]))) return false;
        }
        return true;
    }
}
