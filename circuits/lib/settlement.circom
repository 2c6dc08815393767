pragma circom 2.2.0;

include "commitment.circom";
include "vector.circom";

// Four settlement words, expiryHour 20 | price 44 from the least significant bit: used ones first, hours strictly
// increasing, an unused word 0. All of it is forced.
// @output matchHours  the hour, or 2^20 for an unused word: no leg has it
// @output prices      1e-6 USD
template SettlementWords() {
    signal input words[4];
    signal output matchHours[4];
    signal output prices[4];
    signal bits[4][64];
    signal hours[4];
    signal unused[4];
    for (var w = 0; w < 4; w++) {
        bits[w] <== Bits(64)(words[w]);
        hours[w] <== Slice(64, 0, 20)(bits[w]);
        prices[w] <== Slice(64, 20, 64)(bits[w]);
        unused[w] <== IsZero()(hours[w]);
        unused[w] * prices[w] === 0;
        matchHours[w] <== hours[w] + unused[w] * (1 << 20);
        if (w > 0) {
            unused[w - 1] * (1 - unused[w]) === 0;
            _ <== Bits(20)(matchHours[w] - hours[w - 1] - 1);
        }
    }
}

// One leg of the old vector.
// @input strike, quantity, hour, kindBits   forced into 36 bits, 41 bits signed, 20 bits, booleans
// @output packed    the leg
// @output settled   1 when a word has its hour
// @output kept      1 when it is a leg and none has
// @output payoff    1e-12 USD for a scale of 1, signed, below 2^84 in size; 0 unless settled
template SettledLeg() {
    signal input strike;
    signal input quantity;
    signal input hour;
    signal input kindBits[2];
    signal input matchHours[4];
    signal input prices[4];
    signal output packed;
    signal output settled;
    signal output kept;
    signal output payoff;
    _ <== Bits(36)(strike);
    _ <== Bits(20)(hour);
    _ <== SignedBits(40)(quantity);
    for (var b = 0; b < 2; b++) {
        kindBits[b] * (kindBits[b] - 1) === 0;
    }
    packed <== strike + kindBits[0] * (1 << 36) + kindBits[1] * (1 << 37) + hour * (1 << 38)
        + quantity * (1 << 60);
    signal empty <== IsZero()(quantity);
    empty * packed === 0;

    signal matches[4];
    signal matchedPrice[4];
    var any = 0;
    var price = 0;
    for (var w = 0; w < 4; w++) {
        matches[w] <== IsZero()(hour - matchHours[w]);
        matchedPrice[w] <== matches[w] * prices[w];
        any += matches[w];
        price += matchedPrice[w];
    }
    settled <== any;
    kept <== 1 - empty - settled;

    // A call pays when the price is above, a put (its second kind bit is 1) when it is below.
    signal difference <== price - 100 * strike;
    signal differenceBits[45] <== SignedBits(44)(difference);
    signal intrinsic <== (differenceBits[44] - kindBits[1]) * difference;
    signal settledQuantity <== settled * quantity;
    payoff <== settledQuantity * intrinsic;
}

// Proves that all legs whose expiry is one of the words' hours pay out in cash and vanish, and that the rest, in order and
// under the same salt, is what newCommitment commits to. docs/transfer-settlement.md. `legs` is a multiple of 8.
template Settlement(legs) {
    // PUBLIC
    signal output cash;              // 1e-6 USD, signed, abs < 2^94; rounded down, against the account
    signal output newCommitment;
    signal input oldCommitment;
    signal input scale;              // 2^-40, forced below 2^64
    signal input settlementWords[4];
    signal input underlyingId;
    signal input context;
    // PRIVATE: the old vector, its parts, and the new vector with the switches that lead back to the old places.
    signal input salt;
    signal input strikes[legs];
    signal input quantities[legs];
    signal input hours[legs];
    signal input kindBits[legs][2];
    signal input newPacked[legs];
    signal input moves[spreadMoves(legs, legs)];

    // 1. Context: bound by a constraint of its own.
    signal contextSquare <== context * context;

    // 2. Words and scale.
    component words = SettlementWords();
    words.words <== settlementWords;
    _ <== Bits(64)(scale);

    // 3. Old legs and what they pay.
    component leg[legs];
    signal packed[legs];
    signal kept[legs];
    var payoff = 0;
    var settledLegs = 0;
    for (var i = 0; i < legs; i++) {
        leg[i] = SettledLeg();
        leg[i].strike <== strikes[i];
        leg[i].quantity <== quantities[i];
        leg[i].hour <== hours[i];
        leg[i].kindBits <== kindBits[i];
        leg[i].matchHours <== words.matchHours;
        leg[i].prices <== words.prices;
        packed[i] <== leg[i].packed;
        kept[i] <== leg[i].kept;
        payoff += leg[i].payoff;
        settledLegs += leg[i].settled;
    }
    // A settlement of nothing would void the proofs of others by the nonce that it moves on.
    NonZero()(settledLegs);
    signal oldHash <== PositionsCommitment(legs)(packed, underlyingId, salt);
    oldHash === oldCommitment;

    // 4. New legs: spread over the old places, they are the kept ones.
    component spread = Spread(legs, legs, 2);
    signal empty[legs];
    for (var i = 0; i < legs; i++) {
        empty[i] <== IsZero()(newPacked[i]);
        spread.in[i][0] <== newPacked[i];
        spread.in[i][1] <== (1 - empty[i]) * (i + 1);
    }
    spread.moves <== moves;
    signal ranks[legs] <== Ranks(legs)(kept);
    for (var i = 0; i < legs; i++) {
        spread.out[i][0] === kept[i] * packed[i];
        spread.out[i][1] === ranks[i];
    }
    newCommitment <== PositionsCommitment(legs)(newPacked, underlyingId, salt);

    // 5. Cash: 2^40 units of scale and 10^6 units of 1e-12 USD.
    signal scaled <== scale * payoff;
    cash <== FloorDivide(60)(scaled, 1000000 * (1 << 40));
    _ <== SignedBits(94)(cash);
}
