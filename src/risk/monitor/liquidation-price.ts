/**
 * Liquidation prices: the nearest prices of the underlying, below and above, at which an account becomes liquidatable, or
 * ceases to be. `docs/margin-model.md`, section 14.
 *
 * The search walks away from the spot. A cell of prices is passed when a bound on bend leaves no room for a change in it,
 * and halved otherwise. The first change found is bisected to one unit of spot. At every price the float model decides
 * where its error bound leaves no doubt, and the exact model otherwise; both sides of the result are checked exactly.
 */

import { requireBigint, ZkMarginError } from '../../errors.ts';
import { MAX_MONEY } from '../../margin/exact/bounds.ts';
import type { ExactMargin } from '../../margin/exact/margin.ts';
import { ExactValuer } from '../../margin/exact/shared.ts';
import { compileBook, type FloatAccount, screenBook } from '../../margin/float/screen.ts';
import type { RiskParameters } from '../../margin/parameters.ts';
import type { Leg } from '../../market/instrument.ts';
import type { MarketRound } from '../../market/words.ts';
import { AccountCurvature } from './curvature.ts';
import { movableRange, movedRound, roundOfExpiries, type SpotRange } from './moved-round.ts';

/** An account whose liquidation prices are wanted. Money in 1e-6 USD. */
export interface PricedAccount {
  readonly legs: readonly Leg[];
  /** 2^-40. */
  readonly scale: bigint;
  /** Signed. */
  readonly cash: bigint;
  /** Value of collateral after haircuts; 0 unless given. */
  readonly collateral?: bigint;
  /**
   * Part of {@link collateral} that moves with the underlying, at most all of it; 0 unless given. At another spot it has another
   * value, as equity and in the requirement.
   */
  readonly movingCollateral?: bigint;
}

/** How far and how finely to search. */
export interface LiquidationPriceOptions {
  /** The range is from `spot / factor` to `spot * factor`; 8 unless given, at most 64. */
  readonly factor?: bigint;
  /** Most evaluations on each side before the search gives up; 4,096 unless given. */
  readonly limit?: number;
}

/** A price at which an account's status differs from that at the prices between it and the spot. */
export interface PriceThreshold {
  /** Spot in 1e-6 USD: the account's status has changed here, and has not one unit nearer to the round's spot. */
  readonly spot: bigint;
  /** Spot over the round's spot. */
  readonly factor: number;
  /** At {@link spot}, in 1e-6 USD. */
  readonly equity: bigint;
  readonly requirement: bigint;
  /** Scenario that shows the requirement. */
  readonly worstScenario: number;
}

/** One side of the spot. */
export type PriceSide =
  | { readonly kind: 'found'; readonly threshold: PriceThreshold }
  /** No change within the range, up to what section 14.3 names. */
  | { readonly kind: 'none' }
  /** The limit of evaluations came first; up to `reached` there is no change. */
  | { readonly kind: 'unresolved'; readonly reached: bigint };

/** Where an account's status changes. */
export interface LiquidationPrices {
  /** At the round's spot. When it is true, the prices are those at which the account recovers. */
  readonly liquidatable: boolean;
  readonly below: PriceSide;
  readonly above: PriceSide;
  /** What was searched. */
  readonly range: SpotRange;
  /** Evaluations of the float and of the exact model. */
  readonly evaluations: { readonly float: number; readonly exact: number };
}

const DEFAULT_FACTOR = 8n;
const MAX_FACTOR = 64n;
const DEFAULT_LIMIT = 4_096;
/** First cells are a quarter of a factor of 2 wide. */
const FIRST_CELL = Math.LN2 / 4;

/**
 * The liquidation prices of an account in a round.
 *
 * @throws ZkMarginError as `exactMargin` for an account, round or parameters that it refuses; `OUT_OF_RANGE`, `MALFORMED`
 * for options and collateral
 */
export function liquidationPrices(
  account: PricedAccount,
  round: MarketRound,
  parameters: RiskParameters,
  options: LiquidationPriceOptions = {},
): LiquidationPrices {
  const factor = requireBigint(options.factor ?? DEFAULT_FACTOR, 1n, MAX_FACTOR, 'options.factor');
  const evaluator = new AccountAtPrices(account, round, parameters);
  const range = movableRange(round, factor);
  const liquidatable = evaluator.margin(round.underlying.spot).liquidatable;
  const limit = options.limit ?? DEFAULT_LIMIT;
  const search = (side: 'below' | 'above'): PriceSide =>
    evaluator.constant ? { kind: 'none' } : new Search(evaluator, liquidatable, range, limit).run(side);
  const below = search('below');
  const above = search('above');
  return { liquidatable, below, above, range, evaluations: { ...evaluator.evaluations } };
}

