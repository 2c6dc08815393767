/** Raises alerts when conditions begin to hold, resolves them when they end, and has webhooks told. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isZkMarginError, requireInteger, ZkMarginError } from '../../errors.ts';
import { underlyingSymbolOf } from '../../market/instrument.ts';
import {
  type ActiveAlert,
  ALERT_SEVERITIES,
  type AlertSeverity,
  NO_ALERTS,
  updateAlerts,
} from '../../risk/monitor/index.ts';
import {
  type AlertNotice,
  type AlertRecord,
  AlertStore,
  type NewDelivery,
  newIdempotencyKey,
} from '../../store/alert-store.ts';
import type { Database } from '../../store/database.ts';
import type { LoopState } from '../liveness.ts';
import { OneAtATime } from '../one-at-a-time.ts';
import {
  type AlertKind,
  type AlertLimits,
  DEFAULT_ALERT_LIMITS,
  judge,
  type ServiceAlert,
  type ServiceState,
} from './conditions.ts';
import { type DeliveryResult, type DispatcherOptions, WebhookDispatcher } from './dispatcher.ts';
import type { AlertDelivery, AlertNoticeView, AlertView } from './schemas.ts';
import { readWebhook } from './webhook.ts';

/** How alerts are raised and sent. */
export interface AlertOptions {
  /** Where alerts are posted to. URLs may be secrets: hosts alone are logged. */
  readonly webhooks?: readonly string[] | undefined;
  /** Signs what is posted; at least 16 characters. */
  readonly secret?: string | undefined;
  /** Alerts below it are not posted; they are listed and told as events all the same. Default `info`. */
  readonly minimumSeverity?: AlertSeverity | undefined;
  /** Seconds after which an alert that still holds is told again. Default 3,600. */
  readonly reminderSeconds?: number | undefined;
  /** Seconds for which a condition must not have held until its alert is resolved. Default 300. */
  readonly holdSeconds?: number | undefined;
  /** Age of the newest round beyond which its sources are taken for silent, in seconds; half of the greatest age unless given. */
  readonly heartbeatSeconds?: number | undefined;
  /** Milliseconds for an answer of a webhook. Default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** Attempts at a delivery. Default 12: some 20 minutes. */
  readonly maxTries?: number | undefined;
  /** Milliseconds before the second attempt; twice as long before each further one, 300,000 at most. Default 1,000. */
  readonly retryMs?: number | undefined;
  /** Deliveries that wait for one webhook at most; the oldest give way. Default 1,000. */
  readonly capacity?: number | undefined;
  /** Milliseconds between judgements beside those at each round. Default 5,000. */
  readonly pollMs?: number | undefined;
  /** Bytes; less free space on the store's disk is an alert. Default 512 MiB. */
  readonly storeFreeBytes?: number | undefined;
}

/** What an {@link AlertMonitor} works with. */
export interface AlertMonitorParts {
  readonly database: Database;
  /** What is judged; the store's problem is added. */
  readonly state: () => Promise<ServiceState>;
  /** Blocks that the indexer may be behind; 5 unless given. */
  readonly maxLagBlocks?: number;
  /** Told of each step after it is recorded. */
  readonly onNotice?: (notice: AlertNoticeView) => void;
  readonly onDelivery?: (result: DeliveryResult, count: number) => void;
  readonly onError?: (error: unknown, what: string) => void;
  /** Milliseconds; `Date.now` unless given. */
  readonly now?: () => number;
}

/** Notices of one delivery at most. */
const BATCH = 100;
const MAX_RETRY_MS = 300_000;
const PRUNE_EVERY_MS = 3_600_000;

/** Options that were checked, with what was left out. */
export interface AlertSettings extends Pick<DispatcherOptions, SendingOptions> {
  readonly reminderSeconds: bigint;
  readonly holdSeconds: bigint;
  readonly minimumRank: number;
  readonly capacity: number;
  readonly limits: AlertLimits;
}
type SendingOptions = 'webhooks' | 'secret' | 'timeoutMs' | 'maxTries' | 'retryMs' | 'maxRetryMs' | 'pollMs';

