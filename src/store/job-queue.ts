/** The durable queue of proof jobs. */
import { randomBytes } from 'node:crypto';
import { isZkMarginError, requireInteger, ZkMarginError } from '../errors.ts';
import type { ProofStage } from '../proof/prover/protocol.ts';
import type { Database, Queryable, Row, StopListening } from './database.ts';
import {
  type ClaimedJob,
  EVERYBODY,
  isFinished,
  JOB_PRIORITIES,
  type JobCause,
  type JobError,
  type JobPriority,
  type JobRecord,
  type JobResult,
  type JobState,
  type NewJob,
  SERVICE,
} from './job.ts';

/** How a {@link JobQueue} is bounded. */
export interface JobQueueOptions {
  /** Unfinished jobs at most, of the same urgency or a greater one: what is less urgent takes no one's place. Default 64. */
  readonly capacity?: number;
  /** Unfinished speculative jobs at most, within {@link capacity}. Default 16. */
  readonly speculativeCapacity?: number;
  /**
   * Unfinished jobs at most that one client claims, of the same urgency or a greater one. Of speculative jobs the same part of
   * {@link speculativeCapacity}. Default a quarter of {@link capacity}.
   */
  readonly maxJobsPerClient?: number | undefined;
  /** Times that a job is tried. Default 3. */
  readonly maxAttempts?: number;
  /** Milliseconds without a sign of life after which a worker is taken for lost. Default 15,000. */
  readonly leaseMs?: number;
  /** Milliseconds before a second attempt; twice as long before each further one. Default 500. */
  readonly retryMs?: number;
  /** Milliseconds for which finished jobs are kept. Default one hour. */
  readonly retentionMs?: number;
  /** Finished jobs that are kept at most; the oldest are forgotten. Default 10,000. */
  readonly maxFinished?: number;
  /** Milliseconds after which waiters look again although nobody has told them anything. Default 2,000. */
  readonly pollMs?: number;
}

/** What {@link JobQueue.maintain} did. */
export interface Maintenance {
  /** Jobs of lost workers that wait again. */
  readonly recovered: number;
  /** Jobs of lost workers that have been tried often enough. */
  readonly abandoned: number;
  /** Jobs that were not done in time. */
  readonly overdue: number;
  /** Finished jobs that are forgotten. */
  readonly forgotten: number;
}

/** How a worker's job stands. */
export interface Standing {
  /** Milliseconds until its deadline, which may have been moved. */
  readonly remainingMs: number;
  /** It may have become more urgent. */
  readonly priority: JobPriority;
}

/**
 * What became of a client's claim: `kept` while others claim the job, too; `cancelled` or `forgotten` when it was the last one, of an
 * unfinished job or a finished one; `unclaimed` when the client had none; `unknown` when there is no such job.
 */
export type Withdrawal = 'kept' | 'cancelled' | 'forgotten' | 'unclaimed' | 'unknown';

/** Unfinished jobs. */
export interface QueueCounts {
  readonly queued: Readonly<Record<JobPriority, number>>;
  readonly proving: number;
}

/** What a job that is asked for meets in the queue. */
interface Meeting extends Row {
  /** Urgency that the client asked for the same job with before. */
  claimed: number | null;
  /** Unfinished jobs that are as urgent or more, and of those the equally urgent. */
  count: bigint;
  alike: bigint;
  /** The same of the client's other claims. */
  own: bigint;
  own_alike: bigint;
  /** First turn among jobs that wait and are equally urgent. */
  head: bigint | null;
  /** Last turn among the client's own ones. */
  own_last: bigint | null;
}

const UNFINISHED = "state in ('queued', 'proving')";
const SPECULATIVE = JOB_PRIORITIES.indexOf('speculative');
const CHANNEL = 'zkmargin_jobs';
/** Of the advisory lock under which places in the queue are counted and given: "jobs" as a number. */
const PLACES_LOCK = 0x6a6f6273;
const MAX_RETRY_MS = 30_000;
/** Workers that may be lost with a job. One that ends every worker must not go on for ever. */
const MAX_LOSSES = 20;
const LOST: JobError = { code: 'PROOF_FAILED', message: 'The proving process was lost.' };

