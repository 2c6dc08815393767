/** What a candidate trade does to a portfolio's margin, before it is made. */
import { computeMargin, type Margin } from './margin.ts';
import type { Portfolio, Position } from './state.ts';

/** A trade: positions that are added (negative quantities are sold) and the cash that changes hands. */
export interface CandidateTrade {
  readonly name: string;
  readonly positions: readonly Position[];
  /** Cash received (negative when paid) in the numeraire; the marks of the positions, with opposite sign, when absent. */
  readonly cash?: number;
}

/** Margin before and after a trade. Differences are after less before, in the numeraire. */
export interface IncrementalMargin {
  readonly name: string;
  readonly cash: number;
  readonly maintenanceRequirement: number;
  readonly initialRequirement: number;
  readonly equity: number;
  readonly after: Margin;
  /** Whether equity covers the initial requirement after the trade, or the trade lowers what is missing. */
  readonly allowed: boolean;
}

/** Measures a candidate trade against a portfolio's present margin. */
export function incrementalMargin(before: Margin, trade: CandidateTrade): IncrementalMargin {
  const { market, model, portfolio } = before;
  const empty: Portfolio = {
    id: trade.name,
    cash: 0,
    positions: trade.positions,
    collateral: [],
    reservations: [],
  };
  const cash = trade.cash ?? -computeMargin(empty, market, model).equity.total;
  const after = computeMargin(
    { ...portfolio, cash: portfolio.cash + cash, positions: [...portfolio.positions, ...trade.positions] },
    market,
    model,
  );
  return {
    name: trade.name,
    cash,
    maintenanceRequirement: after.maintenanceRequirement - before.maintenanceRequirement,
    initialRequirement: after.initialRequirement - before.initialRequirement,
    equity: after.equity.total - before.equity.total,
    after,
    allowed: after.initialMargin >= 0 || after.initialMargin > before.initialMargin,
  };
}
