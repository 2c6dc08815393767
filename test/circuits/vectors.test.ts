/**
 * Attacks on the vectors of `transfer` and `settlement` that know nothing of how the circuits work: lies of many kinds at once, with
 * all commitments recomputed. What is accepted is judged from packed legs, scales and words alone.
 */

import { beforeAll, describe, expect, it } from 'vitest';
import { POSITION_UNIT, tradeBetween } from '../../src/margin/exact/transfer.ts';
import {
  canonicalLegs,
  instrumentId,
  type Leg,
  LINEAR,
  orderKey,
  unpackLeg,
} from '../../src/market/instrument.ts';
import { invR, modR, SCALAR_MODULUS, signedR } from '../../src/math/fixed/scalar-field.ts';
import { mulberry32 } from '../../src/math/float/random.ts';
import { CircuitTester } from '../../src/proof/circuit-tester.ts';
import { openingEvaluation } from '../../src/proof/opening.ts';
import type { CircuitInput } from '../../src/proof/prover/backend.ts';
import { settlementInput } from '../../src/proof/witness/settlement.ts';
import { transferInput } from '../../src/proof/witness/transfer.ts';
import { commitElements } from './tampering.ts';

const SEED = Number(process.env.ZKMARGIN_SEED ?? 41);
const LIES = Number(process.env.ZKMARGIN_LIES ?? 250);
const LEGS = 8;
const ROWS = 2 * LEGS + 1;
const underlyingId = 7n;
const LIMIT = 1n << 40n;

const random = mulberry32(SEED);
const below = (count: number): number => Math.floor(random() * count);
const oneOf = <T>(choices: readonly T[]): T => choices[below(choices.length)]!;
const numbers = (value: unknown): bigint[] => (value as string[]).map(BigInt);
const texts = (values: readonly bigint[]): string[] => values.map((value) => String(modR(value)));
function exchange<T>(values: T[], i: number, j: number): void {
  [values[i], values[j]] = [values[j]!, values[i]!];
}
function add(values: bigint[], index: number, change: bigint): void {
  values[index] = modR(values[index]! + change);
}
function randomOptions(count: number, hours: number, size: number): Leg[] {
  return Array.from({ length: count }, (_, i) => ({
    instrument: {
      kind: oneOf(['call', 'put'] as const),
      expiryHour: 3 + below(hours),
      strike: BigInt(1 + 2 * i + below(2)),
    },
    quantity: BigInt((1 + below(size)) * oneOf([1, -1])),
  }));
}

describe('ranks', () => {
  it.each([
    [2, 5],
    [3, 5],
    [4, 6],
    [5, 5],
  ])(
    'of %i legs in %i rows, wherever each ends: the used legs are first, one in each held row, in order',
    (legs, rows) => {
      let accepted = 0;
      for (let map = 0; map < rows ** legs; map++) {
        const rowOf = Array.from({ length: legs }, (_, leg) => Math.floor(map / rows ** leg) % rows);
        for (let unused = 0; unused < 1 << legs; unused++) {
          const used = rowOf.map((_, leg) => leg).filter((leg) => ((unused >> leg) & 1) === 0);
          const sums = new Array<number>(rows).fill(0);
          for (const leg of used) sums[rowOf[leg]!]! += leg + 1;
          for (let holds = 0; holds < 1 << rows; holds++) {
            let rank = 1;
            const passes = sums.every((sum, row) => {
              const held = (holds >> row) & 1;
              const equal = sum === held * rank;
              rank += held;
              return equal;
            });
            if (!passes) continue;
            accepted++;
            const held = sums.map((_, row) => row).filter((row) => (holds >> row) & 1);
            expect(used).toEqual(held.map((_, index) => index));
            expect(used.map((leg) => rowOf[leg])).toEqual(held);
          }
        }
      }
      expect(accepted).toBeGreaterThan(0);
    },
  );
});

