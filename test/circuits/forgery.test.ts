/**
 * Forgeries: the circuit's own sources with lying hints. A hint (`<--`) is no constraint, so the twin has the same
 * constraint system, and its witnesses must be refused by it. Conditions on low bits confine the lie to one leg.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import { exampleRound, type SviSurfaces } from '../../src/market/example-market.ts';
import { canonicalLegs } from '../../src/market/instrument.ts';
import { CircuitTester } from '../../src/proof/circuit-tester.ts';
import type { CircuitInput } from '../../src/proof/prover/backend.ts';
import { insolvencyInput } from '../../src/proof/witness/insolvency.ts';

const root = new URL('../../', import.meta.url);
const surfaces = JSON.parse(
  readFileSync(new URL('examples/surfaces-2025-02-19.json', root), 'utf8'),
) as SviSurfaces;
const round = exampleRound(surfaces, 'BTC');

let circuit: CircuitTester;
let input: CircuitInput;
let honest: bigint[];

beforeAll(async () => {
  circuit = await CircuitTester.fromFile('circuits/main/insolvency-8.circom');
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

/** The instance in one text, with one replacement that must find its place. */
function twinSource(original: string, replacement: string): string {
  const parts = new Map(
    readdirSync(new URL('circuits/lib/', root)).map((name) => [
      name,
      readFileSync(new URL(`circuits/lib/${name}`, root), 'utf8'),
    ]),
  );
  const done = new Set<string>();
  const libraries = new Set<string>();
  const inline = (text: string): string =>
    text
      .replace(/pragma circom [^;]+;/, '')
      .replace(/include "(?:\.\.\/lib\/)?([^"]+)";/g, (line, name: string) => {
        const part = parts.get(name);
        if (part === undefined) {
          libraries.add(line);
          return '';
        }
        if (done.has(name)) return '';
        done.add(name);
        return inline(part);
      });
  const main = readFileSync(new URL('circuits/main/insolvency-8.circom', root), 'utf8');
  const body = inline(main);
  const text = `pragma circom 2.2.0;\n${[...libraries].join('\n')}\n${body}`;
  expect(text.split(original)).toHaveLength(2);
  return text.replace(original, () => replacement);
}

/** The witness of a twin with the same constraint system. */
async function forge(original: string, replacement: string): Promise<{ twin: CircuitTester; witness: bigint[] }> {
  const twin = await CircuitTester.fromText('insolvency-8', twinSource(original, replacement));
  expect([twin.constraints, twin.r1cs.wires]).toEqual([circuit.constraints, circuit.r1cs.wires]);
  return { twin, witness: await twin.witness(input) };
}

const hint = 'low[i] <-- (in >> i) & 1;';

describe('forged hints', () => {
  it('a twin without lies gives an accepted witness and the same outputs', async () => {
    const { twin, witness } = await forge(hint, `${hint} `);
    expect(twin.violated(witness)).toEqual([]);
    for (const name of ['main.mark', 'main.requirement']) {
      expect(twin.signal(witness, name)).toBe(circuit.signal(honest, name));
    }
  });

  // d1 of the scenario = intercept + (deviation >> 9) + ...: half a unit taken from one and given to the other, or from both.
  it.fails('low bits may not move between the intercept and the deviation of the scenario', async () => {
    const { twin, witness } = await forge(
      hint,
      'low[i] <-- ((in >> i) & 1) ^ (((places == 14 && i == 13) || (places == 27 && i == 26)) ? 1 : 0);',
    );
    if (process.env.FORGERY_SCAN) {
      for (let index = 0; index < 32; index++) {
        const scenarioIndex = Array.from({ length: 5 }, (_, bit) => String((index >> bit) & 1));
        const [a, b] = [await circuit.witness({ ...input, scenarioIndex }), await twin.witness({ ...input, scenarioIndex })];
        const [x, y] = [circuit.signal(a, 'main.requirement'), twin.signal(b, 'main.requirement')];
        console.log(index, twin.violated(b).length, x, y - x);
      }
    }
    expect(twin.violated(witness)).not.toEqual([]);
  });
});
