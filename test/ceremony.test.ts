/**
 * A whole ceremony on real files: powers of tau, two contributions, a beacon, a verifier on a chain that judges a real
 * proof; and every way of getting a weak key past the checks that we could think of.
 */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import type { Groth16Proof, Groth16VerificationKey } from 'snarkjs';
import {
  type Abi,
  type Account,
  type BaseError,
  type Chain,
  createPublicClient,
  createWalletClient,
  decodeErrorResult,
  type Hex,
  http,
  type Transport,
  type WalletClient,
} from 'viem';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Anvil, startAnvil } from '../src/chain/anvil.ts';
import { deployProtocol } from '../src/chain/deploy.ts';
import { includedReceipt } from '../src/chain/receipts.ts';
import { withFileLock } from '../src/file-lock.ts';
import { SCALAR_MODULUS } from '../src/math/fixed/scalar-field.ts';
import { readHistory } from '../src/proof/ceremony/contributions.ts';
import { fileError } from '../src/proof/ceremony/files.ts';
import {
  type FinalizedCeremony,
  finalizeCeremony,
  prepareCeremonyCircuit,
} from '../src/proof/ceremony/finalize.ts';
import { keyOriginOf } from '../src/proof/ceremony/origin.ts';
import { ptauFault, readPtau } from '../src/proof/ceremony/ptau.ts';
import { PUBLIC_PTAU, type PublicPtau } from '../src/proof/ceremony/public-ptau.ts';
import {
  applyBeaconToKey,
  newKey,
  verifyFromInitialKey,
  withSnarkjsThreads,
} from '../src/proof/ceremony/snarkjs.ts';
import { applyBeacon, contribute, initCeremony } from '../src/proof/ceremony/steps.ts';
import {
  keyFileName,
  loadTranscript,
  saveTranscript,
  type Transcript,
} from '../src/proof/ceremony/transcript.ts';
import {
  type CeremonyReport,
  type CheckId,
  type VerifyOptions,
  verifyCeremony,
  verifyKeyFile,
} from '../src/proof/ceremony/verify.ts';
import { type CompiledCircuit, compileFile, compileText, sourceOfText } from '../src/proof/compile.ts';
import { singleThreadCurve } from '../src/proof/curve.ts';
import { ProofError } from '../src/proof/errors.ts';
import { projectRoot, sha256 } from '../src/proof/files.ts';
import {
  buildKeyArtifacts,
  compareKeyArtifacts,
  loadManifest,
  saveManifest,
  writeKeyArtifacts,
} from '../src/proof/keys/artifacts.ts';
import { decodeProvingKey, verificationKeyOf } from '../src/proof/keys/zkey.ts';
import { toCalldata } from '../src/proof/prover/backend.ts';
import { CircuitProver } from '../src/proof/prover/circuit-prover.ts';
import { verifyProof } from '../src/proof/prover/verify.ts';
import { readSections } from '../src/proof/r1cs.ts';
import { toyCircuit } from '../src/proof/testing.ts';
import { circuitText, makePtau } from './ceremony-fixtures.ts';

const CIRCUIT = 'ceremony-product';
const BEACON = '7b1f2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9';
const PUBLIC_CHAIN = 8453;

/** Options for a space of its own for mounts, which ends with its process. */
const APART = ['--mount', ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'])];
function canMount(): boolean {
  try {
    execFileSync('unshare', [...APART, 'mount', '-t', 'tmpfs', 'tmpfs', tmpdir()], { stdio: 'ignore' });
    return true;
  } catch {
    console.warn('left out: this machine lets no test mount a small file system');
    return false;
  }
}

let folder: string;
/** The finished ceremony, and the state of its directory after the beginning. */
let done: string;
let fresh: string;
let ptauPath: string;
let publicPtau: readonly PublicPtau[];
let circuit: CompiledCircuit;
let source: string;
/** What the repository would have committed to: the folder of the circuit, and the manifest after the ceremony. */
let trusted: Required<Pick<VerifyOptions, 'publicPtau' | 'circuitFolder' | 'committed'>>;
let otherCircuit: CompiledCircuit;
let finalized: FinalizedCeremony;
let copies = 0;
/** Lets the threads go that all tests share. */
let release: () => void;
let released: Promise<void>;

const at = (...parts: string[]) => join(folder, ...parts);
const keyName = (index: number) => keyFileName(CIRCUIT, index);
const finalName = keyFileName(CIRCUIT, 3, 'beacon');

const init = (directory: string, more: Partial<Parameters<typeof initCeremony>[0]> = {}) =>
  initCeremony({ circuit, source, ptauPath, directory, ...trusted, ...more });

/** A copy of a ceremony's directory, to be damaged. */
async function copyOf(directory: string): Promise<string> {
  const copy = at(`copy-${copies++}`);
  await cp(directory, copy, { recursive: true });
  return copy;
}

const verify = (directory: string) => verifyCeremony({ directory, ...trusted });

function failedChecks(report: CeremonyReport): CheckId[] {
  expect(report.ok).toBe(false);
  expect(report.final).toBe(false);
  return report.checks.filter(({ outcome }) => outcome === 'failed').map(({ id }) => id);
}

/** A file that takes no room, however large. */
async function truncateNew(path: string, bytes: number): Promise<void> {
  await writeFile(path, '');
  await truncate(path, bytes);
}

async function editTranscript(directory: string, edit: (transcript: Transcript) => unknown): Promise<void> {
  const transcript = await loadTranscript(directory);
  edit(transcript);
  await saveTranscript(directory, transcript);
}

/** The checks that a copy of the finished ceremony fails after an edit of its transcript. */
async function failuresAfterEdit(edit: (transcript: Transcript) => unknown): Promise<CheckId[]> {
  const copy = await copyOf(done);
  await editTranscript(copy, edit);
  return failedChecks(await verify(copy));
}

/** The checks that a damaged final key fails when the transcript is made to agree with the damage. */
async function failuresOfKey(damage: (key: Buffer) => void): Promise<CheckId[]> {
  const copy = await copyOf(done);
  const key = await readFile(join(copy, finalName));
  damage(key);
  await writeFile(join(copy, finalName), key);
  await editTranscript(copy, (transcript) => {
    transcript.contributions.at(-1)!.sha256 = sha256(key);
  });
  return failedChecks(await verify(copy));
}

/** Offsets in a .zkey file. The header's points follow 84 bytes of sizes. */
function offsets(key: Uint8Array) {
  const sections = readSections(key, 'zkey');
  const header = sections.get(2)!.offset + 84;
  return {
    alpha1: header,
    beta1: header + 64,
    beta2: header + 128,
    gamma2: header + 256,
    delta1: header + 384,
    delta2: header + 448,
    c: sections.get(8)!.offset,
    h: sections.get(9)!.offset,
    history: sections.get(10)!.offset,
  };
}

/** A = alpha, B = beta, C = -IC(signals): a proof for any signals where delta = gamma. Uses the verification key alone. */
async function forge(key: Groth16VerificationKey, signals: readonly bigint[]): Promise<Groth16Proof> {
  const { G1 } = await singleThreadCurve();
  const point = (p: readonly string[]) => G1.fromObject(p.map(BigInt));
  let inputs = point(key.IC[0]!);
  signals.forEach((signal, i) => {
    inputs = G1.add(inputs, G1.timesScalar(point(key.IC[i + 1]!), signal));
  });
  return {
    pi_a: key.vk_alpha_1,
    pi_b: key.vk_beta_2,
    pi_c: (G1.toObject(G1.toAffine(G1.neg(inputs))) as bigint[]).map(String),
    protocol: 'groth16',
    curve: 'bn128',
  };
}

beforeAll(async () => {
  released = withSnarkjsThreads(
    () =>
      new Promise<void>((resolve) => {
        release = resolve;
      }),
  );
  folder = await mkdtemp(join(tmpdir(), 'zkmargin-ceremony-'));
  const compiled = await compileText(CIRCUIT, circuitText(0));
  source = relative(
    projectRoot,
    join(
      projectRoot,
      'build/test-circuits/sources',
      sha256(circuitText(0)).slice(0, 16),
      `${CIRCUIT}.circom`,
    ),
  );
  circuit = await compileFile(source);
  expect(circuit.r1csHash).toBe(compiled.r1csHash);
  otherCircuit = await compileText(CIRCUIT, circuitText(1));
  ptauPath = at('powers.ptau');
  await makePtau(7, ptauPath);
  const { blake2b } = await readPtau(ptauPath);
  // The flow of a public ceremony, with this file in the place of a published one.
  publicPtau = [{ file: 'published.ptau', power: 7, blake2b }];
  trusted = { publicPtau, circuitFolder: dirname(source), committed: { keys: at('keys') } };

  done = at('done');
  await init(done, { beaconPlan: 'drand quicknet, round 1234567' });
  fresh = at('fresh');
  await cp(done, fresh, { recursive: true });
  await contribute({ directory: done, name: 'Alice' });
  await contribute({ directory: done, name: 'Bob Émile', entropy: 'sentinel-of-bob' });
  await applyBeacon({
    directory: done,
    hash: `0x${BEACON.toUpperCase()}`,
    iterationsExponent: 10,
    source: 'drand quicknet, round 1234567',
  });
  finalized = await finalizeCeremony({ directory: done, ...trusted, out: at('keys') });
});

afterAll(async () => {
  release?.();
  await released;
  await rm(folder, { recursive: true, force: true });
});

describe('the list of public powers of tau', () => {
  it('is the table in the README of the installed snarkjs', async () => {
    const readme = await readFile(
      join(createRequire(import.meta.url).resolve('snarkjs'), '../../README.md'),
      'utf8',
    );
    const rows = [
      ...readme.matchAll(
        /^\|\s*(\d+)\s*\|[^|]*\| \[(powersOfTau28_hez_final[^\]]*)\]\([^)]*\)\s*\|\s*([0-9a-f]+)/gm,
      ),
    ];
    expect(rows.length).toBe(21);
    expect(PUBLIC_PTAU).toEqual(
      rows.map(([, power, file, blake2b]) => ({ file, power: Number(power), blake2b })),
    );
  });
});

