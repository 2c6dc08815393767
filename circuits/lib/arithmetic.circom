pragma circom 2.2.0;

include "comparators.circom";

// Bits of 0 <= in < 2^bits, least first; bits <= 252. As circomlib's Num2Bits, but for the form of a bit's constraint: b b = b is a term
// less to evaluate for a prover than b (b - 1) = 0.
template Bits(bits) {
    assert(bits <= 252);
    signal input in;
    signal output out[bits];
    var sum = 0;
    for (var i = 0; i < bits; i++) {
        out[i] <-- (in >> i) & 1;
        out[i] * out[i] === out[i];
        sum += out[i] * (1 << i);
    }
    in === sum;
}

// A signed number -2^bits <= in < 2^bits, as bits of in + 2^bits: out[bits] is 1 when in >= 0.
// Unique: bits + 1 <= 252.
template SignedBits(bits) {
    signal input in;
    signal output out[bits + 1];
    out <== Bits(bits + 1)(in + (1 << bits));
}

// 0 <= in < 2^bits, for 1 <= bits <= 252: beyond, the bits go round the field. The top bit is no wire but what the lower ones leave
// of the number: so the number stays a wire of its own, which the compiler does not replace by its bits wherever it is used. A prover
// takes as long for a constraint as it has terms.
template Below(bits) {
    assert(bits >= 1 && bits <= 252);
    signal input in;
    signal lower[bits - 1];
    var top = in;
    for (var i = 0; i < bits - 1; i++) {
        lower[i] <-- (in >> i) & 1;
        lower[i] * lower[i] === lower[i];
        top -= lower[i] * (1 << i);
    }
    top * (top - (1 << (bits - 1))) === 0;
}

// Bits of a * b + c, for 0 <= a * b + c < 2^bits and bits <= 252: as a decomposition of a wire for it, but the product is no wire.
// So no bit is what the others leave of it, and stands as their sum wherever it is used: see Below.
template BitsOfProduct(bits) {
    assert(bits <= 252);
    signal input a;
    signal input b;
    signal input c;
    signal output out[bits];
    var value = a * b + c;
    var sum = 0;
    for (var i = 0; i < bits; i++) {
        out[i] <-- (value >> i) & 1;
        out[i] * out[i] === out[i];
        sum += out[i] * (1 << i);
    }
    a * b === sum - c;
}

// Bits [from, to) of a decomposition, as a number. Free of constraints.
template Slice(width, from, to) {
    signal input in[width];
    signal output out;
    var sum = 0;
    for (var i = from; i < to; i++) sum += in[i] * (1 << (i - from));
    out <== sum;
}

// quotient = floor(dividend / divisor), divisor in [1, 2^divisorBits), dividend signed.
// 0 <= remainder < divisor is forced by two range checks; quotient * divisor + remainder does not wrap as long as the
// caller bounds the quotient: every use here range-checks it, directly or through a rounding of it that is ranged on its own.
// A divisor of 0 satisfies nothing.
template FloorDivide(divisorBits) {
    signal input dividend;
    signal input divisor;
    signal output quotient;
    signal remainder;
    var q = 0;
    if (divisor != 0) {
        if (dividend < 0) {
            q = -((-dividend + divisor - 1) \ divisor);
        } else {
            q = dividend \ divisor;
        }
    }
    quotient <-- q;
    remainder <== dividend - quotient * divisor;
    _ <== Bits(divisorBits)(remainder);
    _ <== Bits(divisorBits)(divisor - 1 - remainder);
}

// out = floor(in / 2^places) for in >= 0 or signed; only the lower bits are checked here, so the caller must bound out.
template ShiftRight(places) {
    signal input in;
    signal output out;
    signal output low[places];
    for (var i = 0; i < places; i++) {
        low[i] <-- (in >> i) & 1;
        low[i] * low[i] === low[i];
    }
    var sum = 0;
    for (var i = 0; i < places; i++) sum += low[i] * (1 << i);
    // Division by a constant is multiplication by its inverse: exact here because the caller bounds out.
    out <== (in - sum) / (1 << places);
}

// As ShiftRight for a signed input: the hint adds an offset of 2^offsetBits, offsetBits > places, to stay positive.
template ShiftRightSigned(places, offsetBits) {
    signal input in;
    signal output out;
    signal output low[places];
    component shift = ShiftRight(places);
    shift.in <== in + (1 << offsetBits);
    low <== shift.low;
    out <== shift.out - (1 << (offsetBits - places));
}

// The eight products of three bits: out[i] is 1 when the bits (least first) spell i. Four constraints.
template OneHot8() {
    signal input bits[3];
    signal output out[8];
    signal ab <== bits[0] * bits[1];
    signal ac <== bits[0] * bits[2];
    signal bc <== bits[1] * bits[2];
    signal abc <== ab * bits[2];
    out[7] <== abc;
    out[6] <== bc - abc;
    out[5] <== ac - abc;
    out[4] <== bits[2] - ac - bc + abc;
    out[3] <== ab - abc;
    out[2] <== bits[1] - ab - bc + abc;
    out[1] <== bits[0] - ab - ac + abc;
    out[0] <== 1 - bits[0] - bits[1] - bits[2] + ab + ac + bc - abc;
}

// Product of (1 + bit_i (2^(2^i) - 1)) = 2^(bits as a number).
template PowerOfTwo(n) {
    signal input bits[n];
    signal output out;
    signal partial[n];
    partial[0] <== 1 + bits[0];
    for (var i = 1; i < n; i++) {
        partial[i] <== partial[i - 1] * (1 + bits[i] * ((1 << (1 << i)) - 1));
    }
    out <== partial[n - 1];
}

// root = floor(sqrt(in)), in < 2^(2 * rootBits).
template IntegerSquareRoot(rootBits) {
    signal input in;
    signal output root;
    signal gap;
    var guess = 0;
    for (var i = rootBits - 1; i >= 0; i--) {
        if ((guess + (1 << i)) * (guess + (1 << i)) <= in) { guess += 1 << i; }
    }
    root <-- guess;
    gap <== in - root * root;
    // root^2 <= in <= root^2 + 2 root. Their sum bounds 2 root, and an odd one has a square that leaves no whole gap.
    _ <== Bits(rootBits + 1)(gap);
    _ <== Bits(rootBits + 1)(2 * root - gap);
}

// max(in, floor), for in - floor within [-2^bits, 2^bits).
template FloorAt(bits) {
    signal input in;
    signal input floor;
    signal output out;
    component above = Bits(bits + 1);
    above.in <== in - floor + (1 << bits);
    out <== floor + above.out[bits] * (in - floor);
}

// Size of a signed number in units of 2^places, rounded up or one more: never below |in| 2^-places. By one's complement, so that
// the sign of 0 is unique. |in| < 2^bits.
// @output out          bits + 1 - places bits
// @output nonNegative  1 when in >= 0
template SizeUp(bits, places) {
    signal input in;
    signal output out;
    signal output nonNegative;
    signal split[bits + 1] <== SignedBits(bits)(in);
    signal units <== Slice(bits + 1, places, bits + 1)(split);
    nonNegative <== split[bits];
    out <== (units - (1 << (bits - places))) * (2 * nonNegative - 1) + nonNegative;
}
