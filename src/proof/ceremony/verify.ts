/**
 * Verification of ceremony keys. snarkjs's own says ok to a key without a single contribution, for which anyone can forge
 * proofs; the checks here close that gap, and tie the key to its circuit, its public powers of tau and its transcript.
 *
 * The equations are those of Bowe, Gabizon and Miers, "Scalable Multi-party Computation for zk-SNARK Parameters in the
 * Random Beacon Model" (eprint 2017/1050), sections 4 and 6. In that protocol gamma is the generator of G2, in the initial
 * key and in the final one, so that soundness rests on delta being another, unknown multiple.
 */
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Curve } from 'snarkjs';
import { ZkMarginError } from '../../errors.ts';
import { type CompiledCircuit, compileFile } from '../compile.ts';
import { singleThreadCurve } from '../curve.ts';
import { SCALAR_MODULUS } from '../field.ts';
import { sha256 } from '../files.ts';
import { domainSizeOf } from '../keys/qap.ts';
import { decodeProvingKey, type ProvingKey } from '../keys/zkey.ts';
import { parseR1cs, publicSignalCount } from '../r1cs.ts';
import { type KeyHistory, readHistory } from './contributions.ts';
import { type Ptau, powerOf, ptauFault, readPtau, requirePtau } from './ptau.ts';
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
 * What became of a check. `waived`: it does not hold, and a test ceremony does not ask for it. `pending`: the ceremony is
 * still open. `not run`: an earlier check failed.
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
  ptau: 'the powers of tau are those of the transcript',
  'ptau-public': 'the powers of tau are a file of the public ceremony',
  'ptau-power': 'the powers of tau suffice for the circuit',
  'ptau-secrets': 'tau, alpha and beta of the powers of tau are neither 0 nor 1',
  source: 'the circuit compiles to the constraint system of the transcript',
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

/** What verification found. */
export interface CeremonyReport {
  /** No check failed. */
  readonly ok: boolean;
  /** The key is closed by a beacon and all checks passed: it may be finalised. */
  readonly final: boolean;
  /** `test ceremony` for powers of tau that no public ceremony made. Such a key must not guard value. */
  readonly provenance: 'ceremony' | 'test ceremony';
  readonly circuit?: string;
  readonly keyFile: string;
  readonly keySha256: string;
  readonly r1csHash: string;
  readonly ptau: { readonly file: string; readonly power: number; readonly blake2b: string };
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
      detail = error instanceof Error ? error.message : String(error);
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
}

/**
 * Verify a final key against a constraint system and powers of tau, without a transcript. A key without a beacon fails.
 *
 * @throws {ZkMarginError} `NOT_FOUND` for a file that is not there
 * @throws {ProofError} `FILE_MALFORMED` for an r1cs or ptau file that is none
 */
export function verifyKeyFile(options: VerifyKeyOptions): Promise<CeremonyReport> {
  return withSnarkjsThreads(() => checkKeyFile(options));
}

async function checkKeyFile(options: VerifyKeyOptions): Promise<CeremonyReport> {
  const [key, r1cs] = await Promise.all([
    readInput(options.zkeyPath, 'zkey'),
    readInput(options.r1csPath, 'r1cs'),
  ]);
  const ptau = await readPtau(options.ptauPath, options.publicPtau ?? PUBLIC_PTAU);
  const list = new Checklist(options.onCheck);
  checkOrigin(list, ptau, options.allowUnlistedPtau ? 'test ceremony' : 'ceremony');
  await checkPtau(list, ptau, r1cs);
  const curve = await singleThreadCurve();
  const history = await checkKey(curve, list, key, r1cs, true);
  await checkFromInitial(curve, list, { key, r1cs, ptau, history, onProgress: options.onProgress });
  return reportOf(list, ptau, basename(options.ptauPath), history, {
    keyFile: basename(options.zkeyPath),
    keySha256: sha256(key),
    r1csHash: sha256(r1cs),
  });
}

