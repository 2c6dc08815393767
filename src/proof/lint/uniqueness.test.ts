/**
 * The lint against exhaustive search: over small fields every assignment is tried, and a wire called determined must
 * have one value for each choice of inputs. The circuits are the gadgets that the rules know, with random weights,
 * bounds and omissions, so that most of them are nearly right.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitDigits } from './integers.ts';
import { type Linear, linearOf } from './linear.ts';
import { PrimeField } from './prime-field.ts';
import type { Constraint, ConstraintSystem } from './system.ts';
import { UniquenessLint } from './uniqueness.ts';

type Terms = readonly (readonly [number, number])[];

/** Collects wires and constraints. Wire 0 is the constant. */
class Builder {
  readonly field: PrimeField;
  readonly inputs: number[] = [];
  readonly constraints: Constraint[] = [];
  readonly booleans = new Set<number>();
  wires = 1;

  constructor(modulus: number) {
    this.field = new PrimeField(BigInt(modulus));
  }

  input(): number {
    this.inputs.push(this.wires);
    return this.wires++;
  }

  wire(): number {
    return this.wires++;
  }

  linear(terms: Terms): Linear {
    return linearOf(
      this.field,
      terms.map(([wire, coefficient]) => [wire, BigInt(coefficient)] as const),
    );
  }

  constrain(a: Terms, b: Terms, c: Terms): void {
    this.constraints.push({ a: this.linear(a), b: this.linear(b), c: this.linear(c) });
  }

  bit(): number {
    const wire = this.wire();
    this.booleans.add(wire);
    this.constrain(
      [[wire, 1]],
      [
        [wire, 1],
        [0, -1],
      ],
      [],
    );
    return wire;
  }

  bits(count: number): number[] {
    return Array.from({ length: count }, () => this.bit());
  }

  system(): ConstraintSystem {
    return {
      field: this.field,
      wires: this.wires,
      outputs: [],
      inputs: this.inputs,
      constraints: this.constraints,
    };
  }

  /** By wire: true when some inputs leave it a choice. */
  free(): boolean[] {
    const modulus = Number(this.field.modulus);
    const numeric = this.constraints.map(({ a, b, c }) =>
      [a, b, c].map(({ variables, coefficients }) => ({ variables, coefficients: coefficients.map(Number) })),
    );
    const order = [...this.inputs];
    for (let wire = 1; wire < this.wires; wire++) if (!this.inputs.includes(wire)) order.push(wire);
    const place = new Map(order.map((wire, i) => [wire, i]));
    // A constraint is checked as soon as its last wire is set.
    const due: (typeof numeric)[] = order.map(() => []);
    for (const sides of numeric) {
      const wires = sides.flatMap(({ variables }) => variables).filter((wire) => wire !== 0);
      due[Math.max(0, ...wires.map((wire) => place.get(wire)!))]!.push(sides);
    }
    const values = new Array<number>(this.wires).fill(0);
    values[0] = 1;
    const free = new Array<boolean>(this.wires).fill(false);
    let first: number[] | undefined;
    const evaluate = ({
      variables,
      coefficients,
    }: {
      variables: readonly number[];
      coefficients: number[];
    }) => variables.reduce((sum, wire, i) => sum + coefficients[i]! * values[wire]!, 0) % modulus;
    const search = (depth: number): void => {
      if (depth === this.inputs.length) first = undefined;
      if (depth === order.length) {
        if (first === undefined) first = [...values];
        else
          for (let wire = 0; wire < this.wires; wire++) if (first[wire] !== values[wire]) free[wire] = true;
        return;
      }
      const wire = order[depth]!;
      const limit = this.booleans.has(wire) ? 2 : modulus;
      for (let value = 0; value < limit; value++) {
        values[wire] = value;
        const holds = due[depth]!.every(
          ([a, b, c]) => (evaluate(a!) * evaluate(b!) - evaluate(c!)) % modulus === 0,
        );
        if (holds) search(depth + 1);
      }
    };
    search(0);
    return free;
  }
}

