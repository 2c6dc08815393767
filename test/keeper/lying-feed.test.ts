/** Feeds that lie, on a real EVM: what a keeper does by them is what the chain says, or nothing. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { auctionOf } from '../../scripts/lib/local-auction.ts';
import type { OpenedPair } from '../../scripts/lib/local-book.ts';
import {
  addCollateral,
  giveCollateral,
  saleCollateralValue,
  WHOLE_TOKEN,
} from '../../scripts/lib/local-collateral.ts';
import { LocalFeed } from '../../scripts/lib/local-feed.ts';
import { UNPROVEN, type UnprovenWorld } from '../../scripts/lib/unproven-protocol.ts';
import type { KeeperEvent } from '../../src/keeper/events.ts';
import type { FeedMarket, KeeperFeed, LiquidationCandidate, RunningAuction } from '../../src/keeper/feed.ts';
import { atomicLiquidation } from '../../src/liquidation/amounts.ts';
import { integerTerms } from '../../src/liquidation/terms.ts';
import type { Leg } from '../../src/market/instrument.ts';
import { revertAfterEach } from '../e2e/hooks.ts';
import { ATOMIC, KEEPER, startCrashedWorld } from './crashed-world.ts';
import { finished, startKeeper, TEST_STRATEGY, type TestKeeper } from './keepers.ts';

let world: UnprovenWorld;
let failing: OpenedPair;
let healthy: OpenedPair;
let vessels: bigint[];
const running: TestKeeper[] = [];

beforeAll(async () => {
  ({ world, failing, vessels } = await startCrashedWorld(2, async (unproven) => {
    healthy = await unproven.open(unproven.healthy);
  }));
}, 600_000);
afterAll(async () => {
  await world?.protocol.stop();
});
revertAfterEach(() => world.protocol);
afterEach(async () => {
  await Promise.all(running.splice(0).map(({ keeper }) => keeper.stop()));
});

function feedOf(changes: Partial<KeeperFeed> = {}): LocalFeed {
  const feed = new LocalFeed(world.protocol, UNPROVEN, [failing.trader, healthy.trader]);
  return Object.assign(feed, changes);
}

async function start(feed: KeeperFeed, options: Parameters<typeof startKeeper>[4] = {}): Promise<TestKeeper> {
  const started = await startKeeper(world.protocol, feed, KEEPER, vessels, {
    strategy: ATOMIC,
    ...options,
  });
  running.push(started);
  return started;
}

/** What a keeper would do by a feed. Nothing is begun. */
async function decide(feed: KeeperFeed, strategy: typeof TEST_STRATEGY = ATOMIC) {
  const { keeper } = await start(feed, { strategy, concurrency: 0, pollMs: 600_000 });
  const decision = await keeper.decide();
  await keeper.stop();
  return decision;
}

const honest = () => feedOf();
const candidates = async () => (await honest().liquidations()).map((candidate) => ({ ...candidate }));
const lyingAbout = (change: (candidate: LiquidationCandidate) => Partial<LiquidationCandidate>) =>
  feedOf({
    liquidations: async () => (await candidates()).map((item) => ({ ...item, ...change(item) })),
  });

