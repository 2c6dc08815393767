/** A large book on a listed chain, for benchmarks: many accounts whose legs come from some hundreds of instruments. */

import { SCALE_ONE } from '../../src/margin/exact/bounds.ts';
import { strikeStep } from '../../src/margin/example-book.ts';
import type { FloatAccount } from '../../src/margin/float/screen.ts';
import { type Instrument, type Leg, LINEAR, orderKey, STRIKE_UNIT } from '../../src/market/instrument.ts';
import { atTheMoneyVolatility } from '../../src/market/surface.ts';
import { type MarketRound, tenorSeconds, YEAR_SECONDS } from '../../src/market/words.ts';
import { mulberry32 } from '../../src/math/float/random.ts';

/**
 * Calls and puts of every expiry of a round, on strikes as exchanges list them, within 3.5 standard deviations, and the
 * underlying itself; in the order of legs.
 */
export function listedChain(round: MarketRound): Instrument[] {
  const chain: Instrument[] = [LINEAR];
  for (const expiry of round.expiries) {
    const forward = Number(expiry.forward) / 1e6;
    const years = tenorSeconds(expiry.expiryHour, round.underlying.timestamp) / YEAR_SECONDS;
    const volatility = atTheMoneyVolatility(expiry);
    const step = strikeStep(forward, volatility, years);
    const reach = Math.exp(3.5 * volatility * Math.sqrt(years));
    for (let strike = Math.ceil(forward / reach / step) * step; strike <= forward * reach; strike += step) {
      for (const kind of ['call', 'put'] as const) {
        chain.push({
          kind,
          expiryHour: expiry.expiryHour,
          strike: BigInt(Math.round(strike * Number(STRIKE_UNIT))),
        });
      }
    }
  }
  return chain.sort((a, b) => (orderKey(a) < orderKey(b) ? -1 : 1));
}

/** Accounts of a number of legs each, drawn from a chain without repetition, sizes from 0.1 to 10 contracts. */
export function largeBook(
  chain: readonly Instrument[],
  accountCount: number,
  legCount: number,
  seed: number,
): FloatAccount[] {
  const random = mulberry32(seed);
  return Array.from({ length: accountCount }, () => {
    const rows = new Set<number>();
    while (rows.size < legCount) rows.add(Math.floor(random() * chain.length));
    const legs: Leg[] = [...rows]
      .sort((a, b) => a - b)
      .map((row) => ({
        instrument: chain[row]!,
        quantity: BigInt(Math.round(1e5 * 100 ** random())) * (random() < 0.5 ? 1n : -1n),
      }));
    return { legs, scale: SCALE_ONE, cash: BigInt(Math.round(1e6 * 2e6 * random())) };
  });
}
