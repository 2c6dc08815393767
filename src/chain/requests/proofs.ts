/** What requests to the contracts have in common: who proves, and the form of proofs in calldata. */
import { ZkMarginError } from '../../errors.ts';
import {
  CAPACITIES,
  capacitiesAmong,
  capacityFor,
  type Instance,
  type Statement,
} from '../../proof/instances.ts';
import type { ProofCalldata } from '../../proof/prover/backend.ts';
import type { ProofJob, ProvenJob } from '../../proof/prover/protocol.ts';

/** Whoever makes proofs: a `CircuitProver`, a pool, or a client of the service. */
export interface Prover {
  /** Names of the circuits that it proves, as `insolvency-8`; all instances unless given. */
  readonly served?: ReadonlySet<string>;
  prove(job: ProofJob): Promise<Pick<ProvenJob, 'calldata' | 'publicSignals'>>;
}

/** An instance of a statement, with its legs. */
export interface ChosenInstance<Of extends Statement> {
  readonly circuit: Instance<Of>;
  readonly capacity: number;
}

/**
 * The smallest instance of a statement that a prover serves and that has room for so many legs.
 *
 * @throws ZkMarginError `TOO_MANY_LEGS` when no instance has room; `UNSUPPORTED` when one has that the prover does not serve
 */
export function servedInstance<Of extends Statement>(
  { served }: Pick<Prover, 'served'>,
  statement: Of,
  legs: number,
): ChosenInstance<Of> {
  const all: readonly number[] = CAPACITIES[statement];
  const nameOf = (capacity: number) => `${statement}-${capacity}` as Instance<Of>;
  if (capacityFor(legs, all) === undefined) {
    throw new ZkMarginError(
      'TOO_MANY_LEGS',
      `Reduce the account to ${all.at(-1)} legs: no larger ${statement} proof exists.`,
      { field: 'positions.legs', details: { legs, limit: all.at(-1)! } },
    );
  }
  const offered = served === undefined ? all : capacitiesAmong(statement, served);
  const capacity = capacityFor(legs, offered);
  if (capacity === undefined) {
    const needed = all.filter((size) => legs <= size).map(nameOf);
    throw new ZkMarginError(
      'UNSUPPORTED',
      `Use a prover that serves ${needed.join(' or ')}: no circuit of this one has room for ${legs} legs.`,
      { field: 'prover.served', details: { legs, needed, served: offered.map(nameOf) } },
    );
  }
  return { circuit: nameOf(capacity), capacity };
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
