/** Every add-on against a number that was computed by hand, on a market of spot 100 and a flat vol of 50 %. */
import { describe, expect, it } from 'vitest';
import { black76, black76Price } from '../../math/float/black76.ts';
import { presetModel } from '../presets/index.ts';
import { computeMargin } from './margin.ts';
import type { AddOn, MarginModel } from './model.ts';
import type { Portfolio } from './state.ts';
import {
  collateralOf,
  componentOf,
  DAY,
  expiryOf,
  future,
  marketOf,
  option,
  perpetual,
  portfolioOf,
  spotPosition,
  underlyingOf,
  withAddOns,
} from './testing.ts';

const core = presetModel('ramm-core');
const YEAR = 365;
const rates = { maintenance: 1, initial: 2 };
const both = marketOf(
  underlyingOf(),
  underlyingOf({ symbol: 'ETH', spot: 10, expiries: [expiryOf({ forward: 10 })] }),
);
const twoExpiries = marketOf(
  underlyingOf({ expiries: [expiryOf(), expiryOf({ secondsToExpiry: 90 * DAY, forward: 102 })] }),
);

function measure(addOn: AddOn, portfolio: Portfolio, market = marketOf(), model: MarginModel = core) {
  const margin = computeMargin(portfolio, market, withAddOns(model, addOn));
  const component = componentOf(margin, addOn.kind);
  // What positions and collateral have in a base is the base; rates apply to it.
  let parts = 0;
  for (const part of component.positions) parts += part;
  for (const part of component.collateral) parts += part;
  expect(parts).toBeCloseTo(component.base, 9);
  expect(component.maintenance).toBe(component.base * addOn.maintenance);
  expect(component.initial).toBe(component.base * addOn.initial);
  return component;
}

// At the money, 30 days, vol 0.5: s = 0.5 √(30/365) = 0.1433459, d1 = s/2 = 0.0716730, n(d1) = 0.3979189.
const s = 0.5 * Math.sqrt(30 / YEAR);
const density = Math.exp(-((s / 2) ** 2) / 2) / Math.sqrt(2 * Math.PI);

describe('gamma', () => {
  const addOn: AddOn = { kind: 'gamma', ...rates, deviations: 2, windowSeconds: 1_800 };

  it('is half the dollar gamma that is short times the square of the move', () => {
    // gamma$ = n(d1)/(F s) F² = 277.593; h² = (2 × 0.5)² × 1800 / 31,536,000 = 5.70776e-5; ½ × 277.593 × h² = 0.00792221
    const { base } = measure(addOn, portfolioOf([option('C', 100, -1)]));
    expect(base).toBeCloseTo((0.5 * (100 * density) * 1_800) / 31_536_000 / s, 12);
    expect(base).toBeCloseTo(0.007_922_21, 8);
  });

  it('nets within an underlying, not between two, and is 0 for who is long or where nothing moves', () => {
    const short = portfolioOf([option('C', 100, -1), option('P', 100, 1)]);
    expect(measure(addOn, short).base).toBe(0);
    expect(measure(addOn, portfolioOf([option('C', 100, 2)])).base).toBe(0);
    const crossed = portfolioOf([option('C', 100, -1), option('C', 10, 100, { underlying: 1 })]);
    expect(measure(addOn, crossed, both).base).toBeCloseTo(0.007_922_21, 8);
    const still = marketOf(underlyingOf({ realisedVolatility: 0 }));
    expect(measure(addOn, portfolioOf([option('C', 100, -1)]), still).base).toBe(0);
  });
});

