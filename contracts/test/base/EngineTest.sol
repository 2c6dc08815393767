// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {ClearingHouse} from "../../src/ClearingHouse.sol";
import {LiquidationSettings} from "../../src/libraries/LiquidationMath.sol";
import {Groth16Proof, LiquidationEngine, LiquidationOrder} from "../../src/LiquidationEngine.sol";
import {RiskOracle} from "../../src/RiskOracle.sol";
import {RiskParameters} from "../../src/RiskParameters.sol";
import {TestUsd} from "../../src/testing/TestUsd.sol";
import {MockVerifier} from "../mocks/MockVerifier.sol";
import {Fixtures} from "./Fixtures.sol";
import {Test} from "./Test.sol";

/// @title The whole protocol around a mock verifier, with one round posted
abstract contract EngineTest is Test {
    TestUsd internal usd;
    RiskOracle internal oracle;
    RiskParameters internal parameters;
    ClearingHouse internal house;
    LiquidationEngine internal engine;
    MockVerifier internal verifier;
    address internal reporter = makeAddr("reporter");
    address internal settler = makeAddr("settler");
    address internal treasury = makeAddr("treasury");
    address internal trader = makeAddr("trader");
    address internal keeper = makeAddr("keeper");
    uint256 internal accountId;

    function _deploy(TestUsd token) internal {
        vm.warp(Fixtures.NOW + 10);
        usd = token;
        oracle = new RiskOracle(address(this));
        oracle.configureUnderlying(Fixtures.BTC, reporter, 60);
        parameters = new RiskParameters(address(this));
        parameters.setParameters(Fixtures.BTC, Fixtures.parameters());
        house = new ClearingHouse(token, address(this), treasury);
        house.setSettler(settler);
        verifier = new MockVerifier();
        engine = new LiquidationEngine(
            address(this), oracle, parameters, house, verifier, LiquidationSettings(1_000, 500, 2_000)
        );
        house.setEngine(address(engine));
        _postRound(Fixtures.NOW);
        accountId = _open(trader, 5_000e6, 2 ** 40);
        token.mint(keeper, 1_000_000e6);
        vm.prank(keeper);
        token.approve(address(house), type(uint256).max);
    }

    function _open(address owner, uint256 cash, uint64 scale) internal returns (uint256 id) {
        usd.mint(owner, cash);
        vm.startPrank(owner);
        usd.approve(address(house), type(uint256).max);
        id = house.createAccount(Fixtures.BTC);
        house.deposit(id, cash);
        vm.stopPrank();
        vm.prank(settler);
        house.attestPositions(id, 1_000 + id, scale, Fixtures.legs(), 5);
    }

    function _postRound(uint256 timestamp) internal {
        vm.prank(reporter);
        oracle.postRound(Fixtures.BTC, Fixtures.underlyingWord(timestamp), Fixtures.expiryWords());
    }

    /// @dev Equity 1,000 against a requirement of 1,200.
    function _order() internal view returns (LiquidationOrder memory) {
        return LiquidationOrder({
            accountId: accountId,
            round: 1,
            mark: -4_000e6,
            requirement: 1_200e6,
            maxPayment: type(uint256).max,
            minScaleTaken: 1,
            deadline: block.timestamp
        });
    }

    function _proof() internal pure returns (Groth16Proof memory proof) {}
}
