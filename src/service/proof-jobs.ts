/** Proof jobs from their acceptance to their end. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ZkMarginError } from '../errors.ts';
import type { ProofJob, ProvenJob } from '../proof/prover/protocol.ts';
import type { PoolStatus, ProveOptions } from '../proof/prover/worker-pool.ts';
import type { JobPatch, JobRecord, JobStore } from '../store/job-store.ts';
import { isFinished } from '../store/job-store.ts';
import { jobErrorOf } from './problems.ts';
import { jobIdOf, type PreparedProof } from './request.ts';

/** What proves: a `WorkerPool`, or a stand-in. It verifies a proof before it returns it. */
export interface Prover {
  prove(job: ProofJob, options?: ProveOptions): Promise<ProvenJob>;
  status(): Pick<PoolStatus, 'closed'> & Partial<Pick<PoolStatus, 'backend'>>;
  close(graceMs?: number): Promise<void>;
}

/** How {@link ProofJobs} are bounded. */
export interface ProofJobsOptions {
  readonly prover: Prover;
  readonly store: JobStore;
  /** Digest of each circuit's verification key. */
  readonly keyDigests: ReadonlyMap<string, string>;
  /** Unfinished jobs at most. */
  readonly maxActive: number;
  /** Milliseconds that a job may take, waiting included. */
  readonly maxJobMs: number;
  /** Requests that may wait for jobs at a time; others are answered at once. */
  readonly maxWaiting: number;
  readonly now: () => number;
}

interface Run {
  readonly controller: AbortController;
  /** Settles, never rejects, when the job's end is in the store. */
  finished: Promise<void>;
}

/** Runs jobs through the prover and writes what happens to them into the store. */
export class ProofJobs {
  readonly #options: ProofJobsOptions;
  readonly #runs = new Map<string, Run>();
  #active = 0;
  #waiting = 0;
  #closed = false;

  constructor(options: ProofJobsOptions) {
    this.#options = options;
  }

  /** Name of what makes the proofs, where the prover tells. */
  get backend(): string | undefined {
    return this.#options.prover.status().backend?.name;
  }

  /** Why no job would be accepted now; empty when one would. */
  refusals(): string[] {
    const reasons: string[] = [];
    if (this.#closed) reasons.push('the service is closing');
    else if (this.#options.prover.status().closed) reasons.push('the prover is closed');
    if (this.#active >= this.#options.maxActive) reasons.push('the queue is full');
    return reasons;
  }

  /** @throws ZkMarginError `BUSY` when no job is accepted now */
  assertAccepting(): void {
    const reasons = this.refusals();
    if (reasons.length > 0) {
      throw new ZkMarginError('BUSY', `Try again later: ${reasons.join(', ')}.`, { details: { reasons } });
    }
  }

  /**
   * The job of a statement: a new one, or the one that exists unless that one has failed. A job keeps the deadline that
   * it was created with.
   *
   * @throws ZkMarginError `BUSY`
   */
  async submit(proof: PreparedProof): Promise<{ record: JobRecord; created: boolean }> {
    const { store, keyDigests, maxJobMs, now } = this.#options;
    const id = jobIdOf(proof.circuit, keyDigests.get(proof.circuit) ?? '', proof.publicSignals);
    const present = await store.get(id);
    if (present !== undefined && present.state !== 'failed') return { record: present, created: false };
    this.assertAccepting();
    this.#active++;
    let started = false;
    try {
      const createdAt = now();
      const deadline = Math.min(proof.deadline ?? Number.POSITIVE_INFINITY, createdAt + maxJobMs);
      const kept = await store.create({ id, circuit: proof.circuit, state: 'queued', createdAt, deadline });
      if (kept.created) {
        const run: Run = { controller: new AbortController(), finished: Promise.resolve() };
        if (this.#closed) run.controller.abort();
        this.#runs.set(id, run);
        run.finished = this.#run(id, run, proof, deadline - now());
        started = true;
      }
      return kept;
    } finally {
      if (!started) this.#active--;
    }
  }

  /**
   * A job, after waiting for its end for so long at most.
   *
   * @param signal ends the wait
   */
  async get(id: string, waitMs = 0, signal?: AbortSignal): Promise<JobRecord | undefined> {
    const { store, maxWaiting } = this.#options;
    const run = this.#runs.get(id);
    if (run !== undefined && waitMs > 0 && this.#waiting < maxWaiting) {
      const over = new AbortController();
      const abort = () => over.abort();
      signal?.addEventListener('abort', abort, { once: true });
      if (signal?.aborted) abort();
      this.#waiting++;
      try {
        await Promise.race([
          run.finished,
          sleep(waitMs, undefined, { signal: over.signal }).catch(() => undefined),
        ]);
      } finally {
        this.#waiting--;
        signal?.removeEventListener('abort', abort);
        over.abort();
      }
    }
    return store.get(id);
  }

  /**
   * Cancels a job that runs, which then has failed with `CANCELLED`; forgets a finished one.
   *
   * @returns false when there is no such job
   */
  async remove(id: string): Promise<boolean> {
    const { store } = this.#options;
    const run = this.#runs.get(id);
    if (run !== undefined) {
      run.controller.abort();
      await run.finished;
      return true;
    }
    const record = await store.get(id);
    return record !== undefined && isFinished(record) && (await store.delete(id));
  }

  /** Refuses new jobs, lets the prover end (it gives running jobs a while), and waits for every job's end. */
  async close(graceMs?: number): Promise<void> {
    this.#closed = true;
    await this.#options.prover.close(graceMs);
    for (const { controller } of this.#runs.values()) controller.abort();
    await Promise.all([...this.#runs.values()].map(({ finished }) => finished));
  }

  async #run(id: string, run: Run, proof: PreparedProof, timeoutMs: number): Promise<void> {
    const { prover, store, now } = this.#options;
    // Changes reach the store in the order in which they happen.
    let writes = Promise.resolve();
    const write = (patch: JobPatch) => {
      writes = writes.then(() => store.update(id, patch)).catch(() => undefined);
    };
    try {
      const { circuit, input, publicSignals, mark, requirement } = proof;
      const proven = await prover.prove(
        { circuit, input },
        {
          signal: run.controller.signal,
          timeoutMs: Math.max(1, Math.min(timeoutMs, 2 ** 31 - 1)),
          onProgress: (stage, { step }) => {
            // Only stages are kept; the job's own states say the rest.
            if (stage !== 'queued' && stage !== 'done' && step === undefined)
              write({ state: 'proving', stage });
          },
        },
      );
      if (
        proven.publicSignals.length !== publicSignals.length ||
        proven.publicSignals.some((signal, index) => signal !== publicSignals[index])
      ) {
        throw new ZkMarginError('PROOF_INVALID', 'The proof states other figures than the exact model.');
      }
      write({
        state: 'done',
        finishedAt: now(),
        result: {
          proof: proven.proof,
          publicSignals: proven.publicSignals,
          calldata: proven.calldata,
          mark: String(mark),
          requirement: String(requirement),
          timings: proven.timings,
        },
      });
    } catch (error) {
      write({ state: 'failed', finishedAt: now(), error: jobErrorOf(error) });
    }
    await writes;
    this.#active--;
    if (this.#runs.get(id) === run) this.#runs.delete(id);
  }
}
