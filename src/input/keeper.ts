/** The document that says how `zkmargin keeper` works. */
import { type Static, Type } from 'typebox';

const closed = { additionalProperties: false };
const id = Type.String({
  pattern: '^[1-9][0-9]{0,18}$',
  description: 'number of an account of the clearing house',
});
const usd = Type.Number({ minimum: 0, maximum: 1e12, description: 'USD' });
const basisPoints = Type.Integer({ minimum: 0, maximum: 10_000, description: 'basis points' });
const url = Type.String({ pattern: '^https?://', maxLength: 2_048 });

/** What a keeper may be told to do. */
export const ACTION_KINDS = [
  'liquidate',
  'liquidateBatch',
  'start',
  'bid',
  'takeOver',
  'refresh',
  'restart',
  'sealedBid',
  'poke',
  'close',
] as const;

/** How a keeper works. What is left out has the default that `docs/keeper.md` names. */
export const KeeperDocumentSchema = Type.Object(
  {
    service: Type.String({ ...url, description: 'the service that lists liquidations and makes proofs' }),
    rpc: Type.String({ ...url, description: 'JSON-RPC of the chain' }),
    relay: Type.Optional(
      Type.String({
        ...url,
        description: 'private relay to which transactions are sent in place of the RPC',
      }),
    ),
    book: Type.String({ minLength: 1, description: 'address book of the deployment' }),
    journal: Type.String({
      minLength: 1,
      description: "file of the keeper's transactions; made when absent",
    }),
    vessels: Type.Array(id, {
      minItems: 1,
      maxItems: 64,
      uniqueItems: true,
      description: 'numbers of own accounts that take slices; the first one receives rewards',
    }),
    nativePriceUsd: Type.Number({
      exclusiveMinimum: 0,
      maximum: 1e7,
      description: 'price of the token that pays for gas, USD',
    }),
    dryRun: Type.Optional(
      Type.Boolean({ default: false, description: 'decide, prove and simulate, but send nothing' }),
    ),
    concurrency: Type.Optional(
      Type.Integer({ default: 4, minimum: 1, maximum: 64, description: 'actions at a time' }),
    ),
    pollMs: Type.Optional(
      Type.Integer({
        default: 2_000,
        minimum: 100,
        maximum: 600_000,
        description: 'milliseconds between looks',
      }),
    ),
    metricsPort: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 65_535,
        description: 'port of /metrics, /livez and /readyz; 0 for a free one, none without it',
      }),
    ),
    metricsHost: Type.Optional(
      Type.String({
        default: '127.0.0.1',
        minLength: 1,
        maxLength: 255,
        description: 'address of the metrics; there is no authentication',
      }),
    ),
    maxFeedAgeSeconds: Type.Optional(
      Type.Integer({
        default: 90,
        minimum: 1,
        maximum: 86_400,
        description: "how old the service's view of the chain may be, by the times of blocks",
      }),
    ),
    confirmations: Type.Optional(
      Type.Integer({
        default: 3,
        minimum: 1,
        maximum: 1_000,
        description: 'blocks after which a transaction is final',
      }),
    ),
    maxFeeGwei: Type.Optional(
      Type.Number({
        default: 500,
        exclusiveMinimum: 0,
        maximum: 1e6,
        description: 'highest fee for a unit of gas, in gwei',
      }),
    ),
    strategy: Type.Optional(
      Type.Object(
        {
          kinds: Type.Optional(
            Type.Array(Type.Union(ACTION_KINDS.map((kind) => Type.Literal(kind))), {
              minItems: 1,
              uniqueItems: true,
            }),
          ),
          backstop: Type.Optional(Type.Boolean({ description: 'whether the key is a registered backstop' })),
          minimumProfitUsd: Type.Optional(usd),
          minimumStartProfitUsd: Type.Optional(
            Type.Number({ minimum: -1e6, maximum: 1e12, description: 'USD; below 0 pays for auctions' }),
          ),
          gasShareBps: Type.Optional(basisPoints),
          targetDiscountBps: Type.Optional(basisPoints),
          sealedDiscountBps: Type.Optional(basisPoints),
          sealedSlackBps: Type.Optional(
            Type.Integer({
              minimum: 0,
              maximum: 100_000,
              description: 'cash that a sealed bid leaves in its vessel, basis points of what it needs now',
            }),
          ),
          batchOrders: Type.Optional(Type.Integer({ minimum: 1, maximum: 16 })),
          maxGrossNotionalUsd: Type.Optional(usd),
          maxDailyLossUsd: Type.Optional(usd),
          capitalSlackBps: Type.Optional(basisPoints),
          proofSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 600 })),
          spreads: Type.Optional(
            Type.Object(
              {
                deltaBps: Type.Number({ minimum: 0, maximum: 10_000 }),
                vegaBps: Type.Number({ minimum: 0, maximum: 10_000 }),
                gammaBps: Type.Number({ minimum: 0, maximum: 10_000 }),
                collateralBps: Type.Optional(Type.Number({ minimum: 0, maximum: 10_000 })),
              },
              closed,
            ),
          ),
        },
        closed,
      ),
    ),
  },
  closed,
);

/** A checked document. */
export type KeeperDocument = Static<typeof KeeperDocumentSchema>;
