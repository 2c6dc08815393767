pragma circom 2.2.0;

include "account.circom";
include "parameters.circom";

// The scenario layout that solvency circuits evaluate: place s of the committed words must be this one (or unused, which is
// damping 0). Price steps and shock sizes, dampings and the length of a step are free parameters. It is the layout of
// DEFAULT_PARAMETERS: no move, then every fourth step of -16..16 under each vol shock, single and double steps, four tails.
function SCENARIO_COUNT() { return 35; }
function LAYOUT_MOVE(s) {
    if (s == 0) { return 0; }
    if (s == 27) { return -2; }
    if (s == 28) { return -1; }
    if (s == 29) { return 1; }
    if (s == 30) { return 2; }
    if (s == 31) { return -32; }
    if (s == 32) { return 32; }
    if (s == 33) { return -48; }
    if (s == 34) { return 48; }
    // Places 1..26: rows of moves, each under the shocks down, none, up; the middle one of move 0 is place 0.
    var t = s - 1;
    if (s > 13) { t = s; }
    return 4 * (t \ 3) - 16;
}
// 0 down, 1 none, 2 up.
function LAYOUT_SHOCK(s) {
    if (s == 0) { return 1; }
    if (s == 31 || s == 33) { return 2; }
    if (s >= 27) { return 1; }
    var t = s - 1;
    if (s > 13) { t = s; }
    return t % 3;
}

// Dampings of all scenarios, whose places must have the layout's moves and shocks, or be unused: a place is the layout's code or 0, and a
// damping above it, which needs the code. So a word is a number of mixed radix, whose digits are one bit for the code and the damping's bits: they are unique.
// @output damping[s]  2^-16, 17 bits; 0 of an unused place
template LayoutDampings() {
    signal input words[4];
    signal output damping[SCENARIO_COUNT()];
    signal used[SCENARIO_COUNT()];
    signal bits[SCENARIO_COUNT()][17];
    for (var w = 0; w < 4; w++) {
        var word = 0;
        for (var p = 0; p < 9; p++) {
            var s = 9 * w + p;
            if (s < SCENARIO_COUNT()) {
                var at = 26 * p;
                used[s] <-- ((words[w] >> at) & 511) == 0 ? 0 : 1;
                used[s] * used[s] === used[s];
                var weight = 0;
                for (var i = 0; i < 17; i++) {
                    bits[s][i] <-- (words[w] >> (at + 9 + i)) & 1;
                    bits[s][i] * bits[s][i] === bits[s][i];
                    weight += bits[s][i] * (1 << i);
                }
                // Without the code it would be read as the layout's here, and as 64 steps down by Scenario.
                (1 - used[s]) * weight === 0;
                damping[s] <== weight;
                word += (used[s] * (LAYOUT_MOVE(s) + 64 + 128 * LAYOUT_SHOCK(s)) + weight * (1 << 9)) * (1 << at);
            }
        }
        words[w] === word;
    }
}

