/** Where a process keeps its data, and whether there is anything. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ZkMarginError } from '../errors.ts';
import type { DatabaseOptions } from './database.ts';

/** Directory of the embedded store unless told otherwise. */
export const DEFAULT_DIRECTORY = 'zkmargin-data';

/** A server, or a directory; neither for a store in memory. */
export type StorePlace = Pick<DatabaseOptions, 'url' | 'directory'>;

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
  environment: Readonly<Record<string, string | undefined>> = {},
): StorePlace {
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

/** Whether a directory holds an embedded store. One that is empty, or that something else is in, does not. */
export function holdsStore(directory: string): boolean {
  return existsSync(join(directory, 'data', 'PG_VERSION'));
}
