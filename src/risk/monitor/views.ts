/** Snapshots, plans, prices, changes and alerts as plain data for JSON: amounts are decimal strings in 1e-6 USD. */
import { type ErrorData, errorToData, ZkMarginError } from '../../errors.ts';
import type { ExactMargin } from '../../margin/exact/margin.ts';
import type { RiskParameters, Scenario } from '../../margin/parameters.ts';
import { underlyingSymbolOf } from '../../market/instrument.ts';
import type { Alert } from './alerts.ts';
import type { LiquidationPrices } from './liquidation-price.ts';
import type { LiquidationPlan } from './plan.ts';
import { type AccountRisk, changesSince, type RiskChange, type RiskSnapshot } from './snapshot.ts';
import type { RiskTier } from './tiers.ts';

/** A value as JSON can hold it: bigints are decimal strings, numbers that are not finite are null, errors are their data. */
export type Plain<T> = T extends bigint
  ? string
  : T extends number
    ? number | null
    : T extends ZkMarginError
      ? ErrorData
      : T extends string | boolean | null | undefined
        ? T
        : T extends readonly (infer Item)[]
          ? Plain<Item>[]
          : T extends object
            ? { [Name in keyof T]: Plain<T[Name]> }
            : never;

/** {@link Plain} data of a value without functions, maps and cycles; fields that are undefined are left out. */
export function plain<T>(value: T): Plain<T> {
  return convert(value) as Plain<T>;
}

function convert(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (value instanceof ZkMarginError) return errorToData(value);
  if (Array.isArray(value)) return value.map(convert);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([name, item]) => [name, convert(item)]),
  );
}

/** An account in a round. */
export type AccountRiskView = Plain<Omit<AccountRisk, 'worstScenario'>> & {
  readonly worstScenario: ScenarioView;
};

/** A scenario with its place in the parameters. */
export type ScenarioView = Scenario & { readonly index: number };

/** The view of a row; scenarios are those of its snapshot. */
export function accountRiskView(
  row: AccountRisk,
  { scenarios }: Pick<RiskSnapshot, 'scenarios'>,
): AccountRiskView {
  const { worstScenario, ...rest } = row;
  return { ...plain(rest), worstScenario: scenarioView(worstScenario, scenarios) };
}

function scenarioView(index: number, scenarios: readonly Scenario[]): ScenarioView {
  const { priceMove, volShock, damping } = scenarios[index] ?? scenarios[0]!;
  return { index, priceMove, volShock, damping };
}

/** Which rows of the ranking a view shows. */
export interface RankingPage {
  /** First place; 0 unless given. */
  readonly offset?: number;
  /** Most rows; 100 unless given. */
  readonly limit?: number;
  /** These tiers alone. */
  readonly tiers?: readonly RiskTier[];
}

/** A snapshot with a page of its ranking. */
export type RiskSnapshotView = Plain<
  Pick<RiskSnapshot, 'underlyingId' | 'roundNumber' | 'volatility' | 'totals' | 'greeks' | 'greeksAtRisk'>
> & {
  readonly symbol: string | null;
  readonly spot: string;
  /** Seconds since 1970-01-01 UTC. */
  readonly timestamp: string;
  readonly accounts: readonly AccountRiskView[];
  /** Rows of these tiers altogether. */
  readonly count: number;
};

/** The view of a snapshot. */
export function riskSnapshotView(snapshot: RiskSnapshot, page: RankingPage = {}): RiskSnapshotView {
  const { underlyingId, roundNumber, volatility, totals, greeks, greeksAtRisk, round, ranking } = snapshot;
  const { offset = 0, limit = 100, tiers } = page;
  const rows = tiers === undefined ? ranking : ranking.filter(({ tier }) => tiers.includes(tier));
  return {
    ...plain({ underlyingId, roundNumber, volatility, totals, greeks, greeksAtRisk }),
    symbol: underlyingSymbolOf(underlyingId) ?? null,
    spot: round.underlying.spot.toString(),
    timestamp: round.underlying.timestamp.toString(),
    accounts: rows.slice(offset, offset + limit).map((row) => accountRiskView(row, snapshot)),
    count: rows.length,
  };
}

/** The view of a plan. */
export function planView(plan: LiquidationPlan): Plain<LiquidationPlan> {
  return plain(plan);
}

/** The view of liquidation prices; spots are in 1e-6 USD. */
export function liquidationPricesView(prices: LiquidationPrices): Plain<LiquidationPrices> {
  return plain(prices);
}

/** The exact margin of an account with whatever parts the model gives, and each scenario's. */
export function marginView(margin: ExactMargin, { scenarios }: Pick<RiskParameters, 'scenarios'>) {
  const { scenarios: all, worstScenario, ...parts } = margin;
  return {
    ...plain(parts),
    worstScenario: scenarioView(worstScenario, scenarios),
    scenarios: all.map(({ requirement, baseRequirement, collateralSlope, loss }, index) => ({
      ...scenarioView(index, scenarios),
      ...plain({ requirement, baseRequirement, collateralSlope, loss }),
    })),
  };
}

/** A change for a stream. Without `after` the account is gone. */
export interface RiskChangeView {
  readonly id: string;
  readonly reasons: RiskChange['reasons'];
  readonly previousTier: RiskTier | null;
  readonly account: AccountRiskView | null;
}

/** What to send to those who have seen `before`. */
export function changeViews(before: RiskSnapshot | undefined, after: RiskSnapshot): RiskChangeView[] {
  return changesSince(before, after).map((change) => ({
    id: change.id.toString(),
    reasons: change.reasons,
    previousTier: change.before?.tier ?? null,
    account: change.after === undefined ? null : accountRiskView(change.after, after),
  }));
}

/** The view of an alert. */
export function alertView(alert: Alert): Plain<Alert> {
  return plain(alert);
}
