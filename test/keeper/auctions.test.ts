/** Keepers in auctions, on a real EVM with real proofs: takeovers, restarts, refreshes, bids under seal. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from 'viem';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { auctionOf, registerLiquidator } from '../../scripts/lib/local-auction.ts';
import { LocalFeed } from '../../scripts/lib/local-feed.ts';
import type { LocalProtocol } from '../../scripts/lib/local-protocol.ts';
import type { KeeperEvent } from '../../src/keeper/events.ts';
import { FileJournal } from '../../src/keeper/transactions/file-journal.ts';
import { fromJson, toJson } from '../../src/keeper/transactions/json.ts';
import { DEFAULT_LIQUIDATION_TERMS } from '../../src/liquidation/terms.ts';
import { exactMargin } from '../../src/margin/exact/margin.ts';
import { shockRound } from '../../src/market/shock.ts';
import type { MarketRound } from '../../src/market/words.ts';
import { crashed, later, marginNow, startWorld, type World } from '../e2e/world.ts';
import { type KeeperProcessInput, startKeeperProcess } from './keeper-process.ts';
import {
  chainControl,
  finished,
  startKeeper,
  TEST_STRATEGY,
  type TestKeeper,
  transaction,
} from './keepers.ts';

/** The whole subsidy is offered while the figures of one proof are young. */
const TERMS = { ...DEFAULT_LIQUIDATION_TERMS, atomicLimit: 10n ** 13n, insolventSeconds: 250 };
const VESSEL_CASH = 5_000_000_000_000n;
const KEEPERS = [1, 4] as const;
const ONLY = (...kinds: (typeof TEST_STRATEGY.kinds)[number][]) => ({ ...TEST_STRATEGY, kinds });

let world: World;
let protocol: LocalProtocol;
let vessels: bigint[][];
let chain: ReturnType<typeof chainControl>;
let snapshot: Awaited<ReturnType<LocalProtocol['snapshot']>>;
const running: TestKeeper[] = [];

beforeAll(async () => {
  world = await startWorld(1, TERMS);
  ({ protocol } = world);
  chain = chainControl(protocol.anvil.url);
  vessels = [];
  for (const index of KEEPERS) {
    vessels.push(await protocol.createVessels(protocol.wallet(index), [VESSEL_CASH, VESSEL_CASH]));
  }
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
  await chain.request({ method: 'anvil_dropAllTransactions' } as never);
  await chain.setAutomine(true);
  await protocol.revert(snapshot);
});

const trader = () => world.failing[0]!.trader;
const feed = () => new LocalFeed(protocol, world.prover, [trader()]);

async function start(keeper: number, options: Parameters<typeof startKeeper>[4]) {
  const started = await startKeeper(protocol, feed(), KEEPERS[keeper]!, vessels[keeper]!, options);
  running.push(started);
  return started;
}

/** Has the first keeper start the auction. */
async function openAuction(strategy = ONLY('start')): Promise<void> {
  const opener = await start(0, { strategy });
  expect((await opener.until(finished('start'))).end).toBe('confirmed');
}

/** A chance that is left alone, not because something is being done about it. */
function leftAlone(kind: string) {
  return (event: KeeperEvent): event is Extract<KeeperEvent, { type: 'declined' }> =>
    event.type === 'declined' && event.declined.kind === kind && event.declined.reason !== 'IN_FLIGHT';
}

/** The vessel of a keeper that has taken a slice, and what it has won by that: cash and mark over what it had. */
async function winnings(keeper: number): Promise<{ readonly scale: bigint; readonly won: bigint }> {
  let scale = 0n;
  let won = 0n;
  for (const id of vessels[keeper]!) {
    const vessel = await protocol.account(id);
    won += vessel.cash - VESSEL_CASH;
    if (vessel.scale === 0n) continue;
    scale += vessel.scale;
    won += marginNow(protocol, { legs: trader().legs, scale: vessel.scale }).mark;
  }
  return { scale, won };
}

/** A round in which the trader has lost more than it has. */
async function ruin(): Promise<MarketRound> {
  const { cash } = await protocol.account(trader().accountId);
  for (const priceMove of [-0.2, -0.35, -0.5, 0.3, 0.6, 1.2]) {
    const round = shockRound(crashed, { priceMove, volMultiplierAt30d: 1.3, secondsLater: 600 });
    if (cash + exactMargin(trader(), round, protocol.parameters).mark < 0n) return round;
  }
  throw new Error('No move ruins the account.');
}

