/** The end of a ceremony: from a verified final key to the files that provers, verifiers and deployments use. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ZkMarginError } from '../../errors.ts';
import { withFileLock } from '../../file-lock.ts';
import { type CompiledCircuit, compileFile, compilerFlags } from '../compile.ts';
import { singleThreadCurve } from '../curve.ts';
import { ProofError } from '../errors.ts';
import { sha256, writeFileAtomic } from '../files.ts';
import {
  type ArtifactRoots,
  batchContractName,
  batchVerifier,
  type CeremonyRecord,
  entryOf,
  type KeyProvenance,
  loadManifest,
  loadVerificationKey,
  localChainsOnly,
  type ManifestEntry,
  manifestPath,
  saveManifest,
  snarkjsVersion,
  solidityVerifier,
  type VerifierHead,
  verificationKeyPath,
} from '../keys/artifacts.ts';
import { verificationKeyHash, verificationKeyText } from '../keys/documents.ts';
import { decodeProvingKey, verificationKeyOf } from '../keys/zkey.ts';
import type { ProverCircuit } from '../prover/protocol.ts';
import { parseR1cs, parseSymbols, publicSignalNames } from '../r1cs.ts';
import { systemCode, withFileErrors } from './files.ts';
import { ceremonyContractName } from './origin.ts';
import type { Transcript } from './transcript.ts';
import {
  type CeremonyReport,
  type ExaminedCeremony,
  examineCeremony,
  type VerifyCeremonyOptions,
} from './verify.ts';

/** What to write, and where. */
export interface FinalizeOptions extends VerifyCeremonyOptions {
  /** Where keys and manifest go; `proving-keys` unless given. */
  readonly out?: string;
  /** Where the verifier contract goes; beside the verification key unless given. */
  readonly verifiers?: string;
  /** Replace another ceremony's key, a test ceremony's too, or the entry of another circuit of this name. */
  readonly force?: boolean;
}

/** What was written. */
export interface FinalizedCeremony {
  readonly report: CeremonyReport;
  readonly entry: ManifestEntry;
  readonly verificationKeyPath: string;
  readonly verifierPath: string;
  /** Verifier of several proofs at once, for circuits that have one. */
  readonly batchVerifierPath?: string;
  readonly zkeyPath: string;
}

/**
 * Verify a ceremony and write its verification key, its proving key, its verifier contract and its entry of the manifest.
 * Running it again on the same ceremony writes the same files.
 *
 * @throws {ProofError} `KEY_INVALID` naming the checks that the key fails
 * @throws {ZkMarginError} `CONFLICT` for a ceremony that is still open, or when the manifest holds another ceremony's key or
 * another circuit of this name, and those of {@link withFileErrors}
 */
export async function finalizeCeremony(options: FinalizeOptions): Promise<FinalizedCeremony> {
  const { report, transcript, key, circuit } = await examineCeremony(options, 'for use');
  if (!report.ok || !circuit) {
    const failed = report.checks.filter(({ outcome }) => outcome === 'failed');
    throw new ProofError(
      'KEY_INVALID',
      `the ceremony does not verify: ${failed.map(({ text, detail }) => `${text} (${detail})`).join('; ')}`,
      { failed: failed.map(({ id }) => id).join(', ') },
    );
  }
  if (!report.final) {
    throw new ZkMarginError('CONFLICT', 'Apply the beacon first: the ceremony is still open.', {
      field: 'dir',
    });
  }
  const roots: ArtifactRoots = options.out === undefined ? {} : { keys: resolve(options.out) };
  const path = manifestPath(roots);
  return withFileErrors({ path, field: 'out' }, async () => {
    const output = await outputOf(options, roots, { report, transcript, key, circuit });
    // Another run may write the same manifest: whoever holds the lock reads what the one before wrote.
    return withFileLock(path, async (requireHeld) => {
      const manifest = await loadManifest(roots);
      const present = entryOf(manifest, circuit.name);
      if (present && !options.force) refuseReplacement(circuit.name, present, output.entry);
      for (const [file, content] of output.files) await writeFileAtomic(file, content, requireHeld);
      // Last: an entry never names files that are not there.
      manifest.circuits[circuit.name] = output.entry;
      await saveManifest(manifest, roots, requireHeld);
      return { report, entry: output.entry, ...output.paths };
    });
  });
}

