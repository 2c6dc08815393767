/** Alerts from conditions to real receivers, over both kinds of store. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { IndexerStatus } from '../../src/chain/indexer/index.ts';
import { ZkMarginError } from '../../src/errors.ts';
import type { ServiceState } from '../../src/service/alerts/conditions.ts';
import type { DeliveryResult } from '../../src/service/alerts/dispatcher.ts';
import { AlertMonitor, type AlertOptions, readAlertOptions } from '../../src/service/alerts/monitor.ts';
import { type AlertNoticeView, startService } from '../../src/service/index.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import {
  NO_POSTGRES,
  postgresBinaries,
  startTestPostgres,
  type TestPostgres,
} from '../../src/store/testing.ts';
import { killAll, start } from './processes.ts';
import { type Receiver, startReceiver } from './receiver.ts';

/** Times that a process is killed. */
const KILLS = Number(process.env.ZKMARGIN_ALERT_KILLS ?? 2);
const SECRET = 'a secret of the operator';
const folder = mkdtempSync(join(tmpdir(), 'zkmargin-alerts-'));
const present = postgresBinaries() !== undefined;
if (!present) console.warn(`left out: ${NO_POSTGRES}`);
let server: TestPostgres | undefined;
let embedded: Database;
const closing: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  if (present) server = await startTestPostgres();
  embedded = await openDatabase();
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
afterAll(async () => {
  killAll();
  await embedded?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function receiver(path?: string, port?: number): Promise<Receiver> {
  const started = await startReceiver(path, port);
  closing.push(() => started.close());
  return started;
}

/** The embedded store of this file, emptied. */
async function memory(): Promise<Database> {
  await embedded.transaction((tx) =>
    tx.script('truncate alerts, alert_deliveries, alert_senders restart identity'),
  );
  return embedded;
}

/** A monitor whose conditions a test sets. */
interface Watched {
  readonly monitor: AlertMonitor;
  /** Conditions that hold: numbers of RPC endpoints that serve another chain, whether the queue is full, free bytes of the disk. */
  readonly hold: { wrong: number[]; full: boolean; free: number };
  readonly notices: AlertNoticeView[];
  readonly results: Partial<Record<DeliveryResult, number>>;
  readonly warnings: string[];
  /** Milliseconds. */
  clock: number;
}

function watch(database: Database, options: AlertOptions): Watched {
  const watched: Omit<Watched, 'monitor'> = {
    hold: { wrong: [], full: false, free: 2 ** 40 },
    notices: [],
    results: {},
    warnings: [],
    clock: 1_740_000_000_000,
  };
  const state = async (): Promise<ServiceState> => ({
    now: watched.clock,
    startedAt: 0,
    queue: { full: watched.hold.full, starvedMs: 0 },
    room: { free: watched.hold.free, reserve: 2 ** 20 },
    indexer: {
      behind: 0,
      rollbacks: 0,
      lastLook: watched.clock,
      endpoints: watched.hold.wrong.map((place) => ({ name: `rpc-${place}`, condition: 'wrongChain' })),
    } as unknown as IndexerStatus,
  });
  const monitor = new AlertMonitor(
    readAlertOptions({ holdSeconds: 0, retryMs: 1, pollMs: 10, secret: SECRET, ...options }),
    {
      database,
      state,
      now: () => watched.clock,
      onNotice: (notice) => watched.notices.push(notice),
      onDelivery: (result, count) => {
        watched.results[result] = (watched.results[result] ?? 0) + count;
      },
      onError: (error, what) => {
        watched.warnings.push(
          `${what}: ${error instanceof Error ? error.message : ''} ${JSON.stringify(error)}`,
        );
      },
    },
  );
  closing.push(() => monitor.close());
  return Object.assign(watched, { monitor });
}

const until = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 30_000, interval: 10 });

