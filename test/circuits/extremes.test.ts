/**
 * Legal extremes, at random: rounds, parameters and positions at or near the ends of what contracts allow. The exact model, the
 * insolvency circuit and the solvency circuit must agree, a witness must exist where the model has a figure, and no cash is both
 * insolvent and solvent.
 */

import { beforeAll, describe, expect, it } from 'vitest';
import { collateralQuantity, MAX_COLLATERAL_QUANTITY } from '../../src/margin/exact/collateral.ts';
import { exactMargin } from '../../src/margin/exact/margin.ts';
import { exactSolvency } from '../../src/margin/exact/solvency.ts';
import { DEFAULT_PARAMETERS, type RiskParameters } from '../../src/margin/parameters.ts';
import { canonicalLegs, type Leg, LINEAR, MAX_QUANTITY, MAX_STRIKE } from '../../src/market/instrument.ts';
import { type ExpiryState, MAX_DISCOUNT, MAX_PRICE, type MarketRound } from '../../src/market/words.ts';
import { mulberry32 } from '../../src/math/float/random.ts';
import { CircuitTester } from '../../src/proof/circuit-tester.ts';
import { fieldText } from '../../src/proof/field.ts';
import { accountInput, insolvencyInput } from '../../src/proof/witness/insolvency.ts';
import { figuresShown } from '../../src/proof/witness/testing.ts';

const SEED = Number(process.env.ZKMARGIN_SEED ?? 20261121);
const CASES = Number(process.env.ZKMARGIN_EXTREMES ?? 12);
const MODEL_CASES = Number(process.env.ZKMARGIN_EXTREMES_MODEL ?? 1_500);
const CASH_UNIT = 1_000_000n << 88n;

const ceilDiv = (a: bigint, b: bigint): bigint => (a > 0n ? (a + b - 1n) / b : -(-a / b));

const atMost = (value: bigint, limit: bigint): bigint => [value, limit].sort((a, b) => (a < b ? -1 : 1))[0]!;

class Chooser {
  readonly #random: () => number;
  constructor(seed: number) {
    this.#random = mulberry32(seed);
  }
  below(n: number): number {
    return Math.floor(this.#random() * n);
  }
  /** An end of the range, near an end, or anything in between, half of the time by its logarithm. */
  within(low: bigint, high: bigint): bigint {
    const span = high - low;
    const near = BigInt(this.below(3));
    const kind = this.below(6);
    if (kind === 0) return low + (near < span ? near : span);
    if (kind <= 2) return high - (near < span ? near : span);
    const bits = span.toString(2).length;
    const size = kind === 3 ? this.below(bits + 1) : bits;
    let value = 0n;
    for (let i = 0; i < size; i++) value = 2n * value + BigInt(this.below(2));
    return low + (value <= span ? value : span);
  }
  number(low: number, high: number): number {
    return Number(this.within(BigInt(low), BigInt(high)));
  }
  one<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }
}

function someVols(c: Chooser): bigint[] {
  const ends = [1n << 15n, (1n << 19n) - 1n];
  const vols: bigint[] = [c.below(2) ? c.one(ends) : c.within(ends[0]!, ends[1]!)];
  while (vols.length < 8) {
    const last = vols.at(-1)!;
    const change = c.below(4);
    const next =
      change === 0
        ? last * 2n
        : change === 1
          ? (last + 1n) / 2n
          : change === 2
            ? last
            : c.within(ends[0]!, ends[1]!);
    const least = (last + 1n) / 2n > ends[0]! ? (last + 1n) / 2n : ends[0]!;
    const largest = 2n * last < ends[1]! ? 2n * last : ends[1]!;
    vols.push(next < least ? least : next > largest ? largest : next);
  }
  return vols;
}

function someRound(c: Chooser): MarketRound {
  const base = 480_000 + c.below(1_000);
  const timestamp = BigInt(base) * 3_600n + BigInt(c.one([0, 1, 1_800, 3_598, 3_599]));
  const count = 1 + c.below(8);
  const longest = 126_144_000;
  const hours = new Set<number>();
  for (let i = 0; i < count; i++) {
    const tenor = c.one([
      1,
      3_600,
      3_601,
      86_400,
      86_399,
      2_592_000,
      2_592_001,
      31_536_000,
      longest,
      c.number(1, longest),
    ]);
    let hour = Math.ceil((Number(timestamp) + tenor) / 3_600);
    if (hour * 3_600 - Number(timestamp) > longest) hour--;
    hours.add(hour);
  }
  const price = (): bigint => (c.below(2) ? c.within(1n, MAX_PRICE) : c.within(10n ** 9n, 10n ** 12n));
  const spot = price();
  return {
    underlying: { spot, timestamp, realisedVolatility: c.within(0n, 2n ** 20n - 1n), underlyingId: 7n },
    expiries: [...hours]
      .sort((a, b) => a - b)
      .map(
        (expiryHour): ExpiryState => ({
          expiryHour,
          forward: c.below(2) ? spot : price(),
          discount: c.within(1n, MAX_DISCOUNT),
          spacingExponent: c.one([0, 1, 2, 3] as const),
          vols: someVols(c),
        }),
      ),
  };
}

