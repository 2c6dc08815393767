/**
 * Portfolios whose requirement is small beside what a plausible move takes from them: what sections 7 and 13 of `docs/margin-model.md` do
 * not charge for, found by linear programmes over all portfolios. The bounds are what a better model may lower, and no change may raise.
 */
import { describe, expect, it } from 'vitest';
import { canonicalLegs, type InstrumentKind, type Leg } from '../../market/instrument.ts';
import { type ExpiryState, type MarketRound, YEAR_SECONDS } from '../../market/words.ts';
import { DEFAULT_PARAMETERS } from '../parameters.ts';
import { exactMargin } from './margin.ts';

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
  // Options about to expire are worth nothing now, and cover every place of the grid: its first step is 5 %.
  const gap: readonly Position[] = [
    ['linear', 0, 0, -1],
    ['call', 2, 103_000, 3],
  ];
  it('a short future between the places of the grid, covered by calls of the last hours', () => {
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
    expect(covered.ratio).toBeGreaterThan(2);
    expect(covered.ratio).toBeLessThan(6);
    // And when they have expired, all of it is due at once.
    expect(naked.requirement / covered.requirement).toBeGreaterThan(50);
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

  it('a day before expiry in a calm market: options of a day cover places beyond several deviations', () => {
    const calm: readonly Position[] = [
      ['linear', 0, 0, -1],
      ['call', 25, 104_500, 8],
    ];
    const quiet = measure(calm, 0, { spot: 1.04 }, 0.2);
    console.log('calm', quiet);
    expect(quiet.ratio).toBeGreaterThan(5);
    expect(quiet.ratio).toBeLessThan(20);
  });

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
