/**
 * Many proofs of one key at once.
 *
 * Proof i with public signals x_i states `e(A_i, B_i) = e(alpha, beta) e(L(x_i), gamma) e(C_i, delta)`. The equations are
 * raised to random 128-bit powers z_i and multiplied (the small exponents test: M. Bellare, J. Garay and T. Rabin, "Fast
 * batch verification for modular exponentiation and digital signatures", EUROCRYPT 1998, section 3):
 *
 *     prod e(z_i A_i, B_i) = e((sum z_i) alpha, beta) e(sum z_i L(x_i), gamma) e(sum z_i C_i, delta)
 *
 * which is one product of n + 3 pairings with one final exponentiation, instead of n products of four. All points are in groups of
 * the prime order r, which is checked, so when one of the equations is false the product is true for at most one value of
 * its z_i, given the others: with probability at most 2^-127. Without the random powers, errors of two proofs could cancel.
 */
import { randomBytes } from 'node:crypto';
import type { Curve, Groth16Proof, Groth16VerificationKey } from 'snarkjs';
import { modR } from '../../math/fixed/scalar-field.ts';
import { singleThreadCurve } from '../curve.ts';
import { ProofError } from '../errors.ts';
import { readU256LE, writeU256LE } from '../field.ts';
import { decodeProof, type ProofPoints, parseSignals, verifyProof } from './verify.ts';

/** A proof with its public signals, decimal strings. */
export interface BatchItem {
  readonly proof: Groth16Proof;
  readonly publicSignals: readonly string[];
}

/** A proof of a batch that is not valid. */
export interface InvalidProof {
  /** Place in the batch. */
  readonly index: number;
  /**
   * `signals`: another number of them than the key takes, or one outside [0, r). `malformed`: no canonical points of the
   * right groups. `equation`: the proof does not prove the signals.
   */
  readonly reason: 'signals' | 'malformed' | 'equation';
}

interface Decoded extends ProofPoints {
  readonly index: number;
  readonly signals: readonly bigint[];
}

/** Bytes of a random power. */
const POWER_BYTES = 16;

/**
 * Verify proofs of one key together, on the calling thread. See `npm run bench` for the time; it grows with the number of
 * proofs, and nothing else runs on the thread meanwhile.
 *
 * As strict about each proof as `verifyProof`, but what that function throws for is here an invalid proof.
 *
 * @returns true when all are valid; true for no proofs at all.
 */
export async function verifyBatch(
  key: Groth16VerificationKey,
  items: readonly BatchItem[],
): Promise<boolean> {
  const curve = await singleThreadCurve();
  const decoded: Decoded[] = [];
  for (const [index, item] of items.entries()) {
    const proof = decode(curve, key, item, index);
    if ('reason' in proof) return false;
    decoded.push(proof);
  }
  return holdTogether(curve, key, decoded);
}

/**
 * The invalid proofs of a batch: by halves, so that few among many cost little more than {@link verifyBatch}.
 *
 * @returns in the order of the batch; empty when all are valid.
 */
export async function findInvalidProofs(
  key: Groth16VerificationKey,
  items: readonly BatchItem[],
): Promise<InvalidProof[]> {
  const curve = await singleThreadCurve();
  const invalid: InvalidProof[] = [];
  const decoded: Decoded[] = [];
  for (const [index, item] of items.entries()) {
    const proof = decode(curve, key, item, index);
    if ('reason' in proof) invalid.push(proof);
    else decoded.push(proof);
  }
  /** @param known whether the part is known to hold an invalid proof. */
  const search = async (part: readonly Decoded[], known: boolean): Promise<boolean> => {
    if (part.length === 0) return false;
    if (part.length === 1) {
      const { index } = part[0]!;
      const { proof, publicSignals } = items[index]!;
      // Not concluded from the others: a proof is called invalid by its own equation alone.
      if (await verifyProof(key, publicSignals, proof)) return false;
      invalid.push({ index, reason: 'equation' });
      return true;
    }
    if (!known && (await holdTogether(curve, key, part))) return false;
    const middle = part.length >> 1;
    const left = await search(part.slice(0, middle), false);
    const right = await search(part.slice(middle), !left);
    return left || right;
  };
  await search(decoded, false);
  return invalid.sort((a, b) => a.index - b.index);
}

function decode(
  curve: Curve,
  key: Groth16VerificationKey,
  { proof, publicSignals }: BatchItem,
  index: number,
): Decoded | InvalidProof {
  let signals: bigint[];
  try {
    signals = parseSignals(key, publicSignals);
  } catch (error) {
    if (error instanceof ProofError) return { index, reason: 'signals' };
    throw error;
  }
  const points = decodeProof(curve, proof);
  return points ? { index, signals, ...points } : { index, reason: 'malformed' };
}

/** The product of the randomly raised equations. */
async function holdTogether(
  curve: Curve,
  key: Groth16VerificationKey,
  proofs: readonly Decoded[],
): Promise<boolean> {
  if (proofs.length === 0) return true;
  const { G1, G2 } = curve;
  const g1 = (point: readonly string[]) => G1.fromObject(point.map(BigInt));
  const g2 = (point: readonly (readonly string[])[]) => G2.fromObject(point.map((pair) => pair.map(BigInt)));
  const powers = new Uint8Array(POWER_BYTES * proofs.length);
  // Powers of the constant and of each signal: together with IC they give the sum of all L(x_i).
  const sums = Array.from({ length: key.nPublic + 1 }, () => 0n);
  const pairs: Uint8Array[] = [];
  const affineC = new Uint8Array(64 * proofs.length);
  proofs.forEach(({ a, b, c, signals }, place) => {
    const power = randomPower();
    powers.set(power, POWER_BYTES * place);
    const z = readPower(power);
    sums[0] = modR(sums[0]! + z);
    signals.forEach((signal, index) => {
      sums[index + 1] = modR(sums[index + 1]! + z * signal);
    });
    pairs.push(G1.timesScalar(a, power), b);
    affineC.set(G1.toAffine(c), 64 * place);
  });
  const bases = new Uint8Array(64 * key.IC.length);
  const scalars = new Uint8Array(32 * key.IC.length);
  key.IC.forEach((point, index) => {
    bases.set(G1.toAffine(g1(point)), 64 * index);
    writeU256LE(scalars, 32 * index, sums[index]!);
  });
  const rightHand: [Uint8Array, readonly (readonly string[])[]][] = [
    [G1.timesScalar(g1(key.vk_alpha_1), sums[0]!), key.vk_beta_2],
    [await G1.multiExpAffine(bases, scalars), key.vk_gamma_2],
    [await G1.multiExpAffine(affineC, powers), key.vk_delta_2],
  ];
  for (const [point, base] of rightHand) {
    // A pairing with zero is one, and the pairing function does not take it.
    if (!G1.isZero(point)) pairs.push(G1.neg(point), g2(base));
  }
  return curve.pairingEq(...pairs);
}

/** Uniform in [1, 2^128), from the system's generator. */
function randomPower(): Uint8Array {
  for (;;) {
    const bytes = randomBytes(POWER_BYTES);
    if (bytes.some((byte) => byte !== 0)) return new Uint8Array(bytes);
  }
}

function readPower(bytes: Uint8Array): bigint {
  const wide = new Uint8Array(32);
  wide.set(bytes);
  return readU256LE(wide);
}
