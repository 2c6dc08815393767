/** What the service's own state must tell people: conditions of the indexer, the queue, the store. Pure. */
import type { IndexerStatus } from '../../chain/indexer/index.ts';
import type { ZkMarginError } from '../../errors.ts';
import { underlyingSymbolOf } from '../../market/instrument.ts';
import {
  type Alert,
  type AlertSeverity,
  alertsOf,
  RISK_ALERT_KINDS,
  type RiskAlertKind,
} from '../../risk/monitor/index.ts';
import type { AccountRecord, OpeningStatus } from '../../store/chain-records.ts';
import type { DiskRoom } from '../../store/database.ts';
import type { BookMarket } from '../book/live-book.ts';

/** Kinds of alerts about the service itself; each has its entry in the runbook, `docs/operations.md`. */
const OPERATION_ALERT_KINDS = [
  'opening-unknown',
  'opening-withheld',
  'book-unreadable',
  'chain-unreachable',
  'chain-conflict',
  'indexer-behind',
  'endpoint-wrong-chain',
  'queue-full',
  'queue-starved',
  'store-low',
  'store-unavailable',
] as const;

/** All kinds of alerts. */
export const ALERT_KINDS = [...RISK_ALERT_KINDS, ...OPERATION_ALERT_KINDS] as const;
/** Kind of an alert. */
export type AlertKind = RiskAlertKind | (typeof OPERATION_ALERT_KINDS)[number];
/** An alert of the service. */
export type ServiceAlert = Alert<AlertKind>;

/** From where on conditions are alerts. */
export interface AlertLimits {
  /** Age of the newest round beyond which its sources are taken for silent, in seconds; half of the greatest age unless given. */
  readonly heartbeatSeconds?: bigint | undefined;
  /** Blocks that the indexer may be behind. */
  readonly maxLagBlocks: number;
  /** Seconds for which no endpoint may answer; so long a process has to catch up when it starts. */
  readonly unreachableSeconds: number;
  /** Seconds for which a liquidation may wait while nothing is proven. */
  readonly starvedSeconds: number;
  /** Free bytes of the store's disk. */
  readonly storeFreeBytes: number;
}

/** Limits unless others are given. */
export const DEFAULT_ALERT_LIMITS: AlertLimits = Object.freeze({
  maxLagBlocks: 5,
  unreachableSeconds: 60,
  starvedSeconds: 60,
  storeFreeBytes: 512 * 2 ** 20,
});

/** What is judged. What is undefined is not known, and alerts about it stay as they are. */
export interface ServiceState {
  /** Milliseconds since 1970-01-01 UTC. */
  readonly now: number;
  /** When this process began to look, likewise. */
  readonly startedAt: number;
  readonly book?: BookState | undefined;
  readonly indexer?: IndexerStatus | undefined;
  readonly queue?: { readonly full: boolean; readonly starvedMs: number } | undefined;
  /** On the store's disk; undefined for a store that watches its own. */
  readonly room?: DiskRoom | undefined;
  /** Why the store does not take what is to be written. */
  readonly storeProblem?: ZkMarginError | undefined;
}

/** What is known of accounts and markets. */
export interface BookState {
  readonly markets: readonly BookMarket[];
  /** Time of the newest block, in seconds. */
  readonly timestamp: bigint;
  readonly problem?: ZkMarginError | undefined;
  /** Accounts with positions whose legs are not known. */
  readonly unknown: readonly {
    readonly account: AccountRecord;
    readonly status: OpeningStatus | 'missing';
    readonly reason?: string | undefined;
  }[];
}

/** Conditions that hold, and what nothing is known of. */
export interface Judgement {
  readonly alerts: readonly ServiceAlert[];
  readonly unjudged: (id: string) => boolean;
}

/** Judges everything. */
export function judge(state: ServiceState, limits: AlertLimits): Judgement {
  const alerts: ServiceAlert[] = [];
  const unknown = new Set<AlertKind>();
  // What an indexer has yet to catch up with is history: nobody is called for it.
  const { behind } = state.indexer ?? { behind: 0 };
  if (state.book === undefined || behind === undefined || behind > limits.maxLagBlocks) {
    for (const kind of BOOK_KINDS) unknown.add(kind);
  } else alerts.push(...bookAlerts(state.book, limits));
  if (state.indexer === undefined) {
    for (const kind of INDEXER_KINDS) unknown.add(kind);
  } else alerts.push(...indexerAlerts(state.indexer, state, limits, unknown));
  if (state.queue === undefined) {
    for (const kind of QUEUE_KINDS) unknown.add(kind);
  } else alerts.push(...queueAlerts(state.queue, limits));
  alerts.push(...storeAlerts(state, limits));
  return { alerts, unjudged: (id) => unknown.has(id.split(':', 1)[0] as AlertKind) };
}

const BOOK_KINDS: readonly AlertKind[] = [
  ...RISK_ALERT_KINDS,
  'opening-unknown',
  'opening-withheld',
  'book-unreadable',
];
const INDEXER_KINDS: readonly AlertKind[] = [
  'chain-unreachable',
  'chain-conflict',
  'indexer-behind',
  'endpoint-wrong-chain',
];
const QUEUE_KINDS: readonly AlertKind[] = ['queue-full', 'queue-starved'];

