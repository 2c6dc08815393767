pragma circom 2.2.0;

include "expiry.circom";

// Catmull-Rom interpolation of eight pillars with flat ends; docs/margin-model.md 7.4.
// @input  vols[8]     2^-16
// @input  position    bits of (position + 4) + 2^14 in 2^-20: 35 bits
// @output out         2^-20, 24 bits, rounded to nearest
// @output finer       2^-24, 28 bits, rounded down
template InterpolateVolatility() {
    signal input vols[8];
    signal input bits[35];
    signal output out;
    signal output finer;

    // Within the pillars when bits 23 and up spell 2^11 (0 <= position + 4 < 8).
    var upper = 0;
    for (var i = 23; i < 35; i++) upper += bits[i] * (1 << (i - 23));
    signal inside <== IsZero()(upper - (1 << 11));
    component segment = OneHot8();
    for (var i = 0; i < 3; i++) segment.bits[i] <== bits[20 + i];

    // Coefficients by segment, as differences from segment 7 (constant V7).
    signal q0Terms[7];
    signal q1Terms[7];
    signal q2Terms[7];
    signal q3Terms[7];
    var q0 = vols[7];
    var q1 = 0;
    var q2 = 0;
    var q3 = 0;
    for (var s = 0; s < 7; s++) {
        var delta = vols[s + 1] - vols[s];
        var leftSlope = s == 0 ? 0 : vols[s + 1] - vols[s == 0 ? 0 : s - 1];
        var rightSlope = s == 6 ? 0 : vols[s == 6 ? 7 : s + 2] - vols[s];
        q0Terms[s] <== segment.out[s] * (vols[s] - vols[7]);
        q1Terms[s] <== segment.out[s] * leftSlope;
        q2Terms[s] <== segment.out[s] * (6 * delta - 2 * leftSlope - rightSlope);
        q3Terms[s] <== segment.out[s] * (leftSlope + rightSlope - 4 * delta);
        q0 += q0Terms[s];
        q1 += q1Terms[s];
        q2 += q2Terms[s];
        q3 += q3Terms[s];
    }
    var high = 0;
    for (var i = 0; i < 8; i++) high += bits[12 + i] * (1 << i);
    var low = 0;
    for (var i = 0; i < 12; i++) low += bits[i] * (1 << i);
    var tau = 2 * high + 1;
    signal cubic <== q3 * tau;
    signal value2 <== (cubic + q2 * (1 << 9)) * tau;
    signal value1 <== (value2 + q1 * (1 << 18)) * tau;
    signal slope <== (3 * cubic + 2 * q2 * (1 << 9)) * tau;
    signal correction <== (slope + q1 * (1 << 18)) * (2 * low - 4095);
    signal edge <== vols[0] + bits[34] * (vols[7] - vols[0]);
    // In 2^-56. Half a place of 2^-20 is added before the truncation, which is eight of 2^-24.
    var within = (value1 + q0 * (1 << 28)) * (1 << 12) + correction - edge * (1 << 40);
    signal rounded[60] <== BitsOfProduct(60)(inside, within, edge * (1 << 40) + (1 << 35));
    out <== Slice(60, 36, 60)(rounded);
    signal upperBits <== Slice(60, 32, 60)(rounded);
    finer <== upperBits - 8;
}

// Row `e` of `in` where select[e] is 1, the last row when none is. (rows - 1) * columns constraints.
template Pick(rows, columns) {
    signal input select[rows - 1];
    signal input in[rows][columns];
    signal output out[columns];
    // Running sums: what is picked is a wire, and no sum of products wherever it is used.
    signal sums[rows][columns];
    for (var k = 0; k < columns; k++) {
        sums[0][k] <== in[rows - 1][k];
        for (var e = 0; e < rows - 1; e++) sums[e + 1][k] <== sums[e][k] + select[e] * (in[e][k] - in[rows - 1][k]);
        out[k] <== sums[rows - 1][k];
    }
}

// The total deviation in 2^-20, from its product in 2^-(20 + places). With half a place added to that, it is rounded to nearest.
// @output deviation   d = floor(product / 2^places)
// @output half        floor(d / 2^lowest), which is half the deviation in 2^-(21 - lowest)
// @output finer       floor(product / 2^(places - 4)), 2^-24
// The high part is bounded by whoever uses it: both arguments of the normal functions fix it.
template Deviation(places, lowest) {
    signal input product;
    signal output deviation;
    signal output half;
    signal output finer;
    component shift = ShiftRight(places + lowest);
    shift.in <== product;
    var lower = 0;
    for (var i = 0; i < lowest; i++) lower += shift.low[places + i] * (1 << i);
    half <== shift.out;
    deviation <== shift.out * (1 << lowest) + lower;
    var fraction = 0;
    for (var i = 0; i < 4; i++) fraction += shift.low[places - 4 + i] * (1 << i);
    finer <== deviation * (1 << 4) + fraction;
}

