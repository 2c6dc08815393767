import { describe, expect, it } from 'vitest';
import { normalCdfCoarse, normalCdfFine, PROBABILITY_ONE } from '../../math/fixed/primitives.ts';
import { black76Price } from '../../math/float/black76.ts';
import { normalCdf } from '../../math/float/normal.ts';
import { mulberry32 } from '../../math/float/random.ts';
import { DEFAULT_PARAMETERS } from '../parameters.ts';
import { exactExpiry, exactExpiryRisk, exactExpiryShock } from './expiry.ts';
import { exactLegSurface, markProbabilities, scenarioProbabilities, stepSlopeOf } from './leg.ts';
import { priceFactor } from './margin.ts';

const SEED = Number(process.env.ZKMARGIN_SEED ?? 20250219);
const POINTS = Number(process.env.ZKMARGIN_POINTS ?? 1_000_000);

const EXPIRY_HOUR = 483_000;

/** A flat surface `tenor` seconds before it expires. */
function flatExpiry(forward: bigint, pillar: bigint, spacingExponent: 0 | 1 | 2 | 3, tenor: number) {
  const vols = new Array<bigint>(8).fill(pillar);
  const state = { expiryHour: EXPIRY_HOUR, forward, discount: 1n << 21n, spacingExponent, vols };
  return exactExpiry(state, BigInt(EXPIRY_HOUR) * 3600n - BigInt(tenor));
}

/** A random option: one hour to one year, log-uniform, at a whole number of seconds; strikes from 0.3 to 3 times the forward. */
function randomOption(random: () => number) {
  const forward = BigInt(Math.floor(1e6 * 10 ** (1 + 4 * random())));
  const strike = BigInt(Math.floor((Number(forward) / 100) * 0.3 * 10 ** random()));
  const tenor = Math.floor(3600 * 8760 ** random());
  const vol = 0.1 * 30 ** random();
  const spacingExponent = Math.min(3, Math.max(0, Math.round(Math.log2(vol)) + 2)) as 0 | 1 | 2 | 3;
  const pillar = BigInt(Math.round((vol * 65536) / 2 ** (spacingExponent - 2)));
  const actualVol = (Number(pillar) / 65536) * 2 ** (spacingExponent - 2);
  const expiry = flatExpiry(forward, pillar, spacingExponent, tenor);
  return { forward: Number(forward), strike, tenor, vol: actualVol, expiry };
}

/** A price by weights of the exact model, in the forward's unit. */
function priceOf(
  { forwardWeight, strikeWeight }: ReturnType<typeof markProbabilities>,
  forward: number,
  strike: bigint,
): number {
  return (forward * Number(forwardWeight) - Number(strike * 100n * strikeWeight)) / Number(PROBABILITY_ONE);
}

/** The same by Black-76, from the total deviation. */
function callOf(forward: number, strike: bigint, deviation: number): number {
  return black76Price('call', forward, Number(strike) * 100, 1, deviation);
}