/** A ceremony's directory, verified, with the files that were looked at. */
export interface ExaminedCeremony {
  readonly report: CeremonyReport;
  readonly transcript: Transcript;
  /** The newest key. */
  readonly key: Uint8Array;
  readonly r1cs: Uint8Array;
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
 * @throws {ZkMarginError} `NOT_FOUND` for a file that is not there, `MALFORMED` for a damaged transcript
 * @throws {ProofError} `FILE_MALFORMED` for an r1cs or ptau file that is none
 */
export function examineCeremony(options: VerifyCeremonyOptions): Promise<ExaminedCeremony> {
  return withSnarkjsThreads(() => examine(options));
}

async function examine(options: VerifyCeremonyOptions): Promise<ExaminedCeremony> {
  const { onProgress, publicPtau = PUBLIC_PTAU } = options;
  const directory = resolve(options.directory);
  const transcript = await loadTranscript(directory);
  const ptau = await readPtau(options.ptauPath ?? join(directory, transcript.ptau.file), publicPtau);
  const r1cs = await readInput(join(directory, r1csFileName(transcript.circuit)), 'dir');
  const list = new Checklist(options.onCheck);

  await list.run('ptau', () =>
    ptau.blake2b !== transcript.ptau.blake2b || ptau.power !== transcript.ptau.power
      ? 'hash or power differ'
      : undefined,
  );
  if (ptau.listed && transcript.provenance !== 'ceremony') {
    list.add('ptau-public', 'failed', `the transcript calls it a ${transcript.provenance}`);
  } else checkOrigin(list, ptau, transcript.provenance);
  await checkPtau(list, ptau, r1cs);

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
  await list.run('r1cs', () => (sha256(r1cs) === transcript.r1csHash ? undefined : 'its hash differs'));

  const keys: { file: string; bytes: Uint8Array }[] = [];
  await list.run('files', async () => {
    const wrong: string[] = [];
    for (const entry of [transcript.initial, ...transcript.contributions]) {
      const bytes = await readFile(join(directory, entry.file)).catch(() => undefined);
      if (bytes === undefined) wrong.push(`${entry.file} is missing`);
      else if (sha256(bytes) !== entry.sha256) wrong.push(`${entry.file} is another file`);
      if (bytes) keys.push({ file: entry.file, bytes });
    }
    return wrong.length > 0 ? wrong.join(', ') : undefined;
  });

  const { file } = currentKey(transcript);
  const key = keys.find((one) => one.file === file)?.bytes ?? new Uint8Array(0);
  const curve = await singleThreadCurve();
  const history = await checkKey(curve, list, key, r1cs, isClosed(transcript));
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
    ptau,
    history,
    onProgress,
    initial: keys.find((one) => one.file === keyFileName(transcript.circuit, 0))?.bytes,
  });
  const report = reportOf(list, ptau, transcript.ptau.file, history, {
    circuit: transcript.circuit,
    keyFile: file,
    keySha256: sha256(key),
    r1csHash: sha256(r1cs),
  });
  return { report, transcript, key, r1cs, circuit };
}

/** Only a test ceremony may do without public powers of tau, and its report says so. */
function checkOrigin(list: Checklist, ptau: Ptau, claimed: CeremonyReport['provenance']): void {
  if (ptau.listed) list.add('ptau-public', 'passed', ptau.listed.file);
  else if (claimed === 'ceremony') list.add('ptau-public', 'failed', 'no public file has this hash');
  else list.add('ptau-public', 'waived', 'they are not; this is a test ceremony');
}

async function checkPtau(list: Checklist, ptau: Ptau, r1csBytes: Uint8Array): Promise<void> {
  await list.run('ptau-power', () => {
    const r1cs = parseR1cs(r1csBytes);
    return ptau.power >= powerOf(r1cs)
      ? undefined
      : `the circuit needs 2^${powerOf(r1cs)} rows, the file serves 2^${ptau.power}`;
  });
  await list.run('ptau-secrets', async () => ptauFault(await singleThreadCurve(), ptau));
}

/** The checks of a key by itself: quick, and enough to refuse a key that no one contributed to. */
async function checkKey(
  curve: Curve,
  list: Checklist,
  bytes: Uint8Array,
  r1csBytes: Uint8Array,
  closed: boolean,
): Promise<KeyHistory | undefined> {
  const { G1, G2 } = curve;
  const same = (a: Uint8Array, b: Uint8Array) => Buffer.from(a).equals(b);
  const r1cs = parseR1cs(r1csBytes);
  let key: ProvingKey | undefined;
  let history: KeyHistory | undefined;
  await list.run('shape', () => {
    key = decodeProvingKey(bytes);
    history = readHistory(curve, bytes);
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
  await list.run('delta-generator', () =>
    generatorFault(same(delta1, G1.gAffine) || same(delta2, G2.gAffine)),
  );
  await list.run('delta-gamma', () =>
    same(delta2, gamma2) ? 'they are equal: anyone can forge a proof for any public signals' : undefined,
  );
  await list.run('contributions', () =>
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
  const applied = beacons.length > 0 || closed;
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
    r1cs: Uint8Array;
    ptau: Ptau;
    history: KeyHistory | undefined;
    onProgress: CeremonyProgress | undefined;
    initial?: Uint8Array | undefined;
  },
): Promise<void> {
  const { key, r1cs, ptau, history, onProgress } = given;
  let initial: Uint8Array = new Uint8Array(0);
  await list.runLast('initial', async () => {
    requirePtau(ptau, parseR1cs(r1cs), true);
    onProgress?.('Rebuilding the initial key; a circuit of 31,000 constraints takes about a minute', 'step');
    initial = await newKey(r1cs, ptau.bytes, onProgress);
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
    return verifyFromInitialKey(initial, ptau.bytes, key, onProgress);
  });
}

function reportOf(
  list: Checklist,
  ptau: Ptau,
  ptauFile: string,
  history: KeyHistory | undefined,
  facts: Pick<CeremonyReport, 'circuit' | 'keyFile' | 'keySha256' | 'r1csHash'>,
): CeremonyReport {
  const ok = !list.failed;
  return {
    ok,
    final: ok && list.checks.every(({ outcome }) => outcome === 'passed' || outcome === 'waived'),
    provenance: ptau.listed ? 'ceremony' : 'test ceremony',
    ...facts,
    ptau: { file: ptauFile, power: ptau.power, blake2b: ptau.blake2b },
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

async function readInput(path: string, field: string): Promise<Uint8Array> {
  return readFile(path).catch((cause: unknown) => {
    throw new ZkMarginError('NOT_FOUND', `Give a file that can be read: ${basename(path)} cannot.`, {
      field,
      cause,
    });
  });
}
