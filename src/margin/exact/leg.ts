/** One leg of the exact model: its volatility and its two revaluations. `docs/margin-model.md`, sections 7.4 and 7.5. */
import {
  floorDivide,
  lnFixed,
  normalCdfCoarse,
  normalCdfFine,
  normalDensity,
  PROBABILITY_ONE,
} from '../../math/fixed/primitives.ts';
import type { ExactExpiry, ExactExpiryRisk, ExactExpiryShock } from './expiry.ts';

/** Pillar positions have 20 bits after the point. */
const POSITION_ONE = 1n << 20n;
const POSITION_CENTRE = 4n * POSITION_ONE;
/** Half a place of a volatility of 20 bits before its truncation: it is rounded to nearest. */
const HALF_VOLATILITY = 1n << 35n;
/** For the moneyness they are clamped to `[-516, 508]` spacings. */
const CLAMP = 512n * POSITION_ONE;

/** What a leg needs for both revaluations, from strike and expiry alone. */
export interface ExactLegSurface {
  /** Volatility in spacings, 2^-20: what moneyness and steps are divided by. */
  readonly volatility: bigint;
  /** Moneyness part of d1 at the mark, 2^-20: it stands for `(k + 1/2) 2^-20`. */
  readonly moneyness: bigint;
  /** Total standard deviation, the volatility in 2^-24 times the spacing: 2^-51. */
  readonly deviation: bigint;
}

/** The two normal probabilities of an option price, 2^-98, for a call: N(d1) and N(d2). */
export interface ExactProbabilities {
  readonly forwardWeight: bigint;
  readonly strikeWeight: bigint;
}

/**
 * Interpolates the pillars at a position in 2^-20: Catmull-Rom with flat ends.
 *
 * @returns the volatility in 2^-56, with half a place of 2^-20 added
 */
function interpolateVolatility(vols: readonly bigint[], position: bigint): bigint {
  const shifted = position + POSITION_CENTRE;
  if (shifted < 0n) return (vols[0]! << 40n) + HALF_VOLATILITY;
  if (shifted >= 7n * POSITION_ONE) return (vols[7]! << 40n) + HALF_VOLATILITY;
  const segment = Number(shifted >> 20n);
  const left = vols[segment]!;
  const right = vols[segment + 1]!;
  // Twice the slopes at both ends of the segment, zero at the outermost pillars.
  const leftSlope = segment === 0 ? 0n : right - vols[segment - 1]!;
  const rightSlope = segment === 6 ? 0n : vols[segment + 2]! - left;
  const q1 = leftSlope;
  const q2 = 6n * (right - left) - 2n * leftSlope - rightSlope;
  const q3 = leftSlope + rightSlope - 4n * (right - left);
  const tau = 2n * ((shifted >> 12n) & 255n) + 1n;
  const offset = 2n * (shifted & 4095n) - 4095n;
  const value = (((q3 * tau + (q2 << 9n)) * tau + (q1 << 18n)) * tau + (left << 28n)) << 12n;
  const slope = (3n * q3 * tau + ((2n * q2) << 9n)) * tau + (q1 << 18n);
  return value + slope * offset + HALF_VOLATILITY;
}

/** The scenario-free part of a leg. The strike is in 1e-4 USD, at least 1. */
export function exactLegSurface(strike: bigint, expiry: ExactExpiry): ExactLegSurface {
  const position = floorDivide(lnFixed(strike, 36) - expiry.logForward, expiry.spacing);
  const interpolated = interpolateVolatility(expiry.vols, position);
  const volatility = interpolated >> 36n;
  // Half a place of 2^-20 is eight of 2^-24.
  const finerVolatility = (interpolated >> 32n) - 8n;
  const shifted = position + POSITION_CENTRE;
  const clamped = (shifted < -CLAMP ? -CLAMP : shifted >= CLAMP ? CLAMP : shifted) - POSITION_CENTRE;
  return {
    volatility,
    moneyness: floorDivide(-(2n * clamped + 1n) << 19n, volatility),
    deviation: finerVolatility * expiry.spacing,
  };
}

