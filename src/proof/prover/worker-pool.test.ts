import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
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

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
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
    const pool = open();
    const stages: string[] = [];
    const first = await pool.prove(toyJob(), { onProgress: (stage) => stages.push(stage) });
    expect(stages).toEqual(['loading', 'witness', 'proving', 'verifying']);
    expect(await verifyProof(toy.verificationKey, first.publicSignals, first.proof)).toBe(true);
    expect(first.calldata.b[0]).toEqual([first.proof.pi_b[0]![1], first.proof.pi_b[0]![0]]);
    const second = await pool.prove(toyJob());
    expect(second.timings.loading).toBeLessThan(50);
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

  it('turns a crash into a typed error and serves the next job with a new process', async () => {
    const pool = open();
    const { result, proving } = startSlow(pool);
    await proving;
    const [pid] = pool.status().processes;
    process.kill(pid!, 'SIGKILL');
    await expect(result).rejects.toMatchObject({ code: 'WORKER_CRASHED', details: { signal: 'SIGKILL' } });
    await expect(pool.prove(toyJob())).resolves.toBeDefined();
    expect(pool.status().processes).not.toContain(pid);
    expect(pool.status().restarts).toBe(1);
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
    expect(pool.status().restarts).toBe(0);
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
