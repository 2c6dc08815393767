/**
 * Fit of raw SVI to the volatilities of one expiry.
 *
 * Two stages. First the quasi-explicit method of S. De Marco and C. Martini ("Quasi-explicit calibration of Gatheral's
 * SVI model", Zeliade Systems white paper, 2009): for given m and σ the curve is linear in three numbers, found as the
 * exact optimum of a small convex quadratic programme, and a Nelder-Mead search runs over (m, σ) alone, from the best of a
 * fixed grid of starts. Then Levenberg-Marquardt on all five parameters, with the error in volatility instead of total
 * variance, Huber's weights against outliers, and penalties on static arbitrage. Nothing is random, so equal quotes give
 * equal parameters.
 */
import { requireFinite, ZkMarginError } from '../errors.ts';
import { solveLinear } from '../math/float/linear-solve.ts';
import { butterflyDensity } from './arbitrage.ts';
import { type SviParameters, sviSmile, sviTotalVariance, type VolatilityPoint } from './surface.ts';

/** Fewest different strikes that five parameters are fitted to. */
export const MIN_SVI_STRIKES = 5;
/**
 * Largest slope of total variance in either wing, `b(1 + |ρ|)`: beyond 2 the price has no finite first moment (R. Lee,
 * "The moment formula for implied volatility at extreme strikes", Mathematical Finance 14, 2004).
 */
export const MAX_WING_SLOPE = 2;
/** Most points that are fitted; more are averaged in as many bins first. */
const MAX_FITTED_POINTS = 800;
/** Standard deviations at the money on either side within which arbitrage is penalised. */
const PENALTY_WIDTH = 3.2;
const PENALTY_STEPS = 48;
/** Butterfly density and relative calendar distance that a penalised fit is to keep. */
const DENSITY_MARGIN = 2e-3;
const CALENDAR_MARGIN = 1e-4;
/** How much worse the fit may become, in volatility, for the sake of having no arbitrage. */
const ARBITRAGE_ALLOWANCE = 0.01;

/** One observed volatility with the width of its market. */
export interface SviPoint extends VolatilityPoint {
  /** Ask less bid, in volatility. Errors within half of it are never treated as outliers. */
  readonly spread?: number;
}

/** How {@link fitSvi} fits. */
export interface SviFitOptions {
  /** Total variance of the expiry before, in log-moneyness; the fit is drawn to lie above it. */
  readonly floor?: (logMoneyness: number) => number;
  /** Whether butterflies and calendars are penalised; true unless given. */
  readonly arbitrageFree?: boolean;
}

/** What a fit of SVI gave. Errors are model less quote in volatility: 0.01 is one vol point. */
export interface SviFit {
  readonly svi: SviParameters;
  /** Error at each point, in the order given. */
  readonly residuals: readonly number[];
  /** Root of the mean square error, weighted with squared vega. */
  readonly rms: number;
  /** Largest absolute error. */
  readonly max: number;
  /** Log-moneyness of the largest error. */
  readonly maxAt: number;
  /** The same rms before arbitrage was penalised. */
  readonly unpenalisedRms: number;
  /**
   * `none`: the best fit has no calendar within three standard deviations, and no butterfly there or where quotes are.
   * `removed`: it had some, and the fit given here has none. `kept`: removing it would have cost more than a vol point of
   * rms, or was not asked for, so it is still there.
   */
  readonly arbitrage: 'none' | 'removed' | 'kept';
  /** How often the curve was evaluated on all points. */
  readonly evaluations: number;
}

interface Fitted {
  readonly k: Float64Array;
  readonly volatility: Float64Array;
  readonly weight: Float64Array;
  readonly halfSpread: Float64Array;
  /** Vega over that at the money. */
  readonly rootVega: Float64Array;
  readonly years: number;
  /** A standard deviation at the money. */
  readonly deviation: number;
}

/**
 * Squared vega of a point relative to that at the money, the weight of its squared error; the floor keeps far wings from
 * being left out altogether.
 */
