/**
 * Predictive initial margin: when put wings steepen step by step, the initial requirement of who is short of them rises
 * before the maintenance requirement does.
 *
 * Criterion: the wing gains three vol points every six hours. At the first step the initial requirement has risen by more
 * than 1.2 %, and the maintenance requirement by less than a third of that rise, relative to each. Without the predictive
 * term the initial requirement takes three steps to where it stands after one.
 */
import { describe, expect, it } from 'vitest';
import { presetModel } from '../presets/index.ts';
import { breakdownOf } from './breakdown.ts';
import { computeMargin } from './margin.ts';
import type { MarginModel } from './model.ts';
import type { Smile } from './smile.ts';
import type { EarlierSmile, Position } from './state.ts';
import {
  componentOf,
  DAY,
  expiryOf,
  marketOf,
  option,
  perpetual,
  portfolioOf,
  underlyingOf,
} from './testing.ts';

const ramm = presetModel('ramm');
const STEP = 21_600;
const SPACING = 0.5;
/** Pillars of a 50 % vol with a put wing that is steeper by a number of steps. */
const wing = (steps: number): Smile => ({
  kind: 'pillars',
  spacing: SPACING,
  volatilities: [4, 3, 2, 1, 0, 0, 0, 0].map(
    (distance) => 0.5 + 0.02 * distance + 0.03 * steps * Math.min(1, distance / 2),
  ),
});

/** The market after a number of steps, with the surfaces of all earlier ones and of a number of calm ones before. */
function market(steps: number, calm = 0, history = true) {
  const secondsToExpiry = 60 * DAY - steps * STEP;
  const earlier: EarlierSmile[] = [];
  for (let step = -calm; step < steps; step++) {
    const age = (steps - step) * STEP;
    const years = (secondsToExpiry + age) / 31_536_000;
    earlier.push({ age, forward: 100, years, smile: wing(Math.max(0, step)) });
  }
  const expiry = expiryOf({ secondsToExpiry, smile: wing(steps), ...(history ? { earlier } : {}) });
  return marketOf(underlyingOf({ expiries: [expiry] }));
}

/** With as much perpetual as hedges the delta at the start. */
function hedged(positions: readonly Position[]) {
  const { valued } = computeMargin(portfolioOf(positions), market(0), ramm);
  const delta = valued.reduce((sum, { greeks }) => sum + greeks.delta, 0);
  return portfolioOf([...positions, perpetual(-delta)]);
}

const puts = [option('P', 84, -10), option('P', 78, -10)];
const shortPuts = hedged(puts);

describe.each([
  ['short puts, hedged in delta', shortPuts],
  // Long vol at the money pays for parallel moves, so that the wing is what is left.
  ['short puts against options at the money', hedged([...puts, option('P', 100, 6)])],
])('a put wing that steepens: %s', (_, portfolio) => {
  const steps = [0, 1, 2, 3, 4];
  const margins = steps.map((step) => computeMargin(portfolio, market(step), ramm));
  const rise = (level: 'maintenanceRequirement' | 'initialRequirement', step: number) =>
    margins[step]![level] / margins[0]![level] - 1;

  it('raises the initial requirement at the first step, while maintenance moves by less than a third of that', () => {
    expect(rise('initialRequirement', 1)).toBeGreaterThan(0.012);
    expect(Math.abs(rise('maintenanceRequirement', 1))).toBeLessThan(rise('initialRequirement', 1) / 3);
  });

  it('is ahead by two steps and more of what the initial requirement would be without the term', () => {
    const without = margins.map(
      (margin) => margin.initialRequirement - componentOf(margin, 'predictive').initial,
    );
    expect(without[3]).toBeLessThan(margins[1]!.initialRequirement);
  });

  it('goes on charging while it steepens, at the initial level alone', () => {
    const charges = margins.map((margin) => componentOf(margin, 'predictive').initial);
    for (let step = 1; step < charges.length; step++) expect(charges[step]).toBeGreaterThan(5 * charges[0]!);
    for (const margin of margins) expect(componentOf(margin, 'predictive').maintenance).toBe(0);
    const added = charges[1]! - charges[0]!;
    expect(added / (margins[1]!.initialRequirement - margins[0]!.initialRequirement)).toBeGreaterThan(0.7);
  });

  it('after a calm day the drift is spread over it: the charge rises more slowly, and still first', () => {
    const calm = [0, 1, 2, 3].map((step) => computeMargin(portfolio, market(step, 4), ramm));
    const at = (level: 'maintenanceRequirement' | 'initialRequirement') =>
      calm[1]![level] / calm[0]![level] - 1;
    expect(at('initialRequirement')).toBeGreaterThan(1.5 * at('maintenanceRequirement'));
    const charges = calm.map((margin) => componentOf(margin, 'predictive').initial);
    for (let step = 1; step < charges.length; step++)
      expect(charges[step]).toBeGreaterThan(charges[step - 1]!);
  });

  it('its parts and the requirement still add up', () => {
    for (const margin of margins) {
      const { components, requirement, positions, other } = breakdownOf(margin, 'initial');
      expect(components.reduce((sum, { amount }) => sum + amount, 0n)).toBe(requirement);
      expect(positions.reduce((sum, { contribution }) => sum + contribution, other)).toBe(requirement);
    }
  });
});

