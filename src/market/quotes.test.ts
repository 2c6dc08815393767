import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { black76Price } from '../math/float/black76.ts';
import { type OptionQuote, type QuoteContext, quotePoints } from './quotes.ts';

const CONTEXT: QuoteContext = { forward: 100, years: 0.25, discount: 0.98 };
const price = (type: 'C' | 'P', strike: number, volatility: number, discount = 0.98) =>
  black76Price(type === 'C' ? 'call' : 'put', 100, strike, 0.25, volatility, discount);

const reasons = (quotes: OptionQuote[], context = CONTEXT) =>
  quotePoints(quotes, context).leftOut.map(({ index, reason, side }) => [index, reason, side]);

describe('volatility points', () => {
  it('takes the out-of-the-money side, and the other one when that has none', () => {
    const { points, leftOut } = quotePoints(
      [
        { strike: 110, type: 'C', bidVol: 0.5, askVol: 0.52 },
        { strike: 110, type: 'P', bidVol: 0.4, askVol: 0.7 },
        { strike: 90, type: 'C', bidVol: 0.6, askVol: 0.64 },
        { strike: 90, type: 'P', bidVol: null, askVol: null },
        { strike: 100, type: 'C', markVol: 0.55 },
        { strike: 100, type: 'P', markVol: 0.56 },
      ],
      CONTEXT,
    );
    expect(points.map(({ strike, type, volatility, source }) => [strike, type, volatility, source])).toEqual([
      [90, 'C', 0.62, 'mid'],
      [100, 'C', 0.55, 'mark'],
      [110, 'C', 0.51, 'mid'],
    ]);
    expect(points[0]!.logMoneyness).toBe(Math.log(0.9));
    expect(leftOut).toEqual([
      { index: 1, strike: 110, type: 'P', reason: 'IN_THE_MONEY' },
      { index: 3, strike: 90, type: 'P', reason: 'NO_QUOTE' },
      { index: 5, strike: 100, type: 'P', reason: 'IN_THE_MONEY' },
    ]);
  });

  it('finds the volatility of prices in USD and in coin', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.2, max: 2, noNaN: true }),
        fc.double({ min: 60, max: 160, noNaN: true }),
        (volatility, strike) => {
          const type = strike >= 100 ? 'C' : 'P';
          const usd = quotePoints([{ strike, type, mark: price(type, strike, volatility) }], CONTEXT);
          expect(Math.abs(usd.points[0]!.volatility - volatility)).toBeLessThan(1e-11);
          const coin = quotePoints([{ strike, type, mark: price(type, strike, volatility, 1) / 100 }], {
            ...CONTEXT,
            priceUnit: 'coin',
          });
          expect(Math.abs(coin.points[0]!.volatility - volatility)).toBeLessThan(1e-11);
        },
      ),
    );
  });

  it('names why quotes are left out', () => {
    expect(reasons([{ strike: 110, type: 'C' }])).toEqual([[0, 'NO_QUOTE', undefined]]);
    expect(reasons([{ strike: 110, type: 'C', bid: 0, askVol: 0.5 }])).toEqual([[0, 'ONE_SIDED', undefined]]);
    expect(reasons([{ strike: 110, type: 'C', bidVol: 0.6, askVol: 0.5, markVol: 0.55 }])).toEqual([
      [0, 'CROSSED', undefined],
    ]);
    expect(reasons([{ strike: 110, type: 'C', bidVol: 0.2, askVol: 0.5 }])).toEqual([
      [0, 'TOO_WIDE', undefined],
    ]);
    expect(reasons([{ strike: 90, type: 'C', mark: 9.7 }])).toEqual([[0, 'BELOW_INTRINSIC', undefined]]);
    expect(reasons([{ strike: 110, type: 'C', mark: 98 }])).toEqual([[0, 'ABOVE_MAXIMUM', undefined]]);
    expect(reasons([{ strike: 110, type: 'P', ask: 1000 }])).toEqual([[0, 'ABOVE_MAXIMUM', undefined]]);
    expect(reasons([{ strike: 110, type: 'C', markVol: 101 }])).toEqual([
      [0, 'EXTREME_VOLATILITY', undefined],
    ]);
    expect(reasons([{ strike: 1e12, type: 'C', markVol: 0.5 }])).toEqual([[0, 'FAR_STRIKE', undefined]]);
    const twice: OptionQuote = { strike: 110, type: 'C', markVol: 0.5 };
    expect(reasons([twice, twice])).toEqual([[1, 'DUPLICATE', undefined]]);
    // The quote is used by its mark; its bid is named.
    expect(reasons([{ strike: 90, type: 'C', bid: 9, markVol: 0.5 }])).toEqual([
      [0, 'BELOW_INTRINSIC', 'bid'],
    ]);
  });

  it('uses the mark where there is no middle, within the side there is', () => {
    const volatility = (quote: Partial<OptionQuote>, target: 'mid' | 'mark' = 'mid') =>
      quotePoints([{ strike: 110, type: 'C', ...quote }], { ...CONTEXT, target }).points[0]!.volatility;
    expect(volatility({ bidVol: 0.2, askVol: 0.5, markVol: 0.3 })).toBe(0.3);
    expect(volatility({ askVol: 0.5, markVol: 0.6 })).toBe(0.5);
    expect(volatility({ bidVol: 0.5, markVol: 0.4 })).toBe(0.5);
    expect(volatility({ bidVol: 0.5, askVol: 0.6, markVol: 0.52 })).toBeCloseTo(0.55, 15);
    expect(volatility({ bidVol: 0.5, askVol: 0.6, markVol: 0.52 }, 'mark')).toBe(0.52);
  });

  it('weighs by the square of the spread', () => {
    const { points } = quotePoints(
      [
        { strike: 110, type: 'C', bidVol: 0.5, askVol: 0.51 },
        { strike: 120, type: 'C', bidVol: 0.5, askVol: 0.52 },
        { strike: 130, type: 'C', bidVol: 0.5, askVol: 0.54 },
        { strike: 140, type: 'C', bidVol: 0.5, askVol: 0.5 },
        { strike: 150, type: 'C', bidVol: 0.5, askVol: 0.58 },
        { strike: 160, type: 'C', bidVol: 0.5, markVol: 0.51 },
      ],
      CONTEXT,
    );
    expect(points.map(({ weight }) => Math.round(weight! * 1e9) / 1e9)).toEqual([
      4, 1, 0.25, 4, 0.0625, 0.111111111,
    ]);
  });

  it('refuses numbers that are none, naming them', () => {
    const bad = (quote: object) => () => quotePoints([{ strike: 110, type: 'C', ...quote }], CONTEXT);
    expect(bad({ bidVol: Number.NaN })).toThrow(
      expect.objectContaining({ code: 'NOT_FINITE', field: 'quotes[0].bidVol' }),
    );
    expect(bad({ ask: -1 })).toThrow(
      expect.objectContaining({ code: 'OUT_OF_RANGE', field: 'quotes[0].ask' }),
    );
    expect(bad({ strike: 0 })).toThrow(expect.objectContaining({ field: 'quotes[0].strike' }));
    expect(bad({ type: 'X' })).toThrow(
      expect.objectContaining({ code: 'MALFORMED', field: 'quotes[0].type' }),
    );
    expect(() => quotePoints([], { ...CONTEXT, forward: 0 })).toThrow(
      expect.objectContaining({ field: 'forward' }),
    );
  });
});
