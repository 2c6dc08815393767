/** Who may do what: bearer keys with scopes, and limits of rate. */
import { createHash, timingSafeEqual } from 'node:crypto';
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ZkMarginError } from '../errors.ts';
import { EVERYBODY } from '../store/job.ts';

/** What a key is for: to read, or to ask for proofs as well. */
export const SCOPES = ['read', 'prove'] as const;
/** What a key is for. */
export type Scope = (typeof SCOPES)[number];

/** A key without its text. */
export interface ApiKey {
  /** Name of the client in logs, claims of jobs and shares: 1 to 64 characters that can be seen. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** SHA-256 of the token. */
  readonly digest: Buffer;
}

/** Options of {@link guard}. */
export interface AccessOptions {
  /** Without keys everybody may do everything. */
  readonly keys?: readonly ApiKey[] | undefined;
  /** Requests of one key, or of one address without keys, in a minute; no limit unless given. */
  readonly requestsPerMinute?: number | undefined;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Name of the API key; that of everybody where none is asked for. */
    client: string;
  }
}

/** What a key may be called. */
const NAME = /^[^\s\p{C}]{1,64}$/u;

/** Paths that need no key: health, and the API's description. */
const OPEN = new Set(['/livez', '/readyz', '/metrics', '/openapi.json']);

/**
 * Keys from lines `name scopes token`, with scopes separated by commas, as in `keeper read,prove 4f1c...`. Empty lines and
 * lines that begin with # are left out.
 *
 * @throws ZkMarginError `MALFORMED`, or `CONFLICT` for a name or a token that is taken, naming the line, never what it holds
 */
export function readApiKeys(text: string): ApiKey[] {
  const keys: ApiKey[] = [];
  text.split(/\r?\n/).forEach((line, index) => {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) return;
    const [name = '', scopeText = '', token = '', ...rest] = trimmed.split(/\s+/);
    const scopes = scopeText.split(',');
    if (
      rest.length > 0 ||
      token.length < 16 ||
      !NAME.test(name) ||
      !scopes.every((scope) => SCOPES.includes(scope as Scope))
    ) {
      throw new ZkMarginError(
        'MALFORMED',
        `Write line ${index + 1} of the API keys as: name of at most 64 characters, scopes (${SCOPES.join(',')}), token of at least 16 characters.`,
        { field: 'apiKeys' },
      );
    }
    const key = { name, scopes: scopes as Scope[], digest: digestOf(token) };
    requireNew(key, keys, `the API key of line ${index + 1}`);
    keys.push(key);
  });
  return keys;
}

/** Who shares a name or a token with another is that other client: its jobs, its shares, its limits. */
function requireNew({ name, digest }: ApiKey, others: readonly ApiKey[], which: string): void {
  const same = others.some((key) => key.name === name)
    ? 'name'
    : others.some((key) => key.digest.equals(digest))
      ? 'token'
      : undefined;
  if (same === undefined) return;
  throw new ZkMarginError('CONFLICT', `Give ${which} a ${same} of its own: another key has it already.`, {
    field: 'apiKeys',
  });
}

/**
 * Keys of a setting: lines, or the same separated by semicolons.
 *
 * @throws ZkMarginError as {@link readApiKeys}; `MALFORMED` for a list without keys
 */
export function apiKeysOf(text: string): ApiKey[] {
  const keys = readApiKeys(text.replaceAll(';', '\n'));
  // A list that was emptied by mistake must not open the service to everybody.
  if (keys.length === 0) {
    throw new ZkMarginError('MALFORMED', 'Give at least one API key, or leave the setting out.', {
      field: 'apiKeys',
    });
  }
  return keys;
}

/**
 * Has an app ask for keys and keep to limits.
 *
 * @throws ZkMarginError `MALFORMED` for a key without a name, `CONFLICT` for a name or a token that two keys have
 */
export async function guard(app: FastifyInstance, { keys, requestsPerMinute }: AccessOptions): Promise<void> {
  app.decorateRequest('client', EVERYBODY);
  if (keys !== undefined) {
    keys.forEach((key, index) => {
      if (!NAME.test(key.name)) {
        throw new ZkMarginError('MALFORMED', `Give API key ${index + 1} a name.`, { field: 'apiKeys' });
      }
      requireNew(key, keys.slice(0, index), `API key ${index + 1}`);
    });
    app.addHook('onRequest', async (request) => {
      if (OPEN.has(request.routeOptions.url ?? '')) return;
      const key = keyOf(request, keys);
      if (key === undefined) {
        throw new ZkMarginError('UNAUTHENTICATED', 'Send an API key: authorization: Bearer <token>.', {
          field: 'authorization',
        });
      }
      request.client = key.name;
      const needed: Scope = needsProve(request) ? 'prove' : 'read';
      if (!key.scopes.includes(needed)) {
        throw new ZkMarginError('FORBIDDEN', `Use an API key with the scope ${needed}.`, {
          field: 'authorization',
        });
      }
    });
  }
  if (requestsPerMinute !== undefined) {
    await app.register(rateLimit, {
      max: requestsPerMinute,
      timeWindow: 60_000,
      allowList: (request) => OPEN.has(request.routeOptions.url ?? ''),
      keyGenerator: (request) => keyOf(request, keys ?? [])?.name ?? request.ip,
      errorResponseBuilder: (_request, { ttl }) =>
        new ZkMarginError('RATE_LIMITED', `Send fewer requests: try again in ${Math.ceil(ttl / 1000)} s.`),
    });
  }
}

/** Asking for proofs and giving them up costs the prover's time, and so does having them made beforehand. */
function needsProve({ method, routeOptions }: FastifyRequest): boolean {
  return method !== 'GET' && method !== 'HEAD' && /\/(proofs|keepers)(\/|$)/.test(routeOptions.url ?? '');
}

function keyOf(request: FastifyRequest, keys: readonly ApiKey[]): ApiKey | undefined {
  const [, token] = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
  if (token === undefined) return undefined;
  const digest = digestOf(token);
  let found: ApiKey | undefined;
  // All are compared, so that the time tells nothing of the place.
  for (const key of keys) if (timingSafeEqual(key.digest, digest)) found = key;
  return found;
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
