import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exampleCrash } from '../../../scripts/lib/example-crash.ts';
import { SCALE_ONE } from '../../margin/exact/bounds.ts';
import { exactMargin } from '../../margin/exact/margin.ts';
import { ExactValuer } from '../../margin/exact/shared.ts';
import { exampleBook } from '../../margin/example-book.ts';
import { DEFAULT_PARAMETERS } from '../../margin/parameters.ts';
import { canonicalLegs, type Leg, LINEAR } from '../../market/instrument.ts';
import type { MarketRound } from '../../market/words.ts';
import { mulberry32 } from '../../math/float/random.ts';
import { liquidationPrices, type PricedAccount, type PriceSide } from './liquidation-price.ts';
import { movableRange, movedRound } from './moved-round.ts';
import { lastMinutes, randomLegs } from './testing.ts';

const SEED = Number(process.env.SEED ?? 20_250_219);
const PARAMETERS = DEFAULT_PARAMETERS;
const { opening, crashed } = exampleCrash();
const ROUNDS = [opening, crashed, lastMinutes(opening)];
const SPOT = opening.underlying.spot;

/** The account when its moving collateral has the value that it has at another spot. */
function movedAccount(account: PricedAccount, round: MarketRound, spot: bigint): Required<PricedAccount> {
  const { collateral = 0n, movingCollateral = 0n } = account;
  const moved = (movingCollateral * spot) / round.underlying.spot;
  return { ...account, collateral: collateral - movingCollateral + moved, movingCollateral: moved };
}

function liquidatableAt(
  account: PricedAccount,
  round: MarketRound,
  spot: bigint,
  valuer = new ExactValuer(movedRound(round, spot), PARAMETERS),
): boolean {
  const moved = movedAccount(account, round, spot);
  const { mark, requirement } = valuer.margin(moved);
  return moved.cash + moved.collateral + mark < requirement;
}

/** The account with a deposit in the underlying, for which it owes a part of the cash or none. */
function withCollateral(account: PricedAccount, coins: number, owed: number): PricedAccount {
  const value = BigInt(Math.round(coins * Number(SPOT)));
  const debt = BigInt(Math.round(owed * Number(value)));
  return { ...account, cash: account.cash - debt, collateral: value, movingCollateral: value };
}

/** Both sides of a threshold, by the whole round and the exact model. */
function expectChange(account: PricedAccount, round: MarketRound, side: PriceSide, initially: boolean): void {
  if (side.kind !== 'found') return;
  const { spot, equity, requirement, factor } = side.threshold;
  const nearer = spot > round.underlying.spot ? spot - 1n : spot + 1n;
  expect(liquidatableAt(account, round, spot)).toBe(!initially);
  expect(liquidatableAt(account, round, nearer)).toBe(initially);
  expect(equity < requirement).toBe(!initially);
  expect(factor).toBeCloseTo(Number(spot) / Number(round.underlying.spot), 12);
}

/** Spots from the round's to the end of the range, equally far apart in the logarithm. */
function ladder(round: MarketRound, side: 'below' | 'above', steps: number): bigint[] {
  const { low, high } = movableRange(round, 8n);
  const start = Number(round.underlying.spot);
  const length = Math.log(Number(side === 'above' ? high : low) / start);
  return Array.from({ length: steps }, (_, step) => {
    const spot = BigInt(Math.round(start * Math.exp((length * (step + 1)) / steps)));
    return spot < low ? low : spot > high ? high : spot;
  });
}

describe('a moved round', () => {
  it('is the round itself at its own spot, and moves forwards alike', () => {
    expect(movedRound(opening, SPOT)).toEqual(opening);
    const doubled = movedRound(opening, 2n * SPOT);
    expect(doubled.expiries.map(({ forward }) => forward)).toEqual(
      opening.expiries.map(({ forward }) => 2n * forward),
    );
    expect(doubled.expiries.map(({ vols }) => vols)).toEqual(opening.expiries.map(({ vols }) => vols));
    expect(doubled.underlying).toEqual({ ...opening.underlying, spot: 2n * SPOT });
  });

  it('keeps every price within its range', () => {
    const dear: MarketRound = {
      underlying: { ...opening.underlying, spot: 2n ** 42n },
      expiries: opening.expiries.map((expiry, index) => ({
        ...expiry,
        forward: 2n ** 42n + BigInt(index) * 2n ** 36n,
      })),
    };
    for (const [round, factor] of [
      [dear, 8n],
      [opening, 64n],
      [{ ...opening, underlying: { ...opening.underlying, spot: 3n } }, 64n],
    ] as const) {
      const { low, high } = movableRange(round, factor);
      expect(low).toBeGreaterThanOrEqual(1n);
      expect(low).toBeLessThanOrEqual(round.underlying.spot);
      expect(high).toBeGreaterThanOrEqual(round.underlying.spot);
      for (const spot of [low, high]) {
        for (const { forward } of movedRound(round, spot).expiries) {
          expect(forward).toBeGreaterThanOrEqual(1n);
          expect(forward).toBeLessThan(2n ** 44n);
        }
      }
    }
  });
});

