/** A thread of the native backend: an engine that does what it is told. */
import { parentPort, workerData } from 'node:worker_threads';
import type { CurveCode } from '../../keys/wasm.ts';
import { type EngineTask, NativeEngine, type SharedKey } from './engine.ts';

/** What a thread is started with. */
export interface ThreadData {
  readonly code: CurveCode;
  readonly key: SharedKey;
}

/** What a thread is asked. `begin` opens a proof and has no answer. */
export type ToThread = { readonly type: 'begin' } | { readonly type: 'task'; readonly task: EngineTask };

/** What a thread answers. */
export type FromThread =
  | { readonly type: 'ready' }
  | { readonly type: 'done'; readonly point?: Uint8Array }
  | { readonly type: 'failed'; readonly message: string };

const port = parentPort;
if (!port) throw new Error('thread.ts runs as a worker thread');
const { code, key } = workerData as ThreadData;
const engine = await NativeEngine.create(code, key);
const send = (message: FromThread) => port.postMessage(message);

port.on('message', (message: ToThread) => {
  if (message.type === 'begin') {
    engine.begin();
    return;
  }
  try {
    const point = engine.run(message.task);
    send({ type: 'done', ...(point && { point }) });
  } catch (error) {
    send({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
  }
});
send({ type: 'ready' });
