import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normalCdf, normalPdf } from './normal.ts';
import { normalQuantile } from './statistics.ts';
import {
  logBeta,
  logGamma,
  logGammaIncrement,
  regularisedIncompleteBeta,
  studentTCdf,
  studentTExpectedShortfall,
  studentTPdf,
  studentTQuantile,
} from './student-t.ts';

describe('gamma and beta functions', () => {
  it('have known values', () => {
    // 30-digit values of an arbitrary-precision library, rounded.
    const gammas: [number, number][] = [
      [0.1, 2.252712651734206],
      [0.5, 0.5723649429247001],
      [1.5, -0.12078223763524522],
      [10.25, 13.368023671476045],
      [1000.5, 5908.674175848678],
    ];
    for (const [x, value] of gammas)
      expect(Math.abs(logGamma(x) - value)).toBeLessThan(1e-14 * Math.max(1, value));
    const betas: [number, number, number, number][] = [
      [2, 3, 0.4, 0.5248],
      [0.5, 0.5, 0.1, 0.20483276469913347],
      [50, 60, 0.5, 0.8309072939016694],
      [1000, 2, 0.999, 0.7353908495419278],
    ];
    for (const [a, b, x, value] of betas) {
      expect(Math.abs(regularisedIncompleteBeta(x, a, b) / value - 1)).toBeLessThan(2e-13);
    }
    expect(Math.exp(logBeta(2, 3))).toBeCloseTo(1 / 12, 14);
    expect(regularisedIncompleteBeta(0, 2, 3)).toBe(0);
    expect(regularisedIncompleteBeta(1, 2, 3)).toBe(1);
    expect(regularisedIncompleteBeta(1.1, 2, 3)).toBeNaN();
    expect(logGamma(-1)).toBeNaN();
    expect(logGamma(0)).toBe(Number.POSITIVE_INFINITY);
  });

  it('grow by the recurrence of the gamma function', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 1e6, noNaN: true }), (a) => {
        expect(Math.abs(logGammaIncrement(a, 1) - Math.log(a))).toBeLessThan(2e-13);
      }),
    );
  });

  it('mirror: I_x(a, b) + I_{1-x}(b, a) = 1', () => {
    const size = fc.double({ min: 0.05, max: 500, noNaN: true });
    fc.assert(
      fc.property(size, size, fc.double({ min: 0, max: 1, noNaN: true }), (a, b, x) => {
        const sum = regularisedIncompleteBeta(x, a, b) + regularisedIncompleteBeta(1 - x, b, a, x);
        expect(Math.abs(sum - 1)).toBeLessThan(1e-11);
      }),
    );
  });
});

