import { SCALAR_MODULUS } from '../../math/fixed/scalar-field.ts';
import { ProofError } from '../errors.ts';
import { writeU256LE } from '../field.ts';
import type { CircuitInput, InputValue } from './backend.ts';
import { emptyWitnessFile } from './witness-file.ts';

interface CircuitExports {
  init(sanityCheck: number): void;
  getWitnessSize(): number;
  getWitness(index: number): void;
  getInputSize(): number;
  getInputSignalSize(hashHigh: number, hashLow: number): number;
  setInputSignal(hashHigh: number, hashLow: number, position: number): void;
  readSharedRWMemory(word: number): number;
  writeSharedRWMemory(word: number, value: number): void;
  getFieldNumLen32(): number;
  getRawPrime(): void;
  getMessageChar(): number;
}

/** Meaning of the codes with which a circuit's WASM stops. */
const EXCEPTIONS: Readonly<Record<number, string>> = {
  1: 'signal not found',
  2: 'too many signals set',
  3: 'signal already set',
  4: 'assertion failed',
  5: 'not enough memory',
  6: 'input array access exceeds the size',
};

/**
 * Computes witnesses with a compiled circuit's WASM. The code is compiled once and an instance is reused; its memory is
 * what the circuit asks for, no more.
 */
export class WitnessCalculator {
  readonly #module: WebAssembly.Module;
  #instance: CircuitExports | undefined;
  #messages = '';

  private constructor(module: WebAssembly.Module) {
    this.#module = module;
  }

  /**
   * @param wasm content of the circuit's .wasm file.
   * @throws {ProofError} `FILE_MALFORMED` for anything else.
   */
  static async create(wasm: Uint8Array): Promise<WitnessCalculator> {
    try {
      const calculator = new WitnessCalculator(await WebAssembly.compile(wasm));
      await calculator.#fresh();
      return calculator;
    } catch (cause) {
      if (cause instanceof ProofError) throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ProofError('FILE_MALFORMED', `not the .wasm file of a circuit: ${why}`, {}, { cause });
    }
  }

  /** Numbers that a witness has. */
  async witnessSize(): Promise<number> {
    return (await this.#fresh()).getWitnessSize();
  }

  /**
   * Compute a witness.
   *
   * @param input every input signal of the circuit; multi-dimensional signals as nested lists.
   * @returns content of a .wtns file.
   * @throws {ProofError} `INPUT_INVALID` naming the signal: unknown, missing, wrong number of values, or not a decimal
   * integer in [0, r), which the circuit would silently reduce. `WITNESS_REJECTED` when the inputs satisfy no witness;
   * the message names template and line, and no values.
   */
  async calculate(input: CircuitInput): Promise<Uint8Array> {
    const circuit = await this.#fresh();
    try {
      circuit.init(0);
      let set = 0;
      for (const [name, value] of Object.entries(input)) {
        const values = flatten(name, value);
        const [high, low] = signalHash(name);
        const size = circuit.getInputSignalSize(high, low);
        if (size < 0)
          throw new ProofError('INPUT_INVALID', `the circuit has no input ${name}`, { field: name });
        if (values.length !== size) {
          throw new ProofError('INPUT_INVALID', `input ${name} takes ${size} values, not ${values.length}`, {
            field: name,
          });
        }
        const words = new Uint32Array(8);
        const bytes = new Uint8Array(words.buffer);
        values.forEach((element, position) => {
          writeU256LE(bytes, 0, element);
          for (let word = 0; word < 8; word++) circuit.writeSharedRWMemory(word, words[word]!);
          circuit.setInputSignal(high, low, position);
          set++;
        });
      }
      const expected = circuit.getInputSize();
      if (set < expected) {
        throw new ProofError('INPUT_INVALID', `only ${set} of ${expected} input values are given`, {
          given: set,
          expected,
        });
      }
      return witnessFile(circuit);
    } catch (error) {
      // An instance that stopped in the middle is not in a state to be used again.
      this.#instance = undefined;
      if (error instanceof ProofError) throw error;
      const trace = this.#messages.trim();
      throw new ProofError(
        'WITNESS_REJECTED',
        `the inputs do not satisfy the circuit: ${trace || String(error)}`,
      );
    } finally {
      this.#messages = '';
    }
  }

  async #fresh(): Promise<CircuitExports> {
    if (this.#instance) return this.#instance;
    const message = () => {
      let text = '';
      const circuit = this.#pending;
      if (!circuit) return text;
      for (let c = circuit.getMessageChar(); c !== 0; c = circuit.getMessageChar())
        text += String.fromCharCode(c);
      return text;
    };
    const instance = await WebAssembly.instantiate(this.#module, {
      runtime: {
        exceptionHandler: (code: number) => {
          throw new Error(EXCEPTIONS[code] ?? `error ${code}`);
        },
        printErrorMessage: () => {
          this.#messages += `${message()}\n`;
        },
        // What circuits print with log() is dropped: it would carry witness values into the logs.
        writeBufferMessage: () => {
          message();
        },
        showSharedRWMemory: () => {},
      },
    });
    this.#pending = instance.exports as unknown as CircuitExports;
    this.#instance = this.#pending;
    if (this.#instance.getFieldNumLen32() !== 8) {
      throw new ProofError('FILE_MALFORMED', 'the circuit is not over the BN254 scalar field');
    }
    return this.#instance;
  }

  #pending: CircuitExports | undefined;
}

function witnessFile(circuit: CircuitExports): Uint8Array {
  const size = circuit.getWitnessSize();
  const { file, values } = emptyWitnessFile(size);
  const view = new DataView(values.buffer, values.byteOffset);
  for (let wire = 0; wire < size; wire++) {
    circuit.getWitness(wire);
    for (let word = 0; word < 8; word++) {
      view.setUint32(32 * wire + 4 * word, circuit.readSharedRWMemory(word), true);
    }
  }
  return file;
}

function flatten(name: string, value: InputValue): bigint[] {
  const values: bigint[] = [];
  const visit = (part: InputValue, path: string): void => {
    if (Array.isArray(part)) {
      part.forEach((item: InputValue, i) => {
        visit(item, `${path}[${i}]`);
      });
      return;
    }
    if (typeof part !== 'string' || part.length > 78 || !/^(0|[1-9][0-9]*)$/.test(part)) {
      throw new ProofError('INPUT_INVALID', `input ${path} is not a decimal string`, { field: path });
    }
    const element = BigInt(part);
    if (element >= SCALAR_MODULUS) {
      throw new ProofError('INPUT_INVALID', `input ${path} is not below the field's modulus`, {
        field: path,
      });
    }
    values.push(element);
  };
  visit(value, name);
  return values;
}

/** 64-bit FNV-1a of a signal's name, as two words: how a circuit's WASM names its inputs. */
function signalHash(name: string): [number, number] {
  let hash = 0xcbf29ce484222325n;
  for (let i = 0; i < name.length; i++) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(name.charCodeAt(i))) * 0x100000001b3n);
  }
  return [Number(hash >> 32n), Number(hash & 0xffffffffn)];
}
