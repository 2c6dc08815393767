/** What `transfer` refuses: every wire changed alone, and choices that a lying prover would like to make. */

import { beforeAll, describe, expect, it } from 'vitest';
import { POSITION_UNIT, type TransferSides, tradeBetween } from '../../src/margin/exact/transfer.ts';
import {
  canonicalLegs,
  instrumentId,
  type Leg,
  LINEAR,
  MAX_QUANTITY,
  orderKey,
} from '../../src/market/instrument.ts';
import { invR, modR, SCALAR_MODULUS } from '../../src/math/fixed/scalar-field.ts';
import { CircuitTester } from '../../src/proof/circuit-tester.ts';
import { fieldText } from '../../src/proof/field.ts';
import { openingEvaluation } from '../../src/proof/opening.ts';
import type { CircuitInput } from '../../src/proof/prover/backend.ts';
import { publicSignalNames } from '../../src/proof/r1cs.ts';
import { spreadMoves } from '../../src/proof/witness/spread.ts';
import { transferInput } from '../../src/proof/witness/transfer.ts';
import { commitElements, expectRefused, isFreeInverse, LyingTwin, unnoticed } from './tampering.ts';

const LEGS = 8;
const ROWS = 2 * LEGS + 1;
const underlyingId = 0x425443n;
const inverse2 = invR(2n);
const option = (kind: 'call' | 'put', expiryHour: number, strike: bigint, quantity: bigint): Leg => ({
  instrument: { kind, expiryHour, strike },
  quantity,
});
const linear = (quantity: bigint): Leg => ({ instrument: LINEAR, quantity });

// Both kinds at one strike, two hours, longs and shorts, an odd scale as liquidations leave it.
const before: TransferSides = {
  a: {
    legs: canonicalLegs([
      linear(1_250_000n),
      option('call', 50, 1_000n, -2_000_000n),
      option('put', 50, 1_000n, -1_500_000n),
      option('put', 90, 700n, 400_000n),
      option('call', 90, 1_200n, -3_000_000n),
    ]),
    scale: (POSITION_UNIT * 2n) / 3n,
  },
  b: {
    legs: canonicalLegs([
      option('call', 50, 1_000n, 900_000n),
      option('put', 90, 700n, -100_000n),
      option('put', 91, 700n, 5n),
    ]),
    scale: POSITION_UNIT,
  },
};
const trade = [option('call', 50, 1_000n, 500_000n), option('call', 90, 1_300n, 250_000n), linear(-7n)];
const after = tradeBetween(before, trade);
const salts = [11n, 12n, 13n, 14n] as const;
// Of no meaning; a hash on chain.
const points = { a: SCALAR_MODULUS / 3n, b: SCALAR_MODULUS - 7n };
const vectors = [before.a, before.b, after.a, after.b];

let circuit: CircuitTester;
let input: CircuitInput;
let witness: bigint[];

beforeAll(async () => {
  circuit = await CircuitTester.fromText(
    'transfer-8',
    'pragma circom 2.2.0;\ninclude "transfer.circom";\ncomponent main { public [oldA, oldB, newA, newB, scaleOldA, scaleOldB, scaleNewA, scaleNewB, underlyingId, context, pointA, pointB] } = Transfer(8);\n',
  );
  input = await honestInput(before, after);
  witness = await circuit.witness(input);
});

function honestInput(from: TransferSides, to: TransferSides): Promise<CircuitInput> {
  return transferInput({
    before: { a: { ...from.a, salt: salts[0] }, b: { ...from.b, salt: salts[1] } },
    after: { a: { ...to.a, salt: salts[2] }, b: { ...to.b, salt: salts[3] } },
    underlyingId,
    context: 987_654_321n,
    capacity: LEGS,
    points,
  });
}

