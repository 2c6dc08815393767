import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const PROGRAM = fileURLToPath(new URL('../../bin/zkmargin.mjs', import.meta.url));
const SHARED = new URL('../../../shared/', import.meta.url);
const available = existsSync(SHARED);
if (!available) console.warn('Skipped: the surface command on ../shared, which is absent.');
const shared = (name: string) => fileURLToPath(new URL(name, SHARED));

interface Outcome {
  code: number;
  out: string;
  err: string;
}

function surface(args: readonly string[], input = ''): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [PROGRAM, 'surface', ...args],
      { maxBuffer: 2 ** 26 },
      (error, out, err) => resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
    );
    child.stdin!.end(input);
  });
}

describe('zkmargin surface', () => {
  it('builds the document of its own help, from standard input', async () => {
    const help = await surface(['--help']);
    expect(help.code).toBe(0);
    const example = /\$ cat quotes\.json\n([\s\S]*?)\n\s*\$ zkmargin/.exec(help.out)![1]!;
    const report = await surface(['-'], example);
    expect(report.err).toBe('');
    expect(report.out).toContain('28FEB25');
    expect(report.out).toContain('Loss of the pillars');
    const json = await surface(['-', '--json'], example);
    const built = JSON.parse(json.out) as {
      expiries: { name: string; pillars: { vols: string[] }; svi: object; fit: { rms: number } }[];
      arbitrage: { svi: unknown[] };
    };
    expect(built.expiries[0]!.name).toBe('28FEB25');
    expect(built.expiries[0]!.pillars.vols).toHaveLength(8);
    expect(built.expiries[0]!.pillars.vols.every((value) => /^\d+$/.test(value))).toBe(true);
    expect(built.expiries[0]!.fit.rms).toBeLessThan(0.02);
    expect(built.arbitrage.svi).toEqual([]);
  });

  it('tells code and path of a bad document', async () => {
    const bad = await surface(
      ['-'],
      '{"asOf": "19FEB25", "expiries": [{"expiry": "28FEB25", "forward": 0, "quotes": []}]}',
    );
    expect(bad.code).toBe(1);
    expect(bad.err).toMatch(/^OUT_OF_RANGE \(expiries\[0\]\.forward\): /);
    expect((await surface(['-'], '{')).err).toMatch(/^MALFORMED/);
  });

  it.skipIf(!available)('reads chains and SVI rows as they are published', async () => {
    const chain = await surface([shared('data/btc_chain_2026-01-14.json'), '--target', 'mark']);
    expect(chain.err).toBe('');
    expect(chain.out).toMatch(/^BTC at 2026-01-14.*: 11 expiries/);
    expect(chain.out).toMatch(/whole +0\.1\d\d /);
    const rows = await surface([shared('vectors/svi.json'), '--json']);
    const values = JSON.parse(rows.out) as { id: string; k: number; w: number; vol: number }[];
    expect(values).toHaveLength(92);
    expect(values[0]).toMatchObject({ id: 'lyra-svi-1-1500', vol: expect.closeTo(1.1283132838354804, 13) });
    expect((await surface([shared('vectors/svi.json')])).out).toContain('capped');
  });
});
