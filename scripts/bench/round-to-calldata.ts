/**
 * From the block with a crash to calldata that liquidates the worst of many accounts: a real chain, a real service with its
 * default settings, a keeper's feed over its API, a real proof.
 *
 *     npm run bench -- --only round-to-calldata [--runs 5 --accounts 10000]
 *
 * What is set up, not measured: opening 10,000 accounts by proofs would take hours. The accounts that are liquidated are opened on
 * the chain, by trades whose proofs a stand-in verifier accepts; then the real verifiers are put back. All others are written into
 * the service's store as the indexer would have written them, with real commitments. What a round costs is the same: the indexer
 * reads of its block nothing about accounts, and everything behind the store sees no difference. That the calldata is good is
 * checked against the real engine and its real verifier after each run.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Address } from 'viem';
import { loadProtocolAbis } from '../../src/chain/artifacts.ts';
import { Indexer } from '../../src/chain/indexer/index.ts';
import { ServiceClient } from '../../src/client/index.ts';
import { callOf } from '../../src/keeper/calls.ts';
import type { KeeperProof, LiquidationCandidate } from '../../src/keeper/feed.ts';
import { ServiceFeed } from '../../src/keeper/service-feed.ts';
import type { LiquidateAction } from '../../src/keeper/strategy/actions.ts';
import { SCALE_ONE } from '../../src/margin/exact/bounds.ts';
import { exactMargin } from '../../src/margin/exact/margin.ts';
import { compileBook, screenBook } from '../../src/margin/float/screen.ts';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import { packLeg } from '../../src/market/instrument.ts';
import { shockRound } from '../../src/market/shock.ts';
import type { MarketRound } from '../../src/market/words.ts';
import { mulberry32 } from '../../src/math/float/random.ts';
import { commitPositions } from '../../src/proof/commitment.ts';
import { type RunningService, startService } from '../../src/service/index.ts';
import type { AccountRecord, OpeningRecord } from '../../src/store/chain-records.ts';
import { ChainStore } from '../../src/store/chain-store.ts';
import { openDatabase } from '../../src/store/database.ts';
import { indexedContracts, startUnprovenWorld, type UnprovenWorld } from '../lib/unproven-protocol.ts';
import { largeBook, listedChain } from './large-book.ts';
import { type BenchResult, median } from './measure.ts';

const LEGS = 8;
const SEED = 23;
/** Of the accounts that could be open before the crash and fail in it, those that are made so: about 2 % of all. */
const FAILING = 0.1;
const SALT = 7n;

/** What one crash took, in milliseconds, and processor time in milliseconds. */
interface Sample {
  readonly told: number;
  readonly margins: number;
  readonly feed: number;
  readonly asked: number;
  readonly proof: number;
  readonly witness: number;
  readonly proving: number;
  readonly verifying: number;
  readonly calldata: number;
  readonly total: number;
  readonly processor: number;
  readonly prover: number;
  readonly candidates: number;
}

