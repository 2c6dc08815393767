/** Alerts and their deliveries as they are kept. */
import { randomUUID } from 'node:crypto';
import type { Database, Queryable, Row } from './database.ts';

/** How much hurry there is. */
export type StoredSeverity = 'info' | 'warning' | 'critical';

/** An alert to be kept. */
export interface NewAlert {
  /** The same for as long as the condition is about the same thing. */
  readonly id: string;
  readonly kind: string;
  readonly severity: StoredSeverity;
  readonly text: string;
  readonly underlyingId?: bigint;
  readonly accountId?: bigint;
  readonly roundNumber?: bigint;
}

/** An alert as it is kept. Times are seconds since 1970-01-01 UTC. */
export interface AlertRecord extends NewAlert {
  /** Counts up. */
  readonly number: bigint;
  readonly raisedAt: bigint;
  /** When it was told last. */
  readonly toldAt: bigint;
  /** How often it was told. */
  readonly times: number;
  readonly resolvedAt?: bigint;
}

/** What happened to an alert. */
export type AlertStep = 'raised' | 'worsened' | 'reminded' | 'resolved';

/** A change of an alert that was recorded. */
export interface AlertNotice {
  readonly step: AlertStep;
  readonly alert: AlertRecord;
}

/** What is to be recorded. */
export interface AlertChanges {
  readonly raised: readonly NewAlert[];
  readonly worsened: readonly NewAlert[];
  readonly reminded: readonly NewAlert[];
  readonly resolved: readonly NewAlert[];
  /** Alerts that were told after this are not reminded of; seconds since 1970-01-01 UTC. */
  readonly remindBefore: bigint;
  /** Seconds since 1970-01-01 UTC. */
  readonly now: bigint;
}

/** Text that a webhook is to be sent. */
export interface NewDelivery {
  /** Digest of the webhook's URL. */
  readonly webhook: string;
  readonly idempotencyKey: string;
  readonly body: string;
}

/** The first delivery that waits for a webhook. */
export interface WaitingDelivery {
  readonly place: bigint;
  readonly idempotencyKey: string;
  readonly body: string;
  /** Attempts that failed. */
  readonly tries: number;
  /** Milliseconds until it may be tried; 0 for now. */
  readonly waitMs: number;
}

/** Alerts that are listed. */
export interface AlertQuery {
  /** All unless given. */
  readonly state?: 'open' | 'resolved' | undefined;
  /** Numbers below this alone. */
  readonly before?: bigint | undefined;
  readonly limit?: number | undefined;
}

const COLUMNS =
  'number, key, kind, severity, text, underlying_id, account_id, round, raised_at, told_at, times, resolved_at';
const RANK = (column: string) => `array_position(array['info', 'warning', 'critical'], ${column})`;
const GIVEN = `jsonb_to_recordset($1::jsonb) as given (key text, kind text, severity text, text text, underlying_id bigint, account_id numeric,
  round bigint, place integer)`;
/** Columns of the open alert in an update. */
const OWN = COLUMNS.split(', ')
  .map((name) => `alerts.${name}`)
  .join(', ');

