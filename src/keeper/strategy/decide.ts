/**
 * What a keeper does with the chances of a moment. Pure: the same situation gives the same decision.
 *
 * Each chance is reckoned without regard to the keeper's means first, then the best ones are given vessels within the
 * limits, then atomic liquidations are joined into batches where that saves gas.
 */
import { isZkMarginError } from '../../errors.ts';
import { BASIS, equityOf, smaller, targetOf, worthOf } from '../../liquidation/amounts.ts';
import { elapsedAtFactor, factorAt, isCovered, maxScaleFor } from '../../liquidation/auction.ts';
import { MAX_SCALE } from '../../margin/exact/bounds.ts';
import { ceilDivide } from '../../math/fixed/primitives.ts';
import type { FeedMarket, LiquidationCandidate, RunningAuction } from '../feed.ts';
import type {
  Action,
  BidAction,
  Decision,
  Declined,
  DeclineReason,
  FillAction,
  LiquidateAction,
  PokeAction,
  TakeOverAction,
} from './actions.ts';
import type { ActionKind, GasPrice, GasTable } from './gas.ts';
import type { HedgeSpreads } from './hedge.ts';
import {
  atomicChance,
  auctionChance,
  auctionRequirement,
  bestBatch,
  type Costs,
  collateralOutweighs,
  type HiddenPositions,
  type Profit,
  profitOf,
  startReward,
  vesselBefore,
  weighSlice,
  wholeTakeover,
} from './profit.ts';

/** How a keeper decides. Amounts are in 1e-6 USD. */
export interface StrategyConfiguration {
  /** What it does at all. */
  readonly kinds: readonly ActionKind[];
  readonly gasTable: GasTable;
  readonly spreads: HedgeSpreads;
  readonly hidden?: HiddenPositions;
  /** Whether the keeper is a registered backstop. */
  readonly backstop: boolean;
  /** Least net profit of a slice: liquidation, bid, takeover. */
  readonly minimumProfit: bigint;
  /** Least net profit of a start or a refresh; negative for keepers that pay for auctions in which they want to bid. */
  readonly minimumStartProfit: bigint;
  /**
   * Largest part of the profit before gas that gas may cost, in basis points: what replacements may raise fees to, and what a lost
   * race may cost.
   */
  readonly gasShareBps: bigint;
  /** Bids wait until the price is so far below worth, in basis points. */
  readonly targetDiscountBps: bigint;
  /** How far below worth sealed bids are, in basis points. No bid is made where the auction's start is above that. */
  readonly sealedDiscountBps: bigint;
  /**
   * Part of a vessel's cash that a sealed bid leaves, in basis points of what it needs at present figures: prices move until it is executed,
   * and a vessel that cannot pay then costs the bond.
   */
  readonly sealedSlackBps: bigint;
  /** Most orders of a batch; 1 sends no batches. */
  readonly batchOrders: number;
  /** Largest gross notional of all vessels together, with the collateral that they hold beside positions. */
  readonly maxGrossNotional: bigint;
  /** Once losses of the day reach it, nothing is begun. */
  readonly maxDailyLoss: bigint;
  /** Part of a vessel's cash that is left as a margin for prices that move meanwhile, in basis points of what is needed. */
  readonly capitalSlackBps: bigint;
  /** Seconds that proving and sending take: a proof that expires sooner is not asked for. */
  readonly proofSeconds: bigint;
}

/** A slice is at least that part of what its vessel holds of the same positions: `VESSEL_DIVISOR` of the clearing house. */
export const VESSEL_DIVISOR = 20n;

/** A vessel of the keeper. */
export interface VesselState {
  readonly accountId: bigint;
  /** Signed. */
  readonly cash: bigint;
  /** Value of its collateral after haircuts, at fresh prices: what is old counts for nothing here. */
  readonly collateral: bigint;
  /** The part of it that is priced by the vessel's own underlying. */
  readonly movingCollateral: bigint;
  /** Value of all of it at which slices are priced: what counts as notional while there are positions. */
  readonly saleCollateral: bigint;
  /** 0 without positions. */
  readonly scale: bigint;
  readonly commitment: bigint;
  readonly underlyingId: bigint;
  /** A transaction that names it is under way, or an auction of it runs. */
  readonly busy: boolean;
}

/** What the keeper has. */
export interface KeeperBook {
  readonly vessels: readonly VesselState[];
  /** Of what vessels hold and of what is under way; undefined when a vessel holds positions that cannot be valued. */
  readonly grossNotional: bigint | undefined;
  /** At least 0. */
  readonly lossToday: bigint;
  /** Accounts for which something is under way. */
  readonly inFlight: ReadonlySet<bigint>;
}

/** The sealed stage of a running auction, as the chain gives it. Times are in seconds; the ends are the last ones of their stages. */
export interface SealedStage {
  readonly auctionNumber: bigint;
  readonly commitEnd: bigint;
  readonly revealEnd: bigint;
  readonly publicStart: bigint;
  /** Least price factor of a bid. */
  readonly startFactorBps: bigint;
}