/** @returns lines of the report */
export async function benchRoundToCalldata(runs: number, accounts = 10_000): Promise<BenchResult[]> {
  const results: BenchResult[] = [];
  const add = (what: string, value: number, unit: string) => results.push({ what, value, unit });
  const world = await startUnprovenWorld();
  const directory = mkdtempSync(join(tmpdir(), 'zkmargin-bench-'));
  try {
    const opened = [];
    for (const account of world.failing.slice(0, 3)) opened.push(await world.open(account));
    const vessel = await world.protocol.createFunded(world.protocol.keeper, 5_000_000_000_000n);
    await world.restoreVerifiers();
    const onChain = new Set(opened.map(({ trader }) => trader.accountId));
    const started = performance.now();
    await fillStore(world, directory, accounts, [...onChain]);
    const filling = (performance.now() - started) / 1000;

    const samples: Sample[] = [];
    await withService(world, directory, false, async (client) => {
      // The first is a warm-up.
      for (let run = 0; run <= runs; run++) {
        const sample = await crash(world, client, vessel, onChain);
        if (run > 0) samples.push(sample);
      }
    });
    const ready: number[] = [];
    const cached: number[] = [];
    await withService(world, directory, true, async (client) => {
      for (let run = 0; run <= runs; run++) {
        const sample = await crashWithSpeculation(world, client, vessel, onChain);
        if (run > 0) {
          ready.push(sample.ready);
          cached.push(sample.cached);
        }
      }
    });

    const column = (name: keyof Sample) => median(samples.map((sample) => sample[name])) / 1000;
    const what = `round to calldata, ${accounts.toLocaleString('en-US')} accounts x ${LEGS} legs`;
    add(`${what}: all of it, median`, column('total'), 's');
    add('  at most', Math.max(...samples.map(({ total }) => total)) / 1000, 's');
    add('  from the accepting transaction to the event `round` at the keeper', column('told'), 's');
    add('    among it the margins of all accounts', column('margins'), 's');
    add("  the keeper's feed of all candidates", column('feed'), 's');
    add('  request for the proof of the worst', column('asked'), 's');
    add('  until the proof is there', column('proof'), 's');
    add('    among it the witness', column('witness'), 's');
    add('    among it the proof (insolvency-8, warm)', column('proving'), 's');
    add('    among it its verification', column('verifying'), 's');
    add('  calldata', column('calldata'), 's');
    add('  processor time of service and keeper', column('processor'), 's');
    add('  processor time of the prover', column('prover'), 's');
    add('  candidates in the feed', median(samples.map(({ candidates }) => candidates)), '');
    add('with speculation: from the accepting transaction to the proof in store', median(ready) / 1000, 's');
    add('  request and answer with the proof that is there, then calldata', median(cached) / 1000, 's');
    add(
      `set up: ${(accounts - onChain.size).toLocaleString('en-US')} accounts written into the store`,
      filling,
      's',
    );
    return results;
  } finally {
    await world.protocol.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Has the real indexer read the chain, then adds accounts. */
async function fillStore(
  world: UnprovenWorld,
  directory: string,
  count: number,
  onChain: readonly bigint[],
): Promise<void> {
  const { protocol, opening, crashed } = world;
  const database = await openDatabase({ directory });
  try {
    const store = new ChainStore(database);
    const indexer = new Indexer({
      store,
      contracts: indexedContracts(world.protocol),
      abis: loadProtocolAbis(),
      endpoints: { urls: [protocol.anvil.url] },
    });
    await indexer.sync();
    await indexer.close();
    const tip = (await store.tip())!;
    const present = await store.accounts();
    const shortfalls = onChain.map((id, index) => {
      const { cash } = present.find(({ accountId }) => accountId === id)!;
      const { mark, requirement } = exactMargin(world.failing[index]!, crashed, protocol.parameters);
      return Number(requirement - mark - cash);
    });
    // The one on the chain that lacks most comes first in the feed.
    const most = Math.max(...shortfalls);
    const book = largeBook(listedChain(opening), count - present.length, LEGS, SEED);
    const [before, after] = [opening, crashed].map((round) =>
      screenBook(
        compileBook(book.map((account) => ({ ...account, cash: 0n, underlyingId: protocol.underlyingId }))),
        round,
        DEFAULT_PARAMETERS,
      ),
    ) as [ReturnType<typeof screenBook>, ReturnType<typeof screenBook>];
    const initial = Number(protocol.market.initialLevel) / 4_096;
    const random = mulberry32(SEED);
    const accounts: AccountRecord[] = [];
    const openings: OpeningRecord[] = [];
    for (const [index, { legs }] of book.entries()) {
      const needed = 1.05 * initial * before.requirement[index]! - before.equity[index]!;
      const lacking = (after.requirement[index]! - after.equity[index]!) * 1e6;
      const failing = lacking - random() * 0.8 * most;
      const falls = random() < FAILING && failing > needed * 1e6;
      const healthy = Math.max(
        needed * 1e6,
        lacking + 0.3 * (1 + 4 * random()) * after.requirement[index]! * 1e6,
      );
      const accountId = BigInt(present.length + index + 1);
      const commitment = await commitPositions({
        legs,
        underlyingId: protocol.underlyingId,
        salt: SALT + accountId,
      });
      accounts.push({
        accountId,
        block: tip.number,
        owner: protocol.wallet(2).account.address.toLowerCase(),
        underlyingId: protocol.underlyingId,
        commitment,
        scale: SCALE_ONE,
        cash: BigInt(Math.round(falls ? failing : healthy)),
        collateral: 0n,
        movingCollateral: 0n,
        saleCollateral: 0n,
        nonce: 1n,
        inAuction: false,
        feeChargedAt: 0n,
      });
      openings.push({
        block: tip.number,
        logIndex: 1_000_000 + index,
        accountId,
        underlyingId: protocol.underlyingId,
        nonce: 1n,
        commitment,
        source: 'trade',
        status: 'known',
        legs: legs.map((leg) => packLeg(leg)),
        salt: SALT + accountId,
      });
    }
    const none = { blocks: [], rounds: [], pendingRounds: [], resolvedRounds: [], oracleSettings: [] };
    await store.apply(tip, { ...none, accounts, openings, parameters: [], auctions: [], sales: [] });
  } finally {
    await database.close();
  }
}

/** A service with default settings but for speculation, when it has caught up. */
async function withService(
  world: UnprovenWorld,
  directory: string,
  speculation: boolean,
  work: (client: ServiceClient) => Promise<void>,
): Promise<void> {
  const service: RunningService = await startService({
    port: 0,
    store: { directory },
    speculation,
    chain: { rpc: [world.protocol.anvil.url], book: indexedContracts(world.protocol) },
  });
  try {
    const client = new ServiceClient({ url: service.url, timeoutMs: 120_000 });
    for (;;) {
      const answer = await fetch(`${service.url}/readyz`);
      if (answer.status === 200) break;
      await answer.text();
      await pause(50);
    }
    // All connections are there, and everything has been run once.
    await client.allLiquidations();
    await work(client);
  } finally {
    await service.close();
  }
}

/** Brings prices back, then has the crash accepted by the oracle: the second report confirms it. */
async function postCrash({ protocol, opening }: UnprovenWorld, beforeAccepting: () => void): Promise<void> {
  const at = async (shock: { priceMove: number; volMultiplierAt30d: number }): Promise<MarketRound> => {
    await protocol.advance(30);
    const later = Number((await protocol.now()) - opening.underlying.timestamp);
    return shockRound(opening, { ...shock, secondsLater: later });
  };
  await protocol.postRound(await at({ priceMove: 0, volMultiplierAt30d: 1 }));
  const crashed = await at({ priceMove: -0.12, volMultiplierAt30d: 1.35 });
  if ((await protocol.post(crashed)).accepted) throw new Error('The breaker let the crash pass at once.');
  await protocol.advance(2);
  const { underlying } = crashed;
  beforeAccepting();
  const { accepted } = await protocol.post({
    ...crashed,
    underlying: { ...underlying, timestamp: underlying.timestamp + 1n },
  });
  if (!accepted) throw new Error('The oracle did not confirm the crash.');
}

/** Hears of rounds as a keeper does. */
async function listen(client: ServiceClient) {
  const ends = new AbortController();
  let heard: { resolve: () => void; price: bigint; number: bigint } | undefined;
  let first = () => {};
  const ready = new Promise<void>((resolve) => {
    first = resolve;
  });
  const listening = (async () => {
    const events = client.events({ signal: ends.signal });
    first();
    for await (const { type, data } of events) {
      const { spot, number } = data as { spot: string; number: string };
      if (type !== 'round' || heard === undefined || BigInt(spot) > heard.price) continue;
      heard.number = BigInt(number);
      heard.resolve();
    }
  })();
  await ready;
  await pause(200);
  return {
    /** Waits for a round at which the price is that or lower. */
    below: (price: bigint) => {
      const number = 0n;
      const told = new Promise<void>((resolve) => {
        heard = { resolve, price, number };
      });
      return told.then(() => heard!.number);
    },
    end: async () => {
      ends.abort();
      await listening.catch(() => undefined);
    },
  };
}

async function crash(
  world: UnprovenWorld,
  client: ServiceClient,
  vessel: bigint,
  onChain: ReadonlySet<bigint>,
): Promise<Sample> {
  const feed = new ServiceFeed(client);
  const { address } = world.protocol.keeper.account;
  const ear = await listen(client);
  try {
    const marginsBefore = await marginSeconds(client);
    const told = ear.below((world.opening.underlying.spot * 9n) / 10n);
    let [start, processor, prover] = [0, process.cpuUsage(), 0];
    const posting = postCrash(world, () => {
      start = performance.now();
      processor = process.cpuUsage();
      prover = proverTime();
    });
    posting.catch(() => undefined);
    const round = await Promise.race([told, posting.then(() => told)]);
    const marks = [performance.now()];
    const candidates = await feed.liquidations();
    marks.push(performance.now());
    const worst = candidates[0]!;
    const id = await feed.requestProof({
      accountId: worst.accountId,
      purpose: 'liquidate',
      keeper: address,
      round,
    });
    marks.push(performance.now());
    const proof = await feed.waitForProof(id, AbortSignal.timeout(120_000));
    marks.push(performance.now());
    const call = callFor(world, worst, proof, vessel);
    marks.push(performance.now());
    const used = process.cpuUsage(processor);
    const proverUsed = proverTime() - prover;
    await posting;
    const { timings } = (await client.job(id)).result!;
    await check(world, call, worst, onChain);
    const [t0, t1, t2, t3, t4] = marks as [number, number, number, number, number];
    return {
      told: t0 - start,
      margins: 1000 * ((await marginSeconds(client)) - marginsBefore),
      feed: t1 - t0,
      asked: t2 - t1,
      proof: t3 - t2,
      witness: timings.witness,
      proving: timings.proving,
      verifying: timings.verifying,
      calldata: t4 - t3,
      total: t4 - start,
      processor: (used.user + used.system) / 1000,
      prover: proverUsed,
      candidates: candidates.length,
    };
  } finally {
    await ear.end();
  }
}

async function crashWithSpeculation(
  world: UnprovenWorld,
  client: ServiceClient,
  vessel: bigint,
  onChain: ReadonlySet<bigint>,
): Promise<{ readonly ready: number; readonly cached: number }> {
  const { address } = world.protocol.keeper.account;
  const feed = new ServiceFeed(client, { keeper: address });
  await feed.liquidations();
  const ear = await listen(client);
  try {
    const told = ear.below((world.opening.underlying.spot * 9n) / 10n);
    let start = 0;
    await postCrash(world, () => {
      start = Date.now();
    });
    const round = await told;
    const [worst] = await feed.liquidations();
    // Now, when what was begun for the round before has been dropped or is counted, and the first proof of this one takes a second yet.
    const made = await speculated(client);
    // Seldom, so that looking costs the prover nothing; the job itself tells when it was finished.
    while ((await speculated(client)) === made) await pause(250);
    const asked = performance.now();
    const id = await feed.requestProof({
      accountId: worst!.accountId,
      purpose: 'liquidate',
      keeper: address,
      round,
    });
    const proof = await feed.waitForProof(id, AbortSignal.timeout(120_000));
    const call = callFor(world, worst!, proof, vessel);
    const cached = performance.now() - asked;
    const job = await client.job(id);
    if (job.priority !== 'speculative') throw new Error('The proof was not there.');
    await check(world, call, worst!, onChain);
    return { ready: Date.parse(job.finishedAt!) - start, cached };
  } finally {
    await ear.end();
  }
}

function callFor(
  { protocol }: UnprovenWorld,
  worst: LiquidationCandidate,
  proof: KeeperProof,
  vesselId: bigint,
) {
  const { accountId, underlyingId, nonce, round, capacity, proofExpiry } = worst;
  const action = {
    kind: 'liquidate',
    accountId,
    underlyingId,
    nonce,
    round,
    capacity,
    proofExpiry,
    vesselId,
    maxPayment: 10n ** 15n,
    minScale: 1n,
    scaleTaken: worst.scale,
    notional: 0n,
  } as unknown as LiquidateAction;
  return callOf(action, [proof], proofExpiry, protocol.deployment, protocol.abis);
}

/** The engine would take the call, and the worst account is one of the chain. */
async function check(
  { protocol }: UnprovenWorld,
  { to, data }: ReturnType<typeof callFor>,
  { accountId }: LiquidationCandidate,
  onChain: ReadonlySet<bigint>,
): Promise<void> {
  if (!onChain.has(accountId)) throw new Error(`Account ${accountId} is not on the chain.`);
  await protocol.client.call({ account: protocol.keeper.account.address, to: to as Address, data });
}

async function metric(client: ServiceClient, name: string): Promise<number> {
  const line = (await (await fetch(`${client.url}/metrics`)).text())
    .split('\n')
    .find((text) => text.startsWith(`${name} `));
  return Number(line?.split(' ').at(-1) ?? 0);
}
const marginSeconds = (client: ServiceClient) => metric(client, 'zkmargin_round_to_margin_seconds_sum');
const speculated = (client: ServiceClient) => metric(client, 'zkmargin_speculative_jobs{event="made"}');

/** Processor time of proving processes, in milliseconds; 0 where /proc is absent. */
function proverTime(): number {
  let ticks = 0;
  try {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
        if (Number(fields[1]) !== process.pid) continue;
        if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('prover/worker.ts')) continue;
        ticks += Number(fields[11]) + Number(fields[12]);
      } catch {
        // It has just ended.
      }
    }
  } catch {
    return 0;
  }
  return ticks * 10;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