/** Row of an instrument in the honest table. */
function rowOf(leg: Leg): number {
  const keys = (input.hours as string[]).map(
    (hour, i) =>
      1n +
      BigInt((input.isPut as string[])[i]!) +
      4n * BigInt((input.strikes as string[])[i]!) +
      (BigInt(hour) << 38n),
  );
  return leg.instrument.kind === 'linear' ? 0 : 1 + keys.indexOf(orderKey(leg.instrument));
}

/** Switches for legs that need not keep their order; those that share a cell must go the same way. */
function anyMoves(targets: ReadonlyMap<number, number>): string[] {
  const moves: string[] = [];
  let at = new Map([...targets.keys()].map((leg) => [leg, leg]));
  let width = LEGS;
  for (let shift = 16; shift >= 1; shift /= 2) {
    const stage = new Array<string | undefined>(Math.min(width, ROWS - shift)).fill(undefined);
    at = new Map(
      [...at].map(([leg, cell]) => {
        const goes = targets.get(leg)! - cell >= shift;
        expect(stage[cell] ?? (goes ? '1' : '0'), 'legs in one cell part ways').toBe(goes ? '1' : '0');
        if (cell < stage.length) stage[cell] = goes ? '1' : '0';
        return [leg, goes ? cell + shift : cell];
      }),
    );
    moves.push(...stage.map((move) => move ?? '0'));
    width = Math.min(width + shift, ROWS);
  }
  for (const [leg, cell] of at) expect(cell).toBe(targets.get(leg));
  return moves;
}

interface Place {
  /** Packed leg; that of the quantity and the row's instrument unless given. */
  packed?: bigint;
  quantity: bigint;
  row: number;
  /** Place in the vector; the next unless given. */
  at?: number;
}

/** The honest input with one vector replaced by anything, consistently committed to. */
async function withVector(
  vector: number,
  places: readonly Place[],
  change: { base?: CircuitInput; holds?: readonly number[]; moves?: readonly string[] } = {},
): Promise<CircuitInput> {
  const base = change.base ?? input;
  const packed = new Array<bigint>(LEGS).fill(0n);
  const quantities = new Array<bigint>(LEGS).fill(0n);
  const targets = new Map<number, number>();
  places.forEach(({ packed: element, quantity, row, at }, index) => {
    const option = row - 1;
    const id =
      row === 0
        ? 3n << 36n
        : BigInt((base.strikes as string[])[option]!) +
          ((1n + BigInt((base.isPut as string[])[option]!)) << 36n) +
          (BigInt((base.hours as string[])[option]!) << 38n);
    packed[at ?? index] = modR(element ?? id + (quantity << 60n));
    quantities[at ?? index] = modR(quantity);
    targets.set(at ?? index, row);
  });
  const held = change.holds ?? [...targets.values()];
  const put = (name: string, value: readonly string[]): unknown[] =>
    (base[name] as unknown[]).map((old, v) => (v === vector ? value : old));
  return {
    ...base,
    [['oldA', 'oldB', 'newA', 'newB'][vector]!]: String(
      await commitElements(packed, underlyingId, salts[vector]!),
    ),
    packed: put('packed', packed.map(String)),
    quantities: put('quantities', quantities.map(String)),
    holds: put(
      'holds',
      Array.from({ length: ROWS }, (_, row) => (held.includes(row) ? '1' : '0')),
    ),
    moves: put('moves', change.moves ?? anyMoves(targets)),
  } as CircuitInput;
}

/** The places of an honest vector. */
function placesOf(vector: number): Place[] {
  return vectors[vector]!.legs.map((leg) => ({ quantity: leg.quantity, row: rowOf(leg) }));
}

