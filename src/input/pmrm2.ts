/**
 * Documents in the format in which Derive's PMRM2 publishes its test portfolios: one case, or `{cases: [...]}`. Each has
 * its own market, portfolio and parameters.
 */
import { type Static, Type } from 'typebox';
import { checkShape } from '../check-shape.ts';
import { ZkMarginError } from '../errors.ts';
import { computeMargin, type Margin } from '../margin/engine/margin.ts';
import type { MarginModel } from '../margin/engine/model.ts';
import type { Collateral, ExpiryState, MarketState, Portfolio, Position } from '../margin/engine/state.ts';
import { pmrm2Direction, pmrm2Model } from '../margin/presets/pmrm2.ts';
import { sviCap } from '../market/surface.ts';

const AMOUNT = 1e15;
const Amount = Type.Number({ minimum: -AMOUNT, maximum: AMOUNT });
const Price = Type.Number({ minimum: 0, maximum: AMOUNT });
/** Bounds of what is divided by, so that ratios stay within what a double holds. */
const LEAST = 1e-12;
const Positive = Type.Number({ minimum: LEAST, maximum: AMOUNT });
const Confidence = Type.Number({ minimum: 0, maximum: 1e6 });
const Factor = Type.Number({ minimum: -1e6, maximum: 1e6 });
const Flag = Type.Union([Type.Boolean(), Type.Literal(0), Type.Literal(1)]);
/** A number, or its decimal text. */
const Numeric = Type.Union([
  Type.Number(),
  Type.String({ pattern: '^[-+]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][-+]?[0-9]+)?$', maxLength: 80 }),
]);

/** Largest number of options or collaterals of a case. */
const MAX_CASE_ITEMS = 10_000;

/** One case. Further fields, such as expected values, are let pass. */
export const Pmrm2CaseSchema = Type.Object({
  id: Type.Optional(Type.Union([Type.String({ maxLength: 256 }), Type.Number()])),
  scenario: Type.Object({
    Cash: Amount,
    Collaterals: Type.Array(
      Type.Object({
        Name: Type.String({ maxLength: 64 }),
        Amount: Type.Number({ minimum: 0, maximum: AMOUNT }),
        Price,
        Confidence,
        IsRiskCancelling: Flag,
        IMHaircut: Factor,
        MMHaircut: Factor,
      }),
      { maxItems: MAX_CASE_ITEMS },
    ),
    SpotPrice: Positive,
    SpotConfidence: Confidence,
    NumPerps: Amount,
    PerpPrice: Price,
    PerpConfidence: Confidence,
    UnrealisedPerpPNL: Amount,
    UnrealisedFunding: Amount,
    StablePrice: Positive,
    StableConfidence: Type.Optional(Confidence),
    Options: Type.Array(
      Type.Object({
        Expiry: Type.Number({ maximum: 1e12, description: 'Seconds to expiry.' }),
        Strike: Positive,
        IsCall: Flag,
        Amount,
      }),
      { maxItems: MAX_CASE_ITEMS },
    ),
    OptionFeeds: Type.Array(
      Type.Object({
        FeedExpiry: Type.Number({ maximum: 1e12, description: 'Seconds to expiry.' }),
        Forward: Positive,
        ForwardConfidence: Confidence,
        Rate: Factor,
        RateConfidence: Confidence,
        SVIparam: Type.Array(Numeric, {
          minItems: 7,
          maxItems: 7,
          description: 'a, b, rho, m, sigma, forward, tau.',
        }),
        OptionVolConfidences: Confidence,
      }),
      { maxItems: 1000 },
    ),
  }),
  parameters: Type.Object({
    BasisContingency: Type.Object({
      BASIS_CONT_ADD_FACTOR: Factor,
      BASIS_CONT_MULT_FACTOR: Factor,
      SCENARIO_SPOT_DOWN: Positive,
      SCENARIO_SPOT_UP: Positive,
    }),
    Margin: Type.Object({
      BASE_STATIC_DISCOUNT: Factor,
      BASE_STATIC_DISCOUNT_NEG: Factor,
      IM_LOSS_FACTOR: Factor,
      MM_LOSS_FACTOR: Factor,
      LONG_RATE_ADDSCALE: Factor,
      LONG_RATE_MULTSCALE: Factor,
      SHORT_RATE_ADDSCALE: Factor,
      SHORT_RATE_MULTSCALE: Factor,
    }),
    OtherContingency: Type.Object({
      CONF_MARGIN: Factor,
      CONF_THRESHOLD: Factor,
      IM_OPTION_PERCENT: Factor,
      IM_PERP_PERCENT: Factor,
      MM_OPTION_PERCENT: Factor,
      MM_PERP_PERCENT: Factor,
      PEG_LOSS_FACTOR: Factor,
      PEG_LOSS_THRESHOLD: Factor,
    }),
    Scenarios: Type.Array(
      Type.Object({
        DampeningFactor: Factor,
        SpotShock: Type.Number({ exclusiveMinimum: 0, maximum: 1e6 }),
        VolShockDirection: Type.String({ maxLength: 16 }),
      }),
      { minItems: 1, maxItems: 256 },
    ),
    SkewShock: Type.Object({
      ABS_CBASE: Factor,
      ABS_SCALE_CAP: Factor,
      LINEAR_CBASE: Factor,
      LINEAR_SCALE_CAP: Factor,
      MIN_K_STAR: Factor,
      MIN_WIDTH_SCALE: Factor,
      VOL_PARAM_SCALE: Factor,
      VOL_PARAM_STATIC: Factor,
    }),
    VolShock: Type.Object({
      DTE_FLOOR: Type.Number({ minimum: 0, maximum: 1e6 }),
      LONGTERMPOWER: Factor,
      MIN_VOL_EVAL_SHOCKED: Type.Number({ minimum: 0, maximum: 1e6 }),
      SHORTTERMPOWER: Factor,
      VOLRANGEDOWN: Factor,
      VOLRANGEUP: Factor,
    }),
  }),
});

