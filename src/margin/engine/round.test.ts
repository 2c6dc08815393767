/**
 * The engine's `ramm-core` against the integers that are proven.
 *
 * Tolerance: the exact model quantises each option's probabilities, which is at most `1e-7 (F + K) + 2e-7 F` of its price
 * at the mark and at most 2.5 times that in a scenario (docs/margin-model.md, 7.5; measured 4.3e-7 and 1.7e-6 F), and a
 * vol multiplier within 2^-18 (its last place is 2^-22, its power of two has an error below 7e-7), which is `vega σ 2^-18`
 * of a shocked price. `5e-7 (F + K)` holds the first, three times it both prices of a damped change of value; the second
 * is added once. All is times the maintenance factor.
 *
 * Charges rest on the delta and the density at d1, which has 20 bits and a strike's logarithm within 4e-7: they are within 0.4 × 2^-11
 * and 0.25 × 2^-11. A step in deviations has 21 bits, a tenor 16 seconds, a tenor factor is within 2^-18.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { exampleRound, type SviSurfaces } from '../../market/example-market.ts';
import { shockRound } from '../../market/shock.ts';
import { SCALE_ONE } from '../exact/bounds.ts';
import { exactMargin } from '../exact/margin.ts';
import { exampleBook } from '../example-book.ts';
import { DEFAULT_PARAMETERS, type RiskParameters } from '../parameters.ts';
import { rammCoreModel, rammModel } from '../presets/ramm.ts';
import { computeMargin } from './margin.ts';
import { marketOfRound, portfolioOfLegs } from './round.ts';
import type { Portfolio } from './state.ts';
import { collateralOf, componentOf } from './testing.ts';
import { tenorRatio } from './valuation.ts';

const surfaces = JSON.parse(
  readFileSync(new URL('../../../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
) as SviSurfaces;

const harsh: RiskParameters = {
  ...DEFAULT_PARAMETERS,
  volShockUp: 8_192,
  tenorFloor: 259_200,
  tenorPowerShort: 128,
  maintenanceFactor: 6_000,
  shortOptionRate: 2_000,
  horizonSeconds: 86_400,
  basisMinimum: 4_000,
  basisPerTenor: 4_096,
  interestPerTenor: 4_000,
  gammaRate: 16_384,
  vegaRate: 65_536,
};

describe.each([
  ['BTC', DEFAULT_PARAMETERS, 0.99],
  ['ETH', DEFAULT_PARAMETERS, 1],
  ['BTC', harsh, 1],
] as const)('%s', (symbol, parameters, discount) => {
  const opening = exampleRound(surfaces, symbol, { discount });
  const shocked = shockRound(opening, { priceMove: -0.12, volMultiplierAt30d: 1.35, secondsLater: 3_600 });
  const crash = shockRound(opening, { priceMove: -0.45, volMultiplierAt30d: 2.5, secondsLater: 86_400 });
  const book = exampleBook({ opening, shocked, parameters, seed: 20_250_219, count: 120 });
  const model = rammCoreModel(parameters);
  const full = rammModel(parameters);
  const factor = parameters.maintenanceFactor / 4_096;

  it.each([
    ['calm', opening],
    ['shocked', shocked],
    ['crash', crash],
  ])('%s: mark and every component of 120 accounts equal the exact integers', (_, round) => {
    const market = marketOfRound(round);
    let compared = 0;
    let offsetting = 0;
    for (const [index, account] of book.entries()) {
      const scale = SCALE_ONE / BigInt(1 + (compared % 3));
      const legs = portfolioOfLegs(
        account.legs,
        Number(account.cash) / 1e6,
        Number(scale) / Number(SCALE_ONE),
        market,
      );
      if (legs === undefined) continue;
      // Of nine accounts eight have collateral of the underlying, up to half of what the legs stand for. What a haircut
      // leaves of it moves.
      const contracts = account.legs.reduce(
        (sum, { quantity }) => sum + (quantity < 0n ? -quantity : quantity),
        0n,
      );
      const gross = (contracts * scale * round.underlying.spot) / (SCALE_ONE * 1_000_000n);
      const movingCollateral = (gross * BigInt(index % 9)) / 16n;
      const moving = Number(movingCollateral) / 1e6;
      const kept = 0.88 * 0.97;
      const portfolio: Portfolio = {
        ...legs,
        collateral: [
          collateralOf(moving / kept, {
            maintenanceHaircut: 1 - kept,
            initialHaircut: 1 - kept,
            offsets: { underlying: 0, fraction: kept },
          }),
        ],
      };
      const exact = exactMargin({ legs: account.legs, scale, movingCollateral }, round, parameters);
      const alone = exactMargin({ legs: account.legs, scale }, round, parameters);
      if (exact.requirement < alone.requirement) offsetting++;
      const margin = computeMargin(portfolio, market, model);
      let mark = 0;
      let vega = 0;
      let notional = 0;
      const tolerance = { basis: 0, interest: 0, gamma: 0, vega: 0 };
      const { realisedVolatility } = market.underlyings[0]!;
      const root = Math.sqrt(parameters.horizonSeconds / 31_536_000);
      const fourSteps = ((4 * parameters.priceStep) / 2 ** 20) * Math.LN2;
      const gammaCost = ((parameters.gammaRate / 4_096) * 2 * (realisedVolatility * root) ** 2) / fourSteps;
      const vegaCost = ((parameters.vegaRate / 65_536) * parameters.volShockUp) / 2 ** 14;
      for (const { position, forward, greeks, volatility } of margin.valued) {
        if (position.kind !== 'option') continue;
        mark += Math.abs(position.quantity) * 5e-7 * (forward + position.strike);
        notional += Math.abs(position.quantity) * forward;
        // Vega of a shocked state may exceed today's; at the money it is the largest, F √T n(0).
        const { secondsToExpiry } = market.underlyings[0]!.expiries[position.expiry]!;
        const most = 0.4 * forward * 2 * Math.sqrt(Math.max(secondsToExpiry, 3_600) / 31_536_000);
        vega += Math.abs(position.quantity) * Math.max(most, Math.abs(greeks.vega)) * volatility * 2 ** -18;
        const size = Math.abs(position.quantity) * forward;
        const deviation = volatility * Math.sqrt(Math.max(secondsToExpiry, 3_600) / 31_536_000);
        const move =
          parameters.basisMinimum / 65_536 + (parameters.basisPerTenor / 2 ** 36) * (secondsToExpiry / 16);
        const interest = (parameters.interestPerTenor / 2 ** 36) * (secondsToExpiry / 16);
        const unit = 16 / 31_536_000;
        tolerance.basis += size * (2e-4 * move + 0.15 * unit);
        tolerance.interest += 5e-7 * Math.abs(position.quantity) * (forward + position.strike) * interest;
        tolerance.interest += Math.abs(greeks.price) * 0.15 * unit;
        tolerance.gamma += size * gammaCost * (1.3e-4 * (fourSteps / deviation) + 0.4 * 2 ** -14);
        tolerance.vega +=
          size * vegaCost * tenorRatio(model, secondsToExpiry) * deviation * (1.3e-4 + 0.4 * 2 ** -17);
      }
      const units = 1e-6 * (2 + account.legs.length);
      const near = (value: number, integer: bigint, tolerance: number) =>
        expect(Math.abs(value - Number(integer) / 1e6)).toBeLessThanOrEqual(tolerance + units);
      near(margin.equity.total - portfolio.cash - moving, exact.mark, mark);
      // The price factors' own error.
      const scan = factor * (3 * mark + vega + 1e-6 * moving);
      near(componentOf(margin, 'scan').maintenance, exact.scanRequirement, scan);
      near(componentOf(margin, 'shortOption').maintenance, exact.shortOptionMinimum, 0);
      // The horizon's root is floored to 2^-20.
      const buffer = componentOf(margin, 'horizon').maintenance;
      const delta = 2e-4 * notional * realisedVolatility * root + (buffer * 2 ** -20) / root;
      near(buffer, exact.horizonBuffer, delta);
      near(componentOf(margin, 'expiryBasis').maintenance, exact.basisCharge, tolerance.basis);
      near(componentOf(margin, 'expiryInterest').maintenance, exact.interestCharge, tolerance.interest);
      near(componentOf(margin, 'gamma').maintenance, exact.gammaCharge, tolerance.gamma);
      near(componentOf(margin, 'vegaShock').maintenance, exact.vegaCharge, tolerance.vega);
      const charges = delta + tolerance.basis + tolerance.interest + tolerance.gamma + tolerance.vega;
      near(margin.maintenanceRequirement, exact.requirement, scan + charges);
      expect(margin.initialRequirement).toBe(margin.maintenanceRequirement);
      const { maintenanceRequirement } = computeMargin(portfolio, market, full);
      expect(maintenanceRequirement).toBeCloseTo(margin.maintenanceRequirement, 6);
      compared++;
    }
    expect(compared).toBeGreaterThan(90);
    expect(offsetting).toBeGreaterThan(3);
    expect(offsetting).toBeLessThan(compared - 10);
  });
});

describe('rounds as markets', () => {
  it('drops what has expired, and a leg of it makes the portfolio unknown', () => {
    const opening = exampleRound(surfaces, 'BTC');
    const first = opening.expiries[0]!;
    const later = shockRound(opening, {
      priceMove: 0,
      volMultiplierAt30d: 1,
      secondsLater: first.expiryHour * 3_600 - Number(opening.underlying.timestamp),
    });
    const market = marketOfRound(later);
    expect(market.underlyings[0]!.expiries.length).toBe(opening.expiries.length - 1);
    expect(market.underlyings[0]!.symbol).toBe('BTC');
    const leg = {
      instrument: { kind: 'call', expiryHour: first.expiryHour, strike: 960_000_000n },
      quantity: 1_000_000n,
    } as const;
    expect(portfolioOfLegs([leg], 0, 1, market)).toBeUndefined();
    expect(portfolioOfLegs([leg], 0, 1, marketOfRound(opening))!.positions).toMatchObject([
      { kind: 'option', expiry: 0, strike: 96_000, isCall: true, quantity: 1, id: 'BTC-28FEB25-96000-C' },
    ]);
  });
});
