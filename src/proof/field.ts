/** Order of the BN254 groups: the modulus of the circuits' field. */
export const SCALAR_MODULUS = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;
/** Modulus of the BN254 base field: the range of point coordinates. */
export const BASE_MODULUS = 21888242871839275222246405745257275088696311157297823662689037894645226208583n;

/** `a mod r` in [0, r). */
export function modR(a: bigint): bigint {
  const m = a % SCALAR_MODULUS;
  return m < 0n ? m + SCALAR_MODULUS : m;
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

/** Read 32 little-endian bytes as an unsigned integer. */
export function readU256LE(bytes: Uint8Array, offset = 0): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, 32);
  return (
    view.getBigUint64(0, true) |
    (view.getBigUint64(8, true) << 64n) |
    (view.getBigUint64(16, true) << 128n) |
    (view.getBigUint64(24, true) << 192n)
  );
}

/** Write an unsigned integer below 2^256 as 32 little-endian bytes. */
export function writeU256LE(bytes: Uint8Array, offset: number, value: bigint): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, 32);
  view.setBigUint64(0, BigInt.asUintN(64, value), true);
  view.setBigUint64(8, BigInt.asUintN(64, value >> 64n), true);
  view.setBigUint64(16, BigInt.asUintN(64, value >> 128n), true);
  view.setBigUint64(24, BigInt.asUintN(64, value >> 192n), true);
}
