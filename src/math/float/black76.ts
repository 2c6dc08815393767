/**
 * Black-76: European options on a forward, in double precision.
 *
 *     call = D (F N(d1) - K N(d2)),  put = D (K N(-d2) - F N(-d1)),  d1 = ln(F/K)/s + s/2,  d2 = d1 - s,  s = σ√T
 *
 * (F. Black, "The pricing of commodity contracts", 1976; Greeks as in E. G. Haug, "The Complete Guide to
 * Option Pricing Formulas", 2007, chapter 2.) Prices are in the unit of F and K, time is in years, volatility
 * is per √year.
 */
import { erfcx, normalCdf, normalCdfFrom } from './normal.ts';

const INVERSE_SQRT_TWO_PI = 0.3989422804014327;
const SQRT_HALF = Math.SQRT1_2;
const SQRT_HALF_PI = 1.2533141373155003;

/** Price and sensitivities of one option. */
export interface Black76Greeks {
  price: number;
  /** `∂V/∂F`, discounted. */
  delta: number;
  /** `∂²V/∂F²`. */
  gamma: number;
  /** `∂V/∂σ`, for a change of 1.00 in volatility. */
  vega: number;
  /** Change of value per year of calendar time, forward and rate unchanged: `-∂V/∂T`. */
  theta: number;
  /** `∂²V/∂F∂σ`. */
  vanna: number;
  /** `∂²V/∂σ²`. */
  volga: number;
  /** `∂V/∂r` with `D = exp(-rT)` and the forward unchanged, for a change of 1.00. */
  rho: number;
  /** `-∂delta/∂T`: change of delta per year of calendar time. */
  charm: number;
}

/** Number of values that {@link black76Into} writes, in the order of {@link Black76Greeks}. */
export const GREEK_COUNT = 9;
/**
 * Price with full relative accuracy, deep out-of-the-money options included.
 *
 * The out-of-the-money side is priced as `min(F,K) n(h+t) (Y(h+t) - Y(h-t))` with `Y = N/n` by the scaled
 * error function, `h = -|ln(F/K)|/s`, `t = s/2` (P. Jäckel, "Let's be rational", 2015), so nothing cancels;
 * the other side adds the intrinsic value. For `s -> 0` it is the discounted intrinsic value.
 */
export function black76Price(
  kind: 'call' | 'put',
  forward: number,
  strike: number,
  years: number,
  volatility: number,
  discount = 1,
): number {
  const intrinsic = Math.max(0, kind === 'call' ? forward - strike : strike - forward);
  const deviation = volatility * Math.sqrt(Math.max(0, years));
  if (!(deviation > 0) || forward <= 0 || strike <= 0) {
    return Number.isNaN(deviation) ? Number.NaN : discount * intrinsic;
  }
  return discount * (intrinsic + outOfTheMoney(forward, strike, deviation));
}

/** Undiscounted value of whichever of call and put is out of the money. */
function outOfTheMoney(forward: number, strike: number, deviation: number): number {
  return Math.min(forward, strike) * timeValueRatio(-Math.abs(logRatio(forward, strike)), deviation);
}

/** `ln(F/K)` of two positive numbers; keeps its relative accuracy where they are nearly equal. */
export function logRatio(forward: number, strike: number): number {
  const ratio = forward / strike;
  // The difference of two numbers within a factor of two is exact (Sterbenz).
  if (ratio > 0.5 && ratio < 2) return Math.log1p((forward - strike) / strike);
  return ratio > 1e-300 && ratio < 1e300 ? Math.log(ratio) : Math.log(forward) - Math.log(strike);
}

/**
 * Undiscounted value of the out-of-the-money option as a part of its upper bound, `min(F,K)`: within `[0,
 * 1]`.
 *
 * With `h = x/s`, `t = s/2` it is `N(h+t) - n(h+t) Y(h-t)`, where `Y = N/n` comes from the scaled error
 * function, so a relative error stays near `(1 + h²) 2e-16`.
 *
 * @param x `-|ln(F/K)|`, not above 0
 * @param deviation `s = σ√T`, above 0
 */
