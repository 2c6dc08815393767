/** Margin documents: what is read, what is refused and where, and that nothing else can happen. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isZkMarginError } from '../errors.ts';
import { breakdownOf } from '../margin/engine/breakdown.ts';
import { incrementalMargin } from '../margin/engine/incremental.ts';
import { greeksLadder } from '../margin/engine/ladder.ts';
import { computeMargin } from '../margin/engine/margin.ts';
import { PRESET_NAMES, presetModel } from '../margin/presets/index.ts';
import { MAX_POSITIONS, readMarginDocument } from './margin.ts';

/** ZKMARGIN_RUNS asks for more. */
const RUNS = Number(process.env.ZKMARGIN_RUNS ?? 3_000);

// biome-ignore lint/suspicious/noExplicitAny: documents are changed in every way.
type Json = any;

/** A document that uses every part of the format. */
const valid = (): Json => ({
  model: 'ramm',
  market: {
    asOf: '2025-02-19T00:00:00Z',
    stablePrice: 0.999,
    underlyings: [
      {
        symbol: 'BTC',
        spot: 95_000,
        spotConfidence: 0.98,
        realisedVolatility: 0.5,
        perpetual: { price: 95_100, confidence: 0.9 },
        expiries: [
          {
            expiry: '28FEB25',
            forward: 95_200,
            rate: 0.03,
            volatility: { type: 'svi', a: 0.002, b: 0.04, rho: -0.3, m: -0.02, sigma: 0.06, years: 0.025 },
            confidence: 0.8,
            earlier: [
              {
                asOf: '2025-02-18T12:00:00Z',
                forward: 96_000,
                volatility: { type: 'flat', volatility: 0.5 },
              },
            ],
          },
          {
            expiry: '2025-03-28T08:00:00Z',
            forward: 96_000,
            discount: 0.997,
            volatility: {
              type: 'pillars',
              spacing: 0.5,
              volatilities: [0.7, 0.62, 0.57, 0.53, 0.5, 0.5, 0.52, 0.55],
            },
          },
        ],
      },
      {
        symbol: 'ETH',
        spot: 2_700,
        expiries: [{ expiry: '28FEB25', forward: 2_701, volatility: { type: 'flat', volatility: 0.65 } }],
      },
    ],
  },
  portfolio: {
    id: 'desk 1',
    cash: 120_000,
    positions: [
      { instrument: 'BTC-28FEB25-90000-P', quantity: -2 },
      { instrument: 'BTC-28MAR25-110000-C', quantity: 3 },
      { instrument: 'BTC-28FEB25', quantity: 0.5, settlement: 'linear', unrealised: 12 },
      { instrument: 'BTC-PERPETUAL', quantity: -0.4, settlement: 'inverse', unrealised: -30 },
      { instrument: 'ETH-SPOT', quantity: 4 },
      {
        array: 'CME',
        quantity: 1,
        underlying: 'BTC',
        value: 5,
        profits: new Array(presetModel('ramm').scenarios.length).fill(-3),
      },
    ],
    collateral: [
      {
        asset: 'wstBTC',
        amount: 0.5,
        price: 94_000,
        classes: ['volatile', 'staked', 'bridged'],
        backing: 0.99,
        offsets: { underlying: 'BTC', fraction: 0.9 },
        confidence: 0.9,
      },
      { asset: 'USDC', amount: 1_000, price: 1, haircut: { maintenance: 0.01, initial: 0.02 } },
    ],
    reservations: [{ name: 'orders', maintenance: 100, initial: 200 }],
  },
  trades: [{ name: 'hedge', positions: [{ instrument: 'BTC-PERPETUAL', quantity: 0.1 }], cash: -5 }],
});

/** The valid document with the value at a path replaced; `remove` takes it out. */
const remove = Symbol('remove');
function changed(path: string, value: Json): Json {
  const document = valid();
  const keys = path.split(/[.[\]]+/).filter((key) => key !== '');
  let parent: Json = document;
  for (const key of keys.slice(0, -1)) parent = parent[key];
  const last = keys.at(-1)!;
  if (value === remove) {
    if (Array.isArray(parent)) parent.splice(Number(last), 1);
    else delete parent[last];
  } else parent[last] = value;
  return document;
}

function refusal(
  document: unknown,
  model?: string,
): { code: string; field: string | undefined; message: string } {
  try {
    readMarginDocument(document, model);
  } catch (error) {
    if (!isZkMarginError(error)) throw error;
    return { code: error.code, field: error.field, message: error.message };
  }
  return { code: 'none', field: undefined, message: '' };
}

