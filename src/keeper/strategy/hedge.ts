/**
 * What it costs to hedge positions that are taken over, and the collateral that comes with them while it is held. What selling that collateral costs
 * is no part of it: see `SliceWeight.resale`.
 *
 * The model is simple on purpose: whoever takes positions over trades their delta away, lays off their vega, and trades
 * delta again while gamma moves it. Each costs a half spread of the amount, in basis points. What the market's depth
 * makes of it is in the spreads that the keeper is configured with.
 */

import { ZkMarginError } from '../../errors.ts';
import { SCALE_ONE } from '../../margin/exact/bounds.ts';
import { type Leg, QUANTITY_UNIT, STRIKE_UNIT } from '../../market/instrument.ts';
import { floatExpiry, surfaceVolatility } from '../../market/surface.ts';
import { type MarketRound, PRICE_UNIT } from '../../market/words.ts';
import { black76, logRatio } from '../../math/float/black76.ts';

/** Collateral that comes with positions, at what it would fetch, 1e-6 USD. */
export interface ExposedCollateral {
  /** Of the positions' own underlying. */
  readonly moving: bigint;
  /** Of other underlyings. */
  readonly other: bigint;
}

/** Sensitivities of positions, in USD, none of them negative. */
export interface Exposure {
  /**
   * |sum of quantity * delta * forward|: dollar delta, netted over all legs and moving collateral. Collateral of other underlyings is added: nothing
   * nets it.
   */
  readonly delta: number;
  /** Sum over expiries of |sum of quantity * vega * vol|: change of value if vols of an expiry doubled. Netted within an expiry alone. */
  readonly vega: number;
  /** Sum over expiries of |sum of quantity * gamma * forward^2| / 100: change of dollar delta for a price move of 1 %. */
  readonly gamma: number;
  /** Sum of |quantity| * forward, and all collateral: notional, nothing netted. */
  readonly grossNotional: number;
}

/** Half spreads and costs of sales, in basis points. */
export interface HedgeSpreads {
  /** Of {@link Exposure.delta}. */
  readonly deltaBps: number;
  /** Of {@link Exposure.vega}: 100 means that vols are bought 1 % of themselves above mid, as 50.5 % instead of 50 %. */
  readonly vegaBps: number;
  /** Of {@link Exposure.gamma}: what rehedging costs for each per cent that the price is expected to move before the position is closed. */
  readonly gammaBps: number;
  /** What selling collateral costs, of its full value. It is charged beside {@link deltaBps}, which is for the risk of its price until then. */
  readonly collateralBps: number;
}

/** Futures at 3 basis points, vols 2 % off mid, a move of some per cent at the spread of futures, and tokens half a per cent below their price. */
export const DEFAULT_SPREADS: HedgeSpreads = Object.freeze({
  deltaBps: 3,
  vegaBps: 200,
  gammaBps: 15,
  collateralBps: 50,
});

const USD = 1e6;

/**
 * Sensitivities of legs held at a scale.
 *
 * @param scale 2^-40
 * @param collateral that comes with them; none unless given
 * @throws ZkMarginError `MISSING_EXPIRY` for an option of an expiry that the round lacks
 */
export function exposureOf(
  legs: readonly Leg[],
  round: MarketRound,
  scale: bigint,
  collateral: ExposedCollateral = { moving: 0n, other: 0n },
): Exposure {
  const { timestamp, spot } = round.underlying;
  const price = Number(spot) / Number(PRICE_UNIT);
  const factor = Number(scale) / Number(SCALE_ONE);
  const byExpiry = new Map<number, { vega: number; gamma: number }>();
  let delta = Number(collateral.moving) / USD;
  let grossNotional = Number(collateral.moving + collateral.other) / USD;
  for (const { instrument, quantity } of legs) {
    const amount = (Number(quantity) / Number(QUANTITY_UNIT)) * factor;
    if (instrument.kind === 'linear') {
      delta += amount * price;
      grossNotional += Math.abs(amount) * price;
      continue;
    }
    const state = round.expiries.find(({ expiryHour }) => expiryHour === instrument.expiryHour);
    if (state === undefined) {
      throw new ZkMarginError('MISSING_EXPIRY', 'Use a round that has the expiry of each option.', {
        field: 'legs',
        details: { expiryHour: instrument.expiryHour },
      });
    }
    const expiry = floatExpiry(state, timestamp);
    const strike = Number(instrument.strike) / Number(STRIKE_UNIT);
    const volatility = surfaceVolatility(expiry, -logRatio(expiry.forward, strike));
    const greeks = black76(
      instrument.kind,
      expiry.forward,
      strike,
      expiry.years,
      volatility,
      expiry.discount,
    );
    delta += amount * greeks.delta * expiry.forward;
    grossNotional += Math.abs(amount) * expiry.forward;
    const sums = byExpiry.get(instrument.expiryHour) ?? { vega: 0, gamma: 0 };
    sums.vega += amount * greeks.vega * volatility;
    sums.gamma += (amount * greeks.gamma * expiry.forward ** 2) / 100;
    byExpiry.set(instrument.expiryHour, sums);
  }
  let vega = 0;
  let gamma = 0;
  for (const sums of byExpiry.values()) {
    vega += Math.abs(sums.vega);
    gamma += Math.abs(sums.gamma);
  }
  return { delta: Math.abs(delta) + Number(collateral.other) / USD, vega, gamma, grossNotional };
}

/** Cost of hedging an exposure, in 1e-6 USD, rounded up. Collateral costs what hedging its price does while it is held, not what selling it does. */
export function hedgeCost(exposure: Exposure, spreads: HedgeSpreads): bigint {
  const { delta, vega, gamma } = exposure;
  const cost = delta * spreads.deltaBps + vega * spreads.vegaBps + gamma * spreads.gammaBps;
  return BigInt(Math.ceil((cost / 10_000) * USD));
}

/** Notional in 1e-6 USD, rounded up. */
export function notionalOf(exposure: Exposure): bigint {
  return BigInt(Math.ceil(exposure.grossNotional * USD));
}
