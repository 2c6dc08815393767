/** Stable codes of what can go wrong between a circuit's source and a verified proof. */
export type ProofErrorCode =
  /** The circuit compiler refused the source; `details.output` holds its text. */
  | 'CIRCUIT_COMPILE_FAILED'
  /** A circuit, an include or a key is not where it should be. */
  | 'CIRCUIT_NOT_FOUND'
  /** An .r1cs, .wtns or .zkey file is malformed. */
  | 'FILE_MALFORMED'
  /** A development key failed its consistency check. */
  | 'KEY_INVALID'
  /** A key does not belong to the circuit or to the verification key. */
  | 'KEY_MISMATCH'
  /** An input is missing, unknown, of the wrong length or outside [0, r). */
  | 'INPUT_INVALID'
  /** The inputs do not satisfy the circuit: there is no witness. */
  | 'WITNESS_REJECTED'
  /** A proof does not verify. */
  | 'PROOF_INVALID'
  /** A public signal is not a canonical field element: not in [0, r). */
  | 'PUBLIC_SIGNAL_OUT_OF_RANGE'
  /** The job was cancelled by its caller. */
  | 'CANCELLED'
  /** The job ran longer than it may. */
  | 'TIMEOUT'
  /** The proving process ended before it answered. */
  | 'WORKER_CRASHED'
  /** The pool is closed or its queue is full. */
  | 'POOL_UNAVAILABLE'
  /** An error without a code of its own; the message tells. */
  | 'INTERNAL';

/** Detail values that survive a process boundary; never witnesses or openings. */
export type ProofErrorDetails = Readonly<Record<string, string | number | boolean>>;

/** An error of circuits, keys and proofs, with a stable {@link ProofErrorCode}. */
export class ProofError extends Error {
  readonly code: ProofErrorCode;
  readonly details: ProofErrorDetails;

  constructor(
    code: ProofErrorCode,
    message: string,
    details: ProofErrorDetails = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'ProofError';
    this.code = code;
    this.details = details;
  }
}

/** A {@link ProofError} as plain data, for messages between processes. */
export interface SerializedProofError {
  code: ProofErrorCode;
  message: string;
  details: ProofErrorDetails;
}

/** Turn anything thrown into plain data. Unknown errors become `INTERNAL`. */
export function serializeError(error: unknown): SerializedProofError {
  if (error instanceof ProofError)
    return { code: error.code, message: error.message, details: error.details };
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error), details: {} };
}

/** The inverse of {@link serializeError}. */
export function deserializeError(error: SerializedProofError): ProofError {
  return new ProofError(error.code, error.message, error.details);
}
