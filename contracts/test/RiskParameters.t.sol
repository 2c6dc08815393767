// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ParameterWords, Parameters, Scenario} from "../src/libraries/ParameterWords.sol";
import {RiskParameters} from "../src/RiskParameters.sol";
import {Fixtures} from "./base/Fixtures.sol";
import {Test} from "./base/Test.sol";

contract RiskParametersTest is Test {
    RiskParameters private parameters;

    function setUp() public {
        parameters = new RiskParameters(address(this));
    }

    function _expectRefused(bytes4 selector, uint256 value, Parameters memory p) private {
        vm.expectRevert(abi.encodeWithSelector(selector, value));
        parameters.setParameters(Fixtures.BTC, p);
    }

    function test_packsCommitsAndCounts() public {
        assertEq(parameters.commitmentOf(Fixtures.BTC), 0, "none");
        uint256 commitment = parameters.setParameters(Fixtures.BTC, Fixtures.parameters());
        // Computed with an independent implementation of the packing and of Poseidon.
        assertEq(commitment, EXPECTED_COMMITMENT, "commitment");
        uint256[5] memory words = parameters.wordsOf(Fixtures.BTC);
        uint256[5] memory expected = _expectedWords();
        for (uint256 index = 0; index < 5; index++) {
            assertEq(words[index], expected[index], "word");
        }
        assertEq(parameters.commitmentOf(Fixtures.BTC), commitment, "stored");
        assertEq(parameters.versionOf(Fixtures.BTC), 1, "version");
        Parameters memory changed = Fixtures.parameters();
        changed.scenarios[30].damping--;
        assertTrue(parameters.setParameters(Fixtures.BTC, changed) != commitment, "another commitment");
        assertEq(parameters.versionOf(Fixtures.BTC), 2, "next version");
        assertEq(parameters.versionOf(2), 0, "other underlying");
    }

    function test_emitsEverything() public {
        Parameters memory p = Fixtures.parameters();
        vm.expectEmit(true, true, true, true, address(parameters));
        emit RiskParameters.ParametersSet(Fixtures.BTC, 1, EXPECTED_COMMITMENT, p, _expectedWords());
        parameters.setParameters(Fixtures.BTC, p);
    }

    function test_extremesAreAccepted() public {
        Parameters memory p = Fixtures.parameters();
        p.priceStep = 69_905; // 15 steps are just below a factor of 2
        p.volShockUp = 2 ** 13;
        p.volShockDown = 2 ** 13;
        p.tenorPowerShort = 2 ** 7;
        p.tenorPowerLong = 2 ** 7;
        p.tenorFloor = 2_592_000;
        p.maintenanceFactor = 2 ** 14;
        p.shortOptionRate = 2 ** 14;
        p.horizonSeconds = 604_800;
        p.scenarios = new Scenario[](32);
        p.scenarios[0] = Scenario(0, 0, 65_536);
        for (uint256 index = 1; index < 32; index++) {
            p.scenarios[index] = index % 2 == 0 ? Scenario(15, 1, 1) : Scenario(-15, -1, 65_536);
        }
        parameters.setParameters(Fixtures.BTC, p);
        assertTrue(parameters.wordsOf(Fixtures.BTC)[4] < 2 ** 248, "word size");
        p.scenarios = new Scenario[](1);
        p.scenarios[0] = Scenario(0, 0, 65_536);
        p.priceStep = 2 ** 20 - 1;
        p.maintenanceFactor = 2 ** 12;
        p.horizonSeconds = 0;
        parameters.setParameters(Fixtures.BTC, p);
    }

    function test_ownerAloneSets() public {
        vm.prank(address(1));
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, address(1)));
        parameters.setParameters(Fixtures.BTC, Fixtures.parameters());
    }

    function test_refusesPriceStep() public {
        Parameters memory p = Fixtures.parameters();
        p.priceStep = 2 ** 20;
        _expectRefused(ParameterWords.PriceStepOutOfRange.selector, p.priceStep, p);
    }

    function test_refusesVolShocks() public {
        Parameters memory p = Fixtures.parameters();
        p.volShockUp = 2 ** 13 + 1;
        _expectRefused(ParameterWords.VolShockUpOutOfRange.selector, p.volShockUp, p);
        p = Fixtures.parameters();
        p.volShockDown = 2 ** 13 + 1;
        _expectRefused(ParameterWords.VolShockDownOutOfRange.selector, p.volShockDown, p);
    }

    function test_refusesTenorPowers() public {
        Parameters memory p = Fixtures.parameters();
        p.tenorPowerShort = 2 ** 7 + 1;
        _expectRefused(ParameterWords.TenorPowerShortOutOfRange.selector, p.tenorPowerShort, p);
        p = Fixtures.parameters();
        p.tenorPowerLong = 2 ** 7 + 1;
        _expectRefused(ParameterWords.TenorPowerLongOutOfRange.selector, p.tenorPowerLong, p);
    }

    function test_refusesTenorFloor() public {
        Parameters memory p = Fixtures.parameters();
        p.tenorFloor = 86_399;
        _expectRefused(ParameterWords.TenorFloorOutOfRange.selector, p.tenorFloor, p);
        p.tenorFloor = 2_592_001;
        _expectRefused(ParameterWords.TenorFloorOutOfRange.selector, p.tenorFloor, p);
    }

    function test_refusesMaintenanceFactor() public {
        Parameters memory p = Fixtures.parameters();
        p.maintenanceFactor = 2 ** 12 - 1;
        _expectRefused(ParameterWords.MaintenanceFactorOutOfRange.selector, p.maintenanceFactor, p);
        p.maintenanceFactor = 2 ** 14 + 1;
        _expectRefused(ParameterWords.MaintenanceFactorOutOfRange.selector, p.maintenanceFactor, p);
    }

    function test_refusesShortOptionRate() public {
        Parameters memory p = Fixtures.parameters();
        p.shortOptionRate = 2 ** 14 + 1;
        _expectRefused(ParameterWords.ShortOptionRateOutOfRange.selector, p.shortOptionRate, p);
    }

    function test_refusesHorizon() public {
        Parameters memory p = Fixtures.parameters();
        p.horizonSeconds = 604_801;
        _expectRefused(ParameterWords.HorizonOutOfRange.selector, p.horizonSeconds, p);
    }

    function test_refusesTooManyScenarios() public {
        Parameters memory p = Fixtures.parameters();
        p.scenarios = new Scenario[](33);
        _expectRefused(ParameterWords.TooManyScenarios.selector, 33, p);
    }

    function test_refusesFirstScenario() public {
        Parameters memory p = Fixtures.parameters();
        for (uint256 fault = 0; fault < 4; fault++) {
            p.scenarios[0] = Scenario(0, 0, 65_536);
            if (fault == 0) p.scenarios[0].priceMove = 1;
            if (fault == 1) p.scenarios[0].volShock = -1;
            if (fault == 2) p.scenarios[0].damping = 65_535;
            if (fault == 3) p.scenarios = new Scenario[](0);
            vm.expectRevert(ParameterWords.FirstScenarioNotNeutral.selector);
            parameters.setParameters(Fixtures.BTC, p);
        }
    }

    function test_refusesPriceMove() public {
        Parameters memory p = Fixtures.parameters();
        p.priceStep = 1;
        for (uint256 side = 0; side < 2; side++) {
            int8 move = side == 0 ? int8(16) : int8(-16);
            p.scenarios[5].priceMove = move;
            vm.expectRevert(abi.encodeWithSelector(ParameterWords.PriceMoveOutOfRange.selector, 5, move));
            parameters.setParameters(Fixtures.BTC, p);
        }
        // More than a factor of 2: 12 steps in the fixture's tails.
        p = Fixtures.parameters();
        p.priceStep = uint32(2 ** 20) / 12 + 1;
        vm.expectRevert(abi.encodeWithSelector(ParameterWords.PriceMoveOutOfRange.selector, 29, -12));
        parameters.setParameters(Fixtures.BTC, p);
    }

    function test_refusesVolShockOfScenario() public {
        Parameters memory p = Fixtures.parameters();
        p.scenarios[3].volShock = 2;
        vm.expectRevert(abi.encodeWithSelector(ParameterWords.VolShockOutOfRange.selector, 3, 2));
        parameters.setParameters(Fixtures.BTC, p);
        p.scenarios[3].volShock = -2;
        vm.expectRevert(abi.encodeWithSelector(ParameterWords.VolShockOutOfRange.selector, 3, -2));
        parameters.setParameters(Fixtures.BTC, p);
    }

    function test_refusesDamping() public {
        Parameters memory p = Fixtures.parameters();
        p.scenarios[3].damping = 0;
        vm.expectRevert(abi.encodeWithSelector(ParameterWords.DampingOutOfRange.selector, 3, 0));
        parameters.setParameters(Fixtures.BTC, p);
        p.scenarios[3].damping = 65_537;
        vm.expectRevert(abi.encodeWithSelector(ParameterWords.DampingOutOfRange.selector, 3, 65_537));
        parameters.setParameters(Fixtures.BTC, p);
    }

    /// @dev The factor is the largest whose square does not exceed the horizon.
    function testFuzz_horizonFactor(uint256 horizonSeconds) public pure {
        horizonSeconds = bound(horizonSeconds, 0, 7 days);
        uint256 factor = ParameterWords.horizonFactor(horizonSeconds);
        uint256 square = (horizonSeconds << 40) / 31_536_000;
        assertTrue(factor * factor <= square && square < (factor + 1) * (factor + 1), "root");
        assertTrue(factor < 2 ** 24, "bits");
    }

    uint256 private constant EXPECTED_COMMITMENT =
        7104587614551001132365464597653252483251217325411049675115910196990540150715;

    function _expectedWords() private pure returns (uint256[5] memory words) {
        words[0] = 168461251854747290274526017772637956155255;
        words[1] = 3533700449939788729200449557452606481329400840745766198183950192056729696;
        words[2] = 3533701081813539034782710805223939990915166769711765678202287345499111518;
        words[3] = 3533728463009366876788660860496813277815868096611492896632137107074187361;
        words[4] = 575947231302575354547501162087555371913735881516094499940466724;
    }
}
