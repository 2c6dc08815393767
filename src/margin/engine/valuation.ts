/**
 * Full revaluation: what every position is worth now, its Greeks, and its profit in every probe (a scenario of the grid
 * or a stress that an add-on asks for).
 */
import { ZkMarginError } from '../../errors.ts';
import { DAY_SECONDS, YEAR_SECONDS } from '../../market/words.ts';
import { type Black76Greeks, black76, black76Price } from '../../math/float/black76.ts';
import { inverseValue } from '../../math/float/linear.ts';
import type { AddOn, MarginModel, ModelScenario, VolatilityMove } from './model.ts';
import { smileVolatility } from './smile.ts';
import {
  type ExpiryState,
  expiryOf,
  type MarketState,
  type Position,
  type UnderlyingState,
} from './state.ts';

/** A range wider than the price itself ends here. */
const LEAST_PRICE_FACTOR = 1e-6;

/** A state of the market in which positions are valued again. */
export interface Probe {
  /** Multiplier of spot and forwards, by underlying. */
  readonly priceFactors: readonly number[];
  /** The same for futures and perpetuals. */
  readonly linearPriceFactors: readonly number[];
  readonly volatility: VolatilityMove;
  /** Index of the scenario whose array profits apply, or -1. */
  readonly scenario: number;
  /** Time that passes, in seconds. */
  readonly lookAhead: number;
}

/** Where the probes of a model are. The scenarios come first, in the model's order. */
export interface ProbePlan {
  readonly probes: readonly Probe[];
  readonly scenarioCount: number;
  /** Probes of add-ons, by add-on index; each list is what the add-on's kind needs. */
  readonly addOnProbes: ReadonlyMap<number, readonly number[]>;
}

/** One position, valued. Amounts are in the model's numeraire and for the whole position, not one contract. */
export interface ValuedPosition {
  readonly position: Position;
  /** Index of the expiry within its underlying, or -1. */
  readonly expiry: number;
  readonly forward: number;
  /** Years to expiry that are priced; 0 for what has no expiry. */
  readonly years: number;
  /** Implied volatility; 0 for what is no option. */
  readonly volatility: number;
  /** What the position adds to equity. */
  readonly value: number;
  /** Profit in each probe, before damping. */
  readonly profits: Float64Array;
  /** Change of forward in each probe. */
  readonly forwardMoves: Float64Array;
  /** Change of volatility in each probe. */
  readonly volatilityMoves: Float64Array;
  /** Greeks of the whole position, in USD. Delta is with respect to the forward. */
  readonly greeks: Black76Greeks;
  /** What 1 USD is in the numeraire. */
  readonly unit: number;
}

/**
 * Price factor of a scenario for an underlying.
 *
 * A move given in units of the price range needs that range: relative, or in USD against the spot.
 */
export function priceFactorOf(
  scenario: ModelScenario,
  model: MarginModel,
  underlying: UnderlyingState,
): number {
  if (scenario.priceFactor !== undefined) return scenario.priceFactor;
  const range = model.priceRanges?.[underlying.symbol] ?? model.priceRange;
  if (range === undefined) return 1;
  const relative = range.unit === 'relative' ? range.value : range.value / underlying.spot;
  return Math.max(LEAST_PRICE_FACTOR, 1 + (scenario.rangeFraction ?? 0) * relative);
}

