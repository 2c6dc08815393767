import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ZkMarginError } from '../errors.ts';
import { readReturns } from './returns.ts';

const DATA = new URL('../../../shared/data/', import.meta.url);
const available = existsSync(DATA);
if (!available) console.warn('Skipped: reading real price histories, since ../shared/data is absent.');

const code = (run: () => unknown, expected: string, field: string) =>
  expect(run).toThrowError(expect.objectContaining({ name: 'ZkMarginError', code: expected, field }));

const close = (values: ArrayLike<number>, expected: number[]) => {
  expect(values.length).toBe(expected.length);
  expected.forEach((value, index) => {
    expect(values[index]).toBeCloseTo(value, 12);
  });
};

describe('the own document', () => {
  it('reads prices and vols on a regular grid', () => {
    const history = readReturns({
      interval: 3600,
      underlyings: [
        { symbol: 'A', prices: [100, 110, 99], vols: [0.5, 0.6, 0.3] },
        { symbol: 'B', prices: [1, 2, 4] },
      ],
      source: 'by hand',
    });
    expect(history).toMatchObject({ interval: 3600, symbols: ['A', 'B'], length: 2, largestOffset: 0 });
    close(history.logReturns[0]!, [Math.log(1.1), Math.log(0.9)]);
    close(history.logReturns[1]!, [Math.LN2, Math.LN2]);
    close(history.volLogChanges[0]!, [Math.log(1.2), Math.log(0.5)]);
    expect(history.volLogChanges[1]).toBeUndefined();
    expect(history.times).toBeUndefined();
    expect([...history.runs]).toEqual([1, 1]);
  });

  it('reads returns as they are', () => {
    const history = readReturns(
      {
        interval: 86_400,
        underlyings: [
          { symbol: 'A', logReturns: [0.1, -0.2], volChanges: [0.25, -0.5] },
          { symbol: 'B', logReturns: [0, 3] },
        ],
      },
      { symbols: ['B', 'A'] },
    );
    expect(history.symbols).toEqual(['B', 'A']);
    close(history.logReturns[1]!, [0.1, -0.2]);
    close(history.volLogChanges[1]!, [Math.log(1.25), Math.log(0.5)]);
  });

  it('resamples irregular times to the nearest observation within half an interval, each used once', () => {
    // Grid back from 1000 by 100: ... 600 700 800 900 1000.
    const history = readReturns({
      interval: 100,
      underlyings: [
        { symbol: 'A', times: [560, 610, 695, 790, 845, 910, 1000], prices: [9, 1, 2, 4, 99, 8, 16] },
        { symbol: 'B', times: [600, 700, 800, 900, 1000, 1100], prices: [1, 3, 9, 27, 81, 7] },
      ],
    });
    expect([...history.times!]).toEqual([700, 800, 900, 1000]);
    close(history.logReturns[0]!, [Math.LN2, Math.LN2, Math.LN2, Math.LN2]);
    close(history.logReturns[1]!, [Math.log(3), Math.log(3), Math.log(3), Math.log(3)]);
    expect(history.largestOffset).toBe(10);
  });

  it('forms no return across a missing point', () => {
    const history = readReturns({
      interval: 100,
      underlyings: [
        { symbol: 'A', times: [100, 200, 300, 400, 500, 600], prices: [1, 2, 4, 8, 16, 32] },
        { symbol: 'B', times: [100, 200, 400, 500, 600], prices: [1, 2, 8, 16, 32] },
      ],
    });
    expect([...history.times!]).toEqual([200, 500, 600]);
    expect([...history.runs]).toEqual([1, 2, 2]);
    close(history.logReturns[0]!, [Math.LN2, Math.LN2, Math.LN2]);
  });

  it('says what is wrong and where', () => {
    const doc = (underlying: object, more: object[] = [], interval: unknown = 100) => ({
      interval,
      underlyings: [{ symbol: 'A', ...underlying }, ...more],
    });
    const refuse = (document: unknown, expected: string, field: string) =>
      code(() => readReturns(document), expected, field);
    refuse(doc({ prices: [1, Number.NaN] }), 'NOT_FINITE', 'underlyings[0].prices[1]');
    refuse(doc({ prices: [1, Number.POSITIVE_INFINITY] }), 'NOT_FINITE', 'underlyings[0].prices[1]');
    refuse(doc({ prices: [1, 0] }), 'OUT_OF_RANGE', 'underlyings[0].prices[1]');
    refuse(doc({ prices: [1, -2] }), 'OUT_OF_RANGE', 'underlyings[0].prices[1]');
    refuse(doc({ prices: [1, '2'] }), 'MALFORMED', 'underlyings[0].prices[1]');
    refuse(doc({ prices: [1, 2], vols: [0.1] }), 'MALFORMED', 'underlyings[0].vols');
    refuse(doc({ prices: [1, 2], vols: [0.1, 0] }), 'OUT_OF_RANGE', 'underlyings[0].vols[1]');
    refuse(doc({ prices: [1, 2], times: [1] }), 'MALFORMED', 'underlyings[0].times');
    refuse(doc({ prices: [1, 2], times: [100, 100] }), 'OUT_OF_RANGE', 'underlyings[0].times[1]');
    refuse(doc({ prices: [1, 2], times: [1e12, 2e12] }), 'OUT_OF_RANGE', 'underlyings[0].times[1]');
    refuse(doc({ prices: [1, 2] }, [{ symbol: 'B', prices: [1] }]), 'MALFORMED', 'underlyings[1].prices');
    refuse(doc({ prices: [1, 2] }, [{ symbol: 'A', prices: [1, 2] }]), 'MALFORMED', 'underlyings[1].symbol');
    refuse(doc({ prices: [1, 2] }, [{ symbol: 'B', logReturns: [1] }]), 'MALFORMED', 'underlyings[1].prices');
    refuse(doc({ prices: [1, 2], logReturns: [1] }), 'MALFORMED', 'underlyings[0].logReturns');
    refuse(doc({}), 'MALFORMED', 'underlyings[0].prices');
    refuse(doc({ logReturns: [1], times: [1] }), 'MALFORMED', 'underlyings[0].times');
    refuse(doc({ logReturns: [1], volChanges: [-1] }), 'OUT_OF_RANGE', 'underlyings[0].volChanges[0]');
    refuse(doc({ prices: [1, 2], volChanges: [0.1] }), 'MALFORMED', 'underlyings[0].volChanges');
    refuse(
      doc({ prices: [1, 2], times: [1, 2] }, [{ symbol: 'B', prices: [1, 2] }]),
      'MALFORMED',
      'underlyings[1].times',
    );
    refuse(doc({ prices: [1] }), 'NOT_ENOUGH_DATA', 'underlyings');
    refuse(doc({ prices: [] }), 'NOT_ENOUGH_DATA', 'underlyings');
    refuse(doc({ logReturns: [] }), 'NOT_ENOUGH_DATA', 'underlyings[0].logReturns');
    refuse(doc({ prices: [1, 2] }, [], 0), 'OUT_OF_RANGE', 'interval');
    refuse(doc({ prices: [1, 2], times: [0, 1e11] }, [], 1), 'TOO_LARGE', 'interval');
    refuse(doc({ prices: [1, 2], colour: 'red' }), 'MALFORMED', 'underlyings[0].colour');
    refuse({ interval: 1, underlyings: [] }, 'MALFORMED', 'underlyings');
    refuse({ interval: 1 }, 'MALFORMED', 'underlyings');
    refuse(null, 'MALFORMED', '');
    refuse([], 'MALFORMED', '');
    refuse({}, 'MALFORMED', 'underlyings');
    code(
      () => readReturns(doc({ prices: [1, 2] }), { symbols: ['A', 'C'] }),
      'UNKNOWN_UNDERLYING',
      'symbols[1]',
    );
    code(() => readReturns(doc({ prices: [1, 2] }), { symbols: [] }), 'NOT_ENOUGH_DATA', 'symbols');
  });
});

