/**
 * A process that takes jobs as `zkmargin prover` does, and makes up their proofs: their public signals are right, so that only
 * a verifier would notice. Arguments: URL of the store, name, and circuits unless jobs are of the made-up circuit `stand-in`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { standInProof } from '../../scripts/lib/stand-in-proof.ts';
import { loadVerificationKey } from '../../src/proof/keys/artifacts.ts';
import type { CircuitInput } from '../../src/proof/prover/backend.ts';
import { packFigures } from '../../src/proof/witness/figures.ts';
import { type Prover, ProverRunner } from '../../src/service/index.ts';
import { verificationKeyDigest } from '../../src/service/job-id.ts';
import { publicSignalsOf } from '../../src/service/requests/prepared.ts';
import { openDatabase } from '../../src/store/database.ts';
import { JobQueue } from '../../src/store/job-queue.ts';
import { maintainQueue } from '../../src/store/maintenance.ts';

const [url, name, ...circuits] = process.argv.slice(2);
const database = await openDatabase({ url: url! });

type Figures = Readonly<Record<string, string>>;

/** What the exact model has found, by the input of the job. */
const figures = new WeakMap<object, Figures>();

class FiguresQueue extends JobQueue {
  override async claim(...claim: Parameters<JobQueue['claim']>): ReturnType<JobQueue['claim']> {
    const claimed = await super.claim(...claim);
    if (claimed === undefined || circuits.length === 0) return claimed;
    const [row] = await database.query<{ figures: Figures }>('select figures from jobs where id = $1', [
      claimed.id,
    ]);
    figures.set(claimed.input as object, row!.figures);
    return claimed;
  }
}

type Outputs = (known: Readonly<Record<string, bigint>>) => bigint[];

/** Outputs and public inputs of the circuits' statements. */
const SIGNALS: Readonly<Record<string, readonly [outputs: Outputs, inputs: readonly string[]]>> = {
  insolvency: [
    ({ mark, baseRequirement, collateralSlope }) => [
      packFigures({ mark: mark!, baseRequirement: baseRequirement!, collateralSlope: collateralSlope! }),
    ],
    ['commitment', 'scale', 'underlyingWord', 'expiryWords', 'parametersCommitment', 'context'],
  ],
  settlement: [
    ({ cash, newCommitment }) => [cash!, newCommitment!],
    ['oldCommitment', 'scale', 'settlementWords', 'underlyingId', 'context'],
  ],
};

function signalsOf(circuit: string, input: CircuitInput): string[] {
  const known = figures.get(input);
  if (known === undefined) return [input.signal as string];
  const [outputs, inputs] = SIGNALS[circuit.split('-')[0]!]!;
  const numbers = Object.entries(known).map(([figure, text]) => [figure, BigInt(text)]);
  return publicSignalsOf(outputs(Object.fromEntries(numbers)), input, inputs);
}

const queue = new FiguresQueue(database, { leaseMs: 2_000 });
const prover: Prover = {
  prove: async ({ circuit, input }) => {
    await sleep(10 + Number(input.work ?? 100));
    return standInProof(circuit, signalsOf(circuit, input), name!);
  },
  status: () => ({ closed: false }),
  close: async () => {},
};
const keyDigests = await Promise.all(
  circuits.map(
    async (circuit): Promise<[string, string]> => [
      circuit,
      verificationKeyDigest(await loadVerificationKey(circuit)),
    ],
  ),
);
const runner = new ProverRunner({
  queue,
  prover,
  keyDigests: new Map(circuits.length === 0 ? [['stand-in', 'stand-in']] : keyDigests),
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
