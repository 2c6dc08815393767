/** Content of a .wtns file, checked against a key. */

import { SCALAR_MODULUS } from '../../math/fixed/scalar-field.ts';
import { ProofError } from '../errors.ts';
import { readU256LE } from '../field.ts';
import { readSections, sectionBytes } from '../r1cs.ts';

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
