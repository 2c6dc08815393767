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

// The chosen scenario: one of 36 places, nine in each of four words. Its index is given as bits, so a place outside the set does not exist.
// @input  words            234 bits each
// @input  index            three bits of the place among the first eight of a word, a bit for the ninth, two bits of the word
// @output priceMove        steps, signed: 4 fours + 2 twos + ones, of which twos and ones are bits
// @output stepOffset       floor((fours + twos + ones) / 2)
// @output isUp, isDown     of the vol shock (code 0: down, 1: none, 2: up)
// @output damping          2^-16, 17 bits
template Scenario() {
    signal input words[4];
    signal input index[6];
    signal output priceMove;
    signal output fours;
    signal output twos;
    signal output ones;
    signal output stepOffset;
    signal output isUp;
    signal output isDown;
    signal output damping;
    for (var i = 0; i < 6; i++) index[i] * (index[i] - 1) === 0;
    for (var i = 0; i < 3; i++) index[i] * index[3] === 0;
    signal both <== index[4] * index[5];
    signal choose[3] <== [1 - index[4] - index[5] + both, index[4] - both, index[5] - both];
    component pickWord = Pick(4, 1);
    pickWord.select <== choose;
    for (var i = 0; i < 4; i++) pickWord.in[i][0] <== words[i];
    signal bits[234] <== Bits(234)(pickWord.out[0]);
    component place = OneHot8();
    for (var i = 0; i < 3; i++) place.bits[i] <== index[i];
    // The ninth place is the last row, which is picked when none is selected.
    signal select[8];
    select[0] <== place.out[0] - index[3];
    for (var i = 1; i < 8; i++) select[i] <== place.out[i];
    // Selected bits, by weight: those of move and shock that are used singly, the rest as numbers.
    component pick = Pick(9, 7);
    pick.select <== select;
    for (var p = 0; p < 9; p++) {
        pick.in[p][0] <== bits[26 * p];
        pick.in[p][1] <== bits[26 * p + 1];
        pick.in[p][2] <== bits[26 * p + 2];
        pick.in[p][3] <== Slice(234, 26 * p + 3, 26 * p + 7)(bits);
        pick.in[p][4] <== bits[26 * p + 7];
        pick.in[p][5] <== bits[26 * p + 8];
        pick.in[p][6] <== Slice(234, 26 * p + 9, 26 * p + 26)(bits);
    }
    ones <== pick.out[0];
    twos <== pick.out[1];
    signal odd <== pick.out[2];
    var pairs = pick.out[3] - 8;
    fours <== 2 * pairs + odd;
    priceMove <== 4 * fours + 2 * twos + ones;
    // At least two of the three bits.
    signal onesAndTwos <== ones * twos;
    signal oneOfTwo <== ones + twos - 2 * onesAndTwos;
    stepOffset <== pairs + onesAndTwos + odd * oneOfTwo;
    isUp <== pick.out[5] * (1 - pick.out[4]);
    isDown <== (1 - pick.out[5]) * (1 - pick.out[4]);
    damping <== pick.out[6];
}