describe('a ceremony', () => {
  it('verifies, and tells who contributed what', async () => {
    const report = await verify(done);
    expect(report.checks.filter(({ outcome }) => outcome !== 'passed')).toEqual([]);
    expect(report).toMatchObject({ ok: true, final: true, provenance: 'ceremony', circuit: CIRCUIT });
    expect(report.contributions.map(({ name, type }) => [name, type])).toEqual([
      ['Alice', 'contribution'],
      ['Bob Émile', 'contribution'],
      ['beacon', 'beacon'],
    ]);
    expect(report.contributions[2]!.beacon).toEqual({ hash: BEACON, iterationsExponent: 10 });
    const transcript = await loadTranscript(done);
    expect(report.contributions.map(({ hash }) => hash)).toEqual(
      transcript.contributions.map(({ hash }) => hash),
    );
    expect(new Set(report.contributions.map(({ hash }) => hash)).size).toBe(3);
    expect(transcript.beaconPlan).toBe('drand quicknet, round 1234567');
    // By its files alone, without the transcript.
    const alone = await verifyKeyFile({
      zkeyPath: join(done, finalName),
      r1csPath: join(done, `${CIRCUIT}.r1cs`),
      ptauPath,
      ...trusted,
    });
    expect(alone).toMatchObject({ ok: true, final: true });
  });

  it('keeps nothing of a contributor but name and hash', async () => {
    for (const file of await readdir(done)) {
      const bytes = await readFile(join(done, file));
      expect(bytes.includes('sentinel-of-bob'), file).toBe(false);
    }
    expect(await readdir(done)).toEqual(
      [
        `${CIRCUIT}.r1cs`,
        'published.ptau',
        'transcript.json',
        keyName(0),
        keyName(1),
        keyName(2),
        finalName,
      ].sort(),
    );
  });

  it('is in order and not final while it is open', async () => {
    const open = await copyOf(fresh);
    await contribute({ directory: open, name: 'Carol' });
    const report = await verify(open);
    expect(report).toMatchObject({ ok: true, final: false });
    expect(report.checks.filter(({ outcome }) => outcome !== 'passed').map(({ id }) => id)).toEqual([
      'beacon',
    ]);
    await expect(finalizeCeremony({ directory: open, ...trusted, out: at('unused') })).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    const alone = await verifyKeyFile({
      zkeyPath: join(open, keyName(1)),
      r1csPath: join(open, `${CIRCUIT}.r1cs`),
      ptauPath,
      ...trusted,
    });
    expect(failedChecks(alone)).toEqual(['beacon']);
  });

  it('refuses steps out of turn', async () => {
    await expect(contribute({ directory: done, name: 'Late' })).rejects.toMatchObject({ code: 'CONFLICT' });
    const beacon = { hash: BEACON, iterationsExponent: 10 };
    await expect(applyBeacon({ directory: done, ...beacon })).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(applyBeacon({ directory: fresh, ...beacon })).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(init(done)).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(contribute({ directory: at('nowhere'), name: 'Eve' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    // A key that the transcript does not name: a run was interrupted.
    const interrupted = await copyOf(fresh);
    await cp(join(done, keyName(1)), join(interrupted, keyName(1)));
    await writeFile(join(interrupted, `${keyName(1)}.123.0123abcd.tmp`), 'half a key');
    await expect(contribute({ directory: interrupted, name: 'Eve' })).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { file: keyName(1) },
    });
    expect((await readdir(interrupted)).filter((file) => file.endsWith('.tmp'))).toEqual([]);
    // So was the closing: its key looks final, and would lack what follows.
    const closing = await copyOf(fresh);
    await cp(join(done, finalName), join(closing, finalName));
    await expect(contribute({ directory: closing, name: 'Eve' })).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { file: finalName },
    });
    // One that stood still so long that another contributor's machine took its turn.
    const overtaken = await copyOf(fresh);
    const before = await readdir(overtaken);
    const late = contribute({
      directory: overtaken,
      name: 'Late',
      onProgress: () => writeFileSync(join(overtaken, 'transcript.json.lock.2'), '{}'),
    });
    await expect(late).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('stood still'),
    });
    expect((await readdir(overtaken)).filter((file) => !file.includes('.lock.'))).toEqual(before);
    expect((await loadTranscript(overtaken)).contributions).toEqual([]);
    // Keys without a transcript.
    const orphaned = at('orphaned');
    await mkdir(orphaned);
    await cp(join(done, finalName), join(orphaned, finalName));
    await expect(init(orphaned)).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  it('refuses names, beacons and newest keys that will not do', async () => {
    for (const name of ['', ' Alice', 'Al\nice', '\u001b[2JAlice', 'x'.repeat(65)]) {
      await expect(contribute({ directory: fresh, name }), name).rejects.toMatchObject({ code: 'MALFORMED' });
    }
    for (const hash of ['', 'xyz', BEACON.slice(2), '00'.repeat(32), `${BEACON}0`]) {
      await expect(
        applyBeacon({ directory: done, hash, iterationsExponent: 10 }),
        hash,
      ).rejects.toMatchObject({ code: 'MALFORMED' });
    }
    for (const iterationsExponent of [9, 31, 10.5, Number.NaN]) {
      await expect(applyBeacon({ directory: done, hash: BEACON, iterationsExponent })).rejects.toMatchObject({
        code: 'OUT_OF_RANGE',
      });
    }
    const swapped = await copyOf(fresh);
    await cp(join(done, keyName(1)), join(swapped, keyName(0)));
    await expect(contribute({ directory: swapped, name: 'Eve' })).rejects.toMatchObject({
      code: 'KEY_MISMATCH',
    });
    // The same with a transcript that agrees with the file, and not with the contributions in it.
    await editTranscript(swapped, (transcript) => {
      transcript.initial.sha256 = sha256(Buffer.alloc(0));
    });
    await writeFile(join(swapped, keyName(0)), '');
    await expect(contribute({ directory: swapped, name: 'Eve' })).rejects.toMatchObject({
      code: 'FILE_MALFORMED',
    });
  });
});

