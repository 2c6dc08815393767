/** `zkmargin serve`: the prover service. */
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
}

const HELP = `
Jobs are kept in a directory (--store, ZKMARGIN_STORE, or zkmargin-data), or in PostgreSQL when DATABASE_URL is set; what was
accepted survives the end of any process. "--store memory" forgets all when it ends. With PostgreSQL, zkmargin prover proves on
other machines, and --workers 0 leaves all proofs to them.
`;

/** Adds the command to a program. */
export function registerServe(program: Command): void {
  program
    .command('serve')
    .description('start the prover service')
    .option('--host <address>', 'address to listen on; there is no authentication', '127.0.0.1')
    .option('--port <number>', 'port, 0 for a free one', port, 8080)
    .option('--store <directory>', 'directory of the embedded store, or memory')
    .option('--circuits <names>', 'circuits to serve, separated by commas, or all', 'insolvency-8')
    .option('--workers <number>', 'proving processes', processes, 1)
    .option('--capacity <number>', 'unfinished jobs at most', count, 64)
    .option('--max-job-seconds <number>', 'longest time for a job, waiting included', count, 120)
    .addHelpText('after', HELP)
    .action(async (options: ServeFlags) => {
      const [{ startService }, { circuitNames }, { storePlace }] = await Promise.all([
        import('../service/index.ts'),
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
      const service = await startService({
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
