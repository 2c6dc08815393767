import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findSmileArbitrage } from './arbitrage.ts';
import {
  buildSurface,
  readSurface,
  type SurfaceExpiryInput,
  type SurfaceInput,
  smileOf,
} from './build-surface.ts';
import type { OptionQuote } from './quotes.ts';
import { type SviParameters, sviVolatility } from './surface.ts';
import { packExpiry, YEAR_SECONDS } from './words.ts';

const AS_OF = 1_739_934_000;
const HOUR = 3_600;
const DAY = 24 * HOUR;
/** An expiry on a full hour, so many days on. */
const daysOn = (days: number) => Math.round((AS_OF + days * DAY) / HOUR) * HOUR;

/** The surface SVI of Gatheral and Jacquier 2014 (equation 4.10): power law, free of static arbitrage. */
function powerLaw(years: number, volatility = 0.6, rho = -0.3, eta = 0.7): SviParameters {
  const theta = volatility * volatility * years;
  const phi = eta / Math.sqrt(theta * (1 + theta));
  const root = Math.sqrt(1 - rho * rho);
  return {
    a: (theta / 2) * (1 - rho * rho),
    b: (theta * phi) / 2,
    rho,
    m: -rho / phi,
    sigma: root / phi,
  };
}

function quotesOf(svi: SviParameters, years: number, forward: number, shift = 0): OptionQuote[] {
  const deviation = Math.sqrt(svi.a + svi.b * svi.sigma) * 1.2;
  return Array.from({ length: 33 }, (_, index) => {
    const k = ((index - 16) / 16) * 2.8 * deviation;
    const markVol = sviVolatility(svi, k, years) + shift;
    return {
      strike: forward * Math.exp(k),
      type: k >= 0 ? 'C' : 'P',
      bidVol: markVol - 0.005,
      askVol: markVol + 0.005,
    };
  });
}

function expiryOf(days: number, shift = 0): SurfaceExpiryInput {
  const expiry = daysOn(days);
  const years = (expiry - AS_OF) / YEAR_SECONDS;
  const forward = 100_000 * Math.exp(0.08 * years);
  return {
    expiry,
    forward,
    quotes: quotesOf(powerLaw(years), years, forward, shift),
    discount: Math.exp(-0.04 * years),
  };
}

const surfaceOf = (expiries: SurfaceExpiryInput[]): SurfaceInput => ({
  asOf: AS_OF,
  spot: 100_000,
  expiries,
});

