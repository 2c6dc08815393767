/**
 * The implied-volatility surface in double precision: eight pillars per expiry, and how they are fitted.
 *
 * Implements the interpolation of `docs/margin-model.md`: pillars lie at `x = ln(K/F)/√T = (j - 4) h`, `j = 0..7`, and a
 * volatility is read off a uniform Catmull-Rom cubic in `z = x/h`, clamped to [-4, 3], flat (and once continuously
 * differentiable) beyond (E. Catmull and R. Rom, "A class of local interpolating splines", 1974).
 */
import { requireFinite, ZkMarginError } from '../errors.ts';
import { solveLinear } from '../math/float/linear-solve.ts';
import { findSmileArbitrage, type Smile } from './arbitrage.ts';
import { formatExpiry } from './instrument.ts';
import {
  type ExpiryState,
  MAX_PILLAR,
  MIN_PILLAR,
  PILLAR_COUNT,
  pillarSpacing,
  type SpacingExponent,
  tenorSeconds,
  YEAR_SECONDS,
} from './words.ts';

/** Scale of pillar volatilities: 2^16. */
const PILLAR_SCALE = 65_536;
/** Index of the at-the-money pillar. */
const CENTRE = 4;
const LAST = PILLAR_COUNT - 1;

/** One expiry in double precision, ready to be read. */
export interface FloatExpiry {
  readonly expiryHour: number;
  /** In USD. */
  readonly forward: number;
  readonly discount: number;
  /** Seconds to expiry that are priced, at least an hour. */
  readonly tenor: number;
  /** The same in years. */
  readonly years: number;
  /** Pillar spacing h. */
  readonly spacing: number;
  /** Eight annualised volatilities. */
  readonly pillars: Float64Array;
}

/** An expiry's words as doubles, seen from a timestamp. Nothing is validated. */
export function floatExpiry(state: ExpiryState, timestamp: bigint): FloatExpiry {
  const spacing = pillarSpacing(state.spacingExponent);
  const tenor = tenorSeconds(state.expiryHour, timestamp);
  return {
    expiryHour: state.expiryHour,
    forward: Number(state.forward) / 1e6,
    discount: Number(state.discount) / 2_097_152,
    tenor,
    years: tenor / YEAR_SECONDS,
    spacing,
    pillars: Float64Array.from(state.vols, (volatility) => (Number(volatility) / PILLAR_SCALE) * spacing),
  };
}

/** Annualised volatility at the money of an expiry: its middle pillar. */
export function atTheMoneyVolatility({ vols, spacingExponent }: ExpiryState): number {
  return (Number(vols[CENTRE]!) / PILLAR_SCALE) * pillarSpacing(spacingExponent);
}

/**
 * Volatility at a standardised log-moneyness.
 *
 * @param pillars eight volatilities, in any unit; the result has the same
 * @param z `ln(K/F) / (h √T)`; clamped to [-4, 3]
 */
export function interpolatePillars(pillars: ArrayLike<number>, z: number): number {
  const position = Math.min(Math.max(z + CENTRE, 0), LAST);
  const segment = Math.min(Math.floor(position), LAST - 1);
  const u = position - segment;
  const left = pillars[segment]!;
  const right = pillars[segment + 1]!;
  const slopeLeft = segment === 0 ? 0 : 0.5 * (right - pillars[segment - 1]!);
  const slopeRight = segment === LAST - 1 ? 0 : 0.5 * (pillars[segment + 2]! - left);
  const step = right - left;
  // Hermite's cubic, as a polynomial in u.
  return (
    left +
    u * (slopeLeft + u * (3 * step - 2 * slopeLeft - slopeRight + u * (slopeLeft + slopeRight - 2 * step)))
  );
}

/** Volatility of an expiry at `logMoneyness = ln(K/F)`. */
export function surfaceVolatility(expiry: FloatExpiry, logMoneyness: number): number {
  return interpolatePillars(expiry.pillars, logMoneyness / (expiry.spacing * Math.sqrt(expiry.years)));
}

/**
 * Volatility with its first and second derivative in log-moneyness. The second jumps at pillars.
 *
 * @returns `[vol, ∂vol/∂k, ∂²vol/∂k²]`
 */
