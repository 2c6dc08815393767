/**
 * Verification of ceremony keys. snarkjs's own says ok to a key without a single contribution, for which anyone can forge
 * proofs; the checks here close that gap, and tie the key to its circuit, its public powers of tau and its transcript.
 *
 * The equations are those of Bowe, Gabizon and Miers, "Scalable Multi-party Computation for zk-SNARK Parameters in the
 * Random Beacon Model" (eprint 2017/1050), sections 4 and 6. In that protocol gamma is the generator of G2, in the initial
 * key and in the final one, so that soundness rests on delta being another, unknown multiple.
 */
import { basename, join, resolve } from 'node:path';
import type { Curve } from 'snarkjs';
import { isZkMarginError, textOfError } from '../../errors.ts';
import { SCALAR_MODULUS } from '../../math/fixed/scalar-field.ts';
import { type CompiledCircuit, compileFile } from '../compile.ts';
import { singleThreadCurve } from '../curve.ts';
import { sha256 } from '../files.ts';
import { type ArtifactRoots, entryOf, loadManifest } from '../keys/artifacts.ts';
import { domainSizeOf } from '../keys/qap.ts';
import { decodeProvingKey, type ProvingKey } from '../keys/zkey.ts';
import { parseR1cs, publicSignalCount, type R1cs } from '../r1cs.ts';
import { committedCircuit, foreignSource } from './committed.ts';
import { type KeyHistory, readHistory } from './contributions.ts';
import { fileError, readBytes, readingFile, withFileErrors } from './files.ts';
import {
  decodePtau,
  type Ptau,
  type PtauFile,
  powerOf,
  ptauFault,
  readPtauFile,
  requirePtau,
} from './ptau.ts';
import { PUBLIC_PTAU, type PublicPtau } from './public-ptau.ts';
import { type CeremonyProgress, newKey, verifyFromInitialKey, withSnarkjsThreads } from './snarkjs.ts';
import { historyDifference } from './steps.ts';
import {
  BEACON_ITERATIONS,
  currentKey,
  isClosed,
  keyFileName,
  loadTranscript,
  r1csFileName,
  type Transcript,
} from './transcript.ts';

/**
 * What became of a check. `waived`: it does not hold, and is not asked for here, as by a test ceremony. `pending`: the
 * ceremony is still open. `not run`: an earlier check failed.
 */
export type CheckOutcome = 'passed' | 'failed' | 'waived' | 'pending' | 'not run';

/** One check, by a stable id. */
export interface CeremonyCheck {
  readonly id: CheckId;
  /** What must hold. */
  readonly text: string;
  readonly outcome: CheckOutcome;
  /** Why it failed, or what was found. */
  readonly detail?: string;
}

const CHECKS = {
  'ptau-file': 'the powers of tau are a whole file, prepared for the second phase',
  'r1cs-file': 'the constraint system is a whole file',
  ptau: 'the powers of tau are those of the transcript',
  'ptau-public': 'the powers of tau are a file of the public ceremony',
  'ptau-power': 'the powers of tau suffice for the circuit',
  'ptau-secrets': 'tau, alpha and beta of the powers of tau are neither 0 nor 1',
  source: 'the circuit compiles to the constraint system of the transcript',
  circuit: 'the source is the one in circuits/main, by its very path',
  manifest: 'the circuit is the one of the committed manifest',
  r1cs: 'the constraint system in the directory is that of the transcript',
  files: 'every key file has the hash that the transcript gives it',
  shape: 'the key has the sizes of the circuit',
  'public-inputs': 'the key takes the public signals of the circuit, each with a point of its own',
  alpha: 'alpha is a point of G1, neither 0 nor the generator',
  beta: 'beta is the same point of both groups, neither 0 nor the generator',
  gamma: 'gamma is the generator of G2, as the protocol sets it',
  'delta-group': 'delta is the same point of both groups, and not 0',
  'delta-generator': 'delta is not the generator, in G1 and in G2',
  'delta-gamma': 'delta is not gamma',
  contributions: 'there is at least one contribution beside the beacon',
  steps: 'every contribution changes delta, and the last one gives the delta of the key',
  beacon: 'one random beacon closes the key, after the contributions',
  transcript: 'names, kinds, hashes and beacon are those of the transcript',
  history: 'every key file continues the one before',
  initial: 'the initial key is rebuilt from circuit and powers of tau',
  points: 'all points that contributions change lie on the curve',
  snarkjs: 'snarkjs finds the key to follow from the initial one by its contributions',
} as const;

