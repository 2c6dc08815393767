/** Defaults of strategies. */

import { ACTION_KINDS } from '../../input/keeper.ts';
import type { StrategyConfiguration } from './decide.ts';
import { DEFAULT_GAS } from './gas.ts';
import { DEFAULT_SPREADS } from './hedge.ts';

/**
 * A cautious keeper: public positions alone, at least 5 USD of profit, half of a profit for gas, bids from 5 % below worth, sealed bids 2 % below
 * it, 5 million USD of notional, 500 USD of losses a day.
 */
export const DEFAULT_STRATEGY: StrategyConfiguration = Object.freeze({
  kinds: ACTION_KINDS,
  gasTable: DEFAULT_GAS,
  spreads: DEFAULT_SPREADS,
  backstop: false,
  minimumProfit: 5_000_000n,
  minimumStartProfit: 0n,
  gasShareBps: 5_000n,
  targetDiscountBps: 500n,
  sealedDiscountBps: 200n,
  sealedSlackBps: 2_000n,
  batchOrders: 8,
  maxGrossNotional: 5_000_000_000_000n,
  maxDailyLoss: 500_000_000n,
  capitalSlackBps: 100n,
  proofSeconds: 15n,
});
