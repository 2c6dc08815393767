import { beforeAll, describe, expect, it } from 'vitest';
import { exactScenario } from '../../margin/exact/margin.ts';
import { mulberry32 } from '../../margin/example-book.ts';
import { DEFAULT_PARAMETERS } from '../../margin/parameters.ts';
import { SCALAR_FIELD } from '../../market/instrument.ts';
import { CircuitTester } from '../circuit-tester.ts';
import { insolvencyInput } from './insolvency.ts';
import { randomLegs, randomRound } from './testing.ts';

const SEED = Number(process.env.ZKMARGIN_SEED ?? 7);
const ACCOUNTS = 220;

function signed(value: bigint): bigint {
  return value > SCALAR_FIELD / 2n ? value - SCALAR_FIELD : value;
}

describe('insolvency circuit at 8 legs', () => {
  let circuit: CircuitTester;
  beforeAll(async () => {
    circuit = await CircuitTester.fromFile('circuits/main/insolvency-8.circom');
  });

  it(`agrees with the exact model to the bit on ${ACCOUNTS} random accounts (seed ${SEED})`, async () => {
    const random = mulberry32(SEED);
    for (let index = 0; index < ACCOUNTS; index++) {
      const round = randomRound(random);
      const legs = randomLegs(random, round);
      const scale = 1n + BigInt(Math.floor(random() * 2 ** 42));
      const scenarioIndex = Math.floor(random() * DEFAULT_PARAMETERS.scenarios.length);
      const expected = exactScenario({ legs, scale }, round, DEFAULT_PARAMETERS, scenarioIndex);
      const input = await insolvencyInput({
        legs,
        scale,
        round,
        parameters: DEFAULT_PARAMETERS,
        scenarioIndex,
        salt: BigInt(index),
        context: 12345n,
        capacity: 8,
      });
      const witness = await circuit.witness(input);
      const at = `account ${index}`;
      expect(signed(circuit.signal(witness, 'main.mark')), at).toBe(expected.mark);
      expect(circuit.signal(witness, 'main.requirement'), at).toBe(expected.requirement);
    }
  });
});
