/**
 * Black-76: European options on a forward, in double precision.
 *
 *     call = D (F N(d1) - K N(d2)),  put = D (K N(-d2) - F N(-d1)),  d1 = ln(F/K)/s + s/2,  d2 = d1 - s,  s = σ√T
 *
 * (F. Black, "The pricing of commodity contracts", 1976; Greeks as in E. G. Haug, "The Complete Guide to Option Pricing
 * Formulas", 2007, chapter 2.) Prices are in the unit of F and K, time is in years, volatility is per √year.
 */
import { erfcx, normalCdfFrom } from './normal.ts';

const INVERSE_SQRT_TWO_PI = 0.3989422804014327;
const SQRT_HALF = Math.SQRT1_2;

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
/** Names of the values that {@link black76Into} writes. */
export const GREEK_NAMES = [
  'price',
  'delta',
  'gamma',
  'vega',
  'theta',
  'vanna',
  'volga',
  'rho',
  'charm',
] as const satisfies readonly (keyof Black76Greeks)[];

/**
 * Price with full relative accuracy, deep out-of-the-money options included.
 *
 * The out-of-the-money side is priced as `√(FK) φ(h,t) (Y(h+t) - Y(h-t))` with `Y = N/n` by the scaled error function,
 * `h = -|ln(F/K)|/s`, `t = s/2` (P. Jäckel, "Let's be rational", 2015), so nothing cancels; the other side adds the
 * intrinsic value. For `s -> 0` it is the discounted intrinsic value.
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
  const x = -Math.abs(Math.log(forward / strike));
  const h = x / deviation;
  const t = 0.5 * deviation;
  if (t > 19) return Math.min(forward, strike);
  const exponential = Math.exp(-0.5 * (h * h + t * t));
  if (exponential === 0) return 0;
  const scale = Math.sqrt(forward) * Math.sqrt(strike) * exponential;
  if (t < 0.03 && t * Math.abs(h) < 0.5) {
    // Y(h+t) - Y(h-t) by its odd Taylor terms; Y' = 1 + hY, Y'' = hY' + Y, and so on.
    const y0 = 0.5 * erfcx(-h * SQRT_HALF) * 2.5066282746310002;
    const y1 = 1 + h * y0;
    const y2 = h * y1 + y0;
    const y3 = h * y2 + 2 * y1;
    const y4 = h * y3 + 3 * y2;
    const y5 = h * y4 + 4 * y3;
    const y6 = h * y5 + 5 * y4;
    const y7 = h * y6 + 6 * y5;
    const square = t * t;
    const series = y1 + (square / 6) * (y3 + (square / 20) * (y5 + (square / 42) * y7));
    return scale * INVERSE_SQRT_TWO_PI * 2 * t * series;
  }
  return 0.5 * scale * (erfcx(-(h + t) * SQRT_HALF) - erfcx(-(h - t) * SQRT_HALF));
}

/**
 * Price and all sensitivities.
 *
 * At `σ√T = 0` they are those of the discounted intrinsic value, with a delta of one half at the money.
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
 * Writes price and sensitivities to `out[offset .. offset + 8]`, in the order of {@link GREEK_NAMES}. No allocation; one
 * exponential, since `F n(d1) = K n(d2)`. The price has an absolute error near 1e-15 F; use {@link black76Price} where
 * the relative error of a tiny price matters.
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
  if (!(deviation > 0) || !(forward > 0) || !(strike > 0)) {
    const broken = Number.isNaN(deviation) || Number.isNaN(forward) || Number.isNaN(strike);
    const side = forward > strike ? 1 : forward < strike ? 0 : 0.5;
    const delta = isCall ? side : side - 1;
    const intrinsic = Math.max(0, isCall ? forward - strike : strike - forward);
    const price = broken ? Number.NaN : discount * intrinsic;
    out[offset] = price;
    out[offset + 1] = broken ? Number.NaN : discount * delta;
    out[offset + 2] = 0;
    out[offset + 3] = 0;
    out[offset + 4] = rate * price;
    out[offset + 5] = 0;
    out[offset + 6] = 0;
    out[offset + 7] = years > 0 ? -years * price : 0;
    out[offset + 8] = rate * discount * delta;
    return;
  }
  const d1 = Math.log(forward / strike) / deviation + 0.5 * deviation;
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
 * Undiscounted call, for hot loops: `logMoneyness = ln(F/K)` and `deviation = σ√T > 0` are given. No allocation;
 * absolute error near 1e-15 F.
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
