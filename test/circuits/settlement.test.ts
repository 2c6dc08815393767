/** What `settlement` refuses: every wire changed alone, and choices that a lying prover would like to make. */

import { beforeAll, describe, expect, it } from 'vitest';
import { packSettlementWords } from '../../src/margin/exact/settlement.ts';
import { canonicalLegs, instrumentId, type Leg, LINEAR, packLeg } from '../../src/market/instrument.ts';
import { invR, modR, SCALAR_MODULUS } from '../../src/math/fixed/scalar-field.ts';
import { CircuitTester } from '../../src/proof/circuit-tester.ts';
import { compileCircuit } from '../../src/proof/compile.ts';
import { ensureDevelopmentKey } from '../../src/proof/keys/development.ts';
import type { CircuitInput } from '../../src/proof/prover/backend.ts';
import { CircuitProver } from '../../src/proof/prover/circuit-prover.ts';
import { publicSignalNames } from '../../src/proof/r1cs.ts';
import { committedSettlement, settlementInput } from '../../src/proof/witness/settlement.ts';
import { spreadMoves } from '../../src/proof/witness/spread.ts';
import { commitElements, expectRefused, isFreeInverse, LyingTwin, unnoticed } from './tampering.ts';

const LEGS = 8;
const underlyingId = 0x425443n;
const salt = 77n;
const option = (kind: 'call' | 'put', expiryHour: number, strike: bigint, quantity: bigint): Leg => ({
  instrument: { kind, expiryHour, strike },
  quantity,
});
// Full, so that no place idles: winners and losers of both kinds at hours 50 and 70; hour 60 and the linear leg stay.
const legs = canonicalLegs([
  { instrument: LINEAR, quantity: -1_250_000n },
  option('call', 50, 900n, 2_000_001n),
  option('put', 50, 900n, -1_500_000n),
  option('put', 60, 700n, -400_000n),
  option('call', 60, 800n, 400_000n),
  option('call', 70, 1_000n, -700_000n),
  option('put', 70, 1_200n, -3_000_000n),
  option('call', 80, 1_200n, -3n),
]);
const prices = [
  { expiryHour: 50, price: 95_001n },
  { expiryHour: 70, price: 110_003n },
];
const statement = {
  legs,
  scale: (1n << 40n) + 12_345n,
  salt,
  prices,
  underlyingId,
  context: 987_654_321n,
  capacity: LEGS,
};

let circuit: CircuitTester;
let input: CircuitInput;
let witness: bigint[];

beforeAll(async () => {
  circuit = await CircuitTester.fromFile('circuits/main/settlement-8.circom');
  input = await settlementInput(statement);
  witness = await circuit.witness(input);
});

const changedAt = (name: string, index: number, value: unknown): CircuitInput =>
  ({
    ...input,
    [name]: (input[name] as unknown[]).map((old, i) => (i === index ? value : old)),
  }) as CircuitInput;

/** The honest input with another new vector: elements and the old places that they are spread to. */
const withNew = (places: readonly { packed: bigint; row: number }[]): CircuitInput => ({
  ...input,
  newPacked: Array.from({ length: LEGS }, (_, i) => String(places[i]?.packed ?? 0n)),
  moves: spreadMoves(
    places.map(({ row }) => row),
    LEGS,
    LEGS,
  ).map(String),
});

/** Old places of the legs that stay. */
const keptRows = [0, 3, 4, 7];
const kept = keptRows.map((row) => ({ packed: packLeg(legs[row]!), row }));

describe('the instances', () => {
  it('have these constraints and public signals', async () => {
    const thirtyTwo = await CircuitTester.fromFile('circuits/main/settlement-32.circom');
    expect([circuit.constraints, thirtyTwo.constraints]).toEqual([3_305, 10_191]);
    for (const { r1cs, symbols } of [circuit, thirtyTwo]) {
      expect(publicSignalNames(r1cs, symbols)).toEqual([
        'cash',
        'newCommitment',
        'oldCommitment',
        'scale',
        'settlementWords[0]',
        'settlementWords[1]',
        'settlementWords[2]',
        'settlementWords[3]',
        'underlyingId',
        'context',
      ]);
    }
  });
});

