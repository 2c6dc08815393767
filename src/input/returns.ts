/**
 * Histories of prices and implied vols for tail-risk measures: the document of this project, and two shapes
 * in which market data come.
 *
 * 1. Its own: `{ interval, underlyings: [{ symbol, prices, times?, vols? }] }`, or `logReturns` and
 *    `volChanges` in place of prices and vols. Without `times` the prices are `interval` seconds apart; with
 *    them they are resampled.
 * 2. Snapshots of vol surfaces: `{ columns, BTC: rows, ETH: rows }` with the columns `unix`, `index` and
 *    vols.
 * 3. Candles by episode: `{ name: { asset, interval, columns, rows } }` with the columns `unix` (start) and
 *    `close`. Series of one asset are merged; at one time the finest counts.
 *
 * Resampling: a grid of whole intervals runs back from the latest time that all underlyings have reached. At
 * each point stands, for each underlying, the observation nearest to it in time within half an interval,
 * before or after. So no observation is used twice, and nothing is interpolated: both would make returns look
 * calmer than they were. Where an underlying has none, the point is missing, and no return and no window
 * reaches across it.
 */
import { type Static, type TNumberOptions, Type } from 'typebox';
import { checkShape } from '../check-shape.ts';
import { requireFinite, ZkMarginError } from '../errors.ts';
import { DAY_SECONDS } from '../market/words.ts';
import {
  createHistory,
  MAX_HISTORY_STEPS,
  MAX_HISTORY_UNDERLYINGS,
  type ReturnHistory,
} from '../risk/history.ts';

const strict = { additionalProperties: false } as const;
/** Times are in seconds; milliseconds since 1970 are beyond this. */
const LATEST_TIME = 2 ** 40 - 1;
/** Most points of a grid, missing ones included. */
const MAX_GRID = 5_000_000;
/** Longest interval, in seconds. */
const LONGEST_INTERVAL = 366 * DAY_SECONDS;

const Numbers = (bounds: TNumberOptions, description: string) =>
  Type.Array(Type.Number(bounds), { maxItems: MAX_HISTORY_STEPS + 1, description });

/** The project's own history document. */
export const ReturnsDocument = Type.Object(
  {
    interval: Type.Number({
      minimum: 1,
      maximum: LONGEST_INTERVAL,
      description: 'seconds between observations',
    }),
    underlyings: Type.Array(
      Type.Object(
        {
          symbol: Type.String({ minLength: 1, maxLength: 32 }),
          prices: Type.Optional(Numbers({ exclusiveMinimum: 0 }, 'prices, oldest first')),
          times: Type.Optional(
            Numbers({ minimum: 0, maximum: LATEST_TIME }, 'seconds since 1970-01-01 UTC, increasing'),
          ),
          vols: Type.Optional(Numbers({ exclusiveMinimum: 0 }, 'implied vols, per square root of a year')),
          logReturns: Type.Optional(
            Numbers({ minimum: -100, maximum: 100 }, 'logarithms of one price over the one before'),
          ),
          volChanges: Type.Optional(
            Numbers({ exclusiveMinimum: -1, maximum: 1e6 }, 'relative changes of implied vol'),
          ),
        },
        strict,
      ),
      { minItems: 1, maxItems: MAX_HISTORY_UNDERLYINGS },
    ),
    source: Type.Optional(Type.String({ maxLength: 10_000 })),
    note: Type.Optional(Type.String({ maxLength: 10_000 })),
  },
  strict,
);

const Columns = Type.Array(Type.String({ maxLength: 64 }), { minItems: 2, maxItems: 64 });
const Rows = Type.Array(Type.Array(Type.Union([Type.Number(), Type.Null()]), { maxItems: 64 }), {
  maxItems: MAX_HISTORY_STEPS,
});
const Candles = Type.Object({
  asset: Type.String({ minLength: 1, maxLength: 32 }),
  interval: Type.String({ pattern: '^[1-9][0-9]{0,3}[smhd]$', maxLength: 5 }),
  columns: Columns,
  rows: Rows,
});

/** Choices that a reader of a history has. */
export interface ReadReturnsOptions {
  /** Underlyings to read, in this order; all of the document unless given. */
  readonly symbols?: readonly string[] | undefined;
  /** Seconds between observations for snapshots (86,400 unless given) and candles (3,600 unless given). */
  readonly interval?: number | undefined;
  /** Column of implied vols in snapshots; `atm30d` unless given; null reads none. */
  readonly volColumn?: string | null | undefined;
}

