/** Ends waits: by a signal, or after a while. */
import { ZkMarginError } from './errors.ts';

/**
 * A promise, or its end by a signal. The work itself goes on when the signal comes first; what it rejects with is dropped then.
 *
 * @throws ZkMarginError `CANCELLED`
 */
export async function unlessAborted<T>(work: Promise<T> | T, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const cancelled = () => new ZkMarginError('CANCELLED', 'It was told to end while it started.');
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(cancelled());
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/**
 * A promise, or its end after a while; as {@link unlessAborted} otherwise.
 *
 * @throws ZkMarginError `TIMEOUT`
 */
export async function inTime<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ZkMarginError('TIMEOUT', `No answer within ${ms} ms.`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
