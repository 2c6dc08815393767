/** One process at a time in a directory. */
import { join } from 'node:path';
import { ZkMarginError } from '../errors.ts';
import { nameOf, STALE_MS, takeLock } from '../file-lock.ts';

/**
 * Takes a directory for this process until it ends or releases it.
 *
 * @returns releases the directory
 * @throws ZkMarginError `STORE_LOCKED` when a live process has it
 */
export function lockDirectory(directory: string): () => void {
  const lock = takeLock(join(directory, 'lock'));
  if (typeof lock === 'function') return lock;
  if (lock === undefined) {
    throw new ZkMarginError('STORE_LOCKED', 'Try again: many processes want this store at once.');
  }
  const advice = lock.here ? 'end it' : `end it and wait ${STALE_MS / 1000} s`;
  throw new ZkMarginError(
    'STORE_LOCKED',
    `The store is in use by ${nameOf(lock)}; ${advice}, or use another directory.`,
    {
      field: 'directory',
      ...(lock.pid !== undefined && { details: { pid: lock.pid } }),
    },
  );
}
