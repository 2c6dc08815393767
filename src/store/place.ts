/** Where a process keeps its data, from flags and the environment. */
import { ZkMarginError } from '../errors.ts';
import type { DatabaseOptions } from './database.ts';

/** Directory of the embedded store unless told otherwise. */
export const DEFAULT_DIRECTORY = 'zkmargin-data';

/** What the command line says about the store. */
export interface StoreFlags {
  /** A directory, or `memory`. */
  readonly store?: string | undefined;
}

/**
 * A server when `DATABASE_URL` is set; else the directory of the flag or of `ZKMARGIN_STORE`, else `zkmargin-data`. The word
 * `memory` keeps nothing beyond the process.
 *
 * @throws ZkMarginError `CONFLICT` for a flag beside `DATABASE_URL`
 */
export function storePlace(
  flags: StoreFlags = {},
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Pick<DatabaseOptions, 'url' | 'directory'> {
  const url = environment.DATABASE_URL;
  if (url) {
    if (flags.store !== undefined) {
      throw new ZkMarginError('CONFLICT', 'Give --store or DATABASE_URL, not both.', { field: 'store' });
    }
    return { url };
  }
  const directory = flags.store ?? (environment.ZKMARGIN_STORE || DEFAULT_DIRECTORY);
  return directory === 'memory' ? {} : { directory };
}