// A leg in all scenarios of the layout. Inputs up to steps, and isOption, linearQuantity and strikeKey, as OpenLeg; multipliers of both vol shocks
// as ExpiryShock gives them.
// @output markForward, markStrike   quantity * forward * discount * probability, 1e-12 USD in 2^-119; strike likewise
// @output gammaValue                1e-12 USD in 2^-121
// @output expiryForwards[e], expiryValues[e], expiryVegas[e]   markForward, markForward - markStrike and vega (2^-124) at the leg's expiry, else 0
// @output scenarioForwards[s], scenarioStrikes[s]   as the mark's, in scenario s >= 1 (place 0 is the mark)
template LegInAllScenarios(expiries) {
    signal input packed;
    signal input strike;
    signal input quantity;
    signal input kindBits[2];
    signal input select[expiries - 1];
    signal input expiryHours[expiries];
    signal input discountedForwards[expiries];
    signal input discounts[expiries];
    signal input vols[expiries][8];
    signal input spacings[expiries];
    signal input logForwards[expiries];
    signal input steps[expiries];
    signal input volMultipliers[expiries][2];
    signal input inverseMultipliers[expiries][2];
    signal output isOption;
    signal output linearQuantity;
    signal output strikeKey;
    signal output markForward;
    signal output markStrike;
    signal output gammaValue;
    signal output expiryForwards[expiries];
    signal output expiryValues[expiries];
    signal output expiryVegas[expiries];
    signal output scenarioForwards[SCENARIO_COUNT()];
    signal output scenarioStrikes[SCENARIO_COUNT()];

    component open = OpenLeg(expiries, 4);
    open.packed <== packed;
    open.strike <== strike;
    open.quantity <== quantity;
    open.kindBits <== kindBits;
    open.select <== select;
    open.expiryHours <== expiryHours;
    open.discountedForwards <== discountedForwards;
    open.discounts <== discounts;
    open.vols <== vols;
    open.spacings <== spacings;
    open.logForwards <== logForwards;
    open.steps <== steps;
    for (var e = 0; e < expiries; e++) {
        for (var v = 0; v < 2; v++) {
            open.columnsIn[e][v] <== volMultipliers[e][v];
            open.columnsIn[e][2 + v] <== inverseMultipliers[e][v];
        }
    }
    isOption <== open.isOption;
    linearQuantity <== open.linearQuantity;
    strikeKey <== open.strikeKey;

    markForward <== open.markForward;
    markStrike <== open.markStrike;
    gammaValue <== open.gammaValue;

    // Sums of expiries: what is of none of the first is of the last, and 0 for no option.
    var otherForward = 0;
    var otherValue = 0;
    var chosen = 0;
    for (var e = 0; e < expiries - 1; e++) {
        expiryForwards[e] <== select[e] * open.markForward;
        expiryValues[e] <== select[e] * (open.markForward - open.markStrike);
        expiryVegas[e] <== select[e] * open.vegaValue;
        otherForward += expiryForwards[e];
        otherValue += expiryValues[e];
        chosen += select[e];
    }
    expiryForwards[expiries - 1] <== open.markForward - otherForward;
    expiryValues[expiries - 1] <== open.markForward - open.markStrike - otherValue;
    // A product as well: what is left of a sum that is used nowhere else would be no signal of its own after -O2.
    expiryVegas[expiries - 1] <== (1 - chosen) * open.vegaValue;

    // By shock: 0 down, 1 none, 2 up.
    component totals[3];
    signal intercepts[3];
    signal slopes[3];
    signal halves[3];
    signal deviations[3];
    signal stepSlope <== Slice(26, 0, 26)(open.stepSlopeBits);
    for (var v = 0; v < 3; v++) {
        if (v == 1) {
            // Unmoved vols: the multiplier is 1, its reciprocal 2^13.
            intercepts[v] <== open.moneyness;
            slopes[v] <== Slice(26, 2, 26)(open.stepSlopeBits);
            totals[v] = Deviation(4, 9);
            totals[v].product <== open.deviation;
        } else {
            var side = v \ 2;
            intercepts[v] <== ShockedIntercept()(open.moneyness, open.picked[2 + side]);
            (slopes[v], _, _) <== ShockedSlope()(stepSlope, open.picked[2 + side]);
            totals[v] = Deviation(26, 9);
            totals[v].product <== open.deviation * open.picked[side];
        }
        halves[v] <== totals[v].half;
        deviations[v] <== totals[v].deviation;
    }
    // Of single and double steps, which no shock comes with.
    signal slopeOfTwo <== Slice(26, 3, 26)(open.stepSlopeBits);
    signal slopeOfOne <== Slice(26, 4, 26)(open.stepSlopeBits);

    component cells[SCENARIO_COUNT()];
    scenarioForwards[0] <== open.markForward;
    scenarioStrikes[0] <== open.markStrike;
    for (var s = 1; s < SCENARIO_COUNT(); s++) {
        var v = LAYOUT_SHOCK(s);
        var move = LAYOUT_MOVE(s);
        // As Scenario; circom's integer division is that of the field, hence the offset of 64.
        var fours = (move + 64) \ 4 - 16;
        var twos = (move + 64) \ 2 % 2;
        var ones = (move + 64) % 2;
        var offset = (fours + twos + ones + 64) \ 2 - 32;
        var drift = fours * slopes[v];
        if (v == 1) { drift += twos * slopeOfTwo + ones * slopeOfOne; }
        cells[s] = Cell();
        cells[s].moneyness <== intercepts[v] + drift + offset;
        cells[s].half <== halves[v];
        cells[s].deviation <== deviations[v];
        scenarioForwards[s] <== open.forwardAmount * (cells[s].forwardWeight - open.isPut * (1 << 98));
        scenarioStrikes[s] <== open.strikeAmount * (cells[s].strikeWeight - open.isPut * (1 << 98));
    }
}

