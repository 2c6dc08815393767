/** One process at a time in a directory. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { ZkMarginError } from '../errors.ts';
import { isRunning, type ProcessIdentity, thisProcess } from '../process-identity.ts';

/** How often a holder shows that it lives, in milliseconds. */
const TOUCH_MS = 2_000;
/** After so long without a sign, a holder elsewhere is taken for dead. */
const STALE_MS = 30_000;

/**
 * Takes a directory for this process until it ends or releases it.
 *
 * Each holder has a file of its own, numbered one above the last. Linking a file to a name that exists fails, so of several that
 * find the last holder dead one wins; numbers never go down, so a slow one cannot win later.
 *
 * @returns releases the directory
 * @throws ZkMarginError `STORE_LOCKED` when a live process has it
 */
export function lockDirectory(directory: string): () => void {
  const self = thisProcess();
  const text = JSON.stringify(self);
  for (let attempt = 0; attempt < 100; attempt++) {
    const last = Math.max(0, ...numbers(directory));
    const mine = last + 1;
    const path = join(directory, `lock.${mine}`);
    const draft = join(directory, `lock-draft-${randomBytes(8).toString('hex')}`);
    writeFileSync(draft, text, { mode: 0o600 });
    try {
      // The draft's time is now by the clock that gives the holder's file its time, whatever this machine's clock says.
      if (last > 0) refuseIfHeld(join(directory, `lock.${last}`), self, statSync(draft).mtimeMs);
      linkSync(draft, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw error;
    } finally {
      rmSync(draft, { force: true });
    }
    if (Math.max(...numbers(directory)) > mine) {
      // The list was old: somebody has been here and has left since.
      rmSync(path, { force: true });
      continue;
    }
    for (const number of numbers(directory))
      if (number < mine) rmSync(join(directory, `lock.${number}`), { force: true });
    const timer = setInterval(() => {
      try {
        touch(path, text);
      } catch {
        // The directory is gone; its data as well.
      }
    }, TOUCH_MS);
    timer.unref();
    return () => {
      clearInterval(timer);
      try {
        // The number stays taken.
        writeFileSync(path, '{}');
      } catch {
        // As above.
      }
    };
  }
  throw new ZkMarginError('STORE_LOCKED', 'Try again: many processes want this store at once.');
}

function numbers(directory: string): number[] {
  return readdirSync(directory).flatMap((name) => {
    const [, digits] = /^lock\.(\d+)$/.exec(name) ?? [];
    return digits === undefined ? [] : [Number(digits)];
  });
}

/** Gives a file the present time by the file system's clock: the same bytes again, so that no reader sees fewer. */
function touch(path: string, text: string): void {
  const file = openSync(path, 'r+');
  try {
    writeSync(file, text, 0);
  } catch {
    // A full disk may refuse even the same bytes.
    const now = new Date();
    utimesSync(path, now, now);
  } finally {
    closeSync(file);
  }
}

function refuseIfHeld(path: string, self: ProcessIdentity, nowMs: number): void {
  let holder: Partial<ProcessIdentity>;
  let silentMs: number;
  try {
    holder = JSON.parse(readFileSync(path, 'utf8')) as Partial<ProcessIdentity>;
    silentMs = nowMs - statSync(path).mtimeMs;
  } catch {
    // Gone meanwhile: the next look tells.
    return;
  }
  const { pid, started = '' } = holder;
  if (pid === undefined) return;
  const here = holder.place === self.place;
  const alive = here ? isRunning({ pid, started }) : silentMs < STALE_MS;
  if (!alive) return;
  const where = here ? `process ${pid}` : `process ${pid} of another host or container`;
  const advice = here ? 'end it' : `end it and wait ${STALE_MS / 1000} s`;
  throw new ZkMarginError(
    'STORE_LOCKED',
    `The store is in use by ${where}; ${advice}, or use another directory.`,
    {
      field: 'directory',
      details: { pid },
    },
  );
}
