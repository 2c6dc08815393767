/** Proofs by an external binary with rapidsnark's command line: `prover key.zkey witness.wtns proof.json public.json`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { mkdtemp, open as openFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Groth16Proof } from 'snarkjs';
import { ProofError, type ProofErrorDetails } from '../errors.ts';
import type { KeyHeader } from '../keys/zkey.ts';
import {
  assertNotCancelled,
  type BackendProveOptions,
  type ProofResult,
  type ProverBackend,
} from './backend.ts';
import { isTimeout, timeoutError } from './timeout.ts';
import { isWellFormed } from './verify.ts';
import { publicSignalsOf, witnessValues } from './witness-file.ts';

/** Bytes that a proof or a list of public signals may have. */
const OUTPUT_LIMIT = 1 << 20;
/** Characters of the binary's output that an error keeps. */
const KEPT_OUTPUT = 500;

export interface RapidsnarkOptions {
  /** Path of the binary. */
  binary: string;
  /** Path of the .zkey file; the binary reads it for every proof. */
  zkeyPath: string;
  /** What the key takes. */
  key: Pick<KeyHeader, 'wires' | 'publicSignals'>;
  /** Milliseconds that one run may take. Default 120,000. */
  timeoutMs?: number;
  /** Existing directory for the files of a run, which hold the witness. Default the system's temporary directory. */
  scratch?: string;
  /**
   * Run the binary in a process group of its own, so that an abort ends what it started too. A proving process sets false:
   * there the pool ends the group of the whole process. Default true.
   */
  ownGroup?: boolean;
}

/**
 * Prover by an external binary. Each run has a private directory (mode 0700) for witness and outputs, which is removed
 * whatever happens. The outputs are checked: form, curve, and public signals against the witness; the caller verifies the
 * proof, as with every backend.
 */
export function createRapidsnarkBackend(options: RapidsnarkOptions): ProverBackend {
  const { key, timeoutMs = 120_000 } = options;
  if (!isTimeout(timeoutMs)) throw timeoutError(timeoutMs);
  const running = new Set<() => void>();
  let open = true;
  return {
    name: 'rapidsnark',
    async prove(witness: Uint8Array, { signal, onStep }: BackendProveOptions = {}): Promise<ProofResult> {
      if (!open) throw new ProofError('POOL_UNAVAILABLE', 'the prover is closed');
      const values = witnessValues(witness, key.wires);
      assertNotCancelled(signal);
      const directory = await mkdtemp(join(options.scratch ?? tmpdir(), 'zkmargin-proof-'));
      try {
        const paths = {
          witness: join(directory, 'witness.wtns'),
          proof: join(directory, 'proof.json'),
          publicSignals: join(directory, 'public.json'),
        };
        await writeFile(paths.witness, witness, { mode: 0o600, flag: 'wx' });
        onStep?.('external');
        await run(
          options,
          [options.zkeyPath, paths.witness, paths.proof, paths.publicSignals],
          directory,
          timeoutMs,
          signal,
          running,
        );
        const proof = parseProof(await readOutput(paths.proof));
        const publicSignals = parseSignals(await readOutput(paths.publicSignals));
        const expected = publicSignalsOf(values, key.publicSignals);
        if (
          publicSignals.length !== expected.length ||
          publicSignals.some((value, index) => value !== expected[index])
        ) {
          throw new ProofError(
            'BACKEND_OUTPUT_INVALID',
            'the external prover proved other public signals than those of the witness',
          );
        }
        return { proof, publicSignals };
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    },
    async close() {
      open = false;
      for (const kill of running) kill();
    },
  };
}

/** Run the binary to its end. Resolves when it ended with code 0. */
function run(
  { binary, ownGroup = true }: RapidsnarkOptions,
  args: readonly string[],
  directory: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  running: Set<() => void>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    assertNotCancelled(signal);
    let child: ChildProcess;
    try {
      child = spawn(binary, args, {
        cwd: directory,
        detached: ownGroup,
        // Nothing of this process's environment that could be a secret.
        env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', TMPDIR: directory },
        stdio: ['ignore', 'pipe', 'pipe'],
        windowsHide: true,
      });
    } catch (error) {
      reject(notStarted(binary, error));
      return;
    }
    let output = '';
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-KEPT_OUTPUT);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    let reason: ProofError | undefined;
    const kill = (error: ProofError) => {
      reason ??= error;
      killTree(child, ownGroup);
    };
    const abort = () => kill(new ProofError('CANCELLED', 'the proof was cancelled'));
    const closing = () => kill(new ProofError('POOL_UNAVAILABLE', 'the prover was closed'));
    const timer = setTimeout(
      () =>
        kill(
          new ProofError('TIMEOUT', `the external prover was not done within ${timeoutMs} ms`, { timeoutMs }),
        ),
      timeoutMs,
    );
    const settle = (error?: ProofError) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      running.delete(closing);
      // What the binary started may hold the pipes open.
      child.stdout?.destroy();
      child.stderr?.destroy();
      if (error) reject(error);
      else resolve();
    };
    signal?.addEventListener('abort', abort, { once: true });
    running.add(closing);
    child.once('error', (error) => {
      if (child.pid === undefined) settle(reason ?? notStarted(binary, error));
    });
    child.once('exit', (code, exitSignal) => {
      if (reason) settle(reason);
      else if (code === 0) settle();
      else {
        const how = exitSignal ? `signal ${exitSignal}` : `code ${code}`;
        const fail = () => {
          clearTimeout(patience);
          const details: ProofErrorDetails = {
            ...(code !== null && { code }),
            ...(exitSignal !== null && { signal: exitSignal }),
            output: output.trim(),
          };
          settle(new ProofError('BACKEND_FAILED', `the external prover ended with ${how}`, details));
        };
        // Its last words are in the pipes, which a process that it left behind may hold open.
        const patience = setTimeout(fail, 200);
        child.once('close', fail);
      }
    });
  });
}

