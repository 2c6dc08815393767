/** What a keeper must not forget of its sealed bids: without the salt a bid cannot be revealed, and its bond is lost. */
import type { Address, Hex } from 'viem';

/** A sealed bid with its secret. It is saved before its commitment is signed. Never shown to anyone before it is revealed. */
export interface SealedBidRecord {
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
  /** Last seconds of the stages, and the first one of public bidding. */
  readonly commitEnd: bigint;
  readonly revealEnd: bigint;
  readonly publicStart: bigint;
  /** What the commitment stands for, 1e-6 USD. */
  readonly bond: bigint;
  /** Gross notional of what is bid for, 1e-6 USD. */
  readonly notional: bigint;
}

/** Keeps the sealed bids of one keeper. */
export interface SealedBidJournal {
  sealedBids(): readonly SealedBidRecord[];
  /** Keeps a bid, in place of one for the same auction. It is safe from a crash once the promise resolves. */
  saveSealedBid(record: SealedBidRecord): Promise<void>;
  /** Forgets the bid for an auction. */
  removeSealedBid(auctionNumber: bigint): Promise<void>;
}
