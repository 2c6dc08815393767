/**
 * Forgeries of `solvency`: a twin whose hints lie, openings that carry weight between the digits of a leg, numbers that only
 * the contract bounds, and accounts at the ends of every range.
 *
 * Hints (`<--`) are no constraints, so the twin has the same constraint system. All lies live in one twin, since a compilation
 * takes seconds: each lie waits for one value that only its own account brings.
 */

import { beforeAll, describe, expect, it } from 'vitest';
import { MAX_MONEY } from '../../src/margin/exact/bounds.ts';
import {
  exactExpiry,
  exactExpiryRisk,
  exactExpiryShock,
  LOG2_SHOCK_TENOR,
} from '../../src/margin/exact/expiry.ts';
import { exactLegSurface, stepSlopeOf } from '../../src/margin/exact/leg.ts';
import { exactSolvency } from '../../src/margin/exact/solvency.ts';
import { DEFAULT_PARAMETERS, horizonFactorOf, type RiskParameters } from '../../src/margin/parameters.ts';
import { canonicalLegs, type Leg, MAX_QUANTITY, MAX_STRIKE } from '../../src/market/instrument.ts';
import { type ExpiryState, MAX_DISCOUNT, MAX_PRICE, type MarketRound } from '../../src/market/words.ts';
import { exp2Fixed, lnFixed, log2Fixed } from '../../src/math/fixed/primitives.ts';
import { invR } from '../../src/math/fixed/scalar-field.ts';
import { CircuitTester } from '../../src/proof/circuit-tester.ts';
import { fieldText } from '../../src/proof/field.ts';
import type { CircuitInput } from '../../src/proof/prover/backend.ts';
import { accountInput } from '../../src/proof/witness/insolvency.ts';
import { solvencyInput } from '../../src/proof/witness/solvency.ts';
import { legs as baseLegs, round as baseRound } from './full-account.ts';
import { commitElements, expectRefused, hintsThatSay, type Lies, twinSource } from './tampering.ts';

const FILE = 'circuits/main/solvency-8.circom';
const SCALE = 1n << 40n;
const LEVEL = 5120n;
/** 1e-6 USD in the unit of `slack`. */
const CASH_UNIT = 1_000_000n << 88n;

interface Account {
  readonly legs: readonly Leg[];
  readonly scale: bigint;
  readonly round: MarketRound;
  readonly parameters: RiskParameters;
}

/** Least cash, 1e-6 USD, at which the model calls the account solvent. */
function leastCash({ legs, scale, round, parameters }: Account, level: bigint): bigint {
  const { slack } = exactSolvency({ legs, scale, cash: 0n }, round, parameters, level);
  const quotient = -slack / CASH_UNIT;
  return quotient * CASH_UNIT >= -slack ? quotient : quotient + 1n;
}

/** Input with the model's worst loss, whether or not the account is solvent. */
async function rawInput(account: Account, cash: bigint, level: bigint): Promise<CircuitInput> {
  const { legs, scale, round, parameters } = account;
  const { worstLoss } = exactSolvency({ legs, scale, cash: 0n }, round, parameters, level);
  return {
    ...(await accountInput({ ...account, salt: 42n, context: 3n, capacity: 8 })),
    cash: fieldText(cash),
    collateralQuantity: '0',
    level: String(level),
    worstLoss: String(worstLoss),
  };
}

let circuit: CircuitTester;
beforeAll(async () => {
  circuit = await CircuitTester.fromFile(FILE);
});

/** The account of a lie: other seconds to expiry, strikes and even vols, so that no intermediate is that of another lie. */
function accountOf(index: number): Account {
  const round: MarketRound = {
    underlying: {
      ...baseRound.underlying,
      timestamp: baseRound.underlying.timestamp + 61n * BigInt(index),
      realisedVolatility: baseRound.underlying.realisedVolatility + BigInt(index),
    },
    expiries: baseRound.expiries.map((expiry) => ({
      ...expiry,
      forward: expiry.forward + 1_000_003n * BigInt(index),
      vols: expiry.vols.map(() => (1n << 16n) + 64n * BigInt(index)),
    })),
  };
  const legs = baseLegs.map(({ instrument, quantity }) => ({
    instrument:
      instrument.kind === 'linear'
        ? instrument
        : { ...instrument, strike: instrument.strike + 10_001n * BigInt(index) },
    quantity,
  }));
  const parameters: RiskParameters = {
    ...DEFAULT_PARAMETERS,
    volShockUp: DEFAULT_PARAMETERS.volShockUp - 97 * index,
    volShockDown: DEFAULT_PARAMETERS.volShockDown + 67 * index,
  };
  return { legs, scale: SCALE, round, parameters };
}

