/** `zkmargin circuits`: which circuits have keys. */
import { type Command, Option } from 'commander';
import { printJson, writeLine } from './io.ts';

interface CircuitsOptions {
  readonly json?: boolean;
  readonly prepare?: string;
  readonly provingKeys?: string;
  readonly ceremonyKeys?: string;
}

const HELP = `
NAMES are separated by commas. --prepare takes seconds to minutes for a circuit; what is there and undamaged is kept. It also mends
damaged files below build.

Examples:
  $ zkmargin circuits
  $ zkmargin circuits --prepare insolvency-8,insolvency-16`;

/** Adds the command to a program. */
export function registerCircuits(program: Command): void {
  program
    .command('circuits')
    .description('list the circuits that have keys')
    .option(
      '--prepare <names>',
      'make ready for serve: compile these (or all), make their development keys, check those of ceremonies',
    )
    .addOption(
      new Option('--proving-keys <folder>', 'folder of the manifest; that of this version unless given').env(
        'ZKMARGIN_PROVING_KEYS',
      ),
    )
    .addOption(
      new Option(
        '--ceremony-keys <folder>',
        'folder of the proving keys of ceremonies; ceremony in that of --proving-keys unless given',
      ).env('ZKMARGIN_CEREMONY_KEYS'),
    )
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .action(async (options: CircuitsOptions) => {
      const [{ loadManifest }, { circuitNames, keyPlacesOf, loadCircuits }] = await Promise.all([
        import('../proof/keys/artifacts.ts'),
        import('../service/circuits.ts'),
      ]);
      const places = keyPlacesOf(options);
      if (options.prepare !== undefined) {
        const names = options.prepare.split(/[\s,]+/).filter((name) => name !== '');
        const prepared = await loadCircuits(await circuitNames(names, places), places);
        if (options.json) {
          printJson(prepared.map(({ name, provenance, zkeyPath }) => ({ name, provenance, zkeyPath })));
        } else for (const { name, zkeyPath } of prepared) writeLine(`${name}: ${zkeyPath}`);
        // The curve's threads would keep the process.
        process.exit(0);
      }
      const { circuits } = await loadManifest(places.roots);
      if (options.json) {
        printJson(circuits);
        return;
      }
      for (const [name, circuit] of Object.entries(circuits)) {
        writeLine(`${name}: ${circuit.constraints} constraints, keys: ${circuit.provenance}`);
      }
    });
}
