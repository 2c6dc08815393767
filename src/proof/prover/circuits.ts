import { type CompileProgress, compileCircuit } from '../compile.ts';
import { ProofError } from '../errors.ts';
import { type ArtifactRoots, loadManifest, loadVerificationKey } from '../keys/artifacts.ts';
import { ensureDevelopmentKey, type KeyProgress } from '../keys/development.ts';
import type { ProverCircuit } from './protocol.ts';

/**
 * Everything a prover needs for a circuit with a development key: compiles it and makes its key when `build/` has none.
 *
 * @returns paths, with the committed verification key.
 * @throws {ProofError} `KEY_MISMATCH` when the committed key files belong to another version of the circuit,
 * `CIRCUIT_NOT_FOUND`, `CIRCUIT_COMPILE_FAILED`, `CANCELLED`.
 */
export async function prepareDevelopmentCircuit(
  name: string,
  options: {
    roots?: ArtifactRoots;
    signal?: AbortSignal;
    onProgress?: (progress: KeyProgress | CompileProgress) => void;
  } = {},
): Promise<ProverCircuit> {
  const { roots, ...common } = options;
  const verificationKey = await loadVerificationKey(name, 'development', roots);
  const entry = (await loadManifest(roots)).circuits[name];
  const circuit = await compileCircuit(name, common);
  if (entry?.r1csHash !== circuit.r1csHash) {
    throw new ProofError(
      'KEY_MISMATCH',
      `the committed key files of ${name} belong to another version of the circuit; run npm run keys:dev`,
      { circuit: name },
    );
  }
  const key = await ensureDevelopmentKey(circuit, common);
  if (JSON.stringify(key.verificationKey.IC) !== JSON.stringify(verificationKey.IC)) {
    throw new ProofError(
      'KEY_MISMATCH',
      `the committed verification key of ${name} differs from the rebuilt one; run npm run keys:dev`,
      { circuit: name },
    );
  }
  return { name, wasmPath: circuit.wasmPath, zkeyPath: key.zkeyPath, verificationKey };
}