/** The values that hints see of an account's only leg of its expiry: a lie about it touches no other leg. */
function seen(account: Account) {
  const { instrument } = account.legs[4]!;
  const alone = account.legs.filter((leg) => leg.instrument.expiryHour === instrument.expiryHour);
  expect(alone).toHaveLength(1);
  const state = account.round.expiries.find(({ expiryHour }) => expiryHour === instrument.expiryHour)!;
  const expiry = exactExpiry(state, account.round.underlying.timestamp);
  const surface = exactLegSurface(instrument.strike, expiry);
  const risk = exactExpiryRisk(expiry, account.parameters);
  const stepSlope = stepSlopeOf(surface, risk);
  const shocked = ([-1, 1] as const).map((volShock) => {
    const shock = exactExpiryShock(risk, account.parameters, { volShock });
    return {
      ...shock,
      slope: (stepSlope >> 7n) * shock.inverseMultiplier,
      intercept: (2n * (surface.moneyness >> 8n) + 1n) * shock.inverseMultiplier + (1n << 60n),
      product: (surface.deviation >> 27n) * shock.volMultiplier,
    };
  });
  const { parameters } = account;
  const floored = expiry.tenor > parameters.tenorFloor ? expiry.tenor : BigInt(parameters.tenorFloor);
  const power = BigInt(floored <= 2_592_000n ? parameters.tenorPowerShort : parameters.tenorPowerLong);
  const horizon =
    account.round.underlying.realisedVolatility * BigInt(horizonFactorOf(parameters.horizonSeconds));
  const gammaDividend = BigInt(parameters.gammaRate) * horizon * horizon;
  // A scenario of unmoved vols that no other leg shares: twelve times four steps up.
  const product = surface.deviation + (1n << 30n);
  const deviation = product >> 31n;
  const coarse = (surface.moneyness >> 8n) + 12n * (stepSlope >> 9n) + 6n + (surface.deviation >> 40n);
  const argument = surface.moneyness + (deviation >> 1n);
  return {
    strike: instrument.strike,
    forward: expiry.forward,
    tenor: expiry.tenor,
    root: expiry.tenor * 4n ** BigInt(state.spacingExponent) * 35_702_052n,
    spacing: expiry.spacing,
    volatility: surface.volatility,
    moneyness: surface.moneyness,
    product,
    finer: surface.deviation >> 27n,
    argument,
    fineArgument: argument - deviation,
    coarse,
    fine: 256n * coarse + 127n - (surface.deviation >> 31n),
    tenorProduct: exp2Fixed(((LOG2_SHOCK_TENOR - log2Fixed(floored, 28)) * power) >> 35n),
    gammaDividend,
    byLogarithm: gammaDividend / 93_032_640n,
    /** What gamma's cost is divided by. */
    fourSteps: BigInt(4 * parameters.priceStep),
    down: shocked[0]!,
    up: shocked[1]!,
    step: risk.step,
    stepDividend: BigInt(parameters.priceStep) * 381_061_692_393n,
    positionDividend: lnFixed(instrument.strike, 36) - expiry.logForward,
  };
}

/** What a lie says in each of the hinting templates, as circom text that runs just before the hint. */
interface TenorLies extends Lies {
  readonly tenor?: string;
}
type Seen = ReturnType<typeof seen>;
const turn = (value: bigint, bit: number, places?: number): string =>
  `if (in == ${value} && i == ${bit} ${places === undefined ? '' : `&& places == ${places}`}) { turned = 1; }`;
/** The shift of the moneyness to 2^-12, which hides its sign in an offset. */
const turnMoneyness = (v: Seen, bit: number): string => turn(v.moneyness + (1n << 60n), bit, 8);
const divides = (divisor: bigint, bits: number, change: string, sign = ''): string =>
  `if (divisor == ${divisor} && divisorBits == ${bits} ${sign}) { ${change} }`;
const result = (value: bigint): string => `&& q == ${fieldText(value)}`;
const whole = (value: bigint): string => `&& dividend == ${fieldText(value)}`;
/** Half a unit of a quotient by an even divisor, with the remainder still in range. */
const halfUnit = 'if (2 * (dividend - q * divisor) >= divisor) { q = q + 1 / 2; } else { q = q - 1 / 2; }';

