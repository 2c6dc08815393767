/** The market of demonstrations, measurements and end-to-end tests: a real day, and its crash an hour later. */
import { readFileSync } from 'node:fs';
import { exactMargin } from '../../src/margin/exact/margin.ts';
import { exactSolvency } from '../../src/margin/exact/solvency.ts';
import { type ExampleAccount, exampleBook } from '../../src/margin/example-book.ts';
import type { RiskParameters } from '../../src/margin/parameters.ts';
import { exampleRound, type SviSurfaces } from '../../src/market/example-market.ts';
import { shockRound } from '../../src/market/shock.ts';
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

/** Accounts of up to eight legs that may be opened before a crash. */
export interface CrashBook {
  /** Below the requirement afterwards, with equity. */
  readonly failing: readonly ExampleAccount[];
  /** At more than twice the requirement afterwards. */
  readonly healthy: ExampleAccount;
}

/**
 * Accounts of the example book by what the crash makes of them.
 *
 * @param initialLevel what they must have at the opening, 2^-12 of the maintenance requirement
 */
export function crashBook(
  { opening, crashed }: ExampleCrash,
  parameters: RiskParameters,
  initialLevel: bigint,
): CrashBook {
  const book = exampleBook({
    opening,
    shocked: crashed,
    parameters,
    seed: 7,
    count: 64,
    failing: 0.8,
    minimumRatio: 1.4,
  }).filter(
    (account) =>
      account.legs.length <= 8 && exactSolvency(account, opening, parameters, initialLevel).solvent,
  );
  const after = (account: ExampleAccount) => {
    const { mark, requirement } = exactMargin(account, crashed, parameters);
    return { equity: account.cash + mark, requirement };
  };
  const failing = book.filter((account) => {
    const { equity, requirement } = after(account);
    return equity > 0n && equity < requirement;
  });
  const healthy = book.find((account) => {
    const { equity, requirement } = after(account);
    return equity > 2n * requirement;
  });
  if (healthy === undefined) throw new Error('No account of the example book stays healthy.');
  return { failing, healthy };
}