/** Wires called determined although they are not. */
function wronglyDetermined(builder: Builder): number[] {
  const { rules, harmless } = new UniquenessLint(builder.system()).run();
  const free = builder.free();
  expect(rules).toHaveLength(builder.wires);
  for (let wire = 1; wire < builder.wires; wire++) expect(rules[wire] && harmless[wire]).not.toBe(true);
  return free.flatMap((isFree, wire) => (isFree && rules[wire] !== undefined ? [wire] : []));
}

const weighted = (bits: readonly number[], weights: readonly number[], factor = 1): [number, number][] =>
  bits.map((bit, i) => [bit, factor * (weights[i] ?? 1)]);
const powers = [1, 2, 4, 8, 16, 32, 64];
const modulus = fc.constantFrom(13, 31, 97, 193, 257);
const small = fc.integer({ min: -4, max: 6 });
const weights = fc.oneof(
  { weight: 2, arbitrary: fc.constant(powers) },
  fc.array(fc.integer({ min: -12, max: 20 }), { minLength: 7, maxLength: 7 }),
);

/** Prints and refuses what is wrong; counts what was settled, so that a lint that settles nothing is noticed. */
function agree(arbitrary: fc.Arbitrary<Builder>, numRuns = 150): { settled: number } {
  let settled = 0;
  fc.assert(
    fc.property(arbitrary, (builder) => {
      expect(wronglyDetermined(builder)).toEqual([]);
      const { rules } = new UniquenessLint(builder.system()).run();
      if (rules.every((rule) => rule !== undefined)) settled++;
    }),
    { numRuns },
  );
  return { settled };
}