// N(d1) and N(d2) in a scenario, 2^-98, from the rounded d1 in 2^-12 without the half deviation, and the deviation.
// @input  moneyness   2^-12, stands for (k + 1/2) 2^-12
// @input  deviation   2^-20, rounded down, stands for (k + 1/2) 2^-20; half of it in 2^-12
template Cell() {
    signal input moneyness;
    signal input half;
    signal input deviation;
    signal output forwardWeight;
    signal output strikeWeight;
    signal coarse <== moneyness + half;
    (forwardWeight, _) <== Normal(12, 0)(coarse);
    (strikeWeight, _) <== Normal(20, 0)(256 * coarse + 127 - deviation);
}

// Deviation and Cell of one revaluation.
// @input  product     total deviation in 2^-46
template Probabilities() {
    signal input moneyness;
    signal input product;
    signal output forwardWeight;
    signal output strikeWeight;
    component total = Deviation(26, 9);
    total.product <== product;
    component cell = Cell();
    cell.moneyness <== moneyness;
    cell.half <== total.half;
    cell.deviation <== total.deviation;
    forwardWeight <== cell.forwardWeight;
    strikeWeight <== cell.strikeWeight;
}

// N(d1) and N(d2) at the mark, 2^-98, with the density at d1, 2^-79. d1 has 20 bits: charges take the delta, which is not
// stationary in it, as the price is.
// @input  moneyness   2^-20, stands for (k + 1/2) 2^-20
// @input  product     total deviation in 2^-51
// @output finer       total deviation, 2^-24, rounded down
template MarkProbabilities() {
    signal input moneyness;
    signal input product;
    signal output forwardWeight;
    signal output strikeWeight;
    signal output density;
    signal output finer;
    // Here it is rounded to nearest: d1 and d2 are both the middle of their places.
    component total = Deviation(31, 1);
    total.product <== product + (1 << 30);
    finer <== total.finer - 8;
    signal argument <== moneyness + total.half;
    (forwardWeight, density) <== Normal(20, 1)(argument);
    (strikeWeight, _) <== Normal(20, 0)(argument - total.deviation);
}

