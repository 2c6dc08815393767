/** Who may do what: bearer keys with scopes, and limits of rate. */
import { createHash, timingSafeEqual } from 'node:crypto';
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ZkMarginError } from '../errors.ts';

/** What a key is for: to read, or to ask for proofs as well. */
export const SCOPES = ['read', 'prove'] as const;
/** What a key is for. */
export type Scope = (typeof SCOPES)[number];

/** A key without its text. */
export interface ApiKey {
  /** Name in logs. */
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
    /** Name of the API key; empty where none is asked for. */
    client: string;
  }
}

/** Paths that need no key: health, and the API's description. */
const OPEN = new Set(['/livez', '/readyz', '/metrics', '/openapi.json']);

/**
 * Keys from lines `name scopes token`, with scopes separated by commas, as in `keeper read,prove 4f1c...`. Empty lines and
 * lines that begin with # are left out.
 *
 * @throws ZkMarginError `MALFORMED`, or `CONFLICT` for a name that is taken, naming the line, never what it holds
 */
export function readApiKeys(text: string): ApiKey[] {
  const keys: ApiKey[] = [];
  text.split(/\r?\n/).forEach((line, index) => {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) return;
    const [name = '', scopeText = '', token = '', ...rest] = trimmed.split(/\s+/);
    const scopes = scopeText.split(',');
    if (rest.length > 0 || token.length < 16 || !scopes.every((scope) => SCOPES.includes(scope as Scope))) {
      throw new ZkMarginError(
        'MALFORMED',
        `Write line ${index + 1} of the API keys as: name, scopes (${SCOPES.join(',')}), token of at least 16 characters.`,
        { field: 'apiKeys' },
      );
    }
    // Logs, limits of rate and numbers of keepers tell keys apart by their names.
    if (keys.some((key) => key.name === name)) {
      throw new ZkMarginError(
        'CONFLICT',
        `Give the API key of line ${index + 1} a name of its own: another line has it already.`,
        { field: 'apiKeys' },
      );
    }
    keys.push({ name, scopes: scopes as Scope[], digest: digestOf(token) });
  });
  return keys;
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

/** Has an app ask for keys and keep to limits. */
export async function guard(app: FastifyInstance, { keys, requestsPerMinute }: AccessOptions): Promise<void> {
  app.decorateRequest('client', '');
  if (keys !== undefined) {
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
