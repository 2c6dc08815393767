/**
 * What the exact model derives from one expiry word, once per round and scenario. `docs/margin-model.md`, sections 7.2
 * and 7.3.
 */
import { ZkMarginError } from '../../errors.ts';
import { type ExpiryState, MIN_TENOR_SECONDS } from '../../market/words.ts';
import { exp2Fixed, integerSquareRoot, lnFixed, log2Fixed } from '../../math/fixed/primitives.ts';
import {
  type RiskParameters,
  type Scenario,
  SHOCK_TENOR_SECONDS,
  TENOR_UNIT_SECONDS,
} from '../parameters.ts';

/** `round(2^54 / (16 * 31,536,000))`: turns seconds times `4^spacingExponent` into `(h^2 T)` in 2^-54. */
const SPACED_YEAR = 35_702_052n;
/** `round(ln 2 * 2^39)`: price steps are in 2^-20 of a doubling, and steps in spacings of 2^-27 in 2^-32. */
const LN2_39 = 381_061_692_393n;
/** `round(ln(100) * 2^47)`: strikes are in 1e-4 USD, prices in 1e-6 USD. */
export const LN_STRIKE_TO_PRICE = 648_120_085_424_803n;
/** Longest time to expiry, in seconds; a bound of the circuit's widths. */
export const MAX_TENOR_SECONDS = 2n ** 27n;

/** Figures of an expiry that do not depend on the scenario. */
export interface ExactExpiry {
  readonly forward: bigint;
  readonly discount: bigint;
  readonly vols: readonly bigint[];
  /** Seconds to expiry, unfloored, positive. */
  readonly tenor: bigint;
  /** `h sqrt(T)` in years, 2^-27. */
  readonly spacing: bigint;
  /** `ln(forward) - ln(100)`, 2^-47: to be taken off a strike's logarithm. */
  readonly logForward: bigint;
}

/** Figures of an expiry that depend on parameters, but on no scenario. */
export interface ExactExpiryRisk {
  /** Four price steps in pillar spacings, 2^-30. */
  readonly step: bigint;
  /** What vol shocks are multiplied by at this tenor, 2^-22. */
  readonly tenorFactor: bigint;
  /** Part of vega times vol that is charged where vols rise, 2^-22. */
  readonly vegaRateUp: bigint;
  /** Likewise where they fall. */
  readonly vegaRateDown: bigint;
  /** Move of the forward against spot, 2^-36. */
  readonly basisRate: bigint;
  /** Move of the discount factor, 2^-36. */
  readonly interestRate: bigint;
}

/** Figures of an expiry under a vol shock. */
export interface ExactExpiryShock {
  /** Vol multiplier, 2^-22, in `[1/2, 4)`. */
  readonly volMultiplier: bigint;
  /** Its reciprocal, 2^-13. */
  readonly inverseMultiplier: bigint;
}

/** @throws ZkMarginError `EXPIRED_OPTION` at or after expiry, `OUT_OF_RANGE` beyond {@link MAX_TENOR_SECONDS} */
export function exactExpiry(state: ExpiryState, timestamp: bigint, field = 'expiry'): ExactExpiry {
  const tenor = BigInt(state.expiryHour) * 3600n - timestamp;
  if (tenor <= 0n) {
    throw new ZkMarginError('EXPIRED_OPTION', 'Settle options that have expired before margining.', {
      field,
    });
  }
  if (tenor > MAX_TENOR_SECONDS) {
    throw new ZkMarginError(
      'OUT_OF_RANGE',
      `Keep expiries within ${MAX_TENOR_SECONDS} seconds of the round.`,
      {
        field,
      },
    );
  }
  const floored = tenor > BigInt(MIN_TENOR_SECONDS) ? tenor : BigInt(MIN_TENOR_SECONDS);
  const spacing = integerSquareRoot(floored * 4n ** BigInt(state.spacingExponent) * SPACED_YEAR);
  return {
    forward: state.forward,
    discount: state.discount,
    vols: state.vols,
    tenor,
    spacing,
    logForward: lnFixed(state.forward, 44) - LN_STRIKE_TO_PRICE,
  };
}

/** Half a place of a shock before its truncation: multipliers are rounded to nearest. */
const HALF_SHOCK = 1n << 13n;
/** `log2` of the tenor at which vol shocks are quoted, 2^-47. */
export const LOG2_SHOCK_TENOR = log2Fixed(BigInt(SHOCK_TENOR_SECONDS), 28);

/** What parameters make of an expiry; section 7.3. */
export function exactExpiryRisk(
  expiry: Pick<ExactExpiry, 'tenor' | 'spacing'>,
  parameters: RiskParameters,
): ExactExpiryRisk {
  const floor = BigInt(parameters.tenorFloor);
  const tenor = expiry.tenor > floor ? expiry.tenor : floor;
  const power = BigInt(
    tenor <= BigInt(SHOCK_TENOR_SECONDS) ? parameters.tenorPowerShort : parameters.tenorPowerLong,
  );
  const exponent = ((LOG2_SHOCK_TENOR - log2Fixed(tenor, 28)) * power) >> 35n;
  const tenorUnits = (expiry.tenor - 1n) / BigInt(TENOR_UNIT_SECONDS);
  const tenorFactor = exp2Fixed(exponent) >> 74n;
  const vegaRate = (shock: number): bigint =>
    ((tenorFactor >> 2n) * BigInt(shock * parameters.vegaRate)) >> 28n;
  return {
    step: (BigInt(parameters.priceStep) * LN2_39) / expiry.spacing,
    tenorFactor,
    vegaRateUp: vegaRate(parameters.volShockUp),
    vegaRateDown: vegaRate(parameters.volShockDown),
    basisRate: (BigInt(parameters.basisMinimum) << 20n) + BigInt(parameters.basisPerTenor) * tenorUnits,
    interestRate: BigInt(parameters.interestPerTenor) * tenorUnits,
  };
}

/** An expiry's vol multiplier under a shock, and its reciprocal; section 7.3. */
export function exactExpiryShock(
  { tenorFactor }: ExactExpiryRisk,
  parameters: RiskParameters,
  { volShock }: Pick<Scenario, 'volShock'>,
): ExactExpiryShock {
  const shock =
    volShock > 0 ? BigInt(parameters.volShockUp) : volShock < 0 ? -BigInt(parameters.volShockDown) : 0n;
  const shocked = (1n << 22n) + ((shock * tenorFactor + HALF_SHOCK) >> 14n);
  const volMultiplier = shocked > 1n << 21n ? shocked : 1n << 21n;
  return { volMultiplier, inverseMultiplier: (1n << 27n) / (volMultiplier >> 8n) };
}
