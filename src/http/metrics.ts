/** What all processes that Prometheus asks have in common. */
import type { FastifyInstance } from 'fastify';
import { collectDefaultMetrics, Registry } from 'prom-client';

/** Buckets for what takes a proof: from a quarter of a second to a minute. */
export const PROOF_SECONDS = [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64];

/** A registry with the figures of the process itself: memory, event loop, garbage. */
export function processRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Serves a registry at `/metrics`. */
export function serveRegistry(app: FastifyInstance, registry: Registry): void {
  app.get('/metrics', { schema: { hide: true } as object }, async (_request, reply) => {
    const text = await registry.metrics();
    return reply.type(registry.contentType).send(text);
  });
}
