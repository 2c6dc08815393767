// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {AuctionReports} from "../../src/auction/AuctionTypes.sol";
import {TakeOverOrder} from "../../src/interfaces/AuctionRequests.sol";
import {LiquidationMath, Takeover} from "../../src/libraries/LiquidationMath.sol";
import {AuctionTest} from "../base/AuctionTest.sol";
import {AuctionLedger} from "../mocks/AuctionLedger.sol";

/// @title What can be had of the fund, and kept from those who withdraw, by choosing when
contract SubsidiesAttackTest is AuctionTest {
    int256 private constant LACK = 100e6;

    function setUp() public {
        _deploy();
        house.addCash(1, 10_000e6);
    }

    function _subsidy() private view returns (uint256) {
        (Takeover memory quote,) = auctions.quoteTakeOver(accountId, type(uint256).max, false);
        return quote.subsidy;
    }

    /// @dev A trader lets his account be marked in a dip, leaves the auction without figures to trade by while the account has equity in every round,
    /// and takes it over at the next dip, at the full subsidy, in one block with the proof.
    function test_theSubsidyDoesNotRiseByFiguresTooOldToTradeBy() public {
        house.addCash(accountId, int128(-1_000e6 - LACK));
        _start();
        _later(20_000);
        market.post(BTC);
        _refresh(MARK, REQUIREMENT, keeper);
        // Figures were young for 240 of 600 seconds.
        assertEq(_subsidy(), 1_420e6 * 240 / 600, "only while anyone could take over");
        _later(240);
        assertEq(_subsidy(), 1_420e6 * 480 / 600, "and goes on");
        market.post(BTC);
        _refresh(MARK, REQUIREMENT, rival);
        assertEq(_subsidy(), 1_420e6 * 480 / 600, "a refresh in time changes nothing");
        _later(120);
        assertEq(_subsidy(), 1_420e6, "all");
    }

    /// @dev The oracle is silent for longer than proofs may be old, and proofs of its last round are made meanwhile.
    function test_figuresThatAreOldWhenRecordedAddNothing() public {
        house.addCash(accountId, int128(-1_000e6 - LACK));
        _later(500);
        _start();
        _later(50);
        market.post(BTC);
        _refresh(MARK, REQUIREMENT, keeper);
        assertEq(_subsidy(), 0, "nobody could take over");
    }

    /// @dev Equity is gone soon after the start, but only backstops may take over before public bidding. The first one in the public stage
    /// had all, and the price never formed.
    function test_theSubsidyDoesNotRiseUnderTheSealedStage() public {
        _registerLiquidator(rival);
        _start();
        int128 equity = int128(_equity(MARK));
        house.addCash(accountId, int128(-LACK) - equity);
        auctions.poke(accountId);
        _later(100);
        (Takeover memory quote,) = auctions.quoteTakeOver(accountId, type(uint256).max, true);
        assertEq(quote.subsidy, uint256(1_420e6) * 100 / 600, "rises for backstops, who may take over");
        market.post(BTC);
        _refresh(MARK, REQUIREMENT, keeper);
        _later(80);
        assertEq(_subsidy(), 0, "the public begins at nothing");
        (quote,) = auctions.quoteTakeOver(accountId, type(uint256).max, true);
        assertEq(quote.subsidy, 0, "as backstops do then");
        _later(60);
        assertEq(_subsidy(), uint256(1_420e6) * 60 / 600, "and rises from there");
        // Figures that grow old in the public stage count from there as well.
        _later(1_000);
        market.post(BTC);
        _refresh(MARK, REQUIREMENT, keeper);
        assertEq(_subsidy(), uint256(1_420e6) * 160 / 600, "young for 160 seconds of the public stage");
    }

    /// @dev An hour settles when the last figures are old already. Settle, close, withdraw in full, in one block: the deficit was reported
    /// and is unreported, though nothing shows that it is gone.
    function test_settlingAndClosingDoesNotUnreportADeficit() public {
        house.addCash(accountId, int128(-1_000e6 - LACK));
        _start();
        _later(241);
        house.settle(accountId, LEGS + 1, 0);
        vm.expectRevert(abi.encodeWithSelector(AuctionReports.AwaitingProof.selector, accountId));
        auctions.close(accountId);
        _later(30 days);
        vm.expectRevert(abi.encodeWithSelector(AuctionReports.AwaitingProof.selector, accountId));
        auctions.close(accountId);
        assertEq(house.pendingDeficitOf(accountId), uint256(LACK), "still reported");
        market.post(BTC);
        _start();
        assertEq(house.pendingDeficitOf(accountId), uint256(LACK), "and proven again");
    }

    /// @dev Short futures against collateral: equity stays where it is when the price falls. Collateral counts at the newest price, the
    /// positions at the proven one, so the account seems to have lost what it has not. Nobody but its owner knows the opening; he
    /// has it marked, waits, and is paid by the fund for an account that has equity.
    function test_anOldMarkWithANewPriceIsNoInsolvency() public {
        _hedge(1e6);
        // A new round: the price falls by 5 %, and what the collateral lost the positions gained.
        market.post(BTC);
        house.setCollateral(accountId, 95_000e6);
        uint256 provenAt = auctions.auctionOf(accountId).provenAt;
        bytes memory old = abi.encodeWithSelector(AuctionReports.ProofTooOld.selector, provenAt);
        vm.expectRevert(old);
        auctions.poke(accountId);
        vm.expectRevert(old);
        auctions.quoteTakeOver(accountId, type(uint256).max, false);
        assertEq(house.pendingDeficitOf(accountId), 0, "nothing is lacking");
        assertEq(auctions.auctionOf(accountId).insolventSince, 0, "no clock");
        _refresh(MARK + 5_000e6, REQUIREMENT, rival);
        assertEq(auctions.auctionOf(accountId).insolventSince, 0, "equity");
    }

    /// @dev The same from the other side: whoever posts the round buys the hedged account's equity for what seems to be left of it.
    function test_anOldMarkWithANewPriceIsNoBargain() public {
        _hedge(1_000e6);
        market.post(BTC);
        house.setCollateral(accountId, 99_100e6);
        uint256 provenAt = auctions.auctionOf(accountId).provenAt;
        bytes memory old = abi.encodeWithSelector(AuctionReports.ProofTooOld.selector, provenAt);
        vm.expectRevert(old);
        auctions.quoteBid(accountId, type(uint256).max, false);
        _later(100);
        vm.expectRevert(old);
        auctions.close(accountId);
        _refresh(MARK + 900e6, REQUIREMENT, rival);
        assertEq(auctions.quoteBid(accountId, type(uint256).max, false).sale.worth, 1_000e6 - 2_424_242, "all of it");
    }

    /// @dev Sealed bids neither, and then nobody loses a bond for it.
    function test_anOldMarkWithANewPriceFillsNothing() public {
        _registerLiquidator(rival);
        _hedge(1_000e6);
        market.post(BTC);
        _later(130);
        uint256 provenAt = auctions.auctionOf(accountId).provenAt;
        vm.expectRevert(abi.encodeWithSelector(AuctionReports.ProofTooOld.selector, provenAt));
        auctions.requireFillable(accountId);
        _refresh(MARK, REQUIREMENT, rival);
        auctions.requireFillable(accountId);
    }

    /// @dev The other way, a lack that was reported seemed to be gone: whoever posts the round clears it, and withdraws in full before anyone refreshes.
    function test_anOldMarkWithANewPriceUnreportsNoDeficit() public {
        _hedge(-LACK);
        market.post(BTC);
        house.setCollateral(accountId, 105_000e6);
        vm.expectRevert(
            abi.encodeWithSelector(AuctionReports.ProofTooOld.selector, auctions.auctionOf(accountId).provenAt)
        );
        auctions.poke(accountId);
        assertEq(house.pendingDeficitOf(accountId), uint256(LACK), "still reported");
    }

    /// @dev Little collateral makes little difference: its owner cannot make every bid need a proof of its own with dust.
    function test_aLittleCollateralVoidsNoFigures() public {
        house.setCollateral(accountId, REQUIREMENT / 2);
        house.addCash(accountId, -int128(int256(REQUIREMENT / 2)));
        _start();
        market.post(BTC);
        assertEq(auctions.quoteBid(accountId, type(uint256).max, false).sale.worth, 1_000e6 - 2_424_242, "still for sale");
    }

    /// @dev An owner lets the haircut alone bring equity below 0, waits, and has his own vessel take the account over, with the collateral. By equity the fund
    /// paid 10,000 for an account that was worth 1,000, and more for its target.
    function test_theFundPaysForNoHaircut() public {
        house.setCollateral(accountId, 90_000e6);
        house.setHaircut(accountId, 11_000e6);
        house.addCash(accountId, -100_000e6 - 1_000e6);
        _start();
        for (uint256 times = 0; times < 4; times++) {
            _later(200);
            market.post(BTC);
            _refresh(MARK, REQUIREMENT, trader);
            auctions.poke(accountId);
            assertEq(auctions.auctionOf(accountId).insolventSince, 0, "no clock");
        }
        int256 worth = _cash(accountId) + 101_000e6 + MARK;
        assertTrue(worth > 990e6 && _wholeEquity(accountId, MARK) < -10_000e6, "worth something without equity");
        vm.expectRevert(abi.encodeWithSelector(LiquidationMath.HasWorth.selector, worth));
        auctions.quoteTakeOver(accountId, type(uint256).max, false);
        // When it is worth nothing, by as much as it is worth less.
        house.addCash(accountId, int128(-worth - LACK));
        auctions.poke(accountId);
        assertEq(house.pendingDeficitOf(accountId), uint256(LACK), "lack");
        for (uint256 times = 0; times < 3; times++) {
            _later(200);
            market.post(BTC);
            _refresh(MARK, REQUIREMENT, trader);
        }
        assertEq(_subsidy(), 1_320e6 + uint256(LACK), "target and lack");
    }

    /// @dev The taker is not lent what haircuts leave out: his vessel must cover it, and has it back when he sells the collateral.
    function test_takersBringTheHaircut() public {
        house.setCollateral(accountId, 90_000e6);
        house.setHaircut(accountId, 11_000e6);
        house.addCash(accountId, -102_000e6 - int128(LACK));
        _start();
        for (uint256 times = 0; times < 3; times++) {
            _later(200);
            market.post(BTC);
            _refresh(MARK, REQUIREMENT, rival);
        }
        assertEq(_subsidy(), 1_320e6 + uint256(LACK), "all that its worth lacks");
        house.addCash(vesselId, int128(11_000e6 - 1 - _cash(vesselId)));
        TakeOverOrder memory order = _takeOverOrder(vesselId);
        vm.expectRevert(
            abi.encodeWithSelector(
                AuctionLedger.VesselUnderfunded.selector, vesselId, int256(5_320e6 - 1), int256(5_320e6)
            )
        );
        vm.prank(keeper);
        auctions.takeOver(order);
        house.addCash(vesselId, 1);
        vm.prank(keeper);
        auctions.takeOver(order);
        assertEq(_wholeEquity(vesselId, MARK), 1_320e6, "at its target");
        assertEq(house.collateralValueOf(vesselId, false).saleValue, 101_000e6, "with all of the collateral");
    }

    /// @dev An auctioned account with 100,000 of collateral.
    function _hedge(int256 equity) private {
        house.setCollateral(accountId, 100_000e6);
        house.addCash(accountId, int128(equity - 1_000e6 - 100_000e6));
        _start();
    }

    /// @dev The auction's figures have time value, what settles at the last spot has none. They were good for ever.
    function test_figuresFromBeforeAWindDownAreNotForEver() public {
        house.addCash(accountId, int128(-1_000e6 - LACK));
        _start();
        uint256 provenAt = auctions.auctionOf(accountId).provenAt;
        _later(7 days);
        market.windDown(BTC);
        vm.expectRevert(abi.encodeWithSelector(AuctionReports.ProofTooOld.selector, provenAt));
        auctions.quoteTakeOver(accountId, type(uint256).max, false);
        vm.expectRevert(abi.encodeWithSelector(AuctionReports.ProofTooOld.selector, provenAt));
        auctions.poke(accountId);
        // Figures of the wound-down market may be milder, and then stay.
        _refresh(MARK + 50e6, REQUIREMENT, keeper);
        _later(365 days);
        assertEq(_subsidy(), 1_370e6, "for ever young");
    }
}
