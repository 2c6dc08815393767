import { describe, expect, it } from 'vitest';
import { exactSolvency } from '../../margin/exact/solvency.ts';
import { DEFAULT_PARAMETERS as parameters } from '../../margin/parameters.ts';
import { mulberry32 } from '../../math/float/random.ts';
import { randomLegs, randomRound } from '../../proof/witness/testing.ts';
import { availableCash, leastCash } from './solvency.ts';

const SEED = Number(process.env.ZKMARGIN_SEED ?? 23);

describe(`cash of solvency proofs (seed ${SEED})`, () => {
  it('is the least with which one exists, to the unit, whatever collateral moves with the positions', () => {
    const random = mulberry32(SEED);
    for (let index = 0; index < 40; index++) {
      const round = randomRound(random);
      const positions = { legs: randomLegs(random, round), salt: 1n, scale: 2n ** 40n };
      const movingCollateral = index % 3 === 0 ? 0n : BigInt(Math.floor(10 ** (6 + 6 * random())));
      const level = index % 2 === 0 ? 4_096n : 5_120n;
      const least = leastCash({ round, parameters }, { positions, movingCollateral, level });
      const solvent = (cash: bigint): boolean =>
        exactSolvency({ ...positions, movingCollateral, cash }, round, parameters, level).solvent;
      expect([solvent(least - 1n), solvent(least)], `account ${index}`).toEqual([false, true]);
    }
  });

  it('has no moving collateral in it', () => {
    expect(availableCash(-5n, { value: 12n, moving: 4n })).toBe(3n);
  });
});
