/**
 * Constraints that only check what a prover gives. The uniqueness lint takes private inputs as given, so it does not miss these: each has a lie that
 * nothing else refuses: a twin without them accepts it. Each lie breaks one of the constraints that its twin lacks.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_PARAMETERS, packParameters } from '../../src/margin/parameters.ts';
import { canonicalLegs } from '../../src/market/instrument.ts';
import type { MarketRound } from '../../src/market/words.ts';
import { invR } from '../../src/math/fixed/scalar-field.ts';
import { CircuitTester } from '../../src/proof/circuit-tester.ts';
import { fieldText } from '../../src/proof/field.ts';
import type { CircuitInput } from '../../src/proof/prover/backend.ts';
import { insolvencyInput, scenarioPlace } from '../../src/proof/witness/insolvency.ts';
import { figuresShown } from '../../src/proof/witness/testing.ts';
import { round as baseRound } from './full-account.ts';
import { expectRefused, twinSource } from './tampering.ts';

const text = (...values: readonly bigint[]): string[] => values.map(fieldText);

/** The circuit refuses a lie, and its twin does not: so nothing else would. @returns the twin's witness */
async function expectRefusedByThese(
  circuit: CircuitTester,
  twin: CircuitTester,
  lie: CircuitInput,
): Promise<bigint[]> {
  await expectRefused(circuit, lie);
  const witness = await twin.witness(lie);
  expect(twin.violated(witness)).toEqual([]);
  return witness;
}

describe('a leg', () => {
  const FILE = 'circuits/main/insolvency-8.circom';
  const REMOVED = [
    'for (var i = 0; i < 2; i++) kindBits[i] * (kindBits[i] - 1) === 0;',
    'select[e] * (select[e] - 1) === 0;',
    'chosen * (chosen - 1) === 0;',
    '(1 - isOption) * chosen === 0;',
  ];
  // Expiries at equal distances, alike but for their hours: sums of rows that have the hour of another are nearly that row.
  const base = baseRound.expiries[0]!;
  const round: MarketRound = {
    ...baseRound,
    expiries: baseRound.expiries.map((_, row) => ({
      ...base,
      expiryHour: base.expiryHour + 720 * (row + 4),
    })),
  };
  const ROW = 3;
  const { expiryHour } = round.expiries[ROW]!;
  const legs = canonicalLegs([
    { instrument: { kind: 'linear', expiryHour: 0, strike: 0n }, quantity: -8_000_000n },
    { instrument: { kind: 'call', expiryHour, strike: 1_100_000_000n }, quantity: -2_000_000n },
    { instrument: { kind: 'put', expiryHour, strike: 900_000_000n }, quantity: -3_000_000n },
  ]);
  const place = (kind: string): number => legs.findIndex(({ instrument }) => instrument.kind === kind);
  let circuit: CircuitTester;
  let twin: CircuitTester;
  let input: CircuitInput;
  let honest: ReturnType<typeof figuresShown>;

  beforeAll(async () => {
    circuit = await CircuitTester.fromFile(FILE);
    twin = await CircuitTester.fromText(
      'insolvency-8',
      twinSource(FILE, Object.fromEntries(REMOVED.map((line) => [line, '']))),
    );
    input = await insolvencyInput({
      legs,
      scale: 1n << 40n,
      round,
      parameters: DEFAULT_PARAMETERS,
      scenarioIndex: 3,
      salt: 42n,
      context: 1n,
      capacity: 8,
    });
    honest = figuresShown(circuit, await circuit.witness(input));
    expect(figuresShown(twin, await twin.witness(input))).toEqual(honest);
  });

  const changed = (name: string, leg: number, value: unknown): CircuitInput =>
    ({
      ...input,
      [name]: (input[name] as unknown[]).map((old, i) => (i === leg ? value : old)),
    }) as CircuitInput;

  // With bits a and b: a + 2 b is the kind, a + b - 2 a b says that it is an option. Both equations hold of one more pair each, by which a b and what
  // is taken for a put are multiples of an eighth.
  it.each([
    ['call', [-1n * invR(2n), 3n * invR(4n)]],
    ['put', [3n * invR(2n), invR(4n)]],
    ['linear', [3n * invR(2n), 3n * invR(4n)]],
  ] as const)('has a kind of bits: a %s of other numbers shows another mark', async (kind, bits) => {
    const lie = changed('kindBits', place(kind), text(...bits));
    const witness = await expectRefusedByThese(circuit, twin, lie);
    expect(figuresShown(twin, witness).mark).not.toBe(honest.mark);
  });

  const rows = (weights: Readonly<Record<number, bigint>>): string[] =>
    text(...Array.from({ length: 7 }, (_, row) => weights[row] ?? 0n));

  it('has one expiry, and no mixture of three whose hour is the same', async () => {
    const lie = changed('select', place('call'), rows({ [ROW - 1]: 1n, [ROW]: -1n, [ROW + 1]: 1n }));
    const witness = await expectRefusedByThese(circuit, twin, lie);
    expect(figuresShown(twin, witness).mark).not.toBe(honest.mark);
  });

  it('has one expiry, and not two, less the last one', async () => {
    // Rows 4 and 6 less row 7.
    const lie = changed('select', place('call'), rows({ 4: 1n, 6: 1n }));
    const witness = await expectRefusedByThese(circuit, twin, lie);
    expect(figuresShown(twin, witness).mark).not.toBe(honest.mark);
  });

  it('has no expiry when it is linear, or none at all', async () => {
    for (const leg of [place('linear'), 7]) {
      await expectRefusedByThese(circuit, twin, changed('select', leg, rows({ 0: 1n })));
    }
  });

  it('has a whole quantity: no strike is made up for by a fraction of a contract', async () => {
    // Bits of the sums of quantities are needed for their signs, so no twin can do without them.
    const leg = place('call');
    const strike = BigInt((input.strikes as string[])[leg]!);
    const quantity = BigInt((input.quantities as string[])[leg]!);
    for (const change of [1n, -1n, 10_000_000n]) {
      const lie = {
        ...changed('strikes', leg, String(strike + change)),
        quantities: (changed('quantities', leg, '').quantities as string[]).map((old, i) =>
          i === leg ? fieldText(quantity - change * invR(1n << 60n)) : old,
        ),
      };
      await expectRefused(circuit, lie);
    }
  });
});

