import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { MAX_MONEY } from '../../margin/exact/bounds.ts';
import { exactMargin } from '../../margin/exact/margin.ts';
import {
  exactSolvency,
  INITIAL_LEVEL,
  MAINTENANCE_LEVEL,
  requireSolvencyLayout,
} from '../../margin/exact/solvency.ts';
import { DEFAULT_PARAMETERS, type RiskParameters } from '../../margin/parameters.ts';
import { exampleRound, type SviSurfaces } from '../../market/example-market.ts';
import { canonicalLegs, LINEAR } from '../../market/instrument.ts';
import { mulberry32 } from '../../math/float/random.ts';
import { CircuitTester } from '../circuit-tester.ts';
import { fieldText } from '../field.ts';
import { solvencyInput } from './solvency.ts';
import { randomLegs, randomRound } from './testing.ts';

const surfaces = JSON.parse(
  readFileSync(new URL('../../../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
) as SviSurfaces;

const SEED = Number(process.env.ZKMARGIN_SEED ?? 11);
const ACCOUNTS = 60;

/** 1e-6 USD in the unit of `slack`. */
const CASH_UNIT = 1_000_000n << 88n;

/** Least cash at which an account is solvent. */
function leastCash(slackWithoutCash: bigint): bigint {
  const quotient = -slackWithoutCash / CASH_UNIT;
  return quotient * CASH_UNIT >= -slackWithoutCash ? quotient : quotient + 1n;
}

function randomParameters(random: () => number): RiskParameters {
  return {
    ...DEFAULT_PARAMETERS,
    priceStep: 5_000 + Math.floor(random() * 16_500),
    volShockUp: Math.floor(random() * 2 ** 13),
    volShockDown: Math.floor(random() * 2 ** 13),
    maintenanceFactor: 4096 + Math.floor(random() * 4096),
    shortOptionRate: Math.floor(random() * 2 ** 14),
    scenarios: DEFAULT_PARAMETERS.scenarios
      .slice(0, random() < 0.5 ? 35 : 31)
      .map((scenario, index) =>
        index === 0 ? scenario : { ...scenario, damping: 1 + Math.floor(random() * 2 ** 16) },
      ),
  };
}

describe('solvency in exact integers', () => {
  it('is the complement of the insolvency check up to its roundings', () => {
    const random = mulberry32(SEED);
    for (let index = 0; index < 40; index++) {
      const round = randomRound(random);
      const legs = randomLegs(random, round);
      const scale = 1n + BigInt(Math.floor(random() * 2 ** 41));
      const { mark, requirement } = exactMargin({ legs, scale }, round, DEFAULT_PARAMETERS);
      const least = leastCash(exactSolvency({ legs, scale, cash: 0n }, round, DEFAULT_PARAMETERS).slack);
      const threshold = requirement - mark;
      // Losses are rounded up to 1.05e-6 USD per unit of scale and by the maintenance factor; amounts to 1e-6 USD.
      const bound = 4n + (3n * scale) / 2n ** 40n;
      expect(least, `account ${index}`).toBeGreaterThanOrEqual(threshold);
      expect(least - threshold, `account ${index}`).toBeLessThanOrEqual(bound);
    }
  });

  it('never holds of an account that can be proven insolvent, for a short cash delta without losses either', () => {
    // Found in review: place 0 once showed a loss by the rounding of 2^0, which insolvency counted and solvency did not.
    const round = exampleRound(surfaces, 'BTC');
    const option = (kind: 'call' | 'put', expiryHour: number, strike: bigint, quantity: bigint) => ({
      instrument: { kind, expiryHour, strike },
      quantity,
    });
    const [near, next, later, last] = [0, 1, 5, 7].map((row) => round.expiries[row]!.expiryHour) as [
      number,
      number,
      number,
      number,
    ];
    const legs = canonicalLegs([
      { instrument: LINEAR, quantity: -28_077_262n },
      option('put', near, 930_000_000n, 100_000_000n),
      option('call', near, 1_030_000_000n, 100_000_000n),
      option('put', next, 850_000_000n, 100_000_000n),
      option('call', next, 990_000_000n, 100_000_000n),
      option('call', next, 1_030_000_000n, 100_000_000n),
      option('put', later, 900_000_000n, -21_767_153n),
      option('call', last, 1_030_000_000n, -100_000_000n),
    ]);
    const scale = 2n ** 40n;
    const { mark, requirement, scenarios } = exactMargin({ legs, scale }, round, DEFAULT_PARAMETERS);
    expect(scenarios[0]!.loss).toBe(0n);
    const least = leastCash(exactSolvency({ legs, scale, cash: 0n }, round, DEFAULT_PARAMETERS).slack);
    expect(least).toBeGreaterThanOrEqual(requirement - mark);
  });

  it('refuses cash, level and layouts out of range', () => {
    const round = randomRound(mulberry32(1));
    const legs = randomLegs(mulberry32(2), round);
    const check = (cash: bigint, level?: bigint, parameters = DEFAULT_PARAMETERS) =>
      exactSolvency({ legs, scale: 1n, cash }, round, parameters, level);
    expect(() => check(MAX_MONEY + 1n)).toThrow(
      expect.objectContaining({ code: 'OUT_OF_RANGE', field: 'cash' }),
    );
    expect(() => check(0n, 4095n)).toThrow(expect.objectContaining({ code: 'OUT_OF_RANGE', field: 'level' }));
    expect(() => check(0n, 65_536n)).toThrow(expect.objectContaining({ code: 'OUT_OF_RANGE' }));
    const scenarios = DEFAULT_PARAMETERS.scenarios.map((scenario, index) =>
      index === 5 ? { ...scenario, priceMove: 7 } : scenario,
    );
    expect(() => check(0n, undefined, { ...DEFAULT_PARAMETERS, scenarios })).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', field: 'parameters.scenarios[5]' }),
    );
    expect(() => requireSolvencyLayout(DEFAULT_PARAMETERS)).not.toThrow();
    expect(() => requireSolvencyLayout({ ...DEFAULT_PARAMETERS, priceStep: 87_382 })).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', field: 'parameters.priceStep' }),
    );
  });
});

