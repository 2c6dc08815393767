/**
 * The terms of a requirement beside scan risk. Each is a base amount, never negative, with the part that every position
 * has in it; a model's rates say how much of the base counts at each level. Formulas: `docs/margin-model.md`, section 10.
 *
 * Every base is homogeneous of degree one in the positions, except `deltaConcentration`, which is there to grow faster.
 */
import { YEAR_SECONDS } from '../../market/words.ts';
import type { AddOn, MarginModel } from './model.ts';
import { groupByExpiry, worstBasis } from './scan.ts';
import { smileVolatilityAt } from './smile.ts';
import type { EarlierSmile, MarketState, Portfolio } from './state.ts';
import { type ProbePlan, tenorRatio, type ValuedPosition } from './valuation.ts';

/** One add-on, measured. */
export interface MeasuredAddOn {
  /** In the numeraire, at least 0. */
  readonly base: number;
  /** What each position contributes to the base. */
  readonly positions: Float64Array;
  /** What each collateral contributes. */
  readonly collateral: Float64Array;
}

interface Context {
  readonly valued: readonly ValuedPosition[];
  readonly portfolio: Portfolio;
  readonly market: MarketState;
  readonly model: MarginModel;
  readonly plan: ProbePlan;
}

/** Measures the add-on at an index of the model. */
export function measureAddOn(index: number, context: Context): MeasuredAddOn {
  const addOn = context.model.addOns[index]!;
  const positions = new Float64Array(context.valued.length);
  const collateral = new Float64Array(context.portfolio.collateral.length);
  switch (addOn.kind) {
    case 'gamma':
      measureGamma(addOn, context, positions);
      break;
    case 'vegaShock':
      measureVegaShock(context, positions);
      break;
    case 'expiryBasis':
      measureExpiryBasis(addOn, context, positions);
      break;
    case 'expiryInterest':
      measureExpiryInterest(addOn, context, positions);
      break;
    case 'horizon':
      measureHorizon(addOn, context, positions, collateral);
      break;
    case 'shortOption':
      measureShortOptions(context, positions);
      break;
    case 'basis':
      // As a candidate for the worst scenario it is part of the scan.
      if (addOn.combine === 'add')
        measureBasis(addOn, context, positions, context.plan.addOnProbes.get(index)!);
      break;
    case 'perpetual':
      context.valued.forEach((item, place) => {
        if (item.position.kind !== 'perpetual') return;
        const { spot } = context.market.underlyings[item.position.underlying]!;
        positions[place] = Math.abs(item.position.quantity) * spot * item.unit;
      });
      break;
    case 'calendarSpread':
      measureCalendarSpread(context, positions);
      break;
    case 'roll':
      measureRoll(addOn, context, positions);
      break;
    case 'deltaConcentration':
      measureConcentration(addOn, context, positions);
      break;
    case 'oracleConfidence':
      measureConfidence(addOn, context, positions, collateral);
      break;
    case 'predictive':
      measurePredictive(addOn, context, positions);
      break;
  }
  let base = 0;
  for (const part of positions) base += part;
  for (const part of collateral) base += part;
  // Parts of opposite sign that cancel may leave a rounding error below 0.
  return { base: Math.max(0, base), positions, collateral };
}

type Of<Kind extends AddOn['kind']> = Extract<AddOn, { kind: Kind }>;

/** Sums over the positions of each underlying. */
function sumByUnderlying(context: Context, of: (item: ValuedPosition) => number): number[] {
  const sums = context.market.underlyings.map(() => 0);
  for (const item of context.valued) sums[item.position.underlying]! += of(item);
  return sums;
}

/** Writes `share(item)` for all positions of the underlyings that `active` names. */
function distribute(
  context: Context,
  positions: Float64Array,
  active: readonly boolean[],
  share: (item: ValuedPosition) => number,
): void {
  context.valued.forEach((item, index) => {
    if (active[item.position.underlying]) positions[index] = share(item);
  });
}

/** `½ max(0, -gamma$) h²`, `h = deviations σ √window`: what hedging loses in the window. */
function measureGamma(addOn: Of<'gamma'>, context: Context, positions: Float64Array): void {
  const years = addOn.windowSeconds / YEAR_SECONDS;
  const half = context.market.underlyings.map(
    ({ realisedVolatility }) => 0.5 * (addOn.deviations * realisedVolatility) ** 2 * years,
  );
  const dollarGamma = (item: ValuedPosition): number =>
    item.greeks.gamma * item.forward * item.forward * item.unit;
  const sums = sumByUnderlying(context, dollarGamma);
  distribute(
    context,
    positions,
    sums.map((sum) => sum < 0),
    (item) => -dollarGamma(item) * half[item.position.underlying]!,
  );
}

