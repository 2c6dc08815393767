import { type ChildProcess, fork } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { deserializeError, ProofError } from '../errors.ts';
import type { FromWorker, ProofJob, ProofStage, ProvenJob, ProverCircuit, ToWorker } from './protocol.ts';

export interface WorkerPoolOptions {
  circuits: readonly ProverCircuit[];
  /** Proving processes. One proof uses every core, so more than one helps only on large machines. Default 1. */
  size?: number;
  /** Jobs that may wait; more are refused with `POOL_UNAVAILABLE`. Default 64. */
  maxQueue?: number;
  /** Proofs after which a process is replaced: the memory of WASM never shrinks. Default 200. */
  recycleAfter?: number;
  /** Load every key when a process starts, instead of at first use. Default true. */
  preload?: boolean;
}

export interface ProveOptions {
  /** Cancels the job, running or not. */
  signal?: AbortSignal;
  /** Milliseconds from the call until the job fails with `TIMEOUT`, waiting included. Default 120,000. */
  timeoutMs?: number;
  /** Told when a stage begins; never after the promise has settled. */
  onProgress?: (stage: ProofStage) => void;
}

/** Counts for health checks and metrics. */
export interface PoolStatus {
  queued: number;
  running: number;
  /** Process ids of the live proving processes. */
  processes: number[];
  proved: number;
  failed: number;
  /** Processes that were replaced after a crash, a cancellation or a timeout. */
  restarts: number;
  closed: boolean;
}

interface Task {
  id: number;
  job: ProofJob;
  options: ProveOptions;
  slot: Slot | undefined;
  settled: boolean;
  resolve(result: ProvenJob): void;
  reject(error: ProofError): void;
}

interface Slot {
  child: ChildProcess | undefined;
  ready: Promise<void> | undefined;
  task: Task | undefined;
  proofs: number;
}

/**
 * Proving processes with keys in memory, and a bounded queue in front of them. A process is killed to cancel its job, and
 * replaced when the next job needs it; a crash fails its own job alone.
 */
