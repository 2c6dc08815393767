/** Blindings of commitments: with the salt, anyone can test guesses of the legs. */
import { ZkMarginError } from '../errors.ts';
import { SCALAR_MODULUS } from '../math/fixed/scalar-field.ts';

/**
 * A salt, or a typed error that names the field and not the value: errors are logged and answered, and a salt is a secret.
 *
 * @throws ZkMarginError `MALFORMED` for another type, `OUT_OF_RANGE` for what is no field element; without details
 */
export function requireSalt(value: unknown, field = 'salt'): bigint {
  if (typeof value !== 'bigint') {
    throw new ZkMarginError('MALFORMED', `Give ${field} as a whole number (bigint).`, { field });
  }
  if (value < 0n || value >= SCALAR_MODULUS) {
    throw new ZkMarginError('OUT_OF_RANGE', "Keep the salt below the order of the circuits' field.", {
      field,
    });
  }
  return value;
}
