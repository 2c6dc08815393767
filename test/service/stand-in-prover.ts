/** A process that takes jobs as `zkmargin prover` does, and makes up their proofs. Arguments: URL of the store, name. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Prover, ProverRunner } from '../../src/service/index.ts';
import { openDatabase } from '../../src/store/database.ts';
import { JobQueue } from '../../src/store/job-queue.ts';
import { maintainQueue } from '../../src/store/maintenance.ts';

const [url, name] = process.argv.slice(2);
const database = await openDatabase({ url: url! });
const queue = new JobQueue(database, { leaseMs: 2_000 });
const prover: Prover = {
  prove: async ({ circuit, input }) => {
    await sleep(10 + Number(input.work));
    return {
      circuit,
      proof: { pi_a: [name!], pi_b: [], pi_c: [], protocol: 'groth16', curve: 'bn128' },
      publicSignals: [input.signal as string],
      calldata: {
        a: ['1', '2'],
        b: [
          ['1', '2'],
          ['3', '4'],
        ],
        c: ['5', '6'],
      },
      timings: { loading: 0, witness: 0, proving: 0, verifying: 0 },
    };
  },
  status: () => ({ closed: false }),
  close: async () => {},
};
const runner = new ProverRunner({
  queue,
  prover,
  keyDigests: new Map([['stand-in', 'stand-in']]),
  worker: name!,
});
runner.start();
const endMaintenance = maintainQueue(queue, { intervalMs: 200 });
console.log(`${name} takes jobs`);
process.once('SIGTERM', async () => {
  await endMaintenance();
  await runner.close();
  await queue.close();
  await database.close();
});
