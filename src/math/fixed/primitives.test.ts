/** Logarithms, powers and normal functions against double precision, with the errors that section 7.1 of the model states. */
import { describe, expect, it } from 'vitest';
import { normalCdf, normalPdf } from '../float/normal.ts';
import { mulberry32 } from '../float/random.ts';
import {
  DENSITY_SCALE,
  exp2Fixed,
  exp2Precise,
  lnFixed,
  log2Fixed,
  normalCdfCoarse,
  normalCdfFine,
  normalDensity,
  PROBABILITY_ONE,
} from './primitives.ts';

const UNIT = 2 ** 20;
const probability = (value: bigint): number => Number(value) / Number(PROBABILITY_ONE);
const density = (value: bigint): number => Number(value) / 2 ** Number(DENSITY_SCALE);

/** Every 79th argument within seven deviations, and all of those around the ends of segments. */
function* argumentsOfAll(): Generator<number> {
  for (let k = -7 * UNIT; k < 7 * UNIT; k += 79) yield k;
  for (let segment = -6; segment <= 6; segment++) {
    for (let k = segment * UNIT - 40; k < segment * UNIT + 40; k++) yield k;
  }
}

function largestError(errorOf: (k: number) => number): number {
  let worst = 0;
  for (const k of argumentsOfAll()) worst = Math.max(worst, Math.abs(errorOf(k)));
  return worst;
}

describe('normalCdfFine', () => {
  it('is within 9.5e-8 at the middle of its last place', () => {
    const worst = largestError((k) => probability(normalCdfFine(BigInt(k))) - normalCdf((k + 0.5) / UNIT));
    expect(worst).toBeLessThan(9.5e-8);
    expect(worst).toBeGreaterThan(9.0e-8);
  });

  it('adds up to one with its mirror image, and ends at 0 and 1', () => {
    for (const k of [0, 1, 255, 256, 65_535, 1_048_575, 1_048_576, 3_200_001, 6_291_455, 6_291_456]) {
      expect(normalCdfFine(BigInt(k)) + normalCdfFine(BigInt(-k - 1))).toBe(PROBABILITY_ONE);
    }
    expect(normalCdfFine(6n << 20n)).toBe(PROBABILITY_ONE);
    expect(normalCdfFine(-(6n << 20n) - 1n)).toBe(0n);
    expect(normalCdfFine(1n << 40n)).toBe(PROBABILITY_ONE);
  });

  it('has its neighbour of 12 bits at the middle of a cell', () => {
    for (let cell = -5 * 4_096; cell < 5 * 4_096; cell += 97) {
      // The middle of a cell of 2^-12 is the mean of the two arguments of 2^-20 around it; slopes are the cell's.
      const around = normalCdfFine(BigInt(256 * cell + 127)) + normalCdfFine(BigInt(256 * cell + 128));
      expect(around).toBe(2n * normalCdfCoarse(BigInt(cell)));
    }
  });
});

describe('normalDensity', () => {
  it('is within 6.9e-7 at the middle of its last place', () => {
    const worst = largestError((k) => density(normalDensity(BigInt(k))) - normalPdf((k + 0.5) / UNIT));
    expect(worst).toBeLessThan(6.9e-7);
    expect(worst).toBeGreaterThan(6.6e-7);
  });

  it('is even, nowhere negative, and 0 from 6 on', () => {
    const wrong: number[] = [];
    for (const k of argumentsOfAll()) {
      const value = normalDensity(BigInt(k));
      if (value < 0n || value !== normalDensity(BigInt(-k - 1))) wrong.push(k);
    }
    expect(wrong).toEqual([]);
    expect(normalDensity((6n << 20n) - 1n)).toBeGreaterThan(0n);
    expect(normalDensity(6n << 20n)).toBe(0n);
    expect(normalDensity(1n << 40n)).toBe(0n);
  });
});

describe('logarithms', () => {
  it('are within 5e-7 and 3.9e-7 of the binary and the natural one', () => {
    let [binary, natural] = [0, 0];
    const random = mulberry32(20251122);
    for (let index = 0; index < 200_000; index++) {
      const x = BigInt(Math.floor(2 ** (36 * random()))) || 1n;
      binary = Math.max(binary, Math.abs(Number(log2Fixed(x, 36)) / 2 ** 47 - Math.log2(Number(x))));
      natural = Math.max(natural, Math.abs(Number(lnFixed(x, 36)) / 2 ** 47 - Math.log(Number(x))));
    }
    expect([binary, natural]).toEqual([expect.closeTo(4.9e-7, 8), expect.closeTo(3.8e-7, 8)]);
  });
});

describe('powers of two', () => {
  it('are within 7e-7 at the middle of the last place, and 1.9e-7 where it is exact', () => {
    let [ofTenors, ofPrices] = [0, 0];
    const random = mulberry32(20251122);
    for (let index = 0; index < 100_000; index++) {
      const y = Math.floor((8 * random() - 4) * UNIT);
      const middle = 2 ** ((y + 0.5) / UNIT);
      ofTenors = Math.max(ofTenors, Math.abs(Number(exp2Fixed(BigInt(y))) / 2 ** 96 / middle - 1));
      if (y < -UNIT || y > UNIT) continue;
      ofPrices = Math.max(ofPrices, Math.abs(Number(exp2Precise(BigInt(y))) / 2 ** 26 / 2 ** (y / UNIT) - 1));
    }
    expect([ofTenors, ofPrices]).toEqual([expect.closeTo(6.1e-7, 8), expect.closeTo(1.8e-7, 8)]);
  });
});