describe.each([
  ['embedded', true],
  ['postgres', present],
] as const)('alerts in a store: %s', (kind, possible) => {
  const open = async (): Promise<Database> => {
    if (kind === 'embedded') return memory();
    const database = await openDatabase({ url: await server!.createDatabase() });
    closing.push(() => database.close());
    return database;
  };

  it.runIf(possible)('are told once, when they get worse, as reminders, and when they end', async () => {
    const hook = await receiver();
    const watched = watch(await open(), { webhooks: [hook.url], reminderSeconds: 600 });
    const { monitor, hold } = watched;
    await monitor.start();
    hold.full = true;
    await monitor.judge();
    await monitor.judge();
    await until(() => expect(hook.notices()).toEqual(['raised queue-full']));
    watched.clock += 600_000;
    await monitor.judge();
    await until(() => expect(hook.notices()).toEqual(['raised queue-full', 'reminded queue-full']));
    expect(monitor.open().map(({ id }) => id)).toEqual(['queue-full']);
    expect(await monitor.store.list({ state: 'open' })).toMatchObject([
      { id: 'queue-full', times: 2, raisedAt: 1_740_000_000n, toldAt: 1_740_000_600n },
    ]);
    watched.clock += 1_000;
    hold.full = false;
    await monitor.judge();
    await until(() => expect(hook.notices().at(-1)).toBe('resolved queue-full'));
    expect(monitor.open()).toEqual([]);
    expect(await monitor.store.list({ state: 'open' })).toEqual([]);
    expect(await monitor.store.list()).toMatchObject([{ number: 1n, resolvedAt: 1_740_000_601n }]);
    // The same condition again is another alert.
    hold.full = true;
    await monitor.judge();
    await until(() => expect(hook.notices()).toHaveLength(4));
    expect(watched.notices.map(({ step, alert }) => `${step} ${alert.number}`)).toEqual([
      'raised 1',
      'reminded 1',
      'resolved 1',
      'raised 2',
    ]);
    await until(async () => expect(await monitor.store.deliveryCounts()).toEqual({ waiting: 0, dead: 0 }));
    for (const free of [2 ** 22, 2 ** 20, 2 ** 22, 2 ** 20]) {
      hold.free = free;
      await monitor.judge();
    }
    await until(() => expect(hook.notices().slice(4)).toEqual(['raised store-low', 'worsened store-low']));
    expect(hook.all.at(-1)!.delivery.notices[0]!.alert).toMatchObject({ severity: 'critical', times: 2 });
    expect(await monitor.store.list({ limit: 1 })).toMatchObject([
      { kind: 'store-low', severity: 'critical' },
    ]);
  });

  it.runIf(possible)('are neither repeated nor forgotten after a restart', async () => {
    const hook = await receiver();
    hook.answer = 503;
    const database = await open();
    const first = watch(database, { webhooks: [hook.url], maxTries: 100 });
    first.hold.full = true;
    first.hold.wrong = [1];
    await first.monitor.start();
    await until(() => expect(hook.all.length).toBeGreaterThan(1));
    await first.monitor.close();
    expect(hook.taken()).toEqual([]);

    hook.answer = 204;
    const second = watch(database, { webhooks: [hook.url] });
    second.hold.full = true;
    await second.monitor.start();
    // What waited arrives; what held and holds is not told again; what ended meanwhile is resolved.
    await until(() =>
      expect(hook.notices()).toEqual([
        'raised endpoint-wrong-chain',
        'raised queue-full',
        'resolved endpoint-wrong-chain',
      ]),
    );
    expect(new Set(hook.all.map(({ headers }) => headers['idempotency-key'])).size).toBe(2);
    expect(second.notices.map(({ step }) => step)).toEqual(['resolved']);
  });

  it.runIf(possible)('arrive in their order, whatever receivers do meanwhile', async () => {
    const database = await open();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom<'ok' | 'fail' | 'reset' | 'later'>('ok', 'fail', 'reset', 'later'), {
          maxLength: 12,
        }),
        fc.array(fc.uniqueArray(fc.nat(4)), { minLength: 1, maxLength: 6 }),
        async (behaviour, steps) => {
          await database.query('delete from alerts');
          const hook = await startReceiver();
          hook.answer = (count) =>
            (({ ok: 204, fail: 500, reset: 'reset', later: { retryAfter: 0 } }) as const)[
              behaviour[count] ?? 'ok'
            ];
          const watched = watch(database, { webhooks: [hook.url], maxTries: 100 });
          try {
            await watched.monitor.start();
            for (const wrong of steps) {
              watched.hold.wrong = wrong;
              await watched.monitor.judge();
            }
            const told = watched.notices.map(({ step, alert }) => `${step} ${alert.number}`);
            await until(() =>
              expect(
                hook
                  .taken()
                  .flatMap(({ delivery }) =>
                    delivery.notices.map((item) => `${item.step} ${item.alert.number}`),
                  ),
              ).toEqual(told),
            );
          } finally {
            await watched.monitor.close();
            await hook.close();
          }
        },
      ),
      { numRuns: 12 },
    );
  });
});

