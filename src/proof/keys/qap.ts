import { setImmediate } from 'node:timers/promises';
import { invR, modR, powR, SCALAR_MODULUS } from '../../math/fixed/scalar-field.ts';
import { writeU256LE } from '../field.ts';
import { forEachCoefficient, publicSignalCount, type R1cs } from '../r1cs.ts';
import { type CurveCode, CurveInstance } from './wasm.ts';

/** The secrets of a Groth16 setup. Public knowledge for a development key. */
export interface ToxicWaste {
  tau: bigint;
  alpha: bigint;
  beta: bigint;
  gamma: bigint;
  delta: bigint;
}

/** Exponents of every point of a key, 32 little-endian bytes each, and the prover's coefficients. */
export interface KeyScalars {
  /** Size of the evaluation domain, a power of two. */
  domainSize: number;
  /** A_i(tau), per wire. */
  a: Uint8Array;
  /** B_i(tau), per wire. */
  b: Uint8Array;
  /** (beta A_i + alpha B_i + C_i)(tau) / gamma for the constant and the public wires. */
  ic: Uint8Array;
  /** (beta A_i + alpha B_i + C_i)(tau) / delta for the private wires. */
  c: Uint8Array;
  /** Lagrange polynomials of the odd points of the doubled domain at tau, over delta. */
  h: Uint8Array;
  /** Section 4 of the key file: matrix, row, wire, coefficient * R^2. */
  coefficients: Uint8Array;
}

/** Number of domain points that a circuit needs: its constraints and one row per public wire, constant included. */
export function domainSizeOf(r1cs: R1cs): number {
  const rows = r1cs.constraints + publicSignalCount(r1cs) + 1;
  let size = 2;
  while (size < rows) size *= 2;
  return size;
}

/**
 * Generator of the subgroup of order 2^28 that ffjavascript's FFT uses (5^((r-1)/2^28)); smaller subgroups are generated
 * by its squares.
 */
function rootOfUnity(size: number): bigint {
  return powR(5n, (SCALAR_MODULUS - 1n) / BigInt(size));
}

/**
 * Evaluate a circuit's quadratic arithmetic program at tau.
 *
 * With the quotient `A*B - C` divisible by the domain's vanishing polynomial, the prover needs it only at the odd points
 * of the doubled domain, where its Lagrange form has the basis of {@link KeyScalars.h}.
 */
