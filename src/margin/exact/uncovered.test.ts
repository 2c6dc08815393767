/**
 * Portfolios whose requirement is small beside what a plausible move takes from them: what sections 7 and 13 of `docs/margin-model.md` do
 * not charge for, found by linear programmes over all portfolios. The bounds are what a better model may lower, and no change may raise.
 */
import { describe, expect, it } from 'vitest';
import { canonicalLegs, type InstrumentKind, type Leg } from '../../market/instrument.ts';
import { type ExpiryState, type MarketRound, YEAR_SECONDS } from '../../market/words.ts';
import { DEFAULT_PARAMETERS } from '../parameters.ts';
import { exactMargin, prepareAccount } from './margin.ts';

const BASE_HOUR = 483_000;
const HOUR = 1 / 8_760;

interface Move {
  readonly spot?: number;
  readonly vol?: (years: number) => number;
}

/** Spot 100,000 and a flat vol, 50 % unless given, realised too; forwards at 5 %, discount factors at 4.5 %. */
function roundOf(
  hours: readonly number[],
  secondsGone: number,
  { spot = 1, vol = () => 0 }: Move = {},
  level = 0.5,
): MarketRound {
  return {
    underlying: {
      spot: BigInt(Math.round(1e11 * spot)),
      timestamp: BigInt(BASE_HOUR * 3_600 + secondsGone),
      realisedVolatility: BigInt(Math.round(level * 65_536)),
      underlyingId: 1n,
    },
    expiries: hours.map((hour): ExpiryState => {
      const years = hour * HOUR - secondsGone / YEAR_SECONDS;
      return {
        expiryHour: BASE_HOUR + hour,
        forward: BigInt(Math.round(1e11 * spot * Math.exp(0.05 * years))),
        discount: BigInt(Math.round(2 ** 21 * Math.exp(-0.045 * years))),
        spacingExponent: level < 0.3 ? 0 : 1,
        vols: new Array<bigint>(8).fill(
          BigInt(Math.round((level < 0.3 ? 4 : 2) * 65_536 * (level + vol(years)))),
        ),
      };
    }),
  };
}

type Position = readonly [kind: InstrumentKind, hour: number, strike: number, contracts: number];
const legsOf = (positions: readonly Position[]): readonly Leg[] =>
  canonicalLegs(
    positions.map(([kind, hour, strike, contracts]) => ({
      instrument:
        kind === 'linear'
          ? { kind, expiryHour: 0, strike: 0n }
          : { kind, expiryHour: BASE_HOUR + hour, strike: BigInt(strike * 10_000) },
      quantity: BigInt(Math.round(contracts * 1e6)),
    })),
  );

function measure(positions: readonly Position[], secondsGone: number, move: Move, level = 0.5) {
  const hours = [...new Set(positions.filter(([kind]) => kind !== 'linear').map(([, hour]) => hour))].sort(
    (a, b) => a - b,
  );
  const account = { legs: legsOf(positions), scale: 1n << 40n };
  const before = exactMargin(account, roundOf(hours, secondsGone, {}, level), DEFAULT_PARAMETERS);
  const after = exactMargin(account, roundOf(hours, secondsGone, move, level), DEFAULT_PARAMETERS);
  const requirement = Number(before.requirement) / 1e6;
  const loss = Number(before.mark - after.mark) / 1e6;
  const gross = 1e5 * positions.reduce((sum, [, , , contracts]) => sum + Math.abs(contracts), 0);
  return { requirement, loss, ratio: loss / requirement, requirementOfGross: requirement / gross };
}

