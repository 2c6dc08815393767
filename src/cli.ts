/** Command line of zkmargin. */
import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { errorToData, ZkMarginError } from './errors.ts';
import { loadManifest } from './proof/keys/artifacts.ts';
import { startService } from './service/index.ts';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65_535) {
    throw new InvalidArgumentError('Use a port from 0 to 65535.');
  }
  return value;
}

const program = new Command('zkmargin')
  .description('Portfolio margin for crypto options, computed off chain and proven on chain.')
  .version(version)
  .showHelpAfterError();

program
  .command('serve')
  .description('start the prover service')
  .option('--host <address>', 'address to listen on; there is no authentication', '127.0.0.1')
  .option('--port <number>', 'port, 0 for a free one', port, 8080)
  .action(async (options: { host: string; port: number }) => {
    const service = await startService(options);
    console.log(`zkmargin serves on ${service.url}; its description is at ${service.url}/openapi.json`);
    const stop = (): void => {
      void service.close().then(() => process.exit(0));
    };
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
  });

program
  .command('circuits')
  .description('list the circuits that have keys')
  .option('--json', 'print JSON')
  .action(async (options: { json?: boolean }) => {
    const { circuits } = await loadManifest();
    if (options.json) {
      console.log(JSON.stringify(circuits, null, 2));
      return;
    }
    for (const [name, circuit] of Object.entries(circuits)) {
      console.log(`${name}: ${circuit.constraints} constraints, keys: ${circuit.provenance}`);
    }
  });

try {
  await program.parseAsync();
} catch (error) {
  const { code, field, message } = errorToData(error);
  const shown = error instanceof ZkMarginError ? code : ((error as { code?: string }).code ?? code);
  console.error(`${shown}${field ? ` (${field})` : ''}: ${message}`);
  process.exitCode = 1;
}
