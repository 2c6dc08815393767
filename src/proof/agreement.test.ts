/** Contexts and openings: the libraries on a local chain against this code. */
import type { Hex } from 'viem';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildContracts } from '../chain/build.ts';
import { type Harness, type HarnessCall, startHarness } from '../chain/testing.ts';
import { SCALAR_MODULUS } from '../math/fixed/scalar-field.ts';
import { openingEvaluation, openingPoint } from './opening.ts';
import {
  contextOf,
  fromSigned,
  SOLVENCY_PURPOSES,
  settlementContext,
  solvencyContext,
  transferContext,
} from './witness/contexts.ts';

const MAX = 2n ** 256n - 1n;
const A: Hex = '0x00000000000000000000000000000000000000a1';
const B: Hex = '0xffffffffffffffffffffffffffffffffffffffff';
const PURPOSES = Object.keys(SOLVENCY_PURPOSES) as (keyof typeof SOLVENCY_PURPOSES)[];

let harness: Harness;

beforeAll(async () => {
  await buildContracts({ tests: true });
  harness = await startHarness('MathHarness');
});

afterAll(async () => {
  await harness?.stop();
});

async function agree(cases: readonly (HarnessCall & { readonly mine: bigint })[]): Promise<void> {
  const theirs = await harness.call(cases);
  expect(theirs).toEqual(cases.map(({ mine }) => ({ result: mine })));
}

/** Numbers that tell places apart, small and as large as they get. */
const NUMBERS = [
  [1n, 2n, 3n, 4n],
  [0n, 0n, 0n, 0n],
  [MAX, MAX - 1n, 2n ** 64n, 7n],
] as const;

describe('contexts', () => {
  it('of insolvency proofs', () =>
    agree(
      NUMBERS.flatMap(([accountId, nonce, round]) =>
        [A, B].map((engine) => ({
          functionName: 'insolvencyContext',
          args: [engine, accountId, nonce, round, A],
          mine: contextOf({ chainId: harness.chainId, engine, accountId, nonce, round, keeper: A }),
        })),
      ),
    ));

  it('of solvency proofs, for every purpose', () =>
    agree(
      NUMBERS.flatMap(([accountId, nonce, round]) =>
        PURPOSES.map((purpose) => ({
          functionName: 'solvencyContext',
          args: [A, SOLVENCY_PURPOSES[purpose], accountId, nonce, round],
          mine: solvencyContext({ chainId: harness.chainId, consumer: A, purpose, accountId, nonce, round }),
        })),
      ),
    ));

  it('of transfer proofs, with cash in both directions', () =>
    agree(
      NUMBERS.flatMap(([accountA, nonceA, accountB, nonceB]) =>
        [0n, 1n, -1n, 2n ** 96n, -(2n ** 255n)].map((cashToA) => ({
          functionName: 'transferContext',
          args: [A, accountA, nonceA, accountB, nonceB, cashToA],
          mine: transferContext({
            chainId: harness.chainId,
            consumer: A,
            accountA,
            nonceA,
            accountB,
            nonceB,
            cashToA,
          }),
        })),
      ),
    ));

  it('of settlement proofs', () =>
    agree(
      NUMBERS.map(([accountId, nonce]) => ({
        functionName: 'settlementContext',
        args: [B, accountId, nonce],
        mine: settlementContext({ chainId: harness.chainId, consumer: B, accountId, nonce }),
      })),
    ));

  it('differ in every part, and between kinds', () => {
    const solvency = {
      chainId: 1n,
      consumer: A,
      purpose: 'trade',
      accountId: 1n,
      nonce: 2n,
      round: 3n,
    } as const;
    const transfer = {
      chainId: 1n,
      consumer: A,
      accountA: 1n,
      nonceA: 2n,
      accountB: 3n,
      nonceB: 4n,
      cashToA: 5n,
    };
    const settlement = { chainId: 1n, consumer: A, accountId: 1n, nonce: 2n };
    const insolvency = { chainId: 1n, engine: A, accountId: 1n, nonce: 2n, round: 3n, keeper: A };
    const all = [
      ...[
        {},
        { chainId: 2n },
        { consumer: B },
        { purpose: 'recovery' as const },
        { purpose: 'withdrawal' as const },
        { accountId: 2n },
        { nonce: 3n },
        { round: 4n },
      ].map((change) => solvencyContext({ ...solvency, ...change })),
      ...[
        {},
        { chainId: 2n },
        { consumer: B },
        { accountA: 2n },
        { nonceA: 3n },
        { accountB: 4n },
        { nonceB: 5n },
        { cashToA: -5n },
      ].map((change) => transferContext({ ...transfer, ...change })),
      ...[{}, { chainId: 2n }, { consumer: B }, { accountId: 2n }, { nonce: 3n }].map((change) =>
        settlementContext({ ...settlement, ...change }),
      ),
      ...[
        {},
        { chainId: 2n },
        { engine: B },
        { accountId: 2n },
        { nonce: 3n },
        { round: 4n },
        { keeper: B },
      ].map((change) => contextOf({ ...insolvency, ...change })),
    ];
    expect(new Set(all).size).toBe(all.length);
    for (const context of all) expect(context >= 0n && context < SCALAR_MODULUS).toBe(true);
  });
});

