/** The steps of a ceremony: begin, contribute, close with a beacon. Each leaves the directory as it was, or complete. */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { ZkMarginError } from '../../errors.ts';
import { withFileLock } from '../../file-lock.ts';
import type { CompiledCircuit } from '../compile.ts';
import { singleThreadCurve } from '../curve.ts';
import { ProofError } from '../errors.ts';
import { exists, projectRoot, sha256, writeFileAtomic } from '../files.ts';
import { parseR1cs } from '../r1cs.ts';
import { CIRCUIT_FOLDER, foreignSource } from './committed.ts';
import { type Contribution, type KeyHistory, readHistory } from './contributions.ts';
import { readBytes, readingFile, withFileErrors } from './files.ts';
import { ptauFault, readPtau, requirePtau } from './ptau.ts';
import { PUBLIC_PTAU, type PublicPtau } from './public-ptau.ts';
import { applyBeaconToKey, type CeremonyProgress, contributeToKey, newKey } from './snarkjs.ts';
import {
  BEACON_ITERATIONS,
  checkTranscript,
  currentKey,
  isClosed,
  keyFileName,
  loadTranscript,
  r1csFileName,
  refuseExisting,
  removeTemporaryFiles,
  requireFreeText,
  requireName,
  saveTranscript,
  type Transcript,
  type TranscriptContribution,
  transcriptPath,
} from './transcript.ts';

/** How long a step waits for another in the same directory. Contributors take turns, so it need not wait for the end of one. */
const PATIENCE_MS = 60_000;

/** How a ceremony begins. */
export interface InitOptions {
  readonly circuit: CompiledCircuit;
  /** Path of the circuit's source, below the project's root. */
  readonly source: string;
  readonly ptauPath: string;
  /** Made when absent. Holds one ceremony. */
  readonly directory: string;
  /** Accept powers of tau that are no public file: a test ceremony. */
  readonly allowUnlistedPtau?: boolean;
  /** Accept a circuit outside `circuits/main`: a test ceremony. With unlisted powers of tau it is one already. */
  readonly allowOtherCircuit?: boolean;
  /** Which public value will be the beacon, told before it is known. */
  readonly beaconPlan?: string;
  /** The public files; tests pass others. */
  readonly publicPtau?: readonly PublicPtau[];
  /** Where circuits for use lie; tests pass another folder. */
  readonly circuitFolder?: string;
  readonly onProgress?: CeremonyProgress;
}

/**
 * Begin a ceremony: copies constraint system and powers of tau into the directory, makes the initial key, and opens the
 * transcript.
 *
 * @throws {ZkMarginError} `CONFLICT` for a directory that holds a ceremony or other files of these names,
 * or in which another process works, `UNSUPPORTED` for
 * unlisted powers of tau or a circuit outside `circuits/main`, `OUT_OF_RANGE` for powers that are too small, `MALFORMED` for
 * the plan, `NOT_FOUND`, and those of {@link withFileErrors}
 * @throws {ProofError} `FILE_MALFORMED`
 */
export function initCeremony(options: InitOptions): Promise<Transcript> {
  const directory = resolve(options.directory);
  return withFileErrors({ path: directory, field: 'dir' }, () => begin(directory, options));
}

