import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readReturns } from '../input/returns.ts';
import type { Revalue } from '../market/move.ts';
import { black76Price } from '../math/float/black76.ts';
import { randomStream } from '../math/float/random.ts';
import { moments, normalQuantile } from '../math/float/statistics.ts';
import { studentTExpectedShortfall, studentTQuantile } from '../math/float/student-t.ts';
import { createHistory, type ReturnHistory } from './history.ts';
import {
  compareWithScan,
  TAIL_RISK_METHODS,
  type TailRiskOptions,
  type TailRiskReport,
  tailRisk,
} from './index.ts';
import { fitDegrees, fitStudent } from './scenarios.ts';

const DATA = new URL('../../../shared/data/', import.meta.url);
const available = existsSync(DATA);
if (!available) console.warn('Skipped: tail risk on real prices, since ../shared/data is absent.');

const long: Revalue = ({ logReturns }) => 1000 * logReturns[0]!;

function history(logReturns: ArrayLike<number>[], interval = 86_400, runs?: number[]): ReturnHistory {
  return createHistory({ interval, symbols: logReturns.map((_, index) => `U${index}`), logReturns, runs });
}

function one(options: TailRiskOptions): TailRiskReport {
  const reports = tailRisk({ resamples: 50, ...options });
  expect(reports.length).toBe(1);
  return reports[0]!;
}

function normals(count: number, seed: number, deviation = 0.03): Float64Array {
  const random = randomStream(seed);
  return Float64Array.from({ length: count }, () => deviation * random.normal());
}

const code = (run: () => unknown, expected: string, field?: string) =>
  expect(run).toThrowError(
    expect.objectContaining(field === undefined ? { code: expected } : { code: expected, field }),
  );