const COLUMNS =
  'id, circuit, priority, state, stage, attempts, causes, created_at, deadline, finished_at, figures, result, error_code, error_message';

/**
 * Jobs in a database, shared by any number of processes. All times are those of the database's clock.
 *
 * A worker holds a job by the token of its claim, and must show itself before its lease ends. When it is late, the job goes to
 * another worker with another token, and nothing that the first one writes counts any more. So a job has one result at most,
 * whatever happens to processes; a proof may be computed twice.
 */
export class JobQueue {
  readonly #database: Database;
  readonly #options: Required<{ readonly [Name in keyof JobQueueOptions]: number }>;
  readonly #waiters = new Map<string, Set<() => void>>();
  readonly #workWaiters = new Set<(priority: JobPriority) => void>();
  readonly #doneListeners = new Set<(id: string) => void>();
  #listening: Promise<StopListening> | undefined;

  /** @throws ZkMarginError for bounds that are none */
  constructor(database: Database, options: JobQueueOptions = {}) {
    const bound = (name: keyof JobQueueOptions, standard: number, minimum: number, maximum: number) =>
      requireInteger(options[name] ?? standard, minimum, maximum, name);
    this.#database = database;
    const capacity = bound('capacity', 64, 1, 1_000_000);
    this.#options = {
      capacity,
      maxJobsPerClient: bound('maxJobsPerClient', Math.max(1, Math.floor(capacity / 4)), 1, 1_000_000),
      speculativeCapacity: bound('speculativeCapacity', 16, 1, 1_000_000),
      maxAttempts: bound('maxAttempts', 3, 1, 100),
      leaseMs: bound('leaseMs', 15_000, 100, 3_600_000),
      retryMs: bound('retryMs', 500, 0, MAX_RETRY_MS),
      retentionMs: bound('retentionMs', 3_600_000, 0, 2 ** 40),
      maxFinished: bound('maxFinished', 10_000, 0, 10_000_000),
      pollMs: bound('pollMs', 2_000, 10, 60_000),
    };
  }

  /** Milliseconds without a sign of life after which a worker is taken for lost. */
  get leaseMs(): number {
    return this.#options.leaseMs;
  }

  /** The job of an id, or undefined when there is none or it is forgotten. */
  async get(id: string): Promise<JobRecord | undefined> {
    return readJob(this.#database, id);
  }

  /**
   * Keeps a job unless there is one of its id that has not failed. When this returns, the job survives the end of any process, and
   * is claimed by who asked.
   *
   * Asking again for an unfinished job can only make it more urgent, and give it more time.
   *
   * @returns the job that is kept now, and whether it is the new one
   * @throws ZkMarginError `SHARE_EXCEEDED` when the client has enough jobs, `BUSY` when the queue is full
   */
  async create(job: NewJob): Promise<{ readonly record: JobRecord; readonly created: boolean }> {
    const done = await this.#claimDone(job);
    if (done !== undefined) return { record: done, created: false };
    return this.#database.transaction(async (tx) => {
      await tx.query('select pg_advisory_xact_lock($1)', [PLACES_LOCK]);
      const met = await meet(tx, job);
      const kept = await this.#join(tx, job, met);
      if (kept !== undefined) return { record: kept, created: false };
      this.#requireShare(job, met);
      const { capacity, speculativeCapacity, maxAttempts } = this.#options;
      const priority = JOB_PRIORITIES.indexOf(job.priority);
      const full = met.count >= BigInt(capacity);
      if (full || (priority === SPECULATIVE && met.alike >= BigInt(speculativeCapacity))) {
        throw new ZkMarginError('BUSY', 'Try again later: the queue is full.', {
          details: { reasons: ['the queue is full'] },
        });
      }
      await tx.query('delete from jobs where id = $1', [job.id]);
      const [created] = await tx.query<JobRow>(
        `insert into jobs (id, circuit, key_digest, priority, state, figures, max_attempts, turn, deadline)
         values ($1, $2, $3, $4, 'queued', $5::jsonb, $6, $7, ${deadlineOf('$8', '$9')})
         returning ${COLUMNS}`,
        [
          job.id,
          job.circuit,
          job.keyDigest,
          priority,
          JSON.stringify(job.figures),
          maxAttempts,
          turnOf(job, met),
          ...timesOf(job),
        ],
      );
      await tx.query('insert into job_inputs (job_id, input) values ($1, $2)', [
        job.id,
        JSON.stringify(job.input),
      ]);
      await keepClaim(tx, job, turnOf(job, met));
      return { record: recordOf(created!), created: true };
    });
  }

  /**
   * As {@link create}, but never a new job.
   *
   * @returns undefined when there is none that has not failed
   */
  async join(job: NewJob): Promise<JobRecord | undefined> {
    const done = await this.#claimDone(job);
    if (done !== undefined) return done;
    return this.#database.transaction(async (tx) => {
      await tx.query('select pg_advisory_xact_lock($1)', [PLACES_LOCK]);
      return this.#join(tx, job, await meet(tx, job));
    });
  }

  /** A job that is done, and now claimed by who asks. */
  async #claimDone(job: NewJob): Promise<JobRecord | undefined> {
    const present = await this.get(job.id);
    if (present?.state !== 'done') return undefined;
    try {
      await keepClaim(this.#database, job);
    } catch (error) {
      // A proof that is there is told although nothing can be written.
      if (!isZkMarginError(error, 'STORE_FULL')) throw error;
    }
    return present;
  }

  /** Adds a claim to a job that has not failed. Its share counts only when that asks for more than before. */
  async #join(tx: Queryable, job: NewJob, met: Meeting): Promise<JobRecord | undefined> {
    const present = await readJob(tx, job.id);
    if (present === undefined || present.state === 'failed') return undefined;
    const priority = JOB_PRIORITIES.indexOf(job.priority);
    if (!isFinished(present)) {
      if (met.claimed === null || met.claimed > priority) this.#requireShare(job, met);
      const [kept] = await tx.query<JobRow>(
        `update jobs set
           turn = case when priority > $2 then $3 when priority = $2 then least(turn, $3) else turn end,
           priority = least(priority, $2),
           deadline = greatest(deadline, ${deadlineOf('$4', '$5')})
         where id = $1 and ${UNFINISHED}
         returning ${COLUMNS}`,
        [job.id, priority, turnOf(job, met), ...timesOf(job)],
      );
      if (kept !== undefined) {
        await keepClaim(tx, job, turnOf(job, met));
        return recordOf(kept);
      }
    }
    // It may have ended in this moment.
    const ended = await readJob(tx, job.id);
    if (ended?.state !== 'done') return undefined;
    await keepClaim(tx, job);
    return ended;
  }

  #requireShare({ client, priority }: NewJob, { own, own_alike: alike }: Meeting): void {
    if (client === undefined || client === EVERYBODY) return;
    const { capacity, speculativeCapacity, maxJobsPerClient } = this.#options;
    const speculative = Math.max(1, Math.floor((maxJobsPerClient * speculativeCapacity) / capacity));
    const refuse = (limit: number, which: string) => {
      throw new ZkMarginError(
        'SHARE_EXCEEDED',
        `Wait for proofs that you have asked for, or take some back (DELETE /v1/proofs/:id): ${limit} ${which} of this API key may be unfinished at a time.`,
        { details: { limit } },
      );
    };
    if (own >= BigInt(maxJobsPerClient)) refuse(maxJobsPerClient, `jobs as urgent as ${priority} or more`);
    if (priority === 'speculative' && alike >= BigInt(speculative)) refuse(speculative, 'speculative jobs');
  }

  /**
   * Takes back a client's claim. A job that nobody claims any more is cancelled, and forgotten when it is finished; the last claim of
   * a cancelled one stays, so that its client may have it forgotten. One that the service wants itself stays for those for whom it
   * is made: it is as before it was asked for.
   */
  async withdraw(id: string, client: string): Promise<Withdrawal> {
    return this.#database.transaction(async (tx) => {
      await tx.query('select pg_advisory_xact_lock($1)', [PLACES_LOCK]);
      const [job] = await tx.query<{ state: JobState }>('select state from jobs where id = $1 for update', [
        id,
      ]);
      if (job === undefined) return 'unknown';
      const claims = await tx.query<{ client: string }>('select client from job_claims where job_id = $1', [
        id,
      ]);
      const others = claims.filter((claim) => claim.client !== client);
      if (others.length === claims.length) return 'unclaimed';
      if (others.length > 0) {
        await tx.query('delete from job_claims where job_id = $1 and client = $2', [id, client]);
        // Who leaves leaves neither its urgency nor its turn to others.
        await tx.query(
          `update jobs set (priority, turn) = (
             select priority, turn from job_claims where job_id = $1 order by priority, turn limit 1)
           where id = $1 and state = 'queued'`,
          [id],
        );
        return 'kept';
      }
      if (isFinished(job)) {
        await tx.query('delete from jobs where id = $1', [id]);
        return 'forgotten';
      }
      await cancelled(tx, id);
      return 'cancelled';
    });
  }

  /** Names of the clients that claim a job, in order. */
  async claims(id: string): Promise<string[]> {
    const rows = await this.#database.query<{ client: string }>(
      'select client from job_claims where job_id = $1 and client <> $2 order by client',
      [id, SERVICE],
    );
    return rows.map(({ client }) => client);
  }

  /** The database's time, by which all is judged: milliseconds since 1970-01-01 UTC. */
  async now(): Promise<number> {
    const [row] = await this.#database.query<{ now: number }>(
      'select (extract(epoch from clock_timestamp()) * 1000)::float8 as now',
    );
    return row!.now;
  }

  /** True when a job of this urgency would find no place. */
  async isFull(priority: JobPriority = 'liquidation'): Promise<boolean> {
    const [row] = await this.#database.query<{ count: bigint }>(
      `select count(*) from jobs where ${UNFINISHED} and priority <= $1`,
      [JOB_PRIORITIES.indexOf(priority)],
    );
    return row!.count >= BigInt(this.#options.capacity);
  }

  /** Number of jobs that are kept. */
  async size(): Promise<number> {
    const [row] = await this.#database.query<{ count: bigint }>('select count(*) from jobs');
    return Number(row!.count);
  }

  /**
   * Milliseconds for which the oldest liquidation that may be taken has waited for a prover, by the database's clock; 0 when none
   * waits, or any is being proven.
   */
  async starvedMs(): Promise<number> {
    const [row] = await this.#database.query<{ waited: number | null }>(
      `select extract(epoch from clock_timestamp() - min(greatest(created_at, not_before)))::float8 * 1000 as waited from jobs
      where state = 'queued' and priority = 0 and not exists (select 1 from jobs where state = 'proving')`,
    );
    return Math.max(0, row?.waited ?? 0);
  }

  /** Unfinished jobs, for health checks and metrics. */
  async counts(): Promise<QueueCounts> {
    const rows = await this.#database.query<{ state: JobState; priority: number; count: bigint }>(
      `select state, priority, count(*) from jobs where ${UNFINISHED} group by state, priority`,
    );
    const count = (state: JobState, priority?: number) =>
      rows
        .filter((row) => row.state === state && (priority === undefined || row.priority === priority))
        .reduce((sum, row) => sum + Number(row.count), 0);
    const queued = JOB_PRIORITIES.map((name, index) => [name, count('queued', index)]);
    return { queued: Object.fromEntries(queued), proving: count('proving') };
  }

  /**
   * A job, after waiting for its end for so long at most.
   *
   * @param signal ends the wait
   */
  async wait(id: string, waitMs: number, signal?: AbortSignal): Promise<JobRecord | undefined> {
    const end = performance.now() + waitMs;
    return this.#watch(id, signal, async (changed) => {
      for (;;) {
        const record = await this.get(id);
        const left = end - performance.now();
        if (record === undefined || isFinished(record) || left <= 0 || signal?.aborted) return record;
        await changed(left);
      }
    });
  }

  /**
   * A job each time that it has changed, beginning with how it is now, until it is finished or gone.
   *
   * @param signal ends it
   */
  async *changes(id: string, signal: AbortSignal): AsyncGenerator<JobRecord> {
    const watch = await this.#openWatch(id, signal);
    try {
      let last = '';
      while (!signal.aborted) {
        const record = await this.get(id);
        if (record === undefined) return;
        const { state, stage = '', attempts, priority, deadline } = record;
        const seen = [state, stage, attempts, priority, deadline].join(' ');
        if (seen !== last) yield record;
        last = seen;
        if (isFinished(record)) return;
        await watch.changed(Number.POSITIVE_INFINITY);
      }
    } finally {
      watch.stop();
    }
  }

  /**
   * Takes the most urgent job that waits and is of one of these keys.
   *
   * @param worker name that is recorded with failed attempts
   * @param least the least urgent jobs to take; any unless given
   */
  claim(
    worker: string,
    keyDigests: readonly string[],
    least: JobPriority = 'speculative',
  ): Promise<ClaimedJob | undefined> {
    return this.#claim(worker, keyDigests, `priority <= ${JOB_PRIORITIES.indexOf(least)}`);
  }

  /** Takes a speculative job of one of these keys, unless a more urgent one waits that could be taken instead. */
  claimSpeculative(worker: string, keyDigests: readonly string[]): Promise<ClaimedJob | undefined> {
    return this.#claim(
      worker,
      keyDigests,
      `priority = ${SPECULATIVE} and not exists (select 1 from jobs
        where state = 'queued' and key_digest = any($4::text[]) and priority < ${SPECULATIVE}
          and not_before <= clock_timestamp() and deadline > clock_timestamp())`,
    );
  }

  async #claim(
    worker: string,
    keyDigests: readonly string[],
    which: string,
  ): Promise<ClaimedJob | undefined> {
    const token = randomBytes(16).toString('hex');
    const [row] = await this.#database.query<{
      id: string;
      circuit: string;
      key_digest: string;
      priority: number;
      attempts: number;
      remaining_ms: number;
      input: string;
    }>(
      `with taken as (
         update jobs set state = 'proving', stage = null, attempts = attempts + 1, claim_token = $1, worker = $2,
           lease_until = clock_timestamp() + $3 * interval '1 millisecond'
         where id = (
           select id from jobs
           where state = 'queued' and key_digest = any($4::text[]) and ${which}
             and not_before <= clock_timestamp() and deadline > clock_timestamp()
           order by priority, turn, place for update skip locked limit 1)
         returning id, circuit, key_digest, priority, attempts,
           (extract(epoch from deadline - clock_timestamp()) * 1000)::float8 as remaining_ms)
       select taken.*, input from taken join job_inputs on job_id = id`,
      [token, worker, this.#options.leaseMs, [...keyDigests]],
    );
    if (row === undefined) return undefined;
    return {
      id: row.id,
      circuit: row.circuit,
      keyDigest: row.key_digest,
      priority: JOB_PRIORITIES[row.priority]!,
      token,
      attempt: row.attempts,
      remainingMs: Math.max(1, Math.floor(row.remaining_ms)),
      input: JSON.parse(row.input),
    };
  }

  /**
   * Shows that the worker lives.
   *
   * @param stage what it does now, when that has changed
   * @returns how the job stands; undefined when it is no longer the worker's
   */
  async heartbeat(claim: ClaimedJob, stage?: ProofStage): Promise<Standing | undefined> {
    const [row] = await this.#database.query<{ remaining_ms: number; priority: number }>(
      `update jobs set lease_until = clock_timestamp() + $3 * interval '1 millisecond'${stage === undefined ? '' : ', stage = $4'}
       where id = $1 and claim_token = $2
       returning priority, (extract(epoch from deadline - clock_timestamp()) * 1000)::float8 as remaining_ms`,
      [claim.id, claim.token, this.#options.leaseMs, ...(stage === undefined ? [] : [stage])],
    );
    return row && { remainingMs: row.remaining_ms, priority: JOB_PRIORITIES[row.priority]! };
  }

  /** Ends a job with its proof. @returns false when the job is no longer the worker's, or its deadline is over */
  async complete(claim: ClaimedJob, result: JobResult): Promise<boolean> {
    const rows = await this.#database.query(
      `update jobs set state = 'done', stage = null, result = $3::jsonb, finished_at = clock_timestamp(),
         claim_token = null, worker = null, lease_until = null
       where id = $1 and claim_token = $2 and deadline > clock_timestamp() returning id`,
      [claim.id, claim.token, JSON.stringify(result)],
    );
    return rows.length > 0;
  }

  /**
   * Ends an attempt without a proof. The job waits for another one unless there is no use in it or it was the last.
   *
   * @returns what the job is now; undefined when it is no longer the worker's
   */
  async fail(claim: ClaimedJob, error: JobError, retry: boolean): Promise<JobState | undefined> {
    const [row] = await this.#database.query<{ state: JobState }>(
      endOfAttempt({
        again: retry ? 'attempts < max_attempts' : 'false',
        where: 'id = $1 and claim_token = $2',
        code: '$3',
        message: '$4',
        retryMs: '$5',
      }),
      [claim.id, claim.token, error.code, error.message, this.#options.retryMs],
    );
    return row?.state;
  }

  /** Gives a job back that the worker will not do, as if it had not been taken. */
  async release(claim: ClaimedJob): Promise<boolean> {
    const rows = await this.#database.query(
      `update jobs set state = 'queued', stage = null, attempts = attempts - 1,
         claim_token = null, worker = null, lease_until = null
       where id = $1 and claim_token = $2 returning id`,
      [claim.id, claim.token],
    );
    return rows.length > 0;
  }

  /** Fails an unfinished job with `CANCELLED`, whoever claims it. @returns false when there is no such job or it is finished */
  cancel(id: string): Promise<boolean> {
    return cancelled(this.#database, id);
  }

  /** Ends the service's own claim, and cancels the job unless a client asked for it meanwhile or it is more urgent than speculative. */
  cancelSpeculative(id: string): Promise<boolean> {
    return this.#database.transaction(async (tx) => {
      // Nobody claims it in this moment.
      await tx.query('select pg_advisory_xact_lock($1)', [PLACES_LOCK]);
      // In the order of all others: the job before its claims.
      await tx.query('select id from jobs where id = $1 for update', [id]);
      await tx.query('delete from job_claims where job_id = $1 and client = $2', [id, SERVICE]);
      return cancelled(
        tx,
        id,
        `and priority = ${SPECULATIVE} and not exists (select 1 from job_claims where job_id = $1)`,
      );
    });
  }

  /** Forgets a finished job. @returns false when there is no such job or it is not finished */
  async delete(id: string): Promise<boolean> {
    const rows = await this.#database.query(
      "delete from jobs where id = $1 and state in ('done', 'failed') returning id",
      [id],
    );
    return rows.length > 0;
  }

  /**
   * Takes all jobs from their workers at once, as if their leases had ended. Only for a process that knows that no worker lives: one
   * that has just opened an embedded store.
   */
  async reclaim(): Promise<void> {
    await this.#database.query("update jobs set lease_until = clock_timestamp() where state = 'proving'");
    // No pause outlives the process that made it, nor a clock that was set back meanwhile.
    await this.#database.query(
      "update jobs set not_before = clock_timestamp() where state = 'queued' and not_before > clock_timestamp()",
    );
  }

  /* Rows that others hold are left to the next time, so that several processes do not wait for each other in a circle. */
  /** Ends what is overdue, takes jobs from lost workers, and forgets what is old. Any process may do so at any time. */
  async maintain(): Promise<Maintenance> {
    const { retryMs, retentionMs, maxFinished } = this.#options;
    const overdue = await this.#database.query(
      `update jobs set state = 'failed', stage = null, finished_at = clock_timestamp(),
         error_code = 'TIMEOUT', error_message = 'The job was not done by its deadline.',
         claim_token = null, worker = null, lease_until = null
       where id in (select id from jobs
         where ${UNFINISHED} and deadline <= clock_timestamp() for update skip locked)
       returning id`,
    );
    const lost = await this.#database.query<{ state: JobState }>(
      endOfAttempt({
        again: `losses < ${MAX_LOSSES}`,
        where:
          "id in (select id from jobs where state = 'proving' and lease_until <= clock_timestamp() for update skip locked)",
        code: '$1',
        message: '$2',
        retryMs: '$3',
        // A lost worker says little about the job.
        lost: true,
      }),
      [LOST.code, LOST.message, retryMs],
    );
    const forgotten = await this.#database.query(
      `delete from jobs where id in (
         select id from jobs where finished_at <= clock_timestamp() - $1 * interval '1 millisecond' for update skip locked)
         or id in (select id from jobs where finished_at is not null order by finished_at desc offset $2)
       returning id`,
      [retentionMs, maxFinished],
    );
    const abandoned = lost.filter(({ state }) => state === 'failed').length;
    return {
      recovered: lost.length - abandoned,
      abandoned,
      overdue: overdue.length,
      forgotten: forgotten.length,
    };
  }

  /** Calls back with the urgency of every job that begins to wait. A hint: look now and then without it. */
  async onQueued(callback: (priority: JobPriority) => void): Promise<() => void> {
    await this.#listen();
    this.#workWaiters.add(callback);
    return () => this.#workWaiters.delete(callback);
  }

  /** Calls back whenever a job may have changed. A hint, as {@link onQueued}. */
  async onChange(id: string, callback: () => void): Promise<() => void> {
    await this.#listen();
    const callbacks = this.#waiters.get(id) ?? new Set();
    callbacks.add(callback);
    this.#waiters.set(id, callbacks);
    return () => {
      callbacks.delete(callback);
      if (callbacks.size === 0 && this.#waiters.get(id) === callbacks) this.#waiters.delete(id);
    };
  }

  /** Calls back with the id of each job that is done, whoever proved it; a hint, as `Database.listen`. */
  async onDone(callback: (id: string) => void): Promise<() => void> {
    await this.#listen();
    this.#doneListeners.add(callback);
    return () => this.#doneListeners.delete(callback);
  }

  /** Stops listening. The database stays open. */
  async close(): Promise<void> {
    const listening = this.#listening;
    this.#listening = undefined;
    await (await listening?.catch(() => undefined))?.();
    for (const callbacks of this.#waiters.values()) for (const callback of callbacks) callback();
  }

  #listen(): Promise<StopListening> {
    this.#listening ??= this.#database.listen(CHANNEL, (payload) => {
      const [id = '', state, priority] = payload.split(' ');
      for (const callback of this.#waiters.get(id) ?? []) callback();
      const urgency = JOB_PRIORITIES[Number(priority)];
      if (state === 'queued' && urgency !== undefined)
        for (const callback of this.#workWaiters) callback(urgency);
      if (state === 'done') for (const callback of this.#doneListeners) callback(id);
    });
    this.#listening.catch(() => {
      this.#listening = undefined;
    });
    return this.#listening;
  }

  async #watch<T>(
    id: string,
    signal: AbortSignal | undefined,
    look: (changed: (waitMs: number) => Promise<void>) => Promise<T>,
  ): Promise<T> {
    const watch = await this.#openWatch(id, signal);
    try {
      return await look(watch.changed);
    } finally {
      watch.stop();
    }
  }

  /** Waits for changes of a job: told, suspected after a while, or because the signal ends it. */
  async #openWatch(id: string, signal: AbortSignal | undefined) {
    let told = false;
    let wake = () => {};
    const tell = () => {
      told = true;
      wake();
    };
    const forget = await this.onChange(id, tell);
    signal?.addEventListener('abort', tell, { once: true });
    return {
      changed: async (waitMs: number): Promise<void> => {
        if (!told && !signal?.aborted) {
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, Math.min(waitMs, this.#options.pollMs));
            wake = () => {
              clearTimeout(timer);
              resolve();
            };
          });
        }
        told = false;
      },
      stop: () => {
        forget();
        signal?.removeEventListener('abort', tell);
      },
    };
  }
}

