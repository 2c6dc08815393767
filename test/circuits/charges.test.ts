/**
 * The charges beside scan risk in both margin circuits: the signs that a prover of insolvency claims, and positions that no scenario
 * moves and that basis or interest rates do.
 */

import { beforeAll, describe, expect, it } from 'vitest';
import { gammaCost, horizonRate } from '../../src/margin/exact/charges.ts';
import { requirementWith } from '../../src/margin/exact/collateral.ts';
import {
  type ExactScenarioMargin,
  exactMargin,
  exactScenario,
  prepareAccount,
  priceFactor,
  scenarioLossValue,
} from '../../src/margin/exact/margin.ts';
import { exactSolvency } from '../../src/margin/exact/solvency.ts';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import { canonicalLegs, type Leg } from '../../src/market/instrument.ts';
import type { MarketRound } from '../../src/market/words.ts';
import { floorDivide } from '../../src/math/fixed/primitives.ts';
import { SCALAR_MODULUS } from '../../src/math/fixed/scalar-field.ts';
import { mulberry32 } from '../../src/math/float/random.ts';
import { CircuitTester } from '../../src/proof/circuit-tester.ts';
import { fieldText } from '../../src/proof/field.ts';
import type { CircuitInput } from '../../src/proof/prover/backend.ts';
import { insolvencyInput } from '../../src/proof/witness/insolvency.ts';
import { solvencyInput } from '../../src/proof/witness/solvency.ts';
import { figuresShown, randomLegs, randomRound } from '../../src/proof/witness/testing.ts';
import { legs as fullLegs, round as fullRound } from './full-account.ts';
import { expectRefused } from './tampering.ts';

const SEED = Number(process.env.ZKMARGIN_SEED ?? 11);
const SCALE = (1n << 40n) + 12_345n;
const parameters = DEFAULT_PARAMETERS;
const statement = { scale: SCALE, parameters, salt: 42n, context: 3n, capacity: 8 };

let insolvency: CircuitTester;
let solvency: CircuitTester;
beforeAll(async () => {
  insolvency = await CircuitTester.fromFile('circuits/main/insolvency-8.circom');
  solvency = await CircuitTester.fromFile('circuits/main/solvency-8.circom');
});

const inputOf = (legs: readonly Leg[], round: MarketRound, scenarioIndex: number): Promise<CircuitInput> =>
  insolvencyInput({ ...statement, legs, round, scenarioIndex });

/** Claims as the circuit takes them. */
interface Signs {
  readonly forwardSigns: readonly bigint[];
  readonly valueSigns: readonly bigint[];
  readonly deltaSign: bigint;
  readonly vegaSigns: readonly bigint[];
  readonly shortGamma: bigint;
  readonly lossCounted: bigint;
}

const signsOf = (input: CircuitInput): Signs => ({
  forwardSigns: (input.forwardSigns as string[]).map(BigInt),
  valueSigns: (input.valueSigns as string[]).map(BigInt),
  vegaSigns: (input.vegaSigns as string[]).map(BigInt),
  deltaSign: BigInt(input.deltaSign as string),
  shortGamma: BigInt(input.shortGamma as string),
  lossCounted: BigInt(input.lossCounted as string),
});

const withSigns = (input: CircuitInput, signs: Signs): CircuitInput => ({
  ...input,
  forwardSigns: signs.forwardSigns.map(String),
  valueSigns: signs.valueSigns.map(String),
  vegaSigns: signs.vegaSigns.map(String),
  deltaSign: String(signs.deltaSign),
  shortGamma: String(signs.shortGamma),
  lossCounted: String(signs.lossCounted),
});

