/** Sends what waits for webhooks: each in order, again and again until it is taken or given up. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ZkMarginError } from '../../errors.ts';
import { type AlertStore, newIdempotencyKey, type WaitingDelivery } from '../../store/alert-store.ts';
import type { LoopState } from '../liveness.ts';
import { News } from '../news.ts';
import { post, type Webhook } from './webhook.ts';

/** What became of an attempt or a delivery. */
export type DeliveryResult = 'delivered' | 'retried' | 'dead' | 'dropped';

/** Options of {@link WebhookDispatcher}. */
export interface DispatcherOptions {
  readonly store: AlertStore;
  readonly webhooks: readonly Webhook[];
  readonly secret?: string | undefined;
  /** Milliseconds for an answer. */
  readonly timeoutMs: number;
  /** Attempts at a delivery. */
  readonly maxTries: number;
  /** Milliseconds before the second attempt; twice as long before each further one. */
  readonly retryMs: number;
  /** Longest pause between attempts, in milliseconds. */
  readonly maxRetryMs: number;
  /** Milliseconds between looks at the store beside notices of this process. */
  readonly pollMs: number;
  /** Whether the store is this process's alone, so that nobody else sends. */
  readonly exclusive: boolean;
  readonly now: () => number;
  /** For the jitter, in [0, 1). */
  readonly random?: () => number;
  readonly onResult?: (result: DeliveryResult, webhook: Webhook) => void;
  readonly onError?: (error: unknown, what: string) => void;
}

/** A lease outlives an attempt by so much. */
const LEASE_MARGIN_MS = 5_000;
/** Timers and the ends of requests may come so much late. */
const SLACK_MS = 1_000;
const NOT_WRITTEN = 'deliveries of alerts could not be read or written';

interface LoopTurns {
  turns: number;
  excusedUntil: number;
}

