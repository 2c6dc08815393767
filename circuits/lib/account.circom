pragma circom 2.2.0;

include "arithmetic.circom";

// Fields of an underlying's word; docs/margin-model.md section 3.
// @output spot 1e-6 USD 44 bits, timestamp seconds 40 bits, realisedVolatility 2^-16 20 bits, underlyingId 32 bits
template UnderlyingWord() {
    signal input word;
    signal output spot;
    signal output timestamp;
    signal output realisedVolatility;
    signal output underlyingId;
    signal u[136] <== Num2Bits(136)(word);
    spot <== Slice(136, 0, 44)(u);
    timestamp <== Slice(136, 44, 84)(u);
    realisedVolatility <== Slice(136, 84, 104)(u);
    underlyingId <== Slice(136, 104, 136)(u);
}

// Net short contracts by strike, 1e-6: running sums over neighbours of one strike, the last of which counts. Also the range
// proof of every quantity, which is the difference of two ranged sums: below 2^43 in size.
// @input  strikeKeys       equal for legs of one strike and expiry, neighbours in a well-formed vector
// @output out              below 2^49 for 64 legs
template NetShort(legs) {
    signal input quantities[legs];
    signal input strikeKeys[legs];
    signal input isOption[legs];
    signal output out;
    signal same[legs + 1];
    signal sums[legs];
    signal last[legs];
    signal shortage[legs];
    signal charge[legs];
    component sumBits[legs];
    same[0] <== 0;
    same[legs] <== 0;
    for (var i = 1; i < legs; i++) same[i] <== IsZero()(strikeKeys[i] - strikeKeys[i - 1]);
    var total = 0;
    for (var i = 0; i < legs; i++) {
        if (i == 0) {
            sums[i] <== quantities[i];
        } else {
            sums[i] <== quantities[i] + same[i] * sums[i - 1];
        }
        sumBits[i] = SignedBits(42);
        sumBits[i].in <== sums[i];
        last[i] <== (1 - same[i + 1]) * isOption[i];
        shortage[i] <== (sumBits[i].out[42] - 1) * sums[i];
        charge[i] <== last[i] * shortage[i];
        total += charge[i];
    }
    out <== total;
}

// Mark and cash delta in whole units of 1e-12 USD, from sums in 2^-119 of at most 212 bits.
// @output markUp, markDown  mark rounded up and down, signed, 94 bits
// @output deltaSize         absolute cash delta rounded towards 0, by one's complement of a negative floor
template MarkAndDelta() {
    signal input markValue;
    signal input forwardValue;
    signal output markUp;
    signal output markDown;
    signal output deltaSize;
    // Mark rounded up: minus the floor of minus the value.
    signal negatedBits[213] <== SignedBits(212)(-markValue);
    signal negatedUnits <== Slice(213, 119, 213)(negatedBits);
    markUp <== (1 << 93) - negatedUnits;
    // The floor is one unit less unless the value is whole: -floor(-x) - 1 <= floor(x). One unit is 1e-12 USD.
    markDown <== markUp - 1;
    signal deltaBits[213] <== SignedBits(212)(forwardValue);
    signal deltaUnits <== Slice(213, 119, 213)(deltaBits);
    signal delta <== deltaUnits - (1 << 93);
    deltaSize <== delta * (2 * deltaBits[212] - 1) - 1 + deltaBits[212];
}
