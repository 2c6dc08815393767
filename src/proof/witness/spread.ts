/** Switches of the circuits' `Spread` (`circuits/lib/vector.circom`): which cells move, stage by stage. */
import { ZkMarginError } from '../../errors.ts';

/** Shifts of the stages, the largest first. */
function shiftsOf(rows: number): number[] {
  const shifts: number[] = [];
  for (let shift = 1; shift < rows; shift *= 2) shifts.unshift(shift);
  return shifts;
}

/**
 * The switches that bring leg i to row `targets[i]`, in the circuit's order; those of empty cells are 0.
 *
 * The highest bit of the way goes first. Targets increase strictly, so later legs have at least as far to go, also in the
 * high bits alone: they stay behind one another, and no two ever share a cell.
 *
 * @param targets strictly increasing, below `rows`, at most `legs` of them
 * @throws ZkMarginError `INTERNAL` for targets that are not
 */
export function spreadMoves(targets: readonly number[], legs: number, rows: number): number[] {
  const invalid = targets.some(
    (target, i) => target < i || target >= rows || target <= (targets[i - 1] ?? -1),
  );
  if (invalid || targets.length > legs || legs > rows) {
    throw new ZkMarginError('INTERNAL', 'Spread legs over increasing rows.', {
      details: { targets: [...targets], legs, rows },
    });
  }
  const moves: number[] = [];
  let cells = targets.map((target, i): { at: number; target: number } => ({ at: i, target }));
  let width = legs;
  for (const shift of shiftsOf(rows)) {
    const movable = Math.min(width, rows - shift);
    const stage = new Array<number>(movable).fill(0);
    cells = cells.map(({ at, target }) => {
      if (target - at < shift) return { at, target };
      stage[at] = 1;
      return { at: at + shift, target };
    });
    moves.push(...stage);
    width = Math.min(width + shift, rows);
  }
  return moves;
}
