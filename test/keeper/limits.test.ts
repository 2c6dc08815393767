/** What a keeper may lose in a day and pay for gas, as it works on a real EVM. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { OpenedPair } from '../../scripts/lib/local-book.ts';
import { LocalFeed } from '../../scripts/lib/local-feed.ts';
import { UNPROVEN, type UnprovenWorld } from '../../scripts/lib/unproven-protocol.ts';
import type { KeeperEvent } from '../../src/keeper/events.ts';
import { moneyToWei } from '../../src/keeper/strategy/gas.ts';
import { mayCost } from '../../src/keeper/strategy/limits.ts';
import { MemoryJournal } from '../../src/keeper/transactions/testing.ts';
import { revertAfterEach } from '../e2e/hooks.ts';
import { ATOMIC, KEEPER, startCrashedWorld } from './crashed-world.ts';
import { finished, NATIVE_PRICE, startKeeper, type TestKeeper, transaction } from './keepers.ts';

const HASH = `0x${'11'.repeat(32)}` as const;

let world: UnprovenWorld;
let pair: OpenedPair;
let vessels: bigint[];
const running: TestKeeper[] = [];

beforeAll(async () => {
  ({ world, failing: pair, vessels } = await startCrashedWorld(1));
}, 600_000);
afterAll(() => world?.protocol.stop());
revertAfterEach(() => world.protocol);
afterEach(async () => {
  await Promise.all(running.splice(0).map(({ keeper }) => keeper.stop()));
});

async function start(options: Parameters<typeof startKeeper>[4]): Promise<TestKeeper> {
  const feed = new LocalFeed(world.protocol, UNPROVEN, [pair.trader]);
  const started = await startKeeper(world.protocol, feed, KEEPER, vessels, options);
  running.push(started);
  return started;
}

/** A journal with a transaction that was reverted and has cost 2.50 USD. It ended so late that no midnight falls behind it. */
async function journalWithLoss(): Promise<MemoryJournal> {
  const journal = new MemoryJournal();
  await journal.save({
    id: 'reverted',
    kind: 'liquidate',
    nonce: 0,
    to: world.protocol.deployment.engine,
    data: '0x',
    maxCost: 10n ** 18n,
    gain: 100_000_000n,
    notAfter: 0n,
    details: {},
    attempts: [],
    inclusion: {
      hash: HASH,
      blockHash: HASH,
      blockNumber: 1n,
      succeeded: false,
      gasUsed: 1n,
      cost: 10n ** 15n,
    },
    end: 'reverted',
    endedAt: Date.now() + 600_000,
  });
  return journal;
}

const isDeclined = (event: KeeperEvent): event is Extract<KeeperEvent, { type: 'declined' }> =>
  event.type === 'declined';

it('leaves everything alone once the day has cost as much as it may', async () => {
  const journal = await journalWithLoss();
  const { until, events } = await start({ journal, strategy: { ...ATOMIC, maxDailyLoss: 2_500_000n } });
  expect((await until(isDeclined)).declined).toMatchObject({
    kind: 'liquidate',
    accountId: pair.trader.accountId,
    reason: 'DAILY_LOSS_LIMIT',
    figures: { loss: 2_500_000n },
  });
  expect(events.filter(({ type }) => type === 'chosen')).toEqual([]);
});

it('goes on while a unit of the loss is left', async () => {
  const journal = await journalWithLoss();
  const { until } = await start({ journal, strategy: { ...ATOMIC, maxDailyLoss: 2_500_001n } });
  expect(await until(finished('liquidate'))).toMatchObject({ end: 'confirmed' });
});

it('signs nothing whose gas could cost more than its part of the profit', async () => {
  const { until, keeper } = await start({ strategy: ATOMIC });
  const { profit } = await until(finished('liquidate'));
  const { maxCost, attempts } = keeper.sender.ended.at(-1)!;
  expect(maxCost).toBe(moneyToWei(mayCost({ kind: 'liquidate', profit }, ATOMIC), NATIVE_PRICE));
  for (const { gas, maxFeePerGas } of attempts) expect(gas * maxFeePerGas).toBeLessThanOrEqual(maxCost);
});

it('sends nothing when no part of the profit is for gas', async () => {
  const { until, keeper } = await start({ strategy: { ...ATOMIC, gasShareBps: 0n } });
  expect(await until(finished('liquidate'))).toMatchObject({ end: 'refused', gasCost: 0n });
  expect((await until(transaction('refused'))).event).toMatchObject({ reason: 'GasAboveProfit' });
  expect([keeper.sender.pending, keeper.sender.ended]).toEqual([[], []]);
});
