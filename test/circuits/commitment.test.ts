/**
 * A commitment opens to one vector of places. `insolvency-32` once took vectors with a gap: chunks of eight empty places are skipped, so the
 * commitment was the same, and the call and the put of a strike on both sides of the gap were not netted.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_PARAMETERS } from '../../src/margin/parameters.ts';
import { exampleRound, type SviSurfaces } from '../../src/market/example-market.ts';
import { canonicalLegs, type Leg } from '../../src/market/instrument.ts';
import { SCALAR_MODULUS } from '../../src/math/fixed/scalar-field.ts';
import { CircuitTester } from '../../src/proof/circuit-tester.ts';
import type { CircuitInput } from '../../src/proof/prover/backend.ts';
import { insolvencyInput } from '../../src/proof/witness/insolvency.ts';
import { mainOf } from './counts.ts';
import { commitElements, expectRefused } from './tampering.ts';

const CHUNK = 8;
/** Chunks of a vector in another order. */
const arranged = <T>(places: readonly T[], order: readonly number[]): T[] =>
  order.flatMap((chunk) => places.slice(CHUNK * chunk, CHUNK * (chunk + 1)));

describe.each([8, 16, 32])('a commitment to %i places', (places) => {
  const chunks = places / CHUNK;
  let circuit: CircuitTester;
  beforeAll(async () => {
    circuit = await CircuitTester.fromText(
      'positions',
      mainOf({ template: `PositionsCommitment(${places})`, file: 'commitment' }),
    );
  });
  const commitment = async (packed: readonly bigint[]): Promise<bigint> => {
    const witness = await circuit.witness({ packed: packed.map(String), underlyingId: '7', salt: '42' });
    expect(circuit.violated(witness)).toEqual([]);
    return circuit.signal(witness, 'out');
  };
  /** Legs in the chunks that a number names by its bits. */
  const vector = (held: number): bigint[] =>
    Array.from({ length: places }, (_, place) =>
      (held >> Math.floor(place / CHUNK)) & 1 ? BigInt(place + 1) : 0n,
    );

  it('has its empty chunks at the end, and is that of no other vector, nor of one with more room', async () => {
    const opened = new Map<bigint, number>();
    for (let held = 0; held < 1 << chunks; held++) {
      const packed = vector(held);
      // The first chunk is hashed even when it is empty; of the others none follows an empty one.
      const others = held >> 1;
      if ((others & (others + 1)) !== 0) {
        await expectRefused(circuit, { packed: packed.map(String), underlyingId: '7', salt: '42' });
        continue;
      }
      const out = await commitment(packed);
      expect(opened.get(out), `chunks ${held.toString(2)}`).toBeUndefined();
      opened.set(out, held);
      const hashed = packed.slice(0, CHUNK * (1 + others.toString(2).replace('0', '').length));
      expect(out).toBe(await commitElements(hashed, 7n, 42n));
    }
    expect(opened.size).toBe(2 * chunks);
  });

  it('hides no leg in a chunk that begins with an empty place', async () => {
    for (let chunk = 1; chunk < chunks; chunk++) {
      for (let at = 1; at < CHUNK; at++) {
        for (const leg of [1n, SCALAR_MODULUS - 1n]) {
          const packed = vector((1 << chunk) - 1);
          packed[CHUNK * chunk + at] = leg;
          await expectRefused(circuit, { packed: packed.map(String), underlyingId: '7', salt: '42' });
          packed[CHUNK * chunk] = leg;
          await commitment(packed);
        }
      }
    }
  });
});

describe('insolvency of 32 legs', () => {
  const surfaces = JSON.parse(
    readFileSync(new URL('../../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
  ) as SviSurfaces;
  const round = exampleRound(surfaces, 'BTC');
  const { expiryHour } = round.expiries[3]!;
  const option = (kind: 'call' | 'put', strike: number, contracts: number): Leg => ({
    instrument: { kind, expiryHour, strike: BigInt(strike * 10_000) },
    quantity: BigInt(Math.round(contracts * 1e6)),
  });
  // The call and the put of 96,000 are the eighth and the ninth leg: a chunk ends between them.
  const legs = canonicalLegs([
    { instrument: { kind: 'linear', expiryHour: 0, strike: 0n }, quantity: -100_000_000n },
    ...[60, 62, 64, 66, 68, 70].map((thousands) => option('put', thousands * 1_000, 0.001)),
    option('call', 96_000, 100),
    option('put', 96_000, -100),
  ]);

  it('cannot part the call and the put of a strike by empty places', async () => {
    expect(legs.slice(7).map(({ instrument }) => instrument.kind)).toEqual(['call', 'put']);
    const circuit = await CircuitTester.fromFile('circuits/main/insolvency-32.circom');
    const input = await insolvencyInput({
      legs,
      salt: 42n,
      scale: 1n << 40n,
      round,
      parameters: DEFAULT_PARAMETERS,
      scenarioIndex: 0,
      context: 1n,
      capacity: 32,
    });
    expect(circuit.violated(await circuit.witness(input))).toEqual([]);
    const places = ['packed', 'strikes', 'quantities', 'kindBits', 'select'] as const;
    const inOrder = (order: readonly number[]): CircuitInput => ({
      ...input,
      ...Object.fromEntries(places.map((name) => [name, arranged(input[name] as string[], order)])),
    });
    expect(inOrder([0, 1, 2, 3])).toEqual(input);
    for (const order of [
      [0, 2, 1, 3],
      [0, 2, 3, 1],
    ]) {
      await expect(circuit.witness(inOrder(order))).rejects.toMatchObject({
        code: 'WITNESS_REJECTED',
      });
    }
  });
});
