// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {AuctionClaim, BidOrder} from "../../src/interfaces/AuctionRequests.sol";
import {Haircuts} from "../../src/CollateralVault.sol";
import {BidQuote} from "../../src/auction/AuctionTypes.sol";
import {Groth16Proof} from "../../src/interfaces/Groth16.sol";
import {CollateralValues} from "../../src/interfaces/ICollateralVault.sol";
import {TradeProofs, TradeRequest, TradeSide, WithdrawalRequest} from "../../src/interfaces/Requests.sol";
import {LiquidationMath, Sale} from "../../src/libraries/LiquidationMath.sol";
import {Liquidation, LiquidationOrder} from "../../src/LiquidationEngine.sol";
import {ProofContext} from "../../src/libraries/ProofContext.sol";
import {ProtocolTest} from "../base/ProtocolTest.sol";
import {ModelLeg} from "../base/TruthModel.sol";

/// @title What a rise of a haircut costs, and whom, in the whole protocol
/// @notice Alice is short one contract of the underlying, at 96,000, against 1.3 of it as collateral, and has taken out the cash that a haircut of 20 % leaves
/// her. Price moves cost her little. Then the haircut is raised: she has less equity than nothing, and what she has is still worth more than she owes.
contract HaircutsAttackTest is ProtocolTest {
    uint256 private constant ALICE_KEY = 0xA11CE;
    uint256 private constant BOB_KEY = 0xB0B;
    uint256 private constant KEEPER_KEY = 0xCEE9;
    int256 private constant PRICE = 96_000e6;

    address private keeper = vm.addr(KEEPER_KEY);
    uint256 private a;
    uint256 private b;
    uint256 private vesselId;

    function setUp() public override {
        super.setUp();
        a = _open(ALICE_KEY, 2_000e6);
        b = _open(BOB_KEY, 200_000e6);
        vesselId = _open(KEEPER_KEY, 200_000e6);
        vm.prank(vm.addr(ALICE_KEY));
        house.depositCollateral(a, COLLATERAL, 1.3e6);
        _short();
        WithdrawalRequest memory request;
        request.accountId = a;
        request.amount = 86_000e6;
        request.provenCash = _account(a).cash - 86_000e6;
        request.round = _round();
        request.capacity = 8;
        Groth16Proof memory proof =
            _solvencyProof(address(house), ProofContext.WITHDRAWAL, a, _account(a).nonce);
        vm.prank(vm.addr(ALICE_KEY));
        house.withdraw(request, proof);
        assertEq(_equity(a), 15_791e6, "equity");
        assertEq(_requirement(a), 11_376e6 - 1, "in a fall of the price");
        assertEq(_account(FUND).cash, 98e6, "fees of the trade");
    }

    function _open(uint256 key, uint256 cash) private returns (uint256 accountId) {
        address owner = vm.addr(key);
        usd.mint(owner, cash);
        coin.mint(owner, 10e6);
        vm.startPrank(owner);
        usd.approve(address(house), type(uint256).max);
        coin.approve(address(vault), type(uint256).max);
        accountId = house.createAccount(BTC);
        house.deposit(accountId, cash);
        vm.stopPrank();
    }

    /// @dev Alice sells a contract to Bob.
    function _short() private {
        TradeRequest memory request;
        request.round = _round();
        request.cashToA = PRICE;
        _takeSide(request.a, a, -1e6, PRICE);
        _takeSide(request.b, b, 1e6, -PRICE);
        _signConsent(request.a, b, PRICE, ALICE_KEY);
        _signConsent(request.b, a, -PRICE, BOB_KEY);
        TradeProofs memory proofs;
        proofs.transfer = _proofFor(ProofContext.transfer(address(house), a, 0, b, 0, PRICE));
        proofs.solvencyA = _solvencyProof(address(house), ProofContext.TRADE, a, 0);
        proofs.solvencyB = _solvencyProof(address(house), ProofContext.TRADE, b, 0);
        house.trade(request, proofs);
    }

    function _takeSide(TradeSide memory side, uint256 accountId, int256 quantity, int256 cashIn) private {
        ModelLeg[] memory legs = new ModelLeg[](1);
        legs[0] = ModelLeg(model.LINEAR(), quantity);
        side.accountId = accountId;
        side.newScale = ONE;
        side.newCommitment = model.commit(legs, accountId);
        side.emptyCommitment = model.commit(new ModelLeg[](0), 0);
        side.provenCash = _steady(accountId) + cashIn - 49e6;
        side.capacity = 16;
        side.opening.legs = model.packed(side.newCommitment);
        side.opening.salt = accountId;
        side.consent.maxFee = type(uint256).max;
        side.consent.deadline = block.timestamp;
    }

    /// @dev The haircut is a half from now on: 62,400 of collateral, sold at three quarters.
    function _raise() private {
        vault.raiseHaircuts(COLLATERAL, Haircuts(5_000, 5_000));
        CollateralValues memory values = house.collateralValueOf(a, false);
        assertEq(values.value, 62_400e6, "value");
        assertEq(values.saleValue, 93_600e6, "sale value");
        assertEq(_equity(a), -21_649e6, "equity");
        assertEq(_worth(a), 9_551e6, "worth");
        assertEq(_requirement(a), 7_200e6, "in the mild scenario");
    }

    /// @dev She is at her target, and has lost the discount.
    /// @param worth of her account before the sale
    /// @param fund cash of the fund before it
    function _checkSold(Sale memory sale, uint256 discountBps, int256 worth, uint256 fund) private view {
        assertTrue(_worth(a) >= worth - int256(sale.worthTaken * discountBps / 10_000) - 4, "she loses the discount");
        int256 target = int256(7_920e6 * uint256(_account(a).scale) / ONE);
        int256 equity = _equity(a);
        // One smallest unit of the token is worth nearly a tenth of a dollar.
        assertTrue(equity >= target - 2 && equity <= target + 0.1e6, "at her target");
        assertTrue(uint128(_account(FUND).cash) >= fund, "the fund pays nothing");
        assertEq(house.totals().openDeficit, 0, "nor anybody else");
        assertEq(house.totals().pendingDeficit, 0, "and nothing is pending");
        assertEq(vault.balanceOf(vesselId, COLLATERAL), 1.3e6 * sale.scaleTaken / ONE, "collateral goes along");
    }

    /// @dev f = 29,569 / (29,569 + 0.9 * 9,551).
    function test_aRiseIsSoldAtOnce() public {
        _raise();
        LiquidationOrder memory order;
        order.accountId = a;
        order.nonce = _account(a).nonce;
        order.vesselId = vesselId;
        order.round = _round();
        order.mark = _mark(a);
        (order.baseRequirement, order.collateralSlope) = model.worst(_account(a).commitment, ONE, _spot(), 62_400e6);
        order.capacity = 32;
        order.maxPayment = type(uint256).max;
        order.deadline = block.timestamp;
        Groth16Proof memory proof = _insolvencyProof(address(engine), a, order.nonce, keeper);
        vm.prank(keeper);
        Liquidation memory done = engine.liquidate(order, proof);
        assertEq(done.penaltyBps, 1_000, "the worst tier");
        assertEq(done.sale.scaleTaken, uint256(ONE) * 295_690 / (295_690 + 9 * 9_551), "fraction");
        assertEq(done.sale.worth, 9_551e6, "worth");
        assertEq(uint128(_account(FUND).cash), 98e6 + done.fundFee, "the fund has its fee");
        _checkSold(done.sale, 1_000, 9_551e6, 98e6);
    }

    function test_aRiseIsAuctionedAndNotSubsidised() public {
        _raise();
        AuctionClaim memory claim;
        claim.accountId = a;
        claim.nonce = _account(a).nonce;
        claim.round = _round();
        claim.mark = _mark(a);
        (claim.baseRequirement, claim.collateralSlope) = model.worst(_account(a).commitment, ONE, _spot(), 62_400e6);
        claim.capacity = 8;
        Groth16Proof memory proof = _insolvencyProof(address(auctions), a, claim.nonce, keeper);
        vm.prank(keeper);
        auctions.start(claim, vesselId, proof);
        assertEq(auctions.auctionOf(a).insolventSince, 0, "no clock");
        uint256 fund = uint128(_account(FUND).cash);
        int256 worth = _worth(a);
        // 2 % of 9,551 * 29,569 / 39,120.
        assertEq(worth, 9_551e6 - 144_383_189, "less by the fee");
        vm.warp(block.timestamp + 100);
        vm.expectRevert(abi.encodeWithSelector(LiquidationMath.HasWorth.selector, worth));
        auctions.quoteTakeOver(a, type(uint256).max, false);
        BidOrder memory order;
        order.accountId = a;
        order.vesselId = vesselId;
        order.auctionNumber = auctions.auctionOf(a).number;
        order.round = _round();
        order.maxScale = type(uint256).max;
        order.maxPayment = type(uint256).max;
        order.deadline = block.timestamp;
        vm.prank(keeper);
        BidQuote memory bought = auctions.bid(order);
        assertEq(bought.factorBps, 8_000, "after the fast stage");
        _checkSold(bought.sale, 2_000, worth, fund);
        assertTrue(!_account(a).inAuction, "over");
    }
}
