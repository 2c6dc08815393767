/** Circuits with their keys, by their names. */
import { ZkMarginError } from '../errors.ts';
import { loadManifest } from '../proof/keys/artifacts.ts';
import { prepareDevelopmentCircuit } from '../proof/prover/circuits.ts';
import type { ProverCircuit } from '../proof/prover/protocol.ts';
import type { ServedCircuit } from './routes/circuits.ts';

/** A circuit that can be proven and served. */
export type LoadedCircuit = ProverCircuit & ServedCircuit;

/**
 * Circuits ready for a prover: compiled, and their development keys made, where `build/` has none.
 *
 * @param wanted names, or circuits that are ready
 * @throws ZkMarginError `UNSUPPORTED` for an unknown name; ProofError of keys
 */
export async function loadCircuits(wanted: readonly (string | ProverCircuit)[]): Promise<LoadedCircuit[]> {
  const { circuits: known } = await loadManifest();
  const loaded: LoadedCircuit[] = [];
  for (const item of wanted) {
    const name = typeof item === 'string' ? item : item.name;
    const entry = known[name];
    if (entry === undefined && typeof item === 'string') {
      throw new ZkMarginError('UNSUPPORTED', `Use circuits of: ${Object.keys(known).join(', ')}.`, {
        field: 'circuits',
      });
    }
    // One after the other: each uses every core.
    const circuit = typeof item === 'string' ? await prepareDevelopmentCircuit(item) : item;
    loaded.push({ ...circuit, publicSignals: entry?.publicSignals, provenance: entry?.provenance });
  }
  return loaded;
}

/** The circuits of a setting: names, or `all`. */
export async function circuitNames(names: readonly string[]): Promise<string[]> {
  if (names.includes('all')) return Object.keys((await loadManifest()).circuits);
  return [...new Set(names)];
}
