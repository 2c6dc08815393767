/** What a sender tells, for metrics and logs. */
import type { Hex } from 'viem';
import type { TransactionEnd } from './journal.ts';

/** What every event of a transaction names. */
interface OfTransaction {
  readonly id: string;
  readonly kind: string;
  readonly nonce: number;
}

/** An event of a sender. Costs are in wei. */
export type TransactionEvent =
  /** The simulation says that it would be refused; nothing is sent and no nonce used. */
  | { readonly type: 'refused'; readonly id: string; readonly kind: string; readonly reason: string }
  | (OfTransaction & {
      readonly type: 'sent' | 'replaced' | 'cancelling';
      readonly hash: Hex;
      readonly maxFeePerGas: bigint;
      readonly maxPriorityFeePerGas: bigint;
      /** Why, for replacements and cancellations. */
      readonly reason: string;
    })
  /** The node did not have it any more, or this process has just started. */
  | (OfTransaction & { readonly type: 'rebroadcast'; readonly hash: Hex })
  /** A node or relay did not take it; it is tried again. */
  | (OfTransaction & { readonly type: 'sendFailed'; readonly hash: Hex; readonly reason: string })
  /** A higher fee would cost more than the profit: it waits at its last offer. */
  | (OfTransaction & { readonly type: 'capped'; readonly maxFeePerGas: bigint })
  | (OfTransaction & {
      readonly type: 'included';
      readonly hash: Hex;
      readonly blockNumber: bigint;
      readonly succeeded: boolean;
      readonly gasUsed: bigint;
      readonly cost: bigint;
    })
  /** Its block is no longer of the chain: it is followed anew. */
  | (OfTransaction & { readonly type: 'reorged'; readonly hash: Hex; readonly blockNumber: bigint })
  | (OfTransaction & { readonly type: 'ended'; readonly end: TransactionEnd; readonly cost: bigint })
  /**
   * Another process sends with this key: nonces from `nonce` to before `until` are used or taken by transactions that the journal does not
   * know. While they are pending nothing is sent.
   */
  | { readonly type: 'foreign'; readonly nonce: number; readonly until: number }
  /** A nonce before others has no transaction: one that does nothing is sent. */
  | { readonly type: 'gap'; readonly nonce: number }
  /** The chain could not be asked; the next pass tries again. */
  | { readonly type: 'unreachable'; readonly reason: string };
