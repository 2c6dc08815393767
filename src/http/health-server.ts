/** What a process without an API answers about itself, a prover or a keeper: `/metrics`, `/livez`, `/readyz`. */
import type { AddressInfo, Server } from 'node:net';
import Fastify from 'fastify';
import type { Registry } from 'prom-client';
import { inTime } from '../abort.ts';
import { ZkMarginError } from '../errors.ts';
import { serveRegistry } from './metrics.ts';
import { PROBLEM_TYPE, problemOf } from './problem.ts';

/** Where a process answers. */
export interface HealthPlace {
  /** 0 chooses a free one. */
  readonly port: number;
  /** Default 127.0.0.1: there is no authentication. */
  readonly host?: string | undefined;
}

/** What it answers by. */
export interface Health {
  readonly registry: Registry;
  /** What stands still, in words; empty when the process need not be replaced. */
  readonly stalls: () => readonly string[];
  /** What must be reachable for the process to do its work: each throws when it is not. */
  readonly checks: Readonly<Record<string, () => Promise<unknown>>>;
  /** Further reasons for which it is not ready. */
  readonly notReady?: () => readonly string[];
}

/** A server that listens. */
export interface HealthServer {
  /** As in `http://127.0.0.1:9464`. */
  readonly url: string;
  close(): Promise<void>;
}

/** Milliseconds for a check. */
const CHECK_MS = 5_000;

/**
 * Listens.
 *
 * @throws ZkMarginError `CONFLICT` when the port is in use
 */
export async function serveHealth(
  { registry, stalls, checks, notReady }: Health,
  { port, host = '127.0.0.1' }: HealthPlace,
): Promise<HealthServer> {
  const app = Fastify({ forceCloseConnections: true });
  serveRegistry(app, registry);
  const refusalOf = (what: string, reasons: readonly string[]) => ({
    ...problemOf(new ZkMarginError('BUSY', `${what}: ${reasons.join(', ')}.`)),
    reasons,
  });
  app.get('/livez', async (_request, reply) => {
    const reasons = stalls();
    if (reasons.length === 0) return { status: 'ok' };
    return reply.code(503).type(PROBLEM_TYPE).send(refusalOf('Stalled', reasons));
  });
  app.get('/readyz', async (_request, reply) => {
    const found = await Promise.all(
      Object.entries(checks).map(async ([what, check]) => {
        try {
          await inTime(check(), CHECK_MS);
          return [];
        } catch (error) {
          return [`${what} (${codeOf(error)})`];
        }
      }),
    );
    const reasons = [...found.flat(), ...(notReady?.() ?? [])];
    if (reasons.length === 0) return { status: 'ready' };
    return reply.code(503).type(PROBLEM_TYPE).send(refusalOf('Not ready', reasons));
  });
  try {
    await app.listen({ port, host });
  } catch (cause) {
    await app.close();
    throw new ZkMarginError(
      'CONFLICT',
      `Choose another metricsPort: ${host}:${port} cannot be listened on.`,
      { field: 'metricsPort', cause },
    );
  }
  return { url: urlOf(app.server), close: () => app.close() };
}

/** URL of a server that listens on a port, as in `http://[::1]:8080`. */
export function urlOf(server: Pick<Server, 'address'>): string {
  const { family, address, port } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

/** A code alone: texts of clients hold URLs. */
function codeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  if (typeof code === 'string' && /^[A-Z0-9_]{1,40}$/.test(code)) return code;
  return typeof name === 'string' ? name : 'unknown';
}