export function surfaceDerivatives(expiry: FloatExpiry, logMoneyness: number): [number, number, number] {
  const unit = expiry.spacing * Math.sqrt(expiry.years);
  const z = logMoneyness / unit;
  const { pillars } = expiry;
  if (z <= -CENTRE) return [pillars[0]!, 0, 0];
  if (z >= LAST - CENTRE) return [pillars[LAST]!, 0, 0];
  const position = z + CENTRE;
  const segment = Math.floor(position);
  const u = position - segment;
  const left = pillars[segment]!;
  const right = pillars[segment + 1]!;
  const slopeLeft = segment === 0 ? 0 : 0.5 * (right - pillars[segment - 1]!);
  const slopeRight = segment === LAST - 1 ? 0 : 0.5 * (pillars[segment + 2]! - left);
  const step = right - left;
  const c2 = 3 * step - 2 * slopeLeft - slopeRight;
  const c3 = slopeLeft + slopeRight - 2 * step;
  return [
    left + u * (slopeLeft + u * (c2 + u * c3)),
    (slopeLeft + u * (2 * c2 + 3 * u * c3)) / unit,
    (2 * c2 + 6 * u * c3) / (unit * unit),
  ];
}

/** Raw SVI: `w(k) = a + b (ρ (k - m) + √((k - m)² + σ²))`, total variance at `k = ln(K/F)`. */
export interface SviParameters {
  readonly a: number;
  readonly b: number;
  readonly rho: number;
  readonly m: number;
  readonly sigma: number;
}

/** Total variance of raw SVI (J. Gatheral, "A parsimonious arbitrage-free implied volatility parameterization", 2004). */
export function sviTotalVariance(svi: SviParameters, logMoneyness: number): number {
  const shifted = logMoneyness - svi.m;
  return svi.a + svi.b * (svi.rho * shifted + Math.sqrt(shifted * shifted + svi.sigma * svi.sigma));
}

/**
 * Volatility of raw SVI, `√(w/T)`.
 *
 * @param years the time that the parameters were fitted with
 * @param cap largest absolute log-moneyness; wings are flat beyond. Some publishers use {@link sviCap}.
 */
export function sviVolatility(
  svi: SviParameters,
  logMoneyness: number,
  years: number,
  cap = Number.POSITIVE_INFINITY,
): number {
  const clamped = Math.min(Math.max(logMoneyness, -cap), cap);
  return Math.sqrt(Math.max(0, sviTotalVariance(svi, clamped)) / years);
}

/** Largest total variance that Derive's SVI gives (derivexyz/lyra-utils, SVI.sol). */
export const DERIVE_MAX_TOTAL_VARIANCE = 144;

/** The cap `4 √(a + bσ)` on log-moneyness that Derive applies to SVI. */
export function sviCap(svi: SviParameters): number {
  return 4 * Math.sqrt(svi.a + svi.b * svi.sigma);
}

/** One observed volatility. */
export interface VolatilityPoint {
  /** `ln(K/F)`. */
  readonly logMoneyness: number;
  /** Annualised. */
  readonly volatility: number;
  /** Beside the vega weight; 1 unless given. */
  readonly weight?: number;
}

/** What a fit of pillars gave. */
export interface PillarFit {
  readonly spacingExponent: SpacingExponent;
  /** Eight volatilities in `2^-16 h`, within the bounds of section 1. */
  readonly vols: readonly bigint[];
  /** Root of the vega-weighted mean square error, in volatility (0.01 is one vol point). */
  readonly rms: number;
  /** Largest absolute error over all points, in volatility. */
  readonly max: number;
  /** Log-moneyness of the largest error. */
  readonly maxAt: number;
}

/** How {@link fitPillars} fits. */
export interface FitOptions {
  /** Take this spacing rather than the best of four. */
  readonly spacingExponent?: SpacingExponent;
  /** Weight of the ridge that draws a pillar to its neighbours, relative to the data; 3e-5 unless given. */
  readonly ridge?: number;
}

const EXPONENTS: readonly SpacingExponent[] = [0, 1, 2, 3];

/**
 * Fits the eight pillars of an expiry to volatilities, by least squares weighted with squared vega, and chooses the
 * spacing that leaves the least error after rounding and bounding.
 *
 * A volatility is linear in the pillars, so this is one 8×8 system per spacing. A pillar without data follows its
 * neighbours. When the solution leaves the bounds of section 1 it is brought back into them, and the error says by how
 * much that hurt.
 *
 * @param points at least one; volatilities positive
 * @param years time to expiry that will be priced with
 * @throws ZkMarginError `MISSING_VOLATILITY` without points; `NOT_FINITE`, `OUT_OF_RANGE` for bad ones; `FIT_FAILED`
 */
