/** Endpoints that fail in the middle of a range, and a chain whose history changes more deeply than is followed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { createTestClient, http } from 'viem';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  indexedContracts,
  startUnprovenWorld,
  type UnprovenWorld,
} from '../../scripts/lib/unproven-protocol.ts';
import { Indexer } from '../../src/chain/indexer/index.ts';
import { ServiceClient } from '../../src/client/index.ts';
import { registerStore } from '../../src/commands/store.ts';
import { startService } from '../../src/service/index.ts';
import { ChainStore } from '../../src/store/chain-store.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { type Behaviour, type RpcProxy, startProxy } from './proxies.ts';

const root = mkdtempSync(join(tmpdir(), 'zkmargin-faults-'));
let world: UnprovenWorld;

beforeAll(async () => {
  world = await startUnprovenWorld();
}, 600_000);
afterAll(async () => {
  await world?.protocol.stop();
  rmSync(root, { recursive: true, force: true });
});

function chainControl() {
  return createTestClient({ mode: 'anvil', transport: http(world.protocol.anvil.url) });
}

describe('an endpoint that fails in the middle of a range', () => {
  let database: Database;
  let store: ChainStore;
  let proxy: RpcProxy;
  beforeAll(async () => {
    database = await openDatabase();
    store = new ChainStore(database);
    proxy = await startProxy(world.protocol.anvil.url);
  });
  afterAll(async () => {
    await proxy?.stop();
    await database?.close();
  });

  function indexer(urls: readonly string[], rangeBlocks?: number) {
    return new Indexer({
      store,
      contracts: indexedContracts(world.protocol),
      abis: world.protocol.abis,
      endpoints: { urls, timeoutMs: 1_000, cooldownMs: 600_000 },
      rangeBlocks,
    });
  }

  async function expectTruth(): Promise<void> {
    const { protocol } = world;
    const count = await protocol.read<bigint>('clearingHouse', 'accountCount');
    const truth = [];
    for (let id = 1n; id <= count; id++) {
      const { commitment, cash } = await protocol.account(id);
      truth.push({ accountId: id, commitment, cash });
    }
    const kept = (await store.accounts()).map(({ accountId, commitment, cash }) => ({
      accountId,
      commitment,
      cash,
    }));
    expect(kept).toEqual(truth);
    expect(await store.unknownOpenings()).toEqual([]);
    const latest = await protocol.read<bigint>('oracle', 'latestRound', [Number(protocol.underlyingId)]);
    expect((await store.newestRounds()).map(({ number }) => number)).toEqual([BigInt(latest)]);
  }

  const faults: [behaviour: Behaviour, from: string, condition: string][] = [
    ['fail', 'eth_getBlockByNumber', 'error'],
    ['fail', 'eth_call', 'error'],
    ['hang', 'eth_call', 'timeout'],
    ['cutOff', 'eth_getLogs', 'error'],
    ['cutOff', 'eth_call', 'error'],
    ['nullResults', 'eth_getLogs', 'error'],
    ['leaveOutResults', 'eth_getBlockByNumber', 'error'],
    ['leaveOutLogs', 'eth_getLogs', 'error'],
  ];
  it.each(faults)('is replaced when it does this: %s from %s on', async (behaviour, from, condition) => {
    const { protocol } = world;
    await world.open(world.healthy);
    await protocol.createFunded(protocol.operator, 5n);
    proxy.behaviour = behaviour;
    proxy.from = from;
    const follower = indexer([proxy.url, protocol.anvil.url]);
    await follower.sync();
    expect(proxy.begun).toBe(true);
    expect(follower.status().endpoints.map((endpoint) => endpoint.condition)).toEqual([condition, 'ok']);
    await expectTruth();
  });

  it.each([1, 2, 3])('is replaced when it gives %i logs at most', async (logs) => {
    const { protocol } = world;
    await world.open(world.healthy);
    proxy.behaviour = 'leaveOutLogs';
    proxy.from = undefined;
    proxy.logs = logs;
    const follower = indexer([proxy.url, protocol.anvil.url]);
    await follower.sync();
    expect(follower.status().endpoints[0]).toMatchObject({
      condition: 'error',
      message: expect.stringMatching(/^it left out logs of block \d+$/),
    });
    await expectTruth();
  });

  it('alone gives no more than it can answer for, and nothing is lost when it is well again', async () => {
    const { protocol } = world;
    await world.open(world.healthy);
    const before = await store.tip();
    proxy.behaviour = 'leaveOutLogs';
    const follower = indexer([proxy.url]);
    await expect(follower.sync()).rejects.toMatchObject({ code: 'CHAIN_UNAVAILABLE' });
    expect(await store.tip()).toEqual(before);
    proxy.behaviour = 'pass';
    await indexer([proxy.url]).sync();
    await expectTruth();
    expect(BigInt((await protocol.client.getBlock()).number)).toBe((await store.tip())!.number);
  });
});

describe('a history that changes more deeply than is followed', () => {
  it('is reported, nothing of it is shown, and it is read anew by reindex', async () => {
    const { protocol } = world;
    const test = chainControl();
    const directory = join(root, 'store');
    const start = () =>
      startService({
        port: 0,
        workers: 0,
        store: { directory },
        chain: { rpc: [protocol.anvil.url], book: indexedContracts(world.protocol), pollMs: 50 },
      });
    let service = await start();
    try {
      const { trader } = await world.open(world.healthy);
      const snapshot = await protocol.snapshot();
      const extra = await protocol.createFunded(protocol.operator, 7n);
      await test.mine({ blocks: 300 });
      const ready = async (status: number) => {
        const answer = await fetch(`${service.url}/readyz`);
        expect(answer.status).toBe(status);
        return (await answer.json()) as { reasons?: string[] };
      };
      const caughtUp = () =>
        vi.waitFor(
          async () => {
            await ready(200);
            const { block } = await new ServiceClient({ url: service.url }).markets();
            expect(BigInt(block)).toBe((await protocol.client.getBlock()).number);
          },
          { timeout: 30_000 },
        );
      await caughtUp();
      expect((await new ServiceClient({ url: service.url }).account(extra)).cash).toBe('7');
      await protocol.revert(snapshot);
      await test.increaseTime({ seconds: 3 });
      await test.mine({ blocks: 310 });

      const diverged = async () => {
        const { reasons } = await ready(503);
        expect(reasons).toContain('the chain cannot be followed (CHAIN_DIVERGED)');
        for (const path of [
          '/v1/accounts',
          `/v1/accounts/${extra}`,
          `/v1/accounts/${trader.accountId}/margin`,
          '/v1/liquidations',
          '/v1/markets',
          '/v1/rounds',
          '/v1/auctions',
          '/v1/events',
        ]) {
          const answer = await fetch(service.url + path);
          expect([path, answer.status, ((await answer.json()) as { code: string }).code]).toEqual([
            path,
            503,
            'CHAIN_DIVERGED',
          ]);
        }
      };
      await vi.waitFor(diverged, { timeout: 30_000 });
      // It is no better after a restart.
      await service.close();
      service = await start();
      await vi.waitFor(diverged, { timeout: 30_000 });
      await service.close();

      const program = new Command().exitOverride();
      registerStore(program);
      await program.parseAsync(['reindex', '--store', directory], { from: 'user' });
      service = await start();
      await caughtUp();
      const client = new ServiceClient({ url: service.url });
      expect((await client.account(trader.accountId)).opening.status).toBe('known');
      await expect(client.account(extra)).rejects.toMatchObject({ code: 'NOT_FOUND' });

      // A service that runs reads anew, too.
      await new ChainStore(service.database).clear();
      await caughtUp();
      expect((await client.account(trader.accountId)).opening.status).toBe('known');
      expect((await client.rounds()).rounds).toHaveLength(1);
    } finally {
      await service.close();
    }
  });
});
