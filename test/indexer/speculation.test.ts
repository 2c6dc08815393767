/** Proofs that are there before a keeper asks: a real chain, real proofs, real keepers. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OpenedPair } from '../../scripts/lib/local-book.ts';
import { startUnprovenWorld, type UnprovenWorld } from '../../scripts/lib/unproven-protocol.ts';
import { INDEXED_ROLES, type IndexedContracts } from '../../src/chain/indexer/index.ts';
import { ServiceClient } from '../../src/client/index.ts';
import type { KeeperFeed } from '../../src/keeper/feed.ts';
import { ServiceFeed } from '../../src/keeper/service-feed.ts';
import { exactMargin } from '../../src/margin/exact/margin.ts';
import { type JobView, type RunningService, startService } from '../../src/service/index.ts';
import { finished, startKeeper, TEST_STRATEGY, type TestKeeper } from '../keeper/keepers.ts';

const STRATEGY = { ...TEST_STRATEGY, kinds: ['liquidate'] as const };
const VESSEL_CASH = 5_000_000_000_000n;

let world: UnprovenWorld;
let service: RunningService;
let client: ServiceClient;
/** The one that lacks more comes first. */
let pairs: OpenedPair[];
const keepers: TestKeeper[] = [];
let vessels: [bigint, bigint];

beforeAll(async () => {
  world = await startUnprovenWorld();
  const { protocol, failing, crashed } = world;
  pairs = [];
  for (const account of failing.slice(0, 2)) pairs.push(await world.open(account));
  const lacking = async ({ trader }: OpenedPair): Promise<bigint> => {
    const { cash } = await protocol.account(trader.accountId);
    const { mark, requirement } = exactMargin(trader, crashed, protocol.parameters);
    return requirement - mark - cash;
  };
  if ((await lacking(pairs[0]!)) < (await lacking(pairs[1]!))) pairs.reverse();
  await protocol.fund(protocol.wallet(4));
  vessels = [
    await protocol.createFunded(protocol.keeper, VESSEL_CASH),
    await protocol.createFunded(protocol.wallet(4), VESSEL_CASH),
  ];
  await world.restoreVerifiers();
  const contracts: IndexedContracts = {
    chainId: protocol.anvil.chainId,
    addresses: Object.fromEntries(
      INDEXED_ROLES.map((role) => [role, protocol.deployment[role]]),
    ) as IndexedContracts['addresses'],
  };
  service = await startService({
    port: 0,
    chain: { rpc: [protocol.anvil.url], book: contracts, pollMs: 50 },
  });
  client = new ServiceClient({ url: service.url });
}, 600_000);
afterAll(async () => {
  for (const { keeper } of keepers) await keeper.stop();
  await service?.close();
  await world?.protocol.stop();
});

async function counted(event: string): Promise<number> {
  const text = await (await fetch(`${service.url}/metrics`)).text();
  return Number(new RegExp(`^zkmargin_speculative_jobs\\{event="${event}"\\} (\\d+)$`, 'm').exec(text)?.[1]);
}

