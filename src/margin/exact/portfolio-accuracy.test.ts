/** The proven margin against the same model in double precision with exact functions: the engine's `ramm-core`. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { exampleRound, type SviSurfaces } from '../../market/example-market.ts';
import { canonicalLegs, type Instrument, type Leg, LINEAR } from '../../market/instrument.ts';
import { shockRound } from '../../market/shock.ts';
import type { MarketRound } from '../../market/words.ts';
import { mulberry32 } from '../../math/float/random.ts';
import { type ComponentId, computeMargin } from '../engine/margin.ts';
import { marketOfRound, portfolioOfLegs } from '../engine/round.ts';
import { collateralOf, componentOf } from '../engine/testing.ts';
import { DEFAULT_PARAMETERS } from '../parameters.ts';
import { rammCoreModel } from '../presets/ramm.ts';
import { ExactValuer } from './shared.ts';

const SEED = Number(process.env.ZKMARGIN_SEED ?? 20250219);
const PORTFOLIOS = Number(process.env.ZKMARGIN_PORTFOLIOS ?? 10_000);
/** Largest error of the mark, of each component and of the whole requirement, of gross notional (sum of |quantity| times spot, and collateral that moves). */
const BOUND = 2e-6;
const PER_ROUND = 250;

const surfaces = JSON.parse(
  readFileSync(new URL('../../../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
) as SviSurfaces;

function listed(random: () => number, round: MarketRound): Instrument[] {
  return Array.from({ length: 60 }, () => {
    const expiry = round.expiries[Math.floor(random() * round.expiries.length)]!;
    // From a third to three times the forward: far beyond what is quoted on either side.
    const strike = BigInt(Math.floor((Number(expiry.forward) / 100) * 3 ** (2 * random() - 1))) + 1n;
    return { kind: random() < 0.5 ? 'call' : 'put', expiryHour: expiry.expiryHour, strike } as const;
  });
}

function portfolio(random: () => number, instruments: readonly Instrument[]): Leg[] {
  const count = 1 + Math.floor(random() * 12);
  const legs: Leg[] = [];
  for (let index = 0; index < count; index++) {
    const instrument = random() < 0.1 ? LINEAR : instruments[Math.floor(random() * instruments.length)]!;
    const quantity = BigInt(Math.ceil(1e6 * 10 ** (3 * random() - 1))) * (random() < 0.6 ? -1n : 1n);
    legs.push({ instrument, quantity });
  }
  return canonicalLegs(legs);
}

describe('accuracy of the proven margin', () => {
  it(`is within ${BOUND} of gross notional on ${PORTFOLIOS} random portfolios (seed ${SEED})`, () => {
    const random = mulberry32(SEED);
    const model = rammCoreModel(DEFAULT_PARAMETERS);
    const scale = 2n ** 40n;
    const worst: Record<string, number> = {};
    let count = 0;
    while (count < PORTFOLIOS) {
      // Calm days, crashes, and the last hours of the nearest expiry.
      const base = exampleRound(surfaces, random() < 0.5 ? 'BTC' : 'ETH', {
        discount: 0.97 + 0.03 * random(),
      });
      const last = base.expiries[0]!.expiryHour * 3600 - Number(base.underlying.timestamp);
      const round = shockRound(base, {
        priceMove: random() * 0.8 - 0.4,
        volMultiplierAt30d: 0.6 + 1.4 * random(),
        secondsLater: Math.floor(random() < 0.3 ? last - 7200 * random() - 1 : random() * last * 0.9),
      });
      const valuer = new ExactValuer(round, DEFAULT_PARAMETERS);
      const market = marketOfRound(round);
      const spot = market.underlyings[0]!.spot;
      const instruments = listed(random, round);
      for (let index = 0; index < PER_ROUND && count < PORTFOLIOS; index++, count++) {
        const legs = portfolio(random, instruments);
        if (legs.length === 0) continue;
        const contracts = legs.reduce((sum, { quantity }) => sum + Math.abs(Number(quantity)) / 1e6, 0);
        // Half of them with collateral of the underlying, from a thousandth of what the legs stand for to thirty times it.
        const value = random() < 0.5 ? 0 : contracts * spot * 0.001 * 30_000 ** random();
        const movingCollateral = BigInt(Math.floor(value * 1e6));
        const moving = Number(movingCollateral) / 1e6;
        const exact = valuer.margin({ legs, scale, movingCollateral });
        const collateral = [collateralOf(moving, { offsets: { underlying: 0, fraction: 1 } })];
        const held = portfolioOfLegs(legs, 0, 1, market)!;
        const float = computeMargin({ ...held, collateral }, market, model);
        const notional = contracts * spot + moving;
        const compare = (name: string, integer: bigint, value: number) => {
          const error = Math.abs(Number(integer) / 1e6 - value) / notional;
          worst[name] = Math.max(worst[name] ?? 0, error);
        };
        const component = (id: ComponentId) => componentOf(float, id).maintenance;
        compare('mark', exact.mark, float.equity.total - moving);
        compare('requirement', exact.requirement, float.maintenanceRequirement);
        compare('scan', exact.scanRequirement, component('scan'));
        compare('shortOption', exact.shortOptionMinimum, component('shortOption'));
        compare('horizon', exact.horizonBuffer, component('horizon'));
        compare('basis', exact.basisCharge, component('expiryBasis'));
        compare('interest', exact.interestCharge, component('expiryInterest'));
        compare('gamma', exact.gammaCharge, component('gamma'));
        compare('vega', exact.vegaCharge, component('vegaShock'));
      }
    }
    const shown = Object.entries(worst).map(([name, error]) => `${name} ${error.toExponential(2)}`);
    console.log(`largest errors of gross notional: ${shown.join(', ')}`);
    expect(Object.keys(worst)).toHaveLength(9);
    for (const [name, error] of Object.entries(worst)) {
      expect(error, name).toBeLessThan(BOUND);
    }
  });
});