/** Ends attempts: jobs that may be tried again wait for it with a growing pause, others fail with the cause. */
function endOfAttempt(parts: {
  readonly again: string;
  readonly where: string;
  readonly code: string;
  readonly message: string;
  readonly retryMs: string;
  readonly lost?: boolean;
}): string {
  const { again, where, code, message, retryMs, lost = false } = parts;
  return `update jobs set
      state = case when ${again} then 'queued' else 'failed' end,
      stage = null,
      ${lost ? 'attempts = attempts - 1, losses = losses + 1,' : ''}
      causes = causes || jsonb_build_array(jsonb_build_object(
        'at', floor(extract(epoch from clock_timestamp()) * 1000), 'worker', worker,
        'code', ${code}::text, 'message', ${message}::text)),
      not_before = clock_timestamp()
        + least(${retryMs}::float8 * power(2, attempts + losses - 1), ${MAX_RETRY_MS}) * interval '1 millisecond',
      finished_at = case when ${again} then null else clock_timestamp() end,
      error_code = case when ${again} then null else ${code}::text end,
      error_message = case when ${again} then null else ${message}::text end,
      claim_token = null, worker = null, lease_until = null
    where ${where} returning state`;
}

/** What a job meets; to be read under the lock of places. */
async function meet(tx: Queryable, { id, client, priority }: NewJob): Promise<Meeting> {
  const [row] = await tx.query<Meeting>(
    `select others.*, own.*,
       (select priority from job_claims where job_id = $1 and client = $2) as claimed
     from
       (select count(*) filter (where priority <= $3) as count,
          count(*) filter (where priority = $3) as alike,
          min(jobs.turn) filter (where state = 'queued' and priority = $3) as head
        from jobs where ${UNFINISHED}) as others,
       (select count(*) filter (where job_claims.priority <= $3) as own,
          count(*) filter (where job_claims.priority = $3) as own_alike,
          max(job_claims.turn) filter (where job_claims.priority = $3) as own_last
        from job_claims join jobs on id = job_id
        where client = $2 and ${UNFINISHED} and id <> $1) as own`,
    [id, client ?? null, JOB_PRIORITIES.indexOf(priority)],
  );
  return row!;
}

