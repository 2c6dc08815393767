/** Transforms of polynomials over the scalar field, in the memory of one WASM instance. */
import type { CurveInstance } from '../../keys/wasm.ts';

/** Two-adicity of r - 1: the largest domain has 2^28 points. */
const TWO_ADICITY = 28;

/**
 * From values on a domain of 2^n points to the values on its coset by a root of order 2^(n+1), where the vanishing polynomial is
 * the constant -2. The first transform leaves its result in bit-reversed order and the second takes it so, which saves both
 * reorderings (decimation in frequency, then in time).
 */
export class CosetTransform {
  readonly size: number;
  readonly #curve: CurveInstance;
  /** Powers of the root of order `size` and of its inverse, `size / 2` each. */
  readonly #roots: number;
  readonly #inverseRoots: number;
  /** `shift^j / size` at the place where the first transform leaves coefficient j. */
  readonly #shifts: number;
  readonly #t: number;
  readonly #mul: (...p: number[]) => number;
  readonly #add: (...p: number[]) => number;
  readonly #sub: (...p: number[]) => number;

  /**
   * @param roots `roots[k]` is the root of order 2^k of the curve's field, in Montgomery form.
   * @throws RangeError for a size that is no power of two in [2, 2^27].
   */
  constructor(curve: CurveInstance, size: number, roots: readonly Uint8Array[]) {
    const power = Math.log2(size);
    if (!Number.isInteger(power) || power < 1 || power >= TWO_ADICITY) {
      throw new RangeError(`no coset transform of ${size} points`);
    }
    this.size = size;
    this.#curve = curve;
    this.#mul = curve.fn('frm_mul');
    this.#add = curve.fn('frm_add');
    this.#sub = curve.fn('frm_sub');
    this.#t = curve.alloc(32);
    const root = curve.put(roots[power]!);
    const inverse = curve.alloc(32);
    curve.fn('frm_inverse')(root, inverse);
    this.#roots = this.#powers(root, size / 2);
    this.#inverseRoots = this.#powers(inverse, size / 2);
    // 1 / size, by halving one.
    const scale = curve.alloc(32);
    curve.fn('frm_one')(scale);
    const double = curve.alloc(32);
    curve.fn('frm_add')(scale, scale, double);
    curve.fn('frm_inverse')(double, double);
    for (let i = 0; i < power; i++) this.#mul(scale, double, scale);
    const shift = curve.put(roots[power + 1]!);
    this.#shifts = curve.alloc(32 * size);
    for (let j = 0; j < size; j++) {
      const place = reverseBits(j, power);
      this.#copy(scale, this.#shifts + 32 * place);
      this.#mul(scale, shift, scale);
    }
  }

  /** Transform in place. @param pointer `size` field elements in Montgomery form. */
  run(pointer: number): void {
    const { size } = this;
    const [mul, add, sub, t] = [this.#mul, this.#add, this.#sub, this.#t];
    for (let half = size / 2; half >= 1; half /= 2) {
      const stride = (32 * (size / 2)) / half;
      for (let start = 0; start < size; start += 2 * half) {
        let low = pointer + 32 * start;
        let high = low + 32 * half;
        // The first root is one.
        sub(low, high, t);
        add(low, high, low);
        this.#copy(t, high);
        let root = this.#inverseRoots + stride;
        for (let j = 1; j < half; j++, root += stride) {
          low += 32;
          high += 32;
          sub(low, high, t);
          add(low, high, low);
          mul(t, root, high);
        }
      }
    }
    for (let i = 0; i < size; i++) mul(pointer + 32 * i, this.#shifts + 32 * i, pointer + 32 * i);
    for (let half = 1; half < size; half *= 2) {
      const stride = (32 * (size / 2)) / half;
      for (let start = 0; start < size; start += 2 * half) {
        let low = pointer + 32 * start;
        let high = low + 32 * half;
        this.#copy(high, t);
        sub(low, t, high);
        add(low, t, low);
        let root = this.#roots + stride;
        for (let j = 1; j < half; j++, root += stride) {
          low += 32;
          high += 32;
          mul(high, root, t);
          sub(low, t, high);
          add(low, t, low);
        }
      }
    }
  }

  #powers(root: number, count: number): number {
    const table = this.#curve.alloc(32 * count);
    this.#curve.fn('frm_one')(table);
    for (let i = 1; i < count; i++) this.#mul(table + 32 * (i - 1), root, table + 32 * i);
    return table;
  }

  #copy(from: number, to: number): void {
    new Uint8Array(this.#curve.memory.buffer).copyWithin(to, from, from + 32);
  }
}

function reverseBits(value: number, bits: number): number {
  let result = 0;
  for (let bit = 0; bit < bits; bit++) if (value & (1 << bit)) result |= 1 << (bits - 1 - bit);
  return result;
}
