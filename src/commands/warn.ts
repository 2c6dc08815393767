/** Warnings of the commands that keep running. */
import { warningText } from '../service/place-of.ts';

/** Milliseconds in which the same warning is told once. */
const WARN_EVERY_MS = 60_000;
/** When each warning of the last minute was told, the oldest first. */
const warned = new Map<string, number>();

/** Tells of something on standard error, as one line; of the same again after a minute. */
export function warn(error: unknown, what: string): void {
  const text = warningText(error, what);
  const now = Date.now();
  for (const [former, at] of warned) {
    if (now - at < WARN_EVERY_MS) break;
    warned.delete(former);
  }
  if (warned.has(text)) return;
  warned.set(text, now);
  process.stderr.write(`${text}\n`);
}
