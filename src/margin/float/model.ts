/**
 * The margin model in double precision, for screening: what each instrument is worth now and in every scenario.
 *
 * Follows `docs/margin-model.md`, section 7, step by step. All integers up to the arguments of the normal probabilities
 * stay below 2^53, so doubles hold them exactly and they are the exact model's own. Only the probabilities, the prices
 * and their sums are rounded, each to 53 bits. That is why the two models differ by so little; see `screen.ts`.
 */
import { ZkMarginError } from '../../errors.ts';
import type { Instrument } from '../../market/instrument.ts';
import type { ExpiryState, MarketRound } from '../../market/words.ts';
import { LOG2, LOG2_SLOPE } from '../../math/fixed/polynomials.ts';
import { log2Fixed } from '../../math/fixed/primitives.ts';
import { exactExpiry, exactExpiryShock, LOG2_STRIKE_TO_PRICE, MAX_TENOR_SECONDS } from '../exact/expiry.ts';
import { priceFactor } from '../exact/margin.ts';
import { DAMPING_ONE, horizonFactorOf, type RiskParameters, type VolShock } from '../parameters.ts';
import { TAIL_CELLS, tailTable } from './tails.ts';

/** Columns of a row come in blocks of this size, so that loops over them can be unrolled. */
export const COLUMN_BLOCK = 8;

/** Risk parameters as doubles, with the scenarios laid out for loops. */
export interface FloatParameters {
  /** The integers they were made from. */
  readonly source: RiskParameters;
  readonly scenarioCount: number;
  /** Number of scenarios plus 1, rounded up to whole blocks. */
  readonly stride: number;
  /** Price move of each scenario, in steps. */
  readonly priceMoves: Int32Array;
  /** Price factor of each scenario, `2^(priceMove priceStep)`: exactly the exact model's. */
  readonly priceFactors: Float64Array;
  /** Vol shock of each scenario plus 1: 0, 1 or 2. */
  readonly shockIndices: Int32Array;
  readonly damping: Float64Array;
  readonly maintenanceFactor: number;
  readonly shortOptionRate: number;
  /** Root of the horizon in years. */
  readonly horizonFactor: number;
}

/** Risk parameters as doubles. The parameters must be valid. */
export function floatParameters(parameters: RiskParameters): FloatParameters {
  const { scenarios } = parameters;
  return {
    source: parameters,
    scenarioCount: scenarios.length,
    stride: COLUMN_BLOCK * Math.ceil((scenarios.length + 1) / COLUMN_BLOCK),
    priceMoves: Int32Array.from(scenarios, (scenario) => scenario.priceMove),
    priceFactors: Float64Array.from(
      scenarios,
      (scenario) => Number(priceFactor(parameters.priceStep, scenario.priceMove)) / 2 ** 26,
    ),
    shockIndices: Int32Array.from(scenarios, (scenario) => scenario.volShock + 1),
    damping: Float64Array.from(scenarios, (scenario) => scenario.damping / DAMPING_ONE),
    maintenanceFactor: parameters.maintenanceFactor / 4096,
    shortOptionRate: parameters.shortOptionRate / 65_536,
    horizonFactor: horizonFactorOf(parameters.horizonSeconds) / 2 ** 20,
  };
}

/** What instruments are worth. Row i of a matrix of shape `[count, stride]` starts at `i * stride`. */
export interface InstrumentValues {
  readonly count: number;
  readonly scenarioCount: number;
  /** As in {@link FloatParameters.stride}. */
  readonly stride: number;
  /**
   * Per instrument, USD per contract: the mark, then for every scenario the damped change of value, then zeros. NaN up
   * to the zeros in a row that cannot be valued; see {@link InstrumentValues.problems}.
   */
  readonly values: Float64Array;
  /** Dollar delta per contract: `D F N(d1)` for a call, `D F (N(d1) - 1)` for a put, the spot for a linear leg. */
  readonly deltas: Float64Array;
  /**
   * What the rounding errors of a row are proportional to, USD per contract: the spot, and for an option `D (F + K)`
   * besides.
   */
  readonly exposures: Float64Array;
  /** Why a row is NaN, by row. */
  readonly problems: ReadonlyMap<number, ZkMarginError>;
}

