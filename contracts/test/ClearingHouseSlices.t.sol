// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {ClearingHouse} from "../src/ClearingHouse.sol";
import {HouseLedger} from "../src/house/HouseLedger.sol";
import {Account, Coverage, SliceMove} from "../src/interfaces/IClearingHouse.sol";
import {CollateralValues} from "../src/interfaces/ICollateralVault.sol";
import {TradeRequest, WithdrawalRequest} from "../src/interfaces/Requests.sol";
import {Fixtures} from "./base/Fixtures.sol";
import {HouseTest} from "./base/HouseTest.sol";

contract ClearingHouseSlicesTest is HouseTest {
    address private keeper = makeAddr("keeper");
    uint256 private vessel;

    function setUp() public override {
        super.setUp();
        _deposit(alice, a, 1_000e6);
        _deposit(bob, b, 1_000e6);
        _trade(0);
        vessel = _trader(keeper);
        _deposit(keeper, vessel, 500e6);
    }

    function _move(SliceMove memory slice) private returns (Coverage memory) {
        vm.prank(engine);
        return house.moveSlice(slice);
    }

    function _refuse(SliceMove memory slice, bytes memory refusal) private {
        vm.prank(engine);
        vm.expectRevert(refusal);
        house.moveSlice(slice);
    }

    function test_movesASlice() public {
        vm.prank(alice);
        house.depositCollateral(a, 1, 8e18);
        SliceMove memory slice = _slice(a, vessel, keeper, ONE / 4);
        slice.cashTaken = 250e6;
        slice.traderProceeds = 200e6;
        slice.fundFee = 10e6;
        // Cash of 540, and 2 tokens of 1,600 each.
        _demand(slice, ONE / 4, 540e6 + 3_200e6);
        Coverage memory none;
        vm.expectEmit(true, true, true, true, address(house));
        emit ClearingHouse.SliceMoved(a, vessel, keeper, 2, 1, ONE / 4, 250e6, 200e6, 10e6, none);
        _move(slice);
        Account memory account = house.getAccount(a);
        Account memory taken = house.getAccount(vessel);
        assertEq(uint256(account.scale), ONE / 4 * 3, "scale left");
        assertEq(uint256(taken.scale), ONE / 4, "scale taken");
        assertEq(taken.commitment, account.commitment, "commitment");
        assertEq(account.cash, 950e6, "account");
        assertEq(taken.cash, 540e6, "vessel");
        assertEq(_cash(1), 10e6, "fund");
        assertEq(vault.balanceOf(a, 1), 6e18, "collateral left");
        assertEq(vault.balanceOf(vessel, 1), 2e18, "collateral taken");
        assertEq(house.totals().tokensHeld, 2_500e6, "no token moved");
        _checkIdentity();
        // The same legs again, into the same vessel; a floor one higher is not met.
        _demand(slice, ONE / 2, 580e6 + 6_400e6 + 1);
        _refuse(
            slice,
            abi.encodeWithSelector(
                ClearingHouse.VesselUnderfunded.selector, vessel, 580e6 + 6_400e6, 580e6 + 6_400e6 + 1
            )
        );
        _demand(slice, ONE / 2, 580e6 + 6_400e6);
        _move(slice);
        assertEq(uint256(house.getAccount(vessel).scale), ONE / 2, "summed");
        _checkIdentity();
    }

    function test_stalePricesDoNotFillTheVessel() public {
        vm.prank(keeper);
        house.depositCollateral(vessel, 1, 8e18);
        oracle.setStale(ETH, true);
        SliceMove memory slice = _slice(a, vessel, keeper, 1);
        _demand(slice, 1, 500e6 + 1);
        _refuse(slice, abi.encodeWithSelector(ClearingHouse.VesselUnderfunded.selector, vessel, 500e6, 500e6 + 1));
        CollateralValues memory values = house.collateralValueOf(vessel, false);
        assertEq(values.value, 12_800e6, "last known");
        assertEq(values.moving, 0, "of another underlying");
    }

    function test_wholeSliceClosesTheAccount() public {
        vm.prank(alice);
        house.depositCollateral(a, 1, 7);
        SliceMove memory slice = _slice(a, vessel, keeper, ONE);
        slice.cashTaken = 1_000e6;
        slice.traderProceeds = 30e6;
        _move(slice);
        Account memory account = house.getAccount(a);
        assertEq(account.commitment, 0, "closed");
        assertEq(account.cash, 30e6, "proceeds");
        assertEq(vault.balanceOf(vessel, 1), 7, "all collateral");
        _withdraw(alice, a, 30e6);
        _checkIdentity();
    }

    function test_refusesSlices() public {
        SliceMove memory slice = _slice(a, vessel, keeper, ONE);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotEngine.selector, address(this)));
        house.moveSlice(slice);
        slice.accountId = 99;
        _refuse(slice, abi.encodeWithSelector(HouseLedger.UnknownAccount.selector, 99));
        slice = _slice(a, 99, keeper, ONE);
        _refuse(slice, abi.encodeWithSelector(HouseLedger.UnknownAccount.selector, 99));
        _refuse(_slice(a, a, alice, ONE), abi.encodeWithSelector(ClearingHouse.SameAccount.selector, a));
        _refuse(
            _slice(a, vessel, bob, ONE), abi.encodeWithSelector(ClearingHouse.NotAccountOwner.selector, vessel, bob)
        );
        _refuse(_slice(a, b, bob, ONE), abi.encodeWithSelector(ClearingHouse.VesselOccupied.selector, b));
        _refuse(_slice(a, vessel, keeper, 0), abi.encodeWithSelector(ClearingHouse.SliceOutOfRange.selector, 0, ONE));
        _refuse(
            _slice(a, vessel, keeper, ONE + 1),
            abi.encodeWithSelector(ClearingHouse.SliceOutOfRange.selector, ONE + 1, ONE)
        );
        vm.prank(keeper);
        uint256 other = house.createAccount(ETH);
        _refuse(
            _slice(a, other, keeper, 1),
            abi.encodeWithSelector(ClearingHouse.UnderlyingMismatch.selector, Fixtures.BTC, ETH)
        );
        slice = _slice(a, vessel, keeper, ONE);
        slice.traderProceeds = 1; // takes nothing and owes nothing: the account keeps its cash
        slice.cashTaken = 1_000e6 + 2;
        _refuse(slice, abi.encodeWithSelector(HouseLedger.DebtWithoutPositions.selector, a));
        slice.cashTaken = 2 ** 96;
        _refuse(slice, abi.encodeWithSelector(HouseLedger.CashOutOfRange.selector, a));
        slice.cashTaken = 0;
        slice.traderProceeds = 2 ** 96;
        _refuse(slice, abi.encodeWithSelector(HouseLedger.CashOutOfRange.selector, a));
        slice.traderProceeds = 0;
        slice.fundFee = 2 ** 96;
        _refuse(slice, abi.encodeWithSelector(HouseLedger.CashOutOfRange.selector, 1));
        slice.fundFee = 0;
        slice.subsidy = 2 ** 96;
        _refuse(slice, abi.encodeWithSelector(HouseLedger.CashOutOfRange.selector, vessel));
        vm.prank(auctionHouse);
        house.setInAuction(vessel, true);
        _refuse(_slice(a, vessel, keeper, 1), abi.encodeWithSelector(ClearingHouse.AccountInAuction.selector, vessel));
    }

    /// @dev Nobody borrows behind positions that are too few to be sold in slices; what is there may be taken out.
    function test_dustBorrowsNothing() public {
        _deposit(alice, vessel, 1_000e6);
        uint64 least = 2 ** 30;
        _move(_slice(a, vessel, keeper, least - 1));
        uint256 cash = uint256(_cash(vessel));
        WithdrawalRequest memory request = _withdrawal(vessel, cash + 1);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.ScaleTooSmall.selector, vessel, least - 1, least));
        vm.prank(keeper);
        house.withdraw(request, _proof());
        request.amount = cash;
        vm.prank(keeper);
        house.withdraw(request, _proof());
        _move(_slice(a, vessel, keeper, least));
        request.amount = 1e6;
        vm.prank(keeper);
        house.withdraw(request, _proof());
        assertTrue(_cash(vessel) < 0, "owes");
    }

    function test_vesselScaleStaysInRange() public {
        // Alice's account with a scale of 2^64 - 1, of which a vessel takes all but one, and then the same legs again.
        TradeRequest memory request = _tradeRequest(0);
        request.a.newScale = type(uint64).max;
        _sign(request);
        house.trade(request, _proofs());
        _move(_slice(a, vessel, keeper, type(uint64).max));
        request = _tradeRequest(0);
        request.a.newScale = 1;
        _sign(request);
        house.trade(request, _proofs());
        _refuse(
            _slice(a, vessel, keeper, 1), abi.encodeWithSelector(ClearingHouse.VesselScaleOutOfRange.selector, vessel)
        );
    }

    function testFuzz_slicesKeepTheIdentity(
        uint64 scaleTaken,
        int256 cashTaken,
        uint256 proceeds,
        uint256 fee,
        uint256 subsidy
    ) public {
        _deposit(bob, 1, 100e6);
        fund.setLimit(Fixtures.BTC, 60e6);
        fund.setReserve(20e6);
        SliceMove memory slice = _slice(a, vessel, keeper, uint64(bound(scaleTaken, 1, ONE - 1)));
        slice.cashTaken = bound(cashTaken, -1_000e6, 1_000e6);
        slice.traderProceeds = bound(proceeds, 0, 1_000e6);
        slice.fundFee = bound(fee, 0, 1_000e6);
        slice.subsidy = bound(subsidy, 0, 1_000e6);
        Coverage memory coverage = _move(slice);
        assertEq(coverage.fromFund + coverage.fromReserve + coverage.socialised, slice.subsidy, "coverage");
        assertTrue(coverage.fromFund + coverage.fromReserve <= 60e6, "the fund's limit");
        _checkIdentity();
        assertEq(uint256(house.getAccount(a).scale) + house.getAccount(vessel).scale, ONE, "positions are conserved");
    }

    /// @dev What a bid costs in the house. The bound has room for a transaction of its own, with its base fee.
    function test_gasOfASlice() public {
        _deposit(bob, 1, 1);
        SliceMove memory slice = _slice(a, vessel, keeper, ONE / 4);
        slice.cashTaken = 250e6;
        slice.traderProceeds = 200e6;
        slice.fundFee = 10e6;
        vm.prank(engine);
        uint256 before = gasleft();
        house.moveSlice(slice);
        assertTrue(before - gasleft() < 110_000, "cheap enough for a bid of 150,000");
    }

    // Fees and marks

    function test_chargesFees() public {
        vm.expectEmit(true, true, true, true, address(house));
        emit ClearingHouse.FeeCharged(a, 30e6, vessel, 10e6);
        vm.prank(engine);
        house.chargeFee(a, 30e6, vessel, 10e6);
        assertEq(_cash(a), 970e6, "charged");
        assertEq(_cash(vessel), 510e6, "rewarded");
        assertEq(_cash(1), 20e6, "fund");
        vm.prank(engine);
        house.chargeFee(a, 1_000e6, 99, 0); // may end up owing; the reward's account is ignored
        assertEq(_cash(a), -30e6, "owes");
        _checkIdentity();
    }

    function test_refusesFees() public {
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotEngine.selector, address(this)));
        house.chargeFee(a, 1, vessel, 0);
        vm.startPrank(engine);
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.UnknownAccount.selector, 99));
        house.chargeFee(99, 1, vessel, 0);
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.UnknownAccount.selector, 99));
        house.chargeFee(a, 1, 99, 1);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.RewardAboveFee.selector, 2, 1));
        house.chargeFee(a, 1, vessel, 2);
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.DebtWithoutPositions.selector, vessel));
        house.chargeFee(vessel, 500e6 + 1, a, 0);
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.CashOutOfRange.selector, a));
        house.chargeFee(a, 2 ** 96, vessel, 0);
        vm.stopPrank();
    }

    function test_marksAuctions() public {
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotAuctionHouse.selector, engine));
        vm.prank(engine);
        house.setInAuction(a, true);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotAuctionHouse.selector, engine));
        vm.prank(engine);
        house.setPendingDeficit(a, 1);
        vm.startPrank(auctionHouse);
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.UnknownAccount.selector, 99));
        house.setInAuction(99, true);
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.UnknownAccount.selector, 99));
        house.setPendingDeficit(99, 1);
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.CashOutOfRange.selector, a));
        house.setPendingDeficit(a, 2 ** 96);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.AuctionUnchanged.selector, a, false));
        house.setInAuction(a, false);
        house.setInAuction(a, true);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.AuctionUnchanged.selector, a, true));
        house.setInAuction(a, true);
        vm.stopPrank();
        _deposit(bob, a, 1); // anyone may still pay in, and slices leave
        _move(_slice(a, vessel, keeper, ONE / 2));
        vm.prank(auctionHouse);
        house.setInAuction(a, false);
    }
}
