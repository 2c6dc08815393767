/** All of it as processes on a local chain: server, provers, keeper, PostgreSQL, an endpoint that may fail; and what must hold. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createTestClient, http, parseEventLogs, toHex } from 'viem';
import { startUnprovenWorld, UNPROVEN, type UnprovenWorld } from '../../scripts/lib/unproven-protocol.ts';
import { INDEXED_ROLES, type IndexedContracts, Indexer } from '../../src/chain/indexer/index.ts';
import { prepareTrade } from '../../src/chain/requests/trade.ts';
import type { TransactionRecord } from '../../src/keeper/transactions/journal.ts';
import { fromJson } from '../../src/keeper/transactions/json.ts';
import { exactMargin } from '../../src/margin/exact/margin.ts';
import type { Leg } from '../../src/market/instrument.ts';
import { ChainStore } from '../../src/store/chain-store.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { freePort, startTestPostgres, type TestPostgres } from '../../src/store/testing.ts';
import { type RpcProxy, startProxy } from '../indexer/proxies.ts';
import { type Started, start } from './processes.ts';

/** Circuits of the jobs. */
export const CIRCUITS = ['insolvency-8', 'settlement-8'] as const;
const KEEPER_WALLET = 4;
/** All accounts have the same positions, so that a vessel takes many slices; but none that is dust beside what it holds already. */
const VESSELS = 16;
const standIn = fileURLToPath(new URL('./stand-in-prover.ts', import.meta.url));

/** Processes that can be killed and started again. */
export const PROCESSES = ['server', 'prover', 'keeper'] as const;
export type ProcessName = (typeof PROCESSES)[number];

/** How the whole is put together. */
export interface WholeOptions {
  readonly folder: string;
  /** Whether proofs are real, and the verifiers of insolvency proofs on the chain as well. */
  readonly real: boolean;
}

/** Everything that runs, and what must hold of it. */
export class Whole {
  readonly world: UnprovenWorld;
  readonly postgres: TestPostgres;
  readonly proxy: RpcProxy;
  readonly url: string;
  /** Times that a process ended by itself, as when the store could not be reached at its start. */
  readonly ends: Record<ProcessName, number> = { server: 0, prover: 0, keeper: 0 };
  readonly #options: WholeOptions;
  readonly #databaseUrl: string;
  readonly #processes = new Map<ProcessName, Started>();
  readonly #lastWords = new Map<ProcessName, string>();
  readonly #files: { readonly book: string; readonly keeper: string; readonly journal: string };
  readonly #port: number;
  #salt = 0n;