describe('snapshots', () => {
  const columns = ['unix', 'index', 'atm7d', 'atm30d'];
  const day = 86_400;

  it('are sampled to days; rows without a price or vol are left out', () => {
    const document = {
      columns,
      note: 'by hand',
      X: [
        [day, 100, 0.1, 0.5],
        [1.3 * day, 1e9, 0.1, 0.5],
        [2 * day, 110, 0.2, 0.6],
        [3.1 * day, 121, 0.3, null],
        [3.2 * day, 121, 0.4, 0.9],
        [4 * day, 100, 0.1, 0.9],
      ],
    };
    const history = readReturns(document);
    close(history.logReturns[0]!, [Math.log(1.1), Math.log(1.1), Math.log(100 / 121)]);
    close(history.volLogChanges[0]!, [Math.log(1.2), Math.log(1.5), 0]);
    expect(history.largestOffset).toBeCloseTo(0.2 * day, 6);
    const short = readReturns(document, { volColumn: 'atm7d' });
    close(short.volLogChanges[0]!, [Math.log(2), Math.log(1.5), Math.log(1 / 3)]);
    expect(readReturns(document, { volColumn: null }).volLogChanges[0]).toBeUndefined();
  });

  it('say what is wrong and where', () => {
    code(() => readReturns({ columns, X: [[1, 0, 1, 1]] }), 'OUT_OF_RANGE', 'X[0][1]');
    code(() => readReturns({ columns, X: [[1, 2]] }), 'MALFORMED', 'X[0][3]');
    code(() => readReturns({ columns, X: [['a', 1, 1, 1]] }), 'MALFORMED', 'X[0][0]');
    code(() => readReturns({ columns, X: [] }), 'NOT_ENOUGH_DATA', 'underlyings');
    code(() => readReturns({ columns }), 'NOT_ENOUGH_DATA', '');
    code(() => readReturns({ columns: ['unix', 'price'], X: [] }), 'MALFORMED', 'columns');
    code(() => readReturns({ columns, X: [] }, { volColumn: 'atm2d' }), 'MALFORMED', 'columns');
    code(() => readReturns({ columns, X: [] }, { symbols: ['Y'] }), 'UNKNOWN_UNDERLYING', 'symbols[0]');
    const twice = [
      [5, 1, 1, 1],
      [5, 1, 1, 1],
    ];
    code(() => readReturns({ columns, X: twice }), 'OUT_OF_RANGE', 'X[1]');
  });
});

