/** How numbers of the fields of BN254 are written: as bytes in key files, as text in inputs of circuits. */
import { modR } from '../math/fixed/scalar-field.ts';

/** Modulus of the BN254 base field: the range of point coordinates. */
export const BASE_MODULUS = 21888242871839275222246405745257275088696311157297823662689037894645226208583n;

/** An integer as an element of the scalar field, in decimal: what circuits take. Negative ones are counted from its modulus. */
export function fieldText(value: bigint): string {
  return String(modR(value));
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
