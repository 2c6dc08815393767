// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

/// @title What the auction house needs of the oracle beside its rounds
interface IWindDown {
    /// @notice Whether the last round of an underlying is its last for ever.
    function isWoundDown(uint32 underlyingId) external view returns (bool);
}
