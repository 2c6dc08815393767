/** Which key a verifier contract judges by, as the manifest records it. */
import {
  batchContractName,
  type KeyProvenance,
  loadManifest,
  verifierContractName,
} from '../keys/artifacts.ts';

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
  const isOf = (single: string): boolean => contract === single || contract === batchContractName(single);
  for (const [name, entry] of Object.entries(circuits)) {
    if (isOf(entry.contract)) return entry.provenance;
    // The development key's contracts stay beside those of a ceremony.
    if (isOf(verifierContractName(name))) return 'development';
    if (isOf(ceremonyContractName(name, 'test ceremony'))) return 'test ceremony';
  }
  return undefined;
}