describe('an account that is worth nothing', () => {
  it('is auctioned, and taken over once the subsidy pays for it', async () => {
    const round = await ruin();
    await protocol.advance(600);
    await protocol.postRound(round);
    const before = await protocol.account(trader().accountId);
    // Nobody is paid for the start: it is worth its gas to who wants to take over.
    const strategy = { ...ONLY('start', 'takeOver'), minimumStartProfit: -20_000_000n };
    const { until, keeper } = await start(0, { strategy });
    expect((await until(finished('start'))).end).toBe('confirmed');
    const { declined } = await until(leftAlone('takeOver'));
    expect(declined.reason).toBe('NOT_PROFITABLE');
    expect((await keeper.decide()).actions).toEqual([]);

    await protocol.advance(TERMS.insolventSeconds);
    const { end, profit } = await until(finished('takeOver'));
    expect(end).toBe('confirmed');
    const gone = await protocol.account(trader().accountId);
    expect([gone.scale, gone.cash, gone.inAuction]).toEqual([0n, 0n, false]);
    const { scale, won } = await winnings(0);
    expect(scale).toBe(before.scale);
    expect(won).toBeGreaterThan(0n);
    expect(won - profit.gross).toBeLessThanOrEqual(5n);
    expect(profit.gross - won).toBeLessThanOrEqual(5n);
  });
});

describe('an auction whose price curve has ended', () => {
  it('is started anew, and bid for when the price has fallen to the target', async () => {
    await openAuction();
    const first = await auctionOf(protocol, trader().accountId);
    await protocol.advance(TERMS.tailSeconds + 1);
    await protocol.postRound(later(crashed, TERMS.tailSeconds + 1));
    const bidder = await start(1, { strategy: { ...ONLY('restart', 'bid'), targetDiscountBps: 500n } });
    expect((await bidder.until(finished('restart'))).end).toBe('confirmed');
    const anew = await auctionOf(protocol, trader().accountId);
    expect(anew.number).toBe(first.number);
    expect(anew.round).toBe(protocol.market.number);
    expect(anew.publicStart).toBeGreaterThan(first.publicStart + TERMS.tailSeconds);
    const { declined } = await bidder.until(leftAlone('bid'));
    expect(declined).toMatchObject({ kind: 'bid', reason: 'PRICE_TOO_HIGH' });
    await protocol.advanceTo(declined.notBefore!);
    expect((await bidder.until(finished('bid'))).end).toBe('confirmed');
    expect((await winnings(1)).won).toBeGreaterThan(0n);
  });
});

describe('an auction of which the keeper has bought a part', () => {
  it('gets newer figures from it, so that it can buy the rest', async () => {
    await openAuction();
    await protocol.advance(60);
    // As much as the limit of positions allows, then no more.
    const whole = { ...ONLY('bid'), targetDiscountBps: 0n, minimumProfit: 100_000n };
    const probe = await start(1, { strategy: whole, concurrency: 0 });
    const [all] = (await probe.keeper.decide()).actions;
    await probe.keeper.stop();
    const limited = { ...whole, maxGrossNotional: all!.notional / 10n };
    const part = await start(1, { strategy: limited });
    expect((await part.until(finished('bid'))).end).toBe('confirmed');
    const { scale } = await winnings(1);
    expect(scale).toBeGreaterThan(0n);
    await part.keeper.stop();

    await protocol.advance(TERMS.maxProofAge + 5);
    await protocol.postRound(later(crashed, TERMS.maxProofAge + 65));
    const rest = await start(1, { strategy: { ...whole, kinds: ['refresh', 'bid'] } });
    expect((await rest.until(finished('refresh'))).end).toBe('confirmed');
    expect((await rest.until(finished('bid'))).end).toBe('confirmed');
    expect((await auctionOf(protocol, trader().accountId)).round).toBe(protocol.market.number);
    expect((await winnings(1)).scale).toBeGreaterThan(scale);
  });
});