/** A sealed bid of the keeper, with what the chain knows of it. */
export interface OwnSealedBid extends Omit<SealedStage, 'startFactorBps'> {
  readonly accountId: bigint;
  readonly vesselId: bigint;
  readonly factorBps: bigint;
  readonly maxScale: bigint;
  readonly state: 'none' | 'committed' | 'revealed' | 'released' | 'failed' | 'slashed';
  /** Whether the revealed bids of the auction have been executed. */
  readonly executed: boolean;
}

/** What a keeper knows of sealed bids. */
export interface SealedBidding {
  /** Whether the keeper may commit. */
  readonly active: boolean;
  /** Stake that is not locked. */
  readonly freeStake: bigint;
  /** What a commitment locks. */
  readonly bond: bigint;
  /** By account; of auctions that are not public yet. */
  readonly stages: ReadonlyMap<bigint, SealedStage>;
  readonly bids: readonly OwnSealedBid[];
}

/** Everything that a decision depends on beside the configuration. */
export interface Situation {
  /** Time of the chain's newest block. */
  readonly now: bigint;
  readonly gasPrice: GasPrice;
  /** By underlying. */
  readonly markets: ReadonlyMap<bigint, FeedMarket>;
  readonly candidates: readonly LiquidationCandidate[];
  readonly auctions: readonly RunningAuction[];
  readonly book: KeeperBook;
  /** Undefined for keepers without a sealed-bid stage. */
  readonly sealed?: SealedBidding;
}

/** A chance worth taking, if there are the means. */
interface Proposal {
  readonly kind: ActionKind;
  readonly accountId: bigint;
  readonly net: bigint;
  /** Gives the action with the means that are left, or says why not. */
  readonly take: (means: Means) => Action | Declined;
}

/** Worth nothing alone because of gas, perhaps worth something in a batch. */
interface BatchOnly {
  readonly take: (means: Means) => Action | Declined;
  readonly declined: Declined;
}

type Reckoned = Proposal | Declined;

const NO_FIGURES = Object.freeze({});
/** A proof's order is exact; deposits between proof and transaction may raise the payment a little. */
const PAYMENT_SLACK_BPS = 10n;

/** Decides what to do now, and says why everything else is left alone. */
export function decide(situation: Situation, configuration: StrategyConfiguration): Decision {
  const reckoner = new Reckoner(situation, configuration);
  const declined: Declined[] = [];
  const proposals: Proposal[] = [];
  const batchOnly: BatchOnly[] = [];
  for (const candidate of situation.candidates) {
    for (const item of reckoner.candidate(candidate)) {
      if ('declined' in item) batchOnly.push(item);
      else if ('reason' in item) declined.push(item);
      else proposals.push(item);
    }
  }
  for (const auction of situation.auctions) {
    const item = reckoner.auction(auction);
    if ('reason' in item) declined.push(item);
    else proposals.push(item);
  }
  proposals.sort((a, b) => (a.net < b.net ? 1 : a.net > b.net ? -1 : 0));

  const means = new Means(situation.book, configuration);
  const actions: Action[] = [];
  const taken = new Set<bigint>();
  for (const { accountId, take } of proposals) {
    // An account that could be liquidated or auctioned is given to the better of the two.
    if (taken.has(accountId)) continue;
    const outcome = take(means);
    if ('reason' in outcome) declined.push(outcome);
    else {
      taken.add(accountId);
      actions.push(outcome);
    }
  }
  const extra: { action: LiquidateAction; declined: Declined }[] = [];
  for (const { take, declined: alone } of batchOnly) {
    const outcome = configuration.batchOrders > 1 && !taken.has(alone.accountId) ? take(means) : alone;
    if ('reason' in outcome) declined.push(outcome === alone ? alone : { ...alone });
    else extra.push({ action: outcome as LiquidateAction, declined: alone });
  }
  return joinBatches(actions, extra, declined, reckoner.costs, configuration);
}

/** Joins liquidations of one underlying, round and circuit where a batch gains more. */
function joinBatches(
  actions: readonly Action[],
  extra: readonly { readonly action: LiquidateAction; readonly declined: Declined }[],
  declined: readonly Declined[],
  costs: Costs,
  configuration: StrategyConfiguration,
): Decision {
  const rest = new Set<Action>(actions);
  const left = new Map(extra.map(({ action, declined: alone }) => [action, alone]));
  const groups = new Map<string, LiquidateAction[]>();
  if (configuration.batchOrders > 1 && configuration.kinds.includes('liquidateBatch')) {
    for (const action of [...actions, ...left.keys()]) {
      if (action.kind !== 'liquidate') continue;
      const key = `${action.underlyingId}/${action.round}/${action.capacity}`;
      groups.set(key, [...(groups.get(key) ?? []), action]);
    }
  }
  const joined: Action[] = [];
  for (const group of groups.values()) {
    const orders = group.map((action) => ({
      action,
      gross: action.profit.gross,
      hedge: action.profit.hedge,
    }));
    const batch = bestBatch(orders, costs, configuration.batchOrders, configuration.minimumProfit);
    if (batch === undefined || batch.profit.net < configuration.minimumProfit) continue;
    const members = batch.members.map(({ action }) => action);
    for (const member of members) {
      rest.delete(member);
      left.delete(member);
    }
    const [first] = members;
    joined.push({
      kind: 'liquidateBatch',
      accountId: first!.accountId,
      underlyingId: first!.underlyingId,
      orders: members,
      profit: batch.profit,
      notional: members.reduce((sum, { notional }) => sum + notional, 0n),
    });
  }
  const all = [...rest, ...joined].sort((a, b) =>
    a.profit.net < b.profit.net ? 1 : a.profit.net > b.profit.net ? -1 : 0,
  );
  return { actions: all, declined: [...declined, ...left.values()] };
}

