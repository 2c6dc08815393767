import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Groth16Proof, groth16, zKey } from 'snarkjs';
import { afterAll, describe, expect, it } from 'vitest';
import { compileFile } from '../compile.ts';
import { singleThreadCurve, terminateSnarkjsThreads } from '../curve.ts';
import { sha256 } from '../files.ts';
import { createSnarkjsBackend } from '../prover/snarkjs-backend.ts';
import { verifyProof } from '../prover/verify.ts';
import { WitnessCalculator } from '../prover/witness-calculator.ts';
import { compileMediumCircuit, prepareToyCircuit, toyCircuit, toyInput } from '../testing.ts';
import { checkDevelopmentKey } from './check.ts';
import { developmentWaste, ensureDevelopmentKey, generateDevelopmentKey } from './development.ts';
import { decodeProvingKey, encodeProvingKey, verificationKeyOf } from './zkey.ts';

afterAll(terminateSnarkjsThreads);

async function toy() {
  const circuit = await prepareToyCircuit();
  const r1cs = await readFile(circuit.r1csPath);
  const zkey = await readFile(circuit.zkeyPath);
  const calculator = await WitnessCalculator.create(await readFile(circuit.wasmPath));
  return { ...circuit, r1cs, zkey, calculator, waste: developmentWaste(sha256(r1cs)) };
}

