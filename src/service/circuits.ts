/** Circuits with their keys, by their names. */
import { resolve, sep } from 'node:path';
import { LOCAL_CHAIN_IDS } from '../chain/deploy.ts';
import { ZkMarginError } from '../errors.ts';
import { ProofError } from '../proof/errors.ts';
import { projectRoot } from '../proof/files.ts';
import {
  entryOf,
  type KeyManifest,
  type KeyProvenance,
  loadManifest,
  manifestPath,
} from '../proof/keys/artifacts.ts';
import { verificationKeyHash } from '../proof/keys/documents.ts';
import { type KeyPlaces, prepareCircuit } from '../proof/prover/circuits.ts';
import type { ProverCircuit } from '../proof/prover/protocol.ts';
import type { ServedCircuit } from './routes/circuits.ts';

/** A circuit that can be proven and served. */
export type LoadedCircuit = ProverCircuit & ServedCircuit;

/**
 * Circuits ready for a prover: compiled, and with the keys that the manifest names. Development keys are made where `build/` has none;
 * those of ceremonies must be there.
 *
 * @param wanted names, or circuits that are ready
 * @throws ZkMarginError `UNSUPPORTED` for an unknown name, `KEY_MISSING` without a manifest; ProofError of keys
 */
export async function loadCircuits(
  wanted: readonly (string | ProverCircuit)[],
  places: KeyPlaces = {},
): Promise<LoadedCircuit[]> {
  const needed = wanted.some((item) => typeof item === 'string');
  const manifest = await (needed ? manifestWithCircuits(places) : loadManifest(places.roots));
  const loaded: LoadedCircuit[] = [];
  for (const item of wanted) {
    if (typeof item !== 'string') {
      const { publicSignals } = entryOf(manifest, item.name) ?? {};
      loaded.push({ ...item, publicSignals, provenance: provenanceOf(manifest, item) });
      continue;
    }
    if (entryOf(manifest, item) === undefined) {
      throw new ZkMarginError(
        'UNSUPPORTED',
        `Use circuits of: ${Object.keys(manifest.circuits).join(', ')}.`,
        {
          field: 'circuits',
        },
      );
    }
    // One after the other: each uses every core.
    loaded.push(await prepareCircuit(item, places));
  }
  return loaded;
}

/**
 * Refuses development keys for a chain that is not local: its verifiers are of ceremonies and take none of their proofs, and anyone can
 * forge what such keys verify. Of circuits that a caller made, and of which the manifest knows nothing, nothing is asked.
 *
 * @param wanted as in {@link loadCircuits}, before anything is compiled
 * @throws ZkMarginError `KEY_MISSING`; of the manifest
 */
export async function requireKeysFor(
  chainId: number,
  wanted: readonly (string | ProverCircuit)[],
  places: KeyPlaces = {},
): Promise<void> {
  if (LOCAL_CHAIN_IDS.includes(chainId)) return;
  const manifest = await loadManifest(places.roots);
  const unfit = wanted
    .filter((item) => provenanceOf(manifest, item) === 'development')
    .map((item) => (typeof item === 'string' ? item : item.name));
  if (unfit.length === 0) return;
  throw new ZkMarginError(
    'KEY_MISSING',
    `Name the folder of a ceremony's keys: chain ${chainId} is no local chain, and ${manifestPath(places.roots)} has development keys of ${unfit.join(', ')}, with which anyone can forge proofs.`,
    { field: 'provingKeys' },
  );
}

/** Where the key of a circuit comes from. Of a key that is not the manifest's, the manifest knows nothing. */
function provenanceOf(manifest: KeyManifest, item: string | ProverCircuit): KeyProvenance | undefined {
  if (typeof item === 'string') return entryOf(manifest, item)?.provenance;
  const entry = entryOf(manifest, item.name);
  return entry?.verificationKeyHash === verificationKeyHash(item.verificationKey)
    ? entry?.provenance
    : undefined;
}

/** Where development keys and compiled circuits are made. */
const BUILD = resolve(projectRoot, 'build') + sep;

/**
 * The error of a start that circuits prevent, with what mends their files: those that are made here can be made again, all others
 * were made elsewhere. What is no such error stays as it is.
 *
 * @param unloaded names of the circuits that could not be loaded
 */
export function withRemedy(
  error: unknown,
  unloaded: readonly string[],
  circuits: readonly Pick<LoadedCircuit, 'name' | 'provenance' | 'wasmPath' | 'zkeyPath'>[],
): unknown {
  if (!(error instanceof ProofError) || unloaded.length === 0) return error;
  const isMadeHere = (name: string): boolean => {
    const circuit = circuits.find((item) => item.name === name);
    return (
      circuit?.provenance === 'development' &&
      [circuit.wasmPath, circuit.zkeyPath].every((path) => resolve(path).startsWith(BUILD))
    );
  };
  const made = unloaded.filter(isMadeHere);
  const others = unloaded.filter((name) => !isMadeHere(name));
  const remedies = [
    ...(made.length > 0 ? [`make again: zkmargin circuits --prepare ${made.join(',')}`] : []),
    ...(others.length > 0 ? [`restore the files of ${others.join(', ')} from where they come from`] : []),
  ];
  const without = `leave ${unloaded.join(', ')} out of the circuits to start without`;
  return new ProofError(
    error.code,
    `${error.message}; ${remedies.join('; ')}; or ${without}`,
    error.details,
    {
      cause: error,
    },
  );
}

/** The circuits of a setting: names, or `all`. @throws ZkMarginError `KEY_MISSING` without a manifest */
export async function circuitNames(names: readonly string[], places: KeyPlaces = {}): Promise<string[]> {
  if (names.includes('all')) return Object.keys((await manifestWithCircuits(places)).circuits);
  return [...new Set(names)];
}

async function manifestWithCircuits({ roots }: KeyPlaces): Promise<KeyManifest> {
  const manifest = await loadManifest(roots);
  if (Object.keys(manifest.circuits).length > 0) return manifest;
  throw new ZkMarginError(
    'KEY_MISSING',
    `Restore ${manifestPath(roots)}, or name the folder of a manifest: it names no circuit.`,
    { field: 'provingKeys' },
  );
}

/** Places of settings; relative paths are those of the working directory. */
export function keyPlacesOf(settings: {
  readonly provingKeys?: string | undefined;
  readonly ceremonyKeys?: string | undefined;
}): KeyPlaces {
  const { provingKeys, ceremonyKeys } = settings;
  return {
    ...(provingKeys !== undefined && { roots: { keys: resolve(provingKeys) } }),
    ...(ceremonyKeys !== undefined && { ceremonyKeys: resolve(ceremonyKeys) }),
  };
}