/** Whether a slice is not dust beside what a vessel holds: the clearing house refuses that. */
function isEnough(scaleTaken: bigint, { scale }: VesselState): boolean {
  return scaleTaken >= ceilDivide(scale, VESSEL_DIVISOR);
}

/** What is left of vessels and limits while actions are chosen. */
class Means {
  readonly #vessels: VesselState[];
  readonly #configuration: StrategyConfiguration;
  readonly #blocked: DeclineReason | undefined;
  #room: bigint;

  constructor(book: KeeperBook, configuration: StrategyConfiguration) {
    this.#configuration = configuration;
    this.#vessels = book.vessels.filter(({ busy }) => !busy);
    this.#room = book.grossNotional === undefined ? 0n : configuration.maxGrossNotional - book.grossNotional;
    this.#blocked = book.lossToday >= configuration.maxDailyLoss ? 'DAILY_LOSS_LIMIT' : undefined;
  }

  /** Why nothing may be begun. */
  get blocked(): DeclineReason | undefined {
    return this.#blocked;
  }

  /** Notional that may still be taken over. */
  get room(): bigint {
    return this.#room;
  }

  /** Vessels that may take a slice of a commitment: empty ones, and those that hold the same and not far more of it; richest first. */
  vesselsFor(underlyingId: bigint, commitment: bigint, scaleTaken: bigint): VesselState[] {
    return this.#vessels
      .filter(
        (vessel) =>
          vessel.underlyingId === underlyingId &&
          (vessel.scale === 0n || (vessel.commitment === commitment && isEnough(scaleTaken, vessel))),
      )
      .sort((a, b) => (a.cash < b.cash ? 1 : a.cash > b.cash ? -1 : 0));
  }

  /** Whether a vessel has the cash for a need, with some to spare. */
  affords(vessel: VesselState, leastCash: bigint): boolean {
    return this.withSlack(leastCash) <= vessel.cash;
  }

