/** The indexer on a real chain with all contracts: a story, restarts, reorganisations, and endpoints that misbehave. */
import { createTestClient, http } from 'viem';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  collateralOf,
  liquidationOrder,
  proveForAuction,
  proveForEngine,
  startAuction,
} from '../../scripts/lib/local-auction.ts';
import type { OpenedPair } from '../../scripts/lib/local-book.ts';
import {
  indexedContracts,
  startUnprovenWorld,
  UNPROVEN,
  type UnprovenWorld,
} from '../../scripts/lib/unproven-protocol.ts';
import {
  INDEXED_ROLES,
  Indexer,
  type IndexerOptions,
  type IndexerStep,
} from '../../src/chain/indexer/index.ts';
import { packLeg } from '../../src/market/instrument.ts';
import { packRound } from '../../src/market/words.ts';
import { ChainStore } from '../../src/store/chain-store.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import {
  NO_POSTGRES,
  postgresBinaries,
  startTestPostgres,
  type TestPostgres,
} from '../../src/store/testing.ts';
import { startProxy } from './proxies.ts';

const present = postgresBinaries() !== undefined;
if (!present) console.warn(`left out: ${NO_POSTGRES}`);

let server: TestPostgres | undefined;
let world: UnprovenWorld;
let database: Database;
let store: ChainStore;
const steps: IndexerStep[] = [];

beforeAll(async () => {
  if (present) server = await startTestPostgres();
}, 60_000);
afterAll(() => server?.stop());

/** A database without data, of a kind that can be had here. */
async function freshDatabase(kind: Database['kind']): Promise<Database> {
  return kind === 'postgres' ? openDatabase({ url: await server!.createDatabase() }) : openDatabase();
}

/** A chain and a store for the tests of one block. */
function inNewWorld(kind: Database['kind']): void {
  beforeAll(async () => {
    world = await startUnprovenWorld();
    database = await freshDatabase(kind);
    store = new ChainStore(database);
  }, 600_000);
  afterAll(async () => {
    await database?.close();
    await world?.protocol.stop();
  });
}

function indexer(options: Partial<IndexerOptions> & { urls?: readonly string[] } = {}): Indexer {
  const { protocol } = world;
  const { urls = [protocol.anvil.url], ...rest } = options;
  return new Indexer({
    store,
    contracts: indexedContracts(protocol),
    abis: protocol.abis,
    endpoints: { urls, timeoutMs: 10_000 },
    onStep: (step) => steps.push(step),
    ...rest,
  });
}

/** Every account of the store is as the contracts have it, and none is missing. */
async function expectTruth(): Promise<void> {
  const { protocol } = world;
  const count = await protocol.read<bigint>('clearingHouse', 'accountCount');
  const truth = [];
  for (let id = 1n; id <= count; id++) {
    const { owner, nonce, underlyingId, commitment, cash, scale, inAuction } = await protocol.account(id);
    const { value, moving, saleValue } = await collateralOf(protocol, id, false);
    truth.push({
      accountId: id,
      owner,
      nonce,
      underlyingId: BigInt(underlyingId),
      commitment,
      cash,
      scale,
      inAuction,
      collateral: value,
      movingCollateral: moving,
      saleCollateral: saleValue,
      feeChargedAt: await protocol.read<bigint>('auctionHouse', 'feeChargedAt', [id]),
    });
  }
  expect((await store.accounts()).map(({ block: _block, ...account }) => account)).toEqual(truth);
}

