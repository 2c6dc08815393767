/** `zkmargin prover`: proves jobs of a shared store. */
import type { Command } from 'commander';
import { ZkMarginError } from '../errors.ts';
import { writeLine } from './io.ts';
import { processes } from './serve.ts';

const HELP = `
DATABASE_URL names the PostgreSQL store of the service. Start as many provers on as many machines as you like: each job is taken by
one of them, and by another when that one is lost. ZKMARGIN_PROVER and ZKMARGIN_RAPIDSNARK choose what makes the proofs.

Example:
  $ DATABASE_URL=postgres://zkmargin@db/zkmargin zkmargin prover --circuits insolvency-8,insolvency-32
`;

/** Adds the command to a program. */
export function registerProver(program: Command): void {
  program
    .command('prover')
    .description('prove jobs of the service from another process or machine')
    .option('--circuits <names>', 'circuits to prove, separated by commas, or all', 'insolvency-8')
    .option('--workers <number>', 'proving processes', processes, 1)
    .addHelpText('after', HELP)
    .action(async (options: { circuits: string; workers: number }) => {
      const url = process.env.DATABASE_URL;
      if (!url) {
        throw new ZkMarginError(
          'UNSUPPORTED',
          'Give the PostgreSQL store in DATABASE_URL: an embedded store belongs to one process.',
          { field: 'DATABASE_URL' },
        );
      }
      if (options.workers === 0) {
        throw new ZkMarginError('OUT_OF_RANGE', 'Use at least one proving process.', { field: 'workers' });
      }
      const [{ startProver }, { circuitNames }] = await Promise.all([
        import('../service/start-prover.ts'),
        import('../service/circuits.ts'),
      ]);
      const prover = await startProver({
        url,
        circuits: await circuitNames(options.circuits),
        workers: options.workers,
        onStoreError: ({ code, message }) => process.stderr.write(`${code}: ${message}\n`),
      });
      writeLine(
        `zkmargin proves ${prover.circuits.join(', ')} with ${prover.backend.name} as ${prover.worker}`,
      );
      const stop = (): void => {
        void prover.close().then(() => process.exit(0));
      };
      process.once('SIGINT', stop);
      process.once('SIGTERM', stop);
    });
}
