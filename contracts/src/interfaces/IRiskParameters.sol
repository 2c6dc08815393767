// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

/// @title What the rest of the system reads of the risk parameters
interface IRiskParameters {
    /// @notice Poseidon commitment to the parameters in force, or 0 when none were set.
    function commitmentOf(uint32 underlyingId) external view returns (uint256 commitment);
}
