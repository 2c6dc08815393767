/** Alerts: what people must hear of, by snapshots and the oracle's state. Pure; sending is for others. */
import { underlyingSymbolOf } from '../../market/instrument.ts';
import { decimal } from '../../plain-text.ts';
import type { AccountRisk, RiskSnapshot } from './snapshot.ts';

/** The least severe first. */
export const ALERT_SEVERITIES = ['info', 'warning', 'critical'] as const;

/** How much hurry there is. */
export type AlertSeverity = (typeof ALERT_SEVERITIES)[number];

/** Kinds of alerts about accounts, books and oracles; each has its entry in the runbook, `docs/operations.md`. */
export const RISK_ALERT_KINDS = [
  'account-liquidatable',
  'account-bad-debt',
  'account-undecided',
  'book-deficit',
  'oracle-stale',
  'oracle-breaker',
] as const;

/** Kind of an alert about risk. */
export type RiskAlertKind = (typeof RISK_ALERT_KINDS)[number];

/** One condition that holds. */
export interface Alert<Kind extends string = string> {
  /** The same for as long as the condition is about the same thing: kind, underlying and account. */
  readonly id: string;
  readonly kind: Kind;
  readonly severity: AlertSeverity;
  /** What is the matter, and what to do. */
  readonly text: string;
  readonly underlyingId?: bigint;
  readonly accountId?: bigint;
  readonly roundNumber?: bigint;
}

/** What is known beside the snapshot. */
export interface AlertConditions {
  /** Seconds since 1970-01-01 UTC. */
  readonly now: bigint;
  /** Age of the newest round beyond which contracts take no proof of it, in seconds. */
  readonly maxRoundAge: bigint;
  /** Age of the newest round beyond which its sources are taken for silent, in seconds; half of `maxRoundAge` unless given. */
  readonly heartbeat?: bigint;
  /** A round that the oracle's breaker holds back until another confirms it. */
  readonly pendingRound?: { readonly number: bigint; readonly timestamp: bigint };
  /** What the insurance fund holds, 1e-6 USD. */
  readonly fund?: bigint;
  /** Deficit of the book that is no alert yet, 1e-6 USD; 0 unless given. */
  readonly deficitLimit?: bigint;
}

/** All conditions that hold now, the most severe first. */
export function alertsOf(snapshot: RiskSnapshot, conditions: AlertConditions): Alert<RiskAlertKind>[] {
  const { underlyingId, roundNumber, totals } = snapshot;
  const name = underlyingSymbolOf(underlyingId) ?? underlyingId.toString();
  const alerts: Alert<RiskAlertKind>[] = [];
  const add = (kind: RiskAlertKind, severity: AlertSeverity, text: string, accountId?: bigint) => {
    const id = accountId === undefined ? `${kind}:${name}` : `${kind}:${name}:${accountId}`;
    alerts.push({
      id,
      kind,
      severity,
      text,
      underlyingId,
      roundNumber,
      ...(accountId === undefined ? {} : { accountId }),
    });
  };

  for (const row of snapshot.ranking) accountAlert(row, name, add);

  const { now, maxRoundAge, heartbeat, pendingRound, fund, deficitLimit = 0n } = conditions;
  if (totals.deficit > deficitLimit) {
    const covered = fund !== undefined && fund >= totals.deficit;
    const rest =
      fund === undefined
        ? ''
        : covered
          ? ` The insurance fund holds ${usd(fund)}.`
          : ` The insurance fund holds ${usd(fund)}: the rest falls on other traders.`;
    add(
      'book-deficit',
      covered ? 'warning' : 'critical',
      `Accounts of ${name} owe ${usd(totals.deficit)} more than they have (${totals.byTier.badDebt} in bad debt).${rest}`,
    );
  }
  const age = now - snapshot.round.underlying.timestamp;
  const silent = heartbeat === undefined ? 2n * age > maxRoundAge : age > heartbeat || age > maxRoundAge;
  if (silent) {
    const over = age > maxRoundAge;
    add(
      'oracle-stale',
      over ? 'critical' : 'warning',
      over
        ? `Round ${roundNumber} of ${name} is ${age} s old, more than ${maxRoundAge} s: nothing can be proven. Check the price sources.`
        : `Round ${roundNumber} of ${name} is ${age} s old; beyond ${maxRoundAge} s nothing can be proven. Check the price sources.`,
    );
  }
  if (pendingRound !== undefined) {
    add(
      'oracle-breaker',
      'critical',
      `The breaker of ${name} holds back round ${pendingRound.number}, ${now - pendingRound.timestamp} s old: prices jumped. It needs ` +
        'a second round that agrees; check prices, then the sources.',
    );
  }
  return alerts.sort(bySeverity);
}

