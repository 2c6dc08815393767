import {
  ceilDivide,
  type DigitTerm,
  disjoint,
  floorDivide,
  gcd,
  type Interval,
  intersect,
  larger,
  mayBeZero,
  product,
  smaller,
  splitDigits,
  times,
  widthOf,
} from './integers.ts';
import {
  coefficientOf,
  combine,
  isConstant,
  type Linear,
  linearOf,
  ratio,
  scale,
  select,
  ZERO,
} from './linear.ts';
import type { PrimeField } from './prime-field.ts';
import type { Constraint, ConstraintSystem } from './system.ts';

/**
 * Why a signal is determined.
 * - `input`: an input of the main component, or the constant.
 * - `linear`: the only unknown of a constraint, with a factor that cannot be 0.
 * - `digits`: a digit of a known number, where the digits' ranges leave no other choice and nothing wraps.
 * - `quotient`: quotient or remainder of a division whose remainder is shown to be smaller than the divisor.
 * - `square root`: floor of a root, or what is left over it.
 * - `zero test`: fixed both when a known factor is 0 and when it is not.
 * - `sign`: a boolean whose two values put a known number into disjoint ranges.
 * - `normalisation`: a factor of a few values that brings a known number into a range it can reach in one way only.
 * - `cases`: every assignment of a few signals of few values was tried.
 * - `constant`: one value is left.
 * - `assumed`: settled by an argument outside this program.
 */
export type Rule =
  | 'input'
  | 'linear'
  | 'digits'
  | 'quotient'
  | 'square root'
  | 'zero test'
  | 'sign'
  | 'normalisation'
  | 'cases'
  | 'constant'
  | 'assumed';

/** Most assignments that the case split tries, and most values kept for a signal. */
const MOST_CASES = 1_024;
const MOST_VALUES = 256;
/** How often the range of one signal may shrink; a bound on work, not on what is right. */
const MOST_TIGHTENINGS = 24;
/** Equations with more terms are not searched for sums with a range of their own. */
const LONGEST_SEARCH = 400;

/** A known number in more equations than this is not cancelled between them; a bound on work, and on combining what is combined. */
const MOST_PARTNERS = 64;

/** Constraints with factors of which one at most is 0 are not searched beyond this number of unknowns. */
const MOST_EXCLUSIVE = 40;

interface Row {
  readonly linear: Linear;
  /** Factor that makes the coefficients small integers; found once. */
  factor?: bigint | undefined;
  /** The variable that this row replaces in others. */
  replaces?: number | undefined;
  /** Reduced by others: another row stands for it. */
  superseded?: boolean;
  /** Made of two others to cancel a known number. */
  readonly isCombination: boolean;
  /** Rows that this one was so combined with. */
  combined?: Set<number>;
}

interface Scaled {
  readonly factor: bigint;
  /** Centred integers without a common divisor, one for each term. */
  readonly coefficients: readonly bigint[];
  /** Largest difference of two values of the sum. */
  readonly reach: bigint;
}

/** What became of each wire. */
export interface Uniqueness {
  /** By wire: the rule that determined it, or undefined. */
  readonly rules: readonly (Rule | undefined)[];
  /** By wire: true for an undetermined wire that can take another value without any other wire noticing. */
  readonly harmless: readonly boolean[];
  /** By wire: the interval of integers it was shown to lie in, modulo p. */
  readonly ranges: readonly (Interval | undefined)[];
}

/** How far a run is. */
export interface UniquenessProgress {
  readonly determined: number;
  readonly wires: number;
}

/**
 * Which wires are functions of the inputs.
 *
 * Method: two witnesses that agree on the inputs are compared, and wires on which they must agree are added until
 * nothing more follows ("uniqueness constraint propagation": Wang, "Ecne: automated verification of ZK circuits", 2022;
 * Pailoor et al., "Automated detection of under-constrained circuits in zero-knowledge proofs", PLDI 2023). No solver
 * is called; instead signals carry ranges of integers, and differences of two witnesses are bounded by them. A wire
 * called determined is determined; a wire left over may be determined by an argument that is not among the rules.
 */
export class UniquenessLint {
  readonly #system: ConstraintSystem;
  readonly #field: PrimeField;
  readonly #modulus: bigint;
  readonly #constraints: readonly Constraint[];
  readonly #rules: (Rule | undefined)[] = [];
  readonly #ranges: (Interval | undefined)[] = [];
  readonly #values: (readonly bigint[] | undefined)[] = [];
  readonly #tightenings: number[] = [];
  /** Of each variable: 3 * constraint + side. */
  readonly #uses: number[][] = [];
  readonly #rowsOf: number[][] = [];
  readonly #rows: Row[] = [];
  /** By variable: the row that replaces it. */
  readonly #replacements = new Map<number, number>();
  /** Unknown variables by 3 * constraint + side. */
  readonly #unknowns: Int32Array;
  /** Sides that are determined as a whole. */
  readonly #sideKnown: Uint8Array;
  readonly #hasRow: Uint8Array;
  readonly #sideRanged: Uint8Array;
  readonly #sumRanged: Uint8Array;
  /** Combinations settled as a whole. */
  readonly #settled = new Set<string>();
  /** Uses as a factor, by the variables of the factor. */
  readonly #sidesByVariables = new Map<string, number[]>();

  readonly #simple: number[] = [];
  readonly #pendingRows: number[] = [];
  readonly #hard: number[] = [];
  readonly #queuedSimple: Uint8Array;
  readonly #queuedHard: Uint8Array;
  readonly #queuedRows: boolean[] = [];
  readonly #onProgress: ((progress: UniquenessProgress) => void) | undefined;
  #determined = 0;
  #steps = 0;
  #retriedRows = 0;

  constructor(system: ConstraintSystem, onProgress?: (progress: UniquenessProgress) => void) {
    this.#system = system;
    this.#field = system.field;
    this.#modulus = system.field.modulus;
    this.#constraints = system.constraints;
    this.#onProgress = onProgress;
    const count = system.constraints.length;
    this.#unknowns = new Int32Array(3 * count);
    this.#sideKnown = new Uint8Array(3 * count);
    this.#hasRow = new Uint8Array(count);
    this.#sideRanged = new Uint8Array(2 * count);
    this.#sumRanged = new Uint8Array(count);
    this.#queuedSimple = new Uint8Array(count);
    this.#queuedHard = new Uint8Array(count);
    for (let wire = 0; wire < system.wires; wire++) this.#newVariable();
    this.#ranges[0] = { low: 1n, high: 1n };
    this.#values[0] = [1n];
    this.#index();
    this.#know(0, 'input');
    for (const wire of system.inputs) this.#know(wire, 'input');
    for (const linear of system.inputCombinations ?? []) this.#settle(this.#unknownPart(linear), 'input');
    for (let i = 0; i < count; i++) {
      this.#domain(i);
      this.#queueSimple(i);
      this.#queueHard(i);
    }
  }

