/**
 * A portfolio and its market after a shock: prices and volatilities that move at once, and time that passes. The margin of the
 * result is the margin that would be asked then.
 *
 * The rules are those of scenarios: spot, forwards and perpetuals move alike, and strikes keep their volatilities until these
 * are moved themselves. So a shock that says what a scenario says gives the scenario's profit.
 */
import { YEAR_SECONDS } from '../../market/words.ts';
import { computeMargin, type Margin } from './margin.ts';
import type { MarginModel } from './model.ts';
import type { Smile } from './smile.ts';
import type { ExpiryState, MarketState, Portfolio, Position, UnderlyingState } from './state.ts';
import { linearProfit, shockedForward } from './valuation.ts';

/** A move of prices and volatilities, and time. */
export interface Shock {
  readonly name: string;
  /** Relative, above -1. */
  readonly priceMove: number;
  /** Factor of every volatility, realised ones included. */
  readonly volatilityFactor: number;
  /** Added to every volatility afterwards. */
  readonly volatilityShift: number;
  /** Seconds that pass first, from 0. */
  readonly seconds: number;
  /** Which underlyings move; all unless given. Time passes for all. */
  readonly underlyings?: readonly number[];
}

/** Margin after a shock. Amounts are in the numeraire of the model. */
export interface ShockedMargin {
  readonly name: string;
  /** Change of equity. */
  readonly profit: number;
  readonly after: Margin;
}

/** Volatilities do not fall below. */
const LEAST_VOLATILITY = 1e-6;

/** Measures a shock against a portfolio's present margin. @throws ZkMarginError as `computeMargin` */
export function shockedMargin(before: Margin, shock: Shock): ShockedMargin {
  const { market, portfolio, model } = before;
  const shocked = shockedState(market, portfolio, model, shock);
  const after = computeMargin(shocked.portfolio, shocked.market, model);
  return { name: shock.name, profit: after.equity.total - before.equity.total, after };
}

/**
 * Market and portfolio after a shock. What expires meanwhile is paid in cash at the prices after the shock. Published risk arrays
 * say nothing of other moves than their scenarios: their value stays.
 */
export function shockedState(
  market: MarketState,
  portfolio: Portfolio,
  model: MarginModel,
  shock: Shock,
): { readonly market: MarketState; readonly portfolio: Portfolio } {
  const moved = market.underlyings.map((underlying, index) =>
    moveUnderlying(underlying, model, { ...shock, ...(isMoved(shock, index) ? {} : UNMOVED) }),
  );
  const coin = model.numeraire === 'coin';
  let { cash } = portfolio;
  const positions: Position[] = [];
  for (const position of portfolio.positions) {
    const { underlying: own, quantity } = position;
    const { state, places, forwards } = moved[own]!;
    const factor = isMoved(shock, own) ? 1 + shock.priceMove : 1;
    if (position.kind === 'option') {
      const place = places[position.expiry]!;
      if (place >= 0) {
        positions.push({ ...position, expiry: place });
        continue;
      }
      const over = (forwards[position.expiry]! - position.strike) * (position.isCall ? 1 : -1);
      cash += (quantity * Math.max(0, over)) / (coin ? state.spot : 1);
    } else if (position.kind === 'future' || position.kind === 'perpetual') {
      const { spot, perpetual, expiries } = market.underlyings[own]!;
      const [price, later] =
        position.kind === 'future'
          ? [expiries[position.expiry]!.forward, forwards[position.expiry]!]
          : [perpetual?.price ?? spot, (perpetual?.price ?? spot) * factor];
      const unrealised =
        position.unrealised + quantity * linearProfit(position, price, later, spot, factor, coin);
      if (position.kind === 'perpetual') positions.push({ ...position, unrealised });
      else if (places[position.expiry]! >= 0) {
        positions.push({ ...position, expiry: places[position.expiry]!, unrealised });
      } else cash += unrealised;
    } else positions.push(position);
  }
  const collateral = portfolio.collateral.map((item) => {
    // In coin, what moves with the coin keeps its value.
    if (item.offsets === undefined || coin || !isMoved(shock, item.offsets.underlying)) return item;
    return { ...item, value: item.value * (1 + item.offsets.fraction * shock.priceMove) };
  });
  return {
    market: {
      ...market,
      asOf: market.asOf + shock.seconds,
      underlyings: moved.map(({ state }) => state),
    },
    portfolio: { ...portfolio, cash, positions, collateral },
  };
}

const UNMOVED = { priceMove: 0, volatilityFactor: 1, volatilityShift: 0 } as const;

function isMoved({ underlyings }: Shock, index: number): boolean {
  return underlyings?.includes(index) ?? true;
}

function moveUnderlying(
  underlying: UnderlyingState,
  model: MarginModel,
  shock: Shock,
): {
  readonly state: UnderlyingState;
  /** New place of each expiry, -1 for one that has passed. */
  readonly places: readonly number[];
  /** Shocked forward of each. */
  readonly forwards: readonly number[];
} {
  const factor = 1 + shock.priceMove;
  const expiries: ExpiryState[] = [];
  const places: number[] = [];
  const forwards: number[] = [];
  for (const expiry of underlying.expiries) {
    const secondsToExpiry = expiry.secondsToExpiry - shock.seconds;
    const forward = factor === 1 ? expiry.forward : shockedForward(expiry, model, factor);
    forwards.push(forward);
    places.push(secondsToExpiry > 0 ? expiries.length : -1);
    if (secondsToExpiry <= 0) continue;
    const { earlier } = expiry;
    expiries.push({
      ...expiry,
      secondsToExpiry,
      forward,
      smile: moveSmile(expiry, model, shock),
      ...(earlier && { earlier: earlier.map((item) => ({ ...item, age: item.age + shock.seconds })) }),
    });
  }
  const { perpetual, spot, realisedVolatility } = underlying;
  const state: UnderlyingState = {
    ...underlying,
    spot: spot * factor,
    realisedVolatility: Math.max(0, realisedVolatility * shock.volatilityFactor + shock.volatilityShift),
    ...(perpetual && { perpetual: { ...perpetual, price: perpetual.price * factor } }),
    expiries,
  };
  return { state, places, forwards };
}

function moveSmile(
  { smile, forward, secondsToExpiry }: ExpiryState,
  model: MarginModel,
  shock: Shock,
): Smile {
  return {
    kind: 'moved',
    smile,
    forward,
    years: Math.max(secondsToExpiry, model.pricing.minimumTenorSeconds) / YEAR_SECONDS,
    factor: shock.volatilityFactor,
    shift: shock.volatilityShift,
    least: LEAST_VOLATILITY,
  };
}
