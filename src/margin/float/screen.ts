/**
 * Screening: the maintenance margin of every account of a book, in double precision.
 *
 *     scan        = max(0, -min over scenarios of P&L)
 *     requirement = maintenanceFactor scan + short-option minimum + horizon + basis + interest + gamma + vega
 *     liquidatable iff cash + mark < requirement
 *
 * Collateral that moves with the underlying is part of cash. In P&L and in the delta of the horizon it is a linear leg besides.
 *
 * Each distinct instrument is valued once per round; an account is then a sum of products over rows of numbers.
 */
import { requireBigint, ZkMarginError } from '../../errors.ts';
import {
  type Instrument,
  type Leg,
  MAX_QUANTITY,
  orderKey,
  validateInstrument,
  validateLegs,
} from '../../market/instrument.ts';
import { type MarketRound, validateRound } from '../../market/words.ts';
import { MAX_MONEY, MAX_SCALE } from '../exact/bounds.ts';
import { type RiskParameters, validateParameters } from '../parameters.ts';
import {
  type FloatParameters,
  floatParameters,
  type InstrumentValues,
  SENSITIVITY_COLUMNS,
  valueInstruments,
} from './model.ts';

/**
 * Bound on the difference between this model's `equity - requirement` and the exact model's, in USD. It is derived, not
 * measured; `docs/margin-model.md`, section 8, has the derivation.
 *
 *     5 (legs + 20) 2^-51 X  +  2^-51 |cash|  +  3e-6  +  (6 + gammaCost) 1e-12 scale
 *
 * where X is the sum over legs of `|position|` times spot, for options `D (F + K)` and the charges for gamma and vega
 * besides. The first two terms are roundings of doubles; the others are the exact model's, which rounds mark up and
 * requirement down. Moving collateral is a leg more, its value a part of X, and its share of the requirement rounded by
 * itself: 4e-6 in place of 3e-6. An account nearer to a threshold than that is undecided here.
 *
 * @param gammaCost what USD of gamma times a price step cost when short, as `InstrumentValues` has it
 * @param movingCollateral USD; 0 unless given
 */
export function screenErrorBound(
  legCount: number,
  exposure: number,
  cash: number,
  scale: number,
  gammaCost: number,
  movingCollateral = 0,
): number {
  const rounding = roundingBound(cash, scale, movingCollateral) + gammaBound(scale, gammaCost);
  return doublesBound(legCount, exposure, movingCollateral) + rounding;
}

function doublesBound(legCount: number, exposure: number, movingCollateral: number): number {
  const legs = movingCollateral > 0 ? legCount + 1 : legCount;
  return 5 * (legs + 20) * 2 ** -51 * (exposure + movingCollateral);
}

/** The part of the bound that no round changes. Cash and collateral in USD, scale as a number. */
function roundingBound(cash: number, scale: number, movingCollateral: number): number {
  return 2 ** -51 * Math.abs(cash) + (movingCollateral > 0 ? 4e-6 : 3e-6) + 6e-12 * scale;
}

/** Of gamma, the exact model drops less than 1e-12 USD per unit of scale. */
function gammaBound(scale: number, gammaCost: number): number {
  return 1e-12 * gammaCost * scale;
}

/** What screening needs to know of an account. */
export interface FloatAccount {
  /** In the order of section 2. */
  readonly legs: readonly Leg[];
  /** In 2^-40. */
  readonly scale: bigint;
  /** In 1e-6 USD, signed: cash and all collateral after haircuts. */
  readonly cash: bigint;
  /** The part of {@link cash} that is collateral moving with the underlying, in 1e-6 USD; 0 unless given. */
  readonly movingCollateral?: bigint;
  /** What collateral is worth beyond {@link cash} in prices of slices, in 1e-6 USD: its sale value less its value after haircuts; 0 unless given. */
  readonly saleAddition?: bigint;
  /** Checked against the round's when given. */
  readonly underlyingId?: bigint;
}

