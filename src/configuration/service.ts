/** Settings of `zkmargin serve` and `zkmargin prover`. */
import { Type } from 'typebox';
import { LIQUIDATION_INSTANCES } from '../proof/instances.ts';
import type { Configuration, Values } from './setting.ts';
import { setting } from './setting.ts';

const PREFIX = 'ZKMARGIN';
const URL_PATTERN = '^https?://';

const text = (description: string, options: object = {}) =>
  Type.String({ minLength: 1, maxLength: 4_096, description, ...options });
const whole = (minimum: number, maximum: number, description: string) =>
  Type.Integer({ minimum, maximum, description });
const urls = (maxItems: number, description: string) =>
  Type.Array(Type.String({ pattern: URL_PATTERN, maxLength: 2_048 }), { minItems: 1, maxItems, description });

/** What proves: the same for the service and for provers beside it. */
const proving = {
  circuits: setting(
    Type.Array(Type.String({ pattern: '^[a-z][a-z0-9-]*$', maxLength: 64 }), {
      minItems: 1,
      maxItems: 64,
      description: 'circuits to prove, or `all`',
    }),
    { default: [...LIQUIDATION_INSTANCES], flag: '<names>' },
  ),
  provingKeys: setting(
    text('folder of `manifest.json` and verification keys, as `ceremony finalize --out` writes it'),
    { otherwise: '`proving-keys` of this version', flag: '<folder>' },
  ),
  ceremonyKeys: setting(text('folder of the proving keys of ceremonies, each as `NAME.zkey`'), {
    otherwise: '`ceremony` in `provingKeys`',
    flag: '<folder>',
  }),
  prover: setting(
    Type.Union([Type.Literal('snarkjs'), Type.Literal('native'), Type.Literal('rapidsnark')], {
      description: 'what makes the proofs',
    }),
    { otherwise: 'rapidsnark when its program is given, else snarkjs', flag: '<name>' },
  ),
  rapidsnark: setting(text('path or name of the rapidsnark program'), { flag: '<path>' }),
  threads: setting(whole(1, 256, 'threads of a proving process, with `native`'), {
    otherwise: 'number of cores',
    flag: '<number>',
  }),
  closeSeconds: setting(whole(0, 3_600, 'seconds that running jobs have when the process is asked to end'), {
    default: 5,
    flag: '<number>',
  }),
};

const stallSeconds = setting(
  whole(1, 86_400, 'seconds without progress of a loop after which `/livez` answers 503'),
  { default: 120, flag: '<number>' },
);

