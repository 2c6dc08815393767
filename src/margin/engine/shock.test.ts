import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { presetModel } from '../presets/index.ts';
import { computeMargin } from './margin.ts';
import { type Shock, shockedMargin, shockedState } from './shock.ts';
import {
  accountArbitrary,
  DAY,
  expiryOf,
  future,
  grossOf,
  marketArbitrary,
  marketOf,
  option,
  perpetual,
  portfolioArbitrary,
  portfolioOf,
  spotPosition,
  underlyingOf,
} from './testing.ts';
import { shockedVolatility } from './valuation.ts';

const MODELS = ['ramm', 'ramm-core', 'pmrm2', 'deribit', 'span'];
const still: Shock = { name: 'still', priceMove: 0, volatilityFactor: 1, volatilityShift: 0, seconds: 0 };

describe('a shock', () => {
  it.each(MODELS.filter((name) => name !== 'deribit'))('of zero leaves everything as it is: %s', (name) => {
    const model = presetModel(name);
    fc.assert(
      fc.property(accountArbitrary(), ({ market, portfolio }) => {
        const before = computeMargin(portfolio, market, model);
        const { profit, after } = shockedMargin(before, still);
        expect(profit).toBe(0);
        expect(after.components.map(({ id, maintenance, initial }) => [id, maintenance, initial])).toEqual(
          before.components.map(({ id, maintenance, initial }) => [id, maintenance, initial]),
        );
        expect([after.maintenanceRequirement, after.initialRequirement, after.tier]).toEqual([
          before.maintenanceRequirement,
          before.initialRequirement,
          before.tier,
        ]);
      }),
      { numRuns: 60 },
    );
  });

  it.each(MODELS)('that says what a scenario says gives its profit: %s', (name) => {
    const model = presetModel(name);
    const coin = model.numeraire === 'coin';
    let compared = 0;
    fc.assert(
      fc.property(
        // Later than any window in which a settlement price is averaged. One tenor, as shocks move all vols alike.
        marketArbitrary({ underlyings: 1, minimumTenor: 10 * DAY }).chain((market) =>
          fc.record({
            market: fc.constant({
              ...market,
              underlyings: market.underlyings.map((item) => ({
                ...item,
                expiries: item.expiries.slice(0, 1),
              })),
            }),
            portfolio: portfolioArbitrary(
              {
                ...market,
                underlyings: market.underlyings.map((item) => ({
                  ...item,
                  expiries: item.expiries.slice(0, 1),
                })),
              },
              { kinds: ['option', 'future', 'perpetual', 'spot'], collateral: !coin, reservations: true },
            ),
            index: fc.nat({ max: model.scenarios.length - 1 }),
          }),
        ),
        ({ market, portfolio, index }) => {
          const before = computeMargin(portfolio, market, model);
          const scenario = model.scenarios[index]!;
          const probe = before.plan.probes[index]!;
          // Other damping or other moves of single kinds are no moves of a market, nor is a discount on marks.
          const special = scenario.role === 'skew' || scenario.linearPriceFactor !== undefined;
          if (special || scenario.linearDamping !== undefined || model.staticDiscount !== undefined) return;
          if (scenario.damping === 0) return;
          const { secondsToExpiry } = market.underlyings[0]!.expiries[0]!;
          // Of an absolute move the shift is what is asked for, of a relative one the factor: both through what it does to two vols.
          const [low, high] = [0.4, 1.2].map((volatility) =>
            shockedVolatility(model, volatility, probe.volatility, secondsToExpiry, 0),
          ) as [number, number];
          const volatilityFactor = (high - low) / 0.8;
          const { after, profit } = shockedMargin(before, {
            name: scenario.id,
            priceMove: probe.priceFactors[0]! - 1,
            volatilityFactor,
            volatilityShift: low - 0.4 * volatilityFactor,
            seconds: probe.lookAhead,
          });
          const held = after.portfolio.collateral.reduce(
            (sum, { value, maintenanceHaircut }) =>
              sum + (model.collateral.deduct === 'equity' ? value * maintenanceHaircut : 0),
            0,
          );
          const heldBefore = portfolio.collateral.reduce(
            (sum, { value, maintenanceHaircut }) =>
              sum + (model.collateral.deduct === 'equity' ? value * maintenanceHaircut : 0),
            0,
          );
          // Scenarios count what collateral gains before haircuts.
          const gained = profit + held - heldBefore;
          const told = before.scan.profits[0]![index]! / scenario.damping;
          const bounded = before.valued.some(
            ({ position, volatility }) =>
              position.kind === 'option' &&
              Math.abs(
                shockedVolatility(model, volatility, probe.volatility, secondsToExpiry, 0) -
                  (volatility * volatilityFactor + low - 0.4 * volatilityFactor),
              ) > 1e-9,
          );
          // The model bounds some vols from below, which no shock of all does.
          if (bounded) return;
          compared++;
          expect(Math.abs(gained - told)).toBeLessThanOrEqual(1e-9 * grossOf(before));
        },
      ),
      { numRuns: 150 },
    );
    if (model.staticDiscount === undefined) expect(compared).toBeGreaterThan(20);
  });

  it('pays what expires meanwhile at the moved prices, and keeps the rest', () => {
    const market = marketOf(
      underlyingOf({
        expiries: [expiryOf({ secondsToExpiry: DAY }), expiryOf({ secondsToExpiry: 30 * DAY })],
      }),
    );
    const model = presetModel('ramm');
    const portfolio = portfolioOf(
      [
        option('P', 95, 2, { expiry: 0 }),
        option('C', 95, 1, { expiry: 0 }),
        option('P', 95, -1, { expiry: 1 }),
        future(3, { expiry: 0 }),
        spotPosition(1),
        perpetual(-1),
      ],
      { cash: 1_000 },
    );
    const shocked = shockedState(market, portfolio, model, { ...still, priceMove: -0.1, seconds: 2 * DAY });
    // Two puts at 5, the call at nothing, three futures that lost 10 each.
    expect(shocked.portfolio.cash).toBeCloseTo(1_000 + 10 - 30, 9);
    expect(shocked.portfolio.positions.map(({ kind }) => kind)).toEqual(['option', 'spot', 'perpetual']);
    const { underlyings, asOf } = shocked.market;
    expect(asOf).toBe(market.asOf + 2 * DAY);
    expect(underlyings[0]!.expiries.map(({ secondsToExpiry }) => secondsToExpiry)).toEqual([28 * DAY]);
    expect(underlyings[0]!.spot).toBeCloseTo(90, 12);
    const [left] = shocked.portfolio.positions;
    expect(left).toMatchObject({ expiry: 0, strike: 95 });
  });

  it('moves the underlyings that are named alone', () => {
    const market = marketOf(underlyingOf(), underlyingOf({ symbol: 'ETH' }));
    const model = presetModel('ramm');
    const before = computeMargin(portfolioOf([spotPosition(1, 0), spotPosition(2, 1)]), market, model);
    const only = shockedMargin(before, { ...still, priceMove: -0.5, underlyings: [1] });
    expect(only.profit).toBeCloseTo(-100, 9);
    expect(only.after.market.underlyings.map(({ spot }) => spot)).toEqual([100, 50]);
    expect(shockedMargin(before, { ...still, priceMove: -0.5 }).profit).toBeCloseTo(-150, 9);
  });
});
