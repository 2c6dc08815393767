/** A walk through a history: what a measure said each day, and what happened next. */
import { requireFinite, requireInteger, ZkMarginError } from '../errors.ts';
import type { Revalue } from '../market/move.ts';
import { LossSample, requireLevel, tailCount } from './estimators.ts';
import {
  type ReturnHistory,
  selectUnderlyings,
  sliceHistory,
  stepsOfHorizon,
  windowStarts,
} from './history.ts';
import { lossesOf, makeScenarios, type TailRiskMethod, type TailRiskSettings } from './index.ts';
import { type KupiecTest, kupiec } from './kupiec.ts';
import { historicalScenarios, moveAt } from './scenarios.ts';

/** What {@link backtest} needs. */
export interface BacktestOptions extends Omit<TailRiskSettings, 'methods' | 'level'> {
  readonly history: ReturnHistory;
  readonly underlyings?: readonly string[] | undefined;
  /** Value of one and the same position, set up anew against the market of each day. */
  readonly revalue: Revalue;
  readonly method: TailRiskMethod;
  /** 0.99 unless given. */
  readonly level?: number;
  /** Steps of history before each test that the measure may see. */
  readonly window: number;
}

/** One day of a backtest. */
export interface BacktestPoint {
  /** First step of the tested window. */
  readonly step: number;
  readonly valueAtRisk: number;
  readonly expectedShortfall: number;
  readonly loss: number;
}

/** Result of {@link backtest}. */
export interface BacktestReport {
  readonly method: TailRiskMethod;
  readonly horizonDays: number;
  readonly window: number;
  readonly points: readonly BacktestPoint[];
  readonly test: KupiecTest;
  /** Mean loss of the exceptions over the mean of their expected shortfalls; null without exceptions. */
  readonly shortfallRatio: number | null;
}

/**
 * Walks through a history: at each point the measure is made from the steps before it alone, and compared
 * with the loss of the horizon that follows. Tested horizons do not overlap, and those that a gap interrupts
 * are left out.
 *
 * @throws ZkMarginError `NOT_ENOUGH_DATA` for a window that holds too few moves or leaves nothing to test,
 * and as `tailRisk` does
 */
export function backtest(options: BacktestOptions): BacktestReport {
  const level = requireLevel(options.level ?? 0.99);
  const history = selectUnderlyings(options.history, options.underlyings ?? options.history.symbols);
  const horizonDays = requireFinite(options.horizonDays ?? 1, 1, 365, 'horizonDays');
  const steps = stepsOfHorizon(history, horizonDays);
  const window = requireInteger(options.window, 1, history.length, 'window');
  const possible = new Set(windowStarts(history, steps));
  const points: BacktestPoint[] = [];
  for (let step = window; step + steps <= history.length; step += steps) {
    if (!possible.has(step)) continue;
    const past = sliceHistory(history, step - window, step);
    const { set } = makeScenarios(options.method, past, steps, horizonDays, options);
    if (tailCount(set.count, level) < 1) {
      throw new ZkMarginError(
        'NOT_ENOUGH_DATA',
        `Give a window of more steps: ${set.count} moves are too few for a level of ${level}.`,
        { field: 'window', details: { moves: set.count } },
      );
    }
    const sample = new LossSample(lossesOf(set, options.revalue));
    const realised = historicalScenarios(sliceHistory(history, step, step + steps), steps, horizonDays);
    points.push({
      step,
      valueAtRisk: sample.valueAtRisk(level),
      expectedShortfall: sample.expectedShortfall(level),
      loss: requireFinite(
        0 - options.revalue(moveAt(realised, 0)),
        -Number.MAX_VALUE,
        Number.MAX_VALUE,
        'revalue',
      ),
    });
  }
  if (points.length === 0) {
    throw new ZkMarginError(
      'NOT_ENOUGH_DATA',
      'Give a longer history or a shorter window: nothing is left to test.',
      {
        field: 'window',
      },
    );
  }
  const exceptions = points.filter((point) => point.loss > point.valueAtRisk);
  const total = (read: (point: BacktestPoint) => number) =>
    exceptions.reduce((sum, point) => sum + read(point), 0);
  return {
    method: options.method,
    horizonDays,
    window,
    points,
    test: kupiec(exceptions.length, points.length, level),
    shortfallRatio:
      exceptions.length === 0
        ? null
        : total((point) => point.loss) / total((point) => point.expectedShortfall),
  };
}
