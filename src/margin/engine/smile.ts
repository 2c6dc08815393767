/**
 * The implied volatilities of one expiry, as the engine reads them: a volatility at `k = ln(K/F)`, in any of the forms in
 * which surfaces are published.
 */
import { interpolatePillars, type SviParameters, sviTotalVariance } from '../../market/surface.ts';

/** Volatilities of one expiry. */
export type Smile =
  | { readonly kind: 'flat'; readonly volatility: number }
  | {
      readonly kind: 'svi';
      readonly parameters: SviParameters;
      /** The time, in years, that the parameters were fitted with. */
      readonly years: number;
      /** The forward that `k` is measured from; the expiry's own unless given. */
      readonly forward?: number;
      /** Wings are flat beyond this absolute log-moneyness. */
      readonly cap?: number;
    }
  | {
      readonly kind: 'pillars';
      /** Distance of pillars in `ln(K/F)/√T`. */
      readonly spacing: number;
      /** Eight annualised volatilities. */
      readonly volatilities: ArrayLike<number>;
    }
  | {
      /** Another one after a move, by strike: `volatility * factor + shift`. */
      readonly kind: 'moved';
      readonly smile: Smile;
      /** Forward and years before the move. */
      readonly forward: number;
      readonly years: number;
      readonly factor: number;
      readonly shift: number;
      /** Bound from below. */
      readonly least: number;
    };

/**
 * Annualised volatility of a smile.
 *
 * @param forward the expiry's forward
 * @param years the tenor that is priced, which standardises the pillars' log-moneyness
 * @param largestTotalVariance bound on SVI's total variance
 */
export function smileVolatility(
  smile: Smile,
  forward: number,
  strike: number,
  years: number,
  largestTotalVariance = Number.POSITIVE_INFINITY,
): number {
  return smileVolatilityAt(smile, forward, Math.log(strike / forward), years, largestTotalVariance);
}

/**
 * The same at a log-moneyness `ln(K/F)`, which may be one that no strike has.
 *
 * @param logMoneyness finite
 */
export function smileVolatilityAt(
  smile: Smile,
  forward: number,
  logMoneyness: number,
  years: number,
  largestTotalVariance = Number.POSITIVE_INFINITY,
): number {
  switch (smile.kind) {
    case 'flat':
      return smile.volatility;
    case 'moved': {
      const before = logMoneyness + Math.log(forward / smile.forward);
      const { years: yearsBefore, factor, shift, least } = smile;
      const volatility = smileVolatilityAt(
        smile.smile,
        smile.forward,
        before,
        yearsBefore,
        largestTotalVariance,
      );
      return factor === 1 && shift === 0 ? volatility : Math.max(least, volatility * factor + shift);
    }
    case 'pillars':
      return interpolatePillars(smile.volatilities, logMoneyness / (smile.spacing * Math.sqrt(years)));
    case 'svi': {
      const cap = smile.cap ?? Number.POSITIVE_INFINITY;
      const shift = smile.forward === undefined ? 0 : Math.log(forward / smile.forward);
      const clamped = Math.min(Math.max(logMoneyness + shift, -cap), cap);
      const variance = Math.min(
        Math.max(0, sviTotalVariance(smile.parameters, clamped)),
        largestTotalVariance,
      );
      return Math.sqrt(variance / smile.years);
    }
  }
}
