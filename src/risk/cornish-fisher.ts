/**
 * The Cornish-Fisher expansion: a quantile from mean, deviation, skewness and kurtosis (E. Cornish and R.
 * Fisher, "Moments and cumulants in the specification of distributions", 1938), used as D. Maillard ("A
 * user's guide to the Cornish Fisher expansion", 2012) asks: inside the domain where it is a distribution at
 * all, and with parameters that give the distribution the wanted skewness and kurtosis, which are not those
 * numbers themselves.
 *
 *     x(z) = z + (z² - 1) S/6 + (z³ - 3z) K/24 - (2z³ - 5z) S²/36
 */
import { normalPdf } from '../math/float/normal.ts';
import { type Moments, normalQuantile } from '../math/float/statistics.ts';

/** The expansion in Hermite polynomials: `x = first z + second (z² - 1) + third (z³ - 3z)`. */
interface HermiteForm {
  readonly first: number;
  readonly second: number;
  readonly third: number;
}

function hermiteForm(skewness: number, kurtosis: number): HermiteForm {
  const square = skewness * skewness;
  return { first: 1 - square / 36, second: skewness / 6, third: kurtosis / 24 - square / 18 };
}

/** The expansion itself at a standard normal deviate, with parameters for skewness and excess kurtosis. */
export function cornishFisher(z: number, skewness: number, kurtosis: number): number {
  const { first, second, third } = hermiteForm(skewness, kurtosis);
  return first * z + second * (z * z - 1) + third * (z * z * z - 3 * z);
}

/**
 * True where the expansion rises in z, and so is a quantile function: `S²/9 - 4 (K/8 - S²/6) (1 - K/8 + 5
 * S²/36) <= 0` (Maillard 2012, section 3).
 */
export function cornishFisherIsValid(skewness: number, kurtosis: number): boolean {
  const square = skewness * skewness;
  const curve = kurtosis / 8 - square / 6;
  const slope = 1 - kurtosis / 8 + (5 * square) / 36;
  return curve >= 0 && slope >= 0 && square / 9 - 4 * curve * slope <= 1e-12;
}

/** Standard deviation, skewness and excess kurtosis that the expansion has for given parameters, exactly. */
export function cornishFisherMoments(
  skewness: number,
  kurtosis: number,
): { readonly standardDeviation: number; readonly skewness: number; readonly excessKurtosis: number } {
  const { first: a, second: b, third: c } = hermiteForm(skewness, kurtosis);
  // As a polynomial in z; moments of z are 0 for odd powers and (n - 1)!! for even ones.
  const base = [-b, a - 3 * c, b, c];
  const square = multiply(base, base);
  const variance = expectation(square);
  return {
    standardDeviation: Math.sqrt(variance),
    skewness: expectation(multiply(square, base)) / variance ** 1.5,
    excessKurtosis: expectation(multiply(square, square)) / (variance * variance) - 3,
  };
}

function multiply(left: readonly number[], right: readonly number[]): number[] {
  const product = new Array<number>(left.length + right.length - 1).fill(0);
  for (let i = 0; i < left.length; i++) {
    for (let j = 0; j < right.length; j++) product[i + j]! += left[i]! * right[j]!;
  }
  return product;
}

function expectation(polynomial: readonly number[]): number {
  let sum = 0;
  let moment = 1;
  for (let power = 0; power < polynomial.length; power += 2) {
    sum += polynomial[power]! * moment;
    moment *= power + 1;
  }
  return sum;
}

/**
 * Parameters whose distribution has the wanted skewness and excess kurtosis, by Newton's method along the way
 * from (0, 0); undefined where the domain of validity holds none.
 */
export function cornishFisherParameters(
  skewness: number,
  excessKurtosis: number,
): { readonly skewness: number; readonly kurtosis: number } | undefined {
  if (!Number.isFinite(skewness) || !Number.isFinite(excessKurtosis)) return undefined;
  let s = 0;
  let k = 0;
  const stages = 40;
  for (let stage = 1; stage <= stages; stage++) {
    const wanted = [(skewness * stage) / stages, (excessKurtosis * stage) / stages] as const;
    const miss = (x: number, y: number) => {
      const own = cornishFisherMoments(x, y);
      return [own.skewness - wanted[0], own.excessKurtosis - wanted[1]] as const;
    };
    for (let round = 0; round < 50; round++) {
      const [f, g] = miss(s, k);
      const size = Math.abs(f) + Math.abs(g);
      if (size < 1e-12) break;
      const h = 1e-6;
      const [fs, gs] = miss(s + h, k);
      const [fk, gk] = miss(s, k + h);
      const [a, b, c, d] = [(fs - f) / h, (fk - f) / h, (gs - g) / h, (gk - g) / h];
      const determinant = a * d - b * c;
      if (!(Math.abs(determinant) > 1e-12)) return undefined;
      const [ds, dk] = [(-d * f + b * g) / determinant, (c * f - a * g) / determinant];
      let share = 1;
      for (; share > 1e-6; share /= 2) {
        const [nextF, nextG] = miss(s + share * ds, k + share * dk);
        if (Math.abs(nextF) + Math.abs(nextG) < size) break;
      }
      if (share <= 1e-6) break;
      s += share * ds;
      k += share * dk;
    }
  }
  const own = cornishFisherMoments(s, k);
  const error = Math.abs(own.skewness - skewness) + Math.abs(own.excessKurtosis - excessKurtosis);
  if (!(error < 1e-6 * (1 + Math.abs(skewness) + Math.abs(excessKurtosis)))) return undefined;
  return cornishFisherIsValid(s, k) ? { skewness: s, kurtosis: k } : undefined;
}

/** Tail measures by the expansion. Both are absent where it is not valid. */
export type CornishFisherFigure =
  | {
      readonly valid: true;
      readonly valueAtRisk: number;
      readonly expectedShortfall: number;
      /** Parameters of the expansion that give the sample's skewness and kurtosis. */
      readonly parameters: { readonly skewness: number; readonly kurtosis: number };
    }
  | { readonly valid: false; readonly reason: string };

/**
 * VaR and ES of losses with given moments. ES is the mean of the expansion beyond its quantile, in closed
 * form: the integral of a Hermite polynomial times the normal density is the one before it times the density.
 */
export function cornishFisherTail(losses: Moments, level: number): CornishFisherFigure {
  if (losses.standardDeviation === 0) {
    return {
      valid: true,
      valueAtRisk: losses.mean,
      expectedShortfall: losses.mean,
      parameters: { skewness: 0, kurtosis: 0 },
    };
  }
  const parameters = cornishFisherParameters(losses.skewness, losses.excessKurtosis);
  if (parameters === undefined) {
    return {
      valid: false,
      reason: `no expansion that rises everywhere has skewness ${losses.skewness.toFixed(2)} and excess kurtosis ${losses.excessKurtosis.toFixed(2)}`,
    };
  }
  const { first, second, third } = hermiteForm(parameters.skewness, parameters.kurtosis);
  const own = cornishFisherMoments(parameters.skewness, parameters.kurtosis);
  const z = normalQuantile(level);
  const scale = losses.standardDeviation / own.standardDeviation;
  const tail = (normalPdf(z) * (first + second * z + third * (z * z - 1))) / (1 - level);
  return {
    valid: true,
    valueAtRisk: losses.mean + scale * cornishFisher(z, parameters.skewness, parameters.kurtosis),
    expectedShortfall: losses.mean + scale * tail,
    parameters,
  };
}
