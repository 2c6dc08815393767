/**
 * A round with all prices of the underlying multiplied by one factor: what liquidation prices and nearness to thresholds
 * are measured in. `docs/margin-model.md`, section 14.
 */
import { requireBigint } from '../../errors.ts';
import { type ExpiryState, MAX_PRICE, type MarketRound } from '../../market/words.ts';
import { ceilDivide, floorDivide } from '../../math/fixed/primitives.ts';

/** Prices between which an account is looked at, spot in 1e-6 USD. */
export interface SpotRange {
  readonly low: bigint;
  readonly high: bigint;
}

/** A forward at another spot: multiplied alike, rounded to the nearest unit, halves up, at least 1. */
function movedForward(forward: bigint, spot: bigint, newSpot: bigint): bigint {
  const moved = floorDivide(2n * forward * newSpot + spot, 2n * spot);
  return moved < 1n ? 1n : moved;
}

/**
 * The round with another spot and all forwards moved alike. Time, realised volatility, discounts and the volatilities of
 * the pillars stay, so that volatilities keep their standardised moneyness. Moving to the round's own spot gives equal
 * figures.
 *
 * @param spot 1e-6 USD; within {@link movableRange}
 * @throws ZkMarginError `MALFORMED`, `OUT_OF_RANGE` for a spot that is none; a forward beyond its range is for whoever
 * validates the round
 */
export function movedRound(round: MarketRound, spot: bigint): MarketRound {
  requireBigint(spot, 1n, MAX_PRICE, 'spot');
  const { underlying } = round;
  return {
    underlying: { ...underlying, spot },
    expiries: round.expiries.map(
      (expiry): ExpiryState => ({
        ...expiry,
        forward: movedForward(expiry.forward, underlying.spot, spot),
      }),
    ),
  };
}

/**
 * The spots within a factor of the round's at which spot and all forwards are prices that rounds can hold.
 *
 * @param factor whole, at least 1: the range is from `spot / factor` to `spot * factor`
 */
export function movableRange(round: MarketRound, factor: bigint): SpotRange {
  const { spot } = round.underlying;
  let largest = spot;
  for (const { forward } of round.expiries) {
    if (forward > largest) largest = forward;
  }
  const ceiling = ((MAX_PRICE - 1n) * spot) / largest;
  const wanted = spot * factor;
  return { low: ceilDivide(spot, factor), high: wanted < ceiling ? wanted : ceiling > spot ? ceiling : spot };
}

/** The round with those of its expiries that the given legs need: margins are the same, and cheaper to compute. */
export function roundOfExpiries(round: MarketRound, expiryHours: ReadonlySet<number>): MarketRound {
  return {
    underlying: round.underlying,
    expiries: round.expiries.filter(({ expiryHour }) => expiryHours.has(expiryHour)),
  };
}
