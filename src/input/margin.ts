/**
 * The document of `zkmargin margin`: a market, a portfolio, a model, and optionally candidate trades and a history for
 * tail risk. Checked against its schema, resolved, and checked again for what a schema cannot say.
 */

import { type Static, Type } from 'typebox';
import { checkShape } from '../check-shape.ts';
import { joinField, ZkMarginError } from '../errors.ts';
import type { CandidateTrade } from '../margin/engine/incremental.ts';
import { COLLATERAL_CLASSES, type MarginModel, MarginModelSchema } from '../margin/engine/model.ts';
import type { Shock } from '../margin/engine/shock.ts';
import { type Smile, smileVolatility } from '../margin/engine/smile.ts';
import {
  type Collateral,
  type EarlierSmile,
  type ExpiryState,
  expiryOf,
  type MarketState,
  type Portfolio,
  type Position,
  type Reservation,
  type UnderlyingState,
} from '../margin/engine/state.ts';
import { presetModel } from '../margin/presets/index.ts';
import { buildSurface } from '../market/build-surface.ts';
import { formatExpiry } from '../market/instrument.ts';
import { sviCap } from '../market/surface.ts';
import { YEAR_SECONDS } from '../market/words.ts';
import { secondsOf } from './time.ts';

const closed = { additionalProperties: false } as const;
const MAX_PRICE = 1e12;
/** Ratios of prices stay within what a double holds. */
const MIN_PRICE = 1e-12;
/** Largest rate, per year, that a discount factor may stand for. */
const MAX_IMPLIED_RATE = 1_000;
/** Most positions of a portfolio. */
export const MAX_POSITIONS = 10_000;

const Price = (description: string) => Type.Number({ minimum: MIN_PRICE, maximum: MAX_PRICE, description });
const Confidence = Type.Number({
  minimum: 0,
  maximum: 1,
  description: 'Confidence of the feed, 1 when absent.',
});
const When = Type.Union([Type.String({ maxLength: 40 }), Type.Number()], {
  description: 'ISO time, expiry name such as 28FEB25, or seconds since 1970.',
});
const Volatility = Type.Number({
  minimum: 1e-6,
  maximum: 50,
  description: 'Annualised implied volatility; 0.5 is 50 %.',
});
const UnderlyingName = Type.String({ pattern: '^[A-Z0-9]{1,16}$', description: 'Underlying, as in BTC.' });
const Amount = (description: string) => Type.Number({ minimum: -1e15, maximum: 1e15, description });

const QuoteSchema = Type.Object(
  {
    strike: Price('In USD.'),
    type: Type.Union([Type.Literal('C'), Type.Literal('P')]),
    bidVol: Type.Optional(Volatility),
    askVol: Type.Optional(Volatility),
    markVol: Type.Optional(Volatility),
    bid: Type.Optional(Type.Number({ minimum: 0, maximum: MAX_PRICE })),
    ask: Type.Optional(Type.Number({ minimum: 0, maximum: MAX_PRICE })),
    mark: Type.Optional(Type.Number({ minimum: 0, maximum: MAX_PRICE })),
  },
  closed,
);

/** Implied volatilities of one expiry. */
const VolatilitySchema = Type.Union(
  [
    Type.Object({ type: Type.Literal('flat'), volatility: Volatility }, closed),
    Type.Object(
      {
        type: Type.Literal('svi'),
        a: Type.Number({ minimum: -100, maximum: 100 }),
        b: Type.Number({ minimum: 0, maximum: 100 }),
        rho: Type.Number({ minimum: -1, maximum: 1 }),
        m: Type.Number({ minimum: -100, maximum: 100 }),
        sigma: Type.Number({ minimum: 0, maximum: 100 }),
        years: Type.Optional(
          Type.Number({
            minimum: 1e-9,
            maximum: 100,
            description: 'Time of the fit; the tenor when absent.',
          }),
        ),
        forward: Type.Optional(Price('Forward of the fit; that of the expiry when absent.')),
        cap: Type.Optional(
          Type.Union([Type.Literal('derive'), Type.Number({ exclusiveMinimum: 0, maximum: 100 })], {
            description: 'Wings are flat beyond this |ln(K/F)|; derive is 4 √(a + b sigma).',
          }),
        ),
      },
      closed,
    ),
    Type.Object(
      {
        type: Type.Literal('pillars'),
        spacing: Type.Number({ minimum: 1e-4, maximum: 10, description: 'In ln(K/F)/√T.' }),
        volatilities: Type.Array(Volatility, { minItems: 8, maxItems: 8 }),
      },
      closed,
    ),
    Type.Object(
      {
        type: Type.Literal('quotes'),
        representation: Type.Optional(Type.Union([Type.Literal('svi'), Type.Literal('pillars')])),
        priceUnit: Type.Optional(Type.Union([Type.Literal('usd'), Type.Literal('coin')])),
        quotes: Type.Array(QuoteSchema, { minItems: 5, maxItems: 10_000 }),
      },
      closed,
    ),
  ],
  { description: 'Implied volatilities of one expiry.' },
);

