/**
 * The uniqueness lint on compiled circuits: planted mistakes are found, and sound templates are settled without help.
 * Soundness of its rules against exhaustive search: `src/proof/lint/uniqueness.test.ts`.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compileCircuit, compileText, sourceOfText } from '../../src/proof/compile.ts';
import { removedInputs } from '../../src/proof/lint/removed-inputs.ts';
import {
  lintFiles,
  passes,
  patternOf,
  readAllowances,
  type UniquenessAllowance,
  type UniquenessReport,
} from '../../src/proof/lint/report.ts';
import { mainOf, TEMPLATE_COUNTS } from './counts.ts';

const root = new URL('../../', import.meta.url);
const allowancesPath = new URL('circuits/inspect-allow.json', root).pathname;

/** Lint a circuit given as text, with what the optimiser did to its inputs. */
async function lintText(
  name: string,
  text: string,
  allowances: readonly UniquenessAllowance[] = [],
): Promise<UniquenessReport> {
  const circuit = await compileText(name, text);
  const substitutions = await removedInputs(circuit, sourceOfText(name, text));
  return lintFiles(name, circuit, { allowances, substitutions });
}

const template = (signals: string, body: string, includes: readonly string[] = ['bitify.circom']): string =>
  `pragma circom 2.2.0;
${includes.map((include) => `include "${include}";`).join('\n')}
template Main() {
  ${signals}
  ${body}
}
component main = Main();
`;

/** Patterns of what is open, outputs first. */
const openPatterns = (report: UniquenessReport): string[] =>
  [...report.open].sort((a, b) => Number(b.isOutput) - Number(a.isOutput)).map(({ pattern }) => pattern);

