import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative, resolve } from 'node:path';
import type { Groth16VerificationKey } from 'snarkjs';
import { zKey } from 'snarkjs';
import { withFileLock } from '../../file-lock.ts';
import { type CompiledCircuit, type CompileProgress, compileFile, compilerFlags } from '../compile.ts';
import { terminateSnarkjsThreads } from '../curve.ts';
import { ProofError } from '../errors.ts';
import { projectRoot, writeFileAtomic } from '../files.ts';
import { parseR1cs, parseSymbols, publicSignalNames } from '../r1cs.ts';
import { checkDevelopmentKey } from './check.ts';
import { DEVELOPMENT_SEED, developmentWaste, ensureDevelopmentKey, type KeyProgress } from './development.ts';
import {
  isRecord,
  isVerificationKey,
  malformed,
  readJsonFile,
  verificationKeyHash,
  verificationKeyText,
} from './documents.ts';

const require = createRequire(import.meta.url);

/** How a key came to be. Only ceremony keys may guard value; a test ceremony's may not. */
export type KeyProvenance = 'development' | 'test ceremony' | 'ceremony';

/** What a ceremony left behind, for a key that came from one. All of it can be checked against the ceremony's files. */
export interface CeremonyRecord {
  /** In order, the beacon excluded. Hashes are BLAKE2b-512, as contributors announced them. */
  contributions: { name: string; hash: string }[];
  beacon: { hash: string; iterationsExponent: number; contributionHash: string; source?: string };
  ptau: { file: string; power: number; blake2b: string };
  /** snarkjs's BLAKE2b-512 over the initial key. */
  circuitHash: string;
  /** SHA-256 of the final .zkey file. */
  zkeySha256: string;
}

/** What is committed about a circuit and its key. */
export interface ManifestEntry {
  /** Path of the circuit below the project's root. */
  source: string;
  /** Contract that verifies the circuit's proofs. */
  contract: string;
  /** SHA-256 over compiler version, flags and all sources. */
  sourceHash: string;
  /** SHA-256 of the .r1cs file. */
  r1csHash: string;
  constraints: number;
  /** Length of the witness, the leading 1 included. */
  wires: number;
  /** Names in the order of the proof's public signals. */
  publicSignals: string[];
  /** SHA-256 of the committed verification key file. */
  verificationKeyHash: string;
  provenance: KeyProvenance;
  /** For a key of a ceremony. */
  ceremony?: CeremonyRecord;
  /** `seed` is that of development keys. */
  tools: { compiler: string; flags: string; snarkjs: string; seed?: string };
}

/** The file `proving-keys/manifest.json`. */
export interface KeyManifest {
  schema: 1;
  circuits: Record<string, ManifestEntry>;
}

/** Where committed files lie; tests point them elsewhere. */
export interface ArtifactRoots {
  /** Default `proving-keys`. */
  keys?: string;
  /** Default `contracts/src/verifiers`. */
  verifiers?: string;
}

/** A generated contract. */
export interface ContractFile {
  path: string;
  text: string;
}

/** Everything that is committed for one circuit's development key, as file contents. */
export interface KeyArtifacts {
  name: string;
  circuit: CompiledCircuit;
  zkeyPath: string;
  entry: ManifestEntry;
  verificationKeyPath: string;
  verificationKeyText: string;
  verifierPath: string;
  verifierText: string;
  /** Verifier of several proofs at once, for circuits that have one. */
  batchVerifier?: ContractFile;
  /** True when the key was there from before. */
  cached: boolean;
  compileMs: number;
  generateMs: number;
}

/** `insolvency-8` to `Insolvency8Verifier`. */
export function verifierContractName(circuit: string): string {
  const words = circuit.split(/[^A-Za-z0-9]+/).filter((word) => word.length > 0);
  return `${words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('')}Verifier`;
}

/**
 * Circuits of which several proofs are verified at once on chain. They have {@link BATCH_SIGNALS} public signals, as `Groth16Batch.sol` takes them.
 */
const BATCHED_CIRCUIT = /^insolvency-\d+$/;

/** `Insolvency8Verifier` to `Insolvency8BatchVerifier`. */
export function batchContractName(contract: string): string {
  return contract.replace(/Verifier$/, 'BatchVerifier');
}

/** Path of a circuit's committed verification key. */
export function verificationKeyPath(
  circuit: string,
  provenance: KeyProvenance = 'development',
  roots: ArtifactRoots = {},
): string {
  return join(
    resolve(projectRoot, roots.keys ?? 'proving-keys'),
    provenance.replace(' ', '-'),
    `${circuit}.verification_key.json`,
  );
}

