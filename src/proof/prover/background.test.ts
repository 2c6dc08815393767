/** Jobs that are proven in the background: what they take from others, and what becomes of their process. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { alive } from '../../../test/prover/processes.ts';
import { ensureDevelopmentKey } from '../keys/development.ts';
import { compileMediumCircuit, prepareToyCircuit, toyInput } from '../testing.ts';
import type { ProverCircuit } from './protocol.ts';
import { WorkerPool } from './worker-pool.ts';

let toy: ProverCircuit;
let medium: ProverCircuit;
/** Of all tests: processes that start take longer than what is shown here. */
let pool: WorkerPool;
/** Its process that is not the other jobs'. */
let pid: number;
const open = () => new WorkerPool({ circuits: [toy, medium], preload: false, background: true });

beforeAll(async () => {
  toy = await prepareToyCircuit();
  const circuit = await compileMediumCircuit();
  const { zkeyPath, verificationKey } = await ensureDevelopmentKey(circuit);
  medium = { name: circuit.name, wasmPath: circuit.wasmPath, zkeyPath, verificationKey };
  pool = open();
  // Alone: whichever test comes first, this process is the background's.
  await pool.warmBackground();
  expect(pool.status().processes).toHaveLength(1);
  [pid] = pool.status().processes as [number];
});
afterAll(async () => {
  const { processes } = pool.status();
  await pool.close(0);
  for (const pid of processes) expect(alive(pid), `process ${pid}`).toBe(false);
});
afterEach(() => expect(pool.status()).toMatchObject({ queued: 0, running: 0, restarts: 0, retried: 0 }));

const toyJob = () => ({ circuit: toy.name, input: toyInput() });
const slowJob = () => ({ circuit: medium.name, input: { x: '99' } });

/** A slow job in the background, when it is at work. */
async function startInBackground(signal?: AbortSignal) {
  const promotion = new AbortController();
  let result!: Promise<unknown>;
  let ended = false;
  await new Promise<void>((resolve) => {
    result = pool.prove(slowJob(), {
      ...(signal && { signal }),
      background: { promoted: promotion.signal },
      onProgress: (stage) => stage === 'proving' && resolve(),
    });
    result.catch(() => {}).finally(() => (ended = true));
  });
  return { result, promotion, ended: () => ended };
}

const onLinux = process.platform === 'linux';

/** As the system has it: T for stopped. */
function stateOf(pid: number): string {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text[text.lastIndexOf(')') + 2]!;
}

describe('the background of a pool', () => {
  it.runIf(onLinux)('takes no time from other jobs while its process starts', async () => {
    const own = open();
    try {
      const other = own.prove(toyJob());
      await expect.poll(() => own.status().processes, { interval: 1 }).toHaveLength(1);
      const [before] = own.status().processes;
      const warm = own.warmBackground();
      await other;
      await warm;
      expect(own.status()).toMatchObject({ background: 'idle', restarts: 0 });
      expect(own.status().processes).toHaveLength(2);
      expect(own.status().processes).toContain(before);
    } finally {
      await own.close(0);
    }
  });

  it.runIf(onLinux)('is stopped while other jobs are there, and goes on afterwards', async () => {
    const background = await startInBackground();
    expect(pool.status().background).toBe('running');
    const others = [pool.prove(slowJob()), pool.prove(toyJob())];
    expect(pool.status().background).toBe('stopped');
    await expect.poll(() => stateOf(pid), { interval: 5 }).toBe('T');
    await Promise.all(others);
    expect(background.ended()).toBe(false);
    await expect(background.result).resolves.toBeDefined();
    expect(pool.status().background).toBe('idle');
  });

  it('goes on with a job that is wanted now, although others are there', async () => {
    const background = await startInBackground();
    const other = pool.prove(slowJob());
    expect(pool.status().background).toBe('stopped');
    background.promotion.abort();
    expect(pool.status().background).toBe('running');
    await Promise.all([background.result, other]);
  });

  it('gives a job that waits and is wanted now to the others; keeps its process when a job is given up', async () => {
    const given = new AbortController();
    const background = await startInBackground(given.signal);
    const promotion = new AbortController();
    const waiting = pool.prove(toyJob(), { background: { promoted: promotion.signal } });
    const left = pool.prove(toyJob(), { background: { promoted: new AbortController().signal } });
    expect(pool.status()).toMatchObject({ queued: 2, running: 0 });
    promotion.abort();
    expect(pool.status()).toMatchObject({ queued: 1, running: 1, background: 'stopped' });
    given.abort();
    await expect(background.result).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(waiting).resolves.toBeDefined();
    await expect(left).resolves.toBeDefined();
    expect(pool.status().processes).toContain(pid);
  });

  it('starts nothing in the background while other jobs are there', async () => {
    const order: string[] = [];
    const jobs = ['first', 'second'].map((name) => pool.prove(toyJob()).then(() => order.push(name)));
    const background = pool
      .prove(toyJob(), { background: { promoted: new AbortController().signal } })
      .then(() => order.push('background'));
    await Promise.all([...jobs, background]);
    expect(order).toEqual(['first', 'second', 'background']);
  });

  it.runIf(onLinux)('leaves no stopped process behind when the process of the pool is killed', async () => {
    const script = `
      const { WorkerPool } = await import(${JSON.stringify(new URL('./worker-pool.ts', import.meta.url).href)});
      const pool = new WorkerPool({ circuits: [${JSON.stringify(medium)}], preload: false, background: true });
      pool.prove(${JSON.stringify(slowJob())}, {
        background: { promoted: new AbortController().signal },
        onProgress: (stage) => {
          if (stage !== 'proving') return;
          const [pid] = pool.status().processes;
          for (let job = 0; job < 50; job++) pool.prove(${JSON.stringify(slowJob())}).catch(() => {});
          console.log(pid);
        },
      }).catch(() => {});`;
    const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
    const parent = spawn(process.execPath, ['--import', loader, '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pid = await new Promise<number>((resolve, reject) => {
      parent.stdout.once('data', (chunk: Buffer) => resolve(Number(chunk.toString())));
      parent.once('exit', (code) => reject(new Error(`the parent ended with code ${code}`)));
    });
    await expect.poll(() => stateOf(pid)).toBe('T');
    parent.kill('SIGKILL');
    await expect.poll(() => alive(pid), { timeout: 20_000, interval: 100 }).toBe(false);
  });
});
