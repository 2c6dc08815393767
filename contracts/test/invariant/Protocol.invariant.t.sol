// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Account} from "../../src/interfaces/IClearingHouse.sol";
import {TestUsd} from "../../src/testing/TestUsd.sol";
import {EngineTest} from "../base/EngineTest.sol";
import {Handler} from "./Handler.sol";

/// @title What holds after every sequence of actions
contract ProtocolInvariantTest is EngineTest {
    Handler private handler;
    uint256 private initialCash;

    function setUp() public {
        _deploy(new TestUsd());
        verifier.acceptAll(true);
        // The fixture's own account takes part too, as one without recorded lineage: close it first.
        vm.prank(settler);
        house.attestPositions(accountId, 0, 0, new uint256[](0), 0);
        initialCash = house.totalCash();
        handler = new Handler(house, engine, oracle, usd, settler, reporter);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev The invariants say nothing about actions that never succeed.
    function test_everyActionCanSucceed() external {
        uint256 first = 3; // the treasury has account 1, the fixture 2
        handler.createAccount(0);
        handler.deposit(1, first - 1, 5e9);
        handler.liquidate(1, first - 1, 1_000e6, 1_200e6);
        assertEq(handler.liquidations(), 1, "liquidation");
        handler.settleCash(first - 1, first, 1e10);
        assertEq(handler.settlements(), 1, "settlement");
        assertEq(handler.paidOut(), 0, "no withdrawal yet");
        handler.attest(first, 0, true);
        handler.withdraw(first, 1e9);
        assertTrue(handler.paidOut() != 0, "withdrawal");
        handler.donate(0, 5);
        handler.passTime(30, true);
        assertEq(uint256(oracle.latestRound(1)), 2, "round");
    }

    /// @dev The house holds what it owes, and gifts beside it.
    function invariant_tokensCoverClaims() external view {
        uint256 held = usd.balanceOf(address(house));
        assertTrue(held >= house.totalCash(), "tokens below claims");
        assertEq(held, house.totalCash() + handler.donations(), "tokens are claims and gifts");
        assertEq(house.totalCash(), initialCash + handler.paidIn() - handler.paidOut(), "claims are what was paid in");
    }

    function invariant_cashSumsToTotal() external view {
        int256 sum = 0;
        for (uint256 id = 1; id <= house.accountCount(); id++) {
            sum += house.getAccount(id).cash;
        }
        assertEq(sum, int256(house.totalCash()), "sum of cash");
    }

    function invariant_scalesOfDescendantsAreConserved() external view {
        for (uint256 lineage = 1; lineage <= handler.lineageCount(); lineage++) {
            uint256 sum = 0;
            for (uint256 id = 1; id <= house.accountCount(); id++) {
                if (handler.lineageOf(id) == lineage) sum += house.getAccount(id).scale;
            }
            assertEq(sum, handler.scaleOf(lineage), "scales of one attestation");
        }
    }

    function invariant_nonceCountsChanges() external view {
        for (uint256 id = 1; id <= house.accountCount(); id++) {
            uint256 before = id == accountId ? 2 : 0;
            assertEq(uint256(house.getAccount(id).nonce), before + handler.changes(id), "nonce");
        }
    }

    function invariant_noDebtWithoutPositions() external view {
        for (uint256 id = 1; id <= house.accountCount(); id++) {
            Account memory account = house.getAccount(id);
            assertTrue(account.scale != 0 || account.cash >= 0, "debt without positions");
            assertTrue((account.scale == 0) == (account.commitment == 0), "commitment and scale go together");
            assertTrue(account.owner != address(0), "owner");
        }
    }
}
