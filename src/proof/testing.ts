import { compileFile, compileText } from './compile.ts';
import { ensureDevelopmentKey } from './keys/development.ts';
import type { CircuitInput } from './prover/backend.ts';
import type { ProverCircuit } from './prover/protocol.ts';

/** Path of a small circuit for tests: a public product of two private 32-bit factors and their Poseidon hash. */
export const toyCircuit = 'test/fixtures/circuits/toy-multiplier.circom';

/** Inputs that satisfy the toy circuit. */
export function toyInput(left = 3n, right = 5n, context = 7n): CircuitInput {
  return {
    product: String(left * right),
    context: String(context),
    left: String(left),
    right: String(right),
  };
}

/** The toy circuit with its development key, ready for a prover. */
export async function prepareToyCircuit(): Promise<ProverCircuit & { r1csPath: string }> {
  const circuit = await compileFile(toyCircuit);
  const key = await ensureDevelopmentKey(circuit);
  return {
    name: circuit.name,
    wasmPath: circuit.wasmPath,
    zkeyPath: key.zkeyPath,
    verificationKey: key.verificationKey,
    r1csPath: circuit.r1csPath,
  };
}

/** A circuit of about 16,000 constraints, part hashes and part bits, as real ones are. */
export function compileMediumCircuit() {
  return compileText(
    'medium',
    `pragma circom 2.2.0;
include "poseidon.circom";
include "bitify.circom";
template Medium(hashes, words) {
    signal input x;
    signal output out;
    signal chain[hashes + 1];
    chain[0] <== x;
    component hash[hashes];
    for (var i = 0; i < hashes; i++) {
        hash[i] = Poseidon(2);
        hash[i].inputs[0] <== chain[i];
        hash[i].inputs[1] <== i;
        chain[i + 1] <== hash[i].out;
    }
    component bits[words];
    var sum = 0;
    for (var i = 0; i < words; i++) {
        bits[i] = Num2Bits(64);
        bits[i].in <== x * x + i * x;
        sum += bits[i].out[3];
    }
    out <== chain[hashes] + sum;
}
component main = Medium(30, 130);
`,
  );
}
