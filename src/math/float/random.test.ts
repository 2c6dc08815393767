import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isZkMarginError } from '../../errors.ts';
import { mulberry32, randomStream, splitMix64, xoshiro128 } from './random.ts';
import { moments } from './statistics.ts';

describe('generators', () => {
  it('give the published outputs of xoshiro128** 1.1 from the state 1, 2, 3, 4', () => {
    const next = xoshiro128([1, 2, 3, 4]);
    expect(Array.from({ length: 10 }, next)).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });

  it('give the published outputs of SplitMix64 from 1234567', () => {
    let state = 1234567n;
    const values: bigint[] = [];
    for (let index = 0; index < 4; index++) {
      const step = splitMix64(state);
      state = step.state;
      values.push(step.value);
    }
    expect(values).toEqual([
      6457827717110365317n,
      3203168211198807973n,
      9817491932198370423n,
      4593380528125082431n,
    ]);
  });
});

describe('mulberry32', () => {
  /** The author's C, with integers of any size cut to 32 bits after each step. */
  function* reference(seed: number): Generator<number> {
    const word = (value: bigint) => BigInt.asUintN(32, value);
    for (let x = word(BigInt(seed)); ; ) {
      x = word(x + 0x6d2b79f5n);
      let z = word((x ^ (x >> 15n)) * (x | 1n));
      z ^= word(z + word((z ^ (z >> 7n)) * (z | 61n)));
      yield Number(z ^ (z >> 14n));
    }
  }

  it('gives what its definition gives', () => {
    for (const seed of [0, 1, 7, 123_456_789, 2 ** 32 - 1]) {
      const random = mulberry32(seed);
      const expected = reference(seed);
      for (let index = 0; index < 1_000; index++) expect(random() * 2 ** 32).toBe(expected.next().value);
    }
  });

  it('takes the lowest 32 bits of a seed', () => {
    expect(mulberry32(2 ** 32 + 5)()).toBe(mulberry32(5)());
  });
});

describe('randomStream', () => {
  it('repeats itself for a seed and a stream, and differs otherwise', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.nat(100), (seed, stream) => {
        const draw = (s: number, t: number) => Array.from({ length: 4 }, randomStream(s, t).bits);
        expect(draw(seed, stream)).toEqual(draw(seed, stream));
        expect(draw(seed, stream)).not.toEqual(draw(seed, stream + 1));
        expect(draw(seed, stream)).not.toEqual(draw(seed === 0 ? 1 : seed - 1, stream));
      }),
    );
  });

  it('refuses seeds that are no whole numbers from 0 to 2^53 - 1', () => {
    for (const seed of [-1, 0.5, Number.NaN, 2 ** 53, '1' as unknown as number]) {
      expect(() => randomStream(seed)).toThrowError(expect.objectContaining({ name: 'ZkMarginError' }));
    }
  });

  it('is uniform: a chi-squared test over 64 cells, and the open interval', () => {
    const { uniform } = randomStream(7);
    const cells = new Float64Array(64);
    const count = 200_000;
    let outside = 0;
    for (let index = 0; index < count; index++) {
      const u = uniform();
      if (!(u > 0 && u < 1)) outside++;
      cells[Math.floor(u * 64)]!++;
    }
    expect(outside).toBe(0);
    let statistic = 0;
    for (const cell of cells) statistic += (cell - count / 64) ** 2 / (count / 64);
    // 63 degrees of freedom: 0.01% of good generators are above 117, 0.01% below 27.
    expect(statistic).toBeLessThan(117);
    expect(statistic).toBeGreaterThan(27);
  });

  it('draws whole numbers without a bias', () => {
    const { below } = randomStream(8);
    const cells = new Float64Array(3);
    for (let index = 0; index < 90_000; index++) cells[below(3)]!++;
    for (const cell of cells) expect(Math.abs(cell - 30_000)).toBeLessThan(4.5 * Math.sqrt(20_000));
    expect(below(1)).toBe(0);
  });

  it('draws normal and gamma variates with their moments', () => {
    const random = randomStream(9);
    const count = 200_000;
    const normal = moments(Float64Array.from({ length: count }, random.normal));
    expect(Math.abs(normal.mean)).toBeLessThan(4.5 / Math.sqrt(count));
    expect(Math.abs(normal.standardDeviation - 1)).toBeLessThan(4.5 / Math.sqrt(2 * count));
    expect(Math.abs(normal.skewness)).toBeLessThan(4.5 * Math.sqrt(6 / count));
    expect(Math.abs(normal.excessKurtosis)).toBeLessThan(4.5 * Math.sqrt(24 / count));
    for (const shape of [0.3, 1, 1.5, 4, 50]) {
      const gamma = moments(Float64Array.from({ length: count }, () => random.gamma(shape)));
      expect(Math.abs(gamma.mean - shape)).toBeLessThan(4.5 * Math.sqrt(shape / count));
      expect(Math.abs(gamma.standardDeviation / Math.sqrt(shape) - 1)).toBeLessThan(0.03);
      expect(Math.abs(gamma.skewness - 2 / Math.sqrt(shape))).toBeLessThan(0.05 * (1 + 2 / Math.sqrt(shape)));
    }
  });

  it('refuses a shape that is not positive', () => {
    expect(() => randomStream(1).gamma(0)).toThrowError(expect.objectContaining({ code: 'OUT_OF_RANGE' }));
    try {
      randomStream(1).gamma(Number.NaN);
      expect.unreachable();
    } catch (error) {
      expect(isZkMarginError(error, 'NOT_FINITE')).toBe(true);
    }
  });
});
