/** The steps of a ceremony as snarkjs takes them: in memory, with typed errors, and with no threads left behind. */
import { type Logger, type MemoryFile, zKey } from 'snarkjs';
import { terminateSnarkjsThreads } from '../curve.ts';
import { ProofError } from '../errors.ts';

/** A line about a long step. `detail` lines are many and may be dropped. */
export type CeremonyProgress = (line: string, level: 'step' | 'detail') => void;

/** The part of snarkjs's `zKey` that only ceremonies use. */
interface PhaseTwo {
  newZKey(r1cs: MemoryFile, ptau: MemoryFile, zkey: MemoryFile, logger: Logger): Promise<Uint8Array | -1>;
  contribute(
    from: MemoryFile,
    to: MemoryFile,
    name: string,
    entropy: string,
    logger: Logger,
  ): Promise<Uint8Array>;
  beacon(
    from: MemoryFile,
    to: MemoryFile,
    name: string,
    hash: string,
    iterationsExponent: number,
    logger: Logger,
  ): Promise<Uint8Array | false>;
  verifyFromInit(initial: MemoryFile, ptau: MemoryFile, zkey: MemoryFile, logger: Logger): Promise<boolean>;
}

const phaseTwo = zKey as unknown as PhaseTwo;

let users = 0;

/**
 * Keep snarkjs's threads for several steps: they take half a second to start. They end with the outermost action, so that
 * no process is kept alive by them.
 */
export async function withSnarkjsThreads<T>(action: () => Promise<T>): Promise<T> {
  users++;
  try {
    return await action();
  } finally {
    users--;
    if (users === 0) await terminateSnarkjsThreads();
  }
}

/**
 * The key of a circuit before any contribution. Its gamma and delta are the generators: anyone can forge proofs for it.
 * The same files give the same bytes.
 *
 * @throws {ProofError} `FILE_MALFORMED`
 */
export function newKey(
  r1cs: Uint8Array,
  ptau: Uint8Array,
  onProgress?: CeremonyProgress,
): Promise<Uint8Array> {
  return run('make the initial key', onProgress, async (logger) => {
    const key: MemoryFile = { type: 'mem' };
    const result = await phaseTwo.newZKey(memory(r1cs), memory(ptau), key, logger);
    if (result === -1) throw new Error('see the lines before this one');
    return key.data!;
  });
}

/**
 * The next key after a contribution.
 *
 * @param entropy secret text; snarkjs hashes it with 64 random bytes of its own
 * @returns the key and the contribution's hash
 * @throws {ProofError} `FILE_MALFORMED`
 */
export function contributeToKey(
  key: Uint8Array,
  name: string,
  entropy: string,
  onProgress?: CeremonyProgress,
): Promise<{ key: Uint8Array; hash: Uint8Array }> {
  return run('add the contribution', onProgress, async (logger) => {
    const next: MemoryFile = { type: 'mem' };
    const hash = await phaseTwo.contribute(memory(key), next, name, entropy, logger);
    return { key: next.data!, hash };
  });
}

/**
 * The next key after a random beacon.
 *
 * @param hash hexadecimal
 * @throws {ProofError} `FILE_MALFORMED`
 */
export function applyBeaconToKey(
  key: Uint8Array,
  name: string,
  hash: string,
  iterationsExponent: number,
  onProgress?: CeremonyProgress,
): Promise<{ key: Uint8Array; hash: Uint8Array }> {
  return run('apply the beacon', onProgress, async (logger) => {
    const next: MemoryFile = { type: 'mem' };
    const result = await phaseTwo.beacon(memory(key), next, name, hash, iterationsExponent, logger);
    if (result === false) throw new Error('see the lines before this one');
    return { key: next.data!, hash: result };
  });
}

/**
 * snarkjs's own verification of a key against the initial one. It accepts keys with no contribution at all: never use it
 * alone.
 *
 * @returns undefined when it accepts, else its reason
 */
export function verifyFromInitialKey(
  initial: Uint8Array,
  ptau: Uint8Array,
  key: Uint8Array,
  onProgress?: CeremonyProgress,
): Promise<string | undefined> {
  let reason = 'no reason given';
  const listen: CeremonyProgress = (line, level) => {
    if (/INVALID|does not match|not identical/.test(line)) reason = line.trim();
    onProgress?.(line, level);
  };
  return run('verify the key', listen, async (logger) =>
    (await phaseTwo.verifyFromInit(memory(initial), memory(ptau), memory(key), logger)) ? undefined : reason,
  );
}

function memory(data: Uint8Array): MemoryFile {
  return { type: 'mem', data };
}

async function run<T>(
  what: string,
  onProgress: CeremonyProgress | undefined,
  action: (logger: Logger) => Promise<T>,
): Promise<T> {
  const step = (line: string) => onProgress?.(line, 'step');
  const logger: Logger = {
    debug: (line) => onProgress?.(line, 'detail'),
    info: step,
    warn: step,
    error: step,
  };
  // snarkjs writes some of its refusals to the console, where they would stand in the middle of a JSON document.
  const { log } = console;
  console.log = (...parts: unknown[]) => step(parts.join(' '));
  try {
    return await withSnarkjsThreads(() => action(logger));
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new ProofError('FILE_MALFORMED', `snarkjs could not ${what}: ${message}`, {}, { cause });
  } finally {
    console.log = log;
  }
}
