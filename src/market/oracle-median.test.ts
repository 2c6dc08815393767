import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isZkMarginError } from '../errors.ts';
import {
  aggregateReports,
  isNear,
  median,
  type OutlierLimits,
  robustMedian,
  settlementPrice,
  structureOf,
  volatilityIndex,
} from './oracle-median.ts';
import { type ExpiryState, type MarketRound, packRound, type SpacingExponent } from './words.ts';

const NOW = 1_739_959_200n;
const HOUR = Number(NOW / 3_600n);
const LIMITS: OutlierLimits = {
  minSources: 3,
  outlierMultipleTenths: 30,
  outlierFloorBps: 10,
  outlierCapBps: 1_000,
};
const EXPIRY: ExpiryState = {
  expiryHour: HOUR + 24,
  forward: 97_000_000_000n,
  discount: 2n ** 21n,
  spacingExponent: 1,
  vols: new Array<bigint>(8).fill(65_536n),
};
const ROUND: MarketRound = {
  underlying: { spot: 96_000_000_000n, timestamp: NOW, realisedVolatility: 30_000n, underlyingId: 1n },
  expiries: [EXPIRY],
};

function withSpot(spot: bigint, timestamp = NOW): MarketRound {
  return { ...ROUND, underlying: { ...ROUND.underlying, spot, timestamp } };
}

function failure(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (isZkMarginError(error)) return `${error.code} ${error.field}`;
    throw error;
  }
  return 'none';
}

const limits = fc
  .record({
    minSources: fc.integer({ min: 1, max: 16 }),
    outlierMultipleTenths: fc.integer({ min: 10, max: 100 }),
    outlierFloorBps: fc.integer({ min: 0, max: 300 }),
    outlierCapBps: fc.integer({ min: 300, max: 10_000 }),
  })
  .map((value): OutlierLimits => value);

describe('median', () => {
  it('is the middle, or the mean of two rounded down', () => {
    expect(median([5n])).toBe(5n);
    expect(median([3n, 1n, 2n])).toBe(2n);
    expect(median([4n, 1n, 2n, 100n])).toBe(3n);
    expect(median([1n, 2n])).toBe(1n);
    expect(failure(() => median([]))).toBe('MALFORMED values');
  });
});

