/** The service over a real chain: what it tells of accounts, markets and liquidations, and a proof for a keeper. */
import { createTestClient, http } from 'viem';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { proveForAuction, startAuction } from '../../scripts/lib/local-auction.ts';
import type { OpenedPair } from '../../scripts/lib/local-book.ts';
import {
  indexedContracts,
  startUnprovenWorld,
  UNPROVEN,
  type UnprovenWorld,
} from '../../scripts/lib/unproven-protocol.ts';
import { type ServerEvent, ServiceClient } from '../../src/client/index.ts';
import type { Problem } from '../../src/http/problem.ts';
import { ServiceFeed } from '../../src/keeper/service-feed.ts';
import { exactMargin } from '../../src/margin/exact/margin.ts';
import { loadVerificationKey } from '../../src/proof/keys/artifacts.ts';
import { fromCalldata, type ProofCalldata } from '../../src/proof/prover/backend.ts';
import { verifyProof } from '../../src/proof/prover/verify.ts';
import { liquidationPrices } from '../../src/risk/monitor/index.ts';
import { type RunningService, startService } from '../../src/service/index.ts';
import { type Receiver, startReceiver } from '../service/receiver.ts';
import { example } from './documents.ts';

let world: UnprovenWorld;
let service: RunningService;
let client: ServiceClient;
let pairs: OpenedPair[];
let hook: Receiver;

beforeAll(async () => {
  world = await startUnprovenWorld();
  const { protocol } = world;
  pairs = [];
  for (const account of [...world.failing.slice(0, 2), world.healthy]) pairs.push(await world.open(account));
  hook = await startReceiver();
  service = await startService({
    port: 0,
    alerts: { webhooks: [hook.url], holdSeconds: 0, pollMs: 50, retryMs: 1 },
    chain: { rpc: [protocol.anvil.url], book: indexedContracts(world.protocol), pollMs: 50 },
  });
  client = new ServiceClient({ url: service.url });
  await caughtUp();
}, 600_000);
afterAll(async () => {
  await service?.close();
  await hook?.close();
  await world?.protocol.stop();
});

/** Until the service shows the newest block. */
async function caughtUp(): Promise<void> {
  const height = (await world.protocol.client.getBlock()).number;
  await vi.waitFor(
    async () => expect(BigInt((await client.markets()).block)).toBeGreaterThanOrEqual(height),
    { timeout: 20_000, interval: 20 },
  );
}