export async function evaluateQap(
  code: CurveCode,
  r1cs: R1cs,
  waste: ToxicWaste,
  options: { signal?: AbortSignal; onProgress?: (fraction: number) => void } = {},
): Promise<KeyScalars> {
  const field = await CurveInstance.create(code);
  const mul = field.fn('frm_mul');
  const add = field.fn('frm_add');
  const toMontgomery = field.fn('frm_toMontgomery');
  const constant = (value: bigint) => {
    const bytes = new Uint8Array(32);
    writeU256LE(bytes, 0, modR(value));
    const pointer = field.put(bytes);
    toMontgomery(pointer, pointer);
    return pointer;
  };

  const publics = publicSignalCount(r1cs);
  const { wires } = r1cs;
  const domainSize = domainSizeOf(r1cs);
  const body = field.put(r1cs.body);
  const lagrange = lagrangeAt(field, waste.tau, domainSize, 0, 1, domainSize);
  const sums = [0, 1, 2].map(() => {
    const pointer = field.alloc(32 * wires);
    field.bytes(pointer, 32 * wires).fill(0);
    return pointer;
  });
  const product = field.alloc(32);
  const one = new Uint8Array(32);
  one[0] = 1;
  const plainOne = field.put(one);

  let count = publics + 1;
  forEachCoefficient(r1cs, (_constraint, side) => {
    if (side !== 2) count++;
  });
  const coefficients = new Uint8Array(4 + 44 * count);
  const view = new DataView(coefficients.buffer);
  view.setUint32(0, count, true);
  // Valid until the next allocation: none comes before the last call of record().
  const scaled = field.bytes(product, 32);
  let at = 4;
  const record = (matrix: number, row: number, wire: number, coefficient: number) => {
    view.setUint32(at, matrix, true);
    view.setUint32(at + 4, row, true);
    view.setUint32(at + 8, wire, true);
    toMontgomery(coefficient, product);
    toMontgomery(product, product);
    coefficients.set(scaled, at + 12);
    at += 44;
  };

  // Coefficients are plain and Lagrange values in Montgomery form, so that a product is plain.
  let position = { constraint: 0, offset: 0 };
  while (position.constraint < r1cs.constraints) {
    const until = Math.min(position.constraint + 2048, r1cs.constraints);
    position = forEachCoefficient(
      r1cs,
      (constraint, side, wire, offset) => {
        mul(body + offset, lagrange + 32 * constraint, product);
        const sum = sums[side]! + 32 * wire;
        add(sum, product, sum);
        if (side !== 2) record(side, constraint, wire, body + offset);
      },
      position,
      until,
    );
    options.onProgress?.(until / r1cs.constraints);
    await setImmediate();
    options.signal?.throwIfAborted();
  }
  // One more row per public wire, `wire * 0 = 0`: it makes the A polynomials of public wires linearly independent.
  for (let wire = 0; wire <= publics; wire++) {
    const row = r1cs.constraints + wire;
    mul(plainOne, lagrange + 32 * row, product);
    const sum = sums[0]! + 32 * wire;
    add(sum, product, sum);
    record(0, row, wire, plainOne);
  }

  const gammaFactor = invR(waste.gamma);
  const deltaFactor = invR(waste.delta);
  const combined = field.alloc(32 * wires);
  const factors = [gammaFactor, deltaFactor].map((factor) => ({
    beta: constant(waste.beta * factor),
    alpha: constant(waste.alpha * factor),
    one: constant(factor),
  }));
  for (let wire = 0; wire < wires; wire++) {
    const factor = factors[wire <= publics ? 0 : 1]!;
    const target = combined + 32 * wire;
    mul(sums[0]! + 32 * wire, factor.beta, target);
    mul(sums[1]! + 32 * wire, factor.alpha, product);
    add(target, product, target);
    mul(sums[2]! + 32 * wire, factor.one, product);
    add(target, product, target);
  }
  const h = lagrangeAt(field, waste.tau, 2 * domainSize, 1, 2, domainSize);
  const plainDelta = new Uint8Array(32);
  writeU256LE(plainDelta, 0, deltaFactor);
  const deltaPointer = field.put(plainDelta);
  // Montgomery times plain: the result is plain.
  for (let i = 0; i < domainSize; i++) mul(h + 32 * i, deltaPointer, h + 32 * i);

  return {
    domainSize,
    a: field.bytes(sums[0]!, 32 * wires).slice(),
    b: field.bytes(sums[1]!, 32 * wires).slice(),
    ic: field.bytes(combined, 32 * (publics + 1)).slice(),
    c: field.bytes(combined + 32 * (publics + 1), 32 * (wires - publics - 1)).slice(),
    h: field.bytes(h, 32 * domainSize).slice(),
    coefficients,
  };
}

/**
 * Lagrange basis polynomials of the subgroup of order `size` at tau: `(tau^size - 1) w^j / (size (tau - w^j))` for
 * j = first, first + step, ...; `count` values in Montgomery form.
 */
function lagrangeAt(
  field: CurveInstance,
  tau: bigint,
  size: number,
  first: number,
  step: number,
  count: number,
): number {
  const root = rootOfUnity(size);
  const increment = powR(root, BigInt(step));
  const factor = modR((powR(tau, BigInt(size)) - 1n) * invR(BigInt(size)));
  const numerators = new Uint8Array(32 * count);
  const denominators = new Uint8Array(32 * count);
  let point = powR(root, BigInt(first));
  for (let i = 0; i < count; i++) {
    writeU256LE(numerators, 32 * i, (point * factor) % SCALAR_MODULUS);
    writeU256LE(denominators, 32 * i, modR(tau - point));
    point = (point * increment) % SCALAR_MODULUS;
  }
  const top = field.put(numerators);
  const mark = field.position;
  const bottom = field.put(denominators);
  field.fn('frm_batchToMontgomery')(top, count, top);
  field.fn('frm_batchToMontgomery')(bottom, count, bottom);
  // The inversion in one go needs scratch space of its own size.
  const inverse = field.alloc(32 * count);
  field.alloc(32 * count);
  field.release(inverse + 32 * count);
  field.fn('frm_batchInverse')(bottom, 32, count, inverse, 32);
  const mul = field.fn('frm_mul');
  for (let i = 0; i < count; i++) mul(top + 32 * i, inverse + 32 * i, top + 32 * i);
  field.release(mark);
  return top;
}