export class WorkerPool {
  readonly #options: Required<WorkerPoolOptions>;
  readonly #slots: Slot[];
  readonly #queue: Task[] = [];
  readonly #children = new Map<ChildProcess, Promise<void>>();
  #nextId = 1;
  #proved = 0;
  #failed = 0;
  #restarts = 0;
  #closed = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = { size: 1, maxQueue: 64, recycleAfter: 200, preload: true, ...options };
    this.#slots = Array.from({ length: Math.max(1, this.#options.size) }, () => ({
      child: undefined,
      ready: undefined,
      task: undefined,
      proofs: 0,
    }));
  }

  /**
   * Start every process and wait until its keys are loaded. Optional: {@link prove} starts what it needs.
   *
   * @throws {ProofError} `WORKER_CRASHED` when a process does not come up, `POOL_UNAVAILABLE` when closed.
   */
  async warmUp(): Promise<void> {
    if (this.#closed) throw new ProofError('POOL_UNAVAILABLE', 'the prover is closed');
    await Promise.all(this.#slots.map((slot) => this.#start(slot)));
  }

  /**
   * Prove a job; the proof is verified in the process that made it.
   *
   * @throws {ProofError} `INPUT_INVALID`, `WITNESS_REJECTED`, `CIRCUIT_NOT_FOUND`, `KEY_MISMATCH`, `PROOF_INVALID` for
   * the job; `CANCELLED`, `TIMEOUT`, `WORKER_CRASHED`; `POOL_UNAVAILABLE` when the queue is full or the pool closed.
   */
  prove(job: ProofJob, options: ProveOptions = {}): Promise<ProvenJob> {
    if (this.#closed) return Promise.reject(new ProofError('POOL_UNAVAILABLE', 'the prover is closed'));
    if (options.signal?.aborted) return Promise.reject(cancelled());
    if (this.#queue.length >= this.#options.maxQueue) {
      return Promise.reject(
        new ProofError('POOL_UNAVAILABLE', 'the proving queue is full', { queued: this.#queue.length }),
      );
    }
    return new Promise((resolve, reject) => {
      const abort = () => this.#abandon(task, cancelled());
      const timeoutMs = options.timeoutMs ?? 120_000;
      const timer = setTimeout(() => {
        this.#abandon(task, new ProofError('TIMEOUT', `no proof within ${timeoutMs} ms`, { timeoutMs }));
      }, timeoutMs);
      const settle = () => {
        task.settled = true;
        clearTimeout(timer);
        options.signal?.removeEventListener('abort', abort);
      };
      const task: Task = {
        id: this.#nextId++,
        job,
        options,
        slot: undefined,
        settled: false,
        resolve: (result) => {
          if (task.settled) return;
          settle();
          this.#proved++;
          resolve(result);
        },
        reject: (error) => {
          if (task.settled) return;
          settle();
          this.#failed++;
          reject(error);
        },
      };
      options.signal?.addEventListener('abort', abort, { once: true });
      this.#queue.push(task);
      this.#schedule();
    });
  }

  status(): PoolStatus {
    return {
      queued: this.#queue.length,
      running: this.#slots.filter((slot) => slot.task).length,
      processes: [...this.#children.keys()].flatMap((child) => (child.pid === undefined ? [] : [child.pid])),
      proved: this.#proved,
      failed: this.#failed,
      restarts: this.#restarts,
      closed: this.#closed,
    };
  }

  /**
   * Refuse new jobs, fail the waiting ones with `POOL_UNAVAILABLE`, give the running ones a while, end all processes.
   * Resolves when none is left. Safe to call twice.
   *
   * @param graceMs milliseconds for running jobs; then they fail with `CANCELLED`. Default 5,000.
   */
  async close(graceMs = 5000): Promise<void> {
    this.#closed = true;
    for (const task of this.#queue.splice(0)) {
      task.reject(new ProofError('POOL_UNAVAILABLE', 'the prover was closed'));
    }
    for (const slot of this.#slots) if (!slot.task) this.#retire(slot);
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([Promise.all(this.#children.values()), patience]);
    clearTimeout(timer);
    for (const slot of this.#slots) if (slot.task) this.#abandon(slot.task, cancelled());
    for (const child of this.#children.keys()) child.kill('SIGKILL');
    await Promise.all(this.#children.values());
  }

  #schedule(): void {
    for (const slot of this.#slots) {
      if (slot.task) continue;
      const task = this.#queue.shift();
      if (!task) return;
      slot.task = task;
      task.slot = slot;
      void this.#run(slot, task);
    }
  }

  async #run(slot: Slot, task: Task): Promise<void> {
    try {
      await this.#start(slot);
    } catch (error) {
      task.reject(error instanceof ProofError ? error : new ProofError('WORKER_CRASHED', String(error)));
      this.#free(slot, task);
      return;
    }
    // The job may have been cancelled while the process came up.
    if (slot.task === task) this.#send(slot.child, { type: 'prove', id: task.id, job: task.job });
  }

  #start(slot: Slot): Promise<void> {
    if (slot.ready) return slot.ready;
    const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
    const child = fork(fileURLToPath(new URL('./worker.ts', import.meta.url)), [], {
      execArgv: ['--import', loader],
      // Nothing of the parent's environment that could be a secret.
      env: {
        PATH: process.env.PATH ?? '',
        HOME: process.env.HOME ?? '',
        TMPDIR: process.env.TMPDIR ?? '/tmp',
      },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      serialization: 'advanced',
    });
    slot.child = child;
    slot.proofs = 0;
    const exited = new Promise<void>((resolve) => {
      const end = () => {
        this.#children.delete(child);
        resolve();
      };
      child.once('exit', end);
      child.once('error', () => {
        if (child.pid === undefined) end();
      });
    });
    this.#children.set(child, exited);
    slot.ready = new Promise<void>((resolve, reject) => {
      const crashed = (code: number | null, signal: NodeJS.Signals | null) => {
        const how = signal ? `signal ${signal}` : `code ${code}`;
        const error = new ProofError('WORKER_CRASHED', `the proving process ended with ${how}`, {
          ...(code !== null && { code }),
          ...(signal !== null && { signal }),
        });
        reject(error);
        if (slot.child !== child) return;
        slot.child = undefined;
        slot.ready = undefined;
        const { task } = slot;
        if (!this.#closed) this.#restarts++;
        if (task) {
          task.reject(error);
          this.#free(slot, task);
        }
      };
      child.once('exit', crashed);
      child.once('error', () => crashed(null, null));
      child.on('message', (message: FromWorker) => {
        if (message.type === 'ready') resolve();
        else if (slot.child === child) this.#receive(slot, message);
      });
    });
    slot.ready.catch(() => {});
    this.#send(child, {
      type: 'start',
      circuits: [...this.#options.circuits],
      preload: this.#options.preload,
    });
    return slot.ready;
  }

  #receive(slot: Slot, message: Exclude<FromWorker, { type: 'ready' }>): void {
    const { task } = slot;
    if (!task || task.id !== message.id) return;
    if (message.type === 'progress') {
      if (!task.settled) task.options.onProgress?.(message.stage);
      return;
    }
    slot.proofs++;
    if (message.type === 'proved') task.resolve(message.result);
    else task.reject(deserializeError(message.error));
    if (slot.proofs >= this.#options.recycleAfter) this.#retire(slot);
    this.#free(slot, task);
  }

  #free(slot: Slot, task: Task): void {
    if (slot.task !== task) return;
    slot.task = undefined;
    if (this.#closed) this.#retire(slot);
    else this.#schedule();
  }

  /** Fail a job whose caller no longer wants it; a process that works on it is killed. */
  #abandon(task: Task, error: ProofError): void {
    if (task.settled) return;
    task.reject(error);
    const queued = this.#queue.indexOf(task);
    if (queued >= 0) {
      this.#queue.splice(queued, 1);
      return;
    }
    const { slot } = task;
    if (!slot || slot.task !== task) return;
    const { child } = slot;
    slot.child = undefined;
    slot.ready = undefined;
    if (child) {
      child.kill('SIGKILL');
      this.#restarts++;
    }
    this.#free(slot, task);
  }

  /** Let an idle process end by itself; the slot starts another when it needs one. */
  #retire(slot: Slot): void {
    const { child } = slot;
    slot.child = undefined;
    slot.ready = undefined;
    if (!child) return;
    this.#send(child, { type: 'close' });
    // One that does not listen any more is killed, without keeping the event loop for it.
    const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
    timer.unref();
    child.once('exit', () => clearTimeout(timer));
  }

  #send(child: ChildProcess | undefined, message: ToWorker): void {
    // A failed send means that the process is going; its exit event tells the rest.
    if (child?.connected) child.send(message, () => {});
  }
}

function cancelled(): ProofError {
  return new ProofError('CANCELLED', 'the proof was cancelled');
}
