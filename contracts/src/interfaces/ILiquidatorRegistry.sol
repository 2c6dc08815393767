// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

/// @title What the liquidation contracts need of the registry of liquidators
interface ILiquidatorRegistry {
    /// @notice Whether an address has undertaken to liquidate when nobody else does, and may do so at the small discount of backstops.
    function isBackstop(address account) external view returns (bool);
}
