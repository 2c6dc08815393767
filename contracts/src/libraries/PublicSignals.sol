// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

/// @title Public signals of the `insolvency` circuit
/// @notice Section 5 of docs/margin-model.md.
library PublicSignals {
    /// @notice Order of BN254's scalar field.
    uint256 internal constant SCALAR_FIELD =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;
    /// @notice Field elements above this stand for negative numbers.
    uint256 internal constant HALF_FIELD = SCALAR_FIELD >> 1;

    /// @notice Binds a proof to one chain, engine, state of an account, round and keeper.
    /// @param engine the contract that consumes the proof
    /// @param nonce of the account
    /// @param round number of the oracle round
    /// @param keeper the account that sends the transaction
    /// @return a field element
    function context(address engine, uint256 accountId, uint256 nonce, uint256 round, address keeper)
        internal
        view
        returns (uint256)
    {
        return uint256(keccak256(abi.encode(block.chainid, engine, accountId, nonce, round, keeper))) % SCALAR_FIELD;
    }

    /// @notice A signed number as a field element.
    /// @param value absolute value below 2^96
    function fromSigned(int256 value) internal pure returns (uint256) {
        return value >= 0 ? uint256(value) : SCALAR_FIELD - uint256(-value);
    }
}