describe('planted mistakes', () => {
  /** floor(n / d) and the remainder, with one check left out. */
  const division = (checks: string): string =>
    template(
      'signal input n; signal input d; signal output q; signal output r;',
      `q <-- d == 0 ? 0 : n \\ d;
  r <-- d == 0 ? 0 : n % d;
  q * d === n - r;
  ${checks}`,
    );
  const whole =
    'component a = Num2Bits(32); a.in <== q; component b = Num2Bits(20); b.in <== r; component c = Num2Bits(20); c.in <== d - 1 - r;';

  it('a division is settled with all three range checks', async () => {
    const report = await lintText('division', division(whole));
    expect(report.open).toEqual([]);
    expect(report.determined.quotient).toBeGreaterThan(0);
  });

  it.each([
    ['the remainder is not ranged', whole.replace('b.in <== r;', 'b.in <== q;')],
    ['the remainder is not below the divisor', whole.replace('d - 1 - r', 'r')],
    ['the remainder may equal the divisor', whole.replace('d - 1 - r', 'd - r')],
    ['the quotient is not ranged', whole.replace('a.in <== q;', 'a.in <== n;')],
    ['the quotient is ranged so wide that the product wraps', whole.replace('Num2Bits(32)', 'Num2Bits(240)')],
  ])('%s', async (_, checks) => {
    const report = await lintText('division', division(checks));
    expect(openPatterns(report)).toEqual(expect.arrayContaining(['main.q', 'main.r']));
    expect(report.open.find(({ pattern }) => pattern === 'main.q')).toMatchObject({ isOutput: true });
  });

  /** floor(floor(n / 1000) / d), of which the last quotient alone has a range. */
  const chained = (check: string): string =>
    template(
      'signal input n; signal input d; signal output q;',
      `signal first <== FloorDivide(10)(n, 1000); q <== FloorDivide(20)(first, d); ${check}`,
      ['arithmetic.circom'],
    );

  it.each([
    ['settled when the second quotient is ranged', '_ <== Num2Bits(62)(q);', true],
    ['open when it is not', '', false],
    ['open when its range lets the product wrap', '_ <== Num2Bits(240)(q);', false],
    ['open when only the first is', '_ <== Num2Bits(82)(first);', false],
  ])('two divisions in a row: %s', async (_, check, settled) => {
    const report = await lintText('chained', chained(check));
    expect(report.open.length === 0).toBe(settled);
    if (!settled) expect(openPatterns(report)[0]).toBe('main.q');
  });

  it.each([
    ['settled', '_ <== Num2Bits(40)(q);', true],
    ['open without a range of the quotient', '', false],
  ])('a divisor so small that bits of the remainder are constants: %s', async (_, check, settled) => {
    const text = template(
      'signal input n; signal input d; signal output q;',
      `_ <== Num2Bits(17)(d); q <== FloorDivide(20)(n, d); ${check}`,
      ['arithmetic.circom'],
    );
    const report = await lintText('constants', text);
    expect(report.open.length === 0).toBe(settled);
    if (!settled) expect(openPatterns(report)[0]).toBe('main.q');
  });

  const decomposition = (weight: string, check: string): string =>
    template(
      'signal input in; signal output out[8];',
      `var sum = 0;
  for (var i = 0; i < 8; i++) {
    out[i] <-- (in >> i) & 1;
    if (${check}) { out[i] * (out[i] - 1) === 0; }
    sum += out[i] * ${weight};
  }
  sum === in;`,
    );

  it.each([
    ['a bit without its constraint', decomposition('(1 << i)', 'i != 3'), 'main.out[*]'],
    ['wrong weights', decomposition('(i < 4 ? 1 << i : 1 << (i - 1))', 'i >= 0'), 'main.out[*]'],
    [
      'a decomposition as wide as the field',
      template('signal input in; signal output out[254];', 'out <== Num2Bits(254)(in);'),
      'main.out[*]',
    ],
    [
      'an output without a constraint',
      template(
        'signal input in; signal output out; signal output square;',
        'square <== in * in; out <-- in;',
      ),
      'main.out',
    ],
    [
      'a shift whose result has no bound',
      template(
        'signal input in; signal output out;',
        'component shift = ShiftRight(8); shift.in <== in; out <== shift.out;',
        ['arithmetic.circom'],
      ),
      'main.out',
    ],
    [
      'a zero test without its second constraint',
      template(
        'signal input in; signal output out; signal inv;',
        'inv <-- in != 0 ? 1 / in : 0; out <== -in * inv + 1;',
      ),
      'main.out',
    ],
    [
      'a factor that may be 0',
      template('signal input a; signal input b; signal output out;', 'out <-- b / a; out * a === b;'),
      'main.out',
    ],
    [
      'a root of which both signs are allowed',
      template(
        'signal input in; signal output out; signal square;',
        'square <== in * in; out <-- in; out * out === square;',
      ),
      'main.out',
    ],
    [
      'a sign that 0 leaves open',
      template(
        'signal input in; signal output negative;',
        `negative <-- in < 0 ? 1 : 0;
  negative * (negative - 1) === 0;
  component bits = Num2Bits(20);
  bits.in <== in * (1 - 2 * negative);`,
      ),
      'main.negative',
    ],
  ])('%s', async (_, text, expected) => {
    const report = await lintText('planted', text);
    expect(passes(report)).toBe(false);
    expect(openPatterns(report)).toContain(expected);
    expect(report.open[0]!.constraint).not.toBe('');
  });

  it('the former leg: low bits move between moneyness and deviation when it has no range of its own', async () => {
    // The forgery of test/circuits/forgery.test.ts, found without knowing it. One template, the rest of the library.
    const library = readFileSync(new URL('circuits/lib/leg.circom', root), 'utf8');
    const range = /^ *_ <== SignedBits\(26\)\(moneyness\);$/m;
    expect(library).toMatch(range);
    const main = `${library.replace(range, '')}\ncomponent main = Leg(8);\n`;
    const before = await lintText('leg', `${library}\ncomponent main = Leg(8);\n`);
    expect(before.open).toEqual([]);
    const after = await lintText('leg', main);
    expect(openPatterns(after)).toEqual(expect.arrayContaining(['main.markForward', 'main.scenarioForward']));
  });

  it('an input that no constraint mentions, with a wire and without', async () => {
    const report = await lintText(
      'unused',
      `pragma circom 2.2.0;
template Main() { signal input bound; signal input free; signal input hidden; signal output out; out <== bound * bound; }
component main { public [bound, free] } = Main();
`,
    );
    expect(report.open).toEqual([]);
    expect([...report.unusedInputs].sort()).toEqual(['main.free', 'main.hidden']);
    expect(passes(report)).toBe(false);
  });
});

describe('sound templates of circomlib are settled without help', () => {
  const include = (file: string, component: string): string =>
    `pragma circom 2.2.0;\ninclude "${file}.circom";\ncomponent main = ${component};\n`;

  it.each([
    ['bitify', 'Num2Bits(8)'],
    ['bitify', 'Num2Bits(253)'],
    ['comparators', 'LessThan(64)'],
    ['comparators', 'LessThan(252)'],
    ['comparators', 'IsZero()'],
    ['comparators', 'IsEqual()'],
    ['mux1', 'Mux1()'],
    ['mux3', 'MultiMux3(2)'],
    ['multiplexer', 'Multiplexer(2, 5)'],
    ['poseidon', 'Poseidon(2)'],
    ['poseidon', 'Poseidon(9)'],
    // Alone, the optimiser removes all inputs of this one.
    ['binsum', 'BinSum(32, 3)'],
    ['binsub', 'BinSub(16)'],
  ])('%s %s', async (file, component) => {
    const report = await lintText('circomlib', include(file, component));
    expect(report.open).toEqual([]);
    for (const { pattern } of report.harmless) expect(pattern).toMatch(/\binv$/);
  });
});

