/**
 * Screening: the maintenance margin of every account of a book, in double precision.
 *
 *     scan        = max(0, -min over scenarios of P&L)
 *     requirement = maintenanceFactor scan + short-option minimum + horizon buffer
 *     liquidatable iff cash + mark < requirement
 *
 * Each distinct instrument is valued once per round; an account is then a sum of products over rows of numbers.
 */
import { ZkMarginError } from '../../errors.ts';
import { type Instrument, type Leg, orderKey, validateLegs } from '../../market/instrument.ts';
import { type MarketRound, validateRound } from '../../market/words.ts';
import { type RiskParameters, validateParameters } from '../parameters.ts';
import { type FloatParameters, floatParameters, type InstrumentValues, valueInstruments } from './model.ts';

/**
 * Bound on the difference between this model's `equity - requirement` and the integer model's, relative to gross
 * notional (the sum of absolute positions times spot). An account nearer to its threshold than that is undecided.
 *
 * The integer model rounds vol multipliers down to 2^-14. At the money that is `0.4 * 2^-14 * σ√T` of the shocked forward: 6e-5 with
 * the maintenance factor for total deviations up to 1.9. All else is below 1e-6. Measured on example books: 1.8e-5.
 */
export const SCREEN_ERROR_BOUND = 6e-5;

/** What screening needs to know of an account. */
export interface FloatAccount {
  /** In the order of section 2. */
  readonly legs: readonly Leg[];
  /** In 2^-40. */
  readonly scale: bigint;
  /** In 1e-6 USD, signed. */
  readonly cash: bigint;
  /** Checked against the round's when given. */
  readonly underlyingId?: bigint;
}

/** Accounts laid out for screening; independent of round and parameters, so compiled once per change of the book. */
export interface FloatBook {
  readonly accountCount: number;
  /** Every instrument of the book once. */
  readonly instruments: readonly Instrument[];
  /** Legs of account i are `offsets[i] .. offsets[i + 1] - 1`. */
  readonly offsets: Int32Array;
  /** Row of each leg's instrument. */
  readonly legInstruments: Int32Array;
  /** Signed contracts of each leg, scale included. */
  readonly legPositions: Float64Array;
  /** Per account: sum over strikes of the contracts that are short net, calls and puts together. */
  readonly netShorts: Float64Array;
  /** Per account: sum of absolute positions. */
  readonly grossPositions: Float64Array;
  /** Per account, in USD. */
  readonly cash: Float64Array;
  /** The ids of underlyings that accounts name. */
  readonly underlyingIds: ReadonlySet<bigint>;
}

/** Results of {@link screenBook}, one value per account in each array, in USD. */
export interface ScreenColumns {
  readonly accountCount: number;
  readonly scenarioCount: number;
  readonly mark: Float64Array;
  readonly equity: Float64Array;
  readonly requirement: Float64Array;
  /** Scan risk before the maintenance factor. */
  readonly scan: Float64Array;
  readonly shortOptionMinimum: Float64Array;
  readonly horizonBuffer: Float64Array;
  /** Signed sum of dollar deltas. */
  readonly deltaDollars: Float64Array;
  readonly grossNotional: Float64Array;
  /** Index of the scenario with the greatest loss; 0 when none loses. */
  readonly worstScenario: Int32Array;
  /** 1 where `equity < requirement`. */
  readonly liquidatable: Uint8Array;
  /** 1 where the decision is within the error bound, or the account could not be valued. */
  readonly needsExact: Uint8Array;
  /** Accounts that could not be valued, with the reason; their figures are NaN. */
  readonly problems: ReadonlyMap<number, ZkMarginError>;
}

/** One account's margin, in USD. */
export interface AccountMargin {
  readonly mark: number;
  readonly equity: number;
  readonly requirement: number;
  /** Equity over requirement; infinite when nothing is required. */
  readonly ratio: number;
  /** Index into the parameters' scenarios. */
  readonly worstScenario: number;
  readonly liquidatable: boolean;
  /** Equity at or below zero. */
  readonly badDebt: boolean;
  /** Ask the integer model: within {@link SCREEN_ERROR_BOUND} of the threshold, or not valued. */
  readonly needsExact: boolean;
  readonly components: {
    readonly scan: number;
    readonly shortOptionMinimum: number;
    readonly horizonBuffer: number;
    readonly deltaDollars: number;
    readonly grossNotional: number;
  };
  /** Why the account could not be valued; figures are NaN then. */
  readonly problem?: ZkMarginError;
}

/** Most legs that screening takes in one account. */
export const SCREEN_LEG_CAPACITY = 4_096;

/**
 * Lays accounts out for screening.
 *
 * @throws ZkMarginError for malformed legs, naming `accounts[i].legs[j]`
 */
