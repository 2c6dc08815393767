import type { Groth16Proof } from 'snarkjs';
import { compileFile, compileText } from './compile.ts';
import { BASE_MODULUS } from './field.ts';
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

/** The same points as a proof's in other words, each named. All pass the equation: a proof must have one form. */
export function otherSpellings(proof: Groth16Proof): [name: string, proof: Groth16Proof][] {
  const spellings: [string, Groth16Proof][] = [];
  const add = (name: string, change: (copy: Groth16Proof) => void): void => {
    const copy = structuredClone(proof);
    change(copy);
    spellings.push([name, copy]);
  };
  const parts: readonly [string, (copy: Groth16Proof) => string[]][] = [
    ['A', ({ pi_a }) => pi_a],
    ['x of B', ({ pi_b }) => pi_b[0]!],
    ['y of B', ({ pi_b }) => pi_b[1]!],
    ['C', ({ pi_c }) => pi_c],
  ];
  for (const [name, of] of parts) {
    for (const index of [0, 1]) {
      const spell = (how: string, text: (value: string) => string) =>
        add(`${name}, coordinate ${index} ${how}`, (copy) => {
          of(copy)[index] = text(of(copy)[index]!);
        });
      spell('and the modulus', (value) => String(BigInt(value) + BASE_MODULUS));
      spell('with a leading zero', (value) => `0${value}`);
    }
  }
  // Jacobian coordinates (x z^2, y z^3, z) of the same point.
  for (const part of ['pi_a', 'pi_c'] as const) {
    const [x, y] = proof[part].map(BigInt) as [bigint, bigint];
    const scaled = [(4n * x) % BASE_MODULUS, (8n * y) % BASE_MODULUS, 2n].map(String);
    add(`${part} with z = 2`, (copy) => {
      copy[part] = scaled;
    });
    add(`${part} with z = 01`, (copy) => {
      copy[part][2] = '01';
    });
  }
  const [x, y] = proof.pi_b.map(([first, second]): Pair => [BigInt(first!), BigInt(second!)]) as [Pair, Pair];
  for (const z of [
    [2n, 0n],
    [0n, 1n],
    [1n, 1n],
  ] as const) {
    const square = times(z, z);
    add(`pi_b with z = ${z.join(' + u ')}`, (copy) => {
      copy.pi_b = [times(x, square), times(y, times(square, z)), z].map((pair) => pair.map(String));
    });
  }
  for (const z of [
    ['01', '0'],
    ['1', '00'],
    ['1', '0', '0'],
  ]) {
    add(`pi_b with z = ${z.join(' + u ')}`, (copy) => {
      copy.pi_b[2] = z;
    });
  }
  return spellings;
}

type Pair = readonly [bigint, bigint];

/** Product in the field of B's coordinates, where the square of u is -1. */
function times([a, b]: Pair, [c, d]: Pair): Pair {
  return [(((a * c - b * d) % BASE_MODULUS) + BASE_MODULUS) % BASE_MODULUS, (a * d + b * c) % BASE_MODULUS];
}
