/** Accounts, rounds, auctions, the feed of liquidations, and events: what the service knows of the chain. */
import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest, preHandlerAsyncHookHandler } from 'fastify';
import { Type } from 'typebox';
import type { IndexedContracts } from '../../chain/indexer/index.ts';
import { ZkMarginError } from '../../errors.ts';
import { underlyingIdOf } from '../../market/instrument.ts';
import type { AccountRecord } from '../../store/chain-records.ts';
import type { ChainStore } from '../../store/chain-store.ts';
import { Answers, type KeptAnswer } from '../book/answers.ts';
import { cursorOf, limitOf, readCursor } from '../book/cursors.ts';
import type { BookMarket, LiveBook } from '../book/live-book.ts';
import {
  AccountParamsSchema,
  AccountProofRequestSchema,
  AccountsQuerySchema,
  AccountsSchema,
  AccountViewSchema,
  AuctionsQuerySchema,
  AuctionsSchema,
  LiquidationPricesViewSchema,
  LiquidationsQuerySchema,
  LiquidationsSchema,
  MarginViewSchema,
  MarketsSchema,
  RoundsQuerySchema,
  RoundsSchema,
} from '../book/schemas.ts';
import { accountProofRequest } from '../book/statement.ts';
import {
  accountMarginView,
  accountPricesView,
  accountView,
  auctionView,
  liquidationView,
  marketView,
  roundView,
} from '../book/views.ts';
import { Places } from '../places.ts';
import type { ProofJobs } from '../proof-jobs.ts';
import { prepareProof } from '../requests/index.ts';
import type { Speculation } from '../speculation/index.ts';
import { jobView } from './proofs.ts';
import { PROBLEMS, type Routes, SUBMISSIONS, submitted } from './shared.ts';

const EVENT_PULSE_MS = 15_000;
/** Cursors of further pages that the first page names. */
const MAX_FURTHER_PAGES = 64;
/** Bytes of events that are given to a client's connection at a time. */
const EVENT_CHUNK_BYTES = 65_536;
/** Listeners to events at a time unless told otherwise: about 30 kB each. */
const MAX_LISTENERS = 4_096;

/** Who keeps the answer to a request. */
const keepers = new WeakMap<FastifyRequest, (answer: KeptAnswer) => void>();

/** What the routes work with. */
export interface BookRoutesOptions {
  readonly book: LiveBook;
  readonly store: ChainStore;
  readonly contracts: IndexedContracts;
  readonly jobs: ProofJobs;
  readonly served: ReadonlySet<string>;
  /** Proofs that are made beforehand, when there are any. */
  readonly speculation?: Speculation | undefined;
  /** Listeners to events of one API key at a time. Default 1,024, a quarter of all. */
  readonly maxListenersPerClient?: number | undefined;
}

