/** Command line of zkmargin. Each command lives in `src/commands` and loads what it needs when it runs. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { registerCeremony } from './commands/ceremony.ts';
import { registerCircuits } from './commands/circuits.ts';
import { registerDeploy } from './commands/deploy.ts';
import { registerDev } from './commands/dev.ts';
import { registerKeeper } from './commands/keeper.ts';
import { registerMargin } from './commands/margin.ts';
import { registerPrice } from './commands/price.ts';
import { registerProver } from './commands/prover.ts';
import { registerSchema } from './commands/schema.ts';
import { registerServe } from './commands/serve.ts';
import { registerStore } from './commands/store.ts';
import { registerSurface } from './commands/surface.ts';
import { errorToData, ZkMarginError } from './errors.ts';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = new Command('zkmargin')
  .description('Portfolio margin for crypto options, computed off chain and proven on chain.')
  .version(version)
  .showHelpAfterError();

registerMargin(program);
registerPrice(program);
registerSurface(program);
registerStore(program);
registerSchema(program);
registerServe(program);
registerProver(program);
registerCircuits(program);
registerCeremony(program);
registerDeploy(program);
registerKeeper(program);
registerDev(program);

// A reader that has seen enough (`| head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  const { code, field, message } = errorToData(error);
  const shown = error instanceof ZkMarginError ? code : ((error as { code?: string }).code ?? code);
  console.error(`${shown}${field ? ` (${field})` : ''}: ${message}`);
  process.exitCode = 1;
}
