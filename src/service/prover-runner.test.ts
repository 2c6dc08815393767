/** How a runner shares a prover between what was asked for and speculation. The prover is a stand-in that ends when it is told to. */

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { standInProof } from '../../scripts/lib/stand-in-proof.ts';
import { ProofError } from '../proof/errors.ts';
import type { ProofJob, ProvenJob } from '../proof/prover/protocol.ts';
import type { ProveOptions } from '../proof/prover/worker-pool.ts';
import { type Database, openDatabase } from '../store/database.ts';
import type { JobPriority } from '../store/job.ts';
import { JobQueue } from '../store/job-queue.ts';
import { jobIdOf } from './job-id.ts';
import { type Prover, ProverRunner } from './prover-runner.ts';

const KEY = createHash('sha256').update('key').digest('hex');

interface Work {
  readonly name: string;
  readonly background: boolean;
  readonly options: ProveOptions;
  finish(): void;
}

class StandIn implements Prover {
  readonly hasBackground = true;
  readonly works = new Set<Work>();

  prove(job: ProofJob, options: ProveOptions = {}): Promise<ProvenJob> {
    return new Promise((resolve, reject) => {
      const name = job.input.name as string;
      const work: Work = {
        name,
        background: options.background !== undefined,
        options,
        finish: () => {
          this.works.delete(work);
          resolve(standInProof(job.circuit, [name]));
        },
      };
      options.signal?.addEventListener('abort', () => {
        this.works.delete(work);
        reject(new ProofError('CANCELLED', 'cancelled'));
      });
      this.works.add(work);
    });
  }

  names(background: boolean): string[] {
    return [...this.works].filter((work) => work.background === background).map(({ name }) => name);
  }

  status() {
    return { closed: false };
  }

  async close(): Promise<void> {}
}

let database: Database;
let queue: JobQueue;
let prover: StandIn;
let runner: ProverRunner;

beforeAll(async () => {
  database = await openDatabase();
});
afterAll(() => database?.close());
afterEach(async () => {
  await runner.close();
  await queue.close();
});

async function start(concurrency = 1): Promise<void> {
  await database.query('truncate jobs cascade');
  queue = new JobQueue(database, { retryMs: 0 });
  prover = new StandIn();
  runner = new ProverRunner({
    queue,
    prover,
    keyDigests: new Map([['stand-in', KEY]]),
    worker: 'w',
    concurrency,
    pollMs: 50,
  });
  runner.start();
}

const idOf = (name: string): string => jobIdOf('stand-in', KEY, [name]);
const create = (name: string, priority: JobPriority) =>
  queue.create({
    id: idOf(name),
    circuit: 'stand-in',
    keyDigest: KEY,
    priority,
    input: { name },
    figures: {},
    maxMs: 600_000,
  });
const at = (wanted: { asked: string[]; speculative: string[] }) =>
  expect
    .poll(() => ({ asked: prover.names(false), speculative: prover.names(true) }), {
      interval: 5,
      timeout: 10_000,
    })
    .toEqual(wanted);
const work = (name: string): Work => [...prover.works].find((item) => item.name === name)!;

describe('a runner that speculates', () => {
  it('takes what is asked for at once, and speculative jobs one at a time while there is nothing else', async () => {
    await start();
    await create('s1', 'speculative');
    await create('s2', 'speculative');
    await at({ asked: [], speculative: ['s1'] });
    await create('a', 'liquidation');
    await at({ asked: ['a'], speculative: ['s1'] });
    work('s1').finish();
    await expect.poll(async () => (await queue.get(idOf('s1')))?.state).toBe('done');
    await create('b', 'attestation');
    expect(prover.names(true)).toEqual([]);
    work('a').finish();
    await at({ asked: ['b'], speculative: [] });
    work('b').finish();
    await at({ asked: [], speculative: ['s2'] });
  });

  it('tells the prover when a job is asked for, and takes one that waits like any other', async () => {
    await start();
    await create('s1', 'speculative');
    await create('s2', 'speculative');
    await at({ asked: [], speculative: ['s1'] });
    expect(work('s1').options.background!.promoted.aborted).toBe(false);
    expect(await create('s1', 'liquidation')).toMatchObject({ created: false });
    await expect.poll(() => work('s1').options.background!.promoted.aborted).toBe(true);
    await create('s2', 'liquidation');
    await at({ asked: ['s2'], speculative: ['s1'] });
    work('s1').finish();
    work('s2').finish();
    await expect.poll(async () => (await queue.get(idOf('s2')))?.state).toBe('done');
  });

  it('gives up what is superseded, and goes on with the next', async () => {
    await start();
    await create('s1', 'speculative');
    await create('s2', 'speculative');
    await at({ asked: [], speculative: ['s1'] });
    expect(await queue.cancelSpeculative(idOf('s1'))).toBe(true);
    await at({ asked: [], speculative: ['s2'] });
    expect(await queue.get(idOf('s1'))).toMatchObject({ state: 'failed', error: { code: 'CANCELLED' } });
  });

  it('never keeps waiting what is asked for, whatever is speculated', async () => {
    const step = fc.record({
      kind: fc.constantFrom('ask', 'speculate', 'promote', 'supersede', 'finish', 'finishBackground'),
      pick: fc.nat(5),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 2 }),
        fc.array(step, { maxLength: 12 }),
        async (size, steps) => {
          await start(size);
          const asked = new Set<string>();
          const speculated = new Set<string>();
          let count = 0;
          try {
            for (const { kind, pick } of steps) {
              const one = [...speculated][pick % Math.max(1, speculated.size)];
              if (kind === 'ask') {
                const name = `a${count++}`;
                asked.add(name);
                await create(name, (['liquidation', 'solvency', 'attestation'] as const)[pick % 3]!);
              } else if (kind === 'speculate') {
                const name = `s${count++}`;
                speculated.add(name);
                await create(name, 'speculative');
              } else if (kind === 'promote' && one !== undefined) {
                speculated.delete(one);
                asked.add(one);
                await create(one, 'liquidation');
              } else if (kind === 'supersede' && one !== undefined) {
                speculated.delete(one);
                await queue.cancelSpeculative(idOf(one));
              } else if (kind === 'finish' || kind === 'finishBackground') {
                const item = [...prover.works].find(
                  ({ background }) => background === (kind === 'finishBackground'),
                );
                if (item !== undefined) {
                  item.finish();
                  asked.delete(item.name);
                  speculated.delete(item.name);
                }
              }
              // All processes work on what is asked for, or nothing of it waits.
              await expect
                .poll(
                  () => {
                    const inBackground = prover.names(true).filter((name) => asked.has(name));
                    return prover.names(false).length === Math.min(size, asked.size - inBackground.length);
                  },
                  { interval: 2, timeout: 10_000 },
                )
                .toBe(true);
              expect(prover.names(false).every((name) => asked.has(name))).toBe(true);
              expect(prover.names(true).length).toBeLessThanOrEqual(1);
            }
          } finally {
            await runner.close();
            await queue.close();
          }
        },
      ),
      { numRuns: 25 },
    );
  });
});
