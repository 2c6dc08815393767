/** The scalar field of BN254, in which circuits compute. Its modulus r is the order of the curve's groups. */

/** The modulus r. */
export const SCALAR_MODULUS = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;

/** `a mod r` in [0, r): the element that stands for an integer, negative ones counted from r. */
export function modR(a: bigint): bigint {
  const m = a % SCALAR_MODULUS;
  return m < 0n ? m + SCALAR_MODULUS : m;
}

/** The integer of smallest size that an element stands for, in [-(r - 1) / 2, (r - 1) / 2]: undoes {@link modR}. */
export function signedR(element: bigint): bigint {
  const m = modR(element);
  return m > SCALAR_MODULUS / 2n ? m - SCALAR_MODULUS : m;
}

/** `base ** exponent mod r` for a non-negative exponent. */
export function powR(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = modR(base);
  for (let e = exponent; e > 0n; e >>= 1n) {
    if (e & 1n) result = (result * square) % SCALAR_MODULUS;
    square = (square * square) % SCALAR_MODULUS;
  }
  return result;
}

/** Inverse modulo r. Throws a RangeError for zero. */
export function invR(a: bigint): bigint {
  if (modR(a) === 0n) throw new RangeError('zero has no inverse');
  return powR(a, SCALAR_MODULUS - 2n);
}
