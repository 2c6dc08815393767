/**
 * The revaluations of a leg against the exact model, to the bit, for every price move that a scenario may have: the layout of solvency has
 * seventeen of them. Slopes of d1 are halved by their bits for two steps and for one, so legs are such that all remainders come up, and at the ends of
 * what makes a slope or an intercept large: the least vols, tenors and strikes, and the largest price step.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { exactExpiry, exactExpiryRisk, exactExpiryShock } from '../../src/margin/exact/expiry.ts';
import {
  type ExactProbabilities,
  exactLegSurface,
  forKind,
  markProbabilities,
  scenarioProbabilities,
  stepParts,
  stepSlopeOf,
} from '../../src/margin/exact/leg.ts';
import { DEFAULT_PARAMETERS, MAX_PRICE_MOVE, type RiskParameters } from '../../src/margin/parameters.ts';
import { MAX_QUANTITY, MAX_STRIKE, packLeg } from '../../src/market/instrument.ts';
import {
  EXPIRY_COUNT,
  type ExpiryState,
  MAX_DISCOUNT,
  MAX_PILLAR,
  MAX_PRICE,
  MIN_PILLAR,
} from '../../src/market/words.ts';
import { mulberry32 } from '../../src/math/float/random.ts';
import { CircuitTester } from '../../src/proof/circuit-tester.ts';
import { fieldText } from '../../src/proof/field.ts';
import { mainOf } from './counts.ts';

const SEED = Number(process.env.ZKMARGIN_SEED ?? 20261122);
/** Random legs beside the extreme ones. */
const CASES = Number(process.env.ZKMARGIN_MOVES ?? 6);
const SHOCKS = [-1, 0, 1] as const;
/** The largest price step: with it the grid's 16 steps are a factor of 2. */
const LARGEST_STEP = 65_536;
const HOUR = 480_000;
/** The row of the leg's expiry. */
const ROW = 2;

const field = (value: bigint | number): string => fieldText(BigInt(value));
const rows = <T>(value: T): T[] => new Array<T>(EXPIRY_COUNT).fill(value);

interface Case {
  readonly name: string;
  readonly state: ExpiryState;
  readonly parameters: RiskParameters;
  readonly strike: bigint;
  readonly kind: 'call' | 'put';
  readonly quantity: bigint;
}

function parametersWith(priceStep: number, shock: number, power: number): RiskParameters {
  return {
    ...DEFAULT_PARAMETERS,
    priceStep,
    volShockUp: shock,
    volShockDown: shock,
    tenorPowerShort: power,
    tenorPowerLong: 0,
  };
}

const flat = (vol: bigint): bigint[] => rows(vol);
/** Neighbours at a factor of 2, which interpolation undershoots most. */
const jagged = [2n, 1n, 1n, 2n, 2n, 1n, 1n, 2n].map((value) => value * MIN_PILLAR);

const extremes: readonly Case[] = (
  [
    ['the least vol, far above', flat(MIN_PILLAR), 0, 1, 1n, MAX_STRIKE, LARGEST_STEP],
    ['the least vol, far below', flat(MIN_PILLAR), 0, 1, MAX_PRICE, 1n, LARGEST_STEP],
    ['the least vol at the money', jagged, 0, 1, 100n * MAX_STRIKE, MAX_STRIKE, LARGEST_STEP],
    ['the largest vol and tenor', flat(MAX_PILLAR), 3, 35_000, 100n * MAX_STRIKE, MAX_STRIKE, 17_476],
  ] as const
).map(([name, vols, spacingExponent, hours, forward, strike, priceStep], index) => ({
  name,
  state: {
    expiryHour: HOUR + hours,
    forward,
    discount: MAX_DISCOUNT,
    spacingExponent,
    vols,
  },
  parameters: parametersWith(priceStep, 2 ** 13, 2 ** 7),
  strike,
  kind: index % 2 ? 'put' : 'call',
  quantity: index % 2 ? MAX_QUANTITY : -MAX_QUANTITY,
}));

function someCase(random: () => number, index: number): Case {
  const below = (limit: number): number => Math.floor(random() * limit);
  const forward = BigInt(10 ** 9 + below(10 ** 12));
  const level = 2 ** 15 + below(2 ** 18);
  return {
    name: `random leg ${index}`,
    state: {
      expiryHour: HOUR + 1 + below(10 ** (1 + below(4))),
      forward,
      discount: BigInt(1 + below(2 ** 22 - 1)),
      spacingExponent: ([0, 1, 2, 3] as const)[below(4)]!,
      vols: rows(0).map(() => BigInt(level + below(level / 4))),
    },
    // Sixty steps are a factor of 2 at most.
    parameters: parametersWith(3_764 + below(17_476 - 3_764), below(2 ** 13 + 1), below(2 ** 7 + 1)),
    strike: (forward * BigInt(85 + below(30))) / 10_000n,
    kind: random() < 0.5 ? 'call' : 'put',
    quantity: BigInt(1 + below(10 ** 9)) * (random() < 0.5 ? -1n : 1n),
  };
}

