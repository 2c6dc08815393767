/**
 * How margin circuits read the scenario words: `Scenario` picks one place of 36, `LayoutDampings` reads all of them. Here provers may say
 * whatever they like: `Scenario` takes its index from them, and in a twin of `LayoutDampings` the digits are inputs in the place of hints.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { stepParts } from '../../src/margin/exact/leg.ts';
import {
  DAMPING_ONE,
  DEFAULT_PARAMETERS,
  packParameters,
  packScenario,
  SCENARIO_CAPACITY,
  SCENARIO_WORD_COUNT,
  SCENARIOS_PER_WORD,
  type Scenario,
  type VolShock,
} from '../../src/margin/parameters.ts';
import { invR, SCALAR_MODULUS } from '../../src/math/fixed/scalar-field.ts';
import { mulberry32 } from '../../src/math/float/random.ts';
import { CircuitTester } from '../../src/proof/circuit-tester.ts';
import { fieldText } from '../../src/proof/field.ts';
import { scenarioPlace } from '../../src/proof/witness/insolvency.ts';
import { mainOf } from './counts.ts';
import { expectRefused, twinSource } from './tampering.ts';

const SCENARIO_BITS = 26n;
const field = (value: bigint | number): string => fieldText(BigInt(value));
/** Halves are numbers of the field. */
const HALF = (SCALAR_MODULUS + 1n) / 2n;

/** Words of nine places each, from the places' numbers. */
const wordsOf = (places: readonly bigint[]): bigint[] =>
  Array.from({ length: SCENARIO_WORD_COUNT }, (_, word) =>
    places
      .slice(SCENARIOS_PER_WORD * word, SCENARIOS_PER_WORD * (word + 1))
      .reduce((sum, place, at) => sum + (place << (SCENARIO_BITS * BigInt(at))), 0n),
  );

describe('the chosen scenario', () => {
  const OUTPUTS = ['priceMove', 'fours', 'twos', 'ones', 'stepOffset', 'isUp', 'isDown', 'damping'] as const;
  let circuit: CircuitTester;
  beforeAll(async () => {
    circuit = await CircuitTester.fromText(
      'scenario',
      mainOf({ template: 'Scenario()', file: 'parameters' }),
    );
  });

  const shown = async (words: readonly bigint[], index: readonly string[]) => {
    const witness = await circuit.witness({ words: words.map(String), index: [...index] });
    expect(circuit.violated(witness)).toEqual([]);
    return OUTPUTS.map((name) => String(circuit.signal(witness, name)));
  };
  const expected = ({ priceMove, volShock, damping }: Scenario): string[] => {
    const { fours, twos, ones, offset } = stepParts(priceMove);
    const shocks = [volShock > 0 ? 1 : 0, volShock < 0 ? 1 : 0];
    return [priceMove, fours, twos, ones, offset, ...shocks, damping].map(field);
  };

  it('is that of its place, whatever its neighbours are, for every move that seven bits hold', async () => {
    const random = mulberry32(36);
    const dampings = [0, 1, DAMPING_ONE - 1, DAMPING_ONE, 2 ** 17 - 1];
    for (let move = -64; move < 64; move++) {
      const scenarios = Array.from(
        { length: SCENARIO_CAPACITY },
        (): Scenario => ({
          priceMove: Math.floor(random() * 128) - 64,
          volShock: (Math.floor(random() * 3) - 1) as VolShock,
          damping: dampings[Math.floor(random() * dampings.length)]!,
        }),
      );
      const at = (move + 64) % SCENARIO_CAPACITY;
      scenarios[at] = { ...scenarios[at]!, priceMove: move };
      const words = wordsOf(scenarios.map(packScenario));
      expect(await shown(words, scenarioPlace(at)), `move ${move} at place ${at}`).toEqual(
        expected(scenarios[at]!),
      );
    }
  });

  it('is one of 36: of all bits of an index, no others have a witness', async () => {
    const places = Array.from({ length: SCENARIO_CAPACITY }, (_, at) =>
      packScenario({ priceMove: 0, volShock: 0, damping: at + 1 }),
    );
    const found: string[] = [];
    for (let bits = 0; bits < 64; bits++) {
      const index = Array.from({ length: 6 }, (_, bit) => String((bits >> bit) & 1));
      const outcome = await shown(wordsOf(places), index).catch((error: { code?: string }) => error.code);
      if (outcome === 'WITNESS_REJECTED') continue;
      found.push((outcome as string[])[OUTPUTS.indexOf('damping')]!);
    }
    expect(found.map(Number).sort((a, b) => a - b)).toEqual(places.map((_, at) => at + 1));
  });

  it('is no mixture: each bit of the index is a bit', async () => {
    const words = packParameters(DEFAULT_PARAMETERS).scenarioWords.map(String);
    for (let bit = 0; bit < 6; bit++) {
      for (const lie of [2n, -1n, HALF, -HALF]) {
        const index = scenarioPlace(0).map((value, at) => (at === bit ? field(lie) : value));
        await expectRefused(circuit, { words, index });
      }
    }
  });

  it('of an unused place has no weight', async () => {
    const words = packParameters(DEFAULT_PARAMETERS).scenarioWords;
    const last = await shown([...words], scenarioPlace(SCENARIO_CAPACITY - 1));
    expect(last[OUTPUTS.indexOf('damping')]).toBe('0');
  });

  it('is of words of nine places: one bit more has no witness', async () => {
    const words = packParameters(DEFAULT_PARAMETERS).scenarioWords;
    for (const excess of [1n << 234n, SCALAR_MODULUS - 1n - words[0]!]) {
      const changed = words.map((word, at) => String(at === 0 ? word + excess : word));
      await expectRefused(circuit, { words: changed, index: scenarioPlace(0) });
    }
  });
});

