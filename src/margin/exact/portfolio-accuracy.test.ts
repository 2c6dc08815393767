/** The proven margin against the same model in double precision with exact functions: the engine's `ramm-core`. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { exampleRound, type SviSurfaces } from '../../market/example-market.ts';
import { canonicalLegs, type Instrument, type Leg, LINEAR } from '../../market/instrument.ts';
import { shockRound } from '../../market/shock.ts';
import {
  DISCOUNT_ONE,
  MAX_DISCOUNT,
  MAX_PILLAR,
  MAX_REALISED_VOLATILITY,
  type MarketRound,
  MIN_PILLAR,
  PILLAR_COUNT,
} from '../../market/words.ts';
import { mulberry32 } from '../../math/float/random.ts';
import { type ComponentId, computeMargin } from '../engine/margin.ts';
import { marketOfRound, portfolioOfLegs } from '../engine/round.ts';
import { collateralOf, componentOf } from '../engine/testing.ts';
import { DEFAULT_PARAMETERS } from '../parameters.ts';
import { rammCoreModel } from '../presets/ramm.ts';
import { ExactValuer } from './shared.ts';

const DEFAULT_SEED = 20250219;
const SEED = Number(process.env.ZKMARGIN_SEED ?? DEFAULT_SEED);
const DEFAULT_PORTFOLIOS = 10_000;
const PORTFOLIOS = Number(process.env.ZKMARGIN_PORTFOLIOS ?? DEFAULT_PORTFOLIOS);
/** Largest error of the mark, of each component and of the whole requirement, of gross notional (sum of |quantity| times spot, and collateral that moves). */
const BOUND = 2e-6;
const PER_ROUND = 250;
/** Portfolios in markets at the ends of what has been seen, and in rounds at the ends of what oracles may report. */
const EXTREMES = Math.max(3_000, PORTFOLIOS / 5);
/** Vols of 1,600 % for years, or pillars of which each is twice its neighbour: no market has such prices, and a scenario's d1 is too coarse for them. */
const BOUND_AT_THE_ENDS = 1e-5;
/** There a realised volatility of 1,600 % meets options at the money with an implied one of 12 %: their charge is many times their notional. */
const BOUND_OF_GAMMA_AT_THE_ENDS = 1e-3;

