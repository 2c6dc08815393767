/**
 * The margin model in double precision, for screening: what each instrument is worth now and in every scenario.
 *
 * Follows `docs/margin-model.md`, section 7, step by step. All integers up to the arguments of the normal probabilities
 * stay below 2^53, so doubles hold them exactly and they are the exact model's own. Only the probabilities, densities,
 * prices and their sums are rounded, each to 53 bits. That is why the two models differ by so little; see `screen.ts`.
 */
import { ZkMarginError } from '../../errors.ts';
import type { Instrument } from '../../market/instrument.ts';
import type { ExpiryState, MarketRound } from '../../market/words.ts';
import { LN, LN_SLOPE } from '../../math/fixed/polynomials.ts';
import { LN2_47 } from '../../math/fixed/primitives.ts';
import { gammaCost } from '../exact/charges.ts';
import { exactExpiry, exactExpiryRisk, exactExpiryShock, MAX_TENOR_SECONDS } from '../exact/expiry.ts';
import { type StepParts, stepParts } from '../exact/leg.ts';
import { priceFactor } from '../exact/margin.ts';
import { DAMPING_ONE, horizonFactorOf, type RiskParameters, type VolShock } from '../parameters.ts';
import { DENSITY_CELLS, densityTable, TAIL_CELLS, tailTable } from './tails.ts';

/** Columns of a row come in blocks of this size, so that loops over them can be unrolled. */
const COLUMN_BLOCK = 8;

/** Risk parameters as doubles, with the scenarios laid out for loops. */
export interface FloatParameters {
  /** The integers they were made from. */
  readonly source: RiskParameters;
  readonly scenarioCount: number;
  /** Number of scenarios plus 1, rounded up to whole blocks. */
  readonly stride: number;
  /** Price move of each scenario, in steps. */
  readonly priceMoves: Int32Array;
  /** The same in parts. */
  readonly moveParts: readonly StepParts[];
  /** Price factor of each scenario, `2^(priceMove priceStep)`: exactly the exact model's. */
  readonly priceFactors: Float64Array;
  /** Vol shock of each scenario plus 1: 0, 1 or 2. */
  readonly shockIndices: Int32Array;
  readonly damping: Float64Array;
  /** What a dollar of moving collateral gains in each scenario, `damping (price factor - 1)`: no rounding. */
  readonly collateralGains: Float64Array;
  readonly maintenanceFactor: number;
  readonly shortOptionRate: number;
  /** Root of the horizon in years. */
  readonly horizonFactor: number;
}

/** Risk parameters as doubles. The parameters must be valid. */
export function floatParameters(parameters: RiskParameters): FloatParameters {
  const { scenarios } = parameters;
  const priceFactors = Float64Array.from(
    scenarios,
    (scenario) => Number(priceFactor(parameters.priceStep, scenario.priceMove)) / 2 ** 26,
  );
  const damping = Float64Array.from(scenarios, (scenario) => scenario.damping / DAMPING_ONE);
  return {
    source: parameters,
    scenarioCount: scenarios.length,
    stride: COLUMN_BLOCK * Math.ceil((scenarios.length + 1) / COLUMN_BLOCK),
    priceMoves: Int32Array.from(scenarios, (scenario) => scenario.priceMove),
    moveParts: scenarios.map(({ priceMove }) => stepParts(priceMove)),
    priceFactors,
    shockIndices: Int32Array.from(scenarios, (scenario) => scenario.volShock + 1),
    damping,
    collateralGains: priceFactors.map((factor, index) => damping[index]! * (factor - 1)),
    maintenanceFactor: parameters.maintenanceFactor / 4096,
    shortOptionRate: parameters.shortOptionRate / 65_536,
    horizonFactor: horizonFactorOf(parameters.horizonSeconds) / 2 ** 20,
  };
}

/** Columns of {@link InstrumentValues.sensitivities}. */
export const SENSITIVITY_COLUMNS = 4;