/** Adds the routes. */
export function bookRoutes(routes: Routes, options: BookRoutesOptions): void {
  const { book, store, contracts, jobs, served, speculation } = options;
  const answers = new Answers();
  const places = new Places({
    total: MAX_LISTENERS,
    perClient: options.maxListenersPerClient,
    name: 'listeners',
  });
  const fromKept: preHandlerAsyncHookHandler = async (request, reply) => {
    const kept = book.refusal === undefined ? answers.get(book.generation, request.url) : undefined;
    if (kept !== undefined) return reply.header('etag', kept.tag).type(kept.type).send(kept.body);
    // What is answered is of this generation or of a later one, which the next look finds under its own.
    const { generation } = book;
    keepers.set(request, (answer) => answers.set(generation, request.url, answer));
  };

  routes.get(
    '/v1/accounts',
    {
      preHandler: fromKept,
      schema: {
        summary: 'Accounts by id, with their risk',
        querystring: AccountsQuerySchema,
        response: { 200: AccountsSchema, ...PROBLEMS },
      },
    },
    async ({ query }) => {
      const limit = limitOf(query.limit);
      const [after] = readCursor(query.cursor, 1) ?? [];
      const found = book.accounts(after, limit);
      const last = found.at(-1);
      return {
        block: String(requireBlock(book)),
        accounts: found.map((account) => accountView(book, account)),
        ...(found.length === limit && last !== undefined && { next: cursorOf(last.accountId) }),
      };
    },
  );

  routes.get(
    '/v1/accounts/:id',
    {
      preHandler: fromKept,
      schema: {
        summary: 'An account',
        params: AccountParamsSchema,
        response: { 200: AccountViewSchema, ...PROBLEMS },
      },
    },
    async ({ params }) => accountView(book, known(book, params.id)),
  );

  routes.get(
    '/v1/accounts/:id/margin',
    {
      preHandler: fromKept,
      schema: {
        summary: 'The exact margin of an account at the newest round, taken apart',
        params: AccountParamsSchema,
        response: { 200: MarginViewSchema, ...PROBLEMS },
      },
    },
    async ({ params }) => {
      const account = known(book, params.id);
      return accountMarginView(openMarket(book, account), account);
    },
  );

  routes.get(
    '/v1/accounts/:id/liquidation-prices',
    {
      preHandler: fromKept,
      schema: {
        summary:
          'The nearest prices below and above the present one at which the status of an account changes',
        description:
          'Forwards move with spot, volatilities stay at their standardised moneyness, time stands still. Found by search on the exact model.',
        params: AccountParamsSchema,
        response: { 200: LiquidationPricesViewSchema, ...PROBLEMS },
      },
    },
    async ({ params }) => {
      const account = known(book, params.id);
      return accountPricesView(openMarket(book, account), account);
    },
  );

  routes.post(
    '/v1/accounts/:id/proofs',
    {
      schema: {
        summary: 'Ask for an insolvency proof of an account as it stands',
        description: 'The service knows legs, round and parameters. Jobs are those of POST /v1/proofs.',
        params: AccountParamsSchema,
        body: AccountProofRequestSchema,
        response: { ...SUBMISSIONS, ...PROBLEMS },
      },
    },
    async ({ params, body, client }, reply) => {
      const account = known(book, params.id);
      const market = openMarket(book, account);
      if (BigInt(body.round) !== market.record.number) {
        throw new ZkMarginError('STALE_ROUND', 'Ask for a proof of the newest round.', {
          field: 'round',
          details: { newest: market.record.number },
        });
      }
      const request = accountProofRequest(book, contracts, account, market, {
        auction: body.purpose === 'auction',
        keeper: body.keeper,
      });
      // It names no deadline, so that no clock is asked.
      const { record, created } = await jobs.submit(await prepareProof(request, { served, now: 0 }), client);
      speculation?.keepers.learn(body.keeper, body.purpose, client);
      return submitted(reply, jobView(record), created);
    },
  );

  routes.get(
    '/v1/markets',
    {
      preHandler: fromKept,
      schema: {
        summary: 'Underlyings with their newest round, parameters and terms',
        response: { 200: MarketsSchema, ...PROBLEMS },
      },
    },
    async () => ({ block: String(requireBlock(book)), markets: book.markets().map(marketView) }),
  );

  routes.get(
    '/v1/rounds',
    {
      schema: {
        summary: 'Rounds of the oracle, the newest first',
        querystring: RoundsQuerySchema,
        response: { 200: RoundsSchema, ...PROBLEMS },
      },
    },
    async ({ query }) => {
      const limit = limitOf(query.limit);
      requireBlock(book);
      const ids =
        query.underlying === undefined
          ? book.markets().map(({ underlyingId }) => underlyingId)
          : [underlyingIdOf(query.underlying)];
      // Of several underlyings one after the other.
      const [place = 0n, before] = readCursor(query.cursor, 2) ?? [];
      let index = Number(place);
      let rounds = index < ids.length ? await store.rounds(ids[index]!, { before, limit }) : [];
      while (rounds.length < limit && index + 1 < ids.length) {
        index++;
        rounds = [...rounds, ...(await store.rounds(ids[index]!, { limit: limit - rounds.length }))];
      }
      const last = rounds.at(-1);
      return {
        rounds: rounds.map(roundView),
        ...(rounds.length === limit && last !== undefined && { next: cursorOf(index, last.number) }),
      };
    },
  );

  routes.get(
    '/v1/auctions',
    {
      schema: {
        summary: 'Auctions with their bids, the newest first',
        querystring: AuctionsQuerySchema,
        response: { 200: AuctionsSchema, ...PROBLEMS },
      },
    },
    async ({ query }) => {
      const limit = limitOf(query.limit);
      requireBlock(book);
      const [before] = readCursor(query.cursor, 1) ?? [];
      const running = query.running === undefined ? undefined : query.running === 'true';
      const found = await store.auctions({ running, before, limit });
      const auctions = [];
      for (const auction of found) {
        auctions.push(auctionView(book, auction, await store.sales({ auctionNumber: auction.number })));
      }
      const last = found.at(-1);
      return {
        auctions,
        ...(found.length === limit && last !== undefined && { next: cursorOf(last.number) }),
      };
    },
  );

  routes.get(
    '/v1/liquidations',
    {
      preHandler: fromKept,
      schema: {
        summary: 'Accounts below their requirement that no auction sells yet, the most urgent first',
        querystring: LiquidationsQuerySchema,
        response: { 200: LiquidationsSchema, ...PROBLEMS },
      },
    },
    async ({ query }) => {
      const limit = limitOf(query.limit);
      requireBlock(book);
      const [revision, offset = 0n] = readCursor(query.cursor, 2) ?? [];
      if (revision !== undefined && revision !== book.revision) {
        throw new ZkMarginError('CONFLICT', 'Begin at the first page: the feed has changed.', {
          field: 'cursor',
        });
      }
      const wanted = query.underlying === undefined ? undefined : underlyingIdOf(query.underlying);
      const candidates = book
        .candidates()
        .filter(({ market }) => wanted === undefined || market.underlyingId === wanted);
      const from = Number(offset);
      const page = candidates.slice(from, from + limit);
      return {
        revision: String(book.revision),
        liquidations: page.flatMap((candidate) => liquidationView(book, candidate) ?? []),
        ...(from + limit < candidates.length && {
          next: cursorOf(book.revision, from + limit),
          ...(from === 0 && {
            further: Array.from(
              { length: Math.min(MAX_FURTHER_PAGES, Math.ceil(candidates.length / limit) - 1) },
              (_, page) => cursorOf(book.revision, (page + 1) * limit),
            ),
          }),
        }),
      };
    },
  );

  routes.get(
    '/v1/events',
    {
      schema: {
        summary: 'Rounds, changes of accounts, auctions, rollbacks and alerts, as server-sent events',
        description:
          'Event types: round, account, auction, opening, rollback, alert, and reset when events since Last-Event-ID are not known any more: ' +
          'then read the lists again. A comment now and then shows that the service lives.',
        response: {
          200: { description: 'Events', content: { 'text/event-stream': { schema: Type.String() } } },
          ...PROBLEMS,
        },
      },
    },
    async (request, reply) => {
      if (book.refusal !== undefined) throw book.refusal;
      if (book.events.closed) throw new ZkMarginError('BUSY', 'Try again later: the service is closing.');
      const leave = places.take(request.client);
      const last = request.headers['last-event-id'];
      reply.hijack();
      sendEvents(reply as unknown as FastifyReply, book, typeof last === 'string' ? last : undefined, leave);
    },
  );
}

