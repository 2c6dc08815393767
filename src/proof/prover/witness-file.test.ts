import { describe, expect, it } from 'vitest';
import { BASE_MODULUS, writeU256LE } from '../field.ts';
import { emptyWitnessFile, publicSignalsOf, witnessValues } from './witness-file.ts';

/** A .wtns file that claims so many wires and holds the values given. */
function witnessFile(wires: number, values: readonly bigint[], modulus?: bigint): Uint8Array {
  const written = emptyWitnessFile(values.length, wires, modulus);
  values.forEach((value, wire) => {
    writeU256LE(written.values, 32 * wire, value);
  });
  return written.file;
}

describe('witnessValues', () => {
  it('gives the values, of which the first after the 1 are public', () => {
    const values = witnessValues(witnessFile(4, [1n, 15n, 7n, 3n]), 4);
    expect(values).toHaveLength(128);
    expect(publicSignalsOf(values, 2)).toEqual(['15', '7']);
  });

  it('refuses values that are not as many as the header says: a key would read beyond them', () => {
    for (const values of [[], [1n, 15n], [1n, 15n, 7n, 3n]]) {
      expect(() => witnessValues(witnessFile(3, values), 3)).toThrow(
        expect.objectContaining({ code: 'FILE_MALFORMED', message: expect.stringContaining('cut short') }),
      );
    }
  });

  it('refuses witnesses of another length than the key’s, and of another field', () => {
    expect(() => witnessValues(witnessFile(2, [1n, 15n]), 3)).toThrow(
      expect.objectContaining({ code: 'KEY_MISMATCH', details: { count: 2, wires: 3 } }),
    );
    expect(() => witnessValues(witnessFile(1, [1n], BASE_MODULUS), 1)).toThrow(
      expect.objectContaining({ code: 'FILE_MALFORMED' }),
    );
  });
});
