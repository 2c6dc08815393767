/**
 * Market moves over a horizon, by three methods. All are pure: the same history and seed give the same moves.
 */
import { requireFinite, requireInteger, ZkMarginError } from '../errors.ts';
import type { MarketMove } from '../market/move.ts';
import { type RandomStream, randomStream } from '../math/float/random.ts';
import { cholesky, mahalanobisSquared, secondMoments } from '../math/float/statistics.ts';
import { logGammaIncrement } from '../math/float/student-t.ts';
import type { Dependence } from './estimators.ts';
import { type Factor, factorsOf, type ReturnHistory, windowStarts } from './history.ts';
import { checkVolatilityModel, filterVariance, type VolatilityModel } from './volatility.ts';

/** Most paths of one simulation. */
const MAX_PATHS = 2_000_000;
/**
 * Largest absolute log change of a variable in one simulated step, unless another is given: a factor of 7.4.
 */
export const DEFAULT_LARGEST_STEP = 2;

/** Moves over one horizon. */
export interface ScenarioSet {
  readonly count: number;
  /** Number of underlyings. */
  readonly width: number;
  /** For each move `width` log returns, then `width` relative changes of vols. */
  readonly moves: Float64Array;
  readonly days: number;
  /** For each move the end of its window, in seconds since 1970-01-01 UTC; undefined for simulated moves. */
  readonly times: Float64Array | undefined;
  /** Steps of history that the moves were made from. */
  readonly observations: number;
  readonly dependence: Dependence;
  /** True for moves that were drawn. */
  readonly simulated: boolean;
  /** Filtered or simulated steps that were cut to the largest step. */
  readonly clipped: number;
}

/** The move of a place in a set. */
export function moveAt(set: ScenarioSet, index: number): MarketMove {
  const { width, moves, days } = set;
  const start = 2 * width * index;
  return {
    logReturns: Array.from(moves.subarray(start, start + width)),
    volShifts: Array.from(moves.subarray(start + width, start + 2 * width)),
    days,
  };
}

/**
 * Historical simulation: the moves of all overlapping windows, as they were (their mean included).
 *
 * @throws ZkMarginError `NOT_ENOUGH_DATA` when no unbroken run holds a window
 */
export function historicalScenarios(history: ReturnHistory, steps: number, days: number): ScenarioSet {
  return windowScenarios(history, factorsOf(history), steps, days);
}

/** Sums of the factors' changes over all windows. */
function windowScenarios(
  history: ReturnHistory,
  factors: readonly Factor[],
  steps: number,
  days: number,
): ScenarioSet {
  const starts = windowStarts(history, steps);
  if (starts.length === 0) {
    throw new ZkMarginError(
      'NOT_ENOUGH_DATA',
      `Give a history with an unbroken run of at least ${steps} steps of ${history.interval} seconds.`,
      { field: 'history' },
    );
  }
  const width = history.symbols.length;
  const moves = new Float64Array(2 * width * starts.length);
  const sums = new Float64Array(factors.length);
  for (let index = 0; index < starts.length; index++) {
    sums.fill(0);
    for (let step = starts[index]!; step < starts[index]! + steps; step++) {
      for (let factor = 0; factor < factors.length; factor++)
        sums[factor]! += factors[factor]!.changes[step]!;
    }
    writeMove(moves, index, width, factors, sums);
  }
  const { times } = history;
  return {
    count: starts.length,
    width,
    moves,
    days,
    times: times === undefined ? undefined : Float64Array.from(starts, (start) => times[start + steps - 1]!),
    observations: history.length,
    dependence: steps === 1 ? { kind: 'independent' } : { kind: 'blocks', length: steps },
    simulated: false,
    clipped: 0,
  };
}

function writeMove(
  moves: Float64Array,
  index: number,
  width: number,
  factors: readonly Factor[],
  sums: Float64Array,
): void {
  const start = 2 * width * index;
  for (let place = 0; place < factors.length; place++) {
    const { kind, underlying } = factors[place]!;
    if (kind === 'price') moves[start + underlying] = sums[place]!;
    else moves[start + width + underlying] = Math.expm1(sums[place]!);
  }
}

/** How {@link filteredScenarios} comes to a horizon of several steps. */
export type FilteredHorizon = 'paths' | 'windows';

/** Settings of {@link filteredScenarios}. */
export interface FilteredOptions {
  readonly model: VolatilityModel;
  /** `paths` bootstraps whole paths; `windows` adds scaled changes over overlapping windows. */
  readonly horizon: FilteredHorizon;
  readonly paths: number;
  readonly seed: number;
  readonly largestStep: number;
}

