/** The shapes of what the service tells of the chain: one source for types and OpenAPI. Amounts are decimal strings. */
import { type Static, Type } from 'typebox';
import { SCENARIOS_PER_WORD } from '../../margin/parameters.ts';
import { PATTERNS } from '../patterns.ts';
import { PROOF_PURPOSES, type ProofPurpose } from '../speculation/keepers.ts';

const strict = { additionalProperties: false } as const;

const Amount = (description: string) => Type.String({ description });
const Usd = (description = '1e-6 USD, signed') => Amount(description);
const Worth = Usd(
  'equity with collateral at `saleCollateral`, 1e-6 USD, signed: what there is to sell. Above 0 an account is sold, else taken over',
);
const SaleCollateral = Usd(
  'value of all collateral at which slices are priced, at least `collateral`: less a quarter of each haircut, or its square where that is more, 1e-6 USD',
);
const Scale = Amount('2^-40');
const Seconds = (description = 'seconds since 1970-01-01 UTC') => Amount(description);
const Id = Amount('id of an account');
const Tier = Type.String({
  enum: ['healthy', 'warning', 'soft', 'liquidatable', 'badDebt', 'undecided'],
  description: 'how the account stands',
});

/** Where the next page of a list begins. */
export const NextCursor = Type.Optional(
  Type.String({ description: 'for the next page; absent on the last one' }),
);
/** Entries of a page. */
export const Limit = Type.Optional(
  Type.String({
    pattern: PATTERNS.limit.pattern,
    description: 'entries, at most 500; 100 unless given',
  }),
);
/** Place of a page. */
export const Cursor = Type.Optional(
  Type.String({ pattern: PATTERNS.cursor.pattern, description: 'of the page before' }),
);
const UnderlyingQuery = Type.Optional(
  Type.String({ pattern: PATTERNS.underlying.pattern, description: 'as in BTC; all unless given' }),
);

/** Path of one account. */
export const AccountParamsSchema = Type.Object(
  { id: Type.String({ pattern: PATTERNS.accountId.pattern }) },
  strict,
);

/** A leg as it is shown. */
const LegViewSchema = Type.Object({
  instrument: Type.Union([Type.String(), Type.Null()], { description: 'as in BTC-28FEB25-96000-C' }),
  kind: Type.String({ enum: ['call', 'put', 'linear'] }),
  expiryHour: Type.Integer({ description: 'whole hours since 1970-01-01 UTC; 0 for linear' }),
  strike: Amount('1e-4 USD; 0 for linear'),
  quantity: Amount('1e-6 contracts, negative when sold'),
});
/** A leg as it is shown. */
export type LegView = Static<typeof LegViewSchema>;

/** Risk of an account at the newest round. */
const RiskViewSchema = Type.Object({
  tier: Tier,
  round: Amount('number of the round'),
  exact: Type.Boolean({ description: 'whether the figures are those of the exact model' }),
  equity: Usd(),
  worth: Worth,
  requirement: Usd('1e-6 USD'),
  mark: Usd(),
  shortfall: Usd('what equity lacks of the requirement, 1e-6 USD'),
  ratio: Type.Union([Type.Number(), Type.Null()], {
    description: 'equity over requirement; null when nothing is required',
  }),
  near: Type.Optional(
    Type.Object(
      { deviations: Type.Number(), direction: Type.String({ enum: ['below', 'above'] }) },
      { description: 'move of the price over five minutes at which it would be liquidatable' },
    ),
  ),
  problem: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
});

