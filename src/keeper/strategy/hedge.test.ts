import { describe, expect, it } from 'vitest';
import { type Leg, LINEAR } from '../../market/instrument.ts';
import type { ExpiryState, MarketRound } from '../../market/words.ts';
import { DEFAULT_SPREADS, type Exposure, exposureOf, hedgeCost, notionalOf } from './hedge.ts';

const ONE = 2n ** 40n;
const USD = 1_000_000n;
/** The hour of the round: tenors of a quarter of a year and of a year are exact. */
const HOUR = 474_000;
const NEAR = HOUR + 2_190;
const FAR = HOUR + 8_760;

/** Vols in 2^-16 of the spacing, from parts of 1. */
const vols = (spacing: number, parts: readonly number[]): bigint[] =>
  parts.map((part) => BigInt((part / spacing) * 65_536));

/** A smile in three months: pillars lie 12.5 % apart, so that strikes of 30,000, 60,000 and 90,000 have the first, middle and last vol. */
const near: ExpiryState = {
  expiryHour: NEAR,
  forward: 60_000n * USD,
  // 63 parts of 64.
  discount: 2_064_384n,
  spacingExponent: 0,
  vols: vols(0.25, [0.75, 0.6875, 0.625, 0.5625, 0.5, 0.5, 0.5625, 0.625]),
};
/** Flat, undiscounted. */
const far: ExpiryState = {
  expiryHour: FAR,
  forward: 64_000n * USD,
  discount: 2n ** 21n,
  spacingExponent: 2,
  vols: vols(
    1,
    Array.from({ length: 8 }, () => 0.5),
  ),
};
const round: MarketRound = {
  underlying: {
    spot: 59_000n * USD,
    timestamp: BigInt(HOUR * 3_600),
    realisedVolatility: 0n,
    underlyingId: 1n,
  },
  expiries: [near, far],
};

const option = (kind: 'call' | 'put', expiryHour: number, strike: bigint, quantity: bigint): Leg => ({
  instrument: { kind, expiryHour, strike: strike * 10_000n },
  quantity: quantity * 1_000_000n,
});

/** Area below the normal density from 0 to x, by Simpson's rule: no function of the library. */
function normalArea(x: number): number {
  const steps = 2_000;
  let sum = 0;
  for (let step = 0; step <= steps; step += 1) {
    const weight = step === 0 || step === steps ? 1 : step % 2 === 1 ? 4 : 2;
    sum += weight * density((x * step) / steps);
  }
  return (sum * x) / steps / 3;
}

function density(x: number): number {
  return Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
}

/** Of one option held, by Black's formula of 1976: dollar delta, change if the vol doubled, change of dollar delta for 1 %. */
function byHand(
  kind: 'call' | 'put',
  forward: number,
  strike: number,
  years: number,
  vol: number,
  discount: number,
) {
  const deviation = vol * Math.sqrt(years);
  const d1 = Math.log(forward / strike) / deviation + deviation / 2;
  const likely = kind === 'call' ? 0.5 + normalArea(d1) : normalArea(d1) - 0.5;
  return {
    delta: discount * likely * forward,
    vega: discount * forward * density(d1) * Math.sqrt(years) * vol,
    gamma: ((discount * density(d1)) / (forward * deviation)) * (forward ** 2 / 100),
  };
}

/** Compares with what is known to ten digits. */
function expectExposure(found: Exposure, wanted: Exposure): void {
  for (const name of ['delta', 'vega', 'gamma', 'grossNotional'] as const) {
    expect(Math.abs(found[name] - wanted[name]), name).toBeLessThanOrEqual(1e-9 * Math.abs(wanted[name]));
  }
}

