// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

/// @title What the sealed-bid stage needs of the clearing house
interface IHouseDeposits {
    /// @notice Pays tokens of the sender, who has approved them, into an account.
    /// @param amount in 1e-6 units, at least 1
    function deposit(uint256 accountId, uint256 amount) external;
}