export function timeValueRatio(x: number, deviation: number): number {
  const h = x / deviation;
  const t = 0.5 * deviation;
  const d1 = h + t;
  if (d1 > 0 && t >= SERIES_BELOW) {
    return normalCdf(d1) - Math.exp(-0.5 * d1 * d1) * 0.5 * erfcx((t - h) * SQRT_HALF);
  }
  const exponential = Math.exp(-0.5 * d1 * d1);
  return exponential === 0 ? 0 : INVERSE_SQRT_TWO_PI * exponential * millsDifference(h, t);
}

/** Below this `t` the difference of two Mills ratios is summed as a series, above it nothing much cancels. */
const SERIES_BELOW = 0.25;

/**
 * `Y(h+t) - Y(h-t)` with `Y = N/n`, for `h <= 0 < t`.
 *
 * For `|h t| < 1/2` and small t by the odd Taylor terms, as `Y' = 1 + hY` and `Y⁽ⁿ⁺¹⁾ = hY⁽ⁿ⁾ + nY⁽ⁿ⁻¹⁾`; far
 * out by the asymptotic series of Y, whose difference has a closed form; else by the scaled error function.
 */
export function millsDifference(h: number, t: number): number {
  const near = -(h + t);
  const far = t - h;
  if (near > 1000) {
    const product = near * far;
    return ((2 * t) / product) * (1 - (near / far + 1 + far / near) / product);
  }
  if (t >= SERIES_BELOW || -h * t >= 0.5) {
    return SQRT_HALF_PI * (erfcx(near * SQRT_HALF) - erfcx(far * SQRT_HALF));
  }
  let even = SQRT_HALF_PI * erfcx(-h * SQRT_HALF);
  let odd = 1 + h * even;
  let power = 2 * t;
  let sum = power * odd;
  for (let order = 1; order < 40; order += 2) {
    even = h * odd + order * even;
    odd = h * even + (order + 1) * odd;
    power *= (t * t) / ((order + 1) * (order + 2));
    const term = power * odd;
    sum += term;
    if (Math.abs(term) <= 1e-17 * Math.abs(sum)) break;
  }
  return sum;
}

/**
 * Price and all sensitivities.
 *
 * At `σ√T = 0` they are those of the discounted intrinsic value, with a delta of one half at the money. There
 * vega and vanna have finite limits as σ falls to 0, which are given; gamma has none, and is given as 0.
 */
export function black76(
  kind: 'call' | 'put',
  forward: number,
  strike: number,
  years: number,
  volatility: number,
  discount = 1,
): Black76Greeks {
  const out = new Float64Array(GREEK_COUNT);
  black76Into(out, 0, kind === 'call', forward, strike, years, volatility, discount);
  return {
    price: black76Price(kind, forward, strike, years, volatility, discount),
    delta: out[1]!,
    gamma: out[2]!,
    vega: out[3]!,
    theta: out[4]!,
    vanna: out[5]!,
    volga: out[6]!,
    rho: out[7]!,
    charm: out[8]!,
  };
}

/**
 * Writes price and sensitivities to `out[offset .. offset + 8]`, in the order of {@link Black76Greeks}. No
 * allocation; one exponential, since `F n(d1) = K n(d2)`. The price has an absolute error near 1e-15 F; use
 * {@link black76Price} where the relative error of a tiny price matters.
 */
