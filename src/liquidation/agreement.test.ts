import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildContracts } from '../chain/build.ts';
import { type Harness, type HarnessCall, startHarness } from '../chain/testing.ts';
import { isZkMarginError } from '../errors.ts';
import { requirementWith } from '../margin/exact/collateral.ts';
import {
  atScale,
  equityOf,
  type LiquidationState,
  penaltyBps,
  sale,
  sizeOf,
  subsidisedRequirement,
  takeover,
  targetOf,
  vesselFloor,
  worthOf,
} from './amounts.ts';
import { factorAt, startFee } from './auction.ts';

const SEED = Number(process.env.ZKMARGIN_SEED ?? 20_250_219);
const MONEY = 2n ** 96n - 1n;
const SCALE = 2n ** 64n - 1n;
const NO_LIMIT = 2n ** 256n - 1n;

/** Each error of the library, and what the model calls it. */
const ERRORS: Readonly<Record<string, string>> = {
  AccountHealthy: 'NOT_LIQUIDATABLE',
  NoWorth: 'BAD_DEBT',
  HasWorth: 'HAS_WORTH',
  SliceTooSmall: 'NOTHING_TO_LIQUIDATE',
};

/** A call of the library and the same of the model. */
interface Case extends HarnessCall {
  readonly model: () => unknown;
}

let harness: Harness;

beforeAll(async () => {
  await buildContracts({ tests: true });
  harness = await startHarness('MathHarness');
  console.log(`random cases with seed ${SEED}; ZKMARGIN_SEED gives others`);
});

afterAll(async () => {
  await harness?.stop();
});

/** Compares all cases, and says how often there was a result and how often which error. */
async function compare(cases: readonly Case[]): Promise<Record<string, number>> {
  const outcomes = await harness.call(cases);
  const seen: Record<string, number> = {};
  cases.forEach(({ functionName, args, model }, index) => {
    const outcome = outcomes[index]!;
    let mine: { result: unknown } | { error: string };
    try {
      mine = { result: model() };
    } catch (error) {
      if (!isZkMarginError(error)) throw error;
      mine = { error: error.code };
    }
    const theirs = 'error' in outcome ? { error: ERRORS[outcome.error] ?? outcome.error } : outcome;
    expect(
      theirs,
      `${functionName}(${JSON.stringify(args, (_, v) => (typeof v === 'bigint' ? `${v}` : v))})`,
    ).toEqual(mine);
    const kind = 'error' in mine ? mine.error : 'result';
    seen[kind] = (seen[kind] ?? 0) + 1;
  });
  return seen;
}

/** Reproducible numbers: each of the functions draws one. */
function source(seed: number) {
  let state = BigInt(seed) * 0x9e3779b97f4a7c15n + 1n;
  const bits = (): bigint => {
    let value = 0n;
    for (let word = 0; word < 2; word++) {
      // splitmix64
      state = (state + 0x9e3779b97f4a7c15n) % 2n ** 64n;
      let z = state;
      z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) % 2n ** 64n;
      z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) % 2n ** 64n;
      value = (value << 64n) | (z ^ (z >> 31n));
    }
    return value;
  };
  /** In [low, high]. */
  const between = (low: bigint, high: bigint): bigint => low + (bits() % (high - low + 1n));
  /** In [low, high], of any magnitude, often at an end. */
  const wide = (low: bigint, high: bigint): bigint => {
    const size = high - low;
    const choice = between(0n, 15n);
    if (choice === 0n || size === 0n) return low;
    if (choice === 1n) return high;
    const offset = bits() % 2n ** between(1n, BigInt(size.toString(2).length));
    return offset > size ? high : low + offset;
  };
  const signed = (limit: bigint): bigint => (between(0n, 1n) === 0n ? 1n : -1n) * wide(0n, limit);
  return { between, wide, signed };
}

type Source = ReturnType<typeof source>;

/** Any state; in three of four cases the equity is near the requirement. Slices may be priced with collateral at up to any value. */
function randomState(random: Source): LiquidationState {
  const requirement = random.wide(0n, MONEY);
  const collateral = random.between(0n, 3n) === 0n ? random.wide(0n, MONEY) : 0n;
  const saleCollateral = random.between(0n, 1n) === 0n ? collateral : random.wide(collateral, MONEY);
  const cash = random.signed(MONEY);
  const equity = random.between(-requirement / 8n, (requirement * 5n) / 4n + 1n);
  const near = equity - cash - collateral;
  const useful = near > -MONEY && near < MONEY && random.between(0n, 3n) !== 0n;
  return {
    cash,
    collateral,
    saleCollateral,
    mark: useful ? near : random.signed(MONEY),
    requirement,
    scale: random.wide(1n, SCALE),
    reserved:
      random.between(0n, 2n) === 0n
        ? random.wide(0n, equity > 0n && equity < MONEY ? equity + 1n : MONEY)
        : 0n,
  };
}

