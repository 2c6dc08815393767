import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isZkMarginError } from '../../errors.ts';
import { black76 } from './black76.ts';
import { coinToUsd, inverseOptionValue, inverseValue, linearValue, usdToCoin } from './linear.ts';

const prices = fc.double({ min: 0.01, max: 1e6, noNaN: true });
const sizes = fc.integer({ min: -1e13, max: 1e13 }).map((millionths) => millionths / 1e6);

function refused(run: () => unknown): unknown[] {
  try {
    run();
  } catch (error) {
    if (isZkMarginError(error)) return [error.code, error.field];
    throw error;
  }
  return [];
}

describe('linearValue', () => {
  it('earns the move of the mark, as much as the other side loses', () => {
    expect(linearValue({ size: 2.5, entry: 60_000, mark: 61_000 })).toEqual({ profit: 2500, delta: 2.5 });
    fc.assert(
      fc.property(sizes, prices, prices, (size, entry, mark) => {
        const { profit } = linearValue({ size, entry, mark });
        expect(linearValue({ size: -size, entry, mark }).profit + profit === 0).toBe(true);
        expect(linearValue({ size, entry: mark, mark: entry }).profit + profit === 0).toBe(true);
        expect(Math.sign(profit) * Math.sign(size) * Math.sign(mark - entry)).not.toBe(-1);
      }),
    );
  });
});

describe('inverseValue', () => {
  it('has the value of a worked example', () => {
    // 50,000 USD long from 50,000: one coin, worth 62,500 USD at the mark, so a fifth of a coin is earned.
    const value = inverseValue({ size: 50_000, entry: 50_000, mark: 62_500 });
    expect(value.profitCoin).toBeCloseTo(0.2, 15);
    expect(value.profitUsd).toBeCloseTo(12_500, 10);
    expect(value.coinEquivalent).toBe(0.8);
    expect(value.deltaUsd).toBe(1);
  });

  it('is the difference of reciprocals, opposite for the other side', () => {
    fc.assert(
      fc.property(sizes, prices, prices, (size, entry, mark) => {
        const value = inverseValue({ size, entry, mark });
        const expected = size / entry - size / mark;
        const roundings = 4 * Number.EPSILON * (Math.abs(size / entry) + Math.abs(size / mark));
        expect(Math.abs(value.profitCoin - expected)).toBeLessThanOrEqual(roundings);
        expect(inverseValue({ size: -size, entry, mark }).profitCoin + value.profitCoin === 0).toBe(true);
        // At an index equal to the mark, the USD value is that of a linear position of size/entry coins.
        const linear = linearValue({ size: size / entry, entry, mark });
        expect(Math.abs(value.profitUsd - linear.profit)).toBeLessThanOrEqual(
          8 * Number.EPSILON * Math.abs(linear.profit),
        );
        expect(value.deltaUsd).toBeCloseTo(linear.delta, 6);
        // What an amount of coins earns is bounded for a long by the coins that it bought.
        if (size > 0) expect(value.profitCoin).toBeLessThanOrEqual((size / entry) * (1 + 1e-15));
      }),
    );
  });

  it('has sensitivities that are derivatives, and the limits of a mark that soars or falls', () => {
    fc.assert(
      fc.property(sizes, prices, prices, (size, entry, mark) => {
        fc.pre(Math.abs(size) > 1e-3);
        const value = inverseValue({ size, entry, mark });
        const step = 1e-4 * mark;
        const up = inverseValue({ size, entry, mark: mark + step });
        const down = inverseValue({ size, entry, mark: mark - step });
        expect((up.profitCoin - down.profitCoin) / (2 * step) / value.deltaCoin).toBeCloseTo(
          1,
          Math.abs(mark / entry) < 1e4 && Math.abs(mark / entry) > 1e-4 ? 6 : 2,
        );
        expect((up.deltaCoin - down.deltaCoin) / (2 * step) / value.gammaCoin).toBeCloseTo(1, 6);
      }),
    );
    expect(inverseValue({ size: 100, entry: 50, mark: 1e200 }).profitCoin).toBeCloseTo(2, 14);
    expect(inverseValue({ size: 100, entry: 50, mark: 1e-9 }).profitCoin).toBeCloseTo(2 - 1e11, 3);
    // A move in the last digits is not lost.
    const small = inverseValue({ size: 1e6, entry: 65_000, mark: 65_000.000001 });
    expect(small.profitCoin / ((1e6 * (65_000.000001 - 65_000)) / 65_000 ** 2)).toBeCloseTo(1, 9);
    expect(inverseValue({ size: 1e5, entry: 50_000, mark: 50_000, index: 49_900 }).deltaUsd).toBeCloseTo(
      1.996,
      12,
    );
  });

  it('refuses prices that are not above 0', () => {
    for (const field of ['entry', 'mark', 'index'] as const) {
      const position = { size: 1, entry: 1, mark: 1, index: 1 };
      expect(refused(() => inverseValue({ ...position, [field]: 0 }))).toEqual(['OUT_OF_RANGE', field]);
      expect(refused(() => inverseValue({ ...position, [field]: Number.NaN }))).toEqual([
        'NOT_FINITE',
        field,
      ]);
      if (field === 'index') continue;
      expect(refused(() => linearValue({ ...position, [field]: -1 }))).toEqual(['OUT_OF_RANGE', field]);
    }
    expect(refused(() => linearValue({ size: Number.POSITIVE_INFINITY, entry: 1, mark: 1 }))).toEqual([
      'NOT_FINITE',
      'size',
    ]);
  });
});

