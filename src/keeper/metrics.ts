/** What a keeper tells Prometheus. Labels never hold accounts, keys or addresses. */
import { Counter, Gauge, Histogram } from 'prom-client';
import { PROOF_SECONDS, processRegistry } from '../http/metrics.ts';
import type { KeeperEvent, KeeperLoop } from './events.ts';
import type { StrategyConfiguration } from './strategy/decide.ts';
import { weiToMoney } from './strategy/gas.ts';
import type { TransactionEvent } from './transactions/events.ts';
import type { TransactionRecord } from './transactions/journal.ts';

/** What {@link KeeperMetrics} work with. */
export interface KeeperMetricsOptions {
  readonly strategy: Pick<StrategyConfiguration, 'maxGrossNotional' | 'maxDailyLoss' | 'capitalSlackBps'>;
  /** A native token in 1e-6 USD. */
  readonly nativePrice: () => bigint | Promise<bigint>;
  /** A transaction of the journal, under way or ended. */
  readonly record: (id: string) => TransactionRecord | undefined;
  /** Loops that are watched; the feed's alone unless given. */
  readonly loops?: readonly KeeperLoop[];
  /** When transactions were followed last, in milliseconds of `performance.now`; undefined before the first time. */
  readonly followedAt?: () => number | undefined;
}

type OfKind = 'kind';

/** The last pass of a loop. */
interface LoopState {
  /** Milliseconds of `performance.now`; the start before the first. */
  at: number;
  failed: boolean;
}

/** What stands still when a loop does. */
const STALLS: Readonly<Record<KeeperLoop | 'transactions', string>> = {
  feed: 'no look at the feed has ended',
  sealedBids: 'own sealed bids are not followed',
  transactions: 'transactions are not followed',
};

/** Counters and gauges of one keeper, fed by its events. */
export class KeeperMetrics {
  readonly registry = processRegistry();
  readonly #options: KeeperMetricsOptions;
  readonly #loops: ReadonlyMap<KeeperLoop, LoopState>;
  /** Transactions whose inclusion was told. */
  readonly #included = new Set<string>();
  readonly #gains: Counter<OfKind | 'result'>;
  readonly #gas: Counter<OfKind | 'result'>;
  readonly #hedge: Counter<OfKind | 'result'>;
  readonly #proofs: Counter<OfKind | 'result'>;
  readonly #proofSeconds: Histogram<OfKind>;
  readonly #transactions: Counter<OfKind | 'step'>;
  readonly #inclusionSeconds: Histogram<OfKind>;
  readonly #declined: Counter<OfKind | 'reason'>;
  readonly #abandoned: Counter<OfKind>;
  readonly #passes: Counter<'result'>;
  readonly #passSeconds: Histogram;
  readonly #loopPasses: Counter<'loop' | 'result'>;
  readonly #sealedBids: Counter<'state'>;
  readonly #chances: Gauge<'state'>;
  readonly #capital: Gauge<'figure'>;
  readonly #notional: Gauge<'figure'>;
  readonly #loss: Gauge<'figure'>;

