pragma circom 2.2.0;

include "commitment.circom";
include "opening.circom";
include "vector.circom";

// Proves that two accounts of one underlying exchange positions without creating any: for every instrument
//   0 <= (qA xA + qB xB) - (qA' xA' + qB' xB') < 2^40      (2^40 is a millionth of a contract)
// and that all four vectors are well formed. Tells the value of each new opening's polynomial at a point that it is given.
// docs/transfer-settlement.md. `legs` is a multiple of 8.
template Transfer(legs) {
    var rows = 2 * legs + 1;
    var switches = spreadMoves(legs, rows);
    // PUBLIC: values of the new openings' polynomials.
    signal output evaluationA;
    signal output evaluationB;
    // PUBLIC: commitments; scales in 2^-40, forced below 2^64.
    signal input oldA;
    signal input oldB;
    signal input newA;
    signal input newB;
    signal input scaleOldA;
    signal input scaleOldB;
    signal input scaleNewA;
    signal input scaleNewB;
    signal input underlyingId;
    signal input context;
    // Points at which the new openings are evaluated; 0 for one that is withheld.
    signal input pointA;
    signal input pointB;
    // PRIVATE: of old A, old B, new A, new B in this order.
    signal input salts[4];
    signal input packed[4][legs];
    signal input quantities[4][legs];
    signal input holds[4][rows];
    signal input moves[4][switches];
    // The table's options.
    signal input hours[rows - 1];
    signal input strikes[rows - 1];
    signal input isPut[rows - 1];

    // 1. Context: bound by a constraint of its own.
    signal contextSquare <== context * context;

    // 2. Openings.
    signal commitments[4] <== [oldA, oldB, newA, newB];
    signal scales[4] <== [scaleOldA, scaleOldB, scaleNewA, scaleNewB];
    signal hashes[4];
    for (var v = 0; v < 4; v++) {
        hashes[v] <== PositionsCommitment(legs)(packed[v], underlyingId, salts[v]);
        hashes[v] === commitments[v];
        _ <== Bits(64)(scales[v]);
    }

    // 3. Quantities by instrument.
    signal ids[rows] <== InstrumentTable(rows)(hours, strikes, isPut);
    signal rowQuantities[4][rows];
    for (var v = 0; v < 4; v++) {
        rowQuantities[v] <== RowsOfVector(legs, rows)(packed[v], quantities[v], holds[v], moves[v], ids);
    }

    // 4. Nothing is created.
    signal positions[4][rows];
    for (var r = 0; r < rows; r++) {
        for (var v = 0; v < 4; v++) {
            positions[v][r] <== rowQuantities[v][r] * scales[v];
        }
        _ <== Bits(40)(positions[0][r] + positions[1][r] - positions[2][r] - positions[3][r]);
    }

    // 5. What a published opening is compared with.
    evaluationA <== OpeningEvaluation(legs)(pointA, salts[2], packed[2]);
    evaluationB <== OpeningEvaluation(legs)(pointB, salts[3], packed[3]);
}
