import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { moments, normalQuantile } from '../math/float/statistics.ts';
import {
  cornishFisher,
  cornishFisherIsValid,
  cornishFisherMoments,
  cornishFisherParameters,
  cornishFisherTail,
} from './cornish-fisher.ts';

describe('Cornish-Fisher expansion', () => {
  it('has the values that the documentation of mir.stat gives', () => {
    const z = normalQuantile(0.99);
    expect(cornishFisher(z, 0.1, 0)).toBeCloseTo(2.396116, 6);
    expect(cornishFisher(z, 0.1, 1)).toBeCloseTo(2.629904, 6);
    expect(cornishFisher(z, 0.1, -1)).toBeCloseTo(2.162328, 6);
    expect(cornishFisher(-z, 0.1, 1)).toBeCloseTo(-2.482841, 6);
    expect(cornishFisher(0, 1, 0)).toBeCloseTo(-1 / 6, 12);
  });

  it('is valid exactly where it rises', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -3, max: 3, noNaN: true }),
        fc.double({ min: -1, max: 15, noNaN: true }),
        (skewness, kurtosis) => {
          // Where the square term all but vanishes, the grid below does not reach the bottom.
          fc.pre(Math.abs(kurtosis / 8 - (skewness * skewness) / 6) > 0.01);
          // Smallest slope, from its own formula, on a fine grid around its bottom.
          let least = Number.POSITIVE_INFINITY;
          for (let z = -40; z <= 40; z += 0.05) {
            const slope =
              1 +
              (z * skewness) / 3 +
              ((3 * z * z - 3) * kurtosis) / 24 -
              ((6 * z * z - 5) * skewness * skewness) / 36;
            least = Math.min(least, slope);
          }
          if (least < -1e-3) expect(cornishFisherIsValid(skewness, kurtosis)).toBe(false);
          if (least > 1e-3) expect(cornishFisherIsValid(skewness, kurtosis)).toBe(true);
        },
      ),
    );
    // Maillard's widest skewness: 6 (sqrt(2) - 1).
    const widest = 6 * (Math.SQRT2 - 1);
    const someKurtosis = (skewness: number) =>
      Array.from({ length: 2000 }, (_, index) => index / 100).some((k) => cornishFisherIsValid(skewness, k));
    expect(someKurtosis(widest - 0.01)).toBe(true);
    expect(someKurtosis(widest + 0.01)).toBe(false);
  });

  it('has the moments that simulation gives, and inverts them', () => {
    const grid = Float64Array.from({ length: 200_000 }, (_, index) =>
      cornishFisher(normalQuantile((index + 0.5) / 200_000), 0.8, 2),
    );
    const simulated = moments(grid);
    const exact = cornishFisherMoments(0.8, 2);
    expect(simulated.mean).toBeCloseTo(0, 3);
    expect(simulated.standardDeviation).toBeCloseTo(exact.standardDeviation, 3);
    expect(simulated.skewness).toBeCloseTo(exact.skewness, 2);
    expect(Math.abs(simulated.excessKurtosis - exact.excessKurtosis)).toBeLessThan(0.05);
    for (let s = -2.4; s <= 2.4; s += 0.3) {
      for (let k = 0; k <= 12; k += 0.5) {
        if (!cornishFisherIsValid(s, k)) continue;
        const own = cornishFisherMoments(s, k);
        const found = cornishFisherParameters(own.skewness, own.excessKurtosis);
        expect(found!.skewness).toBeCloseTo(s, 5);
        expect(found!.kurtosis).toBeCloseTo(k, 5);
      }
    }
  });

  it('gives a tail that agrees with its own quantiles, and none outside the domain', () => {
    const figure = cornishFisherTail(
      { count: 1, mean: 10, standardDeviation: 5, skewness: 1, excessKurtosis: 3 },
      0.95,
    );
    if (!figure.valid) throw new Error(figure.reason);
    const own = cornishFisherMoments(figure.parameters.skewness, figure.parameters.kurtosis);
    let mean = 0;
    const cells = 100_000;
    for (let cell = 0; cell < cells; cell++) {
      const z = normalQuantile(1 - (0.05 * (cell + 0.5)) / cells);
      mean += cornishFisher(z, figure.parameters.skewness, figure.parameters.kurtosis) / cells;
    }
    expect(figure.expectedShortfall).toBeCloseTo(10 + (5 * mean) / own.standardDeviation, 2);
    expect(figure.expectedShortfall).toBeGreaterThan(figure.valueAtRisk);
    const outside = cornishFisherTail({ ...figureMoments, skewness: 3, excessKurtosis: 1 }, 0.95);
    expect(outside.valid).toBe(false);
    const normal = cornishFisherTail({ ...figureMoments, skewness: 0, excessKurtosis: 0 }, 0.99);
    expect(normal).toMatchObject({ valid: true });
    if (normal.valid) expect(normal.valueAtRisk).toBeCloseTo(normalQuantile(0.99), 10);
  });
});

const figureMoments = { count: 1, mean: 0, standardDeviation: 1 };
