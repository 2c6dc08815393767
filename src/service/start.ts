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
import { prepareDevelopmentCircuit } from '../proof/prover/circuits.ts';
import type { ProverCircuit } from '../proof/prover/protocol.ts';
import { WorkerPool } from '../proof/prover/worker-pool.ts';
import { buildService, type ServiceOptions } from './app.ts';
import { INSOLVENCY_CIRCUIT } from './schemas.ts';

/** Options of {@link startService}. */
export interface StartOptions extends Omit<ServiceOptions, 'prover' | 'circuits' | 'notReady'> {
  /** Address to listen on. Default 127.0.0.1: there is no authentication. */
  readonly host?: string;
  /** Port; 0 chooses a free one. Default 8080. */
  readonly port?: number;
  /** `insolvency-8` with its key; compiled, and its development key made, unless given. */
  readonly circuit?: ProverCircuit;
  /** Proving processes. Default 1. */
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
  /** Refuses new jobs, gives running ones a while, ends all processes. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Listens, starts the proving processes and waits until keys are in memory. Meanwhile `/livez` answers, and `/readyz` says
 * that it is not ready.
 *
 * @throws ProofError `BACKEND_UNAVAILABLE`, of the circuit's key, or when a proving process does not start; Error when the address cannot be listened on
 */
export async function startService(options: StartOptions = {}): Promise<RunningService> {
  const { host = '127.0.0.1', port = 8080, circuit, workers = 1, backend, ...service } = options;
  // Refused before anything else is done: a prover that cannot be run is a mistake of the configuration.
  const chosen = await resolveBackend(backend ?? backendFromEnvironment());
  const served = circuit ?? (await prepareDevelopmentCircuit(INSOLVENCY_CIRCUIT));
  const maxActive = service.maxActive ?? 64;
  const prover = new WorkerPool({
    circuits: [served],
    backend: chosen.configuration,
    size: workers,
    maxQueue: maxActive,
  });
  let reason: string | undefined = 'keys are being loaded';
  const app = buildService({
    ...service,
    maxActive,
    prover,
    circuits: [served],
    notReady: () => (reason === undefined ? [] : [reason]),
  });
  try {
    await app.listen({ host, port });
    await Promise.all([prover.warmUp(), poseidonHash([0n])]);
    reason = undefined;
  } catch (error) {
    await app.close();
    throw error;
  }
  const address = app.server.address() as AddressInfo;
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return { app, url: `http://${name}:${address.port}`, backend: chosen.report, close: () => app.close() };
}