describe('a feed', () => {
  /** The start of the auction is what there is to do; nothing of it is begun. */
  const looking = { strategy: ONLY('start'), concurrency: 0, pollMs: 600_000 };

  /** A keeper over a feed that is changed, and one over the feed as it is. */
  async function lookWith(changes: Partial<LocalFeed>, options = {}) {
    const changed = Object.assign(feed(), changes);
    const started = await startKeeper(protocol, changed, KEEPERS[0], vessels[0]!, { ...looking, ...options });
    running.push(started);
    return started;
  }

  it('that is behind the chain is not acted on, and told', async () => {
    const known = await protocol.client.getBlockNumber({ cacheTime: 0 });
    const { keeper, until } = await lookWith({ newestBlock: async () => known }, { pollMs: 50 });
    expect((await keeper.decide()).actions).toMatchObject([{ kind: 'start' }]);
    await protocol.advance(91);
    await expect(keeper.decide()).rejects.toMatchObject({ code: 'STALE_FEED' });
    const { reason } = await until(
      (event): event is Extract<KeeperEvent, { type: 'passFailed' }> => event.type === 'passFailed',
    );
    expect(reason).toContain('STALE_FEED');
  });

  it('that answers slowly is as old as its answer, by the times of blocks', async () => {
    let slow = false;
    const plain = feed();
    const { keeper } = await lookWith({
      async liquidations() {
        const answer = await plain.liquidations();
        if (slow) await protocol.advance(91);
        return answer;
      },
    });
    expect((await keeper.decide()).actions).toMatchObject([{ kind: 'start' }]);
    slow = true;
    await expect(keeper.decide()).rejects.toMatchObject({ code: 'STALE_FEED' });
  });

  it('that knows more than the RPC is not acted on', async () => {
    const ahead = (blocks: bigint) => async () =>
      (await protocol.client.getBlockNumber({ cacheTime: 0 })) + blocks;
    const near = await lookWith({ newestBlock: ahead(5n) });
    expect((await near.keeper.decide()).actions).toMatchObject([{ kind: 'start' }]);
    await near.keeper.stop();
    const far = await lookWith({ newestBlock: ahead(6n) });
    await expect(far.keeper.decide()).rejects.toMatchObject({ code: 'RPC_BEHIND' });
  });

  it.each([-400, 400])(
    'is judged by the chain’s time, though the local clock is off by %d days',
    async (days) => {
      const { keeper } = await lookWith({});
      const { round } = protocol.market;
      const expiry = round.underlying.timestamp + 600n;
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + days * 86_400_000 });
      try {
        expect((await keeper.decide()).actions).toMatchObject([{ kind: 'start', proofExpiry: expiry }]);
        await protocol.advanceTo(expiry - TEST_STRATEGY.proofSeconds + 1n);
        expect((await keeper.decide()).declined).toMatchObject([{ reason: 'PROOF_EXPIRED' }]);
      } finally {
        vi.useRealTimers();
      }
    },
  );
});

