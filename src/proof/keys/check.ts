import { createCipheriv, createHash } from 'node:crypto';
import type { Curve } from 'snarkjs';
import { modR, SCALAR_MODULUS } from '../../math/fixed/scalar-field.ts';
import { singleThreadCurve } from '../curve.ts';
import { ProofError } from '../errors.ts';
import { readU256LE } from '../field.ts';
import { parseR1cs, publicSignalCount } from '../r1cs.ts';
import { domainSizeOf, evaluateQap, type ToxicWaste } from './qap.ts';
import { decodeProvingKey, type ProvingKey } from './zkey.ts';

/** Bytes of a weight in a random linear combination: a wrong point passes with probability 2^-128. */
const WEIGHT_BYTES = 16;

/**
 * Check a development key against its circuit and its (public) secrets.
 *
 * - Its sizes and its circuit hash are the circuit's.
 * - The checks of {@link checkHeader}: above all, delta is neither gamma nor the generator.
 * - beta, delta and every B_i are the same secret in both groups, by pairings and a random linear combination.
 * - Every section holds the multiples that the secrets call for, by a random linear combination per section. The weights
 *   are hashed from the whole key, so the check is repeatable and no key can be fitted to it.
 *
 * @param sample points to look at per section, chosen by the same hash; default all of them.
 * @throws {ProofError} `KEY_MISMATCH` for another circuit's key, `KEY_INVALID` naming the failed check,
 * `FILE_MALFORMED`.
 */
export async function checkDevelopmentKey(
  zkey: Uint8Array,
  r1csBytes: Uint8Array,
  waste: ToxicWaste,
  sample = Number.POSITIVE_INFINITY,
): Promise<void> {
  const curve = await singleThreadCurve();
  const key = decodeProvingKey(zkey);
  const r1cs = parseR1cs(r1csBytes);
  if (
    key.wires !== r1cs.wires ||
    key.publicSignals !== publicSignalCount(r1cs) ||
    key.domainSize !== domainSizeOf(r1cs)
  ) {
    throw new ProofError('KEY_MISMATCH', 'the key has other sizes than the circuit');
  }
  if (!createHash('sha512').update(r1csBytes).digest().equals(key.circuitHash)) {
    throw new ProofError('KEY_MISMATCH', 'the key was made for another circuit');
  }
  checkHeader(curve, key);
  const { G1, G2 } = curve;
  const fail = (what: string): never => {
    throw new ProofError('KEY_INVALID', `the key is not sound: ${what}`);
  };
  const stream = hashedStream(zkey, 20 * Math.min(sample, Math.max(key.wires, key.domainSize)));
  const combine = async (points: Uint8Array, size: number, group: Curve['G1']) => {
    const { indices, weights } = chooseWeights(stream, points.length / size, sample);
    if (indices.length === 0) return group.zero;
    const chosen = new Uint8Array(indices.length * size);
    indices.forEach((index, i) => {
      chosen.set(points.subarray(index * size, (index + 1) * size), i * size);
    });
    return group.multiExpAffine(chosen, weights);
  };
  const b1 = await combine(key.b1, 64, G1);
  for (const [name, one, two] of [
    ['beta', key.beta1, key.beta2],
    ['delta', key.delta1, key.delta2],
    ['B', b1, await combine(key.b2, 128, G2)],
  ] as const) {
    // A circuit without any B has nothing to compare, and the pairing takes no zero point in G2.
    if (G2.isZero(two)) {
      if (!G1.isZero(one)) fail(`${name} differs between the groups`);
    } else if (!(await curve.pairingEq(one, G2.gAffine, G1.neg(G1.gAffine), two))) {
      fail(`${name} differs between the groups`);
    }
  }
  const code = {
    module: await WebAssembly.compile(curve.tm.code),
    g1: curve.tm.pG1gen,
    g2: curve.tm.pG2gen,
  };
  const expected = await evaluateQap(code, r1cs, waste);
  const sections: [string, Uint8Array, Uint8Array][] = [
    ['A', expected.a, await combine(key.a, 64, G1)],
    ['B', expected.b, b1],
    ['IC', expected.ic, await combine(key.ic, 64, G1)],
    ['C', expected.c, await combine(key.c, 64, G1)],
    ['H', expected.h, await combine(key.h, 64, G1)],
  ];
  for (const [name, scalars, combined] of sections) {
    let sum = 0n;
    const { indices, weights } = chooseWeights(stream, scalars.length / 32, sample);
    indices.forEach((index, i) => {
      sum += readWeight(weights, i) * readU256LE(scalars, 32 * index);
    });
    if (!G1.eq(combined, G1.timesScalar(G1.g, modR(sum)))) fail(`the points of section ${name}`);
  }
  if (!Buffer.from(expected.coefficients).equals(key.coefficients))
    fail('the coefficients of the constraints');
  for (const name of ['alpha', 'beta', 'delta'] as const) {
    if (!G1.eq(key[`${name}1`], G1.timesScalar(G1.g, waste[name]))) fail(`${name} is another secret`);
  }
  if (!G2.eq(key.gamma2, G2.timesScalar(G2.g, waste.gamma))) fail('gamma is another secret');
}

