import type { Groth16VerificationKey } from 'snarkjs';
import type { SerializedProofError } from '../errors.ts';
import type { CircuitInput, ProofCalldata, ProofResult, ProvingStep } from './backend.ts';
import type { BackendConfiguration } from './backends.ts';

/** A circuit that a proving process can serve: plain data, sent to it when it starts. */
export interface ProverCircuit {
  name: string;
  /** Absolute path of the witness calculator's .wasm. */
  wasmPath: string;
  /** Absolute path of the .zkey. */
  zkeyPath: string;
  /** The committed key; every proof is verified against it before it is returned. */
  verificationKey: Groth16VerificationKey;
}

/** What a proving process is doing for a job. */
export type ProofStage = 'loading' | 'witness' | 'proving' | 'verifying';

/** What happens to a job from its acceptance to its proof. */
export type ProgressStage = 'queued' | ProofStage | 'done';

/** More about a stage. */
export interface ProgressDetail {
  /** Step within `proving`, as far as the backend tells. The stage itself is told first, without a step. */
  readonly step?: ProvingStep;
  /** 1 for the first attempt, 2 after a proving process was lost. */
  readonly attempt: number;
}

/** What to prove. */
export interface ProofJob {
  circuit: string;
  input: CircuitInput;
}

/** Milliseconds per stage. `loading` is 0 when the key was in memory. */
export type ProofTimings = Record<ProofStage, number>;

/** A verified proof. */
export interface ProvenJob extends ProofResult {
  circuit: string;
  calldata: ProofCalldata;
  timings: ProofTimings;
}

/** Messages to a proving process. */
export type ToWorker =
  | {
      type: 'start';
      circuits: ProverCircuit[];
      preload: boolean;
      backend: BackendConfiguration;
      /** Directory for files with witnesses; the pool removes it when the process has ended. */
      scratch: string;
    }
  | { type: 'prove'; id: number; job: ProofJob }
  | { type: 'close' };

/** A circuit that a proving process could not load. */
export interface LoadFailure {
  circuit: string;
  error: SerializedProofError;
}

/** Messages from a proving process. `rss` is its resident memory in bytes. */
export type FromWorker =
  | { type: 'ready'; failures: LoadFailure[]; rss: number }
  | { type: 'progress'; id: number; stage: ProofStage; step?: ProvingStep }
  | { type: 'proved'; id: number; result: ProvenJob; rss: number }
  | { type: 'failed'; id: number; error: SerializedProofError; rss: number };
