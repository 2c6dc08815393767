/**
 * Speed of proofs per instance and backend, of a pool over a minute, of verification alone and in batches, and gas of
 * verification as a transaction.
 *
 * Part of `npm run bench`. Alone, with a choice of what is measured:
 *
 *     npx tsx scripts/bench/proofs.ts [--instances insolvency-8,insolvency-32] [--backends snarkjs,native]
 *         [--runs 5] [--seconds 60] [--workers 1] [--no-gas] [--json]
 *
 * Instances are compiled, and their development keys made, when they are not there.
 * ZKMARGIN_RAPIDSNARK adds the external prover, ZKMARGIN_BENCH_SECONDS is the time for which the pool is watched.
 */
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { compileCircuit } from '../../src/proof/compile.ts';
import { INSTANCES } from '../../src/proof/instances.ts';
import { ensureDevelopmentKey } from '../../src/proof/keys/development.ts';
import type { BackendName } from '../../src/proof/prover/backend.ts';
import { type BackendConfiguration, backendFromEnvironment } from '../../src/proof/prover/backends.ts';
import { prepareDevelopmentCircuit } from '../../src/proof/prover/circuits.ts';
import type { ProofJob, ProvenJob, ProverCircuit } from '../../src/proof/prover/protocol.ts';
import { verifyProof } from '../../src/proof/prover/verify.ts';
import { findInvalidProofs, verifyBatch } from '../../src/proof/prover/verify-batch.ts';
import { WorkerPool } from '../../src/proof/prover/worker-pool.ts';
import { table } from '../lib/format.ts';
import { verificationGas } from '../lib/verification-gas.ts';
import { type BenchResult, median, percentile } from './measure.ts';
import { type StatementMaker, statementMaker } from './statements.ts';

/** The instance that the pool, the verification and the gas are measured with. */
const MAIN = 'insolvency-8';
/** Seconds for which a pool is watched with other backends than the first. */
const OTHER_SECONDS = 20;
const BATCH = 32;

/** What is measured. */
export interface ProofBenchOptions {
  /** Warm proofs for each instance and backend. */
  readonly runs: number;
  /** All unless given. */
  readonly instances?: readonly string[];
  /** snarkjs and native, and rapidsnark when the environment has it, unless given. */
  readonly backends?: readonly BackendName[];
  /** Seconds for which the pool is watched; 0 leaves it out. */
  readonly seconds?: number;
  /** Proving processes of the pool. Default 1. */
  readonly workers?: number;
  /** Whether to measure gas, which needs the committed keys to be up to date. Default true. */
  readonly gas?: boolean;
  /** Told what is measured next. */
  readonly onStep?: (step: string) => void;
}

/** @returns lines of the report */
export async function benchProofs(options: ProofBenchOptions): Promise<BenchResult[]> {
  const {
    runs,
    instances,
    backends,
    workers = 1,
    gas = true,
    seconds = watchSeconds(),
    onStep = () => {},
  } = options;
  const makeInput = statementMaker();
  const results: BenchResult[] = [];
  const add = (what: string, value: number, unit: string) => results.push({ what, value, unit });
  const proofs: ProvenJob[] = [];
  let main: ProverCircuit | undefined;
  const configurations = chooseBackends(backends);
  for (const name of instances ?? INSTANCES) {
    onStep(`${name}, circuit and key`);
    const circuit = await prepareInstance(name, gas);
    add(`${name}: size of the key file`, readFileSync(circuit.zkeyPath).length / 2 ** 20, 'MiB');
    for (const configuration of configurations) {
      onStep(`${name}, ${configuration.name}`);
      const measured = await measureBackend(circuit, configuration, runs, makeInput, add);
      if (name === MAIN) proofs.push(...measured);
    }
    if (name === MAIN) main = circuit;
    if (name !== MAIN || seconds === 0) continue;
    for (const [index, configuration] of configurations.entries()) {
      onStep(`${name}, ${configuration.name}, pool`);
      const watched = index === 0 ? seconds : Math.min(seconds, OTHER_SECONDS);
      await measurePool(circuit, configuration, workers, watched, makeInput, add);
    }
  }
  if (main) {
    await measureVerification(main, proofs, runs, add);
    if (gas) add('verification as a whole transaction', Number(await verificationGas(proofs[0]!)), 'gas');
  }
  return results;
}

type Add = (what: string, value: number, unit: string) => void;

function watchSeconds(): number {
  const value = Number(process.env.ZKMARGIN_BENCH_SECONDS ?? 60);
  if (!Number.isFinite(value) || value < 0)
    throw new Error('Give ZKMARGIN_BENCH_SECONDS as seconds, from 0.');
  return value;
}

function chooseBackends(names: readonly BackendName[] | undefined): BackendConfiguration[] {
  const external = process.env.ZKMARGIN_RAPIDSNARK || undefined;
  const chosen = names ?? (['snarkjs', 'native', ...(external ? (['rapidsnark'] as const) : [])] as const);
  return chosen.map((name) => backendFromEnvironment({ ...process.env, ZKMARGIN_PROVER: name }));
}

/** The instance with its key. */
async function prepareInstance(name: string, committed: boolean): Promise<ProverCircuit> {
  // The gas is that of the committed verifier, so that its key must be the instance's.
  if (name === MAIN && committed) return prepareDevelopmentCircuit(name);
  const circuit = await compileCircuit(name);
  const { zkeyPath, verificationKey } = await ensureDevelopmentKey(circuit);
  return { name, wasmPath: circuit.wasmPath, zkeyPath, verificationKey };
}