async function begin(directory: string, options: InitOptions): Promise<Transcript> {
  const { circuit, beaconPlan, onProgress, publicPtau = PUBLIC_PTAU } = options;
  if (beaconPlan !== undefined) requireFreeText(beaconPlan, 'beacon-plan');
  const source = relative(projectRoot, resolve(projectRoot, options.source)).replaceAll('\\', '/');
  const foreign = await foreignSource(source, circuit.name, options.circuitFolder);
  const r1csBytes = await readBytes(
    circuit.r1csPath,
    'circuit',
    `Compile again: ${circuit.r1csPath} is gone.`,
  );
  const r1cs = readingFile(circuit.r1csPath, () => parseR1cs(r1csBytes));
  onProgress?.('Reading the powers of tau and computing their hash', 'step');
  const ptau = await readPtau(options.ptauPath, publicPtau);
  requirePtau(ptau, r1cs, options.allowUnlistedPtau ?? false);
  if (foreign && ptau.listed && !options.allowOtherCircuit) {
    throw new ZkMarginError(
      'UNSUPPORTED',
      `Give a circuit of ${options.circuitFolder ?? CIRCUIT_FOLDER} by its name: ${foreign}. For a test ceremony, whose ` +
        'keys no public chain accepts, add --allow-other-circuit.',
      { field: 'circuit', details: { source } },
    );
  }
  const fault = ptauFault(await singleThreadCurve(), ptau);
  if (fault) throw new ProofError('FILE_MALFORMED', `the powers of tau are of no use: ${fault}`);
  const ptauFile = ptau.listed?.file ?? 'unlisted.ptau';
  const initialFile = keyFileName(circuit.name, 0);
  const opening: Transcript = {
    schema: 1,
    circuit: circuit.name,
    source,
    compiler: circuit.compilerVersion,
    sourceHash: circuit.sourceHash,
    r1csHash: circuit.r1csHash,
    provenance: ptau.listed && !foreign ? 'ceremony' : 'test ceremony',
    ptau: { file: ptauFile, power: ptau.power, blake2b: ptau.blake2b },
    ...(beaconPlan !== undefined && { beaconPlan }),
    initial: { file: initialFile, sha256: '0'.repeat(64), circuitHash: '0'.repeat(128) },
    contributions: [],
  };
  // Before anything is written: all but the hashes of the initial key is known.
  checkTranscript(opening);
  await mkdir(directory, { recursive: true });
  return alone(directory, async (requireHeld) => {
    if (await exists(transcriptPath(directory))) {
      throw new ZkMarginError(
        'CONFLICT',
        'Choose another directory, or go on with ceremony contribute: a ceremony was begun here.',
        { field: 'dir' },
      );
    }
    const foreignKey = (await readdir(directory)).find(
      (file) => /\.zkey$/.test(file) && file !== initialFile,
    );
    if (foreignKey) {
      throw new ZkMarginError(
        'CONFLICT',
        `Choose an empty directory: ${foreignKey} is there without a transcript.`,
        { field: 'dir', details: { file: foreignKey } },
      );
    }
    const files: [file: string, bytes: Uint8Array][] = [
      [ptauFile, ptau.bytes],
      [r1csFileName(circuit.name), r1csBytes],
    ];
    for (const [file, bytes] of files) await refuseOtherFile(directory, file, bytes);
    onProgress?.('Making the initial key; a circuit of 31,000 constraints takes about a minute', 'step');
    const key = await newKey(r1csBytes, ptau.bytes, onProgress);
    const { circuitHash } = readHistory(await singleThreadCurve(), key);
    await refuseOtherFile(directory, initialFile, key);
    files.push([initialFile, key]);
    await removeTemporaryFiles(directory);
    for (const [file, bytes] of files) await writeFileAtomic(join(directory, file), bytes, requireHeld);
    const transcript: Transcript = {
      ...opening,
      initial: { file: initialFile, sha256: sha256(key), circuitHash },
    };
    // Last: with the transcript there, the beginning is complete.
    await saveTranscript(directory, transcript, requireHeld);
    return transcript;
  });
}

/**
 * Refuse a file of other contents than those to be written: it is somebody's. An interrupted beginning leaves the same bytes.
 *
 * @throws {ZkMarginError} `CONFLICT`
 */
async function refuseOtherFile(directory: string, file: string, bytes: Uint8Array): Promise<void> {
  const path = join(directory, file);
  if (!(await exists(path))) return;
  const present = await readBytes(path, 'dir', `Run again: ${path} has just gone.`);
  if (Buffer.from(present).equals(bytes)) return;
  throw new ZkMarginError(
    'CONFLICT',
    `Choose an empty directory, or move ${file} away: another file of this name is there.`,
    { field: 'dir', details: { file } },
  );
}

