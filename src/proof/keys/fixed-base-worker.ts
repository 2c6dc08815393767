import { parentPort, workerData } from 'node:worker_threads';
import { FixedBaseTable } from './fixed-base.ts';
import { type CurveCode, CurveInstance, type Group } from './wasm.ts';

/** What a worker is started with. */
export interface FixedBaseWorkerData {
  code: CurveCode;
  bits: Record<Group, number>;
}

/** One batch of scalars to multiply. */
export interface FixedBaseTask {
  id: number;
  group: Group;
  scalars: Uint8Array;
}

/** The points of a batch. */
export interface FixedBaseResult {
  id: number;
  points: Uint8Array;
}

const port = parentPort;
if (!port) throw new Error('fixed-base-worker.ts runs as a worker thread');
const { code, bits } = workerData as FixedBaseWorkerData;
const curve = await CurveInstance.create(code);
const tables = new Map<Group, FixedBaseTable>();

port.on('message', (task: FixedBaseTask) => {
  let table = tables.get(task.group);
  if (!table) {
    table = new FixedBaseTable(curve, task.group, bits[task.group]);
    tables.set(task.group, table);
  }
  const points = table.multiply(task.scalars);
  port.postMessage({ id: task.id, points } satisfies FixedBaseResult, [points.buffer as ArrayBuffer]);
});