export function vegaWeight(logMoneyness: number, deviation: number): number {
  const d1 = -logMoneyness / deviation + 0.5 * deviation;
  return Math.exp(-d1 * d1) + 1e-8;
}

/**
 * Fits raw SVI with `a + bσ√(1-ρ²) > 0`, `|ρ| < 1`, `σ > 0` and `b(1 + |ρ|) <= 2`.
 *
 * Weights are those of the points times squared vega.
 *
 * @param points volatilities at five or more different log-moneynesses, in any order
 * @param years time to expiry
 * @throws ZkMarginError `NOT_ENOUGH_DATA`, `NOT_FINITE`, `OUT_OF_RANGE`, `FIT_FAILED`
 */
export function fitSvi(points: readonly SviPoint[], years: number, options: SviFitOptions = {}): SviFit {
  requireFinite(years, 1e-9, 1e3, 'years');
  for (let index = 0; index < points.length; index++) {
    const point = points[index]!;
    requireFinite(point.logMoneyness, -20, 20, `points[${index}].logMoneyness`);
    requireFinite(point.volatility, 1e-4, 100, `points[${index}].volatility`);
    requireFinite(point.weight ?? 1, 0, 1e12, `points[${index}].weight`);
    requireFinite(point.spread ?? 0, 0, 1e3, `points[${index}].spread`);
  }
  const strikes = new Set(points.map((point) => point.logMoneyness)).size;
  if (strikes < MIN_SVI_STRIKES) {
    throw new ZkMarginError(
      'NOT_ENOUGH_DATA',
      `Give usable volatilities at ${MIN_SVI_STRIKES} or more strikes.`,
      { field: 'points', details: { usable: strikes, needed: MIN_SVI_STRIKES } },
    );
  }
  const fitted = prepare(points, years);
  const counter = { evaluations: 0 };
  const robust = Float64Array.from(fitted.weight);
  let best = quasiExplicit(fitted, robust, counter);
  // Outliers are known only against a fit, and may have drawn it to themselves: hence again until none is found anew.
  for (let round = 0; round < 10; round++) {
    if (!downweightOutliers(fitted, best, robust)) break;
    best = quasiExplicit(fitted, robust, counter, best);
  }
  for (let round = 0; round < 3; round++) {
    best = polish(fitted, robust, best, counter, 0, undefined);
    if (!downweightOutliers(fitted, best, robust)) break;
  }
  const unpenalisedRms = rmsOf(fitted, best);
  let arbitrage: SviFit['arbitrage'] = 'none';
  if (!isFree(best, fitted, options.floor)) {
    arbitrage = 'kept';
    if (options.arbitrageFree !== false) {
      const free = removeArbitrage(fitted, robust, best, counter, options.floor);
      if (free !== undefined) {
        best = free;
        arbitrage = 'removed';
      }
    }
  }
  if (!Object.values(best).every(Number.isFinite)) {
    throw new ZkMarginError('FIT_FAILED', 'No SVI curve fits these volatilities; check them for outliers.', {
      field: 'points',
    });
  }
  const residuals = points.map(
    (point) => Math.sqrt(Math.max(0, sviTotalVariance(best, point.logMoneyness)) / years) - point.volatility,
  );
  let [squares, total, max, maxAt] = [0, 0, -1, 0];
  for (let index = 0; index < points.length; index++) {
    const { logMoneyness } = points[index]!;
    const weight = vegaWeight(logMoneyness, points[index]!.volatility * Math.sqrt(years));
    const error = Math.abs(residuals[index]!);
    squares += weight * error * error;
    total += weight;
    if (error > max) [max, maxAt] = [error, logMoneyness];
  }
  return {
    svi: best,
    residuals,
    rms: Math.sqrt(squares / total),
    max,
    maxAt,
    unpenalisedRms,
    arbitrage,
    evaluations: counter.evaluations,
  };
}

