/** Fills the file system of a store, asks on, and makes room. Argument: a directory of a small file system of its own. */
import { createHash, randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openDatabase } from './database.ts';
import { JobQueue } from './job-queue.ts';

const root = process.argv[2]!;
const ballast = join(root, 'ballast');
const directory = join(root, 'store');
writeFileSync(ballast, new Uint8Array(100 * 2 ** 20));
let database = await openDatabase({ directory });
let queue = new JobQueue(database, { capacity: 100_000 });

const ids: string[] = [];
let number = 0;
/** The code of what was thrown; undefined for a job that was accepted. */
async function ask(): Promise<string | undefined> {
  const id = createHash('sha256').update(String(number++)).digest('hex');
  try {
    await queue.create({
      id,
      circuit: 'c',
      keyDigest: 'k',
      priority: 'solvency',
      // What cannot be compressed.
      input: { salt: randomBytes(20_000).toString('hex') },
      figures: {},
      maxMs: 3_600_000,
    });
    ids.push(id);
    return undefined;
  } catch (error) {
    return String((error as { code?: string }).code);
  }
}
/** Jobs that are there with their inputs. */
async function count(): Promise<number> {
  const rows = await database.query<{ id: string }>(
    'select id from jobs join job_inputs on job_id = id where length(input) > 40000',
  );
  const there = new Set(rows.map(({ id }) => id));
  const lost = ids.filter((id) => !there.has(id));
  if (lost.length > 0) throw new Error(`${lost.length} acknowledged jobs are lost`);
  return there.size;
}

let refusal: string | undefined;
while (refusal === undefined) refusal = await ask();
const acknowledged = ids.length;
const refusals = [refusal, (await ask()) ?? 'accepted', (await ask()) ?? 'accepted'];
rmSync(ballast);
let afterwards = 0;
for (let i = 0; i < 3; i++) if ((await ask()) === undefined) afterwards++;
const kept = await count();
await database.close();
database = await openDatabase({ directory });
queue = new JobQueue(database);
const reopened = await count();
await database.close();
console.log(JSON.stringify({ acknowledged, refusals, afterwards, kept, reopened }));
