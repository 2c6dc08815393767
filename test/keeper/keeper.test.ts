/** Keepers at work on a real EVM with real proofs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toHex } from 'viem';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { auctionOf } from '../../scripts/lib/local-auction.ts';
import { LocalFeed } from '../../scripts/lib/local-feed.ts';
import type { LocalProtocol } from '../../scripts/lib/local-protocol.ts';
import type { KeeperProof } from '../../src/keeper/feed.ts';
import { DEFAULT_LIQUIDATION_TERMS } from '../../src/liquidation/terms.ts';
import { shockRound } from '../../src/market/shock.ts';
import { revertAfterEach } from '../e2e/hooks.ts';
import { crashed, marginNow, startWorld, type World } from '../e2e/world.ts';
import { type KeeperProcessInput, startKeeperProcess } from './keeper-process.ts';
import {
  chainControl,
  finished,
  NATIVE_PRICE,
  startKeeper,
  TEST_STRATEGY,
  type TestKeeper,
  transaction,
} from './keepers.ts';

const TERMS = { ...DEFAULT_LIQUIDATION_TERMS, atomicLimit: 10n ** 13n };
const VESSEL_CASH = 5_000_000_000_000n;
const KEEPERS = [1, 4, 5] as const;

let world: World;
let protocol: LocalProtocol;
let vessels: bigint[];
let chain: ReturnType<typeof chainControl>;
const running: TestKeeper[] = [];

beforeAll(async () => {
  world = await startWorld(3, TERMS);
  ({ protocol } = world);
  chain = chainControl(protocol.anvil.url);
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

revertAfterEach(() => protocol);
afterEach(async () => {
  await Promise.all(running.splice(0).map(({ keeper }) => keeper.stop()));
  await chain.request({ method: 'anvil_dropAllTransactions' } as never);
  await chain.setAutomine(true);
});

/** The vessels of a keeper. */
function vesselsOf(keeper: number): bigint[] {
  return vessels.slice(3 * keeper, 3 * keeper + 3);
}

function feedOf(accounts = world.failing.slice(0, 1).map(({ trader }) => trader)): LocalFeed {
  return new LocalFeed(protocol, world.prover, accounts);
}

const ATOMIC = { ...TEST_STRATEGY, kinds: ['liquidate'] as const };

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
    const { until, keeper } = await start(0, feed, { strategy: ATOMIC });
    const { end, profit, gasCost } = await until(finished('liquidate'));
    expect(end).toBe('confirmed');
    // Into a vessel without positions, and the first fee of the insurance fund: no liquidation of one account costs more.
    const used = keeper.sender.ended.at(-1)!.inclusion!.gasUsed;
    console.log(`gas of a liquidation: ${used}`);
    expect(used).toBeLessThanOrEqual(ATOMIC.gasTable.liquidate);
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

describe('a dry run', () => {
  it('proves and simulates, and sends nothing', async () => {
    const { trader } = world.failing[0]!;
    const before = await protocol.account(trader.accountId);
    const address = protocol.anvil.accounts[KEEPERS[0]]!.address;
    const nonce = await protocol.client.getTransactionCount({ address });
    const { until, keeper } = await start(0, feedOf(), { dryRun: true, strategy: ATOMIC });
    const told = await until((event) => event.type === 'wouldSend');
    expect(told).toMatchObject({ kind: 'liquidate', accountId: trader.accountId });
    expect(told).not.toHaveProperty('refused');
    expect(keeper.sender.pending).toEqual([]);
    expect(await protocol.account(trader.accountId)).toEqual(before);
    expect(await protocol.client.getTransactionCount({ address })).toBe(nonce);
  });
});