/** Names of the switches that move something in the honest witness, or could have. */
function switchesOfLegs(): Set<string> {
  const names = new Set<string>();
  vectors.forEach(({ legs }, vector) => {
    const targets = legs.map(rowOf);
    const moves = spreadMoves(targets, LEGS, ROWS);
    let cells = targets.map((_, i) => i);
    let first = 0;
    let width = LEGS;
    for (let shift = 16; shift >= 1; shift /= 2) {
      const movable = Math.min(width, ROWS - shift);
      cells = cells.map((cell) => {
        if (cell >= movable) return cell;
        names.add(`main.moves[${vector}][${first + cell}]`);
        return moves[first + cell] === 1 ? cell + shift : cell;
      });
      first += movable;
      width = Math.min(width + shift, ROWS);
    }
  });
  return names;
}

describe('the instance', () => {
  it('has these constraints and public signals', async () => {
    const sixteen = await CircuitTester.fromFile('circuits/main/transfer-16.circom');
    expect([circuit.constraints, sixteen.constraints]).toEqual([7_387, 13_991]);
    expect(publicSignalNames(sixteen.r1cs, sixteen.symbols)).toEqual([
      'evaluationA',
      'evaluationB',
      'oldA',
      'oldB',
      'newA',
      'newB',
      'scaleOldA',
      'scaleOldB',
      'scaleNewA',
      'scaleNewB',
      'underlyingId',
      'context',
      'pointA',
      'pointB',
    ]);
  });
});

describe('single changes to a valid witness', () => {
  /** Only switches of empty cells are free; they move nothing. */
  const left = (change: (value: bigint) => bigint): string[] => {
    const busy = switchesOfLegs();
    return unnoticed(circuit, witness, change).filter(
      (name) => !isFreeInverse(name) && !(name.startsWith('main.moves[') && !busy.has(name)),
    );
  };

  it('starts from an accepted witness', () => {
    expect(circuit.violated(witness)).toEqual([]);
  });

  it('every wire plus one is noticed', () => {
    expect(left((value) => value + 1n)).toEqual([]);
  });

  it('every boolean flipped, and every other wire halved in the field, is noticed', () => {
    expect(left((value) => (value <= 1n ? 1n - value : modR(value * inverse2)))).toEqual([]);
  });

  it('every wire negated is noticed, unless it is 0', () => {
    // The context only enters its square; being public, it is also bound by the verifier.
    expect(left((value) => modR(-value))).toEqual(['main.context']);
  });
});