/** Observations of one underlying, in increasing order of time. */
interface Observations {
  readonly symbol: string;
  readonly times: readonly number[];
  readonly prices: readonly number[];
  readonly vols: readonly number[] | undefined;
}

/**
 * The history in a document of any of the three shapes.
 *
 * @throws ZkMarginError `MALFORMED`, `NOT_FINITE`, `OUT_OF_RANGE`, `TOO_LARGE` with the path of what is
 * wrong, `UNKNOWN_UNDERLYING` for a symbol that the document lacks, `NOT_ENOUGH_DATA` when no return can be
 * formed
 */
export function readReturns(document: unknown, options: ReadReturnsOptions = {}): ReturnHistory {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new ZkMarginError('MALFORMED', 'Give a history as an object.', { field: '' });
  }
  if (options.interval !== undefined) requireFinite(options.interval, 1, LONGEST_INTERVAL, 'interval');
  const members = document as Readonly<Record<string, unknown>>;
  if (Object.hasOwn(members, 'underlyings') || Object.hasOwn(members, 'interval')) {
    return readOwn(checkShape(ReturnsDocument, document), options);
  }
  if (Object.hasOwn(members, 'columns')) return readSnapshots(members, options);
  if (Object.values(members).some((value) => isObject(value) && Object.hasOwn(value, 'rows'))) {
    return readCandles(members, options);
  }
  throw new ZkMarginError(
    'MALFORMED',
    'Give a history with interval and underlyings, snapshots with columns and rows by asset, or candles by episode.',
    { field: 'underlyings' },
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readOwn(document: Static<typeof ReturnsDocument>, options: ReadReturnsOptions): ReturnHistory {
  const { interval } = document;
  const chosen = choose(
    document.underlyings.map((underlying, index) => ({ ...underlying, field: `underlyings[${index}]` })),
    options.symbols,
  );
  const [first] = chosen;
  const byReturns = first!.logReturns !== undefined;
  const timed = first!.times !== undefined;
  const observations: Observations[] = [];
  for (const { field, ...underlying } of chosen) {
    const { symbol, prices, times, vols, logReturns, volChanges } = underlying;
    if ((logReturns !== undefined) !== byReturns || (prices === undefined) === (logReturns === undefined)) {
      throw new ZkMarginError('MALFORMED', `Give ${field} either prices or logReturns, as the others.`, {
        field: `${field}.${byReturns ? 'logReturns' : 'prices'}`,
      });
    }
    if (byReturns) {
      requireAbsent(times, `${field}.times`, 'logReturns');
      requireAbsent(vols, `${field}.vols`, 'logReturns');
      requireLength(logReturns!, first!.logReturns!.length, `${field}.logReturns`);
      if (volChanges !== undefined) requireLength(volChanges, logReturns!.length, `${field}.volChanges`);
      continue;
    }
    requireAbsent(volChanges, `${field}.volChanges`, 'prices');
    if ((times !== undefined) !== timed) {
      throw new ZkMarginError('MALFORMED', 'Give times for all underlyings or for none.', {
        field: `${field}.times`,
      });
    }
    if (!timed) requireLength(prices!, first!.prices!.length, `${field}.prices`);
    if (vols !== undefined) requireLength(vols, prices!.length, `${field}.vols`);
    if (times !== undefined) {
      requireLength(times, prices!.length, `${field}.times`);
      requireIncreasing(times, `${field}.times`);
    }
    observations.push({
      symbol,
      prices: prices!,
      vols,
      times: times ?? prices!.map((_, index) => index * interval),
    });
  }
  if (byReturns) {
    return createHistory({
      interval,
      symbols: chosen.map(({ symbol }) => symbol),
      logReturns: chosen.map(({ logReturns }) => logReturns!),
      volLogChanges: chosen.map(({ volChanges }) => volChanges?.map((change) => Math.log1p(change))),
    });
  }
  const history = resample(observations, interval);
  return timed ? history : { ...history, times: undefined };
}

function requireAbsent(value: unknown, field: string, beside: string): void {
  if (value === undefined) return;
  throw new ZkMarginError('MALFORMED', `Leave out ${field}: it does not go with ${beside}.`, { field });
}

function requireLength(values: readonly number[], length: number, field: string): void {
  if (values.length === length) return;
  throw new ZkMarginError('MALFORMED', `Give ${field} ${length} numbers: it has ${values.length}.`, {
    field,
    details: { length: values.length, expected: length },
  });
}

function requireIncreasing(times: readonly number[], field: string): void {
  for (let index = 1; index < times.length; index++) {
    if (times[index]! > times[index - 1]!) continue;
    throw new ZkMarginError('OUT_OF_RANGE', 'Give times in increasing order, each once.', {
      field: `${field}[${index}]`,
      details: { value: times[index]!, previous: times[index - 1]! },
    });
  }
}

/** The wanted items in the wanted order; all of them unless named. */
function choose<Item extends { readonly symbol: string }>(
  items: readonly Item[],
  symbols: readonly string[] | undefined,
): readonly Item[] {
  for (let index = 0; index < items.length; index++) {
    const { symbol } = items[index]!;
    if (items.findIndex((item) => item.symbol === symbol) !== index) {
      throw new ZkMarginError('MALFORMED', `Give ${symbol} once.`, { field: `underlyings[${index}].symbol` });
    }
  }
  if (symbols === undefined) return items;
  if (symbols.length === 0) {
    throw new ZkMarginError('NOT_ENOUGH_DATA', 'Name at least one underlying.', { field: 'symbols' });
  }
  return symbols.map((symbol, index) => {
    const item = items.find((each) => each.symbol === symbol);
    if (item !== undefined) return item;
    throw new ZkMarginError(
      'UNKNOWN_UNDERLYING',
      `Give a history of ${symbol}: this one has ${items.map((each) => each.symbol).join(', ')}.`,
      { field: `symbols[${index}]` },
    );
  });
}

function readSnapshots(
  members: Readonly<Record<string, unknown>>,
  options: ReadReturnsOptions,
): ReturnHistory {
  const columns = checkShape(Columns, members.columns, 'columns');
  const volColumn = options.volColumn === undefined ? 'atm30d' : options.volColumn;
  const timeAt = columnOf(columns, 'unix', 'columns');
  const priceAt = columnOf(columns, 'index', 'columns');
  const volAt = volColumn === null ? undefined : columnOf(columns, volColumn, 'columns');
  const assets = Object.keys(members)
    .filter((name) => name !== 'columns' && Array.isArray(members[name]))
    .map((symbol) => ({ symbol }));
  if (assets.length === 0) {
    throw new ZkMarginError('NOT_ENOUGH_DATA', 'Give rows of at least one asset.', { field: '' });
  }
  const observations = choose(assets, options.symbols).map(({ symbol }): Observations => {
    const rows = checkShape(Rows, members[symbol], symbol);
    const [times, prices, vols]: [number[], number[], number[]] = [[], [], []];
    for (let index = 0; index < rows.length; index++) {
      const row = rows[index]!;
      const field = `${symbol}[${index}]`;
      // A snapshot without its price or vol is as good as missing.
      if (row[timeAt] === null || row[priceAt] === null || (volAt !== undefined && row[volAt] === null))
        continue;
      times.push(cell(row, timeAt, 0, LATEST_TIME, field));
      prices.push(cell(row, priceAt, Number.MIN_VALUE, Number.MAX_VALUE, field));
      if (volAt !== undefined) vols.push(cell(row, volAt, Number.MIN_VALUE, Number.MAX_VALUE, field));
    }
    requireIncreasing(times, symbol);
    return { symbol, times, prices, vols: volAt === undefined ? undefined : vols };
  });
  return resample(observations, options.interval ?? DAY_SECONDS);
}

function columnOf(columns: readonly string[], name: string, field: string): number {
  const place = columns.indexOf(name);
  if (place >= 0) return place;
  throw new ZkMarginError('MALFORMED', `Name a column ${name}: there are ${columns.join(', ')}.`, { field });
}

function cell(
  row: readonly (number | null)[],
  place: number,
  minimum: number,
  maximum: number,
  field: string,
): number {
  return requireFinite(row[place], minimum, maximum, `${field}[${place}]`);
}

const UNIT_SECONDS = { s: 1, m: 60, h: 3600, d: DAY_SECONDS } as const;

function readCandles(members: Readonly<Record<string, unknown>>, options: ReadReturnsOptions): ReturnHistory {
  // For each asset its closes by time, and the length of the candle that gave each.
  const byAsset = new Map<string, Map<number, { readonly price: number; readonly seconds: number }>>();
  for (const [name, value] of Object.entries(members)) {
    // Notes about the data stand among the series.
    if (typeof value === 'string') continue;
    const { asset, interval, columns, rows } = checkShape(Candles, value, name);
    if (options.symbols !== undefined && !options.symbols.includes(asset)) {
      if (!byAsset.has(asset)) byAsset.set(asset, new Map());
      continue;
    }
    const timeAt = columnOf(columns, 'unix', `${name}.columns`);
    const closeAt = columnOf(columns, 'close', `${name}.columns`);
    const seconds =
      Number(interval.slice(0, -1)) * UNIT_SECONDS[interval.at(-1) as keyof typeof UNIT_SECONDS];
    const closes = byAsset.get(asset) ?? new Map();
    byAsset.set(asset, closes);
    for (let index = 0; index < rows.length; index++) {
      const row = rows[index]!;
      const field = `${name}.rows[${index}]`;
      if (row[timeAt] === null || row[closeAt] === null) continue;
      const time = cell(row, timeAt, 0, LATEST_TIME, field) + seconds;
      const price = cell(row, closeAt, Number.MIN_VALUE, Number.MAX_VALUE, field);
      const known = closes.get(time);
      if (known === undefined || seconds < known.seconds) closes.set(time, { price, seconds });
    }
  }
  const assets = [...byAsset.keys()].map((symbol) => ({ symbol }));
  const observations = choose(assets, options.symbols).map(({ symbol }): Observations => {
    const closes = [...byAsset.get(symbol)!].sort(([left], [right]) => left - right);
    return {
      symbol,
      times: closes.map(([time]) => time),
      prices: closes.map(([, { price }]) => price),
      vols: undefined,
    };
  });
  return resample(observations, options.interval ?? 3600);
}

/** Puts observations on one grid, as the head of this file says, and forms returns. */
function resample(underlyings: readonly Observations[], interval: number): ReturnHistory {
  const none = () =>
    new ZkMarginError(
      'NOT_ENOUGH_DATA',
      `Give at least two observations of all underlyings ${interval} seconds apart.`,
      { field: 'underlyings' },
    );
  if (underlyings.some(({ times }) => times.length === 0)) throw none();
  const end = Math.min(...underlyings.map(({ times }) => times.at(-1)!));
  const start = Math.max(...underlyings.map(({ times }) => times[0]!));
  // The first point may lie half an interval before the first observation.
  const last = Math.floor((end - start) / interval + 0.5);
  if (!(last >= 1)) throw none();
  if (last > MAX_GRID) {
    throw new ZkMarginError('TOO_LARGE', `Choose a longer interval: this one makes ${last} steps.`, {
      field: 'interval',
    });
  }
  const half = interval / 2;
  const count = underlyings.length;
  const next = new Array<number>(count).fill(0);
  let previous: number[] | undefined;
  const found = new Array<number>(count).fill(0);
  const logReturns: number[][] = underlyings.map(() => []);
  const volChanges: number[][] = underlyings.map(() => []);
  const runs: number[] = [];
  const times: number[] = [];
  let run = 0;
  let largestOffset = 0;
  for (let point = 0; point <= last; point++) {
    const time = end - (last - point) * interval;
    let complete = true;
    for (let index = 0; index < count; index++) {
      const own = underlyings[index]!.times;
      let place = next[index]!;
      while (place < own.length && own[place]! <= time - half) place++;
      let nearest = -1;
      while (place < own.length && own[place]! <= time + half) {
        if (nearest < 0 || Math.abs(own[place]! - time) < Math.abs(own[nearest]! - time)) nearest = place;
        place++;
      }
      next[index] = place;
      found[index] = nearest;
      if (nearest < 0) complete = false;
    }
    if (!complete) {
      previous = undefined;
      continue;
    }
    for (let index = 0; index < count; index++) {
      largestOffset = Math.max(largestOffset, Math.abs(underlyings[index]!.times[found[index]!]! - time));
    }
    if (previous === undefined) {
      run++;
    } else {
      for (let index = 0; index < count; index++) {
        const { prices, vols } = underlyings[index]!;
        const [from, to] = [previous[index]!, found[index]!];
        logReturns[index]!.push(Math.log(prices[to]!) - Math.log(prices[from]!));
        if (vols !== undefined) volChanges[index]!.push(Math.log(vols[to]!) - Math.log(vols[from]!));
      }
      runs.push(run);
      times.push(time);
    }
    previous = [...found];
  }
  if (times.length === 0) throw none();
  return createHistory({
    interval,
    symbols: underlyings.map(({ symbol }) => symbol),
    logReturns,
    volLogChanges: underlyings.map(({ vols }, index) =>
      vols === undefined ? undefined : volChanges[index]!,
    ),
    runs,
    times,
    largestOffset,
  });
}