/** @throws ZkMarginError `MALFORMED`, `OUT_OF_RANGE`, never with a URL or the secret */
export function readAlertOptions(options: AlertOptions = {}): AlertSettings {
  const within = (name: keyof AlertOptions, standard: number, least: number, most: number): number =>
    requireInteger(options[name] ?? standard, least, most, `alerts.${name}`);
  const { secret, minimumSeverity = 'info', heartbeatSeconds } = options;
  if (secret !== undefined && secret.length < 16) {
    throw new ZkMarginError('MALFORMED', 'Use a secret of at least 16 characters for alerts.', {
      field: 'alerts.secret',
    });
  }
  const webhooks = (options.webhooks ?? []).map((text, index) => readWebhook(text, index));
  if (new Set(webhooks.map(({ digest }) => digest)).size < webhooks.length) {
    throw new ZkMarginError('MALFORMED', 'Name each webhook once.', { field: 'alerts.webhooks' });
  }
  return {
    webhooks,
    secret,
    reminderSeconds: BigInt(within('reminderSeconds', 3_600, 1, 2 ** 31)),
    holdSeconds: BigInt(within('holdSeconds', 300, 0, 86_400)),
    minimumRank: ALERT_SEVERITIES.indexOf(minimumSeverity),
    capacity: within('capacity', 1_000, 1, 1_000_000),
    timeoutMs: within('timeoutMs', 10_000, 10, 60_000),
    maxTries: within('maxTries', 12, 1, 100),
    retryMs: within('retryMs', 1_000, 1, MAX_RETRY_MS),
    maxRetryMs: MAX_RETRY_MS,
    pollMs: within('pollMs', 5_000, 10, 600_000),
    limits: {
      ...DEFAULT_ALERT_LIMITS,
      ...(heartbeatSeconds !== undefined && {
        heartbeatSeconds: BigInt(within('heartbeatSeconds', heartbeatSeconds, 1, 2 ** 31)),
      }),
      storeFreeBytes: within('storeFreeBytes', DEFAULT_ALERT_LIMITS.storeFreeBytes, 0, 2 ** 50),
    },
  };
}

