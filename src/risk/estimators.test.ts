import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../math/float/random.ts';
import { normalQuantile } from '../math/float/statistics.ts';
import {
  binomialCdf,
  bootstrapTail,
  LossSample,
  quantileRanks,
  requireLevel,
  tailCount,
} from './estimators.ts';

const amount = fc.double({ min: -1e6, max: 1e6, noNaN: true });
const level = fc.double({ min: 0.51, max: 0.995, noNaN: true });

describe('LossSample', () => {
  it('is right by hand', () => {
    const sample = new LossSample([3, -1, 10, 4, 7, 0, 2, -5, 1, 5]);
    // Tail of 2: the VaR is the third largest, the ES the mean of the two largest.
    expect(sample.valueAtRisk(0.8)).toBe(5);
    expect(sample.expectedShortfall(0.8)).toBeCloseTo(8.5, 12);
    // Tail of 2.5: half of the third largest counts.
    expect(sample.valueAtRisk(0.75)).toBe(5);
    expect(sample.expectedShortfall(0.75)).toBeCloseTo((10 + 7 + 0.5 * 5) / 2.5, 12);
    // Tail of 0.5: no more than the largest is known.
    expect(sample.valueAtRisk(0.95)).toBe(10);
    expect(sample.expectedShortfall(0.95)).toBe(10);
    expect(sample.countBeyond(4)).toBe(3);
    expect(sample.countBeyond(-6)).toBe(10);
    expect(sample.countBeyond(10)).toBe(0);
    expect(JSON.parse(JSON.stringify(sample))).toEqual({
      count: 10,
      largest: [10, 7, 5, 4, 3, 2, 1, 0, -1, -5],
    });
  });

  it('takes a tail within rounding of a whole number as whole', () => {
    expect(tailCount(100, 0.99)).toBe(1);
    expect(tailCount(1000, 0.975)).toBe(25);
    expect(tailCount(235, 0.99)).toBeCloseTo(2.35, 12);
  });

  it('has a VaR that a share of the losses of at most 1 - level exceeds, and no smaller loss does', () => {
    fc.assert(
      fc.property(fc.array(amount, { minLength: 1, maxLength: 60 }), level, (losses, alpha) => {
        const sample = new LossSample(losses);
        const value = sample.valueAtRisk(alpha);
        const beyond = losses.filter((loss) => loss > value).length;
        const least = losses.filter((loss) => loss >= value).length;
        expect(beyond).toBeLessThanOrEqual(tailCount(losses.length, alpha));
        expect(least).toBeGreaterThan(tailCount(losses.length, alpha));
        expect(sample.expectedShortfall(alpha)).toBeGreaterThanOrEqual(value - 1e-9 * Math.abs(value));
      }),
    );
  });

  it('is homogeneous and moves with cash', () => {
    fc.assert(
      fc.property(
        fc.array(amount, { minLength: 1, maxLength: 60 }),
        level,
        fc.double({ min: 0.001, max: 1000, noNaN: true }),
        amount,
        (losses, alpha, factor, cash) => {
          const plain = new LossSample(losses);
          const changed = new LossSample(losses.map((loss) => factor * loss - cash));
          const close = (left: number, right: number) =>
            expect(Math.abs(left - right)).toBeLessThan(1e-9 * (1 + Math.abs(cash) + factor * 1e6));
          close(changed.valueAtRisk(alpha), factor * plain.valueAtRisk(alpha) - cash);
          close(changed.expectedShortfall(alpha), factor * plain.expectedShortfall(alpha) - cash);
        },
      ),
    );
  });

  it('has a subadditive ES, at fractional tails too', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(amount, amount), { minLength: 1, maxLength: 60 }),
        level,
        (pairs, alpha) => {
          const shortfall = (losses: number[]) => new LossSample(losses).expectedShortfall(alpha);
          const joint = shortfall(pairs.map(([left, right]) => left + right));
          const apart = shortfall(pairs.map(([left]) => left)) + shortfall(pairs.map(([, right]) => right));
          expect(joint).toBeLessThanOrEqual(apart + 1e-6);
        },
      ),
    );
  });

  it('has a VaR that is not subadditive, which is why ES is shown', () => {
    // Two losses of 100, each in 2 cases of 50, never together.
    const one = Array.from({ length: 50 }, (_, index) => (index < 2 ? 100 : 0));
    const other = Array.from({ length: 50 }, (_, index) => (index >= 48 ? 100 : 0));
    const both = one.map((loss, index) => loss + other[index]!);
    const value = (losses: number[]) => new LossSample(losses).valueAtRisk(0.95);
    expect(value(one) + value(other)).toBe(0);
    expect(value(both)).toBe(100);
  });

  it('refuses empty samples, NaN, and levels outside (0.5, 1)', () => {
    expect(() => new LossSample([])).toThrowError(expect.objectContaining({ code: 'NOT_ENOUGH_DATA' }));
    expect(() => new LossSample([1, Number.NaN])).toThrowError(
      expect.objectContaining({ code: 'NOT_FINITE', field: 'losses[1]' }),
    );
    for (const bad of [0.5, 1, 0, 1.5]) {
      expect(() => requireLevel(bad)).toThrowError(
        expect.objectContaining({ code: 'OUT_OF_RANGE', field: 'level' }),
      );
    }
    expect(() => requireLevel(Number.NaN)).toThrowError(expect.objectContaining({ code: 'NOT_FINITE' }));
  });
});

