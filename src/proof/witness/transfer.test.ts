import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { isZkMarginError } from '../../errors.ts';
import {
  POSITION_UNIT,
  type TransferSides,
  tradeBetween,
  transferRemainders,
} from '../../margin/exact/transfer.ts';
import {
  canonicalLegs,
  type InstrumentKind,
  type Leg,
  LINEAR,
  MAX_QUANTITY,
  packLeg,
} from '../../market/instrument.ts';
import { SCALAR_MODULUS } from '../../math/fixed/scalar-field.ts';
import { mulberry32 } from '../../math/float/random.ts';
import { CircuitTester } from '../circuit-tester.ts';
import { commitPositions } from '../commitment.ts';
import { fieldText } from '../field.ts';
import { openingEvaluation } from '../opening.ts';
import type { CircuitInput } from '../prover/backend.ts';
import { spreadMoves } from './spread.ts';
import { type TransferStatement, transferInput } from './transfer.ts';

const SEED = Number(process.env.ZKMARGIN_SEED ?? 23);
const underlyingId = 0x455448n;
const MAX_SCALE = 2n ** 64n - 1n;
const option = (kind: InstrumentKind, expiryHour: number, strike: bigint, quantity: bigint): Leg => ({
  instrument: { kind, expiryHour, strike },
  quantity,
});

interface Drawn {
  before: TransferSides;
  after: TransferSides;
}

/** Two accounts before and after a random trade, some of it new to both, at all kinds of scales. */
function randomTransfer(random: () => number, capacity: number): Drawn {
  const below = (count: number): number => Math.floor(random() * count);
  const scale = (): bigint =>
    [POSITION_UNIT, POSITION_UNIT, 1n + BigInt(below(2 ** 40)), POSITION_UNIT - 1n, 3n][below(5)]!;
  const hours = [1 + below(3), 4 + below(2 ** 19), 2 ** 20 - 1];
  const pool: Leg[] = Array.from({ length: 1 + below(2 * capacity) }, () =>
    option(
      random() < 0.5 ? 'call' : 'put',
      hours[below(3)]!,
      1n + BigInt(below(random() < 0.5 ? 6 : 2 ** 36 - 1)),
      1n,
    ),
  );
  pool.push({ instrument: LINEAR, quantity: 1n });
  const draw = (count: number): Leg[] => {
    const quantities = new Map<Leg, bigint>();
    for (let i = 0; i < count; i++) {
      const size = BigInt(1 + below(10 ** (1 + below(10))));
      quantities.set(pool[below(pool.length)]!, random() < 0.5 ? -size : size);
    }
    return canonicalLegs([...quantities].map(([{ instrument }, quantity]) => ({ instrument, quantity })));
  };
  for (;;) {
    const before = {
      a: { legs: draw(below(capacity + 1)), scale: scale() },
      b: { legs: draw(below(capacity + 1)), scale: scale() },
    };
    const kind = random();
    // Close all of a's, turn its signs, or trade at random.
    const trade =
      kind < 0.2
        ? before.a.legs.map(({ instrument, quantity }) => ({ instrument, quantity: -quantity }))
        : kind < 0.3
          ? before.a.legs.map(({ instrument, quantity }) => ({ instrument, quantity: -2n * quantity }))
          : draw(below(5));
    const scales =
      random() < 0.5 ? undefined : { a: scale(), b: [POSITION_UNIT, POSITION_UNIT - 12_345n][below(2)]! };
    try {
      return { before, after: tradeBetween(before, canonicalLegs(trade), scales, capacity) };
    } catch (error) {
      // Too many legs or too large quantities for these scales: draw again.
      if (!isZkMarginError(error)) throw error;
    }
  }
}

