/** An oracle round and an account's legs as the engine's market and portfolio: the same numbers that are proven. */

import { formatExpiry, formatInstrument, type Leg, underlyingSymbolOf } from '../../market/instrument.ts';
import { floatExpiry } from '../../market/surface.ts';
import type { MarketRound } from '../../market/words.ts';
import { YEAR_SECONDS } from '../../market/words.ts';
import type { ExpiryState, MarketState, Portfolio, Position } from './state.ts';

/** A round as a market of one underlying. Expiries that have passed are left out. */
export function marketOfRound(round: MarketRound): MarketState {
  const { underlying } = round;
  const now = Number(underlying.timestamp);
  const expiries: ExpiryState[] = [];
  for (const state of round.expiries) {
    const secondsToExpiry = state.expiryHour * 3600 - now;
    if (secondsToExpiry <= 0) continue;
    const float = floatExpiry(state, underlying.timestamp);
    expiries.push({
      name: formatExpiry(state.expiryHour),
      secondsToExpiry,
      forward: float.forward,
      // Over the tenor that is priced, so that the discount is the word's.
      rate: -Math.log(float.discount) / (float.tenor / YEAR_SECONDS),
      smile: { kind: 'pillars', spacing: float.spacing, volatilities: float.pillars },
      confidence: 1,
    });
  }
  return {
    asOf: now,
    stablePrice: 1,
    underlyings: [
      {
        symbol: underlyingSymbolOf(underlying.underlyingId) ?? `0x${underlying.underlyingId.toString(16)}`,
        spot: Number(underlying.spot) / 1e6,
        spotConfidence: 1,
        realisedVolatility: Number(underlying.realisedVolatility) / 65_536,
        expiries,
      },
    ],
  };
}

/**
 * Legs of one account as a portfolio.
 *
 * @param cash USD
 * @returns undefined when an option's expiry is not in the market
 */
export function portfolioOfLegs(
  legs: readonly Leg[],
  cash: number,
  scale: number,
  market: MarketState,
  id = 'account',
): Portfolio | undefined {
  const { symbol, expiries } = market.underlyings[0]!;
  const positions: Position[] = [];
  for (const { instrument, quantity } of legs) {
    const shared = {
      id: formatInstrument(symbol, instrument),
      underlying: 0,
      quantity: (Number(quantity) / 1e6) * scale,
    };
    if (instrument.kind === 'linear') {
      positions.push({ ...shared, kind: 'spot' });
      continue;
    }
    const name = formatExpiry(instrument.expiryHour);
    const expiry = expiries.findIndex((candidate) => candidate.name === name);
    if (expiry < 0) return undefined;
    positions.push({
      ...shared,
      kind: 'option',
      expiry,
      strike: Number(instrument.strike) / 1e4,
      isCall: instrument.kind === 'call',
    });
  }
  return { id, cash, positions, collateral: [], reservations: [] };
}
