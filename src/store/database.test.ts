import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Database, openDatabase } from './database.ts';
import { migrate, readMigrations } from './migrate.ts';
import { NO_POSTGRES, postgresBinaries, startTestPostgres, type TestPostgres } from './testing.ts';

const root = mkdtempSync(join(tmpdir(), 'zkmargin-store-'));
let server: TestPostgres | undefined;
if (postgresBinaries() === undefined) console.warn(`left out: ${NO_POSTGRES}`);

beforeAll(async () => {
  if (postgresBinaries() !== undefined) server = await startTestPostgres();
});
afterAll(async () => {
  await server?.stop();
  rmSync(root, { recursive: true, force: true });
});

const kinds: [string, boolean, () => Promise<Database>][] = [
  ['embedded', true, () => openDatabase()],
  [
    'postgres',
    postgresBinaries() !== undefined,
    async () => openDatabase({ url: await server!.createDatabase() }),
  ],
];

describe.each(kinds)('%s', (kind, present, open) => {
  let database: Database;
  beforeAll(async () => {
    if (present) database = await open();
  });
  afterAll(() => database?.close());
  const it_ = it.runIf(present);

  it_('reads values as both kinds do', async () => {
    expect(database.kind).toBe(kind);
    const amount = -(2n ** 255n);
    const [row] = await database.query(
      `select $1::numeric(78,0) amount, $2::int8 big, 3::int4 small, 1.5 fraction, $3::jsonb document, $4::bool flag,
        $5::text missing, $6::text[] list, $7::bytea bytes, $8::timestamptz at, $9::numeric[] amounts`,
      [
        amount,
        2n ** 62n,
        '{"a":[1,"2"]}',
        true,
        undefined,
        ['a', 'b, "c"'],
        new Uint8Array([0, 255]),
        new Date(1_740_000_000_123),
        [amount, 1n],
      ],
    );
    expect(row).toMatchObject({
      amount,
      big: 2n ** 62n,
      small: 3,
      fraction: '1.5',
      document: { a: [1, '2'] },
      flag: true,
      missing: null,
      list: ['a', 'b, "c"'],
      at: new Date(1_740_000_000_123),
    });
    expect([...(row!.bytes as Uint8Array)]).toEqual([0, 255]);
  });

  it_('keeps all of a transaction or nothing, and throws what the work threw', async () => {
    await database.query('create table things (id int primary key)');
    const failure = new Error('of the work');
    await expect(
      database.transaction(async (tx) => {
        await tx.query('insert into things values (1)');
        throw failure;
      }),
    ).rejects.toBe(failure);
    await expect(
      database.transaction(async (tx) => {
        await tx.query('insert into things values (2)');
        await tx.query('insert into things values (2)');
      }),
    ).rejects.toMatchObject({ code: 'INTERNAL', details: { sqlState: '23505' } });
    expect(
      await database.transaction((tx) => tx.query('insert into things values (3) returning id')),
    ).toEqual([{ id: 3 }]);
    expect(await database.query('select id from things')).toEqual([{ id: 3 }]);
  });

  it_('does not tell parameters in errors', async () => {
    const error = await database.query('select $1::int', ['secret']).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'INTERNAL' });
    expect(JSON.stringify(error)).not.toContain('secret');
  });

  it_('hears notices of committed transactions until it is told to stop', async () => {
    const heard: string[] = [];
    const stop = await database.listen('news', (payload) => heard.push(payload));
    await database
      .transaction(async (tx) => {
        await tx.query("select pg_notify('news', 'never')");
        throw new Error('no');
      })
      .catch(() => undefined);
    await database.query("select pg_notify('news', $1)", ['first']);
    await expect.poll(() => heard).toEqual(['first']);
    await stop();
    await database.query("select pg_notify('news', 'second')");
    await database.query('select 1');
    expect(heard).toEqual(['first']);
  });

  it_('migrates once, also when two do so at once, and refuses a changed or unknown step', async () => {
    const known = readMigrations();
    expect(await database.query('select count(*) from migrations')).toEqual([
      { count: BigInt(known.length) },
    ]);
    const number = known.length + 1;
    const extra = {
      number,
      name: 'extra',
      sql: 'create table extra (id int); insert into extra values (1);',
    };
    await Promise.all([migrate(database, [...known, extra]), migrate(database, [...known, extra])]);
    expect(await database.query('select id from extra')).toEqual([{ id: 1 }]);
    await expect(migrate(database, known)).rejects.toMatchObject({ code: 'STORE_MISMATCH' });
    await expect(migrate(database, [...known, { ...extra, sql: 'select 1' }])).rejects.toMatchObject({
      code: 'STORE_MISMATCH',
      details: { number },
    });
    const broken = {
      number: number + 1,
      name: 'broken',
      sql: 'create table half (id int); select nonsense;',
    };
    await expect(migrate(database, [...known, extra, broken])).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(await database.query("select 1 from pg_tables where tablename = 'half'")).toEqual([]);
  });

  it_(
    'gives accounts of an older schema the least value that their collateral can have in prices of slices',
    async () => {
      const known = readMigrations();
      const step = known.find(({ name }) => name === 'sale-collateral')!;
      const columns =
        'account_id, block, owner, underlying_id, commitment, scale, cash, collateral, nonce, in_auction, fee_charged_at';
      await database.transaction(async (tx) => {
        await tx.script('create schema older; set local search_path to older;');
        for (const { number, sql } of known) if (number < step.number) await tx.script(sql);
        await tx.query(
          `insert into account_states (${columns}) values (1, 5, '0x', 1, 0, 0, -9, 7, 0, false, 0), (2, 5, '0x', 1, 0, 0, 3, 0, 0, false, 0)`,
        );
        await tx.script(step.sql);
        expect(
          await tx.query('select collateral, sale_collateral from account_states order by account_id'),
        ).toEqual([
          { collateral: 7n, sale_collateral: 7n },
          { collateral: 0n, sale_collateral: 0n },
        ]);
        // None is left out from now on.
        await tx.script('savepoint whole');
        await expect(
          tx.query(`insert into account_states (${columns}) values (3, 5, '0x', 1, 0, 0, 0, 0, 0, false, 0)`),
        ).rejects.toMatchObject({ details: { sqlState: '23502' } });
        await tx.script('rollback to whole; drop schema older cascade;');
      });
    },
  );

  it_('closes twice without harm, and says afterwards that it is not there', async () => {
    await database.close();
    await database.close();
    await expect(database.query('select 1')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });
});