describe('a lying prover', () => {
  it('starts from vectors that the tools of this test rebuild', async () => {
    for (let vector = 0; vector < 4; vector++) {
      await circuit.witness(await withVector(vector, placesOf(vector)));
    }
  });

  it('cannot create a position: not one unit of 1e-6 contracts, of any instrument', async () => {
    for (const vector of [2, 3]) {
      const places = placesOf(vector);
      for (let i = 0; i < places.length; i++) {
        const more = places.map((place, p) =>
          p === i ? { ...place, quantity: place.quantity + 1n } : place,
        );
        await expectRefused(circuit, await withVector(vector, more));
      }
    }
  });

  it('cannot drop a short leg, nor a long one', async () => {
    for (const vector of [2, 3]) {
      const places = placesOf(vector);
      for (let i = 0; i < places.length; i++) {
        await expectRefused(
          circuit,
          await withVector(
            vector,
            places.filter((_, p) => p !== i),
          ),
        );
      }
    }
  });

  it('cannot take in a position from an account that has another', async () => {
    const places = placesOf(0).map((place) => ({ ...place, quantity: place.quantity * 2n }));
    // Committed otherwise than the account is: the public commitment stays.
    await expectRefused(circuit, { ...(await withVector(0, places)), oldA: input.oldA! });
    // Committed alike, but counted otherwise: quantities are those of the packed legs.
    const counted = { ...(await withVector(0, places)), oldA: input.oldA!, packed: input.packed! };
    await expectRefused(circuit, counted);
  });

  it('cannot read a leg as another instrument with a fractional quantity', async () => {
    // id + 2^60 q = id' + 2^60 q' in the field, with the neighbouring row's id'.
    const places = placesOf(1);
    const [leg] = vectors[1]!.legs;
    const row = rowOf(leg!) + 1;
    const fraction = modR(leg!.quantity * (1n << 60n) + instrumentId(leg!.instrument));
    const other = (await withVector(1, [{ quantity: 0n, row }])).packed as string[][];
    const quantity = modR((fraction - BigInt(other[1]![0]!)) * invR(1n << 60n));
    await expectRefused(
      circuit,
      await withVector(1, [{ packed: fraction, quantity, row }, ...places.slice(1)], {
        moves: anyMoves(new Map([row, ...places.slice(1).map((place) => place.row)].map((r, i) => [i, r]))),
      }),
    );
  });

  it('cannot mix legs by switches that are no bits', async () => {
    // Exchanged legs, of which weights in the field make the rows: w leg0 + t leg1 and (1 - w) leg0 + (1 - t) leg1, such
    // that ids and ranks come out. Both sides count the same wrong quantities, so that nothing seems created.
    const base = await opened([1n, 2n]);
    const [low, high] = [1n, 2n].map((strike) => instrumentId(option('call', 50, strike, 1n).instrument));
    const t = modR(modR(low! - high!) * invR(modR(low! - 2n * high!)));
    const moves = new Array<string>((base.moves as string[][])[0]!.length).fill('0');
    // Stages of 1, 9, 13, 15 and 16 switches. Leg 0 goes 16 in part, the rest of it by 8, 4, 2 and 1.
    moves[0] = String(modR(2n * t));
    for (const index of [1, 1 + 9 + 8, 1 + 9 + 13 + 12, 1 + 9 + 13 + 15 + 14]) moves[index] = '1';
    // Leg 1 goes by 8, 4 and 2 to row 15, and in part by 1 to row 16.
    for (const index of [1 + 1, 1 + 9 + 9, 1 + 9 + 13 + 13]) moves[index] = '1';
    moves[1 + 9 + 13 + 15 + 15] = String(modR(1n - t));
    const swapped = (quantity: bigint): Place[] => [
      { packed: high! + (quantity << 60n), quantity, row: 15 },
      { packed: low! + (quantity << 60n), quantity, row: 16 },
    ];
    const one = await withVector(2, swapped(10n), { base, moves });
    await expectRefused(circuit, await withVector(3, swapped(-10n), { base: one, moves }));
  });

  /** Both accounts were empty and have opened options at the given strikes, which are the table's last rows. */
  const opened = (strikes: readonly bigint[]): Promise<CircuitInput> => {
    const flat = { a: { legs: [], scale: POSITION_UNIT }, b: { legs: [], scale: POSITION_UNIT } };
    return honestInput(
      flat,
      tradeBetween(
        flat,
        strikes.map((strike) => option('call', 50, strike, 10n)),
      ),
    );
  };

  it('cannot count a leg in the row of another instrument, nor hold a row twice', async () => {
    const base = await opened([1n]);
    const row = 16;
    const { instrument } = option('call', 50, 1n, 10n);
    const id = instrumentId(instrument);
    await expectRefused(
      circuit,
      await withVector(2, [{ packed: id + 1n + (10n << 60n), quantity: 10n, row }], { base }),
    );
    // A leg whose id is that of the row but for what an empty place holds.
    const rest = [
      { packed: id - 5n + (10n << 60n), quantity: 10n, row },
      { packed: 5n, quantity: 0n, row },
    ];
    await expectRefused(circuit, await withVector(2, rest, { base, holds: [row] }));
    // Held twice, the call of strike 1 would be the put of strike 2 at the double hour, at the second place.
    const double = [{ packed: 2n * id + (10n << 60n), quantity: 10n, row, at: 1 }];
    const once = await withVector(2, double, { base });
    const holds = (once.holds as string[][]).map((old, v) =>
      v === 2 ? old.map((held) => (held === '1' ? '2' : '0')) : old,
    );
    await expectRefused(circuit, { ...once, holds });
  });

  it('cannot exchange legs', async () => {
    const base = await opened([1n, 2n]);
    const legs = [15, 16].map((row) => ({ quantity: 10n, row }));
    await circuit.witness(await withVector(2, legs, { base }));
    await expectRefused(circuit, await withVector(2, [legs[1]!, legs[0]!], { base }));
  });

  it('cannot split a leg in two of one row, nor in two rows of one instrument', async () => {
    const base = await opened([1n]);
    const halves = [4n, 6n].map((quantity) => ({ quantity, row: 16 }));
    await circuit.witness(await withVector(2, [{ quantity: 10n, row: 16 }], { base }));
    await expectRefused(circuit, await withVector(2, halves, { base }));
    // As before, with a second leg that has no instrument of its own.
    const bare = [halves[0]!, { ...halves[1]!, packed: 6n << 60n }];
    await expectRefused(circuit, await withVector(2, bare, { base }));
    // Two and one make three, but the rows of the first two ranks hold nothing.
    await expectRefused(circuit, await withVector(2, bare, { base, holds: [14, 15, 16] }));
    // A row that repeats the instrument of the row before it.
    const repeat = (name: string): string[] =>
      (base[name] as string[]).map((old, i, all) => (i === 14 ? all[15]! : old));
    const twice = { ...base, hours: repeat('hours'), strikes: repeat('strikes'), isPut: repeat('isPut') };
    const rows = [
      { quantity: 4n, row: 15 },
      { quantity: 6n, row: 16 },
    ];
    await expectRefused(circuit, await withVector(2, rows, { base: twice }));
  });

  it('cannot keep a leg of quantity 0, nor hide one', async () => {
    const places = placesOf(3);
    const spare = Array.from({ length: ROWS }, (_, row) => row).filter((row) =>
      places.every((place) => place.row !== row),
    );
    const after = spare.find((row) => row > places.at(-1)!.row);
    const row = after ?? spare.at(-1)!;
    const zero = [...places, { quantity: 0n, row }].sort((x, y) => x.row - y.row);
    await expectRefused(circuit, await withVector(3, zero));
    await expectRefused(circuit, await withVector(3, zero, { holds: places.map((place) => place.row) }));
    // An unused place between legs.
    const gap = places.map((place, i) => ({ ...place, at: i < 2 ? i : i + 1 }));
    await expectRefused(circuit, await withVector(3, gap));
    // A leg that no row holds, in the padding.
    const hidden = [...places, { quantity: 1n, row, at: 7 }];
    await expectRefused(circuit, await withVector(3, hidden, { holds: places.map((place) => place.row) }));
    await expectRefused(circuit, await withVector(3, hidden));
    // A leg in the padding that is declared to be none.
    const declared = (await withVector(3, places)) as Record<string, unknown>;
    const packed = (declared.packed as string[][]).map((old, v) =>
      v === 3 ? [...old.slice(0, 7), '5'] : old,
    );
    const newB = String(await commitElements(packed[3]!.map(BigInt), underlyingId, salts[3]));
    await expectRefused(circuit, { ...declared, packed, newB } as CircuitInput);
  });

  it('cannot leave the range of quantities', async () => {
    const flat = { a: { legs: [], scale: POSITION_UNIT }, b: { legs: [], scale: POSITION_UNIT } };
    const most = tradeBetween(flat, [option('call', 50, 1_000n, MAX_QUANTITY)]);
    const base = await honestInput(flat, most);
    await circuit.witness(base);
    const keys = base.strikes as string[];
    const row = 1 + keys.indexOf('1000');
    for (const quantity of [MAX_QUANTITY + 1n, 1n << 60n]) {
      const long = await withVector(2, [{ quantity, row }], { base });
      await expectRefused(circuit, await withVector(3, [{ quantity: -quantity, row }], { base: long }));
    }
    // -2^40 alone: half of it at twice the scale is a fair other side.
    const short = await withVector(3, [{ quantity: -(1n << 40n), row }], { base });
    const long = await withVector(2, [{ quantity: 1n << 39n, row }], { base: short });
    await expectRefused(circuit, { ...long, scaleNewA: String(2n * POSITION_UNIT) });
    const fair = await withVector(3, [{ quantity: -(1n << 39n), row }], { base: long });
    await circuit.witness({ ...fair, scaleNewA: String(POSITION_UNIT) });
  });

  it('cannot use a table that is malformed', async () => {
    // Of accounts without legs, so that no row is held: every row is a filler, the calls of strikes 1, 2, ... at hour 1.
    const flat = { a: { legs: [], scale: POSITION_UNIT }, b: { legs: [], scale: POSITION_UNIT } };
    const base = await honestInput(flat, flat);
    const at = (name: string, index: number, value: bigint): CircuitInput => ({
      ...base,
      [name]: (base[name] as string[]).map((old, i) => (i === index ? fieldText(modR(value)) : old)),
    });
    await expectRefused(circuit, at('strikes', 0, 0n));
    await expectRefused(circuit, at('strikes', 0, 1n << 36n));
    await expectRefused(circuit, at('strikes', 0, -1n));
    await expectRefused(circuit, at('hours', 0, 0n));
    await expectRefused(circuit, at('hours', 0, -1n));
    await expectRefused(circuit, at('isPut', 0, 2n));
    await expectRefused(circuit, at('isPut', 0, -1n));
    const last = 2 * LEGS - 1;
    await expectRefused(circuit, at('hours', last, 1n << 20n));
    await circuit.witness(at('hours', last, (1n << 20n) - 1n));
    await expectRefused(circuit, at('hours', 1, 2n));
    await circuit.witness(at('hours', last, 2n));
    // Two fillers exchanged, or equal.
    await expectRefused(circuit, at('strikes', 0, 2n));
    await expectRefused(circuit, at('strikes', 0, 3n));
    // Order within a strike: the put of a filler before its call.
    await expectRefused(circuit, {
      ...at('strikes', 1, 1n),
      isPut: (base.isPut as string[]).map((old, i) => (i === 0 ? '1' : old)),
    });
    await circuit.witness({
      ...at('strikes', 1, 1n),
      isPut: (base.isPut as string[]).map((old, i) => (i === 1 ? '1' : old)),
    });
  });

  it('cannot lose 1e-6 contracts, nor gain 2^-40 of them', async () => {
    const dust = (scale: bigint): TransferSides => ({
      a: { legs: [option('put', 50, 1_000n, 1n)], scale },
      b: { legs: [], scale: POSITION_UNIT },
    });
    const none = { a: { legs: [], scale: POSITION_UNIT }, b: { legs: [], scale: POSITION_UNIT } };
    const base = await honestInput(dust(POSITION_UNIT - 1n), none);
    await circuit.witness(base);
    await expectRefused(circuit, { ...base, scaleOldA: String(POSITION_UNIT) });
    // A short position that is too small to round to anything does not vanish.
    const shorts = await honestInput(
      { ...dust(3n), a: { legs: [option('put', 50, 1_000n, -1n)], scale: 3n } },
      { ...none, a: { legs: [option('put', 50, 1_000n, -1n)], scale: 3n } },
    );
    await circuit.witness(shorts);
    await circuit.witness({ ...shorts, scaleNewA: '4' });
    await expectRefused(circuit, { ...shorts, scaleNewA: '2' });
    await expectRefused(circuit, await withVector(2, [], { base: shorts }));
  });

  it('cannot use scales outside [0, 2^64)', async () => {
    const flat = { legs: [], scale: POSITION_UNIT };
    const base = await honestInput({ a: flat, b: flat }, { a: flat, b: flat });
    for (const name of ['scaleOldA', 'scaleOldB', 'scaleNewA', 'scaleNewB']) {
      await circuit.witness({ ...base, [name]: String((1n << 64n) - 1n) });
      await expectRefused(circuit, { ...base, [name]: String(1n << 64n) });
      await expectRefused(circuit, { ...base, [name]: String(SCALAR_MODULUS - 1n) });
    }
  });

  it('cannot use other salts, commitments or underlyings', async () => {
    for (const name of ['oldA', 'oldB', 'newA', 'newB']) {
      await expectRefused(circuit, { ...input, [name]: String(BigInt(input[name] as string) + 1n) });
    }
    await expectRefused(circuit, { ...input, underlyingId: String(underlyingId + 1n) });
    for (let v = 0; v < 4; v++) {
      await expectRefused(circuit, {
        ...input,
        salts: (input.salts as string[]).map((old, i) => (i === v ? '99' : old)),
      });
    }
    // The accounts' roles are not interchangeable.
    await expectRefused(circuit, { ...input, oldA: input.oldB!, oldB: input.oldA! });
  });

  it('cannot tear a leg apart with switches that are no bits', async () => {
    const busy = [...switchesOfLegs()].filter((name) => name.startsWith('main.moves[2]'));
    for (const name of busy.slice(0, 6)) {
      const index = Number(/\[(\d+)\]$/.exec(name)![1]);
      await expectRefused(circuit, {
        ...input,
        moves: (input.moves as string[][]).map((old, v) =>
          v === 2 ? old.map((move, i) => (i === index ? String(inverse2) : move)) : old,
        ),
      });
    }
  });

  it('cannot hold rows without a leg, nor legs without a row', async () => {
    const places = placesOf(3);
    const rows = places.map((place) => place.row);
    const spare = Array.from({ length: ROWS }, (_, row) => row).filter((row) => !rows.includes(row));
    expect(spare.length).toBeGreaterThan(5);
    for (const row of spare) {
      await expectRefused(circuit, await withVector(3, places, { holds: [...rows, row] }));
    }
    for (const row of rows) {
      await expectRefused(
        circuit,
        await withVector(3, places, { holds: rows.filter((other) => other !== row) }),
      );
    }
  });
});

