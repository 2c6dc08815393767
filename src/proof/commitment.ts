/** Poseidon commitments to positions and to risk parameters. `docs/margin-model.md`, sections 2 and 4. */
import { buildPoseidon } from 'circomlibjs';
import { requireBigint } from '../errors.ts';
import { MAX_LEGS } from '../margin/exact/margin.ts';
import { packParameters, type RiskParameters } from '../margin/parameters.ts';
import { type Leg, packLeg, validateLegs } from '../market/instrument.ts';
import { MAX_UNDERLYING_ID } from '../market/words.ts';
import { requireSalt } from './salt.ts';

/** Legs hashed at a time. */
export const CHUNK_SIZE = 8;

let poseidon: Promise<(inputs: readonly bigint[]) => bigint> | undefined;

/** Poseidon of 1 to 16 field elements, as circomlib's template of the same number of inputs gives it. */
export async function poseidonHash(inputs: readonly bigint[]): Promise<bigint> {
  poseidon ??= buildPoseidon().then((hash) => (values) => hash.F.toObject(hash(values)));
  return (await poseidon)(inputs);
}

/** What opens an account's commitment. */
export interface PositionsOpening {
  readonly legs: readonly Leg[];
  readonly underlyingId: bigint;
  /** Blinding, a field element. */
  readonly salt: bigint;
}

/**
 * Commitment to a vector of legs.
 *
 * @throws ZkMarginError of the legs; `OUT_OF_RANGE` for salt or underlying
 */
export async function commitPositions({ legs, underlyingId, salt }: PositionsOpening): Promise<bigint> {
  validateLegs(legs, MAX_LEGS);
  requireSalt(salt);
  requireBigint(underlyingId, 0n, MAX_UNDERLYING_ID, 'underlyingId');
  let accumulator = await poseidonHash([underlyingId, salt]);
  const packed = legs.map((leg, index) => packLeg(leg, `legs[${index}]`));
  for (let start = 0; start === 0 || start < packed.length; start += CHUNK_SIZE) {
    const chunk = Array.from({ length: CHUNK_SIZE }, (_, offset) => packed[start + offset] ?? 0n);
    accumulator = await poseidonHash([accumulator, ...chunk]);
  }
  return accumulator;
}

/** Commitment to risk parameters, as the parameters contract computes it. */
export async function commitParameters(parameters: RiskParameters): Promise<bigint> {
  const { header, scenarioWords } = packParameters(parameters);
  return poseidonHash([header, ...scenarioWords]);
}