/** One loop for each webhook. */
export class WebhookDispatcher {
  readonly #options: DispatcherOptions;
  readonly #token = randomUUID();
  readonly #closing = new AbortController();
  readonly #news = new News();
  #loops: Promise<void>[] = [];
  /** Of each loop: steps that it made, and until when it may rest or wait for its receiver, on the clock of `performance.now`. */
  readonly #turns: LoopTurns[] = [];
  readonly #direct = new Set<Promise<void>>();

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#loops.length > 0 || this.#closing.signal.aborted) return;
    this.#loops = this.#options.webhooks.map((webhook) => {
      const state: LoopTurns = { turns: 0, excusedUntil: 0 };
      this.#turns.push(state);
      return this.#loop(webhook, state);
    });
  }

  /** Its loops, for liveness. A receiver that takes its time is no standstill, but an attempt that outlives its time is. */
  loopStates(): LoopState[] {
    const now = performance.now();
    return this.#turns.map(({ turns, excusedUntil }, index) => ({
      name: `sending of alerts to webhook ${index + 1}`,
      turns,
      excused: now < excusedUntil,
    }));
  }

  /** Looks at the store now. */
  wake(): void {
    this.#news.tell();
  }

  /** Sends to every webhook without the store, out of order: for what must be told because the store is gone. */
  sendDirect(body: string): void {
    const { webhooks, maxTries, onError } = this.#options;
    const idempotencyKey = newIdempotencyKey();
    for (const webhook of webhooks) {
      const sending = (async () => {
        for (let tries = 1; tries <= maxTries; tries++) {
          const attempt = await this.#attempt(webhook, body, idempotencyKey);
          if (attempt.ok) return this.#options.onResult?.('delivered', webhook);
          if (tries === maxTries) return this.#giveUp(webhook, attempt.cause);
          this.#options.onResult?.('retried', webhook);
          await sleep(this.#pause(tries, attempt.retryAfterMs), undefined, { signal: this.#closing.signal });
        }
      })()
        .catch((error: unknown) => {
          if (!this.#closing.signal.aborted) onError?.(error, 'an alert could not be sent');
        })
        .finally(() => this.#direct.delete(sending));
      this.#direct.add(sending);
    }
  }

  /** Gives up what is being sent; it is sent again by the next process. Safe to call twice. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.wake();
    await Promise.all([...this.#loops, ...this.#direct]);
    if (this.#loops.length > 0) await this.#options.store.releaseSender(this.#token).catch(() => undefined);
  }

  async #loop(webhook: Webhook, state: LoopTurns): Promise<void> {
    const { store, pollMs, timeoutMs, onError } = this.#options;
    const excuse = (ms: number) => {
      state.excusedUntil = performance.now() + ms;
    };
    /** Have arrived, but the store has not taken note of it: this process does not send them again. */
    const arrived: bigint[] = [];
    const note = async (): Promise<void> => {
      if (arrived.length > 0) await store.delivered(arrived);
      arrived.length = 0;
    };
    while (!this.#closing.signal.aborted) {
      const seen = this.#news.count;
      let pause = pollMs;
      state.turns++;
      excuse(0);
      try {
        // A store without room can still be read: what it holds is sent.
        await note().catch((error: unknown) => onError?.(error, NOT_WRITTEN));
        const delivery = await this.#next(webhook, arrived.at(-1));
        if (delivery !== undefined && delivery.waitMs > 0) pause = Math.min(pause, delivery.waitMs);
        else if (delivery !== undefined) {
          const { place, body, idempotencyKey } = delivery;
          excuse(timeoutMs + SLACK_MS);
          const attempt = await this.#attempt(webhook, body, idempotencyKey);
          excuse(0);
          state.turns++;
          const tries = delivery.tries + 1;
          if (attempt.ok) {
            arrived.push(place);
            this.#options.onResult?.('delivered', webhook);
          } else if (tries >= this.#options.maxTries) {
            await store.dead(place, attempt.cause);
            this.#giveUp(webhook, attempt.cause);
          } else {
            await store.failed(place, attempt.cause, this.#pause(tries, attempt.retryAfterMs));
            this.#options.onResult?.('retried', webhook);
          }
          continue;
        }
      } catch (error) {
        if (this.#closing.signal.aborted) break;
        onError?.(error, NOT_WRITTEN);
      }
      excuse(pause + SLACK_MS);
      await this.#news.rest(seen, pause);
    }
    await note().catch(() => undefined);
  }

  /** What is to be sent now or later; nothing while another process sends. */
  async #next(webhook: Webhook, after: bigint | undefined): Promise<WaitingDelivery | undefined> {
    const { store, timeoutMs, exclusive } = this.#options;
    const delivery = await store.next(webhook.digest, after);
    if (exclusive || delivery === undefined || delivery.waitMs > 0) return delivery;
    const mine = await store.claimSender(webhook.digest, this.#token, timeoutMs + LEASE_MARGIN_MS);
    // Who sent before may have sent this one.
    return mine ? store.next(webhook.digest, after) : undefined;
  }

  #attempt(webhook: Webhook, body: string, idempotencyKey: string) {
    const { secret, timeoutMs, now } = this.#options;
    const timestamp = Math.floor(now() / 1_000);
    return post(webhook, { body, idempotencyKey, secret, timeoutMs, timestamp }, this.#closing.signal);
  }

  #giveUp(webhook: Webhook, cause: string): void {
    this.#options.onResult?.('dead', webhook);
    this.#options.onError?.(
      new ZkMarginError('TIMEOUT', `Look at the webhook on ${webhook.host}: it took none of all attempts.`, {
        details: { host: webhook.host, cause },
      }),
      'an alert was not delivered',
    );
  }

  /** Half of the pause is chance, so that many senders do not come back at once. */
  #pause(tries: number, retryAfterMs = 0): number {
    const { retryMs, maxRetryMs, random = Math.random } = this.#options;
    const full = Math.min(maxRetryMs, retryMs * 2 ** (tries - 1));
    return Math.max(full / 2 + random() * (full / 2), retryAfterMs);
  }
}
