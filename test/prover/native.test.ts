import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { type Curve, groth16 } from 'snarkjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { modR, SCALAR_MODULUS } from '../../src/math/fixed/scalar-field.ts';
import { singleThreadCurve } from '../../src/proof/curve.ts';
import { readU256LE, writeU256LE } from '../../src/proof/field.ts';
import { ensureDevelopmentKey } from '../../src/proof/keys/development.ts';
import { CurveInstance } from '../../src/proof/keys/wasm.ts';
import { decodeProvingKey, type ProvingKey } from '../../src/proof/keys/zkey.ts';
import type { ProverBackend } from '../../src/proof/prover/backend.ts';
import { CircuitProver } from '../../src/proof/prover/circuit-prover.ts';
import {
  digitsOf,
  MultiScalar,
  planWindows,
  type WindowPlan,
  weightOf,
} from '../../src/proof/prover/native/multi-scalar.ts';
import { CosetTransform } from '../../src/proof/prover/native/transforms.ts';
import { createNativeBackend } from '../../src/proof/prover/native-backend.ts';
import type { ProverCircuit } from '../../src/proof/prover/protocol.ts';
import { verifyProof } from '../../src/proof/prover/verify.ts';
import { WitnessCalculator } from '../../src/proof/prover/witness-calculator.ts';
import { WorkerPool } from '../../src/proof/prover/worker-pool.ts';
import { compileMediumCircuit, prepareToyCircuit, toyInput } from '../../src/proof/testing.ts';

/** What the transforms are compared with. */
interface ReferenceField {
  e(value: number): Uint8Array;
  ifft(values: Uint8Array): Promise<Uint8Array>;
  fft(values: Uint8Array): Promise<Uint8Array>;
  batchApplyKey(values: Uint8Array, first: Uint8Array, factor: Uint8Array): Promise<Uint8Array>;
}

const SEED = process.env.ZKMARGIN_SEED ?? '20250219';

/** A scalar of 256 bits, the same in every run with the same seed. */
function someScalar(series: number, index: number): bigint {
  return modR(readU256LE(createHash('sha256').update(`${SEED} ${series} ${index}`).digest()));
}

let curve: Curve;
let instance: CurveInstance;
beforeAll(async () => {
  curve = await singleThreadCurve();
  const module = await WebAssembly.compile(curve.tm.code);
  instance = await CurveInstance.create({ module, g1: curve.tm.pG1gen, g2: curve.tm.pG2gen });
});

describe('CosetTransform', () => {
  it.each([2, 4, 8, 64, 1024, 4096])(
    `has the values that snarkjs has, for %i points (seed ${SEED})`,
    async (size) => {
      const values = new Uint8Array(32 * size);
      for (let i = 0; i < size; i++) {
        writeU256LE(values, 32 * i, someScalar(size, i));
      }
      const pointer = instance.put(values);
      new CosetTransform(instance, size, curve.Fr.w).run(pointer);
      const reference = curve.Fr as unknown as ReferenceField;
      const coefficients = await reference.ifft(values);
      const shifted = await reference.batchApplyKey(
        coefficients,
        reference.e(1),
        curve.Fr.w[Math.log2(size) + 1]!,
      );
      const expected = await reference.fft(shifted);
      expect(Buffer.compare(instance.bytes(pointer, 32 * size), expected)).toBe(0);
    },
  );

  it('refuses sizes that are no powers of two', () => {
    for (const size of [0, 1, 3, 1000, 2 ** 28]) {
      expect(() => new CosetTransform(instance, size, curve.Fr.w)).toThrow(RangeError);
    }
  });
});