describe('a delivery', () => {
  it('is signed, as the documented recipe verifies', async () => {
    const hook = await receiver();
    const watched = watch(await memory(), { webhooks: [hook.url] });
    watched.clock = Date.now();
    watched.hold.full = true;
    await watched.monitor.start();
    await until(() => expect(hook.taken()).toHaveLength(1));
    const [recipe] = /(?<=```js\n)import \{ createHmac[\s\S]*?(?=```)/.exec(
      readFileSync('docs/alerts.md', 'utf8'),
    )!;
    const { isGenuine } = (await import(`data:text/javascript,${encodeURIComponent(recipe)}`)) as {
      isGenuine(secret: string, headers: Record<string, unknown>, body: string): boolean;
    };
    const { headers, body, delivery } = hook.all[0]!;
    expect(isGenuine(SECRET, headers, body)).toBe(true);
    expect(isGenuine(`${SECRET}.`, headers, body)).toBe(false);
    expect(isGenuine(SECRET, headers, `${body} `)).toBe(false);
    const old = { ...headers, 'zkmargin-timestamp': String(Number(headers['zkmargin-timestamp']) - 1) };
    expect(isGenuine(SECRET, old, body)).toBe(false);
    const signature = String(headers['zkmargin-signature']);
    for (const wrong of [undefined, `${signature.slice(1)}é`, 'é'.repeat(signature.length)]) {
      expect(isGenuine(SECRET, { ...headers, 'zkmargin-signature': wrong }, body)).toBe(false);
    }
    expect(headers).toMatchObject({ 'content-type': 'application/json' });
    expect(headers['idempotency-key']).toMatch(/^[0-9a-f-]{36}$/);
    expect(delivery).toMatchObject({
      version: 1,
      notices: [{ step: 'raised', alert: { kind: 'queue-full', severity: 'warning' } }],
    });
  });

  it('is repeated with the same key when the receiver hangs, fails, breaks off or asks for time', async () => {
    const hook = await receiver();
    const answers = ['hang', 500, 'reset', { retryAfter: 0 }] as const;
    hook.answer = (count) => answers[count] ?? 200;
    const watched = watch(await memory(), { webhooks: [hook.url], timeoutMs: 200 });
    watched.hold.full = true;
    await watched.monitor.start();
    await until(() => expect(hook.notices()).toEqual(['raised queue-full']));
    expect(hook.all).toHaveLength(5);
    expect(new Set(hook.all.map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
    expect(new Set(hook.all.map(({ body }) => body)).size).toBe(1);
    // Counted when the answer is read.
    await until(() => expect(watched.results).toEqual({ retried: 4, delivered: 1 }));
  });

  it('follows no redirect, and is given up after the last attempt; the next one is tried', async () => {
    const other = await receiver('/other');
    const hook = await receiver('/a-secret-path');
    hook.answer = { redirect: other.url };
    const watched = watch(await memory(), { webhooks: [hook.url], maxTries: 3 });
    watched.hold.full = true;
    await watched.monitor.start();
    await until(() => expect(watched.results.dead).toBe(1));
    expect(hook.all).toHaveLength(3);
    expect(other.all).toEqual([]);
    expect(await watched.monitor.store.deliveryCounts()).toEqual({ waiting: 0, dead: 1 });
    const { host } = new URL(hook.url);
    expect(watched.warnings).toHaveLength(1);
    expect(watched.warnings[0]).toContain(host);
    expect(watched.warnings[0]).toContain('REDIRECT');
    expect(JSON.stringify(watched.warnings)).not.toContain('a-secret-path');
    const rows = await embedded.query('select * from alert_deliveries');
    expect(rows).toMatchObject([{ state: 'dead', tries: 3, cause: 'REDIRECT' }]);
    expect(rows.map((row) => Object.values(row).join()).join()).not.toContain('a-secret-path');
    hook.answer = 204;
    watched.hold.full = false;
    await watched.monitor.judge();
    await until(() => expect(hook.notices()).toEqual(['resolved queue-full']));
  });

  it('does not wait for other webhooks', async () => {
    const [slow, quick] = [await receiver('/slow'), await receiver('/quick')];
    slow.answer = 'hang';
    const watched = watch(await memory(), { webhooks: [slow.url, quick.url], timeoutMs: 60_000 });
    watched.hold.full = true;
    await watched.monitor.start();
    await until(() => expect(watched.results.delivered).toBe(1));
    expect(quick.notices()).toEqual(['raised queue-full']);
    expect(slow.taken()).toEqual([]);
    // Closing gives up what hangs, and leaves it to the next process.
    await watched.monitor.close();
    expect(await watched.monitor.store.deliveryCounts()).toEqual({ waiting: 1, dead: 0 });
  });

  it('gives way to newer ones when too many wait', async () => {
    const hook = await receiver();
    hook.answer = 'hang';
    const database = await memory();
    const first = watch(database, { webhooks: [hook.url], timeoutMs: 60_000, capacity: 3 });
    await first.monitor.start();
    for (let place = 0; place < 6; place++) {
      first.hold.wrong.push(place);
      await first.monitor.judge();
    }
    expect(first.results.dropped).toBe(3);
    await first.monitor.close();
    hook.answer = 204;
    const second = watch(database, { webhooks: [hook.url] });
    second.hold.wrong = first.hold.wrong;
    await second.monitor.start();
    await until(() => expect(hook.taken()).toHaveLength(3));
    expect(hook.taken().map(({ delivery }) => delivery.notices[0]!.alert.number)).toEqual(['4', '5', '6']);
    expect((await second.monitor.store.list()).length).toBe(6);
  });

  it('holds a hundred notices at most, and none below the severity that is asked for', async () => {
    const [all, few] = [await receiver('/all'), await receiver('/few')];
    const database = await memory();
    const first = watch(database, { webhooks: [all.url] });
    first.hold.wrong = Array.from({ length: 250 }, (_, place) => place);
    await first.monitor.start();
    await until(() => expect(all.notices()).toHaveLength(250));
    expect(all.taken().map(({ delivery }) => delivery.notices.length)).toEqual([100, 100, 50]);
    const none = { waiting: 0, dead: 0 };
    await until(async () => expect(await first.monitor.store.deliveryCounts()).toEqual(none));
    await first.monitor.close();
    const second = watch(database, { webhooks: [few.url], minimumSeverity: 'critical' });
    await second.monitor.start();
    await until(() => expect(second.notices).toHaveLength(250));
    expect(await second.monitor.store.deliveryCounts()).toEqual(none);
  });

  it('is made without the store when the store takes nothing', async () => {
    const hook = await receiver();
    const database = await memory();
    let broken = false;
    const failing: Database = Object.assign(Object.create(database) as Database, {
      transaction: (work: Parameters<Database['transaction']>[0]) =>
        broken
          ? Promise.reject(new ZkMarginError('STORE_FULL', 'The store has no room; free space on its disk.'))
          : database.transaction(work),
      query: (sql: string, parameters?: readonly unknown[]) => database.query(sql, parameters),
      kind: database.kind,
    });
    const watched = watch(failing, { webhooks: [hook.url] });
    await watched.monitor.start();
    broken = true;
    watched.hold.full = true;
    await watched.monitor.judge();
    await watched.monitor.judge();
    await until(() => expect(hook.notices()).toEqual(['raised store-unavailable']));
    expect(hook.taken()[0]!.delivery.notices[0]!.alert.text).toContain('STORE_FULL');
    broken = false;
    await watched.monitor.judge();
    await watched.monitor.judge();
    await until(() =>
      expect(hook.notices().sort()).toEqual(
        [
          'raised queue-full',
          'raised store-unavailable',
          'raised store-unavailable',
          'resolved store-unavailable',
        ].sort(),
      ),
    );
  });
});

describe.runIf(present)('two processes with one store', () => {
  it('record each step once, and one of them sends it', async () => {
    const hook = await receiver();
    const url = await server!.createDatabase();
    const both: Watched[] = [];
    for (const _ of [1, 2]) {
      const database = await openDatabase({ url });
      closing.push(() => database.close());
      both.push(watch(database, { webhooks: [hook.url] }));
    }
    await Promise.all(both.map(({ monitor }) => monitor.start()));
    for (let round = 0; round < 10; round++) {
      for (const { hold } of both) hold.full = round % 2 === 0;
      await Promise.all(both.map(({ monitor }) => monitor.judge()));
      // Each may have seen the conditions of before while the other one recorded.
      await Promise.all(both.map(({ monitor }) => monitor.judge()));
    }
    const recorded = await both[0]!.monitor.store.list();
    const told = both.flatMap(({ notices }) => notices.map(({ step, alert }) => `${step} ${alert.number}`));
    expect(new Set(told).size).toBe(told.length);
    expect(told).toHaveLength(2 * recorded.length);
    await until(() => expect(hook.taken()).toHaveLength(told.length));
    const order = hook.taken().flatMap(({ delivery }) => delivery.notices.map(({ step }) => step));
    expect(order).toEqual(order.map((_, place) => (place % 2 === 0 ? 'raised' : 'resolved')));
  });
});

describe('a process that is killed', () => {
  it(
    'loses no alert, and repeats none under another key',
    async () => {
      const hook = await receiver();
      const directory = join(folder, 'killed');
      const script = fileURLToPath(new URL('./alert-process.ts', import.meta.url));
      hook.answer = (count) => (count % 3 === 1 ? 500 : 204);
      for (let kills = 0; kills < KILLS; kills++) {
        const before = hook.taken().length;
        const child = start([directory, hook.url], {}, script);
        await until(() => expect(hook.taken().length).toBeGreaterThan(before + 6 + (kills % 5)));
        await child.kill();
      }
      const database = await openDatabase({ directory });
      closing.push(() => database.close());
      const last = watch(database, { webhooks: [hook.url] });
      await last.monitor.start();
      await until(async () => {
        expect(await last.monitor.store.deliveryCounts()).toEqual({ waiting: 0, dead: 0 });
        expect(await last.monitor.store.list({ state: 'open' })).toEqual([]);
      });
      const told = hook
        .taken()
        .flatMap(({ delivery }) => delivery.notices.map(({ step, alert }) => `${alert.number} ${step}`));
      const records = await last.monitor.store.list({ limit: 10_000 });
      // How many there were depends on the moments of the kills: each process told of several.
      expect(records.length).toBeGreaterThanOrEqual(2 * KILLS);
      expect([...told].sort()).toEqual(
        records.flatMap(({ number }) => [`${number} raised`, `${number} resolved`]).sort(),
      );
      for (const { number } of records) {
        expect(told.indexOf(`${number} raised`)).toBeLessThan(told.indexOf(`${number} resolved`));
      }
    },
    120_000 + KILLS * 30_000,
  );
});

describe('options', () => {
  it('are refused without telling their secrets', async () => {
    const bad: AlertOptions[] = [
      { webhooks: ['ftp://host/a-secret'] },
      { webhooks: ['a-secret'] },
      { webhooks: ['https://user:a-secret@host/'] },
      { webhooks: ['https://host/a-secret', 'https://host/a-secret'] },
      { secret: 'a-secret' },
      { maxTries: 0 },
    ];
    for (const alerts of bad) {
      const error = await startService({ port: 0, alerts }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ZkMarginError);
      expect((error as ZkMarginError).field).toMatch(/^alerts\./);
      expect(JSON.stringify(error) + String(error)).not.toContain('a-secret');
    }
  });
});
