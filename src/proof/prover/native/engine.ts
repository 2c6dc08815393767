/** The parts of a Groth16 proof that one thread works out, over its own instance of the curve's WASM. */
import { type CurveCode, CurveInstance, type Group } from '../../keys/wasm.ts';
import { type BaseSet, type Digits, digitsOf, MultiScalar, type WindowPlan } from './multi-scalar.ts';
import { CosetTransform } from './transforms.ts';

/** The sums of a proof: with the witness the first four, with the quotient the last. */
const SUMS = ['a', 'b1', 'b2', 'c', 'h'] as const;
/** One of {@link SUMS}. */
export type SumName = (typeof SUMS)[number];

/** The three vectors of values on the domain. */
export type VectorName = 'a' | 'b' | 'c';

/** Memory that all threads see. Field elements of 32 bytes, little endian. */
export interface SharedKey {
  readonly domainSize: number;
  readonly publicSignals: number;
  /** Root of order 2^k at place k. */
  readonly roots: readonly Uint8Array[];
  /** Bases of each sum. */
  readonly bases: Readonly<Record<SumName, Uint8Array>>;
  /** Coefficients of the matrices A and B, as in the key. */
  readonly coefficients: Uint8Array;
  /** The witness of the proof at hand. */
  readonly witness: Uint8Array;
  /** Values of A and B on the domain, in Montgomery form. */
  readonly values: { readonly a: Uint8Array; readonly b: Uint8Array };
  /** Values of A, B and C on the coset, in Montgomery form. */
  readonly coset: Readonly<Record<VectorName, Uint8Array>>;
  /** Scalars of `h`. */
  readonly quotient: Uint8Array;
}

/** A part of the work. Each needs what those before it in this list have left in the shared memory. */
export type EngineTask =
  | { readonly kind: 'values'; readonly vector: 'a' | 'b' }
  | { readonly kind: 'coset'; readonly vector: VectorName }
  | { readonly kind: 'quotient' }
  | {
      readonly kind: 'sum';
      readonly sum: SumName;
      readonly plan: WindowPlan;
      readonly from: number;
      readonly to: number;
    };

interface Coefficients {
  readonly pointer: number;
  readonly rows: Uint32Array;
  readonly wires: Uint32Array;
}

/** Works for one thread. */
export class NativeEngine {
  readonly #curve: CurveInstance;
  readonly #key: SharedKey;
  readonly #transform: CosetTransform;
  readonly #sums: Record<Group, MultiScalar>;
  readonly #bases: Record<SumName, BaseSet>;
  readonly #coefficients: { a: Coefficients; b: Coefficients };
  /** Room for three vectors. */
  readonly #vectors: [number, number, number];
  readonly #wire: number;
  /** Digits of one sum at a time; a new proof has new scalars. */
  #digits: { sum: SumName; digits: Digits } | undefined;