/** What claims show, 1e-6 USD and 2^-54. */
function claimedFigures(
  legs: readonly Leg[],
  round: MarketRound,
  scenarioIndex: number,
  signs: Signs,
): Pick<ExactScenarioMargin, 'baseRequirement' | 'collateralSlope'> {
  const prepared = prepareAccount({ legs, scale: SCALE }, round, parameters);
  const scenario = parameters.scenarios[scenarioIndex]!;
  const { charges, shortContracts } = prepared;
  const counted = scenarioIndex === 0 ? 0n : signs.lossCounted;
  const weight = counted * BigInt(scenario.damping) * BigInt(parameters.maintenanceFactor);
  const scan = ((scenarioLossValue(prepared, scenario) >> 145n) * weight) << 8n;
  const short = (shortContracts * round.underlying.spot * BigInt(parameters.shortOptionRate)) << 20n;
  const horizon = (2n * signs.deltaSign - 1n) * horizonRate(round.underlying, parameters);
  let linear = horizon * charges.deltaValue;
  let vega = 0n;
  charges.expiries.forEach(({ risk, forwardValue, markValue, vegaValue }, e) => {
    vega += vegaValue * (signs.vegaSigns[e] === 1n ? risk.vegaRateDown : -risk.vegaRateUp);
    linear += (2n * signs.forwardSigns[e]! - 1n) * forwardValue * risk.basisRate;
    linear += (2n * signs.valueSigns[e]! - 1n) * markValue * risk.interestRate;
  });
  const gamma = signs.shortGamma * (-charges.gammaValue >> 121n) * gammaCost(round.underlying, parameters);
  const sum = scan + short + (linear >> 119n) + gamma + (vega >> 110n);
  const factor = priceFactor(parameters.priceStep, scenario.priceMove);
  return {
    baseRequirement: floorDivide(SCALE * sum, 1_000_000n << 76n),
    collateralSlope: weight * ((1n << 26n) - factor) + (horizon << 18n),
  };
}

describe('signs that a prover of insolvency claims', () => {
  it('are bits', async () => {
    const input = await inputOf(fullLegs, fullRound, 3);
    await insolvency.witness(input);
    const half = (SCALAR_MODULUS + 1n) / 2n;
    for (const value of [2n, SCALAR_MODULUS - 1n, half]) {
      for (const name of ['deltaSign', 'shortGamma', 'lossCounted']) {
        await expectRefused(insolvency, { ...input, [name]: String(value) });
      }
      for (const name of ['forwardSigns', 'valueSigns', 'vegaSigns']) {
        for (const place of [0, 7]) {
          const signs = (input[name] as string[]).map((sign, e) => (e === place ? String(value) : sign));
          await expectRefused(insolvency, { ...input, [name]: signs });
        }
      }
    }
  });

  it(`never show a higher requirement than the model's, whatever the collateral (seed ${SEED})`, async () => {
    const random = mulberry32(SEED);
    const bit = (): bigint => (random() < 0.5 ? 1n : 0n);
    const seen = { lower: 0, equal: 0, negative: 0 };
    for (let index = 0; index < 60; index++) {
      const round = randomRound(random);
      const legs = randomLegs(random, round);
      const scenarioIndex = random() < 0.3 ? 0 : Math.floor(random() * parameters.scenarios.length);
      const movingCollateral = random() < 0.3 ? 0n : BigInt(Math.floor(10 ** (6 + random() * 8)));
      const account = { legs, scale: SCALE, movingCollateral };
      const input = await insolvencyInput({ ...statement, ...account, round, scenarioIndex });
      const model = exactScenario(account, round, parameters, scenarioIndex);
      const honest = signsOf(input);
      expect(model).toMatchObject(claimedFigures(legs, round, scenarioIndex, honest));
      // All at random, or a single one turned.
      const signs: Signs =
        random() < 0.5
          ? {
              forwardSigns: honest.forwardSigns.map(bit),
              valueSigns: honest.valueSigns.map(bit),
              vegaSigns: honest.vegaSigns.map(bit),
              deltaSign: bit(),
              shortGamma: bit(),
              lossCounted: bit(),
            }
          : [
              { ...honest, deltaSign: 1n - honest.deltaSign },
              { ...honest, shortGamma: 1n - honest.shortGamma },
              { ...honest, lossCounted: 1n - honest.lossCounted },
              { ...honest, vegaSigns: honest.vegaSigns.map((sign, e) => (e === 2 ? 1n - sign : sign)) },
            ][Math.floor(random() * 4)]!;
      const claimed = claimedFigures(legs, round, scenarioIndex, signs);
      const requirement = requirementWith(claimed.baseRequirement, claimed.collateralSlope, movingCollateral);
      expect(requirement).toBeLessThanOrEqual(model.requirement);
      const witness = await insolvency.witness(withSigns(input, signs));
      expect(figuresShown(insolvency, witness)).toEqual({ mark: model.mark, ...claimed });
      if (claimed.baseRequirement < 0n) seen.negative++;
      seen[requirement < model.requirement ? 'lower' : 'equal']++;
    }
    console.log(seen);
    expect(Math.min(seen.lower, seen.equal, seen.negative)).toBeGreaterThan(0);
  });
});