describe('historical simulation', () => {
  it('is the quantile of a linear portfolio, by hand', () => {
    const returns = [0.01, -0.05, 0.02, -0.01, 0.03, -0.02, 0, 0.04, -0.03, 0.05];
    const report = one({ history: history([returns]), revalue: long, methods: ['historical'], level: 0.8 });
    // Worst are -50 and -30; two of ten are the tail, the next loss is 20.
    expect(report.valueAtRisk).toBeCloseTo(20, 10);
    expect(report.expectedShortfall).toBeCloseTo(40, 10);
    expect(report.worst.pnl).toBeCloseTo(-50, 10);
    expect(report.worst.move).toEqual({ logReturns: [-0.05], volShifts: [0], days: 1 });
    expect(report).toMatchObject({ method: 'historical', scenarios: 10, observations: 10, simulated: false });
  });

  it('adds up overlapping windows, and does not reach across a gap', () => {
    const returns = [1, 2, 4, 8, 16, 32];
    const seen: number[] = [];
    const look: Revalue = ({ logReturns, days }) => {
      expect(days).toBe(3);
      seen.push(logReturns[0]!);
      return 0;
    };
    const options = { revalue: look, methods: ['historical'], level: 0.6, horizonDays: 3 } as const;
    one({ ...options, history: history([returns]) });
    expect(seen).toEqual([7, 14, 28, 56]);
    seen.length = 0;
    code(
      () => one({ ...options, history: history([returns], 86_400, [1, 1, 1, 2, 2, 2]) }),
      'NOT_ENOUGH_DATA',
    );
    one({ ...options, history: history([[...returns, 64]], 86_400, [1, 1, 1, 2, 2, 2, 2]) });
    expect(seen).toEqual([7, 56, 112]);
    seen.length = 0;
    // Half days: a horizon of three days is six steps.
    one({ ...options, history: history([[0.5, ...returns, 64]], 43_200) });
    expect(seen).toEqual([31.5, 63, 126]);
  });

  it('moves implied vols with prices', () => {
    const vols = createHistory({
      interval: 86_400,
      symbols: ['A', 'B'],
      logReturns: [
        [0.1, 0.2, 0.3],
        [1, 2, 3],
      ],
      volLogChanges: [undefined, [Math.log(1.1), Math.log(0.5), Math.log(2)]],
    });
    const shifts: number[][] = [];
    const report = one({
      history: vols,
      underlyings: ['B', 'A'],
      revalue: ({ logReturns, volShifts }) => {
        shifts.push([...logReturns, ...volShifts]);
        return 0;
      },
      methods: ['historical'],
      level: 0.6,
    });
    expect(shifts[0]![0]).toBe(1);
    expect(shifts[0]![2]).toBeCloseTo(0.1, 12);
    expect(shifts[1]![2]).toBeCloseTo(-0.5, 12);
    expect(shifts.map((row) => row[3])).toEqual([0, 0, 0]);
    expect(report.notes.some((note) => note.includes('Implied vols of A stay'))).toBe(true);
  });

  it('is homogeneous and moves with cash, for any portfolio', () => {
    const past = history([normals(120, 1), normals(120, 2)]);
    const portfolio: Revalue = ({ logReturns: [a, b] }) =>
      100 * (Math.exp(a!) - 1) - 80 * Math.max(0, Math.exp(b!) - 1.01);
    fc.assert(
      fc.property(
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        fc.double({ min: -1000, max: 1000, noNaN: true }),
        fc.double({ min: 0.6, max: 0.99, noNaN: true }),
        (factor, cash, level) => {
          const base = { history: past, methods: ['historical'], level, resamples: 2 } as const;
          const plain = one({ ...base, revalue: portfolio });
          const changed = one({ ...base, revalue: (move) => factor * portfolio(move) + cash });
          expect(Math.abs(changed.valueAtRisk - factor * plain.valueAtRisk + cash)).toBeLessThan(1e-8);
          expect(Math.abs(changed.expectedShortfall - factor * plain.expectedShortfall + cash)).toBeLessThan(
            1e-8,
          );
        },
      ),
      { numRuns: 30 },
    );
  });

  it('allocates the shortfall to parts that add up to it', () => {
    const past = history([normals(250, 3), normals(250, 4)]);
    const parts = (move: { readonly logReturns: readonly number[] }) => [
      500 * Math.expm1(move.logReturns[0]!),
      -300 * Math.expm1(move.logReturns[1]!) ** 2,
      40,
    ];
    for (const report of tailRisk({
      history: past,
      revalue: (move) => parts(move).reduce((sum, part) => sum + part, 0),
      parts: { names: ['first', 'second', 'cash'], revalue: parts },
      level: [0.95, 0.975],
      resamples: 2,
      paths: 2000,
    })) {
      const sum = report.contributions!.reduce((total, part) => total + part.expectedShortfall, 0);
      expect(sum).toBeCloseTo(report.expectedShortfall, 8);
      expect(report.contributions![2]!.expectedShortfall).toBeCloseTo(-40, 10);
    }
  });

  it('shows figures by Greeks beside: the same for a quadratic portfolio, others for a kinked one', () => {
    const past = history([normals(200, 5), normals(200, 6)]);
    const quadratic: Revalue = ({ logReturns, days }) => {
      const [x, y] = logReturns.map((move) => Math.expm1(move));
      return 100 * x! - 50 * y! - 400 * x! * x! + 300 * x! * y! + 5 * days;
    };
    const smooth = one({ history: past, revalue: quadratic, methods: ['historical'], deltaGamma: true });
    expect(smooth.deltaGamma!.valueAtRisk).toBeCloseTo(smooth.valueAtRisk, 6);
    expect(smooth.deltaGamma!.expectedShortfall).toBeCloseTo(smooth.expectedShortfall, 6);
    const kinked: Revalue = ({ logReturns }) => -1000 * Math.max(0, logReturns[0]! - 0.03);
    const report = one({ history: past, revalue: kinked, methods: ['historical'], deltaGamma: true });
    expect(report.deltaGamma!.expectedShortfall).toBe(0);
    expect(report.expectedShortfall).toBeGreaterThan(10);
  });
});