describe('a determined wire has one value, by exhaustive search', () => {
  it('digits with any weights', () => {
    const circuit = fc
      .record({ modulus, weights, count: fc.integer({ min: 1, max: 7 }), slack: small })
      .map((o) => {
        const builder = new Builder(o.modulus);
        const number = builder.input();
        builder.constrain(
          [[0, 1]],
          [
            [number, 1],
            [0, o.slack],
          ],
          weighted(builder.bits(o.count), o.weights),
        );
        return builder;
      });
    expect(agree(circuit, 300).settled).toBeGreaterThan(50);
  });

  it('digits with ranges of their own', () => {
    const circuit = fc
      .record({
        modulus: fc.constantFrom(13, 31, 61),
        counts: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
        weights: fc.tuple(small, fc.integer({ min: 1, max: 20 })),
        offset: small,
      })
      .map((o) => {
        const builder = new Builder(o.modulus);
        const number = builder.input();
        const digits = o.counts.map((count) => {
          const digit = builder.wire();
          builder.constrain(
            [[0, 1]],
            [
              [digit, 1],
              [0, o.offset],
            ],
            weighted(builder.bits(count), powers),
          );
          return digit;
        });
        builder.constrain([[0, 1]], [[number, 1]], weighted(digits, o.weights));
        return builder;
      });
    expect(agree(circuit, 300).settled).toBeGreaterThan(50);
  });

  it('mixed digits whose range another equation narrows', () => {
    const circuit = fc
      .record({
        modulus,
        top: fc.integer({ min: 1, max: 7 }),
        radix: fc.integer({ min: 1, max: 9 }),
        high: fc.integer({ min: 1, max: 3 }),
      })
      .map((o) => {
        const builder = new Builder(o.modulus);
        const number = builder.input();
        const [digit, rest, high] = [builder.bits(3), builder.bits(3), builder.bits(o.high)];
        builder.constrain([[0, o.top]], [[0, 1]], [...weighted(digit, powers), ...weighted(rest, powers)]);
        builder.constrain(
          [[0, 1]],
          [[number, 1]],
          [...weighted(digit, powers), ...weighted(high, powers, o.radix)],
        );
        return builder;
      });
    expect(agree(circuit).settled).toBeGreaterThan(10);
  });

  it('division with a remainder', () => {
    const circuit = fc
      .record({
        modulus: fc.constantFrom(31, 61),
        offset: fc.integer({ min: -3, max: 1 }),
        lower: fc.integer({ min: -1, max: 1 }),
        checked: fc.boolean(),
        ranged: fc.boolean(),
        constant: fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined }),
        quotientBits: fc.integer({ min: 1, max: 4 }),
        remainderBits: fc.integer({ min: 1, max: 3 }),
      })
      .map((o) => {
        const builder = new Builder(o.modulus);
        const [dividend, divisor] = [builder.input(), o.constant === undefined ? builder.input() : 0];
        const remainder = builder.bits(o.remainderBits);
        const quotient = o.ranged ? builder.bits(o.quotientBits) : [builder.wire()];
        const factor = o.constant ?? 1;
        const left: Terms = [...weighted(remainder, powers), [0, o.lower]];
        builder.constrain([[divisor, factor]], weighted(quotient, powers), [
          [dividend, 1],
          ...left.map(([wire, weight]) => [wire, -weight] as const),
        ]);
        if (o.checked) {
          builder.constrain(
            [[0, 1]],
            [[divisor, factor], [0, o.offset], ...weighted(remainder, powers, -1)],
            weighted(builder.bits(o.remainderBits), powers),
          );
        }
        return builder;
      });
    expect(agree(circuit, 200).settled).toBeGreaterThan(5);
  });

  it('division whose range check names a constant by a wire', () => {
    const circuit = fc
      .record({
        modulus: fc.constantFrom(29, 31),
        offset: fc.integer({ min: -3, max: 2 }),
        constant: fc.integer({ min: -2, max: 2 }),
        factor: fc.constantFrom(-1, 1, 2),
        quotientBits: fc.integer({ min: 1, max: 3 }),
        remainderBits: fc.integer({ min: 1, max: 2 }),
      })
      .map((o) => {
        const builder = new Builder(o.modulus);
        const [dividend, divisor] = [builder.input(), builder.input()];
        const constant = builder.wire();
        builder.constrain([[0, 1]], [[constant, 1]], [[0, o.constant]]);
        const [quotient, remainder] = [builder.bits(o.quotientBits), builder.bits(o.remainderBits)];
        builder.constrain([[divisor, 1]], weighted(quotient, powers), [
          [dividend, 1],
          ...weighted(remainder, powers, -1),
        ]);
        builder.constrain(
          [[0, 1]],
          [[divisor, 1], [0, o.offset], [constant, o.factor], ...weighted(remainder, powers, -1)],
          weighted(builder.bits(o.remainderBits), powers),
        );
        return builder;
      });
    expect(agree(circuit, 120).settled).toBeGreaterThan(10);
  });

  it('a division of a quotient, which has no range of its own', () => {
    // number = outer * first + left, first = divisor * second + rest, divisor = least + two bits that are given.
    const circuit = fc
      .record({
        modulus: fc.constantFrom(29, 31),
        outer: fc.integer({ min: 1, max: 6 }),
        least: fc.integer({ min: -1, max: 3 }),
        leftBits: fc.integer({ min: 1, max: 2 }),
        leftSlack: fc.integer({ min: -1, max: 1 }),
        restBits: fc.integer({ min: 1, max: 2 }),
        restSlack: fc.integer({ min: -1, max: 1 }),
        secondBits: fc.integer({ min: 1, max: 3 }),
        checked: fc.tuple(fc.boolean(), fc.boolean()),
      })
      .map((o) => {
        const builder = new Builder(o.modulus);
        const [number, given] = [builder.input(), builder.bits(2)];
        builder.inputs.push(...given);
        const divisor: Terms = [[0, o.least], ...weighted(given, powers)];
        const [second, rest, left] = [
          builder.bits(o.secondBits),
          builder.bits(o.restBits),
          builder.bits(o.leftBits),
        ];
        const first = builder.wire();
        builder.constrain(divisor, weighted(second, powers), [[first, 1], ...weighted(rest, powers, -1)]);
        builder.constrain([[0, 1]], [[number, 1]], [[first, o.outer], ...weighted(left, powers)]);
        if (o.checked[0]) {
          builder.constrain(
            [[0, 1]],
            [[0, o.outer - 1 + o.leftSlack], ...weighted(left, powers, -1)],
            weighted(builder.bits(o.leftBits), powers),
          );
        }
        if (o.checked[1]) {
          builder.constrain(
            [[0, 1]],
            [...divisor, [0, o.restSlack - 1], ...weighted(rest, powers, -1)],
            weighted(builder.bits(o.restBits), powers),
          );
        }
        return builder;
      });
    expect(agree(circuit, 120).settled).toBeGreaterThan(5);
  });

  it('square roots', () => {
    const circuit = fc
      .record({
        modulus: fc.constantFrom(31, 61, 193),
        gapBits: fc.integer({ min: 1, max: 5 }),
        rootBits: fc.integer({ min: 1, max: 4 }),
        offset: fc.integer({ min: -2, max: 2 }),
        factor: fc.integer({ min: 1, max: 3 }),
      })
      .map((o) => {
        const builder = new Builder(o.modulus);
        const number = builder.input();
        const [root, gap] = [builder.bits(o.rootBits), builder.bits(o.gapBits)];
        builder.constrain(weighted(root, powers), weighted(root, powers), [
          [number, 1],
          ...weighted(gap, powers, -1),
        ]);
        builder.constrain(
          [[0, 1]],
          [...weighted(root, powers, o.factor), ...weighted(gap, powers, -1), [0, o.offset]],
          weighted(builder.bits(o.rootBits + 1), powers),
        );
        return builder;
      });
    expect(agree(circuit, 200).settled).toBeGreaterThan(3);
  });

  it('signs', () => {
    const circuit = fc
      .record({
        modulus,
        slope: fc.integer({ min: -3, max: -1 }),
        shift: small,
        count: fc.integer({ min: 1, max: 4 }),
      })
      .map((o) => {
        const builder = new Builder(o.modulus);
        const [number, sign] = [builder.input(), builder.bit()];
        builder.constrain(
          [[number, 1]],
          [
            [0, 1],
            [sign, o.slope],
          ],
          [[sign, o.shift], ...weighted(builder.bits(o.count), powers)],
        );
        return builder;
      });
    expect(agree(circuit).settled).toBeGreaterThan(2);
  });

  it('normalisation by powers', () => {
    const circuit = fc
      .record({
        modulus: fc.constantFrom(31, 61, 97),
        weights: fc.tuple(small, small),
        low: fc.integer({ min: 0, max: 8 }),
        count: fc.integer({ min: 1, max: 3 }),
      })
      .map((o) => {
        const builder = new Builder(o.modulus);
        const number = builder.input();
        const [x, y] = [builder.bit(), builder.bit()];
        const power = builder.wire();
        builder.constrain(
          [
            [0, 1],
            [x, o.weights[0]],
          ],
          [
            [0, 1],
            [y, o.weights[1]],
          ],
          [[power, 1]],
        );
        builder.constrain(
          [[number, 1]],
          [[power, 1]],
          [[0, o.low], ...weighted(builder.bits(o.count), powers)],
        );
        return builder;
      });
    expect(agree(circuit, 300).settled).toBeGreaterThan(2);
  });

  it('tests for zero', () => {
    const circuit = fc
      .record({
        modulus: fc.constantFrom(13, 31),
        one: small,
        other: small,
        second: fc.boolean(),
        factor: fc.integer({ min: 1, max: 2 }),
        shifts: fc.tuple(fc.nat(2), fc.nat(2)),
      })
      .map((o) => {
        const builder = new Builder(o.modulus);
        const number = builder.input();
        const [result, hint] = [builder.wire(), builder.wire()];
        builder.constrain(
          [
            [number, 1],
            [0, o.shifts[0]],
          ],
          [[hint, 1]],
          [
            [0, o.one],
            [result, -1],
          ],
        );
        if (o.second) {
          builder.constrain(
            [
              [number, o.factor],
              [0, o.shifts[1]],
            ],
            [[result, 1]],
            [[0, o.other]],
          );
        }
        return builder;
      });
    agree(circuit, 300);
  });

  it('decoders', () => {
    const factor = fc.record({
      slope: fc.integer({ min: 1, max: 2 }),
      shift: fc.nat(3),
      other: fc.integer({ min: 0, max: 1 }),
    });
    const circuit = fc
      .record({
        modulus: fc.constantFrom(11, 13),
        factors: fc.array(factor, { minLength: 2, maxLength: 4 }),
        sum: fc.array(fc.nat(2), { minLength: 4, maxLength: 4 }),
        closed: fc.boolean(),
      })
      .map((o) => {
        const builder = new Builder(o.modulus);
        const number = builder.input();
        const outputs = o.factors.map(() => builder.wire());
        o.factors.forEach(({ slope, shift, other }, i) => {
          builder.constrain(
            [
              [number, slope],
              [0, -shift],
            ],
            [
              [outputs[i]!, 1],
              [outputs[(i + 1) % outputs.length]!, other],
            ],
            [],
          );
        });
        if (o.closed) builder.constrain([[0, 1]], weighted(outputs, o.sum), [[0, 1]]);
        return builder;
      });
    expect(agree(circuit, 400).settled).toBeGreaterThan(20);
  });

  it('linear systems, and products of combinations that they determine', () => {
    const row = fc.array(fc.integer({ min: -2, max: 2 }), { minLength: 3, maxLength: 3 });
    const circuit = fc
      .record({
        modulus: fc.constantFrom(11, 13),
        rows: fc.array(row, { minLength: 1, maxLength: 3 }),
        sides: fc.tuple(row, row),
      })
      .map((o) => {
        const builder = new Builder(o.modulus);
        const number = builder.input();
        const unknown = [builder.wire(), builder.wire(), builder.wire()];
        const result = builder.wire();
        o.rows.forEach((weights, i) => {
          builder.constrain(
            [
              [number, 1],
              [0, i],
            ],
            [[number, 1]],
            weighted(unknown, weights),
          );
        });
        builder.constrain(weighted(unknown, o.sides[0]), weighted(unknown, o.sides[1]), [[result, 1]]);
        return builder;
      });
    expect(agree(circuit, 200).settled).toBeGreaterThan(20);
  });

  it('anything', () => {
    const circuit = fc
      .record({
        modulus: fc.constantFrom(11, 13),
        bits: fc.integer({ min: 0, max: 3 }),
        wires: fc.integer({ min: 1, max: 2 }),
        constraints: fc.array(
          fc.tuple(
            ...[0, 1, 2].map(() =>
              fc.array(fc.tuple(fc.nat(6), fc.integer({ min: -4, max: 4 })), { maxLength: 3 }),
            ),
          ),
          { minLength: 1, maxLength: 4 },
        ),
      })
      .map((o) => {
        const builder = new Builder(o.modulus);
        builder.input();
        builder.bits(o.bits);
        for (let i = 0; i < o.wires; i++) builder.wire();
        for (const [a, b, c] of o.constraints) {
          const within = (terms: Terms): Terms => terms.map(([wire, value]) => [wire % builder.wires, value]);
          builder.constrain(within(a!), within(b!), within(c!));
        }
        return builder;
      });
    agree(circuit, 600);
  });
});

describe('splitDigits', () => {
  it('keeps equal sums equal in every part', () => {
    const term = fc.record({
      coefficient: fc.integer({ min: -9, max: 40 }).filter((c) => c !== 0),
      width: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(term, { minLength: 1, maxLength: 4 }), (terms) => {
        const blocks = splitDigits(
          terms.map(({ coefficient, width }) => ({ coefficient: BigInt(coefficient), width: BigInt(width) })),
        );
        expect(blocks.flat().sort()).toEqual(terms.map((_, i) => i));
        const search = (difference: number[]): void => {
          const i = difference.length;
          if (i < terms.length) {
            for (let d = -terms[i]!.width; d <= terms[i]!.width; d++) search([...difference, d]);
            return;
          }
          const sum = (places: readonly number[]): number =>
            places.reduce((total, place) => total + terms[place]!.coefficient * difference[place]!, 0);
          if (sum(terms.map((_, place) => place)) !== 0) return;
          for (const block of blocks) expect(sum(block)).toBe(0);
        };
        search([]);
      }),
    );
  });
});
