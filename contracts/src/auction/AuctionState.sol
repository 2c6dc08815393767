// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Account, IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {LiquidationMath, LiquidationState} from "../libraries/LiquidationMath.sol";
import {Auction, AuctionReports} from "./AuctionTypes.sol";

/// @title An auctioned account as it stands
library AuctionState {
    /// @notice A settlement has changed the account's positions: slices alone would have moved its nonce so far.
    function isSuperseded(Auction memory auction, Account memory account) internal pure returns (bool) {
        return account.nonce != auction.startNonce + auction.moves;
    }

    /// @notice The recorded figures at the account's present scale, with its present cash and collateral.
    function present(IClearingHouse house, uint256 accountId, Auction memory auction, Account memory account)
        internal
        view
        returns (LiquidationState memory state)
    {
        (state.mark, state.requirement) =
            LiquidationMath.atScale(auction.mark, auction.requirement, auction.baseScale, account.scale);
        state.cash = account.cash;
        state.collateral = house.collateralValueOf(accountId);
        state.scale = account.scale;
        state.reserved = auction.reserved;
    }

    /// @notice Reverts unless equity is below the requirement.
    function requireLiquidatable(LiquidationState memory state) internal pure returns (int256 equity) {
        equity = LiquidationMath.equityOf(state);
        // Below 2^96.
        // forge-lint: disable-next-line(unsafe-typecast)
        if (equity >= int256(state.requirement)) {
            revert AuctionReports.NotLiquidatable(equity, state.requirement);
        }
    }
}