const RESTORE = 'restore it from the release, or make it again with npm run keys:dev';

/**
 * Read a committed verification key.
 *
 * @throws {ProofError} `CIRCUIT_NOT_FOUND` when there is none, `FILE_MALFORMED` with the path of a damaged one.
 */
export async function loadVerificationKey(
  circuit: string,
  provenance: KeyProvenance = 'development',
  roots: ArtifactRoots = {},
): Promise<Groth16VerificationKey> {
  const path = verificationKeyPath(circuit, provenance, roots);
  const advice = provenance === 'development' ? RESTORE : "restore the ceremony's file";
  const key = await readJsonFile(path, advice);
  if (key === undefined) {
    throw new ProofError('CIRCUIT_NOT_FOUND', `no ${provenance} verification key for ${circuit}: ${path}`, {
      circuit,
      path,
    });
  }
  if (!isVerificationKey(key)) throw malformed(path, 'is no verification key', advice);
  return key;
}

/**
 * Read the committed manifest; an empty one when there is none.
 *
 * @throws {ProofError} `FILE_MALFORMED` with the path of a damaged one.
 */
export async function loadManifest(roots: ArtifactRoots = {}): Promise<KeyManifest> {
  const path = manifestPath(roots);
  const found = await readJsonFile(path, 'restore it from the release');
  if (found === undefined) return { schema: 1, circuits: {} };
  const fault = manifestFault(found);
  if (fault !== undefined)
    throw malformed(path, `is no manifest of keys: ${fault}`, 'restore it from the release');
  return found as KeyManifest;
}

const PROVENANCES: readonly unknown[] = [
  'development',
  'test ceremony',
  'ceremony',
] satisfies KeyProvenance[];

/** What is wrong with the shape of a manifest; undefined when nothing is. */
function manifestFault(value: unknown): string | undefined {
  if (!isRecord(value)) return 'it is no object';
  if (value.schema !== 1) return 'its schema is not 1';
  if (!isRecord(value.circuits)) return 'it has no circuits';
  for (const [name, entry] of Object.entries(value.circuits)) {
    if (!isRecord(entry)) return `circuits.${name} is no object`;
    for (const field of ['source', 'contract', 'sourceHash', 'r1csHash', 'verificationKeyHash']) {
      if (typeof entry[field] !== 'string') return `circuits.${name}.${field} is no text`;
    }
    for (const field of ['constraints', 'wires']) {
      if (!Number.isSafeInteger(entry[field])) return `circuits.${name}.${field} is no number`;
    }
    const { publicSignals, provenance, ceremony } = entry;
    if (!Array.isArray(publicSignals) || publicSignals.some((signal) => typeof signal !== 'string')) {
      return `circuits.${name}.publicSignals is no list of names`;
    }
    if (!PROVENANCES.includes(provenance)) return `circuits.${name}.provenance is not known`;
    if (provenance !== 'development' && (!isRecord(ceremony) || typeof ceremony.zkeySha256 !== 'string')) {
      return `circuits.${name}.ceremony has no zkeySha256`;
    }
  }
  return undefined;
}

/** The manifest's entry of a circuit, if it has one. */
export function entryOf(manifest: KeyManifest, circuit: string): ManifestEntry | undefined {
  return Object.hasOwn(manifest.circuits, circuit) ? manifest.circuits[circuit] : undefined;
}

/** Where the manifest is. */
export function manifestPath(roots: ArtifactRoots = {}): string {
  return join(resolve(projectRoot, roots.keys ?? 'proving-keys'), 'manifest.json');
}

function manifestText(manifest: KeyManifest): string {
  const circuits = Object.fromEntries(Object.entries(manifest.circuits).sort(([a], [b]) => (a < b ? -1 : 1)));
  return `${JSON.stringify({ schema: manifest.schema, circuits }, null, 2)}\n`;
}

/**
 * Compile a circuit, make its development key and the files to commit; writes only below `build/`.
 *
 * @param source path of the circuit, below the project's root.
 * @param options `thorough` checks every point of the key instead of a sample.
 * @throws {ProofError} of {@link compileFile} and {@link ensureDevelopmentKey}.
 */
