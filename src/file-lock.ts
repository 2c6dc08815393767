/** One holder at a time of what processes, containers and hosts share through a file system. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { ZkMarginError } from './errors.ts';
import { fateOf, type ProcessIdentity, thisProcess } from './process-identity.ts';

/** After so long without a sign, a holder of whom nothing can be asked is taken for dead, in milliseconds. */
export const STALE_MS = 30_000;
/** How often a holder shows that it lives. */
const TOUCH_MS = 2_000;
/** How often one who waits looks. */
const LOOK_MS = 100;
/** One who waits says so after this time, and again at each such interval. */
const TELL_AFTER_MS = 5_000;
const TELL_AGAIN_MS = 60_000;
/** What stands in the file of a lock that was given back. */
const RELEASED = '{}';
/** More digits than a lock ever needs, and few enough for numbers to be exact. */
const MOST_DIGITS = 15;
/** Other users of the directory must see who has the lock; nothing in the file is secret. */
const READABLE = 0o644;
/** What linking gives on a file system that has no links. */
const WITHOUT_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

/** Who has a lock. */
export interface Holder {
  /** Undefined when the file may not be read, as another user's. */
  readonly pid: number | undefined;
  /** Whether it is of this host and space of process ids: of others nothing can be asked. */
  readonly here: boolean;
  /** The file that says so. */
  readonly path: string;
}

/** When a holder's sign was last seen to change, by one who looks again and again. */
export interface Sighting {
  sign: string;
  sinceMs: number;
}

/** A lock that this process took. */
export interface Release {
  /** Gives the lock back. `nothing`: without a file that has its number, where that can be. */
  (leave?: 'number' | 'nothing'): void;
  /**
   * Whether nobody else has the lock by now. Others elsewhere take it from a process that stood still for {@link STALE_MS}, as with a
   * suspended machine, and such a process does not notice.
   */
  isHeld(): boolean;
}

/** Locks of this process, by the names that they have in their files. */
const held = new Set<string>();

/**
 * Takes a lock for this process until it ends or releases it.
 *
 * Each holder has a file of its own, `PATH.NUMBER`, numbered one above the last. Linking a file to a name that exists fails, so of
 * several that find the last holder dead one wins; numbers never go down, so a slow one cannot win later.
 *
 * @param path in a directory that exists
 * @param sighting of one who looks again and again: a holder elsewhere is then judged without the file's time too
 * @returns releases the lock; or who has it; or nothing when others were faster
 * @throws ZkMarginError `CONFLICT` when the files are nobody's
 */
export function takeLock(path: string, sighting?: Sighting): Release | Holder | undefined {
  const self = thisProcess();
  const token = randomBytes(16).toString('hex');
  const text = JSON.stringify({ ...self, token });
  const draft = `${path}-draft-${token}`;
  for (let attempt = 0; attempt < 100; attempt++) {
    // Kept open: what stands in it is changed later also when others have removed the name, and nothing else is. Made before the
    // numbers are read, so that a holder who goes keeps its number while somebody may reckon with it.
    let file = openSync(draft, 'wx', READABLE);
    let mine: number;
    let own: string;
    try {
      const last = Math.max(0, ...numbers(path));
      mine = last + 1;
      own = `${path}.${mine}`;
      if (String(mine).length > MOST_DIGITS) {
        throw new ZkMarginError('CONFLICT', `Remove ${path}.${last}: no process made it.`, {
          details: { path: `${path}.${last}` },
        });
      }
      writeSync(file, text);
      // The draft's time is now by the clock that gives the holder's file its time, whatever this machine's clock says.
      const nowMs = fstatSync(file).mtimeMs;
      const holder = last === 0 ? undefined : holderOf(`${path}.${last}`, self, nowMs, sighting);
      if (holder === 'gone') {
        closeSync(file);
        continue;
      }
      if (holder !== undefined) {
        closeSync(file);
        return holder === 'beginning' ? undefined : holder;
      }
      file = publish(file, draft, own, text);
    } catch (error) {
      closeSync(file);
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw error;
    } finally {
      rmSync(draft, { force: true });
    }
    // Twice: what is read while names come and go may lack one.
    if (Math.max(...numbers(path), ...numbers(path)) > mine) {
      // The list was old: somebody has been here and has left since.
      rmSync(own, { force: true });
      closeSync(file);
      continue;
    }
    for (const number of numbers(path)) if (number < mine) removeIfPossible(`${path}.${number}`);
    held.add(token);
    const stopTouching = keepTouching(own);
    const release = (leave?: 'number' | 'nothing'): void => {
      if (!held.delete(token)) return;
      stopTouching();
      try {
        // One with a draft may have found a dead holder and be about to take a number after it: numbers must not go down then.
        const isWanted = leave !== 'nothing' || hasDrafts(path);
        if (!isWanted && lstatSync(own).ino === fstatSync(file).ino) {
          rmSync(own);
          return;
        }
        // The number stays taken. First what is read as released, then its end: the file is never empty.
        writeSync(file, RELEASED, 0);
        ftruncateSync(file, RELEASED.length);
      } catch {
        // The file system is gone; the lock as well.
      } finally {
        closeSync(file);
      }
    };
    const isHeld = (): boolean => {
      try {
        return (
          held.has(token) && Math.max(...numbers(path)) === mine && lstatSync(own).ino === fstatSync(file).ino
        );
      } catch {
        return false;
      }
    };
    return Object.assign(release, { isHeld });
  }
  return undefined;
}

