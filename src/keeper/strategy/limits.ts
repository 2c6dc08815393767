/** What a keeper may lose: by the gas of one action, and in a day. */
import { BASIS, smaller } from '../../liquidation/amounts.ts';
import type { Action } from './actions.ts';
import type { StrategyConfiguration } from './decide.ts';
import { weiToMoney } from './gas.ts';

const DAY_MS = 86_400_000;

/** A transaction that is over, as far as losses go by it. Journals have more of each. */
export interface EndedTransaction {
  /** Only one that is `confirmed` has brought its gain. */
  readonly end?: string;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly endedAt?: number;
  /** Absent when no block has taken it: then it has cost nothing. The cost of its gas is in wei. */
  readonly inclusion?: { readonly cost: bigint };
  /** Expected gain without gas, 1e-6 USD. */
  readonly gain: bigint;
}

/**
 * What transactions of a day (UTC) have lost: gas of those that brought nothing, and of those that cost more than they
 * brought. Gains of others are not set against it.
 *
 * @param now a moment of the day, in milliseconds since 1970-01-01 UTC
 */
export function lossOfDay(ended: readonly EndedTransaction[], now: number, nativePrice: bigint): bigint {
  const midnight = now - (now % DAY_MS);
  let loss = 0n;
  for (const { end, endedAt, inclusion, gain } of ended) {
    if (endedAt === undefined || endedAt < midnight || inclusion === undefined) continue;
    const result = (end === 'confirmed' ? gain : 0n) - weiToMoney(inclusion.cost, nativePrice);
    if (result < 0n) loss -= result;
  }
  return loss;
}

/** What gas may cost, in 1e-6 USD: the configured part of what leaves the least profit. Below 0 nothing may be spent. */
export function mayCost(
  { kind, profit }: Pick<Action, 'kind' | 'profit'>,
  configuration: Pick<StrategyConfiguration, 'minimumProfit' | 'minimumStartProfit' | 'gasShareBps'>,
): bigint {
  const { minimumProfit, minimumStartProfit, gasShareBps } = configuration;
  const share = (amount: bigint): bigint => (amount * gasShareBps) / BASIS;
  // It brings no money: a vessel that is free again is worth the least profit.
  if (kind === 'close') return minimumProfit;
  if (kind === 'start') {
    // By the reward, or by the takeover of what is worth nothing, whose profit the net holds.
    const byTakeover = profit.net + profit.gas - minimumProfit;
    return share(-smaller(-byTakeover, -profit.gross)) - smaller(minimumStartProfit, 0n);
  }
  // What it takes to bid is spent by then.
  if (kind === 'fill') return share(profit.gross - profit.hedge);
  if (kind !== 'refresh' && kind !== 'restart' && kind !== 'poke') {
    return share(profit.gross - profit.hedge - minimumProfit);
  }
  // It is paid by the slice that it makes possible, whose profit its own holds, or by what starts may cost.
  const bySlice = share(profit.net + profit.gas - minimumProfit);
  return -smaller(-bySlice, minimumStartProfit);
}