/** Where an {@link InstrumentValuer} writes. Row i of a matrix of shape `[count, columns]` starts at `i * columns`. */
export interface InstrumentArrays {
  /**
   * `stride` columns per instrument, USD per contract: the mark, then for every scenario the damped change of value, then
   * zeros. NaN up to the zeros in a row that cannot be valued; see {@link InstrumentValues.problems}.
   */
  readonly values: Float64Array;
  /**
   * Four columns per instrument, per contract, in USD:
   *
   * 0. delta: `D F N(d1)` for a call, `D F (N(d1) - 1)` for a put, the spot for a linear leg;
   * 1. gamma: what the contract costs when gamma is short, `D F n(d1) step / s` times {@link gammaCost};
   * 2. vega times vol, `D F n(d1) s`;
   * 3. exposure, what the rounding errors of the row are proportional to: the spot, and for an option `D (F + K)`, gamma
   *    and the cost of vega besides.
   */
  readonly sensitivities: Float64Array;
  /** Place of the option's expiry in the round plus 1; 0 for a linear leg, and where the expiry cannot be used. */
  readonly expiries: Uint8Array;
}

/** What instruments are worth. */
export interface InstrumentValues extends InstrumentArrays {
  readonly count: number;
  readonly scenarioCount: number;
  /** As in {@link FloatParameters.stride}. */
  readonly stride: number;
  /** Rate of the basis charge by place in the round plus 1; 0 at 0. */
  readonly basisRates: Float64Array;
  /** Rate of the interest charge, likewise. */
  readonly interestRates: Float64Array;
  /** Rate of the vega charge where vega is short, likewise. */
  readonly vegaRatesUp: Float64Array;
  /** Rate of the vega charge where vega is long, likewise. */
  readonly vegaRatesDown: Float64Array;
  /** {@link gammaCost} as a number: what USD of gamma times a price step cost when short. */
  readonly gammaCost: number;
  /** Why a row is NaN, by row. */
  readonly problems: ReadonlyMap<number, ZkMarginError>;
}

/** An expiry of a round, with what is shared by its options. Integers in the scales of section 7. */
interface FloatMarketExpiry {
  /** Place in the round plus 1. */
  readonly place: number;
  readonly expired: boolean;
  /** Beyond the longest tenor. */
  readonly beyond: boolean;
  /** `ln(forward)` less that of the unit of strikes, 2^-47. */
  readonly logForward: number;
  /** 2^-27. */
  readonly spacing: number;
  /** Eight volatilities in 2^-16 h. */
  readonly vols: Float64Array;
  readonly discount: number;
  /** Discounted forward, in USD. */
  readonly discountedForward: number;
  /** A price step in spacings, 2^-30. */
  readonly step: number;
  /** As fractions. */
  readonly basisRate: number;
  readonly interestRate: number;
  readonly vegaRateUp: number;
  readonly vegaRateDown: number;
  /** By shock index: vol multiplier 2^-22, its reciprocal 2^-13. */
  readonly volMultipliers: Float64Array;
  readonly inverseMultipliers: Float64Array;
}

const SHOCKS: readonly VolShock[] = [-1, 0, 1];
const POSITION_CENTRE = 4 * 2 ** 20;
const LAST_PILLAR = 7 * 2 ** 20;
/** In 2^-20, of the moneyness. */
const CLAMP = 512 * 2 ** 20;

/** One round and one set of parameters, ready to value instruments. Round and parameters must be valid. */
export class InstrumentValuer {
  readonly parameters: FloatParameters;
  /** As in {@link InstrumentValues}. */
  readonly basisRates: Float64Array;
  readonly interestRates: Float64Array;
  readonly vegaRatesUp: Float64Array;
  readonly vegaRatesDown: Float64Array;
  readonly gammaCost: number;
  private readonly spot: number;
  private readonly timestamp: number;
  private readonly expiries = new Map<number, FloatMarketExpiry>();
  private readonly tails = tailTable();
  private readonly densities = densityTable();
  // By shock index, for the option at hand: intercept and slope of d1 in 2^-12, total deviation in 2^-20.
  private readonly intercepts = new Float64Array(SHOCKS.length);
  private readonly slopes = new Float64Array(SHOCKS.length);
  private readonly deviations = new Float64Array(SHOCKS.length);