describe('vegaShock', () => {
  const addOn: AddOn = { kind: 'vegaShock', ...rates };
  // Vega times vol is F n(d1) s = 100 × 0.3979189 × 0.1433459 = 5.70399 at the money; the tenor factor is 1 at 30 days.
  const vega = 100 * density * s;

  it('is the first-order loss from a shock up when short, and from one down when long', () => {
    expect(vega).toBeCloseTo(5.703_99, 5);
    // 7,373 / 2^14 up, 1/4 down.
    expect(measure(addOn, portfolioOf([option('C', 100, -2)])).base).toBeCloseTo(
      (2 * vega * 7_373) / 16_384,
      9,
    );
    expect(measure(addOn, portfolioOf([option('P', 100, 2)])).base).toBeCloseTo((2 * vega) / 4, 9);
    expect(measure(addOn, portfolioOf([spotPosition(3), future(2), perpetual(-1)])).base).toBe(0);
  });

  it('weighs expiries by their tenor factor, nets within each, and charges them and two underlyings apart', () => {
    const later = marketOf(
      underlyingOf({ expiries: [expiryOf(), expiryOf({ secondsToExpiry: 120 * DAY })] }),
    );
    const far = 2 * s;
    const farVega =
      100 * (Math.exp(-((far / 2) ** 2) / 2) / Math.sqrt(2 * Math.PI)) * far * 0.25 ** (33 / 256);
    const calendar = portfolioOf([option('C', 100, -1), option('C', 100, 1, { expiry: 1 })]);
    expect(measure(addOn, calendar, later).base).toBeCloseTo((vega * 7_373) / 16_384 + farVega / 4, 9);
    expect(measure(addOn, portfolioOf([option('C', 100, -1), option('P', 100, 1)])).base).toBeCloseTo(0, 10);
    const apart = portfolioOf([option('C', 100, -1), option('C', 10, 10, { underlying: 1 })]);
    expect(measure(addOn, apart, both).base).toBeCloseTo(vega * (7_373 / 16_384 + 0.25), 9);
  });

  it('is in vol points where the model’s shocks are', () => {
    const points: MarginModel = { ...core, volShock: { ...core.volShock, unit: 'absolute', up: 0.2 } };
    const short = measure(addOn, portfolioOf([option('C', 100, -1)]), marketOf(), points);
    expect(short.base).toBeCloseTo((vega / 0.5) * 0.2, 9);
  });
});

describe('expiryBasis', () => {
  const addOn: AddOn = { kind: 'expiryBasis', ...rates, minimum: 0.005, perYear: 0.08 };
  const near = 0.005 + (0.08 * 30) / YEAR;
  const far = 0.005 + (0.08 * 90) / YEAR;

  it('is the dollar delta of each expiry times the move of its forward', () => {
    // N(d1) of the call at the money is 0.528569.
    const call = measure(addOn, portfolioOf([option('C', 100, -1)]));
    expect(call.base).toBeCloseTo(52.8569 * near, 6);
    expect(measure(addOn, portfolioOf([spotPosition(5), perpetual(-5)])).base).toBe(0);
    const futures = portfolioOf([future(1), future(-2, { expiry: 1 })]);
    expect(measure(addOn, futures, twoExpiries).base).toBeCloseTo(100 * near + 204 * far, 10);
  });

  it('sees synthetic forwards against linear legs and across expiries, and nets futures with their options', () => {
    const synthetic = (size: number, expiry = 0) => [
      option('C', 100, size, { expiry }),
      option('P', 100, -size, { expiry }),
    ];
    const against = portfolioOf([spotPosition(-1), ...synthetic(1)]);
    expect(measure(addOn, against).base).toBeCloseTo(100 * near, 10);
    const calendar = portfolioOf([...synthetic(1), ...synthetic(-1, 1)]);
    expect(measure(addOn, calendar, twoExpiries).base).toBeCloseTo(100 * near + 102 * far, 10);
    expect(measure(addOn, portfolioOf([future(-1), ...synthetic(1)])).base).toBeCloseTo(0, 10);
  });
});

describe('expiryInterest', () => {
  const addOn: AddOn = { kind: 'expiryInterest', ...rates, perYear: 0.05 };

  it('is the value of each expiry’s options times the move of its discount factor', () => {
    const price = black76Price('call', 100, 100, 30 / YEAR, 0.5);
    const share = (0.05 * 30) / YEAR;
    expect(measure(addOn, portfolioOf([option('C', 100, -2)])).base).toBeCloseTo(2 * price * share, 10);
    // A box between 90 and 110 is a loan of 20.
    const box = [option('C', 90, 1), option('P', 90, -1), option('C', 110, -1), option('P', 110, 1)];
    expect(measure(addOn, portfolioOf(box)).base).toBeCloseTo(20 * share, 10);
    expect(measure(addOn, portfolioOf([future(5), perpetual(3), spotPosition(2)])).base).toBe(0);
  });

  it('does not net two expiries', () => {
    const near = portfolioOf([option('C', 100, -1)]);
    const far = portfolioOf([option('C', 100, 1, { expiry: 1 })]);
    const calendar = portfolioOf([...near.positions, ...far.positions]);
    const apart = measure(addOn, near, twoExpiries).base + measure(addOn, far, twoExpiries).base;
    expect(measure(addOn, calendar, twoExpiries).base).toBeCloseTo(apart, 12);
  });
});

