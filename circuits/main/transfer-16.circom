pragma circom 2.2.0;

include "../lib/transfer.circom";

component main { public [oldA, oldB, newA, newB, scaleOldA, scaleOldB, scaleNewA, scaleNewB, underlyingId, context, pointA, pointB] } = Transfer(16);
