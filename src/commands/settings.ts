/** Settings of a command on its command line: flags made from their declarations, and `--print-config`. */
import { type Command, Option } from 'commander';
import { choicesOf } from '../check-shape.ts';
import {
  CONFIGURATIONS,
  type Configuration,
  fileVariableOf,
  flagOf,
  loadSettings,
  nearestName,
  type Resolved,
  type Settings,
  settingsReport,
  settingsTable,
  variableOf,
  variablesOf,
} from '../configuration/index.ts';
import { printJson, writeLine } from './io.ts';

/** Adds a flag for each setting that has one, `--config`, `--print-config` and `--json`. */
export function addSettings(command: Command, configuration: Configuration, json: string): void {
  for (const [name, setting] of Object.entries(configuration.settings)) {
    const flag = flagOf(configuration, name);
    if (flag === undefined) continue;
    const { description = '' } = setting.schema as { description?: string };
    const off = setting.default === true ? 'do not ' : '';
    const choices = choicesOf(setting.schema) ?? [];
    const notes = [
      ...(choices.length > 0 ? [`one of ${choices.join(', ')}`] : []),
      shown(setting.default) ?? setting.otherwise,
      ...(setting.required ? ['required'] : []),
      variableOf(configuration, name),
    ].filter((note) => note !== undefined);
    const text = asTyped(configuration, `${off}${description} (${notes.join('; ')})`);
    command.addOption(new Option(`${flag} ${setting.flag}`.trim(), text));
  }
  command.option('--config <file>', `settings as JSON (${fileVariableOf(configuration)})`);
  command.option('--print-config', 'print all settings and where they come from, and end');
  command.option('--json', json);
}

/**
 * Settings of a command, from its flags and everything else; undefined when they were to be printed and have been.
 *
 * @param document a configuration file that has been read already
 * @throws ZkMarginError as `loadSettings`
 */
export function readSettings<S extends Settings>(
  command: Command,
  configuration: Configuration<S>,
  document?: { readonly name: string; readonly document: unknown },
): Resolved<S> | undefined {
  const options: Readonly<Record<string, unknown>> = command.opts();
  // A flag that turns something off has a value although nobody gave it.
  const flags = Object.fromEntries(
    Object.keys(configuration.settings)
      .filter((name) => command.getOptionValueSource(name) === 'cli')
      .map((name) => [name, options[name]]),
  );
  for (const line of strangeVariables(process.env)) process.stderr.write(`${line}\n`);
  const resolved = loadSettings(configuration, flags, {
    path: options.config as string | undefined,
    file: document,
  });
  if (options.printConfig !== true) return resolved;
  if (options.json === true) printJson(settingsReport(configuration, resolved));
  else writeLine(settingsTable(configuration, resolved));
  return undefined;
}

/** Variables that look like one of ours and are not: most likely misspelt. Others may be somebody else's. */
function strangeVariables(environment: Readonly<Record<string, string | undefined>>): string[] {
  const known = CONFIGURATIONS.flatMap((configuration) => [
    ...variablesOf(configuration),
    fileVariableOf(configuration),
  ]);
  return Object.keys(environment).flatMap((name) => {
    if (!name.startsWith('ZKMARGIN_') || known.includes(name)) return [];
    const nearest = nearestName(name, known);
    return nearest === undefined ? [] : [`${name} is not read: did you mean ${nearest}?`];
  });
}

/** A text of a setting with other settings as the flags that are typed for them, and without its marks. */
function asTyped(configuration: Configuration, text: string): string {
  return text.replace(/`([^`]*)`/g, (_, quoted: string) =>
    Object.hasOwn(configuration.settings, quoted) ? (flagOf(configuration, quoted) ?? quoted) : quoted,
  );
}

function shown(value: unknown): string | undefined {
  if (value === undefined || typeof value === 'boolean') return undefined;
  return Array.isArray(value) ? value.join(',') : String(value);
}
