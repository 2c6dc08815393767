/** `zkmargin margin`. */
import type { Command } from 'commander';
import { ZkMarginError } from '../errors.ts';

/** Adds the command to a program. */
export function registerMargin(program: Command): void {
  program
    .command('margin')
    .description('not ready yet')
    .action(() => {
      throw new ZkMarginError('UNSUPPORTED', 'This command is being built.');
    });
}
