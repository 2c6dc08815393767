/** An interval of integers, both ends included. */
export interface Interval {
  readonly low: bigint;
  readonly high: bigint;
}

export function smaller(a: bigint, b: bigint): bigint {
  if (a < b) return a;
  return b;
}

export function larger(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}

export function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

export function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient;
}

export function ceilDivide(a: bigint, b: bigint): bigint {
  return -floorDivide(-a, b);
}

export function widthOf(interval: Interval): bigint {
  return interval.high - interval.low;
}

/** `coefficient * interval`. */
export function times(interval: Interval, coefficient: bigint): Interval {
  return coefficient >= 0n
    ? { low: coefficient * interval.low, high: coefficient * interval.high }
    : { low: coefficient * interval.high, high: coefficient * interval.low };
}

/** The interval of all products. */
export function product(a: Interval, b: Interval): Interval {
  const corners = [a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high];
  return {
    low: corners.reduce(smaller),
    high: corners.reduce(larger),
  };
}

/** True when an interval holds a multiple of the modulus, that is, when its field element may be 0. */
export function mayBeZero(interval: Interval, modulus: bigint): boolean {
  return ceilDivide(interval.low, modulus) * modulus <= interval.high;
}

/** True when no element of one interval is congruent to one of the other. */
export function disjoint(a: Interval, b: Interval, modulus: bigint): boolean {
  return !mayBeZero({ low: a.low - b.high, high: a.high - b.low }, modulus);
}

/**
 * What is left of `a` when its field elements must lie in `b` too. `a` itself when both overlap in two places around
 * the field, or not at all (then nothing satisfies the circuit and any answer is right).
 */
export function intersect(a: Interval, b: Interval, modulus: bigint): Interval {
  const first = ceilDivide(a.low - b.high, modulus);
  const last = floorDivide(a.high - b.low, modulus);
  if (first !== last) return a;
  const shift = first * modulus;
  return {
    low: larger(b.low + shift, a.low),
    high: smaller(b.high + shift, a.high),
  };
}

/** A term of an equation `sum coefficient_i * d_i = 0` over integers, `abs(d_i) <= width`. */
export interface DigitTerm {
  readonly coefficient: bigint;
  readonly width: bigint;
}

/**
 * Split `sum c_i d_i = 0` into equations that hold on their own. In ascending order of size, when all terms before a place
 * add up to less than the greatest common divisor of those from it on, the first part is a multiple of the divisor that
 * is smaller than it, hence 0. For powers of two and bits this is: equal sums have equal digits.
 *
 * @returns index lists that partition the terms.
 */
export function splitDigits(terms: readonly DigitTerm[]): number[][] {
  const size = (i: number): bigint => {
    const { coefficient } = terms[i]!;
    return coefficient < 0n ? -coefficient : coefficient;
  };
  const order = terms.map((_, i) => i).sort((i, j) => (size(i) < size(j) ? -1 : size(i) > size(j) ? 1 : 0));
  const divisors: bigint[] = new Array(order.length);
  let divisor = 0n;
  for (let k = order.length - 1; k >= 0; k--) {
    divisor = gcd(divisor, size(order[k]!));
    divisors[k] = divisor;
  }
  const blocks: number[][] = [];
  let block: number[] = [];
  let reach = 0n;
  for (let k = 0; k < order.length; k++) {
    // Earlier blocks are 0 already, so only the terms since the last cut count.
    if (block.length > 0 && reach < divisors[k]!) {
      blocks.push(block);
      block = [];
      reach = 0n;
    }
    block.push(order[k]!);
    reach += size(order[k]!) * terms[order[k]!]!.width;
  }
  blocks.push(block);
  return blocks;
}
