/**
 * Value-at-Risk and Expected Shortfall of a portfolio by full revaluation.
 *
 * Three methods make market moves, and the portfolio is valued anew under each: nothing is approximated by
 * Greeks. Figures by Greeks and by the Cornish-Fisher expansion may stand beside the result, and say so.
 */
import { requireFinite, requireInteger, ZkMarginError } from '../errors.ts';
import type { MarketMove, PortfolioParts, Revalue } from '../market/move.ts';
import { MAX_SEED, randomStream } from '../math/float/random.ts';
import { type Moments, moments } from '../math/float/statistics.ts';
import { type CornishFisherFigure, cornishFisherTail } from './cornish-fisher.ts';
import {
  bootstrapTail,
  LossSample,
  quantileRanks,
  requireLevel,
  type TailError,
  tailCount,
} from './estimators.ts';
import { type ReturnHistory, selectUnderlyings, stepsOfHorizon } from './history.ts';
import { type KupiecTest, kupiec } from './kupiec.ts';
import {
  DEFAULT_LARGEST_STEP,
  type DegreesOfFreedom,
  type FilteredHorizon,
  filteredScenarios,
  fitStudent,
  historicalScenarios,
  moveAt,
  type ScenarioSet,
  studentScenarios,
} from './scenarios.ts';
import { RISKMETRICS_LAMBDA, type VolatilityModel } from './volatility.ts';

/** Methods by name. */
export const TAIL_RISK_METHODS = ['historical', 'filtered', 'student-t'] as const;

/** Where the market moves come from. */
export type TailRiskMethod = (typeof TAIL_RISK_METHODS)[number];

/** Settings that have a default. */
export interface TailRiskSettings {
  /** All three unless given. */
  readonly methods?: readonly TailRiskMethod[];
  /** One level or several, each between 0.5 and 1; 0.99 unless given. */
  readonly level?: number | readonly number[];
  /** Whole calendar days; 1 unless given. */
  readonly horizonDays?: number;
  /** Whole number from 0 to 2^53 - 1; 1 unless given. */
  readonly seed?: number;
  /** Simulated paths; 20,000 unless given. */
  readonly paths?: number;
  /** Draws each path of `student-t` with its mirror image; true unless given. */
  readonly antithetic?: boolean;
  /** Volatility of `filtered`, and by an EWMA's lambda of `student-t`; EWMA with 0.94 unless given. */
  readonly volatility?: VolatilityModel;
  /** How `filtered` comes to several steps; paths unless given. */
  readonly filteredHorizon?: FilteredHorizon;
  /** By maximum likelihood unless given. */
  readonly degreesOfFreedom?: DegreesOfFreedom;
  /** Weights of the covariance of `student-t`; `ewma` unless given. */
  readonly covariance?: 'ewma' | 'sample';
  /** Largest absolute log change of a variable in one filtered or simulated step; 2 unless given. */
  readonly largestStep?: number;
  /** Confidence of the intervals around the measures; 0.95 unless given. */
  readonly confidence?: number;
  /** Resamples of the bootstrap; 500 unless given. */
  readonly resamples?: number;
  /** Shows figures by delta, gamma, vega and theta beside the result; false unless given. */
  readonly deltaGamma?: boolean;
}

/** What {@link tailRisk} needs. */
export interface TailRiskOptions extends TailRiskSettings {
  readonly history: ReturnHistory;
  /** The portfolio's underlyings in the order of a move; those of the history unless given. */
  readonly underlyings?: readonly string[] | undefined;
  readonly revalue: Revalue;
  /** Scan risk in USD, for a comparison in each report. */
  readonly scanRisk?: number | undefined;
  /** Parts of the portfolio, for an allocation of the shortfall in each report. */
  readonly parts?: PortfolioParts | undefined;
}

/** A measure's interval. An absent bound means that the sample is too small for one. */
export interface MeasureInterval {
  readonly lower: number | null;
  readonly upper: number | null;
  readonly basis: 'order statistics' | 'bootstrap';
}

/**
 * Tail risk by one method at one level. All amounts are USD; measures are losses, positive when money is
 * lost.
 */
