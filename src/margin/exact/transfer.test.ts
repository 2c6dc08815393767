import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canonicalLegs,
  type InstrumentKind,
  type Leg,
  LINEAR,
  MAX_QUANTITY,
} from '../../market/instrument.ts';
import { POSITION_UNIT, type TransferSides, tradeBetween, transferRemainders } from './transfer.ts';

const option = (kind: InstrumentKind, strike: bigint, quantity: bigint): Leg => ({
  instrument: { kind, expiryHour: 9, strike },
  quantity,
});
const linear = (quantity: bigint): Leg => ({ instrument: LINEAR, quantity });
const one = (legs: Leg[]) => ({ legs, scale: POSITION_UNIT });
const sides = (a: Leg[], b: Leg[]): TransferSides => ({ a: one(a), b: one(b) });

function failure(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    const { code, field } = error as { code: string; field: string };
    return [code, field];
  }
  return undefined;
}

describe('tradeBetween', () => {
  it('opens, closes and turns positions', () => {
    const before = sides(
      [linear(5n), option('call', 1n, 3n)],
      [option('call', 1n, 2n), option('put', 1n, 7n)],
    );
    const after = tradeBetween(before, [option('call', 2n, 10n), option('call', 1n, -4n), linear(-5n)]);
    expect(after.a.legs).toEqual([option('call', 1n, -1n), option('call', 2n, 10n)]);
    expect(after.b.legs).toEqual([
      linear(5n),
      option('call', 1n, 6n),
      option('put', 1n, 7n),
      option('call', 2n, -10n),
    ]);
    expect(transferRemainders(before, after).every(({ remainder }) => remainder === 0n)).toBe(true);
  });

  it('loses less than a millionth of a contract, never to the holders, whatever the scales (properties)', () => {
    const scale = fc.bigInt({ min: 2n ** 30n, max: POSITION_UNIT });
    const legs = fc
      .array(fc.tuple(fc.bigInt({ min: 1n, max: 6n }), fc.bigInt({ min: -(2n ** 28n), max: 2n ** 28n })), {
        maxLength: 6,
      })
      .map((pairs) =>
        canonicalLegs(pairs.filter(([, q]) => q !== 0n).map(([strike, q]) => option('call', strike, q))),
      );
    fc.assert(
      fc.property(legs, legs, legs, scale, scale, scale, scale, (a, b, trade, xA, xB, newA, newB) => {
        const before = { a: { legs: a, scale: xA }, b: { legs: b, scale: xB } };
        const after = tradeBetween(before, trade, { a: newA, b: newB });
        for (const { remainder } of transferRemainders(before, after)) {
          expect(remainder).toBeGreaterThanOrEqual(0n);
          expect(remainder).toBeLessThan(newB);
        }
        // Nobody gains: each side is at most what the exact trade would give it, a included.
        for (const { instrument, quantity } of after.a.legs) {
          const of = (vector: readonly Leg[]) =>
            vector.find((leg) => leg.instrument.strike === instrument.strike)?.quantity ?? 0n;
          expect(quantity * newA).toBeLessThanOrEqual(of(a) * xA + of(trade) * POSITION_UNIT);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('leaves an untouched account at an odd scale as it was', () => {
    const before = {
      a: { legs: [option('call', 1n, 5n)], scale: POSITION_UNIT / 3n },
      b: one([option('put', 1n, -5n)]),
    };
    expect(tradeBetween(before, [])).toEqual(before);
  });

  it('names what it cannot do', () => {
    expect(failure(() => tradeBetween(sides([], []), [], { a: 0n, b: 1n }))).toEqual([
      'OUT_OF_RANGE',
      'scales.a',
    ]);
    expect(
      failure(() => tradeBetween(sides([option('call', 1n, MAX_QUANTITY)], []), [option('call', 1n, 1n)])),
    ).toEqual(['QUANTITY_OUT_OF_RANGE', 'scales.a']);
    const twice = { a: one([option('call', 1n, 1n)]), b: one([]) };
    expect(failure(() => tradeBetween(twice, [], { a: 3n * POSITION_UNIT, b: 2n * POSITION_UNIT }))).toEqual([
      'OUT_OF_RANGE',
      'before.a.legs[0]',
    ]);
    const full = Array.from({ length: 8 }, (_, i) => option('call', BigInt(i + 1), 1n));
    expect(failure(() => tradeBetween(sides(full, []), [option('put', 1n, 1n)], undefined, 8))).toEqual([
      'TOO_MANY_LEGS',
      'after.a.legs',
    ]);
  });
});

describe('transferRemainders', () => {
  it('refuses creation and loss', () => {
    const before = sides([option('call', 1n, 3n)], [option('call', 1n, -3n)]);
    const created = sides([option('call', 1n, 3n)], [option('call', 1n, -2n)]);
    expect(failure(() => transferRemainders(before, created))).toEqual(['OUT_OF_RANGE', 'before.a.legs[0]']);
    const lost = sides([option('call', 1n, 2n)], [option('call', 1n, -3n)]);
    expect(failure(() => transferRemainders(before, lost))).toEqual(['OUT_OF_RANGE', 'before.a.legs[0]']);
    const fromNothing = sides([option('call', 1n, 3n), option('put', 1n, 1n)], [option('call', 1n, -3n)]);
    expect(failure(() => transferRemainders(before, fromNothing))).toEqual([
      'OUT_OF_RANGE',
      'after.a.legs[1]',
    ]);
  });

  it('counts positions, not quantities', () => {
    const before = { a: { legs: [option('call', 1n, 3n)], scale: 2n * POSITION_UNIT }, b: one([]) };
    const after = sides([option('call', 1n, 2n)], [option('call', 1n, 4n)]);
    expect(transferRemainders(before, after)).toEqual([
      { instrument: option('call', 1n, 1n).instrument, remainder: 0n },
    ]);
  });

  it('allows what rounding takes, and not one unit more', () => {
    const before = { a: { legs: [option('call', 1n, 1n)], scale: POSITION_UNIT - 1n }, b: one([]) };
    expect(transferRemainders(before, sides([], []))[0]!.remainder).toBe(POSITION_UNIT - 1n);
    const more = { ...before, a: { ...before.a, scale: POSITION_UNIT } };
    expect(failure(() => transferRemainders(more, sides([], [])))).toEqual([
      'OUT_OF_RANGE',
      'before.a.legs[0]',
    ]);
  });

  it('names malformed vectors and scales', () => {
    const ok = sides([], []);
    const unsorted = sides([option('call', 2n, 1n), option('call', 1n, 1n)], []);
    expect(failure(() => transferRemainders(ok, unsorted))).toEqual(['LEGS_NOT_SORTED', 'after.a.legs[1]']);
    expect(failure(() => transferRemainders({ ...ok, b: { legs: [], scale: 1n << 64n } }, ok))).toEqual([
      'OUT_OF_RANGE',
      'before.b.scale',
    ]);
  });
});