const ExpirySchema = Type.Object(
  {
    expiry: When,
    forward: Price('In USD.'),
    rate: Type.Optional(
      Type.Number({ minimum: -5, maximum: 5, description: 'Continuously compounded, per year.' }),
    ),
    discount: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, maximum: 2, description: 'Instead of the rate.' }),
    ),
    volatility: VolatilitySchema,
    confidence: Type.Optional(Confidence),
    earlier: Type.Optional(
      Type.Array(
        Type.Object({ asOf: When, forward: Price('In USD.'), volatility: VolatilitySchema }, closed),
        { maxItems: 1000, description: 'Surfaces of earlier times, for the predictive add-on.' },
      ),
    ),
  },
  closed,
);

/** The market of a document. */
const MarketSchema = Type.Object(
  {
    asOf: When,
    stablePrice: Type.Optional(Price('USD for one unit of the settlement asset; 1 when absent.')),
    underlyings: Type.Array(
      Type.Object(
        {
          symbol: UnderlyingName,
          spot: Price('In USD.'),
          spotConfidence: Type.Optional(Confidence),
          realisedVolatility: Type.Optional(
            Type.Number({
              minimum: 0,
              maximum: 50,
              description: 'Annualised; the nearest expiry at the money when absent.',
            }),
          ),
          perpetual: Type.Optional(
            Type.Object({ price: Price('In USD.'), confidence: Type.Optional(Confidence) }, closed),
          ),
          expiries: Type.Array(ExpirySchema, { maxItems: 1000 }),
        },
        closed,
      ),
      { minItems: 1, maxItems: 64 },
    ),
  },
  closed,
);

const settlement = Type.Optional(
  Type.Union([Type.Literal('linear'), Type.Literal('inverse')], { description: 'linear when absent.' }),
);

/** One position. */
const PositionSchema = Type.Union([
  Type.Object(
    {
      instrument: Type.String({
        minLength: 1,
        maxLength: 64,
        description: 'BTC-28FEB25-96000-C (option), BTC-28FEB25 (future), BTC-PERPETUAL or BTC-SPOT.',
      }),
      quantity: Amount('Signed, in units of the underlying.'),
      settlement,
      unrealised: Type.Optional(Amount('Unrealised profit and funding of a future or perpetual.')),
    },
    closed,
  ),
  Type.Object(
    {
      array: Type.String({
        minLength: 1,
        maxLength: 64,
        description: 'Name of an instrument with a risk array.',
      }),
      underlying: Type.Optional(UnderlyingName),
      quantity: Amount('Signed, in contracts.'),
      value: Type.Optional(Amount('Value of one contract, counted as equity; 0 when absent.')),
      profits: Type.Array(Amount('Profit of one long contract in each scenario.'), {
        minItems: 1,
        maxItems: 256,
      }),
    },
    closed,
  ),
]);

