/** Files of witnesses, .wtns: written, and checked against a key. */

import { SCALAR_MODULUS } from '../../math/fixed/scalar-field.ts';
import { ProofError } from '../errors.ts';
import { readU256LE, writeU256LE } from '../field.ts';
import { readSections, sectionBytes } from '../r1cs.ts';

/** Bytes before the values: magic, version, number of sections, the header's section, the head of the values' one. */
const VALUES_AT = 76;

/** A file to be filled: its bytes, and those of them that hold the values, 32 for each wire. */
export interface WitnessFile {
  readonly file: Uint8Array;
  /** A view of `file`. */
  readonly values: Uint8Array;
}

/**
 * A file whose values are all 0.
 *
 * @param wires number of wires that it has room for
 * @param claimed number of wires that its header states; the same unless given
 * @param modulus of the field
 */
export function emptyWitnessFile(wires: number, claimed = wires, modulus = SCALAR_MODULUS): WitnessFile {
  const file = new Uint8Array(VALUES_AT + 32 * wires);
  const view = new DataView(file.buffer);
  file.set(new TextEncoder().encode('wtns'));
  view.setUint32(4, 2, true);
  view.setUint32(8, 2, true);
  view.setUint32(12, 1, true);
  view.setUint32(16, 40, true);
  view.setUint32(24, 32, true);
  writeU256LE(file, 28, modulus);
  view.setUint32(60, claimed, true);
  view.setUint32(64, 2, true);
  view.setBigUint64(68, BigInt(32 * wires), true);
  return { file, values: file.subarray(VALUES_AT) };
}

/**
 * The wires' values: 32 bytes each, little endian, the leading 1 first; a view of `witness`.
 *
 * @param wires length of the witness that the key takes.
 * @throws {ProofError} `FILE_MALFORMED` for another format or field, `KEY_MISMATCH` for another number of wires.
 */
export function witnessValues(witness: Uint8Array, wires: number): Uint8Array {
  const sections = readSections(witness, 'wtns');
  const header = sectionBytes(witness, sections, 1);
  if (header.length < 40 || readU256LE(header, 4) !== SCALAR_MODULUS) {
    throw new ProofError('FILE_MALFORMED', 'the witness is not over the BN254 scalar field');
  }
  const count = new DataView(header.buffer, header.byteOffset, header.byteLength).getUint32(36, true);
  if (count !== wires) {
    throw new ProofError('KEY_MISMATCH', `the witness has ${count} wires, the key ${wires}`, {
      count,
      wires,
    });
  }
  const values = sectionBytes(witness, sections, 2);
  if (values.length !== 32 * wires) throw new ProofError('FILE_MALFORMED', 'the witness is cut short');
  return values;
}

/** The public signals of a witness's values: wires 1 to `count` as decimal strings. */
export function publicSignalsOf(values: Uint8Array, count: number): string[] {
  return Array.from({ length: count }, (_, index) => String(readU256LE(values, 32 * (index + 1))));
}
