/** What the contracts' build produced. ABIs are read from there and exist nowhere else. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Abi, type AbiItem, type Address, getAddress, type Hex, isHex } from 'viem';
import { ChainError } from './errors.ts';

/** Where the build puts its artefacts, unless told otherwise. */
export const ARTIFACT_DIRECTORY = join(
  dirname(dirname(dirname(fileURLToPath(import.meta.url)))),
  'build',
  'contracts',
  'out',
);

/** Where a library's address goes into bytecode: offsets in bytes. */
export interface LinkReference {
  readonly library: string;
  readonly positions: readonly { readonly start: number; readonly length: number }[];
}

/** A compiled contract. */
export interface ContractArtifact {
  readonly name: string;
  readonly abi: Abi;
  /** Creation bytecode; holds placeholders while libraries are to be linked. */
  readonly bytecode: string;
  readonly linkReferences: readonly LinkReference[];
}

/**
 * Reads a contract's artefact.
 *
 * @param name name of the contract
 * @param options.file name of its source file without `.sol`, when it differs from the contract's
 * @param options.directory where the artefacts are; {@link ARTIFACT_DIRECTORY} unless given
 * @throws ChainError `ARTIFACT_MISSING`, `ARTIFACT_MALFORMED`
 */
export function loadArtifact(
  name: string,
  options: { readonly file?: string; readonly directory?: string } = {},
): ContractArtifact {
  const path = join(options.directory ?? ARTIFACT_DIRECTORY, `${options.file ?? name}.sol`, `${name}.json`);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ChainError(
      'ARTIFACT_MISSING',
      `Build the contracts first: npx tsx scripts/forge.ts build. There is no artefact of ${name}.`,
      { contract: name, path },
      { cause },
    );
  }
  const malformed = (cause?: unknown): ChainError =>
    new ChainError(
      'ARTIFACT_MALFORMED',
      `Build the contracts again: the artefact of ${name} is unreadable.`,
      { path },
      { cause },
    );
  let parsed: ForgeArtifact;
  try {
    parsed = JSON.parse(text) as ForgeArtifact;
  } catch (cause) {
    throw malformed(cause);
  }
  const bytecode = parsed?.bytecode?.object;
  if (!Array.isArray(parsed.abi) || typeof bytecode !== 'string' || !bytecode.startsWith('0x'))
    throw malformed();
  const linkReferences = Object.values(parsed.bytecode?.linkReferences ?? {}).flatMap((libraries) =>
    Object.entries(libraries).map(([library, positions]) => ({ library, positions })),
  );
  return { name, abi: parsed.abi, bytecode, linkReferences };
}

/**
 * Creation bytecode with the addresses of libraries put in.
 *
 * @throws ChainError `LIBRARY_MISSING`, `ARTIFACT_MALFORMED`
 */
export function linkedBytecode(
  artifact: ContractArtifact,
  libraries: Readonly<Record<string, Address>> = {},
): Hex {
  let bytecode = artifact.bytecode;
  for (const { library, positions } of artifact.linkReferences) {
    const address = libraries[library];
    if (address === undefined) {
      throw new ChainError('LIBRARY_MISSING', `Give the address of ${library} to link ${artifact.name}.`, {
        contract: artifact.name,
        library,
      });
    }
    const digits = getAddress(address).slice(2).toLowerCase();
    for (const { start, length } of positions) {
      const from = 2 + 2 * start;
      bytecode = bytecode.slice(0, from) + digits + bytecode.slice(from + 2 * length);
    }
  }
  if (bytecode === '0x' || !isHex(bytecode)) {
    throw new ChainError('ARTIFACT_MALFORMED', `${artifact.name} has no bytecode that could be deployed.`, {
      contract: artifact.name,
    });
  }
  return bytecode;
}

/** Contracts of a deployment by role. */
export const PROTOCOL_CONTRACTS = Object.freeze({
  asset: 'TestUsd',
  oracle: 'RiskOracle',
  parameters: 'RiskParameters',
  gate: 'ProofGate',
  vault: 'CollateralVault',
  fund: 'InsuranceFund',
  clearingHouse: 'ClearingHouse',
  registry: 'LiquidatorRegistry',
  engine: 'LiquidationEngine',
  auctionHouse: 'AuctionHouse',
  sealedBids: 'SealedBidStage',
});

/** Linked libraries, whose errors pass through the contracts that use them. */
const PROTOCOL_LIBRARIES = ['AuctionProceedings'];

/** Role of a contract in a deployment. */
export type ProtocolRole = keyof typeof PROTOCOL_CONTRACTS;

/** The ABIs of the deployed contracts, each with the custom errors of all. */
export type ProtocolAbis = Readonly<Record<ProtocolRole, Abi>>;

/**
 * The ABIs of the protocol, each with the custom errors of all, so that a revert from a nested call is named.
 *
 * @throws ChainError as {@link loadArtifact}
 */
export function loadProtocolAbis(directory?: string): ProtocolAbis {
  const roles = Object.entries(PROTOCOL_CONTRACTS) as [ProtocolRole, string][];
  const abiOf = (name: string): Abi => loadArtifact(name, directory === undefined ? {} : { directory }).abi;
  const own = roles.map(([role, name]): [ProtocolRole, Abi] => [role, abiOf(name)]);
  const errors = new Map<string, AbiItem>();
  for (const abi of [...own.map(([, abi]) => abi), ...PROTOCOL_LIBRARIES.map(abiOf)]) {
    for (const item of abi) if (item.type === 'error') errors.set(signature(item), item);
  }
  return Object.fromEntries(
    own.map(([role, abi]) => [role, [...abi.filter(({ type }) => type !== 'error'), ...errors.values()]]),
  ) as unknown as ProtocolAbis;
}

function signature(item: {
  readonly name: string;
  readonly inputs: readonly { readonly type: string }[];
}): string {
  return `${item.name}(${item.inputs.map(({ type }) => type).join(',')})`;
}

interface ForgeArtifact {
  abi: Abi;
  bytecode?: {
    object?: string;
    linkReferences?: Record<string, Record<string, { start: number; length: number }[]>>;
  };
}
