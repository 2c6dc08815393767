/** What a keeper keeps of its sealed bids. Without the salt a bid cannot be revealed; the key can make it again (`secret.ts`). */
import type { Address, Hex } from 'viem';

/** A sealed bid with its secret. It is saved before its commitment is signed. Never shown to anyone before it is revealed. */
export interface SealedBidRecord {
  /** Chain of the contract; 0 in records of journals that did not tell. */
  readonly chainId: number;
  readonly auctionNumber: bigint;
  readonly accountId: bigint;
  /** The contract that it was made for, and the bidder: a journal may outlive a deployment. */
  readonly stage: Address;
  readonly bidder: Address;
  readonly vesselId: bigint;
  readonly factorBps: bigint;
  /** 2^-40. */
  readonly maxScale: bigint;
  readonly salt: Hex;
  /** What is committed to. */
  readonly hash: Hex;
  /** The bid as its commitment's calldata ends in it. Bids of former journals have none. */
  readonly copy?: Hex;
  /** Last seconds of the stages, and the first one of public bidding. */
  readonly commitEnd: bigint;
  readonly revealEnd: bigint;
  readonly publicStart: bigint;
  /** What the commitment stands for, 1e-6 USD. */
  readonly bond: bigint;
  /** Gross notional of what is bid for, 1e-6 USD. */
  readonly notional: bigint;
}

/** What tells sealed bids apart: numbers of auctions begin anew with each deployment. */
export type SealedBidKey = Pick<SealedBidRecord, 'chainId' | 'stage' | 'bidder' | 'auctionNumber'>;

/** The key as a text. */
export function sealedBidKey({ chainId, stage, bidder, auctionNumber }: SealedBidKey): string {
  return [chainId, stage.toLowerCase(), bidder.toLowerCase(), auctionNumber].join('/');
}

/** Keeps the sealed bids of one keeper. */
export interface SealedBidJournal {
  sealedBids(): readonly SealedBidRecord[];
  /** Keeps a bid, in place of one for the same auction of the same contract. It is safe from a crash once the promise resolves. */
  saveSealedBid(record: SealedBidRecord): Promise<void>;
  /** Forgets a bid. */
  removeSealedBid(bid: SealedBidKey): Promise<void>;
}