/** Id of a check; stable. */
export type CheckId = keyof typeof CHECKS;

/**
 * What a key is good for. `refused`: a check failed. `empty`: nobody contributed yet, so that anyone can forge proofs.
 * `open`: in order so far, and without a beacon. `final`: for use.
 */
export type CeremonyState = 'refused' | 'empty' | 'open' | 'final';

/** What verification found. */
export interface CeremonyReport {
  /** No check failed. */
  readonly ok: boolean;
  /** The key is closed by a beacon and all checks passed: it may be finalised. */
  readonly final: boolean;
  readonly state: CeremonyState;
  /**
   * `test ceremony` for powers of tau that no public ceremony made, and for a circuit that is none of this repository's.
   * Such a key must not guard value.
   */
  readonly provenance: 'ceremony' | 'test ceremony';
  /** Of a key alone: the circuit of the manifest that has this constraint system, if any. */
  readonly circuit?: string;
  /** Path of the source below the project's root, and the hash over it and all that it includes, as it is here and now. */
  readonly source?: string;
  readonly sourceHash?: string;
  /** Absent when the constraint system cannot be read. */
  readonly constraints?: number;
  readonly keyFile: string;
  readonly keySha256: string;
  readonly r1csHash: string;
  /** Without the power when the file cannot be read. */
  readonly ptau: { readonly file: string; readonly power?: number; readonly blake2b: string };
  readonly contributions: readonly {
    readonly name: string;
    readonly type: 'contribution' | 'beacon';
    readonly hash: string;
    readonly beacon?: { readonly hash: string; readonly iterationsExponent: number };
  }[];
  readonly checks: readonly CeremonyCheck[];
}

/** Options of both verifications. */
export interface VerifyOptions {
  /** The public files; tests pass others. */
  readonly publicPtau?: readonly PublicPtau[];
  /** Where the manifest of committed circuits lies; tests pass another place. */
  readonly committed?: ArtifactRoots;
  /** Where circuits for use lie; tests pass another folder. */
  readonly circuitFolder?: string;
  readonly onProgress?: CeremonyProgress;
  /** Called with each check as soon as it is decided. */
  readonly onCheck?: (check: CeremonyCheck) => void;
}

/** Collects outcomes. A check is a function that returns what is wrong, or undefined. */
class Checklist {
  readonly checks: CeremonyCheck[] = [];
  readonly #onCheck: VerifyOptions['onCheck'];

  constructor(onCheck: VerifyOptions['onCheck']) {
    this.#onCheck = onCheck;
  }

  get failed(): boolean {
    return this.checks.some(({ outcome }) => outcome === 'failed');
  }

  add(id: CheckId, outcome: CheckOutcome, detail?: string): void {
    const check = { id, text: CHECKS[id], outcome, ...(detail !== undefined && { detail }) };
    this.checks.push(check);
    this.#onCheck?.(check);
  }

  async run(id: CheckId, fault: () => string | undefined | Promise<string | undefined>): Promise<boolean> {
    let detail: string | undefined;
    try {
      detail = await fault();
    } catch (error) {
      detail = textOfError(fileError(error, { path: 'a file' }));
    }
    this.add(id, detail === undefined ? 'passed' : 'failed', detail);
    return detail === undefined;
  }

  /** As {@link run}, but not at all once a check has failed: long steps prove nothing more then. */
  async runLast(id: CheckId, fault: () => string | undefined | Promise<string | undefined>): Promise<void> {
    if (this.failed) this.add(id, 'not run');
    else await this.run(id, fault);
  }
}

/** Files that a key is verified against. */
export interface VerifyKeyOptions extends VerifyOptions {
  readonly zkeyPath: string;
  readonly r1csPath: string;
  readonly ptauPath: string;
  readonly allowUnlistedPtau?: boolean;
  /** Accept a constraint system that is none of the committed manifest's. */
  readonly allowOtherCircuit?: boolean;
}

/**
 * Verify a final key against a constraint system and powers of tau, without a transcript. A key without a beacon fails.
 *
 * @throws {ZkMarginError} `NOT_FOUND` for a file that is not there, `FORBIDDEN` for one that may not be read
 */