/** Alerts in a database. Several processes may write: of one condition there is one open alert, and every step is recorded once. */
export class AlertStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** All open alerts by number. */
  async open(): Promise<AlertRecord[]> {
    const rows = await this.#database.query<AlertRow>(
      `select ${COLUMNS} from alerts where resolved_at is null order by number`,
    );
    return rows.map(toAlert);
  }

  /** Alerts, the newest first. */
  async list({ state, before, limit = 100 }: AlertQuery = {}): Promise<AlertRecord[]> {
    const rows = await this.#database.query<AlertRow>(
      `select ${COLUMNS} from alerts where ($1::text is null or (resolved_at is null) = ($1::text = 'open'))
      and ($2::int8 is null or number < $2::int8) order by number desc limit $3::int4`,
      [state, before, limit],
    );
    return rows.map(toAlert);
  }

  /**
   * Records changes and what is to be sent of them, all of it or nothing.
   *
   * @param deliveriesOf what webhooks are told of the steps that were recorded: another process may have been quicker
   * @param capacity deliveries that may wait for one webhook; the oldest give way
   * @returns the steps that were recorded, and how many deliveries gave way
   */
  async record(
    changes: AlertChanges,
    deliveriesOf: (notices: readonly AlertNotice[]) => readonly NewDelivery[],
    capacity: number,
  ): Promise<{ readonly notices: readonly AlertNotice[]; readonly dropped: number }> {
    return this.#database.transaction(async (tx) => {
      const notices = [
        ...(await raise(tx, changes)),
        ...(await tellAgain(tx, changes, 'worsened')),
        ...(await tellAgain(tx, changes, 'reminded')),
        ...(await resolve(tx, changes)),
      ];
      const deliveries = deliveriesOf(notices);
      for (const { webhook, idempotencyKey, body } of deliveries) {
        await tx.query('insert into alert_deliveries (webhook, idempotency_key, body) values ($1, $2, $3)', [
          webhook,
          idempotencyKey,
          body,
        ]);
      }
      let dropped = 0;
      for (const webhook of new Set(deliveries.map((delivery) => delivery.webhook))) {
        const gone = await tx.query(
          `delete from alert_deliveries where place in (select place from alert_deliveries where webhook = $1 and state = 'waiting'
          order by place desc offset $2::int4) returning place`,
          [webhook, capacity],
        );
        dropped += gone.length;
      }
      return { notices, dropped };
    });
  }

  /**
   * The first delivery that waits for a webhook.
   *
   * @param after behind this place
   */
  async next(webhook: string, after = 0n): Promise<WaitingDelivery | undefined> {
    const [row] = await this.#database.query<{
      place: bigint;
      idempotency_key: string;
      body: string;
      tries: number;
      wait_ms: number;
    }>(
      `select place, idempotency_key, body, tries,
        greatest(0, ceil(extract(epoch from not_before - clock_timestamp()) * 1000))::int4 as wait_ms
      from alert_deliveries where webhook = $1 and state = 'waiting' and place > $2::int8 order by place limit 1`,
      [webhook, after],
    );
    return (
      row && {
        place: row.place,
        idempotencyKey: row.idempotency_key,
        body: row.body,
        tries: row.tries,
        waitMs: row.wait_ms,
      }
    );
  }

  /** Deliveries have arrived, and are forgotten. */
  async delivered(places: readonly bigint[]): Promise<void> {
    await this.#database.query('delete from alert_deliveries where place = any($1::int8[])', [places]);
  }

  /** The attempt failed; the next one is so many milliseconds later. */
  async failed(place: bigint, cause: string, pauseMs: number): Promise<void> {
    await this.#database.query(
      `update alert_deliveries set tries = tries + 1, cause = $2,
        not_before = clock_timestamp() + $3::float8 * interval '1 millisecond' where place = $1`,
      [place, cause, pauseMs],
    );
  }

  /** The last attempt failed: it is not tried any more. */
  async dead(place: bigint, cause: string): Promise<void> {
    await this.#database.query(
      "update alert_deliveries set tries = tries + 1, cause = $2, state = 'dead', ended_at = clock_timestamp() where place = $1",
      [place, cause],
    );
  }

  /** Deliveries by state, of all webhooks. */
  async deliveryCounts(): Promise<{ readonly waiting: number; readonly dead: number }> {
    const rows = await this.#database.query<{ state: 'waiting' | 'dead'; count: bigint }>(
      'select state, count(*) from alert_deliveries group by state',
    );
    const of = (state: 'waiting' | 'dead') => Number(rows.find((row) => row.state === state)?.count ?? 0n);
    return { waiting: of('waiting'), dead: of('dead') };
  }

  /**
   * Becomes or stays the one process that sends to a webhook.
   *
   * @returns false while another one does
   */
  async claimSender(webhook: string, token: string, leaseMs: number): Promise<boolean> {
    const rows = await this.#database.query(
      `insert into alert_senders (webhook, token, lease_until) values ($1, $2, clock_timestamp() + $3::float8 * interval '1 millisecond')
      on conflict (webhook) do update set token = excluded.token, lease_until = excluded.lease_until
      where alert_senders.token = excluded.token or alert_senders.lease_until < clock_timestamp() returning token`,
      [webhook, token, leaseMs],
    );
    return rows.length > 0;
  }

  /** Lets other processes send. */
  async releaseSender(token: string): Promise<void> {
    await this.#database.query('delete from alert_senders where token = $1', [token]);
  }

  /** Forgets alerts that were resolved, and deliveries that ended or wait for webhooks that nobody has, some days ago. */
  async prune(now: bigint, days = 30): Promise<void> {
    await this.#database.query('delete from alerts where resolved_at < $1', [now - BigInt(days) * 86_400n]);
    await this.#database.query(
      "delete from alert_deliveries where created_at < clock_timestamp() - $1::int4 * interval '1 day'",
      [days],
    );
  }
}

