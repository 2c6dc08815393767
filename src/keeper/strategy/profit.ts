/**
 * What a keeper gains: of an atomic liquidation, a slice of an auction, a takeover, an auction's start, a batch.
 *
 * All amounts are in 1e-6 USD. Gains are in worth at the proven mark, not in cash: a slice brings positions and collateral. What is bought and paid
 * counts collateral at the value at which slices are priced. Whoever takes it sells it for its full value less the cost of the sale: what that is
 * more, or less, is gained, too. A haircut is lacking in the vessel until then: that is in the cash which a slice asks for.
 */

import {
  type AtomicLiquidation,
  atomicLiquidation,
  atScale,
  BASIS,
  type CollateralValues,
  EMPTY_VESSEL,
  type LiquidationState,
  type ProvenAccount,
  requirementAt,
  subsidisedRequirement,
  takeover,
  type Vessel,
} from '../../liquidation/amounts.ts';
import { bidQuote, type SaleQuote, startFee, type TakeoverQuote } from '../../liquidation/auction.ts';
import { integerTerms } from '../../liquidation/terms.ts';
import { COLLATERAL_SLOPE_PLACES } from '../../margin/exact/collateral.ts';
import type { Leg } from '../../market/instrument.ts';
import type { MarketRound } from '../../market/words.ts';
import { ceilDivide, floorDivide } from '../../math/fixed/primitives.ts';
import type { FeedMarket, LiquidationCandidate, RunningAuction } from '../feed.ts';
import { type ActionKind, batchGas, type GasPrice, type GasTable, gasCost } from './gas.ts';
import { type ExposedCollateral, exposureOf, type HedgeSpreads, hedgeCost, notionalOf } from './hedge.ts';

/** Where the result of an action comes from. */
export interface Profit {
  /** Before costs of gas and hedge: what worth is bought for less than it is, a subsidy, a reward, and what its collateral is sold for beyond its price. */
  readonly gross: bigint;
  readonly gas: bigint;
  readonly hedge: bigint;
  /** `gross - gas - hedge`, signed. */
  readonly net: bigint;
}

/** Parts of a basis point in which costs of sales are reckoned. */
const RATE_STEPS = 1_000_000;

/** How positions are treated whose legs are not public. */
export interface HiddenPositions {
  /** Cost of the hedge, in basis points of the slice's requirement. */
  readonly hedgeBps: bigint;
  /** Notional as a multiple of the slice's requirement. */
  readonly notionalMultiple: bigint;
}

/** By what costs are reckoned. */
export interface Costs {
  readonly gasTable: GasTable;
  readonly gasPrice: GasPrice;
  readonly spreads: HedgeSpreads;
  /** Hidden positions are left alone without it. */
  readonly hidden?: HiddenPositions;
}

/** What a slice costs and weighs beside its price. */
export interface SliceWeight {
  /** Cost of its hedge. */
  readonly hedge: bigint;
  /** Gross notional, with collateral. */
  readonly notional: bigint;
  /** What selling its collateral brings beyond the value at which it was priced, less the cost of the sale; signed, rounded down. */
  readonly resale: bigint;
}

/** An account whose slice is weighed. */
export interface Weighed extends CollateralValues {
  /** Value of collateral without haircuts; as it is priced unless given. */
  readonly fullCollateral?: bigint;
  readonly legs?: readonly Leg[];
  /** At the scale of the account. */
  readonly requirement: bigint;
  readonly scale: bigint;
}

/**
 * Hedge, notional and resale of a slice. The hedge is for the risk of prices while positions and collateral are held, the resale has the cost of
 * selling collateral: nothing is charged twice.
 *
 * @returns undefined for hidden positions that are not to be touched
 * @throws ZkMarginError `MISSING_EXPIRY` for legs that the round does not price
 */
export function weighSlice(
  account: Weighed,
  scaleTaken: bigint,
  round: MarketRound,
  costs: Costs,
): SliceWeight | undefined {
  const collateral = exposedCollateral(account, scaleTaken);
  const resale = resaleOf(account, scaleTaken, costs.spreads.collateralBps);
  if (account.legs !== undefined) {
    const exposure = exposureOf(account.legs, round, scaleTaken, collateral);
    return { hedge: hedgeCost(exposure, costs.spreads), notional: notionalOf(exposure), resale };
  }
  if (costs.hidden === undefined) return undefined;
  const requirement = (account.requirement * scaleTaken) / account.scale + 1n;
  const ofOthers = exposureOf([], round, scaleTaken, { ...collateral, moving: 0n });
  return {
    hedge: (requirement * costs.hidden.hedgeBps) / BASIS + 1n + hedgeCost(ofOthers, costs.spreads),
    notional: requirement * costs.hidden.notionalMultiple + collateral.moving + collateral.other,
    resale,
  };
}