/**
 * Volatility-filtered historical simulation. Each change of each market variable is divided by its volatility
 * as forecast just before it, and scaled to a volatility of now (J. Hull and A. White, "Incorporating
 * volatility updating into the historical simulation method for value-at-risk", Journal of Risk 1, 1998).
 *
 * Over one step every past change is used once: nothing is drawn. Over several, with `paths`, each step of a
 * path draws one past date for all variables together, so that their dependence is kept, and the volatility
 * follows the path (G. Barone-Adesi, K. Giannopoulos and L. Vosper, "VaR without correlations for portfolios
 * of derivative securities", Journal of Futures Markets 19, 1999). With `windows` scaled changes are added
 * over overlapping windows: the order of the past is kept, volatility stays as it is now.
 */
export function filteredScenarios(
  history: ReturnHistory,
  steps: number,
  days: number,
  options: FilteredOptions,
): ScenarioSet {
  const { model, paths, seed, largestStep } = options;
  checkVolatilityModel(model);
  requireFinite(largestStep, 1e-6, 20, 'largestStep');
  const factors = factorsOf(history);
  const filters = factors.map((factor) => filterVariance(factor.changes, model));
  const residuals = factors.map((factor, place) =>
    factor.changes.map((change, step) => {
      const variance = filters[place]!.variances[step]!;
      return variance > 0 ? change / Math.sqrt(variance) : 0;
    }),
  );
  let clipped = 0;
  if (steps === 1 || options.horizon === 'windows') {
    const now = filters.map((filter) => Math.sqrt(filter.next));
    const scaled = factors.map((factor, place) => ({
      ...factor,
      changes: residuals[place]!.map((residual) => residual * now[place]!),
    }));
    const step = new Float64Array(factors.length);
    for (let time = 0; time < history.length; time++) {
      for (let place = 0; place < factors.length; place++) step[place] = scaled[place]!.changes[time]!;
      if (!clip(step, largestStep)) continue;
      clipped++;
      for (let place = 0; place < factors.length; place++) scaled[place]!.changes[time] = step[place]!;
    }
    return { ...windowScenarios(history, scaled, steps, days), clipped };
  }
  requireInteger(paths, 1, MAX_PATHS, 'paths');
  const random = randomStream(seed, 1);
  const width = history.symbols.length;
  const moves = new Float64Array(2 * width * paths);
  const sums = new Float64Array(factors.length);
  const step = new Float64Array(factors.length);
  const variances = new Float64Array(factors.length);
  for (let path = 0; path < paths; path++) {
    sums.fill(0);
    for (let place = 0; place < factors.length; place++) variances[place] = filters[place]!.next;
    for (let time = 0; time < steps; time++) {
      const date = random.below(history.length);
      for (let place = 0; place < factors.length; place++) {
        step[place] = residuals[place]![date]! * Math.sqrt(variances[place]!);
      }
      if (clip(step, largestStep)) clipped++;
      for (let place = 0; place < factors.length; place++) {
        sums[place]! += step[place]!;
        variances[place] = filters[place]!.update(variances[place]!, step[place]!);
      }
    }
    writeMove(moves, path, width, factors, sums);
  }
  return {
    count: paths,
    width,
    moves,
    days,
    times: undefined,
    observations: history.length,
    dependence: { kind: 'independent' },
    simulated: true,
    clipped,
  };
}

/** Shortens a step, without turning it, so that no component is beyond the largest; true if it had to. */
function clip(step: Float64Array, largest: number): boolean {
  let most = 0;
  for (const value of step) most = Math.max(most, Math.abs(value));
  if (most <= largest) return false;
  for (let place = 0; place < step.length; place++) step[place]! *= largest / most;
  return true;
}

/** How the degrees of freedom are found, or their number. */
export type DegreesOfFreedom = number | 'maximum-likelihood' | 'kurtosis';

/** Settings of {@link studentScenarios}. */
export interface StudentOptions {
  /** Above 2, so that the variance exists; an infinite number is the normal distribution. */
  readonly degreesOfFreedom: DegreesOfFreedom;
  /** `ewma` weighs recent steps most, `sample` weighs all alike. */
  readonly covariance: 'ewma' | 'sample';
  /** Decay of the EWMA. */
  readonly lambda: number;
  readonly paths: number;
  readonly antithetic: boolean;
  readonly seed: number;
  readonly largestStep: number;
}

