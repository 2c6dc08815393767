/** What a keeper tells, for metrics and logs. No secrets. */
import type { Declined } from './strategy/actions.ts';
import type { ActionKind } from './strategy/gas.ts';
import type { Profit } from './strategy/profit.ts';
import type { TransactionEvent } from './transactions/events.ts';

/** The loops of a keeper: looks at the feed, and what is owed for sealed bids. Its transactions are followed by a third one. */
export const KEEPER_LOOPS = ['feed', 'sealedBids'] as const;
/** A loop of a keeper. */
export type KeeperLoop = (typeof KEEPER_LOOPS)[number];

/** What every event of an action names. */
interface OfAction {
  readonly kind: ActionKind;
  readonly accountId: bigint;
}

/** An event of a keeper, or of its sender. Amounts are in 1e-6 USD. */
export type KeeperEvent =
  /** A look at the feed is over, and what it came to. */
  | {
      readonly type: 'pass';
      readonly candidates: number;
      readonly auctions: number;
      readonly actions: number;
      readonly declined: number;
      readonly ms: number;
    }
  /** Own means at a look: cash and collateral of all vessels, notional (undefined when it cannot be valued), losses of the day. */
  | {
      readonly type: 'book';
      readonly capital: bigint;
      readonly grossNotional: bigint | undefined;
      readonly lossToday: bigint;
    }
  /** A chance is left alone; told again only when the reason changes. */
  | { readonly type: 'declined'; readonly declined: Declined }
  | (OfAction & { readonly type: 'chosen'; readonly profit: Profit })
  /** Proofs are asked for. */
  | (OfAction & { readonly type: 'proving'; readonly proofs: number })
  | (OfAction & { readonly type: 'proven'; readonly proofs: number; readonly ms: number })
  | (OfAction & { readonly type: 'unproven'; readonly proofs: number; readonly reason: string })
  /** In a dry run: what would have been sent, and what the simulation says. */
  | (OfAction & { readonly type: 'wouldSend'; readonly profit: Profit; readonly refused?: string })
  /** It came to nothing before anything was sent. */
  | (OfAction & { readonly type: 'abandoned'; readonly reason: string })
  | (OfAction & {
      readonly type: 'finished';
      readonly end: 'confirmed' | 'reverted' | 'cancelled' | 'lost' | 'refused';
      readonly profit: Profit;
      /** What gas cost. */
      readonly gasCost: bigint;
    })
  /**
   * The chain has an own sealed bid in a new state. `missed` was not revealed in time: its bond is lost. `recovered` was not in the
   * journal, and was opened by the key.
   */
  | {
      readonly type: 'sealedBid';
      readonly accountId: bigint;
      readonly auctionNumber: bigint;
      readonly state: 'recovered' | 'committed' | 'missed' | 'revealed' | 'released' | 'failed' | 'slashed';
    }
  /**
   * The chain has a commitment of this key that neither journal nor key opens. Its bond is lost at `revealEnd`, unless the journal that it
   * was made with is put back before.
   */
  | {
      readonly type: 'sealedBidUnknown';
      readonly accountId: bigint;
      readonly auctionNumber: bigint;
      readonly bond: bigint;
      readonly revealEnd: bigint;
    }
  /** A pass of a loop is over, whatever came of it. */
  | { readonly type: 'passed'; readonly loop: KeeperLoop; readonly failed: boolean }
  /** A pass failed: the feed or the chain could not be asked. */
  | { readonly type: 'passFailed'; readonly loop: KeeperLoop; readonly reason: string }
  | { readonly type: 'stopped' }
  | { readonly type: 'transaction'; readonly event: TransactionEvent };
