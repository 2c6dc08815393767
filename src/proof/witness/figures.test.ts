import { describe, expect, it } from 'vitest';
import { packFigures, type ShownFigures, unpackFigures } from './figures.ts';

const MONEY = 2n ** 96n;
const SLOPE = 2n ** 57n;
const zeros: ShownFigures = { mark: 0n, baseRequirement: 0n, collateralSlope: 0n };

describe('figures in one word', () => {
  it('are packed as the contract packs them, at both ends too', () => {
    const least = { mark: -MONEY, baseRequirement: -MONEY, collateralSlope: -SLOPE };
    const most = { mark: MONEY - 1n, baseRequirement: MONEY - 1n, collateralSlope: SLOPE - 1n };
    // As in `ProofGate.t.sol`.
    expect(packFigures(least)).toBe(0n);
    expect(packFigures(most)).toBe(2n ** 252n - 1n);
    expect(packFigures(zeros)).toBe(2n ** 96n + 2n ** 193n + 2n ** 251n);
    const some = { mark: -13n, baseRequirement: 14n, collateralSlope: -16n };
    expect(packFigures(some)).toBe(MONEY - 13n + ((MONEY + 14n) << 97n) + ((SLOPE - 16n) << 194n));
    for (const figures of [least, most, zeros, some]) {
      expect(unpackFigures(packFigures(figures))).toEqual(figures);
    }
  });

  it.each([
    ['mark', MONEY],
    ['baseRequirement', MONEY],
    ['collateralSlope', SLOPE],
  ] as const)('are refused where %s does not fit: it would be read as part of another', (field, limit) => {
    for (const value of [limit, -limit - 1n]) {
      expect(() => packFigures({ ...zeros, [field]: value })).toThrow(
        expect.objectContaining({ code: 'OUT_OF_RANGE', field }),
      );
    }
  });

  it('are not read from a word of more than 252 bits', () => {
    for (const word of [-1n, 2n ** 252n]) {
      expect(() => unpackFigures(word)).toThrow(
        expect.objectContaining({ code: 'OUT_OF_RANGE', field: 'figures' }),
      );
    }
  });
});
