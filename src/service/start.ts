/** The service as a running server with its proving processes. */
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { poseidonHash } from '../proof/commitment.ts';
import {
  type BackendConfiguration,
  type BackendReport,
  backendFromEnvironment,
  resolveBackend,
} from '../proof/prover/backends.ts';
import type { ProverCircuit } from '../proof/prover/protocol.ts';
import { WorkerPool } from '../proof/prover/worker-pool.ts';
import { type Database, type DatabaseOptions, openDatabase } from '../store/database.ts';
import { JobQueue, type JobQueueOptions } from '../store/job-queue.ts';
import { buildService, type ServiceOptions } from './app.ts';
import { DEFAULT_CIRCUIT, loadCircuits } from './circuits.ts';

/** Options of {@link startService}. */
export interface StartOptions
  extends Omit<ServiceOptions, 'queue' | 'prover' | 'circuits' | 'concurrency' | 'notReady'> {
  /** Address to listen on. Default 127.0.0.1: there is no authentication. */
  readonly host?: string;
  /** Port; 0 chooses a free one. Default 8080. */
  readonly port?: number;
  /** Where jobs are kept. In memory unless given: a restart forgets them. */
  readonly store?: DatabaseOptions;
  /** Bounds of the queue. */
  readonly queue?: JobQueueOptions;
  /** What is proven: names, or circuits with their keys. Default `insolvency-8`. */
  readonly circuits?: readonly (string | ProverCircuit)[];
  /** Proving processes; with 0, `zkmargin prover` takes the jobs from a PostgreSQL store. Default 1. */
  readonly workers?: number;
  /** What makes the proofs. As the environment says unless given: see `backendFromEnvironment`. */
  readonly backend?: BackendConfiguration;
}

/** A running service. */
export interface RunningService {
  readonly app: FastifyInstance;
  /** As in `http://127.0.0.1:8080`. */
  readonly url: string;
  /** What makes the proofs. */
  readonly backend: BackendReport;
  /** Its store. Closed with the service. */
  readonly database: Database;
  /** Refuses new jobs, gives running ones a while, ends all processes. What is not done stays in the store. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Opens the store, listens, starts the proving processes and waits until keys are in memory. Meanwhile `/livez` answers, and
 * `/readyz` says that it is not ready.
 *
 * @throws ProofError `BACKEND_UNAVAILABLE`, of a circuit's key, or when a proving process does not start; ZkMarginError of the
 * store; Error when the address cannot be listened on
 */
export async function startService(options: StartOptions = {}): Promise<RunningService> {
  const { host = '127.0.0.1', port = 8080, workers = 1, backend, ...rest } = options;
  const { store, queue: bounds, circuits: wanted, ...service } = rest;
  // Refused before anything else is done: a prover that cannot be run is a mistake of the configuration.
  const chosen = await resolveBackend(backend ?? backendFromEnvironment());
  const circuits = await loadCircuits(wanted ?? [DEFAULT_CIRCUIT]);
  const database = await openDatabase(store);
  const queue = new JobQueue(database, bounds);
  const prover =
    workers === 0
      ? undefined
      : new WorkerPool({
          circuits,
          backend: chosen.configuration,
          size: workers,
          maxQueue: workers,
          // The queue tries again, and keeps the cause.
          crashRetries: 0,
        });
  let reason: string | undefined = 'keys are being loaded';
  const app = buildService({
    ...service,
    queue,
    prover,
    concurrency: Math.max(1, workers),
    circuits,
    notReady: () => (reason === undefined ? [] : [reason]),
  });
  const close = async (): Promise<void> => {
    await app.close();
    await database.close();
  };
  try {
    // The store is this process's alone: whoever had a job of it has ended.
    if (database.kind === 'embedded') await queue.reclaim();
    await app.listen({ host, port });
    await Promise.all([prover?.warmUp(), poseidonHash([0n])]);
    reason = undefined;
  } catch (error) {
    await close();
    throw error;
  }
  const address = app.server.address() as AddressInfo;
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return { app, url: `http://${name}:${address.port}`, backend: chosen.report, database, close };
}
