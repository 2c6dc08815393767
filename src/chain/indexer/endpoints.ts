/**
 * Several RPC endpoints of one chain: which of them to ask, and why the others are not asked.
 *
 * What is assumed: a single endpoint is trusted. Of several that answer, less than half may hang, fail, lag, name any height or serve
 * another history than the store's: they hide no block that the others have, and keep none of the others from being asked. Of
 * two, the one that names more must show it (see {@link isPlausible}), so that a lie about the height is small. The endpoint
 * in use is believed about the states of contracts, and about the newest blocks as far as reorganisations are followed.
 */
import { BaseError, type Block, BlockNotFoundError, createPublicClient, http, type PublicClient } from 'viem';
import { ZkMarginError } from '../../errors.ts';

/** Conditions of {@link EndpointStatus}. */
export const ENDPOINT_CONDITIONS = [
  'untried',
  'ok',
  /** It hung. */
  'timeout',
  /** It refused or failed. */
  'error',
  /** It is behind the others. */
  'lagging',
  /** It names more blocks than the others have; it is asked for theirs. */
  'ahead',
  /** It serves another chain than the one that is meant. */
  'wrongChain',
  /** Its history is not the store's, deeper than reorganisations are followed. */
  'diverged',
] as const;

/** How an endpoint stands. */
export type EndpointCondition = (typeof ENDPOINT_CONDITIONS)[number];

/** An endpoint as it is told. */
export interface EndpointStatus {
  /** Host and port: a URL's path may hold a key. */
  readonly name: string;
  readonly condition: EndpointCondition;
  /** Newest block that it told of. */
  readonly height?: bigint;
  /** Why it is not asked. */
  readonly message?: string;
  /** Milliseconds since 1970-01-01 UTC at which the condition began. */
  readonly since: number;
  /** Times that it failed since the start. */
  readonly failures: number;
}

/** Options of {@link EndpointPool}. */
export interface EndpointPoolOptions {
  /** In order of preference. */
  readonly urls: readonly string[];
  readonly chainId: number;
  /** Milliseconds for one request. Default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** Milliseconds for which an endpoint that failed is left alone. Default 5,000. */
  readonly cooldownMs?: number | undefined;
  /** Blocks that an endpoint may be behind the others, or ahead of them. Default 3. */
  readonly maxLagBlocks?: number | undefined;
  /** Whether requests go in batches. Default true. */
  readonly batch?: boolean | undefined;
  /**
   * A closer look at an endpoint before it is asked for the first time and after each failure.
   *
   * @param height newest block that it told of
   * @returns why it is not to be asked; undefined when it is
   */
  readonly identify?:
    | ((client: PublicClient, height: bigint) => Promise<EndpointObjection | undefined>)
    | undefined;
  /** Told of every answer of any endpoint, good or bad. */
  readonly onAnswer?: (() => void) | undefined;
  /** Told when the condition of an endpoint changes. */
  readonly onChange?: ((status: EndpointStatus) => void) | undefined;
}

/** Why an endpoint is set aside. */
export interface EndpointObjection {
  readonly condition: 'wrongChain' | 'diverged';
  readonly message: string;
  /** What to tell when no other endpoint does better: that the chain is not the store's. */
  readonly error?: ZkMarginError;
}

interface Endpoint {
  readonly client: PublicClient;
  status: EndpointStatus;
  identified: boolean;
  /** That it contradicts the store, until it answers otherwise. */
  contradiction: ZkMarginError | undefined;
  /** Of the process's own clock, which nobody sets. */
  restUntil: number;
  /** Times in a row that the chain changed while it was read. */
  moved: number;
}

/** The chain changed while it was read: read again. */
export class ChainMoved extends Error {
  constructor() {
    super('the chain changed while it was read');
    this.name = 'ChainMoved';
  }
}

