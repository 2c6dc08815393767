/**
 * Groth16 proofs over the curve's WASM with a schedule of this project's own: J. Groth, "On the size of pairing-based
 * non-interactive arguments", EUROCRYPT 2016, section 3.2, with the quotient as snarkjs's keys take it: by values on the odd coset.
 *
 * Against snarkjs it saves what is done again for every proof (reading the key, sending its points to threads), the part that
 * runs on one thread, half of the multiplications in the transforms, and a third in the sums; and it keeps all threads at work.
 */
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Curve } from 'snarkjs';
import { modR, SCALAR_MODULUS } from '../../math/fixed/scalar-field.ts';
import { singleThreadCurve } from '../curve.ts';
import { ProofError } from '../errors.ts';
import { readU256LE } from '../field.ts';
import type { ProvingKey } from '../keys/zkey.ts';
import {
  assertNotCancelled,
  type BackendProveOptions,
  type ProofResult,
  type ProverBackend,
  type ProvingStep,
} from './backend.ts';
import type { EngineTask, SharedKey, SumName } from './native/engine.ts';
import { planWindows, weightOf } from './native/multi-scalar.ts';
import type { FromThread, ThreadData, ToThread } from './native/thread.ts';
import { publicSignalsOf, witnessValues } from './witness-file.ts';

/** More threads than this gain nothing on circuits of this project's sizes. */
const MAX_THREADS = 16;

export interface NativeOptions {
  /** Default the number of cores, at most 16. */
  threads?: number;
}

interface Thread {
  readonly worker: Worker;
  /** Takes the answer to what was sent last. */
  answer: ((message: FromThread) => void) | undefined;
}

/** A task with those that must be done before. */
interface Job {
  readonly task: EngineTask;
  readonly step: ProvingStep;
  readonly after: readonly Job[];
  state: 'waiting' | 'running' | 'done';
}

/**
 * Prover over the curve's WASM on threads that hold the key. Starting them takes about half a second.
 *
 * @param key a decoded key; its content is copied.
 * @throws {ProofError} `FILE_MALFORMED` for a domain that is no power of two.
 */
export async function createNativeBackend(
  key: ProvingKey,
  options: NativeOptions = {},
): Promise<ProverBackend> {
  const curve = await singleThreadCurve();
  const power = Math.log2(key.domainSize);
  if (!Number.isInteger(power) || power < 1 || power > 27) {
    throw new ProofError('FILE_MALFORMED', `a key cannot have a domain of ${key.domainSize} points`);
  }
  const threadCount = Math.max(1, Math.min(options.threads ?? availableParallelism(), MAX_THREADS));
  const shared = shareKey(curve, key);
  const { wires, publicSignals: publicCount } = key;
  // A few points, so that the file itself is not kept.
  const points = {
    alpha1: key.alpha1.slice(),
    beta1: key.beta1.slice(),
    beta2: key.beta2.slice(),
    delta1: key.delta1.slice(),
    delta2: key.delta2.slice(),
  };
  const code = await WebAssembly.compile(curve.tm.code);
  const data: ThreadData = {
    code: { module: code, g1: curve.tm.pG1gen, g2: curve.tm.pG2gen },
    key: shared,
  };
  let open = true;
  let threads: Promise<Thread[]> | undefined;
  const start = (): Promise<Thread[]> => {
    threads ??= Promise.all(Array.from({ length: threadCount }, () => startThread(data)));
    return threads;
  };
  const stop = async () => {
    const running = threads;
    threads = undefined;
    const settled = await running?.catch(() => []);
    await Promise.all((settled ?? []).map(({ worker }) => worker.terminate()));
  };
  await start();

  return {
    name: 'native',
    async prove(witness: Uint8Array, options: BackendProveOptions = {}): Promise<ProofResult> {
      if (!open) throw new ProofError('POOL_UNAVAILABLE', 'the prover is closed');
      const values = witnessValues(witness, wires);
      assertNotCancelled(options.signal);
      shared.witness.set(values);
      let sums: Record<SumName, Uint8Array>;
      try {
        sums = await runJobs(curve, await start(), makeJobs(shared, threadCount), options);
      } catch (error) {
        if (error instanceof ProofError && error.code === 'CANCELLED') throw error;
        // Threads in an unknown state are replaced by the next proof.
        await stop();
        throw error instanceof ProofError
          ? error
          : new ProofError('INTERNAL', `a proving thread failed: ${(error as Error).message}`);
      } finally {
        shared.witness.fill(0);
      }
      return { ...assemble(curve, points, sums), publicSignals: publicSignalsOf(values, publicCount) };
    },
    async close() {
      open = false;
      await stop();
    },
  };
}