  constructor(round: MarketRound, parameters: FloatParameters) {
    this.parameters = parameters;
    this.spot = Number(round.underlying.spot) / 1e6;
    this.timestamp = Number(round.underlying.timestamp);
    this.gammaCost = Number(gammaCost(round.underlying, parameters.source)) / 2 ** 36;
    this.basisRates = new Float64Array(round.expiries.length + 1);
    this.interestRates = new Float64Array(round.expiries.length + 1);
    this.vegaRatesUp = new Float64Array(round.expiries.length + 1);
    this.vegaRatesDown = new Float64Array(round.expiries.length + 1);
    round.expiries.forEach((state, index) => {
      const place = index + 1;
      const expiry = marketExpiry(state, place, round.underlying.timestamp, parameters.source);
      this.expiries.set(state.expiryHour, expiry);
      this.basisRates[place] = expiry.basisRate;
      this.interestRates[place] = expiry.interestRate;
      this.vegaRatesUp[place] = expiry.vegaRateUp;
      this.vegaRatesDown[place] = expiry.vegaRateDown;
    });
  }

  /**
   * Writes an instrument's row of every array.
   *
   * @returns why the instrument cannot be valued, after writing NaN: `EXPIRED_OPTION`, `MISSING_EXPIRY`, `OUT_OF_RANGE`
   */
  value(instrument: Instrument, arrays: InstrumentArrays, row: number): ZkMarginError | undefined {
    const { scenarioCount, stride, priceFactors, damping } = this.parameters;
    const { values, sensitivities } = arrays;
    const offset = row * stride;
    const sensitivity = row * SENSITIVITY_COLUMNS;
    values.fill(0, offset + 1 + scenarioCount, offset + stride);
    arrays.expiries[row] = 0;
    const { spot } = this;
    if (instrument.kind === 'linear') {
      values[offset] = spot;
      for (let scenario = 0; scenario < scenarioCount; scenario++) {
        values[offset + 1 + scenario] = damping[scenario]! * (spot * (priceFactors[scenario]! - 1));
      }
      sensitivities[sensitivity] = spot;
      sensitivities[sensitivity + 1] = 0;
      sensitivities[sensitivity + 2] = 0;
      sensitivities[sensitivity + 3] = spot;
      return undefined;
    }
    const expiry = this.expiries.get(instrument.expiryHour);
    if (expiry === undefined || expiry.expired || expiry.beyond) {
      values.fill(Number.NaN, offset, offset + 1 + scenarioCount);
      sensitivities.fill(Number.NaN, sensitivity, sensitivity + SENSITIVITY_COLUMNS);
      return unpriceable(instrument, instrument.expiryHour * 3600 <= this.timestamp, expiry?.beyond === true);
    }
    arrays.expiries[row] = expiry.place;
    this.valueOption(arrays, row, instrument.kind === 'call', Number(instrument.strike), expiry);
    return undefined;
  }

