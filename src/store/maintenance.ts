/** Looks after a queue now and then. */
import type { JobQueue } from './job-queue.ts';

/**
 * Runs `JobQueue.maintain` again and again, never twice at once.
 *
 * @returns ends it, and waits for what is under way
 */
export function maintainQueue(
  queue: JobQueue,
  {
    intervalMs = 1_000,
    onError = () => {},
  }: { intervalMs?: number; onError?: (error: unknown) => void } = {},
): () => Promise<void> {
  let running: Promise<unknown> | undefined;
  const timer = setInterval(() => {
    running ??= queue
      .maintain()
      .catch(onError)
      .finally(() => {
        running = undefined;
      });
  }, intervalMs);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await running;
  };
}