/** An account. */
export const AccountViewSchema = Type.Object({
  accountId: Id,
  owner: Type.String(),
  underlying: Type.Union([Type.String(), Type.Null()]),
  underlyingId: Amount('of the underlying of all legs; 0 for the insurance fund'),
  nonce: Amount('grows with each change of positions'),
  commitment: Amount('to the legs; 0 without positions'),
  scale: Scale,
  cash: Usd(),
  collateral: Usd('value after haircuts at last known prices, 1e-6 USD'),
  movingCollateral: Usd(
    'the part of it that is priced by the own underlying, and so enters the requirement, 1e-6 USD',
  ),
  saleCollateral: SaleCollateral,
  inAuction: Type.Boolean(),
  block: Amount('since which it is so'),
  opening: Type.Object({
    status: Type.String({
      enum: ['none', 'known', 'mismatch', 'withheld', 'underivable', 'missing'],
      description: 'whether the legs are known: they are checked against the commitment',
    }),
    reason: Type.Optional(Type.String()),
  }),
  legs: Type.Optional(Type.Array(LegViewSchema)),
  salt: Type.Optional(
    Amount(
      "of the commitment to published legs, as the trade's event has it: with it anyone checks the legs",
    ),
  ),
  risk: Type.Optional(RiskViewSchema),
});
/** An account. */
export type AccountView = Static<typeof AccountViewSchema>;

/** Query of `GET /v1/accounts`. */
export const AccountsQuerySchema = Type.Object({ limit: Limit, cursor: Cursor }, strict);
/** Answer of `GET /v1/accounts`. */
export const AccountsSchema = Type.Object({
  block: Amount('newest block that is looked at'),
  accounts: Type.Array(AccountViewSchema),
  next: NextCursor,
});

const ScenarioObject = {
  index: Type.Integer(),
  priceMove: Type.Integer({ description: 'price steps of the parameters' }),
  volShock: Type.Integer(),
  damping: Type.Integer({ description: '2^-16' }),
};
/** The exact margin of an account. */
export const MarginViewSchema = Type.Object({
  accountId: Id,
  round: Amount('number of the round'),
  parametersVersion: Amount('version of the parameters'),
  tier: Tier,
  cash: Usd(),
  collateral: Usd('1e-6 USD'),
  movingCollateral: Usd(
    'the part of it that is priced by the own underlying, and so enters the requirement, 1e-6 USD',
  ),
  saleCollateral: SaleCollateral,
  mark: Usd('value of the positions, 1e-6 USD'),
  equity: Usd(),
  worth: Worth,
  requirement: Usd('maintenance requirement, 1e-6 USD'),
  baseRequirement: Usd('what the worst scenario asks for without moving collateral'),
  collateralSlope: Amount('what a unit of moving collateral adds to that, 2^-54, signed'),
  lossCounted: Type.Boolean({ description: 'whether the loss of the worst scenario counts: it is above 0' }),
  deltaSign: Amount('sign of the delta of legs and moving collateral together: 1 or -1'),
  initialRequirement: Usd('what trades and withdrawals must cover, 1e-6 USD'),
  loss: Usd('damped loss of the worst scenario'),
  scanRequirement: Usd('maintenance factor times loss'),
  shortOptionMinimum: Usd('1e-6 USD'),
  horizonBuffer: Usd('1e-6 USD'),
  basisCharge: Usd('1e-6 USD'),
  interestCharge: Usd('1e-6 USD'),
  gammaCharge: Usd('1e-6 USD'),
  vegaCharge: Usd('1e-6 USD'),
  worstScenario: Type.Object(ScenarioObject),
  scenarios: Type.Array(
    Type.Object({
      ...ScenarioObject,
      requirement: Usd('1e-6 USD'),
      baseRequirement: Usd('without moving collateral'),
      collateralSlope: Amount('2^-54, signed'),
      loss: Usd('1e-6 USD'),
    }),
  ),
});
/** The exact margin of an account. */
export type MarginView = Static<typeof MarginViewSchema>;

const PriceSideSchema = Type.Object({
  kind: Type.String({
    enum: ['found', 'none', 'unresolved'],
    description: 'none: no change within the range; unresolved: the search ended first, at `reached`',
  }),
  threshold: Type.Optional(
    Type.Object({
      spot: Usd('spot at which the status has changed, and has not 1e-6 USD nearer to the present spot'),
      factor: Type.Number({ description: 'that spot over the present one' }),
      equity: Usd(),
      requirement: Usd('1e-6 USD'),
      worstScenario: Type.Integer({ description: 'scenario that shows the requirement there' }),
    }),
  ),
  reached: Type.Optional(Usd('spot up to which nothing changes')),
});

