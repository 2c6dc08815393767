/**
 * Forgeries: the circuit's own sources with lying hints. A hint (`<--`) is no constraint, so the twin has the same
 * constraint system, and its witnesses must be refused by it. Conditions on low bits confine the lie to one leg.
 * All lies live in one twin, which is told which one to tell.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_PARAMETERS, SCENARIO_CAPACITY } from '../../src/margin/parameters.ts';
import { exampleRound, type SviSurfaces } from '../../src/market/example-market.ts';
import { canonicalLegs } from '../../src/market/instrument.ts';
import { CircuitTester } from '../../src/proof/circuit-tester.ts';
import type { CircuitInput } from '../../src/proof/prover/backend.ts';
import { insolvencyInput, scenarioPlace } from '../../src/proof/witness/insolvency.ts';
import { figuresShown } from '../../src/proof/witness/testing.ts';
import { legs as fullLegs, round as fullRound } from './full-account.ts';
import { type Lies, LyingTwin } from './tampering.ts';

const FILE = 'circuits/main/insolvency-8.circom';
const root = new URL('../../', import.meta.url);
const surfaces = JSON.parse(
  readFileSync(new URL('examples/surfaces-2025-02-19.json', root), 'utf8'),
) as SviSurfaces;
const base = exampleRound(surfaces, 'BTC');
// Even volatilities: the divisor of the moneyness then shares a factor with the powers of two that shifts divide by.
const round = {
  ...base,
  expiries: base.expiries.map((expiry) => ({ ...expiry, vols: expiry.vols.map(() => 1n << 16n) })),
};

const turned = (condition: string): Lies => ({ shift: `if (${condition}) { turned = 1; }` });
const quotient = (when: string, lie: string): Lies => ({ divide: `if (${when}) { ${lie} }` });
/** What the second quotient of gamma's cost is by. */
const FOUR_STEPS = 4 * DEFAULT_PARAMETERS.priceStep;
const price = `divisorBits == 20 && divisor == ${FOUR_STEPS}`;

const LIES = {
  // Half a unit of the scenario's d1 is taken from `intercept` and given to `deviation >> 9`, or taken from both.
  'low bits moved between the intercept and the deviation of the scenario': turned(
    '(places == 14 && i == 13) || (places == 35 && i == 34)',
  ),
  // A moneyness of k + 1/2 in the field, possible for an even volatility, made whole again by `deviation >> 9`.
  'a moneyness that is a fraction': {
    ...turned('places == 32 && i == 31'),
    divide: `var size = dividend < 0 ? -dividend : dividend;
      if (divisorBits == 24 && (divisor & 1) == 0 && (size & 1048575) == 524288) {
        if (2 * (dividend - q * divisor) >= divisor) { q = q + 1 / 2; } else { q = q - 1 / 2; }
      }`,
  },
  ...Object.fromEntries(
    (
      [
        [35, 34],
        [14, 13],
        [32, 31],
      ] as const
    ).map(([places, bit]) => [
      `low bits moved between the finer moneyness, its rounding and the deviation of the scenario (${places})`,
      turned(`(places == 8 && i == 7) || (places == ${places} && i == ${bit})`),
    ]),
  ),
  // Remainders of the divisions whose quotients are ranged: one unit more in the remainder than the divisor allows.
  ...Object.fromEntries(
    [30, 16, 20, 24, 27].map((bits) => [
      `a quotient of FloorDivide(${bits}) one less`,
      quotient(`divisorBits == ${bits}`, 'q = q - 1;'),
    ]),
  ),
  'a root one less': { root: 'guess = guess - 1;' },
  'a root one more': { root: 'guess = guess + 1;' },
  'a turned sign': { sign: 'turned = 1;' },
  'a mantissa shifted by one place less': { logarithm: 's = s == 0 ? 1 : s - 1;' },
  'a mantissa shifted by one place more': { logarithm: 's = s + 1;' },
  ...Object.fromEntries(
    [31 + 1, 26 + 9, 8, 14, 15, 76, 40].map((places) => [
      `a low bit of the shift by ${places} turned alone`,
      turned(`places == ${places} && i == 0`),
    ]),
  ),
} satisfies Readonly<Record<string, Lies>>;

/** Fields of an expiry's word whose sum is the word all the same: without `Below` nothing else would refuse them. */
const WORD_LIES = {
  'a negative discount': {
    discount: 'if (word != 0) { said -= 1 << 22; }',
    forward: 'if (word != 0) { told += 1; }',
  },
  'a volatility with a fraction that its neighbour makes up for': {
    volatility: 'if (j == 0) { field -= 1; } if (j == 1) { field += 1 / (1 << 20); }',
  },
} satisfies Readonly<Record<string, Lies>>;

