/**
 * What a keeper needs to know, and who tells it: the service's API, or in tests the chain itself.
 *
 * Money is in 1e-6 USD, scales are in 2^-40, times in seconds since 1970-01-01 UTC.
 */
import type { Address } from 'viem';
import type { ProvenMargin } from '../chain/requests/insolvency.ts';
import type { ProvenFigures } from '../liquidation/amounts.ts';
import type { BidTerms } from '../liquidation/auction.ts';
import type { LiquidationTerms } from '../liquidation/terms.ts';
import type { Leg } from '../market/instrument.ts';
import type { MarketRound } from '../market/words.ts';

/** The newest round of an underlying with the terms in force. */
export interface FeedMarket {
  readonly underlyingId: bigint;
  /** Number of the round. */
  readonly number: bigint;
  readonly round: MarketRound;
  /** Index of the round, 2^-16. */
  readonly volatilityIndex: bigint;
  readonly terms: LiquidationTerms;
  /** Last second at which a proof of this round is accepted, if no newer round comes. */
  readonly proofExpiry: bigint;
}

/** An account below its maintenance requirement that no auction sells yet. */
export interface LiquidationCandidate {
  readonly accountId: bigint;
  readonly underlyingId: bigint;
  /** `badDebt` when it is worth nothing: then it is taken over, not sold. */
  readonly status: 'liquidatable' | 'badDebt';
  /** Of the account, as proofs bind it. */
  readonly nonce: bigint;
  /** To its legs: a vessel that holds the same may take more of them. */
  readonly commitment: bigint;
  readonly scale: bigint;
  /** Signed. */
  readonly cash: bigint;
  /** Value of collateral after haircuts. */
  readonly collateral: bigint;
  /** The part of it that is priced by the account's own underlying. */
  readonly movingCollateral: bigint;
  /** Value of all of it at which slices are priced, at least `collateral`. */
  readonly saleCollateral: bigint;
  /** Value of all of it without haircuts; `saleCollateral` counts where a feed does not give it. Keepers act by the chain's. */
  readonly fullCollateral?: bigint;
  /** Value of the positions, signed. */
  readonly mark: bigint;
  /** With moving collateral. */
  readonly requirement: bigint;
  /** What the worst scenario asks for without moving collateral, signed. */
  readonly baseRequirement: bigint;
  /** What a unit of moving collateral adds to that, 2^-54, signed. */
  readonly collateralSlope: bigint;
  /** Cash, collateral and mark. */
  readonly equity: bigint;
  /** Number of the round of these figures. */
  readonly round: bigint;
  /** Last second at which a proof of these figures is accepted, if no newer round comes. */
  readonly proofExpiry: bigint;
  /** Legs of the insolvency circuit that fits. Proofs of one batch are of one circuit. */
  readonly capacity: number;
  /** The legs, when they are public. */
  readonly legs?: readonly Leg[];
  /** Whether a start of an auction would be charged a fee now; within the cool-off there is none, hence no reward. */
  readonly startFeeDue: boolean;
  /** What a keeper gains before gas and hedge, as the feed reckons. The strategy reckons for itself. */
  readonly expectedProfit: bigint;
}

/** Terms of a running auction: those of its start. */
export interface RunningTerms extends BidTerms {
  /** Age of the proven round up to which bids are taken. */
  readonly maxProofAge: bigint;
  /** Smallest part of what is for sale that may be bought. */
  readonly minBidBps: bigint;
}

/** An auction that runs, with the account as it stands. */
export interface RunningAuction {
  readonly accountId: bigint;
  readonly underlyingId: bigint;
  readonly commitment: bigint;
  /** Number of the auction. */
  readonly number: bigint;
  /** Of the account when the auction began, as proofs bind it. */
  readonly startNonce: bigint;
  readonly scale: bigint;
  /** Signed. */
  readonly cash: bigint;
  /** Value of collateral after haircuts. */
  readonly collateral: bigint;
  /** The part of it that is priced by the account's own underlying. */
  readonly movingCollateral: bigint;
  /** Value of all of it at which slices are priced, at least `collateral`. */
  readonly saleCollateral: bigint;
  /** Value of all of it without haircuts; `saleCollateral` counts where a feed does not give it. Keepers act by the chain's. */
  readonly fullCollateral?: bigint;
  /** Value of the positions at the newest round, signed: the keeper's own figure. Recorded ones may be older. */
  readonly presentMark?: bigint;
  /** Cash that bids have paid. */
  readonly reserved: bigint;
  /** Round of the recorded proof. */
  readonly round: bigint;
  /** Timestamp of that round. */
  readonly provenAt: bigint;
  /** Recorded figures, at the scale with which the auction began. */
  readonly proven: ProvenFigures;
  /** From when on anyone may bid. */
  readonly publicStart: bigint;
  /** From when on the public's subsidy rises; absent while nobody has marked the account as worth nothing. */
  readonly subsidyFrom?: bigint;
  /** Whether a settlement has changed the positions: the auction must be started anew. */
  readonly superseded: boolean;
  readonly terms: RunningTerms;
  readonly capacity: number;
  /** The legs, when they are public. */
  readonly legs?: readonly Leg[];
}

/** What a proof is for: the liquidation engine, or the auction house (start, refresh, restart). */
export type ProofPurpose = 'liquidate' | 'auction';

/** A proof that a keeper asks for. Only transactions of the keeper can use it. */
export interface KeeperProofRequest {
  readonly accountId: bigint;
  readonly purpose: ProofPurpose;
  /** Sender of the transaction. */
  readonly keeper: Address;
  /** Round at which to prove; must be the newest. */
  readonly round: bigint;
}

/** A proof with what it was made for. */
export interface KeeperProof extends Omit<ProvenMargin, 'nonce'> {
  readonly accountId: bigint;
  /** Scale of the figures. */
  readonly scale: bigint;
}

/** What opens the commitment of positions that were published. */
export interface PublishedOpening {
  readonly legs: readonly Leg[];
  /** As public as the legs: the event that publishes them has it. */
  readonly salt: bigint;
}

/** Where keepers learn of chances, and get proofs. Implementations never give out witnesses, or salts of what is not public. */
export interface KeeperFeed {
  /** Throws when it has nothing to rely on, and why. Health checks ask. */
  ready?(): Promise<void>;
  /** Newest block of the chain that the feed knows. What is asked for afterwards is at least as new. */
  newestBlock(): Promise<bigint>;
  /** @throws ZkMarginError `NOT_FOUND` for an underlying without a round */
  market(underlyingId: bigint): Promise<FeedMarket>;
  /** Accounts below their requirement, the best chance first. */
  liquidations(): Promise<readonly LiquidationCandidate[]>;
  auctions(): Promise<readonly RunningAuction[]>;
  /** Public legs of an account with positions; undefined when they are not public. Keepers check them against the commitment. */
  opening(accountId: bigint): Promise<PublishedOpening | undefined>;
  /**
   * Asks for a proof. Asking twice is one job.
   *
   * @returns id of the job
   * @throws ZkMarginError `NOT_LIQUIDATABLE`, `STALE_ROUND`, `BUSY`
   */
  requestProof(request: KeeperProofRequest): Promise<string>;
  /**
   * Waits for a proof.
   *
   * @throws ZkMarginError `NOT_FOUND`, `PROOF_FAILED`, `CANCELLED` when the signal is given
   */
  waitForProof(id: string, signal: AbortSignal): Promise<KeeperProof>;
}