/** A fitted multivariate Student t distribution of one step. */
export interface StudentFit {
  readonly degreesOfFreedom: number;
  readonly covariance: readonly (readonly number[])[];
}

/**
 * Fewest and most degrees of freedom that a fit gives; at the upper end the data tell no difference from
 * normal.
 */
const FITTED_DEGREES = [2.1, 500] as const;
/** Fewest steps for a fit. */
const FEWEST_STEPS_FOR_FIT = 30;

/**
 * Fits a multivariate Student t distribution with mean zero to a history's steps.
 *
 * The covariance is the second moments' with equal or with exponentially falling weights (`λ^age`,
 * normalised). Degrees of freedom belong to the changes as they are, or for `ewma` to the changes divided by
 * their forecast volatilities.
 *
 * @throws ZkMarginError `NOT_ENOUGH_DATA` below 30 steps, `OUT_OF_RANGE` for given degrees of freedom of 2 or
 * less, `NOT_FINITE`
 */
export function fitStudent(
  history: ReturnHistory,
  options: Pick<StudentOptions, 'degreesOfFreedom' | 'covariance' | 'lambda'>,
): StudentFit {
  const { length } = history;
  if (length < FEWEST_STEPS_FOR_FIT) {
    throw new ZkMarginError(
      'NOT_ENOUGH_DATA',
      `Give a history of at least ${FEWEST_STEPS_FOR_FIT} steps: it has ${length}.`,
      { field: 'history', details: { length } },
    );
  }
  const model: VolatilityModel = { kind: 'ewma', lambda: options.lambda };
  checkVolatilityModel(model, 'volatility');
  const factors = factorsOf(history);
  const changes = factors.map((factor) => factor.changes);
  const recent = options.covariance === 'ewma';
  const weights = recent
    ? Float64Array.from({ length }, (_, step) => options.lambda ** (length - 1 - step))
    : undefined;
  const covariance = secondMoments(changes, weights);
  let degreesOfFreedom: number;
  if (typeof options.degreesOfFreedom === 'number') {
    degreesOfFreedom = options.degreesOfFreedom;
    if (degreesOfFreedom !== Number.POSITIVE_INFINITY) {
      requireFinite(degreesOfFreedom, 2, Number.MAX_VALUE, 'degreesOfFreedom');
    }
    if (degreesOfFreedom === 2) {
      throw new ZkMarginError(
        'OUT_OF_RANGE',
        'Keep degreesOfFreedom above 2: the variance is infinite there.',
        {
          field: 'degreesOfFreedom',
        },
      );
    }
  } else {
    const standardised = recent
      ? changes.map((series) => {
          const { variances } = filterVariance(series, model);
          return series.map((change, step) =>
            variances[step]! > 0 ? change / Math.sqrt(variances[step]!) : 0,
          );
        })
      : changes;
    degreesOfFreedom = fitDegrees(standardised, options.degreesOfFreedom);
  }
  return { degreesOfFreedom, covariance };
}

/**
 * Degrees of freedom of a multivariate t distribution with mean zero, whose covariance is that of the sample.
 *
 * By maximum likelihood: the largest profile likelihood over `[2.1, 500]`, on a grid in `1/ν` and then by
 * golden section. By kurtosis: Mardia's (Biometrika 57, 1970), `E[d²] / (p (p + 2)) = (ν - 2) / (ν - 4)` for
 * the squared distance d; never below 4, where the fourth moment ends, and at the upper end for tails no
 * fatter than normal.
 */