export function fitPillars(
  points: readonly VolatilityPoint[],
  years: number,
  options: FitOptions = {},
): PillarFit {
  requireFinite(years, 1e-9, 1e3, 'years');
  if (points.length === 0) {
    throw new ZkMarginError('MISSING_VOLATILITY', 'Give at least one volatility to fit.', {
      field: 'points',
    });
  }
  const root = Math.sqrt(years);
  const weights = points.map((point, index) => {
    requireFinite(point.logMoneyness, -20, 20, `points[${index}].logMoneyness`);
    requireFinite(point.volatility, 1e-4, 100, `points[${index}].volatility`);
    requireFinite(point.weight ?? 1, 0, 1e12, `points[${index}].weight`);
    const deviation = point.volatility * root;
    const d1 = -point.logMoneyness / deviation + 0.5 * deviation;
    // The square of vega over that at the money; the floor keeps far wings from being left out altogether.
    return (point.weight ?? 1) * (Math.exp(-d1 * d1) + 1e-8);
  });
  const candidates = options.spacingExponent === undefined ? EXPONENTS : [options.spacingExponent];
  let best: PillarFit | undefined;
  for (const exponent of candidates) {
    const fit = fitOne(points, weights, root, exponent, options.ridge ?? 3e-5);
    if (fit !== undefined && (best === undefined || fit.rms < best.rms)) best = fit;
  }
  if (best === undefined) {
    throw new ZkMarginError('FIT_FAILED', 'No pillars fit these volatilities; check them for outliers.', {
      field: 'points',
    });
  }
  return best;
}

function fitOne(
  points: readonly VolatilityPoint[],
  weights: readonly number[],
  root: number,
  spacingExponent: SpacingExponent,
  ridge: number,
): PillarFit | undefined {
  const spacing = pillarSpacing(spacingExponent);
  const matrix = Array.from({ length: PILLAR_COUNT }, () => new Float64Array(PILLAR_COUNT + 1));
  const basis = new Float64Array(PILLAR_COUNT);
  let total = 0;
  for (let index = 0; index < points.length; index++) {
    const point = points[index]!;
    const weight = weights[index]!;
    interpolationBasis(point.logMoneyness / (spacing * root), basis);
    total += weight;
    for (let row = 0; row < PILLAR_COUNT; row++) {
      const scaled = weight * basis[row]!;
      if (scaled === 0) continue;
      const target = matrix[row]!;
      for (let column = 0; column < PILLAR_COUNT; column++) target[column]! += scaled * basis[column]!;
      target[PILLAR_COUNT]! += (scaled * point.volatility) / spacing;
    }
  }
  if (!(total > 0)) return undefined;
  const pull = ridge * total;
  for (let pillar = 0; pillar < LAST; pillar++) {
    matrix[pillar]![pillar]! += pull;
    matrix[pillar + 1]![pillar + 1]! += pull;
    matrix[pillar]![pillar + 1]! -= pull;
    matrix[pillar + 1]![pillar]! -= pull;
  }
  const solution = solveLinear(matrix);
  if (solution === undefined) return undefined;
  const vols = boundPillars(solution.map((value) => value * PILLAR_SCALE));
  const fitted = Float64Array.from(vols, (value) => (Number(value) / PILLAR_SCALE) * spacing);
  let squares = 0;
  let max = -1;
  let maxAt = 0;
  for (let index = 0; index < points.length; index++) {
    const point = points[index]!;
    const error = interpolatePillars(fitted, point.logMoneyness / (spacing * root)) - point.volatility;
    squares += weights[index]! * error * error;
    if (Math.abs(error) > max) {
      max = Math.abs(error);
      maxAt = point.logMoneyness;
    }
  }
  return { spacingExponent, vols, rms: Math.sqrt(squares / total), max, maxAt };
}

/** Writes the weight of each pillar in {@link interpolatePillars} at z. */
function interpolationBasis(z: number, basis: Float64Array): void {
  const unit = new Float64Array(PILLAR_COUNT);
  for (let pillar = 0; pillar < PILLAR_COUNT; pillar++) {
    unit[pillar] = 1;
    basis[pillar] = interpolatePillars(unit, z);
    unit[pillar] = 0;
  }
}

/**
 * Rounds pillar volatilities (in `2^-16 h`) to integers within `[2^15, 2^19)` with neighbours at most a factor of 2
 * apart. From the at-the-money pillar outwards, so that the middle is changed least.
 */