describe('the dampings of the layout', () => {
  const { scenarios } = DEFAULT_PARAMETERS;
  let circuit: CircuitTester;
  let twin: CircuitTester;
  beforeAll(async () => {
    const main = { template: 'LayoutDampings()', file: 'solvency' };
    circuit = await CircuitTester.fromText('layout', mainOf(main));
    const source = twinSource('circuits/lib/solvency.circom', {
      'signal input words[4];\n    signal output damping[SCENARIO_COUNT()];': `signal input words[4];
    signal input saysUsed[SCENARIO_COUNT()];
    signal input saysBits[SCENARIO_COUNT()][17];
    signal output damping[SCENARIO_COUNT()];`,
      'used[s] <-- ((words[w] >> at) & 511) == 0 ? 0 : 1;': 'used[s] <-- saysUsed[s];',
      'bits[s][i] <-- (words[w] >> (at + 9 + i)) & 1;': 'bits[s][i] <-- saysBits[s][i];',
    });
    twin = await CircuitTester.fromText('layout', `${source}\ncomponent main = ${main.template};\n`);
  });

  /** What a prover says of a place. */
  interface Digits {
    readonly used: bigint;
    readonly bits: readonly bigint[];
  }
  const codeOf = (at: number): bigint => packScenario({ ...scenarios[at]!, damping: 0 });
  const bitsOf = (damping: number): bigint[] =>
    Array.from({ length: 17 }, (_, bit) => BigInt((damping >> bit) & 1));
  const honest = (of: readonly Scenario[] = scenarios): Digits[] =>
    scenarios.map((_, at) => {
      const scenario = of[at];
      return { used: scenario === undefined ? 0n : 1n, bits: bitsOf(scenario?.damping ?? 0) };
    });
  const honestWords = (of: readonly Scenario[] = scenarios): bigint[] =>
    wordsOf(Array.from({ length: SCENARIO_CAPACITY }, (_, at) => (of[at] ? packScenario(of[at]) : 0n)));
  const inputOf = (words: readonly bigint[], digits: readonly Digits[]) => ({
    words: words.map(field),
    saysUsed: digits.map(({ used }) => field(used)),
    saysBits: digits.map(({ bits }) => bits.map(field)),
  });
  /** Digits of some places, changed by additions; the words stay. */
  const changed = (
    changes: readonly { at: number; used?: bigint; bits?: Readonly<Record<number, bigint>> }[],
  ): Digits[] => {
    const digits = honest().map(({ used, bits }) => ({ used, bits: [...bits] }));
    for (const { at, used = 0n, bits = {} } of changes) {
      digits[at]!.used += used;
      for (const [bit, value] of Object.entries(bits)) digits[at]!.bits[Number(bit)]! += value;
    }
    return digits;
  };
  /** Whether digits add up to the words in the field: what refuses them then is that they are no digits. */
  const addsUp = (words: readonly bigint[], digits: readonly Digits[]): boolean => {
    const places = digits.map(
      ({ used, bits }, at) =>
        used * codeOf(at) + bits.reduce((sum, value, bit) => sum + (value << BigInt(9 + bit)), 0n),
    );
    return wordsOf(places).every((word, at) => field(word) === field(words[at]!));
  };

  it('a twin that is told the digits has the same constraints and shows the same dampings', async () => {
    expect(twin.constraints).toBe(circuit.constraints);
    for (const used of [1, 31, 33, 35]) {
      const some = scenarios.slice(0, used);
      const words = honestWords(some);
      const [own, told] = [
        await circuit.witness({ words: words.map(field) }),
        await twin.witness(inputOf(words, honest(some))),
      ];
      expect(circuit.violated(own)).toEqual([]);
      expect(twin.violated(told)).toEqual([]);
      for (const [tester, witness] of [
        [circuit, own],
        [twin, told],
      ] as const) {
        expect(scenarios.map((_, at) => tester.signal(witness, `damping[${at}]`))).toEqual(
          scenarios.map((_, at) => BigInt(some[at]?.damping ?? 0)),
        );
      }
    }
  });

  // Each adds up to the committed words: it is refused because its digits are none.
  const lies: Readonly<Record<string, () => Digits[]>> = {
    'a damping of 0 whose weight its own code takes': () =>
      changed([{ at: 1, bits: { 16: -1n }, used: (1n << 25n) * invR(codeOf(1)) }]),
    'a damping of 0 whose weight the next place has as a fraction of its code': () =>
      changed([
        { at: 1, bits: { 16: -1n } },
        { at: 2, used: (1n << 25n) * invR(codeOf(2) << SCENARIO_BITS) },
      ]),
    'a damping below 0 whose weight the lowest bit of the next place has': () =>
      changed([
        { at: 1, bits: { 16: -1n } },
        { at: 2, bits: { 0: HALF * invR(1n << 9n) } },
      ]),
    'a smaller damping, with a bit of 2 below it': () => changed([{ at: 33, bits: { 14: -1n, 13: 2n } }]),
    'a larger damping, with a bit of -1': () => changed([{ at: 0, bits: { 16: 1n, 15: -2n } }]),
    'an unused tail, whose weight its bits have': () =>
      changed([{ at: 34, used: -1n, bits: { 0: codeOf(34) * invR(1n << 9n) } }]),
    'a used tail that is said to be half used': () =>
      changed([{ at: 34, used: -HALF, bits: { 16: HALF * codeOf(34) * invR(1n << 25n) } }]),
  };
  it.each(Object.keys(lies))('%s: refused', async (name) => {
    const words = honestWords();
    const digits = lies[name]!();
    expect(addsUp(words, digits)).toBe(true);
    await expectRefused(twin, inputOf(words, digits));
  });

  it('a loss cannot be hidden: whatever digits are said, a damping is that of the words', async () => {
    const random = mulberry32(234);
    const words = honestWords();
    for (let i = 0; i < 300; i++) {
      const at = Math.floor(random() * scenarios.length);
      const digits = honest();
      const { used, bits } = digits[at]!;
      digits[at] =
        random() < 0.5
          ? { used: 1n - used, bits }
          : { used, bits: bits.map((bit) => (random() < 0.3 ? 1n - bit : bit)) };
      const same = field(BigInt(digits[at].used)) === field(used) && digits[at].bits.join() === bits.join();
      if (same) continue;
      await expectRefused(twin, inputOf(words, digits));
    }
  });

  it('a word of one place more, or of a number that wraps around the field, has no digits', async () => {
    // The 36th place, and the bit above the ninth place of the others.
    for (const word of [0, 1, 2, 3]) {
      const first = word === 3 ? 26n * 8n : 234n;
      for (const excess of [1n << first, 1n << (first + 9n), SCALAR_MODULUS - 1n - honestWords()[word]!]) {
        const words = honestWords().map((value, at) => (at === word ? value + excess : value));
        await expectRefused(circuit, { words: words.map(field) });
        await expectRefused(twin, inputOf(words, honest()));
      }
    }
  });

  it('a place of another code has no digits, and a damping without a code none either', async () => {
    let refused = 0;
    for (const [at, scenario] of scenarios.entries()) {
      for (let code = 0n; code < 512n; code++) {
        const places = scenarios.map(packScenario);
        if (code === codeOf(at)) continue;
        // All codes of one place, and one bit of each code for the others.
        const difference = code ^ codeOf(at);
        if (at !== 7 && code !== 0n && (difference & (difference - 1n)) !== 0n) continue;
        places[at] = code + (BigInt(scenario.damping) << 9n);
        const words = wordsOf([...places, 0n]);
        await expect(
          circuit.witness({ words: words.map(field) }),
          `place ${at}, code ${code}`,
        ).rejects.toMatchObject({ code: 'WITNESS_REJECTED' });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(511 + 34 * 8);
  });
});