function ask(accountId: bigint, keeper: string, round: bigint): Promise<Response> {
  return fetch(`${service.url}/v1/accounts/${accountId}/proofs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ purpose: 'liquidate', keeper, round: String(round) }),
  });
}

async function keeperWith(feed: KeeperFeed, index: number, vessel: bigint): Promise<TestKeeper> {
  const started = await startKeeper(world.protocol, feed, index, [vessel], { strategy: STRATEGY });
  keepers.push(started);
  return started;
}

describe('speculation', () => {
  it('has the proofs of a new round ready before the keeper asks', async () => {
    const { protocol, crashed } = world;
    const { address } = protocol.keeper.account;
    const registered = await client.registerKeeper(address, { purposes: ['liquidate'] });
    expect(registered).toMatchObject({ address: address.toLowerCase(), purposes: ['liquidate'] });
    expect(Date.parse(registered.expiresAt)).toBeGreaterThan(Date.now());
    // Accounts are healthy: nothing would be of use.
    expect(await counted('begun')).toBe(0);
    await protocol.advanceTo(crashed.underlying.timestamp + 1n);
    await protocol.postRound(crashed);
    await expect.poll(() => counted('made'), { timeout: 120_000, interval: 100 }).toBe(2);
    for (const { trader } of pairs) {
      const answer = await ask(trader.accountId, address, 2n);
      expect(answer.status).toBe(200);
      const job = (await answer.json()) as JobView;
      expect(job).toMatchObject({ state: 'done', priority: 'speculative', attempts: 1 });
      expect(job.result!.calldata).toBeDefined();
    }
    expect([await counted('begun'), await counted('used_ready'), await counted('wasted')]).toEqual([2, 2, 0]);
  });

  it('is of no use to another keeper', async () => {
    const other = world.protocol.wallet(4).account.address;
    const own = (await (
      await ask(pairs[0]!.trader.accountId, world.protocol.keeper.account.address, 2n)
    ).json()) as JobView;
    // One that takes the proof of another and goes on as if it were its own.
    const feed = new ServiceFeed(client);
    const stealing: KeeperFeed = {
      newestBlock: () => feed.newestBlock(),
      market: (id) => feed.market(id),
      liquidations: () => feed.liquidations(),
      auctions: () => feed.auctions(),
      opening: (id) => feed.opening(id),
      waitForProof: (id, signal) => feed.waitForProof(id, signal),
      requestProof: (request) =>
        feed.requestProof({ ...request, keeper: world.protocol.keeper.account.address }),
    };
    const thief = await keeperWith(stealing, 4, vessels[1]);
    const { end } = await thief.until(finished('liquidate'));
    expect(end).toBe('refused');
    await thief.keeper.stop();
    // What it asks for itself is another statement, which is not there yet.
    const answer = await ask(pairs[0]!.trader.accountId, other, 2n);
    expect(answer.status).toBe(202);
    const asked = (await answer.json()) as JobView;
    expect(asked.id).not.toBe(own.id);
    await client.cancel(asked.id);
    await client.removeKeeper(other);
  });

  it("carries the keeper's transaction", async () => {
    const { protocol } = world;
    const made = [await counted('begun'), await counted('made')];
    const { until } = await keeperWith(new ServiceFeed(client), 1, vessels[0]);
    expect((await until(finished('liquidate'))).end).toBe('confirmed');
    expect((await protocol.account(vessels[0])).scale).toBeGreaterThan(0n);
    expect([await counted('begun'), await counted('made')]).toEqual(made);
  });

  it('drops what is superseded', async () => {
    const { protocol } = world;
    for (const { keeper } of keepers.splice(0)) await keeper.stop();
    const { round } = protocol.market;
    await protocol.advance(60);
    await protocol.postRound({
      ...round,
      underlying: { ...round.underlying, timestamp: await protocol.now() },
    });
    // The account that was not sold is proven again, for the keeper that was learned of.
    await expect.poll(() => counted('begun'), { timeout: 120_000, interval: 50 }).toBeGreaterThan(2);
    const used = await counted('used_ready');
    await protocol.advance(60);
    await protocol.write(protocol.operator, 'clearingHouse', 'deposit', [
      pairs[0]!.trader.accountId,
      10n ** 12n,
    ]);
    await protocol.write(protocol.operator, 'clearingHouse', 'deposit', [
      pairs[1]!.trader.accountId,
      10n ** 12n,
    ]);
    await expect.poll(() => counted('wasted'), { timeout: 60_000, interval: 50 }).toBeGreaterThan(0);
    expect(await counted('used_ready')).toBe(used);
    const metrics = async () => (await fetch(`${service.url}/metrics`)).text();
    // The deposits are seen one after the other.
    await expect
      .poll(metrics, { timeout: 60_000, interval: 50 })
      .toContain('zkmargin_queue_jobs{state="queued",priority="speculative"} 0');
    expect(await metrics()).toContain('zkmargin_speculation_keepers 1');
    expect(await metrics()).toMatch(/^zkmargin_speculation_hit_ratio 0\.\d+$/m);
  });
});