describe('the place without move and shock', () => {
  it('shows no loss, whatever its revaluation would', async () => {
    const random = mulberry32(SEED + 1);
    let wouldHaveShown = 0;
    for (let index = 0; index < 12; index++) {
      const round = randomRound(random);
      const legs = randomLegs(random, round);
      const witness = await insolvency.witness({ ...(await inputOf(legs, round, 0)), lossCounted: '1' });
      expect(insolvency.signal(witness, 'main.counted')).toBe(0n);
      const isLoss = insolvency.signal(witness, 'main.lossBits[239]') === 1n;
      const units = Array.from({ length: 94 }, (_, bit) =>
        insolvency.signal(witness, `main.lossBits[${145 + bit}]`),
      );
      if (isLoss && units.includes(1n)) wouldHaveShown++;
      expect(figuresShown(insolvency, witness).baseRequirement).toBe(
        exactScenario({ legs, scale: SCALE }, round, parameters, 0).requirement,
      );
    }
    expect(wouldHaveShown).toBeGreaterThan(0);
  });
});

describe('positions that scenarios leave alone', () => {
  const spot = BigInt(Math.round(Number(fullRound.underlying.spot) / 1e6));
  const atTheMoney = (spot / 1_000n) * 1_000n;
  const { expiryHour } = fullRound.expiries[5]!;
  const option = (kind: 'call' | 'put', usd: bigint, quantity: bigint): Leg => ({
    instrument: { kind, expiryHour, strike: usd * 10_000n },
    quantity,
  });
  const linear = (quantity: bigint): Leg => ({
    instrument: { kind: 'linear', expiryHour: 0, strike: 0n },
    quantity,
  });
  const accounts = {
    'a synthetic forward against linear legs': canonicalLegs([
      option('call', atTheMoney, 5_000_000n),
      option('put', atTheMoney, -5_000_000n),
      linear(-5_000_000n),
    ]),
    'the same, short': canonicalLegs([
      option('call', atTheMoney, -5_000_000n),
      option('put', atTheMoney, 5_000_000n),
      linear(5_000_000n),
    ]),
    'a box': canonicalLegs([
      option('call', atTheMoney, 5_000_000n),
      option('put', atTheMoney, -5_000_000n),
      option('call', atTheMoney + 10_000n, -5_000_000n),
      option('put', atTheMoney + 10_000n, 5_000_000n),
    ]),
    'the same, lent': canonicalLegs([
      option('call', atTheMoney, -5_000_000n),
      option('put', atTheMoney, 5_000_000n),
      option('call', atTheMoney + 10_000n, 5_000_000n),
      option('put', atTheMoney + 10_000n, -5_000_000n),
    ]),
  };

  it.each(Object.entries(accounts))(
    '%s: both circuits have the requirement of the model',
    async (_, legs) => {
      const account = { legs, scale: SCALE };
      const margin = exactMargin(account, fullRound, parameters);
      // What scenarios and gamma miss is charged: the greater part of the requirement, and no small sum.
      const charged = margin.basisCharge + margin.interestCharge;
      expect(2n * charged).toBeGreaterThan(margin.requirement - margin.shortOptionMinimum);
      expect(charged).toBeGreaterThan(10_000_000n);
      const witness = await insolvency.witness(await inputOf(legs, fullRound, margin.worstScenario));
      expect(figuresShown(insolvency, witness).baseRequirement).toBe(margin.requirement);

      const level = 4096n;
      const { slack } = exactSolvency({ ...account, cash: 0n }, fullRound, parameters, level);
      const unit = 1_000_000n << 88n;
      const least = slack < 0n ? (-slack + unit - 1n) / unit : -(slack / unit);
      const of = (cash: bigint) => solvencyInput({ ...statement, legs, round: fullRound, cash, level });
      const accepted = await of(least);
      await solvency.witness(accepted);
      await expectRefused(solvency, {
        ...accepted,
        cash: fieldText(BigInt(accepted.cash as string) - 1n),
      });
      // The least cash is what insolvency shows: equity of the requirement, but for roundings.
      const difference = least + margin.mark - margin.requirement;
      expect(difference).toBeGreaterThanOrEqual(0n);
      expect(difference).toBeLessThan(100n);
    },
  );
});