/** Gives lists and accounts a digest, and answers 304 to those who have them already. */
export function addEntityTags(app: FastifyInstance): void {
  app.addHook('onSend', async (request, reply, payload) => {
    const readable = request.method === 'GET' && reply.statusCode === 200 && typeof payload === 'string';
    if (!readable || !request.url.startsWith('/v1/')) return payload;
    const known = reply.getHeader('etag');
    const tag =
      typeof known === 'string'
        ? known
        : `"${createHash('sha256').update(payload).digest('base64url').slice(0, 32)}"`;
    reply.header('etag', tag);
    keepers.get(request)?.({ tag, body: payload, type: String(reply.getHeader('content-type')) });
    const asked = request.headers['if-none-match'];
    const same = asked
      ?.split(',')
      .some((item) => item.trim().replace(/^W\//, '') === tag || item.trim() === '*');
    if (!same) return payload;
    reply.code(304).removeHeader('content-type').removeHeader('content-length');
    return '';
  });
}

/** Why nothing is told of the chain. @throws ZkMarginError `BUSY` before the first block, `CHAIN_DIVERGED`, `STORE_MISMATCH` */
function requireBlock(book: LiveBook): bigint {
  const { refusal } = book;
  if (refusal !== undefined) throw refusal;
  if (book.block === undefined)
    throw new ZkMarginError('BUSY', 'Try again later: no block has been looked at.');
  return book.block;
}

function known(book: LiveBook, id: string): AccountRecord {
  requireBlock(book);
  const account = book.account(BigInt(id));
  if (account === undefined) {
    throw new ZkMarginError('NOT_FOUND', 'Use the id of an account that exists.', { field: 'id' });
  }
  return account;
}

/** The market of an account with positions that are known. */
function openMarket(book: LiveBook, account: AccountRecord): BookMarket {
  if (account.scale === 0n) {
    throw new ZkMarginError('NO_LEGS', 'Nothing is required of this account: it has no positions.', {
      field: 'id',
    });
  }
  if (book.opening(account)?.status !== 'known') {
    const { status = 'missing' } = book.opening(account) ?? {};
    throw new ZkMarginError(
      'COMMITMENT_MISMATCH',
      'The positions of this account are not known: no opening of its commitment was published.',
      { field: 'id', details: { opening: status } },
    );
  }
  const market = book.market(account.underlyingId);
  if (market === undefined) {
    throw new ZkMarginError('NOT_ENOUGH_DATA', 'Wait for the first round of this underlying.', {
      field: 'id',
    });
  }
  return market;
}

/**
 * Follows the log at the pace of the client: what it does not take yet stays in the log, once for all clients. One that falls so far
 * behind that the log has forgotten is told to begin anew.
 */
function sendEvents(
  reply: FastifyReply,
  { events }: LiveBook,
  last: string | undefined,
  onEnd: () => void,
): void {
  const { raw } = reply;
  let ready = true;
  let woken = false;
  const write = (text: string | Buffer) => {
    ready = raw.write(text);
  };
  const reset = () => {
    place = events.count;
    write(`id: ${events.last}\nevent: reset\ndata: {}\n\n`);
  };
  const follow = () => {
    woken = false;
    while (ready && !raw.destroyed) {
      const next = events.textAfter(place, EVENT_CHUNK_BYTES);
      if (next === undefined) reset();
      else if (next.to === place) return;
      else {
        place = next.to;
        write(next.bytes);
      }
    }
  };
  raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  let place = events.count;
  const known = last === undefined ? place : events.placeOf(last);
  if (known === undefined) reset();
  else place = known;
  // A first word, so that the client knows from when on it listens.
  if (last === undefined) write(`id: ${events.last}\n: listening\n\n`);
  follow();
  raw.on('drain', () => {
    ready = true;
    follow();
  });
  const pulse = setInterval(() => {
    if (ready) write(': listening\n\n');
    // Nothing was taken since the last pulse: the client is gone.
    else if (stuck === place) raw.destroy();
    stuck = ready ? undefined : place;
  }, EVENT_PULSE_MS);
  let stuck: number | undefined;
  // The log ends whoever comes after it was closed at once, before there is anything to stop.
  let stop = () => {};
  const end = () => {
    clearInterval(pulse);
    stop();
    onEnd();
    raw.end();
  };
  stop = events.listen(() => {
    // Events of one round come in one go: one write for all of them.
    if (!woken) setImmediate(follow);
    woken = true;
  }, end);
  raw.once('close', end);
  raw.once('error', end);
}
