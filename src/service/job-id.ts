/** What makes two requests one job. */
import { createHash } from 'node:crypto';
import type { Groth16VerificationKey } from 'snarkjs';

/** SHA-256 of a verification key's values, as hex digits. */
export function verificationKeyDigest(key: Groth16VerificationKey): string {
  const { protocol, curve, nPublic, vk_alpha_1, vk_beta_2, vk_gamma_2, vk_delta_2, IC } = key;
  return sha256([protocol, curve, nPublic, vk_alpha_1, vk_beta_2, vk_gamma_2, vk_delta_2, IC]);
}

/** The id of a job: the same statement under the same key is the same job. */
export function jobIdOf(circuit: string, keyDigest: string, publicSignals: readonly string[]): string {
  return sha256(['zkmargin-job-1', circuit, keyDigest, publicSignals]);
}

function sha256(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