describe('development keys', () => {
  it('are the same bytes for the same circuit', async () => {
    const { r1cs, zkey } = await toy();
    const again = await generateDevelopmentKey('toy', r1cs);
    expect(Buffer.from(again).equals(zkey)).toBe(true);
  });

  it('prove, and snarkjs reads the same verification key out of them', async () => {
    const { zkey, calculator, verificationKey } = await toy();
    expect(await zKey.exportVerificationKey({ type: 'mem', data: zkey })).toEqual(verificationKey);
    const backend = createSnarkjsBackend(zkey);
    const { proof, publicSignals } = await backend.prove(await calculator.calculate(toyInput()));
    expect(publicSignals.slice(1)).toEqual(['15', '7']);
    expect(await verifyProof(verificationKey, publicSignals, proof)).toBe(true);
    expect(await groth16.verify(verificationKey, publicSignals, proof)).toBe(true);
    await backend.close();
  });

  it('prove a circuit of 16,000 constraints; the key is the same on one thread and on two', async () => {
    const circuit = await compileMediumCircuit();
    const r1cs = await readFile(circuit.r1csPath);
    const fractions: number[] = [];
    const zkey = await generateDevelopmentKey('medium', r1cs, {
      threads: 2,
      onProgress: (p) => fractions.push(p.fraction),
    });
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
    expect(fractions.length).toBeGreaterThan(10);
    await checkDevelopmentKey(zkey, r1cs, developmentWaste(circuit.r1csHash));
    const single = await generateDevelopmentKey('medium', r1cs, { threads: 1 });
    expect(sha256(single)).toBe(sha256(zkey));
    const key = verificationKeyOf(await singleThreadCurve(), decodeProvingKey(zkey));
    const calculator = await WitnessCalculator.create(await readFile(circuit.wasmPath));
    const backend = createSnarkjsBackend(zkey);
    const { proof, publicSignals } = await backend.prove(await calculator.calculate({ x: '123456' }));
    await backend.close();
    expect(await verifyProof(key, publicSignals, proof)).toBe(true);
    expect(await verifyProof(key, [String(BigInt(publicSignals[0]!) + 1n)], proof)).toBe(false);
  });

  it('can be cancelled', async () => {
    const { r1cs } = await toy();
    await expect(generateDevelopmentKey('toy', r1cs, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });
});

describe('a kept development key', () => {
  it('is made again when any of it is missing or damaged, and not otherwise', async () => {
    const circuit = await compileFile(toyCircuit);
    const outputRoot = await mkdtemp(join(tmpdir(), 'zkmargin-kept-'));
    try {
      const ensure = () => ensureDevelopmentKey(circuit, { outputRoot });
      const { zkeyPath, zkeyHash, verificationKey } = await ensure();
      const metaPath = zkeyPath.replace(/zkey$/, 'json');
      const meta = await readFile(metaPath, 'utf8');
      expect(await ensure()).toMatchObject({ cached: true, zkeyHash, verificationKey });
      const other = await generateDevelopmentKey(
        'medium',
        await readFile((await compileMediumCircuit()).r1csPath),
      );
      const otherKey = verificationKeyOf(await singleThreadCurve(), decodeProvingKey(other));
      const damages: Record<string, () => Promise<unknown>> = {
        'a key that is missing': () => rm(zkeyPath),
        'a key that was cut short': () => truncate(zkeyPath, 5_000),
        "another circuit's key": () => writeFile(zkeyPath, other),
        "another circuit's key with its metadata": async () => {
          await writeFile(zkeyPath, other);
          await writeFile(metaPath, JSON.stringify({ zkeyHash: sha256(other), verificationKey: otherKey }));
        },
        'metadata that were cut short': () => truncate(metaPath, 500),
        'metadata that are none': () => writeFile(metaPath, '[]'),
        'another verification key': () => writeFile(metaPath, meta.replace(/"\d{20,}"/, '"1"')),
      };
      for (const [what, damage] of Object.entries(damages)) {
        await damage();
        expect(await ensure(), what).toMatchObject({ cached: false, zkeyHash, verificationKey });
        expect(sha256(await readFile(zkeyPath)), what).toBe(zkeyHash);
        expect(await readFile(metaPath, 'utf8'), what).toBe(meta);
      }
      expect(await ensure()).toMatchObject({ cached: true });
    } finally {
      await rm(outputRoot, { recursive: true, force: true });
    }
  });
});

describe('checkDevelopmentKey', () => {
  it('accepts the key and refuses one damaged anywhere', async () => {
    const { r1cs, zkey, waste } = await toy();
    await checkDevelopmentKey(zkey, r1cs, waste);
    const curve = await singleThreadCurve();
    const key = decodeProvingKey(zkey);
    const other = curve.G1.toAffine(curve.G1.timesScalar(curve.G1.g, 5n));
    for (const section of ['ic', 'a', 'b1', 'c', 'h'] as const) {
      const changed = key[section].slice();
      changed.set(other, changed.length - 64);
      const damaged = encodeProvingKey({ ...key, [section]: changed });
      await expect(checkDevelopmentKey(damaged, r1cs, waste), section).rejects.toMatchObject({
        code: 'KEY_INVALID',
      });
    }
    const coefficients = key.coefficients.slice();
    coefficients[20]! ^= 1;
    await expect(
      checkDevelopmentKey(encodeProvingKey({ ...key, coefficients }), r1cs, waste),
    ).rejects.toMatchObject({
      code: 'KEY_INVALID',
    });
  });

  it('refuses delta = gamma, delta = generator, and the key of another circuit', async () => {
    const { r1cs, zkey, waste } = await toy();
    for (const weak of [
      { ...waste, gamma: waste.delta },
      { ...waste, delta: 1n },
      { ...waste, gamma: 1n },
    ]) {
      const bad = await generateDevelopmentKey('toy', r1cs, {}, weak);
      await expect(checkDevelopmentKey(bad, r1cs, weak)).rejects.toMatchObject({ code: 'KEY_INVALID' });
    }
    const medium = await readFile((await compileMediumCircuit()).r1csPath);
    await expect(checkDevelopmentKey(zkey, medium, waste)).rejects.toMatchObject({ code: 'KEY_MISMATCH' });
    await expect(checkDevelopmentKey(zkey.subarray(0, 5000), r1cs, waste)).rejects.toMatchObject({
      code: 'FILE_MALFORMED',
    });
  });
});

describe('a forged proof', () => {
  it('passes for a key whose gamma equals delta, and fails for ours', async () => {
    const { r1cs, waste, verificationKey } = await toy();
    const curve = await singleThreadCurve();
    const { G1 } = curve;
    const signals = ['1', '2', '3'];
    const forge = (key: typeof verificationKey): Groth16Proof => {
      const point = (p: string[]) => G1.fromObject(p.map(BigInt));
      let inputs = point(key.IC[0]!);
      signals.forEach((signal, i) => {
        inputs = G1.add(inputs, G1.timesScalar(point(key.IC[i + 1]!), BigInt(signal)));
      });
      const c = G1.toObject(G1.toAffine(G1.neg(inputs))) as bigint[];
      return {
        pi_a: key.vk_alpha_1,
        pi_b: key.vk_beta_2,
        pi_c: c.map(String),
        protocol: 'groth16',
        curve: 'bn128',
      };
    };
    const weak = await generateDevelopmentKey('toy', r1cs, {}, { ...waste, gamma: waste.delta });
    const weakKey = verificationKeyOf(curve, decodeProvingKey(weak));
    expect(await verifyProof(weakKey, signals, forge(weakKey))).toBe(true);
    expect(await verifyProof(verificationKey, signals, forge(verificationKey))).toBe(false);
  });
});
