import type { Groth16Proof } from 'snarkjs';

/** One circuit input: a field element as a decimal string, or nested lists of them. */
export type InputValue = string | readonly InputValue[];

/** Inputs of a circuit by signal name. */
export type CircuitInput = Readonly<Record<string, InputValue>>;

/** A proof with its public signals: outputs first, then public inputs; decimal strings in [0, r). */
export interface ProofResult {
  proof: Groth16Proof;
  publicSignals: string[];
}

/**
 * What makes proofs from witnesses. One backend holds the key of one circuit. Calls do not overlap: the caller awaits one
 * proof before it asks for the next.
 */
export interface ProverBackend {
  /** Short name for logs and metrics, for example `snarkjs`. */
  readonly name: string;
  /**
   * Prove a witness.
   *
   * @param witness content of a .wtns file.
   * @throws {ProofError} `KEY_MISMATCH` when the witness belongs to another circuit.
   */
  prove(witness: Uint8Array): Promise<ProofResult>;
  /** Free threads and memory. Safe to call twice. */
  close(): Promise<void>;
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
