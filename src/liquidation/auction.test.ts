import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isZkMarginError } from '../errors.ts';
import { ceilDivide } from '../math/fixed/primitives.ts';
import { type LiquidationState, type Sale, sale } from './amounts.ts';
import {
  type AuctionState,
  bidQuote,
  elapsedAtFactor,
  factorAt,
  isCovered,
  maxScaleFor,
  type PriceCurve,
} from './auction.ts';

const ONE = 2n ** 40n;

const CURVE: PriceCurve = {
  startFactorBps: 9_800n,
  fastFactorBps: 8_000n,
  cuspFactorBps: 3_000n,
  fastSeconds: 100n,
  tailSeconds: 700n,
};
const TERMS = { ...CURVE, bufferBps: 1_000n, insolventSeconds: 600n };

const curves: fc.Arbitrary<PriceCurve> = fc
  .record({
    factors: fc.array(fc.bigInt(0n, 20_000n), { minLength: 3, maxLength: 3 }),
    fastSeconds: fc.bigInt(0n, 5_000n),
    slowSeconds: fc.bigInt(0n, 5_000n),
  })
  .map(({ factors, fastSeconds, slowSeconds }) => {
    const [cuspFactorBps, fastFactorBps, startFactorBps] = factors.sort((a, b) => Number(a - b)) as [
      bigint,
      bigint,
      bigint,
    ];
    return {
      startFactorBps,
      fastFactorBps,
      cuspFactorBps,
      fastSeconds,
      tailSeconds: fastSeconds + slowSeconds,
    };
  });

const START = 1_739_959_200n;

/** Equity 1,000, target 2,200. */
const AUCTION: AuctionState = {
  cash: 4_000_000_000n,
  collateral: 500_000_000n,
  movingCollateral: 0n,
  saleCollateral: 500_000_000n,
  scale: ONE,
  reserved: 0n,
  proven: { mark: -3_500_000_000n, baseRequirement: 2_000_000_000n, collateralSlope: 0n, scale: ONE },
  publicStart: START,
};

describe('factorAt', () => {
  it('is two straight lines, rounded up', () => {
    const at = (elapsed: bigint) => factorAt(CURVE, elapsed);
    expect([0n, 30n, 99n, 100n, 101n, 400n, 700n, 9_999n].map(at)).toEqual([
      9_800n,
      9_260n,
      8_018n,
      8_000n,
      7_992n,
      5_500n,
      3_000n,
      3_000n,
    ]);
  });

  it('refuses curves that rise, and times before the start', () => {
    for (const change of [
      { fastFactorBps: 9_801n },
      { cuspFactorBps: 8_001n },
      { startFactorBps: 20_001n },
      { fastSeconds: 701n },
      { tailSeconds: -1n },
    ]) {
      expect(() => factorAt({ ...CURVE, ...change }, 0n)).toThrowError(
        expect.objectContaining({ code: 'OUT_OF_RANGE' }),
      );
    }
    expect(() => factorAt(CURVE, -1n)).toThrowError(expect.objectContaining({ field: 'elapsed' }));
  });
});