/** One case, checked. */
export type Pmrm2Case = Static<typeof Pmrm2CaseSchema>;

/** The margin of one case. A margin of at least 0 is healthy. */
export interface Pmrm2Result {
  readonly id: string | number | null;
  /** Maintenance margin: marks less the maintenance requirement, USD. */
  readonly mm: number;
  /** Initial margin, USD. */
  readonly im: number;
  /** Profit in each scenario, damped, USD, in the case's order. */
  readonly scenarioPnl: number[];
}

/** True for a document in this format: a case, a list of cases, or `{cases: [...]}`. */
export function isPmrm2Document(document: unknown): boolean {
  if (typeof document !== 'object' || document === null) return false;
  if (Array.isArray(document)) return document.length > 0 && document.every(isCase);
  return 'cases' in document || isCase(document);
}

function isCase(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'scenario' in value && 'parameters' in value;
}

/** The cases of a document, with the path of each. */
function casesOf(document: unknown): { value: unknown; field: string }[] {
  const wrapped = typeof document === 'object' && document !== null && 'cases' in document;
  const prefix = wrapped ? 'cases' : '';
  const cases: unknown = wrapped ? (document as { cases: unknown }).cases : document;
  if (!Array.isArray(cases) || (!wrapped && cases.length === 0)) {
    if (wrapped) throw new ZkMarginError('MALFORMED', 'Give cases as a list.', { field: 'cases' });
    return [{ value: document, field: '' }];
  }
  if (cases.length > 100_000) {
    throw new ZkMarginError('TOO_LARGE', 'Give at most 100,000 cases at a time.', { field: prefix });
  }
  return cases.map((value: unknown, index) => ({ value, field: `${prefix}[${index}]` }));
}

/**
 * Margins of all cases of a document, in order.
 *
 * @throws ZkMarginError of the first case that is wrong, with its path; nothing is returned for the others
 */
export function pmrm2Document(document: unknown): Pmrm2Result[] {
  return casesOf(document).map(({ value, field }) => {
    const { margin, id } = marginOfCase(value, field);
    return {
      id,
      mm: margin.maintenanceMargin,
      im: margin.initialMargin,
      scenarioPnl: [...margin.scan.profits[0]!.subarray(0, margin.plan.scenarioCount)],
    };
  });
}

/**
 * The margin of one case.
 *
 * @param field path of the case in its document
 * @throws ZkMarginError for a case of another shape (see `checkShape`), `EXPIRED_OPTION`, `MISSING_EXPIRY` for an option
 * without a feed, `DUPLICATE_POSITION` for two feeds of one expiry, `OUT_OF_RANGE` for SVI parameters without a time or
 * forward, `UNSUPPORTED` for an unknown vol shock direction
 */
export function marginOfCase(value: unknown, field = ''): { id: string | number | null; margin: Margin } {
  const input = checkShape(Pmrm2CaseSchema, value, field);
  const prefix = field === '' ? '' : `${field}.`;
  const { market, expiryIndex } = marketOf(input, prefix);
  const portfolio = portfolioOf(input, prefix, expiryIndex);
  const model = modelOf(input, prefix);
  return { id: input.id ?? null, margin: computeMargin(portfolio, market, model) };
}

function modelOf(input: Pmrm2Case, prefix: string): MarginModel {
  input.parameters.Scenarios.forEach((scenario, index) => {
    if (pmrm2Direction(scenario.VolShockDirection) === undefined) {
      throw new ZkMarginError(
        'UNSUPPORTED',
        'Use Up, None, Down, Linear or Abs as the vol shock direction.',
        {
          field: `${prefix}parameters.Scenarios[${index}].VolShockDirection`,
          details: { direction: scenario.VolShockDirection },
        },
      );
    }
  });
  return pmrm2Model(input.parameters, 'document');
}