/** Each lie, and the template whose constraints refuse it. */
const lies: Readonly<Record<string, { refusedBy: string; say: (values: Seen) => TenorLies }>> = {
  'half a unit from the moneyness to the deviation of the mark': {
    refusedBy: 'SignedBits',
    say: (v) => ({
      divide: divides(v.volatility, 24, halfUnit, result(v.moneyness)),
      shift: turn(v.product, 31),
    }),
  },
  'half a unit from the intercept to the deviation, vols down': {
    refusedBy: 'ShockedIntercept',
    say: (v) => ({
      shift: turn(v.down.intercept, 13) + turn(v.down.product, 34),
    }),
  },
  'half a unit from the intercept to the deviation, vols up': {
    refusedBy: 'ShockedIntercept',
    say: (v) => ({
      shift: turn(v.up.intercept, 13) + turn(v.up.product, 34),
    }),
  },
  'half a unit in the step': {
    refusedBy: 'OpenLeg',
    say: (v) => ({ divide: divides(v.volatility, 24, halfUnit, whole(v.step << 11n)) }),
  },
  'half a unit in the step and the deviation of the mark': {
    refusedBy: 'OpenLeg',
    say: (v) => ({
      divide: divides(v.volatility, 24, halfUnit, whole(v.step << 11n)),
      shift: turn(v.product, 31),
    }),
  },
  'half a unit in the slope and the deviation, vols up': {
    refusedBy: 'ShockedSlope',
    say: (v) => ({ shift: turn(v.up.slope, 14) + turn(v.up.product, 34) }),
  },
  'the lowest bit of the slope, vols down': {
    refusedBy: 'ShockedSlope',
    say: (v) => ({ shift: turn(v.down.slope, 0) }),
  },
  'a fraction of a unit in the moneyness': {
    refusedBy: 'SignedBits',
    say: (v) => ({
      divide: divides(v.volatility, 24, 'q = q - 1 / divisor;', result(v.moneyness)),
    }),
  },
  'the moneyness one less': {
    refusedBy: 'FloorDivide',
    say: (v) => ({ divide: divides(v.volatility, 24, 'q = q - 1;', result(v.moneyness)) }),
  },
  'the moneyness one more': {
    refusedBy: 'FloorDivide',
    say: (v) => ({ divide: divides(v.volatility, 24, 'q = q + 1;', result(v.moneyness)) }),
  },
  'the step one less': {
    refusedBy: 'FloorDivide',
    say: (v) => ({ divide: divides(v.volatility, 24, 'q = q - 1;', whole(v.step << 11n)) }),
  },
  'the lowest bit of the deviation of the mark': {
    refusedBy: 'MarkProbabilities',
    say: (v) => ({ shift: turn(v.product, 0) }),
  },
  'a bit that only finer deviations have': {
    refusedBy: 'MarkProbabilities',
    say: (v) => ({ shift: turn(v.product, 27) }),
  },
  'the highest dropped bit of the deviation, vols down': {
    refusedBy: 'Cell',
    say: (v) => ({ shift: turn(v.down.product, 34) }),
  },
  'the lowest bit of the deviation, vols up': {
    refusedBy: 'Cell',
    say: (v) => ({ shift: turn(v.up.product, 0) }),
  },
  'the lowest bit of the intercept': {
    refusedBy: 'ShockedIntercept',
    say: (v) => ({ shift: turn(v.down.intercept, 0) }),
  },
  "a fraction of an expiry's step": {
    refusedBy: 'ExpiryRisk',
    say: (v) => ({ divide: divides(v.spacing, 30, 'q = q - 1 / divisor;', whole(v.stepDividend)) }),
  },
  "an expiry's step one less": {
    refusedBy: 'FloorDivide',
    say: (v) => ({ divide: divides(v.spacing, 30, 'q = q - 1;', whole(v.stepDividend)) }),
  },
  'a fraction of the position': {
    refusedBy: 'SignedBits',
    say: (v) => ({ divide: divides(v.spacing, 30, 'q = q - 1 / divisor;', whole(v.positionDividend)) }),
  },
  'the position one less': {
    refusedBy: 'FloorDivide',
    say: (v) => ({ divide: divides(v.spacing, 30, 'q = q - 1;', whole(v.positionDividend)) }),
  },
  'the position one more': {
    refusedBy: 'FloorDivide',
    say: (v) => ({ divide: divides(v.spacing, 30, 'q = q + 1;', whole(v.positionDividend)) }),
  },
  'the inverse multiplier one less': {
    refusedBy: 'FloorDivide',
    say: (v) => ({
      divide: divides(v.up.volMultiplier >> 8n, 16, 'q = q - 1;'),
    }),
  },
  'a fraction of the inverse multiplier': {
    refusedBy: 'ExpiryShock',
    say: (v) => ({
      divide: divides(v.down.volMultiplier >> 8n, 16, 'q = q + 1 / divisor;'),
    }),
  },
  'the spacing one less': {
    refusedBy: 'IntegerSquareRoot',
    say: (v) => ({ root: `if (in == ${v.root}) { guess = guess - 1; }` }),
  },
  'the spacing one more': {
    refusedBy: 'IntegerSquareRoot',
    say: (v) => ({ root: `if (in == ${v.root}) { guess = guess + 1; }` }),
  },
  'the spacing negative': {
    refusedBy: 'IntegerSquareRoot',
    say: (v) => ({ root: `if (in == ${v.root}) { guess = -guess; }` }),
  },
  'the logarithm of the strike one less': {
    refusedBy: 'OpenLeg',
    say: (v) => ({
      logarithm: `if (in == ${v.strike} && width == 36) { s = s + 1; }`,
    }),
  },
  'the logarithm of the forward one more': {
    refusedBy: 'ExpiryBase',
    say: (v) => ({
      logarithm: `if (in == ${v.forward} && width == 44) { s = s - 1; }`,
    }),
  },
  'the logarithm of the tenor one more': {
    refusedBy: 'TenorFactor',
    say: (v) => ({
      logarithm: `if (in == ${v.tenor} && width == 28) { s = s - 1; }`,
    }),
  },
  'the other tail for d1 at the mark': {
    refusedBy: 'MarkProbabilities',
    say: (v) => ({ sign: `if (in == ${fieldText(v.argument)} && fractionBits == 20) { turned = 1; }` }),
  },
  'the other tail for d2 at the mark': {
    refusedBy: 'MarkProbabilities',
    say: (v) => ({ sign: `if (in == ${v.fineArgument} && fractionBits == 20) { turned = 1; }` }),
  },
  'the other tail for d1': {
    refusedBy: 'Cell',
    say: (v) => ({ sign: `if (in == ${v.coarse} && fractionBits == 12) { turned = 1; }` }),
  },
  'the other tail for d2': {
    refusedBy: 'Cell',
    say: (v) => ({ sign: `if (in == ${v.fine} && fractionBits == 20) { turned = 1; }` }),
  },
  'half a unit from the rounded moneyness to half the deviation, unmoved vols': {
    refusedBy: 'SignedBits',
    say: (v) => ({ shift: turnMoneyness(v, 7) + turn(v.finer, 12, 13) }),
  },
  'the lowest bit of the rounded moneyness': {
    refusedBy: 'SignedBits',
    say: (v) => ({ shift: turnMoneyness(v, 0) }),
  },
  'a unit of the finer moneyness, and the bit that it changes in the rounded one': {
    refusedBy: 'FloorDivide',
    say: (v) => ({
      divide: divides(v.volatility, 24, 'q = q - 1;', result(v.moneyness)),
      shift: turnMoneyness(v, 0),
    }),
  },
  'the lowest bit of half the deviation, unmoved vols': {
    refusedBy: 'Cell',
    say: (v) => ({ shift: turn(v.finer, 4, 13) }),
  },
  'a bit from the deviation of the mark to its half': {
    refusedBy: 'MarkProbabilities',
    say: (v) => ({ shift: turn(v.product, 31) + turn(v.finer, 4, 13) }),
  },
  'the highest dropped bit of the slope, vols down': {
    refusedBy: 'ShockedSlope',
    say: (v) => ({ shift: turn(v.down.slope, 14) }),
  },
  'the lowest bit of the tenor factor': {
    refusedBy: 'TenorFactor',
    say: (v) => ({ tenor: `if (in == ${v.tenorProduct} && i == 74) { bit = 1 - bit; }` }),
  },
  'a unit of the tenor factor in its dropped bits': {
    refusedBy: 'TenorFactor',
    say: (v) => ({
      tenor: `if (in == ${v.tenorProduct}) { if (i == 73) { bit = bit + 2; } if (i == 74) { bit = bit - 1; } }`,
    }),
  },
  'the cost of gamma one less': {
    refusedBy: 'GammaCost',
    say: (v) => ({ divide: divides(v.fourSteps, 20, 'q = q - 1;', whole(v.byLogarithm)) }),
  },
  'the cost of gamma one more': {
    refusedBy: 'GammaCost',
    say: (v) => ({ divide: divides(v.fourSteps, 20, 'q = q + 1;', whole(v.byLogarithm)) }),
  },
  'a fraction of the cost of gamma': {
    refusedBy: 'GammaCost',
    say: (v) => ({ divide: divides(v.fourSteps, 20, 'q = q - 1 / divisor;', whole(v.byLogarithm)) }),
  },
  'the cost of gamma before its price step one less': {
    refusedBy: 'GammaCost',
    say: (v) => ({ divide: divides(93_032_640n, 27, 'q = q - 1;', whole(v.gammaDividend)) }),
  },
  'a fraction of the cost of gamma before its price step': {
    refusedBy: 'GammaCost',
    say: (v) => ({ divide: divides(93_032_640n, 27, 'q = q + 1 / divisor;', whole(v.gammaDividend)) }),
  },
  'half a unit of the spacing': {
    refusedBy: 'IntegerSquareRoot',
    say: (v) => ({ root: `if (in == ${v.root}) { guess = guess + 1 / 2; }` }),
  },
};