const CollateralSchema = Type.Object(
  {
    asset: Type.String({ minLength: 1, maxLength: 64 }),
    amount: Type.Number({ minimum: 0, maximum: 1e15 }),
    price: Price('In USD.'),
    classes: Type.Optional(
      Type.Array(Type.Union(COLLATERAL_CLASSES.map((name) => Type.Literal(name))), {
        maxItems: 4,
        description: 'Haircuts of all classes compound.',
      }),
    ),
    haircut: Type.Optional(
      Type.Object(
        {
          maintenance: Type.Number({ minimum: 0, maximum: 1 }),
          initial: Type.Number({ minimum: 0, maximum: 1 }),
        },
        { ...closed, description: "Whole haircuts, instead of the classes'." },
      ),
    ),
    backing: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1,
        description: 'Reserves of the issuer or bridge over what it owes; 1 when absent.',
      }),
    ),
    offsets: Type.Optional(
      Type.Object(
        { underlying: UnderlyingName, fraction: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })) },
        {
          ...closed,
          description:
            'The underlying that it moves with, and the part of the value that does: unless given, the part that counts as equity.',
        },
      ),
    ),
    confidence: Type.Optional(Confidence),
  },
  closed,
);

/** The portfolio of a document. */
const PortfolioSchema = Type.Object(
  {
    id: Type.Optional(Type.String({ maxLength: 256 })),
    cash: Amount("In the model's numeraire."),
    positions: Type.Array(PositionSchema, { maxItems: MAX_POSITIONS }),
    collateral: Type.Optional(Type.Array(CollateralSchema, { maxItems: 1000 })),
    reservations: Type.Optional(
      Type.Array(
        Type.Object(
          {
            name: Type.String({ minLength: 1, maxLength: 64 }),
            maintenance: Type.Optional(Type.Number({ minimum: 0, maximum: 1e15 })),
            initial: Type.Optional(Type.Number({ minimum: 0, maximum: 1e15 })),
          },
          closed,
        ),
        { maxItems: 100, description: 'Amounts set aside, such as margin for open orders.' },
      ),
    ),
  },
  closed,
);

/** Settings of the tail-risk section. */
const TailRiskSchema = Type.Object(
  {
    levels: Type.Optional(
      Type.Array(Type.Number({ exclusiveMinimum: 0.5, exclusiveMaximum: 1 }), { minItems: 1, maxItems: 8 }),
    ),
    horizonDays: Type.Optional(Type.Integer({ minimum: 1, maximum: 365 })),
    seed: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
    paths: Type.Optional(Type.Integer({ minimum: 100, maximum: 1_000_000 })),
  },
  closed,
);

/** A move of the market and of time. */
const ShockSchema = Type.Object(
  {
    name: Type.Optional(Type.String({ maxLength: 256 })),
    priceMove: Type.Optional(
      Type.Number({
        minimum: -0.99,
        maximum: 10,
        description: 'Relative move of spot, forwards and perpetuals, as in -0.12; 0 when absent.',
      }),
    ),
    volMultiplier: Type.Optional(
      Type.Number({ minimum: 0.01, maximum: 10, description: 'Factor of every volatility; 1 when absent.' }),
    ),
    volShift: Type.Optional(
      Type.Number({
        minimum: -5,
        maximum: 5,
        description: 'Added to every volatility, as in 0.1 for ten points; 0 when absent.',
      }),
    ),
    hours: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 87_600,
        description: 'Time that passes; what expires meanwhile is paid at the moved prices. 0 when absent.',
      }),
    ),
    underlyings: Type.Optional(
      Type.Array(UnderlyingName, { minItems: 1, maxItems: 64, description: 'Which move; all when absent.' }),
    ),
  },
  closed,
);

/** The whole document. */
export const MarginDocumentSchema = Type.Object(
  {
    $schema: Type.Optional(Type.String()),
    note: Type.Optional(Type.String({ maxLength: 10_000 })),
    model: Type.Optional(
      Type.Union([Type.String({ maxLength: 64 }), Type.Object({})], {
        description: 'Name of a preset, or a whole model.',
      }),
    ),
    parameters: Type.Optional(
      Type.Object({}, { description: "Values in place of the preset's; lists are replaced as a whole." }),
    ),
    market: MarketSchema,
    portfolio: PortfolioSchema,
    trades: Type.Optional(
      Type.Array(
        Type.Object(
          {
            name: Type.Optional(Type.String({ maxLength: 256 })),
            positions: Type.Array(PositionSchema, { minItems: 1, maxItems: 100 }),
            cash: Type.Optional(Amount('Cash received, negative when paid; the marks when absent.')),
          },
          closed,
        ),
        { maxItems: 100, description: 'Candidate trades whose incremental margin is wanted.' },
      ),
    ),
    shocks: Type.Optional(
      Type.Array(ShockSchema, {
        maxItems: 100,
        description: 'Moves of the market after which the margin is wanted.',
      }),
    ),
    history: Type.Optional(
      Type.Unknown({
        description: 'A history of prices or returns, for tail risk; see the schema `returns`.',
      }),
    ),
    tailRisk: Type.Optional(TailRiskSchema),
  },
  closed,
);

