/** The compiler's own inspection of all instances, against the list of warnings that are there for a reason. */
import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeFileAtomic } from '../../src/proof/files.ts';
import {
  allows,
  compareWarnings,
  type InspectWarning,
  inspectCircuit,
  inspectFile,
  parseWarnings,
} from '../../src/proof/lint/inspect.ts';
import { type LintAllowances, readAllowances } from '../../src/proof/lint/report.ts';

const root = new URL('../../', import.meta.url);
const instances = readdirSync(new URL('circuits/main', root)).map((name) => name.replace(/\.circom$/, ''));

let allowances: LintAllowances;
const warnings = new Map<string, InspectWarning[]>();
beforeAll(async () => {
  allowances = await readAllowances(new URL('circuits/inspect-allow.json', root).pathname);
  for (const name of instances) warnings.set(name, await inspectCircuit(name));
});

describe('inspection of the instances', () => {
  it.each(instances)('%s has no warning without a reason', (name) => {
    expect(compareWarnings(warnings.get(name)!, allowances.inspect).fresh).toEqual([]);
  });

  it('no reason is left over', () => {
    const all = [...warnings.values()].flat();
    expect(all.length).toBeGreaterThan(0);
    expect(compareWarnings(all, allowances.inspect).stale).toEqual([]);
    const text = readFileSync(new URL('docs/circuits.md', root), 'utf8');
    expect(text).toContain(`its warnings (${all.length})`);
  });

  it('every reason says something', () => {
    for (const { reason } of [...allowances.inspect, ...allowances.uniqueness]) {
      expect(reason.length).toBeGreaterThan(20);
    }
  });
});

describe('the gate', () => {
  const planted = 'build/test-circuits/sources/inspect/planted.circom';

  it('sees an input and comparator outputs that nothing uses', async () => {
    await writeFileAtomic(
      new URL(planted, root).pathname,
      `pragma circom 2.2.0;
include "comparators.circom";
template Planted() {
  signal input a;
  signal input dropped;
  signal output out;
  component less = LessThan(8);
  less.in[0] <== a;
  less.in[1] <== 100;
  out <== a * a;
}
component main = Planted();
`,
    );
    const warnings = await inspectFile(planted);
    const { fresh } = compareWarnings(warnings, allowances.inspect);
    expect(fresh.map(({ template, signal }) => `${template} ${signal}`)).toEqual(
      expect.arrayContaining(['Planted() dropped', 'Planted() less.out']),
    );
  });

  it('a source that does not compile is no pass', async () => {
    const path = 'build/test-circuits/sources/inspect/broken.circom';
    await writeFileAtomic(
      new URL(path, root).pathname,
      'pragma circom 2.2.0;\ntemplate T() { signal input a }\n',
    );
    await expect(inspectFile(path)).rejects.toMatchObject({ code: 'CIRCUIT_COMPILE_FAILED' });
    await expect(inspectCircuit('no-such-instance')).rejects.toMatchObject({ code: 'CIRCUIT_NOT_FOUND' });
  });
});

describe('warnings', () => {
  const output = `\u001b[1m\u001b[38;5;11mwarning[CA02]\u001b[0m\u001b[1m: In template "Log2(44,6)": Array of subcomponent input/output signals bits.out contains a total of 25 signals that do not appear in any constraint of the father component\u001b[0m
 = For example: bits.out[0], bits.out[10].
warning[CA02]: In template "Leg(8)": Subcomponent input/output signal leg[3].out[7] does not appear in any constraint of the father component
warning[XX9]: something new`;

  it('are read with their template, signal and number', () => {
    expect(parseWarnings(output)).toMatchObject([
      { code: 'CA02', template: 'Log2(44,6)', signal: 'bits.out', unused: 25 },
      { code: 'CA02', template: 'Leg(8)', signal: 'leg[*].out[7]', unused: 1 },
      { code: 'XX9', template: '', signal: 'something new', unused: 1 },
    ]);
  });

  it('are allowed for their template, signal and number alone', () => {
    const [warning] = parseWarnings(output) as [InspectWarning];
    const allowance = { template: 'Log2(*)', signal: 'bits.out', unused: 25, reason: 'test' };
    expect(allows(allowance, warning)).toBe(true);
    expect(allows({ ...allowance, template: 'Log(*)' }, warning)).toBe(false);
    expect(allows({ ...allowance, template: 'Log2(.*)' }, warning)).toBe(false);
    expect(allows({ ...allowance, signal: 'bits' }, warning)).toBe(false);
    expect(allows({ ...allowance, unused: 26 }, warning)).toBe(false);
    expect(compareWarnings([warning], [allowance, { ...allowance, unused: 24 }])).toMatchObject({
      fresh: [],
      stale: [{ unused: 24 }],
    });
  });
});