const surfaces = JSON.parse(
  readFileSync(new URL('../../../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
) as SviSurfaces;

function listed(random: () => number, round: MarketRound): Instrument[] {
  return Array.from({ length: 60 }, () => {
    const expiry = round.expiries[Math.floor(random() * round.expiries.length)]!;
    // From a third to three times the forward, far beyond what is quoted on either side; a third of them within one per cent of it.
    const reach = random() < 1 / 3 ? 1.01 : 3;
    const strike = BigInt(Math.floor((Number(expiry.forward) / 100) * reach ** (2 * random() - 1))) + 1n;
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

/** Takes one of some values. */
function oneBy(random: () => number): <T>(values: readonly T[]) => T {
  return (values) => values[Math.floor(random() * values.length)]!;
}

/**
 * A round at the ends of what markets have shown: volatilities from 12 % to 400 %, flat, skewed or a smile of up to a quarter from pillar to
 * pillar, prices that have moved by up to twice what is implied at the money, discounts from 0.7 to 1.1.
 */
function extremeMarket(random: () => number, round: MarketRound): MarketRound {
  const one = oneBy(random);
  const atTheMoney = one([0.12, 0.2, 0.5, 1, 2, 3, 4]);
  const spacingExponent = ([0, 1, 2, 3] as const).find((e) => atTheMoney <= 2 ** (e - 2) * 1.5) ?? 3;
  return {
    underlying: {
      ...round.underlying,
      realisedVolatility: BigInt(Math.round(2 ** 16 * Math.min(atTheMoney * one([0, 0.5, 1, 2]), 4))),
    },
    expiries: round.expiries.map((expiry) => {
      const [left, right] = [one([0.85, 1, 1.12, 1.25]), one([0.85, 1, 1.12, 1.25])];
      return {
        ...expiry,
        spacingExponent,
        discount: BigInt(Math.round(Number(DISCOUNT_ONE) * one([0.7, 0.95, 1, 1.1]))),
        vols: Array.from({ length: PILLAR_COUNT }, (_, j) => {
          const vol =
            (atTheMoney / 2 ** (spacingExponent - 2)) * (j < 4 ? left ** (4 - j) : right ** (j - 4));
          return BigInt(
            Math.min(Math.max(Math.round(vol * 2 ** 16), Number(MIN_PILLAR)), Number(MAX_PILLAR)),
          );
        }),
      };
    }),
  };
}

/** A round whose volatilities, discounts and realised volatility are at the ends of their ranges, or change by the largest ratios. */
function atTheEnds(random: () => number, round: MarketRound): MarketRound {
  const one = oneBy(random);
  const pillars = [
    new Array<bigint>(PILLAR_COUNT).fill(MIN_PILLAR),
    new Array<bigint>(PILLAR_COUNT).fill(MAX_PILLAR),
    [2n, 1n, 1n, 2n, 2n, 1n, 1n, 2n].map((times) => times * MIN_PILLAR),
    [1n, 2n, 2n, 1n, 1n, 2n, 2n, 1n].map((times) => times * (MAX_PILLAR / 2n)),
  ];
  return {
    underlying: { ...round.underlying, realisedVolatility: one([0n, MAX_REALISED_VOLATILITY]) },
    expiries: round.expiries.map((expiry) => ({
      ...expiry,
      vols: one(pillars),
      spacingExponent: one([0, 1, 2, 3] as const),
      discount: one([DISCOUNT_ONE / 2n, DISCOUNT_ONE, MAX_DISCOUNT]),
    })),
  };
}

/** Largest errors of gross notional, by name. */
function largestErrors(
  portfolios: number,
  perRound: number,
  change: (random: () => number, round: MarketRound) => MarketRound = (_, round) => round,
): Readonly<Record<string, number>> {
  const random = mulberry32(SEED);
  const model = rammCoreModel(DEFAULT_PARAMETERS);
  const scale = 2n ** 40n;
  const worst: Record<string, number> = {};
  let count = 0;
  while (count < portfolios) {
    // Calm days, crashes, and the last hours of the nearest expiry.
    const base = exampleRound(surfaces, random() < 0.5 ? 'BTC' : 'ETH', {
      discount: 0.97 + 0.03 * random(),
    });
    const last = base.expiries[0]!.expiryHour * 3600 - Number(base.underlying.timestamp);
    const shocked = shockRound(base, {
      priceMove: random() * 0.8 - 0.4,
      volMultiplierAt30d: 0.6 + 1.4 * random(),
      secondsLater: Math.floor(random() < 0.3 ? last - 7200 * random() - 1 : random() * last * 0.9),
    });
    const round = change(random, shocked);
    const valuer = new ExactValuer(round, DEFAULT_PARAMETERS);
    const market = marketOfRound(round);
    const spot = market.underlyings[0]!.spot;
    const instruments = listed(random, round);
    for (let index = 0; index < perRound && count < portfolios; index++, count++) {
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
  return worst;
}

describe('accuracy of the proven margin', () => {
  it(`is within ${BOUND} of gross notional on ${PORTFOLIOS} random portfolios (seed ${SEED})`, () => {
    const worst = largestErrors(PORTFOLIOS, PER_ROUND);
    for (const [name, error] of Object.entries(worst)) {
      expect(error, name).toBeLessThan(BOUND);
    }
    if (SEED !== DEFAULT_SEED || PORTFOLIOS !== DEFAULT_PORTFOLIOS) return;
    const text = readFileSync(new URL('../../../docs/margin-model.md', import.meta.url), 'utf8');
    const [reported] = /\(`src\/margin\/exact\/portfolio-accuracy\.test\.ts`\): ([^:]*)\./
      .exec(text)!
      .slice(1);
    for (const [name, error] of Object.entries(worst)) {
      expect(reported).toContain(`${name} ${error.toExponential(1)}`);
    }
  });

  it(`is within ${BOUND} in ${EXTREMES} portfolios at the ends of what markets have shown (seed ${SEED})`, () => {
    for (const [name, error] of Object.entries(largestErrors(EXTREMES, 50, extremeMarket))) {
      expect(error, name).toBeLessThan(BOUND);
    }
  });

  it(`is within ${BOUND_AT_THE_ENDS}, and ${BOUND_OF_GAMMA_AT_THE_ENDS} by gamma, at the ends of what oracles may report (seed ${SEED})`, () => {
    for (const [name, error] of Object.entries(largestErrors(EXTREMES, 50, atTheEnds))) {
      const isGamma = name === 'gamma' || name === 'requirement';
      expect(error, name).toBeLessThan(isGamma ? BOUND_OF_GAMMA_AT_THE_ENDS : BOUND_AT_THE_ENDS);
    }
  });
});
