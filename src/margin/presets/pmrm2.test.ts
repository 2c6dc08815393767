/**
 * Derive's published PMRM2 portfolios: margins, every scenario and every intermediate figure. The folder of published
 * figures is no part of the project; without it, these tests are skipped.
 */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { marginOfCase, pmrm2Document } from '../../input/pmrm2.ts';
import { breakdownOf } from '../engine/breakdown.ts';
import type { Margin } from '../engine/margin.ts';
import { groupByExpiry, staticDiscountOf } from '../engine/scan.ts';
import { shockedVolatility } from '../engine/valuation.ts';

const PUBLISHED = new URL('../../../../shared/vectors/pmrm2.json', import.meta.url);
const missing = !existsSync(PUBLISHED);
if (missing) console.warn('skipped: no ../shared/vectors/pmrm2.json beside the project');

interface Case {
  readonly id: string;
  readonly scenario: {
    readonly OptionFeeds: readonly { readonly FeedExpiry: number }[];
    readonly Options: readonly { readonly Expiry: number }[];
    readonly Collaterals: readonly unknown[];
  };
  readonly parameters: { readonly Scenarios: readonly { SpotShock: number; VolShockDirection: string }[] };
  // biome-ignore lint/suspicious/noExplicitAny: figures by their published names.
  readonly expected: any;
}
const document: { cases: Case[] } = missing ? { cases: [] } : JSON.parse(readFileSync(PUBLISHED, 'utf8'));
const cases = document.cases.map((value) => [value.id, value] as const);

/** The tolerance of the published figures: 1e-8 relative, absolute below 1. */
const near = (value: number, expected: number, relative = 1e-8) => {
  expect(Math.abs(value - expected)).toBeLessThanOrEqual(relative * Math.max(1, Math.abs(expected)));
};

/** Two levels of a component, 0 when absent. */
const levels = (margin: Margin, id: string) => {
  const found = margin.components.find((component) => component.id === id);
  const maintenance = found?.maintenance ?? 0;
  return { maintenance, extra: (found?.initial ?? 0) - maintenance };
};

describe.skipIf(missing)('PMRM2, published portfolios', () => {
  it('there are 34, and the whole document is answered in order', () => {
    const results = pmrm2Document(document);
    expect(results).toHaveLength(34);
    expect(results.map(({ id }) => id)).toEqual(document.cases.map(({ id }) => id));
  });

  describe.each(cases)('%s', (_, given) => {
    const { margin } = marginOfCase(given);
    const { expected } = given;

    it('maintenance and initial margin, and the profit of every scenario', () => {
      near(margin.maintenanceMargin, expected.MM);
      near(margin.initialMargin, expected.IM);
      expect(margin.plan.scenarioCount).toBe(expected.scenario_pnl.length);
      (expected.scenario_pnl as number[]).forEach((profit, scenario) => {
        near(margin.scan.profits[0]![scenario]!, profit);
      });
    });

    it('marks, contingencies of every kind, and the basis move', () => {
      near(margin.equity.options, expected.optionMTM);
      near(margin.equity.collateral, expected.collateralMTM);
      near(margin.equity.total, expected.mtm);
      near(margin.scan.profits[0]![margin.plan.scenarioCount]!, expected.forwardContingency);
      near(levels(margin, 'perpetual').maintenance, -expected.MMPerpCont);
      near(levels(margin, 'perpetual').extra, -expected.IMPerpCont);
      near(levels(margin, 'shortOption').maintenance, -expected.MMOptionCont);
      near(levels(margin, 'shortOption').extra, -expected.IMOptionCont);
      near(levels(margin, 'collateralHaircut').maintenance, -expected.MMBaseCont);
      near(levels(margin, 'collateralHaircut').extra, -expected.IMBaseCont);
      near(levels(margin, 'oracleConfidence').extra, -expected.oracleCont);
      expect(levels(margin, 'oracleConfidence').maintenance).toBe(0);
    });

    it('vol multipliers and static discounts by expiry', () => {
      const { model, market } = margin;
      given.scenario.Options.forEach(({ Expiry }, index) => {
        const shock = (move: 'up' | 'down') => shockedVolatility(model, 100, move, Expiry, 0) / 100;
        near(shock('up'), expected.volShockUp[index]);
        near(shock('down'), expected.volShockDown[index]);
      });
      const { expiries } = market.underlyings[0]!;
      given.scenario.OptionFeeds.forEach(({ FeedExpiry }, index) => {
        const expiry = expiries.findIndex(({ secondsToExpiry }) => secondsToExpiry === FeedExpiry);
        const group = { underlying: 0, expiry, options: [] };
        const [positive, negative] = expected.discount_factors[index] as [number, number];
        near(staticDiscountOf(model, market, group, 1), positive);
        near(staticDiscountOf(model, market, group, -1), negative);
      });
      expect(groupByExpiry(margin.valued).length).toBeLessThanOrEqual(expiries.length);
    });

    it('the scan’s loss is the least of the published profits and the basis move', () => {
      const least = Math.min(0, expected.forwardContingency, ...(expected.scenario_pnl as number[]));
      near(margin.scan.loss, -least);
      const worst = margin.scan.ownWorst[0]!;
      if (worst >= 0) near([...expected.scenario_pnl, expected.forwardContingency][worst], least);
      else expect(least).toBe(0);
    });

    it('requirement taken apart adds up exactly', () => {
      for (const level of ['maintenance', 'initial'] as const) {
        const { requirement, components, expiries, positions, other } = breakdownOf(margin, level);
        const total = (amounts: readonly bigint[]) => amounts.reduce((sum, amount) => sum + amount, 0n);
        expect(total(components.map(({ amount }) => amount))).toBe(requirement);
        expect(total(expiries.map(({ amount }) => amount)) + other).toBe(requirement);
        expect(total(positions.map(({ contribution }) => contribution)) + other).toBe(requirement);
      }
    });
  });
});
