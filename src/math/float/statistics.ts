/** Moments, covariances, factorisations and the quantiles that go with them, in double precision. */
import { ZkMarginError } from '../../errors.ts';

/** The first moments of a sample. */
export interface Moments {
  readonly count: number;
  readonly mean: number;
  /** Square root of the mean squared deviation (divided by the count). */
  readonly standardDeviation: number;
  /** Third standardised moment; 0 for a sample without variation. */
  readonly skewness: number;
  /** Fourth standardised moment less 3; 0 for a sample without variation. */
  readonly excessKurtosis: number;
}

/**
 * Moments of a sample, in two passes. Sums are divided by the count, not by one less.
 *
 * @throws ZkMarginError `NOT_ENOUGH_DATA` for an empty sample
 */
export function moments(sample: ArrayLike<number>): Moments {
  const count = sample.length;
  if (count === 0) {
    throw new ZkMarginError('NOT_ENOUGH_DATA', 'Give at least one number.', { field: 'sample' });
  }
  let sum = 0;
  for (let index = 0; index < count; index++) sum += sample[index]!;
  const mean = sum / count;
  // Deviations in units of the largest one, so that fourth powers neither overflow nor vanish.
  let largest = 0;
  for (let index = 0; index < count; index++) largest = Math.max(largest, Math.abs(sample[index]! - mean));
  const noise = 4 * Number.EPSILON * Math.abs(mean);
  if (!(largest > noise)) {
    const spread = Number.isFinite(largest) ? 0 : Number.NaN;
    return { count, mean, standardDeviation: spread, skewness: spread, excessKurtosis: spread };
  }
  let second = 0;
  let third = 0;
  let fourth = 0;
  for (let index = 0; index < count; index++) {
    const deviation = (sample[index]! - mean) / largest;
    const square = deviation * deviation;
    second += square;
    third += square * deviation;
    fourth += square * square;
  }
  second /= count;
  return {
    count,
    mean,
    standardDeviation: largest * Math.sqrt(second),
    skewness: third / count / second ** 1.5,
    excessKurtosis: fourth / count / (second * second) - 3,
  };
}

/**
 * Quantile of the standard normal distribution: Wichura's PPND16, relative error near 1e-16 (M. J. Wichura,
 * "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37, 1988).
 * Infinite at 0 and 1, NaN outside.
 */
export function normalQuantile(probability: number): number {
  const q = probability - 0.5;
  if (Math.abs(q) <= 0.425) {
    const r = 0.180625 - q * q;
    return (
      (q *
        (((((((2509.0809287301227 * r + 33430.57558358813) * r + 67265.7709270087) * r + 45921.95393154987) *
          r +
          13731.69376550946) *
          r +
          1971.5909503065513) *
          r +
          133.14166789178438) *
          r +
          3.3871328727963665)) /
      (((((((5226.495278852546 * r + 28729.085735721943) * r + 39307.89580009271) * r + 21213.794301586597) *
        r +
        5394.196021424751) *
        r +
        687.1870074920579) *
        r +
        42.31333070160091) *
        r +
        1)
    );
  }
  const tail = q < 0 ? probability : 1 - probability;
  if (!(tail > 0)) return tail === 0 ? Math.sign(q) * Number.POSITIVE_INFINITY : Number.NaN;
  let r = Math.sqrt(-Math.log(tail));
  let value: number;
  if (r <= 5) {
    r -= 1.6;
    value =
      (((((((0.0007745450142783414 * r + 0.022723844989269184) * r + 0.2417807251774506) * r +
        1.2704582524523684) *
        r +
        3.6478483247632045) *
        r +
        5.769497221460691) *
        r +
        4.630337846156546) *
        r +
        1.4234371107496835) /
      (((((((1.0507500716444169e-9 * r + 0.0005475938084995345) * r + 0.015198666563616457) * r +
        0.14810397642748008) *
        r +
        0.6897673349851) *
        r +
        1.6763848301838038) *
        r +
        2.053191626637759) *
        r +
        1);
  } else {
    r -= 5;
    value =
      (((((((2.0103343992922881e-7 * r + 2.7115555687434876e-5) * r + 0.0012426609473880784) * r +
        0.026532189526576124) *
        r +
        0.29656057182850487) *
        r +
        1.7848265399172913) *
        r +
        5.463784911164114) *
        r +
        6.657904643501103) /
      (((((((2.0442631033899397e-15 * r + 1.421511758316446e-7) * r + 1.8463183175100548e-5) * r +
        0.0007868691311456133) *
        r +
        0.014875361290850615) *
        r +
        0.1369298809227358) *
        r +
        0.599832206555888) *
        r +
        1);
  }
  return q < 0 ? -value : value;
}

/**
 * Weighted second moments about zero of several series of one length: `C[i][j] = Σ_t w_t x_i(t) x_j(t) / Σ_t
 * w_t`.
 *
 * The mean is taken as zero, as is usual for short-horizon returns, whose mean is far below their deviation.
 *
 * @param weights one per observation; equal weights unless given
 * @throws ZkMarginError `MALFORMED` for series of unequal lengths, `NOT_ENOUGH_DATA` for empty ones or zero
 * weights
 */