export interface TailRiskReport {
  readonly method: TailRiskMethod;
  readonly level: number;
  readonly horizonDays: number;
  readonly underlyings: readonly string[];
  /** Steps of history used. */
  readonly observations: number;
  /** Seconds of a step. */
  readonly interval: number;
  /** Moves under which the portfolio was valued. */
  readonly scenarios: number;
  /** True when the moves were drawn: another seed gives other moves. The bootstrap draws in any case. */
  readonly simulated: boolean;
  /** True for windows that share steps, and so are not independent. */
  readonly overlapping: boolean;
  readonly seed: number;
  readonly valueAtRisk: number;
  readonly expectedShortfall: number;
  /** By the bootstrap. */
  readonly standardError: { readonly valueAtRisk: number; readonly expectedShortfall: number };
  readonly confidence: {
    readonly level: number;
    readonly valueAtRisk: MeasureInterval;
    readonly expectedShortfall: MeasureInterval;
  };
  /** Of the changes of value, gains positive. */
  readonly moments: Moments;
  readonly worst: {
    readonly pnl: number;
    readonly move: MarketMove;
    /**
     * End of the window, in seconds since 1970-01-01 UTC; absent for simulated moves and histories without
     * times.
     */
    readonly time?: number;
  };
  /** Beside the result: from the sample's first four moments alone. */
  readonly cornishFisher: CornishFisherFigure;
  /** Beside the result: the same moves with values by delta, gamma (crosses included), vega and theta. */
  readonly deltaGamma?: { readonly valueAtRisk: number; readonly expectedShortfall: number };
  /** Shares of the shortfall, which add up to it. */
  readonly contributions?: readonly { readonly name: string; readonly expectedShortfall: number }[];
  /** Degrees of freedom of `student-t`. */
  readonly degreesOfFreedom?: number;
  /** Filtered or simulated steps that were cut to the largest step. */
  readonly clippedSteps: number;
  readonly scan?: ScanComparison;
  /** What a reader of the figures should know. */
  readonly notes: readonly string[];
  /** All losses; short in JSON. */
  readonly sample: LossSample;
}

/** A margin's scan risk against a sample of losses. */
export interface ScanComparison {
  readonly scanRisk: number;
  /** Value-at-Risk as a multiple of scan risk; null when scan risk is 0. */
  readonly valueAtRiskRatio: number | null;
  /** Expected Shortfall as a multiple of scan risk; null when scan risk is 0. */
  readonly expectedShortfallRatio: number | null;
  /** Moves that lose more than scan risk. */
  readonly movesBeyond: number;
  readonly moves: number;
  /** Share of moves that scan risk covers. */
  readonly coverage: number;
  /** Largest loss beyond scan risk; 0 when all are covered. */
  readonly largestShortfall: number;
  /**
   * Test of `movesBeyond` against the report's level; absent when moves overlap, since it needs independent
   * ones.
   */
  readonly kupiec?: KupiecTest;
}

/** A method's moves and the losses under them. */
interface Valued {
  readonly method: TailRiskMethod;
  readonly set: ScenarioSet;
  readonly losses: Float64Array;
  readonly degreesOfFreedom?: number;
}

/**
 * Tail risk by each of the chosen methods at each of the chosen levels. The same options give the same
 * reports.
 *
 * Methods: `historical`, overlapping windows as they were; `filtered`, the same changes scaled to the
 * volatility of now (see {@link filteredScenarios}); `student-t`, a multivariate t distribution (see {@link
 * studentScenarios}).
 *
 * @throws ZkMarginError `UNKNOWN_UNDERLYING` for an underlying that the history lacks; `NOT_ENOUGH_DATA` for
 * a history without a window of the horizon, for fewer than `1 / (1 - level)` moves or, when filtered, steps,
 * for fewer than 30 steps for `student-t`; `OUT_OF_RANGE`, `NOT_FINITE`, `MALFORMED`, `UNKNOWN_MODEL` for a
 * setting; `NOT_FINITE` when the revaluation gives no finite number
 */
