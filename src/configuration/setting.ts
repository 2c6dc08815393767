/**
 * Settings of the commands that keep running. Each is declared once, with its bounds, its default and the places that it may
 * come from; flags, variables, the check of a file and the documentation are made from that.
 */
import { type Static, type TSchema, Type } from 'typebox';

/** One setting. Its name is its key in a configuration file. */
export interface Setting<Schema extends TSchema = TSchema> {
  /** Type and bounds; the description says what it is for. */
  readonly schema: Schema;
  /** Value when nobody gives one. */
  readonly default?: Readonly<Static<Schema>>;
  /** What holds when nobody gives one, where that is no value. */
  readonly otherwise?: string;
  /** Nothing starts without it. */
  readonly required?: true;
  /** Its variable, where that is not the prefix and the name; false for none. */
  readonly variable?: string | false;
  /** Placeholder of its flag, as in `<number>`; empty for one without a value. Without a placeholder there is no flag. */
  readonly flag?: string;
  /** Never shown; of a URL, protocol and host are. */
  readonly secret?: 'text' | 'url';
  /** Whether a second variable, with `_FILE` behind the name, may name a file that holds the value. */
  readonly fromFile?: true;
  /** Whether it may stand in a configuration file; true unless given. */
  readonly inFile?: false;
}

/** Settings by name. */
export type Settings = Readonly<Record<string, Setting>>;

/** All settings of a command. */
export interface Configuration<S extends Settings = Settings> {
  /** Command that has them. */
  readonly command: string;
  /** What variables begin with. */
  readonly prefix: string;
  readonly settings: S;
}

/** Values of settings. One without a default that need not be given may be undefined. */
export type Values<S extends Settings> = {
  readonly [Name in keyof S]:
    | Static<S[Name]['schema']>
    | (S[Name] extends { readonly default: unknown } | { readonly required: true } ? never : undefined);
};

/** A setting with the type of its schema kept. */
export function setting<Schema extends TSchema, const Rest extends Omit<Setting<Schema>, 'schema'>>(
  schema: Schema,
  rest: Rest,
): { readonly schema: Schema } & Rest {
  return { schema, ...rest };
}

/** `maxJobSeconds` with a separator: `max-job-seconds`. */
function split(name: string, separator: string): string {
  return name.replace(/[A-Z]/g, (letter) => `${separator}${letter.toLowerCase()}`);
}

/** Variable of a setting; undefined when it has none. */
export function variableOf({ prefix, settings }: Configuration, name: string): string | undefined {
  const { variable } = settings[name]!;
  if (variable === false) return undefined;
  return variable ?? `${prefix}_${split(name, '_').toUpperCase()}`;
}

/** Flag of a setting without its placeholder; undefined when it has none. One that is true by itself is turned off by its flag. */
export function flagOf({ settings }: Configuration, name: string): string | undefined {
  const { flag, default: standard } = settings[name]!;
  if (flag === undefined) return undefined;
  return standard === true ? `--no-${split(name, '-')}` : `--${split(name, '-')}`;
}

/** Variables that a command reads, beside that of its configuration file. */
export function variablesOf(configuration: Configuration): string[] {
  return Object.entries(configuration.settings).flatMap(([name, { fromFile }]) => {
    const variable = variableOf(configuration, name);
    if (variable === undefined) return [];
    return fromFile ? [variable, `${variable}_FILE`] : [variable];
  });
}

/** Variable that names the configuration file of a command. */
export function fileVariableOf({ prefix }: Configuration): string {
  return `${prefix}_CONFIG`;
}

/** JSON Schema of a command's configuration file. Nothing is required in it: other sources may give the rest. */
export function fileSchemaOf({ settings }: Configuration): TSchema {
  const properties = Object.entries(settings)
    .filter(([, { inFile }]) => inFile !== false)
    .map(([name, { schema, default: standard }]) => {
      const shown = standard === undefined ? schema : ({ ...schema, default: standard } as TSchema);
      return [name, Type.Optional(shown)] as const;
    });
  return Type.Object(Object.fromEntries(properties), { additionalProperties: false });
}