describe('powers of tau', () => {
  it('are refused when too small, unlisted, unprepared or without a secret', async () => {
    const small = at('small.ptau');
    await makePtau(4, small);
    await expect(init(at('a'), { ptauPath: small, allowUnlistedPtau: true })).rejects.toMatchObject({
      code: 'OUT_OF_RANGE',
      details: { power: 4, needed: 7 },
    });
    await expect(init(at('a'), { publicPtau: PUBLIC_PTAU })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('powersOfTau28_hez_final_08.ptau'),
    });
    const curve = await singleThreadCurve();
    const empty = at('empty.ptau');
    await makePtau(2, empty, 0);
    expect(ptauFault(curve, await readPtau(empty))).toMatch(/^tau is 1/);
    expect(ptauFault(curve, await readPtau(small))).toBeUndefined();
    const bytes = await readFile(small);
    const alpha = readSections(bytes, 'ptau').get(4)!.offset;
    bytes.set(curve.G1.gAffine, alpha);
    await writeFile(small, bytes);
    expect(ptauFault(curve, await readPtau(small))).toMatch(/^alpha is 1/);
    await expect(init(at('a'), { ptauPath: join(done, finalName) })).rejects.toMatchObject({
      code: 'FILE_MALFORMED',
    });
    await expect(init(at('a'), { ptauPath: at('none.ptau') })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('are those of the transcript, and listed as it says', async () => {
    const copy = await copyOf(done);
    const file = join(copy, 'published.ptau');
    const bytes = await readFile(file);
    // One byte at the end, in a section that no check reads.
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(file, bytes);
    expect(failedChecks(await verify(copy))).toEqual(['ptau', 'ptau-public']);
    expect(
      failedChecks(await verifyCeremony({ directory: done, ...trusted, publicPtau: PUBLIC_PTAU })),
    ).toEqual(['ptau-public']);
  });
});

describe('a key without contributions', () => {
  it('is good to snarkjs, lets anyone forge proofs, and is refused here', async () => {
    const key = await readFile(join(fresh, keyName(0)));
    const ptau = await readFile(ptauPath);
    const r1cs = await readFile(circuit.r1csPath);
    expect(await verifyFromInitialKey(await newKey(r1cs, ptau), ptau, key)).toBeUndefined();

    const curve = await singleThreadCurve();
    const weak = verificationKeyOf(curve, decodeProvingKey(key));
    // 7 is prime to every pair of factors that were never given, and the signals are anybody's choice.
    const signals = [7n, 123_456_789n];
    const forged = await forge(weak, signals);
    expect(await verifyProof(weak, signals.map(String), forged)).toBe(true);
    const sound = JSON.parse(await readFile(finalized.verificationKeyPath, 'utf8')) as Groth16VerificationKey;
    expect(await verifyProof(sound, signals.map(String), await forge(sound, signals))).toBe(false);
    expect(await verifyProof(sound, signals.map(String), forged)).toBe(false);

    const refused: CheckId[] = ['delta-generator', 'delta-gamma', 'contributions'];
    // To whoever would contribute first, it is the beginning; to anybody else no key.
    const beginning = await verify(fresh);
    expect(beginning).toMatchObject({ ok: true, final: false, state: 'empty' });
    expect(
      beginning.checks.flatMap(({ id, outcome, detail }) =>
        outcome === 'passed' ? [] : [[id, outcome, detail]],
      ),
    ).toEqual([
      ...refused.map((id) => [id, 'pending', 'no contribution yet: never use this key']),
      ['beacon', 'pending', expect.any(String)],
    ]);
    await expect(finalizeCeremony({ directory: fresh, ...trusted, out: at('unused') })).rejects.toMatchObject(
      { code: 'KEY_INVALID', details: { failed: refused.join(', ') } },
    );
    const alone = await verifyKeyFile({
      zkeyPath: join(fresh, keyName(0)),
      r1csPath: join(fresh, `${CIRCUIT}.r1cs`),
      ptauPath,
      ...trusted,
    });
    expect(failedChecks(alone)).toEqual([...refused, 'beacon']);
  });

  it('is refused with a beacon alone: its delta is public', async () => {
    const { key } = await applyBeaconToKey(await readFile(join(fresh, keyName(0))), 'beacon', BEACON, 10);
    const zkeyPath = at('beacon-alone.zkey');
    await writeFile(zkeyPath, key);
    const report = await verifyKeyFile({ zkeyPath, r1csPath: circuit.r1csPath, ptauPath, ...trusted });
    expect(failedChecks(report)).toEqual(['contributions', 'beacon']);
  });
});

describe('a damaged key is refused', () => {
  it('with delta = gamma, delta = generator, and other points of the header', async () => {
    const curve = await singleThreadCurve();
    const { G1, G2 } = curve;
    const original = await readFile(join(done, finalName));
    const place = offsets(original);
    expect(await failuresOfKey((key) => key.set(G2.gAffine, place.delta2))).toEqual([
      'delta-group',
      'delta-generator',
      'delta-gamma',
    ]);
    expect(
      await failuresOfKey((key) =>
        key.set(original.subarray(place.delta2, place.delta2 + 128), place.gamma2),
      ),
    ).toEqual(['gamma', 'delta-gamma']);
    expect(
      await failuresOfKey((key) => {
        key.set(G1.gAffine, place.delta1);
        key.set(G2.gAffine, place.delta2);
      }),
    ).toEqual(['delta-generator', 'delta-gamma', 'steps']);
    expect(await failuresOfKey((key) => key.set(G1.gAffine, place.alpha1))).toEqual(['alpha']);
    expect(await failuresOfKey((key) => key.fill(0, place.alpha1, place.alpha1 + 64))).toEqual(['alpha']);
    expect(await failuresOfKey((key) => key.set(G1.gAffine, place.beta1))).toEqual(['beta']);
    expect(
      await failuresOfKey((key) => key.set(original.subarray(place.delta1, place.delta1 + 64), place.beta1)),
    ).toEqual(['beta']);
    // Another alpha is a sound point: the rebuilt key tells.
    expect(
      await failuresOfKey((key) => key.set(original.subarray(place.delta1, place.delta1 + 64), place.alpha1)),
    ).toEqual(['snarkjs']);
  });

  it('with other points in its sections', async () => {
    const { G1 } = await singleThreadCurve();
    const place = offsets(await readFile(join(done, finalName)));
    expect(await failuresOfKey((key) => key.set(G1.gAffine, place.c + 64))).toEqual(['snarkjs']);
    expect(await failuresOfKey((key) => key.set(G1.gAffine, place.h))).toEqual(['snarkjs']);
    expect(
      await failuresOfKey((key) => {
        key[place.h + 3]! ^= 1;
      }),
    ).toEqual(['points']);
  });

  it('with other contributions, or an endless beacon', async () => {
    const original = await readFile(join(done, finalName));
    const history = readHistory(await singleThreadCurve(), original);
    const { history: start } = offsets(original);
    const find = (bytes: Uint8Array) => original.indexOf(bytes, start);
    const [alice, bob, beacon] = history.contributions;
    expect(await failuresOfKey((key) => key.set(alice!.deltaAfter, find(bob!.deltaAfter)))).toEqual([
      'steps',
      'transcript',
      'history',
    ]);
    expect(await failuresOfKey((key) => key.set(alice!.multiple, find(bob!.multiple)))).toEqual([
      'transcript',
      'history',
    ]);
    // Names and iterations are in no contribution hash.
    expect(await failuresOfKey((key) => key.write('Mallo', find(Buffer.from('Alice'))))).toEqual([
      'transcript',
    ]);
    const exponent = find(Buffer.from(BEACON, 'hex')) - 3;
    expect(original[exponent]).toBe(beacon!.beacon!.iterationsExponent);
    expect(
      await failuresOfKey((key) => {
        key[exponent] = 63;
      }),
    ).toEqual(['beacon', 'transcript']);
    expect(await failuresOfKey((key) => key.writeUInt32LE(2, start + 64))).toContain('shape');
  });
});

describe('a ceremony is refused', () => {
  it('for another circuit', async () => {
    expect(otherCircuit.r1csHash).not.toBe(circuit.r1csHash);
    const report = await verifyKeyFile({
      zkeyPath: join(done, finalName),
      r1csPath: otherCircuit.r1csPath,
      ptauPath,
      ...trusted,
      allowOtherCircuit: true,
    });
    expect(failedChecks(report)).toEqual(['initial']);
    expect(report.checks.filter(({ outcome }) => outcome === 'not run').map(({ id }) => id)).toEqual([
      'points',
      'snarkjs',
    ]);
    const copy = await copyOf(done);
    await cp(otherCircuit.r1csPath, join(copy, `${CIRCUIT}.r1cs`));
    expect(failedChecks(await verify(copy))).toEqual(['r1cs']);
    await editTranscript(copy, (transcript) => {
      transcript.r1csHash = otherCircuit.r1csHash;
    });
    expect(failedChecks(await verify(copy))).toEqual(['source']);
    await cp((await compileFile(toyCircuit)).r1csPath, join(copy, `${CIRCUIT}.r1cs`));
    expect(failedChecks(await verify(copy))).toEqual([
      'ptau-power',
      'source',
      'r1cs',
      'shape',
      'public-inputs',
    ]);
  });

  it('with a swapped, missing or foreign key file', async () => {
    const copy = await copyOf(done);
    const foreign = await copyOf(fresh);
    await contribute({ directory: foreign, name: 'Alice' });
    await cp(join(foreign, keyName(1)), join(copy, keyName(1)));
    expect(failedChecks(await verify(copy))).toEqual(['files', 'history']);
    const bytes = await readFile(join(copy, keyName(1)));
    await editTranscript(copy, (transcript) => {
      transcript.contributions[0]!.sha256 = sha256(bytes);
    });
    expect(failedChecks(await verify(copy))).toEqual(['history']);
    await rm(join(copy, keyName(1)));
    expect(failedChecks(await verify(copy))).toEqual(['files', 'history']);
    // An initial key of another circuit, with its hash in the transcript.
    const initial = await copyOf(done);
    const other = await newKey(await readFile(otherCircuit.r1csPath), await readFile(ptauPath));
    await writeFile(join(initial, keyName(0)), other);
    await editTranscript(initial, (transcript) => {
      transcript.initial.sha256 = sha256(other);
    });
    expect(failedChecks(await verify(initial))).toEqual(['history']);
  });

  it('with an edited transcript', async () => {
    const entry = (transcript: Transcript, index: number) => transcript.contributions[index]!;
    const other = BEACON.replace('7b', '7c');
    for (const [edit, check] of [
      [(t) => Object.assign(entry(t, 0), { name: 'Mallory' }), 'transcript'],
      [(t) => Object.assign(entry(t, 1), { hash: entry(t, 0).hash }), 'transcript'],
      [(t) => Object.assign(entry(t, 2).beacon!, { hash: other }), 'transcript'],
      [(t) => Object.assign(entry(t, 2).beacon!, { iterationsExponent: 20 }), 'transcript'],
      [(t) => Object.assign(t.initial, { circuitHash: '00'.repeat(64) }), 'transcript'],
      [(t) => Object.assign(t, { provenance: 'test ceremony' }), 'ptau-public'],
      [(t) => Object.assign(t.ptau, { power: 8 }), 'ptau'],
      [(t) => Object.assign(t, { sourceHash: '00'.repeat(32) }), 'source'],
    ] as [(transcript: Transcript) => unknown, CheckId][]) {
      expect(await failuresAfterEdit(edit), String(edit)).toEqual([check]);
    }
    // Without the beacon's step it is an open ceremony, which no one may finalise.
    const reopened = await copyOf(done);
    await editTranscript(reopened, (transcript) => transcript.contributions.pop());
    expect(await verify(reopened)).toMatchObject({ ok: true, final: false });
    for (const edit of [
      (t: Transcript) => t.contributions.shift(),
      (t: Transcript) => Object.assign(entry(t, 0), { file: keyName(2) }),
      (t: Transcript) => Object.assign(entry(t, 0), { file: '../other.zkey' }),
      (t: Transcript) => Object.assign(entry(t, 2), { beacon: undefined }),
      (t: Transcript) => Object.assign(t, { approved: true }),
      (t: Transcript) => Object.assign(t, { circuit: '../circuit' }),
    ]) {
      const copy = await copyOf(done);
      const transcript = JSON.parse(await readFile(join(copy, 'transcript.json'), 'utf8')) as Transcript;
      edit(transcript);
      await writeFile(join(copy, 'transcript.json'), JSON.stringify(transcript));
      await expect(verify(copy), String(edit)).rejects.toMatchObject({ code: 'MALFORMED' });
    }
  });
});

describe('the finished key', () => {
  it('is in the manifest with its ceremony, and no development key takes its place', async () => {
    const { [CIRCUIT]: entry } = (await loadManifest({ keys: at('keys') })).circuits;
    const transcript = await loadTranscript(done);
    expect(entry).toMatchObject({
      contract: 'CeremonyProductCeremonyVerifier',
      provenance: 'ceremony',
      r1csHash: circuit.r1csHash,
      publicSignals: ['product', 'context'],
      ceremony: {
        contributions: transcript.contributions.slice(0, 2).map(({ name, hash }) => ({ name, hash })),
        beacon: { hash: BEACON, iterationsExponent: 10, contributionHash: transcript.contributions[2]!.hash },
        ptau: { file: 'published.ptau', power: 7, blake2b: publicPtau[0]!.blake2b },
        zkeySha256: sha256(await readFile(join(done, finalName))),
      },
    });
    // The same ceremony again: the same files. From here on in a copy.
    const out = at('keys-to-replace');
    await cp(at('keys'), out, { recursive: true });
    const again = await finalizeCeremony({ directory: done, ...trusted, out });
    expect(again.entry).toEqual(entry);
    for (const file of ['ceremony/ceremony-product.zkey', 'ceremony/CeremonyProductCeremonyVerifier.sol']) {
      expect(await readFile(join(out, file))).toEqual(await readFile(at('keys', file)));
    }

    const copied = { keys: out, verifiers: join(out, 'contracts') };
    const development = await buildKeyArtifacts(source, { roots: copied });
    await writeKeyArtifacts([development], copied);
    expect((await loadManifest(copied)).circuits[CIRCUIT]).toEqual(entry);
    expect(await compareKeyArtifacts([development], copied)).toEqual([]);
    const changed = { ...development, entry: { ...development.entry, r1csHash: '00'.repeat(32) } };
    await expect(writeKeyArtifacts([changed], copied)).rejects.toMatchObject({ code: 'KEY_MISMATCH' });

    // Another ceremony's key neither, unless forced.
    const second = await copyOf(fresh);
    await contribute({ directory: second, name: 'Dave' });
    await applyBeacon({ directory: second, hash: BEACON, iterationsExponent: 10 });
    const options = { directory: second, ...trusted, out };
    await expect(finalizeCeremony(options)).rejects.toMatchObject({ code: 'CONFLICT', field: 'out' });
    const forced = await finalizeCeremony({ ...options, force: true });
    expect(forced.entry).not.toEqual(entry);
    expect((await loadManifest(copied)).circuits[CIRCUIT]).toEqual(forced.entry);
    await writeKeyArtifacts([development], copied, { force: true });
    expect((await loadManifest(copied)).circuits[CIRCUIT]!.provenance).toBe('development');
  });

  it('judges proofs on a public chain', async () => {
    const proverCircuit = await prepareCeremonyCircuit(CIRCUIT, { roots: { keys: at('keys') } });
    const prover = new CircuitProver([proverCircuit]);
    const input = { product: '15', context: '7', left: '3', right: '5' };
    const { calldata, publicSignals } = await prover.prove({ circuit: CIRCUIT, input });
    await prover.close();
    expect(publicSignals).toEqual(['15', '7']);

    const anvil = await startAnvil({ chainId: PUBLIC_CHAIN });
    try {
      const { wallet, client } = clients(anvil);
      const { abi, bytecode } = compileContract(
        await readFile(finalized.verifierPath, 'utf8'),
        finalized.entry.contract,
      );
      const hash = await wallet.deployContract({ abi, bytecode, args: [], chain: null });
      const { contractAddress, status } = await includedReceipt(client, hash);
      expect(status).toBe('success');
      const read = (functionName: string, args: unknown[] = []) =>
        client.readContract({ address: contractAddress!, abi, functionName, args });
      const judge = (proof: typeof calldata, signals: readonly bigint[]) =>
        read('verifyProof', [
          proof.a.map(BigInt),
          proof.b.map((pair) => pair.map(BigInt)),
          proof.c.map(BigInt),
          signals,
        ]);
      const signals = publicSignals.map(BigInt);
      expect(await judge(calldata, signals)).toBe(true);
      expect(await judge(calldata, [16n, 7n])).toBe(false);
      expect(await judge(calldata, [15n, 8n])).toBe(false);
      expect(await judge(calldata, [15n, 7n + SCALAR_MODULUS])).toBe(false);
      expect(await judge({ ...calldata, a: calldata.c }, signals)).toBe(false);
      // The forgery that a key without contributions lets through.
      expect(await judge(toCalldata(await forge(proverCircuit.verificationKey, [7n, 7n])), [7n, 7n])).toBe(
        false,
      );
      expect(await read('VERIFICATION_KEY_HASH')).toBe(`0x${finalized.entry.verificationKeyHash}`);
    } finally {
      await anvil.stop();
    }
    await writeFile(proverCircuit.zkeyPath, await readFile(join(fresh, keyName(0))));
    await expect(prepareCeremonyCircuit(CIRCUIT, { roots: { keys: at('keys') } })).rejects.toMatchObject({
      code: 'KEY_MISMATCH',
    });
  });
});

/** Twelve constraints with as many public signals as the circuits of insolvency have. */
const FOREIGN = `pragma circom 2.2.0;
template Foreign() {
    signal input words[14];
    signal input hint;
    signal squares[12];
    for (var i = 0; i < 12; i++) squares[i] <== words[i] * (hint + i);
}
component main { public [words] } = Foreign();
`;

describe('a circuit under the name of another', () => {
  const name = 'insolvency-8';
  const place = sourceOfText(name, FOREIGN);
  const disguised = `circuits/main/../../${place}`;
  let foreign: CompiledCircuit;
  let directory: string;

  beforeAll(async () => {
    foreign = await compileText(name, FOREIGN);
    directory = at('foreign');
    await begin({ allowOtherCircuit: true });
    await contribute({ directory, name: 'Mallory' });
    await applyBeacon({ directory, hash: BEACON, iterationsExponent: 10 });
  });

  const begin = (more: Partial<Parameters<typeof initCeremony>[0]>) =>
    initCeremony({ circuit: foreign, source: place, ptauPath, publicPtau, directory, ...more });

  it('begins no ceremony', async () => {
    for (const own of [place, disguised]) {
      await expect(begin({ source: own, directory: at('unused') })).rejects.toMatchObject({
        code: 'UNSUPPORTED',
        field: 'circuit',
        message: expect.stringContaining('--allow-other-circuit'),
      });
    }
    expect(await readdir(folder)).not.toContain('unused');
  });

  it('is good for a test ceremony, which says what it is for', async () => {
    expect((await loadTranscript(directory)).provenance).toBe('test ceremony');
    const report = await verifyCeremony({ directory, publicPtau });
    expect(report).toMatchObject({
      state: 'final',
      provenance: 'test ceremony',
      source: place,
      sourceHash: foreign.sourceHash,
      constraints: 12,
    });
    expect(report.checks.filter(({ outcome }) => outcome === 'waived').map(({ id }) => id)).toEqual([
      'circuit',
      'manifest',
    ]);
    const alone = {
      zkeyPath: join(directory, keyFileName(name, 2, 'beacon')),
      r1csPath: foreign.r1csPath,
      ptauPath,
      publicPtau,
    };
    expect(failedChecks(await verifyKeyFile(alone))).toEqual(['manifest']);
    expect(await verifyKeyFile({ ...alone, allowOtherCircuit: true })).toMatchObject({
      final: true,
      provenance: 'test ceremony',
    });
  });

  it('is refused as a ceremony, whatever the transcript says of its source', async () => {
    for (const [own, checks] of [
      [place, ['circuit', 'manifest']],
      [disguised, ['circuit', 'manifest']],
      [`./${place}`, ['circuit', 'manifest']],
      // The repository's own circuit, which is another.
      [`circuits/main/${name}.circom`, ['source']],
    ] as const) {
      const copy = await copyOf(directory);
      await editTranscript(copy, (t) => Object.assign(t, { provenance: 'ceremony', source: own }));
      expect(failedChecks(await verifyCeremony({ directory: copy, publicPtau })), own).toEqual(checks);
      await expect(
        finalizeCeremony({ directory: copy, publicPtau, out: at('unused'), force: true }),
      ).rejects.toMatchObject({ code: 'KEY_INVALID' });
    }
  });

  it('is refused when its source is a link', async () => {
    const links = `build/test-circuits/sources/link-${randomBytes(6).toString('hex')}`;
    await mkdir(join(projectRoot, links));
    try {
      const link = `${links}/${CIRCUIT}.circom`;
      await symlink(join(projectRoot, source), join(projectRoot, link));
      const copy = await copyOf(done);
      await editTranscript(copy, (t) => Object.assign(t, { source: link }));
      const options = { directory: copy, ...trusted, circuitFolder: links };
      expect(failedChecks(await verifyCeremony(options))).toEqual(['circuit']);
    } finally {
      await rm(join(projectRoot, links), { recursive: true });
    }
  });

  it('is refused when the committed manifest has another', async () => {
    for (const field of ['r1csHash', 'sourceHash'] as const) {
      const roots = { keys: at(`manifest-${field}`) };
      const manifest = await loadManifest({ keys: at('keys') });
      manifest.circuits[CIRCUIT]![field] = '00'.repeat(32);
      await saveManifest(manifest, roots);
      const report = await verifyCeremony({ directory: done, ...trusted, committed: roots });
      expect(failedChecks(report), field).toEqual(['manifest']);
    }
  });

  it('does not replace the entry of that name unless forced', async () => {
    const out = at('keys-of-the-name');
    const committed = await loadManifest();
    await saveManifest(committed, { keys: out });
    const options = { directory, publicPtau, out };
    await expect(finalizeCeremony(options)).rejects.toMatchObject({
      code: 'CONFLICT',
      field: 'out',
      details: { presentSource: `circuits/main/${name}.circom`, newSource: place },
    });
    expect(await loadManifest({ keys: out })).toEqual(committed);
    expect(await readdir(out)).toEqual(['manifest.json']);
    const { entry } = await finalizeCeremony({ ...options, force: true });
    expect(entry).toMatchObject({ provenance: 'test ceremony', source: place, constraints: 12 });
  });
});

describe('what cannot be read again is not written', () => {
  it('such as a plan or a source that is empty, too long or commands a terminal', async () => {
    const open = await copyOf(fresh);
    await contribute({ directory: open, name: 'Carol' });
    const before = await contentsOf(open);
    for (const text of ['', 'x'.repeat(501), 'drand\n', '\u001b[2J']) {
      await expect(init(at('planless'), { beaconPlan: text }), text).rejects.toMatchObject({
        code: 'MALFORMED',
        field: 'beacon-plan',
      });
      await expect(
        applyBeacon({ directory: open, hash: BEACON, iterationsExponent: 10, source: text }),
        text,
      ).rejects.toMatchObject({ code: 'MALFORMED', field: 'source' });
    }
    expect(await readdir(folder)).not.toContain('planless');
    expect(await contentsOf(open)).toEqual(before);
    await applyBeacon({
      directory: open,
      hash: BEACON,
      iterationsExponent: 10,
      source: 'x'.repeat(500),
    });
    expect((await verify(open)).state).toBe('final');
  });

  it('nor any transcript of another shape', async () => {
    const copy = await copyOf(done);
    const before = await contentsOf(copy);
    const transcript = await loadTranscript(copy);
    for (const wrong of [
      { beaconPlan: '' },
      { circuit: '../circuit' },
      { contributions: transcript.contributions.slice(1) },
      { approved: true },
    ]) {
      await expect(saveTranscript(copy, { ...transcript, ...wrong })).rejects.toMatchObject({
        code: 'MALFORMED',
      });
    }
    expect(await contentsOf(copy)).toEqual(before);
    // A circuit whose name no transcript takes: nothing is begun.
    const long = `c${'x'.repeat(64)}`;
    const named = { circuit: { ...circuit, name: long }, allowOtherCircuit: true };
    await expect(init(at('long'), named)).rejects.toMatchObject({ code: 'MALFORMED' });
    expect(await readdir(folder)).not.toContain('long');
  });
});

describe('files that were there', () => {
  it('are not overwritten at the beginning, unless they are the same', async () => {
    for (const file of [keyName(0), `${CIRCUIT}.r1cs`, 'published.ptau']) {
      const directory = at(`own-${file}`);
      await mkdir(directory);
      await writeFile(join(directory, file), 'somebody needs this');
      await expect(init(directory), file).rejects.toMatchObject({
        code: 'CONFLICT',
        field: 'dir',
        details: { file },
      });
      expect(await contentsOf(directory)).toEqual({ [file]: sha256('somebody needs this') });
    }
    // What an interrupted beginning leaves.
    const interrupted = await copyOf(fresh);
    await rm(join(interrupted, 'transcript.json'));
    await init(interrupted, { beaconPlan: 'drand quicknet, round 1234567' });
    expect(await contentsOf(interrupted)).toEqual(await contentsOf(fresh));
  });

  it('such as the key of a test ceremony stay, unless forced', async () => {
    const out = at('keys-of-tests');
    const finish = async (name: string, force = false) => {
      const directory = await copyOf(fresh);
      await contribute({ directory, name });
      await applyBeacon({ directory, hash: BEACON, iterationsExponent: 10 });
      await editTranscript(directory, (t) => Object.assign(t, { provenance: 'test ceremony' }));
      return finalizeCeremony({ directory, ...trusted, publicPtau: PUBLIC_PTAU, out, force });
    };
    const { entry } = await finish('Erin');
    expect(entry.provenance).toBe('test ceremony');
    await expect(finish('Frank')).rejects.toMatchObject({ code: 'CONFLICT', field: 'out' });
    expect((await loadManifest({ keys: out })).circuits[CIRCUIT]).toEqual(entry);
    expect((await finish('Frank', true)).entry).not.toEqual(entry);
  });

  it('such as the entry that another run writes at the same time are kept', async () => {
    const roots = { keys: at('keys-of-two') };
    const other = (await loadManifest({ keys: at('keys') })).circuits[CIRCUIT]!;
    let verified: () => void;
    const atLastCheck = new Promise<void>((resolve) => {
      verified = resolve;
    });
    let finished = false;
    const run = finalizeCeremony({
      directory: done,
      ...trusted,
      out: roots.keys,
      onCheck: ({ id }) => {
        if (id === 'snarkjs') verified();
      },
    });
    await withFileLock(join(roots.keys, 'manifest.json'), async () => {
      const manifest = await loadManifest(roots);
      await atLastCheck;
      // Time enough to write the files, for a run that does not wait.
      await Promise.race([run.then(() => (finished = true)), new Promise((go) => setTimeout(go, 3_000))]);
      expect(finished).toBe(false);
      manifest.circuits['another-circuit'] = other;
      await saveManifest(manifest, roots);
    });
    await run;
    expect(Object.keys((await loadManifest(roots)).circuits)).toEqual(['another-circuit', CIRCUIT]);
  });

  it('such as a manifest that cannot be read are not replaced by a new one', async () => {
    const out = at('keys-damaged');
    await mkdir(out);
    await writeFile(join(out, 'manifest.json'), '{"schema": 1, "circ');
    await expect(finalizeCeremony({ directory: done, ...trusted, out })).rejects.toMatchObject({
      code: 'FILE_MALFORMED',
      message: expect.stringContaining(join(out, 'manifest.json')),
    });
    expect(await readdir(out)).toEqual(['manifest.json']);
  });
});

describe('a file that is cut short', () => {
  it('fails a check that names it', async () => {
    for (const [file, id, checks] of [
      [`${CIRCUIT}.r1cs`, 'r1cs-file', ['r1cs-file', 'r1cs', 'shape', 'public-inputs']],
      ['published.ptau', 'ptau-file', ['ptau-file', 'ptau']],
      [finalName, 'shape', ['files', 'shape', 'transcript', 'history']],
    ] as const) {
      for (const part of [0.5, 0.001]) {
        const copy = await copyOf(done);
        const bytes = await readFile(join(done, file));
        await writeFile(join(copy, file), bytes.subarray(0, Math.floor(bytes.length * part)));
        const report = await verify(copy);
        expect(failedChecks(report), file).toEqual(checks);
        expect(report.checks.find((check) => check.id === id)!.detail).toContain(`${file}: `);
        const alone = await verifyKeyFile({
          zkeyPath: join(copy, finalName),
          r1csPath: join(copy, `${CIRCUIT}.r1cs`),
          ptauPath: join(copy, 'published.ptau'),
          ...trusted,
        });
        expect(failedChecks(alone), file).toContain(id);
      }
    }
    // Its head is whole, and its sizes are not.
    const header = await copyOf(done);
    const bytes = await readFile(join(done, `${CIRCUIT}.r1cs`));
    bytes.writeBigUInt64LE(20n, readSections(bytes, 'r1cs').get(1)!.offset - 8);
    await writeFile(join(header, `${CIRCUIT}.r1cs`), bytes);
    expect(failedChecks(await verify(header))).toContain('r1cs-file');
    const cut = at('cut.ptau');
    await writeFile(cut, (await readFile(ptauPath)).subarray(0, 1000));
    await expect(init(at('a'), { ptauPath: cut })).rejects.toMatchObject({
      code: 'FILE_MALFORMED',
      message: 'cut.ptau: .ptau file is cut short',
    });
  });
});

describe('what the file system refuses', () => {
  it('is told with a code, the path and what to do', () => {
    const codes = { DISK_FULL: /^ENOSPC|EDQUOT|EFBIG$/, FORBIDDEN: /^EACCES|EPERM|EROFS$/ };
    for (const system of [
      'ENOSPC',
      'EDQUOT',
      'EFBIG',
      'EACCES',
      'EPERM',
      'EROFS',
      'ENOTDIR',
      'EEXIST',
      'EISDIR',
    ]) {
      const error = Object.assign(new Error(`${system}: ${system}`), { code: system, syscall: 'write' });
      const [code] = Object.entries(codes).find(([, own]) => own.test(system)) ?? ['CONFLICT'];
      expect(fileError(error, { path: '/somewhere', field: 'dir' })).toMatchObject({
        code,
        field: 'dir',
        message: expect.stringMatching(/^\/somewhere: [A-Z]/),
        cause: error,
      });
      // The place where the file was to be, and not the name beside it.
      const path = '/d/key.zkey';
      const beside = ['.12.0123abcd.tmp', '.lock', '.lock.3', `.lock-draft-${'0a'.repeat(16)}`];
      for (const named of [path, ...beside.map((ending) => path + ending)]) {
        expect(fileError(Object.assign(error, { path: named }), { path: '/d' })).toMatchObject({
          details: { path, system },
        });
      }
    }
    const own = new ProofError('FILE_MALFORMED', 'not a .zkey file');
    expect(fileError(own, { path: '/d' })).toBe(own);
  });

  it('such as a file in the place of a directory', async () => {
    const file = at('a-file');
    await writeFile(file, '');
    const conflict = { code: 'CONFLICT', message: expect.stringContaining(file) };
    await expect(verify(file)).rejects.toMatchObject(conflict);
    await expect(contribute({ directory: file, name: 'Eve' })).rejects.toMatchObject(conflict);
    await expect(init(file)).rejects.toMatchObject(conflict);
    await expect(init(join(file, 'below'))).rejects.toMatchObject(conflict);
    await expect(finalizeCeremony({ directory: done, ...trusted, out: file })).rejects.toMatchObject(
      conflict,
    );
  });

  it('such as a pipe or a device, which are read without end, and more than can be read', async () => {
    const files = ['transcript.json', `${CIRCUIT}.r1cs`, 'published.ptau', keyName(0)];
    for (const [file, make, code] of [
      ...files.map((name) => [name, (path: string) => execFileSync('mkfifo', [path]), 'CONFLICT'] as const),
      ['transcript.json', (path: string) => symlink('/dev/zero', path), 'CONFLICT'],
      ['transcript.json', (path: string) => truncateNew(path, 3 * 2 ** 30), 'TOO_LARGE'],
      ['published.ptau', (path: string) => truncateNew(path, 3 * 2 ** 30), 'TOO_LARGE'],
    ] as const) {
      const copy = await copyOf(fresh);
      await rm(join(copy, file));
      await make(join(copy, file));
      if (file === keyName(0)) {
        expect(failedChecks(await verify(copy))).toContain('files');
      } else await expect(verify(copy)).rejects.toMatchObject({ code });
      if (file === keyName(0) || file === 'transcript.json') {
        await expect(contribute({ directory: copy, name: 'Eve' })).rejects.toMatchObject({ code });
      }
    }
  }, 30_000);

  it('such as files of somebody else', async () => {
    const copy = await copyOf(fresh);
    await chmod(folder, 0o711);
    await chmod(copy, 0o777);
    const unreadable = async (file: string, action: () => Promise<unknown>) => {
      await chmod(join(copy, file), 0);
      try {
        return await asNobody(action);
      } finally {
        await chmod(join(copy, file), 0o644);
      }
    };
    const forbidden = (path: string) => ({ code: 'FORBIDDEN', message: expect.stringContaining(path) });
    const rejected = (action: () => Promise<unknown>, path: string) => async () =>
      await expect(action()).rejects.toMatchObject(forbidden(join(copy, path)));
    const enter = () => contribute({ directory: copy, name: 'Eve' });
    const look = () => verify(copy);
    await unreadable('transcript.json', rejected(look, 'transcript.json'));
    await unreadable('published.ptau', rejected(look, 'published.ptau'));
    await unreadable(`${CIRCUIT}.r1cs`, rejected(look, `${CIRCUIT}.r1cs`));
    await unreadable(keyName(0), rejected(enter, keyName(0)));
    const report = (await unreadable(keyName(0), look)) as CeremonyReport;
    const { detail } = report.checks.find(({ id }) => id === 'files')!;
    expect(detail).toContain('refuses access');
    expect(detail).not.toContain('missing');
    await chmod(copy, 0o555);
    await asNobody(rejected(enter, 'transcript.json'));
  });

  it.runIf(canMount())('such as more than the disk holds, or any change', async () => {
    const disk = at('disk');
    await mkdir(disk);
    const run = (command: string) =>
      promisify(execFile)(
        'unshare',
        [
          ...APART,
          'sh',
          '-c',
          `mount -t tmpfs -o size=8m tmpfs "$0" && cp "$1"/* "$0" && { ${command}; }; shift; exec "$@"`,
          disk,
          fresh,
          process.execPath,
          join(projectRoot, 'bin/zkmargin.mjs'),
          ...['ceremony', 'contribute', '--dir', disk, '--name', 'Grace'],
        ],
        { cwd: projectRoot },
      ).then(
        () => 'accepted',
        (error: { stderr: string }) => error.stderr,
      );
    const [full, readOnly] = await Promise.all([
      run('head -c 9m /dev/zero > "$0"/ballast 2>/dev/null'),
      run('mount -o remount,ro "$0"'),
    ]);
    expect(full).toMatch(new RegExp(`^DISK_FULL \\(dir\\): ${disk}.*: Free space`, 'm'));
    expect(full).not.toContain('ENOSPC');
    expect(readOnly).toMatch(new RegExp(`^FORBIDDEN \\(dir\\): ${disk}/.*: Choose a place`, 'm'));
  });
});

describe('zkmargin ceremony', () => {
  it('runs a test ceremony whose key no public chain takes', async () => {
    const dir = at('by-command');
    const begin = ['init', '--circuit', source, '--ptau', ptauPath, '--dir', dir];
    const [refused, begun] = await Promise.all([
      zkmargin(begin),
      zkmargin([...begin, '--allow-unlisted-ptau']),
    ]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('UNSUPPORTED (ptau)') });
    expect(begun).toMatchObject({ code: 0, stderr: expect.stringContaining('WARNING: TEST CEREMONY') });
    const beginning = await zkmargin(['verify', '--dir', dir]);
    expect(beginning).toMatchObject({ code: 2, stdout: expect.stringContaining('never use this key') });
    const contributed = await zkmargin(
      ['contribute', '--dir', dir, '--name', 'Erin', '--entropy', '-'],
      'sentinel-of-erin',
    );
    expect(contributed.code).toBe(0);
    expect(contributed.stdout + contributed.stderr).not.toContain('sentinel');
    expect(
      (await readFile(join(dir, 'transcript.json'), 'utf8')) + (await readdir(dir)).join(),
    ).not.toContain('sentinel');
    const open = await zkmargin(['verify', '--dir', dir]);
    expect(open).toMatchObject({ code: 2, stdout: expect.stringContaining('not final') });
    for (const fact of [source, circuit.sourceHash, circuit.r1csHash, '71']) {
      expect(open.stdout).toContain(fact);
    }
    const closed = await zkmargin(['beacon', '--dir', dir, '--hash', BEACON, '--iterations', '10', '--json']);
    expect(JSON.parse(closed.stdout)).toMatchObject({ type: 'beacon', file: finalName });
    const verified = await zkmargin(['verify', '--dir', dir, '--json']);
    expect(verified.code).toBe(0);
    const report = JSON.parse(verified.stdout) as CeremonyReport;
    expect(report).toMatchObject({ ok: true, final: true, provenance: 'test ceremony' });
    expect(report.checks.find(({ id }) => id === 'ptau-public')).toMatchObject({ outcome: 'waived' });
    const [unflagged, written] = await Promise.all([
      zkmargin(['verify', '--zkey', join(dir, finalName), '--r1cs', circuit.r1csPath, '--ptau', ptauPath]),
      zkmargin(['finalize', '--dir', dir, '--out', at('test-keys')]),
    ]);
    expect(unflagged).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(
        /^✗ the powers of tau are a file[\s\S]*^✗ the circuit is the one of the/m,
      ),
    });
    expect(written).toMatchObject({ code: 0, stdout: expect.stringContaining('✓ delta is not gamma') });

    const keyDirectory = at('test-keys');
    const contract = 'CeremonyProductTestCeremonyVerifier';
    const { [CIRCUIT]: entry } = (await loadManifest({ keys: keyDirectory })).circuits;
    expect(entry).toMatchObject({ provenance: 'test ceremony', contract });
    expect(await keyOriginOf(contract, keyDirectory)).toBe('test ceremony');
    expect(await keyOriginOf('CeremonyProductVerifier', keyDirectory)).toBe('development');
    expect(await keyOriginOf('SomeOtherVerifier', keyDirectory)).toBeUndefined();

    const anvil = await startAnvil({ chainId: PUBLIC_CHAIN });
    try {
      const { wallet } = clients(anvil);
      // That of a test ceremony, of a development key, and one that the manifest does not know.
      for (const name of [contract, 'CeremonyProductVerifier', 'SomeOtherVerifier']) {
        const deployment = deployProtocol(wallet, {
          parameterDelaySeconds: 172_800n,
          underlyings: [],
          verifiers: { 'insolvency-8': name },
          keyDirectory,
        });
        await expect(deployment, name).rejects.toMatchObject({
          code: 'DEVELOPMENT_KEY_REFUSED',
          details: { chainId: PUBLIC_CHAIN, verifier: name },
        });
      }
      // Past the deployment script, the contract itself refuses.
      const { abi, bytecode } = compileContract(
        await readFile(join(keyDirectory, 'test-ceremony', `${contract}.sol`), 'utf8'),
        contract,
      );
      const error = await wallet.deployContract({ abi, bytecode, args: [], chain: null }).then(
        () => undefined,
        (e: unknown) => e as BaseError,
      );
      const cause = error?.walk((e) => typeof (e as { data?: unknown }).data === 'string') as {
        data: Hex;
      } | null;
      expect(decodeErrorResult({ abi, data: cause!.data })).toMatchObject({
        errorName: 'TestCeremonyKeyOnPublicChain',
        args: [BigInt(PUBLIC_CHAIN)],
      });
    } finally {
      await anvil.stop();
    }
  });
});