export function tailRisk(options: TailRiskOptions): TailRiskReport[] {
  const levels = typeof options.level === 'object' ? options.level : [options.level ?? 0.99];
  levels.forEach((level, index) => {
    requireLevel(level, typeof options.level === 'object' ? `level[${index}]` : 'level');
  });
  if (levels.length === 0) {
    throw new ZkMarginError('NOT_ENOUGH_DATA', 'Give at least one level.', { field: 'level' });
  }
  requireNamed(options.covariance, ['ewma', 'sample'], 'covariance');
  requireNamed(options.filteredHorizon, ['paths', 'windows'], 'filteredHorizon');
  if (typeof options.degreesOfFreedom !== 'number') {
    requireNamed(options.degreesOfFreedom, ['maximum-likelihood', 'kurtosis'], 'degreesOfFreedom');
  }
  const seed = requireInteger(options.seed ?? 1, 0, MAX_SEED, 'seed');
  const confidence = requireLevel(options.confidence ?? 0.95, 'confidence');
  const resamples = requireInteger(options.resamples ?? 500, 2, 100_000, 'resamples');
  const history = selectUnderlyings(options.history, options.underlyings ?? options.history.symbols);
  const horizonDays = options.horizonDays ?? 1;
  const steps = stepsOfHorizon(history, horizonDays);
  if (options.scanRisk !== undefined) requireFinite(options.scanRisk, 0, Number.MAX_VALUE, 'scanRisk');
  const methods = options.methods ?? TAIL_RISK_METHODS;
  const shortcut = options.deltaGamma
    ? deltaGammaOf(options.revalue, history.symbols.length, horizonDays)
    : undefined;
  return methods.flatMap((method) => {
    const { set, degreesOfFreedom } = makeScenarios(method, history, steps, horizonDays, options);
    requireTail(method, set, steps, Math.max(...levels));
    const losses = lossesOf(set, options.revalue);
    const valued = { method, set, losses, ...(degreesOfFreedom === undefined ? {} : { degreesOfFreedom }) };
    const shortcutLosses = shortcut === undefined ? undefined : new LossSample(lossesOf(set, shortcut));
    const sample = new LossSample(losses);
    return levels.map((level): TailRiskReport => {
      const error = bootstrapTail(
        losses,
        level,
        set.dependence,
        randomStream(seed, 2),
        resamples,
        confidence,
      );
      const report: TailRiskReport = {
        ...describe(valued, sample, level, history, seed, error, confidence),
        ...(shortcutLosses === undefined
          ? {}
          : {
              deltaGamma: {
                valueAtRisk: shortcutLosses.valueAtRisk(level),
                expectedShortfall: shortcutLosses.expectedShortfall(level),
              },
            }),
        ...(options.parts === undefined
          ? {}
          : { contributions: allocate(options.parts, set, losses, level) }),
      };
      return options.scanRisk === undefined
        ? report
        : { ...report, scan: compareWithScan(report, options.scanRisk) };
    });
  });
}

/**
 * The moves of one method.
 *
 * @throws ZkMarginError as {@link tailRisk} does
 */
export function makeScenarios(
  method: TailRiskMethod,
  history: ReturnHistory,
  steps: number,
  days: number,
  settings: TailRiskSettings,
): { readonly set: ScenarioSet; readonly degreesOfFreedom?: number } {
  const seed = settings.seed ?? 1;
  const paths = settings.paths ?? 20_000;
  const largestStep = settings.largestStep ?? DEFAULT_LARGEST_STEP;
  const model = settings.volatility ?? { kind: 'ewma', lambda: RISKMETRICS_LAMBDA };
  switch (method) {
    case 'historical':
      return { set: historicalScenarios(history, steps, days) };
    case 'filtered':
      return {
        set: filteredScenarios(history, steps, days, {
          model,
          horizon: settings.filteredHorizon ?? 'paths',
          paths,
          seed,
          largestStep,
        }),
      };
    case 'student-t': {
      const fit = fitStudent(history, {
        degreesOfFreedom: settings.degreesOfFreedom ?? 'maximum-likelihood',
        covariance: settings.covariance ?? 'ewma',
        lambda: model.kind === 'ewma' ? model.lambda : RISKMETRICS_LAMBDA,
      });
      const antithetic = settings.antithetic ?? true;
      return {
        set: studentScenarios(history, steps, days, fit, { paths, antithetic, seed, largestStep }),
        degreesOfFreedom: fit.degreesOfFreedom,
      };
    }
    default:
      throw new ZkMarginError('UNKNOWN_MODEL', `Name one of the methods ${TAIL_RISK_METHODS.join(', ')}.`, {
        field: 'methods',
        details: { method: String(method) },
      });
  }
}

/** Losses under all moves of a set, in its order. */
export function lossesOf(set: ScenarioSet, revalue: Revalue): Float64Array {
  const losses = new Float64Array(set.count);
  for (let index = 0; index < set.count; index++) {
    const move = moveAt(set, index);
    const change = revalue(move);
    if (!Number.isFinite(change)) {
      throw new ZkMarginError('NOT_FINITE', 'The revaluation gave no finite number for a move.', {
        field: 'revalue',
        details: { move: { ...move }, change },
      });
    }
    losses[index] = 0 - change;
  }
  return losses;
}

