import type { Curve, Groth16Proof, Groth16VerificationKey } from 'snarkjs';
import { SCALAR_MODULUS } from '../../math/fixed/scalar-field.ts';
import { singleThreadCurve } from '../curve.ts';
import { ProofError } from '../errors.ts';
import { BASE_MODULUS } from '../field.ts';

const DECIMAL = /^(0|[1-9][0-9]*)$/;

/**
 * Verify a Groth16 proof: `e(-A, B) e(alpha, beta) e(IC(public), gamma) e(C, delta) = 1`, on the calling thread (about
 * 20 ms), with no threads left behind.
 *
 * Stricter than the pairing equation alone: coordinates and signals must be canonical decimals, points on their curves and
 * B in its subgroup, as the EVM's precompiles demand.
 *
 * @param publicSignals decimal strings.
 * @returns false for a proof that does not verify.
 * @throws {ProofError} `PUBLIC_SIGNAL_OUT_OF_RANGE` for a signal outside [0, r), `KEY_MISMATCH` for another number of
 * signals than the key has.
 */
export async function verifyProof(
  key: Groth16VerificationKey,
  publicSignals: readonly string[],
  proof: Groth16Proof,
): Promise<boolean> {
  const signals = parseSignals(key, publicSignals);
  const curve = await singleThreadCurve();
  const points = decodeProof(curve, proof);
  if (!points) return false;
  const { G1, G2 } = curve;
  const g1 = (point: readonly string[]) => G1.fromObject(point.map(BigInt));
  const g2 = (point: readonly (readonly string[])[]) => G2.fromObject(point.map((pair) => pair.map(BigInt)));
  const { a, b, c } = points;
  let inputs = g1(key.IC[0]!);
  signals.forEach((signal, index) => {
    inputs = G1.add(inputs, G1.timesScalar(g1(key.IC[index + 1]!), signal));
  });
  return curve.pairingEq(
    G1.neg(a),
    b,
    g1(key.vk_alpha_1),
    g2(key.vk_beta_2),
    inputs,
    g2(key.vk_gamma_2),
    c,
    g2(key.vk_delta_2),
  );
}

/**
 * Verify, or throw.
 *
 * @throws {ProofError} `PROOF_INVALID`, and as {@link verifyProof}.
 */
export async function assertProofValid(
  key: Groth16VerificationKey,
  publicSignals: readonly string[],
  proof: Groth16Proof,
): Promise<void> {
  if (!(await verifyProof(key, publicSignals, proof))) {
    throw new ProofError('PROOF_INVALID', 'the proof does not verify');
  }
}

/**
 * Public signals as numbers.
 *
 * @throws {ProofError} as {@link verifyProof}.
 */
export function parseSignals(key: Groth16VerificationKey, publicSignals: readonly string[]): bigint[] {
  if (publicSignals.length !== key.nPublic || key.IC.length !== key.nPublic + 1) {
    throw new ProofError(
      'KEY_MISMATCH',
      `${publicSignals.length} public signals for a key that takes ${key.nPublic}`,
    );
  }
  return publicSignals.map((signal, index) => {
    if (
      typeof signal !== 'string' ||
      signal.length > 78 ||
      !DECIMAL.test(signal) ||
      BigInt(signal) >= SCALAR_MODULUS
    ) {
      throw new ProofError('PUBLIC_SIGNAL_OUT_OF_RANGE', `public signal ${index} is not in [0, r)`, {
        index,
      });
    }
    return BigInt(signal);
  });
}

/** The points of a proof in the curve's own form. */
export interface ProofPoints {
  a: Uint8Array;
  b: Uint8Array;
  c: Uint8Array;
}

/**
 * The points of a proof, each on its curve and in its group of order r; undefined when one is not. All of the curve's G1 is
 * the group. On the twist of G2 it is a small part: a B outside of it would make the pairing mean nothing.
 */
export function decodeProof(curve: Curve, proof: Groth16Proof): ProofPoints | undefined {
  if (!isWellFormed(proof)) return undefined;
  const { G1, G2 } = curve;
  const a = G1.fromObject(proof.pi_a.map(BigInt));
  const b = G2.fromObject(proof.pi_b.map((pair) => pair.map(BigInt)));
  const c = G1.fromObject(proof.pi_c.map(BigInt));
  // Zero points are valid group elements but appear in no honest proof, and the pairing does not take them.
  if (G1.isZero(a) || G2.isZero(b) || G1.isZero(c)) return undefined;
  if (!G1.isValid(a) || !G2.isValid(b) || !G1.isValid(c)) return undefined;
  if (!G2.isZero(G2.timesScalar(b, SCALAR_MODULUS))) return undefined;
  return { a, b, c };
}

/** True for canonical coordinates of affine points; whether they lie on their curves is not asked. */
export function isWellFormed(proof: Groth16Proof): boolean {
  const coordinates = (values: unknown, third: string): boolean =>
    Array.isArray(values) &&
    values.length === 3 &&
    values[2] === third &&
    values.slice(0, 2).every((v) => isCoordinate(v));
  const [x, y, z] = Array.isArray(proof.pi_b) && proof.pi_b.length === 3 ? proof.pi_b : [];
  return (
    proof.protocol === 'groth16' &&
    coordinates(proof.pi_a, '1') &&
    coordinates(proof.pi_c, '1') &&
    [x, y].every((pair) => Array.isArray(pair) && pair.length === 2 && pair.every(isCoordinate)) &&
    Array.isArray(z) &&
    z.length === 2 &&
    z[0] === '1' &&
    z[1] === '0'
  );
}

function isCoordinate(value: unknown): boolean {
  return (
    typeof value === 'string' && value.length <= 78 && DECIMAL.test(value) && BigInt(value) < BASE_MODULUS
  );
}