describe('surface', () => {
  const built = buildSurface(
    surfaceOf([expiryOf(30), expiryOf(7), expiryOf(180), expiryOf(90), expiryOf(2)]),
  );

  it('sorts expiries, fits them, and finds no arbitrage in a surface that has none', () => {
    const times = built.expiries.map(({ expiry }) => expiry);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(built.arbitrage.svi).toEqual([]);
    expect(built.loss.svi.rms).toBeLessThan(1e-4);
    expect(built.loss.pillars.rms).toBeLessThan(0.004);
    expect(built.loss.pillars.insideSpread).toBeGreaterThan(0.6);
    for (const expiry of built.expiries) {
      const worst = Math.max(...expiry.residuals.map(({ pillars }) => Math.abs(pillars)));
      expect(expiry.loss.pillars.max).toBe(worst);
      const at = expiry.residuals.find(({ strike }) => strike === expiry.loss.pillars.maxStrike);
      expect(Math.abs(at!.pillars)).toBe(worst);
      // The pillars are those of a word.
      const word = packExpiry({
        expiryHour: expiry.expiry / HOUR,
        forward: BigInt(Math.round(expiry.forward * 1e6)),
        discount: BigInt(Math.round(expiry.discount * 2_097_152)),
        ...expiry.pillars,
      });
      expect(word).toBeGreaterThan(0n);
    }
  });

  it('finds a calendar and a butterfly where they were put', () => {
    const years = (days: number) => (daysOn(days) - AS_OF) / YEAR_SECONDS;
    // The second expiry has less total variance than the first, at every strike.
    const low = powerLaw(years(20));
    const calendar = buildSurface(
      surfaceOf([
        { expiry: daysOn(30), forward: 100_000, svi: powerLaw(years(30)) },
        { expiry: daysOn(40), forward: 100_000, svi: low },
        { expiry: daysOn(90), forward: 100_000, svi: powerLaw(years(90)) },
      ]),
    );
    expect(calendar.arbitrage.svi.map(({ kind, name }) => [kind, name])).toEqual([
      ['calendar', calendar.expiries[1]!.name],
    ]);
    expect(
      calendar.arbitrage.pillars.filter(({ kind }) => kind === 'calendar').map(({ name }) => name),
    ).toContain(calendar.expiries[1]!.name);
    const [range] = calendar.arbitrage.svi;
    const first = smileOf(calendar.expiries[0]!, 'svi');
    const second = smileOf(calendar.expiries[1]!, 'svi');
    const difference = (k: number) => second.totalVariance(k)[0] - first.totalVariance(k)[0];
    expect(range!.value).toBe(difference(range!.logMoneyness));
    expect(range!.strike).toBeCloseTo(100_000 * Math.exp(range!.logMoneyness), 6);
    // Vogt's parameters: g is negative between 0.75 and 1.2 or so (Gatheral and Jacquier 2014, figure 1).
    const vogt = { a: -0.041, b: 0.1331, rho: 0.306, m: 0.3586, sigma: 0.4153 };
    const butterfly = buildSurface({
      asOf: AS_OF,
      expiries: [{ expiry: AS_OF + YEAR_SECONDS, forward: 100, svi: vogt }],
    }).arbitrage.svi;
    expect(butterfly.map(({ kind }) => kind)).toEqual(['butterfly']);
    expect(butterfly[0]!.from).toBeGreaterThan(0.6);
    expect(butterfly[0]!.to).toBeLessThan(1.35);
    expect(butterfly[0]!.logMoneyness).toBeGreaterThan(0.8);
    expect(butterfly[0]!.logMoneyness).toBeLessThan(1.1);
  });

  it('removes a slight calendar from quotes, and reports a large one', () => {
    const slight = [expiryOf(30), expiryOf(31, -0.012)];
    const kept = buildSurface(surfaceOf(slight), { arbitrageFree: false });
    expect(kept.arbitrage.svi.map(({ kind }) => kind)).toContain('calendar');
    const removed = buildSurface(surfaceOf(slight));
    expect(removed.arbitrage.svi).toEqual([]);
    expect(removed.expiries[1]!.fit!.arbitrage).toBe('removed');
    expect(removed.expiries[1]!.fit!.rms).toBeLessThan(0.01);
    const large = buildSurface(surfaceOf([expiryOf(30), expiryOf(31, -0.15)]));
    expect(large.expiries[1]!.fit!.arbitrage).toBe('kept');
    expect(large.arbitrage.svi.map(({ kind, index }) => [kind, index])).toContainEqual(['calendar', 1]);
    expect(large.expiries[1]!.loss.svi.rms).toBeLessThan(0.005);
  });

  it('leaves out prices that no volatility gives, and says so', () => {
    const expiry = expiryOf(30);
    const quotes = [...expiry.quotes!];
    quotes[10] = { strike: quotes[10]!.strike, type: 'P', mark: quotes[10]!.strike * 1.01 };
    quotes[11] = { strike: quotes[11]!.strike, type: 'C', mark: 0.01 };
    const [only] = buildSurface(surfaceOf([{ ...expiry, quotes }])).expiries;
    expect(only!.leftOut.map(({ index, reason }) => [index, reason])).toEqual([
      [10, 'ABOVE_MAXIMUM'],
      [11, 'BELOW_INTRINSIC'],
    ]);
    expect(only!.residuals).toHaveLength(31);
  });

  it('refuses what it cannot build, naming the path', () => {
    const refused = (expiries: SurfaceExpiryInput[], code: string, field: string) =>
      expect(() => buildSurface(surfaceOf(expiries))).toThrow(expect.objectContaining({ code, field }));
    const good = expiryOf(30);
    refused([], 'NOT_ENOUGH_DATA', 'expiries');
    refused([good, good], 'MALFORMED', 'expiries[1].expiry');
    refused([{ ...good, expiry: AS_OF }], 'EXPIRED_OPTION', 'expiries[0].expiry');
    refused([{ ...good, forward: 0 }], 'OUT_OF_RANGE', 'expiries[0].forward');
    refused([{ ...good, quotes: [] }], 'NOT_ENOUGH_DATA', 'expiries[0].quotes');
    refused([{ ...good, quotes: good.quotes!.slice(0, 4) }], 'NOT_ENOUGH_DATA', 'expiries[0].quotes');
    refused(
      [good, { ...expiryOf(60), quotes: [{ strike: 1, type: 'C', bidVol: -1 }] }],
      'OUT_OF_RANGE',
      'expiries[1].quotes[0].bidVol',
    );
    const many = new Array<OptionQuote>(1_000_001).fill({ strike: 1, type: 'C', markVol: 0.5 });
    refused([{ ...good, quotes: many }], 'TOO_LARGE', 'expiries');
    const { quotes: _, ...rest } = good;
    refused(
      [{ ...rest, svi: { a: -1, b: 0.1, rho: 0, m: 0, sigma: 0.1 } }],
      'OUT_OF_RANGE',
      'expiries[0].svi.a',
    );
  });
});

