/** What a keeper tells of itself while it works on a real EVM. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { OpenedPair } from '../../scripts/lib/local-book.ts';
import { LocalFeed } from '../../scripts/lib/local-feed.ts';
import { UNPROVEN, type UnprovenWorld } from '../../scripts/lib/unproven-protocol.ts';
import { ZkMarginError } from '../../src/errors.ts';
import type { Problem } from '../../src/http/problem.ts';
import { FileJournal } from '../../src/keeper/index.ts';
import { KeeperMetrics } from '../../src/keeper/metrics.ts';
import type { TransactionRecord } from '../../src/keeper/transactions/journal.ts';
import { MemoryJournal } from '../../src/keeper/transactions/testing.ts';
import { revertAfterEach } from '../e2e/hooks.ts';
import { ATOMIC, KEEPER, startCrashedWorld } from './crashed-world.ts';
import { finished, NATIVE_PRICE, startKeeper, type TestKeeper } from './keepers.ts';

let world: UnprovenWorld;
let pair: OpenedPair;
let vessels: bigint[];
const folder = mkdtempSync(join(tmpdir(), 'zkmargin-keeper-'));
const running: TestKeeper[] = [];

beforeAll(async () => {
  ({ world, failing: pair, vessels } = await startCrashedWorld(2));
}, 600_000);
afterAll(async () => {
  await world?.protocol.stop();
  rmSync(folder, { recursive: true, force: true });
});
revertAfterEach(() => world.protocol);
afterEach(async () => {
  await Promise.all(running.splice(0).map(({ keeper }) => keeper.stop()));
});

function feedOf(): LocalFeed {
  return new LocalFeed(world.protocol, UNPROVEN, [pair.trader]);
}

async function start(feed: LocalFeed, options: Parameters<typeof startKeeper>[4] = {}): Promise<TestKeeper> {
  const started = await startKeeper(world.protocol, feed, KEEPER, vessels, {
    strategy: ATOMIC,
    metrics: { port: 0 },
    ...options,
  });
  running.push(started);
  return started;
}

/** Value of a metric with these labels, in the order in which they are told; undefined when it is not told. */
function valueIn(text: string, name: string, labels = ''): number | undefined {
  const line = text
    .split('\n')
    .find((item) => item.startsWith(`zkmargin_keeper_${name}${labels === '' ? '' : `{${labels}}`} `));
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1));
}

const until = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 30_000, interval: 25 });

async function ask({ keeper }: TestKeeper, path: string) {
  const answer = await fetch(`${keeper.metricsUrl}${path}`);
  return { status: answer.status, text: await answer.text() };
}

