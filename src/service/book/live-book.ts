/** Accounts, markets and risk in memory, as the store has them: what the API shows and tells of. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isZkMarginError, ZkMarginError } from '../../errors.ts';
import type { LiquidationTerms } from '../../liquidation/terms.ts';
import { type RiskParameters, unpackParameters } from '../../margin/parameters.ts';
import { type Leg, unpackLeg } from '../../market/instrument.ts';
import { type MarketRound, unpackRound } from '../../market/words.ts';
import { CAPACITIES, capacityFor } from '../../proof/instances.ts';
import { type AccountRisk, changesSince, RiskMonitor, type RiskSnapshot } from '../../risk/monitor/index.ts';
import type {
  AccountRecord,
  AuctionRecord,
  OpeningRecord,
  ParameterRecord,
  PendingRoundRecord,
  RoundRecord,
} from '../../store/chain-records.ts';
import type { ChainRevision, ChainStore } from '../../store/chain-store.ts';
import { OneAtATime } from '../one-at-a-time.ts';
import { type BookEvent, EventLog } from './events.ts';

/** An underlying with its newest round and the rules in force. */
export interface BookMarket {
  readonly underlyingId: bigint;
  readonly record: RoundRecord;
  readonly round: MarketRound;
  readonly parametersRecord: ParameterRecord;
  readonly parameters: RiskParameters;
  readonly terms: LiquidationTerms;
  /** Last second at which a proof of the round is accepted, if no newer one comes. */
  readonly proofExpiry: bigint;
  readonly pending: PendingRoundRecord | undefined;
  /** When this process saw the round first, in milliseconds of `performance.now`. */
  readonly roundSeenAt: number;
  readonly monitor: RiskMonitor;
}

/** Options of {@link LiveBook}. */
export interface LiveBookOptions {
  readonly store: ChainStore;
  /** Legs of the insolvency circuits that are served, increasing. Default all. */
  readonly capacities?: readonly number[];
  /** Milliseconds between looks at the store beside its notices. Default 1,000. */
  readonly pollMs?: number;
  /** Told how long it took from a new round to the margins of all accounts, in seconds. */
  readonly onRound?: (seconds: number, underlyingId: bigint) => void;
  readonly onError?: (error: unknown) => void;
  /** Why what the store has must not be shown, as that of a chain which is no more. */
  readonly refusal?: () => ZkMarginError | undefined;
}

/** Times out of mind: proofs of a round that stays for ever do not expire. */
const NEVER = 2n ** 40n - 1n;
/** Unless the oracle's settings are known. */
const DEFAULT_ROUND_AGE = 0n;

