import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isZkMarginError, type ZkMarginError } from '../errors.ts';
import {
  ceilDivide,
  DEFAULT_LIQUIDATION_SETTINGS,
  floorDivide,
  type LiquidationSettings,
  type LiquidationState,
  liquidationAmounts,
} from './amounts.ts';

const ONE = 2n ** 40n;

const settings: fc.Arbitrary<LiquidationSettings> = fc.record({
  bufferBasisPoints: fc.bigInt(0n, 10_000n),
  penaltyBasisPoints: fc.bigInt(0n, 9_999n),
  rewardBasisPoints: fc.bigInt(0n, 10_000n),
});

/** Accounts with 0 < equity < requirement, of all sizes. */
const failing: fc.Arbitrary<LiquidationState> = fc
  .record({
    bits: fc.integer({ min: 1, max: 90 }),
    mark: fc.bigInt(-(2n ** 90n), 2n ** 90n),
    fraction: fc.bigInt(1n, 2n ** 32n - 1n),
    scaleBits: fc.integer({ min: 0, max: 63 }),
    low: fc.bigInt(0n, 2n ** 63n),
  })
  .map(({ bits, mark, fraction, scaleBits, low }) => {
    const requirement = 2n ** BigInt(bits) + (low % 2n ** BigInt(bits)) + 1n;
    const product = (requirement * fraction) >> 32n;
    const equity = product === 0n ? 1n : product;
    const scale = 2n ** BigInt(scaleBits) + (low % 2n ** BigInt(scaleBits));
    return { requirement, scale, mark, cash: equity - mark };
  });

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (isZkMarginError(error)) return error.code;
    throw error;
  }
  return 'none';
}

describe('division', () => {
  it('rounds towards the stated infinity', () => {
    fc.assert(
      fc.property(fc.bigInt(-(2n ** 80n), 2n ** 80n), fc.bigInt(1n, 2n ** 60n), (a, b) => {
        const floor = floorDivide(a, b);
        expect(floor * b <= a && (floor + 1n) * b > a).toBe(true);
        const ceil = ceilDivide(a, b);
        expect(ceil * b >= a && (ceil - 1n) * b < a).toBe(true);
      }),
    );
  });
});