describe('horizon', () => {
  const addOn: AddOn = { kind: 'horizon', ...rates, seconds: 1_800 };
  // σ √(1800 / 31,536,000) = 0.5 × 0.007554973 = 0.00377748678.
  const move = 0.003_777_486_78;

  it('is one deviation of the dollar delta, by hand', () => {
    expect(measure(addOn, portfolioOf([spotPosition(3)])).base).toBeCloseTo(300 * move, 7);
    expect(measure(addOn, portfolioOf([perpetual(-3)])).base).toBeCloseTo(300 * move, 7);
    // N(d1) of the call at the money: N(0.071673) = 0.528569.
    expect(measure(addOn, portfolioOf([option('C', 100, -1)])).base).toBeCloseTo(52.8569 * move, 5);
  });

  it('nets hedges and collateral that offsets risk; collateral that does not is left out', () => {
    expect(measure(addOn, portfolioOf([spotPosition(3), perpetual(-3)])).base).toBe(0);
    const collateral = [collateralOf(300, { offsets: { underlying: 0, fraction: 0.5 } })];
    expect(measure(addOn, portfolioOf([perpetual(-3)], { collateral })).base).toBeCloseTo(150 * move, 7);
    expect(
      measure(addOn, portfolioOf([perpetual(-3)], { collateral: [collateralOf(300)] })).base,
    ).toBeCloseTo(300 * move, 7);
  });

  it('underlyings do not hedge each other, and no realised vol is no buffer', () => {
    const crossed = measure(addOn, portfolioOf([spotPosition(1), spotPosition(-10, 1)]), both);
    expect(crossed.base).toBeCloseTo(200 * move, 7);
    const still = marketOf(underlyingOf({ realisedVolatility: 0 }));
    expect(measure(addOn, portfolioOf([spotPosition(1)]), still).base).toBe(0);
  });
});

describe('shortOption', () => {
  const addOn: AddOn = { kind: 'shortOption', maintenance: 0.01, initial: 0.02, combine: 'add' };

  it('counts what is short net at each strike of each expiry, calls and puts together', () => {
    const legs = [
      option('C', 100, -3),
      option('P', 100, 1),
      option('C', 110, -2),
      option('P', 90, 5),
      option('C', 100, -1, { expiry: 1 }),
    ];
    // (3 - 1) + 2 + 1 of spot 100.
    expect(measure(addOn, portfolioOf(legs), twoExpiries).base).toBe(500);
    expect(measure(addOn, portfolioOf([option('C', 100, -1), option('P', 100, 1)])).base).toBe(0);
  });

  it('as a floor it lifts a smaller requirement and adds nothing to a larger one', () => {
    const floor: AddOn = { ...addOn, combine: 'floor' };
    const model = withAddOns(core, floor);
    const far = marketOf(underlyingOf({ expiries: [expiryOf({ secondsToExpiry: DAY, volatility: 0.2 })] }));
    const lifted = computeMargin(portfolioOf([option('C', 300, -4)]), far, model);
    expect(lifted.scan.loss).toBeLessThan(1e-9);
    expect(lifted.maintenanceRequirement).toBeCloseTo(4, 9);
    expect(lifted.initialRequirement).toBeCloseTo(8, 9);
    const large = computeMargin(portfolioOf([option('C', 100, -4)]), marketOf(), model);
    expect(componentOf(large, 'floor').maintenance).toBe(0);
    expect(large.maintenanceRequirement).toBe(componentOf(large, 'scan').maintenance);
  });
});

