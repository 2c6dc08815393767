/**
 * What liquidations move: section 6 of `docs/margin-model.md`, to the unit. `LiquidationMath.sol` computes the same.
 *
 * Money is in 1e-6 USD, scales are in 2^-40, rates and shares in basis points, the volatility index in 2^-16.
 */

import { requireBigint, ZkMarginError } from '../errors.ts';
import { MAX_MONEY, MAX_SCALE } from '../margin/exact/bounds.ts';
import {
  COLLATERAL_SLOPE_LIMIT,
  COLLATERAL_SLOPE_PLACES,
  requirementWith,
} from '../margin/exact/collateral.ts';
import { ceilDivide, floorDivide } from '../math/fixed/primitives.ts';

/** 100 %. */
export const BASIS = 10_000n;
/** Largest price factor: 200 %. */
export const MAX_FACTOR_BPS = 20_000n;
/** Lowest figure that an insolvency proof can show, 1e-6 USD. */
const LOWEST_PROVEN = -MAX_MONEY - 1n;
/** Largest requirement with collateral that figures and collateral within their bounds can make. */
const MAX_REQUIREMENT = 9n * (MAX_MONEY + 1n);
/** Longest time that the contracts hold, in seconds. */
export const MAX_SECONDS = 2n ** 40n - 1n;

/** What an account is judged by, all at its present scale. */
export interface LiquidationState {
  /** Signed. */
  readonly cash: bigint;
  /** Value of collateral after haircuts. */
  readonly collateral: bigint;
  /** Value of collateral at which slices are priced, at least `collateral`. */
  readonly saleCollateral: bigint;
  /** Value of the positions, signed. */
  readonly mark: bigint;
  /** Maintenance requirement, moving collateral included. */
  readonly requirement: bigint;
  /** At least 1. */
  readonly scale: bigint;
  /** Cash that bids of the running auction have paid; it is not for sale. */
  readonly reserved: bigint;
}

/** A sale of a part of an account that is worth something. */
export interface Sale {
  /** Equity with collateral at the value at which slices are priced. */
  readonly worth: bigint;
  /** Requirement and buffer. */
  readonly target: bigint;
  /** Most that may be sold: what brings the account to its target at this price. */
  readonly maxScale: bigint;
  readonly scaleTaken: bigint;
  /** The slice's share of cash that is not reserved, signed. */
  readonly cashTaken: bigint;
  /** The slice's share of the worth that is not reserved. */
  readonly worthTaken: bigint;
  /** What the account is paid. */
  readonly proceeds: bigint;
  /** What is reserved afterwards: what was not for sale, and the proceeds. */
  readonly reservedAfter: bigint;
}

/** A takeover of a part of an account that is worth nothing. */
export interface Takeover {
  /** Equity with collateral at the value at which slices are priced, at most 0. */
  readonly worth: bigint;
  readonly target: bigint;
  readonly scaleTaken: bigint;
  /** The slice's share of all cash, signed. */
  readonly cashTaken: bigint;
  /** What the taker is paid. */
  readonly subsidy: bigint;
}

/** What a proof shows of an account. */
export interface ProvenFigures {
  /** Signed. */
  readonly mark: bigint;
  /** Maintenance requirement without moving collateral, signed. */
  readonly baseRequirement: bigint;
  /** What a unit of moving collateral adds to it, 2^-54, signed. */
  readonly collateralSlope: bigint;
  /** Scale of the proof, at least 1. */
  readonly scale: bigint;
}

/** Collateral after haircuts: what backs debts and positions. */
export interface BackingValues {
  /** Of all of it. */
  readonly collateral: bigint;
  /** Of the part that is priced by the account's own underlying. */
  readonly movingCollateral: bigint;
}

/** What an account's collateral counts for. */
export interface CollateralValues extends BackingValues {
  /** Value at which slices are priced, at least `collateral`: less a quarter of each haircut, or its square. */
  readonly saleCollateral: bigint;
}

/** An account and the proof that was made of it as it is. */
export interface ProvenAccount extends ProvenFigures, CollateralValues {
  /** Signed. */
  readonly cash: bigint;
}

