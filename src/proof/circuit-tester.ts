import { readFile } from 'node:fs/promises';
import { type CompiledCircuit, compileFile, compileText } from './compile.ts';
import { ProofError } from './errors.ts';
import type { CircuitInput } from './prover/backend.ts';
import { WitnessCalculator } from './prover/witness-calculator.ts';
import {
  parseR1cs,
  parseSymbols,
  parseWitness,
  type R1cs,
  type SymbolTable,
  violatedConstraints,
} from './r1cs.ts';

/**
 * A compiled circuit to examine: compute witnesses, read signals, change one and see whether a constraint notices.
 * Needs no key.
 */
export class CircuitTester {
  readonly circuit: CompiledCircuit;
  readonly r1cs: R1cs;
  readonly symbols: SymbolTable;
  readonly #calculator: WitnessCalculator;

  private constructor(
    circuit: CompiledCircuit,
    r1cs: R1cs,
    symbols: SymbolTable,
    calculator: WitnessCalculator,
  ) {
    this.circuit = circuit;
    this.r1cs = r1cs;
    this.symbols = symbols;
    this.#calculator = calculator;
  }

  /** Open a compiled circuit. */
  static async open(circuit: CompiledCircuit): Promise<CircuitTester> {
    const [r1cs, symbols, wasm] = await Promise.all([
      readFile(circuit.r1csPath),
      readFile(circuit.symPath, 'utf8'),
      readFile(circuit.wasmPath),
    ]);
    return new CircuitTester(
      circuit,
      parseR1cs(r1cs),
      parseSymbols(symbols),
      await WitnessCalculator.create(wasm),
    );
  }

  /** Compile a circuit file below the project's root and open it. Throws as {@link compileFile}. */
  static async fromFile(path: string): Promise<CircuitTester> {
    return CircuitTester.open(await compileFile(path));
  }

  /** Compile a circuit given as text and open it. Throws as {@link compileText}. */
  static async fromText(name: string, text: string): Promise<CircuitTester> {
    return CircuitTester.open(await compileText(name, text));
  }

  /** The same constraints with another witness generator: one that was changed. */
  async withGenerator(wasm: Uint8Array): Promise<CircuitTester> {
    return new CircuitTester(this.circuit, this.r1cs, this.symbols, await WitnessCalculator.create(wasm));
  }

  /** Number of constraints. */
  get constraints(): number {
    return this.r1cs.constraints;
  }

  /** The witness for these inputs. Throws `INPUT_INVALID` or `WITNESS_REJECTED`. */
  async witness(input: CircuitInput): Promise<bigint[]> {
    return parseWitness(await this.#calculator.calculate(input));
  }

  /**
   * Wire of a signal, by its full name such as `main.leg[3].value`; the leading `main.` may be left out.
   *
   * @throws {ProofError} `INPUT_INVALID` for a name that the optimised circuit does not have.
   */
  wire(name: string): number {
    const wire = this.symbols.wires.get(name) ?? this.symbols.wires.get(`main.${name}`);
    if (wire === undefined) {
      throw new ProofError('INPUT_INVALID', `the circuit has no signal ${name}, or it was optimised away`, {
        field: name,
      });
    }
    return wire;
  }

  /** Value of a signal in a witness. Throws as {@link wire}. */
  signal(witness: readonly bigint[], name: string): bigint {
    return witness[this.wire(name)]!;
  }

  /** A copy of a witness with some signals changed. Throws as {@link wire}. */
  mutate(witness: readonly bigint[], changes: Readonly<Record<string, bigint>>): bigint[] {
    const copy = [...witness];
    for (const [name, value] of Object.entries(changes)) copy[this.wire(name)] = value;
    return copy;
  }

  /** Indices of constraints that a witness violates, at most `limit`; empty when the circuit accepts it. */
  violated(witness: readonly bigint[], limit = 1): number[] {
    return violatedConstraints(this.r1cs, witness, limit);
  }
}
