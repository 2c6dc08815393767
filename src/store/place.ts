/** Where a process keeps its data, and whether there is anything. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseOptions } from './database.ts';

/** A server, or a directory; neither for a store in memory. */
export type StorePlace = Pick<DatabaseOptions, 'url' | 'directory'>;

/** Whether a directory holds an embedded store. One that is empty, or that something else is in, does not. */
export function holdsStore(directory: string): boolean {
  return existsSync(join(directory, 'data', 'PG_VERSION'));
}
