/**
 * Processes that end at any moment. ZKMARGIN_CRASHES gives the number of rounds, ZKMARGIN_SEED other moments.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mulberry32 } from '../../src/math/float/random.ts';
import { loadVerificationKey } from '../../src/proof/keys/artifacts.ts';
import { fromCalldata, type ProofCalldata } from '../../src/proof/prover/backend.ts';
import { prepareDevelopmentCircuit } from '../../src/proof/prover/circuits.ts';
import { verifyProof } from '../../src/proof/prover/verify.ts';
import { ask, expectedSignals, jobOf, killAll, type Started, start } from './processes.ts';

const ROUNDS = Number(process.env.ZKMARGIN_CRASHES ?? 4);
const SEED = Number(process.env.ZKMARGIN_SEED ?? 20_250_219);
const CIRCUIT = 'settlement-8';
const folder = mkdtempSync(join(tmpdir(), 'zkmargin-crash-'));

beforeAll(() => prepareDevelopmentCircuit(CIRCUIT));
afterAll(() => {
  killAll();
  rmSync(folder, { recursive: true, force: true });
});

describe('a service whose processes are killed', () => {
  it(
    `loses no job that it acknowledged, and proves none wrongly (${ROUNDS} rounds, seed ${SEED})`,
    async () => {
      const random = mulberry32(SEED);
      const acknowledged = new Map<string, number>();
      const store = join(folder, 'store');
      const args = ['serve', '--port', '0', '--store', store, '--circuits', CIRCUIT];
      const serve = () => start([...args, '--capacity', '100000', '--max-job-seconds', '86400']);
      const addressOf = async (server: Started) => (await server.line(/serves on (http:\S+);/))?.[1];
      let salt = 0;
      let killedProvers = 0;
      let killedEarly = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const server = serve();
        if (random() < 0.2) {
          // While it opens the store.
          await sleep(random() * 3_000);
          await server.kill();
          killedEarly++;
          continue;
        }
        const url = await addressOf(server);
        expect(url, `round ${round}`).toBeDefined();
        const end = performance.now() + random() * 2_500;
        let under = true;
        const load = (async () => {
          for (let asked = 0; under && asked < 3; asked++) {
            const mine = salt++;
            const job = await ask(url!, mine);
            if (job !== undefined) acknowledged.set(job.id, mine);
            await sleep(random() * 200);
          }
        })();
        if (random() < 0.4) {
          await sleep(Math.max(0, (end - performance.now()) * random()));
          for (const child of server.children()) {
            // The process that proves, not the server: the job is tried again, with the cause.
            process.kill(child, 'SIGKILL');
            killedProvers++;
          }
        }
        await sleep(Math.max(0, end - performance.now()));
        await server.kill();
        under = false;
        await load;
      }
      const server = serve();
      const url = (await addressOf(server))!;
      const key = await loadVerificationKey(CIRCUIT);
      let interrupted = 0;
      for (const [id, mine] of acknowledged) {
        let job = await jobOf(url, id);
        while (job.state === 'queued' || job.state === 'proving') job = await jobOf(url, id);
        expect(job, `salt ${mine}`).toMatchObject({ state: 'done' });
        if (job.causes !== undefined) interrupted++;
        const { publicSignals, calldata } = job.result!;
        expect(publicSignals).toEqual(await expectedSignals(mine));
        expect(await verifyProof(key, publicSignals, fromCalldata(calldata as ProofCalldata))).toBe(true);
      }
      expect(acknowledged.size).toBeGreaterThan(0);
      console.log(
        `${ROUNDS} rounds: ${acknowledged.size} jobs acknowledged and proven, ${interrupted} of them interrupted; ${killedProvers} provers killed, ${killedEarly} servers while they started`,
      );
      expect(await server.stop()).toBe(0);
    },
    120_000 + ROUNDS * 60_000,
  );
});