describe('an auction', () => {
  it('is started by one keeper, and bid for by another at the discount that it wants', async () => {
    const { trader } = world.failing[0]!;
    const feed = feedOf();
    const opener = await start(0, feed, { strategy: { ...TEST_STRATEGY, kinds: ['start'] } });
    const started = await opener.until(finished('start'));
    expect(started.end).toBe('confirmed');
    expect((await protocol.account(vesselsOf(0)[0]!)).cash - VESSEL_CASH).toBe(started.profit.gross);
    const { publicStart } = await auctionOf(protocol, trader.accountId);

    const bidder = await start(1, feed, {
      strategy: { ...TEST_STRATEGY, kinds: ['bid'], targetDiscountBps: 500n },
    });
    const { declined } = await bidder.until((event) => event.type === 'declined');
    expect(declined).toMatchObject({ kind: 'bid', reason: 'PRICE_TOO_HIGH' });
    // From 98 % by 18 basis points a second: 95 % after 16.7 s.
    expect(declined.notBefore).toBe(BigInt(publicStart) + 17n);
    await protocol.advance(5);
    expect((await bidder.keeper.decide()).actions).toEqual([]);
    await protocol.advanceTo(declined.notBefore!);
    const { end, profit } = await bidder.until(finished('bid'));
    expect(end).toBe('confirmed');
    const taken = (await Promise.all(vesselsOf(1).map((id) => protocol.account(id)))).find(
      ({ scale }) => scale > 0n,
    )!;
    // At least 5 % of the worth that was bought.
    const held = marginNow(protocol, { legs: trader.legs, scale: taken.scale });
    const won = taken.cash + held.mark - VESSEL_CASH;
    expect(won + 5n).toBeGreaterThanOrEqual(profit.gross);
    expect(won).toBeGreaterThan(0n);
    const after = await protocol.account(trader.accountId);
    const remaining = marginNow(protocol, { legs: trader.legs, scale: after.scale });
    expect(after.cash + remaining.mark).toBeGreaterThanOrEqual(remaining.requirement);
  });

  it('gets newer figures when those recorded are too old to bid by', async () => {
    const { trader } = world.failing[0]!;
    const feed = feedOf();
    const opener = await start(0, feed, { strategy: { ...TEST_STRATEGY, kinds: ['start'] } });
    await opener.until(finished('start'));
    await protocol.advance(TERMS.maxProofAge + 5);
    await protocol.postRound(
      shockRound(crashed, { priceMove: 0, volMultiplierAt30d: 1, secondsLater: TERMS.maxProofAge + 5 }),
    );
    const bidder = await start(1, feed, {
      strategy: { ...TEST_STRATEGY, kinds: ['refresh', 'bid'], minimumProfit: 100_000n },
    });
    expect((await bidder.until(finished('refresh'))).end).toBe('confirmed');
    expect((await bidder.until(finished('bid'))).end).toBe('confirmed');
    expect((await auctionOf(protocol, trader.accountId)).round).toBe(protocol.market.number);
  });
});

describe('several accounts at once', () => {
  const strategy = { ...TEST_STRATEGY, kinds: ['liquidate', 'liquidateBatch'] as const };
  const accounts = () => world.failing.map(({ trader }) => trader);

  it('are liquidated in a batch', async () => {
    const { until } = await start(0, feedOf(accounts()), { strategy });
    const { end, profit } = await until(finished('liquidateBatch'));
    expect(end).toBe('confirmed');
    for (const { accountId, legs } of accounts()) {
      const { cash, scale } = await protocol.account(accountId);
      const { mark, requirement } = marginNow(protocol, { legs, scale });
      expect(cash + mark).toBeGreaterThanOrEqual(requirement);
    }
    expect(profit.net).toBeGreaterThan(0n);
  });

  it('of which one is snatched away go on without it', async () => {
    const [first, ...others] = accounts();
    const rival = feedOf([first!]);
    // Somebody else liquidates the first account while the last proof is under way.
    class LateFeed extends LocalFeed {
      #snatched: Promise<void> | undefined;
      override async waitForProof(id: string, signal: AbortSignal): Promise<KeeperProof> {
        const proof = await super.waitForProof(id, signal);
        this.#snatched ??= start(1, rival, { strategy: ATOMIC }).then(async ({ until }) => {
          await until(finished('liquidate'));
        });
        await this.#snatched;
        return proof;
      }
    }
    const { until, events } = await start(0, new LateFeed(protocol, world.prover, accounts()), { strategy });
    const refusal = await until(finished('liquidateBatch'));
    expect(refusal.end).toBe('refused');
    await until(
      (event): event is Extract<typeof event, { type: 'finished' }> =>
        event.type === 'finished' && event.end === 'confirmed',
    );
    for (const { accountId, legs } of others) {
      const { cash, scale } = await protocol.account(accountId);
      const { mark, requirement } = marginNow(protocol, { legs, scale });
      expect(cash + mark).toBeGreaterThanOrEqual(requirement);
    }
    // Nothing was sent that failed.
    expect(events.some((event) => event.type === 'finished' && event.end === 'reverted')).toBe(false);
  });
});