/** The key where all threads see it. */
function shareKey(curve: Curve, key: ProvingKey): SharedKey {
  const room = (length: number) => new Uint8Array(new SharedArrayBuffer(length));
  const share = (bytes: Uint8Array) => {
    const copy = room(bytes.length);
    copy.set(bytes);
    return copy;
  };
  const vector = () => room(32 * key.domainSize);
  return {
    domainSize: key.domainSize,
    publicSignals: key.publicSignals,
    roots: curve.Fr.w.map((root) => root.slice()),
    bases: { a: share(key.a), b1: share(key.b1), b2: share(key.b2), c: share(key.c), h: share(key.h) },
    coefficients: share(key.coefficients),
    witness: room(32 * key.wires),
    values: { a: vector(), b: vector() },
    coset: { a: vector(), b: vector(), c: vector() },
    quotient: vector(),
  };
}

function startThread(data: ThreadData): Promise<Thread> {
  const worker = new Worker(new URL('../keys/thread.mjs', import.meta.url), {
    workerData: { ...data, entry: new URL('./native/thread.ts', import.meta.url).href },
    execArgv: [],
  });
  const thread: Thread = { worker, answer: undefined };
  return new Promise((resolve, reject) => {
    const fail = (message: string) => {
      const { answer } = thread;
      thread.answer = undefined;
      answer?.({ type: 'failed', message });
      reject(new ProofError('INTERNAL', `a proving thread failed: ${message}`));
    };
    worker.on('error', (error) => fail(error.message));
    worker.on('exit', (code) => fail(`it ended with code ${code}`));
    worker.on('message', (message: FromThread) => {
      if (message.type === 'ready') {
        resolve(thread);
        return;
      }
      const { answer } = thread;
      thread.answer = undefined;
      answer?.(message);
    });
  });
}

/** All that a proof takes, the critical path first. */
function makeJobs(key: SharedKey, threadCount: number): Job[] {
  const job = (task: EngineTask, step: ProvingStep, after: readonly Job[] = []): Job => ({
    task,
    step,
    after,
    state: 'waiting',
  });
  const a = job({ kind: 'values', vector: 'a' }, 'constraints');
  const b = job({ kind: 'values', vector: 'b' }, 'constraints');
  const cosets = [
    job({ kind: 'coset', vector: 'a' }, 'transforms', [a]),
    job({ kind: 'coset', vector: 'b' }, 'transforms', [b]),
    job({ kind: 'coset', vector: 'c' }, 'transforms', [a, b]),
  ];
  const quotient = job({ kind: 'quotient' }, 'transforms', cosets);
  /** A sum in parts of some windows. */
  const parts = (sum: SumName, weight: number, count: number, after: readonly Job[] = []): Job[] => {
    const plan = planWindows(weight);
    const size = Math.ceil(plan.count / Math.min(count, plan.count));
    const jobs: Job[] = [];
    for (let from = 0; from < plan.count; from += size) {
      const to = Math.min(plan.count, from + size);
      jobs.push(job({ kind: 'sum', sum, plan, from, to }, sum === 'h' ? 'quotient' : 'points', after));
    }
    return jobs;
  };
  const words = new Uint32Array(key.witness.buffer, key.witness.byteOffset, key.witness.length / 4);
  const weight = weightOf(words);
  return [
    a,
    b,
    ...cosets,
    quotient,
    ...parts('b2', weight, 2 * threadCount),
    ...parts('a', weight, threadCount),
    ...parts('b1', weight, threadCount),
    ...parts('c', weight, threadCount),
    // A window at a time: small parts end at about the same time on all threads.
    ...parts('h', key.domainSize, Number.POSITIVE_INFINITY, [quotient]),
  ];
}