describe('a put wing that steepens, for others', () => {
  it('does not move the requirement of an equal portfolio of calls, whose wing is still', () => {
    const shortCalls = portfolioOf([option('C', 130, -10), option('C', 140, -10)]);
    const [before, after] = [0, 1].map((steps) =>
      componentOf(computeMargin(shortCalls, market(steps), ramm), 'predictive'),
    );
    expect(Math.abs(after!.initial / before!.initial - 1)).toBeLessThan(0.02);
  });

  it('a long position in the wing is not charged for the drift that it gains from', () => {
    const longPuts = portfolioOf([option('P', 86, 10), option('P', 80, 10)]);
    const still = componentOf(computeMargin(longPuts, market(1, 0, false), ramm), 'predictive').base;
    expect(componentOf(computeMargin(longPuts, market(1), ramm), 'predictive').base).toBeLessThan(still);
  });
});

describe('history', () => {
  const predictive = (model: MarginModel, given: ReturnType<typeof market>) =>
    componentOf(computeMargin(shortPuts, given, model), 'predictive').base;

  it('that is flat leaves the vanna and volga part, as no history does', () => {
    const with0 = predictive(ramm, market(0, 4));
    expect(with0).toBeGreaterThan(0);
    // The same smile at the same standardised strike: no drift but roundings.
    expect(predictive(ramm, market(0, 0, false))).toBeCloseTo(with0, 9);
    const still: MarginModel = {
      ...ramm,
      addOns: ramm.addOns.map((addOn) => (addOn.kind === 'predictive' ? { ...addOn, volOfVol: 0 } : addOn)),
    };
    expect(predictive(still, market(0, 0, false))).toBe(0);
    expect(predictive(still, market(0, 4))).toBeCloseTo(0, 9);
  });

  it('older than the lookback is not used, and the drift is bounded', () => {
    const old: EarlierSmile = {
      age: 3 * DAY,
      forward: 100,
      years: 33 / 365,
      smile: { kind: 'flat', volatility: 0.1 },
    };
    const recent: EarlierSmile = { ...old, age: 60, years: 30 / 365 };
    const at = (earlier: EarlierSmile[]) =>
      predictive(ramm, marketOf(underlyingOf({ expiries: [expiryOf({ earlier })] })));
    expect(at([old])).toBe(at([]));
    // 40 points in a minute would be 96 in four hours; half of the vol, 25 points, is the most.
    const bounded = at([recent]);
    const steep: EarlierSmile = { ...recent, smile: { kind: 'flat', volatility: 0.2 } };
    expect(at([steep])).toBe(bounded);
    expect(bounded).toBeGreaterThan(at([]));
  });

  it.each<[string, Smile]>([
    ['pillars', wing(0)],
    ['SVI', { kind: 'svi', years: 1, parameters: { a: 0.01, b: 0.1, rho: -1, m: 0, sigma: 0.1 } }],
  ])(
    'of an option near expiry whose strike then would be beyond any number does not undo the charge: %s',
    (_, smile) => {
      // A strike of 1e12 in an hour goes with one of e^2150 a year before.
      const earlier: EarlierSmile[] = [{ age: DAY, forward: 100, years: 1, smile }];
      const soon = marketOf(underlyingOf({ expiries: [expiryOf({ secondsToExpiry: 3_600, earlier })] }));
      const at = (...strikes: number[]) =>
        componentOf(
          computeMargin(portfolioOf(strikes.map((strike) => option('P', strike, -1))), soon, ramm),
          'predictive',
        );
      expect(at(100).base).toBeGreaterThan(0);
      expect(at(100, 1e12, 1e-6).base).toBeCloseTo(at(100).base, 9);
    },
  );
});
