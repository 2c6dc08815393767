/**
 * The risk monitor of one underlying: every account in a round, its tier, its place in the ranking, and what liquidating it would
 * come to. No I/O: whoever owns it tells it of accounts, rounds, parameters and terms.
 *
 * Tiers are those of the exact model: doubles decide away from the thresholds, integers near them.
 */
import { isZkMarginError, joinField, requireFinite, requireInteger, ZkMarginError } from '../../errors.ts';
import { equityOf, worthOf } from '../../liquidation/amounts.ts';
import { type IntegerTerms, integerTerms, type LiquidationTerms } from '../../liquidation/terms.ts';
import type { ExactMargin } from '../../margin/exact/margin.ts';
import { ExactValuer } from '../../margin/exact/shared.ts';
import { decideBook } from '../../margin/float/decide.ts';
import { screenBook } from '../../margin/float/screen.ts';
import { type RiskParameters, validateParameters } from '../../margin/parameters.ts';
import { volatilityIndex } from '../../market/oracle-median.ts';
import { type MarketShock, shockRound } from '../../market/shock.ts';
import { type MarketRound, validateRound, YEAR_SECONDS } from '../../market/words.ts';
import { type BookPart, compileAccounts, type MonitoredAccount, MonitoredBook } from './accounts.ts';
import { bookGreeks } from './greeks.ts';
import {
  type LiquidationPriceOptions,
  type LiquidationPrices,
  liquidationPrices,
} from './liquidation-price.ts';
import { movableRange, movedRound } from './moved-round.ts';
import { type LiquidationPlan, liquidationPlan } from './plan.ts';
import {
  type AccountRisk,
  compareUrgency,
  isAtRisk,
  type Nearness,
  type RiskSnapshot,
  totalsOf,
} from './snapshot.ts';
import { type RiskTier, type TierThresholds, tierOfDoubles, tierOfFigures, tierThresholds } from './tiers.ts';

/** By what accounts are judged. */
export interface MonitorRules {
  readonly parameters: RiskParameters;
  readonly terms: LiquidationTerms;
  /** Who counts as near the threshold; {@link DEFAULT_NEARNESS} unless given. */
  readonly nearness?: NearnessRules;
  /** Plans are made for at most so many of the most urgent accounts; 100 unless given. */
  readonly planLimit?: number;
}

/** Moves at which accounts are tried for nearness. */
export interface NearnessRules {
  /** Standard deviations, increasing; none for no trial. */
  readonly deviations: readonly number[];
  /** Over which a deviation is measured: the time to the next round, about. */
  readonly intervalSeconds: number;
}

/** One to three deviations over five minutes. */
export const DEFAULT_NEARNESS: NearnessRules = Object.freeze({
  deviations: Object.freeze([1, 2, 3]),
  intervalSeconds: 300,
});

/** The book after a shock, in double precision. */
export interface StressResult {
  readonly shock: MarketShock;
  readonly liquidatable: number;
  readonly badDebt: number;
  /** Accounts that could not be valued. */
  readonly unvalued: number;
  /** USD: what worth below 0 sums to, positive. */
  readonly deficitUsd: number;
  /** USD: what accounts below the requirement lack of it. */
  readonly shortfallUsd: number;
}

/** What the monitor has of the round that it is at. */
interface RoundState {
  readonly number: bigint;
  readonly round: MarketRound;
  readonly valuer: ExactValuer;
  readonly volatility: bigint;
  /** The round moved, by increasing deviations. */
  readonly trials: readonly (Nearness & { readonly round: MarketRound; readonly factor: number })[];
}

/** Accounts of one underlying, judged at its newest round. */
export class RiskMonitor {
  private readonly book: MonitoredBook;
  private rules!: Required<MonitorRules>;
  private thresholds!: TierThresholds;
  private terms!: IntegerTerms;
  private state: RoundState | undefined;
  private latest: RiskSnapshot | undefined;
  /** Accounts that were set or deleted since the latest snapshot. */
  private readonly changed = new Set<bigint>();
  /** Whether the latest snapshot was made under other rules or at another round. */
  private outdated = false;

  /** @throws ZkMarginError as {@link setRules} */
  constructor(underlyingId: bigint, rules: MonitorRules) {
    this.book = new MonitoredBook(underlyingId);
    this.setRules(rules);
  }

  get underlyingId(): bigint {
    return this.book.underlyingId;
  }

  /** Number of accounts. */
  get size(): number {
    return this.book.size;
  }

  /** The latest snapshot; undefined before the first round. It does not show changes since. */
  get snapshot(): RiskSnapshot | undefined {
    return this.latest;
  }

