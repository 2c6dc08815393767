// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

/// @notice What an account's collateral counts for, in 1e-6 units; each kind's value is rounded down, each sum is below 2^96.
/// @param value after haircuts: what backs debts and positions
/// @param moving the part of it that is priced by the underlying of the account's legs: it gains and loses with them
/// @param saleValue at which slices are priced, at least `value`: from each kind is taken a quarter of the haircut of its own
/// underlying's accounts, or its square where that is more: 3 % for one of 12 %. A haircut is there for falls of the price until the
/// collateral is sold; who buys it is paid for that by the discount. A kind at a haircut of 100 % is worth nothing to anybody.
struct CollateralValues {
    uint256 value;
    uint256 moving;
    uint256 saleValue;
}

/// @title What the clearing house needs of the collateral vault
/// @notice Holds the ERC-20 tokens that accounts give as collateral beside cash, values them after haircuts at the oracle's spot of the
/// underlying that each follows.
interface ICollateralVault {
    /// @notice What an account's collateral counts for.
    /// @param underlyingId of the account's legs
    /// @param onlyFresh whether collateral with a stale price counts as nothing; otherwise the last known price counts
    function valuesOf(uint256 accountId, uint32 underlyingId, bool onlyFresh)
        external
        view
        returns (CollateralValues memory values);

    /// @notice Takes tokens from the payer into an account. The clearing house alone may call.
    function take(uint256 accountId, address payer, uint256 collateralId, uint256 amount) external;

    /// @notice Gives tokens of an account to a recipient. The clearing house alone may call, and has checked the margin.
    function give(uint256 accountId, address recipient, uint256 collateralId, uint256 amount) external;

    /// @notice Moves `floor(amount * scaleTaken / scale)` of each collateral to another account; everything when the two are equal.
    /// @dev The clearing house alone may call.
    /// @param underlyingId of the accounts' legs
    /// @return givenOf moving part of what `from` had before, as `valuesOf` says of fresh collateral
    /// @return values of what `to` has afterwards, likewise
    function moveShare(uint256 from, uint256 to, uint256 scaleTaken, uint256 scale, uint32 underlyingId)
        external
        returns (uint256 givenOf, CollateralValues memory values);
}
