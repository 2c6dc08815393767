import type { Curve, Groth16Proof, Groth16VerificationKey } from 'snarkjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { SCALAR_MODULUS } from '../../src/math/fixed/scalar-field.ts';
import { singleThreadCurve } from '../../src/proof/curve.ts';
import { BASE_MODULUS } from '../../src/proof/field.ts';
import { CircuitProver } from '../../src/proof/prover/circuit-prover.ts';
import { verifyProof } from '../../src/proof/prover/verify.ts';
import { type BatchItem, findInvalidProofs, verifyBatch } from '../../src/proof/prover/verify-batch.ts';
import { otherSpellings, prepareToyCircuit, toyInput } from '../../src/proof/testing.ts';

const COUNT = 9;
let curve: Curve;
let key: Groth16VerificationKey;
let items: BatchItem[];

beforeAll(async () => {
  curve = await singleThreadCurve();
  const circuit = await prepareToyCircuit();
  key = circuit.verificationKey;
  const prover = new CircuitProver([circuit]);
  items = [];
  for (let i = 0; i < COUNT; i++) {
    const input = toyInput(BigInt(i), BigInt(3 * i + 1), BigInt(i % 2));
    items.push(await prover.prove({ circuit: circuit.name, input }));
  }
  await prover.close();
}, 120_000);

const g1 = (point: readonly string[]) => curve.G1.fromObject(point.map(BigInt));
const g2 = (point: readonly (readonly string[])[]) =>
  curve.G2.fromObject(point.map((pair) => pair.map(BigInt)));
const text1 = (point: Uint8Array) =>
  (curve.G1.toObject(curve.G1.toAffine(point)) as bigint[]).map(String).concat('1').slice(0, 3);

/** A proof with a point added to `pi_a` or `pi_c`. */
function shifted(proof: Groth16Proof, where: 'pi_a' | 'pi_c', by: Uint8Array): Groth16Proof {
  return { ...proof, [where]: text1(curve.G1.add(g1(proof[where]), by)) };
}

/** The product of all equations with every power 1: what a batch must not be decided by. */
async function naiveProduct(batch: readonly BatchItem[]): Promise<boolean> {
  const { G1 } = curve;
  const pairs: Uint8Array[] = [];
  let [inputs, c, alpha] = [G1.zero, G1.zero, G1.zero];
  for (const { proof, publicSignals } of batch) {
    pairs.push(G1.neg(g1(proof.pi_a)), g2(proof.pi_b));
    inputs = G1.add(inputs, g1(key.IC[0]!));
    publicSignals.forEach((signal, index) => {
      inputs = G1.add(inputs, G1.timesScalar(g1(key.IC[index + 1]!), BigInt(signal)));
    });
    c = G1.add(c, g1(proof.pi_c));
    alpha = G1.add(alpha, g1(key.vk_alpha_1));
  }
  pairs.push(inputs, g2(key.vk_gamma_2), c, g2(key.vk_delta_2), alpha, g2(key.vk_beta_2));
  return curve.pairingEq(...pairs);
}