/** By a constraint: an input that cannot be read would be refused by another code. */
const REJECTED = { code: 'WITNESS_REJECTED' };

describe('solvency circuit at 8 legs', () => {
  let circuit: CircuitTester;
  beforeAll(async () => {
    circuit = await CircuitTester.fromFile('circuits/main/solvency-8.circom');
  }, 120_000);

  it(`accepts the least cash and nothing less on ${ACCOUNTS} random accounts (seed ${SEED})`, async () => {
    const random = mulberry32(SEED);
    for (let index = 0; index < ACCOUNTS; index++) {
      const at = `account ${index}`;
      const round = randomRound(random);
      const legs = randomLegs(random, round);
      const scale = 1n + BigInt(Math.floor(random() * 2 ** 42));
      const parameters = randomParameters(random);
      const level = random() < 0.5 ? MAINTENANCE_LEVEL : INITIAL_LEVEL + BigInt(Math.floor(random() * 1000));
      const movingCollateral =
        random() < 0.5 ? 0n : (scale * BigInt(Math.floor(10 ** (random() * 15)))) >> 40n;
      const account = { legs, scale, movingCollateral };
      const bare = exactSolvency({ ...account, cash: 0n }, round, parameters, level);
      const cash = leastCash(bare.slack);
      const statement = { ...account, cash, level, round, parameters, salt: 5n, context: 9n, capacity: 8 };
      const input = await solvencyInput(statement);
      const witness = await circuit.witness(input);
      expect(circuit.signal(witness, 'main.worstLoss'), at).toBe(bare.worstLoss);
      // One micro-dollar less has no witness, and neither has a smaller worst loss.
      const poorer = { ...input, cash: fieldText(cash - 1n) };
      await expect(circuit.witness(poorer), at).rejects.toMatchObject(REJECTED);
      if (bare.worstLoss > 0n) {
        await expect(
          circuit.witness({ ...input, worstLoss: String(bare.worstLoss - 1n) }),
          at,
        ).rejects.toMatchObject(REJECTED);
      }
      await expect(solvencyInput({ ...statement, cash: cash - 1n }), at).rejects.toMatchObject({
        code: 'WITNESS_FAILED',
      });
    }
  }, 300_000);

  it('refuses another layout of scenarios, and a 36th scenario', async () => {
    const random = mulberry32(SEED + 1);
    const round = randomRound(random);
    const legs = randomLegs(random, round);
    const statement = { legs, scale: 2n ** 40n, cash: 2n ** 80n, round, salt: 5n, context: 9n, capacity: 8 };
    const input = await solvencyInput({ ...statement, parameters: DEFAULT_PARAMETERS });
    const { packParameters } = await import('../../margin/parameters.ts');
    const { commitParameters } = await import('../commitment.ts');
    const other = async (scenarios: RiskParameters['scenarios']) => {
      const parameters = { ...DEFAULT_PARAMETERS, scenarios };
      return circuit.witness({
        ...input,
        parametersCommitment: String(await commitParameters(parameters)),
        scenarioWords: packParameters(parameters).scenarioWords.map(String),
      });
    };
    const scenarios = [...DEFAULT_PARAMETERS.scenarios];
    await expect(other(scenarios)).resolves.toBeDefined();
    await expect(other([...scenarios, { priceMove: 3, volShock: 1, damping: 1 }])).rejects.toMatchObject(
      REJECTED,
    );
    await expect(
      other(scenarios.map((scenario, at) => (at === 9 ? { ...scenario, volShock: 0 } : scenario))),
    ).rejects.toMatchObject(REJECTED);
    await expect(
      other(scenarios.map((scenario, at) => (at === 20 ? { ...scenario, priceMove: -7 } : scenario))),
    ).rejects.toMatchObject(REJECTED);
  });
});