describe('published openings', () => {
  /** Packed legs of a vector of the honest input, padded. */
  const packedOf = (vector: number): bigint[] => (input.packed as string[][])[vector]!.map(BigInt);
  const evaluations = (values: readonly bigint[]): [bigint, bigint] => [
    circuit.signal(values, 'evaluationA'),
    circuit.signal(values, 'evaluationB'),
  ];

  it('have the values of their polynomials, with and without the zeros at the end', () => {
    // Written out once, term by term.
    let sum = 0n;
    let power = 1n;
    for (const coefficient of [salts[2], ...packedOf(2)]) {
      power = modR(power * points.a);
      sum = modR(sum + power * coefficient);
    }
    expect(openingEvaluation(points.a, { legs: packedOf(2), salt: salts[2] })).toBe(sum);
    const short = packedOf(3).slice(0, vectors[3]!.legs.length);
    expect(short.length).toBeLessThan(LEGS);
    expect(evaluations(witness)).toEqual([sum, openingEvaluation(points.b, { legs: short, salt: salts[3] })]);
  });

  it('are told of the new vectors, each at its own point', async () => {
    const exchanged = await circuit.witness({ ...input, pointA: input.pointB!, pointB: input.pointA! });
    expect(evaluations(exchanged)).toEqual([
      openingEvaluation(points.b, { legs: packedOf(2), salt: salts[2] }),
      openingEvaluation(points.a, { legs: packedOf(3), salt: salts[3] }),
    ]);
  });

  it('differ from the value of anything else: a leg, the salt, the order, one more leg, one fewer', () => {
    const [legs, salt] = [packedOf(2), salts[2]];
    const used = vectors[2]!.legs.length;
    const told = evaluations(witness)[0];
    const values = [
      ...legs.map((_, index) => [legs.map((leg, i) => (i === index ? leg + 1n : leg)), salt] as const),
      [legs, salt + 1n],
      [[...legs, 1n], salt],
      [legs.slice(0, used - 1), salt],
      [[legs[1]!, legs[0]!, ...legs.slice(2)], salt],
      [[0n, ...legs], salt],
      // The salt as the first leg.
      [[salt, ...legs], 0n],
      // The other account's opening.
      [packedOf(3), salts[3]],
    ] as const;
    for (const [other, otherSalt] of values) {
      expect(openingEvaluation(points.a, { legs: other, salt: otherSalt })).not.toBe(told);
    }
  });

  it('cannot be given another value, also with every later step recomputed', () => {
    // A lie about one step of Horner's rule, carried on to the output.
    const { a: point } = points;
    const coefficients = [salts[2], ...packedOf(2)];
    const tailName = (index: number): string => {
      const names = [...circuit.symbols.wires.keys()];
      return names.find(
        (name) => /OpeningEvaluation_\d+_\d+\.tails/.test(name) && name.endsWith(`tails[${index}]`),
      )!;
    };
    for (let lie = 0; lie < LEGS; lie++) {
      const changes: Record<string, bigint> = {};
      let tail = modR(circuit.signal(witness, tailName(lie)) + 1n);
      changes[tailName(lie)] = tail;
      for (let index = lie - 1; index >= 0; index--) {
        tail = modR(point * (coefficients[index + 1]! + tail));
        changes[tailName(index)] = tail;
      }
      changes.evaluationA = modR(point * (coefficients[0]! + tail));
      const broken = circuit.violated(circuit.mutate(witness, changes), 10);
      expect(broken, `step ${lie}`).toHaveLength(1);
    }
    for (const value of [0n, modR(circuit.signal(witness, 'evaluationA') + 1n)]) {
      expect(circuit.violated(circuit.mutate(witness, { evaluationA: value }), 10)).toHaveLength(1);
    }
  });

  it('that are withheld say nothing: at 0 every opening has the value 0', async () => {
    const withheld = { ...input, pointA: '0', pointB: '0' };
    expect(evaluations(await circuit.witness(withheld))).toEqual([0n, 0n]);
    const one = await circuit.witness({ ...input, pointA: '0' });
    expect(evaluations(one)).toEqual([0n, evaluations(witness)[1]]);
    // And no other value: a false one would pass for a published opening.
    expect(circuit.violated(circuit.mutate(one, { evaluationA: 1n }), 10)).toHaveLength(1);
    const other = await honestInput(before, before);
    expect(evaluations(await circuit.witness({ ...other, pointA: '0', pointB: '0' }))).toEqual([0n, 0n]);
  });

  it('are those of the commitment: a point is no way to another vector', async () => {
    const places = placesOf(2).map((place) => ({ ...place, quantity: place.quantity + 1n }));
    const other = await withVector(2, places);
    // The evaluation of legs that the commitment does not hold.
    await expectRefused(circuit, { ...other, newA: input.newA! });
  });
});

describe('lying hints', () => {
  // The twin has the same constraints; only its witness generator lies.
  const lies = {
    'an inverse that is none': { inverse: 'guess = 1;' },
    'an inverse of 0': { inverse: 'guess = 0;' },
  };
  let twin: LyingTwin<keyof typeof lies>;
  beforeAll(async () => {
    twin = await LyingTwin.compile('transfer-8-twin', 'circuits/main/transfer-16.circom', lies, (source) =>
      source.replace('Transfer(16)', 'Transfer(8)'),
    );
  });

  it('are told by a twin of the same constraints, which also tells the truth', async () => {
    const honest = await twin.tells();
    expect([honest.constraints, honest.r1cs.wires]).toEqual([circuit.constraints, circuit.r1cs.wires]);
    expect(await honest.witness(input)).toEqual(witness);
  });

  it.each(Object.keys(lies) as (keyof typeof lies)[])('%s', async (lie) => {
    await expectRefused(await twin.tells(lie), input);
  });
});