/** Weights and scales of the points, averaged in bins when there are very many. */
function prepare(points: readonly SviPoint[], years: number): Fitted {
  const root = Math.sqrt(years);
  const sorted = [...points].sort((a, b) => a.logMoneyness - b.logMoneyness);
  const bin = Math.max(1, Math.ceil(sorted.length / MAX_FITTED_POINTS));
  const size = Math.ceil(sorted.length / bin);
  const k = new Float64Array(size);
  const volatility = new Float64Array(size);
  const weight = new Float64Array(size);
  const halfSpread = new Float64Array(size);
  for (let target = 0; target < size; target++) {
    let total = 0;
    let members = 0;
    for (let index = target * bin; index < Math.min(sorted.length, (target + 1) * bin); index++) {
      const point = sorted[index]!;
      const own =
        (point.weight ?? 1) * vegaWeight(point.logMoneyness, point.volatility * root) + Number.MIN_VALUE;
      total += own;
      members++;
      k[target]! += own * point.logMoneyness;
      volatility[target]! += own * point.volatility;
      halfSpread[target]! += 0.5 * (point.spread ?? 0);
    }
    k[target]! /= total;
    volatility[target]! /= total;
    halfSpread[target]! /= members;
    weight[target] = total;
  }
  const sum = weight.reduce((left, right) => left + right, 0);
  for (let index = 0; index < size; index++) weight[index]! /= sum;
  // A deviation at the money from the quotes nearest to it.
  let nearest = 0;
  for (let index = 1; index < size; index++) if (Math.abs(k[index]!) < Math.abs(k[nearest]!)) nearest = index;
  const rootVega = Float64Array.from(k, (at, index) => Math.sqrt(vegaWeight(at, volatility[index]! * root)));
  return { k, volatility, weight, halfSpread, rootVega, years, deviation: volatility[nearest]! * root };
}

function rmsOf(fitted: Fitted, svi: SviParameters): number {
  let squares = 0;
  for (let index = 0; index < fitted.k.length; index++) {
    squares += fitted.weight[index]! * errorAt(fitted, svi, index) ** 2;
  }
  return Math.sqrt(squares);
}

function errorAt(fitted: Fitted, svi: SviParameters, index: number): number {
  const variance = Math.max(0, sviTotalVariance(svi, fitted.k[index]!));
  return Math.sqrt(variance / fitted.years) - fitted.volatility[index]!;
}

/**
 * Huber's weights: an error counts in full up to a bound, and linearly beyond (P. J. Huber, "Robust estimation of a
 * location parameter", 1964). Errors are compared as prices, that is times vega over vega at the money, so that the
 * misfit of a far wing is no outlier. The bound is three times the weighted median error, brought to the scale of a
 * normal deviation, and never less than half the spread of the quote or a hundredth of the volatility at the money.
 *
 * @returns whether some weight changed by more than 2 per cent
 */
function downweightOutliers(fitted: Fitted, svi: SviParameters, into: Float64Array): boolean {
  const { rootVega, weight, halfSpread, years, deviation } = fitted;
  const errors = Array.from(rootVega, (vega, index) => ({
    weight: weight[index]!,
    error: vega * Math.abs(errorAt(fitted, svi, index)),
  }));
  let below = 0;
  let median = 0;
  for (const point of [...errors].sort((a, b) => a.error - b.error)) {
    below += point.weight;
    median = point.error;
    if (below >= 0.5) break;
  }
  const bound = Math.max(3 * 1.4826 * median, (0.01 * deviation) / Math.sqrt(years));
  let changed = false;
  for (let index = 0; index < errors.length; index++) {
    const { weight: full, error } = errors[index]!;
    const limit = Math.max(bound, rootVega[index]! * halfSpread[index]!);
    const next = full * (error <= limit ? 1 : limit / error);
    if (Math.abs(next - into[index]!) > 0.02 * full) changed = true;
    into[index] = next;
  }
  return changed;
}

