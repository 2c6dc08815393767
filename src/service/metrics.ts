/** What the service tells Prometheus. Labels never hold accounts, keys or addresses. */
import type { FastifyInstance } from 'fastify';
import { Counter, Gauge, Histogram } from 'prom-client';
import { inTime } from '../abort.ts';
import { ENDPOINT_CONDITIONS, type IndexerStatus } from '../chain/indexer/index.ts';
import { PROOF_SECONDS, processRegistry, serveRegistry } from '../http/metrics.ts';
import { ALERT_SEVERITIES } from '../risk/monitor/index.ts';
import { JOB_PRIORITIES } from '../store/job.ts';
import type { JobQueue } from '../store/job-queue.ts';
import { ALERT_KINDS } from './alerts/conditions.ts';
import type { DeliveryResult } from './alerts/dispatcher.ts';
import type { AlertMonitor } from './alerts/monitor.ts';
import type { LiveBook } from './book/live-book.ts';
import type { Liveness } from './liveness.ts';
import { ProofMetrics, watchLiveness } from './prover-metrics.ts';
import type { Prover } from './prover-runner.ts';
import type { SpeculationCounts } from './speculation/index.ts';

/** Figures of the store are left out after so many milliseconds: the others must be told all the same. */
const STORE_MS = 2_000;

/** Counters and gauges of one service. */
export class ServiceMetrics {
  readonly registry = processRegistry();
  readonly #proofs = new ProofMetrics(this.registry);
  readonly #roundToProof: Histogram<'circuit'>;
  readonly #http: Histogram<'method' | 'route' | 'status'>;
  readonly #roundSeconds: Histogram;
  readonly #alertDeliveries: Counter<'result'>;