  /** An account as it was set last. */
  account(id: bigint): MonitoredAccount | undefined {
    return this.book.get(id);
  }

  /** Adds or replaces an account. @throws ZkMarginError as `MonitoredBook.set` */
  setAccount(account: MonitoredAccount): void {
    this.book.set(account);
    this.changed.add(account.id);
  }

  /** Removes an account; false when there was none. */
  deleteAccount(id: bigint): boolean {
    const deleted = this.book.delete(id);
    if (deleted) this.changed.add(id);
    return deleted;
  }

  /** Other parameters, terms or settings; the next snapshot is by them. @throws ZkMarginError for invalid ones */
  setRules(rules: MonitorRules): void {
    validateParameters(rules.parameters);
    const terms = integerTerms(rules.terms);
    const nearness = rules.nearness ?? DEFAULT_NEARNESS;
    requireInteger(nearness.intervalSeconds, 1, 86_400 * 7, 'nearness.intervalSeconds');
    nearness.deviations.forEach((deviations, index) => {
      const least = index === 0 ? 0 : nearness.deviations[index - 1]!;
      requireFinite(deviations, least, 20, `nearness.deviations[${index}]`);
    });
    const planLimit = requireInteger(rules.planLimit ?? 100, 0, 1_000_000, 'planLimit');
    this.rules = { ...rules, nearness, planLimit };
    this.terms = terms;
    this.thresholds = tierThresholds(rules.terms);
    if (this.state !== undefined) this.state = this.stateAt(this.state.number, this.state.round);
    this.outdated = true;
  }

  /**
   * Margins every account at a round.
   *
   * @throws ZkMarginError of the round; `UNDERLYING_MISMATCH`. Accounts that cannot be margined do not throw: they are
   * `undecided`
   */
  atRound(number: bigint, round: MarketRound): RiskSnapshot {
    validateRound(round);
    if (round.underlying.underlyingId !== this.underlyingId) {
      throw new ZkMarginError('UNDERLYING_MISMATCH', 'Give the monitor rounds of its own underlying.', {
        field: 'round.underlying.underlyingId',
      });
    }
    this.state = this.stateAt(number, round);
    this.outdated = true;
    return this.refresh();
  }

  /**
   * The snapshot at the present round. Margins the accounts that were set since the latest one alone, and all of them when the
   * rules have changed.
   *
   * @throws ZkMarginError `NOT_ENOUGH_DATA` before the first round
   */
  refresh(): RiskSnapshot {
    const state = this.atHand();
    const parts = this.outdated || this.latest === undefined ? this.book.parts() : this.changedPart();
    if (this.latest !== undefined && !this.outdated && this.changed.size === 0) return this.latest;
    const rows = new Map<bigint, AccountRisk>();
    if (!this.outdated) {
      for (const [id, row] of this.latest?.byId ?? []) if (!this.changed.has(id)) rows.set(id, row);
    }
    for (const part of parts) for (const row of this.marginPart(part, state)) rows.set(row.id, row);
    const snapshot = this.assemble(rows, state);
    this.latest = snapshot;
    this.outdated = false;
    this.changed.clear();
    return snapshot;
  }

  /**
   * The exact margin of an account at the present round.
   *
   * @throws ZkMarginError `NOT_FOUND`; `NOT_ENOUGH_DATA` before the first round; as `exactMargin`
   */
  margin(id: bigint): ExactMargin {
    return this.atHand().valuer.margin(this.known(id));
  }

  /** The plan of an account; undefined when it may not be liquidated. @throws ZkMarginError as {@link margin} */
  plan(id: bigint): LiquidationPlan | undefined {
    return liquidationPlan(this.known(id), this.margin(id), this.terms, this.atHand().volatility);
  }

  /** Liquidation prices of an account at the present round. @throws ZkMarginError as {@link margin} */
  liquidationPrices(id: bigint, options: LiquidationPriceOptions = {}): LiquidationPrices {
    return liquidationPrices(this.known(id), this.atHand().round, this.rules.parameters, options);
  }

  /**
   * The whole book after shocks of price and volatility, in double precision.
   *
   * @throws ZkMarginError `NOT_ENOUGH_DATA` before the first round; as `shockRound`
   */
  stress(shocks: readonly MarketShock[]): StressResult[] {
    const { round } = this.atHand();
    return shocks.map((shock) => {
      const shocked = shockRound(round, shock);
      const factor = Number(shocked.underlying.spot) / Number(round.underlying.spot);
      let [liquidatable, badDebt, unvalued, deficitUsd, shortfallUsd] = [0, 0, 0, 0, 0];
      for (const part of this.book.parts()) {
        const { equity, worth, requirement } = screenBook(
          withMovedCollateral(part, factor),
          shocked,
          this.rules.parameters,
        );
        equity.forEach((value, index) => {
          const lacking = requirement[index]! - value;
          if (Number.isNaN(lacking)) unvalued++;
          if (!(lacking > 0)) return;
          shortfallUsd += lacking;
          if (worth[index]! > 0) liquidatable++;
          else badDebt++;
          if (worth[index]! < 0) deficitUsd -= worth[index]!;
        });
      }
      return { shock, liquidatable, badDebt, unvalued, deficitUsd, shortfallUsd };
    });
  }

