/**
 * Integer functions of the exact model. Each has a circuit template of the same name in `circuits/lib`, and both give
 * the same integers for every input of the stated domain. Formulas: `docs/margin-model.md`, section 7.
 */
import {
  DENSITY,
  DENSITY_SLOPE,
  EXP2,
  LN,
  LN_SLOPE,
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

/** Scale exponent of {@link log2Fixed} and {@link lnFixed}. */
const LOG_SCALE = 47n;
/** `round(ln 2 * 2^47)`: what a doubling adds to {@link lnFixed}. */
export const LN2_47 = 97_551_793_252_584n;

/**
 * Exponent of an integer, and what a table makes of the 22 bits after its leading one: segment 3, high 7, low 12.
 *
 * @returns the exponent, and the logarithm of the mantissa in 2^-47
 */
function mantissaLog(
  x: bigint,
  width: number,
  table: PiecewisePolynomial,
  slopes: PiecewisePolynomial,
): { exponent: bigint; log: bigint } {
  const length = x.toString(2).length;
  const mantissa = x << BigInt(width - length);
  const fraction = (mantissa - (1n << BigInt(width - 1))) >> BigInt(width - 1 - 22);
  const segment = Number(fraction >> 19n);
  const tau = 2n * ((fraction >> 12n) & 127n) - 127n;
  const offset = 2n * (fraction & 4095n) - 4095n;
  return {
    exponent: BigInt(length - 1),
    log: evaluate(table, segment, tau) + evaluate(slopes, segment, tau) * offset,
  };
}

/**
 * Binary logarithm of an integer.
 *
 * @param x in `[1, 2^width)`
 * @param width bits that x may have, at least 23
 * @returns `log2(x)` in 2^-47; error below 5e-7
 */
export function log2Fixed(x: bigint, width: number): bigint {
  const { exponent, log } = mantissaLog(x, width, LOG2, LOG2_SLOPE);
  return (exponent << LOG_SCALE) + log;
}

/**
 * Natural logarithm of an integer.
 *
 * @param x in `[1, 2^width)`
 * @param width bits that x may have, at least 23
 * @returns `ln(x)` in 2^-47; error below 3.9e-7
 */
export function lnFixed(x: bigint, width: number): bigint {
  const { exponent, log } = mantissaLog(x, width, LN, LN_SLOPE);
  return exponent * LN2_47 + log;
}

/** `ln 2` in 2^-12, enough for a correction below 2^-9. */
const LN2_SHORT = 2839n;

/** Half of the largest second-order term that {@link exp2Fixed} leaves out, 2^-33: the error is as much on either side. */
const EXP2_CENTRE = 3929n;

/** A power of two taken apart: `2^whole`, `2^-59` at the middle of the cell of 2^-8 above it, and the lowest twelve bits. `y` as below. */
function exp2Cell(y: bigint): { whole: bigint; cell: bigint; low: bigint } {
  const shifted = y + (4n << 20n);
  const high = (shifted >> 12n) & 255n;
  return { whole: shifted >> 20n, cell: evaluate(EXP2, 0, 2n * high - 255n), low: shifted & 4095n };
}

/**
 * Two to a power.
 *
 * @param y in 2^-20, in `[-4, 4)`
 * @returns `2^(y + 4)` in 2^-92, y taken at the middle of its last place; relative error below 6.2e-7
 */
export function exp2Fixed(y: bigint): bigint {
  const { whole, cell, low } = exp2Cell(y);
  const offset = 2n * low - 4095n;
  return (cell * ((1n << 33n) + EXP2_CENTRE + LN2_SHORT * offset)) << whole;
}

/**
 * Two to a power, for price factors: a second-order correction, and no half place.
 *
 * @param y in 2^-20, in `[-4, 4)`
 * @returns `2^y` in 2^-26, rounded down; relative error below 1.9e-7
 */
export function exp2Precise(y: bigint): bigint {
  const { whole, cell, low } = exp2Cell(y);
  const offset = LN2_SHORT * (low - 2048n);
  const correction = (1n << 65n) + (offset << 33n) + offset * offset;
  return ((cell * correction) << whole) >> 102n;
}

/** Scale exponent of the normal distribution functions. */
export const TAIL_SCALE = 98n;
/** One, as a probability at {@link TAIL_SCALE}. */
export const PROBABILITY_ONE = 1n << TAIL_SCALE;

/** `-k - 1` for a negative `k`: the mirror image of `(k + 1/2)` units. */
const magnitudeOf = (k: bigint): bigint => (k < 0n ? -k - 1n : k);

/**
 * The argument of a normal function taken apart: unit segment, place of the middle of its cell of `2^-cellBits` (odd, in half cells), and
 * offset from there to the argument (odd, in half units of its last place). Undefined from 8 on, where nothing is left.
 */
function normalCell(
  k: bigint,
  cellBits: bigint,
  lowBits: bigint,
): { segment: number; tau: bigint; offset: bigint } | undefined {
  const magnitude = magnitudeOf(k);
  const cell = magnitude >> lowBits;
  if (cell >= 8n << cellBits) return undefined;
  const last = (1n << cellBits) - 1n;
  return {
    segment: Number(cell >> cellBits),
    tau: 2n * (cell & last) - last,
    offset: 2n * (magnitude & ((1n << lowBits) - 1n)) - ((1n << lowBits) - 1n),
  };
}

/** The value at the middle of the cell of 2^-12, and the slope there times the rest, for 0 or 8 further bits. */
function normalCdf(k: bigint, lowBits: 0n | 8n): bigint {
  const place = normalCell(k, 12n, lowBits);
  let tail = 0n;
  if (place !== undefined) {
    const { segment, tau, offset } = place;
    tail = evaluate(TAIL, segment, tau);
    if (lowBits > 0n) tail += evaluate(TAIL_SLOPE, segment, tau) * offset;
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

/** The same of a number in 2^-20. */
export function normalCdfFine(k: bigint): bigint {
  return normalCdf(k, 8n);
}

/** Scale exponent of {@link normalDensity}. */
export const DENSITY_SCALE = 79n;

/**
 * Density of the normal distribution at a number in 2^-20, taken at the middle of its last place, `(k + 1/2) 2^-20`: the value at
 * the middle of the cell of 2^-10, and the slope there times the rest.
 *
 * @returns in 2^-79; 0 from 6 on
 */
export function normalDensity(k: bigint): bigint {
  const place = normalCell(k, 10n, 10n);
  if (place === undefined) return 0n;
  const { segment, tau, offset } = place;
  return evaluate(DENSITY, segment, tau) + evaluate(DENSITY_SLOPE, segment, tau) * offset;
}
