/** Endpoints of which one contradicts the store or the others, and a book that is refused until the chain is right again. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestClient, http } from 'viem';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  indexedContracts,
  startUnprovenWorld,
  type UnprovenWorld,
} from '../../scripts/lib/unproven-protocol.ts';
import { isPlausible } from '../../src/chain/indexer/endpoints.ts';
import { INDEXED_ROLES, type IndexedContracts, Indexer } from '../../src/chain/indexer/index.ts';
import { type RunningService, startService } from '../../src/service/index.ts';
import { ChainStore } from '../../src/store/chain-store.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { postgresBinaries, startTestPostgres, type TestPostgres } from '../../src/store/testing.ts';
import { type Behaviour, type RpcProxy, startProxy } from './proxies.ts';

const root = mkdtempSync(join(tmpdir(), 'zkmargin-endpoints-'));
let world: UnprovenWorld;
let server: TestPostgres | undefined;
let database: Database;
let store: ChainStore;
let proxies: RpcProxy[] = [];

/** An empty store that lasts; a server's starts sooner. */
const place = async () =>
  server === undefined ? { directory: join(root, 'store') } : { url: await server.createDatabase() };

beforeAll(async () => {
  if (postgresBinaries() !== undefined) server = await startTestPostgres();
  world = await startUnprovenWorld();
  database = await openDatabase(server && (await place()));
  store = new ChainStore(database);
}, 600_000);
afterAll(async () => {
  await database?.close();
  await world?.protocol.stop();
  await server?.stop();
  rmSync(root, { recursive: true, force: true });
});
beforeEach(() => store.clear());
afterEach(async () => {
  await Promise.all(proxies.splice(0).map((proxy) => proxy.stop()));
});

async function start(...behaviours: Behaviour[]): Promise<RpcProxy[]> {
  proxies = await Promise.all(behaviours.map((behaviour) => startProxy(world.protocol.anvil.url, behaviour)));
  return proxies;
}

function follow(maxReorgDepth?: number): { indexer: Indexer; conditions(): string[]; told: string[] } {
  const told: string[] = [];
  const indexer = new Indexer({
    store,
    contracts: indexedContracts(world.protocol),
    abis: world.protocol.abis,
    maxReorgDepth,
    endpoints: {
      urls: proxies.map(({ url }) => url),
      timeoutMs: 10_000,
      // Each look is a new one.
      cooldownMs: 0,
      onChange: ({ condition }) => told.push(condition),
    },
  });
  return { indexer, conditions: () => indexer.status().endpoints.map(({ condition }) => condition), told };
}

const newest = async () => (await world.protocol.client.getBlock()).number;
const grow = () => world.protocol.createFunded(world.protocol.operator, 9n);

