import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Groth16VerificationKey } from 'snarkjs';
import { withFileLock } from '../../file-lock.ts';
import { modR, powR } from '../../math/fixed/scalar-field.ts';
import type { CompiledCircuit } from '../compile.ts';
import { singleThreadCurve } from '../curve.ts';
import { ProofError } from '../errors.ts';
import { writeU256LE } from '../field.ts';
import { projectRoot, sha256, writeFileAtomic } from '../files.ts';
import { parseR1cs, publicSignalCount } from '../r1cs.ts';
import { checkDevelopmentKey } from './check.ts';
import { isRecord, isVerificationKey, sameVerificationKey } from './documents.ts';
import { multiplyGenerators } from './multiply.ts';
import { evaluateQap, type ToxicWaste } from './qap.ts';
import type { CurveCode } from './wasm.ts';
import { decodeProvingKey, encodeProvingKey, verificationKeyOf } from './zkey.ts';

/**
 * Seed of all development keys. It is public, and so is everything derived from it: whoever has it can forge proofs.
 * Changing it changes every development key.
 */
export const DEVELOPMENT_SEED = 'zkmargin development key, not for use with value, v1';

/** What the generation is doing. */
export interface KeyProgress {
  stage: 'qap' | 'points' | 'check' | 'write' | 'done';
  circuit: string;
  /** Part of the whole that is done, 0 to 1. */
  fraction: number;
  elapsedMs: number;
  /** Estimate of the milliseconds left, from the time used so far. */
  etaMs: number;
}

export interface KeyOptions {
  /** Worker threads for the point multiplications; default the number of cores. */
  threads?: number;
  signal?: AbortSignal;
  onProgress?: (progress: KeyProgress) => void;
}

/** A development key on disk. */
export interface DevelopmentKey {
  circuit: string;
  zkeyPath: string;
  zkeyHash: string;
  r1csHash: string;
  verificationKey: Groth16VerificationKey;
  /** True when the key was there. */
  cached: boolean;
  /** Milliseconds of the generation, its check included; 0 when cached. */
  generateMs: number;
}

/**
 * The secrets of a circuit's development key: hashes of the public seed, the r1cs hash and the secret's name. No two are
 * equal and none is 0 or 1, so that gamma, delta and the generator differ.
 *
 * @param r1csHash hexadecimal SHA-256 of the .r1cs file.
 */
export function developmentWaste(r1csHash: string): ToxicWaste {
  const used = new Set<bigint>([0n, 1n]);
  const derive = (name: string): bigint => {
    for (let counter = 0; ; counter++) {
      const digest = createHash('sha512')
        .update(`${DEVELOPMENT_SEED}|${r1csHash}|${name}|${counter}`)
        .digest('hex');
      const value = modR(BigInt(`0x${digest}`));
      // A tau inside an evaluation domain would make the Lagrange polynomials degenerate.
      if (used.has(value) || powR(value, 1n << 28n) === 1n) continue;
      used.add(value);
      return value;
    }
  };
  return {
    tau: derive('tau'),
    alpha: derive('alpha'),
    beta: derive('beta'),
    gamma: derive('gamma'),
    delta: derive('delta'),
  };
}

/**
 * Make a Groth16 key directly from a constraint system and known secrets. The same r1cs gives the same bytes.
 *
 * @param r1csBytes content of the .r1cs file.
 * @param waste the secrets; default those of {@link developmentWaste}. Tests pass others.
 * @returns content of a .zkey file.
 * @throws {ProofError} `FILE_MALFORMED`, `CANCELLED`.
 */
export async function generateDevelopmentKey(
  circuit: string,
  r1csBytes: Uint8Array,
  options: KeyOptions = {},
  waste: ToxicWaste = developmentWaste(sha256(r1csBytes)),
): Promise<Uint8Array> {
  const start = performance.now();
  const report = progressReporter(circuit, start, options.onProgress);
  const curve = await singleThreadCurve();
  const code: CurveCode = {
    module: await WebAssembly.compile(curve.tm.code),
    g1: curve.tm.pG1gen,
    g2: curve.tm.pG2gen,
  };
  const r1cs = parseR1cs(r1csBytes);
  try {
    const qap = await evaluateQap(code, r1cs, waste, {
      ...(options.signal && { signal: options.signal }),
      onProgress: (fraction) => report('qap', 0.1 * fraction),
    });
    const header1 = scalars(waste.alpha, waste.beta, waste.delta);
    const header2 = scalars(waste.beta, waste.gamma, waste.delta);
    const [h1, h2, ic, a, b1, b2, c, h] = await multiplyGenerators(
      code,
      [
        { group: 'g1m', scalars: header1 },
        { group: 'g2m', scalars: header2 },
        { group: 'g1m', scalars: qap.ic },
        { group: 'g1m', scalars: qap.a },
        { group: 'g1m', scalars: qap.b },
        { group: 'g2m', scalars: qap.b },
        { group: 'g1m', scalars: qap.c },
        { group: 'g1m', scalars: qap.h },
      ],
      {
        ...(options.threads !== undefined && { threads: options.threads }),
        ...(options.signal && { signal: options.signal }),
        onProgress: (fraction) => report('points', 0.1 + 0.85 * fraction),
      },
    );
    return encodeProvingKey({
      wires: r1cs.wires,
      publicSignals: publicSignalCount(r1cs),
      domainSize: qap.domainSize,
      alpha1: h1!.subarray(0, 64),
      beta1: h1!.subarray(64, 128),
      delta1: h1!.subarray(128, 192),
      beta2: h2!.subarray(0, 128),
      gamma2: h2!.subarray(128, 256),
      delta2: h2!.subarray(256, 384),
      ic: ic!,
      coefficients: qap.coefficients,
      a: a!,
      b1: b1!,
      b2: b2!,
      c: c!,
      h: h!,
      circuitHash: createHash('sha512').update(r1csBytes).digest(),
    });
  } catch (error) {
    if (options.signal?.aborted)
      throw new ProofError('CANCELLED', `key generation for ${circuit} was cancelled`);
    throw error;
  }
}