/** A contribution. */
export interface ContributeOptions {
  readonly directory: string;
  readonly name: string;
  /** Text of the contributor's own, beside the system's randomness. Kept nowhere. */
  readonly entropy?: string;
  readonly onProgress?: CeremonyProgress;
}

/**
 * Add a contribution: multiplies delta by a secret that nobody keeps. The secret comes from the operating system's
 * randomness, 64 bytes here and 64 in snarkjs, and the contributor's text.
 *
 * @returns the transcript's new entry; its hash is what the contributor announces
 * @throws {ZkMarginError} `CONFLICT` after the beacon or while another process works in the directory, `KEY_MISMATCH` when
 * the newest key is not the transcript's, `MALFORMED`, `NOT_FOUND`
 * @throws {ProofError} `FILE_MALFORMED`
 */
export async function contribute(options: ContributeOptions): Promise<TranscriptContribution> {
  const name = requireName(options.name);
  return addStep(options.directory, 'contribution', (key) =>
    contributeToKey(
      key,
      name,
      `${randomBytes(64).toString('hex')}${options.entropy ?? ''}`,
      options.onProgress,
    ),
  );
}

/** The closing beacon. */
export interface BeaconOptions {
  readonly directory: string;
  /** Public random value, hexadecimal with or without 0x, at least 32 bytes. */
  readonly hash: string;
  /** The value is hashed 2^this times. */
  readonly iterationsExponent: number;
  /** Where the value was published, for readers of the transcript. */
  readonly source?: string;
  readonly onProgress?: CeremonyProgress;
}

/**
 * Close a ceremony with a public random value that nobody knew before the last contribution. Nothing may follow.
 *
 * @throws {ZkMarginError} `CONFLICT` without a contribution or after a beacon, `OUT_OF_RANGE` for the iterations,
 * `MALFORMED` for the value, `KEY_MISMATCH`, `NOT_FOUND`
 */
export async function applyBeacon(options: BeaconOptions): Promise<TranscriptContribution> {
  const { iterationsExponent, source } = options;
  if (source !== undefined) requireFreeText(source, 'source');
  const hash = options.hash.replace(/^0x/i, '').toLowerCase();
  if (!/^([0-9a-f]{2}){32,255}$/.test(hash) || /^(..)\1*$/.test(hash)) {
    throw new ZkMarginError(
      'MALFORMED',
      'Give the beacon as 32 to 255 bytes of hexadecimal, as a block hash or a drand round has.',
      { field: 'hash' },
    );
  }
  const { least, most } = BEACON_ITERATIONS;
  if (!Number.isInteger(iterationsExponent) || iterationsExponent < least || iterationsExponent > most) {
    throw new ZkMarginError(
      'OUT_OF_RANGE',
      `Give iterations within [${least}, ${most}]: 2^N hashes are taken.`,
      {
        field: 'iterations',
        details: { value: iterationsExponent },
      },
    );
  }
  const beacon = {
    hash,
    iterationsExponent,
    ...(source !== undefined && { source }),
  };
  return addStep(
    options.directory,
    'beacon',
    (key) => applyBeaconToKey(key, 'beacon', hash, iterationsExponent, options.onProgress),
    beacon,
  );
}

/** Takes a step while no other process takes one in the directory. */
function alone<T>(directory: string, step: (requireHeld: () => void) => Promise<T>): Promise<T> {
  return withFileLock(transcriptPath(directory), step, { patienceMs: PATIENCE_MS });
}

