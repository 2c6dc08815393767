/** Places in lists that clients hand back. */
import { ZkMarginError } from '../../errors.ts';

/** Entries of a page unless a client asks for another number. */
const DEFAULT_LIMIT = 100;

export function limitOf(text: string | undefined): number {
  return text === undefined ? DEFAULT_LIMIT : Number(text);
}

/** Largest number of the store. */
const MAX_NUMBER = 2n ** 63n - 1n;

/** A cursor of numbers that only the service reads. */
export function cursorOf(...parts: readonly (bigint | number)[]): string {
  return Buffer.from(parts.join(':')).toString('base64url');
}

/**
 * The numbers of a cursor; undefined without one.
 *
 * @throws ZkMarginError `MALFORMED`
 */
export function readCursor(text: string | undefined, count: number): bigint[] | undefined {
  if (text === undefined) return undefined;
  const parts = Buffer.from(text, 'base64url').toString().split(':');
  const numbers = parts.every((part) => /^\d{1,19}$/.test(part)) ? parts.map(BigInt) : [];
  if (numbers.length !== count || numbers.some((number) => number > MAX_NUMBER)) {
    throw new ZkMarginError('MALFORMED', 'Use the cursor of the page before as it is.', { field: 'cursor' });
  }
  return numbers;
}
