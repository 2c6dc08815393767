/**
 * What auctions ask and give: section 6 of `docs/margin-model.md`, to the unit. `LiquidationMath.sol` computes the same.
 *
 * Money is in 1e-6 USD, scales are in 2^-40, rates in basis points, times in seconds, the volatility index in 2^-16.
 */

import { requireBigint, ZkMarginError } from '../errors.ts';
import { MAX_SCALE } from '../margin/exact/bounds.ts';
import { requirementWith } from '../margin/exact/collateral.ts';
import { ceilDivide } from '../math/fixed/primitives.ts';
import {
  atScale,
  BASIS,
  type CollateralValues,
  EMPTY_VESSEL,
  equityOf,
  type LiquidationState,
  MAX_FACTOR_BPS,
  MAX_SECONDS,
  type ProvenFigures,
  requireCollateral,
  requireState,
  type Sale,
  sale,
  smaller,
  subsidisedRequirement,
  type Takeover,
  takeover,
  targetOf,
  type Vessel,
  type VesselNeed,
  vesselNeed,
  worthOf,
} from './amounts.ts';

/** The price factor over time: two straight lines. In Maker's words: buf, -, cusp, -, tail. */
export interface PriceCurve {
  /** Price factor with which public bidding starts. */
  readonly startFactorBps: bigint;
  /** At the end of the fast stage; at most the start's. */
  readonly fastFactorBps: bigint;
  /** At the end of the curve; at most the fast stage's. */
  readonly cuspFactorBps: bigint;
  /** Length of the fast stage. */
  readonly fastSeconds: bigint;
  /** Length of the whole curve, at least the fast stage's. */
  readonly tailSeconds: bigint;
}

/** Terms of the fee of an auction's start. */
export interface FeeTerms {
  readonly bufferBps: bigint;
  /** Of the worth put up. */
  readonly feeBps: bigint;
  /** Flat reward of who starts the auction. */
  readonly tip: bigint;
  /** Part of the fee that is added to the tip. */
  readonly chipBps: bigint;
  readonly volatilityThreshold: bigint;
  readonly volatilityPenaltyBps: bigint;
}

/** Terms by which bids are priced. */
export interface BidTerms extends PriceCurve {
  readonly bufferBps: bigint;
  /** Time in which the subsidy of an account that is worth nothing rises from nothing to all that it lacks; at least 1. */
  readonly insolventSeconds: bigint;
}

/** A running auction, with the account as it stands. */
export interface AuctionState extends CollateralValues {
  /** Of the account, signed. */
  readonly cash: bigint;
  /** Present scale of the account. */
  readonly scale: bigint;
  /** Cash that bids of this auction have paid. */
  readonly reserved: bigint;
  /** The newest proof of this auction, at its own scale. */
  readonly proven: ProvenFigures;
  /** From when on anyone may bid, in seconds since 1970-01-01 UTC. */
  readonly publicStart: bigint;
  /**
   * When the account was found to be worth nothing; absent while it is worth something. For the public not before the end of the sealed
   * stage: the later of the two.
   */
  readonly insolventSince?: bigint;
}

/** What the bidder wants, and where it goes. */
export interface BidOptions {
  /** Most that is wanted; all that is for sale unless given. */
  readonly maxScale?: bigint;
  /** An empty vessel unless given. */
  readonly vessel?: Vessel;
  /** Price factor of a sealed bid; the curve's unless given. */
  readonly factorBps?: bigint;
}

/** What a bid for an account that is worth something comes to. */
export interface SaleQuote extends Sale, VesselNeed {
  readonly kind: 'sale';
  readonly factorBps: bigint;
  /** What the vessel pays: the proceeds. */
  readonly payment: bigint;
}

/** What a takeover of an account that is worth nothing comes to. */
export interface TakeoverQuote extends Takeover, VesselNeed {
  readonly kind: 'takeover';
  /** What the vessel pays: minus the subsidy. */
  readonly payment: bigint;
}