describe('lying hints', () => {
  let twin: CircuitTester;
  const inputs = new Map<string, CircuitInput>();
  const honest = accountOf(0);
  const generous = 10n ** 15n;

  beforeAll(async () => {
    const said: TenorLies[] = [];
    for (const [index, [name, { say: lie }]] of Object.entries(lies).entries()) {
      const account = accountOf(index + 1);
      inputs.set(name, await rawInput(account, generous, LEVEL));
      said.push(lie(seen(account)));
    }
    twin = await CircuitTester.fromText(
      'solvency-8',
      twinSource(FILE, {
        ...hintsThatSay(said),
        // The library's bits, as text of its own.
        'template TenorFactor() {': `template LyingBits(n) {
          signal input in;
          signal output out[n];
          var sum = 0;
          for (var i = 0; i < n; i++) {
            var bit = (in >> i) & 1;
            ${said.map(({ tenor = '' }) => tenor).join('\n')}
            out[i] <-- bit;
            out[i] * (out[i] - 1) === 0;
            sum += out[i] * (1 << i);
          }
          sum === in;
        }
        template TenorFactor() {`,
        'component split = Bits(100);': 'component split = LyingBits(100);',
      }),
    );
  });

  it('a twin has as many constraints and wires, and tells the truth where no lie waits', async () => {
    expect([twin.constraints, twin.r1cs.wires]).toEqual([circuit.constraints, circuit.r1cs.wires]);
    const input = await rawInput(honest, generous, LEVEL);
    const witness = await twin.witness(input);
    expect(twin.violated(witness)).toEqual([]);
    expect(witness).toEqual(await circuit.witness(input));
  });

  it.each(Object.entries(lies))('%s', async (name, { refusedBy }) => {
    const input = inputs.get(name)!;
    // The circuit accepts the account, so what the twin is refused for is the lie.
    await circuit.witness(input);
    const refusal = await twin.witness(input).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(refusal).toMatchObject({ code: 'WITNESS_REJECTED' });
    // Refused for what it says, not for a lie that waited for another account.
    expect((refusal as Error).message).toContain(`template ${refusedBy}_`);
  });
});