  /** Apply the rules until nothing more follows. */
  run(): Uniqueness {
    do this.#drain();
    while (this.#settleSides() || this.#retry() || this.#rangeSums());
    this.#onProgress?.({ determined: this.#determined, wires: this.#system.wires });
    const wires = this.#system.wires;
    return {
      rules: this.#rules.slice(0, wires),
      harmless: Array.from({ length: wires }, (_, wire) => this.#isHarmless(wire)),
      ranges: this.#ranges.slice(0, wires),
    };
  }

  #drain(): void {
    for (;;) {
      if (++this.#steps % 4_096 === 0) {
        this.#onProgress?.({ determined: this.#determined, wires: this.#system.wires });
      }
      const simple = this.#simple.pop();
      if (simple !== undefined) {
        this.#queuedSimple[simple] = 0;
        this.#checkSimple(simple);
        continue;
      }
      const row = this.#pendingRows.pop();
      if (row !== undefined) {
        this.#queuedRows[row] = false;
        this.#checkRow(row);
        continue;
      }
      const hard = this.#hard.pop();
      if (hard === undefined) return;
      this.#queuedHard[hard] = 0;
      this.#checkHard(hard);
    }
  }

  /**
   * Find sides of constraints that are determined as a whole, though not each of their signals: the optimiser leaves
   * such when it solves linear constraints for other signals than the circuit's author. Poseidon's rounds need this.
   *
   * @returns true when something followed.
   */
  #settleSides(): boolean {
    let progress = false;
    this.#constraints.forEach((constraint, index) => {
      for (const [s, side] of [constraint.a, constraint.b, constraint.c].entries()) {
        if (this.#unknownCount(index, s) === 0 || (s === 2 && this.#hasRow[index])) continue;
        const unknown = this.#unknownPart(side);
        if (!unknown.variables.some((variable) => this.#replacements.has(variable))) continue;
        if (this.#unknownPart(this.#expand(unknown)).variables.length > 0) continue;
        this.#sideKnown[3 * index + s] = 1;
        this.#queueSimple(index);
        this.#queueHard(index);
        this.#drain();
        progress = true;
      }
    });
    return progress;
  }

  /**
   * Look at what is left once more, because a new equation may bound a sum in another.
   *
   * @returns false when nothing is new since the last time.
   */
  #retry(): boolean {
    const open = [...this.#rows.keys()].filter((index) => {
      const { superseded, linear } = this.#rows[index]!;
      return superseded !== true && linear.variables.some((variable) => !this.#isKnown(variable));
    });
    for (const index of open) this.#cancelKnown(index);
    if (this.#rows.length === this.#retriedRows) return false;
    this.#retriedRows = this.#rows.length;
    for (const index of open) this.#queueRow(index);
    for (let index = 0; index < this.#constraints.length; index++) {
      if (this.#unknownCount(index, 0) + this.#unknownCount(index, 1) > 0) this.#queueHard(index);
    }
    return true;
  }

  #unknownCount(constraint: number, side: number): number {
    return this.#sideKnown[3 * constraint + side] ? 0 : this.#unknowns[3 * constraint + side]!;
  }

  /** Take wires for determined; {@link run} then draws the conclusions. */
  assume(wires: Iterable<number>): void {
    for (const wire of wires) this.#know(wire, 'assumed');
  }

  // Variables and queues

  #newVariable(): number {
    const variable = this.#rules.length;
    this.#rules.push(undefined);
    this.#ranges.push(undefined);
    this.#values.push(undefined);
    this.#tightenings.push(0);
    this.#uses.push([]);
    this.#rowsOf.push([]);
    return variable;
  }

  #index(): void {
    this.#constraints.forEach((constraint, i) => {
      [constraint.a, constraint.b, constraint.c].forEach((side, s) => {
        for (const variable of side.variables) {
          this.#uses[variable]!.push(3 * i + s);
          this.#unknowns[3 * i + s]!++;
        }
        if (s < 2 && !isConstant(side)) {
          const key = keyOf(side);
          const list = this.#sidesByVariables.get(key);
          if (list) list.push(2 * i + s);
          else this.#sidesByVariables.set(key, [2 * i + s]);
        }
      });
    });
  }

  #isKnown(variable: number): boolean {
    return this.#rules[variable] !== undefined;
  }

  #know(variable: number, rule: Rule): void {
    if (this.#rules[variable] !== undefined) return;
    this.#rules[variable] = rule;
    if (variable < this.#system.wires) this.#determined++;
    for (const use of this.#uses[variable]!) {
      this.#unknowns[use]!--;
      const constraint = Math.floor(use / 3);
      this.#queueSimple(constraint);
      this.#queueHard(constraint);
    }
    for (const row of this.#rowsOf[variable]!) this.#queueRow(row);
  }

  #queueSimple(constraint: number): void {
    if (this.#queuedSimple[constraint]) return;
    this.#queuedSimple[constraint] = 1;
    this.#simple.push(constraint);
  }

  #queueHard(constraint: number): void {
    if (this.#queuedHard[constraint]) return;
    this.#queuedHard[constraint] = 1;
    this.#hard.push(constraint);
  }

  #queueRow(row: number): void {
    if (this.#queuedRows[row]) return;
    this.#queuedRows[row] = true;
    this.#pendingRows.push(row);
  }

  /** The terms that are not determined; the constant is. */
  #unknownPart(linear: Linear): Linear {
    return select(linear, (variable) => !this.#isKnown(variable));
  }

  /** Variables of one value as part of the constant. */
  #foldConstants(linear: Linear): Linear {
    const value = (variable: number): bigint | undefined => {
      const range = this.#ranges[variable];
      return range !== undefined && widthOf(range) === 0n ? range.low : undefined;
    };
    if (!linear.variables.some((variable) => variable !== 0 && value(variable) !== undefined)) return linear;
    return linearOf(
      this.#field,
      linear.variables.map((variable, i) => {
        const constant = value(variable);
        const coefficient = linear.coefficients[i]!;
        return constant === undefined ? [variable, coefficient] : [0, coefficient * constant];
      }),
    );
  }

  #knownPart(linear: Linear): Linear {
    return select(linear, (variable) => this.#isKnown(variable));
  }

  /** Add the equation `linear = 0`. */
  #addRow(linear: Linear, isCombination = false): void {
    if (isConstant(linear)) return;
    const row = this.#rows.length;
    this.#rows.push({ linear, isCombination });
    this.#queuedRows.push(false);
    for (const variable of linear.variables) if (variable !== 0) this.#rowsOf[variable]!.push(row);
    this.#queueRow(row);
  }

  /** Note that a linear combination of unknowns has the same value in all witnesses of the same inputs. */
  #settle(linear: Linear, rule: Rule): void {
    if (linear.variables.length === 0) return;
    if (linear.variables.length === 1) {
      this.#know(linear.variables[0]!, rule);
      return;
    }
    const unit = this.#field.invert(linear.coefficients[0]!);
    const key = scale(this.#field, linear, unit).coefficients.join() + linear.variables.join();
    if (this.#settled.has(key)) return;
    this.#settled.add(key);
    const sum = this.#newVariable();
    this.#know(sum, rule);
    this.#addRow(combine(this.#field, linear, 1n, { variables: [sum], coefficients: [1n] }, -1n));
  }

  // Ranges

  #setRange(variable: number, interval: Interval): void {
    if (interval.low > interval.high || widthOf(interval) >= this.#modulus) return;
    const old = this.#ranges[variable];
    let range: Interval;
    if (old === undefined) {
      const shift = this.#field.centre(interval.low) - interval.low;
      range = { low: interval.low + shift, high: interval.high + shift };
    } else {
      range = intersect(old, interval, this.#modulus);
      if (range.low > range.high || widthOf(range) >= widthOf(old)) return;
      if (this.#tightenings[variable]! >= MOST_TIGHTENINGS) return;
      this.#tightenings[variable]!++;
    }
    this.#ranges[variable] = range;
    if (widthOf(range) === 0n) this.#know(variable, 'constant');
    if (widthOf(range) <= 1n && this.#values[variable] === undefined) {
      const values = range.low === range.high ? [range.low] : [range.low, range.high];
      this.#values[variable] = values.map((value) => this.#field.reduce(value));
    }
    this.#noticeRange(variable);
  }

  #setValues(variable: number, values: readonly bigint[]): void {
    const old = this.#values[variable];
    if (old !== undefined && old.length <= values.length) return;
    this.#values[variable] = values;
    const centred = values.map((value) => this.#field.centre(value));
    const low = centred.reduce(smaller);
    const high = centred.reduce(larger);
    this.#setRange(variable, { low, high });
    this.#noticeRange(variable);
  }

  #noticeRange(variable: number): void {
    for (const use of this.#uses[variable]!) this.#queueHard(Math.floor(use / 3));
    for (const row of this.#rowsOf[variable]!) this.#queueRow(row);
  }

  /** Integers that `factor * linear` is congruent to; undefined when a range is missing or they go round the field. */
  #intervalOf(linear: Linear, factor = 1n): Interval | undefined {
    let low = 0n;
    let high = 0n;
    for (let i = 0; i < linear.variables.length; i++) {
      const range = this.#ranges[linear.variables[i]!];
      if (range === undefined) return undefined;
      const coefficient = this.#field.centre(linear.coefficients[i]! * factor);
      const term = times(range, coefficient);
      low += term.low;
      high += term.high;
      if (high - low >= this.#modulus) return undefined;
    }
    return { low, high };
  }

  #isNonZero(linear: Linear): boolean {
    if (isConstant(linear)) return linear.variables.length > 0;
    const factors = [1n, this.#field.invert(linear.coefficients[linear.coefficients.length - 1]!)];
    for (const factor of factors) {
      const interval = this.#intervalOf(linear, factor);
      if (interval !== undefined && !mayBeZero(interval, this.#modulus)) return true;
    }
    const values = this.#valuesOf(linear);
    return values !== undefined && !values.includes(0n);
  }

  /**
   * The factor that makes a combination of ranged variables one of small integers: of all that turn some coefficient
   * into 1, and of common denominators, the one with the smallest reach. Undefined when every one goes round the field.
   */
  #scaleOf(linear: Linear): Scaled | undefined {
    const widths: bigint[] = [];
    for (const variable of linear.variables) {
      const range = this.#ranges[variable];
      if (range === undefined) return undefined;
      widths.push(widthOf(range));
    }
    let best: Scaled | undefined;
    const attempt = (factor: bigint): void => {
      const limit = best?.reach ?? this.#modulus;
      let reach = 0n;
      let divisor = 0n;
      const coefficients: bigint[] = [];
      for (let i = 0; i < widths.length; i++) {
        const coefficient = this.#field.centre(linear.coefficients[i]! * factor);
        reach += (coefficient < 0n ? -coefficient : coefficient) * widths[i]!;
        if (reach >= limit) return;
        divisor = gcd(divisor, coefficient);
        coefficients.push(coefficient);
      }
      if (divisor === 0n) return;
      best = {
        factor: this.#field.reduce(factor * this.#field.invert(divisor)),
        coefficients: coefficients.map((coefficient) => coefficient / divisor),
        reach: reach / divisor,
      };
    };
    attempt(1n);
    const seen = new Set<bigint>();
    for (const coefficient of linear.coefficients) {
      if (seen.has(coefficient)) continue;
      seen.add(coefficient);
      attempt(this.#field.invert(coefficient));
    }
    if (best === undefined && linear.variables.length > 0) {
      const first = this.#field.invert(linear.coefficients[0]!);
      let denominator = 1n;
      for (const coefficient of linear.coefficients) {
        const fraction = this.#field.fraction(coefficient * first);
        if (fraction === undefined) return undefined;
        denominator *= fraction.denominator / gcd(denominator, fraction.denominator);
        if (denominator >= this.#modulus) return undefined;
      }
      attempt(this.#field.reduce(first * denominator));
    }
    return best;
  }

  /** The factor that gives a row of ranged variables small integer coefficients. */
  #integerFactor(row: Row): bigint | undefined {
    row.factor ??= this.#scaleOf(select(row.linear, (variable) => variable !== 0))?.factor;
    return row.factor;
  }

  /** Ranges that a row gives its variables. */
  #rangesFromRow(row: Row): void {
    const { linear } = row;
    let missing = -1;
    for (let i = 0; i < linear.variables.length; i++) {
      if (this.#ranges[linear.variables[i]!] !== undefined) continue;
      if (missing >= 0) return;
      missing = i;
    }
    if (missing >= 0) {
      const variable = linear.variables[missing]!;
      const rest = select(linear, (other) => other !== variable);
      const interval = this.#intervalOf(rest, -this.#field.invert(linear.coefficients[missing]!));
      if (interval !== undefined) this.#setRange(variable, interval);
      return;
    }
    const factor = this.#integerFactor(row);
    if (factor === undefined) return;
    const total = this.#intervalOf(linear, factor);
    if (total === undefined || !mayBeZero(total, this.#modulus)) return;
    // The sum is a multiple of p within an interval narrower than p: one certain integer.
    const sum = total.high - (((total.high % this.#modulus) + this.#modulus) % this.#modulus);
    for (let i = 0; i < linear.variables.length; i++) {
      const variable = linear.variables[i]!;
      if (variable === 0) continue;
      const range = this.#ranges[variable]!;
      const coefficient = this.#field.centre(linear.coefficients[i]! * factor);
      const own = times(range, coefficient);
      // coefficient * x = sum - others, others in [total.low - own.low, total.high - own.high]
      const low = sum - (total.high - own.high);
      const high = sum - (total.low - own.low);
      if (low <= own.low && high >= own.high) continue;
      const bounds = quotients(low, high, coefficient);
      this.#setRange(variable, {
        low: larger(bounds.low, range.low),
        high: smaller(bounds.high, range.high),
      });
      // Ranges changed under the totals: the row comes back by the queue.
      if (this.#ranges[variable] !== range) return;
    }
  }

  /** The interval of a combination of ranged variables, directly. Coefficients must be small as they are. */
  #bound(linear: Linear, start = this.#intervalOf(linear)): Interval | undefined {
    let best = start;
    for (const { factor, rest } of this.#rowsAround(linear)) {
      const interval = this.#intervalOf(rest, -factor);
      if (interval === undefined) continue;
      if (best === undefined) best = interval;
      else {
        const narrower = intersect(best, interval, this.#modulus);
        if (narrower.low <= narrower.high) best = narrower;
      }
    }
    return best;
  }

  /** Rows of which a combination is a part up to a factor: `linear + factor * rest = 0`. */
  #rowsAround(linear: Linear): { factor: bigint; rest: Linear }[] {
    const found: { factor: bigint; rest: Linear }[] = [];
    if (linear.variables.length === 0) return found;
    const pivot = linear.variables.reduce((a, b) =>
      this.#rowsOf[b]!.length < this.#rowsOf[a]!.length ? b : a,
    );
    for (const index of this.#rowsOf[pivot]!) {
      const row = this.#rows[index]!.linear;
      if (row.variables.length <= linear.variables.length) continue;
      const factor = this.#field.reduce(
        coefficientOf(linear, pivot) * this.#field.invert(coefficientOf(row, pivot)),
      );
      let matches = true;
      for (let i = 0; i < linear.variables.length && matches; i++) {
        matches =
          this.#field.reduce(coefficientOf(row, linear.variables[i]!) * factor) === linear.coefficients[i];
      }
      if (!matches) continue;
      const own = new Set(linear.variables);
      found.push({ factor, rest: select(row, (variable) => !own.has(variable)) });
    }
    return found;
  }

  // Values

  /** All values of a combination of variables of few values. */
  #valuesOf(linear: Linear): bigint[] | undefined {
    let sums = new Set<bigint>([0n]);
    for (let i = 0; i < linear.variables.length; i++) {
      const values = this.#values[linear.variables[i]!];
      if (values === undefined || sums.size * values.length > MOST_CASES) return undefined;
      const next = new Set<bigint>();
      for (const sum of sums) {
        for (const value of values) next.add(this.#field.reduce(sum + value * linear.coefficients[i]!));
      }
      sums = next;
    }
    return [...sums];
  }

  /** A constraint that says that a combination has one of two values, `(x - r)(x - s) = 0` in some form. */
  #domain(index: number): void {
    const { a, b, c } = this.#constraints[index]!;
    const field = this.#field;
    if (isConstant(a) || isConstant(b)) {
      const [constant, other] = isConstant(a) ? [a, b] : [b, a];
      this.#hasRow[index] = 1;
      this.#addRow(combine(field, other, constant.coefficients[0] ?? 0n, c, -1n));
      return;
    }
    const bare = (linear: Linear): Linear =>
      linear.variables[0] === 0
        ? { variables: linear.variables.slice(1), coefficients: linear.coefficients.slice(1) }
        : linear;
    const base = bare(a);
    const ofB = ratio(field, bare(b), base);
    const ofC = isConstant(c) ? 0n : ratio(field, bare(c), base);
    if (ofB === undefined || ofC === undefined) return;
    const constant = (linear: Linear): bigint => coefficientOf(linear, 0);
    // ofB x^2 + linear x + free = 0 for x = base.
    const linear = field.reduce(constant(b) + ofB * constant(a) - ofC);
    const free = field.reduce(constant(a) * constant(b) - constant(c));
    const roots = free === 0n ? [0n, -linear * field.invert(ofB)] : this.#rootsOf(ofB, linear, free);
    if (roots === undefined) return;
    roots.forEach((value, i) => {
      roots[i] = field.reduce(value);
    });
    roots.sort((x, y) => (field.centre(x) < field.centre(y) ? -1 : 1));
    const [r, s] = roots as [bigint, bigint];
    const single = base.variables.length === 1 ? base.variables[0]! : undefined;
    if (single !== undefined) {
      const unit = field.invert(base.coefficients[0]!);
      const values = [...new Set([field.reduce(r * unit), field.reduce(s * unit)])];
      this.#setValues(single, values);
      if (values.length === 1) this.#know(single, 'constant');
      if (values.length === 1 || field.reduce(values[0]! - values[1]!) === 1n) return;
      if (field.reduce(values[1]! - values[0]!) === 1n) return;
    }
    if (r === s) {
      this.#addRow(combine(field, base, 1n, { variables: [0], coefficients: [1n] }, -r));
      return;
    }
    // A boolean that says which: base = r + (s - r) boolean.
    const boolean = this.#newVariable();
    this.#setValues(boolean, [0n, 1n]);
    const step = field.reduce(s - r);
    const choice = linearOf(field, [
      [0, r],
      [boolean, step],
    ]);
    this.#addRow(scale(field, combine(field, base, 1n, choice, -1n), field.invert(step)));
  }

  /** Both solutions of `a x^2 + b x + c = 0`, equal ones twice; undefined when there is none. */
  #rootsOf(a: bigint, b: bigint, c: bigint): bigint[] | undefined {
    const root = this.#field.squareRoot(b * b - 4n * a * c);
    if (root === undefined) return undefined;
    const half = this.#field.invert(2n * a);
    return [(root - b) * half, (-root - b) * half];
  }

  // Rules

  #checkSimple(index: number): void {
    if (this.#unknownCount(index, 0) > 0 || this.#unknownCount(index, 1) > 0) return;
    const { c } = this.#constraints[index]!;
    const count = this.#unknowns[3 * index + 2]!;
    if (count === 1) this.#know(this.#unknownPart(c).variables[0]!, 'linear');
    else if (count > 1 && !this.#hasRow[index]) {
      this.#hasRow[index] = 1;
      // c = the product of two known numbers, which gets a name.
      const known = this.#newVariable();
      this.#know(known, 'linear');
      this.#addRow(combine(this.#field, c, 1n, { variables: [known], coefficients: [1n] }, -1n));
    }
  }

  #checkRow(index: number): void {
    const row = this.#rows[index]!;
    this.#rangesFromRow(row);
    const unknown = this.#unknownPart(row.linear);
    if (unknown.variables.length === 0) return;
    if (unknown.variables.length === 1) {
      this.#know(unknown.variables[0]!, 'linear');
      return;
    }
    if (unknown.variables.some((variable) => this.#isFree(variable))) this.#eliminate(index);
    else this.#digits(index, unknown);
  }

  /**
   * Combine an equation that is left open with others that share a known number, so that the number cancels: its range,
   * if it has one, says less than the equations together.
   */
  #cancelKnown(index: number): void {
    const row = this.#rows[index]!;
    if (row.isCombination || row.linear.variables.some((variable) => this.#isFree(variable))) return;
    for (const variable of row.linear.variables) {
      if (variable === 0 || !this.#isKnown(variable) || this.#rowsOf[variable]!.length > MOST_PARTNERS)
        continue;
      for (const other of this.#rowsOf[variable]!) {
        const partner = this.#rows[other]!;
        if (other === index || partner.isCombination || row.combined?.has(other)) continue;
        if (this.#unknownPart(partner.linear).variables.length < 2) continue;
        row.combined ??= new Set();
        row.combined.add(other);
        partner.combined ??= new Set();
        partner.combined.add(index);
        const factor = this.#field.reduce(
          coefficientOf(row.linear, variable) * this.#field.invert(coefficientOf(partner.linear, variable)),
        );
        this.#addRow(combine(this.#field, row.linear, 1n, partner.linear, -factor), true);
      }
    }
  }

  /** Equal sums of digits have equal digits, when the weights leave room for each. */
  #digits(index: number, unknown: Linear): void {
    const scaled = this.#scaleOf(unknown);
    if (scaled === undefined) return;
    const terms: DigitTerm[] = unknown.variables.map((variable, i) => ({
      coefficient: scaled.coefficients[i]!,
      width: widthOf(this.#ranges[variable]!),
    }));
    const blocks = splitDigits(terms);
    if (blocks.length > 1) {
      for (const block of blocks) {
        const chosen = new Set(block.map((i) => unknown.variables[i]!));
        this.#settle(
          select(unknown, (variable) => chosen.has(variable)),
          'digits',
        );
      }
      return;
    }
    this.#tightDigits(index, unknown, scaled, terms);
  }

  /** As {@link #digits}, where another row gives some of the terms together a narrower range than each alone. */
  #tightDigits(index: number, unknown: Linear, scaled: Scaled, terms: readonly DigitTerm[]): void {
    if (unknown.variables.length > LONGEST_SEARCH) return;
    const field = this.#field;
    const others = new Set(unknown.variables.flatMap((variable) => this.#rowsOf[variable]!));
    others.delete(index);
    for (const other of others) {
      const row = this.#rows[other]!;
      if (row.linear.variables.length > LONGEST_SEARCH) continue;
      const rowFactor = this.#integerFactor(row);
      if (rowFactor === undefined) continue;
      const linear = scale(field, row.linear, rowFactor);
      const classes = new Map<bigint, number[]>();
      unknown.variables.forEach((variable, i) => {
        const coefficient = coefficientOf(linear, variable);
        if (coefficient === 0n) return;
        const factor = field.reduce(scaled.coefficients[i]! * field.invert(coefficient));
        const list = classes.get(factor);
        if (list) list.push(i);
        else classes.set(factor, [i]);
      });
      for (const members of classes.values()) {
        if (members.length < 2 || members.length === unknown.variables.length) continue;
        const own = new Set(members.map((i) => unknown.variables[i]!));
        const part = select(linear, (variable) => own.has(variable));
        const direct = this.#intervalOf(part);
        const outside = this.#intervalOf(
          select(linear, (variable) => !own.has(variable)),
          -1n,
        );
        if (direct === undefined || outside === undefined) continue;
        const narrow = intersect(direct, outside, this.#modulus);
        // In units of the part's greatest common divisor, which may be larger in the row than here.
        const content = part.coefficients.reduce((sum, value) => gcd(sum, field.centre(value)), 0n);
        const width = floorDivide(narrow.high, content) - ceilDivide(narrow.low, content);
        if (width < 0n || width * content >= widthOf(direct)) continue;
        const divisor = members.reduce((sum, i) => gcd(sum, terms[i]!.coefficient), 0n);
        const rest = terms.map((_, i) => i).filter((i) => !members.includes(i));
        const grouped = [{ coefficient: divisor, width }, ...rest.map((i) => terms[i]!)];
        const blocks = splitDigits(grouped);
        if (blocks.length === 1) continue;
        for (const block of blocks) {
          const chosen = new Set<number>();
          for (const place of block) {
            if (place === 0) for (const variable of own) chosen.add(variable);
            else chosen.add(unknown.variables[rest[place - 1]!]!);
          }
          this.#settle(
            select(unknown, (variable) => chosen.has(variable)),
            'digits',
          );
        }
        return;
      }
    }
  }

  /** True for an unknown that no bound is known of: the digit rules cannot speak of it. */
  #isFree(variable: number): boolean {
    return !this.#isKnown(variable) && this.#ranges[variable] === undefined;
  }

  /**
   * Gaussian elimination of the unknowns without a range, so that equations without any are found. Each row either is
   * reduced by others into a new one, or becomes the row that replaces one such unknown. A replacing row holds no
   * variable that had a replacement when it was chosen, so substitution ends.
   */
  #eliminate(index: number): void {
    const row = this.#rows[index]!;
    if (row.superseded) return;
    if (row.replaces !== undefined) {
      if (this.#isFree(row.replaces)) return;
      this.#replacements.delete(row.replaces);
      row.replaces = undefined;
    }
    const reduced = this.#expand(row.linear);
    if (reduced !== row.linear) {
      row.superseded = true;
      this.#addRow(reduced);
      return;
    }
    row.replaces = row.linear.variables
      .filter((variable) => this.#isFree(variable))
      .reduce((a, b) => (this.#rowsOf[b]!.length < this.#rowsOf[a]!.length ? b : a));
    this.#replacements.set(row.replaces, index);
  }

  /** A combination with unknowns without a range replaced through rows, as far as that goes. */
  #expand(linear: Linear): Linear {
    let result = linear;
    for (;;) {
      const variable = result.variables.find((term) => this.#isFree(term) && this.#replacements.has(term));
      if (variable === undefined) return result;
      const row = this.#rows[this.#replacements.get(variable)!]!.linear;
      const factor = this.#field.reduce(
        coefficientOf(result, variable) * this.#field.invert(coefficientOf(row, variable)),
      );
      result = combine(this.#field, result, 1n, row, -factor);
    }
  }

  #checkHard(index: number): void {
    const constraint = this.#constraints[index]!;
    if (isConstant(constraint.a) || isConstant(constraint.b)) return;
    this.#productRange(constraint);
    for (const [x, y, side] of [
      [constraint.a, constraint.b, 0],
      [constraint.b, constraint.a, 1],
    ] as const) {
      this.#sign(index, x, y, constraint.c, side);
    }
    const [inA, inB, inC] = [
      this.#unknownCount(index, 0),
      this.#unknownCount(index, 1),
      this.#unknownCount(index, 2),
    ];
    if (inA + inB === 0) return;
    if (inA > 0 && inB > 0) {
      this.#squareRoot(constraint);
      if (inC === 0) this.#cases(constraint);
      return;
    }
    const [known, other] = inA === 0 ? [constraint.a, constraint.b] : [constraint.b, constraint.a];
    this.#knownFactor(index, known, other, constraint.c);
    if (inC > 0) this.#quotient(known, other, constraint.c);
    else this.#exclusiveFactors(known);
    this.#normalisation(known, other, constraint.c);
    this.#cases(constraint);
  }

  /** Range and values of a product's result. */
  #productRange({ a, b, c }: Constraint): void {
    const bareC = select(c, (variable) => variable !== 0);
    if (bareC.variables.length !== 1) return;
    const result = bareC.variables[0]!;
    if (this.#values[result] !== undefined) return;
    const inverse = this.#field.invert(bareC.coefficients[0]!);
    const free = coefficientOf(c, 0);
    const ofA = this.#valuesOf(a);
    const ofB = ofA === undefined ? undefined : this.#valuesOf(b);
    if (ofA !== undefined && ofB !== undefined && ofA.length * ofB.length <= MOST_CASES) {
      const values = new Set<bigint>();
      for (const x of ofA) for (const y of ofB) values.add(this.#field.reduce((x * y - free) * inverse));
      if (values.size <= MOST_VALUES) {
        this.#setValues(result, [...values]);
        return;
      }
    }
    if (this.#ranges[result] !== undefined) return;
    const rangeA = this.#intervalOf(a);
    const rangeB = rangeA === undefined ? undefined : this.#intervalOf(b);
    if (rangeA === undefined || rangeB === undefined) return;
    const sign = this.#field.centre(inverse);
    if (sign !== 1n && sign !== -1n) return;
    const offset = this.#field.centre(free);
    const interval = product(rangeA, rangeB);
    this.#setRange(result, times({ low: interval.low - offset, high: interval.high - offset }, sign));
  }

  /**
   * Give sums that are products their range: `a * b = c` puts c within the product of the ranges of both factors. What a
   * second floor division divides is ranged so, by its own quotient and remainder. Only when nothing else follows, since an
   * unknown with a range is no longer eliminated.
   *
   * @returns true when there was one.
   */
  #rangeSums(): boolean {
    let progress = false;
    this.#constraints.forEach(({ a, b, c }, index) => {
      if (this.#sumRanged[index] || isConstant(a) || isConstant(b)) return;
      if (this.#unknownCount(index, 2) < 2 || !c.variables.some((variable) => this.#isFree(variable))) return;
      const rangeA = this.#boundOf(a);
      const rangeB = rangeA === undefined ? undefined : this.#boundOf(b);
      if (rangeA === undefined || rangeB === undefined) return;
      const interval = product(rangeA, rangeB);
      if (widthOf(interval) >= this.#modulus) return;
      this.#sumRanged[index] = 1;
      this.#nameRange(c, interval);
      progress = true;
    });
    return progress;
  }

  /** {@link #bound} of a combination with a constant. */
  #boundOf(linear: Linear): Interval | undefined {
    const bare = select(linear, (variable) => variable !== 0);
    const range = this.#bound(bare);
    const offset = this.#field.centre(coefficientOf(linear, 0));
    return range && { low: range.low + offset, high: range.high + offset };
  }

  /**
   * `x * (u + v boolean) = c`: both values of the boolean put x into a range. x lies in one of them; a known x that can
   * lie in one only fixes the boolean.
   */
  #sign(index: number, x: Linear, y: Linear, c: Linear, side: 0 | 1): void {
    const bareY = select(y, (variable) => variable !== 0);
    if (bareY.variables.length !== 1) return;
    const boolean = bareY.variables[0]!;
    const range = this.#ranges[boolean];
    if (range === undefined || range.low !== 0n || range.high !== 1n) return;
    const known = this.#unknownCount(index, side) === 0;
    const done = this.#sideRanged[2 * index + side] === 1;
    if (done && (!known || this.#isKnown(boolean))) return;
    const rest = select(c, (variable) => variable !== boolean);
    const branches: Interval[] = [];
    for (const value of [0n, 1n]) {
      const factor = this.#field.reduce(coefficientOf(y, 0) + bareY.coefficients[0]! * value);
      if (factor === 0n) return;
      const inverse = this.#field.invert(factor);
      const interval = this.#intervalOf(rest, inverse);
      if (interval === undefined) return;
      const shift = this.#field.centre(coefficientOf(c, boolean) * value * inverse);
      branches.push({ low: interval.low + shift, high: interval.high + shift });
    }
    const [zero, one] = branches as [Interval, Interval];
    if (known && !this.#isKnown(boolean) && disjoint(zero, one, this.#modulus)) this.#know(boolean, 'sign');
    if (done) return;
    const hull = {
      low: smaller(zero.low, one.low),
      high: larger(zero.high, one.high),
    };
    if (widthOf(hull) >= this.#modulus) return;
    this.#sideRanged[2 * index + side] = 1;
    this.#nameRange(x, hull);
  }

  /** Note the range of a combination: of its only variable, or of a new one that stands for it. */
  #nameRange(linear: Linear, interval: Interval): void {
    const value = this.#newVariable();
    this.#setRange(value, interval);
    if (linear.variables.every((variable) => this.#isKnown(variable))) this.#know(value, 'linear');
    this.#addRow(combine(this.#field, linear, 1n, { variables: [value], coefficients: [1n] }, -1n));
  }

  /** `known * other = c` where the known factor is not 0, or where its being 0 fixes the rest too. */
  #knownFactor(index: number, known: Linear, other: Linear, c: Linear): void {
    const field = this.#field;
    const ofOther = this.#unknownPart(other);
    const ofC = this.#unknownCount(index, 2) === 0 ? ZERO : this.#unknownPart(c);
    if (ofC.variables.length > 0) {
      const factor = ratio(field, ofOther, ofC);
      // (factor * known - 1) * difference = 0
      if (
        factor !== undefined &&
        this.#isNonZero(combine(field, known, factor, { variables: [0], coefficients: [1n] }, -1n))
      ) {
        this.#settle(ofC, 'linear');
      }
    } else if (this.#isNonZero(known) || this.#isNonZero(c)) {
      this.#settle(ofOther, 'linear');
      return;
    }
    // Other constraints with the same factor: one fixes D when it is not 0, another when it is.
    for (const use of this.#sidesByVariables.get(keyOf(known)) ?? []) {
      const neighbour = use >> 1;
      if (neighbour === index) continue;
      const constraint = this.#constraints[neighbour]!;
      const [same, opposite] = (use & 1) === 0 ? [constraint.a, constraint.b] : [constraint.b, constraint.a];
      if (ratio(field, same, known) === undefined) continue;
      if (ofC.variables.length === 0) {
        const atZero = this.#unknownPart(constraint.c);
        if (ratio(field, atZero, ofOther) !== undefined || this.#isNonZero(constraint.c)) {
          this.#settle(ofOther, 'zero test');
          return;
        }
      } else if (this.#unknownCount(neighbour, 2) === 0) {
        const otherwise = this.#unknownPart(opposite);
        if (ratio(field, otherwise, ofC) !== undefined) {
          this.#settle(ofC, 'zero test');
          return;
        }
      }
    }
  }

  /**
   * Constraints `(known + c_k) * L_k = known number` with different c_k: at most one of the factors is 0, so all L but one
   * are determined. Unknowns that follow whichever is missing are determined: a decoder's outputs, for one.
   */
  #exclusiveFactors(known: Linear): void {
    const field = this.#field;
    const bare = select(known, (variable) => variable !== 0);
    const families = new Map<bigint, Linear[]>();
    const unknown = new Set<number>();
    for (const use of this.#sidesByVariables.get(keyOf(known)) ?? []) {
      const index = use >> 1;
      const { a, b } = this.#constraints[index]!;
      const [same, opposite, side] = (use & 1) === 0 ? [a, b, 1] : [b, a, 0];
      if (this.#unknownCount(index, 2) > 0 || this.#unknownCount(index, side) === 0) continue;
      const factor = ratio(
        field,
        bare,
        select(same, (variable) => variable !== 0),
      );
      if (factor === undefined) continue;
      const shift = field.reduce(coefficientOf(same, 0) * factor);
      const part = this.#unknownPart(opposite);
      for (const variable of part.variables) unknown.add(variable);
      families.set(shift, [...(families.get(shift) ?? []), part]);
      if (unknown.size > MOST_EXCLUSIVE) return;
    }
    if (families.size < 2) return;
    const rows = new Set([...unknown].flatMap((variable) => this.#rowsOf[variable]!));
    const equations = [...rows]
      .map((row) => this.#unknownPart(this.#rows[row]!.linear))
      .filter(({ variables }) => variables.every((variable) => unknown.has(variable)));
    let open = [...unknown];
    for (const missing of families.keys()) {
      const others = [...families].flatMap(([shift, parts]) => (shift === missing ? [] : parts));
      const settled = this.#solvable([...equations, ...others]);
      open = open.filter((variable) => settled.has(variable));
      if (open.length === 0) return;
    }
    for (const variable of open) this.#know(variable, 'zero test');
  }

  /** Variables that linear equations with determined right-hand sides determine. */
  #solvable(equations: readonly Linear[]): Set<number> {
    const field = this.#field;
    let solved: { pivot: number; linear: Linear }[] = [];
    for (const equation of equations) {
      let rest = equation;
      for (const { pivot, linear } of solved)
        rest = combine(field, rest, 1n, linear, -coefficientOf(rest, pivot));
      const pivot = rest.variables[0];
      if (pivot === undefined) continue;
      const linear = scale(field, rest, field.invert(rest.coefficients[0]!));
      solved = solved.map((other) => ({
        pivot: other.pivot,
        linear: combine(field, other.linear, 1n, linear, -coefficientOf(other.linear, pivot)),
      }));
      solved.push({ pivot, linear });
    }
    return new Set(solved.flatMap(({ pivot, linear }) => (linear.variables.length === 1 ? [pivot] : [])));
  }

  /**
   * `divisor * q + r = known`: differences satisfy `divisor * dq = -dr` as integers, so `abs(dr) < divisor` makes both 0.
   * That is shown by a constant bound, or by a row that bounds r between 0 and the divisor.
   */
  #quotient(divisor: Linear, other: Linear, c: Linear): void {
    const field = this.#field;
    const quotient = this.#unknownPart(this.#expand(this.#unknownPart(other)));
    const remainder = this.#unknownPart(this.#expand(this.#unknownPart(c)));
    if (quotient.variables.length === 0 || remainder.variables.length === 0) return;
    const q = this.#scaleOf(quotient);
    const r = q === undefined ? undefined : this.#scaleOf(remainder);
    if (q === undefined || r === undefined) return;
    // divisor * quotient = remainder, in the units of the scaled sums.
    const unit = scale(field, divisor, r.factor * field.invert(q.factor));
    const settle = (): void => {
      this.#settle(quotient, 'quotient');
      this.#settle(remainder, 'quotient');
    };
    const constant = this.#intervalOf(unit);
    if (constant !== undefined) {
      const [least, most] =
        constant.high < 0n ? [-constant.high, -constant.low] : [constant.low, constant.high];
      if (least > r.reach && most * q.reach + r.reach < this.#modulus) {
        settle();
        return;
      }
    }
    const scaledRemainder = scale(field, remainder, r.factor);
    const own = this.#intervalOf(scaledRemainder);
    if (own === undefined) return;
    for (const { factor, rest } of this.#rowsAround(scaledRemainder)) {
      const unknown = this.#intervalOf(this.#unknownPart(rest), factor);
      if (unknown === undefined) continue;
      const known = scale(field, this.#knownPart(rest), factor);
      // remainder + unknown + known = 0; n is how far the sum of the first two lies above its least value, or below its
      // largest, and the remainder cannot differ by more.
      const most = widthOf(own) + widthOf(unknown);
      if (most >= this.#modulus) continue;
      for (const [sign, offset] of [
        [-1n, -(own.low + unknown.low)],
        [1n, own.high + unknown.high],
      ] as const) {
        for (const direction of [1n, -1n]) {
          // n - direction * unit as a constant: at most -1 says n < divisor.
          const gap = this.#foldConstants(combine(field, known, sign, unit, -direction));
          if (!isConstant(gap)) continue;
          const excess = field.centre(coefficientOf(gap, 0) + offset);
          if (excess >= 0n) continue;
          if ((most - excess) * q.reach + r.reach < this.#modulus) {
            settle();
            return;
          }
        }
      }
    }
  }

  /** `s^2 + g = known` with `s >= 0`, `g` from below and `2 s - g` from below: s is the floor of the root. */
  #squareRoot({ a, b, c }: Constraint): void {
    const field = this.#field;
    const factor = ratio(field, a, b);
    if (factor === undefined) return;
    const unknown = this.#unknownPart(b);
    if (!isConstant(this.#knownPart(b))) return;
    const remainder = this.#unknownPart(c);
    for (const unit of this.#rootScales(unknown)) {
      const root = scale(field, unknown, unit);
      const offset = field.centre(coefficientOf(b, 0) * unit);
      const ofRoot = this.#bound(root);
      if (ofRoot === undefined || ofRoot.low + offset < 0n) continue;
      const high = ofRoot.high + offset;
      const gap = scale(field, remainder, -unit * unit * field.invert(factor));
      const ofGap = this.#bound(gap);
      if (ofGap === undefined) continue;
      if (high * high + widthOf(ofGap) >= this.#modulus) continue;
      const direct = { low: 2n * ofRoot.low - ofGap.high, high: 2n * ofRoot.high - ofGap.low };
      const difference = this.#bound(combine(field, root, 2n, gap, -1n), direct)!;
      // s' >= s + 1 would need g - g' >= 2 s + 1, but g <= 2 s - low(2 s - g) and g' >= low(g).
      if (difference.low + 2n * offset + ofGap.low < 0n) continue;
      this.#settle(unknown, 'square root');
      this.#settle(remainder, 'square root');
      return;
    }
  }

  #rootScales(unknown: Linear): bigint[] {
    const scales = new Set<bigint>([1n, this.#field.reduce(-1n)]);
    const factor = this.#scaleOf(unknown)?.factor;
    if (factor !== undefined) {
      scales.add(factor);
      scales.add(this.#field.reduce(-factor));
    }
    return [...scales];
  }

  /**
   * `known * f = c`, f one of a few positive numbers, `low <= c <= high`: two choices need `c' / c = f' / f`, which is
   * impossible when every ratio of two choices exceeds `high / low`.
   */
  #normalisation(known: Linear, other: Linear, c: Linear): void {
    const field = this.#field;
    const ofOther = this.#unknownPart(other);
    if (ofOther.variables.length === 0 || ofOther.variables.length > 8) return;
    const choices = this.#valuesOf(other);
    if (choices === undefined || choices.length < 2 || choices.length > MOST_VALUES) return;
    const positive = (values: readonly bigint[]): bigint[] | undefined => {
      const centred = values.map((value) => field.centre(value));
      if (centred.every((value) => value > 0n)) return centred;
      if (centred.every((value) => value < 0n)) return centred.map((value) => -value);
      return undefined;
    };
    const factors = positive(choices)?.sort((x, y) => (x < y ? -1 : 1));
    if (factors === undefined) return;
    const variable = select(c, (term) => term !== 0);
    const unit = this.#scaleOf(variable)?.factor;
    const interval = unit === undefined ? undefined : this.#intervalOf(c, unit);
    if (interval === undefined) return;
    const [low, high] = interval.high < 0n ? [-interval.high, -interval.low] : [interval.low, interval.high];
    if (low <= 0n || high * factors[factors.length - 1]! >= this.#modulus) return;
    for (let i = 1; i < factors.length; i++) if (high * factors[i - 1]! >= low * factors[i]!) return;
    if (known.variables.length === 0) return;
    this.#settle(ofOther, 'normalisation');
    this.#settle(this.#unknownPart(c), 'normalisation');
  }

  /** Try every assignment of the constraint's signals of few values. */
  #cases({ a, b, c }: Constraint): void {
    const field = this.#field;
    const variables: number[] = [];
    let combinations = 1;
    const factors = new Set([...a.variables, ...b.variables]);
    for (const variable of new Set([...factors, ...c.variables])) {
      if (variable === 0) continue;
      // Outside the product a known number needs no values: only its being the same matters.
      if (this.#isKnown(variable) && !factors.has(variable)) continue;
      const values = this.#values[variable];
      if (values === undefined) return;
      combinations *= values.length;
      if (combinations > MOST_CASES) return;
      variables.push(variable);
    }
    const unknown = variables.filter((variable) => !this.#isKnown(variable));
    if (unknown.length === 0) return;
    const assignment = new Map<number, bigint>([[0, 1n]]);
    const evaluate = (linear: Linear): bigint => {
      let sum = 0n;
      linear.variables.forEach((variable, i) => {
        sum += (assignment.get(variable) ?? 0n) * linear.coefficients[i]!;
      });
      return field.reduce(sum);
    };
    const outside = c.variables.some((variable) => variable !== 0 && !variables.includes(variable));
    const seen = new Map<string, bigint[]>();
    const open = new Set(unknown);
    for (let number = 0; number < combinations; number++) {
      let rest = number;
      for (const variable of variables) {
        const values = this.#values[variable]!;
        assignment.set(variable, values[rest % values.length]!);
        rest = Math.floor(rest / values.length);
      }
      const residue = field.reduce(evaluate(a) * evaluate(b) - evaluate(c));
      // The residue is the known number outside the product, or 0 when there is none.
      if (!outside && residue !== 0n) continue;
      const fixed = variables.filter((variable) => this.#isKnown(variable));
      const key = `${fixed.map((variable) => assignment.get(variable)).join()}:${residue}`;
      const values = unknown.map((variable) => assignment.get(variable)!);
      const earlier = seen.get(key);
      if (earlier === undefined) seen.set(key, values);
      else
        unknown.forEach((variable, i) => {
          if (earlier[i] !== values[i]) open.delete(variable);
        });
      if (open.size === 0) return;
    }
    for (const variable of open) this.#know(variable, 'cases');
  }

  /**
   * An undetermined wire that nothing else depends on: no output, and either in no constraint or only in one that
   * multiplies it by a known number, the inverse hint of a zero test.
   */
  #isHarmless(wire: number): boolean {
    if (this.#isKnown(wire) || wire <= this.#system.outputs.length) return false;
    const uses = this.#uses[wire]!;
    if (uses.length === 0) return true;
    if (uses.length > 1) return false;
    const constraint = Math.floor(uses[0]! / 3);
    const side = uses[0]! % 3;
    if (side === 2) return false;
    return (
      this.#unknowns[3 * constraint + side] === 1 &&
      this.#unknownCount(constraint, 1 - side) === 0 &&
      this.#unknownCount(constraint, 2) === 0
    );
  }
}

/** Linear combinations of the same variables, up to the constant, have the same key. */
function keyOf({ variables }: Linear): string {
  return variables.filter((variable) => variable !== 0).join();
}

/** The integers x with `low <= coefficient * x <= high`. */
function quotients(low: bigint, high: bigint, coefficient: bigint): Interval {
  return coefficient < 0n
    ? { low: ceilDivide(-high, -coefficient), high: floorDivide(-low, -coefficient) }
    : { low: ceilDivide(low, coefficient), high: floorDivide(high, coefficient) };
}