/** Lies about the cost of gamma, told of an account that has all charges. */
const GAMMA_LIES = {
  'first quotient one less': quotient('divisorBits == 27', 'q = q - 1;'),
  'first quotient one more': quotient('divisorBits == 27', 'q = q + 1;'),
  'a fraction of the first': quotient('divisorBits == 27', 'q = q - 1 / divisor;'),
  'second quotient one less': quotient(price, 'q = q - 1;'),
  'a fraction of the second': quotient(price, 'q = q + 1 / divisor;'),
  'a fraction of the second that the first makes up for': quotient(
    `divisorBits == 27 || (${price})`,
    'q = q + 1 / divisor;',
  ),
} satisfies Readonly<Record<string, Lies>>;

let circuit: CircuitTester;
let twin: LyingTwin<string>;
let input: CircuitInput;
let honest: bigint[];

beforeAll(async () => {
  circuit = await CircuitTester.fromFile(FILE);
  twin = await LyingTwin.compile('insolvency-8', FILE, {
    ...LIES,
    ...WORD_LIES,
    ...GAMMA_LIES,
  });
  input = await insolvencyInput({
    legs: canonicalLegs(
      [91_000n, 96_000n, 101_000n, 108_000n].map((usd, index) => ({
        instrument: {
          kind: index % 2 === 0 ? ('call' as const) : ('put' as const),
          expiryHour: round.expiries[2 + index]!.expiryHour,
          strike: usd * 10_000n,
        },
        quantity: -1_000_000n * BigInt(index + 1),
      })),
    ),
    scale: 1n << 40n,
    round,
    parameters: DEFAULT_PARAMETERS,
    scenarioIndex: 3,
    salt: 42n,
    context: 1n,
    capacity: 8,
  });
  honest = await circuit.witness(input);
});

/** The circuit refuses: no witness at all, or one that violates a constraint. */
async function expectRefused(lie: string, of: CircuitInput): Promise<void> {
  const liar = await twin.tells(lie);
  const witness = await liar.witness(of).catch((error: unknown) => {
    expect(error).toMatchObject({ code: 'WITNESS_REJECTED' });
    return undefined;
  });
  if (witness && process.env.ZKMARGIN_FORGERY_SCAN) await scan(liar);
  if (witness) expect(liar.violated(witness)).not.toEqual([]);
}

/** Prints what a forgery wins, for each scenario. */
async function scan(liar: CircuitTester): Promise<void> {
  for (let index = 0; index < SCENARIO_CAPACITY; index++) {
    const chosen = {
      ...input,
      scenarioIndex: scenarioPlace(index),
    };
    const [a, b] = [await circuit.witness(chosen), await liar.witness(chosen)];
    const [told, lied] = [figuresShown(circuit, a), figuresShown(liar, b)];
    console.log({ index, accepted: liar.violated(b).length === 0, told, lied });
  }
}

describe('forged hints', () => {
  it('a twin that tells the truth has the same constraints, and gives an accepted witness and the same outputs', async () => {
    const honestTwin = await twin.tells();
    expect([honestTwin.constraints, honestTwin.r1cs.wires]).toEqual([
      circuit.constraints,
      circuit.r1cs.wires,
    ]);
    const witness = await honestTwin.witness(input);
    expect(honestTwin.violated(witness)).toEqual([]);
    expect(figuresShown(honestTwin, witness)).toEqual(figuresShown(circuit, honest));
  });

  it.each(Object.keys(LIES))('%s is refused', (lie) => expectRefused(lie, input));
});

describe('fields of an expiry word', () => {
  it.each(Object.keys(WORD_LIES))('%s are refused', (lie) => expectRefused(lie, input));

  it('are refused by their ranges alone', async () => {
    const unranged = await LyingTwin.compile('unranged', FILE, WORD_LIES, (source) =>
      source.replace(/^ *Below\(\d+\)\([^)]*\);$/gm, ''),
    );
    for (const lie of Object.keys(WORD_LIES) as (keyof typeof WORD_LIES)[]) {
      const liar = await unranged.tells(lie);
      expect(liar.violated(await liar.witness(input)), lie).toEqual([]);
    }
  });
});

describe('the gamma cost', () => {
  it.each(Object.keys(GAMMA_LIES))('%s is refused', async (lie) => {
    const full = await insolvencyInput({
      legs: fullLegs,
      scale: 1n << 40n,
      round: fullRound,
      parameters: DEFAULT_PARAMETERS,
      scenarioIndex: 0,
      salt: 42n,
      context: 1n,
      capacity: 8,
    });
    await expectRefused(lie, full);
  });
});