// --- First stage: quasi-explicit ------------------------------------------------------------------------------------

interface Counter {
  evaluations: number;
}

/**
 * Where m and log σ are looked for. A σ far above the range of quotes gives curves that cannot be told apart, with a and
 * bσ nearly cancelling; one far below makes a kink.
 */
function searchBounds({ k, deviation }: Fitted) {
  const low = Math.min(k[0]!, -deviation);
  const high = Math.max(k[k.length - 1]!, deviation);
  const range = high - low;
  return { low, high, range, sigmaLow: Math.log(0.01 * deviation), sigmaHigh: Math.log(2 * range) };
}

function quasiExplicit(
  fitted: Fitted,
  weights: Float64Array,
  counter: Counter,
  near?: SviParameters,
): SviParameters {
  const { k, deviation, years, volatility } = fitted;
  const { low, high, range, sigmaLow, sigmaHigh } = searchBounds(fitted);
  const size = k.length;
  const target = Float64Array.from(volatility, (value) => value * value * years);
  // An error of total variance is 2σT times that of volatility.
  const linearWeight = Float64Array.from(weights, (weight, index) => {
    const slope = 2 * volatility[index]! * years;
    return weight / (slope * slope);
  });
  const floor = 1e-6 * deviation * deviation;

  const evaluate = (m: number, logSigma: number): { cost: number; svi: SviParameters } => {
    counter.evaluations++;
    const sigma = Math.exp(logSigma);
    const hessian = new Float64Array(9);
    const gradient = new Float64Array(3);
    for (let index = 0; index < size; index++) {
      const weight = linearWeight[index]!;
      const y = (k[index]! - m) / sigma;
      // √(1+y²) - 1 without cancellation. Its column is nearly orthogonal to the constant one, unlike √(1+y²).
      const h = (y * y) / (1 + Math.sqrt(1 + y * y));
      const value = target[index]!;
      hessian[0]! += weight;
      hessian[1]! += weight * y;
      hessian[2]! += weight * h;
      hessian[4]! += weight * y * y;
      hessian[5]! += weight * y * h;
      hessian[8]! += weight * h * h;
      gradient[0]! += weight * value;
      gradient[1]! += weight * y * value;
      gradient[2]! += weight * h * value;
    }
    hessian[3] = hessian[1]!;
    hessian[6] = hessian[2]!;
    hessian[7] = hessian[5]!;
    const [base, d, c] = solveWings(hessian, gradient, sigma, floor);
    let cost = 0;
    for (let index = 0; index < size; index++) {
      const y = (k[index]! - m) / sigma;
      const h = (y * y) / (1 + Math.sqrt(1 + y * y));
      const error = base + d * y + c * h - target[index]!;
      cost += linearWeight[index]! * error * error;
    }
    const rho = c > 0 ? Math.min(Math.max(d / c, -0.9999), 0.9999) : 0;
    return { cost, svi: { a: base - c, b: c / sigma, rho, m, sigma } };
  };
  const bounded = (point: readonly [number, number]): number => {
    const [m, logSigma] = point;
    const outside =
      Math.max(0, low - range - m, m - high - range) / range +
      Math.max(0, sigmaLow - logSigma, logSigma - sigmaHigh);
    if (outside > 0) return 1e6 * (1 + outside);
    return evaluate(m, logSigma).cost;
  };

  const starts: { point: [number, number]; cost: number }[] = [];
  if (near === undefined) {
    for (let column = 0; column <= 6; column++) {
      for (const relative of [0.05, 0.2, 0.6, 1.5, 4]) {
        const point: [number, number] = [low + (range * column) / 6, Math.log(relative * deviation)];
        starts.push({ point, cost: bounded(point) });
      }
    }
    starts.sort((a, b) => a.cost - b.cost);
  } else {
    const logSigma = Math.min(Math.max(Math.log(near.sigma), sigmaLow), sigmaHigh);
    starts.push({ point: [near.m, logSigma], cost: 0 });
  }
  let best: { point: [number, number]; cost: number } | undefined;
  for (const start of starts.slice(0, 3)) {
    const found = nelderMead(bounded, start.point, [0.3 * deviation, 0.4], 60);
    if (best === undefined || found.cost < best.cost) best = found;
  }
  return evaluate(...best!.point).svi;
}

