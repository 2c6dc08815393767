// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {AuctionReports} from "../src/auction/AuctionTypes.sol";
import {AuctionClaim, BidOrder, CancelRequest} from "../src/interfaces/AuctionRequests.sol";
import {Groth16Proof} from "../src/interfaces/Groth16.sol";
import {LiquidationEngine, LiquidationOrder} from "../src/LiquidationEngine.sol";
import {AuctionTest} from "./base/AuctionTest.sol";

/// @title A gate that burns all gas: whoever asks it about a proof cannot be cheap
contract HungryGate {
    fallback() external {
        assembly ("memory-safe") {
            invalid()
        }
    }
}

/// @title What a keeper pays that comes second
/// @notice Whole transactions, from cold storage: their base, their data, and what is executed until they are refused. Somebody else was faster in
/// `setUp`, or is so at the beginning of a test.
contract LostRacesTest is AuctionTest {
    event log_named_uint(string key, uint256 value);

    uint256 private constant BASE = 21_000;
    uint256 private constant MOST = 80_000;
    uint256 private constant PLENTY = 2_000_000;

    uint256 private _auctioned;
    LiquidationOrder private _late;
    LiquidationOrder private _lateElsewhere;
    LiquidationOrder private _fresh;
    Groth16Proof private _proof;
    AuctionClaim private _lateStart;
    AuctionClaim private _secondStart;
    AuctionClaim private _lateRefresh;
    CancelRequest private _lateCancel;

    function setUp() public {
        _deploy();
        uint256 liquidated = _open(trader, 5_000e6);
        _late = _liquidationOf(liquidated, rivalVesselId);
        _lateStart = _claim(liquidated, MARK, REQUIREMENT);
        _lateElsewhere = _liquidationOf(accountId, rivalVesselId);
        _secondStart = _claim(accountId, MARK, REQUIREMENT);
        _fresh = _liquidationOf(_open(trader, 5_000e6), house.create(rival, BTC, 1_000_000e6));
        LiquidationOrder memory first = _liquidationOf(liquidated, vesselId);
        // What a proof costs as data: eight full words.
        _proof.a = [type(uint256).max, type(uint256).max];
        _proof.b = [[type(uint256).max, type(uint256).max], [type(uint256).max, type(uint256).max]];
        _proof.c = [type(uint256).max, type(uint256).max];

        Groth16Proof memory proof = _insolvencyProof(
            address(engine), liquidated, first.nonce, UNIT, market.versionOf(BTC), MARK, REQUIREMENT, keeper
        );
        vm.prank(keeper);
        engine.liquidate(first, proof);
        _start();
        _lateRefresh = _claim(accountId, MARK, REQUIREMENT);
        _lateCancel = _cancelRequest(_cash(accountId));
        _later(100);
        BidOrder memory order = _order(rivalVesselId);
        order.maxScale = UNIT / 10;
        vm.prank(rival);
        auctions.bid(order);
        vm.etch(address(gate), type(HungryGate).runtimeCode);
    }

    function _liquidationOf(uint256 id, uint256 vessel) private view returns (LiquidationOrder memory) {
        return LiquidationOrder({
            accountId: id,
            nonce: house.getAccount(id).nonce,
            vesselId: vessel,
            round: _round(),
            mark: MARK,
            baseRequirement: int256(REQUIREMENT),
            collateralSlope: 0,
            capacity: 8,
            maxPayment: type(uint128).max,
            minScaleTaken: UNIT / 100,
            deadline: block.timestamp + 600
        });
    }

    /// @dev Zero bytes of a transaction's data cost 4, others 16.
    function _dataGas(bytes memory data) private pure returns (uint256 gas) {
        for (uint256 index = 0; index < data.length; index++) {
            gas += data[index] == 0 ? 4 : 16;
        }
    }

    function _loses(string memory name, address target, bytes memory data, bytes memory reason, uint256 most) private {
        uint256 around = BASE + _dataGas(data);
        vm.prank(rival);
        uint256 before = gasleft();
        (bool success, bytes memory returned) = target.call{gas: PLENTY}(data);
        uint256 used = before - gasleft() + around;
        assertTrue(!success, name);
        emit log_named_uint(name, used);
        assertTrue(used <= most, name);
        assertEq(uint256(keccak256(returned)), uint256(keccak256(reason)), name);
    }

    function _changed(uint256 id, uint64 nonce) private pure returns (bytes memory) {
        return abi.encodeWithSelector(LiquidationEngine.AccountChanged.selector, id, nonce);
    }

    function test_gas_ofALiquidationThatComesSecond() public {
        bytes memory data = abi.encodeCall(engine.liquidate, (_late, _proof));
        _loses("liquidate", address(engine), data, _changed(_late.accountId, _late.nonce + 1), MOST);
    }

    function test_gas_ofALiquidationAfterAStart() public {
        LiquidationOrder memory order = _lateElsewhere;
        // An auction alone moves no nonce; the bid of this one has.
        order.nonce += 1;
        bytes memory data = abi.encodeCall(engine.liquidate, (order, _proof));
        bytes memory reason = abi.encodeWithSelector(LiquidationEngine.AccountInAuction.selector, accountId);
        _loses("liquidate after a start", address(engine), data, reason, MOST);
    }

    /// @dev The order that is late is named, so that the others can be sent again without it.
    function test_gas_ofABatchWithAnOrderThatComesSecond() public {
        LiquidationOrder[] memory orders = new LiquidationOrder[](2);
        (orders[0], orders[1]) = (_fresh, _late);
        Groth16Proof[] memory proofs = new Groth16Proof[](2);
        (proofs[0], proofs[1]) = (_proof, _proof);
        bytes memory data = abi.encodeCall(engine.liquidateBatch, (orders, proofs));
        bytes memory reason = abi.encodeWithSelector(
            LiquidationEngine.OrderFailed.selector, 1, _changed(_late.accountId, _late.nonce + 1)
        );
        _loses("liquidateBatch of two", address(engine), data, reason, MOST);
    }

    function test_gas_ofAStartThatComesSecond() public {
        AuctionClaim memory claim = _secondStart;
        claim.nonce += 1;
        bytes memory data = abi.encodeCall(auctions.start, (claim, rivalVesselId, _proof));
        bytes memory reason = abi.encodeWithSelector(AuctionReports.AuctionRunning.selector, accountId, uint64(1));
        _loses("start", address(auctions), data, reason, MOST);
    }

    function test_gas_ofAStartAfterALiquidation() public {
        bytes memory data = abi.encodeCall(auctions.start, (_lateStart, rivalVesselId, _proof));
        _loses("start after a liquidation", address(auctions), data, _changed(_late.accountId, _late.nonce + 1), MOST);
    }

    function test_gas_ofARefreshThatComesSecond() public {
        bytes memory data = abi.encodeCall(auctions.refresh, (_lateRefresh, _proof));
        bytes memory reason = abi.encodeWithSelector(AuctionReports.NotWorse.selector, _round(), _round());
        _loses("refresh", address(auctions), data, reason, MOST);
    }

    function test_gas_ofARefreshForAnEarlierAuction() public {
        AuctionClaim memory claim = _lateRefresh;
        claim.nonce -= 1;
        bytes memory data = abi.encodeCall(auctions.refresh, (claim, _proof));
        _loses("refresh for another auction", address(auctions), data, _changed(accountId, claim.nonce + 1), MOST);
    }

    function test_gas_ofACancellationAfterABid() public {
        bytes memory data = abi.encodeCall(auctions.cancel, (_lateCancel, _proof));
        _loses("cancel", address(auctions), data, _changed(accountId, _lateCancel.nonce + 1), MOST);
    }
}
