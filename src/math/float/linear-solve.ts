/** Small dense systems of linear equations. */

/**
 * Solves a system by Gaussian elimination with row pivots.
 *
 * @param matrix rows of the augmented matrix `[A | b]`; they are overwritten
 * @returns the solution, undefined when A is singular or the solution not finite
 */
export function solveLinear(matrix: Float64Array[]): number[] | undefined {
  const size = matrix.length;
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let row = column + 1; row < size; row++) {
      if (Math.abs(matrix[row]![column]!) > Math.abs(matrix[pivot]![column]!)) pivot = row;
    }
    [matrix[column], matrix[pivot]] = [matrix[pivot]!, matrix[column]!];
    const head = matrix[column]!;
    if (!(Math.abs(head[column]!) > 1e-300)) return undefined;
    for (let row = column + 1; row < size; row++) {
      const target = matrix[row]!;
      const factor = target[column]! / head[column]!;
      if (factor === 0) continue;
      for (let index = column; index <= size; index++) target[index]! -= factor * head[index]!;
    }
  }
  const solution = new Array<number>(size).fill(0);
  for (let row = size - 1; row >= 0; row--) {
    let value = matrix[row]![size]!;
    for (let column = row + 1; column < size; column++) value -= matrix[row]![column]! * solution[column]!;
    solution[row] = value / matrix[row]![row]!;
  }
  return solution.every(Number.isFinite) ? solution : undefined;
}
