// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Groth16Proof} from "./Groth16.sol";
import {Account} from "./IClearingHouse.sol";
import {WithdrawalRequest} from "./Requests.sol";

/// @title What the insurance fund needs of the clearing house
interface IFundHouse {
    /// @notice The settlement asset.
    function asset() external view returns (address token);

    /// @notice An account; all fields are zero when it does not exist.
    function getAccount(uint256 accountId) external view returns (Account memory account);

    /// @notice Pays cash out. The sender owns the account; without positions no proof is needed.
    function withdraw(WithdrawalRequest calldata request, Groth16Proof calldata proof) external;
}
