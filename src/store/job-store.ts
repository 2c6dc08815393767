/**
 * Proof jobs and where they are kept.
 *
 * A record holds what may be shown to anyone who knows the job's id: no legs, no salt, no witness.
 */
import type { Groth16Proof } from 'snarkjs';
import type { ErrorCode } from '../errors.ts';
import type { ProofCalldata } from '../proof/prover/backend.ts';
import type { ProofStage, ProofTimings } from '../proof/prover/protocol.ts';

/** Where a job stands. `done` and `failed` are final. */
export type JobState = 'queued' | 'proving' | 'done' | 'failed';

/** A verified proof with what it states. */
export interface JobResult {
  readonly proof: Groth16Proof;
  /** Decimal strings in the order of `docs/margin-model.md`, section 5. */
  readonly publicSignals: readonly string[];
  /** The proof as the Solidity verifier takes it. */
  readonly calldata: ProofCalldata;
  /** In 1e-6 USD, signed decimal. */
  readonly mark: string;
  /** In 1e-6 USD, decimal. */
  readonly requirement: string;
  /** Milliseconds of each stage. */
  readonly timings: ProofTimings;
}

/** One proof job. Times are milliseconds since 1970-01-01 UTC. */
export interface JobRecord {
  /** 64 hex digits; a digest of circuit, key and public signals. */
  readonly id: string;
  readonly circuit: string;
  readonly state: JobState;
  /** What the prover is doing, while the state is `proving`. */
  readonly stage?: ProofStage;
  readonly createdAt: number;
  /** The job fails when it is not done by then. */
  readonly deadline: number;
  readonly finishedAt?: number;
  readonly result?: JobResult;
  readonly error?: { readonly code: ErrorCode; readonly message: string };
}

/** What changes in a record while its job runs. */
export type JobPatch = Partial<Pick<JobRecord, 'state' | 'stage' | 'finishedAt' | 'result' | 'error'>>;

/** True when nothing more will happen to the job. */
export function isFinished(record: JobRecord): boolean {
  return record.state === 'done' || record.state === 'failed';
}

/**
 * Where jobs are kept. The only implementation is {@link MemoryJobStore}: jobs do not survive the process. A persistent
 * store implements the same interface.
 */
export interface JobStore {
  /** The job of an id, or undefined when there is none or it has expired. */
  get(id: string): Promise<JobRecord | undefined>;
  /**
   * Keeps a job unless there is one of its id that has not failed, in one atomic step.
   *
   * @returns the job that is kept now, and whether it is the new one
   * @throws ZkMarginError `BUSY` when the store is full of unfinished jobs
   */
  create(record: JobRecord): Promise<{ readonly record: JobRecord; readonly created: boolean }>;
  /** Changes a job; does nothing when it is gone. */
  update(id: string, patch: JobPatch): Promise<void>;
  /** Forgets a job. */
  delete(id: string): Promise<boolean>;
  /** Number of jobs that are kept. */
  size(): Promise<number>;
}
