/** Values of settings from flags, variables, a file and defaults, in this order, each checked and with its source. */
import type { TSchema } from 'typebox';
import { checkShape } from '../check-shape.ts';
import { isZkMarginError, ZkMarginError } from '../errors.ts';
import {
  type Configuration,
  fileVariableOf,
  flagOf,
  type Setting,
  type Settings,
  type Values,
  variableOf,
} from './setting.ts';

/** Where a value comes from. */
export type Origin =
  | { readonly kind: 'flag' | 'variable' | 'file'; readonly name: string }
  | { readonly kind: 'default' }
  | { readonly kind: 'unset' };

/** What settings are read from. */
export interface Sources {
  /** Flags that were given, by setting: text, lists of texts, or true and false. */
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** A configuration file, read. */
  readonly file?: { readonly name: string; readonly document: unknown } | undefined;
  /** Text of a file that a variable names. */
  readonly readText?: (path: string) => string;
}

/** Values with their origins. */
export interface Resolved<S extends Settings> {
  readonly values: Values<S>;
  readonly origins: { readonly [Name in keyof S]: Origin };
}

/** A schema as far as texts are read by it. */
interface TextSchema {
  readonly type?: string;
  readonly items?: TextSchema;
}

/**
 * Reads and checks all settings of a command.
 *
 * @throws ZkMarginError naming the setting and where its value comes from: `MALFORMED`, `OUT_OF_RANGE`, `TOO_LARGE`;
 * `MALFORMED` for an unknown name in a file and for what is missing, `CONFLICT` for a variable given twice
 */
export function resolveSettings<S extends Settings>(
  configuration: Configuration<S>,
  { flags = {}, environment = {}, file, readText }: Sources,
): Resolved<S> {
  const document = fileDocument(configuration, file);
  const values: Record<string, unknown> = {};
  const origins: Record<string, Origin> = {};
  for (const [name, setting] of Object.entries<Setting>(configuration.settings)) {
    const given =
      fromFlag(configuration, name, flags) ??
      fromVariable(configuration, name, environment, readText) ??
      (Object.hasOwn(document, name)
        ? { raw: document[name], origin: { kind: 'file', name: file!.name } as const }
        : undefined);
    if (given !== undefined) {
      values[name] = checked(setting.schema, given.raw, name, given.origin);
      origins[name] = given.origin;
    } else if (setting.required) {
      throw new ZkMarginError('MALFORMED', `Give ${name}: ${placesOf(configuration, name)}.`, {
        field: name,
      });
    } else {
      values[name] = setting.default;
      origins[name] = { kind: setting.default === undefined ? 'unset' : 'default' };
    }
  }
  return { values: values as Values<S>, origins: origins as Resolved<S>['origins'] };
}

/** An origin in words. */
export function originText(origin: Origin): string {
  switch (origin.kind) {
    case 'flag':
      return `flag ${origin.name}`;
    case 'variable':
      return `variable ${origin.name}`;
    case 'file':
      return `file ${origin.name}`;
    default:
      return origin.kind;
  }
}

