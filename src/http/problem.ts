/** Errors as RFC 9457 problem documents. */
import { type Static, Type } from 'typebox';
import { ERROR_CODES, type ErrorCode, errorToData, ZkMarginError } from '../errors.ts';

/** Media type of problem documents. */
export const PROBLEM_TYPE = 'application/problem+json';

/** The code of an error. */
export const ErrorCodeSchema = Type.String({ enum: [...ERROR_CODES] });

/** RFC 9457 problem document. */
export const ProblemSchema = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String(),
  code: ErrorCodeSchema,
  field: Type.Optional(Type.String({ description: 'path of the offending field, as in legs[3].quantity' })),
  details: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  reasons: Type.Optional(Type.Array(Type.String())),
});
/** RFC 9457 problem document. */
export type Problem = Static<typeof ProblemSchema>;

const STATUS: Partial<Record<ErrorCode, number>> = {
  NOT_FOUND: 404,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  RATE_LIMITED: 429,
  SHARE_EXCEEDED: 429,
  CONFLICT: 409,
  TOO_LARGE: 413,
  CANCELLED: 409,
  BUSY: 503,
  CHAIN_UNAVAILABLE: 503,
  CHAIN_DIVERGED: 503,
  STORE_LOCKED: 503,
  STORE_UNAVAILABLE: 503,
  STORE_FULL: 503,
  STORE_MISMATCH: 503,
  TIMEOUT: 504,
  INTERNAL: 500,
  KEY_MISSING: 500,
  KEY_MISMATCH: 500,
  PROOF_FAILED: 500,
  PROOF_INVALID: 500,
};

/** The problem document of an error. Unexpected errors are not shown: their text could hold inputs. */
export function problemOf(error: unknown, status?: number): Problem {
  const known =
    error instanceof ZkMarginError
      ? error
      : new ZkMarginError(
          'INTERNAL',
          'The service failed; nothing was proven. Try again, or tell its operator.',
        );
  const { code, message, field, details } = errorToData(known);
  const words = code.toLowerCase().replaceAll('_', ' ');
  return {
    type: `urn:zkmargin:problem:${code.toLowerCase().replaceAll('_', '-')}`,
    title: words[0]!.toUpperCase() + words.slice(1),
    status: status ?? STATUS[code] ?? 422,
    detail: message,
    code,
    ...(field && { field }),
    ...(details && { details }),
  };
}
