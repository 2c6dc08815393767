/** Directories for the files of proving processes, which hold witnesses: none outlives the process that it belongs to for long. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRunning, thisProcess } from '../../process-identity.ts';
import { sha256 } from '../files.ts';

const PREFIX = 'zkmargin-prover';

/**
 * Makes a directory that this user alone can read, named after this process, and removes those of processes that were
 * ended without a chance to do so.
 *
 * @param parent the system's directory for temporary files unless given
 */
export function makeScratch(parent = tmpdir()): string {
  const { pid, started, place } = thisProcess();
  // Of another container's process nobody here can tell whether it lives.
  const own = `${PREFIX}-${sha256(place).slice(0, 12)}-`;
  removeStale(parent, own);
  return mkdtempSync(join(parent, `${own}${pid}-${started}-`));
}

function removeStale(parent: string, own: string): void {
  let names: string[];
  try {
    names = readdirSync(parent);
  } catch {
    return;
  }
  for (const name of names) {
    if (!name.startsWith(own)) continue;
    const [, pid, started] = /^(\d+)-(\d*)-\w+$/.exec(name.slice(own.length)) ?? [];
    if (pid === undefined || started === undefined || isRunning({ pid: Number(pid), started })) continue;
    try {
      rmSync(join(parent, name), { recursive: true, force: true });
    } catch {
      // It is another user's, or another process removes it.
    }
  }
}
