/**
 * Fits the piecewise polynomials of the integer model and writes them to `src/math/fixed/polynomials.ts` and
 * `circuits/lib/polynomials.circom`: one fit, two readers, so that the integer model and the circuits cannot differ.
 *
 * Usage: tsx scripts/fit-polynomials.ts [--check]
 *
 * Each function is fitted on segments of equal width in a centred local coordinate tau in (-1/2, 1/2), measured in segments,
 * by Lawson's iteratively reweighted least squares on Chebyshev nodes, which tends to the minimax polynomial.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { normalCdf } from '../src/math/float/normal.ts';

interface Fit {
  /** Name of the table in the generated files. */
  readonly name: string;
  readonly comment: string;
  readonly degree: number;
  readonly segments: number;
  /** Function of the segment's index and tau. */
  readonly evaluate: (segment: number, tau: number) => number;
  /** Scale exponents of the coefficients, from degree 0 up: the integer is `coefficient * 2^scale`. */
  readonly scales: readonly number[];
}

function solve(matrix: number[][], right: number[]): number[] {
  const n = right.length;
  const rows = matrix.map((row, i) => [...row, right[i]!]);
  for (let column = 0; column < n; column++) {
    let pivot = column;
    for (let i = column + 1; i < n; i++) {
      if (Math.abs(rows[i]![column]!) > Math.abs(rows[pivot]![column]!)) pivot = i;
    }
    [rows[column], rows[pivot]] = [rows[pivot]!, rows[column]!];
    for (let i = 0; i < n; i++) {
      if (i === column) continue;
      const factor = rows[i]![column]! / rows[column]![column]!;
      for (let j = column; j <= n; j++) rows[i]![j]! -= factor * rows[column]![j]!;
    }
  }
  return rows.map((row, i) => row[n]! / row[i]!);
}

function chebyshev(degree: number, x: number): number[] {
  const values = [1, x];
  for (let k = 2; k <= degree; k++) values.push(2 * x * values[k - 1]! - values[k - 2]!);
  return values.slice(0, degree + 1);
}

/** Monomial coefficients in tau of the near-minimax polynomial of `f` on (-1/2, 1/2). */
function fitSegment(f: (tau: number) => number, degree: number): number[] {
  const count = 400;
  const taus = Array.from({ length: count }, (_, i) => Math.cos((Math.PI * (i + 0.5)) / count) / 2);
  const basis = taus.map((tau) => chebyshev(degree, 2 * tau));
  const values = taus.map(f);
  let weights: number[] = new Array(count).fill(1 / count);
  let coefficients: number[] = [];
  let best: { error: number; coefficients: number[] } = { error: Number.POSITIVE_INFINITY, coefficients: [] };
  for (let iteration = 0; iteration < 200; iteration++) {
    const matrix = Array.from({ length: degree + 1 }, (_, a) =>
      Array.from({ length: degree + 1 }, (_, b) =>
        basis.reduce((sum, row, i) => sum + weights[i]! * row[a]! * row[b]!, 0),
      ),
    );
    const right = Array.from({ length: degree + 1 }, (_, a) =>
      basis.reduce((sum, row, i) => sum + weights[i]! * row[a]! * values[i]!, 0),
    );
    coefficients = solve(matrix, right);
    const errors = basis.map((row, i) =>
      Math.abs(row.reduce((sum, value, k) => sum + value * coefficients[k]!, 0) - values[i]!),
    );
    const error = Math.max(...errors);
    if (error < best.error) best = { error, coefficients };
    const total = errors.reduce((sum, e, i) => sum + e * weights[i]!, 0);
    if (total < 1e-18) break;
    weights = weights.map((w, i) => (w * errors[i]!) / total);
  }
  // Chebyshev polynomials of 2 tau to powers of tau.
  const powers: number[][] = [[1], [0, 2]];
  for (let k = 2; k <= degree; k++) {
    const next: number[] = new Array(k + 1).fill(0);
    powers[k - 1]!.forEach((c, i) => {
      next[i + 1]! += 4 * c;
    });
    powers[k - 2]!.forEach((c, i) => {
      next[i]! -= c;
    });
    powers.push(next);
  }
  const monomials: number[] = new Array(degree + 1).fill(0);
  best.coefficients.forEach((c, k) => {
    powers[k]!.forEach((p, i) => {
      monomials[i]! += c * p;
    });
  });
  return monomials;
}

/**
 * Integer coefficients of a segment, from degree 0 up. The highest is rounded first, and the rest fitted anew to what it leaves: lower
 * degrees make up for most of its rounding, which is coarse, since it has the fewest places.
 */
function fitIntegers({ evaluate, degree, scales }: Fit, segment: number): bigint[] {
  const rounded: bigint[] = [];
  let left = (tau: number): number => evaluate(segment, tau);
  for (let k = degree; k >= 0; k--) {
    const before = left;
    const coefficient = toInteger(fitSegment(before, k)[k]!, scales[k]!);
    rounded.unshift(coefficient);
    left = (tau) => before(tau) - (Number(coefficient) / 2 ** scales[k]!) * tau ** k;
  }
  return rounded;
}

