// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

/// @title Owner of all contracts of a deployment
/// @notice OpenZeppelin's timelock: what the proposers schedule can be executed after the delay, and cancelled before. It administers
/// itself, so the delay and the roles change only through it.
/// @dev A deployment begins with the deployer as proposer and without delay, to accept the ownership of the contracts; then it sets the
/// delay, gives the roles to the governors and renounces its own.
contract Governance is TimelockController {
    /// @param proposers may schedule and cancel
    /// @param executors may execute what is due; the zero address for anyone
    constructor(uint256 minDelay, address[] memory proposers, address[] memory executors)
        TimelockController(minDelay, proposers, executors, address(0))
    {}
}
