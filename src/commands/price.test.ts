import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isZkMarginError } from '../errors.ts';
import { MAX_PRICE_ROWS, type PriceResult, priceDocument } from '../input/price.ts';
import { black76 } from '../math/float/black76.ts';
import { jsonLines, priceTable } from './price.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const GREEKS = fileURLToPath(new URL('../../../shared/vectors/greeks.json', import.meta.url));
const CLI = fileURLToPath(new URL('../../bin/zkmargin.mjs', import.meta.url));

const black = { type: 'C', F: 100, K: 110, T: 0.5, vol: 0.6, discount: 0.98 };
const merton = { type: 'put', S: 100, K: 110, T: 0.5, r: 0.05, q: 0.01, vol: 0.6 };

function refusal(document: unknown): [string, string | undefined] {
  try {
    priceDocument(document);
  } catch (error) {
    if (isZkMarginError(error)) return [error.code, error.field];
    throw error;
  }
  throw new Error('Nothing was thrown.');
}

const one = (row: object): PriceResult => priceDocument(row)[0]!;

describe('priceDocument', () => {
  it('takes one row, a list, and vectors', () => {
    const expected = one(black);
    expect(priceDocument([black, black])).toEqual([expected, expected]);
    expect(priceDocument({ note: 'ignored', vectors: [black] })).toEqual([expected]);
    expect(priceDocument([])).toEqual([]);
    expect(priceDocument({ vectors: [] })).toEqual([]);
    expect(expected.id).toBeNull();
    expect(one({ ...black, id: 7, src: 'x', tol: 1, recomputed: {}, note: [null] })).toEqual({
      ...expected,
      id: 7,
    });
  });

  it('tells the model by the inputs, and reads its names and those of the type in any case', () => {
    expect(one(black).model).toBe('BLACK76');
    expect(one(merton).model).toBe('BSM');
    const { q, ...noYield } = merton;
    expect(one({ ...noYield, b: 0.04 }).model).toBe('GBS');
    expect(one({ ...noYield }).model).toBe('BSM');
    expect(one({ ...merton, b: 0.04 }).model).toBe('BSM');
    expect(one({ ...noYield, b: 0.04 }).price).toBeCloseTo(one(merton).price!, 13);
    for (const model of ['bsm', 'Black-Scholes-Merton', 'BSM', 'black_scholes']) {
      expect(one({ ...merton, model })).toEqual(one(merton));
    }
    for (const type of ['P', 'p', 'put', 'PUT', 'Put']) expect(one({ ...merton, type })).toEqual(one(merton));
    // No yield is a yield of 0.
    expect(one(noYield)).toEqual(one({ ...merton, q: 0 }));
    // A rate in place of a discount factor, or with one that agrees, and neither for none.
    const { discount, ...undiscounted } = black;
    const r = -Math.log(discount) / 0.5;
    expect(one({ ...undiscounted, r }).price).toBeCloseTo(one(black).price!, 12);
    expect(one({ ...black, r }).rho).toBeCloseTo(one(black).rho!, 10);
    expect(one(undiscounted).price).toBeCloseTo(one(black).price! / discount, 12);
  });

  it('agrees with Black-76, whose rho holds the forward', () => {
    const expected = black76('call', 100, 110, 0.5, 0.6, 0.98);
    const result = one(black);
    for (const name of Object.keys(expected) as (keyof typeof expected)[]) {
      expect(result[name], name).toBeCloseTo(expected[name], 11);
    }
    expect(result.rho).toBeCloseTo(-0.5 * result.price!, 12);
    // A yield that happens to equal the rate is a yield still.
    const level = one({ ...merton, q: 0.05 });
    expect(level.rho).toBeCloseTo(0.5 * 110 * level.strikeDelta! * -1, 12);
  });

  it('implies volatilities, alone and beside a given one', () => {
    const price = one(black).price!;
    const { vol, ...unknown } = black;
    const implied = one({ ...unknown, price });
    expect(implied.vol).toBeCloseTo(0.6, 13);
    expect(implied.impliedVolatility).toBe(implied.vol);
    expect(implied.price).toBe(price);
    expect(implied.vega).toBeCloseTo(one(black).vega!, 10);
    expect(one({ ...unknown, price_undiscounted: price / 0.98 }).vol).toBeCloseTo(0.6, 13);
    expect(one({ ...unknown, price_undiscounted: price / 0.98 }).price).toBeCloseTo(price, 13);
    const both = one({ ...black, price: 20 });
    expect(both.price).toBe(price);
    expect(both.vol).toBe(0.6);
    expect(one({ ...black, vol: both.impliedVolatility }).price).toBeCloseTo(20, 11);
    expect(one({ ...merton, price: one(merton).price! }).impliedVolatility).toBeCloseTo(0.6, 12);
    // No volatility gives these; any gives the last.
    for (const wrong of [-1, 98, 1000]) expect(one({ ...black, price: wrong }).impliedVolatility).toBeNull();
    expect(one({ ...black, T: 0, discount: 1, price: 0 }).impliedVolatility).toBeNull();
    expect('impliedVolatility' in one(black)).toBe(false);
    expect(one({ ...unknown, price: 0 }).vol).toBe(0);
  });

  it('gives the asked sensitivity in the asked unit', () => {
    const plain = one(merton);
    const cases: [string, string | undefined, number][] = [
      ['theta', undefined, plain.theta!],
      ['theta', 'per year', plain.theta!],
      ['theta', 'per day', plain.theta! / 365],
      ['Theta', 'per trading day', plain.theta! / 252],
      ['theta_per_day', undefined, plain.theta! / 365],
      ['thetaPerDay', undefined, plain.theta! / 365],
      ['vega', 'per 1.00 vol', plain.vega!],
      ['vega', 'per 1% vol', plain.vega! / 100],
      ['vega', 'per 1.00 vol (100%)', plain.vega!],
      ['vega', 'per 1.00%', plain.vega! / 100],
      ['theta', 'per year (365 days)', plain.theta!],
      ['theta', 'per calendar day (1/365 year)', plain.theta! / 365],
      ['theta', 'day', plain.theta! / 365],
      ['theta', 'theta/252', plain.theta! / 252],
      ['veta', 'per day, per 1% vol', plain.veta! / 36_500],
      ['vega', 'per 0.01 vol', plain.vega! / 100],
      ['vega', 'per vol point', plain.vega! / 100],
      ['rho', 'per basis point', plain.rho! / 10_000],
      ['rho', 'raw (theta per year, vega/rho per 1.00)', plain.rho!],
      ['vomma', 'per 1.00 vol^2', plain.volga!],
      ['volga', 'per 1% vol', plain.volga! / 10_000],
      ['DdeltaDvol', 'raw', plain.vanna!],
      ['charm', 'per day', plain.charm! / 365],
      ['phi', 'per 1%', plain.dividendRho! / 100],
      ['dividend_rho', undefined, plain.dividendRho!],
      ['driftless_theta', 'per year', plain.driftlessTheta!],
      ['dual delta', 'raw', plain.strikeDelta!],
      ['delta', 'per 1%', plain.delta!],
      ['lambda', 'raw', plain.elasticity!],
      ['price', undefined, plain.price!],
    ];
    for (const [greek, unit, expected] of cases) {
      const result = one({ ...merton, greek, ...(unit === undefined ? {} : { unit }) });
      expect(result.value! / expected, `${greek} ${unit}`).toBeCloseTo(1, 14);
      expect([result.greek, result.unit]).toEqual([greek, unit]);
    }
    expect(one({ ...merton, greek: 'constructor' }).value).toBeNull();
    expect('value' in plain).toBe(false);
  });

  it('prices expired and motionless options', () => {
    const expired = one({ ...merton, T: 0 });
    expect([expired.price, expired.delta, expired.gamma, expired.theta]).toEqual([
      10,
      -1,
      0,
      0.05 * 110 - 0.01 * 100,
    ]);
    expect(one({ ...black, T: 0, K: 90, discount: 1 }).price).toBe(10);
    expect(one({ ...black, vol: 0, K: 90 }).price).toBeCloseTo(9.8, 14);
    const worthless = one({ ...black, K: 1e9, vol: 0.1 });
    expect([worthless.price, worthless.elasticity]).toEqual([0, null]);
  });

  it('refuses what it cannot price, with the path', () => {
    const rowsOf = (change: object) => ({ vectors: [black, black, black, { ...black, ...change }] });
    const at = (field: string) => `vectors[3].${field}`;
    const { vol, ...noVolatility } = black;
    expect(refusal({ vectors: [black, black, black, noVolatility] })).toEqual(['MALFORMED', at('vol')]);
    expect(refusal([black, noVolatility])).toEqual(['MALFORMED', '[1].vol']);
    expect(refusal(noVolatility)).toEqual(['MALFORMED', 'vol']);
    for (const [field, value, code] of [
      ['F', 0, 'OUT_OF_RANGE'],
      ['F', -1, 'OUT_OF_RANGE'],
      ['F', Number.NaN, 'NOT_FINITE'],
      ['K', 0, 'OUT_OF_RANGE'],
      ['K', Number.POSITIVE_INFINITY, 'NOT_FINITE'],
      ['T', -1e-9, 'OUT_OF_RANGE'],
      ['T', '1', 'MALFORMED'],
      ['vol', -0.1, 'OUT_OF_RANGE'],
      ['vol', Number.NaN, 'NOT_FINITE'],
      ['vol', null, 'MALFORMED'],
      ['discount', 0, 'OUT_OF_RANGE'],
      ['r', 0.5, 'MALFORMED'],
      ['type', 'X', 'MALFORMED'],
      ['type', 1, 'MALFORMED'],
      ['model', 'heston', 'UNKNOWN_MODEL'],
      ['model', '__proto__', 'UNKNOWN_MODEL'],
      ['price', Number.NaN, 'NOT_FINITE'],
    ] as const) {
      const expected = field === 'r' ? 'discount' : field;
      expect(refusal(rowsOf({ [field]: value })), `${field} ${value}`).toEqual([code, at(expected)]);
    }
    expect(refusal(rowsOf({ F: undefined }))[1]).toMatch(/^vectors\[3\]/);
    expect(refusal([{ ...noVolatility, price: 98 }])).toEqual(['NO_ARBITRAGE_FREE_PRICE', '[0].price']);
    expect(refusal([{ ...noVolatility, price_undiscounted: -1 }])).toEqual([
      'NO_ARBITRAGE_FREE_PRICE',
      '[0].price_undiscounted',
    ]);
    expect(refusal({ ...black, model: 'BSM' })).toEqual(['MALFORMED', 'S']);
    expect(refusal({ ...merton, model: 'BLACK76' })).toEqual(['MALFORMED', 'F']);
    expect(refusal({ ...merton, r: undefined })[0]).toBe('MALFORMED');
    const { q, r, ...spotOnly } = merton;
    expect(refusal(spotOnly)).toEqual(['MALFORMED', 'r']);
    expect(refusal({ ...spotOnly, r, model: 'GBS' })).toEqual(['MALFORMED', 'b']);
    expect(refusal({ ...merton, b: 0.03 })).toEqual(['MALFORMED', 'b']);
    expect(refusal({ ...merton, r: 500 })).toEqual(['OUT_OF_RANGE', 'r']);
    expect(refusal({ ...merton, q: -500 })).toEqual(['OUT_OF_RANGE', 'q']);
    expect(refusal({ ...black, T: 1e-300, discount: 1e-50 })).toEqual(['OUT_OF_RANGE', 'discount']);
    for (const document of [
      null,
      undefined,
      1,
      'C',
      true,
      [1],
      [[]],
      { vectors: 1 },
      { vectors: [null] },
      {},
    ]) {
      expect(refusal(document)[0]).toBe('MALFORMED');
    }
    expect(refusal(new Array(MAX_PRICE_ROWS + 1).fill(black))).toEqual(['TOO_LARGE', '']);
    expect(refusal({ vectors: new Array(MAX_PRICE_ROWS + 1) })).toEqual(['TOO_LARGE', 'vectors']);
  });

  it('answers any document with results or a typed error', () => {
    const answers = (document: unknown): boolean => {
      let results: PriceResult[];
      try {
        results = priceDocument(document);
      } catch (error) {
        expect(isZkMarginError(error), String(error)).toBe(true);
        return false;
      }
      for (const result of results) {
        for (const value of Object.values(result)) {
          if (typeof value === 'number' && value !== result.id) expect(Number.isFinite(value)).toBe(true);
        }
        expect(result.price).toBeGreaterThanOrEqual(0);
      }
      return true;
    };
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (document) => {
        answers(document);
      }),
      { numRuns: 2_000 },
    );
    // Rows that are nearly right: each field of a wide range, or of the wrong kind.
    const figure = fc.oneof(
      { weight: 20, arbitrary: fc.double({ min: 1e-6, max: 1e6, noNaN: true }) },
      { weight: 6, arbitrary: fc.double({ min: 0, max: 2, noNaN: true }) },
      { weight: 2, arbitrary: fc.double() },
      { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 1 }) },
    );
    const rate = fc.oneof(
      { weight: 9, arbitrary: fc.double({ min: -0.5, max: 0.5, noNaN: true }) },
      { weight: 1, arbitrary: figure },
    );
    const some = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined, freq: 2 });
    const row = fc
      .record({
        type: fc.constantFrom('C', 'P', 'call', 'PUT'),
        model: fc.option(fc.constantFrom('BSM', 'GBS', 'BLACK76', 'black', '?'), { nil: undefined, freq: 1 }),
        S: some(figure),
        F: some(figure),
        K: figure,
        T: fc.oneof(fc.double({ min: 0, max: 5, noNaN: true }), figure),
        r: some(rate),
        q: some(rate),
        b: some(rate),
        discount: fc.option(figure, { nil: undefined, freq: 1 }),
        vol: some(fc.double({ min: 0, max: 4, noNaN: true })),
        price: some(figure),
        greek: some(fc.constantFrom('theta', 'vega', 'zeta', 'per', '')),
        unit: some(fc.constantFrom('per day', 'per 1%', 'raw', '')),
      })
      .map((record) => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)));
    let answered = 0;
    fc.assert(
      fc.property(row, (document) => {
        if (answers(document)) answered++;
        answers([document]);
      }),
      { numRuns: 5_000 },
    );
    expect(answered).toBeGreaterThan(200);
  });
});

