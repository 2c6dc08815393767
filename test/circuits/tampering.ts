/** Tools of negative tests: changed wires, commitments to malformed vectors, and twins of circuits with lying hints. */
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { SCALAR_MODULUS } from '../../src/math/fixed/scalar-field.ts';
import { CircuitTester } from '../../src/proof/circuit-tester.ts';
import { CHUNK_SIZE, poseidonHash } from '../../src/proof/commitment.ts';
import { readU256LE } from '../../src/proof/field.ts';
import type { CircuitInput } from '../../src/proof/prover/backend.ts';
import { forEachCoefficient } from '../../src/proof/r1cs.ts';

/** Names of wires whose change alone no constraint notices. */
export function unnoticed(
  circuit: CircuitTester,
  witness: readonly bigint[],
  change: (value: bigint) => bigint,
): string[] {
  const { r1cs } = circuit;
  const sums: [bigint, bigint, bigint][] = Array.from({ length: r1cs.constraints }, () => [0n, 0n, 0n]);
  const touched: { constraint: number; side: number; coefficient: bigint }[][] = Array.from(
    { length: r1cs.wires },
    () => [],
  );
  forEachCoefficient(r1cs, (constraint, side, wire, offset) => {
    const coefficient = readU256LE(r1cs.body, offset);
    sums[constraint]![side] += coefficient * witness[wire]!;
    touched[wire]!.push({ constraint, side, coefficient });
  });
  const names: string[] = [];
  for (let wire = 1; wire < r1cs.wires; wire++) {
    const difference = change(witness[wire]!) - witness[wire]!;
    if (difference % SCALAR_MODULUS === 0n) continue;
    const changed = new Map<number, [bigint, bigint, bigint]>();
    for (const { constraint, side, coefficient } of touched[wire]!) {
      const values = changed.get(constraint) ?? [...sums[constraint]!];
      values[side as 0 | 1 | 2] += coefficient * difference;
      changed.set(constraint, values);
    }
    const noticed = [...changed.values()].some(([a, b, c]) => (a * b - c) % SCALAR_MODULUS !== 0n);
    const own = circuit.symbols.names.get(wire) ?? [`wire ${wire}`];
    if (!noticed) names.push(own.find((name) => /^main\.[^.]+$/.test(name)) ?? own[0]!);
  }
  return names;
}

/** circomlib's `IsZero.inv`: for an input of 0 the hint is multiplied by 0, and nothing else reads it. */
export function isFreeInverse(name: string): boolean {
  return /\.IsZero_\d+_\d+(\[\d+\])*\.inv$/.test(name);
}

/** The commitment as circuits compute it, to any field elements: no vector of legs is too odd. */
export async function commitElements(
  packed: readonly bigint[],
  underlyingId: bigint,
  salt: bigint,
): Promise<bigint> {
  let accumulator = await poseidonHash([underlyingId, salt]);
  for (let start = 0; start < packed.length; start += CHUNK_SIZE) {
    if (start > 0 && packed[start] === 0n) continue;
    accumulator = await poseidonHash([accumulator, ...packed.slice(start, start + CHUNK_SIZE)]);
  }
  return accumulator;
}

/** No witness exists for these inputs. */
export async function expectRefused(circuit: CircuitTester, input: CircuitInput): Promise<void> {
  const outcome = await circuit.witness(input).then(
    () => 'accepted',
    (error: { code?: string }) => error.code,
  );
  expect(outcome).toBe('WITNESS_REJECTED');
}

/**
 * A circuit with all of the project's includes in one text, with replacements that must each find one place.
 *
 * @param main path below the project's root
 */
export function twinSource(main: string, replacements: Readonly<Record<string, string>>): string {
  const root = new URL('../../', import.meta.url);
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
  const body = inline(readFileSync(new URL(main, root), 'utf8'));
  let text = `pragma circom 2.2.0;\n${[...libraries].join('\n')}\n${body}`;
  for (const [original, replacement] of Object.entries(replacements)) {
    expect(text.split(original), original).toHaveLength(2);
    text = text.replace(original, () => replacement);
  }
  return text;
}