describe('a feed that lies about an account', () => {
  it.each<[string, (candidate: LiquidationCandidate) => Partial<LiquidationCandidate>]>([
    ['its cash', ({ cash }) => ({ cash: cash - 1_000_000n })],
    [
      'what its collateral is priced at',
      ({ saleCollateral }) => ({ saleCollateral: saleCollateral + 10n ** 9n }),
    ],
    ['what its collateral is sold for', () => ({ fullCollateral: 10n ** 12n })],
    ['its mark', ({ mark }) => ({ mark: mark + 1_000_000n })],
    ['its requirement', ({ requirement }) => ({ requirement: requirement + 1_000_000n })],
    ['its scale', ({ scale }) => ({ scale: scale / 2n })],
    ['its nonce', ({ nonce }) => ({ nonce: nonce + 1n })],
    ['its legs, in the list alone', ({ legs }) => ({ legs: smaller(legs!) })],
  ])('namely %s, changes nothing of what is done', async (_, change) => {
    const { actions } = await decide(honest());
    expect(actions).toHaveLength(1);
    const { actions: misled } = await decide(lyingAbout(change));
    expect(misled).toEqual(actions);
  });

  it('namely its worth, cannot have more paid than the chain shows', async () => {
    const [order] = (await decide(honest())).actions;
    // All of it together: a price, a profit and a gas limit of another world.
    const { actions } = await decide(
      lyingAbout(({ mark, requirement }) => ({ mark: mark + 500_000_000n, requirement: requirement * 3n })),
    );
    expect(actions).toEqual([order]);
  });

  it('namely its legs, is found out by the commitment, and nothing is begun', async () => {
    const feed = lyingAbout(({ legs }) => ({ legs: smaller(legs!) }));
    feed.opening = async () => ({ ...failing.trader, legs: smaller(failing.trader.legs) });
    const { until, events, keeper } = await start(feed);
    const { declined } = await until(
      (event): event is Extract<KeeperEvent, { type: 'declined' }> => event.type === 'declined',
    );
    expect(declined).toMatchObject({ kind: 'liquidate', reason: 'FALSE_OPENING' });
    await keeper.stop();
    for (const type of ['chosen', 'proving', 'transaction']) {
      expect(events.map((event) => event.type)).not.toContain(type);
    }
  });

  it('namely a healthy one, has it left alone', async () => {
    const [lure] = await candidates();
    const account = await world.protocol.account(healthy.trader.accountId);
    const { accountId, legs } = healthy.trader;
    const { nonce, commitment, cash, scale } = account;
    const figures = { accountId, legs, nonce, commitment, cash, scale };
    const feed = feedOf({ liquidations: async () => [{ ...lure!, ...figures }] });
    const { actions, declined } = await decide(feed);
    expect(actions).toEqual([]);
    expect(declined.filter((item) => item.accountId === accountId)).toMatchObject([
      { kind: 'liquidate', reason: expect.stringMatching(/NOT_CONFIRMED|HEALTHY/) },
    ]);
  });
});

describe('a feed that lies about the market', () => {
  it.each<[string, (market: FeedMarket) => Partial<FeedMarket>]>([
    [
      'its terms',
      ({ terms }) => ({
        terms: { ...terms, rewardShareBps: 10_000, penaltyBps: [1_500, 1_500, 1_500, 1_500] },
      }),
    ],
    ['its volatility', () => ({ volatilityIndex: 2n ** 20n })],
    [
      'its prices',
      ({ round }) => ({
        round: { ...round, underlying: { ...round.underlying, spot: round.underlying.spot / 1_000n } },
      }),
    ],
  ])('namely %s, changes nothing of what is done', async (_, change) => {
    const { actions } = await decide(honest());
    const feed = feedOf({
      market: async (id) => {
        const market = await honest().market(id);
        return { ...market, ...change(market) };
      },
    });
    const { actions: misled } = await decide(feed);
    expect(misled).toEqual(actions);
  });
});

describe('a feed that lies about an auction', () => {
  it('has no bid made that the chain does not price', async () => {
    const { protocol } = world;
    const opener = await start(honest(), { strategy: { ...TEST_STRATEGY, kinds: ['start'] } });
    expect((await opener.until(finished('start'))).end).toBe('confirmed');
    await opener.keeper.stop();
    const { publicStart } = await auctionOf(protocol, failing.trader.accountId);
    await protocol.advanceTo(BigInt(publicStart) + 60n);
    const strategy = { ...TEST_STRATEGY, kinds: ['bid'] as const };
    const { actions } = await decide(honest(), strategy);
    expect(actions).toMatchObject([{ kind: 'bid' }]);
    const lies: ((auction: RunningAuction) => Partial<RunningAuction>)[] = [
      ({ proven }) => ({ proven: { ...proven, mark: proven.mark + 1_000_000n } }),
      ({ terms }) => ({ terms: { ...terms, startFactorBps: 9_000n } }),
      ({ publicStart: from }) => ({ publicStart: from - 10n }),
      ({ cash }) => ({ cash: cash + 1_000_000n }),
      ({ saleCollateral }) => ({ saleCollateral: saleCollateral + 1_000_000n }),
      () => ({ fullCollateral: 10n ** 12n }),
    ];
    for (const change of lies) {
      const feed = feedOf({
        auctions: async () => (await honest().auctions()).map((item) => ({ ...item, ...change(item) })),
      });
      const { actions: misled } = await decide(feed, strategy);
      expect(misled).toEqual(actions);
    }
  });
});

