/** The document of all settings, made from their declarations. */
import type { TSchema } from 'typebox';
import { keeperConfiguration, proverConfiguration, serveConfiguration } from './index.ts';
import { type Configuration, fileVariableOf, flagOf, type Setting, variableOf } from './setting.ts';

/** A schema as far as it is put into words. */
interface Shape {
  readonly type?: string;
  readonly const?: unknown;
  readonly description?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  readonly anyOf?: readonly Shape[];
  readonly items?: Shape;
  readonly properties?: Readonly<Record<string, Shape>>;
}

/** Defaults of the fields of a field, by its name: those that stand in code. */
export type InnerDefaults = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** `docs/configuration.md`. */
export function configurationDocument(inner: InnerDefaults): string {
  return `# Configuration

Made by \`npm run docs:configuration\` from \`src/configuration\` and \`src/input/keeper.ts\`; do not edit it.

Each setting of \`zkmargin serve\`, \`prover\` and \`keeper\` is read from the first of: its flag, its environment variable, the configuration file, its default. The file
(\`--config FILE\`, or the variable at the head of each section) is one JSON object with the names below as keys; \`zkmargin schema serve\`, \`prover\` and \`keeper\` print its schema.
Unknown names are refused, and wrong values are refused with the place that they come from. \`--print-config\` prints what is in force and where it comes from, with
\`--json\` for machines, and ends.

- Variables: lists are separated by commas, switches are \`true\` or \`false\`, an empty variable is as good as none. A variable that looks like a misspelt one is told.
- Secrets are never printed; of secret URLs, protocol and host are. They have no flags, because other users see the flags of a process, but for \`--rpc\`, \`--relay\` and \`--service\`: give a URL that
  holds a key by a file instead. Where a variable with \`_FILE\` is named, it names a file with the value, as container platforms mount secrets.
- A configuration file whose secrets are used must be readable by its owner alone (mode 600); one that belongs to root, as container platforms mount them, by its group as well (640). A file without secrets may
  be open to all, and so may one whose secrets a flag or variable replaces. A secret URL counts when it has a user, a password, a path or a query; one of PostgreSQL when it has a password or a query.
- In Kubernetes, a ConfigMap is mounted for everybody (644): put secrets into a Secret and name its files in the \`_FILE\` variables, whose modes are not looked at. A whole configuration file in a Secret takes
  \`defaultMode: 0440\` with \`fsGroup\`.
- In Kubernetes, a service of the name \`zkmargin\` makes variables such as \`ZKMARGIN_PORT\` in every pod: set \`enableServiceLinks: false\`.

${[serveConfiguration, proverConfiguration, keeperConfiguration].map((item) => section(item, inner)).join('\n')}`;
}

function section(configuration: Configuration, inner: InnerDefaults): string {
  const entries = Object.entries(configuration.settings);
  const rows = entries.map(([name, setting]) => {
    const variable = variableOf(configuration, name);
    const variables = variable === undefined ? [] : [code(variable)];
    if (setting.fromFile) variables.push(code(`${variable}_FILE`));
    const name_ = setting.inFile === false ? `${name} (not in the file)` : code(name);
    const flag = flagOf(configuration, name);
    const shownFlag = flag === undefined ? '' : code(flag);
    return [name_, shownFlag, variables.join(', '), ...wordsOf(setting)];
  });
  const parts = [
    `## zkmargin ${configuration.command}\n`,
    `Variable of the file: \`${fileVariableOf(configuration)}\`.\n`,
    table(['setting', 'flag', 'variable', 'value', 'default', 'meaning'], rows),
  ];
  for (const [name, { schema }] of entries) {
    const { properties } = schema as Shape;
    if (properties === undefined) continue;
    parts.push(`\nFields of \`${name}\`:\n`);
    parts.push(
      table(
        ['field', 'value', 'default', 'meaning'],
        Object.entries(properties).map(([field, shape]) => [
          code(field),
          ...wordsOf({ schema: { ...shape, default: inner[name]?.[field] ?? shape.default } as TSchema }),
        ]),
      ),
    );
  }
  return `${parts.join('\n')}\n`;
}

/** Values, default and meaning of a setting. */
function wordsOf({ schema, default: standard, otherwise, required, secret }: Setting): string[] {
  const shape = schema as Shape;
  const value = standard ?? shape.default;
  const shown = required
    ? 'required'
    : value === undefined
      ? (otherwise ?? '')
      : code(typeof value === 'string' ? value : JSON.stringify(value));
  const note = secret === undefined ? '' : ' (secret)';
  return [`${valuesOf(shape)}${note}`, shown, shape.description ?? ''];
}

function valuesOf(shape: Shape): string {
  const { type, anyOf, items, properties, minimum, exclusiveMinimum, maximum, pattern } = shape;
  if (shape.const !== undefined) return code(String(shape.const));
  if (anyOf !== undefined) return anyOf.map(valuesOf).join(', ');
  if (type === 'boolean') return 'true or false';
  if (type === 'array') {
    const most = shape.maxItems === undefined ? '' : `, ${shape.minItems ?? 0} to ${shape.maxItems}`;
    return `list of: ${items === undefined ? 'values' : valuesOf(items)}${most}`;
  }
  if (type === 'integer' || type === 'number') {
    const range =
      exclusiveMinimum === undefined
        ? `${figure(minimum)} to ${figure(maximum)}`
        : `above ${figure(exclusiveMinimum)}, up to ${figure(maximum)}`;
    return type === 'integer' ? range : `number, ${range}`;
  }
  if (type === 'object') {
    const fields = Object.entries(properties ?? {});
    return fields.length > 6
      ? 'object, see below'
      : `object of ${fields.map(([name, inner]) => `\`${name}\` (${valuesOf(inner)})`).join(', ')}`;
  }
  if (pattern?.startsWith('^https?')) return 'URL';
  if (pattern?.startsWith('^postgres')) return '`postgres://` URL';
  return 'text';
}

function figure(value: number | undefined): string {
  return value === undefined ? 'any' : value.toLocaleString('en-US');
}

function code(text: string): string {
  return `\`${text}\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}