describe('filtered historical simulation', () => {
  it('is right by hand', () => {
    // Mean square 1, lambda 1/2: variances 1, then (1 + 1)/2 = 1, 1, 1, and of next (1 + 1)/2.
    const flat = one({
      history: history([[1, -1, 1, -1]]),
      revalue: long,
      methods: ['filtered'],
      level: 0.75,
      volatility: { kind: 'ewma', lambda: 0.5 },
    });
    expect(flat.expectedShortfall).toBeCloseTo(1000, 9);
    // 0.1, -0.2, 0.4: mean square 0.07; variances 0.07, 0.04, 0.04, next 0.1. Scaled: x sqrt(0.1 / variance).
    const seen: number[] = [];
    one({
      history: history([[0.1, -0.2, 0.4]]),
      revalue: ({ logReturns }) => {
        seen.push(logReturns[0]!);
        return 0;
      },
      methods: ['filtered'],
      level: 0.6,
      volatility: { kind: 'ewma', lambda: 0.5 },
    });
    expect(seen[0]).toBeCloseTo(0.1 * Math.sqrt(0.1 / 0.07), 12);
    expect(seen[1]).toBeCloseTo(-0.2 * Math.sqrt(0.1 / 0.04), 12);
    expect(seen[2]).toBeCloseTo(0.4 * Math.sqrt(0.1 / 0.04), 12);
  });

  it('is above the unfiltered figure after a burst of volatility, and below after calm', () => {
    const returns = normals(300, 7, 0.01);
    const burst = Float64Array.from(returns, (value, index) => (index >= 270 ? 4 * value : value));
    const calm = Float64Array.from(returns, (value, index) => (index < 150 ? 4 * value : value));
    for (const horizonDays of [1, 5]) {
      for (const filteredHorizon of ['paths', 'windows'] as const) {
        const run = (series: Float64Array) =>
          tailRisk({
            history: history([series]),
            revalue: long,
            methods: ['historical', 'filtered'],
            horizonDays,
            filteredHorizon,
            level: 0.95,
            paths: 4000,
            resamples: 2,
          });
        const [plainBurst, filteredBurst] = run(burst);
        const [plainCalm, filteredCalm] = run(calm);
        expect(filteredBurst!.valueAtRisk).toBeGreaterThan(1.3 * plainBurst!.valueAtRisk);
        expect(filteredCalm!.valueAtRisk).toBeLessThan(0.8 * plainCalm!.valueAtRisk);
      }
    }
  });

  it('keeps prices of one date together on its paths', () => {
    const returns = normals(200, 8);
    const report = one({
      history: history([returns, returns.map((value) => -2 * value)]),
      revalue: ({ logReturns: [a, b] }) => Math.abs(b! + 2 * a!),
      methods: ['filtered'],
      horizonDays: 3,
      paths: 500,
    });
    expect(report.simulated).toBe(true);
    expect(report.sample.losses.at(-1)!).toBeGreaterThan(-1e-12);
  });

  it('takes GARCH parameters, whose volatility returns to its mean over a long horizon', () => {
    const returns = normals(400, 9, 0.01);
    const burst = Float64Array.from(returns, (value, index) => (index >= 380 ? 5 * value : value));
    const deviation = (volatility: TailRiskOptions['volatility'], horizonDays: number) =>
      one({
        history: history([burst]),
        revalue: long,
        methods: ['filtered'],
        paths: 4000,
        horizonDays,
        volatility,
      } as TailRiskOptions).moments.standardDeviation;
    const garch = { kind: 'garch', alpha: 0.1, beta: 0.8 } as const;
    const ewma = { kind: 'ewma', lambda: 0.9 } as const;
    const growth = deviation(garch, 30) / deviation(garch, 2);
    // Growth with the root of time would be 3.87; a falling volatility grows less.
    expect(growth).toBeLessThan(0.9 * Math.sqrt(15));
    expect(deviation(ewma, 30) / deviation(ewma, 2)).toBeGreaterThan(growth);
  });

  it('does not take fright at a price that stood still', () => {
    const still = new Float64Array(300);
    still[0] = 0.01;
    still[299] = 0.01;
    const report = one({ history: history([still]), revalue: long, methods: ['filtered'] });
    expect(Number.isFinite(report.expectedShortfall)).toBe(true);
    const zero = one({ history: history([new Float64Array(300)]), revalue: long, methods: ['filtered'] });
    expect(zero.expectedShortfall).toBe(0);
  });
});

