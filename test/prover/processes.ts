/** Looks at processes, for tests that nothing is left behind. */
import { readFileSync } from 'node:fs';
import { isProcessAlive } from '../../src/process-alive.ts';

/** True while a process runs. One that has ended but was not collected by its parent yet counts as ended. */
export function alive(pid: number): boolean {
  if (!isProcessAlive(pid)) return false;
  try {
    // The state follows the name, which stands in brackets and may hold anything.
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text[text.lastIndexOf(')') + 2] !== 'Z';
  } catch (error) {
    // Without /proc the first answer stands; with it, the process has just gone.
    return process.platform !== 'linux' || (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}