/**
 * Minimises `½ xᵀHx - gᵀx` over `x = (w(m), d, c)` with `c >= |d|`, `c + |d| <= 2σ` and `w(y) >= floor` everywhere.
 *
 * The last is the cone `w(m) - c + √(c² - d²) >= floor`, which is convex; it is met by adding, one after the other, the
 * plane that touches it where the curve is lowest.
 */
function solveWings(
  hessian: Float64Array,
  gradient: Float64Array,
  sigma: number,
  floor: number,
): [number, number, number] {
  const slope = MAX_WING_SLOPE * sigma;
  const planes: number[][] = [
    [0, 1, 1, 0],
    [0, -1, 1, 0],
    [0, 1, -1, -slope],
    [0, -1, -1, -slope],
  ];
  let solution: [number, number, number] = [gradient[0]! / hessian[0]!, 0, 0];
  for (let cut = 0; cut < 8; cut++) {
    solution = convexQuadratic(hessian, gradient, planes) ?? solution;
    const [base, d, c] = solution;
    const inner = Math.sqrt(Math.max(0, c * c - d * d));
    const lowest = base - c + inner;
    if (lowest >= floor * 0.999) break;
    if (inner > 1e-9 * c) {
      const y = -d / inner;
      planes.push([1, y, (y * y) / (1 + Math.sqrt(1 + y * y)), floor]);
    } else {
      planes.push([1, 0, -1, floor]);
    }
  }
  const [base, d, c] = solution;
  const lowest = base - c + Math.sqrt(Math.max(0, c * c - d * d));
  return [lowest < floor ? base + floor - lowest : base, d, c];
}

/**
 * The optimum of a quadratic programme in three variables by trying sets of active planes `p·x >= q`, smallest first. The
 * programme is convex, so the first point that meets all planes with multipliers of the right sign is the optimum.
 */
function convexQuadratic(
  hessian: Float64Array,
  gradient: Float64Array,
  planes: readonly number[][],
): [number, number, number] | undefined {
  const attempt = (active: readonly number[]): [number, number, number] | undefined => {
    const size = 3 + active.length;
    const matrix = Array.from({ length: size }, () => new Float64Array(size + 1));
    // Columns are scaled to a unit diagonal; the ridge decides between curves that the quotes cannot tell apart.
    const scale = [0, 4, 8].map((at) => 1 / Math.sqrt(Math.max(hessian[at]!, 1e-300)));
    for (let row = 0; row < 3; row++) {
      for (let column = 0; column < 3; column++) {
        matrix[row]![column] = hessian[3 * row + column]! * scale[row]! * scale[column]!;
      }
      matrix[row]![row]! += 1e-13;
      matrix[row]![size] = gradient[row]! * scale[row]!;
      for (let index = 0; index < active.length; index++) {
        const value = planes[active[index]!]![row]! * scale[row]!;
        matrix[row]![3 + index] = -value;
        matrix[3 + index]![row] = value;
      }
    }
    for (let index = 0; index < active.length; index++)
      matrix[3 + index]![size] = planes[active[index]!]![3]!;
    const solved = solveLinear(matrix);
    if (solved === undefined) return undefined;
    for (let index = 0; index < active.length; index++) if (!(solved[3 + index]! >= -1e-12)) return undefined;
    const x: [number, number, number] = [
      solved[0]! * scale[0]!,
      solved[1]! * scale[1]!,
      solved[2]! * scale[2]!,
    ];
    const size1 = Math.abs(x[0]) + Math.abs(x[1]) + Math.abs(x[2]) + 1e-300;
    for (let index = 0; index < planes.length; index++) {
      if (active.includes(index)) continue;
      const [p0, p1, p2, q] = planes[index]!;
      const slack = p0! * x[0] + p1! * x[1] + p2! * x[2] - q!;
      if (!(slack >= -1e-10 * size1)) return undefined;
    }
    return x;
  };
  const free = attempt([]);
  if (free !== undefined) return free;
  const count = planes.length;
  for (let first = 0; first < count; first++) {
    const found = attempt([first]);
    if (found !== undefined) return found;
  }
  for (let first = 0; first < count; first++) {
    for (let second = first + 1; second < count; second++) {
      const found = attempt([first, second]);
      if (found !== undefined) return found;
    }
  }
  for (let first = 0; first < count; first++) {
    for (let second = first + 1; second < count; second++) {
      for (let third = second + 1; third < count; third++) {
        const found = attempt([first, second, third]);
        if (found !== undefined) return found;
      }
    }
  }
  return undefined;
}