/**
 * A report's losses against the scan risk of a margin requirement, in USD.
 *
 * @throws ZkMarginError `NOT_FINITE`, `OUT_OF_RANGE` for a scan risk that is no finite amount of at least 0
 */
export function compareWithScan(report: TailRiskReport, scanRisk: number): ScanComparison {
  requireFinite(scanRisk, 0, Number.MAX_VALUE, 'scanRisk');
  const { sample } = report;
  const movesBeyond = sample.countBeyond(scanRisk);
  return {
    scanRisk,
    valueAtRiskRatio: scanRisk === 0 ? null : report.valueAtRisk / scanRisk,
    expectedShortfallRatio: scanRisk === 0 ? null : report.expectedShortfall / scanRisk,
    movesBeyond,
    moves: sample.count,
    coverage: 1 - movesBeyond / sample.count,
    largestShortfall: Math.max(0, sample.losses[0]! - scanRisk),
    ...(report.overlapping || report.simulated
      ? {}
      : { kupiec: kupiec(movesBeyond, sample.count, report.level) }),
  };
}

function requireNamed(value: string | undefined, names: readonly string[], field: string): void {
  if (value === undefined || names.includes(value)) return;
  throw new ZkMarginError('UNKNOWN_MODEL', `Give ${field} as ${names.join(' or ')}.`, { field });
}

const OVERLAP_NOTE =
  'Windows overlap and so are not independent; intervals come from a bootstrap of blocks as long as the horizon.';

function requireTail(method: TailRiskMethod, set: ScenarioSet, steps: number, level: number): void {
  // What the tail is made of: past moves themselves, past steps that paths draw from, or simulated paths.
  const own = method === 'filtered' && set.simulated ? Math.min(set.observations, set.count) : set.count;
  if (tailCount(own, level) >= 1) return;
  const needed = Math.ceil(1 / (1 - level) - 1e-9);
  throw new ZkMarginError(
    'NOT_ENOUGH_DATA',
    `Give at least ${needed} moves for a level of ${level}, or choose a lower level: ${method} has ${own}.`,
    {
      field: method === 'student-t' ? 'paths' : 'history',
      details: { method, moves: own, needed, steps },
    },
  );
}

function describe(
  valued: Valued,
  sample: LossSample,
  level: number,
  history: ReturnHistory,
  seed: number,
  error: TailError,
  confidence: number,
): TailRiskReport {
  const { method, set, losses } = valued;
  const worst = losses.reduce((best, loss, index) => (loss > losses[best]! ? index : best), 0);
  const ofLosses = moments(losses);
  const { simulated } = set;
  const notes: string[] = [];
  if (set.dependence.kind === 'blocks') notes.push(OVERLAP_NOTE);
  if (!simulated && tailCount(sample.count, level) < 10) {
    notes.push(
      `The tail holds ${tailCount(sample.count, level).toFixed(1)} past moves: errors by the bootstrap understate.`,
    );
  }
  const still = history.symbols.filter((_, index) => history.volLogChanges[index] === undefined);
  if (still.length > 0)
    notes.push(`Implied vols of ${still.join(', ')} stay as they are: no history of them.`);
  if (history.largestOffset > 0.1 * history.interval) {
    notes.push(
      `Observations stand up to ${Math.round(history.largestOffset)} seconds from their place on the grid.`,
    );
  }
  if (set.clipped > 0) notes.push(`${set.clipped} steps were cut to the largest step.`);
  return {
    method,
    level,
    horizonDays: set.days,
    underlyings: history.symbols,
    observations: set.observations,
    interval: history.interval,
    scenarios: set.count,
    simulated,
    overlapping: set.dependence.kind === 'blocks',
    seed,
    valueAtRisk: sample.valueAtRisk(level),
    expectedShortfall: sample.expectedShortfall(level),
    standardError: {
      valueAtRisk: error.valueAtRisk.standardError,
      expectedShortfall: error.expectedShortfall.standardError,
    },
    confidence: {
      level: confidence,
      valueAtRisk: intervalOfValueAtRisk(sample, level, confidence, set, error),
      expectedShortfall: {
        lower: error.expectedShortfall.lower,
        upper: error.expectedShortfall.upper,
        basis: 'bootstrap',
      },
    },
    moments: { ...ofLosses, mean: 0 - ofLosses.mean, skewness: 0 - ofLosses.skewness },
    worst: {
      pnl: 0 - losses[worst]!,
      move: moveAt(set, worst),
      ...(set.times === undefined ? {} : { time: set.times[worst]! }),
    },
    cornishFisher: cornishFisherTail(ofLosses, level),
    ...(valued.degreesOfFreedom === undefined ? {} : { degreesOfFreedom: valued.degreesOfFreedom }),
    clippedSteps: set.clipped,
    notes,
    sample,
  };
}

