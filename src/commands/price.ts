/** `zkmargin price`. */
import type { Command } from 'commander';
import { ZkMarginError } from '../errors.ts';

/** Adds the command to a program. */
export function registerPrice(program: Command): void {
  program
    .command('price')
    .description('not ready yet')
    .action(() => {
      throw new ZkMarginError('UNSUPPORTED', 'This command is being built.');
    });
}
