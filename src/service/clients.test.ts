/** Two API keys and one service: what one does is no harm to the other. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { Groth16VerificationKey } from 'snarkjs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { settlementRequest } from '../../scripts/lib/settlement-request.ts';
import type { IndexedContracts } from '../chain/indexer/index.ts';
import { ServiceClient } from '../client/index.ts';
import type { Problem } from '../http/problem.ts';
import { type Database, openDatabase } from '../store/database.ts';
import { JobQueue, type JobQueueOptions } from '../store/job-queue.ts';
import { readApiKeys } from './access.ts';
import { buildService, type ServiceOptions } from './app.ts';
import { LiveBook } from './book/live-book.ts';
import { testChain, testChainStore } from './book/testing.ts';

const TOKENS = {
  alice: 'token-of-alice-0123456789',
  bob: 'token-of-bob-0123456789',
  reader: 'token-of-reader-0123456789',
};
const KEYS = Object.entries(TOKENS).map(
  ([name, token]) => `${name} ${name === 'reader' ? 'read' : 'read,prove'} ${token}`,
);

let database: Database;
let app: FastifyInstance;
let queue: JobQueue;
let alice: ServiceClient;
let bob: ServiceClient;
let reader: ServiceClient;

beforeAll(async () => {
  database = await openDatabase();
});
afterAll(() => database?.close());
afterEach(() => app?.close());

/** Nobody proves: jobs wait. */
async function start(
  options: Partial<ServiceOptions> = {},
  bounds: JobQueueOptions = { capacity: 8, maxJobsPerClient: 2 },
): Promise<void> {
  await database.query('truncate jobs cascade');
  queue = new JobQueue(database, bounds);
  app = buildService({
    queue,
    circuits: [
      {
        name: 'settlement-8',
        verificationKey: { protocol: 'groth16', curve: 'bn128', nPublic: 1 } as Groth16VerificationKey,
      },
    ],
    access: { keys: readApiKeys(KEYS.join('\n')) },
    ...options,
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  [alice, bob, reader] = Object.values(TOKENS).map((token) => new ServiceClient({ url, token })) as [
    ServiceClient,
    ServiceClient,
    ServiceClient,
  ];
}

const refused = (code: string, status: number) => ({ code, details: { status } });
/** What `fetch` tells of a refusal. */
async function refusalOf(path: string, token: string, init: RequestInit = {}): Promise<Response> {
  const { port } = app.server.address() as { port: number };
  return fetch(`http://127.0.0.1:${port}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
  });
}

describe('jobs', () => {
  it("are cancelled by nobody but those who asked, and not while another one's claim is left", async () => {
    await start();
    const { id } = await alice.prove(settlementRequest(1));
    await expect(bob.cancel(id)).rejects.toMatchObject(refused('FORBIDDEN', 403));
    // An id is no secret: whoever has it may read.
    expect(await reader.job(id)).toMatchObject({ id, state: 'queued' });
    await expect(bob.cancel('1'.repeat(64))).rejects.toMatchObject(refused('NOT_FOUND', 404));

    expect(await bob.prove(settlementRequest(1))).toMatchObject({ id });
    await alice.cancel(id);
    expect(await bob.job(id)).toMatchObject({ state: 'queued' });
    await expect(alice.cancel(id)).rejects.toMatchObject(refused('FORBIDDEN', 403));
    await bob.cancel(id);
    expect(await bob.job(id)).toMatchObject({ state: 'failed', error: { code: 'CANCELLED' } });
    await bob.cancel(id);
    await expect(bob.job(id)).rejects.toMatchObject(refused('NOT_FOUND', 404));
  });

  it('have a share of the queue for each key, and the others still find room', async () => {
    await start();
    const jobs = [await alice.prove(settlementRequest(1)), await alice.prove(settlementRequest(2))];
    const answer = await refusalOf('/v1/proofs', TOKENS.alice, {
      method: 'POST',
      body: JSON.stringify(settlementRequest(3)),
    });
    expect(answer.status).toBe(429);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await answer.json()).toMatchObject({
      code: 'SHARE_EXCEEDED',
      status: 429,
      detail: expect.stringContaining('DELETE /v1/proofs/:id'),
      details: { limit: 2 },
    });
    await bob.prove(settlementRequest(3));
    // What it has asked for is known all the same.
    expect(await alice.prove(settlementRequest(1))).toMatchObject({ id: jobs[0]!.id });
    await alice.cancel(jobs[1]!.id);
    await alice.prove(settlementRequest(4));
  });

  it('are those of everybody where no keys are asked for', async () => {
    await start({ access: {} });
    const jobs = [];
    for (const salt of [1, 2, 3, 4]) jobs.push(await alice.prove(settlementRequest(salt)));
    await bob.cancel(jobs[0]!.id);
    expect(await alice.job(jobs[0]!.id)).toMatchObject({ state: 'failed' });
  });
});

describe('those who wait or listen', () => {
  it('have places for each key', async () => {
    await start({ maxWaiting: 4, maxWaitingPerClient: 1 });
    const { id } = await alice.prove(settlementRequest(1));
    const leaving = new AbortController();
    const watching = await refusalOf(`/v1/proofs/${id}/events`, TOKENS.alice, { signal: leaving.signal });
    expect(watching.status).toBe(200);
    const second = await refusalOf(`/v1/proofs/${id}/events`, TOKENS.alice);
    expect([second.status, ((await second.json()) as Problem).code]).toEqual([429, 'SHARE_EXCEEDED']);
    expect(Number(second.headers.get('retry-after'))).toBeGreaterThan(0);
    // One that has no place to wait is answered at once.
    expect(await alice.job(id, 60)).toMatchObject({ state: 'queued' });
    const other = await refusalOf(`/v1/proofs/${id}/events`, TOKENS.bob);
    expect(other.status).toBe(200);
    leaving.abort();
    await expect
      .poll(
        async () => {
          const again = await refusalOf(`/v1/proofs/${id}/events`, TOKENS.alice);
          await again.body?.cancel();
          return again.status;
        },
        { timeout: 20_000 },
      )
      .toBe(200);
    await other.body?.cancel();
  });

  it('give their places back when they leave before they are answered', async () => {
    await start({ maxWaiting: 4, maxWaitingPerClient: 1 });
    const { id } = await alice.prove(settlementRequest(1));
    const get = queue.get.bind(queue);
    let [found, wait] = [() => {}, new Promise<void>(() => {})];
    const asked = new Promise<void>((resolve) => {
      queue.get = async (id) => {
        resolve();
        await wait;
        return get(id);
      };
    });
    wait = new Promise<void>((resolve) => {
      found = resolve;
    });
    const leaving = new AbortController();
    const watching = refusalOf(`/v1/proofs/${id}/events`, TOKENS.alice, { signal: leaving.signal });
    await asked;
    leaving.abort();
    await expect(watching).rejects.toThrow();
    await sleep(200);
    found();
    await expect
      .poll(async () => {
        const again = await refusalOf(`/v1/proofs/${id}/events`, TOKENS.alice);
        await again.body?.cancel();
        return again.status;
      })
      .toBe(200);
  });

  it('have places for each key to listen to the chain', async () => {
    const chain = testChain();
    const store = testChainStore(chain);
    const book = new LiveBook({ store });
    await book.refresh();
    await start({ chain: { book, store, contracts: {} as IndexedContracts }, maxListenersPerClient: 2 });
    const listeners = [];
    for (let count = 0; count < 2; count++) listeners.push(await refusalOf('/v1/events', TOKENS.reader));
    expect(listeners.map(({ status }) => status)).toEqual([200, 200]);
    const third = await refusalOf('/v1/events', TOKENS.reader);
    expect([third.status, ((await third.json()) as Problem).code]).toEqual([429, 'SHARE_EXCEEDED']);
    const other = await refusalOf('/v1/events', TOKENS.bob);
    expect(other.status).toBe(200);
    await listeners[0]!.body?.cancel();
    await expect
      .poll(
        async () => {
          const again = await refusalOf('/v1/events', TOKENS.reader);
          if (again.status === 200) listeners.push(again);
          return again.status;
        },
        { timeout: 20_000 },
      )
      .toBe(200);
    for (const listener of [...listeners.slice(1), other]) await listener.body?.cancel();
  });
});
