/** Several RPC endpoints of one chain: which of them to ask, and why the others are not asked. */
import { BaseError, createPublicClient, http, type PublicClient, TimeoutError } from 'viem';
import { ZkMarginError } from '../../errors.ts';

/**
 * How an endpoint stands: `timeout` hung, `error` refused or failed, `lagging` is behind the others, `wrongChain` serves another
 * chain than the one that is meant.
 */
export type EndpointCondition = 'untried' | 'ok' | 'timeout' | 'error' | 'lagging' | 'wrongChain';

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
  /** Blocks that an endpoint may be behind the best one. Default 3. */
  readonly maxLagBlocks?: number | undefined;
  /** Whether requests go in batches. Default true. */
  readonly batch?: boolean | undefined;
  /**
   * A closer look at an endpoint before it is asked for the first time and after each failure.
   *
   * @returns why it serves another chain; undefined when it does not
   */
  readonly identify?: ((client: PublicClient) => Promise<string | undefined>) | undefined;
  /** Told of every answer of any endpoint, good or bad. */
  readonly onAnswer?: (() => void) | undefined;
  /** Told when the condition of an endpoint changes. */
  readonly onChange?: ((status: EndpointStatus) => void) | undefined;
}

interface Endpoint {
  readonly client: PublicClient;
  status: EndpointStatus;
  identified: boolean;
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

/** A chain may change so many times in a row while it is read; an endpoint of which it is said more often contradicts itself. */
const MOST_MOVES = 5;

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
   * @param work is given the newest block's number that the endpoint told of
   * @throws ZkMarginError `CHAIN_UNAVAILABLE` when none is left; ChainMoved and ZkMarginError of the work. Of everything else that
   * it throws the endpoint is to blame: clients fail in many ways over answers that are cut off or of another form
   */
  async run<T>(work: (client: PublicClient, height: bigint) => Promise<T>): Promise<T> {
    await this.#survey();
    let cause: unknown;
    for (const endpoint of this.#endpoints) {
      if (endpoint.status.condition !== 'ok') continue;
      try {
        if (!(await this.#identified(endpoint))) continue;
        const result = await work(endpoint.client, endpoint.status.height!);
        endpoint.moved = 0;
        return result;
      } catch (error) {
        if (error instanceof ZkMarginError) throw error;
        if (error instanceof ChainMoved && ++endpoint.moved < MOST_MOVES) throw error;
        endpoint.moved = 0;
        cause = error;
        this.#failed(endpoint, error);
      }
    }
    throw new ZkMarginError('CHAIN_UNAVAILABLE', 'No RPC endpoint can be used; see what each one does.', {
      field: 'rpc',
      details: { endpoints: this.status().map(({ name, condition }) => `${name}: ${condition}`) },
      cause,
    });
  }

  /** Asks all that are not at rest for chain id and height. */
  async #survey(): Promise<void> {
    const now = performance.now();
    const { chainId, maxLagBlocks = 3 } = this.#options;
    const answered: { endpoint: Endpoint; height: bigint }[] = [];
    await Promise.all(
      this.#endpoints.map(async (endpoint) => {
        if (endpoint.restUntil > now) return;
        try {
          const { client } = endpoint;
          const [id, height] = await Promise.all([client.getChainId(), client.getBlockNumber()]);
          if (id !== chainId) this.#banned(endpoint, `it says chain ${id}, not ${chainId}`);
          else answered.push({ endpoint, height });
        } catch (error) {
          this.#failed(endpoint, error);
        }
      }),
    );
    let best = 0n;
    for (const { height } of answered) if (height > best) best = height;
    for (const { endpoint, height } of answered) {
      const behind = best - height;
      if (behind > BigInt(maxLagBlocks)) {
        this.#set(endpoint, 'lagging', { height, message: `it is ${behind} blocks behind` });
      } else {
        this.#set(endpoint, 'ok', { height });
      }
    }
  }

  async #identified(endpoint: Endpoint): Promise<boolean> {
    if (endpoint.identified) return true;
    const wrong = await this.#options.identify?.(endpoint.client);
    if (wrong === undefined) endpoint.identified = true;
    else this.#banned(endpoint, wrong);
    return wrong === undefined;
  }

  #banned(endpoint: Endpoint, message: string): void {
    endpoint.identified = false;
    endpoint.restUntil = performance.now() + (this.#options.cooldownMs ?? 5_000);
    this.#set(endpoint, 'wrongChain', { message });
  }

  #failed(endpoint: Endpoint, error: unknown): void {
    endpoint.identified = false;
    endpoint.restUntil = performance.now() + (this.#options.cooldownMs ?? 5_000);
    const hung = error instanceof BaseError && error.walk((inner) => inner instanceof TimeoutError) !== null;
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
