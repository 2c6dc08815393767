/**
 * The worked example of Deribit's documentation of `private/simulate_portfolio` (segregated portfolio margin, BTC,
 * inverse contracts), to all printed digits.
 */
import { describe, expect, it } from 'vitest';
import { computeMargin, valuePositions } from '../engine/margin.ts';
import {
  componentOf,
  expiryOf,
  future,
  marketOf,
  perpetual,
  portfolioOf,
  underlyingOf,
} from '../engine/testing.ts';
import { deribitModel } from './deribit.ts';

const PERPETUAL = 0.314538364;
const JUNE = -0.001187534;
const market = marketOf(
  underlyingOf({
    spot: 65_666.19,
    perpetual: { price: 65_910.57, confidence: 1 },
    // June's contract is within the least annualised move (0.01): at most 48 days.
    expiries: [expiryOf({ name: '28JUN24', secondsToExpiry: 40 * 86_400, forward: 67_371.75 })],
  }),
);
const model = deribitModel();
const positions = [perpetual(PERPETUAL, { inverse: true }), future(JUNE, { inverse: true })];
const { valued, plan } = valuePositions(positions, market, model);

const MOVES = [-0.16, -0.12, -0.08, -0.04, 0, 0.04, 0.08, 0.12, 0.16];
const STANDARD_PERPETUAL = [
  -0.05991206933333334, -0.04289159509090909, -0.027351162086956524, -0.013105765166666668, 0,
  0.012097629384615385, 0.023299138074074074, 0.033700538999999995, 0.043384601931034494,
];
const STANDARD_JUNE = [
  0.0002261969523809524, 0.00016193645454545456, 0.00010326382608695652, 4.948058333333334e-5, 0,
  -4.567438461538462e-5, -8.796548148148148e-5, -0.0001272357857142857, -0.00016379779310344832,
];
const AGGREGATED = [
  -0.05968587238095239, -0.04272965863636364, -0.02724789826086957, -0.013056284583333334, 0, 0, 0, 0, 0,
];
const EXTENDED_PERPETUAL = [
  -0.05991206933333334, -0.05991206933333334, 0.04338460193103449, 0.04338460193103449, 0.04338460193103449,
  0.04338460193103449, 0.04338460193103449, 0.04338460193103449,
];

const perp = valued.find(({ position }) => position.kind === 'perpetual')!;
const june = valued.find(({ position }) => position.kind === 'future')!;
const scenarioAt = (move: number) =>
  model.scenarios.findIndex(
    ({ priceFactor, role, volatility }) =>
      role === 'grid' && volatility === 'none' && Math.abs(priceFactor! - 1 - move) < 1e-12,
  );

describe('Deribit, worked example', () => {
  it.each(MOVES.map((move, index) => [move, index] as const))('standard table at %d', (move, index) => {
    const scenario = scenarioAt(move);
    expect(perp.profits[scenario]).toBeCloseTo(STANDARD_PERPETUAL[index]!, 16);
    expect(june.profits[scenario]).toBeCloseTo(STANDARD_JUNE[index]!, 16);
  });

  it('aggregated, gains offset nothing', () => {
    const { scan } = computeMargin(portfolioOf(positions), market, model);
    MOVES.forEach((move, index) => {
      const profit = scan.profits[0]![scenarioAt(move)]!;
      const counted = profit > 0 ? profit * model.gainFactor : profit;
      expect(counted).toBeCloseTo(AGGREGATED[index]!, 15);
    });
  });

  it('extended table: the futures’ profit at the end of the standard range, undamped', () => {
    const tails = model.scenarios.flatMap(({ role }, index) => (role === 'tail' ? [index] : []));
    expect(tails).toHaveLength(8);
    tails.forEach((scenario, index) => {
      const damped = perp.profits[scenario]! * model.scenarios[scenario]!.damping;
      expect(damped).toBeCloseTo(EXTENDED_PERPETUAL[index]!, 15);
    });
    expect(plan.scenarioCount).toBe(35);
  });

  it('worst case, roll shock, risk matrix margin, maintenance and initial margin', () => {
    const reservations = [
      { name: 'matching engine', maintenance: 0, initial: 0.06 },
      { name: 'open orders', maintenance: 0, initial: 1.8212e-5 },
    ];
    const margin = computeMargin(portfolioOf(positions, { reservations }), market, model);
    expect(margin.scan.loss).toBeCloseTo(0.05968587238095239, 15);
    expect(componentOf(margin, 'roll').base).toBeCloseTo(0.00315725898, 15);
    expect(componentOf(margin, 'deltaConcentration').base).toBe(0);
    const matrix = margin.scan.loss + componentOf(margin, 'roll').base;
    // The page adds the roll shock to a worst case that it has rounded to nine decimals; so it agrees with its own
    // figures, and with ours within that rounding.
    const rounded = Number(margin.scan.loss.toFixed(9)) + componentOf(margin, 'roll').base;
    expect(rounded).toBeCloseTo(0.06284313098, 15);
    expect(0.8 * rounded).toBeCloseTo(0.050274504784, 15);
    expect(Math.abs(matrix - 0.06284313098)).toBeLessThan(5e-10);
    expect(Math.abs(margin.maintenanceRequirement - 0.050274504784)).toBeLessThan(0.8 * 5e-10);
    expect(margin.initialRequirement).toBeCloseTo(0.122861343, 9);
    expect(computeMargin(portfolioOf(positions), market, model).maintenanceRequirement).toBe(
      margin.maintenanceRequirement,
    );
  });
});
