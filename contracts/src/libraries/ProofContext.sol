// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

/// @title What proofs are bound to, and how numbers enter them
/// @notice A context is a public signal that says nothing about the account; it makes a proof useless for any other chain, contract,
/// purpose, state of the account, round and sender. Section 5 of docs/margin-model.md.
library ProofContext {
    /// @notice Order of BN254's scalar field.
    uint256 internal constant SCALAR_FIELD =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;

    /// @notice Solvency after a withdrawal.
    uint256 internal constant WITHDRAWAL = 1;
    /// @notice Solvency after a trade.
    uint256 internal constant TRADE = 2;
    /// @notice Solvency that ends an auction.
    uint256 internal constant RECOVERY = 3;
    /// @notice Transfer between two accounts.
    uint256 internal constant TRANSFER = 4;
    /// @notice Settlement of expired legs.
    uint256 internal constant SETTLEMENT = 5;

    /// @notice Of an insolvency proof.
    /// @param consumer contract that takes the proof
    /// @param nonce of the account; of an auction, the nonce with which it began
    /// @param keeper sender of the transaction
    function insolvency(address consumer, uint256 accountId, uint256 nonce, uint256 round, address keeper)
        internal
        view
        returns (uint256)
    {
        return _reduce(keccak256(abi.encode(block.chainid, consumer, accountId, nonce, round, keeper)));
    }

    /// @notice Of a solvency proof.
    /// @param purpose `WITHDRAWAL`, `TRADE` or `RECOVERY`
    function solvency(address consumer, uint256 purpose, uint256 accountId, uint256 nonce, uint256 round)
        internal
        view
        returns (uint256)
    {
        // Ends in a 0 so that it has seven words: with six, it could be what an insolvency proof binds.
        return _reduce(keccak256(abi.encode(block.chainid, consumer, purpose, accountId, nonce, round, uint256(0))));
    }

    /// @notice Of a transfer proof.
    /// @param cashToA what B pays to A, signed
    function transfer(
        address consumer,
        uint256 accountA,
        uint256 nonceA,
        uint256 accountB,
        uint256 nonceB,
        int256 cashToA
    ) internal view returns (uint256) {
        return _reduce(
            keccak256(abi.encode(block.chainid, consumer, TRANSFER, accountA, nonceA, accountB, nonceB, cashToA))
        );
    }

    /// @notice Of a settlement proof, which anyone may bring.
    function settlement(address consumer, uint256 accountId, uint256 nonce) internal view returns (uint256) {
        return _reduce(keccak256(abi.encode(block.chainid, consumer, SETTLEMENT, accountId, nonce)));
    }

    /// @notice A signed number as a field element.
    /// @param value absolute value below 2^96
    function fromSigned(int256 value) internal pure returns (uint256) {
        // Each branch casts what is not negative.
        // forge-lint: disable-next-line(unsafe-typecast)
        return value >= 0 ? uint256(value) : SCALAR_FIELD - uint256(-value);
    }

    function _reduce(bytes32 hash) private pure returns (uint256) {
        return uint256(hash) % SCALAR_FIELD;
    }
}
