/** `zkmargin dev`: all of it on a local chain, to watch. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { requireInteger, ZkMarginError } from '../errors.ts';

/** It needs compilers and a local chain, so it belongs to a checkout, not to the commands. */
const STORY = new URL('../../scripts/dev.ts', import.meta.url);

const HELP = `
It runs in a checkout of the project, after npm ci, and takes a minute or two before it shows something the first time. The chain and the
store end with it.

Examples:
  $ zkmargin dev
  $ zkmargin dev --accounts 5 --seconds 2 --exit`;

interface Flags {
  readonly accounts: string;
  readonly seconds: string;
  readonly port: string;
  readonly exit?: boolean;
}

/** Adds the command to a program. */
export function registerDev(program: Command): void {
  program
    .command('dev')
    .description('local chain, contracts, service, keeper, and a market that replays a real crash, to watch')
    .option('--accounts <n>', 'accounts that the crash will bring below their requirement, 1 to 8', '3')
    .option('--seconds <n>', 'seconds between two half hours of the crash, 1 to 600', '6')
    .option('--port <n>', 'of the service, 0 for a free one', '8080')
    .option('--exit', 'end after the last price; otherwise all goes on until Ctrl-C')
    .addHelpText('after', HELP)
    .action(async ({ accounts, seconds, port, exit = false }: Flags) => {
      const options = {
        accounts: requireInteger(Number(accounts), 1, 8, 'accounts'),
        seconds: requireInteger(Number(seconds), 1, 600, 'seconds'),
        port: requireInteger(Number(port), 0, 65_535, 'port'),
        exit,
      };
      if (!existsSync(STORY)) {
        throw new ZkMarginError('UNSUPPORTED', 'Run it in a checkout of the project, after npm ci.', {
          field: 'dev',
        });
      }
      const { runDev } = (await import(STORY.href)) as { runDev: (chosen: typeof options) => Promise<void> };
      await runDev(options);
      // The curve's threads would keep the process.
      process.exit(0);
    });
}