describe("Student's t distribution", () => {
  it('has the quantiles of the published tables', () => {
    // E. Pearson and H. Hartley, "Biometrika Tables for Statisticians", table 12, to the digits given there.
    const table: [number, number, number][] = [
      [0.99, 1, 31.821],
      [0.99, 2, 6.9646],
      [0.99, 3, 4.5407],
      [0.99, 4, 3.7469],
      [0.99, 10, 2.7638],
      [0.99, 30, 2.4573],
      [0.99, 120, 2.3578],
      [0.975, 3, 3.1824],
      [0.975, 4, 2.7764],
      [0.975, 10, 2.2281],
      [0.95, 4, 2.1318],
      [0.9, 5, 1.4759],
      [0.75, 5, 0.7267],
      [0.9995, 10, 4.5869],
    ];
    for (const [level, nu, value] of table) {
      expect(Math.abs(studentTQuantile(level, nu) / value - 1)).toBeLessThan(3e-5);
      expect(studentTQuantile(1 - level, nu)).toBeCloseTo(-studentTQuantile(level, nu), 10);
    }
  });

  it('agrees with an arbitrary-precision library to 1e-12', () => {
    // Degrees of freedom, deviate, probability beyond it.
    const tails: [number, number, number][] = [
      [1, 30, 0.010606402405535424],
      [2.1, 6, 0.011866586940366871],
      [3, 12, 0.0006225079003946684],
      [5.5, 0.5, 0.31822017435770655],
      [30, 6, 6.971384383602371e-7],
      [200, 2.5, 0.006611586320850396],
      [5000, 6, 1.0560481416526935e-9],
      [20_000, 2.5, 0.006213637065997113],
      [1e6, 6, 9.869249061772174e-10],
    ];
    for (const [nu, t, tail] of tails) {
      expect(Math.abs(studentTCdf(-t, nu) / tail - 1)).toBeLessThan(1e-12);
      expect(Math.abs(studentTQuantile(tail, nu) / -t - 1)).toBeLessThan(1e-12);
    }
  });

  it('has closed forms at 1 and 2 degrees of freedom', () => {
    for (const t of [-40, -3, -0.2, 0, 0.5, 7, 1e5]) {
      expect(studentTCdf(t, 1)).toBeCloseTo(0.5 + Math.atan(t) / Math.PI, 14);
      expect(studentTCdf(t, 2)).toBeCloseTo(0.5 + t / (2 * Math.sqrt(2 + t * t)), 14);
      expect(studentTPdf(t, 1)).toBeCloseTo(1 / (Math.PI * (1 + t * t)), 14);
    }
    expect(studentTCdf(-1e200, 1) / (1e-200 / Math.PI)).toBeCloseTo(1, 10);
  });

  it('inverts itself', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1e-12, max: 0.9999, noNaN: true }),
        fc.double({ min: 0.5, max: 1e7, noNaN: true }),
        (probability, nu) => {
          const back = studentTCdf(studentTQuantile(probability, nu), nu);
          expect(Math.abs(back / probability - 1)).toBeLessThan(1e-11);
        },
      ),
    );
  });

  it('becomes normal', () => {
    const infinite = Number.POSITIVE_INFINITY;
    for (const level of [0.6, 0.99, 0.9999]) {
      expect(studentTQuantile(level, infinite)).toBe(normalQuantile(level));
      expect(studentTQuantile(level, 1e12)).toBeCloseTo(normalQuantile(level), 10);
      const shortfall = normalPdf(normalQuantile(level)) / (1 - level);
      expect(studentTExpectedShortfall(level, infinite)).toBeCloseTo(shortfall, 12);
      expect(studentTExpectedShortfall(level, 1e9)).toBeCloseTo(shortfall, 7);
    }
    expect(studentTCdf(-3, infinite)).toBe(normalCdf(-3));
  });

  it('has the expected shortfall that integrating quantiles gives', () => {
    for (const nu of [2.5, 4, 10]) {
      for (const level of [0.95, 0.99]) {
        // Mean of the quantile over the tail, with u = (1 - level) w^4 to tame the end.
        const cells = 20_000;
        let sum = 0;
        for (let cell = 0; cell < cells; cell++) {
          const w = (cell + 0.5) / cells;
          sum -= (studentTQuantile((1 - level) * w ** 4, nu) * 4 * w ** 3) / cells;
        }
        expect(Math.abs(sum / studentTExpectedShortfall(level, nu) - 1)).toBeLessThan(1e-5);
      }
    }
  });

  it('refuses what is outside its ranges', () => {
    const code = (run: () => unknown, expected: string) =>
      expect(run).toThrowError(expect.objectContaining({ code: expected }));
    code(() => studentTQuantile(1.1, 4), 'OUT_OF_RANGE');
    code(() => studentTQuantile(Number.NaN, 4), 'NOT_FINITE');
    code(() => studentTQuantile(0.9, 0), 'OUT_OF_RANGE');
    code(() => studentTExpectedShortfall(0.99, 1), 'OUT_OF_RANGE');
    code(() => studentTExpectedShortfall(1, 4), 'OUT_OF_RANGE');
    expect(studentTCdf(1, -1)).toBeNaN();
    expect(studentTQuantile(0, 4)).toBe(Number.NEGATIVE_INFINITY);
    expect(studentTQuantile(1, 4)).toBe(Number.POSITIVE_INFINITY);
  });
});
