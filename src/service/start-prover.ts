/** Proving processes that take their jobs from a shared store: a prover on a machine of its own. */
import { hostname } from 'node:os';
import { unlessAborted } from '../abort.ts';
import { ZkMarginError } from '../errors.ts';
import { type HealthPlace, type HealthServer, serveHealth } from '../http/health-server.ts';
import { processRegistry } from '../http/metrics.ts';
import { LIQUIDATION_INSTANCES } from '../proof/instances.ts';
import {
  type BackendConfiguration,
  type BackendReport,
  backendFromEnvironment,
  resolveBackend,
} from '../proof/prover/backends.ts';
import type { KeyPlaces } from '../proof/prover/circuits.ts';
import type { ProverCircuit } from '../proof/prover/protocol.ts';
import { WorkerPool } from '../proof/prover/worker-pool.ts';
import { openDatabase } from '../store/database.ts';
import { JobQueue, type JobQueueOptions } from '../store/job-queue.ts';
import { maintainQueue } from '../store/maintenance.ts';
import { loadCircuits, withRemedy } from './circuits.ts';
import { verificationKeyDigest } from './job-id.ts';
import { Liveness } from './liveness.ts';
import { ProofMetrics, watchLiveness, watchRunner } from './prover-metrics.ts';
import { loadReasons, ProverRunner } from './prover-runner.ts';

/** Options of {@link startProver}. */
export interface StartProverOptions {
  /** `postgres://...` of the store that the service uses. */
  readonly url: string;
  /** Bounds of the queue: the lease is that of this prover's claims. */
  readonly queue?: JobQueueOptions;
  /** What it proves: names, or circuits with their keys. Default {@link LIQUIDATION_INSTANCES}. */
  readonly circuits?: readonly (string | ProverCircuit)[];
  /** Where keys are, as in `StartOptions`. */
  readonly keys?: KeyPlaces;
  /** Proving processes. Default 1. */
  readonly workers?: number;
  /** Whether it speculates while it has nothing else to do: one process more then. Default true. */
  readonly speculation?: boolean;
  /** What makes the proofs. As the environment says unless given. */
  readonly backend?: BackendConfiguration;
  /** Name in the records of failed attempts. Default host and process id. */
  readonly worker?: string;
  /** Milliseconds that running jobs have when it is closed. Default 5,000. */
  readonly closeGraceMs?: number;
  /** Where it answers `/metrics`, `/livez` and `/readyz`; nowhere unless given. */
  readonly metrics?: HealthPlace;
  /** Milliseconds without progress of a loop after which `/livez` answers 503. Default 120,000. */
  readonly stallMs?: number;
  /** Gives the start up, as in `StartOptions`. */
  readonly signal?: AbortSignal;
  /** Told of what goes wrong between the prover and the store. */
  readonly onStoreError?: (error: ZkMarginError) => void;
  /** Told of what keeps proofs from being made; never of inputs. */
  readonly onWarning?: (error: unknown, what: string) => void;
}

/** A prover that takes jobs. */
export interface RunningProver {
  readonly backend: BackendReport;
  readonly circuits: readonly string[];
  readonly worker: string;
  /** Where its metrics are, as in `http://127.0.0.1:9464`. */
  readonly metricsUrl?: string;
  /** Takes no more jobs, gives running ones a while and the rest back. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Connects to the store, loads the keys and begins to take jobs. Meanwhile `/livez` answers, and `/readyz` says that it is not ready.
 *
 * @throws as `startService`; ZkMarginError `CONFLICT` when the port of its metrics is in use
 */
export async function startProver(options: StartProverOptions): Promise<RunningProver> {
  const { url, workers = 1, worker = `${hostname()}:${process.pid}`, onStoreError = () => {} } = options;
  const { onWarning = () => {} } = options;
  const liveness = new Liveness({ boundMs: options.stallMs });
  const chosen = await resolveBackend(options.backend ?? backendFromEnvironment());
  const circuits = await unlessAborted(
    loadCircuits(options.circuits ?? LIQUIDATION_INSTANCES, options.keys),
    options.signal,
  );
  const database = await openDatabase({ url });
  const queue = new JobQueue(database, options.queue);
  let notReady: readonly string[] = ['keys are being loaded'];
  const prover = new WorkerPool({
    circuits,
    backend: chosen.configuration,
    size: workers,
    maxQueue: workers,
    background: options.speculation !== false,
    crashRetries: 0,
    onLoadFailure: (name, error) => {
      // At the start the promise rejects with it.
      if (notReady.length === 0) onWarning(error, `${name} cannot be loaded`);
    },
  });
  const registry = processRegistry();
  const runner = new ProverRunner({
    queue,
    prover: new ProofMetrics(registry).counted(prover),
    keyDigests: new Map(
      circuits.map(({ name, verificationKey }) => [name, verificationKeyDigest(verificationKey)]),
    ),
    worker,
    concurrency: workers,
    onStoreError,
    onProofFailure: (error, circuit) => onWarning(error, `a proof of ${circuit} failed`),
  });
  let turns = 0;
  const endMaintenance = maintainQueue(queue, {
    onError: (error) =>
      onStoreError(
        error instanceof ZkMarginError ? error : new ZkMarginError('INTERNAL', 'The store failed.'),
      ),
    onTurn: () => {
      turns++;
    },
  });
  liveness.watch(() => [{ name: 'maintenance of the queue', turns }, ...runner.loopStates()]);
  watchLiveness(registry, liveness);
  watchRunner(registry, runner, workers);
  let server: HealthServer | undefined;
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      notReady = ['the prover is closing'];
      liveness.close();
      try {
        await endMaintenance();
        await runner.close(options.closeGraceMs);
        await queue.close();
      } finally {
        // Whatever failed: a port or a connection that stays would keep the process alive.
        try {
          await server?.close();
        } finally {
          await database.close();
        }
      }
    })();
    return closing;
  };
  try {
    if (options.metrics !== undefined) {
      const checks = { 'the store cannot be reached': () => queue.isFull() };
      const health = {
        registry,
        stalls: () => liveness.reasons(),
        checks,
        notReady: () => [...loadReasons(prover.status().unloaded), ...notReady],
      };
      server = await serveHealth(health, options.metrics);
    }
    liveness.start();
    await unlessAborted(prover.warmUp(), options.signal);
    runner.start();
    notReady = [];
  } catch (error) {
    const unloaded = Object.keys(prover.status().unloaded);
    await close();
    throw withRemedy(error, unloaded, circuits);
  }
  return {
    backend: chosen.report,
    circuits: circuits.map(({ name }) => name),
    worker,
    ...(server && { metricsUrl: server.url }),
    close,
  };
}
