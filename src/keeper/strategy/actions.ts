/** What a strategy decides: actions, and the reason for everything that is left alone. */

import type { ActionKind } from './gas.ts';
import type { Profit } from './profit.ts';

/** What every action has. */
interface ActionBase {
  readonly accountId: bigint;
  readonly underlyingId: bigint;
  readonly profit: Profit;
  /** Gross notional that is taken over, 1e-6 USD. */
  readonly notional: bigint;
}

/** A slice that goes to a vessel of the keeper. */
interface SliceAction extends ActionBase {
  readonly vesselId: bigint;
  /** Least that is worth its gas, 2^-40. */
  readonly minScale: bigint;
  readonly scaleTaken: bigint;
}

/** An atomic liquidation, to be proven at `round`. */
export interface LiquidateAction extends SliceAction {
  readonly kind: 'liquidate';
  /** Of the account by whose figures it was decided: another one refuses the order. */
  readonly nonce: bigint;
  readonly round: bigint;
  readonly capacity: number;
  readonly proofExpiry: bigint;
  /** Most that is paid, 1e-6 USD. */
  readonly maxPayment: bigint;
}

/** Several atomic liquidations in one transaction: all or none. Profit and notional are those of all. */
export interface BatchAction extends ActionBase {
  readonly kind: 'liquidateBatch';
  /** At least two, with vessels of their own. `accountId` is that of the first. */
  readonly orders: readonly LiquidateAction[];
}

/** A start of an auction, to be proven at `round`. */
export interface StartAction extends ActionBase {
  readonly kind: 'start';
  /** Of the account by whose figures it was decided. */
  readonly nonce: bigint;
  readonly round: bigint;
  /** By which the reward was reckoned: a proof of a smaller one would bring less. */
  readonly requirement: bigint;
  /** With which that is required. */
  readonly movingCollateral: bigint;
  readonly proofExpiry: bigint;
  readonly rewardAccountId: bigint;
}

/** A bid in a running auction. */
export interface BidAction extends SliceAction {
  readonly kind: 'bid';
  readonly auctionNumber: bigint;
  readonly round: bigint;
  readonly factorBps: bigint;
  readonly maxScale: bigint;
  readonly maxPayment: bigint;
}

/** A takeover of an account that is worth nothing. */
export interface TakeOverAction extends SliceAction {
  readonly kind: 'takeOver';
  readonly auctionNumber: bigint;
  readonly round: bigint;
  readonly maxScale: bigint;
  /** Least that is received, 1e-6 USD. */
  readonly minSubsidy: bigint;
}

/** Newer figures for a running auction, so that a slice can be bought; a restart begins the price curve anew. */
export interface RefreshAction extends ActionBase {
  readonly kind: 'refresh' | 'restart';
  readonly auctionNumber: bigint;
  /** With which the auction began. */
  readonly nonce: bigint;
  readonly round: bigint;
  readonly proofExpiry: bigint;
}

/** A bid under seal, before an auction opens to everyone. It stands for a bond: what is committed to must be revealed. */
export interface SealedBidAction extends SliceAction {
  readonly kind: 'sealedBid';
  readonly auctionNumber: bigint;
  readonly round: bigint;
  readonly factorBps: bigint;
  readonly maxScale: bigint;
  /** Last seconds of the stages, and the first one of public bidding. */
  readonly commitEnd: bigint;
  readonly revealEnd: bigint;
  readonly publicStart: bigint;
  /** What the commitment locks, 1e-6 USD. */
  readonly bond: bigint;
}

/** Execution of the revealed bids of an auction, one of which is the keeper's. */
export interface FillAction extends ActionBase {
  readonly kind: 'fill';
  readonly auctionNumber: bigint;
  readonly round: bigint;
  readonly vesselId: bigint;
  /** The last second in which it can be done. */
  readonly latest: bigint;
}

/** A call without a proof that makes something possible: the clock of a subsidy, or the end of the auction of an own vessel. */
export interface PokeAction extends ActionBase {
  readonly kind: 'poke' | 'close';
  readonly auctionNumber: bigint;
  readonly round: bigint;
}

/** What a keeper may do. */
export type Action =
  | LiquidateAction
  | BatchAction
  | StartAction
  | BidAction
  | TakeOverAction
  | RefreshAction
  | SealedBidAction
  | FillAction
  | PokeAction;

/** Why a chance is left alone. */
export type DeclineReason =
  /** The kind of action is not among those that are configured. */
  | 'NOT_ENABLED'
  /** Something is being done for this account. */
  | 'IN_FLIGHT'
  /** The chain, or the exact model by the chain's words, has it otherwise than the feed. */
  | 'NOT_CONFIRMED'
  /** The legs that the feed gives are not those that the account is committed to. */
  | 'FALSE_OPENING'
  /** The figures do not show the account below its requirement, or there is nothing for sale. */
  | 'HEALTHY'
  /** Costs leave less than the least profit. */
  | 'NOT_PROFITABLE'
  /** The discount of the price curve is below the target. */
  | 'PRICE_TOO_HIGH'
  /** Public bidding has not begun. */
  | 'NOT_PUBLIC'
  /** A settlement has changed the positions: the auction must be started anew, by its account's feed entry. */
  | 'SUPERSEDED'
  /** The recorded round is too old, and the oracle has no newer one. */
  | 'NO_NEWER_ROUND'
  /** An own sealed bid waits for its reveal, its execution, or for public bidding. */
  | 'SEALED_BID_OPEN'
  /** The keeper is no active liquidator of the sealed-bid stage. */
  | 'NOT_LIQUIDATOR'
  /** The keeper's stake that is not locked is below the bond. */
  | 'NO_STAKE'
  /** It is the auction of an own vessel. */
  | 'OWN_ACCOUNT'
  /** Nobody has marked the account as worth nothing: there is no subsidy yet. */
  | 'NOT_MARKED'
  /** A proof of the figures would come too late, or the figures are of an earlier round than the market's. */
  | 'PROOF_EXPIRED'
  /** The market of the underlying is not known. */
  | 'NO_MARKET'
  /** The legs are not public, and hidden positions are not to be taken. */
  | 'HIDDEN_POSITIONS'
  /** The legs cannot be valued at the round. */
  | 'NOT_VALUED'
  /** Gross notional would exceed its limit. */
  | 'POSITION_LIMIT'
  /** The losses of the day have reached their limit. */
  | 'DAILY_LOSS_LIMIT'
  /** No vessel is free: all hold other positions, or so many of the same that the slice is dust beside them, or are in use. */
  | 'NO_VESSEL'
  /** No free vessel has the cash that the slice asks for. */
  | 'INSUFFICIENT_CAPITAL';

/** A chance that is left alone, with the reason. */
export interface Declined {
  readonly kind: ActionKind;
  readonly accountId: bigint;
  readonly reason: DeclineReason;
  /** Figures behind the reason, for logs. Amounts are in 1e-6 USD. */
  readonly figures: Readonly<Record<string, bigint>>;
  /** When it is worth looking again, in seconds since 1970-01-01 UTC. */
  readonly notBefore?: bigint;
}

/** What a strategy decides. */
export interface Decision {
  /** The best first. */
  readonly actions: readonly Action[];
  readonly declined: readonly Declined[];
}
