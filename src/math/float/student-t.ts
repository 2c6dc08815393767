/**
 * Student's t distribution in double precision, with what it needs: the logarithm of the gamma function and
 * the regularised incomplete beta function.
 *
 * Measured against an arbitrary-precision library for degrees of freedom from 1 to 1e6 and tails from 0.5
 * down to 1e-12: distribution function and quantile have a relative error below 1e-12 (see the test beside).
 */
import { requireFinite } from '../../errors.ts';
import { normalCdf, normalPdf } from './normal.ts';
import { normalQuantile } from './statistics.ts';

/** From here on the t distribution is taken by its expansion about the normal one. */
const NEARLY_NORMAL = 1e4;
const LOG_SQRT_TWO_PI = 0.9189385332046727;

const LANCZOS = [
  0.9999999999998099, 676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406,
  12.507343278686905, -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
] as const;

/**
 * Natural logarithm of the gamma function for `x > 0`: Lanczos' approximation with g = 7 and nine terms (P.
 * Godfrey's coefficients). Absolute error below 1e-14 times the larger of 1 and the result.
 */
export function logGamma(x: number): number {
  if (!(x > 0)) return x === 0 ? Number.POSITIVE_INFINITY : Number.NaN;
  if (x === Number.POSITIVE_INFINITY) return x;
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const shifted = x - 1;
  let sum: number = LANCZOS[0];
  for (let term = 1; term < LANCZOS.length; term++) sum += LANCZOS[term]! / (shifted + term);
  const base = shifted + 7.5;
  return LOG_SQRT_TWO_PI + (shifted + 0.5) * Math.log(base) - base + Math.log(sum);
}

/**
 * `ln Γ(a + b) - ln Γ(a)` for `a > 0`, `b >= 0`, without the cancellation of two large logarithms: from
 * Stirling's series (M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions", 6.1.41) when `a` is
 * large.
 */
export function logGammaIncrement(a: number, b: number): number {
  if (a < 20) return logGamma(a + b) - logGamma(a);
  const series = (x: number) => {
    const square = 1 / (x * x);
    return (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188)))) / x;
  };
  return (a - 0.5) * Math.log1p(b / a) + b * Math.log(a + b) - b + series(a + b) - series(a);
}

/** `ln B(a, b)` for positive arguments. */
export function logBeta(a: number, b: number): number {
  const [small, large] = a < b ? [a, b] : [b, a];
  return logGamma(small) - logGammaIncrement(large, small);
}

/**
 * Regularised incomplete beta function `I_x(a, b)`: the continued fraction of Abramowitz and Stegun 26.5.8 by
 * Lentz' method, as in W. Press et al., "Numerical Recipes", section 6.4. NaN outside `0 <= x <= 1`, `a, b >
 * 0`.
 *
 * @param complement `1 - x`, for a caller who has it without rounding
 */
export function regularisedIncompleteBeta(x: number, a: number, b: number, complement = 1 - x): number {
  if (!(x >= 0 && complement >= 0 && a > 0 && b > 0)) return Number.NaN;
  if (x === 0) return 0;
  if (complement === 0) return 1;
  const front = Math.exp(a * logOf(x, complement) + b * logOf(complement, x) - logBeta(a, b));
  // The fraction converges fast on the near side of the mean; the other side is its mirror image.
  if (x * (a + b + 2) < a + 1) return (front * betaFraction(x, a, b)) / a;
  return 1 - (front * betaFraction(complement, b, a)) / b;
}

/** ln x, from the complement where x is near 1. */
function logOf(x: number, complement: number): number {
  return complement < 0.5 ? Math.log1p(-complement) : Math.log(x);
}