/** Where an account's status changes. */
export const LiquidationPricesViewSchema = Type.Object({
  accountId: Id,
  round: Amount('number of the round'),
  spot: Usd('at the round, 1e-6 USD'),
  liquidatable: Type.Boolean({
    description: 'whether it is now; then the prices are those at which it recovers',
  }),
  below: PriceSideSchema,
  above: PriceSideSchema,
  range: Type.Object(
    { low: Usd('1e-6 USD'), high: Usd('1e-6 USD') },
    { description: 'spots that were searched' },
  ),
  evaluations: Type.Object(
    { float: Type.Integer(), exact: Type.Integer() },
    { description: 'of the two models' },
  ),
});
/** Where an account's status changes. */
export type LiquidationPricesView = Static<typeof LiquidationPricesViewSchema>;

/** A round of the oracle. */
const RoundViewSchema = Type.Object({
  underlying: Type.Union([Type.String(), Type.Null()]),
  underlyingId: Amount('of the underlying'),
  number: Amount('of the round'),
  timestamp: Seconds(),
  spot: Usd('1e-6 USD'),
  volatilityIndex: Amount('2^-16'),
  underlyingWord: Amount('as the contracts keep it'),
  expiryWords: Type.Array(Amount('of an expiry; 0 when unused')),
  woundDown: Type.Boolean({ description: 'the last round of an underlying that was wound down' }),
  block: Amount('in which it was accepted'),
});
/** A round of the oracle. */
export type RoundView = Static<typeof RoundViewSchema>;
/** Query of `GET /v1/rounds`. */
export const RoundsQuerySchema = Type.Object(
  { underlying: UnderlyingQuery, limit: Limit, cursor: Cursor },
  strict,
);
/** Answer of `GET /v1/rounds`. */
export const RoundsSchema = Type.Object({ rounds: Type.Array(RoundViewSchema), next: NextCursor });

const TermsSchema = Type.Object({
  initialLevel: Type.Integer(),
  bufferBps: Type.Integer(),
  penaltyBps: Type.Array(Type.Integer()),
  volatilityThreshold: Type.Integer(),
  volatilityPenaltyBps: Type.Integer(),
  rewardShareBps: Type.Integer(),
  atomicLimit: Usd('1e-6 USD'),
  backstopBps: Type.Integer(),
  feeBps: Type.Integer(),
  tip: Usd('1e-6 USD'),
  chipBps: Type.Integer(),
  startFactorBps: Type.Integer(),
  fastFactorBps: Type.Integer(),
  cuspFactorBps: Type.Integer(),
  fastSeconds: Type.Integer(),
  tailSeconds: Type.Integer(),
  insolventSeconds: Type.Integer(),
  commitSeconds: Type.Integer(),
  revealSeconds: Type.Integer(),
  coolOffSeconds: Type.Integer(),
  maxProofAge: Type.Integer(),
  minBidBps: Type.Integer(),
});

/** An underlying with its newest round and what is in force. */
const MarketViewSchema = Type.Object({
  round: RoundViewSchema,
  proofExpiry: Seconds('last second at which a proof of the round is accepted, if no newer one comes'),
  pending: Type.Optional(
    Type.Object(
      { timestamp: Seconds(), spot: Usd('1e-6 USD') },
      { description: 'round that the breaker holds back' },
    ),
  ),
  parametersVersion: Amount('version of parameters and terms'),
  parametersCommitment: Amount('to the parameters'),
  parameters: Type.Object({
    header: Amount('header word'),
    scenarioWords: Type.Array(Amount(`${SCENARIOS_PER_WORD} scenarios`)),
  }),
  terms: TermsSchema,
});
/** An underlying with its newest round and what is in force. */
export type MarketDataView = Static<typeof MarketViewSchema>;
/** Answer of `GET /v1/markets`. */
export const MarketsSchema = Type.Object({
  block: Amount('newest block'),
  markets: Type.Array(MarketViewSchema),
});

