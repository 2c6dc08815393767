import { SCALAR_MODULUS } from '../math/fixed/scalar-field.ts';
import { ProofError } from './errors.ts';
import { readU256LE } from './field.ts';

/** One section of a file in iden3's container format (.r1cs, .wtns, .zkey). */
export interface FileSection {
  id: number;
  /** Offset of the section's content in the file. */
  offset: number;
  /** Length of the content in bytes. */
  length: number;
}

/**
 * Read the table of sections of a container file.
 *
 * @param magic four letters that open the file.
 * @throws {ProofError} `FILE_MALFORMED`.
 */
export function readSections(bytes: Uint8Array, magic: string): Map<number, FileSection> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || Buffer.from(bytes.subarray(0, 4)).toString('latin1') !== magic) {
    throw new ProofError('FILE_MALFORMED', `not a .${magic.trim()} file`);
  }
  const sections = new Map<number, FileSection>();
  let offset = 12;
  for (let i = view.getUint32(8, true); i > 0; i--) {
    if (offset + 12 > bytes.length) throw new ProofError('FILE_MALFORMED', `.${magic} file is cut short`);
    const id = view.getUint32(offset, true);
    const length = Number(view.getBigUint64(offset + 4, true));
    offset += 12;
    if (offset + length > bytes.length) throw new ProofError('FILE_MALFORMED', `.${magic} file is cut short`);
    if (!sections.has(id)) sections.set(id, { id, offset, length });
    offset += length;
  }
  return sections;
}

/** Content of section `id`. Throws `FILE_MALFORMED` when it is missing. */
export function sectionBytes(bytes: Uint8Array, sections: Map<number, FileSection>, id: number): Uint8Array {
  const section = sections.get(id);
  if (!section) throw new ProofError('FILE_MALFORMED', `section ${id} is missing`, { section: id });
  return bytes.subarray(section.offset, section.offset + section.length);
}

/** A constraint system: `<A_i, w> * <B_i, w> = <C_i, w>` for every constraint i and witness w with w[0] = 1. */
export interface R1cs {
  /** Length of the witness, the leading 1 included. */
  wires: number;
  outputs: number;
  publicInputs: number;
  privateInputs: number;
  constraints: number;
  /** Raw constraints: three linear combinations each, `count, (wire, coefficient)*` little endian. */
  body: Uint8Array;
}

/** Number of public signals: outputs come first, then public inputs; wires 1..n. */
export function publicSignalCount(r1cs: R1cs): number {
  return r1cs.outputs + r1cs.publicInputs;
}

/**
 * Parse an .r1cs file over the BN254 scalar field.
 *
 * @throws {ProofError} `FILE_MALFORMED` for other fields, custom gates or a damaged file.
 */
export function parseR1cs(bytes: Uint8Array): R1cs {
  const sections = readSections(bytes, 'r1cs');
  const header = sectionBytes(bytes, sections, 1);
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  if (view.getUint32(0, true) !== 32 || readU256LE(header, 4) !== SCALAR_MODULUS) {
    throw new ProofError('FILE_MALFORMED', 'the circuit is not over the BN254 scalar field');
  }
  const customGates = sections.get(5);
  if (customGates && customGates.length > 4) {
    throw new ProofError('FILE_MALFORMED', 'custom gates are not supported');
  }
  return {
    wires: view.getUint32(36, true),
    outputs: view.getUint32(40, true),
    publicInputs: view.getUint32(44, true),
    privateInputs: view.getUint32(48, true),
    constraints: view.getUint32(60, true),
    body: sectionBytes(bytes, sections, 2),
  };
}

/** Which side of a constraint a linear combination is. */
export type ConstraintSide = 0 | 1 | 2;

/**
 * Walk over all coefficients of a constraint system.
 *
 * @param visit gets the constraint's index, its side (0 for A, 1 for B, 2 for C), the wire and the offset of the
 * 32-byte coefficient in `r1cs.body`.
 * @param from first constraint and its offset in the body; the pair that the previous call returned.
 * @param until the constraint to stop before.
 */