/**
 * The checks that any Groth16 key must pass: alpha, beta, gamma and delta are points of their groups, neither zero nor
 * the generator, and delta is not gamma. With equal gamma and delta anyone forges proofs for any public signals.
 *
 * @throws {ProofError} `KEY_INVALID`.
 */
function checkHeader(curve: Curve, key: ProvingKey): void {
  const { G1, G2 } = curve;
  const fail = (what: string) => {
    throw new ProofError('KEY_INVALID', `the key is not sound: ${what}`);
  };
  const same = (a: Uint8Array, b: Uint8Array) => Buffer.from(a).equals(b);
  for (const name of ['alpha1', 'beta1', 'delta1'] as const) {
    if (!G1.isValid(key[name]) || G1.isZero(key[name])) fail(`${name} is no point of the group`);
    if (same(key[name], G1.gAffine)) fail(`${name} is the generator`);
  }
  for (const name of ['beta2', 'gamma2', 'delta2'] as const) {
    if (!G2.isValid(key[name]) || G2.isZero(key[name])) fail(`${name} is no point of the group`);
    if (!G2.isZero(G2.timesScalar(key[name], SCALAR_MODULUS))) fail(`${name} is outside the subgroup`);
    if (same(key[name], G2.gAffine)) fail(`${name} is the generator`);
  }
  if (same(key.gamma2, key.delta2)) fail('gamma equals delta');
}

/** Pseudo-random bytes hashed from the key. */
function hashedStream(zkey: Uint8Array, length: number): Uint8Array {
  const seed = createHash('sha256').update(zkey).digest();
  return new Uint8Array(createCipheriv('aes-256-ctr', seed, Buffer.alloc(16)).update(Buffer.alloc(length)));
}

/** Which of `count` points enter a combination, and their weights of {@link WEIGHT_BYTES} little-endian bytes each. */
function chooseWeights(
  stream: Uint8Array,
  count: number,
  sample: number,
): { indices: number[]; weights: Uint8Array } {
  const size = Math.min(count, sample);
  const weights = stream.slice(0, size * WEIGHT_BYTES);
  const picks = new DataView(stream.buffer, stream.byteOffset + size * WEIGHT_BYTES);
  const indices = Array.from({ length: size }, (_, i) =>
    size === count ? i : picks.getUint32(4 * i, true) % count,
  );
  return { indices, weights };
}

function readWeight(weights: Uint8Array, index: number): bigint {
  const view = new DataView(weights.buffer, weights.byteOffset + index * WEIGHT_BYTES, WEIGHT_BYTES);
  return view.getBigUint64(0, true) | (view.getBigUint64(8, true) << 64n);
}