function intervalOfValueAtRisk(
  sample: LossSample,
  level: number,
  confidence: number,
  set: ScenarioSet,
  error: TailError,
): MeasureInterval {
  if (set.dependence.kind !== 'independent') {
    return { lower: error.valueAtRisk.lower, upper: error.valueAtRisk.upper, basis: 'bootstrap' };
  }
  const ranks = quantileRanks(sample.count, level, confidence);
  const at = (rank: number | null) => (rank === null ? null : sample.losses[sample.count - rank]!);
  return { lower: at(ranks.lower), upper: at(ranks.upper), basis: 'order statistics' };
}

/**
 * Euler allocation: the mean loss of each part over the tail, with the tail's own weights (D. Tasche, "Risk
 * contributions and performance measurement", 1999). Moves that tie at the edge of the tail count in the
 * order of the set.
 */
function allocate(
  parts: PortfolioParts,
  set: ScenarioSet,
  losses: Float64Array,
  level: number,
): { readonly name: string; readonly expectedShortfall: number }[] {
  const order = Uint32Array.from({ length: set.count }, (_, index) => index);
  order.sort((left, right) => losses[right]! - losses[left]! || left - right);
  const tail = tailCount(set.count, level);
  const sums = new Float64Array(parts.names.length);
  for (let rank = 0; rank < tail; rank++) {
    const weight = Math.min(1, tail - rank) / tail;
    const values = parts.revalue(moveAt(set, order[rank]!));
    if (values.length !== sums.length) {
      throw new ZkMarginError('MALFORMED', `Give one change of value for each of ${sums.length} parts.`, {
        field: 'parts.revalue',
      });
    }
    for (let part = 0; part < sums.length; part++) {
      sums[part]! -=
        weight * requireFinite(values[part], -Number.MAX_VALUE, Number.MAX_VALUE, 'parts.revalue');
    }
  }
  return parts.names.map((name, part) => ({ name, expectedShortfall: sums[part]! }));
}

/**
 * A second-order expansion of a portfolio about now, from its own revaluation: central differences of 1% in
 * prices and vols. Theta is the value of the passing of the horizon alone.
 */
function deltaGammaOf(revalue: Revalue, width: number, days: number): Revalue {
  const bump = 0.01;
  const value = (prices: readonly number[], vols: readonly number[], elapsed = 0) =>
    revalue({ logReturns: prices.map((move) => Math.log1p(move)), volShifts: vols, days: elapsed });
  const none = new Array<number>(width).fill(0);
  const at = (moves: readonly (readonly [number, number])[]) => {
    const result = [...none];
    for (const [place, move] of moves) result[place]! += move;
    return result;
  };
  const base = value(none, none);
  const theta = value(none, none, days) - base;
  const delta = new Float64Array(width);
  const vega = new Float64Array(width);
  const gamma = Array.from({ length: width }, () => new Float64Array(width));
  for (let i = 0; i < width; i++) {
    const up = value(at([[i, bump]]), none);
    const down = value(at([[i, -bump]]), none);
    delta[i] = (up - down) / (2 * bump);
    gamma[i]![i] = (up - 2 * base + down) / (bump * bump);
    vega[i] = (value(none, at([[i, bump]])) - value(none, at([[i, -bump]]))) / (2 * bump);
    for (let j = 0; j < i; j++) {
      const cross = (a: number, b: number) =>
        value(
          at([
            [i, a],
            [j, b],
          ]),
          none,
        );
      gamma[i]![j] = gamma[j]![i] =
        (cross(bump, bump) - cross(bump, -bump) - cross(-bump, bump) + cross(-bump, -bump)) /
        (4 * bump * bump);
    }
  }
  return ({ logReturns, volShifts }) => {
    const moves = logReturns.map((move) => Math.expm1(move));
    let change = theta;
    for (let i = 0; i < width; i++) {
      change += delta[i]! * moves[i]! + vega[i]! * volShifts[i]!;
      for (let j = 0; j < width; j++) change += 0.5 * gamma[i]![j]! * moves[i]! * moves[j]!;
    }
    return change;
  };
}
