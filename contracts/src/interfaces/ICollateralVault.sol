// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

/// @title What the clearing house needs of the collateral vault
/// @notice Holds the ERC-20 tokens that accounts give as collateral beside cash, values them after haircuts at the oracle's spot of the
/// underlying that each follows.
interface ICollateralVault {
    /// @notice Values after haircuts, in 1e-6 units; each kind's is rounded down, each sum is below 2^96.
    /// @param underlyingId of the account's legs
    /// @param onlyFresh whether collateral with a stale price counts as nothing; otherwise the last known price counts
    /// @return value of all collateral
    /// @return moving the part of it that is priced by `underlyingId`: it gains and loses with the legs
    function valuesOf(uint256 accountId, uint32 underlyingId, bool onlyFresh)
        external
        view
        returns (uint256 value, uint256 moving);

    /// @notice Takes tokens from the payer into an account. The clearing house alone may call.
    function take(uint256 accountId, address payer, uint256 collateralId, uint256 amount) external;

    /// @notice Gives tokens of an account to a recipient. The clearing house alone may call, and has checked the margin.
    function give(uint256 accountId, address recipient, uint256 collateralId, uint256 amount) external;

    /// @notice Moves `floor(amount * scaleTaken / scale)` of each collateral to another account; everything when the two are equal.
    /// @dev The clearing house alone may call.
    /// @param underlyingId of the accounts' legs
    /// @return givenOf moving part of what `from` had before, as `valuesOf` says of fresh collateral
    /// @return value of what `to` has afterwards, likewise
    /// @return moving the part of it that is priced by `underlyingId`
    function moveShare(uint256 from, uint256 to, uint256 scaleTaken, uint256 scale, uint32 underlyingId)
        external
        returns (uint256 givenOf, uint256 value, uint256 moving);
}
