/** Proof jobs as the API sees them: asked for, waited for, watched, cancelled. */

import { inTime } from '../abort.ts';
import { ZkMarginError } from '../errors.ts';
import type { JobRecord, NewJob } from '../store/job.ts';
import type { JobQueue } from '../store/job-queue.ts';
import { maintainQueue } from '../store/maintenance.ts';
import { jobIdOf } from './job-id.ts';
import { Places } from './places.ts';
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
  /** Those of one API key; a quarter of all unless given. */
  readonly maxWaitingPerClient?: number | undefined;
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
  readonly #places: Places;
  #refusing = false;
  #turns = 0;
  #endMaintenance: (() => Promise<void>) | undefined;

  constructor(options: ProofJobsOptions) {
    this.#options = options;
    const { maxWaiting: total, maxWaitingPerClient: perClient } = options;
    this.#places = new Places({ total, perClient, name: 'waiting requests' });
  }

  /** Begins to look after the queue. */
  start(): void {
    if (this.#refusing) return;
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
    const reasons = [...this.#localRefusals()];
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
   * @param client who claims it then, as `NewJob.client`; without one it is the service's own
   * @throws ZkMarginError `BUSY`, `SHARE_EXCEEDED`, or of the store
   */
  async submit(proof: PreparedProof, client?: string): Promise<{ record: JobRecord; created: boolean }> {
    const { queue, keyDigests, maxJobMs } = this.#options;
    const { circuit, input, publicSignals, figures, priority, deadline } = proof;
    const keyDigest = keyDigests.get(circuit);
    if (keyDigest === undefined) {
      throw new ZkMarginError('UNSUPPORTED', `Use a circuit that is served: not ${circuit}.`, {
        field: 'circuit',
      });
    }
    const id = jobIdOf(circuit, keyDigest, publicSignals);
    const job: NewJob = {
      id,
      circuit,
      keyDigest,
      priority,
      client,
      input,
      figures,
      deadline,
      maxMs: maxJobMs,
    };
    const reasons = this.#localRefusals();
    if (reasons.length > 0) {
      const record = await queue.join(job);
      if (record !== undefined) return { record, created: false };
      throw refused(reasons);
    }
    const answer = await queue.create(job);
    this.#options.onAsked?.(answer.record);
    return answer;
  }

  /**
   * A job, after waiting for its end for so long at most; at once when there is no place to wait.
   *
   * @param client who asks
   * @param signal ends the wait
   */
  async get(id: string, client: string, waitMs = 0, signal?: AbortSignal): Promise<JobRecord | undefined> {
    const { queue } = this.#options;
    if (waitMs <= 0 || this.#refusing || this.#places.refusal(client) !== undefined) return queue.get(id);
    const leave = this.#places.take(client);
    try {
      return await queue.wait(id, waitMs, this.#ends(signal));
    } finally {
      leave();
    }
  }

  /**
   * A job each time that it changes, until it is finished or gone.
   *
   * @param client who asks
   * @throws ZkMarginError `BUSY` when too many requests wait or the service is closing, `SHARE_EXCEEDED` when too many of the client
   * do
   */
  async *changes(id: string, client: string, signal: AbortSignal): AsyncGenerator<JobRecord> {
    if (this.#refusing) throw refused(this.#localRefusals());
    const leave = this.#places.take(client);
    let told = false;
    try {
      for await (const record of this.#options.queue.changes(id, this.#ends(signal))) {
        told = true;
        yield record;
      }
    } finally {
      leave();
    }
    // It ended before the job was looked at: whether there is one is not known.
    if (!told && this.#closing.signal.aborted) throw refused(this.#localRefusals());
  }

  /**
   * Takes back a client's claim of a job. When nobody claims it any more, an unfinished job is cancelled, and has then failed with
   * `CANCELLED`; a finished one is forgotten.
   *
   * @returns false when there is no such job
   * @throws ZkMarginError `FORBIDDEN` when the client does not claim it
   */
  async withdraw(id: string, client: string): Promise<boolean> {
    const withdrawal = await this.#options.queue.withdraw(id, client);
    if (withdrawal === 'unclaimed') {
      throw new ZkMarginError(
        'FORBIDDEN',
        'Use the API key that asked for this job: only its own claim ends.',
        {
          field: 'id',
        },
      );
    }
    return withdrawal !== 'unknown';
  }

  /** Refuses new jobs and new waits from now on, with `BUSY`. Waits that are under way go on until {@link close}. */
  refuse(): void {
    this.#refusing = true;
  }

  /** Refuses new jobs and ends waits. Jobs stay in the queue. */
  async close(): Promise<void> {
    this.refuse();
    this.#closing.abort();
    await this.#endMaintenance?.();
  }

  #localRefusals(): readonly string[] {
    return this.#refusing ? ['the service is closing'] : this.#options.proverReasons();
  }

  #ends(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]);
  }
}

function refused(reasons: readonly string[]): ZkMarginError {
  return new ZkMarginError('BUSY', `Try again later: ${reasons.join(', ')}.`, { details: { reasons } });
}
