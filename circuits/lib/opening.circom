pragma circom 2.2.0;

// The value at `point` of the polynomial whose coefficients open a commitment:
//   out = z (salt + z (leg_0 + z (leg_1 + ... + z leg_{n-1})))       with z = point; leg_i = packed[i]
// At a point hashed from the commitment and a published opening, an equal value shows that the published legs and salt are the
// committed ones; at 0 it is 0 whatever they are. docs/transfer-settlement.md. One constraint for each coefficient.
template OpeningEvaluation(legs) {
    signal input point;
    signal input salt;
    signal input packed[legs];
    signal output out;
    // tails[i] = z (leg_i + z (leg_{i+1} + ...)); nothing follows the last leg.
    signal tails[legs + 1];
    tails[legs] <== 0;
    for (var i = legs - 1; i >= 0; i--) {
        tails[i] <== point * (packed[i] + tails[i + 1]);
    }
    out <== point * (salt + tails[0]);
}
