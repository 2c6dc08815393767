/** Aligned histories of returns, and their overlapping windows. */
import { requireFinite, ZkMarginError } from '../errors.ts';
import { DAY_SECONDS } from '../market/words.ts';

/** Most underlyings of one history. */
export const MAX_HISTORY_UNDERLYINGS = 16;
/** Most steps of one history. */
export const MAX_HISTORY_STEPS = 1_000_000;

/** Returns of several underlyings over the same steps of time. Made by {@link createHistory}. */
export interface ReturnHistory {
  /** Seconds from one observation to the next. */
  readonly interval: number;
  /** Names of the underlyings. */
  readonly symbols: readonly string[];
  /** Number of steps. */
  readonly length: number;
  /** For each underlying the log return of each step. */
  readonly logReturns: readonly Float64Array[];
  /**
   * For each underlying the log change of its implied vol over each step; undefined where no vols are known.
   */
  readonly volLogChanges: readonly (Float64Array | undefined)[];
  /** For each step the number of its unbroken run. Windows do not cross from one run into another. */
  readonly runs: Int32Array;
  /** For each step its end, in seconds since 1970-01-01 UTC; undefined where the source has no times. */
  readonly times: Float64Array | undefined;
  /** Largest distance in seconds between a point of the grid and the observation that stands for it. */
  readonly largestOffset: number;
}

/** What {@link createHistory} needs. */
export interface HistoryParts {
  readonly interval: number;
  readonly symbols: readonly string[];
  readonly logReturns: readonly ArrayLike<number>[];
  readonly volLogChanges?: readonly (ArrayLike<number> | undefined)[] | undefined;
  readonly runs?: ArrayLike<number> | undefined;
  readonly times?: ArrayLike<number> | undefined;
  readonly largestOffset?: number | undefined;
}

/**
 * A checked history.
 *
 * @throws ZkMarginError `NOT_FINITE` for a return that is no finite number, `OUT_OF_RANGE` for a senseless
 * interval, `MALFORMED` for unequal lengths or a name given twice, `NOT_ENOUGH_DATA` for none, `TOO_LARGE`
 * for too many of either
 */
export function createHistory(parts: HistoryParts): ReturnHistory {
  requireFinite(parts.interval, 1, 366 * DAY_SECONDS, 'interval');
  const count = parts.symbols.length;
  if (count === 0) {
    throw new ZkMarginError('NOT_ENOUGH_DATA', 'Give at least one underlying.', { field: 'underlyings' });
  }
  if (count > MAX_HISTORY_UNDERLYINGS) {
    throw new ZkMarginError('TOO_LARGE', `Give at most ${MAX_HISTORY_UNDERLYINGS} underlyings.`, {
      field: 'underlyings',
    });
  }
  for (let index = 0; index < count; index++) {
    if (parts.symbols.indexOf(parts.symbols[index]!) !== index) {
      throw new ZkMarginError('MALFORMED', `Give ${parts.symbols[index]} once.`, {
        field: `underlyings[${index}].symbol`,
      });
    }
  }
  const length = parts.logReturns[0]?.length ?? 0;
  if (length === 0) {
    throw new ZkMarginError('NOT_ENOUGH_DATA', 'Give at least one return.', {
      field: 'underlyings[0].logReturns',
    });
  }
  if (length > MAX_HISTORY_STEPS) {
    throw new ZkMarginError('TOO_LARGE', `Give at most ${MAX_HISTORY_STEPS} steps.`, {
      field: 'underlyings[0].logReturns',
    });
  }
  const copy = (values: ArrayLike<number> | undefined, field: string): Float64Array => {
    if (values === undefined || values.length !== length) {
      throw new ZkMarginError('MALFORMED', `Give ${field} one number for each of the ${length} steps.`, {
        field,
        details: { length: values?.length ?? 0, expected: length },
      });
    }
    const result = new Float64Array(length);
    for (let step = 0; step < length; step++) {
      result[step] = requireFinite(values[step], -100, 100, `${field}[${step}]`);
    }
    return result;
  };
  const logReturns = parts.symbols.map((_, index) =>
    copy(parts.logReturns[index], `underlyings[${index}].logReturns`),
  );
  const volLogChanges = parts.symbols.map((_, index) => {
    const changes = parts.volLogChanges?.[index];
    return changes === undefined ? undefined : copy(changes, `underlyings[${index}].volLogChanges`);
  });
  const runs = new Int32Array(length);
  if (parts.runs !== undefined) {
    if (parts.runs.length !== length) {
      throw new ZkMarginError('MALFORMED', `Give runs one number for each of the ${length} steps.`, {
        field: 'runs',
      });
    }
    runs.set(parts.runs);
  }
  let times: Float64Array | undefined;
  if (parts.times !== undefined) {
    if (parts.times.length !== length) {
      throw new ZkMarginError('MALFORMED', `Give times one number for each of the ${length} steps.`, {
        field: 'times',
      });
    }
    times = Float64Array.from(parts.times);
  }
  return {
    interval: parts.interval,
    symbols: [...parts.symbols],
    length,
    logReturns,
    volLogChanges,
    runs,
    times,
    largestOffset: parts.largestOffset ?? 0,
  };
}

