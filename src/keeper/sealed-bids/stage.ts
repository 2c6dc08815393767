/** The sealed-bid stage as the chain gives it: what may be bid on, and what became of own bids. */
import type { Address, Hex, PublicClient } from 'viem';
import type { ProtocolAbis } from '../../chain/artifacts.ts';
import type { KeeperContracts } from '../calls.ts';
import type { OwnSealedBid, SealedBidding, SealedStage } from '../strategy/decide.ts';
import type { SealedBidRecord } from './journal.ts';

/** States of a bid in the contract's order. */
const BID_STATES = ['none', 'committed', 'revealed', 'released', 'failed', 'slashed'] as const;

interface Stages {
  readonly auctionNumber: bigint;
  readonly start: number;
  readonly commitEnd: number;
  readonly revealEnd: number;
  readonly publicStart: number;
  readonly startFactorBps: number;
}

/** A commitment of the bidder that may be revealed or executed, as the chain gives it. */
export interface Commitment
  extends Pick<
    SealedBidRecord,
    'auctionNumber' | 'accountId' | 'hash' | 'bond' | 'commitEnd' | 'revealEnd' | 'publicStart'
  > {
  /** Calldata of the transaction; undefined when another contract made it. */
  readonly data: Hex | undefined;
}

/** Seconds for which a commitment is of interest: both stages, execution, and what a release may wait for. */
const LONGEST_SECONDS = 5_400n;
/** Blocks whose events are asked for at a time: what public nodes give. */
const EVENT_BLOCKS = 1_000n;

/** Reads the contracts of sealed bidding for one bidder. */
export class SealedStageReader {
  readonly #client: PublicClient;
  readonly #abis: ProtocolAbis;
  readonly #contracts: KeeperContracts & { readonly sealedBids: Address };
  readonly #bidder: Address;

  constructor(
    client: PublicClient,
    abis: ProtocolAbis,
    contracts: KeeperContracts & { readonly sealedBids: Address },
    bidder: Address,
  ) {
    this.#client = client;
    this.#abis = abis;
    this.#contracts = contracts;
    this.#bidder = bidder;
  }

  /** What may be bid on among the auctions of some accounts, and what became of own bids. */
  async read(accounts: readonly bigint[], records: readonly SealedBidRecord[]): Promise<SealedBidding> {
    const [liquidator, bond, stages, bids] = await Promise.all([
      this.#stage<readonly [bigint, bigint, number, boolean]>('liquidatorOf', [this.#bidder]),
      this.#stage<bigint>('bond', []),
      Promise.all(accounts.map(async (id): Promise<[bigint, SealedStage]> => [id, await this.#stageOf(id)])),
      Promise.all(records.map((record) => this.bid(record))),
    ]);
    const [stake, locked, , active] = liquidator;
    return { active, freeStake: stake - locked, bond, stages: new Map(stages), bids };
  }

  /** What became of an own bid. */
  async bid(record: SealedBidRecord): Promise<OwnSealedBid> {
    const { auctionNumber } = record;
    const [{ state }, { executed }] = await Promise.all([
      this.#stage<{ state: number }>('bidOf', [auctionNumber, this.#bidder]),
      this.#stage<{ executed: boolean }>('bookOf', [auctionNumber]),
    ]);
    const { accountId, vesselId, factorBps, maxScale, commitEnd, revealEnd, publicStart } = record;
    return {
      auctionNumber,
      accountId,
      vesselId,
      factorBps,
      maxScale,
      commitEnd,
      revealEnd,
      publicStart,
      state: BID_STATES[state]!,
      executed,
    };
  }

  /** Stake of the bidder that open bids stand for, 1e-6 USD. */
  async locked(): Promise<bigint> {
    const [, locked] = await this.#stage<readonly [bigint, bigint]>('liquidatorOf', [this.#bidder]);
    return locked;
  }

  /**
   * Commitments of the bidder that may be revealed, executed or released.
   *
   * @param now of the newest block
   */
  async openCommitments(now: bigint): Promise<readonly Commitment[]> {
    const found: Commitment[] = [];
    let to = await this.#client.getBlockNumber({ cacheTime: 0 });
    for (;;) {
      const from = to >= EVENT_BLOCKS ? to - EVENT_BLOCKS + 1n : 0n;
      const logs = await this.#client.getContractEvents({
        address: this.#contracts.sealedBids,
        abi: this.#abis.sealedBids,
        eventName: 'BidCommitted',
        args: { bidder: this.#bidder },
        fromBlock: from,
        toBlock: to,
        strict: true,
      });
      for (const { args, transactionHash } of logs) {
        const { auctionNumber } = args as unknown as { readonly auctionNumber: bigint };
        const commitment = await this.#commitment(auctionNumber, transactionHash);
        if (commitment !== undefined) found.push(commitment);
      }
      if (from === 0n) return found;
      const { timestamp } = await this.#client.getBlock({ blockNumber: from });
      if (timestamp + LONGEST_SECONDS < now) return found;
      to = from - 1n;
    }
  }

  async #commitment(auctionNumber: bigint, transactionHash: Hex): Promise<Commitment | undefined> {
    const [{ state, hash, bond }, book, { input, to }] = await Promise.all([
      this.#stage<{ state: number; hash: Hex; bond: bigint }>('bidOf', [auctionNumber, this.#bidder]),
      this.#stage<
        { accountId: bigint } & Readonly<Record<'commitEnd' | 'revealEnd' | 'publicStart', number>>
      >('bookOf', [auctionNumber]),
      this.#client.getTransaction({ hash: transactionHash }),
    ]);
    if (BID_STATES[state] !== 'committed' && BID_STATES[state] !== 'revealed') return undefined;
    return {
      auctionNumber,
      accountId: book.accountId,
      hash,
      bond,
      commitEnd: BigInt(book.commitEnd),
      revealEnd: BigInt(book.revealEnd),
      publicStart: BigInt(book.publicStart),
      data: to?.toLowerCase() === this.#contracts.sealedBids.toLowerCase() ? input : undefined,
    };
  }

  async #stageOf(accountId: bigint): Promise<SealedStage> {
    const { auctionHouse } = this.#contracts;
    const stages = (await this.#client.readContract({
      address: auctionHouse,
      abi: this.#abis.auctionHouse,
      functionName: 'stagesOf',
      args: [accountId],
    })) as Stages;
    return {
      auctionNumber: stages.auctionNumber,
      // Without a sealed stage its end is the start, which has passed.
      commitEnd: BigInt(stages.commitEnd),
      revealEnd: BigInt(stages.revealEnd),
      publicStart: BigInt(stages.publicStart),
      startFactorBps: BigInt(stages.startFactorBps),
    };
  }

  #stage<T>(functionName: string, args: readonly unknown[]): Promise<T> {
    return this.#client.readContract({
      address: this.#contracts.sealedBids,
      abi: this.#abis.sealedBids,
      functionName,
      args,
    }) as Promise<T>;
  }
}
