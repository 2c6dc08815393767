/**
 * Futures and perpetuals, linear and inverse, and options settled in coin.
 *
 * A linear contract is settled in USD: its profit is `size (mark - entry)`. An inverse contract has a size in
 * USD and is settled in coin: its profit is `size (1/entry - 1/mark)` coins (BitMEX, "Inverse Contracts",
 * contract specification; Deribit, "Inverse Futures", contract specification). All amounts are double
 * precision; sizes are signed, long above 0.
 */
import { requireFinite } from '../../errors.ts';
import { black76 } from './black76.ts';

const LARGEST = 1e300;

/** A linear future or perpetual: profit in USD. */
export interface LinearPosition {
  /** Coins, signed. */
  readonly size: number;
  /** Average entry price, USD per coin. */
  readonly entry: number;
  /** Mark price, USD per coin. */
  readonly mark: number;
}

/** Value of a linear position. */
export interface LinearValue {
  /** Unrealised profit, USD. */
  readonly profit: number;
  /** `∂profit/∂mark`, coins. */
  readonly delta: number;
}

/**
 * Unrealised profit and delta of a linear future or perpetual.
 *
 * @throws ZkMarginError `NOT_FINITE`, `OUT_OF_RANGE` with the name of the input: prices are above 0
 */
export function linearValue(position: LinearPosition): LinearValue {
  const size = requireFinite(position.size, -LARGEST, LARGEST, 'size');
  const entry = requirePrice(position.entry, 'entry');
  const mark = requirePrice(position.mark, 'mark');
  return { profit: size * (mark - entry), delta: size };
}

/** An inverse, coin-margined future or perpetual: size in USD, profit in coin. */
export interface InversePosition {
  /** USD, signed: the number of contracts times the USD that one stands for. */
  readonly size: number;
  /** Average entry price, USD per coin. It averages harmonically: `Σ size / Σ (size / price)`. */
  readonly entry: number;
  /** Mark price, USD per coin. */
  readonly mark: number;
  /** USD per coin at which coins are converted; the mark when absent. */
  readonly index?: number | undefined;
}

/** Value of an inverse position. */
export interface InverseValue {
  /** Unrealised profit, coins. */
  readonly profitCoin: number;
  /** Unrealised profit at the index, USD. */
  readonly profitUsd: number;
  /** `∂profitCoin/∂mark = size / mark²`, coins per USD. */
  readonly deltaCoin: number;
  /** `∂²profitCoin/∂mark² = -2 size / mark³`. */
  readonly gammaCoin: number;
  /** Size in coins, `size / mark`: what a move of the mark earns, held against a balance counted in coins. */
  readonly coinEquivalent: number;
  /**
   * `∂profitUsd/∂mark` when the index moves in proportion to the mark, in coins; `size / entry` where both
   * are equal.
   */
  readonly deltaUsd: number;
}

/**
 * Unrealised profit and sensitivities of an inverse future or perpetual.
 *
 * The coins that a long can earn are bounded by `size / entry`; those that it can lose are not.
 *
 * @throws ZkMarginError `NOT_FINITE`, `OUT_OF_RANGE` with the name of the input: prices are above 0
 */
export function inverseValue(position: InversePosition): InverseValue {
  const size = requireFinite(position.size, -LARGEST, LARGEST, 'size');
  const entry = requirePrice(position.entry, 'entry');
  const mark = requirePrice(position.mark, 'mark');
  const index = position.index === undefined ? mark : requirePrice(position.index, 'index');
  const coinEquivalent = size / mark;
  // (1/entry - 1/mark) over one denominator, so that a small move keeps its digits.
  const profitCoin = coinEquivalent * ((mark - entry) / entry);
  return {
    profitCoin,
    profitUsd: profitCoin * index,
    deltaCoin: coinEquivalent / mark,
    gammaCoin: (-2 * coinEquivalent) / mark / mark,
    coinEquivalent,
    deltaUsd: (index / mark) * (size / entry),
  };
}

/**
 * USD value of an amount of coins, as of an option's premium quoted in coin.
 *
 * @throws ZkMarginError `NOT_FINITE`, `OUT_OF_RANGE` with the name of the argument: the index is above 0
 */
export function coinToUsd(coins: number, index: number): number {
  return requireFinite(coins, -LARGEST, LARGEST, 'coins') * requirePrice(index, 'index');
}

/**
 * Coins that an amount of USD buys, as of an option's premium in USD.
 *
 * @throws ZkMarginError `NOT_FINITE`, `OUT_OF_RANGE` with the name of the argument: the index is above 0
 */
export function usdToCoin(usd: number, index: number): number {
  return requireFinite(usd, -LARGEST, LARGEST, 'usd') / requirePrice(index, 'index');
}

/** An option whose payoff in USD is paid in coin at the price of delivery. */
export interface InverseOption {
  readonly kind: 'call' | 'put';
  /** USD per coin, for the option's expiry. */
  readonly forward: number;
  /** USD per coin. */
  readonly strike: number;
  /** Time to expiry, not below 0. */
  readonly years: number;
  /** σ, per √year, not below 0. */
  readonly volatility: number;
  /** Discount factor of USD; 1 when absent, as exchanges quote. */
  readonly discount?: number | undefined;
  /** Price of the coin now, USD; the forward when absent. */
  readonly index?: number | undefined;
}

/** Value and sensitivities of one coin-settled option on one coin. */
export interface InverseOptionValue {
  readonly priceUsd: number;
  /** `priceUsd / index`: the premium as it is quoted. */
  readonly priceCoin: number;
  /** `∂priceUsd/∂forward`: the Black-76 delta. */
  readonly delta: number;
  /** `index ∂priceCoin/∂index`, the forward moving in proportion: the delta, in coins, less the premium. */
  readonly premiumAdjustedDelta: number;
  /** `∂²priceUsd/∂forward²`. */
  readonly gamma: number;
  /** `∂priceCoin/∂σ`, for a change of 1.00. */
  readonly vegaCoin: number;
}

/**
 * Value of an inverse option: a coin-settled call pays `max(0, S - K)/S` coins at expiry, which is worth as
 * much as `max(0, S - K)` USD, so its USD value is Black-76 and its coin value that over the index (Deribit,
 * "Inverse Options", contract specification; the premium-adjusted delta as in U. Wystup, "FX Options and
 * Structured Products", 2006, 1.3).
 *
 * @throws ZkMarginError `NOT_FINITE`, `OUT_OF_RANGE` with the name of the input
 */
export function inverseOptionValue(option: InverseOption): InverseOptionValue {
  const forward = requirePrice(option.forward, 'forward');
  const strike = requirePrice(option.strike, 'strike');
  const years = requireFinite(option.years, 0, LARGEST, 'years');
  const volatility = requireFinite(option.volatility, 0, LARGEST, 'volatility');
  const discount = option.discount === undefined ? 1 : requirePrice(option.discount, 'discount');
  const index = option.index === undefined ? forward : requirePrice(option.index, 'index');
  const { price, delta, gamma, vega } = black76(option.kind, forward, strike, years, volatility, discount);
  const priceCoin = price / index;
  return {
    priceUsd: price,
    priceCoin,
    delta,
    premiumAdjustedDelta: delta * (forward / index) - priceCoin,
    gamma,
    vegaCoin: vega / index,
  };
}

function requirePrice(value: number, field: string): number {
  return requireFinite(value, Number.MIN_VALUE, LARGEST, field);
}