/** A new idempotency key. */
export function newIdempotencyKey(): string {
  return randomUUID();
}

async function raise(tx: Queryable, { raised, now }: AlertChanges): Promise<AlertNotice[]> {
  if (raised.length === 0) return [];
  const rows = await tx.query<AlertRow>(
    `insert into alerts (key, kind, severity, text, underlying_id, account_id, round, raised_at, told_at)
    select key, kind, severity, text, underlying_id, account_id, round, $2::int8, $2::int8 from ${GIVEN} order by place
    on conflict (key) where resolved_at is null do nothing returning ${COLUMNS}`,
    [given(raised), now],
  );
  return noticesOf('raised', rows, raised);
}

async function tellAgain(
  tx: Queryable,
  changes: AlertChanges,
  step: 'worsened' | 'reminded',
): Promise<AlertNotice[]> {
  const alerts = changes[step];
  if (alerts.length === 0) return [];
  const due =
    step === 'worsened'
      ? `${RANK('given.severity')} > ${RANK('alerts.severity')}`
      : 'alerts.told_at <= $3::int8';
  const rows = await tx.query<AlertRow>(
    `update alerts set severity = given.severity, text = given.text, round = given.round, told_at = $2::int8, times = alerts.times + 1
    from ${GIVEN} where alerts.key = given.key and alerts.resolved_at is null and ${due} returning ${OWN}`,
    [given(alerts), changes.now, ...(step === 'reminded' ? [changes.remindBefore] : [])],
  );
  return noticesOf(step, rows, alerts);
}

async function resolve(tx: Queryable, { resolved, now }: AlertChanges): Promise<AlertNotice[]> {
  if (resolved.length === 0) return [];
  const rows = await tx.query<AlertRow>(
    `update alerts set resolved_at = $2::int8 where resolved_at is null and key = any($1::text[]) returning ${COLUMNS}`,
    [resolved.map(({ id }) => id), now],
  );
  return noticesOf('resolved', rows, resolved);
}

/** In the order in which they were given. */
function noticesOf(step: AlertStep, rows: readonly AlertRow[], order: readonly NewAlert[]): AlertNotice[] {
  const byKey = new Map(rows.map((row) => [row.key, row]));
  return order.flatMap(({ id }) => {
    const row = byKey.get(id);
    return row === undefined ? [] : [{ step, alert: toAlert(row) }];
  });
}

function given(alerts: readonly NewAlert[]): string {
  return JSON.stringify(
    alerts.map(({ id, kind, severity, text, underlyingId, accountId, roundNumber }, place) => ({
      key: id,
      kind,
      severity,
      text,
      place,
      ...(underlyingId !== undefined && { underlying_id: String(underlyingId) }),
      ...(accountId !== undefined && { account_id: String(accountId) }),
      ...(roundNumber !== undefined && { round: String(roundNumber) }),
    })),
  );
}

interface AlertRow extends Row {
  number: bigint;
  key: string;
  kind: string;
  severity: StoredSeverity;
  text: string;
  underlying_id: bigint | null;
  account_id: bigint | null;
  round: bigint | null;
  raised_at: bigint;
  told_at: bigint;
  times: number;
  resolved_at: bigint | null;
}
function toAlert(row: AlertRow): AlertRecord {
  const { number, key, kind, severity, text, times } = row;
  return {
    number,
    id: key,
    kind,
    severity,
    text,
    ...(row.underlying_id !== null && { underlyingId: row.underlying_id }),
    ...(row.account_id !== null && { accountId: row.account_id }),
    ...(row.round !== null && { roundNumber: row.round }),
    raisedAt: row.raised_at,
    toldAt: row.told_at,
    times,
    ...(row.resolved_at !== null && { resolvedAt: row.resolved_at }),
  };
}