/** Accounts laid out for screening; independent of round and parameters, so compiled once per change of the book. */
export interface FloatBook {
  readonly accountCount: number;
  /** What the book was compiled from. */
  readonly accounts: readonly FloatAccount[];
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
  /** Per account, in USD, all collateral included. */
  readonly cash: Float64Array;
  /** Per account: the part of {@link cash} that moves with the underlying, in USD. */
  readonly movingCollateral: Float64Array;
  /** Per account: what collateral is worth beyond {@link cash} in prices of slices, in USD. */
  readonly saleAdditions: Float64Array;
  /** Per account, as a number. */
  readonly scales: Float64Array;
  /** Per account: the part of {@link screenErrorBound} that does not depend on the round, in USD. */
  readonly roundingBounds: Float64Array;
  /** The ids of underlyings that accounts name. */
  readonly underlyingIds: ReadonlySet<bigint>;
}

/** Results of {@link screenBook}, one value per account in each array, in USD. */
export interface ScreenColumns {
  readonly accountCount: number;
  readonly scenarioCount: number;
  readonly mark: Float64Array;
  readonly equity: Float64Array;
  /** Equity with collateral at the value at which slices are priced. */
  readonly worth: Float64Array;
  readonly requirement: Float64Array;
  /** Scan risk before the maintenance factor. */
  readonly scan: Float64Array;
  readonly shortOptionMinimum: Float64Array;
  readonly horizonBuffer: Float64Array;
  /** Of the forwards of all expiries against spot. */
  readonly basis: Float64Array;
  /** Of the discount factors of all expiries. */
  readonly interest: Float64Array;
  /** Short gamma over the horizon. */
  readonly gamma: Float64Array;
  /** First-order loss from one more vol shock. */
  readonly vega: Float64Array;
  /** Signed sum of dollar deltas, moving collateral included. */
  readonly deltaDollars: Float64Array;
  /** Of the legs. */
  readonly grossNotional: Float64Array;
  /** Index of the scenario with the greatest loss; 0 when none loses. */
  readonly worstScenario: Int32Array;
  /** 1 where `equity < requirement`. */
  readonly liquidatable: Uint8Array;
  /** {@link screenErrorBound} of the account. */
  readonly errorBound: Float64Array;
  /**
   * 1 where equity is within the error bound of the requirement, or the worth within that of zero while equity is below the requirement, or
   * where the account could not be valued.
   */
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
  /** Worth at or below zero. */
  readonly badDebt: boolean;
  /** How far `equity - requirement` may be from the exact model's. */
  readonly errorBound: number;
  /** Ask the exact model: within the error bound of a threshold, or not valued. See {@link decideBook}. */
  readonly needsExact: boolean;
  readonly components: {
    readonly scan: number;
    readonly shortOptionMinimum: number;
    readonly horizonBuffer: number;
    readonly basis: number;
    readonly interest: number;
    readonly gamma: number;
    readonly vega: number;
    readonly deltaDollars: number;
    readonly grossNotional: number;
  };
  /** Why the account could not be valued; figures are NaN then. */
  readonly problem?: ZkMarginError;
}

/** Most legs that screening takes in one account. */
const SCREEN_LEG_CAPACITY = 4_096;

/**
 * Lays accounts out for screening.
 *
 * @throws ZkMarginError for malformed legs, naming `accounts[i].legs[j]`; `OUT_OF_RANGE` or `MALFORMED` for scale, cash or
 * moving collateral
 */