/** A slice's share of what all collateral is sold for, less what slices are priced at. */
function resaleOf(
  { saleCollateral, fullCollateral = saleCollateral, scale }: Weighed,
  scaleTaken: bigint,
  collateralBps: number,
): bigint {
  const cost = BigInt(Math.ceil(collateralBps * RATE_STEPS));
  const unit = BASIS * BigInt(RATE_STEPS);
  return floorDivide((fullCollateral * (unit - cost) - saleCollateral * unit) * scaleTaken, unit * scale);
}

/** A slice's collateral at the value at which it is priced. What that is above the value after haircuts moves in the same part as that value. */
function exposedCollateral(
  { collateral, movingCollateral, saleCollateral, scale }: Weighed,
  scaleTaken: bigint,
): ExposedCollateral {
  const whole = (saleCollateral * scaleTaken) / scale;
  const moving = collateral === 0n ? 0n : (whole * movingCollateral) / collateral;
  return { moving, other: whole - moving };
}

/** Net of gas and hedge. */
export function profitOf(
  gross: bigint,
  kind: Exclude<ActionKind, 'liquidateBatch'>,
  hedge: bigint,
  costs: Costs,
): Profit {
  return netOf(gross, gasCost(costs.gasTable[kind], costs.gasPrice), hedge);
}

function netOf(gross: bigint, gas: bigint, hedge: bigint): Profit {
  return { gross, gas, hedge, net: gross - gas - hedge };
}

/** An atomic liquidation before costs. */
export interface AtomicChance {
  readonly amounts: AtomicLiquidation;
  /** With collateral as it is priced: {@link SliceWeight.resale} is to be added. */
  readonly gross: bigint;
}

/**
 * The keeper pays `payment` for worth of `worthTaken`: what is left is its reward.
 *
 * @throws ZkMarginError `NOT_LIQUIDATABLE`, `BAD_DEBT`, `TOO_LARGE`, `NOTHING_TO_LIQUIDATE`
 */
export function atomicChance(
  candidate: ProvenAccount,
  market: Pick<FeedMarket, 'terms' | 'volatilityIndex'>,
  options: { readonly backstop?: boolean; readonly vessel?: Vessel } = {},
): AtomicChance {
  const amounts = atomicLiquidation(candidate, integerTerms(market.terms), market.volatilityIndex, options);
  return { amounts, gross: amounts.worthTaken - amounts.payment };
}

/** A bid or a takeover before costs. */
export interface AuctionChance {
  readonly quote: SaleQuote | TakeoverQuote;
  /** Smallest part that may be taken unless it is all; 2^-40. */
  readonly leastScale: bigint;
  /** With collateral as it is priced: {@link SliceWeight.resale} is to be added. */
  readonly gross: bigint;
}

/**
 * A slice of an auction at the price of a moment. A sale brings worth for less than it is; a takeover brings a debt, and a
 * subsidy for it.
 *
 * @param now not before public bidding
 * @param options.factorBps price factor to reckon with instead of the curve's
 * @throws ZkMarginError `CONFLICT` for an account that is worth nothing and that nobody has marked; as `bidQuote`
 */
export function auctionChance(
  auction: RunningAuction,
  now: bigint,
  options: { readonly maxScale?: bigint; readonly vessel?: Vessel; readonly factorBps?: bigint } = {},
): AuctionChance {
  const { cash, collateral, movingCollateral, saleCollateral, scale, reserved, proven } = auction;
  const { publicStart, terms, subsidyFrom } = auction;
  const quote = bidQuote(
    {
      cash,
      collateral,
      movingCollateral,
      saleCollateral,
      scale,
      reserved,
      proven,
      publicStart,
      ...(subsidyFrom === undefined ? {} : { insolventSince: subsidyFrom < now ? subsidyFrom : now }),
    },
    terms,
    now,
    options,
  );
  const whole = quote.kind === 'sale' ? quote.maxScale : scale;
  const leastScale = ceilDivide(whole * terms.minBidBps, BASIS);
  // Of all worth, also what bids have paid, a taker of bad debt has the share; a buyer has that of the rest.
  const worthTaken =
    quote.kind === 'sale' ? quote.worthTaken : floorDivide(quote.worth * quote.scaleTaken, scale);
  return { quote, leastScale, gross: worthTaken - quote.payment - lossSince(auction, quote.scaleTaken) };
}

