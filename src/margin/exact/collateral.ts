/**
 * Moving collateral: the value after haircuts of collateral that is priced by the account's own underlying. It moves with the account's legs, so it
 * offsets their risk or adds to it. `docs/margin-model.md`, sections 7.6 and 7.7.
 */
import { ZkMarginError } from '../../errors.ts';
import { floorDivide } from '../../math/fixed/primitives.ts';

/** Binary places of a collateral slope. */
export const COLLATERAL_SLOPE_PLACES = 54n;
/** Slopes are within `[-2^57, 2^57)`. */
export const COLLATERAL_SLOPE_LIMIT = 2n ** 57n;
/** Largest quantity that collateral counts for in a solvency proof, 1e-6 contracts for a scale of 1. */
export const MAX_COLLATERAL_QUANTITY = 2n ** 47n - 1n;

/**
 * A requirement with collateral, from what an insolvency proof shows of it: never above the true one, whatever the collateral.
 *
 * @param baseRequirement without collateral, 1e-6 USD, signed
 * @param collateralSlope what a unit of moving collateral adds, 2^-54, signed
 * @param movingCollateral 1e-6 USD
 * @returns 1e-6 USD, at least 0, rounded down
 */
export function requirementWith(
  baseRequirement: bigint,
  collateralSlope: bigint,
  movingCollateral: bigint,
): bigint {
  const requirement =
    baseRequirement + floorDivide(movingCollateral * collateralSlope, 1n << COLLATERAL_SLOPE_PLACES);
  return requirement > 0n ? requirement : 0n;
}

/**
 * The linear leg that moving collateral is in a solvency proof, rounded down. Less than one unit of it counts for nothing.
 *
 * @param movingCollateral 1e-6 USD
 * @param scale of the account, 2^-40, at least 1
 * @param spot 1e-6 USD
 * @returns 1e-6 contracts for a scale of 1
 * @throws ZkMarginError `OUT_OF_RANGE` for more than {@link MAX_COLLATERAL_QUANTITY}: nothing may be left out, for it may add to the requirement
 */
export function collateralQuantity(movingCollateral: bigint, scale: bigint, spot: bigint): bigint {
  const quantity = ((movingCollateral << 40n) * 1_000_000n) / (scale * spot);
  if (quantity > MAX_COLLATERAL_QUANTITY) {
    throw new ZkMarginError(
      'OUT_OF_RANGE',
      'Hold these legs at a larger scale: beside it the collateral is too large.',
      {
        field: 'movingCollateral',
        details: { quantity: quantity.toString(), most: MAX_COLLATERAL_QUANTITY.toString() },
      },
    );
  }
  return quantity;
}
