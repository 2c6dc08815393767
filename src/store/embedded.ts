/** PostgreSQL in this process: PGlite. */
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { ZkMarginError } from '../errors.ts';
import type { Connection, Database, DatabaseOptions, DiskRoom, Row } from './database.ts';
import { lockDirectory } from './directory-lock.ts';
import { INT8, NUMERIC, readNumeric, storeError, toParameter } from './values.ts';

/**
 * Free bytes without which nothing is written. An instance that cannot write its log ends itself in a way that may not return, so it
 * is not let come to that: a change needs two more segments of the log at most, 16 MiB each, and its rows.
 */
const RESERVE = 48 * 2 ** 20;

/**
 * Opens the embedded database without looking at its schema.
 *
 * @throws ZkMarginError as `openDatabase`; `CONFLICT` for an archive where there is data already
 */
export async function openEmbedded({ directory, archive }: DatabaseOptions): Promise<Database> {
  let unlock = () => {};
  let place: string | undefined;
  try {
    if (directory !== undefined) {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      // It holds the private inputs of jobs that wait.
      chmodSync(directory, 0o700);
      unlock = lockDirectory(directory);
      place = join(directory, 'data');
      if (archive !== undefined && existsSync(place)) {
        throw new ZkMarginError('CONFLICT', 'Restore into a directory that has no store yet.', {
          field: 'directory',
        });
      }
    }
    const dataDir = place;
    if (dataDir !== undefined && !existsSync(dataDir)) await makeData(dataDir, archive);
    const settings = {
      ...(dataDir !== undefined && { dataDir }),
      parsers: { [INT8]: BigInt, [NUMERIC]: readNumeric },
    };
    const pglite = await PGlite.create({
      ...settings,
      ...(dataDir === undefined && archive !== undefined && { loadDataDir: blobOf(archive) }),
    });
    const reopen = async (): Promise<PGlite> => {
      if (dataDir === undefined) {
        throw new ZkMarginError('STORE_UNAVAILABLE', 'The store in memory is lost; start again.');
      }
      requireRoom(dataDir);
      return PGlite.create(settings);
    };
    const check = dataDir === undefined ? () => {} : () => requireRoom(dataDir);
    const room = () => (dataDir === undefined ? undefined : { free: freeBytesOf(dataDir), reserve: RESERVE });
    return new EmbeddedDatabase(pglite, { reopen, check, room, unlock });
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

/** @throws ZkMarginError `STORE_FULL` */
function requireRoom(dataDir: string): void {
  const freeBytes = freeBytesOf(dataDir);
  if (freeBytes >= RESERVE) return;
  throw new ZkMarginError('STORE_FULL', 'The store has no room; free space on its disk.', {
    details: { freeBytes, neededBytes: RESERVE },
  });
}

function freeBytesOf(dataDir: string): number {
  const { bavail, bsize } = statfsSync(dataDir);
  return bavail * bsize;
}

/** What an embedded database is made of beside its instance. */
interface EmbeddedParts {
  /** Opens the data again after an instance has ended itself. */
  readonly reopen: () => Promise<PGlite>;
  /** Throws when there is no room for changes. */
  readonly check: () => void;
  readonly room: () => DiskRoom | undefined;
  readonly unlock: () => void;
}

/**
 * One statement or transaction at a time. An instance that has ended itself, as PostgreSQL does when it cannot write its log, must
 * never be called again: it would not return. It is left, and the data are opened anew, as after a crash.
 */
class EmbeddedDatabase implements Database {
  readonly kind = 'embedded';
  readonly #parts: EmbeddedParts;
  readonly #listeners = new Map<string, Set<(payload: string) => void>>();
  #pglite: PGlite | undefined;
  #turn: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(pglite: PGlite, parts: EmbeddedParts) {
    this.#pglite = pglite;
    this.#parts = parts;
  }

  query<T extends Row>(sql: string, parameters: readonly unknown[] = []): Promise<T[]> {
    return this.#exclusive((pglite) => {
      if (!/^\s*select\b/i.test(sql)) this.#parts.check();
      return this.#run<T>(pglite, sql, parameters);
    });
  }

  transaction<T>(work: (tx: Connection) => Promise<T>): Promise<T> {
    return this.#exclusive(async (pglite) => {
      this.#parts.check();
      await this.#run(pglite, 'begin');
      try {
        const result = await work({
          query: (sql, parameters) => this.#run(pglite, sql, parameters),
          script: (sql) => this.#guarded(pglite, () => pglite.exec(sql)).then(() => undefined),
        });
        await this.#run(pglite, 'commit');
        return result;
      } catch (error) {
        // What the work threw is told, not what became of its end.
        if (this.#pglite === pglite) await this.#run(pglite, 'rollback').catch(() => undefined);
        throw error;
      }
    });
  }

  async listen(channel: string, onNotice: (payload: string) => void): Promise<() => Promise<void>> {
    const present = this.#listeners.get(channel);
    const callbacks = present ?? new Set();
    callbacks.add(onNotice);
    this.#listeners.set(channel, callbacks);
    if (present === undefined) await this.#exclusive((pglite) => this.#attach(pglite, channel));
    return async () => {
      callbacks.delete(onNotice);
    };
  }

  dump(): Promise<Uint8Array> {
    return this.#exclusive((pglite) =>
      this.#guarded(
        pglite,
        async () => new Uint8Array(await (await pglite.dumpDataDir('gzip')).arrayBuffer()),
      ),
    );
  }

  room(): DiskRoom | undefined {
    return this.#parts.room();
  }

  close(): Promise<void> {
    this.#closing ??= this.#turn
      .then(() => this.#pglite?.close())
      .catch(() => undefined)
      .then(this.#parts.unlock);
    return this.#closing;
  }

  async #exclusive<T>(work: (pglite: PGlite) => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw closed();
    const before = this.#turn;
    let end = () => {};
    this.#turn = new Promise((resolve) => {
      end = resolve;
    });
    await before;
    try {
      return await work(await this.#instance());
    } finally {
      end();
    }
  }

  async #instance(): Promise<PGlite> {
    if (this.#pglite !== undefined) return this.#pglite;
    try {
      const pglite = await this.#parts.reopen();
      for (const channel of this.#listeners.keys()) await this.#attach(pglite, channel);
      this.#pglite = pglite;
      return pglite;
    } catch (error) {
      throw openingError(error, false);
    }
  }

  async #attach(pglite: PGlite, channel: string): Promise<void> {
    await pglite.listen(channel, (payload) => {
      for (const callback of this.#listeners.get(channel) ?? []) callback(payload);
    });
  }

  #run<T extends Row>(pglite: PGlite, sql: string, parameters: readonly unknown[] = []): Promise<T[]> {
    return this.#guarded(pglite, async () => (await pglite.query<T>(sql, parameters.map(toParameter))).rows);
  }

  async #guarded<T>(pglite: PGlite, action: () => Promise<T>): Promise<T> {
    if (this.#pglite !== pglite) throw closed();
    try {
      return await action();
    } catch (error) {
      if (isFatal(error)) this.#pglite = undefined;
      throw storeError(error);
    }
  }
}

/** True when the instance has ended itself. */
function isFatal(error: unknown): boolean {
  const { severity, name } = (error ?? {}) as { severity?: unknown; name?: unknown };
  return severity === 'PANIC' || severity === 'FATAL' || name === 'RuntimeError' || name === 'ExitStatus';
}

function closed(): ZkMarginError {
  return new ZkMarginError('STORE_UNAVAILABLE', 'The store is closed; open it again.');
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
