import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { SCALAR_MODULUS } from '../math/fixed/scalar-field.ts';
import { readSalt } from '../service/requests/account.ts';
import { commitPositions } from './commitment.ts';
import { openingEvaluation, openingPoint } from './opening.ts';
import { requireSalt } from './salt.ts';
import { settlementInput } from './witness/settlement.ts';
import { transferInput } from './witness/transfer.ts';

/** Whatever reads a salt. */
const readers: readonly (readonly [string, (salt: bigint) => unknown])[] = [
  ['requireSalt', (salt) => requireSalt(salt)],
  ['a commitment', (salt) => commitPositions({ legs: [], underlyingId: 1n, salt })],
  ['a point of an opening', (salt) => openingPoint(1n, { legs: [], salt })],
  ['an evaluation of an opening', (salt) => openingEvaluation(1n, { legs: [], salt })],
  ['a request', (salt) => readSalt(String(salt))],
  [
    'a transfer',
    (salt) => {
      const [own, other] = [salt, 1n].map((each) => ({ legs: [], salt: each, scale: 1n }));
      const sides = { a: other!, b: own! };
      return transferInput({ before: sides, after: sides, underlyingId: 1n, context: 1n, capacity: 8 });
    },
  ],
  [
    'a settlement',
    (salt) =>
      settlementInput({
        legs: [{ instrument: { kind: 'call', expiryHour: 500_000, strike: 1n }, quantity: 1n }],
        salt,
        scale: 1n,
        prices: [{ expiryHour: 500_000, price: 1n }],
        underlyingId: 1n,
        context: 1n,
        capacity: 8,
      }),
  ],
];

describe('a salt', () => {
  it.each(readers)('that is no field element is told to nobody by %s', async (_, read) => {
    // The last two look like salts: a place too long, and a sign too many.
    for (const salt of [
      SCALAR_MODULUS,
      2n ** 255n + 123_456_789n,
      SCALAR_MODULUS * 10n + 7n,
      -98_765_432_123n,
    ]) {
      const error = await Promise.resolve()
        .then(() => read(salt))
        .catch((refused: unknown) => refused);
      expect(error).toMatchObject({ name: 'ZkMarginError', code: 'OUT_OF_RANGE', field: 'salt' });
      const { message, details } = error as { message: string; details?: unknown };
      expect(details).toBeUndefined();
      const digits = String(salt).replace('-', '');
      for (const shown of [message, JSON.stringify(error), inspect(error, { depth: null })]) {
        expect(shown).not.toContain(digits);
      }
    }
  });

  it.each(readers)('is any field element to %s', async (_, read) => {
    for (const salt of [0n, SCALAR_MODULUS - 1n]) await read(salt);
  });

  it('is a bigint, and errors name the place that is given', () => {
    for (const wrong of ['7', 7, undefined, null]) {
      expect(() => requireSalt(wrong)).toThrow(
        expect.objectContaining({ code: 'MALFORMED', field: 'salt', details: undefined }),
      );
    }
    expect(() => requireSalt(-1n, 'before.a.salt')).toThrow(
      expect.objectContaining({ code: 'OUT_OF_RANGE', field: 'before.a.salt' }),
    );
    expect(requireSalt(5n)).toBe(5n);
  });
});