describe('the output of zkmargin price', () => {
  it('is a list of one object a line', () => {
    for (const results of [[], priceDocument([black]), priceDocument([black, merton, black])]) {
      const lines = [...jsonLines(results)];
      expect(lines.length).toBe(results.length + 2);
      expect(JSON.parse(lines.join('\n'))).toEqual(JSON.parse(JSON.stringify(results)));
    }
  });

  it('is a table with aligned columns, without those that nothing fills', () => {
    const lines = [
      ...priceTable(
        priceDocument([
          { ...black, id: 'a\nb' },
          { ...merton, price: 15, id: 2 },
        ]),
      ),
    ];
    expect(lines.length).toBe(3);
    expect(lines[0]).toMatch(/^id +model +type +vol +implied vol +price .* volga$/);
    expect(lines[1]).toMatch(/^a\\nb +BLACK76 +C +0\.6 +- /);
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
    expect([...priceTable(priceDocument([black]))][0]).toMatch(/^model/);
    expect([...priceTable([])].length).toBe(1);
  });
});

describe('the command', () => {
  const run = (...options: string[]) =>
    promisify(execFile)(process.execPath, [CLI, 'price', ...options], { cwd: ROOT, maxBuffer: 2 ** 26 });

  it.skipIf(!existsSync(GREEKS))(
    'prices a published document',
    async () => {
      const { stdout } = await run('--json', GREEKS);
      const { vectors } = JSON.parse(readFileSync(GREEKS, 'utf8')) as {
        vectors: { id: string; value: number; tol: number; ok: boolean }[];
      };
      const results = JSON.parse(stdout) as PriceResult[];
      expect(results.length).toBe(vectors.length);
      for (const [position, row] of vectors.entries()) {
        expect(results[position]!.id).toBe(row.id);
        if (row.ok) expect(Math.abs(results[position]!.value! - row.value)).toBeLessThanOrEqual(row.tol);
      }
    },
    60_000,
  );

  it('reads standard input, prints a table, and tells what is wrong', async () => {
    const piped = (text: string) => {
      const child = run('-');
      child.child.stdin!.end(text);
      return child;
    };
    const [table, failure, help] = await Promise.all([
      piped(JSON.stringify(black)),
      piped(JSON.stringify([black, { ...black, F: -1 }])).catch(
        (error: { stderr: string; code: number }) => error,
      ),
      run('--help'),
    ]);
    expect(table.stdout.split('\n').length).toBe(3);
    expect(table.stdout).toContain('BLACK76');
    expect(failure).toMatchObject({ code: 1 });
    expect(failure.stderr).toContain('OUT_OF_RANGE ([1].F)');
    expect(help.stdout).toContain('Example:');
  }, 60_000);
});