describe('single changes to a valid witness', () => {
  /** Only switches of empty cells are free; they move nothing. */
  const left = (change: (value: bigint) => bigint): string[] => {
    const busy = new Set<string>();
    let cells = keptRows.map((_, i) => i);
    let first = 0;
    for (const shift of [4, 2, 1]) {
      const movable = LEGS - shift;
      cells = cells.map((cell) => {
        if (cell >= movable) return cell;
        busy.add(`main.moves[${first + cell}]`);
        return (input.moves as string[])[first + cell] === '1' ? cell + shift : cell;
      });
      first += movable;
    }
    expect(cells).toEqual(keptRows);
    return unnoticed(circuit, witness, change).filter(
      (name) => !isFreeInverse(name) && !(name.startsWith('main.moves[') && !busy.has(name)),
    );
  };

  it('starts from an accepted witness', async () => {
    expect(circuit.violated(witness)).toEqual([]);
    const { cash } = await committedSettlement(statement);
    expect(cash).toBe(witness[circuit.wire('main.cash')]! - SCALAR_MODULUS);
    expect((await circuit.witness(withNew(kept)))[circuit.wire('main.cash')]).toBe(modR(cash));
  });

  it('every wire plus one is noticed', () => {
    expect(left((value) => value + 1n)).toEqual([]);
  });

  it('every boolean flipped, and every other wire halved in the field, is noticed', () => {
    const half = invR(2n);
    expect(left((value) => (value <= 1n ? 1n - value : modR(value * half)))).toEqual([]);
  });

  it('every wire negated is noticed, unless it is 0', () => {
    // Negative cash turned into positive cash is among them.
    expect(left((value) => modR(-value))).toEqual(['main.context']);
  });
});

