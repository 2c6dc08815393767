/** The store that the settings of `zkmargin serve` name, for all commands that open it. */
import { loadSettings, type Resolved, serveConfiguration, variableOf } from '../configuration/index.ts';
import { type StorePlace, storePlace } from '../store/place.ts';

type Serve = Resolved<(typeof serveConfiguration)['settings']>;

/** Flags of a command that works on the store. */
export interface StoreCommandFlags {
  /** A directory, or `memory`. */
  readonly store?: string | undefined;
  /** Configuration file of the service. */
  readonly config?: string | undefined;
}

/**
 * PostgreSQL, unless a directory was asked for more urgently.
 *
 * @throws ZkMarginError as `storePlace`
 */
export function storeOf({ values, origins }: Pick<Serve, 'values' | 'origins'>): StorePlace {
  const rank = { flag: 3, variable: 2, file: 1, default: 0, unset: 0 };
  const above = rank[origins.store.kind] > rank[origins.databaseUrl.kind];
  return storePlace(above ? { store: values.store } : {}, {
    DATABASE_URL: values.databaseUrl,
    ZKMARGIN_STORE: values.store,
  });
}

/**
 * The store of the service, from the flags, variables and configuration file that the service reads it from. Variables of other
 * settings are not looked at: they may name files that only the service can read.
 *
 * @throws ZkMarginError as `loadSettings` and `storePlace`
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
