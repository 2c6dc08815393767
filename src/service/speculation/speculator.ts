/**
 * Makes proofs before keepers ask for them, while nothing else is to be proven.
 *
 * A proof binds round, account, nonce, contract and keeper. So it can be made as soon as the round is there, for keepers that are
 * known, and is of no use to others and after the next round.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isZkMarginError } from '../../errors.ts';
import { isFinished, type JobRecord } from '../../store/job.ts';
import type { JobQueue } from '../../store/job-queue.ts';
import type { LiveBook } from '../book/live-book.ts';
import { OneAtATime } from '../one-at-a-time.ts';
import type { ProofJobs } from '../proof-jobs.ts';
import { type PreparedProof, prepareProof } from '../requests/index.ts';
import type { ProofRequest } from '../schemas.ts';
import type { InterestedKeepers } from './keepers.ts';
import { anyNear, type LikelyProof, likelyProofs, nextInTurn, roundKey, statementKey } from './plan.ts';

/** Bounds of the {@link Speculator}. */
export interface SpeculationBounds {
  /** Speculative jobs that wait or are proven at a time. Default 4. */
  readonly maxJobs?: number | undefined;
  /** Speculative jobs for one round, in turn for each client. Default 32. */
  readonly maxPerRound?: number | undefined;
}

/** What the {@link Speculator} works with. */
export interface SpeculatorOptions extends SpeculationBounds {
  readonly book: LiveBook;
  readonly queue: JobQueue;
  readonly jobs: ProofJobs;
  readonly keepers: InterestedKeepers;
  /** The statement of a likely proof. */
  readonly requestOf: (proof: LikelyProof) => ProofRequest;
  readonly served: ReadonlySet<string>;
  /** Makes the prover ready. */
  readonly warm?: (() => unknown) | undefined;
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** What became of speculative jobs since the start. */
export interface SpeculationCounts {
  /** Taken into the queue. */
  readonly begun: number;
  /** Proven before anybody asked. */
  readonly made: number;
  /** Asked for when they were proven. */
  readonly usedReady: number;
  /** Asked for while they waited or were proven: then they were ahead of a new job. */
  readonly usedEarly: number;
  /** Superseded before anybody asked, proven or not. */
  readonly wasted: number;
}

interface Tracked {
  readonly id: string;
  finished: boolean;
  used: 'ready' | 'early' | undefined;
  forget: () => void;
}

/** Keeps the likely proofs of the newest round in the queue. */
export class Speculator {
  readonly #options: SpeculatorOptions;
  readonly #tracked = new Map<string, Tracked>();
  /** Statements that cannot be proven, of the rounds at hand. */
  #refused = new Set<string>();
  readonly #counts = { begun: 0, made: 0, usedReady: 0, usedEarly: 0, wasted: 0 };
  #begunByRound = new Map<string, Map<string, number>>();
  #stop: (() => void) | undefined;
  readonly #passes = new OneAtATime(
    () => this.#pass(),
    () => this.#closed,
  );
  #warmed = false;
  #closed = false;

  constructor(options: SpeculatorOptions) {
    this.#options = options;
  }