describe('a lying prover', () => {
  it('cannot keep a leg that expires, nor one of two', async () => {
    for (const row of [1, 2, 5, 6]) {
      const more = [...kept, { packed: packLeg(legs[row]!), row }].sort((a, b) => a.row - b.row);
      await expectRefused(circuit, withNew(more));
    }
  });

  it('cannot drop a leg that stays, long or short', async () => {
    for (let i = 0; i < kept.length; i++)
      await expectRefused(circuit, withNew(kept.filter((_, k) => k !== i)));
  });

  it('cannot change, repeat, add or reorder legs that stay', async () => {
    const [linear, put, call, last] = kept;
    await expectRefused(
      circuit,
      withNew([linear!, { ...put!, packed: put!.packed + (1n << 60n) }, call!, last!]),
    );
    await expectRefused(circuit, withNew([linear!, { ...put!, packed: call!.packed }, call!, last!]));
    await expectRefused(circuit, withNew([...kept.slice(0, 3), { packed: 5n, row: 6 }, last!]));
    await expectRefused(
      circuit,
      withNew([linear!, { ...call!, row: put!.row }, { ...put!, row: call!.row }, last!]),
    );
    // A leg in two parts that end in one row: two places, one sum.
    const parts = [linear!.packed - 5n, 5n];
    await expectRefused(circuit, {
      ...withNew([]),
      newPacked: [...parts.map((part) => String(modR(part))), ...new Array<string>(6).fill('0')],
    });
  });

  it('cannot exchange legs by switches that let them cross', async () => {
    // Two legs stay, at old places 6 and 7; the new vector holds them the other way round.
    const two = canonicalLegs([
      ...legs.slice(1, 3),
      ...legs.slice(5, 7),
      option('call', 70, 2_000n, 1n),
      option('put', 70, 2_000n, 1n),
      option('call', 90, 1n, 5n),
      option('put', 90, 1n, 6n),
    ]);
    const honest = await settlementInput({ ...statement, legs: two });
    await circuit.witness(honest);
    const newPacked = (honest.newPacked as string[]).slice();
    [newPacked[0], newPacked[1]] = [newPacked[1]!, newPacked[0]!];
    // Stages of shift 4, 2, 1 with 4, 6 and 7 switches: leg 0 goes 4, 2, 1, leg 1 goes 4, 0, 1.
    const moves = new Array<string>(17).fill('0');
    for (const index of [0, 1, 4 + 4, 10 + 6, 10 + 5]) moves[index] = '1';
    await expectRefused(circuit, { ...honest, newPacked, moves });
    // Switches that are no bits: old places hold weighted sums of both legs, and ranks come out.
    const [high, low] = newPacked.map(BigInt);
    const t = modR(modR(low! - high!) * invR(modR(low! - 2n * high!)));
    const parts = new Array<string>(17).fill('0');
    for (const index of [0, 1, 4 + 4, 10 + 5]) parts[index] = '1';
    parts[10 + 6] = String(modR(2n * t));
    parts[4 + 5] = String(modR(1n - t));
    await expectRefused(circuit, { ...honest, newPacked, moves: parts });
  });

  it('cannot leave a gap in the new vector, nor hide a leg in it', async () => {
    const gap = (input.newPacked as string[]).slice();
    [gap[3], gap[4]] = ['0', gap[3]!];
    const targets = [0, 3, 4, undefined, 7];
    // The switches of legs at places 0, 1, 2 and 4.
    const moves = new Array<string>(17).fill('0');
    let at = targets.map((_, i) => i);
    let first = 0;
    for (const shift of [4, 2, 1]) {
      at = at.map((cell, i) => {
        const target = targets[i];
        if (target === undefined || target - cell < shift) return cell;
        moves[first + cell] = '1';
        return cell + shift;
      });
      first += LEGS - shift;
    }
    await expectRefused(circuit, { ...input, newPacked: gap, moves });
    const hidden = (input.newPacked as string[]).slice();
    for (let place = 4; place < LEGS; place++) {
      await expectRefused(circuit, {
        ...input,
        newPacked: hidden.map((old, i) => (i === place ? String(packLeg(legs[1]!)) : old)),
      });
    }
  });

  it('cannot settle at an hour or a price that is not among the words', async () => {
    const words = packSettlementWords(prices);
    // Other words change cash and legs, so the rest of the witness no longer fits.
    await expectRefused(circuit, { ...input, settlementWords: [words[0]!, 0n, 0n, 0n].map(String) });
    const wrong = packSettlementWords([prices[0]!, { ...prices[1]!, expiryHour: 71 }]);
    await expectRefused(circuit, { ...input, settlementWords: wrong.map(String) });
    const dearer = packSettlementWords([prices[0]!, { ...prices[1]!, price: 120_003n }]);
    const other = await circuit.witness({ ...input, settlementWords: dearer.map(String) });
    expect(circuit.signal(other, 'main.cash')).not.toBe(circuit.signal(witness, 'main.cash'));
    const forged = circuit.mutate(other, {
      'main.settlementWords[1]': words[1]!,
    });
    expect(circuit.violated(forged)).not.toEqual([]);
  });

  it('cannot read a leg with another expiry, strike, kind or quantity', async () => {
    // The same packed leg from parts that leave their ranges.
    const row = 5;
    const { instrument, quantity } = legs[row]!;
    const parts = (change: Record<string, unknown>, base = input): CircuitInput =>
      ({
        ...base,
        ...Object.fromEntries(
          Object.entries(change).map(([name, value]) => [
            name,
            (base[name] as unknown[]).map((old, i) => (i === row ? value : old)),
          ]),
        ),
      }) as CircuitInput;
    // With another hour the leg stays.
    const stays = withNew([...kept.slice(0, 3), { packed: packLeg(legs[row]!), row }, kept[3]!]);
    const hour = BigInt(instrument.expiryHour);
    const strike = String(instrument.strike + (1n << 38n));
    await expectRefused(circuit, parts({ hours: String(hour - 1n), strikes: strike }, stays));
    const less = String(modR(quantity - 1n));
    await expectRefused(circuit, parts({ hours: String(hour + (1n << 22n)), quantities: less }, stays));
    await expectRefused(circuit, parts({ hours: '60', quantities: fraction(70 - 60, quantity) }, stays));
    const low = String(modR(instrument.strike - (1n << 36n)));
    await expectRefused(circuit, parts({ kindBits: ['0', '1'], strikes: low }));
    await expectRefused(circuit, parts({ kindBits: ['2', '0'], strikes: low }));
    await expectRefused(circuit, parts({ kindBits: ['2', '0'], strikes: low }, stays));
    await expectRefused(circuit, parts({ kindBits: ['0', invHalf] }));
  });

  /** Quantity that makes up for hours that are missing in the packed leg. */
  const fraction = (hours: number, quantity: bigint): string =>
    String(modR(quantity + BigInt(hours) * (1n << 38n) * invR(1n << 60n)));
  const invHalf = String(invR(2n));

  it('cannot hide an old leg', async () => {
    for (let row = 0; row < LEGS; row++) await expectRefused(circuit, changedAt('quantities', row, '0'));
    // A leg of quantity 0 is none, and its place must be empty.
    const packed = legs.map((leg) => packLeg(leg));
    packed[7] = instrumentId(legs[7]!.instrument);
    await expectRefused(circuit, {
      ...changedAt('quantities', 7, '0'),
      ...{
        oldCommitment: String(await commitElements(packed, underlyingId, salt)),
        newPacked: [
          ...kept.slice(0, 3).map((place) => String(place.packed)),
          ...new Array<string>(5).fill('0'),
        ],
      },
    });
  });

  it('cannot prove a settlement of nothing', async () => {
    const words = packSettlementWords([{ expiryHour: 51, price: 1n }]);
    const all = legs.map((leg, row) => ({ packed: packLeg(leg), row }));
    await expectRefused(circuit, { ...withNew(all), settlementWords: words.map(String) });
    // Not even with the unused word, whose hour is that of the linear leg and of empty places.
    const none = { ...withNew(kept.slice(1)), settlementWords: ['0', '0', '0', '0'] };
    await expectRefused(circuit, none);
    await expectRefused(circuit, { ...withNew(all), settlementWords: ['0', '0', '0', '0'] });
    // The tools are not at fault.
    await circuit.witness({ ...withNew(kept), settlementWords: input.settlementWords! });
  });

  it('cannot use malformed words', async () => {
    const words = (input.settlementWords as string[]).map(BigInt);
    const with_ = (changed: readonly bigint[]): CircuitInput => ({
      ...input,
      settlementWords: changed.map((word) => String(modR(word))),
    });
    await circuit.witness(with_(words));
    // Exchanged, repeated, with a gap, an hour of 0 with a price, too wide.
    await expectRefused(circuit, with_([words[1]!, words[0]!, 0n, 0n]));
    await expectRefused(circuit, with_([words[0]!, words[1]!, words[1]!, 0n]));
    await expectRefused(circuit, with_([words[0]!, 0n, words[1]!, 0n]));
    await expectRefused(circuit, with_([0n, words[0]!, words[1]!, 0n]));
    await expectRefused(circuit, with_([words[0]!, words[1]!, 5n << 20n, 0n]));
    await expectRefused(circuit, with_([words[0]!, words[1]! + (1n << 64n), 0n, 0n]));
    await expectRefused(circuit, with_([words[0]!, words[1]!, -1n, 0n]));
  });

  it('cannot use a scale outside [0, 2^64), another salt, commitment or underlying', async () => {
    await expectRefused(circuit, { ...input, scale: String(1n << 64n) });
    await expectRefused(circuit, { ...input, scale: String(SCALAR_MODULUS - 1n) });
    await expectRefused(circuit, { ...input, salt: '78' });
    await expectRefused(circuit, { ...input, underlyingId: String(underlyingId + 1n) });
    await expectRefused(circuit, {
      ...input,
      oldCommitment: String(BigInt(input.oldCommitment as string) + 1n),
    });
    // The new salt is the old one: no other commitment to the same legs passes.
    const other = await commitElements((input.newPacked as string[]).map(BigInt), underlyingId, salt + 1n);
    expect(circuit.violated(circuit.mutate(witness, { 'main.newCommitment': other }))).not.toEqual([]);
  });
});