describe('basis', () => {
  const addOn: AddOn = {
    kind: 'basis',
    ...rates,
    upFactor: 1.05,
    downFactor: 0.95,
    constant: 0.1,
    perYear: 2,
    combine: 'add',
  };
  const lossUp =
    black76Price('call', 105, 100, 30 / YEAR, 0.5) - black76Price('call', 100, 100, 30 / YEAR, 0.5);

  it('is the loss of the worse move times its share by tenor, by expiry', () => {
    // Share of 30 days: 0.1 + 2 × 30/365 = 0.264384.
    const share = 0.1 + (2 * 30) / YEAR;
    expect(measure(addOn, portfolioOf([option('C', 100, -1)])).base).toBeCloseTo(lossUp * share, 9);
    expect(measure(addOn, portfolioOf([option('C', 100, -1)])).base).toBeCloseTo(0.787_385, 6);
    // A future of 102 in 90 days loses 5.1 on the way down; its share is 0.1 + 2 × 90/365 = 0.593151.
    const other = measure(addOn, portfolioOf([future(1, { expiry: 1 })]), twoExpiries);
    expect(other.base).toBeCloseTo(5.1 * (0.1 + 180 / 365), 9);
  });

  it('does not net two expiries, and a straddle that gains both ways pays nothing', () => {
    const calendar = portfolioOf([option('C', 100, -1), option('C', 100, 1, { expiry: 1 })]);
    const long = portfolioOf([option('C', 100, 1, { expiry: 1 })]);
    const apart = measure(addOn, long, twoExpiries).base + lossUp * (0.1 + 60 / YEAR);
    expect(measure(addOn, calendar, twoExpiries).base).toBeCloseTo(apart, 9);
    const straddle = portfolioOf([option('C', 100.5, 1), option('P', 100.5, 1)]);
    expect(measure({ ...addOn, upFactor: 1.1, downFactor: 0.9 }, straddle).base).toBe(0);
  });

  it('as a candidate for the worst scenario it is in the scan, and adds nothing itself', () => {
    const worst: AddOn = { ...addOn, combine: 'worst', constant: 100 };
    const model = withAddOns(core, worst);
    const margin = computeMargin(portfolioOf([option('C', 100, -1)]), marketOf(), model);
    expect(margin.components.map(({ id }) => id)).toEqual(['scan']);
    expect(margin.scan.loss).toBeCloseTo(lossUp * (100 + 60 / YEAR), 9);
    expect(margin.scan.ownWorst[0]).toBe(model.scenarios.length);
    const small = computeMargin(
      portfolioOf([option('C', 100, -1)]),
      marketOf(),
      withAddOns(core, { ...worst, constant: 0 }),
    );
    expect(small.scan.loss).toBe(
      computeMargin(portfolioOf([option('C', 100, -1)]), marketOf(), core).scan.loss,
    );
  });
});

describe('perpetual', () => {
  it('is their size at spot, gross of settlement', () => {
    const addOn: AddOn = { kind: 'perpetual', ...rates };
    expect(measure(addOn, portfolioOf([perpetual(-3)])).base).toBe(300);
    expect(measure(addOn, portfolioOf([perpetual(-3), perpetual(2, { inverse: true })])).base).toBe(500);
    expect(measure(addOn, portfolioOf([future(3), spotPosition(2)])).base).toBe(0);
  });
});

describe('calendarSpread', () => {
  const addOn: AddOn = { kind: 'calendarSpread', ...rates };

  it('is the dollar delta that is hedged in another expiry', () => {
    // +3 × 100 against -2 × 102: spread 204. Half of 300 + 204 less 96.
    const legs = [future(3), future(-2, { expiry: 1 })];
    expect(measure(addOn, portfolioOf(legs), twoExpiries).base).toBeCloseTo(204, 10);
    expect(measure(addOn, portfolioOf([future(3), future(2, { expiry: 1 })]), twoExpiries).base).toBe(0);
    expect(measure(addOn, portfolioOf([future(3), option('P', 1_000, -3)]), twoExpiries).base).toBeCloseTo(
      0,
      6,
    );
    // In balance, half of the gross is spread.
    const even = [future(1.02), future(-1, { expiry: 1 })];
    expect(measure(addOn, portfolioOf(even), twoExpiries).base).toBeCloseTo(102, 10);
  });
});

