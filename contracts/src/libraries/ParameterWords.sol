// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice One state of the market for which an account's loss is measured.
/// @param priceMove whole price steps, within ±60
/// @param volShock -1, 0 or 1
/// @param damping weight of the loss, in 2^-16, in [1, 2^16]
struct Scenario {
    int8 priceMove;
    int8 volShock;
    uint32 damping;
}

/// @notice The parameters of the margin model for one underlying; section 4 of docs/margin-model.md.
/// @dev Every field is wider than its bound, so that a value out of bounds is refused by name and never cut off.
/// @param priceStep in 2^-20 of log2: one price step is a factor 2^priceStep; at least 1, below 2^18
/// @param volShockUp relative vol shock at 30 days, in 2^-14, at most 2^13
/// @param volShockDown likewise, downwards
/// @param tenorPowerShort power of the tenor multiplier up to 30 days, in 2^-8, at most 2^7
/// @param tenorPowerLong power of the tenor multiplier beyond 30 days, in 2^-8, at most 2^7
/// @param tenorFloor seconds, in [86,400, 2,592,000]
/// @param maintenanceFactor multiplies the scan risk, in 2^-12, in [2^12, 2^14]
/// @param shortOptionRate of spot for each net short option of a strike, in 2^-16, at most 2^14
/// @param horizonSeconds expected length of a liquidation, at most 7 days
/// @param basisMinimum least move of an expiry's forward against spot, in 2^-16, at most 2^12
/// @param basisPerTenor by how much that move grows with every 16 seconds to expiry, in 2^-36, at most 2^12
/// @param interestPerTenor move of an expiry's discount factor for every 16 seconds to expiry, in 2^-36, at most 2^12
/// @param gammaRate multiplies the loss from short gamma, in 2^-12, at most 2^14
/// @param vegaRate part of the first-order loss from one more vol shock, in 2^-16, at most 2^16
/// @param scenarios 1 to 36; the first is no move and no shock at full damping
struct Parameters {
    uint32 priceStep;
    uint32 volShockUp;
    uint32 volShockDown;
    uint32 tenorPowerShort;
    uint32 tenorPowerLong;
    uint32 tenorFloor;
    uint32 maintenanceFactor;
    uint32 shortOptionRate;
    uint32 horizonSeconds;
    uint32 basisMinimum;
    uint32 basisPerTenor;
    uint32 interestPerTenor;
    uint32 gammaRate;
    uint32 vegaRate;
    Scenario[] scenarios;
}

