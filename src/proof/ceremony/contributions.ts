/** The contributions that a .zkey file records about itself. */
import { createHash } from 'node:crypto';
import type { Curve, WasmGroup } from 'snarkjs';
import { ProofError } from '../errors.ts';
import { readSections, sectionBytes } from '../r1cs.ts';

/** One step from the initial key to the present one. Points are affine, in the file's byte layout. */
export interface Contribution {
  /** Who, as told; nothing in the key proves it. Empty when untold. */
  readonly name: string;
  readonly type: 'contribution' | 'beacon';
  /** BLAKE2b-512 over the step's public key, hexadecimal: what the contributor saw and announced. */
  readonly hash: string;
  /** delta in G1 after the step. */
  readonly deltaAfter: Uint8Array;
  /** A random point and its multiple by the step's secret. */
  readonly base: Uint8Array;
  readonly multiple: Uint8Array;
  /** The step's secret in G2. */
  readonly multiple2: Uint8Array;
  readonly beacon?: { readonly hash: string; readonly iterationsExponent: number };
}

/** What section 10 of a .zkey file holds. */
export interface KeyHistory {
  /** BLAKE2b-512 that snarkjs takes over the initial key, hexadecimal. */
  readonly circuitHash: string;
  readonly contributions: readonly Contribution[];
}

/** More steps than any ceremony has; a bound for damaged files. */
const MAX_CONTRIBUTIONS = 10_000;

/**
 * Read the contributions of a key, and compute their hashes anew.
 *
 * @throws {ProofError} `FILE_MALFORMED`
 */
export function readHistory(curve: Curve, zkey: Uint8Array): KeyHistory {
  const section = sectionBytes(zkey, readSections(zkey, 'zkey'), 10);
  const view = new DataView(section.buffer, section.byteOffset, section.byteLength);
  let offset = 0;
  const take = (length: number): Uint8Array => {
    if (offset + length > section.length) {
      throw new ProofError('FILE_MALFORMED', 'the contributions of the key are cut short');
    }
    offset += length;
    return section.subarray(offset - length, offset);
  };
  const word = (): number => {
    take(4);
    return view.getUint32(offset - 4, true);
  };
  const circuitHash = hex(take(64));
  const count = word();
  if (count > MAX_CONTRIBUTIONS)
    throw new ProofError('FILE_MALFORMED', `the key names ${count} contributions`);
  const contributions = Array.from({ length: count }, (): Contribution => {
    const [deltaAfter, base, multiple] = [take(64), take(64), take(64)];
    const multiple2 = take(128);
    const transcript = take(64);
    const type = word();
    if (type > 1) throw new ProofError('FILE_MALFORMED', `the key names a contribution of type ${type}`);
    const parameters = readParameters(take(word()));
    const hash = createHash('blake2b512');
    for (const point of [deltaAfter, base, multiple]) hash.update(uncompressed(curve.G1, point));
    hash.update(uncompressed(curve.G2, multiple2)).update(transcript);
    const { name, ...beacon } = parameters;
    if ((type === 1) !== (beacon.hash !== undefined && beacon.iterationsExponent !== undefined)) {
      throw new ProofError(
        'FILE_MALFORMED',
        'a contribution has a beacon type without a beacon, or the reverse',
      );
    }
    return {
      name,
      type: type === 1 ? 'beacon' : 'contribution',
      hash: hash.digest('hex'),
      deltaAfter,
      base,
      multiple,
      multiple2,
      ...(type === 1 && {
        beacon: { hash: beacon.hash!, iterationsExponent: beacon.iterationsExponent! },
      }),
    };
  });
  if (offset !== section.length) {
    throw new ProofError('FILE_MALFORMED', 'bytes follow the contributions of the key');
  }
  return { circuitHash, contributions };
}

/** Parameters stand in ascending order of their tags: 1 name, 2 exponent of the iterations, 3 beacon. */
function readParameters(bytes: Uint8Array): { name: string; iterationsExponent?: number; hash?: string } {
  const parameters: { name: string; iterationsExponent?: number; hash?: string } = { name: '' };
  let last = 0;
  for (let offset = 0; offset < bytes.length; ) {
    const tag = bytes[offset]!;
    const length = tag === 2 ? 1 : bytes[offset + 1];
    const from = offset + (tag === 2 ? 1 : 2);
    if (tag <= last || tag > 3 || length === undefined || from + length > bytes.length) {
      throw new ProofError('FILE_MALFORMED', 'the parameters of a contribution are damaged');
    }
    const content = bytes.subarray(from, from + length);
    if (tag === 1) parameters.name = new TextDecoder().decode(content);
    else if (tag === 2) parameters.iterationsExponent = content[0]!;
    else parameters.hash = hex(content);
    last = tag;
    offset = from + length;
  }
  return parameters;
}

function uncompressed(group: WasmGroup, point: Uint8Array): Uint8Array {
  return (group as WasmGroup & { toUncompressed(point: Uint8Array): Uint8Array }).toUncompressed(point);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