const SaleObject = {
  worth: Worth,
  target: Usd('requirement and buffer, 1e-6 USD'),
  maxScale: Scale,
  scaleTaken: Scale,
  cashTaken: Usd(),
  worthTaken: Usd("the slice's share of the worth that is not reserved, 1e-6 USD"),
  proceeds: Usd('what the account is paid, 1e-6 USD'),
  reservedAfter: Usd('1e-6 USD'),
};
const Closed = Type.Object({
  open: Type.Boolean({ const: false }),
  reason: Type.String({ description: 'code of why it is not' }),
});
const route = <T extends Parameters<typeof Type.Object>[0]>(amounts: T) =>
  Type.Union([Type.Object({ open: Type.Boolean({ const: true }), amounts: Type.Object(amounts) }), Closed]);
const AtomicObject = {
  ...SaleObject,
  penaltyBps: Amount('rate of the penalty'),
  penalty: Usd('what the trader loses, 1e-6 USD'),
  reward: Usd("the keeper's part of it, 1e-6 USD"),
  fundFee: Usd('1e-6 USD'),
  payment: Usd('what the vessel pays, 1e-6 USD'),
  collateralTaken: Usd('1e-6 USD'),
  movingTaken: Usd('the part of it that moves with the underlying, 1e-6 USD'),
  vesselFloor: Usd('what the vessel must at least have afterwards'),
  leastCash: Usd('what an empty vessel must at least have before'),
};

/** What liquidating an account would come to, by every route. */
const PlanSchema = Type.Object({
  target: Usd('requirement and buffer, 1e-6 USD'),
  minimalScale: Scale,
  minimalFraction: Type.Number({ description: 'least part whose sale brings the account to its target' }),
  worstScenario: Type.Integer({ description: 'scenario that a proof would show' }),
  atomic: route(AtomicObject),
  backstop: route(AtomicObject),
  auction: route({
    fee: Usd('charged at the start, 1e-6 USD'),
    reward: Usd('part of it for who starts, 1e-6 USD'),
    startFactorBps: Type.Integer({ description: 'price factor with which public bidding starts' }),
    cuspFactorBps: Type.Integer({ description: 'price factor at the end' }),
    atStart: Type.Object(SaleObject),
    atCusp: Type.Object(SaleObject),
  }),
  takeover: route({
    worth: Worth,
    target: Usd('1e-6 USD'),
    scaleTaken: Scale,
    cashTaken: Usd(),
    subsidy: Usd('what the taker is paid at the end of the rise, 1e-6 USD'),
  }),
});

/** An account below its requirement that no auction sells yet. */
const LiquidationViewSchema = Type.Object({
  accountId: Id,
  underlying: Type.Union([Type.String(), Type.Null()]),
  underlyingId: Amount('of the underlying'),
  status: Type.String({
    enum: ['liquidatable', 'badDebt'],
    description: '`badDebt` of an account that is worth nothing: it is taken over',
  }),
  nonce: Amount('of the account, as proofs bind it'),
  commitment: Amount('to the legs'),
  scale: Scale,
  cash: Usd(),
  collateral: Usd('1e-6 USD'),
  movingCollateral: Usd(
    'the part of it that is priced by the own underlying, and so enters the requirement, 1e-6 USD',
  ),
  saleCollateral: SaleCollateral,
  mark: Usd(),
  requirement: Usd('1e-6 USD'),
  baseRequirement: Usd('what the worst scenario asks for without moving collateral'),
  collateralSlope: Amount('what a unit of moving collateral adds to that, 2^-54, signed'),
  equity: Usd(),
  worth: Worth,
  shortfall: Usd('what equity lacks of the requirement, 1e-6 USD'),
  round: Amount('number of the round of these figures'),
  proofExpiry: Seconds('last second at which a proof of these figures is accepted, if no newer round comes'),
  capacity: Type.Integer({ description: 'legs of the smallest insolvency circuit that is served and fits' }),
  legs: Type.Array(LegViewSchema),
  startFeeDue: Type.Boolean({ description: 'whether the start of an auction would be charged a fee now' }),
  expectedProfit: Usd('reward of the best route, before gas and hedge, 1e-6 USD'),
  plan: PlanSchema,
});
/** An account below its requirement that no auction sells yet. */
export type LiquidationView = Static<typeof LiquidationViewSchema>;
/** Query of `GET /v1/liquidations`. */
export const LiquidationsQuerySchema = Type.Object(
  { underlying: UnderlyingQuery, limit: Limit, cursor: Cursor },
  strict,
);
/** Answer of `GET /v1/liquidations`. */
export const LiquidationsSchema = Type.Object({
  revision: Amount('of the feed; pages of one revision belong together'),
  liquidations: Type.Array(LiquidationViewSchema, { description: 'the most urgent first' }),
  next: NextCursor,
  further: Type.Optional(
    Type.Array(Type.String(), {
      description: 'with the first page: cursors of those that follow, which may be asked for at once',
    }),
  ),
});

