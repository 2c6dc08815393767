// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

/// @title What the clearing house needs of the insurance fund
/// @notice The fund's money is the cash of account 1 of the clearing house, which the fund owns. A part of it is earmarked as the gamma
/// reserve, which is drawn last.
interface IInsuranceFund {
    /// @notice Decides what the fund pays towards a subsidy, within its caps, and books it. The clearing house alone may call, and moves
    /// the cash.
    /// @param amount wanted, in 1e-6 units
    /// @param cash of the fund's account
    /// @return fromFund at most what is not earmarked
    /// @return fromReserve at most the reserve
    function draw(uint32 underlyingId, uint256 amount, uint256 cash)
        external
        returns (uint256 fromFund, uint256 fromReserve);

    /// @notice What a draw could give now.
    function coverage(uint32 underlyingId, uint256 cash) external view returns (uint256 available);
}