export function verifyKeyFile(options: VerifyKeyOptions): Promise<CeremonyReport> {
  return withFileErrors({ path: options.zkeyPath }, () => withSnarkjsThreads(() => checkKeyFile(options)));
}

async function checkKeyFile(options: VerifyKeyOptions): Promise<CeremonyReport> {
  const read = (path: string, field: string) =>
    readBytes(path, field, `Give a file that can be read: there is no ${path}.`);
  const [key, r1csBytes] = await Promise.all([
    read(options.zkeyPath, 'zkey'),
    read(options.r1csPath, 'r1cs'),
  ]);
  const ptauFile = await readPtauFile(options.ptauPath);
  const list = new Checklist(options.onCheck);
  const { ptau, r1cs } = await readPhaseOne(list, options, ptauFile, options.r1csPath, r1csBytes);
  if (ptau) checkOrigin(list, ptau, options.allowUnlistedPtau ? 'test ceremony' : 'ceremony');
  else list.add('ptau-public', 'not run');
  const r1csHash = sha256(r1csBytes);
  const circuit = await committedCircuit(r1csHash, options.circuitFolder, options.committed);
  if (circuit !== undefined) list.add('manifest', 'passed', circuit);
  else {
    list.add(
      'manifest',
      options.allowOtherCircuit ? 'waived' : 'failed',
      'no circuit of the manifest has this constraint system',
    );
  }
  await checkPtau(list, ptau, r1cs);
  const curve = await singleThreadCurve();
  const history = await checkKey(curve, list, { bytes: key, path: options.zkeyPath, r1cs, stage: 'final' });
  await checkFromInitial(curve, list, {
    key,
    r1cs,
    r1csBytes,
    ptau,
    history,
    onProgress: options.onProgress,
  });
  return reportOf(list, history, {
    provenance: ptau?.listed && circuit !== undefined ? 'ceremony' : 'test ceremony',
    ...(circuit !== undefined && { circuit }),
    ...(r1cs && { constraints: r1cs.constraints }),
    keyFile: basename(options.zkeyPath),
    keySha256: sha256(key),
    r1csHash,
    ptau: { file: basename(options.ptauPath), ...(ptau && { power: ptau.power }), blake2b: ptauFile.blake2b },
  });
}

/** Powers of tau and constraint system as far as they can be read. */
async function readPhaseOne(
  list: Checklist,
  { publicPtau = PUBLIC_PTAU }: VerifyOptions,
  ptauFile: PtauFile,
  r1csPath: string,
  r1csBytes: Uint8Array,
): Promise<{ ptau: Ptau | undefined; r1cs: R1cs | undefined }> {
  let ptau: Ptau | undefined;
  let r1cs: R1cs | undefined;
  await list.run('ptau-file', () => {
    ptau = decodePtau(ptauFile, publicPtau);
    return undefined;
  });
  await list.run('r1cs-file', () => {
    r1cs = readingFile(r1csPath, () => parseR1cs(r1csBytes));
    return undefined;
  });
  return { ptau, r1cs };
}

/** A ceremony's directory, verified, with the files that were looked at. */
export interface ExaminedCeremony {
  readonly report: CeremonyReport;
  readonly transcript: Transcript;
  /** The newest key. */
  readonly key: Uint8Array;
  /** The circuit as it compiles here and now. */
  readonly circuit: CompiledCircuit | undefined;
}

/** What {@link examineCeremony} looks at. */
export interface VerifyCeremonyOptions extends VerifyOptions {
  readonly directory: string;
  /** The powers of tau, when they are not in the directory. */
  readonly ptauPath?: string;
}

/** Verify a ceremony's directory. See {@link examineCeremony}. */
export async function verifyCeremony(options: VerifyCeremonyOptions): Promise<CeremonyReport> {
  return (await examineCeremony(options)).report;
}

/**
 * Verify a ceremony's directory: transcript, circuit, powers of tau, every key file, and the newest key. Nothing in the
 * directory is believed: the circuit is compiled, the initial key rebuilt and every hash computed anew.
 *
 * @param use the newest key is to be used: it must have a contribution. Otherwise a ceremony may wait for its first one.
 * @throws {ZkMarginError} `NOT_FOUND` for a file that is not there, `FORBIDDEN` for one that may not be read, `MALFORMED` for
 * a damaged transcript
 */
