/**
 * Transfers between two accounts in integers: what a transfer proof shows. `docs/transfer-settlement.md`.
 */
import { requireBigint, ZkMarginError } from '../../errors.ts';
import { type Instrument, type Leg, MAX_QUANTITY, orderKey, validateLegs } from '../../market/instrument.ts';
import { floorDivide } from '../../math/fixed/primitives.ts';
import { MAX_SCALE, SCALE_ONE } from './bounds.ts';
import { type ExactAccount, MAX_LEGS } from './margin.ts';

/** A position of 1e-6 contracts: quantity 1 at a scale of 1. What rounding may take from an instrument is less. */
export const POSITION_UNIT = SCALE_ONE;

/** The two accounts of a transfer, at one moment. */
export interface TransferSides {
  readonly a: ExactAccount;
  readonly b: ExactAccount;
}

/** What the two accounts held together of an instrument before, less what they hold after. */
export interface TransferRemainder {
  readonly instrument: Instrument;
  /** In 2^-40 of 1e-6 contracts, in `[0, 2^40)`. */
  readonly remainder: bigint;
}

/**
 * What a transfer takes from both accounts together, for each instrument that any of the four vectors holds, in their
 * order. Nothing may be created, and less than a millionth of a contract may be lost to rounding.
 *
 * @param capacity legs that each vector may have
 * @throws ZkMarginError as `validateLegs`; `OUT_OF_RANGE` for a scale outside `[0, 2^64)`, and for a remainder outside
 * `[0, 2^40)` with the instrument's first leg as field
 */
export function transferRemainders(
  before: TransferSides,
  after: TransferSides,
  capacity = MAX_LEGS,
): TransferRemainder[] {
  const totals = new Map<bigint, { instrument: Instrument; remainder: bigint; field: string }>();
  for (const [when, sides, sign] of [
    ['before', before, 1n],
    ['after', after, -1n],
  ] as const) {
    for (const side of ['a', 'b'] as const) {
      const field = `${when}.${side}`;
      const { legs, scale } = sides[side];
      validateAccount(sides[side], capacity, field);
      legs.forEach(({ instrument, quantity }, index) => {
        const key = orderKey(instrument);
        const total = totals.get(key) ?? { instrument, remainder: 0n, field: `${field}.legs[${index}]` };
        total.remainder += sign * quantity * scale;
        totals.set(key, total);
      });
    }
  }
  const rows = [...totals].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, total]) => total);
  for (const { remainder, field } of rows) {
    if (remainder >= 0n && remainder < POSITION_UNIT) continue;
    throw new ZkMarginError(
      'OUT_OF_RANGE',
      remainder < 0n
        ? 'Give both accounts together no more of this instrument than they held.'
        : 'Keep what both accounts hold of this instrument together, but for less than 1e-6 contracts.',
      { field, details: { remainder, maximum: POSITION_UNIT - 1n } },
    );
  }
  return rows.map(({ instrument, remainder }) => ({ instrument, remainder }));
}

/**
 * Both accounts after a trade. The first is rounded down to a multiple of its scale, the second takes the rest and is
 * rounded down likewise.
 *
 * @param trade positions that `a` takes over from `b`, at a scale of 1; negative ones are sold. Any order, each instrument once
 * @param scales of the accounts after the trade, 2^-40, at least 1; those before it unless given
 * @throws ZkMarginError as `validateLegs`; `OUT_OF_RANGE` for scales, and when rounding would lose 1e-6 contracts or
 * more (give the second account a scale of at most 2^40); `QUANTITY_OUT_OF_RANGE`, `TOO_MANY_LEGS`
 */
export function tradeBetween(
  before: TransferSides,
  trade: readonly Leg[],
  scales: { readonly a: bigint; readonly b: bigint } = { a: before.a.scale, b: before.b.scale },
  capacity = MAX_LEGS,
): TransferSides {
  validateAccount(before.a, capacity, 'before.a');
  validateAccount(before.b, capacity, 'before.b');
  // An instrument of the trade may be new to both, so that there may be as many as both accounts have room for.
  validateLegs(trade, 2 * capacity, { field: 'trade', requireOrder: false });
  requireBigint(scales.a, 1n, MAX_SCALE, 'scales.a');
  requireBigint(scales.b, 1n, MAX_SCALE, 'scales.b');
  const rows = new Map<bigint, { instrument: Instrument; a: bigint; b: bigint }>();
  const add = (legs: readonly Leg[], scale: bigint, to: readonly ('a' | 'b')[], sign: bigint): void => {
    for (const { instrument, quantity } of legs) {
      const key = orderKey(instrument);
      const row = rows.get(key) ?? { instrument, a: 0n, b: 0n };
      for (const side of to) row[side] += sign * quantity * scale;
      rows.set(key, row);
    }
  };
  add(before.a.legs, before.a.scale, ['a'], 1n);
  add(before.b.legs, before.b.scale, ['b'], 1n);
  add(trade, POSITION_UNIT, ['a'], 1n);
  add(trade, POSITION_UNIT, ['b'], -1n);
  const legsA: Leg[] = [];
  const legsB: Leg[] = [];
  for (const [, { instrument, a, b }] of [...rows].sort(([left], [right]) => (left < right ? -1 : 1))) {
    const quantityA = floorDivide(a, scales.a);
    const quantityB = floorDivide(a + b - quantityA * scales.a, scales.b);
    pushLeg(legsA, instrument, quantityA, 'a');
    pushLeg(legsB, instrument, quantityB, 'b');
  }
  const after = { a: { legs: legsA, scale: scales.a }, b: { legs: legsB, scale: scales.b } };
  transferRemainders(before, after, capacity);
  return after;
}

function pushLeg(legs: Leg[], instrument: Instrument, quantity: bigint, side: string): void {
  if (quantity === 0n) return;
  if (quantity > MAX_QUANTITY || quantity < -MAX_QUANTITY) {
    throw new ZkMarginError(
      'QUANTITY_OUT_OF_RANGE',
      'Choose a larger scale for this account, or trade less.',
      {
        field: `scales.${side}`,
        details: { quantity, maximum: MAX_QUANTITY },
      },
    );
  }
  legs.push({ instrument, quantity });
}

function validateAccount({ legs, scale }: ExactAccount, capacity: number, field: string): void {
  validateLegs(legs, capacity, { field: `${field}.legs` });
  requireBigint(scale, 0n, MAX_SCALE, `${field}.scale`);
}
