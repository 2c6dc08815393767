/** Accounts, rounds, auctions, the feed of liquidations, and events: what the service knows of the chain. */
import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { Type } from 'typebox';
import type { IndexedContracts } from '../../chain/indexer/index.ts';
import { ZkMarginError } from '../../errors.ts';
import { underlyingIdOf } from '../../market/instrument.ts';
import type { AccountRecord } from '../../store/chain-records.ts';
import type { ChainStore } from '../../store/chain-store.ts';
import { cursorOf, limitOf, readCursor } from '../book/cursors.ts';
import type { NumberedEvent } from '../book/events.ts';
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
import {
  accountMarginView,
  accountPricesView,
  accountView,
  auctionView,
  liquidationView,
  marketView,
  roundView,
} from '../book/views.ts';
import type { ProofJobs } from '../proof-jobs.ts';
import { prepareProof } from '../requests/index.ts';
import type { ProofRequest } from '../schemas.ts';
import { jobView } from './proofs.ts';
import { PROBLEMS, type Routes, SUBMISSIONS, submitted } from './shared.ts';

const EVENT_PULSE_MS = 15_000;
const EVENT_BACKLOG_BYTES = 1_048_576;
/** Listeners to events at a time. */
const MAX_LISTENERS = 256;

/** What the routes work with. */
export interface BookRoutesOptions {
  readonly book: LiveBook;
  readonly store: ChainStore;
  readonly contracts: IndexedContracts;
  readonly jobs: ProofJobs;
  readonly served: ReadonlySet<string>;
  readonly now: () => number;
}

/** Adds the routes. */
export function bookRoutes(routes: Routes, options: BookRoutesOptions): void {
  const { book, store, contracts, jobs, served, now } = options;

  routes.get(
    '/v1/accounts',
    {
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
        description:
          'The service knows legs, round and parameters. The same statement asked for twice is one job.',
        params: AccountParamsSchema,
        body: AccountProofRequestSchema,
        response: { ...SUBMISSIONS, ...PROBLEMS },
      },
    },
    async ({ params, body }, reply) => {
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
      const { record, created } = await jobs.submit(await prepareProof(request, { served, now: now() }));
      return submitted(reply, jobView(record), created);
    },
  );

  routes.get(
    '/v1/markets',
    {
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
        ...(from + limit < candidates.length && { next: cursorOf(book.revision, from + limit) }),
      };
    },
  );

  routes.get(
    '/v1/events',
    {
      schema: {
        summary: 'Rounds, changes of accounts, auctions and rollbacks, as server-sent events',
        description:
          'Event types: round, account, auction, opening, rollback, and reset when events since Last-Event-ID are not known any more: ' +
          'then read the lists again. A comment now and then shows that the service lives.',
        response: {
          200: { description: 'Events', content: { 'text/event-stream': { schema: Type.String() } } },
          ...PROBLEMS,
        },
      },
    },
    async (request, reply) => {
      if (book.events.listeners >= MAX_LISTENERS) {
        throw new ZkMarginError('BUSY', 'Try again later: too many listen to events.');
      }
      const last = request.headers['last-event-id'];
      reply.hijack();
      sendEvents(reply as unknown as FastifyReply, book, typeof last === 'string' ? last : undefined);
    },
  );
}

/** Gives lists and accounts a digest, and answers 304 to those who have them already. */
export function addEntityTags(app: FastifyInstance): void {
  app.addHook('onSend', async (request, reply, payload) => {
    const readable = request.method === 'GET' && reply.statusCode === 200 && typeof payload === 'string';
    if (!readable || !request.url.startsWith('/v1/')) return payload;
    const tag = `"${createHash('sha256').update(payload).digest('base64url').slice(0, 32)}"`;
    reply.header('etag', tag);
    const asked = request.headers['if-none-match'];
    const same = asked
      ?.split(',')
      .some((item) => item.trim().replace(/^W\//, '') === tag || item.trim() === '*');
    if (!same) return payload;
    reply.code(304).removeHeader('content-type').removeHeader('content-length');
    return '';
  });
}

/** Why nothing is told of the chain yet. @throws ZkMarginError `BUSY` */
function requireBlock(book: LiveBook): bigint {
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

/** The statement that an account is insolvent, as the contract that takes the proof wants it. */
function accountProofRequest(
  book: LiveBook,
  contracts: IndexedContracts,
  account: AccountRecord,
  market: BookMarket,
  { auction, keeper }: { readonly auction: boolean; readonly keeper: string },
): ProofRequest {
  const present = auction ? book.auction(account.accountId) : undefined;
  // One that a settlement has superseded is started anew, with the account as it stands.
  const running =
    present === undefined || auctionView(book, present).superseded ? undefined : present.figures;
  const { salt } = book.opening(account)!;
  const legs = book.legs(account)!;
  const { header, ...rest } = marketView(market).parameters;
  return {
    circuit: 'insolvency',
    legs: legs.map(({ instrument, quantity }) => ({
      instrument: { ...instrument, strike: String(instrument.strike) },
      quantity: String(quantity),
    })),
    salt: String(salt),
    // Proofs for a running auction are at the scale and the nonce with which it began.
    scale: running === undefined ? String(account.scale) : String(running.baseScale),
    underlyingWord: String(market.record.underlyingWord),
    expiryWords: market.record.expiryWords.map(String),
    parameters: { header, ...rest },
    context: {
      chainId: String(contracts.chainId),
      engine: contracts.addresses[auction ? 'auctionHouse' : 'engine'],
      accountId: String(account.accountId),
      nonce: running === undefined ? String(account.nonce) : String(running.startNonce),
      round: String(market.record.number),
      keeper,
    },
    // In an auction the recorded scale is another one than that of the cash; the contract judges there.
    ...(running === undefined && { cash: String(account.cash + account.collateral) }),
  };
}

function sendEvents(reply: FastifyReply, book: LiveBook, last: string | undefined): void {
  const { raw } = reply;
  const write = (text: string) => {
    // What a client does not take is not piled up for it.
    if (!raw.write(text) && raw.writableLength > EVENT_BACKLOG_BYTES) raw.destroy();
  };
  const send = ({ id, type, data }: NumberedEvent) =>
    write(`id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
  raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  const missed = last === undefined ? [] : book.events.since(last);
  if (missed === undefined) write(`id: ${book.events.last}\nevent: reset\ndata: {}\n\n`);
  // A first word, so that the client knows from when on it listens.
  else if (last === undefined) write(`id: ${book.events.last}\n: listening\n\n`);
  for (const event of missed ?? []) send(event);
  const pulse = setInterval(() => write(': listening\n\n'), EVENT_PULSE_MS);
  const end = () => {
    clearInterval(pulse);
    stop();
    raw.end();
  };
  const stop = book.events.listen(send, end);
  raw.once('close', end);
  raw.once('error', end);
}
