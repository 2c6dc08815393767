/** Follows the chain into the store: forward by ranges of blocks, and back to the common ancestor when the chain changes. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PublicClient } from 'viem';
import { isZkMarginError, ZkMarginError } from '../../errors.ts';
import type { BlockRecord } from '../../store/chain-records.ts';
import type { ChainIdentity, ChainStore } from '../../store/chain-store.ts';
import type { ProtocolAbis } from '../artifacts.ts';
import { deploymentDigest, type IndexedContracts } from './contracts.ts';
import {
  ChainMoved,
  EndpointFault,
  type EndpointObjection,
  EndpointPool,
  type EndpointPoolOptions,
  type EndpointStatus,
  HistoryDiffers,
} from './endpoints.ts';
import { ChainReader } from './reader.ts';

/** Options of {@link Indexer}. */
export interface IndexerOptions {
  readonly store: ChainStore;
  readonly contracts: IndexedContracts;
  readonly abis: ProtocolAbis;
  /** First block to look at, at the start of a store. Default 0. */
  readonly startBlock?: bigint | ((client: PublicClient) => Promise<bigint | undefined>) | undefined;
  readonly endpoints: Omit<EndpointPoolOptions, 'chainId' | 'identify' | 'onAnswer'>;
  /** Blocks on top of the newest one that is looked at. Default 0: reorganisations are rolled back. */
  readonly confirmations?: number | undefined;
  /** Blocks of one step at most. Default 2,000. */
  readonly rangeBlocks?: number | undefined;
  /** So many of the newest blocks are looked at one by one. Default 64. */
  readonly closeBlocks?: number | undefined;
  /** A reorganisation of more blocks is reported and not followed. Default 256. */
  readonly maxReorgDepth?: number | undefined;
  /** Milliseconds between looks at the chain when nothing is left to do. Default 1,000. */
  readonly pollMs?: number | undefined;
  /** Told after each step. */
  readonly onStep?: ((step: IndexerStep) => void) | undefined;
  /** Told of what goes wrong; it is tried again. */
  readonly onError?: ((error: ZkMarginError) => void) | undefined;
}

/** What a step did. */
export interface IndexerStep {
  /** Blocks that were added; 0 for none. */
  readonly blocks: number;
  /** Block that was gone back to. */
  readonly rolledBackTo?: bigint;
  /** How many blocks were taken back. */
  readonly depth?: number;
  /** Openings that do not fit, are withheld, or cannot be derived. */
  readonly unknownOpenings: readonly { readonly accountId: bigint; readonly reason: string }[];
  /** Whether nothing is left to do. */
  readonly upToDate: boolean;
}

/** How the indexer stands. */
export interface IndexerStatus {
  /** Newest block that is in the store. */
  readonly tip?: bigint;
  readonly tipTimestamp?: bigint;
  /** Newest block of the chain, as the endpoint in use tells. */
  readonly head?: bigint;
  /** Blocks that are missing, confirmations apart; undefined before the first look. */
  readonly behind?: number;
  readonly rollbacks: number;
  /** Milliseconds since 1970-01-01 UTC of the last successful look. */
  readonly lastLook?: number;
  /** Why the last look failed. */
  readonly problem?: ZkMarginError;
  /** See {@link Indexer.refusal}. */
  readonly refusal?: ZkMarginError;
  readonly endpoints: readonly EndpointStatus[];
}

const DEFAULT_REORG_DEPTH = 256;

