/** Keepers on a local protocol, as tests start them. */
import {
  createPublicClient,
  createTestClient,
  type Hash,
  http,
  type LocalAccount,
  type PublicClient,
} from 'viem';
import { vi } from 'vitest';
import type { LocalProtocol } from '../../scripts/lib/local-protocol.ts';
import type { KeeperEvent } from '../../src/keeper/events.ts';
import type { KeeperFeed } from '../../src/keeper/feed.ts';
import { type KeeperOptions, type RunningKeeper, runKeeper } from '../../src/keeper/keeper.ts';
import { DEFAULT_STRATEGY } from '../../src/keeper/strategy/configuration.ts';
import type { StrategyConfiguration } from '../../src/keeper/strategy/decide.ts';
import { MemoryJournal } from '../../src/keeper/transactions/testing.ts';

/** 2,500 USD. */
export const NATIVE_PRICE = 2_500_000_000n;

/** Small accounts of the example book: hedges are nearly free, a dollar of profit is enough. */
export const TEST_STRATEGY: StrategyConfiguration = {
  ...DEFAULT_STRATEGY,
  spreads: { deltaBps: 0.01, vegaBps: 0.1, gammaBps: 0.01, collateralBps: 0.01 },
  minimumProfit: 1_000_000n,
  maxGrossNotional: 10n ** 15n,
  proofSeconds: 5n,
};

/** A keeper with what it has told. */
export interface TestKeeper {
  readonly keeper: RunningKeeper;
  readonly account: LocalAccount;
  readonly events: KeeperEvent[];
  /** Resolves with the first event, past or future, that a predicate accepts. */
  until<T extends KeeperEvent>(accepts: (event: KeeperEvent) => event is T, timeoutMs?: number): Promise<T>;
  /** Resolves with the hash of the first transaction sent, when the node has it: a keeper tells of it before it broadcasts. */
  untilPooled(): Promise<Hash>;
}

/** A client that asks often, as local chains can bear. */
export function fastClient(url: string): PublicClient {
  return createPublicClient({ transport: http(url), pollingInterval: 25, cacheTime: 0 });
}

/** Control of a local chain. */
export function chainControl(url: string) {
  return createTestClient({ mode: 'anvil', transport: http(url) });
}

/** Starts a keeper with the key of a local account. */
export async function startKeeper(
  protocol: LocalProtocol,
  feed: KeeperFeed,
  index: number,
  vessels: readonly bigint[],
  options: Partial<KeeperOptions> = {},
): Promise<TestKeeper> {
  const events: KeeperEvent[] = [];
  const listeners = new Set<() => void>();
  const account = protocol.anvil.accounts[index]!;
  const keeper = await runKeeper({
    feed,
    client: fastClient(protocol.anvil.url),
    chainId: protocol.anvil.chainId,
    account,
    contracts: protocol.deployment,
    abis: protocol.abis,
    vessels,
    strategy: TEST_STRATEGY,
    nativePrice: () => NATIVE_PRICE,
    journal: new MemoryJournal(),
    pollMs: 50,
    retryMs: 200,
    ...options,
    transactions: { confirmations: 1, pollMs: 50, ...options.transactions },
    onEvent(event) {
      events.push(event);
      options.onEvent?.(event);
      for (const listener of listeners) listener();
    },
  });
  function until<T extends KeeperEvent>(
    accepts: (event: KeeperEvent) => event is T,
    timeoutMs = 60_000,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        listeners.delete(look);
        reject(new Error(`The keeper did not tell of it. It told: ${summary(events)}`));
      }, timeoutMs);
      const look = (): void => {
        const found = events.find(accepts);
        if (found === undefined) return;
        clearTimeout(late);
        listeners.delete(look);
        resolve(found);
      };
      listeners.add(look);
      look();
    });
  }
  return {
    keeper,
    account,
    events,
    until,
    async untilPooled() {
      const { event } = await until(transaction('sent'));
      if (event.type !== 'sent') throw new Error('Nothing was sent.');
      const { hash } = event;
      await vi.waitFor(() => protocol.client.getTransaction({ hash }), { timeout: 30_000, interval: 25 });
      return hash;
    },
  };
}

/** The end of a kind of action. */
export function finished(kind: string) {
  return (event: KeeperEvent): event is Extract<KeeperEvent, { type: 'finished' }> =>
    event.type === 'finished' && event.kind === kind;
}

/** An event of the sender. */
export function transaction(type: string) {
  return (event: KeeperEvent): event is Extract<KeeperEvent, { type: 'transaction' }> =>
    event.type === 'transaction' && event.event.type === type;
}

function summary(events: readonly KeeperEvent[]): string {
  return JSON.stringify(events.filter(({ type }) => type !== 'pass').slice(-12), (_, value) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
}
