/** How the tail-risk measures ask a portfolio what a move of its markets costs. */

/** A move of all markets of a portfolio, from now to the end of the horizon. */
export interface MarketMove {
  /** `ln(price then / price now)` of each underlying, in the portfolio's order. */
  readonly logReturns: readonly number[];
  /**
   * Relative change of each underlying's implied vols: `vol (1 + shift)`; 0 where none is modelled; above -1.
   */
  readonly volShifts: readonly number[];
  /** Calendar days that pass, for decay. */
  readonly days: number;
}

/** Change of a portfolio's value under a move, in USD: negative for a loss. A pure function of the move. */
export type Revalue = (move: MarketMove) => number;

/** Changes of value of a portfolio's parts, for an allocation of its expected shortfall. */
export interface PortfolioParts {
  /** One name for each part. */
  readonly names: readonly string[];
  /** Changes of value in USD, one for each part; they add up to that of the portfolio. */
  readonly revalue: (move: MarketMove) => readonly number[];
}
