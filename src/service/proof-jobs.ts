/** Proof jobs as the API sees them: asked for, waited for, watched, cancelled. */
import { ZkMarginError } from '../errors.ts';
import type { JobRecord } from '../store/job.ts';
import type { JobQueue } from '../store/job-queue.ts';
import { maintainQueue } from '../store/maintenance.ts';
import { inTime } from './abort.ts';
import { jobIdOf } from './job-id.ts';
import type { PreparedProof } from './requests/index.ts';

/** A store that takes longer cannot be relied on. */
const ANSWER_MS = 2_000;

/** What {@link ProofJobs} work with. */
export interface ProofJobsOptions {
  readonly queue: JobQueue;
  /** Digest of each circuit's verification key. */
  readonly keyDigests: ReadonlyMap<string, string>;
  /** Milliseconds that a job may take, waiting included. */
  readonly maxJobMs: number;
  /** Requests that may wait for jobs or watch them at a time; others are answered at once. */
  readonly maxWaiting: number;
  /** Why jobs would not be proven by this process now; empty when they would. */
  readonly proverReasons: () => readonly string[];
  /** Told of every job that is asked for, new or not. */
  readonly onAsked?: (record: JobRecord) => void;
  /** Told of what goes wrong between the service and the store. */
  readonly onStoreError?: (error: unknown) => void;
}

/** The front of the queue. */
export class ProofJobs {
  readonly #options: ProofJobsOptions;
  readonly #closing = new AbortController();
  #waiting = 0;
  #turns = 0;
  #endMaintenance: (() => Promise<void>) | undefined;

  constructor(options: ProofJobsOptions) {
    this.#options = options;
  }

  /** Begins to look after the queue. */
  start(): void {
    if (this.#closing.signal.aborted) return;
    const { queue, onStoreError } = this.#options;
    this.#endMaintenance ??= maintainQueue(queue, {
      onTurn: () => {
        this.#turns++;
      },
      ...(onStoreError && { onError: onStoreError }),
    });
  }

  /** Times that the queue has been looked after; for liveness. */
  get turns(): number {
    return this.#turns;
  }

  /** Why no job would be accepted now; empty when one would. */
  async refusals(): Promise<string[]> {
    const reasons = this.#localRefusals();
    try {
      if (await inTime(this.#options.queue.isFull(), ANSWER_MS)) reasons.push('the queue is full');
    } catch (error) {
      reasons.push(
        error instanceof ZkMarginError && error.code === 'STORE_FULL'
          ? 'the store is full'
          : 'the store cannot be reached',
      );
    }
    return reasons;
  }

  /**
   * The job of a statement: a new one, or the one that exists unless that one has failed. Asking again for a job can only give
   * it more time.
   *
   * @throws ZkMarginError `BUSY`, or of the store
   */
  async submit(proof: PreparedProof): Promise<{ record: JobRecord; created: boolean }> {
    const { queue, keyDigests, maxJobMs } = this.#options;
    const { circuit, input, publicSignals, figures, priority, deadline } = proof;
    const keyDigest = keyDigests.get(circuit);
    if (keyDigest === undefined) {
      throw new ZkMarginError('UNSUPPORTED', `Use a circuit that is served: not ${circuit}.`, {
        field: 'circuit',
      });
    }
    const id = jobIdOf(circuit, keyDigest, publicSignals);
    const reasons = this.#localRefusals();
    if (reasons.length > 0) {
      const present = await queue.get(id);
      if (present !== undefined && present.state !== 'failed') return { record: present, created: false };
      throw new ZkMarginError('BUSY', `Try again later: ${reasons.join(', ')}.`, { details: { reasons } });
    }
    const answer = await queue.create({
      id,
      circuit,
      keyDigest,
      priority,
      input,
      figures,
      deadline,
      maxMs: maxJobMs,
    });
    this.#options.onAsked?.(answer.record);
    return answer;
  }

  /**
   * A job, after waiting for its end for so long at most.
   *
   * @param signal ends the wait
   */
  async get(id: string, waitMs = 0, signal?: AbortSignal): Promise<JobRecord | undefined> {
    const { queue, maxWaiting } = this.#options;
    if (waitMs <= 0 || this.#waiting >= maxWaiting) return queue.get(id);
    this.#waiting++;
    try {
      return await queue.wait(id, waitMs, this.#ends(signal));
    } finally {
      this.#waiting--;
    }
  }

  /**
   * A job each time that it changes, until it is finished or gone.
   *
   * @throws ZkMarginError `BUSY` when too many requests wait
   */
  async *changes(id: string, signal: AbortSignal): AsyncGenerator<JobRecord> {
    if (this.#waiting >= this.#options.maxWaiting) {
      throw new ZkMarginError('BUSY', 'Try again later: too many requests wait.');
    }
    this.#waiting++;
    try {
      yield* this.#options.queue.changes(id, this.#ends(signal));
    } finally {
      this.#waiting--;
    }
  }

  /**
   * Cancels an unfinished job, which then has failed with `CANCELLED`; forgets a finished one.
   *
   * @returns false when there is no such job
   */
  async remove(id: string): Promise<boolean> {
    const { queue } = this.#options;
    return (await queue.cancel(id)) || (await queue.delete(id));
  }

  /** Refuses new jobs and ends waits. Jobs stay in the queue. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#endMaintenance?.();
  }

  #localRefusals(): string[] {
    return [
      ...(this.#closing.signal.aborted ? ['the service is closing'] : []),
      ...(this.#closing.signal.aborted ? [] : this.#options.proverReasons()),
    ];
  }

  #ends(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]);
  }
}