/** A library file without some of its lines, each of which it has once, and with one of its templates as the main component. */
function templateWithout(file: string, main: string, lines: readonly string[]): string {
  let source = readFileSync(new URL(`../../circuits/lib/${file}.circom`, import.meta.url), 'utf8');
  for (const line of lines) {
    expect(source.split(line), line).toHaveLength(2);
    source = source.replace(line, '');
  }
  return `${source}\ncomponent main = ${main};\n`;
}

describe('a scenario', () => {
  const REMOVED = [
    'for (var i = 0; i < 6; i++) index[i] * (index[i] - 1) === 0;',
    'for (var i = 0; i < 3; i++) index[i] * index[3] === 0;',
  ];
  const words = packParameters(DEFAULT_PARAMETERS).scenarioWords.map(String);
  let circuit: CircuitTester;
  let twin: CircuitTester;
  beforeAll(async () => {
    circuit = await CircuitTester.fromText('scenario', templateWithout('parameters', 'Scenario()', []));
    twin = await CircuitTester.fromText('scenario', templateWithout('parameters', 'Scenario()', REMOVED));
  });

  it('is named by bits', async () => {
    for (const place of [0, 8, 35]) await circuit.witness({ words, index: scenarioPlace(place) });
    // Equal words: whatever sum of them the last two bits make, it is a word.
    const equal = words.map(() => words[0]!);
    for (let bit = 0; bit < 6; bit++) {
      for (const value of [2n, -1n]) {
        const index = text(...Array.from({ length: 6 }, (_, at) => (at === bit ? value : 0n)));
        await expectRefusedByThese(circuit, twin, { words: equal, index });
      }
    }
  });

  it('is no other place together with the ninth', async () => {
    for (let bit = 0; bit < 3; bit++) {
      const index = Array.from({ length: 6 }, (_, at) => (at === bit || at === 3 ? '1' : '0'));
      await expectRefusedByThese(circuit, twin, { words, index });
    }
  });
});

describe('a chunk of a commitment that is skipped', () => {
  const LINE = 'for (var i = 1; i < 8; i++) empty[c] * packed[8 * c + i] === 0;';

  it('hides no leg', async () => {
    const main = 'PositionsCommitment(16)';
    const circuit = await CircuitTester.fromText('positions', templateWithout('commitment', main, []));
    const twin = await CircuitTester.fromText('positions', templateWithout('commitment', main, [LINE]));
    const opened = (...held: readonly number[]): CircuitInput => ({
      packed: Array.from({ length: 16 }, (_, at) => (held.includes(at) ? String(at + 1) : '0')),
      underlyingId: '7',
      salt: '42',
    });
    const empty = circuit.signal(await circuit.witness(opened(0)), 'main.out');
    for (let at = 9; at < 16; at++) {
      const witness = await expectRefusedByThese(circuit, twin, opened(0, at));
      // The commitment to the leg of the first chunk alone.
      expect(twin.signal(witness, 'main.out')).toBe(empty);
    }
  });
});