export function examineCeremony(
  options: VerifyCeremonyOptions,
  use: 'for use' | 'for a look' = 'for a look',
): Promise<ExaminedCeremony> {
  return withFileErrors({ path: resolve(options.directory), field: 'dir' }, () =>
    withSnarkjsThreads(() => examine(options, use)),
  );
}

async function examine(
  options: VerifyCeremonyOptions,
  use: 'for use' | 'for a look',
): Promise<ExaminedCeremony> {
  const { onProgress } = options;
  const directory = resolve(options.directory);
  const transcript = await loadTranscript(directory);
  const { provenance: claimed } = transcript;
  const ptauFile = await readPtauFile(options.ptauPath ?? join(directory, transcript.ptau.file));
  const r1csPath = join(directory, r1csFileName(transcript.circuit));
  const r1csBytes = await readBytes(
    r1csPath,
    'dir',
    `Bring ${basename(r1csPath)} into the directory: it is not there.`,
  );
  const list = new Checklist(options.onCheck);
  const { ptau, r1cs } = await readPhaseOne(list, options, ptauFile, r1csPath, r1csBytes);
  const foreign = await foreignSource(transcript.source, transcript.circuit, options.circuitFolder);
  const provenance = ptau?.listed && !foreign ? 'ceremony' : 'test ceremony';

  await list.run('ptau', () =>
    ptauFile.blake2b !== transcript.ptau.blake2b || (ptau && ptau.power !== transcript.ptau.power)
      ? 'hash or power differ'
      : undefined,
  );
  if (!ptau) list.add('ptau-public', 'not run');
  else if (provenance === 'ceremony' && claimed !== 'ceremony') {
    list.add('ptau-public', 'failed', `the transcript calls it a ${claimed}`);
  } else checkOrigin(list, ptau, claimed);
  await checkPtau(list, ptau, r1cs);

  if (!foreign) list.add('circuit', 'passed', transcript.source);
  else if (claimed === 'ceremony') list.add('circuit', 'failed', foreign);
  else list.add('circuit', 'waived', `${foreign}; this is a test ceremony`);
  let circuit: CompiledCircuit | undefined;
  await list.run('source', async () => {
    onProgress?.(`Compiling ${transcript.source}`, 'step');
    circuit = await compileFile(
      transcript.source,
      transcript.source.startsWith('circuits/') ? {} : { outputRoot: 'build/test-circuits' },
    );
    if (circuit.name !== transcript.circuit) return `the source is that of ${circuit.name}`;
    if (circuit.r1csHash !== transcript.r1csHash) return 'the constraint system differs';
    if (circuit.sourceHash !== transcript.sourceHash || circuit.compilerVersion !== transcript.compiler)
      return 'the same constraint system, but other sources or another compiler';
    return undefined;
  });
  await checkManifest(list, transcript, circuit, options.committed);
  await list.run('r1cs', () => (sha256(r1csBytes) === transcript.r1csHash ? undefined : 'its hash differs'));

  const keys: { file: string; bytes: Uint8Array }[] = [];
  await list.run('files', async () => {
    const wrong: string[] = [];
    for (const entry of [transcript.initial, ...transcript.contributions]) {
      const bytes = await readBytes(join(directory, entry.file), 'dir', `${entry.file} is missing`).catch(
        (error: unknown) => {
          wrong.push(
            isZkMarginError(error, 'NOT_FOUND') ? error.message : `${entry.file}: ${textOfError(error)}`,
          );
        },
      );
      if (!bytes) continue;
      if (sha256(bytes) !== entry.sha256) wrong.push(`${entry.file} is another file`);
      keys.push({ file: entry.file, bytes });
    }
    return wrong.length > 0 ? wrong.join(', ') : undefined;
  });

  const { file } = currentKey(transcript);
  const key = keys.find((one) => one.file === file)?.bytes ?? new Uint8Array(0);
  const curve = await singleThreadCurve();
  const stage = isClosed(transcript) ? 'final' : transcript.contributions.length > 0 ? 'open' : 'empty';
  const history = await checkKey(curve, list, {
    bytes: key,
    path: file,
    r1cs,
    stage: use === 'for use' && stage === 'empty' ? 'open' : stage,
  });
  await list.run('transcript', () => {
    if (!history) return 'the key cannot be read';
    if (history.circuitHash !== transcript.initial.circuitHash) return 'the circuit hash of the key differs';
    return historyDifference(transcript, history.contributions);
  });
  await list.run('history', () => {
    if (!history) return 'the key cannot be read';
    if (keys.length !== transcript.contributions.length + 1) return 'a key file is missing';
    for (const [steps, { file: name, bytes }] of keys.entries()) {
      const own = readHistory(curve, bytes);
      const same =
        own.circuitHash === history.circuitHash &&
        own.contributions.length === steps &&
        own.contributions.every((one, i) => one.hash === history.contributions[i]?.hash);
      if (!same) return `${name} does not hold the first ${steps} contributions`;
    }
    return undefined;
  });
  await checkFromInitial(curve, list, {
    key,
    r1cs,
    r1csBytes,
    ptau,
    history,
    onProgress,
    initial: keys.find((one) => one.file === keyFileName(transcript.circuit, 0))?.bytes,
  });
  const report = reportOf(list, history, {
    provenance,
    circuit: transcript.circuit,
    source: transcript.source,
    ...(circuit && { sourceHash: circuit.sourceHash }),
    ...(r1cs && { constraints: r1cs.constraints }),
    keyFile: file,
    keySha256: sha256(key),
    r1csHash: sha256(r1csBytes),
    ptau: { file: transcript.ptau.file, ...(ptau && { power: ptau.power }), blake2b: ptauFile.blake2b },
  });
  return { report, transcript, key, circuit };
}