describe('MultiScalar', () => {
  const toBytes = (scalars: readonly bigint[]) => {
    const bytes = new Uint8Array(32 * scalars.length);
    scalars.forEach((value, index) => {
      writeU256LE(bytes, 32 * index, value);
    });
    return new Uint32Array(bytes.buffer);
  };
  /** The sum, from parts of so many windows. */
  const multiply = (
    group: 'g1m' | 'g2m',
    bases: Uint8Array,
    scalars: readonly bigint[],
    plan?: WindowPlan,
    step = 3,
  ) => {
    const words = toBytes(scalars);
    // Every instance has its own memory, because one gets no memory back.
    const sum = new MultiScalar(instance, group);
    const set = sum.put(bases);
    const used = plan ?? planWindows(weightOf(words));
    const digits = digitsOf(words, set.places, used);
    const ops = group === 'g1m' ? curve.G1 : curve.G2;
    let total = ops.zero;
    for (let from = 0; from < used.count; from += step) {
      total = ops.add(total, sum.windows(set, digits, from, Math.min(used.count, from + step)));
    }
    return total;
  };
  const join = (points: readonly Uint8Array[], size: number) => {
    const bytes = new Uint8Array(size * points.length);
    points.forEach((point, index) => {
      bytes.set(point, size * index);
    });
    return bytes;
  };
  // Multiples of the generator by known numbers: the sum is a multiple of it by a number that is computed apart.
  const scalar = fc.oneof(
    { weight: 3, arbitrary: fc.bigInt({ min: 0n, max: SCALAR_MODULUS - 1n }) },
    { weight: 2, arbitrary: fc.bigInt({ min: 0n, max: 300n }) },
    {
      weight: 2,
      arbitrary: fc.constantFrom(0n, 1n, 2n, 127n, 128n, 2n ** 32n - 1n, 2n ** 253n, SCALAR_MODULUS - 1n),
    },
    // All ones and alternating digits: carries through every window.
    { weight: 1, arbitrary: fc.nat(253).map((bits) => 2n ** BigInt(bits) - 1n) },
  );
  // Few different factors, zero and opposites among them: buckets meet equal points, opposite points and no point.
  const factor = fc.bigInt({ min: -3n, max: 3n });

  it.each(['g1m', 'g2m'] as const)('adds what it should in %s, whatever the points and windows', (group) => {
    const ops = group === 'g1m' ? curve.G1 : curve.G2;
    const multiples = new Map<bigint, Uint8Array>();
    for (let k = -3n; k <= 3n; k++) {
      multiples.set(k, ops.toAffine(ops.timesScalar(ops.g, modR(k))));
    }
    fc.assert(
      fc.property(
        fc.array(fc.tuple(factor, scalar), { minLength: 1, maxLength: group === 'g1m' ? 60 : 20 }),
        fc.integer({ min: 2, max: 15 }),
        fc.integer({ min: 1, max: 40 }),
        (terms, bits, step) => {
          const bases = join(
            terms.map(([k]) => multiples.get(k)!),
            group === 'g1m' ? 64 : 128,
          );
          const expected = ops.timesScalar(ops.g, modR(terms.reduce((sum, [k, s]) => sum + k * s, 0n)));
          const plan = { bits, count: Math.ceil(255 / bits) };
          const scalars = terms.map(([, s]) => s);
          expect(ops.eq(multiply(group, bases, scalars, plan, step), expected)).toBe(true);
          expect(ops.eq(multiply(group, bases, scalars), expected)).toBe(true);
        },
      ),
      { numRuns: group === 'g1m' ? 60 : 20 },
    );
  });

  it(`adds thousands of different points (seed ${SEED})`, async () => {
    const count = 3000;
    const points: Uint8Array[] = [];
    let point = curve.G1.g;
    for (let i = 0; i < count; i++) {
      points.push(curve.G1.toAffine(point));
      point = curve.G1.add(point, curve.G1.gAffine);
    }
    const scalars = points.map((_, index) => someScalar(count, index));
    const expected = scalars.reduce((sum, s, index) => modR(sum + s * BigInt(index + 1)), 0n);
    const sum = multiply('g1m', join(points, 64), scalars);
    expect(curve.G1.eq(sum, curve.G1.timesScalar(curve.G1.g, expected))).toBe(true);
  });

  it('is zero for zero scalars and for no points', () => {
    const points = join([curve.G1.gAffine, curve.G1.gAffine], 64);
    expect(curve.G1.isZero(multiply('g1m', points, [0n, 0n]))).toBe(true);
    expect(curve.G1.isZero(multiply('g1m', points, [5n, SCALAR_MODULUS - 5n]))).toBe(true);
    expect(curve.G1.isZero(multiply('g1m', new Uint8Array(128), [5n, 7n]))).toBe(true);
  });
});

