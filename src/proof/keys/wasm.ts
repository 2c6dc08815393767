/**
 * The curve's arithmetic as bare WASM functions over one memory. Calls take pointers, so a loop over many points costs
 * no copying and no messages.
 */
export interface CurveCode {
  module: WebAssembly.Module;
  /** Pointers to the generators, affine, in a fresh instance. */
  g1: number;
  g2: number;
}

/** The two groups. */
export type Group = 'g1m' | 'g2m';

/** Bytes of an affine point: two coordinates. A Jacobian point has half as many more. */
export const affineBytes: Readonly<Record<Group, number>> = { g1m: 64, g2m: 128 };
/** Bytes of a Jacobian point. */
export const jacobianBytes: Readonly<Record<Group, number>> = { g1m: 96, g2m: 192 };

type Pointers = (...pointers: number[]) => number;

/** One instance of the curve's WASM with a bump allocator. */
export class CurveInstance {
  readonly code: CurveCode;
  readonly memory: WebAssembly.Memory;
  readonly #exports: WebAssembly.Exports;
  #next: number;

  private constructor(code: CurveCode, memory: WebAssembly.Memory, instance: WebAssembly.Instance) {
    this.code = code;
    this.memory = memory;
    this.#exports = instance.exports;
    // The module keeps the start of its free memory in its first word; its own functions allocate scratch from there.
    this.#next = new Uint32Array(memory.buffer, 0, 1)[0]!;
  }

  static async create(code: CurveCode): Promise<CurveInstance> {
    const memory = new WebAssembly.Memory({ initial: 64 });
    const instance = await WebAssembly.instantiate(code.module, { env: { memory } });
    return new CurveInstance(code, memory, instance);
  }

  /** An exported function, for example `frm_mul`. */
  fn(name: string): Pointers {
    const f = this.#exports[name];
    if (typeof f !== 'function') throw new TypeError(`the curve has no function ${name}`);
    return f as Pointers;
  }

  /** Reserve bytes, aligned to 8. The memory may move: take {@link bytes} anew afterwards. */
  alloc(length: number): number {
    const start = (this.#next + 7) & ~7;
    this.#next = start + length;
    // Leave room for the module's own scratch space.
    const missing = this.#next + (1 << 22) - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / 65536));
    new Uint32Array(this.memory.buffer, 0, 1)[0] = (this.#next + 7) & ~7;
    return start;
  }

  /** Give back everything allocated since `mark` was the result of {@link position}. */
  release(mark: number): void {
    this.#next = mark;
    new Uint32Array(this.memory.buffer, 0, 1)[0] = (mark + 7) & ~7;
  }

  get position(): number {
    return this.#next;
  }

  /** A view of the memory; valid until the next {@link alloc}. */
  bytes(pointer: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, pointer, length);
  }

  /** Allocate and fill. */
  put(data: Uint8Array): number {
    const pointer = this.alloc(data.length);
    this.bytes(pointer, data.length).set(data);
    return pointer;
  }
}
