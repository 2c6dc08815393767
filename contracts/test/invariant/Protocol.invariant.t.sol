// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Auction} from "../../src/auction/AuctionTypes.sol";
import {Account} from "../../src/interfaces/IClearingHouse.sol";
import {Totals} from "../../src/house/HouseLedger.sol";
import {Test} from "../base/Test.sol";
import {Handler} from "./Handler.sol";

/// @title What holds of the handler's protocol whatever was done to it
/// @dev The handler owns the protocol, so the checks are its own.
contract CheckedHandler is Handler {
    /// @dev I-1.
    function checkTokens() external view {
        assertTrue(usd.balanceOf(address(house)) >= house.totals().tokensHeld + donatedToHouse, "I-1: tokens of the house");
    }

    /// @dev I-2.
    function checkIdentity() external view {
        int256 sum = 0;
        uint256 count = house.accountCount();
        for (uint256 id = 1; id <= count; id++) {
            sum += _account(id).cash;
        }
        Totals memory sums = house.totals();
        assertEq(sum, int256(sums.tokensHeld) + sums.settlementFloat + sums.openDeficit, "I-2: identity of cash");
    }

    /// @dev I-3, I-13: everything of every account is what the handler expects.
    function checkAccounts() external view {
        uint256 count = house.accountCount();
        for (uint256 id = 2; id <= count; id++) {
            Account memory account = _account(id);
            Expected memory known = _expected[id];
            assertEq(account.commitment, known.commitment, "I-3: commitment");
            assertEq(uint256(account.scale), known.scale, "I-3: scale");
            assertEq(uint256(account.nonce), known.nonce, "I-13: nonce");
            assertEq(int256(account.cash), known.cash, "I-3: cash");
            assertTrue(account.inAuction == known.inAuction, "I-3: auction");
            assertTrue((account.scale == 0) == (account.commitment == 0), "I-3: scale and commitment");
        }
    }

    /// @dev I-4, I-5.
    function checkInstruments() external view {
        for (uint256 index = 0; index < instruments.length; index++) {
            uint256 instrument = instruments[index];
            assertEq(this.heldUnits(instrument) + settledUnits[instrument], 0, "I-4: sum of an instrument");
        }
    }

    /// @dev I-6.
    function checkBareDebts() external view {
        uint256 count = house.accountCount();
        for (uint256 id = 1; id <= count; id++) {
            Account memory account = _account(id);
            assertTrue(account.scale != 0 || account.cash >= 0, "I-6: no debt without positions");
        }
    }

    /// @dev I-7, I-10.
    function checkFund() external view {
        int128 cash = _account(FUND).cash;
        assertTrue(cash >= 0, "I-10: the fund owes nothing");
        assertTrue(fund.reserve() <= uint128(cash), "I-10: reserve within the cash");
        assertTrue(rewardedSum <= chargedSum, "I-7: rewards within fees and penalties");
    }

    /// @dev I-11, I-12: deficits.
    function checkDeficits() external view {
        Totals memory sums = house.totals();
        assertTrue(sums.openDeficit <= int256(socialisedSum), "I-12: open deficit within what was socialised");
        uint256 pending = 0;
        uint256 count = house.accountCount();
        for (uint256 id = 1; id <= count; id++) {
            uint256 deficit = house.pendingDeficitOf(id);
            pending += deficit;
            Auction memory auction = auctions.auctionOf(id);
            assertTrue(deficit == 0 || auction.insolventSince != 0, "I-16: only insolvent auctions have deficits");
            assertTrue(_account(id).inAuction == (auction.number != 0), "I-17: marked while auctioned");
        }
        assertEq(sums.pendingDeficit, pending, "I-16: sum of pending deficits");
        assertTrue(sums.uncoveredDeficit <= sums.pendingDeficit, "I-16: uncovered part");
    }

    /// @dev I-18.
    function checkVault() external view {
        uint256 sum = 0;
        uint256 count = house.accountCount();
        for (uint256 id = 1; id <= count; id++) {
            uint256 balance = vault.balanceOf(id, COLLATERAL);
            sum += balance;
            assertTrue((balance != 0) == (vault.heldKinds(id) != 0), "I-18: held kinds");
        }
        assertEq(uint256(vault.getCollateral(COLLATERAL).total), sum, "I-18: total");
        assertTrue(coin.balanceOf(address(vault)) >= sum, "I-18: tokens of the vault");
    }

    /// @dev I-14, I-15.
    function checkMarket() external view {
        assertTrue(_round() >= lastRoundSeen && _roundTime() >= lastRoundTime, "I-14: rounds");
        assertTrue(parameters.versionOf(BTC) >= 1, "I-15: version");
    }

    /// @dev I-19: stakes.
    function checkStakes() external view {
        uint256 sum = 0;
        for (uint256 index = 0; index < KEEPERS; index++) {
            (uint96 staked, uint96 locked,,) = stage.liquidatorOf(_keeper(index));
            assertTrue(locked <= staked, "I-19: locked stake");
            sum += staked;
        }
        assertTrue(usd.balanceOf(address(stage)) >= sum, "I-19: tokens of the stage");
    }

    /// @dev I-20: when no option is left, settlements have not created cash.
    function checkSettlements() external view {
        uint256 count = house.accountCount();
        for (uint256 id = 2; id <= count; id++) {
            if (_hasDue(id, type(uint256).max)) return;
        }
        assertTrue(house.totals().settlementFloat <= 0, "I-20: settlements create nothing");
    }

    function reportCounts() external {
        for (uint256 index = 0; index < actionNames.length; index++) {
            string memory name = actionNames[index];
            emit log_named_uint(string.concat(name, ": done"), successes[name]);
            if (refusals[name] != 0) emit log_named_uint(string.concat(name, ": refused, as predicted"), refusals[name]);
        }
    }
}