/** Hashes of a directory's files. */
async function contentsOf(directory: string): Promise<Record<string, string>> {
  const files = (await readdir(directory)).sort();
  return Object.fromEntries(
    await Promise.all(files.map(async (file) => [file, sha256(await readFile(join(directory, file)))])),
  );
}

/** Run an action without the rights of root, who may read everything. */
async function asNobody<T>(action: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) return await action();
  process.seteuid!(65_534);
  try {
    return await action();
  } finally {
    process.seteuid!(0);
  }
}

function clients(anvil: Anvil) {
  const transport = http(anvil.url);
  const wallet: WalletClient<Transport, Chain | undefined, Account> = createWalletClient({
    account: anvil.accounts[0]!,
    transport,
  });
  return { wallet, client: createPublicClient({ transport }) };
}

function zkmargin(
  args: string[],
  stdin = '',
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [join(projectRoot, 'bin/zkmargin.mjs'), 'ceremony', ...args], {
    cwd: projectRoot,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.end(stdin);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

function compileContract(text: string, name: string): { abi: Abi; bytecode: Hex } {
  const solc = createRequire(import.meta.url)('solc') as { compile(input: string): string };
  const output = JSON.parse(
    solc.compile(
      JSON.stringify({
        language: 'Solidity',
        sources: { verifier: { content: text } },
        settings: { outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } } },
      }),
    ),
  ) as {
    errors?: { formattedMessage: string }[];
    contracts: { verifier: Record<string, { abi: Abi; evm: { bytecode: { object: string } } }> };
  };
  expect(output.errors ?? []).toEqual([]);
  const { abi, evm } = output.contracts.verifier[name]!;
  return { abi, bytecode: `0x${evm.bytecode.object}` };
}
