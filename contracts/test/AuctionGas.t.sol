// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {BidOrder} from "../src/interfaces/AuctionRequests.sol";
import {AuctionTest} from "./base/AuctionTest.sol";

/// @title Gas of whole transactions, from cold storage, around the ledger of the tests
/// @notice Printed with `-vv`. What a bid costs does not depend on the number of legs, which no contract sees. The vessel is new: its commitment
/// is written for the first time.
contract AuctionGasTest is AuctionTest {
    event log_named_uint(string key, uint256 value);

    uint256 private constant BASE = 21_000;
    uint256 private constant GOAL = 150_000;

    BidOrder private _part;
    BidOrder private _whole;

    function setUp() public {
        _deploy();
        _start();
        _later(100);
        _part = _order(vesselId);
        _part.maxScale = UNIT / 10;
        _whole = _order(vesselId);
    }

    /// @dev Zero bytes of a transaction's data cost 4, others 16.
    function _dataGas(bytes memory data) private pure returns (uint256 gas) {
        for (uint256 index = 0; index < data.length; index++) {
            gas += data[index] == 0 ? 4 : 16;
        }
    }

    function _measure(string memory name, bytes memory data, uint256 refund) private {
        uint256 around = BASE + _dataGas(data);
        vm.prank(keeper);
        uint256 before = gasleft();
        (bool success,) = address(auctions).call(data);
        uint256 used = before - gasleft() + around - refund;
        assertTrue(success, name);
        emit log_named_uint(name, used);
        assertTrue(used <= GOAL, name);
    }

    function test_gas_bidForAPart() public {
        _measure("bid for a part, new vessel", abi.encodeCall(auctions.bid, (_part)), 0);
    }

    /// @dev The five slots of the auction are cleared, and 4,800 gas refunded for each.
    function test_gas_bidThatEndsTheAuction() public {
        _measure("bid for all, new vessel", abi.encodeCall(auctions.bid, (_whole)), 5 * 4_800);
    }
}