describe('lying openings', () => {
  const account: Account = {
    legs: baseLegs,
    scale: SCALE,
    round: baseRound,
    parameters: DEFAULT_PARAMETERS,
  };
  const hourOf = (row: number): bigint => BigInt(baseRound.expiries[row]!.expiryHour);
  const selectRow = (row: number): string[] => Array.from({ length: 7 }, (_, e) => (e === row ? '1' : '0'));
  let input: CircuitInput;
  let worst: bigint;
  beforeAll(async () => {
    input = await rawInput(account, 10n ** 15n, LEVEL);
    worst = BigInt(input.worstLoss as string);
    await circuit.witness(input);
  });

  /** One leg opened with other digits, which add up to the committed element. */
  const opened = (leg: number, strike: bigint, kind: bigint, row: number, quantity: bigint): CircuitInput => {
    const hour = kind === 1n || kind === 2n ? hourOf(row) : 0n;
    const packed = BigInt((input.packed as string[])[leg]!);
    const sum = strike + (kind << 36n) + (hour << 38n) + (quantity << 60n);
    expect(fieldText(sum), 'the digits add up').toBe(String(packed));
    const put = (name: string, value: unknown) =>
      (input[name] as unknown[]).map((old, i) => (i === leg ? value : old));
    return {
      ...input,
      strikes: put('strikes', fieldText(strike)),
      quantities: put('quantities', fieldText(quantity)),
      kindBits: put('kindBits', [String(kind & 1n), String(kind >> 1n)]),
      select: put('select', selectRow(hour === 0n ? 7 : row)),
    } as CircuitInput;
  };

  it('no other expiry, quantity or kind is a strike away', async () => {
    const { instrument, quantity } = baseLegs[1]!;
    const { strike } = instrument;
    const kind = instrument.kind === 'call' ? 1n : 2n;
    const row = baseRound.expiries.findIndex(({ expiryHour }) => expiryHour === instrument.expiryHour);
    await circuit.witness(opened(1, strike, kind, row, quantity));
    const other = row === 0 ? 1 : 0;
    const way = (hourOf(row) - hourOf(other)) << 38n;
    await expectRefused(circuit, opened(1, strike + way, kind, other, quantity));
    for (const change of [-1n, 1n]) {
      await expectRefused(circuit, opened(1, strike - (change << 60n), kind, row, quantity + change));
    }
    // Half a contract unit, as a field element.
    const half = invR(2n);
    await expectRefused(circuit, opened(1, strike - half * (1n << 60n), kind, row, quantity + half));
    await expectRefused(circuit, opened(1, strike + ((2n * kind - 3n) << 36n), 3n - kind, row, quantity));
    // As no leg at all, or as a linear one.
    const id = strike + (kind << 36n) + (hourOf(row) << 38n);
    await expectRefused(circuit, opened(1, id, 0n, 7, quantity));
    await expectRefused(circuit, opened(1, id - (3n << 36n), 3n, 7, quantity));
    await expectRefused(circuit, opened(1, id + (quantity << 60n), 0n, 7, 0n));
  });

  it('a linear leg is nothing else', async () => {
    const { quantity } = baseLegs[0]!;
    await circuit.witness(opened(0, 0n, 3n, 7, quantity));
    await expectRefused(circuit, opened(0, 3n << 36n, 0n, 7, quantity));
    await expectRefused(circuit, opened(0, (3n << 36n) + (quantity << 60n), 0n, 7, 0n));
    await expectRefused(circuit, opened(0, (2n << 36n) - (hourOf(1) << 38n), 1n, 1, quantity));
  });

  it('no worst loss below the worst, whatever it wraps around', async () => {
    for (const lie of [worst - 1n, 0n, -1n, worst + (1n << 94n), worst * invR(2n), -worst]) {
      await expectRefused(circuit, { ...input, worstLoss: fieldText(lie) });
    }
    // A worst loss that makes the requirement negative, the short and horizon parts being smaller than the field.
    const factor = BigInt(DEFAULT_PARAMETERS.maintenanceFactor) << 28n;
    await expectRefused(circuit, { ...input, worstLoss: fieldText(-(1n << 120n) * invR(factor)) });
  });

  it('unsorted legs and split ones cost the prover: netting is all they can lose', async () => {
    // Call and put of one strike net; the short put alone counts when another leg stands between them.
    const { expiryHour } = baseRound.expiries[0]!;
    const option = (kind: 'call' | 'put', usd: bigint, quantity: bigint): Leg => ({
      instrument: { kind, expiryHour, strike: usd * 10_000n },
      quantity,
    });
    const sorted = canonicalLegs([
      option('call', 96_000n, 5_000_000n),
      option('put', 96_000n, -4_000_000n),
      option('call', 120_000n, 1_000_000n),
    ]);
    const netted: Account = { ...account, legs: sorted };
    const least = leastCash(netted, LEVEL);
    const plain = await rawInput(netted, least, LEVEL);
    await circuit.witness(plain);
    const order = [0, 2, 1, 3, 4, 5, 6, 7];
    const shuffled = Object.fromEntries(
      ['packed', 'strikes', 'quantities', 'kindBits', 'select'].map((name) => [
        name,
        order.map((from) => (plain[name] as unknown[])[from]),
      ]),
    );
    const apart = {
      ...plain,
      ...shuffled,
      commitment: String(
        await commitElements(
          (shuffled.packed as string[]).map(BigInt),
          baseRound.underlying.underlyingId,
          42n,
        ),
      ),
    } as CircuitInput;
    await expectRefused(circuit, apart);
    const short =
      (4_000_000n * baseRound.underlying.spot * BigInt(DEFAULT_PARAMETERS.shortOptionRate)) >> 16n;
    const dearer = (short * LEVEL) / 4096n / 1_000_000n;
    await circuit.witness({ ...apart, cash: fieldText(least + dearer + 1n) });
    await expectRefused(circuit, { ...apart, cash: fieldText(least + dearer - 1n) });
  });
});

