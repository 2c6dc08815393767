/**
 * Terms of liquidations of one underlying, as the contracts keep them: bounds, limits of one change, defaults.
 *
 * Bounds and limits are those of the contracts' `LiquidationTermsBounds`. Shares are in basis points, times in seconds,
 * money in 1e-6 USD.
 */

import { requireBigint, requireInteger, ZkMarginError } from '../errors.ts';
import { MAX_MONEY } from '../margin/exact/bounds.ts';

/** 100 %, in basis points. */
const BASIS = 10_000;
/** Level of the maintenance requirement, in 2^-12. */
const MAINTENANCE_LEVEL = 4_096;
/** Largest penalty with that of turbulent markets, in basis points. */
const LARGEST_PENALTY = 2_000;
/** Largest fee of an auction with the penalty of turbulent markets, in basis points. */
const LARGEST_FEE = 500;
/** Largest tip, in 1e-6 USD. */
const LARGEST_TIP = 500_000_000n;
/** Least price factor of an auction, in basis points. */
const LEAST_FACTOR = 5_000;
/** Rates of a sale worsen by at most this in one version, in basis points. */
const RATE_STEP = 500;
/** The buffer rises by at most this in one version, in basis points. */
const BUFFER_STEP = 1_000;

/** Penalties by equity over requirement: at least 75 %, 50 %, 25 %, below. */
export type PenaltyTiers = readonly [number, number, number, number];

/** Terms of liquidations of one underlying. */
export interface LiquidationTerms {
  /** Factor on the maintenance requirement that trades and withdrawals must cover, in 2^-12; in (4096, 16384]. */
  readonly initialLevel: number;
  /** Accounts are brought to the requirement and this part of it; at most 10,000. */
  readonly bufferBps: number;
  /** Of an atomic liquidation; each at least the one before, and with `volatilityPenaltyBps` at most 2,000. */
  readonly penaltyBps: PenaltyTiers;
  /** Volatility index from which `volatilityPenaltyBps` is added, in 2^-16. */
  readonly volatilityThreshold: number;
  /** Added to penalties and to the fee in turbulent markets. */
  readonly volatilityPenaltyBps: number;
  /** Keeper's part of an atomic penalty; at most 10,000. */
  readonly rewardShareBps: number;
  /** Largest requirement of an account that the public may liquidate at the fixed penalty. */
  readonly atomicLimit: bigint;
  /** Discount at which registered backstops take over; at most the first penalty. */
  readonly backstopBps: number;
  /** Of the equity put up, charged when an auction starts; with `volatilityPenaltyBps` at most 500. */
  readonly feeBps: number;
  /** Flat reward of who starts an auction, at most 500 USD. */
  readonly tip: bigint;
  /** Part of the fee that is added to the tip; at most 10,000. */
  readonly chipBps: number;
  /** Price factor with which public bidding starts; at most 10,000. */
  readonly startFactorBps: number;
  /** Price factor at the end of the fast stage; at most the first. */
  readonly fastFactorBps: number;
  /** Price factor at the end of the curve; at most the second, at least 5,000. */
  readonly cuspFactorBps: number;
  /** Length of the fast stage; less than `tailSeconds`. */
  readonly fastSeconds: number;
  /** Length of the whole curve; in [60, 86400]. */
  readonly tailSeconds: number;
  /** Time in which the subsidy of an insolvent account rises to all that it lacks; in [60, 86400]. */
  readonly insolventSeconds: number;
  /** Sealed bids are committed for so long; both stages in [10, 600], or both 0. */
  readonly commitSeconds: number;
  /** Sealed bids are revealed for so long. */
  readonly revealSeconds: number;
  /** After an auction no second fee is charged for so long; at most 86,400. */
  readonly coolOffSeconds: number;
  /** Age of the proven round up to which bids are taken; in [10, 3600]. */
  readonly maxProofAge: number;
  /** Smallest part of what is for sale that a bid may leave the rest behind with; at most 5,000. */
  readonly minBidBps: number;
}

