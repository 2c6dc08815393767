/** Documents of PMRM2 portfolios: what is read, what is refused and where, and that nothing else can happen. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isZkMarginError } from '../errors.ts';
import { PMRM2_DEFAULTS } from '../margin/presets/pmrm2.ts';
import { isPmrm2Document, marginOfCase, pmrm2Document } from './pmrm2.ts';

/** ZKMARGIN_RUNS asks for more. */
const RUNS = Number(process.env.ZKMARGIN_RUNS ?? 3_000);

// biome-ignore lint/suspicious/noExplicitAny: documents are changed in every way.
type Json = any;

const MONTH = 2_592_000;
const feed = (FeedExpiry: number): Json => ({
  FeedExpiry,
  Forward: 100_000,
  ForwardConfidence: 1,
  Rate: 0.05,
  RateConfidence: 1,
  SVIparam: ['0.02', '0.05', '-0.2', '0.01', '0.1', '100000', `${FeedExpiry / 31_536_000}`],
  OptionVolConfidences: 1,
});
const valid = (): Json => ({
  id: 'by hand',
  scenario: {
    Cash: 10_000,
    Collaterals: [
      {
        Name: 'WBTC',
        Amount: 0.5,
        Price: 99_000,
        Confidence: 1,
        IsRiskCancelling: true,
        IMHaircut: 0.05,
        MMHaircut: 0.1,
      },
    ],
    SpotPrice: 100_000,
    SpotConfidence: 1,
    NumPerps: -0.5,
    PerpPrice: 100_010,
    PerpConfidence: 1,
    UnrealisedPerpPNL: 100,
    UnrealisedFunding: -3,
    StablePrice: 1,
    StableConfidence: 1,
    Options: [
      { Expiry: MONTH, Strike: 110_000, IsCall: 1, Amount: -1 },
      { Expiry: MONTH, Strike: 90_000, IsCall: false, Amount: 2 },
      { Expiry: 900, Strike: 100_000, IsCall: true, Amount: 0.25 },
    ],
    OptionFeeds: [feed(MONTH), feed(900)],
  },
  parameters: structuredClone(PMRM2_DEFAULTS),
});

const remove = Symbol('remove');
function changed(path: string, value: Json): Json {
  const document = valid();
  const keys = path.split(/[.[\]]+/).filter((key) => key !== '');
  let parent: Json = document;
  for (const key of keys.slice(0, -1)) parent = parent[key];
  if (value === remove) delete parent[keys.at(-1)!];
  else parent[keys.at(-1)!] = value;
  return document;
}

function refusal(document: unknown): { code: string; field: string | undefined } {
  try {
    pmrm2Document(document);
  } catch (error) {
    if (!isZkMarginError(error)) throw error;
    expect(error.message).toMatch(/\.$/);
    return { code: error.code, field: error.field };
  }
  return { code: 'none', field: undefined };
}

