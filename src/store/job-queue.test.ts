import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { mulberry32 } from '../math/float/random.ts';
import { type Database, openDatabase } from './database.ts';
import {
  type ClaimedJob,
  EVERYBODY,
  JOB_PRIORITIES,
  type JobPriority,
  type JobResult,
  type NewJob,
} from './job.ts';
import { JobQueue, type JobQueueOptions } from './job-queue.ts';
import { readMigrations } from './migrate.ts';
import { NO_POSTGRES, postgresBinaries, startTestPostgres, type TestPostgres } from './testing.ts';

const KEY = 'key';
const SECRET = '81985529216486895';
const idOf = (name: string | number): string => createHash('sha256').update(String(name)).digest('hex');
const job = (name: string | number, changes: Partial<NewJob> = {}): NewJob => ({
  id: idOf(name),
  circuit: 'settlement-8',
  keyDigest: KEY,
  priority: 'solvency',
  input: { salt: SECRET, name: String(name) },
  figures: { cash: '-1' },
  maxMs: 60_000,
  ...changes,
});
const result = (note: string): JobResult => ({
  proof: { pi_a: [note], pi_b: [], pi_c: [], protocol: 'groth16', curve: 'bn128' },
  publicSignals: ['1'],
  calldata: { a: ['1', '2'], b: [['1', '2']], c: ['1', '2'] } as unknown as JobResult['calldata'],
  timings: { loading: 0, witness: 1, proving: 2, verifying: 3 },
});
const failure = { code: 'PROOF_FAILED', message: 'It failed.' } as const;

let server: TestPostgres | undefined;
if (postgresBinaries() === undefined) console.warn(`left out: ${NO_POSTGRES}`);
beforeAll(async () => {
  if (postgresBinaries() !== undefined) server = await startTestPostgres();
});
afterAll(() => server?.stop());

const kinds: [string, boolean, () => Promise<Database>][] = [
  ['embedded', true, () => openDatabase()],
  [
    'postgres',
    postgresBinaries() !== undefined,
    async () => openDatabase({ url: await server!.createDatabase() }),
  ],
];

