import { describe, expect, it } from 'vitest';
import type { Revalue } from '../market/move.ts';
import { randomStream } from '../math/float/random.ts';
import { backtest } from './backtest.ts';
import { createHistory } from './history.ts';
import { kupiec } from './kupiec.ts';

const code = (run: () => unknown, expected: string, field?: string) =>
  expect(run).toThrowError(
    expect.objectContaining(field === undefined ? { code: expected } : { code: expected, field }),
  );
const long: Revalue = ({ logReturns }) => 1000 * logReturns[0]!;

describe('kupiec', () => {
  it('accepts the exceptions that the published table accepts at 5%', () => {
    // P. Kupiec 1995, as in P. Jorion, "Value at Risk", table of non-rejection regions: open ends.
    const table: [number, number, number, number][] = [
      [0.99, 510, 1, 11],
      [0.99, 1000, 4, 17],
      [0.975, 255, 2, 12],
      [0.975, 510, 6, 21],
      [0.975, 1000, 15, 36],
      [0.95, 255, 6, 21],
      [0.95, 510, 16, 36],
      [0.95, 1000, 37, 65],
    ];
    for (const [level, observations, above, below] of table) {
      for (let exceptions = 0; exceptions < below + 10; exceptions++) {
        const accepted = kupiec(exceptions, observations, level).pValue > 0.05;
        expect([level, observations, exceptions, accepted]).toEqual([
          level,
          observations,
          exceptions,
          exceptions > above && exceptions < below,
        ]);
      }
    }
    expect(kupiec(6, 255, 0.99).pValue).toBeGreaterThan(0.05);
    expect(kupiec(7, 255, 0.99).pValue).toBeLessThan(0.05);
  });

  it('has its formula by hand, and ends that do not break', () => {
    const direct = -2 * Math.log((0.99 ** 247 * 0.01 ** 3) / ((247 / 250) ** 247 * (3 / 250) ** 3));
    expect(kupiec(3, 250, 0.99).statistic).toBeCloseTo(direct, 10);
    expect(kupiec(0, 250, 0.99).statistic).toBeCloseTo(-500 * Math.log(0.99), 10);
    expect(kupiec(250, 250, 0.99).statistic).toBeCloseTo(-500 * Math.log(0.01), 8);
    expect(kupiec(5, 500, 0.99)).toMatchObject({ pValue: 1, statistic: 0 });
    code(() => kupiec(6, 5, 0.99), 'OUT_OF_RANGE', 'exceptions');
    code(() => kupiec(0, 0, 0.99), 'OUT_OF_RANGE', 'observations');
    code(() => kupiec(0, 5, 1), 'OUT_OF_RANGE', 'level');
  });
});

describe('backtest', () => {
  const random = randomStream(21);
  const calm = createHistory({
    interval: 86_400,
    symbols: ['A'],
    logReturns: [Float64Array.from({ length: 1500 }, () => 0.02 * random.normal())],
  });

  it('passes on independent returns by every method', () => {
    for (const method of ['historical', 'filtered', 'student-t'] as const) {
      const report = backtest({
        history: calm,
        revalue: long,
        method,
        level: 0.95,
        window: 250,
        paths: 1000,
        volatility: { kind: 'ewma', lambda: 0.99 },
      });
      expect(report.test.observations).toBe(1250);
      expect(report.test.pValue).toBeGreaterThan(0.005);
      expect(report.shortfallRatio!).toBeGreaterThan(0.8);
      expect(report.shortfallRatio!).toBeLessThan(1.25);
    }
  });

  it('sees the past alone', () => {
    const changed = Float64Array.from(calm.logReturns[0]!);
    changed.fill(-1, 400);
    const other = createHistory({ interval: 86_400, symbols: ['A'], logReturns: [changed] });
    const until = (history: typeof calm) =>
      backtest({ history, revalue: long, method: 'filtered', level: 0.95, window: 250 })
        .points.filter(({ step }) => step <= 400)
        .map(({ valueAtRisk }) => valueAtRisk);
    expect(until(other)).toEqual(until(calm));
  });

  it('rejects a measure that has seen only calm', () => {
    const wild = Float64Array.from(calm.logReturns[0]!, (value, index) => (index < 250 ? value : 3 * value));
    const history = createHistory({ interval: 86_400, symbols: ['A'], logReturns: [wild.subarray(0, 320)] });
    const report = backtest({ history, revalue: long, method: 'historical', level: 0.95, window: 250 });
    expect(report.test.pValue).toBeLessThan(0.01);
    expect(report.test.exceptions).toBeGreaterThan(report.test.expected);
  });

  it('tests horizons that do not overlap', () => {
    const report = backtest({
      history: calm,
      revalue: long,
      method: 'historical',
      level: 0.9,
      window: 250,
      horizonDays: 5,
    });
    expect(report.points.length).toBe(250);
    expect(report.points[1]!.step - report.points[0]!.step).toBe(5);
  });

  it('refuses windows that are too short or leave nothing', () => {
    const base = { history: calm, revalue: long, method: 'historical' } as const;
    code(() => backtest({ ...base, window: 50, level: 0.99 }), 'NOT_ENOUGH_DATA', 'window');
    code(() => backtest({ ...base, window: 1500 }), 'NOT_ENOUGH_DATA', 'window');
    code(() => backtest({ ...base, window: 0 }), 'OUT_OF_RANGE', 'window');
  });
});
