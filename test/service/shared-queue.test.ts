import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadVerificationKey } from '../../src/proof/keys/artifacts.ts';
import { fromCalldata, type ProofCalldata } from '../../src/proof/prover/backend.ts';
import { prepareDevelopmentCircuit } from '../../src/proof/prover/circuits.ts';
import { verifyProof } from '../../src/proof/prover/verify.ts';
import { jobIdOf } from '../../src/service/index.ts';
import { openDatabase } from '../../src/store/database.ts';
import { JobQueue } from '../../src/store/job-queue.ts';
import {
  NO_POSTGRES,
  postgresBinaries,
  startTestPostgres,
  type TestPostgres,
} from '../../src/store/testing.ts';
import { ask, expectedSignals, jobOf, killAll, start } from './processes.ts';

const CIRCUIT = 'settlement-8';
const standIn = fileURLToPath(new URL('./stand-in-prover.ts', import.meta.url));
const present = postgresBinaries() !== undefined;
if (!present) console.warn(`left out: ${NO_POSTGRES}`);

describe.runIf(present)('provers that share a PostgreSQL store', () => {
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startTestPostgres();
    await prepareDevelopmentCircuit(CIRCUIT);
  });
  afterAll(async () => {
    killAll();
    await server?.stop();
  });

  it('do 200 jobs between them, each once, though one is killed on the way', async () => {
    const url = await server.createDatabase();
    const database = await openDatabase({ url });
    const queue = new JobQueue(database, { capacity: 500 });
    // Every write of a proof leaves a line, whatever the job's row says later.
    await database.transaction((tx) =>
      tx.script(`
        create table written (id text, worker text);
        create function note() returns trigger language plpgsql as $$
          begin insert into written values (new.id, old.worker); return null; end $$;
        create trigger note after update on jobs for each row when (new.state = 'done') execute function note();
      `),
    );
    const ids: string[] = [];
    for (let index = 0; index < 200; index++) {
      const id = jobIdOf('stand-in', 'stand-in', [String(index)]);
      ids.push(id);
      await queue.create({
        id,
        circuit: 'stand-in',
        keyDigest: 'stand-in',
        priority: 'solvency',
        input: { signal: String(index), work: String((index * 7) % 40) },
        figures: {},
        maxMs: 600_000,
      });
    }
    const provers = ['first', 'second'].map((name) => start([url, name], {}, standIn));
    for (const prover of provers) expect(await prover.line(/takes jobs/)).toBeDefined();
    const done = async () =>
      Number((await database.query<{ count: bigint }>('select count(*) from written'))[0]!.count);
    await expect.poll(done, { timeout: 120_000 }).toBeGreaterThan(60);
    // In the middle of a job.
    const holding = async () =>
      (await database.query("select 1 from jobs where state = 'proving' and worker = 'first'")).length;
    await expect.poll(holding, { timeout: 60_000, interval: 5 }).toBe(1);
    await provers[0]!.kill();
    await expect.poll(done, { timeout: 120_000 }).toBe(200);
    const written = await database.query<{ id: string; worker: string }>('select id, worker from written');
    expect(written.map(({ id }) => id).sort()).toEqual([...ids].sort());
    expect(new Set(written.map(({ worker }) => worker))).toEqual(new Set(['first', 'second']));
    const lost = await database.query<{ id: string; state: string; worker: string }>(
      "select id, state, causes->0->>'worker' as worker from jobs where losses > 0",
    );
    for (const { state, worker } of lost) expect([state, worker]).toEqual(['done', 'first']);
    expect(lost.length).toBeLessThanOrEqual(1);
    expect(await database.query('select 1 from job_inputs')).toEqual([]);
    expect(await provers[1]!.stop()).toBe(0);
    await database.close();
  }, 400_000);

  it('prove for a service without provers of its own, through the end of a prover and of the database', async () => {
    const environment = { DATABASE_URL: await server.createDatabase() };
    const args = ['--circuits', CIRCUIT];
    const service = start(
      ['serve', '--port', '0', '--workers', '0', '--max-job-seconds', '3600', ...args],
      environment,
    );
    const url = (await service.line(/serves on (http:\S+);/))![1]!;
    const provers = [start(['prover', ...args], environment), start(['prover', ...args], environment)];
    const ids = new Map<string, number>();
    for (let salt = 0; salt < 6; salt++) ids.set((await ask(url, salt))!.id, salt);
    for (const prover of provers) expect(await prover.line(/proves settlement-8/)).toBeDefined();
    await jobOf(url, [...ids.keys()][0]!);
    await provers[0]!.kill();
    await server.kill();
    expect(await ask(url, 100)).toBeUndefined();
    const health = await fetch(`${url}/readyz`);
    expect([health.status, ((await health.json()) as { reasons: string[] }).reasons]).toEqual([
      503,
      ['the store cannot be reached'],
    ]);
    await server.restart();
    const key = await loadVerificationKey(CIRCUIT);
    for (const [id, salt] of ids) {
      let job = await jobOf(url, id);
      while (job.state === 'queued' || job.state === 'proving') {
        await sleep(100);
        job = await jobOf(url, id);
      }
      expect(job, `salt ${salt}`).toMatchObject({ state: 'done' });
      const { publicSignals, calldata } = job.result!;
      expect(publicSignals).toEqual(await expectedSignals(salt));
      expect(await verifyProof(key, publicSignals, fromCalldata(calldata as ProofCalldata))).toBe(true);
    }
    expect(await provers[1]!.stop()).toBe(0);
    expect(await service.stop()).toBe(0);
  }, 400_000);
});
