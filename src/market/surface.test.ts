import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ZkMarginError } from '../errors.ts';
import {
  boundPillars,
  type FloatExpiry,
  findStaticArbitrage,
  fitPillars,
  interpolatePillars,
  surfaceDerivatives,
  surfaceVolatility,
  sviCap,
  sviTotalVariance,
  sviVolatility,
  type VolatilityPoint,
} from './surface.ts';
import { pillarSpacing, YEAR_SECONDS } from './words.ts';

const DATA = new URL('../../../shared/data/', import.meta.url);
const VECTORS = new URL('../../../shared/vectors/', import.meta.url);
const available = existsSync(DATA) && existsSync(VECTORS);
if (!available) console.warn('Skipped: fits of real option chains, since ../shared/data is absent.');

interface Chain {
  timestamp: string;
  expiries: { expiry: string; forward: number; rows: (number | string | null)[][] }[];
}

const EXPIRY: FloatExpiry = {
  expiryHour: 1,
  forward: 100,
  discount: 1,
  tenor: YEAR_SECONDS / 4,
  years: 0.25,
  spacing: 0.5,
  pillars: Float64Array.of(1.1, 0.9, 0.75, 0.65, 0.6, 0.58, 0.62, 0.7),
};

describe('interpolation', () => {
  it('passes through pillars, is flat beyond, and linear data stay linear inside', () => {
    for (let pillar = 0; pillar < 8; pillar++) {
      expect(interpolatePillars(EXPIRY.pillars, pillar - 4)).toBeCloseTo(EXPIRY.pillars[pillar]!, 15);
    }
    expect(interpolatePillars(EXPIRY.pillars, -9)).toBe(1.1);
    expect(interpolatePillars(EXPIRY.pillars, 9)).toBeCloseTo(0.7, 15);
    const line = [0, 1, 2, 3, 4, 5, 6, 7];
    for (let z = -3; z <= 2; z += 0.1) expect(interpolatePillars(line, z)).toBeCloseTo(z + 4, 12);
  });

  it('has the derivatives that differences show, and is smooth at every pillar', () => {
    for (let k = -1.2; k < 1; k += 0.0137) {
      const h = 1e-5;
      const [volatility, first] = surfaceDerivatives(EXPIRY, k);
      const [up, down] = [surfaceVolatility(EXPIRY, k + h), surfaceVolatility(EXPIRY, k - h)];
      expect(volatility).toBeCloseTo(surfaceVolatility(EXPIRY, k), 13);
      expect((up - down) / (2 * h)).toBeCloseTo(first, 3);
    }
    for (let pillar = 0; pillar < 8; pillar++) {
      const k = (pillar - 4) * 0.25;
      expect(surfaceDerivatives(EXPIRY, k - 1e-9)[1]).toBeCloseTo(surfaceDerivatives(EXPIRY, k + 1e-9)[1], 6);
    }
  });
});

describe('SVI', () => {
  it.skipIf(!available)('agrees with published values', () => {
    const { vectors } = JSON.parse(readFileSync(new URL('svi.json', VECTORS), 'utf8')) as {
      vectors: Record<string, number>[];
    };
    for (const row of vectors) {
      const svi = { a: row.a!, b: row.b!, rho: row.rho!, m: row.m!, sigma: row.sigma! };
      if (row.w !== undefined) {
        expect(Math.abs(sviTotalVariance(svi, row.k!) - row.w)).toBeLessThanOrEqual(row.tol!);
        continue;
      }
      // Rows that disagree with an independent recomputation carry the difference in `err`.
      if (row.err !== undefined && row.err > row.tol!) continue;
      const volatility = sviVolatility(svi, Math.log(row.K! / row.F!), row.T!, sviCap(svi));
      expect(Math.abs(volatility - row.vol!), `${row.id}`).toBeLessThanOrEqual(row.tol!);
    }
  });
});