export function compileBook(accounts: readonly FloatAccount[]): FloatBook {
  const accountCount = accounts.length;
  const offsets = new Int32Array(accountCount + 1);
  for (let index = 0; index < accountCount; index++) {
    offsets[index + 1] = offsets[index]! + accounts[index]!.legs.length;
  }
  const legCount = offsets[accountCount]!;
  const legInstruments = new Int32Array(legCount);
  const legPositions = new Float64Array(legCount);
  const netShorts = new Float64Array(accountCount);
  const grossPositions = new Float64Array(accountCount);
  const cash = new Float64Array(accountCount);
  const instruments: Instrument[] = [];
  const rows = new Map<bigint, number>();
  const underlyingIds = new Set<bigint>();
  for (let index = 0; index < accountCount; index++) {
    const account = accounts[index]!;
    validateLegs(account.legs, SCREEN_LEG_CAPACITY, { field: `accounts[${index}].legs` });
    cash[index] = Number(account.cash) / 1e6;
    if (account.underlyingId !== undefined) underlyingIds.add(account.underlyingId);
    const unit = Number(account.scale) / 2 ** 40 / 1e6;
    let gross = 0;
    let shorts = 0;
    let strikeSum = 0n;
    for (let leg = 0; leg < account.legs.length; leg++) {
      const { instrument, quantity } = account.legs[leg]!;
      const key = orderKey(instrument);
      let row = rows.get(key);
      if (row === undefined) {
        row = instruments.length;
        rows.set(key, row);
        instruments.push(instrument);
      }
      const place = offsets[index]! + leg;
      const position = Number(quantity) * unit;
      legInstruments[place] = row;
      legPositions[place] = position;
      gross += Math.abs(position);
      if (instrument.kind === 'linear') continue;
      // The call and the put of a strike are neighbours.
      strikeSum += quantity;
      const next = account.legs[leg + 1]?.instrument;
      if (
        next === undefined ||
        next.strike !== instrument.strike ||
        next.expiryHour !== instrument.expiryHour
      ) {
        if (strikeSum < 0n) shorts -= Number(strikeSum) * unit;
        strikeSum = 0n;
      }
    }
    netShorts[index] = shorts;
    grossPositions[index] = gross;
  }
  return {
    accountCount,
    instruments,
    offsets,
    legInstruments,
    legPositions,
    netShorts,
    grossPositions,
    cash,
    underlyingIds,
  };
}

/**
 * Screens a compiled book in a round.
 *
 * @throws ZkMarginError for an invalid round or invalid parameters, `UNDERLYING_MISMATCH` for accounts of another
 * underlying. Accounts with options that the round cannot value do not throw: see `problems`.
 */
export function screenBook(book: FloatBook, round: MarketRound, parameters: RiskParameters): ScreenColumns {
  validateRound(round);
  validateParameters(parameters);
  for (const id of book.underlyingIds) {
    if (id !== round.underlying.underlyingId) {
      throw new ZkMarginError(
        'UNDERLYING_MISMATCH',
        'Screen accounts with a round of their own underlying.',
        {
          field: 'round.underlying.underlyingId',
          details: { account: id.toString(), round: round.underlying.underlyingId.toString() },
        },
      );
    }
  }
  const floats = floatParameters(parameters);
  const values = valueInstruments(book.instruments, round, floats);
  return screenValues(book, values, round, floats);
}

