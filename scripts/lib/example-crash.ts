/** The market of demonstrations, measurements and end-to-end tests: a real day, and its crash an hour later. */
import { readFileSync } from 'node:fs';
import { exampleRound, type SviSurfaces, shockRound } from '../../src/market/example-market.ts';
import type { MarketRound } from '../../src/market/words.ts';

/** Seconds from the opening round to the crash. */
export const CRASH_SECONDS = 3_600;

/** A real day and its crash. */
export interface ExampleCrash {
  /** The surface of 19 February 2025. */
  readonly opening: MarketRound;
  /** An hour later. */
  readonly crashed: MarketRound;
}

/** The real surfaces of 19 February 2025. */
export function exampleSurfaces(): SviSurfaces {
  return JSON.parse(
    readFileSync(new URL('../../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
  ) as SviSurfaces;
}

/**
 * @param symbol `BTC` or `ETH`; `BTC` unless given
 * @param move relative price move of the crash; -12 % unless given
 * @param vols factor of 30-day vols; 1.35 unless given
 */
export function exampleCrash({ symbol = 'BTC', move = -0.12, vols = 1.35 } = {}): ExampleCrash {
  const opening = exampleRound(exampleSurfaces(), symbol);
  const crashed = shockRound(opening, {
    priceMove: move,
    volMultiplierAt30d: vols,
    secondsLater: CRASH_SECONDS,
  });
  return { opening, crashed };
}