/** Follows one chain. */
export class Indexer {
  readonly #options: IndexerOptions;
  readonly #pool: EndpointPool;
  readonly #reader: ChainReader;
  readonly #closing = new AbortController();
  #tip: BlockRecord | undefined;
  #head: bigint | undefined;
  #start: bigint | undefined;
  #rollbacks = 0;
  #turns = 0;
  #lastLook: number | undefined;
  #problem: ZkMarginError | undefined;
  #refusal: ZkMarginError | undefined = new ZkMarginError(
    'BUSY',
    'Try again later: the chain has not been looked at.',
  );
  #loop: Promise<void> | undefined;

  constructor(options: IndexerOptions) {
    this.#options = options;
    this.#reader = new ChainReader(options.contracts, options.abis);
    this.#pool = new EndpointPool({
      ...options.endpoints,
      chainId: options.contracts.chainId,
      onAnswer: () => {
        this.#turns++;
      },
      identify: (client, height) => this.#identify(client, height),
    });
  }

  /** Changes with every answer of an endpoint and every step, failed ones as well; for liveness. */
  get turns(): number {
    return this.#turns;
  }

  /**
   * Why what the store has must not be shown: `BUSY` before the first look with success, `STORE_MISMATCH` when it is of another
   * deployment, `CHAIN_DIVERGED` when the chain has another history. It stays, whatever fails then, until the chain is found to have
   * the store's blocks.
   */
  get refusal(): ZkMarginError | undefined {
    return this.#refusal;
  }

  status(): IndexerStatus {
    const target = this.#target();
    return {
      ...(this.#tip && { tip: this.#tip.number, tipTimestamp: this.#tip.timestamp }),
      ...(this.#head !== undefined && { head: this.#head }),
      ...(target !== undefined && {
        behind: Math.max(0, Number(target - (this.#tip?.number ?? (this.#start ?? 0n) - 1n))),
      }),
      rollbacks: this.#rollbacks,
      ...(this.#lastLook !== undefined && { lastLook: this.#lastLook }),
      ...(this.#problem && { problem: this.#problem }),
      ...(this.#refusal && { refusal: this.#refusal }),
      endpoints: this.#pool.status(),
    };
  }

  /** Follows the chain until it is closed. */
  start(): void {
    this.#loop ??= this.#follow();
  }

  /** Ends after the step that is under way. Safe to call twice. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#loop;
  }

  /**
   * Steps until nothing is left to do.
   *
   * @throws ZkMarginError `CHAIN_UNAVAILABLE`, `CHAIN_DIVERGED`, `STORE_MISMATCH`, and of the store
   */
  async sync(): Promise<void> {
    while (!(await this.step()).upToDate);
  }

  /** One step: a rollback, or one range. @throws ZkMarginError as {@link sync} */
  async step(): Promise<IndexerStep> {
    try {
      // The store tells by itself of which deployment it is, whether a chain answers or not.
      if (this.#start === undefined) await this.#options.store.requireIdentity(this.#identity());
      const step = await this.#pool.run((client, height) => this.#step(client, height));
      this.#lastLook = Date.now();
      this.#problem = undefined;
      // A chain that ends before the store's newest block does not show that it has it.
      const covered = this.#tip === undefined || this.#head! >= this.#tip.number;
      if (covered || this.#refusal?.code === 'BUSY') this.#refusal = undefined;
      this.#options.onStep?.(step);
      return step;
    } catch (error) {
      // The chain changed meanwhile, or another process has written what this one has read; the next step sees how.
      if (error instanceof ChainMoved || isZkMarginError(error, 'CONFLICT'))
        return { blocks: 0, unknownOpenings: [], upToDate: false };
      this.#problem =
        error instanceof ZkMarginError
          ? error
          : new ZkMarginError('INTERNAL', 'The indexer failed; see the log.', { cause: error });
      const { code } = this.#problem;
      if (code === 'CHAIN_DIVERGED' || code === 'STORE_MISMATCH') this.#refusal = this.#problem;
      throw error;
    }
  }

  async #step(client: PublicClient, height: bigint): Promise<IndexerStep> {
    const { store, rangeBlocks = 2_000, closeBlocks = 64 } = this.#options;
    const start = await this.#startBlock(client);
    this.#head = height;
    const tip = await store.tip();
    this.#tip = tip;
    if (tip !== undefined) {
      const ancestor = await this.#ancestor(client, tip, height);
      if (ancestor !== tip) {
        await store.rollback(ancestor.number);
        this.#rollbacks++;
        this.#tip = ancestor;
        return {
          blocks: 0,
          rolledBackTo: ancestor.number,
          depth: Number(tip.number - ancestor.number),
          unknownOpenings: [],
          upToDate: false,
        };
      }
    }
    const target = this.#target()!;
    const from = tip === undefined ? start : tip.number + 1n;
    if (from > target) return { blocks: 0, unknownOpenings: [], upToDate: true };
    const last = from + BigInt(rangeBlocks) - 1n;
    const to = last < target ? last : target;
    const newest = height - BigInt(closeBlocks) + 1n;
    const changes = await this.#reader.read(
      client,
      { from, to, closeFrom: newest > from ? newest : from, before: tip },
      {
        account: (id) => store.account(id),
        opening: (commitment) => store.opening(commitment),
        accounts: async () => (await store.accounts()).map(({ accountId }) => accountId),
        accountsWithCollateral: async () =>
          (await store.accounts({ withCollateral: true })).map(({ accountId }) => accountId),
        runningAuctions: () => store.auctions({ running: true }),
        newestRound: async (underlyingId) => (await store.rounds(underlyingId, { limit: 1 }))[0],
      },
    );
    await store.apply(tip, changes);
    this.#tip = changes.blocks.at(-1)!;
    if (to % 256n === 0n || to - from > 256n) await store.prune(to - 4n * BigInt(this.#maxReorgDepth));
    return {
      blocks: Number(to - from) + 1,
      unknownOpenings: changes.openings
        .filter(({ status }) => status !== 'known')
        .map(({ accountId, reason = '' }) => ({ accountId, reason })),
      upToDate: to === target,
    };
  }

  get #maxReorgDepth(): number {
    return this.#options.maxReorgDepth ?? DEFAULT_REORG_DEPTH;
  }

  #target(): bigint | undefined {
    if (this.#head === undefined) return undefined;
    return this.#head - BigInt(this.#options.confirmations ?? 0);
  }

  async #startBlock(client: PublicClient): Promise<bigint> {
    if (this.#start !== undefined) return this.#start;
    const { startBlock = 0n, store } = this.#options;
    const wanted = typeof startBlock === 'bigint' ? startBlock : ((await startBlock(client)) ?? 0n);
    const claimed = await store.claim({ ...this.#identity(), startBlock: wanted });
    this.#start = claimed.startBlock;
    return this.#start;
  }

  #identity(): Omit<ChainIdentity, 'startBlock'> {
    const { contracts } = this.#options;
    return { chainId: BigInt(contracts.chainId), deployment: deploymentDigest(contracts) };
  }

  /** The newest block that store and chain have in common; the tip itself when nothing changed. */
  async #ancestor(client: PublicClient, tip: BlockRecord, height: bigint): Promise<BlockRecord> {
    const upTo = lower(tip.number, height);
    const [newest] = await this.#options.store.blocksBelow(upTo, 1);
    if (newest === undefined) throw new EndpointFault('its chain ends before the first block of the store');
    // A chain that ends earlier, with the same blocks up to there, may yet grow: nothing is taken back.
    if (await hasBlock(client, newest)) return tip;
    // Of these, those from one on downwards are on the chain. The last one is asked for first: when it is not, none is.
    const candidates = await this.#candidates(tip, upTo);
    let there = candidates.length - 1;
    if (there > 0 && (await hasBlock(client, candidates[there]!))) {
      for (let gone = 0; there - gone > 1; ) {
        const middle = (gone + there) >> 1;
        if (await hasBlock(client, candidates[middle]!)) there = middle;
        else gone = middle;
      }
      return candidates[there]!;
    }
    throw new HistoryDiffers(this.#divergence(tip, candidates.at(-1) ?? newest));
  }

  /** Kept blocks up to a number that the store may be taken back to, the newest first. */
  async #candidates(tip: BlockRecord, upTo: bigint): Promise<BlockRecord[]> {
    const kept = await this.#options.store.blocksBelow(upTo, this.#maxReorgDepth + 1);
    const deep = kept.findIndex(({ number }) => tip.number - number >= BigInt(this.#maxReorgDepth));
    return deep < 0 ? kept : kept.slice(0, deep + 1);
  }

  /** That a block, and all above it, are not those of the store. */
  #divergence(tip: BlockRecord, { number }: BlockRecord): EndpointObjection {
    return {
      condition: 'diverged',
      message: `its block ${number} is another one than the store's`,
      error: new ZkMarginError(
        'CHAIN_DIVERGED',
        `More than ${this.#maxReorgDepth} blocks of the chain are not those of the store: check the endpoints; if they are right, run zkmargin reindex.`,
        { field: 'rpc', details: { tip: tip.number } },
      ),
    };
  }

  /** Why an endpoint is of no use: the contracts are not there, or blocks deep below the tip are others. */
  async #identify(client: PublicClient, height: bigint): Promise<EndpointObjection | undefined> {
    const { contracts, store } = this.#options;
    const code = await client.getCode({ address: contracts.addresses.clearingHouse });
    if (code === undefined || code === '0x') {
      const message = 'there is no clearing house at the address of the book';
      return { condition: 'wrongChain', message };
    }
    const tip = await store.tip();
    const oldest = await store.oldestBlock();
    // It cannot be seen yet of a chain that ends before.
    if (tip === undefined || oldest === undefined || oldest.number > height) return undefined;
    const deep = (await this.#candidates(tip, lower(tip.number, height))).at(-1);
    if (deep === undefined || (await hasBlock(client, deep))) return undefined;
    const divergence = this.#divergence(tip, deep);
    if (deep.number === oldest.number || (await hasBlock(client, oldest))) return divergence;
    // Not even the first block.
    return { ...divergence, condition: 'wrongChain', message: `its block ${oldest.number} is another one` };
  }

  async #follow(): Promise<void> {
    const { pollMs = 1_000, onError } = this.#options;
    while (!this.#closing.signal.aborted) {
      let wait = pollMs;
      try {
        if (!(await this.step()).upToDate) wait = 0;
      } catch {
        onError?.(this.#problem!);
      }
      this.#turns++;
      if (wait > 0) await sleep(wait, undefined, { signal: this.#closing.signal }).catch(() => undefined);
      // Let others have their turn between steps.
      else await sleep(1);
    }
  }
}

async function hasBlock(client: PublicClient, { number, hash }: BlockRecord): Promise<boolean> {
  return (await client.getBlock({ blockNumber: number })).hash === hash;
}

function lower(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