export function black76Into(
  out: Float64Array,
  offset: number,
  isCall: boolean,
  forward: number,
  strike: number,
  years: number,
  volatility: number,
  discount: number,
): void {
  const rate = years > 0 && discount !== 1 ? -Math.log(discount) / years : 0;
  const root = Math.sqrt(Math.max(years, 0));
  const deviation = volatility * root;
  const d1 = Math.log(forward / strike) / deviation + 0.5 * deviation;
  if (!(deviation > 0) || !(forward > 0) || !(strike > 0) || !Number.isFinite(d1)) {
    const broken = Number.isNaN(deviation) || Number.isNaN(forward) || Number.isNaN(strike);
    const side = forward > strike ? 1 : forward < strike ? 0 : 0.5;
    const delta = isCall ? side : side - 1;
    const intrinsic = Math.max(0, isCall ? forward - strike : strike - forward);
    const price = broken ? Number.NaN : discount * intrinsic;
    out[offset] = price;
    out[offset + 1] = broken ? Number.NaN : discount * delta;
    const atTheMoney = forward === strike && deviation === 0 ? discount * INVERSE_SQRT_TWO_PI * root : 0;
    out[offset + 2] = 0;
    out[offset + 3] = forward * atTheMoney;
    out[offset + 4] = rate * price;
    out[offset + 5] = 0.5 * atTheMoney;
    out[offset + 6] = 0;
    out[offset + 7] = years > 0 ? -years * price : 0;
    out[offset + 8] = rate * discount * delta;
    return;
  }
  const d2 = d1 - deviation;
  const exponential1 = Math.exp(-0.5 * d1 * d1);
  const shared = exponential1 * (forward / strike);
  // Beyond |d1| = 37 the shared exponential loses its digits to underflow; compute the second one afresh.
  const exponential2 = d1 < 37 && d1 > -37 ? shared : Math.exp(-0.5 * d2 * d2);
  const cdf1 = normalCdfFrom(d1, exponential1);
  const cdf2 = normalCdfFrom(d2, exponential2);
  const density = INVERSE_SQRT_TWO_PI * exponential1;
  const discountedDensity = discount * density;
  const call = discount * (forward * cdf1 - strike * cdf2);
  const price = isCall ? Math.max(call, 0) : putOf(call, forward, strike, discount, d1, d2, cdf1, cdf2);
  const delta = discount * (isCall ? cdf1 : cdf1 - 1);
  const gamma = discountedDensity / (forward * deviation);
  const vega = discountedDensity * forward * root;
  out[offset] = price;
  out[offset + 1] = delta;
  out[offset + 2] = gamma;
  out[offset + 3] = vega;
  out[offset + 4] = rate * price - (0.5 * vega * volatility) / years;
  out[offset + 5] = (-discountedDensity * d2) / volatility;
  out[offset + 6] = (vega * d1 * d2) / volatility;
  out[offset + 7] = -years * price;
  // -∂(D N(d1))/∂T = r D N(d1) - D n(d1) ∂d1/∂T, and ∂d1/∂T = -d2 / 2T.
  out[offset + 8] = rate * delta + (0.5 * discountedDensity * d2) / years;
}

function putOf(
  call: number,
  forward: number,
  strike: number,
  discount: number,
  d1: number,
  d2: number,
  cdf1: number,
  cdf2: number,
): number {
  // The direct form keeps the digits of an out-of-the-money put, parity those of one in the money.
  const put =
    d1 > 0 && d2 > 0
      ? discount * (strike * (1 - cdf2) - forward * (1 - cdf1))
      : call - discount * (forward - strike);
  return Math.max(put, 0);
}

/**
 * Undiscounted call, for hot loops: `logMoneyness = ln(F/K)` and `deviation = σ√T > 0` are given. No
 * allocation; absolute error near 1e-15 F.
 */
export function undiscountedCall(
  forward: number,
  strike: number,
  logMoneyness: number,
  deviation: number,
): number {
  const d1 = logMoneyness / deviation + 0.5 * deviation;
  const d2 = d1 - deviation;
  const exponential1 = Math.exp(-0.5 * d1 * d1);
  const exponential2 = d1 < 37 && d1 > -37 ? exponential1 * (forward / strike) : Math.exp(-0.5 * d2 * d2);
  return forward * normalCdfFrom(d1, exponential1) - strike * normalCdfFrom(d2, exponential2);
}
