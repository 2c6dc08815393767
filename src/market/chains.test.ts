import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { evaluateSurfaceDocument, readSurfaceDocument } from '../input/surface.ts';
import { type BuiltSurface, buildSurface, type SurfaceInput } from './build-surface.ts';
import { quotePoints } from './quotes.ts';
import { fitPillars, interpolatePillars, type VolatilityPoint } from './surface.ts';
import { vegaWeight } from './svi-fit.ts';
import { pillarSpacing, YEAR_SECONDS } from './words.ts';

const DATA = new URL('../../../shared/data/', import.meta.url);
const available = existsSync(DATA);
if (!available) console.warn('Skipped: surfaces of real option chains, since ../shared/data is absent.');

const read = (name: string) => JSON.parse(readFileSync(new URL(name, DATA), 'utf8')) as unknown;
const inputOf = (name: string): SurfaceInput => {
  const request = readSurfaceDocument(read(name));
  if (request.kind !== 'surface') throw new Error('A chain is a surface.');
  return request.input;
};

/** Limits of the loss in vol points, [SVI, pillars, pillars to marks]: about a fifth above what was measured. */
const LIMITS = {
  mark: {
    'btc_chain_2026-01-14.json': [0.18, 0.15, 0.15],
    'eth_chain_2026-01-14.json': [0.21, 0.2, 0.2],
    'btc_chain_2026-02-05.json': [0.65, 0.78, 0.78],
    'eth_chain_2026-02-05.json': [0.95, 0.9, 0.9],
  },
  mid: {
    'btc_chain_2026-01-14.json': [0.33, 0.25, 0.48],
    'eth_chain_2026-01-14.json': [0.34, 0.35, 0.45],
    'btc_chain_2026-02-05.json': [1.2, 1.7, 2.3],
    'eth_chain_2026-02-05.json': [2.4, 2.2, 2.5],
  },
} as const;

