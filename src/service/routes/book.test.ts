import Fastify, { type FastifyInstance } from 'fastify';
import { afterEach, expect, it } from 'vitest';
import { ZkMarginError } from '../../errors.ts';
import type { ChainStore } from '../../store/chain-store.ts';
import { LiveBook } from '../book/live-book.ts';
import { testChain, testChainStore } from '../book/testing.ts';
import { problemOfRequest } from '../problems.ts';
import { addEntityTags, type BookRoutesOptions, bookRoutes } from './book.ts';
import type { TypeBoxProvider } from './shared.ts';

let app: FastifyInstance;
afterEach(() => app.close());

function serve(refusal?: ZkMarginError, store = {} as ChainStore): LiveBook {
  const book = new LiveBook({
    store,
    refusal: () => refusal,
  });
  app = Fastify();
  app.setErrorHandler((error, _request, reply) => {
    const problem = problemOfRequest(error);
    return reply.code(problem.status).send(problem);
  });
  const options: Partial<BookRoutesOptions> = { book, store, served: new Set() };
  addEntityTags(app);
  bookRoutes(app.withTypeProvider<TypeBoxProvider>(), options as BookRoutesOptions);
  return book;
}

it('tells a client that wants events while the service closes to come again', async () => {
  const book = serve();
  book.events.close();
  const answer = await app.inject('/v1/events');
  expect([answer.statusCode, answer.json().code]).toEqual([503, 'BUSY']);
});

it('shows nothing that was taken in by half, and nothing kept of it afterwards', async () => {
  const chain = testChain();
  const book = serve(undefined, testChainStore(chain));
  await book.refresh();
  const { rules } = chain;
  const round = async (): Promise<unknown> => {
    const answer = await app.inject('/v1/markets');
    return answer.statusCode === 200
      ? answer.json().markets.map((market: { round: { number: string } }) => market.round.number)
      : [answer.statusCode, answer.json().code];
  };
  expect([await round(), await round()]).toEqual([['5'], ['5']]);
  // The next round comes with rules that cannot be read.
  chain.revision = 2n;
  chain.round = { ...chain.round, number: 6n, block: 2n };
  chain.rules = { ...rules, version: 2n, terms: {} };
  await book.refresh();
  expect(book.problem?.code).toBe('INTERNAL');
  expect([await round(), await round()]).toEqual([
    [503, 'BUSY'],
    [503, 'BUSY'],
  ]);
  // They can be read at last, and the store's revision is the same.
  chain.rules = rules;
  await book.refresh();
  expect(book.revision).toBe(2n);
  expect(await round()).toEqual(['6']);
});

it('shows nothing of a store of another deployment, or of another history', async () => {
  for (const code of ['STORE_MISMATCH', 'CHAIN_DIVERGED'] as const) {
    serve(new ZkMarginError(code, 'Another one.'));
    const paths = [
      'accounts',
      'accounts/1',
      'accounts/1/margin',
      'markets',
      'rounds',
      'liquidations',
      'auctions',
      'events',
    ];
    for (const path of paths) {
      const answer = await app.inject(`/v1/${path}`);
      expect([path, answer.statusCode, answer.json().code]).toEqual([path, 503, code]);
    }
    await app.close();
  }
});
