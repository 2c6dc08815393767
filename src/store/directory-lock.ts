/** One process at a time in a directory. */
import { randomBytes } from 'node:crypto';
import {
  linkSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { ZkMarginError } from '../errors.ts';
import { isProcessAlive } from '../process-alive.ts';

/** What a holder writes. */
interface Holder {
  readonly pid: number;
  /** When the process began, as far as the system tells: a later process may have the same id. */
  readonly started: string;
  /** Host and space of process ids: of others nothing can be asked. */
  readonly place: string;
}

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
  const self: Holder = { pid: process.pid, started: startOf(process.pid), place: placeOfProcesses() };
  for (let attempt = 0; attempt < 100; attempt++) {
    const last = Math.max(0, ...numbers(directory));
    if (last > 0) refuseIfHeld(join(directory, `lock.${last}`), self);
    const mine = last + 1;
    const path = join(directory, `lock.${mine}`);
    const draft = join(directory, `lock-draft-${randomBytes(8).toString('hex')}`);
    writeFileSync(draft, JSON.stringify(self), { mode: 0o600 });
    try {
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
        const now = new Date();
        utimesSync(path, now, now);
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

function refuseIfHeld(path: string, self: Holder): void {
  let holder: Partial<Holder>;
  let silentMs: number;
  try {
    holder = JSON.parse(readFileSync(path, 'utf8')) as Partial<Holder>;
    silentMs = Date.now() - statSync(path).mtimeMs;
  } catch {
    // Gone meanwhile: the next look tells.
    return;
  }
  if (holder.pid === undefined) return;
  const here = holder.place === self.place;
  const alive = here
    ? startOf(holder.pid) === holder.started && isProcessAlive(holder.pid)
    : silentMs < STALE_MS;
  if (!alive) return;
  const where = here ? `process ${holder.pid}` : `process ${holder.pid} of another host or container`;
  const advice = here ? 'end it' : `end it and wait ${STALE_MS / 1000} s`;
  throw new ZkMarginError(
    'STORE_LOCKED',
    `The store is in use by ${where}; ${advice}, or use another directory.`,
    {
      field: 'directory',
      details: { pid: holder.pid },
    },
  );
}

/** Ticks since the system's start at which a process began; empty where the system does not tell, or when there is none. */
function startOf(pid: number): string {
  try {
    // The name in parentheses may hold blanks.
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function placeOfProcesses(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}
