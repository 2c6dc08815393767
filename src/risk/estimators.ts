/**
 * Value-at-Risk and Expected Shortfall of a sample of losses, with their sampling errors. Losses are
 * positive.
 *
 * With losses in falling order `L_1 >= L_2 >= ...` of n observations and `m = n (1 - level)`:
 *
 *     VaR = L_(floor(m) + 1)          the smallest loss that a share `level` does not exceed
 *     ES  = (L_1 + ... + L_floor(m) + (m - floor(m)) L_(floor(m) + 1)) / m
 *
 * (C. Acerbi and D. Tasche, "On the coherence of expected shortfall", Journal of Banking and Finance 26,
 * 2002, definition 2.6 and proposition 4.1.) The last term makes ES coherent, and continuous in the level.
 */
import { requireFinite, requireInteger, ZkMarginError } from '../errors.ts';
import type { RandomStream } from '../math/float/random.ts';
import { regularisedIncompleteBeta } from '../math/float/student-t.ts';

/**
 * Confidence level of a measure, checked to lie strictly between 0.5 and 1.
 *
 * @throws ZkMarginError `MALFORMED`, `NOT_FINITE`, `OUT_OF_RANGE`
 */
export function requireLevel(level: unknown, field = 'level'): number {
  const value = requireFinite(level, 0.5, 1, field);
  if (value === 0.5 || value === 1) {
    throw new ZkMarginError('OUT_OF_RANGE', `Keep ${field} above 0.5 and below 1.`, {
      field,
      details: { value },
    });
  }
  return value;
}

/**
 * Number of observations in the tail, `n (1 - level)`; a result within rounding of a whole number is that
 * number.
 */
export function tailCount(count: number, level: number): number {
  const exact = count * (1 - level);
  const whole = Math.round(exact);
  return Math.abs(exact - whole) <= 1e-9 * Math.max(1, exact) ? whole : exact;
}

/** A sample of losses, in falling order. JSON shows its size and its ten largest losses alone. */
export class LossSample {
  /** Losses in USD, largest first. */
  readonly losses: Float64Array;

  /**
   * @param losses in any order
   * @throws ZkMarginError `NOT_ENOUGH_DATA` for none, `NOT_FINITE` for one that is no finite number
   */
  constructor(losses: ArrayLike<number>) {
    if (losses.length === 0) {
      throw new ZkMarginError('NOT_ENOUGH_DATA', 'Give at least one loss.', { field: 'losses' });
    }
    const sorted = Float64Array.from(losses);
    for (let index = 0; index < sorted.length; index++) {
      requireFinite(sorted[index], -Number.MAX_VALUE, Number.MAX_VALUE, `losses[${index}]`);
    }
    this.losses = sorted.sort().reverse();
  }

  /** Number of losses. */
  get count(): number {
    return this.losses.length;
  }

  /**
   * Value-at-Risk at a level.
   *
   * @throws ZkMarginError `OUT_OF_RANGE`, `NOT_FINITE` for a level outside (0.5, 1)
   */
  valueAtRisk(level: number): number {
    return this.losses[Math.floor(tailCount(this.count, requireLevel(level)))]!;
  }

  /**
   * Expected Shortfall at a level. Below one observation in the tail it is the largest loss.
   *
   * @throws ZkMarginError `OUT_OF_RANGE`, `NOT_FINITE` for a level outside (0.5, 1)
   */
  expectedShortfall(level: number): number {
    const tail = tailCount(this.count, requireLevel(level));
    const whole = Math.floor(tail);
    let mean = 0;
    // Shares are applied to each loss, so that no sum of large losses can overflow.
    for (let rank = 0; rank < whole; rank++) mean += this.losses[rank]! / tail;
    return mean + this.losses[whole]! * ((tail - whole) / tail);
  }

  /** Number of losses above an amount. */
  countBeyond(amount: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.losses[middle]! > amount) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  toJSON(): { readonly count: number; readonly largest: readonly number[] } {
    return { count: this.count, largest: [...this.losses.subarray(0, 10)] };
  }
}

/** Probability of at most `successes` among `trials` that each succeed with a probability. */
export function binomialCdf(successes: number, trials: number, probability: number): number {
  if (successes < 0) return 0;
  if (successes >= trials) return 1;
  return regularisedIncompleteBeta(1 - probability, trials - successes, successes + 1, probability);
}

/**
 * Ranks of two order statistics that hold a quantile with at least a confidence, whatever the distribution of
 * independent observations (H. David and H. Nagaraja, "Order Statistics", 2003, section 7.1). Ranks count
 * from 1 at the smallest; each side errs with at most half of `1 - confidence`; null where the sample is too
 * small for a bound.
 */
