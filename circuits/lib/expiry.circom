pragma circom 2.2.0;

include "functions.circom";

// Seconds of a year over 16, as round(2^50 / (16 * 31536000)).
function SPACED_YEAR() { return 2231378; }
// round(ln 2 * 2^43)
function LN2_43() { return 6096987078286; }
// round(log2(100) * 2^47)
function LOG2_STRIKE_TO_PRICE() { return 935039633142894; }
// Seconds at which vol shocks are quoted (30 days), and its log2 in 2^-47 as Log2 gives it.
function SHOCK_TENOR() { return 2592000; }
function LOG2_SHOCK_TENOR() { return 2998501500703162; }

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
// @output spacing          h sqrt(T), 2^-25
// @output inverseSpacing   ln 2 / spacing, 2^-18
// @output forwardPosition  (log2 forward - log2 100) inverseSpacing, 2^-65
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
    signal output inverseSpacing;
    signal output forwardPosition;

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

    spacing <== IntegerSquareRoot(28)(floored * fields.spacingSquare * SPACED_YEAR());
    inverseSpacing <== FloorDivide(28)(LN2_43(), spacing);
    _ <== Bits(28)(inverseSpacing);
    signal logForward <== Log2(44, 6)(fields.forward);
    forwardPosition <== (logForward - LOG2_STRIKE_TO_PRICE()) * inverseSpacing;
}

// Tenor factor of a vol shock, 2^(power (log2 30d - log2 max(tenor, floor))), 2^-20 in 24 bits; 7.3.
// @input  tenorFloor, tenorPowerShort, tenorPowerLong   of the parameters
template TenorFactor() {
    signal input tenor;
    signal input tenorFloor;
    signal input tenorPowerShort;
    signal input tenorPowerLong;
    signal output out;
    signal shockTenor <== FloorAt(27)(tenor, tenorFloor);
    component short = Bits(28);
    short.in <== SHOCK_TENOR() - shockTenor + (1 << 27);
    signal power <== tenorPowerLong + short.out[27] * (tenorPowerShort - tenorPowerLong);
    signal logTenor <== Log2(28, 5)(shockTenor);
    // In 2^-55; 4 is added, so that 21 bits at 2^-18 hold it, and 37 bits are dropped.
    signal exponent[58] <== BitsOfProduct(58)(LOG2_SHOCK_TENOR() - logTenor, power, 1 << 57);
    component factor = Exp2();
    for (var i = 0; i < 21; i++) factor.bits[i] <== exponent[37 + i];
    component split = Bits(98);
    split.in <== factor.out;
    out <== Slice(98, 74, 98)(split.out);
}

// What parameters make of an expiry, whatever the scenario; docs/margin-model.md 7.3.
// @input  tenor, tenorUnits, inverseSpacing    of ExpiryBase
// @output tenorFactor      of vol shocks, 2^-20, 24 bits
// @output step             four price steps in pillar spacings, 2^-30
// @output basisRate        move of the forward against spot, 2^-36, below 2^36
// @output interestRate     move of the discount factor, 2^-36, below 2^36
template ExpiryRisk() {
    signal input tenor;
    signal input tenorUnits;
    signal input inverseSpacing;
    signal input tenorFloor;
    signal input tenorPowerShort;
    signal input tenorPowerLong;
    signal input priceStep;
    signal input basisMinimum;
    signal input basisPerTenor;
    signal input interestPerTenor;
    signal output tenorFactor;
    signal output step;
    signal output basisRate;
    signal output interestRate;
    tenorFactor <== TenorFactor()(tenor, tenorFloor, tenorPowerShort, tenorPowerLong);
    step <== Slice(46, 6, 46)(BitsOfProduct(46)(priceStep, inverseSpacing, 0));
    basisRate <== basisPerTenor * tenorUnits + basisMinimum * (1 << 20);
    interestRate <== interestPerTenor * tenorUnits;
}

// What an expiry's vega costs, 2^-22, 24 bits; 7.3.
// @input  tenorFactor      2^-20, below 2^22.5
// @input  cost             vol shock times vegaRate, 2^-30, at most 2^29
template VegaRate() {
    signal input tenorFactor;
    signal input cost;
    signal output out;
    out <== Slice(52, 28, 52)(BitsOfProduct(52)(tenorFactor, cost, 0));
}

// Vol multiplier of an expiry under a shock, and its reciprocal; 7.3.
// @input  shock            relative vol shock at 30 days, signed, 2^-14
// @input  tenorFactor      2^-20
// @output volMultiplier    2^-20, [1/2, 4)
// @output inverseMultiplier 2^-13
template ExpiryShock() {
    signal input shock;
    signal input tenorFactor;
    signal output volMultiplier;
    signal output inverseMultiplier;

    // 1 + shock * factor, floored at 1/2, in 2^-34; 4 is added, so that bit 36 says whether the floor holds.
    signal multiplier[37] <== BitsOfProduct(37)(shock, tenorFactor, ((1 << 19) + (1 << 22)) * (1 << 14));
    var aboveFloor = 0;
    for (var i = 0; i < 23; i++) aboveFloor += multiplier[14 + i] * (1 << i);
    volMultiplier <== (1 << 19) + multiplier[36] * (aboveFloor - (1 << 22));
    // The reciprocal is of the multiplier in 2^-14: d1, which it goes into, is not sensitive.
    var coarseAboveFloor = 0;
    for (var i = 0; i < 17; i++) coarseAboveFloor += multiplier[20 + i] * (1 << i);
    signal coarse <== (1 << 13) + multiplier[36] * (coarseAboveFloor - (1 << 16));
    inverseMultiplier <== FloorDivide(16)(1 << 27, coarse);
    _ <== Bits(15)(inverseMultiplier);
}
