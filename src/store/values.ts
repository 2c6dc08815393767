/** Values between SQL and TypeScript, the same for both kinds of database. */
import { ZkMarginError } from '../errors.ts';

/** Object ids of the types that are read in a way of our own. */
export const INT8 = 20;
export const NUMERIC = 1700;

/** Whole numbers as bigint; others as they are written. */
export function readNumeric(text: string): bigint | string {
  return /^-?\d+$/.test(text) ? BigInt(text) : text;
}

/** A parameter as both drivers take it. */
export function toParameter(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) return value.map(toParameter);
  return value;
}

/** Classes of SQLSTATE that speak of the server, not of the statement. */
const UNAVAILABLE = /^(08|57P|53300|25006)/;
const FULL = /^(53100|53200)/;
/** Errors of sockets and files. */
const BROKEN = /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EHOSTUNREACH|EAI_AGAIN)/;

/** An error of a driver in the project's family. A driver's message may quote values, so it is kept as the cause alone. */
export function storeError(error: unknown): ZkMarginError {
  if (error instanceof ZkMarginError) return error;
  const { code = '', message = '' } = (error ?? {}) as { code?: unknown; message?: string };
  const state = String(code);
  const options = { details: { sqlState: state }, cause: error };
  if (FULL.test(state) || state === 'ENOSPC' || /no space left on device|file too large/i.test(message)) {
    return new ZkMarginError('STORE_FULL', 'The store has no room; free space on its disk.', options);
  }
  if (state === '28P01' || state === '28000' || state === '3D000') {
    return new ZkMarginError(
      'STORE_UNAVAILABLE',
      'The database refuses the connection; check user, password and name in its URL.',
      options,
    );
  }
  if (
    UNAVAILABLE.test(state) ||
    BROKEN.test(state) ||
    /connection terminated|connection timeout|not queryable|PGlite (is closed|failed)|after calling end/i.test(
      message,
    )
  ) {
    return new ZkMarginError('STORE_UNAVAILABLE', 'The store cannot be reached; see that it runs.', options);
  }
  // Cancelled by the server, or given up here.
  if (state === '57014' || message === 'Query read timeout') {
    return new ZkMarginError(
      'STORE_UNAVAILABLE',
      'The store did not answer in time; see what its connections wait for.',
      options,
    );
  }
  return new ZkMarginError(
    'INTERNAL',
    `The store refused a statement (SQLSTATE ${state || 'unknown'}).`,
    options,
  );
}