describe('Student t simulation', () => {
  const past = history([normals(500, 10, 0.02)]);

  it('matches the closed forms of a linear portfolio', () => {
    for (const nu of [3, 4, 10, Number.POSITIVE_INFINITY]) {
      const { covariance } = fitStudent(past, { degreesOfFreedom: nu, covariance: 'sample', lambda: 0.94 });
      const deviation = 1000 * Math.sqrt(covariance[0]![0]!);
      const shrink = nu === Number.POSITIVE_INFINITY ? 1 : Math.sqrt((nu - 2) / nu);
      for (const report of tailRisk({
        history: past,
        revalue: long,
        methods: ['student-t'],
        level: [0.975, 0.99],
        degreesOfFreedom: nu,
        covariance: 'sample',
        paths: 100_000,
        resamples: 200,
        seed: 5,
      })) {
        const value = deviation * shrink * studentTQuantile(report.level, nu);
        const shortfall = deviation * shrink * studentTExpectedShortfall(report.level, nu);
        expect(Math.abs(report.valueAtRisk - value)).toBeLessThan(4.5 * report.standardError.valueAtRisk);
        expect(Math.abs(report.expectedShortfall - shortfall)).toBeLessThan(
          4.5 * report.standardError.expectedShortfall,
        );
        expect(report.standardError.expectedShortfall).toBeLessThan(0.05 * shortfall);
        expect(report.degreesOfFreedom).toBe(nu);
        expect(report.clippedSteps).toBe(0);
      }
    }
  });

  it('grows with the root of time when normal, and its tail thins when not', () => {
    const run = (degreesOfFreedom: number, horizonDays: number) =>
      one({
        history: past,
        revalue: long,
        methods: ['student-t'],
        degreesOfFreedom,
        covariance: 'sample',
        paths: 60_000,
        horizonDays,
      });
    const infinite = Number.POSITIVE_INFINITY;
    for (const days of [4, 9]) {
      const ratio = run(infinite, days).valueAtRisk / run(infinite, 1).valueAtRisk;
      expect(Math.abs(ratio / Math.sqrt(days) - 1)).toBeLessThan(0.04);
      const fat = run(3, days);
      const short = run(3, 1);
      const spread = fat.moments.standardDeviation / short.moments.standardDeviation;
      expect(Math.abs(spread / Math.sqrt(days) - 1)).toBeLessThan(0.1);
      expect(fat.moments.excessKurtosis).toBeLessThan(short.moments.excessKurtosis);
    }
  });

  it('draws the covariance that it was given', () => {
    const [a, b] = [normals(400, 11), normals(400, 12)];
    const mixed = b.map((value, index) => 0.5 * value + 0.8 * a[index]!);
    const joint = history([a, mixed]);
    const { covariance } = fitStudent(joint, { degreesOfFreedom: 6, covariance: 'ewma', lambda: 0.97 });
    const drawn: number[][] = [[], []];
    one({
      history: joint,
      revalue: ({ logReturns }) => {
        for (const place of [0, 1]) drawn[place]!.push(logReturns[place]!);
        return 0;
      },
      methods: ['student-t'],
      degreesOfFreedom: 6,
      volatility: { kind: 'ewma', lambda: 0.97 },
      paths: 50_000,
    });
    const product = (i: number, j: number) =>
      drawn[i]!.reduce((sum, value, index) => sum + value * drawn[j]![index]!, 0) / drawn[0]!.length;
    for (const [i, j] of [
      [0, 0],
      [1, 0],
      [1, 1],
    ] as const) {
      expect(Math.abs(product(i, j) / covariance[i]![j]! - 1)).toBeLessThan(0.04);
    }
    expect(drawn[0]!.length).toBe(50_000);
    for (let path = 0; path < 50_000; path += 2) expect(drawn[0]![path]! + drawn[0]![path + 1]!).toBe(0);
  });

  it('finds the degrees of freedom that made the data', () => {
    const random = randomStream(13);
    for (const nu of [3, 5, 12]) {
      const series = [new Float64Array(6000), new Float64Array(6000)];
      for (let step = 0; step < 6000; step++) {
        const stretch = Math.sqrt(nu / (2 * random.gamma(nu / 2)));
        const shared = random.normal();
        series[0]![step] = stretch * shared;
        series[1]![step] = stretch * (0.6 * shared + 0.8 * random.normal());
      }
      expect(Math.abs(fitDegrees(series, 'maximum-likelihood') / nu - 1)).toBeLessThan(0.2);
      if (nu > 8) expect(Math.abs(fitDegrees(series, 'kurtosis') / nu - 1)).toBeLessThan(0.4);
    }
    const normal = [normals(6000, 14)];
    expect(fitDegrees(normal, 'maximum-likelihood')).toBeGreaterThan(30);
    expect(fitDegrees([new Float64Array(50)], 'maximum-likelihood')).toBe(500);
  });

  it('takes underlyings that move as one', () => {
    const a = normals(100, 15);
    const report = one({
      history: history([a, a]),
      revalue: ({ logReturns: [x, y] }) => Math.abs(x! - y!),
      methods: ['student-t'],
      paths: 1000,
    });
    expect(report.sample.losses.at(-1)!).toBeGreaterThan(-1e-9);
  });

  it('cuts the wildest steps and says so', () => {
    const report = one({
      history: past,
      revalue: ({ logReturns }) => {
        expect(Math.abs(logReturns[0]!)).toBeLessThanOrEqual(0.05 + 1e-12);
        return 0;
      },
      methods: ['student-t'],
      largestStep: 0.05,
      paths: 2000,
    });
    expect(report.clippedSteps).toBeGreaterThan(0);
    expect(report.notes.some((note) => note.includes('were cut'))).toBe(true);
  });
});

