/**
 * Static arbitrage of a volatility surface, given as total variances of its expiries.
 *
 * Butterfly: the density of the price at expiry is not negative, `g(k) = (1 - k w'/2w)² - (w'²/4)(1/w + 1/4) + w''/2 >= 0`.
 * Calendar: total variance at equal log-moneyness does not decrease with time. (J. Gatheral and A. Jacquier,
 * "Arbitrage-free SVI volatility surfaces", Quantitative Finance 14, 2014, definitions 2.2 and 2.3, lemmas 2.1 and 2.2.)
 */

/** One expiry of a surface as a function of log-moneyness `k = ln(K/F)`. */
export interface Smile {
  /** What reports call it, such as `28FEB25`. */
  readonly name: string;
  /** Years to expiry. */
  readonly years: number;
  readonly forward: number;
  /** Standard deviation at the money, `σ√T`; it sets how wide a grid is. */
  readonly deviation: number;
  /** Log-moneyness of the first and the last quote; butterflies are looked for up to there, too. */
  readonly range?: readonly [number, number] | undefined;
  /** Total variance `σ²T` with its first and second derivative in log-moneyness: `[w, w', w'']`. */
  totalVariance(logMoneyness: number): readonly [number, number, number];
}

/** A point of the grid at which a surface admits static arbitrage. */
export interface SmileArbitrage {
  readonly kind: 'butterfly' | 'calendar';
  /** Index of the expiry, for a calendar that of the later of the two. */
  readonly index: number;
  readonly name: string;
  readonly logMoneyness: number;
  /** Strike at that log-moneyness. */
  readonly strike: number;
  /** Butterfly: g. Calendar: difference of total variances. Always negative. */
  readonly value: number;
}

/** A run of neighbouring points of one kind on one expiry. */
export interface ArbitrageRange extends SmileArbitrage {
  /** First and last log-moneyness of the run; the other fields tell of its worst point. */
  readonly from: number;
  readonly to: number;
}

/** How {@link findSmileArbitrage} looks. */
export interface ArbitrageSearch {
  /** Standard deviations at the money to look at on either side, besides {@link Smile.range}; 3 unless given. */
  readonly width?: number;
  /** How far below zero is let pass; 1e-9 unless given. */
  readonly tolerance?: number;
  /** Grid points on either side; 60 unless given. */
  readonly steps?: number;
}

/**
 * Gatheral's g, positive where the implied density is. It is -1 where total variance is not positive, since no
 * density exists there.
 */
export function butterflyDensity(
  logMoneyness: number,
  [variance, slope, curvature]: readonly [number, number, number],
): number {
  if (!(variance > 0)) return -1;
  return (
    (1 - (logMoneyness * slope) / (2 * variance)) ** 2 -
    ((slope * slope) / 4) * (1 / variance + 0.25) +
    curvature / 2
  );
}

/** Grid points that are looked at on either side at most. */
const FARTHEST_STEP = 2_000;

/**
 * Looks for static arbitrage on a grid of log-moneyness.
 *
 * Neighbouring expiries are compared, which is enough: an order of all of them follows.
 *
 * @param smiles in increasing order of time
 */
export function findSmileArbitrage(smiles: readonly Smile[], search: ArbitrageSearch = {}): SmileArbitrage[] {
  const { width = 3, tolerance = 1e-9, steps = 60 } = search;
  const places: SmileArbitrage[] = [];
  for (let index = 0; index < smiles.length; index++) {
    const smile = smiles[index]!;
    const earlier = smiles[index - 1];
    const add = (kind: SmileArbitrage['kind'], logMoneyness: number, value: number) =>
      places.push({
        kind,
        index,
        name: smile.name,
        logMoneyness,
        strike: smile.forward * Math.exp(logMoneyness),
        value,
      });
    const unit = (width * smile.deviation) / steps;
    const [from, to] = smile.range ?? [0, 0];
    const low = Math.max(Math.min(-steps, Math.floor(from / unit)), -FARTHEST_STEP);
    const high = Math.min(Math.max(steps, Math.ceil(to / unit)), FARTHEST_STEP);
    for (let step = low; step <= high; step++) {
      const logMoneyness = (step + 0.5) * unit;
      const variance = smile.totalVariance(logMoneyness);
      const density = butterflyDensity(logMoneyness, variance);
      if (density < -tolerance) add('butterfly', logMoneyness, density);
      if (earlier === undefined || Math.abs(step) > steps) continue;
      const difference = variance[0] - earlier.totalVariance(logMoneyness)[0];
      if (difference < -tolerance) add('calendar', logMoneyness, difference);
    }
  }
  return places;
}

/**
 * Joins points that are neighbours on the grid of {@link findSmileArbitrage} into ranges, each told by its worst point.
 * By expiry, then butterflies before calendars, then by log-moneyness.
 */
export function arbitrageRanges(
  smiles: readonly Smile[],
  places: readonly SmileArbitrage[],
  search: ArbitrageSearch = {},
): ArbitrageRange[] {
  const { width = 3, steps = 60 } = search;
  const sorted = [...places].sort(
    (a, b) => a.index - b.index || a.kind.localeCompare(b.kind) || a.logMoneyness - b.logMoneyness,
  );
  const ranges: { -readonly [Key in keyof ArbitrageRange]: ArbitrageRange[Key] }[] = [];
  for (const place of sorted) {
    const last = ranges.at(-1);
    const gap = (1.5 * width * smiles[place.index]!.deviation) / steps;
    if (
      last !== undefined &&
      last.index === place.index &&
      last.kind === place.kind &&
      place.logMoneyness - last.to < gap
    ) {
      last.to = place.logMoneyness;
      if (place.value < last.value) {
        last.value = place.value;
        last.logMoneyness = place.logMoneyness;
        last.strike = place.strike;
      }
    } else {
      ranges.push({ ...place, from: place.logMoneyness, to: place.logMoneyness });
    }
  }
  return ranges;
}
