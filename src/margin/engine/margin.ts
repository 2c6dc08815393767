/**
 * The margin of a portfolio under a model: equity, requirement at both levels, and what each is made of.
 *
 * One engine for every preset: value all positions in all probes, scan, measure the add-ons, and sum with the model's
 * rates. Formulas: `docs/margin-model.md`, sections 9 and 10.
 */
import { type MeasuredAddOn, measureAddOn } from './add-ons.ts';
import type { AddOn, MarginLevel, MarginModel } from './model.ts';
import { type Scan, scanPortfolio } from './scan.ts';
import { canonicalPositions, type MarketState, type Portfolio, type Position } from './state.ts';
import {
  type ProbePlan,
  planProbes,
  requireFiniteResult,
  type ValuedPosition,
  valuePosition,
} from './valuation.ts';

/** Names of components in reports. */
export type ComponentId = 'scan' | AddOn['kind'] | 'collateralHaircut' | 'reservation' | 'floor';

/** A term of the requirement. */
export interface MarginComponent {
  readonly id: ComponentId;
  /** Index of the add-on in the model, -1 for what is no add-on. */
  readonly addOn: number;
  /** Amount before rates. */
  readonly base: number;
  readonly maintenance: number;
  readonly initial: number;
  /** Parts of the base by position and by collateral; they sum to it, but for reservations and the floor. */
  readonly positions: Float64Array;
  readonly collateral: Float64Array;
}

/** What an account has. */
export interface Equity {
  readonly cash: number;
  readonly options: number;
  /** Underlying held, and unrealised profit of futures and perpetuals. */
  readonly linear: number;
  readonly collateral: number;
  /** Maintenance haircuts of collateral, where the model takes them off equity. */
  readonly haircut: number;
  readonly total: number;
}

/** How an account stands. */
export type Tier = 'healthy' | 'warning' | 'softLiquidation' | 'liquidation' | 'badDebt';

/** The margin of a portfolio. Amounts are in the model's numeraire. */
export interface Margin {
  readonly model: MarginModel;
  readonly market: MarketState;
  readonly portfolio: Portfolio;
  /** Canonical positions, valued; indices of parts refer to them. */
  readonly valued: readonly ValuedPosition[];
  readonly plan: ProbePlan;
  readonly equity: Equity;
  readonly scan: Scan;
  readonly components: readonly MarginComponent[];
  readonly maintenanceRequirement: number;
  readonly initialRequirement: number;
  /** Equity less requirement. */
  readonly maintenanceMargin: number;
  readonly initialMargin: number;
  readonly tier: Tier;
}

/** Values a portfolio's positions, in canonical order, for {@link marginOfValued}. */
export function valuePositions(
  positions: readonly Position[],
  market: MarketState,
  model: MarginModel,
): { valued: ValuedPosition[]; plan: ProbePlan } {
  const plan = planProbes(model, market);
  const valued = canonicalPositions(positions).map((position) =>
    valuePosition(position, market, model, plan),
  );
  return { valued, plan };
}

/**
 * The margin of a portfolio. The input must be valid, as `src/input/margin.ts` makes it.
 *
 * @throws ZkMarginError `ARITHMETIC_OVERFLOW` where a value, a scenario or the result is no finite number
 */
export function computeMargin(portfolio: Portfolio, market: MarketState, model: MarginModel): Margin {
  const { valued, plan } = valuePositions(portfolio.positions, market, model);
  return marginOfValued(valued, plan, portfolio, market, model);
}

