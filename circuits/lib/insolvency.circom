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
    signal bits[248] <== Num2Bits(248)(pickWord.out[0]);
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

// Proves that the committed account, at this round and under these parameters, has at most the value `mark` and at
// least the maintenance requirement `requirement`: one scenario of the committed set shows it. docs/circuits.md.
// Public signals in docs/margin-model.md section 5. `legs` is a multiple of 8.
template Insolvency(legs, expiries) {
    // PUBLIC
    signal output mark;                      // 1e-6 USD, signed, |.| < 2^96
    signal output requirement;               // 1e-6 USD, below 2^97
    signal input commitment;
    signal input scale;                      // 2^-40, below 2^64 (bounded by the contract)
    signal input underlyingWord;
    signal input expiryWords[expiries];
    signal input parametersCommitment;
    signal input context;
    // PRIVATE
    signal input salt;
    signal input packed[legs];
    signal input strikes[legs];
    signal input quantities[legs];
    signal input kindBits[legs][2];
    signal input select[legs][expiries - 1];
    signal input header;
    signal input scenarioWords[4];
    signal input scenarioIndex[5];

    // 1. Context: bound by a constraint of its own.
    signal contextSquare <== context * context;

    // 2. Parameters.
    signal parametersHash <== ParametersCommitment()(header, scenarioWords);
    parametersCommitment === parametersHash;
    signal h[148] <== Num2Bits(148)(header);
    signal priceStep <== Slice(148, 0, 20)(h);
    signal volShockUp <== Slice(148, 20, 36)(h);
    signal volShockDown <== Slice(148, 36, 52)(h);
    signal tenorPowerShort <== Slice(148, 52, 60)(h);
    signal tenorPowerLong <== Slice(148, 60, 68)(h);
    signal tenorFloor <== Slice(148, 68, 92)(h);
    signal maintenanceFactor <== Slice(148, 92, 108)(h);
    signal shortOptionRate <== Slice(148, 108, 124)(h);
    signal horizonFactor <== Slice(148, 124, 148)(h);
    component scenario = Scenario();
    scenario.words <== scenarioWords;
    scenario.index <== scenarioIndex;
    signal upShock <== scenario.isUp * volShockUp;
    signal shock <== upShock - scenario.isDown * volShockDown;
    signal priceFactor <== Exp2Precise()(priceStep * scenario.priceMove);

    // 3. Oracle words.
    signal u[136] <== Num2Bits(136)(underlyingWord);
    signal spot <== Slice(136, 0, 44)(u);
    signal timestamp <== Slice(136, 44, 84)(u);
    signal realisedVolatility <== Slice(136, 84, 104)(u);
    signal underlyingId <== Slice(136, 104, 136)(u);
    component states[expiries];
    for (var e = 0; e < expiries; e++) {
        states[e] = ExpiryState();
        states[e].word <== expiryWords[e];
        states[e].timestamp <== timestamp;
        states[e].shock <== shock;
        states[e].tenorFloor <== tenorFloor;
        states[e].tenorPowerShort <== tenorPowerShort;
        states[e].tenorPowerLong <== tenorPowerLong;
        states[e].priceStep <== priceStep;
    }

    // 4. Positions.
    signal positionsHash <== PositionsCommitment(legs)(packed, underlyingId, salt);
    commitment === positionsHash;
    component leg[legs];
    var markForward = 0;
    var markStrike = 0;
    var scenarioForward = 0;
    var scenarioStrike = 0;
    var linearQuantity = 0;
    for (var i = 0; i < legs; i++) {
        leg[i] = Leg(expiries);
        leg[i].packed <== packed[i];
        leg[i].strike <== strikes[i];
        leg[i].quantity <== quantities[i];
        leg[i].kindBits <== kindBits[i];
        leg[i].select <== select[i];
        for (var e = 0; e < expiries; e++) {
            leg[i].expiryHours[e] <== states[e].expiryHour;
            leg[i].forwards[e] <== states[e].forward;
            leg[i].discounts[e] <== states[e].discount;
            leg[i].vols[e] <== states[e].vols;
            leg[i].spacings[e] <== states[e].spacing;
            leg[i].inverseSpacings[e] <== states[e].inverseSpacing;
            leg[i].forwardPositions[e] <== states[e].forwardPosition;
            leg[i].volMultipliers[e] <== states[e].volMultiplier;
            leg[i].inverseMultipliers[e] <== states[e].inverseMultiplier;
            leg[i].stepPositions[e] <== states[e].stepPosition;
        }
        leg[i].priceMove <== scenario.priceMove;
        leg[i].halfPriceMove <== scenario.halfPriceMove;
        markForward += leg[i].markForward;
        markStrike += leg[i].markStrike;
        scenarioForward += leg[i].scenarioForward;
        scenarioStrike += leg[i].scenarioStrike;
        linearQuantity += leg[i].linearQuantity;
    }

    // 5. Net short contracts by strike: running sums over neighbours of one strike, the last of which counts.
    signal same[legs + 1];
    signal sums[legs];
    signal last[legs];
    signal shortage[legs];
    signal charge[legs];
    component sumBits[legs];
    same[0] <== 0;
    same[legs] <== 0;
    for (var i = 1; i < legs; i++) same[i] <== IsZero()(leg[i].strikeKey - leg[i - 1].strikeKey);
    var shortContracts = 0;
    for (var i = 0; i < legs; i++) {
        if (i == 0) {
            sums[i] <== quantities[i];
        } else {
            sums[i] <== quantities[i] + same[i] * sums[i - 1];
        }
        // Also the range proof of the quantity: it is the difference of two ranged sums.
        sumBits[i] = SignedBits(42);
        sumBits[i].in <== sums[i];
        last[i] <== (1 - same[i + 1]) * leg[i].isOption;
        shortage[i] <== (sumBits[i].out[42] - 1) * sums[i];
        charge[i] <== last[i] * shortage[i];
        shortContracts += charge[i];
    }

    // 6. Totals, 1e-12 USD in 2^-119.
    signal linearValue <== linearQuantity * spot * (1 << 119);
    signal forwardValue <== markForward + linearValue;
    signal markValue <== forwardValue - markStrike;
    // Mark rounded up: minus the floor of minus the value.
    signal negatedBits[213] <== SignedBits(212)(-markValue);
    signal negatedMarkUnits <== Slice(213, 119, 213)(negatedBits);
    signal markUnits <== (1 << 93) - negatedMarkUnits;
    // Absolute cash delta, rounded down (one's complement for a negative floor).
    signal deltaBits[213] <== SignedBits(212)(forwardValue);
    signal deltaUnits <== Slice(213, 119, 213)(deltaBits);
    signal delta <== deltaUnits - (1 << 93);
    signal deltaSize <== delta * (2 * deltaBits[212] - 1) - 1 + deltaBits[212];
    // Loss of the scenario, 2^-145.
    signal shockedForward <== priceFactor * (scenarioForward + linearValue);
    signal lossBits[240] <== SignedBits(239)((markValue + scenarioStrike) * (1 << 26) - shockedForward);
    signal lossUnits <== Slice(240, 145, 240)(lossBits);
    signal loss <== lossBits[239] * (lossUnits - (1 << 94));

    // 7. Requirement, 1e-12 USD in 2^-36.
    signal damped <== loss * scenario.damping;
    signal scan <== damped * maintenanceFactor * (1 << 8);
    signal shortValue <== shortContracts * spot;
    signal short <== shortValue * shortOptionRate * (1 << 20);
    signal horizonRate <== realisedVolatility * horizonFactor;
    signal horizon <== deltaSize * horizonRate;

    // 8. Scale, and 1e-6 USD: divisor 10^6 2^k as a division by 10^6 above k dropped bits.
    signal scaledRequirement <== scale * (scan + short + horizon);
    component requirementShift = ShiftRight(76);
    requirementShift.in <== scaledRequirement;
    requirement <== FloorDivide(20)(requirementShift.out, 1000000);
    _ <== Num2Bits(140)(requirement);
    signal scaledMark <== scale * markUnits;
    component markShift = ShiftRightSigned(40, 170);
    markShift.in <== -scaledMark;
    signal negatedMark <== FloorDivide(20)(markShift.out, 1000000);
    _ <== SignedBits(140)(negatedMark);
    mark <== -negatedMark;
}