/**
 * Price factor of the public stage, rounded up to basis points.
 *
 * @param elapsed seconds since public bidding began; after the tail the factor stays at the cusp
 * @throws ZkMarginError `MALFORMED`, `OUT_OF_RANGE`, also for a curve that rises
 */
export function factorAt(curve: PriceCurve, elapsed: bigint): bigint {
  requireCurve(curve);
  requireBigint(elapsed, 0n, MAX_SECONDS, 'elapsed');
  const { startFactorBps, fastFactorBps, cuspFactorBps, fastSeconds, tailSeconds } = curve;
  if (elapsed < fastSeconds) return line(startFactorBps, fastFactorBps, elapsed, fastSeconds);
  const length = tailSeconds - fastSeconds;
  const slow = elapsed - fastSeconds;
  return slow >= length ? cuspFactorBps : line(fastFactorBps, cuspFactorBps, slow, length);
}

/**
 * The first second of public bidding at which the price factor is at most `factorBps`; undefined when it never is.
 *
 * @throws ZkMarginError as {@link factorAt}
 */
export function elapsedAtFactor(curve: PriceCurve, factorBps: bigint): bigint | undefined {
  requireCurve(curve);
  requireBigint(factorBps, 0n, MAX_FACTOR_BPS, 'factorBps');
  const { startFactorBps, fastFactorBps, cuspFactorBps, fastSeconds, tailSeconds } = curve;
  if (factorBps < cuspFactorBps) return undefined;
  if (fastSeconds > 0n) {
    const elapsed = reach(startFactorBps, fastFactorBps, factorBps, fastSeconds);
    if (elapsed !== undefined && elapsed < fastSeconds) return elapsed;
  }
  const length = tailSeconds - fastSeconds;
  // Without a slow stage the curve falls to its cusp at once.
  const elapsed = length === 0n ? 0n : reach(fastFactorBps, cuspFactorBps, factorBps, length);
  return fastSeconds + elapsed!;
}

/**
 * Fee of an auction's start: a part of the worth that would be put up at a price factor of 1, rounded down; 0 for an account
 * that is worth nothing, or above its target.
 *
 * @param volatility index of the round
 * @returns the fee, and the part of it that rewards who starts the auction
 */
export function startFee(
  state: LiquidationState,
  terms: FeeTerms,
  volatility: bigint,
): { readonly fee: bigint; readonly reward: bigint } {
  requireState(state);
  const worth = worthOf(state);
  const deficit = targetOf(state.requirement, terms.bufferBps) - equityOf(state);
  if (worth <= 0n || deficit <= 0n) return { fee: 0n, reward: 0n };
  const rate =
    volatility >= terms.volatilityThreshold ? terms.feeBps + terms.volatilityPenaltyBps : terms.feeBps;
  // With d = 1 the part for sale is (T - E) / (T - E + W).
  const fee = (((worth * deficit) / (deficit + worth)) * rate) / BASIS;
  return { fee, reward: smaller(fee, terms.tip + (fee * terms.chipBps) / BASIS) };
}

/** What an account may lack to its target when its auction ends, 1e-6 USD: amounts of slices are rounded. `ROUNDING_SLACK` of the auction house. */
const ROUNDING_SLACK = 100n;

/**
 * Whether anyone may end the auction of an account: it is worth something and lacks no more to its target than roundings make. A largest sale
 * leaves up to what one unit of scale makes of its need, which is at most target and haircuts.
 *
 * @throws ZkMarginError `MALFORMED`, `OUT_OF_RANGE`
 */
export function isCovered(state: LiquidationState, bufferBps: bigint): boolean {
  requireState(state);
  requireBigint(bufferBps, 0n, BASIS, 'bufferBps');
  const target = targetOf(state.requirement, bufferBps);
  const slack = ROUNDING_SLACK + (target + state.saleCollateral - state.collateral) / state.scale;
  return target - equityOf(state) <= slack && worthOf(state) > 0n;
}

/**
 * What a bid comes to now: a sale at the price factor, or a takeover when the account is worth nothing.
 *
 * @param now seconds since 1970-01-01 UTC, not before public bidding unless the bid is sealed
 * @throws ZkMarginError as `sale` and `takeover`; `CONFLICT` for an account that is worth nothing of which nobody has said so
 */
