import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { openDatabase } from '../store/database.ts';
import { registerStore } from './store.ts';

const root = mkdtempSync(join(tmpdir(), 'zkmargin-backup-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

afterEach(() => vi.unstubAllEnvs());

async function run(...args: string[]): Promise<void> {
  const program = new Command('zkmargin').exitOverride();
  registerStore(program);
  await program.parseAsync(args, { from: 'user' });
}

describe('backup and restore', () => {
  it('bring a store to another directory, and refuse what is no store', async () => {
    const [first, second, file] = ['first', 'second', 'backup'].map((name) => join(root, name));
    await expect(run('backup', file!, '--store', first!)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const database = await openDatabase({ directory: first! });
    await database.query('create table kept (id int)');
    await database.query('insert into kept values (7)');
    await expect(run('backup', file!, '--store', first!)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    await database.close();
    await run('backup', file!, '--store', first!);
    expect(statSync(file!).mode & 0o077).toBe(0);
    writeFileSync(join(root, 'junk'), 'junk');
    await expect(run('restore', join(root, 'junk'), '--store', second!)).rejects.toMatchObject({
      code: 'MALFORMED',
    });
    await run('restore', file!, '--store', second!);
    const restored = await openDatabase({ directory: second! });
    expect(await restored.query('select id from kept')).toEqual([{ id: 7 }]);
    await restored.close();
    await expect(run('restore', file!, '--store', second!)).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(run('backup', file!, '--store', 'memory')).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
});

describe('the store of the commands', () => {
  const commands = [['backup', join(root, 'out')], ['restore', join(root, 'out')], ['reindex']];

  it.each(commands)('is the server that a file of the environment names: %s', async (...args) => {
    const directory = join(root, 'beside');
    mkdirSync(directory, { recursive: true });
    const file = join(root, 'database-url');
    writeFileSync(file, 'postgres://127.0.0.1:1/base');
    vi.stubEnv('DATABASE_URL_FILE', file);
    vi.stubEnv('ZKMARGIN_STORE', directory);
    const code = args[0] === 'reindex' ? 'STORE_UNAVAILABLE' : 'UNSUPPORTED';
    await expect(run(...args)).rejects.toMatchObject({ code });
    expect(readdirSync(directory)).toEqual([]);
  });

  it('is the one of the configuration file', async () => {
    const config = join(root, 'serve.json');
    writeFileSync(config, JSON.stringify({ store: join(root, 'configured'), port: 1 }), { mode: 0o600 });
    const absent = { code: 'NOT_FOUND', message: expect.stringContaining('configured') };
    await expect(run('reindex', '--config', config)).rejects.toMatchObject(absent);
    vi.stubEnv('ZKMARGIN_CONFIG', config);
    await expect(run('backup', join(root, 'out'))).rejects.toMatchObject(absent);
  });

  it('is not made where there is none', async () => {
    const directory = join(root, 'other');
    mkdirSync(join(directory, 'data'), { recursive: true });
    for (const args of [['backup', join(root, 'out')], ['reindex']]) {
      await expect(run(...args, '--store', directory)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }
    expect(readdirSync(directory)).toEqual(['data']);
  });
});
