// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

/// @notice An account of the clearing house.
/// @param owner may withdraw; never zero for an account that exists
/// @param nonce grows by one with each change of `commitment` or `scale`; proofs bind it
/// @param underlyingId the underlying of all of the account's legs
/// @param commitment Poseidon commitment to the legs; 0 while the account has no positions
/// @param cash in 1e-6 units of the settlement asset, signed; absolute value below 2^96
/// @param scale in 2^-40; a position is a leg's quantity times the scale; 0 while the account has no positions
struct Account {
    address owner;
    uint64 nonce;
    uint32 underlyingId;
    uint256 commitment;
    int128 cash;
    uint64 scale;
}

/// @notice A slice of an account that moves to a keeper. Amounts are in 1e-6 units of the settlement asset.
/// @param accountId account that is liquidated
/// @param keeper pays, and owns the new sub-account
/// @param scaleTaken in 2^-40, at least 1 and at most the account's scale
/// @param cashTaken the slice's share of the account's cash, signed
/// @param traderProceeds paid by the keeper into the account
/// @param fundFee paid by the keeper into the fund's account
/// @param sliceDeposit paid by the keeper into the sub-account
struct SliceTransfer {
    uint256 accountId;
    address keeper;
    uint64 scaleTaken;
    int256 cashTaken;
    uint256 traderProceeds;
    uint256 fundFee;
    uint256 sliceDeposit;
}

/// @title What the liquidation engine needs of the clearing house
interface IClearingHouse {
    /// @notice An account; all fields are zero when it does not exist.
    function getAccount(uint256 accountId) external view returns (Account memory account);

    /// @notice Moves a slice to a new account of the keeper, against the keeper's payment.
    /// @dev The engine alone may call.
    /// @return subAccountId the keeper's new account
    function transferSlice(SliceTransfer calldata slice) external returns (uint256 subAccountId);
}