const BidTermsSchema = Type.Object({
  bufferBps: Amount('1e-4'),
  startFactorBps: Amount('1e-4'),
  fastFactorBps: Amount('1e-4'),
  cuspFactorBps: Amount('1e-4'),
  fastSeconds: Amount('seconds'),
  tailSeconds: Amount('seconds'),
  insolventSeconds: Amount('seconds'),
  maxProofAge: Amount('seconds'),
  backstopBps: Amount('1e-4'),
  minBidBps: Amount('1e-4'),
});
/** An auction. */
const AuctionViewSchema = Type.Object({
  accountId: Id,
  underlying: Type.Union([Type.String(), Type.Null()]),
  underlyingId: Amount('of the underlying'),
  number: Amount('of the auction'),
  running: Type.Boolean(),
  endReason: Type.Optional(Type.String()),
  keeper: Type.Optional(Type.String({ description: 'who started it' })),
  commitment: Amount('of the account'),
  scale: Scale,
  cash: Usd('of the account'),
  collateral: Usd('of the account, 1e-6 USD'),
  movingCollateral: Usd(
    'the part of it that is priced by the own underlying, and so enters the requirement, 1e-6 USD',
  ),
  saleCollateral: SaleCollateral,
  requirement: Usd(
    'by the recorded proof, at the present scale and moving collateral, 1e-6 USD; 0 after the end',
  ),
  equity: Usd('by the recorded proof, with present cash and collateral, 1e-6 USD, signed; 0 after the end'),
  worth: Usd(
    'the same with collateral at `saleCollateral`: above 0 slices are sold, else taken over; 0 after the end',
  ),
  reserved: Usd('cash that bids have paid, 1e-6 USD'),
  round: Amount('of the recorded proof'),
  provenAt: Seconds('timestamp of that round'),
  proven: Type.Object({
    mark: Usd(),
    baseRequirement: Usd('without moving collateral'),
    collateralSlope: Amount('what a unit of moving collateral adds to it, 2^-54, signed'),
    scale: Scale,
  }),
  startNonce: Amount('nonce of the account at the start: proofs bind it'),
  start: Seconds(),
  publicStart: Seconds('from when on anyone may bid'),
  subsidyFrom: Type.Optional(Seconds('from when on the public subsidy rises')),
  superseded: Type.Boolean({
    description: 'a settlement has changed the positions: it must be started anew',
  }),
  terms: BidTermsSchema,
  capacity: Type.Optional(
    Type.Integer({ description: 'legs of the smallest insolvency circuit that is served and fits' }),
  ),
  legs: Type.Optional(Type.Array(LegViewSchema)),
  sales: Type.Optional(
    Type.Array(
      Type.Object({
        kind: Type.String({ enum: ['bid', 'takeover'] }),
        vesselId: Id,
        taker: Type.String(),
        round: Amount('of the figures'),
        block: Amount('in which it was'),
        transactionHash: Type.String(),
        figures: Type.Unsafe<Record<string, unknown>>({ type: 'object', additionalProperties: true }),
      }),
      { description: 'bids and takeovers in order' },
    ),
  ),
});
/** An auction. */
export type AuctionView = Static<typeof AuctionViewSchema>;
/** Query of `GET /v1/auctions`. */
export const AuctionsQuerySchema = Type.Object(
  {
    running: Type.Optional(Type.String({ enum: ['true', 'false'], description: 'all unless given' })),
    limit: Limit,
    cursor: Cursor,
  },
  strict,
);
/** Answer of `GET /v1/auctions`. */
export const AuctionsSchema = Type.Object({ auctions: Type.Array(AuctionViewSchema), next: NextCursor });

