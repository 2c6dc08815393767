// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {ClearingHouse} from "../../src/ClearingHouse.sol";
import {TradeRequest} from "../../src/interfaces/Requests.sol";
import {HouseTest} from "../base/HouseTest.sol";

/// @title What an owner can do with accounts that hold the same legs
contract VesselsAttackTest is HouseTest {
    /// @dev Every insolvency proof binds nonce and scale. The owner of a large account below its requirement sold slices of dust from another own
    /// account with the same legs to it, by a mild scenario that it still covers: one slice per block voids all proofs against it, for
    /// hundreds of blocks, at the price of gas.
    function test_dustIntoAnOwnAccountVoidsNoProofs() public {
        _deposit(alice, a, 1_000e6);
        _deposit(bob, b, 1_000e6);
        TradeRequest memory request = _tradeRequest(0);
        // The same legs in both; whose the other one is does not matter.
        request.b.newCommitment = request.a.newCommitment;
        _sign(request);
        house.trade(request, _proofs());
        uint64 nonce = house.getAccount(a).nonce;
        uint64 least = ONE / 20 + 1;
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.SliceTooSmallForVessel.selector, least - 1, least));
        vm.prank(engine);
        house.moveSlice(_slice(b, a, alice, least - 1));
        assertEq(house.getAccount(a).nonce, nonce, "proofs hold");
        // What is worth a sale may join what the keeper has.
        vm.prank(engine);
        house.moveSlice(_slice(b, a, alice, least));
        assertEq(uint256(house.getAccount(a).scale), uint256(ONE) + least, "joined");
    }

    /// @dev An empty vessel takes a slice of any size.
    function testFuzz_emptyVesselsTakeAnySlice(uint64 scaleTaken) public {
        _deposit(alice, a, 1_000e6);
        _deposit(bob, b, 1_000e6);
        _trade(0);
        address keeper = makeAddr("keeper");
        uint256 vessel = _trader(keeper);
        scaleTaken = uint64(bound(scaleTaken, 1, ONE));
        vm.prank(engine);
        house.moveSlice(_slice(a, vessel, keeper, scaleTaken));
        assertEq(uint256(house.getAccount(vessel).scale), scaleTaken, "taken");
    }
}
