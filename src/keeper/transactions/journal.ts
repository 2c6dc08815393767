/**
 * What a sender must not forget: each nonce that it has used, and every transaction that it has signed with it.
 *
 * A record is saved before its transaction is broadcast. A sender that is started again after a crash finds its
 * transactions in the journal, broadcasts them again, and follows them.
 */
import type { Address, Hex } from 'viem';
import type { SealedBidJournal } from '../sealed-bids/journal.ts';

/** A transaction as it was signed. One of the attempts at a nonce, at most, is ever included. */
export interface Attempt {
  readonly hash: Hex;
  /** Signed and serialized. */
  readonly raw: Hex;
  /** Wei per gas. */
  readonly maxFeePerGas: bigint;
  /** Wei per gas. */
  readonly maxPriorityFeePerGas: bigint;
  /** Most gas. */
  readonly gas: bigint;
  /** Whether it sends nothing to the sender itself, to take the place of what is no longer wanted. */
  readonly cancels: boolean;
}

/** Where a transaction was included. */
export interface Inclusion {
  readonly hash: Hex;
  readonly blockHash: Hex;
  readonly blockNumber: bigint;
  readonly succeeded: boolean;
  readonly gasUsed: bigint;
  /** What gas cost, in wei. */
  readonly cost: bigint;
}

/** How a transaction ended. */
export type TransactionEnd =
  /** Included, executed, and deep enough in the chain. */
  | 'confirmed'
  /** Included, but reverted: its gas is lost. */
  | 'reverted'
  /** Replaced by a transaction that does nothing. */
  | 'cancelled'
  /** Its nonce was used by a transaction that is not of this journal. */
  | 'lost';

/** A nonce with all that was signed for it. */
export interface TransactionRecord {
  /** Of the wish that it carries out; unique. */
  readonly id: string;
  /** As in `liquidate`; `fill` for a nonce that nothing else was left for. */
  readonly kind: string;
  readonly nonce: number;
  readonly to: Address;
  readonly data: Hex;
  /** Most that gas may cost altogether, in wei: no attempt may cost more. */
  readonly maxCost: bigint;
  /** Expected gain without gas, 1e-6 USD. */
  readonly gain: bigint;
  /** Last second of the chain's time at which it is wanted. */
  readonly notAfter: bigint;
  /** For people: account, vessel, auction. No secrets. */
  readonly details: Readonly<Record<string, string>>;
  readonly attempts: readonly Attempt[];
  readonly inclusion?: Inclusion;
  readonly end?: TransactionEnd;
  /** When it ended, in milliseconds since 1970-01-01 UTC. */
  readonly endedAt?: number;
}

/** Keeps the records of one sender. Only one process at a time may use it. */
export interface TransactionJournal {
  /** All that is under way, and what ended within the last two days at least. */
  load(): Promise<readonly TransactionRecord[]>;
  /** Puts a record in the place of that with the same id. It is safe from a crash once the promise resolves. */
  save(record: TransactionRecord): Promise<void>;
  /** Removes a record whose transaction was never broadcast. */
  remove(id: string): Promise<void>;
  /** Throws when nothing can be written. Health checks ask. */
  check?(): Promise<void>;
  close(): Promise<void>;
}

/** All that a keeper must not forget. */
export interface KeeperJournal extends TransactionJournal, SealedBidJournal {}
