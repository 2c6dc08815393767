/**
 * Proof jobs as they are kept.
 *
 * A record holds what may be shown to anyone who knows the job's id: no legs, no salt, no witness.
 */
import type { Groth16Proof } from 'snarkjs';
import type { ErrorCode } from '../errors.ts';
import type { CircuitInput, ProofCalldata } from '../proof/prover/backend.ts';
import type { ProofStage, ProofTimings } from '../proof/prover/protocol.ts';

/** Where a job stands. `done` and `failed` are final. */
export type JobState = 'queued' | 'proving' | 'done' | 'failed';

/** What is proven first: the more urgent, the earlier in this list. */
export const JOB_PRIORITIES = ['liquidation', 'solvency', 'attestation', 'speculative'] as const;
/** How urgent a job is. */
export type JobPriority = (typeof JOB_PRIORITIES)[number];

/** The client of all requests where no API keys are asked for. Shares do not bind it. */
export const EVERYBODY = '';

/** The claim of the service itself, by a name that no API key has. */
export const SERVICE = ' service';

/** A verified proof with what it states. */
export interface JobResult {
  readonly proof: Groth16Proof;
  /** Decimal strings in the order of `docs/margin-model.md`, section 5. */
  readonly publicSignals: readonly string[];
  /** The proof as the Solidity verifier takes it. */
  readonly calldata: ProofCalldata;
  /** Milliseconds of each stage. */
  readonly timings: ProofTimings;
}

/** Why a job, or an attempt at it, failed; in words that hold none of its inputs. */
export interface JobError {
  readonly code: ErrorCode;
  readonly message: string;
}

/** An attempt that came to nothing. */
export interface JobCause extends JobError {
  /** Milliseconds since 1970-01-01 UTC. */
  readonly at: number;
  readonly worker: string;
}

/** One proof job. Times are milliseconds since 1970-01-01 UTC, of the database's clock. */
export interface JobRecord {
  /** 64 hex digits; a digest of circuit, key and public signals. */
  readonly id: string;
  readonly circuit: string;
  readonly priority: JobPriority;
  readonly state: JobState;
  /** What the prover is doing, while the state is `proving`. */
  readonly stage?: ProofStage;
  /** Times that a prover took it. */
  readonly attempts: number;
  /** Why attempts failed before. */
  readonly causes: readonly JobCause[];
  readonly createdAt: number;
  /** The job fails when it is not done by then. */
  readonly deadline: number;
  readonly finishedAt?: number;
  /** What the public signals state, as decimal strings by name. */
  readonly figures: Readonly<Record<string, string>>;
  readonly result?: JobResult;
  readonly error?: JobError;
}

/** True when nothing more will happen to the job. */
export function isFinished(record: Pick<JobRecord, 'state'>): boolean {
  return record.state === 'done' || record.state === 'failed';
}

/** A job that is asked for. */
export interface NewJob {
  readonly id: string;
  readonly circuit: string;
  /** Digest of the verification key that the proof must verify under. */
  readonly keyDigest: string;
  readonly priority: JobPriority;
  /** Name of the client that asks, or {@link EVERYBODY}. Without one the job is the service's own, and stays so when clients ask for it and leave. */
  readonly client?: string | undefined;
  /** Private. It is deleted when the job ends. */
  readonly input: CircuitInput;
  readonly figures: Readonly<Record<string, string>>;
  /** Milliseconds since 1970-01-01 UTC after which the proof is of no use. */
  readonly deadline?: number | undefined;
  /** Milliseconds that the job may take at most, waiting included. */
  readonly maxMs: number;
}

/** A job in the hands of one worker. It holds secrets. */
export interface ClaimedJob {
  readonly id: string;
  readonly circuit: string;
  readonly keyDigest: string;
  readonly priority: JobPriority;
  /** Whatever is written about the job counts only with it, and only while nobody else has claimed the job. */
  readonly token: string;
  /** 1 for the first. */
  readonly attempt: number;
  /** Milliseconds until its deadline, by the database's clock. */
  readonly remainingMs: number;
  readonly input: CircuitInput;
}
