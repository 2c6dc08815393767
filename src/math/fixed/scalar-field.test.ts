import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { invR, modR, powR, SCALAR_MODULUS, signedR } from './scalar-field.ts';

const integer = fc.bigInt({ min: -(2n ** 300n), max: 2n ** 300n });

describe('the scalar field', () => {
  it('stands for integers by elements that differ from them by multiples of r', () => {
    fc.assert(
      fc.property(integer, (a) => {
        const element = modR(a);
        expect(element >= 0n && element < SCALAR_MODULUS && (element - a) % SCALAR_MODULUS === 0n).toBe(true);
      }),
    );
    expect([-1n, 0n, SCALAR_MODULUS, -SCALAR_MODULUS].map(modR)).toEqual([SCALAR_MODULUS - 1n, 0n, 0n, 0n]);
  });

  it('gives back the integer of smallest size', () => {
    const half = (SCALAR_MODULUS - 1n) / 2n;
    fc.assert(fc.property(fc.bigInt({ min: -half, max: half }), (a) => signedR(modR(a)) === a));
    expect([half, half + 1n].map(signedR)).toEqual([half, -half]);
  });

  it('has powers and inverses', () => {
    fc.assert(
      fc.property(integer, (a) => {
        fc.pre(modR(a) !== 0n);
        expect(modR(a * invR(a))).toBe(1n);
        expect(powR(a, 5n)).toBe(modR(a ** 5n));
      }),
    );
    expect(() => invR(SCALAR_MODULUS)).toThrow(RangeError);
  });
});