/** Terms by which the fixed penalty is found. */
export interface PenaltyTerms {
  /** By equity over requirement: at least 75 %, 50 %, 25 %, below. */
  readonly penaltyBps: readonly bigint[];
  /** Volatility index from which `volatilityPenaltyBps` is added. */
  readonly volatilityThreshold: bigint;
  readonly volatilityPenaltyBps: bigint;
}

/** Terms of atomic liquidations. */
export interface AtomicTerms extends PenaltyTerms {
  readonly bufferBps: bigint;
  /** The keeper's part of the penalty; the rest is the fund's. */
  readonly rewardShareBps: bigint;
  /** Largest {@link sizeOf} an account that the public may liquidate at the fixed penalty. */
  readonly atomicLimit: bigint;
  /** Discount at which registered backstops take over. */
  readonly backstopBps: bigint;
}

/** The account that receives a slice, before it does. Its collateral counts at fresh prices only. */
export interface Vessel extends BackingValues {
  /** 0 without positions; otherwise the commitment is that of the liquidated account. */
  readonly scale: bigint;
}

/** A vessel that holds nothing yet. */
export const EMPTY_VESSEL: Vessel = Object.freeze({ scale: 0n, collateral: 0n, movingCollateral: 0n });

/** What a slice asks of the vessel that receives it. */
export interface VesselNeed {
  /** The slice's share of collateral, at most one smallest unit of each token's value above what arrives. */
  readonly collateralTaken: bigint;
  /** The part of it that moves with the underlying. */
  readonly movingTaken: bigint;
  /**
   * What its cash and collateral must at least be afterwards, signed. Moving collateral counts up to what so much of the account comes with: the
   * rest is a risk of the vessel's own, of which the proof says nothing.
   */
  readonly vesselFloor: bigint;
  /**
   * Least cash that it must hold beforehand; signed, since positions that it holds may stand against debts, but never
   * negative for a vessel without positions. Collateral of the slice is counted as `collateralTaken`.
   */
  readonly leastCash: bigint;
}

/** Everything of an atomic liquidation. */
export interface AtomicLiquidation extends Sale, VesselNeed {
  /** Rate of the penalty. */
  readonly penaltyBps: bigint;
  /** What the trader loses: `worthTaken - proceeds`. */
  readonly penalty: bigint;
  /** The keeper's part of it. */
  readonly reward: bigint;
  readonly fundFee: bigint;
  /** What the vessel pays: proceeds and fund fee. */
  readonly payment: bigint;
}

/** Options of {@link atomicLiquidation}. */
export interface AtomicOptions {
  /** Whether the keeper is a registered backstop: a flat discount, and no limit of size. */
  readonly backstop?: boolean;
  /** An empty vessel unless given. */
  readonly vessel?: Vessel;
}

/**
 * Proven figures at another scale of the same legs: the mark rounded up, the requirement down. The slope is the same at all scales: it is
 * the collateral that becomes less.
 *
 * @throws ZkMarginError `MALFORMED`, `OUT_OF_RANGE`
 */
export function atScale(proven: ProvenFigures, scale: bigint): ProvenFigures {
  requireFigures(proven);
  requireBigint(scale, 1n, MAX_SCALE, 'scale');
  return {
    mark: ceilDivide(proven.mark * scale, proven.scale),
    baseRequirement: floorDivide(proven.baseRequirement * scale, proven.scale),
    collateralSlope: proven.collateralSlope,
    scale,
  };
}

/** What proven figures require of so much of the same legs, with the moving collateral that they come with. */
export function requirementAt(proven: ProvenFigures, scale: bigint, movingCollateral: bigint): bigint {
  const { baseRequirement, collateralSlope } = atScale(proven, scale);
  return requirementWith(baseRequirement, collateralSlope, movingCollateral);
}

/**
 * The requirement that a subsidy counts: nothing for the risk of collateral itself. Otherwise an owner could raise what his account lacks by
 * giving collateral, or by letting a hedge of it expire, and have the waterfall pay for a fall that has not happened.
 *
 * @param requirement with moving collateral
 * @param baseRequirement without any, at the same scale
 */
export function subsidisedRequirement(requirement: bigint, baseRequirement: bigint): bigint {
  return baseRequirement > 0n ? smaller(requirement, baseRequirement) : 0n;
}

/** Cash, collateral after haircuts and positions together: what must cover the requirement. */
export function equityOf(state: Pick<LiquidationState, 'cash' | 'collateral' | 'mark'>): bigint {
  return state.cash + state.collateral + state.mark;
}

