// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ILiquidatorRegistry} from "./interfaces/ILiquidatorRegistry.sol";

/// @title Registry of backstops
/// @notice Backstops are liquidators with an agreement: they may liquidate accounts of any size, and buy from an auction at any time, at
/// the discount `backstopBps` of the liquidation terms. The engine and the auction house read this one list.
contract LiquidatorRegistry is ILiquidatorRegistry, Ownable2Step, ReentrancyGuardTransient {
    /// @notice The address is zero.
    error ZeroAddress();

    /// @notice A backstop was registered or removed.
    event BackstopSet(address indexed backstop, bool registered);

    /// @inheritdoc ILiquidatorRegistry
    mapping(address account => bool) public isBackstop;

    constructor(address owner_) Ownable(owner_) {}

    /// @notice Registers a backstop, or removes it. Owner only.
    function setBackstop(address backstop, bool registered) external onlyOwner nonReentrant {
        if (backstop == address(0)) revert ZeroAddress();
        isBackstop[backstop] = registered;
        emit BackstopSet(backstop, registered);
    }
}
