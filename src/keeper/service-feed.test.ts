import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ServiceClient } from '../client/index.ts';
import { ServiceFeed } from './service-feed.ts';

/** What a service answers to a path with its query. */
type Answer = (path: URL) => unknown | Promise<unknown>;

let server: Server | undefined;
afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
});

/** A client of a server that answers as it is told; an error is a problem document with that code. */
async function clientOf(answer: Answer): Promise<ServiceClient> {
  server = createServer((request, response) => {
    void (async () => {
      const problem = (code: string) => {
        response.writeHead(409, { 'content-type': 'application/problem+json' });
        response.end(JSON.stringify({ code, detail: 'Begin at the first page.' }));
      };
      try {
        const body = JSON.stringify(await answer(new URL(request.url!, 'http://service')));
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(body);
      } catch (error) {
        problem((error as Error).message);
      }
    })();
  });
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  return new ServiceClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

/** Pages of a feed whose revision can change. Items are named by revision and place. */
class Pages {
  revision = 1;
  asked = 0;
  open = 0;
  mostOpen = 0;
  readonly #count: number;
  readonly #named: number;

  constructor(count: number, named = count - 1) {
    this.#count = count;
    this.#named = named;
  }

  async page(path: URL): Promise<unknown> {
    this.asked += 1;
    this.open += 1;
    this.mostOpen = Math.max(this.mostOpen, this.open);
    const { revision } = this;
    const [asked = revision, index = 0] = (path.searchParams.get('cursor') ?? '')
      .split(':')
      .filter(Boolean)
      .map(Number);
    // Pages that can be asked for side by side are there at the same time.
    for (let turn = 0; turn < 20 && this.open < 2; turn++)
      await new Promise((resolve) => setTimeout(resolve, 5));
    this.open -= 1;
    if (asked !== revision) throw new Error('CONFLICT');
    return {
      revision: String(revision),
      liquidations: [`${revision}/${index}`],
      ...(index + 1 < this.#count && { next: `${revision}:${index + 1}` }),
      ...(index === 0 && {
        further: Array.from({ length: this.#named }, (_, page) => `${revision}:${page + 1}`),
      }),
    };
  }
}

describe('all pages of the feed of liquidations', () => {
  it.each([
    [1, 0],
    [6, 5],
    // A service names so many pages at once, no more.
    [6, 3],
  ])('of %d pages, %d of which are named, come in order and side by side', async (count, named) => {
    const pages = new Pages(count, named);
    const client = await clientOf((path) => pages.page(path));
    expect(await client.allLiquidations()).toEqual(Array.from({ length: count }, (_, page) => `1/${page}`));
    expect(pages.asked).toBe(count);
    if (count > 1) expect(pages.mostOpen).toBeGreaterThan(1);
    expect(pages.mostOpen).toBeLessThanOrEqual(4);
  });

  it('are of one revision: a change begins anew', async () => {
    const pages = new Pages(4);
    const client = await clientOf((path) => {
      const answer = pages.page(path);
      // Between the first page and the rest, once.
      if (pages.asked === 1) void answer.then(() => (pages.revision = 2));
      return answer;
    });
    expect(await client.allLiquidations()).toEqual(['2/0', '2/1', '2/2', '2/3']);
  });

  it('are given up when the feed changes all the time', async () => {
    const pages = new Pages(3);
    const client = await clientOf(async (path) => {
      const answer = await pages.page(path);
      pages.revision += 1;
      return answer;
    });
    await expect(client.allLiquidations()).rejects.toMatchObject({ code: 'CONFLICT' });
  });
});

describe('markets', () => {
  it('of several underlyings are asked for once at a time', async () => {
    let asked = 0;
    const feed = new ServiceFeed(
      await clientOf(() => {
        asked += 1;
        return { block: '17', markets: [] };
      }),
    );
    const none = { code: 'NOT_FOUND' };
    await Promise.all([1n, 2n, 3n].map((id) => expect(feed.market(id)).rejects.toMatchObject(none)));
    expect(asked).toBe(1);
    await expect(feed.market(1n)).rejects.toMatchObject(none);
    expect(asked).toBe(2);
    expect(await feed.newestBlock()).toBe(17n);
  });
});
