import type { Groth16Proof } from 'snarkjs';
import { ProofError } from '../errors.ts';

/** One circuit input: a field element as a decimal string, or nested lists of them. */
export type InputValue = string | readonly InputValue[];

/** Inputs of a circuit by signal name. */
export type CircuitInput = Readonly<Record<string, InputValue>>;

/** A proof with its public signals: outputs first, then public inputs; decimal strings in [0, r). */
export interface ProofResult {
  proof: Groth16Proof;
  publicSignals: string[];
}

/** Names of the ways to make a proof. All take the same key and witness, and their proofs verify alike. */
export type BackendName = 'snarkjs' | 'native' | 'rapidsnark';

/** Part of the proving stage, in the order in which a backend goes through them; backends may overlap or skip some. */
export type ProvingStep = 'constraints' | 'transforms' | 'points' | 'quotient' | 'external';

/** What a caller may ask of one proof. */
export interface BackendProveOptions {
  /** Ends the proof with `CANCELLED`; at once in `rapidsnark`, and between two steps in the others. */
  signal?: AbortSignal;
  /** Told when a step begins. */
  onStep?: (step: ProvingStep) => void;
}

/**
 * What makes proofs from witnesses. One backend holds the key of one circuit. Calls do not overlap: the caller awaits one
 * proof before it asks for the next.
 */
export interface ProverBackend {
  /** Name for logs, metrics and reports. */
  readonly name: BackendName;
  /**
   * Prove a witness.
   *
   * @param witness content of a .wtns file.
   * @throws {ProofError} `KEY_MISMATCH` when the witness belongs to another circuit, `FILE_MALFORMED` when it is none,
   * `CANCELLED`, `POOL_UNAVAILABLE` when closed; `rapidsnark` also `BACKEND_UNAVAILABLE`, `BACKEND_FAILED`,
   * `BACKEND_OUTPUT_INVALID` and `TIMEOUT`.
   */
  prove(witness: Uint8Array, options?: BackendProveOptions): Promise<ProofResult>;
  /** Free threads and memory. Safe to call twice. */
  close(): Promise<void>;
}

/** @throws {ProofError} `CANCELLED` when the signal is aborted. */
export function assertNotCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new ProofError('CANCELLED', 'the proof was cancelled');
}

/** A proof in the argument order of the Solidity verifier: decimal strings, coordinates of `b` swapped. */
export interface ProofCalldata {
  a: [string, string];
  b: [[string, string], [string, string]];
  c: [string, string];
}

/** The form of a proof that `verifyProof(a, b, c, publicSignals)` takes. */
export function toCalldata(proof: Groth16Proof): ProofCalldata {
  const [b0, b1] = [proof.pi_b[0]!, proof.pi_b[1]!];
  return {
    a: [proof.pi_a[0]!, proof.pi_a[1]!],
    b: [
      [b0[1]!, b0[0]!],
      [b1[1]!, b1[0]!],
    ],
    c: [proof.pi_c[0]!, proof.pi_c[1]!],
  };
}

/** The inverse of {@link toCalldata}. */
export function fromCalldata(calldata: ProofCalldata): Groth16Proof {
  const { a, b, c } = calldata;
  return {
    pi_a: [...a, '1'],
    pi_b: [
      [b[0][1], b[0][0]],
      [b[1][1], b[1][0]],
      ['1', '0'],
    ],
    pi_c: [...c, '1'],
    protocol: 'groth16',
    curve: 'bn128',
  };
}
