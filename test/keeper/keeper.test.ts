/** Keepers at work on a real EVM with real proofs. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { auctionOf } from '../../scripts/lib/local-auction.ts';
import { LocalFeed } from '../../scripts/lib/local-feed.ts';
import type { LocalProtocol } from '../../scripts/lib/local-protocol.ts';
import type { KeeperEvent } from '../../src/keeper/events.ts';
import { DEFAULT_LIQUIDATION_TERMS } from '../../src/liquidation/terms.ts';
import { marginNow, startWorld, type World } from '../e2e/world.ts';
import { finished, startKeeper, TEST_STRATEGY, type TestKeeper } from './keepers.ts';

const TERMS = { ...DEFAULT_LIQUIDATION_TERMS, atomicLimit: 10n ** 13n };
const VESSEL_CASH = 5_000_000_000_000n;
const KEEPERS = [1, 4, 5] as const;

let world: World;
let protocol: LocalProtocol;
let vessels: bigint[];
let snapshot: Awaited<ReturnType<LocalProtocol['snapshot']>>;
const running: TestKeeper[] = [];

beforeAll(async () => {
  world = await startWorld(3, TERMS);
  ({ protocol } = world);
  vessels = [];
  for (const index of KEEPERS)
    vessels.push(
      ...(await protocol.createVessels(protocol.wallet(index), [VESSEL_CASH, VESSEL_CASH, VESSEL_CASH])),
    );
}, 600_000);

afterAll(async () => {
  await world?.prover.close();
  await protocol?.stop();
});

beforeEach(async () => {
  snapshot = await protocol.snapshot();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map(({ keeper }) => keeper.stop()));
  await protocol.revert(snapshot);
});

/** The vessels of a keeper. */
function vesselsOf(keeper: number): bigint[] {
  return vessels.slice(3 * keeper, 3 * keeper + 3);
}

function feedOf(accounts = world.failing.slice(0, 1).map(({ trader }) => trader)): LocalFeed {
  return new LocalFeed(protocol, world.prover, accounts);
}

async function start(keeper: number, feed: LocalFeed, options: Parameters<typeof startKeeper>[4] = {}) {
  const started = await startKeeper(protocol, feed, KEEPERS[keeper]!, vesselsOf(keeper), options);
  running.push(started);
  return started;
}

describe('an atomic liquidation', () => {
  it('is found, proven, sent and followed', async () => {
    const { trader } = world.failing[0]!;
    const before = await protocol.account(trader.accountId);
    const feed = feedOf();
    const only = { ...TEST_STRATEGY, kinds: ['liquidate'] as const };
    const { until, events, keeper } = await start(0, feed, { strategy: only });
    const { end, profit, gasCost } = await until(finished('liquidate'));
    expect(end).toBe('confirmed');
    console.log(events.filter((e) => e.type !== 'pass'));
    const after = await protocol.account(trader.accountId);
    const remaining = marginNow(protocol, { legs: trader.legs, scale: after.scale });
    expect(after.cash + remaining.mark).toBeGreaterThanOrEqual(remaining.requirement);
    const vessel = (await Promise.all(vesselsOf(0).map((id) => protocol.account(id)))).find(
      ({ scale }) => scale > 0n,
    )!;
    expect(after.scale + vessel.scale).toBe(before.scale);
    // What the vessel has won is the gross profit, to some units of rounding.
    const held = marginNow(protocol, { legs: trader.legs, scale: vessel.scale });
    const won = vessel.cash + held.mark - VESSEL_CASH;
    expect(won - profit.gross).toBeLessThanOrEqual(5n);
    expect(profit.gross - won).toBeLessThanOrEqual(5n);
    expect(gasCost).toBeGreaterThan(0n);
    expect(gasCost).toBeLessThan(profit.gross);
    expect(feed.proofsMade).toBe(1);
    // The account is healthy now: there is nothing more to do.
    expect((await keeper.decide()).actions).toEqual([]);
  });
});
