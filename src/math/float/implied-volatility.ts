/**
 * Implied volatility of Black-76 prices, to the accuracy that the price itself has.
 *
 * Follows the ideas of P. Jäckel, "Let's be rational" (Wilmott, 2015): only the time value of the
 * out-of-the-money option matters, the variable is `s = σ√T`, and the objective is chosen so that it is
 * nearly linear in s. The start and the steps differ: Halley's method within a bracket, so it converges
 * whatever the input.
 */
import { requireFinite, ZkMarginError } from '../../errors.ts';
import { logRatio, millsDifference, timeValueRatio } from './black76.ts';
import { erfcx, normalPdf } from './normal.ts';

const SQRT_HALF = Math.SQRT1_2;
const SQRT_HALF_PI = 1.2533141373155003;
const SQRT_TWO_PI = 2.5066282746310002;
const LOG_SQRT_TWO_PI = 0.9189385332046728;
/**
 * Most steps. Six were the most in a million random cases; the bound is there so that a loop cannot run on.
 */
const MAX_STEPS = 200;
/** Largest number of either sign that a forward, a strike or a price may have. */
const LARGEST = 1e300;

/** A deviation, and how it was found. */
export interface ImpliedDeviation {
  /** `s = σ√T`. */
  readonly deviation: number;
  /** Evaluations of the price that were needed. */
  readonly steps: number;
}

/**
 * The volatility, per √year, at which Black-76 gives a price.
 *
 * A price at the intrinsic value gives 0, also at `T = 0`, where any volatility would do. A price that is
 * below the intrinsic value by no more than four roundings of forward or strike, as discounting may leave it,
 * counts as the intrinsic value. The error of the result is a few units in the last place of itself, plus a
 * few units in the last place of the price divided by vega: an in-the-money price carries no more than that.
 *
 * @param price discounted, in the unit of forward and strike
 * @param years time to expiry
 * @param discount of the payment, 1 for undiscounted prices
 * @throws ZkMarginError `NO_ARBITRAGE_FREE_PRICE` (field `price`) below the intrinsic value, or at or above
 * the upper bound (the discounted forward of a call, the discounted strike of a put); `NOT_FINITE` and
 * `OUT_OF_RANGE` with the name of the argument: forward, strike and discount are above 0, time is not below 0
 */
export function impliedVolatility(
  kind: 'call' | 'put',
  price: number,
  forward: number,
  strike: number,
  years: number,
  discount = 1,
): number {
  requireFinite(price, -LARGEST, LARGEST, 'price');
  requireFinite(forward, Number.MIN_VALUE, LARGEST, 'forward');
  requireFinite(strike, Number.MIN_VALUE, LARGEST, 'strike');
  requireFinite(years, 0, LARGEST, 'years');
  requireFinite(discount, Number.MIN_VALUE, LARGEST, 'discount');
  const undiscounted = discount === 1 ? price : price / discount;
  const timeValue = timeValueOf(kind, undiscounted, forward, strike);
  const rounding = 4 * Number.EPSILON * Math.max(forward, strike);
  const intrinsic = Math.max(0, kind === 'call' ? forward - strike : strike - forward);
  if (price < 0 || (timeValue < 0 && !(intrinsic > 0 && timeValue >= -rounding))) {
    throw new ZkMarginError(
      'NO_ARBITRAGE_FREE_PRICE',
      `Give a price of at least the discounted intrinsic value, ${discount * intrinsic}.`,
      { field: 'price', details: { price, lowest: discount * intrinsic } },
    );
  }
  if (timeValue <= 0) return 0;
  const bound = kind === 'call' ? forward : strike;
  const room = bound - undiscounted;
  // At T = 0 the intrinsic value is the only price.
  if (!(room > 0) || years === 0) {
    const highest = discount * (years === 0 ? intrinsic : bound);
    throw new ZkMarginError(
      'NO_ARBITRAGE_FREE_PRICE',
      years === 0
        ? `Give the intrinsic value, ${highest}, as the price of an expired option.`
        : `Give a price below ${highest}: the discounted ${kind === 'call' ? 'forward' : 'strike'} bounds it.`,
      { field: 'price', details: { price, highest } },
    );
  }
  const x = -Math.abs(logRatio(forward, strike));
  return impliedDeviation(x, timeValue, room, Math.min(forward, strike)).deviation / Math.sqrt(years);
}

/** Price less intrinsic value, as if in exact arithmetic and then rounded. */
function timeValueOf(kind: 'call' | 'put', price: number, forward: number, strike: number): number {
  const [above, below] = kind === 'call' ? [forward, strike] : [strike, forward];
  if (above <= below) return price;
  // The rounding error of a difference is itself a double (Knuth's two-sum).
  const difference = above - below;
  const part = difference - above;
  const rest = above - (difference - part) - (below + part);
  return price - difference - rest;
}

/**
 * The deviation `s = σ√T` at which the out-of-the-money option is worth `timeValue`.
 *
 * With `b(s)` the value over its bound, within `(0, 1)`, and `s_c = √(2|x|)` the inflection point of b, the
 * root is found of
 * - `1/√(-ln b)` up to `b(s_c)`, nearly linear since `ln b ~ -x²/2s²`;
 * - `b` itself between there and one half, where it is concave;
 * - `√(-ln(1-b))` above one half, nearly linear since `ln(1-b) ~ -s²/8`.
 *
 * @param x `-|ln(F/K)|`
 * @param timeValue above 0
 * @param room what is missing to the upper bound, above 0: given apart since it may be known to more digits
 * @param bound `min(F,K)`
 */
