/** The SQL boundary: one dialect, PostgreSQL's, embedded in the process or on a server. */
import { ZkMarginError } from '../errors.ts';
import { migrate } from './migrate.ts';

/**
 * A row by its columns. Values are the same for both kinds of database: `int8` and whole `numeric` are bigint, other
 * `numeric` decimal text, `int4` a number, `jsonb` what it holds, `timestamptz` a Date, `bytea` a Uint8Array.
 */
export type Row = Record<string, unknown>;

/** Whatever takes statements: a database, or one transaction of it. */
export interface Queryable {
  /**
   * Runs one statement.
   *
   * @param parameters of `$1`, `$2`, ...: strings, numbers, booleans, bigints, Dates, bytes, arrays of these, and null. JSON is
   * given as text.
   * @throws ZkMarginError `STORE_UNAVAILABLE`, `STORE_FULL`; for a statement that is refused, `INTERNAL` with its SQLSTATE in
   * `details.sqlState`, and never the parameters
   */
  query<T extends Row>(sql: string, parameters?: readonly unknown[]): Promise<T[]>;
}

/** A connection that also takes scripts of several statements. */
export interface Connection extends Queryable {
  /** Runs all statements of a text without parameters. */
  script(sql: string): Promise<void>;
}

/** Ends a subscription of {@link Database.listen}. */
export type StopListening = () => Promise<void>;

/** Room on a disk, in bytes. */
export interface DiskRoom {
  readonly free: number;
  /** With less than this nothing is written. */
  readonly reserve: number;
}

/** A database with this version's schema. */
export interface Database extends Queryable {
  readonly kind: 'embedded' | 'postgres';
  /** Runs statements that all take effect or none does. What the work throws is thrown again. */
  transaction<T>(work: (tx: Connection) => Promise<T>): Promise<T>;
  /**
   * Calls back for every `pg_notify` on a channel, of this process and, on a server, of others. A hint and no promise: what is
   * sent while a connection is being made again is lost, so look at the tables now and then.
   *
   * @param channel a lower-case identifier
   */
  listen(channel: string, onNotice: (payload: string) => void): Promise<StopListening>;
  /** The embedded database as a compressed archive; undefined for a server, which has `pg_dump`. */
  dump(): Promise<Uint8Array | undefined>;
  /** Room on the disk of an embedded database; undefined for one in memory, and for a server, which watches its own. */
  room(): DiskRoom | undefined;
  /** Ends all connections. Safe to call twice. */
  close(): Promise<void>;
}

/** Where the data is. */
export interface DatabaseOptions {
  /** `postgres://...`; without it the database is embedded. */
  readonly url?: string | undefined;
  /** Directory of the embedded database, made when absent; in memory without it. */
  readonly directory?: string | undefined;
  /** An archive of {@link Database.dump} to begin with; only into an empty embedded database. */
  readonly archive?: Uint8Array | undefined;
  /** Connections to a server at most. Default 10. */
  readonly connections?: number | undefined;
  /** Milliseconds that a server may take for one statement. Default 60,000. */
  readonly statementTimeoutMs?: number | undefined;
}

/**
 * Opens a database and brings its schema to this version.
 *
 * An embedded database survives the sudden end of its process at any moment. It does not force the disk, so a power
 * failure may cost its last changes; a server does.
 *
 * @throws ZkMarginError `STORE_LOCKED` when another process has the directory, `STORE_UNAVAILABLE`, `STORE_FULL`,
 * `STORE_MISMATCH` when the schema is another version's, `UNSUPPORTED` for a URL of another kind
 */
export async function openDatabase(options: DatabaseOptions = {}): Promise<Database> {
  const { url, directory } = options;
  if (url !== undefined && directory !== undefined) {
    throw new ZkMarginError('CONFLICT', 'Give a URL or a directory of the database, not both.', {
      field: 'directory',
    });
  }
  if (url !== undefined && !/^postgres(ql)?:\/\//.test(url)) {
    throw new ZkMarginError('UNSUPPORTED', 'Give the database as postgres://user@host/name.', {
      field: 'url',
    });
  }
  const database =
    url !== undefined
      ? await (await import('./postgres.ts')).openPostgres(url, options)
      : await (await import('./embedded.ts')).openEmbedded(options);
  try {
    await migrate(database);
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}