describe('tailRisk', () => {
  const past = history([normals(200, 16), normals(200, 17)]);
  const book: Revalue = ({ logReturns: [a, b] }) => 100 * a! - 500 * b! * b!;

  it('repeats itself for a seed, and differs for another where it draws', () => {
    const run = (seed: number) =>
      JSON.stringify(
        tailRisk({ history: past, revalue: book, seed, paths: 1000, horizonDays: 2, resamples: 20 }),
      );
    expect(run(1)).toBe(run(1));
    const [first, second] = [1, 2].map((seed) =>
      tailRisk({ history: past, revalue: book, seed, paths: 1000, horizonDays: 2, resamples: 20 }),
    );
    for (const [index, method] of TAIL_RISK_METHODS.entries()) {
      expect(first![index]!.method).toBe(method);
      expect(first![index]!.seed).toBe(1);
      if (method === 'historical') expect(first![index]!.valueAtRisk).toBe(second![index]!.valueAtRisk);
      else expect(first![index]!.valueAtRisk).not.toBe(second![index]!.valueAtRisk);
    }
  });

  it('has a subadditive ES across portfolios, by every method', () => {
    const other: Revalue = ({ logReturns: [a, b] }) => -200 * Math.max(0, b! - a!);
    const run = (revalue: Revalue) =>
      tailRisk({ history: past, revalue, paths: 2000, level: 0.95, resamples: 2 });
    const joint = run((move) => book(move) + other(move));
    const [left, right] = [run(book), run(other)];
    for (const [index, report] of joint.entries()) {
      expect(report.expectedShortfall).toBeLessThanOrEqual(
        left[index]!.expectedShortfall + right[index]!.expectedShortfall + 1e-9,
      );
    }
  });

  it('compares with scan risk', () => {
    const returns = Array.from({ length: 200 }, (_, index) => (index < 5 ? -0.1 - index / 100 : 0.001));
    const report = one({
      history: history([returns]),
      revalue: long,
      methods: ['historical'],
      scanRisk: 115,
    });
    expect(report.scan).toEqual(compareWithScan(report, 115));
    expect(report.scan).toMatchObject({ movesBeyond: 3, moves: 200, coverage: 0.985 });
    expect(report.scan!.largestShortfall).toBeCloseTo(25, 9);
    expect(report.scan!.expectedShortfallRatio).toBeCloseTo(135 / 115, 9);
    expect(report.scan!.kupiec!.expected).toBeCloseTo(2, 9);
    expect(compareWithScan(report, 0)).toMatchObject({
      expectedShortfallRatio: null,
      valueAtRiskRatio: null,
    });
    code(() => compareWithScan(report, -1), 'OUT_OF_RANGE', 'scanRisk');
    code(() => compareWithScan(report, Number.NaN), 'NOT_FINITE', 'scanRisk');
  });

  it('is plain in JSON', () => {
    for (const report of tailRisk({
      history: past,
      revalue: book,
      paths: 1000,
      scanRisk: 10,
      resamples: 5,
    })) {
      const text = JSON.stringify(report);
      expect(text.length).toBeLessThan(5000);
      expect(text).not.toContain('null,null');
      expect(JSON.parse(text).sample.count).toBe(report.scenarios);
    }
  });

  it('refuses senseless settings with the field', () => {
    const base = { history: past, revalue: book, resamples: 2, paths: 200 };
    code(() => tailRisk({ ...base, level: 0.5 }), 'OUT_OF_RANGE', 'level');
    code(() => tailRisk({ ...base, level: 1 }), 'OUT_OF_RANGE', 'level');
    code(() => tailRisk({ ...base, level: Number.NaN }), 'NOT_FINITE', 'level');
    code(() => tailRisk({ ...base, level: [0.9, 2] }), 'OUT_OF_RANGE', 'level[1]');
    code(() => tailRisk({ ...base, level: [] }), 'NOT_ENOUGH_DATA', 'level');
    code(() => tailRisk({ ...base, horizonDays: 0 }), 'OUT_OF_RANGE', 'horizonDays');
    code(() => tailRisk({ ...base, horizonDays: 1.5 }), 'OUT_OF_RANGE', 'horizonDays');
    code(() => tailRisk({ ...base, horizonDays: 201 }), 'NOT_ENOUGH_DATA', 'horizonDays');
    code(() => tailRisk({ ...base, underlyings: ['U1', 'U2'] }), 'UNKNOWN_UNDERLYING', 'underlyings[1]');
    code(() => tailRisk({ ...base, underlyings: [] }), 'NOT_ENOUGH_DATA', 'underlyings');
    code(() => tailRisk({ ...base, seed: -1 }), 'OUT_OF_RANGE', 'seed');
    code(() => tailRisk({ ...base, seed: 0.5 }), 'OUT_OF_RANGE', 'seed');
    code(() => tailRisk({ ...base, paths: 0 }), 'OUT_OF_RANGE', 'paths');
    code(() => tailRisk({ ...base, paths: 1e9 }), 'OUT_OF_RANGE', 'paths');
    code(() => tailRisk({ ...base, paths: 50 }), 'NOT_ENOUGH_DATA', 'paths');
    code(() => tailRisk({ ...base, degreesOfFreedom: 2 }), 'OUT_OF_RANGE', 'degreesOfFreedom');
    code(() => tailRisk({ ...base, degreesOfFreedom: Number.NaN }), 'NOT_FINITE', 'degreesOfFreedom');
    code(() => tailRisk({ ...base, largestStep: 0 }), 'OUT_OF_RANGE', 'largestStep');
    code(() => tailRisk({ ...base, confidence: 1 }), 'OUT_OF_RANGE', 'confidence');
    code(() => tailRisk({ ...base, resamples: 1 }), 'OUT_OF_RANGE', 'resamples');
    code(() => tailRisk({ ...base, scanRisk: -1 }), 'OUT_OF_RANGE', 'scanRisk');
    code(
      () => tailRisk({ ...base, volatility: { kind: 'ewma', lambda: 1 } }),
      'OUT_OF_RANGE',
      'volatility.lambda',
    );
    code(
      () => tailRisk({ ...base, volatility: { kind: 'garch', alpha: 0.3, beta: 0.7 } }),
      'OUT_OF_RANGE',
      'volatility',
    );
    code(() => tailRisk({ ...base, covariance: 'guess' as 'ewma' }), 'UNKNOWN_MODEL', 'covariance');
    code(
      () => tailRisk({ ...base, degreesOfFreedom: 'guess' as 'kurtosis' }),
      'UNKNOWN_MODEL',
      'degreesOfFreedom',
    );
    code(
      () => tailRisk({ ...base, filteredHorizon: 'guess' as 'paths' }),
      'UNKNOWN_MODEL',
      'filteredHorizon',
    );
    code(() => tailRisk({ ...base, methods: ['guess' as 'historical'] }), 'UNKNOWN_MODEL', 'methods');
    code(() => tailRisk({ ...base, revalue: () => Number.NaN }), 'NOT_FINITE', 'revalue');
  });

  it('refuses histories that are too short for the level', () => {
    const short = history([normals(99, 18)]);
    for (const method of ['historical', 'filtered'] as const) {
      code(() => one({ history: short, revalue: long, methods: [method] }), 'NOT_ENOUGH_DATA', 'history');
      expect(one({ history: short, revalue: long, methods: [method], level: 0.98 }).scenarios).toBe(99);
    }
    // Paths cannot know a tail that the steps they draw from do not hold.
    code(
      () => one({ history: short, revalue: long, methods: ['filtered'], horizonDays: 2 }),
      'NOT_ENOUGH_DATA',
      'history',
    );
    code(
      () => one({ history: history([normals(29, 19)]), revalue: long, methods: ['student-t'] }),
      'NOT_ENOUGH_DATA',
      'history',
    );
    expect(
      one({ history: history([normals(100, 20)]), revalue: long, methods: ['historical'] }).scenarios,
    ).toBe(100);
  });

  it('refuses broken histories', () => {
    code(() => history([]), 'NOT_ENOUGH_DATA', 'underlyings');
    code(() => history([[]]), 'NOT_ENOUGH_DATA');
    code(() => history([[0, Number.NaN]]), 'NOT_FINITE', 'underlyings[0].logReturns[1]');
    code(() => history([[0, 1], [0]]), 'MALFORMED', 'underlyings[1].logReturns');
    code(() => history([[0]], 0), 'OUT_OF_RANGE', 'interval');
    code(
      () => createHistory({ interval: 1, symbols: ['A', 'A'], logReturns: [[0], [0]] }),
      'MALFORMED',
      'underlyings[1].symbol',
    );
  });
});

