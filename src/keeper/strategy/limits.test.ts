import { describe, expect, it } from 'vitest';
import type { ActionKind } from './gas.ts';
import { type EndedTransaction, lossOfDay, mayCost } from './limits.ts';

const USD = 1_000_000n;
const DAY = 86_400_000;
const MIDNIGHT = 20_000 * DAY;
const NOON = MIDNIGHT + DAY / 2;
/** A token at 2,500 USD: a thousandth of it is 2.50 USD. */
const PRICE = 2_500n * USD;
const MILLI = 10n ** 15n;

/** Included this morning for 2.50 USD of gas, for a gain of 100 USD. */
const ended = (changes: Partial<EndedTransaction> = {}): EndedTransaction => ({
  end: 'confirmed',
  endedAt: NOON - 1,
  inclusion: { cost: MILLI },
  gain: 100n * USD,
  ...changes,
});

describe('the loss of a day', () => {
  it.each<[string, EndedTransaction, bigint]>([
    ['a gain', ended(), 0n],
    ['gas of what was reverted, whatever was hoped for', ended({ end: 'reverted' }), 2_500_000n],
    ['gas of what was cancelled', ended({ end: 'cancelled' }), 2_500_000n],
    ['what gas cost beyond a gain', ended({ gain: 1_000_000n }), 1_500_000n],
    ['a gain that its gas has just eaten', ended({ gain: 2_500_000n }), 0n],
    ['a gain that lacks a unit of its gas', ended({ gain: 2_499_999n }), 1n],
    ['a negative gain, and gas', ended({ gain: -USD }), 3_500_000n],
    ['a part of a unit, rounded up', ended({ end: 'reverted', inclusion: { cost: 1n } }), 1n],
    ['what no block has taken', { end: 'lost', endedAt: NOON - 1, gain: 0n }, 0n],
    [
      'what has not ended, though a block has it',
      { inclusion: { cost: MILLI }, gain: -USD, end: 'confirmed' },
      0n,
    ],
    ['what ended at midnight', ended({ end: 'reverted', endedAt: MIDNIGHT }), 2_500_000n],
    ['what ended a millisecond before', ended({ end: 'reverted', endedAt: MIDNIGHT - 1 }), 0n],
  ])('counts %s', (_, transaction, loss) => {
    expect(lossOfDay([transaction], NOON, PRICE)).toBe(loss);
  });

  it('is a sum, against which no gain is set', () => {
    const all = [ended({ end: 'reverted' }), ended(), ended({ gain: USD }), ended({ gain: 10n ** 12n })];
    expect(lossOfDay(all, NOON, PRICE)).toBe(4_000_000n);
    expect(lossOfDay([], NOON, PRICE)).toBe(0n);
  });

  it('begins anew at midnight', () => {
    const late = [ended({ end: 'reverted', endedAt: MIDNIGHT + DAY - 1 })];
    expect(lossOfDay(late, MIDNIGHT + DAY - 1, PRICE)).toBe(2_500_000n);
    expect(lossOfDay(late, MIDNIGHT + DAY, PRICE)).toBe(0n);
  });
});

describe('what gas may cost', () => {
  /** 5 USD at least, a quarter for gas. */
  const limits = { minimumProfit: 5n * USD, minimumStartProfit: 0n, gasShareBps: 2_500n };
  const of = (
    kind: ActionKind,
    {
      gross,
      gas,
      hedge,
      net = gross - gas - hedge,
    }: Record<'gross' | 'gas' | 'hedge', bigint> & { net?: bigint },
    changes: Partial<typeof limits> = {},
  ) => mayCost({ kind: kind as 'bid', profit: { gross, gas, hedge, net } }, { ...limits, ...changes });
  const usual = { gross: 100n * USD, gas: 3n * USD, hedge: 15n * USD };

  it.each<[ActionKind, bigint]>([
    // A quarter of 100 less 15 for the hedge and 5 of least profit.
    ['liquidate', 20_000_000n],
    ['liquidateBatch', 20_000_000n],
    ['bid', 20_000_000n],
    ['takeOver', 20_000_000n],
    ['sealedBid', 20_000_000n],
    // Of 85: the least profit has been asked for with the bid.
    ['fill', 21_250_000n],
    // What a free vessel is worth.
    ['close', 5_000_000n],
  ])('is, of %s, what leaves hedge and least profit', (kind, cost) => {
    expect(of(kind, usual)).toBe(cost);
  });

  it.each<ActionKind>(['refresh', 'restart', 'poke'])(
    'is, of %s, by the slice that it makes possible',
    (kind) => {
      // The net of the slice less the own gas of 3.
      const profit = { gross: 0n, gas: 3n * USD, hedge: 0n, net: 42n * USD };
      expect(of(kind, profit)).toBe(10_000_000n);
      // Or by what starts may cost. Where those must gain, a slice that gains too little leaves less than nothing.
      expect(of(kind, { ...profit, net: -2n * USD }, { minimumStartProfit: -7n * USD })).toBe(7n * USD);
      expect(of(kind, { ...profit, net: -2n * USD })).toBe(0n);
      expect(of(kind, { ...profit, net: -2n * USD }, { minimumStartProfit: 7n * USD })).toBe(-USD);
    },
  );

  it('is, of a start, by the reward or by the takeover, whichever is more', () => {
    // The reward alone: its net is 57.
    expect(of('start', { gross: 60n * USD, gas: 3n * USD, hedge: 0n })).toBe(15_000_000n);
    // An account that is worth nothing pays none: the net holds the takeover's.
    expect(of('start', { gross: 0n, gas: 3n * USD, hedge: 0n, net: 82n * USD })).toBe(20_000_000n);
  });

  it('is, of a start that may cost something, so much more', () => {
    const start = { gross: 60n * USD, gas: 3n * USD, hedge: 0n };
    expect(of('start', start, { minimumStartProfit: -7n * USD })).toBe(22_000_000n);
    expect(of('start', start, { minimumStartProfit: 7n * USD })).toBe(15_000_000n);
  });
});