/** First-order loss from one of the model's vol shocks, expiry by expiry: up where vega is short, down where it is long. */
function measureVegaShock(context: Context, positions: Float64Array): void {
  const { model, market, valued } = context;
  const { up, down, unit } = model.volShock;
  const moved = (item: ValuedPosition): number => {
    const { position } = item;
    if (position.kind !== 'option') return 0;
    const { secondsToExpiry } = market.underlyings[position.underlying]!.expiries[position.expiry]!;
    const quoted = unit === 'relative' ? item.volatility : 1;
    return item.greeks.vega * quoted * tenorRatio(model, secondsToExpiry) * item.unit;
  };
  for (const { options } of groupByExpiry(valued)) {
    const sum = options.reduce((total, index) => total + moved(valued[index]!), 0);
    for (const index of options) positions[index] = moved(valued[index]!) * (sum < 0 ? -up : down);
  }
}

/** Writes `|sum of amounts of an expiry| × rate` as parts: every position of the expiry by its own amount. */
function chargeExpiries(
  context: Context,
  positions: Float64Array,
  amountOf: (item: ValuedPosition) => number,
  rateOf: (yearsToExpiry: number) => number,
): void {
  const { valued, market } = context;
  const keyOf = ({ position, expiry }: ValuedPosition): string => `${position.underlying}/${expiry}`;
  const sums = new Map<string, number>();
  for (const item of valued) {
    if (item.expiry >= 0) sums.set(keyOf(item), (sums.get(keyOf(item)) ?? 0) + amountOf(item));
  }
  valued.forEach((item, index) => {
    if (item.expiry < 0) return;
    const { secondsToExpiry } = market.underlyings[item.position.underlying]!.expiries[item.expiry]!;
    const sign = Math.sign(sums.get(keyOf(item))!);
    positions[index] = sign * amountOf(item) * rateOf(secondsToExpiry / YEAR_SECONDS);
  });
}

/** Move of each expiry's forward against spot. A future is that forward as much as the options' delta is. */
function measureExpiryBasis(addOn: Of<'expiryBasis'>, context: Context, positions: Float64Array): void {
  chargeExpiries(
    context,
    positions,
    (item) => item.greeks.delta * item.forward * item.unit,
    (years) => addOn.minimum + addOn.perYear * years,
  );
}

/** Move of each expiry's discount factor. Futures are settled daily, so only options have a value to discount. */
function measureExpiryInterest(addOn: Of<'expiryInterest'>, context: Context, positions: Float64Array): void {
  chargeExpiries(
    context,
    positions,
    (item) => (item.position.kind === 'option' ? item.value : 0),
    (years) => addOn.perYear * years,
  );
}

/** `|delta$| σ √horizon`: one standard deviation of the position's linear part while it is being sold. */
function measureHorizon(
  addOn: Of<'horizon'>,
  context: Context,
  positions: Float64Array,
  collateral: Float64Array,
): void {
  const root = Math.sqrt(addOn.seconds / YEAR_SECONDS);
  const dollarDelta = (item: ValuedPosition): number => item.greeks.delta * item.forward * item.unit;
  const sums = sumByUnderlying(context, dollarDelta);
  context.portfolio.collateral.forEach((item) => {
    if (item.offsets !== undefined) sums[item.offsets.underlying]! += item.value * item.offsets.fraction;
  });
  const factors = context.market.underlyings.map(
    ({ realisedVolatility }, index) => Math.sign(sums[index]!) * realisedVolatility * root,
  );
  context.valued.forEach((item, index) => {
    positions[index] = dollarDelta(item) * factors[item.position.underlying]!;
  });
  context.portfolio.collateral.forEach((item, index) => {
    if (item.offsets !== undefined) {
      collateral[index] = item.value * item.offsets.fraction * factors[item.offsets.underlying]!;
    }
  });
}

/** Spot for each net short option of a strike, calls and puts together. */
function measureShortOptions(context: Context, positions: Float64Array): void {
  const strikes = new Map<string, { net: number; members: number[] }>();
  context.valued.forEach(({ position }, index) => {
    if (position.kind !== 'option') return;
    const key = `${position.underlying}/${position.expiry}/${position.strike}`;
    const strike = strikes.get(key);
    if (strike === undefined) strikes.set(key, { net: position.quantity, members: [index] });
    else {
      strike.net += position.quantity;
      strike.members.push(index);
    }
  });
  for (const { net, members } of strikes.values()) {
    if (net >= 0) continue;
    for (const index of members) {
      const { position, unit } = context.valued[index]!;
      positions[index] = -position.quantity * context.market.underlyings[position.underlying]!.spot * unit;
    }
  }
}

