/** The normal functions of 16 bits against double precision, with the errors that section 7.1 of the model states. */
import { describe, expect, it } from 'vitest';
import { normalCdf, normalPdf } from '../float/normal.ts';
import {
  DENSITY_SCALE,
  normalCdfCoarse,
  normalCdfFine,
  normalCdfMedium,
  normalDensity,
  PROBABILITY_ONE,
} from './primitives.ts';

const UNIT = 2 ** 16;
const probability = (value: bigint): number => Number(value) / Number(PROBABILITY_ONE);
const density = (value: bigint): number => Number(value) / 2 ** Number(DENSITY_SCALE);

/** Every fifth argument within seven deviations, and all of those around the ends of segments. */
function* argumentsOfAll(): Generator<number> {
  for (let k = -7 * UNIT; k < 7 * UNIT; k += 5) yield k;
  for (let segment = -6; segment <= 6; segment++) {
    for (let k = segment * UNIT - 40; k < segment * UNIT + 40; k++) yield k;
  }
}

describe('normalCdfMedium', () => {
  it('is within 9.6e-8 at the middle of its last place', () => {
    let worst = 0;
    for (const k of argumentsOfAll()) {
      const error = Math.abs(probability(normalCdfMedium(BigInt(k))) - normalCdf((k + 0.5) / UNIT));
      worst = Math.max(worst, error);
    }
    expect(worst).toBeLessThan(9.6e-8);
    expect(worst).toBeGreaterThan(9.4e-8);
  });

  it('adds up to one with its mirror image, and ends at 0 and 1', () => {
    for (const k of [0, 1, 15, 16, 4_095, 65_535, 65_536, 200_001, 393_215, 393_216, 600_000]) {
      expect(normalCdfMedium(BigInt(k)) + normalCdfMedium(BigInt(-k - 1))).toBe(PROBABILITY_ONE);
    }
    expect(normalCdfMedium(6n << 16n)).toBe(PROBABILITY_ONE);
    expect(normalCdfMedium(-(6n << 16n) - 1n)).toBe(0n);
    expect(normalCdfMedium(1n << 40n)).toBe(PROBABILITY_ONE);
  });

  it('lies between its neighbours of 12 and 20 bits', () => {
    for (let cell = -5 * 4_096; cell < 5 * 4_096; cell += 97) {
      // The middle of a cell of 2^-12 is the mean of the two arguments of 2^-16 around it; slopes are the cell's.
      const around = normalCdfMedium(BigInt(16 * cell + 7)) + normalCdfMedium(BigInt(16 * cell + 8));
      expect(around).toBe(2n * normalCdfCoarse(BigInt(cell)));
      const finer = normalCdfFine(BigInt(256 * cell + 48 + 7)) + normalCdfFine(BigInt(256 * cell + 48 + 8));
      expect(finer).toBe(2n * normalCdfMedium(BigInt(16 * cell + 3)));
    }
  });
});

describe('normalDensity', () => {
  it('is within 2.8e-6 at the middle of its last place', () => {
    let worst = 0;
    for (const k of argumentsOfAll()) {
      const error = Math.abs(density(normalDensity(BigInt(k))) - normalPdf((k + 0.5) / UNIT));
      worst = Math.max(worst, error);
    }
    expect(worst).toBeLessThan(2.8e-6);
    expect(worst).toBeGreaterThan(2.6e-6);
  });

  it('is even, nowhere negative, and 0 from 6 on', () => {
    const wrong: number[] = [];
    for (const k of argumentsOfAll()) {
      const value = normalDensity(BigInt(k));
      if (value < 0n || value !== normalDensity(BigInt(-k - 1))) wrong.push(k);
    }
    expect(wrong).toEqual([]);
    expect(normalDensity((6n << 16n) - 1n)).toBeGreaterThan(0n);
    expect(normalDensity(6n << 16n)).toBe(0n);
    expect(normalDensity(1n << 40n)).toBe(0n);
  });
});