/** A ceremony for use is for the circuit that the repository commits to, where it does already. */
async function checkManifest(
  list: Checklist,
  transcript: Transcript,
  circuit: CompiledCircuit | undefined,
  committed: ArtifactRoots | undefined,
): Promise<void> {
  const entry = entryOf(await loadManifest(committed), transcript.circuit);
  if (!circuit) list.add('manifest', 'not run');
  else if (!entry) list.add('manifest', 'waived', `it has no entry of ${transcript.circuit}`);
  else if (entry.r1csHash === circuit.r1csHash && entry.sourceHash === circuit.sourceHash) {
    list.add('manifest', 'passed');
  } else {
    list.add(
      'manifest',
      transcript.provenance === 'ceremony' ? 'failed' : 'waived',
      `it commits to another ${entry.r1csHash === circuit.r1csHash ? 'source' : 'constraint system'} of ${transcript.circuit}`,
    );
  }
}

/** Only a test ceremony may do without public powers of tau, and its report says so. */
function checkOrigin(list: Checklist, ptau: Ptau, claimed: CeremonyReport['provenance']): void {
  if (ptau.listed) list.add('ptau-public', 'passed', ptau.listed.file);
  else if (claimed === 'ceremony') list.add('ptau-public', 'failed', 'no public file has this hash');
  else list.add('ptau-public', 'waived', 'they are not; this is a test ceremony');
}

async function checkPtau(list: Checklist, ptau: Ptau | undefined, r1cs: R1cs | undefined): Promise<void> {
  if (ptau && r1cs) {
    await list.run('ptau-power', () =>
      ptau.power >= powerOf(r1cs)
        ? undefined
        : `the circuit needs 2^${powerOf(r1cs)} rows, the file serves 2^${ptau.power}`,
    );
  } else list.add('ptau-power', 'not run');
  if (ptau) await list.run('ptau-secrets', async () => ptauFault(await singleThreadCurve(), ptau));
  else list.add('ptau-secrets', 'not run');
}

/**
 * The checks of a key by itself: quick, and enough to refuse a key that no one contributed to.
 *
 * @param given `stage`: `empty` for a ceremony that waits for its first contribution
 */