/** The total deviation at the mark, rounded to nearest, 2^-20. */
function markDeviation({ deviation }: ExactLegSurface): bigint {
  return (deviation + (1n << 30n)) >> 31n;
}

/** d1 at the mark, 2^-20. */
function markArgument(surface: ExactLegSurface): bigint {
  return surface.moneyness + (markDeviation(surface) >> 1n);
}

/** The total deviation in 2^-24, which vega and scenarios take. */
function finerDeviation({ deviation }: ExactLegSurface): bigint {
  return deviation >> 27n;
}

/** Probabilities at the mark, where d1 has 20 bits: charges take the delta, which is not stationary in it. */
export function markProbabilities(surface: ExactLegSurface): ExactProbabilities {
  const argument = markArgument(surface);
  return {
    forwardWeight: normalCdfFine(argument),
    strikeWeight: normalCdfFine(argument - markDeviation(surface)),
  };
}

/** What first- and second-order charges need of a leg besides its mark. */
export interface ExactLegGreeks {
  /** Density of the normal distribution at d1, 2^-79. */
  readonly density: bigint;
  /** Total deviation, 2^-24. */
  readonly deviation: bigint;
  /** Four price steps in total deviations, 2^-21. */
  readonly stepSlope: bigint;
}

/** Four price steps in total deviations at unmoved vols, 2^-21. */
export function stepSlopeOf(surface: ExactLegSurface, risk: ExactExpiryRisk): bigint {
  return (risk.step << 11n) / surface.volatility;
}

/** Density, deviation and step of a leg at the mark. */
export function legGreeks(surface: ExactLegSurface, risk: ExactExpiryRisk): ExactLegGreeks {
  return {
    density: normalDensity(markArgument(surface)),
    deviation: finerDeviation(surface),
    stepSlope: stepSlopeOf(surface, risk),
  };
}

/**
 * A move as fours, twos and ones of price steps, signed by the fours alone: `move = 4 fours + 2 twos + ones`. The slope of d1 is known for
 * four steps, and halved for two and for one. Each part loses half a unit of d1 by truncation, which `offset` makes up for.
 */
export interface StepParts {
  readonly fours: number;
  readonly twos: number;
  readonly ones: number;
  readonly offset: number;
}

/** {@link StepParts} of a move. */
export function stepParts(priceMove: number): StepParts {
  const [fours, twos, ones] = [priceMove >> 2, (priceMove >> 1) & 1, priceMove & 1];
  return { fours, twos, ones, offset: (fours + twos + ones) >> 1 };
}

/** Probabilities after `priceMove` steps of the price, under the expiry's vol shock; d1 has 12 bits. */
export function scenarioProbabilities(
  surface: ExactLegSurface,
  stepSlope: bigint,
  shock: ExactExpiryShock,
  priceMove: number,
): ExactProbabilities {
  const intercept = ((2n * (surface.moneyness >> 8n) + 1n) * shock.inverseMultiplier) >> 14n;
  const slope = ((stepSlope >> 7n) * shock.inverseMultiplier) >> 15n;
  const deviation = (finerDeviation(surface) * shock.volMultiplier) >> 26n;
  const { fours, twos, ones, offset } = stepParts(priceMove);
  const drift = BigInt(fours) * slope + BigInt(twos) * (slope >> 1n) + BigInt(ones) * (slope >> 2n);
  const argument = intercept + drift + BigInt(offset) + (deviation >> 9n);
  return {
    forwardWeight: normalCdfCoarse(argument),
    // In 2^-20 d1 is the middle of its place, 256 k + 128, and the deviation the middle of its own: d2 is that of 127 less it.
    strikeWeight: normalCdfFine(256n * argument + 127n - deviation),
  };
}

/** A put's probabilities are a call's less one (put-call parity). */
export function forKind(weights: ExactProbabilities, isPut: boolean): ExactProbabilities {
  return isPut
    ? {
        forwardWeight: weights.forwardWeight - PROBABILITY_ONE,
        strikeWeight: weights.strikeWeight - PROBABILITY_ONE,
      }
    : weights;
}
