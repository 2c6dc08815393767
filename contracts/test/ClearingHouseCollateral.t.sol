// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {ClearingHouse} from "../src/ClearingHouse.sol";
import {Haircuts} from "../src/CollateralVault.sol";
import {Account, SliceMove} from "../src/interfaces/IClearingHouse.sol";
import {CollateralValues} from "../src/interfaces/ICollateralVault.sol";
import {IProofGate, SolvencyClaim} from "../src/interfaces/IProofGate.sol";
import {CollateralWithdrawal, TradeRequest, WithdrawalRequest} from "../src/interfaces/Requests.sol";
import {IRiskOracle} from "../src/interfaces/IRiskOracle.sol";
import {LiquidationMath} from "../src/libraries/LiquidationMath.sol";
import {ProofContext} from "../src/libraries/ProofContext.sol";
import {TestUsd} from "../src/testing/TestUsd.sol";
import {Fixtures} from "./base/Fixtures.sol";
import {HouseTest} from "./base/HouseTest.sol";

/// @title Collateral that moves with the positions, in the house: what solvency proofs must say of it, and what vessels must have
/// @notice Alice's account is of BTC, at a spot of 96,000. Collateral 1 follows ETH, collateral 2 follows BTC; both lose a fifth.
contract ClearingHouseCollateralTest is HouseTest {
    TestUsd private coin;

    function setUp() public override {
        super.setUp();
        coin = new TestUsd();
        vault.addCollateral(IERC20Metadata(address(coin)), Fixtures.BTC, Haircuts(2_000, 2_000), 1_000e6);
        coin.mint(alice, 100e6);
        coin.mint(bob, 100e6);
        vm.prank(alice);
        coin.approve(address(vault), type(uint256).max);
        vm.prank(bob);
        coin.approve(address(vault), type(uint256).max);
        _deposit(alice, a, 1_000e6);
        _deposit(bob, b, 1_000e6);
        _give(alice, a, 1, 10e18);
        _give(alice, a, 2, 1e6);
        _trade(0);
    }

    function _give(address owner, uint256 accountId, uint256 collateralId, uint256 amount) private {
        vm.prank(owner);
        house.depositCollateral(accountId, collateralId, amount);
    }

    /// @dev The signals of a withdrawal's proof alone are accepted from now on.
    function _expectWithdrawal(int256 cash, uint256 moving) private {
        Account memory account = house.getAccount(a);
        SolvencyClaim memory claim;
        claim.commitment = account.commitment;
        claim.scale = account.scale;
        claim.underlyingId = Fixtures.BTC;
        claim.version = 1;
        claim.round = oracle.latestRound(Fixtures.BTC);
        claim.cash = cash;
        claim.movingCollateral = moving;
        claim.level = 5_120;
        claim.context = ProofContext.solvency(
            address(house), ProofContext.WITHDRAWAL, a, account.nonce, claim.round
        );
        claim.capacity = 8;
        solvency8.acceptSignals(abi.encode(gate.solvencySignals(claim)));
    }

    function _invalid() private {
        vm.expectRevert(
            abi.encodeWithSelector(IProofGate.InvalidProof.selector, IProofGate.Circuit.Solvency, uint8(8))
        );
    }

    function test_valuesKnowWhatMoves() public view {
        CollateralValues memory values = house.collateralValueOf(a, true);
        assertEq(values.value, 16_000e6 + 76_800e6, "all");
        assertEq(values.moving, 76_800e6, "what follows BTC");
        assertEq(values.saleValue, 19_000e6 + 91_200e6, "5 % off 20,000 and 96,000");
        values = vault.valuesOf(a, ETH, true);
        assertEq(values.moving, 16_000e6, "of an account of ETH");
        values = vault.valuesOf(a, 77, true);
        assertEq(values.moving, 0, "of another one");
        assertEq(values.value, 92_800e6, "all");
    }

    function test_staleKindsCountForNothingAlone() public {
        oracle.setStale(Fixtures.BTC, true);
        CollateralValues memory values = house.collateralValueOf(a, true);
        assertEq(values.value, 16_000e6, "the fresh one");
        assertEq(values.moving, 0, "nothing that moves");
        assertEq(values.saleValue, 19_000e6, "nor is sold");
        values = house.collateralValueOf(a, false);
        assertEq(values.value, 92_800e6, "last known");
        assertEq(values.moving, 76_800e6, "last known");
        assertEq(values.saleValue, 110_200e6, "last known");
    }

    function testFuzz_movingIsAPartOfTheWhole(uint64 steady, uint64 moved, uint256 spot) public {
        spot = bound(spot, 1, 2 ** 44 - 1);
        oracle.post(Fixtures.BTC, spot);
        if (steady != 0) {
            wrapped.mint(alice, steady);
            _give(alice, a, 1, steady);
        }
        uint256 more = bound(uint256(moved), 1, 900e6);
        coin.mint(alice, more);
        _give(alice, a, 2, more);
        CollateralValues memory values = house.collateralValueOf(a, true);
        assertEq(values.moving, (1e6 + more) * spot * 8_000 / 1e10, "to the unit");
        assertEq(values.value - values.moving, (10e18 + uint256(steady)) * 2_000e6 * 8_000 / 1e22, "the other one");
    }

    /// @dev 900 of cash and 16,000 of ETH as cash; 76,800 of BTC as 0.8 contracts, never as cash.
    function test_provenCashHasNoMovingCollateral() public {
        WithdrawalRequest memory request = _withdrawal(a, 100e6);
        request.provenCash = 16_900e6;
        _expectWithdrawal(16_900e6, 76_800e6);
        request.provenCash++;
        vm.prank(alice);
        vm.expectRevert(
            abi.encodeWithSelector(ClearingHouse.ProvenCashTooHigh.selector, a, 16_900e6 + 1, 16_900e6)
        );
        house.withdraw(request, _proof());
        request.provenCash--;
        vm.prank(alice);
        house.withdraw(request, _proof());
    }

    /// @dev A part of it could be safer than the whole, so the whole is in the proof. Nobody but the owner changes it.
    function test_proofsCountAllMovingCollateral() public {
        WithdrawalRequest memory request = _withdrawal(a, 100e6);
        request.provenCash = 0;
        _expectWithdrawal(0, 0);
        _invalid();
        vm.prank(alice);
        house.withdraw(request, _proof());
        _expectWithdrawal(0, 76_800e6);
        uint256 snapshot = vm.snapshotState();
        _give(alice, a, 2, 1e6);
        _invalid();
        vm.prank(alice);
        house.withdraw(request, _proof());
        vm.revertToState(snapshot);
        // A stranger pays cash in, and cannot give collateral.
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotAccountOwner.selector, a, bob));
        house.depositCollateral(a, 2, 1);
        _deposit(bob, a, 1);
        vm.prank(alice);
        house.withdraw(request, _proof());
    }

    /// @dev It is worth what the round of the proof says.
    function test_proofsCountMovingCollateralAtTheirRound() public {
        oracle.post(Fixtures.BTC, 48_000e6);
        WithdrawalRequest memory request = _withdrawal(a, 100e6);
        request.provenCash = 0;
        _expectWithdrawal(0, 38_400e6);
        vm.prank(alice);
        house.withdraw(request, _proof());
        oracle.setStale(Fixtures.BTC, true);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IRiskOracle.StaleRound.selector, uint64(2)));
        house.withdraw(request, _proof());
    }

    function test_collateralThatLeavesIsInNoProof() public {
        CollateralWithdrawal memory request = _collateralWithdrawal(a, 0.25e6);
        request.collateralId = 2;
        request.provenCash = 17_000e6;
        _expectWithdrawal(17_000e6, 76_800e6);
        _invalid();
        vm.prank(alice);
        house.withdrawCollateral(request, _proof());
        _expectWithdrawal(17_000e6, 57_600e6);
        vm.prank(alice);
        house.withdrawCollateral(request, _proof());
        assertEq(coin.balanceOf(alice), 99.25e6, "out");
    }

    function test_tradesCountMovingCollateral() public {
        TradeRequest memory request = _tradeRequest(0);
        request.a.provenCash = 17_000e6 + 1;
        _sign(request);
        vm.expectRevert(
            abi.encodeWithSelector(ClearingHouse.ProvenCashTooHigh.selector, a, 17_000e6 + 1, 17_000e6)
        );
        house.trade(request, _proofs());
        request.a.provenCash--;
        _sign(request);
        house.trade(request, _proofs());
    }

    /// @dev Legs that require 2,000 whole; the slice is a quarter, and 0.25 of the coin comes with it: 19,200.
    function test_vesselsAreJudgedByMovingCollateralAsTheAccountHasIt() public {
        uint256 vessel = _trader(bob);
        SliceMove memory slice = _slice(a, vessel, bob, ONE / 4);
        slice.bufferBps = 1_000;
        slice.proven.mark = -100_000e6;
        slice.proven.baseRequirement = 2_000e6;
        slice.proven.collateralSlope = -int256(2 ** 54) / 100;
        slice.proven.scale = ONE;
        // 25,550 less 19,200 of offset at 1.1 %, against 4,000 of ETH and 19,200 of BTC.
        int256 floor = 25_550e6 - 211.2e6 + 1;
        assertEq(LiquidationMath.vesselFloor(slice.proven, 1_000, ONE / 4, 19_200e6), floor, "by hand");
        _asks(slice, vessel, floor, 23_200e6);
        // More of it than the slice's share neither offsets nor counts.
        vm.prank(bob);
        house.depositCollateral(vessel, 2, 0.01e6);
        _asks(slice, vessel, floor, 23_200e6);
    }

    function _asks(SliceMove memory slice, uint256 vessel, int256 floor, int256 collateral) private {
        uint256 snapshot = vm.snapshotState();
        uint256 need = uint256(floor - collateral);
        _deposit(bob, vessel, need - 1);
        vm.prank(engine);
        vm.expectRevert(
            abi.encodeWithSelector(ClearingHouse.VesselUnderfunded.selector, vessel, floor - 1, floor)
        );
        house.moveSlice(slice);
        _deposit(bob, vessel, 1);
        vm.prank(engine);
        house.moveSlice(slice);
        vm.revertToState(snapshot);
    }
}
