/** Tools of negative tests: changed wires, commitments to malformed vectors, and twins of circuits with lying hints. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { SCALAR_FIELD } from '../../src/market/instrument.ts';
import type { CircuitTester } from '../../src/proof/circuit-tester.ts';
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
    if (difference % SCALAR_FIELD === 0n) continue;
    const changed = new Map<number, [bigint, bigint, bigint]>();
    for (const { constraint, side, coefficient } of touched[wire]!) {
      const values = changed.get(constraint) ?? [...sums[constraint]!];
      values[side as 0 | 1 | 2] += coefficient * difference;
      changed.set(constraint, values);
    }
    const noticed = [...changed.values()].some(([a, b, c]) => (a * b - c) % SCALAR_FIELD !== 0n);
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
