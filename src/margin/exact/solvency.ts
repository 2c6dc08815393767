/**
 * Solvency in exact integers: whether an account's equity covers a multiple of its maintenance requirement over all
 * scenarios, every rounding against the account. `docs/margin-model.md`, section 7.7.
 *
 * It is the mirror of the insolvency check: there the mark is rounded up and the requirement down, here the other way
 * round. Between the two lies a band of a few 1e-6 USD in which neither can be proven.
 */
import { requireBigint, ZkMarginError } from '../../errors.ts';
import type { MarketRound } from '../../market/words.ts';
import { ceilDivide, floorDivide } from '../../math/fixed/primitives.ts';
import { DEFAULT_PARAMETERS, type RiskParameters } from '../parameters.ts';
import { MAX_MONEY } from './bounds.ts';
import { chargesUp } from './charges.ts';
import { collateralQuantity } from './collateral.ts';
import { type ExactAccount, prepareAccount, scenarioLossValue, withLinearQuantity } from './margin.ts';

/** The maintenance level: a factor of 1. */
export const MAINTENANCE_LEVEL = 4096n;
/** The initial level of the default parameters: 1.25 times maintenance. */
export const INITIAL_LEVEL = 5120n;
/** Largest move of the layout, in price steps. */
const LARGEST_MOVE = 48;

/** 1e-6 USD in the unit of {@link ExactSolvency.slack}. */
const SLACK_UNIT = 1_000_000n << 88n;

/** Least cash that makes up for a lack, 1e-6 USD: with it, an account that has the slack without any is solvent. */
export function cashForSlack(slackWithoutCash: bigint): bigint {
  return ceilDivide(-slackWithoutCash, SLACK_UNIT);
}

/** What a solvency statement rests on. */
export interface ExactSolvency {
  readonly solvent: boolean;
  /** Equity less requirement, 1e-12 USD in 2^-88; at least 0 iff solvent. */
  readonly slack: bigint;
  /** Largest damped loss, rounded up: 2^20 1e-12 USD in 2^-16, per unit of scale. */
  readonly worstLoss: bigint;
  /** Scenario of it; 0 when none loses. */
  readonly worstScenario: number;
  /** Mark per unit of scale, rounded down, 1e-12 USD. */
  readonly markUnits: bigint;
}

/**
 * Measures an account against a multiple of its maintenance requirement.
 *
 * Moving collateral counts as a linear leg: it is in the mark, in every scenario and in the delta.
 *
 * @param cash 1e-6 USD, negative when owed; without the moving collateral
 * @param level factor in 2^-12, within [4096, 65535]
 * @throws ZkMarginError as `exactMargin`; `UNSUPPORTED` for a scenario layout other than that of the circuit (see
 * {@link requireSolvencyLayout}); `OUT_OF_RANGE` for cash or level, and for collateral that no leg holds
 */
export function exactSolvency(
  account: ExactAccount & { readonly cash: bigint },
  round: MarketRound,
  parameters: RiskParameters,
  level = MAINTENANCE_LEVEL,
): ExactSolvency {
  requireBigint(account.cash, -MAX_MONEY, MAX_MONEY, 'cash');
  requireBigint(level, MAINTENANCE_LEVEL, 65_535n, 'level');
  const legs = prepareAccount(account, round, parameters);
  const prepared = withLinearQuantity(
    legs,
    collateralQuantity(legs.movingCollateral, legs.scale, round.underlying.spot),
  );
  requireSolvencyLayout(parameters);
  let worstLoss = 0n;
  let worstScenario = 0;
  parameters.scenarios.forEach((scenario, index) => {
    if (index === 0) return;
    const value = scenarioLossValue(prepared, scenario);
    const loss = value < 0n ? 0n : (value >> 165n) + 1n;
    const damped = loss * BigInt(scenario.damping);
    if (damped > worstLoss) {
      worstLoss = damped;
      worstScenario = index;
    }
  });
  const { underlying } = round;
  const scan = (worstLoss * BigInt(parameters.maintenanceFactor)) << 28n;
  const short = (prepared.shortContracts * underlying.spot * BigInt(parameters.shortOptionRate)) << 20n;
  const charges = chargesUp(prepared.charges, underlying, parameters);
  const markUnits = -floorDivide(-prepared.markValue, 1n << 119n) - 1n;
  const slack =
    account.cash * SLACK_UNIT +
    account.scale *
      ((markUnits << 48n) - level * (scan + short + charges.linear + charges.gamma + charges.vega));
  return { solvent: slack >= 0n, slack, worstLoss, worstScenario, markUnits };
}

/**
 * Refuses parameters whose moves and vol shocks are not those of the default layout, which solvency circuits evaluate.
 * Dampings, the price step and the sizes of shocks are free; trailing scenarios may be left out.
 *
 * @throws ZkMarginError `UNSUPPORTED`
 */
export function requireSolvencyLayout(parameters: RiskParameters): void {
  // The circuit takes the price factor of its largest move whether or not the place is used.
  if (parameters.priceStep * LARGEST_MOVE >= 2 ** 22) {
    throw new ZkMarginError('UNSUPPORTED', 'Keep 48 price steps below a factor of 16.', {
      field: 'parameters.priceStep',
    });
  }
  parameters.scenarios.forEach((scenario, index) => {
    const place = DEFAULT_PARAMETERS.scenarios[index];
    if (
      place === undefined ||
      place.priceMove !== scenario.priceMove ||
      place.volShock !== scenario.volShock
    ) {
      throw new ZkMarginError(
        'UNSUPPORTED',
        'Solvency proofs evaluate the default layout of scenarios; keep its moves and vol shocks.',
        { field: `parameters.scenarios[${index}]` },
      );
    }
  });
}
