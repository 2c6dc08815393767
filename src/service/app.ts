/** The HTTP service: statements in, verified proofs out. */
import { hostname } from 'node:os';
import swagger from '@fastify/swagger';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyServerOptions } from 'fastify';
import type { IndexedContracts } from '../chain/indexer/index.ts';
import { requireInteger, ZkMarginError } from '../errors.ts';
import type { Problem } from '../http/problem.ts';
import { PROBLEM_TYPE, problemOf } from '../http/problem.ts';
import type { AlertStore } from '../store/alert-store.ts';
import type { ChainStore } from '../store/chain-store.ts';
import type { JobQueue } from '../store/job-queue.ts';
import { type AccessOptions, guard } from './access.ts';
import type { LiveBook } from './book/live-book.ts';
import { accountProofRequest } from './book/statement.ts';
import { Connections } from './connections.ts';
import { verificationKeyDigest } from './job-id.ts';
import type { Liveness } from './liveness.ts';
import type { ServiceMetrics } from './metrics.ts';
import { placeOf } from './place-of.ts';
import { problemOfRequest } from './problems.ts';
import { ProofJobs } from './proof-jobs.ts';
import { loadReasons, type Prover, ProverRunner } from './prover-runner.ts';
import { alertRoutes } from './routes/alerts.ts';
import { addEntityTags, bookRoutes } from './routes/book.ts';
import { circuitRoutes, type ServedCircuit } from './routes/circuits.ts';
import { keeperRoutes } from './routes/keepers.ts';
import { marginRoutes } from './routes/margin.ts';
import { proofRoutes } from './routes/proofs.ts';
import { PROBLEMS, type TypeBoxProvider } from './routes/shared.ts';
import { HealthSchema } from './schemas.ts';
import {
  InterestedKeepers,
  type Speculation,
  type SpeculationOptions,
  Speculator,
} from './speculation/index.ts';

/** Largest body of a request, in bytes. */
export const BODY_LIMIT = 65_536;
const NO_QUERY = { type: 'object', properties: {}, additionalProperties: false } as const;
/** Milliseconds that running jobs have when the service is closed, and then answers under way. */
const CLOSE_GRACE_MS = 5_000;
/** What a client that meets a full queue, or has its share of it, is told to wait, in seconds. */
export const RETRY_AFTER_SECONDS = 5;

/** The chain as it is served. */
export interface ServedChain {
  readonly book: LiveBook;
  readonly store: ChainStore;
  readonly contracts: IndexedContracts;
}

/** Options of {@link buildService}. */
export interface ServiceOptions {
  /** Where jobs are kept and wait. The service stops listening to it when it is closed itself. */
  readonly queue: JobQueue;
  /**
   * Makes proofs and verifies them. The service closes it when it is closed itself. Without one, other processes take the jobs
   * from the queue.
   */
  readonly prover?: Prover | undefined;
  /** Jobs that the prover works on at a time. Default 1. */
  readonly concurrency?: number | undefined;
  /** Circuits for which proofs may be asked. */
  readonly circuits: readonly ServedCircuit[];
  /** Name of this process in the records of failed attempts. */
  readonly worker?: string | undefined;
  /** Milliseconds that a job may take, waiting included. Default 120,000. */
  readonly maxJobMs?: number;
  /** Requests that may wait for jobs at a time. Default 256. */
  readonly maxWaiting?: number;
  /** Those of one API key. Default a quarter of all. */
  readonly maxWaitingPerClient?: number | undefined;
  /** Listeners to events of one API key at a time. Default 1,024. */
  readonly maxListenersPerClient?: number | undefined;
  /** Milliseconds that running jobs have when the service is closed, and then answers under way. Default 5,000. */
  readonly closeGraceMs?: number;
  /** Further reasons for which the service is not ready, such as keys that are being loaded. */
  readonly notReady?: () => readonly string[];
  /** What is known of the chain; without it there are no routes of accounts. */
  readonly chain?: ServedChain | undefined;
  /** Alerts that are listed. */
  readonly alerts?: AlertStore | undefined;
  /** Whether proofs are made before keepers ask for them, and within what bounds. They are where a chain is served. */
  readonly speculation?: boolean | SpeculationOptions | undefined;
  /** Watches the loops; `/livez` answers 200 without it whenever it answers. */
  readonly liveness?: Liveness | undefined;
  /** Counts what happens, and serves it. */
  readonly metrics?: ServiceMetrics | undefined;
  /** Who may do what; everybody everything unless given. */
  readonly access?: AccessOptions | undefined;
  /** Fastify's logger; none unless given. Bodies are never logged. */
  readonly logger?: FastifyServerOptions['logger'];
  /** Told of what goes wrong and is tried again, and of requests that fail unexpectedly. Messages of unknown errors can hold inputs. */
  readonly onWarning?: (error: unknown, what: string) => void;
  /** Milliseconds since 1970-01-01 UTC, to judge deadlines by; that of the database unless given, which ends the jobs. */
  readonly now?: () => number;
}

