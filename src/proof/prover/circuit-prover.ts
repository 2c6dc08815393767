import { readFile } from 'node:fs/promises';
import { singleThreadCurve } from '../curve.ts';
import { ProofError } from '../errors.ts';
import { decodeProvingKey, verificationKeyOf } from '../keys/zkey.ts';
import { assertNotCancelled, type ProverBackend, type ProvingStep, toCalldata } from './backend.ts';
import { type BackendConfiguration, type BackendEnvironment, openBackend } from './backends.ts';
import type { ProofJob, ProofStage, ProofTimings, ProvenJob, ProverCircuit } from './protocol.ts';
import { assertProofValid } from './verify.ts';
import { WitnessCalculator } from './witness-calculator.ts';

interface LoadedCircuit {
  calculator: WitnessCalculator;
  backend: ProverBackend;
}

/** What reads a file of a circuit, with both of them in its errors. */
async function named<T>(circuit: string, path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    const { code, message, details } = error;
    throw new ProofError(
      code,
      `a file of circuit ${circuit} cannot be used: ${path}: ${message}`,
      { ...details, circuit, path },
      { cause: error },
    );
  }
}

/** From inputs to a verified proof, in the calling process. Keys are loaded at first use and stay in memory. */
export class CircuitProver {
  readonly #circuits: ReadonlyMap<string, ProverCircuit>;
  readonly #backend: BackendConfiguration;
  readonly #environment: BackendEnvironment;
  readonly #loaded = new Map<string, Promise<LoadedCircuit>>();

  /** @param backend what makes the proofs; snarkjs unless given. */
  constructor(
    circuits: readonly ProverCircuit[],
    backend: BackendConfiguration = { name: 'snarkjs' },
    environment: BackendEnvironment = {},
  ) {
    this.#circuits = new Map(circuits.map((circuit) => [circuit.name, circuit]));
    this.#backend = backend;
    this.#environment = environment;
  }

  /** Names of its circuits. */
  get served(): ReadonlySet<string> {
    return new Set(this.#circuits.keys());
  }

  /**
   * Load a circuit's witness calculator and key.
   *
   * @throws {ProofError} `CIRCUIT_NOT_FOUND`, `FILE_MALFORMED`, `KEY_MISMATCH` when the proving key does not belong to
   * the verification key or to the witness calculator; each with the path.
   */
  load(name: string): Promise<LoadedCircuit> {
    let loading = this.#loaded.get(name);
    if (!loading) {
      loading = this.#load(name);
      this.#loaded.set(name, loading);
      loading.catch(() => this.#loaded.delete(name));
    }
    return loading;
  }

  async #load(name: string): Promise<LoadedCircuit> {
    const circuit = this.#circuits.get(name);
    if (!circuit)
      throw new ProofError('CIRCUIT_NOT_FOUND', `no circuit ${name} is served`, { circuit: name });
    const read = (path: string) =>
      readFile(path).catch(() => {
        throw new ProofError('CIRCUIT_NOT_FOUND', `a file of circuit ${name} is missing: ${path}`, {
          circuit: name,
          path,
        });
      });
    const [wasm, zkey] = await Promise.all([read(circuit.wasmPath), read(circuit.zkeyPath)]);
    const key = await named(name, circuit.zkeyPath, async () => decodeProvingKey(zkey));
    const own = verificationKeyOf(await singleThreadCurve(), key);
    for (const field of ['nPublic', 'vk_alpha_1', 'vk_beta_2', 'vk_gamma_2', 'vk_delta_2', 'IC'] as const) {
      if (JSON.stringify(own[field]) !== JSON.stringify(circuit.verificationKey[field])) {
        throw new ProofError(
          'KEY_MISMATCH',
          `the proving key of ${name} is not that of its verification key: ${circuit.zkeyPath}`,
          {
            circuit: name,
            field,
            path: circuit.zkeyPath,
          },
        );
      }
    }
    const calculator = await named(name, circuit.wasmPath, () => WitnessCalculator.create(wasm));
    if ((await calculator.witnessSize()) !== key.wires) {
      throw new ProofError(
        'KEY_MISMATCH',
        `the proving key of ${name} is of another circuit than its witness calculator: ${circuit.wasmPath}`,
        { circuit: name, path: circuit.wasmPath },
      );
    }
    const files = { zkey, key, zkeyPath: circuit.zkeyPath };
    return { calculator, backend: await openBackend(this.#backend, files, this.#environment) };
  }

  /**
   * Prove, and verify the proof.
   *
   * @param onStage told at the start of each stage, and of each step of proving that the backend tells.
   * @param signal ends the job with `CANCELLED`; between two steps, in the middle only where the backend can.
   * @throws {ProofError} `INPUT_INVALID`, `WITNESS_REJECTED`, `KEY_MISMATCH`, `PROOF_INVALID`, `CANCELLED`, as
   * {@link load}, and as the backend's {@link ProverBackend.prove}.
   */
  async prove(
    job: ProofJob,
    onStage: (stage: ProofStage, step?: ProvingStep) => void = () => {},
    signal?: AbortSignal,
  ): Promise<ProvenJob> {
    const timings: ProofTimings = { loading: 0, witness: 0, proving: 0, verifying: 0 };
    const stage = async <T>(name: ProofStage, action: () => Promise<T>): Promise<T> => {
      assertNotCancelled(signal);
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
    const { proof, publicSignals } = await stage('proving', () =>
      backend.prove(witness, { ...(signal && { signal }), onStep: (step) => onStage('proving', step) }),
    );
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
