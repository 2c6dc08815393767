pragma circom 2.2.0;

include "poseidon.circom";
include "comparators.circom";

// Commitment to packed legs in chunks of eight; docs/margin-model.md section 2. An empty chunk after the first is skipped, and
// then must hold no leg at all, and none may follow: with a gap the same commitment would open to other places, in which the call and the put of
// a strike are no neighbours. `legs` is a multiple of eight.
template PositionsCommitment(legs) {
    signal input packed[legs];
    signal input underlyingId;
    signal input salt;
    signal output out;
    var chunks = legs \ 8;
    signal accumulators[chunks + 1];
    signal empty[chunks];
    accumulators[0] <== Poseidon(2)([underlyingId, salt]);
    component hashes[chunks];
    for (var c = 0; c < chunks; c++) {
        hashes[c] = Poseidon(9);
        hashes[c].inputs[0] <== accumulators[c];
        for (var i = 0; i < 8; i++) hashes[c].inputs[1 + i] <== packed[8 * c + i];
        if (c == 0) {
            empty[c] <== 0;
            accumulators[c + 1] <== hashes[c].out;
        } else {
            empty[c] <== IsZero()(packed[8 * c]);
            for (var i = 1; i < 8; i++) empty[c] * packed[8 * c + i] === 0;
            if (c > 1) empty[c - 1] * (1 - empty[c]) === 0;
            accumulators[c + 1] <== hashes[c].out + empty[c] * (accumulators[c] - hashes[c].out);
        }
    }
    out <== accumulators[chunks];
}
