/**
 * The presets' scenario sets against published tables. The folder of published figures is no part of the project; without
 * it, the tests over it are skipped.
 */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fieldOfPointer } from '../../check-shape.ts';
import type { MarginModel } from '../engine/model.ts';
import { shockedVolatility } from '../engine/valuation.ts';
import { DEFAULT_PARAMETERS } from '../parameters.ts';
import { PRESET_NAMES, presetModel } from './index.ts';

const PUBLISHED = new URL('../../../../shared/vectors/margin_parameters.json', import.meta.url);
const missing = !existsSync(PUBLISHED);
if (missing) console.warn('skipped: no ../shared/vectors/margin_parameters.json beside the project');
// biome-ignore lint/suspicious/noExplicitAny: a file of facts, read as it is.
const published: any = missing ? {} : JSON.parse(readFileSync(PUBLISHED, 'utf8'));
const DAY = 86_400;

const sorted = (rows: readonly (readonly unknown[])[]) => [...rows].map((row) => JSON.stringify(row)).sort();
const round = (value: number) => Number(value.toFixed(12));

describe.skipIf(missing)('published scenario sets', () => {
  it('SPAN: sixteen scenarios, in order', () => {
    const direction = { up: 1, down: -1, none: 0 } as Record<string, number>;
    const rows = presetModel('span').scenarios.map((scenario, index) => [
      index + 1,
      round(scenario.rangeFraction!),
      direction[scenario.volatility],
      scenario.damping,
    ]);
    const table = (published.CME_SPAN.scenarios as number[][]).map(([number, move, vol, covered]) => [
      number,
      round(move!),
      vol,
      covered,
    ]);
    expect(table).toHaveLength(16);
    expect(rows).toEqual(table);
  });

  it('Deribit: nine price moves by three vol moves, and eight extended ones with vols up', () => {
    const facts = published.Deribit_BTC_2024_06;
    const model = presetModel('deribit');
    const grid = model.scenarios.filter(({ role }) => role === 'grid');
    const tails = model.scenarios.filter(({ role }) => role === 'tail');
    const moves = [-4, -3, -2, -1, 0, 1, 2, 3, 4].map((bucket) => (facts.price_range * bucket) / 4);
    const expected = moves.flatMap((move) =>
      ['down', 'none', 'up'].map((volatility) => [round(1 + move), volatility, 1]),
    );
    expect(
      sorted(grid.map(({ priceFactor, volatility, damping }) => [round(priceFactor!), volatility, damping])),
    ).toEqual(sorted(expected));
    const named = [...(facts.buckets as string).matchAll(/([+-]\d+)(?=[,%])/g)].map(([, percent]) =>
      Number(percent),
    );
    expect(named).toEqual([-66, -33, 50, 100, 200, 300, 400, 500]);
    expect(tails.map(({ priceFactor }) => Math.round(100 * (priceFactor! - 1)))).toEqual(named);
    expect(new Set(tails.map(({ volatility }) => volatility))).toEqual(new Set(['up']));
    const { volShock, scan } = model;
    expect([
      volShock.up,
      volShock.down,
      volShock.minimumShockedUp,
      volShock.shortPower,
      volShock.longPower,
    ]).toEqual([facts.vol_up, facts.vol_down, facts.min_vol_up, facts.short_power, facts.long_power]);
    expect(scan).toEqual({ maintenance: facts.mm_factor, initial: 1 });
    expect(model.addOns).toMatchObject([
      { kind: 'roll', annualRate: facts.annual_move, minimumRate: facts.min_move },
      {
        kind: 'deltaConcentration',
        thresholdUsd: facts.delta_shock_threshold_usd,
        maximumRate: facts.max_delta_shock,
      },
    ]);
  });

  it('Deribit’s vol rule, which Derive and Paradex share', () => {
    // vol_up = max(IV (1 + up (30/dte)^p), min_vol); vol_down = IV (1 - down (30/dte)^p); p short if dte < 30 else long.
    const rules: [MarginModel, number, number, number][] = [
      [presetModel('deribit'), 0.5, 0.25, 0.5],
      [presetModel('pmrm2'), 0.5, 0.3, 0.4],
    ];
    expect(published.Deribit_vol_rule).toContain('max(IV*(1+up*(30/dte)^p), min_vol)');
    for (const [model, up, down, least] of rules) {
      for (const days of [1, 2, 7, 29, 30, 31, 90, 400]) {
        const power = days < 30 ? 0.3 : 0.13;
        for (const volatility of [0.1, 0.3, 0.7, 2]) {
          const high = Math.max(volatility * (1 + up * (30 / days) ** power), least);
          const low = volatility * (1 - down * (30 / days) ** power);
          expect(shockedVolatility(model, volatility, 'up', days * DAY, 0)).toBeCloseTo(high, 13);
          expect(shockedVolatility(model, volatility, 'down', days * DAY, 0)).toBeCloseTo(low, 13);
        }
      }
    }
  });

  it('Derive: 23 regular scenarios, eight tails and two skews, and their parameters', () => {
    const facts = published.Derive_PMRM2_BTC_2025_12;
    const model = presetModel('pmrm2');
    const regular = model.scenarios.filter(({ role }) => role === 'grid');
    const tails = model.scenarios.filter(({ role }) => role === 'tail');
    const skews = model.scenarios.filter(({ role }) => role === 'skew');
    expect([regular.length, tails.length, skews.length]).toEqual([23, 8, 2]);
    const expected = [
      [1.18, 'up'],
      [0.82, 'up'],
    ].concat(
      [1.135, 1.09, 1.045, 1, 0.955, 0.91, 0.865].flatMap((factor) =>
        ['up', 'none', 'down'].map((volatility) => [factor, volatility]),
      ),
    );
    expect(sorted(regular.map(({ priceFactor, volatility }) => [priceFactor, volatility]))).toEqual(
      sorted(expected),
    );
    for (const { damping } of regular) expect(damping).toBe(1);
    const named = [...(facts.scenarios as string).matchAll(/([\d.]+):([\d.]+\d)/g)].map(
      ([, factor, damping]) => [Number(factor), 'up', Number(damping)],
    );
    expect(named).toHaveLength(8);
    expect(tails.map(({ priceFactor, volatility, damping }) => [priceFactor, volatility, damping])).toEqual(
      named,
    );
    expect(skews.map(({ volatility }) => volatility)).toEqual(['linearSkew', 'absoluteSkew']);
    const { volShock, scan, addOns } = model;
    expect([
      volShock.up,
      volShock.down,
      volShock.shortPower,
      volShock.longPower,
      volShock.minimumShockedUp,
    ]).toEqual([facts.volUp, facts.volDown, facts.shortPower, facts.longPower, facts.minVolUp]);
    expect(scan).toEqual({
      maintenance: facts.mmFactor,
      initial: facts.imFactor,
      pegLoss: { threshold: facts.pegLossThreshold, factor: facts.pegLossFactor },
    });
    expect(addOns).toMatchObject([
      { kind: 'basis', upFactor: 1.045, downFactor: 0.955, constant: 0.5, perYear: 2, combine: 'worst' },
      { kind: 'perpetual', maintenance: facts.MMPerp, initial: facts.MMPerp + facts.IMPerp },
      { kind: 'shortOption', maintenance: facts.MMOption, initial: facts.MMOption + facts.IMOption },
      { kind: 'oracleConfidence', threshold: facts.confThreshold, initial: facts.confMargin },
    ]);
  });
});