describe('reading between expiries', () => {
  const built = buildSurface(
    surfaceOf([expiryOf(2), expiryOf(7), expiryOf(30), expiryOf(90), expiryOf(180)]),
  );
  const last = built.expiries.at(-1)!.years;

  it('gives the expiries themselves, and lines between them', () => {
    for (const by of ['svi', 'pillars'] as const) {
      for (const expiry of built.expiries) {
        const reading = readSurface(built, expiry.years, { strike: 105_000 }, by);
        const k = Math.log(105_000 / expiry.forward);
        expect(reading.logMoneyness).toBeCloseTo(k, 14);
        expect(reading.totalVariance).toBeCloseTo(smileOf(expiry, by).totalVariance(k)[0], 14);
        expect(reading.forward).toBe(expiry.forward);
        expect(reading.extrapolated).toBeUndefined();
      }
    }
    const [a, b] = [built.expiries[2]!, built.expiries[3]!];
    const half = readSurface(built, (a.years + b.years) / 2, { logMoneyness: 0.1 }, 'svi');
    const sum = smileOf(a, 'svi').totalVariance(0.1)[0] + smileOf(b, 'svi').totalVariance(0.1)[0];
    expect(half.totalVariance).toBeCloseTo(sum / 2, 14);
    expect(half.forward).toBeCloseTo(Math.sqrt(a.forward * b.forward), 6);
    expect(half.discount).toBeCloseTo(Math.sqrt(a.discount * b.discount), 12);
    // The carry of these quotes is 8 per cent, everywhere; the discount rate 4.
    for (const years of [0.001, 0.1, 0.4, 1.9 * last]) {
      const { forward, discount } = readSurface(built, years, { logMoneyness: 0 });
      expect(forward).toBeCloseTo(100_000 * Math.exp(0.08 * years), 4);
      expect(discount).toBeCloseTo(Math.exp(-0.04 * years), 12);
    }
  });

  it('never lets total variance fall with time, from an hour to twice the last expiry', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1e-4, max: 2 * last, noNaN: true }),
        fc.double({ min: 1e-4, max: 2 * last, noNaN: true }),
        fc.double({ min: -1.5, max: 1.5, noNaN: true }),
        (one, other, z) => {
          const [early, late] = [Math.min(one, other), Math.max(one, other)];
          const k = z * readSurface(built, late, { logMoneyness: 0 }, 'svi').volatility * Math.sqrt(late);
          const before = readSurface(built, early, { logMoneyness: k }, 'svi').totalVariance;
          const after = readSurface(built, late, { logMoneyness: k }, 'svi').totalVariance;
          expect(after - before).toBeGreaterThanOrEqual(-1e-12);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('adds no butterfly before the first expiry', () => {
    const smile = (years: number) => {
      const at = (k: number) => readSurface(built, years, { logMoneyness: k }, 'svi').totalVariance;
      const deviation = Math.sqrt(at(0));
      const h = 1e-3 * deviation;
      return {
        name: '',
        years,
        forward: 1,
        deviation,
        totalVariance: (k: number): [number, number, number] => [
          at(k),
          (at(k + h) - at(k - h)) / (2 * h),
          (at(k + h) - 2 * at(k) + at(k - h)) / (h * h),
        ],
      };
    };
    for (const part of [0.1, 0.5, 0.9]) {
      expect(findSmileArbitrage([smile(part * built.expiries[0]!.years)], { tolerance: 1e-6 })).toEqual([]);
    }
  });

  it('refuses times that the surface does not reach', () => {
    expect(() => readSurface(built, 2.01 * last, { strike: 1e5 })).toThrow(
      expect.objectContaining({ code: 'MISSING_EXPIRY', field: 'years' }),
    );
    expect(() => readSurface({ expiries: [], spot: 1 }, 0.1, { strike: 1 })).toThrow(
      expect.objectContaining({ code: 'MISSING_EXPIRY' }),
    );
    expect(() => readSurface(built, Number.NaN, { strike: 1 })).toThrow(
      expect.objectContaining({ code: 'NOT_FINITE' }),
    );
    expect(() => readSurface(built, 0.1, { strike: 0 })).toThrow(
      expect.objectContaining({ field: 'strike' }),
    );
  });
});
