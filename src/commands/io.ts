/** Reading documents and writing results on the command line. */
import { createReadStream } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { ZkMarginError } from '../errors.ts';

/** Largest document that is read, in bytes. */
const MAX_DOCUMENT_BYTES = 256 * 2 ** 20;

/**
 * The JSON document in a file.
 *
 * @param file a path, or `-` for standard input
 * @throws ZkMarginError `NOT_FOUND` for a file that cannot be read, `TOO_LARGE`, `MALFORMED` for text that is no JSON
 */
export async function readDocument(file: string): Promise<unknown> {
  const name = file === '-' ? 'standard input' : file;
  const stream =
    file === '-' ? process.stdin : createReadStream(isAbsolute(file) ? file : resolve(process.cwd(), file));
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream) {
      const bytes = Buffer.from(chunk as Buffer);
      size += bytes.length;
      if (size > MAX_DOCUMENT_BYTES) {
        throw new ZkMarginError('TOO_LARGE', `Keep ${name} below ${MAX_DOCUMENT_BYTES / 2 ** 20} MiB.`);
      }
      chunks.push(bytes);
    }
  } catch (cause) {
    if (cause instanceof ZkMarginError) throw cause;
    throw unreadable(name, cause);
  }
  const text = Buffer.concat(chunks)
    .toString('utf8')
    .replace(/^\uFEFF/, '');
  if (text.trim() === '') throw new ZkMarginError('MALFORMED', `Give a JSON document: ${name} is empty.`);
  return parseDocument(text, name);
}

/** The error of a file that cannot be read. */
export function unreadable(name: string, cause: unknown, field?: string): ZkMarginError {
  const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
  return new ZkMarginError('NOT_FOUND', `Cannot read ${name}: ${reason}.`, { field, cause });
}

/** JSON's tokens that matter for {@link parseDocument}: strings, and what some writers put for numbers that are none. */
const NOT_A_NUMBER = /"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g;

/**
 * The value of a JSON text. `NaN` and `Infinity`, which JSON lacks but some writers put, are read as the numbers that they
 * mean, so that a check can name their place.
 *
 * @throws ZkMarginError `MALFORMED`
 */
function parseDocument(text: string, name = 'the text'): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    let found = false;
    const marked = text.replace(NOT_A_NUMBER, (token) => {
      if (token.startsWith('"')) return token;
      found = true;
      return `{"\\u0000number":"${token}"}`;
    });
    try {
      if (found) return JSON.parse(marked, reviveNumber) as unknown;
    } catch {
      // Told below, in the words of the first try.
    }
    throw new ZkMarginError('MALFORMED', `${name} is no JSON: ${(cause as Error).message}.`, { cause });
  }
}

function reviveNumber(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('\u0000number' in value)) return value;
  return Number(value['\u0000number']);
}

/** Writes a value as indented JSON; bigints become decimal strings, numbers that are not finite become null. */
export function printJson(value: unknown): void {
  writeLine(JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? item.toString() : item), 2));
}

/** Writes text and a line's end to standard output. */
export function writeLine(text: string): void {
  process.stdout.write(`${text}\n`);
}
