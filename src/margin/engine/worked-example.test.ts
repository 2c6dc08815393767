/** The figures of section 12 of `docs/margin-model.md`, as printed there. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readMarginDocument } from '../../input/margin.ts';
import { rammCoreModel } from '../presets/ramm.ts';
import { computeMargin } from './margin.ts';

const { market, portfolio, model } = readMarginDocument({
  model: 'ramm',
  market: {
    asOf: '2025-01-29T08:00:00Z',
    underlyings: [
      {
        symbol: 'BTC',
        spot: 100_000,
        realisedVolatility: 0.5,
        expiries: [{ expiry: '28FEB25', forward: 100_000, volatility: { type: 'flat', volatility: 0.5 } }],
      },
    ],
  },
  portfolio: { cash: 20_000, positions: [{ instrument: 'BTC-28FEB25-110000-C', quantity: -1 }] },
});
const margin = computeMargin(portfolio, market, model);
const text = readFileSync(new URL('../../../docs/margin-model.md', import.meta.url), 'utf8');
const section = text.slice(text.indexOf('## 12.'), text.indexOf('## 13.'));

/** Expects a figure, rounded to cents, to stand in the section. */
function printed(value: number, decimals = 2): void {
  const shown = Math.abs(value).toLocaleString('en-US', {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  });
  expect(section, `section 12 does not show ${shown}`).toContain(shown);
}

const component = (id: string): number => margin.components.find((entry) => entry.id === id)!.maintenance;
const profit = (id: string): number =>
  margin.scan.profits[0]![model.scenarios.findIndex((scenario) => scenario.id === id)]!;

describe('the worked example of the specification', () => {
  it('shows the mark and equity', () => {
    printed(margin.valued[0]!.value);
    printed(margin.equity.total);
    printed(margin.valued[0]!.greeks.delta, 6);
  });

  it('shows the scan and its parts', () => {
    printed(profit('+22.1 % up'), 0);
    printed(profit('+49.2 % none'), 0);
    printed(profit('+82.2 % none'), 0);
    printed(-profit('+49.2 % none') / 0.5 + -margin.valued[0]!.value, 0);
    printed(-profit('+82.2 % none') / (22_938 / 65_536) - margin.valued[0]!.value, 0);
    printed(margin.scan.loss);
    printed(component('scan'));
    const factor = model.scan.maintenance;
    printed(factor * margin.scan.delta[0]!);
    printed(factor * margin.scan.gamma[0]!);
    printed(
      factor * (margin.scan.loss - margin.scan.delta[0]! - margin.scan.gamma[0]! - margin.scan.vega[0]!),
    );
  });

  it('shows every add-on and the requirement', () => {
    for (const id of ['shortOption', 'horizon', 'expiryBasis', 'expiryInterest', 'gamma', 'vegaShock']) {
      printed(component(id));
    }
    printed(margin.components.find(({ id }) => id === 'predictive')!.initial);
    printed(margin.maintenanceRequirement);
    printed(margin.initialRequirement);
    expect(computeMargin(portfolio, market, rammCoreModel()).maintenanceRequirement).toBeCloseTo(
      margin.maintenanceRequirement,
      9,
    );
    expect(margin.tier).toBe('liquidation');
  });
});