/// @title Invariants of the whole protocol; docs/invariants.md lists them
contract ProtocolInvariantTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    CheckedHandler internal handler;

    error NeverDone(string action);

    function setUp() public {
        handler = new CheckedHandler();
        handler.setUp();
    }

    function _selectors() private view returns (bytes4[] memory list) {
        list = new bytes4[](29);
        list[0] = handler.deposit.selector;
        list[1] = handler.depositCollateral.selector;
        list[2] = handler.withdrawCollateral.selector;
        list[3] = handler.withdraw.selector;
        list[4] = handler.trade.selector;
        list[5] = handler.tradeLinear.selector;
        list[6] = handler.movePrice.selector;
        list[7] = handler.breaker.selector;
        list[8] = handler.wait.selector;
        list[9] = handler.newVersion.selector;
        list[10] = handler.settle.selector;
        list[11] = handler.fundActions.selector;
        list[12] = handler.reenter.selector;
        list[13] = handler.lie.selector;
        list[14] = handler.hostile.selector;
        list[15] = handler.liquidate.selector;
        list[16] = handler.liquidateBatch.selector;
        list[17] = handler.startAuction.selector;
        list[18] = handler.refresh.selector;
        list[19] = handler.restart.selector;
        list[20] = handler.cancel.selector;
        list[21] = handler.close.selector;
        list[22] = handler.poke.selector;
        list[23] = handler.bid.selector;
        list[24] = handler.takeOver.selector;
        list[25] = handler.sealedCommit.selector;
        list[26] = handler.trade.selector;
        list[27] = handler.tradeLinear.selector;
        list[28] = handler.changeHaircuts.selector;
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), _selectors());
    }

    function invariant_everything() external view {
        _checkAll();
    }

    function _checkAll() private view {
        handler.checkTokens();
        handler.checkIdentity();
        handler.checkAccounts();
        handler.checkInstruments();
        handler.checkBareDebts();
        handler.checkFund();
        handler.checkDeficits();
        handler.checkVault();
        handler.checkMarket();
        handler.checkStakes();
        handler.checkSettlements();
    }

    function _requireDone() private view {
        string[43] memory names = [
            "deposit",
            "depositCollateral",
            "withdrawCollateral",
            "withdraw",
            "withdraw to account",
            "withdraw with a loss",
            "trade",
            "trade that closes",
            "trade withheld",
            "settle",
            "liquidate",
            "liquidateBatch",
            "slice with moving collateral",
            "start",
            "refresh",
            "restart",
            "cancel",
            "close",
            "poke",
            "bid",
            "bid that ends the auction",
            "bid into a vessel that holds a slice",
            "takeOver",
            "takeOver with a socialised loss",
            "commit",
            "reveal",
            "fill",
            "sealed bid executed",
            "slash",
            "fund contribution",
            "fund allocation",
            "fund withdrawal",
            "gifts",
            "breaker confirmed",
            "breaker dismissed",
            "newVersion",
            "reenter",
            "haircuts raised",
            "haircuts scheduled",
            "applyHaircuts",
            "liquidate without equity",
            "auction without equity, not insolvent",
            "bid without equity"
        ];
        for (uint256 index = 0; index < names.length; index++) {
            if (handler.successes(names[index]) == 0) revert NeverDone(names[index]);
        }
        string[3] memory refused = ["lie: solvency", "lie: transfer", "hostile owner"];
        for (uint256 index = 0; index < refused.length; index++) {
            if (handler.refusals(refused[index]) == 0) revert NeverDone(refused[index]);
        }
    }

    /// @dev A fixed sequence of many actions: shows that each of them happens, with counts under `-vv`.
    function test_EveryActionHappens() external {
        bytes4[] memory list = _selectors();
        // More than one transaction could do.
        vm.pauseGasMetering();
        // Later on, losses keep the fund's money in.
        handler.fundActions(2, 1_000e6);
        for (uint256 step = 0; step < 1_200; step++) {
            uint256 random = uint256(keccak256(abi.encode(step)));
            bytes memory data = abi.encodePacked(
                list[random % list.length],
                keccak256(abi.encode(random, 1)),
                keccak256(abi.encode(random, 2)),
                keccak256(abi.encode(random, 3)),
                keccak256(abi.encode(random, 4)),
                keccak256(abi.encode(random, 5))
            );
            (bool success, bytes memory reason) = address(handler).call(data);
            if (!success) {
                assembly ("memory-safe") {
                    revert(add(reason, 32), mload(reason))
                }
            }
            if (step % 30 == 0) _checkAll();
        }
        _checkAll();
        handler.reportCounts();
        _requireDone();
    }
}