function valued({ state, parameters, strike, kind, quantity }: Case) {
  const expiry = exactExpiry(state, BigInt(HOUR) * 3_600n);
  const risk = exactExpiryRisk(expiry, parameters);
  const surface = exactLegSurface(strike, expiry);
  const stepSlope = stepSlopeOf(surface, risk);
  const instrument = { kind, expiryHour: state.expiryHour, strike };
  return {
    surface,
    stepSlope,
    shocks: SHOCKS.map((volShock) => exactExpiryShock(risk, parameters, { volShock })),
    amounts: (weights: ExactProbabilities): string[] => {
      const { forwardWeight, strikeWeight } = forKind(weights, kind === 'put');
      const amount = quantity * state.discount;
      return [amount * state.forward * forwardWeight, amount * strike * 100n * strikeWeight].map(field);
    },
    /** What `OpenLeg` takes; every row holds the leg's expiry. */
    input: {
      packed: field(packLeg({ instrument, quantity })),
      strike: field(strike),
      quantity: field(quantity),
      kindBits: kind === 'put' ? ['0', '1'] : ['1', '0'],
      select: Array.from({ length: EXPIRY_COUNT - 1 }, (_, row) => (row === ROW ? '1' : '0')),
      expiryHours: rows(field(state.expiryHour)),
      discountedForwards: rows(field(state.forward * state.discount)),
      discounts: rows(field(state.discount)),
      vols: rows(state.vols.map(field)),
      spacings: rows(field(expiry.spacing)),
      logForwards: rows(field(expiry.logForward)),
      steps: rows(field(risk.step)),
    },
  };
}

const random = mulberry32(SEED);
const cases = [...extremes, ...Array.from({ length: CASES }, (_, index) => someCase(random, index))];

describe(`a leg under every move (seed ${SEED})`, () => {
  let one: CircuitTester;
  let all: CircuitTester;
  beforeAll(async () => {
    one = await CircuitTester.fromText('one-scenario', mainOf({ template: 'Leg(8)', file: 'leg' }));
    all = await CircuitTester.fromText(
      'all-scenarios',
      mainOf({ template: 'LegInAllScenarios(8)', file: 'solvency' }),
    );
  });

  it('is that of the model in `Leg`', async () => {
    const remainders = new Set<string>();
    for (const tested of cases) {
      const { surface, stepSlope, shocks, amounts, input } = valued(tested);
      const { priceStep } = tested.parameters;
      for (let priceMove = -64; priceMove <= MAX_PRICE_MOVE; priceMove++) {
        // -64 is what an unused place reads as; others are within a factor of 2.
        if (priceMove !== -64 && Math.abs(priceMove) * priceStep > 2 ** 20) continue;
        // Every shock in turn, the unused place's down.
        const shock = shocks[(priceMove + 64) % 3]!;
        const { fours, twos, ones, offset } = stepParts(priceMove);
        expect(4 * fours + 2 * twos + ones).toBe(priceMove);
        remainders.add(`${(((stepSlope >> 7n) * shock.inverseMultiplier) >> 15n) & 3n} ${priceMove & 3}`);
        const witness = await one.witness({
          ...input,
          volMultipliers: rows(field(shock.volMultiplier)),
          inverseMultipliers: rows(field(shock.inverseMultiplier)),
          basisRates: rows('0'),
          interestRates: rows('0'),
          vegaRates: rows('0'),
          fours: field(fours),
          twos: field(twos),
          ones: field(ones),
          stepOffset: field(offset),
        });
        const shown = ['scenarioForward', 'scenarioStrike', 'markForward', 'markStrike'].map((name) =>
          String(one.signal(witness, name)),
        );
        expect(shown, `${tested.name}, move ${priceMove}`).toEqual([
          ...amounts(scenarioProbabilities(surface, stepSlope, shock, priceMove)),
          ...amounts(markProbabilities(surface)),
        ]);
      }
    }
    // Every remainder of the slope with every part of a move.
    expect(remainders.size).toBe(16);
  });

  it('is that of the model in `LegInAllScenarios`, in used places and in unused ones', async () => {
    for (const tested of cases) {
      const { surface, stepSlope, shocks, amounts, input } = valued(tested);
      const [down, , up] = shocks.map(({ volMultiplier, inverseMultiplier }) => [
        field(volMultiplier),
        field(inverseMultiplier),
      ]);
      const witness = await all.witness({
        ...input,
        volMultipliers: rows([down![0]!, up![0]!]),
        inverseMultipliers: rows([down![1]!, up![1]!]),
      });
      DEFAULT_PARAMETERS.scenarios.forEach(({ priceMove, volShock }, at) => {
        const shown = ['Forwards', 'Strikes'].map((name) =>
          String(all.signal(witness, `scenario${name}[${at}]`)),
        );
        const weights =
          at === 0
            ? markProbabilities(surface)
            : scenarioProbabilities(surface, stepSlope, shocks[volShock + 1]!, priceMove);
        expect(shown, `${tested.name}, place ${at}`).toEqual(amounts(weights));
      });
    }
  });
});
