pragma circom 2.2.0;

include "../lib/settlement.circom";

component main { public [oldCommitment, scale, settlementWords, underlyingId, context] } = Settlement(32);
