/** The circuits that this repository commits to: their sources, and the manifest's entries. */
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../files.ts';
import { type ArtifactRoots, loadManifest } from '../keys/artifacts.ts';

/** Where sources of circuits for use lie. Any other is somebody's own, and good for a test ceremony alone. */
export const CIRCUIT_FOLDER = 'circuits/main';

/**
 * Why a source is not this repository's circuit of that name, or undefined. Its path must be the very one: a path that leads
 * there by detours, or a link, is no promise about what lies there tomorrow.
 */
export async function foreignSource(
  source: string,
  circuit: string,
  folder = CIRCUIT_FOLDER,
): Promise<string | undefined> {
  const expected = `${folder}/${circuit}.circom`;
  if (source !== expected) return `its source is ${source} instead of ${expected}`;
  try {
    const real = await realpath(join(projectRoot, source));
    return real === join(await realpath(projectRoot), source) ? undefined : `${source} is a link`;
  } catch {
    return `there is no ${source}`;
  }
}

/** Name of the circuit for use that the manifest gives this constraint system, if there is one. */
export async function committedCircuit(
  r1csHash: string,
  folder = CIRCUIT_FOLDER,
  roots: ArtifactRoots = {},
): Promise<string | undefined> {
  const { circuits } = await loadManifest(roots);
  return Object.keys(circuits).find((name) => {
    const entry = circuits[name]!;
    return entry.r1csHash === r1csHash && entry.source === `${folder}/${name}.circom`;
  });
}
