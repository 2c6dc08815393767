/**
 * What a move of the whole market makes of a round: for stress views of a book, demonstrations and tests. Shocks of the
 * margin engine's own scenarios are in `src/margin/engine/shock.ts`.
 */
import { requireFinite } from '../errors.ts';
import { fitPillars, interpolatePillars, type VolatilityPoint } from './surface.ts';
import {
  type ExpiryState,
  MAX_PILLAR,
  MAX_REALISED_VOLATILITY,
  type MarketRound,
  MIN_PILLAR,
  pillarSpacing,
  tenorSeconds,
  validateRound,
  YEAR_SECONDS,
} from './words.ts';

/** A move of the whole market. */
export interface MarketShock {
  /** Relative, as in -0.12; the spot and every forward move alike. */
  readonly priceMove: number;
  /** Factor of volatilities at 30 days, as in 1.4. */
  readonly volMultiplierAt30d: number;
  /** Power p of `1 + (multiplier - 1) (30 days / max(T, 1 day))^p`; 0.3 unless given. */
  readonly tenorPower?: number;
  /** How much later the new round is; 0 unless given. */
  readonly secondsLater?: number;
  /** Factor of the realised volatility; that of volatilities at 30 days unless given. */
  readonly realisedMultiplier?: number;
}

/**
 * The round after a shock. Volatilities keep their place in standardised log-moneyness (the smile moves with the
 * forward) and rise more at short tenors. Where they leave the range of their spacing, pillars are fitted anew with
 * another. Expiries that have passed are left out.
 *
 * @throws ZkMarginError `NOT_FINITE`, `OUT_OF_RANGE` for a senseless shock, and as `validateRound`
 */
export function shockRound(round: MarketRound, shock: MarketShock): MarketRound {
  requireFinite(shock.priceMove, -0.99, 10, 'shock.priceMove');
  requireFinite(shock.volMultiplierAt30d, 0.1, 10, 'shock.volMultiplierAt30d');
  const power = requireFinite(shock.tenorPower ?? 0.3, 0, 1, 'shock.tenorPower');
  const later = requireFinite(shock.secondsLater ?? 0, 0, 1e9, 'shock.secondsLater');
  const realised = requireFinite(
    shock.realisedMultiplier ?? shock.volMultiplierAt30d,
    0,
    100,
    'shock.realisedMultiplier',
  );
  const factor = 1 + shock.priceMove;
  const timestamp = round.underlying.timestamp + BigInt(Math.round(later));
  const shocked: MarketRound = {
    underlying: {
      ...round.underlying,
      spot: scaled(round.underlying.spot, factor),
      timestamp,
      realisedVolatility: BigInt(
        Math.min(
          Math.round(Number(round.underlying.realisedVolatility) * realised),
          Number(MAX_REALISED_VOLATILITY),
        ),
      ),
    },
    expiries: round.expiries
      .filter((expiry) => expiry.expiryHour * 3600 > Number(timestamp))
      .map((expiry): ExpiryState => {
        const tenor = tenorSeconds(expiry.expiryHour, timestamp);
        const multiplier =
          1 + (shock.volMultiplierAt30d - 1) * (2_592_000 / Math.max(tenor, 86_400)) ** power;
        return {
          ...expiry,
          forward: scaled(expiry.forward, factor),
          ...scalePillars(expiry, Math.max(multiplier, 0.05), tenor / YEAR_SECONDS),
        };
      }),
  };
  validateRound(shocked);
  return shocked;
}

/** Pillars times a factor, with the same spacing where they fit into its range, and fitted anew otherwise. */
function scalePillars(
  expiry: ExpiryState,
  factor: number,
  years: number,
): Pick<ExpiryState, 'spacingExponent' | 'vols'> {
  const vols = expiry.vols.map((volatility) => BigInt(Math.round(Number(volatility) * factor)));
  const fits = vols.every(
    (value, pillar) =>
      value >= MIN_PILLAR &&
      value <= MAX_PILLAR &&
      (pillar === 0 || (value <= 2n * vols[pillar - 1]! && vols[pillar - 1]! <= 2n * value)),
  );
  if (fits) return { spacingExponent: expiry.spacingExponent, vols };
  const spacing = pillarSpacing(expiry.spacingExponent);
  const pillars = expiry.vols.map((volatility) => (Number(volatility) / 65_536) * spacing * factor);
  const points: VolatilityPoint[] = [];
  for (let step = -4 * 12; step <= 3 * 12; step++) {
    const z = step / 12;
    points.push({ logMoneyness: z * spacing * Math.sqrt(years), volatility: interpolatePillars(pillars, z) });
  }
  const { spacingExponent, vols: fitted } = fitPillars(points, years);
  return { spacingExponent, vols: fitted };
}

/** A price times a factor, at least 1 unit. */
function scaled(price: bigint, factor: number): bigint {
  const value = BigInt(Math.round(Number(price) * factor));
  return value < 1n ? 1n : value;
}
