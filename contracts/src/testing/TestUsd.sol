// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A settlement asset for local chains and tests
/// @notice Anyone may mint.
contract TestUsd is ERC20("Test USD", "tUSD") {
    /// @inheritdoc ERC20
    function decimals() public pure virtual override returns (uint8) {
        return 6;
    }

    /// @notice Makes tokens.
    /// @param amount in 1e-6 USD
    function mint(address account, uint256 amount) external {
        _mint(account, amount);
    }
}