describe.skipIf(!available)('on real prices', () => {
  const read = (name: string) => JSON.parse(readFileSync(new URL(name, DATA), 'utf8')) as unknown;
  const spot = 77_000;
  const years = 30 / 365;
  const straddle: Revalue = ({ logReturns, volShifts, days }) => {
    const value = (forward: number, vol: number, time: number) =>
      black76Price('call', forward, spot, time, vol) + black76Price('put', forward, spot, time, vol);
    const now = value(spot, 0.42, years);
    return now - value(spot * Math.exp(logReturns[0]!), 0.42 * (1 + volShifts[0]!), years - days / 365);
  };

  it('a short BTC straddle loses more than it earns, by every method', () => {
    const past = readReturns(read('surface_history.json'), { symbols: ['BTC'] });
    expect(past.length).toBe(235);
    const still = createHistory({ ...past, volLogChanges: undefined });
    for (const horizonDays of [1, 3]) {
      const reports = tailRisk({
        history: past,
        revalue: straddle,
        horizonDays,
        level: 0.975,
        scanRisk: 0.15 * spot,
        resamples: 100,
      });
      for (const report of reports) {
        expect(report.valueAtRisk).toBeGreaterThan(0);
        expect(report.expectedShortfall).toBeGreaterThan(report.valueAtRisk);
        expect(report.moments.skewness).toBeLessThan(-1);
        expect(report.worst.pnl).toBeLessThan(-report.expectedShortfall);
        // A scan over 15% moves of the whole notional is more than a straddle can lose to them.
        expect(report.scan!.coverage).toBeGreaterThan(0.99);
        expect(report.scan!.expectedShortfallRatio!).toBeLessThan(1);
        expect(report.scan!.movesBeyond).toBe(
          [...report.sample.losses].filter((loss) => loss > 0.15 * spot).length,
        );
      }
      // Vols rise when prices fall: leaving them out shows less risk.
      const [alone] = tailRisk({
        history: still,
        revalue: straddle,
        horizonDays,
        level: 0.975,
        resamples: 2,
      });
      expect(alone!.expectedShortfall).toBeLessThan(reports[0]!.expectedShortfall);
    }
  });

  it('crashes are far beyond what half a calm year shows', () => {
    const crashes = readReturns(read('crashes.json'), { symbols: ['BTC'] });
    const calm = readReturns(read('surface_history.json'), { symbols: ['BTC'] });
    const run = (past: ReturnHistory) =>
      one({ history: past, revalue: straddle, methods: ['historical'], level: 0.975 });
    expect(run(crashes).expectedShortfall).toBeGreaterThan(3 * run(calm).expectedShortfall);
    expect(run(crashes).overlapping).toBe(true);
  });

  it('two underlyings are read and moved together', () => {
    const past = readReturns(read('surface_history.json'));
    expect(past.symbols).toEqual(['BTC', 'ETH']);
    const both = tailRisk({
      history: past,
      underlyings: ['ETH', 'BTC'],
      revalue: ({ logReturns: [eth, btc] }) => 1000 * (eth! - btc!),
      level: 0.975,
      paths: 4000,
      resamples: 2,
    });
    const alone = tailRisk({
      history: past,
      underlyings: ['ETH', 'BTC'],
      revalue: ({ logReturns: [eth] }) => 1000 * eth!,
      level: 0.975,
      paths: 4000,
      resamples: 2,
    });
    // They fall together: the spread is safer than the outright.
    for (const [index, report] of both.entries()) {
      expect(report.valueAtRisk).toBeLessThan(0.8 * alone[index]!.valueAtRisk);
    }
  });

  it('real returns have fat tails, and the fit sees them', () => {
    const past = readReturns(read('surface_history.json'), { symbols: ['BTC'] });
    expect(moments(past.logReturns[0]!).excessKurtosis).toBeGreaterThan(1);
    const { degreesOfFreedom } = fitStudent(past, {
      degreesOfFreedom: 'maximum-likelihood',
      covariance: 'ewma',
      lambda: 0.94,
    });
    expect(degreesOfFreedom).toBeGreaterThan(2.5);
    expect(degreesOfFreedom).toBeLessThan(15);
    expect(normalQuantile(0.99)).toBeLessThan(studentTQuantile(0.99, degreesOfFreedom));
  });
});
