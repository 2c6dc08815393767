import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { type CompiledCircuit, compileCircuit, compileText } from '../../src/proof/compile.ts';
import { parseR1cs, type R1cs, termCount } from '../../src/proof/r1cs.ts';
import { INSTANCE_COUNTS, mainOf, partsOf, TEMPLATE_COUNTS } from './counts.ts';

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

  const documented = (path: string): string =>
    readFileSync(new URL(`../../docs/${path}`, import.meta.url), 'utf8');

  it.each(['insolvency-8', 'insolvency-16', 'insolvency-32', 'solvency-8', 'solvency-16'] as const)(
    'docs/circuits.md has the parts of %s, and their shares',
    (name) => {
      const lines = documented('circuits.md').split('\n');
      const head = lines.findIndex((line) => line.startsWith('| part |') && line.includes(`\`${name}\``));
      const column = lines[head]!.split('|').findIndex((cell) => cell.trim() === `\`${name}\``);
      const rows = lines.slice(head + 2, lines.indexOf('', head)).map((line) => line.split('|'));
      const parts = rows
        .slice(0, -2)
        .map((cells) => `${cells[column]!.trim()}, ${cells[column + 1]!.trim()}`);
      const { constraints } = INSTANCE_COUNTS[name];
      const expected = Object.values(partsOf(name)).map(
        (count) => `${count.toLocaleString('en-US')}, ${((100 * count) / constraints).toFixed(0)} %`,
      );
      expect(parts.toSorted()).toEqual(expected.toSorted());
      expect(rows.at(-2)![column]!.trim()).toBe(`**${constraints.toLocaleString('en-US')}**`);
    },
  );

  it('docs/transfer-settlement.md has the parts of its circuits', () => {
    const text = documented('transfer-settlement.md').replace(/\s+/g, ' ');
    const transfer = partsOf('transfer-16');
    const settlement = partsOf('settlement-32');
    const each = (count: number, times: number): string =>
      `${times} × ${(count / times).toLocaleString('en-US')}`;
    expect(text).toContain(
      `commitments ${each(transfer.commitments!, 4)}, vectors ${each(transfer.vectors!, 4)} (of which the network 537), table ${transfer.table!.toLocaleString('en-US')}, conservation ${each(transfer.conservation!, 33)}, scales ${transfer.scales}, evaluations ${each(transfer.evaluations!, 2)}`,
    );
    expect(text).toContain(
      `legs ${each(settlement.legs!, 32)}, commitments ${each(settlement.commitments!, 2)}, words ${settlement.words}, network ${settlement.network}, cash ${settlement.cash}`,
    );
    expect([transfer.rest, settlement.rest]).toEqual([-4, 194]);
    expect(text).toContain('has 4 fewer, and 194 of `settlement-32`');
  });

  it('every template is counted, or part of one that is, and named in a document', () => {
    const folder = new URL('../../circuits/lib/', import.meta.url);
    const sources = readdirSync(folder).map((name) => readFileSync(new URL(name, folder), 'utf8'));
    const templates = sources.flatMap((source) =>
      [...source.matchAll(/^template (\w+)\(/gm)].map((match) => match[1]!),
    );
    expect(templates.length).toBeGreaterThan(40);
    const documents = documented('circuits.md') + documented('transfer-settlement.md');
    expect(templates.filter((name) => !new RegExp(`\`${name}\\b`).test(documents))).toEqual([]);
    const counted = new Set(TEMPLATE_COUNTS.map((row) => /^\w+/.exec(row.template)![0]));
    const uncounted = templates.filter((name) => !counted.has(name));
    // Instances, and what counted templates are made of.
    expect(uncounted.toSorted()).toEqual([
      'Bits',
      'Exp2Cell',
      'Insolvency',
      'Settlement',
      'ShiftRightSigned',
      'Slice',
      'Solvency',
      'Transfer',
    ]);
  });

  it('one revaluation stays within 100', () => {
    const of = (template: string): number =>
      TEMPLATE_COUNTS.find((row) => row.template === template)!.constraints;
    expect(of('Normal(12, 0)') + of('Normal(20, 0)')).toBeLessThanOrEqual(100);
  });
});
