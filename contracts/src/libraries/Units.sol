// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

/// @title Units and bounds that contracts share
/// @notice Each contract names those that it uses by a constant of its own.
library Units {
    /// @notice 100 %, in basis points.
    uint256 internal constant BASIS = 10_000;
    /// @notice Level of the maintenance requirement, in 2^-12.
    uint256 internal constant MAINTENANCE_LEVEL = 4096;
    /// @notice Amounts of money are below this, in 1e-6 USD: what is not does not fit the circuits.
    uint256 internal constant MONEY_LIMIT = 2 ** 96;
    /// @notice The same as a signed number: signed amounts are below it in absolute value.
    int256 internal constant SIGNED_MONEY_LIMIT = 2 ** 96;
    /// @notice Largest amount of money.
    uint256 internal constant MAX_MONEY = 2 ** 96 - 1;
}