/**
 * Default terms, for BTC and ETH.
 *
 * - `initialLevel` 1.25 times maintenance, as initial to maintenance margin of the margin model's add-ons.
 * - `bufferBps` 10 %: without it the next tick would liquidate the account again; much more sells what need not be sold.
 * - `penaltyBps` 5 % to 10 %: the worse an account is covered, the less equity pays the keeper for the same positions,
 *   and the more hurry there is.
 * - `volatilityThreshold` an at-the-money volatility of 100 %, which BTC reaches in crashes alone. Hedging costs more
 *   then: 2 % more.
 * - `rewardShareBps` a fifth: the keeper's slice is paid by the positions' discount, the rest makes the fund grow.
 * - `atomicLimit` 50,000 USD: below, an auction costs more than it finds; above, a fixed price gives away too much.
 * - `backstopBps` 0.5 %: backstops take over at once, at the best price that the trader can get; they are paid for it elsewhere.
 * - `feeBps` 2 %, `tip` 50 USD, `chipBps` 10 %: gas and proof of who starts an auction, never more than the fee.
 * - The curve falls from 98 % to 80 % in 100 s, 18 basis points a second, where competing bids are expected, then to 50 %
 *   in half an hour altogether, the margin model's horizon, so that somebody takes what nobody wants.
 * - `insolventSeconds` 15 minutes: slow enough for bids to undercut each other, fast enough for a falling market.
 * - Sealed bids for 30 s and 30 s: two blocks of the slowest chains each.
 * - `coolOffSeconds` 10 minutes: an account that hovers at its requirement pays one fee.
 * - `maxProofAge` 5 minutes: older figures are refreshed first.
 * - `minBidBps` 5 %: twenty bids at most, and no dust.
 */
export const DEFAULT_LIQUIDATION_TERMS: LiquidationTerms = Object.freeze({
  initialLevel: 5_120,
  bufferBps: 1_000,
  penaltyBps: Object.freeze([500, 600, 800, 1_000] as const),
  volatilityThreshold: 65_536,
  volatilityPenaltyBps: 200,
  rewardShareBps: 2_000,
  atomicLimit: 50_000_000_000n,
  backstopBps: 50,
  feeBps: 200,
  tip: 50_000_000n,
  chipBps: 1_000,
  startFactorBps: 9_800,
  fastFactorBps: 8_000,
  cuspFactorBps: 5_000,
  fastSeconds: 100,
  tailSeconds: 1_800,
  insolventSeconds: 900,
  commitSeconds: 30,
  revealSeconds: 30,
  coolOffSeconds: 600,
  maxProofAge: 300,
  minBidBps: 500,
});

/**
 * Checks every bound of the contracts.
 *
 * @throws ZkMarginError `MALFORMED`, `NOT_FINITE`, `OUT_OF_RANGE`, naming the field
 */
export function validateLiquidationTerms(terms: LiquidationTerms, field = 'terms'): void {
  if (typeof terms !== 'object' || terms === null) {
    throw new ZkMarginError('MALFORMED', `Give ${field} as an object.`, { field });
  }
  const integer = (name: keyof LiquidationTerms, minimum: number, maximum: number): number =>
    requireInteger(terms[name], minimum, maximum, `${field}.${name}`);

  integer('initialLevel', MAINTENANCE_LEVEL + 1, 4 * MAINTENANCE_LEVEL);
  integer('bufferBps', 0, BASIS);
  const { penaltyBps } = terms;
  if (!Array.isArray(penaltyBps) || penaltyBps.length !== 4) {
    throw new ZkMarginError('MALFORMED', 'Give four penalties.', { field: `${field}.penaltyBps` });
  }
  const surcharge = integer('volatilityPenaltyBps', 0, 65_535);
  penaltyBps.forEach((penalty: number, tier) => {
    const path = `${field}.penaltyBps[${tier}]`;
    requireInteger(penalty, tier === 0 ? 0 : penaltyBps[tier - 1], 65_535, path);
    // With the surcharge alone above the largest penalty no penalty would do: the sum is what is out of range.
    requireInteger(penalty + surcharge, 0, LARGEST_PENALTY, path);
  });
  integer('volatilityThreshold', 0, 2 ** 32 - 1);
  requireBigint(terms.atomicLimit, 0n, MAX_MONEY, `${field}.atomicLimit`);
  integer('rewardShareBps', 0, BASIS);
  integer('backstopBps', 0, penaltyBps[0]);
  requireInteger(integer('feeBps', 0, 65_535) + surcharge, 0, LARGEST_FEE, `${field}.feeBps`);
  requireBigint(terms.tip, 0n, LARGEST_TIP, `${field}.tip`);
  integer('chipBps', 0, BASIS);
  const start = integer('startFactorBps', 0, BASIS);
  const fast = integer('fastFactorBps', 0, start);
  integer('cuspFactorBps', LEAST_FACTOR, fast);
  const tail = integer('tailSeconds', 60, 86_400);
  integer('fastSeconds', 0, tail - 1);
  integer('insolventSeconds', 60, 86_400);
  const sealed = terms.commitSeconds !== 0 || terms.revealSeconds !== 0;
  integer('commitSeconds', sealed ? 10 : 0, 600);
  integer('revealSeconds', sealed ? 10 : 0, 600);
  integer('coolOffSeconds', 0, 86_400);
  integer('maxProofAge', 10, 3_600);
  integer('minBidBps', 0, BASIS / 2);
}

