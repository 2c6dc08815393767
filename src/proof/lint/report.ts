import { readFile } from 'node:fs/promises';
import { Type } from 'typebox';
import { checkShape } from '../../check-shape.ts';
import { ProofError } from '../errors.ts';
import { parseR1cs, parseSymbols, type SymbolTable } from '../r1cs.ts';
import type { Linear } from './linear.ts';
import {
  type ConstraintSystem,
  inputsOf,
  type RemovedInput,
  type Substitutions,
  systemOf,
} from './system.ts';
import { type Rule, UniquenessLint, type UniquenessProgress } from './uniqueness.ts';

/** Longest linear combination printed in full. */
const MOST_TERMS = 6;

/** A signal that the lint cannot settle and that an argument outside of it does. */
export interface UniquenessAllowance {
  /** Names of the instances it holds for. */
  readonly circuits: readonly string[];
  /** Name of the signals with every index as `[*]`, as the report prints it. */
  readonly pattern: string;
  /** The argument, or where it is written. */
  readonly reason: string;
}

/** A known warning of the compiler's own inspection. */
export interface InspectAllowance {
  /** Template with parameters; `*` stands for any text. */
  readonly template: string;
  /** The signal with indices of components as `[*]`. */
  readonly signal: string;
  /** How many signals are unused; left out where the parameters decide. */
  readonly unused?: number;
  readonly reason: string;
}

/** Content of `circuits/inspect-allow.json`. */
export interface LintAllowances {
  readonly inspect: readonly InspectAllowance[];
  readonly uniqueness: readonly UniquenessAllowance[];
}