describe('PMRM2 documents', () => {
  it('one case or a list of them', () => {
    expect(isPmrm2Document(valid())).toBe(true);
    expect(isPmrm2Document({ cases: [] })).toBe(true);
    expect(isPmrm2Document({ market: {}, portfolio: {} })).toBe(false);
    const [alone] = pmrm2Document(valid());
    const list = pmrm2Document({ cases: [valid(), { ...valid(), id: 2 }] });
    expect(list.map(({ id }) => id)).toEqual(['by hand', 2]);
    expect(list[0]).toEqual(alone);
    expect(alone!.scenarioPnl).toHaveLength(33);
    expect(pmrm2Document({ cases: [] })).toEqual([]);
    expect(pmrm2Document({ ...valid(), id: undefined })[0]!.id).toBeNull();
  });

  it('the order of options and feeds changes nothing, to the bit', () => {
    const turned = valid();
    turned.scenario.Options.reverse();
    turned.scenario.OptionFeeds.reverse();
    expect(pmrm2Document(turned)).toEqual(pmrm2Document(valid()));
  });

  it('feeds without options, options of amount 0 and parts of one option are as if there were none, or the whole', () => {
    const more = valid();
    more.scenario.OptionFeeds.push(feed(5_000_000));
    more.scenario.Options.push({ Expiry: 5_000_000, Strike: 1, IsCall: 1, Amount: 0 });
    more.scenario.Options[0].Amount = -0.25;
    more.scenario.Options.push({ Expiry: MONTH, Strike: 110_000, IsCall: true, Amount: -0.75 });
    expect(pmrm2Document(more)).toEqual(pmrm2Document(valid()));
  });

  it('profit and funding of perpetuals count where there are perpetuals', () => {
    const without = pmrm2Document(changed('scenario.NumPerps', 0))[0]!;
    const silent = changed('scenario.NumPerps', 0);
    silent.scenario.UnrealisedPerpPNL = 0;
    silent.scenario.UnrealisedFunding = 0;
    expect(without).toEqual(pmrm2Document(silent)[0]);
    const { margin } = marginOfCase(valid());
    expect(margin.equity.linear).toBe(97);
  });

  it('a naked short put by hand', () => {
    const alone = valid();
    Object.assign(alone.scenario, {
      Collaterals: [],
      NumPerps: 0,
      Options: [{ Expiry: MONTH, Strike: 90_000, IsCall: 0, Amount: -1 }],
    });
    const { margin } = marginOfCase(alone);
    const short = margin.components.find(({ id }) => id === 'shortOption')!;
    // 0.3 % and 0.5 % of 100,000.
    expect(short.maintenance).toBeCloseTo(300, 9);
    expect(short.initial).toBeCloseTo(500, 9);
    const worst = Math.min(...pmrm2Document(alone)[0]!.scenarioPnl);
    expect(margin.maintenanceMargin).toBeCloseTo(margin.equity.total + 0.8 * worst - 300, 6);
    expect(margin.initialMargin).toBeCloseTo(margin.equity.total + worst - 500, 6);
  });

  it.each<[string, Json, string, string?]>([
    ['scenario', remove, 'MALFORMED'],
    ['parameters', remove, 'MALFORMED'],
    ['id', {}, 'MALFORMED'],
    ['scenario.Cash', 'x', 'MALFORMED'],
    ['scenario.Cash', Number.NaN, 'NOT_FINITE'],
    ['scenario.Cash', 1e16, 'OUT_OF_RANGE'],
    ['scenario.SpotPrice', 0, 'OUT_OF_RANGE'],
    ['scenario.SpotPrice', 1e-300, 'OUT_OF_RANGE'],
    ['scenario.StablePrice', 0, 'OUT_OF_RANGE'],
    ['scenario.PerpPrice', -1, 'OUT_OF_RANGE'],
    ['scenario.NumPerps', Number.POSITIVE_INFINITY, 'NOT_FINITE'],
    ['scenario.Collaterals[0].Amount', -1, 'OUT_OF_RANGE'],
    ['scenario.Collaterals[0].IsRiskCancelling', 'yes', 'MALFORMED'],
    ['scenario.Options[0].Expiry', -1, 'EXPIRED_OPTION'],
    ['scenario.Options[0].Expiry', 1_000, 'MISSING_EXPIRY'],
    ['scenario.Options[0].Strike', 0, 'OUT_OF_RANGE'],
    ['scenario.Options[0].Strike', -5, 'OUT_OF_RANGE'],
    ['scenario.Options[0].IsCall', 2, 'MALFORMED'],
    ['scenario.Options[0].Amount', Number.NaN, 'NOT_FINITE'],
    ['scenario.OptionFeeds[1].FeedExpiry', MONTH, 'DUPLICATE_POSITION'],
    ['scenario.OptionFeeds[1].FeedExpiry', -5, 'EXPIRED_OPTION'],
    ['scenario.OptionFeeds[0].Forward', 0, 'OUT_OF_RANGE'],
    ['scenario.OptionFeeds[0].Rate', Number.NaN, 'NOT_FINITE'],
    ['scenario.OptionFeeds[0].SVIparam', ['1', '2'], 'MALFORMED'],
    ['scenario.OptionFeeds[0].SVIparam[0]', 'abc', 'MALFORMED'],
    ['scenario.OptionFeeds[0].SVIparam[0]', '-5', 'OUT_OF_RANGE', 'scenario.OptionFeeds[0].SVIparam'],
    ['scenario.OptionFeeds[0].SVIparam[2]', '1e300', 'OUT_OF_RANGE'],
    ['scenario.OptionFeeds[0].SVIparam[2]', '1e400', 'NOT_FINITE'],
    ['scenario.OptionFeeds[0].SVIparam[5]', '0', 'OUT_OF_RANGE'],
    ['scenario.OptionFeeds[0].SVIparam[6]', '0', 'OUT_OF_RANGE'],
    ['scenario.OptionFeeds[0].SVIparam[6]', '1e-30', 'OUT_OF_RANGE'],
    ['parameters.Margin.MM_LOSS_FACTOR', remove, 'MALFORMED'],
    ['parameters.Scenarios', [], 'MALFORMED'],
    ['parameters.Scenarios[3].VolShockDirection', 'sideways', 'UNSUPPORTED'],
    ['parameters.Scenarios[3].SpotShock', 0, 'OUT_OF_RANGE'],
    ['parameters.VolShock.DTE_FLOOR', -1, 'OUT_OF_RANGE'],
    ['parameters.BasisContingency.SCENARIO_SPOT_UP', Number.NaN, 'NOT_FINITE'],
  ])('%s = %j is %s', (path, value, code, field = path) => {
    expect(refusal(changed(path, value))).toEqual({ code, field });
    // In a list, the place of the case comes first.
    expect(refusal({ cases: [valid(), changed(path, value)] })).toEqual({ code, field: `cases[1].${field}` });
  });

  it.each([null, 5, 'x', [], {}, { scenario: {} }])('%j is malformed', (document) => {
    expect(refusal(document).code).toBe('MALFORMED');
  });

  it('cases that are no list, or too many of them', () => {
    expect(refusal({ cases: 5 })).toEqual({ code: 'MALFORMED', field: 'cases' });
    expect(refusal({ cases: new Array(100_001).fill(null) })).toEqual({ code: 'TOO_LARGE', field: 'cases' });
    const many = valid();
    many.scenario.Options = new Array(10_001).fill(many.scenario.Options[0]);
    expect(refusal(many)).toEqual({ code: 'TOO_LARGE', field: 'scenario.Options' });
  });

  it('parameters that overflow are an error with a code, not a scenario without a loss', () => {
    const wild = changed('parameters.VolShock.SHORTTERMPOWER', -1e6);
    wild.parameters.VolShock.VOLRANGEUP = 0;
    wild.parameters.Margin.LONG_RATE_ADDSCALE = -1e6;
    expect(refusal(wild).code).toBe('ARITHMETIC_OVERFLOW');
  });
});