export function bidQuote(
  auction: AuctionState,
  terms: BidTerms,
  now: bigint,
  options: BidOptions = {},
): SaleQuote | TakeoverQuote {
  const { maxScale = MAX_SCALE, vessel = EMPTY_VESSEL } = options;
  const { cash, collateral, movingCollateral, saleCollateral, scale, reserved, proven } = auction;
  requireCollateral(auction, '');
  const figures = atScale(proven, scale);
  const requirement = requirementWith(figures.baseRequirement, figures.collateralSlope, movingCollateral);
  const { mark } = figures;
  const state: LiquidationState = { cash, collateral, saleCollateral, mark, requirement, scale, reserved };
  requireState(state);
  if (worthOf(state) <= 0n) {
    const since = auction.insolventSince;
    if (since === undefined) {
      throw new ZkMarginError('CONFLICT', 'Have the account marked as insolvent, then take it over.', {
        field: 'insolventSince',
      });
    }
    const subsidised = {
      ...state,
      requirement: subsidisedRequirement(requirement, figures.baseRequirement),
    };
    const taken = takeover(subsidised, terms.bufferBps, now - since, terms.insolventSeconds, maxScale);
    const payment = -taken.subsidy;
    return {
      kind: 'takeover',
      ...taken,
      payment,
      ...vesselNeed(auction, proven, terms.bufferBps, taken, payment, vessel),
    };
  }
  const factorBps = options.factorBps ?? factorAt(terms, now - auction.publicStart);
  const sold = sale(state, terms.bufferBps, factorBps, maxScale);
  return {
    kind: 'sale',
    factorBps,
    ...sold,
    payment: sold.proceeds,
    ...vesselNeed(auction, proven, terms.bufferBps, sold, sold.proceeds, vessel),
  };
}

/**
 * How much a bidder can take with the cash that the vessel has: a scale whose `leastCash` is at most the budget, within a few
 * units of money of the largest.
 *
 * @param quote what taking at most a given scale comes to; `undefined` from it counts as too dear
 * @param budget cash of the vessel, signed
 * @param most largest scale of interest
 * @returns 0 when nothing can be afforded
 */
export function maxScaleFor(
  quote: (maxScale: bigint) => Pick<VesselNeed, 'leastCash'> | undefined,
  budget: bigint,
  most: bigint = MAX_SCALE,
): bigint {
  requireBigint(most, 0n, MAX_SCALE, 'most');
  const affords = (scale: bigint): boolean => {
    const need = quote(scale);
    return need !== undefined && need.leastCash <= budget;
  };
  if (most === 0n || affords(most)) return most;
  // `low` can be afforded, or is 0; `high` cannot.
  let low = 0n;
  let high = most;
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    if (affords(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** From `from` down to `to` over `length`, rounded up. */
function line(from: bigint, to: bigint, elapsed: bigint, length: bigint): bigint {
  return from - ((from - to) * elapsed) / length;
}

/** First time at which {@link line} is at most `factor`; undefined when its end is above that. */
function reach(from: bigint, to: bigint, factor: bigint, length: bigint): bigint | undefined {
  if (factor >= from) return 0n;
  return factor < to ? undefined : ceilDivide((from - factor) * length, from - to);
}

function requireCurve(curve: PriceCurve): void {
  const { startFactorBps, fastFactorBps, cuspFactorBps, fastSeconds, tailSeconds } = curve;
  requireBigint(startFactorBps, 0n, MAX_FACTOR_BPS, 'startFactorBps');
  requireBigint(fastFactorBps, 0n, startFactorBps, 'fastFactorBps');
  requireBigint(cuspFactorBps, 0n, fastFactorBps, 'cuspFactorBps');
  requireBigint(tailSeconds, 0n, MAX_SECONDS, 'tailSeconds');
  requireBigint(fastSeconds, 0n, tailSeconds, 'fastSeconds');
}