/** What a slice has lost since the recorded round, at least 0. It is sold at the recorded mark; what it may have gained is not counted. */
function lossSince({ presentMark, proven, scale }: RunningAuction, scaleTaken: bigint): bigint {
  if (presentMark === undefined) return 0n;
  const fallen = atScale(proven, scale).mark - presentMark;
  return fallen <= 0n ? 0n : ceilDivide(fallen * scaleTaken, scale);
}

/** Requirement of the account as it stands, by the figures of the recorded proof. */
export function auctionRequirement({ proven, scale, movingCollateral }: RunningAuction): bigint {
  return requirementAt(proven, scale, movingCollateral);
}

/**
 * Whether collateral, with what it does to the requirement, outweighs the requirement: then its moves are what is for sale, and the auction house takes
 * bids by the newest round alone.
 */
export function collateralOutweighs(auction: RunningAuction): boolean {
  const { saleCollateral, movingCollateral, proven } = auction;
  const slope = proven.collateralSlope < 0n ? -proven.collateralSlope : proven.collateralSlope;
  const weight = saleCollateral + ((movingCollateral * slope) >> COLLATERAL_SLOPE_PLACES);
  return weight > auctionRequirement(auction);
}

/** Reward of who starts an auction; nothing within the cool-off, and nothing for accounts that are worth nothing. */
export function startReward(candidate: LiquidationCandidate, market: FeedMarket): bigint {
  if (!candidate.startFeeDue) return 0n;
  return startFee(stateOf(candidate), integerTerms(market.terms), market.volatilityIndex).reward;
}

/**
 * What an account that is worth nothing brings whoever takes over all of it at the whole subsidy, before costs: its target, since the subsidy makes
 * up for what it lacks to that.
 *
 * @throws ZkMarginError as `takeover`
 */
export function wholeTakeover(candidate: LiquidationCandidate, market: FeedMarket): bigint {
  const requirement = subsidisedRequirement(candidate.requirement, candidate.baseRequirement);
  const state = { ...stateOf(candidate), requirement };
  const { bufferBps, insolventSeconds } = integerTerms(market.terms);
  const { worth, subsidy } = takeover(state, bufferBps, insolventSeconds, insolventSeconds);
  return worth + subsidy;
}

/** A candidate as the arithmetic of liquidations wants it: no bids have paid anything yet. */
function stateOf(candidate: LiquidationCandidate): LiquidationState {
  const { cash, collateral, saleCollateral, mark, requirement, scale } = candidate;
  return { cash, collateral, saleCollateral, mark, requirement, scale, reserved: 0n };
}

/** An order that may go into a batch. */
export interface BatchMember {
  readonly gross: bigint;
  readonly hedge: bigint;
}

/** A batch that is better than its orders alone. */
export interface BatchChoice<Member> {
  readonly members: readonly Member[];
  readonly profit: Profit;
}

/**
 * The best batch of orders of one underlying, round and circuit: those that pay for their own gas in it, the best
 * first. Undefined when sending the profitable ones alone gains as much.
 *
 * @param most orders of a batch
 * @param minimum least profit of an order that is sent alone
 */
export function bestBatch<Member extends BatchMember>(
  orders: readonly Member[],
  costs: Costs,
  most: number,
  minimum: bigint,
): BatchChoice<Member> | undefined {
  const perOrder = gasCost(costs.gasTable.batchOrder, costs.gasPrice);
  const alone = gasCost(costs.gasTable.liquidate, costs.gasPrice);
  const before = (order: Member): bigint => order.gross - order.hedge;
  const members = orders
    .filter((order) => before(order) > perOrder)
    .sort((a, b) => (before(a) < before(b) ? 1 : before(a) > before(b) ? -1 : 0))
    .slice(0, most);
  if (members.length < 2) return undefined;
  const sum = (amount: (order: Member) => bigint, of: readonly Member[] = members): bigint =>
    of.reduce((total, order) => total + amount(order), 0n);
  const profit = netOf(
    sum(({ gross }) => gross),
    gasCost(batchGas(costs.gasTable, members.length), costs.gasPrice),
    sum(({ hedge }) => hedge),
  );
  const singles = members.filter((order) => before(order) - alone >= minimum);
  if (profit.net <= sum((order) => before(order) - alone, singles)) return undefined;
  return { members, profit };
}

/** A vessel before it takes a slice, as the arithmetic of liquidations wants it. */
export function vesselBefore(vessel: Vessel | undefined): Vessel {
  if (vessel === undefined) return EMPTY_VESSEL;
  const { scale, collateral, movingCollateral } = vessel;
  return { scale, collateral, movingCollateral };
}
