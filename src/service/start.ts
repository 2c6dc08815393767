/** The service as a running server with its proving processes. */
import type { FastifyInstance } from 'fastify';
import { unlessAborted } from '../abort.ts';
import { type AddressBook, readAddressBook } from '../chain/address-book.ts';
import { loadProtocolAbis } from '../chain/artifacts.ts';
import {
  contractsOfBook,
  type EndpointStatus,
  firstBlockOf,
  type IndexedContracts,
  Indexer,
  type IndexerStatus,
} from '../chain/indexer/index.ts';
import { ZkMarginError } from '../errors.ts';
import { urlOf } from '../http/health-server.ts';
import { poseidonHash } from '../proof/commitment.ts';
import { capacitiesAmong, LIQUIDATION_INSTANCES } from '../proof/instances.ts';
import {
  type BackendConfiguration,
  type BackendReport,
  backendFromEnvironment,
  resolveBackend,
} from '../proof/prover/backends.ts';
import type { KeyPlaces } from '../proof/prover/circuits.ts';
import type { ProverCircuit } from '../proof/prover/protocol.ts';
import { WorkerPool } from '../proof/prover/worker-pool.ts';
import { ChainStore } from '../store/chain-store.ts';
import { type Database, type DatabaseOptions, openDatabase } from '../store/database.ts';
import { JobQueue, type JobQueueOptions } from '../store/job-queue.ts';
import type { BookState } from './alerts/conditions.ts';
import { AlertMonitor, type AlertOptions, readAlertOptions } from './alerts/monitor.ts';
import { buildService, type ServiceOptions } from './app.ts';
import { LiveBook } from './book/live-book.ts';
import { loadCircuits, requireKeysFor, withRemedy } from './circuits.ts';
import { Liveness, type LoopState } from './liveness.ts';
import { ServiceMetrics } from './metrics.ts';

/** Options of {@link startService}. */
export interface StartOptions
  extends Omit<
    ServiceOptions,
    'queue' | 'prover' | 'circuits' | 'concurrency' | 'notReady' | 'chain' | 'metrics' | 'alerts' | 'liveness'
  > {
  /** Address to listen on. Default 127.0.0.1: without API keys there is no authentication. */
  readonly host?: string;
  /** Port; 0 chooses a free one. Default 8080. */
  readonly port?: number;
  /** Where jobs are kept. In memory unless given: a restart forgets them. */
  readonly store?: DatabaseOptions;
  /** Bounds of the queue. */
  readonly queue?: JobQueueOptions;
  /** What is proven: names, or circuits with their keys. Default {@link LIQUIDATION_INSTANCES}. */
  readonly circuits?: readonly (string | ProverCircuit)[];
  /** Where keys of circuits that are named are: those of this version unless given. */
  readonly keys?: KeyPlaces;
  /** Proving processes; with 0, `zkmargin prover` takes the jobs from a PostgreSQL store. Default 1. */
  readonly workers?: number;
  /** What makes the proofs. As the environment says unless given: see `backendFromEnvironment`. */
  readonly backend?: BackendConfiguration;
  /** The chain to follow; without it the service proves what it is given. */
  readonly chain?: ChainOptions;
  /** How alerts are raised, and which webhooks are told of them. They are listed without webhooks, too. */
  readonly alerts?: AlertOptions;
  /** Milliseconds without progress of a loop after which `/livez` answers 503. Default 120,000. */
  readonly stallMs?: number;
  /** Gives the start up: what has been started is closed, and the promise rejects with `CANCELLED`. */
  readonly signal?: AbortSignal;
}

/** Which chain to follow, and how. */
export interface ChainOptions {
  /** RPC endpoints in order of preference. */
  readonly rpc: readonly string[];
  /** Where the contracts are: an address book, its file, or the addresses. */
  readonly book: string | AddressBook | IndexedContracts;
  /** First block to look at; that of the first contract unless given. */
  readonly startBlock?: bigint | undefined;
  readonly confirmations?: number | undefined;
  readonly pollMs?: number | undefined;
  /** Blocks that the indexer may be behind for the service to be ready. Default 5. */
  readonly maxLagBlocks?: number | undefined;
  readonly rpcTimeoutMs?: number | undefined;
}

/** Blocks that the indexer may be behind unless told otherwise. */
const MAX_LAG_BLOCKS = 5;