describe('elapsedAtFactor', () => {
  it('is the first second at which the factor is low enough', () => {
    fc.assert(
      fc.property(curves, fc.bigInt(0n, 20_000n), (curve, factor) => {
        const elapsed = elapsedAtFactor(curve, factor);
        if (elapsed === undefined) {
          expect(factorAt(curve, curve.tailSeconds) > factor).toBe(true);
          return;
        }
        expect(factorAt(curve, elapsed) <= factor).toBe(true);
        if (elapsed > 0n) expect(factorAt(curve, elapsed - 1n) > factor).toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });

  it('knows the ends', () => {
    expect(elapsedAtFactor(CURVE, 9_800n)).toBe(0n);
    expect(elapsedAtFactor(CURVE, 9_799n)).toBe(1n);
    expect(elapsedAtFactor(CURVE, 8_000n)).toBe(100n);
    expect(elapsedAtFactor(CURVE, 3_000n)).toBe(700n);
    expect(elapsedAtFactor(CURVE, 2_999n)).toBeUndefined();
  });
});

describe('isCovered', () => {
  /** Target of 2,200; collateral of 500 that is priced at 600. */
  const state = (lack: bigint, changes: Partial<LiquidationState> = {}): LiquidationState => ({
    cash: 1_700_000_000n - lack,
    collateral: 500_000_000n,
    saleCollateral: 600_000_000n,
    mark: 0n,
    requirement: 2_000_000_000n,
    scale: ONE,
    reserved: 0n,
    ...changes,
  });

  it('allows what roundings make, to the unit', () => {
    const most = (scale: bigint, changes: Partial<LiquidationState> = {}) => {
      const at = (lack: bigint) => isCovered(state(lack, { scale, ...changes }), 1_000n);
      let [low, high] = [-1n, 2_300_000_001n];
      expect([at(low), at(high)]).toEqual([true, false]);
      while (high - low > 1n) {
        const middle = (low + high) / 2n;
        if (at(middle)) low = middle;
        else high = middle;
      }
      return low;
    };
    expect(most(ONE)).toBe(100n);
    // 2,300 that may be wanting, in units of scale, rounded down.
    expect(most(2_300_000_001n)).toBe(100n);
    expect(most(2_300_000_000n)).toBe(101n);
    expect(most(1_150_000_001n)).toBe(101n);
    expect(most(1_150_000_000n)).toBe(102n);
    expect(most(2_300_000_000n, { saleCollateral: 599_999_999n })).toBe(100n);
    // A scale of 1 may lack all of it, but for a worth of 1.
    expect(most(1n)).toBe(2_299_999_999n);
    const source = readFileSync(new URL('../../contracts/src/AuctionHouse.sol', import.meta.url), 'utf8');
    expect(source).toContain('ROUNDING_SLACK = 100;');
    expect(source).toContain(
      'ROUNDING_SLACK + (target + state.saleCollateral - state.collateral) / state.scale',
    );
  });

  it('asks for worth, however little lacks', () => {
    const bare = (cash: bigint) =>
      isCovered(state(0n, { cash, collateral: 0n, saleCollateral: 0n, requirement: 0n }), 1_000n);
    expect([bare(1n), bare(0n), bare(-1n)]).toEqual([true, false, false]);
    // With a haircut there is worth where equity lacks a little.
    const haircut = (cash: bigint) => isCovered(state(0n, { cash, requirement: 0n }), 1_000n);
    expect([haircut(-500_000_100n), haircut(-500_000_101n)]).toEqual([true, false]);
  });

  it('is what the largest sale leaves', () => {
    fc.assert(
      fc.property(
        fc.bigInt(-2_000_000_000n, 2_000_000_000n),
        fc.bigInt(0n, 3_000_000_000n),
        fc.bigInt(0n, 1_000_000_000n),
        fc.bigInt(1n, 2n ** 41n),
        fc.bigInt(3_000n, 10_000n),
        (cash, collateral, haircut, scale, factorBps) => {
          const saleCollateral = collateral + haircut;
          const before = state(0n, { cash, collateral, saleCollateral, scale });
          fc.pre(cash + saleCollateral > 0n && cash + collateral < 2_200_000_000n);
          let sold: Sale;
          try {
            sold = sale(before, 1_000n, factorBps);
          } catch (error) {
            if (isZkMarginError(error, 'NOTHING_TO_LIQUIDATE')) return;
            throw error;
          }
          const left = scale - sold.scaleTaken;
          fc.pre(left > 0n);
          const rest = (amount: bigint) => amount - (amount * sold.scaleTaken) / scale;
          const after = {
            ...before,
            cash: cash - sold.cashTaken + sold.proceeds,
            collateral: rest(collateral),
            saleCollateral: rest(collateral) + rest(haircut),
            requirement: (before.requirement * left) / scale,
            scale: left,
          };
          fc.pre(after.cash + after.saleCollateral > 0n);
          expect(isCovered(after, 1_000n)).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('refuses figures out of range', () => {
    for (const change of [{ scale: 0n }, { saleCollateral: 499_999_999n }, { requirement: -1n }]) {
      expect(() => isCovered(state(0n, change), 1_000n)).toThrowError(
        expect.objectContaining({ code: 'OUT_OF_RANGE' }),
      );
    }
  });
});

describe('bidQuote', () => {
  it('prices a sale by the curve, or by a sealed bid', () => {
    const quote = bidQuote(AUCTION, TERMS, START + 30n, { maxScale: ONE / 8n });
    if (quote.kind !== 'sale') throw new Error('The account has equity.');
    expect(quote.factorBps).toBe(9_260n);
    expect(quote.maxScale).toBe((ONE * 1_200n) / 2_126n);
    expect(quote.proceeds).toBe(115_750_000n);
    expect(quote.payment).toBe(115_750_000n);
    expect(quote.vesselFloor).toBe(712_500_000n);
    // Cash of 500 and collateral of 62.50 come with it.
    expect(quote.leastCash).toBe(712_500_000n + 115_750_000n - 500_000_000n - 62_500_000n);
    const sealed = bidQuote(AUCTION, TERMS, START - 10n, { maxScale: ONE / 8n, factorBps: 9_900n });
    expect(sealed).toMatchObject({ factorBps: 9_900n, proceeds: 123_750_000n });
    expect(() => bidQuote(AUCTION, TERMS, START - 1n)).toThrowError(
      expect.objectContaining({ field: 'elapsed' }),
    );
  });

  it('judges what is left by the proof of the whole', () => {
    const collateral = { collateral: 250_000_000n, saleCollateral: 250_000_000n };
    const half = { ...AUCTION, ...collateral, cash: 2_000_000_000n, scale: ONE / 2n };
    expect(bidQuote(half, TERMS, START)).toMatchObject({ worth: 500_000_000n, target: 1_100_000_000n });
    // The vessel's floor comes of the proof itself, not of figures rounded to a tiny scale.
    const proven = { ...AUCTION.proven, mark: 1n };
    const dust = { ...AUCTION, cash: 0n, collateral: 0n, saleCollateral: 0n, scale: 2n ** 20n, proven };
    const vessel = { scale: ONE - 2n ** 10n, collateral: 0n, movingCollateral: 0n };
    const quote = bidQuote(dust, TERMS, START, { vessel, maxScale: 2n ** 10n });
    expect(quote.vesselFloor).toBe(2_199_999_999n);
  });

  it('counts collateral that moves with the legs at the scale and value that it has now', () => {
    const proven = { ...AUCTION.proven, collateralSlope: -(2n ** 52n) };
    const moving = { ...AUCTION, movingCollateral: 400_000_000n, proven };
    // 2,000 - 100, with the buffer.
    expect(bidQuote(moving, TERMS, START)).toMatchObject({ target: 2_090_000_000n });
    const half = {
      ...moving,
      cash: 2_000_000_000n,
      collateral: 250_000_000n,
      movingCollateral: 200_000_000n,
    };
    expect(bidQuote({ ...half, scale: ONE / 2n }, TERMS, START)).toMatchObject({ target: 1_045_000_000n });
    // What collateral adds is no part of a subsidy: 2,200 to the target, and the lack of 1,000.
    const steep = { ...moving, proven: { ...proven, collateralSlope: 2n ** 55n } };
    const broke = { ...steep, cash: 2_000_000_000n, insolventSince: START };
    expect(bidQuote(broke, TERMS, START + 600n)).toMatchObject({
      target: 2_200_000_000n,
      subsidy: 2_200_000_000n + 1_000_000_000n,
    });
  });

  it('sells by what collateral is worth, and brings the account to its target by what it counts for', () => {
    // Equity -100, worth 300: 2,300 of 2,300 + 0.98 * 300.
    const haircut = { ...AUCTION, cash: 2_900_000_000n, saleCollateral: 900_000_000n };
    const scaleTaken = (ONE * 2_300n) / 2_594n;
    const quote = bidQuote(haircut, TERMS, START);
    expect(quote).toMatchObject({ kind: 'sale', worth: 300_000_000n, target: 2_200_000_000n, scaleTaken });
    const worthTaken = ceilDivide(300_000_000n * scaleTaken, ONE);
    expect(quote).toMatchObject({ worthTaken, payment: ceilDivide(worthTaken * 98n, 100n) });
    // Equity and target of the rest.
    const rest = ONE - scaleTaken;
    const left = -(100_000_000n * rest) / ONE + quote.payment;
    expect(Number(left - (2_200_000_000n * rest) / ONE)).toBeCloseTo(0, -1);
    // Of no worth, it is taken over, for what the worth lacks to the target.
    const broke = { ...haircut, cash: 2_500_000_000n, insolventSince: START };
    expect(bidQuote(broke, TERMS, START + 600n)).toMatchObject({
      worth: -100_000_000n,
      subsidy: 2_300_000_000n,
    });
  });

  it('takes over what is worth nothing', () => {
    const broke = { ...AUCTION, cash: 2_000_000_000n };
    expect(() => bidQuote(broke, TERMS, START)).toThrowError(expect.objectContaining({ code: 'CONFLICT' }));
    const quote = bidQuote({ ...broke, insolventSince: START }, TERMS, START + 600n);
    expect(quote).toMatchObject({
      kind: 'takeover',
      worth: -1_000_000_000n,
      subsidy: 3_200_000_000n,
      payment: -3_200_000_000n,
      leastCash: 0n,
    });
    const early = bidQuote({ ...broke, insolventSince: START }, TERMS, START + 300n);
    expect(early).toMatchObject({ subsidy: 1_600_000_000n, leastCash: 1_600_000_000n });
  });
});

describe('maxScaleFor', () => {
  const quoteAt = (auction: AuctionState, now: bigint) => (maxScale: bigint) => {
    try {
      return bidQuote(auction, TERMS, now, { maxScale });
    } catch (error) {
      if (isZkMarginError(error, 'NOTHING_TO_LIQUIDATE')) return undefined;
      throw error;
    }
  };

  it('spends the budget, and no more', () => {
    fc.assert(
      fc.property(
        fc.bigInt(0n, 2_000_000_000n),
        fc.bigInt(0n, 800n),
        fc.bigInt(-400_000_000n, 900_000_000n),
        (budget, elapsed, more) => {
          const quote = quoteAt({ ...AUCTION, cash: AUCTION.cash + more }, START + elapsed);
          const most = (quote(2n ** 64n - 1n) as { maxScale: bigint }).maxScale;
          const scale = maxScaleFor(quote, budget, most);
          if (scale > 0n) expect(quote(scale)!.leastCash <= budget).toBe(true);
          // Not more than four units of money below what could be had.
          const step = (4n * ONE) / 1_000_000_000n + 1n;
          if (scale + step <= most) expect(quote(scale + step)!.leastCash > budget).toBe(true);
        },
      ),
    );
  });

  it('takes all that a large budget allows, and nothing for none', () => {
    const quote = quoteAt(AUCTION, START);
    const { maxScale } = quote(ONE) as { maxScale: bigint };
    expect(maxScaleFor(quote, 10n ** 12n, maxScale)).toBe(maxScale);
    expect(maxScaleFor(quote, -1n, maxScale)).toBe(0n);
    expect(maxScaleFor(quote, 10n ** 12n, 0n)).toBe(0n);
  });
});