/** The worse of two small moves of each expiry, its future included, with no relief between expiries. */
function measureBasis(
  addOn: Of<'basis'>,
  context: Context,
  positions: Float64Array,
  probes: readonly number[],
): void {
  const [up, down] = probes as [number, number];
  const members = new Map<string, number[]>();
  context.valued.forEach(({ position, expiry }, index) => {
    if (expiry < 0) return;
    const key = `${position.underlying}/${expiry}`;
    const group = members.get(key);
    if (group === undefined) members.set(key, [index]);
    else group.push(index);
  });
  for (const group of members.values()) {
    const { position, expiry } = context.valued[group[0]!]!;
    const { probe } = worstBasis(
      context.valued,
      { underlying: position.underlying, expiry, options: group },
      up,
      down,
    );
    if (probe < 0) continue;
    const { secondsToExpiry } = context.market.underlyings[position.underlying]!.expiries[expiry]!;
    const share = addOn.constant + (addOn.perYear * secondsToExpiry) / YEAR_SECONDS;
    for (const index of group) positions[index] = -context.valued[index]!.profits[probe]! * share;
  }
}

/** Dollar delta that is long in one expiry and short in another: half of (sum of |delta$| less |sum of delta$|). */
function measureCalendarSpread(context: Context, positions: Float64Array): void {
  const perExpiry = new Map<string, number>();
  const total = context.market.underlyings.map(() => 0);
  const keyOf = (item: ValuedPosition): string => `${item.position.underlying}/${item.expiry}`;
  const dollarDelta = (item: ValuedPosition): number => item.greeks.delta * item.forward * item.unit;
  for (const item of context.valued) {
    perExpiry.set(keyOf(item), (perExpiry.get(keyOf(item)) ?? 0) + dollarDelta(item));
    total[item.position.underlying]! += dollarDelta(item);
  }
  context.valued.forEach((item, index) => {
    const own = Math.sign(perExpiry.get(keyOf(item))!);
    const all = Math.sign(total[item.position.underlying]!);
    positions[index] = 0.5 * (own - all) * dollarDelta(item);
  });
}

/** Move of each expiry's basis, `|delta$ of the expiry| max(minimum rate, annual rate × years)`. */
function measureRoll(addOn: Of<'roll'>, context: Context, positions: Float64Array): void {
  const perExpiry = new Map<string, number>();
  const keyOf = (item: ValuedPosition): string => `${item.position.underlying}/${item.expiry}`;
  // An inverse contract's size is its own coin delta.
  const sizeOf = (item: ValuedPosition): number => {
    const { position } = item;
    const inCoin = (position.kind === 'future' || position.kind === 'perpetual') && position.inverse;
    const { spot } = context.market.underlyings[position.underlying]!;
    return item.greeks.delta * (inCoin ? spot : item.forward) * item.unit;
  };
  for (const item of context.valued) {
    perExpiry.set(keyOf(item), (perExpiry.get(keyOf(item)) ?? 0) + sizeOf(item));
  }
  context.valued.forEach((item, index) => {
    const rate = Math.max(addOn.minimumRate, addOn.annualRate * item.years);
    positions[index] = Math.sign(perExpiry.get(keyOf(item))!) * sizeOf(item) * rate;
  });
}

/** `|delta$| × maximum rate × min(1, excess of |delta$| over the threshold / threshold)`. */
function measureConcentration(
  addOn: Of<'deltaConcentration'>,
  context: Context,
  positions: Float64Array,
): void {
  const dollarDelta = (item: ValuedPosition): number => item.greeks.delta * item.forward;
  const sums = sumByUnderlying(context, dollarDelta);
  const factors = sums.map((sum) => {
    const excess = Math.max(0, Math.abs(sum) - addOn.thresholdUsd) / addOn.thresholdUsd;
    return Math.sign(sum) * addOn.maximumRate * Math.min(1, excess);
  });
  context.valued.forEach((item, index) => {
    positions[index] = dollarDelta(item) * item.unit * factors[item.position.underlying]!;
  });
}