describe.each([
  { kind: 'embedded', here: true },
  { kind: 'postgres', here: present },
] as const)('a story ($kind store)', ({ kind, here }) => {
  if (!here) {
    it.skip(NO_POSTGRES, () => {});
    return;
  }
  inNewWorld(kind);
  let pairs: OpenedPair[];
  let vessel: bigint;

  it('knows accounts with their legs, the round and the parameters', async () => {
    pairs = [];
    for (const account of [...world.failing.slice(0, 2), world.healthy])
      pairs.push(await world.open(account));
    const follower = indexer({ rangeBlocks: 7 });
    await follower.sync();
    await expectTruth();
    const openings = await store.presentOpenings();
    for (const { trader, maker } of pairs) {
      for (const { accountId, legs, salt } of [trader, maker]) {
        const { commitment } = (await store.account(accountId))!;
        expect(openings.get(commitment)).toMatchObject({
          status: 'known',
          legs: legs.map((leg) => packLeg(leg)),
          salt,
        });
      }
    }
    expect(await store.unknownOpenings()).toEqual([]);
    const [round] = await store.newestRounds();
    const words = packRound(world.opening);
    expect(round).toMatchObject({
      number: 1n,
      underlyingWord: words.underlyingWord,
      expiryWords: words.expiryWords,
      woundDown: false,
    });
    expect(await store.parametersInForce()).toMatchObject([{ version: 1n }]);
    expect(await store.maxRoundAges()).toEqual(new Map([[world.protocol.underlyingId, 600n]]));
    expect(follower.status()).toMatchObject({ behind: 0, rollbacks: 0 });
  });

  it('goes on after a restart where it stopped', async () => {
    const { protocol, crashed } = world;
    await protocol.advanceTo(crashed.underlying.timestamp + 1n);
    await protocol.postRound(crashed);
    const before = (await store.tip())!;
    const follower = indexer();
    await follower.sync();
    expect(steps.at(-1)!.blocks).toBe(Number(follower.status().tip! - before.number));
    expect((await store.newestRounds())[0]).toMatchObject({ number: 2n, spot: crashed.underlying.spot });
  });

  it('sees a liquidation and an auction', async () => {
    const { protocol } = world;
    vessel = await protocol.createFunded(protocol.keeper, 5_000_000_000_000n);
    const [first, second] = pairs;
    const proven = await proveForEngine(protocol, UNPROVEN, first!.trader, protocol.keeper);
    const order = await liquidationOrder(protocol, first!.trader.accountId, vessel, proven);
    const before = await protocol.account(first!.trader.accountId);
    await protocol.write(protocol.keeper, 'engine', 'liquidate', [order, proven.proof]);
    const figures = await proveForAuction(protocol, UNPROVEN, second!.trader, protocol.keeper);
    await startAuction(protocol, protocol.keeper, second!.trader.accountId, figures, vessel);
    await indexer().sync();
    await expectTruth();
    expect(await store.sales({ accountId: first!.trader.accountId })).toMatchObject([
      {
        kind: 'liquidation',
        vesselId: vessel,
        round: 2n,
        figures: {
          state: { mark: String(proven.mark), saleCollateral: '0' },
          liquidation: { sale: { worth: String(before.cash + proven.mark), worthTaken: expect.any(String) } },
        },
      },
    ]);
    // The vessel holds the legs of the account.
    const { commitment } = (await store.account(vessel))!;
    expect((await store.opening(commitment))?.legs).toEqual(first!.trader.legs.map((leg) => packLeg(leg)));
    const [auction] = await store.auctions({ running: true });
    expect(auction).toMatchObject({
      accountId: second!.trader.accountId,
      number: 1n,
      figures: {
        mark: String(figures.mark),
        baseRequirement: String(figures.baseRequirement),
        collateralSlope: String(figures.collateralSlope),
      },
    });
  });

  it('reports an opening that is of another commitment, and has no legs for it', async () => {
    const { mismatched: trader } = await world.tradeWithFalseOpening();
    await indexer().sync();
    await expectTruth();
    expect(steps.at(-1)!.unknownOpenings).toEqual([
      { accountId: trader, reason: 'legs and salt are of another commitment' },
    ]);
    expect(await store.unknownOpenings()).toMatchObject([{ accountId: trader, status: 'mismatch' }]);
  });

  it.each([1, 2, 3, 4, 5])('follows a reorganisation of depth %i', async (depth) => {
    const { protocol } = world;
    const account = pairs[2]!.trader.accountId;
    const deposit = (amount: bigint) =>
      protocol.write(protocol.operator, 'clearingHouse', 'deposit', [account, amount]);
    await indexer().sync();
    const former = await store.account(account);
    const tip = (await store.tip())!;
    const snapshot = await protocol.snapshot();
    for (let block = 0; block < depth; block++) {
      if (block === 1) await protocol.createFunded(protocol.operator, 5n);
      else await deposit(1_000n + BigInt(block));
    }
    await indexer().sync();
    await expectTruth();
    await protocol.revert(snapshot);
    // Another history of the same length, in which nothing happens to the account but once.
    const test = createTestClient({ mode: 'anvil', transport: http(protocol.anvil.url) });
    await test.increaseTime({ seconds: 1 + depth });
    await test.mine({ blocks: depth });
    steps.length = 0;
    const follower = indexer();
    await follower.sync();
    expect(steps[0]).toMatchObject({ rolledBackTo: tip.number, depth });
    expect(follower.status().rollbacks).toBe(1);
    await expectTruth();
    expect(await store.account(account)).toEqual(former);
    await deposit(77n);
    await indexer().sync();
    await expectTruth();
    expect((await store.newestRounds())[0]!.number).toBe(2n);
  });

  it('takes back an auction, a round and an opening with their blocks', async () => {
    const { protocol } = world;
    const snapshot = await protocol.snapshot();
    const tip = (await store.tip())!;
    const before = {
      auctions: await store.auctions(),
      accounts: await store.accounts(),
      openings: await store.presentOpenings(),
      rounds: await store.rounds(protocol.underlyingId),
    };
    await protocol.advance(60);
    const { round } = protocol.market;
    await protocol.postRound({
      ...round,
      underlying: { ...round.underlying, timestamp: await protocol.now() },
    });
    const { accountId } = pairs[0]!.trader;
    const figures = await proveForAuction(protocol, UNPROVEN, pairs[0]!.trader, protocol.keeper, 0);
    const worse = { ...figures, baseRequirement: 10n ** 14n };
    await startAuction(protocol, protocol.keeper, accountId, worse, vessel);
    await indexer().sync();
    await expectTruth();
    expect(await store.rounds(protocol.underlyingId)).toHaveLength(3);
    expect(await store.auctions({ running: true })).toHaveLength(2);
    await protocol.revert(snapshot);
    const test = createTestClient({ mode: 'anvil', transport: http(protocol.anvil.url) });
    await test.mine({ blocks: 12 });
    await indexer().sync();
    await expectTruth();
    expect({
      auctions: await store.auctions(),
      accounts: await store.accounts(),
      openings: await store.presentOpenings(),
      rounds: await store.rounds(protocol.underlyingId),
    }).toEqual(before);
    expect((await store.tip())!.number).toBeGreaterThan(tip.number);
  });

  it('reads the whole chain anew to the same state, in other steps', async () => {
    const again = await freshDatabase(kind);
    try {
      const fresh = new ChainStore(again);
      await indexer({ store: fresh, rangeBlocks: 11, closeBlocks: 1, confirmations: 0 }).sync();
      const plain = async (of: ChainStore) => ({
        accounts: (await of.accounts()).map(({ block: _block, ...account }) => account),
        openings: [...(await of.presentOpenings())],
        rounds: await of.newestRounds(),
        auctions: (await of.auctions()).map(({ block: _block, ...auction }) => auction),
      });
      expect(await plain(fresh)).toEqual(await plain(store));
    } finally {
      await again.close();
    }
  });

  it('leaves out blocks that are not confirmed', async () => {
    const again = await freshDatabase(kind);
    try {
      const fresh = new ChainStore(again);
      const follower = indexer({ store: fresh, confirmations: 3 });
      await follower.sync();
      expect((await fresh.tip())!.number).toBe(follower.status().head! - 3n);
      expect(follower.status().behind).toBe(0);
    } finally {
      await again.close();
    }
  });

  it('refuses a store of another deployment', async () => {
    const { protocol } = world;
    const follower = indexer({
      contracts: {
        chainId: protocol.anvil.chainId,
        addresses: Object.fromEntries(
          INDEXED_ROLES.map((role) => [role, protocol.deployment[role === 'vault' ? 'asset' : role]]),
        ) as IndexerOptions['contracts']['addresses'],
      },
    });
    await expect(follower.sync()).rejects.toMatchObject({ code: 'STORE_MISMATCH' });
  });
});