function killTree(child: ChildProcess, group: boolean): void {
  if (child.pid === undefined) return;
  try {
    if (group) process.kill(-child.pid, 'SIGKILL');
    else child.kill('SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

function notStarted(binary: string, cause: unknown): ProofError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
  const why =
    code === 'ENOENT'
      ? 'is missing, or its interpreter is'
      : code === 'EACCES'
        ? 'may not be executed'
        : `does not start (${code})`;
  return new ProofError(
    'BACKEND_UNAVAILABLE',
    `the external prover ${why}`,
    { binary, errno: code },
    { cause },
  );
}

/** A pipe that nobody writes to would keep a read waiting for ever, and a link may lead anywhere. */
const PLAIN_READ = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;

/** Text of an output file, of a bounded size. */
async function readOutput(path: string): Promise<string> {
  const file = await openFile(path, PLAIN_READ).catch(() => {
    throw new ProofError('BACKEND_OUTPUT_INVALID', 'the external prover wrote no output file');
  });
  try {
    const found = await file.stat();
    if (!found.isFile()) {
      throw new ProofError('BACKEND_OUTPUT_INVALID', 'the external prover wrote something that is no file');
    }
    const { size } = found;
    if (size > OUTPUT_LIMIT) {
      throw new ProofError('BACKEND_OUTPUT_INVALID', `the external prover wrote ${size} bytes`, { size });
    }
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ProofError('BACKEND_OUTPUT_INVALID', 'the external prover wrote something that is not JSON');
  }
}

/** rapidsnark leaves out the curve's name in some versions, and snarkjs's form has it. */
function parseProof(text: string): Groth16Proof {
  const found = parseJson(text);
  if (typeof found === 'object' && found !== null && !Array.isArray(found)) {
    const { pi_a, pi_b, pi_c, protocol, curve = 'bn128' } = found as Partial<Groth16Proof>;
    const proof = { pi_a, pi_b, pi_c, protocol, curve } as Groth16Proof;
    if (curve === 'bn128' && isWellFormed(proof)) return proof;
  }
  throw new ProofError('BACKEND_OUTPUT_INVALID', 'the external prover wrote something that is no proof');
}

function parseSignals(text: string): string[] {
  const found = parseJson(text);
  if (Array.isArray(found) && found.every((value): value is string => typeof value === 'string'))
    return found;
  throw new ProofError('BACKEND_OUTPUT_INVALID', 'the external prover wrote no list of public signals');
}