export async function buildKeyArtifacts(
  source: string,
  options: {
    roots?: ArtifactRoots;
    thorough?: boolean;
    threads?: number;
    signal?: AbortSignal;
    onProgress?: (progress: KeyProgress | CompileProgress) => void;
  } = {},
): Promise<KeyArtifacts> {
  const common = {
    ...(options.signal && { signal: options.signal }),
    ...(options.onProgress && { onProgress: options.onProgress }),
  };
  const circuit = await compileFile(source, common);
  const key = await ensureDevelopmentKey(circuit, {
    ...common,
    ...(options.threads !== undefined && { threads: options.threads }),
  });
  const r1csBytes = await readFile(circuit.r1csPath);
  const zkey = await readFile(key.zkeyPath);
  if (options.thorough) await checkDevelopmentKey(zkey, r1csBytes, developmentWaste(circuit.r1csHash));
  const r1cs = parseR1cs(r1csBytes);
  const symbols = parseSymbols(await readFile(circuit.symPath, 'utf8'));
  const contract = verifierContractName(circuit.name);
  const verifierFolder = resolve(projectRoot, options.roots?.verifiers ?? 'contracts/src/verifiers');
  const batchText = batchVerifier(circuit.name, key.verificationKey, developmentHead(circuit.name));
  return {
    name: circuit.name,
    circuit,
    zkeyPath: key.zkeyPath,
    entry: {
      source: relative(projectRoot, resolve(projectRoot, source)).replaceAll('\\', '/'),
      contract,
      sourceHash: circuit.sourceHash,
      r1csHash: circuit.r1csHash,
      constraints: r1cs.constraints,
      wires: r1cs.wires,
      publicSignals: publicSignalNames(r1cs, symbols),
      verificationKeyHash: verificationKeyHash(key.verificationKey),
      provenance: 'development',
      tools: {
        compiler: circuit.compilerVersion,
        flags: compilerFlags.join(' '),
        snarkjs: await snarkjsVersion(),
        seed: DEVELOPMENT_SEED,
      },
    },
    verificationKeyPath: verificationKeyPath(circuit.name, 'development', options.roots),
    verificationKeyText: verificationKeyText(key.verificationKey),
    verifierPath: join(verifierFolder, `${contract}.sol`),
    verifierText: await solidityVerifier(zkey, developmentHead(circuit.name)),
    ...(batchText !== undefined && {
      batchVerifier: { path: join(verifierFolder, `${batchContractName(contract)}.sol`), text: batchText },
    }),
    cached: key.cached,
    compileMs: circuit.compileMs,
    generateMs: key.generateMs,
  };
}

/**
 * Write the files of several circuits and their entries of the manifest. Entries of other circuits stay, and so do entries
 * of ceremony keys. Other runs that write the same manifest wait.
 *
 * @param options `force` replaces entries of ceremony keys.
 * @throws {ProofError} `KEY_MISMATCH`, before anything is written, when a ceremony key is for an earlier version of a circuit.
 */
export async function writeKeyArtifacts(
  all: readonly KeyArtifacts[],
  roots: ArtifactRoots = {},
  options: { force?: boolean } = {},
): Promise<void> {
  await withFileLock(manifestPath(roots), (requireHeld) =>
    writeAlone(all, roots, options.force ?? false, requireHeld),
  );
}

async function writeAlone(
  all: readonly KeyArtifacts[],
  roots: ArtifactRoots,
  force: boolean,
  requireHeld: () => void,
): Promise<void> {
  const manifest = await loadManifest(roots);
  const kept = new Set<string>();
  for (const { name, entry } of force ? [] : all) {
    const present = manifest.circuits[name];
    if (present?.provenance !== 'ceremony') continue;
    if (present.r1csHash !== entry.r1csHash) {
      throw new ProofError(
        'KEY_MISMATCH',
        `the manifest holds a ceremony key of another version of ${name}: restore the circuit, or replace the entry with --force`,
        { circuit: name },
      );
    }
    kept.add(name);
  }
  for (const artifacts of all) {
    await writeFileAtomic(artifacts.verificationKeyPath, artifacts.verificationKeyText, requireHeld);
    for (const { path, text } of contractFiles(artifacts)) await writeFileAtomic(path, text, requireHeld);
    if (!kept.has(artifacts.name)) manifest.circuits[artifacts.name] = artifacts.entry;
  }
  await saveManifest(manifest, roots, requireHeld);
}

/** The contracts of a key: one, or two. */
function contractFiles({ verifierPath, verifierText, batchVerifier }: KeyArtifacts): ContractFile[] {
  return [{ path: verifierPath, text: verifierText }, ...(batchVerifier ? [batchVerifier] : [])];
}