  /** Sections 7.4 to 7.6. The strike is in 1e-4 USD. */
  private valueOption(
    { values, sensitivities }: InstrumentArrays,
    row: number,
    isCall: boolean,
    strike: number,
    expiry: FloatMarketExpiry,
  ): void {
    const { intercepts, slopes, deviations, tails } = this;
    const { scenarioCount, stride, priceMoves, moveParts, priceFactors, shockIndices, damping } =
      this.parameters;
    const { discountedForward } = expiry;
    const discountedStrike = expiry.discount * (strike / 1e4);
    const offset = row * stride;

    const position = floorQuotient(lnDouble(strike) - expiry.logForward, expiry.spacing);
    // Twelve bits more than are used: 2^-32.
    const interpolated = interpolate(expiry.vols, position);
    const volatility = Math.floor(interpolated / 2 ** 12);
    const finerVolatility = Math.floor(interpolated / 2 ** 8) - 8;
    const clamped = Math.min(Math.max(position + POSITION_CENTRE, -CLAMP), CLAMP) - POSITION_CENTRE;
    const markMoneyness = floorQuotient(-(2 * clamped + 1) * 2 ** 19, volatility);
    const moneyness = Math.floor(markMoneyness / 256);
    const deviation = shiftedProduct(finerVolatility, expiry.spacing, 27);
    const stepSlope = floorQuotient(expiry.step * 2 ** 11, volatility);
    const coarseSlope = Math.floor(stepSlope / 2 ** 7);
    for (let shock = 0; shock < 3; shock++) {
      intercepts[shock] = Math.floor(((2 * moneyness + 1) * expiry.inverseMultipliers[shock]!) / 2 ** 14);
      slopes[shock] = Math.floor((coarseSlope * expiry.inverseMultipliers[shock]!) / 2 ** 15);
      deviations[shock] = shiftedProduct(deviation, expiry.volMultipliers[shock]!, 26);
    }

    // A put's probabilities are a call's less 1, by parity.
    const less = isCall ? 0 : 1;
    const markDeviation = Math.floor((deviation + 8) / 16);
    const markArgument = markMoneyness + Math.floor(markDeviation / 2);
    const forwardWeight = fineProbability(tails, markArgument, less);
    const mark =
      discountedForward * forwardWeight -
      discountedStrike * fineProbability(tails, markArgument - markDeviation, less);
    values[offset] = mark;
    for (let scenario = 0; scenario < scenarioCount; scenario++) {
      const shock = shockIndices[scenario]!;
      const move = priceMoves[scenario]!;
      const shocked = deviations[shock]!;
      const slope = slopes[shock]!;
      const { fours, twos, ones, offset: rounding } = moveParts[scenario]!;
      const drift = fours * slope + twos * (slope >> 1) + ones * (slope >> 2) + rounding;
      const coarse = intercepts[shock]! + drift + Math.floor(shocked / 512);
      const value =
        discountedForward * priceFactors[scenario]! * coarseProbability(tails, coarse, less) -
        discountedStrike * fineProbability(tails, 256 * coarse + 127 - shocked, less);
      // The mark itself shows no change, though it has been valued more finely.
      values[offset + 1 + scenario] = move === 0 && shock === 1 ? 0 : damping[scenario]! * (value - mark);
    }
    const density = discountedForward * densityAt(this.densities, markArgument);
    const gamma = (density * stepSlope * this.gammaCost) / 2 ** 21;
    const vega = (density * deviation) / 2 ** 24;
    const vegaRate = Math.max(expiry.vegaRateUp, expiry.vegaRateDown);
    const sensitivity = row * SENSITIVITY_COLUMNS;
    sensitivities[sensitivity] = discountedForward * forwardWeight;
    sensitivities[sensitivity + 1] = gamma;
    sensitivities[sensitivity + 2] = vega;
    sensitivities[sensitivity + 3] =
      this.spot + discountedForward + discountedStrike + gamma + vega * vegaRate;
  }
}

/**
 * Values distinct instruments in a round under all scenarios.
 *
 * Never throws for an instrument: one whose expiry the round lacks (`MISSING_EXPIRY`), which has expired
 * (`EXPIRED_OPTION`) or expires too late (`OUT_OF_RANGE`) has a row of NaN and an entry in `problems`. The round must be
 * valid.
 *
 * @param reuse arrays of an earlier call with the same number of instruments and scenarios, to write into
 */
export function valueInstruments(
  instruments: readonly Instrument[],
  round: MarketRound,
  parameters: FloatParameters,
  reuse?: InstrumentValues,
): InstrumentValues {
  const { scenarioCount, stride } = parameters;
  const count = instruments.length;
  const fits = reuse !== undefined && reuse.count === count && reuse.scenarioCount === scenarioCount;
  const values = fits ? reuse.values : new Float64Array(count * stride);
  const sensitivities = fits ? reuse.sensitivities : new Float64Array(count * SENSITIVITY_COLUMNS);
  const expiries = fits ? reuse.expiries : new Uint8Array(count);
  const arrays = { values, sensitivities, expiries };
  const problems = new Map<number, ZkMarginError>();
  const valuer = new InstrumentValuer(round, parameters);
  for (let row = 0; row < count; row++) {
    const problem = valuer.value(instruments[row]!, arrays, row);
    if (problem !== undefined) problems.set(row, problem);
  }
  const { basisRates, interestRates, vegaRatesUp, vegaRatesDown, gammaCost } = valuer;
  const rates = { basisRates, interestRates, vegaRatesUp, vegaRatesDown };
  return { count, scenarioCount, stride, ...arrays, ...rates, gammaCost, problems };
}