/** The book as it stands. */
export class LiveBook {
  readonly events = new EventLog();
  readonly #options: LiveBookOptions;
  readonly #closing = new AbortController();
  #seen: (ChainRevision & { readonly block: bigint }) | undefined;
  #accounts = new Map<bigint, AccountRecord>();
  #openings = new Map<bigint, OpeningRecord>();
  #auctions = new Map<bigint, AuctionRecord>();
  #markets = new Map<bigint, BookMarket>();
  #monitors = new Map<bigint, RiskMonitor>();
  #tipTimestamp = 0n;
  #problem: ZkMarginError | undefined;
  /** An underlying that could not be judged at the last look. */
  #refused: ZkMarginError | undefined;
  readonly #refreshing = new OneAtATime(
    () => this.#tryToLoad(),
    () => this.#closing.signal.aborted,
  );
  readonly #changeListeners = new Set<() => void>();
  #turns = 0;
  /** What was taken in last is not whole: nothing of it is shown, and the next look begins anew. */
  #broken = false;
  #generation = 0n;
  /** Rounds of the store that have no margins yet. */
  readonly #unmargined = new Map<bigint, RoundRecord>();
  #loop: Promise<void> | undefined;
  #stopListening: (() => Promise<void>) | undefined;

  constructor(options: LiveBookOptions) {
    this.#options = options;
  }

  /** Revision of the store that is shown. */
  get revision(): bigint {
    return this.#seen?.revision ?? 0n;
  }

  /** Times that something was taken in. The same revision may be, again, after it could not be taken in whole. */
  get generation(): bigint {
    return this.#generation;
  }

  /** Newest block of the book; undefined before the first. */
  get block(): bigint | undefined {
    return this.#seen?.block;
  }

  /** Time of that block, in seconds. */
  get timestamp(): bigint {
    return this.#tipTimestamp;
  }

  /** Why the newest data could not be taken in; what is shown is older then. */
  get problem(): ZkMarginError | undefined {
    return this.#problem ?? this.#refused;
  }

  /** Calls back whenever the book has taken something in. @returns ends it */
  onChange(listener: () => void): () => void {
    this.#changeListeners.add(listener);
    return () => this.#changeListeners.delete(listener);
  }

  /** Why nothing of the book may be shown. */
  get refusal(): ZkMarginError | undefined {
    const refusal = this.#options.refusal?.();
    if (refusal !== undefined || !this.#broken) return refusal;
    // Accounts of one block with the margins of another would look like any answer.
    return new ZkMarginError(
      'BUSY',
      'Try again later: the newest data could not be taken in whole; see the log.',
    );
  }

  /** Times that it has looked at the store, in vain as well; for liveness. */
  get turns(): number {
    return this.#turns;
  }

  /** Rounds that are in the store and not judged, though nothing is known to be wrong with them. */
  unmargined(): readonly RoundRecord[] {
    return this.#refused === undefined ? [...this.#unmargined.values()] : [];
  }

  markets(): readonly BookMarket[] {
    return [...this.#markets.values()];
  }

  market(underlyingId: bigint): BookMarket | undefined {
    return this.#markets.get(underlyingId);
  }

  account(accountId: bigint): AccountRecord | undefined {
    return this.#accounts.get(accountId);
  }

  /** Number of accounts. */
  get size(): number {
    return this.#accounts.size;
  }

  /** Accounts by id, above one of them. */
  accounts(after: bigint | undefined, limit: number): AccountRecord[] {
    const found: AccountRecord[] = [];
    // Ids count from 1 without gaps.
    for (let id = (after ?? 0n) + 1n; found.length < limit && id <= BigInt(this.#accounts.size) + 1n; id++) {
      const account = this.#accounts.get(id);
      if (account !== undefined) found.push(account);
    }
    return found;
  }

  /** What is known of an account's legs; undefined without positions, or when nothing was published. */
  opening(account: AccountRecord): OpeningRecord | undefined {
    return account.scale === 0n ? undefined : this.#openings.get(account.commitment);
  }

  /** Legs of an account that are known. */
  legs(account: AccountRecord): readonly Leg[] | undefined {
    return this.opening(account)?.legs?.map((leg) => unpackLeg(leg));
  }

  /** The running auction of an account. */
  auction(accountId: bigint): AuctionRecord | undefined {
    return this.#auctions.get(accountId);
  }

  /** Risk of an account at the newest round; undefined for one without known positions. */
  risk(account: AccountRecord): AccountRisk | undefined {
    return this.#monitors.get(account.underlyingId)?.snapshot?.byId.get(account.accountId);
  }

  /** Accounts with positions whose legs are not known. */
  unknown(): AccountRecord[] {
    return [...this.#accounts.values()].filter(
      (account) => account.scale > 0n && this.opening(account)?.status !== 'known',
    );
  }

  /** Accounts that may be liquidated and are not in auction, the most urgent first, with their markets. */
  candidates(): {
    readonly market: BookMarket;
    readonly account: AccountRecord;
    readonly risk: AccountRisk;
  }[] {
    return this.markets().flatMap((market) =>
      (market.monitor.snapshot?.ranking ?? []).flatMap((risk) => {
        const account = this.#accounts.get(risk.id);
        const below = risk.tier === 'liquidatable' || risk.tier === 'badDebt';
        return below && !risk.inAuction && account !== undefined ? [{ market, account, risk }] : [];
      }),
    );
  }

  /** Legs of the smallest insolvency circuit that is served and takes an account; undefined when none does. */
  capacity(legs: number): number | undefined {
    return capacityFor(legs, this.#options.capacities ?? CAPACITIES.insolvency);
  }

  /** Follows the store until it is closed. */
  async start(): Promise<void> {
    if (this.#loop !== undefined) return;
    await this.refresh();
    this.#stopListening = await this.#options.store.onChange(() => void this.refresh());
    this.#loop = this.#poll();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.events.close();
    await this.#loop;
    await this.#stopListening?.();
    await this.#refreshing.settled();
  }

  /** Takes in what the store has. Never throws: {@link problem} tells. */
  refresh(): Promise<void> {
    return this.#refreshing.run();
  }

  async #tryToLoad(): Promise<void> {
    try {
      await this.#load();
      this.#problem = undefined;
    } catch (error) {
      this.#problem = isZkMarginError(error)
        ? error
        : new ZkMarginError('INTERNAL', 'The book could not be read; see the log.', { cause: error });
      this.#options.onError?.(error);
    } finally {
      this.#turns++;
    }
  }

  async #poll(): Promise<void> {
    const { pollMs = 1_000 } = this.#options;
    while (!this.#closing.signal.aborted) {
      await sleep(pollMs, undefined, { signal: this.#closing.signal }).catch(() => undefined);
      if (!this.#closing.signal.aborted) await this.refresh();
    }
  }

  async #load(): Promise<void> {
    const { store } = this.#options;
    const revision = await store.revision();
    if (revision === undefined || (revision.revision === this.#seen?.revision && !this.#broken)) return;
    const tip = await store.tip();
    const before = this.#seen;
    const anew = before === undefined || before.rollbacks !== revision.rollbacks || this.#broken;
    const sinceBlock = anew ? undefined : before.block;
    const changed = await store.accounts({ sinceBlock });
    const openings = await store.presentOpenings(sinceBlock);
    const auctions = await store.auctions({ running: true });
    const [rounds, parameters, ages, pending] = [
      await store.newestRounds(),
      await store.parametersInForce(),
      await store.maxRoundAges(),
      await store.pendingRounds(),
    ];
    // A step or a rollback in between would mix two states; it is read again.
    const after = await store.revision();
    if (after?.revision !== revision.revision) {
      void this.refresh();
      return;
    }

    // From here to the end nothing is waited for, so that nobody sees half of it.
    this.#generation++;
    this.#broken = true;
    if (anew) {
      this.#accounts = new Map();
      this.#openings = new Map();
      if (before !== undefined)
        this.events.add({ type: 'rollback', data: { block: String(tip?.number ?? 0n) } });
    }
    const gone = anew ? [...this.#monitors.values()].flatMap((monitor) => idsOf(monitor)) : [];
    for (const account of changed) this.#accounts.set(account.accountId, account);
    for (const [commitment, opening] of openings) {
      const former = this.#openings.get(commitment);
      if (former?.status === 'known') continue;
      this.#openings.set(commitment, opening);
      if (former === undefined || opening.status !== 'known') continue;
      // Others that hold the same legs learn of them, too.
      for (const account of this.#accounts.values()) {
        if (account.commitment === commitment && !changed.includes(account)) changed.push(account);
      }
    }
    const formerAuctions = this.#auctions;
    this.#auctions = new Map(auctions.map((auction) => [auction.accountId, auction]));
    this.#tipTimestamp = tip?.timestamp ?? 0n;
    this.#seen = { ...revision, block: tip?.number ?? 0n };
    this.#unmargined.clear();

    let refused: ZkMarginError | undefined;
    for (const record of rounds) {
      const rules = parameters.find(({ underlyingId }) => underlyingId === record.underlyingId);
      if (rules === undefined) continue;
      this.#unmargined.set(record.underlyingId, record);
      try {
        this.#judge(record, rules, ages.get(record.underlyingId) ?? DEFAULT_ROUND_AGE, pending, {
          changed,
          gone,
          formerAuctions,
        });
        this.#unmargined.delete(record.underlyingId);
      } catch (error) {
        // The other underlyings go on.
        if (!isZkMarginError(error)) throw error;
        refused = error;
        this.#options.onError?.(error);
      }
    }
    this.#refused = refused;
    this.#broken = false;
    for (const id of this.#markets.keys()) {
      if (!rounds.some(({ underlyingId }) => underlyingId === id)) {
        this.#markets.delete(id);
        this.#monitors.delete(id);
      }
    }
    for (const account of changed) {
      if (account.scale > 0n && this.opening(account)?.status !== 'known') {
        const { status = 'missing', reason } = this.opening(account) ?? {};
        this.events.add({
          type: 'opening',
          data: { accountId: String(account.accountId), status, ...(reason !== undefined && { reason }) },
        });
      }
    }
    for (const auction of auctions) {
      if (formerAuctions.get(auction.accountId)?.block === auction.block) continue;
      this.events.add({
        type: 'auction',
        data: { accountId: String(auction.accountId), number: String(auction.number), running: true },
      });
    }
    for (const auction of formerAuctions.values()) {
      if (this.#auctions.get(auction.accountId)?.number === auction.number) continue;
      this.events.add({
        type: 'auction',
        data: { accountId: String(auction.accountId), number: String(auction.number), running: false },
      });
    }
    for (const listener of this.#changeListeners) listener();
  }

  /** Brings one underlying up to date, and tells what changed. */
  #judge(
    record: RoundRecord,
    rules: ParameterRecord,
    maxRoundAge: bigint,
    pendingRounds: readonly PendingRoundRecord[],
    {
      changed,
      gone,
      formerAuctions,
    }: {
      readonly changed: readonly AccountRecord[];
      readonly gone: readonly bigint[];
      readonly formerAuctions: ReadonlyMap<bigint, AuctionRecord>;
    },
  ): void {
    const started = performance.now();
    const { underlyingId } = record;
    const former = this.#markets.get(underlyingId);
    const sameRules =
      former?.parametersRecord.version === rules.version && former.parametersRecord.block === rules.block;
    const parameters = sameRules ? former.parameters : parametersOf(rules);
    const terms = sameRules ? former.terms : termsOf(rules);
    let monitor = this.#monitors.get(underlyingId);
    if (monitor === undefined) {
      monitor = new RiskMonitor(underlyingId, { parameters, terms });
      this.#monitors.set(underlyingId, monitor);
    } else if (!sameRules) monitor.setRules({ parameters, terms });
    const before = monitor.snapshot;

    for (const id of gone) if (!this.#isMonitored(id, underlyingId)) monitor.deleteAccount(id);
    const inAuction = [...formerAuctions.keys(), ...this.#auctions.keys()];
    for (const id of new Set([...changed.map(({ accountId }) => accountId), ...inAuction])) {
      const account = this.#accounts.get(id);
      if (account?.underlyingId !== underlyingId) continue;
      const legs = this.legs(account);
      if (account.scale === 0n || legs === undefined) {
        monitor.deleteAccount(id);
        continue;
      }
      const reserved = this.#auctions.get(id)?.figures.reserved;
      const { scale, cash, collateral, movingCollateral, saleCollateral, nonce, inAuction } = account;
      const wanted = {
        id,
        legs,
        scale,
        cash,
        collateral,
        movingCollateral,
        saleCollateral,
        nonce,
        inAuction,
        ...(inAuction && typeof reserved === 'string' && { reserved: BigInt(reserved) }),
      };
      try {
        monitor.setAccount(wanted);
      } catch (error) {
        if (!isZkMarginError(error)) throw error;
        // Out of the model's bounds: it is shown without risk rather than with that of a former state.
        monitor.deleteAccount(id);
        this.#options.onError?.(error);
      }
    }

    const newRound = former?.record.number !== record.number || former.record.block !== record.block;
    const round = newRound ? unpackRound(record) : former.round;
    const snapshot = newRound ? monitor.atRound(record.number, round) : monitor.refresh();
    const proofExpiry = record.woundDown ? NEVER : record.timestamp + maxRoundAge;
    const pending = pendingRounds.find((item) => item.underlyingId === underlyingId);
    this.#markets.set(underlyingId, {
      underlyingId,
      record,
      round,
      parametersRecord: rules,
      parameters,
      terms,
      proofExpiry,
      pending,
      roundSeenAt: newRound ? started : former.roundSeenAt,
      monitor,
    });
    if (newRound) {
      this.#options.onRound?.((performance.now() - started) / 1000, underlyingId);
      this.events.add({
        type: 'round',
        data: {
          underlyingId: String(underlyingId),
          number: String(record.number),
          timestamp: String(record.timestamp),
          spot: String(record.spot),
          proofExpiry: String(proofExpiry),
        },
      });
    }
    this.#tell(before, snapshot);
  }

  #tell(before: RiskSnapshot | undefined, snapshot: RiskSnapshot): void {
    for (const { id, reasons, before: earlier, after } of changesSince(before, snapshot)) {
      const event: BookEvent = {
        type: 'account',
        data: {
          accountId: String(id),
          round: String(snapshot.roundNumber),
          reasons: [...reasons],
          previousTier: earlier?.tier ?? null,
          tier: after?.tier ?? null,
          ...(after !== undefined && {
            equity: String(after.equity),
            worth: String(after.worth),
            requirement: String(after.requirement),
            inAuction: after.inAuction,
          }),
        },
      };
      this.events.add(event);
    }
  }

  #isMonitored(id: bigint, underlyingId: bigint): boolean {
    const account = this.#accounts.get(id);
    return account?.underlyingId === underlyingId && account.scale > 0n && this.legs(account) !== undefined;
  }
}

function idsOf(monitor: RiskMonitor): bigint[] {
  return [...(monitor.snapshot?.byId.keys() ?? [])];
}

function parametersOf({ words }: ParameterRecord): RiskParameters {
  const [header, ...scenarioWords] = words;
  return unpackParameters({ header: header!, scenarioWords });
}

/** Terms as the event told them, with amounts as integers. */
function termsOf({ terms }: ParameterRecord): LiquidationTerms {
  return {
    ...(terms as unknown as LiquidationTerms),
    atomicLimit: BigInt(terms.atomicLimit as string),
    tip: BigInt(terms.tip as string),
  };
}