/** A document, read. */
export interface MarginRequest {
  readonly market: MarketState;
  readonly portfolio: Portfolio;
  readonly model: MarginModel;
  readonly trades: readonly CandidateTrade[];
  readonly shocks: readonly Shock[];
  readonly history: unknown;
  readonly tailRisk: Static<typeof TailRiskSchema>;
}

/**
 * Reads a document.
 *
 * @param modelName a preset to take in place of the document's
 * @throws ZkMarginError with the path of what is wrong: as `checkShape`; `UNKNOWN_MODEL`, `UNKNOWN_UNDERLYING`,
 * `UNKNOWN_INSTRUMENT`, `MISSING_EXPIRY`, `EXPIRED_OPTION`, `DUPLICATE_POSITION` (also of underlyings and expiries),
 * `OUT_OF_RANGE`, `UNSUPPORTED` for a coin numeraire with several underlyings
 */
export function readMarginDocument(document: unknown, modelName?: string): MarginRequest {
  requireShortLists(document);
  const checked = checkShape(MarginDocumentSchema, document);
  const model = readModel(checked.model, checked.parameters, modelName);
  const market = readMarket(checked.market, 'market');
  if (model.numeraire === 'coin' && market.underlyings.length !== 1) {
    throw new ZkMarginError('UNSUPPORTED', 'A model in coin needs a market of exactly one underlying.', {
      field: 'market.underlyings',
    });
  }
  const portfolio = readPortfolio(checked.portfolio, market, model, 'portfolio');
  const trades = (checked.trades ?? []).map(
    (trade, index): CandidateTrade => ({
      name: trade.name ?? `trade ${index + 1}`,
      positions: readPositions(trade.positions, market, model, `trades[${index}].positions`),
      ...(trade.cash === undefined ? {} : { cash: trade.cash }),
    }),
  );
  const shocks = (checked.shocks ?? []).map((shock, index) =>
    readShock(shock, index, market, `shocks[${index}]`),
  );
  return {
    market,
    portfolio,
    model,
    trades,
    shocks,
    history: checked.history,
    tailRisk: checked.tailRisk ?? {},
  };
}

function readShock(
  {
    name,
    priceMove = 0,
    volMultiplier = 1,
    volShift = 0,
    hours = 0,
    underlyings,
  }: Static<typeof ShockSchema>,
  index: number,
  market: MarketState,
  field: string,
): Shock {
  return {
    name: name ?? `shock ${index + 1}`,
    priceMove,
    volatilityFactor: volMultiplier,
    volatilityShift: volShift,
    seconds: hours * 3_600,
    ...(underlyings && {
      underlyings: underlyings.map((symbol, place) =>
        underlyingIndex(symbol, market, `${field}.underlyings[${place}]`),
      ),
    }),
  };
}

/** Refuses very long lists before the whole document is walked. */
function requireShortLists(document: unknown): void {
  const positions = (document as { portfolio?: { positions?: unknown } } | null)?.portfolio?.positions;
  if (Array.isArray(positions) && positions.length > MAX_POSITIONS) {
    throw new ZkMarginError('TOO_LARGE', `Give at most ${MAX_POSITIONS} positions.`, {
      field: 'portfolio.positions',
      details: { count: positions.length, limit: MAX_POSITIONS },
    });
  }
}

