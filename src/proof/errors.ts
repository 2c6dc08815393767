import { type ErrorCode, ZkMarginError } from '../errors.ts';

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
  /** The backend asked for is unknown, or its binary is missing or may not be run. */
  | 'BACKEND_UNAVAILABLE'
  /** The external prover ended without success; `details` holds its exit code or signal and the end of its output. */
  | 'BACKEND_FAILED'
  /** The external prover claimed success, but what it wrote is no proof of the witness's public signals. */
  | 'BACKEND_OUTPUT_INVALID'
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

/**
 * The code of the project's one public family for each code of this layer. Complete by its type: a new code does not
 * compile without a place here.
 */
const FAMILY: Readonly<Record<ProofErrorCode, ErrorCode>> = {
  CIRCUIT_COMPILE_FAILED: 'MALFORMED',
  CIRCUIT_NOT_FOUND: 'KEY_MISSING',
  FILE_MALFORMED: 'MALFORMED',
  KEY_INVALID: 'KEY_MISMATCH',
  KEY_MISMATCH: 'KEY_MISMATCH',
  INPUT_INVALID: 'WITNESS_FAILED',
  WITNESS_REJECTED: 'WITNESS_FAILED',
  PROOF_INVALID: 'PROOF_INVALID',
  PUBLIC_SIGNAL_OUT_OF_RANGE: 'OUT_OF_RANGE',
  BACKEND_UNAVAILABLE: 'UNSUPPORTED',
  BACKEND_FAILED: 'PROOF_FAILED',
  BACKEND_OUTPUT_INVALID: 'PROOF_FAILED',
  CANCELLED: 'CANCELLED',
  TIMEOUT: 'TIMEOUT',
  WORKER_CRASHED: 'PROOF_FAILED',
  POOL_UNAVAILABLE: 'BUSY',
  INTERNAL: 'INTERNAL',
};

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

  /** The code of the project's public family that a caller outside this layer sees. */
  get family(): ErrorCode {
    return FAMILY[this.code];
  }

  /** The same error in the public family: its code there, this layer's code as `details.reason`. */
  toZkMarginError(): ZkMarginError {
    const { field, ...details } = this.details;
    return new ZkMarginError(this.family, this.message, {
      ...(typeof field === 'string' && { field }),
      details: { ...details, reason: this.code },
      cause: this,
    });
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

/** The inverse of {@link serializeError}. A code that this version does not know becomes `INTERNAL`. */
export function deserializeError(error: SerializedProofError): ProofError {
  const code = Object.hasOwn(FAMILY, error.code) ? error.code : 'INTERNAL';
  return new ProofError(code, error.message, error.details);
}