/** The exact model's own integers; of an expiry that it refuses, only that it does. */
function marketExpiry(
  state: ExpiryState,
  place: number,
  timestamp: bigint,
  parameters: RiskParameters,
): FloatMarketExpiry {
  const tenor = BigInt(state.expiryHour) * 3600n - timestamp;
  const expired = tenor <= 0n;
  const beyond = tenor > MAX_TENOR_SECONDS;
  const discount = Number(state.discount) / 2 ** 21;
  const priced = expired || beyond ? undefined : exactExpiry(state, timestamp);
  const risk = priced === undefined ? undefined : exactExpiryRisk(priced, parameters);
  const shocks =
    risk === undefined ? [] : SHOCKS.map((volShock) => exactExpiryShock(risk, parameters, { volShock }));
  return {
    place,
    expired,
    beyond,
    logForward: Number(priced?.logForward ?? 0n),
    spacing: Number(priced?.spacing ?? 0n),
    vols: Float64Array.from(state.vols, Number),
    discount,
    discountedForward: discount * (Number(state.forward) / 1e6),
    step: Number(risk?.step ?? 0n),
    basisRate: Number(risk?.basisRate ?? 0n) / 2 ** 36,
    interestRate: Number(risk?.interestRate ?? 0n) / 2 ** 36,
    vegaRateUp: Number(risk?.vegaRateUp ?? 0n) / 2 ** 22,
    vegaRateDown: Number(risk?.vegaRateDown ?? 0n) / 2 ** 22,
    volMultipliers: Float64Array.from(shocks, (shock) => Number(shock.volMultiplier)),
    inverseMultipliers: Float64Array.from(shocks, (shock) => Number(shock.inverseMultiplier)),
  };
}

const LN_ROWS = Float64Array.from(LN.coefficients.flat(), Number);
const LN_SLOPE_ROWS = Float64Array.from(LN_SLOPE.coefficients.flat(), Number);
const LN_OF_TWO = Number(LN2_47);

/** `lnFixed` for a whole number in `[1, 2^44)`, in 2^-47: the same integer, as a double. */
export function lnDouble(x: number): number {
  const exponent = x >= 4_294_967_296 ? 63 - Math.clz32(x / 4_294_967_296) : 31 - Math.clz32(x);
  const fraction = Math.floor(x * 2 ** (22 - exponent)) - 4_194_304;
  const segment = fraction >> 19;
  const tau = 2 * ((fraction >> 12) & 127) - 127;
  const offset = 2 * (fraction & 4095) - 4095;
  const row = 5 * segment;
  const slopeRow = 3 * segment;
  const cubic = (LN_ROWS[row + 4]! * tau + LN_ROWS[row + 3]!) * tau + LN_ROWS[row + 2]!;
  const value = (cubic * tau + LN_ROWS[row + 1]!) * tau + LN_ROWS[row]!;
  const slope =
    (LN_SLOPE_ROWS[slopeRow + 2]! * tau + LN_SLOPE_ROWS[slopeRow + 1]!) * tau + LN_SLOPE_ROWS[slopeRow]!;
  return exponent * LN_OF_TWO + value + slope * offset;
}

/** `floorDivide` for whole numbers below 2^53 in size and a positive divisor below 2^31: the same integer, as a double. */
export function floorQuotient(dividend: number, divisor: number): number {
  const quotient = Math.floor(dividend / divisor);
  // The double next to a quotient may be a whole number when the quotient is none. The product is exact: within a divisor of the dividend.
  const remainder = dividend - quotient * divisor;
  if (remainder < 0) return quotient - 1;
  return remainder >= divisor ? quotient + 1 : quotient;
}

