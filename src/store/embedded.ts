/** PostgreSQL in this process: PGlite. */
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { ZkMarginError } from '../errors.ts';
import type { Connection, Database, DatabaseOptions, Row } from './database.ts';
import { lockDirectory } from './directory-lock.ts';
import { INT8, NUMERIC, readNumeric, storeError, toParameter } from './values.ts';

/**
 * Opens the embedded database without looking at its schema.
 *
 * @throws ZkMarginError as `openDatabase`; `CONFLICT` for an archive where there is data already
 */
export async function openEmbedded({ directory, archive }: DatabaseOptions): Promise<Database> {
  let unlock = () => {};
  let dataDir: string | undefined;
  try {
    if (directory !== undefined) {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      // It holds the private inputs of jobs that wait.
      chmodSync(directory, 0o700);
      unlock = lockDirectory(directory);
      dataDir = join(directory, 'data');
      if (archive !== undefined && existsSync(dataDir)) {
        throw new ZkMarginError('CONFLICT', 'Restore into a directory that has no store yet.', {
          field: 'directory',
        });
      }
    }
    if (dataDir !== undefined && !existsSync(dataDir)) await makeData(dataDir, archive);
    const pglite = await PGlite.create({
      ...(dataDir !== undefined && { dataDir }),
      ...(dataDir === undefined && archive !== undefined && { loadDataDir: blobOf(archive) }),
      parsers: { [INT8]: BigInt, [NUMERIC]: readNumeric },
    });
    return new EmbeddedDatabase(pglite, unlock);
  } catch (error) {
    unlock();
    throw openingError(error, archive !== undefined);
  }
}

/** Makes new data beside its place, so that what was interrupted is never taken for a store. */
async function makeData(dataDir: string, archive: Uint8Array | undefined): Promise<void> {
  const draft = `${dataDir}.new`;
  rmSync(draft, { recursive: true, force: true });
  try {
    const pglite = await PGlite.create({
      dataDir: draft,
      ...(archive !== undefined && { loadDataDir: blobOf(archive) }),
    });
    await pglite.query('select 1');
    await pglite.close();
    renameSync(draft, dataDir);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    throw error;
  }
}

function blobOf(archive: Uint8Array): Blob {
  return new Blob([archive as Uint8Array<ArrayBuffer>]);
}

class EmbeddedDatabase implements Database {
  readonly kind = 'embedded';
  readonly #pglite: PGlite;
  readonly #unlock: () => void;
  #closing: Promise<void> | undefined;

  constructor(pglite: PGlite, unlock: () => void) {
    this.#pglite = pglite;
    this.#unlock = unlock;
  }

  async query<T extends Row>(sql: string, parameters: readonly unknown[] = []): Promise<T[]> {
    return guarded(async () => (await this.#pglite.query<T>(sql, parameters.map(toParameter))).rows);
  }

  async transaction<T>(work: (tx: Connection) => Promise<T>): Promise<T> {
    let thrown: { readonly error: unknown } | undefined;
    try {
      return await this.#pglite.transaction(async (tx) => {
        try {
          return await work({
            query: <R extends Row>(sql: string, parameters: readonly unknown[] = []) =>
              guarded(async () => (await tx.query<R>(sql, parameters.map(toParameter))).rows),
            script: (sql) =>
              guarded(async () => {
                await tx.exec(sql);
              }),
          });
        } catch (error) {
          thrown = { error };
          throw error;
        }
      });
    } catch (error) {
      // What the work threw is its caller's; the rest is the store's.
      throw thrown === undefined ? storeError(error) : thrown.error;
    }
  }

  async listen(channel: string, onNotice: (payload: string) => void): Promise<() => Promise<void>> {
    const stop = await guarded(() => this.#pglite.listen(channel, onNotice));
    return async () => {
      if (!this.#pglite.closed) await stop();
    };
  }

  async dump(): Promise<Uint8Array> {
    return guarded(async () => new Uint8Array(await (await this.#pglite.dumpDataDir('gzip')).arrayBuffer()));
  }

  close(): Promise<void> {
    this.#closing ??= this.#pglite
      .close()
      .catch(() => undefined)
      .then(this.#unlock);
    return this.#closing;
  }
}

async function guarded<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw storeError(error);
  }
}

function openingError(error: unknown, restoring: boolean): ZkMarginError {
  const known = storeError(error);
  if (error instanceof ZkMarginError || known.code === 'STORE_FULL') return known;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'EACCES' || code === 'EROFS' || code === 'ENOTDIR' || code === 'EEXIST') {
    return new ZkMarginError('STORE_UNAVAILABLE', 'Give a directory for the store that can be written.', {
      field: 'directory',
      cause: error,
    });
  }
  return restoring
    ? new ZkMarginError('MALFORMED', 'The archive cannot be read; give a file that zkmargin backup wrote.', {
        field: 'archive',
        cause: error,
      })
    : new ZkMarginError(
        'STORE_UNAVAILABLE',
        'The embedded store cannot be opened; check its directory, or restore a backup into a new one.',
        { field: 'directory', cause: error },
      );
}