export function forEachCoefficient(
  r1cs: R1cs,
  visit: (constraint: number, side: ConstraintSide, wire: number, coefficientOffset: number) => void,
  from: { constraint: number; offset: number } = { constraint: 0, offset: 0 },
  until = r1cs.constraints,
): { constraint: number; offset: number } {
  const { body } = r1cs;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  let { constraint, offset } = from;
  for (; constraint < until; constraint++) {
    for (let side = 0; side < 3; side++) {
      const count = view.getUint32(offset, true);
      offset += 4;
      for (let i = 0; i < count; i++) {
        const wire = view.getUint32(offset, true);
        if (wire >= r1cs.wires)
          throw new ProofError('FILE_MALFORMED', `constraint ${constraint} names wire ${wire}`);
        visit(constraint, side as ConstraintSide, wire, offset + 4);
        offset += 36;
      }
    }
  }
  return { constraint, offset };
}

/**
 * Terms of the linear combinations A and B of all constraints: what a prover evaluates one by one, besides transforms and
 * multi-scalar multiplications. It depends on which signals the optimiser replaces by sums of others.
 */
export function termCount(r1cs: R1cs): number {
  let terms = 0;
  forEachCoefficient(r1cs, (_constraint, side) => {
    if (side !== 2) terms++;
  });
  return terms;
}

/**
 * Find constraints that a witness violates: the check of a mutated witness in a negative test.
 *
 * @param witness field elements in [0, r), the leading 1 included.
 * @param limit stop after so many.
 * @returns indices of violated constraints, ascending, and before them -1 when wire 0 is not 1; empty when the witness satisfies the circuit.
 * @throws {ProofError} `WITNESS_REJECTED` for a witness of the wrong length.
 */
export function violatedConstraints(r1cs: R1cs, witness: readonly bigint[], limit = 1): number[] {
  if (witness.length !== r1cs.wires) {
    throw new ProofError(
      'WITNESS_REJECTED',
      `the witness has ${witness.length} wires, the circuit ${r1cs.wires}`,
    );
  }
  const violated: number[] = [];
  if (witness[0] !== 1n) violated.push(-1);
  let position = { constraint: 0, offset: 0 };
  while (position.constraint < r1cs.constraints && violated.length < limit) {
    const sums: [bigint, bigint, bigint] = [0n, 0n, 0n];
    const index = position.constraint;
    position = forEachCoefficient(
      r1cs,
      (_constraint, side, wire, offset) => {
        sums[side] += readU256LE(r1cs.body, offset) * witness[wire]!;
      },
      position,
      index + 1,
    );
    if (((sums[0] % SCALAR_MODULUS) * (sums[1] % SCALAR_MODULUS) - sums[2]) % SCALAR_MODULUS !== 0n)
      violated.push(index);
  }
  return violated;
}

/** Maps signal names of a .sym file to wires. */
export interface SymbolTable {
  /** `main.sub.signal[3]` to wire, for signals that survived optimisation. */
  readonly wires: ReadonlyMap<string, number>;
  /** Names of the signals on each wire, by wire. */
  readonly names: ReadonlyMap<number, readonly string[]>;
}

/** Parse a .sym file: lines `label,wire,component,name`, wire -1 for signals that were optimised away. */
export function parseSymbols(text: string): SymbolTable {
  const wires = new Map<string, number>();
  const names = new Map<number, string[]>();
  for (const line of text.split('\n')) {
    const [, wire, , name] = line.trim().split(',');
    if (wire === undefined || name === undefined) continue;
    const index = Number(wire);
    if (index < 0) continue;
    wires.set(name, index);
    const list = names.get(index);
    if (list) list.push(name);
    else names.set(index, [name]);
  }
  return { wires, names };
}

/**
 * Names of the public signals in the order of the proof: outputs, then public inputs; without the leading `main.`.
 */
export function publicSignalNames(r1cs: R1cs, symbols: SymbolTable): string[] {
  const names: string[] = [];
  for (let wire = 1; wire <= publicSignalCount(r1cs); wire++) {
    const candidates = symbols.names.get(wire) ?? [];
    const own = candidates.find((name) => /^main\.[^.]+$/.test(name)) ?? candidates[0];
    names.push(own ? own.replace(/^main\./, '') : `wire${wire}`);
  }
  return names;
}

/** Field elements of a .wtns file, the leading 1 included. */
export function parseWitness(bytes: Uint8Array): bigint[] {
  const sections = readSections(bytes, 'wtns');
  const header = sectionBytes(bytes, sections, 1);
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  if (view.getUint32(0, true) !== 32 || readU256LE(header, 4) !== SCALAR_MODULUS) {
    throw new ProofError('FILE_MALFORMED', 'the witness is not over the BN254 scalar field');
  }
  const body = sectionBytes(bytes, sections, 2);
  return Array.from({ length: view.getUint32(36, true) }, (_, i) => readU256LE(body, 32 * i));
}
