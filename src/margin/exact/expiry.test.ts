import { expect, it } from 'vitest';
import { exactExpiry, MAX_TENOR_SECONDS } from './expiry.ts';

it('takes expiries from a second to 2^27 seconds away: the circuit has no room for more', () => {
  const state = {
    expiryHour: 483_000,
    forward: 96_000_000_000n,
    discount: 1n << 21n,
    spacingExponent: 1 as const,
    vols: new Array<bigint>(8).fill(65_536n),
  };
  const expiry = 483_000n * 3_600n;
  expect(MAX_TENOR_SECONDS).toBe(2n ** 27n);
  for (const tenor of [1n, MAX_TENOR_SECONDS]) {
    expect(exactExpiry(state, expiry - tenor).tenor).toBe(tenor);
  }
  for (const [tenor, code] of [
    [MAX_TENOR_SECONDS + 1n, 'OUT_OF_RANGE'],
    [0n, 'EXPIRED_OPTION'],
    [-1n, 'EXPIRED_OPTION'],
  ] as const) {
    expect(() => exactExpiry(state, expiry - tenor, 'round.expiries[3]'), String(tenor)).toThrow(
      expect.objectContaining({ code, field: 'round.expiries[3]' }),
    );
  }
});
