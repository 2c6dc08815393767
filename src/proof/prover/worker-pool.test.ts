import { spawn } from 'node:child_process';
import { copyFile, cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { alive } from '../../../test/prover/processes.ts';
import { ensureDevelopmentKey } from '../keys/development.ts';
import { compileMediumCircuit, prepareToyCircuit, toyInput } from '../testing.ts';
import type { ProverCircuit } from './protocol.ts';
import { verifyProof } from './verify.ts';
import { WorkerPool, type WorkerPoolOptions } from './worker-pool.ts';

let toy: ProverCircuit;
let medium: ProverCircuit;
let pools: WorkerPool[] = [];

beforeAll(async () => {
  toy = await prepareToyCircuit();
  const circuit = await compileMediumCircuit();
  const key = await ensureDevelopmentKey(circuit);
  medium = {
    name: circuit.name,
    wasmPath: circuit.wasmPath,
    zkeyPath: key.zkeyPath,
    verificationKey: key.verificationKey,
  };
});

afterEach(async () => {
  const processes = pools.flatMap((pool) => pool.status().processes);
  await Promise.all(pools.map((pool) => pool.close(0)));
  pools = [];
  for (const pid of processes) expect(alive(pid), `process ${pid}`).toBe(false);
});

function open(options: Partial<WorkerPoolOptions> = {}): WorkerPool {
  const pool = new WorkerPool({ circuits: [toy, medium], preload: false, ...options });
  pools.push(pool);
  return pool;
}

const toyJob = () => ({ circuit: toy.name, input: toyInput() });
const slowJob = () => ({ circuit: medium.name, input: { x: '99' } });

/** Start a slow job and wait until it is at work. */
function startSlow(pool: WorkerPool, options: { signal?: AbortSignal; timeoutMs?: number } = {}) {
  let result!: Promise<unknown>;
  const proving = new Promise<void>((resolve) => {
    result = pool.prove(slowJob(), { ...options, onProgress: (stage) => stage === 'proving' && resolve() });
  });
  result.catch(() => {});
  return { result, proving };
}

describe('WorkerPool', () => {
  it('proves, reports stages, keeps the key, and returns verified proofs', async () => {
    // Files that are gone when the second proof begins: it needs no figure of milliseconds to show that they were kept.
    const folder = await mkdtemp(join(tmpdir(), 'zkmargin-pool-'));
    const own = { ...toy, zkeyPath: join(folder, 'key'), wasmPath: join(folder, 'wasm') };
    await copyFile(toy.zkeyPath, own.zkeyPath);
    await copyFile(toy.wasmPath, own.wasmPath);
    const pool = open({ circuits: [own] });
    const stages: string[] = [];
    const first = await pool.prove(toyJob(), {
      onProgress: (stage, { step, attempt }) => {
        expect(attempt).toBe(1);
        stages.push(step ?? stage);
      },
    });
    expect(stages).toEqual([
      'queued',
      'loading',
      'witness',
      'proving',
      'constraints',
      'transforms',
      'points',
      'quotient',
      'verifying',
      'done',
    ]);
    expect(await verifyProof(toy.verificationKey, first.publicSignals, first.proof)).toBe(true);
    expect(first.calldata.b[0]).toEqual([first.proof.pi_b[0]![1], first.proof.pi_b[0]![0]]);
    await rm(folder, { recursive: true });
    const second = await pool.prove(toyJob());
    expect(await verifyProof(toy.verificationKey, second.publicSignals, second.proof)).toBe(true);
    expect(pool.status()).toMatchObject({ proved: 2, failed: 0, restarts: 0, queued: 0, running: 0 });
  });

  it('passes on typed errors and keeps the process', async () => {
    const pool = open();
    await expect(pool.prove({ circuit: 'unknown', input: {} })).rejects.toMatchObject({
      code: 'CIRCUIT_NOT_FOUND',
    });
    await expect(
      pool.prove({ circuit: toy.name, input: { ...toyInput(), product: '16' } }),
    ).rejects.toMatchObject({ code: 'WITNESS_REJECTED' });
    await expect(
      pool.prove({ circuit: toy.name, input: { ...toyInput(), left: 'x' } }),
    ).rejects.toMatchObject({ code: 'INPUT_INVALID', details: { field: 'left' } });
    await expect(pool.prove(toyJob())).resolves.toBeDefined();
    expect(pool.status()).toMatchObject({ restarts: 0, failed: 3, proved: 1 });
  });

  it('starts a job again when its process is killed in the middle, once', async () => {
    const pool = open();
    const attempts: number[] = [];
    const pids: number[] = [];
    const kill = (times: number) =>
      pool.prove(slowJob(), {
        onProgress: (stage, { step, attempt }) => {
          if (stage === 'queued') attempts.push(attempt);
          if (stage !== 'proving' || step !== 'points' || attempt > times) return;
          pids.push(pool.status().processes[0]!);
          process.kill(pids.at(-1)!, 'SIGKILL');
        },
      });
    const { proof, publicSignals } = await kill(1);
    expect(await verifyProof(medium.verificationKey, publicSignals, proof)).toBe(true);
    expect(attempts).toEqual([1, 1]);
    expect(pool.status()).toMatchObject({ restarts: 1, retried: 1, proved: 1, failed: 0 });
    const other = pool.prove(toyJob(), { timeoutMs: 60_000 });
    await expect(kill(2)).rejects.toMatchObject({ code: 'WORKER_CRASHED', details: { signal: 'SIGKILL' } });
    await expect(other).resolves.toBeDefined();
    await expect(pool.prove(toyJob())).resolves.toBeDefined();
    expect(new Set(pids).size).toBe(3);
    expect(pool.status()).toMatchObject({ restarts: 3, retried: 2, proved: 3, failed: 1 });
  });

  it('turns a crash into a typed error at once when it may not start again', async () => {
    const pool = open({ crashRetries: 0 });
    const { result, proving } = startSlow(pool);
    await proving;
    const [pid] = pool.status().processes;
    process.kill(pid!, 'SIGKILL');
    await expect(result).rejects.toMatchObject({ code: 'WORKER_CRASHED', details: { signal: 'SIGKILL' } });
    await expect(pool.prove(toyJob())).resolves.toBeDefined();
    expect(pool.status().processes).not.toContain(pid);
    expect(pool.status()).toMatchObject({ restarts: 1, retried: 0 });
  });

  it.each(['queued', 'loading', 'witness', 'proving', 'quotient', 'verifying', 'done'])(
    'cancels a job at %s and goes on',
    async (at) => {
      const pool = open();
      const controller = new AbortController();
      const seen: string[] = [];
      const job = pool.prove(slowJob(), {
        signal: controller.signal,
        onProgress: (stage, { step }) => {
          seen.push(step ?? stage);
          if ((step ?? stage) === at) controller.abort();
        },
      });
      await expect(job).rejects.toMatchObject({ code: 'CANCELLED' });
      // Nothing is told after the end.
      expect(seen.at(-1)).toBe(at);
      await expect(pool.prove(toyJob())).resolves.toBeDefined();
      expect(pool.status()).toMatchObject({ proved: 1, failed: 1, queued: 0, running: 0, retried: 0 });
      expect(seen.at(-1)).toBe(at);
    },
  );

  it('drops what a listener throws', async () => {
    const pool = open();
    const job = pool.prove(toyJob(), {
      onProgress: () => {
        throw new Error('from the listener');
      },
    });
    await expect(job).resolves.toBeDefined();
  });

  it('cancels a running and a waiting job; the other jobs are served', async () => {
    const pool = open();
    const controller = new AbortController();
    const { result, proving } = startSlow(pool, { signal: controller.signal });
    const waiting = new AbortController();
    const queued = pool.prove(toyJob(), { signal: waiting.signal });
    const other = pool.prove(toyJob());
    await proving;
    const [pid] = pool.status().processes;
    waiting.abort();
    await expect(queued).rejects.toMatchObject({ code: 'CANCELLED' });
    controller.abort();
    await expect(result).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(other).resolves.toBeDefined();
    expect(alive(pid!)).toBe(false);
    await expect(pool.prove(toyJob(), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });

  it('ends a job at its deadline', async () => {
    const pool = open();
    await expect(pool.prove(slowJob(), { timeoutMs: 150 })).rejects.toMatchObject({
      code: 'TIMEOUT',
      details: { timeoutMs: 150 },
    });
    await expect(pool.prove(toyJob())).resolves.toBeDefined();
  });

  it.each([Number.NaN, 2 ** 31, Number.POSITIVE_INFINITY, 0, -1])(
    'refuses a time limit of %s',
    async (timeoutMs) => {
      await expect(open().prove(toyJob(), { timeoutMs })).rejects.toMatchObject({
        code: 'INPUT_INVALID',
        details: { field: 'timeoutMs' },
      });
    },
  );

  it('refuses an input that cannot be sent, and goes on', async () => {
    const pool = open();
    const input = { ...toyInput(), left: (() => '3') as unknown as string };
    await expect(pool.prove({ circuit: toy.name, input })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      details: { field: 'input' },
    });
    await expect(pool.prove(toyJob())).resolves.toBeDefined();
    expect(pool.status()).toMatchObject({ restarts: 0, failed: 1, proved: 1 });
  });

  it('bounds its queue', async () => {
    const pool = open({ maxQueue: 1 });
    const running = startSlow(pool);
    const queued = pool.prove(toyJob());
    queued.catch(() => {});
    await expect(pool.prove(toyJob())).rejects.toMatchObject({ code: 'POOL_UNAVAILABLE' });
    await pool.close(0);
    await expect(queued).rejects.toMatchObject({ code: 'POOL_UNAVAILABLE' });
    await expect(running.result).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('replaces a process after its number of proofs', async () => {
    const pool = open({ recycleAfter: 1 });
    await pool.prove(toyJob());
    const before = pool.status().processes;
    await pool.prove(toyJob());
    expect(
      pool.status().processes.some((pid) => !before.includes(pid)) || pool.status().processes.length === 0,
    ).toBe(true);
    expect(pool.status()).toMatchObject({ restarts: 0, recycled: 2 });
  });

  it('replaces a process that has grown above its limit, and keeps one that has not', async () => {
    const small = open({ recycleAboveBytes: 2 ** 20 });
    await small.warmUp();
    const [pid] = small.status().processes;
    expect(small.status().memory[0]).toBeGreaterThan(2 ** 20);
    await small.prove(toyJob());
    await small.prove(toyJob());
    expect(small.status()).toMatchObject({ recycled: 2, restarts: 0, proved: 2 });
    expect(small.status().processes).not.toContain(pid);
    const large = open({ recycleAboveBytes: 2 ** 40 });
    await large.prove(toyJob());
    await large.prove(toyJob());
    expect(large.status()).toMatchObject({ recycled: 0, proved: 2 });
    expect(large.status().processes).toHaveLength(1);
  });

  it('closes gracefully: the running job is finished, no process is left', async () => {
    const pool = open();
    await pool.warmUp();
    const [pid] = pool.status().processes;
    const job = pool.prove(toyJob());
    await pool.close(60_000);
    await expect(job).resolves.toBeDefined();
    expect(alive(pid!)).toBe(false);
    expect(pool.status()).toMatchObject({ processes: [], closed: true });
    await expect(pool.prove(toyJob())).rejects.toMatchObject({ code: 'POOL_UNAVAILABLE' });
  });

  it('leaves no process behind when its own process is killed', async () => {
    const script = `
      const { WorkerPool } = await import(${JSON.stringify(new URL('./worker-pool.ts', import.meta.url).href)});
      const pool = new WorkerPool({ circuits: [${JSON.stringify(medium)}], preload: false });
      pool.prove(${JSON.stringify(slowJob())}, {
        onProgress: (stage) => stage === 'proving' && console.log(pool.status().processes[0]),
      }).catch(() => {});`;
    const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
    const parent = spawn(process.execPath, ['--import', loader, '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pid = await new Promise<number>((resolve, reject) => {
      parent.stdout.once('data', (chunk: Buffer) => resolve(Number(chunk.toString())));
      parent.once('exit', (code) => reject(new Error(`the parent ended with code ${code}`)));
    });
    expect(alive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await expect.poll(() => alive(pid), { timeout: 20_000, interval: 100 }).toBe(false);
  });
});

describe('circuits that cannot be loaded', () => {
  let folder: string;
  let copy: ProverCircuit;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'zkmargin-pool-'));
    copy = { ...toy, zkeyPath: join(folder, 'toy.zkey'), wasmPath: join(folder, 'toy.wasm') };
    await cp(toy.zkeyPath, copy.zkeyPath);
    await cp(toy.wasmPath, copy.wasmPath);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it.each([
    ['a key that is missing', 'CIRCUIT_NOT_FOUND', 'toy.zkey', () => rm(copy.zkeyPath)],
    ['a key that was cut short', 'FILE_MALFORMED', 'toy.zkey', () => truncate(copy.zkeyPath, 50_000)],
    [
      "another circuit's key",
      'KEY_MISMATCH',
      'toy.zkey',
      async () => writeFile(copy.zkeyPath, await readFile(medium.zkeyPath)),
    ],
    ['code that was cut short', 'FILE_MALFORMED', 'toy.wasm', () => truncate(copy.wasmPath, 20_000)],
    [
      "another circuit's code",
      'KEY_MISMATCH',
      'toy.wasm',
      async () => writeFile(copy.wasmPath, await readFile(medium.wasmPath)),
    ],
  ] as const)('are told at the start: %s', async (_what, code, file, damage) => {
    await damage();
    const told: string[] = [];
    const pool = open({
      circuits: [copy, medium],
      preload: true,
      onLoadFailure: (circuit, error) => told.push(`${circuit} ${error.code}`),
    });
    await expect(pool.warmUp()).rejects.toMatchObject({
      code,
      message: expect.stringContaining(join(folder, file)),
      details: { circuit: toy.name, path: join(folder, file) },
    });
    expect(told).toEqual([`${toy.name} ${code}`]);
    expect(pool.status().unloaded).toEqual({ [toy.name]: code });
    // The other circuit is none the worse.
    await expect(pool.prove(slowJob())).resolves.toBeDefined();
    await expect(pool.prove(toyJob())).rejects.toMatchObject({ code });
  });

  it('are told when a later process meets them, and no longer once they prove again', async () => {
    const told: string[] = [];
    const pool = open({
      circuits: [copy],
      preload: true,
      recycleAfter: 1,
      onLoadFailure: (circuit, error) => told.push(`${circuit} ${error.code}`),
    });
    await pool.warmUp();
    await pool.prove(toyJob());
    await truncate(copy.zkeyPath, 50_000);
    for (let i = 0; i < 2; i++) {
      await expect(pool.prove(toyJob())).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
    }
    expect(pool.status().unloaded).toEqual({ [toy.name]: 'FILE_MALFORMED' });
    expect(told).toEqual([`${toy.name} FILE_MALFORMED`]);
    await cp(toy.zkeyPath, copy.zkeyPath);
    await pool.prove(toyJob());
    expect(pool.status().unloaded).toEqual({});
  });
});
