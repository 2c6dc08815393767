pragma circom 2.2.0;

include "account.circom";
include "parameters.circom";

// Proves that the committed account, at this round and under these parameters, has at most the value `mark` and at least the maintenance
// requirement `baseRequirement + collateral collateralSlope`, whatever the value of its moving collateral: one scenario of the committed set
// shows it. docs/circuits.md.
// Public signals in docs/margin-model.md section 5. `legs` is a multiple of 8.
template Insolvency(legs, expiries) {
    // PUBLIC
    // (mark + 2^96) + 2^97 (baseRequirement + 2^96) + 2^194 (collateralSlope + 2^57), 252 bits:
    // mark and baseRequirement 1e-6 USD, signed, within [-2^96, 2^96); collateralSlope 2^-54, signed, within [-2^57, 2^57)
    signal output figures;
    signal input commitment;
    signal input scale;                      // 2^-40, below 2^64 (bounded by the contract)
    signal input underlyingWord;
    signal input expiryWords[expiries];
    signal input parametersCommitment;
    signal input context;
    // PRIVATE
    // salt is any field element; packed to select as Leg has them, header and scenarioWords as ParametersHeader and Scenario do.
    signal input salt;
    signal input packed[legs];
    signal input strikes[legs];
    signal input quantities[legs];
    signal input kindBits[legs][2];
    signal input select[legs][expiries - 1];
    signal input header;
    signal input scenarioWords[4];
    signal input scenarioIndex[6];           // see Scenario
    // Signs that the prover claims; a wrong one lowers the requirement. 1 where the sum is not negative.
    signal input forwardSigns[expiries];
    signal input valueSigns[expiries];
    signal input deltaSign;
    signal input vegaSigns[expiries];        // also chooses the vol shock that is charged
    signal input shortGamma;                 // 1: gamma is charged
    signal input lossCounted;                // 1: the scenario's loss counts; without it, or as a gain, it lowers the requirement

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

    // 3. Oracle words, and what an expiry's delta and value cost, with the signs that are claimed.
    component underlying = UnderlyingWord();
    underlying.word <== underlyingWord;
    component states[expiries];
    component risks[expiries];
    component shocks[expiries];
    signal basisRates[expiries];
    signal interestRates[expiries];
    signal vegaCostUp <== fields.volShockUp * fields.vegaRate;
    signal vegaCostDown <== fields.volShockDown * fields.vegaRate;
    signal vegaCosts[expiries];
    signal unsignedVegaRates[expiries];
    signal vegaRates[expiries];
    for (var e = 0; e < expiries; e++) {
        states[e] = ExpiryBase();
        states[e].word <== expiryWords[e];
        states[e].timestamp <== underlying.timestamp;
        risks[e] = ExpiryRisk();
        risks[e].tenor <== states[e].tenor;
        risks[e].tenorUnits <== states[e].tenorUnits;
        risks[e].spacing <== states[e].spacing;
        risks[e].tenorFloor <== fields.tenorFloor;
        risks[e].tenorPowerShort <== fields.tenorPowerShort;
        risks[e].tenorPowerLong <== fields.tenorPowerLong;
        risks[e].priceStep <== fields.priceStep;
        risks[e].basisMinimum <== fields.basisMinimum;
        risks[e].basisPerTenor <== fields.basisPerTenor;
        risks[e].interestPerTenor <== fields.interestPerTenor;
        shocks[e] = ExpiryShock();
        shocks[e].shock <== shock;
        shocks[e].tenorFactor <== risks[e].tenorFactor;
        forwardSigns[e] * (forwardSigns[e] - 1) === 0;
        valueSigns[e] * (valueSigns[e] - 1) === 0;
        basisRates[e] <== (2 * forwardSigns[e] - 1) * risks[e].basisRate;
        interestRates[e] <== (2 * valueSigns[e] - 1) * risks[e].interestRate;
        vegaSigns[e] * (vegaSigns[e] - 1) === 0;
        vegaCosts[e] <== vegaCostUp + vegaSigns[e] * (vegaCostDown - vegaCostUp);
        unsignedVegaRates[e] <== VegaRate()(risks[e].coarseFactor, vegaCosts[e]);
        vegaRates[e] <== (2 * vegaSigns[e] - 1) * unsignedVegaRates[e];
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
    var gammaValue = 0;
    var expiryCharge = 0;
    var vegaCharge = 0;
    for (var i = 0; i < legs; i++) {
        leg[i] = Leg(expiries);
        leg[i].packed <== packed[i];
        leg[i].strike <== strikes[i];
        leg[i].quantity <== quantities[i];
        leg[i].kindBits <== kindBits[i];
        leg[i].select <== select[i];
        for (var e = 0; e < expiries; e++) {
            leg[i].expiryHours[e] <== states[e].expiryHour;
            leg[i].discountedForwards[e] <== states[e].discountedForward;
            leg[i].discounts[e] <== states[e].discount;
            leg[i].vols[e] <== states[e].vols;
            leg[i].spacings[e] <== states[e].spacing;
            leg[i].logForwards[e] <== states[e].logForward;
            leg[i].steps[e] <== risks[e].step;
            leg[i].volMultipliers[e] <== shocks[e].volMultiplier;
            leg[i].inverseMultipliers[e] <== shocks[e].inverseMultiplier;
            leg[i].basisRates[e] <== basisRates[e];
            leg[i].interestRates[e] <== interestRates[e];
            leg[i].vegaRates[e] <== vegaRates[e];
        }
        leg[i].fours <== scenario.fours;
        leg[i].twos <== scenario.twos;
        leg[i].ones <== scenario.ones;
        leg[i].stepOffset <== scenario.stepOffset;
        markForward += leg[i].markForward;
        markStrike += leg[i].markStrike;
        scenarioForward += leg[i].scenarioForward;
        scenarioStrike += leg[i].scenarioStrike;
        linearQuantity += leg[i].linearQuantity;
        gammaValue += leg[i].gammaValue;
        expiryCharge += leg[i].linearCharge;
        vegaCharge += leg[i].vegaCharge;
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
    signal markUp <== MarkUp()(markValue);
    // Loss of the scenario, 2^-145.
    var unshocked = (markValue + scenarioStrike) * (1 << 26);
    signal lossBits[240] <== BitsOfProduct(240)(-priceFactor, scenarioForward + linearValue, unshocked + (1 << 239));
    signal lossUnits <== Slice(240, 145, 240)(lossBits);
    // The mark itself shows no loss, though it has been valued more finely.
    signal isMark <== unmoved * (1 - scenario.isUp - scenario.isDown);
    lossCounted * (lossCounted - 1) === 0;
    signal counted <== lossCounted * (1 - isMark);

    // 7. Requirement, 1e-12 USD in 2^-36. All that is claimed may be negative, and so may the sum.
    signal fullWeight <== scenario.damping * fields.maintenanceFactor;
    signal weight <== counted * fullWeight;
    signal scan <== weight * (lossUnits - (1 << 94)) * (1 << 8);
    signal shortValue <== net.out * underlying.spot;
    signal short <== shortValue * fields.shortOptionRate * (1 << 20);
    // Horizon, basis and interest, 2^-155.
    signal horizonRate <== underlying.realisedVolatility * fields.horizonFactor;
    deltaSign * (deltaSign - 1) === 0;
    signal signedHorizonRate <== (2 * deltaSign - 1) * horizonRate;
    signal horizon <== forwardValue * signedHorizonRate;
    signal linearBits[252] <== SignedBits(251)(horizon + expiryCharge);
    signal linear <== Slice(252, 119, 252)(linearBits);
    // Gamma, 2^-121, and vega, 2^-146.
    shortGamma * (shortGamma - 1) === 0;
    signal gammaBits[228] <== SignedBits(227)(-gammaValue);
    signal gammaUnits <== Slice(228, 121, 228)(gammaBits);
    signal gammaCost <== GammaCost()(horizonRate, fields.gammaRate, fields.priceStep);
    signal chargedGamma <== shortGamma * (gammaUnits - (1 << 106));
    signal gamma <== chargedGamma * gammaCost;
    signal vegaBits[251] <== SignedBits(250)(vegaCharge);
    signal vega <== Slice(251, 110, 251)(vegaBits);
    signal required <== scan + short + linear - (1 << 132) + gamma + vega - (1 << 140);

    // 8. What a unit of moving collateral adds, 2^-54: it moves with the price, and is delta.
    signal scanSlope <== weight * ((1 << 26) - priceFactor);
    signal collateralSlope <== scanSlope + signedHorizonRate * (1 << 18);
    _ <== SignedBits(57)(collateralSlope);

    // 9. Scale, and 1e-6 USD: divisor 10^6 2^k as a division by 10^6 above k dropped bits.
    signal scaledRequirement <== scale * required;
    component requirementShift = ShiftRightSigned(76, 236);
    requirementShift.in <== scaledRequirement;
    signal baseRequirement <== FloorDivide(20)(requirementShift.out, 1000000);
    _ <== SignedBits(96)(baseRequirement);
    signal scaledMark <== scale * markUp;
    component markShift = ShiftRightSigned(40, 170);
    markShift.in <== -scaledMark;
    signal negatedMark <== FloorDivide(20)(markShift.out, 1000000);
    signal mark <== -negatedMark;
    _ <== SignedBits(96)(mark);
    figures <== mark + (1 << 96) + (baseRequirement + (1 << 96)) * (1 << 97) + (collateralSlope + (1 << 57)) * (1 << 194);
}