async function checkKey(
  curve: Curve,
  list: Checklist,
  given: {
    bytes: Uint8Array;
    path: string;
    r1cs: R1cs | undefined;
    stage: Exclude<CeremonyState, 'refused'>;
  },
): Promise<KeyHistory | undefined> {
  const { G1, G2 } = curve;
  const same = (a: Uint8Array, b: Uint8Array) => Buffer.from(a).equals(b);
  const { bytes, path, r1cs, stage } = given;
  let key: ProvingKey | undefined;
  let history: KeyHistory | undefined;
  await list.run('shape', () => {
    key = readingFile(path, () => decodeProvingKey(bytes));
    history = readingFile(path, () => readHistory(curve, bytes));
    if (!r1cs) return 'there is no constraint system to compare it with';
    if (key.wires !== r1cs.wires) return `${key.wires} wires instead of ${r1cs.wires}`;
    const domain = domainSizeOf(r1cs);
    return key.domainSize === domain ? undefined : `${key.domainSize} rows instead of ${domain}`;
  });
  if (!key || !history) {
    for (const id of KEY_CHECKS) list.add(id, 'not run');
    return undefined;
  }
  const { alpha1, beta1, beta2, gamma2, delta1, delta2, ic, publicSignals } = key;
  const { contributions } = history;

  await list.run('public-inputs', () => {
    if (!r1cs) return 'there is no constraint system to compare them with';
    const expected = publicSignalCount(r1cs);
    if (publicSignals !== expected) return `${publicSignals} public signals instead of ${expected}`;
    if (expected === 0) return 'a circuit without public signals proves nothing about anything';
    for (let i = 0; i <= publicSignals; i++) {
      const point = ic.subarray(64 * i, 64 * i + 64);
      // The point of the constant may be zero; a signal without a point could have any value.
      if (!G1.isValid(point) || (i > 0 && G1.isZero(point)))
        return `the point of public signal ${i - 1} is no use`;
    }
    return undefined;
  });
  await list.run('alpha', () => faultOfG1(curve, alpha1) ?? generatorFault(same(alpha1, G1.gAffine)));
  await list.run(
    'beta',
    async () =>
      faultOfG1(curve, beta1) ??
      faultOfG2(curve, beta2) ??
      generatorFault(same(beta1, G1.gAffine) || same(beta2, G2.gAffine)) ??
      (await pairFault(curve, beta1, beta2)),
  );
  await list.run('gamma', () =>
    same(gamma2, G2.gAffine) ? undefined : 'it is another point, of unknown origin',
  );
  await list.run(
    'delta-group',
    async () =>
      faultOfG1(curve, delta1) ?? faultOfG2(curve, delta2) ?? (await pairFault(curve, delta1, delta2)),
  );
  // Before the first contribution delta is the generator, and must be: what these checks refuse is a key for use.
  const due = async (id: CheckId, fault: () => string | undefined): Promise<void> => {
    if (stage === 'empty' && contributions.length === 0 && fault()) list.add(id, 'pending', NO_CONTRIBUTION);
    else await list.run(id, fault);
  };
  await due('delta-generator', () => generatorFault(same(delta1, G1.gAffine) || same(delta2, G2.gAffine)));
  await due('delta-gamma', () =>
    same(delta2, gamma2) ? 'they are equal: anyone can forge a proof for any public signals' : undefined,
  );
  await due('contributions', () =>
    contributions.some(({ type }) => type === 'contribution')
      ? undefined
      : 'there is none: everyone knows delta, and so anyone can forge proofs',
  );
  await list.run('steps', () => {
    let before: Uint8Array = G1.gAffine;
    for (const [i, step] of contributions.entries()) {
      for (const point of [step.deltaAfter, step.base, step.multiple]) {
        const fault = faultOfG1(curve, point);
        if (fault) return `contribution ${i + 1}: ${fault}`;
      }
      const fault = faultOfG2(curve, step.multiple2);
      if (fault) return `contribution ${i + 1}: ${fault}`;
      if (same(step.deltaAfter, before)) return `contribution ${i + 1} leaves delta as it was`;
      before = step.deltaAfter;
    }
    return same(before, delta1) ? undefined : 'the delta of the key is not that of the last contribution';
  });

  const beacons = contributions.filter(({ type }) => type === 'beacon');
  const applied = beacons.length > 0 || stage === 'final';
  if (!applied) list.add('beacon', 'pending', 'not applied yet: the key is not final');
  else {
    await list.run('beacon', () => {
      if (beacons.length !== 1) return `there are ${beacons.length}`;
      if (contributions.at(-1)?.type !== 'beacon') return 'a contribution follows it';
      if (contributions.length < 2) return 'no contribution precedes it';
      const { hash, iterationsExponent } = beacons[0]!.beacon!;
      if (hash.length < 64) return `its value has only ${hash.length / 2} bytes`;
      const { least, most } = BEACON_ITERATIONS;
      return iterationsExponent < least || iterationsExponent > most
        ? `2^${iterationsExponent} iterations are outside [2^${least}, 2^${most}]`
        : undefined;
    });
  }
  return history;
}