describe('bounds that only the contract enforces', () => {
  // Each is a false statement that the circuit accepts. Whoever verifies must refuse these public signals.
  const account: Account = {
    legs: baseLegs,
    scale: SCALE,
    round: baseRound,
    parameters: DEFAULT_PARAMETERS,
  };
  it('level, cash and scale outside their ranges wrap', async () => {
    const cash = leastCash(account, LEVEL) - 10n ** 9n;
    const input = await rawInput(account, cash, LEVEL);
    await expectRefused(circuit, input);
    // A level of -1/4096 turns the requirement into equity.
    await circuit.witness({ ...input, level: fieldText(-(1n << 15n)) });
    // Cash that is one unit of the sum's scale, times anything: far above 2^96.
    const unit = invR(CASH_UNIT);
    const deep = await rawInput(account, -(10n ** 15n), LEVEL);
    await expectRefused(circuit, deep);
    await circuit.witness({ ...deep, cash: fieldText(unit << 200n) });
    // A scale far beyond 2^64 that brings the sum back to just above 0.
    const { slack } = exactSolvency(
      { legs: baseLegs, scale: SCALE, cash: 0n },
      baseRound,
      DEFAULT_PARAMETERS,
      LEVEL,
    );
    const held = BigInt(fieldText(slack / SCALE));
    const wrapped = BigInt(fieldText(((1n << 221n) + 10n ** 15n * CASH_UNIT) * invR(held)));
    expect(wrapped >> 64n).toBeGreaterThan(0n);
    await circuit.witness({ ...deep, scale: String(wrapped) });
  });
});