/** Everything that a request leads to; the numbers of it. */
function computeAll(document: unknown): number[] {
  const request = readMarginDocument(document);
  const margin = computeMargin(request.portfolio, request.market, request.model);
  const numbers = [
    margin.equity.total,
    margin.maintenanceRequirement,
    margin.initialRequirement,
    margin.maintenanceMargin,
    margin.initialMargin,
    margin.scan.loss,
    margin.scan.relief,
  ];
  for (const row of margin.scan.profits) numbers.push(...row);
  for (const { base, maintenance, initial, positions, collateral } of margin.components) {
    numbers.push(base, maintenance, initial, ...positions, ...collateral);
    expect(maintenance).toBeGreaterThanOrEqual(0);
    expect(initial).toBeGreaterThanOrEqual(0);
  }
  for (const level of ['maintenance', 'initial'] as const) {
    const { requirement, components, positions, other } = breakdownOf(margin, level);
    expect(components.reduce((sum, { amount }) => sum + amount, 0n)).toBe(requirement);
    expect(positions.reduce((sum, { contribution }) => sum + contribution, other)).toBe(requirement);
  }
  for (const rung of greeksLadder(margin)) numbers.push(rung.value, rung.delta, rung.gammaPerPercent);
  for (const trade of request.trades) {
    const { equity, maintenanceRequirement, initialRequirement } = incrementalMargin(margin, trade);
    numbers.push(equity, maintenanceRequirement, initialRequirement);
  }
  return numbers;
}

const U = 'market.underlyings[0]';
const E = `${U}.expiries[0]`;
const V = `${E}.volatility`;
const P = 'portfolio.positions';

describe('documents', () => {
  it('every part is read', () => {
    const { market, portfolio, model, trades } = readMarginDocument(valid());
    expect(model.name).toBe('ramm');
    expect(market.underlyings.map(({ symbol }) => symbol)).toEqual(['BTC', 'ETH']);
    const [first, second] = market.underlyings[0]!.expiries;
    expect(first!.name).toBe('28FEB25');
    expect(first!.secondsToExpiry).toBe(9 * 86_400 + 8 * 3_600);
    expect(first!.earlier![0]!.age).toBe(43_200);
    expect(Math.exp((-second!.rate * second!.secondsToExpiry) / 31_536_000)).toBeCloseTo(0.997, 14);
    // ETH has no realised vol of its own: that of its nearest expiry at the money.
    expect(market.underlyings[1]!.realisedVolatility).toBe(0.65);
    expect(portfolio.positions).toMatchObject([
      { kind: 'option', underlying: 0, expiry: 0, strike: 90_000, isCall: false, quantity: -2 },
      { kind: 'option', underlying: 0, expiry: 1, strike: 110_000, isCall: true, quantity: 3 },
      { kind: 'future', underlying: 0, expiry: 0, inverse: false, unrealised: 12 },
      { kind: 'perpetual', underlying: 0, inverse: true, quantity: -0.4, unrealised: -30 },
      { kind: 'spot', underlying: 1, quantity: 4 },
      { kind: 'array', id: 'CME', underlying: 0, value: 5 },
    ]);
    expect(trades).toMatchObject([{ name: 'hedge', cash: -5 }]);
    for (const number of computeAll(valid())) expect(Number.isFinite(number)).toBe(true);
  });

  it('haircuts of classes compound with each other and with the backing; collateral is worth what the settlement asset makes it', () => {
    const { portfolio } = readMarginDocument(valid());
    const [bitcoin, dollars] = portfolio.collateral;
    expect(bitcoin!.maintenanceHaircut).toBeCloseTo(1 - 0.99 * 0.88 * 0.96 * 0.97, 14);
    expect(bitcoin!.initialHaircut).toBeCloseTo(1 - 0.99 * 0.82 * 0.93 * 0.94, 14);
    expect(bitcoin!.value).toBeCloseTo(47_000 / 0.999, 9);
    expect(bitcoin!.offsets).toEqual({ underlying: 0, fraction: 0.9 });
    expect(dollars!.maintenanceHaircut).toBeCloseTo(0.01, 15);
    // Unless a fraction is given, what counts as equity is what moves: all of it where haircuts are a part of the requirement.
    for (const [deduct, fraction] of [
      ['equity', 0.99 * 0.88 * 0.96 * 0.97],
      ['requirement', 1],
    ] as const) {
      const ramm = presetModel('ramm');
      const model = { ...ramm, collateral: { ...ramm.collateral, deduct } };
      const document = { ...(changed('portfolio.collateral[0].offsets.fraction', remove) as object), model };
      const [moving] = readMarginDocument(document).portfolio.collateral;
      expect(moving!.offsets!.fraction).toBeCloseTo(fraction, 14);
    }
    // A class that is named twice counts once.
    const twice = readMarginDocument(changed('portfolio.collateral[0].classes', ['volatile', 'volatile']));
    expect(twice.portfolio.collateral[0]!.maintenanceHaircut).toBeCloseTo(1 - 0.99 * 0.88, 14);
    // No reserves, no value.
    const empty = readMarginDocument(changed('portfolio.collateral[0].backing', 0));
    expect(empty.portfolio.collateral[0]!.maintenanceHaircut).toBe(1);
  });

  it.each(PRESET_NAMES)('%s can be named in the document or from outside', (name) => {
    const document = valid();
    document.portfolio.positions.pop();
    if (name === 'deribit') {
      document.market.underlyings.pop();
      document.portfolio.positions.pop();
    }
    expect(readMarginDocument({ ...document, model: name }).model).toEqual(presetModel(name));
    expect(readMarginDocument(document, name).model).toEqual(presetModel(name));
    expect(readMarginDocument({ ...document, model: presetModel(name) }).model).toEqual(presetModel(name));
  });

  it('parameters replace values of a preset, and the version says so', () => {
    const { model } = readMarginDocument({
      ...valid(),
      parameters: { reliefFraction: 0, scan: { maintenance: 1.2 }, tiers: { soft: 1.5 } },
    });
    expect(model.reliefFraction).toBe(0);
    expect(model.scan).toMatchObject({ maintenance: 1.2, initial: presetModel('ramm').scan.initial });
    expect(model.tiers).toEqual({ soft: 1.5, warning: 1.25 });
    expect(model.version).toMatch(/changed/);
    expect(presetModel('ramm').reliefFraction).toBe(0.5);
  });
});