/**
 * The service as a Fastify instance that does not listen yet.
 *
 * @throws ZkMarginError for senseless options
 */
export function buildService(options: ServiceOptions): FastifyInstance {
  const { queue, circuits, metrics, liveness } = options;
  const now = options.now ?? (() => queue.now());
  const prover = options.prover && (metrics?.counted(options.prover) ?? options.prover);
  if (circuits.length === 0) {
    throw new ZkMarginError('KEY_MISSING', 'Serve at least one circuit, as insolvency-8.', {
      field: 'circuits',
    });
  }
  const keyDigests = new Map(
    circuits.map(({ name, verificationKey }) => [name, verificationKeyDigest(verificationKey)]),
  );
  const warn = (error: unknown, what: string): void => {
    app.log.warn(placeOf(error), what);
    options.onWarning?.(error, what);
  };
  const onStoreError = (error: unknown): void => warn(error, 'the store failed');
  const runner =
    prover &&
    new ProverRunner({
      queue,
      prover,
      keyDigests,
      worker: options.worker ?? `${hostname()}:${process.pid}`,
      concurrency: requireInteger(options.concurrency ?? 1, 1, 256, 'concurrency'),
      onStoreError,
      onProofFailure: (error, circuit) => warn(error, `a proof of ${circuit} failed`),
    });
  const jobs = new ProofJobs({
    queue,
    keyDigests,
    maxJobMs: requireInteger(options.maxJobMs ?? 120_000, 1, 86_400_000, 'maxJobMs'),
    maxWaiting: requireInteger(options.maxWaiting ?? 256, 0, 65_536, 'maxWaiting'),
    maxWaitingPerClient: options.maxWaitingPerClient,
    proverReasons: () => (prover?.status().closed ? ['the prover is closed'] : []),
    onAsked: (record) => speculation?.speculator.asked(record),
    onStoreError,
  });
  const speculation =
    options.chain && options.speculation !== false
      ? speculate(options.chain, options.speculation === true ? {} : (options.speculation ?? {}))
      : undefined;

  function speculate({ book, contracts }: ServedChain, bounds: SpeculationOptions): Speculation {
    const keepers = new InterestedKeepers(bounds, options.now, () => void speculator.look());
    const speculator = new Speculator({
      ...bounds,
      book,
      queue,
      jobs,
      keepers,
      requestOf: ({ account, market, purpose, keeper }) =>
        accountProofRequest(book, contracts, account, market, { auction: purpose === 'auction', keeper }),
      served: new Set(keyDigests.keys()),
      warm: () => runner?.warmBackground(),
      onError: (error) => warn(error, 'speculation failed'),
    });
    metrics?.watchSpeculation(
      () => speculator.counts,
      () => keepers.size,
    );
    return { keepers, speculator };
  }

  const app = Fastify({
    logger: options.logger ?? false,
    bodyLimit: BODY_LIMIT,
    requestTimeout: 30_000,
    // The service's own refusal is a problem document.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    ajv: {
      customOptions: {
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        verbose: true,
        discriminator: true,
      },
    },
    frameworkErrors: (error, _request, reply) => {
      void sendProblem(reply as unknown as FastifyReply, problemOfRequest(error));
    },
    clientErrorHandler: (error, socket) => {
      const timeout = 'code' in error && error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
      const message = timeout ? 'Send the whole request sooner.' : 'Send a well-formed HTTP request.';
      const problem = problemOf(
        new ZkMarginError(timeout ? 'TIMEOUT' : 'MALFORMED', message, { field: 'request' }),
        timeout ? 408 : 400,
      );
      const text = JSON.stringify(problem);
      const head = `HTTP/1.1 ${problem.status} ${timeout ? 'Request Timeout' : 'Bad Request'}`;
      if (socket.writable) {
        socket.write(
          `${head}\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${text.length}\r\nConnection: close\r\n\r\n${text}`,
        );
      }
      socket.destroy();
    },
  });
  app.removeContentTypeParser('text/plain');

  app.setErrorHandler((error, request, reply) => {
    const problem = problemOfRequest(error);
    // Of an unexpected error its kind and place, not its message: that could hold inputs.
    if (problem.status === 500) {
      request.log.error(placeOf(error), 'request failed');
      options.onWarning?.(error, 'a request failed');
    }
    return sendProblem(reply, problem);
  });
  app.setNotFoundHandler((_request, reply) =>
    sendProblem(reply, problemOf(new ZkMarginError('NOT_FOUND', 'Use a path and method of /openapi.json.'))),
  );
  app.addHook('onReady', async () => {
    jobs.start();
    runner?.start();
    speculation?.speculator.start();
    liveness?.watch(() => [
      { name: 'maintenance of the queue', turns: jobs.turns },
      ...(runner?.loopStates() ?? []),
    ]);
  });
  const connections = new Connections(app.server);
  app.addHook('preClose', async () => {
    const { closeGraceMs = CLOSE_GRACE_MS } = options;
    // All of them refuse what is new at once.
    const ends = [jobs.close(), options.chain?.book.close(), speculation?.speculator.close()];
    try {
      await Promise.allSettled(ends);
      await runner?.close(closeGraceMs);
      await queue.close();
    } finally {
      connections.drain(closeGraceMs);
    }
    await Promise.all(ends);
  });

  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'zkmargin',
        description: 'Proofs about margin accounts of options',
        version: '1',
      },
    },
  });
  // A misspelt parameter is told, not passed over, also where there is none.
  app.addHook('onRoute', ({ url, schema }) => {
    if (schema && url.startsWith('/v1/')) schema.querystring ??= NO_QUERY;
  });
  addEntityTags(app);
  metrics?.watchQueue(queue);
  app.register(async (instance) => {
    await guard(instance, options.access ?? {});
    metrics?.serve(instance);
    const routes = instance.withTypeProvider<TypeBoxProvider>();

    proofRoutes(routes, { jobs, served: new Set(keyDigests.keys()), now });
    circuitRoutes(routes, circuits, keyDigests);
    marginRoutes(routes);
    if (options.chain !== undefined) {
      bookRoutes(routes, {
        ...options.chain,
        jobs,
        served: new Set(keyDigests.keys()),
        speculation,
        maxListenersPerClient: options.maxListenersPerClient,
      });
      if (speculation) keeperRoutes(routes, speculation.keepers);
    }

    if (options.alerts !== undefined) alertRoutes(routes, options.alerts);

    routes.get(
      '/livez',
      {
        schema: {
          summary: 'Whether the process works, and if not, which of its loops stands still',
          response: { 200: HealthSchema, ...PROBLEMS },
        },
      },
      async (_request, reply) => {
        const reasons = liveness?.reasons() ?? [];
        if (reasons.length === 0) return { status: 'ok' };
        const problem = problemOf(
          new ZkMarginError('INTERNAL', `Start it again: ${reasons.join(', ')}.`),
          503,
        );
        return sendProblem(reply as unknown as FastifyReply, { ...problem, reasons });
      },
    );

    routes.get(
      '/readyz',
      {
        schema: {
          summary: 'Whether jobs are accepted, and if not, why',
          response: { 200: HealthSchema, ...PROBLEMS },
        },
      },
      async (_request, reply) => {
        const reasons = [
          ...(await jobs.refusals()),
          ...loadReasons(prover?.status().unloaded),
          ...(options.notReady?.() ?? []),
        ];
        if (reasons.length === 0) {
          const backend = prover?.status().backend?.name;
          return { status: 'ready', ...(backend !== undefined && { backend }) };
        }
        const problem = problemOf(new ZkMarginError('BUSY', `Not ready: ${reasons.join(', ')}.`));
        return sendProblem(reply as unknown as FastifyReply, { ...problem, reasons });
      },
    );

    instance.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  });
  return app;
}

function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  if (problem.status === 503 || problem.code === 'SHARE_EXCEEDED')
    reply.header('retry-after', String(RETRY_AFTER_SECONDS));
  return reply.code(problem.status).type(PROBLEM_TYPE).send(problem);
}
