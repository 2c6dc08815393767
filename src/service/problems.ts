/** What requests and jobs fail with, in words for a client. */
import type { FastifyError, FastifySchemaValidationError } from 'fastify';
import { type ErrorCode, joinField, ZkMarginError } from '../errors.ts';
import { type Problem, problemOf } from '../http/problem.ts';
import type { ProofErrorCode } from '../proof/errors.ts';
import { ProofError } from '../proof/errors.ts';
import { wantedBy } from './patterns.ts';

/** The problem document of anything that a request handler, a parser or a schema threw. */
export function problemOfRequest(error: unknown): Problem {
  if (error instanceof ZkMarginError) return problemOf(error);
  if (!(error instanceof Error)) return problemOf(error);
  const { validation, validationContext, statusCode, code } = error as Partial<FastifyError> & Error;
  if (validation !== undefined && validation.length > 0) {
    const found = schemaError(validation, validationContext);
    return problemOf(found, found.code === 'MALFORMED' || found.code === 'NOT_FINITE' ? 400 : 422);
  }
  if (statusCode === 413) {
    return problemOf(new ZkMarginError('OUT_OF_RANGE', 'Send a smaller body.', { field: 'body' }), 413);
  }
  if (statusCode === 415) {
    const message = 'Send JSON, with content-type application/json.';
    return problemOf(new ZkMarginError('UNSUPPORTED', message, { field: 'content-type' }), 415);
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    const inBody = error instanceof SyntaxError || /_CTP_|JSON/.test(code ?? '');
    const message = inBody ? 'Send a body that is valid JSON.' : 'Send a well-formed request.';
    return problemOf(
      new ZkMarginError('MALFORMED', message, { field: inBody ? 'body' : 'request' }),
      statusCode,
    );
  }
  return problemOf(error);
}

/** A validation error with the parts that the validator adds in verbose mode. */
type VerboseError = FastifySchemaValidationError & {
  readonly data?: unknown;
  readonly parentSchema?: { readonly properties?: Readonly<Record<string, unknown>> };
};

/** The typed error of a schema's complaints: of the alternatives of a union, the one that the input comes nearest to. */
function schemaError(errors: readonly VerboseError[], context = 'body'): ZkMarginError {
  const ranked = errors
    .filter(({ keyword }) => keyword !== 'anyOf')
    .map((error) => ({ error, path: pathOf(error), foreign: isForeign(error) }))
    .sort((a, b) => Number(a.foreign) - Number(b.foreign) || b.path.length - a.path.length);
  const { error, path } = ranked[0] ?? { error: errors[0]!, path: pathOf(errors[0]!) };
  const field =
    path.reduce((sum, part) => joinField(sum, /^\d+$/.test(part) ? `[${part}]` : part), '') || context;
  const { data, keyword } = error;
  if (/(^|\.)legs$/.test(field) && keyword === 'maxItems') {
    const { limit } = error.params;
    return new ZkMarginError('TOO_MANY_LEGS', `Give at most ${limit} legs, or split the account.`, { field });
  }
  if (/(^|\.)legs$/.test(field) && keyword === 'minItems') {
    return new ZkMarginError('NO_LEGS', 'Give at least one leg.', { field });
  }
  if (field === 'parameters.scenarios' && keyword === 'maxItems') {
    return new ZkMarginError('TOO_MANY_SCENARIOS', `Give at most ${error.params.limit} scenarios.`, {
      field,
    });
  }
  if (keyword === 'discriminator') {
    const tag = String(error.params.tag);
    if (typeof error.params.tagValue === 'string') {
      return new ZkMarginError('UNSUPPORTED', 'Use a circuit of GET /v1/circuits.', { field: tag });
    }
    return new ZkMarginError('MALFORMED', `Give ${tag} as text.`, { field: tag });
  }
  if (
    (typeof data === 'number' && !Number.isFinite(data)) ||
    (typeof data === 'string' && /^[+-]?(nan|inf(inity)?)$/i.test(data))
  ) {
    return new ZkMarginError('NOT_FINITE', `Give ${field} as a finite number.`, { field });
  }
  return new ZkMarginError('MALFORMED', `${advice(error, field)}.`, { field });
}

function advice({ keyword, params, message }: VerboseError, field: string): string {
  switch (keyword) {
    case 'required':
      return `Give ${field}`;
    case 'additionalProperties':
      return `Leave out ${field}: it is unknown`;
    case 'pattern':
      return `Give ${field} as ${wantedBy(params.pattern) ?? `text of the form ${String(params.pattern)}`}`;
    case 'enum':
      return `Give ${field} as one of ${(params.allowedValues as readonly unknown[]).join(', ')}`;
    default:
      return `Check ${field}: it ${message ?? 'is malformed'}`;
  }
}

function pathOf({ instancePath, keyword, params }: VerboseError): string[] {
  const parts = instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  if (keyword === 'required') parts.push(String(params.missingProperty));
  if (keyword === 'additionalProperties') parts.push(String(params.additionalProperty).slice(0, 64));
  return parts;
}

/** True for a complaint about missing properties where the input has none of those that the schema knows. */
function isForeign({ data, keyword, parentSchema }: VerboseError): boolean {
  const properties = parentSchema?.properties;
  if (keyword !== 'required' || typeof data !== 'object' || data === null || !properties) return false;
  return !Object.keys(data).some((key) => Object.hasOwn(properties, key));
}

/** Words for a client. The codes are those of the error's family. */
const PROOF_WORDS: Partial<Record<ProofErrorCode, string>> = {
  INPUT_INVALID: 'The inputs do not fit the circuit.',
  WITNESS_REJECTED: 'The inputs do not satisfy the circuit.',
  PROOF_INVALID: 'The proof did not verify.',
  CIRCUIT_NOT_FOUND: 'The key of the circuit is missing; tell the operator.',
  KEY_MISMATCH: 'The key does not belong to the circuit; tell the operator.',
  BACKEND_UNAVAILABLE: 'The external prover cannot be run; tell the operator.',
  BACKEND_FAILED: 'The external prover failed; tell the operator.',
  BACKEND_OUTPUT_INVALID: 'The external prover gave no proof of the statement; tell the operator.',
  CANCELLED: 'The job was cancelled.',
  TIMEOUT: 'The job was not done by its deadline.',
  WORKER_CRASHED: 'The proving process ended early; ask again.',
  POOL_UNAVAILABLE: 'The prover takes no jobs now; ask again later.',
};

/** Why a job failed, in words that hold none of its inputs. */
export function jobErrorOf(error: unknown): { code: ErrorCode; message: string } {
  if (error instanceof ProofError) {
    // What has no words of its own is no client's concern.
    const message = PROOF_WORDS[error.code];
    return message === undefined
      ? { code: 'PROOF_FAILED', message: 'The proof could not be made.' }
      : { code: error.family, message };
  }
  if (error instanceof ZkMarginError) return { code: error.code, message: error.message };
  return { code: 'INTERNAL', message: 'The proof could not be made.' };
}
