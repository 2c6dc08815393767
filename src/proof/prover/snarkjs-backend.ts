import { groth16, type Logger, type MemoryFile } from 'snarkjs';
import { terminateSnarkjsThreads } from '../curve.ts';
import { ProofError } from '../errors.ts';
import { decodeProvingKey } from '../keys/zkey.ts';
import {
  assertNotCancelled,
  type BackendProveOptions,
  type ProofResult,
  type ProverBackend,
  type ProvingStep,
} from './backend.ts';
import { witnessValues } from './witness-file.ts';

/** Backends that use the process's one threaded curve; the last to close ends its threads. */
let users = 0;

/**
 * Prover over snarkjs's WASM, on as many threads as the machine has cores. The key stays in memory.
 *
 * @param zkey content of the .zkey file.
 * @throws {ProofError} `FILE_MALFORMED`.
 */
export function createSnarkjsBackend(zkey: Uint8Array): ProverBackend {
  const { wires } = decodeProvingKey(zkey);
  const key: MemoryFile = { type: 'mem', data: zkey };
  let open = true;
  users++;
  return {
    name: 'snarkjs',
    async prove(witness: Uint8Array, options: BackendProveOptions = {}): Promise<ProofResult> {
      if (!open) throw new ProofError('POOL_UNAVAILABLE', 'the prover is closed');
      witnessValues(witness, wires);
      assertNotCancelled(options.signal);
      const { proof, publicSignals } = await groth16.prove(
        key,
        { type: 'mem', data: witness },
        stepLogger(options),
      );
      return { proof, publicSignals };
    },
    async close() {
      if (!open) return;
      open = false;
      users--;
      if (users === 0) await terminateSnarkjsThreads();
    },
  };
}

/**
 * The step that a line of snarkjs's log belongs to; undefined when it tells none. The log is the only sign that snarkjs
 * gives while it proves.
 */
export function stepOfLog(line: string): ProvingStep | undefined {
  if (/^(Building ABC|QAP )/.test(line)) return 'constraints';
  if (/^I?FFT_[ABC]\b/.test(line) || /^JoinABC\b/.test(line)) return 'transforms';
  if (/multiexp H\b/.test(line) || /^Reading H Points/.test(line)) return 'quotient';
  if (/multiexp (A|B1|B2|C)\b/.test(line) || /^Reading (A|B1|B2|C) Points/.test(line)) return 'points';
  return undefined;
}

/** A logger that reports steps as they begin. It throws between two of them to end a cancelled proof. */
function stepLogger({ onStep, signal }: BackendProveOptions): Logger {
  let current: ProvingStep | undefined;
  const line = (message: string) => {
    const step = stepOfLog(message);
    if (step === undefined || step === current) return;
    assertNotCancelled(signal);
    current = step;
    onStep?.(step);
  };
  const quiet = () => {};
  return { debug: line, info: quiet, warn: quiet, error: quiet };
}