function someParameters(c: Chooser): RiskParameters {
  // At most the steps of the layout's largest move in use, and what `validateDirections` asks of a version.
  const scenarios = DEFAULT_PARAMETERS.scenarios.slice(0, c.one([31, 33, 35]));
  const moves = Math.max(...scenarios.map(({ priceMove }) => Math.abs(priceMove)));
  const volShockUp = c.number(0, 2 ** 13);
  const tenorPowerShort = c.number(0, 2 ** 7);
  return {
    priceStep: c.number(3_764, Math.floor(2 ** 20 / moves)),
    volShockUp,
    volShockDown: c.number(0, volShockUp),
    tenorPowerShort,
    tenorPowerLong: c.number(0, tenorPowerShort),
    tenorFloor: c.number(86_400, 2_592_000),
    maintenanceFactor: c.number(2 ** 12, 2 ** 14),
    shortOptionRate: c.number(0, 2 ** 14),
    horizonSeconds: c.number(0, 604_800),
    basisMinimum: c.number(0, 2 ** 12),
    basisPerTenor: c.number(0, 2 ** 12),
    interestPerTenor: c.number(0, 2 ** 12),
    gammaRate: c.number(0, 2 ** 14),
    vegaRate: c.number(0, 2 ** 16),
    scenarios: scenarios.map((scenario) => ({
      ...scenario,
      damping: Math.abs(scenario.priceMove) > 16 ? c.one([1, 2 ** 16, 22_938]) : 2 ** 16,
    })),
  };
}

function someLegs(c: Chooser, round: MarketRound): readonly Leg[] {
  const legs = new Map<string, Leg>();
  const bias = c.below(3) - 1;
  const count = 1 + c.below(8);
  for (let i = 0; i < count; i++) {
    const sign = BigInt(bias === 0 || c.below(5) === 0 ? 2 * c.below(2) - 1 : bias);
    const quantity = sign * (c.below(3) ? MAX_QUANTITY - BigInt(c.below(2)) : c.within(1n, MAX_QUANTITY));
    if (c.below(6) === 0) {
      legs.set('linear', { instrument: LINEAR, quantity });
      continue;
    }
    const expiry = c.one(round.expiries);
    const atTheMoney = expiry.forward / 100n + 1n;
    const wanted = c.one([
      1n,
      MAX_STRIKE,
      atTheMoney,
      (atTheMoney * 21n) / 20n + 1n,
      c.within(1n, MAX_STRIKE),
    ]);
    const strike = atMost(wanted, MAX_STRIKE);
    const kind = c.one(['call', 'put'] as const);
    legs.set(`${kind} ${expiry.expiryHour} ${strike}`, {
      instrument: { kind, expiryHour: expiry.expiryHour, strike },
      quantity,
    });
  }
  return canonicalLegs([...legs.values()]);
}

function someCase(seed: number) {
  const c = new Chooser(seed);
  const round = someRound(c);
  const parameters = someParameters(c);
  const legs = someLegs(c, round);
  const scale = c.within(1n, 2n ** 64n - 1n);
  const quantity = c.below(3) ? c.within(0n, MAX_COLLATERAL_QUANTITY) : 0n;
  const unit = scale * round.underlying.spot;
  return {
    round,
    parameters,
    legs,
    scale,
    /** Up to a unit more than a leg of that quantity. */
    movingCollateral: (quantity * unit + c.within(0n, unit - 1n)) / UNITS,
  };
}

/** Of a quantity times a scale times a price in 1e-6 USD. */
const UNITS = 1_000_000n << 40n;

type Case = ReturnType<typeof someCase>;
const quantityOf = ({ movingCollateral, scale, round }: Case): bigint =>
  collateralQuantity(movingCollateral, scale, round.underlying.spot);
const figures = (account: Case) => {
  const { movingCollateral, round, parameters } = account;
  const margin = exactMargin(account, round, parameters);
  const { slack, worstLoss } = exactSolvency({ ...account, cash: 0n }, round, parameters);
  return {
    margin,
    worstLoss,
    /** Most cash beside the collateral at which insolvency holds, least at which solvency does. */
    insolventTo: margin.requirement - margin.mark - movingCollateral - 1n,
    solventFrom: ceilDiv(-slack, CASH_UNIT),
  };
};