/** The second half of {@link screenBook}, for callers who keep the values. Nothing is validated. */
export function screenValues(
  book: FloatBook,
  instrumentValues: InstrumentValues,
  round: MarketRound,
  parameters: FloatParameters,
): ScreenColumns {
  const { accountCount, offsets, legInstruments, legPositions, netShorts, grossPositions } = book;
  const { stride, values, deltas } = instrumentValues;
  const spot = Number(round.underlying.spot) / 1e6;
  const realised = Number(round.underlying.realisedVolatility) / 65_536;
  const shortUnit = parameters.shortOptionRate * spot;
  const horizonUnit = realised * parameters.horizonFactor;
  const { maintenanceFactor, scenarioCount } = parameters;
  const column = () => new Float64Array(accountCount);
  const mark = column();
  const equity = column();
  const requirement = column();
  const scan = column();
  const shortOptionMinimum = column();
  const horizonBuffer = column();
  const deltaDollars = column();
  const grossNotional = column();
  const worstScenario = new Int32Array(accountCount);
  const liquidatable = new Uint8Array(accountCount);
  const needsExact = new Uint8Array(accountCount);
  const problems = new Map<number, ZkMarginError>();
  const sums = new Float64Array(stride);
  for (let account = 0; account < accountCount; account++) {
    const from = offsets[account]!;
    const to = offsets[account + 1]!;
    sums.fill(0);
    let delta = 0;
    for (let leg = from; leg < to; leg++) {
      const position = legPositions[leg]!;
      const row = legInstruments[leg]!;
      const offset = row * stride;
      delta += position * deltas[row]!;
      for (let index = 0; index < stride; index++) sums[index]! += position * values[offset + index]!;
    }
    let worst = 0;
    let least = 0;
    for (let index = 1; index < stride; index++) {
      const profit = sums[index]!;
      if (profit < least) {
        least = profit;
        worst = index - 1;
      }
    }
    const markValue = sums[0]!;
    const shortMinimum = shortUnit * netShorts[account]!;
    const buffer = Math.abs(delta) * horizonUnit;
    const equityValue = book.cash[account]! + markValue;
    const required = maintenanceFactor * -least + shortMinimum + buffer;
    const notional = grossPositions[account]! * spot;
    mark[account] = markValue;
    equity[account] = equityValue;
    requirement[account] = required;
    scan[account] = -least;
    shortOptionMinimum[account] = shortMinimum;
    horizonBuffer[account] = buffer;
    deltaDollars[account] = delta;
    grossNotional[account] = notional;
    worstScenario[account] = worst;
    liquidatable[account] = equityValue < required ? 1 : 0;
    // Written so that NaN needs the integer model too.
    needsExact[account] = Math.abs(equityValue - required) > SCREEN_ERROR_BOUND * notional ? 0 : 1;
    if (Number.isNaN(markValue)) {
      scan[account] = Number.NaN;
      requirement[account] = Number.NaN;
      problems.set(account, problemOf(account, book, instrumentValues));
    }
  }
  return {
    accountCount,
    scenarioCount,
    mark,
    equity,
    requirement,
    scan,
    shortOptionMinimum,
    horizonBuffer,
    deltaDollars,
    grossNotional,
    worstScenario,
    liquidatable,
    needsExact,
    problems,
  };
}

/** One account of a screening. */
export function accountMargin(columns: ScreenColumns, account: number): AccountMargin {
  const equity = columns.equity[account]!;
  const requirement = columns.requirement[account]!;
  const problem = columns.problems.get(account);
  return {
    mark: columns.mark[account]!,
    equity,
    requirement,
    ratio: requirement === 0 ? Number.POSITIVE_INFINITY : equity / requirement,
    worstScenario: columns.worstScenario[account]!,
    liquidatable: columns.liquidatable[account] === 1,
    badDebt: equity <= 0,
    needsExact: columns.needsExact[account] === 1,
    components: {
      scan: columns.scan[account]!,
      shortOptionMinimum: columns.shortOptionMinimum[account]!,
      horizonBuffer: columns.horizonBuffer[account]!,
      deltaDollars: columns.deltaDollars[account]!,
      grossNotional: columns.grossNotional[account]!,
    },
    ...(problem === undefined ? {} : { problem }),
  };
}

/**
 * Screens accounts in a round: compiles, values and reads off.
 *
 * @throws ZkMarginError as {@link compileBook} and {@link screenBook}
 */
export function screen(
  accounts: readonly FloatAccount[],
  round: MarketRound,
  parameters: RiskParameters,
): AccountMargin[] {
  const columns = screenBook(compileBook(accounts), round, parameters);
  return accounts.map((_, index) => accountMargin(columns, index));
}

/** Damped P&L of one account in every scenario, in USD. @throws ZkMarginError as {@link screen} */
export function scenarioProfits(
  account: FloatAccount,
  round: MarketRound,
  parameters: RiskParameters,
): Float64Array {
  validateRound(round);
  validateParameters(parameters);
  const book = compileBook([account]);
  const { stride, values, problems } = valueInstruments(book.instruments, round, floatParameters(parameters));
  const problem = problems.values().next().value;
  if (problem !== undefined) throw problem;
  const profits = new Float64Array(stride - 1);
  book.legPositions.forEach((position, leg) => {
    const offset = book.legInstruments[leg]! * stride + 1;
    for (let index = 0; index < profits.length; index++)
      profits[index]! += position * values[offset + index]!;
  });
  return profits;
}

function problemOf(account: number, book: FloatBook, values: InstrumentValues): ZkMarginError {
  for (let leg = book.offsets[account]!; leg < book.offsets[account + 1]!; leg++) {
    const problem = values.problems.get(book.legInstruments[leg]!);
    if (problem !== undefined)
      return problem.under(`accounts[${account}].legs[${leg - book.offsets[account]!}]`);
  }
  return new ZkMarginError('NOT_FINITE', 'The account has a figure that is not finite.', {
    field: `accounts[${account}]`,
  });
}
