// Entry of a worker thread: shows that the holder of a lock lives. A thread of its own, because the holder's may compute for minutes.
import { closeSync, constants, futimesSync, openSync, writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

const { path, everyMs } = workerData;

setInterval(() => {
  try {
    touch();
  } catch {
    // The lock is gone, with its directory or by hand.
  }
}, everyMs);

/** Gives the file the present time by the file system's clock: its first byte again, which is the same of a lock held and released. */
function touch() {
  // Never by a link that others have put there: the byte would go into the file that it names.
  const file = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    writeSync(file, '{', 0);
  } catch {
    // A full disk may refuse even the same byte.
    const now = new Date();
    futimesSync(file, now, now);
  } finally {
    closeSync(file);
  }
}
