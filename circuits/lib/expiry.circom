pragma circom 2.2.0;

include "functions.circom";

// Seconds of a year over 16, as round(2^54 / (16 * 31536000)).
function SPACED_YEAR() { return 35702052; }
// round(ln 2 * 2^39)
function LN2_39() { return 381061692393; }
// round(ln(100) * 2^47)
function LN_STRIKE_TO_PRICE() { return 648120085424803; }
// Seconds at which vol shocks are quoted (30 days), and its binary logarithm in 2^-47 as Logarithm gives it.
function SHOCK_TENOR() { return 2592000; }
function LOG2_SHOCK_TENOR() { return 2998501462650935; }

// Fields of an expiry word; docs/margin-model.md section 3. An unused word (0) is replaced by a harmless dummy that no leg
// can select, because no option has expiry hour 0.
// @input  word             below 2^248 by its decomposition
// @output expiryHour 20 bits, discount 2^-21, forward 1e-6 USD 44 bits, vols[8] 2^-16 h 20 bits
// @output spacingSquare    4^spacingExponent
// @output unused           1 for a word of 0
template ExpiryWord() {
    signal input word;
    signal output expiryHour;
    signal output discount;
    signal output forward;
    signal output vols[8];
    signal output spacingSquare;
    signal output unused;

    // 8 * 20 + 2 + 20 + 22 + 44 bits.
    signal rawVols[8];
    signal spacingExponent[2];
    signal rawForward;
    var sum = 0;
    for (var j = 0; j < 8; j++) {
        rawVols[j] <-- (word >> (20 * j)) & ((1 << 20) - 1);
        Below(20)(rawVols[j]);
        sum += rawVols[j] * (1 << (20 * j));
    }
    for (var i = 0; i < 2; i++) {
        spacingExponent[i] <-- (word >> (160 + i)) & 1;
        spacingExponent[i] * (spacingExponent[i] - 1) === 0;
        sum += spacingExponent[i] * (1 << (160 + i));
    }
    expiryHour <-- (word >> 162) & ((1 << 20) - 1);
    Below(20)(expiryHour);
    discount <-- (word >> 182) & ((1 << 22) - 1);
    Below(22)(discount);
    rawForward <-- word >> 204;
    Below(44)(rawForward);
    word === sum + expiryHour * (1 << 162) + discount * (1 << 182) + rawForward * (1 << 204);

    unused <== IsZero()(expiryHour);
    forward <== rawForward + unused;
    for (var j = 0; j < 8; j++) vols[j] <== rawVols[j] + unused * (1 << 16);
    spacingSquare <== (1 + 3 * spacingExponent[0]) * (1 + 15 * spacingExponent[1]);
}

// What the model derives from an expiry whatever the scenario; docs/margin-model.md 7.2.
// @input  timestamp        seconds, 40 bits
// @output discountedForward  forward * discount, 1e-6 USD in 2^-21
// @output tenor            seconds, 1 <= tenor <= 2^27
// @output tenorUnits       whole 16 seconds of tenor - 1, 23 bits
// @output spacing          h sqrt(T), 2^-27, 30 bits
// @output logForward       ln forward - ln 100, 2^-47
template ExpiryBase() {
    signal input word;
    signal input timestamp;
    signal output expiryHour;
    signal output discount;
    signal output discountedForward;
    signal output vols[8];
    signal output tenor;
    signal output tenorUnits;
    signal output spacing;
    signal output logForward;

    component fields = ExpiryWord();
    fields.word <== word;
    expiryHour <== fields.expiryHour;
    discount <== fields.discount;
    discountedForward <== fields.forward * fields.discount;
    vols <== fields.vols;

    // Time to expiry, 1 <= tenor <= 2^27; an unused word counts as one hour.
    signal seconds <== expiryHour * 3600 - timestamp - 3600;
    tenor <== 3600 + (1 - fields.unused) * seconds;
    signal tenorBits[27] <== Bits(27)(tenor - 1);
    tenorUnits <== Slice(27, 4, 27)(tenorBits);
    signal floored <== FloorAt(27)(tenor, 3600);

    spacing <== IntegerSquareRoot(30)(floored * fields.spacingSquare * SPACED_YEAR());
    signal forwardLog <== Logarithm(44, 6, 1)(fields.forward);
    logForward <== forwardLog - LN_STRIKE_TO_PRICE();
}

