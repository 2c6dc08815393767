/**
 * SPAN's printed examples: L. G. McMillan, "Options as a Strategic Investment", chapter 34 (S&P 500 future and December
 * 410 call), and records of a CBT file of 2025-06-20.
 */
import { describe, expect, it } from 'vitest';
import { computeMargin, valuePositions } from '../engine/margin.ts';
import {
  arrayPosition,
  expiryOf,
  future,
  marketOf,
  option,
  portfolioOf,
  spotPosition,
  underlyingOf,
} from '../engine/testing.ts';
import { presetModel } from '../presets/index.ts';

const span = presetModel('span');

// One contract, long, scenarios 1 to 16; the extreme ones are covered in part already.
const FUTURE = [
  0, 0, 3_330, 3_330, -3_330, -3_330, 6_670, 6_670, -6_670, -6_670, 10_000, 10_000, -10_000, -10_000, 7_000,
  -7_000,
];
const CALL = [
  460, -610, 2_640, 1_730, -1_270, -2_340, 5_210, 4_540, -2_540, -3_430, 8_060, 7_640, -3_380, -3_990, 3_130,
  -1_500,
];
const COVERED_WRITE = [
  -460, 610, 690, 1_600, -2_060, -990, 1_460, 2_130, -4_130, -3_240, 1_940, 2_360, -6_620, -6_010, 3_870,
  -5_500,
];

const scan = (...positions: Parameters<typeof portfolioOf>[0]) =>
  computeMargin(portfolioOf(positions), marketOf(), span).scan;

describe('McMillan', () => {
  it('one future: scan risk 10,000', () => {
    expect(scan(arrayPosition('SP', FUTURE, 1)).loss).toBe(10_000);
    expect(scan(arrayPosition('SP', FUTURE, -1)).loss).toBe(10_000);
  });

  it('one call: scan risk 3,990, in scenario 14', () => {
    const { loss, ownWorst } = scan(arrayPosition('DEC410C', CALL, 1));
    expect(loss).toBe(3_990);
    expect(ownWorst[0]! + 1).toBe(14);
  });

  it('future against a written call: all sixteen figures, scan risk 6,620 in scenario 13', () => {
    const { loss, ownWorst, profits } = scan(
      arrayPosition('SP', FUTURE, 1),
      arrayPosition('DEC410C', CALL, -1),
    );
    profits[0]!.forEach((profit, index) => {
      expect(profit).toBeCloseTo(COVERED_WRITE[index]!, 9);
    });
    expect(loss).toBe(6_620);
    expect(ownWorst[0]! + 1).toBe(13);
  });

  it('ten of each are ten times as much', () => {
    expect(scan(arrayPosition('SP', FUTURE, 10), arrayPosition('DEC410C', CALL, -10)).loss).toBe(66_200);
  });
});

describe('CBT file of 2025-06-20', () => {
  it('record 81: a price range of 1700 gives an array of 567 and 1133', () => {
    const model = { ...span, priceRanges: { SOY: { value: 1_700, unit: 'absolute' as const } } };
    const soy = underlyingOf({
      symbol: 'SOY',
      spot: 28_410,
      expiries: [expiryOf({ forward: 28_410, secondsToExpiry: 30 * 86_400 })],
    });
    const { valued } = valuePositions([future(1)], marketOf(soy), model);
    // The file counts losses as positive.
    const losses = [...valued[0]!.profits].slice(0, 9).map((profit) => Math.round(-profit) + 0);
    expect(losses).toEqual([0, 0, -567, -567, 567, 567, -1_133, -1_133, 1_133]);
    expect(computeMargin(portfolioOf([future(1)]), marketOf(soy), model).scan.loss).toBeCloseTo(1_700, 8);
  });

  it('record B: extreme moves of 3 ranges, covered by 0.33; vols by 25 %', () => {
    const [, , ...rest] = span.scenarios.slice(12);
    expect(
      rest.map(({ rangeFraction, damping, volatility }) => [rangeFraction, damping, volatility]),
    ).toEqual([
      [3, 0.33, 'none'],
      [-3, 0.33, 'none'],
    ]);
    expect(span.volShock).toMatchObject({ unit: 'relative', up: 0.25, down: 0.25 });
  });

  it('the extreme pair decides for who is short of far options: 33 % of three ranges', () => {
    // 15 % of 100, three times: +45. The call of 130 is worth next to nothing now and 15 then, a day before expiry.
    const market = marketOf(
      underlyingOf({ expiries: [expiryOf({ secondsToExpiry: 86_400, volatility: 0.2 })] }),
    );
    const { scan: found } = computeMargin(portfolioOf([option('C', 130, -1)]), market, span);
    expect(found.loss).toBeCloseTo(0.33 * 15, 6);
    expect(found.ownWorst[0]! + 1).toBe(15);
  });
});

describe('what SPAN adds', () => {
  it('a calendar spread of futures pays its charge, not the scan of either leg', () => {
    const market = marketOf(
      underlyingOf({ expiries: [expiryOf(), expiryOf({ secondsToExpiry: 60 * 86_400 })] }),
    );
    const margin = computeMargin(portfolioOf([future(1), future(-1, { expiry: 1 })]), market, span);
    expect(margin.scan.loss).toBe(0);
    // 1.75 % of the 100 that is spread.
    expect(margin.maintenanceRequirement).toBeCloseTo(1.75, 12);
    expect(margin.initialRequirement).toBeCloseTo(1.925, 12);
  });

  it('the initial requirement is 1.1 times the maintenance one', () => {
    const margin = computeMargin(portfolioOf([spotPosition(2)]), marketOf(), span);
    expect(margin.maintenanceRequirement).toBeCloseTo(30, 10);
    expect(margin.initialRequirement).toBeCloseTo(33, 10);
  });
});
