/** What is kept of the chain. Money is in 1e-6 units, scales in 2^-40, times in seconds since 1970-01-01 UTC. */

/** Plain JSON with numbers as decimal strings. */
export type Figures = { readonly [name: string]: string | boolean | Figures };

/** A block that was looked at. */
export interface BlockRecord {
  readonly number: bigint;
  readonly hash: string;
  readonly parentHash: string;
  readonly timestamp: bigint;
}

/** An account from a block on. */
export interface AccountRecord {
  readonly accountId: bigint;
  readonly block: bigint;
  readonly owner: string;
  readonly underlyingId: bigint;
  /** 0 without positions. */
  readonly commitment: bigint;
  readonly scale: bigint;
  /** Signed. */
  readonly cash: bigint;
  /** Value after haircuts at last known prices. */
  readonly collateral: bigint;
  /** The part of it that is priced by the account's own underlying. */
  readonly movingCollateral: bigint;
  /** Value of all of it at which slices are priced in liquidations, at least `collateral`. */
  readonly saleCollateral: bigint;
  readonly nonce: bigint;
  readonly inAuction: boolean;
  /** When it was last charged a fee for an auction; 0 for never. */
  readonly feeChargedAt: bigint;
}

/** Whether the legs of a commitment are known, and if not, why. */
export type OpeningStatus = 'known' | 'mismatch' | 'withheld' | 'underivable';

/** What a trade or a settlement says of new positions. */
export interface OpeningRecord {
  readonly block: bigint;
  readonly logIndex: number;
  readonly accountId: bigint;
  readonly underlyingId: bigint;
  /** Of the account, afterwards. */
  readonly nonce: bigint;
  readonly commitment: bigint;
  readonly source: 'trade' | 'settlement';
  readonly status: OpeningStatus;
  /** Why the status is not `known`. */
  readonly reason?: string | undefined;
  readonly custodian?: string | undefined;
  /** Packed, in order; of a known opening alone. */
  readonly legs?: readonly bigint[] | undefined;
  readonly salt?: bigint | undefined;
}

/** A round that the oracle has accepted. */
export interface RoundRecord {
  readonly underlyingId: bigint;
  readonly number: bigint;
  readonly block: bigint;
  readonly timestamp: bigint;
  readonly spot: bigint;
  /** Index, 2^-16. */
  readonly volatility: bigint;
  readonly underlyingWord: bigint;
  readonly expiryWords: readonly bigint[];
  /** The last round of an underlying that was wound down. */
  readonly woundDown: boolean;
}

/** A round that the oracle's breaker held back. */
export interface PendingRoundRecord {
  readonly block: bigint;
  readonly logIndex: number;
  readonly underlyingId: bigint;
  readonly timestamp: bigint;
  readonly spot: bigint;
}

/** Settings of the oracle from a block on. */
export interface OracleSettingsRecord {
  readonly block: bigint;
  readonly logIndex: number;
  readonly underlyingId: bigint;
  /** Age up to which a round may be proven by, in seconds. */
  readonly maxRoundAge: bigint;
}

/** A version of margin parameters and terms. */
export interface ParameterRecord {
  readonly underlyingId: bigint;
  readonly version: bigint;
  readonly block: bigint;
  readonly commitment: bigint;
  /** Header and scenario words. */
  readonly words: readonly bigint[];
  /** Terms of liquidations; amounts are decimal strings, rates numbers. */
  readonly terms: Readonly<Record<string, unknown>>;
}

/** An auction from a block on. */
export interface AuctionRecord {
  readonly accountId: bigint;
  readonly number: bigint;
  readonly block: bigint;
  readonly running: boolean;
  /** As the contract names it, in lower case. */
  readonly endReason?: string | undefined;
  readonly keeper?: string | undefined;
  /** The contract's record of it. */
  readonly figures: Figures;
}

/** A bid, a takeover, or an atomic liquidation. */
export interface SaleRecord {
  readonly block: bigint;
  readonly logIndex: number;
  readonly kind: 'bid' | 'takeover' | 'liquidation';
  readonly accountId: bigint;
  readonly vesselId: bigint;
  readonly taker: string;
  /** 0 for a liquidation. */
  readonly auctionNumber: bigint;
  readonly round: bigint;
  readonly transactionHash: string;
  readonly figures: Figures;
}

/** Everything that a range of blocks says. */
export interface ChainChanges {
  /** Ascending; the last one is the end of the range. */
  readonly blocks: readonly BlockRecord[];
  readonly accounts: readonly AccountRecord[];
  readonly openings: readonly OpeningRecord[];
  readonly rounds: readonly RoundRecord[];
  readonly pendingRounds: readonly PendingRoundRecord[];
  /** Underlyings whose pending rounds were resolved, and where. */
  readonly resolvedRounds: readonly { readonly underlyingId: bigint; readonly block: bigint }[];
  readonly oracleSettings: readonly OracleSettingsRecord[];
  readonly parameters: readonly ParameterRecord[];
  readonly auctions: readonly AuctionRecord[];
  readonly sales: readonly SaleRecord[];
}
