import { afterAll, beforeAll, expect, it } from 'vitest';
import { settlementRequest } from '../../scripts/lib/settlement-request.ts';
import { type Database, openDatabase } from '../store/database.ts';
import { JobQueue } from '../store/job-queue.ts';
import { ProofJobs } from './proof-jobs.ts';
import { prepareProof } from './requests/index.ts';

let database: Database;
beforeAll(async () => {
  database = await openDatabase();
});
afterAll(() => database?.close());

it('refuses new jobs and waits from the moment that it is told to, and ends waits when it is closed', async () => {
  const queue = new JobQueue(database);
  const jobs = new ProofJobs({
    queue,
    keyDigests: new Map([['settlement-8', 'key']]),
    maxJobMs: 60_000,
    maxWaiting: 8,
    proverReasons: () => [],
  });
  const statement = (salt: number) =>
    prepareProof(settlementRequest(salt), { served: new Set(['settlement-8']), now: 0 });
  const { record } = await jobs.submit(await statement(1), 'a');
  const { signal } = new AbortController();
  const waiting = jobs.get(record.id, 'a', 60_000);
  const watching = jobs.changes(record.id, 'a', signal);
  expect((await watching.next()).value).toMatchObject({ id: record.id });

  jobs.refuse();
  const busy = { code: 'BUSY', details: { reasons: ['the service is closing'] } };
  await expect(jobs.submit(await statement(2), 'a')).rejects.toMatchObject(busy);
  expect(await jobs.refusals()).toEqual(['the service is closing']);
  // A job that is there is told, and claimed.
  expect(await jobs.submit(await statement(1), 'b')).toMatchObject({ created: false });
  expect(await queue.claims(record.id)).toEqual(['a', 'b']);
  // It may well be there: it is not said that it is not.
  for (const id of [record.id, '1'.repeat(64)]) {
    await expect(jobs.changes(id, 'a', signal).next()).rejects.toMatchObject(busy);
  }
  expect(await jobs.get(record.id, 'a', 60_000)).toMatchObject({ state: 'queued' });

  await jobs.close();
  expect(await waiting).toMatchObject({ state: 'queued' });
  expect((await watching.next()).done).toBe(true);
  await queue.close();
});

it('does not say that a job is missing when it closes before it has looked', async () => {
  const queue = new JobQueue(database);
  const jobs = new ProofJobs({
    queue,
    keyDigests: new Map(),
    maxJobMs: 60_000,
    maxWaiting: 8,
    proverReasons: () => [],
  });
  const first = jobs.changes('1'.repeat(64), 'a', new AbortController().signal).next();
  await jobs.close();
  await expect(first).rejects.toMatchObject({ code: 'BUSY' });
  await queue.close();
});
