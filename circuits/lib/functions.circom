pragma circom 2.2.0;

include "comparators.circom";
include "arithmetic.circom";
include "polynomials.circom";

// What a doubling adds to a logarithm, and the coefficients of the mantissa's, 2^-47 as a whole.
function LOG_OF_TWO(natural) {
    if (natural == 1) { return 97551793252584; }
    return 1 << 47;
}
function LOG(natural, segment, k) {
    if (natural == 1) { return LN(segment, k); }
    return LOG2(segment, k);
}
function LOG_SLOPE(natural, segment, k) {
    if (natural == 1) { return LN_SLOPE(segment, k); }
    return LOG2_SLOPE(segment, k);
}

// Logarithm of an integer in [1, 2^width), in 2^-47: the natural one where `natural` is 1, else the binary one; docs/margin-model.md 7.1.
// The input need not be range-checked when it is known to be an integer below 2^104 in size: normalising it proves the range.
// shiftBits: bits of the largest shift, which is width - 1.
// @input  in   integer, `width` bits
// @output out  2^-47, below 2^53
template Logarithm(width, shiftBits, natural) {
    signal input in;
    signal output out;

    signal shift[shiftBits];
    var s = 0;
    for (var i = 0; i < width; i++) { if (in < (1 << (width - 1 - i))) { s = i + 1; } }
    if (s >= width) { s = width - 1; }
    var shiftValue = 0;
    for (var i = 0; i < shiftBits; i++) {
        shift[i] <-- (s >> i) & 1;
        shift[i] * (shift[i] - 1) === 0;
        shiftValue += shift[i] * (1 << i);
    }
    signal power <== PowerOfTwo(shiftBits)(shift);
    // The mantissa has its leading one at bit width - 1, which forces the shift.
    signal bits[width - 1] <== BitsOfProduct(width - 1)(in, power, -(1 << (width - 1)));

    // 22 fraction bits: segment 3, high 7, low 12.
    component segment = OneHot8();
    for (var i = 0; i < 3; i++) segment.bits[i] <== bits[width - 4 + i];
    var high = 0;
    for (var i = 0; i < 7; i++) high += bits[width - 11 + i] * (1 << i);
    var low = 0;
    for (var i = 0; i < 12; i++) low += bits[width - 23 + i] * (1 << i);
    var tau = 2 * high - 127;

    var c[5];
    for (var k = 0; k < 5; k++) {
        c[k] = 0;
        for (var j = 0; j < 8; j++) c[k] += segment.out[j] * LOG(natural, j, k);
    }
    signal a3 <== c[4] * tau + c[3];
    signal a2 <== a3 * tau + c[2];
    signal a1 <== a2 * tau + c[1];
    signal a0 <== a1 * tau + c[0];
    var d[3];
    for (var k = 0; k < 3; k++) {
        d[k] = 0;
        for (var j = 0; j < 8; j++) d[k] += segment.out[j] * LOG_SLOPE(natural, j, k);
    }
    signal b1 <== d[2] * tau + d[1];
    signal b0 <== b1 * tau + d[0];
    signal correction <== b0 * (2 * low - 4095);
    out <== (width - 1 - shiftValue) * LOG_OF_TWO(natural) + a0 + correction;
}