// Proves that the committed account, with its cash and collateral, has at least `level` times the maintenance requirement over all
// scenarios, at this round and under these parameters. Nothing about its positions is public. docs/circuits.md.
// `legs` is a multiple of 8.
template Solvency(legs, expiries) {
    // PUBLIC
    signal input commitment;
    signal input scale;                      // 2^-40, below 2^64 (bounded by the contract)
    signal input cash;                       // 1e-6 USD, signed (negative: r - size), size below 2^96 (bounded by the contract)
    signal input collateralQuantity;         // moving collateral as a linear leg, 1e-6 contracts, below 2^47 (bounded by the contract)
    signal input level;                      // 2^-12, below 2^16 (bounded by the contract): 4096 is maintenance
    signal input underlyingWord;
    signal input expiryWords[expiries];
    signal input parametersCommitment;
    signal input context;
    // PRIVATE
    // salt is any field element; packed to select as OpenLeg has them, header and scenarioWords as ParametersHeader and LayoutDampings do.
    signal input salt;
    signal input packed[legs];
    signal input strikes[legs];
    signal input quantities[legs];
    signal input kindBits[legs][2];
    signal input select[legs][expiries - 1];
    signal input header;
    signal input scenarioWords[4];
    signal input worstLoss;                  // damped, 2^-16 of 2^20 1e-12 USD; an upper bound is as good, to the prover's cost

    // 1. Context: bound by a constraint of its own.
    signal contextSquare <== context * context;

    // 2. Parameters.
    signal parametersHash <== ParametersCommitment()(header, scenarioWords);
    parametersCommitment === parametersHash;
    component fields = ParametersHeader();
    fields.header <== header;
    component layout = LayoutDampings();
    layout.words <== scenarioWords;

    // 3. Oracle words, and what an expiry's delta and value cost.
    component underlying = UnderlyingWord();
    underlying.word <== underlyingWord;
    component states[expiries];
    component risks[expiries];
    component shocks[expiries][2];
    signal vegaCostUp <== fields.volShockUp * fields.vegaRate;
    signal vegaCostDown <== fields.volShockDown * fields.vegaRate;
    for (var e = 0; e < expiries; e++) {
        states[e] = ExpiryBase();
        states[e].word <== expiryWords[e];
        states[e].timestamp <== underlying.timestamp;
        risks[e] = ExpiryRisk();
        risks[e].tenor <== states[e].tenor;
        risks[e].tenorUnits <== states[e].tenorUnits;
        risks[e].spacing <== states[e].spacing;
        risks[e].tenorFloor <== fields.tenorFloor;
        risks[e].tenorPowerShort <== fields.tenorPowerShort;
        risks[e].tenorPowerLong <== fields.tenorPowerLong;
        risks[e].priceStep <== fields.priceStep;
        risks[e].basisMinimum <== fields.basisMinimum;
        risks[e].basisPerTenor <== fields.basisPerTenor;
        risks[e].interestPerTenor <== fields.interestPerTenor;
        for (var v = 0; v < 2; v++) {
            shocks[e][v] = ExpiryShock();
            if (v == 0) {
                shocks[e][v].shock <== -fields.volShockDown;
            } else {
                shocks[e][v].shock <== fields.volShockUp;
            }
            shocks[e][v].tenorFactor <== risks[e].tenorFactor;
        }
    }

    // 4. Positions.
    signal positionsHash <== PositionsCommitment(legs)(packed, underlying.underlyingId, salt);
    commitment === positionsHash;
    component leg[legs];
    component net = NetShort(legs);
    var markForward = 0;
    var markStrike = 0;
    var scenarioForward[SCENARIO_COUNT()];
    var scenarioStrike[SCENARIO_COUNT()];
    for (var s = 0; s < SCENARIO_COUNT(); s++) {
        scenarioForward[s] = 0;
        scenarioStrike[s] = 0;
    }
    var linearQuantity = collateralQuantity;
    var gammaValue = 0;
    var expiryForward[expiries];
    var expiryValue[expiries];
    var expiryVega[expiries];
    for (var e = 0; e < expiries; e++) {
        expiryForward[e] = 0;
        expiryValue[e] = 0;
        expiryVega[e] = 0;
    }
    for (var i = 0; i < legs; i++) {
        leg[i] = LegInAllScenarios(expiries);
        leg[i].packed <== packed[i];
        leg[i].strike <== strikes[i];
        leg[i].quantity <== quantities[i];
        leg[i].kindBits <== kindBits[i];
        leg[i].select <== select[i];
        for (var e = 0; e < expiries; e++) {
            leg[i].expiryHours[e] <== states[e].expiryHour;
            leg[i].discountedForwards[e] <== states[e].discountedForward;
            leg[i].discounts[e] <== states[e].discount;
            leg[i].vols[e] <== states[e].vols;
            leg[i].spacings[e] <== states[e].spacing;
            leg[i].logForwards[e] <== states[e].logForward;
            for (var v = 0; v < 2; v++) {
                leg[i].volMultipliers[e][v] <== shocks[e][v].volMultiplier;
                leg[i].inverseMultipliers[e][v] <== shocks[e][v].inverseMultiplier;
            }
            leg[i].steps[e] <== risks[e].step;
        }
        for (var e = 0; e < expiries; e++) {
            expiryForward[e] += leg[i].expiryForwards[e];
            expiryValue[e] += leg[i].expiryValues[e];
            expiryVega[e] += leg[i].expiryVegas[e];
        }
        markForward += leg[i].markForward;
        markStrike += leg[i].markStrike;
        for (var s = 1; s < SCENARIO_COUNT(); s++) {
            scenarioForward[s] += leg[i].scenarioForwards[s];
            scenarioStrike[s] += leg[i].scenarioStrikes[s];
        }
        linearQuantity += leg[i].linearQuantity;
        gammaValue += leg[i].gammaValue;
        net.quantities[i] <== quantities[i];
        net.strikeKeys[i] <== leg[i].strikeKey;
        net.isOption[i] <== leg[i].isOption;
    }

    // 5. Totals, 1e-12 USD in 2^-119.
    signal linearValue <== linearQuantity * underlying.spot * (1 << 119);
    signal forwardValue <== markForward + linearValue;
    signal markValue <== forwardValue - markStrike;
    signal markUp <== MarkUp()(markValue);

    // 6. Damped losses: the worst is at least every one. Losses are rounded up to 2^20 1e-12 USD. Place 0 shows none.
    signal priceFactors[97];
    for (var move = -48; move <= 48; move++) {
        var used = 0;
        for (var s = 1; s < SCENARIO_COUNT(); s++) { if (LAYOUT_MOVE(s) == move && move != 0) { used = 1; } }
        if (used == 1) {
            priceFactors[move + 48] <== Exp2Precise()(fields.priceStep * move);
        } else {
            priceFactors[move + 48] <== 1 << 26;
        }
    }
    component lossBits[SCENARIO_COUNT()];
    component below[SCENARIO_COUNT()];
    signal losses[SCENARIO_COUNT()];
    for (var s = 1; s < SCENARIO_COUNT(); s++) {
        lossBits[s] = BitsOfProduct(240);
        lossBits[s].a <== -priceFactors[LAYOUT_MOVE(s) + 48];
        lossBits[s].b <== scenarioForward[s] + linearValue;
        lossBits[s].c <== (markValue + scenarioStrike[s]) * (1 << 26) + (1 << 239);
        var units = 0;
        for (var i = 165; i < 239; i++) units += lossBits[s].out[i] * (1 << (i - 165));
        losses[s] <== lossBits[s].out[239] * (units + 1);
        below[s] = BitsOfProduct(91);
        below[s].a <== -layout.damping[s];
        below[s].b <== losses[s];
        below[s].c <== worstLoss;
    }

    // 7. Requirement per unit of scale, rounded up: 1e-12 USD in 2^-36.
    signal scan <== worstLoss * fields.maintenanceFactor * (1 << 28);
    signal shortValue <== net.out * underlying.spot;
    signal short <== shortValue * fields.shortOptionRate * (1 << 20);
    // Horizon, basis, interest and vega.
    signal horizonRate <== underlying.realisedVolatility * fields.horizonFactor;
    component deltaSize = SizeUp(212, 119);
    deltaSize.in <== forwardValue;
    signal horizon <== deltaSize.out * horizonRate;
    component forwardSizes[expiries];
    component valueSizes[expiries];
    signal basis[expiries];
    signal interest[expiries];
    component vegaSizes[expiries];
    signal vegaCosts[expiries];
    signal vegaRates[expiries];
    signal vegas[expiries];
    var linear = horizon;
    var vega = 0;
    for (var e = 0; e < expiries; e++) {
        forwardSizes[e] = SizeUp(212, 119);
        forwardSizes[e].in <== expiryForward[e];
        basis[e] <== forwardSizes[e].out * risks[e].basisRate;
        valueSizes[e] = SizeUp(212, 119);
        valueSizes[e].in <== expiryValue[e];
        interest[e] <== valueSizes[e].out * risks[e].interestRate;
        linear += basis[e] + interest[e];
        vegaSizes[e] = SizeUp(226, 124);
        vegaSizes[e].in <== expiryVega[e];
        vegaCosts[e] <== vegaCostUp + vegaSizes[e].nonNegative * (vegaCostDown - vegaCostUp);
        vegaRates[e] <== VegaRate()(risks[e].coarseFactor, vegaCosts[e]);
        vegas[e] <== vegaSizes[e].out * vegaRates[e];
        vega += vegas[e] * (1 << 14);
    }
    component gammaSize = SizeUp(227, 121);
    gammaSize.in <== gammaValue;
    signal gammaCost <== GammaCost()(horizonRate, fields.gammaRate, fields.priceStep);
    signal chargedGamma <== (1 - gammaSize.nonNegative) * gammaSize.out;
    signal gamma <== chargedGamma * gammaCost;

    // 8. cash + scale (mark - level requirement) >= 0, in 2^-88 of 1e-12 USD. One unit below the mark rounded up is at most the mark.
    signal required <== level * (scan + short + linear + gamma + vega);
    signal held <== scale * ((markUp - 1) * (1 << 48) - required);
    _ <== Bits(222)(cash * 1000000 * (1 << 88) + held);
}
