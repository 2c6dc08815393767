import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../store/database.ts';
import { registerStore } from './store.ts';

const root = mkdtempSync(join(tmpdir(), 'zkmargin-backup-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

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
