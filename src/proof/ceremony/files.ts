/** Files of a ceremony. What the system refuses becomes a typed error that names the path and says what to do. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type ErrorCode, ZkMarginError } from '../../errors.ts';
import { ProofError } from '../errors.ts';

/** What an error is about when the system does not say. */
export interface FilePlace {
  readonly path: string;
  readonly field?: string;
}

/** What the system's own codes mean to whoever runs a ceremony. Shown after the path. */
const REFUSALS: Readonly<Record<string, readonly [code: ErrorCode, advice: string]>> = {
  ENOSPC: ['DISK_FULL', 'Free space and run again: the disk is full.'],
  EDQUOT: ['DISK_FULL', 'Free space and run again: the quota is used up.'],
  EFBIG: ['DISK_FULL', 'Allow larger files and run again: the limit on their size is reached.'],
  EACCES: ['FORBIDDEN', 'Give this user the right to it: the system refuses access.'],
  EPERM: ['FORBIDDEN', 'Give this user the right to it: the system refuses access.'],
  EROFS: ['FORBIDDEN', 'Choose a place that can be written: the file system is read-only.'],
  ENOTDIR: ['CONFLICT', 'Choose another path: a part of this one is a file where a directory belongs.'],
  EEXIST: ['CONFLICT', 'Choose another path: a file is there where a directory belongs.'],
  EISDIR: ['CONFLICT', 'Give a file: this is a directory.'],
  ENOENT: ['NOT_FOUND', 'Give a path that exists: nothing is there.'],
};

/** The system's code of an error of a file, as in `EACCES`; undefined for any other error. */
function systemCode(error: unknown): string | undefined {
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  return error instanceof Error && typeof code === 'string' && typeof syscall === 'string' ? code : undefined;
}

/** An error of the file system in the project's family; any other as it is. */
export function fileError(error: unknown, place: FilePlace): unknown {
  const code = systemCode(error);
  if (code === undefined) return error;
  const named = (error as NodeJS.ErrnoException).path;
  // Files are written beside their place and renamed, and locked by files beside it.
  const path = (named ?? place.path).replace(
    /\.[0-9]+\.[0-9a-f]{8}\.tmp$|\.lock(\.[0-9]+|-draft-[0-9a-f]+)?$/,
    '',
  );
  const [own, advice] = REFUSALS[code] ?? ['INTERNAL', `The system refuses it with ${code}.`];
  return new ZkMarginError(own, `${path}: ${advice}`, {
    field: place.field,
    details: { path, system: code },
    cause: error,
  });
}

/**
 * Run an action whose errors of the file system become typed ones.
 *
 * @throws {ZkMarginError} `DISK_FULL`, `FORBIDDEN`, `CONFLICT`, `NOT_FOUND`, and whatever the action throws
 */
export async function withFileErrors<T>(place: FilePlace, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw fileError(error, place);
  }
}

/**
 * The error of a file that could not be looked at.
 *
 * @param missing what to say when there is none
 */
export function lookError(error: unknown, path: string, field: string, missing: string): unknown {
  return systemCode(error) === 'ENOENT'
    ? new ZkMarginError('NOT_FOUND', missing, { field, cause: error })
    : fileError(error, { path, field });
}

/**
 * The bytes of a file.
 *
 * @param missing what to say when there is none
 * @throws {ZkMarginError} `NOT_FOUND`, and those of {@link withFileErrors}
 */
export function readBytes(path: string, field: string, missing: string): Promise<Uint8Array> {
  return readFile(path).catch((error: unknown) => {
    throw lookError(error, path, field, missing);
  });
}

/**
 * Read the contents of a file; what its reader finds wrong names the file.
 *
 * @throws {ProofError} `FILE_MALFORMED`
 */
export function readingFile<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    // A RangeError comes from a number that stands beyond the end.
    const known = error instanceof ProofError;
    if (!known && !(error instanceof RangeError)) throw error;
    const file = basename(path);
    throw new ProofError(
      'FILE_MALFORMED',
      `${file}: ${known ? error.message : 'the file is damaged'}`,
      { ...(known && error.details), file },
      { cause: error },
    );
  }
}
