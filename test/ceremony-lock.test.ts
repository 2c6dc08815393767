/** Steps of a ceremony in a directory that another process uses, or seems to. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { thisProcess } from '../src/process-identity.ts';
import { contribute } from '../src/proof/ceremony/steps.ts';
import { saveTranscript } from '../src/proof/ceremony/transcript.ts';

let directory: string;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'ceremony-lock-'));
  const hash = 'ab'.repeat(32);
  await saveTranscript(directory, {
    schema: 1,
    circuit: 'toy',
    source: 'circuits/main/toy.circom',
    compiler: 'circom2@0.2.23',
    sourceHash: hash,
    r1csHash: hash,
    provenance: 'test ceremony',
    ptau: { file: 'unlisted.ptau', power: 7, blake2b: hash.repeat(2) },
    initial: { file: 'toy_0000.zkey', sha256: hash, circuitHash: hash.repeat(2) },
    contributions: [],
  });
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const lock = (name: string) => join(directory, `transcript.json.lock${name}`);
const step = () => contribute({ directory, name: 'A' });

describe('a step of a ceremony', () => {
  it('is not kept by what a contributor before has left, or a coordinator has put there', async () => {
    // Behind the lock it asks for the newest key.
    const passed = { code: 'NOT_FOUND', message: expect.stringContaining('toy_0000.zkey') };
    mkdirSync(lock(''));
    writeFileSync(join(lock(''), 'pid'), '1');
    await expect(step()).rejects.toMatchObject(passed);
    // Killed on another machine, before the directory was handed on.
    writeFileSync(lock('.7'), JSON.stringify({ pid: 1, started: '5', place: 'elsewhere' }));
    const then = new Date(Date.now() - 60_000);
    utimesSync(lock('.7'), then, then);
    await expect(step()).rejects.toMatchObject(passed);
  }, 10_000);

  it('gives up while another process works in the directory, and says which', async () => {
    const pid = process.ppid;
    const started = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[19];
    writeFileSync(lock('.1'), JSON.stringify({ ...thisProcess(), pid, started }));
    const told = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] });
    try {
      let error: unknown;
      step().catch((reason: unknown) => {
        error = reason;
      });
      let waitedMs = 0;
      for (; error === undefined && waitedMs < 600_000; waitedMs += 100) {
        await vi.advanceTimersByTimeAsync(100);
        await turn();
      }
      expect(error).toMatchObject({
        code: 'CONFLICT',
        message: `Wait until process ${pid} is done, or end it. If it has ended, remove ${lock('.1')}.`,
        details: { pid, path: lock('.1') },
      });
      expect(waitedMs).toBeGreaterThan(50_000);
      expect(told.mock.calls).toEqual([
        [`Waiting for process ${pid}. If it has ended, remove ${lock('.1')}.\n`],
      ]);
    } finally {
      vi.useRealTimers();
      told.mockRestore();
    }
  });
});
