/**
 * Sends transactions of one key, and follows each until it is deep in the chain.
 *
 * - Nothing is sent that its simulation refuses.
 * - Nonces are given out in order. Each signed transaction is in the journal before it is broadcast.
 * - What is not included is replaced at a higher fee. No attempt may cost more than what the transaction is worth.
 * - What is no longer wanted, or would be reverted, is replaced by a transaction that does nothing.
 * - What a reorganisation takes out of the chain is broadcast again, or cancelled if its chance has gone.
 * - A nonce that blocks others is filled.
 * - Nonces that another process uses with the key are told, and not fought for: no fee is raised against them, and nothing is sent behind
 *   them. A journal's lock holds on one machine only.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Address,
  BaseError,
  createPublicClient,
  type Hex,
  http,
  isAddressEqual,
  keccak256,
  type LocalAccount,
  type PublicClient,
  parseTransaction,
  recoverTransactionAddress,
  TransactionNotFoundError,
  type TransactionReceipt,
  TransactionReceiptNotFoundError,
  type TransactionSerialized,
} from 'viem';
import { textOfError, withoutUrls } from '../../errors.ts';
import { firstLine, KeeperError } from '../errors.ts';
import type { TransactionEvent } from './events.ts';
import { bumpedFees, DEFAULT_FEES, type FeeMarket, type FeePolicy, type Fees, firstFees } from './fees.ts';
import type { Attempt, Inclusion, TransactionEnd, TransactionJournal, TransactionRecord } from './journal.ts';
import { type CallAbis, type ContractCall, type Simulation, simulate } from './simulation.ts';

/** What is to be done, and what it may cost. */
export interface TransactionIntent extends ContractCall {
  /** As in `liquidate`. */
  readonly kind: string;
  /** Most that gas may cost altogether, in wei. */
  readonly maxCost: bigint;
  /** Expected gain without gas, 1e-6 USD. */
  readonly gain: bigint;
  /** Last second of the chain's time at which it is wanted. */
  readonly notAfter: bigint;
  /** For people. No secrets. */
  readonly details: Readonly<Record<string, string>>;
  /** Whether it is sent also behind pending transactions of another process: it is owed. */
  readonly isOwed?: boolean;
}

/** How an intent ended. */
export type TransactionOutcome =
  | { readonly end: 'refused'; readonly reason: string; readonly order?: number }
  | { readonly end: TransactionEnd; readonly inclusion?: Inclusion };

/** How a {@link TransactionSender} works. */
export interface SenderOptions {
  readonly client: PublicClient;
  readonly account: LocalAccount;
  /** The client's RPC must serve this chain. */
  readonly chainId: number;
  readonly abis: CallAbis;
  readonly journal: TransactionJournal;
  readonly fees?: Partial<FeePolicy>;
  /** Where transactions are sent to instead of the client's RPC, as builders' private endpoints. */
  readonly relayUrl?: string;
  /** Blocks that an included transaction needs, its own among them; 3 unless given. */
  readonly confirmations?: number;
  /** Blocks without the transaction after which its fee is raised; 2 unless given. */
  readonly bumpAfterBlocks?: number;
  /** Milliseconds after which it is raised without blocks; 30,000 unless given. */
  readonly bumpAfterMs?: number;
  /** Milliseconds after which a nonce that blocks others is filled; 30,000 unless given. */
  readonly gapAfterMs?: number;
  /** Milliseconds between passes; 1,000 unless given. */
  readonly pollMs?: number;
  readonly onEvent?: (event: TransactionEvent) => void;
}

/** A record with what only this process knows of it. */
interface Pending {
  record: TransactionRecord;
  /** When the last attempt was broadcast: block and time. */
  sentAtBlock: bigint;
  sentAt: number;
  /** Whether this process has broadcast the last attempt. */
  broadcast: boolean;
  capped: boolean;
  /** Head at which the nonce was first seen used by something else, and passes that have seen it since. */
  stranger: { readonly since: bigint; readonly passes: number } | undefined;
  /** A node has said that the fee is too low for it. */
  underpriced: boolean;
  /** Passes in a row whose simulation has refused it. */
  refusals: number;
  /** A node has a transaction of another process for its nonce. */
  rival: boolean;
}

