/**
 * The generalised Black-Scholes model: European options on a spot that is carried at a rate b, in double
 * precision.
 *
 *     call = e^{(b-r)T} S N(d1) - e^{-rT} K N(d2),  d1 = (ln(S/K) + bT)/s + s/2,  d2 = d1 - s,  s = σ√T
 *
 * `b = r` is Black-Scholes (1973), `b = r - q` Merton (1973) with a yield q, `b = 0` Black (1976) on a
 * forward, and `b = r - r_f` Garman-Kohlhagen (1983). Formulas: E. G. Haug, "The Complete Guide to Option
 * Pricing Formulas", 2nd edition, 2007, chapters 1.1.6 and 2. Tails use a distribution function of full
 * relative accuracy, so that the sensitivities of far out-of-the-money options have their digits.
 */
import { requireFinite, ZkMarginError } from '../../errors.ts';
import { black76Price, logRatio } from './black76.ts';
import { normalCdf, normalPdf } from './normal.ts';

/**
 * Inputs of the model. Amounts are in one unit of money, time is in years, rates are continuous and per year.
 */
export interface GeneralisedOption {
  readonly kind: 'call' | 'put';
  /** Within {@link AMOUNT_BOUNDS}. */
  readonly spot: number;
  /** Within {@link AMOUNT_BOUNDS}. */
  readonly strike: number;
  /** Not below 0. */
  readonly years: number;
  /** Interest rate r, of discounting. */
  readonly rate: number;
  /** Cost of carry b, the growth rate of the forward. */
  readonly carry: number;
  /** σ, per √year, not below 0. */
  readonly volatility: number;
  /** Discount factor; `exp(-rT)` when absent. Give it where a factor is known better than a rate. */
  readonly discount?: number | undefined;
  /**
   * What a change of the interest rate keeps. `yield` (the default): b - r, so the forward moves with the
   * rate. `carry`: b, so the forward stays, as for options on futures (Haug 2007, 2.6.1).
   */
  readonly rhoKeeps?: 'yield' | 'carry' | undefined;
}

/**
 * Price and sensitivities to the spot. Times are calendar time: a positive theta means that value grows as
 * days pass.
 */
export interface GeneralisedGreeks {
  price: number;
  /** `∂V/∂S`. */
  delta: number;
  /** `∂²V/∂S²`. */
  gamma: number;
  /** `∂V/∂σ`, for a change of 1.00. */
  vega: number;
  /** `-∂V/∂T`, per year. */
  theta: number;
  /** `∂V/∂r`, for a change of 1.00; see {@link GeneralisedOption.rhoKeeps}. */
  rho: number;
  /** `∂²V/∂S∂σ`. */
  vanna: number;
  /** `∂²V/∂σ²`, also called vomma. */
  volga: number;
  /** `-∂delta/∂T`, per year. */
  charm: number;
  /**
   * `delta S / V`, also called lambda: relative change of value for one of the spot. NaN where the value is
   * 0.
   */
  elasticity: number;
  /**
   * Decay of time value alone, `-S n(d1) σ / 2√T` per year, without the factor `e^{(b-r)T}` (Haug 2007,
   * 2.5.1).
   */
  driftlessTheta: number;
  /** `∂V/∂q` at unchanged r, also called phi or rho-2. */
  dividendRho: number;
  /** `∂V/∂b` at unchanged r. */
  carryRho: number;
  /** `∂V/∂K`, also called dual delta. */
  strikeDelta: number;
  /** `∂²V/∂K²`, also called dual gamma: the discounted risk-neutral density at the strike. */
  strikeGamma: number;
  /** `∂V/∂F`, discounted. */
  forwardDelta: number;
  /** Risk-neutral probability of ending in the money, `N(±d2)`. */
  inTheMoneyProbability: number;
  /** `∂³V/∂S³`. */
  speed: number;
  /** `∂gamma/∂σ`. */
  zomma: number;
  /** `-∂gamma/∂T`, per year. */
  color: number;
  /** `-∂vega/∂T`, per year. */
  veta: number;
  /** `∂³V/∂σ³`. */
  ultima: number;
}

/** Largest absolute exponent of growth or discounting, `|bT|` and `|rT|`. */
export const LARGEST_EXPONENT = 200;
/** Bounds of spot and strike, so that no forward overflows. */
export const AMOUNT_BOUNDS = [1e-100, 1e100] as const;

/**
 * Price and sensitivities of an option.
 *
 * Limits: at `σ√T = 0` they are those of the discounted intrinsic value, whose slope at the strike is taken
 * as one half of the forward's. Of the densities at the strike, vega and vanna have finite limits as σ falls
 * to 0 and are given; gamma, speed, zomma, color, strike gamma, and the decay of time value at expiry have
 * none there and are 0. A figure too large for a double is infinite, which takes an expiry within 1e-100
 * years; none but the elasticity is ever NaN.
 *
 * @throws ZkMarginError `NOT_FINITE` and `OUT_OF_RANGE`, with the name of the input as field; `OUT_OF_RANGE`
 * too for `|rT|` or `|bT|` above {@link LARGEST_EXPONENT}
 */