function statementOf({ before, after }: Drawn, capacity: number, salt = 1n): TransferStatement {
  return {
    before: { a: { ...before.a, salt }, b: { ...before.b, salt: salt + 1n } },
    after: { a: { ...after.a, salt: salt + 2n }, b: { ...after.b, salt: SCALAR_MODULUS - 1n - salt } },
    underlyingId,
    context: salt * salt,
    capacity,
    // Withheld at times.
    points: {
      a: salt % 3n === 0n ? 0n : SCALAR_MODULUS - 1n - salt * salt,
      b: (salt + 5n) ** 20n % SCALAR_MODULUS,
    },
  };
}

let eight: CircuitTester;
let sixteen: CircuitTester;
beforeAll(async () => {
  eight = await CircuitTester.fromText(
    'transfer-8',
    'pragma circom 2.2.0;\ninclude "transfer.circom";\ncomponent main { public [oldA, oldB, newA, newB, scaleOldA, scaleOldB, scaleNewA, scaleNewB, underlyingId, context, pointA, pointB] } = Transfer(8);\n',
  );
  sixteen = await CircuitTester.fromFile('circuits/main/transfer-16.circom');
});

describe('transfer circuit', () => {
  it.each([
    [8, 300],
    [16, 60],
  ])(
    'with %i legs accepts %i random transfers, and of changed ones those that the reference does',
    async (capacity, count) => {
      const circuit = capacity === 8 ? eight : sixteen;
      const random = mulberry32(SEED + capacity);
      let refused = 0;
      let accepted = 0;
      for (let index = 0; index < count; index++) {
        const drawn = randomTransfer(random, capacity);
        const at = `seed ${SEED}, transfer ${index}`;
        const statement = statementOf(drawn, capacity, BigInt(index));
        const input = await transferInput(statement);
        const witness = await circuit.witness(input);
        if (index % 20 === 0) expect(circuit.violated(witness), at).toEqual([]);
        for (const side of ['a', 'b'] as const) {
          const { legs, salt } = statement.after[side];
          const value = openingEvaluation(statement.points![side]!, {
            legs: legs.map((leg) => packLeg(leg)),
            salt,
          });
          expect(circuit.signal(witness, side === 'a' ? 'evaluationA' : 'evaluationB'), at).toBe(value);
        }
        // The same with one new quantity changed: same rows, another commitment.
        const side = random() < 0.5 ? 'a' : 'b';
        const { legs, scale } = drawn.after[side];
        const place = Math.floor(random() * legs.length);
        const change = [1n, -1n, -(2n ** 40n / (scale + 1n)), BigInt(Math.floor(random() * 1e6))][
          Math.floor(random() * 4)
        ]!;
        const changed = legs.map((leg, i) =>
          i === place ? { ...leg, quantity: leg.quantity + change } : leg,
        );
        const quantity = changed[place]?.quantity ?? 0n;
        if (quantity === 0n || quantity > MAX_QUANTITY || quantity < -MAX_QUANTITY) continue;
        const altered = await replaced(input, side === 'a' ? 2 : 3, changed, statement.after[side].salt);
        let valid = true;
        try {
          transferRemainders(drawn.before, { ...drawn.after, [side]: { legs: changed, scale } }, capacity);
        } catch {
          valid = false;
        }
        if (valid) {
          await circuit.witness(altered);
          accepted++;
        } else {
          await expect(circuit.witness(altered), at).rejects.toMatchObject({ code: 'WITNESS_REJECTED' });
          refused++;
        }
      }
      expect(refused).toBeGreaterThan(count / 4);
      expect(accepted).toBeGreaterThan(0);
    },
  );

  /** The input with another vector of the same instruments. */
  async function replaced(
    input: CircuitInput,
    vector: number,
    legs: readonly Leg[],
    salt: bigint,
  ): Promise<CircuitInput> {
    const at = (name: string, value: readonly string[]) =>
      (input[name] as string[][]).map((old, v) =>
        v === vector ? [...value, ...old.slice(value.length)] : old,
      );
    return {
      ...input,
      [vector === 2 ? 'newA' : 'newB']: String(await commitPositions({ legs, underlyingId, salt })),
      packed: at(
        'packed',
        legs.map((leg) => String(packLeg(leg))),
      ),
      quantities: at(
        'quantities',
        legs.map(({ quantity }) => fieldText(quantity)),
      ),
    };
  }

  it('has rows for two full accounts without a common instrument, of the largest quantities and scales', async () => {
    const legs = (from: number, sign: bigint): Leg[] =>
      Array.from({ length: 16 }, (_, i) =>
        option('put', 2 ** 20 - 1, 2n ** 36n - 1n - BigInt(from - i), sign * MAX_QUANTITY),
      );
    const [a, b] = [
      { legs: legs(31, 1n), scale: MAX_SCALE },
      { legs: legs(15, -1n), scale: MAX_SCALE },
    ];
    // Each takes over the other's account.
    const drawn = { before: { a, b }, after: { a: b, b: a } };
    const witness = await sixteen.witness(await transferInput(statementOf(drawn, 16)));
    expect(sixteen.violated(witness)).toEqual([]);
  });

  it('holds all four vectors full, of calls, puts and the linear leg', async () => {
    const legs = (sign: bigint): Leg[] =>
      canonicalLegs([
        { instrument: LINEAR, quantity: sign },
        ...Array.from({ length: 15 }, (_, i) =>
          option(i % 2 ? 'call' : 'put', 7, BigInt(1 + (i >> 1)), sign),
        ),
      ]);
    const a = { legs: legs(MAX_QUANTITY), scale: POSITION_UNIT };
    const b = { legs: legs(-MAX_QUANTITY), scale: POSITION_UNIT };
    const drawn = { before: { a, b }, after: { a: b, b: a } };
    await sixteen.witness(await transferInput(statementOf(drawn, 16)));
    // Both close everything, and open as many others.
    const others = (sign: bigint): Leg[] =>
      Array.from({ length: 16 }, (_, i) => option('call', 9, BigInt(i + 1), sign));
    const closed = {
      before: { a, b },
      after: { a: { ...a, legs: others(5n) }, b: { ...b, legs: others(-5n) } },
    };
    await sixteen.witness(await transferInput(statementOf(closed, 16)));
  });

  it('takes empty accounts, and a scale of 0 without positions', async () => {
    const empty = { legs: [], scale: POSITION_UNIT };
    const opened = {
      before: { a: empty, b: { legs: [], scale: 0n } },
      after: tradeBetween({ a: empty, b: empty }, [option('call', 1, 1n, 5n)]),
    };
    await eight.witness(await transferInput(statementOf(opened, 8)));
    await eight.witness(await transferInput(statementOf({ before: opened.after, after: opened.before }, 8)));
  });
});

