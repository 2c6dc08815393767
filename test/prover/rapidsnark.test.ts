/**
 * The boundary to the external prover, with a real process behind it. No rapidsnark binary comes with the project's packages:
 * what stands in for it has its command line and makes its proofs with snarkjs.
 */
import { spawn } from 'node:child_process';
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeProvingKey } from '../../src/proof/keys/zkey.ts';
import { backendFromEnvironment, resolveBackend } from '../../src/proof/prover/backends.ts';
import { CircuitProver } from '../../src/proof/prover/circuit-prover.ts';
import type { ProverCircuit } from '../../src/proof/prover/protocol.ts';
import {
  createRapidsnarkBackend,
  type RapidsnarkOptions,
} from '../../src/proof/prover/rapidsnark-backend.ts';
import { verifyProof } from '../../src/proof/prover/verify.ts';
import { WitnessCalculator } from '../../src/proof/prover/witness-calculator.ts';
import { WorkerPool } from '../../src/proof/prover/worker-pool.ts';
import { prepareToyCircuit, toyInput } from '../../src/proof/testing.ts';
import { startService } from '../../src/service/start.ts';
import { alive } from './processes.ts';

const standIn = fileURLToPath(new URL('./prover-stand-in.mjs', import.meta.url));
let folder: string;
let scratch: string;
let toy: ProverCircuit;
let key: { wires: number; publicSignals: number };
let witness: Uint8Array;