function accountAlert(
  row: AccountRisk,
  name: string,
  add: (kind: RiskAlertKind, severity: AlertSeverity, text: string, accountId: bigint) => void,
): void {
  const attended = row.inAuction ? 'It is in auction.' : 'Nobody has begun to liquidate it.';
  if (row.tier === 'badDebt') {
    add(
      'account-bad-debt',
      'critical',
      `Account ${row.id} of ${name} is in bad debt: worth ${usd(row.worth)}, required ${usd(row.requirement)}. ${attended}`,
      row.id,
    );
  } else if (row.tier === 'liquidatable') {
    add(
      'account-liquidatable',
      row.inAuction ? 'info' : 'warning',
      `Account ${row.id} of ${name} is liquidatable: equity ${usd(row.equity)}, required ${usd(row.requirement)}. ${attended}`,
      row.id,
    );
  } else if (row.tier === 'undecided') {
    const why = row.problem === undefined ? 'no reason is known' : row.problem.code;
    const what = row.problem?.message ?? 'Look at its legs and at the round.';
    add(
      'account-undecided',
      'warning',
      `Account ${row.id} of ${name} cannot be margined (${why}). ${what}`,
      row.id,
    );
  }
}

/** An alert that has been raised. */
export interface ActiveAlert<A extends Alert = Alert> {
  /** As it was told last. */
  readonly alert: A;
  /** When it was raised, in seconds since 1970-01-01 UTC. */
  readonly since: bigint;
  /** When it was told last: raised, raised again as more severe, or reminded of. */
  readonly toldAt: bigint;
  /** When its condition held last. */
  readonly lastSeen: bigint;
}

/** What is to be sent, and what to remember. */
export interface AlertUpdate<A extends Alert = Alert> {
  /** New. */
  readonly raised: readonly A[];
  /** More severe than when they were told last. */
  readonly worsened: readonly A[];
  /** Told again, because they have held for so long; as they are now. */
  readonly reminded: readonly A[];
  /** Whose condition has not held for a while. */
  readonly resolved: readonly A[];
  readonly active: ReadonlyMap<string, ActiveAlert<A>>;
}

/** How {@link updateAlerts} judges. */
export interface AlertRules {
  /** Seconds for which a condition must not have held until its alert is resolved. Default 300. */
  readonly holdSeconds?: bigint;
  /** Seconds after which an alert that still holds is told again; never unless given. */
  readonly reminderSeconds?: bigint;
  /** True for alerts of which nothing is known now: they stay as they are. */
  readonly unjudged?: (id: string) => boolean;
}

/** No alerts yet. */
export const NO_ALERTS: ReadonlyMap<string, never> = new Map<string, never>();

/**
 * Compares conditions with the alerts that are active, so that each is told once, when it gets worse, and again after a while.
 *
 * An alert that eases stays at the severity that was told, so that it does not swing up and down; a reminder tells it as it is
 * then. It is resolved when its condition has not held for `holdSeconds`, so that an account about its threshold raises one
 * alert and not one each round.
 *
 * @param alerts all conditions that hold now, of all that `active` may be about
 */
export function updateAlerts<A extends Alert>(
  active: ReadonlyMap<string, ActiveAlert<A>>,
  alerts: readonly A[],
  now: bigint,
  { holdSeconds = 300n, reminderSeconds, unjudged = () => false }: AlertRules = {},
): AlertUpdate<A> {
  const next = new Map<string, ActiveAlert<A>>();
  const [raised, worsened, reminded, resolved]: [A[], A[], A[], A[]] = [[], [], [], []];
  for (const alert of alerts) {
    const known = active.get(alert.id);
    const tell = (list: A[]): void => {
      list.push(alert);
      next.set(alert.id, { alert, since: known?.since ?? now, toldAt: now, lastSeen: now });
    };
    if (known === undefined) tell(raised);
    else if (rankOf(alert) > rankOf(known.alert)) tell(worsened);
    else if (reminderSeconds !== undefined && now - known.toldAt >= reminderSeconds) tell(reminded);
    else next.set(alert.id, { ...known, lastSeen: now });
  }
  for (const [id, known] of active) {
    if (next.has(id)) continue;
    if (unjudged(id)) next.set(id, { ...known, lastSeen: now });
    else if (now - known.lastSeen >= holdSeconds) resolved.push(known.alert);
    else next.set(id, known);
  }
  for (const list of [raised, worsened, reminded, resolved]) list.sort(bySeverity);
  return { raised, worsened, reminded, resolved, active: next };
}

function rankOf({ severity }: Alert): number {
  return ALERT_SEVERITIES.indexOf(severity);
}

function bySeverity(a: Alert, b: Alert): number {
  const rank = rankOf(b) - rankOf(a);
  return rank !== 0 ? rank : a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

/** 1e-6 USD in words: `-1234567890` is `-1,234.57 USD`. */
function usd(amount: bigint): string {
  return `${decimal(Number(amount) / 1e6)} USD`;
}
