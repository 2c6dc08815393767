/** What a keeper answers about itself: `/metrics`, `/livez`, `/readyz`. */
import { type Health, type HealthPlace, type HealthServer, serveHealth } from '../http/health-server.ts';
import type { KeeperMetrics } from './metrics.ts';

/** Where a keeper answers. */
export interface MetricsPlace extends HealthPlace {
  /** Milliseconds without the end of a pass after which `/livez` answers 503. Default 120,000. */
  readonly stallMs?: number | undefined;
}

/**
 * Listens.
 *
 * @param stalls what stands still, in words
 * @throws ZkMarginError `CONFLICT` when the port is in use
 */
export function serveMetrics(
  metrics: KeeperMetrics,
  place: MetricsPlace,
  stalls: Health['stalls'],
  checks: Health['checks'],
): Promise<HealthServer> {
  const notReady = () => (metrics.hasFailed('feed') ? ['the last look failed'] : []);
  return serveHealth({ registry: metrics.registry, stalls, checks, notReady }, place);
}
