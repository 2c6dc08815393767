import { describe, expect, it } from 'vitest';
import { normalCdfCoarse, normalCdfFine, PROBABILITY_ONE } from '../../math/fixed/primitives.ts';
import { black76Price } from '../../math/float/black76.ts';
import { normalCdf } from '../../math/float/normal.ts';
import { mulberry32 } from '../../math/float/random.ts';
import { DEFAULT_PARAMETERS } from '../parameters.ts';
import { exactExpiry, exactExpiryRisk, exactExpiryShock } from './expiry.ts';
import { exactLegSurface, markProbabilities, scenarioProbabilities, stepSlopeOf } from './leg.ts';

const SEED = Number(process.env.ZKMARGIN_SEED ?? 20250219);
const POINTS = Number(process.env.ZKMARGIN_POINTS ?? 1_000_000);

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
      const forward = BigInt(Math.floor(1e6 * 10 ** (1 + 4 * random())));
      const strike = BigInt(Math.floor((Number(forward) / 100) * 0.3 * 10 ** random()));
      // One hour to one year, log-uniform, at a whole number of seconds.
      const tenor = BigInt(Math.floor(3600 * 8760 ** random()));
      const vol = 0.1 * 30 ** random();
      const spacingExponent = Math.min(3, Math.max(0, Math.round(Math.log2(vol)) + 2)) as 0 | 1 | 2 | 3;
      const pillar = BigInt(Math.round((vol * 65536) / 2 ** (spacingExponent - 2)));
      const actualVol = (Number(pillar) / 65536) * 2 ** (spacingExponent - 2);
      const expiryHour = 483_000;
      const expiry = exactExpiry(
        {
          expiryHour,
          forward,
          discount: 1n << 21n,
          spacingExponent,
          vols: new Array<bigint>(8).fill(pillar),
        },
        BigInt(expiryHour) * 3600n - tenor,
      );
      const weights = markProbabilities(exactLegSurface(strike, expiry));
      const exact =
        Number(forward * weights.forwardWeight - strike * 100n * weights.strikeWeight) /
        Number(PROBABILITY_ONE);
      const reference = black76Price(
        'call',
        Number(forward),
        Number(strike) * 100,
        Number(tenor) / 31_536_000,
        actualVol,
      );
      const error = Math.abs(exact - reference) / Number(forward);
      if (error > worst.error) {
        worst = {
          error,
          at: `strike/forward ${(Number(strike) * 100) / Number(forward)}, vol ${actualVol}, ${tenor} s`,
        };
      }
    }
    console.log(`largest error ${worst.error.toExponential(2)} of spot at ${worst.at}`);
    expect(worst.error).toBeLessThan(1e-6);
  });

  it('prices of scenarios are as often above those of their own deviation as below', () => {
    const random = mulberry32(SEED);
    const below = (limit: number): number => Math.floor(limit * random());
    const count = 100_000;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const tenor = BigInt(3_600 + below(60 * 86_400));
      const forward = BigInt(50_000e6 + below(50_000e6));
      const vol = BigInt(20_000 + below(80_000));
      const vols = new Array<bigint>(8).fill(vol);
      const state = { expiryHour: 483_000, forward, discount: 1n << 21n, spacingExponent: 2 as const, vols };
      const expiry = exactExpiry(state, 483_000n * 3600n - tenor);
      // Within a deviation and a half.
      const distance = (3 * random() - 1.5) * (Number(vol * expiry.spacing) / 2 ** 43);
      const strike = BigInt(Math.round((Number(forward) / 100) * Math.exp(distance)));
      const surface = exactLegSurface(strike, expiry);
      const risk = exactExpiryRisk(expiry, DEFAULT_PARAMETERS);
      const volShock = ([-1, 0, 1] as const)[below(3)]!;
      const shock = exactExpiryShock(risk, DEFAULT_PARAMETERS, { volShock });
      const weights = scenarioProbabilities(surface, stepSlopeOf(surface, risk), shock, 0);
      const s = Number(surface.deviation * shock.volMultiplier) / 2 ** 73;
      const [f, k] = [Number(forward), Number(strike) * 100];
      const d1 = Math.log(f / k) / s + s / 2;
      const reference = f * normalCdf(d1) - k * normalCdf(d1 - s);
      const exact = forward * weights.forwardWeight - strike * 100n * weights.strikeWeight;
      sum += (Number(exact) / Number(PROBABILITY_ONE) - reference) / f;
    }
    expect(Math.abs(sum / count)).toBeLessThan(3e-8);
  });
});