/** An account in the round moved to any spot. */
class AccountAtPrices {
  readonly evaluations = { float: 0, exact: 0 };
  readonly curvature: AccountCurvature;
  /** Whether no price matters. */
  readonly constant: boolean;
  readonly spot: bigint;
  private readonly account: PricedAccount;
  private readonly round: MarketRound;
  private readonly parameters: RiskParameters;

  constructor(account: PricedAccount, round: MarketRound, parameters: RiskParameters) {
    this.account = account;
    this.parameters = parameters;
    const { legs, scale, collateral = 0n, movingCollateral = 0n } = account;
    requireBigint(collateral, 0n, MAX_MONEY, 'collateral');
    requireBigint(movingCollateral, 0n, collateral, 'movingCollateral');
    const hours = new Set(legs.map(({ instrument }) => instrument.expiryHour));
    // Checked in the whole round, so that what it refuses is refused here too.
    new ExactValuer(round, parameters).margin(account);
    this.round = roundOfExpiries(round, hours);
    this.spot = round.underlying.spot;
    this.constant = legs.length === 0 && movingCollateral === 0n;
    this.curvature = new AccountCurvature(
      legs,
      scale,
      Number(movingCollateral) / 1e6,
      this.round,
      parameters,
    );
  }

  /** Cash and all collateral at a spot, and the moving part of it. */
  private backing(spot: bigint): { readonly cash: bigint; readonly movingCollateral: bigint } {
    const { cash, collateral = 0n, movingCollateral = 0n } = this.account;
    const moved = (movingCollateral * spot) / this.spot;
    return { cash: cash + collateral - movingCollateral + moved, movingCollateral: moved };
  }

  /** Equity less requirement in USD, and whether the account is liquidatable as the exact model has it. */
  at(spot: bigint): { readonly slack: number; readonly liquidatable: boolean } {
    const { legs, scale } = this.account;
    const floats: FloatAccount = { legs, scale, ...this.backing(spot) };
    const columns = screenBook(compileBook([floats]), movedRound(this.round, spot), this.parameters);
    this.evaluations.float++;
    const slack = columns.equity[0]! - columns.requirement[0]!;
    return columns.needsExact[0] === 1
      ? { slack, liquidatable: this.margin(spot).liquidatable }
      : { slack, liquidatable: columns.liquidatable[0] === 1 };
  }

  /** By the exact model. */
  margin(spot: bigint): {
    readonly margin: ExactMargin;
    readonly equity: bigint;
    readonly liquidatable: boolean;
  } {
    this.evaluations.exact++;
    const { legs, scale } = this.account;
    const { cash, movingCollateral } = this.backing(spot);
    const valuer = new ExactValuer(movedRound(this.round, spot), this.parameters);
    const margin = valuer.margin({ legs, scale, movingCollateral });
    const equity = cash + margin.mark;
    return { margin, equity, liquidatable: equity < margin.requirement };
  }
}

/** A price on the way, with what the account is there. */
interface Node {
  /** Natural logarithm of the spot over the round's. */
  readonly position: number;
  readonly spot: bigint;
  readonly slack: number;
  readonly changed: boolean;
}

class LimitReached extends Error {}

/** One side's walk away from the spot. */
class Search {
  private readonly evaluator: AccountAtPrices;
  private readonly initially: boolean;
  private readonly range: SpotRange;
  private readonly slopes = new Map<Node, number>();
  private direction = 1;
  private left: number;
  private reached: bigint;

  constructor(evaluator: AccountAtPrices, initially: boolean, range: SpotRange, limit: number) {
    this.evaluator = evaluator;
    this.initially = initially;
    this.range = range;
    this.left = limit;
    this.reached = evaluator.spot;
  }

  run(side: 'below' | 'above'): PriceSide {
    this.direction = side === 'above' ? 1 : -1;
    const { direction } = this;
    const { spot } = this.evaluator;
    const end = side === 'above' ? this.range.high : this.range.low;
    const length = Math.abs(Math.log(Number(end) / Number(spot)));
    try {
      let near = this.node(spot, 0);
      for (let cell = 1; near.spot !== end; cell++) {
        const position = cell * FIRST_CELL;
        const far =
          position < length ? this.nodeAt(direction * position) : this.node(end, direction * length);
        const found = this.change(near, far);
        if (found !== undefined) return { kind: 'found', threshold: this.bisect(found[0], found[1]) };
        this.reached = far.spot;
        near = far;
      }
      return { kind: 'none' };
    } catch (error) {
      if (error instanceof LimitReached) return { kind: 'unresolved', reached: this.reached };
      throw error;
    }
  }