  private constructor(
    options: WholeOptions,
    parts: {
      world: UnprovenWorld;
      postgres: TestPostgres;
      proxy: RpcProxy;
      databaseUrl: string;
      port: number;
    },
  ) {
    this.#options = options;
    this.world = parts.world;
    this.postgres = parts.postgres;
    this.proxy = parts.proxy;
    this.#databaseUrl = parts.databaseUrl;
    this.#port = parts.port;
    this.url = `http://127.0.0.1:${parts.port}`;
    const { folder } = options;
    this.#files = {
      book: join(folder, 'book.json'),
      keeper: join(folder, 'keeper.json'),
      journal: join(folder, 'journal.json'),
    };
  }

  static async start(options: WholeOptions): Promise<Whole> {
    const world = await startUnprovenWorld(options.real ? 'insolvency' : undefined);
    const { protocol } = world;
    const postgres = await startTestPostgres();
    const parts = {
      world,
      postgres,
      proxy: await startProxy(protocol.anvil.url),
      databaseUrl: await postgres.createDatabase(),
      port: await freePort(),
    };
    const whole = new Whole(options, parts);
    const wallet = protocol.wallet(KEEPER_WALLET);
    await protocol.fund(wallet);
    const vessels = await protocol.createVessels(
      wallet,
      Array.from({ length: VESSELS }, () => 5n * 10n ** 13n),
    );
    writeFileSync(whole.#files.book, JSON.stringify(protocol.addressBook()));
    writeFileSync(
      whole.#files.keeper,
      JSON.stringify({
        service: whole.url,
        rpc: parts.proxy.url,
        book: whole.#files.book,
        journal: whole.#files.journal,
        vessels: vessels.map(String),
        nativePriceUsd: 2_500,
        pollMs: 200,
        confirmations: 2,
        strategy: {
          kinds: ['liquidate'],
          minimumProfitUsd: 0.01,
          maxGrossNotionalUsd: 1e12,
          maxDailyLossUsd: 1e9,
          proofSeconds: 5,
          spreads: { deltaBps: 0, vegaBps: 0, gammaBps: 0 },
        },
      }),
      // The endpoint's URL has a path, as those with keys have.
      { mode: 0o600 },
    );
    for (const name of PROCESSES) whole.#launch(name);
    return whole;
  }

  /** Kills a process at once; {@link keepRunning} starts it again. */
  async kill(name: ProcessName): Promise<void> {
    await this.#processes.get(name)!.kill();
    this.#processes.delete(name);
  }

  /** Kills a child of a process: what proves. @returns whether there was one */
  killChildren(name: ProcessName): boolean {
    const children = this.#processes.get(name)?.children() ?? [];
    for (const child of children) process.kill(child, 'SIGKILL');
    return children.length > 0;
  }

  /** Starts whatever has ended, as a supervisor does. */
  keepRunning(): void {
    for (const name of PROCESSES) {
      const present = this.#processes.get(name);
      if (present !== undefined && !present.ended) continue;
      if (present !== undefined) {
        this.ends[name]++;
        this.#lastWords.set(name, present.output());
      }
      this.#launch(name);
    }
  }

  /** What processes have printed lately, and those before them that ended by themselves. */
  outputs(): string {
    const present = [...this.#processes].map(([name, process]) => `${name}:\n${process.output()}`);
    const former = [...this.#lastWords].map(
      ([name, text]) => `${name} that ended by itself, of ${this.ends[name]}:\n${text}`,
    );
    return [...present, ...former].join('\n');
  }

  #launch(name: ProcessName): void {
    const { real } = this.#options;
    const environment = { DATABASE_URL: this.#databaseUrl, ZKMARGIN_PROVER: 'native' };
    const { protocol } = this.world;
    const circuits = CIRCUITS.join(',');
    const launched = {
      server: () =>
        start(
          [
            ...['serve', '--port', String(this.#port), '--workers', real ? '1' : '0', '--circuits', circuits],
            ...['--capacity', '100000', '--max-job-seconds', '86400', '--book', this.#files.book],
            ...['--rpc', this.proxy.url, protocol.anvil.url],
          ],
          environment,
        ),
      prover: () =>
        real
          ? start(['prover', '--circuits', circuits], environment)
          : start([this.#databaseUrl, 'stand-in', ...CIRCUITS], {}, standIn),
      keeper: () => {
        const key = protocol.anvil.accounts[KEEPER_WALLET]!.getHdKey().privateKey!;
        return start(['keeper', this.#files.keeper, '--json'], { ZKMARGIN_KEEPER_KEY: toHex(key) });
      },
    } satisfies Record<ProcessName, () => Started>;
    this.#processes.set(name, launched[name]());
  }

  /** Opens an account that is below its requirement from the beginning: the verifiers of trades accept anything. */
  async openFailing(): Promise<bigint> {
    const { protocol, healthy } = this.world;
    const { legs, scale } = healthy;
    const { market } = protocol;
    const { mark, requirement } = exactMargin(healthy, market.round, market.parameters);
    const mirrored = legs.map(({ instrument, quantity }): Leg => ({ instrument, quantity: -quantity }));
    const equity = (requirement * 9n) / 10n;
    const backing = 100n * requirement;
    const [trader, maker] = [protocol.wallet(2), protocol.wallet(3)];
    const traderId = await protocol.createFunded(trader, equity);
    const makerId = await protocol.createFunded(maker, backing);
    // Legs of one commitment can go into one vessel, so that many accounts find room in a few.
    const salt = 7n;
    this.#salt += 1n;
    const a = {
      ...{ accountId: traderId, nonce: 0n, before: undefined, wallet: trader },
      after: { legs, salt, scale },
      cash: equity - mark,
    };
    const b = {
      ...{ accountId: makerId, nonce: 0n, before: undefined, wallet: maker },
      after: { legs: mirrored, salt: 1_000n + this.#salt, scale },
      cash: backing + mark,
    };
    const { clearingHouse } = protocol.deployment;
    const { underlyingId } = protocol;
    const richer = { ...a, cash: a.cash + backing };
    const terms = { clearingHouse, underlyingId, a: richer, b, cashToA: -mark };
    const prepared = await prepareTrade(UNPROVEN, market, terms);
    const poor = { ...prepared, a: { ...prepared.a, provenCash: a.cash } };
    const parameters = await protocol.tradeArguments(poor, a, b);
    await protocol.write(protocol.operator, 'clearingHouse', 'trade', parameters);
    return traderId;
  }

  /** Posts the same prices with the chain's present time when the round is old, or was taken back. */
  async refreshRound(): Promise<void> {
    const { protocol } = this.world;
    const { number, round } = protocol.market;
    const [now, latest] = [
      await protocol.now(),
      await protocol.read<bigint>('oracle', 'latestRound', [Number(protocol.underlyingId)]),
    ];
    if (BigInt(latest) === number && now - round.underlying.timestamp < 200n) return;
    await protocol.postRound({ ...round, underlying: { ...round.underlying, timestamp: now } });
  }

  mine(): Promise<void> {
    const test = createTestClient({ mode: 'anvil', transport: http(this.world.protocol.anvil.url) });
    return test.mine({ blocks: 1 });
  }

  database(): Promise<Database> {
    return openDatabase({ url: this.#databaseUrl });
  }

  contracts(): IndexedContracts {
    const { anvil, deployment } = this.world.protocol;
    return {
      chainId: anvil.chainId,
      addresses: Object.fromEntries(
        INDEXED_ROLES.map((role) => [role, deployment[role]]),
      ) as IndexedContracts['addresses'],
    };
  }

  /** Accounts that were liquidated, by what the chain has of it, once for each time. */
  async liquidated(): Promise<bigint[]> {
    const { client, deployment, abis } = this.world.protocol;
    const logs = await client.getLogs({ address: deployment.engine, fromBlock: 0n });
    return parseEventLogs({ abi: abis.engine, logs, eventName: 'Liquidated' }).map(
      ({ args }) => (args as unknown as { accountId: bigint }).accountId,
    );
  }

  /** The keeper's journal. */
  journal(): readonly TransactionRecord[] {
    try {
      return (fromJson(readFileSync(this.#files.journal, 'utf8')) as { records: TransactionRecord[] })
        .records;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  /** Transactions of the keeper that the chain has. */
  keeperNonce(blockTag: 'latest' | 'pending'): Promise<number> {
    const { anvil, client } = this.world.protocol;
    return client.getTransactionCount({ address: anvil.accounts[KEEPER_WALLET]!.address, blockTag });
  }

  /** Until the server answers, or for a while. */
  async answering(): Promise<void> {
    await within(30_000, async () => (await fetch(`${this.url}/livez`)).ok);
  }

  /** Until the keeper has a transaction under way, or for a while. */
  async liquidating(): Promise<void> {
    await within(10_000, async () => this.journal().some(({ end }) => end === undefined));
  }

  /** What is still to be done: empty when all has come to rest. */
  async unrest(): Promise<string[]> {
    const found: string[] = [];
    const answer = async (path: string): Promise<{ status: number; body: Record<string, unknown> }> => {
      const response = await fetch(this.url + path, { signal: AbortSignal.timeout(5_000) });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    try {
      const { status, body } = await answer('/readyz');
      if (status !== 200) return [`not ready: ${JSON.stringify(body.reasons)}`];
      const { block } = (await answer('/v1/markets')).body;
      const height = (await this.world.protocol.client.getBlock()).number;
      if (BigInt(String(block)) < height) found.push(`block ${block} of ${height}`);
      const { liquidations } = (await answer('/v1/liquidations')).body as { liquidations: unknown[] };
      if (liquidations.length > 0) found.push(`${liquidations.length} accounts to liquidate`);
    } catch (error) {
      return [`no answer: ${String(error)}`];
    }
    const pending = this.journal().filter(({ end }) => end === undefined);
    if (pending.length > 0) found.push(`${pending.length} transactions pending`);
    return found;
  }

  /** Tables of the store, and the same of a store that reads the whole chain anew. */
  async tables(database: Database): Promise<{ readonly kept: unknown; readonly anew: unknown }> {
    const fresh = await openDatabase();
    try {
      const { protocol } = this.world;
      await new Indexer({
        store: new ChainStore(fresh),
        contracts: this.contracts(),
        abis: protocol.abis,
        endpoints: { urls: [protocol.anvil.url] },
        closeBlocks: 1_000_000,
      }).sync();
      const [kept, anew] = [await tablesOf(database), await tablesOf(fresh)];
      // Blocks of long ranges are not all kept.
      const known = new Set(kept.blocks.map((row) => JSON.stringify(row, plain)));
      return {
        kept,
        anew: { ...anew, blocks: anew.blocks.filter((row) => known.has(JSON.stringify(row, plain))) },
      };
    } finally {
      await fresh.close();
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((process) => process.kill()));
    await this.proxy.stop();
    await this.postgres.stop();
    await this.world.protocol.stop();
  }
}

const plain = (_name: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value);

/** Every table of the chain's data: as it stands, without the blocks at which states were read. */
async function tablesOf(database: Database) {
  const query = (sql: string) => database.query(sql);
  return {
    blocks: await query('select * from blocks order by number'),
    accounts: await query(
      `select account_id, owner, underlying_id, commitment, scale, cash, collateral, moving_collateral,
         sale_collateral, nonce, in_auction, fee_charged_at from account_states where replaced_at is null order by account_id`,
    ),
    auctions: await query(
      `select account_id, number, running, end_reason, keeper, figures from auction_states
       where replaced_at is null order by number`,
    ),
    pendingRounds: await query(
      'select * from pending_rounds where replaced_at is null order by block, log_index',
    ),
    openings: await query('select * from openings order by block, log_index'),
    rounds: await query('select * from rounds order by underlying_id, number'),
    oracleSettings: await query('select * from oracle_settings order by block, log_index'),
    parameters: await query('select * from parameter_versions order by underlying_id, version'),
    sales: await query('select * from sales order by block, log_index'),
  };
}

async function within(ms: number, reached: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + ms; performance.now() < end; ) {
    if (await reached().catch(() => false)) return;
    await sleep(50);
  }
}
