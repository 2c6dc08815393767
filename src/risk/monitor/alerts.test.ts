import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exampleCrash } from '../../../scripts/lib/example-crash.ts';
import { DEFAULT_LIQUIDATION_TERMS } from '../../liquidation/terms.ts';
import { exampleBook } from '../../margin/example-book.ts';
import { DEFAULT_PARAMETERS } from '../../margin/parameters.ts';
import {
  type ActiveAlert,
  type Alert,
  type AlertConditions,
  alertsOf,
  NO_ALERTS,
  RISK_ALERT_KINDS,
  updateAlerts,
} from './alerts.ts';
import { RiskMonitor } from './monitor.ts';
import { monitored } from './testing.ts';
import { alertView } from './views.ts';

const { opening, crashed } = exampleCrash();
const SEED = 5;

function monitorOf(count: number): RiskMonitor {
  const monitor = new RiskMonitor(opening.underlying.underlyingId, {
    parameters: DEFAULT_PARAMETERS,
    terms: DEFAULT_LIQUIDATION_TERMS,
  });
  exampleBook({ opening, shocked: crashed, parameters: DEFAULT_PARAMETERS, seed: SEED, count, failing: 0.6 })
    .map(monitored)
    .forEach((account) => {
      monitor.setAccount(account);
    });
  return monitor;
}

function conditionsAt(timestamp: bigint, others: Partial<AlertConditions> = {}): AlertConditions {
  return { now: timestamp + 5n, maxRoundAge: 300n, ...others };
}

const CALM = conditionsAt(opening.underlying.timestamp);
const CRASH = conditionsAt(crashed.underlying.timestamp);
const idsOf = (alerts: readonly Alert[]) => alerts.map(({ id }) => id);

describe('alerts', () => {
  const monitor = monitorOf(32);

  it('are none of a healthy book at a fresh round', () => {
    expect(alertsOf(monitor.atRound(1n, opening), CALM)).toEqual([]);
  });

  it('name every account below its requirement once, and are raised once', () => {
    const snapshot = monitor.atRound(2n, crashed);
    const alerts = alertsOf(snapshot, CRASH);
    const expected = snapshot.ranking.filter(({ tier }) => tier === 'liquidatable').map(({ id }) => id);
    expect(expected.length).toBeGreaterThan(3);
    expect(
      alerts.filter(({ kind }) => kind === 'account-liquidatable').map(({ accountId }) => accountId),
    ).toEqual(expect.arrayContaining(expected));
    expect(new Set(idsOf(alerts)).size).toBe(alerts.length);
    const first = updateAlerts(NO_ALERTS, alerts, CRASH.now);
    expect(first.raised).toEqual(alerts);
    const second = updateAlerts(first.active, alertsOf(monitor.atRound(3n, crashed), CRASH), CRASH.now + 60n);
    expect(second.raised).toEqual([]);
    expect(second.resolved).toEqual([]);
    expect(JSON.parse(JSON.stringify(alerts.map(alertView)))).toEqual(alerts.map(alertView));
    for (const { text, id } of alerts) {
      expect(text).toContain('BTC');
      expect(id.startsWith('account-liquidatable:BTC:')).toBe(true);
    }
  });

  it('of accounts in auction are less severe, and rise when the auction has gone', () => {
    const row = monitor.atRound(2n, crashed).ranking.find(({ tier }) => tier === 'liquidatable')!;
    const account = monitor.account(row.id)!;
    monitor.setAccount({ ...account, inAuction: true });
    const id = `account-liquidatable:BTC:${row.id}`;
    const find = (alerts: readonly Alert[]) => alerts.find((alert) => alert.id === id);
    const attended = alertsOf(monitor.refresh(), CRASH);
    expect(find(attended)!.severity).toBe('info');
    const first = updateAlerts(NO_ALERTS, attended, CRASH.now);
    monitor.setAccount(account);
    const left = updateAlerts(first.active, alertsOf(monitor.refresh(), CRASH), CRASH.now + 1n);
    expect(left.raised).toEqual([]);
    expect(idsOf(left.worsened)).toEqual([id]);
    expect(left.worsened[0]!.severity).toBe('warning');
    // It eases again: nothing is sent, and another rise is not either.
    const eased = updateAlerts(left.active, attended, CRASH.now + 2n);
    expect([...eased.raised, ...eased.worsened]).toEqual([]);
    const risen = updateAlerts(eased.active, left.worsened, CRASH.now + 3n);
    expect([...risen.raised, ...risen.worsened]).toEqual([]);
  });

  it('tell of bad debt and deficit, by what the fund covers', () => {
    const poor = monitorOf(4);
    const account = poor.account(2n)!;
    poor.setAccount({ ...account, cash: account.cash - 10n ** 12n });
    const snapshot = poor.atRound(1n, opening);
    const { deficit } = snapshot.totals;
    expect(deficit).toBeGreaterThan(0n);
    const severityWith = (fund?: bigint, deficitLimit?: bigint) =>
      alertsOf(snapshot, {
        ...CALM,
        ...(fund === undefined ? {} : { fund }),
        ...(deficitLimit === undefined ? {} : { deficitLimit }),
      }).find(({ kind }) => kind === 'book-deficit')?.severity;
    expect(severityWith()).toBe('critical');
    expect(severityWith(deficit)).toBe('warning');
    expect(severityWith(deficit - 1n)).toBe('critical');
    expect(severityWith(undefined, deficit)).toBeUndefined();
    const debt = alertsOf(snapshot, CALM).find(({ kind }) => kind === 'account-bad-debt');
    expect(debt).toMatchObject({ id: 'account-bad-debt:BTC:2', severity: 'critical', accountId: 2n });
  });

  it('tell of a round that grows old, of the breaker, and of accounts that cannot be margined', () => {
    const other = monitorOf(4);
    const { legs, ...account } = other.account(1n)!;
    const [leg] = legs.filter(({ instrument }) => instrument.kind !== 'linear');
    const instrument = { ...leg!.instrument, expiryHour: leg!.instrument.expiryHour + 1 };
    other.setAccount({ ...account, legs: [{ ...leg!, instrument }] });
    const snapshot = other.atRound(9n, opening);
    const { timestamp } = opening.underlying;
    const at = (age: bigint) =>
      alertsOf(snapshot, { now: timestamp + age, maxRoundAge: 300n }).find(
        ({ kind }) => kind === 'oracle-stale',
      )?.severity;
    expect([at(150n), at(151n), at(300n), at(301n)]).toEqual([undefined, 'warning', 'warning', 'critical']);
    const alerts = alertsOf(snapshot, { ...CALM, pendingRound: { number: 10n, timestamp } });
    expect(idsOf(alerts)).toEqual(['oracle-breaker:BTC', 'account-undecided:BTC:1']);
    expect(alerts[0]!.text).toContain('round 10');
    expect(alerts[1]!.text).toContain('MISSING_EXPIRY');
  });
});