/** One proving process from its start, as the service has it. */
async function measureBackend(
  circuit: ProverCircuit,
  backend: BackendConfiguration,
  runs: number,
  makeInput: StatementMaker,
  add: Add,
): Promise<ProvenJob[]> {
  const { name } = circuit;
  const line = (what: string, value: number, unit: string) =>
    add(`${name}, ${backend.name}: ${what}`, value, unit);
  const inputs = await Promise.all(Array.from({ length: runs + 1 }, (_, run) => makeInput(name, run)));
  const start = performance.now();
  const pool = new WorkerPool({ circuits: [circuit], backend });
  try {
    await pool.warmUp();
    line('start of a process until its key is loaded', (performance.now() - start) / 1000, 's');
    const proofs: ProvenJob[] = [];
    let memory = 0;
    for (const input of inputs) {
      proofs.push(await pool.prove({ circuit: name, input }));
      memory = Math.max(memory, ...pool.status().memory);
    }
    const [first, ...warm] = proofs;
    const column = (of: (proof: ProvenJob) => number) => warm.map((proof) => of(proof) / 1000);
    const proving = column(({ timings }) => timings.proving);
    line('proof, first', first!.timings.proving / 1000, 's');
    line('witness, warm', median(column(({ timings }) => timings.witness)), 's');
    line('proof, warm', median(proving), 's');
    line('proof, warm, 95th percentile', percentile(proving, 0.95), 's');
    line('resident memory of the process', memory / 2 ** 20, 'MiB');
    return proofs;
  } finally {
    await pool.close(0);
  }
}

/** Jobs that a pool finishes when there is always one waiting for each process. */
async function measurePool(
  circuit: ProverCircuit,
  backend: BackendConfiguration,
  workers: number,
  seconds: number,
  makeInput: StatementMaker,
  add: Add,
): Promise<void> {
  const pool = new WorkerPool({ circuits: [circuit], backend, size: workers });
  try {
    await pool.warmUp();
    let run = 1_000;
    const next = async (): Promise<ProofJob> => ({
      circuit: circuit.name,
      input: await makeInput(circuit.name, run++),
    });
    for (let worker = 0; worker < workers; worker++) await pool.prove(await next());
    const start = performance.now();
    let finished = 0;
    let memory = 0;
    const submit = async () => {
      while (performance.now() - start < 1000 * seconds) {
        await pool.prove(await next());
        finished++;
        memory = Math.max(memory, ...pool.status().memory);
      }
    };
    await Promise.all(Array.from({ length: 2 * workers }, submit));
    const elapsed = (performance.now() - start) / 1000;
    const what = `${circuit.name}, ${backend.name}: pool of ${workers} over ${Math.round(elapsed)} s`;
    add(`${what}, proofs a minute`, (60 * finished) / elapsed, '1/min');
    add(`${what}, resident memory of a process`, memory / 2 ** 20, 'MiB');
  } finally {
    await pool.close(0);
  }
}

/** Verification of proofs alone, together, and with one bad among them. */
async function measureVerification(
  { verificationKey }: ProverCircuit,
  proofs: readonly ProvenJob[],
  runs: number,
  add: Add,
): Promise<void> {
  const batch = Array.from({ length: BATCH }, (_, index) => proofs[index % proofs.length]!);
  const bad = batch.map((item, index) =>
    index === 11 ? { ...item, publicSignals: batch[12]!.publicSignals } : item,
  );
  const time = async (work: () => Promise<unknown>, expected: unknown): Promise<number> => {
    const samples: number[] = [];
    for (let run = 0; run <= runs; run++) {
      const start = performance.now();
      const found = JSON.stringify(await work());
      if (found !== JSON.stringify(expected)) throw new Error(`Verification found ${found}.`);
      if (run > 0) samples.push(performance.now() - start);
    }
    return median(samples);
  };
  const [first] = proofs;
  const single = await time(() => verifyProof(verificationKey, first!.publicSignals, first!.proof), true);
  add('verification of one proof', single, 'ms');
  for (const size of [8, BATCH]) {
    const together = await time(() => verifyBatch(verificationKey, batch.slice(0, size)), true);
    add(`verification of ${size} proofs together, each`, together / size, 'ms');
    add('  times as fast as one by one', (single * size) / together, '');
  }
  const found = await time(
    () => findInvalidProofs(verificationKey, bad),
    [{ index: 11, reason: 'equation' }],
  );
  add(`finding the bad one among ${BATCH} proofs`, found, 'ms');
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({
    options: {
      instances: { type: 'string' },
      backends: { type: 'string' },
      runs: { type: 'string', default: '5' },
      seconds: { type: 'string' },
      workers: { type: 'string', default: '1' },
      'no-gas': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const results = await benchProofs({
    runs: Math.max(1, Number(values.runs)),
    workers: Math.max(1, Number(values.workers)),
    gas: !values['no-gas'],
    ...(values.instances !== undefined && { instances: values.instances.split(',') }),
    ...(values.backends !== undefined && { backends: values.backends.split(',') as BackendName[] }),
    ...(values.seconds !== undefined && { seconds: Number(values.seconds) }),
    onStep: (step) => console.error(step),
  });
  if (values.json) console.log(JSON.stringify(results, null, 2));
  else {
    console.log(
      table(
        ['what', 'value', 'unit'],
        results.map(({ what, value, unit }) => [
          what,
          value >= 100 ? value.toFixed(0) : value.toFixed(3),
          unit,
        ]),
      ),
    );
  }
}
