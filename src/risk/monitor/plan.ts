/** What liquidating an account would come to, to the unit, by every route that is open. */
import { type ErrorCode, isZkMarginError } from '../../errors.ts';
import {
  type AtomicLiquidation,
  atomicLiquidation,
  BASIS,
  equityOf,
  type LiquidationState,
  type Sale,
  sale,
  subsidisedRequirement,
  type Takeover,
  takeover,
  targetOf,
  worthOf,
} from '../../liquidation/amounts.ts';
import { startFee } from '../../liquidation/auction.ts';
import type { IntegerTerms } from '../../liquidation/terms.ts';
import type { ExactMargin } from '../../margin/exact/margin.ts';
import type { MonitoredAccount } from './accounts.ts';

/** A route that is open, or why it is not. */
export type Route<T> =
  | { readonly open: true; readonly amounts: T }
  | { readonly open: false; readonly reason: ErrorCode };

/** An auction of the account. */
export interface AuctionRoute {
  /** Charged at the start; 0 for an auction that runs already. */
  readonly fee: bigint;
  /** Part of the fee for who starts it. */
  readonly reward: bigint;
  /** The largest sale at the price factor with which public bidding starts, after the fee. */
  readonly atStart: Sale;
  /** Likewise at the end of the curve. */
  readonly atCusp: Sale;
}

/** The plan of one account. Money in 1e-6 USD, exact. */
export interface LiquidationPlan {
  readonly mark: bigint;
  /** At the account's moving collateral. Slices take their share of it, so the requirement shrinks with the scale. */
  readonly requirement: bigint;
  /** Without moving collateral, signed. */
  readonly baseRequirement: bigint;
  /** What a unit of moving collateral adds to it, 2^-54, signed. */
  readonly collateralSlope: bigint;
  readonly equity: bigint;
  /** Equity with collateral at the value at which slices are priced. */
  readonly worth: bigint;
  /** Requirement and buffer: what the account is brought to. */
  readonly target: bigint;
  /** Scenario that a proof would show. */
  readonly worstScenario: number;
  /** Least scale whose sale brings the account to its target: at no discount. 0 when it is worth nothing. */
  readonly minimalScale: bigint;
  /** The same as a part of the account. */
  readonly minimalFraction: number;
  /** At the fixed penalty, by anyone. */
  readonly atomic: Route<AtomicLiquidation>;
  /** At the flat discount, by a registered backstop. */
  readonly backstop: Route<AtomicLiquidation>;
  readonly auction: Route<AuctionRoute>;
  /** Of an account that is worth nothing: all of it, at the end of the subsidy's rise. */
  readonly takeover: Route<Takeover>;
}

/**
 * The plan of an account below its requirement, with a vessel that holds nothing yet.
 *
 * @param volatility index of the round, 2^-16
 * @returns undefined for an account that has nothing to liquidate, or covers its requirement
 * @throws ZkMarginError `OUT_OF_RANGE`, `MALFORMED` for amounts beyond those of the contracts
 */
export function liquidationPlan(
  account: MonitoredAccount,
  margin: Pick<ExactMargin, 'mark' | 'requirement' | 'baseRequirement' | 'collateralSlope' | 'worstScenario'>,
  terms: IntegerTerms,
  volatility: bigint,
): LiquidationPlan | undefined {
  const { cash, collateral, scale, reserved = 0n, inAuction } = account;
  const { movingCollateral = 0n, saleCollateral = collateral } = account;
  const { mark, requirement, baseRequirement, collateralSlope, worstScenario } = margin;
  const state: LiquidationState = { cash, collateral, saleCollateral, mark, requirement, scale, reserved };
  const proven = { ...state, movingCollateral, baseRequirement, collateralSlope };
  const equity = equityOf(state);
  if (account.legs.length === 0 || equity >= requirement) return undefined;
  const { bufferBps } = terms;
  const atomic = (backstop: boolean): Route<AtomicLiquidation> =>
    inAuction
      ? { open: false, reason: 'CONFLICT' }
      : route(() => atomicLiquidation(proven, terms, volatility, { backstop }));
  const least = route(() => sale({ ...state, reserved: 0n }, bufferBps, BASIS));
  const minimalScale = least.open ? least.amounts.maxScale : 0n;
  return {
    mark,
    requirement,
    baseRequirement,
    collateralSlope,
    equity,
    worth: worthOf(state),
    target: targetOf(requirement, bufferBps),
    worstScenario,
    minimalScale,
    minimalFraction: Number(minimalScale) / Number(scale),
    atomic: atomic(false),
    backstop: atomic(true),
    auction: route(() => {
      const { fee, reward } = inAuction ? { fee: 0n, reward: 0n } : startFee(state, terms, volatility);
      const charged = { ...state, cash: cash - fee };
      return {
        fee,
        reward,
        atStart: sale(charged, bufferBps, terms.startFactorBps),
        atCusp: sale(charged, bufferBps, terms.cuspFactorBps),
      };
    }),
    takeover: route(() => {
      const subsidised = subsidisedRequirement(requirement, baseRequirement);
      const { insolventSeconds } = terms;
      return takeover({ ...state, requirement: subsidised }, bufferBps, insolventSeconds, insolventSeconds);
    }),
  };
}

const REFUSALS: readonly ErrorCode[] = [
  'BAD_DEBT',
  'HAS_WORTH',
  'NOT_LIQUIDATABLE',
  'NOTHING_TO_LIQUIDATE',
  'TOO_LARGE',
];

function route<T>(amounts: () => T): Route<T> {
  try {
    return { open: true, amounts: amounts() };
  } catch (error) {
    if (isZkMarginError(error) && REFUSALS.includes(error.code)) return { open: false, reason: error.code };
    throw error;
  }
}
