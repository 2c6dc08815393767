/** Places in lists that clients hand back. */
import { ZkMarginError } from '../../errors.ts';

/** Entries of a page unless a client asks for another number. */
const DEFAULT_LIMIT = 100;

export function limitOf(text: string | undefined): number {
  return text === undefined ? DEFAULT_LIMIT : Number(text);
}

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
  if (parts.length !== count || !parts.every((part) => /^\d{1,78}$/.test(part))) {
    throw new ZkMarginError('MALFORMED', 'Use the cursor of the page before as it is.', { field: 'cursor' });
  }
  return parts.map(BigInt);
}
