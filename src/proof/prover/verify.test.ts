import { readFile } from 'node:fs/promises';
import type { Groth16Proof, Groth16VerificationKey } from 'snarkjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SCALAR_MODULUS } from '../../math/fixed/scalar-field.ts';
import { singleThreadCurve } from '../curve.ts';
import { BASE_MODULUS } from '../field.ts';
import { otherSpellings, prepareToyCircuit, toyInput } from '../testing.ts';
import { fromCalldata, toCalldata } from './backend.ts';
import { CircuitProver } from './circuit-prover.ts';
import { createSnarkjsBackend } from './snarkjs-backend.ts';
import { assertProofValid, verifyProof } from './verify.ts';

let prover: CircuitProver;
let key: Groth16VerificationKey;
let proof: Groth16Proof;
let publicSignals: string[];

beforeAll(async () => {
  const circuit = await prepareToyCircuit();
  key = circuit.verificationKey;
  prover = new CircuitProver([circuit]);
  ({ proof, publicSignals } = await prover.prove({ circuit: circuit.name, input: toyInput(0n, 5n, 0n) }));
});
afterAll(() => prover.close());

describe('verifyProof', () => {
  it('accepts a proof, with zeros among its signals', async () => {
    expect(publicSignals.slice(1)).toEqual(['0', '0']);
    expect(await verifyProof(key, publicSignals, proof)).toBe(true);
    expect(await verifyProof(key, publicSignals, fromCalldata(toCalldata(proof)))).toBe(true);
  });

  it('refuses each changed signal', async () => {
    for (let i = 0; i < publicSignals.length; i++) {
      const changed = [...publicSignals];
      changed[i] = String((BigInt(changed[i]!) + 1n) % SCALAR_MODULUS);
      expect(await verifyProof(key, changed, proof)).toBe(false);
      await expect(assertProofValid(key, changed, proof)).rejects.toMatchObject({ code: 'PROOF_INVALID' });
    }
  });

  it('refuses signals that are not canonical: the same residue would pass the equation', async () => {
    for (const bad of [String(SCALAR_MODULUS), '-1', '00', '0x0', '', '9'.repeat(78), '1'.repeat(400)]) {
      await expect(verifyProof(key, [publicSignals[0]!, bad, '0'], proof), bad).rejects.toMatchObject({
        code: 'PUBLIC_SIGNAL_OUT_OF_RANGE',
        details: { index: 1 },
      });
    }
    await expect(verifyProof(key, publicSignals.slice(1), proof)).rejects.toMatchObject({
      code: 'KEY_MISMATCH',
    });
  });

  it('refuses keys with another number of points than signals', async () => {
    for (const IC of [key.IC.slice(0, -1), [...key.IC, key.IC[0]!]]) {
      await expect(verifyProof({ ...key, IC }, publicSignals, proof)).rejects.toMatchObject({
        code: 'KEY_MISMATCH',
      });
    }
  });

  it('refuses each other spelling of the same points', async () => {
    const { G1, G2 } = await singleThreadCurve();
    const points = ({ pi_a, pi_b, pi_c }: Groth16Proof) => ({
      a: G1.fromObject(pi_a.map(BigInt)),
      b: G2.fromObject(pi_b.map((pair) => pair.map(BigInt))),
      c: G1.fromObject(pi_c.map(BigInt)),
    });
    const own = points(proof);
    const spellings = otherSpellings(proof);
    expect(spellings).toHaveLength(26);
    for (const [name, spelled] of spellings) {
      const { a, b, c } = points(spelled);
      expect([G1.eq(a, own.a), G2.eq(b, own.b), G1.eq(c, own.c)], name).toEqual([true, true, true]);
      expect(await verifyProof(key, publicSignals, spelled), name).toBe(false);
    }
  });

  it('refuses malformed proofs without an exception', async () => {
    const moved = [...proof.pi_a];
    moved[0] = String(BigInt(moved[0]!) + BASE_MODULUS);
    for (const change of [
      { pi_a: ['1', '1', '1'] },
      { pi_a: ['0', '1', '0'] },
      { pi_a: moved },
      { pi_a: ['x', '1', '1'] },
      { pi_a: [] },
      { pi_c: proof.pi_a },
      { pi_b: [proof.pi_b[1]!, proof.pi_b[0]!, proof.pi_b[2]!] },
      { pi_b: [] },
      { pi_b: [proof.pi_b[0]!, proof.pi_b[1]!, '10' as never] },
      { pi_b: [proof.pi_b[0]!, proof.pi_b[1]!, null as never] },
      { protocol: 'plonk' },
    ]) {
      expect(await verifyProof(key, publicSignals, { ...proof, ...change }), JSON.stringify(change)).toBe(
        false,
      );
    }
  });
});

describe('CircuitProver', () => {
  it('refuses a proving key that is not the verification key’s', async () => {
    const circuit = await prepareToyCircuit();
    const { vk_gamma_2, vk_delta_2, IC } = circuit.verificationKey;
    const changes = {
      nPublic: 4,
      vk_alpha_1: IC[0]!,
      vk_beta_2: vk_gamma_2,
      vk_gamma_2: vk_delta_2,
      vk_delta_2: vk_gamma_2,
      IC: IC.toReversed(),
    };
    for (const [field, value] of Object.entries(changes)) {
      const other = { ...circuit.verificationKey, [field]: value };
      const mismatched = new CircuitProver([{ ...circuit, verificationKey: other }]);
      await expect(
        mismatched.prove({ circuit: circuit.name, input: toyInput() }),
        field,
      ).rejects.toMatchObject({ code: 'KEY_MISMATCH', details: { circuit: circuit.name, field } });
      await mismatched.close();
    }
    const backend = createSnarkjsBackend(await readFile(circuit.zkeyPath));
    await expect(backend.prove(new Uint8Array(20))).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
    await backend.close();
  });
});