/** Let all threads work until nothing is left. */
async function runJobs(
  curve: Curve,
  threads: readonly Thread[],
  jobs: readonly Job[],
  { signal, onStep }: BackendProveOptions,
): Promise<Record<SumName, Uint8Array>> {
  const { G1, G2 } = curve;
  const sums: Record<SumName, Uint8Array> = {
    a: G1.zero,
    b1: G1.zero,
    b2: G2.zero,
    c: G1.zero,
    h: G1.zero,
  };
  const told = new Set<ProvingStep>();
  let failure: Error | undefined;
  // Threads that found nothing to do wait for a job to end.
  let wake: (() => void)[] = [];
  const wakeAll = () => {
    for (const resume of wake.splice(0)) resume();
  };
  const work = async (thread: Thread): Promise<void> => {
    thread.worker.postMessage({ type: 'begin' } satisfies ToThread);
    for (;;) {
      if (failure) return;
      if (signal?.aborted) {
        failure = new ProofError('CANCELLED', 'the proof was cancelled');
        return;
      }
      const next = jobs.find(
        ({ state, after }) => state === 'waiting' && after.every((earlier) => earlier.state === 'done'),
      );
      if (!next) {
        if (jobs.every(({ state }) => state !== 'waiting')) return;
        await new Promise<void>((resolve) => {
          wake.push(resolve);
        });
        continue;
      }
      next.state = 'running';
      if (!told.has(next.step)) {
        told.add(next.step);
        onStep?.(next.step);
      }
      const answer = await ask(thread, next.task);
      if (answer.type === 'failed') failure ??= new Error(answer.message);
      else if (answer.type === 'done' && answer.point && next.task.kind === 'sum') {
        const { sum } = next.task;
        sums[sum] = (sum === 'b2' ? G2 : G1).add(sums[sum], answer.point);
      }
      next.state = 'done';
      wakeAll();
    }
  };
  await Promise.all(threads.map((thread) => work(thread).finally(wakeAll)));
  wake = [];
  if (failure) throw failure;
  return sums;
}

function ask(thread: Thread, task: EngineTask): Promise<FromThread> {
  return new Promise((resolve) => {
    thread.answer = resolve;
    thread.worker.postMessage({ type: 'task', task } satisfies ToThread);
  });
}

/** The proof of the sums, hidden by two random numbers. */
function assemble(
  { G1, G2 }: Curve,
  key: Pick<ProvingKey, 'alpha1' | 'beta1' | 'beta2' | 'delta1' | 'delta2'>,
  sums: Record<SumName, Uint8Array>,
): Pick<ProofResult, 'proof'> {
  const [r, s] = [randomScalar(), randomScalar()];
  const sum = (...points: Uint8Array[]) => points.reduce((total, point) => G1.add(total, point));
  const a = sum(sums.a, key.alpha1, G1.timesScalar(key.delta1, r));
  const b1 = sum(sums.b1, key.beta1, G1.timesScalar(key.delta1, s));
  const b2 = G2.add(G2.add(sums.b2, key.beta2), G2.timesScalar(key.delta2, s));
  const c = sum(
    sums.c,
    sums.h,
    G1.timesScalar(a, s),
    G1.timesScalar(b1, r),
    G1.timesScalar(key.delta1, modR(-r * s)),
  );
  return {
    proof: {
      pi_a: decimals(G1.toObject(G1.toAffine(a))) as string[],
      pi_b: decimals(G2.toObject(G2.toAffine(b2))) as string[][],
      pi_c: decimals(G1.toObject(G1.toAffine(c))) as string[],
      protocol: 'groth16',
      curve: 'bn128',
    },
  };
}

/** Uniform in [0, r), from the system's generator. */
function randomScalar(): bigint {
  for (;;) {
    const bytes = randomBytes(32);
    bytes[31]! &= 0x3f;
    const value = readU256LE(bytes);
    if (value < SCALAR_MODULUS) return value;
  }
}

function decimals(value: unknown): unknown {
  return Array.isArray(value) ? value.map(decimals) : String(value);
}