export function generalisedBlackScholes(option: GeneralisedOption): GeneralisedGreeks {
  const spot = requireFinite(option.spot, ...AMOUNT_BOUNDS, 'spot');
  const strike = requireFinite(option.strike, ...AMOUNT_BOUNDS, 'strike');
  const years = requireFinite(option.years, 0, 1e300, 'years');
  const rate = requireFinite(option.rate, -1e300, 1e300, 'rate');
  const carry = requireFinite(option.carry, -1e300, 1e300, 'carry');
  const volatility = requireFinite(option.volatility, 0, 1e300, 'volatility');
  requireExponent(rate, years, 'rate');
  requireExponent(carry, years, 'carry');
  const discount =
    option.discount === undefined
      ? Math.exp(-rate * years)
      : requireFinite(option.discount, ...AMOUNT_BOUNDS, 'discount');

  const isCall = option.kind === 'call';
  const sign = isCall ? 1 : -1;
  const growth = Math.exp(carry * years);
  const forward = spot * growth;
  // ∂(discounted forward)/∂S.
  const yieldFactor = discount * growth;
  const root = Math.sqrt(years);
  const deviation = volatility * root;
  const x = logRatio(spot, strike) + carry * years;
  const price = black76Price(option.kind, forward, strike, years, volatility, discount);

  let d1 = x / deviation + 0.5 * deviation;
  let d2 = x / deviation - 0.5 * deviation;
  const isLimit = !(deviation > 0) || !Number.isFinite(d1) || !Number.isFinite(d2);
  if (isLimit) {
    d1 = x > 0 ? Number.POSITIVE_INFINITY : x < 0 ? Number.NEGATIVE_INFINITY : 0;
    d2 = d1;
  }
  const cdf1 = normalCdf(sign * d1);
  const cdf2 = normalCdf(sign * d2);
  const density = normalPdf(d1);
  const delta = sign * yieldFactor * cdf1;
  const strikeDelta = -sign * discount * cdf2;
  const spotPart = spot * delta;
  const strikePart = strike * strikeDelta;
  const carryRho = years * spotPart;
  const greeks: GeneralisedGreeks = {
    price,
    delta,
    gamma: 0,
    vega: 0,
    theta: (rate - carry) * spotPart + rate * strikePart,
    rho: option.rhoKeeps === 'carry' ? -years * price : -years * strikePart,
    vanna: 0,
    volga: 0,
    charm: (rate - carry) * delta,
    elasticity: spotPart / price,
    driftlessTheta: 0,
    dividendRho: -carryRho,
    carryRho,
    strikeDelta,
    strikeGamma: 0,
    forwardDelta: sign * discount * cdf1,
    inTheMoneyProbability: cdf2,
    speed: 0,
    zomma: 0,
    color: 0,
    veta: 0,
    ultima: 0,
  };
  if (isLimit) {
    if (d1 === 0) {
      greeks.vega = yieldFactor * spot * density * root;
      greeks.vanna = 0.5 * yieldFactor * density * root;
    }
    return greeks;
  }
  // All further terms have the density as a factor; where it is 0, what it multiplies may overflow.
  if (density === 0) return greeks;
  const scaled = yieldFactor * density;
  const product = d1 * d2;
  const driftOfD1 = carry / deviation - d2 / (2 * years);
  const gamma = scaled / spot / deviation;
  const vega = scaled * spot * root;
  greeks.gamma = gamma;
  greeks.vega = vega;
  greeks.driftlessTheta = (-spot * density * volatility) / (2 * root);
  greeks.theta += yieldFactor * greeks.driftlessTheta;
  greeks.vanna = (-scaled * d2) / volatility;
  greeks.volga = (vega * product) / volatility;
  greeks.charm -= scaled * driftOfD1;
  greeks.strikeGamma = (discount * normalPdf(d2)) / strike / deviation;
  greeks.speed = (-gamma * (1 + d1 / deviation)) / spot;
  greeks.zomma = (gamma * (product - 1)) / volatility;
  greeks.color = gamma * (rate - carry + (d1 * carry) / deviation + (1 - product) / (2 * years));
  greeks.veta = vega * (rate - carry + (d1 * carry) / deviation - (1 + product) / (2 * years));
  greeks.ultima = (vega * (product * (product - 1) - d1 * d1 - d2 * d2)) / volatility / volatility;
  return greeks;
}

/**
 * Refuses rates that would make a forward or a discount factor overflow.
 *
 * @throws ZkMarginError `OUT_OF_RANGE` with the field
 */
export function requireExponent(rate: number, years: number, field: string): void {
  if (Math.abs(rate * years) > LARGEST_EXPONENT) {
    throw new ZkMarginError('OUT_OF_RANGE', `Keep ${field} times years within ±${LARGEST_EXPONENT}.`, {
      field,
      details: { value: rate, years },
    });
  }
}