/**
 * Write the manifest: old or new, never a part.
 *
 * @param requireHeld throws when others have the manifest's lock by now
 */
export async function saveManifest(
  manifest: KeyManifest,
  roots: ArtifactRoots = {},
  requireHeld?: () => void,
): Promise<void> {
  await writeFileAtomic(manifestPath(roots), manifestText(manifest), requireHeld);
}

/** Fields of a manifest entry that are the circuit's, whatever its key. */
const CIRCUIT_FIELDS: readonly (keyof ManifestEntry)[] = [
  'source',
  'sourceHash',
  'r1csHash',
  'constraints',
  'wires',
  'publicSignals',
];

/**
 * Compare rebuilt files with the committed ones.
 *
 * @returns one sentence per difference; empty when all agree.
 */
export async function compareKeyArtifacts(
  all: readonly KeyArtifacts[],
  roots: ArtifactRoots = {},
): Promise<string[]> {
  const differences: string[] = [];
  const manifest = await loadManifest(roots);
  for (const artifacts of all) {
    const verificationKey = { path: artifacts.verificationKeyPath, text: artifacts.verificationKeyText };
    for (const { path, text } of [verificationKey, ...contractFiles(artifacts)]) {
      const label = relative(projectRoot, path);
      const committed = await readFile(path, 'utf8').catch(() => undefined);
      if (committed === undefined) differences.push(`${label} is missing`);
      else if (committed !== text) differences.push(`${label} differs from the rebuilt one`);
    }
    const entry = manifest.circuits[artifacts.name];
    if (!entry) {
      differences.push(`manifest.json has no entry for ${artifacts.name}`);
      continue;
    }
    // An entry of a ceremony key describes the same circuit and another key.
    const fields = entry.provenance === 'development' ? Object.keys(artifacts.entry) : CIRCUIT_FIELDS;
    for (const field of fields as (keyof ManifestEntry)[]) {
      const [committed, rebuilt] = [JSON.stringify(entry[field]), JSON.stringify(artifacts.entry[field])];
      if (committed !== rebuilt) {
        differences.push(
          `manifest.json, ${artifacts.name}.${field}: committed ${committed}, rebuilt ${rebuilt}`,
        );
      }
    }
  }
  return differences;
}

/** What stands at the head of a verifier contract. */
export interface VerifierHead {
  contract: string;
  /** What is verified with which key, to follow "Verifier of ". */
  subject: string;
  /** Lines of NatSpec behind the title, without `///`. */
  notice: string;
  /** Members of the contract before those that verify, indented. */
  members: string;
}

/** Members that make the deployment of a contract revert on every chain but the local ones, and a constant that says why. */
export function localChainsOnly(names: {
  error: string;
  errorDocumentation: string;
  constant: string;
  constantDocumentation: string;
}): string {
  const { error, constant } = names;
  return `    /// ${names.errorDocumentation}
    error ${error}(uint256 chainId);

    /// ${names.constantDocumentation}
    bool public constant ${constant} = true;

    constructor() {
        if (block.chainid != 31337 && block.chainid != 1337) revert ${error}(block.chainid);
    }
`;
}

/** Head of a development key's verifiers: contracts that cannot be deployed on a public chain. */
function developmentHead(circuit: string): VerifierHead {
  return {
    contract: verifierContractName(circuit),
    subject: `the circuit \`${basename(circuit)}\`, development key`,
    notice: `Generated by \`npm run keys:dev\`; do not edit. The key's secrets are public: anyone can forge proofs for it.
Deployment reverts on every chain but the local ones (31337, 1337).`,
    members: localChainsOnly({
      error: 'DevelopmentKeyOnPublicChain',
      errorDocumentation: "A development key's verifier was deployed on a chain that is not local.",
      constant: 'DEVELOPMENT_KEY',
      constantDocumentation: 'True: the secrets behind this key are public.',
    }),
  };
}

/** NatSpec of a verifier contract. */
function documentation(title: string, notice: string): string {
  return [`@title ${title}`, ...`@notice ${notice}`.split('\n')].map((line) => `/// ${line}`).join('\n');
}

/** Public signals of the circuits that `Groth16Batch.sol` verifies. */
const BATCH_SIGNALS = 14;

/**
 * The Solidity verifier of several proofs of a key at once: the key's points, and a call of `Groth16Batch.sol`. It is to lie
 * in `contracts/src/verifiers`.
 *
 * @param head that of the key's verifier of single proofs
 * @returns undefined for a circuit whose proofs are not verified in batches
 */
