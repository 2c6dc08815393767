import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Black76Greeks,
  black76,
  black76Into,
  black76Price,
  GREEK_COUNT,
  undiscountedCall,
} from './black76.ts';
import { erfc, normalCdf, normalCdfFrom, normalPdf } from './normal.ts';

const VECTORS = new URL('../../../../shared/vectors/', import.meta.url);
const available = existsSync(VECTORS);
if (!available)
  console.warn('Skipped: comparisons with published numbers, since ../shared/vectors is absent.');

interface Row {
  readonly [key: string]: number | string | boolean;
}

function rows(name: string): Row[] {
  const text = readFileSync(new URL(name, VECTORS), 'utf8').replace(/: ?(NaN|-?Infinity)\b/g, ': null');
  return (JSON.parse(text) as { vectors: Row[] }).vectors;
}

const kindOf = (row: Row) => (row.type === 'C' ? 'call' : 'put');

describe('normal distribution', () => {
  it('has known values in the middle and in the tails', () => {
    // 40-digit values of an arbitrary-precision library, rounded.
    expect(normalCdf(0)).toBe(0.5);
    expect(normalCdf(1)).toBeCloseTo(0.8413447460685429, 15);
    expect(normalCdf(-10) / 7.619853024160527e-24).toBeCloseTo(1, 12);
    expect(normalCdf(-37) / 5.725571222524577e-300).toBeCloseTo(1, 11);
    expect(normalCdf(Number.NEGATIVE_INFINITY)).toBe(0);
    expect(normalCdf(Number.POSITIVE_INFINITY)).toBe(1);
    expect(normalCdf(Number.NaN)).toBeNaN();
    expect(erfc(0.3)).toBeCloseTo(0.6713732405408726, 15);
  });

  it('agrees in both implementations to 1e-15', () => {
    for (let x = -40; x <= 40; x += 0.00713) {
      expect(Math.abs(normalCdf(x) - normalCdfFrom(x, Math.exp(-0.5 * x * x)))).toBeLessThan(1e-15);
    }
  });

  it.skipIf(!available)('agrees with published values', () => {
    for (const row of rows('lets_be_rational_1000.json')) {
      expect(Math.abs(normalCdf(row.z as number) - (row.norm_cdf_z as number))).toBeLessThan(4e-16);
    }
  });
});