/** The probes that a model needs in a market. */
export function planProbes(model: MarginModel, market: MarketState): ProbePlan {
  const { underlyings } = market;
  const probes: Probe[] = model.scenarios.map((scenario, index) => {
    const priceFactors = underlyings.map((underlying) => priceFactorOf(scenario, model, underlying));
    return {
      priceFactors,
      linearPriceFactors:
        scenario.linearPriceFactor === undefined
          ? priceFactors
          : underlyings.map(() => scenario.linearPriceFactor!),
      volatility: scenario.volatility,
      scenario: index,
      lookAhead: model.pricing.lookAheadSeconds,
    };
  });
  const scenarioCount = probes.length;
  const addOnProbes = new Map<number, readonly number[]>();
  const add = (factor: number): number => {
    const factors = underlyings.map(() => factor);
    probes.push({
      priceFactors: factors,
      linearPriceFactors: factors,
      volatility: 'none',
      scenario: -1,
      lookAhead: 0,
    });
    return probes.length - 1;
  };
  model.addOns.forEach((addOn: AddOn, index) => {
    if (addOn.kind === 'basis') addOnProbes.set(index, [add(addOn.upFactor), add(addOn.downFactor)]);
  });
  return { probes, scenarioCount, addOnProbes };
}

/** `(pivot / max(days to expiry, floor))^power`: how much more the vols of a tenor move than those of the pivot. */
export function tenorRatio(model: MarginModel, secondsToExpiry: number): number {
  const { pivotDays, tenorFloorDays, shortPower, longPower } = model.volShock;
  const days = Math.max(1, secondsToExpiry) / DAY_SECONDS;
  return (pivotDays / Math.max(days, tenorFloorDays)) ** (days <= pivotDays ? shortPower : longPower);
}

/**
 * Volatility after a move.
 *
 * @param logMoneyness `ln(K/F)`, for skew moves
 */
export function shockedVolatility(
  model: MarginModel,
  volatility: number,
  move: VolatilityMove,
  secondsToExpiry: number,
  logMoneyness: number,
): number {
  if (move === 'none') return volatility;
  const { volShock } = model;
  if (move === 'linearSkew' || move === 'absoluteSkew') {
    const { skewShock } = model;
    if (skewShock === undefined) return volatility;
    const root = Math.sqrt(secondsToExpiry / YEAR_SECONDS);
    const width = Math.max(
      skewShock.minimumWidth,
      root * skewShock.widthScale * (skewShock.volatility + root * skewShock.volatilityPerRoot),
    );
    const side = move === 'linearSkew' ? skewShock.linear : skewShock.absolute;
    const cap = side.capPerRoot * root + side.cap;
    const distance = move === 'linearSkew' ? logMoneyness : Math.abs(logMoneyness);
    const slope = (distance * cap) / width;
    // Bounded on the side where the strike lies, which tells only for a negative cap.
    const shift = distance > 0 ? Math.min(cap, slope) : Math.max(-cap, slope);
    return volatility * Math.max(0, 1 + shift);
  }
  const ratio = tenorRatio(model, secondsToExpiry);
  if (volShock.unit === 'absolute') {
    return Math.max(0, volatility + (move === 'up' ? volShock.up : -volShock.down) * ratio);
  }
  const multiplier = Math.max(
    volShock.minimumMultiplier,
    1 + (move === 'up' ? volShock.up : -volShock.down) * ratio,
  );
  const shocked = volatility * multiplier;
  return move === 'up' ? Math.max(volShock.minimumShockedUp, shocked) : shocked;
}

/**
 * Values a position now and in every probe.
 *
 * @throws ZkMarginError `ARITHMETIC_OVERFLOW` where a value, a profit or a Greek is no finite number
 */
export function valuePosition(
  position: Position,
  market: MarketState,
  model: MarginModel,
  plan: ProbePlan,
): ValuedPosition {
  const underlying = market.underlyings[position.underlying]!;
  const valued =
    position.kind === 'option'
      ? valueOption(position, underlying, model, plan)
      : valueLinear(position, underlying, model, plan);
  // A NaN would lose every comparison, and the scenario or add-on that it stands for would go unnoticed.
  requireFiniteResult(valued.value, 'value', position);
  for (const name of USED_GREEKS) requireFiniteResult(valued.greeks[name], name, position);
  for (const list of [valued.profits, valued.forwardMoves, valued.volatilityMoves]) {
    for (const entry of list) requireFiniteResult(entry, 'scenario', position);
  }
  return valued;
}