  private node(spot: bigint, position: number): Node {
    if (this.left-- <= 0) throw new LimitReached();
    const { slack, liquidatable } = this.evaluator.at(spot);
    return { position, spot, slack, changed: liquidatable !== this.initially };
  }

  private nodeAt(position: number): Node {
    const { low, high } = this.range;
    const wanted = BigInt(Math.round(Number(this.evaluator.spot) * Math.exp(position)));
    return this.node(wanted < low ? low : wanted > high ? high : wanted, position);
  }

  /** The first narrow cell of `near .. far` over which the status changes. The near end has not changed. */
  private change(near: Node, far: Node): [Node, Node] | undefined {
    const width = Math.abs(far.position - near.position);
    const factor = Math.exp(Math.max(near.position, far.position));
    const { curvature } = this.evaluator;
    const bend = curvature.bend(factor);
    // What is shallower than the exact model's own steps is no change to look for.
    const narrow =
      (bend * width * width) / 8 <= curvature.noise(factor) || distance(near.spot, far.spot) <= 1n;
    if (far.changed) {
      if (narrow) return [near, far];
    } else if (
      narrow ||
      (this.initially ? this.staysBelow(near, width, bend) : staysAbove(near, far, width, bend))
    ) {
      return undefined;
    }
    const middle = this.nodeAt((near.position + far.position) / 2);
    if (middle.spot === near.spot || middle.spot === far.spot) return far.changed ? [near, far] : undefined;
    const first = this.change(near, middle);
    if (first !== undefined) return first;
    this.reached = middle.spot;
    return this.change(middle, far);
  }

  /** No branch that is the least at the near end rises to 0 within the cell. */
  private staysBelow(near: Node, width: number, bend: number): boolean {
    return near.slack + this.slopeAt(near) * width + (bend * width * width) / 2 < 0;
  }

  /** Bound on the slope away from the spot of the branch that is the least at a node; kept. */
  private slopeAt(node: Node): number {
    const known = this.slopes.get(node);
    if (known !== undefined) return known;
    const { curvature } = this.evaluator;
    const factor = Math.exp(Math.max(0, node.position));
    const noise = curvature.noise(factor);
    // The step at which noise and bend cost the same.
    const wanted = Math.sqrt((2 * noise) / curvature.bend(factor));
    const before = this.nodeAt(node.position - this.direction * wanted);
    const step = Math.abs(Math.log(Number(node.spot) / Number(before.spot)));
    const slope = step > 0 ? curvature.slope(before.slack, node.slack, step, noise, 2 * factor) : Infinity;
    this.slopes.set(node, slope);
    return slope;
  }

  private bisect(near: Node, far: Node): PriceThreshold {
    const decide = (spot: bigint) => this.evaluator.at(spot).liquidatable;
    const exactly = (spot: bigint) => this.evaluator.margin(spot).liquidatable;
    let unit = this.narrow(near.spot, far.spot, decide);
    if (exactly(unit.near) !== this.initially || exactly(unit.far) === this.initially) {
      // The float model was wrong by more than its bound: the exact model does it all.
      if (exactly(near.spot) !== this.initially || exactly(far.spot) === this.initially) {
        throw new ZkMarginError('INTERNAL', 'Report this: the float model contradicts the exact one.', {
          details: { near: near.spot.toString(), far: far.spot.toString() },
        });
      }
      unit = this.narrow(near.spot, far.spot, exactly);
    }
    const { margin, equity } = this.evaluator.margin(unit.far);
    return {
      spot: unit.far,
      factor: Number(unit.far) / Number(this.evaluator.spot),
      equity,
      requirement: margin.requirement,
      worstScenario: margin.worstScenario,
    };
  }

  private narrow(
    from: bigint,
    to: bigint,
    liquidatable: (spot: bigint) => boolean,
  ): { readonly near: bigint; readonly far: bigint } {
    let [near, far] = [from, to];
    while (distance(near, far) > 1n) {
      const middle = (near + far) / 2n;
      if (liquidatable(middle) === this.initially) near = middle;
      else far = middle;
    }
    return { near, far };
  }
}

/** No branch dips to 0 between ends at which all are above it. */
function staysAbove(near: Node, far: Node, width: number, bend: number): boolean {
  return Math.min(near.slack, far.slack) > (bend * width * width) / 8;
}

function distance(a: bigint, b: bigint): bigint {
  return a > b ? a - b : b - a;
}
