/**
 * The normal probabilities and densities of the exact model as tables of doubles.
 *
 * `normalCdfFine` of `src/math/fixed/primitives.ts` is linear in its argument within each cell of 2^-12, and `normalCdfCoarse` its value at
 * the middle of the cell. So a value and a slope per cell hold both functions entirely, and likewise the density in cells of 2^-10.
 */
import {
  DENSITY_SCALE,
  normalCdfCoarse,
  normalCdfFine,
  normalDensity,
  TAIL_SCALE,
} from '../../math/fixed/primitives.ts';

/** Cells of 2^-12 on [0, 6); probabilities are 0 or 1 beyond. */
export const TAIL_CELLS = 6 * 4096;
/** Cells of 2^-10 on [0, 6); densities are 0 beyond. */
export const DENSITY_CELLS = 6 * 1024;

let table: Float64Array | undefined;

/**
 * The upper tail `1 - N` by cell: at `2 cell` its value at the middle, and at `2 cell + 1` its change for an offset of 1,
 * offsets being odd numbers in [-255, 255] as in `normalCdfFine`. Each is the exact model's integer rounded to a double
 * once. Made at the first call, in less than a tenth of a second, and kept.
 */
export function tailTable(): Float64Array {
  if (table !== undefined) return table;
  const unit = 2 ** -Number(TAIL_SCALE);
  const made = new Float64Array(2 * TAIL_CELLS);
  for (let cell = 0; cell < TAIL_CELLS; cell++) {
    // Arguments -1 - k are the mirror of k, and there the functions give the tail itself.
    const mirrored = -1n - BigInt(cell);
    const first = -1n - 256n * BigInt(cell);
    made[2 * cell] = Number(normalCdfCoarse(mirrored)) * unit;
    made[2 * cell + 1] = Number((normalCdfFine(first - 255n) - normalCdfFine(first)) / 510n) * unit;
  }
  table = made;
  return made;
}

let densities: Float64Array | undefined;

/**
 * The density by cell: at `2 cell` its value at the middle, and at `2 cell + 1` its change for an offset of 1, offsets being odd
 * numbers in [-1023, 1023] as in `normalDensity`. Each is the exact model's integer rounded to a double once. Made at the first call
 * and kept.
 */
export function densityTable(): Float64Array {
  if (densities !== undefined) return densities;
  const unit = 2 ** -Number(DENSITY_SCALE);
  const made = new Float64Array(2 * DENSITY_CELLS);
  for (let cell = 0; cell < DENSITY_CELLS; cell++) {
    const first = normalDensity(1024n * BigInt(cell));
    const last = normalDensity(1024n * BigInt(cell) + 1023n);
    made[2 * cell] = Number((first + last) / 2n) * unit;
    made[2 * cell + 1] = Number((last - first) / 2046n) * unit;
  }
  densities = made;
  return made;
}