/** A client's next turn: after its own jobs, and not before those that wait already. Whoever shares a name is served as it comes. */
function turnOf({ client }: NewJob, { head, own_last: last }: Meeting): bigint {
  const first = head ?? 0n;
  if (client === undefined || client === EVERYBODY || last === null || last < first) return first;
  return last + 1n;
}

/** Claims a job that has not failed, for the service where no client asks; once, with the greatest urgency. */
async function keepClaim(source: Queryable, { id, client, priority }: NewJob, turn = 0n): Promise<void> {
  await source.query(
    `insert into job_claims as kept (job_id, client, priority, turn)
     select id, $2::text, $3::smallint, $4::bigint from jobs where id = $1 and state <> 'failed' for key share
     on conflict (job_id, client) do update set priority = excluded.priority, turn = excluded.turn where kept.priority > excluded.priority`,
    [id, client ?? SERVICE, JOB_PRIORITIES.indexOf(priority), turn],
  );
}

async function cancelled(source: Queryable, id: string, condition = ''): Promise<boolean> {
  const rows = await source.query(
    `update jobs set state = 'failed', stage = null, finished_at = clock_timestamp(),
       error_code = 'CANCELLED', error_message = 'The job was cancelled.',
       claim_token = null, worker = null, lease_until = null
     where id = $1 and ${UNFINISHED} ${condition} returning id`,
    [id],
  );
  return rows.length > 0;
}