describe('a keeper that liquidates', () => {
  it('counts proof, transaction, gain, costs and time, and shows its means with their limits', async () => {
    const journal = await FileJournal.open(join(folder, 'work', 'journal.json'));
    const started = await start(feedOf(), { journal });
    const { profit, gasCost, end } = await started.until(finished('liquidate'));
    expect(end).toBe('confirmed');
    const of = 'kind="liquidate"';
    await until(async () => {
      const { text } = await ask(started, '/metrics');
      const value = (name: string, labels: string) => valueIn(text, name, labels);
      expect(value('proofs_total', `${of},result="asked"`)).toBe(1);
      expect(value('proofs_total', `${of},result="done"`)).toBe(1);
      expect(value('proof_seconds_count', of)).toBe(1);
      for (const step of ['sent', 'included', 'confirmed']) {
        expect([step, value('transactions_total', `${of},step="${step}"`)]).toEqual([step, 1]);
      }
      const won = `${of},result="confirmed"`;
      expect(value('realised_usd_total', won)).toBeCloseTo(Number(profit.gross) / 1e6, 5);
      expect(value('hedge_usd_total', won)).toBeCloseTo(Number(profit.hedge) / 1e6, 5);
      expect(value('gas_usd_total', won)).toBeCloseTo(Number(gasCost) / 1e6, 5);
      expect(gasCost).toBeGreaterThan(0n);
      expect(value('decision_to_inclusion_seconds_count', of)).toBe(1);
      expect(value('passes_total', 'result="failed"')).toBe(0);
    });
    const states = await Promise.all(vessels.map((id) => world.protocol.account(id)));
    const capital = states.reduce((sum, { cash }) => sum + Number(cash) / 1e6, 0);
    await until(async () => {
      const { text } = await ask(started, '/metrics');
      expect(valueIn(text, 'capital_usd', 'figure="total"')).toBeCloseTo(capital, 4);
      expect(valueIn(text, 'capital_usd', 'figure="usable"')).toBeCloseTo(
        capital * (1 - Number(ATOMIC.capitalSlackBps) / 10_000),
        4,
      );
      expect(valueIn(text, 'gross_notional_usd', 'figure="present"')).toBeGreaterThan(0);
      expect(valueIn(text, 'gross_notional_usd', 'figure="limit"')).toBe(1e9);
      expect(valueIn(text, 'daily_loss_usd', 'figure="present"')).toBe(0);
      expect(valueIn(text, 'daily_loss_usd', 'figure="limit"')).toBe(Number(ATOMIC.maxDailyLoss) / 1e6);
    });
    expect((await ask(started, '/livez')).status).toBe(200);
    expect(await ask(started, '/readyz')).toMatchObject({ status: 200 });
    const { text } = await ask(started, '/metrics');
    expect(text).not.toContain(started.account.address);
    expect(text).toContain('nodejs_eventloop_lag_seconds');
    await started.keeper.stop();
    running.splice(0);
    await expect(fetch(`${started.keeper.metricsUrl}/livez`)).rejects.toThrow();
  });

  it('counts what it leaves alone by reason', async () => {
    const started = await start(feedOf(), { strategy: { ...ATOMIC, minimumProfit: 10n ** 15n } });
    await until(async () => {
      const { text } = await ask(started, '/metrics');
      const labels = 'kind="liquidate",reason="NOT_PROFITABLE"';
      expect(valueIn(text, 'declined_total', labels)).toBe(1);
      expect(valueIn(text, 'chances', 'state="declined"')).toBe(1);
      expect(valueIn(text, 'chances', 'state="candidates"')).toBe(1);
      expect(valueIn(text, 'passes_total', 'result="ok"')).toBeGreaterThan(1);
    });
  });

  it('counts proofs that fail', async () => {
    const feed = feedOf();
    feed.requestProof = () => Promise.reject(new ZkMarginError('BUSY', 'The queue is full.'));
    const started = await start(feed);
    await until(async () => {
      const { text } = await ask(started, '/metrics');
      expect(valueIn(text, 'proofs_total', 'kind="liquidate",result="failed"')).toBeGreaterThan(0);
      expect(valueIn(text, 'abandoned_total', 'kind="liquidate"')).toBeGreaterThan(0);
      expect(valueIn(text, 'transactions_total', 'kind="liquidate",step="sent"')).toBeUndefined();
    });
  });
});