/** A running service. */
export interface RunningService {
  readonly app: FastifyInstance;
  /** As in `http://127.0.0.1:8080`. */
  readonly url: string;
  /** What makes the proofs. */
  readonly backend: BackendReport;
  /** Its store. Closed with the service. */
  readonly database: Database;
  /** How the indexer stands; undefined when no chain is followed. */
  readonly indexer?: () => IndexerStatus;
  /** Refuses new jobs, gives running ones a while, ends all processes. What is not done stays in the store. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Opens the store, listens, starts the proving processes and waits until keys are in memory. Meanwhile `/livez` answers, and
 * `/readyz` says that it is not ready.
 *
 * One circuit that cannot be loaded prevents the start: whoever names circuits relies on each of them.
 *
 * @throws ProofError `BACKEND_UNAVAILABLE`, of a circuit's files with what mends them, or when a proving process does not start;
 * ZkMarginError `KEY_MISSING` for development keys on a chain that is not local, of the store, and `CANCELLED` when the signal ends the start; Error when the address cannot be listened on
 */
export async function startService(options: StartOptions = {}): Promise<RunningService> {
  const { host = '127.0.0.1', port = 8080, workers = 1, backend, ...rest } = options;
  const { store, queue: bounds, circuits: wanted, keys, chain: followed, ...others } = rest;
  const { alerts: alertOptions = {}, onWarning = () => {}, signal, stallMs, ...service } = others;
  const alertSettings = readAlertOptions(alertOptions);
  const chain = followed && { ...followed, ...contractsOf(followed.book) };
  // Refused before anything else is done: a prover that cannot be run is a mistake of the configuration.
  const chosen = await resolveBackend(backend ?? backendFromEnvironment());
  const needed = wanted ?? LIQUIDATION_INSTANCES;
  if (chain) await requireKeysFor(chain.contracts.chainId, needed, keys);
  const circuits = await unlessAborted(loadCircuits(needed, keys), signal);
  const database = await openDatabase(store);
  const queue = new JobQueue(database, bounds);
  let reason: string | undefined = 'keys are being loaded';
  const prover =
    workers === 0
      ? undefined
      : new WorkerPool({
          circuits,
          backend: chosen.configuration,
          size: workers,
          maxQueue: workers,
          background: chain !== undefined && rest.speculation !== false,
          // The queue tries again, and keeps the cause.
          crashRetries: 0,
          onLoadFailure: (name, error) => {
            // At the start the promise rejects with it.
            if (reason === undefined) onWarning(error, `${name} cannot be loaded`);
          },
        });
  const metrics = new ServiceMetrics();
  const chainStore = new ChainStore(database);
  const book =
    chain &&
    new LiveBook({
      store: chainStore,
      capacities: capacitiesAmong('insolvency', new Set(circuits.map(({ name }) => name))),
      onRound: (seconds) => metrics.round(seconds),
      onError: (error) => onWarning(error, 'the book could not be read'),
      refusal: () => indexer!.refusal,
    });
  const indexer: Indexer | undefined =
    chain &&
    new Indexer({
      store: chainStore,
      contracts: chain.contracts,
      abis: loadProtocolAbis(),
      endpoints: {
        urls: chain.rpc,
        timeoutMs: chain.rpcTimeoutMs,
        onChange: (endpoint) => warnOfEndpoint(endpoint, onWarning),
      },
      startBlock: chain.startBlock ?? chain.firstBlock,
      confirmations: chain.confirmations,
      pollMs: chain.pollMs,
      onError: (error) => onWarning(error, 'the indexer failed'),
    });
  const startedAt = Date.now();
  const alerts = new AlertMonitor(alertSettings, {
    database,
    maxLagBlocks: chain?.maxLagBlocks ?? MAX_LAG_BLOCKS,
    state: async () => ({
      now: service.now?.() ?? Date.now(),
      startedAt,
      book: book?.block === undefined ? undefined : bookState(book),
      indexer: indexer?.status(),
      queue: { full: await queue.isFull(), starvedMs: await queue.starvedMs() },
      room: database.room(),
    }),
    onNotice: (notice) => book?.events.add({ type: 'alert', data: notice }),
    onDelivery: (result, count) => metrics.alertDelivery(result, count),
    onError: onWarning,
    ...(service.now && { now: service.now }),
  });
  metrics.watchAlerts(alerts);
  book?.onChange(() => void alerts.judge());
  const liveness = new Liveness({ boundMs: stallMs });
  metrics.watchLiveness(liveness);
  if (indexer) metrics.watchIndexer(() => indexer.status());
  if (book) metrics.watchBook(book);
  const app = buildService({
    ...service,
    onWarning,
    queue,
    prover,
    concurrency: Math.max(1, workers),
    circuits,
    metrics,
    alerts: alerts.store,
    liveness,
    ...(chain && book && { chain: { book, store: chainStore, contracts: chain.contracts } }),
    notReady: () => [
      ...(reason === undefined ? [] : [reason]),
      ...(indexer && book ? chainReasons(indexer.status(), book, chain?.maxLagBlocks ?? MAX_LAG_BLOCKS) : []),
    ],
  });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      reason = 'the service is closing';
      liveness.close();
      // Together: while the chain's endpoint is waited for, no job is taken any more.
      const ends = await Promise.allSettled([app.close(), indexer?.close(), alerts.close()]);
      await database.close();
      const failed = ends.find(({ status }) => status === 'rejected');
      if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
    })();
    return closing;
  };
  try {
    // The store is this process's alone: whoever had a job of it has ended.
    if (database.kind === 'embedded') await queue.reclaim();
    await app.listen({ host, port });
    liveness.start();
    indexer?.start();
    if (indexer) liveness.watch(() => [{ name: 'indexer', turns: indexer.turns }]);
    if (book) liveness.watch(() => loopsOfBook(book));
    await unlessAborted(book?.start(), signal);
    liveness.watch(() => alerts.loopStates());
    await alerts.start();
    if (book) await metrics.watchProofs(queue, book);
    await unlessAborted(Promise.all([prover?.warmUp(), poseidonHash([0n])]), signal);
    reason = undefined;
  } catch (error) {
    const unloaded = Object.keys(prover?.status().unloaded ?? {});
    await close();
    throw withRemedy(error, unloaded, circuits);
  }
  return {
    app,
    url: urlOf(app.server),
    backend: chosen.report,
    database,
    ...(indexer && { indexer: () => indexer.status() }),
    close,
  };
}

