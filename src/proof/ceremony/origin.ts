/** Which key a verifier contract judges by, as the manifest records it. */
import { type KeyProvenance, loadManifest, verifierContractName } from '../keys/artifacts.ts';

/** `insolvency-8` to `Insolvency8CeremonyVerifier`. The name tells the contract from that of the development key. */
export function ceremonyContractName(circuit: string, provenance: KeyProvenance): string {
  const kind = provenance === 'ceremony' ? 'Ceremony' : 'TestCeremony';
  return verifierContractName(circuit).replace(/Verifier$/, `${kind}Verifier`);
}

/**
 * Where the key of a verifier contract comes from.
 *
 * @param keyDirectory where the manifest is; `proving-keys` unless given
 * @returns undefined for a contract that the manifest does not know
 */
export async function keyOriginOf(
  contract: string,
  keyDirectory?: string,
): Promise<KeyProvenance | undefined> {
  const { circuits } = await loadManifest(keyDirectory === undefined ? {} : { keys: keyDirectory });
  for (const [name, entry] of Object.entries(circuits)) {
    if (entry.contract === contract) return entry.provenance;
    // The development key's contract stays beside that of a ceremony.
    if (verifierContractName(name) === contract) return 'development';
    if (ceremonyContractName(name, 'test ceremony') === contract) return 'test ceremony';
  }
  return undefined;
}