/** What is said of a key before the first contribution. */
const NO_CONTRIBUTION = 'no contribution yet: never use this key';

/** What cannot be checked of a key that cannot be read. */
const KEY_CHECKS: readonly CheckId[] = [
  'public-inputs',
  'alpha',
  'beta',
  'gamma',
  'delta-group',
  'delta-generator',
  'delta-gamma',
  'contributions',
  'steps',
  'beacon',
];

/** The long checks: everything against the initial key, which is rebuilt. */
async function checkFromInitial(
  curve: Curve,
  list: Checklist,
  given: {
    key: Uint8Array;
    r1cs: R1cs | undefined;
    r1csBytes: Uint8Array;
    ptau: Ptau | undefined;
    history: KeyHistory | undefined;
    onProgress: CeremonyProgress | undefined;
    initial?: Uint8Array | undefined;
  },
): Promise<void> {
  const { key, r1cs, r1csBytes, ptau, history, onProgress } = given;
  // Without either a check has failed, and nothing below runs.
  const ptauBytes = ptau?.bytes ?? new Uint8Array(0);
  let initial: Uint8Array = new Uint8Array(0);
  await list.runLast('initial', async () => {
    if (!ptau || !r1cs) return 'there is nothing to rebuild it from';
    requirePtau(ptau, r1cs, true);
    onProgress?.('Rebuilding the initial key; a circuit of 31,000 constraints takes about a minute', 'step');
    initial = await newKey(r1csBytes, ptauBytes, onProgress);
    if (given.initial && !Buffer.from(initial).equals(given.initial)) {
      return 'the file in the directory differs from the rebuilt one';
    }
    return readHistory(curve, initial).circuitHash === history?.circuitHash
      ? undefined
      : 'the key was made for another circuit or with other powers of tau';
  });
  await list.runLast('points', () => {
    const { c, h } = decodeProvingKey(key);
    for (const [name, points] of [
      ['C', c],
      ['H', h],
    ] as const) {
      for (let offset = 0; offset < points.length; offset += 64) {
        if (!curve.G1.isValid(points.subarray(offset, offset + 64))) {
          return `point ${offset / 64} of section ${name} is not on the curve`;
        }
      }
    }
    return undefined;
  });
  await list.runLast('snarkjs', () => {
    onProgress?.('Verifying the contributions and the key', 'step');
    return verifyFromInitialKey(initial, ptauBytes, key, onProgress);
  });
}

function reportOf(
  list: Checklist,
  history: KeyHistory | undefined,
  facts: Omit<CeremonyReport, 'ok' | 'final' | 'state' | 'contributions' | 'checks'>,
): CeremonyReport {
  const ok = !list.failed;
  const final = ok && list.checks.every(({ outcome }) => outcome === 'passed' || outcome === 'waived');
  const empty = list.checks.some(({ id, outcome }) => id === 'contributions' && outcome === 'pending');
  return {
    ok,
    final,
    state: !ok ? 'refused' : final ? 'final' : empty ? 'empty' : 'open',
    ...facts,
    contributions: (history?.contributions ?? []).map(({ name, type, hash, beacon }) => ({
      name,
      type,
      hash,
      ...(beacon && { beacon }),
    })),
    checks: list.checks,
  };
}

function faultOfG1({ G1 }: Curve, point: Uint8Array): string | undefined {
  return G1.isZero(point) || !G1.isValid(point) ? 'it is zero or not on the curve' : undefined;
}

function faultOfG2({ G2 }: Curve, point: Uint8Array): string | undefined {
  if (G2.isZero(point) || !G2.isValid(point)) return 'it is zero or not on the curve of G2';
  return G2.isZero(G2.timesScalar(point, SCALAR_MODULUS)) ? undefined : 'it is outside the subgroup of G2';
}

function generatorFault(isGenerator: boolean): string | undefined {
  return isGenerator ? 'it is the generator: its secret is 1' : undefined;
}

async function pairFault(curve: Curve, one: Uint8Array, two: Uint8Array): Promise<string | undefined> {
  const { G1, G2 } = curve;
  return (await curve.pairingEq(one, G2.gAffine, G1.neg(G1.gAffine), two))
    ? undefined
    : 'the two groups hold different secrets';
}
