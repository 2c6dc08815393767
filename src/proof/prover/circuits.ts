/** Circuits ready for a prover: compiled, with the key that the manifest names. */
import { resolve } from 'node:path';
import { withFileErrors } from '../ceremony/files.ts';
import { type CompileProgress, compileCircuit } from '../compile.ts';
import { ProofError } from '../errors.ts';
import {
  type ArtifactRoots,
  entryOf,
  type KeyProvenance,
  loadManifest,
  loadVerificationKey,
  manifestPath,
  verificationKeyPath,
} from '../keys/artifacts.ts';
import { ensureDevelopmentKey, type KeyProgress } from '../keys/development.ts';
import { sameVerificationKey, verificationKeyHash } from '../keys/documents.ts';
import type { ProverCircuit } from './protocol.ts';

/** Where keys are. */
export interface KeyPlaces {
  readonly roots?: ArtifactRoots | undefined;
  /** Folder of the proving keys of ceremonies, each named as its circuit; where `ceremony finalize` puts them unless given. */
  readonly ceremonyKeys?: string | undefined;
}

/** A circuit with what the manifest says of the key that was loaded. */
export interface PreparedCircuit extends ProverCircuit {
  readonly provenance: KeyProvenance;
  readonly publicSignals: readonly string[];
}

interface PrepareOptions {
  signal?: AbortSignal;
  onProgress?: (progress: KeyProgress | CompileProgress) => void;
}

/**
 * Everything a prover needs for a circuit, with the key that the manifest names: that of a ceremony, or the development key, which
 * is made when `build/` has none.
 *
 * @throws {ProofError} as {@link prepareDevelopmentCircuit}; for the key of a ceremony `CIRCUIT_NOT_FOUND` and `KEY_MISMATCH`,
 * which say where its proving key is expected
 * @throws {ZkMarginError} `FORBIDDEN`, `DISK_FULL` and others when `build/` cannot be written to, with the path
 */
export async function prepareCircuit(
  name: string,
  { roots, ceremonyKeys, ...options }: KeyPlaces & PrepareOptions = {},
): Promise<PreparedCircuit> {
  const entry = entryOf(await loadManifest(roots), name);
  if (entry === undefined) {
    const path = manifestPath(roots);
    throw new ProofError('CIRCUIT_NOT_FOUND', `${path} has no circuit ${name}`, { circuit: name, path });
  }
  const { provenance, publicSignals } = entry;
  // Compiling and making keys writes files: what the system refuses is told as a ceremony tells it.
  const circuit = await withFileErrors({ path: 'build' }, () =>
    provenance === 'development'
      ? prepareDevelopmentCircuit(name, { ...options, ...(roots && { roots }) })
      : prepareFromCeremony(name, roots, ceremonyKeys),
  );
  return { ...circuit, provenance, publicSignals };
}

async function prepareFromCeremony(
  name: string,
  roots: ArtifactRoots | undefined,
  ceremonyKeys: string | undefined,
): Promise<ProverCircuit> {
  // Only here: what runs ceremonies is large.
  const { prepareCeremonyCircuit } = await import('../ceremony/finalize.ts');
  return prepareCeremonyCircuit(name, {
    ...(roots && { roots }),
    ...(ceremonyKeys !== undefined && { zkeyPath: resolve(ceremonyKeys, `${name}.zkey`) }),
  });
}

/**
 * Everything a prover needs for a circuit with a development key, whatever key the manifest names: compiles it and makes its key
 * when `build/` has none.
 *
 * @returns paths, with the committed verification key.
 * @throws {ProofError} `KEY_MISMATCH` when the committed key files belong to another version of the circuit,
 * `CIRCUIT_NOT_FOUND`, `CIRCUIT_COMPILE_FAILED`, `FILE_MALFORMED`, `CANCELLED`.
 */
export async function prepareDevelopmentCircuit(
  name: string,
  options: PrepareOptions & { roots?: ArtifactRoots } = {},
): Promise<ProverCircuit> {
  const { roots, ...common } = options;
  const verificationKey = await loadVerificationKey(name, 'development', roots);
  const entry = entryOf(await loadManifest(roots), name);
  const circuit = await compileCircuit(name, common);
  const differs = (what: string, details = {}): never => {
    throw new ProofError('KEY_MISMATCH', `${what}; run npm run keys:dev`, { circuit: name, ...details });
  };
  if (entry?.r1csHash !== circuit.r1csHash) {
    differs(`the committed key files of ${name} belong to another version of the circuit`);
  }
  const key = await ensureDevelopmentKey(circuit, common);
  const path = verificationKeyPath(name, 'development', roots);
  if (!sameVerificationKey(key.verificationKey, verificationKey)) {
    differs(`the committed verification key of ${name}, ${path}, differs from the rebuilt one`, { path });
  }
  // An entry of a ceremony holds the hash of that one's key.
  if (
    entry?.provenance === 'development' &&
    verificationKeyHash(verificationKey) !== entry.verificationKeyHash
  ) {
    differs(`the manifest names another verification key of ${name} than ${path}`, { path });
  }
  return { name, wasmPath: circuit.wasmPath, zkeyPath: key.zkeyPath, verificationKey };
}