  private constructor(curve: CurveInstance, key: SharedKey) {
    this.#curve = curve;
    this.#key = key;
    const { g1m, g2m } = { g1m: new MultiScalar(curve, 'g1m'), g2m: new MultiScalar(curve, 'g2m') };
    this.#sums = { g1m, g2m };
    this.#bases = {
      a: g1m.put(key.bases.a),
      b1: g1m.put(key.bases.b1),
      b2: g2m.put(key.bases.b2),
      c: g1m.put(key.bases.c),
      h: g1m.put(key.bases.h),
    };
    this.#transform = new CosetTransform(curve, key.domainSize, key.roots);
    this.#coefficients = readCoefficients(curve, key.coefficients);
    const vector = () => curve.alloc(32 * key.domainSize);
    this.#vectors = [vector(), vector(), vector()];
    this.#wire = curve.alloc(64);
  }

  static async create(code: CurveCode, key: SharedKey): Promise<NativeEngine> {
    return new NativeEngine(await CurveInstance.create(code), key);
  }

  /** Forget what belongs to a proof. */
  begin(): void {
    this.#digits = undefined;
  }

  /** @returns a Jacobian point for a sum; nothing for the others, whose results are in the shared memory. */
  run(task: EngineTask): Uint8Array | undefined {
    switch (task.kind) {
      case 'values':
        this.#values(task.vector);
        return undefined;
      case 'coset':
        this.#coset(task.vector);
        return undefined;
      case 'quotient':
        this.#quotient();
        return undefined;
      case 'sum':
        return this.#sum(task);
    }
  }

  /** Rows of A or B times the witness. The key's coefficients carry R^2, so that the products are in Montgomery form. */
  #values(vector: 'a' | 'b'): void {
    const { pointer, rows, wires } = this.#coefficients[vector];
    const [out] = this.#vectors;
    const { witness, domainSize, values } = this.#key;
    const [mul, add] = [this.#curve.fn('frm_mul'), this.#curve.fn('frm_add')];
    const memory = this.#curve.bytes(0, this.#curve.memory.buffer.byteLength);
    memory.fill(0, out, out + 32 * domainSize);
    const words = new Uint32Array(witness.buffer, witness.byteOffset, witness.length / 4);
    const [wire, product] = [this.#wire, this.#wire + 32];
    const target = new Uint32Array(memory.buffer, wire, 8);
    for (let i = 0; i < rows.length; i++) {
      const start = 8 * wires[i]!;
      let any = 0;
      for (let word = 0; word < 8; word++) {
        const value = words[start + word]!;
        target[word] = value;
        any |= value;
      }
      if (any === 0) continue;
      mul(pointer + 32 * i, wire, product);
      const cell = out + 32 * rows[i]!;
      add(cell, product, cell);
    }
    values[vector].set(memory.subarray(out, out + 32 * domainSize));
  }

  #coset(vector: VectorName): void {
    const [first, second] = this.#vectors;
    const { domainSize, values, coset } = this.#key;
    const length = 32 * domainSize;
    if (vector === 'c') {
      // The witness satisfies the constraints, so C's values are the products of A's and B's.
      const mul = this.#curve.fn('frm_mul');
      this.#curve.bytes(first, length).set(values.a);
      this.#curve.bytes(second, length).set(values.b);
      for (let at = 0; at < length; at += 32) mul(first + at, second + at, first + at);
    } else this.#curve.bytes(first, length).set(values[vector]);
    this.#transform.run(first);
    coset[vector].set(this.#curve.bytes(first, length));
  }

  /** `A B - C` on the coset, out of Montgomery form. The key's bases of `h` hold the division by the vanishing polynomial. */
  #quotient(): void {
    const [a, b, c] = this.#vectors;
    const { domainSize, coset, quotient } = this.#key;
    const length = 32 * domainSize;
    this.#curve.bytes(a, length).set(coset.a);
    this.#curve.bytes(b, length).set(coset.b);
    this.#curve.bytes(c, length).set(coset.c);
    this.#curve.fn('qap_joinABC')(a, b, c, domainSize, a);
    this.#curve.fn('frm_batchFromMontgomery')(a, domainSize, a);
    quotient.set(this.#curve.bytes(a, length));
  }

  #sum({ sum, plan, from, to }: Extract<EngineTask, { kind: 'sum' }>): Uint8Array {
    const set = this.#bases[sum];
    if (this.#digits?.sum !== sum) {
      this.#digits = { sum, digits: digitsOf(this.#scalars(sum), set.places, plan) };
    }
    return this.#sums[sum === 'b2' ? 'g2m' : 'g1m'].windows(set, this.#digits.digits, from, to);
  }

  #scalars(sum: SumName): Uint32Array {
    const { witness, quotient, publicSignals } = this.#key;
    const bytes = sum === 'h' ? quotient : sum === 'c' ? witness.subarray(32 * (publicSignals + 1)) : witness;
    return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  }
}

/** The key's `count, (matrix, row, wire, coefficient)*`, by matrix, values in the curve's memory. */
function readCoefficients(curve: CurveInstance, bytes: Uint8Array): { a: Coefficients; b: Coefficients } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = view.getUint32(0, true);
  const read = (matrix: number): Coefficients => {
    const rows = new Uint32Array(count);
    const wires = new Uint32Array(count);
    const values = new Uint8Array(32 * count);
    let found = 0;
    for (let i = 0, at = 4; i < count; i++, at += 44) {
      if (view.getUint32(at, true) !== matrix) continue;
      rows[found] = view.getUint32(at + 4, true);
      wires[found] = view.getUint32(at + 8, true);
      values.set(bytes.subarray(at + 12, at + 44), 32 * found);
      found++;
    }
    return {
      pointer: curve.put(values.subarray(0, 32 * found)),
      rows: rows.slice(0, found),
      wires: wires.slice(0, found),
    };
  };
  return { a: read(0), b: read(1) };
}
