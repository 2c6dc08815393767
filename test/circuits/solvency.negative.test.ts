/** What `solvency` refuses: every single wire changed alone, and choices that a lying prover would like to make. */
import { beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import { SCALAR_FIELD } from '../../src/market/instrument.ts';
import { CircuitTester } from '../../src/proof/circuit-tester.ts';
import type { CircuitInput } from '../../src/proof/prover/backend.ts';
import { solvencyInput } from '../../src/proof/witness/solvency.ts';
import { legs, near, round } from './full-account.ts';
import { unnoticedWires, wireNames } from './wires.ts';

let circuit: CircuitTester;
let input: CircuitInput;
let witness: bigint[];

beforeAll(async () => {
  circuit = await CircuitTester.fromFile('circuits/main/solvency-8.circom');
  input = await solvencyInput({
    legs,
    scale: (1n << 40n) + 12_345n,
    round,
    parameters: DEFAULT_PARAMETERS,
    cash: 900_000_000_000n,
    level: 5120n,
    salt: 42n,
    context: 987_654_321n,
    capacity: 8,
  });
  witness = await circuit.witness(input);
});

const unnoticed = (change: (value: bigint) => bigint): number[] => unnoticedWires(circuit, witness, change);
const namesOf = (wires: readonly number[]): string[] => wireNames(circuit, wires);

describe('single changes to a valid witness', () => {
  it('starts from an accepted witness', () => {
    expect(circuit.violated(witness)).toEqual([]);
  });

  it('every wire plus one is noticed', () => {
    expect(namesOf(unnoticed((value) => value + 1n))).toEqual([]);
  });

  it('every boolean flipped, and every other wire halved in the field, is noticed', () => {
    const half = (SCALAR_FIELD + 1n) / 2n;
    const changed = (value: bigint): bigint => (value <= 1n ? 1n - value : (value * half) % SCALAR_FIELD);
    expect(namesOf(unnoticed(changed))).toEqual([]);
  });

  it('every wire negated is noticed, unless it is 0', () => {
    const zeros = new Set(witness.flatMap((value, wire) => (value === 0n ? [wire] : [])));
    const left = unnoticed((value) => (SCALAR_FIELD - value) % SCALAR_FIELD).filter(
      (wire) => !zeros.has(wire),
    );
    // The context only enters its square; being public, it is also bound by the verifier.
    expect(namesOf(left)).toEqual(['main.context']);
  });
});

describe('a lying prover', () => {
  const refused = async (change: Partial<Record<keyof typeof input, unknown>>): Promise<void> => {
    await expect(circuit.witness({ ...input, ...change } as CircuitInput)).rejects.toMatchObject({
      code: 'WITNESS_REJECTED',
    });
  };
  const changedAt = (name: string, index: number, value: unknown): Record<string, unknown> => ({
    [name]: (input[name] as unknown[]).map((old, i) => (i === index ? value : old)),
  });

  it('cannot price a leg with another expiry', async () => {
    await refused(changedAt('select', 1, ['0', '1', '0', '0', '0', '0', '0']));
    await refused(changedAt('select', 1, ['0', '0', '0', '0', '0', '0', '0']));
  });
  it('cannot mix expiries', async () => {
    const half = String((SCALAR_FIELD + 1n) / 2n);
    await refused(changedAt('select', 1, [half, half, '0', '0', '0', '0', '0']));
    await refused(changedAt('select', 1, ['1', '1', '0', '0', '0', '0', '0']));
  });
  it('cannot give the linear leg an expiry', async () => {
    await refused(changedAt('select', 0, ['1', '0', '0', '0', '0', '0', '0']));
  });
  it('cannot change a strike, a quantity or a kind', async () => {
    await refused(changedAt('strikes', 1, String(BigInt((input.strikes as string[])[1]!) + 1n)));
    await refused(changedAt('quantities', 1, '5'));
    await refused(changedAt('kindBits', 1, ['1', '0']));
  });
  it('cannot shift weight between strike, kind and quantity of a packed leg', async () => {
    const strike = BigInt((input.strikes as string[])[1]!);
    const quantity = BigInt((input.quantities as string[])[1]!);
    await refused({
      ...changedAt('strikes', 1, String(strike + (1n << 60n))),
      ...changedAt('quantities', 1, String((quantity - 1n + SCALAR_FIELD) % SCALAR_FIELD)),
    });
    await refused({
      ...changedAt('strikes', 1, String((strike - (1n << 36n) + SCALAR_FIELD) % SCALAR_FIELD)),
      ...changedAt('kindBits', 1, ['0', '1']),
    });
  });
  it('cannot use other legs, salt or underlying than those committed to', async () => {
    await refused(changedAt('packed', 7, '0'));
    await refused({ salt: '43' });
    await refused({ underlyingWord: String(BigInt(input.underlyingWord as string) + (1n << 104n)) });
  });
  it('cannot use other parameters or scenarios than those committed to', async () => {
    await refused({ header: String(BigInt(input.header as string) + 1n) });
    await refused(changedAt('scenarioWords', 0, String(BigInt((input.scenarioWords as string[])[0]!) + 1n)));
  });
  it('cannot understate the worst loss, nor wrap it around the field', async () => {
    const worst = BigInt(input.worstLoss as string);
    await refused({ worstLoss: String(worst - 1n) });
    await refused({ worstLoss: '0' });
    await refused({ worstLoss: String(SCALAR_FIELD - 1n) });
    await refused({ worstLoss: String(worst + (1n << 93n)) });
  });
  it('may overstate it, which only costs him', async () => {
    await circuit.witness({ ...input, worstLoss: String(BigInt(input.worstLoss as string) + 1n) });
  });
  it('cannot claim a higher level, more scale or less debt than is public', async () => {
    await refused({ cash: String(SCALAR_FIELD - 900_000_000_000n) });
    await refused({ level: '65535', cash: '1000000' });
  });
  it('cannot use an expired expiry word', async () => {
    const late =
      BigInt(input.underlyingWord as string) + ((BigInt(near) * 3_600n - round.underlying.timestamp) << 44n);
    await refused({ underlyingWord: String(late) });
  });
});
