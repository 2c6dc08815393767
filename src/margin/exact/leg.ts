/** One leg of the exact model: its volatility and its two revaluations. `docs/margin-model.md`, sections 7.4 and 7.5. */
import {
  floorDivide,
  log2Fixed,
  normalCdfCoarse,
  normalCdfFine,
  normalCdfMedium,
  normalDensity,
  PROBABILITY_ONE,
} from '../../math/fixed/primitives.ts';
import type { ExactExpiry, ExactExpiryRisk, ExactExpiryShock } from './expiry.ts';

/** Pillar positions have 18 bits after the point. */
const POSITION_ONE = 1n << 18n;
const POSITION_CENTRE = 4n * POSITION_ONE;
/** Half a place of a volatility before its truncation: it is rounded to nearest. */
const HALF = 1n << 33n;
/** For the moneyness they are clamped to `[-516, 508)` spacings. */
const CLAMP = 512n * POSITION_ONE;

/** What a leg needs for both revaluations, from strike and expiry alone. */
export interface ExactLegSurface {
  /** Volatility in spacings, 2^-20. */
  readonly volatility: bigint;
  /** Moneyness part of d1 at the mark, 2^-16: it stands for `(k + 1/2) 2^-16`. */
  readonly moneyness: bigint;
  /** `volatility * spacing`, 2^-45: the total standard deviation. */
  readonly deviation: bigint;
}

/** The two normal probabilities of an option price, 2^-98, for a call: N(d1) and N(d2). */
export interface ExactProbabilities {
  readonly forwardWeight: bigint;
  readonly strikeWeight: bigint;
}

/** Interpolates the pillars at a position in 2^-18: Catmull-Rom with flat ends, rounded to 2^-20. */
function interpolateVolatility(vols: readonly bigint[], position: bigint): bigint {
  const shifted = position + POSITION_CENTRE;
  if (shifted < 0n) return vols[0]! << 4n;
  if (shifted >= 7n * POSITION_ONE) return vols[7]! << 4n;
  const segment = Number(shifted >> 18n);
  const left = vols[segment]!;
  const right = vols[segment + 1]!;
  // Twice the slopes at both ends of the segment, zero at the outermost pillars.
  const leftSlope = segment === 0 ? 0n : right - vols[segment - 1]!;
  const rightSlope = segment === 6 ? 0n : vols[segment + 2]! - left;
  const q1 = leftSlope;
  const q2 = 6n * (right - left) - 2n * leftSlope - rightSlope;
  const q3 = leftSlope + rightSlope - 4n * (right - left);
  const tau = 2n * ((shifted >> 10n) & 255n) + 1n;
  const offset = 2n * (shifted & 1023n) - 1023n;
  const value = (((q3 * tau + (q2 << 9n)) * tau + (q1 << 18n)) * tau + (left << 28n)) << 10n;
  const slope = (3n * q3 * tau + ((2n * q2) << 9n)) * tau + (q1 << 18n);
  return (value + slope * offset + HALF) >> 34n;
}

/** The scenario-free part of a leg. The strike is in 1e-4 USD, at least 1. */
export function exactLegSurface(strike: bigint, expiry: ExactExpiry): ExactLegSurface {
  const position = floorDivide(
    log2Fixed(strike, 36) * expiry.inverseSpacing - expiry.forwardPosition,
    1n << 47n,
  );
  const volatility = interpolateVolatility(expiry.vols, position);
  const shifted = position + POSITION_CENTRE;
  const clamped = (shifted < -CLAMP ? -CLAMP : shifted >= CLAMP ? CLAMP : shifted) - POSITION_CENTRE;
  return {
    volatility,
    moneyness: floorDivide(-(2n * clamped + 1n) << 17n, volatility),
    deviation: volatility * expiry.spacing,
  };
}

/** d1 at the mark, 2^-16. */
function markArgument({ moneyness, deviation }: ExactLegSurface): bigint {
  return moneyness + (deviation >> 30n);
}

/** Probabilities at the mark, where d1 has 16 bits: charges take the delta, which is not stationary in it. */
export function markProbabilities(surface: ExactLegSurface): ExactProbabilities {
  const argument = markArgument(surface);
  return {
    forwardWeight: normalCdfMedium(argument),
    strikeWeight: normalCdfFine(16n * argument + 7n - (surface.deviation >> 25n)),
  };
}

/** What first- and second-order charges need of a leg besides its mark. */
export interface ExactLegGreeks {
  /** Density of the normal distribution at d1, 2^-79. */
  readonly density: bigint;
  /** Total deviation, 2^-24. */
  readonly deviation: bigint;
  /** Four price steps in total deviations, 2^-14. */
  readonly stepSlope: bigint;
}

/** Four price steps in total deviations at unmoved vols, 2^-14. */
export function stepSlopeOf(surface: ExactLegSurface, risk: ExactExpiryRisk): bigint {
  return (risk.step << 4n) / surface.volatility;
}

/** Density, deviation and step of a leg at the mark. */
export function legGreeks(surface: ExactLegSurface, risk: ExactExpiryRisk): ExactLegGreeks {
  return {
    density: normalDensity(markArgument(surface)),
    deviation: surface.deviation >> 21n,
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
  const intercept = ((2n * (surface.moneyness >> 4n) + 1n) * shock.inverseMultiplier) >> 14n;
  const slope = (stepSlope * shock.inverseMultiplier) >> 15n;
  const deviation = ((surface.deviation >> 21n) * shock.volMultiplier) >> 24n;
  const { fours, twos, ones, offset } = stepParts(priceMove);
  const drift = BigInt(fours) * slope + BigInt(twos) * (slope >> 1n) + BigInt(ones) * (slope >> 2n);
  const argument = intercept + drift + BigInt(offset) + (deviation >> 9n);
  return {
    forwardWeight: normalCdfCoarse(argument),
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