function readModel(
  given: Static<typeof MarginDocumentSchema>['model'],
  parameters: object | undefined,
  name: string | undefined,
): MarginModel {
  let base: unknown;
  if (name !== undefined) base = presetModel(name);
  else if (typeof given === 'string') base = presetModel(given);
  else base = given ?? presetModel('ramm');
  if (parameters === undefined && typeof given !== 'object') return base as MarginModel;
  const merged = parameters === undefined ? base : merge(base, parameters);
  const field = parameters === undefined ? 'model' : 'parameters';
  const model = checkShape(MarginModelSchema, merged, field);
  for (const name of COLLATERAL_CLASSES) {
    const { maintenance, initial } = model.collateral.classes[name];
    // Less at the initial level would count as a negative requirement.
    if (initial < maintenance) {
      throw new ZkMarginError('OUT_OF_RANGE', 'Keep the initial haircut at least the maintenance one.', {
        field: `${field}.collateral.classes.${name}.initial`,
        details: { maintenance, initial },
      });
    }
  }
  requireLevels(model, field);
  // A model that was changed says so wherever its version is shown.
  return parameters === undefined || 'version' in parameters
    ? model
    : { ...model, version: `${model.version} (changed)` };
}

/** Refuses a model whose initial level could be below its maintenance level. */
function requireLevels(model: MarginModel, field: string): void {
  const refuse = (path: string): never => {
    throw new ZkMarginError('OUT_OF_RANGE', 'Keep the initial rate at least the maintenance one.', {
      field: `${field}.${path}`,
    });
  };
  if (model.scan.initial < model.scan.maintenance) refuse('scan.initial');
  model.addOns.forEach((addOn, index) => {
    if (addOn.initial < addOn.maintenance) refuse(`addOns[${index}].initial`);
  });
}

/** Objects are merged key by key, everything else is replaced. */
function merge(base: unknown, change: unknown): unknown {
  if (!isPlain(base) || !isPlain(change)) return change;
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(change)) {
    if (key === '__proto__') continue;
    result[key] = merge(Object.hasOwn(base, key) ? base[key] : undefined, value);
  }
  return result;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readMarket(input: Static<typeof MarketSchema>, field: string): MarketState {
  const asOf = secondsOf(input.asOf, `${field}.asOf`);
  const seen = new Map<string, number>();
  const underlyings = input.underlyings.map((underlying, index): UnderlyingState => {
    const path = `${field}.underlyings[${index}]`;
    refuseDuplicate(seen, underlying.symbol, index, `${field}.underlyings`, `${path}.symbol`);
    const expiries = readExpiries(underlying.expiries, asOf, `${path}.expiries`);
    return {
      symbol: underlying.symbol,
      spot: underlying.spot,
      spotConfidence: underlying.spotConfidence ?? 1,
      realisedVolatility: underlying.realisedVolatility ?? volatilityAtTheMoney(expiries),
      ...(underlying.perpetual === undefined
        ? {}
        : {
            perpetual: {
              price: underlying.perpetual.price,
              confidence: underlying.perpetual.confidence ?? 1,
            },
          }),
      expiries,
    };
  });
  return { asOf, stablePrice: input.stablePrice ?? 1, underlyings };
}

function refuseDuplicate(
  seen: Map<string, number>,
  key: string,
  index: number,
  list: string,
  field: string,
): void {
  const first = seen.get(key);
  if (first !== undefined) {
    throw new ZkMarginError('DUPLICATE_POSITION', `Merge ${list}[${index}] into ${list}[${first}].`, {
      field,
      details: { first, second: index },
    });
  }
  seen.set(key, index);
}