export function secondMoments(series: readonly ArrayLike<number>[], weights?: ArrayLike<number>): number[][] {
  const size = series.length;
  const count = series[0]?.length ?? 0;
  if (series.some((each) => each.length !== count) || (weights !== undefined && weights.length !== count)) {
    throw new ZkMarginError('MALFORMED', 'Give series and weights of one length.', { field: 'series' });
  }
  let total = 0;
  for (let time = 0; time < count; time++) total += weights === undefined ? 1 : weights[time]!;
  if (!(total > 0)) {
    throw new ZkMarginError('NOT_ENOUGH_DATA', 'Give at least one observation of positive weight.', {
      field: 'series',
    });
  }
  const matrix: number[][] = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  for (let row = 0; row < size; row++) {
    for (let column = 0; column <= row; column++) {
      const [left, right] = [series[row]!, series[column]!];
      let sum = 0;
      for (let time = 0; time < count; time++) {
        sum += (weights === undefined ? 1 : weights[time]!) * left[time]! * right[time]!;
      }
      matrix[row]![column] = matrix[column]![row] = sum / total;
    }
  }
  return matrix;
}

/** A triangular factor of a covariance matrix. */
export interface CholeskyFactor {
  /** Lower triangular, with `lower lower' = matrix`; a column of zeros where the matrix adds no direction. */
  readonly lower: readonly (readonly number[])[];
  /** Number of directions. */
  readonly rank: number;
  /** Natural logarithm of the product of the non-zero squared diagonal elements. */
  readonly logDeterminant: number;
}

/**
 * Cholesky factor of a symmetric, positive semi-definite matrix (G. Golub and C. Van Loan, "Matrix
 * Computations", section 4.2). A pivot below `1e-12` of its own diagonal element counts as zero: the
 * direction is then a combination of the earlier ones, and its column is left at zero.
 *
 * @throws ZkMarginError `NOT_FINITE` for an element that is not finite, `FIT_FAILED` for a matrix that is not
 * positive semi-definite
 */
export function cholesky(matrix: readonly (readonly number[])[]): CholeskyFactor {
  const size = matrix.length;
  const lower = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  let rank = 0;
  let logDeterminant = 0;
  for (let column = 0; column < size; column++) {
    const diagonal = matrix[column]![column]!;
    let pivot = diagonal;
    for (let inner = 0; inner < column; inner++) pivot -= lower[column]![inner]! ** 2;
    if (!Number.isFinite(pivot)) {
      throw new ZkMarginError('NOT_FINITE', 'Give a matrix of finite numbers.', {
        field: `matrix[${column}][${column}]`,
      });
    }
    const tolerance = 1e-12 * Math.abs(diagonal);
    if (pivot < -1e-9 * Math.abs(diagonal) || diagonal < 0) {
      throw new ZkMarginError('FIT_FAILED', 'The covariance matrix is not positive semi-definite.', {
        field: `matrix[${column}][${column}]`,
        details: { pivot },
      });
    }
    const zero = pivot <= tolerance;
    if (!zero) {
      lower[column]![column] = Math.sqrt(pivot);
      rank++;
      logDeterminant += Math.log(pivot);
    }
    for (let row = column + 1; row < size; row++) {
      let value = matrix[row]![column]!;
      for (let inner = 0; inner < column; inner++) value -= lower[row]![inner]! * lower[column]![inner]!;
      if (!Number.isFinite(value)) {
        throw new ZkMarginError('NOT_FINITE', 'Give a matrix of finite numbers.', {
          field: `matrix[${row}][${column}]`,
        });
      }
      if (!zero) {
        lower[row]![column] = value / lower[column]![column]!;
        continue;
      }
      // What a vanished direction leaves must itself vanish, else the matrix had a negative eigenvalue.
      const other = matrix[row]![row]!;
      if (Math.abs(value) > 1e-5 * Math.sqrt(Math.abs(diagonal * other)) + Number.MIN_VALUE) {
        throw new ZkMarginError('FIT_FAILED', 'The covariance matrix is not positive semi-definite.', {
          field: `matrix[${row}][${column}]`,
        });
      }
    }
  }
  return { lower, rank, logDeterminant };
}

/**
 * Squared Mahalanobis distance `x' (L L')^-1 x`, within the directions of the factor: those without one are
 * left out.
 */
export function mahalanobisSquared(factor: CholeskyFactor, vector: ArrayLike<number>): number {
  const size = factor.lower.length;
  const solved = new Float64Array(size);
  let sum = 0;
  for (let row = 0; row < size; row++) {
    const pivot = factor.lower[row]![row]!;
    if (pivot === 0) continue;
    let value = vector[row]!;
    for (let column = 0; column < row; column++) value -= factor.lower[row]![column]! * solved[column]!;
    solved[row] = value / pivot;
    sum += solved[row]! ** 2;
  }
  return sum;
}