describe('black76', () => {
  it.skipIf(!available)('agrees with published European prices', () => {
    let count = 0;
    for (const row of rows('european_prices.json')) {
      const [strike, years, volatility] = [row.K as number, row.T as number, row.vol as number];
      const forward =
        row.model === 'BLACK76' ? (row.F as number) : (row.S as number) * Math.exp((row.b as number) * years);
      const discount =
        row.model === 'BLACK76' ? (row.discount as number) : Math.exp(-(row.r as number) * years);
      const price = black76Price(kindOf(row), forward, strike, years, volatility, discount);
      const exact = row.recomputed as number;
      expect(Math.abs(price - (row.price as number)), `${row.id}`).toBeLessThanOrEqual(row.tol as number);
      expect(Math.abs(price - exact), `${row.id}`).toBeLessThanOrEqual(2e-14 * (forward + strike));
      const fast = black76(kindOf(row), forward, strike, years, volatility, discount).price;
      expect(Math.abs(fast - exact), `${row.id}`).toBeLessThanOrEqual(1e-14 * (forward + strike));
      count++;
    }
    expect(count).toBeGreaterThan(150);
  });

  it.skipIf(!available)('agrees with published undiscounted and normalised Black prices', () => {
    for (const row of rows('lets_be_rational_1000.json')) {
      const [F, K, T, vol] = [row.F as number, row.K as number, row.T as number, row.vol as number];
      const price = black76Price(kindOf(row), F, K, T, vol);
      const expected = row.price_undiscounted as number;
      // Fifty units in the last place, and the conditioning: a relative error e of h = x/s is one of h² e in the price.
      const h = Math.log(F / K) / (vol * Math.sqrt(T));
      expect(Math.abs(price - expected), `${row.id}`).toBeLessThanOrEqual(
        expected > 0 ? expected * 1e-14 * (1 + h * h) : 0,
      );
      const [x, s] = [row.x as number, row.s as number];
      // The rows do not say which of call and put they price.
      const target = row.normalised_black as number;
      const errors = (['call', 'put'] as const).map((kind) =>
        Math.abs(black76Price(kind, Math.exp(x / 2), Math.exp(-x / 2), 1, s) - target),
      );
      expect(Math.min(...errors), `${row.id}`).toBeLessThanOrEqual(
        target > 0 ? target * 1e-14 * (1 + (x / s) ** 2) : 0,
      );
    }
  });

  it.skipIf(!available)('agrees with published Greeks', () => {
    const checked = new Map<string, number>();
    for (const row of rows('greeks.json')) {
      if (row.ok !== true) continue;
      const [S, K, T, r, b, vol] = ['S', 'K', 'T', 'r', 'b', 'vol'].map((key) => row[key] as number) as [
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      const growth = Math.exp(b * T);
      const forward = S * growth;
      const g = black76(kindOf(row), forward, K, T, vol, Math.exp(-r * T));
      // From sensitivities to the forward to those to the spot.
      const values: Record<string, number> = {
        delta: g.delta * growth,
        gamma: g.gamma * growth * growth,
        vega: g.vega,
        vanna: g.vanna * growth,
        volga: g.volga,
        theta: g.theta - b * forward * g.delta,
        rho: T * forward * g.delta + g.rho,
        elasticity: (g.delta * forward) / g.price,
      };
      // Published Black-76 rows (b = 0) hold the forward when the rate moves.
      if (b === 0) values.rho = g.rho;
      const value = values[row.greek as string];
      if (value === undefined) continue;
      expect(Math.abs(value - (row.value as number)), `${row.id}`).toBeLessThanOrEqual(row.tol as number);
      checked.set(row.greek as string, (checked.get(row.greek as string) ?? 0) + 1);
    }
    for (const greek of ['delta', 'gamma', 'vega', 'theta', 'rho', 'vanna', 'volga']) {
      expect(checked.get(greek), greek).toBeGreaterThan(0);
    }
  });

  const inputs = fc.record({
    forward: fc.double({ min: 0.5, max: 200_000, noNaN: true }),
    moneyness: fc.double({ min: -1.5, max: 1.5, noNaN: true }),
    years: fc.double({ min: 1 / 8760, max: 2, noNaN: true }),
    volatility: fc.double({ min: 0.05, max: 3, noNaN: true }),
    discount: fc.double({ min: 0.5, max: 1.2, noNaN: true }),
  });

  it('keeps put-call parity and no-arbitrage bounds', () => {
    fc.assert(
      fc.property(inputs, ({ forward, moneyness, years, volatility, discount }) => {
        const strike = forward * Math.exp(moneyness);
        const call = black76('call', forward, strike, years, volatility, discount);
        const put = black76('put', forward, strike, years, volatility, discount);
        const tolerance = 3e-14 * (forward + strike);
        expect(Math.abs(call.price - put.price - discount * (forward - strike))).toBeLessThanOrEqual(
          tolerance,
        );
        expect(call.delta - put.delta).toBeCloseTo(discount, 14);
        expect(call.gamma).toBe(put.gamma);
        expect(call.price).toBeGreaterThanOrEqual(discount * Math.max(0, forward - strike) - tolerance);
        expect(call.price).toBeLessThanOrEqual(discount * forward + tolerance);
        const deviation = volatility * Math.sqrt(years);
        const fast = discount * undiscountedCall(forward, strike, Math.log(forward / strike), deviation);
        expect(Math.abs(fast - call.price)).toBeLessThanOrEqual(tolerance);
      }),
      { numRuns: 2000 },
    );
  });

  it('has Greeks that are the derivatives of its prices', () => {
    fc.assert(
      fc.property(inputs, fc.constantFrom('call' as const, 'put' as const), (x, kind) => {
        const strike = x.forward * Math.exp(x.moneyness);
        const rate = -Math.log(x.discount) / x.years;
        const at = (forward: number, years: number, volatility: number, shift = 0): Black76Greeks =>
          black76(kind, forward, strike, years, volatility, Math.exp(-(rate + shift) * years));
        const base = at(x.forward, x.years, x.volatility);
        const deviation = x.volatility * Math.sqrt(x.years);
        const check = (
          name: keyof Black76Greeks,
          of: keyof Black76Greeks,
          step: number,
          move: (step: number) => Black76Greeks,
          unit: number,
          sign = 1,
        ) => {
          const slope = (h: number) => (sign * (move(h)[of] - move(-h)[of])) / (2 * h);
          // Richardson's extrapolation of two central differences.
          const estimate = (4 * slope(step / 2) - slope(step)) / 3;
          expect(Math.abs(estimate - base[name]) / unit, name).toBeLessThan(2e-5);
        };
        const dF = x.forward * Math.min(deviation, 0.3) * 1e-2;
        const dV = x.volatility * 1e-2;
        const dT = x.years * 1e-2;
        const scale = x.forward * Math.max(1, Math.exp(x.moneyness));
        check('delta', 'price', dF, (h) => at(x.forward + h, x.years, x.volatility), 1);
        check(
          'gamma',
          'delta',
          dF,
          (h) => at(x.forward + h, x.years, x.volatility),
          1 / (x.forward * deviation),
        );
        check('vega', 'price', dV, (h) => at(x.forward, x.years, x.volatility + h), scale);
        check('volga', 'vega', dV, (h) => at(x.forward, x.years, x.volatility + h), scale / x.volatility);
        check('vanna', 'delta', dV, (h) => at(x.forward, x.years, x.volatility + h), 1 / x.volatility);
        const perTime = (1 + Math.abs(Math.log(x.discount))) / x.years;
        check('theta', 'price', dT, (h) => at(x.forward, x.years + h, x.volatility), scale * perTime, -1);
        check('charm', 'delta', dT, (h) => at(x.forward, x.years + h, x.volatility), perTime, -1);
        check('rho', 'price', 1e-3, (h) => at(x.forward, x.years, x.volatility, h), scale);
      }),
      { numRuns: 500 },
    );
  });

  it('is right at its limits', () => {
    for (const kind of ['call', 'put'] as const) {
      for (const [years, volatility] of [
        [0, 0.5],
        [1, 0],
        [0, 0],
        [1e-300, 1e-10],
      ] as const) {
        for (const strike of [50, 100, 150]) {
          const intrinsic = Math.max(0, kind === 'call' ? 100 - strike : strike - 100);
          expect(black76Price(kind, 100, strike, years, volatility)).toBeCloseTo(intrinsic, 12);
          const greeks = black76(kind, 100, strike, years, volatility);
          for (const value of Object.values(greeks)) expect(Number.isFinite(value)).toBe(true);
        }
      }
    }
    expect(black76('call', 100, 100, 0, 0.5).delta).toBe(0.5);
    expect(black76Price('call', 100, 100, 1, 1e6, 0.9)).toBeCloseTo(90, 10);
    expect(black76Price('put', 100, 80, 1, 1e6, 0.9)).toBeCloseTo(72, 10);
    // Deep wings keep their relative accuracy (40-digit reference values, rounded).
    expect(black76Price('call', 1, 20, 1, 0.5) / 3.581335686493247e-10).toBeCloseTo(1, 13);
    expect(black76Price('call', 1, 1e9, 1, 0.1)).toBe(0);
    expect(black76Price('put', 1, 1e-9, 1, 0.1)).toBe(0);
    expect(black76('call', 1e6, 1e-3, 1, 0.2).delta).toBe(1);
    expect(black76Price('call', Number.NaN, 1, 1, 1)).toBeNaN();
  });

  it('writes to its place alone', () => {
    const out = new Float64Array(GREEK_COUNT + 2).fill(7);
    black76Into(out, 1, true, 100, 105, 0.25, 0.6, 0.99);
    expect(out[0]).toBe(7);
    expect(out[GREEK_COUNT + 1]).toBe(7);
    expect(out[1]).toBeCloseTo(black76Price('call', 100, 105, 0.25, 0.6, 0.99), 12);
    expect(normalPdf(0)).toBeCloseTo(0.3989422804014327, 16);
  });
});