describe('lying hints', () => {
  const lies = {
    'cash rounded up': { divide: 'q = q + 1;' },
    'cash rounded further down': { divide: 'q = q - 1;' },
    'cash as a fraction that leaves no remainder': { divide: 'q = dividend / divisor;' },
    'an inverse of 0': { inverse: 'guess = 0;' },
  };
  let twin: LyingTwin<keyof typeof lies>;
  beforeAll(async () => {
    twin = await LyingTwin.compile('settlement-8', 'circuits/main/settlement-8.circom', lies);
  });

  it('has a twin that tells the truth under the same constraints', async () => {
    const honest = await twin.tells();
    expect([honest.constraints, honest.r1cs.wires]).toEqual([circuit.constraints, circuit.r1cs.wires]);
    expect(await honest.witness(input)).toEqual(witness);
  });

  it.each(Object.keys(lies) as (keyof typeof lies)[])('%s is refused', async (lie) => {
    await expectRefused(await twin.tells(lie), input);
  });
});

describe('a real proof', () => {
  it('verifies, and shows cash and commitment', async () => {
    const compiled = await compileCircuit('settlement-8');
    const key = await ensureDevelopmentKey(compiled);
    const prover = new CircuitProver([
      {
        name: compiled.name,
        wasmPath: compiled.wasmPath,
        zkeyPath: key.zkeyPath,
        verificationKey: key.verificationKey,
      },
    ]);
    try {
      const { publicSignals } = await prover.prove({ circuit: compiled.name, input });
      const { cash, newCommitment } = await committedSettlement(statement);
      expect(publicSignals.slice(0, 3).map(BigInt)).toEqual([
        modR(cash),
        newCommitment,
        BigInt(input.oldCommitment as string),
      ]);
    } finally {
      await prover.close();
    }
  });
});
