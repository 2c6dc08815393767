/** Proofs that prove nothing, for tests of what handles proofs. */
import type { ProvenJob } from '../../src/proof/prover/protocol.ts';

/**
 * A result of the form of a proven job. No verifier that looks at it accepts it.
 *
 * @param mark goes into the proof, to tell who made it
 */
export function standInProof(circuit: string, publicSignals: readonly string[], mark = '1'): ProvenJob {
  return {
    circuit,
    proof: {
      pi_a: [mark, '2', '1'],
      pi_b: [['1', '2']],
      pi_c: ['1', '2', '1'],
      protocol: 'groth16',
      curve: 'bn128',
    },
    publicSignals: [...publicSignals],
    calldata: {
      a: ['1', '2'],
      b: [
        ['1', '2'],
        ['3', '4'],
      ],
      c: ['5', '6'],
    },
    timings: { loading: 0, witness: 1, proving: 2, verifying: 3 },
  };
}
