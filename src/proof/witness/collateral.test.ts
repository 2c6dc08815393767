import { describe, expect, it } from 'vitest';
import {
  collateralQuantity,
  MAX_COLLATERAL_QUANTITY,
  requirementWith,
} from '../../margin/exact/collateral.ts';
import { type ExactAccount, exactMargin } from '../../margin/exact/margin.ts';
import { ExactValuer } from '../../margin/exact/shared.ts';
import { exactSolvency } from '../../margin/exact/solvency.ts';
import { DEFAULT_PARAMETERS } from '../../margin/parameters.ts';
import { canonicalLegs, LINEAR } from '../../market/instrument.ts';
import type { MarketRound } from '../../market/words.ts';
import { mulberry32 } from '../../math/float/random.ts';
import { randomLegs, randomRound } from './testing.ts';

const SEED = Number(process.env.ZKMARGIN_SEED ?? 17);
const ACCOUNTS = 60;
const SCALE_ONE = 2n ** 40n;

/** A random account whose collateral is between a thousandth of and thirty times what its legs stand for. */
function randomAccount(random: () => number, round: MarketRound): Required<ExactAccount> {
  const legs = randomLegs(random, round);
  const scale = 1n + BigInt(Math.floor(random() * 2 ** 41));
  const gross = legs.reduce(
    (sum, { quantity }) => sum + Math.abs(Number(quantity)) * Number(round.underlying.spot),
    0,
  );
  const notional = (gross / 1e6) * (Number(scale) / 2 ** 40);
  return { legs, scale, movingCollateral: BigInt(Math.floor(notional * 0.001 * 30_000 ** random())) };
}

