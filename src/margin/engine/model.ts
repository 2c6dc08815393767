/**
 * A margin model as data: scenarios, shocks, factors and add-ons. Every preset is a value of {@link MarginModel}; the
 * engine has no code that knows a preset's name.
 *
 * The formulas are in `docs/margin-model.md`, sections 9 and 10. Rates and factors are plain fractions (0.05 is 5%),
 * times are in seconds unless a name says days.
 */
import { type Static, Type } from 'typebox';

const Fraction = (options: object = {}) => Type.Number({ minimum: 0, maximum: 10, ...options });
const Seconds = (maximum: number, description: string) => Type.Number({ minimum: 0, maximum, description });
/** A number of either sign, within what stays finite when it is used. */
const Coefficient = Type.Number({ minimum: -100, maximum: 100 });
const closed = { additionalProperties: false } as const;

/** How a volatility is moved in a scenario. */
const VolatilityMoveSchema = Type.Union(
  [
    Type.Literal('none'),
    Type.Literal('up'),
    Type.Literal('down'),
    Type.Literal('linearSkew'),
    Type.Literal('absoluteSkew'),
  ],
  { description: 'How implied volatilities move.' },
);

/** One state of the market in which the portfolio is valued again. */
const ScenarioSchema = Type.Object(
  {
    id: Type.String({ minLength: 1, maxLength: 64, description: 'Name in reports.' }),
    role: Type.Union([Type.Literal('grid'), Type.Literal('tail'), Type.Literal('skew')], {
      description: 'Grid cell, damped tail, or skew scenario (every expiry counts as a loss).',
    }),
    priceFactor: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 100,
        description: 'Multiplier of spot, forwards and perpetuals.',
      }),
    ),
    rangeFraction: Type.Optional(
      Type.Number({
        minimum: -100,
        maximum: 100,
        description: 'Price move in units of the price range, instead of priceFactor.',
      }),
    ),
    linearPriceFactor: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 100,
        description: 'Another multiplier for futures and perpetuals.',
      }),
    ),
    linearDamping: Type.Optional(
      Type.Number({ minimum: 0, maximum: 1, description: 'Another damping for futures and perpetuals.' }),
    ),
    volatility: VolatilityMoveSchema,
    damping: Type.Number({ minimum: 0, maximum: 1, description: 'Part of the profit or loss that counts.' }),
  },
  closed,
);

/** A range, relative or in the quantity's own unit. */
const RangeSchema = Type.Object(
  {
    value: Type.Number({ minimum: 0, maximum: 1e9 }),
    unit: Type.Union([Type.Literal('relative'), Type.Literal('absolute')]),
  },
  closed,
);

/** Two rates of one add-on. */
const rates = {
  maintenance: Fraction({ description: 'Part of the base that counts at the maintenance level.' }),
  initial: Fraction({ description: 'Part of the base that counts at the initial level.' }),
};

/** A term of the requirement beside scan risk. */
const AddOnSchema = Type.Union([
  Type.Object(
    {
      kind: Type.Literal('gamma'),
      ...rates,
      deviations: Type.Number({ minimum: 0, maximum: 10 }),
      windowSeconds: Seconds(2_592_000, 'Liquidation window.'),
    },
    closed,
  ),
  Type.Object({ kind: Type.Literal('vegaShock'), ...rates }, closed),
  Type.Object(
    { kind: Type.Literal('horizon'), ...rates, seconds: Seconds(2_592_000, 'Expected auction time.') },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal('shortOption'),
      ...rates,
      combine: Type.Union([Type.Literal('add'), Type.Literal('floor')], {
        description: 'Added to the requirement, or the least that it can be.',
      }),
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal('basis'),
      ...rates,
      upFactor: Type.Number({
        exclusiveMinimum: 0,
        maximum: 10,
        description: 'Price factor of the move up.',
      }),
      downFactor: Type.Number({
        exclusiveMinimum: 0,
        maximum: 10,
        description: 'Price factor of the move down.',
      }),
      constant: Fraction({ description: 'Part of the loss that counts at any tenor.' }),
      perYear: Fraction({ description: 'Further part for each year to expiry.' }),
      combine: Type.Union([Type.Literal('add'), Type.Literal('worst')], {
        description: 'Added to the requirement, or one more candidate for the worst scenario.',
      }),
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal('expiryBasis'),
      ...rates,
      minimum: Fraction({ description: "Least move of an expiry's forward against spot." }),
      perYear: Fraction({ description: 'Further move for each year to expiry.' }),
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal('expiryInterest'),
      ...rates,
      perYear: Fraction({ description: "Move of an expiry's discount factor for each year to expiry." }),
    },
    closed,
  ),
  Type.Object({ kind: Type.Literal('perpetual'), ...rates }, closed),
  Type.Object(
    {
      kind: Type.Literal('calendarSpread'),
      ...rates,
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal('roll'),
      ...rates,
      annualRate: Fraction({ description: 'Basis move per year to expiry.' }),
      minimumRate: Fraction({ description: 'Least basis move.' }),
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal('deltaConcentration'),
      ...rates,
      thresholdUsd: Type.Number({ exclusiveMinimum: 0, maximum: 1e15 }),
      maximumRate: Fraction(),
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal('oracleConfidence'),
      ...rates,
      threshold: Type.Number({
        minimum: 0,
        maximum: 1,
        description: 'Confidence below which the add-on applies.',
      }),
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal('predictive'),
      ...rates,
      horizonSeconds: Seconds(2_592_000, 'How far ahead the surface is extrapolated.'),
      lookbackSeconds: Seconds(31_536_000, 'Oldest earlier surface that is used.'),
      priceDeviations: Type.Number({ minimum: 0, maximum: 10 }),
      maximumDrift: Fraction({ description: 'Bound on the extrapolated move, relative to the volatility.' }),
      volOfVol: Fraction({
        description: 'Relative standard deviation of implied volatility, per root year.',
      }),
    },
    closed,
  ),
]);