function terms(random: Source) {
  const startFactorBps = random.wide(0n, 20_000n);
  const fastFactorBps = random.wide(0n, startFactorBps);
  const fastSeconds = random.wide(0n, 2n ** 31n);
  return {
    initialLevel: 5_120n,
    bufferBps: random.wide(0n, 10_000n),
    penaltyBps: [0, 1, 2, 3].map(() => random.wide(0n, 5_000n)),
    volatilityThreshold: random.wide(0n, 2n ** 32n - 1n),
    volatilityPenaltyBps: random.wide(0n, 2_000n),
    rewardShareBps: 2_000n,
    atomicLimit: MONEY,
    backstopBps: 500n,
    feeBps: random.wide(0n, 5_000n),
    tip: random.wide(0n, 2n ** 64n - 1n),
    chipBps: random.wide(0n, 10_000n),
    startFactorBps,
    fastFactorBps,
    cuspFactorBps: random.wide(0n, fastFactorBps),
    fastSeconds,
    tailSeconds: fastSeconds + random.wide(0n, 2n ** 31n - 1n),
    insolventSeconds: 600n,
    commitSeconds: 0n,
    revealSeconds: 0n,
    coolOffSeconds: 0n,
    maxProofAge: 60n,
    minBidBps: 100n,
  };
}

/** As the ABI decoder wants it: fields of up to 48 bits are numbers. */
function abiTerms(values: ReturnType<typeof terms>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      name === 'tip' || name === 'atomicLimit'
        ? value
        : typeof value === 'bigint'
          ? Number(value)
          : value.map(Number),
    ]),
  );
}

/** As the library has it: what moves is in the requirement already. */
const abiState = (state: LiquidationState) => ({ ...state, movingCollateral: 0n });

/** Any figures of a proof; in half of the cases without a slope, or with one of either end. */
function figures(random: Source) {
  const slope = random.between(0n, 5n);
  return {
    mark: random.between(0n, 1n) === 0n ? random.wide(0n, MONEY) : random.wide(-MONEY - 1n, 0n),
    baseRequirement: random.between(0n, 2n) === 0n ? random.wide(-MONEY - 1n, 0n) : random.wide(0n, MONEY),
    collateralSlope:
      slope === 0n
        ? 0n
        : slope === 1n
          ? -(2n ** 57n)
          : slope === 2n
            ? 2n ** 57n - 1n
            : random.signed(2n ** 57n - 1n),
    scale: random.wide(1n, SCALE),
  };
}

const many = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);