describe.skipIf(!available)('real option chains', () => {
  for (const target of ['mark', 'mid'] as const) {
    for (const [name, limits] of Object.entries(LIMITS[target])) {
      it(`${name} is fitted to its ${target}s`, () => {
        const answer = evaluateSurfaceDocument(read(name), { target });
        const surface = (answer as { surface: BuiltSurface }).surface;
        const { loss } = surface;
        const found = [loss.svi.rms, loss.pillars.rms, loss.pillarsToMarks!.rms].map((value) => 100 * value);
        console.log(
          `${name} by ${target}: SVI ${found[0]!.toFixed(3)}, pillars ${found[1]!.toFixed(3)}, pillars to marks ` +
            `${found[2]!.toFixed(3)}; median ${(100 * loss.pillars.median).toFixed(3)}, largest ` +
            `${(100 * loss.pillars.max).toFixed(1)} at ${loss.pillars.maxExpiry} ${loss.pillars.maxStrike}, near the money ` +
            `${(100 * loss.pillars.maxNear).toFixed(2)}; arbitrage ${surface.arbitrage.svi.length} and ` +
            `${surface.arbitrage.pillars.length} ranges`,
        );
        found.forEach((value, index) => {
          expect(value).toBeLessThan(limits[index]!);
        });
        const input = inputOf(name);
        expect(surface.expiries).toHaveLength(input.expiries.length);
        for (const [index, expiry] of surface.expiries.entries()) {
          // Every quote is either used or left out with a reason.
          const left = expiry.leftOut.filter(({ side }) => side === undefined).length;
          expect(expiry.residuals.length + left).toBe(input.expiries[index]!.quotes!.length);
          expect(expiry.residuals.length).toBeGreaterThanOrEqual(10);
          const atTheMoney = expiry.pillarVolatilities[4]!;
          expect(Math.abs(atTheMoney - Math.sqrt(surfaceAt(expiry)))).toBeLessThan(
            (target === 'mark' ? 0.05 : 0.15) * atTheMoney,
          );
        }
        // No SVI fit keeps an arbitrage, calm or not, when it is drawn to the marks.
        if (target === 'mark') expect(surface.arbitrage.svi).toEqual([]);
      });
    }
  }

  it('finds the volatilities of bids and asks from coin prices that others found', () => {
    const errors: number[] = [];
    let missing = 0;
    for (const name of Object.keys(LIMITS.mid)) {
      const input = inputOf(name);
      for (const { expiry, forward, quotes } of input.expiries) {
        const years = (expiry - input.asOf) / YEAR_SECONDS;
        for (const quote of quotes!) {
          for (const side of ['bid', 'ask'] as const) {
            const [price, published] = [quote[side], quote[`${side}Vol`]];
            if (!price || !published) continue;
            // An in-the-money volatility hangs on the last digit of the price.
            if ((quote.type === 'C') !== quote.strike >= forward) continue;
            const { points } = quotePoints([{ strike: quote.strike, type: quote.type, mark: price }], {
              forward,
              years,
              priceUnit: 'coin',
            });
            if (points.length === 0) {
              missing++;
              continue;
            }
            errors.push(Math.abs(points[0]!.volatility / published - 1));
          }
        }
      }
    }
    errors.sort((a, b) => a - b);
    expect(missing).toBe(0);
    expect(errors.length).toBeGreaterThan(2_500);
    // Published to four places, for time counted from a second that is not told.
    expect(errors[errors.length >> 1]!).toBeLessThan(2e-4);
    expect(errors.at(-1)!).toBeLessThan(0.01);
  });

  it('pillars led by the curve lose less than others on strikes they have not seen', () => {
    let [led, alone, count] = [0, 0, 0];
    for (const name of Object.keys(LIMITS.mid)) {
      const input = inputOf(name);
      for (const parity of [0, 1]) {
        const half: SurfaceInput = {
          ...input,
          expiries: input.expiries.map((expiry) => ({
            ...expiry,
            quotes: everySecondStrike(expiry.quotes!, parity),
          })),
        };
        const surface = buildSurface(half, { target: 'mark' });
        for (const [index, expiry] of surface.expiries.entries()) {
          const context = { forward: expiry.forward, years: expiry.years, target: 'mark' as const };
          const all = input.expiries[index]!.quotes!;
          const seen = quotePoints(everySecondStrike(all, parity), context).points;
          const unseen = quotePoints(everySecondStrike(all, 1 - parity), context).points;
          const spacing = pillarSpacing(expiry.pillars.spacingExponent);
          count++;
          led += squaredLoss(expiry.pillarVolatilities, spacing, unseen, expiry.years);
          const fit = fitPillars(seen, expiry.years);
          const own = pillarSpacing(fit.spacingExponent);
          alone += squaredLoss(
            fit.vols.map((value) => (Number(value) / 65_536) * own),
            own,
            unseen,
            expiry.years,
          );
        }
      }
    }
    const rms = (sum: number) => (100 * Math.sqrt(sum / count)).toFixed(3);
    console.log(
      `Strikes not fitted to, rms in vol points: quotes alone ${rms(alone)}, led by the curve ${rms(led)}`,
    );
    expect(led).toBeLessThan(alone);
  });
});

function everySecondStrike<Quote extends { strike: number }>(
  quotes: readonly Quote[],
  parity: number,
): Quote[] {
  const strikes = [...new Set(quotes.map(({ strike }) => strike))].sort((a, b) => a - b);
  const kept = new Set(strikes.filter((_, index) => index % 2 === parity));
  return quotes.filter(({ strike }) => kept.has(strike));
}

function squaredLoss(
  pillars: readonly number[],
  spacing: number,
  points: readonly VolatilityPoint[],
  years: number,
): number {
  const root = Math.sqrt(years);
  let [squares, total] = [0, 0];
  for (const { logMoneyness, volatility } of points) {
    const weight = vegaWeight(logMoneyness, volatility * root);
    const error = interpolatePillars(pillars, logMoneyness / (spacing * root)) - volatility;
    squares += weight * error * error;
    total += weight;
  }
  return squares / total;
}

/** Variance at the money by SVI. */
function surfaceAt({ svi, sviYears }: BuiltSurface['expiries'][number]): number {
  return (svi.a + svi.b * (-svi.rho * svi.m + Math.hypot(svi.m, svi.sigma))) / sviYears;
}
