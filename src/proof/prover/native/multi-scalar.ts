/**
 * Sums of many multiples of fixed points, `sum s_i P_i`, over the curve's WASM.
 *
 * The bucket method (N. Pippenger; see D. Bernstein, J. Doumen, T. Lange, J.-J. Oosterwijk, "Faster batch forgery
 * identification", INDOCRYPT 2012, section 4) with signed digits. Points meet in their buckets by affine additions whose
 * divisions share one inversion (P. Montgomery, "Speeding the Pollard and elliptic curve methods of factorization", Math. Comp.
 * 48, 1987, section 10.3.1): 6 multiplications each instead of 11.
 *
 * Times depend on the scalars, as in snarkjs: do not let an adversary measure them.
 */
import { affineBytes, type CurveInstance, type Group, jacobianBytes } from '../../keys/wasm.ts';

/** Bits of a scalar: all are below r < 2^254. */
const SCALAR_BITS = 254;
/** Cost of a Jacobian addition with its mixed companion per bucket, in affine additions; measured. */
const BUCKET_COST = 3.6;

/** How a sum is cut into windows of scalar bits. */
export interface WindowPlan {
  /** Bits of a window. */
  readonly bits: number;
  /** Number of windows. */
  readonly count: number;
}

/** Scalars made ready for one plan. */
export interface Digits {
  readonly plan: WindowPlan;
  /** Nine words for each kept point: the scalar plus half a window's range in every window. */
  readonly words: Uint32Array;
  /** Number of low windows that can hold another digit than zero. */
  readonly ends: Uint8Array;
}

/** Points in the curve's memory, without the zero points. */
export interface BaseSet {
  readonly pointer: number;
  /** For each kept point its place among the scalars. */
  readonly places: Uint32Array;
}

/**
 * Windows with the least work for so many full-length scalars.
 *
 * @param weight sum of the scalars' lengths in bits, over 254.
 */
export function planWindows(weight: number): WindowPlan {
  let best: WindowPlan = { bits: 2, count: 128 };
  let least = Number.POSITIVE_INFINITY;
  for (let bits = 2; bits <= 15; bits++) {
    // One more bit than the scalars have, for the sign of the highest digit.
    const count = Math.ceil((SCALAR_BITS + 1) / bits);
    const cost = count * (weight + BUCKET_COST * 2 ** (bits - 1));
    if (cost < least) {
      least = cost;
      best = { bits, count };
    }
  }
  return best;
}

/** Bits of a scalar of eight little-endian words at `start`. */
function scalarLength(words: Uint32Array, start: number): number {
  for (let word = 7; word >= 0; word--) {
    const value = words[start + word]!;
    if (value !== 0) return 32 * word + 32 - Math.clz32(value);
  }
  return 0;
}

/**
 * Cut scalars into signed digits.
 *
 * @param scalars eight little-endian words each, below r.
 * @param places the scalars that are used, in this order.
 */
export function digitsOf(scalars: Uint32Array, places: Uint32Array, plan: WindowPlan): Digits {
  const { bits, count } = plan;
  // A digit d of [-half, half) is kept as d + half. Adding half to every digit at once makes the carries.
  const offset = new Uint32Array(9);
  for (let window = 0; window < count; window++) {
    const bit = window * bits + bits - 1;
    offset[bit >>> 5]! |= 1 << (bit & 31);
  }
  // One word more than the last scalar has: a window is read from two words.
  const words = new Uint32Array(9 * places.length + 1);
  const ends = new Uint8Array(places.length);
  for (let index = 0; index < places.length; index++) {
    const start = 8 * places[index]!;
    const length = scalarLength(scalars, start);
    // Digits above the scalar's length and its carry, which may carry once more, are zero.
    ends[index] = length === 0 ? 0 : Math.min(count, Math.floor(length / bits) + 2);
    if (length === 0) continue;
    let carry = 0;
    for (let word = 0; word < 9; word++) {
      const value = (word < 8 ? scalars[start + word]! : 0) + offset[word]! + carry;
      words[9 * index + word] = value;
      carry = value > 0xffffffff ? 1 : 0;
    }
  }
  return { plan, words, ends };
}

/** Sum of the lengths of all scalars over 254, for {@link planWindows}. */
export function weightOf(scalars: Uint32Array): number {
  let bits = 0;
  for (let start = 0; start < scalars.length; start += 8) bits += scalarLength(scalars, start);
  return bits / SCALAR_BITS;
}

