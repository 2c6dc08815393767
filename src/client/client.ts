/** A typed client of the service's API. Types are those of the service's schemas. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Static } from 'typebox';
import { ERROR_CODES, type ErrorCode, ZkMarginError } from '../errors.ts';
import type { AlertsSchema } from '../service/alerts/schemas.ts';
import type {
  AccountProofRequestSchema,
  AccountsSchema,
  AccountView,
  AuctionsSchema,
  AuctionView,
  KeeperInterestSchema,
  KeeperView,
  LiquidationPricesView,
  LiquidationsSchema,
  LiquidationView,
  MarginView,
  MarketsSchema,
  RoundsSchema,
  SimulationSchema,
} from '../service/book/schemas.ts';
import type { CircuitsView, JobView, ProofRequest } from '../service/schemas.ts';
import { readEvents, type ServerEvent } from './events.ts';

export type { ServerEvent } from './events.ts';

/** Options of {@link ServiceClient}. */
export interface ServiceClientOptions {
  /** As in `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Bearer token, when the service asks for one. */
  readonly token?: string | undefined;
  /** Milliseconds for an answer, waits apart. Default 10,000. */
  readonly timeoutMs?: number | undefined;
}

/** Page of a list. */
export interface PageOptions {
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

type Query = Readonly<Record<string, string | number | undefined>>;

interface Kept {
  readonly tag: string;
  readonly body: unknown;
}

/** Entries of a page of the feed. */
const FEED_PAGE = 500;
/** Pages that are read at once. */
const CONCURRENT_PAGES = 4;
/** Answers of so many paths are kept for their tags. */
const KEPT_ANSWERS = 256;

/** A client. All its methods throw `ZkMarginError` with the code of the service's problem document; `CHAIN_UNAVAILABLE` never. */
export class ServiceClient {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #timeoutMs: number;
  readonly #kept = new Map<string, Kept>();

  /** @throws ZkMarginError `MALFORMED` for what is no http or https URL */
  constructor({ url, token, timeoutMs = 10_000 }: ServiceClientOptions) {
    if (!/^https?:\/\//.test(url)) {
      throw new ZkMarginError('MALFORMED', 'Give the service as an http or https URL.', { field: 'url' });
    }
    this.#url = url.replace(/\/+$/, '');
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    this.#timeoutMs = timeoutMs;
  }

  /** Of the service, without a slash at the end. */
  get url(): string {
    return this.#url;
  }

  /** @throws ZkMarginError `BUSY` with the reasons when the service is not ready */
  async ready(): Promise<void> {
    await this.#call('GET', '/readyz', {});
  }

  accounts(page: PageOptions = {}): Promise<Static<typeof AccountsSchema>> {
    return this.#get('/v1/accounts', { ...page });
  }

  account(id: bigint): Promise<AccountView> {
    return this.#get(`/v1/accounts/${id}`);
  }

  margin(id: bigint): Promise<MarginView> {
    return this.#get(`/v1/accounts/${id}/margin`);
  }

  liquidationPrices(id: bigint): Promise<LiquidationPricesView> {
    return this.#get(`/v1/accounts/${id}/liquidation-prices`);
  }

  markets(): Promise<Static<typeof MarketsSchema>> {
    return this.#get('/v1/markets');
  }

  rounds(options: PageOptions & { readonly underlying?: string } = {}): Promise<Static<typeof RoundsSchema>> {
    return this.#get('/v1/rounds', { ...options });
  }