const text = Type.String({ minLength: 1, maxLength: 400 });
const allowancesSchema = Type.Object(
  {
    inspect: Type.Array(
      Type.Object(
        {
          template: text,
          signal: text,
          unused: Type.Optional(Type.Integer({ minimum: 1 })),
          reason: text,
        },
        { additionalProperties: false },
      ),
    ),
    uniqueness: Type.Array(
      Type.Object(
        { circuits: Type.Array(text, { minItems: 1 }), pattern: text, reason: text },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);

/** Read an allow-list. Throws {@link ProofError} `INPUT_INVALID` for a file that is no list. */
export async function readAllowances(path: string): Promise<LintAllowances> {
  let document: unknown;
  try {
    document = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new ProofError('INPUT_INVALID', `cannot read the allow-list ${path}: ${(error as Error).message}`);
  }
  return checkShape(allowancesSchema, document);
}

/** Signals of one pattern. */
export interface SignalGroup {
  /** Name with every index as `[*]`, and without the source positions in names of anonymous components. */
  readonly pattern: string;
  readonly signals: number;
  /** Full name of one of them. */
  readonly example: string;
}

/** Signals that the lint could not settle. */
export interface OpenGroup extends SignalGroup {
  /** True when an output of the main component is among them. */
  readonly isOutput: boolean;
  /** A constraint with one of them, undetermined signals marked with a question mark. */
  readonly constraint: string;
}

/** What the lint found in one circuit. */
export interface UniquenessReport {
  readonly circuit: string;
  readonly constraints: number;
  readonly signals: number;
  /** Signals by the rule that determined them. */
  readonly determined: Readonly<Partial<Record<Rule, number>>>;
  /** Undetermined, and nothing depends on them: inverse hints of tests for zero. */
  readonly harmless: readonly SignalGroup[];
  readonly open: readonly OpenGroup[];
  /** Inputs of the main component that no constraint mentions, and no allowance does. */
  readonly unusedInputs: readonly string[];
  /** Allowances for this circuit that nothing needs. */
  readonly stale: readonly string[];
}

/** True when every signal is determined, harmless or allowed, and every allowance is needed. */
export function passes(report: UniquenessReport): boolean {
  return report.open.length === 0 && report.unusedInputs.length === 0 && report.stale.length === 0;
}

/** The pattern of a signal's name: indices as `[*]`; anonymous components without line and offset. */
export function patternOf(name: string): string {
  return name.replace(/\[\d+\]/g, '[*]').replace(/_\d+_\d+(?=[.[]|$)/g, '');
}

/**
 * Lint a constraint system.
 *
 * Allowances are applied in order: the open signals of each are taken for determined, and the rules go on from there,
 * so that an allowance for a cause settles its consequences.
 */
function lintSystem(
  circuit: string,
  system: ConstraintSystem,
  symbols: SymbolTable,
  {
    allowances = [],
    removed = [],
    onProgress,
  }: {
    readonly allowances?: readonly UniquenessAllowance[];
    /** Inputs of which nothing is left. */
    readonly removed?: readonly RemovedInput[];
    readonly onProgress?: ((progress: UniquenessProgress) => void) | undefined;
  } = {},
): UniquenessReport {
  const lint = new UniquenessLint(system, onProgress);
  let result = lint.run();
  const nameOf = (wire: number): string => symbols.names.get(wire)?.[0] ?? `wire ${wire}`;
  const open = (): number[] =>
    result.rules.flatMap((rule, wire) => (rule === undefined && !result.harmless[wire] ? [wire] : []));
  const unused = new Set([...unusedInputs(system)].map(nameOf));
  for (const { name } of removed) unused.add(name);
  const stale: string[] = [];
  for (const { circuits, pattern } of allowances) {
    if (!circuits.includes(circuit)) continue;
    const wires = open().filter((wire) => patternOf(nameOf(wire)) === pattern);
    const inputs = [...unused].filter((name) => patternOf(name) === pattern);
    if (wires.length + inputs.length === 0) stale.push(pattern);
    for (const name of inputs) unused.delete(name);
    if (wires.length === 0) continue;
    lint.assume(wires);
    result = lint.run();
  }

  const determined: Partial<Record<Rule, number>> = {};
  const harmless: number[] = [];
  // Wire 0 is the constant, no signal.
  for (let wire = 1; wire < system.wires; wire++) {
    const rule = result.rules[wire];
    if (rule !== undefined) determined[rule] = (determined[rule] ?? 0) + 1;
    else if (result.harmless[wire]) harmless.push(wire);
  }
  const isKnown = (wire: number): boolean => result.rules[wire] !== undefined;
  const examples = constraintsOf(system, new Set(open()), isKnown);
  return {
    circuit,
    constraints: system.constraints.length,
    signals: system.wires - 1,
    determined,
    harmless: groupsOf(harmless, nameOf).map(({ wires: _, ...group }) => group),
    open: groupsOf(open(), nameOf).map(({ wires, ...group }) => ({
      ...group,
      isOutput: wires.some((wire) => system.outputs.includes(wire)),
      constraint: describe(system, examples.get(wires[0]!), nameOf, isKnown),
    })),
    unusedInputs: [...unused],
    stale,
  };
}

/**
 * Lint compiled files.
 *
 * @param substitutions of private inputs that the optimiser removed, see `removedInputs`.
 * @throws {ProofError} `FILE_MALFORMED` for files that are none or do not fit together.
 */
export async function lintFiles(
  circuit: string,
  files: { readonly r1csPath: string; readonly symPath: string },
  options: {
    readonly allowances?: readonly UniquenessAllowance[];
    readonly substitutions?: Substitutions;
    readonly onProgress?: (progress: UniquenessProgress) => void;
  } = {},
): Promise<UniquenessReport> {
  const [bytes, text] = await Promise.all([readFile(files.r1csPath), readFile(files.symPath, 'utf8')]);
  const r1cs = parseR1cs(bytes);
  const { substitutions = {}, allowances = [], onProgress } = options;
  const mentioned = new Set(
    Object.entries(substitutions).flatMap(([label, of]) => [label, ...Object.keys(of)]),
  );
  const removed = inputsOf(r1cs, text).removed.filter(({ label }) => !mentioned.has(String(label)));
  const system = systemOf(r1cs, text, substitutions);
  return lintSystem(circuit, system, parseSymbols(text), { allowances, removed, onProgress });
}

function unusedInputs(system: ConstraintSystem): Set<number> {
  const unused = new Set(system.inputs);
  for (const { a, b, c } of system.constraints) {
    for (const { variables } of [a, b, c]) for (const wire of variables) unused.delete(wire);
  }
  for (const { variables } of system.inputCombinations ?? [])
    for (const wire of variables) unused.delete(wire);
  return unused;
}

function groupsOf(
  wires: readonly number[],
  nameOf: (wire: number) => string,
): (SignalGroup & { wires: number[] })[] {
  const groups = new Map<string, number[]>();
  for (const wire of wires) {
    const pattern = patternOf(nameOf(wire));
    const group = groups.get(pattern);
    if (group) group.push(wire);
    else groups.set(pattern, [wire]);
  }
  return [...groups]
    .map(([pattern, members]) => ({
      pattern,
      signals: members.length,
      example: nameOf(members[0]!),
      wires: members,
    }))
    .sort((a, b) => b.signals - a.signals);
}

/** For each open wire the constraint that mentions it with the fewest open wires. */
function constraintsOf(
  system: ConstraintSystem,
  open: ReadonlySet<number>,
  isKnown: (wire: number) => boolean,
): Map<number, number> {
  const best = new Map<number, { index: number; unknown: number }>();
  system.constraints.forEach(({ a, b, c }, index) => {
    const unknown = new Set([a, b, c].flatMap(({ variables }) => variables.filter((wire) => !isKnown(wire))));
    // `x (x - 1) = 0` says least of all.
    const weight = unknown.size === 1 && c.variables.length === 0 ? Number.MAX_SAFE_INTEGER : unknown.size;
    for (const wire of unknown) {
      if (!open.has(wire) || weight >= (best.get(wire)?.unknown ?? Number.POSITIVE_INFINITY)) continue;
      best.set(wire, { index, unknown: weight });
    }
  });
  return new Map([...best].map(([wire, { index }]) => [wire, index]));
}

function describe(
  { field, constraints }: ConstraintSystem,
  index: number | undefined,
  nameOf: (wire: number) => string,
  isKnown: (wire: number) => boolean,
): string {
  if (index === undefined) return 'in no constraint';
  const { a, b, c } = constraints[index]!;
  const number = (value: bigint): string => {
    const size = value < 0n ? -value : value;
    const binary = size.toString(2);
    const figures = size > 1024n && /^10*$/.test(binary) ? `2^${binary.length - 1}` : String(size);
    return `${value < 0n ? '-' : ''}${figures}`;
  };
  const side = ({ variables, coefficients }: Linear): string => {
    if (variables.length === 0) return '0';
    const order = variables
      .map((_, i) => i)
      .sort((i, j) => Number(isKnown(variables[i]!)) - Number(isKnown(variables[j]!)));
    const terms = order.slice(0, MOST_TERMS).map((i) => {
      const wire = variables[i]!;
      const factor = number(field.centre(coefficients[i]!));
      if (wire === 0) return factor;
      const name = `${nameOf(wire)}${isKnown(wire) ? '' : '?'}`;
      return factor === '1' ? name : factor === '-1' ? `-${name}` : `${factor} ${name}`;
    });
    const more = variables.length - terms.length;
    return `${terms.join(' + ').replaceAll('+ -', '- ')}${more > 0 ? ` + ${more} more` : ''}`;
  };
  return `(${side(a)}) * (${side(b)}) = ${side(c)}`;
}
