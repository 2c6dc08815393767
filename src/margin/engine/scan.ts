/**
 * Scan risk: the portfolio's profit in every scenario, by underlying and jointly, and the worst loss among them.
 *
 * Several underlyings are put through joint scenarios: all move alike, one moves alone, one moves against the others. The
 * requirement lies between the worst joint loss and the sum of the underlyings' own worst losses, so no more relief is
 * granted than the joint scenarios show.
 */
import { YEAR_SECONDS } from '../../market/words.ts';
import type { MarginModel } from './model.ts';
import type { MarketState, Portfolio } from './state.ts';
import { discountOf, type ProbePlan, type ValuedPosition } from './valuation.ts';

/** A scenario of each underlying at the same time; -1 for one that does not move. */
export interface JointScenario {
  readonly kind: 'common' | 'own' | 'against';
  /** Scenario of each underlying: an index, or -1. An index beyond the model's scenarios is the basis move. */
  readonly scenarios: readonly number[];
  /** Profit of the portfolio. */
  readonly profit: number;
}

/** What a scan found. Losses are positive. */
export interface Scan {
  /** Damped profit by underlying and scenario; one more column for the basis move where the model has it. */
  readonly profits: readonly Float64Array[];
  /** Worst scenario of each underlying on its own, -1 when none shows a loss. */
  readonly ownWorst: readonly number[];
  /** Loss of each underlying on its own. */
  readonly ownLosses: readonly number[];
  readonly joint: JointScenario;
  readonly jointLoss: number;
  /** Sum of own losses less the scan loss. */
  readonly relief: number;
  /** Scan risk before factors. */
  readonly loss: number;
  /** Contribution of each position to the loss; they sum to it with those of collateral. */
  readonly positions: Float64Array;
  readonly collateral: Float64Array;
  /** The parts of each position's contribution that its Greeks explain; the rest is residual. */
  readonly delta: Float64Array;
  readonly gamma: Float64Array;
  readonly vega: Float64Array;
}

/** Positions of one underlying that share an expiry. */
export interface ExpiryGroup {
  readonly underlying: number;
  readonly expiry: number;
  /** Indices of its positions: options, and futures where an add-on nets them. */
  readonly options: readonly number[];
}

