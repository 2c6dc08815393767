/**
 * The keeper: looks at the feed, decides, has proofs made, simulates, sends, follows.
 *
 * Several keepers may run side by side, each with a key, vessels and a journal of its own. Of those that go for one account
 * one wins; the others learn it from their simulation, or lose the gas of one transaction at most, which is bounded by
 * the profit that they hoped for.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalAccount, PublicClient } from 'viem';
import type { ProtocolAbis } from '../chain/artifacts.ts';
import { provenRequirement } from '../chain/requests/insolvency.ts';
import { isZkMarginError, textOfError } from '../errors.ts';
import { callAbis, callOf, type KeeperContracts, provenAccounts, vesselsOf } from './calls.ts';
import { ChainFigures, type ReadAt } from './chain-figures.ts';
import { firstLine, KeeperError } from './errors.ts';
import { KEEPER_LOOPS, type KeeperEvent, type KeeperLoop } from './events.ts';
import type { FeedMarket, KeeperFeed, KeeperProof, RunningAuction } from './feed.ts';
import { KeeperMetrics } from './metrics.ts';
import { type MetricsPlace, serveMetrics } from './metrics-server.ts';
import { SealedBids } from './sealed-bids/sealed-bids.ts';
import type { Action, Decision, Declined, SealedBidAction } from './strategy/actions.ts';
import {
  decide,
  type KeeperBook,
  type SealedBidding,
  type Situation,
  type StrategyConfiguration,
  type VesselState,
} from './strategy/decide.ts';
import { type ActionKind, type GasPrice, moneyToWei, weiToMoney } from './strategy/gas.ts';
import { exposureOf, notionalOf } from './strategy/hedge.ts';
import { lossOfDay, mayCost } from './strategy/limits.ts';
import type { KeeperJournal } from './transactions/journal.ts';
import { type SenderOptions, type TransactionIntent, TransactionSender } from './transactions/sender.ts';
import type { ContractCall } from './transactions/simulation.ts';

/** How a keeper runs. */
export interface KeeperOptions {
  readonly feed: KeeperFeed;
  readonly client: PublicClient;
  readonly chainId: number;
  readonly account: LocalAccount;
  readonly contracts: KeeperContracts;
  readonly abis: ProtocolAbis;
  /** The keeper's accounts in the clearing house that take slices. The first one receives rewards. */
  readonly vessels: readonly bigint[];
  readonly strategy: StrategyConfiguration;
  /** A native token in 1e-6 USD. */
  readonly nativePrice: () => bigint | Promise<bigint>;
  readonly journal: KeeperJournal;
  readonly transactions?: Pick<
    SenderOptions,
    'fees' | 'relayUrl' | 'confirmations' | 'bumpAfterBlocks' | 'bumpAfterMs' | 'gapAfterMs' | 'pollMs'
  >;
  /** Decides, proves and simulates, but sends nothing. */
  readonly dryRun?: boolean;
  /** Most actions at a time; 4 unless given. */
  readonly concurrency?: number;
  /** Milliseconds between passes; 2,000 unless given. */
  readonly pollMs?: number;
  /** How old the feed's view of the chain may be, in seconds between its newest block and the chain's; 90 unless given. */
  readonly maxFeedAgeSeconds?: bigint;
  /** Seconds for which an order without a proof holds; 60 unless given. */
  readonly orderSeconds?: bigint;
  /** Milliseconds for which a chance that came to nothing is left alone; 10,000 unless given. */
  readonly retryMs?: number;
  /** Where it answers `/metrics`, `/livez` and `/readyz`; nowhere unless given. */
  readonly metrics?: MetricsPlace;
  readonly onEvent?: (event: KeeperEvent) => void;
}

/** A keeper that runs. */
export interface RunningKeeper {
  /** Where its metrics are, as in `http://127.0.0.1:9464`. */
  readonly metricsUrl?: string;
  /** What happens with the chances of this moment; nothing is begun. */
  decide(): Promise<Decision>;
  /** Transactions under way. */
  readonly sender: TransactionSender;
  /**
   * Begins nothing more, waits for what is being sent, and resolves. Transactions that are under way stay in the journal,
   * where the next start finds them.
   */
  stop(): Promise<void>;
}

/** What is being done about an action. */
interface Work {
  readonly action: Action;
  readonly accounts: readonly bigint[];
  readonly vessels: readonly bigint[];
  readonly done: Promise<void>;
}