describe('an endpoint with another history', () => {
  it('is set aside as long as another one agrees with the store, and is asked again when it is right', async () => {
    const [preferred, other] = await start('pass', 'pass');
    const { indexer, conditions, told } = follow(3);
    await indexer.sync();
    for (const proxy of proxies) proxy.forkAt = (await store.oldestBlock())!.number + 1n;
    preferred!.behaviour = 'fork';
    for (let times = 0; times < 3; times++) {
      await grow();
      await indexer.sync();
      expect(conditions()).toEqual(['diverged', 'ok']);
      expect((await store.tip())!.number).toBe(await newest());
      expect(indexer.refusal).toBeUndefined();
    }
    // Once for each change, not at each look.
    expect(told.filter((condition) => condition === 'diverged')).toHaveLength(1);
    expect(indexer.status().endpoints[0]!.message).toMatch(/^its block \d+ is another one than the store's$/);

    other!.behaviour = 'fail';
    await expect(indexer.sync()).rejects.toMatchObject({ code: 'CHAIN_DIVERGED' });
    expect(indexer.refusal).toMatchObject({ code: 'CHAIN_DIVERGED' });
    preferred!.behaviour = 'fail';
    other!.behaviour = 'fork';
    await expect(follow(3).indexer.sync()).rejects.toMatchObject({ code: 'CHAIN_DIVERGED' });

    preferred!.behaviour = 'pass';
    await indexer.sync();
    expect(conditions()).toEqual(['ok', 'diverged']);
    expect(indexer.refusal).toBeUndefined();
  });

  it('is of another chain when not even the first block is there', async () => {
    await start('pass');
    await createTestClient({ mode: 'anvil', transport: http(world.protocol.anvil.url) }).mine({ blocks: 5 });
    const { indexer } = follow(3);
    await indexer.sync();
    proxies[0]!.behaviour = 'fork';
    const later = follow(3);
    await expect(later.indexer.sync()).rejects.toMatchObject({ code: 'CHAIN_DIVERGED' });
    expect(later.conditions()).toEqual(['wrongChain']);
  });
});

describe('an endpoint that names more blocks than there are', () => {
  const GREAT = 10n ** 12n;

  it.each([
    ['three', 'ahead', ['ahead', 'pass', 'pass'], ['ahead', 'ok', 'ok']],
    [
      'three, one of which is late',
      'ahead',
      ['forge', 'lag', 'pass', 'pass'],
      ['ahead', 'lagging', 'ok', 'ok'],
    ],
    ['two, and shows none', 'ahead', ['ahead', 'pass'], ['ahead', 'ok']],
    ['two, and makes one up', 'forge', ['forge', 'pass'], ['ahead', 'ok']],
  ] as [string, Behaviour, Behaviour[], string[]][])(
    'of %s, is asked for those of the others, and makes nobody look late',
    async (_, __, behaviours, expected) => {
      const [liar] = await start(...behaviours);
      liar!.lead = GREAT;
      const { indexer, conditions } = follow();
      await grow();
      await indexer.sync();
      expect(conditions()).toEqual(expected);
      expect(indexer.status()).toMatchObject({ head: await newest(), tip: await newest(), behind: 0 });
    },
  );

  it('of two, is believed a little when it makes blocks up, until it has to give them', async () => {
    const [liar] = await start('forge', 'pass');
    liar!.lead = 20n;
    const { indexer, conditions } = follow();
    await grow();
    await indexer.sync();
    expect(conditions()).toEqual(['error', 'ok']);
    expect((await store.tip())!.number).toBe(await newest());
  });

  it('is believed where most name as many', async () => {
    await start('lag', 'pass', 'pass');
    const { indexer, conditions } = follow();
    await indexer.sync();
    expect(conditions()).toEqual(['lagging', 'ok', 'ok']);
  });
});

describe('a later block', () => {
  it.each([
    [1_000, 1, true],
    [1_000, 60, true],
    [1_000, 61, false],
    [900, 0, false],
    [900, 40, true],
  ])('with a time of %d s, %d s ahead, is plausible: %s', (former, ahead, plausible) => {
    const now = 1_000n;
    const timestamp = now + BigInt(ahead);
    const later = { number: 5_000n, timestamp };
    const blocks = former === 1_000 ? 20n : 20n * 140n;
    expect(isPlausible(later, { number: later.number - blocks, timestamp: BigInt(former) }, now)).toBe(
      plausible,
    );
  });

  it('may be ahead of this clock where the former one is', () => {
    const former = { number: 1n, timestamp: 5_000n };
    expect(isPlausible({ number: 9n, timestamp: 5_010n }, former, 1_000n)).toBe(true);
    expect(isPlausible({ number: 9n, timestamp: 5_061n }, former, 1_000n)).toBe(false);
    expect(isPlausible({ number: 9n, timestamp: 5_000n }, former, 1_000n)).toBe(false);
  });
});

describe('a book that is refused', () => {
  const serve = (on: Awaited<ReturnType<typeof place>>, book: IndexedContracts): Promise<RunningService> =>
    startService({
      port: 0,
      workers: 0,
      store: on,
      chain: { rpc: proxies.map(({ url }) => url), book, pollMs: 50, rpcTimeoutMs: 10_000 },
    });
  const answerOf = async ({ url }: RunningService, path: string) => {
    const answer = await fetch(url + path);
    const { code, reasons } = (await answer.json()) as { code?: string; reasons?: string[] };
    return { status: answer.status, code, reasons };
  };
  const eventually = (service: RunningService, path: string, expected: object) =>
    vi.waitFor(async () => expect(await answerOf(service, path)).toMatchObject(expected), {
      timeout: 60_000,
      interval: 50,
    });
  const SHOWN = { status: 200 };
  const DIVERGED = { status: 503, code: 'CHAIN_DIVERGED' };

  it('stays refused when the chain cannot be reached any more, until it has the blocks again', async () => {
    const [proxy] = await start('pass');
    const contracts = indexedContracts(world.protocol);
    const same = await place();
    let service = await serve(same, contracts);
    try {
      await eventually(service, '/v1/accounts', SHOWN);
      proxy!.behaviour = 'fork';
      await eventually(service, '/v1/accounts', DIVERGED);
      proxy!.behaviour = 'fail';
      const both = ['CHAIN_UNAVAILABLE', 'CHAIN_DIVERGED'].map(
        (code) => `the chain cannot be followed (${code})`,
      );
      await eventually(service, '/readyz', { reasons: expect.arrayContaining(both) });
      expect(await answerOf(service, '/v1/accounts')).toMatchObject(DIVERGED);
      // A chain that ends before does not show that it has them.
      proxy!.behaviour = 'lag';
      await vi.waitFor(async () => expect(service.indexer!().problem).toBeUndefined(), { timeout: 60_000 });
      expect(await answerOf(service, '/v1/accounts')).toMatchObject(DIVERGED);
      proxy!.behaviour = 'pass';
      await eventually(service, '/v1/accounts', SHOWN);

      // Nobody knows of which chain the store is, before one has answered.
      await service.close();
      proxy!.behaviour = 'fail';
      service = await serve(same, contracts);
      await eventually(service, '/readyz', { reasons: expect.arrayContaining(both.slice(0, 1)) });
      expect(await answerOf(service, '/v1/accounts')).toMatchObject({ status: 503, code: 'BUSY' });
      proxy!.behaviour = 'pass';
      await eventually(service, '/v1/accounts', SHOWN);

      // Of which deployment it is, it says itself.
      await service.close();
      proxy!.behaviour = 'fail';
      const addresses = Object.fromEntries(
        INDEXED_ROLES.map((role) => [role, `0x${'12'.repeat(20)}`]),
      ) as IndexedContracts['addresses'];
      service = await serve(same, { ...contracts, addresses });
      await eventually(service, '/v1/accounts', { status: 503, code: 'STORE_MISMATCH' });
    } finally {
      await service.close();
    }
  });
});