function readExpiries(
  inputs: readonly Static<typeof ExpirySchema>[],
  asOf: number,
  field: string,
): ExpiryState[] {
  const seen = new Map<string, number>();
  return inputs
    .map((input, index): ExpiryState => {
      const path = `${field}[${index}]`;
      const expiry = secondsOf(input.expiry, `${path}.expiry`);
      refuseDuplicate(seen, String(expiry), index, field, `${path}.expiry`);
      const secondsToExpiry = expiry - asOf;
      if (secondsToExpiry <= 0) {
        throw new ZkMarginError('EXPIRED_OPTION', 'Leave out expiries that have passed.', {
          field: `${path}.expiry`,
          details: { secondsToExpiry },
        });
      }
      if (input.rate !== undefined && input.discount !== undefined) {
        throw new ZkMarginError('MALFORMED', 'Give either a rate or a discount.', {
          field: `${path}.discount`,
        });
      }
      const years = secondsToExpiry / YEAR_SECONDS;
      const rate = input.discount === undefined ? (input.rate ?? 0) : -Math.log(input.discount) / years;
      if (Math.abs(rate) > MAX_IMPLIED_RATE) {
        throw new ZkMarginError('OUT_OF_RANGE', 'Give a discount that goes with the time to expiry.', {
          field: `${path}.discount`,
          details: { rate, secondsToExpiry },
        });
      }
      const context = { asOf, expiry, forward: input.forward };
      return {
        name: expiryName(expiry),
        secondsToExpiry,
        forward: input.forward,
        rate,
        smile: readSmile(input.volatility, context, `${path}.volatility`),
        confidence: input.confidence ?? 1,
        ...(input.earlier === undefined
          ? {}
          : {
              earlier: input.earlier.map((item, at) =>
                readEarlier(item, asOf, expiry, `${path}.earlier[${at}]`),
              ),
            }),
      };
    })
    .sort((a, b) => a.secondsToExpiry - b.secondsToExpiry);
}

function readEarlier(
  input: { asOf: string | number; forward: number; volatility: Static<typeof VolatilitySchema> },
  asOf: number,
  expiry: number,
  field: string,
): EarlierSmile {
  const then = secondsOf(input.asOf, `${field}.asOf`);
  const age = asOf - then;
  if (age <= 0) {
    throw new ZkMarginError('OUT_OF_RANGE', 'Give surfaces of times before that of the market.', {
      field: `${field}.asOf`,
      details: { age },
    });
  }
  return {
    age,
    forward: input.forward,
    years: (expiry - then) / YEAR_SECONDS,
    smile: readSmile(input.volatility, { asOf: then, expiry, forward: input.forward }, `${field}.volatility`),
  };
}

function readSmile(
  input: Static<typeof VolatilitySchema>,
  context: { asOf: number; expiry: number; forward: number },
  field: string,
): Smile {
  switch (input.type) {
    case 'flat':
      return { kind: 'flat', volatility: input.volatility };
    case 'pillars':
      return { kind: 'pillars', spacing: input.spacing, volatilities: input.volatilities };
    case 'svi': {
      const { a, b, rho, m, sigma } = input;
      // The least total variance of the curve: at its vertex.
      const least = a + b * sigma * Math.sqrt(Math.max(0, 1 - rho * rho));
      if (!(least > 0)) {
        throw new ZkMarginError('OUT_OF_RANGE', 'Give SVI whose total variance is positive everywhere.', {
          field,
          details: { leastTotalVariance: least },
        });
      }
      const parameters = { a, b, rho, m, sigma };
      const cap = input.cap === 'derive' ? sviCap(parameters) : input.cap;
      return {
        kind: 'svi',
        parameters,
        years: input.years ?? (context.expiry - context.asOf) / YEAR_SECONDS,
        ...(input.forward === undefined ? {} : { forward: input.forward }),
        ...(cap === undefined ? {} : { cap }),
      };
    }
    case 'quotes':
      return fitQuotes(input, context, field);
  }
}

function fitQuotes(
  input: Extract<Static<typeof VolatilitySchema>, { type: 'quotes' }>,
  context: { asOf: number; expiry: number; forward: number },
  field: string,
): Smile {
  try {
    const surface = buildSurface({
      asOf: context.asOf,
      expiries: [
        {
          expiry: context.expiry,
          forward: context.forward,
          quotes: input.quotes,
          ...(input.priceUnit === undefined ? {} : { priceUnit: input.priceUnit }),
        },
      ],
    });
    const built = surface.expiries[0]!;
    return input.representation === 'pillars'
      ? {
          kind: 'pillars',
          spacing: 2 ** (built.pillars.spacingExponent - 2),
          volatilities: built.pillarVolatilities,
        }
      : { kind: 'svi', parameters: built.svi, years: built.sviYears };
  } catch (error) {
    if (!(error instanceof ZkMarginError)) throw error;
    const inner = (error.field ?? '').replace(/^expiries\[0\]\.?/, '');
    throw new ZkMarginError(error.code, error.message, {
      field: joinField(field, inner),
      details: error.details,
      cause: error,
    });
  }
}

