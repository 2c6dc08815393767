/** Alerts: what people must hear of, by rules over snapshots and the oracle's state. Pure; sending is for others. */
import { underlyingSymbolOf } from '../../market/instrument.ts';
import { decimal } from '../../report/table.ts';
import type { AccountRisk, RiskSnapshot } from './snapshot.ts';

/** The least severe first. */
export const ALERT_SEVERITIES = ['info', 'warning', 'critical'] as const;

/** How much hurry there is. */
export type AlertSeverity = (typeof ALERT_SEVERITIES)[number];

/** Rules; each has a section of the runbook. */
export const ALERT_RULES = [
  'account-liquidatable',
  'account-bad-debt',
  'account-undecided',
  'book-deficit',
  'oracle-stale',
  'oracle-breaker',
] as const;

/** Name of a rule. */
export type AlertRule = (typeof ALERT_RULES)[number];

/** One condition that holds. */
export interface Alert {
  /** The same for as long as the condition is about the same thing: rule, underlying and account. */
  readonly id: string;
  readonly rule: AlertRule;
  readonly severity: AlertSeverity;
  /** What is the matter, and what to do. */
  readonly text: string;
  readonly underlyingId: bigint;
  readonly accountId?: bigint;
  readonly roundNumber?: bigint;
}

/** What rules know beside the snapshot. */
export interface AlertConditions {
  /** Seconds since 1970-01-01 UTC. */
  readonly now: bigint;
  /** Age of the newest round beyond which contracts take no proof of it, in seconds. */
  readonly maxRoundAge: bigint;
  /** A round that the oracle's breaker holds back until another confirms it. */
  readonly pendingRound?: { readonly number: bigint; readonly timestamp: bigint };
  /** What the insurance fund holds, 1e-6 USD. */
  readonly fund?: bigint;
  /** Deficit of the book that is no alert yet, 1e-6 USD; 0 unless given. */
  readonly deficitLimit?: bigint;
}

/** All conditions that hold now, the most severe first. */
export function alertsOf(snapshot: RiskSnapshot, conditions: AlertConditions): Alert[] {
  const { underlyingId, roundNumber, totals } = snapshot;
  const name = underlyingSymbolOf(underlyingId) ?? underlyingId.toString();
  const alerts: Alert[] = [];
  const add = (rule: AlertRule, severity: AlertSeverity, text: string, accountId?: bigint) => {
    const id = accountId === undefined ? `${rule}:${name}` : `${rule}:${name}:${accountId}`;
    alerts.push({
      id,
      rule,
      severity,
      text,
      underlyingId,
      roundNumber,
      ...(accountId === undefined ? {} : { accountId }),
    });
  };

  for (const row of snapshot.ranking) accountAlert(row, name, add);

  const { now, maxRoundAge, pendingRound, fund, deficitLimit = 0n } = conditions;
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
  if (2n * age > maxRoundAge) {
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
  add: (rule: AlertRule, severity: AlertSeverity, text: string, accountId: bigint) => void,
): void {
  const attended = row.inAuction ? 'It is in auction.' : 'Nobody has begun to liquidate it.';
  if (row.tier === 'badDebt') {
    add(
      'account-bad-debt',
      'critical',
      `Account ${row.id} of ${name} is in bad debt: equity ${usd(row.equity)}, required ${usd(row.requirement)}. ${attended}`,
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
export interface ActiveAlert {
  readonly alert: Alert;
  /** When it was raised, in seconds since 1970-01-01 UTC. */
  readonly since: bigint;
  /** When its condition held last. */
  readonly lastSeen: bigint;
}

/** What is to be sent, and what to remember. */
export interface AlertUpdate {
  /** New, or more severe than when they were raised last. */
  readonly raised: readonly Alert[];
  /** Whose condition has not held for a while. */
  readonly resolved: readonly Alert[];
  readonly active: ReadonlyMap<string, ActiveAlert>;
}

/** No alerts yet. */
export const NO_ALERTS: ReadonlyMap<string, ActiveAlert> = new Map();

/**
 * Compares conditions with the alerts that are active, so that each is raised once.
 *
 * An alert that eases stays at the severity that was sent, so that it does not swing up and down; it is resolved when its condition has
 * not held for `holdSeconds`, so that an account about its threshold raises one alert and not one each round.
 *
 * @param alerts all conditions that hold now, of all underlyings that `active` has
 */
export function updateAlerts(
  active: ReadonlyMap<string, ActiveAlert>,
  alerts: readonly Alert[],
  now: bigint,
  holdSeconds = 300n,
): AlertUpdate {
  const next = new Map<string, ActiveAlert>();
  const raised: Alert[] = [];
  const resolved: Alert[] = [];
  for (const alert of alerts) {
    const known = active.get(alert.id);
    const rank = ALERT_SEVERITIES.indexOf(alert.severity);
    if (known === undefined || rank > ALERT_SEVERITIES.indexOf(known.alert.severity)) {
      raised.push(alert);
      next.set(alert.id, { alert, since: known?.since ?? now, lastSeen: now });
    } else {
      next.set(alert.id, { ...known, lastSeen: now });
    }
  }
  for (const [id, known] of active) {
    if (next.has(id)) continue;
    if (now - known.lastSeen >= holdSeconds) resolved.push(known.alert);
    else next.set(id, known);
  }
  return { raised: raised.sort(bySeverity), resolved, active: next };
}

function bySeverity(a: Alert, b: Alert): number {
  const rank = ALERT_SEVERITIES.indexOf(b.severity) - ALERT_SEVERITIES.indexOf(a.severity);
  return rank !== 0 ? rank : a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

/** 1e-6 USD in words: `-1234567890` is `-1,234.57 USD`. */
function usd(amount: bigint): string {
  return `${decimal(Number(amount) / 1e6)} USD`;
}
