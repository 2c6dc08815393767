import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readMarginDocument } from '../input/margin.ts';
import { marginReport } from './margin-report.ts';
import { marginResult } from './margin-result.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const result = marginResult(readMarginDocument(JSON.parse(read('examples/margin-btc-eth.json'))));
const report = marginReport(result);

describe('the margin report', () => {
  it('is what the README shows', () => {
    const readme = read('README.md');
    const excerpt = /```\n( +maintenance +initial\n[^`]+)```/.exec(readme)?.[1]?.trimEnd().split('\n') ?? [];
    expect(excerpt.length).toBeGreaterThan(8);
    const lines = report.split('\n');
    for (const line of excerpt) if (line.trim() !== '...') expect(lines).toContain(line);
  });

  it('has a line for each shock', () => {
    const document = JSON.parse(read('examples/margin-btc-eth.json'));
    const shocks = [{ name: 'flash crash', priceMove: -0.3, volMultiplier: 1.5, volShift: 0.1, hours: 6 }];
    const shocked = marginResult(readMarginDocument({ ...document, shocks }));
    const [shock] = shocked.shocks;
    const line = marginReport(shocked)
      .split('\n')
      .find((text) => text.includes('flash crash'))!;
    expect(line).toContain('x 1.50 +10');
    const amount = (value: number) =>
      value.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
    for (const value of [shock!.profit, shock!.equity, shock!.maintenanceMargin])
      expect(line).toContain(amount(value));
    expect(line).toContain(shock!.tier);
    expect(report).not.toContain('Shocks, USD');
  });

  it('says time and parameter version beside every section', () => {
    const titles = report.split('\n').filter((line) => line.includes('['));
    expect(titles.length).toBeGreaterThanOrEqual(7);
    for (const title of titles) expect(title).toContain('[ramm default-1, 2025-02-19T03:12:28.000Z]');
  });

  it('marks the worst cell of each underlying, and no other', () => {
    const marks = report.split('\n').filter((line) => line.includes('>> -'));
    expect(marks).toHaveLength(2);
    result.riskMatrices.forEach(({ grid, others, worst }, index) => {
      const cells = [...grid, ...others];
      const least = Math.min(...cells.map(({ profit }) => profit));
      expect(cells.find(({ scenario }) => scenario === worst)!.profit).toBe(least);
      expect(marks[index]).toContain(`>> ${Math.round(least).toLocaleString('en-US')}`);
    });
  });
});
