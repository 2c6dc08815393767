// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Groth16Proof} from "../src/interfaces/Groth16.sol";
import {Account} from "../src/interfaces/IClearingHouse.sol";
import {IProofGate} from "../src/interfaces/IProofGate.sol";
import {IRiskOracle} from "../src/interfaces/IRiskOracle.sol";
import {LiquidationTerms} from "../src/interfaces/IRiskParameters.sol";
import {IClearingHouse} from "../src/interfaces/IClearingHouse.sol";
import {LiquidationMath, ProvenFigures} from "../src/libraries/LiquidationMath.sol";
import {Liquidation, LiquidationEngine, LiquidationOrder} from "../src/LiquidationEngine.sol";
import {LiquidatorRegistry} from "../src/LiquidatorRegistry.sol";
import {AuctionTest} from "./base/AuctionTest.sol";
import {AuctionLedger} from "./mocks/AuctionLedger.sol";

contract LiquidationEngineTest is AuctionTest {
    function setUp() public {
        _deploy();
    }

    function _liquidationOrder(uint256 id, uint256 vessel) private view returns (LiquidationOrder memory) {
        return LiquidationOrder({
            accountId: id,
            nonce: house.getAccount(id).nonce,
            vesselId: vessel,
            round: _round(),
            mark: MARK,
            baseRequirement: int256(REQUIREMENT),
            collateralSlope: slope,
            capacity: 8,
            maxPayment: type(uint256).max,
            minScaleTaken: 1,
            deadline: block.timestamp
        });
    }

    function _proof(LiquidationOrder memory order, address prover) private view returns (Groth16Proof memory) {
        Account memory account = house.getAccount(order.accountId);
        return _insolvencyProof(
            address(engine),
            order.accountId,
            account.nonce,
            account.scale,
            market.versionOf(BTC),
            order.mark,
            uint256(order.baseRequirement),
            prover
        );
    }

    function _refused(LiquidationOrder memory order, bytes memory reason) private {
        Groth16Proof memory proof = _proof(order, keeper);
        vm.expectRevert(reason);
        vm.prank(keeper);
        engine.liquidate(order, proof);
    }

    function test_constructor_refusesZeroAddresses() public {
        vm.expectRevert(LiquidationEngine.ZeroAddress.selector);
        new LiquidationEngine(IRiskOracle(address(0)), market, house, gate, registry);
        vm.expectRevert(LiquidationEngine.ZeroAddress.selector);
        new LiquidationEngine(market, market, IClearingHouse(address(0)), gate, registry);
        vm.expectRevert(LiquidationEngine.ZeroAddress.selector);
        new LiquidationEngine(market, market, house, IProofGate(address(0)), registry);
        vm.expectRevert(LiquidationEngine.ZeroAddress.selector);
        new LiquidationEngine(market, market, house, gate, LiquidatorRegistry(address(0)));
    }

    /// @dev Equity is 83 % of the requirement: the best tier. By hand: d = 0.97, target 1,320, f = 320 / (320 + 970) = 0.248062.
    function test_liquidate_movesWhatBringsTheAccountToItsTarget() public {
        LiquidationOrder memory order = _liquidationOrder(accountId, vesselId);
        Groth16Proof memory proof = _proof(order, keeper);
        Liquidation memory expected = engine.previewLiquidation(order, keeper);
        vm.prank(keeper);
        Liquidation memory done = engine.liquidate(order, proof);
        assertEq(uint256(keccak256(abi.encode(done))), uint256(keccak256(abi.encode(expected))), "as previewed");
        assertEq(done.penaltyBps, 300, "penalty");
        uint256 taken = uint256(UNIT) * 320 / 1_290;
        assertEq(done.sale.scaleTaken, taken, "scale");
        uint256 worthTaken = (1_000e6 * taken + UNIT - 1) / UNIT;
        assertEq(done.sale.worthTaken, worthTaken, "worth taken");
        assertEq(done.sale.proceeds, (worthTaken * 9_700 + 9_999) / 10_000, "proceeds");
        uint256 penalty = worthTaken - done.sale.proceeds;
        assertEq(done.reward, penalty * 2_000 / 10_000, "reward");
        assertEq(done.fundFee + done.reward, penalty, "fee and reward are the penalty");
        assertEq(done.payment, done.sale.proceeds + done.fundFee, "payment");
        assertEq(_cash(1), int256(done.fundFee), "fund");
        assertEq(
            _cash(vesselId), 1_000_000e6 + done.sale.cashTaken - int256(done.payment), "vessel's cash"
        );
        assertEq(house.getAccount(vesselId).scale, taken, "vessel's scale");
        int256 equity = _equity(MARK);
        uint256 requirement = REQUIREMENT * _account().scale / UNIT;
        int256 short = int256(requirement * 11 / 10) - equity;
        // Roundings are the account's.
        assertTrue(short <= 1 && short >= -4, "the account is at its target");
    }

    function test_liquidate_asksTheVesselForItsTarget() public {
        LiquidationOrder memory order = _liquidationOrder(accountId, vesselId);
        Liquidation memory preview = engine.previewLiquidation(order, keeper);
        // What the vessel holds afterwards is its cash before, the slice's cash, less the payment.
        int256 floor = _floor(preview.sale.scaleTaken, 0);
        int256 need = floor - preview.sale.cashTaken + int256(preview.payment);
        house.addCash(vesselId, int128(need - 1 - _cash(vesselId)));
        _refused(
            order,
            abi.encodeWithSelector(
                AuctionLedger.VesselUnderfunded.selector, vesselId, floor - 1, floor
            )
        );
        house.addCash(vesselId, 1);
        Groth16Proof memory proof = _proof(order, keeper);
        vm.prank(keeper);
        engine.liquidate(order, proof);
    }

    function test_liquidate_countsWhatTheVesselHoldsAlready() public {
        house.setPositions(vesselId, LEGS, UNIT);
        LiquidationOrder memory order = _liquidationOrder(accountId, vesselId);
        Liquidation memory preview = engine.previewLiquidation(order, keeper);
        int256 floor = _floor(UNIT + preview.sale.scaleTaken, 0);
        int256 need = floor - preview.sale.cashTaken + int256(preview.payment);
        house.addCash(vesselId, int128(need - 1 - _cash(vesselId)));
        _refused(order, abi.encodeWithSelector(AuctionLedger.VesselUnderfunded.selector, vesselId, floor - 1, floor));
    }

    /// @dev What is asked of a vessel that holds a scale and moving collateral.
    function _floor(uint256 heldScale, uint256 moving) private view returns (int256) {
        ProvenFigures memory proven = ProvenFigures(MARK, int256(REQUIREMENT), slope, UNIT);
        return LiquidationMath.vesselFloor(proven, 1_000, heldScale, moving);
    }

    function test_liquidate_takesCollateralAlong() public {
        house.addCash(accountId, -500e6);
        house.setCollateral(accountId, 500e6);
        LiquidationOrder memory order = _liquidationOrder(accountId, vesselId);
        Groth16Proof memory proof = _proof(order, keeper);
        vm.prank(keeper);
        Liquidation memory done = engine.liquidate(order, proof);
        assertEq(int256(done.sale.worth), 1_000e6, "worth with collateral");
        assertEq(house.collateralOf(vesselId), 500e6 * done.sale.scaleTaken / UNIT, "collateral of the slice");
    }

    function test_liquidate_penaltyRisesWithTheShortfallAndTheVolatility() public {
        int128[4] memory equities = [int128(900e6), 899e6, 599e6, 299e6];
        uint16[4] memory penalties = [uint16(300), 500, 700, 1_000];
        for (uint256 tier = 0; tier < 4; tier++) {
            house.addCash(accountId, equities[tier] + 4_000e6 - int128(_cash(accountId)));
            LiquidationOrder memory order = _liquidationOrder(accountId, vesselId);
            assertEq(engine.previewLiquidation(order, keeper).penaltyBps, penalties[tier], "calm");
            market.setVolatility(BTC, 65_536);
            assertEq(engine.previewLiquidation(order, keeper).penaltyBps, penalties[tier] + 100, "turbulent");
            market.setVolatility(BTC, 65_535);
        }
    }

    function test_liquidate_backstopsPayTheirOwnPenaltyAtAnySize() public {
        LiquidationTerms memory terms = _terms();
        terms.atomicLimit = uint96(REQUIREMENT - 1);
        market.setTerms(BTC, terms);
        LiquidationOrder memory order = _liquidationOrder(accountId, vesselId);
        _refused(
            order,
            abi.encodeWithSelector(LiquidationEngine.AboveAtomicLimit.selector, REQUIREMENT, REQUIREMENT - 1)
        );
        order.vesselId = backstopVesselId;
        Groth16Proof memory proof = _proof(order, backstop);
        vm.prank(backstop);
        Liquidation memory done = engine.liquidate(order, proof);
        assertEq(done.penaltyBps, 200, "penalty of backstops");
    }

    function test_liquidate_atTheAtomicLimitIsForAll() public {
        LiquidationTerms memory terms = _terms();
        terms.atomicLimit = uint96(REQUIREMENT);
        market.setTerms(BTC, terms);
        engine.previewLiquidation(_liquidationOrder(accountId, vesselId), keeper);
    }

    function test_liquidate_refusesHealthyAccounts() public {
        house.addCash(accountId, 200e6);
        _refused(
            _liquidationOrder(accountId, vesselId),
            abi.encodeWithSelector(LiquidationMath.AccountHealthy.selector, int256(1_200e6), REQUIREMENT)
        );
        house.addCash(accountId, -1);
        engine.previewLiquidation(_liquidationOrder(accountId, vesselId), keeper);
    }

    function test_liquidate_refusesBadDebt() public {
        house.addCash(accountId, -1_000e6);
        _refused(
            _liquidationOrder(accountId, vesselId),
            abi.encodeWithSelector(LiquidationEngine.BadDebt.selector, int256(0))
        );
    }

    /// @dev Equity -100, worth 300: the worst tier, d = 0.9, f = 1,420 / (1,420 + 270).
    function test_liquidate_sellsWhatIsWorthSomethingWithoutEquity() public {
        _withHaircut(-100e6, 400e6);
        LiquidationOrder memory order = _liquidationOrder(accountId, vesselId);
        Groth16Proof memory proof = _proof(order, keeper);
        vm.prank(keeper);
        Liquidation memory done = engine.liquidate(order, proof);
        assertEq(done.penaltyBps, 1_000, "penalty");
        assertEq(done.sale.worth, 300e6, "worth");
        uint256 taken = uint256(UNIT) * 1_420 / 1_690;
        assertEq(done.sale.scaleTaken, taken, "scale");
        uint256 worthTaken = (300e6 * taken + UNIT - 1) / UNIT;
        assertEq(done.sale.worthTaken, worthTaken, "its part of the worth");
        assertEq(done.sale.proceeds, (worthTaken * 9_000 + 9_999) / 10_000, "proceeds");
        uint256 penalty = worthTaken - done.sale.proceeds;
        assertEq(done.reward, penalty * 2_000 / 10_000, "reward");
        assertEq(_cash(1), int256(penalty - done.reward), "the fund has its fee");
        assertEq(house.collateralOf(vesselId), 2_000e6 * taken / UNIT, "collateral of the slice");
        int256 target = int256(1_320e6 * uint256(_account().scale) / UNIT);
        int256 equity = _wholeEquity(accountId, MARK);
        assertTrue(equity >= target - 1 && equity <= target + 4, "the account is at its target");
        assertEq(house.pendingDeficitOf(accountId), 0, "nothing is lacking");
        assertEq(house.openDeficit(), 0, "nobody paid");
    }

    /// @dev A requirement of nothing, from below: no tier divides by it.
    function test_liquidate_sellsWhatRequiresNothing() public {
        _withHaircut(-100e6, 1_000e6);
        LiquidationOrder memory order = _liquidationOrder(accountId, vesselId);
        order.baseRequirement = 0;
        Groth16Proof memory proof = _proof(order, keeper);
        vm.prank(keeper);
        Liquidation memory done = engine.liquidate(order, proof);
        assertEq(done.penaltyBps, 1_000, "penalty");
        assertEq(done.sale.target, 0, "target");
        assertEq(done.sale.scaleTaken, uint256(UNIT) * 100 / 910, "100 / (100 + 0.9 * 900)");
        int256 equity = _wholeEquity(accountId, MARK);
        assertTrue(equity >= 0 && equity <= 4, "nothing is lacking");
        // Nor is there anything left to sell.
        order.nonce += 1;
        order.mark = MARK * int256(uint256(_account().scale)) / int256(uint256(UNIT));
        vm.expectRevert(
            abi.encodeWithSelector(
                LiquidationMath.AccountHealthy.selector,
                _cash(accountId) + int256(house.collateralOf(accountId)) + order.mark,
                uint256(0)
            )
        );
        engine.previewLiquidation(order, keeper);
    }

    function test_liquidate_worthDecidesWhatIsBadDebt() public {
        _withHaircut(-100e6, 100e6);
        LiquidationOrder memory order = _liquidationOrder(accountId, vesselId);
        _refused(order, abi.encodeWithSelector(LiquidationEngine.BadDebt.selector, int256(0)));
        house.setHaircut(accountId, 60e6);
        _refused(order, abi.encodeWithSelector(LiquidationEngine.BadDebt.selector, -40e6));
        house.setHaircut(accountId, 100e6 + 1);
        assertEq(engine.previewLiquidation(order, keeper).sale.worth, 1, "sold");
    }

    /// @dev What haircuts leave out makes nobody healthy, and does not change the tier.
    function test_liquidate_healthGoesByEquity() public {
        _withHaircut(1_200e6, 5_000e6);
        LiquidationOrder memory order = _liquidationOrder(accountId, vesselId);
        _refused(
            order, abi.encodeWithSelector(LiquidationMath.AccountHealthy.selector, int256(1_200e6), REQUIREMENT)
        );
        house.addCash(accountId, -1);
        assertEq(engine.previewLiquidation(order, keeper).penaltyBps, 300, "the best tier");
        house.addCash(accountId, -601e6);
        assertEq(engine.previewLiquidation(order, keeper).penaltyBps, 700, "below a half");
        house.addCash(accountId, -5_000e6);
        assertEq(engine.previewLiquidation(order, keeper).penaltyBps, 1_000, "below 0");
        market.setVolatility(BTC, 65_536);
        assertEq(engine.previewLiquidation(order, keeper).penaltyBps, 1_100, "turbulent");
    }

    function test_liquidate_refusesAccountsInAuction() public {
        _start();
        _refused(
            _liquidationOrder(accountId, vesselId),
            abi.encodeWithSelector(LiquidationEngine.AccountInAuction.selector, accountId)
        );
    }

    function test_liquidate_refusesUnknownAndEmptyAccounts() public {
        _refused(
            _liquidationOrder(99, vesselId), abi.encodeWithSelector(LiquidationEngine.UnknownAccount.selector, 99)
        );
        _refused(
            _liquidationOrder(vesselId, vesselId),
            abi.encodeWithSelector(LiquidationEngine.NoPositions.selector, vesselId)
        );
    }

    function test_liquidate_refusesLateOrders() public {
        LiquidationOrder memory order = _liquidationOrder(accountId, vesselId);
        order.deadline = block.timestamp - 1;
        _refused(order, abi.encodeWithSelector(LiquidationEngine.DeadlinePassed.selector, order.deadline));
    }

    function test_liquidate_refusesBeyondTheOrdersLimits() public {
        LiquidationOrder memory order = _liquidationOrder(accountId, vesselId);
        Liquidation memory preview = engine.previewLiquidation(order, keeper);
        order.maxPayment = preview.payment - 1;
        _refused(
            order,
            abi.encodeWithSelector(
                LiquidationEngine.PaymentAboveLimit.selector, preview.payment, preview.payment - 1
            )
        );
        order.maxPayment = preview.payment;
        order.minScaleTaken = preview.sale.scaleTaken + 1;
        _refused(
            order,
            abi.encodeWithSelector(
                LiquidationEngine.ScaleBelowLimit.selector, preview.sale.scaleTaken, order.minScaleTaken
            )
        );
    }

    function test_liquidate_refusesAnothersProofOrFigures() public {
        bytes memory invalid =
            abi.encodeWithSelector(IProofGate.InvalidProof.selector, IProofGate.Circuit.Insolvency, uint8(8));
        LiquidationOrder memory order = _liquidationOrder(accountId, rivalVesselId);
        Groth16Proof memory proof = _proof(order, keeper);
        vm.expectRevert(invalid);
        vm.prank(rival);
        engine.liquidate(order, proof);

        order.mark -= 1;
        vm.expectRevert(invalid);
        vm.prank(keeper);
        engine.liquidate(order, proof);

        // The same proof once more: the nonce has moved on.
        order.mark += 1;
        order.vesselId = vesselId;
        vm.prank(keeper);
        engine.liquidate(order, proof);
        order.nonce += 1;
        vm.expectRevert(invalid);
        vm.prank(keeper);
        engine.liquidate(order, proof);
    }

    function test_liquidate_refusesOldRounds() public {
        LiquidationOrder memory order = _liquidationOrder(accountId, vesselId);
        Groth16Proof memory proof = _proof(order, keeper);
        market.post(BTC);
        vm.expectRevert(abi.encodeWithSelector(IRiskOracle.NotLatestRound.selector, uint64(1), uint64(2)));
        vm.prank(keeper);
        engine.liquidate(order, proof);
    }

    // Batches

    function _batch(uint256 count)
        private
        returns (LiquidationOrder[] memory orders, Groth16Proof[] memory proofs)
    {
        orders = new LiquidationOrder[](count);
        proofs = new Groth16Proof[](count);
        for (uint256 index = 0; index < count; index++) {
            orders[index] = _liquidationOrder(_open(trader, 5_000e6), house.create(keeper, BTC, 100_000e6));
            proofs[index] = _proof(orders[index], keeper);
        }
    }

    function test_liquidateBatch_doesWhatSingleOnesDo() public {
        (LiquidationOrder[] memory orders, Groth16Proof[] memory proofs) = _batch(16);
        Liquidation memory expected = engine.previewLiquidation(orders[0], keeper);
        vm.prank(keeper);
        Liquidation[] memory done = engine.liquidateBatch(orders, proofs);
        assertEq(done.length, 16, "all");
        for (uint256 index = 0; index < 16; index++) {
            assertEq(
                uint256(keccak256(abi.encode(done[index]))), uint256(keccak256(abi.encode(expected))), "as alone"
            );
            assertEq(house.getAccount(orders[index].vesselId).scale, expected.sale.scaleTaken, "moved");
        }
    }

    function test_liquidateBatch_refusesNoneAndTooMany() public {
        (LiquidationOrder[] memory orders, Groth16Proof[] memory proofs) = _batch(17);
        vm.expectRevert(abi.encodeWithSelector(LiquidationEngine.BatchSizeOutOfRange.selector, 17));
        vm.prank(keeper);
        engine.liquidateBatch(orders, proofs);
        vm.expectRevert(abi.encodeWithSelector(LiquidationEngine.BatchSizeOutOfRange.selector, 0));
        vm.prank(keeper);
        engine.liquidateBatch(new LiquidationOrder[](0), new Groth16Proof[](0));
    }

    function test_liquidateBatch_namesTheOrderThatFails() public {
        (LiquidationOrder[] memory orders, Groth16Proof[] memory proofs) = _batch(3);
        orders[1].minScaleTaken = UNIT;
        uint256 taken = engine.previewLiquidation(orders[0], keeper).sale.scaleTaken;
        bytes memory reason =
            abi.encodeWithSelector(LiquidationEngine.ScaleBelowLimit.selector, taken, uint256(UNIT));
        vm.expectRevert(abi.encodeWithSelector(LiquidationEngine.OrderFailed.selector, 1, reason));
        vm.prank(keeper);
        engine.liquidateBatch(orders, proofs);
        assertEq(house.getAccount(orders[0].accountId).scale, UNIT, "the first is undone");
    }

    function test_liquidateBatch_refusesAnAccountTwice() public {
        (LiquidationOrder[] memory orders, Groth16Proof[] memory proofs) = _batch(2);
        orders[1].accountId = orders[0].accountId;
        orders[1].nonce = orders[0].nonce;
        proofs[1] = proofs[0];
        bytes memory reason =
            abi.encodeWithSelector(
            LiquidationEngine.AccountChanged.selector, orders[0].accountId, orders[0].nonce + 1
        );
        vm.expectRevert(abi.encodeWithSelector(LiquidationEngine.OrderFailed.selector, 1, reason));
        vm.prank(keeper);
        engine.liquidateBatch(orders, proofs);
    }

    function test_liquidateBatch_refusesAnAccountThatWasAVessel() public {
        (LiquidationOrder[] memory orders, Groth16Proof[] memory proofs) = _batch(2);
        // The second account is the keeper's own, with the same legs, and takes the first one's slice.
        uint256 own = _open(keeper, 5_000e6);
        orders[1].accountId = own;
        orders[1].nonce = house.getAccount(own).nonce;
        proofs[1] = _proof(orders[1], keeper);
        orders[0].vesselId = own;
        house.addCash(own, 1_000_000e6);
        bytes memory reason = abi.encodeWithSelector(LiquidationEngine.AccountChanged.selector, own, orders[1].nonce + 1);
        vm.expectRevert(abi.encodeWithSelector(LiquidationEngine.OrderFailed.selector, 1, reason));
        vm.prank(keeper);
        engine.liquidateBatch(orders, proofs);
    }

    function test_liquidateBatch_refusesTwoUnderlyings() public {
        (LiquidationOrder[] memory orders, Groth16Proof[] memory proofs) = _batch(2);
        market.setTerms(2, _terms());
        market.post(2);
        uint256 other = house.create(trader, 2, 5_000e6);
        house.setPositions(other, LEGS, UNIT);
        orders[1].accountId = other;
        orders[1].nonce = house.getAccount(other).nonce;
        proofs[1] = _proof(orders[1], keeper);
        vm.expectRevert(abi.encodeWithSelector(IProofGate.MixedBatch.selector, 1));
        vm.prank(keeper);
        engine.liquidateBatch(orders, proofs);
    }

    function test_executeProven_isNobodyElses() public {
        LiquidationOrder memory order = _liquidationOrder(accountId, vesselId);
        vm.expectRevert(abi.encodeWithSelector(LiquidationEngine.NotSelf.selector, keeper));
        vm.prank(keeper);
        engine.executeProven(order, 1, keeper);
    }

    /// @dev Trader and keeper are one: what they have together falls by the fund's fee, and nothing is created.
    function testFuzz_liquidate_washTradingCosts(
        int256 equity,
        uint256 requirement,
        uint256 haircut,
        uint256 volatility
    ) public {
        equity = bound(equity, -5_000e6, 5_000e6);
        requirement = bound(requirement, equity < 0 ? 0 : uint256(equity) + 1e6, 40_000e6);
        _withHaircut(int128(equity), bound(haircut, equity > 0 ? 0 : uint256(1e6 - equity), 100_000e6));
        market.setVolatility(BTC, bound(volatility, 0, 131_072));
        LiquidationOrder memory order = _liquidationOrder(accountId, vesselId);
        order.baseRequirement = int256(requirement);
        Groth16Proof memory proof = _proof(order, keeper);
        int256 before = _cash(accountId) + _cash(vesselId);
        vm.prank(keeper);
        Liquidation memory done = engine.liquidate(order, proof);
        assertEq(_cash(accountId) + _cash(vesselId), before - int256(done.fundFee), "together they pay the fee");
        assertEq(house.collateralOf(accountId) + house.collateralOf(vesselId), 2_000e6, "and keep the collateral");
        assertEq(_cash(1), int256(done.fundFee), "which the fund has");
        assertTrue(done.reward <= done.sale.worthTaken - done.sale.proceeds, "no reward beyond the penalty");
        assertTrue(
            uint256(_account().scale) + house.getAccount(vesselId).scale == UNIT, "positions are neither made nor lost"
        );
    }

    function test_registry_isTheOwners() public {
        vm.expectRevert(LiquidatorRegistry.ZeroAddress.selector);
        registry.setBackstop(address(0), true);
        vm.expectRevert(abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", rival));
        vm.prank(rival);
        registry.setBackstop(rival, true);
        registry.setBackstop(backstop, false);
        assertTrue(!registry.isBackstop(backstop), "removed");
    }
}
