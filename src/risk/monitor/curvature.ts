/**
 * How much an account's equity less requirement can bend between two prices: what lets a search skip an interval.
 * Derivation: `docs/margin-model.md`, section 14.2.
 */

import type { RiskParameters } from '../../margin/parameters.ts';
import type { Leg } from '../../market/instrument.ts';
import {
  type ExpiryState,
  type MarketRound,
  pillarSpacing,
  tenorSeconds,
  YEAR_SECONDS,
} from '../../market/words.ts';

/** The largest density of the normal distribution. */
const LARGEST_DENSITY = 0.3989422804014327;
/** Volatilities are at least halved by no shock. */
const LEAST_MULTIPLIER = 0.5;
/** Bend of charges for moves within the horizon, of their square: for two deviations and rates of up to 4, without shocks. */
const CHARGE_BEND = 4;
/** Equity and requirement of the exact model lie within this part of gross notional of smooth functions; section 7.5. */
const MODEL_NOISE = 2e-6;
/** By which a normal density changes over a step of the exact model's arguments, 2^-12, at most. */
const DENSITY_STEP = 0.242 / 4_096;
/** Largest price factor of a scenario. */
const LARGEST_FACTOR = 2;

interface LegCurvature {
  /** Contracts times discount, absolute. */
  readonly size: number;
  readonly forward: number;
  readonly strike: number;
  /** Bound on the bend per contract and unit of price that comes of gamma. */
  readonly sharpness: number;
  /** Steps of the exact model, as a part of the value. */
  readonly noise: number;
}

/** Bounds on the change of one account's equity less requirement, in log price. USD. Slack is equity less requirement. */
export class AccountCurvature {
  private readonly legs: readonly LegCurvature[] = [];
  private readonly weight: number;

  /**
   * @param scale 2^-40
   * @param movingCollateral USD at the round's spot
   */
  constructor(
    legs: readonly Leg[],
    scale: bigint,
    movingCollateral: number,
    round: MarketRound,
    parameters: RiskParameters,
  ) {
    const unit = Number(scale) / 2 ** 40 / 1e6;
    // Equity once, the scan's mark and its shocked value (at up to twice the price), and four times the largest gamma for
    // charges beside the scan. Moving collateral is a linear leg in all of them.
    this.weight = 1 + ((1 + LARGEST_FACTOR) * parameters.maintenanceFactor) / 4096 + 4;
    const realised = Number(round.underlying.realisedVolatility) / 65_536;
    const horizon = realised * Math.sqrt(parameters.horizonSeconds / YEAR_SECONDS);
    const expiries = new Map(round.expiries.map((expiry) => [expiry.expiryHour, expiry]));
    const spot = Number(round.underlying.spot) / 1e6;
    const bounds: LegCurvature[] = [
      { size: movingCollateral / spot, forward: spot, strike: 0, sharpness: 0, noise: MODEL_NOISE },
    ];
    for (const { instrument, quantity } of legs) {
      const size = Math.abs(Number(quantity)) * unit;
      const expiry = expiries.get(instrument.expiryHour);
      bounds.push(
        expiry === undefined
          ? { size, forward: spot, strike: 0, sharpness: 0, noise: MODEL_NOISE }
          : {
              size: (size * Number(expiry.discount)) / 2 ** 21,
              forward: Number(expiry.forward) / 1e6,
              strike: Number(instrument.strike) / 1e4,
              ...sharpness(expiry, round.underlying.timestamp, this.weight, horizon),
            },
      );
    }
    this.legs = bounds;
  }

  /** Bound on the second derivative of each smooth branch, up to a factor of prices. */
  bend(factor: number): number {
    let sum = 0;
    for (const { size, forward, strike, sharpness: sharp } of this.legs) {
      // F n(d1) = K n(d2), so neither price alone carries more than its own density.
      sum += size * (this.weight * forward * factor + Math.min(forward * factor, strike) * sharp);
    }
    return sum;
  }

  /**
   * Bound on the slope, in the direction of a step, of the branch that is the least at its end. The branch is at least the slack
   * before the step, so it rises over the step by no more than the slack does.
   *
   * @param before slack before the step
   * @param here slack at its end
   * @param step length in log price, positive
   * @param noise by which slacks may be wrong, together
   */
  slope(before: number, here: number, step: number, noise: number, factor: number): number {
    return (here - before + noise) / step + (this.bend(factor) * step) / 2;
  }

  /** The steps in which the exact model's equity less requirement changes, in USD, up to a factor of prices. */
  noise(factor: number): number {
    let sum = 0;
    for (const { size, forward, noise } of this.legs) sum += size * forward * factor * noise;
    return sum;
  }
}

/**
 * `weight n / s` at the least deviation s of volatilities and shocks, with what the smile's slope and bend add, and what charges for
 * moves within the horizon add: they are of gamma, whose own bend is up to `1 / s^2` times as large.
 *
 * @param horizon deviation of the price within the horizon
 */
function sharpness(
  state: ExpiryState,
  timestamp: bigint,
  weight: number,
  horizon: number,
): Pick<LegCurvature, 'sharpness' | 'noise'> {
  const vols = state.vols.map((volatility) => Number(volatility) / 65_536);
  const least = Math.min(...vols);
  const largest = Math.max(...vols);
  const step =
    pillarSpacing(state.spacingExponent) *
    Math.sqrt(tenorSeconds(state.expiryHour, timestamp) / YEAR_SECONDS);
  let slope = 0;
  let bend = 0;
  for (let segment = 0; segment < 7; segment++) {
    const rise = vols[segment + 1]! - vols[segment]!;
    const left = segment === 0 ? 0 : (vols[segment + 1]! - vols[segment - 1]!) / 2;
    const right = segment === 6 ? 0 : (vols[segment + 2]! - vols[segment]!) / 2;
    slope = Math.max(slope, Math.abs(left), Math.abs(right), Math.abs(1.5 * rise - (left + right) / 4));
    bend = Math.max(
      bend,
      Math.abs(6 * rise - 4 * left - 2 * right),
      Math.abs(6 * rise - 2 * left - 4 * right),
    );
  }
  // Vanna, volga and vega over gamma, with |d| n <= 0.61 and d^2 n <= 0.74 of the largest density, in units of a pillar
  // step; twice, for shocks that multiply volatilities by up to 4.
  const smile = 2 * (1.22 * slope + 0.74 * slope * slope + bend * largest);
  const deviation = LEAST_MULTIPLIER * least * step;
  const charges = CHARGE_BEND * (horizon / deviation) ** 2;
  return {
    sharpness: (LARGEST_DENSITY / deviation) * (weight + charges) * (1 + smile),
    noise: MODEL_NOISE + (DENSITY_STEP * CHARGE_BEND * horizon * horizon) / deviation,
  };
}
