/** The market and the accounts whose transactions are measured. */

import { SCALE_ONE } from '../../src/margin/exact/bounds.ts';
import { exactMargin } from '../../src/margin/exact/margin.ts';
import { exactSolvency } from '../../src/margin/exact/solvency.ts';
import { type ExampleAccount, exampleBook } from '../../src/margin/example-book.ts';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import { canonicalLegs, type Leg } from '../../src/market/instrument.ts';
import { exampleCrash } from '../lib/example-crash.ts';

const SEED = 7;

/** The BTC surface of 19 February 2025, and an hour later: -12 %, vols up. */
export const { opening, crashed } = exampleCrash();

const pool = exampleBook({
  opening,
  shocked: crashed,
  parameters: DEFAULT_PARAMETERS,
  seed: SEED,
  count: 320,
});

/** The first legs of example accounts, merged until there are so many. */
function legsOf(count: number, start: number): readonly Leg[] | undefined {
  let legs: readonly Leg[] = [];
  for (let place = start; place < pool.length && legs.length < count; place++) {
    const merged = canonicalLegs([...legs, ...pool[place]!.legs]);
    if (merged.length <= count) legs = merged;
  }
  return legs.length === count ? legs : undefined;
}

/**
 * An account with so many legs that covers its initial requirement in the opening round, and fails in the crash with equity left.
 *
 * @param skip how many such accounts to pass over
 * @param initialLevel in 2^-12
 */
export function failingAccount(legCount: number, initialLevel: bigint, skip = 0): ExampleAccount {
  let left = skip;
  for (let start = 0; start < pool.length; start++) {
    const legs = legsOf(legCount, start);
    if (legs === undefined) continue;
    const { salt, underlyingId } = pool[start]!;
    const positions = { legs, salt, scale: SCALE_ONE };
    const before = exactMargin(positions, opening, DEFAULT_PARAMETERS);
    const after = exactMargin(positions, crashed, DEFAULT_PARAMETERS);
    const enough = (before.requirement * initialLevel * 101n) / 409_600n - before.mark;
    const half = after.requirement / 2n - after.mark;
    const cash = enough > half ? enough : half;
    // At most nine tenths of the requirement are covered after the crash.
    if (10n * (cash + after.mark) > 9n * after.requirement) continue;
    const account: ExampleAccount = {
      ...pool[start]!,
      ...positions,
      underlyingId,
      name: `${legCount} legs, ${start}`,
      cash,
    };
    if (!exactSolvency(account, opening, DEFAULT_PARAMETERS, initialLevel).solvent) continue;
    if (left-- === 0) return account;
  }
  throw new Error(`The example book has no failing account with ${legCount} legs.`);
}

/** Positions of so many legs, for a check that needs no account. */
export function positionsOf(legCount: number): {
  readonly legs: readonly Leg[];
  readonly salt: bigint;
  readonly scale: bigint;
} {
  for (let start = 0; start < pool.length; start++) {
    const legs = legsOf(legCount, start);
    if (legs !== undefined) return { legs, salt: pool[start]!.salt, scale: SCALE_ONE };
  }
  throw new Error(`The example book has not ${legCount} legs.`);
}
