/** Where a protocol's contracts are: one JSON file for each deployment, which a later run continues. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Address, type Hex, isAddress, isHex } from 'viem';
import { ChainError } from './errors.ts';

/** One deployed contract. */
export interface DeployedContract {
  readonly address: Address;
  /** Name of the contract. */
  readonly contract: string;
  /** keccak256 of creation code and arguments: tells whether a deployment is still the wanted one. */
  readonly initHash: Hex;
  readonly transactionHash: Hex;
}

/** The content of an address book. */
export interface AddressBook {
  readonly schema: 1;
  readonly chainId: number;
  /** Contracts by role, as in `clearingHouse`. */
  readonly contracts: Readonly<Record<string, DeployedContract>>;
}

/** An address book without contracts. */
export function emptyAddressBook(chainId: number): AddressBook {
  return { schema: 1, chainId, contracts: {} };
}

/**
 * Reads an address book; undefined when the file does not exist.
 *
 * @throws ChainError `ADDRESS_BOOK_MALFORMED`
 */
export function readAddressBook(path: string): AddressBook | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw malformed(path, error);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw malformed(path, error);
  }
  if (!isAddressBook(parsed)) throw malformed(path);
  return parsed;
}

/** Writes an address book as a whole: a reader never sees half of it. */
export function writeAddressBook(path: string, book: AddressBook): void {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}.draft`;
  writeFileSync(draft, `${JSON.stringify(book, null, 2)}\n`);
  renameSync(draft, path);
}

function malformed(path: string, cause?: unknown): ChainError {
  return new ChainError(
    'ADDRESS_BOOK_MALFORMED',
    'Repair or remove the address book: it cannot be read as one.',
    { path },
    { cause },
  );
}

function isAddressBook(value: unknown): value is AddressBook {
  const book = value as Partial<AddressBook> | null;
  return (
    typeof book === 'object' &&
    book !== null &&
    book.schema === 1 &&
    Number.isSafeInteger(book.chainId) &&
    typeof book.contracts === 'object' &&
    book.contracts !== null &&
    Object.values(book.contracts).every(
      (entry) =>
        typeof entry === 'object' &&
        entry !== null &&
        isAddress(entry.address) &&
        typeof entry.contract === 'string' &&
        isHex(entry.initHash) &&
        isHex(entry.transactionHash),
    )
  );
}