describe('roll', () => {
  const addOn: AddOn = { kind: 'roll', ...rates, annualRate: 0.075, minimumRate: 0.01 };

  it('is each expiry’s delta times the move of its basis, at least the least rate', () => {
    // 90 days: 0.075 × 90/365 = 0.0184932; 30 days: 0.0061644, so 0.01.
    expect(measure(addOn, portfolioOf([future(-2, { expiry: 1 })]), twoExpiries).base).toBeCloseTo(
      204 * 0.075 * (90 / 365),
      10,
    );
    expect(measure(addOn, portfolioOf([future(-2)])).base).toBeCloseTo(2, 12);
    expect(measure(addOn, portfolioOf([future(-2), future(2, { expiry: 1 })]), twoExpiries).base).toBeCloseTo(
      2 + 204 * 0.075 * (90 / 365),
      10,
    );
  });

  it('in coin an inverse contract counts its size', () => {
    const coin = presetModel('deribit');
    const component = measure(addOn, portfolioOf([perpetual(0.5, { inverse: true })]), marketOf(), coin);
    expect(component.base).toBeCloseTo(0.005, 15);
  });
});

describe('deltaConcentration', () => {
  const addOn: AddOn = { kind: 'deltaConcentration', ...rates, thresholdUsd: 1_000, maximumRate: 0.1 };

  it('is 0 up to the threshold, grows on the way to twice of it, and is the full rate beyond', () => {
    expect(measure(addOn, portfolioOf([perpetual(10)])).base).toBe(0);
    // 1500 USD: 1500 × 0.1 × 0.5.
    expect(measure(addOn, portfolioOf([perpetual(15)])).base).toBeCloseTo(75, 10);
    expect(measure(addOn, portfolioOf([perpetual(-20)])).base).toBeCloseTo(200, 10);
    expect(measure(addOn, portfolioOf([perpetual(-40)])).base).toBeCloseTo(400, 10);
    expect(measure(addOn, portfolioOf([perpetual(-40), spotPosition(40)])).base).toBe(0);
  });

  it('is not homogeneous: twice the position needs more than twice the charge', () => {
    const one = measure(addOn, portfolioOf([perpetual(15)])).base;
    expect(measure(addOn, portfolioOf([perpetual(30)])).base).toBeGreaterThan(2 * one);
  });
});

describe('oracleConfidence', () => {
  const addOn: AddOn = { kind: 'oracleConfidence', ...rates, threshold: 0.55 };
  const doubtful = (spot: number, expiry: number, perp: number) =>
    marketOf(
      underlyingOf({
        spotConfidence: spot,
        perpetual: { price: 100, confidence: perp },
        expiries: [expiryOf({ confidence: expiry })],
      }),
    );

  it('is (1 - confidence) of the notional where the least of the feeds is below the threshold', () => {
    const call = portfolioOf([option('C', 120, -2)]);
    expect(measure(addOn, call, doubtful(1, 0.5, 1)).base).toBe(100);
    expect(measure(addOn, call, doubtful(0.25, 0.5, 1)).base).toBe(150);
    // The perpetual's feed matters only to who holds one; 0.55 itself is not below 0.55.
    expect(measure(addOn, call, doubtful(1, 0.55, 0)).base).toBe(0);
    const held = portfolioOf([option('C', 120, -2), perpetual(1)]);
    expect(measure(addOn, held, doubtful(1, 1, 0.5)).base).toBe(150);
  });

  it('charges collateral by the lesser of its own confidence and the spots’', () => {
    const portfolio = portfolioOf([], { collateral: [collateralOf(1_000, { confidence: 0.4 })] });
    expect(measure(addOn, portfolio, doubtful(1, 1, 1)).base).toBe(600);
    expect(measure(addOn, portfolio, doubtful(0.3, 1, 1)).base).toBe(700);
  });

  it('a confidence above 1 gives nothing back', () => {
    const odd: AddOn = { ...addOn, threshold: 10 };
    const call = option('C', 120, -2);
    expect(measure(odd, portfolioOf([call]), doubtful(5, 5, 5)).base).toBe(0);
    // Nor does it pay for what another position is charged.
    const both = portfolioOf([call], { collateral: [collateralOf(100, { confidence: 0.5 })] });
    expect(measure(odd, both, doubtful(5, 5, 5)).base).toBe(50);
  });
});