describe('three keepers and one account', () => {
  it('see each other in their simulations', async () => {
    const { trader } = world.failing[0]!;
    const feed = feedOf();
    const keepers = await Promise.all([0, 1, 2].map((index) => start(index, feed, { strategy: ATOMIC })));
    await Promise.all(
      keepers.map(({ until }) =>
        until(
          (event): event is Extract<typeof event, { type: 'finished' | 'abandoned' }> =>
            event.type === 'finished' || event.type === 'abandoned',
        ),
      ),
    );
    const ends = keepers.flatMap(({ events }) =>
      events.flatMap((event) =>
        event.type === 'finished' ? [{ end: event.end, gasCost: event.gasCost }] : [],
      ),
    );
    expect(ends.filter(({ end }) => end === 'confirmed')).toHaveLength(1);
    for (const { end, gasCost } of ends) if (end !== 'confirmed') expect(gasCost).toBe(0n);
    const { nonce } = await protocol.account(trader.accountId);
    expect(nonce).toBe(2n);
  });

  it('in one block: one liquidates, the others lose no more gas than they allow', async () => {
    const { trader } = world.failing[0]!;
    const feed = feedOf();
    await chain.setAutomine(false);
    const keepers = await Promise.all([0, 1, 2].map((index) => start(index, feed, { strategy: ATOMIC })));
    await Promise.all(keepers.map(({ untilPooled }) => untilPooled()));
    await chain.mine({ blocks: 1 });
    const ends = await Promise.all(keepers.map(({ until }) => until(finished('liquidate'))));
    expect(ends.map(({ end }) => end).sort()).toEqual(['confirmed', 'reverted', 'reverted']);
    // The losers are refused before their proofs are checked, which would cost some 300,000 gas.
    const used = keepers.flatMap(({ events }) =>
      events.flatMap((event) =>
        event.type === 'transaction' && event.event.type === 'included' && !event.event.succeeded
          ? [event.event.gasUsed]
          : [],
      ),
    );
    expect(used).toHaveLength(2);
    for (const gas of used) expect(gas).toBeLessThan(80_000n);
    console.log(`gas of a lost race: ${used.join(', ')}`);
    for (const { profit, gasCost } of ends) {
      const most =
        ((profit.gross - profit.hedge - TEST_STRATEGY.minimumProfit) * TEST_STRATEGY.gasShareBps) / 10_000n;
      expect(gasCost).toBeLessThanOrEqual(most);
    }
    expect((await protocol.account(trader.accountId)).nonce).toBe(2n);
    // The losers do not try again: the account is healthy.
    for (const { keeper } of keepers) expect((await keeper.decide()).actions).toEqual([]);
  });
});

describe('a transaction that lies in the open', () => {
  it('is of no use to whoever copies it', async () => {
    await chain.setAutomine(false);
    const { until, untilPooled } = await start(0, feedOf(), { strategy: ATOMIC });
    const hash = await untilPooled();
    const { input, to, gas, maxFeePerGas } = await protocol.client.getTransaction({ hash });
    const thief = protocol.wallet(5);
    const stolen = await thief.sendTransaction({
      to: to!,
      data: input,
      gas,
      // It comes first in the block.
      maxFeePerGas: maxFeePerGas! * 10n,
      maxPriorityFeePerGas: maxFeePerGas! * 5n,
      chain: null,
      account: thief.account,
    });
    await chain.mine({ blocks: 1 });
    const { end } = await until(finished('liquidate'));
    expect(end).toBe('confirmed');
    const copied = await protocol.client.getTransactionReceipt({ hash: stolen });
    const own = await protocol.client.getTransactionReceipt({ hash: hash });
    expect(copied.status).toBe('reverted');
    expect(copied.transactionIndex).toBeLessThan(own.transactionIndex);
  });
});

describe('a reorganisation', () => {
  it('that takes a liquidation out of the chain has it sent again', async () => {
    const { trader } = world.failing[0]!;
    await chain.setAutomine(false);
    const { until, untilPooled } = await start(0, feedOf(), {
      strategy: ATOMIC,
      transactions: { confirmations: 3 },
    });
    await untilPooled();
    await chain.mine({ blocks: 1 });
    await until(transaction('included'));
    expect((await protocol.account(trader.accountId)).nonce).toBe(2n);
    await chain.mine({ blocks: 1 });
    await chain.request({ method: 'anvil_reorg', params: [2, []] } as never);
    await until(transaction('reorged'));
    expect((await protocol.account(trader.accountId)).nonce).toBe(1n);
    await until(transaction('rebroadcast'));
    await chain.mine({ blocks: 3 });
    expect((await until(finished('liquidate'))).end).toBe('confirmed');
    expect((await protocol.account(trader.accountId)).nonce).toBe(2n);
  });
});