describe.each(kinds)('%s', (_kind, present, open) => {
  const it_ = it.runIf(present);
  let database: Database;
  let queue: JobQueue;
  const renew = (options: JobQueueOptions = {}): JobQueue => {
    queue = new JobQueue(database, { retryMs: 0, ...options });
    return queue;
  };
  const claim = (worker = 'w', least?: JobPriority) => queue.claim(worker, [KEY], least);
  const endLeases = () =>
    database.query("update jobs set lease_until = clock_timestamp() where state = 'proving'");
  const inputs = async () =>
    (await database.query<{ job_id: string }>('select job_id from job_inputs order by job_id')).map(
      ({ job_id }) => job_id,
    );

  beforeAll(async () => {
    if (present) database = await open();
  });
  beforeEach(async () => {
    if (!present) return;
    await database.query('truncate jobs cascade');
    renew();
  });
  afterAll(() => database?.close());

  it_('takes a job from its acceptance to its proof', async () => {
    const { record, created } = await queue.create(job(1));
    expect(created).toBe(true);
    expect(record).toMatchObject({
      state: 'queued',
      priority: 'solvency',
      attempts: 0,
      figures: { cash: '-1' },
    });
    expect(record.deadline - record.createdAt).toBeCloseTo(60_000, -2);
    expect(JSON.stringify(record)).not.toContain(SECRET);
    expect(await queue.create(job(1))).toMatchObject({ created: false, record: { state: 'queued' } });
    const claimed = (await claim())!;
    expect(claimed).toMatchObject({ id: idOf(1), attempt: 1, input: { salt: SECRET } });
    expect(claimed.remainingMs).toBeGreaterThan(50_000);
    expect(await claim()).toBeUndefined();
    const standing = await queue.heartbeat(claimed, 'witness');
    expect(standing).toMatchObject({ priority: 'solvency' });
    expect(standing!.remainingMs).toBeGreaterThan(50_000);
    expect(await queue.get(idOf(1))).toMatchObject({ state: 'proving', stage: 'witness', attempts: 1 });
    expect(await queue.complete(claimed, result('x'))).toBe(true);
    const done = (await queue.get(idOf(1)))!;
    expect(done).toMatchObject({ state: 'done', result: result('x') });
    expect(done.stage).toBeUndefined();
    expect(await inputs()).toEqual([]);
    expect(await queue.complete(claimed, result('y'))).toBe(false);
    expect(await queue.create(job(1))).toMatchObject({ created: false, record: { state: 'done' } });
  });

  it_('gives the most urgent first, then the oldest, and only those of known keys', async () => {
    for (const [index, priority] of (
      ['speculative', 'solvency', 'liquidation', 'solvency'] as const
    ).entries())
      await queue.create(job(index, { priority }));
    await queue.create(job('other', { priority: 'liquidation', keyDigest: 'another' }));
    expect(await queue.claim('w', [])).toBeUndefined();
    expect((await claim('w', 'liquidation'))?.id).toBe(idOf(2));
    expect(await claim('w', 'liquidation')).toBeUndefined();
    const order = [await claim(), await claim(), await claim(), await claim()].map((claimed) => claimed?.id);
    expect(order).toEqual([idOf(1), idOf(3), idOf(0), undefined]);
    expect(await queue.counts()).toMatchObject({ queued: { liquidation: 1, speculative: 0 }, proving: 4 });
  });

  it_('makes a job more urgent and gives it more time when it is asked for so, never less', async () => {
    await queue.create(job(1, { priority: 'speculative', maxMs: 5_000 }));
    await queue.create(job(2));
    const raised = (await queue.create(job(1, { priority: 'liquidation' }))).record;
    expect(raised.priority).toBe('liquidation');
    expect(raised.deadline - raised.createdAt).toBeGreaterThan(50_000);
    const again = (await queue.create(job(1, { priority: 'speculative', maxMs: 1 }))).record;
    expect([again.priority, again.deadline]).toEqual(['liquidation', raised.deadline]);
    expect((await claim())?.id).toBe(idOf(1));
  });

  it_("lets speculation have a bound of its own, and no one else's place", async () => {
    renew({ capacity: 3, speculativeCapacity: 2 });
    await queue.create(job(1, { priority: 'speculative' }));
    await queue.create(job(2, { priority: 'speculative' }));
    await expect(queue.create(job(3, { priority: 'speculative' }))).rejects.toMatchObject({ code: 'BUSY' });
    for (const name of [4, 5, 6])
      expect(await queue.create(job(name, { priority: 'liquidation' }))).toMatchObject({ created: true });
    await expect(queue.create(job(7, { priority: 'liquidation' }))).rejects.toMatchObject({ code: 'BUSY' });
    // One that is asked for becomes a liquidation, although there is no room for another.
    expect(await queue.create(job(1, { priority: 'liquidation' }))).toMatchObject({ created: false });
    expect((await queue.counts()).queued).toMatchObject({ liquidation: 4, speculative: 1 });
  });

  it_('speculates only while nothing more urgent could be taken', async () => {
    const speculate = () => queue.claimSpeculative('w', [KEY]);
    await queue.create(job(1, { priority: 'speculative' }));
    await queue.create(job(2, { priority: 'attestation' }));
    await queue.create(job('other', { priority: 'liquidation', keyDigest: 'another' }));
    expect(await speculate()).toBeUndefined();
    expect((await claim('w', 'attestation'))?.id).toBe(idOf(2));
    expect(await claim('w', 'attestation')).toBeUndefined();
    const claimed = (await speculate())!;
    expect(claimed).toMatchObject({ id: idOf(1), priority: 'speculative' });
    expect(await speculate()).toBeUndefined();
    expect(await queue.heartbeat(claimed)).toMatchObject({ priority: 'speculative' });
    await queue.create(job(1, { priority: 'liquidation' }));
    expect(await queue.heartbeat(claimed)).toMatchObject({ priority: 'liquidation' });
    // A failed attempt that has to wait for the next one keeps nobody from speculating.
    renew({ retryMs: 30_000 });
    await queue.create(job(3));
    await queue.fail((await claim())!, failure, true);
    await queue.create(job(4, { priority: 'speculative' }));
    expect((await speculate())?.id).toBe(idOf(4));
  });

  it_('gives up speculation, but nothing that was asked for', async () => {
    for (const name of [1, 2]) await queue.create(job(name, { priority: 'speculative' }));
    const [first, second] = [(await claim())!, (await claim())!];
    await queue.create(job(2, { priority: 'liquidation' }));
    expect(await queue.cancelSpeculative(idOf(1))).toBe(true);
    expect(await queue.cancelSpeculative(idOf(2))).toBe(false);
    expect(await queue.heartbeat(first)).toBeUndefined();
    expect(await queue.complete(second, result('x'))).toBe(true);
    expect(await inputs()).toEqual([]);
    // Asked for after all, it begins anew.
    expect(await queue.create(job(1, { priority: 'liquidation' }))).toMatchObject({ created: true });
  });

  it_('refuses more than it has room for, but for what is more urgent', async () => {
    renew({ capacity: 2 });
    await queue.create(job(1, { priority: 'attestation' }));
    await queue.create(job(2, { priority: 'attestation' }));
    expect([await queue.isFull('attestation'), await queue.isFull()]).toEqual([true, false]);
    await expect(queue.create(job(3, { priority: 'speculative' }))).rejects.toMatchObject({ code: 'BUSY' });
    expect(await queue.create(job(4, { priority: 'liquidation' }))).toMatchObject({ created: true });
    expect(await queue.create(job(1, { priority: 'attestation' }))).toMatchObject({ created: false });
    await queue.complete((await claim())!, result('x'));
    await expect(queue.create(job(3, { priority: 'attestation' }))).rejects.toMatchObject({ code: 'BUSY' });
    await queue.cancel(idOf(1));
    expect(await queue.create(job(3, { priority: 'attestation' }))).toMatchObject({ created: true });
  });

  it_('is claimed by those who ask, and cancelled or forgotten when nobody claims it any more', async () => {
    await queue.create(job(1, { client: 'a' }));
    await queue.create(job(1, { client: 'b', priority: 'liquidation' }));
    expect(await queue.claims(idOf(1))).toEqual(['a', 'b']);
    expect(await queue.withdraw(idOf(1), 'c')).toBe('unclaimed');
    expect(await queue.withdraw(idOf(2), 'a')).toBe('unknown');
    expect(await queue.withdraw(idOf(1), 'b')).toBe('kept');
    // Who leaves takes its urgency along.
    expect(await queue.get(idOf(1))).toMatchObject({ state: 'queued', priority: 'solvency' });
    expect(await queue.withdraw(idOf(1), 'b')).toBe('unclaimed');
    expect(await queue.withdraw(idOf(1), 'a')).toBe('cancelled');
    expect(await queue.get(idOf(1))).toMatchObject({ state: 'failed', error: { code: 'CANCELLED' } });
    expect(await queue.withdraw(idOf(1), 'b')).toBe('unclaimed');
    expect(await queue.withdraw(idOf(1), 'a')).toBe('forgotten');
    expect(await queue.get(idOf(1))).toBeUndefined();

    // Begun anew, a failed job is of those who ask then.
    await queue.create(job(2, { client: 'a' }));
    await queue.withdraw(idOf(2), 'a');
    expect(await queue.create(job(2, { client: 'b' }))).toMatchObject({ created: true });
    expect(await queue.claims(idOf(2))).toEqual(['b']);
    await queue.complete((await claim())!, result('x'));
    expect(await queue.create(job(2, { client: 'a' }))).toMatchObject({ created: false });
    expect(await queue.join(job(2, { client: 'c' }))).toMatchObject({ state: 'done' });
    for (const client of ['b', 'a']) expect(await queue.withdraw(idOf(2), client)).toBe('kept');
    expect(await queue.withdraw(idOf(2), 'c')).toBe('forgotten');
    expect(await queue.join(job(2, { client: 'c' }))).toBeUndefined();
    expect(await database.query('select * from job_claims')).toEqual([]);
  });

  it_('does not end for one who asks while another one takes it back', async () => {
    for (let round = 0; round < 15; round++) {
      await queue.create(job(round, { client: 'a' }));
      await Promise.all([queue.withdraw(idOf(round), 'a'), queue.create(job(round, { client: 'b' }))]);
      const [record, claims] = [await queue.get(idOf(round)), await queue.claims(idOf(round))];
      expect([record?.state, claims]).toEqual(['queued', ['b']]);
      const speculative = job(`speculative ${round}`, { priority: 'speculative' });
      await queue.create(speculative);
      await Promise.all([
        queue.cancelSpeculative(speculative.id),
        queue.create({ ...speculative, client: 'b' }),
      ]);
      expect((await queue.get(speculative.id))?.state).toBe('queued');
      for (const id of [idOf(round), speculative.id]) await queue.cancel(id);
    }
  });

  it_(
    "belongs to the service while it is speculative and nobody asked, and is the client's then",
    async () => {
      for (const name of [1, 2]) await queue.create(job(name, { priority: 'speculative' }));
      expect(await queue.withdraw(idOf(1), 'a')).toBe('unclaimed');
      // Not even more urgent than before.
      await queue.create(job(1, { priority: 'speculative', client: 'a' }));
      expect(await queue.cancelSpeculative(idOf(1))).toBe(false);
      expect(await queue.cancelSpeculative(idOf(2))).toBe(true);
      expect(await queue.withdraw(idOf(1), 'a')).toBe('cancelled');
    },
  );

  it_('stays for those for whom the service makes it when one who asked leaves', async () => {
    const made = (name: number) => job(name, { priority: 'speculative' });
    const asked = (name: number, client: string) => job(name, { priority: 'liquidation', client });
    await queue.create(made(1));
    await queue.create(asked(1, 'a'));
    expect(await queue.withdraw(idOf(1), 'a')).toBe('kept');
    expect(await queue.get(idOf(1))).toMatchObject({ state: 'queued', priority: 'speculative' });
    expect(await queue.withdraw(idOf(1), 'a')).toBe('unclaimed');
    // Neither does it end one that the service wanted, too, nor a proof that is there.
    await queue.create(asked(2, 'a'));
    await queue.create(made(2));
    expect(await queue.withdraw(idOf(2), 'a')).toBe('kept');
    await queue.complete((await claim())!, result('x'));
    await queue.create(asked(1, 'a'));
    expect(await queue.withdraw(idOf(1), 'a')).toBe('kept');
    expect(await queue.create(asked(1, 'b'))).toMatchObject({ created: false, record: { state: 'done' } });
    // What the service wants no more is of its clients again.
    await queue.create(asked(2, 'b'));
    expect(await queue.cancelSpeculative(idOf(2))).toBe(false);
    expect(await queue.withdraw(idOf(2), 'b')).toBe('cancelled');
  });

  it_('gives each client a share, of which less urgent jobs keep out no more urgent ones', async () => {
    renew({ capacity: 8, maxJobsPerClient: 2, speculativeCapacity: 4 });
    const ask = (name: number, client: string, priority: JobPriority) =>
      queue.create(job(name, { client, priority }));
    const refused = { code: 'SHARE_EXCEEDED', details: { limit: 2 } };
    for (const name of [1, 2]) await ask(name, 'a', 'attestation');
    await expect(ask(3, 'a', 'attestation')).rejects.toMatchObject(refused);
    for (const name of [3, 4]) await ask(name, 'a', 'liquidation');
    await expect(ask(5, 'a', 'liquidation')).rejects.toMatchObject(refused);
    await expect(ask(5, 'a', 'solvency')).rejects.toMatchObject(refused);
    // Neither does asking for more urgency, nor for the job of another one.
    await expect(ask(1, 'a', 'liquidation')).rejects.toMatchObject(refused);
    expect(await ask(1, 'a', 'attestation')).toMatchObject({ created: false });
    expect(await ask(5, 'b', 'liquidation')).toMatchObject({ created: true });
    await expect(ask(5, 'a', 'liquidation')).rejects.toMatchObject(refused);
    // What is done takes no place, nor what is taken back.
    await queue.complete((await claim())!, result('x'));
    expect(await ask(5, 'a', 'liquidation')).toMatchObject({ created: false });
    await queue.withdraw(idOf(5), 'a');
    expect(await ask(6, 'a', 'liquidation')).toMatchObject({ created: true });
    // Speculative jobs have the same part of their own bound.
    await ask(7, 'c', 'speculative');
    await expect(ask(8, 'c', 'speculative')).rejects.toMatchObject({ details: { limit: 1 } });
    // Without API keys, and for the service itself, the queue's bounds are all there is.
    for (const name of [20, 21, 22]) await ask(name, EVERYBODY, 'liquidation');
    await queue.create(job(23, { priority: 'liquidation' }));
  });

  it_('takes over the jobs of a store of the former version', async () => {
    // What the step has made, undone.
    await database.transaction((tx) =>
      tx.script(`drop table job_claims; alter table jobs drop column turn;
        create index jobs_queued on jobs (priority, place) where state = 'queued';
        insert into jobs (id, circuit, key_digest, priority, state, figures, max_attempts, deadline) values
          ('${idOf(1)}', 'settlement-8', '${KEY}', 1, 'queued', '{}', 3, now() + interval '1 minute'),
          ('${idOf(2)}', 'settlement-8', '${KEY}', 3, 'queued', '{}', 3, now() + interval '1 minute');
        insert into job_inputs select id, '{}' from jobs;`),
    );
    for (const { name, sql } of readMigrations())
      if (name === 'claims' || name === 'turns') await database.transaction((tx) => tx.script(sql));
    expect([await queue.claims(idOf(1)), await queue.claims(idOf(2))]).toEqual([[EVERYBODY], []]);
    expect(await queue.create(job(1, { client: 'a' }))).toMatchObject({ created: false });
    expect(await queue.withdraw(idOf(1), 'b')).toBe('unclaimed');
    expect(await queue.withdraw(idOf(1), 'a')).toBe('kept');
    expect(await queue.complete((await claim())!, result('x'))).toBe(true);
    expect(await queue.get(idOf(1))).toMatchObject({ state: 'done' });
    expect(await queue.withdraw(idOf(1), EVERYBODY)).toBe('forgotten');
    expect(await queue.cancelSpeculative(idOf(2))).toBe(true);
  });

  it_('leaves no turn to those who shared a job with one who leaves', async () => {
    renew({ capacity: 100 });
    const ask = (name: number, client: string, priority: JobPriority = 'solvency') =>
      queue.create(job(name, { client, priority }));
    // One who asks and leaves puts no job of another one first, nor by asking for more urgency meanwhile.
    for (const name of [1, 2, 3]) {
      await ask(name, 'a');
      await ask(name, 'b');
      await queue.withdraw(idOf(name), 'a');
    }
    for (const name of [4, 5]) {
      await ask(name, 'b');
      await ask(name, 'a', 'liquidation');
      await queue.withdraw(idOf(name), 'a');
    }
    await ask(6, 'c');
    const order = [];
    for (let next = await claim(); next !== undefined; next = await claim()) order.push(next.id);
    expect(order).toEqual([1, 6, 2, 3, 4, 5].map(idOf));
  });

  it_('gives each client its turn', async () => {
    renew({ capacity: 100 });
    for (const name of [1, 2, 3, 4]) await queue.create(job(name, { client: 'a' }));
    for (const name of [5, 6]) await queue.create(job(name, { client: 'b' }));
    const next = async (): Promise<number> => {
      const { id } = (await claim())!;
      return [1, 2, 3, 4, 5, 6, 7, 8].find((name) => idOf(name) === id)!;
    };
    expect([await next(), await next(), await next()]).toEqual([1, 5, 2]);
    // One that comes later has no claim to the turns that are over.
    await queue.create(job(7, { client: 'c' }));
    await queue.create(job(8, { client: 'c' }));
    expect([await next(), await next(), await next(), await next(), await next()]).toEqual([6, 7, 3, 8, 4]);
  });

  it_('keeps to its bound when many ask at once', async () => {
    renew({ capacity: 5 });
    const asked = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) => queue.create(job(index))),
    );
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
    expect((await queue.counts()).queued.solvency).toBe(5);
  });

  it_('tries again with a growing pause, keeps the causes, and gives up', async () => {
    renew({ maxAttempts: 2, retryMs: 2_000 });
    await queue.create(job(1));
    const first = (await claim('first'))!;
    expect(await queue.fail(first, failure, true)).toBe('queued');
    expect(await claim()).toBeUndefined();
    let second: ClaimedJob | undefined;
    await expect
      .poll(
        async () => {
          second = await claim('second');
          return second?.attempt;
        },
        { timeout: 10_000 },
      )
      .toBe(2);
    expect(await queue.fail(first, failure, true)).toBeUndefined();
    expect(await queue.fail(second!, failure, true)).toBe('failed');
    const failed = (await queue.get(idOf(1)))!;
    expect(failed).toMatchObject({ state: 'failed', error: failure, attempts: 2 });
    expect(failed.causes.map(({ worker, code }) => [worker, code])).toEqual([
      ['first', 'PROOF_FAILED'],
      ['second', 'PROOF_FAILED'],
    ]);
    expect(await inputs()).toEqual([]);
    const renewed = await queue.create(job(1));
    expect(renewed).toMatchObject({ created: true, record: { state: 'queued', attempts: 0, causes: [] } });
    await queue.fail((await claim())!, failure, false);
    expect(await queue.get(idOf(1))).toMatchObject({ state: 'failed', attempts: 1 });
  });

  it_('takes a job from a worker that is silent, whose proof then counts for nothing', async () => {
    await queue.create(job(1));
    const lost = (await claim('lost'))!;
    expect(await queue.maintain()).toMatchObject({ recovered: 0 });
    await endLeases();
    expect(await queue.maintain()).toMatchObject({ recovered: 1, abandoned: 0 });
    expect(await queue.heartbeat(lost)).toBeUndefined();
    expect(await queue.complete(lost, result('late'))).toBe(false);
    const next = (await claim('next'))!;
    expect(next.attempt).toBe(1);
    expect(await queue.complete(lost, result('late'))).toBe(false);
    expect(await queue.release(lost)).toBe(false);
    expect(await queue.fail(lost, failure, false)).toBeUndefined();
    expect(await queue.complete(next, result('right'))).toBe(true);
    expect(await queue.get(idOf(1))).toMatchObject({
      result: result('right'),
      causes: [{ worker: 'lost', code: 'PROOF_FAILED', message: 'The proving process was lost.' }],
    });
  });

  it_('does not go on for ever with a job that ends every worker', async () => {
    await queue.create(job(1));
    let taken = 0;
    for (; taken < 100 && (await claim()) !== undefined; taken++) {
      await endLeases();
      await queue.maintain();
    }
    expect(taken).toBeGreaterThan(5);
    expect(await queue.get(idOf(1))).toMatchObject({ state: 'failed', error: { code: 'PROOF_FAILED' } });
  });

  it_('fails what is overdue, queued or not, and refuses its proof', async () => {
    await queue.create(job(1, { maxMs: 1 }));
    await queue.create(job(2));
    const claimed = (await claim())!;
    expect(claimed.id).toBe(idOf(2));
    await database.query("update jobs set deadline = clock_timestamp() where state = 'proving'");
    expect(await queue.complete(claimed, result('late'))).toBe(false);
    expect(await queue.maintain()).toMatchObject({ overdue: 2 });
    for (const name of [1, 2])
      expect(await queue.get(idOf(name))).toMatchObject({ state: 'failed', error: { code: 'TIMEOUT' } });
    expect(await inputs()).toEqual([]);
  });

  it_('cancels, gives back, forgets', async () => {
    await queue.create(job(1));
    const claimed = (await claim())!;
    expect(await queue.release(claimed)).toBe(true);
    expect(await queue.get(idOf(1))).toMatchObject({ state: 'queued', attempts: 0 });
    expect(await queue.delete(idOf(1))).toBe(false);
    const again = (await claim())!;
    expect(await queue.cancel(idOf(1))).toBe(true);
    expect(await queue.cancel(idOf(1))).toBe(false);
    expect(await queue.complete(again, result('x'))).toBe(false);
    expect(await queue.get(idOf(1))).toMatchObject({ state: 'failed', error: { code: 'CANCELLED' } });
    expect(await queue.delete(idOf(1))).toBe(true);
    expect(await queue.get(idOf(1))).toBeUndefined();
    expect([await queue.cancel(idOf(1)), await queue.delete(idOf(1))]).toEqual([false, false]);
    await queue.create(job(2));
    expect((await claim())?.id).toBe(idOf(2));
    await queue.reclaim();
    expect(await queue.maintain()).toMatchObject({ recovered: 1 });
  });

  it_('forgets finished jobs by age and number', async () => {
    renew({ maxFinished: 2 });
    for (const name of [1, 2, 3, 4]) {
      await queue.create(job(name));
      await queue.cancel(idOf(name));
    }
    await queue.create(job(5));
    expect(await queue.maintain()).toMatchObject({ forgotten: 2 });
    expect([(await queue.get(idOf(2)))?.state, (await queue.get(idOf(3)))?.state]).toEqual([
      undefined,
      'failed',
    ]);
    renew({ retentionMs: 0 });
    expect(await queue.maintain()).toMatchObject({ forgotten: 2 });
    expect(await queue.size()).toBe(1);
  });

  it_('tells waiters and watchers what happens', async () => {
    await queue.create(job(1));
    const heard: string[] = [];
    const stop = await queue.onQueued((priority) => heard.push(priority));
    const waiting = queue.wait(idOf(1), 30_000);
    const watched: string[] = [];
    const watching = (async () => {
      for await (const { state, stage } of queue.changes(idOf(1), new AbortController().signal))
        watched.push(stage ?? state);
    })();
    await expect.poll(() => watched).toEqual(['queued']);
    const claimed = (await claim())!;
    await expect.poll(() => watched.at(-1)).toBe('proving');
    await queue.heartbeat(claimed, 'witness');
    await expect.poll(() => watched.at(-1)).toBe('witness');
    await queue.complete(claimed, result('x'));
    expect(await waiting).toMatchObject({ state: 'done' });
    await watching;
    expect(watched).toEqual(['queued', 'proving', 'witness', 'done']);
    await queue.create(job(2, { priority: 'liquidation' }));
    await expect.poll(() => heard).toEqual(['liquidation']);
    stop();
    expect(await queue.wait(idOf(2), 20)).toMatchObject({ state: 'queued' });
    const leaving = new AbortController();
    const left = queue.wait(idOf(2), 30_000, leaving.signal);
    leaving.abort();
    expect(await left).toMatchObject({ state: 'queued' });
    expect(await queue.wait(idOf('none'), 30_000)).toBeUndefined();
    await queue.close();
  });

  it_(
    'gives each job to one worker, whatever workers do, and ends each once',
    async () => {
      renew({ capacity: 200, maxAttempts: 100, leaseMs: 3_600_000 });
      const count = 60;
      for (let index = 0; index < count; index++)
        await queue.create(job(index, { priority: JOB_PRIORITIES[index % 4]! }));
      const ended = new Map<string, string[]>();
      const holders = new Map<string, string>();
      let shared = 0;
      const random = mulberry32(7);
      const worker = async (name: string) => {
        for (let idle = 0; ended.size < count && idle < 5_000; ) {
          const claimed = await claim(name);
          if (claimed === undefined) {
            idle++;
            await queue.maintain();
            await new Promise((resolve) => setTimeout(resolve, 5));
            continue;
          }
          const other = holders.get(claimed.id);
          if (other !== undefined) shared++;
          holders.set(claimed.id, claimed.token);
          const fate = random();
          // One that falls silent, and whose lease is over.
          if (fate < 0.1) {
            holders.delete(claimed.id);
            await database.query('update jobs set lease_until = clock_timestamp() where claim_token = $1', [
              claimed.token,
            ]);
            continue;
          }
          if (fate < 0.2) {
            holders.delete(claimed.id);
            await queue.fail(claimed, failure, true);
            continue;
          }
          await new Promise((resolve) => setTimeout(resolve, random() * 5));
          holders.delete(claimed.id);
          if (await queue.complete(claimed, result(claimed.token)))
            ended.set(claimed.id, [...(ended.get(claimed.id) ?? []), claimed.token]);
        }
      };
      await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(worker));
      const unfinished = await database.query(
        "select state, attempts, losses, error_code from jobs where state <> 'done'",
      );
      expect(unfinished).toEqual([]);
      expect([...ended.values()].map((tokens) => tokens.length)).toEqual(new Array(count).fill(1));
      for (const [id, [token]] of ended) expect((await queue.get(id))?.result).toEqual(result(token!));
      expect(shared).toBe(0);
      expect(await inputs()).toEqual([]);
    },
    240_000,
  );

  it_(
    'agrees with a simple model under any order of events',
    async () => {
      renew({ maxAttempts: 2 });
      const name = fc.integer({ min: 0, max: 2 });
      const step = fc.oneof(
        fc.record({ do: fc.constant('create' as const), name }),
        fc.record({ do: fc.constant('claim' as const) }),
        fc.record({ do: fc.constant('complete' as const), nth: fc.nat(5) }),
        fc.record({ do: fc.constant('fail' as const), nth: fc.nat(5), retry: fc.boolean() }),
        fc.record({ do: fc.constant('release' as const), nth: fc.nat(5) }),
        fc.record({ do: fc.constant('cancel' as const), name }),
        fc.record({ do: fc.constant('lose' as const) }),
      );
      interface Modelled {
        state: string;
        attempts: number;
        token?: string | undefined;
      }
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 25 }), async (steps) => {
          await database.query('truncate jobs cascade');
          const model = new Map<string, Modelled>();
          const claims: ClaimedJob[] = [];
          const holds = (claimed: ClaimedJob) => model.get(claimed.id)?.token === claimed.token;
          for (const action of steps) {
            if (action.do === 'create') {
              const id = idOf(action.name);
              const before = model.get(id);
              const fresh = before === undefined || before.state === 'failed';
              expect((await queue.create(job(action.name))).created).toBe(fresh);
              if (fresh) model.set(id, { state: 'queued', attempts: 0 });
            } else if (action.do === 'claim') {
              const claimed = await claim();
              const queued = [...model.values()].some(({ state }) => state === 'queued');
              expect(claimed !== undefined).toBe(queued);
              if (claimed === undefined) continue;
              const taken = model.get(claimed.id)!;
              expect([taken.state, claimed.attempt]).toEqual(['queued', taken.attempts + 1]);
              model.set(claimed.id, { state: 'proving', attempts: claimed.attempt, token: claimed.token });
              claims.push(claimed);
            } else if (action.do === 'cancel') {
              const id = idOf(action.name);
              const open = ['queued', 'proving'].includes(model.get(id)?.state ?? '');
              expect(await queue.cancel(id)).toBe(open);
              if (open) model.set(id, { ...model.get(id)!, state: 'failed', token: undefined });
            } else if (action.do === 'lose') {
              await endLeases();
              await queue.maintain();
              for (const [id, { state, attempts }] of model)
                if (state === 'proving') model.set(id, { state: 'queued', attempts: attempts - 1 });
            } else {
              const claimed = claims[action.nth];
              if (claimed === undefined) continue;
              const held = holds(claimed);
              const { attempts } = model.get(claimed.id)!;
              if (action.do === 'complete') {
                expect(await queue.complete(claimed, result('x'))).toBe(held);
                if (held) model.set(claimed.id, { state: 'done', attempts });
              } else if (action.do === 'release') {
                expect(await queue.release(claimed)).toBe(held);
                if (held) model.set(claimed.id, { state: 'queued', attempts: attempts - 1 });
              } else {
                const state = action.retry && attempts < 2 ? 'queued' : 'failed';
                expect(await queue.fail(claimed, failure, action.retry)).toBe(held ? state : undefined);
                if (held) model.set(claimed.id, { state, attempts });
              }
            }
          }
          for (const [id, { state, attempts }] of model)
            expect(await queue.get(id)).toMatchObject({ state, attempts });
          const open = [...model].filter(([, { state }]) => state === 'queued' || state === 'proving');
          expect(await inputs()).toEqual(open.map(([id]) => id).sort());
        }),
        { numRuns: 40 },
      );
    },
    240_000,
  );
});
