import { describe, expect, it } from 'vitest';
import { DEFAULT_LIQUIDATION_TERMS, integerTerms } from '../../liquidation/terms.ts';
import type { RunningAuction } from '../feed.ts';
import { DEFAULT_GAS } from './gas.ts';
import { DEFAULT_SPREADS } from './hedge.ts';
import { auctionChance, bestBatch, type Costs } from './profit.ts';

const USD = 1_000_000n;
const NOW = 1_700_000_000n;

describe('a batch', () => {
  /** At 2 gwei and 2,500 USD: 2.70 USD for an order alone, 1.965 for a batch, 0.94 for each of its orders. */
  const costs: Costs = {
    gasTable: DEFAULT_GAS,
    gasPrice: { baseFee: 10n ** 9n, priorityFee: 10n ** 9n, nativePrice: 2_500n * USD },
    spreads: DEFAULT_SPREADS,
  };
  const order = (gross: bigint, hedge = 0n) => ({ gross, hedge });
  const best = (orders: readonly ReturnType<typeof order>[], most = 8) =>
    bestBatch(orders, costs, most, 5n * USD);

  it('has the best orders, as many as there may be, and their profit', () => {
    const orders = [100n, 103n, 101n, 104n, 102n].map((gross) => order(gross * USD, USD));
    const found = best(orders, 3)!;
    expect(found.members.map(({ gross }) => gross / USD)).toEqual([104n, 103n, 102n]);
    expect(found.profit).toEqual({
      gross: 309n * USD,
      gas: 4_785_000n,
      hedge: 3n * USD,
      net: 301_215_000n,
    });
    expect(best(orders)!.members).toHaveLength(5);
    expect(best(orders, 1)).toBeUndefined();
  });

  it('has no order that does not pay for its own gas in it, hedge included', () => {
    const sizeWith = (...small: readonly [bigint, bigint?]) =>
      best([order(100n * USD), order(100n * USD), order(...small)])!.members.length;
    expect([sizeWith(940_000n), sizeWith(940_001n)]).toEqual([2, 3]);
    expect([sizeWith(5n * USD, 4_060_000n), sizeWith(5n * USD, 4_059_999n)]).toEqual([2, 3]);
  });

  it('is none where the orders that are worth sending alone gain as much', () => {
    // The second order would not be sent alone: it brings 1.145 USD, which is what a batch of both costs more than the first.
    expect(best([order(100n * USD), order(1_145_000n)])).toBeUndefined();
    expect(best([order(100n * USD), order(1_145_001n)])!.members).toHaveLength(2);
    // None would be sent alone.
    expect(best([order(4n * USD), order(4n * USD)])!.profit.net).toBe(4_155_000n);
  });
});

describe('a slice of an auction', () => {
  const takeover = (changes: Partial<RunningAuction>) => ({
    accountId: 11n,
    underlyingId: 1n,
    commitment: 6n,
    number: 3n,
    startNonce: 1n,
    scale: 3n,
    cash: -31n,
    collateral: 0n,
    movingCollateral: 0n,
    saleCollateral: 0n,
    reserved: 0n,
    round: 9n,
    provenAt: NOW - 10n,
    proven: { mark: 30n, baseRequirement: 0n, collateralSlope: 0n, scale: 3n },
    publicStart: NOW - 60n,
    subsidyFrom: NOW,
    superseded: false,
    terms: integerTerms(DEFAULT_LIQUIDATION_TERMS),
    capacity: 8,
    ...changes,
  });

  it('is at least a twentieth, rounded up', () => {
    const leastOf = (scale: bigint) => auctionChance(takeover({ scale, cash: -100_000n }), NOW).leastScale;
    expect([leastOf(1_000n), leastOf(1_001n), leastOf(1n)]).toEqual([50n, 51n, 1n]);
  });

  it('has its share of what positions have lost since, rounded up', () => {
    const grossAt = (presentMark: bigint, maxScale: bigint) =>
      auctionChance(takeover({ presentMark }), NOW, { maxScale }).gross;
    // A worth of -1, a third of which is rounded against the taker.
    expect([grossAt(30n, 1n), grossAt(60n, 1n)]).toEqual([-1n, -1n]);
    // A third and four thirds of a unit.
    expect([grossAt(29n, 1n), grossAt(26n, 1n)]).toEqual([-2n, -3n]);
    expect(grossAt(26n, 3n)).toBe(-5n);
  });
});
