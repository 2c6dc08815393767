/** Takes jobs from the queue and proves them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ZkMarginError } from '../errors.ts';
import { ProofError, type ProofErrorCode } from '../proof/errors.ts';
import type { ProofJob, ProvenJob } from '../proof/prover/protocol.ts';
import type { PoolStatus, ProveOptions } from '../proof/prover/worker-pool.ts';
import type { ClaimedJob } from '../store/job.ts';
import type { JobQueue } from '../store/job-queue.ts';
import { jobIdOf } from './job-id.ts';
import type { LoopState } from './liveness.ts';
import { News } from './news.ts';
import { jobErrorOf } from './problems.ts';

/** What proves: a `WorkerPool`, or a stand-in. It verifies a proof before it returns it. */
export interface Prover {
  prove(job: ProofJob, options?: ProveOptions): Promise<ProvenJob>;
  /** Whether it proves in the background, so that other jobs lose no time. Without that, jobs are taken one like the other. */
  readonly hasBackground?: boolean;
  /** Makes the background ready for its first job. */
  warmBackground?(): Promise<void>;
  status(): Pick<PoolStatus, 'closed'> & Partial<Pick<PoolStatus, 'backend' | 'unloaded'>>;
  close(graceMs?: number): Promise<void>;
}

/** Why proofs of some circuits would fail. */
export function loadReasons(unloaded: Readonly<Record<string, string>> = {}): string[] {
  return Object.entries(unloaded).map(([circuit, code]) => `${circuit} cannot be loaded (${code})`);
}

/** What a {@link ProverRunner} works with. */
export interface ProverRunnerOptions {
  readonly queue: JobQueue;
  readonly prover: Prover;
  /** Circuits that the prover has, with the digests of their verification keys. */
  readonly keyDigests: ReadonlyMap<string, string>;
  /** Name in the records of failed attempts. */
  readonly worker: string;
  /** Jobs at a time, speculation in the background apart: as many as the prover has processes. Default 1. */
  readonly concurrency?: number;
  /** Milliseconds after which it looks for jobs although nobody has told of any. Default 1,000. */
  readonly pollMs?: number;
  /** Told of what goes wrong between the runner and the store; never of inputs. */
  readonly onStoreError?: (error: ZkMarginError) => void;
  /** Told of attempts that failed for no fault of who asked: what an operator must know, and holds no inputs. */
  readonly onProofFailure?: (error: unknown, circuit: string) => void;
}

/** Failures that are of the inputs, or were wanted. */
const NOT_THE_OPERATORS: ReadonlySet<ProofErrorCode> = new Set([
  'INPUT_INVALID',
  'WITNESS_REJECTED',
  'PUBLIC_SIGNAL_OUT_OF_RANGE',
  'CANCELLED',
]);

/** Failures that another attempt would meet again. */
const FINAL: ReadonlySet<ProofErrorCode> = new Set([
  'INPUT_INVALID',
  'WITNESS_REJECTED',
  'PUBLIC_SIGNAL_OUT_OF_RANGE',
  'TIMEOUT',
]);

/** Which jobs a loop of the runner takes. */
type Kind = 'any' | 'asked' | 'speculative';

/**
 * Claims jobs, shows that it lives while they are proven, and writes their ends.
 *
 * Where the prover has a background, speculative jobs go there, one at a time, and only while nothing else is proven here and
 * nothing else waits that could be. One that is asked for meanwhile is proven as any other from then on.
 */
export class ProverRunner {
  readonly #options: Required<Omit<ProverRunnerOptions, 'onStoreError' | 'onProofFailure'>>;
  readonly #onProofFailure: NonNullable<ProverRunnerOptions['onProofFailure']>;
  readonly #onStoreError: (error: ZkMarginError) => void;
  readonly #running = new Map<string, AbortController>();
  readonly #news = new News();
  /** When the store answered last, on the clock of `performance.now`. */
  #heardAt = performance.now();
  #claiming: Promise<unknown> = Promise.resolve();
  /** Of each loop: steps that it made, and until when it may prove, on the clock of `performance.now`. */
  readonly #turns: { turns: number; provesUntil: number }[] = [];
  #loops: Promise<void>[] = [];
  #stopListening: () => void = () => {};
  #closing: Promise<void> | undefined;

