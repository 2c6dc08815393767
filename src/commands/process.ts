/** Life of a command that keeps running: from its start to the signal that ends it. */
import { isZkMarginError, ZkMarginError } from '../errors.ts';
import { tellFailure } from './failure.ts';

/** What runs. */
export interface Running {
  close(): Promise<unknown>;
}

/** How long the end may take beyond what running jobs are given, in milliseconds. */
const CLOSING_MS = 15_000;

/**
 * Starts something and ends it with code 0 on SIGTERM or SIGINT, also while it starts. A second signal ends the process at once,
 * and so does an end that takes too long, both with code 1: whatever was acknowledged is in the store already.
 *
 * @param start must give up when the signal aborts, undoing what it has done
 * @param graceMs time that running jobs have
 */
export async function runUntilSignal(
  start: (signal: AbortSignal) => Promise<Running>,
  graceMs: number,
): Promise<void> {
  const stopping = new AbortController();
  const endBadly = (why: ZkMarginError): never => {
    tellFailure(why, why.message);
    process.exit(1);
  };
  let running: Running | undefined;
  const close = async (): Promise<void> => {
    try {
      await running?.close();
    } catch (error) {
      endBadly(isZkMarginError(error) ? error : new ZkMarginError('INTERNAL', 'It did not end cleanly.'));
    }
    process.exit(0);
  };
  const stop = (): void => {
    if (stopping.signal.aborted) {
      endBadly(new ZkMarginError('CANCELLED', 'Ended at once by a second signal.'));
    }
    stopping.abort();
    const ms = graceMs + CLOSING_MS;
    const late = new ZkMarginError('TIMEOUT', `Ended after ${ms / 1000} s: something did not close.`);
    setTimeout(() => endBadly(late), ms).unref();
    if (running !== undefined) void close();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    running = await start(stopping.signal);
  } catch (error) {
    if (stopping.signal.aborted) process.exit(0);
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    throw error;
  }
  if (stopping.signal.aborted) await close();
}
