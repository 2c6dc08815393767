/**
 * The one error type of the project's pure and I/O layers.
 *
 * A caller decides by {@link ZkMarginError.code}, shows {@link ZkMarginError.message}, and points at
 * {@link ZkMarginError.field}. Codes are stable: they are part of the public interface, messages are not.
 */

/** Every code, in groups. A code is never reused for another meaning. */
export const ERROR_CODES = [
  // Input that cannot be read at all, or holds a number outside its documented range.
  'MALFORMED',
  'NOT_FINITE',
  'OUT_OF_RANGE',
  'TOO_LARGE',
  // Instruments and legs.
  'UNKNOWN_INSTRUMENT',
  'DUPLICATE_LEG',
  'LEGS_NOT_SORTED',
  'TOO_MANY_LEGS',
  'NO_LEGS',
  'ZERO_QUANTITY',
  'QUANTITY_OUT_OF_RANGE',
  // Portfolios, markets and models.
  'UNKNOWN_MODEL',
  'UNKNOWN_UNDERLYING',
  'DUPLICATE_POSITION',
  'NO_ARBITRAGE_FREE_PRICE',
  'NOT_ENOUGH_DATA',
  // Market rounds.
  'MISSING_EXPIRY',
  'MISSING_VOLATILITY',
  'EXPIRED_OPTION',
  'PILLAR_RATIO',
  'EXPIRIES_NOT_SORTED',
  'TOO_MANY_EXPIRIES',
  'UNDERLYING_MISMATCH',
  'STALE_ROUND',
  'REPORTS_DISAGREE',
  'TOO_FEW_SOURCES',
  'FIT_FAILED',
  // Risk parameters.
  'TOO_MANY_SCENARIOS',
  'FIRST_SCENARIO',
  // Arithmetic of the integer model.
  'ARITHMETIC_OVERFLOW',
  // Liquidation.
  'NOT_LIQUIDATABLE',
  'BAD_DEBT',
  'HAS_WORTH',
  'NOTHING_TO_LIQUIDATE',
  // Proofs and keys.
  'COMMITMENT_MISMATCH',
  'WITNESS_FAILED',
  'PROOF_FAILED',
  'PROOF_INVALID',
  'KEY_MISSING',
  'KEY_MISMATCH',
  // Services and chains.
  'NOT_FOUND',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'RATE_LIMITED',
  'SHARE_EXCEEDED',
  'CONFLICT',
  'BUSY',
  'TIMEOUT',
  'CANCELLED',
  'CHAIN_UNAVAILABLE',
  'CHAIN_DIVERGED',
  // The store: another process has it, it cannot be reached, it has no room, its schema is not this version's.
  'STORE_LOCKED',
  'STORE_UNAVAILABLE',
  'STORE_FULL',
  'STORE_MISMATCH',
  // Files: there is no room for them.
  'DISK_FULL',
  'UNSUPPORTED',
  'INTERNAL',
] as const;

/** A stable, machine-readable reason. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** Values that may stand in an error's details: JSON values, and bigint, which JSON shows as a decimal string. */
export type ErrorDetail =
  | string
  | number
  | boolean
  | bigint
  | null
  | readonly ErrorDetail[]
  | { readonly [key: string]: ErrorDetail };

/** The plain-data form of an error, fit for JSON, `structuredClone`, and messages between processes. */
export interface ErrorData {
  readonly name: 'ZkMarginError';
  readonly code: ErrorCode;
  readonly message: string;
  /** Path of the offending field, as in `legs[3].quantity`; absent when the error is about no single field. */
  readonly field?: string;
  readonly details?: Readonly<Record<string, ErrorDetail>>;
}

/** What a {@link ZkMarginError} may carry beside its code and message. */
export interface ErrorOptions {
  readonly field?: string | undefined;
  readonly details?: Readonly<Record<string, ErrorDetail>> | undefined;
  readonly cause?: unknown;
}

/** An error that names its reason and the offending field, and says what to do about it. */
export class ZkMarginError extends Error {
  /** Stable reason. */
  readonly code: ErrorCode;
  /** Path of the offending field, as in `legs[3].quantity`. */
  readonly field: string | undefined;
  /** Further figures, for logs and problem documents. */
  readonly details: Readonly<Record<string, ErrorDetail>> | undefined;

  /**
   * @param code stable reason
   * @param message short, in words that say what to do
   * @param options field path, details, and cause
   */
  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ZkMarginError';
    this.code = code;
    this.field = options.field;
    this.details = options.details;
  }

  /** Plain data without the stack; bigints become decimal strings. */
  toJSON(): ErrorData {
    return errorToData(this);
  }

  /** The same error with a prefix before its field path: `quantity` under `legs[3]` is `legs[3].quantity`. */
  under(prefix: string): ZkMarginError {
    return new ZkMarginError(this.code, this.message, {
      field: joinField(prefix, this.field),
      details: this.details,
      cause: this.cause,
    });
  }
}

/** True for a {@link ZkMarginError}, optionally of the given code. */
export function isZkMarginError(value: unknown, code?: ErrorCode): value is ZkMarginError {
  return value instanceof ZkMarginError && (code === undefined || value.code === code);
}