  constructor(options: ProverRunnerOptions) {
    const { onStoreError, onProofFailure, ...rest } = options;
    this.#onProofFailure = onProofFailure ?? (() => {});
    this.#options = { concurrency: 1, pollMs: 1_000, ...rest };
    this.#onStoreError = onStoreError ?? (() => {});
  }

  /** Begins to take jobs. Does nothing the second time. */
  start(): void {
    if (this.#loops.length > 0 || this.#closing !== undefined) return;
    const { queue, concurrency, prover } = this.#options;
    const background = prover.hasBackground === true;
    const kinds = Array.from({ length: concurrency }, (): Kind => (background ? 'asked' : 'any'));
    if (background) kinds.push('speculative');
    this.#loops = kinds.map((kind) => {
      const state = { turns: 0, provesUntil: 0 };
      this.#turns.push(state);
      return this.#loop(kind, state);
    });
    queue
      .onQueued(() => this.#news.tell())
      .then((stop) => {
        this.#stopListening = stop;
        if (this.#closing !== undefined) stop();
      })
      .catch((error: unknown) => this.#report(error));
  }

  /** Jobs that are being proven. */
  get running(): number {
    return this.#running.size;
  }

  /** Milliseconds since the store last took a heartbeat of a job, or a question for the next one; since the start before that. */
  get heartbeatAgeMs(): number {
    return performance.now() - this.#heardAt;
  }

  /** Makes ready for speculation. */
  async warmBackground(): Promise<void> {
    await this.#options.prover.warmBackground?.();
  }

  /** Its loops, for liveness. */
  loopStates(): LoopState[] {
    const now = performance.now();
    return this.#turns.map(({ turns, provesUntil }, index) => ({
      name: `queue runner ${index + 1}`,
      turns,
      excused: now < provesUntil,
    }));
  }

  /** Takes no more jobs, gives the running ones a while, and gives the rest back to the queue. Safe to call twice. */
  close(graceMs?: number): Promise<void> {
    this.#closing ??= (async () => {
      this.#stopListening();
      this.#news.tell();
      await this.#options.prover.close(graceMs);
      for (const controller of this.#running.values()) controller.abort();
      await Promise.all(this.#loops);
    })();
    return this.#closing;
  }

  async #loop(kind: Kind, state: { turns: number; provesUntil: number }): Promise<void> {
    const { queue, pollMs } = this.#options;
    while (this.#closing === undefined) {
      const seen = this.#news.count;
      state.turns++;
      state.provesUntil = 0;
      let claim: ClaimedJob | undefined;
      try {
        claim = await this.#claim(kind);
      } catch (error) {
        this.#report(error);
      }
      if (claim === undefined) await this.#news.rest(seen, pollMs);
      else if (this.#closing === undefined) {
        state.provesUntil = performance.now() + claim.remainingMs;
        await this.#prove(claim, kind === 'speculative', () => {
          state.turns++;
        });
        // The last job of others lets the background go on.
        if (kind === 'asked') this.#news.tell();
      } else {
        await queue.release(claim).catch((error: unknown) => this.#report(error));
        this.#running.delete(claim.token);
      }
    }
  }

  /** Takes a job. One at a time, so that speculation sees what has just been taken. */
  #claim(kind: Kind): Promise<ClaimedJob | undefined> {
    const { queue, worker, keyDigests } = this.#options;
    const digests = [...new Set(keyDigests.values())];
    const claiming = this.#claiming.then(async () => {
      if (kind === 'speculative' && this.#running.size > 0) return undefined;
      const claim = await (kind === 'speculative'
        ? queue.claimSpeculative(worker, digests)
        : queue.claim(worker, digests, kind === 'any' ? 'speculative' : 'attestation'));
      this.#heardAt = performance.now();
      if (claim !== undefined) this.#running.set(claim.token, new AbortController());
      return claim;
    });
    this.#claiming = claiming.catch(() => undefined);
    return claiming;
  }

  async #prove(claim: ClaimedJob, inBackground: boolean, onTry: () => void): Promise<void> {
    const { queue, prover } = this.#options;
    const controller = this.#running.get(claim.token)!;
    const promotion = new AbortController();
    let lost = false;
    let over = false;
    // One at a time, so that stages reach the store in their order.
    let beats = Promise.resolve();
    const beat = (stage?: Parameters<JobQueue['heartbeat']>[1]) => {
      beats = beats.then(async () => {
        if (lost || over) return;
        try {
          const standing = await queue.heartbeat(claim, stage);
          this.#heardAt = performance.now();
          if (over) return;
          if (standing === undefined) {
            lost = true;
            controller.abort();
          } else if (standing.priority !== 'speculative') promotion.abort();
        } catch (error) {
          this.#report(error);
        }
      });
    };
    const timer = setInterval(beat, Math.max(30, Math.floor(queue.leaseMs / 3)));
    // Deadlines are those of the database's clock: it fails the job, and the next beat tells.
    const deadline = setTimeout(
      () => {
        void queue
          .maintain()
          .catch((error: unknown) => this.#report(error))
          .then(() => beat());
      },
      Math.min(claim.remainingMs + 20, 2 ** 31 - 1),
    );
    // A cancelled job is given up at once.
    const forget = await queue.onChange(claim.id, () => beat()).catch(() => () => {});
    try {
      const proven = await prover.prove(
        { circuit: claim.circuit, input: claim.input },
        {
          signal: controller.signal,
          timeoutMs: 2 ** 31 - 1,
          ...(inBackground && { background: { promoted: promotion.signal } }),
          onProgress: (stage, { step }) => {
            // Only stages are kept; the job's own states say the rest.
            if (stage !== 'queued' && stage !== 'done' && step === undefined) beat(stage);
          },
        },
      );
      if (jobIdOf(claim.circuit, claim.keyDigest, proven.publicSignals) !== claim.id) {
        throw new ZkMarginError('PROOF_INVALID', 'The proof states other figures than the exact model.');
      }
      over = true;
      const { proof, publicSignals, calldata, timings } = proven;
      await this.#write(
        claim,
        () => queue.complete(claim, { proof, publicSignals, calldata, timings }),
        onTry,
      );
    } catch (error) {
      over = true;
      if (lost) return;
      if (this.#closing !== undefined && wasStopped(error)) {
        await this.#write(claim, () => queue.release(claim), onTry);
        return;
      }
      if (!(error instanceof ProofError && NOT_THE_OPERATORS.has(error.code))) {
        this.#onProofFailure(error, claim.circuit);
      }
      const again = error instanceof ProofError ? !FINAL.has(error.code) : !(error instanceof ZkMarginError);
      await this.#write(claim, () => queue.fail(claim, jobErrorOf(error), again), onTry);
    } finally {
      over = true;
      clearInterval(timer);
      clearTimeout(deadline);
      forget();
      await beats;
      this.#running.delete(claim.token);
    }
  }

  /** Writes the end of an attempt, again and again while the store cannot take it: a proof is dear. */
  async #write(claim: ClaimedJob, action: () => Promise<unknown>, onTry: () => void): Promise<void> {
    const end = performance.now() + Math.max(claim.remainingMs, this.#options.queue.leaseMs);
    for (let pause = 50; ; pause = Math.min(2_000, 2 * pause)) {
      try {
        await action();
        return;
      } catch (error) {
        this.#report(error);
        onTry();
        // When nobody can be told, the lease ends and the job goes to another worker.
        if (this.#closing !== undefined || performance.now() > end) return;
        await sleep(pause);
      }
    }
  }

  #report(error: unknown): void {
    this.#onStoreError(
      error instanceof ZkMarginError
        ? error
        : new ZkMarginError('INTERNAL', 'The prover failed.', { cause: error }),
    );
  }
}

/** True for the end of a prover that is being closed. */
function wasStopped(error: unknown): boolean {
  return (
    error instanceof ProofError &&
    (error.code === 'CANCELLED' || error.code === 'POOL_UNAVAILABLE' || error.code === 'WORKER_CRASHED')
  );
}