// Tenor factor of a vol shock, 2^(power (log2 30d - log2 max(tenor, floor))); 7.3.
// @input  tenorFloor, tenorPowerShort, tenorPowerLong   of the parameters
// @output out              2^-22, 26 bits
// @output coarse           2^-20, 24 bits
template TenorFactor() {
    signal input tenor;
    signal input tenorFloor;
    signal input tenorPowerShort;
    signal input tenorPowerLong;
    signal output out;
    signal output coarse;
    signal shockTenor <== FloorAt(27)(tenor, tenorFloor);
    component short = Bits(28);
    short.in <== SHOCK_TENOR() - shockTenor + (1 << 27);
    signal power <== tenorPowerLong + short.out[27] * (tenorPowerShort - tenorPowerLong);
    signal logTenor <== Logarithm(28, 5, 0)(shockTenor);
    // In 2^-55; 4 is added, so that 23 bits at 2^-20 hold it, and 35 bits are dropped.
    signal exponent[58] <== BitsOfProduct(58)(LOG2_SHOCK_TENOR() - logTenor, power, 1 << 57);
    component factor = Exp2();
    for (var i = 0; i < 23; i++) factor.bits[i] <== exponent[35 + i];
    component split = Bits(100);
    split.in <== factor.out;
    out <== Slice(100, 74, 100)(split.out);
    coarse <== Slice(100, 76, 100)(split.out);
}

// What parameters make of an expiry, whatever the scenario; docs/margin-model.md 7.3.
// @input  tenor, tenorUnits, spacing    of ExpiryBase
// @output tenorFactor      of vol shocks, 2^-22, 26 bits
// @output coarseFactor     the same, 2^-20, 24 bits
// @output step             four price steps in pillar spacings, 2^-30, 40 bits
// @output basisRate        move of the forward against spot, 2^-36, below 2^36
// @output interestRate     move of the discount factor, 2^-36, below 2^36
template ExpiryRisk() {
    signal input tenor;
    signal input tenorUnits;
    signal input spacing;
    signal input tenorFloor;
    signal input tenorPowerShort;
    signal input tenorPowerLong;
    signal input priceStep;
    signal input basisMinimum;
    signal input basisPerTenor;
    signal input interestPerTenor;
    signal output tenorFactor;
    signal output coarseFactor;
    signal output step;
    signal output basisRate;
    signal output interestRate;
    (tenorFactor, coarseFactor) <== TenorFactor()(tenor, tenorFloor, tenorPowerShort, tenorPowerLong);
    step <== FloorDivide(30)(priceStep * LN2_39(), spacing);
    _ <== Bits(40)(step);
    basisRate <== basisPerTenor * tenorUnits + basisMinimum * (1 << 20);
    interestRate <== interestPerTenor * tenorUnits;
}

// What an expiry's vega costs, 2^-22, 24 bits; 7.3.
// @input  tenorFactor      2^-20, below 2^22.5: the coarse one
// @input  cost             vol shock times vegaRate, 2^-30, at most 2^29
template VegaRate() {
    signal input tenorFactor;
    signal input cost;
    signal output out;
    out <== Slice(52, 28, 52)(BitsOfProduct(52)(tenorFactor, cost, 0));
}

// Vol multiplier of an expiry under a shock, and its reciprocal; 7.3.
// @input  shock            relative vol shock at 30 days, signed, 2^-14
// @input  tenorFactor      2^-22
// @output volMultiplier    2^-22, [1/2, 4), rounded to nearest
// @output inverseMultiplier 2^-13
template ExpiryShock() {
    signal input shock;
    signal input tenorFactor;
    signal output volMultiplier;
    signal output inverseMultiplier;

    // 1 + shock * factor, floored at 1/2, in 2^-36; 4 is added, so that bit 38 says whether the floor holds, and half a place.
    signal multiplier[39] <== BitsOfProduct(39)(shock, tenorFactor, ((1 << 21) + (1 << 24)) * (1 << 14) + (1 << 13));
    var aboveFloor = 0;
    for (var i = 0; i < 25; i++) aboveFloor += multiplier[14 + i] * (1 << i);
    volMultiplier <== (1 << 21) + multiplier[38] * (aboveFloor - (1 << 24));
    // The reciprocal is of the multiplier in 2^-14: d1, which it goes into, is not sensitive.
    var coarseAboveFloor = 0;
    for (var i = 0; i < 17; i++) coarseAboveFloor += multiplier[22 + i] * (1 << i);
    signal coarse <== (1 << 13) + multiplier[38] * (coarseAboveFloor - (1 << 16));
    inverseMultiplier <== FloorDivide(16)(1 << 27, coarse);
    _ <== Bits(15)(inverseMultiplier);
}
