/** The shapes of requests and answers: one source for validation, types and OpenAPI. */
import { type Static, Type } from 'typebox';
import { ErrorCodeSchema } from '../http/problem.ts';
import { SETTLEMENT_WORDS } from '../margin/exact/settlement.ts';
import { SCENARIO_CAPACITY, SCENARIO_WORD_COUNT, SCENARIOS_PER_WORD } from '../margin/parameters.ts';
import { EXPIRY_COUNT } from '../market/words.ts';
import { type Instance, instancesOf, type Statement } from '../proof/instances.ts';
import { SOLVENCY_PURPOSES, type SolvencyPurpose } from '../proof/witness/contexts.ts';
import { JOB_PRIORITIES } from '../store/job.ts';
import { PATTERNS } from './patterns.ts';

/** Longest wait for a job, in seconds. */
export const MAX_WAIT_SECONDS = 60;

const strict = { additionalProperties: false } as const;

const Unsigned = (description: string) =>
  Type.String({ pattern: PATTERNS.unsigned.pattern, maxLength: 78, description });
const Signed = (description: string) =>
  Type.String({ pattern: PATTERNS.signed.pattern, maxLength: 79, description });
const Address = (description: string) => Type.String({ pattern: PATTERNS.address.pattern, description });

const InstrumentObject = Type.Object(
  {
    kind: Type.String({ maxLength: 16, description: 'call, put or linear' }),
    expiryHour: Type.Integer({ description: 'whole hours since 1970-01-01 UTC; 0 for linear' }),
    strike: Unsigned('1e-4 USD; 0 for linear'),
  },
  strict,
);

const LegObject = Type.Object(
  {
    instrument: Type.Union([
      Type.String({ maxLength: 64, description: 'a name such as BTC-28FEB25-96000-C or BTC-SPOT' }),
      InstrumentObject,
    ]),
    quantity: Signed('1e-6 contracts, negative when sold'),
  },
  strict,
);

/** A leg as it is given. */
export type LegRequest = Static<typeof LegObject>;

const ParametersObject = Type.Object(
  {
    priceStep: Type.Integer(),
    volShockUp: Type.Integer(),
    volShockDown: Type.Integer(),
    tenorPowerShort: Type.Integer(),
    tenorPowerLong: Type.Integer(),
    tenorFloor: Type.Integer(),
    maintenanceFactor: Type.Integer(),
    shortOptionRate: Type.Integer(),
    horizonSeconds: Type.Integer(),
    basisMinimum: Type.Integer(),
    basisPerTenor: Type.Integer(),
    interestPerTenor: Type.Integer(),
    gammaRate: Type.Integer(),
    vegaRate: Type.Integer(),
    scenarios: Type.Array(
      Type.Object({ priceMove: Type.Integer(), volShock: Type.Integer(), damping: Type.Integer() }, strict),
      { maxItems: SCENARIO_CAPACITY },
    ),
  },
  strict,
);

const PackedParametersObject = Type.Object(
  {
    header: Unsigned('header word'),
    scenarioWords: Type.Array(Unsigned(`${SCENARIOS_PER_WORD} scenarios`), {
      minItems: SCENARIO_WORD_COUNT,
      maxItems: SCENARIO_WORD_COUNT,
    }),
  },
  strict,
);

const ContextObject = Type.Object(
  {
    chainId: Unsigned('chain of the engine'),
    engine: Address('the liquidation engine'),
    accountId: Unsigned('account to liquidate'),
    nonce: Unsigned("the account's nonce"),
    round: Unsigned('number of the oracle round'),
    keeper: Address('who may use the proof'),
  },
  strict,
);

const Circuit = <Of extends Statement>(statement: Of) =>
  Type.Unsafe<Of | Instance<Of>>({
    type: 'string',
    enum: [statement, ...instancesOf(statement)],
    description: 'without a number, the smallest with room for the legs',
  });

const Legs = (minItems: number, maxItems: number) =>
  Type.Array(LegObject, { minItems, maxItems, description: 'in any order, no instrument twice' });

