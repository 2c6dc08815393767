import type { Groth16VerificationKey } from 'snarkjs';
import type { SerializedProofError } from '../errors.ts';
import type { CircuitInput, ProofCalldata, ProofResult } from './backend.ts';

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

/** What a running job is doing. */
export type ProofStage = 'loading' | 'witness' | 'proving' | 'verifying';

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
  | { type: 'start'; circuits: ProverCircuit[]; preload: boolean }
  | { type: 'prove'; id: number; job: ProofJob }
  | { type: 'close' };

/** Messages from a proving process. */
export type FromWorker =
  | { type: 'ready' }
  | { type: 'progress'; id: number; stage: ProofStage }
  | { type: 'proved'; id: number; result: ProvenJob }
  | { type: 'failed'; id: number; error: SerializedProofError };
