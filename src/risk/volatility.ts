/** Volatility of a market variable over time: the filter of filtered historical simulation. */
import { requireFinite, ZkMarginError } from '../errors.ts';

/**
 * A recursion for the variance of the next step, `v' = a + b v + c r²`.
 *
 * - EWMA (RiskMetrics, "Technical Document", 1996, section 5.2): `v' = λ v + (1 - λ) r²`.
 * - GARCH(1,1) (T. Bollerslev, Journal of Econometrics 31, 1986): `v' = ω + α r² + β v`. Without `omega` it
 *   is `(1 - α - β)` times the sample's mean square (variance targeting: R. Engle and J. Mezrich, "GARCH for
 *   groups", 1996), which lets one pair of parameters serve variables of different size.
 */
export type VolatilityModel =
  | { readonly kind: 'ewma'; readonly lambda: number }
  | { readonly kind: 'garch'; readonly alpha: number; readonly beta: number; readonly omega?: number };

/** RiskMetrics' decay for daily returns. */
export const RISKMETRICS_LAMBDA = 0.94;

/** Variances of a series under a model. */
export interface VarianceFilter {
  /** For each step its variance as forecast just before it. */
  readonly variances: Float64Array;
  /** Forecast for the step after the last. */
  readonly next: number;
  /** The variance after a step with variance `v` and change `r`. */
  readonly update: (variance: number, change: number) => number;
}

/**
 * Checks a model's parameters.
 *
 * @throws ZkMarginError `NOT_FINITE`, `OUT_OF_RANGE` for a lambda outside (0, 1), for negative GARCH
 * parameters, for `alpha + beta >= 1`
 */
export function checkVolatilityModel(model: VolatilityModel, field = 'volatility'): void {
  if (model.kind === 'ewma') {
    requireFinite(model.lambda, Number.EPSILON, 1 - Number.EPSILON, `${field}.lambda`);
    return;
  }
  requireFinite(model.alpha, 0, 1, `${field}.alpha`);
  requireFinite(model.beta, 0, 1, `${field}.beta`);
  if (model.omega !== undefined) {
    requireFinite(model.omega, Number.MIN_VALUE, 1e6, `${field}.omega`);
  }
  if (model.alpha + model.beta >= 1) {
    throw new ZkMarginError('OUT_OF_RANGE', `Keep ${field}.alpha + ${field}.beta below 1.`, {
      field,
      details: { alpha: model.alpha, beta: model.beta },
    });
  }
}

/**
 * Variances of a series of changes, whose mean is taken as zero. The recursion starts at the mean square of
 * the whole series, which it forgets as `λ^t` or `β^t`. A variance never falls below 1e-4 of that mean
 * square: a price that stands still for long would otherwise make its first move infinitely surprising.
 */
export function filterVariance(changes: ArrayLike<number>, model: VolatilityModel): VarianceFilter {
  const count = changes.length;
  let mean = 0;
  for (let step = 0; step < count; step++) mean += changes[step]! ** 2 / count;
  const floor = 1e-4 * mean;
  const [constant, keep, react] =
    model.kind === 'ewma'
      ? [0, model.lambda, 1 - model.lambda]
      : [model.omega ?? (1 - model.alpha - model.beta) * mean, model.beta, model.alpha];
  const update = (variance: number, change: number) =>
    Math.max(floor, constant + keep * variance + react * change * change);
  const variances = new Float64Array(count);
  let variance = mean;
  for (let step = 0; step < count; step++) {
    variances[step] = variance;
    variance = update(variance, changes[step]!);
  }
  return { variances, next: variance, update };
}