function toInteger(value: number, scale: number): bigint {
  // Exact: a double is m * 2^e, rounded to nearest at the target scale.
  const high = Math.min(scale, 52 - Math.ceil(Math.log2(Math.abs(value) || 1)));
  return BigInt(Math.round(value * 2 ** high)) << BigInt(scale - high);
}

const density = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
/** Upper tail 1 - N(x), zero from 6 on by definition of the model. */
const tail = (segment: number, tau: number): number => (segment >= 6 ? 0 : normalCdf(-(segment + 0.5 + tau)));

const fits: Fit[] = [
  {
    name: 'TAIL',
    comment: 'Upper tail of the normal distribution, 1 - N(x), x = segment + 1/2 + tau; 0 from 6 on',
    degree: 6,
    segments: 8,
    evaluate: tail,
    scales: [98, 85, 72, 59, 46, 33, 20],
  },
  {
    name: 'TAIL_SLOPE',
    comment: 'Its derivative, minus the density of the normal distribution; 0 from 6 on',
    degree: 3,
    segments: 8,
    evaluate: (segment, tau) => (segment >= 6 ? 0 : -density(segment + 0.5 + tau)),
    scales: [77, 64, 51, 38],
  },
  {
    name: 'DENSITY',
    comment: 'Density of the normal distribution, x = segment + 1/2 + tau; 0 from 6 on',
    degree: 6,
    segments: 8,
    evaluate: (segment, tau) => (segment >= 6 ? 0 : density(segment + 0.5 + tau)),
    scales: [79, 68, 57, 46, 35, 24, 13],
  },
  {
    name: 'DENSITY_SLOPE',
    comment: 'Its derivative; 0 from 6 on',
    degree: 3,
    segments: 8,
    evaluate: (segment, tau) => (segment >= 6 ? 0 : -(segment + 0.5 + tau) * density(segment + 0.5 + tau)),
    scales: [58, 47, 36, 25],
  },
  {
    name: 'LN',
    comment: 'ln(1 + x), x = (segment + 1/2 + tau) / 8',
    degree: 4,
    segments: 8,
    evaluate: (segment, tau) => Math.log1p((segment + 0.5 + tau) / 8),
    scales: [47, 39, 31, 23, 15],
  },
  {
    name: 'LN_SLOPE',
    comment: 'Its derivative with respect to tau',
    degree: 2,
    segments: 8,
    evaluate: (segment, tau) => 1 / (8 + segment + 0.5 + tau),
    scales: [27, 19, 11],
  },
  {
    name: 'LOG2',
    comment: 'log2(1 + x), x = (segment + 1/2 + tau) / 8',
    degree: 4,
    segments: 8,
    evaluate: (segment, tau) => Math.log1p((segment + 0.5 + tau) / 8) / Math.LN2,
    scales: [47, 39, 31, 23, 15],
  },
  {
    name: 'LOG2_SLOPE',
    comment: 'Its derivative with respect to tau',
    degree: 2,
    segments: 8,
    evaluate: (segment, tau) => 1 / (Math.LN2 * (8 + segment + 0.5 + tau)),
    scales: [27, 19, 11],
  },
  {
    name: 'EXP2',
    comment: '2^x, x = 1/2 + tau',
    degree: 5,
    segments: 1,
    evaluate: (_, tau) => 2 ** (0.5 + tau),
    scales: [59, 50, 41, 32, 23, 14],
  },
];

const tables = fits.map((fit) => ({
  ...fit,
  table: Array.from({ length: fit.segments }, (_, segment) => fitIntegers(fit, segment)),
}));

const typescript = `// Generated by scripts/fit-polynomials.ts. Do not edit.

/** Coefficients by segment, from degree 0 up; \`scales[k]\` is the scale exponent of degree k. */
export interface PiecewisePolynomial {
  readonly scales: readonly number[];
  readonly coefficients: readonly (readonly bigint[])[];
}
${tables
  .map(
    ({ name, comment, scales, table }) => `
/** ${comment}. */
export const ${name}: PiecewisePolynomial = {
  scales: [${scales.join(', ')}],
  coefficients: [
${table.map((row) => `    [\n${row.map((c) => `      ${c}n,\n`).join('')}    ],`).join('\n')}
  ],
};
`,
  )
  .join('')}`;

const circom = `// Generated by scripts/fit-polynomials.ts. Do not edit.
pragma circom 2.2.0;
${tables
  .map(
    ({ name, comment, scales, table }) => `
// ${comment}.
// Coefficient k has scale 2^-[${scales.join(', ')}][k].
function ${name}(segment, k) {
    var table[${table.length}][${table[0]!.length}] = [
${table.map((row) => `        [${row.join(', ')}]`).join(',\n')}
    ];
    return table[segment][k];
}
`,
  )
  .join('')}`;

const outputs: [string, string][] = [
  ['src/math/fixed/polynomials.ts', typescript],
  ['circuits/lib/polynomials.circom', circom],
];
if (process.argv.includes('--check')) {
  for (const [path, text] of outputs) {
    if (readFileSync(path, 'utf8') !== text) {
      console.error(`${path} differs from what scripts/fit-polynomials.ts makes; run it again.`);
      process.exitCode = 1;
    }
  }
} else {
  for (const [path, text] of outputs) writeFileSync(path, text);
}
