/** Which single changes to a witness no constraint notices. */
import { SCALAR_FIELD } from '../../src/market/instrument.ts';
import type { CircuitTester } from '../../src/proof/circuit-tester.ts';
import { forEachCoefficient } from '../../src/proof/r1cs.ts';

/** Wires whose change alone no constraint notices. */
export function unnoticedWires(
  circuit: CircuitTester,
  witness: readonly bigint[],
  change: (value: bigint) => bigint,
): number[] {
  const { r1cs } = circuit;
  const { body } = r1cs;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const sums: bigint[][] = [];
  const touched: { constraint: number; side: number; coefficient: bigint }[][] = Array.from(
    { length: r1cs.wires },
    () => [],
  );
  forEachCoefficient(r1cs, (constraint, side, wire, offset) => {
    let coefficient = 0n;
    for (let word = 3; word >= 0; word--) {
      coefficient = (coefficient << 64n) | view.getBigUint64(offset + 8 * word, true);
    }
    sums[constraint] ??= [0n, 0n, 0n];
    sums[constraint]![side]! += coefficient * witness[wire]!;
    touched[wire]!.push({ constraint, side, coefficient });
  });
  const result: number[] = [];
  for (let wire = 1; wire < r1cs.wires; wire++) {
    const difference = change(witness[wire]!) - witness[wire]!;
    const changed = new Map<number, bigint[]>();
    for (const { constraint, side, coefficient } of touched[wire]!) {
      const values = changed.get(constraint) ?? [...(sums[constraint] ?? [0n, 0n, 0n])];
      values[side]! += coefficient * difference;
      changed.set(constraint, values);
    }
    const noticed = [...changed.values()].some(([a, b, c]) => (a! * b! - c!) % SCALAR_FIELD !== 0n);
    if (!noticed) result.push(wire);
  }
  return result;
}

/** Names of wires, less circomlib's `IsZero.inv`: for an input of 0 the hint is multiplied by 0, and nothing else reads it. */
export function wireNames(circuit: CircuitTester, wires: readonly number[]): string[] {
  const names = new Map([...circuit.symbols.wires].map(([name, wire]) => [wire, name]));
  return wires
    .map((wire) => names.get(wire) ?? `wire ${wire}`)
    .filter((name) => !/\.IsZero_\d+_\d+(\[\d+\])?\.inv$/.test(name));
}