describe('fit', () => {
  it('finds the pillars that points were taken from', () => {
    const pillar = fc.double({ min: 0.6, max: 1.1, noNaN: true });
    const pillars = fc.tuple(pillar, pillar, pillar, pillar, pillar, pillar, pillar, pillar);
    fc.assert(
      fc.property(pillars, fc.constantFrom(0, 1, 2, 3), (relative, exponent) => {
        const spacing = pillarSpacing(exponent as 0);
        const truth = relative.map((value) => value * spacing);
        const points: VolatilityPoint[] = [];
        for (let z = -4.5; z <= 3.5; z += 0.05) {
          points.push({ logMoneyness: z * spacing * 0.5, volatility: interpolatePillars(truth, z) });
        }
        const fit = fitPillars(points, 0.25, { ridge: 1e-14, spacingExponent: exponent as 0 });
        expect(fit.rms).toBeLessThan(2e-5 * spacing);
        const chosen = fitPillars(points, 0.25, { ridge: 1e-14 });
        expect(chosen.rms).toBeLessThanOrEqual(fit.rms);
      }),
      { numRuns: 50 },
    );
  });

  it('keeps pillars within their bounds whatever it is given', () => {
    const point = fc.record({
      logMoneyness: fc.double({ min: -3, max: 3, noNaN: true }),
      volatility: fc.double({ min: 0.01, max: 20, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(point, { minLength: 1, maxLength: 12 }), (points) => {
        const { vols } = fitPillars(points, 0.1);
        for (let pillar = 0; pillar < 8; pillar++) {
          expect(vols[pillar]! >= 2n ** 15n && vols[pillar]! < 2n ** 19n).toBe(true);
          if (pillar === 0) continue;
          expect(vols[pillar]! <= 2n * vols[pillar - 1]! && vols[pillar - 1]! <= 2n * vols[pillar]!).toBe(
            true,
          );
        }
      }),
    );
    expect(boundPillars([1e9, 0, 1e9, 0, 1e9, 0, 1e9, 0])).toHaveLength(8);
  });

  it('refuses what cannot be fitted', () => {
    expect(() => fitPillars([], 0.1)).toThrow(ZkMarginError);
    expect(() => fitPillars([{ logMoneyness: Number.NaN, volatility: 0.5 }], 0.1)).toThrow(/logMoneyness/);
    expect(() => fitPillars([{ logMoneyness: 0, volatility: 0 }], 0.1)).toThrow(/volatility/);
  });

  it.skipIf(!available)('loses little on real option chains', () => {
    const limits: Record<string, number> = { '2026-01-14': 0.2, '2026-02-05': 1 };
    for (const day of Object.keys(limits)) {
      for (const asset of ['btc', 'eth']) {
        const chain = JSON.parse(readFileSync(new URL(`${asset}_chain_${day}.json`, DATA), 'utf8')) as Chain;
        let squares = 0;
        let total = 0;
        let worst = { error: 0, expiry: '', k: 0 };
        const parts: string[] = [];
        for (const expiry of chain.expiries) {
          const years = (Date.parse(expiry.expiry) - Date.parse(chain.timestamp)) / 1000 / YEAR_SECONDS;
          const points = expiry.rows
            .filter((row) => (row[1] === 'C') === (row[0] as number) >= expiry.forward)
            .filter((row) => typeof row[2] === 'number' && row[2] > 0.01)
            .map((row) => ({
              logMoneyness: Math.log((row[0] as number) / expiry.forward),
              volatility: row[2] as number,
            }));
          if (points.length < 4) continue;
          const fit = fitPillars(points, years);
          squares += fit.rms * fit.rms;
          total++;
          // The largest error within two and a half standard deviations at the money.
          const spacing = pillarSpacing(fit.spacingExponent);
          const pillars = fit.vols.map((value) => (Number(value) / 65536) * spacing);
          for (const point of points) {
            if (Math.abs(point.logMoneyness) > 2.5 * pillars[4]! * Math.sqrt(years)) continue;
            const z = point.logMoneyness / (spacing * Math.sqrt(years));
            const error = Math.abs(interpolatePillars(pillars, z) - point.volatility);
            if (error > worst.error)
              worst = { error, expiry: expiry.expiry.slice(0, 10), k: point.logMoneyness };
          }
          parts.push(`${expiry.expiry.slice(2, 10)} h=${spacing} ${(fit.rms * 100).toFixed(3)}`);
        }
        const rms = Math.sqrt(squares / total) * 100;
        console.log(
          `${asset} ${day}: rms ${rms.toFixed(3)} vol points (vega-weighted), largest within 2.5 standard deviations ` +
            `${(worst.error * 100).toFixed(2)} at ${worst.expiry} ln(K/F) = ${worst.k.toFixed(3)}\n  ${parts.join(' | ')}`,
        );
        expect(rms).toBeLessThan(limits[day]!);
      }
    }
  });
});

describe('static arbitrage', () => {
  it('finds none on a flat surface, and finds what was put there', () => {
    const flat = (years: number, volatility: number): FloatExpiry => ({
      ...EXPIRY,
      expiryHour: Math.round(years * 8760),
      years,
      pillars: new Float64Array(8).fill(volatility),
    });
    expect(findStaticArbitrage([flat(0.1, 0.5), flat(0.5, 0.5)])).toEqual([]);
    const calendar = findStaticArbitrage([flat(0.1, 0.9), flat(0.11, 0.5)]);
    expect(calendar.length).toBeGreaterThan(0);
    expect(calendar.every((place) => place.kind === 'calendar' && place.value < 0)).toBe(true);
    const spike = { ...flat(0.5, 0.5), pillars: Float64Array.of(0.5, 0.5, 0.5, 0.5, 0.9, 0.5, 0.5, 0.5) };
    expect(findStaticArbitrage([spike]).some((place) => place.kind === 'butterfly')).toBe(true);
  });
});
