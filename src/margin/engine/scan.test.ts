/** Scan risk: joint scenarios, relief between underlyings, hedges. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PRESET_NAMES, presetModel } from '../presets/index.ts';
import { computeMargin, type Margin } from './margin.ts';
import type { MarginModel } from './model.ts';
import type { Position } from './state.ts';
import {
  accountFor,
  collateralOf,
  componentOf,
  expiryOf,
  future,
  grossOf,
  marketArbitrary,
  marketOf,
  option,
  perpetual,
  portfolioOf,
  spotPosition,
  underlyingOf,
} from './testing.ts';

const RUNS = Number(process.env.ZKMARGIN_RUNS ?? 60);
const ROUNDING = 1e-12;
const presets = PRESET_NAMES.map((name) => [name, presetModel(name)] as const);

/** Losses of all joint states, written down afresh: all alike, one alone, one against the others. */
function jointLosses(margin: Margin): number[] {
  const { model, scan, plan } = margin;
  const counted = scan.profits.map((row) =>
    [...row].map((profit) => (profit > 0 ? profit * model.gainFactor : profit)),
  );
  const losses: number[] = [];
  for (let column = 0; column < counted[0]!.length; column++) {
    losses.push(-counted.reduce((sum, row) => sum + row[column]!, 0));
    if (counted.length < 2) continue;
    counted.forEach((row) => {
      losses.push(-row[column]!);
    });
  }
  if (counted.length < 2) return losses;
  model.scenarios.forEach((scenario, column) => {
    const factor = plan.probes[column]!.priceFactors[0]!;
    // The exact opposite in logarithms, or in units of the range, with the same vol move.
    const opposite = model.scenarios.findIndex(
      (other, index) =>
        other.volatility === scenario.volatility &&
        other.role === scenario.role &&
        (scenario.rangeFraction === undefined
          ? Math.abs(plan.probes[index]!.priceFactors[0]! * factor - 1) < 1e-9
          : other.rangeFraction === -scenario.rangeFraction),
    );
    if (opposite < 0) return;
    counted.forEach((row, own) => {
      const others = counted.reduce((sum, each, index) => sum + (index === own ? 0 : each[opposite]!), 0);
      losses.push(-row[column]! - others);
    });
  });
  return losses;
}

describe.each(presets)('%s', (_, preset) => {
  it.each([0, 0.5, 1])(
    'relief of %d of what joint scenarios show: never below one of them, never above the sum',
    (reliefFraction) => {
      const model: MarginModel = { ...preset, reliefFraction };
      fc.assert(
        fc.property(accountFor(model, { underlyings: 3 }), ({ market, portfolio }) => {
          const margin = computeMargin(portfolio, market, model);
          const { loss, relief, ownLosses, jointLoss } = margin.scan;
          const rounding = ROUNDING * grossOf(margin);
          for (const joint of jointLosses(margin)) {
            expect(loss).toBeGreaterThanOrEqual(joint - rounding);
            expect(jointLoss).toBeGreaterThanOrEqual(joint - rounding);
          }
          const sum = ownLosses.reduce((total, own) => total + own, 0);
          expect(loss).toBeLessThanOrEqual(sum);
          expect(relief).toBeGreaterThanOrEqual(0);
          for (const own of ownLosses) expect(loss).toBeGreaterThanOrEqual(own - rounding);
          if (market.underlyings.length === 1) expect(relief).toBe(0);
          if (reliefFraction === 0) expect(loss).toBe(sum);
          // What positions and collateral account for is the loss.
          let parts = 0;
          for (const part of margin.scan.positions) parts += part;
          for (const part of margin.scan.collateral) parts += part;
          expect(Math.abs(parts - loss)).toBeLessThanOrEqual(10 * rounding);
        }),
        { numRuns: RUNS },
      );
    },
  );

  it('one underlying has no relief', () => {
    fc.assert(
      fc.property(
        accountFor({ ...preset, reliefFraction: 1 }, { underlyings: 1 }),
        ({ market, portfolio }) => {
          const { scan } = computeMargin(portfolio, market, { ...preset, reliefFraction: 1 });
          expect(scan.relief).toBe(0);
          expect(scan.loss).toBe(scan.ownLosses[0]);
        },
      ),
      { numRuns: RUNS },
    );
  });
});

