/** Which backend makes the proofs: chosen once, at the start, and reported. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { ProofError } from '../errors.ts';
import type { ProvingKey } from '../keys/zkey.ts';
import type { BackendName, ProverBackend } from './backend.ts';
import { createNativeBackend } from './native-backend.ts';
import { createRapidsnarkBackend } from './rapidsnark-backend.ts';
import { createSnarkjsBackend } from './snarkjs-backend.ts';

/** Choice of a backend: plain data, sent to proving processes. */
export type BackendConfiguration =
  | { readonly name: 'snarkjs' }
  | {
      readonly name: 'native';
      /** Threads per proving process. Default the number of cores. */
      readonly threads?: number;
    }
  | {
      readonly name: 'rapidsnark';
      /** Path of the binary, or its name when it is on the PATH. */
      readonly binary: string;
      /** Milliseconds that one run may take. Default 120,000. */
      readonly timeoutMs?: number;
    };

/** What was chosen, for start-up messages, health answers and benchmarks. */
export interface BackendReport {
  readonly name: BackendName;
  /** Resolved path, for `rapidsnark`. */
  readonly binary?: string;
  /** Threads per proof, where this project decides it. */
  readonly threads?: number;
}

/** Where a proving process keeps files, and who ends what it starts. */
export interface BackendEnvironment {
  readonly scratch?: string;
  readonly ownGroup?: boolean;
}

/**
 * The backend that the environment asks for: `ZKMARGIN_PROVER` names it, `ZKMARGIN_RAPIDSNARK` is the path of the external
 * binary and chooses it when no name is given. snarkjs when neither is set.
 *
 * @throws {ProofError} `BACKEND_UNAVAILABLE` for an unknown name, or `rapidsnark` without a binary.
 */
export function backendFromEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): BackendConfiguration {
  const binary = environment.ZKMARGIN_RAPIDSNARK || undefined;
  const name = environment.ZKMARGIN_PROVER || (binary === undefined ? 'snarkjs' : 'rapidsnark');
  if (name === 'snarkjs' || name === 'native') return { name };
  if (name !== 'rapidsnark') {
    throw new ProofError(
      'BACKEND_UNAVAILABLE',
      `set ZKMARGIN_PROVER to snarkjs, native or rapidsnark, not ${name.slice(0, 40)}`,
    );
  }
  if (binary === undefined) {
    throw new ProofError(
      'BACKEND_UNAVAILABLE',
      'set ZKMARGIN_RAPIDSNARK to the path of the rapidsnark binary',
    );
  }
  return { name, binary };
}

/** Settings that choose a backend. */
export interface BackendSettings {
  readonly prover?: BackendConfiguration['name'] | undefined;
  readonly rapidsnark?: string | undefined;
  readonly threads?: number | undefined;
}

/**
 * The backend of settings: the one that is named, else rapidsnark when its program is, else snarkjs.
 *
 * @throws {ProofError} `BACKEND_UNAVAILABLE` for rapidsnark without a program.
 */
export function backendOf({ prover, rapidsnark, threads }: BackendSettings): BackendConfiguration {
  const chosen = backendFromEnvironment({ ZKMARGIN_PROVER: prover, ZKMARGIN_RAPIDSNARK: rapidsnark });
  return chosen.name === 'native' && threads !== undefined ? { ...chosen, threads } : chosen;
}

/**
 * Check that a backend can be used, before anything depends on it.
 *
 * @returns the configuration with the binary's path resolved, and the report to show.
 * @throws {ProofError} `BACKEND_UNAVAILABLE` when the binary is missing, no file or not executable.
 */
export async function resolveBackend(
  configuration: BackendConfiguration,
): Promise<{ configuration: BackendConfiguration; report: BackendReport }> {
  if (configuration.name === 'snarkjs') return { configuration, report: { name: 'snarkjs' } };
  if (configuration.name === 'native') {
    return {
      configuration,
      report: { name: 'native', threads: configuration.threads ?? availableParallelism() },
    };
  }
  const binary = await findBinary(configuration.binary);
  return { configuration: { ...configuration, binary }, report: { name: 'rapidsnark', binary } };
}

async function findBinary(name: string): Promise<string> {
  const isPath = isAbsolute(name) || name.includes('/');
  const candidates = isPath
    ? [resolve(name)]
    : (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name));
  let found: string | undefined;
  for (const path of candidates) {
    const file = await stat(path).catch(() => undefined);
    if (!file?.isFile()) continue;
    found = path;
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  const why = found === undefined ? 'is missing' : 'may not be executed';
  throw new ProofError('BACKEND_UNAVAILABLE', `the external prover ${why}: ${found ?? name}`, {
    binary: found ?? name,
    errno: found === undefined ? 'ENOENT' : 'EACCES',
  });
}

/**
 * Open a backend for one key.
 *
 * @param zkey content of the file at `zkeyPath`; `key` is the same, decoded.
 */
export async function openBackend(
  configuration: BackendConfiguration,
  { zkey, key, zkeyPath }: { zkey: Uint8Array; key: ProvingKey; zkeyPath: string },
  environment: BackendEnvironment = {},
): Promise<ProverBackend> {
  switch (configuration.name) {
    case 'snarkjs':
      return createSnarkjsBackend(zkey);
    case 'native':
      return createNativeBackend(key, {
        ...(configuration.threads !== undefined && { threads: configuration.threads }),
      });
    case 'rapidsnark':
      return createRapidsnarkBackend({
        binary: configuration.binary,
        zkeyPath,
        // Two numbers, so that the key itself is not kept.
        key: { wires: key.wires, publicSignals: key.publicSignals },
        ...(configuration.timeoutMs !== undefined && { timeoutMs: configuration.timeoutMs }),
        ...environment,
      });
  }
}
