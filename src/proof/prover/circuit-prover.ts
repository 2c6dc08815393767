import { readFile } from 'node:fs/promises';
import { singleThreadCurve } from '../curve.ts';
import { ProofError } from '../errors.ts';
import { decodeProvingKey, verificationKeyOf } from '../keys/zkey.ts';
import { type ProverBackend, toCalldata } from './backend.ts';
import type { ProofJob, ProofStage, ProofTimings, ProvenJob, ProverCircuit } from './protocol.ts';
import { createSnarkjsBackend } from './snarkjs-backend.ts';
import { assertProofValid } from './verify.ts';
import { WitnessCalculator } from './witness-calculator.ts';

/** From inputs to a verified proof, in the calling process. Keys are loaded at first use and stay in memory. */
export class CircuitProver {
  readonly #circuits: ReadonlyMap<string, ProverCircuit>;
  readonly #loaded = new Map<string, Promise<{ calculator: WitnessCalculator; backend: ProverBackend }>>();

  constructor(circuits: readonly ProverCircuit[]) {
    this.#circuits = new Map(circuits.map((circuit) => [circuit.name, circuit]));
  }

  /**
   * Load a circuit's witness calculator and key.
   *
   * @throws {ProofError} `CIRCUIT_NOT_FOUND`, `FILE_MALFORMED`, `KEY_MISMATCH` when the proving key does not belong to
   * the verification key.
   */
  load(name: string): Promise<{ calculator: WitnessCalculator; backend: ProverBackend }> {
    let loading = this.#loaded.get(name);
    if (!loading) {
      loading = this.#load(name);
      this.#loaded.set(name, loading);
      loading.catch(() => this.#loaded.delete(name));
    }
    return loading;
  }

  async #load(name: string): Promise<{ calculator: WitnessCalculator; backend: ProverBackend }> {
    const circuit = this.#circuits.get(name);
    if (!circuit)
      throw new ProofError('CIRCUIT_NOT_FOUND', `no circuit ${name} is served`, { circuit: name });
    const read = (path: string) =>
      readFile(path).catch(() => {
        throw new ProofError('CIRCUIT_NOT_FOUND', `a file of circuit ${name} is missing`, {
          circuit: name,
          path,
        });
      });
    const [wasm, zkey] = await Promise.all([read(circuit.wasmPath), read(circuit.zkeyPath)]);
    const own = verificationKeyOf(await singleThreadCurve(), decodeProvingKey(zkey));
    for (const field of ['nPublic', 'vk_alpha_1', 'vk_beta_2', 'vk_gamma_2', 'vk_delta_2', 'IC'] as const) {
      if (JSON.stringify(own[field]) !== JSON.stringify(circuit.verificationKey[field])) {
        throw new ProofError(
          'KEY_MISMATCH',
          `the proving key of ${name} is not that of its verification key`,
          {
            circuit: name,
            field,
          },
        );
      }
    }
    return { calculator: await WitnessCalculator.create(wasm), backend: createSnarkjsBackend(zkey) };
  }

  /**
   * Prove, and verify the proof.
   *
   * @param onStage told at the start of each stage.
   * @throws {ProofError} `INPUT_INVALID`, `WITNESS_REJECTED`, `KEY_MISMATCH`, `PROOF_INVALID`, and as {@link load}.
   */
  async prove(job: ProofJob, onStage: (stage: ProofStage) => void = () => {}): Promise<ProvenJob> {
    const timings: ProofTimings = { loading: 0, witness: 0, proving: 0, verifying: 0 };
    const stage = async <T>(name: ProofStage, action: () => Promise<T>): Promise<T> => {
      onStage(name);
      const start = performance.now();
      try {
        return await action();
      } finally {
        timings[name] = performance.now() - start;
      }
    };
    const { calculator, backend } = await stage('loading', () => this.load(job.circuit));
    const witness = await stage('witness', () => calculator.calculate(job.input));
    const { proof, publicSignals } = await stage('proving', () => backend.prove(witness));
    const key = this.#circuits.get(job.circuit)!.verificationKey;
    await stage('verifying', () => assertProofValid(key, publicSignals, proof));
    return { circuit: job.circuit, proof, publicSignals, calldata: toCalldata(proof), timings };
  }

  /** Free keys and threads. */
  async close(): Promise<void> {
    const loaded = [...this.#loaded.values()];
    this.#loaded.clear();
    for (const loading of loaded) {
      const prover = await loading.catch(() => undefined);
      await prover?.backend.close();
    }
  }
}