/** The same with collateral at the value at which slices are priced: what there is to sell. At least the equity. */
export function worthOf(state: Pick<LiquidationState, 'cash' | 'saleCollateral' | 'mark'>): bigint {
  return state.cash + state.saleCollateral + state.mark;
}

/**
 * What decides whether an account is too large to be sold at once: the requirement, and what equity lacks to 0. With a requirement of 0 a lack of
 * equity can be as large as the haircuts of all collateral.
 */
export function sizeOf(requirement: bigint, equity: bigint): bigint {
  return equity < 0n ? requirement - equity : requirement;
}

/** The requirement with its buffer, rounded up. */
export function targetOf(requirement: bigint, bufferBps: bigint): bigint {
  return ceilDivide(requirement * (BASIS + bufferBps), BASIS);
}

/**
 * A sale at a price factor. Selling the fraction f of what is not reserved for `d f (W - reserved)` brings the account to its
 * target T when `f = (T - E) / (T - E + reserved + d (W - reserved))`, with its equity E and its worth W.
 *
 * @param factorBps d: price per unit of worth
 * @param maxScale most that the buyer wants
 * @throws ZkMarginError `BAD_DEBT` when the account is worth nothing; `NOT_LIQUIDATABLE` when equity covers the target; `NOTHING_TO_LIQUIDATE` when the
 * slice rounds to no scale; `MALFORMED`, `OUT_OF_RANGE`
 */
export function sale(
  state: LiquidationState,
  bufferBps: bigint,
  factorBps: bigint,
  maxScale: bigint = MAX_SCALE,
): Sale {
  requireState(state);
  requireBigint(bufferBps, 0n, BASIS, 'bufferBps');
  requireBigint(factorBps, 0n, MAX_FACTOR_BPS, 'factorBps');
  requireBigint(maxScale, 0n, MAX_SCALE, 'maxScale');
  const worth = worthOf(state);
  if (worth <= 0n) throw badDebt(worth);
  const equity = equityOf(state);
  const target = targetOf(state.requirement, bufferBps);
  if (equity >= target) throw healthy(equity, target);
  // When all that is left of the worth is what bids have paid, that is for sale again.
  const reserved = worth > state.reserved ? state.reserved : 0n;
  const saleable = worth - reserved;
  const deficit = target - equity;
  const most = (state.scale * deficit * BASIS) / ((deficit + reserved) * BASIS + saleable * factorBps);
  const scaleTaken = smaller(most, maxScale);
  if (scaleTaken === 0n) throw tooSmall();
  const worthTaken = ceilDivide(saleable * scaleTaken, state.scale);
  const proceeds = ceilDivide(worthTaken * factorBps, BASIS);
  return {
    worth,
    target,
    maxScale: most,
    scaleTaken,
    cashTaken: floorDivide((state.cash - reserved) * scaleTaken, state.scale),
    worthTaken,
    proceeds,
    reservedAfter: reserved + proceeds,
  };
}

/**
 * A takeover. The subsidy of the whole account rises in a straight line from 0 to all that its worth lacks to its target.
 *
 * @param elapsed seconds since the account was found to be worth nothing
 * @param length seconds of the rise, at least 1
 * @param maxScale most that the taker wants
 * @throws ZkMarginError `HAS_WORTH`; `NOTHING_TO_LIQUIDATE` for a scale of 0; `MALFORMED`, `OUT_OF_RANGE`
 */
export function takeover(
  state: LiquidationState,
  bufferBps: bigint,
  elapsed: bigint,
  length: bigint,
  maxScale: bigint = MAX_SCALE,
): Takeover {
  requireState(state);
  requireBigint(bufferBps, 0n, BASIS, 'bufferBps');
  requireBigint(elapsed, 0n, MAX_SECONDS, 'elapsed');
  requireBigint(length, 1n, MAX_SECONDS, 'length');
  requireBigint(maxScale, 0n, MAX_SCALE, 'maxScale');
  const worth = worthOf(state);
  if (worth > 0n) {
    throw new ZkMarginError(
      'HAS_WORTH',
      'The account is worth something; buy it instead of taking it over.',
      {
        details: { worth: worth.toString() },
      },
    );
  }
  const target = targetOf(state.requirement, bufferBps);
  const whole = ((target - worth) * smaller(elapsed, length)) / length;
  const scaleTaken = smaller(state.scale, maxScale);
  if (scaleTaken === 0n) throw tooSmall();
  return {
    worth,
    target,
    scaleTaken,
    cashTaken: floorDivide(state.cash * scaleTaken, state.scale),
    subsidy: (whole * scaleTaken) / state.scale,
  };
}