  private atHand(): RoundState {
    if (this.state === undefined) {
      throw new ZkMarginError('NOT_ENOUGH_DATA', 'Wait for the first round of this underlying.', {
        field: 'round',
      });
    }
    return this.state;
  }

  private known(id: bigint): MonitoredAccount {
    const account = this.book.get(id);
    if (account === undefined) {
      throw new ZkMarginError('NOT_FOUND', 'Use the id of an account that is monitored.', {
        field: 'id',
        details: { id: id.toString() },
      });
    }
    return account;
  }

  private changedPart(): BookPart[] {
    const accounts: MonitoredAccount[] = [];
    for (const id of this.changed) {
      const account = this.book.get(id);
      if (account !== undefined) accounts.push(account);
    }
    return accounts.length === 0 ? [] : [compileAccounts(accounts, this.underlyingId)];
  }

  private stateAt(number: bigint, round: MarketRound): RoundState {
    const { parameters, nearness } = this.rules;
    const { realisedVolatility, spot } = round.underlying;
    const volatility = volatilityIndex(round);
    // Whichever says more: what was, or what the market expects.
    const annual = Math.max(Number(realisedVolatility), Number(volatility)) / 65_536;
    const deviation = annual * Math.sqrt(nearness.intervalSeconds / YEAR_SECONDS);
    const { low, high } = movableRange(round, 64n);
    const trials = nearness.deviations.flatMap((deviations) =>
      (['below', 'above'] as const).map((direction) => {
        const move = Math.exp(deviations * deviation * (direction === 'above' ? 1 : -1));
        const wanted = BigInt(Math.round(Number(spot) * move));
        const moved = wanted < low ? low : wanted > high ? high : wanted;
        return {
          deviations,
          direction,
          factor: Number(moved) / Number(spot),
          round: movedRound(round, moved),
        };
      }),
    );
    return { number, round, valuer: new ExactValuer(round, parameters), volatility, trials };
  }

  private marginPart(part: BookPart, state: RoundState): AccountRisk[] {
    const { parameters } = this.rules;
    const { columns, decisions } = decideBook(part.book, state.round, parameters);
    const nearness = nearest(part, state, parameters);
    return part.accounts.map((account, index) => {
      const decision = decisions[index]!;
      const near = nearness[index];
      const shared = {
        id: account.id,
        nonce: account.nonce,
        inAuction: account.inAuction,
        deltaUsd: columns.deltaDollars[index]!,
        grossNotionalUsd: columns.grossNotional[index]!,
        errorBoundUsd: columns.errorBound[index]!,
      };
      const equity = columns.equity[index]!;
      const requirement = columns.requirement[index]!;
      let tier: RiskTier | undefined = decision.status;
      let { margin, problem } = decision;
      if (tier === 'healthy' && margin === undefined) {
        tier = tierOfDoubles(equity, requirement, shared.errorBoundUsd, this.thresholds);
        if (tier === undefined) {
          try {
            margin = state.valuer.margin(account);
          } catch (error) {
            if (!isZkMarginError(error)) throw error;
            problem = error;
          }
        }
      }
      if (problem !== undefined) return { ...shared, ...UNKNOWN, problem: named(problem, account.id) };
      const row =
        margin === undefined
          ? {
              ...shared,
              ...figures(
                toUnits(equity),
                toUnits(columns.worth[index]!),
                toUnits(requirement),
                toUnits(columns.mark[index]!),
              ),
              tier: tier!,
              exact: false,
              worstScenario: columns.worstScenario[index]!,
            }
          : { ...shared, ...this.exactly(account, margin) };
      const above = row.tier !== 'liquidatable' && row.tier !== 'badDebt';
      return above && near !== undefined ? { ...row, nearness: near } : row;
    });
  }

  private exactly(account: MonitoredAccount, margin: ExactMargin) {
    const { cash, collateral, saleCollateral = collateral } = account;
    const { mark, requirement } = margin;
    const equity = equityOf({ cash, collateral, mark });
    const worth = worthOf({ cash, saleCollateral, mark });
    return {
      ...figures(equity, worth, requirement, mark),
      tier: tierOfFigures(equity, worth, requirement, this.thresholds),
      exact: true,
      worstScenario: margin.worstScenario,
    };
  }

