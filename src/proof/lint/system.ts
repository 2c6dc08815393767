import { SCALAR_MODULUS } from '../../math/fixed/scalar-field.ts';
import { ProofError } from '../errors.ts';
import { readU256LE } from '../field.ts';
import { type ConstraintSide, forEachCoefficient, publicSignalCount, type R1cs } from '../r1cs.ts';
import { type Linear, linearOf } from './linear.ts';
import { PrimeField } from './prime-field.ts';

/** `a * b = c`. */
export interface Constraint {
  readonly a: Linear;
  readonly b: Linear;
  readonly c: Linear;
}

/** A constraint system with unpacked coefficients. Wire 0 is the constant 1. */
export interface ConstraintSystem {
  readonly field: PrimeField;
  readonly wires: number;
  readonly outputs: readonly number[];
  /** Wires of the public and private inputs of the main component. */
  readonly inputs: readonly number[];
  /**
   * Inputs that the optimiser replaced by combinations of other signals: the combinations of wires, which are known as
   * the inputs are.
   */
  readonly inputCombinations?: readonly Linear[];
  readonly constraints: readonly Constraint[];
}

/** An input of the main component without a wire of its own. */
export interface RemovedInput {
  readonly label: number;
  readonly name: string;
}

/** Where the inputs of the main component are. */
export interface InputTable {
  readonly wires: readonly number[];
  /** Private inputs that the optimiser removed: solved for in a linear constraint, or in no constraint at all. */
  readonly removed: readonly RemovedInput[];
  /** By label of the compiler: the wire, or -1. */
  readonly wireOfLabel: readonly number[];
}

/**
 * Find the inputs in a .sym file. The header of an .r1cs file counts the private inputs of the source, but the
 * optimiser may have removed some, and then other signals follow the public ones: only labels tell.
 *
 * @throws {ProofError} `FILE_MALFORMED` for a table that does not belong to the constraint system.
 */
export function inputsOf(r1cs: R1cs, symbols: string): InputTable {
  const wireOfLabel: number[] = [0];
  const names: string[] = ['one'];
  for (const line of symbols.split('\n')) {
    const [label, wire, , name] = line.trim().split(',');
    if (label === undefined || wire === undefined || name === undefined) continue;
    wireOfLabel[Number(label)] = Number(wire);
    names[Number(label)] = name;
  }
  const wires: number[] = [];
  const removed: RemovedInput[] = [];
  const last = publicSignalCount(r1cs) + r1cs.privateInputs;
  for (let label = 1; label <= last; label++) {
    const wire = wireOfLabel[label];
    const isPublic = label <= publicSignalCount(r1cs);
    if (wire === undefined || wire >= r1cs.wires || (isPublic && wire !== label)) {
      throw new ProofError('FILE_MALFORMED', 'the .sym file does not belong to the .r1cs file', { label });
    }
    if (label <= r1cs.outputs) continue;
    if (wire >= 0) wires.push(wire);
    else removed.push({ label, name: names[label]! });
  }
  return { wires, removed, wireOfLabel };
}

/** What the optimiser put for removed signals: by label, the coefficients by label; label 0 is the constant. */
export type Substitutions = Readonly<Record<string, Readonly<Record<string, string>>>>;

/**
 * Unpack a parsed .r1cs file.
 *
 * @param symbols text of its .sym file.
 * @param substitutions of at least the removed inputs; without them these count as not given, so that less follows.
 * @throws {ProofError} `FILE_MALFORMED` for files that do not fit together.
 */
export function systemOf(r1cs: R1cs, symbols: string, substitutions: Substitutions = {}): ConstraintSystem {
  const field = new PrimeField(SCALAR_MODULUS);
  const sides: [number, bigint][][] = Array.from({ length: 3 * r1cs.constraints }, () => []);
  forEachCoefficient(r1cs, (constraint, side: ConstraintSide, wire, offset) => {
    sides[3 * constraint + side]!.push([wire, readU256LE(r1cs.body, offset)]);
  });
  const constraints = Array.from({ length: r1cs.constraints }, (_, i) => ({
    a: linearOf(field, sides[3 * i]!),
    b: linearOf(field, sides[3 * i + 1]!),
    c: linearOf(field, sides[3 * i + 2]!),
  }));
  const table = inputsOf(r1cs, symbols);
  return {
    field,
    wires: r1cs.wires,
    outputs: Array.from({ length: r1cs.outputs }, (_, i) => i + 1),
    inputs: table.wires,
    inputCombinations: table.removed.flatMap(({ label }) => {
      if (substitutions[label] === undefined) return [];
      const terms = termsOf(String(label), table, substitutions);
      return terms === undefined ? [] : [linearOf(field, terms)];
    }),
    constraints,
  };
}

/** A signal by wires, up to inputs without a wire; undefined when a substitution is missing. */
function termsOf(
  label: string,
  table: InputTable,
  substitutions: Substitutions,
): [number, bigint][] | undefined {
  const wire = table.wireOfLabel[Number(label)];
  if (wire !== undefined && wire >= 0) return [[wire, 1n]];
  const substitution = substitutions[label];
  if (substitution === undefined) {
    // A known number, whatever it is: what is left of the combination is known as well.
    return table.removed.some((input) => String(input.label) === label) ? [] : undefined;
  }
  const terms: [number, bigint][] = [];
  for (const [other, coefficient] of Object.entries(substitution)) {
    const part = termsOf(other, table, substitutions);
    if (part === undefined) return undefined;
    for (const [variable, value] of part) terms.push([variable, value * BigInt(coefficient)]);
  }
  return terms;
}