describe('lies to transfer', () => {
  const salts = [1n, 2n, 3n, 4n] as const;
  const points = { a: 11n, b: 13n };
  let circuit: CircuitTester;
  beforeAll(async () => {
    circuit = await CircuitTester.fromText(
      'transfer-8',
      'pragma circom 2.2.0;\ninclude "transfer.circom";\ncomponent main { public [oldA, oldB, newA, newB, scaleOldA, scaleOldB, scaleNewA, scaleNewB, underlyingId, context, pointA, pointB] } = Transfer(8);\n',
    );
  });

  interface Claim {
    packed: bigint[][];
    quantities: bigint[][];
    holds: bigint[][];
    moves: bigint[][];
    table: { hours: bigint[]; strikes: bigint[]; isPut: bigint[] };
    scales: bigint[];
  }

  async function honest(): Promise<{ input: CircuitInput; claim: Claim }> {
    for (;;) {
      const draw = (): Leg[] => canonicalLegs(randomOptions(below(5), 2, 50));
      const before = {
        a: { legs: draw(), scale: oneOf([POSITION_UNIT, POSITION_UNIT - 5n, 3n]) },
        b: { legs: draw(), scale: POSITION_UNIT },
      };
      try {
        const after = tradeBetween(before, draw(), undefined, LEGS);
        const input = await transferInput({
          before: { a: { ...before.a, salt: salts[0] }, b: { ...before.b, salt: salts[1] } },
          after: { a: { ...after.a, salt: salts[2] }, b: { ...after.b, salt: salts[3] } },
          underlyingId,
          context: 1n,
          capacity: LEGS,
          points,
        });
        const vectors = (name: string): bigint[][] => (input[name] as string[][]).map(numbers);
        return {
          input,
          claim: {
            packed: vectors('packed'),
            quantities: vectors('quantities'),
            holds: vectors('holds'),
            moves: vectors('moves'),
            table: {
              hours: numbers(input.hours),
              strikes: numbers(input.strikes),
              isPut: numbers(input.isPut),
            },
            scales: [before.a.scale, before.b.scale, after.a.scale, after.b.scale],
          },
        };
      } catch {
        // More legs than fit: draw again.
      }
    }
  }

  /** Changes of a leg keep packed leg and quantity consistent, unless they are about just that. */
  function lie({ packed, quantities, holds, moves, table, scales }: Claim): string {
    const [v, w, i, j] = [below(4), below(4), below(LEGS), below(LEGS)];
    const [option, other] = [below(ROWS - 1), below(ROWS - 1)];
    const columns = Object.values(table);
    const grow = (vector: number, leg: number, change: bigint): void => {
      add(packed[vector]!, leg, change << 60n);
      add(quantities[vector]!, leg, change);
    };
    const lies: Record<string, () => void> = {
      'legs exchanged': () => {
        exchange(packed[v]!, i, j);
        exchange(quantities[v]!, i, j);
      },
      'a leg split': () => {
        const part = BigInt(1 + below(9));
        grow(v, i, -part);
        grow(v, j, part);
      },
      'another quantity': () => grow(v, i, oneOf([1n, -1n, 1n << 39n, -LIMIT])),
      'the negative quantity': () => grow(v, i, -2n * quantities[v]![i]!),
      'opposite quantities on both sides': () => {
        const change = BigInt(below(100) - 50);
        grow(2, i, change);
        grow(3, i, -change);
      },
      'a quantity in part': () =>
        add(quantities[v]!, i, BigInt(below(1_000)) * invR(1n << BigInt(below(60)))),
      'a leg twice': () => {
        packed[v]![j] = packed[v]![i]!;
        quantities[v]![j] = quantities[v]![i]!;
      },
      'something in the padding': () => {
        packed[v]![j] = BigInt(below(1 << 20));
      },
      'another row held': () => {
        holds[v]![below(ROWS)] = oneOf([0n, 1n, 2n, SCALAR_MODULUS - 1n]);
      },
      'a switch turned': () => {
        const place = below(moves[v]!.length);
        moves[v]![place] = 1n - moves[v]![place]!;
      },
      'a switch between': () => {
        moves[v]![below(moves[v]!.length)] = invR(BigInt(2 + below(5)));
      },
      'a row repeated': () => {
        for (const column of columns) column[option] = column[Math.max(0, option - 1)]!;
      },
      'rows exchanged': () => {
        for (const column of columns) exchange(column, option, other);
      },
      'another row': () => add(oneOf(columns), option, oneOf([1n, -1n, 1n << 20n, 1n << 36n])),
      'another scale': () => {
        scales[v] = modR(oneOf([0n, scales[v]! + 1n, scales[v]! - 1n, 2n * scales[v]!, 1n << 64n, -1n]));
      },
      'vectors exchanged': () => {
        for (const part of [packed, quantities, holds, moves]) exchange(part, v, w);
      },
    };
    const name = oneOf(Object.keys(lies));
    lies[name]!();
    return name;
  }

  /** Vectors are well formed, and nothing was created. */
  function judge({ packed, scales }: Claim): void {
    const sums = new Map<bigint, bigint>();
    packed.forEach((vector, v) => {
      expect(scales[v]! < 1n << 64n).toBe(true);
      const end = vector.indexOf(0n) < 0 ? LEGS : vector.indexOf(0n);
      expect(vector.slice(end).every((element) => element === 0n)).toBe(true);
      let last = -1n;
      for (const element of vector.slice(0, end)) {
        const { instrument, quantity } = unpackLeg(element);
        expect(orderKey(instrument) > last).toBe(true);
        expect(quantity !== 0n && quantity < LIMIT && quantity > -LIMIT).toBe(true);
        last = orderKey(instrument);
        const id = instrumentId(instrument);
        sums.set(id, (sums.get(id) ?? 0n) + (v < 2 ? 1n : -1n) * quantity * scales[v]!);
      }
    });
    for (const sum of sums.values()) expect(sum >= 0n && sum < LIMIT).toBe(true);
  }

  it('are refused, or say what is fair', async () => {
    let accepted = 0;
    for (let trial = 0; trial < LIES; trial++) {
      const { input, claim } = await honest();
      const lies = Array.from({ length: 1 + below(3) }, () => lie(claim));
      const { packed, quantities, holds, moves, table, scales } = claim;
      const commitments = await Promise.all(
        packed.map((vector, v) => commitElements(vector, underlyingId, salts[v]!)),
      );
      const [oldA, oldB, newA, newB] = texts(commitments) as [string, string, string, string];
      const [scaleOldA, scaleOldB, scaleNewA, scaleNewB] = texts(scales) as [string, string, string, string];
      const changed: CircuitInput = {
        ...input,
        ...{ oldA, oldB, newA, newB, scaleOldA, scaleOldB, scaleNewA, scaleNewB },
        packed: packed.map(texts),
        quantities: quantities.map(texts),
        holds: holds.map(texts),
        moves: moves.map(texts),
        hours: texts(table.hours),
        strikes: texts(table.strikes),
        isPut: texts(table.isPut),
      };
      const witness = await circuit.witness(changed).catch(() => undefined);
      if (!witness) continue;
      accepted++;
      try {
        judge(claim);
        expect(circuit.signal(witness, 'evaluationA')).toBe(
          openingEvaluation(points.a, { legs: packed[2]!, salt: salts[2] }),
        );
        expect(circuit.signal(witness, 'evaluationB')).toBe(
          openingEvaluation(points.b, { legs: packed[3]!, salt: salts[3] }),
        );
      } catch (error) {
        throw new Error(`seed ${SEED}, trial ${trial}: ${lies.join(', ')} went through`, { cause: error });
      }
    }
    // Some lies change nothing: a switch of an empty cell, a trade that is fair as well.
    expect(accepted).toBeGreaterThan(LIES / 50);
    expect(accepted).toBeLessThan(LIES / 3);
  });
});