describe('accounts at the ends of every range', () => {
  const timestamp = 1_700_000_000n;
  const rich: RiskParameters = {
    ...DEFAULT_PARAMETERS,
    priceStep: Math.floor(2 ** 20 / 48),
    volShockUp: 2 ** 13,
    volShockDown: 2 ** 13,
    tenorPowerShort: 2 ** 7,
    tenorPowerLong: 2 ** 7,
    maintenanceFactor: 2 ** 14,
    shortOptionRate: 2 ** 14,
    horizonSeconds: 604_800,
    basisMinimum: 2 ** 12,
    basisPerTenor: 2 ** 12,
    interestPerTenor: 2 ** 12,
    gammaRate: 2 ** 14,
    vegaRate: 2 ** 16,
    scenarios: DEFAULT_PARAMETERS.scenarios.map((scenario) => ({ ...scenario, damping: 2 ** 16 })),
  };
  const flat: RiskParameters = {
    ...rich,
    priceStep: 1,
    volShockUp: 0,
    volShockDown: 0,
    tenorPowerShort: 0,
    tenorPowerLong: 0,
    tenorFloor: 2_592_000,
    scenarios: DEFAULT_PARAMETERS.scenarios.slice(0, 1),
  };
  const pillars = {
    least: new Array<bigint>(8).fill(1n << 15n),
    largest: new Array<bigint>(8).fill((1n << 19n) - 1n),
    // Neighbours at a factor of 2: what Catmull-Rom undershoots and overshoots most.
    jagged: [2n, 1n, 1n, 2n, 2n, 1n, 1n, 2n].map((value) => value << 15n),
    high: [1n, 2n, 2n, 1n, 1n, 2n, 2n, 1n].map((value) => value * ((1n << 18n) - 1n)),
  };
  // Tenors of 1 to 3,600 seconds, and up to the 2^27 seconds of the circuit.
  const soon = (timestamp + 3_600n) / 3_600n;
  const late = (timestamp + (1n << 27n)) / 3_600n;
  const makeRound = (
    vols: readonly bigint[],
    price: bigint,
    spacingExponent: 0 | 3,
    clock: 'first' | 'last',
  ): MarketRound => ({
    underlying: {
      spot: price,
      // One second before the first expiry, or 2^27 seconds before the last.
      timestamp: clock === 'first' ? soon * 3_600n - 1n : late * 3_600n - (1n << 27n),
      realisedVolatility: 2n ** 20n - 1n,
      underlyingId: 2n ** 32n - 1n,
    },
    expiries: [soon, soon + 1n, soon + 24n, soon + 720n, soon + 8_760n, late - 2n, late - 1n, late].map(
      (hour): ExpiryState => ({
        expiryHour: Number(hour),
        forward: price,
        discount: MAX_DISCOUNT,
        spacingExponent,
        vols,
      }),
    ),
  });
  const leg = (kind: 'call' | 'put', round: MarketRound, row: number, strike: bigint, sign: bigint): Leg => ({
    instrument: { kind, expiryHour: round.expiries[row]!.expiryHour, strike },
    quantity: sign * MAX_QUANTITY,
  });
  /** Eight legs of the largest quantity; `signs` by leg. */
  const fullLegs = (round: MarketRound, signs: readonly bigint[]): readonly Leg[] =>
    canonicalLegs([
      leg('call', round, 0, 1n, signs[0]!),
      leg('put', round, 0, MAX_STRIKE, signs[1]!),
      leg('call', round, 1, MAX_STRIKE / 2n, signs[2]!),
      leg('put', round, 3, MAX_STRIKE / 2n, signs[3]!),
      leg('call', round, 4, 1n, signs[4]!),
      leg('call', round, 7, MAX_STRIKE, signs[5]!),
      leg('put', round, 7, MAX_STRIKE, signs[6]!),
      { instrument: { kind: 'linear', expiryHour: 0, strike: 0n }, quantity: signs[7]! * MAX_QUANTITY },
    ]);
  const up = new Array<bigint>(8).fill(1n);
  const down = up.map((one) => -one);
  // Long calls and linear with short puts, and the reverse: the largest moves of value either way.
  const bullish = [1n, -1n, 1n, -1n, 1n, 1n, -1n, 1n];
  const bearish = bullish.map((one) => -one);

  const rounds = {
    'first second, least vols': makeRound(pillars.least, MAX_PRICE, 0, 'first'),
    'longest tenor, largest vols': makeRound(pillars.largest, MAX_PRICE, 3, 'last'),
    'first second, jagged vols': makeRound(pillars.jagged, MAX_PRICE, 0, 'first'),
    'longest tenor, high jagged vols': makeRound(pillars.high, MAX_PRICE, 3, 'last'),
    'least prices': makeRound(pillars.least, 1n, 0, 'first'),
  };
  const cases = [
    ['first second, least vols', bearish, rich],
    ['first second, least vols', bullish, rich],
    ['longest tenor, largest vols', up, rich],
    ['longest tenor, largest vols', bearish, rich],
    ['first second, jagged vols', down, rich],
    ['longest tenor, high jagged vols', bullish, rich],
    ['least prices', down, rich],
    ['least prices', bullish, flat],
  ] as const;

  it.each(cases)(
    '%s, %s: as the model says, at scales and cash of either end',
    async (name, signs, parameters) => {
      const round = rounds[name];
      const legs = fullLegs(round, signs);
      for (const [scale, level] of [
        [2n ** 64n - 1n, 65_535n],
        [1n, 4096n],
      ] as const) {
        const account = { legs, scale, round, parameters };
        const least = leastCash(account, level);
        const inRange = least - 1n >= -MAX_MONEY && least <= MAX_MONEY;
        const tried = inRange ? [least, least - 1n] : [MAX_MONEY, -MAX_MONEY];
        if (scale === 1n) tried.push(MAX_MONEY, -MAX_MONEY);
        for (const cash of tried) {
          const { solvent } = exactSolvency({ legs, scale, cash }, round, parameters, level);
          expect(solvent).toBe(cash >= least);
          const input = await rawInput(account, cash, level);
          if (!solvent) {
            await expectRefused(circuit, input);
            continue;
          }
          expect(circuit.violated(await circuit.witness(input))).toEqual([]);
        }
      }
    },
  );

  it('holds for one leg as for none: the account of cash alone', async () => {
    const account = {
      legs: [] as readonly Leg[],
      scale: SCALE,
      round: baseRound,
      parameters: DEFAULT_PARAMETERS,
    };
    const least = leastCash(account, LEVEL);
    await circuit.witness(await rawInput(account, least, LEVEL));
    await expectRefused(circuit, await rawInput(account, least - 1n, LEVEL));
    await expect(
      solvencyInput({ ...account, cash: least - 1n, level: LEVEL, salt: 42n, context: 3n, capacity: 8 }),
    ).rejects.toMatchObject({ code: 'WITNESS_FAILED' });
  });
});