export function batchVerifier(
  circuit: string,
  key: Groth16VerificationKey,
  head: VerifierHead,
): string | undefined {
  return BATCHED_CIRCUIT.test(circuit) ? batchVerifierContract(key, head) : undefined;
}

/**
 * As {@link batchVerifier}, for any circuit of {@link BATCH_SIGNALS} public signals.
 *
 * @throws {ProofError} `KEY_MISMATCH` for a key of another number of public signals
 */
export function batchVerifierContract(key: Groth16VerificationKey, head: VerifierHead): string {
  if (key.nPublic !== BATCH_SIGNALS || key.IC.length !== BATCH_SIGNALS + 1) {
    throw new ProofError('KEY_MISMATCH', `batches are of ${BATCH_SIGNALS} public signals`, {
      publicSignals: key.nPublic,
    });
  }
  // The EVM's precompiles take the imaginary part first.
  const g2 = ([x, y]: readonly string[][]) => [x![1]!, x![0]!, y![1]!, y![0]!];
  const points: [name: string, coordinates: readonly string[]][] = [
    ['alpha', key.vk_alpha_1.slice(0, 2)],
    ['beta', g2(key.vk_beta_2)],
    ['gamma', g2(key.vk_gamma_2)],
    ['delta', g2(key.vk_delta_2)],
    ...key.IC.map((point, index): [string, string[]] => [`IC ${index}`, point.slice(0, 2)]),
  ];
  const lines = points.flatMap(([name, coordinates]) => [
    `            // ${name}`,
    ...coordinates.map((coordinate) => `            ${coordinate},`),
  ]);
  // The first element gives the array its type; the last has no comma.
  lines[1] = lines[1]!.replace(/\d+/, 'uint256($&)');
  lines[lines.length - 1] = lines.at(-1)!.slice(0, -1);
  return `// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Groth16Proof, IBatchVerifier${BATCH_SIGNALS}} from "../interfaces/Groth16.sol";
import {Groth16Batch} from "../libraries/Groth16Batch.sol";

${documentation(`Verifier of several proofs at once of ${head.subject}`, head.notice)}
contract ${batchContractName(head.contract)} is IBatchVerifier${BATCH_SIGNALS} {
${head.members}
    /// @inheritdoc IBatchVerifier${BATCH_SIGNALS}
    function verifyBatch(Groth16Proof[] calldata proofs, uint256[${BATCH_SIGNALS}][] calldata publicSignals)
        external
        view
        returns (bool)
    {
        return Groth16Batch.verify(_key(), proofs, publicSignals);
    }

    /// @dev The verification key: x and y, of points of G2 the imaginary part of each first.
    function _key() private pure returns (uint256[${2 * points.length + 6}] memory) {
        return [
${lines.join('\n')}
        ];
    }
}
`;
}

/**
 * The Solidity verifier of a key: snarkjs's own template, which refuses public inputs >= r, under a head of ours. Ends the
 * threads that snarkjs starts.
 */
export async function solidityVerifier(zkey: Uint8Array, head: VerifierHead): Promise<string> {
  const template = join(snarkjsFolder(), 'templates/verifier_groth16.sol.ejs');
  let text: string;
  try {
    text = await zKey.exportSolidityVerifier(
      { type: 'mem', data: zkey },
      { groth16: await readFile(template, 'utf8') },
    );
  } finally {
    await terminateSnarkjsThreads();
  }
  const replaceOnce = (from: string | RegExp, to: string) => {
    if (text.split(from).length !== 2) throw new Error(`the verifier template has changed: ${from}`);
    text = text.replace(from, () => to);
  };
  replaceOnce('pragma solidity >=0.7.0 <0.9.0;', 'pragma solidity ^0.8.24;');
  replaceOnce(
    'contract Groth16Verifier {\n',
    `${documentation(`Verifier of ${head.subject}`, head.notice)}\ncontract ${head.contract} {\n${head.members}\n`,
  );
  replaceOnce('public view returns (bool)', 'external view returns (bool)');
  return `${text
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()}\n`;
}

function snarkjsFolder(): string {
  return join(dirname(require.resolve('snarkjs')), '..');
}

/** Name and version of snarkjs, as in `snarkjs@0.7.6`. */
export async function snarkjsVersion(): Promise<string> {
  const { version } = JSON.parse(await readFile(join(snarkjsFolder(), 'package.json'), 'utf8')) as {
    version: string;
  };
  return `snarkjs@${version}`;
}
