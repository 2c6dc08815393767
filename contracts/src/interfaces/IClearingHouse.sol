// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {CollateralValues} from "./ICollateralVault.sol";
import {ProvenFigures} from "../libraries/LiquidationMath.sol";

/// @notice An account of the clearing house.
/// @param owner may trade and withdraw; never zero for an account that exists
/// @param nonce grows by one with each change of `commitment` or `scale`; proofs bind it
/// @param underlyingId the underlying of all of the account's legs
/// @param commitment Poseidon commitment to the legs; 0 while the scale is 0
/// @param cash in 1e-6 units of the settlement asset, signed; absolute value below 2^96
/// @param scale in 2^-40; a position is a leg's quantity times the scale; 0 says that the account has no positions
/// @param inAuction whether an auction runs: no trades and no withdrawals until it ends
struct Account {
    address owner;
    uint64 nonce;
    uint32 underlyingId;
    uint256 commitment;
    int128 cash;
    uint64 scale;
    bool inAuction;
}

/// @notice A slice of an account that moves to a keeper's account, the vessel. Amounts are in 1e-6 units of the settlement asset.
/// @param accountId account that is liquidated
/// @param vesselId account of the keeper: without positions, or with the same commitment
/// @param keeper must own the vessel
/// @param scaleTaken in 2^-40, at least 1 and at most the account's scale
/// @param cashTaken the slice's share of the account's cash, signed; moves to the vessel
/// @param traderProceeds vessel to account
/// @param fundFee vessel to insurance fund
/// @param subsidy waterfall (fund, reserve, socialised loss) to vessel; only for accounts that are worth nothing
/// @param proven figures of the legs, by which the vessel is judged afterwards; of the proof itself, not of a smaller scale
/// @param bufferBps of the target that the vessel must reach by them
struct SliceMove {
    uint256 accountId;
    uint256 vesselId;
    address keeper;
    uint64 scaleTaken;
    int256 cashTaken;
    uint256 traderProceeds;
    uint256 fundFee;
    uint256 subsidy;
    ProvenFigures proven;
    uint256 bufferBps;
}

/// @notice Where a subsidy came from; the three sum to it.
struct Coverage {
    uint256 fromFund;
    uint256 fromReserve;
    uint256 socialised;
}

/// @title What the liquidation contracts need of the clearing house
interface IClearingHouse {
    /// @notice An account; all fields are zero when it does not exist.
    function getAccount(uint256 accountId) external view returns (Account memory account);

    /// @notice What an account's collateral counts for; never blocks.
    /// @param onlyFresh whether collateral with a stale price counts as nothing; otherwise the last known price counts
    function collateralValueOf(uint256 accountId, bool onlyFresh)
        external
        view
        returns (CollateralValues memory values);

    /// @notice Moves a slice with its cash and its share of collateral, and the payments for it.
    /// @dev Engines alone may call. The nonces of both accounts grow by one.
    function moveSlice(SliceMove calldata slice) external returns (Coverage memory coverage);

    /// @notice Charges an account a fee: `reward` of it goes to another account, the rest to the insurance fund.
    /// @dev Engines alone may call. The account may end up owing cash if it has positions.
    /// @param fee at least `reward`
    /// @param rewardAccountId any existing account; ignored when `reward` is 0
    function chargeFee(uint256 accountId, uint256 fee, uint256 rewardAccountId, uint256 reward) external;

    /// @notice Marks the start or the end of an auction. The auction house alone may call.
    function setInAuction(uint256 accountId, bool inAuction) external;

    /// @notice Records what an account that is being auctioned lacks, for the gate of withdrawals; 0 clears it.
    /// @dev The auction house alone may call.
    function setPendingDeficit(uint256 accountId, uint256 deficit) external;
}
