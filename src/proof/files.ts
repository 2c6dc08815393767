import { createHash, randomBytes } from 'node:crypto';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's root directory: the one that holds `circuits/` and `node_modules/`. */
export const projectRoot = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** Lower-case hexadecimal SHA-256. */
export function sha256(...parts: (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

/** True when the path exists. */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/**
 * Write a file so that a reader sees the old or the new content, never a part: temporary file, then rename.
 *
 * @param beforeRename called when all else is done; what it throws leaves the old content
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  beforeRename?: () => void,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    // On the disk before it has its name: a power cut leaves the old content or the new one.
    await writeFile(temporary, data, { flush: true });
    beforeRename?.();
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