/** An expiry of a round, with what is shared by its options. Integers in the scales of section 7. */
interface FloatMarketExpiry {
  readonly expired: boolean;
  /** Beyond the longest tenor. */
  readonly beyond: boolean;
  /** `log2(forward)` less that of the unit of strikes, 2^-45. */
  readonly logForward: number;
  readonly inverseSpacing: number;
  readonly spacing: number;
  /** Eight volatilities in 2^-16 h. */
  readonly vols: Float64Array;
  readonly discount: number;
  /** Discounted forward, in USD. */
  readonly discountedForward: number;
  /** By shock index: vol multiplier 2^-20, its reciprocal 2^-13, a price step in spacings 2^-28. */
  readonly volMultipliers: Float64Array;
  readonly inverseMultipliers: Float64Array;
  readonly stepPositions: Float64Array;
}

const SHOCKS: readonly VolShock[] = [-1, 0, 1];
const POSITION_CENTRE = 4 * 2 ** 18;
const LAST_PILLAR = 7 * 2 ** 18;
/** In 2^-16, of the moneyness. */
const CLAMP_CENTRE = 4 * 65_536;
const CLAMP = 512 * 65_536;

/** One round and one set of parameters, ready to value instruments. Round and parameters must be valid. */
export class InstrumentValuer {
  readonly parameters: FloatParameters;
  private readonly spot: number;
  private readonly timestamp: number;
  private readonly expiries = new Map<number, FloatMarketExpiry>();
  private readonly tails = tailTable();
  // By shock index, for the option at hand: intercept and slope of d1 in 2^-12, total deviation in 2^-20.
  private readonly intercepts = new Float64Array(SHOCKS.length);
  private readonly slopes = new Float64Array(SHOCKS.length);
  private readonly deviations = new Float64Array(SHOCKS.length);

  constructor(round: MarketRound, parameters: FloatParameters) {
    this.parameters = parameters;
    this.spot = Number(round.underlying.spot) / 1e6;
    this.timestamp = Number(round.underlying.timestamp);
    for (const state of round.expiries) {
      this.expiries.set(state.expiryHour, marketExpiry(state, round.underlying.timestamp, parameters.source));
    }
  }

  /**
   * Writes mark, damped changes and padding to `values[offset ..]`, and delta and exposure to their places.
   *
   * @returns why the instrument cannot be valued, after writing NaN: `EXPIRED_OPTION`, `MISSING_EXPIRY`, `OUT_OF_RANGE`
   */
  value(
    instrument: Instrument,
    values: Float64Array,
    offset: number,
    deltas: Float64Array,
    exposures: Float64Array,
    row: number,
  ): ZkMarginError | undefined {
    const { scenarioCount, stride, priceFactors, damping } = this.parameters;
    for (let column = scenarioCount + 1; column < stride; column++) values[offset + column] = 0;
    const { spot } = this;
    if (instrument.kind === 'linear') {
      values[offset] = spot;
      for (let scenario = 0; scenario < scenarioCount; scenario++) {
        values[offset + 1 + scenario] = damping[scenario]! * (spot * (priceFactors[scenario]! - 1));
      }
      deltas[row] = spot;
      exposures[row] = spot;
      return undefined;
    }
    const expiry = this.expiries.get(instrument.expiryHour);
    if (expiry === undefined || expiry.expired || expiry.beyond) {
      values.fill(Number.NaN, offset, offset + 1 + scenarioCount);
      deltas[row] = Number.NaN;
      exposures[row] = Number.NaN;
      return unpriceable(instrument, instrument.expiryHour * 3600 <= this.timestamp, expiry?.beyond === true);
    }
    const strike = Number(instrument.strike);
    const isCall = instrument.kind === 'call';
    const discountedStrike = expiry.discount * (strike / 1e4);
    deltas[row] = this.valueOption(values, offset, isCall, strike, discountedStrike, expiry);
    exposures[row] = spot + expiry.discountedForward + discountedStrike;
    return undefined;
  }

