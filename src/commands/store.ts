/** `zkmargin backup`, `zkmargin restore`: copies of the embedded store; `zkmargin reindex`: the chain's data anew. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { ZkMarginError } from '../errors.ts';
import { holdsStore } from '../store/place.ts';
import { writeLine } from './io.ts';
import { readStorePlace, type StoreCommandFlags } from './store-settings.ts';

const HELP = `
The store is that of --store, ZKMARGIN_STORE or the configuration file, else zkmargin-data. Stop the service first: a store
belongs to one process. A backup holds the private inputs of jobs that wait, so it can be read by its owner alone.

A PostgreSQL server (DATABASE_URL or DATABASE_URL_FILE) has its own tools:
  $ pg_dump --format=custom --file=FILE "$DATABASE_URL"
  $ pg_restore --clean --if-exists --dbname="$DATABASE_URL" FILE
`;

const REINDEX_HELP = `
For a chain whose history has changed more deeply than the service follows by itself (CHAIN_DIVERGED). Look first whether the
endpoints serve the chain that you mean. Stop the service of an embedded store; services on PostgreSQL may run on.
`;

const CONFIG = ['--config <file>', 'settings of the service as JSON (ZKMARGIN_CONFIG)'] as const;

/** Adds the commands to a program. */
export function registerStore(program: Command): void {
  reindexCommand(program);
  program
    .command('backup')
    .description('write the embedded store to a file')
    .argument('<file>', 'archive to write; replaced when it is there')
    .option('--store <directory>', 'directory of the store')
    .option(...CONFIG)
    .addHelpText('after', HELP)
    .action(async (file: string, flags: StoreCommandFlags) => {
      const directory = embedded(flags, 'pg_dump --format=custom --file=FILE "$DATABASE_URL"');
      requireStore(directory);
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
    .option(...CONFIG)
    .addHelpText('after', HELP)
    .action(async (file: string, flags: StoreCommandFlags) => {
      const directory = embedded(flags, 'pg_restore --clean --if-exists --dbname="$DATABASE_URL" FILE');
      const archive = new Uint8Array(readFileSync(file));
      const { openDatabase } = await import('../store/database.ts');
      await (await openDatabase({ directory, archive })).close();
      writeLine(`restored into ${directory}`);
    });
}

function reindexCommand(program: Command): void {
  program
    .command('reindex')
    .description("forget the chain's data in the store, so that the service reads them anew; jobs stay")
    .option(
      '--store <directory>',
      'directory of the store, unless DATABASE_URL or the configuration file names a server',
    )
    .option(...CONFIG)
    .addHelpText('after', REINDEX_HELP)
    .action(async (flags: StoreCommandFlags) => {
      const place = readStorePlace(flags);
      if (place.directory === undefined && place.url === undefined) {
        throw new ZkMarginError('UNSUPPORTED', 'Give a store that lasts: one in memory is empty.', {
          field: 'store',
        });
      }
      if (place.directory !== undefined) requireStore(place.directory);
      const [{ openDatabase }, { ChainStore }] = await Promise.all([
        import('../store/database.ts'),
        import('../store/chain-store.ts'),
      ]);
      const database = await openDatabase(place);
      try {
        await new ChainStore(database).clear();
        writeLine("the chain's data are forgotten; the service reads them anew from its endpoints");
      } finally {
        await database.close();
      }
    });
}

/** @throws ZkMarginError `NOT_FOUND` for a directory without a store, in which opening would make an empty one */
function requireStore(directory: string): void {
  if (holdsStore(directory)) return;
  throw new ZkMarginError('NOT_FOUND', `There is no store in ${directory}.`, { field: 'store' });
}

function embedded(flags: StoreCommandFlags, instead: string): string {
  const { url, directory } = readStorePlace(flags);
  if (directory !== undefined) return directory;
  throw new ZkMarginError(
    'UNSUPPORTED',
    url === undefined ? 'Give a directory: what is in memory has no backup.' : `Use ${instead}.`,
    { field: 'store' },
  );
}