export function compileBook(accounts: readonly FloatAccount[]): FloatBook {
  const accountCount = accounts.length;
  const offsets = new Int32Array(accountCount + 1);
  for (let index = 0; index < accountCount; index++) {
    offsets[index + 1] = offsets[index]! + (accounts[index]!.legs?.length ?? 0);
  }
  const legCount = offsets[accountCount]!;
  const legInstruments = new Int32Array(legCount);
  const legPositions = new Float64Array(legCount);
  const netShorts = new Float64Array(accountCount);
  const grossPositions = new Float64Array(accountCount);
  const cash = new Float64Array(accountCount);
  const movingCollateral = new Float64Array(accountCount);
  const saleAdditions = new Float64Array(accountCount);
  const scales = new Float64Array(accountCount);
  const roundingBounds = new Float64Array(accountCount);
  const rows = new InstrumentRows();
  const underlyingIds = new Set<bigint>();
  for (let index = 0; index < accountCount; index++) {
    const account = accounts[index]!;
    const { legs } = account;
    const start = offsets[index]!;
    // Rows that increase by key with quantities in range are all that `validateLegs` asks for; it is slower, and has the
    // words for what is wrong.
    if (!rows.place(legs, legInstruments, start)) {
      const field = `accounts[${index}].legs`;
      validateLegs(legs, SCREEN_LEG_CAPACITY, { field });
      throw new ZkMarginError('INTERNAL', 'Report this: the two checks of legs do not agree.', { field });
    }
    requireBigint(account.scale, 1n, MAX_SCALE, `accounts[${index}].scale`);
    requireBigint(account.cash, -MAX_MONEY, MAX_MONEY, `accounts[${index}].cash`);
    cash[index] = Number(account.cash) / 1e6;
    if (account.movingCollateral !== undefined) {
      const field = `accounts[${index}].movingCollateral`;
      const value = requireBigint(account.movingCollateral, 0n, MAX_MONEY, field);
      movingCollateral[index] = Number(value) / 1e6;
    }
    if (account.saleAddition !== undefined) {
      const field = `accounts[${index}].saleAddition`;
      saleAdditions[index] = Number(requireBigint(account.saleAddition, 0n, MAX_MONEY, field)) / 1e6;
    }
    if (account.underlyingId !== undefined) underlyingIds.add(account.underlyingId);
    const scale = Number(account.scale) / 2 ** 40;
    const unit = scale / 1e6;
    scales[index] = scale;
    roundingBounds[index] = roundingBound(cash[index]!, scale, movingCollateral[index]!);
    let gross = 0;
    let shorts = 0;
    let strikeSum = 0;
    for (let leg = 0; leg < legs.length; leg++) {
      const place = start + leg;
      // Below 2^40, so that sums of two are whole numbers too.
      const quantity = Number(legs[leg]!.quantity);
      const position = quantity * unit;
      legPositions[place] = position;
      gross += Math.abs(position);
      const { instrument } = legs[leg]!;
      if (instrument.kind === 'linear') continue;
      // The call and the put of a strike are neighbours.
      strikeSum += quantity;
      const next = legs[leg + 1]?.instrument;
      if (
        next === undefined ||
        next.strike !== instrument.strike ||
        next.expiryHour !== instrument.expiryHour
      ) {
        if (strikeSum < 0) shorts -= strikeSum * unit;
        strikeSum = 0;
      }
    }
    netShorts[index] = shorts;
    grossPositions[index] = gross;
  }
  return {
    accountCount,
    accounts,
    instruments: rows.instruments,
    offsets,
    legInstruments,
    legPositions,
    netShorts,
    grossPositions,
    cash,
    movingCollateral,
    saleAdditions,
    scales,
    roundingBounds,
    underlyingIds,
  };
}

/** Numbers the distinct instruments of a book in the order in which they appear. */
class InstrumentRows {
  readonly instruments: Instrument[] = [];
  private readonly keys: bigint[] = [];
  private readonly byKey = new Map<bigint, number>();
  /** Objects seen, since books share them; the first of each instrument only, so that it stays small. */
  private readonly byObject = new Map<Instrument, number>();

  /** Writes the rows of legs that are well formed; false for others. */
  place(legs: readonly Leg[], into: Int32Array, start: number): boolean {
    if (!Array.isArray(legs) || legs.length > SCREEN_LEG_CAPACITY) return false;
    let previous = -1n;
    for (let index = 0; index < legs.length; index++) {
      const leg = legs[index] as Leg | undefined;
      const quantity: unknown = leg?.quantity;
      if (leg === undefined || typeof quantity !== 'bigint') return false;
      if (quantity === 0n || quantity > MAX_QUANTITY || quantity < -MAX_QUANTITY) return false;
      let row = this.byObject.get(leg.instrument);
      if (row === undefined) {
        try {
          validateInstrument(leg.instrument);
        } catch {
          return false;
        }
        row = this.add(leg.instrument);
      }
      const key = this.keys[row]!;
      if (key <= previous) return false;
      previous = key;
      into[start + index] = row;
    }
    return true;
  }