/** The newest block, as a pass sees it. */
interface Head extends FeeMarket {
  readonly number: bigint;
  readonly timestamp: bigint;
}

interface Waiter {
  readonly resolve: (outcome: TransactionOutcome) => void;
  readonly reject: (error: Error) => void;
}

/** Why a transaction is cancelled whose time has passed. */
const TOO_LATE = 'too late';
/** Passes in which a used nonce must have had no receipt: nodes count a nonce before they give the receipt. */
const STRANGER_PASSES = 3;
/** Passes whose simulations must have refused a transaction: in the midst of a reorganisation one may see half of it. */
const REFUSAL_PASSES = 2;
/** Milliseconds after which a transaction is offered again that another process's one keeps out. */
const RIVAL_MS = 5_000;
/** Gas limit of a transaction that does nothing. */
const TRANSFER_GAS = 21_000n;
/** Gas limit over the estimate: state may change until the transaction is included. */
const GAS_MARGIN_PERCENT = 120n;
/** A filler has no profit that bounds it. */
const FILLER_COST = 10n ** 16n;

/** Sends and follows. Make one with {@link TransactionSender.open}. */
export class TransactionSender {
  readonly #options: SenderOptions;
  readonly #policy: FeePolicy;
  readonly #relay: PublicClient;
  readonly #pending = new Map<string, Pending>();
  readonly #ended: TransactionRecord[];
  readonly #waiters = new Map<string, Waiter[]>();
  #nextNonce = 0;
  /** Submissions and passes change the same state: one after another. */
  #turn: Promise<unknown> = Promise.resolve();
  #gap: { readonly nonce: number; readonly since: number } | undefined;
  /** Nonces below have been told as those of another process. */
  #foreignUntil = 0;
  #lastPassAt = performance.now();
  readonly #stopping = new AbortController();
  #loop: Promise<void> | undefined;

  private constructor(options: SenderOptions, records: readonly TransactionRecord[]) {
    this.#options = options;
    this.#policy = { ...DEFAULT_FEES, ...options.fees };
    this.#relay =
      options.relayUrl === undefined
        ? options.client
        : createPublicClient({ transport: http(options.relayUrl, { retryCount: 0 }) });
    this.#ended = records.filter(({ end }) => end !== undefined);
    for (const record of records) if (record.end === undefined) this.#pending.set(record.id, fresh(record));
  }

  /**
   * Takes up what an earlier process has left in the journal, and begins to follow.
   *
   * @throws KeeperError `WRONG_CHAIN`, `JOURNAL_FOREIGN`
   */
  static async open(options: SenderOptions): Promise<TransactionSender> {
    const served = await options.client.getChainId();
    if (served !== options.chainId) {
      throw new KeeperError(
        'WRONG_CHAIN',
        `Use an RPC of chain ${options.chainId}: this one serves ${served}.`,
        {
          expected: options.chainId,
          served,
        },
      );
    }
    const records = await options.journal.load();
    await requireOwn(records, options);
    const sender = new TransactionSender(options, records);
    await sender.#findNextNonce();
    sender.#loop = sender.#run();
    return sender;
  }

