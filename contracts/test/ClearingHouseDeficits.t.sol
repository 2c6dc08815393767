// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {ClearingHouse} from "../src/ClearingHouse.sol";
import {HouseLedger, Totals} from "../src/house/HouseLedger.sol";
import {SliceMove} from "../src/interfaces/IClearingHouse.sol";
import {TradeRequest, WithdrawalRequest} from "../src/interfaces/Requests.sol";
import {Fixtures} from "./base/Fixtures.sol";
import {HouseTest} from "./base/HouseTest.sol";

contract ClearingHouseDeficitsTest is HouseTest {
    address private keeper = makeAddr("keeper");
    uint256 private vessel;
    uint256 private broke;

    /// @dev Alice and Bob hold 1,000 each without positions; `broke` has positions and no cash.
    function setUp() public override {
        super.setUp();
        broke = _trader(bob);
        TradeRequest memory request = _tradeRequest(0);
        request.b = _side(broke);
        _closing(request.a);
        _sign(request);
        house.trade(request, _proofs());
        _deposit(alice, a, 1_000e6);
        _deposit(bob, b, 1_000e6);
        vessel = _trader(keeper);
    }

    /// @dev A keeper takes over all of `broke` and is credited a subsidy.
    function _subsidise(uint256 amount) private {
        SliceMove memory slice = _slice(broke, vessel, keeper, 1);
        slice.subsidy = amount;
        vm.prank(engine);
        house.moveSlice(slice);
        _checkIdentity();
    }

    function _pend(uint256 accountId, uint256 deficit) private {
        vm.prank(auctionHouse);
        house.setPendingDeficit(accountId, deficit);
    }

    function _refuseWithdrawal(address owner, uint256 accountId, uint256 amount, bytes memory refusal) private {
        WithdrawalRequest memory request = _withdrawal(accountId, amount);
        vm.prank(owner);
        vm.expectRevert(refusal);
        house.withdraw(request, _proof());
    }

    // Open deficits

    function test_fundAndReserveComeFirst() public {
        _deposit(bob, 1, 100e6);
        fund.setLimit(Fixtures.BTC, 70e6);
        fund.setReserve(40e6);
        SliceMove memory slice = _slice(broke, vessel, keeper, 1);
        slice.subsidy = 100e6;
        vm.expectEmit(true, true, true, true, address(house));
        emit HouseLedger.DeficitChanged(30e6);
        vm.prank(engine);
        house.moveSlice(slice);
        assertEq(_cash(1), 30e6, "60 of its own and 10 of the reserve");
        assertEq(house.totals().openDeficit, 30e6, "socialised");
        assertEq(_cash(vessel), 100e6, "paid");
        _checkIdentity();
    }

    function test_refusesDrawsBeyondWhatWasAsked() public {
        _deposit(bob, 1, 1_000e6);
        fund.setLimit(Fixtures.BTC, 10e6);
        fund.setExcess(1);
        SliceMove memory slice = _slice(broke, vessel, keeper, 1);
        slice.subsidy = 5e6;
        vm.prank(engine);
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.InvalidDraw.selector, 5e6 + 1, 5e6));
        house.moveSlice(slice);
        // Nor can the fund give what it does not have.
        vm.startPrank(address(fund));
        WithdrawalRequest memory request = _withdrawal(1, 1_000e6);
        house.withdraw(request, _proof());
        vm.stopPrank();
        fund.setExcess(5e6);
        vm.prank(engine);
        vm.expectRevert(abi.encodeWithSelector(HouseLedger.DebtWithoutPositions.selector, 1));
        house.moveSlice(slice);
    }

    function test_withdrawalsBearTheDeficit() public {
        _subsidise(500e6); // 2,000 in tokens against claims of 2,500
        (uint256 paid, uint256 gatedUntil) = house.previewWithdrawal(100e6);
        assertEq(paid, 80e6, "four fifths");
        assertEq(gatedUntil, 0, "not gated");
        vm.expectEmit(true, true, true, true, address(house));
        emit ClearingHouse.Withdrawn(a, alice, 100e6, 80e6);
        _withdraw(alice, a, 100e6);
        assertEq(house.totals().openDeficit, 480e6, "the rest lowers the deficit");
        _checkIdentity();
        WithdrawalRequest memory request = _withdrawal(a, 100e6);
        request.minPaid = 80e6 + 1;
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.PaidTooLittle.selector, 80e6, 80e6 + 1));
        house.withdraw(request, _proof());
        // Between accounts nothing is lost.
        request.minPaid = 0;
        request.toAccountId = b;
        vm.prank(alice);
        house.withdraw(request, _proof());
        assertEq(_cash(b), 1_100e6, "in full");
        _checkIdentity();
    }

    /// @dev Whatever the order and the amounts, all withdrawals together bear exactly the deficit, and each its share.
    function testFuzz_allWithdrawalsTakeExactlyTheDeficit(uint256 deficit, uint256 seed) public {
        deficit = bound(deficit, 1, 3_000e6);
        _subsidise(deficit);
        uint256[3] memory ids = [a, b, vessel];
        address[3] memory owners = [alice, bob, keeper];
        uint256 steps = 0;
        uint256 paidToAll = 0;
        for (uint256 index = 0; index < 3; index++) {
            for (uint256 part = 0; part < 3; part++) {
                uint256 left = uint256(_cash(ids[index]));
                if (left == 0) break;
                uint256 amount = part == 2 ? left : bound(uint256(keccak256(abi.encode(seed, index, part))), 1, left);
                (uint256 paid,) = house.previewWithdrawal(amount);
                if (paid == 0 && part != 2) continue;
                uint256 fair = amount * 2_000e6 / (2_000e6 + deficit);
                uint256 before = usd.balanceOf(owners[index]);
                if (paid == 0) break; // the last units of a claim may be worth nothing
                _withdraw(owners[index], ids[index], amount);
                paidToAll += usd.balanceOf(owners[index]) - before;
                steps++;
                // Others' roundings stay in the house, so a share grows by at most as many units.
                assertTrue(paid + 1 >= fair && paid <= fair + steps, "each its share");
                assertTrue(house.totals().openDeficit >= 0, "never more than the deficit");
            }
        }
        _checkIdentity();
        Totals memory sums = house.totals();
        uint256 unclaimed = uint256(_cash(a) + _cash(b) + _cash(vessel));
        assertEq(paidToAll + sums.tokensHeld, 2_000e6, "tokens");
        assertEq(int256(unclaimed), int256(sums.tokensHeld) + sums.openDeficit, "what is left");
        if (unclaimed == 0) assertEq(sums.openDeficit, 0, "exactly the deficit");
    }

    /// @dev Owing oneself a fortune does not dilute the share of a loss.
    function testFuzz_tradesWithOneselfDoNotHelp(uint256 size) public {
        _subsidise(500e6);
        uint256 second = _trader(alice);
        (uint256 before,) = house.previewWithdrawal(1_000e6);
        TradeRequest memory request = _tradeRequest(int256(bound(size, 1, 2 ** 90)));
        request.b = _side(second);
        request.a.provenCash = -2 ** 91;
        request.b.provenCash = -2 ** 91;
        vm.prank(alice);
        house.trade(request, _proofs());
        (uint256 paid,) = house.previewWithdrawal(1_000e6);
        assertEq(paid, before, "the same share");
        _checkIdentity();
    }

    function test_nothingIsPaidForNothing() public {
        _withdraw(alice, a, 1_000e6);
        _withdraw(bob, b, 1_000e6);
        _subsidise(500e6);
        _refuseWithdrawal(
            keeper, vessel, 100e6, abi.encodeWithSelector(HouseLedger.InsufficientLiquidity.selector, 0, 0)
        );
    }

    function testFuzz_feesRepayTheDeficitFirst(uint256 fee) public {
        fee = bound(fee, 1, 1_000e6);
        _subsidise(400e6);
        vm.prank(engine);
        house.chargeFee(a, fee, 0, 0);
        uint256 repaid = fee < 400e6 ? fee : 400e6;
        assertEq(house.totals().openDeficit, int256(400e6 - repaid), "repaid");
        assertEq(_cash(1), int256(fee - repaid), "the rest is the fund's");
        _checkIdentity();
    }

    function test_fundCannotLeaveItsDuty() public {
        _deposit(bob, 1, 100e6);
        fund.withdraw(house, 10e6, 0);
        _subsidise(1e6); // beyond the fund's limit of 0
        vm.expectRevert(ClearingHouse.FundEngaged.selector);
        fund.withdraw(house, 10e6, 0);
        vm.expectRevert(ClearingHouse.FundEngaged.selector);
        fund.withdraw(house, 10e6, a);
        vm.prank(engine);
        house.chargeFee(a, 1e6, 0, 0);
        fund.withdraw(house, 10e6, a);
        _pend(broke, 1);
        vm.expectRevert(ClearingHouse.FundEngaged.selector);
        fund.withdraw(house, 10e6, 0);
    }

    // Pending deficits

    function test_gateClosesForADay() public {
        _pend(broke, 500e6);
        uint256 until = block.timestamp + 1 days;
        Totals memory sums = house.totals();
        assertEq(sums.pendingDeficit, 500e6, "pending");
        assertEq(sums.uncoveredDeficit, 500e6, "uncovered");
        assertEq(sums.gatedUntil, until, "until");
        _refuseWithdrawal(alice, a, 1, abi.encodeWithSelector(HouseLedger.WithdrawalsGated.selector, until));
        // Cash may still move inside, collateral belongs to its owner.
        WithdrawalRequest memory request = _withdrawal(a, 1e6);
        request.toAccountId = b;
        vm.startPrank(alice);
        house.withdraw(request, _proof());
        house.depositCollateral(a, 1, 1e18);
        house.withdrawCollateral(_collateralWithdrawal(a, 1e18), _proof());
        vm.stopPrank();
        // Another deficit, or a change of this one, does not prolong it.
        vm.warp(until - 1);
        _pend(vessel, 100e6);
        _pend(broke, 400e6);
        _refuseWithdrawal(alice, a, 1, abi.encodeWithSelector(HouseLedger.WithdrawalsGated.selector, until));
        vm.warp(until);
        // 2,000 in tokens, 500 pending: four fifths.
        _withdraw(alice, a, 100e6);
        assertEq(usd.balanceOf(alice), 1_000_000e6 - 1_000e6 + 80e6, "as if open");
        assertEq(house.totals().openDeficit, -20e6, "paid in advance");
        _checkIdentity();
        (uint256 paid,) = house.previewWithdrawal(100e6);
        assertEq(paid, 80e6, "the next has the same share");
    }

    function test_prepaymentMeetsTheLoss() public {
        _pend(broke, 500e6);
        vm.warp(block.timestamp + 1 days);
        _withdraw(alice, a, 100e6);
        _subsidise(500e6);
        assertEq(house.totals().openDeficit, 480e6, "20 were paid before");
        _pend(broke, 0);
        (uint256 paid,) = house.previewWithdrawal(100e6);
        assertEq(paid, 80e6, "the same share after as before");
        _checkIdentity();
    }

    function test_prepaymentIsTheFundsWhenTheLossDoesNotCome() public {
        _pend(broke, 500e6);
        vm.warp(block.timestamp + 1 days);
        _withdraw(alice, a, 100e6);
        vm.expectEmit(true, true, true, true, address(house));
        emit HouseLedger.FundPaid(20e6, 0);
        _pend(broke, 0);
        assertEq(_cash(1), 20e6, "fund");
        assertEq(house.totals().openDeficit, 0, "none");
        uint256 before = usd.balanceOf(bob);
        _withdraw(bob, b, 100e6);
        assertEq(usd.balanceOf(bob) - before, 100e6, "in full");
        _checkIdentity();
        // The clock starts anew with a deficit of another day.
        vm.warp(block.timestamp + 1 days);
        _pend(broke, 500e6);
        assertEq(house.totals().gatedUntil, block.timestamp + 1 days, "a new day");
    }

    function test_coveredDeficitsGateNothing() public {
        _deposit(bob, 1, 300e6);
        fund.setLimit(Fixtures.BTC, 200e6);
        _pend(broke, 200e6);
        _withdraw(alice, a, 100e6);
        // Of 2,200 in tokens: dust.
        _pend(broke, 200e6 + 220_000);
        assertEq(house.totals().gatedUntil, 0, "a ten-thousandth gates nothing");
        _pend(broke, 200e6 + 220_001);
        assertEq(house.totals().uncoveredDeficit, 220_001, "beyond the limit");
        _refuseWithdrawal(
            alice, a, 1, abi.encodeWithSelector(HouseLedger.WithdrawalsGated.selector, block.timestamp + 1 days)
        );
        // Underlyings have limits of their own, and share the fund's cash.
        _pend(broke, 200e6);
        vm.prank(keeper);
        uint256 other = house.createAccount(ETH);
        fund.setLimit(ETH, 300e6);
        _pend(other, 100e6);
        assertEq(house.totals().uncoveredDeficit, 0, "300 in all");
        _pend(other, 150e6);
        assertEq(house.totals().uncoveredDeficit, 50e6, "the cash is there once");
        _pend(other, 0);
        assertEq(house.totals().uncoveredDeficit, 0, "covered again");
        _withdraw(alice, a, 100e6);
    }

    function testFuzz_deficitsKeepTheIdentity(uint256 seed) public {
        _deposit(bob, 1, 50e6);
        fund.setLimit(Fixtures.BTC, 20e6);
        for (uint256 step = 0; step < 16; step++) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 amount = bound(seed >> 16, 1, 400e6);
            uint256 choice = seed % 6;
            if (choice == 0) _subsidise(amount);
            else if (choice == 1) _pend(broke, amount);
            else if (choice == 2) _pend(broke, 0);
            else if (choice == 3) vm.warp(block.timestamp + 13 hours);
            else if (choice == 4) _chargeWhatIsThere(amount);
            else _withdrawIfPossible(amount);
            _checkIdentity();
            // Never more is kept back than was once pending.
            assertTrue(house.totals().openDeficit >= -400e6, "prepaid within bounds");
        }
    }

    function _chargeWhatIsThere(uint256 amount) private {
        if (_cash(a) < int256(amount)) return;
        vm.prank(engine);
        house.chargeFee(a, amount, vessel, amount / 2);
    }

    function _withdrawIfPossible(uint256 amount) private {
        (uint256 paid, uint256 gatedUntil) = house.previewWithdrawal(amount);
        if (gatedUntil != 0 || paid == 0 || _cash(b) < int256(amount)) return;
        if (paid > house.totals().tokensHeld) return;
        _withdraw(bob, b, amount);
    }
}