  /** Plans of the most urgent accounts, with exact figures; then ranking and sums. */
  private assemble(rows: Map<bigint, AccountRisk>, state: RoundState): RiskSnapshot {
    const below = [...rows.values()]
      .filter(({ tier }) => tier === 'liquidatable' || tier === 'badDebt')
      .sort(compareUrgency);
    below.forEach((row, place) => {
      if (place >= this.rules.planLimit) {
        if (row.plan !== undefined) rows.set(row.id, withoutPlan(row));
      } else if (row.plan === undefined) {
        rows.set(row.id, this.planned(row, state));
      }
    });
    const ranking = [...rows.values()].sort(compareUrgency);
    const atRisk = ranking.filter(({ tier }) => isAtRisk(tier)).map(({ id }) => this.book.get(id)!);
    return {
      underlyingId: this.underlyingId,
      roundNumber: state.number,
      round: state.round,
      scenarios: this.rules.parameters.scenarios,
      volatility: state.volatility,
      byId: rows,
      ranking,
      totals: totalsOf(ranking),
      greeks: bookGreeks(this.book.all(), state.round),
      greeksAtRisk: bookGreeks(atRisk, state.round),
    };
  }

  private planned(row: AccountRisk, state: RoundState): AccountRisk {
    const account = this.book.get(row.id)!;
    try {
      const margin = state.valuer.margin(account);
      const plan = liquidationPlan(account, margin, this.terms, state.volatility);
      const exact = { ...row, ...this.exactly(account, margin) };
      return plan === undefined ? exact : { ...exact, plan };
    } catch (error) {
      // The doubles take more legs than any proof does.
      if (!isZkMarginError(error)) throw error;
      return { ...row, problem: named(error, row.id) };
    }
  }
}

const UNKNOWN = Object.freeze({
  tier: 'undecided',
  exact: false,
  equity: 0n,
  worth: 0n,
  requirement: 0n,
  mark: 0n,
  ratio: Number.NaN,
  shortfall: 0n,
  worstScenario: 0,
} as const);

function figures(equity: bigint, worth: bigint, requirement: bigint, mark: bigint) {
  return {
    equity,
    worth,
    requirement,
    mark,
    ratio: requirement === 0n ? (equity < 0n ? -Infinity : Infinity) : Number(equity) / Number(requirement),
    shortfall: equity < requirement ? requirement - equity : 0n,
  };
}

/** A problem with the account's id in place of its index in a part. */
function named(problem: ZkMarginError, id: bigint): ZkMarginError {
  const field = (problem.field ?? '').replace(/^accounts\[\d+\]\.?/, '');
  return new ZkMarginError(problem.code, problem.message, {
    field: joinField(`accounts[${id}]`, field),
    details: problem.details,
    cause: problem.cause,
  });
}

function withoutPlan(row: AccountRisk): AccountRisk {
  const { plan: _plan, ...rest } = row;
  return rest;
}

/** USD as 1e-6 USD. */
function toUnits(dollars: number): bigint {
  return BigInt(Math.round(dollars * 1e6));
}

/**
 * A part's accounts with their moving collateral at another price: as equity, and in the requirement. Of what collateral is worth beyond its
 * value, the same part moves as of its value.
 */
function withMovedCollateral({ accounts, book }: BookPart, factor: number): BookPart['book'] {
  if (!book.movingCollateral.some((value) => value > 0)) return book;
  return {
    ...book,
    cash: book.cash.map((backing, index) => backing + book.movingCollateral[index]! * (factor - 1)),
    saleAdditions: book.saleAdditions.map((addition, index) => {
      const collateral = Number(accounts[index]!.collateral) / 1e6;
      const part = collateral > 0 ? book.movingCollateral[index]! / collateral : 0;
      return addition * (1 + part * (factor - 1));
    }),
    movingCollateral: book.movingCollateral.map((value) => value * factor),
  };
}

/** By account, the first trial at which it is below its requirement. */
function nearest(part: BookPart, state: RoundState, parameters: RiskParameters): (Nearness | undefined)[] {
  const found = new Array<Nearness | undefined>(part.accounts.length).fill(undefined);
  for (const { deviations, direction, factor, round } of state.trials) {
    const { liquidatable } = screenBook(withMovedCollateral(part, factor), round, parameters);
    liquidatable.forEach((is, index) => {
      if (is === 1) found[index] ??= { deviations, direction };
    });
  }
  return found;
}