/** Groups options by underlying and expiry, in order. */
export function groupByExpiry(valued: readonly ValuedPosition[]): ExpiryGroup[] {
  const groups = new Map<string, { underlying: number; expiry: number; options: number[] }>();
  valued.forEach(({ position, expiry }, index) => {
    if (position.kind !== 'option') return;
    const key = `${position.underlying}/${expiry}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { underlying: position.underlying, expiry, options: [index] });
    else group.options.push(index);
  });
  return [...groups.values()].sort((a, b) => a.underlying - b.underlying || a.expiry - b.expiry);
}

/**
 * The factor by which a model discounts an expiry's shocked mark, below 1 for a positive mark and above 1 for a negative
 * one (Derive PMRM2's static discount). 1 without one.
 */
export function staticDiscountOf(
  model: MarginModel,
  market: MarketState,
  group: ExpiryGroup,
  mark: number,
): number {
  const rule = model.staticDiscount;
  if (rule === undefined) return 1;
  const expiry = market.underlyings[group.underlying]!.expiries[group.expiry]!;
  const years = expiry.secondsToExpiry / YEAR_SECONDS;
  const rate =
    model.pricing.rateFloor === null ? expiry.rate : Math.max(expiry.rate, model.pricing.rateFloor);
  if (mark >= 0) {
    const { base, rateScale, rateAdd } = rule.positive;
    return base * Math.exp(-years * (rate * rateScale + rateAdd));
  }
  const { base, rateScale, rateAdd } = rule.negative;
  return Math.min(
    base / Math.exp(-years * (rate * rateScale + rateAdd)),
    1 / discountOf(expiry, model, years),
  );
}

/** How an expiry's options count in a scenario: `sign (discount (value + profit) - value)`. */
interface ExpiryWeights {
  readonly discount: number;
  readonly sign: number;
  readonly profit: number;
}

function expiryInScenario(
  valued: readonly ValuedPosition[],
  group: ExpiryGroup,
  scenario: number,
  model: MarginModel,
  market: MarketState,
): ExpiryWeights {
  if (model.staticDiscount === undefined && model.scenarios[scenario]!.role !== 'skew') {
    // The difference of sums of marks would lose digits that the sum of profits keeps.
    let profit = 0;
    for (const index of group.options) profit += valued[index]!.profits[scenario]!;
    return { discount: 1, sign: 1, profit };
  }
  let value = 0;
  let shocked = 0;
  for (const index of group.options) {
    const item = valued[index]!;
    value += item.value;
    shocked += item.value + item.profits[scenario]!;
  }
  const discount = staticDiscountOf(model, market, group, shocked);
  const profit = discount * shocked - value;
  if (model.scenarios[scenario]!.role !== 'skew') return { discount, sign: 1, profit };
  return { discount, sign: profit > 0 ? -1 : 1, profit: -Math.abs(profit) };
}

/** The basis move of a model that counts it among its scenarios: `min(up, down, 0) × share` for each expiry. */
function basisMove(
  valued: readonly ValuedPosition[],
  groups: readonly ExpiryGroup[],
  model: MarginModel,
  market: MarketState,
  plan: ProbePlan,
): { profits: number[]; perGroup: { probe: number; share: number }[] } | undefined {
  const index = model.addOns.findIndex((addOn) => addOn.kind === 'basis' && addOn.combine === 'worst');
  if (index < 0) return undefined;
  const addOn = model.addOns[index]!;
  if (addOn.kind !== 'basis') return undefined;
  const [up, down] = plan.addOnProbes.get(index)! as [number, number];
  const profits = market.underlyings.map(() => 0);
  const perGroup = groups.map((group) => {
    const worst = worstBasis(valued, group, up, down);
    const years =
      market.underlyings[group.underlying]!.expiries[group.expiry]!.secondsToExpiry / YEAR_SECONDS;
    const share = addOn.constant + addOn.perYear * years;
    profits[group.underlying]! += worst.profit * share;
    return { probe: worst.probe, share };
  });
  return { profits, perGroup };
}

/** The worse of two small moves for an expiry, and which it is; -1 when neither loses. */
export function worstBasis(
  valued: readonly ValuedPosition[],
  group: ExpiryGroup,
  up: number,
  down: number,
): { probe: number; profit: number } {
  let profitUp = 0;
  let profitDown = 0;
  for (const index of group.options) {
    profitUp += valued[index]!.profits[up]!;
    profitDown += valued[index]!.profits[down]!;
  }
  if (profitUp >= 0 && profitDown >= 0) return { probe: -1, profit: 0 };
  return profitUp < profitDown ? { probe: up, profit: profitUp } : { probe: down, profit: profitDown };
}

/**
 * Index of the scenario with the opposite price move, by scenario; -1 where there is none. The one with the same vol move
 * comes first; sets whose tails go with vols up on one side only still have a mirror.
 */
function mirrors(plan: ProbePlan, model: MarginModel): number[] {
  const moves = model.scenarios.map((scenario, index) =>
    scenario.priceFactor === undefined
      ? { ranges: true, size: scenario.rangeFraction ?? 0 }
      : { ranges: false, size: Math.log(plan.probes[index]!.priceFactors[0] ?? 1) },
  );
  return model.scenarios.map((scenario, index) => {
    const { ranges, size } = moves[index]!;
    for (const sameVolatility of [true, false]) {
      let best = -1;
      // A move of another size is no mirror.
      let distance = 0.25 * Math.abs(size) + 1e-9;
      model.scenarios.forEach((candidate, other) => {
        if (candidate.role !== scenario.role || moves[other]!.ranges !== ranges) return;
        if (sameVolatility && candidate.volatility !== scenario.volatility) return;
        const gap = Math.abs(moves[other]!.size + size);
        if (gap < distance) {
          best = other;
          distance = gap;
        }
      });
      if (best >= 0) return best;
    }
    return -1;
  });
}

/** Scans a valued portfolio over the scenarios of a model. */
export function scanPortfolio(
  valued: readonly ValuedPosition[],
  portfolio: Portfolio,
  market: MarketState,
  model: MarginModel,
  plan: ProbePlan,
): Scan {
  const groups = groupByExpiry(valued);
  const basis = basisMove(valued, groups, model, market, plan);
  const { scenarioCount } = plan;
  const columns = scenarioCount + (basis === undefined ? 0 : 1);
  const profits = market.underlyings.map(() => new Float64Array(columns));
  for (let scenario = 0; scenario < scenarioCount; scenario++) {
    for (const group of groups) {
      profits[group.underlying]![scenario]! += expiryInScenario(
        valued,
        group,
        scenario,
        model,
        market,
      ).profit;
    }
    for (const { position, profits: own } of valued) {
      if (position.kind !== 'option') profits[position.underlying]![scenario]! += own[scenario]!;
    }
    for (const item of portfolio.collateral) {
      if (item.offsets === undefined) continue;
      profits[item.offsets.underlying]![scenario]! += collateralProfit(item, plan, scenario, model);
    }
    for (const row of profits) row[scenario]! *= model.scenarios[scenario]!.damping;
  }
  if (basis !== undefined) {
    basis.profits.forEach((profit, underlying) => {
      profits[underlying]![scenarioCount] = profit;
    });
  }
  const gain = model.gainFactor;
  const counted = profits.map((row) => row.map((profit) => (profit > 0 ? profit * gain : profit)));

  const ownWorst = counted.map(worstColumn);
  const ownLosses = counted.map((row, index) => (ownWorst[index]! < 0 ? 0 : -row[ownWorst[index]!]!));
  const ownSum = ownLosses.reduce((sum, loss) => sum + loss, 0);
  const joint = worstJoint(counted, plan, model, scenarioCount);
  const jointLoss = Math.max(0, -joint.profit);
  const relief = model.reliefFraction * Math.max(0, ownSum - jointLoss);
  const loss = ownSum - relief;

  // The loss is a weighted sum of scenario losses, so each position's part of it is too.
  const positions = new Float64Array(valued.length);
  const delta = new Float64Array(valued.length);
  const gamma = new Float64Array(valued.length);
  const vega = new Float64Array(valued.length);
  const collateral = new Float64Array(portfolio.collateral.length);
  const out = { positions, delta, gamma, vega, collateral };
  const context = { valued, portfolio, groups, model, market, plan, profits, basis };
  const granted = ownSum - jointLoss > 0 ? model.reliefFraction : 0;
  market.underlyings.forEach((_, underlying) => {
    attribute(context, underlying, ownWorst[underlying]!, 1 - granted, out);
    if (granted > 0 && jointLoss > 0) {
      attribute(context, underlying, joint.scenarios[underlying]!, granted, out);
    }
  });
  return { profits, ownWorst, ownLosses, joint, jointLoss, relief, loss, ...out };
}

function collateralProfit(
  item: Portfolio['collateral'][number],
  plan: ProbePlan,
  scenario: number,
  model: MarginModel,
): number {
  if (item.offsets === undefined || model.numeraire === 'coin') return 0;
  const { underlying, fraction } = item.offsets;
  return item.value * fraction * (plan.probes[scenario]!.priceFactors[underlying]! - 1);
}

function worstColumn(row: Float64Array): number {
  let worst = -1;
  let least = 0;
  for (let index = 0; index < row.length; index++) {
    if (row[index]! < least) {
      least = row[index]!;
      worst = index;
    }
  }
  return worst;
}

function worstJoint(
  counted: readonly Float64Array[],
  plan: ProbePlan,
  model: MarginModel,
  scenarioCount: number,
): JointScenario {
  const count = counted.length;
  let worst: JointScenario = { kind: 'common', scenarios: counted.map(() => -1), profit: 0 };
  const consider = (kind: JointScenario['kind'], scenarios: readonly number[]): void => {
    let profit = 0;
    scenarios.forEach((scenario, underlying) => {
      if (scenario >= 0) profit += counted[underlying]![scenario]!;
    });
    if (profit < worst.profit) worst = { kind, scenarios: [...scenarios], profit };
  };
  const columns = counted[0]?.length ?? 0;
  for (let scenario = 0; scenario < columns; scenario++) {
    consider(
      'common',
      counted.map(() => scenario),
    );
  }
  if (count < 2) return worst;
  const opposite = mirrors(plan, model);
  for (let underlying = 0; underlying < count; underlying++) {
    for (let scenario = 0; scenario < columns; scenario++) {
      consider(
        'own',
        counted.map((_, other) => (other === underlying ? scenario : -1)),
      );
      const mirror = scenario < scenarioCount ? opposite[scenario]! : -1;
      if (mirror >= 0) {
        consider(
          'against',
          counted.map((_, other) => (other === underlying ? scenario : mirror)),
        );
      }
    }
  }
  return worst;
}

interface AttributionContext {
  readonly valued: readonly ValuedPosition[];
  readonly portfolio: Portfolio;
  readonly groups: readonly ExpiryGroup[];
  readonly model: MarginModel;
  readonly market: MarketState;
  readonly plan: ProbePlan;
  readonly profits: readonly Float64Array[];
  readonly basis: ReturnType<typeof basisMove>;
}

interface Attribution {
  readonly positions: Float64Array;
  readonly delta: Float64Array;
  readonly gamma: Float64Array;
  readonly vega: Float64Array;
  readonly collateral: Float64Array;
}

/** Adds the parts that positions and collateral have in one underlying's loss under one scenario. */
function attribute(
  context: AttributionContext,
  underlying: number,
  scenario: number,
  weight: number,
  out: Attribution,
): void {
  if (scenario < 0 || weight === 0) return;
  const { valued, portfolio, groups, model, market, plan, profits, basis } = context;
  const gain = profits[underlying]![scenario]! > 0 ? model.gainFactor : 1;
  if (scenario >= plan.scenarioCount) {
    groups.forEach((group, index) => {
      if (group.underlying !== underlying) return;
      const { probe, share } = basis!.perGroup[index]!;
      if (probe < 0) return;
      for (const item of group.options) addPart(valued[item]!, item, probe, -weight * gain * share, 1, out);
    });
    return;
  }
  const scale = -weight * gain * model.scenarios[scenario]!.damping;
  for (const group of groups) {
    if (group.underlying !== underlying) continue;
    const { discount, sign } = expiryInScenario(valued, group, scenario, model, market);
    for (const item of group.options) addPart(valued[item]!, item, scenario, scale * sign, discount, out);
  }
  valued.forEach((item, index) => {
    if (item.position.kind !== 'option' && item.position.underlying === underlying) {
      addPart(item, index, scenario, scale, 1, out);
    }
  });
  portfolio.collateral.forEach((item, index) => {
    if (item.offsets?.underlying === underlying) {
      out.collateral[index]! += scale * collateralProfit(item, plan, scenario, model);
    }
  });
}

function addPart(
  item: ValuedPosition,
  index: number,
  probe: number,
  scale: number,
  discount: number,
  out: Attribution,
): void {
  const profit = item.profits[probe]!;
  const forwardMove = item.forwardMoves[probe]!;
  const volatilityMove = item.volatilityMoves[probe]!;
  const { delta, gamma, vega } = item.greeks;
  const explained = scale * discount * item.unit;
  out.positions[index]! += scale * (discount * profit + (discount - 1) * item.value);
  out.delta[index]! += explained * delta * forwardMove;
  out.gamma[index]! += explained * 0.5 * gamma * forwardMove * forwardMove;
  out.vega[index]! += explained * vega * volatilityMove;
}