describe('any change of a case', () => {
  const pathsOf = (
    value: Json,
    path: readonly (string | number)[] = [],
  ): (readonly (string | number)[])[] => [
    path,
    ...(typeof value === 'object' && value !== null
      ? Object.keys(value).flatMap((key) => pathsOf(value[key], [...path, key]))
      : []),
  ];
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
      -1e6,
      1e300,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ),
  );
  const junk: fc.Arbitrary<Json> = fc.oneof(
    { weight: 6, arbitrary: number },
    { weight: 1, arbitrary: number.map(String) },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(null, true, {}, [], '0x10', 'x'.repeat(20_000), new Array(20_000).fill(0)),
    },
  );
  const changes = fc.array(
    fc.record({
      at: fc.nat(),
      how: fc.constantFrom('set', 'set', 'delete', 'scale', 'scale', 'proto'),
      drawn: junk,
      factor: fc.oneof(number, fc.double({ min: 0.5, max: 2, noNaN: true })),
    }),
    { minLength: 1, maxLength: 4 },
  );

  it('gives finite numbers or a typed error, nothing else', () => {
    let computed = 0;
    fc.assert(
      fc.property(changes, (list) => {
        const document = valid();
        for (const { at, how, drawn, factor } of list) {
          const paths = pathsOf(document).slice(1);
          const path = paths[at % paths.length]!;
          let parent: Json = document;
          for (const key of path.slice(0, -1)) parent = parent[key];
          const last = path.at(-1)!;
          const value = structuredClone(drawn);
          if (how === 'scale' && typeof parent[last] === 'number') parent[last] *= factor;
          else if (how === 'proto') {
            Object.defineProperty(parent, '__proto__', {
              value,
              enumerable: true,
              configurable: true,
              writable: true,
            });
          } else if (how === 'delete' && Array.isArray(parent)) parent.splice(Number(last), 1);
          else if (how === 'delete') delete parent[last];
          else parent[last] = value;
        }
        let results: ReturnType<typeof pmrm2Document>;
        try {
          results = pmrm2Document(document);
        } catch (error) {
          if (isZkMarginError(error)) return;
          throw error;
        }
        computed++;
        for (const { mm, im, scenarioPnl } of results) {
          for (const value of [mm, im, ...scenarioPnl]) expect(Number.isFinite(value)).toBe(true);
        }
      }),
      { numRuns: RUNS },
    );
    expect(computed).toBeGreaterThan(RUNS / 20);
  }, 900_000);
});
