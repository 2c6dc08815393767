/** Liquidations that go into one transaction each: the most urgent accounts that can be sold at once. */
import type { MonitoredAccount } from './accounts.ts';
import type { AccountRisk } from './snapshot.ts';

/** Orders that the engine takes in one batch. */
export const MAX_BATCH = 16;

/** Accounts of one batch: one underlying, one round and one circuit. */
export interface LiquidationBatch {
  /** Legs that the circuit has room for. */
  readonly capacity: number;
  readonly accounts: readonly AccountRisk[];
  /** Rewards at the fixed penalty, together, 1e-6 USD. */
  readonly reward: bigint;
}

/**
 * Groups accounts whose plans can be executed at once, in the order of the ranking.
 *
 * @param ranking the most urgent first; rows without an open route are left out
 * @param capacities of the circuits at hand, increasing; accounts with more legs are left out
 * @param size most accounts of a batch
 * @param backstop whether the keeper is a registered backstop
 */
export function liquidationBatches(
  ranking: readonly AccountRisk[],
  account: (id: bigint) => Pick<MonitoredAccount, 'legs'> | undefined,
  capacities: readonly number[],
  size = MAX_BATCH,
  backstop = false,
): LiquidationBatch[] {
  const batches: { capacity: number; accounts: AccountRisk[]; reward: bigint }[] = [];
  const open = new Map<number, (typeof batches)[number]>();
  for (const row of ranking) {
    const route = backstop ? row.plan?.backstop : row.plan?.atomic;
    const legs = account(row.id)?.legs.length;
    const capacity = legs === undefined ? undefined : capacities.find((places) => places >= legs);
    if (route?.open !== true || capacity === undefined) continue;
    let batch = open.get(capacity);
    if (batch === undefined || batch.accounts.length >= size) {
      batch = { capacity, accounts: [], reward: 0n };
      batches.push(batch);
      open.set(capacity, batch);
    }
    batch.accounts.push(row);
    batch.reward += route.amounts.reward;
  }
  return batches;
}