describe('endpoints', () => {
  inNewWorld('embedded');

  it('are told apart by what they do wrong, and a liar is never asked for anything else', async () => {
    const { url } = world.protocol.anvil;
    const proxies = await Promise.all(
      (['hang', 'fail', 'lag', 'lie', 'pass'] as const).map((behaviour) => startProxy(url, behaviour)),
    );
    const [hanging, failing, lagging, lying, passing] = proxies;
    try {
      const follower = indexer({
        urls: proxies.map((proxy) => proxy.url),
        endpoints: { urls: proxies.map((proxy) => proxy.url), timeoutMs: 2_500, cooldownMs: 100 },
      });
      await world.protocol.createFunded(world.protocol.operator, 9n);
      await follower.sync();
      await expectTruth();
      const { endpoints } = follower.status();
      expect(endpoints.map(({ condition }) => condition)).toEqual([
        'timeout',
        'error',
        'lagging',
        'wrongChain',
        'ok',
      ]);
      expect(JSON.stringify(endpoints.map(({ name, message }) => [name, message]))).not.toContain('secret');
      expect([...lying!.methods.keys()].sort()).toEqual(['eth_blockNumber', 'eth_chainId']);
      expect(lagging!.methods.has('eth_getLogs')).toBe(false);
      expect(passing!.methods.get('eth_getLogs')).toBeGreaterThan(0);

      // An endpoint that failed rests first; the one that lags may be all that is left meanwhile, and then a run reads nothing new.
      const slowly = { interval: 150 };
      const synced = async () => {
        const failure = await follower.sync().catch(({ code }) => code);
        const newest = await world.protocol.client.getBlockNumber();
        const whole = failure === undefined && (await store.tip())?.number === newest;
        return { whole, conditions: follower.status().endpoints.map(({ condition }) => condition) };
      };

      // They change places.
      hanging!.behaviour = 'pass';
      passing!.behaviour = 'hang';
      await world.protocol.createFunded(world.protocol.operator, 9n);
      await expect
        .poll(synced, slowly)
        .toEqual({ whole: true, conditions: ['ok', 'error', 'lagging', 'wrongChain', 'timeout'] });
      await expectTruth();

      // One that stops in the middle of its work is replaced.
      failing!.behaviour = 'pass';
      hanging!.behaviour = 'fail';
      await world.protocol.createFunded(world.protocol.operator, 9n);
      await expect.poll(synced, slowly).toMatchObject({ whole: true });
      await expectTruth();
      for (const proxy of proxies) proxy.behaviour = 'lie';
      await expect
        .poll(
          () =>
            follower.sync().then(
              () => 'done',
              ({ code }) => code,
            ),
          slowly,
        )
        .toBe('CHAIN_UNAVAILABLE');
      expect(follower.status().problem).toMatchObject({ code: 'CHAIN_UNAVAILABLE' });
    } finally {
      await Promise.all(proxies.map((proxy) => proxy.stop()));
    }
  });

  it('serve another chain when the contracts are not there', async () => {
    const { protocol } = world;
    const empty = await freshDatabase('embedded');
    const follower = indexer({
      store: new ChainStore(empty),
      contracts: {
        chainId: protocol.anvil.chainId,
        addresses: {
          ...Object.fromEntries(INDEXED_ROLES.map((role) => [role, protocol.deployment[role]])),
          clearingHouse: `0x${'12'.repeat(20)}`,
        } as IndexerOptions['contracts']['addresses'],
      },
    });
    await expect(follower.sync()).rejects.toMatchObject({ code: 'CHAIN_UNAVAILABLE' });
    expect(follower.status().endpoints[0]).toMatchObject({ condition: 'wrongChain' });
    await empty.close();
  });
});
