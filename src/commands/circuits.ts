/** `zkmargin circuits`: which circuits have keys. */
import type { Command } from 'commander';
import { printJson, writeLine } from './io.ts';

/** Adds the command to a program. */
export function registerCircuits(program: Command): void {
  program
    .command('circuits')
    .description('list the circuits that have keys')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }) => {
      const { loadManifest } = await import('../proof/keys/artifacts.ts');
      const { circuits } = await loadManifest();
      if (options.json) {
        printJson(circuits);
        return;
      }
      for (const [name, circuit] of Object.entries(circuits)) {
        writeLine(`${name}: ${circuit.constraints} constraints, keys: ${circuit.provenance}`);
      }
    });
}