export function boundPillars(values: readonly number[]): bigint[] {
  const low = Number(MIN_PILLAR);
  const high = Number(MAX_PILLAR);
  const bounded = values.map((value) => Math.round(Math.min(Math.max(value, low), high)));
  const limit = (pillar: number, neighbour: number) => {
    const reference = bounded[neighbour]!;
    const value = Math.min(Math.max(bounded[pillar]!, Math.ceil(reference / 2)), 2 * reference);
    bounded[pillar] = Math.min(Math.max(value, low), high);
  };
  for (let pillar = CENTRE + 1; pillar <= LAST; pillar++) limit(pillar, pillar - 1);
  for (let pillar = CENTRE - 1; pillar >= 0; pillar--) limit(pillar, pillar + 1);
  return bounded.map((value) => BigInt(value));
}

/**
 * Points of an SVI curve where options are traded, for {@link fitPillars}: 97 of them, evenly from -4 to +4 standard
 * deviations at the money.
 *
 * @param sviYears the time that the parameters were fitted with
 */
export function sviPoints(svi: SviParameters, sviYears: number, cap?: number): VolatilityPoint[] {
  const atTheMoney = sviVolatility(svi, 0, sviYears);
  const deviation = atTheMoney * Math.sqrt(sviYears);
  const points: VolatilityPoint[] = [];
  for (let step = -48; step <= 48; step++) {
    const logMoneyness = (step / 12) * deviation;
    points.push({ logMoneyness, volatility: sviVolatility(svi, logMoneyness, sviYears, cap) });
  }
  return points;
}

/** A place where a surface admits static arbitrage. */
export interface ArbitragePlace {
  readonly kind: 'butterfly' | 'calendar';
  /** The expiry, for a calendar the later of the two. */
  readonly expiryHour: number;
  readonly logMoneyness: number;
  /** Butterfly: Gatheral's g (negative). Calendar: difference of total variances (negative). */
  readonly value: number;
}

/**
 * Looks for static arbitrage on a grid of log-moneyness, at ±`width` standard deviations of each expiry.
 *
 * Butterfly: `g(k) = (1 - k w'/2w)² - (w'²/4)(1/w + 1/4) + w''/2 >= 0`. Calendar: total variance at equal log-moneyness
 * does not decrease with time (J. Gatheral and A. Jacquier, "Arbitrage-free SVI volatility surfaces", 2014).
 *
 * @param expiries in increasing order
 * @param width standard deviations at the money to look at on either side; 3 unless given
 * @param tolerance how far below zero is let pass; 1e-9 unless given
 */
export function findStaticArbitrage(
  expiries: readonly FloatExpiry[],
  width = 3,
  tolerance = 1e-9,
): ArbitragePlace[] {
  return findSmileArbitrage(
    expiries.map((expiry) => pillarSmile(expiry)),
    { width, tolerance },
  ).map(({ kind, index, logMoneyness, value }) => ({
    kind,
    expiryHour: expiries[index]!.expiryHour,
    logMoneyness,
    value,
  }));
}

/** The pillars of an expiry as a {@link Smile}. */
export function pillarSmile(expiry: FloatExpiry, name = formatExpiry(expiry.expiryHour)): Smile {
  const { years, forward } = expiry;
  return {
    name,
    years,
    forward,
    deviation: expiry.pillars[CENTRE]! * Math.sqrt(years),
    totalVariance(logMoneyness) {
      const [volatility, first, second] = surfaceDerivatives(expiry, logMoneyness);
      return [
        volatility * volatility * years,
        2 * volatility * first * years,
        2 * (first * first + volatility * second) * years,
      ];
    },
  };
}

/**
 * A raw SVI curve as a {@link Smile}. Its volatility at `k` is the same at any time it is priced with.
 *
 * @param sviYears the time that the parameters were fitted with
 * @param years time to expiry that is priced with
 */
export function sviSmile(
  svi: SviParameters,
  sviYears: number,
  expiry: { readonly name: string; readonly years: number; readonly forward: number },
): Smile {
  const { name, years, forward } = expiry;
  const scale = years / sviYears;
  return {
    name,
    years,
    forward,
    deviation: Math.sqrt(Math.max(0, sviTotalVariance(svi, 0)) * scale),
    totalVariance(logMoneyness) {
      const shifted = logMoneyness - svi.m;
      const root = Math.sqrt(shifted * shifted + svi.sigma * svi.sigma);
      return [
        scale * (svi.a + svi.b * (svi.rho * shifted + root)),
        scale * svi.b * (svi.rho + (root > 0 ? shifted / root : 0)),
        root > 0 ? (scale * svi.b * svi.sigma * svi.sigma) / (root * root * root) : 0,
      ];
    },
  };
}
