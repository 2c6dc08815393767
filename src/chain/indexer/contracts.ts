/** The contracts that are indexed, from an address book or a deployment. */
import {
  type Address,
  getAddress,
  keccak256,
  type PublicClient,
  TransactionReceiptNotFoundError,
  toHex,
} from 'viem';
import type { AddressBook } from '../address-book.ts';
import { PROTOCOL_CONTRACTS, type ProtocolRole } from '../artifacts.ts';
import { ChainError } from '../errors.ts';

/** Contracts whose events are read. */
export const INDEXED_ROLES = [
  'oracle',
  'parameters',
  'vault',
  'clearingHouse',
  'engine',
  'auctionHouse',
] as const satisfies readonly ProtocolRole[];

/** Role of a contract whose events are read. */
export type IndexedRole = (typeof INDEXED_ROLES)[number];

/** Where the contracts are. */
export interface IndexedContracts {
  readonly chainId: number;
  readonly addresses: Readonly<Record<IndexedRole, Address>>;
}

/**
 * The contracts of an address book.
 *
 * @throws ChainError `ADDRESS_BOOK_MALFORMED` when one is missing
 */
export function contractsOfBook(book: AddressBook): IndexedContracts {
  const found = INDEXED_ROLES.map((role): [IndexedRole, Address] => {
    const entry = book.contracts[role];
    if (entry === undefined) {
      throw new ChainError(
        'ADDRESS_BOOK_MALFORMED',
        `Finish the deployment first: the address book has no ${role} (${PROTOCOL_CONTRACTS[role]}).`,
        { role },
      );
    }
    return [role, getAddress(entry.address)];
  });
  return { chainId: book.chainId, addresses: Object.fromEntries(found) as Record<IndexedRole, Address> };
}

/** Tells deployments apart. */
export function deploymentDigest({ chainId, addresses }: IndexedContracts): string {
  const text = INDEXED_ROLES.map((role) => addresses[role].toLowerCase()).join(' ');
  return keccak256(toHex(`${chainId} ${text}`));
}

/** The block in which the first contract of a book was deployed; undefined when the chain does not know its transactions. */
export async function firstBlockOf(client: PublicClient, book: AddressBook): Promise<bigint | undefined> {
  let first: bigint | undefined;
  for (const role of INDEXED_ROLES) {
    const hash = book.contracts[role]?.transactionHash;
    if (hash === undefined) return undefined;
    const blockNumber = await client.getTransactionReceipt({ hash }).then(
      (receipt) => receipt.blockNumber,
      (error: unknown) => {
        if (error instanceof TransactionReceiptNotFoundError) return undefined;
        throw error;
      },
    );
    if (blockNumber === undefined) return undefined;
    if (first === undefined || blockNumber < first) first = blockNumber;
  }
  return first;
}
