// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IRiskParameters, LiquidationTerms} from "../src/interfaces/IRiskParameters.sol";
import {LiquidationTermsBounds} from "../src/libraries/LiquidationTermsBounds.sol";
import {ParameterWords, Parameters, Scenario} from "../src/libraries/ParameterWords.sol";
import {RiskParameters} from "../src/RiskParameters.sol";
import {Fixtures} from "./base/Fixtures.sol";
import {TermsFixture} from "./base/TermsFixture.sol";
import {Test} from "./base/Test.sol";

contract RiskParametersTest is Test {
    RiskParameters private parameters;
    address private guardian = makeAddr("guardian");
    address private stranger = makeAddr("stranger");

    uint256 private constant DELAY = 3 days;
    uint32 private constant BTC = Fixtures.BTC;

    function setUp() public {
        vm.warp(Fixtures.NOW);
        parameters = new RiskParameters(address(this), DELAY);
        parameters.setGuardian(guardian, true);
    }

    function _set(Parameters memory p, LiquidationTerms memory t) private returns (uint64 version, uint256 commitment) {
        parameters.propose(BTC, p, t);
        if (parameters.versionOf(BTC) != 0) vm.warp(block.timestamp + DELAY);
        return parameters.execute(BTC, p, t);
    }

    function _accept(Parameters memory p) private {
        parameters.propose(BTC, p, TermsFixture.terms());
        parameters.cancel(BTC);
    }

    function _accept(LiquidationTerms memory t) private {
        parameters.propose(BTC, Fixtures.parameters(), t);
        parameters.cancel(BTC);
    }

    function _refuse(Parameters memory p, bytes memory reason) private {
        vm.expectRevert(reason);
        parameters.propose(BTC, p, TermsFixture.terms());
    }

    function _refuse(LiquidationTerms memory t, bytes memory reason) private {
        vm.expectRevert(reason);
        parameters.propose(BTC, Fixtures.parameters(), t);
    }

    function _refuse(Parameters memory p, bytes4 selector, uint256 value) private {
        _refuse(p, abi.encodeWithSelector(selector, value));
    }

    function _refuse(LiquidationTerms memory t, bytes4 selector, uint256 value) private {
        _refuse(t, abi.encodeWithSelector(selector, value));
    }

    function _refuseStep(Parameters memory p, string memory field, uint256 previous, uint256 next) private {
        _refuse(p, abi.encodeWithSelector(ParameterWords.StepTooLarge.selector, field, previous, next));
    }

    function _refuseStep(LiquidationTerms memory t, string memory field, uint256 previous, uint256 next) private {
        _refuse(t, abi.encodeWithSelector(ParameterWords.StepTooLarge.selector, field, previous, next));
    }

    // Versions

    function test_packsCommitsAndCounts() public {
        assertEq(parameters.versionOf(BTC), 0, "none");
        (uint64 version, uint256 commitment) = _set(Fixtures.parameters(), TermsFixture.terms());
        assertEq(version, 1, "first version");
        // Computed with an independent implementation of the packing and of Poseidon.
        assertEq(commitment, EXPECTED_COMMITMENT, "commitment");
        uint256[5] memory words = parameters.wordsAt(BTC, 1);
        uint256[5] memory expected = _expectedWords();
        for (uint256 index = 0; index < 5; index++) {
            assertEq(words[index], expected[index], "word");
        }

        Parameters memory p = Fixtures.parameters();
        p.scenarios[34].damping--;
        LiquidationTerms memory t = TermsFixture.terms();
        t.penaltyBps[3] = 1_100;
        (version, commitment) = _set(p, t);
        assertEq(version, 2, "next version");
        assertEq(parameters.versionOf(BTC), 2, "version in force");
        assertTrue(commitment != EXPECTED_COMMITMENT, "another commitment");
        assertEq(parameters.commitmentAt(BTC, 2), commitment, "stored");
        assertEq(parameters.versionOf(2), 0, "other underlying");

        // The first version is as it was.
        assertEq(parameters.commitmentAt(BTC, 1), EXPECTED_COMMITMENT, "old commitment");
        assertEq(parameters.wordsAt(BTC, 1)[4], expected[4], "old words");
        assertEq(parameters.termsAt(BTC, 1).penaltyBps[3], 1_000, "old terms");
        assertEq(parameters.termsAt(BTC, 2).penaltyBps[3], 1_100, "new terms");
    }

    function test_emitsEverything() public {
        Parameters memory p = Fixtures.parameters();
        LiquidationTerms memory t = TermsFixture.terms();
        bytes32 hash = keccak256(abi.encode(BTC, p, t));
        vm.expectEmit(true, true, true, true, address(parameters));
        emit RiskParameters.ConfigurationProposed(BTC, hash, Fixtures.NOW, Fixtures.NOW + 14 days, p, t);
        assertTrue(parameters.propose(BTC, p, t) == hash, "hash");
        (bytes32 stored, uint40 executableFrom, uint40 expiresAt) = parameters.proposalOf(BTC);
        assertTrue(stored == hash, "stored");
        assertEq(executableFrom, Fixtures.NOW, "from");
        assertEq(expiresAt, Fixtures.NOW + 14 days, "until");
        vm.expectEmit(true, true, true, true, address(parameters));
        emit RiskParameters.ConfigurationSet(BTC, 1, EXPECTED_COMMITMENT, p, _expectedWords(), t);
        parameters.execute(BTC, p, t);
        (stored,,) = parameters.proposalOf(BTC);
        assertTrue(stored == 0, "done");
    }

    function test_unknownVersions() public {
        _set(Fixtures.parameters(), TermsFixture.terms());
        uint64[2] memory unknown = [uint64(0), 2];
        for (uint256 index = 0; index < 2; index++) {
            bytes memory reason = abi.encodeWithSelector(IRiskParameters.UnknownVersion.selector, BTC, unknown[index]);
            vm.expectRevert(reason);
            parameters.commitmentAt(BTC, unknown[index]);
            vm.expectRevert(reason);
            parameters.termsAt(BTC, unknown[index]);
            vm.expectRevert(reason);
            parameters.initialLevelAt(BTC, unknown[index]);
            vm.expectRevert(reason);
            parameters.wordsAt(BTC, unknown[index]);
        }
        vm.expectRevert(abi.encodeWithSelector(IRiskParameters.UnknownVersion.selector, 2, 1));
        parameters.commitmentAt(2, 1);
    }

    function testFuzz_storesTermsAsGiven(uint256 seed) public {
        LiquidationTerms memory t = TermsFixture.terms();
        for (uint256 field = 0; field < TERM_FIELDS; field++) {
            uint256 value = uint256(keccak256(abi.encode(seed, field)));
            LiquidationTerms memory tried = _withField(t, field, value);
            try parameters.propose(BTC, Fixtures.parameters(), tried) {
                parameters.cancel(BTC);
                t = tried;
            } catch {}
        }
        _set(Fixtures.parameters(), t);
        assertTrue(keccak256(abi.encode(parameters.termsAt(BTC, 1))) == keccak256(abi.encode(t)), "terms");
        assertEq(parameters.initialLevelAt(BTC, 1), t.initialLevel, "initial level");
    }

    // Timelock

    function test_delayHasBounds() public {
        vm.chainId(1);
        _refuseDelay(2 days - 1);
        _refuseDelay(0);
        assertEq(new RiskParameters(address(this), 2 days).delay(), 2 days, "least");
        assertEq(new RiskParameters(address(this), 30 days).delay(), 30 days, "largest");
        _refuseDelay(30 days + 1);
        uint256[2] memory localChains = [uint256(31_337), 1_337];
        for (uint256 index = 0; index < 2; index++) {
            vm.chainId(localChains[index]);
            assertEq(new RiskParameters(address(this), 0).delay(), 0, "local");
            _refuseDelay(30 days + 1);
        }
    }

    function _refuseDelay(uint256 delay) private {
        vm.expectRevert(abi.encodeWithSelector(RiskParameters.DelayOutOfRange.selector, delay));
        new RiskParameters(address(this), delay);
    }

    function test_firstVersionNeedsNoDelay() public {
        parameters.propose(BTC, Fixtures.parameters(), TermsFixture.terms());
        vm.prank(stranger);
        parameters.execute(BTC, Fixtures.parameters(), TermsFixture.terms());
        assertEq(parameters.versionOf(BTC), 1, "in force");
    }

    function test_laterVersionsWait() public {
        Parameters memory p = Fixtures.parameters();
        LiquidationTerms memory t = TermsFixture.terms();
        _set(p, t);
        parameters.propose(BTC, p, t);
        uint256 from = block.timestamp + DELAY;
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(RiskParameters.ProposalNotReady.selector, from));
        parameters.execute(BTC, p, t);
        vm.warp(from);
        vm.prank(stranger);
        parameters.execute(BTC, p, t);
        assertEq(parameters.versionOf(BTC), 2, "in force");
        vm.expectRevert(abi.encodeWithSelector(RiskParameters.NoProposal.selector, BTC));
        parameters.execute(BTC, p, t);
    }

    function test_proposalsExpire() public {
        Parameters memory p = Fixtures.parameters();
        LiquidationTerms memory t = TermsFixture.terms();
        _set(p, t);
        parameters.propose(BTC, p, t);
        uint256 expiry = block.timestamp + DELAY + 14 days;
        vm.warp(expiry);
        vm.expectRevert(abi.encodeWithSelector(RiskParameters.ProposalPending.selector, BTC, expiry));
        parameters.propose(BTC, p, t);
        vm.warp(expiry + 1);
        vm.expectRevert(abi.encodeWithSelector(RiskParameters.ProposalExpired.selector, expiry));
        parameters.execute(BTC, p, t);
        // An expired proposal gives way, and the new one waits for the whole delay.
        parameters.propose(BTC, p, t);
        vm.expectRevert(abi.encodeWithSelector(RiskParameters.ProposalNotReady.selector, expiry + 1 + DELAY));
        parameters.execute(BTC, p, t);
        vm.warp(expiry + 1 + DELAY + 14 days);
        parameters.execute(BTC, p, t);
    }

    function test_executesWhatWasProposedAlone() public {
        Parameters memory p = Fixtures.parameters();
        LiquidationTerms memory t = TermsFixture.terms();
        bytes32 hash = parameters.propose(BTC, p, t);
        p.shortOptionRate++;
        vm.expectRevert(
            abi.encodeWithSelector(RiskParameters.ProposalMismatch.selector, hash, keccak256(abi.encode(BTC, p, t)))
        );
        parameters.execute(BTC, p, t);
        p = Fixtures.parameters();
        t.minBidBps++;
        vm.expectRevert(
            abi.encodeWithSelector(RiskParameters.ProposalMismatch.selector, hash, keccak256(abi.encode(BTC, p, t)))
        );
        parameters.execute(BTC, p, t);
        vm.expectRevert(abi.encodeWithSelector(RiskParameters.NoProposal.selector, 2));
        parameters.execute(2, p, TermsFixture.terms());
    }

    function test_ownerAndGuardiansCancel() public {
        bytes memory noProposal = abi.encodeWithSelector(RiskParameters.NoProposal.selector, BTC);
        vm.expectRevert(noProposal);
        parameters.cancel(BTC);
        bytes32 hash = parameters.propose(BTC, Fixtures.parameters(), TermsFixture.terms());
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(RiskParameters.NotGuardian.selector, stranger));
        parameters.cancel(BTC);
        vm.expectEmit(true, true, true, true, address(parameters));
        emit RiskParameters.ConfigurationCancelled(BTC, hash, guardian);
        vm.prank(guardian);
        parameters.cancel(BTC);
        vm.expectRevert(noProposal);
        parameters.execute(BTC, Fixtures.parameters(), TermsFixture.terms());

        parameters.propose(BTC, Fixtures.parameters(), TermsFixture.terms());
        vm.expectEmit(true, true, true, true, address(parameters));
        emit RiskParameters.GuardianSet(guardian, false);
        parameters.setGuardian(guardian, false);
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(RiskParameters.NotGuardian.selector, guardian));
        parameters.cancel(BTC);
        parameters.cancel(BTC);
    }

    function test_ownerAloneProposesAndNamesGuardians() public {
        bytes memory reason = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, guardian);
        vm.prank(guardian);
        vm.expectRevert(reason);
        parameters.propose(BTC, Fixtures.parameters(), TermsFixture.terms());
        vm.prank(guardian);
        vm.expectRevert(reason);
        parameters.setGuardian(stranger, true);
    }

    function test_underlyingsWaitApart() public {
        parameters.propose(1, Fixtures.parameters(), TermsFixture.terms());
        parameters.propose(2, Fixtures.parameters(), TermsFixture.terms());
        parameters.cancel(1);
        parameters.execute(2, Fixtures.parameters(), TermsFixture.terms());
        assertEq(parameters.versionOf(1), 0, "cancelled");
        assertEq(parameters.versionOf(2), 1, "in force");
    }

    // Bounds of margin parameters

    function test_extremeParametersAreAccepted() public {
        Parameters memory p = Fixtures.parameters();
        p.priceStep = 21_845; // 48 steps are just below a factor of 2
        p.volShockUp = 2 ** 13;
        p.volShockDown = 2 ** 13;
        p.tenorPowerShort = 2 ** 7;
        p.tenorPowerLong = 2 ** 7;
        p.tenorFloor = 2_592_000;
        p.maintenanceFactor = 2 ** 14;
        p.shortOptionRate = 2 ** 14;
        p.horizonSeconds = 604_800;
        p.basisMinimum = 2 ** 12;
        p.basisPerTenor = 2 ** 12;
        p.interestPerTenor = 2 ** 12;
        p.gammaRate = 2 ** 14;
        p.vegaRate = 2 ** 16;
        for (uint256 index = 1; index < 35; index++) {
            p.scenarios[index].damping = 1;
        }
        _accept(p);
        p.volShockUp = 0;
        p.volShockDown = 0;
        p.tenorPowerShort = 0;
        p.tenorPowerLong = 0;
        p.tenorFloor = 86_400;
        p.maintenanceFactor = 2 ** 12;
        p.shortOptionRate = 0;
        p.horizonSeconds = 0;
        _withoutCharges(p);
        p.priceStep = 3_764;
        for (uint256 index = 1; index < 35; index++) {
            p.scenarios[index].damping = 65_536;
        }
        _accept(p);
        // The grid alone, 16 steps of which are a factor of 2.
        p = _shortened(31);
        p.priceStep = 2 ** 16;
        _accept(p);
    }

    function test_refusesPriceStep() public {
        Parameters memory p = Fixtures.parameters();
        p.priceStep = 2 ** 18;
        _refuse(p, ParameterWords.PriceStepOutOfRange.selector, p.priceStep);
        p.priceStep = 0;
        _refuse(p, ParameterWords.PriceStepOutOfRange.selector, 0);
        p.priceStep = 1;
        _refuse(p, ParameterWords.PriceStepTooSmall.selector, 1);
        p.priceStep = 3_763;
        _refuse(p, ParameterWords.PriceStepTooSmall.selector, p.priceStep);
    }

    function test_refusesVolShocks() public {
        Parameters memory p = Fixtures.parameters();
        p.volShockUp = 2 ** 13 + 1;
        _refuse(p, ParameterWords.VolShockUpOutOfRange.selector, p.volShockUp);
        p = Fixtures.parameters();
        p.volShockDown = 2 ** 13 + 1;
        _refuse(p, ParameterWords.VolShockDownOutOfRange.selector, p.volShockDown);
        p = Fixtures.parameters();
        p.volShockDown = p.volShockUp + 1;
        _refuse(p, abi.encodeWithSelector(ParameterWords.VolShocksSwapped.selector, p.volShockUp, p.volShockDown));
        p.volShockDown--;
        _accept(p);
    }

    function test_refusesTenorPowers() public {
        Parameters memory p = Fixtures.parameters();
        p.tenorPowerShort = 2 ** 7 + 1;
        _refuse(p, ParameterWords.TenorPowerShortOutOfRange.selector, p.tenorPowerShort);
        p = Fixtures.parameters();
        p.tenorPowerLong = 2 ** 7 + 1;
        _refuse(p, ParameterWords.TenorPowerLongOutOfRange.selector, p.tenorPowerLong);
        p.tenorPowerLong = p.tenorPowerShort + 1;
        _refuse(
            p, abi.encodeWithSelector(ParameterWords.TenorPowersSwapped.selector, p.tenorPowerShort, p.tenorPowerLong)
        );
        p.tenorPowerLong--;
        _accept(p);
    }

    function test_refusesTenorFloor() public {
        Parameters memory p = Fixtures.parameters();
        p.tenorFloor = 86_399;
        _refuse(p, ParameterWords.TenorFloorOutOfRange.selector, p.tenorFloor);
        p.tenorFloor = 2_592_001;
        _refuse(p, ParameterWords.TenorFloorOutOfRange.selector, p.tenorFloor);
    }

    function test_refusesMaintenanceFactor() public {
        Parameters memory p = Fixtures.parameters();
        p.maintenanceFactor = 2 ** 12 - 1;
        _refuse(p, ParameterWords.MaintenanceFactorOutOfRange.selector, p.maintenanceFactor);
        p.maintenanceFactor = 2 ** 14 + 1;
        _refuse(p, ParameterWords.MaintenanceFactorOutOfRange.selector, p.maintenanceFactor);
    }

    function test_refusesShortOptionRate() public {
        Parameters memory p = Fixtures.parameters();
        p.shortOptionRate = 2 ** 14 + 1;
        _refuse(p, ParameterWords.ShortOptionRateOutOfRange.selector, p.shortOptionRate);
    }

    function test_refusesHorizon() public {
        Parameters memory p = Fixtures.parameters();
        p.horizonSeconds = 604_801;
        _refuse(p, ParameterWords.HorizonOutOfRange.selector, p.horizonSeconds);
    }

    function test_refusesCharges() public {
        Parameters memory p = Fixtures.parameters();
        p.basisMinimum = 2 ** 12 + 1;
        _refuse(p, ParameterWords.BasisMinimumOutOfRange.selector, p.basisMinimum);
        p = Fixtures.parameters();
        p.basisPerTenor = 2 ** 12 + 1;
        _refuse(p, ParameterWords.BasisPerTenorOutOfRange.selector, p.basisPerTenor);
        p = Fixtures.parameters();
        p.interestPerTenor = 2 ** 12 + 1;
        _refuse(p, ParameterWords.InterestPerTenorOutOfRange.selector, p.interestPerTenor);
        p = Fixtures.parameters();
        p.gammaRate = 2 ** 14 + 1;
        _refuse(p, ParameterWords.GammaRateOutOfRange.selector, p.gammaRate);
        p = Fixtures.parameters();
        p.vegaRate = 2 ** 16 + 1;
        _refuse(p, ParameterWords.VegaRateOutOfRange.selector, p.vegaRate);
    }

    function test_refusesCountsOfScenarios() public {
        Parameters memory p = Fixtures.parameters();
        p.scenarios = new Scenario[](37);
        _refuse(p, ParameterWords.TooManyScenarios.selector, 37);
        _refuse(_shortened(30), ParameterWords.GridIncomplete.selector, 30);
        _refuse(_shortened(1), ParameterWords.GridIncomplete.selector, 1);
        for (uint256 count = 31; count < 35; count++) {
            _accept(_shortened(count));
        }
        p.scenarios = new Scenario[](36);
        for (uint256 index = 0; index < 35; index++) {
            p.scenarios[index] = Fixtures.parameters().scenarios[index];
        }
        p.scenarios[35] = Scenario(-56, 1, 1);
        p.priceStep = 15_000;
        _refuse(p, abi.encodeWithSelector(ParameterWords.ScenarioOutOfLayout.selector, 35, -56, 1));
    }

    function test_refusesFirstScenario() public {
        Parameters memory p = Fixtures.parameters();
        for (uint256 fault = 0; fault < 4; fault++) {
            p.scenarios[0] = Scenario(0, 0, 65_536);
            if (fault == 0) p.scenarios[0].priceMove = 1;
            if (fault == 1) p.scenarios[0].volShock = -1;
            if (fault == 2) p.scenarios[0].damping = 65_535;
            if (fault == 3) p.scenarios = new Scenario[](0);
            _refuse(p, abi.encodeWithSelector(ParameterWords.FirstScenarioNotNeutral.selector));
        }
    }

    function test_refusesPriceMove() public {
        Parameters memory p = Fixtures.parameters();
        for (uint256 side = 0; side < 2; side++) {
            int8 move = side == 0 ? int8(61) : int8(-61);
            p.scenarios[5].priceMove = move;
            _refuse(p, abi.encodeWithSelector(ParameterWords.PriceMoveOutOfRange.selector, 5, move));
        }
        // More than a factor of 2: 48 steps in the fixture's tails.
        p = Fixtures.parameters();
        p.priceStep = uint32(2 ** 20) / 48 + 1;
        _refuse(p, abi.encodeWithSelector(ParameterWords.PriceMoveOutOfRange.selector, 33, -48));
    }

    function test_refusesVolShockOfScenario() public {
        Parameters memory p = Fixtures.parameters();
        p.scenarios[3].volShock = 2;
        _refuse(p, abi.encodeWithSelector(ParameterWords.VolShockOutOfRange.selector, 3, 2));
        p.scenarios[3].volShock = -2;
        _refuse(p, abi.encodeWithSelector(ParameterWords.VolShockOutOfRange.selector, 3, -2));
    }

    /// @dev Any other move or shock, at any place but the first.
    function testFuzz_refusesOtherLayouts(uint256 index, int256 priceMove, int256 volShock) public {
        Parameters memory p = Fixtures.parameters();
        index = bound(index, 1, 34);
        Scenario memory scenario = p.scenarios[index];
        int8 move = int8(bound(priceMove, -55, 55));
        int8 shock = int8(bound(volShock, -1, 1));
        if (move == scenario.priceMove && shock == scenario.volShock) return;
        (scenario.priceMove, scenario.volShock) = (move, shock);
        _refuse(p, abi.encodeWithSelector(ParameterWords.ScenarioOutOfLayout.selector, index, move, shock));
    }

    function test_refusesDamping() public {
        Parameters memory p = Fixtures.parameters();
        p.scenarios[3].damping = 0;
        _refuse(p, abi.encodeWithSelector(ParameterWords.DampingOutOfRange.selector, 3, 0));
        p.scenarios[3].damping = 65_537;
        _refuse(p, abi.encodeWithSelector(ParameterWords.DampingOutOfRange.selector, 3, 65_537));
    }

    function test_refusesDampingThatRises() public {
        // Tails the wrong way round.
        Parameters memory p = Fixtures.parameters();
        for (uint256 index = 31; index < 35; index++) {
            p.scenarios[index].damping = index < 33 ? 22_938 : 32_768;
        }
        _refuse(p, ParameterWords.DampingRises.selector, 48);
        // One of the nearer scenarios weighs less than farther ones: move 4, shock -1.
        p = Fixtures.parameters();
        p.scenarios[15].damping = 65_535;
        _refuse(p, ParameterWords.DampingRises.selector, 8);
        // A double step less than those of four.
        p = Fixtures.parameters();
        p.scenarios[27].damping = 65_535;
        _refuse(p, ParameterWords.DampingRises.selector, 4);
        // A tail of one side against that of the other.
        p = Fixtures.parameters();
        p.scenarios[32].damping = 22_937;
        _refuse(p, ParameterWords.DampingRises.selector, 48);
        p.scenarios[32].damping = 22_938;
        _accept(p);
    }

    // Bounds of liquidation terms

    function test_extremeTermsAreAccepted() public {
        LiquidationTerms memory t = TermsFixture.terms();
        t.initialLevel = 16_384;
        t.bufferBps = 10_000;
        t.penaltyBps = [uint16(1_800), 1_800, 1_800, 1_800];
        t.volatilityThreshold = type(uint32).max;
        t.volatilityPenaltyBps = 200;
        t.rewardShareBps = 10_000;
        t.atomicLimit = type(uint96).max;
        t.backstopBps = 1_800;
        t.feeBps = 300;
        t.tip = 500e6;
        t.chipBps = 10_000;
        t.startFactorBps = 10_000;
        t.fastFactorBps = 10_000;
        t.cuspFactorBps = 10_000;
        t.fastSeconds = 86_399;
        t.tailSeconds = 86_400;
        t.insolventSeconds = 86_400;
        t.commitSeconds = 600;
        t.revealSeconds = 600;
        t.coolOffSeconds = 86_400;
        t.maxProofAge = 3_600;
        t.minBidBps = 5_000;
        _accept(t);
        LiquidationTerms memory least;
        least.initialLevel = 4_097;
        least.startFactorBps = 5_000;
        least.fastFactorBps = 5_000;
        least.cuspFactorBps = 5_000;
        least.tailSeconds = 60;
        least.insolventSeconds = 60;
        least.maxProofAge = 10;
        _accept(least);
        least.commitSeconds = 10;
        least.revealSeconds = 10;
        _accept(least);
    }

    function test_refusesInitialLevel() public {
        LiquidationTerms memory t = TermsFixture.terms();
        t.initialLevel = 4_096;
        _refuse(t, LiquidationTermsBounds.InitialLevelOutOfRange.selector, 4_096);
        t.initialLevel = 16_385;
        _refuse(t, LiquidationTermsBounds.InitialLevelOutOfRange.selector, 16_385);
    }

    function test_refusesBuffer() public {
        LiquidationTerms memory t = TermsFixture.terms();
        t.bufferBps = 10_001;
        _refuse(t, LiquidationTermsBounds.BufferOutOfRange.selector, 10_001);
    }

    function test_refusesPenalties() public {
        for (uint256 tier = 1; tier < 4; tier++) {
            LiquidationTerms memory t = TermsFixture.terms();
            t.penaltyBps[tier] = t.penaltyBps[tier - 1] - 1;
            _refuse(t, LiquidationTermsBounds.PenaltiesNotOrdered.selector, tier);
        }
        LiquidationTerms memory high = TermsFixture.terms();
        high.penaltyBps[3] = 1_801;
        _refuse(high, abi.encodeWithSelector(LiquidationTermsBounds.PenaltyOutOfRange.selector, 3, 2_001));
        high.penaltyBps = [uint16(1_801), 1_801, 1_801, 1_801];
        _refuse(high, abi.encodeWithSelector(LiquidationTermsBounds.PenaltyOutOfRange.selector, 0, 2_001));
    }

    function test_refusesShares() public {
        LiquidationTerms memory t = TermsFixture.terms();
        t.rewardShareBps = 10_001;
        _refuse(t, LiquidationTermsBounds.RewardShareOutOfRange.selector, 10_001);
        t = TermsFixture.terms();
        t.chipBps = 10_001;
        _refuse(t, LiquidationTermsBounds.ChipOutOfRange.selector, 10_001);
        t = TermsFixture.terms();
        t.minBidBps = 5_001;
        _refuse(t, LiquidationTermsBounds.MinBidOutOfRange.selector, 5_001);
    }

    function test_refusesBackstop() public {
        LiquidationTerms memory t = TermsFixture.terms();
        t.backstopBps = 501;
        _refuse(t, abi.encodeWithSelector(LiquidationTermsBounds.BackstopOutOfRange.selector, 501, 500));
    }

    function test_refusesFeeAndTip() public {
        LiquidationTerms memory t = TermsFixture.terms();
        t.feeBps = 301;
        _refuse(t, LiquidationTermsBounds.FeeOutOfRange.selector, 501);
        t = TermsFixture.terms();
        t.tip = 500e6 + 1;
        _refuse(t, LiquidationTermsBounds.TipOutOfRange.selector, 500e6 + 1);
    }

    function test_refusesFactors() public {
        LiquidationTerms memory t = TermsFixture.terms();
        t.startFactorBps = 10_001;
        _refuse(t, LiquidationTermsBounds.StartFactorOutOfRange.selector, 10_001);
        t = TermsFixture.terms();
        t.fastFactorBps = 9_801;
        _refuse(t, abi.encodeWithSelector(LiquidationTermsBounds.FactorsNotOrdered.selector, 9_800, 9_801, 5_000));
        t = TermsFixture.terms();
        t.cuspFactorBps = 8_001;
        _refuse(t, abi.encodeWithSelector(LiquidationTermsBounds.FactorsNotOrdered.selector, 9_800, 8_000, 8_001));
        t.cuspFactorBps = 4_999;
        _refuse(t, LiquidationTermsBounds.CuspFactorOutOfRange.selector, 4_999);
    }

    function test_refusesLengths() public {
        LiquidationTerms memory t = TermsFixture.terms();
        t.fastSeconds = 0;
        t.tailSeconds = 59;
        _refuse(t, LiquidationTermsBounds.TailOutOfRange.selector, 59);
        t.tailSeconds = 86_401;
        _refuse(t, LiquidationTermsBounds.TailOutOfRange.selector, 86_401);
        t = TermsFixture.terms();
        t.fastSeconds = 1_800;
        _refuse(t, abi.encodeWithSelector(LiquidationTermsBounds.FastStageOutOfRange.selector, 1_800, 1_800));
        t = TermsFixture.terms();
        t.insolventSeconds = 59;
        _refuse(t, LiquidationTermsBounds.InsolventSecondsOutOfRange.selector, 59);
        t.insolventSeconds = 86_401;
        _refuse(t, LiquidationTermsBounds.InsolventSecondsOutOfRange.selector, 86_401);
        t = TermsFixture.terms();
        t.coolOffSeconds = 86_401;
        _refuse(t, LiquidationTermsBounds.CoolOffOutOfRange.selector, 86_401);
        t = TermsFixture.terms();
        t.maxProofAge = 9;
        _refuse(t, LiquidationTermsBounds.MaxProofAgeOutOfRange.selector, 9);
        t.maxProofAge = 3_601;
        _refuse(t, LiquidationTermsBounds.MaxProofAgeOutOfRange.selector, 3_601);
    }

    function test_refusesSealedStages() public {
        uint32[2][6] memory wrong =
            [[uint32(0), 30], [uint32(30), 0], [uint32(9), 30], [uint32(30), 9], [uint32(601), 30], [uint32(30), 601]];
        for (uint256 index = 0; index < wrong.length; index++) {
            LiquidationTerms memory t = TermsFixture.terms();
            (t.commitSeconds, t.revealSeconds) = (wrong[index][0], wrong[index][1]);
            _refuse(
                t,
                abi.encodeWithSelector(
                    LiquidationTermsBounds.SealedStageOutOfRange.selector, t.commitSeconds, t.revealSeconds
                )
            );
        }
    }

    /// @dev Whatever is accepted keeps its direction.
    function testFuzz_acceptedTermsKeepTheirDirection(uint256 seed, uint8 changes) public {
        LiquidationTerms memory t = TermsFixture.terms();
        for (uint256 change = 0; change <= changes % 4; change++) {
            uint256 draw = uint256(keccak256(abi.encode(seed, change)));
            t = _withField(t, draw % TERM_FIELDS, draw >> 128);
        }
        try parameters.propose(BTC, Fixtures.parameters(), t) {}
        catch {
            return;
        }
        assertTrue(t.initialLevel > 4_096, "initial above maintenance");
        uint256 last = t.backstopBps;
        for (uint256 tier = 0; tier < 4; tier++) {
            assertTrue(t.penaltyBps[tier] >= last, "penalties");
            last = t.penaltyBps[tier];
        }
        assertTrue(last + t.volatilityPenaltyBps <= 2_000, "largest penalty");
        assertTrue(uint256(t.feeBps) + t.volatilityPenaltyBps <= 500, "largest fee");
        assertTrue(
            10_000 >= t.startFactorBps && t.startFactorBps >= t.fastFactorBps && t.fastFactorBps >= t.cuspFactorBps
                && t.cuspFactorBps >= 5_000,
            "factors"
        );
        assertTrue(t.fastSeconds < t.tailSeconds && t.tailSeconds <= 1 days, "curve");
        assertTrue((t.commitSeconds == 0) == (t.revealSeconds == 0), "sealed stage");
    }

    // Limits of one step

    function test_multipliersRiseByAQuarter() public {
        _set(Fixtures.parameters(), TermsFixture.terms());
        Parameters memory p = Fixtures.parameters();
        p.maintenanceFactor = 5_376;
        _accept(p);
        p.maintenanceFactor = 5_377;
        _refuseStep(p, "maintenanceFactor", 4_301, 5_377);

        // Without the far tails, which would be beyond a factor of 2.
        p = _shortened(33);
        p.priceStep = 23_637;
        _accept(p);
        p.priceStep = 23_638;
        _refuseStep(p, "priceStep", 18_910, 23_638);

        // A quarter more than the fixture's shock up is out of bounds.
        p = Fixtures.parameters();
        p.volShockUp = 6_000;
        _set(p, TermsFixture.terms());
        p.volShockUp = 7_500;
        _accept(p);
        p.volShockUp = 7_501;
        _refuseStep(p, "volShockUp", 6_000, 7_501);
        p.volShockUp = 6_000;
        p.volShockDown = 5_120;
        _accept(p);
        p.volShockDown = 5_121;
        _refuseStep(p, "volShockDown", 4_096, 5_121);
    }

    function test_smallMultipliersRiseBySmallAmounts() public {
        Parameters memory first = Fixtures.parameters();
        first.volShockUp = 0;
        first.volShockDown = 0;
        first.shortOptionRate = 0;
        first.horizonSeconds = 0;
        _set(first, TermsFixture.terms());
        Parameters memory p = _copy(first);
        p.volShockUp = 819;
        p.volShockDown = 819;
        p.shortOptionRate = 328;
        p.horizonSeconds = 1_800;
        _accept(p);
        p.volShockUp = 820;
        _refuseStep(p, "volShockUp", 0, 820);
        p.volShockUp = 819;
        p.shortOptionRate = 329;
        _refuseStep(p, "shortOptionRate", 0, 329);
        p.shortOptionRate = 0;
        p.horizonSeconds = 1_801;
        _refuseStep(p, "horizonFactor", 0, 7_924);
    }

    function test_chargesRiseByAQuarter() public {
        _set(Fixtures.parameters(), TermsFixture.terms());
        Parameters memory p = Fixtures.parameters();
        p.basisPerTenor = 3_312;
        p.gammaRate = 10_240;
        p.vegaRate = 20_480;
        _accept(p);
        p.gammaRate = 10_241;
        _refuseStep(p, "gammaRate", 8_192, 10_241);
        p.gammaRate = 10_240;
        p.vegaRate = 20_481;
        _refuseStep(p, "vegaRate", 16_384, 20_481);

        // Where a quarter is more than the small amount.
        p = Fixtures.parameters();
        p.basisMinimum = 492;
        _set(p, TermsFixture.terms());
        p.basisMinimum = 656;
        _set(p, TermsFixture.terms());
        p.basisMinimum = 820;
        _set(p, TermsFixture.terms());
        p.basisMinimum = 1_025;
        _accept(p);
        p.basisMinimum = 1_026;
        _refuseStep(p, "basisMinimum", 820, 1_026);
        p.basisMinimum = 820;
        p.basisPerTenor = 3_200;
        p.interestPerTenor = 2_440;
        _set(p, TermsFixture.terms());
        p.interestPerTenor = 3_137;
        _set(p, TermsFixture.terms());
        p.basisPerTenor = 4_000;
        p.interestPerTenor = 3_921;
        _accept(p);
        p.basisPerTenor = 4_001;
        _refuseStep(p, "basisPerTenor", 3_200, 4_001);
        p.basisPerTenor = 4_000;
        p.interestPerTenor = 3_922;
        _refuseStep(p, "interestPerTenor", 3_137, 3_922);
    }

    function test_smallChargesRiseBySmallAmounts() public {
        Parameters memory first = Fixtures.parameters();
        _withoutCharges(first);
        _set(first, TermsFixture.terms());
        Parameters memory p = _copy(first);
        p.basisMinimum = 164;
        p.basisPerTenor = 697;
        p.interestPerTenor = 697;
        p.gammaRate = 2_048;
        p.vegaRate = 3_277;
        _accept(p);
        p = _copy(first);
        p.basisMinimum = 165;
        _refuseStep(p, "basisMinimum", 0, 165);
        p = _copy(first);
        p.basisPerTenor = 698;
        _refuseStep(p, "basisPerTenor", 0, 698);
        p = _copy(first);
        p.interestPerTenor = 698;
        _refuseStep(p, "interestPerTenor", 0, 698);
        p = _copy(first);
        p.gammaRate = 2_049;
        _refuseStep(p, "gammaRate", 0, 2_049);
        p = _copy(first);
        p.vegaRate = 3_278;
        _refuseStep(p, "vegaRate", 0, 3_278);
    }

    function test_smallShockDownRisesByASmallAmount() public {
        Parameters memory p = Fixtures.parameters();
        p.volShockDown = 0;
        _set(p, TermsFixture.terms());
        p.volShockDown = 819;
        _accept(p);
        p.volShockDown = 820;
        _refuseStep(p, "volShockDown", 0, 820);
    }

    function test_tenorsStep() public {
        Parameters memory first = Fixtures.parameters();
        first.tenorFloor = 200_001;
        _set(first, TermsFixture.terms());
        Parameters memory p = _copy(first);
        p.tenorPowerShort = 103;
        p.tenorPowerLong = 7;
        p.tenorFloor = 100_001;
        _accept(p);
        p.tenorPowerShort = 104;
        _refuseStep(p, "tenorPowerShort", 77, 104);
        p.tenorPowerShort = 77;
        p.tenorPowerLong = 6;
        _refuseStep(p, "tenorPowerLong", 33, 6);
        p.tenorPowerLong = 33;
        p.tenorFloor = 100_000;
        _refuseStep(p, "tenorFloor", 200_001, 100_000);
    }

    function test_dampingsStep() public {
        _set(_shortened(33), TermsFixture.terms());
        Parameters memory p = Fixtures.parameters();
        // The far tails are new: they had no weight.
        p.scenarios[33].damping = 16_384;
        p.scenarios[34].damping = 16_384;
        _accept(p);
        p.scenarios[34].damping = 16_385;
        _refuseStep(p, "damping", 0, 16_385);
        p.scenarios[34].damping = 16_384;
        p.scenarios[31].damping = 49_152;
        _accept(p);
        p.scenarios[31].damping = 49_153;
        _refuseStep(p, "damping", 32_768, 49_153);
    }

    function test_whatLowersRequirementsIsFree() public {
        _set(Fixtures.parameters(), TermsFixture.terms());
        Parameters memory p = _shortened(31);
        p.priceStep = 3_764;
        p.volShockUp = 0;
        p.volShockDown = 0;
        p.tenorPowerShort = 33;
        p.tenorFloor = 2_592_000;
        p.maintenanceFactor = 4_096;
        p.shortOptionRate = 0;
        p.horizonSeconds = 0;
        _withoutCharges(p);
        for (uint256 index = 1; index < 31; index++) {
            p.scenarios[index].damping = 1;
        }
        _accept(p);
        LiquidationTerms memory t = TermsFixture.terms();
        t.initialLevel = 4_097;
        t.bufferBps = 0;
        t.penaltyBps = [uint16(0), 0, 0, 0];
        t.volatilityPenaltyBps = 0;
        t.backstopBps = 0;
        t.startFactorBps = 10_000;
        t.fastFactorBps = 10_000;
        t.cuspFactorBps = 10_000;
        t.tailSeconds = 86_400;
        _accept(t);
    }

    function test_termsStep() public {
        _set(Fixtures.parameters(), TermsFixture.terms());
        LiquidationTerms memory t = TermsFixture.terms();
        t.initialLevel = 6_400;
        t.bufferBps = 2_000;
        t.penaltyBps = [uint16(1_000), 1_100, 1_300, 1_500];
        t.startFactorBps = 9_300;
        t.fastFactorBps = 7_500;
        t.tailSeconds = 900;
        _accept(t);
        t.initialLevel = 6_401;
        _refuseStep(t, "initialLevel", 5_120, 6_401);
        t = TermsFixture.terms();
        t.bufferBps = 2_001;
        _refuseStep(t, "bufferBps", 1_000, 2_001);
        t = TermsFixture.terms();
        t.penaltyBps[3] = 1_501;
        _refuseStep(t, "penaltyBps", 1_000, 1_501);
        t = TermsFixture.terms();
        t.penaltyBps[0] = 600;
        t.penaltyBps[3] = 1_400;
        t.feeBps = 0;
        t.volatilityPenaltyBps = 301;
        _refuseStep(t, "volatilityPenaltyBps", 1_200, 1_701);
        t = TermsFixture.terms();
        t.startFactorBps = 9_299;
        _refuseStep(t, "startFactorBps", 9_800, 9_299);
        t = TermsFixture.terms();
        t.fastFactorBps = 7_499;
        _refuseStep(t, "fastFactorBps", 8_000, 7_499);
        t = TermsFixture.terms();
        t.tailSeconds = 899;
        _refuseStep(t, "tailSeconds", 1_800, 899);
        t = TermsFixture.terms();
        t.cuspFactorBps = 6_000;
        _set(Fixtures.parameters(), t);
        t.cuspFactorBps = 5_500;
        _accept(t);
        t.cuspFactorBps = 5_499;
        _refuseStep(t, "cuspFactorBps", 6_000, 5_499);
    }

    /// @dev No field of an accepted second version has leapt against holders.
    function testFuzz_acceptedStepsAreSmall(uint256 seed) public {
        _set(Fixtures.parameters(), TermsFixture.terms());
        Parameters memory p = Fixtures.parameters();
        p.maintenanceFactor = uint32(bound(uint256(keccak256(abi.encode(seed, 0))), 4_096, 8_000));
        p.priceStep = uint32(bound(uint256(keccak256(abi.encode(seed, 1))), 15_000, 21_750));
        p.shortOptionRate = uint32(bound(uint256(keccak256(abi.encode(seed, 2))), 0, 1_300));
        p.horizonSeconds = uint32(bound(uint256(keccak256(abi.encode(seed, 3))), 0, 9_000));
        p.basisMinimum = uint32(bound(uint256(keccak256(abi.encode(seed, 6))), 0, 1_000));
        p.basisPerTenor = uint32(bound(uint256(keccak256(abi.encode(seed, 7))), 0, 3_700));
        p.interestPerTenor = uint32(bound(uint256(keccak256(abi.encode(seed, 8))), 0, 2_700));
        p.gammaRate = uint32(bound(uint256(keccak256(abi.encode(seed, 9))), 0, 11_500));
        p.vegaRate = uint32(bound(uint256(keccak256(abi.encode(seed, 10))), 0, 23_000));
        LiquidationTerms memory t = TermsFixture.terms();
        t.penaltyBps[3] = uint16(bound(uint256(keccak256(abi.encode(seed, 4))), 800, 1_800));
        t.initialLevel = uint16(bound(uint256(keccak256(abi.encode(seed, 5))), 4_097, 8_000));
        bool small = p.maintenanceFactor <= 5_376 && p.shortOptionRate <= 983
            && ParameterWords.horizonFactor(p.horizonSeconds) <= 15_842 && p.basisMinimum <= 818
            && p.basisPerTenor <= 3_312 && p.interestPerTenor <= 2_440 && p.gammaRate <= 10_240 && p.vegaRate <= 20_480
            && t.penaltyBps[3] <= 1_500 && t.initialLevel <= 6_400;
        try parameters.propose(BTC, p, t) {
            assertTrue(small, "accepted");
        } catch {
            assertTrue(!small, "refused");
        }
    }

    /// @dev The factor is the largest whose square does not exceed the horizon.
    function testFuzz_horizonFactor(uint256 horizonSeconds) public pure {
        horizonSeconds = bound(horizonSeconds, 0, 7 days);
        uint256 factor = ParameterWords.horizonFactor(horizonSeconds);
        uint256 square = (horizonSeconds << 40) / 31_536_000;
        assertTrue(factor * factor <= square && square < (factor + 1) * (factor + 1), "root");
        assertTrue(factor < 2 ** 24, "bits");
    }

    // Helpers

    function _copy(Parameters memory p) private pure returns (Parameters memory) {
        return abi.decode(abi.encode(p), (Parameters));
    }

    /// @dev Sets basis, interest, gamma and vega charges to 0.
    function _withoutCharges(Parameters memory p) private pure {
        p.basisMinimum = 0;
        p.basisPerTenor = 0;
        p.interestPerTenor = 0;
        p.gammaRate = 0;
        p.vegaRate = 0;
    }

    /// @dev The fixture with the first `count` scenarios.
    function _shortened(uint256 count) private pure returns (Parameters memory p) {
        p = Fixtures.parameters();
        Scenario[] memory scenarios = new Scenario[](count);
        for (uint256 index = 0; index < count; index++) {
            scenarios[index] = p.scenarios[index];
        }
        p.scenarios = scenarios;
    }

    uint256 private constant TERM_FIELDS = 25;

    /// @dev A copy with one field replaced by a number that is in bounds about half of the time.
    function _withField(LiquidationTerms memory t, uint256 field, uint256 value)
        private
        pure
        returns (LiquidationTerms memory c)
    {
        c = abi.decode(abi.encode(t), (LiquidationTerms));
        if (field == 0) c.initialLevel = uint16(bound(value, 3_000, 20_000));
        if (field == 1) c.bufferBps = uint16(bound(value, 0, 20_000));
        if (field >= 2 && field < 6) c.penaltyBps[field - 2] = uint16(bound(value, 0, 2_500));
        if (field == 6) c.volatilityThreshold = uint32(value);
        if (field == 7) c.volatilityPenaltyBps = uint16(bound(value, 0, 600));
        if (field == 8) c.rewardShareBps = uint16(bound(value, 0, 20_000));
        if (field == 9) c.atomicLimit = uint96(value);
        if (field == 10) c.backstopBps = uint16(bound(value, 0, 1_000));
        if (field == 11) c.feeBps = uint16(bound(value, 0, 600));
        if (field == 12) c.tip = uint64(bound(value, 0, 1_000e6));
        if (field == 13) c.chipBps = uint16(bound(value, 0, 20_000));
        if (field == 14) c.startFactorBps = uint16(bound(value, 8_000, 11_000));
        if (field == 15) c.fastFactorBps = uint16(bound(value, 4_500, 10_500));
        if (field == 16) c.cuspFactorBps = uint16(bound(value, 4_000, 9_000));
        if (field == 17) c.fastSeconds = uint32(bound(value, 0, 4_000));
        if (field == 18) c.tailSeconds = uint32(bound(value, 0, 100_000));
        if (field == 19) c.insolventSeconds = uint32(bound(value, 0, 100_000));
        if (field == 20) c.commitSeconds = uint32(bound(value, 0, 700));
        if (field == 21) c.revealSeconds = uint32(bound(value, 0, 700));
        if (field == 22) c.coolOffSeconds = uint32(bound(value, 0, 150_000));
        if (field == 23) c.maxProofAge = uint32(bound(value, 0, 7_000));
        if (field == 24) c.minBidBps = uint16(bound(value, 0, 10_000));
    }

    uint256 private constant EXPECTED_COMMITMENT =
        8860021809943166211864682855081835106430682185766714238285176983943996514190;

    function _expectedWords() private pure returns (uint256[5] memory words) {
        words[0] = 1685009522535222674517266216770240932387500768718583834095639349726;
        words[1] = 13803568592479180359518621392080055690995755207930632103082550596993216;
        words[2] = 13803626185139544799211059189392720454544692962748098865127592699101496;
        words[3] = 13803631121653290322616243343209801060893906207642973971745336306171976;
        words[4] = 71993552071659527124919671250057833200065246331523584978059454;
    }
}
