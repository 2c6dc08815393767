import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ZkMarginError } from '../errors.ts';
import { butterflyDensity } from './arbitrage.ts';
import { type SviParameters, sviSmile, sviTotalVariance, sviVolatility } from './surface.ts';
import { fitSvi, MAX_WING_SLOPE, type SviPoint } from './svi-fit.ts';

/** Points of a curve, at so many strikes within ±width standard deviations. */
function sample(svi: SviParameters, years: number, count = 31, width = 3): SviPoint[] {
  const deviation = Math.sqrt(sviTotalVariance(svi, 0));
  return Array.from({ length: count }, (_, index) => {
    const logMoneyness = ((2 * index) / (count - 1) - 1) * width * deviation;
    return { logMoneyness, volatility: sviVolatility(svi, logMoneyness, years) };
  });
}

/** A deterministic stand-in for noise, uniform within ±1. */
function noise(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (2 * state) / 2 ** 32 - 1;
  };
}

const MODEST: SviParameters = { a: 0.0021, b: 0.0416, rho: -0.29, m: -0.026, sigma: 0.063 };
/** Vogt's parameters, which admit butterflies (Gatheral and Jacquier 2014, section 3.1). */
const VOGT: SviParameters = { a: -0.041, b: 0.1331, rho: 0.306, m: 0.3586, sigma: 0.4153 };