/**
 * Starts a keeper. Transactions of an earlier run are taken up first.
 *
 * @throws KeeperError `WRONG_CHAIN`; ZkMarginError `CONFLICT` when the port of its metrics is in use
 */
export async function runKeeper(options: KeeperOptions): Promise<RunningKeeper> {
  const { metrics: place } = options;
  return place === undefined ? openKeeper(options) : runObserved(options, place);
}

/** A keeper with a server that tells of it. */
async function runObserved(options: KeeperOptions, place: MetricsPlace): Promise<RunningKeeper> {
  const { strategy, nativePrice, feed, client, chainId, journal } = options;
  let keeper: RunningKeeper | undefined;
  const metrics = new KeeperMetrics({
    strategy,
    nativePrice,
    record: (id) => {
      const { pending = [], ended = [] } = keeper?.sender ?? {};
      return pending.find((record) => record.id === id) ?? ended.findLast((record) => record.id === id);
    },
    loops: hasSealedBids(options) ? KEEPER_LOOPS : ['feed'],
    followedAt: () => keeper?.sender.lastPassAt,
  });
  const { stallMs = 120_000 } = place;
  const server = await serveMetrics(metrics, place, () => metrics.stalls(stallMs), {
    'the service is not ready': async () => feed.ready?.(),
    'the RPC cannot be used': async () => {
      const served = await client.getChainId();
      if (served !== chainId) throw new KeeperError('WRONG_CHAIN', 'The RPC serves another chain.');
    },
    'the journal cannot be written': async () => journal.check?.(),
    'own sealed bids cannot be followed': async () => {
      if (metrics.hasFailed('sealedBids')) throw new KeeperError('PASS_FAILED', 'The last pass failed.');
    },
  });
  try {
    const opened = await openKeeper({
      ...options,
      onEvent: (event) => {
        metrics.tell(event);
        options.onEvent?.(event);
      },
    });
    keeper = opened;
    return {
      metricsUrl: server.url,
      sender: opened.sender,
      decide: () => opened.decide(),
      stop: async () => {
        await opened.stop();
        await server.close();
      },
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}

async function openKeeper(options: KeeperOptions): Promise<RunningKeeper> {
  const sender = await TransactionSender.open({
    ...options.transactions,
    client: options.client,
    account: options.account,
    chainId: options.chainId,
    abis: callAbis(options.contracts, options.abis),
    journal: options.journal,
    onEvent: (event) => options.onEvent?.({ type: 'transaction', event }),
  });
  return new Keeper(options, sender);
}

class Keeper implements RunningKeeper {
  readonly sender: TransactionSender;
  readonly #options: KeeperOptions;
  readonly #stopping = new AbortController();
  readonly #working = new Map<bigint, Work>();
  /** Accounts that are left alone for a while, until a time in milliseconds. */
  readonly #resting = new Map<bigint, number>();
  /** Reasons that have been told, so that each is told once. */
  readonly #told = new Map<string, string>();
  readonly #sealed: SealedBids | undefined;
  readonly #figures: ChainFigures;
  readonly #loops: Promise<unknown>;

  constructor(options: KeeperOptions, sender: TransactionSender) {
    this.#options = options;
    this.sender = sender;
    const { client, chainId, account, abis, journal, contracts } = options;
    this.#figures = new ChainFigures({ client, contracts, abis, feed: options.feed });
    const { sealedBids } = contracts;
    if (sealedBids !== undefined) {
      this.#sealed = new SealedBids({
        client,
        chainId,
        abis,
        journal,
        sender,
        account,
        contracts: { ...contracts, sealedBids },
        onEvent: (event) => this.#tell(event),
      });
    }
    this.#loops = Promise.all([
      this.#repeat('feed', () => this.#pass()),
      // By itself: whoever waits for a slow service must not miss a reveal.
      ...(hasSealedBids(options) ? [this.#repeat('sealedBids', () => this.#fulfil())] : []),
    ]);
  }

  async decide(): Promise<Decision> {
    return (await this.#look()).decision;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loops;
    await this.sender.stop();
    await Promise.allSettled([...this.#working.values()].map(({ done }) => done));
    await this.#sealed?.settled();
    await this.#options.journal.close();
    this.#tell({ type: 'stopped' });
  }

  async #repeat(loop: KeeperLoop, pass: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      let failed = false;
      try {
        await pass();
      } catch (error) {
        failed = true;
        this.#tell({ type: 'passFailed', loop, reason: reasonOf(error) });
      }
      this.#tell({ type: 'passed', loop, failed });
      await sleep(this.#options.pollMs ?? 2_000, undefined, { signal }).catch(() => {});
    }
  }

  /** What is owed for earlier bids. It asks the chain alone: the service may be silent, and bonds are at stake. */
  async #fulfil(): Promise<void> {
    const { client, nativePrice, journal } = this.#options;
    if (this.#sealed === undefined) return;
    const block = await client.getBlock({ blockTag: 'latest' });
    // First: what is known must not wait for a search that fails.
    if (journal.sealedBids().length > 0) await this.#sealed.fulfil(block.timestamp, await nativePrice());
    await this.#sealed.complete(block.timestamp);
  }

  async #pass(): Promise<void> {
    const begun = performance.now();
    const { decision, candidates, auctions, now, gasPrice } = await this.#look();
    for (const declined of decision.declined) this.#tellDeclined(declined);
    for (const action of decision.actions) {
      if (this.#stopping.signal.aborted) break;
      if (this.#active() >= (this.#options.concurrency ?? 4)) break;
      this.#begin(action, now, gasPrice);
    }
    this.#tell({
      type: 'pass',
      candidates,
      auctions,
      actions: decision.actions.length,
      declined: decision.declined.length,
      ms: performance.now() - begun,
    });
  }

  /** What is being proven or sent; what waits for confirmations does not count. */
  #active(): number {
    const included = this.sender.pending.filter(({ inclusion }) => inclusion !== undefined).length;
    return new Set(this.#working.values()).size - included;
  }

  // Looking

  async #look() {
    const { feed, client } = this.#options;
    // In this order: what comes slowly is older when it arrives.
    const known = await feed.newestBlock();
    const [listed, running] = await Promise.all([feed.liquidations(), feed.auctions()]);
    const [block, fees, nativePrice] = await Promise.all([
      client.getBlock({ blockTag: 'latest' }),
      this.sender.feeMarket(),
      this.#options.nativePrice(),
    ]);
    await this.#requireYoung(known, block);
    const [candidates, auctions] = await Promise.all([
      this.#figures.withFullCollateral(listed, block),
      this.#figures.withFullCollateral(running, block),
    ]);
    const gasPrice: GasPrice = { baseFee: fees.baseFee, priorityFee: fees.priorityFee, nativePrice };
    const now = block.timestamp;
    const sealed = await this.#sealedBidding(auctions, now);
    const reserved = sealed === undefined ? [] : (this.#sealed?.open(sealed.bids, now) ?? []);
    const vessels = await this.#vessels(new Set(reserved.map(({ vesselId }) => vesselId)), block);
    const underlyings = new Set(
      [...candidates, ...auctions, ...vessels].map(({ underlyingId }) => underlyingId),
    );
    const markets = new Map<bigint, FeedMarket>();
    await Promise.all(
      [...underlyings].map(async (id) => {
        try {
          markets.set(id, await feed.market(id));
        } catch (error) {
          if (!isZkMarginError(error, 'NOT_FOUND')) throw error;
        }
      }),
    );
    const reservedNotional = reserved.reduce((sum, { notional }) => sum + notional, 0n);
    const book: KeeperBook = {
      vessels,
      grossNotional: await this.#notional(vessels, markets, reservedNotional),
      lossToday: lossOfDay(this.sender.ended, Date.now(), nativePrice),
      inFlight: this.#occupied(),
    };
    this.#tell({
      type: 'book',
      capital: vessels.reduce((sum, { cash, collateral }) => sum + cash + collateral, 0n),
      grossNotional: book.grossNotional,
      lossToday: book.lossToday,
    });
    const situation = { now, gasPrice, markets, candidates, auctions, book };
    const decision = await this.#confirmed(
      { ...situation, ...(sealed === undefined ? {} : { sealed }) },
      reservedNotional,
      block,
    );
    return { decision, candidates: candidates.length, auctions: auctions.length, now, gasPrice };
  }

  /**
   * The decision by the chain's own figures. The feed's tell which accounts are looked at, so that all others cost no reading; nothing is begun by
   * them.
   *
   * @param reserved gross notional of open sealed bids
   */
  async #confirmed(situation: Situation, reserved: bigint, block: ReadAt): Promise<Decision> {
    const { strategy } = this.#options;
    const claimed = decide(situation, strategy);
    const accounts = new Set(claimed.actions.slice(0, CONFIRMED_ACTIONS).flatMap(accountsOf));
    if (accounts.size === 0) return claimed;
    const { vessels } = situation.book;
    const held = vessels.filter(({ scale }) => scale > 0n).map(({ underlyingId }) => underlyingId);
    const { refused, ...chances } = await this.#figures.confirm(situation, accounts, held, block);
    const book = {
      ...situation.book,
      grossNotional: await this.#notional(vessels, chances.markets, reserved),
    };
    const { actions, declined } = decide({ ...situation, ...chances, book }, strategy);
    const kindOf = new Map(
      claimed.actions.flatMap((action) => accountsOf(action).map((id) => [id, action.kind] as const)),
    );
    return {
      actions,
      declined: [
        ...claimed.declined.filter(({ accountId }) => !accounts.has(accountId)),
        ...declined,
        ...[...refused].map(([accountId, reason]) => ({
          kind: kindOf.get(accountId)!,
          accountId,
          reason,
          figures: {},
        })),
      ],
    };
  }

  /**
   * Nothing is decided by what was: times are those of the chain's blocks, never of a local clock.
   *
   * @param known newest block of the feed, before anything else was asked
   */
  async #requireYoung(
    known: bigint,
    head: { readonly number: bigint; readonly timestamp: bigint },
  ): Promise<void> {
    if (known > head.number + BLOCKS_AHEAD) {
      throw new KeeperError(
        'RPC_BEHIND',
        'Wait for the RPC, or use another one: it lacks blocks of the feed.',
        {
          head: head.number.toString(),
          feed: known.toString(),
        },
      );
    }
    if (known >= head.number) return;
    const { maxFeedAgeSeconds = 90n, client } = this.#options;
    const age = head.timestamp - (await client.getBlock({ blockNumber: known })).timestamp;
    if (age > maxFeedAgeSeconds) {
      throw new KeeperError(
        'STALE_FEED',
        `Wait for the service, or use another one: it knows the chain as it was ${age} s before the newest block.`,
        { head: head.number.toString(), feed: known.toString() },
      );
    }
  }

  /** What may be bid under seal, and own bids; asked for only where it matters. */
  async #sealedBidding(auctions: readonly RunningAuction[], now: bigint): Promise<SealedBidding | undefined> {
    const early = auctions.filter(({ publicStart }) => now < publicStart).map(({ accountId }) => accountId);
    if (early.length === 0 && this.#options.journal.sealedBids().length === 0) return undefined;
    return this.#sealed?.read(early);
  }

  /**
   * Own accounts as they stand.
   *
   * @param reserved vessels of open sealed bids
   */
  async #vessels(reserved: ReadonlySet<bigint>, block: ReadAt): Promise<VesselState[]> {
    const { vessels } = this.#options;
    const busy = new Set([...reserved, ...[...this.#working.values()].flatMap((work) => work.vessels)]);
    // Transactions of an earlier run too.
    for (const { details } of this.sender.pending) {
      for (const id of details.vessels?.split(',') ?? []) if (id !== '') busy.add(BigInt(id));
    }
    return Promise.all(
      vessels.map(async (accountId) => {
        const account = await this.#figures.account(accountId, block);
        return {
          accountId,
          cash: account.cash,
          scale: account.scale,
          commitment: account.commitment,
          underlyingId: BigInt(account.underlyingId),
          ...(await this.#figures.collateral(accountId, true, block)),
          busy: busy.has(accountId) || account.inAuction,
        };
      }),
    );
  }

  /** Gross notional of own positions and of what is under way. */
  async #notional(
    vessels: readonly VesselState[],
    markets: ReadonlyMap<bigint, FeedMarket>,
    reserved: bigint,
  ): Promise<bigint | undefined> {
    let sum = reserved;
    for (const { action } of new Set(this.#working.values())) sum += action.notional;
    // What an earlier run has sent.
    for (const { details } of this.sender.pending) {
      const [first = ''] = details.accounts?.split(',') ?? [];
      if (first !== '' && !this.#working.has(BigInt(first))) sum += BigInt(details.notional ?? '0');
    }
    for (const vessel of vessels) {
      if (vessel.scale === 0n) continue;
      const { accountId, underlyingId, commitment } = vessel;
      const legs = await this.#figures.legs(accountId, underlyingId, commitment);
      const market = markets.get(underlyingId);
      if (legs === undefined || legs === 'FALSE_OPENING' || market === undefined) return undefined;
      try {
        // Nothing nets collateral in a gross notional, whatever it is priced by.
        const collateral = { moving: 0n, other: vessel.saleCollateral };
        sum += notionalOf(exposureOf(legs, market.round, vessel.scale, collateral));
      } catch {
        return undefined;
      }
    }
    return sum;
  }

  #occupied(): ReadonlySet<bigint> {
    const now = Date.now();
    for (const [accountId, until] of this.#resting) if (until <= now) this.#resting.delete(accountId);
    const pending = this.sender.pending.flatMap(({ details }) => details.accounts?.split(',') ?? []);
    return new Set([
      ...this.#working.keys(),
      ...this.#resting.keys(),
      ...pending.filter((id) => id !== '').map(BigInt),
    ]);
  }

  // Acting

  #begin(action: Action, now: bigint, gasPrice: GasPrice): void {
    const accounts = accountsOf(action);
    const { kind, accountId, profit } = action;
    this.#tell({ type: 'chosen', kind, accountId, profit });
    const done = this.#carryOut(action, accounts, now, gasPrice)
      .catch((error: unknown) => {
        if (error instanceof KeeperError && error.code === 'STOPPED') return;
        this.#tell({ type: 'abandoned', kind, accountId, reason: reasonOf(error) });
        this.#rest(accounts);
      })
      .finally(() => {
        for (const id of accounts) this.#working.delete(id);
      });
    const work: Work = { action, accounts, vessels: vesselsOf(action), done };
    for (const id of accounts) this.#working.set(id, work);
  }

  async #carryOut(
    action: Action,
    accounts: readonly bigint[],
    now: bigint,
    gasPrice: GasPrice,
  ): Promise<void> {
    const { kind, accountId } = action;
    const decidedAt = Date.now();
    const proofs = await this.#prove(action, now);
    const outdated = await this.#outdated(action, proofs);
    if (outdated !== undefined) {
      this.#tell({ type: 'abandoned', kind, accountId, reason: outdated });
      // The next look has the newer figures.
      return;
    }
    const { orderSeconds = 60n } = this.#options;
    const deadline = expiryOf(action) ?? now + orderSeconds;
    const call =
      action.kind === 'sealedBid'
        ? await this.#commitment(action)
        : callOf(action, proofs, deadline, this.#options.contracts, this.#options.abis);
    const { profit } = action;
    if (this.#options.dryRun === true) {
      const simulation = await this.sender.simulate(call);
      this.#tell({
        type: 'wouldSend',
        kind,
        accountId,
        profit,
        ...(simulation.ok ? {} : { refused: simulation.reason }),
      });
      return this.#rest(accounts);
    }
    // A commitment brings nothing yet.
    const gain = kind === 'sealedBid' ? 0n : profit.gross - profit.hedge;
    const intent: TransactionIntent = {
      ...call,
      kind,
      gain,
      maxCost: moneyToWei(mayCost(action, this.#options.strategy), gasPrice.nativePrice),
      notAfter: deadline,
      details: {
        accounts: accounts.join(','),
        vessels: vesselsOf(action).join(','),
        notional: action.notional.toString(),
        // What is booked with another transaction is not booked here.
        hedge: (gain === 0n ? 0n : profit.hedge).toString(),
        decidedAt: decidedAt.toString(),
      },
    };
    const outcome = await this.sender.submit(intent);
    if (action.kind === 'sealedBid') await this.#sealed?.committed(action, outcome.end);
    const cost = outcome.end === 'refused' ? 0n : (outcome.inclusion?.cost ?? 0n);
    this.#tell({
      type: 'finished',
      kind,
      accountId,
      end: outcome.end,
      profit,
      gasCost: weiToMoney(cost, gasPrice.nativePrice),
    });
    if (outcome.end === 'refused' && outcome.order !== undefined && action.kind === 'liquidateBatch') {
      // The others are tried again at once, without the one that somebody else has taken.
      return this.#rest([action.orders[outcome.order]!.accountId]);
    }
    // Until the feed knows of it, a liquidated account would look as before. Newer figures are bid by at once.
    if (outcome.end !== 'confirmed' || !CONTINUED.includes(kind)) this.#rest(accounts);
  }

  /** The commitment of a sealed bid, whose secret is in the journal from now on. */
  async #commitment(action: SealedBidAction): Promise<ContractCall> {
    if (this.#sealed === undefined) throw new Error('There is no sealed-bid stage.');
    return this.#sealed.commitment(action, this.#options.dryRun === true);
  }

  /** All proofs that an action needs, in time or not at all. */
  async #prove(action: Action, now: bigint): Promise<readonly KeeperProof[]> {
    const accounts = provenAccounts(action);
    if (accounts.length === 0) return [];
    const { feed, account } = this.#options;
    const { kind, accountId } = action;
    const expiry = expiryOf(action);
    const round = roundOf(action);
    const purpose = kind === 'liquidate' || kind === 'liquidateBatch' ? 'liquidate' : 'auction';
    const begun = performance.now();
    const inTime = AbortSignal.timeout(Math.max(1, Number((expiry ?? now) - now) * 1_000));
    const signal = AbortSignal.any([inTime, this.#stopping.signal]);
    this.#tell({ type: 'proving', kind, accountId, proofs: accounts.length });
    const proofs = await Promise.all(
      accounts.map(async (id) => {
        const job = await feed.requestProof({ accountId: id, purpose, keeper: account.address, round });
        return feed.waitForProof(job, signal);
      }),
    ).catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) {
        this.#tell({ type: 'unproven', kind, accountId, proofs: accounts.length, reason: reasonOf(error) });
      }
      throw error;
    });
    this.#tell({
      type: 'proven',
      kind,
      accountId,
      proofs: proofs.length,
      ms: performance.now() - begun,
    });
    return proofs;
  }

  /** Why proofs are of no use any more: they take seconds, in which a newer round may have come. */
  async #outdated(action: Action, proofs: readonly KeeperProof[]): Promise<string | undefined> {
    if (proofs.length === 0) return undefined;
    const { feed, client } = this.#options;
    const [market, block] = await Promise.all([
      feed.market(action.underlyingId),
      client.getBlock({ blockTag: 'latest' }),
    ]);
    if (proofs.some(({ round }) => round !== market.number)) return 'NEWER_ROUND';
    // A liquidation is bounded by its order; the reward of a start is by what is proven.
    if (action.kind === 'start') {
      const shown = provenRequirement(proofs[0]!, action.movingCollateral);
      if (shown < action.requirement) return 'MILDER_PROOF';
    }
    return block.timestamp > market.proofExpiry ? 'PROOF_EXPIRED' : undefined;
  }

  #rest(accounts: readonly bigint[]): void {
    const until = Date.now() + (this.#options.retryMs ?? 10_000);
    for (const id of accounts) this.#resting.set(id, until);
  }

  #tellDeclined(declined: Declined): void {
    const key = `${declined.kind}/${declined.accountId}`;
    if (this.#told.get(key) === declined.reason) return;
    this.#told.set(key, declined.reason);
    this.#tell({ type: 'declined', declined });
  }

  #tell(event: KeeperEvent): void {
    this.#options.onEvent?.(event);
  }
}