function betaFraction(x: number, a: number, b: number): number {
  const tiny = 1e-300;
  const keep = (value: number) => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / keep(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m < 100_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / keep(1 + even * d);
    c = keep(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / keep(1 + odd * d);
    c = keep(1 + odd / c);
    const factor = d * c;
    fraction *= factor;
    if (Math.abs(factor - 1) < 2e-16) break;
  }
  return fraction;
}

/** Density of Student's t distribution with `nu > 0` degrees of freedom; normal for an infinite `nu`. */
export function studentTPdf(t: number, nu: number): number {
  if (nu === Number.POSITIVE_INFINITY) return normalPdf(t);
  if (!(nu > 0) || Number.isNaN(t)) return Number.NaN;
  const constant = logGammaIncrement(nu / 2, 0.5) - 0.5 * Math.log(nu * Math.PI);
  return Math.exp(constant - ((nu + 1) / 2) * Math.log1p((t / nu) * t));
}

/**
 * Probability that a t variate with `nu > 0` degrees of freedom is at most `t`; normal for an infinite `nu`.
 */
export function studentTCdf(t: number, nu: number): number {
  if (!(nu > 0) || Number.isNaN(t)) return Number.NaN;
  if (t === 0) return 0.5;
  const tail = upperTail(Math.abs(t), nu);
  return t > 0 ? 1 - tail : tail;
}

/** `P(T > t)` for `t > 0`. */
function upperTail(t: number, nu: number): number {
  if (nu === Number.POSITIVE_INFINITY) return normalCdf(-t);
  if (t === Number.POSITIVE_INFINITY) return 0;
  if (nu > NEARLY_NORMAL) return normalCdf(-normalEquivalent(t, nu));
  const square = t * t;
  if (square === Number.POSITIVE_INFINITY) {
    // Far out the density is a power of t alone.
    return Math.exp(Math.log(studentTPdf(1e150, nu)) - nu * Math.log(t / 1e150) + Math.log(1e150 / nu));
  }
  return 0.5 * regularisedIncompleteBeta(nu / (nu + square), nu / 2, 0.5, square / (nu + square));
}

/**
 * The normal deviate with the same tail, for many degrees of freedom (G. W. Hill, "Algorithm 395: Student's
 * t-distribution", Communications of the ACM 13, 1970).
 */
function normalEquivalent(t: number, nu: number): number {
  const a = nu - 0.5;
  const b = 48 * a * a;
  const y = a * Math.log1p((t / nu) * t);
  const correction = (((-0.4 * y - 3.3) * y - 24) * y - 85.5) / (0.8 * y * y + 100 + b);
  return ((correction + y + 3) / b + 1) * Math.sqrt(y);
}

/**
 * Quantile of Student's t distribution.
 *
 * @param probability in (0, 1); 0 and 1 give infinities
 * @param nu degrees of freedom, positive; an infinite number gives the normal quantile
 * @throws ZkMarginError `NOT_FINITE`, `OUT_OF_RANGE` for arguments outside these ranges
 */
export function studentTQuantile(probability: number, nu: number): number {
  requireFinite(probability, 0, 1, 'probability');
  requireDegrees(nu, 0);
  if (probability === 0.5) return 0;
  const tail = Math.min(probability, 1 - probability);
  if (tail === 0) return probability === 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (nu === Number.POSITIVE_INFINITY) return normalQuantile(probability);
  const positive = tail > 0.25 ? middleQuantile(0.5 - tail, nu) : tailQuantile(tail, nu);
  return probability < 0.5 ? -positive : positive;
}

/** Newton from 0: the distribution function is concave there, so the steps approach from below. */
function middleQuantile(area: number, nu: number): number {
  let t = 0;
  for (let round = 0; round < 100; round++) {
    const step = (area - (0.5 - (t === 0 ? 0.5 : upperTail(t, nu)))) / studentTPdf(t, nu);
    t += step;
    if (Math.abs(step) <= 2e-16 * t) break;
  }
  return t;
}

/** Newton on ln(tail) as a function of ln(t): it is concave and falling, so the steps approach from above. */
function tailQuantile(tail: number, nu: number): number {
  let u = Math.log(-normalQuantile(tail));
  for (let round = 0; round < 200; round++) {
    const t = Math.exp(u);
    const own = upperTail(t, nu);
    const step = ((Math.log(own) - Math.log(tail)) * own) / (t * studentTPdf(t, nu));
    if (!Number.isFinite(step)) break;
    u += step;
    if (Math.abs(step) < 1e-15) break;
  }
  return Math.exp(u);
}

/**
 * Expected shortfall of a loss that follows Student's t distribution with scale 1: the mean beyond the
 * quantile `t_a`, `f(t_a) / (1 - a) (nu + t_a²) / (nu - 1)` (A. McNeil, R. Frey and P. Embrechts,
 * "Quantitative Risk Management", 2005, example 2.19). Times `sqrt((nu - 2) / nu)` it is that of a loss with
 * variance 1.
 *
 * @param level in (0, 1)
 * @param nu degrees of freedom, above 1; an infinite number gives the normal case
 * @throws ZkMarginError `NOT_FINITE`, `OUT_OF_RANGE` for arguments outside these ranges
 */
export function studentTExpectedShortfall(level: number, nu: number): number {
  requireFinite(level, Number.MIN_VALUE, 1 - Number.EPSILON / 2, 'level');
  requireDegrees(nu, 1);
  const t = studentTQuantile(level, nu);
  const mean = studentTPdf(t, nu) / (1 - level);
  return nu === Number.POSITIVE_INFINITY ? mean : (mean * (nu + t * t)) / (nu - 1);
}

function requireDegrees(nu: number, above: number): void {
  if (nu === Number.POSITIVE_INFINITY) return;
  requireFinite(nu, above + Number.EPSILON, Number.MAX_VALUE, 'degreesOfFreedom');
}
