/**
 * The server of the load test, as a process of its own: the service's routes over a book of many accounts, with a proving process. Its
 * chain is written into the store directly. Argument: options as JSON. Talks to its parent by messages.
 */

import { DEFAULT_LIQUIDATION_TERMS } from '../../src/liquidation/terms.ts';
import { DEFAULT_PARAMETERS, packParameters } from '../../src/margin/parameters.ts';
import { packLeg } from '../../src/market/instrument.ts';
import { shockRound } from '../../src/market/shock.ts';
import { type MarketRound, packRound } from '../../src/market/words.ts';
import { WorkerPool } from '../../src/proof/prover/worker-pool.ts';
import { buildService } from '../../src/service/app.ts';
import { LiveBook } from '../../src/service/book/live-book.ts';
import { loadCircuits } from '../../src/service/circuits.ts';
import { ServiceMetrics } from '../../src/service/metrics.ts';
import type { ChainChanges, RoundRecord } from '../../src/store/chain-records.ts';
import { ChainStore } from '../../src/store/chain-store.ts';
import { openDatabase } from '../../src/store/database.ts';
import { JobQueue } from '../../src/store/job-queue.ts';
import { exampleCrash } from '../lib/example-crash.ts';
import { largeBook, listedChain } from './large-book.ts';

/** What the server is told to serve. */
export interface LoadServerOptions {
  readonly accounts: number;
  readonly legs: number;
  readonly circuit: string;
  readonly capacity: number;
  /** URL of PostgreSQL; an embedded store in a directory otherwise. */
  readonly url?: string;
  readonly directory?: string;
}

const SEED = 13;
const options = JSON.parse(process.argv[2]!) as LoadServerOptions;
const { opening } = exampleCrash();
const { underlyingId } = opening.underlying;
const database = await openDatabase(
  options.url === undefined ? { directory: options.directory! } : { url: options.url },
);
const store = new ChainStore(database);
await store.claim({ chainId: 31_337n, deployment: 'load test', startBlock: 1n });

const hash = (number: bigint): string => `0x${number.toString(16).padStart(64, '0')}`;
const NOTHING: Omit<ChainChanges, 'blocks'> = {
  accounts: [],
  openings: [],
  rounds: [],
  pendingRounds: [],
  resolvedRounds: [],
  oracleSettings: [],
  parameters: [],
  auctions: [],
  sales: [],
};

async function write(changes: Partial<ChainChanges>, round: MarketRound): Promise<void> {
  const tip = await store.tip();
  const number = (tip?.number ?? 0n) + 1n;
  const block = {
    number,
    hash: hash(number),
    parentHash: hash(number - 1n),
    timestamp: round.underlying.timestamp,
  };
  const words = packRound(round);
  const record: RoundRecord = {
    underlyingId,
    number,
    block: number,
    timestamp: round.underlying.timestamp,
    spot: round.underlying.spot,
    volatility: 0n,
    underlyingWord: words.underlyingWord,
    expiryWords: words.expiryWords,
    woundDown: false,
  };
  await store.apply(tip, { ...NOTHING, ...changes, blocks: [block], rounds: [record] });
}

const accounts = largeBook(listedChain(opening), options.accounts, options.legs, SEED);
const { header, scenarioWords } = packParameters(DEFAULT_PARAMETERS);
await write(
  {
    parameters: [
      {
        underlyingId,
        version: 1n,
        block: 1n,
        commitment: 1n,
        words: [header, ...scenarioWords],
        terms: JSON.parse(
          JSON.stringify(DEFAULT_LIQUIDATION_TERMS, (_, value) =>
            typeof value === 'bigint' ? String(value) : value,
          ),
        ),
      },
    ],
    oracleSettings: [{ block: 1n, logIndex: 0, underlyingId, maxRoundAge: 600n }],
    accounts: accounts.map(({ scale, cash }, index) => ({
      accountId: BigInt(index + 1),
      block: 1n,
      owner: `0x${(index + 1).toString(16).padStart(40, '0')}`,
      underlyingId,
      commitment: BigInt(index + 1),
      scale,
      // Most are healthy, as accounts are.
      cash: index % 10 === 0 ? cash : cash + 3_000_000_000_000n,
      collateral: 0n,
      movingCollateral: 0n,
      saleCollateral: 0n,
      nonce: 0n,
      inAuction: false,
      feeChargedAt: 0n,
    })),
    openings: accounts.map(({ legs }, index) => ({
      block: 1n,
      logIndex: index,
      accountId: BigInt(index + 1),
      underlyingId,
      nonce: 0n,
      commitment: BigInt(index + 1),
      source: 'trade' as const,
      status: 'known' as const,
      legs: legs.map((leg) => packLeg(leg)),
      salt: BigInt(index),
    })),
  },
  opening,
);

const circuits = await loadCircuits([options.circuit]);
const queue = new JobQueue(database, { capacity: options.capacity });
const prover = new WorkerPool({
  circuits,
  backend: { name: 'native' },
  size: 1,
  maxQueue: 1,
  crashRetries: 0,
});
const book = new LiveBook({ store });
const metrics = new ServiceMetrics();
metrics.watchBook(book);
const zero = `0x${'00'.repeat(20)}` as const;
const addresses = {
  oracle: zero,
  parameters: zero,
  vault: zero,
  clearingHouse: zero,
  engine: zero,
  auctionHouse: zero,
};
const app = buildService({
  queue,
  prover,
  circuits,
  metrics,
  chain: { book, store, contracts: { chainId: 31_337, addresses } },
});
await book.start();
await prover.warmUp();
const url = await app.listen({ host: '127.0.0.1', port: 0 });
process.send!({ url });
let rounds = 0;
process.on('message', async (message: 'round' | 'stop') => {
  if (message === 'round') {
    rounds++;
    const moved = shockRound(opening, {
      priceMove: -0.03 * rounds,
      volMultiplierAt30d: 1 + 0.1 * rounds,
      secondsLater: 60 * rounds,
    });
    await write({}, moved);
    return;
  }
  await app.close();
  await database.close();
  process.disconnect();
});