describe('lies to settlement', () => {
  const salt = 9n;
  const unit = LIMIT * 1_000_000n;
  let circuit: CircuitTester;
  beforeAll(async () => {
    circuit = await CircuitTester.fromFile('circuits/main/settlement-8.circom');
  });

  interface Claim {
    strikes: bigint[];
    quantities: bigint[];
    hours: bigint[];
    kindBits: bigint[][];
    newPacked: bigint[];
    moves: bigint[];
    settlementWords: bigint[];
    scale: bigint;
  }

  async function honest(): Promise<{ input: CircuitInput; claim: Claim }> {
    for (;;) {
      const linear = { instrument: LINEAR, quantity: 3n };
      const legs = canonicalLegs([
        ...(random() < 0.5 ? [linear] : []),
        ...randomOptions(1 + below(7), 3, 1e9),
      ]);
      const prices = [3, 5]
        .filter(() => random() < 0.7)
        .map((expiryHour) => ({ expiryHour, price: BigInt(below(3_000)) }));
      try {
        const scale = POSITION_UNIT - BigInt(below(3));
        const input = await settlementInput({
          ...{ legs, scale, salt, underlyingId, prices },
          context: 1n,
          capacity: LEGS,
        });
        return {
          input,
          claim: {
            strikes: numbers(input.strikes),
            quantities: numbers(input.quantities),
            hours: numbers(input.hours),
            kindBits: (input.kindBits as string[][]).map(numbers),
            newPacked: numbers(input.newPacked),
            moves: numbers(input.moves),
            settlementWords: numbers(input.settlementWords),
            scale,
          },
        };
      } catch {
        // Nothing to settle: draw again.
      }
    }
  }

  function lie(claim: Claim): string {
    const { strikes, quantities, hours, kindBits, newPacked, moves, settlementWords } = claim;
    const [i, j] = [below(LEGS), below(LEGS)];
    const parts = [strikes, quantities, hours];
    const lies: Record<string, () => void> = {
      'old legs exchanged': () => {
        for (const part of parts) exchange(part, i, j);
        exchange(kindBits, i, j);
      },
      'an old leg twice': () => {
        for (const part of parts) part[i] = part[j]!;
        kindBits[i] = [...kindBits[j]!];
      },
      'new legs exchanged': () => exchange(newPacked, i, j),
      'a new leg dropped': () => {
        newPacked[i] = 0n;
      },
      'a new leg twice': () => {
        newPacked[i] = newPacked[j]!;
      },
      'another hour': () => {
        hours[i] = modR(oneOf([0n, 3n, 5n, 1n << 20n, -1n]));
      },
      'another strike': () => add(strikes, i, oneOf([1n, -1n, 1n << 36n, invR(100n)])),
      'another quantity': () => {
        quantities[i] = modR(
          oneOf([0n, quantities[i]! + 1n, invR(1n << 60n), -LIMIT, LIMIT, -quantities[i]!]),
        );
      },
      'another kind': () => {
        kindBits[i]![below(2)] = modR(oneOf([0n, 1n, 2n, -1n]));
      },
      'the same leg in other parts': () => {
        add(strikes, i, -(1n << 36n));
        add(kindBits[i]!, 0, 1n);
      },
      'a switch turned': () => {
        const place = below(moves.length);
        moves[place] = modR(1n - moves[place]!);
      },
      'a switch between': () => {
        moves[below(moves.length)] = invR(2n);
      },
      'another word': () => {
        const word = oneOf([0n, 5n, 3n + (7n << 20n), 4n + (1n << 63n), 7n << 20n, 1n << 64n]);
        settlementWords[below(4)] = word;
      },
      'words exchanged': () => exchange(settlementWords, below(4), below(4)),
      'another scale': () => {
        claim.scale = oneOf([0n, 1n, (1n << 64n) - 1n, 1n << 64n, SCALAR_MODULUS - 1n]);
      },
    };
    const name = oneOf(Object.keys(lies));
    lies[name]!();
    return name;
  }

  /** What must come out, from the packed legs and the words. */
  function judged(
    packed: readonly bigint[],
    { settlementWords, scale }: Claim,
  ): [cash: bigint, kept: bigint[]] {
    expect(scale < 1n << 64n).toBe(true);
    const prices = new Map<bigint, bigint>();
    const used = settlementWords.filter((word) => word !== 0n);
    expect(settlementWords).toEqual([...used, ...new Array<bigint>(4 - used.length).fill(0n)]);
    let lastHour = 0n;
    for (const word of used) {
      const hour = BigInt.asUintN(20, word);
      expect(word < 1n << 64n && hour > lastHour).toBe(true);
      lastHour = hour;
      prices.set(hour, word >> 20n);
    }
    let payoff = 0n;
    const kept: bigint[] = [];
    const legs = packed.filter((element) => element !== 0n);
    for (const element of legs) {
      const signed = signedR(element);
      const [quantity, id] = [signed >> 60n, BigInt.asUintN(60, signed)];
      const [hour, kind, strike] = [id >> 38n, BigInt.asUintN(2, id >> 36n), BigInt.asUintN(36, id)];
      expect(quantity !== 0n && hour < 1n << 20n).toBe(true);
      const price = prices.get(hour);
      if (price === undefined) {
        kept.push(element);
        continue;
      }
      const above = price - 100n * strike;
      // A vector of another kind than transfers make is paid by the bit that tells puts.
      const gain = kind >= 2n ? -above : above;
      payoff += quantity * (gain > 0n ? gain : 0n);
    }
    expect(kept.length).toBeLessThan(legs.length);
    const total = scale * payoff;
    const remainder = ((total % unit) + unit) % unit;
    return [(total - remainder) / unit, [...kept, ...new Array<bigint>(LEGS - kept.length).fill(0n)]];
  }

  it('are refused, or say what is paid and kept', async () => {
    let accepted = 0;
    for (let trial = 0; trial < LIES; trial++) {
      const { input, claim } = await honest();
      const lies = Array.from({ length: 1 + below(3) }, () => lie(claim));
      const { strikes, quantities, hours, kindBits } = claim;
      const packed = strikes.map((strike, i) => {
        const kind = kindBits[i]![0]! + 2n * kindBits[i]![1]!;
        return modR(strike + (kind << 36n) + (hours[i]! << 38n) + (quantities[i]! << 60n));
      });
      const changed: CircuitInput = {
        ...input,
        strikes: texts(strikes),
        quantities: texts(quantities),
        hours: texts(hours),
        kindBits: kindBits.map(texts),
        newPacked: texts(claim.newPacked),
        moves: texts(claim.moves),
        settlementWords: texts(claim.settlementWords),
        scale: String(claim.scale),
        oldCommitment: String(await commitElements(packed, underlyingId, salt)),
      };
      const witness = await circuit.witness(changed).catch(() => undefined);
      if (!witness) continue;
      accepted++;
      try {
        const [cash, kept] = judged(packed, claim);
        expect(circuit.signal(witness, 'cash')).toBe(modR(cash));
        expect(circuit.signal(witness, 'newCommitment')).toBe(await commitElements(kept, underlyingId, salt));
      } catch (error) {
        throw new Error(`seed ${SEED}, trial ${trial}: ${lies.join(', ')} went through`, { cause: error });
      }
    }
    expect(accepted).toBeGreaterThan(LIES / 20);
    expect(accepted).toBeLessThan(LIES / 2);
  });
});