describe('what is refused, with its code and its place', () => {
  it.each<[string, Json, string, string?]>([
    // The document as a whole.
    ['market', remove, 'MALFORMED'],
    ['portfolio', remove, 'MALFORMED'],
    ['unknown', 1, 'MALFORMED'],
    ['market', null, 'MALFORMED'],
    ['portfolio', [], 'MALFORMED'],
    ['model', 'nobody', 'UNKNOWN_MODEL'],
    ['model', '__proto__', 'UNKNOWN_MODEL'],
    ['model', 5, 'MALFORMED'],
    ['model', {}, 'MALFORMED', 'model.name'],
    ['parameters', 'x', 'MALFORMED'],
    ['parameters', { scan: { maintenance: 2 } }, 'OUT_OF_RANGE', 'parameters.scan.initial'],
    ['parameters', { reliefFraction: 2 }, 'OUT_OF_RANGE', 'parameters.reliefFraction'],
    ['parameters', { gainFactor: Number.NaN }, 'NOT_FINITE', 'parameters.gainFactor'],
    ['parameters', { nothing: 1 }, 'MALFORMED', 'parameters.nothing'],
    ['parameters', { scenarios: [] }, 'MALFORMED', 'parameters.scenarios'],
    [
      'parameters',
      { collateral: { classes: { volatile: { maintenance: 0.5, initial: 0.1 } } } },
      'OUT_OF_RANGE',
      'parameters.collateral.classes.volatile.initial',
    ],
    // Market.
    ['market.asOf', 'yesterday', 'MALFORMED'],
    ['market.asOf', Number.NaN, 'NOT_FINITE'],
    ['market.asOf', 12, 'OUT_OF_RANGE'],
    ['market.stablePrice', 0, 'OUT_OF_RANGE'],
    ['market.stablePrice', -1, 'OUT_OF_RANGE'],
    ['market.stablePrice', 1e-300, 'OUT_OF_RANGE'],
    ['market.underlyings', [], 'MALFORMED'],
    [`${U}.symbol`, 'btc', 'MALFORMED'],
    ['market.underlyings[1].symbol', 'BTC', 'DUPLICATE_POSITION'],
    [`${U}.spot`, 0, 'OUT_OF_RANGE'],
    [`${U}.spot`, -1, 'OUT_OF_RANGE'],
    [`${U}.spot`, Number.POSITIVE_INFINITY, 'NOT_FINITE'],
    [`${U}.spot`, Number.NaN, 'NOT_FINITE'],
    [`${U}.spot`, '95000', 'MALFORMED'],
    [`${U}.spotConfidence`, 1.1, 'OUT_OF_RANGE'],
    [`${U}.realisedVolatility`, -0.1, 'OUT_OF_RANGE'],
    [`${U}.perpetual.price`, 0, 'OUT_OF_RANGE'],
    // Expiries.
    [`${E}.expiry`, '19FEB25T00', 'EXPIRED_OPTION'],
    [`${E}.expiry`, '2024-02-19', 'EXPIRED_OPTION'],
    [`${E}.expiry`, '31FEB25', 'MALFORMED'],
    [`${U}.expiries[1].expiry`, '2025-02-28T08:00:00Z', 'DUPLICATE_POSITION'],
    [`${E}.forward`, 0, 'OUT_OF_RANGE'],
    [`${E}.forward`, -5, 'OUT_OF_RANGE'],
    [`${E}.forward`, 1e300, 'OUT_OF_RANGE'],
    [`${E}.rate`, 6, 'OUT_OF_RANGE'],
    [`${E}.discount`, 0.99, 'MALFORMED'],
    [`${U}.expiries[1].discount`, 0, 'OUT_OF_RANGE'],
    [`${U}.expiries[1].discount`, 1e-300, 'OUT_OF_RANGE'],
    [`${E}.confidence`, -0.1, 'OUT_OF_RANGE'],
    [`${E}.volatility`, remove, 'MALFORMED'],
    [`${E}.earlier[0].asOf`, '2025-02-20T00:00:00Z', 'OUT_OF_RANGE'],
    [`${E}.earlier[0].forward`, 0, 'OUT_OF_RANGE'],
    // Volatilities.
    [`${V}.a`, -1, 'OUT_OF_RANGE', V],
    [`${V}.b`, -0.1, 'OUT_OF_RANGE'],
    [`${V}.rho`, 1.5, 'OUT_OF_RANGE'],
    [`${V}.sigma`, -0.1, 'OUT_OF_RANGE'],
    [`${V}.years`, 0, 'OUT_OF_RANGE'],
    [`${V}.m`, Number.NEGATIVE_INFINITY, 'NOT_FINITE'],
    [`${E}.earlier[0].volatility.volatility`, -0.5, 'OUT_OF_RANGE'],
    [`${E}.earlier[0].volatility.volatility`, 0, 'OUT_OF_RANGE'],
    [`${E}.earlier[0].volatility.volatility`, Number.NaN, 'NOT_FINITE'],
    [`${U}.expiries[1].volatility.volatilities`, new Array(7).fill(0.5), 'MALFORMED'],
    [`${U}.expiries[1].volatility.volatilities`, new Array(9).fill(0.5), 'TOO_LARGE'],
    [`${U}.expiries[1].volatility.volatilities[3]`, -0.5, 'OUT_OF_RANGE'],
    [`${U}.expiries[1].volatility.spacing`, 0, 'OUT_OF_RANGE'],
    // Positions.
    ['portfolio.cash', remove, 'MALFORMED'],
    ['portfolio.cash', Number.NaN, 'NOT_FINITE'],
    ['portfolio.cash', 1e16, 'OUT_OF_RANGE'],
    [`${P}[0].instrument`, 'BTC-28FEB25-90000-X', 'UNKNOWN_INSTRUMENT'],
    [`${P}[0].instrument`, 'hello', 'UNKNOWN_INSTRUMENT'],
    [`${P}[0].instrument`, 'BTC-28FEB25-0-P', 'UNKNOWN_INSTRUMENT'],
    [`${P}[0].instrument`, 'SOL-28FEB25-90-P', 'UNKNOWN_UNDERLYING'],
    [`${P}[0].instrument`, 'BTC-14FEB25-90000-P', 'EXPIRED_OPTION'],
    [`${P}[0].instrument`, 'BTC-19FEB25T00-90000-P', 'EXPIRED_OPTION'],
    [`${P}[0].instrument`, 'BTC-7MAR25-90000-P', 'MISSING_EXPIRY'],
    [`${P}[2].instrument`, 'BTC-7MAR25', 'MISSING_EXPIRY'],
    [`${P}[1].instrument`, 'BTC-28FEB25-90000-P', 'DUPLICATE_POSITION'],
    [`${P}[1].instrument`, 'BTC-28FEB25T08-90000-P', 'DUPLICATE_POSITION'],
    [`${P}[0].quantity`, 0, 'ZERO_QUANTITY'],
    [`${P}[0].quantity`, Number.NaN, 'NOT_FINITE'],
    [`${P}[0].quantity`, 1e300, 'OUT_OF_RANGE'],
    [`${P}[0].unrealised`, 5, 'MALFORMED'],
    [`${P}[3].settlement`, 'quanto', 'MALFORMED'],
    [`${P}[5].profits`, [1, 2, 3], 'MALFORMED'],
    [`${P}[5].profits`, new Array(257).fill(0), 'TOO_LARGE'],
    [`${P}[5].profits[4]`, Number.NaN, 'NOT_FINITE'],
    [`${P}[5].underlying`, 'DOGE', 'UNKNOWN_UNDERLYING'],
    // Collateral, reservations, trades.
    ['portfolio.collateral[0].amount', -1, 'OUT_OF_RANGE'],
    ['portfolio.collateral[0].price', 0, 'OUT_OF_RANGE'],
    ['portfolio.collateral[0].classes', [], 'MALFORMED'],
    ['portfolio.collateral[0].classes[1]', 'magic', 'MALFORMED'],
    ['portfolio.collateral[0].backing', 1.5, 'OUT_OF_RANGE'],
    ['portfolio.collateral[0].offsets.underlying', 'SOL', 'UNKNOWN_UNDERLYING'],
    ['portfolio.collateral[0].offsets.fraction', 2, 'OUT_OF_RANGE'],
    ['portfolio.collateral[1].haircut.initial', 0.001, 'OUT_OF_RANGE'],
    ['portfolio.collateral[1].haircut.maintenance', -0.1, 'OUT_OF_RANGE'],
    ['portfolio.collateral[1].haircut.maintenance', 1.1, 'OUT_OF_RANGE'],
    ['portfolio.reservations[0].maintenance', -1, 'OUT_OF_RANGE'],
    ['portfolio.reservations[0].initial', 50, 'OUT_OF_RANGE'],
    ['trades[0].positions', [], 'MALFORMED'],
    ['trades[0].positions[0].instrument', 'BTC-7MAR25-90000-P', 'MISSING_EXPIRY'],
    ['trades[0].positions[0].quantity', 0, 'ZERO_QUANTITY'],
    ['trades[0].cash', Number.POSITIVE_INFINITY, 'NOT_FINITE'],
    ['tailRisk', { levels: [0.3] }, 'OUT_OF_RANGE', 'tailRisk.levels[0]'],
  ])('%s = %j is %s', (path, value, code, field = path) => {
    const found = refusal(changed(path, value));
    expect({ code: found.code, field: found.field }).toEqual({ code, field });
    expect(found.message.length).toBeGreaterThan(10);
    expect(found.message).toMatch(/\.$/);
  });

  it.each([null, undefined, 5, 'text', [], [valid()], {}])('%j is no document', (document) => {
    expect(refusal(document).code).toBe('MALFORMED');
  });

  it('two positions of one perpetual, one of each settlement, are two instruments; of one settlement they are one', () => {
    const twice = changed(`${P}[2]`, { instrument: 'BTC-PERP', quantity: 1 });
    expect(refusal(twice).code).toBe('none');
    twice.portfolio.positions[2].settlement = 'inverse';
    expect(refusal(twice)).toMatchObject({ code: 'DUPLICATE_POSITION', field: `${P}[3].instrument` });
  });

  it('a model in coin needs one underlying', () => {
    expect(refusal({ ...valid(), model: 'deribit' })).toMatchObject({
      code: 'UNSUPPORTED',
      field: 'market.underlyings',
    });
  });

  it('a million legs are refused before they are looked at', () => {
    const document = valid();
    document.portfolio.positions = new Array(1_000_000).fill({ instrument: 'BTC-SPOT', quantity: 1 });
    expect(refusal(document)).toMatchObject({ code: 'TOO_LARGE', field: P });
    document.portfolio.positions = new Array(MAX_POSITIONS + 1).fill(null);
    expect(refusal(document)).toMatchObject({ code: 'TOO_LARGE', field: P });
  });

  it('quotes that no surface fits are refused at their place', () => {
    const quotes = [90, 95, 100, 105, 110].map((strike) => ({
      strike: strike * 1_000,
      type: 'C',
      markVol: 0.5,
    }));
    const fitted = changed(`${V}`, { type: 'quotes', quotes });
    expect(refusal(fitted).code).toBe('none');
    const broken = changed(`${V}`, {
      type: 'quotes',
      quotes: quotes.map(({ strike, type }) => ({ strike, type })),
    });
    const { code, field } = refusal(broken);
    expect(code).not.toBe('none');
    expect(field).toMatch(/^market\.underlyings\[0\]\.expiries\[0\]\.volatility/);
  });

  it('the prototype is not reached', () => {
    const polluted = JSON.parse('{"__proto__": {"polluted": 1}, "reliefFraction": 0}');
    const found = refusal({ ...valid(), parameters: polluted });
    expect(['none', 'MALFORMED']).toContain(found.code);
    expect(({} as Json).polluted).toBeUndefined();
  });
});