/**
 * The history of some underlyings, in the given order.
 *
 * @throws ZkMarginError `UNKNOWN_UNDERLYING` for one that the history lacks, `NOT_ENOUGH_DATA` for none
 */
export function selectUnderlyings(history: ReturnHistory, symbols: readonly string[]): ReturnHistory {
  if (symbols.length === 0) {
    throw new ZkMarginError('NOT_ENOUGH_DATA', 'Name at least one underlying.', { field: 'underlyings' });
  }
  const places = symbols.map((symbol, index) => {
    const place = history.symbols.indexOf(symbol);
    if (place < 0) {
      throw new ZkMarginError(
        'UNKNOWN_UNDERLYING',
        `Give a history of ${symbol}: this one has ${history.symbols.join(', ')}.`,
        { field: `underlyings[${index}]` },
      );
    }
    return place;
  });
  return {
    ...history,
    symbols: [...symbols],
    logReturns: places.map((place) => history.logReturns[place]!),
    volLogChanges: places.map((place) => history.volLogChanges[place]),
  };
}

/** Steps `from` up to, but without, `to`. */
export function sliceHistory(history: ReturnHistory, from: number, to: number): ReturnHistory {
  return {
    ...history,
    length: Math.max(0, Math.min(to, history.length) - from),
    logReturns: history.logReturns.map((series) => series.subarray(from, to)),
    volLogChanges: history.volLogChanges.map((series) => series?.subarray(from, to)),
    runs: history.runs.subarray(from, to),
    times: history.times?.subarray(from, to),
  };
}

/** First steps of all windows of a number of steps that lie within one unbroken run. */
export function windowStarts(history: ReturnHistory, steps: number): number[] {
  const starts: number[] = [];
  let runStart = 0;
  for (let step = 0; step < history.length; step++) {
    if (step > 0 && history.runs[step] !== history.runs[step - 1]) runStart = step;
    const start = step - steps + 1;
    if (start >= runStart) starts.push(start);
  }
  return starts;
}

/**
 * Number of steps of a horizon.
 *
 * @param horizonDays whole calendar days, 1 to 365
 * @throws ZkMarginError `NOT_FINITE`, `OUT_OF_RANGE` for a horizon outside its range or no multiple of the
 * interval, `NOT_ENOUGH_DATA` for one longer than the history
 */
export function stepsOfHorizon(history: ReturnHistory, horizonDays: number): number {
  requireFinite(horizonDays, 1, 365, 'horizonDays');
  const steps = (horizonDays * DAY_SECONDS) / history.interval;
  if (!Number.isInteger(horizonDays) || !Number.isInteger(steps)) {
    throw new ZkMarginError(
      'OUT_OF_RANGE',
      `Give horizonDays as whole days that hold a whole number of the history's steps of ${history.interval} seconds.`,
      { field: 'horizonDays', details: { horizonDays, interval: history.interval } },
    );
  }
  if (steps > history.length) {
    throw new ZkMarginError(
      'NOT_ENOUGH_DATA',
      `Give a longer history: a horizon of ${horizonDays} days takes ${steps} steps, it has ${history.length}.`,
      { field: 'horizonDays', details: { steps, length: history.length } },
    );
  }
  return steps;
}

/** A market variable of a history: an underlying's price or its implied vol. */
export interface Factor {
  readonly underlying: number;
  readonly kind: 'price' | 'volatility';
  /** Log change of each step. */
  readonly changes: Float64Array;
}

/** All market variables of a history: prices first, then the vols that are known. */
export function factorsOf(history: ReturnHistory): Factor[] {
  const prices = history.logReturns.map(
    (changes, underlying): Factor => ({ underlying, kind: 'price', changes }),
  );
  const volatilities = history.volLogChanges.flatMap((changes, underlying): Factor[] =>
    changes === undefined ? [] : [{ underlying, kind: 'volatility', changes }],
  );
  return [...prices, ...volatilities];
}
