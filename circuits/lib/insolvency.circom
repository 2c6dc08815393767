pragma circom 2.2.0;

include "account.circom";
include "parameters.circom";

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
    component fields = ParametersHeader();
    fields.header <== header;
    component scenario = Scenario();
    scenario.words <== scenarioWords;
    scenario.index <== scenarioIndex;
    signal upShock <== scenario.isUp * fields.volShockUp;
    signal shock <== upShock - scenario.isDown * fields.volShockDown;
    // Exactly 1 where prices do not move, so that such a place shows no loss by rounding.
    signal movedFactor <== Exp2Precise()(fields.priceStep * scenario.priceMove);
    signal unmoved <== IsZero()(scenario.priceMove);
    signal priceFactor <== movedFactor + unmoved * ((1 << 26) - movedFactor);

    // 3. Oracle words.
    component underlying = UnderlyingWord();
    underlying.word <== underlyingWord;
    component states[expiries];
    for (var e = 0; e < expiries; e++) {
        states[e] = ExpiryState();
        states[e].word <== expiryWords[e];
        states[e].timestamp <== underlying.timestamp;
        states[e].shock <== shock;
        states[e].tenorFloor <== fields.tenorFloor;
        states[e].tenorPowerShort <== fields.tenorPowerShort;
        states[e].tenorPowerLong <== fields.tenorPowerLong;
        states[e].priceStep <== fields.priceStep;
    }

    // 4. Positions.
    signal positionsHash <== PositionsCommitment(legs)(packed, underlying.underlyingId, salt);
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

    // 5. Net short contracts by strike; proves the range of every quantity.
    component net = NetShort(legs);
    for (var i = 0; i < legs; i++) {
        net.quantities[i] <== quantities[i];
        net.strikeKeys[i] <== leg[i].strikeKey;
        net.isOption[i] <== leg[i].isOption;
    }

    // 6. Totals, 1e-12 USD in 2^-119.
    signal linearValue <== linearQuantity * underlying.spot * (1 << 119);
    signal forwardValue <== markForward + linearValue;
    signal markValue <== forwardValue - markStrike;
    component totals = MarkAndDelta();
    totals.markValue <== markValue;
    totals.forwardValue <== forwardValue;
    // Loss of the scenario, 2^-145.
    signal shockedForward <== priceFactor * (scenarioForward + linearValue);
    signal lossBits[240] <== SignedBits(239)((markValue + scenarioStrike) * (1 << 26) - shockedForward);
    signal lossUnits <== Slice(240, 145, 240)(lossBits);
    signal loss <== lossBits[239] * (lossUnits - (1 << 94));

    // 7. Requirement, 1e-12 USD in 2^-36.
    signal damped <== loss * scenario.damping;
    signal scan <== damped * fields.maintenanceFactor * (1 << 8);
    signal shortValue <== net.out * underlying.spot;
    signal short <== shortValue * fields.shortOptionRate * (1 << 20);
    signal horizonRate <== underlying.realisedVolatility * fields.horizonFactor;
    signal horizon <== totals.deltaSize * horizonRate;

    // 8. Scale, and 1e-6 USD: divisor 10^6 2^k as a division by 10^6 above k dropped bits.
    signal scaledRequirement <== scale * (scan + short + horizon);
    component requirementShift = ShiftRight(76);
    requirementShift.in <== scaledRequirement;
    requirement <== FloorDivide(20)(requirementShift.out, 1000000);
    _ <== Num2Bits(140)(requirement);
    signal scaledMark <== scale * totals.markUp;
    component markShift = ShiftRightSigned(40, 170);
    markShift.in <== -scaledMark;
    signal negatedMark <== FloorDivide(20)(markShift.out, 1000000);
    _ <== SignedBits(140)(negatedMark);
    mark <== -negatedMark;
}