  constructor() {
    const registers = [this.registry];
    this.#roundToProof = new Histogram({
      name: 'zkmargin_round_to_proof_seconds',
      help: 'time from a round in the book to a proof at it, whoever proved',
      labelNames: ['circuit'],
      buckets: PROOF_SECONDS,
      registers,
    });
    this.#http = new Histogram({
      name: 'zkmargin_http_request_seconds',
      help: 'time of requests, waits included',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
      registers,
    });
    this.#roundSeconds = new Histogram({
      name: 'zkmargin_round_to_margin_seconds',
      help: 'time from a round in the store to the margins of all accounts',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5],
      registers,
    });
    this.#alertDeliveries = new Counter({
      name: 'zkmargin_alert_deliveries_total',
      help: 'deliveries to webhooks by what became of them: delivered, retried, dead after the last attempt, dropped for newer ones',
      labelNames: ['result'],
      registers,
    });
    for (const result of ['delivered', 'retried', 'dead', 'dropped'])
      this.#alertDeliveries.inc({ result }, 0);
  }

  /** Counts what became of deliveries to webhooks. */
  alertDelivery(result: DeliveryResult, count = 1): void {
    this.#alertDeliveries.inc({ result }, count);
  }

  /** Tells which alerts are open, and what waits for webhooks. */
  watchAlerts(alerts: AlertMonitor): void {
    const registers = [this.registry];
    const open: Gauge<'kind' | 'severity'> = new Gauge({
      name: 'zkmargin_alerts_open',
      help: 'open alerts by kind and severity',
      labelNames: ['kind', 'severity'],
      registers,
      collect: () => {
        for (const kind of ALERT_KINDS) {
          for (const severity of ALERT_SEVERITIES) open.set({ kind, severity }, 0);
        }
        for (const { kind, severity } of alerts.open()) open.inc({ kind, severity });
      },
    });
    const waiting: Gauge = new Gauge({
      name: 'zkmargin_alert_deliveries_waiting',
      help: 'deliveries that wait for webhooks',
      registers,
      collect: async () => {
        try {
          waiting.set((await inTime(alerts.store.deliveryCounts(), STORE_MS)).waiting);
        } catch {
          waiting.reset();
        }
      },
    });
  }

  /** Tells how long the margins of a round took. */
  round(seconds: number): void {
    this.#roundSeconds.observe(seconds);
  }

  /** Tells what the queue holds. */
  watchQueue(queue: JobQueue): void {
    const gauge: Gauge<'state' | 'priority'> = new Gauge({
      name: 'zkmargin_queue_jobs',
      help: 'unfinished jobs by state, queued ones by priority',
      labelNames: ['state', 'priority'],
      registers: [this.registry],
      collect: async () => {
        try {
          const { queued, proving } = await inTime(queue.counts(), STORE_MS);
          for (const priority of JOB_PRIORITIES) gauge.set({ state: 'queued', priority }, queued[priority]);
          gauge.set({ state: 'proving', priority: 'any' }, proving);
        } catch {
          // The other figures are told although the store is not there.
          gauge.reset();
        }
      },
    });
  }

  /**
   * Tells how long after a round proofs at it are done, by any process: a proof is at the round whose words are among its public
   * signals. Proofs at earlier rounds are not counted.
   *
   * @returns ends it
   */
  watchProofs(queue: JobQueue, book: LiveBook): Promise<() => void> {
    return queue.onDone((id) => {
      const at = performance.now();
      void queue
        .get(id)
        .then((job) => {
          const signals = new Set(job?.result?.publicSignals);
          const market = book.markets().find(({ record }) => signals.has(String(record.underlyingWord)));
          if (job === undefined || market === undefined) return;
          this.#roundToProof.observe({ circuit: job.circuit }, (at - market.roundSeenAt) / 1000);
        })
        .catch(() => {
          // The store is away: a proof is not counted.
        });
    });
  }

  /** Tells how the indexer stands. */
  watchIndexer(status: () => IndexerStatus): void {
    const registers = [this.registry];
    const lag: Gauge = new Gauge({
      name: 'zkmargin_indexer_lag_blocks',
      help: 'blocks that the store lacks, confirmations apart',
      registers,
      collect: () => {
        const { behind } = status();
        if (behind !== undefined) lag.set(behind);
      },
    });
    const tip: Gauge = new Gauge({
      name: 'zkmargin_indexer_block',
      help: 'newest block of the store',
      registers,
      collect: () => tip.set(Number(status().tip ?? 0n)),
    });
    const look: Gauge = new Gauge({
      name: 'zkmargin_indexer_last_look_seconds',
      help: 'when the chain was last looked at with success, seconds since 1970-01-01 UTC',
      registers,
      collect: () => look.set((status().lastLook ?? 0) / 1000),
    });
    const rollbacks: Gauge = new Gauge({
      name: 'zkmargin_indexer_rollbacks',
      help: 'reorganisations that were followed since the start',
      registers,
      collect: () => rollbacks.set(status().rollbacks),
    });
    const endpoints: Gauge<'endpoint' | 'condition'> = new Gauge({
      name: 'zkmargin_rpc_endpoint',
      help: '1 for the condition that an RPC endpoint is in',
      labelNames: ['endpoint', 'condition'],
      registers,
      collect: () => {
        for (const { name, condition } of status().endpoints) {
          for (const item of ENDPOINT_CONDITIONS)
            endpoints.set({ endpoint: name, condition: item }, item === condition ? 1 : 0);
        }
      },
    });
  }

  /** Tells how the book stands. */
  watchBook(book: LiveBook): void {
    const registers = [this.registry];
    const tiers: Gauge<'underlying' | 'tier'> = new Gauge({
      name: 'zkmargin_accounts',
      help: 'accounts with known positions by tier',
      labelNames: ['underlying', 'tier'],
      registers,
      collect: () => {
        for (const { underlyingId, monitor } of book.markets()) {
          for (const [tier, count] of Object.entries(monitor.snapshot?.totals.byTier ?? {})) {
            tiers.set({ underlying: String(underlyingId), tier }, count);
          }
        }
      },
    });
    const unknown: Gauge = new Gauge({
      name: 'zkmargin_unknown_openings',
      help: 'accounts with positions whose legs are not known',
      registers,
      collect: () => unknown.set(book.unknown().length),
    });
    const listeners: Gauge = new Gauge({
      name: 'zkmargin_event_listeners',
      help: 'clients that listen to events',
      registers,
      collect: () => listeners.set(book.events.listeners),
    });
  }

  /** Tells what became of proofs that were made beforehand. */
  watchSpeculation(counts: () => SpeculationCounts, keepers: () => number): void {
    const registers = [this.registry];
    const jobs: Gauge<'event'> = new Gauge({
      name: 'zkmargin_speculative_jobs',
      help: 'speculative jobs since the start: begun, made before anybody asked, used when ready or earlier, wasted',
      labelNames: ['event'],
      registers,
      collect: () => {
        const { begun, made, usedReady, usedEarly, wasted } = counts();
        for (const [event, count] of Object.entries({ begun, made, wasted })) jobs.set({ event }, count);
        jobs.set({ event: 'used_ready' }, usedReady);
        jobs.set({ event: 'used_early' }, usedEarly);
      },
    });
    const ratio: Gauge = new Gauge({
      name: 'zkmargin_speculation_hit_ratio',
      help: 'used speculative jobs as a part of those used or wasted; absent before the first',
      registers,
      collect: () => {
        const { usedReady, usedEarly, wasted } = counts();
        const used = usedReady + usedEarly;
        ratio.reset();
        if (used + wasted > 0) ratio.set(used / (used + wasted));
        else ratio.remove();
      },
    });
    const interested: Gauge = new Gauge({
      name: 'zkmargin_speculation_keepers',
      help: 'keepers for which proofs are made beforehand',
      registers,
      collect: () => interested.set(keepers()),
    });
  }

  /** Tells how well the process turns. */
  watchLiveness(liveness: Liveness): void {
    watchLiveness(this.registry, liveness);
  }

  /** A prover whose attempts are counted. */
  counted(prover: Prover): Prover {
    return this.#proofs.counted(prover);
  }

  /** Counts the requests of an app, and serves `/metrics`. */
  serve(app: FastifyInstance): void {
    app.addHook('onResponse', async (request, reply) => {
      this.#http.observe(
        // The route's pattern: paths have ids.
        {
          method: request.method,
          route: request.routeOptions.url ?? 'none',
          status: String(reply.statusCode),
        },
        reply.elapsedTime / 1000,
      );
    });
    serveRegistry(app, this.registry);
  }
}