/** The points of one group with room to add them in. One call at a time. */
export class MultiScalar {
  readonly group: Group;
  readonly #curve: CurveInstance;
  readonly #size: number;
  readonly #half: number;
  readonly #f: Record<
    'sub' | 'add' | 'neg' | 'mul' | 'square' | 'inverse' | 'isZero' | 'one',
    (...p: number[]) => number
  >;
  readonly #g: Record<
    | 'add'
    | 'addMixed'
    | 'double'
    | 'zero'
    | 'isZero'
    | 'negAffine'
    | 'doubleAffine'
    | 'toAffine'
    | 'copyAffine',
    (...p: number[]) => number
  >;
  /** Small areas: an inverse, two field elements, three Jacobian points. */
  readonly #inverse: number;
  readonly #t: number;
  readonly #u: number;
  readonly #running: number;
  readonly #sum: number;
  readonly #total: number;
  /** Room for the rounds of additions, for `#capacity` pairs. */
  #capacity = 0;
  #areas: [number, number] = [0, 0];
  /** First and second operands of a round, and where their sums go. */
  #pairs: [Uint32Array, Uint32Array, Uint32Array] = [
    new Uint32Array(0),
    new Uint32Array(0),
    new Uint32Array(0),
  ];
  #differences = 0;
  #products = 0;

  constructor(curve: CurveInstance, group: Group) {
    this.group = group;
    this.#curve = curve;
    this.#size = affineBytes[group];
    this.#half = this.#size / 2;
    const field = group === 'g1m' ? 'f1m' : 'f2m';
    const pick = <K extends string>(prefix: string, names: readonly K[]) =>
      Object.fromEntries(names.map((name) => [name, curve.fn(`${prefix}_${name}`)])) as Record<
        K,
        (...p: number[]) => number
      >;
    this.#f = pick(field, ['sub', 'add', 'neg', 'mul', 'square', 'inverse', 'isZero', 'one']);
    this.#g = pick(group, [
      'add',
      'addMixed',
      'double',
      'zero',
      'isZero',
      'negAffine',
      'doubleAffine',
      'toAffine',
      'copyAffine',
    ]);
    this.#inverse = curve.alloc(this.#half);
    this.#t = curve.alloc(this.#half);
    this.#u = curve.alloc(this.#half);
    this.#running = curve.alloc(jacobianBytes[group]);
    this.#sum = curve.alloc(jacobianBytes[group]);
    this.#total = curve.alloc(jacobianBytes[group]);
  }

  /** Copy points into the curve's memory. @param bases affine, in the layout of a key. */
  put(bases: Uint8Array): BaseSet {
    const size = this.#size;
    const count = bases.length / size;
    const words = new Uint32Array(bases.buffer, bases.byteOffset, bases.length / 4);
    const places: number[] = [];
    for (let place = 0; place < count; place++) {
      const start = (place * size) / 4;
      for (let word = start; word < start + size / 4; word++) {
        if (words[word] !== 0) {
          places.push(place);
          break;
        }
      }
    }
    const pointer = this.#curve.alloc(size * places.length);
    const kept = this.#curve.bytes(pointer, size * places.length);
    places.forEach((place, index) => {
      kept.set(bases.subarray(size * place, size * (place + 1)), size * index);
    });
    return { pointer, places: Uint32Array.from(places) };
  }

  /**
   * The part of a sum that some windows of the scalars' bits make. The parts of all windows add up to the sum.
   *
   * @param from first window; `to` is the one after the last.
   * @returns a Jacobian point.
   */
  windows(set: BaseSet, digits: Digits, from: number, to: number): Uint8Array {
    const { bits } = digits.plan;
    const buckets = 2 ** (bits - 1);
    const windowCount = to - from;
    const lists = this.#sort(digits, from, to);
    const points = this.#fillBuckets(set, lists);
    const { add, addMixed, double, zero, isZero } = this.#g;
    const [running, sum, total] = [this.#running, this.#sum, this.#total];
    zero(total);
    for (let window = windowCount - 1; window >= 0; window--) {
      if (!isZero(total)) for (let bit = 0; bit < bits; bit++) double(total, total);
      zero(running);
      zero(sum);
      let started = false;
      // sum of b * bucket[b]: each bucket enters the running sum once, and that is added b times.
      for (let bucket = buckets - 1; bucket >= 0; bucket--) {
        const point = points[window * buckets + bucket]!;
        if (point !== 0) {
          addMixed(running, point, running);
          started = true;
        }
        if (started) add(sum, running, sum);
      }
      add(total, sum, total);
    }
    if (!isZero(total)) for (let bit = 0; bit < from * bits; bit++) double(total, total);
    return this.#curve.bytes(total, jacobianBytes[this.group]).slice();
  }

  /** Places in the digits of some windows, sorted by window and bucket: `2 * index + (1 when negative)`. */
  #sort(
    { plan: { bits }, words, ends }: Digits,
    from: number,
    to: number,
  ): { starts: Uint32Array; entries: Uint32Array } {
    const half = 2 ** (bits - 1);
    const mask = 2 ** bits - 1;
    const points = ends.length;
    const starts = new Uint32Array((to - from) * half + 1);
    const found = new Int16Array((to - from) * points);
    let used = 0;
    for (let window = from; window < to; window++) {
      const bit = window * bits;
      const shift = bit & 31;
      const low = bit >>> 5;
      const crosses = shift + bits > 32;
      const row = (window - from) * points;
      const bucket = (window - from) * half;
      for (let index = 0, start = low; index < points; index++, start += 9) {
        if (ends[index]! <= window) continue;
        let value = words[start]! >>> shift;
        if (crosses) value |= words[start + 1]! << (32 - shift);
        const digit = (value & mask) - half;
        if (digit === 0) continue;
        found[row + index] = digit;
        // -half has a bucket of its own: the last one. Counts lie one place higher than their buckets.
        starts[bucket + (digit < 0 ? -digit : digit)]!++;
        used++;
      }
    }
    for (let bucket = 1; bucket < starts.length; bucket++) starts[bucket]! += starts[bucket - 1]!;
    const next = starts.slice();
    const entries = new Uint32Array(used);
    for (let window = 0; window < to - from; window++) {
      const row = window * points;
      const bucket = window * half - 1;
      for (let index = 0; index < points; index++) {
        const digit = found[row + index]!;
        if (digit > 0) entries[next[bucket + digit]!++] = 2 * index;
        else if (digit < 0) entries[next[bucket - digit]!++] = 2 * index + 1;
      }
    }
    return { starts, entries };
  }

  /**
   * Add up every bucket: in rounds, each of which halves all buckets' lists by adding neighbours.
   *
   * @returns for each bucket a pointer to an affine point, or 0.
   */
  #fillBuckets(
    set: BaseSet,
    { starts, entries }: { starts: Uint32Array; entries: Uint32Array },
  ): Uint32Array {
    const size = this.#size;
    const buckets = starts.length - 1;
    this.#reserve(entries.length);
    // Lists of pointers. In the first round the lowest bit says that the point is to be negated; points are aligned.
    let list = new Uint32Array(entries.length);
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!;
      list[i] = (set.pointer + size * (entry >>> 1)) | (entry & 1);
    }
    let bounds = starts;
    let longest = 0;
    for (let bucket = 0; bucket < buckets; bucket++) {
      longest = Math.max(longest, bounds[bucket + 1]! - bounds[bucket]!);
    }
    for (let round = 0; longest > 1 || round === 0; round++) {
      const area = this.#areas[round & 1]!;
      const next = new Uint32Array(list.length);
      const nextBounds = new Uint32Array(buckets + 1);
      const [firsts, seconds, results] = this.#pairs;
      let pairs = 0;
      let written = 0;
      longest = 0;
      for (let bucket = 0; bucket < buckets; bucket++) {
        const end = bounds[bucket + 1]!;
        let at = bounds[bucket]!;
        const before = written;
        for (; at + 1 < end; at += 2) {
          const result = area + size * written;
          firsts[pairs] = list[at]!;
          seconds[pairs] = list[at + 1]!;
          results[pairs++] = result;
          next[written++] = result;
        }
        if (at < end) {
          const only = list[at]!;
          if (only & 1) {
            const result = area + size * written;
            this.#g.negAffine(only - 1, result);
            next[written++] = result;
          } else if (only < this.#areas[0]) {
            // A base stays where it is. All bases were put before any area was reserved.
            next[written++] = only;
          } else {
            // The area that it lies in is written over by the round after the next.
            const result = area + size * written;
            this.#g.copyAffine(only, result);
            next[written++] = result;
          }
        }
        nextBounds[bucket + 1] = written;
        longest = Math.max(longest, written - before);
      }
      if (this.#addPairs(pairs)) this.#dropZeros(next, nextBounds);
      list = next;
      bounds = nextBounds;
    }
    const points = new Uint32Array(buckets);
    for (let bucket = 0; bucket < buckets; bucket++) {
      if (bounds[bucket + 1]! > bounds[bucket]!) points[bucket] = list[bounds[bucket]!]!;
    }
    return points;
  }

  /** Add the first pairs of affine points, which are not zero. @returns true when a sum is zero, written as such. */
  #addPairs(count: number): boolean {
    const [firsts, seconds, results] = this.#pairs;
    if (count === 0) return false;
    const { sub, add, neg, mul, square, inverse, isZero, one } = this.#f;
    const half = this.#half;
    const [differences, products, t, u, inv] = [
      this.#differences,
      this.#products,
      this.#t,
      this.#u,
      this.#inverse,
    ];
    const words = new Uint32Array(this.#curve.memory.buffer);
    const equal: number[] = [];
    for (let i = 0; i < count; i++) {
      const difference = differences + half * i;
      const product = products + half * i;
      sub(seconds[i]! & ~1, firsts[i]! & ~1, difference);
      if (words[difference >>> 2] === 0 && isZero(difference)) {
        equal.push(i);
        one(difference);
      }
      if (i === 0) this.#copyField(difference, product);
      else mul(product - half, difference, product);
    }
    inverse(products + half * (count - 1), inv);
    let nextEqual = equal.length - 1;
    for (let i = count - 1; i >= 0; i--) {
      const [first, second] = [firsts[i]!, seconds[i]!];
      const [x1, x2, x3] = [first & ~1, second & ~1, results[i]!];
      const [y1, y2, y3] = [x1 + half, x2 + half, x3 + half];
      const difference = differences + half * i;
      if (i > 0) mul(inv, products + half * (i - 1), t);
      else this.#copyField(inv, t);
      mul(inv, difference, inv);
      if (nextEqual >= 0 && equal[nextEqual] === i) {
        nextEqual--;
        continue;
      }
      // The slope, with the signs of the y.
      if (first & 1) {
        if (second & 1) sub(y1, y2, u);
        else add(y1, y2, u);
      } else if (second & 1) {
        add(y1, y2, u);
        neg(u, u);
      } else sub(y2, y1, u);
      mul(u, t, u);
      square(u, x3);
      sub(x3, x1, x3);
      sub(x3, x2, x3);
      sub(x1, x3, t);
      mul(u, t, y3);
      if (first & 1) add(y3, y1, y3);
      else sub(y3, y1, y3);
    }
    let zeros = false;
    for (const i of equal) if (this.#addEqual(firsts[i]!, seconds[i]!, results[i]!)) zeros = true;
    return zeros;
  }

  /** Add two points of the same x: a doubling, or zero. */
  #addEqual(first: number, second: number, result: number): boolean {
    const { doubleAffine, toAffine, negAffine, copyAffine } = this.#g;
    const [x1, x2] = [first & ~1, second & ~1];
    const half = this.#half;
    const { isZero, sub, add } = this.#f;
    if ((first ^ second) & 1) add(x1 + half, x2 + half, this.#t);
    else sub(x1 + half, x2 + half, this.#t);
    // No point of order two lies on the curve, so equal y are no opposite y.
    if (!isZero(this.#t)) {
      this.#curve.bytes(result, this.#size).fill(0);
      return true;
    }
    doubleAffine(x1, this.#running);
    toAffine(this.#running, this.#sum);
    if (first & 1) negAffine(this.#sum, result);
    else copyAffine(this.#sum, result);
    return false;
  }

  /** Take zero points out of lists. */
  #dropZeros(list: Uint32Array, bounds: Uint32Array): void {
    const isZero = this.#curve.fn(`${this.group}_isZeroAffine`);
    let written = 0;
    let at = 0;
    for (let bucket = 1; bucket < bounds.length; bucket++) {
      for (; at < bounds[bucket]!; at++) if (!isZero(list[at]!)) list[written++] = list[at]!;
      bounds[bucket] = written;
    }
  }

  #copyField(from: number, to: number): void {
    new Uint8Array(this.#curve.memory.buffer).copyWithin(to, from, from + this.#half);
  }

  /** Room for lists of so many points. */
  #reserve(points: number): void {
    if (points <= this.#capacity) return;
    const room = Math.ceil(points * 1.25) + 64;
    // The first area holds the first round's results, at most one for each point; no list ever gets longer.
    this.#areas = [this.#curve.alloc(this.#size * room), this.#curve.alloc(this.#size * room)];
    this.#differences = this.#curve.alloc(this.#half * Math.ceil(room / 2 + 1));
    this.#products = this.#curve.alloc(this.#half * Math.ceil(room / 2 + 1));
    const pairs = () => new Uint32Array(Math.ceil(room / 2 + 1));
    this.#pairs = [pairs(), pairs(), pairs()];
    this.#capacity = room;
  }
}