export function impliedDeviation(
  x: number,
  timeValue: number,
  room: number,
  bound: number,
): ImpliedDeviation {
  const target = timeValue / bound;
  const targetRoom = room / bound;
  // For logarithms of targets too small to be a double.
  const logTarget = target > 1e-290 ? Math.log(target) : Math.log(timeValue) - Math.log(bound);
  const inflection = Math.sqrt(-2 * x);
  const lower = x < 0 && target < timeValueRatio(x, inflection);
  const upper = !lower && target > 0.5;
  const logRoom = Math.log(targetRoom);

  let low = 0;
  let high = lower ? inflection : Number.POSITIVE_INFINITY;
  let deviation = lower
    ? firstGuessBelow(x, logTarget, inflection)
    : upper
      ? Math.max(inflection, Math.sqrt(-8 * logRoom))
      : Math.max(inflection, SQRT_TWO_PI * target);
  if (!lower) low = 0.5 * Math.min(inflection, deviation);
  let steps = 0;
  for (; steps < MAX_STEPS; ) {
    steps++;
    const h = x / deviation;
    const t = 0.5 * deviation;
    const d1 = h + t;
    const density = Math.exp(-0.5 * d1 * d1) / SQRT_TWO_PI;
    // b''/b', the same for all objectives.
    const curvature = (h * h - t * t) / deviation;
    let newton: number;
    let bend: number;
    let tooLow: boolean;
    if (upper) {
      // (1 - b)/n(d1) = Y(-d1) + Y(d2), both positive.
      const ratio = SQRT_HALF_PI * (erfcx(d1 * SQRT_HALF) + erfcx((t - h) * SQRT_HALF));
      const current = Math.log(ratio) - LOG_SQRT_TWO_PI - 0.5 * d1 * d1;
      const missing = density > 1e-290 ? Math.log((density * ratio) / targetRoom) : current - logRoom;
      const slope = 1 / ratio;
      const root = Math.sqrt(-current);
      tooLow = missing > 0;
      newton = (2 * root * missing) / ((root + Math.sqrt(-logRoom)) * slope);
      bend = curvature + slope + slope / (2 * current);
    } else if (lower) {
      const ratio = millsDifference(h, t);
      const current = Math.log(ratio) - LOG_SQRT_TWO_PI - 0.5 * d1 * d1;
      const excess =
        density > 1e-290 && target > 1e-290 ? Math.log((density * ratio) / target) : current - logTarget;
      const slope = 1 / ratio;
      const root = Math.sqrt(-current);
      const targetRoot = Math.sqrt(-logTarget);
      tooLow = excess < 0;
      newton = (2 * current * excess) / (targetRoot * (root + targetRoot) * slope);
      bend = curvature - slope - (1.5 * slope) / current;
    } else {
      const excess = timeValueRatio(x, deviation) - target;
      tooLow = excess < 0;
      newton = -excess / density;
      bend = curvature;
    }
    if (tooLow) low = Math.max(low, deviation);
    else high = Math.min(high, deviation);
    const step = newton / Math.max(0.5, 1 + 0.5 * newton * bend);
    let next = deviation + step;
    // The step is cubic in its error: one this small leaves nothing to correct.
    if (Math.abs(step) <= 1e-6 * deviation && next > 0) {
      deviation = next;
      break;
    }
    if (!(next > low && next < high)) {
      next =
        high === Number.POSITIVE_INFINITY
          ? 2 * deviation
          : low > 0
            ? Math.sqrt(low) * Math.sqrt(high)
            : 0.5 * high;
      if (next <= low || next >= high) break;
    }
    deviation = next;
  }
  return { deviation, steps };
}

/**
 * A start below the inflection point: the larger of the leading terms for a small s, `ln b ~ -x²/2s²`, and
 * for an option nearly at the money, `b ~ s/√2π`.
 */
function firstGuessBelow(x: number, logTarget: number, inflection: number): number {
  const far = -x / Math.sqrt(-2 * logTarget);
  const near = SQRT_TWO_PI * Math.exp(logTarget);
  return Math.min(Math.max(far, near), inflection);
}

/**
 * Normalised Black value `b(x, s) = e^{x/2} N(x/s + s/2) - e^{-x/2} N(x/s - s/2)` of a call, and its mirror
 * image of a put (Jäckel 2015, eq. 2.1): the undiscounted price over `√(FK)`, with `x = ln(F/K)` and `s =
 * σ√T`.
 *
 * @param deviation s, not below 0
 */
export function normalisedBlack(kind: 'call' | 'put', x: number, deviation: number): number {
  const isInTheMoney = kind === 'call' ? x > 0 : x < 0;
  const intrinsic = isInTheMoney ? 2 * Math.sinh(0.5 * Math.abs(x)) : 0;
  if (!(deviation > 0)) return Number.isNaN(deviation) ? Number.NaN : intrinsic;
  return intrinsic + Math.exp(-0.5 * Math.abs(x)) * timeValueRatio(-Math.abs(x), deviation);
}

/** Derivative of {@link normalisedBlack} by s (Jäckel 2015, eq. 2.9); at `s = 0` its limit. */
export function normalisedVega(x: number, deviation: number): number {
  if (deviation === 0) return x === 0 ? normalPdf(0) : 0;
  const h = x / deviation;
  const t = 0.5 * deviation;
  return normalPdf(Math.sqrt(h * h + t * t));
}
