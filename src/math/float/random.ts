/**
 * Seeded random numbers for simulations: the same seed gives the same numbers on every machine. Not for
 * secrets.
 *
 * The generator is xoshiro128** 1.1 (D. Blackman and S. Vigna, "Scrambled linear pseudorandom number
 * generators", ACM TOMS 47, 2021; period 2^128 - 1). Its state is filled by SplitMix64 (G. Steele, D. Lea and
 * C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014) from the seed and a stream number,
 * so that one seed serves several independent uses.
 */
import { requireFinite, requireInteger } from '../../errors.ts';
import { normalQuantile } from './statistics.ts';

/** Largest seed and largest stream number. */
export const MAX_SEED = Number.MAX_SAFE_INTEGER;

/** A stream of random numbers. */
export interface RandomStream {
  /** The next 32 bits of the generator, as a whole number in [0, 2^32). */
  readonly bits: () => number;
  /** Uniform in the open interval (0, 1), with 53 bits. */
  readonly uniform: () => number;
  /** A whole number in [0, count), each with the same probability; `count` is a whole number in [1, 2^32]. */
  readonly below: (count: number) => number;
  /** Standard normal, by inversion of one uniform number: `1 - u` gives the negative of what `u` gives. */
  readonly normal: () => number;
  /** Gamma with the given shape and a scale of 1. See {@link drawGamma}. */
  readonly gamma: (shape: number) => number;
}

const MASK_64 = (1n << 64n) - 1n;

/** One step of SplitMix64: the next state and the number it gives, both in [0, 2^64). */
export function splitMix64(state: bigint): { readonly state: bigint; readonly value: bigint } {
  const next = (state + 0x9e3779b97f4a7c15n) & MASK_64;
  let mixed = next;
  mixed = ((mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK_64;
  mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & MASK_64;
  return { state: next, value: mixed ^ (mixed >> 31n) };
}

/** The 32-bit outputs of xoshiro128** 1.1 from a state of four words, of which one at least is not 0. */
export function xoshiro128(words: readonly [number, number, number, number]): () => number {
  let [a, b, c, d] = [words[0] | 0, words[1] | 0, words[2] | 0, words[3] | 0];
  return () => {
    const scrambled = Math.imul(b, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result;
  };
}

/**
 * The random numbers of a seed.
 *
 * @param seed a whole number from 0 to 2^53 - 1
 * @param stream names one of many independent streams of the seed; likewise
 * @throws ZkMarginError `MALFORMED`, `NOT_FINITE`, `OUT_OF_RANGE` for a seed or a stream that is no such
 * number
 */
export function randomStream(seed: number, stream = 0): RandomStream {
  requireInteger(seed, 0, MAX_SEED, 'seed');
  requireInteger(stream, 0, MAX_SEED, 'stream');
  // The stream's own hash moves the start, so that stream 1 of seed 0 is not stream 0 of another small seed.
  let state = BigInt(seed) ^ (stream === 0 ? 0n : splitMix64(BigInt(stream)).value);
  const words: number[] = [];
  while (words.length < 4) {
    const step = splitMix64(state);
    state = step.state;
    words.push(Number(step.value & 0xffffffffn), Number(step.value >> 32n));
  }
  // The state of zeros alone is the one that the generator never leaves.
  if (!words.some((word) => word !== 0)) words[0] = 1;
  const bits = xoshiro128(words as [number, number, number, number]);
  const uniform = () => {
    const high = bits() >>> 5;
    const low = bits() >>> 6;
    return (high * 67_108_864 + low + 0.5) / 9_007_199_254_740_992;
  };
  const below = (count: number) => {
    // Numbers of the last, incomplete block are drawn again, so that all remainders are equally likely.
    const limit = 4_294_967_296 - (4_294_967_296 % count);
    for (;;) {
      const drawn = bits();
      if (drawn < limit) return drawn % count;
    }
  };
  const normal = () => normalQuantile(uniform());
  return { bits, uniform, below, normal, gamma: (shape) => drawGamma(shape, uniform, normal) };
}

/**
 * A gamma variate of the given shape and scale 1 (G. Marsaglia and W. W. Tsang, "A simple method for
 * generating gamma variables", ACM TOMS 26, 2000). Shapes below 1 use their remark: `gamma(shape + 1)
 * u^(1/shape)`. A chi-squared variate with `nu` degrees of freedom is twice a gamma variate of shape `nu /
 * 2`.
 *
 * @param shape in (0, 1e12]
 * @throws ZkMarginError `NOT_FINITE`, `OUT_OF_RANGE` for a shape outside its range
 */
function drawGamma(shape: number, uniform: () => number, normal: () => number): number {
  requireFinite(shape, Number.MIN_VALUE, 1e12, 'shape');
  if (shape < 1) return drawGamma(shape + 1, uniform, normal) * uniform() ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal();
    const root = 1 + c * x;
    if (root <= 0) continue;
    const v = root * root * root;
    if (Math.log(uniform()) < 0.5 * x * x + d * (1 - v + Math.log(v))) return d * v;
  }
}

/**
 * Uniform numbers in [0, 1) with 32 bits, by mulberry32 (T. Ettinger, 2017): the smallest of generators, whose period is
 * at most 2^32. For the example book and for tests and benchmarks that draw a few thousand cases; simulations use
 * {@link randomStream}.
 *
 * @param seed its lowest 32 bits count
 */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
