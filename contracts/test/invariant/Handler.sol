// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {ClearingHouse} from "../../src/ClearingHouse.sol";
import {Account} from "../../src/interfaces/IClearingHouse.sol";
import {LiquidationAmounts} from "../../src/libraries/LiquidationMath.sol";
import {Groth16Proof, LiquidationEngine, LiquidationOrder} from "../../src/LiquidationEngine.sol";
import {RiskOracle} from "../../src/RiskOracle.sol";
import {TestUsd} from "../../src/testing/TestUsd.sol";
import {Fixtures} from "../base/Fixtures.sol";
import {Test} from "../base/Test.sol";

/// @title Random actions of users, settler, keepers and givers
/// @dev Arguments are brought into ranges where most actions succeed. What fails by a rule of the contracts is caught,
/// so that each run keeps its length. The handler keeps its own books.
contract Handler is Test {
    ClearingHouse public immutable house;
    LiquidationEngine public immutable engine;
    RiskOracle public immutable oracle;
    TestUsd public immutable usd;
    address public immutable settler;
    address public immutable reporter;
    address[3] public users;

    uint256 public donations;
    uint256 public paidIn;
    uint256 public paidOut;
    /// @notice Changes of positions so far, which an account's nonce must equal.
    mapping(uint256 accountId => uint256) public changes;
    /// @notice The attestation that an account's positions descend from; 0 for none.
    mapping(uint256 accountId => uint256) public lineageOf;
    /// @notice Scale that the living descendants of an attestation must have together.
    mapping(uint256 lineage => uint256) public scaleOf;
    uint256 public lineageCount;
    uint256 public liquidations;
    uint256 public settlements;
    uint256 public lastTimestamp;

    constructor(
        ClearingHouse house_,
        LiquidationEngine engine_,
        RiskOracle oracle_,
        TestUsd usd_,
        address settler_,
        address reporter_
    ) {
        house = house_;
        engine = engine_;
        oracle = oracle_;
        usd = usd_;
        settler = settler_;
        reporter = reporter_;
        lastTimestamp = block.timestamp;
        for (uint256 index = 0; index < 3; index++) {
            address user = address(uint160(0x1000 + index));
            users[index] = user;
            usd.mint(user, 1e15);
            vm.startPrank(user);
            usd.approve(address(house), type(uint256).max);
            uint256 accountId = house.createAccount(Fixtures.BTC);
            house.deposit(accountId, 1e10);
            vm.stopPrank();
            paidIn += 1e10;
            _attest(accountId, 2 ** 40);
        }
    }

    function createAccount(uint256 userSeed) external {
        if (house.accountCount() >= 12) return;
        vm.prank(_user(userSeed));
        house.createAccount(Fixtures.BTC);
    }

    function deposit(uint256 userSeed, uint256 accountSeed, uint256 amount) external {
        amount = bound(amount, 1, 1e10);
        uint256 accountId = _account(accountSeed);
        vm.prank(_user(userSeed));
        house.deposit(accountId, amount);
        paidIn += amount;
    }

    function withdraw(uint256 accountSeed, uint256 amount) external {
        uint256 accountId = _account(accountSeed);
        Account memory account = house.getAccount(accountId);
        amount = bound(amount, 1, account.cash > 0 ? uint256(int256(account.cash)) : 1);
        vm.prank(account.owner);
        try house.withdraw(accountId, amount) {
            assertTrue(account.scale == 0, "withdrawn with positions");
            paidOut += amount;
        } catch {}
    }

    function settleCash(uint256 fromSeed, uint256 toSeed, uint256 amount) external {
        uint256 from = _account(fromSeed);
        uint256 to = _account(toSeed);
        vm.prank(settler);
        try house.settleCash(from, to, bound(amount, 1, 1e10)) {
            settlements++;
        } catch {}
    }

    function attest(uint256 accountSeed, uint64 scale, bool close) external {
        uint256 accountId = _account(accountSeed);
        if (close) {
            uint64 before = house.getAccount(accountId).scale;
            vm.prank(settler);
            try house.attestPositions(accountId, 0, 0, new uint256[](0), 0) {
                _recordAttestation(accountId, before, 0);
            } catch {}
        } else {
            _attest(accountId, uint64(bound(uint256(scale), 1, 2 ** 44)));
        }
    }

    /// @dev An order whose figures make the account liquidatable, by any user, its owner included.
    function liquidate(uint256 userSeed, uint256 accountSeed, uint256 equity, uint256 requirement) external {
        uint256 accountId = _account(accountSeed);
        Account memory account = house.getAccount(accountId);
        requirement = bound(requirement, 2, 1e12);
        equity = bound(equity, 1, requirement - 1);
        LiquidationOrder memory order = LiquidationOrder({
            accountId: accountId,
            round: oracle.latestRound(Fixtures.BTC),
            mark: int256(equity) - account.cash,
            requirement: requirement,
            maxPayment: type(uint256).max,
            minScaleTaken: 0,
            deadline: block.timestamp
        });
        Groth16Proof memory proof;
        address keeper = _user(userSeed);
        uint256 before = usd.balanceOf(keeper);
        vm.prank(keeper);
        try engine.liquidate(order, proof) returns (uint256 subAccountId, LiquidationAmounts memory) {
            paidIn += before - usd.balanceOf(keeper);
            changes[accountId]++;
            lineageOf[subAccountId] = lineageOf[accountId];
            liquidations++;
        } catch {}
    }

    function donate(uint256 userSeed, uint256 amount) external {
        amount = bound(amount, 1, 1e9);
        vm.prank(_user(userSeed));
        usd.transfer(address(house), amount);
        donations += amount;
    }

    function passTime(uint256 delay, bool post) external {
        lastTimestamp += bound(delay, 1, 40);
        vm.warp(lastTimestamp);
        if (!post) return;
        uint256[8] memory none;
        vm.prank(reporter);
        oracle.postRound(Fixtures.BTC, Fixtures.underlyingWord(lastTimestamp), none);
    }

    function _attest(uint256 accountId, uint64 scale) private {
        uint64 before = house.getAccount(accountId).scale;
        uint256[] memory legs = Fixtures.legs();
        vm.prank(settler);
        house.attestPositions(accountId, 7, scale, legs, 1);
        _recordAttestation(accountId, before, scale);
    }

    /// @dev What is replaced leaves its lineage; what is attested starts one.
    function _recordAttestation(uint256 accountId, uint64 before, uint64 scale) private {
        changes[accountId]++;
        scaleOf[lineageOf[accountId]] -= before;
        lineageOf[accountId] = ++lineageCount;
        scaleOf[lineageCount] = scale;
    }

    function _user(uint256 seed) private view returns (address) {
        return users[seed % 3];
    }

    function _account(uint256 seed) private view returns (uint256) {
        return 1 + seed % house.accountCount();
    }
}
