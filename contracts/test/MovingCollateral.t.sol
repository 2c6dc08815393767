// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Auction, AuctionReports, BidQuote} from "../src/auction/AuctionTypes.sol";
import {AuctionClaim, CancelRequest} from "../src/interfaces/AuctionRequests.sol";
import {Groth16Proof} from "../src/interfaces/Groth16.sol";
import {CollateralValues} from "../src/interfaces/ICollateralVault.sol";
import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {LiquidationMath, ProvenFigures, Takeover} from "../src/libraries/LiquidationMath.sol";
import {Liquidation, LiquidationEngine, LiquidationOrder} from "../src/LiquidationEngine.sol";
import {AuctionTest} from "./base/AuctionTest.sol";
import {AuctionLedger} from "./mocks/AuctionLedger.sol";

/// @title Liquidations and auctions of accounts whose collateral moves with their positions
/// @notice The trader's account has 4,000 cash and 1,000 of moving collateral against a mark of -4,000: an equity of 1,000.
contract MovingCollateralTest is AuctionTest {
    int256 private constant HALF = 2 ** 53;

    Auction[2] private _pair;

    function setUp() public {
        _deploy();
        house.addCash(accountId, -1_000e6);
        house.setMovingCollateral(accountId, 1_000e6);
    }

    function _liquidation(uint256 base) private view returns (LiquidationOrder memory) {
        return LiquidationOrder({
            accountId: accountId,
            nonce: _account().nonce,
            vesselId: vesselId,
            round: _round(),
            mark: MARK,
            baseRequirement: int256(base),
            collateralSlope: slope,
            capacity: 8,
            maxPayment: type(uint256).max,
            minScaleTaken: 1,
            deadline: block.timestamp
        });
    }

    function _liquidationProof(uint256 base) private view returns (Groth16Proof memory) {
        return _insolvencyProof(
            address(engine),
            accountId,
            _account().nonce,
            _account().scale,
            market.versionOf(BTC),
            MARK,
            base,
            keeper
        );
    }

    function _healthy(uint256 base, int256 equity, uint256 requirement) private {
        LiquidationOrder memory order = _liquidation(base);
        vm.expectRevert(abi.encodeWithSelector(LiquidationMath.AccountHealthy.selector, equity, requirement));
        engine.previewLiquidation(order, keeper);
    }

    function _target(uint256 base) private view returns (uint256) {
        return engine.previewLiquidation(_liquidation(base), keeper).sale.target;
    }

    // Liquidations

    /// @dev A covered call: what the call loses by a rise the collateral gains.
    function test_collateralThatOffsetsKeepsACoveredCallHealthy() public {
        slope = -HALF;
        // 1,200 - 500.
        _healthy(1_200e6, 1_000e6, 700e6);
        // The same value in collateral of another underlying, or in cash, offsets nothing.
        house.setMovingCollateral(accountId, 0);
        house.setCollateral(accountId, 1_000e6);
        assertEq(_target(1_200e6), 1_320e6, "other collateral is not moving");
        house.setCollateral(accountId, 0);
        house.addCash(accountId, 1_000e6);
        assertEq(_target(1_200e6), 1_320e6, "cash is not moving");
    }

    /// @dev Short puts behind the underlying itself: both lose by a fall.
    function test_collateralThatAddsRiskIsRequiredFor() public {
        slope = HALF;
        assertEq(_target(800e6), 1_430e6, "1,300 and the buffer");
        house.setMovingCollateral(accountId, 0);
        house.addCash(accountId, 1_000e6);
        _healthy(800e6, 1_000e6, 800e6);
    }

    function test_requirementsAreNotBelowZero() public {
        slope = -2 * HALF;
        _healthy(900e6, 1_000e6, 0);
        house.addCash(accountId, -1_000e6);
        _healthy(900e6, 0, 0);
        house.addCash(accountId, -1);
        LiquidationOrder memory order = _liquidation(900e6);
        vm.expectRevert(abi.encodeWithSelector(LiquidationEngine.BadDebt.selector, int256(-1)));
        engine.previewLiquidation(order, keeper);
        // What its haircut leaves out is sold: a lack of 1 of a worth of 99.999999, at 90 %.
        house.setHaircut(accountId, 100e6);
        assertEq(engine.previewLiquidation(order, keeper).sale.maxScale, uint256(UNIT) * 10 / 900e6, "a unit's worth");
    }

    /// @dev A covered call: nothing is required, and the haircut of the collateral rises. Equity falls below 0, and no subsidy comes of it.
    function test_aHedgedAccountWhoseHaircutRisesIsSold() public {
        slope = -2 * HALF;
        _healthy(900e6, 1_000e6, 0);
        house.addCash(accountId, -1_000e6);
        // Of 1,000 after a haircut of 10 % there are 800 left after one of 28 %, and 1,024 at which they are sold.
        house.setMovingCollateral(accountId, 800e6);
        house.setHaircut(accountId, 224e6);
        _start(MARK, 750e6);
        assertEq(auctions.auctionOf(accountId).insolventSince, 0, "no clock");
        assertEq(house.pendingDeficitOf(accountId), 0, "no deficit");
        BidQuote memory quote = auctions.quoteBid(accountId, type(uint256).max, false);
        assertEq(quote.state.requirement, 0, "nothing is required");
        assertEq(quote.state.saleCollateral, 1_024e6, "what is for sale");
        // The fee: 1 % of 24 * 200 / 224.
        assertEq(quote.sale.worth, 24e6 - 214_285, "worth");
        vm.expectRevert(abi.encodeWithSelector(LiquidationMath.HasWorth.selector, quote.sale.worth));
        auctions.quoteTakeOver(accountId, type(uint256).max, false);
    }

    /// @dev The proof says nothing of collateral: it holds whatever came meanwhile, and what came counts.
    function test_depositsVoidNoProof() public {
        slope = -HALF;
        LiquidationOrder memory order = _liquidation(1_800e6);
        Groth16Proof memory proof = _liquidationProof(1_800e6);
        house.setMovingCollateral(accountId, 1_100e6);
        house.setCollateral(accountId, 10e6);
        house.addCash(accountId, 20e6);
        vm.prank(keeper);
        Liquidation memory done = engine.liquidate(order, proof);
        assertEq(done.sale.worth, 1_130e6, "worth with what came");
        assertEq(done.sale.target, 1_375e6, "1,800 - 550, and the buffer");
    }

    /// @dev What remains has the ratio that the target asks for, collateral counted in both.
    function test_slicesKeepTheRatio() public {
        slope = -HALF / 2;
        LiquidationOrder memory order = _liquidation(1_500e6);
        Groth16Proof memory proof = _liquidationProof(1_500e6);
        vm.prank(keeper);
        engine.liquidate(order, proof);
        CollateralValues memory values = house.collateralValueOf(accountId, false);
        ProvenFigures memory figures =
            LiquidationMath.atScale(ProvenFigures(MARK, 1_500e6, slope, UNIT), _account().scale);
        uint256 requirement = LiquidationMath.requirementWith(figures.baseRequirement, slope, values.moving);
        int256 short = int256(LiquidationMath.targetOf(requirement, 1_000)) - _cash(accountId) - int256(values.value)
            - figures.mark;
        assertTrue(short <= 2 && short >= -6, "at its target");
    }

    // Vessels

    function test_vesselsAreJudgedByCollateralUpToTheAccountsShare() public {
        slope = -HALF / 2;
        LiquidationOrder memory order = _liquidation(1_500e6);
        Liquidation memory preview = engine.previewLiquidation(order, keeper);
        uint256 taken = preview.sale.scaleTaken;
        uint256 moved = 1_000e6 * taken / UNIT;
        // More than the account comes with neither offsets nor counts.
        house.setMovingCollateral(vesselId, 300e6);
        _asks(order, preview, _floor(taken, moved));
        // Less, where the vessel holds positions already.
        house.setMovingCollateral(vesselId, 0);
        house.setPositions(vesselId, LEGS, UNIT);
        _asks(order, preview, _floor(UNIT + taken, moved));
        assertTrue(_floor(UNIT + taken, moved) > _floor(UNIT + taken, moved + 300e6), "less of it asks for more cash");
    }

    /// @dev What haircuts leave out of the slice's collateral, or of the vessel's own, is no cover.
    function test_vesselsAreJudgedAfterHaircuts() public {
        slope = -HALF / 2;
        house.setHaircut(accountId, 200e6);
        house.setHaircut(vesselId, 1_000_000e6);
        LiquidationOrder memory order = _liquidation(1_500e6);
        Liquidation memory preview = engine.previewLiquidation(order, keeper);
        assertEq(preview.sale.worth, 1_200e6, "worth");
        uint256 taken = preview.sale.scaleTaken;
        _asks(order, preview, _floor(taken, 1_000e6 * taken / UNIT));
    }

    function test_staleCollateralOfVesselsNeitherCountsNorOffsets() public {
        slope = -HALF / 2;
        LiquidationOrder memory order = _liquidation(1_500e6);
        Liquidation memory preview = engine.previewLiquidation(order, keeper);
        house.setMovingCollateral(vesselId, 300e6);
        house.setCollateralStale(true);
        _asks(order, preview, _floor(preview.sale.scaleTaken, 0));
    }

    function _floor(uint256 held, uint256 moving) private view returns (int256) {
        return LiquidationMath.vesselFloor(ProvenFigures(MARK, 1_500e6, slope, UNIT), 1_000, held, moving);
    }

    /// @dev A unit less than the floor is refused, the floor suffices.
    function _asks(LiquidationOrder memory order, Liquidation memory preview, int256 floor) private {
        uint256 value = house.collateralValueOf(vesselId, true).value;
        uint256 arrives = house.collateralStale() ? 0 : 1_000e6 * preview.sale.scaleTaken / UNIT;
        uint256 most = 1_000e6 * (house.getAccount(vesselId).scale + preview.sale.scaleTaken) / UNIT;
        uint256 counted = value + arrives < most ? value + arrives : most;
        int256 need = floor - preview.sale.cashTaken + int256(preview.payment) - int256(counted);
        house.addCash(vesselId, int128(need - 1 - _cash(vesselId)));
        Groth16Proof memory proof = _liquidationProof(1_500e6);
        vm.expectRevert(
            abi.encodeWithSelector(AuctionLedger.VesselUnderfunded.selector, vesselId, floor - 1, floor)
        );
        vm.prank(keeper);
        engine.liquidate(order, proof);
        house.addCash(vesselId, 1);
        uint256 snapshot = vm.snapshotState();
        vm.prank(keeper);
        engine.liquidate(order, proof);
        assertTrue(vm.revertToState(snapshot), "undone");
    }

    // Auctions

    function test_recordsFitFiveSlots() public {
        uint256 first;
        uint256 second;
        Auction storage one = _pair[0];
        Auction storage other = _pair[1];
        assembly ("memory-safe") {
            first := one.slot
            second := other.slot
        }
        assertEq(second - first, 5, "slots");
        // The ends of every range survive.
        one.mark = -(2 ** 96);
        one.baseRequirement = -(2 ** 96);
        one.collateralSlope = -(2 ** 57);
        other.mark = 2 ** 96 - 1;
        other.baseRequirement = 2 ** 96 - 1;
        other.collateralSlope = 2 ** 57 - 1;
        assertEq(int256(one.mark) + int256(one.baseRequirement), -(2 ** 97), "least");
        assertEq(int256(other.mark) + int256(other.baseRequirement), 2 ** 97 - 2, "most");
        assertEq(int256(one.collateralSlope) + other.collateralSlope, -1, "slopes");
    }

    function test_auctionsRecordBaseAndSlope() public {
        slope = HALF;
        _start(MARK, 800e6);
        Auction memory auction = auctions.auctionOf(accountId);
        assertEq(int256(auction.baseRequirement), 800e6, "without collateral");
        assertEq(int256(auction.collateralSlope), HALF, "slope");
        BidQuote memory quote = auctions.quoteBid(accountId, type(uint256).max, false);
        assertEq(quote.state.requirement, 1_300e6, "with collateral");
        assertEq(quote.state.movingCollateral, 1_000e6, "moving collateral");
        house.setMovingCollateral(accountId, 1_200e6);
        quote = auctions.quoteBid(accountId, type(uint256).max, false);
        assertEq(quote.state.requirement, 1_400e6, "with what came");
    }

    function test_figuresOutOfRangeAreRefused() public {
        AuctionClaim memory claim = _claim(accountId, MARK, 1_200e6);
        Groth16Proof memory proof;
        claim.collateralSlope = 2 ** 57;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.SlopeOutOfRange.selector, int256(2 ** 57)));
        auctions.start(claim, vesselId, proof);
        claim.collateralSlope = 0;
        claim.baseRequirement = 2 ** 96;
        vm.expectRevert(abi.encodeWithSelector(IProofGate.RequirementOutOfRange.selector, int256(2 ** 96)));
        auctions.start(claim, vesselId, proof);
    }

    /// @dev Which scenario is worse depends on the collateral: 1,300 or 1,250 with 1,000 of it, 1,050 or 1,125 with 500.
    function test_refreshesCompareAtThePresentCollateral() public {
        slope = HALF;
        _start(MARK, 800e6);
        slope = HALF / 2;
        bytes memory notWorse = abi.encodeWithSelector(AuctionReports.NotWorse.selector, uint64(1), uint64(1));
        _refreshRefused(1_000e6, notWorse);
        house.setMovingCollateral(accountId, 500e6);
        house.addCash(accountId, 500e6);
        _refresh(MARK, 1_000e6, rival);
        assertEq(int256(auctions.auctionOf(accountId).collateralSlope), HALF / 2, "the other scenario");
        slope = HALF;
        _refreshRefused(800e6, notWorse);
    }

    function _refreshRefused(uint256 base, bytes memory reason) private {
        AuctionClaim memory claim = _claim(accountId, MARK, base);
        Groth16Proof memory proof = _refreshProof(MARK, base, rival);
        vm.expectRevert(reason);
        vm.prank(rival);
        auctions.refresh(claim, proof);
    }

    /// @dev A takeover of an account to whose lack its collateral adds more than it is worth: the waterfall pays for no more than that.
    function test_collateralRaisesNoSubsidy() public {
        slope = 6 * HALF;
        house.addCash(accountId, -1_100e6);
        _start(MARK, 1_200e6);
        Takeover memory quoted = _atFullSubsidy();
        assertEq(quoted.worth, -100e6, "worth");
        // Of the legs alone: 1,320 and a lack of 100.
        assertEq(quoted.target, 1_320e6, "without what collateral adds");
        assertEq(quoted.subsidy, 1_420e6, "what is lacking");
        house.setMovingCollateral(accountId, 1_050e6);
        (quoted,) = auctions.quoteTakeOver(accountId, type(uint256).max, false);
        assertEq(quoted.subsidy, 1_370e6, "less by what is given");
    }

    /// @dev The same account with 60 more at which its collateral is priced.
    function test_theSubsidyGoesByWorth() public {
        slope = 6 * HALF;
        house.addCash(accountId, -1_100e6);
        house.setHaircut(accountId, 60e6);
        _start(MARK, 1_200e6);
        assertEq(house.pendingDeficitOf(accountId), 40e6, "deficit");
        Takeover memory quoted = _atFullSubsidy();
        assertEq(quoted.worth, -40e6, "worth");
        assertEq(quoted.target, 1_320e6, "without what collateral adds");
        assertEq(quoted.subsidy, 1_360e6, "what the worth lacks");
    }

    function test_collateralThatOffsetsLowersTheSubsidy() public {
        slope = -HALF;
        house.addCash(accountId, -1_100e6);
        _start(MARK, 1_200e6);
        Takeover memory quoted = _atFullSubsidy();
        assertEq(quoted.target, 770e6, "1,200 - 500, and the buffer");
        assertEq(quoted.subsidy, 870e6, "what is lacking");
    }

    function _atFullSubsidy() private returns (Takeover memory quoted) {
        for (uint256 times = 0; times < 4; times++) {
            _later(150);
            market.post(BTC);
            _refresh(MARK, 1_200e6, rival);
        }
        (quoted,) = auctions.quoteTakeOver(accountId, type(uint256).max, false);
    }

    /// @dev The recovery's proof has moving collateral as a leg, and cash beside it.
    function test_recoveriesCountMovingCollateralOnce() public {
        slope = HALF;
        _start(MARK, 800e6);
        house.setCollateral(accountId, 300e6);
        int256 steady = _cash(accountId) + 300e6;
        CancelRequest memory request = _cancelRequest(steady + 1);
        Groth16Proof memory proof = _recoveryProof(request);
        vm.expectRevert(abi.encodeWithSelector(AuctionReports.ProvenCashTooHigh.selector, steady + 1, steady));
        auctions.cancel(request, proof);
        request = _cancelRequest(steady);
        proof = _recoveryProof(request);
        house.setMovingCollateral(accountId, 1_000e6 + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IProofGate.InvalidProof.selector, IProofGate.Circuit.Solvency, uint8(8))
        );
        auctions.cancel(request, proof);
        house.setMovingCollateral(accountId, 1_000e6);
        auctions.cancel(request, proof);
        assertTrue(!_account().inAuction, "ended");
    }

    // Figures and collateral of different times

    /// @dev A covered account: its requirement is small because much offsets. What its collateral gained since the proof would lower it further.
    function test_offsetsGoByTheNewestRound() public {
        slope = -HALF;
        house.setMovingCollateral(accountId, 500e6);
        house.addCash(accountId, 500e6);
        // Requires 1,450, by 750 of collateral and its effect.
        _start(MARK, 1_700e6);
        market.post(BTC);
        auctions.quoteBid(accountId, type(uint256).max, false);
        // Requires 1,300, by 1,200: still less. Then 1,250 by 1,350.
        house.setMovingCollateral(accountId, 800e6);
        house.addCash(accountId, -300e6);
        auctions.quoteBid(accountId, type(uint256).max, false);
        house.setMovingCollateral(accountId, 900e6);
        house.addCash(accountId, -100e6);
        bytes memory old =
            abi.encodeWithSelector(AuctionReports.ProofTooOld.selector, auctions.auctionOf(accountId).provenAt);
        vm.expectRevert(old);
        auctions.quoteBid(accountId, type(uint256).max, false);
        _later(100);
        vm.expectRevert(old);
        auctions.close(accountId);
    }

    // Attacks

    /// @dev The recorded scenario stands; then the owner gives collateral that helps in it, and would close. Anyone who knows a scenario in which it
    /// hurts records that one, in the same round: it is the worse one by what the account has now.
    function test_collateralDodgesOneScenarioAlone() public {
        slope = -HALF;
        _start(MARK, 1_700e6);
        _later(60);
        // By the recorded figures 900 are required of 1,600. A fall requires 1,000 and half of the collateral.
        house.setMovingCollateral(accountId, 1_600e6);
        slope = HALF;
        _refresh(MARK, 1_000e6, rival);
        vm.expectRevert(abi.encodeWithSelector(AuctionReports.FiguresTooNew.selector, block.timestamp + 60));
        auctions.close(accountId);
        _later(60);
        int256 equity = _cash(accountId) + 1_600e6 + MARK;
        vm.expectRevert(abi.encodeWithSelector(AuctionReports.NotCovered.selector, equity, 1_980e6));
        auctions.close(accountId);
    }

    /// @dev Who gives it and closes in one transaction has paid in for good, and the next auction starts at once.
    function test_collateralThatDodgesStaysAndEndsNothing() public {
        slope = -HALF;
        _start(MARK, 1_700e6);
        _later(60);
        house.setMovingCollateral(accountId, 1_600e6);
        auctions.close(accountId);
        assertTrue(!_account().inAuction, "closed");
        slope = HALF;
        int256 cash = _cash(accountId);
        assertEq(_start(MARK, 1_000e6), 2, "the next one");
        assertEq(_cash(accountId), cash, "without a second fee");
    }
}