describe('updates of alerts', () => {
  const alertOf = (place: number, severity: Alert['severity']): Alert => ({
    id: `${RISK_ALERT_KINDS[0]}:BTC:${place}`,
    kind: RISK_ALERT_KINDS[0],
    severity,
    text: 'A text.',
    underlyingId: 1n,
    accountId: BigInt(place),
  });

  it('tell of no alert twice without a rise, a pause or a reminder, and resolve each that ends', () => {
    const step = fc.record({
      seconds: fc.bigInt(1n, 400n),
      alerts: fc.uniqueArray(
        fc.tuple(fc.nat(5), fc.constantFrom<Alert['severity']>('info', 'warning', 'critical')),
        { selector: ([place]) => place },
      ),
      blind: fc.nat(8),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.bigInt(0n, 500n), fc.bigInt(1n, 900n), (...given) => {
        const [steps, holdSeconds, reminderSeconds] = given;
        const severities = ['info', 'warning', 'critical'];
        const sent = new Map<string, { rank: number; at: bigint; seen: bigint }>();
        let active: ReadonlyMap<string, ActiveAlert> = NO_ALERTS;
        let now = 0n;
        for (const { seconds, alerts, blind } of steps) {
          now += seconds;
          const holding = alerts.map(([place, severity]) => alertOf(place, severity));
          const unjudged = (id: string) => id.endsWith(`:${blind}`);
          const update = updateAlerts(active, holding, now, { holdSeconds, reminderSeconds, unjudged });
          const told = [...update.raised, ...update.worsened, ...update.reminded];
          expect(new Set(idsOf(told)).size).toBe(told.length);
          for (const { id } of update.raised) expect(sent.has(id)).toBe(false);
          for (const { id, severity } of update.worsened) {
            expect(severities.indexOf(severity)).toBeGreaterThan(sent.get(id)!.rank);
          }
          for (const { id } of update.reminded) {
            expect(now - sent.get(id)!.at).toBeGreaterThanOrEqual(reminderSeconds);
          }
          for (const { id, severity } of told) {
            sent.set(id, { rank: severities.indexOf(severity), at: now, seen: now });
          }
          for (const { id } of update.resolved) {
            expect(now - sent.get(id)!.seen).toBeGreaterThanOrEqual(holdSeconds);
            expect(unjudged(id)).toBe(false);
            expect(idsOf(holding)).not.toContain(id);
            sent.delete(id);
          }
          for (const [id, known] of sent) {
            if (unjudged(id) || idsOf(holding).includes(id)) known.seen = now;
            // Nothing that holds goes without a reminder, or with another severity than what was told or worse.
            if (!idsOf(holding).includes(id)) expect(now - known.seen).toBeLessThan(holdSeconds + 1n);
            else expect(now - known.at).toBeLessThan(reminderSeconds);
          }
          // What was sent and not taken back is what is remembered, and every condition that holds is.
          expect([...update.active.keys()].sort()).toEqual([...sent.keys()].sort());
          for (const { id } of holding) expect(update.active.has(id)).toBe(true);
          active = update.active;
        }
      }),
    );
  });

  it('wait before they resolve', () => {
    const alert = alertOf(1, 'warning');
    const first = updateAlerts(NO_ALERTS, [alert], 1_000n);
    const gone = updateAlerts(first.active, [], 1_299n);
    expect(gone.resolved).toEqual([]);
    expect(updateAlerts(gone.active, [alert], 1_300n).raised).toEqual([]);
    const resolved = updateAlerts(gone.active, [], 1_300n);
    expect(resolved.resolved).toEqual([alert]);
    expect(resolved.active.size).toBe(0);
    expect(first.active.get(alert.id)).toMatchObject({ since: 1_000n, lastSeen: 1_000n });
  });
});
