/** `zkmargin serve`: the service: prover, and with a chain the indexer, the risk monitor and the API over them. */
import { type Command, InvalidArgumentError } from 'commander';
import { ZkMarginError } from '../errors.ts';
import { writeLine } from './io.ts';

function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65_535) {
    throw new InvalidArgumentError('Use a port from 0 to 65535.');
  }
  return value;
}

/** A number of proving processes from a command line. */
export function processes(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 256) {
    throw new InvalidArgumentError('Use a number of processes from 0 to 256.');
  }
  return value;
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 1_000_000) {
    throw new InvalidArgumentError('Use a whole number from 1 to 1000000.');
  }
  return value;
}

interface ServeFlags {
  readonly host: string;
  readonly port: number;
  readonly store?: string;
  readonly circuits: string;
  readonly workers: number;
  readonly capacity: number;
  readonly maxJobSeconds: number;
  readonly rpc?: readonly string[];
  readonly book?: string;
  readonly startBlock?: bigint;
  readonly confirmations: number;
  readonly rateLimit?: number;
}

function blocks(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 10_000) {
    throw new InvalidArgumentError('Use a number of blocks from 0 to 10000.');
  }
  return value;
}

function block(text: string): bigint {
  if (!/^\d{1,18}$/.test(text)) throw new InvalidArgumentError('Use the number of a block.');
  return BigInt(text);
}

const HELP = `
Jobs are kept in a directory (--store, ZKMARGIN_STORE, or zkmargin-data), or in PostgreSQL when DATABASE_URL is set; what was
accepted survives the end of any process. "--store memory" forgets all when it ends. With PostgreSQL, zkmargin prover proves on
other machines, and --workers 0 leaves all proofs to them.

With --rpc and --book it follows the chain: accounts, rounds and auctions go into the store, every round margins all accounts, and
the API tells of them. Several endpoints stand in for one another. Catching up with an old chain takes an endpoint that
keeps old states.

API keys: ZKMARGIN_API_KEYS_FILE names a file of lines "name scopes token", with scopes read, prove or both separated by a
comma; without it everybody may do everything.
`;

/** The last warning of each kind, so that what goes on is told once a minute. */
const warned = new Map<string, number>();

function warn(error: unknown, what: string): void {
  const { code = 'INTERNAL', message = '' } = error instanceof ZkMarginError ? error : {};
  const text = `${what} (${code}): ${message}`;
  const now = Date.now();
  if (now - (warned.get(text) ?? 0) < 60_000) return;
  warned.set(text, now);
  process.stderr.write(`${text}\n`);
}

/** Adds the command to a program. */
export function registerServe(program: Command): void {
  program
    .command('serve')
    .description('start the service: proofs, and with a chain its accounts, risk and liquidations')
    .option(
      '--host <address>',
      'address to listen on; without API keys there is no authentication',
      '127.0.0.1',
    )
    .option('--port <number>', 'port, 0 for a free one', port, 8080)
    .option('--store <directory>', 'directory of the embedded store, or memory')
    .option('--circuits <names>', 'circuits to serve, separated by commas, or all', 'insolvency-8')
    .option('--workers <number>', 'proving processes', processes, 1)
    .option('--capacity <number>', 'unfinished jobs at most', count, 64)
    .option('--max-job-seconds <number>', 'longest time for a job, waiting included', count, 120)
    .option('--rpc <urls...>', 'JSON-RPC endpoints of the chain, the preferred first')
    .option('--book <file>', 'address book of the contracts, as zkmargin deploy writes it')
    .option('--start-block <number>', 'first block to look at; that of the deployment unless given', block)
    .option('--confirmations <number>', 'blocks on top of those that count', blocks, 0)
    .option('--rate-limit <number>', 'requests of a key or an address in a minute', count)
    .addHelpText('after', HELP)
    .action(async (options: ServeFlags) => {
      const [{ startService }, { apiKeysFromEnvironment }, { circuitNames }, { storePlace }] =
        await Promise.all([
          import('../service/index.ts'),
          import('../service/access.ts'),
          import('../service/circuits.ts'),
          import('../store/place.ts'),
        ]);
      const { host, port, workers } = options;
      const store = storePlace(options);
      if (workers === 0 && store.url === undefined) {
        throw new ZkMarginError(
          'UNSUPPORTED',
          'Use a process at least: nobody else proves jobs of this store.',
          {
            field: 'workers',
          },
        );
      }
      const { rpc, book, startBlock, confirmations, rateLimit } = options;
      if ((rpc === undefined) !== (book === undefined)) {
        throw new ZkMarginError('MALFORMED', 'Give --rpc and --book together, or neither.', {
          field: rpc === undefined ? 'rpc' : 'book',
        });
      }
      const keys = apiKeysFromEnvironment();
      const service = await startService({
        ...(rpc !== undefined && book !== undefined && { chain: { rpc, book, startBlock, confirmations } }),
        access: { keys, requestsPerMinute: rateLimit },
        onWarning: warn,
        host,
        port,
        workers,
        store,
        queue: { capacity: options.capacity },
        maxJobMs: options.maxJobSeconds * 1000,
        circuits: await circuitNames(options.circuits),
      });
      writeLine(`zkmargin serves on ${service.url}; its description is at ${service.url}/openapi.json`);
      const stop = (): void => {
        void service.close().then(() => process.exit(0));
      };
      process.once('SIGINT', stop);
      process.once('SIGTERM', stop);
    });
}
