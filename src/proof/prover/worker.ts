/** A proving process. Its parent talks to it over IPC; it ends when told to, or when the parent is gone. */
import { rmdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { ProofError, serializeError } from '../errors.ts';
import { CircuitProver } from './circuit-prover.ts';
import type { FromWorker, LoadFailure, ToWorker } from './protocol.ts';

if (!process.send) throw new Error('worker.ts runs as a child process with an IPC channel');
const send = (message: FromWorker) => {
  // A parent that is gone takes no message; `disconnect` ends this process.
  if (process.connected) process.send?.(message);
};

let prover = new CircuitProver([]);
let scratch: string | undefined;
let busy = false;

process.on('message', (message: ToWorker) => {
  void handle(message);
});
process.on('disconnect', () => {
  // Nobody else is left to remove witnesses, and to end an external prover in this process's group.
  if (scratch !== undefined) {
    rmSync(scratch, { recursive: true, force: true });
    try {
      // The last process removes the pool's directory; for the others it is not empty yet.
      rmdirSync(dirname(scratch));
    } catch {}
  }
  try {
    process.kill(-process.pid, 'SIGKILL');
  } catch {
    // This process leads no group.
  }
  process.exit(0);
});
// An interrupt at the terminal is the parent's to handle; it decides when this process ends.
process.on('SIGINT', () => {});

async function handle(message: ToWorker): Promise<void> {
  const rss = () => process.memoryUsage.rss();
  switch (message.type) {
    case 'start': {
      scratch = message.scratch;
      prover = new CircuitProver(message.circuits, message.backend, { scratch, ownGroup: false });
      const failures: LoadFailure[] = [];
      // A circuit that does not load fails its own jobs and no others; whoever started this process is told.
      const load = async (circuit: string) => {
        await prover.load(circuit).catch((error: unknown) => {
          failures.push({ circuit, error: serializeError(error) });
        });
      };
      if (message.preload) await Promise.all(message.circuits.map(({ name }) => load(name)));
      send({ type: 'ready', failures, rss: rss() });
      return;
    }
    case 'prove': {
      const { id, job } = message;
      try {
        if (busy) throw new ProofError('INTERNAL', 'the proving process works on another job');
        busy = true;
        const result = await prover.prove(job, (stage, step) =>
          send({ type: 'progress', id, stage, ...(step !== undefined && { step }) }),
        );
        send({ type: 'proved', id, result, rss: rss() });
      } catch (error) {
        send({ type: 'failed', id, error: serializeError(error), rss: rss() });
      } finally {
        busy = false;
      }
      return;
    }
    case 'close':
      await prover.close();
      process.exit(0);
  }
}