  /** What became of the jobs. */
  get counts(): SpeculationCounts {
    return { ...this.#counts };
  }

  /** Begins to follow the book. */
  start(): void {
    if (this.#closed) return;
    this.#stop ??= this.#options.book.onChange(() => void this.look());
    void this.look();
  }

  /** Ends. Jobs that nobody has asked for are dropped. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stop?.();
    await this.#passes.settled();
    for (const [key, item] of this.#tracked) await this.#drop(key, item).catch(() => undefined);
  }

  /** Somebody has asked for a job. */
  asked({ id, state }: Pick<JobRecord, 'id' | 'state'>): void {
    for (const item of this.#tracked.values()) {
      if (item.id !== id || item.used !== undefined) continue;
      item.used = state === 'done' ? 'ready' : 'early';
      this.#counts[state === 'done' ? 'usedReady' : 'usedEarly']++;
    }
  }

  /** Compares what is in the queue with what is likely. Never throws. */
  look(): Promise<void> {
    return this.#passes.run();
  }

  async #pass(): Promise<void> {
    try {
      await this.#compare();
    } catch (error) {
      this.#options.onError?.(error);
    }
  }

  async #compare(): Promise<void> {
    const { book, keepers, maxJobs = 4, maxPerRound = 32 } = this.#options;
    if (book.refusal !== undefined) return;
    const known = keepers.all();
    if (!this.#warmed && known.length > 0 && anyNear(book)) {
      this.#warmed = true;
      this.#options.warm?.();
    }
    const keys = new Map(likelyProofs(book, known).map((proof) => [proof, statementKey(proof)]));
    const likely = new Set(keys.values());
    for (const [key, item] of this.#tracked) {
      if (!likely.has(key)) await this.#drop(key, item);
      else if (!item.finished) await this.#follow(key, item);
    }
    const rounds = new Set(book.markets().map(({ record }) => roundKey(record)));
    this.#begunByRound = new Map([...this.#begunByRound].filter(([round]) => rounds.has(round)));
    this.#refused = new Set([...this.#refused].filter((key) => likely.has(key)));
    const wanted = new Map<string, LikelyProof[]>();
    for (const proof of keys.keys()) {
      const own = wanted.get(proof.client) ?? [];
      wanted.set(proof.client, own);
      own.push(proof);
    }
    while (!this.#passes.wanted && !this.#closed && this.#unfinished() < maxJobs) {
      const proof = nextInTurn(
        wanted,
        (item) => !this.#tracked.has(keys.get(item)!) && !this.#refused.has(keys.get(item)!),
        ({ market }) => this.#begunByRound.get(roundKey(market.record)),
        maxPerRound,
      );
      if (proof === undefined || !(await this.#begin(keys.get(proof)!, proof))) return;
      const round = roundKey(proof.market.record);
      const use = this.#begunByRound.get(round) ?? new Map<string, number>();
      use.set(proof.client, (use.get(proof.client) ?? 0) + 1);
      this.#begunByRound.set(round, use);
      // Requests have their turn between statements.
      await nextTurn();
    }
  }

  /** @returns false when there is no room */
  async #begin(key: string, proof: LikelyProof): Promise<boolean> {
    const { queue, jobs, requestOf, served } = this.#options;
    let prepared: PreparedProof;
    try {
      // It names no deadline, so that no clock is asked.
      prepared = await prepareProof(requestOf(proof), { served, now: 0 });
    } catch (error) {
      if (!isZkMarginError(error)) throw error;
      this.#refused.add(key);
      return true;
    }
    let answer: Awaited<ReturnType<ProofJobs['submit']>>;
    try {
      answer = await jobs.submit({ ...prepared, priority: 'speculative' });
    } catch (error) {
      if (isZkMarginError(error, 'BUSY')) return false;
      throw error;
    }
    // Somebody may have been faster. It is followed all the same: who asks and leaves takes it from nobody.
    if (answer.created) this.#counts.begun++;
    const { id } = answer.record;
    const item: Tracked = {
      id,
      finished: false,
      used: answer.created ? undefined : 'early',
      forget: () => {},
    };
    this.#tracked.set(key, item);
    item.forget = await queue.onChange(id, () => void this.#follow(key, item).catch(() => undefined));
    await this.#follow(key, item);
    return true;
  }

  /** Sees whether a job is finished; then there is room for the next. */
  async #follow(key: string, item: Tracked): Promise<void> {
    const record = await this.#options.queue.get(item.id);
    if (item.finished || this.#tracked.get(key) !== item) return;
    if (record !== undefined && !isFinished(record)) return;
    item.finished = true;
    item.forget();
    if (record?.state === 'done') {
      if (item.used !== 'early') this.#counts.made++;
    } else {
      this.#tracked.delete(key);
      if (item.used === undefined) this.#counts.wasted++;
      this.#refused.add(key);
    }
    void this.look();
  }

  async #drop(key: string, item: Tracked): Promise<void> {
    this.#tracked.delete(key);
    item.forget();
    if (item.used === undefined) this.#counts.wasted++;
    // One that a client claims stays.
    if (!item.finished) await this.#options.queue.cancelSpeculative(item.id);
  }

  #unfinished(): number {
    return [...this.#tracked.values()].filter(({ finished, used }) => !finished && used === undefined).length;
  }
}