/** The margin of positions that are valued already. */
export function marginOfValued(
  valued: readonly ValuedPosition[],
  plan: ProbePlan,
  portfolio: Portfolio,
  market: MarketState,
  model: MarginModel,
): Margin {
  const scan = scanPortfolio(valued, portfolio, market, model, plan);
  const context = { valued, portfolio, market, model, plan };
  const equity = measureEquity(valued, portfolio, model);

  const components: MarginComponent[] = [
    {
      id: 'scan',
      addOn: -1,
      base: scan.loss,
      maintenance: scan.loss * scanFactor(model, market, 'maintenance'),
      initial: scan.loss * scanFactor(model, market, 'initial'),
      positions: scan.positions,
      collateral: scan.collateral,
    },
  ];
  const floors: { maintenance: number; initial: number }[] = [];
  model.addOns.forEach((addOn, index) => {
    if (addOn.kind === 'basis' && addOn.combine === 'worst') return;
    const measured: MeasuredAddOn = measureAddOn(index, context);
    if (addOn.kind === 'shortOption' && addOn.combine === 'floor') {
      floors.push({
        maintenance: measured.base * addOn.maintenance,
        initial: measured.base * addOn.initial,
      });
      return;
    }
    components.push({
      id: addOn.kind,
      addOn: index,
      ...measured,
      maintenance: measured.base * addOn.maintenance,
      initial: measured.base * addOn.initial,
    });
  });
  // The floor is for risk: what is set aside for other reasons comes on top of it.
  for (const floor of floors) {
    const maintenance = Math.max(0, floor.maintenance - sumOf(components, 'maintenance'));
    const initial = Math.max(0, floor.initial - sumOf(components, 'initial'));
    components.push({
      id: 'floor',
      addOn: -1,
      base: Math.max(maintenance, initial),
      maintenance,
      initial,
      positions: new Float64Array(valued.length),
      collateral: new Float64Array(portfolio.collateral.length),
    });
  }
  if (portfolio.collateral.length > 0) components.push(haircutComponent(valued, portfolio, model));
  for (const reservation of portfolio.reservations) {
    components.push({
      id: 'reservation',
      addOn: -1,
      base: Math.max(reservation.maintenance, reservation.initial),
      maintenance: reservation.maintenance,
      initial: reservation.initial,
      positions: new Float64Array(valued.length),
      collateral: new Float64Array(portfolio.collateral.length),
    });
  }
  const maintenanceRequirement = sumOf(components, 'maintenance');
  const initialRequirement = sumOf(components, 'initial');
  requireFiniteResult(equity.total, 'equity');
  requireFiniteResult(maintenanceRequirement, 'maintenanceRequirement');
  requireFiniteResult(initialRequirement, 'initialRequirement');
  return {
    model,
    market,
    portfolio,
    valued,
    plan,
    equity,
    scan,
    components,
    maintenanceRequirement,
    initialRequirement,
    maintenanceMargin: equity.total - maintenanceRequirement,
    initialMargin: equity.total - initialRequirement,
    tier: tierOf(equity.total, maintenanceRequirement, initialRequirement, model),
  };
}

function sumOf(components: readonly MarginComponent[], level: MarginLevel): number {
  let total = 0;
  for (const component of components) total += component[level];
  return total;
}

/** The factor on scan risk at a level; a settlement asset below its peg raises the initial one. */
export function scanFactor(model: MarginModel, market: MarketState, level: MarginLevel): number {
  if (level === 'maintenance') return model.scan.maintenance;
  const { pegLoss } = model.scan;
  if (pegLoss === undefined) return model.scan.initial;
  return model.scan.initial + Math.max(0, pegLoss.threshold - market.stablePrice) * pegLoss.factor;
}

function measureEquity(valued: readonly ValuedPosition[], portfolio: Portfolio, model: MarginModel): Equity {
  let options = 0;
  let linear = 0;
  for (const { position, value } of valued) {
    if (position.kind === 'option') options += value;
    else linear += value;
  }
  let collateral = 0;
  let haircut = 0;
  for (const item of portfolio.collateral) {
    collateral += item.value;
    if (model.collateral.deduct === 'equity') haircut += item.value * item.maintenanceHaircut;
  }
  const total = portfolio.cash + options + linear + collateral - haircut;
  return { cash: portfolio.cash, options, linear, collateral, haircut, total };
}

function haircutComponent(
  valued: readonly ValuedPosition[],
  portfolio: Portfolio,
  model: MarginModel,
): MarginComponent {
  const fromEquity = model.collateral.deduct === 'equity';
  const taken = (item: Portfolio['collateral'][number]): number => (fromEquity ? item.maintenanceHaircut : 0);
  const collateral = Float64Array.from(
    portfolio.collateral,
    (item) => item.value * (item.initialHaircut - taken(item)),
  );
  const maintenance = portfolio.collateral.reduce(
    (sum, item) => sum + item.value * (item.maintenanceHaircut - taken(item)),
    0,
  );
  const initial = collateral.reduce((sum, part) => sum + part, 0);
  return {
    id: 'collateralHaircut',
    addOn: -1,
    base: initial,
    maintenance,
    initial,
    positions: new Float64Array(valued.length),
    collateral,
  };
}

/**
 * The tier of an account. Liquidatable iff equity is below the maintenance requirement, strictly; bad debt when nothing
 * is left of it.
 */
export function tierOf(equity: number, maintenance: number, initial: number, model: MarginModel): Tier {
  if (equity < maintenance) return equity <= 0 ? 'badDebt' : 'liquidation';
  if (equity < maintenance * model.tiers.soft) return 'softLiquidation';
  if (equity < Math.max(initial, maintenance * model.tiers.warning)) return 'warning';
  return 'healthy';
}