/** Nelder and Mead's simplex search in two dimensions ("A simplex method for function minimization", 1965). */
function nelderMead(
  cost: (point: readonly [number, number]) => number,
  start: readonly [number, number],
  step: readonly [number, number],
  iterations: number,
): { point: [number, number]; cost: number } {
  type Vertex = { point: [number, number]; cost: number };
  const vertex = (x: number, y: number): Vertex => ({ point: [x, y], cost: cost([x, y]) });
  const simplex = [
    vertex(start[0], start[1]),
    vertex(start[0] + step[0], start[1]),
    vertex(start[0], start[1] + step[1]),
  ];
  for (let iteration = 0; iteration < iterations; iteration++) {
    simplex.sort((a, b) => a.cost - b.cost);
    const [best, middle, worst] = simplex as [Vertex, Vertex, Vertex];
    if (worst.cost - best.cost <= 1e-10 * (best.cost + 1e-14)) break;
    const centre = [(best.point[0] + middle.point[0]) / 2, (best.point[1] + middle.point[1]) / 2] as const;
    const along = (factor: number) =>
      vertex(
        centre[0] + factor * (worst.point[0] - centre[0]),
        centre[1] + factor * (worst.point[1] - centre[1]),
      );
    const reflected = along(-1);
    if (reflected.cost < best.cost) {
      const expanded = along(-2);
      simplex[2] = expanded.cost < reflected.cost ? expanded : reflected;
    } else if (reflected.cost < middle.cost) {
      simplex[2] = reflected;
    } else {
      const contracted = along(reflected.cost < worst.cost ? -0.5 : 0.5);
      if (contracted.cost < Math.min(reflected.cost, worst.cost)) simplex[2] = contracted;
      else {
        for (const index of [1, 2] as const) {
          const { point } = simplex[index]!;
          simplex[index] = vertex((point[0] + best.point[0]) / 2, (point[1] + best.point[1]) / 2);
        }
      }
    }
  }
  return simplex.sort((a, b) => a.cost - b.cost)[0]!;
}

// --- Second stage: Levenberg-Marquardt ------------------------------------------------------------------------------

/**
 * Five numbers without bounds in place of SVI's, so that every step stays admissible: log of the lowest variance, slope of
 * the wings, ρ, m, log σ.
 */
function toFree(svi: SviParameters, deviation: number): number[] {
  const rho = Math.min(Math.max(svi.rho, -0.9985), 0.9985);
  const lowest = svi.a + svi.b * svi.sigma * Math.sqrt(1 - rho * rho);
  const share = (svi.b * (1 + Math.abs(rho))) / MAX_WING_SLOPE;
  const bounded = Math.min(Math.max(share, 1e-8), 1 - 1e-6);
  return [
    Math.log(Math.max(lowest, 1e-6 * deviation * deviation)),
    Math.log(bounded / (1 - bounded)),
    Math.atanh(rho / 0.999),
    svi.m / deviation,
    Math.log(svi.sigma),
  ];
}

