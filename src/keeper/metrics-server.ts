/** What a keeper answers about itself: `/metrics`, `/livez`, `/readyz`. */
import type { AddressInfo } from 'node:net';
import Fastify from 'fastify';
import { ZkMarginError } from '../errors.ts';
import { serveRegistry } from '../metrics/registry.ts';
import { PROBLEM_TYPE, problemOf } from '../service/problems.ts';
import type { KeeperMetrics } from './metrics.ts';

/** Where a keeper answers. */
export interface MetricsPlace {
  /** 0 chooses a free one. */
  readonly port: number;
  /** Default 127.0.0.1: there is no authentication. */
  readonly host?: string | undefined;
  /** Milliseconds without the end of a pass after which `/livez` answers 503. Default 120,000. */
  readonly stallMs?: number | undefined;
}

/** A server that listens. */
export interface MetricsServer {
  /** As in `http://127.0.0.1:9464`. */
  readonly url: string;
  close(): Promise<void>;
}

/** What must be reachable for a keeper to do its work: each throws when it is not. */
export type ReadinessChecks = Readonly<Record<string, () => Promise<unknown>>>;

/** Milliseconds for a check. */
const CHECK_MS = 5_000;

/**
 * Listens.
 *
 * @param stalls what stands still, in words
 * @throws ZkMarginError `CONFLICT` when the port is in use
 */
export async function serveMetrics(
  metrics: KeeperMetrics,
  { port, host = '127.0.0.1' }: MetricsPlace,
  stalls: () => readonly string[],
  checks: ReadinessChecks,
): Promise<MetricsServer> {
  const app = Fastify({ forceCloseConnections: true });
  serveRegistry(app, metrics.registry);
  app.get('/livez', async (_request, reply) => {
    const reasons = stalls();
    if (reasons.length === 0) return { status: 'ok' };
    const problem = problemOf(new ZkMarginError('BUSY', `Stalled: ${reasons.join(', ')}.`));
    return reply
      .code(503)
      .type(PROBLEM_TYPE)
      .send({ ...problem, reasons });
  });
  app.get('/readyz', async (_request, reply) => {
    const found = await Promise.all(
      Object.entries(checks).map(async ([what, check]) => {
        try {
          await inTime(check());
          return [];
        } catch (error) {
          return [`${what} (${codeOf(error)})`];
        }
      }),
    );
    const reasons = [...found.flat(), ...(metrics.hasFailed('feed') ? ['the last look failed'] : [])];
    if (reasons.length === 0) return { status: 'ready' };
    const problem = problemOf(new ZkMarginError('BUSY', `Not ready: ${reasons.join(', ')}.`));
    return reply
      .code(503)
      .type(PROBLEM_TYPE)
      .send({ ...problem, reasons });
  });
  try {
    await app.listen({ port, host });
  } catch (cause) {
    await app.close();
    throw new ZkMarginError(
      'CONFLICT',
      `Choose another metricsPort: ${host}:${port} cannot be listened on.`,
      {
        field: 'metricsPort',
        cause,
      },
    );
  }
  const address = app.server.address() as AddressInfo;
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return { url: `http://${name}:${address.port}`, close: () => app.close() };
}

async function inTime(check: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ZkMarginError('TIMEOUT', 'It did not answer in time.')), CHECK_MS);
  });
  try {
    await Promise.race([check, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A code alone: texts of clients hold URLs. */
function codeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  if (typeof code === 'string' && /^[A-Z0-9_]{1,40}$/.test(code)) return code;
  return typeof name === 'string' ? name : 'unknown';
}