/** Greeks that requirements depend on. */
const USED_GREEKS = ['delta', 'gamma', 'vega', 'vanna', 'volga'] as const;

/** @throws ZkMarginError `ARITHMETIC_OVERFLOW` */
export function requireFiniteResult(value: number, name: string, position?: Position): void {
  if (Number.isFinite(value)) return;
  throw new ZkMarginError(
    'ARITHMETIC_OVERFLOW',
    'Bring quantities, prices, times and parameters to common sizes: a result is no finite number.',
    { details: position === undefined ? { result: name } : { result: name, position: position.id } },
  );
}

/** Discount factor of an expiry over a tenor under the model's floor on rates. */
export function discountOf(expiry: ExpiryState, model: MarginModel, years: number): number {
  const rate =
    model.pricing.rateFloor === null ? expiry.rate : Math.max(expiry.rate, model.pricing.rateFloor);
  return Math.exp(-rate * years);
}

/**
 * Forward after spot moves by a factor. In the settlement window the part that has been averaged is fixed.
 */
export function shockedForward(expiry: ExpiryState, model: MarginModel, factor: number): number {
  const window = model.pricing.settlementWindowSeconds;
  if (expiry.secondsToExpiry >= window) return expiry.forward * factor;
  const open = expiry.secondsToExpiry / window;
  return expiry.forward * (1 - open) + expiry.forward * open * factor;
}

function valueOption(
  position: Position & { kind: 'option' },
  underlying: UnderlyingState,
  model: MarginModel,
  plan: ProbePlan,
): ValuedPosition {
  const expiry = underlying.expiries[position.expiry]!;
  const { quantity, strike } = position;
  const kind = position.isCall ? 'call' : 'put';
  const { minimumTenorSeconds, largestTotalVariance } = model.pricing;
  const years = Math.max(expiry.secondsToExpiry, minimumTenorSeconds) / YEAR_SECONDS;
  const discount = discountOf(expiry, model, years);
  const volatility = smileVolatility(expiry.smile, expiry.forward, strike, years, largestTotalVariance);
  const price = black76Price(kind, expiry.forward, strike, years, volatility, discount);
  const logMoneyness = Math.log(strike / expiry.forward);
  const coin = model.numeraire === 'coin';
  const value = coin ? price / underlying.spot : price;
  const count = plan.probes.length;
  const profits = new Float64Array(count);
  const forwardMoves = new Float64Array(count);
  const volatilityMoves = new Float64Array(count);
  for (let index = 0; index < count; index++) {
    const probe = plan.probes[index]!;
    // A skew move turns the smile about an unmoved forward, whatever linear positions do.
    const turns = probe.volatility === 'linearSkew' || probe.volatility === 'absoluteSkew';
    const factor = turns ? 1 : probe.priceFactors[position.underlying]!;
    const forward = shockedForward(expiry, model, factor);
    const shocked = shockedVolatility(
      model,
      volatility,
      probe.volatility,
      expiry.secondsToExpiry,
      logMoneyness,
    );
    let laterYears = years;
    let laterDiscount = discount;
    if (probe.lookAhead > 0) {
      const left = expiry.secondsToExpiry - probe.lookAhead;
      laterYears = left > 0 ? Math.max(left, minimumTenorSeconds) / YEAR_SECONDS : 0;
      laterDiscount = discountOf(expiry, model, laterYears);
    }
    const later = black76Price(kind, forward, strike, laterYears, shocked, laterDiscount);
    profits[index] = quantity * ((coin ? later / (underlying.spot * factor) : later) - value);
    forwardMoves[index] = forward - expiry.forward;
    volatilityMoves[index] = shocked - volatility;
  }
  const greeks = black76(kind, expiry.forward, strike, years, volatility, discount);
  for (const name of Object.keys(greeks) as (keyof Black76Greeks)[]) greeks[name] *= quantity;
  return {
    position,
    expiry: position.expiry,
    forward: expiry.forward,
    years,
    volatility,
    value: quantity * value,
    profits,
    forwardMoves,
    volatilityMoves,
    greeks,
    unit: coin ? 1 / underlying.spot : 1,
  };
}