describe('health', () => {
  it('tells what a keeper cannot do without: service, journal, looks', async () => {
    const place = join(folder, 'gone');
    const journal = await FileJournal.open(join(place, 'journal.json'));
    const feed: LocalFeed & { ready?: () => Promise<void> } = feedOf();
    const started = await start(feed, { journal, strategy: { ...ATOMIC, minimumProfit: 10n ** 15n } });
    await until(async () => expect((await ask(started, '/readyz')).status).toBe(200));
    feed.ready = () => Promise.reject(new ZkMarginError('BUSY', 'Not ready: keys are being loaded.'));
    const liquidations = feed.liquidations.bind(feed);
    feed.liquidations = () => Promise.reject(new Error('http://user:secret@service'));
    rmSync(place, { recursive: true });
    await until(async () => {
      const { status, text } = await ask(started, '/readyz');
      expect(status).toBe(503);
      expect((JSON.parse(text) as Problem).reasons).toEqual([
        'the service is not ready (BUSY)',
        'the journal cannot be written (ENOENT)',
        'the last look failed',
      ]);
      expect(text).not.toContain('secret');
    });
    // Failing is no standstill.
    expect((await ask(started, '/livez')).status).toBe(200);
    feed.liquidations = liquidations;
  });

  it('tells of a loop that stands still, and of one that goes on', async () => {
    const feed = feedOf();
    const liquidations = feed.liquidations.bind(feed);
    let goOn = (): void => {};
    const hanging = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    feed.liquidations = async () => {
      await hanging;
      return liquidations();
    };
    const strategy = { ...ATOMIC, minimumProfit: 10n ** 15n };
    // The other loop goes on, if only to fail: that is no look at the feed.
    class FailingJournal extends MemoryJournal {
      override sealedBids(): never {
        throw new Error('The disk is gone.');
      }
    }
    const journal = new FailingJournal();
    const started = await start(feed, { strategy, journal, metrics: { port: 0, stallMs: 5_000 } });
    await until(async () => {
      const { status, text } = await ask(started, '/livez');
      expect([status, (JSON.parse(text) as Problem).reasons]).toEqual([
        503,
        ['no look at the feed has ended (feed)'],
      ]);
    });
    const { text } = await ask(started, '/metrics');
    expect(valueIn(text, 'loop_passes_total', 'loop="sealedBids",result="failed"')).toBeGreaterThan(1);
    expect(valueIn(text, 'loop_age_seconds', 'loop="feed"')).toBeGreaterThan(5);
    expect(valueIn(text, 'passes_total', 'result="failed"')).toBe(0);
    expect((JSON.parse((await ask(started, '/readyz')).text) as Problem).reasons).toContain(
      'own sealed bids cannot be followed (PASS_FAILED)',
    );
    goOn();
    await until(async () => expect((await ask(started, '/livez')).status).toBe(200));
  });

  it('knows each loop by its own passes', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      const metrics = new KeeperMetrics({
        strategy: ATOMIC,
        nativePrice: () => NATIVE_PRICE,
        record: () => undefined,
        loops: ['feed', 'sealedBids'],
        followedAt: () => performance.now(),
      });
      vi.advanceTimersByTime(6_000);
      metrics.tell({ type: 'passFailed', loop: 'feed', reason: '' });
      metrics.tell({ type: 'passed', loop: 'feed', failed: true });
      expect(metrics.stalls(5_000)).toEqual(['own sealed bids are not followed (sealedBids)']);
      vi.advanceTimersByTime(6_000);
      metrics.tell({ type: 'passed', loop: 'sealedBids', failed: false });
      expect(metrics.stalls(5_000)).toEqual(['no look at the feed has ended (feed)']);
      expect([metrics.hasFailed('feed'), metrics.hasFailed('sealedBids')]).toEqual([true, false]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('needs a port of its own', async () => {
    const first = await start(feedOf(), { dryRun: true });
    const port = Number(new URL(first.keeper.metricsUrl!).port);
    await expect(start(feedOf(), { metrics: { port } })).rejects.toMatchObject({
      code: 'CONFLICT',
      field: 'metricsPort',
    });
  });
});

describe('results', () => {
  it('count a gain when it is confirmed, gas in any case, and an inclusion once', async () => {
    const record = {
      gain: 7_000_000n,
      details: { hedge: '3000000', decidedAt: String(Date.now() - 6_000) },
    } as unknown as TransactionRecord;
    const metrics = new KeeperMetrics({
      strategy: ATOMIC,
      nativePrice: () => NATIVE_PRICE,
      record: () => record,
    });
    const hash = '0x00';
    const of = (id: string) => ({ id, kind: 'bid', nonce: 1 });
    const cost = 10n ** 15n;
    for (const id of ['a', 'a', 'b']) {
      const seen = { hash, blockNumber: 1n, succeeded: true, gasUsed: 1n, cost } as const;
      metrics.tell({ type: 'transaction', event: { type: 'included', ...of(id), ...seen } });
    }
    metrics.tell({ type: 'transaction', event: { type: 'ended', ...of('a'), end: 'confirmed', cost } });
    metrics.tell({ type: 'transaction', event: { type: 'ended', ...of('b'), end: 'reverted', cost } });
    await until(async () => {
      const text = await metrics.registry.metrics();
      const value = (name: string, result: string) => valueIn(text, name, `kind="bid",result="${result}"`);
      expect([value('realised_usd_total', 'confirmed'), value('realised_usd_total', 'reverted')]).toEqual([
        10, 0,
      ]);
      expect([value('hedge_usd_total', 'confirmed'), value('hedge_usd_total', 'reverted')]).toEqual([3, 0]);
      expect([value('gas_usd_total', 'confirmed'), value('gas_usd_total', 'reverted')]).toEqual([2.5, 2.5]);
      expect(valueIn(text, 'decision_to_inclusion_seconds_count', 'kind="bid"')).toBe(2);
      expect(valueIn(text, 'transactions_total', 'kind="bid",step="included"')).toBe(3);
      expect(valueIn(text, 'decision_to_inclusion_seconds_bucket', 'le="4",kind="bid"')).toBe(0);
    });
  });
});