/**
 * What cash and collateral must at least be to hold `heldScale` of these legs with equity at the target, and not below 0, rounded up.
 *
 * @param proven the figures of the proof, at its own scale: rounded ones would be multiplied for a vessel that holds more
 * @param heldScale of the vessel, with the slice
 * @param movingCollateral of the vessel that counts, at most what so much of the account comes with
 */
export function vesselFloor(
  proven: ProvenFigures,
  bufferBps: bigint,
  heldScale: bigint,
  movingCollateral: bigint,
): bigint {
  const share = BASIS + bufferBps;
  const ofCollateral = ceilDivide(
    movingCollateral * proven.collateralSlope * share,
    BASIS << COLLATERAL_SLOPE_PLACES,
  );
  const ofLegs = ceilDivide(
    (targetOf(proven.baseRequirement, bufferBps) - proven.mark) * heldScale,
    proven.scale,
  );
  const forNoDebt = ceilDivide(-proven.mark * heldScale, proven.scale);
  const needed = ofLegs + ofCollateral;
  if (needed < forNoDebt) return forNoDebt;
  return needed;
}

/**
 * Penalty of an atomic liquidation, in basis points, by how much of the requirement is covered and by the volatility index.
 *
 * @param equity signed
 */
export function penaltyBps(
  terms: PenaltyTerms,
  equity: bigint,
  requirement: bigint,
  volatility: bigint,
): bigint {
  let quarters = 3n;
  if (equity < requirement) quarters = equity > 0n ? (4n * equity) / requirement : 0n;
  const penalty = terms.penaltyBps[3 - Number(quarters)];
  if (penalty === undefined) {
    throw new ZkMarginError('OUT_OF_RANGE', 'Give four penalties.', { field: 'terms.penaltyBps' });
  }
  return volatility >= terms.volatilityThreshold ? penalty + terms.volatilityPenaltyBps : penalty;
}

/**
 * The amounts of liquidating an account at once, at the fixed penalty: a sale with nothing reserved.
 *
 * The penalty is split: the keeper keeps `floor(penalty * rewardShareBps / 10000)`, the fund has the rest.
 *
 * @param account as it is, with the figures of a proof at its scale
 * @param volatility index of the round
 * @throws ZkMarginError `NOT_LIQUIDATABLE` when equity covers the requirement; `BAD_DEBT` when the account is worth nothing; `TOO_LARGE` above the limit of public
 * liquidations; and as {@link sale}
 */
export function atomicLiquidation(
  account: ProvenAccount,
  terms: AtomicTerms,
  volatility: bigint,
  options: AtomicOptions = {},
): AtomicLiquidation {
  const { backstop = false, vessel = EMPTY_VESSEL } = options;
  requireFigures(account);
  requireCollateral(account, '');
  const { cash, collateral, saleCollateral, mark, scale } = account;
  const requirement = requirementWith(
    account.baseRequirement,
    account.collateralSlope,
    account.movingCollateral,
  );
  const state: LiquidationState = {
    cash,
    collateral,
    saleCollateral,
    mark,
    requirement,
    scale,
    reserved: 0n,
  };
  requireState(state);
  const equity = equityOf(state);
  if (equity >= state.requirement) throw healthy(equity, state.requirement);
  const worth = worthOf(state);
  if (worth <= 0n) throw badDebt(worth);
  const size = sizeOf(requirement, equity);
  if (!backstop && size > terms.atomicLimit) {
    throw new ZkMarginError('TOO_LARGE', 'Start an auction: the account is too large to be sold at once.', {
      field: 'requirement',
      details: { size: size.toString(), limit: terms.atomicLimit.toString() },
    });
  }
  const rate = backstop ? terms.backstopBps : penaltyBps(terms, equity, state.requirement, volatility);
  const sold = sale(state, terms.bufferBps, BASIS - rate);
  const penalty = sold.worthTaken - sold.proceeds;
  const reward = (penalty * terms.rewardShareBps) / BASIS;
  const fundFee = penalty - reward;
  const payment = sold.proceeds + fundFee;
  return {
    ...sold,
    penaltyBps: rate,
    penalty,
    reward,
    fundFee,
    payment,
    ...vesselNeed(account, account, terms.bufferBps, sold, payment, vessel),
  };
}