function valueLinear(
  position: Exclude<Position, { kind: 'option' }>,
  underlying: UnderlyingState,
  model: MarginModel,
  plan: ProbePlan,
): ValuedPosition {
  const { quantity, kind } = position;
  const expiryIndex = expiryOf(position);
  const expiry = expiryIndex < 0 ? undefined : underlying.expiries[expiryIndex]!;
  const coin = model.numeraire === 'coin';
  const price =
    kind === 'perpetual'
      ? (underlying.perpetual?.price ?? underlying.spot)
      : kind === 'future'
        ? expiry!.forward
        : underlying.spot;
  const count = plan.probes.length;
  const profits = new Float64Array(count);
  const forwardMoves = new Float64Array(count);
  for (let index = 0; index < count; index++) {
    const probe = plan.probes[index]!;
    if (kind === 'array') {
      // Published arrays are damped already.
      const damping = probe.scenario < 0 ? 0 : model.scenarios[probe.scenario]!.damping;
      profits[index] = damping > 0 ? (quantity * position.profits[probe.scenario]!) / damping : 0;
      continue;
    }
    const spotFactor = probe.priceFactors[position.underlying]!;
    const factor = kind === 'spot' ? spotFactor : probe.linearPriceFactors[position.underlying]!;
    const shocked = expiry === undefined ? price * factor : shockedForward(expiry, model, factor);
    forwardMoves[index] = shocked - price;
    profits[index] =
      quantity *
      linearWeight(position, model, probe.scenario) *
      linearProfit(position, price, shocked, underlying.spot, factor, coin);
  }
  const unit = kind === 'spot' ? (coin ? 1 : underlying.spot) : kind === 'array' ? position.value : 0;
  return {
    position,
    expiry: expiryIndex,
    forward: price,
    years: expiry === undefined ? 0 : expiry.secondsToExpiry / YEAR_SECONDS,
    volatility: 0,
    value: quantity * unit + (kind === 'future' || kind === 'perpetual' ? position.unrealised : 0),
    profits,
    forwardMoves,
    volatilityMoves: new Float64Array(count),
    greeks: {
      price: quantity * unit,
      delta: kind === 'array' ? 0 : quantity,
      gamma: 0,
      vega: 0,
      theta: 0,
      vanna: 0,
      volga: 0,
      rho: 0,
      charm: 0,
    },
    unit: coin ? 1 / underlying.spot : 1,
  };
}

/** What takes a scenario's damping to the one that the scenario has for futures and perpetuals. */
function linearWeight(position: Position, model: MarginModel, index: number): number {
  if (index < 0 || position.kind === 'spot') return 1;
  const { damping, linearDamping } = model.scenarios[index]!;
  return linearDamping === undefined || damping === 0 ? 1 : linearDamping / damping;
}

/**
 * Profit of one unit of the underlying, long, when its price moves.
 *
 * A linear contract gains the difference in USD. An inverse contract of `F` USD pays `F (1/F - 1/F')` in coin.
 */
export function linearProfit(
  position: Exclude<Position, { kind: 'option' | 'array' }>,
  price: number,
  shocked: number,
  spot: number,
  factor: number,
  coin: boolean,
): number {
  if (position.kind === 'spot') return coin ? 0 : shocked - price;
  if (position.inverse) {
    const { profitCoin, profitUsd } = inverseValue({
      size: price,
      entry: price,
      mark: shocked,
      index: spot * factor,
    });
    return coin ? profitCoin : profitUsd;
  }
  return coin ? (shocked - price) / (spot * factor) : shocked - price;
}
