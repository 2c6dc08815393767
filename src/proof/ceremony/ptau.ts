/** Powers of tau: reading a file, and telling a public one from any other. */
import { createHash } from 'node:crypto';
import type { Curve } from 'snarkjs';
import { ZkMarginError } from '../../errors.ts';
import { SCALAR_MODULUS } from '../../math/fixed/scalar-field.ts';
import { ProofError } from '../errors.ts';
import { BASE_MODULUS, readU256LE } from '../field.ts';
import { domainSizeOf } from '../keys/qap.ts';
import { type R1cs, readSections, sectionBytes } from '../r1cs.ts';
import { readBytes, readingFile } from './files.ts';
import { PUBLIC_PTAU, PUBLIC_PTAU_FOLDER, type PublicPtau, publicPtauFor } from './public-ptau.ts';

/** A file that should hold powers of tau, in memory: what is hashed is what is used. */
export interface PtauFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** BLAKE2b-512 of the file, hexadecimal. */
  readonly blake2b: string;
}

/** Powers of tau, read. */
export interface Ptau extends PtauFile {
  /** It serves domains of up to 2^power rows. */
  readonly power: number;
  /** The public file that it is; undefined for any other. */
  readonly listed: PublicPtau | undefined;
}

/**
 * Read a powers-of-tau file and look its hash up.
 *
 * @param publicFiles the public files; tests pass others
 * @throws {ZkMarginError} and {ProofError} of {@link readPtauFile} and {@link decodePtau}
 */
export async function readPtau(
  path: string,
  publicFiles: readonly PublicPtau[] = PUBLIC_PTAU,
): Promise<Ptau> {
  return decodePtau(await readPtauFile(path), publicFiles);
}

/**
 * Read a file and compute its hash, whatever it holds.
 *
 * @throws {ZkMarginError} `NOT_FOUND`, `TOO_LARGE`, `FORBIDDEN`, `CONFLICT`
 */
export async function readPtauFile(path: string): Promise<PtauFile> {
  const bytes = await readBytes(
    path,
    'ptau',
    `Give a powers-of-tau file: there is no ${path}.`,
    'Take the powers-of-tau file of the smallest power that suffices.',
  );
  return { path, bytes, blake2b: createHash('blake2b512').update(bytes).digest('hex') };
}

/**
 * Find out what a powers-of-tau file holds.
 *
 * @throws {ProofError} `FILE_MALFORMED` for another curve, or a file that is not prepared for the second phase
 */
export function decodePtau(file: PtauFile, publicFiles: readonly PublicPtau[] = PUBLIC_PTAU): Ptau {
  const power = readingFile(file.path, () => preparedPower(file.bytes));
  const listed = publicFiles.find((one) => one.blake2b === file.blake2b && one.power === power);
  return { ...file, power, listed };
}

function preparedPower(bytes: Uint8Array): number {
  const sections = readSections(bytes, 'ptau');
  const header = sectionBytes(bytes, sections, 1);
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  if (header.length < 44 || view.getUint32(0, true) !== 32 || readU256LE(header, 4) !== BASE_MODULUS) {
    throw new ProofError('FILE_MALFORMED', 'the powers of tau are not over BN254');
  }
  const power = view.getUint32(36, true);
  if (power < 1 || power > 28) throw new ProofError('FILE_MALFORMED', `no powers of tau have power ${power}`);
  for (const id of [12, 13, 14, 15]) {
    if (!sections.has(id)) {
      throw new ProofError(
        'FILE_MALFORMED',
        'the powers of tau are not prepared for the second phase: run snarkjs powersoftau prepare phase2',
      );
    }
  }
  return power;
}

/** The power that a circuit needs: its domain has 2^power rows. */
export function powerOf(r1cs: R1cs): number {
  return Math.log2(domainSizeOf(r1cs));
}

/**
 * Refuse powers of tau that are too small for a circuit, and, unless allowed, those that no public ceremony made.
 *
 * @throws {ZkMarginError} `OUT_OF_RANGE` when the power is too small, `UNSUPPORTED` for an unlisted file
 */
export function requirePtau(ptau: Ptau, r1cs: R1cs, allowUnlisted: boolean): void {
  const needed = powerOf(r1cs);
  const fitting = publicPtauFor(needed);
  const advice = fitting ? ` ${fitting.file} of ${PUBLIC_PTAU_FOLDER} fits.` : '';
  if (ptau.power < needed) {
    throw new ZkMarginError(
      'OUT_OF_RANGE',
      `Give powers of tau of at least power ${needed}: the circuit has ${r1cs.constraints} constraints, and the file ` +
        `serves 2^${ptau.power} rows.${advice}`,
      { field: 'ptau', details: { power: ptau.power, needed } },
    );
  }
  if (!ptau.listed && !allowUnlisted) {
    throw new ZkMarginError(
      'UNSUPPORTED',
      `Give powers of tau of the public ceremony: BLAKE2b ${ptau.blake2b.slice(0, 16)}... is none of its files.${advice} ` +
        'For a test ceremony, whose keys no public chain accepts, add --allow-unlisted-ptau.',
      { field: 'ptau', details: { blake2b: ptau.blake2b } },
    );
  }
}

/**
 * Why the secrets of a powers-of-tau file are no secrets, or undefined: tau, alpha and beta must be points of their groups,
 * and neither zero nor one. A file without a contribution has tau = alpha = beta = 1.
 */
export function ptauFault(curve: Curve, ptau: Pick<Ptau, 'bytes'>): string | undefined {
  const sections = readSections(ptau.bytes, 'ptau');
  const point = (id: number, index: number, size: number) =>
    sectionBytes(ptau.bytes, sections, id).subarray(index * size, (index + 1) * size);
  for (const [name, bytes] of [
    ['tau', point(2, 1, 64)],
    ['alpha', point(4, 0, 64)],
    ['beta', point(5, 0, 64)],
  ] as const) {
    if (bytes.length !== 64 || curve.G1.isZero(bytes) || !curve.G1.isValid(bytes))
      return `${name} is no point of G1`;
    if (curve.G1.eq(bytes, curve.G1.gAffine)) return `${name} is 1: nobody contributed to this file`;
  }
  for (const [name, bytes] of [
    ['tau', point(3, 1, 128)],
    ['beta', point(6, 0, 128)],
  ] as const) {
    if (bytes.length !== 128 || curve.G2.isZero(bytes) || !curve.G2.isValid(bytes))
      return `${name} is no point of G2`;
    if (!curve.G2.isZero(curve.G2.timesScalar(bytes, SCALAR_MODULUS)))
      return `${name} is outside the subgroup of G2`;
    if (curve.G2.eq(bytes, curve.G2.gAffine)) return `${name} is 1 in G2`;
  }
  return undefined;
}