/**
 * Checks that terms worsen for holders of positions by no more than one version may worsen them. Both must be valid.
 *
 * @throws ZkMarginError `OUT_OF_RANGE`, naming the field
 */
export function validateTermsChange(
  previous: LiquidationTerms,
  next: LiquidationTerms,
  field = 'terms',
): void {
  const atMost = (path: string, value: number, limit: number): void => {
    requireInteger(value, 0, limit, `${field}.${path}`);
  };
  const atLeast = (path: string, value: number, limit: number): void => {
    requireInteger(value, limit, Number.MAX_SAFE_INTEGER, `${field}.${path}`);
  };
  atMost('initialLevel', next.initialLevel, previous.initialLevel + Math.floor(previous.initialLevel / 4));
  atMost('bufferBps', next.bufferBps, previous.bufferBps + BUFFER_STEP);
  next.penaltyBps.forEach((penalty, tier) => {
    const before = previous.penaltyBps[tier]!;
    atMost(`penaltyBps[${tier}]`, penalty, before + RATE_STEP);
    atMost(
      'volatilityPenaltyBps',
      penalty + next.volatilityPenaltyBps,
      before + previous.volatilityPenaltyBps + RATE_STEP,
    );
  });
  for (const name of ['startFactorBps', 'fastFactorBps', 'cuspFactorBps'] as const) {
    atLeast(name, next[name], previous[name] - RATE_STEP);
  }
  atLeast('tailSeconds', next.tailSeconds, Math.ceil(previous.tailSeconds / 2));
}

/** Terms as viem takes the contracts' struct. */
export type LiquidationTermsTuple = { -readonly [Name in keyof LiquidationTerms]: LiquidationTerms[Name] };

/**
 * Valid terms as an argument of a contract call: a plain object of the struct's fields and of nothing else.
 *
 * @throws ZkMarginError as {@link validateLiquidationTerms}
 */
export function liquidationTermsTuple(terms: LiquidationTerms): LiquidationTermsTuple {
  validateLiquidationTerms(terms);
  const tuple: Record<string, unknown> = {};
  for (const name of Object.keys(DEFAULT_LIQUIDATION_TERMS) as (keyof LiquidationTerms)[]) {
    tuple[name] = name === 'penaltyBps' ? [...terms.penaltyBps] : terms[name];
  }
  return tuple as unknown as LiquidationTermsTuple;
}

/** Terms with all figures as integers for exact arithmetic. */
export type IntegerTerms = {
  readonly [Name in keyof LiquidationTerms]: LiquidationTerms[Name] extends PenaltyTiers
    ? readonly bigint[]
    : bigint;
};

/**
 * Valid terms as the arithmetic of liquidations takes them.
 *
 * @throws ZkMarginError as {@link validateLiquidationTerms}
 */
export function integerTerms(terms: LiquidationTerms): IntegerTerms {
  const tuple = liquidationTermsTuple(terms);
  return Object.fromEntries(
    Object.entries(tuple).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map(BigInt) : BigInt(value as number | bigint),
    ]),
  ) as unknown as IntegerTerms;
}
