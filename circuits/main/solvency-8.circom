pragma circom 2.2.0;

include "../lib/solvency.circom";

component main { public [commitment, scale, cash, collateralQuantity, level, underlyingWord, expiryWords, parametersCommitment, context] } = Solvency(8, 8);
