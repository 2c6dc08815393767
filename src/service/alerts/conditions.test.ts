import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { IndexerStatus } from '../../chain/indexer/index.ts';
import { ZkMarginError } from '../../errors.ts';
import type { AccountRecord } from '../../store/chain-records.ts';
import { ALERT_KINDS, type BookState, DEFAULT_ALERT_LIMITS, judge, type ServiceState } from './conditions.ts';

const NOW = 1_740_000_000_000;
const BTC = 0x425443n;
const calmIndexer: IndexerStatus = {
  tip: 10n,
  head: 10n,
  behind: 0,
  rollbacks: 0,
  lastLook: NOW,
  endpoints: [{ name: 'rpc.example:443', condition: 'ok', since: NOW, failures: 0 }],
};
const emptyBook: BookState = { markets: [], timestamp: 1_740_000_000n, unknown: [] };

function judged(state: Partial<ServiceState>) {
  return judge({ now: NOW, startedAt: NOW - 600_000, ...state }, DEFAULT_ALERT_LIMITS);
}

/** `severity id` of each. */
function alertsOf(state: Partial<ServiceState>): string[] {
  return judged(state).alerts.map(({ id, severity }) => `${severity} ${id}`);
}

function unknownAccount(accountId: bigint, status: BookState['unknown'][number]['status']) {
  return { account: { accountId, underlyingId: BTC } as AccountRecord, status };
}

describe('conditions of the service', () => {
  it('are no alerts while all is well', () => {
    const well = judged({
      book: emptyBook,
      indexer: calmIndexer,
      queue: { full: false, starvedMs: 59_999 },
      room: { free: 2 ** 30, reserve: 48 * 2 ** 20 },
    });
    expect(well.alerts).toEqual([]);
    expect(ALERT_KINDS.filter((kind) => well.unjudged(`${kind}:BTC`))).toEqual([]);
  });

  it('tell of the indexer', () => {
    const of = (status: Partial<IndexerStatus>) => alertsOf({ indexer: { ...calmIndexer, ...status } });
    const problem = new ZkMarginError('CHAIN_UNAVAILABLE', 'No endpoint answers.');
    expect(of({ behind: 5 })).toEqual([]);
    expect(of({ behind: 6 })).toEqual(['warning indexer-behind']);
    expect(of({ problem, lastLook: NOW - 59_000 })).toEqual([]);
    expect(of({ problem, lastLook: NOW - 60_000 })).toEqual(['critical chain-unreachable']);
    for (const code of ['CHAIN_DIVERGED', 'STORE_MISMATCH'] as const) {
      const refusal = new ZkMarginError(code, 'Another one.');
      expect(of({ problem: refusal, refusal })).toEqual(['critical chain-conflict']);
      // Also when the chain cannot be reached any more.
      expect(of({ problem, refusal })).toEqual(['critical chain-conflict']);
    }
    expect(of({ refusal: new ZkMarginError('BUSY', 'Nobody has looked.') })).toEqual([]);
    for (const condition of ['wrongChain', 'diverged'] as const) {
      const endpoints = [{ name: 'rpc.example:443', condition, since: NOW, failures: 1 }];
      expect(of({ endpoints })).toEqual(['warning endpoint-wrong-chain:rpc.example:443']);
    }
  });

  it('give a process time to catch up, and call nobody for history', () => {
    const { behind: _behind, lastLook: _look, ...untried } = calmIndexer;
    const book = { ...emptyBook, unknown: [unknownAccount(7n, 'mismatch')] };
    const starting = judged({ startedAt: NOW - 1_000, indexer: { ...untried, endpoints: [] }, book });
    expect(starting.alerts).toEqual([]);
    for (const id of ['indexer-behind', 'chain-unreachable', 'account-bad-debt:BTC:1', 'opening-unknown:7']) {
      expect([id, starting.unjudged(id)]).toEqual([id, true]);
    }
    expect(starting.unjudged('store-low')).toBe(false);
    const catching = judged({ startedAt: NOW - 1_000, indexer: { ...calmIndexer, behind: 1_000 }, book });
    expect(catching.alerts).toEqual([]);
    expect(catching.unjudged('oracle-stale:BTC')).toBe(true);
    const never = judged({
      indexer: { ...untried, endpoints: [], problem: new ZkMarginError('CHAIN_UNAVAILABLE', 'None.') },
    });
    expect(never.alerts.map(({ kind }) => kind)).toEqual(['chain-unreachable']);
  });

  it('tell of openings: of each that is wrong, and once of those that are withheld', () => {
    const unknown = [
      unknownAccount(7n, 'mismatch'),
      unknownAccount(8n, 'missing'),
      ...Array.from({ length: 9 }, (_, index) => unknownAccount(BigInt(10 + index), 'withheld')),
    ];
    const { alerts } = judged({ book: { ...emptyBook, unknown } });
    expect(alerts.map(({ id, severity }) => [id, severity])).toEqual([
      ['opening-unknown:7', 'warning'],
      ['opening-unknown:8', 'warning'],
      ['opening-withheld:BTC', 'info'],
    ]);
    expect(alerts[2]!.text).toContain('9 accounts of BTC');
  });

  it('tell of queue, book and store', () => {
    const reserve = 48 * 2 ** 20;
    expect(alertsOf({ queue: { full: true, starvedMs: 60_000 } })).toEqual([
      'warning queue-full',
      'critical queue-starved',
    ]);
    expect(alertsOf({ room: { free: 512 * 2 ** 20 - 1, reserve } })).toEqual(['warning store-low']);
    expect(alertsOf({ room: { free: 2 * reserve - 1, reserve } })).toEqual(['critical store-low']);
    expect(alertsOf({ storeProblem: new ZkMarginError('STORE_FULL', 'No room.') })).toEqual([
      'critical store-unavailable',
    ]);
    expect(alertsOf({ book: { ...emptyBook, problem: new ZkMarginError('INTERNAL', 'Bad.') } })).toEqual([
      'critical book-unreadable',
    ]);
  });
});

describe('the runbook', () => {
  it('has an entry for every kind of alert, and none for others', () => {
    const text = readFileSync('docs/operations.md', 'utf8');
    const [section] = /(?<=\n## Alerts\n)[\s\S]*?(?=\n## )/.exec(text)!;
    const entries = [...section.matchAll(/^\| `([a-z-]+)` \|[^|]+\|[^|]+\|$/gm)].map((match) => match[1]);
    expect(entries.toSorted()).toEqual([...ALERT_KINDS].toSorted());
  });
});
