import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type InstrumentKind, type Leg, LINEAR } from '../../market/instrument.ts';
import {
  exactPayoff,
  exactSettlement,
  packSettlementWords,
  type SettlementPrice,
  validateSettlementPrices,
} from './settlement.ts';

const SCALE_ONE = 1n << 40n;
const option = (kind: InstrumentKind, expiryHour: number, usd: number, contracts: number): Leg => ({
  instrument: { kind, expiryHour, strike: BigInt(Math.round(usd * 1e4)) },
  quantity: BigInt(Math.round(contracts * 1e6)),
});
const priced = (expiryHour: number, usd: number): SettlementPrice => ({
  expiryHour,
  price: BigInt(Math.round(usd * 1e6)),
});

describe('exactSettlement', () => {
  it('pays intrinsic values, keeps the rest in order', () => {
    const legs = [
      { instrument: LINEAR, quantity: 1_000_000n },
      option('call', 100, 90_000, 2),
      option('put', 100, 90_000, -1),
      option('put', 100, 100_000, 0.5),
      option('call', 200, 90_000, -7),
    ];
    // 2 × 5,000 of the call, 0.5 × 5,000 of the upper put; the lower put is out of the money.
    const result = exactSettlement({ legs, scale: SCALE_ONE }, [priced(100, 95_000)]);
    expect(result.cash).toBe(12_500_000_000n);
    expect(result.settled).toEqual(legs.slice(1, 4));
    expect(result.remaining).toEqual([legs[0], legs[4]]);
    // Half of the account pays half.
    expect(exactSettlement({ legs, scale: SCALE_ONE / 2n }, [priced(100, 95_000)]).cash).toBe(6_250_000_000n);
    expect(exactSettlement({ legs, scale: 0n }, [priced(100, 95_000)]).cash).toBe(0n);
  });

  it('settles several hours, not only the first ones', () => {
    const legs = [option('call', 1, 10, 1), option('put', 2, 10, 1), option('call', 3, 10, -1)];
    const result = exactSettlement({ legs, scale: SCALE_ONE }, [priced(2, 4), priced(3, 12)]);
    expect(result.cash).toBe(6_000_000n - 2_000_000n);
    expect(result.remaining).toEqual([legs[0]]);
  });

  it('rounds down, against the account', () => {
    // A millionth of a contract that pays 1e-6 USD a contract: 1e-12 USD.
    const leg = (quantity: bigint): Leg => ({
      instrument: { kind: 'call', expiryHour: 1, strike: 1n },
      quantity,
    });
    const cash = (quantity: bigint) =>
      exactSettlement({ legs: [leg(quantity)], scale: SCALE_ONE }, [{ expiryHour: 1, price: 101n }]).cash;
    expect([cash(1n), cash(-1n), cash(1_000_000n), cash(-1_000_000n), cash(-1_000_001n)]).toEqual([
      0n,
      -1n,
      1n,
      -1n,
      -2n,
    ]);
  });

  it('pays no more in all than was held in all, for any split into accounts (properties)', () => {
    const quantity = fc
      .bigInt({ min: -(2n ** 40n) + 1n, max: 2n ** 40n - 1n })
      .filter((value) => value !== 0n);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(quantity, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.constantFrom<InstrumentKind>('call', 'put'),
        fc.bigInt({ min: 1n, max: 2n ** 36n - 1n }),
        fc.bigInt({ min: 0n, max: 2n ** 44n - 1n }),
        (holders, kind, strike, price) => {
          const instrument = { kind, expiryHour: 9, strike };
          const paid = holders.map(
            ([held, scale]) =>
              exactSettlement({ legs: [{ instrument, quantity: held }], scale }, [{ expiryHour: 9, price }])
                .cash,
          );
          const total = holders.reduce((sum, [held, scale]) => sum + held * scale, 0n);
          const perUnit = exactPayoff({ instrument, quantity: 1n }, price);
          const exact = total * perUnit;
          const sum = paid.reduce((left, right) => left + right, 0n);
          const unit = 1_000_000n << 40n;
          expect(sum * unit).toBeLessThanOrEqual(exact);
          expect(exact - sum * unit).toBeLessThan(BigInt(holders.length) * unit);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('refuses what it cannot settle', () => {
    const account = { legs: [option('call', 100, 90_000, 2)], scale: SCALE_ONE };
    const codeOf = (run: () => unknown): unknown => {
      try {
        run();
      } catch (error) {
        const { code, field } = error as { code: string; field: string };
        return [code, field];
      }
      return undefined;
    };
    expect(codeOf(() => exactSettlement(account, [priced(101, 1)]))).toEqual(['NO_LEGS', 'prices']);
    expect(codeOf(() => exactSettlement({ ...account, scale: 1n << 64n }, [priced(100, 1)]))).toEqual([
      'OUT_OF_RANGE',
      'scale',
    ]);
    expect(codeOf(() => validateSettlementPrices([]))).toEqual(['MALFORMED', 'prices']);
    expect(codeOf(() => validateSettlementPrices([1, 2, 3, 4, 5].map((hour) => priced(hour, 1))))).toEqual([
      'TOO_MANY_EXPIRIES',
      'prices',
    ]);
    expect(codeOf(() => validateSettlementPrices([priced(3, 1), priced(3, 2)]))).toEqual([
      'EXPIRIES_NOT_SORTED',
      'prices[1].expiryHour',
    ]);
    expect(codeOf(() => validateSettlementPrices([priced(0, 1)]))).toEqual([
      'OUT_OF_RANGE',
      'prices[0].expiryHour',
    ]);
    expect(codeOf(() => validateSettlementPrices([{ expiryHour: 1, price: 1n << 44n }]))).toEqual([
      'OUT_OF_RANGE',
      'prices[0].price',
    ]);
  });

  it('packs words', () => {
    expect(packSettlementWords([{ expiryHour: 3, price: 5n }])).toEqual([3n + (5n << 20n), 0n, 0n, 0n]);
  });

  it('pays nothing for a linear leg', () => {
    expect(exactPayoff({ instrument: LINEAR, quantity: 5n }, 100n)).toBe(0n);
  });
});
