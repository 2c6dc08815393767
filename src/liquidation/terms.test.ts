import { describe, expect, it } from 'vitest';
import { isZkMarginError } from '../errors.ts';
import {
  DEFAULT_LIQUIDATION_TERMS,
  type LiquidationTerms,
  liquidationTermsTuple,
  validateLiquidationTerms,
  validateTermsChange,
} from './terms.ts';

/** `code field` of what a check throws, or `none`. */
function refusal(check: () => void): string {
  try {
    check();
  } catch (error) {
    if (isZkMarginError(error)) return `${error.code} ${error.field}`;
    throw error;
  }
  return 'none';
}

const bounds = (change: Record<string, unknown>): string =>
  refusal(() =>
    validateLiquidationTerms({ ...DEFAULT_LIQUIDATION_TERMS, ...change } as unknown as LiquidationTerms),
  );

const step = (change: Partial<LiquidationTerms>, previous: Partial<LiquidationTerms> = {}): string =>
  refusal(() =>
    validateTermsChange(
      { ...DEFAULT_LIQUIDATION_TERMS, ...previous },
      { ...DEFAULT_LIQUIDATION_TERMS, ...change },
    ),
  );

describe('validateLiquidationTerms', () => {
  it('accepts the defaults and the extremes', () => {
    expect(bounds({})).toBe('none');
    expect(
      bounds({
        initialLevel: 16_384,
        bufferBps: 10_000,
        penaltyBps: [1_800, 1_800, 1_800, 1_800],
        volatilityThreshold: 2 ** 32 - 1,
        rewardShareBps: 10_000,
        atomicLimit: 2n ** 96n - 1n,
        backstopBps: 1_800,
        feeBps: 300,
        tip: 500_000_000n,
        chipBps: 10_000,
        startFactorBps: 10_000,
        fastFactorBps: 10_000,
        cuspFactorBps: 10_000,
        fastSeconds: 86_399,
        tailSeconds: 86_400,
        insolventSeconds: 86_400,
        commitSeconds: 600,
        revealSeconds: 600,
        coolOffSeconds: 86_400,
        maxProofAge: 3_600,
        minBidBps: 5_000,
      }),
    ).toBe('none');
    expect(bounds({ commitSeconds: 0, revealSeconds: 0 })).toBe('none');
  });

  it.each([
    ['initialLevel', 4_096],
    ['initialLevel', 16_385],
    ['bufferBps', 10_001],
    ['volatilityThreshold', 2 ** 32],
    ['rewardShareBps', 10_001],
    ['atomicLimit', 2n ** 96n],
    ['backstopBps', 501],
    ['feeBps', 301],
    ['tip', 500_000_001n],
    ['chipBps', 10_001],
    ['startFactorBps', 10_001],
    ['fastFactorBps', 9_801],
    ['cuspFactorBps', 8_001],
    ['cuspFactorBps', 4_999],
    ['tailSeconds', 86_401],
    ['fastSeconds', 1_800],
    ['insolventSeconds', 59],
    ['insolventSeconds', 86_401],
    ['commitSeconds', 0],
    ['commitSeconds', 9],
    ['commitSeconds', 601],
    ['revealSeconds', 0],
    ['revealSeconds', 9],
    ['revealSeconds', 601],
    ['coolOffSeconds', 86_401],
    ['maxProofAge', 9],
    ['maxProofAge', 3_601],
    ['minBidBps', 5_001],
    ['minBidBps', 0.5],
    ['bufferBps', -1],
  ])('refuses %s of %s', (name, value) => {
    expect(bounds({ [name]: value })).toBe(`OUT_OF_RANGE terms.${name}`);
  });

  it('refuses what depends on several fields', () => {
    expect(bounds({ penaltyBps: [500, 499, 800, 1_000] })).toBe('OUT_OF_RANGE terms.penaltyBps[1]');
    expect(bounds({ penaltyBps: [500, 600, 800, 1_801] })).toBe('OUT_OF_RANGE terms.penaltyBps[3]');
    expect(bounds({ volatilityPenaltyBps: 301 })).toBe('OUT_OF_RANGE terms.feeBps');
    expect(bounds({ volatilityPenaltyBps: 2_001, penaltyBps: [0, 0, 0, 0] })).toBe(
      'OUT_OF_RANGE terms.penaltyBps[0]',
    );
    expect(bounds({ tailSeconds: 59, fastSeconds: 0 })).toBe('OUT_OF_RANGE terms.tailSeconds');
  });

  it('refuses other types', () => {
    expect(refusal(() => validateLiquidationTerms(null as unknown as LiquidationTerms))).toBe(
      'MALFORMED terms',
    );
    expect(bounds({ penaltyBps: [1, 2, 3] })).toBe('MALFORMED terms.penaltyBps');
    expect(bounds({ penaltyBps: ['5', 600, 800, 1_000] })).toBe('MALFORMED terms.penaltyBps[0]');
    expect(bounds({ tip: 5 })).toBe('MALFORMED terms.tip');
    expect(bounds({ feeBps: 5n })).toBe('MALFORMED terms.feeBps');
    expect(bounds({ feeBps: Number.NaN })).toBe('NOT_FINITE terms.feeBps');
  });
});

describe('validateTermsChange', () => {
  it('limits what worsens a sale', () => {
    expect(step({ initialLevel: 6_400, bufferBps: 2_000, tailSeconds: 900 })).toBe('none');
    expect(step({ initialLevel: 6_401 })).toBe('OUT_OF_RANGE terms.initialLevel');
    expect(step({ bufferBps: 2_001 })).toBe('OUT_OF_RANGE terms.bufferBps');
    expect(step({ penaltyBps: [500, 600, 800, 1_501] })).toBe('OUT_OF_RANGE terms.penaltyBps[3]');
    expect(step({ penaltyBps: [500, 600, 800, 1_400], volatilityPenaltyBps: 301 })).toBe(
      'OUT_OF_RANGE terms.volatilityPenaltyBps',
    );
    expect(step({ startFactorBps: 9_299 })).toBe('OUT_OF_RANGE terms.startFactorBps');
    expect(step({ fastFactorBps: 7_499 })).toBe('OUT_OF_RANGE terms.fastFactorBps');
    expect(step({ cuspFactorBps: 5_000 }, { cuspFactorBps: 5_501 })).toBe('OUT_OF_RANGE terms.cuspFactorBps');
    expect(step({ tailSeconds: 899 })).toBe('OUT_OF_RANGE terms.tailSeconds');
  });

  it('leaves what improves it free', () => {
    expect(
      step({
        initialLevel: 4_097,
        bufferBps: 0,
        penaltyBps: [0, 0, 0, 0],
        backstopBps: 0,
        startFactorBps: 10_000,
        fastFactorBps: 10_000,
        cuspFactorBps: 10_000,
        tailSeconds: 86_400,
      }),
    ).toBe('none');
  });
});

describe('liquidationTermsTuple', () => {
  it('gives the fields of the struct and nothing else', () => {
    const tuple = liquidationTermsTuple({ ...DEFAULT_LIQUIDATION_TERMS, note: 'x' } as LiquidationTerms);
    expect(tuple).toEqual(DEFAULT_LIQUIDATION_TERMS);
    expect(refusal(() => liquidationTermsTuple({ ...DEFAULT_LIQUIDATION_TERMS, minBidBps: 5_001 }))).toBe(
      'OUT_OF_RANGE terms.minBidBps',
    );
  });
});