describe('any change of a document', () => {
  /** All paths of a value. */
  const pathsOf = (
    value: Json,
    path: readonly (string | number)[] = [],
  ): (readonly (string | number)[])[] => [
    path,
    ...(typeof value === 'object' && value !== null
      ? Object.keys(value).flatMap((key) => pathsOf(value[key], [...path, key]))
      : []),
  ];
  const bases: Json[] = [
    valid(),
    {
      ...valid(),
      model: presetModel('pmrm2'),
      portfolio: { ...valid().portfolio, positions: valid().portfolio.positions.slice(0, 5) },
    },
    { ...valid(), parameters: { pricing: { minimumTenorSeconds: 0 }, volShock: { up: 1 } } },
  ];
  const deribit = valid();
  deribit.model = presetModel('deribit');
  deribit.market.underlyings.pop();
  deribit.portfolio.positions = deribit.portfolio.positions.slice(0, 4);
  bases.push(deribit);

  const number = fc.oneof(
    fc.double(),
    fc.double({ min: -10, max: 10, noNaN: true }),
    fc.constantFrom(
      0,
      -0,
      1,
      -1,
      1e-320,
      1e-12,
      1e-6,
      1e6,
      1e12,
      1e15,
      1e300,
      -1e15,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ),
    fc.integer(),
  );
  const junk: fc.Arbitrary<Json> = fc.oneof(
    { weight: 5, arbitrary: number },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
    { weight: 1, arbitrary: fc.string() },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        null,
        true,
        {},
        [],
        '28FEB25',
        'BTC',
        'C',
        'x'.repeat(20_000),
        new Array(20_000).fill(0),
      ),
    },
  );
  const changes = fc.array(
    fc.record({
      at: fc.nat(),
      how: fc.constantFrom('set', 'set', 'set', 'delete', 'scale', 'copy', 'proto'),
      value: junk,
      factor: fc.oneof(number, fc.double({ min: 0.5, max: 2, noNaN: true })),
    }),
    { minLength: 1, maxLength: 4 },
  );

  const mutate = (
    base: Json,
    list: readonly { at: number; how: string; value: Json; factor: number }[],
  ): Json => {
    const document = structuredClone(base);
    for (const { at, how, value: drawn, factor } of list) {
      const value = structuredClone(drawn);
      const paths = pathsOf(document).slice(1);
      const path = paths[at % paths.length]!;
      let parent: Json = document;
      for (const key of path.slice(0, -1)) parent = parent[key];
      const last = path.at(-1)!;
      if (how === 'set') parent[last] = value;
      else if (how === 'scale')
        parent[last] = typeof parent[last] === 'number' ? parent[last] * factor : value;
      else if (how === 'copy') parent[`${last}`.concat('x')] = value;
      else if (how === 'proto')
        Object.defineProperty(parent, '__proto__', {
          value,
          enumerable: true,
          configurable: true,
          writable: true,
        });
      else if (Array.isArray(parent)) parent.splice(Number(last), 1);
      else delete parent[last];
    }
    return document;
  };

  it('gives finite numbers or a typed error, nothing else', () => {
    let computed = 0;
    fc.assert(
      fc.property(fc.constantFrom(...bases), changes, (base, list) => {
        const document = mutate(base, list);
        let numbers: number[];
        try {
          numbers = computeAll(document);
        } catch (error) {
          if (isZkMarginError(error)) {
            expect(error.message.length).toBeGreaterThan(10);
            return;
          }
          throw error;
        }
        computed++;
        for (const value of numbers) expect(Number.isFinite(value)).toBe(true);
      }),
      { numRuns: RUNS },
    );
    // Not all changes break a document: some are followed to the end.
    expect(computed).toBeGreaterThan(RUNS / 20);
  }, 900_000);
});