describe('native backend', () => {
  let toy: ProverCircuit;
  let key: ProvingKey;
  let witness: Uint8Array;
  let backend: ProverBackend;
  beforeAll(async () => {
    toy = await prepareToyCircuit();
    key = decodeProvingKey(await readFile(toy.zkeyPath));
    const calculator = await WitnessCalculator.create(await readFile(toy.wasmPath));
    witness = await calculator.calculate(toyInput(3n, 5n, 7n));
    backend = await createNativeBackend(key, { threads: 2 });
  });
  afterAll(() => backend.close());

  it('makes proofs that this project and snarkjs verify, and no two alike', async () => {
    const steps: string[] = [];
    const first = await backend.prove(witness, { onStep: (step) => steps.push(step) });
    expect([...steps].sort()).toEqual(['constraints', 'points', 'quotient', 'transforms']);
    expect(steps[0]).toBe('constraints');
    expect(steps.at(-1)).toBe('quotient');
    const second = await backend.prove(witness);
    expect(first.publicSignals.slice(1)).toEqual(['15', '7']);
    for (const { proof, publicSignals } of [first, second]) {
      expect(await verifyProof(toy.verificationKey, publicSignals, proof)).toBe(true);
    }
    // Hidden by fresh random numbers: all three points differ.
    expect(second.publicSignals).toEqual(first.publicSignals);
    expect(second.proof.pi_a).not.toEqual(first.proof.pi_a);
    expect(second.proof.pi_b).not.toEqual(first.proof.pi_b);
    expect(second.proof.pi_c).not.toEqual(first.proof.pi_c);
    const snarkjs = new CircuitProver([toy]);
    const reference = await snarkjs.prove({ circuit: toy.name, input: toyInput(3n, 5n, 7n) });
    expect(Object.keys(first.proof)).toEqual(Object.keys(reference.proof));
    expect(first.publicSignals).toEqual(reference.publicSignals);
    expect(await groth16.verify(toy.verificationKey, first.publicSignals, first.proof)).toBe(true);
    await snarkjs.close();
  });

  it('cannot prove what is false', async () => {
    const forged = witness.slice();
    // The product, wire 2, of factors that stay as they are.
    forged[76 + 64]! ^= 2;
    const { proof, publicSignals } = await backend.prove(forged);
    expect(publicSignals[1]).toBe('13');
    expect(await verifyProof(toy.verificationKey, publicSignals, proof)).toBe(false);
  });

  it('refuses witnesses of another circuit and damaged ones', async () => {
    const longer = new Uint8Array(witness.length + 32);
    longer.set(witness);
    new DataView(longer.buffer).setUint32(60, key.wires + 1, true);
    await expect(backend.prove(longer)).rejects.toMatchObject({ code: 'KEY_MISMATCH' });
    await expect(backend.prove(witness.slice(0, -32))).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
    await expect(backend.prove(new Uint8Array(20))).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
    await expect(createNativeBackend({ ...key, domainSize: 1000 })).rejects.toMatchObject({
      code: 'FILE_MALFORMED',
    });
  });

  it('ends a proof between two steps, and proves again afterwards', async () => {
    for (const at of ['constraints', 'transforms', 'quotient']) {
      const controller = new AbortController();
      const cancelled = backend.prove(witness, {
        signal: controller.signal,
        onStep: (step) => step === at && controller.abort(),
      });
      await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
    }
    await expect(backend.prove(witness, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    const { proof, publicSignals } = await backend.prove(witness);
    expect(await verifyProof(toy.verificationKey, publicSignals, proof)).toBe(true);
  });

  it.each([1, 3])('proves on %i threads, and not after it was closed', async (threads) => {
    const other = await createNativeBackend(key, { threads });
    const { proof, publicSignals } = await other.prove(witness);
    expect(await verifyProof(toy.verificationKey, publicSignals, proof)).toBe(true);
    await other.close();
    await other.close();
    await expect(other.prove(witness)).rejects.toMatchObject({ code: 'POOL_UNAVAILABLE' });
  });

  it('proves a circuit of thousands of constraints in a pool, also after its process was killed', async () => {
    const circuit = await compileMediumCircuit();
    const { zkeyPath, verificationKey } = await ensureDevelopmentKey(circuit);
    const { name, wasmPath } = circuit;
    const pool = new WorkerPool({
      circuits: [{ name, wasmPath, zkeyPath, verificationKey }],
      backend: { name: 'native', threads: 2 },
    });
    expect(await pool.warmUp()).toEqual({ name: 'native', threads: 2 });
    let killed = false;
    const { proof, publicSignals } = await pool.prove(
      { circuit: name, input: { x: '99' } },
      {
        onProgress: (_, { step }) => {
          if (step !== 'quotient' || killed) return;
          killed = true;
          process.kill(pool.status().processes[0]!, 'SIGKILL');
        },
      },
    );
    expect(killed).toBe(true);
    expect(await verifyProof(verificationKey, publicSignals, proof)).toBe(true);
    expect(pool.status()).toMatchObject({ retried: 1, proved: 1, failed: 0 });
    await pool.close();
  });
});
