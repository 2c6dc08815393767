/** What contracts give of an account, as viem decodes it. Money in 1e-6 USD, scales in 2^-40, times in seconds since 1970-01-01 UTC. */
import type { BidTerms } from '../liquidation/auction.ts';

/** What an account's collateral counts for, as the clearing house gives it. */
export interface HouseCollateral {
  /** Of all kinds, after haircuts. */
  readonly value: bigint;
  /** The part of it that is priced by the account's own underlying. */
  readonly moving: bigint;
  /** Of all kinds, at which slices are priced; at least `value`. */
  readonly saleValue: bigint;
}

/** A running auction, as the auction house gives it; all zero when none runs. */
export interface HouseAuction {
  readonly number: bigint;
  readonly startNonce: bigint;
  readonly baseScale: bigint;
  readonly collateralSlope: bigint;
  readonly reserved: bigint;
  readonly insolventSince: number;
  readonly moves: number;
  readonly recordedAt: number;
  readonly mark: bigint;
  readonly baseRequirement: bigint;
  readonly provenAt: number;
  readonly round: bigint;
  readonly version: bigint;
  readonly start: number;
  readonly publicStart: number;
  readonly commitSeconds: number;
  readonly revealSeconds: number;
  readonly terms: Readonly<Record<keyof BidTerms | 'maxProofAge' | 'backstopBps' | 'minBidBps', number>>;
}