// A leg, unpacked from its committed element and placed on its expiry's surface; docs/margin-model.md 7.4.
// @input  packed           committed field element, well formed (docs section 2)
// @input  strike           1e-4 USD; unique: an integer by packing, below 2^36 by Logarithm
// @input  quantity         1e-6 contracts, signed; its range is proven by the caller
// @input  kindBits[2]      call 1, put 2, linear 3, empty 0
// @input  select[7]        one-hot choice of expiry 0..6; none means expiry 7
// @input  expiryHours, discountedForwards, discounts, vols, spacings, logForwards   of each expiry, as ExpiryBase gives
//                          them; steps as ExpiryRisk does
// @input  columnsIn        further numbers of each expiry, picked along
// @output picked           those of the leg's expiry
// @output isOption, isPut  bits
// @output linearQuantity   1e-6 contracts, 0 for an option
// @output strikeKey        strike + 2^36 hour, 56 bits; the strike alone for no option
// @output moneyness        of d1 at the mark, 2^-12
// @output deviation        total deviation at the mark, 2^-24, rounded down
// @output stepSlopeBits    four price steps over the total deviation, 2^-14, 26 bits
// @output forwardAmount    quantity * forward * discount, 1e-12 USD in 2^-21, 0 for no option; likewise for the strike
// @output markForward      forwardAmount * probability, 1e-12 USD in 2^-119, and likewise markStrike
// @output gammaValue       forwardAmount * density * stepSlope in 2^-21, 1e-12 USD in 2^-121
// @output vegaValue        forwardAmount * density * deviation, 1e-12 USD in 2^-124
template OpenLeg(expiries, columns) {
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
    signal input columnsIn[expiries][columns];
    signal output picked[columns];
    signal output isOption;
    signal output isPut;
    signal output linearQuantity;
    signal output strikeKey;
    signal output moneyness;
    signal output deviation;
    signal output stepSlopeBits[26];
    signal output forwardAmount;
    signal output strikeAmount;
    signal output markForward;
    signal output markStrike;
    signal output gammaValue;
    signal output vegaValue;

    // 1. Kind.
    for (var i = 0; i < 2; i++) kindBits[i] * (kindBits[i] - 1) === 0;
    signal isLinear <== kindBits[0] * kindBits[1];
    isOption <== kindBits[0] + kindBits[1] - 2 * isLinear;
    isPut <== kindBits[1] - isLinear;

    // 2. Expiry: at most one of the first, else the last; no option takes the last.
    var chosen = 0;
    for (var e = 0; e < expiries - 1; e++) {
        select[e] * (select[e] - 1) === 0;
        chosen += select[e];
    }
    chosen * (chosen - 1) === 0;
    (1 - isOption) * chosen === 0;
    component pick = Pick(expiries, 14 + columns);
    pick.select <== select;
    for (var e = 0; e < expiries; e++) {
        pick.in[e][0] <== expiryHours[e];
        pick.in[e][1] <== discountedForwards[e];
        pick.in[e][2] <== discounts[e];
        pick.in[e][3] <== spacings[e];
        pick.in[e][4] <== logForwards[e];
        pick.in[e][5] <== steps[e];
        for (var j = 0; j < 8; j++) pick.in[e][6 + j] <== vols[e][j];
        for (var j = 0; j < columns; j++) pick.in[e][14 + j] <== columnsIn[e][j];
    }
    for (var j = 0; j < columns; j++) picked[j] <== pick.out[14 + j];

    // 3. Packing.
    signal expiryHour <== isOption * pick.out[0];
    strikeKey <== strike + expiryHour * (1 << 36);
    packed === strike + (kindBits[0] + 2 * kindBits[1]) * (1 << 36) + expiryHour * (1 << 38) + quantity * (1 << 60);

    // 4. Position among the pillars, 2^-20: logarithms have 2^-47, spacings 2^-27.
    signal logStrike <== Logarithm(36, 6, 1)(strike + 1 - isOption);
    signal position <== FloorDivide(30)(logStrike - pick.out[4], pick.out[3]);
    signal upperBits[35] <== SignedBits(34)(position + (1 << 22));

    // 5. Volatility.
    component volatility = InterpolateVolatility();
    volatility.bits <== upperBits;
    for (var j = 0; j < 8; j++) volatility.vols[j] <== pick.out[6 + j];

    // 6. Moneyness part of d1 at the mark: the position clamped to [-516, 508], over the volatility.
    var centred = 0;
    for (var i = 0; i < 35; i++) centred += upperBits[i] * (1 << i);
    centred -= 1 << 34;
    var top = 0;
    for (var i = 29; i < 35; i++) top += upperBits[i] * (1 << (i - 29));
    signal outside <== (top - 31) * (top - 32);
    signal within <== IsZero()(outside);
    var bound = upperBits[34] * (1 << 30) - (1 << 29);
    signal clamped <== bound + within * (centred - bound);
    signal finerMoneyness <== FloorDivide(24)(-(2 * (clamped - (1 << 22)) + 1) * (1 << 19), volatility.out);
    component rounded = ShiftRightSigned(8, 60);
    rounded.in <== finerMoneyness;
    moneyness <== rounded.out;
    // Ranged on its own: in the sum with the deviation a wrong remainder could cancel wrong low bits there.
    _ <== SignedBits(26)(moneyness);
    component mark = MarkProbabilities();
    mark.moneyness <== finerMoneyness;
    mark.product <== volatility.finer * pick.out[3];
    deviation <== mark.finer;
    signal stepSlope <== FloorDivide(24)(pick.out[5] * (1 << 11), volatility.out);
    signal slopeBits[33] <== Bits(33)(stepSlope);
    for (var i = 0; i < 26; i++) stepSlopeBits[i] <== slopeBits[7 + i];

    // 7. Amounts.
    signal optionQuantity <== quantity * isOption;
    linearQuantity <== quantity * isLinear;
    signal strikeDiscounted <== strike * pick.out[2];
    forwardAmount <== optionQuantity * pick.out[1];
    strikeAmount <== optionQuantity * strikeDiscounted * 100;

    // 8. Mark, gamma and vega.
    markForward <== forwardAmount * (mark.forwardWeight - isPut * (1 << 98));
    markStrike <== strikeAmount * (mark.strikeWeight - isPut * (1 << 98));
    signal density <== forwardAmount * mark.density;
    gammaValue <== density * stepSlope;
    vegaValue <== density * deviation;
}

