pragma circom 2.2.0;

include "arithmetic.circom";

// round(ln 2 * 2^27)
function LN2_27() { return 93032640; }

// Fields of an underlying's word; docs/margin-model.md section 3.
// @output spot 1e-6 USD 44 bits, timestamp seconds 40 bits, realisedVolatility 2^-16 20 bits, underlyingId 32 bits
template UnderlyingWord() {
    signal input word;
    signal output spot;
    signal output timestamp;
    signal output realisedVolatility;
    signal output underlyingId;
    signal u[136] <== Bits(136)(word);
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

// Mark in whole units of 1e-12 USD, rounded up, from a sum in 2^-119 of at most 212 bits.
// @output out   signed, 94 bits; one less is at most the mark
template MarkUp() {
    signal input markValue;
    signal output out;
    // Minus the floor of minus the value.
    signal negatedBits[213] <== SignedBits(212)(-markValue);
    signal negatedUnits <== Slice(213, 119, 213)(negatedBits);
    out <== (1 << 93) - negatedUnits;
}

// Cost of a unit of gamma, rate 2 sigma^2 horizon / ln(four price steps), 2^-36, rounded down; docs/margin-model.md 7.6.
// @input  horizonRate      one deviation over the horizon, 2^-36, below 2^38
// @input  gammaRate        2^-12, at most 2^14
// @input  priceStep        2^-20 of log2, 18 bits, at least 1
template GammaCost() {
    signal input horizonRate;
    signal input gammaRate;
    signal input priceStep;
    signal output out;
    signal variance <== horizonRate * horizonRate;
    // Two floors are the floor by the product. The first quotient is ranged by the second, 62 bits times 20.
    signal byLogarithm <== FloorDivide(27)(gammaRate * variance, LN2_27());
    out <== FloorDivide(20)(byLogarithm, 4 * priceStep);
    _ <== Bits(62)(out);
}