const Salt = Unsigned("salt of the account's commitment, below the field's order");
const Underlying = Type.String({ pattern: PATTERNS.underlying.pattern, description: 'as in BTC' });

/** What every request may say about its job. */
const jobProperties = {
  deadline: Type.Optional(
    Type.Integer({ description: 'seconds since 1970-01-01 UTC after which the proof is of no use' }),
  ),
  priority: Type.Optional(
    Type.Unsafe<(typeof JOB_PRIORITIES)[number]>({
      type: 'string',
      enum: [...JOB_PRIORITIES],
      description: 'to wait behind more urgent jobs; liquidation for insolvency, else solvency unless given',
    }),
  ),
};

/** What every statement about an account's margin is made of. */
const marginProperties = {
  salt: Salt,
  scale: Unsigned('2^-40'),
  underlyingWord: Unsigned('oracle word of the underlying'),
  expiryWords: Type.Array(Unsigned('oracle word of an expiry, 0 when unused'), {
    minItems: EXPIRY_COUNT,
    maxItems: EXPIRY_COUNT,
  }),
  parameters: Type.Union([ParametersObject, PackedParametersObject]),
};

const InsolvencyRequestSchema = Type.Object(
  {
    circuit: Circuit('insolvency'),
    legs: Legs(1, 32),
    ...marginProperties,
    scenarioIndex: Type.Optional(
      Type.Integer({ description: 'scenario to prove; the worst one unless given' }),
    ),
    context: ContextObject,
    movingCollateral: Type.Optional(
      Unsigned(
        "value after haircuts of the account's collateral that is priced by its own underlying, 1e-6 USD; 0 unless given. The proof does not show it: " +
          'it decides which scenario is the worst',
      ),
    ),
    cash: Type.Optional(
      Signed(
        "the account's cash with all of its collateral, 1e-6 USD; when given, an account that is healthy is refused",
      ),
    ),
    ...jobProperties,
  },
  { ...strict, title: 'Insolvency' },
);
/** A request for an insolvency proof. */
export type InsolvencyRequest = Static<typeof InsolvencyRequestSchema>;

const SolvencyRequestSchema = Type.Object(
  {
    circuit: Circuit('solvency'),
    legs: Legs(1, 16),
    ...marginProperties,
    cash: Signed('cash that is assumed, with collateral of other underlyings, 1e-6 USD'),
    movingCollateral: Type.Optional(
      Unsigned(
        "value after haircuts of fresh collateral that is priced by the account's own underlying, 1e-6 USD; 0 unless given. It is a leg of the " +
          'proof, and must be what the account has in the transaction',
      ),
    ),
    level: Type.Optional(Unsigned('factor on the maintenance requirement, 2^-12; 4096 unless given')),
    context: Type.Object(
      {
        chainId: Unsigned('chain of the consumer'),
        consumer: Address('contract that takes the proof'),
        purpose: Type.Unsafe<SolvencyPurpose>({
          type: 'string',
          enum: Object.keys(SOLVENCY_PURPOSES),
        }),
        accountId: Unsigned('the account'),
        nonce: Unsigned("the account's nonce"),
        round: Unsigned('number of the oracle round'),
      },
      strict,
    ),
    ...jobProperties,
  },
  { ...strict, title: 'Solvency' },
);
/** A request for a solvency proof. */
export type SolvencyRequest = Static<typeof SolvencyRequestSchema>;

const SettlementRequestSchema = Type.Object(
  {
    circuit: Circuit('settlement'),
    legs: Legs(1, 32),
    salt: Salt,
    scale: Unsigned('2^-40'),
    underlying: Underlying,
    prices: Type.Array(
      Type.Object(
        {
          expiryHour: Type.Integer({ description: 'whole hours since 1970-01-01 UTC' }),
          price: Unsigned('1e-6 USD'),
        },
        strict,
      ),
      { minItems: 1, maxItems: SETTLEMENT_WORDS, description: 'by hour, increasing' },
    ),
    context: Type.Object(
      {
        chainId: Unsigned('chain of the consumer'),
        consumer: Address('contract that takes the proof'),
        accountId: Unsigned('the account'),
        nonce: Unsigned("the account's nonce"),
      },
      strict,
    ),
    ...jobProperties,
  },
  { ...strict, title: 'Settlement' },
);
/** A request for a settlement proof. */
export type SettlementRequest = Static<typeof SettlementRequestSchema>;

