/** The shapes of requests and answers: one source for validation, types and OpenAPI. */
import { type Static, Type } from 'typebox';
import { ERROR_CODES } from '../errors.ts';
import { SCENARIO_CAPACITY, SCENARIO_WORD_COUNT } from '../margin/parameters.ts';
import { EXPIRY_COUNT } from '../market/words.ts';

/** The circuit that is served. */
export const INSOLVENCY_CIRCUIT = 'insolvency-8';
/** Legs that it has room for. */
export const INSOLVENCY_CAPACITY = 8;
/** Longest wait for a job, in seconds. */
export const MAX_WAIT_SECONDS = 60;

const strict = { additionalProperties: false } as const;

const Unsigned = (description: string) =>
  Type.String({ pattern: '^(0|[1-9][0-9]{0,77})$', maxLength: 78, description });
const Signed = (description: string) =>
  Type.String({ pattern: '^(0|-?[1-9][0-9]{0,77})$', maxLength: 79, description });
const Address = (description: string) => Type.String({ pattern: '^0x[0-9a-fA-F]{40}$', description });

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
    scenarioWords: Type.Array(Unsigned('eight scenarios'), {
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

/** Body of `POST /v1/proofs`. */
export const ProofRequestSchema = Type.Object(
  {
    circuit: Type.Literal(INSOLVENCY_CIRCUIT),
    legs: Type.Array(LegObject, {
      minItems: 1,
      maxItems: INSOLVENCY_CAPACITY,
      description: 'in any order, no instrument twice',
    }),
    salt: Unsigned("salt of the account's commitment, below the field's order"),
    scale: Unsigned('2^-40'),
    underlyingWord: Unsigned('oracle word of the underlying'),
    expiryWords: Type.Array(Unsigned('oracle word of an expiry, 0 when unused'), {
      minItems: EXPIRY_COUNT,
      maxItems: EXPIRY_COUNT,
    }),
    parameters: Type.Union([ParametersObject, PackedParametersObject]),
    scenarioIndex: Type.Optional(
      Type.Integer({ description: 'scenario to prove; the worst one unless given' }),
    ),
    context: ContextObject,
    cash: Type.Optional(
      Signed("the account's cash in 1e-6 USD; when given, an account that is healthy is refused"),
    ),
    deadline: Type.Optional(
      Type.Integer({ description: 'seconds since 1970-01-01 UTC after which the proof is of no use' }),
    ),
  },
  strict,
);
/** Body of `POST /v1/proofs`. */
export type ProofRequest = Static<typeof ProofRequestSchema>;

/** Path of one job. */
export const JobParamsSchema = Type.Object({ id: Type.String({ pattern: '^[0-9a-f]{64}$' }) });
/** Query of `GET /v1/proofs/:id`. */
export const JobQuerySchema = Type.Object(
  {
    wait: Type.Optional(
      Type.String({
        pattern: '^([0-9]|[1-5][0-9]|60)$',
        description: `whole seconds to wait for the job to finish, at most ${MAX_WAIT_SECONDS}`,
      }),
    ),
  },
  strict,
);

const Code = Type.String({ enum: [...ERROR_CODES] });
const Pair = Type.Array(Type.String(), { minItems: 2, maxItems: 2 });

const ResultSchema = Type.Object({
  proof: Type.Object({
    pi_a: Type.Array(Type.String()),
    pi_b: Type.Array(Type.Array(Type.String())),
    pi_c: Type.Array(Type.String()),
    protocol: Type.String(),
    curve: Type.String(),
  }),
  publicSignals: Type.Array(Type.String()),
  calldata: Type.Object({ a: Pair, b: Type.Array(Pair), c: Pair }),
  mark: Type.String({ description: '1e-6 USD, signed' }),
  requirement: Type.String({ description: '1e-6 USD' }),
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
  progress: Type.Optional(Type.Object({ stage: Stage })),
  createdAt: Type.String({ description: 'ISO 8601' }),
  deadline: Type.String({ description: 'ISO 8601' }),
  finishedAt: Type.Optional(Type.String({ description: 'ISO 8601' })),
  result: Type.Optional(ResultSchema),
  error: Type.Optional(Type.Object({ code: Code, message: Type.String() })),
  links: Type.Object({ self: Type.String(), wait: Type.String() }),
});
/** A job as it is shown. */
export type JobView = Static<typeof JobSchema>;

/** RFC 9457 problem document. */
export const ProblemSchema = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String(),
  code: Code,
  field: Type.Optional(Type.String({ description: 'path of the offending field, as in legs[3].quantity' })),
  details: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  reasons: Type.Optional(Type.Array(Type.String())),
});
/** RFC 9457 problem document. */
export type Problem = Static<typeof ProblemSchema>;

/** Answer of `/livez` and `/readyz`. */
export const HealthSchema = Type.Object({
  status: Type.String(),
  backend: Type.Optional(
    Type.String({ description: 'what makes the proofs, told when ready: snarkjs, native or rapidsnark' }),
  ),
});