/** The earlier of a named deadline and the longest time that a job may take. */
function deadlineOf(deadline: string, maxMs: string): string {
  return `least(${deadline}::timestamptz, clock_timestamp() + ${maxMs} * interval '1 millisecond')`;
}

function timesOf({ deadline, maxMs }: NewJob): [Date | null, number] {
  return [deadline === undefined ? null : new Date(deadline), maxMs];
}

interface JobRow extends Row {
  id: string;
  circuit: string;
  priority: number;
  state: JobState;
  stage: ProofStage | null;
  attempts: number;
  causes: JobCause[];
  created_at: Date;
  deadline: Date;
  finished_at: Date | null;
  figures: Record<string, string>;
  result: JobResult | null;
  error_code: JobError['code'] | null;
  error_message: string | null;
}

async function readJob(source: Queryable, id: string): Promise<JobRecord | undefined> {
  const [row] = await source.query<JobRow>(`select ${COLUMNS} from jobs where id = $1`, [id]);
  return row && recordOf(row);
}

function recordOf(row: JobRow): JobRecord {
  const { id, circuit, state, attempts, causes, figures } = row;
  return {
    id,
    circuit,
    priority: JOB_PRIORITIES[row.priority]!,
    state,
    attempts,
    causes,
    createdAt: row.created_at.getTime(),
    deadline: row.deadline.getTime(),
    figures,
    ...(row.stage !== null && { stage: row.stage }),
    ...(row.finished_at !== null && { finishedAt: row.finished_at.getTime() }),
    ...(row.result !== null && { result: row.result }),
    ...(row.error_code !== null && { error: { code: row.error_code, message: row.error_message ?? '' } }),
  };
}
