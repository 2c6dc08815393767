/** What the monitor finds of a round: rows of accounts, their ranking, totals, and what changed since the last. */
import type { ZkMarginError } from '../../errors.ts';
import type { Scenario } from '../../margin/parameters.ts';
import type { MarketRound } from '../../market/words.ts';
import type { BookGreeks } from './greeks.ts';
import type { LiquidationPlan } from './plan.ts';
import { type RiskTier, TIERS_BY_URGENCY } from './tiers.ts';

/** How near an account is to being liquidatable. */
export interface Nearness {
  /** The least of the monitor's multiples of a standard deviation at which it would be, after one interval. */
  readonly deviations: number;
  readonly direction: 'below' | 'above';
}

/** An account in a round. Money in 1e-6 USD. */
export interface AccountRisk {
  readonly id: bigint;
  readonly nonce: bigint;
  readonly inAuction: boolean;
  readonly tier: RiskTier;
  /** Whether the figures are those of the exact model; otherwise doubles, rounded, within `errorBound`. */
  readonly exact: boolean;
  readonly equity: bigint;
  /** Equity with collateral at the value at which slices are priced. */
  readonly worth: bigint;
  readonly requirement: bigint;
  readonly mark: bigint;
  /** Equity over requirement; infinite when nothing is required, NaN for an account that cannot be margined. */
  readonly ratio: number;
  /** What equity lacks of the requirement, at least 0. */
  readonly shortfall: bigint;
  /** Index into the parameters' scenarios. */
  readonly worstScenario: number;
  /** USD, signed; moving collateral included. */
  readonly deltaUsd: number;
  /** Of the legs, USD. */
  readonly grossNotionalUsd: number;
  /** USD. */
  readonly errorBoundUsd: number;
  /** Of accounts above their requirement that are near it. */
  readonly nearness?: Nearness;
  /** Of the most urgent accounts below their requirement. */
  readonly plan?: LiquidationPlan;
  /** Why the account is undecided. */
  readonly problem?: ZkMarginError;
}

/** Sums over a book. Money in 1e-6 USD. */
export interface BookTotals {
  readonly accounts: number;
  readonly inAuction: number;
  readonly byTier: Readonly<Record<RiskTier, number>>;
  readonly equity: bigint;
  readonly requirement: bigint;
  /** What accounts owe beyond all that they have: the sum of negative worth, as a positive number. */
  readonly deficit: bigint;
  /** What accounts below their requirement lack of it. */
  readonly shortfall: bigint;
  /** USD. */
  readonly grossNotionalUsd: number;
}

/** A book in a round. */
export interface RiskSnapshot {
  readonly underlyingId: bigint;
  readonly roundNumber: bigint;
  readonly round: MarketRound;
  /** Of the parameters in use. */
  readonly scenarios: readonly Scenario[];
  /** Index of the round, 2^-16. */
  readonly volatility: bigint;
  readonly byId: ReadonlyMap<bigint, AccountRisk>;
  /** The most urgent first. */
  readonly ranking: readonly AccountRisk[];
  readonly totals: BookTotals;
  /** Of all positions, and of those of accounts that are soft or worse. */
  readonly greeks: BookGreeks;
  readonly greeksAtRisk: BookGreeks;
}

/** What is different of an account since an earlier snapshot. */
export interface RiskChange {
  readonly id: bigint;
  readonly reasons: readonly ('opened' | 'closed' | 'tier' | 'auction' | 'state' | 'nearness' | 'figures')[];
  readonly before?: AccountRisk;
  readonly after?: AccountRisk;
}

const RANK: Readonly<Record<RiskTier, number>> = Object.fromEntries(
  TIERS_BY_URGENCY.map((tier, rank) => [tier, rank]),
) as Record<RiskTier, number>;

/** Whether an account of the tier is at risk: soft or worse. */
export function isAtRisk(tier: RiskTier): boolean {
  return RANK[tier] <= RANK.soft;
}

/**
 * Order of urgency: by tier; below the requirement those that nobody attends to first, then by what they lack; above it
 * those that fewer deviations would bring below, then by ratio. Ties by id, so that the order is always the same.
 */
export function compareUrgency(a: AccountRisk, b: AccountRisk): number {
  if (a.tier !== b.tier) return RANK[a.tier] - RANK[b.tier];
  if (a.tier === 'badDebt' || a.tier === 'liquidatable') {
    if (a.inAuction !== b.inAuction) return a.inAuction ? 1 : -1;
    if (a.shortfall !== b.shortfall) return a.shortfall > b.shortfall ? -1 : 1;
  } else if (a.tier !== 'undecided') {
    const near = (a.nearness?.deviations ?? Infinity) - (b.nearness?.deviations ?? Infinity);
    if (near < 0 || near > 0) return near;
    if (a.ratio !== b.ratio) return a.ratio < b.ratio ? -1 : 1;
  }
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

/** Sums over rows. */
export function totalsOf(rows: Iterable<AccountRisk>): BookTotals {
  const byTier = Object.fromEntries(TIERS_BY_URGENCY.map((tier) => [tier, 0])) as Record<RiskTier, number>;
  let accounts = 0;
  let inAuction = 0;
  let equity = 0n;
  let requirement = 0n;
  let deficit = 0n;
  let shortfall = 0n;
  let grossNotionalUsd = 0;
  for (const row of rows) {
    accounts++;
    byTier[row.tier]++;
    if (row.inAuction) inAuction++;
    if (row.tier === 'undecided') continue;
    equity += row.equity;
    requirement += row.requirement;
    shortfall += row.shortfall;
    if (row.worth < 0n) deficit -= row.worth;
    grossNotionalUsd += row.grossNotionalUsd;
  }
  return { accounts, inAuction, byTier, equity, requirement, deficit, shortfall, grossNotionalUsd };
}

/** How much the ratio of an account at risk has to move to be a change of figures. */
const RATIO_STEP = 0.01;

/**
 * What changed from one snapshot to the next, the most urgent first and closed accounts last. Figures of accounts that are
 * not at risk are no change.
 *
 * @param before undefined for the first snapshot: every account that is not healthy is a change
 */
export function changesSince(before: RiskSnapshot | undefined, after: RiskSnapshot): RiskChange[] {
  const changes: RiskChange[] = [];
  for (const row of after.ranking) {
    const earlier = before?.byId.get(row.id);
    if (earlier === undefined) {
      if (before !== undefined || row.tier !== 'healthy') {
        changes.push({ id: row.id, reasons: ['opened'], after: row });
      }
      continue;
    }
    if (earlier === row) continue;
    const reasons: RiskChange['reasons'][number][] = [];
    if (earlier.tier !== row.tier) reasons.push('tier');
    if (earlier.inAuction !== row.inAuction) reasons.push('auction');
    if (earlier.nonce !== row.nonce) reasons.push('state');
    if (
      earlier.nearness?.deviations !== row.nearness?.deviations ||
      earlier.nearness?.direction !== row.nearness?.direction
    ) {
      reasons.push('nearness');
    }
    const moved = Math.abs(row.ratio - earlier.ratio) >= RATIO_STEP;
    if (moved && (isAtRisk(row.tier) || isAtRisk(earlier.tier))) reasons.push('figures');
    if (reasons.length > 0) changes.push({ id: row.id, reasons, before: earlier, after: row });
  }
  for (const [id, row] of before?.byId ?? []) {
    if (!after.byId.has(id)) changes.push({ id, reasons: ['closed'], before: row });
  }
  return changes;
}