/** `(a b) >> places` for whole numbers below 2^32 and at least 13 places: the product may have more bits than a double, so in two parts. */
function shiftedProduct(a: number, b: number, places: number): number {
  const high = Math.floor(a / 2 ** 13);
  const low = a - high * 2 ** 13;
  return Math.floor((high * b + Math.floor((low * b) / 2 ** 13)) / 2 ** (places - 13));
}

/** What `interpolateVolatility` of the exact model gives without its lowest 24 bits: the volatility in 2^-32, with half a place of 2^-20 added. */
function interpolate(vols: Float64Array, position: number): number {
  const shifted = position + POSITION_CENTRE;
  if (shifted < 0) return vols[0]! * 2 ** 16 + 2 ** 11;
  if (shifted >= LAST_PILLAR) return vols[7]! * 2 ** 16 + 2 ** 11;
  const segment = shifted >> 20;
  const left = vols[segment]!;
  const right = vols[segment + 1]!;
  const leftSlope = segment === 0 ? 0 : right - vols[segment - 1]!;
  const rightSlope = segment === 6 ? 0 : vols[segment + 2]! - left;
  const q1 = leftSlope;
  const q2 = 6 * (right - left) - 2 * leftSlope - rightSlope;
  const q3 = leftSlope + rightSlope - 4 * (right - left);
  const tau = 2 * ((shifted >> 12) & 255) + 1;
  const offset = 2 * (shifted & 4095) - 4095;
  const value = ((q3 * tau + q2 * 2 ** 9) * tau + q1 * 2 ** 18) * tau + left * 2 ** 28;
  const slope = (3 * q3 * tau + q2 * 2 ** 10) * tau + q1 * 2 ** 18;
  // (value 2^12 + slope offset + 2^35) >> 24, without the 2^12 that would not fit.
  return Math.floor((value + 2 ** 23 + Math.floor((slope * offset) / 2 ** 12)) / 2 ** 12);
}

/** `normalCdfCoarse` less 0 or 1. */
function coarseProbability(tails: Float64Array, argument: number, less: number): number {
  const magnitude = argument < 0 ? -argument - 1 : argument;
  const tail = magnitude < TAIL_CELLS ? tails[(magnitude | 0) << 1]! : 0;
  return argument < 0 ? tail - less : 1 - less - tail;
}

/** `normalCdfFine` less 0 or 1. */
function fineProbability(tails: Float64Array, argument: number, less: number): number {
  const magnitude = argument < 0 ? -argument - 1 : argument;
  let tail = 0;
  if (magnitude < 256 * TAIL_CELLS) {
    const cell = (magnitude >> 8) << 1;
    tail = tails[cell]! + tails[cell + 1]! * (2 * (magnitude & 255) - 255);
  }
  return argument < 0 ? tail - less : 1 - less - tail;
}

/** `normalDensity`. */
function densityAt(densities: Float64Array, argument: number): number {
  const magnitude = argument < 0 ? -argument - 1 : argument;
  if (magnitude >= 1024 * DENSITY_CELLS) return 0;
  const cell = (magnitude >> 10) << 1;
  return densities[cell]! + densities[cell + 1]! * (2 * (magnitude & 1023) - 1023);
}

function unpriceable(instrument: Instrument, expired: boolean, beyond: boolean): ZkMarginError {
  const details = {
    kind: instrument.kind,
    expiryHour: instrument.expiryHour,
    strike: instrument.strike.toString(),
  };
  const field = 'instrument.expiryHour';
  if (expired) {
    return new ZkMarginError('EXPIRED_OPTION', 'Settle this option first: it has expired.', {
      field,
      details,
    });
  }
  return beyond
    ? new ZkMarginError('OUT_OF_RANGE', `Keep expiries within ${MAX_TENOR_SECONDS} seconds of the round.`, {
        field,
        details,
      })
    : new ZkMarginError('MISSING_EXPIRY', 'Post a round with this expiry.', { field, details });
}
