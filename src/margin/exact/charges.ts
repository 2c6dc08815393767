/**
 * The charges beside scan risk and short options: horizon, basis, interest, gamma and vega. `docs/margin-model.md`, section 7.6
 * (rounded down, for insolvency) and 7.7 (rounded up, for solvency).
 */

import { EXPIRY_COUNT, type UnderlyingState } from '../../market/words.ts';
import { horizonFactorOf, type RiskParameters } from '../parameters.ts';
import { type ExactExpiryRisk, exactExpiryRisk } from './expiry.ts';

/** Sums over an account's options of one expiry. */
export interface ExactExpirySums {
  readonly risk: ExactExpiryRisk;
  /** Forward part of the mark: the delta in USD, 1e-12 USD at 2^-119. */
  readonly forwardValue: bigint;
  /** The mark, likewise. */
  readonly markValue: bigint;
  /** Vega times vol: `sum of q D F n(d1) s`, 1e-12 USD at 2^-124. */
  readonly vegaValue: bigint;
}

/** The sums that charges are made of. */
export interface ExactChargeSums {
  readonly expiries: readonly ExactExpirySums[];
  /** Delta in USD of everything, linear legs too, 1e-12 USD at 2^-119. */
  readonly deltaValue: bigint;
  /** Gamma in USD times four price steps: `sum of q D F n(d1) stepSlope`, 1e-12 USD at 2^-121. */
  readonly gammaValue: bigint;
}

/** Charges for a scale of 2^-40, 1e-12 USD at 2^-36. */
export interface ExactCharges {
  /** Horizon, basis and interest, rounded once. */
  readonly linear: bigint;
  readonly gamma: bigint;
  readonly vega: bigint;
}

/** `round(ln 2 * 2^27)`. */
const LN2_27 = 93_032_640n;

/** What a unit of {@link ExactChargeSums.gammaValue} costs, 2^-36: `rate 2 sigma^2 horizon / ln(four steps)`, rounded down. */
export function gammaCost(underlying: UnderlyingState, parameters: RiskParameters): bigint {
  const root = BigInt(horizonFactorOf(parameters.horizonSeconds));
  const variance = underlying.realisedVolatility * underlying.realisedVolatility * root * root;
  return (BigInt(parameters.gammaRate) * variance) / (LN2_27 * BigInt(4 * parameters.priceStep));
}

/** One deviation of the price over the horizon, 2^-36. */
export function horizonRate(underlying: UnderlyingState, parameters: RiskParameters): bigint {
  return underlying.realisedVolatility * BigInt(horizonFactorOf(parameters.horizonSeconds));
}

/** What an expiry's vega costs, 2^-22: where it is short vols rise, where it is long they fall. */
function vegaRateOf({ risk, vegaValue }: ExactExpirySums): bigint {
  return vegaValue < 0n ? risk.vegaRateUp : risk.vegaRateDown;
}

const size = (value: bigint): bigint => (value < 0n ? -value : value);

/** Charges rounded down: what an insolvency proof shows at most. */
export interface ExactChargesDown {
  /** Delta of the legs times {@link horizonRate}, signed: the account's collateral decides which sign is claimed. 1e-12 USD at 2^-155. */
  readonly horizonValue: bigint;
  /** Basis and interest of all expiries, likewise; to be rounded with the horizon. */
  readonly expiryValue: bigint;
  /** 1e-12 USD at 2^-36, for a scale of 2^-40, as the others. */
  readonly basis: bigint;
  readonly interest: bigint;
  readonly gamma: bigint;
  readonly vega: bigint;
}

/** Rounded down: what an insolvency proof shows at most. */
export function chargesDown(
  sums: ExactChargeSums,
  underlying: UnderlyingState,
  parameters: RiskParameters,
): ExactChargesDown {
  let basis = 0n;
  let interest = 0n;
  let vega = 0n;
  for (const expiry of sums.expiries) {
    basis += expiry.risk.basisRate * size(expiry.forwardValue);
    interest += expiry.risk.interestRate * size(expiry.markValue);
    vega += vegaRateOf(expiry) * size(expiry.vegaValue);
  }
  const { gammaValue } = sums;
  return {
    horizonValue: horizonRate(underlying, parameters) * sums.deltaValue,
    expiryValue: basis + interest,
    basis: basis >> 119n,
    interest: interest >> 119n,
    gamma: gammaValue < 0n ? (-gammaValue >> 121n) * gammaCost(underlying, parameters) : 0n,
    vega: vega >> 110n,
  };
}

/** `floor(|value| / 2^places)` or one less, by one's complement of a negative floor, and one unit more: never below `|value|`. */
function sizeUp(value: bigint, places: bigint): bigint {
  const units = value >> places;
  return (units < 0n ? -units - 1n : units) + 1n;
}

/** Basis, interest and vega rate of an expiry place that a round does not use, 2^-36: those of one hour. */
function unusedRate(parameters: RiskParameters): bigint {
  const { basisRate, interestRate, vegaRateDown } = exactExpiryRisk(
    { tenor: 3_600n, spacing: 1n },
    parameters,
  );
  return basisRate + interestRate + (vegaRateDown << 14n);
}

/** Rounded up: what a solvency proof covers at least. */
export function chargesUp(
  sums: ExactChargeSums,
  underlying: UnderlyingState,
  parameters: RiskParameters,
): ExactCharges {
  let linear = sizeUp(sums.deltaValue, 119n) * horizonRate(underlying, parameters);
  let vega = 0n;
  for (const expiry of sums.expiries) {
    const { basisRate, interestRate } = expiry.risk;
    linear += sizeUp(expiry.forwardValue, 119n) * basisRate + sizeUp(expiry.markValue, 119n) * interestRate;
    vega += (sizeUp(expiry.vegaValue, 124n) * vegaRateOf(expiry)) << 14n;
  }
  // Places without an expiry count as ones of an hour, and rounding up leaves them a unit of delta, of value and of vega.
  linear += BigInt(EXPIRY_COUNT - sums.expiries.length) * unusedRate(parameters);
  const { gammaValue } = sums;
  return {
    linear,
    gamma: gammaValue < 0n ? sizeUp(gammaValue, 121n) * gammaCost(underlying, parameters) : 0n,
    vega,
  };
}
