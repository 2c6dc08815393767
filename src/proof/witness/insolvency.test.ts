import { beforeAll, describe, expect, it } from 'vitest';
import { exactScenario } from '../../margin/exact/margin.ts';
import { DEFAULT_PARAMETERS } from '../../margin/parameters.ts';
import { canonicalLegs, type Leg } from '../../market/instrument.ts';
import { mulberry32 } from '../../math/float/random.ts';
import { CircuitTester } from '../circuit-tester.ts';
import { insolvencyInput } from './insolvency.ts';
import { figuresShown, randomLegs, randomRound } from './testing.ts';

const SEED = Number(process.env.ZKMARGIN_SEED ?? 7);
const ACCOUNTS = 220;
/** Places with moves of one and two steps, -2 to 2. */
const NEAR_THE_MONEY = [27, 28, 29, 30];

describe('insolvency circuit at 8 legs', () => {
  let circuit: CircuitTester;
  beforeAll(async () => {
    circuit = await CircuitTester.fromFile('circuits/main/insolvency-8.circom');
  });

  it(`agrees with the exact model to the bit on ${ACCOUNTS} random accounts (seed ${SEED})`, async () => {
    const random = mulberry32(SEED);
    /** Places whose loss counted: a gain is not in the figures, so that nothing is compared there. */
    const losing = new Set<number>();
    for (let index = 0; index < ACCOUNTS; index++) {
      const round = randomRound(random);
      const legs = randomLegs(random, round);
      const scale = 1n + BigInt(Math.floor(random() * 2 ** 42));
      const anyIndex = Math.floor(random() * DEFAULT_PARAMETERS.scenarios.length);
      const scenarioIndex = index % 2 ? NEAR_THE_MONEY[(index >> 1) % 4]! : anyIndex;
      const movingCollateral = random() < 0.5 ? 0n : BigInt(Math.floor(10 ** (random() * 15)));
      const account = { legs, scale, movingCollateral };
      const expected = exactScenario(account, round, DEFAULT_PARAMETERS, scenarioIndex);
      if (expected.lossCounted) losing.add(scenarioIndex);
      const input = await insolvencyInput({
        ...account,
        round,
        parameters: DEFAULT_PARAMETERS,
        scenarioIndex,
        salt: BigInt(index),
        context: 12345n,
        capacity: 8,
      });
      const witness = await circuit.witness(input);
      const { mark, baseRequirement, collateralSlope } = expected;
      expect(figuresShown(circuit, witness), `account ${index}`).toEqual({
        mark,
        baseRequirement,
        collateralSlope,
      });
    }
    expect([...losing]).toEqual(expect.arrayContaining(NEAR_THE_MONEY));
  });
});

describe('insolvencyInput', () => {
  const round = randomRound(mulberry32(SEED));
  const { expiryHour } = round.expiries[0]!;
  const legs = (count: number): Leg[] =>
    canonicalLegs(
      Array.from({ length: count }, (_, index) => ({
        instrument: { kind: 'call' as const, expiryHour, strike: 900_000_000n + BigInt(index) },
        quantity: -1_000_000n,
      })),
    );
  const statement = {
    legs: legs(8),
    scale: 2n ** 40n,
    round,
    parameters: DEFAULT_PARAMETERS,
    scenarioIndex: DEFAULT_PARAMETERS.scenarios.length - 1,
    salt: 1n,
    context: 2n,
    capacity: 8,
  };

  it('takes as many legs as there are places, and the last scenario', async () => {
    expect((await insolvencyInput(statement)).packed).toHaveLength(8);
  });

  // A leg without a place would be left out of what is shown.
  it.each([
    ['legs', { legs: legs(9) }, 'TOO_MANY_LEGS'],
    ['scenarioIndex', { scenarioIndex: DEFAULT_PARAMETERS.scenarios.length }, 'OUT_OF_RANGE'],
    ['scenarioIndex', { scenarioIndex: -1 }, 'OUT_OF_RANGE'],
    ['scenarioIndex', { scenarioIndex: 0.5 }, 'OUT_OF_RANGE'],
  ])('names %s', async (field, change, code) => {
    await expect(insolvencyInput({ ...statement, ...change })).rejects.toMatchObject({ code, field });
  });
});
