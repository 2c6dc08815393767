/** Looks after a queue now and then. */
import type { JobQueue } from './job-queue.ts';

/**
 * Runs `JobQueue.maintain` again and again, never twice at once.
 *
 * @param onTurn told after each time, whether it failed or not
 * @returns ends it, and waits for what is under way
 */
export function maintainQueue(
  queue: JobQueue,
  {
    intervalMs = 1_000,
    onError = () => {},
    onTurn = () => {},
  }: { intervalMs?: number; onError?: (error: unknown) => void; onTurn?: () => void } = {},
): () => Promise<void> {
  let running: Promise<unknown> | undefined;
  const timer = setInterval(() => {
    running ??= queue
      .maintain()
      .catch(onError)
      .finally(() => {
        running = undefined;
        onTurn();
      });
  }, intervalMs);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await running;
  };
}