  private add(instrument: Instrument): number {
    const key = orderKey(instrument);
    const present = this.byKey.get(key);
    if (present !== undefined) return present;
    const row = this.instruments.length;
    this.instruments.push(instrument);
    this.keys.push(key);
    this.byKey.set(key, row);
    this.byObject.set(instrument, row);
    return row;
  }
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
  const { stride, values, sensitivities, expiries, basisRates, interestRates, gammaCost } = instrumentValues;
  const { vegaRatesUp, vegaRatesDown } = instrumentValues;
  const spot = Number(round.underlying.spot) / 1e6;
  const realised = Number(round.underlying.realisedVolatility) / 65_536;
  const shortUnit = parameters.shortOptionRate * spot;
  const horizonUnit = realised * parameters.horizonFactor;
  const { maintenanceFactor, scenarioCount, collateralGains } = parameters;
  const column = () => new Float64Array(accountCount);
  const mark = column();
  const equity = column();
  const worth = column();
  const requirement = column();
  const scan = column();
  const shortOptionMinimum = column();
  const horizonBuffer = column();
  const basis = column();
  const interest = column();
  const gamma = column();
  const vega = column();
  const deltaDollars = column();
  const grossNotional = column();
  const errorBound = column();
  const worstScenario = new Int32Array(accountCount);
  const liquidatable = new Uint8Array(accountCount);
  const needsExact = new Uint8Array(accountCount);
  const problems = new Map<number, ZkMarginError>();
  const sums = new Float64Array(stride);
  for (let account = 0; account < accountCount; account++) {
    const from = offsets[account]!;
    const to = offsets[account + 1]!;
    const movingCollateral = book.movingCollateral[account]!;
    let delta = movingCollateral;
    let gammaSum = 0;
    let exposure = 0;
    let basisCharge = 0;
    let interestCharge = 0;
    let vegaCharge = 0;
    // Legs are in order, so those of an expiry are neighbours; linear legs come first and have rates of 0.
    let expiry = 0;
    let expiryDelta = 0;
    let expiryMark = 0;
    let expiryVega = 0;
    for (let leg = from; leg < to; leg++) {
      const position = legPositions[leg]!;
      const row = legInstruments[leg]!;
      const at = row * SENSITIVITY_COLUMNS;
      if (expiries[row] !== expiry) {
        delta += expiryDelta;
        basisCharge += basisRates[expiry]! * Math.abs(expiryDelta);
        interestCharge += interestRates[expiry]! * Math.abs(expiryMark);
        vegaCharge += Math.max(-expiryVega * vegaRatesUp[expiry]!, expiryVega * vegaRatesDown[expiry]!);
        expiry = expiries[row]!;
        expiryDelta = 0;
        expiryMark = 0;
        expiryVega = 0;
      }
      expiryDelta += position * sensitivities[at]!;
      expiryMark += position * values[row * stride]!;
      gammaSum += position * sensitivities[at + 1]!;
      expiryVega += position * sensitivities[at + 2]!;
      exposure += Math.abs(position) * sensitivities[at + 3]!;
    }
    delta += expiryDelta;
    basisCharge += basisRates[expiry]! * Math.abs(expiryDelta);
    interestCharge += interestRates[expiry]! * Math.abs(expiryMark);
    vegaCharge += Math.max(-expiryVega * vegaRatesUp[expiry]!, expiryVega * vegaRatesDown[expiry]!);
    multiplyRows(sums, values, stride, legInstruments, legPositions, from, to);
    addCollateral(sums, collateralGains, movingCollateral);
    let worst = 0;
    let least = 0;
    for (let index = 1; index <= scenarioCount; index++) {
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
    // Math.max lets NaN through.
    const gammaCharge = Math.max(0, -gammaSum);
    const required =
      maintenanceFactor * -least +
      shortMinimum +
      buffer +
      basisCharge +
      interestCharge +
      gammaCharge +
      vegaCharge;
    const notional = grossPositions[account]! * spot;
    mark[account] = markValue;
    equity[account] = equityValue;
    const worthValue = equityValue + book.saleAdditions[account]!;
    worth[account] = worthValue;
    requirement[account] = required;
    scan[account] = -least;
    shortOptionMinimum[account] = shortMinimum;
    horizonBuffer[account] = buffer;
    basis[account] = basisCharge;
    interest[account] = interestCharge;
    gamma[account] = gammaCharge;
    vega[account] = vegaCharge;
    deltaDollars[account] = delta;
    grossNotional[account] = notional;
    worstScenario[account] = worst;
    liquidatable[account] = equityValue < required ? 1 : 0;
    const bound =
      doublesBound(to - from, exposure, movingCollateral) +
      book.roundingBounds[account]! +
      gammaBound(book.scales[account]!, gammaCost);
    errorBound[account] = bound;
    // Written so that NaN needs the exact model too.
    const clear =
      Math.abs(equityValue - required) > bound && (equityValue > required || Math.abs(worthValue) > bound);
    needsExact[account] = clear ? 0 : 1;
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
    worth,
    requirement,
    scan,
    shortOptionMinimum,
    horizonBuffer,
    basis,
    interest,
    gamma,
    vega,
    deltaDollars,
    grossNotional,
    errorBound,
    worstScenario,
    liquidatable,
    needsExact,
    problems,
  };
}

/**
 * `sums[c] = sum over legs of position * values[row, c]`, in blocks of eight columns whose sums stay in registers.
 * Legs are those of `from .. to - 1`; the stride is a multiple of eight.
 */
function multiplyRows(
  sums: Float64Array,
  values: Float64Array,
  stride: number,
  rows: Int32Array,
  positions: Float64Array,
  from: number,
  to: number,
): void {
  for (let column = 0; column < stride; column += 8) {
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    let s4 = 0;
    let s5 = 0;
    let s6 = 0;
    let s7 = 0;
    for (let leg = from; leg < to; leg++) {
      const position = positions[leg]!;
      const offset = rows[leg]! * stride + column;
      s0 += position * values[offset]!;
      s1 += position * values[offset + 1]!;
      s2 += position * values[offset + 2]!;
      s3 += position * values[offset + 3]!;
      s4 += position * values[offset + 4]!;
      s5 += position * values[offset + 5]!;
      s6 += position * values[offset + 6]!;
      s7 += position * values[offset + 7]!;
    }
    sums[column] = s0;
    sums[column + 1] = s1;
    sums[column + 2] = s2;
    sums[column + 3] = s3;
    sums[column + 4] = s4;
    sums[column + 5] = s5;
    sums[column + 6] = s6;
    sums[column + 7] = s7;
  }
}

/** Adds what moving collateral gains in each scenario. */
function addCollateral(sums: Float64Array, gains: Float64Array, movingCollateral: number): void {
  if (movingCollateral === 0) return;
  for (let scenario = 0; scenario < gains.length; scenario++) {
    sums[scenario + 1]! += movingCollateral * gains[scenario]!;
  }
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
    badDebt: columns.worth[account]! <= 0,
    errorBound: columns.errorBound[account]!,
    needsExact: columns.needsExact[account] === 1,
    components: {
      scan: columns.scan[account]!,
      shortOptionMinimum: columns.shortOptionMinimum[account]!,
      horizonBuffer: columns.horizonBuffer[account]!,
      basis: columns.basis[account]!,
      interest: columns.interest[account]!,
      gamma: columns.gamma[account]!,
      vega: columns.vega[account]!,
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

/** Damped P&L of one account in every scenario, its moving collateral's included, in USD. @throws ZkMarginError as {@link screen} */
export function scenarioProfits(
  account: FloatAccount,
  round: MarketRound,
  parameters: RiskParameters,
): Float64Array {
  validateRound(round);
  validateParameters(parameters);
  const { instruments, legInstruments, legPositions, movingCollateral } = compileBook([account]);
  const floats = floatParameters(parameters);
  const { scenarioCount, stride, values, problems } = valueInstruments(instruments, round, floats);
  const problem = problems.values().next().value;
  if (problem !== undefined) throw problem;
  const sums = new Float64Array(stride);
  multiplyRows(sums, values, stride, legInstruments, legPositions, 0, legPositions.length);
  addCollateral(sums, floats.collateralGains, movingCollateral[0]!);
  return sums.slice(1, 1 + scenarioCount);
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
