/** A process that takes jobs as `zkmargin prover` does, and makes up their proofs. Arguments: URL of the store, name. */
import { setTimeout as sleep } from 'node:timers/promises';
import { standInProof } from '../../scripts/lib/stand-in-proof.ts';
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
    return standInProof(circuit, [input.signal as string], name!);
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
