/** The risk monitor: accounts, rounds and rules in; tiers, ranking, plans, prices, changes and alerts out. No I/O. */
export type { MonitoredAccount } from './accounts.ts';
export * from './alerts.ts';
export { type LiquidationBatch, liquidationBatches, MAX_BATCH } from './batches.ts';
export { type BookGreeks, bookGreeks, type Greeks } from './greeks.ts';
export {
  type LiquidationPriceOptions,
  type LiquidationPrices,
  liquidationPrices,
  type PricedAccount,
  type PriceSide,
  type PriceThreshold,
} from './liquidation-price.ts';
export {
  DEFAULT_NEARNESS,
  type MonitorRules,
  type NearnessRules,
  RiskMonitor,
  type StressResult,
} from './monitor.ts';
export { movableRange, movedRound, type SpotRange } from './moved-round.ts';
export { type AuctionRoute, type LiquidationPlan, liquidationPlan, type Route } from './plan.ts';
export {
  type AccountRisk,
  type BookTotals,
  changesSince,
  compareUrgency,
  isAtRisk,
  type Nearness,
  type RiskChange,
  type RiskSnapshot,
} from './snapshot.ts';
export {
  type RiskTier,
  TIERS_BY_URGENCY,
  type TierThresholds,
  tierOfFigures,
  tierThresholds,
} from './tiers.ts';
export * from './views.ts';