describe('what is to be hedged', () => {
  const PART = 63 / 64;

  it('of one call is what the formula of Black gives', () => {
    const found = exposureOf([option('call', NEAR, 60_000n, 2n)], round, ONE);
    const one = byHand('call', 60_000, 60_000, 0.25, 0.5, PART);
    expectExposure(found, {
      delta: 2 * one.delta,
      vega: 2 * one.vega,
      gamma: 2 * one.gamma,
      grossNotional: 120_000,
    });
    // The same, reckoned by another program.
    expectExposure(found, {
      delta: 64_937.82780805708,
      vega: 11_689.581692587133,
      gamma: 1_870.3330708139413,
      grossNotional: 120_000,
    });
  });

  it('of puts that are sold is the same with no sign, at the vol of their strike', () => {
    const found = exposureOf([option('put', NEAR, 30_000n, -3n)], round, ONE);
    const one = byHand('put', 60_000, 30_000, 0.25, 0.75, PART);
    expect(one.delta).toBeLessThan(0);
    expectExposure(found, {
      delta: -3 * one.delta,
      vega: 3 * one.vega,
      gamma: 3 * one.gamma,
      grossNotional: 180_000,
    });
    expectExposure(found, {
      delta: 3_699.7771459058736,
      vega: 3_336.7978167485917,
      gamma: 237.28340030212203,
      grossNotional: 180_000,
    });
    const above = byHand('call', 60_000, 90_000, 0.25, 0.625, PART);
    expectExposure(exposureOf([option('call', NEAR, 90_000n, 1n)], round, ONE), {
      ...above,
      grossNotional: 60_000,
    });
  });

  it('is in proportion to the scale', () => {
    const legs = [option('call', NEAR, 60_000n, 2n), { instrument: LINEAR, quantity: -3_000_000n }];
    const whole = exposureOf(legs, round, ONE);
    const quarter = exposureOf(legs, round, ONE / 4n);
    expectExposure(whole, {
      delta: 177_000 - 64_937.82780805708,
      vega: 11_689.581692587133,
      gamma: 1_870.3330708139413,
      grossNotional: 297_000,
    });
    expectExposure(quarter, {
      delta: whole.delta / 4,
      vega: whole.vega / 4,
      gamma: whole.gamma / 4,
      grossNotional: 74_250,
    });
  });

  it('adds within an expiry, over all strikes', () => {
    const low = byHand('put', 60_000, 30_000, 0.25, 0.75, PART);
    const high = byHand('call', 60_000, 90_000, 0.25, 0.625, PART);
    const legs = [option('put', NEAR, 30_000n, 1n), option('call', NEAR, 90_000n, 1n)];
    expectExposure(exposureOf(legs, round, ONE), {
      delta: low.delta + high.delta,
      vega: low.vega + high.vega,
      gamma: low.gamma + high.gamma,
      grossNotional: 120_000,
    });
  });

  it('nets vega and gamma within an expiry, and notional never', () => {
    // A call held and a put sold at one strike are a forward.
    const forward = [option('call', NEAR, 60_000n, 1n), option('put', NEAR, 60_000n, -1n)];
    const found = exposureOf(forward, round, ONE);
    expect(found.delta).toBeCloseTo(60_000 * PART, 6);
    expect(found.vega).toBeCloseTo(0, 6);
    expect(found.gamma).toBeCloseTo(0, 6);
    expect(found.grossNotional).toBe(120_000);
  });

  it('nets delta across expiries, vega and gamma not', () => {
    const legs = [option('call', NEAR, 60_000n, 1n), option('call', FAR, 64_000n, -1n)];
    const held = byHand('call', 60_000, 60_000, 0.25, 0.5, PART);
    const sold = byHand('call', 64_000, 64_000, 1, 0.5, 1);
    expect(sold.delta).toBeGreaterThan(held.delta);
    expectExposure(exposureOf(legs, round, ONE), {
      delta: sold.delta - held.delta,
      vega: held.vega + sold.vega,
      gamma: held.gamma + sold.gamma,
      grossNotional: 124_000,
    });
  });

  it('nets moving collateral with the delta of legs, and adds that of other underlyings', () => {
    const sold = [{ instrument: LINEAR, quantity: -1_000_000n }];
    const withCollateral = (moving: bigint, other: bigint) =>
      exposureOf(sold, round, ONE, { moving: moving * USD, other: other * USD });
    expectExposure(withCollateral(20_000n, 0n), {
      delta: 39_000,
      vega: 0,
      gamma: 0,
      grossNotional: 79_000,
    });
    expectExposure(withCollateral(0n, 20_000n), {
      delta: 79_000,
      vega: 0,
      gamma: 0,
      grossNotional: 79_000,
    });
  });

  it('is not told for an option that the round does not price', () => {
    expect(() => exposureOf([option('call', NEAR + 1, 60_000n, 1n)], round, ONE)).toThrow(
      expect.objectContaining({ code: 'MISSING_EXPIRY' }),
    );
  });
});

describe('the cost of a hedge', () => {
  const nothing = { delta: 0, vega: 0, gamma: 0, grossNotional: 0 };

  it.each<[string, Partial<Exposure>, bigint]>([
    ['nothing', {}, 0n],
    ['delta, at 3 basis points', { delta: 1_000_000 }, 300n * USD],
    ['vega, at 2 per cent', { vega: 20_000 }, 400n * USD],
    ['gamma, at 15 basis points', { gamma: 30_000 }, 45n * USD],
    ['all of them', { delta: 1_000_000, vega: 20_000, gamma: 30_000 }, 745n * USD],
    ['no notional', { grossNotional: 1_000_000 }, 0n],
    ['37.2 units, rounded up', { delta: 0.124 }, 38n],
  ])('is that of %s', (_, changes, cost) => {
    expect(hedgeCost({ ...nothing, ...changes }, DEFAULT_SPREADS)).toBe(cost);
  });

  it('of one call is to the unit what its sensitivities make at the spreads', () => {
    const exposure = exposureOf([option('call', NEAR, 60_000n, 2n)], round, ONE);
    // 19.4813483424 of delta, 233.7916338517 of vega, 2.8054996062 of gamma.
    expect(hedgeCost(exposure, DEFAULT_SPREADS)).toBe(256_078_482n);
  });

  it('is beside a notional that is rounded up as well', () => {
    expect(notionalOf({ ...nothing, grossNotional: 0.1234561 })).toBe(123_457n);
  });
});
