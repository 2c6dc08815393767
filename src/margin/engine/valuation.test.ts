/** Volatility rules, price factors and the valuation of single positions. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { black76Price } from '../../math/float/black76.ts';
import { presetModel } from '../presets/index.ts';
import { computeMargin, valuePositions } from './margin.ts';
import type { MarginModel } from './model.ts';
import { smileVolatility, smileVolatilityAt } from './smile.ts';
import {
  arrayPosition,
  DAY,
  expiryOf,
  future,
  marketArbitrary,
  marketOf,
  option,
  perpetual,
  portfolioOf,
  smileArbitrary,
  spotPosition,
  underlyingOf,
} from './testing.ts';
import { priceFactorOf, shockedForward, shockedVolatility, tenorRatio } from './valuation.ts';

const YEAR = 31_536_000;
const pmrm2 = presetModel('pmrm2');
const ramm = presetModel('ramm');
const deribit = presetModel('deribit');
const span = presetModel('span');

describe('tenor of a vol shock', () => {
  it('is 1 at 30 days, and the power changes there without a jump', () => {
    expect(tenorRatio(pmrm2, 30 * DAY)).toBe(1);
    expect(tenorRatio(pmrm2, 30 * DAY - 1)).toBeCloseTo(1, 6);
    expect(tenorRatio(pmrm2, 30 * DAY + 1)).toBeCloseTo(1, 6);
    expect(tenorRatio(pmrm2, 7.5 * DAY)).toBeCloseTo(4 ** 0.3, 14);
    expect(tenorRatio(pmrm2, 120 * DAY)).toBeCloseTo(0.25 ** 0.13, 14);
  });

  it('grows no further below the floor, and not at 0 seconds either', () => {
    const most = 30 ** 0.3;
    for (const seconds of [DAY, DAY / 2, 3_600, 1, 0])
      expect(tenorRatio(pmrm2, seconds)).toBeCloseTo(most, 13);
    expect(tenorRatio(span, 1)).toBe(1);
  });

  it('never grows with tenor', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e8 }), fc.integer({ min: 0, max: 1e8 }), (a, b) => {
        for (const model of [pmrm2, ramm, deribit, span]) {
          expect(tenorRatio(model, Math.min(a, b))).toBeGreaterThanOrEqual(tenorRatio(model, Math.max(a, b)));
        }
      }),
    );
  });
});

describe('shocked volatility', () => {
  const month = 30 * DAY;

  it('up and down at 30 days by hand', () => {
    expect(shockedVolatility(pmrm2, 0.6, 'up', month, 0)).toBeCloseTo(0.9, 15);
    expect(shockedVolatility(pmrm2, 0.6, 'down', month, 0)).toBeCloseTo(0.42, 15);
    expect(shockedVolatility(pmrm2, 0.6, 'none', month, 0)).toBe(0.6);
    expect(shockedVolatility(deribit, 0.6, 'down', month, 0)).toBeCloseTo(0.45, 15);
  });

  it('a small vol is lifted to the floor on the way up, and only there', () => {
    expect(shockedVolatility(pmrm2, 0.05, 'up', month, 0)).toBe(0.4);
    expect(shockedVolatility(deribit, 0.05, 'up', month, 0)).toBe(0.5);
    expect(shockedVolatility(pmrm2, 0.05, 'down', month, 0)).toBeCloseTo(0.035, 15);
    expect(shockedVolatility(pmrm2, 0.05, 'none', month, 0)).toBe(0.05);
  });

  it('down stops at the least multiplier: 0 for PMRM2, one half for RAMM', () => {
    // 0.3 × 30^0.3 = 0.83 at a day; a range of 0.5 would take the vol below 0.
    const wide: MarginModel = { ...pmrm2, volShock: { ...pmrm2.volShock, down: 0.5 } };
    expect(shockedVolatility(pmrm2, 0.6, 'down', DAY, 0)).toBeCloseTo(0.6 * (1 - 0.3 * 30 ** 0.3), 14);
    expect(shockedVolatility(wide, 0.6, 'down', DAY, 0)).toBe(0);
    expect(shockedVolatility(ramm, 0.6, 'down', DAY, 0)).toBeCloseTo(0.3, 15);
  });

  it('absolute ranges add vol points, at least 0', () => {
    const absolute: MarginModel = {
      ...span,
      volShock: { ...span.volShock, unit: 'absolute', up: 0.2, down: 0.3 },
    };
    expect(shockedVolatility(absolute, 0.5, 'up', month, 0)).toBeCloseTo(0.7, 15);
    expect(shockedVolatility(absolute, 0.5, 'down', month, 0)).toBeCloseTo(0.2, 15);
    expect(shockedVolatility(absolute, 0.1, 'down', month, 0)).toBe(0);
  });

  it('skews move in proportion to distance from the money, up to the cap', () => {
    // √T = 0.5: cap = -0.1 × 0.5 + 0.25 = 0.2, width = 0.5 × 4 × (0.6 - 0.1 × 0.5) = 1.1.
    const quarter = YEAR / 4;
    expect(shockedVolatility(pmrm2, 1, 'linearSkew', quarter, 0)).toBe(1);
    expect(shockedVolatility(pmrm2, 1, 'linearSkew', quarter, 0.55)).toBeCloseTo(1.1, 14);
    expect(shockedVolatility(pmrm2, 1, 'linearSkew', quarter, -0.55)).toBeCloseTo(0.9, 14);
    expect(shockedVolatility(pmrm2, 1, 'linearSkew', quarter, 3)).toBeCloseTo(1.2, 14);
    expect(shockedVolatility(pmrm2, 1, 'linearSkew', quarter, -3)).toBeCloseTo(0.8, 14);
    expect(shockedVolatility(pmrm2, 1, 'absoluteSkew', quarter, -0.55)).toBeCloseTo(1.1, 14);
    expect(shockedVolatility(pmrm2, 1, 'absoluteSkew', quarter, 3)).toBeCloseTo(1.2, 14);
  });

  it('where the cap turns negative, beyond 6.25 years, the bound on the side of the strike decides', () => {
    // √T = 3: cap = -0.05, width = 3.6. Right of the money at most the cap, left of it at least its opposite.
    const nine = 9 * YEAR;
    expect(shockedVolatility(pmrm2, 1, 'linearSkew', nine, 1)).toBeCloseTo(0.95, 14);
    expect(shockedVolatility(pmrm2, 1, 'linearSkew', nine, 4)).toBeCloseTo(1 - 0.2 / 3.6, 14);
    expect(shockedVolatility(pmrm2, 1, 'linearSkew', nine, -1)).toBeCloseTo(1.05, 14);
    expect(shockedVolatility(pmrm2, 1, 'linearSkew', nine, -4)).toBeCloseTo(1 + 0.2 / 3.6, 14);
    expect(shockedVolatility(pmrm2, 1, 'absoluteSkew', nine, -1)).toBeCloseTo(0.95, 14);
  });

  it('a model without skews leaves vols alone in them', () => {
    expect(shockedVolatility(ramm, 0.7, 'linearSkew', month, 1)).toBe(0.7);
  });

  it('near expiry the least width applies', () => {
    // At 0 seconds √T = 0, the cap is 0.25 and the width 0.01.
    expect(shockedVolatility(pmrm2, 1, 'linearSkew', 0, 0.005)).toBeCloseTo(1.125, 14);
    expect(shockedVolatility(pmrm2, 1, 'linearSkew', 0, 0.1)).toBeCloseTo(1.25, 14);
  });
});

describe('scenarios', () => {
  it('vols stick to strikes: the forward moves, the vol of an option does not', () => {
    fc.assert(
      fc.property(
        marketArbitrary({ underlyings: 1 }),
        fc.double({ min: 0.5, max: 2, noNaN: true }),
        (market, ratio) => {
          const strike = market.underlyings[0]!.expiries[0]!.forward * ratio;
          const { valued } = valuePositions([option('C', strike, 1)], market, ramm);
          const [item] = valued;
          ramm.scenarios.forEach(({ volatility, priceFactor }, scenario) => {
            if (volatility === 'none') expect(item!.volatilityMoves[scenario]).toBe(0);
            const expected = item!.forward * (priceFactor! - 1);
            expect(Math.abs(item!.forwardMoves[scenario]! - expected)).toBeLessThanOrEqual(
              1e-14 * item!.forward * priceFactor!,
            );
            // The move of vol is the same at every price.
            const same = ramm.scenarios.findIndex((other) => other.volatility === volatility);
            expect(item!.volatilityMoves[scenario]).toBe(item!.volatilityMoves[same]);
          });
        },
      ),
      { numRuns: 100 },
    );
  });

  it('a tail counts its damping, no more', () => {
    const margin = computeMargin(portfolioOf([spotPosition(1)]), marketOf(), pmrm2);
    // -18 % in full, -66 % at 0.21, -33 % at 0.42.
    const at = (factor: number) => pmrm2.scenarios.findIndex(({ priceFactor }) => priceFactor === factor);
    expect(margin.scan.profits[0]![at(0.82)]).toBeCloseTo(-18, 12);
    expect(margin.scan.profits[0]![at(0.34)]).toBeCloseTo(-13.86, 12);
    expect(margin.scan.profits[0]![at(0.67)]).toBeCloseTo(-13.86, 12);
    expect(margin.scan.loss).toBeCloseTo(18, 12);
  });

  it('moves in units of a range, relative or in USD, end above a price of 0', () => {
    const scenario = { id: 'x', role: 'grid', volatility: 'none', damping: 1, rangeFraction: -3 } as const;
    expect(priceFactorOf(scenario, span, underlyingOf())).toBeCloseTo(0.55, 15);
    const usd: MarginModel = { ...span, priceRange: { value: 5, unit: 'absolute' } };
    expect(priceFactorOf(scenario, usd, underlyingOf())).toBeCloseTo(0.85, 15);
    const wide: MarginModel = { ...span, priceRanges: { BTC: { value: 0.9, unit: 'relative' } } };
    expect(priceFactorOf(scenario, wide, underlyingOf())).toBe(1e-6);
    expect(priceFactorOf(scenario, wide, underlyingOf({ symbol: 'ETH' }))).toBeCloseTo(0.55, 15);
  });

  it('in the settlement window what has been averaged no longer moves', () => {
    const soon = expiryOf({ secondsToExpiry: 450 });
    // A quarter of 1800 s is left.
    expect(shockedForward(soon, pmrm2, 1.2)).toBeCloseTo(105, 12);
    expect(shockedForward(expiryOf({ secondsToExpiry: 1800 }), pmrm2, 1.2)).toBe(120);
    expect(shockedForward(expiryOf({ secondsToExpiry: 0 }), pmrm2, 5)).toBe(100);
  });

  it('a look-ahead takes time value, and what expires within it is worth its intrinsic value', () => {
    const market = marketOf(
      underlyingOf({
        expiries: [expiryOf({ secondsToExpiry: 43_200 }), expiryOf({ secondsToExpiry: 10 * DAY })],
      }),
    );
    const { valued, plan } = valuePositions(
      [option('C', 99, 1), option('C', 99, 1, { expiry: 1 })],
      market,
      span,
    );
    const flat = plan.probes.findIndex(
      ({ priceFactors, volatility }) => priceFactors[0] === 1 && volatility === 'up',
    );
    expect(valued[0]!.value + valued[0]!.profits[flat]!).toBeCloseTo(1, 12);
    const later = black76Price('call', 100, 99, 9 / 365, 0.5 * 1.25);
    expect(valued[1]!.value + valued[1]!.profits[flat]!).toBeCloseTo(later, 12);
  });

  it('linear and inverse contracts, by hand', () => {
    const market = marketOf(
      underlyingOf({ perpetual: { price: 102, confidence: 1 }, expiries: [expiryOf({ forward: 104 })] }),
    );
    const up = deribit.scenarios.findIndex(({ priceFactor }) => priceFactor === 1.16);
    const { valued } = valuePositions(
      [
        perpetual(2),
        perpetual(2, { inverse: true }),
        future(-1),
        future(-1, { inverse: true }),
        spotPosition(5),
      ],
      market,
      deribit,
    );
    const profit = (kind: string, inverse: boolean) =>
      valued.find(
        ({ position }) => position.kind === kind && ('inverse' in position && position.inverse) === inverse,
      )!.profits[up]!;
    // Coin: USD gains at the new spot of 116; an inverse contract of F USD pays F/F - F/F'.
    expect(profit('perpetual', false)).toBeCloseTo((2 * 102 * 0.16) / 116, 14);
    expect(profit('perpetual', true)).toBeCloseTo(2 * (1 - 1 / 1.16), 14);
    expect(profit('future', false)).toBeCloseTo((-104 * 0.16) / 116, 14);
    expect(profit('future', true)).toBeCloseTo(-(1 - 1 / 1.16), 14);
    expect(profit('spot', false)).toBe(0);
    const usd = valuePositions([perpetual(2), perpetual(2, { inverse: true })], market, pmrm2);
    const high = pmrm2.scenarios.findIndex(({ priceFactor }) => priceFactor === 1.18);
    for (const item of usd.valued) expect(item.profits[high]).toBeGreaterThan(0);
    // 2 units of an inverse contract are 2 × 102 USD: (1 - 1/1.18) coin each, at 118.
    expect(usd.valued[1]!.profits[high]).toBeCloseTo(2 * (1 - 1 / 1.18) * 118, 12);
  });

  it('a published array is taken as it is', () => {
    const profits = span.scenarios.map((_, index) => (index % 2 === 0 ? -1 : 1) * (index + 1) * 10);
    const margin = computeMargin(portfolioOf([arrayPosition('X', profits, 3, 7)]), marketOf(), span);
    margin.scan.profits[0]!.forEach((profit, index) => {
      expect(profit).toBeCloseTo(3 * profits[index]!, 10);
    });
    expect(margin.equity.total).toBe(21);
  });
});

describe('smiles', () => {
  it('by strike and by log-moneyness are the same', () => {
    fc.assert(
      fc.property(
        smileArbitrary(0.8, 0.2),
        fc.double({ min: -2, max: 2, noNaN: true }),
        (smile, logMoneyness) => {
          const byStrike = smileVolatility(smile, 250, 250 * Math.exp(logMoneyness), 0.2);
          expect(byStrike).toBeGreaterThan(0);
          expect(smileVolatilityAt(smile, 250, logMoneyness, 0.2)).toBeCloseTo(byStrike, 10);
        },
      ),
    );
  });

  it('SVI is read at its own forward and time, wings flat beyond the cap, variance up to the bound', () => {
    const parameters = { a: 0.04, b: 0.1, rho: 0, m: 0, sigma: 0.1 };
    const smile = { kind: 'svi', parameters, years: 0.25, forward: 200, cap: 1 } as const;
    const at = (k: number) => Math.sqrt((0.04 + 0.1 * Math.sqrt(k * k + 0.01)) / 0.25);
    expect(smileVolatility(smile, 100, 200, 0.5)).toBeCloseTo(at(0), 14);
    expect(smileVolatility(smile, 100, 200 * Math.E ** 5, 0.5)).toBeCloseTo(at(1), 14);
    expect(smileVolatility(smile, 100, 200 * Math.exp(0.5), 0.5, 0.05)).toBeCloseTo(
      Math.sqrt(0.05 / 0.25),
      14,
    );
  });
});
