import { requireInteger, ZkMarginError } from '../errors.ts';
import { isFinished, type JobPatch, type JobRecord, type JobStore } from './job-store.ts';

/** How a {@link MemoryJobStore} is bounded. */
export interface MemoryJobStoreOptions {
  /** Jobs that are kept at most; the oldest finished one makes room. Default 1,024. */
  readonly capacity?: number;
  /** Milliseconds for which finished jobs are kept. Default 10 minutes. */
  readonly retentionMs?: number;
  /** Clock, in milliseconds; `Date.now` unless given. */
  readonly now?: () => number;
}

/** Jobs in memory, bounded in number and age. Not persistent: a restart forgets every job. */
export class MemoryJobStore implements JobStore {
  /** In order of creation. */
  readonly #jobs = new Map<string, JobRecord>();
  readonly #capacity: number;
  readonly #retentionMs: number;
  readonly #now: () => number;

  /** @throws ZkMarginError for bounds that are none */
  constructor(options: MemoryJobStoreOptions = {}) {
    this.#capacity = requireInteger(options.capacity ?? 1024, 1, 1_000_000, 'capacity');
    this.#retentionMs = requireInteger(options.retentionMs ?? 600_000, 0, 2 ** 40, 'retentionMs');
    this.#now = options.now ?? Date.now;
  }

  async get(id: string): Promise<JobRecord | undefined> {
    return this.#fresh(id);
  }

  async create(record: JobRecord): Promise<{ record: JobRecord; created: boolean }> {
    const present = this.#fresh(record.id);
    if (present !== undefined && present.state !== 'failed') return { record: present, created: false };
    this.#jobs.delete(record.id);
    if (this.#jobs.size >= this.#capacity) this.#makeRoom();
    this.#jobs.set(record.id, record);
    return { record, created: true };
  }

  async update(id: string, patch: JobPatch): Promise<void> {
    const present = this.#jobs.get(id);
    if (present !== undefined) this.#jobs.set(id, { ...present, ...patch });
  }

  async delete(id: string): Promise<boolean> {
    return this.#jobs.delete(id);
  }

  async size(): Promise<number> {
    this.#expire();
    return this.#jobs.size;
  }

  #fresh(id: string): JobRecord | undefined {
    const record = this.#jobs.get(id);
    if (record === undefined || !this.#expired(record)) return record;
    this.#jobs.delete(id);
    return undefined;
  }

  #expired(record: JobRecord): boolean {
    return isFinished(record) && (record.finishedAt ?? record.createdAt) + this.#retentionMs <= this.#now();
  }

  #expire(): void {
    for (const [id, record] of this.#jobs) if (this.#expired(record)) this.#jobs.delete(id);
  }

  #makeRoom(): void {
    this.#expire();
    if (this.#jobs.size < this.#capacity) return;
    for (const [id, record] of this.#jobs) {
      if (!isFinished(record)) continue;
      this.#jobs.delete(id);
      return;
    }
    throw new ZkMarginError('BUSY', 'Try again later: too many unfinished jobs.');
  }
}