describe('relief between underlyings', () => {
  const ramm = presetModel('ramm');
  const two = marketOf(underlyingOf(), underlyingOf({ symbol: 'ETH' }));

  it('long one and short the other: the opposite move is what counts', () => {
    const margin = computeMargin(portfolioOf([spotPosition(1), spotPosition(-1, 1)]), two, ramm);
    // All alike hedges. Alone, BTC loses 18.1 on the grid and ETH 28.8 at +82 % in part. Against each other both are at
    // 48 steps of 1.25 %: 100 × 0.35 × (e^0.6 - e^-0.6), and half of what that is below the sum is granted.
    expect(margin.scan.joint.kind).toBe('against');
    expect(margin.scan.jointLoss).toBeCloseTo(100 * (22_938 / 65_536) * (Math.exp(0.6) - Math.exp(-0.6)), 2);
    const sum = margin.scan.ownLosses[0]! + margin.scan.ownLosses[1]!;
    expect(margin.scan.loss).toBeCloseTo((sum + margin.scan.jointLoss) / 2, 12);
  });

  it('tails that go with another vol move have a mirror too', () => {
    // RAMM's tails down come with vols up, those up without. A put that only a crash of BTC hurts and a call that only
    // a rally of ETH hurts may both lose at once.
    const far = marketOf(
      underlyingOf({ expiries: [expiryOf({ secondsToExpiry: 86_400, volatility: 0.3 })] }),
      underlyingOf({ symbol: 'ETH', expiries: [expiryOf({ secondsToExpiry: 86_400, volatility: 0.3 })] }),
    );
    const legs = [option('P', 62, -1), option('C', 160, -1, { underlying: 1 })];
    const margin = computeMargin(portfolioOf(legs), far, ramm);
    expect(Math.min(...margin.scan.ownLosses)).toBeGreaterThan(0.5);
    expect(margin.scan.joint.kind).toBe('against');
    const sum = margin.scan.ownLosses[0]! + margin.scan.ownLosses[1]!;
    expect(margin.scan.jointLoss).toBeCloseTo(sum, 9);
    expect(margin.scan.relief).toBeCloseTo(0, 9);
  });

  it('wide ranges, whose moves up and down differ as factors, have mirrors in units of the range', () => {
    const span: MarginModel = {
      ...presetModel('span'),
      reliefFraction: 1,
      priceRange: { value: 0.6, unit: 'relative' },
      scenarios: presetModel('span').scenarios.filter(({ role }) => role === 'grid'),
    };
    const margin = computeMargin(portfolioOf([spotPosition(1), spotPosition(-1, 1)]), two, span);
    expect(margin.scan.loss).toBeCloseTo(120, 9);
    expect(margin.scan.relief).toBeCloseTo(0, 9);
  });

  it('what is long both ways gets the relief that joint scenarios show, and the fraction of it', () => {
    // Long a straddle of one, short a straddle of the other: no joint state hurts both.
    const legs = [
      option('C', 100, 1),
      option('P', 100, 1),
      option('C', 100, -1, { underlying: 1 }),
      option('P', 100, -1, { underlying: 1 }),
    ];
    const half = computeMargin(portfolioOf(legs), two, ramm).scan;
    const full = computeMargin(portfolioOf(legs), two, { ...ramm, reliefFraction: 1 }).scan;
    const none = computeMargin(portfolioOf(legs), two, { ...ramm, reliefFraction: 0 }).scan;
    expect(full.loss).toBeCloseTo(full.jointLoss, 9);
    expect(none.loss).toBeGreaterThan(full.loss);
    expect(half.loss).toBeCloseTo((none.loss + full.loss) / 2, 9);
  });
});