/** Joins two parts of a field path: `('legs', '[3].quantity')` and `('legs[3]', 'quantity')` both read naturally. */
export function joinField(prefix: string | undefined, field: string | undefined): string {
  if (!prefix) return field ?? '';
  if (!field) return prefix;
  return field.startsWith('[') ? prefix + field : `${prefix}.${field}`;
}

/**
 * What any thrown value says, to be shown. Of an error of a node's client, its summary and what the node answered: its whole message
 * quotes the request and the URL, which may hold a key.
 */
export function textOfError(error: unknown): string {
  const { message = error, shortMessage, details } = (error ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof shortMessage !== 'string') return String(message);
  return typeof details === 'string' && details !== ''
    ? `${shortMessage} ${withoutUrls(details)}`
    : shortMessage;
}

/** A text with its URLs left out: a client repeats one that it cannot read. */
export function withoutUrls(text: string): string {
  return text.replace(/\b(?:https?|wss?):\/\/\S+/gi, '(URL)');
}

/** Plain data of any thrown value; what is no {@link ZkMarginError} becomes `INTERNAL` with {@link textOfError}. */
export function errorToData(error: unknown): ErrorData {
  if (!(error instanceof ZkMarginError)) {
    return { name: 'ZkMarginError', code: 'INTERNAL', message: textOfError(error) };
  }
  return {
    name: 'ZkMarginError',
    code: error.code,
    message: error.message,
    ...(error.field === undefined ? {} : { field: error.field }),
    ...(error.details === undefined
      ? {}
      : { details: plainDetail(error.details) as Readonly<Record<string, ErrorDetail>> }),
  };
}

/** The error that {@link errorToData} described. Data of another shape gives an `INTERNAL` error, never a throw. */
export function errorFromData(data: unknown): ZkMarginError {
  if (isErrorData(data)) {
    return new ZkMarginError(data.code, data.message, { field: data.field, details: data.details });
  }
  return new ZkMarginError('INTERNAL', 'An error of unknown shape was received; see details.', {
    details: { received: typeof data === 'object' ? Object.prototype.toString.call(data) : String(data) },
  });
}

/** True for data as {@link errorToData} gives it. */
function isErrorData(data: unknown): data is ErrorData {
  if (typeof data !== 'object' || data === null) return false;
  const candidate = data as Partial<Record<keyof ErrorData, unknown>>;
  return (
    candidate.name === 'ZkMarginError' &&
    typeof candidate.code === 'string' &&
    (ERROR_CODES as readonly string[]).includes(candidate.code) &&
    typeof candidate.message === 'string' &&
    (candidate.field === undefined || typeof candidate.field === 'string') &&
    (candidate.details === undefined || (typeof candidate.details === 'object' && candidate.details !== null))
  );
}

/**
 * A bigint within `[minimum, maximum]`, or a typed error that names the field.
 *
 * @throws ZkMarginError `MALFORMED` for another type, `OUT_OF_RANGE` outside the bounds
 */
export function requireBigint(value: unknown, minimum: bigint, maximum: bigint, field: string): bigint {
  if (typeof value !== 'bigint') {
    throw new ZkMarginError('MALFORMED', `Give ${field} as a whole number (bigint).`, { field });
  }
  if (value < minimum || value > maximum) {
    throw new ZkMarginError('OUT_OF_RANGE', `Keep ${field} within [${minimum}, ${maximum}].`, {
      field,
      details: { value: value.toString(), minimum: minimum.toString(), maximum: maximum.toString() },
    });
  }
  return value;
}

/**
 * A whole number within `[minimum, maximum]`, or a typed error that names the field.
 *
 * @throws ZkMarginError `MALFORMED` for another type, `NOT_FINITE` for NaN and infinities, `OUT_OF_RANGE` otherwise
 */
export function requireInteger(value: unknown, minimum: number, maximum: number, field: string): number {
  if (typeof value !== 'number') {
    throw new ZkMarginError('MALFORMED', `Give ${field} as a number.`, { field });
  }
  if (!Number.isFinite(value)) {
    throw new ZkMarginError('NOT_FINITE', `Give ${field} as a finite number.`, { field });
  }
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw new ZkMarginError('OUT_OF_RANGE', `Keep ${field} a whole number within [${minimum}, ${maximum}].`, {
      field,
      details: { value, minimum, maximum },
    });
  }
  return value;
}

/**
 * A finite number within `[minimum, maximum]`, or a typed error that names the field.
 *
 * @throws ZkMarginError `MALFORMED` for another type, `NOT_FINITE` for NaN and infinities, `OUT_OF_RANGE` otherwise
 */
export function requireFinite(value: unknown, minimum: number, maximum: number, field: string): number {
  if (typeof value !== 'number') {
    throw new ZkMarginError('MALFORMED', `Give ${field} as a number.`, { field });
  }
  if (!Number.isFinite(value)) {
    throw new ZkMarginError('NOT_FINITE', `Give ${field} as a finite number.`, { field });
  }
  if (value < minimum || value > maximum) {
    throw new ZkMarginError('OUT_OF_RANGE', `Keep ${field} within [${minimum}, ${maximum}].`, {
      field,
      details: { value, minimum, maximum },
    });
  }
  return value;
}

function plainDetail(value: ErrorDetail): ErrorDetail {
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) return value.map(plainDetail);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plainDetail(item)]));
  }
  return value;
}
