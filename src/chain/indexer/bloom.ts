/** Blooms of block headers: which contracts may have logged in a block. */
import { type Address, type Hex, hexToBytes, keccak256 } from 'viem';

const BYTES = 256;

/**
 * Whether a bloom may be of a block in which a contract has logged. Never wrongly false; wrongly true now and then.
 *
 * @param bloom of a block's header; chains that have none give zeros or nothing
 */
export function mayHaveLogged(bloom: Hex | null | undefined, address: Address): boolean {
  if (bloom === null || bloom === undefined || bloom.length !== 2 + 2 * BYTES) return false;
  const hash = hexToBytes(keccak256(address));
  return [0, 2, 4].every((offset) => {
    const bit = ((hash[offset]! << 8) | hash[offset + 1]!) & (8 * BYTES - 1);
    const byte = BYTES - 1 - (bit >> 3);
    return (Number.parseInt(bloom.slice(2 + 2 * byte, 4 + 2 * byte), 16) & (1 << (bit & 7))) !== 0;
  });
}
