import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ZkMarginError } from '../../errors.ts';
import { normalCdf } from './normal.ts';
import { cholesky, mahalanobisSquared, moments, normalQuantile, secondMoments } from './statistics.ts';

describe('moments', () => {
  it('are right for a sample by hand', () => {
    // Mean 2, deviations -2 -1 0 3: squares 4 1 0 9, cubes -8 -1 0 27, fourth powers 16 1 0 81.
    const result = moments([0, 1, 2, 5]);
    expect(result.mean).toBe(2);
    expect(result.standardDeviation).toBeCloseTo(Math.sqrt(3.5), 14);
    expect(result.skewness).toBeCloseTo(4.5 / 3.5 ** 1.5, 14);
    expect(result.excessKurtosis).toBeCloseTo(24.5 / 3.5 ** 2 - 3, 14);
  });

  it('are those of no variation for a constant, and refuse nothing', () => {
    expect(moments([0.1, 0.1, 0.1])).toMatchObject({ standardDeviation: 0, skewness: 0, excessKurtosis: 0 });
    expect(() => moments([])).toThrowError(expect.objectContaining({ code: 'NOT_ENOUGH_DATA' }));
  });

  it('neither overflow nor vanish', () => {
    const small = moments([1e-120, 2e-120, 4e-120]);
    const large = moments([1e120, 2e120, 4e120]);
    expect(small.skewness).toBeCloseTo(large.skewness, 12);
    expect(large.standardDeviation / small.standardDeviation / 1e240).toBeCloseTo(1, 12);
  });
});

describe('normalQuantile', () => {
  it('has known values', () => {
    // 30-digit values of an arbitrary-precision library, rounded.
    expect(normalQuantile(0.5)).toBe(0);
    expect(normalQuantile(0.01) / -2.326347874040841).toBeCloseTo(1, 15);
    expect(normalQuantile(0.3) / -0.5244005127080408).toBeCloseTo(1, 15);
    expect(normalQuantile(1e-10) / -6.361340902404056).toBeCloseTo(1, 15);
    expect(normalQuantile(1e-100) / -21.273453560965326).toBeCloseTo(1, 15);
    expect(normalQuantile(0)).toBe(Number.NEGATIVE_INFINITY);
    expect(normalQuantile(1)).toBe(Number.POSITIVE_INFINITY);
    expect(normalQuantile(-0.1)).toBeNaN();
    expect(normalQuantile(Number.NaN)).toBeNaN();
  });

  it('is the inverse of the distribution function', () => {
    fc.assert(
      fc.property(fc.double({ min: -37, max: 5, noNaN: true }), (x) => {
        const error = Math.abs(normalQuantile(normalCdf(x)) - x);
        // Towards 1 a probability has no room for more digits.
        expect(error).toBeLessThan(
          1e-13 * Math.max(1, Math.abs(x)) + (x > 0 ? 1e-16 * Math.exp((x * x) / 2 + 2) : 0),
        );
      }),
    );
  });
});

describe('covariances and their factors', () => {
  it('are right by hand', () => {
    expect(
      secondMoments([
        [1, -1, 2],
        [2, 0, 2],
      ]),
    ).toEqual([
      [2, 2],
      [2, 8 / 3],
    ]);
    expect(secondMoments([[1, -1, 2]], [0, 1, 3])).toEqual([[13 / 4]]);
    const factor = cholesky([
      [4, 2],
      [2, 5],
    ]);
    expect(factor.lower).toEqual([
      [2, 0],
      [1, 2],
    ]);
    expect(factor.logDeterminant).toBeCloseTo(Math.log(16), 14);
    expect(mahalanobisSquared(factor, [2, 5])).toBeCloseTo(1 + 4, 14);
  });

  it('refuse unequal lengths, empty series and matrices that are no covariances', () => {
    expect(() => secondMoments([[1, 2], [1]])).toThrowError(expect.objectContaining({ code: 'MALFORMED' }));
    expect(() => secondMoments([[]])).toThrowError(expect.objectContaining({ code: 'NOT_ENOUGH_DATA' }));
    const refused = (matrix: number[][], code: string) =>
      expect(() => cholesky(matrix)).toThrowError(expect.objectContaining({ code }));
    refused(
      [
        [1, 2],
        [2, 1],
      ],
      'FIT_FAILED',
    );
    refused([[-1]], 'FIT_FAILED');
    refused(
      [
        [0, 1],
        [1, 1],
      ],
      'FIT_FAILED',
    );
    refused(
      [
        [1, Number.NaN],
        [Number.NaN, 1],
      ],
      'NOT_FINITE',
    );
  });

  it('take singular matrices: the factor gives the matrix back', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 6, maxLength: 6 }), {
          minLength: 1,
          maxLength: 5,
        }),
        (copies, rows) => {
          const series = [...rows, ...rows.slice(0, copies)];
          const matrix = secondMoments(series);
          const { lower, rank } = cholesky(matrix);
          expect(rank).toBeLessThanOrEqual(Math.min(rows.length, 6));
          for (let i = 0; i < series.length; i++) {
            for (let j = 0; j < series.length; j++) {
              const product = lower[i]!.reduce((sum, value, k) => sum + value * lower[j]![k]!, 0);
              expect(Math.abs(product - matrix[i]![j]!)).toBeLessThan(1e-6);
            }
          }
        },
      ),
    );
  });

  it('never throw anything but a typed error', () => {
    const entry = fc.oneof(fc.double(), fc.integer({ min: -3, max: 3 }));
    fc.assert(
      fc.property(
        fc.array(fc.array(entry, { minLength: 4, maxLength: 4 }), { minLength: 4, maxLength: 4 }),
        (matrix) => {
          try {
            cholesky(matrix);
          } catch (error) {
            expect(error).toBeInstanceOf(ZkMarginError);
          }
        },
      ),
    );
  });
});
