/** A PostgreSQL server, through a pool of connections. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { requireInteger } from '../errors.ts';
import type { Connection, Database, DatabaseOptions, Row } from './database.ts';
import { INT8, NUMERIC, readNumeric, storeError, toParameter } from './values.ts';

/** Longest pause between attempts to connect again for notices, in milliseconds. */
const MAX_PAUSE_MS = 5_000;

/**
 * Connects to a server without looking at its schema.
 *
 * @throws ZkMarginError as `openDatabase`
 */
export async function openPostgres(url: string, options: DatabaseOptions): Promise<Database> {
  const statementMs = requireInteger(
    options.statementTimeoutMs ?? 60_000,
    1,
    3_600_000,
    'statementTimeoutMs',
  );
  const settings: pg.ClientConfig = {
    connectionString: url,
    statement_timeout: statementMs,
    // Later than the server's own: for a connection at whose other end nobody is any more.
    query_timeout: statementMs + Math.min(statementMs, 5_000),
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    application_name: 'zkmargin',
    types: { getTypeParser: typeParser as typeof pg.types.getTypeParser },
  };
  const pool = new pg.Pool({
    ...settings,
    max: requireInteger(options.connections ?? 10, 1, 1_000, 'connections'),
    idleTimeoutMillis: 30_000,
  });
  // An idle connection that breaks is replaced; without a listener it would end the process.
  pool.on('error', () => {});
  const database = new PostgresDatabase(pool, settings);
  try {
    await database.query('select 1');
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

function typeParser(id: number, format?: 'text' | 'binary'): unknown {
  if (format !== 'binary') {
    if (id === INT8) return BigInt;
    if (id === NUMERIC) return readNumeric;
  }
  return pg.types.getTypeParser(id, format as 'text');
}

class PostgresDatabase implements Database {
  readonly kind = 'postgres';
  readonly #pool: pg.Pool;
  readonly #settings: pg.ClientConfig;
  readonly #listeners = new Map<string, Set<(payload: string) => void>>();
  #listening: { readonly ready: Promise<void>; client: pg.Client | undefined } | undefined;
  #closing: Promise<void> | undefined;

  constructor(pool: pg.Pool, settings: pg.ClientConfig) {
    this.#pool = pool;
    this.#settings = settings;
  }

  query<T extends Row>(sql: string, parameters: readonly unknown[] = []): Promise<T[]> {
    return run<T>(this.#pool, sql, parameters);
  }

  async transaction<T>(work: (tx: Connection) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect().catch((error: unknown) => {
      throw storeError(error);
    });
    // A connection that breaks between two statements tells so at the next one.
    const ignore = () => {};
    client.on('error', ignore);
    let broken = false;
    try {
      await run(client, 'begin');
      const result = await work({
        query: (sql, parameters) => run(client, sql, parameters),
        script: async (sql) => {
          await run(client, sql);
        },
      });
      await run(client, 'commit');
      return result;
    } catch (error) {
      await run(client, 'rollback').catch(() => {
        broken = true;
      });
      throw error;
    } finally {
      client.removeListener('error', ignore);
      client.release(broken);
    }
  }

  async listen(channel: string, onNotice: (payload: string) => void): Promise<() => Promise<void>> {
    const present = this.#listeners.get(channel);
    const callbacks = present ?? new Set();
    callbacks.add(onNotice);
    this.#listeners.set(channel, callbacks);
    if (this.#listening === undefined) {
      const ready = new Promise<void>((resolve) => void this.#keepListening(resolve));
      this.#listening = { ready, client: undefined };
    }
    await this.#listening.ready;
    if (present === undefined) {
      await this.#listening.client?.query(`listen ${pg.escapeIdentifier(channel)}`).catch(() => undefined);
    }
    return async () => {
      callbacks.delete(onNotice);
    };
  }

  room(): undefined {
    return undefined;
  }

  async dump(): Promise<undefined> {
    return undefined;
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      const client = this.#listening?.client;
      await client?.end().catch(() => undefined);
      await this.#pool.end();
    })();
    return this.#closing;
  }

  /** Holds a connection for notices, and makes another when it breaks. */
  async #keepListening(onReady: () => void): Promise<void> {
    for (let pause = 50; this.#closing === undefined; pause = Math.min(MAX_PAUSE_MS, 2 * pause)) {
      const client = new pg.Client(this.#settings);
      const ended = new Promise<void>((resolve) => {
        client.on('end', resolve);
        client.on('error', () => resolve());
      });
      client.on('notification', ({ channel, payload }) => {
        for (const callback of this.#listeners.get(channel) ?? []) callback(payload ?? '');
      });
      try {
        await client.connect();
        for (const channel of this.#listeners.keys())
          await client.query(`listen ${pg.escapeIdentifier(channel)}`);
        if (this.#listening !== undefined) this.#listening.client = client;
        pause = 50;
        onReady();
        if (this.#closing === undefined) await ended;
      } catch {
        // The next attempt may succeed; polling goes on meanwhile.
      }
      if (this.#listening !== undefined) this.#listening.client = undefined;
      await client.end().catch(() => undefined);
      onReady();
      if (this.#closing === undefined) await sleep(pause, undefined, { ref: false });
    }
  }
}

async function run<T extends Row>(
  target: pg.Pool | pg.PoolClient,
  sql: string,
  parameters?: readonly unknown[],
): Promise<T[]> {
  try {
    // Without parameters the simple protocol is used, which takes scripts.
    const result = parameters?.length
      ? await target.query<T>(sql, parameters.map(toParameter))
      : await target.query<T>(sql);
    return result.rows ?? [];
  } catch (error) {
    throw storeError(error);
  }
}