function fromFree(free: readonly number[], deviation: number): SviParameters {
  const rho = 0.999 * Math.tanh(free[2]!);
  const b = MAX_WING_SLOPE / (1 + Math.exp(-free[1]!)) / (1 + Math.abs(rho));
  const sigma = Math.exp(free[4]!);
  return {
    a: Math.exp(free[0]!) - b * sigma * Math.sqrt(1 - rho * rho),
    b,
    rho,
    m: free[3]! * deviation,
    sigma,
  };
}

function removeArbitrage(
  fitted: Fitted,
  weights: Float64Array,
  start: SviParameters,
  counter: Counter,
  floor: SviFitOptions['floor'],
): SviParameters | undefined {
  const most = rmsOf(fitted, start) + ARBITRAGE_ALLOWANCE;
  let current = start;
  for (let penalty = 1e-2; penalty <= 1e6; penalty *= 10) {
    current = polish(fitted, weights, current, counter, penalty, floor);
    // A heavier penalty only costs more.
    if (rmsOf(fitted, current) > most) return undefined;
    if (isFree(current, fitted, floor)) return current;
  }
  return undefined;
}

/** A grid on which arbitrage is looked for: so many standard deviations, and as far as `range` goes. */
function penaltyGrid(deviation: number, width: number, range: readonly [number, number] = [0, 0]): number[] {
  const low = Math.min(-width * deviation, range[0]);
  const high = Math.max(width * deviation, range[1]);
  const step = Math.max((width * deviation) / PENALTY_STEPS, (high - low) / (8 * PENALTY_STEPS));
  const grid: number[] = [];
  for (let index = Math.floor(low / step); index * step <= high; index++) grid.push(index * step);
  return grid;
}

/** Log-moneyness of the first and the last quote. */
function rangeOf({ k }: Fitted): [number, number] {
  return [k[0]!, k[k.length - 1]!];
}

/** Butterflies are looked for wherever there are quotes, calendars within three standard deviations. */
function isFree(svi: SviParameters, fitted: Fitted, floor: SviFitOptions['floor']): boolean {
  const smile = sviSmile(svi, fitted.years, { name: '', years: fitted.years, forward: 1 });
  const width = Math.max(smile.deviation, fitted.deviation);
  for (const k of penaltyGrid(width, 3.05, rangeOf(fitted))) {
    if (butterflyDensity(k, smile.totalVariance(k)) < 0) return false;
  }
  if (floor === undefined) return true;
  return penaltyGrid(width, 3.05).every((k) => smile.totalVariance(k)[0] >= floor(k));
}