/** Blocks by which an RPC may be behind the feed: they hear of a block one after the other. */
const BLOCKS_AHEAD = 5n;
/** Actions of a look that are reckoned anew by the chain's figures. */
const CONFIRMED_ACTIONS = 16;
/** After these an account is looked at again at once. */
const CONTINUED: readonly ActionKind[] = ['refresh', 'restart', 'bid', 'takeOver', 'sealedBid', 'poke'];

/** Accounts that an action is about. */
function accountsOf(action: Action): bigint[] {
  return action.kind === 'liquidateBatch'
    ? action.orders.map(({ accountId }) => accountId)
    : [action.accountId];
}

/** Whether sealed bids are made, hence followed: a dry run makes none. */
function hasSealedBids({ contracts, dryRun }: KeeperOptions): boolean {
  return contracts.sealedBids !== undefined && dryRun !== true;
}

function roundOf(action: Action): bigint {
  return action.kind === 'liquidateBatch' ? action.orders[0]!.round : action.round;
}

/** Last second at which an action can be carried out, by its proofs or by the stage that it belongs to; undefined for others. */
function expiryOf(action: Action): bigint | undefined {
  if (action.kind === 'sealedBid') return action.commitEnd;
  if (action.kind === 'fill') return action.latest;
  if (action.kind === 'liquidateBatch') return action.orders[0]!.proofExpiry;
  return 'proofExpiry' in action ? action.proofExpiry : undefined;
}

/** Code and first line of an error. */
function reasonOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return `${typeof code === 'string' ? `${code}: ` : ''}${firstLine(textOfError(error))}`;
}