describe('spreadMoves', () => {
  it('brings every leg to its row without two in one cell (properties)', () => {
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: 33 })
          .chain((rows) =>
            fc.tuple(
              fc.constant(rows),
              fc.subarray([...Array(rows).keys()]),
              fc.integer({ min: 0, max: 33 }),
            ),
          ),
        ([rows, targets, spare]) => {
          const legs = Math.min(rows, targets.length + spare);
          const moves = spreadMoves(targets, legs, rows);
          let cells = Array.from({ length: rows }, (_, i): number | undefined =>
            i < targets.length ? i : undefined,
          );
          let first = 0;
          let width = legs;
          const shifts = [32, 16, 8, 4, 2, 1].filter((shift) => shift < rows);
          for (const shift of shifts) {
            const next = new Array<number | undefined>(rows).fill(undefined);
            const movable = Math.min(width, rows - shift);
            cells.forEach((leg, at) => {
              if (leg === undefined) return;
              const to = at < movable && moves[first + at] === 1 ? at + shift : at;
              expect(next[to]).toBeUndefined();
              next[to] = leg;
            });
            cells = next;
            first += movable;
            width = Math.min(width + shift, rows);
          }
          expect(first).toBe(moves.length);
          expect(targets.map((target) => cells[target])).toEqual(targets.map((_, i) => i));
        },
      ),
      { numRuns: 400 },
    );
  });

  it('refuses targets that do not increase or do not fit', () => {
    for (const targets of [[1, 1], [2, 1], [4], [0, 1, 2, 3, 4]]) {
      expect(() => spreadMoves(targets, 4, 4)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
    }
  });
});