describe('collateral without its haircut', () => {
  it('is what the chain says, for a feed that says nothing of it', async () => {
    const { protocol } = world;
    const { accountId } = failing.trader;
    const kind = await addCollateral(protocol, 1_000n);
    const amount = WHOLE_TOKEN / 1_000n;
    await giveCollateral(protocol, protocol.wallet(2), accountId, kind, amount);
    // A thousandth of a token at its price of the round: the keeper sells its part of that for 5 % less.
    const { spot } = protocol.market.round.underlying;
    const full = spot / 1_000n;
    const priced = saleCollateralValue(kind, amount, spot);
    const [claimed] = await honest().liquidations();
    expect(claimed).toMatchObject({ accountId, saleCollateral: priced });
    expect(claimed).not.toHaveProperty('fullCollateral');
    const grossAt = async (collateralBps: number, feed = honest()) => {
      const spreads = { ...TEST_STRATEGY.spreads, collateralBps };
      const { actions } = await decide(feed, { ...ATOMIC, spreads, minimumProfit: -(10n ** 9n) });
      const [action] = actions;
      if (action?.kind !== 'liquidate') throw new Error('Nothing is liquidated.');
      return action;
    };
    const dear = await grossAt(500);
    const free = await grossAt(0);
    const { scaleTaken } = free;
    const part = (value: bigint) => (value * scaleTaken) / claimed!.scale;
    const { reward } = atomicLiquidation(
      claimed!,
      integerTerms(protocol.terms),
      (await honest().market(protocol.underlyingId)).volatilityIndex,
    );
    expect(free.profit.gross - reward).toBe(part(full - priced));
    expect(free.profit.gross - dear.profit.gross - part(full / 20n)).toBeLessThanOrEqual(1n);
    expect(free.profit.gross - dear.profit.gross).toBeGreaterThanOrEqual(part(full / 20n));
    const lying = lyingAbout(() => ({ fullCollateral: 10n ** 12n }));
    expect(await grossAt(0, lying)).toEqual(free);
  });

  it('counts as notional of the vessel as it did in the slice', async () => {
    const { protocol } = world;
    const kind = await addCollateral(protocol, 1_000n);
    await giveCollateral(protocol, protocol.wallet(2), failing.trader.accountId, kind, WHOLE_TOKEN / 1_000n);
    const { notional } = (await decide(honest())).actions[0]!;
    const { until, keeper } = await start(honest());
    expect((await until(finished('liquidate'))).end).toBe('confirmed');
    await keeper.stop();
    const later = await start(honest(), { concurrency: 0, pollMs: 600_000 });
    const { grossNotional } = await later.until(
      (event): event is Extract<KeeperEvent, { type: 'book' }> => event.type === 'book',
    );
    // The slice has about 15 % of tokens worth 82 USD; they are moved in whole units, of some cents each.
    expect(Math.abs(Number(grossNotional! - notional)) / 1e6).toBeLessThan(0.5);
  });
});

describe('a service that proves less than it could', () => {
  it('has no auction started for a smaller reward', async () => {
    const feed = honest();
    const waitForProof = feed.waitForProof.bind(feed);
    feed.waitForProof = async (id, signal) => {
      const proof = await waitForProof(id, signal);
      return { ...proof, baseRequirement: proof.baseRequirement - 1n };
    };
    const { until, events } = await start(feed, { strategy: { ...TEST_STRATEGY, kinds: ['start'] } });
    const { reason } = await until(
      (event): event is Extract<KeeperEvent, { type: 'abandoned' }> => event.type === 'abandoned',
    );
    expect(reason).toBe('MILDER_PROOF');
    expect(events.map(({ type }) => type)).not.toContain('transaction');
  });
});

/** Legs of a tenth of the size: less to hedge, less notional. */
function smaller(legs: readonly Leg[]): readonly Leg[] {
  return legs.map(({ instrument, quantity }) => ({ instrument, quantity: quantity / 10n || 1n }));
}