describe('liquidationAmounts', () => {
  it('computes a worked example', () => {
    // Cash 5,000, mark -2,000, requirement 4,000 at scale 1: equity 3,000, target 4,400, deficit 1,400, kept 2,850.
    const amounts = liquidationAmounts(
      { cash: 5_000_000_000n, mark: -2_000_000_000n, requirement: 4_000_000_000n, scale: ONE },
      DEFAULT_LIQUIDATION_SETTINGS,
    );
    expect(amounts.target).toBe(4_400_000_000n);
    expect(amounts.deficit).toBe(1_400_000_000n);
    expect(amounts.kept).toBe(2_850_000_000n);
    expect(amounts.scaleTaken).toBe((ONE * 1_400n) / 4_250n);
    expect(amounts.cashTaken).toBe(1_647_058_823n);
    expect(amounts.equityTaken).toBe(988_235_294n);
    expect(amounts.traderProceeds).toBe(938_823_530n);
    expect(amounts.penalty).toBe(49_411_764n);
    expect(amounts.reward).toBe(9_882_352n);
    expect(amounts.fundFee).toBe(39_529_412n);
    expect(amounts.sliceDeposit).toBe(461_176_471n);
    expect(amounts.keeperPays).toBe(938_823_530n + 39_529_412n + 461_176_471n);
  });

  it('refuses the healthy, the bankrupt, the tiny, and what is out of range', () => {
    const run = (state: Partial<LiquidationState>) =>
      codeOf(() =>
        liquidationAmounts(
          { cash: 0n, mark: 0n, requirement: 100n, scale: ONE, ...state },
          DEFAULT_LIQUIDATION_SETTINGS,
        ),
      );
    expect(run({ cash: 100n })).toBe('NOT_LIQUIDATABLE');
    expect(run({ cash: 99n })).toBe('none');
    expect(run({ cash: 0n })).toBe('BAD_DEBT');
    expect(run({ cash: -5n })).toBe('BAD_DEBT');
    expect(run({ cash: 0n, requirement: 0n })).toBe('NOT_LIQUIDATABLE');
    expect(run({ cash: 99n, scale: 1n })).toBe('NOTHING_TO_LIQUIDATE');
    expect(run({ scale: 0n })).toBe('OUT_OF_RANGE');
    expect(run({ requirement: -1n })).toBe('OUT_OF_RANGE');
    expect(run({ cash: 2n ** 96n })).toBe('OUT_OF_RANGE');
    expect(run({ cash: 1 as unknown as bigint })).toBe('MALFORMED');
    expect(
      codeOf(() =>
        liquidationAmounts(
          { cash: 50n, mark: 0n, requirement: 100n, scale: ONE },
          { ...DEFAULT_LIQUIDATION_SETTINGS, penaltyBasisPoints: 10_000n },
        ),
      ),
    ).toBe('OUT_OF_RANGE');
  });

  it('conserves money and scale, and never takes more than the whole', () => {
    fc.assert(
      fc.property(failing, settings, (state, rates) => {
        let amounts: ReturnType<typeof liquidationAmounts>;
        try {
          amounts = liquidationAmounts(state, rates);
        } catch (error) {
          expect((error as ZkMarginError).code).toBe('NOTHING_TO_LIQUIDATE');
          return;
        }
        expect(amounts.scaleTaken + amounts.remainingScale).toBe(state.scale);
        expect(amounts.scaleTaken >= 1n && amounts.remainingScale >= 0n).toBe(true);
        // What was there, and what the keeper brings, is what everyone has afterwards.
        expect(state.cash + amounts.keeperPays).toBe(
          amounts.remainingCash + amounts.sliceCash + amounts.fundFee,
        );
        expect(amounts.traderProceeds + amounts.reward + amounts.fundFee).toBe(amounts.equityTaken);
        for (const value of [amounts.penalty, amounts.reward, amounts.fundFee, amounts.sliceDeposit]) {
          expect(value >= 0n).toBe(true);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('rounds every amount against the keeper', () => {
    fc.assert(
      fc.property(failing, settings, (state, rates) => {
        let amounts: ReturnType<typeof liquidationAmounts>;
        try {
          amounts = liquidationAmounts(state, rates);
        } catch {
          return;
        }
        const { scale } = state;
        const { scaleTaken, equityTaken, target } = amounts;
        // The fraction, with exact `kept`, is not exceeded, and one unit of scale more would exceed it.
        expect(scaleTaken * (amounts.deficit + amounts.kept) <= scale * amounts.deficit).toBe(true);
        expect((scaleTaken + 1n) * (amounts.deficit + amounts.kept) > scale * amounts.deficit).toBe(true);
        // Cash and equity that leave the account are at most their exact shares.
        expect(amounts.cashTaken * scale <= state.cash * scaleTaken).toBe(true);
        expect(equityTaken * scale <= amounts.equity * scaleTaken).toBe(true);
        // The trader is paid at least, and the keeper rewarded at most, the exact part.
        expect(amounts.traderProceeds * 10_000n >= equityTaken * (10_000n - rates.penaltyBasisPoints)).toBe(
          true,
        );
        expect(amounts.reward * 10_000n <= amounts.penalty * rates.rewardBasisPoints).toBe(true);
        // The slice starts at the target or above it.
        expect((equityTaken + amounts.sliceDeposit) * scale >= target * scaleTaken).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it('brings the remaining account to its target, to within the roundings', () => {
    fc.assert(
      fc.property(failing, settings, (state, rates) => {
        if (state.scale < 2n ** 32n) return;
        const amounts = liquidationAmounts(state, rates);
        const { scale } = state;
        // Equity and target of the remaining account, times the scale so that nothing rounds.
        const equity = amounts.remainingCash * scale + state.mark * amounts.remainingScale;
        const target = amounts.target * amounts.remainingScale;
        // One unit of scale is worth deficit + kept; a few units of money are lost to rounding.
        const slack = amounts.deficit + amounts.kept + 3n * scale;
        expect(equity >= target - slack).toBe(true);
        expect(equity <= target + slack).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('gives two slices no more than one', () => {
    // Liquidating the remaining account again at once is refused, or takes next to nothing.
    fc.assert(
      fc.property(fc.bigInt(1_000_000n, 2n ** 60n), fc.bigInt(1n, 999n), (requirement, promille) => {
        const equity = (requirement * promille) / 1000n;
        const state = { cash: equity, mark: 0n, requirement, scale: ONE };
        const first = liquidationAmounts(state, DEFAULT_LIQUIDATION_SETTINGS);
        const second = {
          cash: first.remainingCash,
          mark: 0n,
          requirement: ceilDivide(requirement * first.remainingScale, ONE),
          scale: first.remainingScale,
        };
        if (first.remainingScale === 0n) return;
        expect(codeOf(() => liquidationAmounts(second, DEFAULT_LIQUIDATION_SETTINGS))).toBe(
          'NOT_LIQUIDATABLE',
        );
      }),
    );
  });
});
