/**
 * Forgeries: the circuit's own sources with lying hints. A hint (`<--`) is no constraint, so the twin has the same
 * constraint system, and its witnesses must be refused by it. Conditions on low bits confine the lie to one leg.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import { exampleRound, type SviSurfaces } from '../../src/market/example-market.ts';
import { canonicalLegs } from '../../src/market/instrument.ts';
import { CircuitTester } from '../../src/proof/circuit-tester.ts';
import type { CircuitInput } from '../../src/proof/prover/backend.ts';
import { insolvencyInput } from '../../src/proof/witness/insolvency.ts';
import { twinSource } from './tampering.ts';

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

let circuit: CircuitTester;
let input: CircuitInput;
let honest: bigint[];

beforeAll(async () => {
  circuit = await CircuitTester.fromFile(FILE);
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

/** The witness of a twin: other hints, as many constraints and wires. */
async function forge(
  replacements: Readonly<Record<string, string>>,
): Promise<{ twin: CircuitTester; witness: bigint[] }> {
  const twin = await CircuitTester.fromText('insolvency-8', twinSource(FILE, replacements));
  expect([twin.constraints, twin.r1cs.wires]).toEqual([circuit.constraints, circuit.r1cs.wires]);
  return { twin, witness: await twin.witness(input) };
}

const bitHint = 'low[i] <-- (in >> i) & 1;';
const quotientHint = 'quotient <-- q;';

/** The circuit refuses: no witness at all, or one that violates a constraint. */
async function expectRefused(replacements: Readonly<Record<string, string>>): Promise<void> {
  const forged = await forge(replacements).catch((error: unknown) => {
    expect(error).toMatchObject({ code: 'WITNESS_REJECTED' });
    return undefined;
  });
  if (forged && process.env.ZKMARGIN_FORGERY_SCAN) await scan(forged.twin);
  if (forged) expect(forged.twin.violated(forged.witness)).not.toEqual([]);
}

/** Prints what a forgery wins, for each scenario. */
async function scan(twin: CircuitTester): Promise<void> {
  for (let index = 0; index < 32; index++) {
    const chosen = {
      ...input,
      scenarioIndex: Array.from({ length: 5 }, (_, bit) => String((index >> bit) & 1)),
    };
    const [a, b] = [await circuit.witness(chosen), await twin.witness(chosen)];
    const [mark, requirement] = ['main.mark', 'main.requirement'].map(
      (name) => twin.signal(b, name) - circuit.signal(a, name),
    );
    const accepted = twin.violated(b).length === 0;
    console.log({ index, accepted, of: circuit.signal(a, 'main.requirement'), requirement, mark });
  }
}

describe('forged hints', () => {
  it('a twin without lies gives an accepted witness and the same outputs', async () => {
    const { twin, witness } = await forge({ [bitHint]: `${bitHint} ` });
    expect(twin.violated(witness)).toEqual([]);
    for (const name of ['main.mark', 'main.requirement']) {
      expect(twin.signal(witness, name)).toBe(circuit.signal(honest, name));
    }
  });

  // Half a unit of the scenario's d1 is taken from `intercept` and given to `deviation >> 9`, or taken from both.
  it('low bits may not move between the intercept and the deviation of the scenario', async () => {
    await expectRefused({
      [bitHint]:
        'low[i] <-- ((in >> i) & 1) ^ (((places == 14 && i == 13) || (places == 33 && i == 32)) ? 1 : 0);',
    });
  });

  // A moneyness of k + 1/2 in the field, possible for an even volatility, made whole again by `deviation >> 9`.
  it('the moneyness may not be a fraction', async () => {
    await expectRefused({
      [bitHint]: 'low[i] <-- ((in >> i) & 1) ^ ((places == 30 && i == 29) ? 1 : 0);',
      [quotientHint]: `var size = dividend < 0 ? -dividend : dividend;
        if (divisorBits == 20 && divisor != 1000000 && (divisor & 1) == 0 && (size & 65535) == 32768) {
          if (2 * (dividend - q * divisor) >= divisor) { q = q + 1 / 2; } else { q = q - 1 / 2; }
        }
        quotient <-- q;`,
    });
  });

  it('low bits may not move between the finer moneyness, its rounding and the deviation of the scenario', async () => {
    for (const other of [
      '(places == 33 && i == 32)',
      '(places == 14 && i == 13)',
      '(places == 30 && i == 29)',
    ]) {
      await expectRefused({
        [bitHint]: `low[i] <-- ((in >> i) & 1) ^ (((places == 4 && i == 3) || ${other}) ? 1 : 0);`,
      });
    }
  });

  // Remainders of the divisions whose quotients are ranged: one unit more in the remainder than the divisor allows.
  it.each([28, 16, 20, 27])('a quotient of FloorDivide(%i) may not be one less', async (bits) => {
    await expectRefused({ [quotientHint]: `quotient <-- divisorBits == ${bits} ? q - 1 : q;` });
  });

  it('a root may not be one less or one more', async () => {
    for (const change of ['- 1', '+ 1']) {
      await expectRefused({ 'root <-- guess;': `root <-- guess ${change};` });
    }
  });

  it('a sign may not be turned', async () => {
    await expectRefused({ 'negative <-- in < 0 ? 1 : 0;': 'negative <-- in < 0 ? 0 : 1;' });
  });

  it('a mantissa may not be shifted by one place less or more', async () => {
    const clamp = 'if (s >= width) { s = width - 1; }';
    await expectRefused({ [clamp]: `${clamp} s = s == 0 ? 1 : s - 1;` });
    await expectRefused({ [clamp]: `${clamp} s = s + 1;` });
  });

  it.each([25 + 5, 24 + 9, 4, 14, 15, 76, 40])(
    'a low bit of the shift by %i may not be turned alone',
    async (places) => {
      await expectRefused({
        [bitHint]: `low[i] <-- ((in >> i) & 1) ^ (places == ${places} && i == 0 ? 1 : 0);`,
      });
    },
  );
});
