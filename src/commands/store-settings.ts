/** The store that the settings of `zkmargin serve` name, for all commands that open it. */
import { loadSettings, type Resolved, serveConfiguration, variableOf } from '../configuration/index.ts';
import { ZkMarginError } from '../errors.ts';
import type { StorePlace } from '../store/place.ts';

type Serve = Resolved<(typeof serveConfiguration)['settings']>;

/** Flags of a command that works on the store. */
export interface StoreCommandFlags {
  /** A directory, or `memory`. */
  readonly store?: string | undefined;
  /** Configuration file of the service. */
  readonly config?: string | undefined;
}

/** How urgently a place of a setting asks for it. */
const RANK = { flag: 3, variable: 2, file: 1, default: 0, unset: 0 };

/**
 * PostgreSQL where its URL is set, else a directory. The word `memory` keeps nothing beyond the process.
 *
 * @throws ZkMarginError `CONFLICT` for a directory that is asked for more urgently than the server, as by a flag
 */
export function storeOf({ values, origins }: Pick<Serve, 'values' | 'origins'>): StorePlace {
  const { databaseUrl: url, store } = values;
  if (url === undefined) return store === 'memory' ? {} : { directory: store };
  if (RANK[origins.store.kind] > RANK[origins.databaseUrl.kind]) {
    throw new ZkMarginError('CONFLICT', 'Give --store or DATABASE_URL, not both.', { field: 'store' });
  }
  return { url };
}

/**
 * The store of the service, from the flags, variables and configuration file that the service reads it from. Variables of other
 * settings are not looked at: they may name files that only the service can read.
 *
 * @throws ZkMarginError as `loadSettings` and {@link storeOf}
 */
export function readStorePlace(
  { store, config }: StoreCommandFlags,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): StorePlace {
  const names = ['ZKMARGIN_CONFIG', 'DATABASE_URL_FILE'];
  for (const name of ['databaseUrl', 'store']) names.push(variableOf(serveConfiguration, name)!);
  const known = Object.fromEntries(names.map((name) => [name, environment[name]]));
  return storeOf(loadSettings(serveConfiguration, { store }, { path: config, environment: known }));
}
