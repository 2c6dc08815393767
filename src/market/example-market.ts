/**
 * Market rounds from the surfaces of a real day, for examples, demonstrations and tests.
 *
 * Pure: takes the parsed content of `examples/surfaces-2025-02-19.json`, which names its source.
 */
import { ZkMarginError } from '../errors.ts';
import { underlyingIdOf } from './instrument.ts';
import { atTheMoneyVolatility, fitPillars, type SviParameters, sviPoints } from './surface.ts';
import {
  DISCOUNT_ONE,
  EXPIRY_COUNT,
  type ExpiryState,
  type MarketRound,
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

function monthsAway(expiry: ExpiryState, timestamp: bigint): number {
  return Math.abs(tenorSeconds(expiry.expiryHour, timestamp) - 2_592_000);
}

function toPrice(dollars: number): bigint {
  return BigInt(Math.round(dollars * 1e6));
}