const TransferAccountObject = Type.Object(
  { legs: Legs(0, 16), salt: Salt, scale: Unsigned('2^-40') },
  strict,
);
const TransferSidesObject = Type.Object({ a: TransferAccountObject, b: TransferAccountObject }, strict);
const TransferRequestSchema = Type.Object(
  {
    circuit: Circuit('transfer'),
    underlying: Underlying,
    before: TransferSidesObject,
    after: TransferSidesObject,
    publish: Type.Optional(
      Type.Object(
        { a: Type.Optional(Type.Boolean()), b: Type.Optional(Type.Boolean()) },
        { ...strict, description: 'sides whose new opening is published with the trade; none unless given' },
      ),
    ),
    context: Type.Object(
      {
        chainId: Unsigned('chain of the consumer'),
        consumer: Address('contract that takes the proof'),
        accountA: Unsigned('the first account'),
        nonceA: Unsigned('its nonce'),
        accountB: Unsigned('the second account'),
        nonceB: Unsigned('its nonce'),
        cashToA: Signed('what B pays to A, 1e-6 USD'),
      },
      strict,
    ),
    ...jobProperties,
  },
  { ...strict, title: 'Transfer' },
);
/** A request for a transfer proof. */
export type TransferRequest = Static<typeof TransferRequestSchema>;

/** Body of `POST /v1/proofs`: which statement it is of, `circuit` tells. */
export type ProofRequest = InsolvencyRequest | SolvencyRequest | SettlementRequest | TransferRequest;
/** Body of `POST /v1/proofs`. */
export const ProofRequestSchema = Type.Unsafe<ProofRequest>({
  type: 'object',
  required: ['circuit'],
  discriminator: { propertyName: 'circuit' },
  oneOf: [InsolvencyRequestSchema, SolvencyRequestSchema, SettlementRequestSchema, TransferRequestSchema],
});

/** Path of one job. */
export const JobParamsSchema = Type.Object({ id: Type.String({ pattern: PATTERNS.jobId.pattern }) });
/** Query of `GET /v1/proofs/:id`. */
export const JobQuerySchema = Type.Object(
  {
    wait: Type.Optional(
      Type.String({
        pattern: PATTERNS.waitSeconds.pattern,
        description: `whole seconds to wait for the job to finish, at most ${MAX_WAIT_SECONDS}`,
      }),
    ),
  },
  strict,
);

const Pair = Type.Array(Type.String(), { minItems: 2, maxItems: 2 });
const Calldata = Type.Object({ a: Pair, b: Type.Array(Pair), c: Pair });

const ResultSchema = Type.Object({
  proof: Type.Object({
    pi_a: Type.Array(Type.String()),
    pi_b: Type.Array(Type.Array(Type.String())),
    pi_c: Type.Array(Type.String()),
    protocol: Type.String(),
    curve: Type.String(),
  }),
  publicSignals: Type.Array(Type.String()),
  calldata: Calldata,
  mark: Type.Optional(Type.String({ description: 'of insolvency: 1e-6 USD, signed' })),
  baseRequirement: Type.Optional(
    Type.String({ description: 'of insolvency: without moving collateral, 1e-6 USD, signed' }),
  ),
  collateralSlope: Type.Optional(
    Type.String({ description: 'of insolvency: what a unit of moving collateral adds to it, 2^-54, signed' }),
  ),
  requirement: Type.Optional(
    Type.String({
      description: 'of insolvency: with the moving collateral of whoever asked for the proof first, 1e-6 USD',
    }),
  ),
  cash: Type.Optional(
    Type.String({ description: 'assumed by solvency, or paid by settlement: 1e-6 USD, signed' }),
  ),
  movingCollateral: Type.Optional(
    Type.String({ description: 'of solvency: of whoever asked for the proof first, 1e-6 USD' }),
  ),
  level: Type.Optional(Type.String({ description: 'of solvency: 2^-12' })),
  newCommitment: Type.Optional(
    Type.String({ description: "of settlement: the account's commitment after it" }),
  ),
  newA: Type.Optional(Type.String({ description: "of transfer: the first account's commitment after it" })),
  newB: Type.Optional(Type.String({ description: "of transfer: the second account's commitment after it" })),
  timings: Type.Object({
    loading: Type.Number(),
    witness: Type.Number(),
    proving: Type.Number(),
    verifying: Type.Number(),
  }),
});

