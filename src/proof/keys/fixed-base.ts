import { affineBytes, type CurveInstance, type Group, jacobianBytes } from './wasm.ts';

/** Bits of a window that make the table plus `points` multiplications cheapest. */
export function windowBits(points: number): number {
  let best = 4;
  let cost = Number.POSITIVE_INFINITY;
  for (let bits = 4; bits <= 14; bits++) {
    // A table entry costs about two additions: the addition and its share of the conversion to affine form.
    const c = Math.ceil(254 / bits) * (points + 2 * 2 ** bits);
    if (c < cost) {
      cost = c;
      best = bits;
    }
  }
  return best;
}

/**
 * Multiples of a group's generator: `table[window][digit] = digit * 2^(bits * window) * generator`, affine. A
 * multiplication is then one mixed addition per window, with no doubling.
 */
export class FixedBaseTable {
  readonly #curve: CurveInstance;
  readonly #group: Group;
  readonly #bits: number;
  readonly #table: number;

  constructor(curve: CurveInstance, group: Group, bits: number) {
    this.#curve = curve;
    this.#group = group;
    this.#bits = bits;
    const size = affineBytes[group];
    const middle = jacobianBytes[group];
    const windows = Math.ceil(254 / bits);
    const entries = 2 ** bits;
    this.#table = curve.alloc(windows * entries * size);
    const mark = curve.position;
    const row = curve.alloc(entries * middle);
    const base = curve.alloc(size);
    const next = curve.alloc(middle);
    const addMixed = curve.fn(`${group}_addMixed`);
    const toAffine = curve.fn(`${group}_toAffine`);
    const generator = group === 'g1m' ? curve.code.g1 : curve.code.g2;
    curve.fn(`${group}_copyAffine`)(generator, base);
    for (let window = 0; window < windows; window++) {
      curve.fn(`${group}_zero`)(row);
      for (let digit = 1; digit < entries; digit++) {
        addMixed(row + (digit - 1) * middle, base, row + digit * middle);
      }
      addMixed(row + (entries - 1) * middle, base, next);
      curve.fn(`${group}_batchToAffine`)(row, entries, this.#table + window * entries * size);
      toAffine(next, base);
    }
    curve.release(mark);
  }

  /**
   * Multiply the generator by every scalar.
   *
   * @param scalars 32 bytes each, little endian, below the group's order, not in Montgomery form.
   * @returns affine points in the byte layout of key files; the zero point is all zeros.
   */
  multiply(scalars: Uint8Array): Uint8Array {
    const curve = this.#curve;
    const group = this.#group;
    const bits = this.#bits;
    const size = affineBytes[group];
    const middle = jacobianBytes[group];
    const count = scalars.length / 32;
    const rowBytes = 2 ** bits * size;
    const mask = 2 ** bits - 1;
    const windows = Math.ceil(254 / bits);
    const mark = curve.position;
    const points = curve.alloc(count * middle);
    const addMixed = curve.fn(`${group}_addMixed`);
    const zero = curve.fn(`${group}_zero`);
    // Four spare bytes: a digit is read as a 32-bit word at the byte where it begins.
    const padded = new Uint8Array(36);
    const view = new DataView(padded.buffer);
    for (let i = 0; i < count; i++) {
      padded.set(scalars.subarray(32 * i, 32 * i + 32));
      const point = points + i * middle;
      zero(point);
      for (let window = 0; window < windows; window++) {
        const bit = window * bits;
        const digit = (view.getUint32(bit >>> 3, true) >>> (bit & 7)) & mask;
        if (digit !== 0) addMixed(point, this.#table + window * rowBytes + digit * size, point);
      }
    }
    curve.fn(`${group}_batchToAffine`)(points, count, points);
    const result = curve.bytes(points, count * size).slice();
    curve.release(mark);
    return result;
  }
}