// Normal distribution function at (in + 1/2) 2^-fractionBits, |in| < 2^(13 + fractionBits); out in 2^-98.
// fractionBits is 12 (value at the cell's middle) or 20 (value plus slope times the eight lower bits).
// With withDensity, which goes with 20 bits, also the density there, in 2^-79; else 0.
// One's complement makes the sign unique: in >= 0 has magnitude in, in < 0 has magnitude -in - 1.
template Normal(fractionBits, withDensity) {
    signal input in;
    signal output out;
    signal output density;
    var width = 13 + fractionBits;
    var fine = fractionBits - 12;

    signal negative;
    negative <-- in < 0 ? 1 : 0;
    negative * (negative - 1) === 0;
    // Of the magnitude.
    signal bits[width] <== BitsOfProduct(width)(in, 1 - 2 * negative, -negative);

    var beyond = 0;
    for (var i = fractionBits + 3; i < width; i++) beyond += bits[i] * (1 << (i - fractionBits - 3));
    signal inside <== IsZero()(beyond);

    component segment = OneHot8();
    for (var i = 0; i < 3; i++) segment.bits[i] <== bits[fractionBits + i];
    var cell = 0;
    for (var i = 0; i < 12; i++) cell += bits[fine + i] * (1 << i);
    var tau = 2 * cell - 4095;

    var c[7];
    for (var k = 0; k < 7; k++) {
        c[k] = 0;
        for (var j = 0; j < 8; j++) c[k] += segment.out[j] * TAIL(j, k);
    }
    signal a[6];
    a[5] <== c[6] * tau + c[5];
    for (var k = 4; k >= 0; k--) a[k] <== a[k + 1] * tau + c[k];

    var low = 0;
    for (var i = 0; i < fine; i++) low += bits[i] * (1 << i);
    signal correction;
    if (fine > 0) {
        var d[4];
        for (var k = 0; k < 4; k++) {
            d[k] = 0;
            for (var j = 0; j < 8; j++) d[k] += segment.out[j] * TAIL_SLOPE(j, k);
        }
        signal b2 <== d[3] * tau + d[2];
        signal b1 <== b2 * tau + d[1];
        signal b0 <== b1 * tau + d[0];
        correction <== b0 * (2 * low - ((1 << fine) - 1));
    } else {
        correction <== 0;
    }
    signal tail <== inside * (a[0] + correction);
    out <== (1 << 98) - tail + negative * (2 * tail - (1 << 98));

    if (withDensity) {
        // Cells of 2^-10: its places would be too many for the degree at 2^-12.
        var wideCell = 0;
        for (var i = 0; i < 10; i++) wideCell += bits[fine + 2 + i] * (1 << i);
        var wideTau = 2 * wideCell - 1023;
        var wideLow = 0;
        for (var i = 0; i < fine + 2; i++) wideLow += bits[i] * (1 << i);
        var e[7];
        for (var k = 0; k < 7; k++) {
            e[k] = 0;
            for (var j = 0; j < 8; j++) e[k] += segment.out[j] * DENSITY(j, k);
        }
        signal f[6];
        f[5] <== e[6] * wideTau + e[5];
        for (var k = 4; k >= 0; k--) f[k] <== f[k + 1] * wideTau + e[k];
        var g[4];
        for (var k = 0; k < 4; k++) {
            g[k] = 0;
            for (var j = 0; j < 8; j++) g[k] += segment.out[j] * DENSITY_SLOPE(j, k);
        }
        signal h2 <== g[3] * wideTau + g[2];
        signal h1 <== h2 * wideTau + g[1];
        signal h0 <== h1 * wideTau + g[0];
        signal rest <== h0 * (2 * wideLow - ((1 << (fine + 2)) - 1));
        density <== inside * (f[0] + rest);
    } else {
        density <== 0;
    }
}

// 2^x in the middle of a cell of 2^-8: out = 2^(1/2 + tau) in 2^-59, tau = (2 high - 255) 2^-9.
// @input  high 8 bits
template Exp2Cell() {
    signal input high;
    signal output out;
    var tau = 2 * high - 255;
    signal a[5];
    a[4] <== EXP2(0, 5) * tau + EXP2(0, 4);
    for (var k = 3; k >= 0; k--) a[k] <== a[k + 1] * tau + EXP2(0, k);
    out <== a[0];
}

// 2^(y + 4) in 2^-92 for y in 2^-20, -4 <= y < 4, given the 23 bits of y + 4.
template Exp2() {
    signal input bits[23];
    signal output out;
    signal cell <== Exp2Cell()(Slice(23, 12, 20)(bits));
    signal low <== Slice(23, 0, 12)(bits);
    // 3929 is half of the largest second-order term, which is left out.
    signal fraction <== cell * ((1 << 33) + 3929 + 2839 * (2 * low - 4095));
    signal p1 <== (1 + bits[20]) * (1 + 3 * bits[21]);
    signal power <== p1 * (1 + 15 * bits[22]);
    out <== fraction * power;
}

// 2^y in 2^-26 for y in 2^-20, -4 <= y < 4; rounded down. out < 2^31.
template Exp2Precise() {
    signal input in;
    signal output out;
    signal bits[23] <== SignedBits(22)(in);
    signal cell <== Exp2Cell()(Slice(23, 12, 20)(bits));
    signal low <== Slice(23, 0, 12)(bits);
    signal offset <== 2839 * (low - 2048);
    signal correction <== (1 << 65) + offset * ((1 << 33) + offset);
    signal fraction <== cell * correction;
    signal p1 <== (1 + bits[20]) * (1 + 3 * bits[21]);
    signal power <== p1 * (1 + 15 * bits[22]);
    out <== Slice(133, 102, 133)(BitsOfProduct(133)(fraction, power, 0));
}