/**
 * What a slice asks of its vessel.
 *
 * @param proven the figures of the proof, at its own scale
 * @param payment what the vessel pays; negative for a subsidy
 */
export function vesselNeed(
  state: BackingValues & { readonly scale: bigint },
  proven: ProvenFigures,
  bufferBps: bigint,
  slice: { readonly scaleTaken: bigint; readonly cashTaken: bigint },
  payment: bigint,
  vessel: Vessel,
): VesselNeed {
  requireBigint(vessel.scale, 0n, MAX_SCALE - slice.scaleTaken, 'vessel.scale');
  requireCollateral(vessel, 'vessel.');
  const collateralTaken = (state.collateral * slice.scaleTaken) / state.scale;
  const movingTaken = (state.movingCollateral * slice.scaleTaken) / state.scale;
  const heldScale = vessel.scale + slice.scaleTaken;
  const moving = vessel.movingCollateral + movingTaken;
  const counted = smaller(moving, (state.movingCollateral * heldScale) / state.scale);
  const floor = vesselFloor(proven, bufferBps, heldScale, counted);
  const uncounted = moving - counted;
  const cash = floor + payment + uncounted - slice.cashTaken - collateralTaken - vessel.collateral;
  return {
    collateralTaken,
    movingTaken,
    vesselFloor: floor,
    leastCash: vessel.scale === 0n && cash < 0n ? 0n : cash,
  };
}

/** @throws ZkMarginError `MALFORMED` or `OUT_OF_RANGE`, naming the field */
export function requireState(state: LiquidationState): void {
  requireBigint(state.cash, -MAX_MONEY, MAX_MONEY, 'cash');
  requireBigint(state.collateral, 0n, MAX_MONEY, 'collateral');
  requireBigint(state.saleCollateral, state.collateral, MAX_MONEY, 'saleCollateral');
  requireBigint(state.reserved, 0n, MAX_MONEY, 'reserved');
  requireBigint(state.mark, LOWEST_PROVEN, MAX_MONEY, 'mark');
  requireBigint(state.requirement, 0n, MAX_REQUIREMENT, 'requirement');
  requireBigint(state.scale, 1n, MAX_SCALE, 'scale');
}

/** @throws ZkMarginError `MALFORMED` or `OUT_OF_RANGE`, naming the field after the prefix */
export function requireCollateral(values: BackingValues, prefix: string): void {
  requireBigint(values.collateral, 0n, MAX_MONEY, `${prefix}collateral`);
  requireBigint(values.movingCollateral, 0n, values.collateral, `${prefix}movingCollateral`);
}

/** @throws ZkMarginError `MALFORMED` or `OUT_OF_RANGE`, naming the field */
function requireFigures(figures: ProvenFigures): void {
  requireBigint(figures.mark, LOWEST_PROVEN, MAX_MONEY, 'mark');
  requireBigint(figures.baseRequirement, LOWEST_PROVEN, MAX_MONEY, 'baseRequirement');
  requireBigint(
    figures.collateralSlope,
    -COLLATERAL_SLOPE_LIMIT,
    COLLATERAL_SLOPE_LIMIT - 1n,
    'collateralSlope',
  );
  requireBigint(figures.scale, 1n, MAX_SCALE, 'scale');
}

/** The smaller of two numbers. */
export function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function healthy(equity: bigint, asked: bigint): ZkMarginError {
  return new ZkMarginError('NOT_LIQUIDATABLE', 'Equity covers what is asked for; leave the account.', {
    details: { equity: equity.toString(), asked: asked.toString() },
  });
}

function badDebt(worth: bigint): ZkMarginError {
  return new ZkMarginError('BAD_DEBT', 'The account is worth nothing; take it over as bad debt instead.', {
    details: { worth: worth.toString() },
  });
}

function tooSmall(): ZkMarginError {
  return new ZkMarginError('NOTHING_TO_LIQUIDATE', 'The slice rounds to nothing; leave the account.');
}