/** An endpoint's answers cannot be right. */
export class EndpointFault extends Error {
  constructor(what: string) {
    super(what);
    this.name = 'EndpointFault';
  }
}

/** An endpoint's history is not the store's, deeper than is followed: others may agree with the store. */
export class HistoryDiffers extends Error {
  readonly objection: EndpointObjection;

  constructor(objection: EndpointObjection) {
    super(objection.message);
    this.name = 'HistoryDiffers';
    this.objection = objection;
  }
}

/** A chain may change so many times in a row while it is read; an endpoint of which it is said more often contradicts itself. */
const MOST_MOVES = 5;
/** No chain that this is for makes more blocks in a second. */
const MOST_BLOCKS_PER_SECOND = 20n;
/** Seconds by which the clocks of those who make blocks may be ahead of this one. */
const CLOCK_SLACK = 60n;

/** Heights of the endpoints that answer and may be of use. */
type Heights = Map<Endpoint, bigint>;

/** Endpoints of one chain. */
export class EndpointPool {
  readonly #options: EndpointPoolOptions;
  readonly #endpoints: readonly Endpoint[];

  /** @throws ZkMarginError `MALFORMED` for what is no http or https URL, or for none */
  constructor(options: EndpointPoolOptions) {
    const { urls, timeoutMs = 10_000, batch = true } = options;
    if (urls.length === 0) {
      throw new ZkMarginError('MALFORMED', 'Give at least one RPC endpoint.', { field: 'rpc' });
    }
    this.#options = options;
    const names = urls.map(nameOf);
    this.#endpoints = urls.map((url, index) => ({
      client: createPublicClient({
        transport: http(url, {
          timeout: timeoutMs,
          retryCount: 0,
          batch: batch ? { batchSize: 100 } : false,
          onFetchResponse: () => options.onAnswer?.(),
          // The transport's own limit ends with the headers: a body that never ends would hold up everything.
          fetchFn: (input, init) => fetch(input, { ...init, signal: AbortSignal.timeout(timeoutMs) }),
        }),
        cacheTime: 0,
      }),
      status: {
        name: names.indexOf(names[index]!) === index ? names[index]! : `${names[index]} (${index + 1})`,
        condition: 'untried',
        since: Date.now(),
        failures: 0,
      },
      identified: false,
      contradiction: undefined,
      restUntil: 0,
      moved: 0,
    }));
  }

  /** All endpoints, in order of preference. */
  status(): EndpointStatus[] {
    return this.#endpoints.map(({ status }) => status);
  }

  /**
   * Has the first good endpoint do some work, and the next one when that fails. The work must be safe to repeat.
   *
   * @param work is given the number of the newest block that it may ask for. It throws HistoryDiffers of an endpoint that is not
   * to be asked
   * @throws ZkMarginError `CHAIN_UNAVAILABLE` when none is left, or that the chain is not the store's when this is what those
   * say that can be reached; ChainMoved and ZkMarginError of the work. Of everything else that it throws the endpoint is to
   * blame: clients fail in many ways over answers that are cut off or of another form
   */
  async run<T>(work: (client: PublicClient, height: bigint) => Promise<T>): Promise<T> {
    const heights = await this.#survey();
    let cause: unknown;
    for (;;) {
      // Judged anew after each failure: what an endpoint has named that fails counts no more.
      const chosen = await this.#choose(heights);
      if (chosen === undefined) break;
      const { endpoint, height } = chosen;
      try {
        const result = await work(endpoint.client, height);
        endpoint.moved = 0;
        return result;
      } catch (error) {
        if (error instanceof ZkMarginError) throw error;
        if (error instanceof ChainMoved && ++endpoint.moved < MOST_MOVES) throw error;
        endpoint.moved = 0;
        cause = error;
        if (error instanceof HistoryDiffers) this.#setAside(endpoint, error.objection);
        else this.#failed(endpoint, error);
        heights.delete(endpoint);
      }
    }
    const { contradiction } = this.#endpoints.find((endpoint) => endpoint.contradiction) ?? {};
    if (contradiction !== undefined) throw contradiction;
    throw new ZkMarginError('CHAIN_UNAVAILABLE', 'No RPC endpoint can be used; see what each one does.', {
      field: 'rpc',
      details: { endpoints: this.status().map(({ name, condition }) => `${name}: ${condition}`) },
      cause,
    });
  }

  /** Asks all that are not at rest for chain id and height. */
  async #survey(): Promise<Heights> {
    const now = performance.now();
    const { chainId } = this.#options;
    const heights: Heights = new Map();
    await Promise.all(
      this.#endpoints.map(async (endpoint) => {
        if (endpoint.restUntil > now) return;
        try {
          const { client } = endpoint;
          const [id, height] = await Promise.all([client.getChainId(), client.getBlockNumber()]);
          if (id === chainId) heights.set(endpoint, height);
          else {
            const message = `it says chain ${id}, not ${chainId}`;
            this.#setAside(endpoint, { condition: 'wrongChain', message });
          }
        } catch (error) {
          this.#failed(endpoint, error);
        }
      }),
    );
    return heights;
  }

  /** The first one to ask, and up to which block; sets conditions. */
  async #choose(heights: Heights): Promise<{ endpoint: Endpoint; height: bigint } | undefined> {
    const lag = BigInt(this.#options.maxLagBlocks ?? 3);
    while (heights.size > 0) {
      const common = await this.#commonHeight(heights, lag);
      const good = [...heights.keys()].filter((endpoint) => heights.get(endpoint)! + lag >= common);
      const strangers = good.filter(({ identified }) => !identified);
      await Promise.all(strangers.map((endpoint) => this.#identify(endpoint, heights)));
      // Who is of another chain has no say in the height either.
      if (!good.every((endpoint) => heights.has(endpoint))) continue;
      for (const [endpoint, height] of heights) {
        const behind = common - height;
        if (behind > lag)
          this.#set(endpoint, 'lagging', { height, message: `it is ${behind} blocks behind` });
        else if (-behind > lag) {
          const message = `it names ${-behind} blocks more than the others have, and is not believed`;
          this.#set(endpoint, 'ahead', { height, message });
        } else this.#set(endpoint, 'ok', { height });
      }
      const endpoint = this.#endpoints.find((one) => good.includes(one));
      if (endpoint === undefined) continue;
      const height = heights.get(endpoint)!;
      return { endpoint, height: height - common > lag ? common : height };
    }
    return undefined;
  }

  /**
   * The height that others are measured by. Of three and more, the greatest one that is named or exceeded by so many that one of them
   * is honest as long as less than half lie: one that names a great height makes nobody look late. Of two, none can outvote the
   * other: the greater one counts when its block is shown.
   */
  async #commonHeight(heights: Heights, lag: bigint): Promise<bigint> {
    const sorted = [...heights].sort(([, a], [, b]) => (a > b ? -1 : a < b ? 1 : 0));
    const named = sorted[Math.ceil(sorted.length / 2) - 1]?.[1] ?? 0n;
    if (sorted.length !== 2) return named;
    const [[higher, height], [lower, less]] = sorted as [[Endpoint, bigint], [Endpoint, bigint]];
    if (height - less <= lag) return height;
    const [newest, base] = await Promise.all([
      this.#block(higher, height, heights),
      this.#block(lower, less, heights),
    ]);
    if (heights.size < 2) return this.#commonHeight(heights, lag);
    return newest && base && isPlausible(newest, base) ? height : less;
  }

  /** A block that an endpoint has named; undefined when it does not have it. */
  async #block(endpoint: Endpoint, blockNumber: bigint, heights: Heights): Promise<Block | undefined> {
    try {
      const block = await endpoint.client.getBlock({ blockNumber });
      return block.number === blockNumber ? block : undefined;
    } catch (error) {
      // Behind one address there may be many machines, not all of which have it yet.
      if (!(error instanceof BlockNotFoundError)) {
        this.#failed(endpoint, error);
        heights.delete(endpoint);
      }
      return undefined;
    }
  }

  async #identify(endpoint: Endpoint, heights: Heights): Promise<void> {
    try {
      const objection = await this.#options.identify?.(endpoint.client, heights.get(endpoint)!);
      if (objection === undefined) {
        endpoint.identified = true;
        endpoint.contradiction = undefined;
        return;
      }
      this.#setAside(endpoint, objection);
    } catch (error) {
      if (error instanceof ZkMarginError) throw error;
      this.#failed(endpoint, error);
    }
    heights.delete(endpoint);
  }

  #setAside(endpoint: Endpoint, { condition, message, error }: EndpointObjection): void {
    endpoint.identified = false;
    endpoint.restUntil = performance.now() + (this.#options.cooldownMs ?? 5_000);
    endpoint.contradiction = error;
    this.#set(endpoint, condition, { message });
  }

  #failed(endpoint: Endpoint, error: unknown): void {
    endpoint.identified = false;
    endpoint.contradiction = undefined;
    endpoint.restUntil = performance.now() + (this.#options.cooldownMs ?? 5_000);
    const hung = error instanceof BaseError && error.walk(isTimeout) !== null;
    const seconds = (this.#options.timeoutMs ?? 10_000) / 1000;
    // Not the error's own text: it quotes the URL.
    const message = hung
      ? `it did not answer within ${seconds} s`
      : error instanceof EndpointFault
        ? error.message
        : `it failed: ${kindOf(error)}`;
    this.#set(endpoint, hung ? 'timeout' : 'error', { message, failed: true });
  }

  #set(
    endpoint: Endpoint,
    condition: EndpointCondition,
    { height, message, failed = false }: { height?: bigint; message?: string; failed?: boolean },
  ): void {
    const { status } = endpoint;
    const changed = status.condition !== condition;
    const known = height ?? status.height;
    endpoint.status = {
      name: status.name,
      condition,
      ...(known !== undefined && { height: known }),
      ...(message !== undefined && { message }),
      since: changed ? Date.now() : status.since,
      failures: status.failures + (failed ? 1 : 0),
    };
    if (changed) this.#options.onChange?.(endpoint.status);
  }
}