/** The known name that an unknown one is likely meant for. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let least = Math.min(3, Math.ceil(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < least) [nearest, least] = [candidate, distance];
  }
  return nearest;
}

interface Given {
  readonly raw: unknown;
  readonly origin: Extract<Origin, { name: string }>;
}

function fileDocument(
  configuration: Configuration,
  file: Sources['file'],
): Readonly<Record<string, unknown>> {
  if (file === undefined) return {};
  const { name, document } = file;
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new ZkMarginError('MALFORMED', `Write one JSON object of settings into ${name}.`, {
      field: 'config',
    });
  }
  const known = Object.entries(configuration.settings)
    .filter(([, { inFile }]) => inFile !== false)
    .map(([key]) => key);
  for (const key of Object.keys(document)) {
    if (known.includes(key)) continue;
    const nearest = nearestName(key, known);
    const hint = Object.hasOwn(configuration.settings, key)
      ? `it does not belong into a file; ${placesOf(configuration, key)}`
      : `zkmargin ${configuration.command} has no such setting${nearest === undefined ? '' : `; did you mean ${nearest}?`}`;
    throw new ZkMarginError('MALFORMED', `Leave ${key} out of ${name}: ${hint}`, { field: key });
  }
  return document as Record<string, unknown>;
}

function fromFlag(
  configuration: Configuration,
  name: string,
  flags: Readonly<Record<string, unknown>>,
): Given | undefined {
  const flag = flagOf(configuration, name);
  if (flag === undefined || flags[name] === undefined) return undefined;
  const origin = { kind: 'flag', name: flag } as const;
  return { raw: typed(configuration.settings[name]!.schema, flags[name], name, origin), origin };
}

function fromVariable(
  configuration: Configuration,
  name: string,
  environment: Readonly<Record<string, string | undefined>>,
  readText: Sources['readText'],
): Given | undefined {
  const variable = variableOf(configuration, name);
  if (variable === undefined) return undefined;
  const { schema, fromFile } = configuration.settings[name]!;
  const direct = environment[variable] || undefined;
  const path = fromFile ? environment[`${variable}_FILE`] || undefined : undefined;
  if (direct !== undefined && path !== undefined) {
    throw new ZkMarginError('CONFLICT', `Set ${variable} or ${variable}_FILE, not both.`, { field: name });
  }
  if (direct !== undefined) {
    const origin = { kind: 'variable', name: variable } as const;
    return { raw: typed(schema, direct, name, origin), origin };
  }
  if (path === undefined || readText === undefined) return undefined;
  const origin = { kind: 'variable', name: `${variable}_FILE` } as const;
  let text: string;
  try {
    text = readText(path).trim();
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new ZkMarginError('NOT_FOUND', `Name a file that can be read in ${origin.name} (${reason}).`, {
      field: name,
      cause,
    });
  }
  return { raw: typed(schema, text, name, origin), origin };
}

/** Text as the type that a schema asks for; anything else as it is. */
function typed(schema: TSchema, raw: unknown, name: string, origin: Origin): unknown {
  const { type } = schema as TextSchema;
  if (type === 'array' && typeof raw === 'string') {
    const parts = raw.split(/[,\n]/).map((part) => part.trim());
    return parts.filter((part) => part !== '');
  }
  if (typeof raw !== 'string') return raw;
  const wrong = (what: string) =>
    new ZkMarginError('MALFORMED', `Give ${name} as ${what}. It comes from the ${originText(origin)}.`, {
      field: name,
    });
  if (type === 'integer' || type === 'number') {
    if (!/^[+-]?\d+(\.\d+)?$/.test(raw.trim())) throw wrong('a number');
    return Number(raw);
  }
  if (type === 'boolean') {
    const text = raw.trim().toLowerCase();
    if (text !== 'true' && text !== 'false') throw wrong('true or false');
    return text === 'true';
  }
  return raw;
}

function checked(schema: TSchema, value: unknown, name: string, origin: Origin): unknown {
  try {
    return checkShape(schema, value, name);
  } catch (error) {
    if (!isZkMarginError(error)) throw error;
    const { code, message, field, details } = error;
    throw new ZkMarginError(code, `${message} It comes from the ${originText(origin)}.`, { field, details });
  }
}

/** Where a setting may be given, in words. */
function placesOf(configuration: Configuration, name: string): string {
  const places = [
    flagOf(configuration, name),
    variableOf(configuration, name),
    configuration.settings[name]!.inFile === false
      ? undefined
      : `${name} in the file of --config or ${fileVariableOf(configuration)}`,
  ].filter((place) => place !== undefined);
  return `use ${places.join(', or ')}`;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + same));
    }
    row = next;
  }
  return row[b.length]!;
}
