/** Looks at processes, for tests that nothing is left behind. */
import { readFileSync } from 'node:fs';

/** True while a process runs. One that has ended but was not collected by its parent yet counts as ended. */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    // The state follows the name, which stands in brackets and may hold anything.
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text[text.lastIndexOf(')') + 2] !== 'Z';
  } catch (error) {
    // Without /proc the first answer stands; with it, the process has just gone.
    return process.platform !== 'linux' || (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}
