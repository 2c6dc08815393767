import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { exampleRound, type SviSurfaces } from '../../market/example-market.ts';
import { LINEAR } from '../../market/instrument.ts';
import { DEFAULT_PARAMETERS } from '../parameters.ts';
import { MAX_SCALE } from './bounds.ts';
import { exactMargin, worstOf } from './margin.ts';
import { ExactValuer } from './shared.ts';
import { exactSolvency } from './solvency.ts';

const surfaces = JSON.parse(
  readFileSync(new URL('../../../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
) as SviSurfaces;
const round = exampleRound(surfaces, 'BTC');
const legs = [{ instrument: LINEAR, quantity: -1_000_000n }];

describe('the scale of an account', () => {
  it.each([
    ['exactMargin', (scale: bigint) => exactMargin({ legs, scale }, round, DEFAULT_PARAMETERS)],
    ['ExactValuer', (scale: bigint) => new ExactValuer(round, DEFAULT_PARAMETERS).margin({ legs, scale })],
    ['exactSolvency', (scale: bigint) => exactSolvency({ legs, scale, cash: 0n }, round, DEFAULT_PARAMETERS)],
  ])('is within [1, 2^64) for %s', (_, measure) => {
    expect(MAX_SCALE).toBe(2n ** 64n - 1n);
    for (const scale of [1n, MAX_SCALE]) expect(() => measure(scale)).not.toThrow();
    for (const scale of [-1n, 0n, 2n ** 64n]) {
      expect(() => measure(scale), String(scale)).toThrow(
        expect.objectContaining({ code: 'OUT_OF_RANGE', field: 'scale' }),
      );
    }
  });
});

describe('worstOf', () => {
  it('takes the first of equal requirements: all that compute the margin name the same scenario', () => {
    const [one] = exactMargin({ legs, scale: 2n ** 40n }, round, DEFAULT_PARAMETERS).scenarios;
    const scenarios = [3n, 7n, 5n, 7n, 7n, 6n].map((requirement, index) => ({
      ...one!,
      requirement,
      mark: BigInt(index),
    }));
    expect(worstOf(scenarios)).toEqual({ ...scenarios[1]!, worstScenario: 1, scenarios });
    expect(worstOf(scenarios.slice(2)).worstScenario).toBe(1);
    expect(worstOf([one!, one!]).worstScenario).toBe(0);
  });
});
