/**
 * Market rounds from the surfaces of a real day, and shocks of a round, for examples, demonstrations and tests.
 *
 * Pure: takes the parsed content of `examples/surfaces-2025-02-19.json`, which names its source.
 */
import { requireFinite, ZkMarginError } from '../errors.ts';
import { underlyingIdOf } from './instrument.ts';
import {
  fitPillars,
  interpolatePillars,
  type SviParameters,
  sviPoints,
  type VolatilityPoint,
} from './surface.ts';
import {
  DISCOUNT_ONE,
  EXPIRY_COUNT,
  type ExpiryState,
  MAX_PILLAR,
  type MarketRound,
  MIN_PILLAR,
  PILLAR_COUNT,
  pillarSpacing,
  tenorSeconds,
  validateRound,
  YEAR_SECONDS,
} from './words.ts';

/** One expiry of an SVI surface file. */
export interface SviExpiry {
  /** Seconds since 1970-01-01 UTC, a whole hour. */
  readonly expiry: number;
  /** In USD. */
  readonly forward: number;
  readonly svi: SviParameters;
  /** Forward that the SVI's log-moneyness is measured from; `forward` unless given. */
  readonly sviForward?: number;
  /** Time in years that the SVI parameters go with. */
  readonly tau: number;
}

/** The parsed content of an SVI surface file. */
export interface SviSurfaces {
  /** Seconds since 1970-01-01 UTC. */
  readonly timestamp: number;
  readonly underlyings: Readonly<
    Record<string, { readonly spot: number; readonly expiries: readonly SviExpiry[] }>
  >;
}

/** What {@link exampleRound} may be told. */
export interface ExampleRoundOptions {
  /** Seconds since 1970-01-01 UTC; the file's unless given. */
  readonly timestamp?: number;
  /** Discount factor of every expiry; 1 unless given. */
  readonly discount?: number;
  /** Annualised realised volatility; the volatility at the money of the expiry nearest to 30 days unless given. */
  readonly realisedVolatility?: number;
}

/**
 * The round of one underlying at a timestamp: the first eight expiries after it, pillars fitted to the SVI curves.
 *
 * @param symbol as in the file, `BTC` or `ETH`
 * @throws ZkMarginError `UNKNOWN_INSTRUMENT` for another symbol, `MISSING_EXPIRY` when all expiries have passed
 */
export function exampleRound(
  surfaces: SviSurfaces,
  symbol: string,
  options: ExampleRoundOptions = {},
): MarketRound {
  const source = Object.hasOwn(surfaces.underlyings, symbol) ? surfaces.underlyings[symbol] : undefined;
  if (source === undefined) {
    throw new ZkMarginError('UNKNOWN_INSTRUMENT', 'Use an underlying that the file has.', {
      field: 'symbol',
      details: { symbol, known: Object.keys(surfaces.underlyings) },
    });
  }
  const timestamp = BigInt(Math.round(options.timestamp ?? surfaces.timestamp));
  const discount = BigInt(Math.round((options.discount ?? 1) * Number(DISCOUNT_ONE)));
  const selected = source.expiries
    .filter((expiry) => expiry.expiry > Number(timestamp))
    .sort((a, b) => a.expiry - b.expiry)
    .slice(0, EXPIRY_COUNT);
  if (selected.length === 0) {
    throw new ZkMarginError(
      'MISSING_EXPIRY',
      'Choose an earlier timestamp: all expiries of the file have passed.',
      {
        field: 'timestamp',
      },
    );
  }
  const expiries = selected.map((expiry): ExpiryState => {
    const expiryHour = Math.round(expiry.expiry / 3600);
    const years = tenorSeconds(expiryHour, timestamp) / YEAR_SECONDS;
    const shift = Math.log((expiry.sviForward ?? expiry.forward) / expiry.forward);
    const points = sviPoints(expiry.svi, expiry.tau).map((point) => ({
      ...point,
      logMoneyness: point.logMoneyness + shift,
    }));
    const { spacingExponent, vols } = fitPillars(points, years);
    return { expiryHour, forward: toPrice(expiry.forward), discount, spacingExponent, vols };
  });
  const reference = expiries.reduce((best, expiry) =>
    monthsAway(expiry, timestamp) < monthsAway(best, timestamp) ? expiry : best,
  );
  const realised = options.realisedVolatility ?? atTheMoneyVolatility(reference);
  const round: MarketRound = {
    underlying: {
      spot: toPrice(source.spot),
      timestamp,
      realisedVolatility: BigInt(Math.round(realised * 65_536)),
      underlyingId: underlyingIdOf(symbol),
    },
    expiries,
  };
  validateRound(round);
  return round;
}

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
        Math.min(Math.round(Number(round.underlying.realisedVolatility) * realised), 2 ** 20 - 1),
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

/** Volatility at the money of an expiry: its fifth pillar. */
export function atTheMoneyVolatility(expiry: ExpiryState): number {
  return (Number(expiry.vols[PILLAR_COUNT / 2]!) / 65_536) * pillarSpacing(expiry.spacingExponent);
}

function monthsAway(expiry: ExpiryState, timestamp: bigint): number {
  return Math.abs(tenorSeconds(expiry.expiryHour, timestamp) - 2_592_000);
}

function toPrice(dollars: number): bigint {
  return BigInt(Math.round(dollars * 1e6));
}

function scaled(price: bigint, factor: number): bigint {
  const value = BigInt(Math.round(Number(price) * factor));
  return value < 1n ? 1n : value;
}