describe('candles', () => {
  const columns = ['unix', 'close'];

  it('count at their end; the finest of several series does; episodes stay apart', () => {
    const document = {
      note: 'by hand',
      first: {
        asset: 'X',
        interval: '1h',
        columns,
        rows: [
          [0, 1],
          [3600, 50],
          [7200, 4],
        ],
      },
      again: { asset: 'X', interval: '30m', columns, rows: [[5400, 2]] },
      later: {
        asset: 'X',
        interval: '1h',
        columns,
        rows: [
          [360_000, 7],
          [363_600, 14],
        ],
      },
    };
    const history = readReturns(document);
    expect([...history.times!]).toEqual([7200, 10_800, 367_200]);
    close(history.logReturns[0]!, [Math.LN2, Math.LN2, Math.LN2]);
    expect([...history.runs]).toEqual([1, 1, 2]);
    expect(readReturns(document, { interval: 7200 }).length).toBe(2);
  });

  it('say what is wrong and where', () => {
    const candle = (rows: unknown, interval = '1h') => ({ s: { asset: 'X', interval, columns, rows } });
    code(() => readReturns(candle([[0, -1]])), 'OUT_OF_RANGE', 's.rows[0][1]');
    code(() => readReturns(candle([[0, 1]], 'hour')), 'MALFORMED', 's.interval');
    code(() => readReturns(candle([[0, 1]])), 'NOT_ENOUGH_DATA', 'underlyings');
    code(() => readReturns({ ...candle([[0, 1]]), t: 5 }), 'MALFORMED', 't');
    code(() => readReturns(candle([[0, 1]]), { symbols: ['Y'] }), 'UNKNOWN_UNDERLYING', 'symbols[0]');
  });
});

