// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {SignedMath} from "@openzeppelin/contracts/utils/math/SignedMath.sol";
import {Account, IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {LiquidationMath, LiquidationState, ProvenFigures} from "../libraries/LiquidationMath.sol";
import {Auction, AuctionReports} from "./AuctionTypes.sol";

/// @title An auctioned account as it stands
library AuctionState {
    /// @notice Time between the end of reveals and public bidding in which sealed bids are executed, in seconds.
    uint40 internal constant FILL_SECONDS = 60;

    /// @notice A settlement has changed the account's positions: slices alone would have moved its nonce so far.
    function isSuperseded(Auction memory auction, Account memory account) internal pure returns (bool) {
        return account.nonce != auction.startNonce + auction.moves;
    }

    /// @notice The recorded figures, at the scale of their proof.
    function proven(Auction memory auction) internal pure returns (ProvenFigures memory) {
        return ProvenFigures(
            auction.mark, auction.baseRequirement, auction.collateralSlope, auction.baseScale
        );
    }

    /// @notice The recorded figures at the account's present scale, with its present cash and collateral.
    function present(IClearingHouse house, uint256 accountId, Auction memory auction, Account memory account)
        internal
        view
        returns (LiquidationState memory state)
    {
        state.cash = account.cash;
        LiquidationMath.setCollateral(state, house.collateralValueOf(accountId, false));
        state.mark = LiquidationMath.markAt(auction.mark, auction.baseScale, account.scale);
        state.requirement = LiquidationMath.requirementWith(
            _baseRequirement(auction, account), auction.collateralSlope, state.movingCollateral
        );
        state.scale = account.scale;
        state.reserved = auction.reserved;
    }

    /// @notice The same for a takeover: with the requirement that a subsidy may count.
    function subsidised(IClearingHouse house, uint256 accountId, Auction memory auction, Account memory account)
        internal
        view
        returns (LiquidationState memory state)
    {
        state = present(house, accountId, auction, account);
        state.requirement =
            LiquidationMath.subsidisedRequirement(state.requirement, _baseRequirement(auction, account));
    }

    /// @notice Whether collateral, with what it does to the requirement, outweighs the requirement: then its price and that of the positions must
    /// be of one round. With less the error is of the size of that of an old mark.
    function collateralOutweighs(Auction memory auction, LiquidationState memory state) internal pure returns (bool) {
        uint256 offset =
            (state.movingCollateral * SignedMath.abs(auction.collateralSlope)) >> LiquidationMath.SLOPE_PLACES;
        return state.saleCollateral + offset > state.requirement;
    }

    /// @notice From when on the subsidy of an account without worth rises. For the public that is not before the end of the sealed stage: a subsidy
    /// that has risen while the public could not take over would be offered whole at once, to whoever is first.
    /// @param time in seconds; backstops, who may take over during the sealed stage, have a subsidy that rises from the beginning until it ends
    function subsidyRisesFrom(Auction memory auction, uint256 time) internal pure returns (uint256 from) {
        from = auction.insolventSince;
        if (auction.commitSeconds == 0) return from;
        uint256 stageEnd = uint256(auction.start) + auction.commitSeconds + auction.revealSeconds + FILL_SECONDS;
        if (time >= stageEnd && from < stageEnd) from = stageEnd;
    }

    /// @notice The clock of subsidies once figures are replaced: the time in which they were too old to trade by does not count, since
    /// nobody could take over. Who leaves an auction alone until the next dip must not find the full subsidy there.
    /// @param time in seconds, of the replacement
    function resumedClock(Auction memory auction, uint256 time) internal pure returns (uint40) {
        uint256 until = uint256(auction.provenAt) + auction.terms.maxProofAge;
        if (time <= until) return auction.insolventSince;
        uint256 from = subsidyRisesFrom(auction, time);
        uint256 risen = until > from ? until - from : 0;
        // Earlier than the present, whose seconds fit.
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint40(time - risen);
    }

    /// @notice Reverts unless equity is below the requirement.
    function requireLiquidatable(LiquidationState memory state) internal pure {
        int256 equity = LiquidationMath.equityOf(state);
        // Below 2^100.
        // forge-lint: disable-next-line(unsafe-typecast)
        if (equity >= int256(state.requirement)) {
            revert AuctionReports.NotLiquidatable(equity, state.requirement);
        }
    }

    /// @dev At the account's present scale.
    function _baseRequirement(Auction memory auction, Account memory account) private pure returns (int256) {
        return LiquidationMath.baseRequirementAt(auction.baseRequirement, auction.baseScale, account.scale);
    }
}