describe('premiums in coin and USD', () => {
  it('convert back and forth', () => {
    fc.assert(
      fc.property(sizes, prices, (amount, index) => {
        expect(Math.abs(coinToUsd(usdToCoin(amount, index), index) - amount)).toBeLessThanOrEqual(
          4 * Number.EPSILON * Math.abs(amount),
        );
      }),
    );
    expect(coinToUsd(0.05, 60_000)).toBe(3000);
    expect(refused(() => coinToUsd(1, 0))).toEqual(['OUT_OF_RANGE', 'index']);
    expect(refused(() => usdToCoin(Number.NaN, 1))).toEqual(['NOT_FINITE', 'usd']);
  });
});

describe('inverseOptionValue', () => {
  const inputs = fc.record({
    kind: fc.constantFrom('call' as const, 'put' as const),
    forward: fc.double({ min: 1, max: 1e5, noNaN: true }),
    moneyness: fc.double({ min: -1, max: 1, noNaN: true }),
    years: fc.double({ min: 0.01, max: 2, noNaN: true }),
    volatility: fc.double({ min: 0.1, max: 2, noNaN: true }),
    basis: fc.double({ min: 0.9, max: 1.1, noNaN: true }),
  });

  it('is Black-76 over the index, with parity and bounds in coin', () => {
    fc.assert(
      fc.property(inputs, ({ kind, forward, moneyness, years, volatility, basis }) => {
        const strike = forward * Math.exp(moneyness);
        const option = { forward, strike, years, volatility, index: forward * basis };
        const value = inverseOptionValue({ ...option, kind });
        const { price, delta } = black76(kind, forward, strike, years, volatility);
        expect(value.priceUsd).toBe(price);
        expect(value.priceCoin).toBe(usdToCoin(price, option.index));
        expect(value.delta).toBe(delta);
        const call = inverseOptionValue({ ...option, kind: 'call' });
        const put = inverseOptionValue({ ...option, kind: 'put' });
        // Call less put, in coin: (F - K)/I, and (1 + ...)·F/I less it for the adjusted delta.
        const contract = (forward - strike) / option.index;
        expect(Math.abs(call.priceCoin - put.priceCoin - contract)).toBeLessThan(1e-13);
        const adjusted = call.premiumAdjustedDelta - put.premiumAdjustedDelta;
        expect(Math.abs(adjusted - strike / option.index)).toBeLessThan(1e-12);
        // A call is never worth more than the coin that it is on.
        expect(call.priceCoin * basis).toBeLessThanOrEqual(1 + 1e-15);
      }),
    );
  });

  it('has a premium-adjusted delta that is the move of the coin price with the index', () => {
    fc.assert(
      fc.property(inputs, ({ kind, forward, moneyness, years, volatility, basis }) => {
        const strike = forward * Math.exp(moneyness);
        const at = (factor: number) =>
          inverseOptionValue({
            kind,
            forward: forward * factor,
            strike,
            years,
            volatility,
            index: forward * basis * factor,
          });
        const step = 1e-3 * Math.min(1, volatility * Math.sqrt(years));
        const slope = (h: number) => (at(1 + h).priceCoin - at(1 - h).priceCoin) / (2 * h);
        const estimate = (4 * slope(step / 2) - slope(step)) / 3;
        expect(Math.abs(estimate - at(1).premiumAdjustedDelta)).toBeLessThan(1e-7);
        const vega =
          (inverseOptionValue({ kind, forward, strike, years, volatility: volatility + 1e-5 }).priceCoin -
            inverseOptionValue({ kind, forward, strike, years, volatility: volatility - 1e-5 }).priceCoin) /
          2e-5;
        expect(
          Math.abs(vega - inverseOptionValue({ kind, forward, strike, years, volatility }).vegaCoin),
        ).toBeLessThan(1e-6);
      }),
    );
  });

  it('pays the settlement of an expired option', () => {
    const expired = { forward: 80_000, strike: 60_000, years: 0, volatility: 0.5 };
    expect(inverseOptionValue({ ...expired, kind: 'call' }).priceCoin).toBe(0.25);
    expect(inverseOptionValue({ ...expired, kind: 'put' }).priceCoin).toBe(0);
    expect(inverseOptionValue({ ...expired, kind: 'call' }).premiumAdjustedDelta).toBe(0.75);
    expect(
      inverseOptionValue({ ...expired, kind: 'call', discount: 0.9, years: 1, volatility: 0 }).priceUsd,
    ).toBe(18_000);
    expect(refused(() => inverseOptionValue({ ...expired, kind: 'put', strike: 0 }))).toEqual([
      'OUT_OF_RANGE',
      'strike',
    ]);
    expect(refused(() => inverseOptionValue({ ...expired, kind: 'put', volatility: -1 }))).toEqual([
      'OUT_OF_RANGE',
      'volatility',
    ]);
  });
});
