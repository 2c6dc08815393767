import type { Curve, Groth16VerificationKey } from 'snarkjs';
import { SCALAR_MODULUS } from '../../math/fixed/scalar-field.ts';
import { ProofError } from '../errors.ts';
import { BASE_MODULUS, readU256LE, writeU256LE } from '../field.ts';
import { readSections, sectionBytes } from '../r1cs.ts';

/** The points that open a key file, affine, in the file's byte layout (little endian, Montgomery form). */
export interface KeyHeader {
  wires: number;
  publicSignals: number;
  domainSize: number;
  alpha1: Uint8Array;
  beta1: Uint8Array;
  beta2: Uint8Array;
  gamma2: Uint8Array;
  delta1: Uint8Array;
  delta2: Uint8Array;
}

/** A Groth16 proving key, section by section. */
export interface ProvingKey extends KeyHeader {
  /** One G1 point per public signal and one for the constant. */
  ic: Uint8Array;
  /** Coefficients of the matrices A and B: `count, (matrix, row, wire, coefficient * R^2)*`. */
  coefficients: Uint8Array;
  a: Uint8Array;
  b1: Uint8Array;
  b2: Uint8Array;
  c: Uint8Array;
  h: Uint8Array;
  /** 64 bytes that name the circuit. */
  circuitHash: Uint8Array;
}

const GROTH16 = 1;

function u32(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    view.setUint32(4 * i, value, true);
  });
  return bytes;
}

function u256(value: bigint): Uint8Array {
  const bytes = new Uint8Array(32);
  writeU256LE(bytes, 0, value);
  return bytes;
}

/** Serialise a key to the .zkey format that snarkjs and rapidsnark read. */
export function encodeProvingKey(key: ProvingKey): Uint8Array {
  const sections: [number, Uint8Array[]][] = [
    [1, [u32(GROTH16)]],
    [
      2,
      [
        u32(32),
        u256(BASE_MODULUS),
        u32(32),
        u256(SCALAR_MODULUS),
        u32(key.wires, key.publicSignals, key.domainSize),
        key.alpha1,
        key.beta1,
        key.beta2,
        key.gamma2,
        key.delta1,
        key.delta2,
      ],
    ],
    [3, [key.ic]],
    [4, [key.coefficients]],
    [5, [key.a]],
    [6, [key.b1]],
    [7, [key.b2]],
    [8, [key.c]],
    [9, [key.h]],
    [10, [key.circuitHash, u32(0)]],
  ];
  const parts: Uint8Array[] = [new TextEncoder().encode('zkey'), u32(1, sections.length)];
  for (const [id, content] of sections) {
    const length = content.reduce((sum, part) => sum + part.length, 0);
    parts.push(u32(id, length, 0), ...content);
  }
  const file = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    file.set(part, offset);
    offset += part.length;
  }
  return file;
}

/**
 * Take a .zkey file apart; the parts are views of `bytes`.
 *
 * @throws {ProofError} `FILE_MALFORMED` for another protocol or curve, or sections of the wrong length.
 */
export function decodeProvingKey(bytes: Uint8Array): ProvingKey {
  const sections = readSections(bytes, 'zkey');
  const section = (id: number, length?: number) => {
    const content = sectionBytes(bytes, sections, id);
    if (length !== undefined && content.length !== length) {
      throw new ProofError(
        'FILE_MALFORMED',
        `key section ${id} has ${content.length} bytes instead of ${length}`,
      );
    }
    return content;
  };
  const word = (content: Uint8Array, offset: number) =>
    new DataView(content.buffer, content.byteOffset, content.byteLength).getUint32(offset, true);
  if (word(section(1, 4), 0) !== GROTH16) throw new ProofError('FILE_MALFORMED', 'not a Groth16 key');
  const header = section(2, 84 + 3 * 64 + 3 * 128);
  if (readU256LE(header, 4) !== BASE_MODULUS || readU256LE(header, 40) !== SCALAR_MODULUS) {
    throw new ProofError('FILE_MALFORMED', 'the key is not over BN254');
  }
  const wires = word(header, 72);
  const publicSignals = word(header, 76);
  const domainSize = word(header, 80);
  let offset = 84;
  const take = (length: number) => {
    offset += length;
    return header.subarray(offset - length, offset);
  };
  return {
    wires,
    publicSignals,
    domainSize,
    alpha1: take(64),
    beta1: take(64),
    beta2: take(128),
    gamma2: take(128),
    delta1: take(64),
    delta2: take(128),
    ic: section(3, 64 * (publicSignals + 1)),
    coefficients: section(4),
    a: section(5, 64 * wires),
    b1: section(6, 64 * wires),
    b2: section(7, 128 * wires),
    c: section(8, 64 * (wires - publicSignals - 1)),
    h: section(9, 64 * domainSize),
    circuitHash: section(10).subarray(0, 64),
  };
}

/** The verification key of a proving key, in snarkjs's JSON form (coordinates as decimal strings). */
export function verificationKeyOf(curve: Curve, key: ProvingKey): Groth16VerificationKey {
  const g1 = (bytes: Uint8Array) => decimals(curve.G1.toObject(bytes)) as string[];
  const g2 = (bytes: Uint8Array) => decimals(curve.G2.toObject(bytes)) as string[][];
  return {
    protocol: 'groth16',
    curve: 'bn128',
    nPublic: key.publicSignals,
    vk_alpha_1: g1(key.alpha1),
    vk_beta_2: g2(key.beta2),
    vk_gamma_2: g2(key.gamma2),
    vk_delta_2: g2(key.delta2),
    vk_alphabeta_12: decimals(curve.Gt.toObject(curve.pairing(key.alpha1, key.beta2))) as string[][][],
    IC: Array.from({ length: key.publicSignals + 1 }, (_, i) => g1(key.ic.subarray(64 * i, 64 * i + 64))),
  };
}

function decimals(value: unknown): unknown {
  return Array.isArray(value) ? value.map(decimals) : String(value);
}