/** Stands in for realised volatility; 0 when there is no expiry. */
function volatilityAtTheMoney(expiries: readonly ExpiryState[]): number {
  const nearest = expiries[0];
  if (nearest === undefined) return 0;
  const { smile, forward, secondsToExpiry } = nearest;
  return smileVolatility(smile, forward, forward, secondsToExpiry / YEAR_SECONDS);
}

function expiryName(seconds: number): string {
  return seconds % 3600 === 0 ? formatExpiry(seconds / 3600) : new Date(seconds * 1000).toISOString();
}

function readPortfolio(
  input: Static<typeof PortfolioSchema>,
  market: MarketState,
  model: MarginModel,
  field: string,
): Portfolio {
  return {
    id: input.id ?? 'portfolio',
    cash: input.cash,
    positions: readPositions(input.positions, market, model, `${field}.positions`),
    collateral: (input.collateral ?? []).map((item, index) =>
      readCollateral(item, market, model, `${field}.collateral[${index}]`),
    ),
    reservations: (input.reservations ?? []).map((item, index): Reservation => {
      const maintenance = item.maintenance ?? 0;
      const initial = item.initial ?? maintenance;
      if (initial < maintenance) {
        throw new ZkMarginError('OUT_OF_RANGE', 'Keep the initial amount at least the maintenance one.', {
          field: `${field}.reservations[${index}].initial`,
        });
      }
      return { name: item.name, maintenance, initial };
    }),
  };
}

function readCollateral(
  input: Static<typeof CollateralSchema>,
  market: MarketState,
  model: MarginModel,
  field: string,
): Collateral {
  const { haircut, classes } = input;
  if (haircut === undefined && (classes === undefined || classes.length === 0)) {
    throw new ZkMarginError(
      'MALFORMED',
      `Give ${field} a class (${COLLATERAL_CLASSES.join(', ')}) or a haircut.`,
      {
        field: `${field}.classes`,
      },
    );
  }
  if (haircut !== undefined && haircut.initial < haircut.maintenance) {
    throw new ZkMarginError('OUT_OF_RANGE', 'Keep the initial haircut at least the maintenance one.', {
      field: `${field}.haircut.initial`,
    });
  }
  const kept = { maintenance: input.backing ?? 1, initial: input.backing ?? 1 };
  for (const level of ['maintenance', 'initial'] as const) {
    if (haircut !== undefined) kept[level] *= 1 - haircut[level];
    else for (const name of new Set(classes)) kept[level] *= 1 - model.collateral.classes[name][level];
  }
  const usd = input.amount * input.price;
  const value = model.numeraire === 'coin' ? usd / market.underlyings[0]!.spot : usd / market.stablePrice;
  return {
    asset: input.asset,
    value,
    maintenanceHaircut: 1 - kept.maintenance,
    initialHaircut: 1 - kept.initial,
    confidence: input.confidence ?? 1,
    ...(input.offsets === undefined
      ? {}
      : {
          offsets: {
            underlying: underlyingIndex(input.offsets.underlying, market, `${field}.offsets.underlying`),
            // What counts as equity moves: no more can be lost, and no more covers anything.
            fraction: input.offsets.fraction ?? (model.collateral.deduct === 'equity' ? kept.maintenance : 1),
          },
        }),
  };
}

function underlyingIndex(symbol: string, market: MarketState, field: string): number {
  const index = market.underlyings.findIndex((underlying) => underlying.symbol === symbol);
  if (index < 0) {
    throw new ZkMarginError('UNKNOWN_UNDERLYING', `Give the market of ${symbol}, or correct its name.`, {
      field,
      details: { underlying: symbol },
    });
  }
  return index;
}

function readPositions(
  inputs: readonly Static<typeof PositionSchema>[],
  market: MarketState,
  model: MarginModel,
  field: string,
): Position[] {
  const seen = new Map<string, number>();
  return inputs.map((input, index) => {
    const path = `${field}[${index}]`;
    const position = readPosition(input, market, model, path);
    const key =
      position.kind === 'option'
        ? `${position.underlying}/${position.expiry}/${position.strike}/${position.isCall}`
        : position.kind === 'array'
          ? `array/${position.id}`
          : `${position.kind}/${position.underlying}/${expiryOf(position)}/${'inverse' in position && position.inverse}`;
    refuseDuplicate(seen, key, index, field, `${path}.${'array' in input ? 'array' : 'instrument'}`);
    return position;
  });
}

