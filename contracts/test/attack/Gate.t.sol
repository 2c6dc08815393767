// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Totals} from "../../src/house/HouseLedger.sol";
import {HouseTest} from "../base/HouseTest.sol";

/// @title Withdrawals of all, held up by few
contract GateAttackTest is HouseTest {
    function setUp() public override {
        super.setUp();
        _deposit(alice, a, 1_000e6);
        _deposit(bob, b, 1_000e6);
    }

    function _pend(uint256 accountId, uint256 deficit) private {
        vm.prank(auctionHouse);
        house.setPendingDeficit(accountId, deficit);
    }

    /// @dev An account of dust lacks a unit or two for the price of a rounding.
    function test_dustGatesNobody() public {
        _pend(a, 2);
        assertEq(house.totals().uncoveredDeficit, 2, "nobody covers it");
        _withdraw(bob, b, 100e6);
        assertTrue(usd.balanceOf(bob) >= 999_100e6 - 1, "paid, but for a share of the dust");
        _checkIdentity();
    }

    /// @dev Dust that nobody troubles to take over keeps something pending for ever. The gate must be there when it is needed.
    function test_dustDoesNotWearTheGateOut() public {
        _pend(a, 2);
        vm.warp(block.timestamp + 3 days);
        _pend(b, 500e6);
        assertEq(house.totals().gatedUntil, block.timestamp + 1 days, "gated");
    }

    /// @dev Neither do deficits that the fund covers.
    function test_coveredDeficitsDoNotWearTheGateOut() public {
        _deposit(bob, 1, 300e6);
        fund.setLimit(1, 200e6);
        _pend(a, 200e6);
        vm.warp(block.timestamp + 3 days);
        _pend(b, 500e6);
        assertEq(house.totals().gatedUntil, block.timestamp + 1 days, "gated");
    }

    /// @dev One account after the other, the next as soon as the one before is done with: the gate must open nevertheless.
    function test_deficitsInARowKeepTheGateForADay() public {
        uint256 until = block.timestamp + 1 days;
        for (uint256 hour = 0; hour < 24; hour++) {
            _pend(a, 100e6);
            assertEq(house.totals().gatedUntil, until, "one gate");
            vm.warp(block.timestamp + 1 hours);
            _pend(a, 0);
            assertEq(house.totals().gatedUntil, 0, "open");
        }
        for (uint256 hour = 0; hour < 24; hour++) {
            _pend(a, 100e6);
            Totals memory sums = house.totals();
            assertEq(sums.gatedUntil, 0, "no second day in a row");
            assertEq(sums.uncoveredDeficit, 100e6, "shared");
            vm.warp(block.timestamp + 1 hours);
            _pend(a, 0);
        }
        _pend(a, 100e6);
        assertEq(house.totals().gatedUntil, block.timestamp + 1 days, "a new day");
    }
}
