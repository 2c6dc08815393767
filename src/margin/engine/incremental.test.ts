/** Incremental margin of candidate trades. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PRESET_NAMES, presetModel } from '../presets/index.ts';
import { incrementalMargin } from './incremental.ts';
import { computeMargin } from './margin.ts';
import { accountFor, grossOf, marketOf, option, perpetual, portfolioOf, spotPosition } from './testing.ts';

const RUNS = Number(process.env.ZKMARGIN_RUNS ?? 60);

describe.each(PRESET_NAMES)('%s', (name) => {
  const model = presetModel(name);

  it('a trade and its reverse lead back to the start', () => {
    const drawn = accountFor(model).chain(({ market, portfolio }) =>
      fc.integer({ min: 0, max: portfolio.positions.length }).map((cut) => ({
        market,
        held: { ...portfolio, positions: portfolio.positions.slice(0, cut) },
        traded: portfolio.positions.slice(cut),
      })),
    );
    fc.assert(
      fc.property(drawn, ({ market, held, traded }) => {
        const start = computeMargin(held, market, model);
        const there = incrementalMargin(start, { name: 'there', positions: traded });
        const back = incrementalMargin(there.after, {
          name: 'back',
          positions: traded.map((position) => ({
            ...position,
            quantity: -position.quantity,
            ...('unrealised' in position ? { unrealised: -position.unrealised } : {}),
          })),
        });
        const tolerance = 1e-11 * (grossOf(start) + grossOf(there.after));
        expect(Math.abs(there.cash + back.cash)).toBeLessThanOrEqual(tolerance);
        // At marks, a trade changes no equity.
        expect(Math.abs(there.equity)).toBeLessThanOrEqual(tolerance);
        expect(back.after.maintenanceRequirement).toBe(start.maintenanceRequirement);
        expect(back.after.initialRequirement).toBe(start.initialRequirement);
        expect(Math.abs(there.initialRequirement + back.initialRequirement)).toBeLessThanOrEqual(tolerance);
        expect(Math.abs(back.after.equity.total - start.equity.total)).toBeLessThanOrEqual(tolerance);
        expect(back.after.valued.map(({ position }) => position.quantity)).toEqual(
          start.valued.map(({ position }) => position.quantity),
        );
      }),
      { numRuns: RUNS },
    );
  });
});

describe('whether a trade is allowed', () => {
  const model = presetModel('ramm');
  const market = marketOf();
  const sell = { name: 'sell', positions: [option('C', 110, -1)] };

  it('depends on the initial requirement after it, to the cent', () => {
    const need = computeMargin(portfolioOf(sell.positions), market, model).initialRequirement;
    const at = (cash: number) =>
      incrementalMargin(computeMargin(portfolioOf([], { cash }), market, model), sell).allowed;
    expect(at(need + 0.01)).toBe(true);
    expect(at(need - 0.01)).toBe(false);
  });

  it('who is short of margin may reduce what is missing, and not add to it', () => {
    const poor = computeMargin(portfolioOf([option('C', 110, -1)], { cash: 5 }), market, model);
    expect(poor.initialMargin).toBeLessThan(0);
    const hedge = incrementalMargin(poor, { name: 'hedge', positions: [perpetual(0.3)] });
    expect(hedge.initialRequirement).toBeLessThan(0);
    expect(hedge.after.initialMargin).toBeLessThan(0);
    expect(hedge.allowed).toBe(true);
    expect(incrementalMargin(poor, { name: 'more', positions: [option('C', 110, -0.1)] }).allowed).toBe(
      false,
    );
    expect(incrementalMargin(poor, { name: 'short', positions: [spotPosition(-0.001)] }).allowed).toBe(false);
  });

  it('takes cash as it is given: a price worse than the mark costs equity', () => {
    const before = computeMargin(portfolioOf([], { cash: 100 }), market, model);
    const mark = incrementalMargin(before, sell).cash;
    expect(mark).toBeGreaterThan(0);
    expect(incrementalMargin(before, { ...sell, cash: mark - 1 }).equity).toBeCloseTo(-1, 12);
  });
});
