/** What requests to the contracts have in common: who proves, and the form of proofs in calldata. */
import type { ProofCalldata } from '../../proof/prover/backend.ts';
import type { ProofJob, ProvenJob } from '../../proof/prover/protocol.ts';

/** Whoever makes proofs: a `CircuitProver`, a pool, or a client of the service. */
export interface Prover {
  prove(job: ProofJob): Promise<Pick<ProvenJob, 'calldata' | 'publicSignals'>>;
}

/** A proof as the contracts take it. */
export interface ProofArgument {
  readonly a: readonly bigint[];
  readonly b: readonly (readonly bigint[])[];
  readonly c: readonly bigint[];
}

/** A proof that no verifier is asked about: where no proof is needed, calldata still has a place for one. */
export const NO_PROOF: ProofArgument = {
  a: [0n, 0n],
  b: [
    [0n, 0n],
    [0n, 0n],
  ],
  c: [0n, 0n],
};

/** A proof in the form of calldata, as numbers. */
export function proofArgument({ a, b, c }: ProofCalldata): ProofArgument {
  return { a: a.map(BigInt), b: b.map((row) => row.map(BigInt)), c: c.map(BigInt) };
}