/** Templates whose hints can lie. Their lies are circom text that runs just before the hint is given. */
const HINTS = {
  /** A bit of `ShiftRight(places)`; `turned = 1` turns bit `i`. */
  shift: {
    signal: 'in',
    hint: 'low[i] <-- (in >> i) & 1;',
    lying: (says: string) => `var turned = 0;\n${says}\nlow[i] <-- ((in >> i) & 1) ^ turned;`,
  },
  /** The quotient `q` of `FloorDivide(divisorBits)`. */
  divide: {
    signal: 'dividend',
    hint: 'quotient <-- q;',
    lying: (says: string) => `${says}\nquotient <-- q;`,
  },
  /** The root `guess` of `IntegerSquareRoot`. */
  root: { signal: 'in', hint: 'root <-- guess;', lying: (says: string) => `${says}\nroot <-- guess;` },
  /** The shift `s` of a mantissa. */
  logarithm: {
    signal: 'in',
    hint: 'if (s >= width) { s = width - 1; }',
    lying: (says: string) => `if (s >= width) { s = width - 1; }\n${says}`,
  },
  /** The tail of `Normal`; `turned = 1` takes the other one. */
  sign: {
    signal: 'in',
    hint: 'negative <-- in < 0 ? 1 : 0;',
    lying: (says: string) => `var turned = 0;\n${says}\nnegative <-- (in < 0 ? 1 : 0) ^ turned;`,
  },
  /** A volatility `field` of an expiry's word, the `j`-th. */
  volatility: {
    signal: 'word',
    hint: 'rawVols[j] <-- (word >> (20 * j)) & ((1 << 20) - 1);',
    lying: (says: string) =>
      `var field = (word >> (20 * j)) & ((1 << 20) - 1);\n${says}\nrawVols[j] <-- field;`,
  },
  /** The discount `said` of an expiry's word. */
  discount: {
    signal: 'word',
    hint: 'discount <-- (word >> 182) & ((1 << 22) - 1);',
    lying: (says: string) => `var said = (word >> 182) & ((1 << 22) - 1);\n${says}\ndiscount <-- said;`,
  },
  /** The forward `told` of an expiry's word. */
  forward: {
    signal: 'word',
    hint: 'rawForward <-- word >> 204;',
    lying: (says: string) => `var told = word >> 204;\n${says}\nrawForward <-- told;`,
  },
  /** The inverse `guess` that shows that `in` is not 0. */
  inverse: {
    signal: 'in',
    hint: 'inverse <-- in != 0 ? 1 / in : 0;',
    lying: (says: string) => `var guess = in != 0 ? 1 / in : 0;\n${says}\ninverse <-- guess;`,
  },
} as const;

/** What is said by the hints of each template. */
export type Lies = { readonly [Template in keyof typeof HINTS]?: string };

/** Replacements for {@link twinSource} with which hints say all of these lies. */
export function hintsThatSay(lies: readonly Lies[]): Record<string, string> {
  const replacements: Record<string, string> = {};
  for (const template of Object.keys(HINTS) as (keyof Lies)[]) {
    const says = lies.flatMap((lie) => lie[template] ?? []);
    const { hint, lying } = HINTS[template];
    if (says.length > 0) replacements[hint] = lying(says.join('\n'));
  }
  return replacements;
}

/** Which lie is told: a number that no source has. */
const TOLD = (1n << 200n) + 0x7e11_1e5n;

/** A twin that tells one of many lies, though it is compiled once: a compilation takes seconds. */
export class LyingTwin<Name extends string> {
  readonly #names: readonly Name[];
  readonly #twin: CircuitTester;
  readonly #wasm: Buffer;
  readonly #place: number;

  private constructor(names: readonly Name[], twin: CircuitTester, wasm: Buffer, place: number) {
    this.#names = names;
    this.#twin = twin;
    this.#wasm = wasm;
    this.#place = place;
  }

  /** @param change to the twin's source, last of all */
  static async compile<Name extends string>(
    name: string,
    main: string,
    lies: Readonly<Record<Name, Lies>>,
    change: (source: string) => string = (source) => source,
  ): Promise<LyingTwin<Name>> {
    const names = Object.keys(lies) as Name[];
    const numbered = names.map((key, index) =>
      Object.fromEntries(
        Object.entries<string>(lies[key]).map(([template, says]) => {
          const { signal } = HINTS[template as keyof Lies];
          // Added and taken away, a signal keeps the compiler from deciding.
          return [template, `if (${TOLD} + ${signal} - ${signal} == ${index + 1}) { ${says} }`];
        }),
      ),
    );
    const twin = await CircuitTester.fromText(name, change(twinSource(main, hintsThatSay(numbered))));
    const wasm = await readFile(twin.circuit.wasmPath);
    // Among the generator's constants, in Montgomery's form behind two words that say so.
    const constant = Buffer.from(
      ((TOLD << 256n) % SCALAR_MODULUS).toString(16).padStart(64, '0'),
      'hex',
    ).reverse();
    const place = wasm.indexOf(constant) - 8;
    expect(wasm.readBigUInt64LE(place)).toBe(0xc000_0000_0000_0000n);
    expect(wasm.indexOf(constant, place + 40)).toBe(-1);
    return new LyingTwin(names, twin, wasm, place);
  }

  /** The twin when it tells a lie, or the truth. */
  tells(name?: Name): Promise<CircuitTester> {
    const wasm = Buffer.from(this.#wasm);
    wasm.fill(0, this.#place, this.#place + 40);
    // A small number stands in the first word.
    wasm.writeUInt32LE(name === undefined ? 0 : this.#names.indexOf(name) + 1, this.#place);
    return this.#twin.withGenerator(wasm);
  }
}