describe('verifyBatch', () => {
  it('accepts valid proofs: none, one, several, the same twice', async () => {
    for (const batch of [[], items.slice(0, 1), items, [items[0]!, items[0]!]]) {
      expect(await verifyBatch(key, batch)).toBe(true);
      expect(await findInvalidProofs(key, batch)).toEqual([]);
    }
    expect(await naiveProduct(items)).toBe(true);
  });

  it('refuses one changed signal at every place, and finds it', async () => {
    for (let place = 0; place < COUNT; place++) {
      const batch = items.map((item, index) =>
        index === place
          ? {
              ...item,
              publicSignals: item.publicSignals.map((signal, i) =>
                i === place % 3 ? String((BigInt(signal) + 1n) % SCALAR_MODULUS) : signal,
              ),
            }
          : item,
      );
      expect(await verifyBatch(key, batch)).toBe(false);
      expect(await findInvalidProofs(key, batch)).toEqual([{ index: place, reason: 'equation' }]);
    }
  });

  it('finds several, and all', async () => {
    const wrong = (item: BatchItem) => ({ ...item, proof: shifted(item.proof, 'pi_c', curve.G1.g) });
    const some = items.map((item, index) => ([1, 4, 5, 8].includes(index) ? wrong(item) : item));
    expect((await findInvalidProofs(key, some)).map(({ index }) => index)).toEqual([1, 4, 5, 8]);
    expect((await findInvalidProofs(key, items.map(wrong))).map(({ index }) => index)).toEqual(
      items.map((_, index) => index),
    );
  });

  it('refuses signals that were exchanged, which the plain product accepts', async () => {
    const [first, second] = [items[2]!, items[3]!];
    const batch = [
      { proof: first.proof, publicSignals: second.publicSignals },
      { proof: second.proof, publicSignals: first.publicSignals },
      items[4]!,
    ];
    expect(await naiveProduct(batch)).toBe(true);
    expect(await verifyBatch(key, batch)).toBe(false);
    expect((await findInvalidProofs(key, batch)).map(({ index }) => index)).toEqual([0, 1]);
  });

  it.each(['pi_c', 'pi_a'] as const)(
    'refuses errors of %s that cancel in the plain product',
    async (where) => {
      const by = curve.G1.timesScalar(curve.G1.g, 123_456_789n);
      // Errors of A cancel when B is the same.
      const [first, second] = where === 'pi_c' ? [items[1]!, items[2]!] : [items[1]!, items[1]!];
      const batch = [
        { ...first, proof: shifted(first.proof, where, by) },
        { ...second, proof: shifted(second.proof, where, curve.G1.neg(by)) },
      ];
      expect(await naiveProduct(batch)).toBe(true);
      for (let again = 0; again < 5; again++) expect(await verifyBatch(key, batch)).toBe(false);
      expect((await findInvalidProofs(key, batch)).map(({ index }) => index)).toEqual([0, 1]);
    },
  );

  it('refuses malformed points and signals, each by its reason', async () => {
    const good = items[0]!;
    const proof = good.proof;
    const raised = [String(BigInt(proof.pi_a[0]!) + BASE_MODULUS), proof.pi_a[1]!, '1'];
    const bad: [Partial<BatchItem> | { proof: Groth16Proof }, string][] = [
      [{ proof: { ...proof, pi_a: ['1', '1', '1'] } }, 'malformed'],
      [{ proof: { ...proof, pi_a: ['0', '0', '1'] } }, 'malformed'],
      [{ proof: { ...proof, pi_c: ['0', '1', '0'] } }, 'malformed'],
      [{ proof: { ...proof, pi_a: raised } }, 'malformed'],
      [{ proof: { ...proof, pi_b: [proof.pi_b[1]!, proof.pi_b[0]!, proof.pi_b[2]!] } }, 'malformed'],
      [{ proof: { ...proof, pi_b: [] } }, 'malformed'],
      [{ proof: { ...proof, protocol: 'plonk' } }, 'malformed'],
      [{ publicSignals: good.publicSignals.slice(1) }, 'signals'],
      [{ publicSignals: [...good.publicSignals, '0'] }, 'signals'],
      [{ publicSignals: [String(SCALAR_MODULUS), ...good.publicSignals.slice(1)] }, 'signals'],
      [{ publicSignals: ['-1', ...good.publicSignals.slice(1)] }, 'signals'],
    ];
    for (const [change, reason] of bad) {
      const batch = [items[1]!, { ...good, ...change }, items[2]!];
      expect(await verifyBatch(key, batch), JSON.stringify(change)).toBe(false);
      expect(await findInvalidProofs(key, batch)).toEqual([{ index: 1, reason }]);
    }
  });

  it('refuses each other spelling of the same points', async () => {
    const good = items[0]!;
    for (const [name, proof] of otherSpellings(good.proof)) {
      const batch = [items[1]!, { ...good, proof }];
      expect(await verifyBatch(key, batch), name).toBe(false);
      expect(await findInvalidProofs(key, batch), name).toEqual([{ index: 1, reason: 'malformed' }]);
    }
  });

  it('refuses keys with another number of points than signals', async () => {
    for (const IC of [key.IC.slice(0, -1), [...key.IC, key.IC[0]!]]) {
      expect(await verifyBatch({ ...key, IC }, items.slice(0, 2))).toBe(false);
      expect(await findInvalidProofs({ ...key, IC }, items.slice(0, 2))).toEqual([
        { index: 0, reason: 'signals' },
        { index: 1, reason: 'signals' },
      ]);
    }
  });

  it('refuses a B on the curve but outside its group', async () => {
    const stray = pointOutsideTheGroup();
    expect(curve.G2.isValid(stray)).toBe(true);
    expect(curve.G2.isZero(curve.G2.timesScalar(stray, SCALAR_MODULUS))).toBe(false);
    const { proof, publicSignals } = items[0]!;
    const sum = curve.G2.toObject(curve.G2.toAffine(curve.G2.add(g2(proof.pi_b), stray))) as bigint[][];
    const pi_b = [...sum.slice(0, 2).map((pair) => pair.map(String)), ['1', '0']];
    const moved = { proof: { ...proof, pi_b }, publicSignals };
    expect(await verifyProof(key, publicSignals, moved.proof)).toBe(false);
    expect(await verifyBatch(key, [items[1]!, moved])).toBe(false);
    expect(await findInvalidProofs(key, [items[1]!, moved])).toEqual([{ index: 1, reason: 'malformed' }]);
  });
});

type Pair = readonly [bigint, bigint];

/** A point of the twist `y^2 = x^3 + 3 / (9 + u)` that is not in the group of order r: nearly every point is such. */
function pointOutsideTheGroup(): Uint8Array {
  const p = BASE_MODULUS;
  const mod = (a: bigint) => ((a % p) + p) % p;
  const power = (base: bigint, exponent: bigint) => {
    let result = 1n;
    let square = mod(base);
    for (let e = exponent; e > 0n; e >>= 1n) {
      if (e & 1n) result = mod(result * square);
      square = mod(square * square);
    }
    return result;
  };
  const times = ([a, b]: Pair, [c, d]: Pair): Pair => [mod(a * c - b * d), mod(a * d + b * c)];
  const root = (a: bigint) => {
    const found = power(a, (p + 1n) / 4n);
    return mod(found * found) === mod(a) ? found : undefined;
  };
  // 3 / (9 + u) = 3 (9 - u) / 82.
  const inverse = power(82n, p - 2n);
  const b: Pair = [mod(27n * inverse), mod(-3n * inverse)];
  for (let start = 1n; ; start++) {
    const x: Pair = [start, 0n];
    const cube = times(times(x, x), x);
    const [c, d] = [mod(cube[0] + b[0]), mod(cube[1] + b[1])];
    // (s + t u)^2 = c + d u: s^2 = (c + n) / 2 with n^2 = c^2 + d^2, and t = d / 2s.
    const norm = root(c * c + d * d);
    if (norm === undefined) continue;
    for (const sign of [norm, mod(-norm)]) {
      const s = root((c + sign) * power(2n, p - 2n));
      if (s === undefined || s === 0n) continue;
      const t = mod(d * power(2n * s, p - 2n));
      return curve.G2.fromObject([
        [start, 0n],
        [s, t],
      ]);
    }
  }
}