function bookAlerts(book: BookState, { heartbeatSeconds }: AlertLimits): ServiceAlert[] {
  const alerts: ServiceAlert[] = [];
  for (const { monitor, record, proofExpiry, pending } of book.markets) {
    const { snapshot } = monitor;
    if (snapshot === undefined) continue;
    alerts.push(
      ...alertsOf(snapshot, {
        // The chain's time is what contracts judge by; when the chain stands, the indexer's alerts tell.
        now: book.timestamp,
        maxRoundAge: proofExpiry - record.timestamp,
        ...(heartbeatSeconds !== undefined && !record.woundDown && { heartbeat: heartbeatSeconds }),
        ...(pending && { pendingRound: { number: record.number + 1n, timestamp: pending.timestamp } }),
      }),
    );
  }
  const withheld = new Map<bigint, bigint[]>();
  for (const { account, status, reason } of book.unknown) {
    const { accountId, underlyingId } = account;
    if (status === 'withheld') {
      withheld.set(underlyingId, [...(withheld.get(underlyingId) ?? []), accountId]);
      continue;
    }
    alerts.push({
      id: `opening-unknown:${accountId}`,
      kind: 'opening-unknown',
      severity: 'warning',
      text:
        `The positions of account ${accountId} are not known (${reason ?? status}): it cannot be margined here. Ask its owner for the ` +
        'opening of its commitment.',
      underlyingId,
      accountId,
    });
  }
  // Withheld on purpose: one alert of all, not one of each.
  for (const [underlyingId, ids] of withheld) {
    const name = underlyingSymbolOf(underlyingId) ?? String(underlyingId);
    const some = ids.slice(0, 5).join(', ');
    alerts.push({
      id: `opening-withheld:${name}`,
      kind: 'opening-withheld',
      severity: 'info',
      text: `${ids.length} accounts of ${name} have positions that only their custodians know (${some}${ids.length > 5 ? ', ...' : ''}).`,
      underlyingId,
    });
  }
  if (book.problem !== undefined) {
    const { code, message } = book.problem;
    alerts.push(
      plain('book-unreadable', 'critical', `Accounts are shown as they were before (${code}). ${message}`),
    );
  }
  return alerts;
}

function indexerAlerts(
  status: IndexerStatus,
  { now, startedAt }: ServiceState,
  { maxLagBlocks, unreachableSeconds }: AlertLimits,
  unknown: Set<AlertKind>,
): ServiceAlert[] {
  const alerts: ServiceAlert[] = [];
  const { behind, problem, refusal, lastLook, endpoints } = status;
  // It holds as long as the book is refused, also when the chain cannot be reached meanwhile.
  if (refusal?.code === 'CHAIN_DIVERGED' || refusal?.code === 'STORE_MISMATCH') {
    alerts.push(
      plain('chain-conflict', 'critical', `The chain is not followed any more. ${refusal.message}`),
    );
  }
  const silent = (now - (lastLook ?? startedAt)) / 1_000;
  if (problem !== undefined && silent >= unreachableSeconds) {
    alerts.push(
      plain(
        'chain-unreachable',
        'critical',
        `The chain has not been followed for ${Math.floor(silent)} s (${problem.code}). Look at the RPC endpoints.`,
      ),
    );
  } else if (lastLook === undefined) unknown.add('chain-unreachable');
  // Who has just started has to catch up first.
  if (behind === undefined || now - startedAt < 1_000 * unreachableSeconds) unknown.add('indexer-behind');
  else if (behind > maxLagBlocks) {
    alerts.push(
      plain(
        'indexer-behind',
        'warning',
        `The indexer is ${behind} blocks behind: accounts are shown as they were then. Use an endpoint that answers faster.`,
      ),
    );
  }
  for (const { name, condition } of endpoints) {
    if (condition === 'untried') unknown.add('endpoint-wrong-chain');
    if (condition !== 'wrongChain' && condition !== 'diverged') continue;
    const what = condition === 'diverged' ? 'another history than the store has' : 'another chain';
    alerts.push({
      ...plain('endpoint-wrong-chain', 'warning', `The RPC endpoint ${name} serves ${what} and is not used.`),
      id: `endpoint-wrong-chain:${name}`,
    });
  }
  return alerts;
}

function queueAlerts(
  { full, starvedMs }: NonNullable<ServiceState['queue']>,
  { starvedSeconds }: AlertLimits,
): ServiceAlert[] {
  const alerts: ServiceAlert[] = [];
  if (full) {
    alerts.push(
      plain(
        'queue-full',
        'warning',
        'The queue of proofs is full: requests are refused. Add proving processes.',
      ),
    );
  }
  if (starvedMs >= 1_000 * starvedSeconds) {
    alerts.push(
      plain(
        'queue-starved',
        'critical',
        `A liquidation has waited ${Math.floor(starvedMs / 1_000)} s for its proof, and nothing is being proven. See that a prover runs.`,
      ),
    );
  }
  return alerts;
}

function storeAlerts(
  { room, storeProblem: problem }: ServiceState,
  { storeFreeBytes }: AlertLimits,
): ServiceAlert[] {
  const alerts: ServiceAlert[] = [];
  if (room !== undefined && room.free < storeFreeBytes) {
    const mebibytes = (bytes: number): number => Math.floor(bytes / 2 ** 20);
    alerts.push(
      plain(
        'store-low',
        room.free < 2 * room.reserve ? 'critical' : 'warning',
        `${mebibytes(room.free)} MiB are free on the disk of the store; below ${mebibytes(room.reserve)} MiB nothing is written. Free space.`,
      ),
    );
  }
  if (problem !== undefined) {
    alerts.push(
      plain(
        'store-unavailable',
        'critical',
        `The store takes no changes (${problem.code}). ${problem.message}`,
      ),
    );
  }
  return alerts;
}

/** An alert of which there is one alone. */
function plain(kind: AlertKind, severity: AlertSeverity, text: string): ServiceAlert {
  return { id: kind, kind, severity, text };
}