/** Body of `POST /v1/accounts/:id/proofs`. */
export const AccountProofRequestSchema = Type.Object(
  {
    purpose: Type.Unsafe<ProofPurpose>({
      type: 'string',
      enum: [...PROOF_PURPOSES],
      description: 'for the liquidation engine, or for the auction house: start, refresh, restart',
    }),
    keeper: Type.String({ pattern: PATTERNS.address.pattern, description: 'sender of the transaction' }),
    round: Type.String({ pattern: PATTERNS.round.pattern, description: 'must be the newest' }),
  },
  strict,
);

const PurposeSchema = Type.Unsafe<ProofPurpose>({ type: 'string', enum: [...PROOF_PURPOSES] });
/** Path of a keeper. */
export const KeeperParamsSchema = Type.Object({
  address: Type.String({ pattern: PATTERNS.address.pattern, description: 'sender of its transactions' }),
});
/** Body of `PUT /v1/keepers/:address`. */
export const KeeperInterestSchema = Type.Object(
  {
    purposes: Type.Optional(
      Type.Array(PurposeSchema, { minItems: 1, maxItems: 2, description: 'all unless given' }),
    ),
  },
  strict,
);
/** Answer of `PUT /v1/keepers/:address`. */
export const KeeperViewSchema = Type.Object({
  address: Type.String({ description: 'in lower case' }),
  purposes: Type.Array(PurposeSchema),
  expiresAt: Type.String({ description: 'ISO 8601; later with every proof that is asked for' }),
});
/** A keeper for which proofs are made beforehand. */
export type KeeperView = Static<typeof KeeperViewSchema>;

/** Body of `POST /v1/margin`: a document of `zkmargin margin`. */
export const MarginDocumentBodySchema = Type.Unsafe<Record<string, unknown>>({
  type: 'object',
  additionalProperties: true,
  description: 'a document as zkmargin margin reads it; zkmargin schema margin prints its schema',
});
/** Answer of `POST /v1/margin`. */
export const MarginResultSchema = Type.Unsafe<Record<string, unknown>>({
  type: 'object',
  additionalProperties: true,
  description: 'what zkmargin margin --json prints',
});
/** Answer of `POST /v1/simulate`. */
export const SimulationSchema = Type.Object({
  portfolio: Type.String(),
  model: Type.String(),
  tier: Type.String(),
  equity: Type.Number({ description: 'in the numeraire of the model, as all figures here' }),
  maintenanceRequirement: Type.Number(),
  maintenanceMargin: Type.Number(),
  initialRequirement: Type.Number(),
  initialMargin: Type.Number(),
  trades: Type.Array(
    Type.Object({
      name: Type.String(),
      cash: Type.Number({ description: 'received, negative when paid' }),
      equity: Type.Number({ description: 'change' }),
      maintenanceRequirement: Type.Number({ description: 'change' }),
      initialRequirement: Type.Number({ description: 'change' }),
      maintenanceMarginAfter: Type.Number(),
      initialMarginAfter: Type.Number(),
      tierAfter: Type.String(),
      allowed: Type.Boolean(),
    }),
    { description: 'each candidate trade of the document by itself' },
  ),
  shocks: Type.Array(
    Type.Object({
      name: Type.String(),
      priceMove: Type.Number({ description: 'relative, of spot, forwards and perpetuals' }),
      volMultiplier: Type.Number(),
      volShift: Type.Number(),
      hours: Type.Number({ description: 'that pass' }),
      underlyings: Type.Array(Type.String(), { description: 'that move' }),
      profit: Type.Number({ description: 'change of equity' }),
      equity: Type.Number(),
      maintenanceRequirement: Type.Number(),
      maintenanceMargin: Type.Number(),
      initialRequirement: Type.Number(),
      initialMargin: Type.Number(),
      tier: Type.String(),
      components: Type.Array(
        Type.Object({ id: Type.String(), maintenance: Type.Number(), initial: Type.Number() }),
        { description: 'parts of the requirements' },
      ),
    }),
    { description: 'the margin after each shock of the document by itself' },
  ),
});
