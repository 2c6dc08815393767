import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { FixedBaseTable, windowBits } from './fixed-base.ts';
import type { FixedBaseResult, FixedBaseTask, FixedBaseWorkerData } from './fixed-base-worker.ts';
import { affineBytes, type CurveCode, CurveInstance, type Group } from './wasm.ts';

/** Scalars per message: small enough for a steady progress report, large enough to share one inversion. */
const BATCH = 2048;
/** Below so many points a thread costs more than it saves. */
const THREAD_THRESHOLD = 6000;

/** A list of scalars to multiply a generator with. */
export interface MultiplyJob {
  group: Group;
  /** 32 bytes each, little endian, below r, not in Montgomery form. */
  scalars: Uint8Array;
}

/**
 * Multiply generators by many scalars, on several threads when there are many.
 *
 * @param options `threads`: most worker threads to use, default the number of cores; `onProgress` is told the part
 * done, where a G2 point counts as three.
 * @returns affine points, one buffer per job.
 */
export async function multiplyGenerators(
  code: CurveCode,
  jobs: readonly MultiplyJob[],
  options: { threads?: number; signal?: AbortSignal; onProgress?: (fraction: number) => void } = {},
): Promise<Uint8Array[]> {
  const counts: Record<Group, number> = { g1m: 0, g2m: 0 };
  for (const job of jobs) counts[job.group] += job.scalars.length / 32;
  const weight = (group: Group) => (group === 'g1m' ? 1 : 3);
  const total = counts.g1m + 3 * counts.g2m;
  const threads =
    total < THREAD_THRESHOLD ? 0 : Math.max(1, Math.min(options.threads ?? availableParallelism(), 8));
  const share = Math.max(1, threads);
  const bits: Record<Group, number> = {
    g1m: windowBits(counts.g1m / share),
    g2m: windowBits(counts.g2m / share),
  };
  const results = jobs.map((job) => new Uint8Array((job.scalars.length / 32) * affineBytes[job.group]));
  const tasks: { task: FixedBaseTask; job: number; offset: number; weight: number }[] = [];
  // G2 first: its batches are the longest, and the last ones to finish should be short.
  const order = jobs.map((_, index) => index).sort((a, b) => weight(jobs[b]!.group) - weight(jobs[a]!.group));
  for (const index of order) {
    const { group, scalars } = jobs[index]!;
    for (let start = 0; start < scalars.length; start += 32 * BATCH) {
      const part = scalars.slice(start, start + 32 * BATCH);
      tasks.push({
        task: { id: tasks.length, group, scalars: part },
        job: index,
        offset: (start / 32) * affineBytes[group],
        weight: (part.length / 32) * weight(group),
      });
    }
  }
  let done = 0;
  const accept = (result: FixedBaseResult) => {
    const entry = tasks[result.id]!;
    results[entry.job]!.set(result.points, entry.offset);
    done += entry.weight;
    options.onProgress?.(total === 0 ? 1 : done / total);
  };
  if (threads === 0) {
    const curve = await CurveInstance.create(code);
    const tables = new Map<Group, FixedBaseTable>();
    for (const { task } of tasks) {
      options.signal?.throwIfAborted();
      let table = tables.get(task.group);
      if (!table) {
        table = new FixedBaseTable(curve, task.group, bits[task.group]);
        tables.set(task.group, table);
      }
      accept({ id: task.id, points: table.multiply(task.scalars) });
    }
    return results;
  }
  let next = 0;
  const data: FixedBaseWorkerData = { code, bits };
  await Promise.all(
    Array.from({ length: threads }, () => runWorker(data, () => tasks[next++]?.task, accept, options.signal)),
  );
  return results;
}

function runWorker(
  data: FixedBaseWorkerData,
  nextTask: () => FixedBaseTask | undefined,
  accept: (result: FixedBaseResult) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const worker = new Worker(new URL('./thread.mjs', import.meta.url), {
    workerData: { ...data, entry: new URL('./fixed-base-worker.ts', import.meta.url).href },
    execArgv: [],
  });
  return new Promise<void>((resolve, reject) => {
    const abort = () => reject(signal?.reason);
    const step = () => {
      const task = nextTask();
      if (task) worker.postMessage(task, [task.scalars.buffer as ArrayBuffer]);
      else resolve();
    };
    signal?.addEventListener('abort', abort, { once: true });
    worker.on('message', (result: FixedBaseResult) => {
      accept(result);
      step();
    });
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`a key generation thread ended with code ${code}`)));
    step();
  }).finally(() => worker.terminate().then(() => undefined));
}