type FirstBlock = NonNullable<ConstructorParameters<typeof Indexer>[0]['startBlock']>;

function contractsOf(book: ChainOptions['book']): { contracts: IndexedContracts; firstBlock?: FirstBlock } {
  const found = typeof book === 'string' ? readAddressBook(book) : book;
  if (found === undefined) {
    throw new ZkMarginError('NOT_FOUND', 'Name an address book that exists; zkmargin deploy writes one.', {
      field: 'book',
    });
  }
  if ('addresses' in found) return { contracts: found };
  return { contracts: contractsOfBook(found), firstBlock: (client) => firstBlockOf(client, found) };
}

/** Tells of an endpoint that contradicts the others or the store; that one fails is told when none is left. */
function warnOfEndpoint(
  { name, condition, message }: EndpointStatus,
  onWarning: NonNullable<StartOptions['onWarning']>,
): void {
  if (condition !== 'wrongChain' && condition !== 'diverged' && condition !== 'ahead') return;
  const code = condition === 'diverged' ? 'CHAIN_DIVERGED' : 'CONFLICT';
  onWarning(
    new ZkMarginError(code, `Look at it: ${message}.`),
    `the RPC endpoint ${name} ${condition === 'ahead' ? 'is not believed' : 'is set aside'}`,
  );
}

/** What alerts are judged by. */
function bookState(book: LiveBook): BookState {
  return {
    markets: book.markets(),
    timestamp: book.timestamp,
    problem: book.problem,
    unknown: book.unknown().map((account) => {
      const { status, reason } = book.opening(account) ?? {};
      return { account, status: status ?? 'missing', reason };
    }),
  };
}

/** The risk monitor, and each round that waits for it. */
function loopsOfBook(book: LiveBook): LoopState[] {
  return [
    { name: 'risk monitor', turns: book.turns },
    ...book.unmargined().map(({ underlyingId, number }) => ({
      name: `round ${number} of underlying ${underlyingId}`,
      turns: 0,
      complaint: `round ${number} of underlying ${underlyingId} has been in the store without margins`,
    })),
  ];
}

/** Why what is told of the chain should not be relied on. */
function chainReasons(
  { behind, problem, refusal, lastLook }: IndexerStatus,
  book: LiveBook,
  maxLagBlocks: number,
): string[] {
  const reasons: string[] = [];
  const codes = new Set([problem?.code, refusal?.code === 'BUSY' ? undefined : refusal?.code]);
  for (const code of codes) if (code !== undefined) reasons.push(`the chain cannot be followed (${code})`);
  if (lastLook === undefined) reasons.push('the chain has not been looked at');
  else if (behind !== undefined && behind > maxLagBlocks)
    reasons.push(`the indexer is ${behind} blocks behind`);
  if (book.markets().length === 0) reasons.push('there is no round');
  if (book.problem !== undefined) reasons.push(`the book cannot be read (${book.problem.code})`);
  return reasons;
}
