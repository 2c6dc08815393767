/** A proving process. Its parent talks to it over IPC; it ends when told to, or when the parent is gone. */
import { ProofError, serializeError } from '../errors.ts';
import { CircuitProver } from './circuit-prover.ts';
import type { FromWorker, ToWorker } from './protocol.ts';

if (!process.send) throw new Error('worker.ts runs as a child process with an IPC channel');
const send = (message: FromWorker) => {
  // A parent that is gone takes no message; `disconnect` ends this process.
  if (process.connected) process.send?.(message);
};

let prover = new CircuitProver([]);
let busy = false;

process.on('message', (message: ToWorker) => {
  void handle(message);
});
process.on('disconnect', () => process.exit(0));
// An interrupt at the terminal reaches the whole process group; the parent decides when this process ends.
process.on('SIGINT', () => {});

async function handle(message: ToWorker): Promise<void> {
  switch (message.type) {
    case 'start': {
      prover = new CircuitProver(message.circuits);
      // A circuit that does not load fails its own jobs, with a typed error, and no others.
      if (message.preload)
        await Promise.allSettled(message.circuits.map((circuit) => prover.load(circuit.name)));
      send({ type: 'ready' });
      return;
    }
    case 'prove': {
      const { id, job } = message;
      try {
        if (busy) throw new ProofError('INTERNAL', 'the proving process works on another job');
        busy = true;
        const result = await prover.prove(job, (stage) => send({ type: 'progress', id, stage }));
        send({ type: 'proved', id, result });
      } catch (error) {
        send({ type: 'failed', id, error: serializeError(error) });
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
