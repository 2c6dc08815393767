/** The one public signal in which `insolvency` says what it shows. `docs/margin-model.md`, section 5. */
import { requireBigint } from '../../errors.ts';
import { COLLATERAL_SLOPE_LIMIT } from '../../margin/exact/collateral.ts';
import type { ExactScenarioMargin } from '../../margin/exact/margin.ts';

/** What an insolvency proof shows of an account, 1e-6 USD and 2^-54. */
export type ShownFigures = Pick<ExactScenarioMargin, 'mark' | 'baseRequirement' | 'collateralSlope'>;

const MONEY_BITS = 96n;
const MONEY = 1n << MONEY_BITS;
const SLOPE = COLLATERAL_SLOPE_LIMIT;
const REQUIREMENT_AT = MONEY_BITS + 1n;
const SLOPE_AT = 2n * REQUIREMENT_AT;

/**
 * Packs figures: the mark in bits 0 to 96, the requirement in bits 97 to 193, the slope in bits 194 to 251, each with an offset that makes it
 * positive.
 *
 * @throws ZkMarginError `OUT_OF_RANGE` for what does not fit
 */
export function packFigures({ mark, baseRequirement, collateralSlope }: ShownFigures): bigint {
  requireBigint(mark, -MONEY, MONEY - 1n, 'mark');
  requireBigint(baseRequirement, -MONEY, MONEY - 1n, 'baseRequirement');
  requireBigint(collateralSlope, -SLOPE, SLOPE - 1n, 'collateralSlope');
  return (
    mark + MONEY + ((baseRequirement + MONEY) << REQUIREMENT_AT) + ((collateralSlope + SLOPE) << SLOPE_AT)
  );
}

/**
 * The figures of a word.
 *
 * @throws ZkMarginError `OUT_OF_RANGE` for more than 252 bits
 */
export function unpackFigures(figures: bigint): ShownFigures {
  requireBigint(figures, 0n, ((2n * SLOPE) << SLOPE_AT) - 1n, 'figures');
  const width = Number(REQUIREMENT_AT);
  return {
    mark: BigInt.asUintN(width, figures) - MONEY,
    baseRequirement: BigInt.asUintN(width, figures >> REQUIREMENT_AT) - MONEY,
    collateralSlope: (figures >> SLOPE_AT) - SLOPE,
  };
}