describe('signed numbers', () => {
  it('become field elements', async () => {
    const values = [0n, 1n, -1n, 123_456n, 2n ** 96n - 1n, -(2n ** 96n) + 1n];
    await agree(
      values.map((value) => ({ functionName: 'fromSigned', args: [value], mine: fromSigned(value) })),
    );
    expect(() => fromSigned(2n ** 96n)).toThrowError(expect.objectContaining({ code: 'OUT_OF_RANGE' }));
    expect(() => fromSigned(-(2n ** 96n))).toThrowError(expect.objectContaining({ code: 'OUT_OF_RANGE' }));
  });
});

describe('openings', () => {
  const leg = (index: number): bigint =>
    (BigInt(index) * 0x1234567890abcdef1234567890abcdefn) ** 2n % SCALAR_MODULUS;
  const openings = [0, 1, 2, 8, 16, 32].map((count) => ({
    legs: Array.from({ length: count }, (_, index) => leg(index + 1)),
    salt: leg(count + 99),
  }));
  const extreme = { legs: [SCALAR_MODULUS - 1n, 0n, SCALAR_MODULUS - 1n], salt: SCALAR_MODULUS - 1n };
  const all = [...openings, extreme, { legs: [], salt: 0n }];

  it('have the same points', () =>
    agree(
      all.flatMap(({ legs, salt }) =>
        [0n, 5n, SCALAR_MODULUS - 1n].map((commitment) => ({
          functionName: 'openingPoint',
          args: [commitment, legs, salt],
          mine: openingPoint(commitment, { legs, salt }),
        })),
      ),
    ));

  it('have the same values', () =>
    agree(
      all.flatMap(({ legs, salt }) =>
        [0n, 1n, 77n, openingPoint(9n, { legs, salt }), SCALAR_MODULUS - 1n].map((point) => ({
          functionName: 'openingEvaluation',
          args: [point, legs, salt],
          mine: openingEvaluation(point, { legs, salt }),
        })),
      ),
    ));

  it('have the value of the polynomial', () => {
    const [l1, l2, salt] = [11n, 13n, 17n];
    const z = 1_000n;
    expect(openingEvaluation(z, { legs: [l1, l2], salt })).toBe(salt * z + l1 * z ** 2n + l2 * z ** 3n);
    expect(openingEvaluation(0n, { legs: [l1, l2], salt })).toBe(0n);
    // A leg of 0 at the end is padding: it changes nothing.
    expect(openingEvaluation(z, { legs: [l1, l2, 0n], salt })).toBe(
      openingEvaluation(z, { legs: [l1, l2], salt }),
    );
  });

  it('tell changed legs apart', () => {
    const { legs, salt } = openings[3]!;
    const point = openingPoint(3n, { legs, salt });
    const value = openingEvaluation(point, { legs, salt });
    for (let index = 0; index < legs.length; index++) {
      const changed = legs.with(index, legs[index]! + 1n);
      expect(openingEvaluation(point, { legs: changed, salt })).not.toBe(value);
      expect(openingPoint(3n, { legs: changed, salt })).not.toBe(point);
    }
    expect(openingEvaluation(point, { legs, salt: salt + 1n })).not.toBe(value);
    expect(openingPoint(4n, { legs, salt })).not.toBe(point);
  });

  it('are refused by both when they are no field elements', async () => {
    const over = SCALAR_MODULUS;
    const refused = await harness.call([
      { functionName: 'openingEvaluation', args: [1n, [1n, over], 1n] },
      { functionName: 'openingEvaluation', args: [1n, [1n], over] },
      { functionName: 'openingEvaluation', args: [1n, [MAX], 1n] },
    ]);
    expect(refused).toEqual(Array.from({ length: 3 }, () => ({ error: 'NotFieldElement' })));
    const refusal = (field: string) => expect.objectContaining({ code: 'OUT_OF_RANGE', field });
    expect(() => openingEvaluation(1n, { legs: [1n, over], salt: 1n })).toThrowError(refusal('legs[1]'));
    expect(() => openingEvaluation(1n, { legs: [1n], salt: over })).toThrowError(refusal('salt'));
    expect(() => openingEvaluation(over, { legs: [1n], salt: 1n })).toThrowError(refusal('point'));
    expect(() => openingPoint(1n, { legs: [MAX], salt: 1n })).toThrowError(refusal('legs[0]'));
  });
});