beforeAll(async () => {
  toy = await prepareToyCircuit();
  folder = await mkdtemp(join(tmpdir(), 'zkmargin-test-'));
  scratch = join(folder, 'scratch');
  await mkdir(scratch, { mode: 0o700 });
  const { wires, publicSignals } = decodeProvingKey(await readFile(toy.zkeyPath));
  key = { wires, publicSignals };
  const calculator = await WitnessCalculator.create(await readFile(toy.wasmPath));
  witness = (await calculator.calculate(toyInput(3n, 5n, 7n))).slice();
  const prover = new CircuitProver([toy]);
  const other = await prover.prove({ circuit: toy.name, input: toyInput(2n, 11n, 7n) });
  const expected = await prover.prove({ circuit: toy.name, input: toyInput(3n, 5n, 7n) });
  await prover.close();
  await writeFile(join(folder, 'proof.json'), JSON.stringify(other.proof));
  await writeFile(join(folder, 'public.json'), JSON.stringify(other.publicSignals));
  await writeFile(join(folder, 'expected.json'), JSON.stringify(expected.publicSignals));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The stand-in under a name that says how it behaves. The link keeps its imports: node resolves them at its target. */
async function binaryOf(mode: string): Promise<string> {
  const path = join(folder, `prover-${mode}`);
  await symlink(standIn, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  return path;
}

async function open(mode: string, options: Partial<RapidsnarkOptions> = {}) {
  return createRapidsnarkBackend({
    binary: await binaryOf(mode),
    zkeyPath: toy.zkeyPath,
    key,
    scratch,
    ...options,
  });
}

/** What the hanging stand-in tells of itself, once it hangs. */
async function hanging(): Promise<{ pid: number; child: number; witness: string }> {
  const path = join(folder, 'hang.note.json');
  await expect
    .poll(() => readFile(path, 'utf8').then(JSON.parse, () => undefined), { timeout: 20_000 })
    .toBeDefined();
  const found = JSON.parse(await readFile(path, 'utf8'));
  await rm(path);
  return found;
}

describe('rapidsnark backend', () => {
  it('returns a proof that verifies and the public signals of the witness', async () => {
    const backend = await open('good');
    await writeFile(join(folder, 'keep-note'), '');
    const steps: string[] = [];
    const { proof, publicSignals } = await backend.prove(witness, { onStep: (step) => steps.push(step) });
    expect(publicSignals.slice(1)).toEqual(['15', '7']);
    expect(proof.curve).toBe('bn128');
    expect(await verifyProof(toy.verificationKey, publicSignals, proof)).toBe(true);
    expect(steps).toEqual(['external']);
    const note = JSON.parse(await readFile(join(folder, 'good.note.json'), 'utf8'));
    // The binary sees no variable that it does not need, and the witness is gone.
    expect(note.environment.sort()).toEqual(['HOME', 'PATH', 'TMPDIR']);
    await expect(stat(note.witness)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await readdir(scratch)).toEqual([]);
    await backend.close();
    await expect(backend.prove(witness)).rejects.toMatchObject({ code: 'POOL_UNAVAILABLE' });
  });

  it.each([
    ['exit', { code: 'BACKEND_FAILED', details: { code: 1, output: 'Invalid witness length' } }],
    ['signal', { code: 'BACKEND_FAILED', details: { signal: 'SIGSEGV' } }],
    ['garbage', { code: 'BACKEND_OUTPUT_INVALID' }],
    ['no-proof', { code: 'BACKEND_OUTPUT_INVALID' }],
    ['no-signals', { code: 'BACKEND_OUTPUT_INVALID' }],
    ['huge', { code: 'BACKEND_OUTPUT_INVALID', details: { size: 2 ** 21 } }],
    ['silent', { code: 'BACKEND_OUTPUT_INVALID' }],
    ['directory', { code: 'BACKEND_OUTPUT_INVALID' }],
    ['pipe', { code: 'BACKEND_OUTPUT_INVALID' }],
    ['link', { code: 'BACKEND_OUTPUT_INVALID' }],
    ['replay', { code: 'BACKEND_OUTPUT_INVALID' }],
  ])('turns a binary that fails by %s into a typed error and removes its files', async (mode, expected) => {
    const backend = await open(mode);
    await expect(backend.prove(witness)).rejects.toMatchObject(expected);
    expect(await readdir(scratch)).toEqual([]);
  });

  it('refuses a time limit that no timer can wait', async () => {
    for (const timeoutMs of [Number.NaN, 2 ** 31, 0]) {
      await expect(open('good', { timeoutMs })).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    }
  });

  it('refuses a proof of other inputs even when it is labelled with the right signals', async () => {
    const binary = await binaryOf('mislabel');
    const prover = new CircuitProver([toy], { name: 'rapidsnark', binary }, { scratch });
    await expect(prover.prove({ circuit: toy.name, input: toyInput(3n, 5n, 7n) })).rejects.toMatchObject({
      code: 'PROOF_INVALID',
    });
    await prover.close();
  });

  it('refuses a witness of another circuit before it writes anything', async () => {
    const backend = await open('good', { key: { ...key, wires: key.wires + 1 } });
    await expect(backend.prove(witness)).rejects.toMatchObject({ code: 'KEY_MISMATCH' });
    await expect(backend.prove(new Uint8Array(40))).rejects.toMatchObject({ code: 'FILE_MALFORMED' });
  });

  it('tells a missing binary from one that may not be run', async () => {
    const missing = createRapidsnarkBackend({
      binary: join(folder, 'nothing'),
      zkeyPath: toy.zkeyPath,
      key,
      scratch,
    });
    await expect(missing.prove(witness)).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      details: { errno: 'ENOENT' },
    });
    const plain = join(folder, 'plain');
    await copyFile(standIn, plain);
    await chmod(plain, 0o600);
    const refused = createRapidsnarkBackend({ binary: plain, zkeyPath: toy.zkeyPath, key, scratch });
    await expect(refused.prove(witness)).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      details: { errno: 'EACCES' },
    });
    expect(await readdir(scratch)).toEqual([]);
    await expect(resolveBackend({ name: 'rapidsnark', binary: plain })).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      details: { errno: 'EACCES' },
    });
  });

  it('keeps the witness from other users while the binary runs, and ends the whole group at an abort', async () => {
    const backend = await open('hang');
    const controller = new AbortController();
    const result = backend.prove(witness, { signal: controller.signal });
    result.catch(() => {});
    const { pid, child, witness: path } = await hanging();
    const [file, directory] = [await stat(path), await stat(join(path, '..'))];
    expect([file.mode & 0o777, directory.mode & 0o777]).toEqual([0o600, 0o700]);
    expect([alive(pid), alive(child)]).toEqual([true, true]);
    controller.abort();
    await expect(result).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect.poll(() => alive(pid) || alive(child), { timeout: 20_000 }).toBe(false);
    expect(await readdir(scratch)).toEqual([]);
    await expect(backend.prove(witness, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });

  it('ends a binary that takes too long, and one that runs when the backend is closed', async () => {
    const slow = await open('hang', { timeoutMs: 4000 });
    const late = slow.prove(witness);
    late.catch(() => {});
    const { pid, child } = await hanging();
    await expect(late).rejects.toMatchObject({ code: 'TIMEOUT', details: { timeoutMs: 4000 } });
    await expect.poll(() => alive(pid) || alive(child), { timeout: 20_000 }).toBe(false);
    const backend = await open('hang');
    const running = backend.prove(witness);
    running.catch(() => {});
    const second = await hanging();
    await backend.close();
    await expect(running).rejects.toMatchObject({ code: 'POOL_UNAVAILABLE' });
    await expect.poll(() => alive(second.pid) || alive(second.child), { timeout: 20_000 }).toBe(false);
    expect(await readdir(scratch)).toEqual([]);
  });
});