describe(`moving collateral in exact integers (seed ${SEED})`, () => {
  it('shows at most the requirement, whatever collateral the account has by then', () => {
    const random = mulberry32(SEED);
    for (let index = 0; index < ACCOUNTS; index++) {
      const round = randomRound(random);
      const account = randomAccount(random, round);
      const proven = exactMargin(account, round, DEFAULT_PARAMETERS);
      for (const part of [0, 0.5, 0.999, 1, 1.001, 3]) {
        const movingCollateral = BigInt(Math.floor(Number(account.movingCollateral) * part));
        const { requirement } = exactMargin({ ...account, movingCollateral }, round, DEFAULT_PARAMETERS);
        for (const { baseRequirement, collateralSlope } of proven.scenarios) {
          expect(
            requirementWith(baseRequirement, collateralSlope, movingCollateral) <= requirement,
            `account ${index} with ${part} of its collateral`,
          ).toBe(true);
        }
      }
    }
  });

  it('is what a linear leg of the same value is, but for roundings', () => {
    const random = mulberry32(SEED + 1);
    for (let index = 0; index < ACCOUNTS; index++) {
      const round = randomRound(random);
      const legs = randomLegs(random, round).filter(({ instrument }) => instrument.kind !== 'linear');
      if (legs.length === 0) continue;
      const quantity = BigInt(Math.ceil(10 ** (random() * 11)));
      const movingCollateral = (quantity * round.underlying.spot) / 1_000_000n;
      const withCollateral = exactMargin(
        { legs, scale: SCALE_ONE, movingCollateral },
        round,
        DEFAULT_PARAMETERS,
      );
      const withLeg = exactMargin(
        { legs: canonicalLegs([...legs, { instrument: LINEAR, quantity }]), scale: SCALE_ONE },
        round,
        DEFAULT_PARAMETERS,
      );
      for (const part of ['requirement', 'loss', 'scanRequirement', 'horizonBuffer', 'vegaCharge'] as const) {
        const difference = withCollateral[part] - withLeg[part];
        expect(difference >= -4n && difference <= 4n, `${part} of account ${index}: ${difference}`).toBe(
          true,
        );
      }
      const marks = withLeg.mark - withCollateral.mark - movingCollateral;
      expect(marks >= -1n && marks <= 2n).toBe(true);
    }
  });

  it('changes nothing where there is none', () => {
    const random = mulberry32(SEED + 2);
    for (let index = 0; index < 10; index++) {
      const round = randomRound(random);
      const { legs, scale } = randomAccount(random, round);
      const margin = exactMargin({ legs, scale }, round, DEFAULT_PARAMETERS);
      expect(exactMargin({ legs, scale, movingCollateral: 0n }, round, DEFAULT_PARAMETERS)).toEqual(margin);
      for (const scenario of margin.scenarios) {
        expect(scenario.requirement).toBe(scenario.baseRequirement);
        expect(scenario.scanRequirement === 0n || scenario.lossCounted).toBe(true);
      }
    }
  });

  it('is the same for one account and for many', () => {
    const random = mulberry32(SEED + 3);
    for (let index = 0; index < 10; index++) {
      const round = randomRound(random);
      const account = randomAccount(random, round);
      expect(new ExactValuer(round, DEFAULT_PARAMETERS).margin(account)).toEqual(
        exactMargin(account, round, DEFAULT_PARAMETERS),
      );
    }
  });

  it('lets nobody be solvent and insolvent at once, and leaves a narrow band between', () => {
    const random = mulberry32(SEED + 4);
    for (let index = 0; index < ACCOUNTS; index++) {
      const round = randomRound(random);
      const account = randomAccount(random, round);
      const { mark, requirement } = exactMargin(account, round, DEFAULT_PARAMETERS);
      // Cash at which insolvency can no longer be shown.
      const cash = requirement - mark - account.movingCollateral;
      const solventWith = (more: bigint): boolean =>
        exactSolvency({ ...account, cash: cash + more }, round, DEFAULT_PARAMETERS).solvent;
      expect(solventWith(-1n)).toBe(false);
      // What does not make a whole unit of a leg counts for nothing.
      const unit = (account.scale * round.underlying.spot) / (SCALE_ONE * 1_000_000n);
      expect(solventWith(2n * unit + 2n * (account.scale >> 36n) + 64n)).toBe(true);
    }
  });

  it('covers a call, and makes a short put dearer', () => {
    const round = randomRound(mulberry32(SEED + 5));
    const { spot } = round.underlying;
    const expiry = round.expiries[2]!;
    const short = (kind: 'call' | 'put', moneyness: number) => [
      {
        instrument: {
          kind,
          expiryHour: expiry.expiryHour,
          strike: BigInt(Math.round(Number(spot) * moneyness)) / 100n,
        },
        quantity: -1_000_000n,
      },
    ];
    const requirementOf = (kind: 'call' | 'put', moneyness: number, movingCollateral: bigint): bigint =>
      exactMargin(
        { legs: short(kind, moneyness), scale: SCALE_ONE, movingCollateral },
        round,
        DEFAULT_PARAMETERS,
      ).requirement;
    const half = spot / 2n;
    expect(requirementOf('call', 1, half) * 10n).toBeLessThan(requirementOf('call', 1, 0n) * 6n);
    expect(requirementOf('put', 1, spot)).toBeGreaterThan(requirementOf('put', 1, 0n) + spot / 10n);
  });
});

describe('collateral as a linear leg', () => {
  it('is rounded down, and refused where it does not fit', () => {
    expect(collateralQuantity(100_000_000_000n, SCALE_ONE, 100_000_000_000n)).toBe(1_000_000n);
    expect(collateralQuantity(99_999_999_999n, SCALE_ONE, 100_000_000_000n)).toBe(999_999n);
    expect(collateralQuantity(100_000_000_000n, SCALE_ONE / 2n, 100_000_000_000n)).toBe(2_000_000n);
    const most = MAX_COLLATERAL_QUANTITY * 100_000n;
    expect(collateralQuantity(most, SCALE_ONE, 100_000_000_000n)).toBe(MAX_COLLATERAL_QUANTITY);
    expect(() => collateralQuantity(most + 100_000n, SCALE_ONE, 100_000_000_000n)).toThrow(
      expect.objectContaining({ code: 'OUT_OF_RANGE', field: 'movingCollateral' }),
    );
    expect(collateralQuantity(0n, 1n, 1n)).toBe(0n);
  });
});