  constructor(options: KeeperMetricsOptions) {
    this.#options = options;
    const { loops = ['feed'] } = options;
    this.#loops = new Map(loops.map((loop) => [loop, { at: performance.now(), failed: false }]));
    const registers = [this.registry];
    const counter = <T extends string>(name: string, help: string, ...labelNames: T[]): Counter<T> =>
      new Counter({ name: `zkmargin_keeper_${name}`, help, labelNames, registers });
    const gauge = <T extends string>(name: string, help: string, ...labelNames: T[]): Gauge<T> =>
      new Gauge({ name: `zkmargin_keeper_${name}`, help, labelNames, registers });
    const histogram = <T extends string>(
      name: string,
      help: string,
      buckets: number[],
      ...labelNames: T[]
    ): Histogram<T> =>
      new Histogram({ name: `zkmargin_keeper_${name}`, help, buckets, labelNames, registers });
    this.#gains = counter(
      'realised_usd_total',
      'gains of confirmed transactions before gas and hedge, as reckoned when they were decided',
      'kind',
      'result',
    );
    this.#gas = counter('gas_usd_total', 'what gas of ended transactions cost', 'kind', 'result');
    this.#hedge = counter(
      'hedge_usd_total',
      'what hedges of confirmed transactions cost, as reckoned when they were decided',
      'kind',
      'result',
    );
    this.#proofs = counter('proofs_total', 'proofs that were asked for, done or failed', 'kind', 'result');
    this.#proofSeconds = histogram(
      'proof_seconds',
      'time until all proofs of an action were there',
      PROOF_SECONDS,
      'kind',
    );
    this.#transactions = counter(
      'transactions_total',
      'steps of transactions: sent, replaced, cancelling, rebroadcast, sendFailed, capped, included, reorged, gap, foreign; and their ends: refused ' +
        'by the simulation, confirmed, reverted, cancelled, lost',
      'kind',
      'step',
    );
    this.#inclusionSeconds = histogram(
      'decision_to_inclusion_seconds',
      'time from the decision to the first inclusion of its transaction',
      [1, 2, 4, 8, 16, 32, 64, 128, 256],
      'kind',
    );
    this.#declined = counter(
      'declined_total',
      'chances that were left alone, each once for a reason',
      'kind',
      'reason',
    );
    this.#abandoned = counter(
      'abandoned_total',
      'actions that came to nothing before anything was sent',
      'kind',
    );
    this.#passes = counter('passes_total', 'looks at the feed by their result: ok, failed', 'result');
    this.#passSeconds = histogram(
      'pass_seconds',
      'time of a look at the feed',
      [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    );
    this.#sealedBids = counter(
      'sealed_bids_total',
      'states of own sealed bids, each once: unknown and missed cost the bond',
      'state',
    );
    this.#loopPasses = counter(
      'loop_passes_total',
      'passes of each loop by result: ok, failed',
      'loop',
      'result',
    );
    const ages = (): readonly (readonly [string, number])[] => this.#ages();
    new Gauge({
      name: 'zkmargin_keeper_loop_age_seconds',
      help: 'time since a pass of a loop ended: feed, sealedBids, transactions',
      labelNames: ['loop'],
      registers,
      collect() {
        for (const [loop, age] of ages()) this.set({ loop }, age / 1_000);
      },
    });
    this.#chances = gauge(
      'chances',
      'of the last look: candidates and auctions of the feed, what is worth an action, what is left alone',
      'state',
    );
    this.#capital = gauge(
      'capital_usd',
      'cash and collateral of all vessels (total), and what the slack leaves of it (usable)',
      'figure',
    );
    this.#notional = gauge(
      'gross_notional_usd',
      'gross notional of own positions and of what is under way (present), and its limit',
      'figure',
    );
    this.#loss = gauge('daily_loss_usd', 'losses of this day (present), and their limit', 'figure');
    const { strategy } = options;
    this.#notional.set({ figure: 'limit' }, usd(strategy.maxGrossNotional));
    this.#loss.set({ figure: 'limit' }, usd(strategy.maxDailyLoss));
    for (const result of ['ok', 'failed']) this.#passes.inc({ result }, 0);
  }

  /**
   * Loops of which no pass has ended for a time, in words with their names. Each by itself: one that goes on says nothing of the others.
   *
   * @param stallMs milliseconds
   */
  stalls(stallMs: number): string[] {
    return this.#ages()
      .filter(([, age]) => age > stallMs)
      .map(([loop]) => `${STALLS[loop]} (${loop})`);
  }

  /** Whether the last pass of a loop could not ask the feed or the chain. */
  hasFailed(loop: KeeperLoop): boolean {
    return this.#loops.get(loop)?.failed ?? false;
  }

  /** Takes an event in. */
  tell(event: KeeperEvent): void {
    switch (event.type) {
      case 'pass':
        this.#passSeconds.observe(event.ms / 1_000);
        for (const state of ['candidates', 'auctions', 'actions', 'declined'] as const) {
          this.#chances.set({ state }, event[state]);
        }
        break;
      case 'passed':
        this.#passed(event.loop, event.failed);
        break;
      case 'book': {
        const { capital, grossNotional, lossToday } = event;
        const slack = Number(this.#options.strategy.capitalSlackBps) / 10_000;
        this.#capital.set({ figure: 'total' }, usd(capital));
        this.#capital.set({ figure: 'usable' }, usd(capital) * (1 - slack));
        if (grossNotional === undefined) this.#notional.remove({ figure: 'present' });
        else this.#notional.set({ figure: 'present' }, usd(grossNotional));
        this.#loss.set({ figure: 'present' }, usd(lossToday));
        break;
      }
      case 'declined':
        this.#declined.inc({ kind: event.declined.kind, reason: event.declined.reason });
        break;
      case 'proving':
        this.#proofs.inc({ kind: event.kind, result: 'asked' }, event.proofs);
        break;
      case 'proven':
        this.#proofs.inc({ kind: event.kind, result: 'done' }, event.proofs);
        this.#proofSeconds.observe({ kind: event.kind }, event.ms / 1_000);
        break;
      case 'unproven':
        this.#proofs.inc({ kind: event.kind, result: 'failed' }, event.proofs);
        break;
      case 'abandoned':
        this.#abandoned.inc({ kind: event.kind });
        break;
      case 'sealedBid':
        this.#sealedBids.inc({ state: event.state });
        break;
      case 'sealedBidUnknown':
        this.#sealedBids.inc({ state: 'unknown' });
        break;
      case 'transaction':
        this.#transaction(event.event);
        break;
    }
  }

  #passed(loop: KeeperLoop, failed: boolean): void {
    const state = this.#loops.get(loop);
    if (state !== undefined) {
      state.at = performance.now();
      state.failed = failed;
    }
    const result = failed ? 'failed' : 'ok';
    this.#loopPasses.inc({ loop, result });
    if (loop === 'feed') this.#passes.inc({ result });
  }

  /** Milliseconds since passes ended. */
  #ages(): (readonly [KeeperLoop | 'transactions', number])[] {
    const now = performance.now();
    const followedAt = this.#options.followedAt?.();
    return [
      ...[...this.#loops].map(([loop, { at }]) => [loop, now - at] as const),
      ...(followedAt === undefined ? [] : [['transactions', now - followedAt] as const]),
    ];
  }

  #transaction(event: TransactionEvent): void {
    if (event.type === 'unreachable') return;
    const kind = event.type === 'gap' || event.type === 'foreign' ? 'fill' : event.kind;
    this.#transactions.inc({ kind, step: event.type === 'ended' ? event.end : event.type });
    if (event.type === 'included' && !this.#included.has(event.id)) {
      this.#included.add(event.id);
      const decidedAt = Number(this.#options.record(event.id)?.details.decidedAt ?? Number.NaN);
      // It may have been decided by an earlier process, and by another clock.
      if (Number.isFinite(decidedAt)) {
        this.#inclusionSeconds.observe({ kind }, Math.max(0, (Date.now() - decidedAt) / 1_000));
      }
    }
    if (event.type === 'ended') {
      this.#included.delete(event.id);
      const { end, cost } = event;
      void this.#result(kind, end, cost, end === 'confirmed' ? this.#options.record(event.id) : undefined);
    }
  }

  /** @param record of a transaction that brought what it was meant to */
  async #result(
    kind: string,
    result: string,
    cost: bigint,
    record: TransactionRecord | undefined,
  ): Promise<void> {
    const hedge = BigInt(record?.details.hedge ?? '0');
    const gross = (record?.gain ?? 0n) + hedge;
    const labels = { kind, result };
    this.#gains.inc(labels, Math.max(0, usd(gross)));
    this.#hedge.inc(labels, Math.max(0, usd(hedge)));
    try {
      this.#gas.inc(labels, usd(weiToMoney(cost, await this.#options.nativePrice())));
    } catch {
      // Without a price of gas it is not counted; the journal has it in wei.
    }
  }
}

/** 1e-6 USD as USD. */
function usd(amount: bigint): number {
  return Number(amount) / 1e6;
}
