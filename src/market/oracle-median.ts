/**
 * How the oracle makes one round of the reports of several sources: medians field by field, without outliers.
 *
 * The same rule as `contracts/src/libraries/OracleMedian.sol` and `VolatilityIndex.sol`, to the bit, so that a poster knows beforehand what the
 * chain will say.
 */
import { requireInteger, ZkMarginError } from '../errors.ts';
import { integerSquareRoot } from '../math/fixed/primitives.ts';
import { MAX_EXPIRY_HOUR } from './instrument.ts';
import {
  EXPIRY_COUNT,
  type ExpiryState,
  type MarketRound,
  PILLAR_COUNT,
  type RoundWords,
  unpackRound,
  validateRound,
} from './words.ts';

/** Most reports of a round. */
export const MAX_REPORTS = 16;
/** Horizon of the volatility index, in seconds. */
const INDEX_HORIZON = 2_592_000n;
/** 100 %, in basis points. */
const BASIS = 10_000n;

/** What is an outlier. */
export interface OutlierLimits {
  /** Values that must remain of each field, in [1, 16]. */
  readonly minSources: number;
  /** Multiple of the median absolute deviation up to which a value is kept, in tenths; in [10, 1000]. */
  readonly outlierMultipleTenths: number;
  /** A deviation up to this part of the median, and one unit, is never an outlier. */
  readonly outlierFloorBps: number;
  /** A deviation beyond this part of the median, and one unit, always is one; in [1, 10000]. */
  readonly outlierCapBps: number;
}

/** How far spot and the volatility index may move from round to round without confirmation, in basis points. */
export interface BreakerLimits {
  readonly spotMoveBps: number;
  readonly volatilityMoveBps: number;
}

/** A median and how many values it is of. */
export interface RobustMedian {
  /** 0 when nothing remained. */
  readonly median: bigint;
  readonly remaining: number;
}

/** The median; of an even count the mean of the two in the middle, rounded down. */
export function median(values: readonly bigint[]): bigint {
  if (values.length === 0) {
    throw new ZkMarginError('MALFORMED', 'Give at least one value.', { field: 'values' });
  }
  const ordered = ascending(values);
  return (ordered[(ordered.length - 1) >> 1]! + ordered[ordered.length >> 1]!) / 2n;
}

/**
 * The median of the values whose distance from the median m of all exceeds neither the cap nor `max(floor, multiple MAD)`; MAD is the median of
 * these distances.
 */
export function robustMedian(values: readonly bigint[], limits: OutlierLimits): RobustMedian {
  const middle = median(values);
  const distance = (value: bigint): bigint => (value > middle ? value - middle : middle - value);
  const part = (basisPoints: number): bigint => (middle * BigInt(basisPoints)) / BASIS + 1n;
  const multiple = (BigInt(limits.outlierMultipleTenths) * median(values.map(distance))) / 10n;
  const floor = part(limits.outlierFloorBps);
  const cap = part(limits.outlierCapBps);
  const allowed = floor > multiple ? floor : multiple;
  const kept = values.filter((value) => distance(value) <= allowed && distance(value) <= cap);
  return kept.length === 0 ? { median: 0n, remaining: 0 } : { median: median(kept), remaining: kept.length };
}

/**
 * What reports must agree on to form a round: hours and spacings of their expiries. Equal strings mean the same structure.
 *
 * @throws ZkMarginError as `unpackRound`
 */
export function structureOf(words: RoundWords): string {
  return structure(unpackRound(words));
}

/**
 * The round of several reports on one underlying.
 *
 * @throws ZkMarginError `MALFORMED` (too few or too many reports), `UNDERLYING_MISMATCH`, `REPORTS_DISAGREE` (expiries or spacings differ),
 * `TOO_FEW_SOURCES` (too few values of a field remain), `PILLAR_RATIO` and others of `validateRound` when the medians form no valid round;
 * as `unpackRound` for an invalid report
 */
export function aggregateReports(reports: readonly RoundWords[], limits: OutlierLimits): MarketRound {
  if (reports.length < limits.minSources || reports.length > MAX_REPORTS || reports.length === 0) {
    throw new ZkMarginError(
      'MALFORMED',
      `Give at least ${limits.minSources} and at most ${MAX_REPORTS} reports.`,
      { field: 'reports', details: { count: reports.length } },
    );
  }
  const rounds = reports.map((words, index) => unpackRound(words, `reports[${index}]`));
  const first = rounds[0]!;
  rounds.forEach((round, index) => {
    if (round.underlying.underlyingId !== first.underlying.underlyingId) {
      throw new ZkMarginError('UNDERLYING_MISMATCH', 'Give reports on one underlying.', {
        field: `reports[${index}].underlyingWord`,
      });
    }
    if (structure(round) !== structure(first)) {
      throw new ZkMarginError(
        'REPORTS_DISAGREE',
        'Give reports that name the same expiries with the same spacings.',
        { field: `reports[${index}].expiryWords` },
      );
    }
  });
  const agreed = (field: string, of: (round: MarketRound) => bigint): bigint => {
    const result = robustMedian(rounds.map(of), limits);
    if (result.remaining < limits.minSources) {
      throw new ZkMarginError('TOO_FEW_SOURCES', 'Choose other reports: too few values of a field agree.', {
        field: `round.${field}`,
        details: { remaining: result.remaining, minimum: limits.minSources },
      });
    }
    return result.median;
  };
  const round: MarketRound = {
    underlying: {
      spot: agreed('underlying.spot', ({ underlying }) => underlying.spot),
      timestamp: median(rounds.map(({ underlying }) => underlying.timestamp)),
      realisedVolatility: agreed(
        'underlying.realisedVolatility',
        ({ underlying }) => underlying.realisedVolatility,
      ),
      underlyingId: first.underlying.underlyingId,
    },
    expiries: first.expiries.map(({ expiryHour, spacingExponent }, index): ExpiryState => {
      const path = `expiries[${index}]`;
      return {
        expiryHour,
        spacingExponent,
        discount: agreed(`${path}.discount`, ({ expiries }) => expiries[index]!.discount),
        forward: agreed(`${path}.forward`, ({ expiries }) => expiries[index]!.forward),
        vols: Array.from({ length: PILLAR_COUNT }, (_, pillar) =>
          agreed(`${path}.vols[${pillar}]`, ({ expiries }) => expiries[index]!.vols[pillar]!),
        ),
      };
    }),
  };
  validateRound(round);
  return round;
}

