/** `zkmargin prover`: proves jobs of a shared store. */
import type { Command } from 'commander';
import { proverConfiguration } from '../configuration/index.ts';
import { writeLine } from './io.ts';
import { runUntilSignal } from './process.ts';
import { addSettings, readSettings } from './settings.ts';
import { warn } from './warn.ts';

const HELP = `
DATABASE_URL names the PostgreSQL store of the service. Start as many provers on as many machines as you like: each job is taken by
one of them, and by another when that one is lost. docs/configuration.md has all settings.

Example:
  $ DATABASE_URL=postgres://zkmargin@db/zkmargin zkmargin prover --circuits insolvency-8,insolvency-16`;

/** Adds the command to a program. */
export function registerProver(program: Command): void {
  const command = program
    .command('prover')
    .description('prove jobs of the service from another process or machine')
    .addHelpText('after', HELP);
  addSettings(command, proverConfiguration, 'with --print-config, print JSON; tell an error as JSON');
  command.action(async () => {
    const settings = readSettings(command, proverConfiguration);
    if (settings === undefined) return;
    const { values } = settings;
    const closeGraceMs = values.closeSeconds * 1000;
    await runUntilSignal(async (signal) => {
      const [{ startProver }, { circuitNames, keyPlacesOf }, { backendOf }] = await Promise.all([
        import('../service/start-prover.ts'),
        import('../service/circuits.ts'),
        import('../proof/prover/backends.ts'),
      ]);
      const keys = keyPlacesOf(values);
      const prover = await startProver({
        url: values.databaseUrl,
        circuits: await circuitNames(values.circuits, keys),
        keys,
        workers: values.workers,
        backend: backendOf(values),
        closeGraceMs,
        stallMs: values.stallSeconds * 1000,
        ...(values.metricsPort !== undefined && {
          metrics: { port: values.metricsPort, host: values.metricsHost },
        }),
        signal,
        onWarning: warn,
        onStoreError: ({ code, message }) => process.stderr.write(`${code}: ${message}\n`),
      });
      writeLine(
        `zkmargin proves ${prover.circuits.join(', ')} with ${prover.backend.name} as ${prover.worker}`,
      );
      if (prover.metricsUrl !== undefined) writeLine(`its metrics are at ${prover.metricsUrl}/metrics`);
      return prover;
    }, closeGraceMs);
  });
}