const Stage = Type.String({ enum: ['loading', 'witness', 'proving', 'verifying'] });

/** A job as it is shown. */
export const JobSchema = Type.Object({
  id: Type.String(),
  circuit: Type.String(),
  state: Type.String({ enum: ['queued', 'proving', 'done', 'failed'] }),
  priority: Type.String({ enum: [...JOB_PRIORITIES] }),
  attempts: Type.Integer({ description: 'times that a prover took it' }),
  causes: Type.Optional(
    Type.Array(Type.Object({ code: ErrorCodeSchema, message: Type.String(), at: Type.String() }), {
      description: 'why earlier attempts failed',
    }),
  ),
  progress: Type.Optional(Type.Object({ stage: Stage })),
  createdAt: Type.String({ description: 'ISO 8601' }),
  deadline: Type.String({ description: 'ISO 8601' }),
  finishedAt: Type.Optional(Type.String({ description: 'ISO 8601' })),
  result: Type.Optional(ResultSchema),
  error: Type.Optional(Type.Object({ code: ErrorCodeSchema, message: Type.String() })),
  links: Type.Object({ self: Type.String(), wait: Type.String(), events: Type.String() }),
});
/** A job as it is shown. */
export type JobView = Static<typeof JobSchema>;

/** A circuit as it is told. */
const CircuitSchema = Type.Object({
  name: Type.String(),
  statement: Type.String({ description: 'insolvency, solvency, settlement or transfer' }),
  legs: Type.Integer({ description: 'room for legs' }),
  publicSignals: Type.Array(Type.String(), { description: 'names in order' }),
  keyDigest: Type.String({ description: 'SHA-256 of the values of the verification key' }),
  provenance: Type.Optional(Type.String({ description: 'development keys are for local chains alone' })),
  verificationKey: Type.Unsafe<Record<string, unknown>>({ type: 'object', additionalProperties: true }),
});
/** Answer of `GET /v1/circuits`. */
export const CircuitsSchema = Type.Object({ circuits: Type.Array(CircuitSchema) });
/** Answer of `GET /v1/circuits`. */
export type CircuitsView = Static<typeof CircuitsSchema>;

const Coordinate = Type.String({ pattern: PATTERNS.unsigned.pattern, maxLength: 78 });
const CoordinatePair = Type.Array(Coordinate, { minItems: 2, maxItems: 2 });
/** Body of `POST /v1/verify`. */
export const VerifyRequestSchema = Type.Object(
  {
    circuit: Type.String({ maxLength: 64 }),
    publicSignals: Type.Array(Coordinate, { maxItems: 64 }),
    calldata: Type.Object(
      {
        a: CoordinatePair,
        b: Type.Array(CoordinatePair, { minItems: 2, maxItems: 2 }),
        c: CoordinatePair,
      },
      { ...strict, description: 'the proof as the contracts take it' },
    ),
  },
  strict,
);
/** Answer of `POST /v1/verify`. */
export const VerifyAnswerSchema = Type.Object({
  valid: Type.Boolean(),
  circuit: Type.String(),
  keyDigest: Type.String(),
});

/** Answer of `/livez` and `/readyz`. */
export const HealthSchema = Type.Object({
  status: Type.String(),
  backend: Type.Optional(
    Type.String({ description: 'what makes the proofs, told when ready: snarkjs, native or rapidsnark' }),
  ),
});
