/**
 * Published openings, compared with hidden legs at one point; `Openings.sol` computes the same.
 *
 * A transfer proof gives the value of `z (salt + z (leg_0 + z (leg_1 + ...)))` of the committed salt and legs. When z is a hash
 * of the commitment and of what is published, equal values mean equal coefficients, but for a chance of 33 in 2^253.
 * For openings that are withheld, z is 0, and so is the value.
 */
import { encodeAbiParameters, keccak256 } from 'viem';
import { requireBigint } from '../errors.ts';
import { SCALAR_MODULUS } from '../math/fixed/scalar-field.ts';
import { requireSalt } from './salt.ts';

/** An opening of a commitment. */
export interface Opening {
  /** Packed, as `packLeg` gives them, without padding. */
  readonly legs: readonly bigint[];
  readonly salt: bigint;
}

/**
 * The point at which an opening is compared; never 0.
 *
 * @throws ZkMarginError `MALFORMED`, `OUT_OF_RANGE`
 */
export function openingPoint(commitment: bigint, opening: Opening): bigint {
  requireBigint(commitment, 0n, 2n ** 256n - 1n, 'commitment');
  requireOpening(opening);
  const encoded = encodeAbiParameters(
    [{ type: 'uint256' }, { type: 'uint256[]' }, { type: 'uint256' }],
    [commitment, opening.legs, opening.salt],
  );
  const point = BigInt(keccak256(encoded)) % SCALAR_MODULUS;
  return point === 0n ? 1n : point;
}

/**
 * The value at a point of the polynomial of an opening.
 *
 * @throws ZkMarginError `MALFORMED`, `OUT_OF_RANGE`
 */
export function openingEvaluation(point: bigint, opening: Opening): bigint {
  requireBigint(point, 0n, SCALAR_MODULUS - 1n, 'point');
  requireOpening(opening);
  let value = 0n;
  for (const leg of [...opening.legs].reverse()) value = ((value + leg) * point) % SCALAR_MODULUS;
  return ((value + opening.salt) * point) % SCALAR_MODULUS;
}

function requireOpening({ legs, salt }: Opening): void {
  legs.forEach((leg, index) => {
    requireBigint(leg, 0n, SCALAR_MODULUS - 1n, `legs[${index}]`);
  });
  requireSalt(salt);
}