  /** What is under way. */
  get pending(): readonly TransactionRecord[] {
    return [...this.#pending.values()].map(({ record }) => record).sort((a, b) => a.nonce - b.nonce);
  }

  /** What has ended in the last two days, also in earlier processes. */
  get ended(): readonly TransactionRecord[] {
    return this.#ended;
  }

  /** When a pass ended last, whatever came of it, in milliseconds of `performance.now`. */
  get lastPassAt(): number {
    return this.#lastPassAt;
  }

  /** What a call would come to now. */
  simulate(call: ContractCall): Promise<Simulation> {
    return simulate(this.#options.client, this.#options.abis, this.#options.account.address, call);
  }

  /** Present fees, in wei per gas. */
  async feeMarket(): Promise<FeeMarket> {
    return this.#head();
  }

  /**
   * Simulates, signs, records and broadcasts.
   *
   * @returns how it ended; resolves when it is deep in the chain
   * @throws KeeperError `STOPPED`; what the client throws when the node cannot be asked before anything is signed
   */
  async submit(intent: TransactionIntent): Promise<TransactionOutcome> {
    const simulation = await this.simulate(intent);
    if (!simulation.ok) return this.#refuse(intent, simulation);
    return (await this.#exclusive(() => this.#begin(intent, simulation.gas))).outcome;
  }

  /** Resolves when a transaction of the journal ends; undefined for one that is not under way. Rejects with `STOPPED`. */
  follow(id: string): Promise<TransactionOutcome> | undefined {
    if (!this.#pending.has(id)) return undefined;
    return new Promise((resolve, reject) => {
      this.#waiters.set(id, [...(this.#waiters.get(id) ?? []), { resolve, reject }]);
    });
  }

  /** One pass over all that is under way. Passes follow one another by themselves. */
  async pass(): Promise<void> {
    await this.#exclusive(() => this.#followAll());
  }

  /** Stops following. What is under way stays in the journal for the next start; its promises reject with `STOPPED`. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await this.#turn.catch(() => {});
    for (const waiters of this.#waiters.values()) for (const { reject } of waiters) reject(stopped());
    this.#waiters.clear();
  }

  // Beginning

  #refuse(intent: TransactionIntent, simulation: Simulation & { ok: false }): TransactionOutcome {
    const { reason, order } = simulation;
    this.#tell({ type: 'refused', id: '', kind: intent.kind, reason });
    return { end: 'refused', reason, ...(order === undefined ? {} : { order }) };
  }

  /** Wrapped, because a promise in a promise would be waited for within the turn. */
  async #begin(
    intent: TransactionIntent,
    estimate: bigint,
  ): Promise<{ readonly outcome: TransactionOutcome | Promise<TransactionOutcome> }> {
    if (this.#stopping.signal.aborted)
      throw new KeeperError('STOPPED', 'Start the keeper again: it has been stopped.');
    if ((await this.#isForeign()) && intent.isOwed !== true) {
      return { outcome: this.#refuse(intent, { ok: false, reason: 'ForeignNonce' }) };
    }
    const head = await this.#head();
    const gas = (estimate * GAS_MARGIN_PERCENT) / 100n;
    const fees = firstFees(head, this.#policy, gas, intent.maxCost);
    if (fees === undefined) {
      return { outcome: this.#refuse(intent, { ok: false, reason: 'GasAboveProfit' }) };
    }
    if (!(await this.#canPay(gas * fees.maxFeePerGas))) {
      return { outcome: this.#refuse(intent, { ok: false, reason: 'InsufficientFunds' }) };
    }
    const nonce = this.#nextNonce;
    const { kind, to, data, maxCost, gain, notAfter, details } = intent;
    const attempt = await this.#sign(nonce, { to, data, gas, cancels: false }, fees);
    const record: TransactionRecord = {
      id: randomUUID(),
      kind,
      nonce,
      to,
      data,
      maxCost,
      gain,
      notAfter,
      details,
      attempts: [attempt],
    };
    await this.#options.journal.save(record);
    this.#nextNonce = nonce + 1;
    const pending = fresh(record);
    this.#pending.set(record.id, pending);
    const outcome = this.follow(record.id)!;
    this.#tellSent('sent', pending, attempt, kind);
    await this.#broadcast(pending, head);
    return { outcome };
  }

  /** Whether the balance pays for a further transaction beside what is under way. */
  async #canPay(cost: bigint): Promise<boolean> {
    const balance = await this.#options.client.getBalance({ address: this.#options.account.address });
    const reserved = this.pending.reduce((sum, record) => {
      const { gas, maxFeePerGas } = lastOf(record);
      return record.inclusion === undefined ? sum + gas * maxFeePerGas : sum;
    }, 0n);
    return balance >= reserved + cost;
  }

  async #sign(
    nonce: number,
    what: { readonly to: Address; readonly data?: Hex; readonly gas: bigint; readonly cancels: boolean },
    fees: Fees,
  ): Promise<Attempt> {
    const { to, data, gas, cancels } = what;
    const raw = await this.#options.account.signTransaction({
      type: 'eip1559',
      chainId: this.#options.chainId,
      nonce,
      to,
      value: 0n,
      gas,
      ...(data === undefined ? {} : { data }),
      ...fees,
    });
    return { hash: keccak256(raw), raw, gas, cancels, ...fees };
  }

  /** Sends the last attempt. Failures are told, and tried again by later passes. */
  async #broadcast(pending: Pending, head: Head): Promise<void> {
    const attempt = lastOf(pending.record);
    pending.sentAt = Date.now();
    pending.sentAtBlock = head.number;
    pending.underpriced = false;
    try {
      await this.#relay.sendRawTransaction({ serializedTransaction: attempt.raw });
      pending.broadcast = true;
      pending.rival = false;
    } catch (error) {
      const text = nodeText(error);
      if (/already known|already imported|known transaction|already exists/i.test(text)) {
        pending.broadcast = true;
        return;
      }
      // Included meanwhile, or another attempt is: the next pass finds its receipt.
      if (/nonce too low|nonce is too low/i.test(text)) return;
      pending.broadcast = false;
      pending.rival = /replacement/i.test(text) && !(await this.#hasAny(pending.record));
      if (pending.rival) this.#tellForeign(pending.record.nonce, pending.record.nonce + 1);
      else if (/underpriced|fee too low|fee cap|fee per gas|base fee/i.test(text)) pending.underpriced = true;
      this.#tell({
        type: 'sendFailed',
        ...named(pending.record),
        hash: attempt.hash,
        reason: firstLine(text),
      });
    }
  }

  // Following

  async #followAll(): Promise<void> {
    if (this.#pending.size === 0 && this.#gap === undefined) return this.#watchGap(undefined);
    const head = await this.#head();
    const used = await this.#nonceOf('latest');
    const inOrder = [...this.#pending.values()].sort((a, b) => a.record.nonce - b.record.nonce);
    for (const pending of inOrder) {
      if (this.#stopping.signal.aborted) return;
      await this.#followOne(pending, head, used, inOrder);
    }
    await this.#watchGap(used);
  }

  async #followOne(pending: Pending, head: Head, used: number, all: readonly Pending[]): Promise<void> {
    const receipt = await this.#receiptOf(pending.record);
    if (receipt !== undefined) return this.#included(pending, receipt, head);
    const { inclusion } = pending.record;
    if (inclusion !== undefined) {
      const { inclusion: _gone, ...rest } = pending.record;
      await this.#keep(pending, rest);
      this.#tell({
        type: 'reorged',
        ...named(rest),
        hash: inclusion.hash,
        blockNumber: inclusion.blockNumber,
      });
      pending.broadcast = false;
    }
    if (used > pending.record.nonce) return this.#stranger(pending, head);
    pending.stranger = undefined;
    await this.#press(pending, head, all);
  }

  async #included(pending: Pending, receipt: TransactionReceipt, head: Head): Promise<void> {
    const { record } = pending;
    pending.stranger = undefined;
    const inclusion: Inclusion = {
      hash: receipt.transactionHash,
      blockHash: receipt.blockHash,
      blockNumber: receipt.blockNumber,
      succeeded: receipt.status === 'success',
      gasUsed: receipt.gasUsed,
      cost: receipt.gasUsed * receipt.effectiveGasPrice,
    };
    const before = record.inclusion;
    if (before?.blockHash !== inclusion.blockHash) {
      if (before !== undefined) {
        this.#tell({ type: 'reorged', ...named(record), hash: before.hash, blockNumber: before.blockNumber });
      }
      await this.#keep(pending, { ...record, inclusion });
      const { hash, blockNumber, succeeded, gasUsed, cost } = inclusion;
      this.#tell({ type: 'included', ...named(record), hash, blockNumber, succeeded, gasUsed, cost });
    }
    const depth = head.number - inclusion.blockNumber + 1n;
    if (depth < BigInt(this.#options.confirmations ?? 3)) return;
    const attempt = record.attempts.find(({ hash }) => hash === inclusion.hash);
    await this.#end(pending, attempt?.cancels ? 'cancelled' : inclusion.succeeded ? 'confirmed' : 'reverted');
  }

  /** The nonce is used, but by no attempt of the journal. Nodes answer out of step: it must stay so for a while. */
  async #stranger(pending: Pending, head: Head): Promise<void> {
    const { since = head.number, passes = 0 } = pending.stranger ?? {};
    pending.stranger = { since, passes: passes + 1 };
    const depth = head.number - since + 1n;
    if (depth >= BigInt(this.#options.confirmations ?? 3) && passes >= STRANGER_PASSES) {
      await this.#end(pending, 'lost');
    }
  }

  /** Broadcasts again, raises the fee, or gives up. */
  async #press(pending: Pending, head: Head, all: readonly Pending[]): Promise<void> {
    const { record } = pending;
    const last = lastOf(record);
    if (!last.cancels) {
      const reason = await this.#unwanted(record, head);
      pending.refusals = reason === undefined ? 0 : pending.refusals + 1;
      if (reason !== undefined && !pending.rival) {
        const certain = reason === TOO_LATE || pending.refusals >= REFUSAL_PASSES;
        if (!certain) return;
        if (await this.#replace(pending, head, true, reason)) return;
      }
    }
    // A higher fee would be answered by a higher one: the chain says whose transaction it takes.
    if (pending.rival) {
      if (Date.now() - pending.sentAt >= RIVAL_MS) await this.#broadcast(pending, head);
      return;
    }
    const { bumpAfterBlocks = 2, bumpAfterMs = 30_000 } = this.#options;
    const overdue =
      pending.underpriced ||
      (pending.broadcast &&
        (head.number - pending.sentAtBlock >= BigInt(bumpAfterBlocks) ||
          Date.now() - pending.sentAt >= bumpAfterMs));
    if (overdue) {
      // The node has dropped it, or another process has replaced it: what it says to the same offer tells. Below the base fee it says nothing.
      const isTaken = pending.broadcast && !pending.capped && last.maxFeePerGas >= head.baseFee;
      if (isTaken && !(await this.#isKnown(last, pending))) {
        await this.#broadcast(pending, head);
        this.#tell({ type: 'rebroadcast', ...named(record), hash: last.hash });
        if (pending.rival) return;
      }
      if (await this.#replace(pending, head, last.cancels, 'not included')) return;
      if (!pending.capped) {
        pending.capped = true;
        this.#tell({ type: 'capped', ...named(record), maxFeePerGas: last.maxFeePerGas });
      }
      // It must not hold up what is worth more: that pays for making way, if need be.
      const budget = all.reduce((most, { record: { nonce, maxCost, end, attempts } }) => {
        const { gas, maxFeePerGas } = attempts.at(-1)!;
        const left = maxCost - gas * maxFeePerGas;
        return end === undefined && nonce > record.nonce && left > most ? left : most;
      }, 0n);
      if (budget > 0n && (await this.#replace(pending, head, true, 'holds up others', budget))) return;
    }
    if (pending.broadcast && (await this.#isKnown(last, pending))) return;
    await this.#broadcast(pending, head);
    this.#tell({ type: 'rebroadcast', ...named(record), hash: last.hash });
  }

  /** Why a transaction is no longer wanted. */
  async #unwanted(record: TransactionRecord, head: Head): Promise<string | undefined> {
    if (head.timestamp > record.notAfter) return TOO_LATE;
    const simulation = await this.simulate(record);
    return simulation.ok ? undefined : simulation.reason;
  }

  /** Signs a further attempt at a higher fee. */
  async #replace(
    pending: Pending,
    head: Head,
    cancels: boolean,
    reason: string,
    budget = pending.record.maxCost,
  ): Promise<boolean> {
    const { record } = pending;
    const last = lastOf(record);
    const gas = cancels ? TRANSFER_GAS : last.gas;
    const fees = bumpedFees(last, head, this.#policy, gas, budget);
    if (fees === undefined) return false;
    const attempt = await this.#sign(
      record.nonce,
      cancels
        ? { to: this.#options.account.address, gas, cancels }
        : { to: record.to, data: record.data, gas, cancels },
      fees,
    );
    await this.#keep(pending, { ...record, attempts: [...record.attempts, attempt] });
    pending.capped = false;
    this.#tellSent(cancels && !last.cancels ? 'cancelling' : 'replaced', pending, attempt, reason);
    await this.#broadcast(pending, head);
    return true;
  }

  /** Whether the node still has an attempt. Relays keep theirs to themselves: those are sent again from time to time. */
  async #isKnown(attempt: Attempt, pending: Pending): Promise<boolean> {
    if (this.#options.relayUrl !== undefined) return Date.now() - pending.sentAt < 5_000;
    return this.#has(attempt);
  }

  /** Whether the node has any attempt at a nonce. */
  async #hasAny(record: TransactionRecord): Promise<boolean> {
    for (const attempt of record.attempts.toReversed()) {
      if (await this.#has(attempt)) return true;
    }
    return false;
  }

  /** Whether the node has the transaction. */
  async #has({ hash }: Attempt): Promise<boolean> {
    try {
      await this.#options.client.getTransaction({ hash });
      return true;
    } catch (error) {
      if (error instanceof TransactionNotFoundError) return false;
      throw error;
    }
  }

  async #receiptOf(record: TransactionRecord): Promise<TransactionReceipt | undefined> {
    for (const { hash } of record.attempts.toReversed()) {
      try {
        return await this.#options.client.getTransactionReceipt({ hash });
      } catch (error) {
        if (!(error instanceof TransactionReceiptNotFoundError)) throw error;
      }
    }
    return undefined;
  }

  async #end(pending: Pending, end: TransactionEnd): Promise<void> {
    const { record } = pending;
    await this.#keep(pending, { ...record, end, endedAt: Date.now() });
    this.#pending.delete(record.id);
    this.#ended.push(pending.record);
    this.#tell({ type: 'ended', ...named(record), end, cost: record.inclusion?.cost ?? 0n });
    const outcome: TransactionOutcome = {
      end,
      ...(record.inclusion === undefined ? {} : { inclusion: record.inclusion }),
    };
    for (const { resolve } of this.#waiters.get(record.id) ?? []) resolve(outcome);
    this.#waiters.delete(record.id);
  }

  async #keep(pending: Pending, record: TransactionRecord): Promise<void> {
    await this.#options.journal.save(record);
    pending.record = record;
  }

  // Nonces

  async #findNextNonce(): Promise<void> {
    const taken = await this.#nonceOf('pending');
    const recorded = this.pending.map(({ nonce }) => nonce + 1);
    this.#nextNonce = Math.max(taken, ...recorded);
    const first = await this.#nonceOf('latest');
    // What was used before this start may have been by hand; what is pending is somebody else's, or of a journal that was lost.
    const known = Math.max(first, this.#ownUntil());
    if (taken > known) this.#tellForeign(known, taken);
    const missing = !this.pending.some(({ nonce }) => nonce === first) && first < this.#nextNonce;
    if (missing) this.#gap = { nonce: first, since: Date.now() };
  }

  /** A nonce that blocks others, and of which the journal knows nothing, is filled when it has done so for a while. */
  async #watchGap(counted: number | undefined): Promise<void> {
    const used = counted ?? (await this.#nonceOf('latest'));
    const isMissing = used < this.#nextNonce && !this.pending.some(({ nonce }) => nonce === used);
    // What lies in the mempool is no gap, whoever sent it.
    const isGap = isMissing && (await this.#nonceOf('pending')) <= used;
    if (!isGap) {
      // Another process with the same key, or a transaction by hand, may have used nonces.
      if (used > this.#nextNonce) this.#tellForeign(this.#nextNonce, used);
      this.#nextNonce = Math.max(this.#nextNonce, used);
      this.#gap = undefined;
      return;
    }
    if (this.#gap?.nonce !== used) {
      this.#gap = { nonce: used, since: Date.now() };
      return;
    }
    if (Date.now() - this.#gap.since < (this.#options.gapAfterMs ?? 30_000)) return;
    const head = await this.#head();
    const fees = firstFees(head, this.#policy, TRANSFER_GAS, FILLER_COST);
    if (fees === undefined) return;
    this.#tell({ type: 'gap', nonce: used });
    const { address } = this.#options.account;
    const attempt = await this.#sign(used, { to: address, gas: TRANSFER_GAS, cancels: true }, fees);
    const pending = fresh({
      id: randomUUID(),
      kind: 'fill',
      nonce: used,
      to: address,
      data: '0x',
      maxCost: FILLER_COST,
      gain: 0n,
      notAfter: head.timestamp,
      details: {},
      attempts: [attempt],
    });
    await this.#options.journal.save(pending.record);
    this.#pending.set(pending.record.id, pending);
    this.#gap = undefined;
    this.#tellSent('sent', pending, attempt, 'gap');
    await this.#broadcast(pending, head);
  }

  /** Whether transactions of another process are pending: what is sent behind them waits for them, and may be replaced. */
  async #isForeign(): Promise<boolean> {
    const [used, taken] = await Promise.all([this.#nonceOf('latest'), this.#nonceOf('pending')]);
    if (taken > this.#nextNonce || used > this.#nextNonce) {
      this.#tellForeign(this.#nextNonce, Math.max(taken, used));
      this.#nextNonce = Math.max(taken, used);
    }
    // One of its own may be behind them: what is owed is.
    const own = new Set([...this.pending, ...this.#ended].map(({ nonce }) => nonce));
    for (let nonce = used; nonce < taken; nonce += 1) if (!own.has(nonce)) return true;
    return [...this.#pending.values()].some(({ rival }) => rival);
  }

  /** The nonce after the last one of the journal, ended ones included: nodes may be behind their receipts. */
  #ownUntil(): number {
    return [...this.pending, ...this.#ended].reduce((last, { nonce }) => Math.max(last, nonce + 1), 0);
  }

  #tellForeign(nonce: number, until: number): void {
    if (until <= this.#foreignUntil) return;
    this.#foreignUntil = until;
    this.#tell({ type: 'foreign', nonce, until });
  }

  #nonceOf(blockTag: 'latest' | 'pending'): Promise<number> {
    return this.#options.client.getTransactionCount({ address: this.#options.account.address, blockTag });
  }

  // Machinery

  async #head(): Promise<Head> {
    const { client } = this.#options;
    const block = await client.getBlock({ blockTag: 'latest' });
    const priorityFee = this.#policy.priorityFee ?? (await client.estimateMaxPriorityFeePerGas());
    return {
      number: block.number,
      timestamp: block.timestamp,
      baseFee: block.baseFeePerGas ?? 0n,
      priorityFee,
    };
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.pass();
      } catch (error) {
        this.#tell({
          type: 'unreachable',
          reason: firstLine(textOfError(error)),
        });
      }
      this.#lastPassAt = performance.now();
      await sleep(this.#options.pollMs ?? 1_000, undefined, { signal }).catch(() => {});
    }
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.catch(() => {}).then(work);
    this.#turn = result;
    return result;
  }

  #tell(event: TransactionEvent): void {
    this.#options.onEvent?.(event);
  }

  #tellSent(
    type: 'sent' | 'replaced' | 'cancelling',
    pending: Pending,
    attempt: Attempt,
    reason: string,
  ): void {
    const { hash, maxFeePerGas, maxPriorityFeePerGas } = attempt;
    this.#tell({ type, ...named(pending.record), hash, maxFeePerGas, maxPriorityFeePerGas, reason });
  }
}

/** What is under way must be of this chain and key: the nonces of others would stop this one. */
async function requireOwn(
  records: readonly TransactionRecord[],
  { chainId, account }: SenderOptions,
): Promise<void> {
  for (const record of records) {
    if (record.end !== undefined) continue;
    const { raw } = lastOf(record);
    const chain = parseTransaction(raw).chainId;
    const signer = await recoverTransactionAddress({ serializedTransaction: raw as TransactionSerialized });
    if (chain === chainId && isAddressEqual(signer, account.address)) continue;
    throw new KeeperError(
      'JOURNAL_FOREIGN',
      `Give this keeper a journal of its own: this one has a transaction of ${signer} on chain ${chain} under way.`,
      { chain: chain ?? 0, signer },
    );
  }
}

function stopped(): KeeperError {
  return new KeeperError('STOPPED', 'Start the keeper again: it has been stopped.');
}

function fresh(record: TransactionRecord): Pending {
  return {
    record,
    sentAtBlock: 0n,
    sentAt: 0,
    broadcast: false,
    capped: false,
    stranger: undefined,
    underpriced: false,
    refusals: 0,
    rival: false,
  };
}

function lastOf(record: TransactionRecord): Attempt {
  return record.attempts.at(-1)!;
}

function named({ id, kind, nonce }: TransactionRecord): { id: string; kind: string; nonce: number } {
  return { id, kind, nonce };
}

/** What the node itself said. */
function nodeText(error: unknown): string {
  if (error instanceof BaseError && error.details !== '') return withoutUrls(error.details);
  return textOfError(error);
}
