/** Reads the settings of a command from where this process has them. */
import { readFileSync, type Stats, statSync } from 'node:fs';
import { ZkMarginError } from '../errors.ts';
import { type Resolved, resolveSettings } from './resolve.ts';
import { type Configuration, fileVariableOf, type Setting, type Settings, variableOf } from './setting.ts';

/** Where {@link loadSettings} looks beside the flags. */
export interface LoadOptions {
  /** Configuration file of a flag; that of the variable unless given. */
  readonly path?: string | undefined;
  /** A document that has been read already, in place of the file; the name is its path, or `-` for standard input. */
  readonly file?: { readonly name: string; readonly document: unknown } | undefined;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** Any right of the group or of others. */
const GROUP_OR_OTHERS = 0o077;
/** The same, but for the group's right to read. */
const WRITE_OR_OTHERS = 0o037;

/**
 * All settings of a command, checked.
 *
 * @throws ZkMarginError as `resolveSettings`; `NOT_FOUND` for a file that cannot be read; `FORBIDDEN` for one that holds
 * secrets and is exposed, see {@link isExposed}
 */
export function loadSettings<S extends Settings>(
  configuration: Configuration<S>,
  flags: Readonly<Record<string, unknown>>,
  { path, file, environment = process.env }: LoadOptions = {},
): Resolved<S> {
  const named = path ?? (environment[fileVariableOf(configuration)] || undefined);
  const read = file ?? (named === undefined ? undefined : { name: named, document: readJson(named) });
  const resolved = resolveSettings(configuration, {
    flags,
    environment,
    file: read,
    readText: (name) => readFileSync(name, 'utf8'),
  });
  if (read !== undefined && read.name !== '-') refuseExposed(configuration, resolved, read.name);
  return resolved;
}

function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new ZkMarginError('NOT_FOUND', `Name a configuration file that can be read: ${path} (${reason}).`, {
      field: 'config',
      cause,
    });
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The parser's message quotes the text, which may hold secrets.
    throw new ZkMarginError('MALFORMED', `Write JSON into ${path}: it cannot be parsed.`, {
      field: 'config',
    });
  }
}

/**
 * Whether a URL may open something: by a user or a password, by a query, or by a path, which is where RPC endpoints and webhooks
 * have their keys. Of a PostgreSQL URL, user and path are names alone.
 */
function opens(url: unknown): boolean {
  if (typeof url !== 'string' || !URL.canParse(url)) return true;
  const { protocol, username, password, pathname, search } = new URL(url);
  if (password !== '' || search !== '') return true;
  return !protocol.startsWith('postgres') && (username !== '' || pathname.length > 1);
}

function isSecret({ secret }: Setting, value: unknown): boolean {
  if (secret !== 'url') return secret === 'text';
  return Array.isArray(value) ? value.some(opens) : opens(value);
}

/**
 * Whether others may read a file. One's own file is for its owner alone. One that belongs to root, as container platforms mount them,
 * cannot be read by another user without its group, so that may read it.
 *
 * @param user who asks
 */
export function isExposed({ mode, uid }: Pick<Stats, 'mode' | 'uid'>, user: number | undefined): boolean {
  return (mode & (uid === 0 && user !== 0 ? WRITE_OR_OTHERS : GROUP_OR_OTHERS)) !== 0;
}

function refuseExposed(
  configuration: Configuration,
  { origins, values }: Resolved<Settings>,
  path: string,
): void {
  const secrets = Object.entries(configuration.settings).filter(
    ([name, setting]) => origins[name]!.kind === 'file' && isSecret(setting, values[name]),
  );
  if (secrets.length === 0 || !isExposed(statSync(path), process.geteuid?.())) return;
  const names = secrets.map(([name]) => name);
  const variables = secrets
    .filter(([, { fromFile }]) => fromFile)
    .map(([name]) => `${variableOf(configuration, name)}_FILE`);
  throw new ZkMarginError(
    'FORBIDDEN',
    `Let only its owner read the file with ${names.join(', ')}: chmod 600 ${path}. Or leave ${names.length > 1 ? 'them' : 'it'} out of it, as where a ` +
      `platform mounts it for everybody, and name ${names.length > 1 ? 'files with the values' : 'a file with the value'} in ${variables.join(', ')}.`,
    { field: 'config' },
  );
}