/**
 * Gives a draft its name, unless another has it.
 *
 * @returns the open file of that name
 */
function publish(file: number, draft: string, own: string, text: string): number {
  try {
    linkSync(draft, own);
    return file;
  } catch (error) {
    if (!WITHOUT_LINKS.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
  // As on memory sticks. Others may see it empty.
  const named = openSync(own, 'wx', READABLE);
  try {
    writeSync(named, text);
  } catch (error) {
    closeSync(named);
    throw error;
  }
  closeSync(file);
  return named;
}

function hasDrafts(path: string): boolean {
  return readdirSync(dirname(path)).some((name) => name.startsWith(`${basename(path)}-draft-`));
}

/** How {@link withFileLock} waits. */
export interface WaitOptions {
  /** Gives up after so many milliseconds; waits as long as it takes unless given. */
  readonly patienceMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Told now and then who is waited for, and what to do; on standard error unless given. */
  readonly onWait?: (text: string) => void;
}

/**
 * Runs `action` while holding an exclusive lock beside a path that other processes respect. One whose process is gone is taken over.
 *
 * @param action gets what to call right before it replaces a file: that throws `CONFLICT` when others have taken the lock meanwhile
 * @throws ZkMarginError `CONFLICT` when patience is over, or when the lock's files are nobody's; `CANCELLED`
 */
export async function withFileLock<T>(
  path: string,
  action: (requireHeld: () => void) => Promise<T>,
  options: WaitOptions = {},
): Promise<T> {
  const release = await waitForLock(resolve(`${path}.lock`), options);
  const requireHeld = (): void => {
    if (release.isHeld()) return;
    throw new ZkMarginError(
      'CONFLICT',
      `Run again: this process stood still, or its lock was removed, and others may have changed ${path} since.`,
      { details: { path } },
    );
  };
  try {
    return await action(requireHeld);
  } finally {
    release('nothing');
  }
}

async function waitForLock(path: string, options: WaitOptions): Promise<Release> {
  const { patienceMs = Number.POSITIVE_INFINITY, signal, onWait = writeToStandardError } = options;
  const begin = performance.now();
  const sighting: Sighting = { sign: '', sinceMs: begin };
  for (let tellAtMs = TELL_AFTER_MS; ; ) {
    mkdirSync(dirname(path), { recursive: true });
    const lock = takeLock(path, sighting);
    if (typeof lock === 'function') return lock;
    if (signal?.aborted) {
      throw new ZkMarginError('CANCELLED', `Cancelled while waiting for ${path}.`, { cause: signal.reason });
    }
    const waitedMs = performance.now() - begin;
    if (waitedMs >= patienceMs) throw impatience(path, lock);
    if (lock !== undefined && waitedMs >= tellAtMs) {
      onWait(`Waiting for ${nameOf(lock)}. If it has ended, remove ${lock.path}.`);
      tellAtMs = waitedMs + TELL_AGAIN_MS;
    }
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
}

function impatience(path: string, holder: Holder | undefined): ZkMarginError {
  if (holder === undefined) {
    return new ZkMarginError('CONFLICT', `Try again: many processes want ${path} at once.`, {
      details: { path },
    });
  }
  const { pid, path: file } = holder;
  return new ZkMarginError(
    'CONFLICT',
    `Wait until ${nameOf(holder)} is done, or end it. If it has ended, remove ${file}.`,
    { details: { ...(pid !== undefined && { pid }), path: file } },
  );
}

/** A holder in words. */
export function nameOf({ pid, here }: Holder): string {
  if (pid === undefined) return 'a process of another user';
  return here ? `process ${pid}` : `process ${pid} of another host or container`;
}

function writeToStandardError(text: string): void {
  process.stderr.write(`${text}\n`);
}

function numbers(path: string): number[] {
  const prefix = `${basename(path)}.`;
  return readdirSync(dirname(path)).flatMap((name) => {
    const digits = name.startsWith(prefix) ? name.slice(prefix.length) : '';
    return /^\d+$/.test(digits) && digits.length <= MOST_DIGITS ? [Number(digits)] : [];
  });
}

/** Who a lock's file says has it, when that may be so. Others may have made the file: whatever stands there is borne. */
function holderOf(
  path: string,
  self: ProcessIdentity,
  nowMs: number,
  sighting: Sighting | undefined,
): Holder | 'beginning' | 'gone' | undefined {
  const found = read(path);
  if (found === undefined || found === 'gone') return found;
  const { pid, started, place, boot, token, changedMs, isHidden } = found;
  let silentMs = nowMs - changedMs;
  if (sighting !== undefined) {
    const sign = `${path} ${changedMs}`;
    if (sighting.sign !== sign) Object.assign(sighting, { sign, sinceMs: performance.now() });
    // The file may come from a machine whose clock was ahead.
    silentMs = Math.max(silentMs, performance.now() - sighting.sinceMs);
  }
  const isSilent = silentMs >= STALE_MS;
  if (isHidden) return isSilent ? undefined : { pid, here: false, path };
  if (pid === undefined) return isSilent ? undefined : 'beginning';
  // Two hosts may have the same name, and their first space of process ids has the same number everywhere.
  const here = place === self.place && boot === self.boot;
  const holder = { pid, here, path };
  if (here && token !== undefined && held.has(token)) return holder;
  const fate = here ? fateOf({ pid, started }) : 'unknown';
  if (fate === 'ended') return undefined;
  // One of this process's id may be another thread of it, or an earlier process in a container that looks the same.
  if (fate === 'runs' && pid !== self.pid) return holder;
  return isSilent ? undefined : holder;
}

/** What a lock's file says; no `pid` while it is made, or when it may not be read. Undefined when it is released, or no holder made it. */
function read(path: string) {
  let changedMs = 0;
  try {
    const status = lstatSync(path);
    // Reading anything else may take for ever.
    if (!status.isFile() || status.size > 4_096) return undefined;
    // Released, also when it may not be read.
    if (status.size === RELEASED.length) return undefined;
    changedMs = status.mtimeMs;
    const text = readFileSync(path, 'utf8');
    const { pid, started, place, boot, token } = JSON.parse(text || '{"pid":0}') as Partial<
      Record<string, unknown>
    >;
    if (!Number.isSafeInteger(pid) || (pid as number) < 0) return undefined;
    return {
      pid: (pid as number) || undefined,
      started: typeof started === 'string' ? started : '',
      place: typeof place === 'string' ? place : '',
      boot: typeof boot === 'string' ? boot : '',
      token: typeof token === 'string' ? token : undefined,
      changedMs,
      isHidden: false,
    };
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return 'gone';
    // No text of a holder.
    if (syscall === undefined) return undefined;
    // Another user's, or the system fails for now: whoever made it may live.
    return { pid: undefined, started: '', place: '', boot: '', token: undefined, changedMs, isHidden: true };
  }
}

function removeIfPossible(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Not made by a holder. The highest number counts.
  }
}

/** Touches a file until told to stop. */
function keepTouching(path: string): () => void {
  const worker = new Worker(new URL('./file-lock-heartbeat.mjs', import.meta.url), {
    workerData: { path, everyMs: TOUCH_MS },
    env: {},
    execArgv: [],
  });
  worker.unref();
  // Without it only processes elsewhere can be mistaken.
  worker.on('error', () => {});
  return () => {
    void worker.terminate();
  };
}