export function fitDegrees(series: readonly Float64Array[], how: 'maximum-likelihood' | 'kurtosis'): number {
  const factor = cholesky(secondMoments(series));
  const dimension = factor.rank;
  const [fewest, most] = FITTED_DEGREES;
  if (dimension === 0) return most;
  const count = series[0]!.length;
  const vector = new Float64Array(series.length);
  const distances = new Float64Array(count);
  for (let step = 0; step < count; step++) {
    for (let place = 0; place < series.length; place++) vector[place] = series[place]![step]!;
    distances[step] = mahalanobisSquared(factor, vector);
  }
  if (how === 'kurtosis') {
    let square = 0;
    for (const distance of distances) square += distance ** 2 / count;
    const ratio = square / (dimension * (dimension + 2));
    return ratio > 1 ? Math.min(most, (4 * ratio - 2) / (ratio - 1)) : most;
  }
  const likelihood = (inverse: number) => {
    const nu = 1 / inverse;
    let sum = 0;
    for (const distance of distances) sum += Math.log1p(distance / (nu - 2));
    return (
      count * (logGammaIncrement(nu / 2, dimension / 2) - 0.5 * dimension * Math.log(nu - 2)) -
      0.5 * (nu + dimension) * sum
    );
  };
  const [low, high] = [1 / most, 1 / fewest];
  const cells = 60;
  let best = 0;
  let bestValue = Number.NEGATIVE_INFINITY;
  for (let cell = 0; cell <= cells; cell++) {
    const value = likelihood(low + ((high - low) * cell) / cells);
    if (value > bestValue) [best, bestValue] = [cell, value];
  }
  let left = low + ((high - low) * Math.max(0, best - 1)) / cells;
  let right = low + ((high - low) * Math.min(cells, best + 1)) / cells;
  const golden = 0.6180339887498949;
  let inner = right - golden * (right - left);
  let outer = left + golden * (right - left);
  let [innerValue, outerValue] = [likelihood(inner), likelihood(outer)];
  while (right - left > 1e-9) {
    if (innerValue >= outerValue) {
      [right, outer, outerValue] = [outer, inner, innerValue];
      inner = right - golden * (right - left);
      innerValue = likelihood(inner);
    } else {
      [left, inner, innerValue] = [inner, outer, outerValue];
      outer = left + golden * (right - left);
      outerValue = likelihood(outer);
    }
  }
  return Math.min(most, Math.max(fewest, 2 / (left + right)));
}

/**
 * Moves drawn from a multivariate Student t distribution: each step is `sqrt((ν - 2) / W) L z` with `L L'`
 * the covariance, z standard normal and W chi-squared with ν degrees of freedom, so that its covariance is
 * the one given (`sqrt(ν / W)` times the factor of the scale matrix `(ν - 2) / ν` times the covariance).
 * Steps of a path are independent: a longer horizon has thinner tails and a variance that grows with time.
 *
 * Log returns with such tails have no exponential moment: the mean loss of a short call would be infinite,
 * and its simulated shortfall would be decided by the wildest path. Steps are therefore cut to `largestStep`,
 * without turning them, and the number cut is part of the result.
 */
export function studentScenarios(
  history: ReturnHistory,
  steps: number,
  days: number,
  fit: StudentFit,
  options: Pick<StudentOptions, 'paths' | 'antithetic' | 'seed' | 'largestStep'>,
): ScenarioSet {
  requireInteger(options.paths, 1, MAX_PATHS, 'paths');
  requireFinite(options.largestStep, 1e-6, 20, 'largestStep');
  const factors = factorsOf(history);
  const size = factors.length;
  const { lower } = cholesky(fit.covariance);
  const nu = fit.degreesOfFreedom;
  const random: RandomStream = randomStream(options.seed, 1);
  // A pair needs two paths: an odd number is rounded up.
  const copies = options.antithetic ? 2 : 1;
  const paths = Math.ceil(options.paths / copies) * copies;
  const width = history.symbols.length;
  const moves = new Float64Array(2 * width * paths);
  const sums = new Float64Array(size);
  const normals = new Float64Array(size);
  const step = new Float64Array(size);
  let clipped = 0;
  for (let path = 0; path < paths; path += copies) {
    sums.fill(0);
    for (let time = 0; time < steps; time++) {
      const stretch = nu > 1e9 ? 1 : Math.sqrt((nu - 2) / (2 * random.gamma(nu / 2)));
      for (let place = 0; place < size; place++) normals[place] = random.normal();
      for (let row = 0; row < size; row++) {
        let value = 0;
        for (let column = 0; column <= row; column++) value += lower[row]![column]! * normals[column]!;
        step[row] = stretch * value;
      }
      if (clip(step, options.largestStep)) clipped += copies;
      for (let place = 0; place < size; place++) sums[place]! += step[place]!;
    }
    writeMove(moves, path, width, factors, sums);
    if (copies === 2) {
      for (let place = 0; place < size; place++) sums[place] = -sums[place]!;
      writeMove(moves, path + 1, width, factors, sums);
    }
  }
  return {
    count: paths,
    width,
    moves,
    days,
    times: undefined,
    observations: history.length,
    dependence: options.antithetic ? { kind: 'pairs' } : { kind: 'independent' },
    simulated: true,
    clipped,
  };
}