describe('a pool over the external prover', () => {
  const job = () => ({ circuit: toy.name, input: toyInput(3n, 5n, 7n) });

  it('proves, and reports what it uses', async () => {
    const binary = await binaryOf('good');
    const pool = new WorkerPool({ circuits: [toy], backend: { name: 'rapidsnark', binary } });
    expect(await pool.warmUp()).toEqual({ name: 'rapidsnark', binary });
    expect(pool.status().backend).toEqual({ name: 'rapidsnark', binary });
    const steps: (string | undefined)[] = [];
    const { proof, publicSignals } = await pool.prove(job(), {
      onProgress: (stage, { step }) => stage === 'proving' && steps.push(step),
    });
    expect(await verifyProof(toy.verificationKey, publicSignals, proof)).toBe(true);
    expect(steps).toEqual([undefined, 'external']);
    await pool.close();
  });

  it('refuses to start without its binary, and passes its failures on', async () => {
    const absent = new WorkerPool({
      circuits: [toy],
      backend: { name: 'rapidsnark', binary: join(folder, 'nothing') },
    });
    await expect(absent.warmUp()).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    await expect(absent.prove(job())).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    await absent.close();
    const pool = new WorkerPool({
      circuits: [toy],
      backend: { name: 'rapidsnark', binary: await binaryOf('exit') },
    });
    await expect(pool.prove(job())).rejects.toMatchObject({
      code: 'BACKEND_FAILED',
      details: { code: 1, output: 'Invalid witness length' },
    });
    expect(pool.status()).toMatchObject({ restarts: 0, failed: 1, retried: 0 });
    await pool.close();
  });

  it.each(['abort', 'deadline', 'own timeout', 'kill of the process', 'close'] as const)(
    'leaves neither processes nor witnesses behind at: %s',
    async (how) => {
      const pool = new WorkerPool({
        circuits: [toy],
        crashRetries: 0,
        backend: {
          name: 'rapidsnark',
          binary: await binaryOf('hang'),
          ...(how === 'own timeout' && { timeoutMs: 4000 }),
        },
      });
      await pool.warmUp();
      const controller = new AbortController();
      const result = pool.prove(job(), {
        signal: controller.signal,
        ...(how === 'deadline' && { timeoutMs: 4000 }),
      });
      result.catch(() => {});
      const { pid, child, witness: path } = await hanging();
      if (how === 'abort') controller.abort();
      if (how === 'kill of the process') process.kill(pool.status().processes[0]!, 'SIGKILL');
      const closing = how === 'close' ? pool.close(0) : undefined;
      const code = { abort: 'CANCELLED', close: 'CANCELLED', 'kill of the process': 'WORKER_CRASHED' };
      await expect(result).rejects.toMatchObject({
        code: (code as Record<string, string>)[how] ?? 'TIMEOUT',
      });
      await closing;
      await expect.poll(() => alive(pid) || alive(child), { timeout: 20_000 }).toBe(false);
      await expect
        .poll(() =>
          stat(path).then(
            () => true,
            () => false,
          ),
        )
        .toBe(false);
      await pool.close(0);
    },
  );
});

describe('a pool whose own process is killed', () => {
  it('leaves neither processes nor witnesses behind', async () => {
    const pool = new URL('../../src/proof/prover/worker-pool.ts', import.meta.url).href;
    const backend = { name: 'rapidsnark', binary: await binaryOf('hang') };
    const script = `
      const { WorkerPool } = await import(${JSON.stringify(pool)});
      const pool = new WorkerPool(${JSON.stringify({ circuits: [toy], backend })});
      pool.prove(${JSON.stringify({ circuit: toy.name, input: toyInput(3n, 5n, 7n) })}).catch(() => {});`;
    const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
    const parent = spawn(process.execPath, ['--import', loader, '--input-type=module', '-e', script], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const { pid, child, witness: path } = await hanging();
    parent.kill('SIGKILL');
    await expect.poll(() => alive(pid) || alive(child), { timeout: 20_000 }).toBe(false);
    // The witness, and the pool's whole directory three levels above it.
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(stat(join(path, '../../..'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('choice of a backend', () => {
  it('keeps a service from starting when its prover cannot be run', async () => {
    const binary = join(folder, 'nothing');
    await expect(startService({ backend: { name: 'rapidsnark', binary }, port: 0 })).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      details: { binary, errno: 'ENOENT' },
    });
  });

  it('follows the environment and refuses what it does not know', async () => {
    expect(backendFromEnvironment({})).toEqual({ name: 'snarkjs' });
    expect(backendFromEnvironment({ ZKMARGIN_PROVER: '', ZKMARGIN_RAPIDSNARK: '' })).toEqual({
      name: 'snarkjs',
    });
    expect(backendFromEnvironment({ ZKMARGIN_PROVER: 'native' })).toEqual({ name: 'native' });
    expect(backendFromEnvironment({ ZKMARGIN_RAPIDSNARK: '/x' })).toEqual({
      name: 'rapidsnark',
      binary: '/x',
    });
    expect(backendFromEnvironment({ ZKMARGIN_PROVER: 'snarkjs', ZKMARGIN_RAPIDSNARK: '/x' })).toEqual({
      name: 'snarkjs',
    });
    for (const environment of [{ ZKMARGIN_PROVER: 'rapidsnark' }, { ZKMARGIN_PROVER: 'plonk' }]) {
      expect(() => backendFromEnvironment(environment)).toThrow(
        expect.objectContaining({ code: 'BACKEND_UNAVAILABLE' }),
      );
    }
  });

  it('finds a binary on the PATH', async () => {
    const { report } = await resolveBackend({ name: 'rapidsnark', binary: 'node' });
    expect(report.binary).toMatch(/^\/.*\/node$/);
    await expect(resolveBackend({ name: 'rapidsnark', binary: 'no-such-prover' })).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      details: { errno: 'ENOENT' },
    });
  });
});
