/** The sealed-bid stage as the chain gives it: what may be bid on, and what became of own bids. */
import type { Address, PublicClient } from 'viem';
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
