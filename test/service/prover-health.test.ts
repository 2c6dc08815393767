/** A prover beside the service, as a real process: what it tells of itself. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { prepareDevelopmentCircuit } from '../../src/proof/prover/circuits.ts';
import { startService } from '../../src/service/index.ts';
import {
  freePort,
  NO_POSTGRES,
  postgresBinaries,
  startTestPostgres,
  type TestPostgres,
} from '../../src/store/testing.ts';
import { ask, jobOf, killAll, type Started, start } from './processes.ts';

// Processes start slowly on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

const CIRCUIT = 'settlement-8';
const WAIT = { timeout: 200_000, interval: 20 };
const present = postgresBinaries() !== undefined;
if (!present) console.warn(`left out: ${NO_POSTGRES}`);

/** The proving process of a prover. */
async function workerOf(prover: Started): Promise<number> {
  const isWorker = (pid: number) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('prover/worker.ts');
    } catch {
      return false;
    }
  };
  await expect.poll(() => prover.children().some(isWorker), WAIT).toBe(true);
  return prover.children().find(isWorker)!;
}

describe.runIf(present)('zkmargin prover', () => {
  let server: TestPostgres;
  let stopped: number | undefined;
  beforeAll(async () => {
    server = await startTestPostgres();
    await prepareDevelopmentCircuit(CIRCUIT);
  });
  afterAll(async () => {
    try {
      if (stopped !== undefined) process.kill(stopped, 'SIGKILL');
    } catch {
      // It has ended with its prover.
    }
    killAll();
    await server?.stop();
  });

  it('tells of keys, store, loops, proofs and heartbeats', async () => {
    const url = await server.createDatabase();
    const port = await freePort();
    const environment = { DATABASE_URL: url, ZKMARGIN_METRICS_PORT: String(port) };
    const prover = start(['prover', '--circuits', CIRCUIT, '--stall-seconds', '2'], environment);
    const base = `http://127.0.0.1:${port}`;
    const health = async (path: string): Promise<{ status: number; reasons: readonly string[] }> => {
      const answer = await fetch(base + path);
      const { reasons = [] } = (await answer.json()) as { reasons?: string[] };
      // A loaded machine may block the event loop for as short a bound as this test's.
      return { status: answer.status, reasons: reasons.filter((reason) => !reason.includes('event loop')) };
    };
    const value = async (name: string): Promise<number> => {
      const lines = (await (await fetch(`${base}/metrics`)).text()).split('\n');
      const line = lines.find((text) => text.startsWith(`zkmargin_${name} `));
      return line === undefined ? Number.NaN : Number(line.split(' ')[1]);
    };

    // Keys that are never there.
    stopped = await workerOf(prover);
    process.kill(stopped, 'SIGSTOP');
    await expect
      .poll(() => health('/readyz').catch(() => undefined), WAIT)
      .toEqual({
        status: 503,
        reasons: ['keys are being loaded'],
      });
    process.kill(stopped, 'SIGCONT');
    expect((await prover.line(/metrics are at (\S+)\/metrics/))?.[1]).toBe(base);
    await expect.poll(() => health('/readyz'), WAIT).toEqual({ status: 200, reasons: [] });
    await expect.poll(() => health('/livez'), WAIT).toMatchObject({ reasons: [] });
    const script = fileURLToPath(new URL('../../bin/healthcheck.mjs', import.meta.url));
    await expect
      .poll(
        () => spawnSync(process.execPath, [script], { env: { ...process.env, ...environment } }).status,
        WAIT,
      )
      .toBe(0);

    // One job, seen while it is proven.
    const service = await startService({ port: 0, workers: 0, store: { url }, circuits: [CIRCUIT] });
    try {
      process.kill(stopped, 'SIGSTOP');
      const job = await ask(service.url, 1);
      await expect.poll(() => value('prover_workers{state="busy"}'), WAIT).toBe(1);
      process.kill(stopped, 'SIGCONT');
      expect(await jobOf(service.url, job!.id)).toMatchObject({ state: 'done' });
      const done = `proofs_total{circuit="${CIRCUIT}",result="done"}`;
      await expect.poll(() => value(done), WAIT).toBe(1);
      await expect.poll(() => value('prover_workers{state="busy"}'), WAIT).toBe(0);
      expect(await value('prover_workers{state="all"}')).toBe(1);
      expect(await value('prover_heartbeat_age_seconds')).toBeGreaterThanOrEqual(0);
    } finally {
      await service.close();
    }

    // Whoever asks for this table waits for ever.
    const locking = new pg.Client({ connectionString: url });
    await locking.connect();
    await locking.query('begin');
    await locking.query('lock table jobs in access exclusive mode');
    const standing = async (name: string) =>
      (await health('/livez')).reasons.some((text) => text.includes(name));
    for (const name of ['maintenance of the queue', 'queue runner 1']) {
      await expect.poll(() => standing(name), WAIT).toBe(true);
    }
    expect(await value('prover_heartbeat_age_seconds')).toBeGreaterThan(1);
    await locking.end();
    await expect.poll(() => health('/livez'), WAIT).toMatchObject({ reasons: [] });

    // A store that is away is no standstill.
    await server.kill();
    await expect
      .poll(async () => (await health('/readyz')).reasons, WAIT)
      .toEqual([expect.stringMatching(/^the store cannot be reached \([A-Z_]+\)$/)]);
    expect((await health('/livez')).reasons).toEqual([]);
    await server.restart();
    await expect.poll(() => health('/readyz'), WAIT).toEqual({ status: 200, reasons: [] });
    expect(await prover.stop()).toBe(0);
    await expect(fetch(`${base}/livez`)).rejects.toThrow();
  });

  it('needs a port of its own', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const prover = start(['prover', '--circuits', CIRCUIT, '--metrics-port', String(port)], {
      DATABASE_URL: await server.createDatabase(),
    });
    expect(await prover.line(/Choose another metricsPort/)).toBeDefined();
    await expect.poll(() => prover.ended, WAIT).toBe(true);
    taken.close();
  });
});
