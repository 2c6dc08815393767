import Fastify, { type FastifyInstance } from 'fastify';
import { afterEach, expect, it } from 'vitest';
import { ZkMarginError } from '../../errors.ts';
import type { ChainStore } from '../../store/chain-store.ts';
import { LiveBook } from '../book/live-book.ts';
import { problemOfRequest } from '../problems.ts';
import { type BookRoutesOptions, bookRoutes } from './book.ts';
import type { TypeBoxProvider } from './shared.ts';

let app: FastifyInstance;
afterEach(() => app.close());

function serve(refusal?: ZkMarginError): LiveBook {
  const store: Partial<ChainStore> = {};
  const book = new LiveBook({
    store: store as ChainStore,
    refusal: () => refusal,
  });
  app = Fastify();
  app.setErrorHandler((error, _request, reply) => {
    const problem = problemOfRequest(error);
    return reply.code(problem.status).send(problem);
  });
  const options: Partial<BookRoutesOptions> = { book, store: store as ChainStore, served: new Set() };
  bookRoutes(app.withTypeProvider<TypeBoxProvider>(), options as BookRoutesOptions);
  return book;
}

it('ends the events of a client that comes while the service closes', async () => {
  const book = serve();
  book.events.close();
  const { statusCode, body } = await app.inject('/v1/events');
  expect([statusCode, body]).toEqual([200, expect.stringContaining(': listening')]);
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