describe('fit of SVI', () => {
  it('finds the parameters that volatilities were taken from', () => {
    const fit = fitSvi(sample(MODEST, 0.0252), 0.0252);
    for (const name of ['a', 'b', 'rho', 'm', 'sigma'] as const) {
      expect(Math.abs(fit.svi[name] - MODEST[name]), name).toBeLessThan(1e-6);
    }
    expect(fit.rms).toBeLessThan(1e-8);
    expect(fit.arbitrage).toBe('none');
    // A negative a, which the original method excludes, is found as well.
    const vogt = fitSvi(sample(VOGT, 1), 1, { arbitrageFree: false });
    for (const name of ['a', 'b', 'rho', 'm', 'sigma'] as const) {
      expect(Math.abs(vogt.svi[name] - VOGT[name]), name).toBeLessThan(1e-5);
    }
  });

  it('finds curves of every shape, within bounds, whatever the order of points', () => {
    fc.assert(
      fc.property(
        fc.record({
          volatility: fc.double({ min: 0.1, max: 2.5, noNaN: true }),
          years: fc.constantFrom(1 / 365, 7 / 365, 0.1, 0.5, 2),
          slope: fc.double({ min: 0.1, max: 1.2, noNaN: true }),
          rho: fc.double({ min: -0.9, max: 0.9, noNaN: true }),
          shift: fc.double({ min: -0.7, max: 0.7, noNaN: true }),
          bend: fc.double({ min: 0.2, max: 2, noNaN: true }),
        }),
        ({ volatility, years, slope, rho, shift, bend }) => {
          const deviation = volatility * Math.sqrt(years);
          const b = Math.min(slope * deviation, 1.9 / (1 + Math.abs(rho)));
          const [m, sigma] = [shift * deviation, bend * deviation];
          // Chosen so that the volatility at the money is as asked.
          const a = deviation ** 2 - b * (-rho * m + Math.hypot(m, sigma));
          if (a + b * sigma * Math.sqrt(1 - rho * rho) < 0.05 * deviation ** 2) return;
          const truth = { a, b, rho, m, sigma };
          const points = sample(truth, years);
          const fit = fitSvi(points, years, { arbitrageFree: false });
          expect(fit.rms / volatility).toBeLessThan(1e-4);
          expect(fit.svi.b * (1 + Math.abs(fit.svi.rho))).toBeLessThanOrEqual(MAX_WING_SLOPE);
          expect(Math.abs(fit.svi.rho)).toBeLessThan(1);
          expect(fitSvi([...points].reverse(), years, { arbitrageFree: false }).svi).toEqual(fit.svi);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is close to the truth under noise, and outliers hardly move it', () => {
    const next = noise(7);
    const points = sample(MODEST, 0.0252, 41);
    const noisy = points.map((point) => ({ ...point, volatility: point.volatility + 0.005 * next() }));
    const fit = fitSvi(noisy, 0.0252);
    const apart = (svi: SviParameters) =>
      Math.max(
        ...points
          .filter(({ logMoneyness }) => Math.abs(logMoneyness) < 0.15)
          .map(({ logMoneyness, volatility }) =>
            Math.abs(sviVolatility(svi, logMoneyness, 0.0252) - volatility),
          ),
      );
    expect(fit.rms).toBeLessThan(0.005);
    expect(apart(fit.svi)).toBeLessThan(0.004);
    const spoilt = noisy.map((point, index) =>
      index % 10 === 5 ? { ...point, volatility: point.volatility + 0.3 } : point,
    );
    const robust = fitSvi(spoilt, 0.0252);
    expect(apart(robust.svi)).toBeLessThan(0.012);
    expect(robust.max).toBeGreaterThan(0.25);
    // Residuals are in the order given, and their largest is where it is said to be.
    const worst = robust.residuals.reduce(
      (best, error, index) => (Math.abs(error) > Math.abs(robust.residuals[best]!) ? index : best),
      0,
    );
    expect(spoilt[worst]!.logMoneyness).toBe(robust.maxAt);
    expect(Math.abs(robust.residuals[worst]!)).toBe(robust.max);
  });

  it('removes a butterfly where that costs little, and says when it does not', () => {
    // Its butterflies lie beyond ln(K/F) = 0.7, five deviations at the money.
    const points = sample(VOGT, 1, 41, 10);
    const kept = fitSvi(points, 1, { arbitrageFree: false });
    expect(kept.arbitrage).toBe('kept');
    const fit = fitSvi(points, 1);
    expect(fit.arbitrage).toBe('removed');
    expect(fit.rms).toBeLessThan(fit.unpenalisedRms + 0.01);
    const smile = sviSmile(fit.svi, 1, { name: '', years: 1, forward: 1 });
    for (let step = -300; step <= 300; step++) {
      const k = (step / 100) * smile.deviation;
      expect(butterflyDensity(k, smile.totalVariance(k))).toBeGreaterThanOrEqual(0);
    }
  });

  it('lies above the expiry before where that costs little', () => {
    const points = sample(MODEST, 0.0252);
    const floor = (k: number) => sviTotalVariance(MODEST, k) * 1.005;
    const fit = fitSvi(points, 0.0252, { floor });
    expect(fit.arbitrage).toBe('removed');
    const deviation = Math.sqrt(sviTotalVariance(MODEST, 0));
    for (let k = -3 * deviation; k <= 3 * deviation; k += deviation / 50) {
      expect(sviTotalVariance(fit.svi, k) - floor(k)).toBeGreaterThanOrEqual(0);
    }
    // A floor far above the quotes is not followed.
    const far = fitSvi(points, 0.0252, { floor: (k) => sviTotalVariance(MODEST, k) * 1.5 });
    expect(far.arbitrage).toBe('kept');
    expect(far.rms).toBeLessThan(1e-6);
  });

  it('averages very many points and still finds the curve', () => {
    const fit = fitSvi(sample(MODEST, 0.0252, 20_000), 0.0252);
    expect(fit.residuals).toHaveLength(20_000);
    expect(fit.rms).toBeLessThan(1e-4);
  });

  it('gives a curve or a typed error for any points', () => {
    const point = fc.record({
      logMoneyness: fc.double({ min: -21, max: 21 }),
      volatility: fc.double({ min: -0.1, max: 101 }),
      weight: fc.double({ min: 0, max: 1e12 }),
    });
    fc.assert(
      fc.property(
        fc.array(point, { maxLength: 14 }),
        fc.double({ min: 1e-9, max: 1e3, noNaN: true }),
        (points, years) => {
          try {
            const { svi, rms, max } = fitSvi(points, years);
            for (const value of [svi.a, svi.b, svi.rho, svi.m, svi.sigma, rms, max]) {
              expect(Number.isFinite(value)).toBe(true);
            }
            const lowest = svi.a + svi.b * svi.sigma * Math.sqrt(1 - svi.rho * svi.rho);
            expect(lowest).toBeGreaterThanOrEqual(-1e-9 * Math.abs(svi.a));
          } catch (error) {
            if (!(error instanceof ZkMarginError)) throw error;
          }
        },
      ),
      { numRuns: 150 },
    );
    const few = sample(MODEST, 0.0252, 4);
    expect(() => fitSvi(few, 0.0252)).toThrow(expect.objectContaining({ code: 'NOT_ENOUGH_DATA' }));
    expect(() => fitSvi([...few, ...few], 0.0252)).toThrow(
      expect.objectContaining({ code: 'NOT_ENOUGH_DATA' }),
    );
    expect(() => fitSvi([{ logMoneyness: 0, volatility: Number.NaN }], 1)).toThrow(
      expect.objectContaining({ code: 'NOT_FINITE', field: 'points[0].volatility' }),
    );
  });
});
