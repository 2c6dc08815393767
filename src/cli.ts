/** Command line of zkmargin. Each command lives in `src/commands` and loads what it needs when it runs. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { registerCeremony } from './commands/ceremony.ts';
import { registerCircuits } from './commands/circuits.ts';
import { registerDeploy } from './commands/deploy.ts';
import { registerDev } from './commands/dev.ts';
import { exitCodeOf, tellFailure, tellFailuresOf } from './commands/failure.ts';
import { addCommonHelp, GROUPS } from './commands/help.ts';
import { registerKeeper } from './commands/keeper.ts';
import { registerMargin } from './commands/margin.ts';
import { registerPrice } from './commands/price.ts';
import { registerProver } from './commands/prover.ts';
import { registerSchema } from './commands/schema.ts';
import { registerServe } from './commands/serve.ts';
import { registerStore } from './commands/store.ts';
import { registerSurface } from './commands/surface.ts';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = new Command('zkmargin')
  .description('Portfolio margin for crypto options, computed off chain and proven on chain.')
  .version(version)
  .showHelpAfterError();
// Before the commands are added: they inherit it.
tellFailuresOf(program, process.argv.slice(2));
addCommonHelp(program);

program.commandsGroup(GROUPS.documents);
registerMargin(program);
registerPrice(program);
registerSurface(program);
registerSchema(program);
program.commandsGroup(GROUPS.running);
registerServe(program);
registerProver(program);
registerKeeper(program);
registerDev(program);
program.commandsGroup(GROUPS.store);
registerStore(program);
program.commandsGroup(GROUPS.protocol);
registerCircuits(program);
registerCeremony(program);
registerDeploy(program);

// A reader that has seen enough (`| head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  tellFailure(error);
  process.exit(1);
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}
