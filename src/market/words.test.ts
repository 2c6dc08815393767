import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isZkMarginError } from '../errors.ts';
import {
  type ExpiryState,
  type MarketRound,
  packExpiry,
  packRound,
  packUnderlying,
  type SpacingExponent,
  unpackExpiry,
  unpackRound,
  unpackUnderlying,
  validateRound,
} from './words.ts';

const underlying = fc.record({
  spot: fc.bigInt(1n, 2n ** 44n - 1n),
  timestamp: fc.bigInt(1n, 2n ** 40n - 1n),
  realisedVolatility: fc.bigInt(0n, 2n ** 20n - 1n),
  underlyingId: fc.bigInt(0n, 2n ** 32n - 1n),
});

const expiry: fc.Arbitrary<ExpiryState> = fc.record({
  expiryHour: fc.integer({ min: 1, max: 2 ** 20 - 1 }),
  forward: fc.bigInt(1n, 2n ** 44n - 1n),
  discount: fc.bigInt(1n, 2n ** 22n - 1n),
  spacingExponent: fc.constantFrom<SpacingExponent>(0, 1, 2, 3),
  vols: fc
    .tuple(
      fc.bigInt(2n ** 15n, 2n ** 19n - 1n),
      fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 7, maxLength: 7 }),
    )
    .map(([first, moves]) => {
      const vols = [first];
      for (const move of moves) {
        const previous = Number(vols.at(-1)!);
        const next = Math.min(
          Math.max(previous * 2 ** (move * 0.999), Math.ceil(previous / 2)),
          2 * previous,
        );
        vols.push(BigInt(Math.round(Math.min(Math.max(next, 2 ** 15), 2 ** 19 - 1))));
      }
      return vols;
    }),
});

const round: fc.Arbitrary<MarketRound> = fc.record({
  underlying,
  expiries: fc
    .uniqueArray(expiry, { maxLength: 8, selector: (state) => state.expiryHour })
    .map((states) => states.sort((a, b) => a.expiryHour - b.expiryHour)),
});

const EXPIRY: ExpiryState = {
  expiryHour: 483_000,
  forward: 95_000_000_000n,
  discount: 2n ** 21n,
  spacingExponent: 1,
  vols: new Array<bigint>(8).fill(65_536n),
};
const ROUND: MarketRound = {
  underlying: {
    spot: 95_000_000_000n,
    timestamp: 1_739_934_748n,
    realisedVolatility: 30_000n,
    underlyingId: 1n,
  },
  expiries: [EXPIRY],
};

function failure(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (isZkMarginError(error)) return `${error.code} ${error.field}`;
    throw error;
  }
  return 'none';
}

describe('words', () => {
  it('round-trip without loss, below 2^248', () => {
    fc.assert(
      fc.property(round, (state) => {
        const words = packRound(state);
        expect(words.expiryWords).toHaveLength(8);
        for (const word of [words.underlyingWord, ...words.expiryWords]) expect(word < 2n ** 248n).toBe(true);
        expect(unpackRound(words)).toEqual(state);
        expect(packRound(unpackRound(words))).toEqual(words);
      }),
    );
  });

  it('lay fields out as specified', () => {
    expect(packUnderlying(ROUND.underlying)).toBe(
      95_000_000_000n + (1_739_934_748n << 44n) + (30_000n << 84n) + (1n << 104n),
    );
    let word = (1n << 160n) + (483_000n << 162n) + ((2n ** 21n) << 182n) + (95_000_000_000n << 204n);
    for (let pillar = 0n; pillar < 8n; pillar++) word += 65_536n << (20n * pillar);
    expect(packExpiry(EXPIRY)).toBe(word);
  });

  it('name what is wrong', () => {
    const withExpiry = (change: Partial<ExpiryState>) =>
      failure(() => packRound({ ...ROUND, expiries: [{ ...EXPIRY, ...change }] }));
    expect(withExpiry({ forward: 0n })).toBe('OUT_OF_RANGE round.expiries[0].forward');
    expect(withExpiry({ forward: 2n ** 44n })).toBe('OUT_OF_RANGE round.expiries[0].forward');
    expect(withExpiry({ discount: 0n })).toBe('OUT_OF_RANGE round.expiries[0].discount');
    expect(withExpiry({ expiryHour: 2 ** 20 })).toBe('OUT_OF_RANGE round.expiries[0].expiryHour');
    expect(withExpiry({ expiryHour: Number.NaN })).toBe('NOT_FINITE round.expiries[0].expiryHour');
    expect(withExpiry({ spacingExponent: 4 as SpacingExponent })).toBe(
      'OUT_OF_RANGE round.expiries[0].spacingExponent',
    );
    expect(withExpiry({ vols: EXPIRY.vols.slice(1) })).toBe('MISSING_VOLATILITY round.expiries[0].vols');
    expect(withExpiry({ vols: EXPIRY.vols.with(3, 0n) })).toBe(
      'MISSING_VOLATILITY round.expiries[0].vols[3]',
    );
    expect(withExpiry({ vols: EXPIRY.vols.with(3, 32_767n) })).toBe('OUT_OF_RANGE round.expiries[0].vols[3]');
    expect(withExpiry({ vols: EXPIRY.vols.with(3, 131_073n) })).toBe(
      'PILLAR_RATIO round.expiries[0].vols[3]',
    );
    expect(withExpiry({ vols: EXPIRY.vols.with(3, 131_072n) })).toBe('none');
    expect(failure(() => validateRound({ ...ROUND, expiries: [EXPIRY, EXPIRY] }))).toBe(
      'EXPIRIES_NOT_SORTED round.expiries[1].expiryHour',
    );
    expect(failure(() => validateRound({ ...ROUND, expiries: new Array<ExpiryState>(9).fill(EXPIRY) }))).toBe(
      'TOO_MANY_EXPIRIES round.expiries',
    );
    expect(
      failure(() => validateRound({ ...ROUND, underlying: { ...ROUND.underlying, spot: 1 as never } })),
    ).toBe('MALFORMED round.underlying.spot');
    const words = packRound(ROUND);
    expect(
      failure(() =>
        unpackRound({ ...words, expiryWords: [0n, words.expiryWords[0]!, 0n, 0n, 0n, 0n, 0n, 0n] }),
      ),
    ).toBe('MALFORMED words.expiryWords[1]');
    expect(failure(() => unpackUnderlying(words.underlyingWord + 2n ** 136n))).toBe(
      'OUT_OF_RANGE underlyingWord',
    );
    expect(failure(() => unpackExpiry(2n ** 248n))).toBe('OUT_OF_RANGE expiryWord');
  });
});