describe('hedges', () => {
  const hedged = (margin: Margin) => margin.maintenanceRequirement;

  it.each(['ramm', 'ramm-core', 'span', 'pmrm2'])(
    '%s: short calls with as much delta in spot, perpetual, future or collateral scan less than alone',
    (name) => {
      // The grids are symmetric and a call is convex in price, so what the hedge loses on the way down is less than
      // what the naked call loses on the way up. (Not so in coin: after a
      // fall of the price every USD lost is more coin.)
      const model = presetModel(name);
      // PMRM2's skews and basis move, which may be the worst of a far option, do not see what hedges it.
      const lower = (hedgedFigure: number, without: number) => {
        if (name === 'pmrm2') expect(hedgedFigure).toBeLessThanOrEqual(without);
        else expect(hedgedFigure).toBeLessThan(without);
      };
      fc.assert(
        fc.property(
          marketArbitrary({ underlyings: 1, noCarry: true, minimumTenor: 86_400 }),
          fc.double({ min: -0.5, max: 2, noNaN: true }),
          fc.integer({ min: 1, max: 100 }),
          (market, deviations, size) => {
            const [underlying] = market.underlyings;
            const { forward, secondsToExpiry } = underlying!.expiries[0]!;
            const strike = forward * Math.exp(deviations * 0.5 * Math.sqrt(secondsToExpiry / 31_536_000));
            const call = option('C', strike, -size);
            const naked = computeMargin(portfolioOf([call]), market, model);
            const units = -naked.valued[0]!.greeks.delta;
            const hedges: Position[] = [future(units), perpetual(units), spotPosition(units)];
            for (const hedge of hedges) {
              const both = computeMargin(portfolioOf([call, hedge]), market, model);
              lower(both.scan.loss, naked.scan.loss);
              // PMRM2 charges a fee on every perpetual, whatever it hedges.
              const charged = name === 'pmrm2' && hedge.kind === 'perpetual';
              // RAMM's full preset charges a future for its basis.
              const basis = name === 'ramm' && hedge.kind === 'future';
              // SPAN charges the spread between an expiry and what has none.
              const spread = name === 'span' && hedge.kind !== 'future';
              // Far out of the money nothing but SPAN's floor is left of either.
              const floored = naked.components.some(({ id, initial }) => id === 'floor' && initial > 0);
              if (!charged && !basis && !spread && !floored) lower(hedged(both), hedged(naked));
            }
            const item = collateralOf(units * underlying!.spot, {
              offsets: { underlying: 0, fraction: 1 },
            });
            const both = computeMargin(portfolioOf([call], { collateral: [item] }), market, model);
            lower(both.scan.loss, naked.scan.loss);
            if (name !== 'span') lower(hedged(both), hedged(naked));
            const useless = computeMargin(
              portfolioOf([call], { collateral: [{ ...item, offsets: { underlying: 0, fraction: 0 } }] }),
              market,
              model,
            );
            expect(useless.scan.loss).toBe(naked.scan.loss);
          },
        ),
        { numRuns: RUNS },
      );
    },
  );

  it.each(['ramm', 'ramm-core', 'span'])(
    '%s: a covered call at or in the money needs no more than the naked one',
    (name) => {
      const model = presetModel(name);
      fc.assert(
        fc.property(
          marketArbitrary({ underlyings: 1, noCarry: true, minimumTenor: 86_400 }),
          fc.double({ min: 0.5, max: 0.97, noNaN: true }),
          (market, ratio) => {
            const [underlying] = market.underlyings;
            const call = option('C', underlying!.expiries[0]!.forward * ratio, -1);
            const naked = computeMargin(portfolioOf([call]), market, model);
            const covered = computeMargin(portfolioOf([call, spotPosition(1)]), market, model);
            // SPAN charges the spread between spot and the call's expiry besides.
            const figure = (margin: Margin) => (name === 'span' ? margin.scan.loss : hedged(margin));
            expect(figure(covered)).toBeLessThanOrEqual(figure(naked) * (1 + 1e-12));
          },
        ),
        { numRuns: RUNS },
      );
    },
  );

  it('deribit: a short call in coin against half a perpetual', () => {
    const model = presetModel('deribit');
    const call = option('C', 100, -1);
    const naked = computeMargin(portfolioOf([call]), marketOf(), model);
    for (const inverse of [false, true]) {
      const both = computeMargin(portfolioOf([call, perpetual(0.5, { inverse })]), marketOf(), model);
      expect(both.scan.loss).toBeLessThan(0.8 * naked.scan.loss);
      expect(hedged(both)).toBeLessThan(hedged(naked));
    }
  });

  it('a vertical spread scans no more than the distance of its strikes', () => {
    fc.assert(
      fc.property(
        marketArbitrary({ underlyings: 1 }),
        fc.double({ min: 0.6, max: 1.6, noNaN: true }),
        fc.double({ min: 1.001, max: 1.5, noNaN: true }),
        fc.constantFrom('C' as const, 'P' as const),
        (market, ratio, width, type) => {
          const { forward, rate, secondsToExpiry } = market.underlyings[0]!.expiries[0]!;
          const low = forward * ratio;
          const high = low * width;
          const spread = [
            option(type, low, type === 'C' ? -1 : 1),
            option(type, high, type === 'C' ? 1 : -1),
          ];
          const model = presetModel('ramm-core');
          const flat = marketOf({
            ...market.underlyings[0]!,
            expiries: market.underlyings[0]!.expiries.map((expiry) => ({
              ...expiry,
              smile: { kind: 'flat' as const, volatility: 0.6 },
            })),
          });
          const margin = computeMargin(portfolioOf(spread), flat, model);
          const years = Math.max(3_600, secondsToExpiry) / 31_536_000;
          const most = Math.exp(-rate * years) * (high - low);
          expect(margin.scan.loss).toBeLessThanOrEqual(
            most * (1 + 1e-9) + margin.equity.options + 1e-9 * forward,
          );
        },
      ),
      { numRuns: RUNS },
    );
  });

  it('a hedge in another underlying is no hedge of the own loss', () => {
    const two = marketOf(underlyingOf(), underlyingOf({ symbol: 'ETH' }));
    const alone = computeMargin(portfolioOf([spotPosition(1)]), two, presetModel('ramm'));
    const with2 = computeMargin(
      portfolioOf([spotPosition(1), spotPosition(-1, 1)]),
      two,
      presetModel('ramm'),
    );
    expect(componentOf(with2, 'scan').maintenance).toBeGreaterThan(componentOf(alone, 'scan').maintenance);
  });
});