function addStep(
  path: string,
  type: TranscriptContribution['type'],
  apply: (key: Uint8Array) => Promise<{ key: Uint8Array; hash: Uint8Array }>,
  beacon?: TranscriptContribution['beacon'],
): Promise<TranscriptContribution> {
  const directory = resolve(path);
  return withFileErrors({ path: directory, field: 'dir' }, async () => {
    await loadTranscript(directory);
    return alone(directory, async (requireHeld) => {
      const transcript = await loadTranscript(directory);
      if (isClosed(transcript)) {
        throw new ZkMarginError(
          'CONFLICT',
          'Begin another ceremony: the beacon has been applied, and no step may follow.',
          { field: 'dir' },
        );
      }
      if (type === 'beacon' && transcript.contributions.length === 0) {
        throw new ZkMarginError(
          'CONFLICT',
          'Contribute first: a beacon is public, so a key that rests on it alone lets anyone forge proofs.',
          { field: 'dir' },
        );
      }
      await removeTemporaryFiles(directory);
      const file = keyFileName(transcript.circuit, transcript.contributions.length + 1, type);
      await refuseExisting(directory, file);
      // An interrupted closing leaves a key that looks final, and would lack every contribution from now on.
      await refuseExisting(directory, keyFileName(transcript.circuit, 0, 'beacon'));
      const curve = await singleThreadCurve();
      const current = await readCurrentKey(directory, transcript);
      const before = readingFile(currentKey(transcript).file, () => readHistory(curve, current));
      requireSameHistory(transcript, before);
      const { key, hash } = await apply(current);
      const entry = recordOf(before, readHistory(curve, key), file, key, beacon);
      if (entry.hash !== Buffer.from(hash).toString('hex')) {
        throw new ProofError('INTERNAL', 'snarkjs reports another contribution hash than the key gives');
      }
      const next = checkTranscript({
        ...transcript,
        contributions: [...transcript.contributions, entry],
      });
      // The key first: a transcript never names a file that is not there.
      await writeFileAtomic(join(directory, file), key, requireHeld);
      await saveTranscript(directory, next, requireHeld);
      return entry;
    });
  });
}

async function readCurrentKey(directory: string, transcript: Transcript): Promise<Uint8Array> {
  const { file, sha256: expected } = currentKey(transcript);
  const key = await readBytes(
    join(directory, file),
    'dir',
    `Bring ${file} into the directory: the transcript ends with it.`,
  );
  if (sha256(key) !== expected) {
    throw new ZkMarginError(
      'KEY_MISMATCH',
      `Bring the right ${file}: its SHA-256 is not the one in the transcript.`,
      { field: 'dir', details: { file } },
    );
  }
  return key;
}

function requireSameHistory(transcript: Transcript, history: KeyHistory): void {
  const difference = historyDifference(transcript, history.contributions);
  if (difference) throw new ZkMarginError('KEY_MISMATCH', difference, { field: 'transcript' });
}

/** One sentence about the first difference between a transcript and the contributions of its newest key, if any. */
export function historyDifference(
  transcript: Transcript,
  contributions: readonly Contribution[],
): string | undefined {
  const told = transcript.contributions;
  if (told.length !== contributions.length) {
    return `The transcript names ${told.length} contributions, the key holds ${contributions.length}.`;
  }
  for (const [i, contribution] of contributions.entries()) {
    const entry = told[i]!;
    for (const [what, own, held] of [
      ['name', entry.name, contribution.name],
      ['type', entry.type, contribution.type],
      ['hash', entry.hash, contribution.hash],
      ['beacon value', entry.beacon?.hash, contribution.beacon?.hash],
      ['iterations', entry.beacon?.iterationsExponent, contribution.beacon?.iterationsExponent],
    ] as const) {
      if (own !== held) return `Contribution ${i + 1}: the transcript and the key differ in the ${what}.`;
    }
  }
  return undefined;
}

/** The transcript's entry of a new key, after checking that the key extends the one before by this one step. */
function recordOf(
  before: KeyHistory,
  after: KeyHistory,
  file: string,
  key: Uint8Array,
  beacon: TranscriptContribution['beacon'],
): TranscriptContribution {
  const last = after.contributions.at(-1);
  const previous = before.contributions.at(-1);
  if (
    last === undefined ||
    after.circuitHash !== before.circuitHash ||
    after.contributions.length !== before.contributions.length + 1 ||
    (previous && Buffer.from(previous.deltaAfter).equals(last.deltaAfter))
  ) {
    throw new ProofError('INTERNAL', 'the new key does not extend the one before by one step');
  }
  return {
    name: last.name,
    type: last.type,
    hash: last.hash,
    file,
    sha256: sha256(key),
    ...(beacon && { beacon }),
  };
}