describe('templates of this project', () => {
  // Alone they are open, on purpose: the caller must bound their outputs (docs/circuits.md). A root is bounded by two range checks
  // together, up to a parity that no rule speaks of; the division by it bounds it for good.
  // The spacing of ExpiryBase is a root, whose range comes with the divisions by it.
  const openAlone = new Set(['FloorDivide', 'ShiftRight', 'Deviation', 'IntegerSquareRoot', 'ExpiryBase']);

  it.each(TEMPLATE_COUNTS.map((row) => [row.template, row] as const))('%s', async (_, row) => {
    const report = await lintText('count', mainOf(row));
    const bound = !openAlone.has(/^\w+/.exec(row.template)![0]);
    expect(report.open.length === 0).toBe(bound);
  });

  it.each(['insolvency-8', 'insolvency-16', 'solvency-8'])(
    '%s is settled as a whole, with the allow-list as it is',
    async (name) => {
      const circuit = await compileCircuit(name);
      const { uniqueness } = await readAllowances(allowancesPath);
      const substitutions = await removedInputs(circuit, `circuits/main/${name}.circom`);
      const report = await lintFiles(name, circuit, { allowances: uniqueness, substitutions });
      expect(report).toMatchObject({ open: [], unusedInputs: [], stale: [] });
      expect(
        report.harmless.every(
          ({ pattern }) => pattern.endsWith('IsZero.inv') || /IsZero\[\*\]\.inv$/.test(pattern),
        ),
      ).toBe(true);
      const counted = Object.values(report.determined).reduce((sum, count) => sum + count, 0);
      const harmless = report.harmless.reduce((sum, { signals }) => sum + signals, 0);
      expect(counted + harmless).toBe(report.signals);
      const documented = readFileSync(new URL('docs/circuits.md', root), 'utf8').split('\n');
      const columns = documented.find((line) => line.startsWith('| instance | constraints | seconds |'))!;
      const row = documented.filter((line) => line.startsWith(`| \`${name}\` |`) && line.endsWith('**0** |'));
      expect(row).toHaveLength(1);
      const shown = row[0]!.split('|').map((cell) => Number(cell.trim().replaceAll(',', '')));
      const figures = { constraints: report.constraints, harmless, ...report.determined };
      for (const [index, column] of columns.split('|').entries()) {
        const title = column.trim();
        if (title === '' || ['instance', 'seconds', 'open'].includes(title)) continue;
        expect(shown[index], title).toBe(figures[title as keyof typeof figures] ?? 0);
      }
    },
  );
});

describe('inputs that the optimiser removes', () => {
  // m * m needs both a and b; c is solved for, so its value is (a - b) / 2.
  const text = `pragma circom 2.2.0;
template Main() {
  signal input total; signal input a; signal input b; signal input c; signal output out;
  b + 2 * c === a;
  (3 * a + 5 * b) * c === total;
  out <-- 1;
  out * (a - b) === 2 * c;
  (out - 1) * (a - b - 7) === 0;
}
component main { public [total] } = Main();
`;

  it('are no other signals, although the header counts them', async () => {
    const circuit = await compileText('removed', text);
    const report = await lintFiles('removed', circuit);
    expect(report.determined.input).toBe(3);
    const substitutions = await removedInputs(circuit, sourceOfText('removed', text));
    expect(Object.keys(substitutions)).toHaveLength(1);
  });
});

describe('allowances', () => {
  const text = template(
    'signal input in; signal output square; signal output out; signal output twice;',
    'square <== in * in; out <-- in; out * out === square; twice <== 2 * out * in;',
  );
  const allowance = (pattern: string): UniquenessAllowance => ({
    circuits: ['allowed'],
    pattern,
    reason: 'test',
  });

  it('settle what follows from them', async () => {
    expect(openPatterns(await lintText('allowed', text))).toEqual(
      expect.arrayContaining(['main.out', 'main.twice']),
    );
    const report = await lintText('allowed', text, [allowance('main.out')]);
    expect(report).toMatchObject({ open: [], stale: [] });
    expect(report.determined.assumed).toBe(1);
  });

  it('that nothing needs are stale', async () => {
    const report = await lintText('allowed', text, [allowance('main.out'), allowance('main.twice')]);
    expect(report.stale).toEqual(['main.twice']);
    expect(passes(report)).toBe(false);
  });

  it('for another circuit do not count', async () => {
    const other = { ...allowance('main.out'), circuits: ['another'] };
    const report = await lintText('allowed', text, [other]);
    expect(report.stale).toEqual([]);
    expect(report.open).not.toEqual([]);
  });

  it('name signals without indices and source positions', () => {
    expect(patternOf('main.leg[3].Log2_157_6574.bits.out[11]')).toBe('main.leg[*].Log2.bits.out[*]');
    expect(patternOf('main.IsZero_163_6834[2].inv')).toBe('main.IsZero[*].inv');
  });
});