describe('openingEvaluation', () => {
  const element = fc.bigInt({ min: 0n, max: SCALAR_MODULUS - 1n });

  it('is linear in the opening, ignores zeros at the end, and is 0 at 0 (properties)', () => {
    fc.assert(
      fc.property(
        element,
        element,
        element,
        fc.array(element, { maxLength: 17 }),
        (point, salt, other, legs) => {
          const value = openingEvaluation(point, { legs: legs, salt: salt });
          expect(openingEvaluation(point, { legs: [...legs, 0n, 0n], salt: salt })).toBe(value);
          expect(openingEvaluation(0n, { legs: legs, salt: salt })).toBe(0n);
          // The coefficient of a leg is a power of the point.
          legs.forEach((leg, index) => {
            const changed = openingEvaluation(point, {
              legs: legs.with(index, (leg + other) % SCALAR_MODULUS),
              salt: salt,
            });
            const power = Array.from({ length: index + 2 }).reduce<bigint>(
              (p) => (p * point) % SCALAR_MODULUS,
              1n,
            );
            expect(changed).toBe((value + power * other) % SCALAR_MODULUS);
          });
        },
      ),
    );
  });
});

describe('transferInput', () => {
  const empty = { legs: [], scale: POSITION_UNIT };
  const statement = statementOf({ before: { a: empty, b: empty }, after: { a: empty, b: empty } }, 8);
  const with_ = (side: Partial<TransferStatement['after']['a']>): Partial<TransferStatement> => ({
    after: { ...statement.after, a: { ...statement.after.a, ...side } },
  });
  it.each([
    ['capacity', { capacity: 4 }, 'OUT_OF_RANGE'],
    ['capacity', { capacity: 0 }, 'OUT_OF_RANGE'],
    ['capacity', { capacity: -8 }, 'OUT_OF_RANGE'],
    ['context', { context: -1n }, 'OUT_OF_RANGE'],
    ['points.a', { points: { a: -1n } }, 'OUT_OF_RANGE'],
    ['points.b', { points: { b: SCALAR_MODULUS } }, 'OUT_OF_RANGE'],
    ['underlyingId', { underlyingId: 2n ** 32n }, 'OUT_OF_RANGE'],
    ['salt', with_({ salt: SCALAR_MODULUS }), 'OUT_OF_RANGE'],
    ['after.a.scale', with_({ scale: 2n ** 64n }), 'OUT_OF_RANGE'],
    ['after.a.legs[0]', with_({ legs: [option('call', 1, 1n, 1n)] }), 'OUT_OF_RANGE'],
    ['after.a.legs[0].quantity', with_({ legs: [option('call', 1, 1n, 0n)] }), 'ZERO_QUANTITY'],
    [
      'after.a.legs',
      with_({ legs: Array.from({ length: 9 }, (_, i) => option('call', 1, BigInt(i + 1), 1n)) }),
      'TOO_MANY_LEGS',
    ],
  ])('names %s', async (field, change, code) => {
    await expect(transferInput({ ...statement, ...change })).rejects.toMatchObject({ code, field });
  });

  it('names more instruments than the table has rows', async () => {
    // Dust of scale 1: gone after the transfer, while both accounts take on as many others.
    const dust = (kind: InstrumentKind) =>
      Array.from({ length: 8 }, (_, i) => option(kind, 1, BigInt(i + 1), 1n));
    const many = statementOf(
      {
        before: { a: { legs: dust('call'), scale: 1n }, b: { legs: dust('put'), scale: 1n } },
        after: { a: { legs: [option('call', 2, 1n, -1n)], scale: 1n }, b: empty },
      },
      8,
    );
    await expect(transferInput(many)).rejects.toMatchObject({ code: 'TOO_MANY_LEGS', field: 'after' });
  });
});
