import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CircuitTester } from '../../src/proof/circuit-tester.ts';
import { INSTANCE_COUNTS, mainOf, TEMPLATE_COUNTS } from './counts.ts';

describe('constraint counts at -O2', () => {
  it.each(TEMPLATE_COUNTS.map((row) => [row.template, row] as const))('%s', async (_, row) => {
    expect((await CircuitTester.fromText('count', mainOf(row))).constraints).toBe(row.constraints);
  });

  it.each(Object.entries(INSTANCE_COUNTS))('instance %s', async (name, constraints) => {
    expect((await CircuitTester.fromFile(`circuits/main/${name}.circom`)).constraints).toBe(constraints);
  });

  it.each(Object.entries(INSTANCE_COUNTS))('docs/circuits.md has the count of %s', (name, constraints) => {
    const text = readFileSync(new URL('../../docs/circuits.md', import.meta.url), 'utf8');
    const rows = text.split('\n').filter((line) => line.startsWith('|') && line.includes(`\`${name}\``));
    expect(rows.length).toBeGreaterThan(0);
    expect(rows[0]).toContain(constraints.toLocaleString('en-US'));
  });

  it('one revaluation stays within 100', () => {
    const of = (template: string): number =>
      TEMPLATE_COUNTS.find((row) => row.template === template)!.constraints;
    expect(of('Normal(12, 0)') + of('Normal(20, 0)')).toBeLessThanOrEqual(100);
  });
});
