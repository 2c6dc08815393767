/** `zkmargin circuits`: which circuits have keys. */
import type { Command } from 'commander';
import { printJson, writeLine } from './io.ts';

/** Adds the command to a program. */
export function registerCircuits(program: Command): void {
  program
    .command('circuits')
    .description('list the circuits that have keys')
    .option('--prepare <names>', 'compile these and make their development keys, as serve would; or all')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean; prepare?: string }) => {
      const { loadManifest } = await import('../proof/keys/artifacts.ts');
      if (options.prepare !== undefined) {
        const { circuitNames, loadCircuits } = await import('../service/circuits.ts');
        const names = options.prepare.split(/[\s,]+/).filter((name) => name !== '');
        const prepared = await loadCircuits(await circuitNames(names));
        for (const { name, zkeyPath } of prepared) writeLine(`${name}: ${zkeyPath}`);
        // The curve's threads would keep the process.
        process.exit(0);
      }
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
