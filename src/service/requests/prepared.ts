/** A statement that is ready for its proof. */
import { fieldText } from '../../proof/field.ts';
import type { CircuitInput } from '../../proof/prover/backend.ts';
import type { JobPriority } from '../../store/job.ts';

/** A checked request. It holds secrets: it is given to the queue and kept nowhere else. */
export interface PreparedProof {
  readonly circuit: string;
  readonly input: CircuitInput;
  /** What the proof must state, in the order of `docs/margin-model.md`, section 5. */
  readonly publicSignals: readonly string[];
  /** What public signals state, as decimal strings by name. */
  readonly figures: Readonly<Record<string, string>>;
  readonly priority: JobPriority;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly deadline: number | undefined;
}

/** What is known when a request is read. */
export interface RequestSetting {
  /** Names of the circuits that are served. */
  readonly served: ReadonlySet<string>;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly now: number;
}

/** Public signals: a circuit's outputs, then its public inputs by their names. */
export function publicSignalsOf(
  outputs: readonly bigint[],
  input: CircuitInput,
  names: readonly string[],
): string[] {
  return [
    ...outputs.map((value) => fieldText(value)),
    ...names.flatMap((name) => input[name] as string | readonly string[]),
  ];
}