/**
 * The development key of a compiled circuit: from `build/keys/<name>/` when it is there and whole, else generated, checked and
 * written. Several processes may ask at once; one of them works.
 *
 * @throws {ProofError} `KEY_INVALID` when the new key fails its check, `CANCELLED`.
 */
export async function ensureDevelopmentKey(
  circuit: CompiledCircuit,
  options: KeyOptions & { outputRoot?: string } = {},
): Promise<DevelopmentKey> {
  const directory = resolve(projectRoot, options.outputRoot ?? 'build/keys', circuit.name);
  // The seed enters, so that another seed gives another file.
  const id = sha256(circuit.r1csHash, DEVELOPMENT_SEED).slice(0, 16);
  const zkeyPath = join(directory, `${id}.zkey`);
  const metaPath = join(directory, `${id}.json`);
  const start = performance.now();
  const report = progressReporter(circuit.name, start, options.onProgress);
  const made = (parts: KeptKey, cached: boolean): DevelopmentKey => ({
    circuit: circuit.name,
    zkeyPath,
    r1csHash: circuit.r1csHash,
    ...parts,
    cached,
    generateMs: cached ? 0 : performance.now() - start,
  });
  const kept = await readKept(circuit, zkeyPath, metaPath);
  if (kept !== undefined) return made(kept, true);
  const make = async (): Promise<DevelopmentKey> => {
    const present = await readKept(circuit, zkeyPath, metaPath);
    if (present !== undefined) return made(present, true);
    const r1csBytes = await readFile(circuit.r1csPath);
    const zkey = await generateDevelopmentKey(circuit.name, r1csBytes, options);
    report('check', 0.95);
    const key = decodeProvingKey(zkey);
    await checkDevelopmentKey(zkey, r1csBytes, developmentWaste(circuit.r1csHash), 512);
    report('write', 0.99);
    await writeFileAtomic(zkeyPath, zkey);
    const verificationKey = verificationKeyOf(await singleThreadCurve(), key);
    const fresh: KeptKey = { zkeyHash: sha256(zkey), verificationKey };
    await writeFileAtomic(metaPath, `${JSON.stringify(fresh, null, 1)}\n`);
    await removeOldKeys(directory);
    report('done', 1);
    return made(fresh, false);
  };
  return withFileLock(zkeyPath, make, { signal: options.signal });
}

/** What is kept beside a key. */
interface KeptKey {
  zkeyHash: string;
  verificationKey: Groth16VerificationKey;
}

/**
 * What is kept of a circuit's key; undefined unless all of it is there and belongs together. A key that was cut short or exchanged
 * could be loaded by nobody, or would prove for another verification key.
 */
async function readKept(
  circuit: CompiledCircuit,
  zkeyPath: string,
  metaPath: string,
): Promise<KeptKey | undefined> {
  try {
    const meta = JSON.parse(await readFile(metaPath, 'utf8')) as unknown;
    if (!isRecord(meta)) return undefined;
    const { zkeyHash, verificationKey } = meta;
    if (typeof zkeyHash !== 'string' || !isVerificationKey(verificationKey)) return undefined;
    const zkey = await readFile(zkeyPath);
    if (sha256(zkey) !== zkeyHash) return undefined;
    const key = decodeProvingKey(zkey);
    const r1csDigest = createHash('sha512')
      .update(await readFile(circuit.r1csPath))
      .digest();
    if (!r1csDigest.equals(key.circuitHash)) return undefined;
    const own = verificationKeyOf(await singleThreadCurve(), key);
    return sameVerificationKey(own, verificationKey) ? { zkeyHash, verificationKey } : undefined;
  } catch {
    // Missing, unreadable or no key: made anew, and what keeps it from being written is told then.
    return undefined;
  }
}

/** Keys of earlier versions of a circuit are megabytes each: keep the newest few. */
async function removeOldKeys(directory: string): Promise<void> {
  const files = (await readdir(directory)).filter((file) => file.endsWith('.json'));
  const dated = await Promise.all(
    files.map(async (file) => ({ file, time: (await stat(join(directory, file))).mtimeMs })),
  );
  for (const { file } of dated.sort((a, b) => b.time - a.time).slice(KEPT_KEYS)) {
    // The metadata first: without it the key does not count as complete.
    await rm(join(directory, file), { force: true });
    await rm(join(directory, file.replace(/json$/, 'zkey')), { force: true });
  }
}

const KEPT_KEYS = 4;

function scalars(...values: bigint[]): Uint8Array {
  const bytes = new Uint8Array(32 * values.length);
  values.forEach((value, i) => {
    writeU256LE(bytes, 32 * i, value);
  });
  return bytes;
}

function progressReporter(circuit: string, start: number, listener: KeyOptions['onProgress']) {
  return (stage: KeyProgress['stage'], fraction: number) => {
    const elapsedMs = performance.now() - start;
    const etaMs = fraction > 0 ? (elapsedMs * (1 - fraction)) / fraction : 0;
    listener?.({ stage, circuit, fraction, elapsedMs, etaMs });
  };
}