// Moneyness part of d1 after a vol shock, 2^-12; docs/margin-model.md 7.5.
// @input  moneyness        at the mark, ranged by the caller
// @input  inverseMultiplier 2^-13
template ShockedIntercept() {
    signal input moneyness;
    signal input inverseMultiplier;
    signal output out;
    signal scaled <== (2 * moneyness + 1) * inverseMultiplier;
    component shift = ShiftRightSigned(14, 60);
    shift.in <== scaled;
    _ <== SignedBits(27)(shift.out);
    out <== shift.out;
}

// Change of d1 with four price steps after a vol shock, 2^-12, and the halves for two and for one, truncated.
// @input  stepSlope         2^-14, ranged by the caller
// @input  inverseMultiplier 2^-13
template ShockedSlope() {
    signal input stepSlope;
    signal input inverseMultiplier;
    signal output out;
    signal output ofTwo;
    signal output ofOne;
    component shift = ShiftRight(15);
    shift.in <== stepSlope * inverseMultiplier;
    out <== shift.out;
    signal slope[25] <== Bits(25)(shift.out);
    ofTwo <== Slice(25, 1, 25)(slope);
    ofOne <== Slice(25, 2, 25)(slope);
}

// A leg priced at the mark and under one scenario, with its charges; docs/margin-model.md 7.4 to 7.6.
// Inputs up to steps, and isOption, linearQuantity and strikeKey, as OpenLeg.
// @input  volMultipliers, inverseMultipliers   of each expiry, as ExpiryShock gives them
// @input  fours, twos, ones, stepOffset    of the scenario's price move
// @input  basisRates, interestRates   of each expiry, 2^-36, signed: with the sign that the prover claims for the expiry's sum
// @input  vegaRates        likewise, 2^-22
// @output markForward, scenarioForward ...  quantity * forward * discount * probability, 1e-12 USD in 2^-119; strike likewise
// @output linearCharge     basis and interest, 1e-12 USD in 2^-155
// @output vegaCharge       1e-12 USD in 2^-146
template Leg(expiries) {
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
    signal input volMultipliers[expiries];
    signal input inverseMultipliers[expiries];
    signal input basisRates[expiries];
    signal input interestRates[expiries];
    signal input vegaRates[expiries];
    signal input fours;
    signal input twos;
    signal input ones;
    signal input stepOffset;
    signal output isOption;
    signal output linearQuantity;
    signal output strikeKey;
    signal output markForward;
    signal output markStrike;
    signal output gammaValue;
    signal output linearCharge;
    signal output vegaCharge;
    signal output scenarioForward;
    signal output scenarioStrike;

    component open = OpenLeg(expiries, 5);
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
        open.columnsIn[e][0] <== volMultipliers[e];
        open.columnsIn[e][1] <== inverseMultipliers[e];
        open.columnsIn[e][2] <== basisRates[e];
        open.columnsIn[e][3] <== interestRates[e];
        open.columnsIn[e][4] <== vegaRates[e];
    }
    isOption <== open.isOption;
    linearQuantity <== open.linearQuantity;
    strikeKey <== open.strikeKey;
    markForward <== open.markForward;
    markStrike <== open.markStrike;
    gammaValue <== open.gammaValue;

    signal basis <== open.markForward * open.picked[2];
    signal interest <== (open.markForward - open.markStrike) * open.picked[3];
    linearCharge <== basis + interest;
    vegaCharge <== open.vegaValue * open.picked[4];

    signal intercept <== ShockedIntercept()(open.moneyness, open.picked[1]);
    component slope = ShockedSlope();
    slope.stepSlope <== Slice(26, 0, 26)(open.stepSlopeBits);
    slope.inverseMultiplier <== open.picked[1];
    signal driftOfFours <== slope.out * fours;
    signal driftOfTwos <== slope.ofTwo * twos;
    signal driftOfOnes <== slope.ofOne * ones;
    component scenario = Probabilities();
    scenario.moneyness <== intercept + driftOfFours + driftOfTwos + driftOfOnes + stepOffset;
    scenario.product <== open.deviation * open.picked[0];
    scenarioForward <== open.forwardAmount * (scenario.forwardWeight - open.isPut * (1 << 98));
    scenarioStrike <== open.strikeAmount * (scenario.strikeWeight - open.isPut * (1 << 98));
}