describe('liquidation prices', () => {
  it('of a linear position are what arithmetic gives', () => {
    const parameters = {
      ...PARAMETERS,
      scenarios: PARAMETERS.scenarios.filter(({ priceMove }) => priceMove === 0),
    };
    const long: PricedAccount = {
      legs: [{ instrument: LINEAR, quantity: 1_000_000n }],
      scale: SCALE_ONE,
      cash: -(SPOT * 3n) / 4n,
    };
    const { below, above, liquidatable } = liquidationPrices(long, opening, parameters);
    expect(liquidatable).toBe(false);
    expect(above).toEqual({ kind: 'none' });
    expect(below.kind).toBe('found');
    if (below.kind !== 'found') return;
    // Without scenarios that move, little beside the value of what is held is asked for.
    expect(below.threshold.factor).toBeGreaterThan(0.75);
    expect(below.threshold.factor).toBeLessThan(0.78);
    // A short gains where a long loses, and its collateral moves against it.
    const short: PricedAccount = {
      legs: [{ instrument: LINEAR, quantity: -1_000_000n }],
      scale: SCALE_ONE,
      cash: (SPOT * 5n) / 4n,
    };
    const sides = liquidationPrices(short, opening, parameters);
    expect(sides.below).toEqual({ kind: 'none' });
    expect(sides.above.kind).toBe('found');
  });

  it('tell when no price matters', () => {
    const nothing: PricedAccount = { legs: [], scale: SCALE_ONE, cash: 5n };
    expect(liquidationPrices(nothing, opening, PARAMETERS)).toMatchObject({
      liquidatable: false,
      below: { kind: 'none' },
      above: { kind: 'none' },
    });
    expect(liquidationPrices({ ...nothing, cash: -5n }, opening, PARAMETERS).liquidatable).toBe(true);
    const rich: PricedAccount = {
      legs: [{ instrument: LINEAR, quantity: -1n }],
      scale: SCALE_ONE,
      cash: 10n ** 15n,
    };
    expect(liquidationPrices(rich, opening, PARAMETERS)).toMatchObject({
      below: { kind: 'none' },
      above: { kind: 'none' },
    });
  });

  it('move with collateral in the underlying', () => {
    // Short two coins, one of them held as collateral without a haircut.
    const hedged: PricedAccount = {
      legs: [{ instrument: LINEAR, quantity: -2_000_000n }],
      scale: SCALE_ONE,
      cash: 2n * SPOT,
      collateral: SPOT,
      movingCollateral: SPOT,
    };
    const still: PricedAccount = { ...hedged, movingCollateral: 0n };
    const moving = liquidationPrices(hedged, opening, PARAMETERS).above;
    const fixed = liquidationPrices(still, opening, PARAMETERS).above;
    expectChange(hedged, opening, moving, false);
    expectChange(still, opening, fixed, false);
    expect(moving.kind).toBe('found');
    expect(fixed.kind).toBe('found');
    if (moving.kind !== 'found' || fixed.kind !== 'found') return;
    expect(moving.threshold.spot).toBeGreaterThan(fixed.threshold.spot);
    // Both coins held: no price matters.
    const covered = { ...hedged, collateral: 2n * SPOT, movingCollateral: 2n * SPOT, cash: 1_000_000n };
    expect(liquidationPrices(covered, opening, PARAMETERS)).toMatchObject({
      liquidatable: false,
      below: { kind: 'none' },
      above: { kind: 'none' },
    });
    expect(() => liquidationPrices({ ...hedged, movingCollateral: SPOT + 1n }, opening, PARAMETERS)).toThrow(
      expect.objectContaining({ code: 'OUT_OF_RANGE', field: 'movingCollateral' }),
    );
  });

  it('count collateral in the requirement too, where it offsets risk and where it adds to it', () => {
    const far = opening.expiries[2]!;
    const strike = (SPOT / 10_000_000_000n) * 100_000_000n;
    const short = (kind: 'call' | 'put', collateral: bigint, movingCollateral: bigint): PricedAccount => ({
      legs: [{ instrument: { kind, expiryHour: far.expiryHour, strike }, quantity: -1_000_000n }],
      scale: SCALE_ONE,
      cash: 0n,
      collateral,
      movingCollateral,
    });
    // A covered call loses nothing of a rise; one that is covered by dollars does.
    const covered = liquidationPrices(short('call', SPOT, SPOT), opening, PARAMETERS);
    const uncovered = liquidationPrices(short('call', SPOT, 0n), opening, PARAMETERS);
    expect(covered).toMatchObject({ liquidatable: false, above: { kind: 'none' } });
    expect(uncovered).toMatchObject({
      liquidatable: false,
      above: { kind: 'found' },
      below: { kind: 'none' },
    });
    // Behind a put it falls with what it backs.
    const sides = [SPOT, 0n].map((moving) => {
      const account = short('put', SPOT, moving);
      const { liquidatable, below } = liquidationPrices(account, opening, PARAMETERS);
      expect(liquidatable).toBe(false);
      expectChange(account, opening, below, false);
      return below.kind === 'found' ? below.threshold.factor : 0;
    });
    expect(sides[0]).toBeGreaterThan(sides[1]! + 0.2);
  });

  it('follow the price of collateral that stands behind a debt alone', () => {
    const account: PricedAccount = {
      legs: [],
      scale: SCALE_ONE,
      cash: -SPOT / 3n,
      collateral: SPOT,
      movingCollateral: SPOT,
    };
    const { liquidatable, below, above } = liquidationPrices(account, opening, PARAMETERS);
    expect(liquidatable).toBe(false);
    expect(below.kind).toBe('found');
    expectChange(account, opening, below, false);
    expect(above).toEqual({ kind: 'none' });
  });

  it('refuse what the exact model refuses', () => {
    const missing: PricedAccount = {
      legs: [{ instrument: { kind: 'call', expiryHour: 600_001, strike: 10n ** 9n }, quantity: 1n }],
      scale: SCALE_ONE,
      cash: 0n,
    };
    expect(() => liquidationPrices(missing, opening, PARAMETERS)).toThrow(
      expect.objectContaining({ code: 'MISSING_EXPIRY' }),
    );
  });

  it('say where a search that was cut short has come to', () => {
    const account = exampleBook({ opening, shocked: crashed, parameters: PARAMETERS, seed: 1, count: 4 })[3]!;
    const { below } = liquidationPrices(account, opening, PARAMETERS, { limit: 2 });
    expect(below.kind).toBe('unresolved');
    if (below.kind !== 'unresolved') return;
    expect(below.reached).toBeLessThanOrEqual(SPOT);
  });

  it(`agree with a dense scan by the exact model on an example book (seed ${SEED})`, () => {
    const steps = 160;
    const tallies = { found: 0, none: 0, recoveries: 0 };
    const collateral = { adds: 0, offsets: 0 };
    for (const [round, seed] of [
      [opening, SEED],
      [crashed, SEED],
    ] as const) {
      // Every second account has collateral, of a tenth of a coin to ten, with cash of its own or borrowed on it.
      const random = mulberry32(seed);
      const accounts = exampleBook({
        opening,
        shocked: crashed,
        parameters: PARAMETERS,
        seed,
        count: 32,
        failing: 0.7,
      }).map((account, index) => ({
        name: account.name,
        ...(index % 2 === 0 ? account : withCollateral(account, 0.1 * 100 ** random(), random() ** 0.3)),
      }));
      for (const account of accounts) {
        const alone = exactMargin({ ...account, movingCollateral: 0n }, round, PARAMETERS).requirement;
        const { requirement } = exactMargin(account, round, PARAMETERS);
        if (requirement > alone) collateral.adds++;
        if (requirement < alone) collateral.offsets++;
      }
      const prices = accounts.map((account) => liquidationPrices(account, round, PARAMETERS));
      accounts.forEach((account, index) => {
        const { liquidatable, below, above } = prices[index]!;
        expect(liquidatable).toBe(liquidatableAt(account, round, round.underlying.spot));
        expectChange(account, round, below, liquidatable);
        expectChange(account, round, above, liquidatable);
        for (const side of [below, above]) {
          expect(side.kind).not.toBe('unresolved');
          if (side.kind === 'found') tallies[liquidatable ? 'recoveries' : 'found']++;
          else tallies.none++;
        }
      });
      for (const side of ['below', 'above'] as const) {
        for (const spot of ladder(round, side, steps)) {
          const valuer = new ExactValuer(movedRound(round, spot), PARAMETERS);
          accounts.forEach((account, index) => {
            const result = prices[index]![side];
            const changed = liquidatableAt(account, round, spot, valuer) !== prices[index]!.liquidatable;
            // Nearer than the price found there is no change; without one there is none at all.
            const nearer =
              result.kind !== 'found' ||
              (side === 'above' ? spot < result.threshold.spot : spot > result.threshold.spot);
            if (changed && nearer) {
              expect.fail(
                `${account.name} has changed at ${spot}, ${side}, but ${JSON.stringify(result.kind)}`,
              );
            }
          });
        }
      }
    }
    console.log(
      `liquidation prices against ${steps} prices a side: ${JSON.stringify(tallies)}, collateral: ${JSON.stringify(collateral)}`,
    );
    for (const count of [...Object.values(tallies), ...Object.values(collateral)]) {
      expect(count).toBeGreaterThan(3);
    }
  });

  it(`hold for random legs of all tenors, at the unit (seed ${SEED})`, () => {
    let found = 0;
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (seed) => {
        const random = mulberry32(seed);
        const round = ROUNDS[Math.floor(random() * ROUNDS.length)]!;
        const legs = randomLegs(random, round);
        // Without collateral, with little of it, and with more than the legs stand for.
        const coins = random() < 0.4 ? 0 : 1e-3 * 1e6 ** random();
        const value = BigInt(Math.round(coins * Number(round.underlying.spot)));
        const backed = { legs, scale: SCALE_ONE, collateral: value, movingCollateral: value };
        const { mark, requirement } = exactMargin(backed, round, PARAMETERS);
        const equity = (requirement * BigInt(Math.round(1_000 * (0.9 + 1.5 * random())))) / 1_000n;
        const account: PricedAccount = { ...backed, cash: equity - mark - value };
        const { liquidatable, below, above } = liquidationPrices(account, round, PARAMETERS);
        for (const side of [below, above]) {
          expectChange(account, round, side, liquidatable);
          if (side.kind === 'found') found++;
          // Between the spot and the price a few random prices, none of them changed.
          const end = side.kind === 'found' ? side.threshold.spot : side === above ? 8n * SPOT : SPOT / 8n;
          if (side.kind === 'unresolved') continue;
          const { low, high } = movableRange(round, 8n);
          for (let sample = 0; sample < 12; sample++) {
            const from = Number(round.underlying.spot);
            const spot = BigInt(Math.round(from * (Number(end) / from) ** (random() ** 0.3)));
            if (spot < low || spot > high || spot === end) continue;
            expect(liquidatableAt(account, round, spot)).toBe(liquidatable);
          }
        }
      }),
      { seed: SEED, numRuns: 60 },
    );
    expect(found).toBeGreaterThan(20);
  });

  it('find a dip that is narrow and hardly below zero', () => {
    // A short butterfly loses around its strike alone.
    const near = opening.expiries[0]!;
    const strike = (steps: number) => ((SPOT / 100n / 10_000_000n) * 10_000_000n * BigInt(steps)) / 100n;
    const legs: Leg[] = canonicalLegs([
      {
        instrument: { kind: 'call', expiryHour: near.expiryHour, strike: strike(118) },
        quantity: 1_000_000n,
      },
      {
        instrument: { kind: 'call', expiryHour: near.expiryHour, strike: strike(120) },
        quantity: -2_000_000n,
      },
      {
        instrument: { kind: 'call', expiryHour: near.expiryHour, strike: strike(122) },
        quantity: 1_000_000n,
      },
    ]);
    let least = { slack: 0n, spot: 0n };
    for (const spot of ladder(opening, 'above', 4_000)) {
      if (spot > 2n * SPOT) break;
      const { mark, requirement } = exactMargin(
        { legs, scale: SCALE_ONE },
        movedRound(opening, spot),
        PARAMETERS,
      );
      if (mark - requirement < least.slack) least = { slack: mark - requirement, spot };
    }
    for (const depth of [1_000_000n, 100_000_000n]) {
      const account: PricedAccount = { legs, scale: SCALE_ONE, cash: -least.slack - depth };
      const { liquidatable, above } = liquidationPrices(account, opening, PARAMETERS);
      expect(liquidatable).toBe(false);
      expect(above.kind).toBe('found');
      if (above.kind !== 'found') return;
      expectChange(account, opening, above, false);
      expect(above.threshold.spot).toBeLessThanOrEqual(least.spot);
    }
  });
});