describe('any document', () => {
  const number = fc.oneof(
    fc.double(),
    fc.integer({ min: -5, max: 500 }),
    fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
    fc.constantFrom(null, '1', undefined),
  );
  const numbers = fc.array(
    fc.oneof({ weight: 20, arbitrary: fc.double({ min: 0.1, max: 1e3, noNaN: true }) }, number),
    {
      maxLength: 12,
    },
  );
  const increasing = fc
    .array(fc.integer({ min: 0, max: 3000 }), { maxLength: 12 })
    .map((times) => [...new Set(times)].sort((left, right) => left - right));
  const symbol = fc.constantFrom('A', 'B', '', '__proto__', 'constructor');
  const underlying = fc.record(
    {
      symbol,
      prices: numbers,
      times: fc.oneof(increasing, numbers),
      vols: numbers,
      logReturns: numbers,
      volChanges: numbers,
    },
    { requiredKeys: ['symbol'] },
  );
  const rows = fc.array(fc.array(number, { maxLength: 4 }), { maxLength: 8 });
  const columns = fc.shuffledSubarray(['unix', 'index', 'close', 'atm30d']);
  // Lists of one length, with a bad number now and then: most of these are read.
  const plausible = fc.integer({ min: 1, max: 12 }).chain((length) => {
    const good = fc.double({ min: 0.1, max: 1e3, noNaN: true });
    const list = fc.array(fc.oneof({ weight: 60, arbitrary: good }, { weight: 1, arbitrary: number }), {
      minLength: length,
      maxLength: length,
    });
    const times = fc.constant(Array.from({ length }, (_, index) => 95 * index + (index % 3)));
    const timed = fc.record({ prices: list, times, vols: list }, { requiredKeys: ['prices', 'times'] });
    const plain = fc.record({ prices: list, vols: list }, { requiredKeys: ['prices'] });
    const returns = fc.record({ logReturns: list, volChanges: list }, { requiredKeys: ['logReturns'] });
    const shapes = fc.constantFrom<fc.Arbitrary<object>>(timed, plain, returns);
    return shapes.chain((shape) =>
      fc.record({
        interval: fc.constant(100),
        underlyings: fc
          .array(shape, { minLength: 1, maxLength: 2 })
          .map((all) => all.map((each, index) => ({ symbol: 'AB'[index], ...each }))),
      }),
    );
  });
  const document = fc.oneof(
    fc.anything(),
    { weight: 3, arbitrary: plausible },
    fc.record({
      interval: fc.oneof(fc.constant(100), number),
      underlyings: fc.array(underlying, { maxLength: 3 }),
    }),
    fc.dictionary(fc.constantFrom('columns', 'A', 'B', '__proto__'), fc.oneof(columns, rows)),
    fc.dictionary(
      fc.constantFrom('a', 'b', '__proto__'),
      fc.oneof(
        fc.string(),
        fc.record({ asset: symbol, interval: fc.constantFrom('1s', '5m', '9999d', 'x'), columns, rows }),
      ),
    ),
  );

  it('gives a sound history or a typed error', () => {
    let read = 0;
    fc.assert(
      fc.property(
        document,
        fc.option(fc.array(symbol, { maxLength: 2 }), { nil: undefined, freq: 1 }),
        (value, symbols) => {
          try {
            const history = readReturns(value, { symbols });
            read++;
            expect(history.length).toBeGreaterThan(0);
            for (const series of [...history.logReturns, ...history.volLogChanges]) {
              if (series === undefined) continue;
              expect(series.length).toBe(history.length);
              expect(series.every(Number.isFinite)).toBe(true);
            }
          } catch (error) {
            if (!(error instanceof ZkMarginError)) throw error;
            expect(error.field).toBeTypeOf('string');
          }
        },
      ),
      { numRuns: 3000 },
    );
    // The generator must reach the good path too, or the test above says nothing.
    expect(read).toBeGreaterThan(100);
  });

  it('resamples without inventing or repeating: every return is the ratio of two observed prices', () => {
    fc.assert(
      fc.property(increasing, fc.integer({ min: 1, max: 500 }), (times, interval) => {
        fc.pre(times.length >= 2);
        const prices = times.map((_, index) => 2 ** index);
        try {
          const history = readReturns({ interval, underlyings: [{ symbol: 'A', times, prices }] });
          for (const value of history.logReturns[0]!) {
            // Later observations have higher prices: a repeated one would give 0, an interpolated one a
            // fraction.
            const power = value / Math.LN2;
            expect(Math.abs(power - Math.round(power))).toBeLessThan(1e-9);
            expect(power).toBeGreaterThan(0.5);
          }
          expect(history.largestOffset).toBeLessThanOrEqual(interval / 2);
        } catch (error) {
          if (!(error instanceof ZkMarginError)) throw error;
          expect(error.code).toBe('NOT_ENOUGH_DATA');
        }
      }),
    );
  });
});

describe.skipIf(!available)('real data', () => {
  const read = (name: string) => JSON.parse(readFileSync(new URL(name, DATA), 'utf8')) as unknown;

  it('half a year of snapshots gives a return for each day', () => {
    const document = read('surface_history.json');
    const history = readReturns(document);
    expect(history.symbols).toEqual(['BTC', 'ETH']);
    expect(history.length).toBe(235);
    expect(new Set(history.runs).size).toBe(1);
    expect(history.largestOffset).toBeLessThan(43_200);
    // Returns add up to the whole move, first to last.
    const rows = (document as { BTC: number[][] }).BTC;
    const sum = history.logReturns[0]!.reduce((total, value) => total + value, 0);
    expect(Math.abs(sum - Math.log(rows.at(-1)![1]! / rows[0]![1]!))).toBeLessThan(0.05);
    const quarter = readReturns(document, { interval: 21_600, symbols: ['ETH'] });
    expect(quarter.length).toBeGreaterThan(700);
    expect(new Set(quarter.runs).size).toBeGreaterThan(1);
  });

  it('crashes give six episodes apart', () => {
    const history = readReturns(read('crashes.json'));
    expect(history.symbols).toEqual(['BTC', 'ETH']);
    expect(new Set(history.runs).size).toBe(6);
    expect(history.length).toBe(6 * 71 + 5);
    expect(Math.min(...history.logReturns[0]!)).toBeLessThan(-0.15);
  });
});
