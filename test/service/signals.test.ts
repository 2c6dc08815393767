/** SIGTERM to real processes: while they start, while they work, and once more. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { prepareDevelopmentCircuit } from '../../src/proof/prover/circuits.ts';
import { postgresBinaries, startTestPostgres, type TestPostgres } from '../../src/store/testing.ts';
import { ask, killAll, type Started, start } from './processes.ts';

// Processes start slowly on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

const CIRCUIT = 'settlement-8';
const WAIT = { timeout: 250_000, interval: 5 };
let server: TestPostgres | undefined;
const stopped: number[] = [];

beforeAll(async () => {
  if (postgresBinaries() !== undefined) server = await startTestPostgres();
  await prepareDevelopmentCircuit(CIRCUIT);
});
afterAll(async () => {
  for (const pid of stopped) signal(pid, 'SIGKILL');
  killAll();
  await server?.stop();
});

/** Sends a signal; false when there is no such process. */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

/** Arguments and environment of a store that starts quickly where it can. */
async function place(): Promise<[string[], Record<string, string>]> {
  if (server === undefined) return [['--store', 'memory'], {}];
  return [[], { DATABASE_URL: await server.createDatabase() }];
}

/** Stops the proving process of a service where it stands. */
async function freezeWorker(service: Started): Promise<number> {
  const isWorker = (pid: number) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('prover/worker.ts');
    } catch {
      return false;
    }
  };
  await expect.poll(() => service.children().some(isWorker), WAIT).toBe(true);
  const pid = service.children().find(isWorker)!;
  signal(pid, 'SIGSTOP');
  stopped.push(pid);
  return pid;
}

describe('SIGTERM', () => {
  it('while keys are loaded ends the service with code 0, and its processes', async () => {
    const [args, environment] = await place();
    const options = ['--port', '0', '--circuits', CIRCUIT, '--close-seconds', '1'];
    const service = start(['serve', ...args, ...options], environment);
    // Keys that are never there.
    const worker = await freezeWorker(service);
    expect(await service.stop()).toBe(0);
    expect(await service.line(/serves on/)).toBeUndefined();
    await expect.poll(() => signal(worker, 0), WAIT).toBe(false);
  });

  it('waits for a running job, and the second one ends the service at once with code 1', async () => {
    const [args, environment] = await place();
    const options = ['--port', '0', '--circuits', CIRCUIT, '--close-seconds', '600'];
    const service = start(['serve', ...args, ...options], environment);
    const url = (await service.line(/serves on (http:\S+);/))![1]!;
    const worker = await freezeWorker(service);
    const job = await ask(url, 1);
    expect(job).toBeDefined();
    const state = async () =>
      ((await (await fetch(url + job!.links.self)).json()) as { state: string }).state;
    await expect.poll(state, WAIT).toBe('proving');
    const ended = service.stop();
    const reasons = async () =>
      ((await (await fetch(`${url}/readyz`)).json()) as { reasons?: string[] }).reasons ?? [];
    await expect.poll(reasons, WAIT).toContain('the service is closing');
    signal(service.pid, 'SIGTERM');
    await expect.poll(() => signal(service.pid, 0), WAIT).toBe(false);
    // Whoever proves notices that nobody is left, and holds the pipes open until then.
    signal(worker, 'SIGCONT');
    expect(await ended).toBe(1);
    expect(await service.line(/second signal/)).toBeDefined();
    await expect.poll(() => signal(worker, 0), WAIT).toBe(false);
  });
});