describe('the gain of an unused tail', () => {
  it('is in range of the solvency circuit up to a delta of 2^210.2, and beyond has no witness', async () => {
    // 31 scenarios let 16 steps be a factor of 2: 48 are one of 8, and the circuit evaluates them all the same.
    const parameters = {
      ...DEFAULT_PARAMETERS,
      priceStep: 65_536,
      scenarios: DEFAULT_PARAMETERS.scenarios.slice(0, 31),
    };
    const circuit = await CircuitTester.fromFile('circuits/main/solvency-16.circom');
    for (const [discount, holds] of [
      [1n << 21n, true],
      [MAX_DISCOUNT, false],
    ] as const) {
      const round: MarketRound = {
        underlying: {
          spot: MAX_PRICE,
          timestamp: 480_000n * 3_600n,
          realisedVolatility: 40_000n,
          underlyingId: 7n,
        },
        expiries: [
          {
            expiryHour: 480_024,
            forward: MAX_PRICE,
            discount,
            spacingExponent: 1,
            vols: new Array<bigint>(8).fill(1n << 16n),
          },
        ],
      };
      const calls = Array.from(
        { length: 15 },
        (_, at): Leg => ({
          instrument: { kind: 'call', expiryHour: 480_024, strike: BigInt(at + 1) },
          quantity: MAX_QUANTITY,
        }),
      );
      const legs = canonicalLegs([{ instrument: LINEAR, quantity: MAX_QUANTITY }, ...calls]);
      const scale = 1n << 30n;
      const movingCollateral = (MAX_COLLATERAL_QUANTITY * scale * MAX_PRICE) / UNITS + 1n;
      const account = { legs, scale, movingCollateral, cash: 0n };
      const { solvent, worstLoss } = exactSolvency(account, round, parameters);
      expect(solvent).toBe(true);
      const outcome = await circuit
        .witness({
          ...(await accountInput({ ...account, round, parameters, salt: 42n, context: 3n, capacity: 16 })),
          collateralQuantity: String(MAX_COLLATERAL_QUANTITY),
          level: '4096',
          worstLoss: String(worstLoss),
          cash: '0',
        })
        .then(
          () => true,
          () => false,
        );
      expect(outcome, `discount ${discount}`).toBe(holds);
    }
  });
});

describe('legal extremes', () => {
  it(`no cash is both insolvent and solvent: ${MODEL_CASES} cases`, () => {
    for (let i = 0; i < MODEL_CASES; i++) {
      const account = someCase(SEED + i);
      const { insolventTo, solventFrom } = figures(account);
      // Less than a unit of a leg counts for nothing in solvency. Where parameters charge more for collateral than it is worth, up to 2 for a fall
      // to a half and 2.3 for the horizon, that is to the account's advantage.
      const uncounted = (10n * account.scale * account.round.underlying.spot) / (3n * UNITS) + 1n;
      expect(insolventTo, `seed ${SEED + i}`).toBeLessThan(solventFrom + uncounted);
    }
  });

  let insolvency: CircuitTester;
  let solvency: CircuitTester;
  beforeAll(async () => {
    insolvency = await CircuitTester.fromFile('circuits/main/insolvency-8.circom');
    solvency = await CircuitTester.fromFile('circuits/main/solvency-8.circom');
  }, 600_000);

  it(`circuits agree with the model: ${CASES} cases`, { timeout: 3_600_000 }, async () => {
    for (let i = 0; i < CASES; i++) {
      const note = `seed ${SEED + i}`;
      const account = someCase(SEED + i);
      const { margin, worstLoss, solventFrom } = figures(account);
      const common = { ...account, salt: 42n, context: 3n, capacity: 8 };
      const last = account.parameters.scenarios.length - 1;
      for (const scenarioIndex of new Set([margin.worstScenario, (i * 7) % (last + 1)])) {
        const input = await insolvencyInput({ ...common, scenarioIndex });
        const witness = await insolvency.witness(input).catch((error: unknown) => {
          throw new Error(`${note}, scenario ${scenarioIndex}: no witness`, { cause: error });
        });
        expect(insolvency.violated(witness), note).toEqual([]);
        const expected = margin.scenarios[scenarioIndex]!;
        expect(expected, note).toMatchObject(figuresShown(insolvency, witness));
      }
      const base = {
        ...(await accountInput(common)),
        collateralQuantity: String(quantityOf(account)),
        level: '4096',
        worstLoss: String(worstLoss),
      };
      for (const [cash, holds] of [
        [solventFrom, true],
        [solventFrom - 1n, false],
      ] as const) {
        const input = { ...base, cash: fieldText(cash) };
        const outcome = await solvency.witness(input).then(
          () => true,
          () => false,
        );
        expect(outcome, `${note}, cash ${cash}`).toBe(holds);
      }
    }
  });
});