/**
 * Whether a chain can have come from one block to a later one: not beyond the present, and not quicker than chains are. Whoever makes
 * blocks up cannot name a great height then, though a somewhat greater one. The present is this machine's, or the former block's where
 * a chain's clock is ahead.
 */
export function isPlausible(
  later: Pick<Block, 'number' | 'timestamp'>,
  former: Pick<Block, 'number' | 'timestamp'>,
  now = BigInt(Math.floor(Date.now() / 1000)),
): boolean {
  const present = former.timestamp > now ? former.timestamp : now;
  const seconds = later.timestamp - former.timestamp;
  const blocks = (later.number ?? 0n) - (former.number ?? 0n);
  return later.timestamp <= present + CLOCK_SLACK && blocks <= MOST_BLOCKS_PER_SECOND * seconds;
}

/** Of the transport, or of the signal that ends a request. */
function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError';
}

/** Names of the errors, from the outermost to the innermost. */
function kindOf(error: unknown): string {
  const names: string[] = [];
  for (let inner = error; inner instanceof Error && names.length < 4; inner = inner.cause)
    names.push(inner.name);
  return names.join(' from ') || 'unknown';
}

function nameOf(url: string): string {
  try {
    const { protocol, host } = new URL(url);
    if (protocol === 'http:' || protocol === 'https:') return host;
  } catch {
    // Told below, without the text: it may hold a key.
  }
  throw new ZkMarginError('MALFORMED', 'Give RPC endpoints as http or https URLs.', { field: 'rpc' });
}