/** `(1 - confidence) × notional` where the least confidence of the feeds involved is below the threshold. */
function measureConfidence(
  addOn: Of<'oracleConfidence'>,
  context: Context,
  positions: Float64Array,
  collateral: Float64Array,
): void {
  const charge = (confidence: number): number =>
    confidence < addOn.threshold ? Math.max(0, 1 - confidence) : 0;
  const holdsPerpetual = context.market.underlyings.map(() => false);
  for (const { position } of context.valued) {
    if (position.kind === 'perpetual') holdsPerpetual[position.underlying] = true;
  }
  const shared = context.market.underlyings.map((underlying, index) =>
    holdsPerpetual[index]
      ? Math.min(underlying.spotConfidence, underlying.perpetual?.confidence ?? 1)
      : underlying.spotConfidence,
  );
  context.valued.forEach(({ position, expiry, unit }, index) => {
    const underlying = context.market.underlyings[position.underlying]!;
    const own = expiry < 0 ? 1 : underlying.expiries[expiry]!.confidence;
    const confidence = Math.min(shared[position.underlying]!, own);
    positions[index] = charge(confidence) * Math.abs(position.quantity) * underlying.spot * unit;
  });
  const spotConfidence = Math.min(
    ...context.market.underlyings.map((underlying) => underlying.spotConfidence),
    1,
  );
  context.portfolio.collateral.forEach((item, index) => {
    collateral[index] = charge(Math.min(spotConfidence, item.confidence)) * item.value;
  });
}

/**
 * What second-order vol risk would cost if the surface went on moving as it has of late.
 *
 * With `u = ln(K/F)/√T` of a leg, its vol drift is the recent change of the surface at that `u`, carried on over the
 * horizon. Around it, vols and the price move by given deviations in either direction; the charge is the worst of the
 * four combinations of `-Σ (vega drift + ½ volga Δσ² + vanna ΔF Δσ)`, at least 0. The vega of the undirected part is
 * what the grid already scans.
 */
function measurePredictive(addOn: Of<'predictive'>, context: Context, positions: Float64Array): void {
  const { valued, market, model } = context;
  const horizonRoot = Math.sqrt(addOn.horizonSeconds / YEAR_SECONDS);
  const drifts = valued.map((item) => volatilityDrift(item, market, model, addOn));
  market.underlyings.forEach((underlying, own) => {
    let worst = 0;
    let chosen: [number, number] | undefined;
    for (const priceSign of [-1, 1]) {
      for (const volSign of [-1, 1]) {
        let loss = 0;
        valued.forEach((item, index) => {
          if (item.position.underlying === own) loss += lossOf(item, drifts[index]!, priceSign, volSign);
        });
        if (loss > worst) {
          worst = loss;
          chosen = [priceSign, volSign];
        }
      }
    }
    if (chosen === undefined) return;
    const [priceSign, volSign] = chosen;
    valued.forEach((item, index) => {
      if (item.position.underlying === own) {
        positions[index] = lossOf(item, drifts[index]!, priceSign, volSign);
      }
    });

    function lossOf(item: ValuedPosition, drift: number, priceSign: number, volSign: number): number {
      if (item.position.kind !== 'option') return 0;
      const { vega, volga, vanna } = item.greeks;
      const volMove = drift + volSign * addOn.volOfVol * horizonRoot * item.volatility;
      const priceMove =
        priceSign * addOn.priceDeviations * underlying.realisedVolatility * horizonRoot * item.forward;
      return -(vega * drift + 0.5 * volga * volMove * volMove + vanna * priceMove * volMove) * item.unit;
    }
  });
}

/** Expected change of a leg's volatility over the horizon, from the oldest surface within the lookback. */
function volatilityDrift(
  item: ValuedPosition,
  market: MarketState,
  model: MarginModel,
  addOn: Of<'predictive'>,
): number {
  const { position } = item;
  if (position.kind !== 'option') return 0;
  const expiry = market.underlyings[position.underlying]!.expiries[position.expiry]!;
  let reference: EarlierSmile | undefined;
  for (const earlier of expiry.earlier ?? []) {
    if (earlier.age > addOn.lookbackSeconds) continue;
    if (reference === undefined || earlier.age > reference.age) reference = earlier;
  }
  if (reference === undefined) return 0;
  // In logarithms: near expiry the strike of that u at an earlier time may be beyond any number.
  const logMoneyness = Math.log(position.strike / item.forward) * Math.sqrt(reference.years / item.years);
  const then = smileVolatilityAt(
    reference.smile,
    reference.forward,
    logMoneyness,
    reference.years,
    model.pricing.largestTotalVariance,
  );
  const drift = ((item.volatility - then) * addOn.horizonSeconds) / reference.age;
  const bound = addOn.maximumDrift * item.volatility;
  return Math.min(Math.max(drift, -bound), bound);
}
