// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ClearingHouse} from "../../src/ClearingHouse.sol";

/// @title An owner of accounts that is a contract and approves digests
contract ContractOwner is IERC1271 {
    mapping(bytes32 digest => bool) public approved;

    function create(ClearingHouse house, uint32 underlyingId) external returns (uint256) {
        return house.createAccount(underlyingId);
    }

    function approve(bytes32 digest) external {
        approved[digest] = true;
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes4) {
        return approved[digest] ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}