  auctions(
    options: PageOptions & { readonly running?: boolean } = {},
  ): Promise<Static<typeof AuctionsSchema>> {
    const { running, ...page } = options;
    return this.#get('/v1/auctions', {
      ...page,
      running: running === undefined ? undefined : String(running),
    });
  }

  liquidations(
    options: PageOptions & { readonly underlying?: string } = {},
  ): Promise<Static<typeof LiquidationsSchema>> {
    return this.#get('/v1/liquidations', { ...options });
  }

  /**
   * All pages of the feed, the most urgent account first. Pages after the first are read side by side; all are of one revision.
   *
   * @throws ZkMarginError `CONFLICT` when the feed changes faster than it can be read
   */
  async allLiquidations(): Promise<LiquidationView[]> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#liquidationPages();
      } catch (error) {
        // The feed changed between two pages.
        if (!(error instanceof ZkMarginError) || error.code !== 'CONFLICT' || attempt === 4) throw error;
      }
    }
  }

  async #liquidationPages(): Promise<LiquidationView[]> {
    const limit = FEED_PAGE;
    const first = await this.liquidations({ limit });
    const all = [...first.liquidations];
    const further = first.further ?? [];
    let { next } = first;
    for (let from = 0; from < further.length; from += CONCURRENT_PAGES) {
      const cursors = further.slice(from, from + CONCURRENT_PAGES);
      const read = await Promise.all(cursors.map((cursor) => this.liquidations({ limit, cursor })));
      for (const { liquidations } of read) all.push(...liquidations);
      ({ next } = read.at(-1)!);
    }
    // A feed may have more pages than a service names at once.
    while (next !== undefined) {
      const page = await this.liquidations({ limit, cursor: next });
      all.push(...page.liquidations);
      ({ next } = page);
    }
    return all;
  }

  /** All auctions that run. */
  runningAuctions(): Promise<AuctionView[]> {
    return pages(async (cursor) => {
      const { auctions, next } = await this.auctions({ running: true, limit: 500, cursor });
      return { items: auctions, next };
    });
  }

  /** Alerts, the newest first. */
  alerts(
    options: PageOptions & { readonly state?: 'open' | 'resolved' | undefined } = {},
  ): Promise<Static<typeof AlertsSchema>> {
    return this.#get('/v1/alerts', { ...options });
  }

  circuits(): Promise<CircuitsView> {
    return this.#get('/v1/circuits');
  }

  /** Margin of a document of `zkmargin margin`. */
  marginOf(document: unknown): Promise<Record<string, unknown>> {
    return this.#send('POST', '/v1/margin', document);
  }

  /** What the candidate trades and the shocks of a document would do. */
  simulate(document: unknown): Promise<Static<typeof SimulationSchema>> {
    return this.#send('POST', '/v1/simulate', document);
  }

  /** Asks for the proof of a statement. */
  prove(request: ProofRequest): Promise<JobView> {
    return this.#send('POST', '/v1/proofs', request);
  }

  /** Asks for the proof that an account is insolvent as it stands. */
  proveAccount(id: bigint, request: Static<typeof AccountProofRequestSchema>): Promise<JobView> {
    return this.#send('POST', `/v1/accounts/${id}/proofs`, request);
  }

  /** Has proofs made for a keeper before it asks; again from time to time, as the answer tells. */
  registerKeeper(address: string, interest: Static<typeof KeeperInterestSchema> = {}): Promise<KeeperView> {
    return this.#send('PUT', `/v1/keepers/${address}`, interest);
  }

  /** Has no more proofs made for a keeper beforehand. */
  async removeKeeper(address: string): Promise<void> {
    await this.#call('DELETE', `/v1/keepers/${address}`, {});
  }

  /** @param waitSeconds to wait for the job's end, at most 60 */
  job(id: string, waitSeconds = 0, signal?: AbortSignal): Promise<JobView> {
    return this.#call('GET', `/v1/proofs/${id}?wait=${waitSeconds}`, { waitMs: waitSeconds * 1000, signal });
  }

  /** A job at its end. @throws ZkMarginError `CANCELLED` when the signal is given */
  async finished(id: string, signal?: AbortSignal): Promise<JobView> {
    for (;;) {
      const job = await this.job(id, 30, signal);
      if (job.state === 'done' || job.state === 'failed') return job;
      // A service that has no more room for those who wait answers at once.
      await sleep(100, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
  }

  /**
   * Takes back the claim of a job: it is cancelled, or forgotten when it is finished, unless others asked for it, too.
   *
   * @throws ZkMarginError `FORBIDDEN` when this client's key did not ask for it, `NOT_FOUND`
   */
  async cancel(id: string): Promise<void> {
    await this.#call('DELETE', `/v1/proofs/${id}`, {});
  }

  /** Events until the signal is given or the connection ends. Connect again with the id of the last one. */
  async *events(options: {
    readonly signal: AbortSignal;
    readonly lastEventId?: string;
  }): AsyncGenerator<ServerEvent> {
    const { signal, lastEventId } = options;
    const response = await this.#fetch('GET', '/v1/events', {
      signal,
      headers: lastEventId === undefined ? {} : { 'last-event-id': lastEventId },
      endless: true,
    });
    if (!response.ok) throw await problemOf(response);
    try {
      yield* readEvents(response.body!);
    } catch (cause) {
      if (signal.aborted) return;
      throw new ZkMarginError('BUSY', 'The stream of events broke off; connect again.', { cause });
    }
  }

  async #get<T>(path: string, query: Query = {}): Promise<T> {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const text = new URLSearchParams(
      given.map(([name, value]): [string, string] => [name, String(value)]),
    ).toString();
    const whole = text === '' ? path : `${path}?${text}`;
    const kept = this.#kept.get(whole);
    const response = await this.#fetch('GET', whole, {
      headers: kept === undefined ? {} : { 'if-none-match': kept.tag },
    });
    if (response.status === 304 && kept !== undefined) return kept.body as T;
    const body = await bodyOf<T>(response);
    const tag = response.headers.get('etag');
    this.#kept.delete(whole);
    if (tag !== null) this.#kept.set(whole, { tag, body });
    if (this.#kept.size > KEPT_ANSWERS) this.#kept.delete(this.#kept.keys().next().value!);
    return body;
  }

  #send<T>(method: string, path: string, body: unknown): Promise<T> {
    return this.#call(method, path, { body });
  }

  async #call<T>(method: string, path: string, options: RequestOptions): Promise<T> {
    return bodyOf<T>(await this.#fetch(method, path, options));
  }

  async #fetch(method: string, path: string, options: RequestOptions): Promise<Response> {
    const { body, waitMs = 0, signal, headers = {}, endless = false } = options;
    const timeout = AbortSignal.timeout(this.#timeoutMs + waitMs);
    const ends = endless ? [] : [timeout];
    if (signal !== undefined) ends.push(signal);
    try {
      return await fetch(this.#url + path, {
        method,
        headers: {
          ...this.#headers,
          ...headers,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.any(ends),
      });
    } catch (cause) {
      if (signal?.aborted) throw new ZkMarginError('CANCELLED', 'The request was given up.', { cause });
      if (timeout.aborted)
        throw new ZkMarginError('TIMEOUT', 'The service did not answer in time.', { cause });
      throw new ZkMarginError('BUSY', 'The service cannot be reached; see that it runs.', {
        field: 'url',
        cause,
      });
    }
  }
}

interface RequestOptions {
  readonly body?: unknown;
  readonly waitMs?: number;
  readonly signal?: AbortSignal | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly endless?: boolean;
}

async function bodyOf<T>(response: Response): Promise<T> {
  if (!response.ok) throw await problemOf(response);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

/** The error of a problem document, or of an answer that is none. */
async function problemOf(response: Response): Promise<ZkMarginError> {
  const problem = (await response.json().catch(() => ({}))) as {
    code?: string;
    detail?: string;
    field?: string;
  };
  const code = ERROR_CODES.find((known) => known === problem.code) ?? codeOfStatus(response.status);
  return new ZkMarginError(code, problem.detail ?? `The service answered ${response.status}.`, {
    field: problem.field,
    details: { status: response.status },
  });
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 404) return 'NOT_FOUND';
  return status === 429 || status >= 502 ? 'BUSY' : 'INTERNAL';
}

async function pages<T>(
  read: (cursor: string | undefined) => Promise<{ items: readonly T[]; next?: string | undefined }>,
): Promise<T[]> {
  const all: T[] = [];
  let cursor: string | undefined;
  do {
    const { items, next } = await read(cursor);
    all.push(...items);
    cursor = next;
  } while (cursor !== undefined);
  return all;
}