/** A process that opens a directory and does what `body` says with `database`. */
function child(directory: string, body: string) {
  const store = pathToFileURL(fileURLToPath(new URL('./database.ts', import.meta.url))).href;
  const script = join(root, `child-${Math.random().toString(36).slice(2)}.mjs`);
  writeFileSync(
    script,
    `import { openDatabase } from ${JSON.stringify(store)};
    try {
      const database = await openDatabase({ directory: ${JSON.stringify(directory)} });
      ${body}
    } catch (error) { console.log(error.code + ': ' + error.message); process.exit(3); }`,
  );
  const tsx = fileURLToPath(import.meta.resolve('tsx'));
  const started = spawn(process.execPath, ['--import', pathToFileURL(tsx).href, script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  started.stdout.on('data', (text) => {
    output += text;
  });
  const ended = new Promise<number | null>((resolve) => started.once('exit', resolve));
  return { ended, lines: () => output.split('\n').slice(0, -1), kill: () => started.kill('SIGKILL') };
}

describe('a directory', () => {
  it('keeps what was acknowledged when its process is killed in mid-write', async () => {
    const directory = join(root, 'killed');
    let acknowledged = 0;
    for (let round = 0; round < 2; round++) {
      const writer = child(
        directory,
        `await database.query('create table if not exists written (id int primary key, filler text)');
        const [{ last }] = await database.query('select coalesce(max(id), 0) as last from written');
        for (let id = last + 1; ; id++) {
          await database.transaction(async (tx) => {
            await tx.query('insert into written values ($1, $2)', [id, 'x'.repeat(500)]);
            await tx.query('update written set filler = $2 where id = $1', [id, 'y'.repeat(500)]);
          });
          console.log(id);
        }`,
      );
      await expect.poll(() => writer.lines().length, { timeout: 60_000 }).toBeGreaterThan(50 + 37 * round);
      writer.kill();
      await writer.ended;
      acknowledged = Number(writer.lines().at(-1));
    }
    const database = await openDatabase({ directory });
    try {
      const [found] = await database.query<{ count: bigint; last: number; whole: boolean }>(
        "select count(*), max(id) as last, bool_and(filler like 'y%') as whole from written",
      );
      // One more may have been written and not yet told.
      expect(found!.last).toBeGreaterThanOrEqual(acknowledged);
      expect(found!.last).toBeLessThanOrEqual(acknowledged + 1);
      expect(found).toMatchObject({ count: BigInt(found!.last), whole: true });
    } finally {
      await database.close();
    }
  });

  it('belongs to one process at a time', async () => {
    const directory = join(root, 'shared');
    const database = await openDatabase({ directory });
    await expect(openDatabase({ directory })).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    const second = child(directory, "console.log('open'); await database.close();");
    expect(await second.ended).toBe(3);
    expect(second.lines()).toEqual([
      `STORE_LOCKED: The store is in use by process ${process.pid}; end it, or use another directory.`,
    ]);
    await database.close();
    const third = child(directory, "console.log('open'); await database.close();");
    expect(await third.ended).toBe(0);
    expect(third.lines()).toEqual(['open']);
    expect(readdirSync(directory).filter((name) => name.startsWith('lock'))).toHaveLength(1);
  });

  it('is restored from a dump, and only where nothing is', async () => {
    const database = await openDatabase();
    await database.query('create table kept (id int)');
    await database.query('insert into kept values (7)');
    const archive = (await database.dump())!;
    await database.close();
    const directory = join(root, 'restored');
    const restored = await openDatabase({ directory, archive });
    expect(await restored.query('select id from kept')).toEqual([{ id: 7 }]);
    await restored.close();
    await expect(openDatabase({ directory, archive })).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  it('is refused beside a URL, and other URLs too', async () => {
    await expect(openDatabase({ url: 'postgres://x', directory: 'y' })).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    await expect(openDatabase({ url: 'mysql://x' })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
});

describe.runIf(postgresBinaries() !== undefined)('a server', () => {
  it('is found again after it was killed, with its notices', async () => {
    const database = await openDatabase({ url: await server!.createDatabase() });
    const heard: string[] = [];
    await database.listen('news', (payload) => heard.push(payload));
    await server!.kill();
    await expect(database.query('select 1')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await expect(database.transaction((tx) => tx.query('select 1'))).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    });
    await server!.restart();
    expect(await database.query('select 2 as two')).toEqual([{ two: 2 }]);
    await expect
      .poll(
        async () => {
          await database.query("select pg_notify('news', 'again')");
          return heard.length;
        },
        { timeout: 20_000 },
      )
      .toBeGreaterThan(0);
    await database.close();
  });

  it('is not waited for without end, also when its connection is dead', async () => {
    const url = await server!.createDatabase();
    const database = await openDatabase({ url, statementTimeoutMs: 200 });
    const unavailable = { code: 'STORE_UNAVAILABLE', message: expect.stringContaining('in time') };
    await expect(database.query('select pg_sleep(60)')).rejects.toMatchObject(unavailable);
    // The server's own limit is off: as if it were gone.
    const silent = database.transaction(async (tx) => {
      await tx.query('set local statement_timeout = 0');
      await tx.query('select pg_sleep(60)');
    });
    await expect(silent).rejects.toMatchObject(unavailable);
    expect(await database.query('select 1::int4 as one')).toEqual([{ one: 1 }]);
    await database.close();
  });

  it('tells when it cannot be reached', async () => {
    await expect(openDatabase({ url: 'postgres://nobody@127.0.0.1:1/x' })).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    });
  });
});
