/** Brings a database to this version's schema. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { ZkMarginError } from '../errors.ts';
import type { Connection, Database } from './database.ts';

/** One step of the schema. */
export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
}

/** Of the advisory lock that lets one process migrate at a time: "zkmargin" as bytes. */
const LOCK = '8821706388443657582';

/**
 * The project's migrations: files `NNNN-name.sql`, in order, without gaps.
 *
 * @throws ZkMarginError `MALFORMED` for another file name or a gap
 */
export function readMigrations(directory = new URL('./migrations/', import.meta.url)): Migration[] {
  return readdirSync(directory)
    .sort()
    .map((file, index) => {
      const [, digits, name] = /^(\d{4})-([a-z0-9-]+)\.sql$/.exec(file) ?? [];
      if (digits === undefined || name === undefined || Number(digits) !== index + 1) {
        throw new ZkMarginError('MALFORMED', `Name migrations NNNN-name.sql without gaps: ${file}.`);
      }
      return { number: index + 1, name, sql: readFileSync(new URL(file, directory), 'utf8') };
    });
}

/**
 * Applies what is missing, each step in a transaction of its own. Several processes may do so at once.
 *
 * @throws ZkMarginError `STORE_MISMATCH` when an applied step is not the one of this version, or unknown to it
 */
export async function migrate(
  database: Pick<Database, 'transaction'>,
  migrations: readonly Migration[] = readMigrations(),
): Promise<void> {
  let done = await locked(database, async (tx) => {
    await tx.script(
      'create table if not exists migrations (number integer primary key, name text not null, checksum text not null, applied_at timestamptz not null default now())',
    );
    return check(tx, migrations);
  });
  while (done < migrations.length) {
    done = await locked(database, async (tx) => {
      // Another process may have been quicker.
      const applied = await check(tx, migrations);
      const next = migrations[applied];
      if (next === undefined) return applied;
      await tx.script(next.sql);
      await tx.query('insert into migrations (number, name, checksum) values ($1, $2, $3)', [
        next.number,
        next.name,
        checksumOf(next),
      ]);
      return applied + 1;
    });
  }
}

function locked<T>(
  database: Pick<Database, 'transaction'>,
  work: (tx: Connection) => Promise<T>,
): Promise<T> {
  return database.transaction(async (tx) => {
    await tx.query('select pg_advisory_xact_lock($1)', [LOCK]);
    return work(tx);
  });
}

/** @returns number of steps that are applied */
async function check(tx: Connection, migrations: readonly Migration[]): Promise<number> {
  const rows = await tx.query<{ number: number; name: string; checksum: string }>(
    'select number, name, checksum from migrations order by number',
  );
  rows.forEach(({ number, name, checksum }, index) => {
    const known = migrations[index];
    if (known === undefined) {
      throw new ZkMarginError(
        'STORE_MISMATCH',
        `Use a newer version of zkmargin: the store has step ${number} (${name}) of its schema, which this version does not know.`,
        { details: { number, name } },
      );
    }
    if (known.number !== number || known.name !== name || checksumOf(known) !== checksum) {
      throw new ZkMarginError(
        'STORE_MISMATCH',
        `Use the version of zkmargin that made this store: step ${number} (${name}) of its schema is another one here.`,
        { details: { number, name } },
      );
    }
  });
  return rows.length;
}

function checksumOf({ sql }: Migration): string {
  return createHash('sha256').update(sql).digest('hex');
}