describe('a keeper process that is killed between sending and receipt', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'zkmargin-keeper-'));
  });
  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  it.each(['keeps', 'loses'])(
    'finds its transaction again, and sends no second one, if the mempool %s it',
    async (fate) => {
      const { trader } = world.failing[0]!;
      const feed = feedOf();
      const address = protocol.anvil.accounts[KEEPERS[0]]!.address;
      const [candidate] = await feed.liquidations();
      const job = await feed.requestProof({
        accountId: trader.accountId,
        purpose: 'liquidate',
        keeper: address,
        round: protocol.market.number,
      });
      const input: KeeperProcessInput = {
        url: protocol.anvil.url,
        chainId: protocol.anvil.chainId,
        contracts: protocol.deployment,
        vessels: vesselsOf(0),
        journal: join(directory, 'journal.json'),
        market: await feed.market(protocol.underlyingId),
        candidate: candidate!,
        opening: trader,
        proof: await feed.waitForProof(job, new AbortController().signal),
      };
      const key = toHex(protocol.anvil.accounts[KEEPERS[0]]!.getHdKey().privateKey!);
      const startProcess = () => startKeeperProcess(join(directory, 'input.json'), input, key);
      const nonce = await protocol.client.getTransactionCount({ address });
      await chain.setAutomine(false);

      const first = await startProcess();
      await first.until(transaction('sent'));
      first.child.kill('SIGKILL');
      await first.ended;
      if (fate === 'loses') await chain.request({ method: 'anvil_dropAllTransactions' } as never);

      const second = await startProcess();
      try {
        await second.until(transaction('rebroadcast'));
        await chain.mine({ blocks: 2 });
        await second.until(transaction('ended'));
        const told = second.events.flatMap((event) => (event.type === 'transaction' ? [event.event] : []));
        expect(told.map(({ type }) => type)).toEqual(['rebroadcast', 'included', 'ended']);
        expect(told.at(-1)).toMatchObject({ end: 'confirmed' });
        expect((await protocol.account(trader.accountId)).nonce).toBe(candidate!.nonce + 1n);
        expect(await protocol.client.getTransactionCount({ address, blockTag: 'pending' })).toBe(nonce + 1);
        second.child.kill('SIGTERM');
        expect(await second.ended).toEqual([0, null]);
        expect(first.output() + second.output()).not.toContain(key.slice(2));
      } finally {
        second.child.kill('SIGKILL');
      }
    },
  );
});

describe('the commands', () => {
  /** A process of the command line, with what it has printed. */
  function command(parameters: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    const bin = fileURLToPath(new URL('../../bin/zkmargin.mjs', import.meta.url));
    const { DATABASE_URL: _url, ...inherited } = process.env;
    const child: ChildProcess = spawn(process.execPath, [bin, ...parameters], {
      env: { ...inherited, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const printed = { out: '', errors: '' };
    child.stdout!.on('data', (text) => {
      printed.out += text;
    });
    child.stderr!.on('data', (text) => {
      printed.errors += text;
    });
    const stop = async (): Promise<number | null> => {
      if (child.exitCode !== null) return child.exitCode;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      return (await ended)[0];
    };
    return { child, printed, stop };
  }

  it('serve and keeper liquidate an account between them', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'zkmargin-commands-'));
    const { trader } = world.failing[0]!;
    const { anvil } = protocol;
    const book = join(folder, 'book.json');
    await writeFile(book, JSON.stringify(protocol.addressBook()));
    const serve = command([
      ...['serve', '--port', '0', '--store', 'memory', '--rpc', anvil.url, '--book', book],
    ]);
    const processes = [serve];
    try {
      const service = await vi.waitFor(
        () => {
          const found = /serves on (http:\S+);/.exec(serve.printed.out)?.[1];
          if (found === undefined)
            throw new Error(`not started: ${serve.printed.out}${serve.printed.errors}`);
          return found;
        },
        { timeout: 90_000, interval: 100 },
      );
      const document = join(folder, 'keeper.json');
      await writeFile(
        document,
        JSON.stringify({
          service,
          rpc: anvil.url,
          book,
          journal: join(folder, 'journal.json'),
          vessels: vesselsOf(0).map(String),
          nativePriceUsd: Number(NATIVE_PRICE) / 1e6,
          pollMs: 500,
          strategy: { kinds: ['liquidate'], maxGrossNotionalUsd: 1e9, minimumProfitUsd: 1 },
        }),
      );
      const key = toHex(anvil.accounts[KEEPERS[0]]!.getHdKey().privateKey!);
      const before = await protocol.account(trader.accountId);
      const keeper = command(['keeper', document], { ZKMARGIN_KEEPER_KEY: key });
      processes.push(keeper);
      await vi.waitFor(
        async () => {
          const { scale } = await protocol.account(trader.accountId);
          if (scale === before.scale)
            throw new Error(`not liquidated: ${keeper.printed.out}${keeper.printed.errors}`);
        },
        { timeout: 90_000, interval: 500 },
      );
      const after = await protocol.account(trader.accountId);
      const remaining = marginNow(protocol, { legs: trader.legs, scale: after.scale });
      expect(after.cash + remaining.mark).toBeGreaterThanOrEqual(remaining.requirement);
      expect(await keeper.stop()).toBe(0);
      expect(await serve.stop()).toBe(0);
      for (const { printed } of processes) {
        const text = `${printed.out}${printed.errors}`;
        expect(text).not.toContain(key.slice(2));
      }
    } finally {
      for (const { child } of processes) child.kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    }
  }, 240_000);
});