/// @title Bounds and packing of risk parameters
/// @notice Section 4 of docs/margin-model.md.
library ParameterWords {
    /// @notice The price step is 0 or has more than 18 bits.
    error PriceStepOutOfRange(uint256 value);
    /// @notice The vol shock up is above 0.5.
    error VolShockUpOutOfRange(uint256 value);
    /// @notice The vol shock down is above 0.5.
    error VolShockDownOutOfRange(uint256 value);
    /// @notice The short tenor power is above 0.5.
    error TenorPowerShortOutOfRange(uint256 value);
    /// @notice The long tenor power is above 0.5.
    error TenorPowerLongOutOfRange(uint256 value);
    /// @notice The tenor floor is below a day or above 30 days.
    error TenorFloorOutOfRange(uint256 value);
    /// @notice The maintenance factor is below 1 or above 4.
    error MaintenanceFactorOutOfRange(uint256 value);
    /// @notice The short option rate is above a quarter.
    error ShortOptionRateOutOfRange(uint256 value);
    /// @notice The horizon is longer than 7 days.
    error HorizonOutOfRange(uint256 value);
    /// @notice The least move of a forward against spot is above 1/16.
    error BasisMinimumOutOfRange(uint256 value);
    /// @notice The move of a forward against spot grows by more than 11.7 % a year.
    error BasisPerTenorOutOfRange(uint256 value);
    /// @notice The move of a discount factor grows by more than 11.7 % a year.
    error InterestPerTenorOutOfRange(uint256 value);
    /// @notice The gamma rate is above 4.
    error GammaRateOutOfRange(uint256 value);
    /// @notice The vega rate is above 1.
    error VegaRateOutOfRange(uint256 value);
    /// @notice There are more than 36 scenarios.
    error TooManyScenarios(uint256 count);
    /// @notice The first scenario is missing, moves something, or is damped.
    error FirstScenarioNotNeutral();
    /// @notice A price move is more than 60 steps, or the steps are more than a factor of 2.
    error PriceMoveOutOfRange(uint256 index, int256 value);
    /// @notice A vol shock is not -1, 0 or 1.
    error VolShockOutOfRange(uint256 index, int256 value);
    /// @notice A damping is 0 or above 1.
    error DampingOutOfRange(uint256 index, uint256 value);
    /// @notice The price step is below a quarter of 1 %.
    error PriceStepTooSmall(uint256 value);
    /// @notice The vol shock down is above the vol shock up.
    error VolShocksSwapped(uint256 up, uint256 down);
    /// @notice The long tenor power is above the short one.
    error TenorPowersSwapped(uint256 short, uint256 long);
    /// @notice There are fewer scenarios than the grid has.
    error GridIncomplete(uint256 count);
    /// @notice A scenario is not the one that solvency proofs evaluate at its place.
    error ScenarioOutOfLayout(uint256 index, int256 priceMove, int256 volShock);
    /// @notice Scenarios that are so many steps away weigh more than nearer ones.
    error DampingRises(uint256 steps);
    /// @notice A field changes by more than one version may change it.
    error StepTooLarge(string field, uint256 previous, uint256 next);

    /// @notice Places for scenarios.
    uint256 internal constant SCENARIO_CAPACITY = 36;
    /// @notice Scenarios of one word.
    uint256 internal constant SCENARIOS_PER_WORD = 9;
    /// @notice Bits of a scenario.
    uint256 internal constant SCENARIO_BITS = 26;
    /// @notice A damping of 1.
    uint256 internal constant DAMPING_ONE = 1 << 16;
    /// @notice Seconds of a year of 365 days.
    uint256 internal constant YEAR = 31_536_000;
    /// @notice Scenarios of the grid's rows: every fourth price move of -16 to 16 steps under each vol shock.
    uint256 internal constant ROWS_SIZE = 27;
    /// @notice Scenarios of the grid: its rows, and moves of one and two steps without a shock.
    uint256 internal constant GRID_SIZE = 31;
    /// @notice Scenarios of the whole layout: the grid and four tails.
    uint256 internal constant LAYOUT_SIZE = 35;
    /// @notice Largest price move of the layout, in steps.
    uint256 internal constant LARGEST_MOVE = 48;
    /// @notice Least price step: four are a factor of 1.01.
    uint256 internal constant LEAST_PRICE_STEP = 3_764;

    /// @notice Reverts unless every field is within its bounds, naming the field.
    function validate(Parameters memory p) internal pure {
        if (p.priceStep == 0 || p.priceStep >= 1 << 18) revert PriceStepOutOfRange(p.priceStep);
        if (p.volShockUp > 1 << 13) revert VolShockUpOutOfRange(p.volShockUp);
        if (p.volShockDown > 1 << 13) revert VolShockDownOutOfRange(p.volShockDown);
        if (p.tenorPowerShort > 1 << 7) revert TenorPowerShortOutOfRange(p.tenorPowerShort);
        if (p.tenorPowerLong > 1 << 7) revert TenorPowerLongOutOfRange(p.tenorPowerLong);
        if (p.tenorFloor < 86_400 || p.tenorFloor > 2_592_000) revert TenorFloorOutOfRange(p.tenorFloor);
        if (p.maintenanceFactor < 1 << 12 || p.maintenanceFactor > 1 << 14) {
            revert MaintenanceFactorOutOfRange(p.maintenanceFactor);
        }
        if (p.shortOptionRate > 1 << 14) revert ShortOptionRateOutOfRange(p.shortOptionRate);
        if (p.horizonSeconds > 7 days) revert HorizonOutOfRange(p.horizonSeconds);
        if (p.basisMinimum > 1 << 12) revert BasisMinimumOutOfRange(p.basisMinimum);
        if (p.basisPerTenor > 1 << 12) revert BasisPerTenorOutOfRange(p.basisPerTenor);
        if (p.interestPerTenor > 1 << 12) revert InterestPerTenorOutOfRange(p.interestPerTenor);
        if (p.gammaRate > 1 << 14) revert GammaRateOutOfRange(p.gammaRate);
        if (p.vegaRate > 1 << 16) revert VegaRateOutOfRange(p.vegaRate);

        uint256 count = p.scenarios.length;
        if (count > SCENARIO_CAPACITY) revert TooManyScenarios(count);
        if (
            count == 0 || p.scenarios[0].priceMove != 0 || p.scenarios[0].volShock != 0
                || p.scenarios[0].damping != DAMPING_ONE
        ) revert FirstScenarioNotNeutral();
        for (uint256 index = 1; index < count; index++) {
            Scenario memory scenario = p.scenarios[index];
            int256 move = scenario.priceMove;
            uint256 steps = uint256(move < 0 ? -move : move);
            if (steps > 60 || steps * p.priceStep > 1 << 20) revert PriceMoveOutOfRange(index, move);
            if (scenario.volShock < -1 || scenario.volShock > 1) revert VolShockOutOfRange(index, scenario.volShock);
            if (scenario.damping == 0 || scenario.damping > DAMPING_ONE) {
                revert DampingOutOfRange(index, scenario.damping);
            }
        }
    }

    /// @notice Reverts unless solvency can be proven under the parameters and none works against its purpose, by a sign or an order that
    /// is the wrong way round.
    /// @dev The parameters must be valid. Solvency circuits also need 48 price steps to be below a factor of 16; with the
    /// grid's 16 steps within a factor of 2 they are within one of 8.
    function validateDirections(Parameters memory p) internal pure {
        if (p.priceStep < LEAST_PRICE_STEP) revert PriceStepTooSmall(p.priceStep);
        if (p.volShockDown > p.volShockUp) revert VolShocksSwapped(p.volShockUp, p.volShockDown);
        if (p.tenorPowerLong > p.tenorPowerShort) revert TenorPowersSwapped(p.tenorPowerShort, p.tenorPowerLong);
        uint256 count = p.scenarios.length;
        if (count < GRID_SIZE) revert GridIncomplete(count);

        uint256[LARGEST_MOVE + 1] memory heaviest;
        uint256[LARGEST_MOVE + 1] memory lightest;
        for (uint256 index = 0; index < count; index++) {
            Scenario memory scenario = p.scenarios[index];
            int256 move = scenario.priceMove;
            (int256 layoutMove, int256 layoutShock) = layoutOf(index);
            if (index >= LAYOUT_SIZE || move != layoutMove || scenario.volShock != layoutShock) {
                revert ScenarioOutOfLayout(index, move, scenario.volShock);
            }
            // Not negative.
            // forge-lint: disable-next-line(unsafe-typecast)
            uint256 steps = uint256(move < 0 ? -move : move);
            if (scenario.damping > heaviest[steps]) heaviest[steps] = scenario.damping;
            if (lightest[steps] == 0 || scenario.damping < lightest[steps]) lightest[steps] = scenario.damping;
        }
        uint256 limit = DAMPING_ONE;
        for (uint256 steps = 0; steps <= LARGEST_MOVE; steps++) {
            if (heaviest[steps] > limit) revert DampingRises(steps);
            if (lightest[steps] != 0) limit = lightest[steps];
        }
    }

    /// @notice Price move and vol shock of a place of the layout that solvency circuits evaluate.
    /// @param index below 35; further places have none
    function layoutOf(uint256 index) internal pure returns (int256 priceMove, int256 volShock) {
        if (index == 0) return (0, 0);
        if (index < ROWS_SIZE) {
            // Row by row; the middle, (0, 0), is not among the rows, for it comes first. Places are small numbers.
            // forge-lint: disable-next-line(unsafe-typecast)
            int256 place = int256(index <= ROWS_SIZE / 2 ? index - 1 : index);
            return (4 * (place / 3) - 16, place % 3 - 1);
        }
        if (index < GRID_SIZE) {
            // -2, -1, 1 and 2.
            // forge-lint: disable-next-line(unsafe-typecast)
            int256 move = int256(index) - 29;
            return (move < 0 ? move : move + 1, int256(0));
        }
        int256 steps = index < GRID_SIZE + 2 ? int256(32) : int256(48);
        return index % 2 == 1 ? (-steps, int256(1)) : (steps, int256(0));
    }

    /// @notice Reverts when a field moves against holders of positions by more than one version may move it.
    /// @dev What lowers requirements is free. Multipliers rise by at most a quarter, or by a small amount when they are near 0.
    /// @param previous words in force
    /// @param next words to come
    function requireSteps(uint256[5] memory previous, uint256[5] memory next) internal pure {
        _requireQuarter("priceStep", previous[0], next[0], 0, 20, 0);
        // 0.05
        _requireQuarter("volShockUp", previous[0], next[0], 20, 16, 819);
        _requireQuarter("volShockDown", previous[0], next[0], 36, 16, 819);
        _requireQuarter("maintenanceFactor", previous[0], next[0], 92, 16, 0);
        // Half a percent of spot.
        _requireQuarter("shortOptionRate", previous[0], next[0], 108, 16, 328);
        // Half an hour.
        _requireQuarter("horizonFactor", previous[0], next[0], 124, 24, 7_921);
        // A quarter of a percent of a forward.
        _requireQuarter("basisMinimum", previous[0], next[0], 148, 16, 164);
        // 2 % a year.
        _requireQuarter("basisPerTenor", previous[0], next[0], 164, 13, 697);
        _requireQuarter("interestPerTenor", previous[0], next[0], 177, 13, 697);
        // 0.5
        _requireQuarter("gammaRate", previous[0], next[0], 190, 16, 2_048);
        // 0.05
        _requireQuarter("vegaRate", previous[0], next[0], 206, 17, 3_277);

        // 0.1 each. Shocks of short tenors grow with the short power, those of long tenors as the long one falls.
        uint256 old = _field(previous[0], 52, 8);
        uint256 value = _field(next[0], 52, 8);
        if (value > old + 26) revert StepTooLarge("tenorPowerShort", old, value);
        old = _field(previous[0], 60, 8);
        value = _field(next[0], 60, 8);
        if (value + 26 < old) revert StepTooLarge("tenorPowerLong", old, value);
        old = _field(previous[0], 68, 24);
        value = _field(next[0], 68, 24);
        if (2 * value < old) revert StepTooLarge("tenorFloor", old, value);

        for (uint256 index = 0; index < LAYOUT_SIZE; index++) {
            uint256 word = 1 + index / SCENARIOS_PER_WORD;
            uint256 offset = SCENARIO_BITS * (index % SCENARIOS_PER_WORD) + 9;
            // A place that was unused had no weight.
            old = _field(previous[word], offset, 17);
            value = _field(next[word], offset, 17);
            if (value > old + DAMPING_ONE / 4) revert StepTooLarge("damping", old, value);
        }
    }

    /// @notice The square root of the horizon in years, in 2^-20, rounded down.
    /// @param horizonSeconds seconds, at most 7 days
    function horizonFactor(uint256 horizonSeconds) internal pure returns (uint256) {
        return Math.sqrt((horizonSeconds << 40) / YEAR);
    }

    /// @notice The words that a commitment is made of: the header, then four scenario words.
    /// @dev The parameters must be valid.
    function pack(Parameters memory p) internal pure returns (uint256[5] memory words) {
        words[0] = uint256(p.priceStep) | (uint256(p.volShockUp) << 20) | (uint256(p.volShockDown) << 36)
            | (uint256(p.tenorPowerShort) << 52) | (uint256(p.tenorPowerLong) << 60) | (uint256(p.tenorFloor) << 68)
            | (uint256(p.maintenanceFactor) << 92) | (uint256(p.shortOptionRate) << 108)
            | (horizonFactor(p.horizonSeconds) << 124) | (uint256(p.basisMinimum) << 148)
            | (uint256(p.basisPerTenor) << 164) | (uint256(p.interestPerTenor) << 177) | (uint256(p.gammaRate) << 190)
            | (uint256(p.vegaRate) << 206);
        for (uint256 index = 0; index < p.scenarios.length; index++) {
            words[1 + index / SCENARIOS_PER_WORD] |= packScenario(p.scenarios[index])
            << (SCENARIO_BITS * (index % SCENARIOS_PER_WORD));
        }
    }

    /// @notice A scenario's 26 bits: `priceMove + 64` 7 | `volShock + 1` 2 | `damping` 17.
    /// @dev The scenario must be valid.
    function packScenario(Scenario memory scenario) internal pure returns (uint256) {
        return uint256(int256(scenario.priceMove) + 64) | (uint256(int256(scenario.volShock) + 1) << 7)
            | (uint256(scenario.damping) << 9);
    }

    function _field(uint256 word, uint256 offset, uint256 bits) private pure returns (uint256) {
        return (word >> offset) & ((1 << bits) - 1);
    }

    /// @dev Reverts when a field of the header rises by more than a quarter and more than `least`.
    function _requireQuarter(
        string memory name,
        uint256 previous,
        uint256 next,
        uint256 offset,
        uint256 bits,
        uint256 least
    ) private pure {
        uint256 old = _field(previous, offset, bits);
        uint256 value = _field(next, offset, bits);
        if (value > old + Math.max(old / 4, least)) revert StepTooLarge(name, old, value);
    }
}
