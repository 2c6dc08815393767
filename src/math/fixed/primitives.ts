/**
 * Integer functions of the exact model. Each has a circuit template of the same name in `circuits/lib`, and both give
 * the same integers for every input of the stated domain. Formulas: `docs/margin-model.md`, section 7.
 */
import {
  DENSITY,
  DENSITY_SLOPE,
  EXP2,
  LOG2,
  LOG2_SLOPE,
  type PiecewisePolynomial,
  TAIL,
  TAIL_SLOPE,
} from './polynomials.ts';

/** Quotient rounded towards minus infinity. The divisor is positive. */
export function floorDivide(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return dividend % divisor < 0n ? quotient - 1n : quotient;
}

/** Quotient rounded towards plus infinity. The divisor is positive. */
export function ceilDivide(dividend: bigint, divisor: bigint): bigint {
  return -floorDivide(-dividend, divisor);
}

/** `floor(sqrt(x))` for x >= 0. */
export function integerSquareRoot(x: bigint): bigint {
  if (x < 2n) return x;
  let root = BigInt(Math.floor(Math.sqrt(Number(x))));
  // One Newton step makes the double's 53 bits enough for the sizes in use; the loops make it exact.
  root = (root + x / root) / 2n;
  while (root * root > x) root--;
  while ((root + 1n) * (root + 1n) <= x) root++;
  return root;
}

/** Horner's rule over the integer coefficients of one segment, each step adding the scale of `tau`. */
function evaluate(polynomial: PiecewisePolynomial, segment: number, tau: bigint): bigint {
  const row = polynomial.coefficients[segment]!;
  let value = row[row.length - 1]!;
  for (let k = row.length - 2; k >= 0; k--) value = value * tau + row[k]!;
  return value;
}

/** Scale exponent of {@link log2Fixed}. */
const LOG2_SCALE = 47n;

/**
 * Binary logarithm of an integer.
 *
 * @param x in `[1, 2^width)`
 * @param width bits that x may have, at least 21
 * @returns `log2(x)` in 2^-47; error below 1.5e-6
 */
export function log2Fixed(x: bigint, width: number): bigint {
  const length = x.toString(2).length;
  const mantissa = x << BigInt(width - length);
  // The 20 bits after the leading one: segment 3, high 8, low 9.
  const fraction = (mantissa - (1n << BigInt(width - 1))) >> BigInt(width - 1 - 20);
  const segment = Number(fraction >> 17n);
  const high = (fraction >> 9n) & 255n;
  const low = fraction & 511n;
  const tau = 2n * high - 255n;
  const offset = 2n * low - 511n;
  return (
    (BigInt(length - 1) << LOG2_SCALE) +
    evaluate(LOG2, segment, tau) +
    evaluate(LOG2_SLOPE, segment, tau) * offset
  );
}

/** `ln 2` in 2^-12, enough for a correction below 2^-9. */
const LN2_SHORT = 2839n;

/**
 * Two to a power.
 *
 * @param y in 2^-18, in `[-4, 4)`
 * @returns `2^(y + 4)` in 2^-90, y taken at the middle of its last place; relative error below 3e-6, most of it the place of y
 */
export function exp2Fixed(y: bigint): bigint {
  const shifted = y + (4n << 18n);
  const whole = shifted >> 18n;
  const high = (shifted >> 10n) & 255n;
  const low = shifted & 1023n;
  const tau = 2n * high - 255n;
  const offset = 2n * low - 1023n;
  return (evaluate(EXP2, 0, tau) * ((1n << 31n) + LN2_SHORT * offset)) << whole;
}

/**
 * Two to a power, for price factors: a second-order correction, and no half place.
 *
 * @param y in 2^-20, in `[-4, 4)`
 * @returns `2^y` in 2^-26, rounded down; relative error below 4e-7
 */
export function exp2Precise(y: bigint): bigint {
  const shifted = y + (4n << 20n);
  const whole = shifted >> 20n;
  const high = (shifted >> 12n) & 255n;
  const low = shifted & 4095n;
  const offset = LN2_SHORT * (low - 2048n);
  const correction = (1n << 65n) + (offset << 33n) + offset * offset;
  return ((evaluate(EXP2, 0, 2n * high - 255n) * correction) << whole) >> 102n;
}

/** Scale exponent of the normal distribution functions. */
export const TAIL_SCALE = 98n;
/** One, as a probability at {@link TAIL_SCALE}. */
export const PROBABILITY_ONE = 1n << TAIL_SCALE;

/**
 * The argument of a normal function taken apart: unit segment, place of the middle of its cell of 2^-12 (odd, 2^-13), and
 * offset from there to the argument (odd, in half units of its last place). Undefined from 8 on, where nothing is left.
 */
function normalCell(
  magnitude: bigint,
  lowBits: bigint,
): { segment: number; tau: bigint; offset: bigint } | undefined {
  const cell = magnitude >> lowBits;
  if (cell >= 8n << 12n) return undefined;
  return {
    segment: Number(cell >> 12n),
    tau: 2n * (cell & 4095n) - 4095n,
    offset: 2n * (magnitude & ((1n << lowBits) - 1n)) - ((1n << lowBits) - 1n),
  };
}

/** `-k - 1` for a negative `k`: the mirror image of `(k + 1/2)` units. */
const magnitudeOf = (k: bigint): bigint => (k < 0n ? -k - 1n : k);

/** The value at the middle of the cell of 2^-12, and the slope there times the rest, for `lowBits` further bits, at most 8. */
function normalCdf(k: bigint, lowBits: bigint): bigint {
  const place = normalCell(magnitudeOf(k), lowBits);
  let tail = 0n;
  if (place !== undefined) {
    const { segment, tau, offset } = place;
    tail = evaluate(TAIL, segment, tau);
    if (lowBits > 0n) tail += (evaluate(TAIL_SLOPE, segment, tau) * offset) << (8n - lowBits);
  }
  return k < 0n ? tail : PROBABILITY_ONE - tail;
}

/**
 * Normal distribution function of a number in 2^-12, taken at the middle of its last place, `(k + 1/2) 2^-12`.
 *
 * @returns probability in 2^-98
 */
export function normalCdfCoarse(k: bigint): bigint {
  return normalCdf(k, 0n);
}

/** The same of a number in 2^-16. */
export function normalCdfMedium(k: bigint): bigint {
  return normalCdf(k, 4n);
}

/** The same of a number in 2^-20. */
export function normalCdfFine(k: bigint): bigint {
  return normalCdf(k, 8n);
}

/** Scale exponent of {@link normalDensity}. */
export const DENSITY_SCALE = 79n;

/**
 * Density of the normal distribution at a number in 2^-16, taken at the middle of its last place, `(k + 1/2) 2^-16`: the value at
 * the middle of the cell of 2^-12, and the slope there times the rest.
 *
 * @returns in 2^-79; 0 from 6 on
 */
export function normalDensity(k: bigint): bigint {
  const place = normalCell(magnitudeOf(k), 4n);
  if (place === undefined) return 0n;
  const { segment, tau, offset } = place;
  return evaluate(DENSITY, segment, tau) + evaluate(DENSITY_SLOPE, segment, tau) * offset;
}