  withSlack(leastCash: bigint): bigint {
    if (leastCash <= 0n) return leastCash;
    return ceilDivide(leastCash * (BASIS + this.#configuration.capitalSlackBps), BASIS);
  }

  /** Uses a vessel and a part of the room. */
  use(vessel: VesselState, notional: bigint): void {
    this.#vessels.splice(this.#vessels.indexOf(vessel), 1);
    this.#room -= notional;
  }
}

class Reckoner {
  readonly costs: Costs;
  readonly #situation: Situation;
  readonly #configuration: StrategyConfiguration;

  constructor(situation: Situation, configuration: StrategyConfiguration) {
    this.#situation = situation;
    this.#configuration = configuration;
    const { gasTable, spreads, hidden } = configuration;
    this.costs = {
      gasTable,
      spreads,
      gasPrice: situation.gasPrice,
      ...(hidden === undefined ? {} : { hidden }),
    };
  }

  /** An account that no auction sells: liquidated at once, or auctioned. */
  candidate(candidate: LiquidationCandidate): (Reckoned | BatchOnly)[] {
    const { accountId, underlyingId } = candidate;
    const { now, markets, book } = this.#situation;
    const kinds = (['liquidate', 'start'] as const).filter((kind) => this.#enabled(kind));
    const all = (reason: DeclineReason, figures: Declined['figures'] = NO_FIGURES): Declined[] =>
      kinds.map((kind) => ({ kind, accountId, reason, figures }));
    if (kinds.length === 0)
      return [{ kind: 'liquidate', accountId, reason: 'NOT_ENABLED', figures: NO_FIGURES }];
    if (book.inFlight.has(accountId)) return all('IN_FLIGHT');
    const market = markets.get(underlyingId);
    if (market === undefined) return all('NO_MARKET');
    const expiry = smaller(candidate.proofExpiry, market.proofExpiry);
    if (candidate.round !== market.number || now + this.#configuration.proofSeconds > expiry) {
      return all('PROOF_EXPIRED', { round: candidate.round, newest: market.number, expiry });
    }
    return kinds.map((kind) =>
      kind === 'liquidate' ? this.#atomic(candidate, market, expiry) : this.#start(candidate, market, expiry),
    );
  }

  #atomic(candidate: LiquidationCandidate, market: FeedMarket, proofExpiry: bigint): Reckoned | BatchOnly {
    const { accountId } = candidate;
    const { backstop, minimumProfit } = this.#configuration;
    const decline = (reason: DeclineReason, figures: Declined['figures'] = NO_FIGURES): Declined => ({
      kind: 'liquidate',
      accountId,
      reason,
      figures,
    });
    let chance: ReturnType<typeof atomicChance>;
    try {
      chance = atomicChance(candidate, market, { backstop });
    } catch (error) {
      // What is too large, or worth nothing, is for auctions.
      if (isZkMarginError(error, 'TOO_LARGE') || isZkMarginError(error, 'BAD_DEBT'))
        return decline('NOT_ENABLED');
      return decline('HEALTHY');
    }
    const { amounts, gross } = chance;
    const weight = this.#weigh(candidate, amounts.scaleTaken, market);
    if (typeof weight === 'string') return decline(weight);
    const profit = profitOf(gross + weight.resale, 'liquidate', weight.hedge, this.costs);
    const take = (means: Means): LiquidateAction | Declined => {
      if (means.blocked !== undefined)
        return decline(means.blocked, { loss: this.#situation.book.lossToday });
      if (weight.notional > means.room) {
        return decline('POSITION_LIMIT', { notional: weight.notional, room: means.room });
      }
      const vessels = means.vesselsFor(candidate.underlyingId, candidate.commitment, amounts.scaleTaken);
      if (vessels.length === 0) return decline('NO_VESSEL');
      const needOf = (vessel: VesselState) =>
        atomicChance(candidate, market, { backstop, vessel: vesselBefore(vessel) }).amounts.leastCash;
      // The poorest that has enough, so that rich ones are left for larger slices.
      const vessel = vessels.findLast((each) => means.affords(each, needOf(each)));
      if (vessel === undefined) {
        return decline('INSUFFICIENT_CAPITAL', { leastCash: amounts.leastCash, cash: vessels[0]!.cash });
      }
      means.use(vessel, weight.notional);
      return {
        kind: 'liquidate',
        accountId,
        underlyingId: candidate.underlyingId,
        vesselId: vessel.accountId,
        nonce: candidate.nonce,
        round: candidate.round,
        capacity: candidate.capacity,
        proofExpiry,
        scaleTaken: amounts.scaleTaken,
        minScale: worthwhileScale(amounts.scaleTaken, profit, minimumProfit),
        maxPayment: ceilDivide(amounts.payment * (BASIS + PAYMENT_SLACK_BPS), BASIS),
        profit,
        notional: weight.notional,
      };
    };
    if (profit.net < minimumProfit) {
      return { take, declined: decline('NOT_PROFITABLE', figuresOf(profit)) };
    }
    return { kind: 'liquidate', accountId, net: profit.net, take };
  }

  #start(candidate: LiquidationCandidate, market: FeedMarket, proofExpiry: bigint): Reckoned {
    const { accountId, underlyingId, round } = candidate;
    const decline = (reason: DeclineReason, figures: Declined['figures'] = NO_FIGURES): Declined => ({
      kind: 'start',
      accountId,
      reason,
      figures,
    });
    const profit = this.#startProfit(candidate, market);
    if (profit.net < this.#configuration.minimumStartProfit)
      return decline('NOT_PROFITABLE', figuresOf(profit));
    return {
      kind: 'start',
      accountId,
      net: profit.net,
      take: (means) => {
        if (means.blocked !== undefined)
          return decline(means.blocked, { loss: this.#situation.book.lossToday });
        // Any account of the keeper may receive the reward, also one that is in use.
        const [reward] = this.#situation.book.vessels;
        if (reward === undefined) return decline('NO_VESSEL');
        return {
          kind: 'start',
          accountId,
          underlyingId,
          nonce: candidate.nonce,
          round,
          requirement: candidate.requirement,
          movingCollateral: candidate.movingCollateral,
          proofExpiry,
          rewardAccountId: reward.accountId,
          profit,
          notional: 0n,
        };
      },
    };
  }

  /** Of the reward. An account that is worth nothing pays none: its start is paid by the takeover that it makes possible. */
  #startProfit(candidate: LiquidationCandidate, market: FeedMarket): Profit {
    const alone = profitOf(startReward(candidate, market), 'start', 0n, this.costs);
    if (worthOf(candidate) > 0n || !this.#enabled('takeOver')) return alone;
    const weight = this.#weigh(candidate, candidate.scale, market);
    if (typeof weight === 'string') return alone;
    const gross = wholeTakeover(candidate, market) + weight.resale;
    const later = profitOf(gross, 'takeOver', weight.hedge, this.costs);
    if (later.net < this.#configuration.minimumProfit) return alone;
    return { ...alone, net: alone.net + later.net };
  }

  /** A running auction: a bid, a takeover, or newer figures so that there can be one. */
  auction(auction: RunningAuction): Reckoned {
    const { accountId } = auction;
    const { now, markets, book } = this.#situation;
    const hasWorth = worthOf({ ...auction, mark: markOf(auction) }) > 0n;
    const isSealed = now < auction.publicStart && hasWorth && this.#situation.sealed !== undefined;
    const kind = isSealed ? 'sealedBid' : hasWorth ? 'bid' : 'takeOver';
    const decline = (
      reason: DeclineReason,
      figures: Declined['figures'] = NO_FIGURES,
      notBefore?: bigint,
    ): Declined => ({ kind, accountId, reason, figures, ...(notBefore === undefined ? {} : { notBefore }) });
    if (book.vessels.some((vessel) => vessel.accountId === accountId)) return this.#own(auction);
    const own = this.#situation.sealed?.bids.find(({ auctionNumber }) => auctionNumber === auction.number);
    // What has been bid is executed also by a keeper that is to make no more sealed bids.
    if (!this.#enabled(kind) && own === undefined) return decline('NOT_ENABLED');
    if (book.inFlight.has(accountId)) return decline('IN_FLIGHT');
    if (auction.superseded) return decline('SUPERSEDED');
    const market = markets.get(auction.underlyingId);
    if (market === undefined) return decline('NO_MARKET');
    if (isSealed) {
      return own !== undefined && own.state !== 'none'
        ? this.#fill(auction, own, market)
        : this.#sealedBid(auction, market, decline);
    }
    if (!this.#enabled(kind)) return decline('NOT_ENABLED');
    if (now < auction.publicStart) {
      return decline('NOT_PUBLIC', { publicStart: auction.publicStart }, auction.publicStart);
    }
    return hasWorth ? this.#bid(auction, market, decline) : this.#takeOver(auction, market, decline);
  }

  #bid(auction: RunningAuction, market: FeedMarket, decline: Decline): Reckoned {
    const { now } = this.#situation;
    const { terms, publicStart } = auction;
    const { targetDiscountBps } = this.#configuration;
    const expired = now > publicStart + terms.tailSeconds;
    const target = BASIS - targetDiscountBps;
    const factor = factorAt(terms, now - publicStart);
    if (!expired && factor > target) {
      const elapsed = elapsedAtFactor(terms, target);
      return decline(
        'PRICE_TOO_HIGH',
        { factorBps: factor, target },
        elapsed === undefined ? undefined : publicStart + elapsed,
      );
    }
    // After a restart the price has to fall to the target again.
    const factorBps = expired ? target : factor;
    const inconsistent = collateralOutweighs(auction) && auction.round !== market.number;
    const stale = expired || inconsistent || now > auction.provenAt + terms.maxProofAge;
    let chance: ReturnType<typeof auctionChance>;
    try {
      chance = auctionChance(auction, now, { factorBps });
    } catch (error) {
      return decline(isZkMarginError(error, 'CONFLICT') ? 'NOT_MARKED' : 'HEALTHY');
    }
    const weight = this.#weigh(weighed(auction), chance.quote.scaleTaken, market);
    if (typeof weight === 'string') return decline(weight);
    const profit = profitOf(chance.gross + weight.resale, 'bid', weight.hedge, this.costs);
    if (stale) return this.#refresh(auction, market, expired ? 'restart' : 'refresh', profit, decline);
    if (profit.net < this.#configuration.minimumProfit) return decline('NOT_PROFITABLE', figuresOf(profit));
    return {
      kind: 'bid',
      accountId: auction.accountId,
      net: profit.net,
      take: (means) => this.#takeSlice(auction, market, means, decline),
    };
  }

  #takeOver(auction: RunningAuction, market: FeedMarket, decline: Decline): Reckoned {
    const { now } = this.#situation;
    const stale = auction.round !== market.number || now > auction.provenAt + auction.terms.maxProofAge;
    if (auction.subsidyFrom === undefined && !stale) return this.#poke(auction, market, decline);
    let profit: Profit;
    try {
      // Before it is marked, the subsidy is nothing.
      const chance = auctionChance({ ...auction, subsidyFrom: auction.subsidyFrom ?? now }, now);
      const weight = this.#weigh(weighed(auction), chance.quote.scaleTaken, market);
      if (typeof weight === 'string') return decline(weight);
      profit = profitOf(chance.gross + weight.resale, 'takeOver', weight.hedge, this.costs);
    } catch {
      return decline('HEALTHY');
    }
    if (stale) return this.#refresh(auction, market, 'refresh', profit, decline);
    if (profit.net < this.#configuration.minimumProfit) return decline('NOT_PROFITABLE', figuresOf(profit));
    return {
      kind: 'takeOver',
      accountId: auction.accountId,
      net: profit.net,
      take: (means) => this.#takeSlice(auction, market, means, decline),
    };
  }

  /** Before public bidding: a bid under seal, at the discount that is wanted of them. */
  #sealedBid(auction: RunningAuction, market: FeedMarket, decline: Decline): Reckoned {
    const { accountId, publicStart } = auction;
    const { now, sealed } = this.#situation;
    const { minimumProfit, sealedDiscountBps } = this.#configuration;
    const stage = sealed?.stages.get(accountId);
    if (
      sealed === undefined ||
      stage === undefined ||
      stage.auctionNumber !== auction.number ||
      now >= stage.commitEnd
    ) {
      return decline('NOT_PUBLIC', { publicStart }, publicStart);
    }
    if (!sealed.active) return decline('NOT_LIQUIDATOR', { publicStart }, publicStart);
    if (sealed.freeStake < sealed.bond) {
      return decline('NO_STAKE', { bond: sealed.bond, free: sealed.freeStake }, publicStart);
    }
    const factorBps = BASIS - sealedDiscountBps;
    if (factorBps < stage.startFactorBps) {
      return decline('PRICE_TOO_HIGH', { factorBps: stage.startFactorBps, target: factorBps }, publicStart);
    }
    let chance: ReturnType<typeof auctionChance>;
    try {
      chance = auctionChance(auction, publicStart, { factorBps });
    } catch {
      return decline('HEALTHY');
    }
    const weight = this.#weigh(weighed(auction), chance.quote.scaleTaken, market);
    if (typeof weight === 'string') return decline(weight);
    const profit = profitOf(chance.gross + weight.resale, 'sealedBid', weight.hedge, this.costs);
    if (profit.net < minimumProfit) return decline('NOT_PROFITABLE', figuresOf(profit));
    const take = (means: Means): Action | Declined => {
      const part = this.#sealedPart(auction, market, means, factorBps, decline);
      if ('reason' in part) return part;
      return {
        kind: 'sealedBid',
        accountId,
        underlyingId: auction.underlyingId,
        auctionNumber: auction.number,
        round: auction.round,
        factorBps,
        commitEnd: stage.commitEnd,
        revealEnd: stage.revealEnd,
        publicStart: stage.publicStart,
        bond: sealed.bond,
        ...part,
      };
    };
    return { kind: 'sealedBid', accountId, net: profit.net, take };
  }

  /**
   * How much of an account a sealed bid is for. The vessel is an empty one, so that no rest is too small beside what it holds, and it keeps
   * enough for figures that have become worse.
   */
  #sealedPart(
    auction: RunningAuction,
    market: FeedMarket,
    means: Means,
    factorBps: bigint,
    decline: Decline,
  ) {
    const { minimumProfit, sealedSlackBps } = this.#configuration;
    if (means.blocked !== undefined) return decline(means.blocked, { loss: this.#situation.book.lossToday });
    const quoteOf = (maxScale?: bigint) =>
      auctionChance(auction, auction.publicStart, {
        factorBps,
        ...(maxScale === undefined ? {} : { maxScale }),
      });
    const whole = quoteOf().quote;
    const full = this.#weigh(weighed(auction), whole.scaleTaken, market);
    if (typeof full === 'string') return decline(full);
    const most =
      full.notional <= means.room
        ? whole.scaleTaken
        : means.room <= 0n
          ? 0n
          : (whole.scaleTaken * means.room) / full.notional;
    if (most === 0n) return decline('POSITION_LIMIT', { notional: full.notional, room: means.room });
    const vessel = means
      .vesselsFor(auction.underlyingId, auction.commitment, whole.scaleTaken)
      .find(({ scale }) => scale === 0n);
    if (vessel === undefined) return decline('NO_VESSEL');
    const needOf = (maxScale: bigint) => {
      const { leastCash } = quoteOf(maxScale).quote;
      return leastCash <= 0n ? leastCash : ceilDivide(leastCash * (BASIS + sealedSlackBps), BASIS);
    };
    const scaleTaken = maxScaleFor(
      (maxScale) => {
        try {
          return { leastCash: needOf(maxScale) };
        } catch {
          return undefined;
        }
      },
      vessel.cash,
      most,
    );
    if (scaleTaken === 0n) {
      return decline('INSUFFICIENT_CAPITAL', { leastCash: whole.leastCash, cash: vessel.cash });
    }
    const weight = this.#weigh(weighed(auction), scaleTaken, market);
    if (typeof weight === 'string') return decline(weight);
    const profit = profitOf(quoteOf(scaleTaken).gross + weight.resale, 'sealedBid', weight.hedge, this.costs);
    if (profit.net < minimumProfit) return decline('NOT_PROFITABLE', figuresOf(profit));
    means.use(vessel, weight.notional);
    // Never more than this: the vessel must be able to pay for it.
    const size = { scaleTaken, maxScale: scaleTaken, minScale: 1n };
    return { vesselId: vessel.accountId, ...size, profit, notional: weight.notional };
  }

  /** Executes the revealed bids while the own one is worth it. Nobody has to: bids that nobody executes lapse. */
  #fill(auction: RunningAuction, own: OwnSealedBid, market: FeedMarket): Reckoned {
    const { accountId, underlyingId } = auction;
    const { now, book } = this.#situation;
    const decline = (reason: DeclineReason, figures: Declined['figures'] = NO_FIGURES): Declined => ({
      kind: 'fill',
      accountId,
      reason,
      figures,
    });
    if (own.state !== 'revealed' || own.executed || now <= own.revealEnd || now + 1n >= own.publicStart) {
      return decline('SEALED_BID_OPEN', { publicStart: own.publicStart });
    }
    const vessel = book.vessels.find((each) => each.accountId === own.vesselId);
    if (vessel === undefined) return decline('NO_VESSEL');
    let chance: ReturnType<typeof auctionChance>;
    try {
      const { factorBps, maxScale } = own;
      chance = auctionChance(auction, own.publicStart, { factorBps, maxScale, vessel: vesselBefore(vessel) });
    } catch {
      return decline('HEALTHY');
    }
    const { scaleTaken, leastCash } = chance.quote;
    // It would fail, and the bond be lost.
    if (leastCash > vessel.cash) return decline('INSUFFICIENT_CAPITAL', { leastCash, cash: vessel.cash });
    const weight = this.#weigh(weighed(auction), scaleTaken, market);
    if (typeof weight === 'string') return decline(weight);
    const profit = profitOf(chance.gross + weight.resale, 'fill', weight.hedge, this.costs);
    if (profit.net <= 0n) return decline('NOT_PROFITABLE', figuresOf(profit));
    const take = (): FillAction => ({
      kind: 'fill',
      accountId,
      underlyingId,
      auctionNumber: auction.number,
      round: auction.round,
      vesselId: own.vesselId,
      latest: own.publicStart - 1n,
      profit,
      // Counted since the bid was made.
      notional: 0n,
    });
    return { kind: 'fill', accountId, net: profit.net, take };
  }

  /** Starts the clock of the subsidy, when the whole subsidy would pay for that and for the takeover. */
  #poke(auction: RunningAuction, market: FeedMarket, decline: Decline): Reckoned {
    const { terms } = auction;
    const { now } = this.#situation;
    if (!this.#enabled('poke')) return decline('NOT_MARKED');
    let later: Profit;
    try {
      const chance = auctionChance({ ...auction, subsidyFrom: now - terms.insolventSeconds }, now);
      const weight = this.#weigh(weighed(auction), chance.quote.scaleTaken, market);
      if (typeof weight === 'string') return decline(weight);
      later = profitOf(chance.gross + weight.resale, 'takeOver', weight.hedge, this.costs);
    } catch {
      return decline('HEALTHY');
    }
    const profit = profitOf(0n, 'poke', 0n, this.costs);
    if (later.net + profit.net < this.#configuration.minimumProfit) {
      return decline('NOT_PROFITABLE', { ...figuresOf(later), poke: profit.gas });
    }
    return this.#call(auction, 'poke', { ...profit, net: later.net + profit.net }, decline);
  }

  /** An own vessel that is auctioned is of no use until the auction ends, which anyone may bring about once it is covered. */
  #own(auction: RunningAuction): Reckoned {
    const { accountId, terms } = auction;
    const decline: Decline = (reason, figures = NO_FIGURES) => ({
      kind: 'close',
      accountId,
      reason,
      figures,
    });
    const state = { ...auction, mark: markOf(auction), requirement: auctionRequirement(auction) };
    const equity = equityOf(state);
    const target = targetOf(state.requirement, terms.bufferBps);
    const canEnd = auction.superseded || isCovered(state, terms.bufferBps);
    if (!this.#enabled('close') || !canEnd) return decline('OWN_ACCOUNT', { equity, target });
    if (this.#situation.book.inFlight.has(accountId)) return decline('IN_FLIGHT');
    const profit = profitOf(0n, 'close', 0n, this.costs);
    if (profit.gas > this.#configuration.minimumProfit) {
      return decline('NOT_PROFITABLE', figuresOf(profit));
    }
    return this.#call(auction, 'close', profit, decline);
  }

  #call(auction: RunningAuction, kind: 'poke' | 'close', profit: Profit, decline: Decline): Reckoned {
    const { accountId, underlyingId, number: auctionNumber, round } = auction;
    const take = (means: Means): PokeAction | Declined =>
      means.blocked === undefined
        ? { kind, accountId, underlyingId, auctionNumber, round, profit, notional: 0n }
        : decline(means.blocked, { loss: this.#situation.book.lossToday });
    return { kind, accountId, net: profit.net, take };
  }

  /** Newer figures are worth their gas when the slice that they make possible is. */
  #refresh(
    auction: RunningAuction,
    market: FeedMarket,
    kind: 'refresh' | 'restart',
    slice: Profit,
    decline: Decline,
  ): Reckoned {
    const { accountId, underlyingId } = auction;
    const { minimumProfit, minimumStartProfit, proofSeconds } = this.#configuration;
    if (!this.#enabled(kind)) return decline('NOT_ENABLED');
    // A restart takes the figures that are recorded already, a refresh does not.
    if (kind === 'refresh' && market.number <= auction.round) {
      return decline('NO_NEWER_ROUND', { round: auction.round });
    }
    if (this.#situation.now + proofSeconds > market.proofExpiry) {
      return decline('PROOF_EXPIRED', { expiry: market.proofExpiry });
    }
    const profit = profitOf(0n, kind, 0n, this.costs);
    if (slice.net + profit.net < minimumProfit && profit.net < minimumStartProfit) {
      return decline('NOT_PROFITABLE', { ...figuresOf(slice), refresh: profit.gas });
    }
    return {
      kind,
      accountId,
      net: slice.net + profit.net,
      take: (means) => {
        if (means.blocked !== undefined)
          return decline(means.blocked, { loss: this.#situation.book.lossToday });
        return {
          kind,
          accountId,
          underlyingId,
          auctionNumber: auction.number,
          nonce: auction.startNonce,
          round: market.number,
          proofExpiry: market.proofExpiry,
          // What is paid now; the slice's profit is booked with the slice.
          profit: { ...profit, net: slice.net + profit.net },
          notional: 0n,
        };
      },
    };
  }

  /** A slice as large as room, cash and what is for sale allow. */
  #takeSlice(auction: RunningAuction, market: FeedMarket, means: Means, decline: Decline): Action | Declined {
    const { now } = this.#situation;
    const { minimumProfit } = this.#configuration;
    if (means.blocked !== undefined) return decline(means.blocked, { loss: this.#situation.book.lossToday });
    const whole = auctionChance(auction, now);
    const full = this.#weigh(weighed(auction), whole.quote.scaleTaken, market);
    if (typeof full === 'string') return decline(full);
    const fits =
      full.notional <= means.room || full.notional === 0n
        ? whole.quote.scaleTaken
        : means.room <= 0n
          ? 0n
          : (whole.quote.scaleTaken * means.room) / full.notional;
    const position = { notional: full.notional, room: means.room };
    if (fits < whole.leastScale && fits < whole.quote.scaleTaken) return decline('POSITION_LIMIT', position);
    const vessels = means.vesselsFor(auction.underlyingId, auction.commitment, fits);
    if (vessels.length === 0) return decline('NO_VESSEL');
    let best: { readonly vessel: VesselState; readonly scale: bigint } | undefined;
    for (const vessel of vessels) {
      const affordable = this.#affordable(auction, vessel, fits, means);
      const scale = isEnough(affordable, vessel) ? affordable : 0n;
      // Vessels come by falling cash: an equal one that is poorer does as well.
      if (best === undefined || scale >= best.scale) best = { vessel, scale };
    }
    const { vessel, scale: affordable } = best!;
    const isWhole = affordable >= whole.quote.scaleTaken;
    if (affordable === 0n || (!isWhole && affordable < whole.leastScale)) {
      return decline('INSUFFICIENT_CAPITAL', { leastCash: whole.quote.leastCash, cash: vessel.cash });
    }
    const chance = auctionChance(auction, now, { maxScale: affordable });
    const weight = this.#weigh(weighed(auction), affordable, market);
    if (typeof weight === 'string') return decline(weight);
    const kind = chance.quote.kind === 'sale' ? 'bid' : 'takeOver';
    const profit = profitOf(chance.gross + weight.resale, kind, weight.hedge, this.costs);
    if (profit.net < minimumProfit) return decline('NOT_PROFITABLE', figuresOf(profit));
    means.use(vessel, weight.notional);
    const slice = {
      accountId: auction.accountId,
      underlyingId: auction.underlyingId,
      vesselId: vessel.accountId,
      auctionNumber: auction.number,
      round: auction.round,
      scaleTaken: affordable,
      minScale: worthwhileScale(affordable, profit, minimumProfit),
      // All that is for sale grows a little while the price falls: a rest would keep the auction open.
      maxScale: isWhole ? MAX_SCALE : affordable,
      profit,
      notional: weight.notional,
    };
    if (chance.quote.kind === 'sale') {
      const bid: BidAction = {
        ...slice,
        kind: 'bid',
        factorBps: chance.quote.factorBps,
        // The lower the price, the smaller the payment, also for all that is for sale.
        maxPayment: chance.quote.proceeds + 1n,
      };
      return bid;
    }
    const takeOver: TakeOverAction = { ...slice, kind: 'takeOver', minSubsidy: chance.quote.subsidy };
    return takeOver;
  }

  #affordable(auction: RunningAuction, vessel: VesselState, most: bigint, means: Means): bigint {
    const before = vesselBefore(vessel);
    return maxScaleFor(
      (maxScale) => {
        try {
          const { quote } = auctionChance(auction, this.#situation.now, { maxScale, vessel: before });
          return { ...quote, leastCash: means.withSlack(quote.leastCash) };
        } catch {
          return undefined;
        }
      },
      vessel.cash,
      most,
    );
  }

  #weigh(account: Parameters<typeof weighSlice>[0], scaleTaken: bigint, market: FeedMarket) {
    try {
      return weighSlice(account, scaleTaken, market.round, this.costs) ?? ('HIDDEN_POSITIONS' as const);
    } catch {
      return 'NOT_VALUED' as const;
    }
  }

  #enabled(kind: ActionKind): boolean {
    return this.#configuration.kinds.includes(kind);
  }
}

type Decline = (reason: DeclineReason, figures?: Declined['figures'], notBefore?: bigint) => Declined;

/** Least scale with which gas and least profit are still earned: gross profit and hedge are in proportion to the scale. */
function worthwhileScale(scaleTaken: bigint, profit: Profit, minimum: bigint): bigint {
  const perScale = profit.gross - profit.hedge;
  const asked = profit.gas + (minimum > 0n ? minimum : 0n);
  if (perScale <= 0n) return 1n;
  const least = ceilDivide(scaleTaken * asked, perScale);
  return least < 1n ? 1n : least > scaleTaken ? scaleTaken : least;
}

function markOf(auction: RunningAuction): bigint {
  return ceilDivide(auction.proven.mark * auction.scale, auction.proven.scale);
}

function weighed(auction: RunningAuction): Parameters<typeof weighSlice>[0] {
  return { ...auction, requirement: auctionRequirement(auction) };
}

function figuresOf({ gross, gas, hedge, net }: Profit): Declined['figures'] {
  return { gross, gas, hedge, net };
}
