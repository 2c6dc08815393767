// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Auction, AuctionReports, BidQuote} from "../src/auction/AuctionTypes.sol";
import {AuctionHouse} from "../src/AuctionHouse.sol";
import {AuctionClaim, BidOrder, CancelRequest, TakeOverOrder} from "../src/interfaces/AuctionRequests.sol";
import {Groth16Proof} from "../src/interfaces/Groth16.sol";
import {Account, IClearingHouse} from "../src/interfaces/IClearingHouse.sol";
import {ILiquidatorRegistry} from "../src/interfaces/ILiquidatorRegistry.sol";
import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {IRiskOracle} from "../src/interfaces/IRiskOracle.sol";
import {IRiskParameters, LiquidationTerms} from "../src/interfaces/IRiskParameters.sol";
import {LiquidationMath} from "../src/libraries/LiquidationMath.sol";
import {Takeover} from "../src/libraries/LiquidationMath.sol";
import {AuctionTest} from "./base/AuctionTest.sol";
import {AuctionLedger} from "./mocks/AuctionLedger.sol";

/// @title Auctions without a sealed stage: nobody is registered for it
contract AuctionHouseTest is AuctionTest {
    function setUp() public {
        _deploy();
    }

    function _bid(address bidder, BidOrder memory order) private returns (BidQuote memory) {
        vm.prank(bidder);
        return auctions.bid(order);
    }

    function _bidRefused(BidOrder memory order, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(keeper);
        auctions.bid(order);
    }

    function _refreshRefused(int256 mark, uint256 requirement, bytes memory reason) private {
        AuctionClaim memory claim = _claim(accountId, mark, requirement);
        Groth16Proof memory proof = _refreshProof(mark, requirement, rival);
        vm.expectRevert(reason);
        vm.prank(rival);
        auctions.refresh(claim, proof);
    }

    function _startRefused(uint256 id, bytes memory reason) private {
        AuctionClaim memory claim = _claim(id, MARK, REQUIREMENT);
        Groth16Proof memory proof = _startProof(id, MARK, REQUIREMENT, keeper);
        vm.expectRevert(reason);
        vm.prank(keeper);
        auctions.start(claim, vesselId, proof);
    }

    /// @dev Until figures may end an auction.
    function _stand() private {
        _later(60);
    }

    function _running() private view returns (bool) {
        return auctions.auctionOf(accountId).number != 0;
    }

    // Construction and settings

    function test_constructor_refusesZeroAddresses() public {
        for (uint256 index = 0; index < 5; index++) {
            vm.expectRevert(AuctionReports.ZeroAddress.selector);
            new AuctionHouse(
                address(this),
                IRiskOracle(index == 0 ? address(0) : address(market)),
                IRiskParameters(index == 1 ? address(0) : address(market)),
                IClearingHouse(index == 2 ? address(0) : address(house)),
                IProofGate(index == 3 ? address(0) : address(gate)),
                ILiquidatorRegistry(index == 4 ? address(0) : address(registry))
            );
        }
    }

    function test_setSealedBidStage_isTheOwners() public {
        vm.expectRevert(abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", rival));
        vm.prank(rival);
        auctions.setSealedBidStage(_none());
        auctions.setSealedBidStage(_none());
        assertEq(address(auctions.sealedBidStage()), address(0), "none");
        _start();
    }

    // Start

    function test_start_recordsAndCharges() public {
        uint64 number = _start();
        Auction memory auction = auctions.auctionOf(accountId);
        assertEq(number, 1, "first");
        assertEq(auction.number, 1, "number");
        assertEq(auction.baseScale, UNIT, "base scale");
        assertEq(int256(auction.mark), MARK, "mark");
        assertEq(int256(auction.baseRequirement), int256(REQUIREMENT), "requirement");
        assertEq(auction.round, 1, "round");
        assertEq(auction.provenAt, block.timestamp, "time of the round");
        assertEq(auction.publicStart, block.timestamp, "public at once");
        assertEq(auction.insolventSince, 0, "worth something");
        assertTrue(_account().inAuction, "marked");
        // 1,000 * 320 / 1,320 at 1 %; a tip of 0.1 and a tenth.
        uint256 fee = uint256(1_000e6) * 320e6 / 1_320e6 / 100;
        assertEq(_cash(accountId), 5_000e6 - int256(fee), "fee");
        assertEq(_cash(vesselId), 1_000_000e6 + 100_000 + int256(fee / 10), "reward");
        assertEq(_cash(1), int256(fee - 100_000 - fee / 10), "fund");
        assertEq(auctions.stagesOf(accountId).commitEnd, auctions.stagesOf(accountId).start, "no sealed stage");
    }

    function test_start_refusals() public {
        _startRefused(99, abi.encodeWithSelector(AuctionReports.UnknownAccount.selector, 99));
        _startRefused(vesselId, abi.encodeWithSelector(AuctionReports.NoPositions.selector, vesselId));
        house.addCash(accountId, 200e6);
        _startRefused(
            accountId, abi.encodeWithSelector(AuctionReports.NotLiquidatable.selector, int256(1_200e6), REQUIREMENT)
        );
        house.addCash(accountId, -1);
        _start();
        _startRefused(
            accountId, abi.encodeWithSelector(AuctionReports.AuctionRunning.selector, accountId, uint64(1))
        );
    }

    function test_start_refusesAnothersProof() public {
        AuctionClaim memory claim = _claim(accountId, MARK, REQUIREMENT);
        Groth16Proof memory proof = _startProof(accountId, MARK, REQUIREMENT, keeper);
        vm.expectRevert(
            abi.encodeWithSelector(IProofGate.InvalidProof.selector, IProofGate.Circuit.Insolvency, uint8(8))
        );
        vm.prank(rival);
        auctions.start(claim, rivalVesselId, proof);
    }

    function test_start_refusesAnUnknownRewardAccount() public {
        AuctionClaim memory claim = _claim(accountId, MARK, REQUIREMENT);
        Groth16Proof memory proof = _startProof(accountId, MARK, REQUIREMENT, keeper);
        vm.expectRevert(abi.encodeWithSelector(AuctionLedger.UnknownAccount.selector, 99));
        vm.prank(keeper);
        auctions.start(claim, 99, proof);
    }

    function test_start_withinTheCoolOffIsFree() public {
        _start();
        CancelRequest memory request = _cancelRequest(_cash(accountId));
        auctions.cancel(request, _recoveryProof(request));
        int256 cash = _cash(accountId);
        _later(3_599);
        market.post(BTC);
        _start();
        assertEq(_cash(accountId), cash, "no second fee");
        request = _cancelRequest(cash);
        auctions.cancel(request, _recoveryProof(request));
        _later(1);
        market.post(BTC);
        _start();
        assertTrue(_cash(accountId) < cash, "a fee after the cool-off");
    }

    // Bids

    function test_bid_threeBiddersBringTheAccountToItsTarget() public {
        _start();
        _later(100);
        BidOrder memory first = _order(vesselId);
        BidQuote memory offered = auctions.quoteBid(accountId, type(uint256).max, false);
        assertEq(offered.factorBps, 9_767, "price");
        first.maxScale = offered.sale.maxScale / 2;
        BidQuote memory bought = _bid(keeper, first);
        assertEq(bought.sale.scaleTaken, first.maxScale, "a half");
        assertEq(bought.sale.worth, 1_000e6 - 2_424_242, "worth after the fee");
        assertTrue(_running(), "goes on");

        _later(50);
        BidOrder memory second = _order(rivalVesselId);
        BidQuote memory rest = auctions.quoteBid(accountId, type(uint256).max, false);
        second.maxScale = rest.sale.maxScale / 2;
        _bid(rival, second);
        assertEq(auctions.auctionOf(accountId).moves, 2, "moves");

        BidOrder memory third = _order(backstopVesselId);
        third.asBackstop = true;
        BidQuote memory last = _bid(backstop, third);
        assertEq(last.factorBps, 9_800, "discount of backstops");
        assertTrue(!_running(), "over");
        assertTrue(!_account().inAuction, "mark removed");
        int256 target = int256(REQUIREMENT * 11 / 10 * _account().scale / UNIT);
        assertTrue(_equity(MARK) >= target - 3 && _equity(MARK) <= target + 12, "at the target");
        uint256 scales = uint256(_account().scale) + house.getAccount(vesselId).scale
            + house.getAccount(rivalVesselId).scale + house.getAccount(backstopVesselId).scale;
        assertEq(scales, UNIT, "all slices");
    }

    function test_bid_vesselsMustHoldTheirTarget() public {
        _start();
        BidQuote memory offered = auctions.quoteBid(accountId, type(uint256).max, false);
        int256 floor = auctions.vesselFloorOf(accountId, offered.sale.scaleTaken, 0);
        int256 need = floor - offered.sale.cashTaken + int256(offered.sale.proceeds);
        house.addCash(vesselId, int128(need - 1 - _cash(vesselId)));
        _bidRefused(
            _order(vesselId),
            abi.encodeWithSelector(AuctionLedger.VesselUnderfunded.selector, vesselId, floor - 1, floor)
        );
        house.addCash(vesselId, 1);
        _bid(keeper, _order(vesselId));
        // Equity of the vessel is that of its slice and what it brought.
        int256 held = _cash(vesselId) + MARK * int256(offered.sale.scaleTaken) / int256(uint256(UNIT));
        int256 target = int256(1_320e6 * offered.sale.scaleTaken / UNIT);
        assertTrue(held >= target && held <= target + 2, "vessel at its target");
    }

    /// @dev Two slices in one vessel: the second must leave enough for both.
    function test_bid_vesselsMustHoldTheTargetOfAllSlices() public {
        _start();
        BidOrder memory order = _order(vesselId);
        order.maxScale = auctions.quoteBid(accountId, type(uint256).max, false).sale.maxScale / 2;
        _bid(keeper, order);
        order = _order(vesselId);
        BidQuote memory rest = auctions.quoteBid(accountId, type(uint256).max, false);
        int256 floor = auctions.vesselFloorOf(accountId, house.getAccount(vesselId).scale + rest.sale.scaleTaken, 0);
        int256 need = floor - rest.sale.cashTaken + int256(rest.sale.proceeds);
        house.addCash(vesselId, int128(need - 1 - _cash(vesselId)));
        _bidRefused(
            order, abi.encodeWithSelector(AuctionLedger.VesselUnderfunded.selector, vesselId, floor - 1, floor)
        );
        house.addCash(vesselId, 1);
        _bid(keeper, order);
    }

    function test_bid_refusals() public {
        _start();
        BidOrder memory order = _order(vesselId);
        order.deadline = block.timestamp - 1;
        _bidRefused(order, abi.encodeWithSelector(AuctionReports.DeadlinePassed.selector, order.deadline));

        order = _order(vesselId);
        order.accountId = vesselId;
        _bidRefused(order, abi.encodeWithSelector(AuctionReports.NoAuction.selector, vesselId));

        order = _order(vesselId);
        order.auctionNumber = 2;
        _bidRefused(order, abi.encodeWithSelector(AuctionReports.AuctionChanged.selector, uint64(1), uint64(1)));
        order = _order(vesselId);
        order.round = 2;
        _bidRefused(order, abi.encodeWithSelector(AuctionReports.AuctionChanged.selector, uint64(1), uint64(1)));

        order = _order(vesselId);
        order.asBackstop = true;
        _bidRefused(order, abi.encodeWithSelector(AuctionReports.NotBackstop.selector, keeper));

        BidQuote memory offered = auctions.quoteBid(accountId, type(uint256).max, false);
        order = _order(vesselId);
        order.minScale = offered.sale.maxScale + 1;
        _bidRefused(
            order,
            abi.encodeWithSelector(
                AuctionReports.ScaleBelowLimit.selector, offered.sale.maxScale, offered.sale.maxScale + 1
            )
        );
        order = _order(vesselId);
        order.maxPayment = offered.sale.proceeds - 1;
        _bidRefused(
            order,
            abi.encodeWithSelector(
                AuctionReports.PaymentAboveLimit.selector, offered.sale.proceeds, offered.sale.proceeds - 1
            )
        );
        order = _order(vesselId);
        order.maxScale = offered.leastScale - 1;
        _bidRefused(
            order,
            abi.encodeWithSelector(
                AuctionReports.BidTooSmall.selector, offered.leastScale - 1, offered.leastScale
            )
        );
        order.maxScale = 0;
        _bidRefused(order, abi.encodeWithSelector(LiquidationMath.SliceTooSmall.selector));
        order = _order(rivalVesselId);
        _bidRefused(
            order, abi.encodeWithSelector(AuctionLedger.NotAccountOwner.selector, rivalVesselId, keeper)
        );
    }

    function test_bid_leavesNoDust() public {
        _start();
        BidQuote memory offered = auctions.quoteBid(accountId, type(uint256).max, false);
        BidOrder memory order = _order(vesselId);
        order.maxScale = offered.sale.maxScale - 1;
        BidQuote memory bought = _bid(keeper, order);
        assertEq(
            bought.sale.maxScale - bought.sale.scaleTaken, offered.leastScale, "the smallest part is left for another"
        );
        _bid(rival, _order(rivalVesselId));
    }

    function test_bid_needsAYoungProof() public {
        _start();
        _later(240);
        auctions.quoteBid(accountId, type(uint256).max, false);
        uint256 provenAt = auctions.auctionOf(accountId).provenAt;
        _later(1);
        _bidRefused(_order(vesselId), abi.encodeWithSelector(AuctionReports.ProofTooOld.selector, provenAt));
        _freshen();
        _bid(keeper, _order(vesselId));
    }

    function test_bid_theLastRoundOfAWoundDownUnderlyingStaysYoung() public {
        _start();
        _later(1_000);
        uint256 provenAt = auctions.auctionOf(accountId).provenAt;
        market.post(BTC);
        market.windDown(BTC);
        _bidRefused(_order(vesselId), abi.encodeWithSelector(AuctionReports.ProofTooOld.selector, provenAt));
        _refresh(MARK, REQUIREMENT, keeper);
        _later(700);
        _bid(keeper, _order(vesselId));
    }

    function test_bid_followsTheCurveAndEndsWithIt() public {
        _start();
        uint256 began = block.timestamp;
        uint16[5] memory times = [uint16(0), 299, 300, 301, 1_800];
        uint256[5] memory factors = [uint256(9_900), 9_502, 9_500, 9_499, 8_000];
        for (uint256 index = 0; index < 5; index++) {
            vm.warp(began + times[index]);
            _freshen();
            assertEq(
                auctions.quoteBid(accountId, type(uint256).max, false).factorBps, factors[index], "factor"
            );
        }
        _later(1);
        _bidRefused(
            _order(vesselId), abi.encodeWithSelector(AuctionReports.AuctionExpired.selector, began + 1_800)
        );
        BidOrder memory order = _order(backstopVesselId);
        order.asBackstop = true;
        assertEq(_bid(backstop, order).factorBps, 9_800, "the backstop may still");
    }

    function test_bid_healthyAccountsAreNotSold() public {
        _start();
        house.addCash(accountId, 1_000e6);
        int256 equity = _equity(MARK);
        _bidRefused(
            _order(vesselId), abi.encodeWithSelector(LiquidationMath.AccountHealthy.selector, equity, 1_320e6)
        );
    }

    function test_bid_accountsThatAreWorthNothingAreNotSold() public {
        _start();
        house.addCash(accountId, int128(-_equity(MARK)));
        _bidRefused(_order(vesselId), abi.encodeWithSelector(LiquidationMath.NoWorth.selector, int256(0)));
    }

    function test_bid_countsCollateral() public {
        house.addCash(accountId, -500e6);
        house.setCollateral(accountId, 500e6);
        _start();
        BidQuote memory bought = _bid(keeper, _order(vesselId));
        assertEq(house.collateralOf(vesselId), 500e6 * bought.sale.scaleTaken / UNIT, "goes along");
    }

    function test_bid_againstFreshProofEndsOnlyByCloseLater() public {
        _start();
        _bid(keeper, _order(vesselId));
        assertTrue(_running(), "figures of this very second cannot end it");
        uint256 standsAt = block.timestamp + 60;
        vm.expectRevert(abi.encodeWithSelector(AuctionReports.FiguresTooNew.selector, standsAt));
        auctions.close(accountId);
        _stand();
        auctions.close(accountId);
        assertTrue(!_running(), "covered");
    }

    /// @dev A trader records a mild scenario of a new round and buys by it himself; anyone overrules him.
    function test_bid_aMildScenarioDoesNotEndTheAuction() public {
        _start(MARK, 3_000e6);
        _stand();
        market.post(BTC);
        uint256 mild = uint256(_equity(MARK)) + 1;
        _refresh(MARK, mild, trader);
        uint256 own = house.create(trader, BTC, 100_000e6);
        _bid(trader, _order(own));
        assertTrue(_running(), "still running");
        _refresh(MARK, 3_000e6, keeper);
        BidQuote memory bought = _bid(keeper, _order(vesselId));
        assertTrue(bought.sale.scaleTaken > UNIT / 4, "the true requirement counts");
    }

    // Refresh, restart

    function test_refresh_newerRounds() public {
        _start();
        _later(30);
        market.post(BTC);
        _refresh(MARK + 50e6, REQUIREMENT - 20e6, rival);
        Auction memory auction = auctions.auctionOf(accountId);
        assertEq(auction.round, 2, "round");
        assertEq(int256(auction.mark), MARK + 50e6, "mark");
        assertEq(int256(auction.baseRequirement), int256(REQUIREMENT - 20e6), "requirement");
        assertEq(auction.provenAt, block.timestamp, "time");
        assertEq(auction.start, block.timestamp - 30, "the start stays");
        assertEq(auction.publicStart, block.timestamp - 30, "the price goes on");
    }

    function test_refresh_sameRoundOnlyWorse() public {
        _start();
        bytes memory notWorse = abi.encodeWithSelector(AuctionReports.NotWorse.selector, uint64(1), uint64(1));
        _refreshRefused(MARK, REQUIREMENT, notWorse);
        _refreshRefused(MARK, REQUIREMENT - 1, notWorse);
        _refreshRefused(MARK + 2, REQUIREMENT + 1, notWorse);
        _refresh(MARK, REQUIREMENT + 1, rival);
        _refreshRefused(MARK, REQUIREMENT, notWorse);
        assertEq(int256(auctions.auctionOf(accountId).baseRequirement), int256(REQUIREMENT + 1), "the worse one");
    }

    function test_refresh_olderRoundsAreRefusedHoweverBad() public {
        _start();
        AuctionClaim memory claim = _claim(accountId, MARK, REQUIREMENT + 100e6);
        Groth16Proof memory proof = _refreshProof(MARK, REQUIREMENT + 100e6, rival);
        market.post(BTC);
        _refresh(MARK, REQUIREMENT, keeper);
        vm.expectRevert(abi.encodeWithSelector(AuctionReports.NotWorse.selector, uint64(1), uint64(2)));
        vm.prank(rival);
        auctions.refresh(claim, proof);
    }

    function test_refresh_refusals() public {
        AuctionClaim memory claim = _claim(accountId, MARK, REQUIREMENT);
        Groth16Proof memory proof = _startProof(accountId, MARK, REQUIREMENT, keeper);
        vm.expectRevert(abi.encodeWithSelector(AuctionReports.NoAuction.selector, accountId));
        auctions.refresh(claim, proof);

        _start();
        market.post(BTC);
        int256 equity = _equity(MARK);
        _refreshRefused(
            MARK,
            uint256(equity),
            abi.encodeWithSelector(AuctionReports.NotLiquidatable.selector, equity, uint256(equity))
        );
        _refresh(MARK, uint256(equity) + 1, rival);

        market.post(BTC);
        claim = _claim(accountId, MARK, REQUIREMENT);
        proof = _refreshProof(MARK, REQUIREMENT, keeper);
        vm.expectRevert(
            abi.encodeWithSelector(IProofGate.InvalidProof.selector, IProofGate.Circuit.Insolvency, uint8(8))
        );
        vm.prank(rival);
        auctions.refresh(claim, proof);
    }

    /// @dev The proof was made before two bids, for the account as it was at the start.
    function test_refresh_isNotVoidedByBids() public {
        _start();
        _later(20);
        market.post(BTC);
        AuctionClaim memory claim = _claim(accountId, MARK, REQUIREMENT);
        Groth16Proof memory proof = _refreshProof(MARK, REQUIREMENT, keeper);
        BidOrder memory order = _order(vesselId);
        order.maxScale = auctions.quoteBid(accountId, type(uint256).max, false).sale.maxScale / 5;
        _bid(keeper, order);
        _bid(keeper, order);
        vm.prank(keeper);
        auctions.refresh(claim, proof);
        Auction memory auction = auctions.auctionOf(accountId);
        assertEq(auction.round, 2, "refreshed");
        assertEq(auction.moves, 2, "moves stay");
        assertTrue(auction.reserved != 0, "what was paid stays reserved");
    }

    function test_refresh_expectedRoundProtectsBidders() public {
        _start();
        BidOrder memory order = _order(vesselId);
        market.post(BTC);
        _refresh(MARK, REQUIREMENT, trader);
        _bidRefused(order, abi.encodeWithSelector(AuctionReports.AuctionChanged.selector, uint64(1), uint64(2)));
    }

    function test_restart_startsThePriceAnew() public {
        _start();
        uint256 began = block.timestamp;
        AuctionClaim memory claim = _claim(accountId, MARK, REQUIREMENT);
        Groth16Proof memory proof = _refreshProof(MARK, REQUIREMENT, rival);
        vm.expectRevert(abi.encodeWithSelector(AuctionReports.AuctionNotExpired.selector, began + 1_800));
        vm.prank(rival);
        auctions.restart(claim, proof);

        vm.warp(began + 1_790);
        _freshen();
        vm.warp(began + 1_801);
        int256 cash = _cash(accountId);
        // Milder figures of the same round are refused, the same ones will do.
        claim = _claim(accountId, MARK, REQUIREMENT - 1);
        proof = _refreshProof(MARK, REQUIREMENT - 1, rival);
        vm.expectRevert(abi.encodeWithSelector(AuctionReports.NotWorse.selector, uint64(2), uint64(2)));
        vm.prank(rival);
        auctions.restart(claim, proof);
        claim = _claim(accountId, MARK, REQUIREMENT);
        proof = _refreshProof(MARK, REQUIREMENT, rival);
        vm.prank(rival);
        auctions.restart(claim, proof);
        assertEq(auctions.quoteBid(accountId, type(uint256).max, false).factorBps, 9_900, "from the start");
        assertEq(_cash(accountId), cash, "no fee");
        assertEq(auctions.auctionOf(accountId).number, 1, "the same auction");
    }

    // Ends

    function test_cancel_endsWithAProofOfSolvency() public {
        _start();
        house.addCash(accountId, 500e6);
        CancelRequest memory request = _cancelRequest(5_300e6);
        Groth16Proof memory proof = _recoveryProof(request);
        vm.prank(rival);
        auctions.cancel(request, proof);
        assertTrue(!_running() && !_account().inAuction, "over");
    }

    function test_cancel_refusals() public {
        CancelRequest memory request = _cancelRequest(5_000e6);
        Groth16Proof memory proof = _recoveryProof(request);
        vm.expectRevert(abi.encodeWithSelector(AuctionReports.NoAuction.selector, accountId));
        auctions.cancel(request, proof);
        _start();

        request = _cancelRequest(_cash(accountId) + 1);
        proof = _recoveryProof(request);
        vm.expectRevert(
            abi.encodeWithSelector(
                AuctionReports.ProvenCashTooHigh.selector, _cash(accountId) + 1, _cash(accountId)
            )
        );
        auctions.cancel(request, proof);

        request = _cancelRequest(_cash(accountId));
        request.version = 2;
        proof = _recoveryProof(request);
        vm.expectRevert(abi.encodeWithSelector(AuctionReports.WrongVersion.selector, uint64(2)));
        auctions.cancel(request, proof);

        // Made before a bid: commitment, scale and nonce are another account's, so to say.
        request = _cancelRequest(_cash(accountId) - 2_000e6);
        proof = _recoveryProof(request);
        BidOrder memory order = _order(vesselId);
        order.maxScale = auctions.quoteBid(accountId, type(uint256).max, false).sale.maxScale / 2;
        _bid(keeper, order);
        vm.expectRevert(
            abi.encodeWithSelector(AuctionReports.AccountChanged.selector, accountId, request.nonce + 1)
        );
        auctions.cancel(request, proof);
        request.nonce += 1;
        vm.expectRevert(
            abi.encodeWithSelector(IProofGate.InvalidProof.selector, IProofGate.Circuit.Solvency, uint8(8))
        );
        auctions.cancel(request, proof);

        // A round that is not the newest.
        request = _cancelRequest(_cash(accountId));
        proof = _recoveryProof(request);
        market.post(BTC);
        vm.expectRevert(abi.encodeWithSelector(IRiskOracle.NotLatestRound.selector, uint64(1), uint64(2)));
        auctions.cancel(request, proof);
    }

    function test_cancel_staleCollateralCountsForNothing() public {
        house.setCollateral(accountId, 500e6);
        house.addCash(accountId, -500e6);
        _start();
        CancelRequest memory request = _cancelRequest(_cash(accountId) + 500e6);
        Groth16Proof memory proof = _recoveryProof(request);
        house.setCollateralStale(true);
        vm.expectRevert(
            abi.encodeWithSelector(
                AuctionReports.ProvenCashTooHigh.selector, _cash(accountId) + 500e6, _cash(accountId)
            )
        );
        auctions.cancel(request, proof);
        house.setCollateralStale(false);
        auctions.cancel(request, proof);
    }

    /// @dev Stricter parameters come into force while the auction runs: it goes by its own, and either version ends it.
    function test_parametersChangeDuringAnAuction() public {
        _start();
        LiquidationTerms memory harsher = _terms();
        harsher.bufferBps = 5_000;
        harsher.startFactorBps = 9_000;
        harsher.maxProofAge = 10;
        market.setTerms(BTC, harsher);
        _later(30);
        _freshen();
        BidQuote memory quote = auctions.quoteBid(accountId, type(uint256).max, false);
        assertEq(quote.sale.target, 1_320e6, "buffer of the start");
        assertEq(quote.factorBps, 9_860, "price of the start");
        assertEq(auctions.auctionOf(accountId).version, 1, "version of the start");

        CancelRequest memory request = _cancelRequest(_cash(accountId));
        assertEq(request.version, 1, "the auction's");
        auctions.cancel(request, _recoveryProof(request));
        _start();
        assertEq(auctions.auctionOf(accountId).version, 2, "a new auction goes by the new ones");
        market.setTerms(BTC, _terms());
        request = _cancelRequest(_cash(accountId));
        request.version = 3;
        auctions.cancel(request, _recoveryProof(request));
    }

    function test_close_afterADeposit() public {
        _start();
        int256 equity = _equity(MARK);
        house.addCash(accountId, int128(1_320e6 - equity - 102));
        _stand();
        vm.expectRevert(
            abi.encodeWithSelector(AuctionReports.NotCovered.selector, int256(1_320e6 - 102), uint256(1_320e6))
        );
        auctions.close(accountId);
        // A lack of 100, and of what a unit of scale makes, is rounding.
        house.addCash(accountId, 2);
        uint256 provenAt = auctions.auctionOf(accountId).provenAt;
        _later(181);
        vm.expectRevert(abi.encodeWithSelector(AuctionReports.ProofTooOld.selector, provenAt));
        auctions.close(accountId);
        vm.warp(block.timestamp - 1);
        auctions.close(accountId);
        assertTrue(!_running() && !_account().inAuction, "over");
        vm.expectRevert(abi.encodeWithSelector(AuctionReports.NoAuction.selector, accountId));
        auctions.close(accountId);
    }

    function test_close_releasesWhatAnEarlierAuctionHouseMarked() public {
        house.setMark(accountId, true);
        auctions.close(accountId);
        assertTrue(!_account().inAuction, "released");
        // Or the account is taken on.
        house.setMark(accountId, true);
        _start();
        assertTrue(_running(), "taken on");
    }

    function test_settlement_supersedesTheAuction() public {
        _start();
        house.settle(accountId, LEGS + 1, -50e6);
        bytes memory superseded = abi.encodeWithSelector(AuctionReports.AuctionSuperseded.selector, accountId);
        _bidRefused(_order(vesselId), superseded);
        AuctionClaim memory claim = _claim(accountId, MARK, REQUIREMENT);
        Groth16Proof memory proof = _refreshProof(MARK, REQUIREMENT, rival);
        vm.expectRevert(superseded);
        vm.prank(rival);
        auctions.refresh(claim, proof);
        vm.expectRevert(superseded);
        auctions.poke(accountId);
        assertEq(_start(), 2, "a new auction in the place of the old one");
        assertTrue(_account().inAuction, "marked all the time");
        assertEq(_cash(accountId), 4_950e6 - 2_424_242, "no second fee");
        house.settle(accountId, LEGS + 2, 0);
        auctions.close(accountId);
        assertTrue(!_running() && !_account().inAuction, "or closed");
    }

    function test_settlement_recoveryEndsASupersededAuction() public {
        _start();
        house.settle(accountId, LEGS + 1, 500e6);
        CancelRequest memory request = _cancelRequest(_cash(accountId));
        auctions.cancel(request, _recoveryProof(request));
        assertTrue(!_running(), "over");
    }

    /// @dev Without that, whoever knows of a deficit could settle, close, and take his money out.
    function test_settlement_deficitsStayPendingUntilAProof() public {
        house.addCash(accountId, -1_100e6);
        _start();
        assertEq(house.pendingDeficitOf(accountId), 100e6, "pending");
        house.settle(accountId, LEGS + 1, 0);
        _later(240);
        vm.expectRevert(abi.encodeWithSelector(AuctionReports.AwaitingProof.selector, accountId));
        auctions.close(accountId);
        _start();
        assertEq(house.pendingDeficitOf(accountId), 100e6, "still pending");
        house.settle(accountId, LEGS + 2, 600e6);
        _start();
        assertEq(house.pendingDeficitOf(accountId), 0, "worth came back");
        assertEq(auctions.auctionOf(accountId).insolventSince, 0, "no clock");
        house.addCash(accountId, -600e6);
        auctions.poke(accountId);
        house.settle(accountId, LEGS + 3, 0);
        CancelRequest memory request = _cancelRequest(_cash(accountId));
        auctions.cancel(request, _recoveryProof(request));
        assertEq(house.pendingDeficitOf(accountId), 0, "cleared at the end");
    }

    // Worth nothing

    function _takeOver(address taker, TakeOverOrder memory order) private returns (Takeover memory) {
        vm.prank(taker);
        return auctions.takeOver(order);
    }

    function _takeOverRefused(TakeOverOrder memory order, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(keeper);
        auctions.takeOver(order);
    }

    function test_takeOver_subsidyRisesToAllThatIsLacking() public {
        house.addCash(accountId, -1_100e6);
        house.addCash(1, 1_000e6);
        _start();
        assertEq(_cash(accountId), 3_900e6, "no fee");
        assertEq(auctions.auctionOf(accountId).insolventSince, block.timestamp, "clock");
        assertEq(house.pendingDeficitOf(accountId), 100e6, "pending deficit");
        (Takeover memory quote,) = auctions.quoteTakeOver(accountId, type(uint256).max, false);
        assertEq(quote.subsidy, 0, "nothing at first");
        _later(150);
        // A quarter of the time; a half of the account.
        TakeOverOrder memory order = _takeOverOrder(vesselId);
        order.maxScale = UNIT / 2;
        order.minSubsidy = 1_420e6 / 8;
        Takeover memory taken = _takeOver(keeper, order);
        assertEq(taken.subsidy, 1_420e6 / 8, "a quarter of a half");
        assertEq(house.pendingDeficitOf(accountId), 50e6, "a half is left");
        assertEq(_cash(vesselId), 1_000_000e6 + 1_950e6 + 1_420e6 / 8, "cash and subsidy");
        _later(90);
        market.post(BTC);
        _refresh(MARK, REQUIREMENT, rival);
        _later(240);
        market.post(BTC);
        _refresh(MARK, REQUIREMENT, rival);
        _later(120);
        taken = _takeOver(rival, _takeOverOrder(rivalVesselId));
        assertEq(taken.subsidy, 710e6, "all that it lacks");
        assertTrue(!_running() && !_account().inAuction, "over");
        assertEq(_account().scale, 0, "nothing is left");
        assertEq(_cash(accountId), 0, "nor any cash");
        assertEq(house.pendingDeficitOf(accountId), 0, "nor a deficit");
        assertEq(_cash(1), 1_000e6 - 710e6 - 1_420e6 / 8, "the fund paid");
    }

    function test_takeOver_refusals() public {
        _start();
        TakeOverOrder memory order = _takeOverOrder(vesselId);
        int256 equity = _equity(MARK);
        _takeOverRefused(order, abi.encodeWithSelector(LiquidationMath.HasWorth.selector, equity));
        house.addCash(accountId, int128(-equity - 100e6));
        auctions.poke(accountId);
        order.deadline = block.timestamp - 1;
        _takeOverRefused(order, abi.encodeWithSelector(AuctionReports.DeadlinePassed.selector, order.deadline));
        order = _takeOverOrder(vesselId);
        order.round = 9;
        _takeOverRefused(
            order, abi.encodeWithSelector(AuctionReports.AuctionChanged.selector, uint64(1), uint64(1))
        );
        order = _takeOverOrder(vesselId);
        order.asBackstop = true;
        _takeOverRefused(order, abi.encodeWithSelector(AuctionReports.NotBackstop.selector, keeper));
        order = _takeOverOrder(vesselId);
        order.minSubsidy = 1;
        _takeOverRefused(
            order, abi.encodeWithSelector(AuctionReports.SubsidyBelowLimit.selector, uint256(0), uint256(1))
        );
        order = _takeOverOrder(vesselId);
        order.maxScale = UNIT / 10;
        (, uint256 least) = auctions.quoteTakeOver(accountId, 1, false);
        _takeOverRefused(order, abi.encodeWithSelector(AuctionReports.BidTooSmall.selector, UNIT / 10, least));
        order = _takeOverOrder(vesselId);
        order.maxScale = UNIT / 2;
        order.minScale = UNIT / 2 + 1;
        _takeOverRefused(
            order, abi.encodeWithSelector(AuctionReports.ScaleBelowLimit.selector, UNIT / 2, UNIT / 2 + 1)
        );
        _later(241);
        uint256 provenAt = auctions.auctionOf(accountId).provenAt;
        _takeOverRefused(
            _takeOverOrder(vesselId), abi.encodeWithSelector(AuctionReports.ProofTooOld.selector, provenAt)
        );
    }

    function test_takeOver_leavesNoDust() public {
        house.addCash(accountId, -1_100e6);
        _start();
        (, uint256 least) = auctions.quoteTakeOver(accountId, UNIT, false);
        TakeOverOrder memory order = _takeOverOrder(vesselId);
        order.maxScale = UNIT - 1;
        assertEq(_takeOver(keeper, order).scaleTaken, UNIT - least, "the smallest part is left");
    }

    function test_takeOver_withoutAClockThereIsNoSubsidy() public {
        _start();
        house.addCash(accountId, int128(-_equity(MARK) - 100e6));
        _later(200);
        TakeOverOrder memory order = _takeOverOrder(vesselId);
        order.maxScale = UNIT / 2;
        assertEq(_takeOver(keeper, order).subsidy, 0, "no subsidy");
        assertEq(auctions.auctionOf(accountId).insolventSince, block.timestamp, "but the clock runs now");
    }

    function test_takeOver_reservedCashGoesAlong() public {
        _start(MARK, 3_000e6);
        BidOrder memory order = _order(vesselId);
        order.maxScale = UNIT / 5;
        _bid(keeper, order);
        assertTrue(auctions.auctionOf(accountId).reserved != 0, "reserved");
        market.post(BTC);
        _refresh(MARK - 2_000e6, 3_000e6, rival);
        TakeOverOrder memory over = _takeOverOrder(rivalVesselId);
        over.maxScale = UNIT / 5;
        _takeOver(rival, over);
        assertEq(auctions.auctionOf(accountId).reserved, 0, "nothing is reserved");
    }

    function test_poke_startsAndStopsTheClock() public {
        _start();
        int128 equity = int128(_equity(MARK));
        auctions.poke(accountId);
        assertEq(auctions.auctionOf(accountId).insolventSince, 0, "worth something");
        house.addCash(accountId, -equity - 30e6);
        auctions.poke(accountId);
        assertEq(auctions.auctionOf(accountId).insolventSince, block.timestamp, "worth nothing");
        assertEq(house.pendingDeficitOf(accountId), 30e6, "deficit");
        _later(10);
        house.addCash(accountId, -5e6);
        auctions.poke(accountId);
        assertEq(auctions.auctionOf(accountId).insolventSince, block.timestamp - 10, "the clock goes on");
        assertEq(house.pendingDeficitOf(accountId), 35e6, "more");
        house.addCash(accountId, 36e6);
        auctions.poke(accountId);
        assertEq(auctions.auctionOf(accountId).insolventSince, 0, "worth came back");
        assertEq(house.pendingDeficitOf(accountId), 0, "no deficit");
        _later(240);
        vm.expectRevert(
            abi.encodeWithSelector(AuctionReports.ProofTooOld.selector, auctions.auctionOf(accountId).provenAt)
        );
        auctions.poke(accountId);
    }

    function test_bid_afterADepositStopsTheClock() public {
        house.addCash(accountId, -1_100e6);
        _start();
        house.addCash(accountId, 500e6);
        BidOrder memory order = _order(vesselId);
        order.maxScale = UNIT / 3;
        _bid(keeper, order);
        assertEq(auctions.auctionOf(accountId).insolventSince, 0, "stopped");
        assertEq(house.pendingDeficitOf(accountId), 0, "no deficit");
    }

    /// @dev The deposit came and nobody poked; the next round takes the equity away again.
    function test_refresh_equityInBetweenRestartsTheClock() public {
        house.addCash(accountId, -1_100e6);
        _start();
        _later(100);
        house.addCash(accountId, 200e6);
        market.post(BTC);
        _refresh(MARK - 300e6, REQUIREMENT, keeper);
        assertEq(auctions.auctionOf(accountId).insolventSince, block.timestamp, "anew");
        assertEq(house.pendingDeficitOf(accountId), 200e6, "deficit");
        _later(100);
        market.post(BTC);
        _refresh(MARK - 400e6, REQUIREMENT, keeper);
        assertEq(auctions.auctionOf(accountId).insolventSince, block.timestamp - 100, "goes on");
        market.post(BTC);
        _refresh(MARK, REQUIREMENT, keeper);
        assertEq(auctions.auctionOf(accountId).insolventSince, 0, "a better round");
        assertEq(house.pendingDeficitOf(accountId), 0, "no deficit");
    }

    // Worth something without equity

    /// @dev Equity -100, worth 300. The fee is 1 % of 300 * 1,420 / 1,720.
    function test_worth_isNoInsolvency() public {
        _withHaircut(-100e6, 400e6);
        int256 cash = _cash(accountId);
        _start();
        assertEq(_cash(accountId), cash - 2_476_744, "fee");
        assertEq(auctions.auctionOf(accountId).insolventSince, 0, "no clock");
        assertEq(house.pendingDeficitOf(accountId), 0, "nothing is lacking");
        _later(100);
        auctions.poke(accountId);
        market.post(BTC);
        _refresh(MARK, REQUIREMENT, keeper);
        assertEq(auctions.auctionOf(accountId).insolventSince, 0, "no clock");
        assertEq(house.pendingDeficitOf(accountId), 0, "nothing is lacking");
        int256 worth = 300e6 - 2_476_744;
        bytes memory refusal = abi.encodeWithSelector(LiquidationMath.HasWorth.selector, worth);
        _takeOverRefused(_takeOverOrder(vesselId), refusal);
        TakeOverOrder memory order = _takeOverOrder(backstopVesselId);
        order.asBackstop = true;
        vm.expectRevert(refusal);
        vm.prank(backstop);
        auctions.takeOver(order);
        vm.expectRevert(refusal);
        auctions.quoteTakeOver(accountId, type(uint256).max, false);
    }

    /// @dev What is sold costs a part of the worth, not of the equity, and brings the account from below 0 to its target.
    function test_worth_isSold() public {
        _withHaircut(-100e6, 400e6);
        _start();
        _stand();
        BidOrder memory order = _order(vesselId);
        uint256 worth = 300e6 - 2_476_744;
        uint256 deficit = 1_320e6 + 100e6 + 2_476_744;
        BidQuote memory bought = _bid(keeper, order);
        assertEq(bought.factorBps, 9_820, "price");
        assertEq(bought.sale.worth, int256(worth), "worth");
        assertEq(bought.sale.maxScale, UNIT * deficit * 10_000 / (deficit * 10_000 + worth * 9_820), "all that it needs");
        uint256 taken = bought.sale.scaleTaken;
        assertEq(bought.sale.worthTaken, (worth * taken + UNIT - 1) / UNIT, "its part of the worth");
        assertEq(bought.sale.proceeds, (bought.sale.worthTaken * 9_820 + 9_999) / 10_000, "98.2 %");
        assertEq(house.collateralOf(vesselId), 2_000e6 * taken / UNIT, "collateral goes along");
        assertEq(
            house.collateralValueOf(vesselId, false).saleValue, 2_000e6 * taken / UNIT + 400e6 * taken / UNIT, "all of it"
        );
        assertTrue(!_running() && !_account().inAuction, "over");
        int256 target = int256(1_320e6 * uint256(_account().scale) / UNIT);
        int256 equity = _wholeEquity(accountId, MARK);
        assertTrue(equity >= target - 2 && equity <= target + 4, "at its target");
        assertEq(house.pendingDeficitOf(accountId), 0, "nothing is lacking");
        assertEq(house.openDeficit(), 0, "nobody paid");
    }

    function test_worth_isSoldToTheLastUnit() public {
        _withHaircut(-100e6, 100e6);
        _start();
        assertEq(auctions.auctionOf(accountId).insolventSince, block.timestamp, "worth 0");
        assertEq(house.pendingDeficitOf(accountId), 0, "without a lack");
        _bidRefused(_order(vesselId), abi.encodeWithSelector(LiquidationMath.NoWorth.selector, int256(0)));
        house.setHaircut(accountId, 100e6 + 1);
        _takeOverRefused(
            _takeOverOrder(vesselId), abi.encodeWithSelector(LiquidationMath.HasWorth.selector, int256(1))
        );
        BidQuote memory bought = _bid(keeper, _order(vesselId));
        assertEq(bought.sale.proceeds, 1, "a unit for nearly all");
        assertTrue(bought.sale.scaleTaken > UNIT - 1_000, "nearly all");
        assertEq(auctions.auctionOf(accountId).insolventSince, 0, "the clock is stopped");
    }

    /// @dev Equity -100, worth -40: the fund pays for 40, and for the target.
    function test_worth_belowZeroIsTakenOver() public {
        _withHaircut(-100e6, 60e6);
        house.addCash(1, 2_000e6);
        int256 cash = _cash(accountId);
        _start();
        assertEq(_cash(accountId), cash, "no fee");
        assertEq(auctions.auctionOf(accountId).insolventSince, block.timestamp, "clock");
        assertEq(house.pendingDeficitOf(accountId), 40e6, "what its worth lacks, not its equity");
        _bidRefused(_order(vesselId), abi.encodeWithSelector(LiquidationMath.NoWorth.selector, -40e6));
        _later(150);
        TakeOverOrder memory order = _takeOverOrder(vesselId);
        order.maxScale = UNIT / 2;
        Takeover memory taken = _takeOver(keeper, order);
        assertEq(taken.worth, -40e6, "worth");
        assertEq(taken.target, 1_320e6, "target");
        assertEq(taken.subsidy, 1_360e6 / 8, "a quarter of a half");
        assertEq(house.pendingDeficitOf(accountId), 20e6, "a half is left");
        uint32[3] memory times = [uint32(90), 240, 120];
        for (uint256 index = 0; index < 3; index++) {
            _later(times[index]);
            market.post(BTC);
            _refresh(MARK, REQUIREMENT, rival);
        }
        assertEq(_takeOver(rival, _takeOverOrder(rivalVesselId)).subsidy, 680e6, "all that its worth lacks");
        assertTrue(!_running(), "over");
        assertEq(_cash(1), 2_000e6 - 680e6 - 170e6, "the fund paid 850 of 1,360");
        assertEq(house.pendingDeficitOf(accountId), 0, "nothing is lacking");
    }

    /// @dev A hedged account: nothing is required, equity is 1,000 of 100,000 of collateral. Its haircut is raised, from 10 % to 12 %: 2,222 count no
    /// longer, and the sale value falls by 489. A tenth of the account is sold, and what is paid for its haircut makes up for the lack.
    function test_worth_ofAHedgedAccountWhoseHaircutRises() public {
        house.setCollateral(accountId, 100_000e6);
        house.setHaircut(accountId, 10_000e6);
        house.addCash(accountId, -100_000e6);
        house.addCash(1, 1_000e6);
        AuctionClaim memory claim = _claim(accountId, MARK, 0);
        Groth16Proof memory proof = _startProof(accountId, MARK, 0, keeper);
        vm.expectRevert(
            abi.encodeWithSelector(AuctionReports.NotLiquidatable.selector, int256(1_000e6), uint256(0))
        );
        vm.prank(keeper);
        auctions.start(claim, vesselId, proof);
        house.setCollateral(accountId, 97_778e6);
        house.setHaircut(accountId, 11_733e6);
        _start(MARK, 0);
        assertEq(auctions.auctionOf(accountId).insolventSince, 0, "no clock");
        assertEq(house.pendingDeficitOf(accountId), 0, "no deficit");
        int256 fund = _cash(1);
        // -1,222 and the fee of 1 % of 1,222 * 10,511 / 11,733.
        int256 equity = -1_222e6 - 10_947_278;
        assertEq(_wholeEquity(accountId, MARK), equity, "equity");
        _stand();
        BidQuote memory bought = _bid(keeper, _order(vesselId));
        assertEq(bought.sale.target, 0, "nothing is required");
        assertEq(bought.sale.worth, equity + 11_733e6, "worth");
        // 1,232.9 / (1,232.9 + 0.982 * 10,500.1).
        assertTrue(bought.sale.scaleTaken > UNIT / 10 && bought.sale.scaleTaken < UNIT * 11 / 100, "a tenth");
        assertTrue(!_running(), "over");
        equity = _wholeEquity(accountId, MARK);
        assertTrue(equity >= -2 && equity <= 4, "nothing is lacking");
        assertEq(_cash(1), fund, "the fund paid nothing");
        assertEq(house.openDeficit(), 0, "nor anybody else");
    }

    /// @dev Nothing is required and equity is at 0, or above: covered. Without any worth it is not.
    function test_close_ofWhatRequiresNothing() public {
        _withHaircut(-1e6, 500e6);
        _start(MARK, 0);
        house.addCash(accountId, int128(-_wholeEquity(accountId, MARK)) - 101);
        _stand();
        vm.expectRevert(
            abi.encodeWithSelector(AuctionReports.NotCovered.selector, int256(-101), uint256(0))
        );
        auctions.close(accountId);
        house.setHaircut(accountId, 100);
        house.addCash(accountId, 1);
        vm.expectRevert(
            abi.encodeWithSelector(AuctionReports.NotCovered.selector, int256(-100), uint256(0))
        );
        auctions.close(accountId);
        // A worth of 1; a lack of 100 is rounding.
        house.setHaircut(accountId, 101);
        auctions.close(accountId);
        assertTrue(!_running() && !_account().inAuction, "over");
    }

    /// @dev One unit of scale makes more of the lack, the more is paid for what counts for nothing.
    function test_close_allowsWhatAUnitOfScaleMakes() public {
        house.setPositions(accountId, LEGS, 2 ** 24);
        _withHaircut(-10_000e6, 110_000e6);
        _start(MARK, 0);
        _bid(keeper, _order(vesselId));
        assertTrue(_running(), "figures of this very second cannot end it");
        _bidRefused(_order(vesselId), abi.encodeWithSelector(LiquidationMath.SliceTooSmall.selector));
        assertTrue(_wholeEquity(accountId, 0) + MARK * int256(uint256(_account().scale)) / 2 ** 24 < -1_000, "lack");
        _stand();
        auctions.close(accountId);
        assertTrue(!_running(), "covered");
    }

    /// @dev Old figures are for accounts whose collateral is small. What is sold counts for that, also where it counts for nothing else.
    function test_worth_thatOutweighsTheRequirementNeedsTheNewestRound() public {
        _withHaircut(100e6, 0);
        house.setCollateral(accountId, 0);
        house.addCash(accountId, 2_000e6);
        house.setHaircut(accountId, REQUIREMENT);
        _start();
        market.post(BTC);
        auctions.quoteBid(accountId, type(uint256).max, false);
        house.setHaircut(accountId, REQUIREMENT + 1);
        bytes memory old =
            abi.encodeWithSelector(AuctionReports.ProofTooOld.selector, auctions.auctionOf(accountId).provenAt);
        vm.expectRevert(old);
        auctions.quoteBid(accountId, type(uint256).max, false);
    }

    function test_poke_goesByWorth() public {
        _withHaircut(-100e6, 400e6);
        _start();
        int128 worth = 300e6 - 2_476_744;
        house.addCash(accountId, -worth);
        auctions.poke(accountId);
        assertEq(auctions.auctionOf(accountId).insolventSince, block.timestamp, "worth 0");
        assertEq(house.pendingDeficitOf(accountId), 0, "nothing to report");
        house.setHaircut(accountId, 395e6);
        auctions.poke(accountId);
        assertEq(house.pendingDeficitOf(accountId), 5e6, "reported");
        house.setHaircut(accountId, 400e6 + 1);
        auctions.poke(accountId);
        assertEq(auctions.auctionOf(accountId).insolventSince, 0, "worth 1");
        assertEq(house.pendingDeficitOf(accountId), 0, "no deficit");
    }

    /// @dev What brings worth stops the clock at the next refresh, even if the new figures take it away again.
    function test_refresh_worthInBetweenRestartsTheClock() public {
        _withHaircut(-500e6, 400e6);
        _start();
        _later(100);
        house.setHaircut(accountId, 501e6);
        // Worse figures of the same round: those before them showed worth.
        _refresh(MARK - 200e6, REQUIREMENT, keeper);
        assertEq(auctions.auctionOf(accountId).insolventSince, block.timestamp, "anew");
        assertEq(house.pendingDeficitOf(accountId), 199e6, "deficit");
        _later(100);
        market.post(BTC);
        _refresh(MARK - 300e6, REQUIREMENT, keeper);
        assertEq(auctions.auctionOf(accountId).insolventSince, block.timestamp - 100, "goes on");
        assertEq(house.pendingDeficitOf(accountId), 299e6, "deficit");
    }

    /// @dev Else each round in which collateral rises would set the clock back, though the account was never worth anything.
    function test_refresh_ofANewerRoundDoesNotMixPrices() public {
        _withHaircut(-500e6, 400e6);
        _start();
        uint256 since = auctions.auctionOf(accountId).insolventSince;
        for (uint256 step = 0; step < 5; step++) {
            _later(60);
            // Collateral is worth more at once, and the legs that it hedges less once they are proven.
            house.setHaircut(accountId, 501e6 + step);
            market.post(BTC);
            _refresh(MARK - 200e6 - int256(step), REQUIREMENT, keeper);
        }
        assertEq(auctions.auctionOf(accountId).insolventSince, since, "runs on");
    }

    function test_quotes_refuseWithoutAnAuction() public {
        bytes memory reason = abi.encodeWithSelector(AuctionReports.NoAuction.selector, accountId);
        vm.expectRevert(reason);
        auctions.quoteBid(accountId, 1, false);
        vm.expectRevert(reason);
        auctions.quoteTakeOver(accountId, 1, false);
        vm.expectRevert(reason);
        auctions.vesselFloorOf(accountId, 1, 0);
        vm.expectRevert(reason);
        auctions.requireFillable(accountId);
    }

    // Properties

    /// @dev What the trader's account is worth by figures at the base scale.
    function _worth(int256 mark) private view returns (int256) {
        return _equity(mark) + int256(house.collateralValueOf(accountId, false).saleValue);
    }

    /// @dev A bid for a part of what is for sale.
    /// @return whether there was any: an account that lacks less than a unit of scale makes is not for sale
    function _bidOfAPart(uint256 parts) private returns (bool) {
        BidOrder memory order = _order(vesselId);
        try auctions.quoteBid(accountId, type(uint256).max, false) returns (BidQuote memory offered) {
            order.maxScale = (offered.sale.maxScale + parts - 1) / parts;
        } catch (bytes memory reason) {
            bytes4 refusal = bytes4(reason);
            bool none = refusal == LiquidationMath.SliceTooSmall.selector
                || refusal == LiquidationMath.AccountHealthy.selector;
            assertTrue(none, "nothing is for sale");
            return false;
        }
        _bid(keeper, order);
        return true;
    }

    /// @dev Trader, starter and bidder are one. Whatever they do, together they only lose, and what they lose the fund has.
    function testFuzz_washTradingEarnsNothing(
        int256 equity,
        uint256 haircut,
        uint256 requirement,
        uint256 wait,
        uint256 first,
        int256 drift
    ) public {
        equity = bound(equity, -5_000e6, 5_000e6);
        requirement = bound(requirement, equity < 0 ? 1e6 : uint256(equity) + 1e6, 40_000e6);
        _withHaircut(int128(equity), bound(haircut, equity > 0 ? 0 : uint256(1e6 - equity), 100_000e6));
        int256 before = _cash(accountId) + _cash(vesselId);
        _start(MARK, requirement);
        int256 fund = _cash(1);
        assertEq(_cash(accountId) + _cash(vesselId) + fund, before, "the fee");
        _later(bound(wait, 0, 240));
        BidOrder memory order = _order(vesselId);
        BidQuote memory offered = auctions.quoteBid(accountId, type(uint256).max, false);
        order.maxScale = bound(first, offered.leastScale, offered.sale.maxScale);
        _bid(keeper, order);
        if (_running()) {
            market.post(BTC);
            int256 worth = _worth(MARK);
            drift = bound(drift, 1, worth - 1);
            AuctionClaim memory claim = _claim(accountId, MARK - drift, requirement);
            Groth16Proof memory proof = _refreshProof(MARK - drift, requirement, keeper);
            vm.prank(keeper);
            try auctions.refresh(claim, proof) {
                if (_worth(MARK - drift) > 0) _bid(keeper, _order(vesselId));
            } catch {}
        }
        assertEq(house.collateralOf(accountId) + house.collateralOf(vesselId), 2_000e6, "nor collateral");
        assertEq(_cash(accountId) + _cash(vesselId) + fund, before, "nothing from nobody");
        assertEq(_cash(1), fund, "bids take nothing from the fund");
        assertEq(house.openDeficit(), 0, "nor from everybody");
        assertEq(uint256(_account().scale) + house.getAccount(vesselId).scale, UNIT, "positions");
    }

    /// @dev All that is offered, at any price and after any number of bids, brings the account where `close` wants it, also from below 0.
    function testFuzz_allThatIsOfferedCoversTheAccount(
        int256 equity,
        uint256 requirement,
        uint256 parts,
        uint256 scale,
        uint256 collateral,
        uint256 haircut
    ) public {
        collateral = bound(collateral, 0, 1_000e6);
        equity = bound(equity, -5_000e6, 5_000e6);
        requirement = bound(requirement, equity < 0 ? 0 : uint256(equity) + 1, 40_000e6);
        haircut = bound(haircut, equity > 0 ? 0 : uint256(1e6 - equity), 1_000_000e6);
        house.addCash(accountId, int128(equity - MARK - int256(collateral) - _cash(accountId)));
        house.setCollateral(accountId, collateral);
        house.setHaircut(accountId, haircut);
        house.setPositions(accountId, LEGS, uint64(bound(scale, 2 ** 24, UNIT)));
        house.setCollateralStale(true);
        _start(MARK, requirement);
        parts = bound(parts, 0, 5);
        for (uint256 part = 0; part <= parts && _bidOfAPart(part < parts ? 3 : 1); part++) {
            _later(10);
        }
        _stand();
        if (_running()) auctions.close(accountId);
        assertTrue(!_running(), "covered");
    }
}