const INSTRUMENT = /^([A-Z0-9]{1,16})-(.+)$/;
const OPTION = /^(.+)-(\d{1,12}(?:[d.]\d{1,6})?)-([CP])$/;

function readPosition(
  input: Static<typeof PositionSchema>,
  market: MarketState,
  model: MarginModel,
  field: string,
): Position {
  if (input.quantity === 0) {
    throw new ZkMarginError('ZERO_QUANTITY', 'Leave out positions of quantity 0.', {
      field: `${field}.quantity`,
    });
  }
  if ('array' in input) {
    if (input.profits.length !== model.scenarios.length) {
      throw new ZkMarginError(
        'MALFORMED',
        `Give one profit for each of the model's ${model.scenarios.length} scenarios.`,
        { field: `${field}.profits`, details: { count: input.profits.length } },
      );
    }
    return {
      kind: 'array',
      id: input.array,
      underlying:
        input.underlying === undefined ? 0 : underlyingIndex(input.underlying, market, `${field}.underlying`),
      quantity: input.quantity,
      value: input.value ?? 0,
      profits: input.profits,
    };
  }
  const path = `${field}.instrument`;
  const match = INSTRUMENT.exec(input.instrument);
  if (match === null) throw unknownInstrument(input.instrument, path);
  const underlying = underlyingIndex(match[1]!, market, path);
  const rest = match[2]!;
  const shared = { id: input.instrument, underlying, quantity: input.quantity };
  const linear = { inverse: input.settlement === 'inverse', unrealised: input.unrealised ?? 0 };
  if (rest === 'PERPETUAL' || rest === 'PERP') return { ...shared, ...linear, kind: 'perpetual' };
  if (input.unrealised !== undefined && (rest === 'SPOT' || OPTION.test(rest))) {
    throw new ZkMarginError('MALFORMED', 'Only futures and perpetuals have unrealised profit.', {
      field: `${field}.unrealised`,
    });
  }
  if (rest === 'SPOT') return { ...shared, kind: 'spot' };
  const option = OPTION.exec(rest);
  const expiry = expiryIndex(option === null ? rest : option[1]!, market, underlying, path, input.instrument);
  if (option === null) return { ...shared, ...linear, kind: 'future', expiry };
  const strike = Number(option[2]!.replace('d', '.'));
  if (!(strike > 0)) throw unknownInstrument(input.instrument, path);
  return { ...shared, kind: 'option', expiry, strike, isCall: option[3] === 'C' };
}

function expiryIndex(
  when: string,
  market: MarketState,
  underlying: number,
  field: string,
  instrument: string,
): number {
  let seconds: number;
  try {
    seconds = secondsOf(when, field);
  } catch (cause) {
    throw unknownInstrument(instrument, field, cause);
  }
  const secondsToExpiry = seconds - market.asOf;
  if (secondsToExpiry <= 0) {
    throw new ZkMarginError('EXPIRED_OPTION', 'Settle what has expired before margin is asked for.', {
      field,
      details: { instrument, secondsToExpiry },
    });
  }
  const index = market.underlyings[underlying]!.expiries.findIndex(
    (expiry) => expiry.secondsToExpiry === secondsToExpiry,
  );
  if (index < 0) {
    throw new ZkMarginError('MISSING_EXPIRY', `Give the market's forward and volatilities for ${when}.`, {
      field,
      details: { instrument },
    });
  }
  return index;
}

function unknownInstrument(name: string, field: string, cause?: unknown): ZkMarginError {
  return new ZkMarginError(
    'UNKNOWN_INSTRUMENT',
    'Use a name such as BTC-28FEB25-96000-C, BTC-28FEB25, BTC-PERPETUAL or BTC-SPOT.',
    { field, details: { name: name.slice(0, 64) }, cause },
  );
}