/** @throws {ZkMarginError} `CONFLICT` */
function refuseReplacement(circuit: string, present: ManifestEntry, entry: ManifestEntry): void {
  const refuse = (what: string, details: Record<string, string>): never => {
    throw new ZkMarginError(
      'CONFLICT',
      `Choose another --out, or replace the entry with --force: the manifest holds ${what} ${circuit}.`,
      { field: 'out', details },
    );
  };
  if (present.r1csHash !== entry.r1csHash || present.source !== entry.source) {
    refuse('another circuit of the name', {
      presentSource: present.source,
      newSource: entry.source,
      presentR1csHash: present.r1csHash,
      newR1csHash: entry.r1csHash,
    });
  }
  if (present.provenance !== 'development' && present.verificationKeyHash !== entry.verificationKeyHash) {
    refuse(`a ${present.provenance} key of`, {
      present: present.verificationKeyHash,
      new: entry.verificationKeyHash,
    });
  }
}

/** Everything that is written for a verified ceremony, the manifest apart. */
async function outputOf(
  options: FinalizeOptions,
  roots: ArtifactRoots,
  { report, transcript, key, circuit }: ExaminedCeremony & { circuit: CompiledCircuit },
): Promise<{
  entry: ManifestEntry;
  files: [path: string, content: string | Uint8Array][];
  paths: Omit<FinalizedCeremony, 'report' | 'entry'>;
}> {
  const { provenance } = report;
  const contract = ceremonyContractName(circuit.name, provenance);
  const decoded = decodeProvingKey(key);
  const verificationKey = verificationKeyOf(await singleThreadCurve(), decoded);

  const r1cs = parseR1cs(await readFile(circuit.r1csPath));
  const record = recordOf(transcript);
  const entry: ManifestEntry = {
    source: transcript.source,
    contract,
    sourceHash: circuit.sourceHash,
    r1csHash: circuit.r1csHash,
    constraints: r1cs.constraints,
    wires: r1cs.wires,
    publicSignals: publicSignalNames(r1cs, parseSymbols(await readFile(circuit.symPath, 'utf8'))),
    verificationKeyHash: verificationKeyHash(verificationKey),
    provenance,
    ceremony: record,
    tools: {
      compiler: circuit.compilerVersion,
      flags: compilerFlags.join(' '),
      snarkjs: await snarkjsVersion(),
    },
  };
  const verifierFolder =
    options.verifiers === undefined
      ? resolve(verificationKeyPath(circuit.name, provenance, roots), '..')
      : resolve(options.verifiers);
  const head = verifierHead(circuit.name, entry);
  const batchText = batchVerifier(circuit.name, verificationKey, head);
  const paths = {
    verificationKeyPath: verificationKeyPath(circuit.name, provenance, roots),
    zkeyPath: ceremonyZkeyPath(circuit.name, provenance, roots),
    verifierPath: join(verifierFolder, `${contract}.sol`),
    ...(batchText !== undefined && {
      batchVerifierPath: join(verifierFolder, `${batchContractName(contract)}.sol`),
    }),
  };
  return {
    entry,
    paths,
    files: [
      [paths.verificationKeyPath, verificationKeyText(verificationKey)],
      [paths.zkeyPath, key],
      [paths.verifierPath, await solidityVerifier(key, head)],
      ...(paths.batchVerifierPath === undefined
        ? []
        : [[paths.batchVerifierPath, batchText!] as [string, string]]),
    ],
  };
}

/** Path of a ceremony's proving key. It is megabytes, and not committed. */
function ceremonyZkeyPath(
  circuit: string,
  provenance: KeyProvenance = 'ceremony',
  roots: ArtifactRoots = {},
): string {
  return verificationKeyPath(circuit, provenance, roots).replace(/\.verification_key\.json$/, '.zkey');
}

/**
 * Everything a prover needs for a circuit whose key a ceremony made.
 *
 * @param options `zkeyPath` when the proving key is not where {@link finalizeCeremony} puts it
 * @throws {ProofError} `CIRCUIT_NOT_FOUND` when the manifest has no ceremony key of this name or a file is missing,
 * `KEY_MISMATCH` when circuit, proving key or verification key are not those of the manifest; of the proving key with its
 * path and the hash that it should have
 */