const serveSettings = {
  host: setting(text('address to listen on; without API keys there is no authentication'), {
    default: '127.0.0.1',
    flag: '<address>',
  }),
  port: setting(whole(0, 65_535, 'port; 0 for a free one'), { default: 8080, flag: '<number>' }),
  databaseUrl: setting(
    text('PostgreSQL store, in place of the embedded one', { pattern: '^postgres(ql)?://' }),
    { variable: 'DATABASE_URL', secret: 'url', fromFile: true, otherwise: 'embedded store' },
  ),
  store: setting(text('directory of the embedded store, or `memory`, which keeps nothing'), {
    default: 'zkmargin-data',
    flag: '<directory>',
  }),
  ...proving,
  workers: setting(
    whole(0, 256, 'proving processes; with 0, `zkmargin prover` takes the jobs from a PostgreSQL store'),
    { default: 1, flag: '<number>' },
  ),
  capacity: setting(whole(1, 1_000_000, 'unfinished jobs at most'), { default: 64, flag: '<number>' }),
  maxJobsPerClient: setting(
    whole(1, 1_000_000, 'unfinished jobs of one API key at most, of the same urgency or a greater one'),
    { otherwise: 'a quarter of `capacity`', flag: '<number>' },
  ),
  maxJobSeconds: setting(whole(1, 86_400, 'longest time for a job, waiting included'), {
    default: 120,
    flag: '<number>',
  }),
  maxWaiting: setting(whole(0, 65_536, 'requests that may wait for jobs at a time'), {
    default: 256,
    flag: '<number>',
  }),
  maxWaitingPerClient: setting(whole(0, 65_536, 'such requests of one API key'), {
    otherwise: 'a quarter of `maxWaiting`',
    flag: '<number>',
  }),
  maxListenersPerClient: setting(
    whole(0, 4_096, 'requests of one API key that listen to events of the chain'),
    {
      default: 1_024,
      flag: '<number>',
    },
  ),
  speculation: setting(
    Type.Boolean({
      description: 'prepare proofs of accounts below their requirement while nothing else is proven',
    }),
    { default: true, flag: '' },
  ),
  rpc: setting(urls(16, 'JSON-RPC endpoints of the chain, the preferred first; with `book`'), {
    secret: 'url',
    fromFile: true,
    otherwise: 'no chain is followed',
    flag: '<urls...>',
  }),
  book: setting(text('address book of the contracts, as `zkmargin deploy` writes it; with `rpc`'), {
    flag: '<file>',
  }),
  startBlock: setting(whole(0, Number.MAX_SAFE_INTEGER, 'first block to look at, with a new store'), {
    otherwise: 'that of the deployment',
    flag: '<number>',
  }),
  confirmations: setting(whole(0, 10_000, 'blocks on top of those that count'), {
    default: 0,
    flag: '<number>',
  }),
  maxLagBlocks: setting(whole(0, 1_000_000, 'blocks that the indexer may be behind for `/readyz`'), {
    default: 5,
    flag: '<number>',
  }),
  rpcPollMs: setting(whole(50, 600_000, 'milliseconds between looks at the chain'), {
    default: 1_000,
    flag: '<number>',
  }),
  rpcTimeoutMs: setting(whole(100, 600_000, 'milliseconds for a request to an endpoint'), {
    default: 10_000,
    flag: '<number>',
  }),
  apiKeys: setting(
    text('API keys: `name scopes token`, separated by semicolons, or by lines', { maxLength: 1_048_576 }),
    { secret: 'text', fromFile: true, otherwise: 'everybody may do everything' },
  ),
  rateLimit: setting(whole(1, 1_000_000, 'requests of a key or an address in a minute'), {
    otherwise: 'no limit',
    flag: '<number>',
  }),
  alertWebhooks: setting(urls(16, 'URLs to which alerts are posted'), {
    secret: 'url',
    fromFile: true,
    otherwise: 'alerts go nowhere',
  }),
  alertSecret: setting(text('secret with which alerts are signed', { minLength: 16 }), {
    secret: 'text',
    fromFile: true,
    otherwise: 'alerts are not signed',
  }),
  alertSeverity: setting(
    Type.Union([Type.Literal('info'), Type.Literal('warning'), Type.Literal('critical')], {
      description: 'alerts below it are listed and not posted',
    }),
    { default: 'info', flag: '<name>' },
  ),
  alertReminderSeconds: setting(
    whole(1, 2_147_483_648, 'seconds after which an alert that still holds is posted again'),
    { default: 3_600, flag: '<number>' },
  ),
  stallSeconds,
} as const;

/** Settings of `zkmargin serve`. */
export const serveConfiguration = {
  command: 'serve',
  prefix: PREFIX,
  settings: serveSettings,
} satisfies Configuration;

const proverSettings = {
  databaseUrl: setting(
    text('PostgreSQL store of the service; an embedded one belongs to one process', {
      pattern: '^postgres(ql)?://',
    }),
    { variable: 'DATABASE_URL', secret: 'url', fromFile: true, required: true },
  ),
  ...proving,
  workers: setting(whole(1, 256, 'proving processes'), { default: 1, flag: '<number>' }),
  metricsPort: setting(whole(0, 65_535, 'port of `/metrics`, `/livez` and `/readyz`; 0 for a free one'), {
    otherwise: 'none',
    flag: '<number>',
  }),
  metricsHost: setting(text('address of the metrics; there is no authentication'), {
    default: '127.0.0.1',
    flag: '<address>',
  }),
  stallSeconds,
} as const;

/** Settings of `zkmargin prover`. */
export const proverConfiguration = {
  command: 'prover',
  prefix: PREFIX,
  settings: proverSettings,
} satisfies Configuration;

/** Values of `zkmargin serve`. */
export type ServeSettings = Values<typeof serveSettings>;
/** Values of `zkmargin prover`. */
export type ProverSettings = Values<typeof proverSettings>;