describe('a sealed bid', () => {
  const strategy = { ...ONLY('sealedBid'), sealedDiscountBps: 150n };
  const bidder = () => protocol.wallet(KEEPERS[1]);
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'zkmargin-sealed-'));
    await registerLiquidator(protocol, bidder());
    await openAuction();
  });
  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  const state =
    (name: string) =>
    (event: KeeperEvent): event is Extract<KeeperEvent, { type: 'sealedBid' }> =>
      event.type === 'sealedBid' && event.state === name;
  const gasOf = ({ events }: TestKeeper, kind: string): bigint => {
    for (const event of events) {
      if (event.type === 'transaction' && event.event.type === 'included' && event.event.kind === kind) {
        return event.event.gasUsed;
      }
    }
    throw new Error(`No transaction of ${kind} was included.`);
  };
  const locked = async () =>
    (await protocol.read<readonly bigint[]>('sealedBids', 'liquidatorOf', [bidder().account.address]))[1]!;

  it('is committed, revealed by the next process, executed, and its bond is free', async () => {
    const path = join(directory, 'journal.json');
    const first = await start(1, { strategy, journal: await FileJournal.open(path) });
    expect((await first.until(finished('sealedBid'))).end).toBe('confirmed');
    await first.until(state('committed'));
    await first.keeper.stop();
    // The secret is on the disk, for its owner alone, and nowhere else.
    const { salt } = (fromJson(await readFile(path, 'utf8')) as { sealedBids: { salt: string }[] })
      .sealedBids[0]!;
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(toJson(first.events)).not.toContain(salt.slice(2));
    expect(await locked()).toBeGreaterThan(0n);

    await protocol.advance(TERMS.commitSeconds + 1);
    // It is to make no more sealed bids, but what it has begun is brought to its end.
    const second = await start(1, { strategy: ONLY('bid'), journal: await FileJournal.open(path) });
    expect((await second.until(finished('reveal'))).end).toBe('confirmed');
    await second.until(state('revealed'));
    await protocol.advance(TERMS.revealSeconds);
    const { end, profit } = await second.until(finished('fill'));
    expect(end).toBe('confirmed');
    await second.until(state('released'));
    expect(await locked()).toBe(0n);
    // The strategy reckons with no less gas than was used.
    const { gasTable } = strategy;
    const [commit, reveal, fill] = [
      gasOf(first, 'sealedBid'),
      gasOf(second, 'reveal'),
      gasOf(second, 'fill'),
    ];
    console.log(`gas of a sealed bid: commitment ${commit}, reveal ${reveal}, fill ${fill}`);
    expect(commit + reveal + fill).toBeLessThanOrEqual(gasTable.sealedBid);
    expect(reveal).toBeLessThanOrEqual(gasTable.reveal);
    expect(fill).toBeLessThanOrEqual(gasTable.fill);
    const { scale, won } = await winnings(1);
    expect(scale).toBeGreaterThan(0n);
    expect(won - profit.gross).toBeLessThanOrEqual(5n);
    expect(profit.gross - won).toBeLessThanOrEqual(5n);
  });

  it('is revealed and executed by the next process, though the journal is lost', async () => {
    const first = await start(1, { strategy });
    expect((await first.until(finished('sealedBid'))).end).toBe('confirmed');
    await first.keeper.stop();
    await protocol.advance(TERMS.commitSeconds + 1);
    // Nothing but the key.
    const second = await start(1, { strategy });
    await second.until(state('recovered'));
    expect((await second.until(finished('reveal'))).end).toBe('confirmed');
    await second.keeper.stop();
    await protocol.advance(TERMS.revealSeconds);
    const third = await start(1, { strategy });
    expect((await third.until(finished('fill'))).end).toBe('confirmed');
    await third.until(state('released'));
    expect(await locked()).toBe(0n);
    expect((await winnings(1)).scale).toBeGreaterThan(0n);
  });

  it('that is included after the journal is lost and another one was prepared is opened, and revealed', async () => {
    await chain.setAutomine(false);
    const first = await start(1, { strategy });
    await first.untilPooled();
    await first.keeper.stop();
    const second = await start(1, { strategy });
    // Its own bid for the auction is in the journal by now.
    expect((await second.until(finished('sealedBid'))).end).toBe('refused');
    await chain.mine({ blocks: 1 });
    await chain.setAutomine(true);
    await second.until(state('recovered'));
    await protocol.advance(TERMS.commitSeconds + 1);
    expect((await second.until(finished('reveal'))).end).toBe('confirmed');
    await second.until(state('revealed'));
  });

  it('whose commitment could not be sent is made anew, by the same vessel', async () => {
    const { address } = bidder().account;
    const balance = await protocol.client.getBalance({ address });
    await chain.setBalance({ address, value: 1n });
    const keeper = await start(1, { strategy, vessels: vessels[1]!.slice(0, 1) });
    expect((await keeper.until(finished('sealedBid'))).end).toBe('refused');
    await chain.setBalance({ address, value: balance });
    await keeper.until(state('committed'));
  });

  it('of a journal that did not tell the chain is revealed, and kept anew', async () => {
    const path = join(directory, 'journal.json');
    const first = await start(1, { strategy, journal: await FileJournal.open(path) });
    expect((await first.until(finished('sealedBid'))).end).toBe('confirmed');
    await first.keeper.stop();
    const { records, sealedBids } = fromJson(await readFile(path, 'utf8')) as {
      records: unknown;
      sealedBids: Record<string, unknown>[];
    };
    const former = sealedBids.map(({ chainId: _chain, copy: _copy, ...bid }) => bid);
    const foreign = { ...former[0]!, hash: toHex(1n, { size: 32 }) };
    await writeFile(path, toJson({ schema: 1, records, sealedBids: former }));
    await writeFile(join(directory, 'other.json'), toJson({ schema: 1, records: [], sealedBids: [foreign] }));
    // One of another chain is not touched.
    const other = await FileJournal.open(join(directory, 'other.json'));
    await protocol.advance(TERMS.commitSeconds + 1);
    const second = await start(1, { strategy, journal: await FileJournal.open(path) });
    await second.until(state('revealed'));
    expect(second.events).not.toContainEqual(expect.objectContaining({ state: 'recovered' }));
    await second.keeper.stop();
    const third = await start(1, { strategy, journal: other });
    await third.until(state('recovered'));
    expect(other.sealedBids().map(({ chainId }) => chainId)).toEqual([0, protocol.anvil.chainId]);
  });

  it('that neither journal nor key opens is told, with the time until which it can be saved', async () => {
    const hash = await bidder().writeContract({
      address: protocol.deployment.sealedBids,
      abi: protocol.abis.sealedBids,
      functionName: 'commit',
      args: [trader().accountId, toHex(7n, { size: 32 })],
      chain: null,
      account: bidder().account,
    });
    await protocol.client.waitForTransactionReceipt({ hash });
    const { revealEnd } = await protocol.read<{ revealEnd: number }>('auctionHouse', 'stagesOf', [
      trader().accountId,
    ]);
    const { until } = await start(1, { strategy });
    const told = await until(
      (event): event is Extract<KeeperEvent, { type: 'sealedBidUnknown' }> =>
        event.type === 'sealedBidUnknown',
    );
    expect(told).toMatchObject({ accountId: trader().accountId, revealEnd: BigInt(revealEnd) });
    expect(told.bond).toBe(await locked());
  });

  it('that nobody executes lapses, and its bond is released', async () => {
    const keeper = await start(1, { strategy });
    await keeper.until(state('committed'));
    await protocol.advance(TERMS.commitSeconds + 1);
    await keeper.until(state('revealed'));
    const { publicStart } = await auctionOf(protocol, trader().accountId);
    await protocol.advanceTo(BigInt(publicStart));
    expect((await keeper.until(finished('release'))).end).toBe('confirmed');
    expect(gasOf(keeper, 'release')).toBeLessThanOrEqual(strategy.gasTable.release);
    await keeper.until(state('released'));
    expect(await locked()).toBe(0n);
    expect((await winnings(1)).scale).toBe(0n);
  });

  it('survives kill -9 between its commitment and its reveal', async () => {
    const [auction] = await feed().auctions();
    const input: KeeperProcessInput = {
      url: protocol.anvil.url,
      chainId: protocol.anvil.chainId,
      contracts: protocol.deployment,
      vessels: vessels[1]!,
      journal: join(directory, 'journal.json'),
      market: await feed().market(protocol.underlyingId),
      auctions: [auction!],
      opening: trader(),
      strategy,
    };
    const file = join(directory, 'input.json');
    const key = toHex(protocol.anvil.accounts[KEEPERS[1]]!.getHdKey().privateKey!);
    const startProcess = () => startKeeperProcess(file, input, key);
    await chain.setAutomine(false);
    const first = await startProcess();
    await first.until(transaction('sent'));
    // A keeper tells of a transaction before it broadcasts it.
    await vi.waitFor(
      async () => {
        const { pending } = await chain.getTxpoolStatus();
        if (pending === 0) throw new Error('The commitment is not in the pool yet.');
      },
      { timeout: 30_000, interval: 25 },
    );
    first.child.kill('SIGKILL');
    await first.ended;
    // What the process had sent is included without it.
    await chain.mine({ blocks: 1 });
    expect(await locked()).toBeGreaterThan(0n);
    await protocol.advance(TERMS.commitSeconds + 1);
    await chain.setAutomine(true);
    const second = await startProcess();
    try {
      await second.until(state('revealed'));
      second.child.kill('SIGTERM');
      expect(await second.ended).toEqual([0, null]);
    } finally {
      second.child.kill('SIGKILL');
    }
  });
});
