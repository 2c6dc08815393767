pragma circom 2.2.0;

include "commitment.circom";
include "leg.circom";

// Header and scenario words of the risk parameters; docs/margin-model.md section 4.
template ParametersCommitment() {
    signal input header;
    signal input scenarioWords[4];
    signal output out;
    out <== Poseidon(5)([header, scenarioWords[0], scenarioWords[1], scenarioWords[2], scenarioWords[3]]);
}

// Fields of the parameters' header; docs/margin-model.md section 4. Widths and scales are given there.
template ParametersHeader() {
    signal input header;
    signal output priceStep;
    signal output volShockUp;
    signal output volShockDown;
    signal output tenorPowerShort;
    signal output tenorPowerLong;
    signal output tenorFloor;
    signal output maintenanceFactor;
    signal output shortOptionRate;
    signal output horizonFactor;
    signal output basisMinimum;
    signal output basisPerTenor;
    signal output interestPerTenor;
    signal output gammaRate;
    signal output vegaRate;
    signal h[223] <== Bits(223)(header);
    priceStep <== Slice(223, 0, 20)(h);
    volShockUp <== Slice(223, 20, 36)(h);
    volShockDown <== Slice(223, 36, 52)(h);
    tenorPowerShort <== Slice(223, 52, 60)(h);
    tenorPowerLong <== Slice(223, 60, 68)(h);
    tenorFloor <== Slice(223, 68, 92)(h);
    maintenanceFactor <== Slice(223, 92, 108)(h);
    shortOptionRate <== Slice(223, 108, 124)(h);
    horizonFactor <== Slice(223, 124, 148)(h);
    basisMinimum <== Slice(223, 148, 164)(h);
    basisPerTenor <== Slice(223, 164, 177)(h);
    interestPerTenor <== Slice(223, 177, 190)(h);
    gammaRate <== Slice(223, 190, 206)(h);
    vegaRate <== Slice(223, 206, 223)(h);
}

// The chosen scenario: one of 32 places. Place index is given as bits, so a place outside the set does not exist.
// @output priceMove signed, volShock bits (0: down, 1: none, 2: up), damping 2^-16 (17 bits)
template Scenario() {
    signal input words[4];
    signal input index[5];
    signal output priceMove;
    signal output halfPriceMove;
    signal output isUp;
    signal output isDown;
    signal output damping;
    for (var i = 0; i < 5; i++) index[i] * (index[i] - 1) === 0;
    signal both <== index[3] * index[4];
    signal choose[3] <== [1 - index[3] - index[4] + both, index[3] - both, index[4] - both];
    component pickWord = Pick(4, 1);
    pickWord.select <== choose;
    for (var i = 0; i < 4; i++) pickWord.in[i][0] <== words[i];
    signal bits[248] <== Bits(248)(pickWord.out[0]);
    component place = OneHot8();
    for (var i = 0; i < 3; i++) place.bits[i] <== index[i];
    signal select[7];
    for (var i = 0; i < 7; i++) select[i] <== place.out[i];
    // Selected bits, by weight: the two lowest groups bit by bit, damping as a number.
    component pick = Pick(8, 5);
    pick.select <== select;
    for (var p = 0; p < 8; p++) {
        pick.in[p][0] <== Slice(248, 31 * p + 1, 31 * p + 6)(bits);
        pick.in[p][1] <== bits[31 * p];
        pick.in[p][2] <== bits[31 * p + 6];
        pick.in[p][3] <== bits[31 * p + 7];
        pick.in[p][4] <== Slice(248, 31 * p + 8, 31 * p + 25)(bits);
    }
    halfPriceMove <== pick.out[0] - 16;
    priceMove <== 2 * halfPriceMove + pick.out[1];
    isUp <== pick.out[3] * (1 - pick.out[2]);
    isDown <== (1 - pick.out[3]) * (1 - pick.out[2]);
    damping <== pick.out[4];
}