describe('the library and the model agree', () => {
  it('on sales and their refusals', async () => {
    const random = source(SEED);
    const seen = await compare(
      many(4_000, () => {
        const state = randomState(random);
        const bufferBps = random.wide(0n, 10_000n);
        const factorBps = random.wide(0n, 20_000n);
        const maxScale = random.between(0n, 2n) === 0n ? random.wide(0n, SCALE) : SCALE;
        return {
          functionName: 'sale',
          args: [abiState(state), bufferBps, factorBps, maxScale],
          model: () => sale(state, bufferBps, factorBps, maxScale),
        };
      }),
    );
    console.log('sales', seen);
    expect(seen.result).toBeGreaterThan(1_000);
    for (const code of ['NOT_LIQUIDATABLE', 'BAD_DEBT', 'NOTHING_TO_LIQUIDATE']) {
      expect(seen[code]).toBeGreaterThan(50);
    }
  });

  it('on sales at every extreme at once', async () => {
    const cases: Case[] = [];
    for (const cash of [-MONEY, -1n, 0n, 1n, MONEY]) {
      for (const collateral of [0n, 1n, MONEY]) {
        const saleValues = [...new Set([collateral, MONEY])];
        for (const [mark, saleCollateral] of [-MONEY, 0n, MONEY].flatMap((value) =>
          saleValues.map((saleValue) => [value, saleValue] as const),
        )) {
          for (const requirement of [0n, 1n, MONEY]) {
            for (const scale of [1n, SCALE]) {
              for (const reserved of [0n, MONEY]) {
                for (const factorBps of [0n, 20_000n]) {
                  const state = { cash, collateral, saleCollateral, mark, requirement, scale, reserved };
                  cases.push({
                    functionName: 'sale',
                    args: [abiState(state), 10_000n, factorBps, NO_LIMIT],
                    model: () => sale(state, 10_000n, factorBps),
                  });
                }
              }
            }
          }
        }
      }
    }
    const seen = await compare(cases);
    expect(seen.result).toBeGreaterThan(0);
    expect(Object.values(seen).reduce((a, b) => a + b)).toBe(cases.length);
  });

  it('on takeovers and their refusals', async () => {
    const random = source(SEED + 1);
    const seen = await compare(
      many(2_000, () => {
        const state = randomState(random);
        const broke =
          random.between(0n, 7n) === 0n
            ? state
            : {
                ...state,
                cash: -random.wide(0n, MONEY),
                collateral: 0n,
                saleCollateral: random.between(0n, 1n) === 0n ? 0n : random.wide(0n, MONEY),
                mark: -random.wide(0n, MONEY),
              };
        const bufferBps = random.wide(0n, 10_000n);
        const length = random.wide(1n, 2n ** 32n - 1n);
        const elapsed = random.wide(0n, 2n * length);
        const maxScale = random.between(0n, 2n) === 0n ? random.wide(0n, SCALE) : SCALE;
        return {
          functionName: 'takeover',
          args: [abiState(broke), bufferBps, elapsed, length, maxScale],
          model: () => takeover(broke, bufferBps, elapsed, length, maxScale),
        };
      }),
    );
    console.log('takeovers', seen);
    expect(seen.result).toBeGreaterThan(500);
    expect(seen.HAS_WORTH).toBeGreaterThan(20);
    expect(seen.NOTHING_TO_LIQUIDATE).toBeGreaterThan(20);
  });

  it('on scaled figures, requirements, targets, equity, worth and vessels', async () => {
    const random = source(SEED + 2);
    await compare(
      many(2_400, () => {
        const state = randomState(random);
        const { requirement } = state;
        const proven = figures(random);
        const { baseRequirement, collateralSlope } = proven;
        const moving = random.wide(0n, MONEY);
        const other = random.wide(1n, SCALE);
        const bufferBps = random.wide(0n, 10_000n);
        const kinds: readonly Case[] = [
          {
            functionName: 'atScale',
            args: [proven, other],
            model: () => atScale(proven, other),
          },
          {
            functionName: 'requirementWith',
            args: [baseRequirement, collateralSlope, moving],
            model: () => requirementWith(baseRequirement, collateralSlope, moving),
          },
          {
            functionName: 'subsidisedRequirement',
            args: [requirement, baseRequirement],
            model: () => subsidisedRequirement(requirement, baseRequirement),
          },
          {
            functionName: 'targetOf',
            args: [requirement, bufferBps],
            model: () => targetOf(requirement, bufferBps),
          },
          { functionName: 'equityOf', args: [abiState(state)], model: () => equityOf(state) },
          {
            functionName: 'sizeOf',
            args: [requirement, equityOf(state)],
            model: () => sizeOf(requirement, equityOf(state)),
          },
          { functionName: 'worthOf', args: [abiState(state)], model: () => worthOf(state) },
          {
            functionName: 'vesselFloor',
            args: [proven, bufferBps, other, moving],
            model: () => vesselFloor(proven, bufferBps, other, moving),
          },
        ];
        return kinds[Number(random.between(0n, 7n))]!;
      }),
    );
  });

  it('on price factors, penalties and fees', async () => {
    const random = source(SEED + 3);
    const seen = await compare(
      many(1_500, () => {
        const values = terms(random);
        const state = randomState(random);
        const equity = equityOf(state);
        const volatility = random.wide(0n, 2n ** 32n - 1n);
        const elapsed = random.wide(0n, 2n * values.tailSeconds);
        const kinds: readonly Case[] = [
          {
            functionName: 'factorAt',
            args: [abiTerms(values), elapsed],
            model: () => factorAt(values, elapsed),
          },
          {
            functionName: 'penaltyBps',
            args: [abiTerms(values), equity, state.requirement, volatility],
            model: () => penaltyBps(values, equity, state.requirement, volatility),
          },
          {
            functionName: 'startFee',
            args: [abiState(state), abiTerms(values), volatility],
            model: () => {
              const { fee, reward } = startFee(state, values, volatility);
              return [fee, reward];
            },
          },
        ];
        return kinds[Number(random.between(0n, 2n))]!;
      }),
    );
    expect(seen).toEqual({ result: 1_500 });
  });
});
