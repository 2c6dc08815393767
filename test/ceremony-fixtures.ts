/** A small circuit and powers of tau for it: what tests of ceremonies start from. */
import { writeFile } from 'node:fs/promises';
import * as snarkjs from 'snarkjs';
import { curves, type MemoryFile } from 'snarkjs';

/** 71 rows: it needs powers of tau of power 7. `shift` makes another circuit of the same sizes. */
export const circuitText = (shift: number) => `pragma circom 2.2.0;
include "bitify.circom";
template CeremonyProduct() {
    signal input product;
    signal input context;
    signal input left;
    signal input right;
    component leftBits = Num2Bits(32);
    leftBits.in <== left;
    component rightBits = Num2Bits(32);
    rightBits.in <== right;
    product === left * right + ${shift};
    signal contextSquared <== context * context;
}
component main { public [product, context] } = CeremonyProduct();
`;

/** Writes prepared powers of tau of a power, after so many contributions. */
export async function makePtau(power: number, path: string, contributions = 1): Promise<void> {
  const { powersOfTau } = snarkjs as unknown as {
    powersOfTau: Record<
      'newAccumulator' | 'contribute' | 'preparePhase2',
      (...args: unknown[]) => Promise<void>
    >;
  };
  const curve = await curves.getCurveFromName('bn128');
  let file: MemoryFile = { type: 'mem' };
  await powersOfTau.newAccumulator(curve, power, file);
  for (let i = 0; i < contributions; i++) {
    const next: MemoryFile = { type: 'mem' };
    await powersOfTau.contribute(file, next, `tester ${i}`, 'entropy of a test');
    file = next;
  }
  const prepared: MemoryFile = { type: 'mem' };
  await powersOfTau.preparePhase2(file, prepared);
  await writeFile(path, prepared.data!);
}
