/**
 * The margin model in double precision, for screening: what each instrument is worth now and in every scenario.
 *
 * Mirrors `docs/margin-model.md`. The integer model decides; this one finds whom to look at.
 */
import { ZkMarginError } from '../../errors.ts';
import type { Instrument } from '../../market/instrument.ts';
import { type FloatExpiry, floatExpiry, surfaceVolatility } from '../../market/surface.ts';
import type { MarketRound } from '../../market/words.ts';
import { normalCdfFrom } from '../../math/float/normal.ts';
import { DAMPING_ONE, horizonFactorOf, type RiskParameters, SHOCK_TENOR_SECONDS } from '../parameters.ts';

/** Risk parameters as doubles, with the scenarios laid out for loops. */
export interface FloatParameters {
  readonly scenarioCount: number;
  /** Price factor of each scenario, `2^(priceMove priceStep)`. */
  readonly priceFactors: Float64Array;
  /** Natural logarithm of the same. */
  readonly logPriceFactors: Float64Array;
  /** Vol shock of each scenario, -1, 0 or 1. */
  readonly volShocks: Int8Array;
  readonly damping: Float64Array;
  readonly volShockUp: number;
  readonly volShockDown: number;
  readonly tenorPowerShort: number;
  readonly tenorPowerLong: number;
  /** In seconds. */
  readonly tenorFloor: number;
  readonly maintenanceFactor: number;
  readonly shortOptionRate: number;
  /** Root of the horizon in years. */
  readonly horizonFactor: number;
}

/** Risk parameters as doubles. The parameters must be valid. */
export function floatParameters(parameters: RiskParameters): FloatParameters {
  const { scenarios } = parameters;
  const logStep = (parameters.priceStep / 2 ** 20) * Math.LN2;
  return {
    scenarioCount: scenarios.length,
    priceFactors: Float64Array.from(scenarios, (scenario) => Math.exp(scenario.priceMove * logStep)),
    logPriceFactors: Float64Array.from(scenarios, (scenario) => scenario.priceMove * logStep),
    volShocks: Int8Array.from(scenarios, (scenario) => scenario.volShock),
    damping: Float64Array.from(scenarios, (scenario) => scenario.damping / DAMPING_ONE),
    volShockUp: parameters.volShockUp / 2 ** 14,
    volShockDown: parameters.volShockDown / 2 ** 14,
    tenorPowerShort: parameters.tenorPowerShort / 256,
    tenorPowerLong: parameters.tenorPowerLong / 256,
    tenorFloor: parameters.tenorFloor,
    maintenanceFactor: parameters.maintenanceFactor / 4096,
    shortOptionRate: parameters.shortOptionRate / 65_536,
    horizonFactor: horizonFactorOf(parameters.horizonSeconds) / 2 ** 20,
  };
}

/**
 * Factor of an expiry's volatilities under a vol shock: `max(1/2, 1 + shock τ)`, `τ = (30 days / max(T, floor))^p`.
 *
 * @param tenor seconds to expiry
 * @param volShock -1, 0 or 1
 */
export function volMultiplier(tenor: number, volShock: number, parameters: FloatParameters): number {
  if (volShock === 0) return 1;
  const power = tenor <= SHOCK_TENOR_SECONDS ? parameters.tenorPowerShort : parameters.tenorPowerLong;
  const tau = (SHOCK_TENOR_SECONDS / Math.max(tenor, parameters.tenorFloor)) ** power;
  return Math.max(0.5, 1 + (volShock > 0 ? parameters.volShockUp : -parameters.volShockDown) * tau);
}

/** What instruments are worth. Row i of a matrix of shape `[count, stride]` starts at `i * stride`. */
export interface InstrumentValues {
  readonly count: number;
  /** Number of scenarios plus 1. */
  readonly stride: number;
  /**
   * Per instrument, USD per contract: the mark, then for every scenario the damped change of value. NaN throughout a
   * row that cannot be valued; see {@link InstrumentValues.problems}.
   */
  readonly values: Float64Array;
  /** Dollar delta per contract: `D F N(d1)` for a call, `D F (N(d1) - 1)` for a put, the spot for a linear leg. */
  readonly deltas: Float64Array;
  /** Why a row is NaN, by row. */
  readonly problems: ReadonlyMap<number, ZkMarginError>;
}

/**
 * Values distinct instruments in a round under all scenarios.
 *
 * Never throws for an instrument: one whose expiry the round lacks (`MISSING_EXPIRY`) or which has expired
 * (`EXPIRED_OPTION`) has a row of NaN and an entry in `problems`. The round must be valid.
 *
 * @param reuse arrays of an earlier call with the same number of instruments and scenarios, to write into
 */
