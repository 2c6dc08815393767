/** JSON files about keys, read so that a damaged one is told by its path. */
import { readFile } from 'node:fs/promises';
import type { Groth16VerificationKey } from 'snarkjs';
import { ProofError } from '../errors.ts';
import { sha256 } from '../files.ts';

/**
 * The value in a JSON file; undefined when there is no such file.
 *
 * @throws {ProofError} `FILE_MALFORMED` with the path, for a file that cannot be read or is no JSON
 */
export async function readJsonFile(path: string, advice: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw malformed(path, `cannot be read (${code})`, advice, cause);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw malformed(path, 'is no JSON', advice, cause);
  }
}

/** `FILE_MALFORMED` for a file: what is wrong with it, and what to do. */
export function malformed(path: string, what: string, advice: string, cause?: unknown): ProofError {
  return new ProofError('FILE_MALFORMED', `${path} ${what}; ${advice}`, { path }, { cause });
}

/** True for an object that is no list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** True for a value of the form of a verification key. Its points may still be any. */
export function isVerificationKey(value: unknown): value is Groth16VerificationKey {
  if (!isRecord(value)) return false;
  const { protocol, curve, nPublic, vk_alpha_1, vk_beta_2, vk_gamma_2, vk_delta_2, vk_alphabeta_12, IC } =
    value;
  return (
    protocol === 'groth16' &&
    curve === 'bn128' &&
    Number.isSafeInteger(nPublic) &&
    hasForm(vk_alpha_1, [3]) &&
    [vk_beta_2, vk_gamma_2, vk_delta_2].every((point) => hasForm(point, [3, 2])) &&
    hasForm(vk_alphabeta_12, [2, 3, 2]) &&
    hasForm(IC, [(nPublic as number) + 1, 3])
  );
}

/** True for nested lists of these lengths, of decimal numbers. */
function hasForm(value: unknown, [length, ...inner]: readonly number[]): boolean {
  if (length === undefined) return typeof value === 'string' && /^\d{1,78}$/.test(value);
  return Array.isArray(value) && value.length === length && value.every((part) => hasForm(part, inner));
}

/** A verification key as the text of its file. */
export function verificationKeyText(key: Groth16VerificationKey): string {
  return `${JSON.stringify(key, null, 1)}\n`;
}

/** SHA-256 of a verification key's file, as manifests have it. */
export function verificationKeyHash(key: Groth16VerificationKey): string {
  return sha256(verificationKeyText(key));
}

/** True when all of two keys is the same. */
export function sameVerificationKey(one: Groth16VerificationKey, other: Groth16VerificationKey): boolean {
  const values = (key: Groth16VerificationKey) =>
    JSON.stringify([
      ...[key.protocol, key.curve, key.nPublic, key.vk_alpha_1, key.vk_beta_2, key.vk_gamma_2],
      ...[key.vk_delta_2, key.vk_alphabeta_12, key.IC],
    ]);
  return values(one) === values(other);
}
