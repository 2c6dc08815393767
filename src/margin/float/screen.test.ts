import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { isZkMarginError } from '../../errors.ts';
import { exampleRound, type SviSurfaces } from '../../market/example-market.ts';
import { type Leg, LINEAR } from '../../market/instrument.ts';
import { shockRound } from '../../market/shock.ts';
import { floatExpiry, surfaceVolatility } from '../../market/surface.ts';
import { type MarketRound, packRound, unpackRound } from '../../market/words.ts';
import { black76, black76Price } from '../../math/float/black76.ts';
import { SCALE_ONE } from '../exact/bounds.ts';
import { type ExampleAccount, exampleBook } from '../example-book.ts';
import { DEFAULT_PARAMETERS, type RiskParameters } from '../parameters.ts';
import { compileBook, type FloatAccount, scenarioProfits, screen, screenBook } from './screen.ts';

const surfaces = JSON.parse(
  readFileSync(new URL('../../../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
) as SviSurfaces;

/** The formulas of the model written out for one account, without any of the screening's shortcuts. */
function reference(account: FloatAccount, round: MarketRound, parameters: RiskParameters) {
  const spot = Number(round.underlying.spot) / 1e6;
  const scale = Number(account.scale) / 2 ** 40;
  const step = parameters.priceStep / 2 ** 20;
  const value = ({ instrument }: Leg, priceMove: number, volShock: number): number => {
    const factor = 2 ** (priceMove * step);
    if (instrument.kind === 'linear') return spot * factor;
    const state = round.expiries.find((expiry) => expiry.expiryHour === instrument.expiryHour)!;
    const expiry = floatExpiry(state, round.underlying.timestamp);
    const strike = Number(instrument.strike) / 1e4;
    const power = (expiry.tenor <= 2_592_000 ? parameters.tenorPowerShort : parameters.tenorPowerLong) / 256;
    const tau = (2_592_000 / Math.max(expiry.tenor, parameters.tenorFloor)) ** power;
    const shock = volShock > 0 ? parameters.volShockUp : volShock < 0 ? -parameters.volShockDown : 0;
    const multiplier = Math.max(0.5, 1 + (shock / 2 ** 14) * tau);
    const volatility = surfaceVolatility(expiry, Math.log(strike / expiry.forward)) * multiplier;
    return black76Price(
      instrument.kind,
      expiry.forward * factor,
      strike,
      expiry.years,
      volatility,
      expiry.discount,
    );
  };
  /** Delta, gamma times squared forward, vega times vol and tenor factor, all in USD, and the value. */
  const greeks = ({ instrument }: Leg) => {
    if (instrument.kind === 'linear') return { delta: spot, gamma: 0, vega: 0, price: 0, tenor: 0 };
    const state = round.expiries.find((expiry) => expiry.expiryHour === instrument.expiryHour)!;
    const expiry = floatExpiry(state, round.underlying.timestamp);
    const strike = Number(instrument.strike) / 1e4;
    const volatility = surfaceVolatility(expiry, Math.log(strike / expiry.forward));
    const { forward, years, discount } = expiry;
    const { delta, gamma, vega, price } = black76(
      instrument.kind,
      forward,
      strike,
      years,
      volatility,
      discount,
    );
    const tenor = state.expiryHour * 3600 - Number(round.underlying.timestamp);
    const power = (tenor <= 2_592_000 ? parameters.tenorPowerShort : parameters.tenorPowerLong) / 256;
    const tau = (2_592_000 / Math.max(tenor, parameters.tenorFloor)) ** power;
    return {
      delta: forward * delta,
      gamma: forward * forward * gamma,
      vega: vega * volatility * tau,
      price,
      tenor,
    };
  };
  const sum = (of: (leg: Leg) => number) =>
    account.legs.reduce((total, leg) => total + (Number(leg.quantity) / 1e6) * scale * of(leg), 0);
  const mark = sum((leg) => value(leg, 0, 0));
  const collateral = Number(account.movingCollateral ?? 0n) / 1e6;
  const profits = parameters.scenarios.map(
    ({ priceMove, volShock, damping }) =>
      (damping / 65_536) *
      (sum((leg) => value(leg, priceMove, volShock)) - mark + collateral * (2 ** (priceMove * step) - 1)),
  );
  const strikes = new Map<string, number>();
  for (const { instrument, quantity } of account.legs) {
    if (instrument.kind === 'linear') continue;
    const key = `${instrument.expiryHour} ${instrument.strike}`;
    strikes.set(key, (strikes.get(key) ?? 0) + (Number(quantity) / 1e6) * scale);
  }
  const shorts = [...strikes.values()].reduce((total, net) => total + Math.max(0, -net), 0);
  const scan = Math.max(0, -Math.min(...profits));
  const horizon =
    (Number(round.underlying.realisedVolatility) / 65_536) *
    (Math.floor(Math.sqrt((parameters.horizonSeconds / 31_536_000) * 2 ** 40)) / 2 ** 20);
  let basis = 0;
  let interest = 0;
  let vega = 0;
  for (const { expiryHour } of round.expiries) {
    let delta = 0;
    let value = 0;
    let vegaDollars = 0;
    let tenor = 0;
    for (const leg of account.legs) {
      if (leg.instrument.kind === 'linear' || leg.instrument.expiryHour !== expiryHour) continue;
      const position = (Number(leg.quantity) / 1e6) * scale;
      const of = greeks(leg);
      delta += position * of.delta;
      value += position * of.price;
      vegaDollars += position * of.vega;
      tenor = of.tenor;
    }
    const units = Math.floor((tenor - 1) / 16) / 2 ** 36;
    basis += Math.abs(delta) * (parameters.basisMinimum / 65_536 + parameters.basisPerTenor * units);
    interest += Math.abs(value) * parameters.interestPerTenor * units;
    vega +=
      (parameters.vegaRate / 65_536) *
      Math.max(
        (-vegaDollars * parameters.volShockUp) / 2 ** 14,
        (vegaDollars * parameters.volShockDown) / 2 ** 14,
      );
  }
  const gammaDollars = sum((leg) => greeks(leg).gamma);
  const gamma = 0.5 * (parameters.gammaRate / 4096) * Math.max(0, -gammaDollars) * (2 * horizon) ** 2;
  const deltaDollars = sum((leg) => greeks(leg).delta) + collateral;
  const horizonBuffer = Math.abs(deltaDollars) * horizon;
  const requirement =
    (parameters.maintenanceFactor / 4096) * scan +
    (parameters.shortOptionRate / 65_536) * spot * shorts +
    horizonBuffer +
    basis +
    interest +
    gamma +
    vega;
  const charges = { horizonBuffer, basis, interest, gamma, vega };
  return { mark, scan, requirement, profits, deltaDollars, charges };
}

describe('screening', () => {
  let opening: MarketRound;
  let shocked: MarketRound;
  let book: ExampleAccount[];

  beforeAll(() => {
    opening = exampleRound(surfaces, 'BTC', { discount: 0.99 });
    shocked = shockRound(opening, { priceMove: -0.12, volMultiplierAt30d: 1.35, secondsLater: 3_600 });
    book = exampleBook({ opening, shocked, parameters: DEFAULT_PARAMETERS, seed: 7, count: 96 });
  });

  it('agrees with the formulas written out', () => {
    const accounts = book.map((account, index) => ({
      ...account,
      scale: SCALE_ONE / BigInt(1 + (index % 3)),
      movingCollateral: index % 2 === 0 ? 0n : (BigInt(index) * opening.underlying.spot) / 30n,
    }));
    const charged = new Set<string>();
    for (const round of [opening, shocked]) {
      const margins = screen(accounts, round, DEFAULT_PARAMETERS);
      accounts.forEach((account, index) => {
        const expected = reference(account, round, DEFAULT_PARAMETERS);
        const actual = margins[index]!;
        // The model's own distance from Black-76.
        const tolerance = 2e-6 * (actual.components.grossNotional + Number(account.movingCollateral) / 1e6);
        expect(Math.abs(actual.mark - expected.mark)).toBeLessThan(tolerance);
        expect(Math.abs(actual.components.scan - expected.scan)).toBeLessThan(tolerance);
        expect(Math.abs(actual.requirement - expected.requirement)).toBeLessThan(tolerance);
        for (const name of ['horizonBuffer', 'basis', 'interest', 'gamma', 'vega'] as const) {
          expect(Math.abs(actual.components[name] - expected.charges[name]), name).toBeLessThan(tolerance);
          if (expected.charges[name] > 1) charged.add(name);
        }
        expect(Math.abs(actual.components.deltaDollars - expected.deltaDollars)).toBeLessThan(5 * tolerance);
        expect(actual.equity).toBeCloseTo(Number(account.cash) / 1e6 + actual.mark, 9);
        const profits = scenarioProfits(account, round, DEFAULT_PARAMETERS);
        expected.profits.forEach((profit, scenario) => {
          expect(Math.abs(profits[scenario]! - profit)).toBeLessThan(tolerance);
        });
        expect(Math.abs(expected.profits[actual.worstScenario]! + expected.scan)).toBeLessThan(tolerance);
      });
    }
    expect(charged.size).toBe(5);
  });

  it('is homogeneous of degree one in the scale', () => {
    const double = book.map((account) => ({
      ...account,
      scale: 2n * account.scale,
      cash: 2n * account.cash,
    }));
    const [one, two] = [book, double].map((accounts) => screen(accounts, shocked, DEFAULT_PARAMETERS));
    one!.forEach((margin, index) => {
      expect(two![index]!.requirement).toBeCloseTo(2 * margin.requirement, 6);
      expect(two![index]!.ratio).toBeCloseTo(margin.ratio, 9);
    });
  });

  it('flags accounts at the threshold for the integer model', () => {
    const account = book[0]!;
    const [margin] = screen([account], shocked, DEFAULT_PARAMETERS);
    const gap = margin!.equity - margin!.requirement;
    const at = account.cash - BigInt(Math.round(gap * 1e6));
    const [near, far] = screen(
      [
        { ...account, cash: at },
        { ...account, cash: at - 10_000_000_000n },
      ],
      shocked,
      DEFAULT_PARAMETERS,
    );
    expect(near!.needsExact).toBe(true);
    expect(far).toMatchObject({ needsExact: false, liquidatable: true });
  });

  it('reports options that it cannot value, and goes on', () => {
    const call = { kind: 'call' as const, strike: 960_000_000n };
    const early = Number(opening.underlying.timestamp / 3600n) - 5;
    const accounts: FloatAccount[] = [
      { legs: [{ instrument: { ...call, expiryHour: early }, quantity: 1n }], scale: SCALE_ONE, cash: 0n },
      { legs: [{ instrument: { ...call, expiryHour: 900_000 }, quantity: 1n }], scale: SCALE_ONE, cash: 0n },
      { legs: [{ instrument: LINEAR, quantity: 1_000_000n }], scale: SCALE_ONE, cash: 0n },
    ];
    const margins = screen(accounts, opening, DEFAULT_PARAMETERS);
    expect(margins[0]!.problem).toMatchObject({
      code: 'EXPIRED_OPTION',
      field: 'accounts[0].legs[0].instrument.expiryHour',
    });
    expect(margins[1]!.problem).toMatchObject({ code: 'MISSING_EXPIRY' });
    expect(margins[0]).toMatchObject({ needsExact: true, liquidatable: false });
    expect(margins[2]!.mark).toBeCloseTo(95_663.50605, 4);
    const foreign = { ...accounts[2]!, underlyingId: 5n };
    expect(() => screenBook(compileBook([foreign]), opening, DEFAULT_PARAMETERS)).toThrow(/own underlying/);
    try {
      compileBook([accounts[2]!, { ...accounts[2]!, legs: [{ instrument: LINEAR, quantity: 0n }] }]);
      expect.unreachable();
    } catch (error) {
      expect(isZkMarginError(error, 'ZERO_QUANTITY') && error.field).toBe('accounts[1].legs[0].quantity');
    }
    for (const movingCollateral of [-1n, 2n ** 96n]) {
      expect(() => compileBook([{ ...accounts[2]!, movingCollateral }])).toThrow(
        expect.objectContaining({ code: 'OUT_OF_RANGE', field: 'accounts[0].movingCollateral' }),
      );
    }
  });
});

describe('example market', () => {
  it('builds rounds that pack', () => {
    for (const symbol of ['BTC', 'ETH']) {
      const round = exampleRound(surfaces, symbol);
      expect(round.expiries).toHaveLength(8);
      expect(unpackRound(packRound(round))).toEqual(round);
    }
  });

  it('loses little of the SVI curves', () => {
    for (const symbol of ['BTC', 'ETH']) {
      const round = exampleRound(surfaces, symbol);
      const source = surfaces.underlyings[symbol]!.expiries;
      let squares = 0;
      let count = 0;
      round.expiries.forEach((state, index) => {
        const { svi, tau } = source[index]!;
        const expiry = floatExpiry(state, round.underlying.timestamp);
        const deviation = Math.sqrt(svi.a + svi.b * (Math.hypot(svi.m, svi.sigma) - svi.rho * svi.m));
        for (let step = -2; step <= 2; step += 0.05) {
          const k = step * deviation;
          const shifted = k - svi.m;
          const exact = Math.sqrt(
            (svi.a + svi.b * (svi.rho * shifted + Math.hypot(shifted, svi.sigma))) / tau,
          );
          squares += (surfaceVolatility(expiry, k) - exact) ** 2;
          count++;
        }
      });
      const rms = Math.sqrt(squares / count) * 100;
      console.log(
        `${symbol} 2025-02-19: pillars differ from SVI by ${rms.toFixed(3)} vol points rms within 2 deviations`,
      );
      expect(rms).toBeLessThan(0.5);
    }
  });
});

describe('example book', () => {
  it('is healthy, fails in part with equity left, and is the same for the same seed', () => {
    for (const symbol of ['BTC', 'ETH']) {
      const opening = exampleRound(surfaces, symbol);
      const shocked = shockRound(opening, {
        priceMove: -0.12,
        volMultiplierAt30d: 1.35,
        secondsLater: 3_600,
      });
      for (let seed = 1; seed <= 20; seed++) {
        const make = () => exampleBook({ opening, shocked, parameters: DEFAULT_PARAMETERS, seed });
        const book = make();
        if (seed === 1) expect(make()).toEqual(book);
        expect(book).toHaveLength(64);
        expect(new Set(book.map((account) => account.strategy)).size).toBeGreaterThanOrEqual(8);
        expect(new Set(book.map((account) => account.name)).size).toBe(64);
        expect(Math.max(...book.map((account) => account.legs.length))).toBeLessThanOrEqual(8);
        for (const margin of screen(book, opening, DEFAULT_PARAMETERS)) {
          expect(margin.ratio).toBeGreaterThan(1.0499);
          expect(margin.ratio).toBeLessThan(5.0001);
        }
        const after = screen(book, shocked, DEFAULT_PARAMETERS);
        const failing = after.filter((margin) => margin.liquidatable);
        expect(failing.length).toBeGreaterThanOrEqual(3);
        expect(failing.length).toBeLessThan(32);
        expect(failing.some((margin) => margin.badDebt || margin.problem !== undefined)).toBe(false);
      }
    }
  });
});