describe('accuracy of the exact model', () => {
  it('normal probabilities are within 1e-7', () => {
    let worst = 0;
    for (let k = -9 * 4096; k < 9 * 4096; k++) {
      const exact = normalCdf((k + 0.5) / 4096);
      worst = Math.max(worst, Math.abs(Number(normalCdfCoarse(BigInt(k))) / Number(PROBABILITY_ONE) - exact));
      const fine = BigInt(k) * 256n + 77n;
      const fineExact = normalCdf((Number(fine) + 0.5) / 2 ** 20);
      worst = Math.max(worst, Math.abs(Number(normalCdfFine(fine)) / Number(PROBABILITY_ONE) - fineExact));
    }
    expect(worst).toBeLessThan(1e-7);
  });

  it(`prices of ${POINTS} random options are within 1e-6 of spot of Black-76 (seed ${SEED})`, () => {
    const random = mulberry32(SEED);
    let worst = { error: 0, at: '' };
    for (let i = 0; i < POINTS; i++) {
      const { forward, strike, tenor, vol, expiry } = randomOption(random);
      const exact = priceOf(markProbabilities(exactLegSurface(strike, expiry)), forward, strike);
      const reference = callOf(forward, strike, vol * Math.sqrt(tenor / 31_536_000));
      const error = Math.abs(exact - reference) / forward;
      if (error > worst.error) {
        worst = {
          error,
          at: `strike/forward ${(Number(strike) * 100) / forward}, vol ${vol}, ${tenor} s`,
        };
      }
    }
    console.log(`largest error ${worst.error.toExponential(2)} of spot at ${worst.at}`);
    expect(worst.error).toBeLessThan(1e-6);
  });

  it(`prices of ${POINTS / 10} random options in scenarios are within 2e-6 of the forward (seed ${SEED})`, () => {
    const random = mulberry32(SEED);
    const { scenarios, priceStep } = DEFAULT_PARAMETERS;
    const worst = new Map<number, number>();
    for (let i = 0; i < POINTS / 10; i++) {
      const { forward, strike, tenor, vol, expiry } = randomOption(random);
      const surface = exactLegSurface(strike, expiry);
      const risk = exactExpiryRisk(expiry, DEFAULT_PARAMETERS);
      const { priceMove, volShock } = scenarios[Math.floor(scenarios.length * random())]!;
      const shock = exactExpiryShock(risk, DEFAULT_PARAMETERS, { volShock });
      const weights = scenarioProbabilities(surface, stepSlopeOf(surface, risk), shock, priceMove);
      const exact = priceOf(weights, (forward * Number(priceFactor(priceStep, priceMove))) / 2 ** 26, strike);
      const deviation = vol * Math.sqrt(tenor / 31_536_000) * (Number(shock.volMultiplier) / 2 ** 22);
      const reference = callOf(forward * 2 ** ((priceMove * priceStep) / 2 ** 20), strike, deviation);
      const error = Math.abs(exact - reference) / forward;
      worst.set(volShock, Math.max(worst.get(volShock) ?? 0, error));
    }
    console.log(
      `largest error of a scenario's price: ${[...worst].sort(([a], [b]) => a - b).map(([shock, error]) => `${error.toExponential(2)} with vol shock ${shock}`)}`,
    );
    expect(worst.size).toBe(3);
    expect(Math.max(...worst.values())).toBeLessThan(2e-6);
  });

  it('prices of scenarios near the money are hardly lower on average than those of their own deviation', () => {
    const random = mulberry32(SEED);
    const below = (limit: number): number => Math.floor(limit * random());
    const count = 100_000;
    const means = ([-1, 0, 1] as const).map((volShock) => {
      let sum = 0;
      for (let i = 0; i < count; i++) {
        const forward = BigInt(50_000e6 + below(50_000e6));
        const vol = BigInt(32_768 + below(60_000));
        const expiry = flatExpiry(forward, vol, 2, 3_600 + below(7 * 86_400));
        // Within half a deviation.
        const distance = (random() - 0.5) * (Number(vol * expiry.spacing) / 2 ** 43);
        const strike = BigInt(Math.round((Number(forward) / 100) * Math.exp(distance)));
        const surface = exactLegSurface(strike, expiry);
        const risk = exactExpiryRisk(expiry, DEFAULT_PARAMETERS);
        const shock = exactExpiryShock(risk, DEFAULT_PARAMETERS, { volShock });
        const weights = scenarioProbabilities(surface, stepSlopeOf(surface, risk), shock, 0);
        const deviation = Number(surface.deviation * shock.volMultiplier) / 2 ** 73;
        const error = priceOf(weights, Number(forward), strike) - callOf(Number(forward), strike, deviation);
        sum += error / Number(forward);
      }
      return sum / count;
    });
    console.log(
      `mean error of a price with vols down, as they are, up: ${means.map((mean) => mean.toExponential(1))}`,
    );
    // A d2 that is half a place off costs 1.7e-7 here. With vols up the deviation is floored twice.
    const [down, unmoved, up] = means;
    expect(Math.abs(down!)).toBeLessThan(1e-8);
    expect(Math.abs(unmoved!)).toBeLessThan(1e-8);
    expect(Math.abs(up!)).toBeLessThan(4e-8);
  });
});