  /** Sections 7.4 and 7.5. The strike is in 1e-4 USD. Returns the dollar delta. */
  private valueOption(
    values: Float64Array,
    offset: number,
    isCall: boolean,
    strike: number,
    discountedStrike: number,
    expiry: FloatMarketExpiry,
  ): number {
    const { intercepts, slopes, deviations, tails } = this;
    const { scenarioCount, priceMoves, priceFactors, shockIndices, damping } = this.parameters;
    const { discountedForward, inverseSpacing } = expiry;

    // floor((log2(K) - log2(F)) inverseSpacing / 2^45): the product has up to 78 bits, so in two parts.
    const logStrike = log2Double(strike) - expiry.logForward;
    const high = Math.floor(logStrike / 2 ** 24);
    const low = logStrike - high * 2 ** 24;
    const position = Math.floor(
      (high * inverseSpacing + Math.floor((low * inverseSpacing) / 2 ** 24)) / 2 ** 21,
    );
    const volatility = interpolate(expiry.vols, position);
    const shortVolatility = Math.floor(volatility / 16);
    const clamped = Math.min(Math.max(Math.floor(position / 4) + CLAMP_CENTRE, -CLAMP), CLAMP) - CLAMP_CENTRE;
    const moneyness = Math.floor((-(2 * clamped + 1) * 2048) / shortVolatility);
    const deviation = Math.floor((volatility * expiry.spacing) / 2 ** 21);
    for (let shock = 0; shock < 3; shock++) {
      intercepts[shock] = Math.floor(((2 * moneyness + 1) * expiry.inverseMultipliers[shock]!) / 2 ** 14);
      slopes[shock] = Math.floor(expiry.stepPositions[shock]! / shortVolatility);
      deviations[shock] = Math.floor((deviation * expiry.volMultipliers[shock]!) / 2 ** 24);
    }

    // A put's probabilities are a call's less 1, by parity.
    const less = isCall ? 0 : 1;
    const markDeviation = Math.floor(deviation / 16);
    const markCoarse = moneyness + Math.floor(markDeviation / 512);
    const forwardWeight = coarseProbability(tails, markCoarse, less);
    const mark =
      discountedForward * forwardWeight -
      discountedStrike * fineProbability(tails, 256 * markCoarse + 127 - markDeviation, less);
    values[offset] = mark;
    for (let scenario = 0; scenario < scenarioCount; scenario++) {
      const shock = shockIndices[scenario]!;
      const move = priceMoves[scenario]!;
      const shocked = deviations[shock]!;
      const coarse = intercepts[shock]! + move * slopes[shock]! + (move >> 1) + Math.floor(shocked / 512);
      const value =
        discountedForward * priceFactors[scenario]! * coarseProbability(tails, coarse, less) -
        discountedStrike * fineProbability(tails, 256 * coarse + 127 - shocked, less);
      values[offset + 1 + scenario] = damping[scenario]! * (value - mark);
    }
    return discountedForward * forwardWeight;
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
  const deltas = fits ? reuse.deltas : new Float64Array(count);
  const exposures = fits ? reuse.exposures : new Float64Array(count);
  const problems = new Map<number, ZkMarginError>();
  const valuer = new InstrumentValuer(round, parameters);
  for (let row = 0; row < count; row++) {
    const problem = valuer.value(instruments[row]!, values, row * stride, deltas, exposures, row);
    if (problem !== undefined) problems.set(row, problem);
  }
  return { count, scenarioCount, stride, values, deltas, exposures, problems };
}

/** The exact model's own integers; of an expiry that it refuses, only that it does. */
function marketExpiry(state: ExpiryState, timestamp: bigint, parameters: RiskParameters): FloatMarketExpiry {
  const tenor = BigInt(state.expiryHour) * 3600n - timestamp;
  const expired = tenor <= 0n;
  const beyond = tenor > MAX_TENOR_SECONDS;
  const discount = Number(state.discount) / 2 ** 21;
  const priced = expired || beyond ? undefined : exactExpiry(state, timestamp);
  const shocks =
    priced === undefined
      ? []
      : SHOCKS.map((volShock) =>
          exactExpiryShock(priced, parameters, { priceMove: 0, volShock, damping: 1 }),
        );
  return {
    expired,
    beyond,
    logForward: Number(log2Fixed(state.forward, 44) - LOG2_STRIKE_TO_PRICE),
    inverseSpacing: Number(priced?.inverseSpacing ?? 0n),
    spacing: Number(priced?.spacing ?? 0n),
    vols: Float64Array.from(state.vols, Number),
    discount,
    discountedForward: discount * (Number(state.forward) / 1e6),
    volMultipliers: Float64Array.from(shocks, (shock) => Number(shock.volMultiplier)),
    inverseMultipliers: Float64Array.from(shocks, (shock) => Number(shock.inverseMultiplier)),
    stepPositions: Float64Array.from(shocks, (shock) => Number(shock.stepPosition)),
  };
}

const LOG2_ROWS = Float64Array.from(LOG2.coefficients.flat(), Number);
const LOG2_SLOPE_ROWS = Float64Array.from(LOG2_SLOPE.coefficients.flat(), Number);

/** `log2Fixed` for a whole number in `[1, 2^44)`, in 2^-45: the same integer, as a double. */
export function log2Double(x: number): number {
  const exponent = x >= 4_294_967_296 ? 63 - Math.clz32(x / 4_294_967_296) : 31 - Math.clz32(x);
  const fraction = Math.floor(x * 2 ** (18 - exponent)) - 262_144;
  const segment = fraction >> 15;
  const tau = 2 * ((fraction >> 7) & 255) - 255;
  const offset = 2 * (fraction & 127) - 127;
  const row = 4 * segment;
  const slopeRow = 3 * segment;
  const value =
    ((LOG2_ROWS[row + 3]! * tau + LOG2_ROWS[row + 2]!) * tau + LOG2_ROWS[row + 1]!) * tau + LOG2_ROWS[row]!;
  const slope =
    (LOG2_SLOPE_ROWS[slopeRow + 2]! * tau + LOG2_SLOPE_ROWS[slopeRow + 1]!) * tau +
    LOG2_SLOPE_ROWS[slopeRow]!;
  return exponent * 2 ** 45 + value + slope * offset;
}

/** `interpolateVolatility` of the exact model: the same integers, as doubles. */
function interpolate(vols: Float64Array, position: number): number {
  const shifted = position + POSITION_CENTRE;
  if (shifted < 0) return vols[0]! * 16;
  if (shifted >= LAST_PILLAR) return vols[7]! * 16;
  const segment = shifted >> 18;
  const left = vols[segment]!;
  const right = vols[segment + 1]!;
  const leftSlope = segment === 0 ? 0 : right - vols[segment - 1]!;
  const rightSlope = segment === 6 ? 0 : vols[segment + 2]! - left;
  const q1 = leftSlope;
  const q2 = 6 * (right - left) - 2 * leftSlope - rightSlope;
  const q3 = leftSlope + rightSlope - 4 * (right - left);
  const tau = 2 * ((shifted >> 10) & 255) + 1;
  const offset = 2 * (shifted & 1023) - 1023;
  const value = ((q3 * tau + q2 * 2 ** 9) * tau + q1 * 2 ** 18) * tau + left * 2 ** 28;
  const slope = (3 * q3 * tau + q2 * 2 ** 10) * tau + q1 * 2 ** 18;
  // (value 2^10 + slope offset + 2^33) >> 34, without the 2^10 that would not fit.
  return Math.floor((value + 2 ** 23 + Math.floor((slope * offset) / 1024)) / 2 ** 24);
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
