pragma circom 2.2.0;

include "comparators.circom";
include "arithmetic.circom";

// Vectors of legs against rows of a sorted table; docs/transfer-settlement.md.

// Stages of Spread: shifts of 2^(stages - 1), ..., 2, 1 reach every row.
function spreadStages(rows) {
    var stages = 0;
    while ((1 << stages) < rows) {
        stages++;
    }
    return stages;
}

// Cells that may hold something and have room to move by `shift`: the first of these, where `width` cells may hold something.
function spreadWidth(width, shift, rows) {
    return width < rows - shift ? width : rows - shift;
}

// Number of switches of Spread.
function spreadMoves(legs, rows) {
    var width = legs;
    var count = 0;
    for (var k = spreadStages(rows) - 1; k >= 0; k--) {
        count += spreadWidth(width, 1 << k, rows);
        width = width + (1 << k) < rows ? width + (1 << k) : rows;
    }
    return count;
}

// Moves the contents of cells 0..legs-1 to the right, to cells 0..rows-1. In the stage of shift s a switch of 1 moves a whole
// cell (all channels) by s, a switch of 0 leaves it. Switches are numbered stage by stage, the largest shift first, and in
// a stage from the first cell on.
// Forced: every leg ends in exactly one row, with all its channels, and a row holds the sum of the legs that ended in
// it. Nothing else is: the caller shows which leg ended where. Switches of empty cells are free.
template Spread(legs, rows, channels) {
    signal input in[legs][channels];
    signal input moves[spreadMoves(legs, rows)];
    signal output out[rows][channels];
    var stages = spreadStages(rows);
    var count = spreadMoves(legs, rows);
    signal moved[count][channels];
    signal cells[stages + 1][rows][channels];
    for (var j = 0; j < rows; j++) {
        for (var c = 0; c < channels; c++) {
            if (j < legs) {
                cells[0][j][c] <== in[j][c];
            } else {
                cells[0][j][c] <== 0;
            }
        }
    }
    var width = legs;
    var first = 0;
    for (var stage = 0; stage < stages; stage++) {
        var shift = 1 << (stages - 1 - stage);
        var movable = spreadWidth(width, shift, rows);
        for (var j = 0; j < movable; j++) {
            moves[first + j] * (moves[first + j] - 1) === 0;
            for (var c = 0; c < channels; c++) {
                moved[first + j][c] <== moves[first + j] * cells[stage][j][c];
            }
        }
        for (var j = 0; j < rows; j++) {
            for (var c = 0; c < channels; c++) {
                var content = cells[stage][j][c];
                if (j < movable) {
                    content -= moved[first + j][c];
                }
                if (j >= shift && j - shift < movable) {
                    content += moved[first + j - shift][c];
                }
                cells[stage + 1][j][c] <== content;
            }
        }
        first += movable;
        width = width + shift < rows ? width + shift : rows;
    }
    out <== cells[stages];
}

// The rank of each held row, counted from 1; 0 for a row that is not held. The caller shows that holds are booleans.
template Ranks(rows) {
    signal input holds[rows];
    signal output out[rows];
    var rank = 1;
    for (var r = 0; r < rows; r++) {
        out[r] <== holds[r] * rank;
        rank += holds[r];
    }
}

// in is no zero.
template NonZero() {
    signal input in;
    signal inverse;
    inverse <-- in != 0 ? 1 / in : 0;
    in * inverse === 1;
}

// A table of instruments, strictly increasing by orderKey: the linear one, then rows-1 options.
// @input hours    of the options; forced into [1, 2^20)
// @input strikes  1e-4 USD; forced into [1, 2^36)
// @input isPut    forced boolean
// @output ids     instrument ids, 58 bits
template InstrumentTable(rows) {
    var options = rows - 1;
    signal input hours[options];
    signal input strikes[options];
    signal input isPut[options];
    signal output ids[rows];
    signal sameHour[options];
    signal step[options];
    // Linear: kind 3, without strike and expiry. Its order key, 3, is below every option's.
    ids[0] <== 3 * (1 << 36);
    // Hours never fall (below), so the first and the last bound them all.
    _ <== Bits(20)(hours[0] - 1);
    _ <== Bits(20)(hours[options - 1]);
    sameHour[0] <== 0;
    step[0] <== 0;
    for (var o = 0; o < options; o++) {
        isPut[o] * (isPut[o] - 1) === 0;
        _ <== Bits(36)(strikes[o]);
        NonZero()(strikes[o]);
        ids[o + 1] <== strikes[o] + (1 + isPut[o]) * (1 << 36) + hours[o] * (1 << 38);
        if (o > 0) {
            // Within an hour, 2 strike + isPut rises; otherwise the hour does.
            sameHour[o] <== IsZero()(hours[o] - hours[o - 1]);
            step[o] <== hours[o] - hours[o - 1] - 1
                + sameHour[o] * (2 * strikes[o] + isPut[o] - 2 * strikes[o - 1] - isPut[o - 1]);
            _ <== Bits(37)(step[o]);
        }
    }
}

// A vector of legs as rows of the table: well formed (docs/margin-model.md section 2), and its quantity in every row.
// @input packed      legs; nothing is assumed of them
// @input quantities  1e-6 contracts, signed; forced to be the legs', abs < 2^40, not 0 for a used leg
// @input holds       1 for rows that a leg holds, as booleans; forced
// @input moves       switches of Spread
// @input ids         of the rows: distinct, not 0, below 2^58, increasing by orderKey
// @output rowQuantities  the leg's quantity, or 0
template RowsOfVector(legs, rows) {
    signal input packed[legs];
    signal input quantities[legs];
    signal input holds[rows];
    signal input moves[spreadMoves(legs, rows)];
    signal input ids[rows];
    signal output rowQuantities[rows];
    signal empty[legs];
    component spread = Spread(legs, rows, 3);
    for (var i = 0; i < legs; i++) {
        _ <== SignedBits(40)(quantities[i]);
        // -2^40 passes the range, but no instrument vector may hold it: nobody could open such a commitment again.
        NonZero()(quantities[i] + (1 << 40));
        empty[i] <== IsZero()(quantities[i]);
        empty[i] * packed[i] === 0;
        spread.in[i][0] <== packed[i] - quantities[i] * (1 << 60);
        spread.in[i][1] <== quantities[i];
        spread.in[i][2] <== (1 - empty[i]) * (i + 1);
    }
    spread.moves <== moves;
    signal ranks[rows] <== Ranks(rows)(holds);
    for (var r = 0; r < rows; r++) {
        holds[r] * (holds[r] - 1) === 0;
        spread.out[r][0] === holds[r] * ids[r];
        spread.out[r][2] === ranks[r];
        rowQuantities[r] <== spread.out[r][1];
    }
}
