pragma circom 2.2.0;

include "../lib/insolvency.circom";

component main { public [commitment, scale, underlyingWord, expiryWords, parametersCommitment, context] } = Insolvency(16, 8);