describe('intervals', () => {
  it('count successes as adding up binomial terms does', () => {
    const [n, p] = [12, 0.3];
    let sum = 0;
    let term = (1 - p) ** n;
    for (let k = 0; k < n; k++) {
      sum += term;
      expect(binomialCdf(k, n, p)).toBeCloseTo(sum, 13);
      term *= ((n - k) / (k + 1)) * (p / (1 - p));
    }
    expect(binomialCdf(-1, n, p)).toBe(0);
    expect(binomialCdf(n, n, p)).toBe(1);
  });

  it('take ranks whose coverage is at least the confidence, and no closer ones', () => {
    for (const [n, alpha] of [
      [100, 0.9],
      [500, 0.99],
      [235, 0.975],
      [20_000, 0.99],
    ] as const) {
      const { lower, upper } = quantileRanks(n, alpha, 0.95);
      expect(binomialCdf(lower! - 1, n, alpha)).toBeLessThanOrEqual(0.025);
      expect(binomialCdf(lower!, n, alpha)).toBeGreaterThan(0.025);
      if (upper === null) continue;
      expect(1 - binomialCdf(upper - 1, n, alpha)).toBeLessThanOrEqual(0.025);
      expect(1 - binomialCdf(upper - 2, n, alpha)).toBeGreaterThan(0.025);
    }
    // 0.99^100 = 0.37: the largest of 100 is no upper bound of the 99% quantile.
    expect(quantileRanks(100, 0.99, 0.95).upper).toBeNull();
    expect(quantileRanks(368, 0.99, 0.95).upper).toBe(368);
    expect(quantileRanks(3, 0.6, 0.999).lower).toBeNull();
  });

  it('cover the true quantile about as often as they say', () => {
    const random = randomStream(11);
    const [n, alpha, rounds] = [400, 0.95, 400];
    let covered = 0;
    for (let round = 0; round < rounds; round++) {
      const { losses } = new LossSample(Float64Array.from({ length: n }, random.normal));
      const { lower, upper } = quantileRanks(n, alpha, 0.9);
      const truth = normalQuantile(alpha);
      if (losses[n - lower!]! <= truth && truth <= losses[n - upper!]!) covered++;
    }
    // At least 90%, less 4 standard deviations of the count.
    expect(covered).toBeGreaterThan(rounds * 0.9 - 4 * Math.sqrt(rounds * 0.09));
  });

  it('have bootstrap errors near the asymptotic ones of a normal sample', () => {
    const random = randomStream(12);
    const n = 20_000;
    const losses = Float64Array.from({ length: n }, random.normal);
    const error = bootstrapTail(losses, 0.95, { kind: 'independent' }, randomStream(13), 400);
    const density = Math.exp(-0.5 * 1.6448536 ** 2) / Math.sqrt(2 * Math.PI);
    const asymptotic = Math.sqrt((0.95 * 0.05) / n) / density;
    expect(Math.abs(error.valueAtRisk.standardError / asymptotic - 1)).toBeLessThan(0.25);
    expect(error.valueAtRisk.lower).toBeLessThan(error.valueAtRisk.upper);
    // Manistre and Hancock 2005: sqrt((variance of the tail + level (ES - VaR)²) / (n (1 - level))).
    const shortfall = density / 0.05;
    const tailVariance = 1 + 1.6448536 * shortfall - shortfall ** 2;
    const shortfallError = Math.sqrt((tailVariance + 0.95 * (shortfall - 1.6448536) ** 2) / (n * 0.05));
    expect(Math.abs(error.expectedShortfall.standardError / shortfallError - 1)).toBeLessThan(0.25);
  });

  it('see that overlapping windows and mirrored pairs tell less', () => {
    const random = randomStream(14);
    const steps = Float64Array.from({ length: 2000 }, random.normal);
    const windows = Array.from({ length: 1981 }, (_, start) =>
      steps.subarray(start, start + 20).reduce((sum, value) => sum + value, 0),
    );
    const plain = bootstrapTail(windows, 0.95, { kind: 'independent' }, randomStream(1));
    const blocks = bootstrapTail(windows, 0.95, { kind: 'blocks', length: 20 }, randomStream(1));
    expect(blocks.valueAtRisk.standardError).toBeGreaterThan(2 * plain.valueAtRisk.standardError);
    // A loss that is even in the draw comes twice in each pair: the error is sqrt(2) times as large.
    const even = Array.from({ length: 2000 }, (_, index) => steps[index >>> 1]! ** 2);
    const single = bootstrapTail(even, 0.95, { kind: 'independent' }, randomStream(1), 2000);
    const pairs = bootstrapTail(even, 0.95, { kind: 'pairs' }, randomStream(1), 2000);
    const ratio = pairs.expectedShortfall.standardError / single.expectedShortfall.standardError;
    expect(Math.abs(ratio - Math.SQRT2)).toBeLessThan(0.15);
  });

  it('are those of the estimators themselves: a sample without variation has no error', () => {
    const error = bootstrapTail([5, 5, 5, 5], 0.75, { kind: 'independent' }, randomStream(1), 50);
    expect(error.valueAtRisk).toEqual({ standardError: 0, lower: 5, upper: 5 });
    expect(error.expectedShortfall).toEqual({ standardError: 0, lower: 5, upper: 5 });
  });
});