describe('robustMedian', () => {
  it('rejects what is far from the rest', () => {
    const values = [100n, 101n, 102n, 104n, 200n];
    const strict = { ...LIMITS, outlierFloorBps: 0, outlierCapBps: 10_000 };
    expect(robustMedian(values, strict)).toEqual({ median: 101n, remaining: 4 });
    expect(robustMedian(values, { ...strict, outlierMultipleTenths: 490 })).toEqual({
      median: 102n,
      remaining: 5,
    });
    expect(robustMedian(values, { ...strict, outlierFloorBps: 10_000 })).toEqual({
      median: 102n,
      remaining: 5,
    });
    expect(robustMedian([100n, 200n], { ...strict, outlierCapBps: 10 })).toEqual({
      median: 0n,
      remaining: 0,
    });
  });

  it('stays within honest values while fewer than half of the minimum lie', () => {
    const honest = fc.array(fc.bigInt(1_000_000n, 1_050_000n), { minLength: 1, maxLength: 16 });
    fc.assert(
      fc.property(
        honest,
        fc.array(fc.bigInt(0n, 2_000_000n), { maxLength: 7 }),
        limits,
        (truths, lies, chosen) => {
          const liars = lies.slice(0, Math.floor((chosen.minSources - 1) / 2));
          const result = robustMedian([...truths, ...liars], chosen);
          if (result.remaining < chosen.minSources) return;
          const ordered = [...truths].sort((a, b) => Number(a - b));
          expect(result.median >= ordered[0]! && result.median <= ordered.at(-1)!).toBe(true);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('does not depend on the order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.bigInt(0n, 2n ** 44n), { minLength: 1, maxLength: 16 }),
        limits,
        (values, chosen) => {
          expect(robustMedian([...values].reverse(), chosen)).toEqual(robustMedian(values, chosen));
        },
      ),
    );
  });
});

describe('aggregateReports', () => {
  it('takes the median of each field', () => {
    const words = [96_001n, 96_003n, 96_002n].map((spot, index) =>
      packRound(withSpot(spot * 1_000_000n, NOW - BigInt(index) * 7n)),
    );
    expect(aggregateReports(words, LIMITS)).toEqual(withSpot(96_002_000_000n, NOW - 7n));
  });

  it('says what is wrong with the reports', () => {
    const words = packRound(ROUND);
    const other = (change: Partial<ExpiryState>) =>
      packRound({ ...ROUND, expiries: [{ ...EXPIRY, ...change }] });
    expect(failure(() => aggregateReports([words, words], LIMITS))).toBe('MALFORMED reports');
    expect(failure(() => aggregateReports(new Array(17).fill(words), LIMITS))).toBe('MALFORMED reports');
    expect(failure(() => aggregateReports([words, other({ expiryHour: HOUR + 25 }), words], LIMITS))).toBe(
      'REPORTS_DISAGREE reports[1].expiryWords',
    );
    expect(failure(() => aggregateReports([words, words, other({ spacingExponent: 2 })], LIMITS))).toBe(
      'REPORTS_DISAGREE reports[2].expiryWords',
    );
    const foreign = packRound({ ...ROUND, underlying: { ...ROUND.underlying, underlyingId: 2n } });
    expect(failure(() => aggregateReports([words, foreign, words], LIMITS))).toBe(
      'UNDERLYING_MISMATCH reports[1].underlyingWord',
    );
    expect(
      failure(() => aggregateReports([words, words, other({ forward: 100_000_000_000n })], LIMITS)),
    ).toBe('TOO_FEW_SOURCES round.expiries[0].forward');
    expect(failure(() => aggregateReports([words, { ...words, underlyingWord: 0n }, words], LIMITS))).toBe(
      'OUT_OF_RANGE reports[1].underlyingWord.spot',
    );
  });

  it('refuses medians that are no valid round', () => {
    // Means of (65536, 131072) and (65537, 131073) are 65536 and 131072 after rounding; (65535, 65536) and (131070, 131071) are not.
    const vols = (low: bigint, high: bigint) => [high, low, low, low, low, low, low, low];
    const words = [vols(65_536n, 131_072n), vols(65_537n, 131_073n)].map((pillars) =>
      packRound({ ...ROUND, expiries: [{ ...EXPIRY, vols: pillars }] }),
    );
    const two = { ...LIMITS, minSources: 2 };
    expect(failure(() => aggregateReports(words, two))).toBe('none');
    const odd = [vols(65_536n, 131_072n), vols(65_537n, 131_074n)].map((pillars) =>
      packRound({ ...ROUND, expiries: [{ ...EXPIRY, vols: pillars }] }),
    );
    expect(failure(() => aggregateReports(odd, two))).toBe('PILLAR_RATIO round.expiries[0].vols[1]');
  });

  it('compares structures', () => {
    expect(structureOf(packRound(ROUND))).toBe(structureOf(packRound(withSpot(1n))));
    expect(structureOf(packRound(ROUND))).not.toBe(structureOf(packRound({ ...ROUND, expiries: [] })));
  });
});

describe('volatilityIndex', () => {
  const at = (
    points: readonly (readonly [hours: number, volatility: bigint])[],
    spacing: SpacingExponent = 2,
  ) =>
    volatilityIndex({
      ...ROUND,
      expiries: points.map(([hours, volatility]) => ({
        ...EXPIRY,
        expiryHour: HOUR + hours,
        spacingExponent: spacing,
        vols: new Array<bigint>(8).fill(volatility),
      })),
    });

  it('interpolates total variance, and is flat outside', () => {
    expect(at([])).toBe(0n);
    expect(at([[24, 50_000n]])).toBe(50_000n);
    expect(at([[2_400, 50_000n]])).toBe(50_000n);
    expect(at([[24, 50_000n]], 0)).toBe(12_500n);
    expect(
      at([
        [360, 80_000n],
        [1_440, 60_000n],
      ]),
    ).toBe(67_330n);
    expect(
      at([
        [719, 80_000n],
        [720, 60_000n],
      ]),
    ).toBe(60_000n);
  });
});

describe('isNear', () => {
  it('has its limits within', () => {
    const breaker = { spotMoveBps: 1_000, volatilityMoveBps: 3_000 };
    const from = { spot: 100n, volatility: 1_000n };
    expect(isNear(from, { spot: 110n, volatility: 700n }, breaker)).toBe(true);
    expect(isNear(from, { spot: 111n, volatility: 1_000n }, breaker)).toBe(false);
    expect(isNear(from, { spot: 100n, volatility: 699n }, breaker)).toBe(false);
    expect(isNear(from, { spot: 100n, volatility: 0n }, { ...breaker, volatilityMoveBps: 20_000 })).toBe(
      false,
    );
    expect(isNear({ spot: 100n, volatility: 0n }, { spot: 100n, volatility: 0n }, breaker)).toBe(true);
  });
});

describe('settlementPrice', () => {
  const end = NOW + 3_600n;
  it('averages, and fills up to half a window', () => {
    const rounds = [
      { timestamp: end - 1_000n, spot: 100n },
      { timestamp: end - 500n, spot: 200n },
      { timestamp: end + 7n, spot: 900n },
    ];
    expect(settlementPrice(rounds, HOUR + 1, 1_800n)).toBe(150n);
    expect(settlementPrice(rounds, HOUR + 1, 100n)).toBe((100n * 100n + 100n * 200n + 700n * 900n) / 900n);
    expect(settlementPrice(rounds.slice(0, 2), HOUR + 1, 100n)).toBeUndefined();
    expect(settlementPrice(rounds.slice(2), HOUR + 1, 100n)).toBeUndefined();
  });
});