describe('what is charged for little', () => {
  // Options about to expire are worth nothing now, and cover the places of the grid that are 5 % apart. Closer to the money there are others.
  const gap: readonly Position[] = [
    ['linear', 0, 0, -1],
    ['call', 2, 103_000, 3],
  ];
  it('a short future, covered by calls of the last hours: what a move to their strike takes is charged', () => {
    const naked = measure(
      [
        ['linear', 0, 0, -1],
        ['call', 2, 150_000, 0.001],
      ],
      1_800,
      { spot: 1.03 },
    );
    const covered = measure(gap, 1_800, { spot: 1.03 });
    console.log('naked', naked, 'covered', covered);
    expect(naked.ratio).toBeLessThan(0.15);
    expect(covered.ratio).toBeLessThan(1);
    // And when they have expired, all of it is due at once.
    expect(naked.requirement / covered.requirement).toBeGreaterThan(10);
  });

  it('the same with a day to go: the price of the calls, and vega, do their part', () => {
    const day = measure(
      gap.map(([kind, hour, strike, contracts]) => [kind, hour && 24, strike, contracts] as const),
      0,
      { spot: 1.03 },
    );
    console.log('a day', day);
    expect(day.ratio).toBeLessThan(1);
  });

  it('a day before expiry in a calm market: options of a day cover moves beyond several deviations', () => {
    const calm: readonly Position[] = [
      ['linear', 0, 0, -1],
      ['call', 25, 104_500, 8],
    ];
    const quiet = measure(calm, 0, { spot: 1.04 }, 0.2);
    console.log('calm', quiet);
    expect(quiet.ratio).toBeLessThan(1);
  });

  /** The least handy book of a short future and calls of one strike above it, and its worst move up to the strike. */
  function leastCharged(hours: number, vol: number, parameters = DEFAULT_PARAMETERS) {
    const hour = Math.max(1, hours);
    const gone = (hour - hours) * 3_600;
    const worst = { ratio: 0, loss: 0, requirement: 0, strike: 0, contracts: 0, widestGap: 0 };
    for (let strike = 100_500; strike <= 106_000; strike += 250) {
      for (const contracts of [1.5, 3, 8, 40]) {
        const legs = legsOf([
          ['linear', 0, 0, -1],
          ['call', hour, strike, contracts],
        ]);
        const account = { legs, scale: 1n << 40n };
        const at = (spot: number) => roundOf([hour], gone, { spot }, vol);
        const margin = exactMargin(account, at(1), parameters);
        const requirement = Number(margin.requirement) / 1e6;
        for (let spot = 1.0025; spot <= strike / 1e5; spot += 0.0025) {
          const { markValue } = prepareAccount(account, at(spot), parameters);
          const loss = Number(margin.mark) / 1e6 - Number(markValue >> 119n) / 1e12;
          const ratio = loss / requirement;
          worst.widestGap = Math.max(worst.widestGap, loss - requirement);
          if (ratio > worst.ratio) Object.assign(worst, { ratio, loss, requirement, strike, contracts });
        }
      }
    }
    return worst;
  }

  // Half an hour before expiry, an hour's deviation is 0.21 % at a vol of 20 %, 0.53 % at 50 %: a step of 1.25 % is wide beside the former.
  it.each([
    { hours: 0.5, vol: 0.9, most: 1.1, gap: 300, before: 3 },
    { hours: 0.5, vol: 0.5, most: 1.4, gap: 1_000, before: 7 },
    { hours: 0.5, vol: 0.2, most: 5, gap: 1_900, before: 20 },
    { hours: 24, vol: 0.2, most: 1.3, gap: 800, before: 15 },
  ])(
    '$hours hours before expiry at a vol of $vol a move takes at most $most of the requirement',
    ({ hours, vol, most, gap, before }) => {
      const worst = leastCharged(hours, vol);
      const rows = DEFAULT_PARAMETERS.scenarios.filter(({ priceMove }) => priceMove % 4 === 0);
      const without = leastCharged(hours, vol, { ...DEFAULT_PARAMETERS, scenarios: rows });
      console.log(`${hours} hours, vol ${vol}`, worst, 'without single and double steps', without);
      expect(worst.ratio).toBeLessThan(most);
      expect(worst.widestGap).toBeLessThan(gap);
      expect(without.ratio).toBeGreaterThan(before);
    },
  );

  const calendar: readonly Position[] = [
    ['call', 4_368, 105_000, 15.86],
    ['put', 4_368, 105_000, 39.376],
    ['call', 4_368, 122_319, 25.087],
    ['put', 8_760, 105_127, -38.351],
    ['call', 8_760, 134_986, -26.278],
    ['put', 8_760, 285_765, 5.047],
  ];
  // Charged since vega is charged by expiry.
  it('vega of a year against vega of half a year: no more', () => {
    const alone = (points: number): Move => ({ vol: (years) => (years > 0.9 ? points / 100 : 0) });
    const ten = measure(calendar, 0, alone(10));
    // A quarter of the vol shock at that tenor, which is what the vega charge counts.
    const quarter = measure(calendar, 0, alone(4.1));
    console.log('ten points', ten, 'quarter of a shock', quarter);
    expect(ten.ratio).toBeLessThan(1);
    expect(quarter.ratio).toBeLessThan(0.5);
  });
});