describe('collateral', () => {
  const portfolio = portfolioOf([], {
    cash: 10,
    collateral: [
      collateralOf(1_000, { maintenanceHaircut: 0.1, initialHaircut: 0.15 }),
      collateralOf(500, { maintenanceHaircut: 0.02, initialHaircut: 0.04 }),
    ],
  });

  it('taken off equity: the requirement at the maintenance level is 0, the initial one the difference', () => {
    const margin = computeMargin(portfolio, marketOf(), core);
    expect(margin.equity.haircut).toBeCloseTo(110, 12);
    expect(margin.equity.total).toBeCloseTo(1_400, 12);
    expect(componentOf(margin, 'collateralHaircut').maintenance).toBe(0);
    expect(componentOf(margin, 'collateralHaircut').initial).toBeCloseTo(60, 12);
  });

  it('added to the requirement: equity is the whole value, margins are the same', () => {
    const margin = computeMargin(portfolio, marketOf(), presetModel('pmrm2'));
    expect(margin.equity.total).toBe(1_510);
    expect(componentOf(margin, 'collateralHaircut').maintenance).toBeCloseTo(110, 12);
    expect(componentOf(margin, 'collateralHaircut').initial).toBeCloseTo(170, 12);
    const other = computeMargin(portfolio, marketOf(), core);
    expect(margin.maintenanceMargin).toBeCloseTo(other.maintenanceMargin, 10);
    expect(margin.initialMargin).toBeCloseTo(other.initialMargin, 10);
  });
});

describe('settlement asset below its peg', () => {
  it('raises the initial factor on scan risk, and nothing else', () => {
    const ramm = presetModel('ramm');
    const at = (stablePrice: number) =>
      componentOf(
        computeMargin(portfolioOf([spotPosition(1)]), { ...marketOf(), stablePrice }, ramm),
        'scan',
      );
    const [par, edge, low] = [at(1), at(0.99), at(0.94)];
    expect(edge).toEqual(par);
    expect(low.maintenance).toBe(par.maintenance);
    // 0.05 below the threshold, times 4: 0.2 of the scan loss of 18.127.
    expect(low.initial - par.initial).toBeCloseTo(0.2 * par.base, 10);
    expect(low.initial - par.initial).toBeCloseTo(3.6254, 3);
  });
});

describe('predictive', () => {
  const addOn: AddOn = {
    kind: 'predictive',
    ...rates,
    horizonSeconds: 14_400,
    lookbackSeconds: 2 * DAY,
    priceDeviations: 2,
    maximumDrift: 0.5,
    volOfVol: 1.5,
  };
  const greeks = black76('put', 100, 90, 30 / YEAR, 0.5);
  const root = Math.sqrt(14_400 / 31_536_000);
  const volMove = 1.5 * root * 0.5;
  const priceMove = 2 * 0.5 * root * 100;

  it('without a history is vanna and volga alone', () => {
    const { base } = measure(addOn, portfolioOf([option('P', 90, -10)]));
    // The worst of the four is where vanna, negative for this put, hurts the short: price and vol of opposite sign.
    const choices = [-1, 1].flatMap((a) =>
      [-1, 1].map((b) => 0.5 * greeks.volga * volMove ** 2 + greeks.vanna * (a * priceMove) * (b * volMove)),
    );
    expect(base).toBeCloseTo(10 * Math.max(...choices), 10);
    expect(base).toBeGreaterThan(0);
  });

  it('carries the change of the surface at the leg on over the horizon', () => {
    const day = {
      age: DAY,
      forward: 100,
      years: 31 / YEAR,
      smile: { kind: 'flat', volatility: 0.44 },
    } as const;
    const market = marketOf(underlyingOf({ expiries: [expiryOf({ earlier: [day] })] }));
    const { base } = measure(addOn, portfolioOf([option('P', 90, -10)]), market);
    // 6 vol points in a day are 1 point in four hours.
    const drift = 0.01;
    const choices = [-1, 1].flatMap((a) =>
      [-1, 1].map((b) => {
        const move = drift + b * volMove;
        return greeks.vega * drift + 0.5 * greeks.volga * move * move + greeks.vanna * a * priceMove * move;
      }),
    );
    expect(base).toBeCloseTo(10 * Math.max(...choices), 9);
    expect(base).toBeGreaterThan(10 * greeks.vega * drift);
  });
});
