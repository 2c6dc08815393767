import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { makeScratch } from './scratch.ts';

const parent = mkdtempSync(join(tmpdir(), 'scratch-test-'));
afterAll(() => rmSync(parent, { recursive: true, force: true }));

it('removes what killed processes have left, and nothing of those that live', async () => {
  const program = `
    import { makeScratch } from ${JSON.stringify(new URL('./scratch.ts', import.meta.url).href)};
    console.log(makeScratch(process.argv[1]));
    setInterval(() => {}, 1000);
  `;
  const start = async () => {
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program, parent], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [path] = (await once(child.stdout!, 'data')) as [Buffer];
    return { child, name: basename(path.toString().trim()) };
  };
  const [killed, living] = [await start(), await start()];
  try {
    writeFileSync(join(parent, killed.name, 'witness'), 'secret');
    // What is of no known form, or of another place, is not touched.
    mkdirSync(join(parent, 'zkmargin-prover-0123456789ab-1-1-Abc123'));
    mkdirSync(join(parent, 'zkmargin-prover-Abc123'));
    const gone = once(killed.child, 'exit');
    killed.child.kill('SIGKILL');
    await gone;
    const own = basename(makeScratch(parent));
    expect(readdirSync(parent).sort()).toEqual(
      [living.name, own, 'zkmargin-prover-0123456789ab-1-1-Abc123', 'zkmargin-prover-Abc123'].sort(),
    );
  } finally {
    for (const { child } of [killed, living]) child.kill('SIGKILL');
  }
});
