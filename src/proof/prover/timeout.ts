/** Time limits: timers take no others, and end at once with those. */
import { ProofError } from '../errors.ts';

const LONGEST_MS = 2 ** 31 - 1;

/** True for milliseconds that a timer can wait. */
export function isTimeout(ms: number): boolean {
  return ms > 0 && ms <= LONGEST_MS;
}

/** What is said of any other. */
export function timeoutError(ms: unknown): ProofError {
  return new ProofError(
    'INPUT_INVALID',
    `a time limit is of more than 0 and at most ${LONGEST_MS} milliseconds, not ${String(ms)}`,
    { field: 'timeoutMs' },
  );
}