/** Alerts of one service. */
export class AlertMonitor {
  readonly store: AlertStore;
  readonly #parts: AlertMonitorParts;
  readonly #limits: AlertLimits;
  readonly #settings: AlertSettings;
  readonly #dispatcher: WebhookDispatcher;
  readonly #closing = new AbortController();
  readonly #now: () => number;
  #active: ReadonlyMap<string, ActiveAlert<ServiceAlert>> | undefined;
  /** The store as it took the last changes. */
  #problem: ZkMarginError | undefined;
  #emergencyAt: number | undefined;
  #prunedAt: number | undefined;
  readonly #judging = new OneAtATime(
    () => this.#judge(),
    () => this.#closing.signal.aborted,
  );
  /** Judgements that have ended, whatever came of them. */
  #turns = 0;
  /** Whether its loop only waits for the time of the next judgement. */
  #resting = false;
  #loop: Promise<void> | undefined;

  constructor(settings: AlertSettings, parts: AlertMonitorParts) {
    const { maxLagBlocks } = parts;
    this.#parts = parts;
    this.#settings = settings;
    this.#now = parts.now ?? Date.now;
    this.#limits = { ...settings.limits, ...(maxLagBlocks !== undefined && { maxLagBlocks }) };
    this.store = new AlertStore(parts.database);
    this.#dispatcher = new WebhookDispatcher({
      ...settings,
      store: this.store,
      exclusive: parts.database.kind === 'embedded',
      now: this.#now,
      onResult: (result) => parts.onDelivery?.(result, 1),
      onError: (error, what) => parts.onError?.(error, what),
    });
  }

  /** Alerts that are open, as this process knows. */
  open(): readonly ServiceAlert[] {
    return [...(this.#active?.values() ?? [])].map(({ alert }) => alert);
  }

  /** Takes up what an earlier process has left, and judges until it is closed. */
  async start(): Promise<void> {
    if (this.#loop !== undefined || this.#closing.signal.aborted) return;
    this.#dispatcher.start();
    await this.judge();
    this.#loop = this.#poll();
  }

  /** Judges now. One judgement runs at a time; another one follows when the state changed meanwhile. Never throws. */
  judge(): Promise<void> {
    return this.#judging.run();
  }

  /** Its loops, for liveness: that of the judgements, and one for each webhook. */
  loopStates(): LoopState[] {
    return [
      { name: 'judging of alerts', turns: this.#turns, excused: this.#resting },
      ...this.#dispatcher.loopStates(),
    ];
  }

  /** Ends. What waits is sent by the next process. Safe to call twice. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#loop;
    await this.#judging.settled();
    await this.#dispatcher.close();
  }

  async #poll(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      this.#resting = true;
      await sleep(this.#settings.pollMs, undefined, { signal }).catch(() => undefined);
      this.#resting = false;
      if (!signal.aborted) await this.judge();
    }
  }

  async #judge(): Promise<void> {
    const { state, onError } = this.#parts;
    const { holdSeconds, reminderSeconds } = this.#settings;
    try {
      const seconds = BigInt(Math.floor(this.#now() / 1_000));
      this.#active ??= await this.#stored(seconds);
      const present = await state();
      const { alerts, unjudged } = judge({ ...present, storeProblem: this.#problem }, this.#limits);
      const update = updateAlerts(this.#active, alerts, seconds, { holdSeconds, reminderSeconds, unjudged });
      const { raised, worsened, reminded, resolved, active } = update;
      if (raised.length + worsened.length + reminded.length + resolved.length > 0) {
        const { notices, dropped } = await this.store.record(
          { raised, worsened, reminded, resolved, now: seconds, remindBefore: seconds - reminderSeconds },
          (recorded) => this.#deliveriesOf(recorded, seconds),
          this.#settings.capacity,
        );
        this.#active = active;
        if (dropped > 0) {
          this.#parts.onDelivery?.('dropped', dropped);
          onError?.(
            new ZkMarginError('BUSY', 'Look at the webhooks: too many alerts wait for them.'),
            'alerts gave way to newer ones',
          );
        }
        for (const notice of notices) this.#parts.onNotice?.(noticeView(notice));
        if (notices.length > 0) this.#dispatcher.wake();
        // Another process has recorded some of it: what it knows counts.
        if (notices.length < raised.length + worsened.length + reminded.length + resolved.length) {
          this.#active = await this.#stored(seconds);
        }
      } else this.#active = active;
      await this.#prune(seconds);
      this.#problem = undefined;
      this.#emergencyAt = undefined;
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      onError?.(error, 'alerts could not be judged or recorded');
      if (isZkMarginError(error) && /^STORE_/.test(error.code)) this.#emergency(error);
    } finally {
      this.#turns++;
    }
  }

  /** Open alerts of the store; how long their conditions have not held is reckoned from now on. */
  async #stored(now: bigint): Promise<ReadonlyMap<string, ActiveAlert<ServiceAlert>>> {
    const records = await this.store.open();
    if (records.length === 0) return NO_ALERTS;
    return new Map(
      records.map((record) => {
        const { id, kind, severity, text, underlyingId, accountId, roundNumber, raisedAt, toldAt } = record;
        const alert: ServiceAlert = {
          id,
          kind: kind as AlertKind,
          severity,
          text,
          ...(underlyingId !== undefined && { underlyingId }),
          ...(accountId !== undefined && { accountId }),
          ...(roundNumber !== undefined && { roundNumber }),
        };
        const known = this.#active?.get(id);
        return [id, { alert, since: raisedAt, toldAt, lastSeen: known?.lastSeen ?? now }];
      }),
    );
  }

  #deliveriesOf(notices: readonly AlertNotice[], now: bigint): NewDelivery[] {
    const told = notices.filter(
      ({ alert }) => ALERT_SEVERITIES.indexOf(alert.severity) >= this.#settings.minimumRank,
    );
    const deliveries: NewDelivery[] = [];
    for (let from = 0; from < told.length; from += BATCH) {
      const body = bodyOf(told.slice(from, from + BATCH).map(noticeView), now);
      for (const { digest } of this.#settings.webhooks) {
        deliveries.push({ webhook: digest, idempotencyKey: newIdempotencyKey(), body });
      }
    }
    return deliveries;
  }

  /** The store takes nothing, not even the alert that says so: webhooks are told without it, once and as reminders. */
  #emergency(problem: ZkMarginError): void {
    this.#problem = problem;
    const now = this.#now();
    const { reminderSeconds } = this.#settings;
    if (this.#emergencyAt !== undefined && now - this.#emergencyAt < 1_000 * Number(reminderSeconds)) return;
    const step = this.#emergencyAt === undefined ? 'raised' : 'reminded';
    this.#emergencyAt = now;
    const [alert] = judge({ now, startedAt: now, storeProblem: problem }, this.#limits).alerts;
    if (alert === undefined) return;
    const seconds = BigInt(Math.floor(now / 1_000));
    const record: AlertRecord = { ...alert, number: 0n, raisedAt: seconds, toldAt: seconds, times: 1 };
    const notice = noticeView({ step, alert: record });
    this.#parts.onNotice?.(notice);
    this.#dispatcher.sendDirect(bodyOf([notice], seconds));
  }

  async #prune(seconds: bigint): Promise<void> {
    const now = this.#now();
    if (this.#prunedAt !== undefined && now - this.#prunedAt < PRUNE_EVERY_MS) return;
    this.#prunedAt = now;
    await this.store.prune(seconds);
  }
}

function bodyOf(notices: readonly AlertNoticeView[], now: bigint): string {
  const delivery: AlertDelivery = { version: 1, createdAt: String(now), notices: [...notices] };
  return JSON.stringify(delivery);
}

function noticeView({ step, alert }: AlertNotice): AlertNoticeView {
  return { step, alert: alertView(alert) };
}

/** An alert as it is shown. */
export function alertView(record: AlertRecord): AlertView {
  const { underlyingId, accountId, roundNumber, resolvedAt } = record;
  const { id, kind, severity, text, times } = record;
  return {
    number: String(record.number),
    id,
    kind,
    severity,
    text,
    ...(underlyingId !== undefined && {
      underlying: underlyingSymbolOf(underlyingId) ?? String(underlyingId),
    }),
    ...(accountId !== undefined && { accountId: String(accountId) }),
    ...(roundNumber !== undefined && { round: String(roundNumber) }),
    raisedAt: String(record.raisedAt),
    toldAt: String(record.toldAt),
    times,
    ...(resolvedAt !== undefined && { resolvedAt: String(resolvedAt) }),
  };
}