/** Levenberg-Marquardt (D. W. Marquardt, 1963) with a Jacobian of forward differences. */
function polish(
  fitted: Fitted,
  weights: Float64Array,
  start: SviParameters,
  counter: Counter,
  penalty: number,
  floor: SviFitOptions['floor'],
): SviParameters {
  const { k, years, deviation } = fitted;
  const size = k.length;
  const grid = penalty > 0 ? penaltyGrid(deviation, PENALTY_WIDTH, rangeOf(fitted)) : [];
  const calendarGrid = penalty > 0 && floor !== undefined ? penaltyGrid(deviation, PENALTY_WIDTH) : [];
  const below = calendarGrid.map((at) => floor!(at));
  const count = size + grid.length + calendarGrid.length;
  const { low, high, range, sigmaLow, sigmaHigh } = searchBounds(fitted);
  // Numbers that no quote feels may wander; they are held where exponentials stay finite.
  const lower = [-60, -60, -20, (low - range) / deviation, sigmaLow];
  const upper = [20, 20, 20, (high + range) / deviation, sigmaHigh];
  const root = Math.sqrt(penalty / Math.max(1, grid.length));
  const rootWeights = Float64Array.from(weights, Math.sqrt);
  const residuals = (free: readonly number[], into: Float64Array): number => {
    counter.evaluations++;
    const svi = fromFree(free, deviation);
    let cost = 0;
    for (let index = 0; index < size; index++) {
      into[index] = rootWeights[index]! * errorAt(fitted, svi, index);
      cost += into[index]! ** 2;
    }
    if (grid.length > 0) {
      const smile = sviSmile(svi, years, { name: '', years, forward: 1 });
      for (let index = 0; index < grid.length; index++) {
        const at = grid[index]!;
        const variance = smile.totalVariance(at);
        const lack = Math.min(0, butterflyDensity(at, variance) - DENSITY_MARGIN);
        into[size + index] = 0.1 * root * lack;
        cost += into[size + index]! ** 2;
      }
      for (let index = 0; index < calendarGrid.length; index++) {
        const [variance] = smile.totalVariance(calendarGrid[index]!);
        // As volatility, so that it weighs like an error of the fit.
        const needed = below[index]! * (1 + CALENDAR_MARGIN) + CALENDAR_MARGIN * 1e-3 * deviation * deviation;
        const short = variance < needed ? Math.sqrt(needed / years) - Math.sqrt(variance / years) : 0;
        into[size + grid.length + index] = 3 * root * short;
        cost += into[size + grid.length + index]! ** 2;
      }
    }
    return Number.isFinite(cost) ? cost : Number.POSITIVE_INFINITY;
  };

  let current = toFree(start, deviation);
  let values = new Float64Array(count);
  let trial = new Float64Array(count);
  let cost = residuals(current, values);
  const initial = cost;
  let damping = 1e-3;
  const jacobian = Array.from({ length: 5 }, () => new Float64Array(count));
  for (let iteration = 0; iteration < 60; iteration++) {
    for (let parameter = 0; parameter < 5; parameter++) {
      const step = 1e-6;
      const moved = [...current];
      moved[parameter]! += step;
      const column = jacobian[parameter]!;
      residuals(moved, column);
      for (let index = 0; index < count; index++) column[index] = (column[index]! - values[index]!) / step;
    }
    const normal = jacobian.map((left) => jacobian.map((right) => dot(left, right)));
    const slope = jacobian.map((left) => dot(left, values));
    // A number at its bound that would leave it stands still, or the step of the others would count on it.
    const held = slope.map(
      (value, index) =>
        (value > 0 && current[index]! <= lower[index]!) || (value < 0 && current[index]! >= upper[index]!),
    );
    let moved = false;
    let gain = 0;
    for (let tries = 0; tries < 12; tries++) {
      const matrix = normal.map((row, index) => {
        if (held[index]) return Float64Array.from({ length: 6 }, (_, column) => (column === index ? 1 : 0));
        const line = Float64Array.of(
          ...row.map((value, column) => (held[column] ? 0 : value)),
          -slope[index]!,
        );
        line[index]! += damping * (row[index]! + 1e-12 * (normal[0]![0]! + 1e-12));
        return line;
      });
      const step = solveLinear(matrix);
      if (step !== undefined) {
        const length = Math.max(...step.map(Math.abs));
        const shrink = length > 2 ? 2 / length : 1;
        const limited = current.map((value, index) =>
          Math.min(Math.max(value + shrink * step[index]!, lower[index]!), upper[index]!),
        );
        const found = residuals(limited, trial);
        if (found < cost) {
          gain = cost - found;
          current = limited;
          cost = found;
          [values, trial] = [trial, values];
          damping = Math.max(damping / 8, 1e-12);
          moved = true;
          break;
        }
      }
      damping *= 6;
    }
    if (!moved || gain <= 1e-12 * cost || cost < 1e-22) break;
  }
  if (!(cost < initial) && penalty === 0) return start;
  return fromFree(current, deviation);
}

function dot(left: Float64Array, right: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < left.length; index++) sum += left[index]! * right[index]!;
  return sum;
}