export function valueInstruments(
  instruments: readonly Instrument[],
  round: MarketRound,
  parameters: FloatParameters,
  reuse?: InstrumentValues,
): InstrumentValues {
  const { scenarioCount } = parameters;
  const count = instruments.length;
  const stride = scenarioCount + 1;
  const fits = reuse !== undefined && reuse.count === count && reuse.stride === stride;
  const values = fits ? reuse.values : new Float64Array(count * stride);
  const deltas = fits ? reuse.deltas : new Float64Array(count);
  const problems = new Map<number, ZkMarginError>();
  const spot = Number(round.underlying.spot) / 1e6;
  const expiries = new Map<number, ShockedExpiry>();
  for (const state of round.expiries) {
    expiries.set(state.expiryHour, shockedExpiry(floatExpiry(state, round.underlying.timestamp), parameters));
  }
  const now = Number(round.underlying.timestamp);
  for (let row = 0; row < count; row++) {
    const instrument = instruments[row]!;
    const offset = row * stride;
    if (instrument.kind === 'linear') {
      values[offset] = spot;
      for (let scenario = 0; scenario < scenarioCount; scenario++) {
        values[offset + 1 + scenario] =
          parameters.damping[scenario]! * spot * (parameters.priceFactors[scenario]! - 1);
      }
      deltas[row] = spot;
      continue;
    }
    const expiry = expiries.get(instrument.expiryHour);
    const expired = instrument.expiryHour * 3600 <= now;
    if (expiry === undefined || expired) {
      problems.set(row, unpriceable(instrument, expired));
      values.fill(Number.NaN, offset, offset + stride);
      deltas[row] = Number.NaN;
      continue;
    }
    deltas[row] = valueOption(
      values,
      offset,
      instrument.kind === 'call',
      Number(instrument.strike) / 1e4,
      expiry,
      parameters,
    );
  }
  return { count, stride, values, deltas, problems };
}

/** An expiry with the factor of `σ√T` for each vol shock. */
interface ShockedExpiry {
  readonly expiry: FloatExpiry;
  readonly root: number;
  /** Factors for the shocks -1, 0 and 1. */
  readonly multipliers: Float64Array;
}

function shockedExpiry(expiry: FloatExpiry, parameters: FloatParameters): ShockedExpiry {
  return {
    expiry,
    root: Math.sqrt(expiry.years),
    multipliers: Float64Array.of(
      volMultiplier(expiry.tenor, -1, parameters),
      1,
      volMultiplier(expiry.tenor, 1, parameters),
    ),
  };
}

/** Writes the mark and the damped changes of one option; returns its dollar delta. */
function valueOption(
  values: Float64Array,
  offset: number,
  isCall: boolean,
  strike: number,
  shocked: ShockedExpiry,
  parameters: FloatParameters,
): number {
  const { expiry, root, multipliers } = shocked;
  const { forward, discount } = expiry;
  const { scenarioCount, priceFactors, logPriceFactors, volShocks, damping } = parameters;
  const logForwardMoneyness = Math.log(forward / strike);
  const deviation = surfaceVolatility(expiry, -logForwardMoneyness) * root;
  const d1 = logForwardMoneyness / deviation + 0.5 * deviation;
  const d2 = d1 - deviation;
  const cdf1 = normalCdfFrom(d1, Math.exp(-0.5 * d1 * d1));
  const cdf2 = normalCdfFrom(d2, Math.exp(-0.5 * d2 * d2));
  const call = discount * (forward * cdf1 - strike * cdf2);
  values[offset] = isCall ? call : call - discount * (forward - strike);
  for (let scenario = 0; scenario < scenarioCount; scenario++) {
    const shockedForward = forward * priceFactors[scenario]!;
    const shockedDeviation = deviation * multipliers[volShocks[scenario]! + 1]!;
    const e1 = (logForwardMoneyness + logPriceFactors[scenario]!) / shockedDeviation + 0.5 * shockedDeviation;
    const e2 = e1 - shockedDeviation;
    const exponential1 = Math.exp(-0.5 * e1 * e1);
    // F n(d1) = K n(d2) saves an exponential; where it underflows, both normal densities are 0 to double precision.
    const exponential2 =
      e1 < 37 && e1 > -37 ? (exponential1 * shockedForward) / strike : Math.exp(-0.5 * e2 * e2);
    const shockedCall =
      discount *
      (shockedForward * normalCdfFrom(e1, exponential1) - strike * normalCdfFrom(e2, exponential2));
    // A put's change is the call's less the forward's, by parity.
    const change = isCall ? shockedCall - call : shockedCall - call - discount * (shockedForward - forward);
    values[offset + 1 + scenario] = damping[scenario]! * change;
  }
  return discount * forward * (isCall ? cdf1 : cdf1 - 1);
}

function unpriceable(instrument: Instrument, expired: boolean): ZkMarginError {
  const details = {
    kind: instrument.kind,
    expiryHour: instrument.expiryHour,
    strike: instrument.strike.toString(),
  };
  return expired
    ? new ZkMarginError('EXPIRED_OPTION', 'Settle this option first: it has expired.', {
        field: 'instrument.expiryHour',
        details,
      })
    : new ZkMarginError('MISSING_EXPIRY', 'Post a round with this expiry.', {
        field: 'instrument.expiryHour',
        details,
      });
}