/**
 * At-the-money volatility at 30 days, in 2^-16, rounded down; 0 without expiries. Total variance is interpolated in a straight line over time
 * between the expiries around 30 days; outside the expiries the volatility is flat.
 */
export function volatilityIndex(round: MarketRound): bigint {
  // In 2^-18: the field is in 2^-16 of the spacing, and the spacing is 2^(exponent - 2).
  const points = round.expiries.slice(0, EXPIRY_COUNT).map(({ expiryHour, spacingExponent, vols }) => ({
    tenor: BigInt(expiryHour) * 3_600n - round.underlying.timestamp,
    volatility: vols[4]! << BigInt(spacingExponent),
  }));
  const last = points.at(-1);
  if (last === undefined) return 0n;
  const next = points.findIndex(({ tenor }) => tenor >= INDEX_HORIZON);
  if (next === 0) return points[0]!.volatility >> 2n;
  if (next === -1) return last.volatility >> 2n;
  const a = points[next - 1]!;
  const b = points[next]!;
  const variance =
    (a.volatility ** 2n * a.tenor * (b.tenor - INDEX_HORIZON) +
      b.volatility ** 2n * b.tenor * (INDEX_HORIZON - a.tenor)) /
    ((b.tenor - a.tenor) * INDEX_HORIZON);
  return integerSquareRoot(variance) >> 2n;
}

/** Spot and index of a round, as the breaker compares them. */
export interface BreakerState {
  /** In 1e-6 USD. */
  readonly spot: bigint;
  /** Volatility index, in 2^-16. */
  readonly volatility: bigint;
}

/** Whether a round may follow another without confirmation. */
export function isNear(from: BreakerState, to: BreakerState, limits: BreakerLimits): boolean {
  const near = (before: bigint, after: bigint, basisPoints: number): boolean =>
    (after > before ? after - before : before - after) * BASIS <= before * BigInt(basisPoints);
  return (
    near(from.spot, to.spot, limits.spotMoveBps) &&
    near(from.volatility, to.volatility, limits.volatilityMoveBps) &&
    (from.volatility === 0n) === (to.volatility === 0n)
  );
}

/** What settlement prices take of an accepted round. */
export interface SettlementRound {
  /** Seconds since 1970-01-01 UTC. */
  readonly timestamp: bigint;
  /** In 1e-6 USD. */
  readonly spot: bigint;
}

/** Seconds of the window before an hour. */
const SETTLEMENT_WINDOW = 1_800n;

/**
 * The settlement price of an hour, in 1e-6 USD: the average of spot over the window before it, as `contracts/src/oracle/SettlementPrices.sol` computes
 * it, filled up to half a window with the spot of the first round at or after the hour; undefined when no round has come at or after it, or none before it.
 *
 * @param rounds accepted ones, in order
 * @param maxRoundAge seconds for which a round's spot holds at most
 */
export function settlementPrice(
  rounds: readonly SettlementRound[],
  expiryHour: number,
  maxRoundAge: bigint,
): bigint | undefined {
  const end = BigInt(requireInteger(expiryHour, 1, MAX_EXPIRY_HOUR, 'expiryHour')) * 3_600n;
  const final = rounds.findIndex(({ timestamp }) => timestamp >= end);
  if (final < 1) return undefined;
  let sum = 0n;
  let covered = 0n;
  for (let index = 0; index < final; index++) {
    const { timestamp, spot } = rounds[index]!;
    const from = largest(timestamp, end - SETTLEMENT_WINDOW);
    const to = smallest(rounds[index + 1]!.timestamp, timestamp + maxRoundAge, end);
    if (to <= from) continue;
    sum += spot * (to - from);
    covered += to - from;
  }
  const missing = largest(0n, SETTLEMENT_WINDOW / 2n - covered);
  return (sum + missing * rounds[final]!.spot) / (covered + missing);
}

function structure(round: MarketRound): string {
  return round.expiries
    .map(({ expiryHour, spacingExponent }) => `${expiryHour}:${spacingExponent}`)
    .join(' ');
}

function largest(...values: readonly bigint[]): bigint {
  return ascending(values).at(-1)!;
}

function smallest(...values: readonly bigint[]): bigint {
  return ascending(values)[0]!;
}

function ascending(values: readonly bigint[]): bigint[] {
  return [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}
