/**
 * What a liquidation moves: section 6 of `docs/margin-model.md`, to the unit.
 *
 * Money is in 1e-6 USD, scales are in 2^-40, rates in basis points. The contract computes the same.
 */
import { requireBigint, ZkMarginError } from '../errors.ts';

const BASIS = 10_000n;
const MAX_MONEY = 2n ** 96n - 1n;
const MAX_SCALE = 2n ** 64n - 1n;

/** Settings of the liquidation engine, in basis points. */
export interface LiquidationSettings {
  /** The account is brought to the requirement plus this part of it; in [0, 10000]. */
  readonly bufferBasisPoints: bigint;
  /** Part of the sold equity that the trader loses; in [0, 9999]. */
  readonly penaltyBasisPoints: bigint;
  /** Part of the penalty that the keeper earns; the insurance fund has the rest. In [0, 10000]. */
  readonly rewardBasisPoints: bigint;
}

/** Buffer of 10 %, penalty of 5 %, a fifth of it to the keeper. */
export const DEFAULT_LIQUIDATION_SETTINGS: LiquidationSettings = Object.freeze({
  bufferBasisPoints: 1_000n,
  penaltyBasisPoints: 500n,
  rewardBasisPoints: 2_000n,
});

/** An account's state as a proof shows it. */
export interface LiquidationState {
  /** Signed. */
  readonly cash: bigint;
  /** Value of the positions, signed. */
  readonly mark: bigint;
  /** Maintenance requirement. */
  readonly requirement: bigint;
  /** Scale of the account, at least 1. */
  readonly scale: bigint;
}

/** Everything section 6 names. */
export interface LiquidationAmounts {
  readonly equity: bigint;
  /** Equity that the remaining account should have were nothing sold. */
  readonly target: bigint;
  readonly deficit: bigint;
  /** What the trader would be paid for the whole account. */
  readonly kept: bigint;
  /** Scale that goes to the keeper, in `[1, scale]`. */
  readonly scaleTaken: bigint;
  /** Cash that goes with it; signed. */
  readonly cashTaken: bigint;
  readonly equityTaken: bigint;
  readonly traderProceeds: bigint;
  readonly penalty: bigint;
  readonly reward: bigint;
  readonly fundFee: bigint;
  readonly sliceDeposit: bigint;
  readonly keeperPays: bigint;
  /** The trader's account afterwards. */
  readonly remainingScale: bigint;
  readonly remainingCash: bigint;
  /** The keeper's sub-account: its scale is `scaleTaken`. */
  readonly sliceCash: bigint;
}

/** `floor(a / b)` towards minus infinity, for b > 0. */
export function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}

/** `ceil(a / b)` towards plus infinity, for b > 0. */
export function ceilDivide(a: bigint, b: bigint): bigint {
  return -floorDivide(-a, b);
}

/** @throws ZkMarginError `MALFORMED` or `OUT_OF_RANGE`, naming the field */
export function validateLiquidationSettings(settings: LiquidationSettings, field = 'settings'): void {
  requireBigint(settings.bufferBasisPoints, 0n, BASIS, `${field}.bufferBasisPoints`);
  requireBigint(settings.penaltyBasisPoints, 0n, BASIS - 1n, `${field}.penaltyBasisPoints`);
  requireBigint(settings.rewardBasisPoints, 0n, BASIS, `${field}.rewardBasisPoints`);
}

/**
 * The amounts of liquidating an account.
 *
 * @throws ZkMarginError `NOT_LIQUIDATABLE` when equity is at least the requirement; `BAD_DEBT` when equity is 0 or less;
 * `NOTHING_TO_LIQUIDATE` when the fraction rounds to no scale at all; `OUT_OF_RANGE`, `MALFORMED` for bad input
 */
export function liquidationAmounts(
  state: LiquidationState,
  settings: LiquidationSettings,
): LiquidationAmounts {
  requireBigint(state.cash, -MAX_MONEY, MAX_MONEY, 'cash');
  requireBigint(state.mark, -MAX_MONEY, MAX_MONEY, 'mark');
  requireBigint(state.requirement, 0n, MAX_MONEY, 'requirement');
  requireBigint(state.scale, 1n, MAX_SCALE, 'scale');
  validateLiquidationSettings(settings);
  const { cash, mark, requirement, scale } = state;
  const { bufferBasisPoints, penaltyBasisPoints, rewardBasisPoints } = settings;
  const equity = cash + mark;
  const details = { equity: equity.toString(), requirement: requirement.toString() };
  if (equity >= requirement) {
    throw new ZkMarginError('NOT_LIQUIDATABLE', 'The account meets its maintenance requirement; leave it.', {
      details,
    });
  }
  if (equity <= 0n) {
    throw new ZkMarginError('BAD_DEBT', 'The account has no equity left; take it over as bad debt instead.', {
      details,
    });
  }
  const target = ceilDivide(requirement * (BASIS + bufferBasisPoints), BASIS);
  const deficit = target - equity;
  const kept = floorDivide(equity * (BASIS - penaltyBasisPoints), BASIS);
  const scaleTaken = (scale * deficit) / (deficit + kept);
  if (scaleTaken === 0n) {
    throw new ZkMarginError(
      'NOTHING_TO_LIQUIDATE',
      'The part to liquidate rounds to nothing; leave the account.',
      {
        details: { ...details, scale: scale.toString() },
      },
    );
  }
  const cashTaken = floorDivide(cash * scaleTaken, scale);
  const equityTaken = floorDivide(equity * scaleTaken, scale);
  const traderProceeds = ceilDivide(equityTaken * (BASIS - penaltyBasisPoints), BASIS);
  const penalty = equityTaken - traderProceeds;
  const reward = floorDivide(penalty * rewardBasisPoints, BASIS);
  const fundFee = penalty - reward;
  const shortfall = ceilDivide(target * scaleTaken, scale) - equityTaken;
  const sliceDeposit = shortfall > 0n ? shortfall : 0n;
  return {
    equity,
    target,
    deficit,
    kept,
    scaleTaken,
    cashTaken,
    equityTaken,
    traderProceeds,
    penalty,
    reward,
    fundFee,
    sliceDeposit,
    keeperPays: traderProceeds + fundFee + sliceDeposit,
    remainingScale: scale - scaleTaken,
    remainingCash: cash - cashTaken + traderProceeds,
    sliceCash: cashTaken + sliceDeposit,
  };
}
