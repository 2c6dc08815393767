// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Groth16Proof} from "./Groth16.sol";
import {Account} from "./IClearingHouse.sol";

/// @title What the insurance fund needs of the clearing house
interface IFundHouse {
    /// @param accountId account that pays; its owner must be the sender
    /// @param amount in 1e-6 units, at least 1
    /// @param toAccountId account that is paid; 0 for tokens to the owner
    /// @param provenCash of a solvency proof; 0 for an account without positions, which needs none
    /// @param round of the proof
    /// @param capacity of the proof's circuit
    struct WithdrawalRequest {
        uint256 accountId;
        uint256 amount;
        uint256 toAccountId;
        int256 provenCash;
        uint64 round;
        uint8 capacity;
    }

    /// @notice The settlement asset.
    function asset() external view returns (address token);

    /// @notice An account; all fields are zero when it does not exist.
    function getAccount(uint256 accountId) external view returns (Account memory account);

    /// @notice Pays cash out.
    function withdraw(WithdrawalRequest calldata request, Groth16Proof calldata proof) external;
}
