/** Life of a command that keeps running: from its start to the signal that ends it. */
import { isZkMarginError } from '../errors.ts';

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
  const end = (code: number, why?: string): never => {
    if (why !== undefined) process.stderr.write(`${why}\n`);
    process.exit(code);
  };
  let running: Running | undefined;
  const close = async (): Promise<void> => {
    try {
      await running?.close();
    } catch (error) {
      end(1, isZkMarginError(error) ? error.message : 'It did not end cleanly.');
    }
    end(0);
  };
  const stop = (): void => {
    if (stopping.signal.aborted) end(1, 'Ended at once by a second signal.');
    stopping.abort();
    const ms = graceMs + CLOSING_MS;
    setTimeout(() => end(1, `Ended after ${ms / 1000} s: something did not close.`), ms).unref();
    if (running !== undefined) void close();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    running = await start(stopping.signal);
  } catch (error) {
    if (stopping.signal.aborted) end(0);
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    throw error;
  }
  if (stopping.signal.aborted) await close();
}
