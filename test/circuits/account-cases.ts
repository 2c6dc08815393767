/** What every margin circuit must refuse of the full account: single changed wires, and lies about the opening. */

import { expect, it } from 'vitest';
import { invR, modR, SCALAR_MODULUS } from '../../src/math/fixed/scalar-field.ts';
import type { CircuitTester } from '../../src/proof/circuit-tester.ts';
import { fieldText } from '../../src/proof/field.ts';
import type { CircuitInput } from '../../src/proof/prover/backend.ts';
import { near, round } from './full-account.ts';
import { isFreeInverse, unnoticed as unnoticedNames } from './tampering.ts';

/** A circuit with the full account's input and witness. */
export interface Accepted {
  readonly circuit: CircuitTester;
  readonly input: CircuitInput;
  readonly witness: readonly bigint[];
}

/** Expects that no witness exists for an input with some signals changed. */
export async function expectRefused(
  { circuit, input }: Accepted,
  change: Readonly<Record<string, unknown>>,
): Promise<void> {
  await expect(circuit.witness({ ...input, ...change } as CircuitInput)).rejects.toMatchObject({
    code: 'WITNESS_REJECTED',
  });
}

/** One element of an input's list, changed. */
export function changedAt(
  { input }: Accepted,
  name: string,
  index: number,
  value: unknown,
): Record<string, unknown> {
  return { [name]: (input[name] as unknown[]).map((old, i) => (i === index ? value : old)) };
}

/** Tests that change one wire at a time. */
export function singleChanges(accepted: () => Accepted): void {
  const unnoticed = (change: (value: bigint) => bigint): string[] => {
    const { circuit, witness } = accepted();
    return unnoticedNames(circuit, witness, change).filter((name) => !isFreeInverse(name));
  };

  it('starts from an accepted witness', () => {
    const { circuit, witness } = accepted();
    expect(circuit.violated([...witness])).toEqual([]);
  });

  it('every wire plus one is noticed', () => {
    expect(unnoticed((value) => value + 1n)).toEqual([]);
  });

  it('every boolean flipped, and every other wire halved in the field, is noticed', () => {
    const half = invR(2n);
    expect(unnoticed((value) => (value <= 1n ? 1n - value : modR(value * half)))).toEqual([]);
  });

  it('every wire negated is noticed, unless it is 0', () => {
    // A 0 becomes 1: that is the first test's. The context only enters its square; being public, the verifier binds it.
    const negated = (value: bigint): bigint => (value === 0n ? 1n : SCALAR_MODULUS - value);
    expect(unnoticed(negated)).toEqual(['main.context']);
  });
}

/** Tests of lies about legs, parameters and the oracle's words. */
export function liesAboutTheOpening(accepted: () => Accepted): void {
  const refused = (change: Readonly<Record<string, unknown>>): Promise<void> =>
    expectRefused(accepted(), change);
  const changed = (name: string, index: number, value: unknown): Record<string, unknown> =>
    changedAt(accepted(), name, index, value);
  const given = (name: string, index: number): bigint => BigInt((accepted().input[name] as string[])[index]!);
  const word = (): bigint => BigInt(accepted().input.underlyingWord as string);

  it('cannot price a leg with another expiry', async () => {
    await refused(changed('select', 1, ['0', '1', '0', '0', '0', '0', '0']));
    await refused(changed('select', 1, ['0', '0', '0', '0', '0', '0', '0']));
  });
  it('cannot mix expiries', async () => {
    const half = String(invR(2n));
    await refused(changed('select', 1, [half, half, '0', '0', '0', '0', '0']));
    await refused(changed('select', 1, ['1', '1', '0', '0', '0', '0', '0']));
  });
  it('cannot give the linear leg an expiry', async () => {
    await refused(changed('select', 0, ['1', '0', '0', '0', '0', '0', '0']));
  });
  it('cannot change a strike, a quantity or a kind', async () => {
    await refused(changed('strikes', 1, String(given('strikes', 1) + 1n)));
    await refused(changed('quantities', 1, '5'));
    await refused(changed('kindBits', 1, ['1', '0']));
  });
  it('cannot shift weight between strike, kind and quantity of a packed leg', async () => {
    const strike = given('strikes', 1);
    const quantity = given('quantities', 1);
    await refused({
      ...changed('strikes', 1, String(strike + (1n << 60n))),
      ...changed('quantities', 1, fieldText(quantity - 1n)),
    });
    await refused({
      ...changed('strikes', 1, fieldText(strike - (1n << 36n))),
      ...changed('kindBits', 1, ['0', '1']),
    });
  });
  it('cannot use other legs, salt or underlying than those committed to', async () => {
    await refused(changed('packed', 7, '0'));
    await refused({ salt: '43' });
    await refused({ underlyingWord: String(word() + (1n << 104n)) });
  });
  it('cannot use other parameters or scenarios than those committed to', async () => {
    await refused({ header: String(BigInt(accepted().input.header as string) + 1n) });
    await refused(changed('scenarioWords', 0, String(given('scenarioWords', 0) + 1n)));
  });
  it('cannot use an expired expiry word', async () => {
    const late = word() + ((BigInt(near) * 3_600n - round.underlying.timestamp) << 44n);
    await refused({ underlyingWord: String(late) });
  });
}
