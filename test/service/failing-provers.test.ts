/** What operators are told when keys cannot be loaded, and when an external prover fails. */
import { cp, mkdtemp, rm, symlink, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { prepareDevelopmentCircuit } from '../../src/proof/prover/circuits.ts';
import { prepareToyCircuit } from '../../src/proof/testing.ts';
import { startService } from '../../src/service/index.ts';
import { postgresBinaries, startTestPostgres } from '../../src/store/testing.ts';
import { ask, jobOf, killAll, start } from './processes.ts';

// Processes start slowly on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

const CIRCUIT = 'settlement-8';
const TOLD =
  /^a proof of settlement-8 failed \(BACKEND_FAILED\): the external prover ended with code 1; code 1; output "Invalid witness length"$/m;
let folder: string;
let binary: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zkmargin-failing-'));
  // A stand-in that fails as its name says.
  binary = join(folder, 'prover-exit');
  await symlink(fileURLToPath(new URL('../prover/prover-stand-in.mjs', import.meta.url)), binary);
  await prepareDevelopmentCircuit(CIRCUIT);
});
afterAll(async () => {
  killAll();
  await rm(folder, { recursive: true, force: true });
});

describe('a service whose external prover fails', () => {
  it('names what proves at its start, and tells its operator why proofs fail', async () => {
    const service = start([
      'serve',
      '--port',
      '0',
      '--store',
      'memory',
      '--circuits',
      CIRCUIT,
      '--rapidsnark',
      binary,
    ]);
    const found = await service.line(/serves on (http:\S+); it proves with (\w+);/);
    expect(found?.[2], service.output()).toBe('rapidsnark');
    const url = found![1]!;
    const job = await jobOf(url, (await ask(url, 1))!.id);
    expect(job).toMatchObject({ state: 'failed', error: { code: 'PROOF_FAILED' } });
    expect(job.error!.message).not.toContain('Invalid witness length');
    expect(await service.line(TOLD)).toBeDefined();
    expect(await service.stop()).toBe(0);
  });

  it.runIf(postgresBinaries() !== undefined)('beside the service tells the same', async () => {
    const server = await startTestPostgres();
    try {
      const url = await server.createDatabase();
      const service = await startService({ port: 0, workers: 0, store: { url }, circuits: [CIRCUIT] });
      const prover = start(['prover', '--circuits', CIRCUIT, '--rapidsnark', binary], { DATABASE_URL: url });
      await ask(service.url, 1);
      expect(await prover.line(TOLD), prover.output()).toBeDefined();
      await prover.stop();
      await service.close();
    } finally {
      await server.stop();
    }
  });
});

describe('a service with a circuit that cannot be loaded', () => {
  it('does not start, and says why', async () => {
    const toy = await prepareToyCircuit();
    const zkeyPath = join(folder, 'toy.zkey');
    await cp(toy.zkeyPath, zkeyPath);
    await truncate(zkeyPath, 50_000);
    await expect(startService({ port: 0, circuits: [{ ...toy, zkeyPath }] })).rejects.toMatchObject({
      code: 'FILE_MALFORMED',
      message: expect.stringContaining(zkeyPath),
    });
  });
});