describe('the book', () => {
  it('shows accounts with legs and risk, by pages', async () => {
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
    const all = (await client.accounts()).accounts;
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await client.accounts({ limit: 3, cursor });
      ids.push(...page.accounts.map(({ accountId }) => accountId));
      cursor = page.next;
    } while (cursor !== undefined);
    expect(ids).toEqual(all.map(({ accountId }) => accountId));
    expect(ids).toHaveLength(1 + 2 * pairs.length);
    const { trader } = pairs[0]!;
    const shown = await client.account(trader.accountId);
    expect(shown.legs?.map(({ quantity }) => BigInt(quantity))).toEqual(
      trader.legs.map(({ quantity }) => quantity),
    );
    expect(shown).toMatchObject({ opening: { status: 'known' }, risk: { round: '1' }, underlying: 'BTC' });
    expect(shown.risk!.tier).not.toBe('liquidatable');
    // As public as the legs: the event of the trade has it, and whoever reads this can check them.
    expect(BigInt(shown.salt!)).toBe(trader.salt);
  });

  it('breaks a margin down as the exact model has it', async () => {
    const { trader } = pairs[2]!;
    const { round, parameters } = world.protocol.market;
    const margin = exactMargin(trader, round, parameters);
    const shown = await client.margin(trader.accountId);
    expect(
      [shown.mark, shown.requirement, shown.loss, shown.gammaCharge, shown.vegaCharge].map(BigInt),
    ).toEqual([margin.mark, margin.requirement, margin.loss, margin.gammaCharge, margin.vegaCharge]);
    expect(shown.scenarios.map(({ loss }) => BigInt(loss))).toEqual(margin.scenarios.map(({ loss }) => loss));
    await expect(client.margin(1n)).rejects.toMatchObject({ code: 'NO_LEGS' });
    await expect(client.margin(999n)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('finds the prices at which an account becomes liquidatable, as the exact model decides', async () => {
    const { trader } = pairs[2]!;
    const { round, parameters } = world.protocol.market;
    const account = { ...trader, cash: (await world.protocol.account(trader.accountId)).cash };
    const expected = liquidationPrices(account, round, parameters);
    const shown = await client.liquidationPrices(trader.accountId);
    expect(shown).toMatchObject({ spot: String(round.underlying.spot), liquidatable: false });
    const sides = [
      [shown.below, expected.below],
      [shown.above, expected.above],
    ] as const;
    for (const [side, wanted] of sides) {
      expect(side.kind).toBe(wanted.kind);
      if (wanted.kind === 'found') expect(side.threshold!.spot).toBe(String(wanted.threshold.spot));
    }
    expect(sides.some(([{ kind }]) => kind === 'found')).toBe(true);
    await expect(client.liquidationPrices(1n)).rejects.toMatchObject({ code: 'NO_LEGS' });
  });

  it('answers 304 to those who have it already', async () => {
    const first = await fetch(`${service.url}/v1/accounts`);
    const tag = first.headers.get('etag')!;
    const again = await fetch(`${service.url}/v1/accounts`, { headers: { 'if-none-match': tag } });
    expect([again.status, await again.text()]).toEqual([304, '']);
    const other = await fetch(`${service.url}/v1/accounts`, { headers: { 'if-none-match': '"else"' } });
    expect(other.status).toBe(200);
    // What is kept is what was made.
    expect(await other.text()).toBe(await first.text());
    expect([other.headers.get('etag'), other.headers.get('content-type')]).toEqual([
      tag,
      first.headers.get('content-type'),
    ]);
  });

  it('refuses what is malformed in problem documents', async () => {
    for (const path of [
      '/v1/accounts?limit=0',
      '/v1/accounts?limit=501',
      '/v1/accounts?cursor=AAAA',
      '/v1/accounts/-1',
      '/v1/accounts?else=1',
      '/v1/rounds?underlying=btc',
    ]) {
      const answer = await fetch(service.url + path);
      expect([path, answer.status]).toEqual([
        path,
        answer.status >= 400 && answer.status < 500 ? answer.status : 0,
      ]);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
      expect(typeof ((await answer.json()) as Problem).code).toBe('string');
    }
  });
});

describe('a crash', () => {
  it('is told as it happens, and the feed has those who fail', async () => {
    const { protocol, crashed } = world;
    const ends = new AbortController();
    const heard: ServerEvent[] = [];
    const listening = (async () => {
      for await (const event of client.events({ signal: ends.signal })) heard.push(event);
    })().catch(() => undefined);
    await expect
      .poll(
        async () => (await (await fetch(`${service.url}/metrics`)).text()).match(/event_listeners (\d)/)?.[1],
      )
      .toBe('1');
    await protocol.advanceTo(crashed.underlying.timestamp + 1n);
    await protocol.postRound(crashed);
    await caughtUp();
    const failing = pairs.slice(0, 2).map(({ trader }) => String(trader.accountId));
    await expect
      .poll(
        () =>
          heard.filter(
            ({ type, data }) => type === 'account' && (data as { tier: string }).tier === 'liquidatable',
          ).length,
      )
      .toBe(2);
    expect(heard.find(({ type }) => type === 'round')?.data).toMatchObject({ number: '2' });
    const { data: change } = heard.find(({ type }) => type === 'account')!;
    expect(change).toMatchObject({ worth: (change as { readonly equity: string }).equity });
    // Webhooks, events and the list say the same.
    const raised = failing.map((id) => `account-liquidatable:BTC:${id}`).sort();
    const posted = () =>
      hook
        .taken()
        .flatMap(({ delivery }) => delivery.notices)
        .filter(({ alert }) => alert.kind === 'account-liquidatable');
    await expect.poll(() => posted().length).toBe(2);
    expect(
      posted()
        .map(({ step, alert }) => [step, alert.id, alert.severity, alert.round])
        .sort(),
    ).toEqual(raised.map((id) => ['raised', id, 'warning', '2']));
    const told = () => heard.filter(({ type }) => type === 'alert').map(({ data }) => data);
    await expect.poll(told).toEqual(expect.arrayContaining(posted()));
    const { alerts } = await client.alerts({ state: 'open' });
    expect(alerts).toEqual(expect.arrayContaining(posted().map(({ alert }) => alert)));
    const [newest] = (await client.alerts({ limit: 1 })).alerts;
    const { next } = await client.alerts({ limit: 1 });
    const [older] = (await client.alerts({ limit: 1, cursor: next })).alerts;
    expect(BigInt(newest!.number) - BigInt(older!.number)).toBe(1n);
    const { alerts: ended } = await client.alerts({ state: 'resolved' });
    for (const { id, resolvedAt } of ended) expect([id, resolvedAt]).toEqual([id, expect.any(String)]);
    expect(ended.map(({ kind }) => kind)).not.toContain('account-liquidatable');
    const counted = await (await fetch(`${service.url}/metrics`)).text();
    expect(counted).toContain('zkmargin_alerts_open{kind="account-liquidatable",severity="warning"} 2');
    expect(counted).toContain('zkmargin_alerts_open{kind="account-bad-debt",severity="critical"} 0');
    expect(counted).toMatch(/zkmargin_alert_deliveries_total\{result="delivered"\} [1-9]/);
    expect(counted).toContain('zkmargin_alert_deliveries_total{result="dead"} 0');
    ends.abort();
    await listening;

    const feed = await client.allLiquidations();
    expect(feed.map(({ accountId }) => accountId).sort()).toEqual([...failing].sort());
    const page = await client.liquidations({ limit: 1 });
    expect(page.further).toEqual([page.next]);
    const second = await client.liquidations({ limit: 1, cursor: page.further![0]! });
    expect([...page.liquidations, ...second.liquidations]).toEqual(feed);
    expect(second).not.toHaveProperty('further');
    for (const item of feed) {
      const pair = pairs.find(({ trader }) => String(trader.accountId) === item.accountId)!;
      const { mark, requirement } = exactMargin(pair.trader, protocol.market.round, protocol.parameters);
      expect([item.mark, item.requirement].map(BigInt)).toEqual([mark, requirement]);
      expect(BigInt(item.equity)).toBe(BigInt(item.cash) + mark);
      // There is no collateral, whose haircut would set them apart.
      expect(item).toMatchObject({ worth: item.equity, saleCollateral: '0' });
      expect(item).toMatchObject({ status: 'liquidatable', round: '2', capacity: 8, startFeeDue: true });
      expect(BigInt(item.proofExpiry)).toBe(protocol.market.round.underlying.timestamp + 600n);
      expect(item.plan.atomic).toMatchObject({ open: true });
      expect(BigInt(item.expectedProfit)).toBeGreaterThan(0n);
    }
    const { rounds } = await client.rounds({ limit: 1 });
    expect(rounds).toMatchObject([{ number: '2' }]);
    expect((await client.rounds({ underlying: 'BTC' })).rounds).toHaveLength(2);
  });

  it('gives a keeper a proof of an account, once', async () => {
    const feed = new ServiceFeed(client);
    const { trader } = pairs[0]!;
    const keeper = world.protocol.keeper.account.address;
    const ask = { accountId: trader.accountId, purpose: 'liquidate', keeper, round: 2n } as const;
    const [id, same] = [await feed.requestProof(ask), await feed.requestProof(ask)];
    expect(same).toBe(id);
    await expect(feed.requestProof({ ...ask, round: 1n })).rejects.toMatchObject({ code: 'STALE_ROUND' });
    await expect(feed.requestProof({ ...ask, accountId: pairs[2]!.trader.accountId })).rejects.toMatchObject({
      code: 'NOT_LIQUIDATABLE',
    });
    const proof = await feed.waitForProof(id, AbortSignal.timeout(60_000));
    const candidate = (await feed.liquidations()).find(({ accountId }) => accountId === trader.accountId)!;
    expect(proof).toMatchObject({
      accountId: trader.accountId,
      round: 2n,
      mark: candidate.mark,
      baseRequirement: candidate.baseRequirement,
      collateralSlope: candidate.collateralSlope,
      capacity: 8,
      scale: candidate.scale,
    });
    const job = await client.job(id);
    const key = await loadVerificationKey('insolvency-8');
    expect(
      await verifyProof(key, job.result!.publicSignals, fromCalldata(job.result!.calldata as ProofCalldata)),
    ).toBe(true);
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    // Others may have been made beforehand.
    expect(metrics).toMatch(/zkmargin_proofs_total\{circuit="insolvency-8",result="done"\} [1-9]/);
    for (const stage of ['loading', 'witness', 'proving', 'verifying']) {
      const labels = `circuit="insolvency-8",stage="${stage}"`;
      expect(metrics).toMatch(new RegExp(`zkmargin_proof_stage_seconds_count\\{${labels}\\} [1-9]`));
    }
    const toProof = async () =>
      (await (await fetch(`${service.url}/metrics`)).text()).match(
        /zkmargin_round_to_proof_seconds_(?:count|sum)\{circuit="insolvency-8"\} \S+/g,
      );
    await expect.poll(async () => (await toProof())?.at(-1)).toMatch(/\} [1-9]/);
    const [sum] = (await toProof())!;
    expect(Number(sum!.split(' ')[1])).toBeGreaterThan(0);
    expect(metrics).toContain('zkmargin_indexer_lag_blocks 0');
    expect(metrics).toMatch(/zkmargin_round_to_margin_seconds_count 2/);
    expect(metrics).toContain('route="/v1/accounts/:id"');
  });

  it('shows an auction, and the keeper hears of it', async () => {
    const { protocol } = world;
    const vessel = await protocol.createFunded(protocol.keeper, 1_000_000_000n);
    const { trader } = pairs[1]!;
    const proven = await proveForAuction(protocol, UNPROVEN, trader, protocol.keeper);
    await startAuction(protocol, protocol.keeper, trader.accountId, proven, vessel);
    await caughtUp();
    const feed = new ServiceFeed(client);
    const account = await protocol.account(trader.accountId);
    expect(await feed.auctions()).toMatchObject([
      {
        accountId: trader.accountId,
        number: 1n,
        scale: account.scale,
        cash: account.cash,
        proven: {
          mark: proven.mark,
          baseRequirement: proven.baseRequirement,
          collateralSlope: proven.collateralSlope,
          scale: account.scale,
        },
        superseded: false,
        capacity: 8,
        terms: { maxProofAge: 300n },
        legs: trader.legs,
      },
    ]);
    expect((await feed.liquidations()).map(({ accountId }) => accountId)).toEqual([
      pairs[0]!.trader.accountId,
    ]);
    const market = await feed.market(protocol.underlyingId);
    expect(market).toMatchObject({ number: 2n, round: protocol.market.round, terms: protocol.terms });
    expect(await feed.opening(trader.accountId)).toEqual({ legs: trader.legs, salt: trader.salt });
    expect(await feed.opening(vessel)).toBeUndefined();
  });
});

describe('a reorganisation', () => {
  it('brings back former accounts, risk and rounds, and tells of it', async () => {
    const { protocol } = world;
    const { trader } = pairs[2]!;
    const ends = new AbortController();
    const heard: ServerEvent[] = [];
    const listening = (async () => {
      for await (const event of client.events({ signal: ends.signal })) heard.push(event);
    })().catch(() => undefined);
    const former = {
      accounts: await client.accounts(),
      feed: (await client.liquidations()).liquidations,
      rounds: await client.rounds(),
      auctions: await client.auctions(),
    };
    const snapshot = await protocol.snapshot();
    const { round } = protocol.market;
    await protocol.advance(60);
    await protocol.postRound({
      ...round,
      underlying: { ...round.underlying, timestamp: await protocol.now() },
    });
    await protocol.write(protocol.operator, 'clearingHouse', 'deposit', [
      pairs[0]!.trader.accountId,
      10n ** 12n,
    ]);
    const extra = await protocol.createFunded(protocol.operator, 1n);
    await caughtUp();
    expect((await client.liquidations()).liquidations).toHaveLength(0);
    expect((await client.account(trader.accountId)).risk!.round).toBe('3');
    // The alert ends with the deposit, and is raised again when the deposit is taken back.
    const id = `account-liquidatable:BTC:${pairs[0]!.trader.accountId}`;
    const steps = () =>
      hook
        .taken()
        .flatMap(({ delivery }) => delivery.notices)
        .filter(({ alert }) => alert.id === id)
        .map(({ step }) => step);
    await expect.poll(steps).toEqual(['raised', 'resolved']);
    const height = (await protocol.client.getBlock()).number;
    await protocol.revert(snapshot);
    const test = createTestClient({ mode: 'anvil', transport: http(protocol.anvil.url) });
    await test.mine({ blocks: Number(height - (await protocol.client.getBlock()).number) + 1 });
    await caughtUp();
    await expect(client.account(extra)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect({
      accounts: { ...(await client.accounts()), block: former.accounts.block },
      feed: (await client.liquidations()).liquidations,
      rounds: await client.rounds(),
      auctions: await client.auctions(),
    }).toEqual(former);
    await expect.poll(() => heard.map(({ type }) => type)).toContain('rollback');
    await expect.poll(steps).toEqual(['raised', 'resolved', 'raised']);
    ends.abort();
    await listening;
    // Who was away hears what he missed.
    const again = new AbortController();
    const missed: ServerEvent[] = [];
    for await (const event of client.events({ signal: again.signal, lastEventId: heard[0]!.id! })) {
      missed.push(event);
      if (missed.length === heard.length - 1) again.abort();
    }
    expect(missed).toEqual(heard.slice(1));
    for await (const event of client.events({
      signal: AbortSignal.timeout(20_000),
      lastEventId: 'other-1',
    })) {
      expect(event.type).toBe('reset');
      break;
    }
  });

  it('leaves no legs where an opening is of another commitment', async () => {
    const { mismatched: first, honest: second } = await world.tradeWithFalseOpening();
    await caughtUp();
    const shown = await client.account(first);
    expect(shown.opening).toEqual({ status: 'mismatch', reason: 'legs and salt are of another commitment' });
    expect(shown).not.toHaveProperty('salt');
    expect([shown.legs, shown.risk]).toEqual([undefined, undefined]);
    expect((await client.account(second)).opening.status).toBe('known');
    await expect(client.margin(first)).rejects.toMatchObject({ code: 'COMMITMENT_MISMATCH' });
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    expect(metrics).toContain('zkmargin_unknown_openings 1');
    await vi.waitFor(() => expect(hook.notices()).toContain('raised opening-unknown'));
  });
});

describe('the description', () => {
  it('has every route, and every answer of the book has a schema', async () => {
    const { paths } = (await (await fetch(`${service.url}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, { responses: Record<string, { content?: unknown }> }>>;
    };
    expect(Object.keys(paths).sort()).toEqual([
      '/livez',
      '/readyz',
      '/v1/accounts',
      '/v1/accounts/{id}',
      '/v1/accounts/{id}/liquidation-prices',
      '/v1/accounts/{id}/margin',
      '/v1/accounts/{id}/proofs',
      '/v1/alerts',
      '/v1/auctions',
      '/v1/circuits',
      '/v1/events',
      '/v1/keepers/{address}',
      '/v1/liquidations',
      '/v1/margin',
      '/v1/markets',
      '/v1/proofs',
      '/v1/proofs/{id}',
      '/v1/proofs/{id}/events',
      '/v1/rounds',
      '/v1/simulate',
      '/v1/verify',
    ]);
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, { responses }] of Object.entries(methods)) {
        if (method !== 'delete') expect([path, responses['200']?.content]).toEqual([path, expect.anything()]);
      }
    }
  });
});

describe('without state', () => {
  it('margins a document, and what its trades would do', async () => {
    const document = example();
    const margin = await client.marginOf(document);
    expect(margin).toMatchObject({
      portfolio: expect.any(String),
      maintenance: { requirement: expect.any(Number) },
    });
    const shocks = [{ name: 'still' }, { name: 'crash', priceMove: -0.2, volMultiplier: 1.5, hours: 24 }];
    const shocked = await client.simulate({ ...(document as object), shocks });
    expect(shocked.shocks.map(({ name, profit }) => [name, profit === 0])).toEqual([
      ['still', true],
      ['crash', false],
    ]);
    const [still, crash] = shocked.shocks;
    expect(still).toMatchObject({
      tier: shocked.tier,
      equity: shocked.equity,
      maintenanceRequirement: shocked.maintenanceRequirement,
      initialMargin: shocked.initialMargin,
      underlyings: ['BTC', 'ETH'],
    });
    expect(crash!.equity).toBeCloseTo(shocked.equity + crash!.profit, 6);
    const summed = crash!.components.reduce((sum, { maintenance }) => sum + maintenance, 0);
    expect(summed).toBeCloseTo(crash!.maintenanceRequirement, 6);
    for (const [wrong, code] of [
      [{ priceMove: -1 }, 'OUT_OF_RANGE'],
      [{ volMultiplier: 0 }, 'OUT_OF_RANGE'],
      [{ hours: -1 }, 'OUT_OF_RANGE'],
      [{ underlyings: ['XYZ'] }, 'UNKNOWN_UNDERLYING'],
    ] as const) {
      await expect(client.simulate({ ...(document as object), shocks: [wrong] })).rejects.toMatchObject({
        code,
      });
    }
    const simulation = await client.simulate(document);
    expect(simulation.maintenanceRequirement).toBe(
      (margin.maintenance as { requirement: number }).requirement,
    );
    expect(simulation.trades).toEqual(margin.trades);
    await expect(client.marginOf({ market: {} })).rejects.toMatchObject({ code: 'MALFORMED' });
  });
});
