/** `zkmargin surface`. */
import type { Command } from 'commander';
import { ZkMarginError } from '../errors.ts';

/** Adds the command to a program. */
export function registerSurface(program: Command): void {
  program
    .command('surface')
    .description('not ready yet')
    .action(() => {
      throw new ZkMarginError('UNSUPPORTED', 'This command is being built.');
    });
}