export async function prepareCeremonyCircuit(
  name: string,
  options: { readonly roots?: ArtifactRoots; readonly zkeyPath?: string } = {},
): Promise<ProverCircuit> {
  const { roots = {} } = options;
  const entry = entryOf(await loadManifest(roots), name);
  if (!entry?.ceremony) {
    throw new ProofError('CIRCUIT_NOT_FOUND', `the manifest has no ceremony key of ${name}`, {
      circuit: name,
    });
  }
  // Before the circuit is compiled, which takes longer.
  const zkeyPath = options.zkeyPath ?? ceremonyZkeyPath(name, entry.provenance, roots);
  const expected = entry.ceremony.zkeySha256;
  const wanted = `fetch the final .zkey of the ceremony, SHA-256 ${expected}`;
  const zkey = await readFile(zkeyPath).catch((cause: unknown) => {
    const code = systemCode(cause) ?? 'unknown';
    throw new ProofError(
      'CIRCUIT_NOT_FOUND',
      code === 'ENOENT'
        ? `there is no proving key of ${name} at ${zkeyPath}: ${wanted}, and put it there, or name its folder as ceremonyKeys`
        : `the proving key of ${name}, ${zkeyPath}, cannot be read (${code}): give this user the right to it, or ${wanted}`,
      { circuit: name, path: zkeyPath },
      { cause },
    );
  });
  if (sha256(zkey) !== expected) {
    throw new ProofError(
      'KEY_MISMATCH',
      `${zkeyPath} is not the proving key of ${name} that the manifest names: ${wanted}`,
      { circuit: name, path: zkeyPath },
    );
  }
  const differs = (what: string): never => {
    throw new ProofError('KEY_MISMATCH', `the ${what} of ${name} is not that of the manifest`, {
      circuit: name,
    });
  };
  const circuit = await compileFile(entry.source);
  if (circuit.r1csHash !== entry.r1csHash) differs('constraint system');
  const verificationKey = await loadVerificationKey(name, entry.provenance, roots);
  if (verificationKeyHash(verificationKey) !== entry.verificationKeyHash) differs('verification key');
  return { name, wasmPath: circuit.wasmPath, zkeyPath, verificationKey };
}

function recordOf(transcript: Transcript): CeremonyRecord {
  const last = transcript.contributions.at(-1)!;
  const { hash, iterationsExponent, source } = last.beacon!;
  return {
    contributions: transcript.contributions.slice(0, -1).map(({ name, hash }) => ({ name, hash })),
    beacon: {
      hash,
      iterationsExponent,
      contributionHash: last.hash,
      ...(source !== undefined && { source }),
    },
    ptau: transcript.ptau,
    circuitHash: transcript.initial.circuitHash,
    zkeySha256: last.sha256,
  };
}

/** Head of the verifier contracts. Those of a test ceremony cannot be deployed on a public chain. */
export function verifierHead(circuit: string, entry: ManifestEntry): VerifierHead {
  const { contract, provenance, verificationKeyHash } = entry;
  const { contributions, ptau } = entry.ceremony!;
  const test = provenance !== 'ceremony';
  const steps = contributions.length === 1 ? 'one contribution' : `${contributions.length} contributions`;
  const notice = test
    ? 'Its powers of tau are no public file, so that somebody may know the secrets of the key, or its circuit is none of\n' +
      'those that the repository commits to.\n' +
      'Deployment reverts on every chain but the local ones (31337, 1337).'
    : `Its powers of tau are ${ptau.file}.`;
  const guard = localChainsOnly({
    error: 'TestCeremonyKeyOnPublicChain',
    errorDocumentation: "A test ceremony's verifier was deployed on a chain that is not local.",
    constant: 'TEST_CEREMONY_KEY',
    constantDocumentation: 'True: somebody may know the secrets behind this key.',
  });
  return {
    contract,
    subject: `the circuit \`${circuit}\`, key of a ${provenance}`,
    notice: `Generated by \`zkmargin ceremony finalize\`; do not edit. The key has ${steps} and a beacon.\n${notice}`,
    members: `    /// SHA-256 of the verification key file.
    bytes32 public constant VERIFICATION_KEY_HASH = 0x${verificationKeyHash};
${test ? `\n${guard}` : ''}`,
  };
}