/** Haircuts of one collateral class. */
const HaircutSchema = Type.Object(
  {
    maintenance: Type.Number({ minimum: 0, maximum: 1 }),
    initial: Type.Number({ minimum: 0, maximum: 1, description: 'Whole haircut at the initial level.' }),
  },
  closed,
);

/** Classes that collateral may belong to. */
export const COLLATERAL_CLASSES = ['stable', 'volatile', 'staked', 'bridged'] as const;

/** A margin model. */
export const MarginModelSchema = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 64 }),
    version: Type.String({
      minLength: 1,
      maxLength: 64,
      description: 'Version of the parameters, shown with results.',
    }),
    numeraire: Type.Union([Type.Literal('usd'), Type.Literal('coin')], {
      description: 'What results are in; coin needs a single underlying.',
    }),
    pricing: Type.Object(
      {
        minimumTenorSeconds: Seconds(86_400, 'Options nearer to expiry are priced with this tenor.'),
        settlementWindowSeconds: Seconds(
          86_400,
          'The settlement price is an average over this window; what has passed of it no longer moves.',
        ),
        lookAheadSeconds: Seconds(604_800, 'Time that passes in a scenario.'),
        rateFloor: Type.Union([Type.Number({ minimum: -10, maximum: 10 }), Type.Null()], {
          description: 'Least rate used for discounting; null for none.',
        }),
        largestTotalVariance: Type.Number({ exclusiveMinimum: 0, maximum: 1e6 }),
      },
      closed,
    ),
    scenarios: Type.Array(ScenarioSchema, { minItems: 1, maxItems: 256 }),
    priceRange: Type.Optional(RangeSchema),
    priceRanges: Type.Optional(
      Type.Record(Type.String({ maxLength: 16 }), RangeSchema, { description: 'Price range by underlying.' }),
    ),
    volShock: Type.Object(
      {
        unit: Type.Union([Type.Literal('relative'), Type.Literal('absolute')]),
        up: Fraction(),
        down: Fraction(),
        pivotDays: Type.Number({ exclusiveMinimum: 0, maximum: 3650 }),
        tenorFloorDays: Type.Number({ exclusiveMinimum: 0, maximum: 3650 }),
        shortPower: Type.Number({ minimum: 0, maximum: 2, description: 'Power up to the pivot tenor.' }),
        longPower: Type.Number({ minimum: 0, maximum: 2, description: 'Power beyond it.' }),
        minimumShockedUp: Type.Number({
          minimum: 0,
          maximum: 10,
          description: 'Least volatility after a shock up.',
        }),
        minimumMultiplier: Type.Number({ minimum: 0, maximum: 1 }),
      },
      closed,
    ),
    skewShock: Type.Optional(
      Type.Object(
        {
          linear: Type.Object({ capPerRoot: Coefficient, cap: Coefficient }, closed),
          absolute: Type.Object({ capPerRoot: Coefficient, cap: Coefficient }, closed),
          minimumWidth: Type.Number({ minimum: 1e-6, maximum: 100 }),
          widthScale: Coefficient,
          volatility: Coefficient,
          volatilityPerRoot: Coefficient,
        },
        closed,
      ),
    ),
    staticDiscount: Type.Optional(
      Type.Object(
        {
          positive: Type.Object({ base: Fraction(), rateScale: Coefficient, rateAdd: Coefficient }, closed),
          negative: Type.Object({ base: Fraction(), rateScale: Coefficient, rateAdd: Coefficient }, closed),
        },
        closed,
      ),
    ),
    gainFactor: Type.Number({
      minimum: 0,
      maximum: 1,
      description: "Part of an underlying's gain that may offset another's loss.",
    }),
    reliefFraction: Type.Number({
      minimum: 0,
      maximum: 1,
      description: 'Part of the diversification that joint scenarios show which is granted.',
    }),
    scan: Type.Object(
      {
        maintenance: Fraction(),
        initial: Fraction(),
        pegLoss: Type.Optional(
          Type.Object(
            { threshold: Type.Number({ minimum: 0, maximum: 10 }), factor: Fraction({ maximum: 1000 }) },
            closed,
          ),
        ),
      },
      closed,
    ),
    collateral: Type.Object(
      {
        classes: Type.Object(
          { stable: HaircutSchema, volatile: HaircutSchema, staked: HaircutSchema, bridged: HaircutSchema },
          closed,
        ),
        deduct: Type.Union([Type.Literal('equity'), Type.Literal('requirement')], {
          description: 'Whether the maintenance haircut lowers equity or raises the requirement.',
        }),
      },
      closed,
    ),
    addOns: Type.Array(AddOnSchema, { maxItems: 32 }),
    tiers: Type.Object(
      {
        soft: Type.Number({
          minimum: 1,
          maximum: 10,
          description: 'Soft liquidation below this multiple of maintenance.',
        }),
        warning: Type.Number({ minimum: 1, maximum: 10, description: 'Warning below this multiple.' }),
      },
      closed,
    ),
  },
  closed,
);

/** A margin model. */
export type MarginModel = Static<typeof MarginModelSchema>;
/** One scenario of a model. */
export type ModelScenario = Static<typeof ScenarioSchema>;
/** One add-on of a model. */
export type AddOn = Static<typeof AddOnSchema>;
/** How a volatility is moved in a scenario. */
export type VolatilityMove = Static<typeof VolatilityMoveSchema>;
/** A class of collateral. */
export type CollateralClass = (typeof COLLATERAL_CLASSES)[number];
/** The level at which a requirement is measured. */
export type MarginLevel = 'maintenance' | 'initial';
