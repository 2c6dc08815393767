/** `zkmargin backup`, `zkmargin restore`: copies of the embedded store; `zkmargin reindex`: the chain's data anew. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { ZkMarginError } from '../errors.ts';
import { holdsStore } from '../store/place.ts';
import { printJson, unreadable, writeLine } from './io.ts';
import { readStorePlace, type StoreCommandFlags } from './store-settings.ts';

const HELP = (example: string): string => `
The store is that of --store, ZKMARGIN_STORE or the configuration file, else zkmargin-data. Stop the service first: a store
belongs to one process. A backup holds the private inputs of jobs that wait, so it can be read by its owner alone.

A PostgreSQL server (DATABASE_URL or DATABASE_URL_FILE) has its own tools:
  $ pg_dump --format=custom --file=FILE "$DATABASE_URL"
  $ pg_restore --clean --if-exists --dbname="$DATABASE_URL" FILE

Example:
  $ zkmargin ${example}`;

const REINDEX_HELP = `
For a chain whose history has changed more deeply than the service follows by itself (CHAIN_DIVERGED). Look first whether the
endpoints serve the chain that you mean. Stop the service of an embedded store; services on PostgreSQL may run on.

Example:
  $ zkmargin reindex --store zkmargin-data`;

const CONFIG = ['--config <file>', 'settings of the service as JSON (ZKMARGIN_CONFIG)'] as const;

interface Flags extends StoreCommandFlags {
  readonly json?: boolean;
}

/** Adds the commands to a program. */
export function registerStore(program: Command): void {
  reindexCommand(program);
  program
    .command('backup')
    .description('write the embedded store to a file')
    .argument('<file>', 'archive to write; replaced when it is there')
    .option('--store <directory>', 'directory of the store')
    .option(...CONFIG)
    .option('--json', 'print file and size in bytes as JSON')
    .addHelpText('after', HELP('backup store.backup --store zkmargin-data'))
    .action(async (file: string, flags: Flags) => {
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
        if (flags.json) printJson({ file, bytes: archive.length });
        else writeLine(`${file}: ${archive.length.toLocaleString('en-US')} bytes`);
      } finally {
        await database.close();
      }
    });

  program
    .command('restore')
    .description('make an embedded store from a backup')
    .argument('<file>', 'archive of zkmargin backup')
    .option('--store <directory>', 'directory to make it in; it must not hold a store')
    .option(...CONFIG)
    .option('--json', 'print the directory as JSON')
    .addHelpText('after', HELP('restore store.backup --store zkmargin-restored'))
    .action(async (file: string, flags: Flags) => {
      const directory = embedded(flags, 'pg_restore --clean --if-exists --dbname="$DATABASE_URL" FILE');
      const archive = readArchive(file);
      const { openDatabase } = await import('../store/database.ts');
      await (await openDatabase({ directory, archive })).close();
      if (flags.json) printJson({ directory });
      else writeLine(`restored into ${directory}`);
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
    .option('--json', 'print where the store is as JSON')
    .addHelpText('after', REINDEX_HELP)
    .action(async (flags: Flags) => {
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
        // The URL of a server holds its password.
        if (flags.json) printJson({ store: place.directory ?? 'postgresql' });
        else writeLine("the chain's data are forgotten; the service reads them anew from its endpoints");
      } finally {
        await database.close();
      }
    });
}

/** @throws ZkMarginError `NOT_FOUND` for a file that cannot be read */
function readArchive(file: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(file));
  } catch (cause) {
    throw unreadable(file, cause, 'file');
  }
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
