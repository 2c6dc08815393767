import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isZkMarginError, type ZkMarginError } from '../../errors.ts';
import { black76, black76Price, timeValueRatio } from './black76.ts';
import {
  impliedDeviation,
  impliedVolatility,
  normalisedBlack,
  normalisedVega,
} from './implied-volatility.ts';

function errorOf(run: () => unknown): ZkMarginError {
  try {
    run();
  } catch (error) {
    if (isZkMarginError(error)) return error;
    throw error;
  }
  throw new Error('Nothing was thrown.');
}

const kinds = fc.constantFrom('call' as const, 'put' as const);

describe('impliedVolatility', () => {
  it('has the values of an arbitrary-precision solver at the ends of its domain', () => {
    // Bisection of the price in 1000 digits; results rounded to double.
    for (const [kind, price, forward, strike, years, expected] of [
      ['call', 1e-300, 100, 150, 0.1, 0.034693675547289825],
      ['put', 5e-324, 65000, 20000, 1, 0.030571237189362496],
      ['call', 99.99999999999, 100, 100, 1, 14.881686989143013],
      ['put', 1e-12, 100, 100, 2, 1.772453850905516e-14],
      ['call', 1e-9, 100, 100.0000001, 1, 5.800146289542897e-10],
      ['call', 50.0000001, 150, 100, 0.25, 0.1532057409861974],
      ['put', 199.99, 100, 200, 1, 7.946130624350935],
      ['call', 0.5, 1, 1e30, 1, 11.838515134325224],
      ['call', 64999.9, 65000, 1, 3, 3.684535240916676],
    ] as const) {
      const implied = impliedVolatility(kind, price, forward, strike, years);
      expect(Math.abs(implied / expected - 1), `${kind} ${price} ${strike}`).toBeLessThan(2e-15);
    }
  });

  it('returns the volatility of a price, as exactly as the price holds it', () => {
    const inputs = fc.record({
      kind: kinds,
      forward: fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
      // Standard deviations from the money, so that deep wings of short and long expiries are met alike.
      deviations: fc.double({ min: -36, max: 36, noNaN: true }),
      years: fc.double({ min: 1e-6, max: 30, noNaN: true }),
      logVolatility: fc.double({ min: Math.log(1e-8), max: Math.log(20), noNaN: true }),
      discount: fc.double({ min: 0.2, max: 1.5, noNaN: true }),
    });
    let compared = 0;
    fc.assert(
      fc.property(inputs, ({ kind, forward, deviations, years, logVolatility, discount }) => {
        const volatility = Math.exp(logVolatility);
        const deviation = volatility * Math.sqrt(years);
        const strike = forward * Math.exp(Math.max(-600, Math.min(600, deviations * deviation)));
        const price = black76Price(kind, forward, strike, years, volatility, discount);
        const bound = discount * (kind === 'call' ? forward : strike);
        if (price / discount >= bound / discount || price < 1e-306) return;
        const implied = impliedVolatility(kind, price, forward, strike, years, discount);
        const { vega } = black76(kind, forward, strike, years, volatility, discount);
        const roundings = 4 * Number.EPSILON * price;
        // Where the time value drowns in the last place of the price, there is nothing to find again.
        if (roundings > 1e-3 * vega * volatility) {
          expect(Number.isFinite(implied) && implied >= 0).toBe(true);
          return;
        }
        compared++;
        expect(Math.abs(implied - volatility)).toBeLessThanOrEqual(4e-15 * volatility + roundings / vega);
        const again = black76Price(kind, forward, strike, years, implied, discount);
        expect(Math.abs(again - price)).toBeLessThanOrEqual(price * 4e-15 * (1 + deviations ** 2));
      }),
      { numRuns: 20_000 },
    );
    expect(compared).toBeGreaterThan(5_000);
  });

  it('finds deviations of out-of-the-money values to a few units in the last place', () => {
    let most = 0;
    fc.assert(
      fc.property(
        fc.double({ min: -18, max: 3.1, noNaN: true }),
        fc.double({ min: -0.3, max: 2.85, noNaN: true }),
        (power, logPower) => {
          const x = -(10 ** power);
          const value = Math.exp(-(10 ** logPower));
          const { deviation, steps } = impliedDeviation(x, value, 1 - value, 1);
          most = Math.max(most, steps);
          const h = x / deviation;
          const error = Math.abs(timeValueRatio(x, deviation) / value - 1);
          expect(error).toBeLessThan(1e-15 * (5 + h * h + deviation * deviation));
        },
      ),
      { numRuns: 20_000 },
    );
    expect(most).toBeLessThan(20);
  });

  it('uses the digits of the distance to the upper bound', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -3, max: 0, noNaN: true }),
        fc.double({ min: -250, max: -0.4, noNaN: true }),
        (x, power) => {
          const room = 10 ** power;
          const { deviation } = impliedDeviation(x, 1 - room, room, 1);
          const d1 = x / deviation + deviation / 2;
          const d2 = x / deviation - deviation / 2;
          // The room is N(-d1) + e^{-x} N(d2); both by the continued fraction when they are small.
          const tail = (z: number) => {
            let fraction = z;
            for (let term = 400; term >= 1; term--) fraction = z + term / fraction;
            return Math.exp(-0.5 * z * z) / 2.5066282746310002 / fraction;
          };
          if (d1 < 2) return;
          const again = tail(d1) + Math.exp(-x) * tail(-d2);
          expect(Math.abs(again / room - 1)).toBeLessThan(2e-15 * (3 + d1 * d1));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('is zero at the intrinsic value and rises with the price', () => {
    expect(impliedVolatility('call', 0, 100, 150, 1)).toBe(0);
    expect(impliedVolatility('call', 50, 150, 100, 1)).toBe(0);
    expect(impliedVolatility('put', 0, 100, 100, 1)).toBe(0);
    expect(impliedVolatility('put', 50, 100, 150, 0)).toBe(0);
    // A discounted intrinsic value that rounding has put below itself.
    const [forward, strike, discount] = [107.3, 95.1, 0.9371];
    const intrinsic = discount * (forward - strike);
    expect(impliedVolatility('call', intrinsic * (1 - 1e-16), forward, strike, 1, discount)).toBeLessThan(
      0.05,
    );
    let last = 0;
    for (let price = 1e-6; price < 100; price *= 1.02) {
      const implied = impliedVolatility('call', price, 100, 120, 0.5);
      expect(implied).toBeGreaterThan(last);
      last = implied;
    }
  });

  it('refuses prices that no volatility gives, and inputs outside its domain', () => {
    const refused = [
      ['call', 49.999, 150, 100, 1, 1],
      ['call', -1e-9, 100, 150, 1, 1],
      ['put', -5e-324, 100, 100.00000000000001, 0, 1],
      ['put', -1, 100, 100, 1, 1],
      ['call', 100, 100, 150, 1, 1],
      ['call', 101, 100, 150, 1, 1],
      ['put', 150, 100, 150, 1, 1],
      ['put', 149, 100, 150, 1, 0.9],
      ['call', 1, 100, 150, 0, 1],
    ] as const;
    for (const [kind, price, forward, strike, years, discount] of refused) {
      const error = errorOf(() => impliedVolatility(kind, price, forward, strike, years, discount));
      expect([error.code, error.field], `${kind} ${price}`).toEqual(['NO_ARBITRAGE_FREE_PRICE', 'price']);
    }
    const good = { price: 10, forward: 100, strike: 100, years: 1, discount: 1 };
    const of = ({ price, forward, strike, years, discount }: typeof good) =>
      impliedVolatility('call', price, forward, strike, years, discount);
    for (const field of Object.keys(good) as (keyof typeof good)[]) {
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
        const error = errorOf(() => of({ ...good, [field]: value }));
        expect([error.code, error.field]).toEqual(['NOT_FINITE', field]);
      }
      if (field === 'price') continue;
      const error = errorOf(() => of({ ...good, [field]: field === 'years' ? -1e-9 : 0 }));
      expect([error.code, error.field]).toEqual(['OUT_OF_RANGE', field]);
    }
  });

  it('returns a number or a typed error for any five numbers', () => {
    const any = fc.double();
    fc.assert(
      fc.property(kinds, any, any, any, any, any, (kind, price, forward, strike, years, discount) => {
        let implied: number;
        try {
          implied = impliedVolatility(kind, price, forward, strike, years, discount);
        } catch (error) {
          expect(isZkMarginError(error)).toBe(true);
          return;
        }
        expect(implied).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 5_000 },
    );
    const positive = fc.double({ min: 1e-300, max: 1e300, noNaN: true });
    fc.assert(
      fc.property(kinds, positive, positive, positive, positive, (kind, part, forward, strike, years) => {
        const intrinsic = Math.max(0, kind === 'call' ? forward - strike : strike - forward);
        const bound = kind === 'call' ? forward : strike;
        const price = intrinsic + (bound - intrinsic) * (part % 1);
        if (price >= bound) return;
        const implied = impliedVolatility(kind, price, forward, strike, years);
        expect(Number.isFinite(implied) && implied >= 0).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('normalisedBlack', () => {
  it('obeys parity, symmetry, and its vega is its derivative', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -3, max: 3, noNaN: true }),
        fc.double({ min: 0.05, max: 5, noNaN: true }),
        (x, s) => {
          const call = normalisedBlack('call', x, s);
          expect(Math.abs(call - normalisedBlack('put', x, s) - 2 * Math.sinh(x / 2))).toBeLessThan(
            1e-15 * (2 + 2 * Math.cosh(x / 2)),
          );
          expect(normalisedBlack('put', -x, s)).toBe(call);
          const step = 1e-4 * s;
          const slope =
            (normalisedBlack('call', x, s + step) - normalisedBlack('call', x, s - step)) / (2 * step);
          expect(Math.abs(slope - normalisedVega(x, s))).toBeLessThan(2e-6);
        },
      ),
    );
    expect(normalisedBlack('call', 1, 0)).toBe(2 * Math.sinh(0.5));
    expect(normalisedBlack('put', 1, 0)).toBe(0);
    expect(normalisedBlack('put', 1, Number.NaN)).toBeNaN();
    expect(normalisedVega(0, 0)).toBeCloseTo(0.3989422804014327, 15);
    expect(normalisedVega(1, 0)).toBe(0);
  });
});
