/** Tiers of accounts, and the one place that says where they begin: the terms of liquidations. */
import { BASIS } from '../../liquidation/amounts.ts';
import type { LiquidationTerms } from '../../liquidation/terms.ts';

/**
 * How an account stands: `healthy`; `warning` below the initial requirement; `soft` below the target to which a liquidation
 * would bring it; `liquidatable` below the requirement; `badDebt` below it and worth nothing; `undecided` when it cannot be
 * margined.
 */
export type RiskTier = 'healthy' | 'warning' | 'soft' | 'liquidatable' | 'badDebt' | 'undecided';

/** Tiers, the most urgent first. An account that cannot be margined is looked at before those that can wait. */
export const TIERS_BY_URGENCY: readonly RiskTier[] = [
  'badDebt',
  'liquidatable',
  'undecided',
  'soft',
  'warning',
  'healthy',
];

/** Multiples of the requirement below which a tier begins, each over {@link THRESHOLD_ONE}. */
export interface TierThresholds {
  /** At least 1. */
  readonly soft: bigint;
  /** At least that of soft. */
  readonly warning: bigint;
}

/** A multiple of 1: divides by both basis points and 2^-12. */
const THRESHOLD_ONE = BASIS * 4_096n;

/**
 * Where tiers begin under given terms: `soft` at the requirement with its buffer, `warning` at the initial requirement. By
 * default terms 1.10 and 1.25.
 */
export function tierThresholds(terms: Pick<LiquidationTerms, 'bufferBps' | 'initialLevel'>): TierThresholds {
  const soft = (BASIS + BigInt(terms.bufferBps)) * 4_096n;
  const initial = BigInt(terms.initialLevel) * BASIS;
  return { soft, warning: initial > soft ? initial : soft };
}

/**
 * The tier of exact figures, in 1e-6 USD.
 *
 * @param worth equity with collateral at the value at which slices are priced
 */
export function tierOfFigures(
  equity: bigint,
  worth: bigint,
  requirement: bigint,
  thresholds: TierThresholds,
): RiskTier {
  if (equity < requirement) return worth <= 0n ? 'badDebt' : 'liquidatable';
  const scaled = equity * THRESHOLD_ONE;
  if (scaled < requirement * thresholds.soft) return 'soft';
  return scaled < requirement * thresholds.warning ? 'warning' : 'healthy';
}

/**
 * The tier above the requirement by doubles; undefined where their error leaves it open.
 *
 * @param errorBound of equity and of requirement, each
 */
export function tierOfDoubles(
  equity: number,
  requirement: number,
  errorBound: number,
  thresholds: TierThresholds,
): RiskTier | undefined {
  for (const tier of ['soft', 'warning'] as const) {
    const multiple = Number(thresholds[tier]) / Number(THRESHOLD_ONE);
    const excess = equity - multiple * requirement;
    // Written so that NaN is left open. The last term covers the product's own rounding.
    const bound = (1 + multiple) * errorBound + 2 ** -50 * multiple * Math.abs(requirement);
    if (!(Math.abs(excess) > bound)) return undefined;
    if (excess < 0) return tier;
  }
  return 'healthy';
}
