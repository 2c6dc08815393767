import { type ChildProcess, fork, spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { deserializeError, ProofError, type ProofErrorCode } from '../errors.ts';
import type { ProvingStep } from './backend.ts';
import { type BackendConfiguration, type BackendReport, resolveBackend } from './backends.ts';
import type {
  FromWorker,
  LoadFailure,
  ProgressDetail,
  ProgressStage,
  ProofJob,
  ProvenJob,
  ProverCircuit,
  ToWorker,
} from './protocol.ts';
import { makeScratch } from './scratch.ts';
import { isTimeout, timeoutError } from './timeout.ts';

export interface WorkerPoolOptions {
  circuits: readonly ProverCircuit[];
  /** What makes the proofs. Default snarkjs. */
  backend?: BackendConfiguration;
  /**
   * Proving processes. One proof uses every core, so more than one helps only on large machines; several with the native
   * backend share the cores. Default 1.
   */
  size?: number;
  /** Jobs that may wait; more are refused with `POOL_UNAVAILABLE`. Default 64. */
  maxQueue?: number;
  /** Proofs after which a process is replaced: the memory of WASM never shrinks. Default 200. */
  recycleAfter?: number;
  /** Resident bytes above which a process is replaced when its job has ended. Default 2 GiB. */
  recycleAboveBytes?: number;
  /** Times that a job is started again when its process is lost. Default 1. */
  crashRetries?: number;
  /** Load every key when a process starts, instead of at first use. Default true. */
  preload?: boolean;
  /**
   * One process more, started when it is first needed, for jobs that are proven in the background. It is stopped by a signal
   * for as long as any other job waits or is proven, so that it takes their time never, but memory. Default false.
   */
  background?: boolean;
  /** Told once of a circuit that a process could not load, also of one that could before. What it throws is dropped. */
  onLoadFailure?: (circuit: string, error: ProofError) => void;
}

export interface ProveOptions {
  /** Cancels the job, running or not. */
  signal?: AbortSignal;
  /** Milliseconds from the call until the job fails with `TIMEOUT`, waiting included: above 0, below 2^31. Default 120,000. */
  timeoutMs?: number;
  /**
   * Proves the job in the background, in a pool that has one. When the signal is given, the job is as urgent as any other from
   * then on.
   */
  background?: { readonly promoted: AbortSignal };
  /** Told what happens to the job; never after the promise has settled. What it throws is dropped. */
  onProgress?: (stage: ProgressStage, detail: ProgressDetail) => void;
}

/** Counts for health checks and metrics. */
export interface PoolStatus {
  queued: number;
  running: number;
  /** Process ids of the live proving processes. */
  processes: number[];
  /** Resident bytes of each of them when last heard of, in the same order; 0 before it is ready. */
  memory: number[];
  proved: number;
  failed: number;
  /** Processes that were replaced after a crash, a cancellation or a timeout. */
  restarts: number;
  /** Processes that were replaced for their age or memory. */
  recycled: number;
  /** Jobs that were started again after their process was lost. */
  retried: number;
  /** The background's job: none, at work, or stopped while others are proven. */
  background: 'idle' | 'running' | 'stopped';
  /** Circuits that could not be loaded, and why; without those that have been since. */
  unloaded: Readonly<Record<string, ProofErrorCode>>;
  backend: BackendReport;
  closed: boolean;
}

interface Task {
  id: number;
  job: ProofJob;
  options: ProveOptions;
  slot: Slot | undefined;
  /** Times that it was given to a process. */
  attempts: number;
  settled: boolean;
  resolve(result: ProvenJob): void;
  reject(error: ProofError): void;
}

interface Slot {
  child: ChildProcess | undefined;
  ready: Promise<void> | undefined;
  task: Task | undefined;
  proofs: number;
  readonly background: boolean;
  /** Whether its process has been stopped by a signal. */
  stopped: boolean;
}

/** A background process that works on for nobody is ended after so many milliseconds. */
const LONGEST_AFTERMATH_MS = 60_000;

/**
 * Proving processes with keys in memory, and a bounded queue in front of them. A process is killed to cancel its job, and
 * replaced when the next job needs it; a job whose process is lost is started once more and then fails, alone.
 *
 * In the background, a job that is cancelled is proven to its end for nobody instead: a new process would have to read its keys
 * first, which takes about as long.
 *
 * Each process leads its own process group, so that what a backend starts ends with it, and keeps witnesses in a directory
 * of its own, which the pool removes when the process has ended; what is left of a pool that was killed, the next one removes.
 */
export class WorkerPool {
  readonly #options: Required<Omit<WorkerPoolOptions, 'onLoadFailure'>>;
  readonly #onLoadFailure: NonNullable<WorkerPoolOptions['onLoadFailure']>;
  readonly #unloaded = new Map<string, ProofError>();
  readonly #slots: Slot[];
  readonly #queue: Task[] = [];
  readonly #background: Slot | undefined;
  readonly #backgroundQueue: Task[] = [];
  readonly #children = new Map<ChildProcess, { exited: Promise<void>; rss: number }>();
  #backend: BackendConfiguration;
  #report: BackendReport;
  #resolving: Promise<void> | undefined;
  #scratch: string | undefined;
  #nextId = 1;
  #nextChild = 1;
  #proved = 0;
  #failed = 0;
  #restarts = 0;
  #recycled = 0;
  #retried = 0;
  #closed = false;

  constructor({ onLoadFailure = () => {}, ...options }: WorkerPoolOptions) {
    this.#onLoadFailure = onLoadFailure;
    this.#options = {
      backend: { name: 'snarkjs' },
      size: 1,
      maxQueue: 64,
      recycleAfter: 200,
      recycleAboveBytes: 2 * 2 ** 30,
      crashRetries: 1,
      preload: true,
      background: false,
      ...options,
    };
    this.#backend = this.#options.backend;
    this.#report = { name: this.#backend.name };
    this.#slots = Array.from({ length: Math.max(1, this.#options.size) }, () => emptySlot(false));
    if (this.#options.background) this.#background = emptySlot(true);
  }

  /**
   * Start every process and wait until its keys are loaded. Optional: {@link prove} starts what it needs.
   *
   * @returns which backend was chosen.
   * @throws {ProofError} `BACKEND_UNAVAILABLE`, `WORKER_CRASHED` when a process does not come up, `POOL_UNAVAILABLE` when
   * closed; why a circuit could not be loaded.
   */
  async warmUp(): Promise<BackendReport> {
    if (this.#closed) throw new ProofError('POOL_UNAVAILABLE', 'the prover is closed');
    await this.#resolve();
    await Promise.all(this.#slots.map((slot) => this.#start(slot)));
    const [first, ...others] = this.#unloaded.values();
    if (first !== undefined) {
      const all = [first, ...others].map(({ message }) => message).join('; ');
      throw new ProofError(first.code, all, first.details, { cause: first });
    }
    return this.#report;
  }

  /** Starts the background's process before it is needed; it goes on while no other job is there. Never throws. */
  async warmBackground(): Promise<void> {
    if (this.#closed || this.#background === undefined) return;
    try {
      await this.#resolve();
      if (!this.#closed) await this.#start(this.#background);
    } catch {
      // The first job tells why.
    }
  }

  /** Names of its circuits. */
  get served(): ReadonlySet<string> {
    return new Set(this.#options.circuits.map(({ name }) => name));
  }

  /** Whether jobs can be proven in the background. */
  get hasBackground(): boolean {
    return this.#background !== undefined;
  }

  /**
   * Prove a job; the proof is verified in the process that made it.
   *
   * @throws {ProofError} `INPUT_INVALID`, `WITNESS_REJECTED`, `CIRCUIT_NOT_FOUND`, `KEY_MISMATCH`, `PROOF_INVALID` for
   * the job; those of the backend; `CANCELLED`, `TIMEOUT`, `WORKER_CRASHED` when its process was lost time and again;
   * `POOL_UNAVAILABLE` when the queue is full or the pool closed.
   */
  prove(job: ProofJob, options: ProveOptions = {}): Promise<ProvenJob> {
    if (this.#closed) return Promise.reject(new ProofError('POOL_UNAVAILABLE', 'the prover is closed'));
    if (options.signal?.aborted) return Promise.reject(cancelled());
    const { timeoutMs = 120_000 } = options;
    if (!isTimeout(timeoutMs)) return Promise.reject(timeoutError(timeoutMs));
    const inBackground = options.background !== undefined && this.#background !== undefined;
    const queue = inBackground ? this.#backgroundQueue : this.#queue;
    if (queue.length >= this.#options.maxQueue) {
      return Promise.reject(
        new ProofError('POOL_UNAVAILABLE', 'the proving queue is full', { queued: queue.length }),
      );
    }
    return new Promise((resolve, reject) => {
      const abort = () => this.#abandon(task, cancelled());
      const timer = setTimeout(() => {
        this.#abandon(task, new ProofError('TIMEOUT', `no proof within ${timeoutMs} ms`, { timeoutMs }));
      }, timeoutMs);
      const settle = () => {
        task.settled = true;
        clearTimeout(timer);
        options.signal?.removeEventListener('abort', abort);
        options.background?.promoted.removeEventListener('abort', promote);
      };
      const promote = () => this.#promote(task);
      const task: Task = {
        id: this.#nextId++,
        job,
        options,
        slot: undefined,
        attempts: 0,
        settled: false,
        resolve: (result) => {
          if (task.settled) return;
          this.#tell(task, 'done');
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
      queue.push(task);
      this.#tell(task, 'queued');
      if (inBackground) {
        options.background?.promoted.addEventListener('abort', promote, { once: true });
        if (options.background?.promoted.aborted) promote();
      }
      this.#schedule();
    });
  }

  status(): PoolStatus {
    const alive = [...this.#children].filter(([child]) => child.pid !== undefined);
    return {
      queued: this.#queue.length + this.#backgroundQueue.length,
      running: this.#slots.filter((slot) => slot.task).length,
      processes: alive.map(([child]) => child.pid!),
      memory: alive.map(([, { rss }]) => rss),
      proved: this.#proved,
      failed: this.#failed,
      restarts: this.#restarts,
      recycled: this.#recycled,
      retried: this.#retried,
      unloaded: Object.fromEntries([...this.#unloaded].map(([circuit, { code }]) => [circuit, code])),
      background: !this.#background?.task ? 'idle' : this.#background.stopped ? 'stopped' : 'running',
      backend: this.#report,
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
    for (const task of [...this.#queue.splice(0), ...this.#backgroundQueue.splice(0)]) {
      task.reject(new ProofError('POOL_UNAVAILABLE', 'the prover was closed'));
    }
    for (const slot of this.#slots) if (!slot.task) this.#retire(slot);
    if (this.#background) this.#endBackground(this.#background);
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    const exited = () => Promise.all([...this.#children.values()].map((child) => child.exited));
    await Promise.race([exited(), patience]);
    clearTimeout(timer);
    for (const slot of this.#slots) if (slot.task) this.#abandon(slot.task, cancelled());
    for (const child of this.#children.keys()) killGroup(child);
    await exited();
    if (this.#scratch !== undefined) rmSync(this.#scratch, { recursive: true, force: true });
  }

  /** Settle once which backend is used. */
  #resolve(): Promise<void> {
    this.#resolving ??= resolveBackend(shareCores(this.#options)).then(({ configuration, report }) => {
      this.#backend = configuration;
      this.#report = report;
    });
    // A binary that is put in its place later is found then.
    this.#resolving.catch(() => {
      this.#resolving = undefined;
    });
    return this.#resolving;
  }

  #tell(task: Task, stage: ProgressStage, step?: ProvingStep): void {
    if (task.settled) return;
    try {
      task.options.onProgress?.(stage, {
        attempt: Math.max(1, task.attempts),
        ...(step !== undefined && { step }),
      });
    } catch {
      // A listener's failure is not the job's.
    }
  }

  #schedule(): void {
    for (const slot of this.#slots) this.#give(slot, this.#queue);
    if (this.#background && !this.#busy()) this.#give(this.#background, this.#backgroundQueue);
    this.#steer();
  }

  #give(slot: Slot, queue: Task[]): void {
    if (slot.task) return;
    const task = queue.shift();
    if (!task) return;
    slot.task = task;
    task.slot = slot;
    void this.#run(slot, task);
  }

  /** Whether a job waits or is proven that is not the background's. */
  #busy(): boolean {
    return this.#queue.length > 0 || this.#slots.some(({ task }) => task !== undefined);
  }

  /** Stops the background's process while others have work, and lets it go on afterwards. */
  #steer(): void {
    const slot = this.#background;
    if (!slot?.child) return;
    const { task } = slot;
    const promoted = task?.settled === false && task.options.background?.promoted.aborted === true;
    const stop = this.#busy() && !promoted;
    if (stop === slot.stopped) return;
    if (signalGroup(slot.child, stop ? 'SIGSTOP' : 'SIGCONT')) {
      slot.stopped = stop;
    } else if (stop) {
      // What cannot be stopped is ended.
      slot.task = undefined;
      task?.reject(cancelled());
      this.#discard(slot);
    }
  }

  /** A job of the background that is wanted now: it goes to a process that is free, or goes on where it is. */
  #promote(task: Task): void {
    const place = this.#backgroundQueue.indexOf(task);
    if (place >= 0) {
      this.#backgroundQueue.splice(place, 1);
      this.#queue.push(task);
    }
    this.#schedule();
  }

  /** Ends the background's process and its job. */
  #endBackground(slot: Slot): void {
    const { task } = slot;
    slot.task = undefined;
    task?.reject(cancelled());
    if (task || slot.stopped) this.#discard(slot);
    else this.#retire(slot);
  }

  async #run(slot: Slot, task: Task): Promise<void> {
    const attempt = ++task.attempts;
    try {
      await this.#resolve();
      if (slot.task !== task) return;
      await this.#start(slot);
    } catch (error) {
      // A lost process has been dealt with, unless it was lost before it had this task.
      if (slot.task === task && task.attempts === attempt && !slot.child) {
        task.reject(error instanceof ProofError ? error : new ProofError('WORKER_CRASHED', String(error)));
        this.#free(slot, task);
      }
      return;
    }
    // The job may have been cancelled while the process came up.
    if (slot.task === task && task.settled) {
      this.#free(slot, task);
      return;
    }
    if (slot.task !== task || task.attempts !== attempt) return;
    try {
      this.#send(slot.child, { type: 'prove', id: task.id, job: task.job });
    } catch (cause) {
      // Nothing has been sent: the process is free for the next job. The cause may quote the input.
      task.reject(
        new ProofError(
          'INPUT_INVALID',
          'the input cannot be sent to a proving process: use decimal strings and lists of them alone',
          { field: 'input' },
          { cause },
        ),
      );
      this.#free(slot, task);
    }
  }

  /** A directory for one process's files, readable by this user alone. */
  #scratchFor(): string {
    this.#scratch ??= makeScratch();
    const path = join(this.#scratch, String(this.#nextChild++));
    mkdirSync(path, { mode: 0o700 });
    return path;
  }

  #start(slot: Slot): Promise<void> {
    if (slot.ready) return slot.ready;
    const scratch = this.#scratchFor();
    const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
    const child = fork(fileURLToPath(new URL('./worker.ts', import.meta.url)), [], {
      execArgv: ['--import', loader],
      // A group of its own, see the class.
      detached: true,
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
    if (slot.background) {
      guard(child);
      this.#steer();
    }
    const exited = new Promise<void>((resolve) => {
      const end = () => {
        // An external prover outlives a process that was killed from outside.
        if (this.#backend.name === 'rapidsnark') killGroup(child);
        rmSync(scratch, { recursive: true, force: true });
        this.#children.delete(child);
        resolve();
      };
      child.once('exit', end);
      child.once('error', () => {
        if (child.pid === undefined) end();
      });
    });
    this.#children.set(child, { exited, rss: 0 });
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
        slot.stopped = false;
        const { task } = slot;
        if (!this.#closed) this.#restarts++;
        if (!task) return;
        if (!this.#closed && !task.settled && task.attempts <= this.#options.crashRetries) {
          this.#retried++;
          slot.task = undefined;
          task.slot = undefined;
          (slot.background ? this.#backgroundQueue : this.#queue).unshift(task);
          this.#tell(task, 'queued');
          this.#schedule();
          return;
        }
        task.reject(error);
        this.#free(slot, task);
      };
      child.once('exit', crashed);
      child.once('error', () => crashed(null, null));
      child.on('message', (message: FromWorker) => {
        const known = this.#children.get(child);
        if (known && 'rss' in message) known.rss = message.rss;
        if (message.type === 'ready') {
          this.#hearLoads(message.failures);
          resolve();
        } else if (slot.child === child) this.#receive(slot, message);
      });
    });
    slot.ready.catch(() => {});
    this.#send(child, {
      type: 'start',
      circuits: [...this.#options.circuits],
      preload: this.#options.preload,
      backend: this.#backend,
      scratch,
    });
    return slot.ready;
  }

  /** Takes note of what a process could load and what not. */
  #hearLoads(failures: readonly LoadFailure[]): void {
    if (!this.#options.preload) return;
    const failed = new Map(failures.map(({ circuit, error }) => [circuit, deserializeError(error)]));
    for (const { name } of this.#options.circuits) {
      const error = failed.get(name);
      const former = this.#unloaded.get(name);
      if (error === undefined) {
        this.#unloaded.delete(name);
        continue;
      }
      this.#unloaded.set(name, error);
      if (former?.message === error.message) continue;
      try {
        this.#onLoadFailure(name, error);
      } catch {
        // A listener's failure is nobody's.
      }
    }
  }

  #receive(slot: Slot, message: Exclude<FromWorker, { type: 'ready' }>): void {
    const { task } = slot;
    if (!task || task.id !== message.id) return;
    if (message.type === 'progress') {
      this.#tell(task, message.stage, message.step);
      return;
    }
    slot.proofs++;
    if (message.type === 'proved') {
      this.#unloaded.delete(message.result.circuit);
      task.resolve(message.result);
    } else task.reject(deserializeError(message.error));
    // A listener may have cancelled the job at its last event.
    if (slot.task !== task) return;
    if (message.type === 'failed' && message.error.code === 'TIMEOUT') {
      // What the external prover has started is still in the process's group.
      this.#discard(slot);
    } else if (slot.proofs >= this.#options.recycleAfter || message.rss > this.#options.recycleAboveBytes) {
      this.#recycled++;
      this.#retire(slot);
    }
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
    for (const queue of [this.#queue, this.#backgroundQueue]) {
      const queued = queue.indexOf(task);
      if (queued < 0) continue;
      queue.splice(queued, 1);
      this.#steer();
      return;
    }
    const { slot } = task;
    if (!slot || slot.task !== task) return;
    if (slot.background && slot.child && error.code === 'CANCELLED') {
      this.#steer();
      const timer = setTimeout(() => {
        if (slot.task !== task) return;
        this.#discard(slot);
        this.#free(slot, task);
      }, LONGEST_AFTERMATH_MS);
      timer.unref();
      return;
    }
    this.#discard(slot);
    this.#free(slot, task);
  }

  /** Kill a slot's process and everything in its group. */
  #discard(slot: Slot): void {
    const { child } = slot;
    slot.child = undefined;
    slot.ready = undefined;
    slot.stopped = false;
    if (!child) return;
    killGroup(child);
    this.#restarts++;
  }

  /** Let an idle process end by itself; the slot starts another when it needs one. */
  #retire(slot: Slot): void {
    const { child } = slot;
    slot.child = undefined;
    slot.ready = undefined;
    if (!child) return;
    this.#send(child, { type: 'close' });
    // One that does not listen any more is killed, without keeping the event loop for it.
    const timer = setTimeout(() => killGroup(child), 3000);
    timer.unref();
    child.once('exit', () => clearTimeout(timer));
  }

  #send(child: ChildProcess | undefined, message: ToWorker): void {
    // A failed send means that the process is going; its exit event tells the rest.
    if (child?.connected) child.send(message, () => {});
  }
}

/** Several processes at work share the cores, unless their threads were chosen. */
function shareCores({
  backend,
  size,
}: Pick<Required<WorkerPoolOptions>, 'backend' | 'size'>): BackendConfiguration {
  if (backend.name !== 'native' || backend.threads !== undefined || size <= 1) return backend;
  return { ...backend, threads: Math.max(1, Math.floor(availableParallelism() / size)) };
}

function emptySlot(background: boolean): Slot {
  return { child: undefined, ready: undefined, task: undefined, proofs: 0, background, stopped: false };
}

/** Signals all processes of a group. @returns false where that cannot be done */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): boolean {
  if (child.pid === undefined) return false;
  try {
    return process.kill(-child.pid, signal);
  } catch {
    return false;
  }
}

/**
 * Lets a process go on when this one has ended, however that came: one that is stopped would not learn of it, and stay for ever
 * with its witness. What waits for the end of this process is a shell that reads from it.
 */
function guard(child: ChildProcess): void {
  const waiting = spawn('/bin/sh', ['-c', 'read line; kill -s CONT -- "$1"', 'sh', `-${child.pid}`], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: {},
  });
  waiting.on('error', () => {});
  waiting.stdin.on('error', () => {});
  waiting.unref();
  (waiting.stdin as unknown as { unref?: () => void }).unref?.();
  child.once('exit', () => waiting.stdin.end());
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group is gone, or not there yet.
    child.kill('SIGKILL');
  }
}

function cancelled(): ProofError {
  return new ProofError('CANCELLED', 'the proof was cancelled');
}