function marketOf(
  input: Pmrm2Case,
  prefix: string,
): { market: MarketState; expiryIndex: ReadonlyMap<number, number> } {
  const { scenario } = input;
  const expiryIndex = new Map<number, number>();
  const feeds = scenario.OptionFeeds.map((feed, index) => ({
    feed,
    path: `${prefix}scenario.OptionFeeds[${index}]`,
  })).sort((a, b) => a.feed.FeedExpiry - b.feed.FeedExpiry);
  const expiries: ExpiryState[] = feeds.map(({ feed, path }, index) => {
    if (expiryIndex.has(feed.FeedExpiry)) {
      throw new ZkMarginError('DUPLICATE_POSITION', 'Give one feed for each expiry.', {
        field: `${path}.FeedExpiry`,
      });
    }
    if (feed.FeedExpiry < 0) {
      throw new ZkMarginError('EXPIRED_OPTION', 'Leave out feeds of expiries that have passed.', {
        field: `${path}.FeedExpiry`,
        details: { secondsToExpiry: feed.FeedExpiry },
      });
    }
    expiryIndex.set(feed.FeedExpiry, index);
    const numbers = feed.SVIparam.map((entry, place) => finite(Number(entry), `${path}.SVIparam[${place}]`));
    const [a, b, rho, m, sigma, forward, years] = numbers as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    numbers.forEach((value, place) => {
      if (Math.abs(value) > AMOUNT) outOfRange(`${path}.SVIparam[${place}]`, value, 'Give a smaller number.');
    });
    if (!(forward >= LEAST)) {
      outOfRange(`${path}.SVIparam[5]`, forward, 'Give the forward of the fit above 0.');
    }
    if (!(years >= LEAST)) outOfRange(`${path}.SVIparam[6]`, years, 'Give the time of the fit above 0.');
    const least = a + b * sigma;
    if (!(least >= 0))
      outOfRange(`${path}.SVIparam`, least, 'Give a surface with a + b sigma of at least 0.');
    const svi = { a, b, rho, m, sigma };
    return {
      name: `${feed.FeedExpiry}s`,
      secondsToExpiry: feed.FeedExpiry,
      forward: feed.Forward,
      rate: feed.Rate,
      smile: { kind: 'svi', parameters: svi, years, forward, cap: sviCap(svi) },
      confidence: Math.min(feed.ForwardConfidence, feed.RateConfidence, feed.OptionVolConfidences),
    };
  });
  const market: MarketState = {
    asOf: 0,
    stablePrice: scenario.StablePrice,
    underlyings: [
      {
        symbol: 'UNDERLYING',
        spot: scenario.SpotPrice,
        spotConfidence: scenario.SpotConfidence,
        realisedVolatility: 0,
        perpetual: { price: scenario.PerpPrice, confidence: scenario.PerpConfidence },
        expiries,
      },
    ],
  };
  return { market, expiryIndex };
}

function portfolioOf(input: Pmrm2Case, prefix: string, expiryIndex: ReadonlyMap<number, number>): Portfolio {
  const { scenario } = input;
  const positions: Position[] = scenario.Options.map((option, index) => {
    const path = `${prefix}scenario.Options[${index}]`;
    if (option.Expiry < 0) {
      throw new ZkMarginError('EXPIRED_OPTION', 'Settle options that have expired first.', {
        field: `${path}.Expiry`,
        details: { secondsToExpiry: option.Expiry },
      });
    }
    const expiry = expiryIndex.get(option.Expiry);
    if (expiry === undefined) {
      throw new ZkMarginError('MISSING_EXPIRY', 'Give an option feed for this expiry.', {
        field: `${path}.Expiry`,
        details: { secondsToExpiry: option.Expiry },
      });
    }
    const isCall = Boolean(option.IsCall);
    return {
      kind: 'option',
      id: `${option.Expiry}s-${option.Strike}-${isCall ? 'C' : 'P'}`,
      underlying: 0,
      expiry,
      strike: option.Strike,
      isCall,
      quantity: option.Amount,
    };
  });
  if (scenario.NumPerps !== 0) {
    positions.push({
      kind: 'perpetual',
      id: 'PERPETUAL',
      underlying: 0,
      inverse: false,
      quantity: scenario.NumPerps,
      unrealised: scenario.UnrealisedPerpPNL + scenario.UnrealisedFunding,
    });
  }
  const collateral: Collateral[] = scenario.Collaterals.map((item) => ({
    asset: item.Name,
    value: (item.Amount * item.Price) / scenario.StablePrice,
    maintenanceHaircut: item.MMHaircut,
    initialHaircut: item.MMHaircut + item.IMHaircut,
    ...(item.IsRiskCancelling ? { offsets: { underlying: 0, fraction: 1 } } : {}),
    confidence: item.Confidence,
  }));
  return { id: String(input.id ?? ''), cash: scenario.Cash, positions, collateral, reservations: [] };
}

function finite(value: number, field: string): number {
  if (Number.isFinite(value)) return value;
  throw new ZkMarginError('NOT_FINITE', `Give ${field} as a finite number.`, { field });
}

function outOfRange(field: string, value: number, message: string): never {
  throw new ZkMarginError('OUT_OF_RANGE', message, { field, details: { value } });
}
