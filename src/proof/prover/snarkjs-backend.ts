import { groth16, type MemoryFile } from 'snarkjs';
import { terminateSnarkjsThreads } from '../curve.ts';
import { ProofError } from '../errors.ts';
import { decodeProvingKey } from '../keys/zkey.ts';
import { readSections, sectionBytes } from '../r1cs.ts';
import type { ProofResult, ProverBackend } from './backend.ts';

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
    async prove(witness: Uint8Array): Promise<ProofResult> {
      if (!open) throw new ProofError('POOL_UNAVAILABLE', 'the prover is closed');
      const count = witnessLength(witness);
      if (count !== wires) {
        throw new ProofError('KEY_MISMATCH', `the witness has ${count} wires, the key ${wires}`, {
          count,
          wires,
        });
      }
      const { proof, publicSignals } = await groth16.prove(key, { type: 'mem', data: witness });
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

function witnessLength(witness: Uint8Array): number {
  const header = sectionBytes(witness, readSections(witness, 'wtns'), 1);
  return new DataView(header.buffer, header.byteOffset, header.byteLength).getUint32(36, true);
}
