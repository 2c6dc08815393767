import type { PrimeField } from './prime-field.ts';

/**
 * A linear combination of variables. Variable 0 is the constant 1. Variables ascend, coefficients lie in [1, p).
 */
export interface Linear {
  readonly variables: readonly number[];
  readonly coefficients: readonly bigint[];
}

export const ZERO: Linear = { variables: [], coefficients: [] };

/** A linear combination from terms in any order, duplicates added. */
export function linearOf(field: PrimeField, terms: Iterable<readonly [number, bigint]>): Linear {
  const sums = new Map<number, bigint>();
  for (const [variable, coefficient] of terms) {
    sums.set(variable, (sums.get(variable) ?? 0n) + coefficient);
  }
  const variables = [...sums.keys()].sort((a, b) => a - b);
  const kept: number[] = [];
  const coefficients: bigint[] = [];
  for (const variable of variables) {
    const coefficient = field.reduce(sums.get(variable)!);
    if (coefficient === 0n) continue;
    kept.push(variable);
    coefficients.push(coefficient);
  }
  return { variables: kept, coefficients };
}

/** `a * left + b * right`. */
export function combine(field: PrimeField, left: Linear, a: bigint, right: Linear, b: bigint): Linear {
  const variables: number[] = [];
  const coefficients: bigint[] = [];
  let i = 0;
  let j = 0;
  while (i < left.variables.length || j < right.variables.length) {
    const x = i < left.variables.length ? left.variables[i]! : Number.POSITIVE_INFINITY;
    const y = j < right.variables.length ? right.variables[j]! : Number.POSITIVE_INFINITY;
    let sum = 0n;
    if (x <= y) sum += a * left.coefficients[i++]!;
    if (y <= x) sum += b * right.coefficients[j++]!;
    const coefficient = field.reduce(sum);
    if (coefficient === 0n) continue;
    variables.push(Math.min(x, y));
    coefficients.push(coefficient);
  }
  return { variables, coefficients };
}

/** `a * linear`. */
export function scale(field: PrimeField, linear: Linear, a: bigint): Linear {
  return combine(field, linear, a, ZERO, 0n);
}

/** The terms whose variable passes. */
export function select(linear: Linear, keep: (variable: number) => boolean): Linear {
  const variables: number[] = [];
  const coefficients: bigint[] = [];
  linear.variables.forEach((variable, i) => {
    if (!keep(variable)) return;
    variables.push(variable);
    coefficients.push(linear.coefficients[i]!);
  });
  return { variables, coefficients };
}

/** The coefficient of a variable, 0 when it does not occur. */
export function coefficientOf(linear: Linear, variable: number): bigint {
  let low = 0;
  let high = linear.variables.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (linear.variables[middle]! < variable) low = middle + 1;
    else high = middle;
  }
  return linear.variables[low] === variable ? linear.coefficients[low]! : 0n;
}

/** True when no variable occurs. */
export function isConstant(linear: Linear): boolean {
  return linear.variables.length === 0 || (linear.variables.length === 1 && linear.variables[0] === 0);
}

/** The factor `f` with `left = f * right`, or undefined; neither may be empty. */
export function ratio(field: PrimeField, left: Linear, right: Linear): bigint | undefined {
  const length = left.variables.length;
  if (length === 0 || length !== right.variables.length) return undefined;
  for (let i = 0; i < length; i++) if (left.variables[i] !== right.variables[i]) return undefined;
  const factor = field.reduce(left.coefficients[0]! * field.invert(right.coefficients[0]!));
  for (let i = 1; i < length; i++) {
    if (field.reduce(right.coefficients[i]! * factor) !== left.coefficients[i]) return undefined;
  }
  return factor;
}
