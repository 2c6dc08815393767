import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { type CompiledCircuit, compileCircuit, compileText } from '../../src/proof/compile.ts';
import { parseR1cs, type R1cs, termCount } from '../../src/proof/r1cs.ts';
import { INSTANCE_COUNTS, mainOf, TEMPLATE_COUNTS } from './counts.ts';

async function compiled(circuit: Promise<CompiledCircuit>): Promise<R1cs> {
  return parseR1cs(await readFile((await circuit).r1csPath));
}

describe('constraint counts at -O2', () => {
  it.each(TEMPLATE_COUNTS.map((row) => [row.template, row] as const))('%s', async (_, row) => {
    const { constraints } = await compiled(compileText('count', mainOf(row)));
    expect(constraints).toBe(row.constraints);
  });

  it.each(Object.entries(INSTANCE_COUNTS))('instance %s', async (name, counts) => {
    const r1cs = await compiled(compileCircuit(name));
    expect({ constraints: r1cs.constraints, terms: termCount(r1cs) }).toEqual(counts);
  });

  it.each(Object.entries(INSTANCE_COUNTS))(
    'docs/circuits.md has the count of %s',
    (name, { constraints }) => {
      const text = readFileSync(new URL('../../docs/circuits.md', import.meta.url), 'utf8');
      const rows = text.split('\n').filter((line) => line.startsWith('|') && line.includes(`\`${name}\``));
      expect(rows.length).toBeGreaterThan(0);
      expect(rows[0]).toContain(constraints.toLocaleString('en-US'));
    },
  );

  it('one revaluation stays within 100', () => {
    const of = (template: string): number =>
      TEMPLATE_COUNTS.find((row) => row.template === template)!.constraints;
    expect(of('Normal(12, 0)') + of('Normal(20, 0)')).toBeLessThanOrEqual(100);
  });
});