describe('RAMM', () => {
  it('scans the scenarios that are proven', () => {
    const model = presetModel('ramm-core');
    const step = 2 ** (DEFAULT_PARAMETERS.priceStep / 2 ** 20);
    expect(model.scenarios).toHaveLength(35);
    DEFAULT_PARAMETERS.scenarios.forEach(({ priceMove, volShock, damping }, index) => {
      const scenario = model.scenarios[index]!;
      expect(scenario.priceFactor).toBeCloseTo(step ** priceMove, 12);
      expect(scenario.volatility).toBe({ '-1': 'down', '0': 'none', '1': 'up' }[`${volShock}`]);
      expect(scenario.damping).toBe(damping / 65_536);
    });
    expect(presetModel('ramm').scenarios).toEqual(model.scenarios);
  });

  it('asks for at least as much as its core at both levels', () => {
    const [core, full] = [presetModel('ramm-core'), presetModel('ramm')];
    expect(full.scan.maintenance).toBe(core.scan.maintenance);
    expect(full.scan.initial).toBeGreaterThan(core.scan.initial);
    expect(core.addOns.map(({ kind }) => kind)).toEqual([
      'shortOption',
      'horizon',
      'expiryBasis',
      'expiryInterest',
      'gamma',
      'vegaShock',
    ]);
    expect(full.addOns.slice(0, core.addOns.length)).toEqual(
      core.addOns.map((addOn) => ({ ...addOn, initial: 1.25 * addOn.maintenance })),
    );
  });
});

describe('preset names', () => {
  it.each(PRESET_NAMES)('%s is a fresh value of that name', (name) => {
    expect(presetModel(name).name).toBe(name);
    expect(presetModel(name)).not.toBe(presetModel(name));
    for (const { initial, maintenance } of presetModel(name).addOns) {
      expect(initial).toBeGreaterThanOrEqual(maintenance);
    }
  });

  it.each(['RAMM', 'toString', '__proto__', ''])('%j is unknown', (name) => {
    expect(() => presetModel(name)).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_MODEL', field: 'model' }),
    );
  });

  it('paths of errors are as in documents', () => {
    expect(fieldOfPointer('/scenarios/3/damping', 'model')).toBe('model.scenarios[3].damping');
  });
});
