import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const root = mkdtempSync(join(tmpdir(), 'zkmargin-full-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A space of its own for mounts, which ends with its process. */
const apart = ['--mount', ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'])];
function canMount(): boolean {
  try {
    execFileSync('unshare', [...apart, 'mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', root], {
      stdio: 'ignore',
    });
    return true;
  } catch {
    return false;
  }
}
const possible = canMount();
if (!possible) console.warn('left out: this machine lets no test mount a small file system');

interface Report {
  readonly acknowledged: number;
  readonly refusals: string[];
  readonly afterwards: number;
  readonly kept: number;
  readonly reopened: number;
}

describe('a full disk', () => {
  it.runIf(possible)('is told, loses nothing that was acknowledged, and is over when there is room', () => {
    const script = fileURLToPath(new URL('./testing-full-disk.ts', import.meta.url));
    const { stdout, stderr, status } = spawnSync(
      'unshare',
      [
        ...apart,
        'sh',
        '-c',
        'mount -t tmpfs -o size=200m tmpfs "$0" && exec "$@"',
        root,
        process.execPath,
        '--import',
        'tsx',
        script,
        root,
      ],
      { encoding: 'utf8', timeout: 110_000, maxBuffer: 2 ** 26 },
    );
    expect(status, stderr).toBe(0);
    const report = JSON.parse(stdout) as Report;
    expect(report.acknowledged).toBeGreaterThan(0);
    expect(report.refusals).toEqual(['STORE_FULL', 'STORE_FULL', 'STORE_FULL']);
    expect(report.afterwards).toBe(3);
    expect(report.kept).toBe(report.acknowledged + 3);
    expect(report.reopened).toBe(report.kept);
  });
});