export function quantileRanks(
  count: number,
  level: number,
  confidence: number,
): { readonly lower: number | null; readonly upper: number | null } {
  const share = (1 - confidence) / 2;
  // P(X_(r) <= q) = P(B >= r) with B the number of observations up to q.
  let lower: number | null = null;
  let upper: number | null = null;
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (binomialCdf(middle - 1, count, level) <= share) low = middle;
    else high = middle - 1;
  }
  if (low >= 1) lower = low;
  [low, high] = [1, count + 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (1 - binomialCdf(middle - 1, count, level) <= share) high = middle;
    else low = middle + 1;
  }
  if (low <= count) upper = low;
  return { lower, upper };
}

/** How observations depend on each other, and so what the bootstrap draws. */
export type Dependence =
  /** Independent: single observations. */
  | { readonly kind: 'independent' }
  /** Antithetic pairs, `2i` with `2i + 1`: pairs. */
  | { readonly kind: 'pairs' }
  /** Overlapping windows in the order of time: circular blocks of a length. */
  | { readonly kind: 'blocks'; readonly length: number };

/** Sampling errors of both measures. */
export interface TailError {
  readonly valueAtRisk: { readonly standardError: number; readonly lower: number; readonly upper: number };
  readonly expectedShortfall: {
    readonly standardError: number;
    readonly lower: number;
    readonly upper: number;
  };
}

/**
 * Sampling errors by the bootstrap (B. Efron, Annals of Statistics 7, 1979): the standard deviation over
 * resamples, and the central interval between their quantiles. Overlapping windows are drawn in circular
 * blocks (D. Politis and J. Romano, 1992). A bootstrap never draws beyond the largest loss seen: at a few
 * observations in the tail it understates.
 *
 * @param losses in the order of drawing or of time
 * @param resamples number of resamples, 2 to 100,000
 * @throws ZkMarginError `OUT_OF_RANGE` for a senseless level, confidence or number of resamples
 */
export function bootstrapTail(
  losses: ArrayLike<number>,
  level: number,
  dependence: Dependence,
  random: RandomStream,
  resamples = 500,
  confidence = 0.95,
): TailError {
  requireLevel(level);
  requireLevel(confidence, 'confidence');
  requireInteger(resamples, 2, 100_000, 'resamples');
  const count = losses.length;
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  order.sort((left, right) => losses[right]! - losses[left]!);
  const rankOf = new Uint32Array(count);
  for (let rank = 0; rank < count; rank++) rankOf[order[rank]!] = rank;
  const tail = tailCount(count, level);
  const whole = Math.floor(tail);
  const drawn = new Uint32Array(count);
  const values = new Float64Array(resamples);
  const shortfalls = new Float64Array(resamples);
  for (let round = 0; round < resamples; round++) {
    drawn.fill(0);
    drawSample(drawn, rankOf, dependence, random);
    // Walk from the largest loss down until the tail is full.
    let taken = 0;
    let sum = 0;
    for (let rank = 0; rank < count; rank++) {
      const times = drawn[rank]!;
      if (times === 0) continue;
      const loss = losses[order[rank]!]!;
      if (taken + times > whole) {
        values[round] = loss;
        shortfalls[round] = sum + (loss * (tail - taken)) / tail;
        break;
      }
      taken += times;
      sum += (loss * times) / tail;
    }
  }
  return { valueAtRisk: spread(values, confidence), expectedShortfall: spread(shortfalls, confidence) };
}

function drawSample(
  drawn: Uint32Array,
  rankOf: Uint32Array,
  dependence: Dependence,
  random: RandomStream,
): void {
  const count = drawn.length;
  if (dependence.kind === 'independent') {
    for (let draw = 0; draw < count; draw++) drawn[rankOf[random.below(count)]!]!++;
    return;
  }
  if (dependence.kind === 'pairs') {
    for (let draw = 0; draw < count; draw += 2) {
      const first = 2 * random.below(count >>> 1);
      drawn[rankOf[first]!]!++;
      drawn[rankOf[first + 1]!]!++;
    }
    return;
  }
  const length = Math.max(1, Math.min(dependence.length, count));
  for (let done = 0; done < count; done += length) {
    const start = random.below(count);
    const taken = Math.min(length, count - done);
    for (let place = 0; place < taken; place++) drawn[rankOf[(start + place) % count]!]!++;
  }
}

function spread(
  values: Float64Array,
  confidence: number,
): { readonly standardError: number; readonly lower: number; readonly upper: number } {
  const count = values.length;
  // Around the first value, so that equal values have no error at all.
  const first = values[0]!;
  let mean = first;
  for (const value of values) mean += (value - first) / count;
  let square = 0;
  for (const value of values) square += (value - mean) ** 2 / (count - 1);
  values.sort();
  const share = (1 - confidence) / 2;
  const below = Math.floor(share * count);
  return {
    standardError: Math.sqrt(square),
    lower: values[below]!,
    upper: values[count - 1 - below]!,
  };
}
