// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Account, IClearingHouse} from "../src/interfaces/IClearingHouse.sol";
import {IInsolvencyVerifier} from "../src/interfaces/IInsolvencyVerifier.sol";
import {IRiskOracle} from "../src/interfaces/IRiskOracle.sol";
import {IRiskParameters} from "../src/interfaces/IRiskParameters.sol";
import {LiquidationAmounts, LiquidationMath, LiquidationSettings} from "../src/libraries/LiquidationMath.sol";
import {Parameters} from "../src/libraries/ParameterWords.sol";
import {PublicSignals} from "../src/libraries/PublicSignals.sol";
import {LiquidationEngine, LiquidationOrder} from "../src/LiquidationEngine.sol";
import {RiskOracle} from "../src/RiskOracle.sol";
import {TestUsd} from "../src/testing/TestUsd.sol";
import {EngineTest} from "./base/EngineTest.sol";
import {Fixtures} from "./base/Fixtures.sol";
import {CallbackToken} from "./mocks/OddTokens.sol";

contract LiquidationEngineTest is EngineTest {
    function setUp() public {
        _deploy(new TestUsd());
        verifier.acceptOnly(_signals(_order(), keeper));
    }

    /// @dev Section 5, built here a second time.
    function _signals(LiquidationOrder memory order, address sender) private view returns (uint256[15] memory signals) {
        Account memory account = house.getAccount(order.accountId);
        uint256 field = PublicSignals.SCALAR_FIELD;
        signals[0] = order.mark < 0 ? field - uint256(-order.mark) : uint256(order.mark);
        signals[1] = order.requirement;
        signals[2] = account.commitment;
        signals[3] = account.scale;
        signals[4] = Fixtures.underlyingWord(Fixtures.NOW);
        uint256[8] memory words = Fixtures.expiryWords();
        for (uint256 index = 0; index < 8; index++) {
            signals[5 + index] = words[index];
        }
        signals[13] = parameters.commitmentOf(Fixtures.BTC);
        signals[14] = uint256(
            keccak256(
                abi.encode(
                    block.chainid,
                    address(engine),
                    order.accountId,
                    uint256(account.nonce),
                    uint256(order.round),
                    sender
                )
            )
        ) % field;
    }

    function _otherParameters() private pure returns (Parameters memory p) {
        p = Fixtures.parameters();
        p.maintenanceFactor++;
    }

    function _liquidate(LiquidationOrder memory order) private returns (uint256, LiquidationAmounts memory) {
        vm.prank(keeper);
        return engine.liquidate(order, _proof());
    }

    function _expectRefused(bytes memory reason, LiquidationOrder memory order) private {
        vm.prank(keeper);
        vm.expectRevert(reason);
        engine.liquidate(order, _proof());
    }

    // The path that works

    function test_liquidates() public {
        LiquidationAmounts memory expected = engine.previewLiquidation(accountId, -4_000e6, 1_200e6);
        vm.expectEmit(true, true, true, true, address(engine));
        emit LiquidationEngine.Liquidated(
            accountId,
            3,
            keeper,
            1,
            1,
            5_000e6,
            -4_000e6,
            1_200e6,
            2 ** 40,
            parameters.commitmentOf(Fixtures.BTC),
            LiquidationSettings(1_000, 500, 2_000),
            expected
        );
        (uint256 sub, LiquidationAmounts memory a) = _liquidate(_order());
        assertEq(a.keeperPays, expected.keeperPays, "preview");
        Account memory left = house.getAccount(accountId);
        Account memory taken = house.getAccount(sub);
        assertEq(uint256(left.scale) + taken.scale, 2 ** 40, "scales sum to the whole");
        assertEq(left.cash, 5_000e6 - a.cashTaken + int256(a.traderProceeds), "cash left");
        assertEq(taken.cash, a.cashTaken + int256(a.sliceDeposit), "cash taken");
        assertEq(house.getAccount(1).cash, int256(a.fundFee), "fund");
        assertEq(taken.owner, keeper, "keeper's");
        assertEq(uint256(left.nonce), 2, "nonce");
        assertEq(usd.balanceOf(keeper), 1_000_000e6 - a.keeperPays, "paid");
        assertEq(house.totalCash(), 5_000e6 + a.keeperPays, "sum of cash");
    }

    function test_proofIsUsedUp() public {
        _liquidate(_order());
        _expectRefused(abi.encodeWithSelector(LiquidationEngine.InvalidProof.selector), _order());
    }

    function test_signalsAreSectionFives() public view {
        uint256[15] memory actual = engine.publicSignals(_order(), keeper);
        uint256[15] memory expected = _signals(_order(), keeper);
        for (uint256 index = 0; index < 15; index++) {
            assertEq(actual[index], expected[index], "signal");
        }
    }

    // What a proof is bound to: the verifier accepts one vector of signals

    function test_refusesProofOfAnotherKeeper() public {
        vm.prank(trader);
        vm.expectRevert(LiquidationEngine.InvalidProof.selector);
        engine.liquidate(_order(), _proof());
    }

    function test_refusesProofOfAnotherChain() public {
        vm.chainId(block.chainid + 1);
        _expectRefused(abi.encodeWithSelector(LiquidationEngine.InvalidProof.selector), _order());
    }

    function test_refusesProofOfAnotherEngine() public {
        engine = new LiquidationEngine(
            address(this), oracle, parameters, house, verifier, LiquidationSettings(1_000, 500, 2_000)
        );
        house.setEngine(address(engine));
        _expectRefused(abi.encodeWithSelector(LiquidationEngine.InvalidProof.selector), _order());
    }

    function test_refusesProofOfAnotherAccount() public {
        LiquidationOrder memory order = _order();
        order.accountId = _open(trader, 5_000e6, 2 ** 40);
        _expectRefused(abi.encodeWithSelector(LiquidationEngine.InvalidProof.selector), order);
    }

    function test_refusesProofOfAnotherNonce() public {
        vm.prank(settler);
        house.attestPositions(accountId, 1_000 + accountId, 2 ** 40, Fixtures.legs(), 5);
        _expectRefused(abi.encodeWithSelector(LiquidationEngine.InvalidProof.selector), _order());
    }

    function test_refusesProofOfOtherParameters() public {
        parameters.setParameters(Fixtures.BTC, _otherParameters());
        _expectRefused(abi.encodeWithSelector(LiquidationEngine.InvalidProof.selector), _order());
    }

    function test_refusesProofOfAnotherRound() public {
        _postRound(Fixtures.NOW + 1);
        _expectRefused(abi.encodeWithSelector(LiquidationEngine.NotLatestRound.selector, 1, 2), _order());
        LiquidationOrder memory order = _order();
        order.round = 2;
        _expectRefused(abi.encodeWithSelector(LiquidationEngine.InvalidProof.selector), order);
    }

    function test_refusesChangedFigures() public {
        LiquidationOrder memory order = _order();
        order.mark -= 1;
        _expectRefused(abi.encodeWithSelector(LiquidationEngine.InvalidProof.selector), order);
        order = _order();
        order.requirement += 1;
        _expectRefused(abi.encodeWithSelector(LiquidationEngine.InvalidProof.selector), order);
    }

    // Conditions

    function test_refusesLateOrder() public {
        LiquidationOrder memory order = _order();
        order.deadline = block.timestamp - 1;
        _expectRefused(abi.encodeWithSelector(LiquidationEngine.DeadlinePassed.selector, order.deadline), order);
    }

    function test_refusesStaleRound() public {
        LiquidationOrder memory order = _order();
        order.deadline = type(uint256).max;
        vm.warp(Fixtures.NOW + 61);
        _expectRefused(abi.encodeWithSelector(LiquidationEngine.StaleRound.selector, 1), order);
        vm.warp(Fixtures.NOW + 60);
        _liquidate(order);
    }

    function test_refusesRoundZero() public {
        vm.prank(trader);
        uint256 id = house.createAccount(9);
        vm.prank(settler);
        house.attestPositions(id, 5, 5, Fixtures.legs(), 5);
        LiquidationOrder memory order = _order();
        order.accountId = id;
        order.round = 0;
        _expectRefused(abi.encodeWithSelector(LiquidationEngine.NotLatestRound.selector, 0, 0), order);
    }

    function test_refusesMissingParameters() public {
        vm.prank(trader);
        uint256 id = house.createAccount(2);
        vm.prank(settler);
        house.attestPositions(id, 5, 5, Fixtures.legs(), 5);
        oracle.configureUnderlying(2, reporter, 60);
        uint256[8] memory none;
        vm.prank(reporter);
        oracle.postRound(2, Fixtures.underlyingWord(1, Fixtures.NOW, 0, 2), none);
        LiquidationOrder memory order = _order();
        order.accountId = id;
        _expectRefused(abi.encodeWithSelector(LiquidationEngine.ParametersNotSet.selector, 2), order);
    }

    function test_refusesUnknownAndEmptyAccounts() public {
        LiquidationOrder memory order = _order();
        order.accountId = 99;
        _expectRefused(abi.encodeWithSelector(LiquidationEngine.UnknownAccount.selector, 99), order);
        order.accountId = 1;
        _expectRefused(abi.encodeWithSelector(LiquidationEngine.NoPositions.selector, 1), order);
    }

    function test_refusesFiguresOutOfRange() public {
        verifier.acceptAll(true);
        LiquidationOrder memory order = _order();
        order.mark = 2 ** 96;
        _expectRefused(abi.encodeWithSelector(LiquidationEngine.MarkOutOfRange.selector, order.mark), order);
        order.mark = -(2 ** 96);
        _expectRefused(abi.encodeWithSelector(LiquidationEngine.MarkOutOfRange.selector, order.mark), order);
        order.mark = type(int256).min;
        _expectRefused(abi.encodeWithSelector(LiquidationEngine.MarkOutOfRange.selector, order.mark), order);
        // The same field element as a small mark, by another number.
        order.mark = int256(PublicSignals.SCALAR_FIELD) - 4_000e6;
        _expectRefused(abi.encodeWithSelector(LiquidationEngine.MarkOutOfRange.selector, order.mark), order);
        order = _order();
        order.requirement = 2 ** 96;
        _expectRefused(
            abi.encodeWithSelector(LiquidationEngine.RequirementOutOfRange.selector, order.requirement), order
        );
        vm.expectRevert(abi.encodeWithSelector(LiquidationEngine.RequirementOutOfRange.selector, order.requirement));
        engine.previewLiquidation(accountId, 0, order.requirement);
    }

    function test_refusesHealthyAccount() public {
        verifier.acceptAll(true);
        LiquidationOrder memory order = _order();
        order.requirement = 1_000e6;
        _expectRefused(abi.encodeWithSelector(LiquidationMath.AccountHealthy.selector, int256(1_000e6), 1_000e6), order);
        order.requirement = 1_000e6 + 1;
        _liquidate(order);
    }

    /// @dev A deposit before the liquidation counts, though the proof is older.
    function test_depositMakesHealthy() public {
        usd.mint(trader, 200e6);
        vm.prank(trader);
        house.deposit(accountId, 200e6);
        _expectRefused(
            abi.encodeWithSelector(LiquidationMath.AccountHealthy.selector, int256(1_200e6), 1_200e6), _order()
        );
    }

    function test_refusesBadDebt() public {
        verifier.acceptAll(true);
        LiquidationOrder memory order = _order();
        order.mark = -5_000e6;
        _expectRefused(abi.encodeWithSelector(LiquidationMath.BadDebt.selector, int256(0)), order);
        order.mark = -5_000e6 - 1;
        _expectRefused(abi.encodeWithSelector(LiquidationMath.BadDebt.selector, int256(-1)), order);
    }

    /// @dev Nothing is concluded from figures that are not proven.
    function test_judgesAfterTheProof() public {
        LiquidationOrder memory order = _order();
        order.mark = -6_000e6;
        _expectRefused(abi.encodeWithSelector(LiquidationEngine.InvalidProof.selector), order);
    }

    function test_keepsTheKeepersLimits() public {
        LiquidationAmounts memory a = engine.previewLiquidation(accountId, -4_000e6, 1_200e6);
        LiquidationOrder memory order = _order();
        order.maxPayment = a.keeperPays - 1;
        _expectRefused(
            abi.encodeWithSelector(LiquidationEngine.PaymentAboveLimit.selector, a.keeperPays, a.keeperPays - 1), order
        );
        order = _order();
        order.minScaleTaken = a.scaleTaken + 1;
        _expectRefused(
            abi.encodeWithSelector(LiquidationEngine.ScaleBelowLimit.selector, a.scaleTaken, a.scaleTaken + 1), order
        );
        order.minScaleTaken = a.scaleTaken;
        order.maxPayment = a.keeperPays;
        _liquidate(order);
    }

    function test_refusesUnpaidSlice() public {
        LiquidationAmounts memory a = engine.previewLiquidation(accountId, -4_000e6, 1_200e6);
        vm.prank(keeper);
        usd.approve(address(house), a.keeperPays - 1);
        _expectRefused(
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientAllowance.selector, address(house), a.keeperPays - 1, a.keeperPays
            ),
            _order()
        );
    }

    function test_refusesReentry() public {
        CallbackToken token = new CallbackToken();
        _deploy(token);
        verifier.acceptAll(true);
        token.setCallback(address(engine), abi.encodeCall(engine.liquidate, (_order(), _proof())));
        _expectRefused(abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector), _order());
    }

    /// @dev Liquidating oneself moves equity to oneself, and costs the fund's fee.
    function test_selfLiquidationEarnsNothing() public {
        verifier.acceptAll(true);
        uint256 before = usd.balanceOf(trader);
        usd.mint(trader, 1_000e6);
        vm.prank(trader);
        (uint256 sub, LiquidationAmounts memory a) = engine.liquidate(_order(), _proof());
        int256 cash = int256(house.getAccount(accountId).cash) + house.getAccount(sub).cash;
        int256 gain = cash + int256(usd.balanceOf(trader)) - int256(before) - 6_000e6;
        assertEq(gain, -int256(a.fundFee), "the fund's fee is lost");
    }

    /// @dev The keeper's gain is the reward: what it holds afterwards is worth that much more than it paid.
    function test_keeperEarnsTheReward() public {
        (, LiquidationAmounts memory a) = _liquidate(_order());
        assertEq(a.equityTaken + a.sliceDeposit, a.keeperPays + a.reward, "gain");
        assertEq(a.reward, a.penalty * 2_000 / 10_000, "share of the penalty");
    }

    function test_liquidatesTwice() public {
        verifier.acceptAll(true);
        (uint256 sub,) = _liquidate(_order());
        Account memory left = house.getAccount(accountId);
        LiquidationOrder memory order = _order();
        order.mark = -int256(left.cash) + 10e6;
        order.requirement = 500e6;
        (uint256 next,) = _liquidate(order);
        assertEq(next, sub + 1, "another sub-account");
        assertEq(
            uint256(house.getAccount(accountId).scale) + house.getAccount(sub).scale + house.getAccount(next).scale,
            2 ** 40,
            "scales sum to the whole"
        );
    }

    // Settings and construction

    function test_settings() public {
        engine.setSettings(LiquidationSettings(10_000, 2_000, 10_000));
        LiquidationSettings memory settings = engine.settings();
        assertEq(uint256(settings.bufferBps), 10_000, "buffer");
        assertEq(uint256(settings.penaltyBps), 2_000, "penalty");
        assertEq(uint256(settings.rewardShareBps), 10_000, "reward");
        vm.expectRevert(abi.encodeWithSelector(LiquidationEngine.BufferOutOfRange.selector, 10_001));
        engine.setSettings(LiquidationSettings(10_001, 0, 0));
        vm.expectRevert(abi.encodeWithSelector(LiquidationEngine.PenaltyOutOfRange.selector, 2_001));
        engine.setSettings(LiquidationSettings(0, 2_001, 0));
        vm.expectRevert(abi.encodeWithSelector(LiquidationEngine.RewardShareOutOfRange.selector, 10_001));
        engine.setSettings(LiquidationSettings(0, 0, 10_001));
        vm.prank(trader);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, trader));
        engine.setSettings(LiquidationSettings(0, 0, 0));
    }

    function test_refusesZeroAddresses() public {
        for (uint256 missing = 0; missing < 4; missing++) {
            vm.expectRevert(LiquidationEngine.ZeroAddress.selector);
            new LiquidationEngine(
                address(this),
                IRiskOracle(missing == 0 ? address(0) : address(oracle)),
                IRiskParameters(missing == 1 ? address(0) : address(parameters)),
                IClearingHouse(missing == 2 ? address(0) : address(house)),
                IInsolvencyVerifier(missing == 3 ? address(0) : address(verifier)),
                LiquidationSettings(0, 0, 0)
            );
        }
    }

    function test_unusedRoundsRevertInTheOracleToo() public {
        vm.expectRevert(abi.encodeWithSelector(RiskOracle.NotLatestRound.selector, 2, 1));
        oracle.roundWords(Fixtures.BTC, 2);
    }
}
