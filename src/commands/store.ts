/** `zkmargin backup` and `zkmargin restore`: copies of the embedded store. */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { ZkMarginError } from '../errors.ts';
import { storePlace } from '../store/place.ts';
import { writeLine } from './io.ts';

const HELP = `
The store is that of --store or ZKMARGIN_STORE, else zkmargin-data. Stop the service first: a store belongs to one process. A
backup holds the private inputs of jobs that wait, so it can be read by its owner alone.

A PostgreSQL server (DATABASE_URL) has its own tools:
  $ pg_dump --format=custom --file=FILE "$DATABASE_URL"
  $ pg_restore --clean --if-exists --dbname="$DATABASE_URL" FILE
`;

/** Adds the commands to a program. */
export function registerStore(program: Command): void {
  program
    .command('backup')
    .description('write the embedded store to a file')
    .argument('<file>', 'archive to write; replaced when it is there')
    .option('--store <directory>', 'directory of the store')
    .addHelpText('after', HELP)
    .action(async (file: string, flags: { store?: string }) => {
      const directory = embedded(flags, 'pg_dump --format=custom --file=FILE "$DATABASE_URL"');
      if (!existsSync(directory)) {
        throw new ZkMarginError('NOT_FOUND', `There is no store in ${directory}.`, { field: 'store' });
      }
      const { openDatabase } = await import('../store/database.ts');
      const database = await openDatabase({ directory });
      try {
        const archive = (await database.dump())!;
        const draft = `${file}.${process.pid}.part`;
        try {
          writeFileSync(draft, archive, { mode: 0o600, flush: true });
          renameSync(draft, file);
        } finally {
          rmSync(draft, { force: true });
        }
        writeLine(`${file}: ${archive.length.toLocaleString('en-US')} bytes`);
      } finally {
        await database.close();
      }
    });

  program
    .command('restore')
    .description('make an embedded store from a backup')
    .argument('<file>', 'archive of zkmargin backup')
    .option('--store <directory>', 'directory without a store')
    .addHelpText('after', HELP)
    .action(async (file: string, flags: { store?: string }) => {
      const directory = embedded(flags, 'pg_restore --clean --if-exists --dbname="$DATABASE_URL" FILE');
      const archive = new Uint8Array(readFileSync(file));
      const { openDatabase } = await import('../store/database.ts');
      await (await openDatabase({ directory, archive })).close();
      writeLine(`restored into ${directory}`);
    });
}

function embedded(flags: { store?: string }, instead: string): string {
  const { url, directory } = storePlace(flags);
  if (directory !== undefined) return directory;
  throw new ZkMarginError(
    'UNSUPPORTED',
    url === undefined ? 'Give a directory: what is in memory has no backup.' : `Use ${instead}.`,
    { field: 'store' },
  );
}
