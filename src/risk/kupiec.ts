/** Whether losses exceed a Value-at-Risk as often as its level says. */
import { requireInteger } from '../errors.ts';
import { erfc } from '../math/float/normal.ts';
import { requireLevel } from './estimators.ts';

/** Kupiec's test of a number of exceptions. */
export interface KupiecTest {
  readonly exceptions: number;
  readonly observations: number;
  readonly level: number;
  /** `(1 - level) observations`. */
  readonly expected: number;
  /** Likelihood ratio, chi-squared with one degree of freedom when the level is right. */
  readonly statistic: number;
  /** Probability of so large a ratio when the level is right. */
  readonly pValue: number;
}

/**
 * The proportion-of-failures test: `LR = -2 ln [(1-p)^(n-x) p^x / ((1-x/n)^(n-x) (x/n)^x)]` with `p = 1 -
 * level` (P. Kupiec, "Techniques for verifying the accuracy of risk measurement models", Journal of
 * Derivatives 3, 1995). It takes observations as independent.
 *
 * @param exceptions observations with a loss above the VaR
 * @throws ZkMarginError `OUT_OF_RANGE`, `NOT_FINITE`, `MALFORMED` for senseless counts or a level outside
 * (0.5, 1)
 */
export function kupiec(exceptions: number, observations: number, level: number): KupiecTest {
  requireInteger(observations, 1, Number.MAX_SAFE_INTEGER, 'observations');
  requireInteger(exceptions, 0, observations, 'exceptions');
  requireLevel(level);
  const p = 1 - level;
  const term = (count: number, expected: number) => (count === 0 ? 0 : count * Math.log(count / expected));
  const statistic = Math.max(
    0,
    2 * (term(exceptions, observations * p) + term(observations - exceptions, observations * level)),
  );
  return {
    exceptions,
    observations,
    level,
    expected: observations * p,
    statistic,
    pValue: erfc(Math.sqrt(statistic / 2)),
  };
}
