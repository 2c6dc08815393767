/**
 * Sealed bids of a keeper: secrets, commitments, reveals, bonds.
 *
 * A commitment stands for a bond, so it is an obligation: its salt is in the journal before the commitment is signed, and bids are
 * revealed whatever else happens, also when the service is silent, the auction has ended, or losses have reached their limit. A keeper
 * that has lost its journal finds its commitments on the chain, and opens them by its key.
 */
import { randomBytes } from 'node:crypto';
import {
  type Address,
  concat,
  encodeFunctionData,
  type Hex,
  type LocalAccount,
  type PublicClient,
  toHex,
} from 'viem';
import type { ProtocolAbis } from '../../chain/artifacts.ts';
import { BASIS } from '../../liquidation/amounts.ts';
import type { KeeperContracts } from '../calls.ts';
import type { KeeperEvent } from '../events.ts';
import type { SealedBidAction } from '../strategy/actions.ts';
import type { OwnSealedBid, SealedBidding } from '../strategy/decide.ts';
import { moneyToWei, weiToMoney } from '../strategy/gas.ts';
import type { TransactionOutcome, TransactionSender } from '../transactions/sender.ts';
import type { ContractCall } from '../transactions/simulation.ts';
import { type SealedBidJournal, type SealedBidRecord, sealedBidKey } from './journal.ts';
import { openBid, sealBid, sealedBidHash } from './secret.ts';
import { type Commitment, SealedStageReader } from './stage.ts';

/** Seconds after public bidding began for which a bid is kept: a reorganisation could bring it back. */
const KEPT_SECONDS = 3_600n;
/** Part of a bond that may be spent to get it back once it is free, in basis points. */
const RELEASE_SHARE_BPS = 1_000n;
/** Searches for one amount of locked stake: a node may give that before the events, and bonds of failed bids have no open commitment. */
const MOST_SEARCHES = 10;

/** What {@link SealedBids} works with. */
export interface SealedBidsOptions {
  readonly client: PublicClient;
  readonly chainId: number;
  /** The bidder. */
  readonly account: LocalAccount;
  readonly contracts: KeeperContracts & { readonly sealedBids: Address };
  readonly abis: ProtocolAbis;
  readonly journal: SealedBidJournal;
  readonly sender: TransactionSender;
  readonly onEvent: (event: KeeperEvent) => void;
}

/** The sealed bids of one keeper. */
export class SealedBids {
  readonly #options: SealedBidsOptions;
  readonly #reader: SealedStageReader;
  /** What is being sent, by what it is for. */
  readonly #working = new Map<string, Promise<void>>();
  /** States that have been told. */
  readonly #told = new Map<bigint, string>();
  /** Stake that was locked when commitments were searched for last. */
  #searched = 0n;
  /** Searches that have not found all of what is locked. */
  #searches = 0;
  /** Hashes of commitments that could not be opened. */
  readonly #unknown = new Set<Hex>();
  /** Hashes of bids that were made for a commitment of which nothing is known to be signed. */
  readonly #unsigned = new Set<Hex>();

  constructor(options: SealedBidsOptions) {
    this.#options = options;
    const { client, abis, contracts, account } = options;
    this.#reader = new SealedStageReader(client, abis, contracts, account.address);
  }

  /** What may be bid on among the auctions of some accounts, and what became of own bids. */
  read(accounts: readonly bigint[]): Promise<SealedBidding> {
    return this.#reader.read(accounts, this.#records());
  }

  /**
   * Vessels that must be able to pay for an open bid, with the gross notional of that.
   *
   * @param bids as {@link read} gives them
   */
  open(
    bids: readonly OwnSealedBid[],
    now: bigint,
  ): { readonly vesselId: bigint; readonly notional: bigint }[] {
    const notionals = new Map(
      this.#records().map(({ auctionNumber, notional }) => [auctionNumber, notional]),
    );
    return bids.flatMap((bid) => {
      const { state, executed, commitEnd, publicStart, vesselId, auctionNumber } = bid;
      const mayCommit = state === 'none' && now <= commitEnd;
      const isOpen = (state === 'committed' || state === 'revealed') && !executed && now < publicStart;
      return mayCommit || isOpen ? [{ vesselId, notional: notionals.get(auctionNumber) ?? 0n }] : [];
    });
  }

  /**
   * The commitment of a bid. Its secret is in the journal when the promise resolves; a bid for the same auction that is there already is
   * committed to again, since its commitment may be under way.
   *
   * @param isTrial nothing is sent, so nothing is kept
   */
  async commitment(action: SealedBidAction, isTrial = false): Promise<ContractCall> {
    const { account, contracts, chainId, journal, abis } = this.#options;
    const { auctionNumber, accountId, vesselId, factorBps, maxScale, notional } = action;
    const { commitEnd, revealEnd, publicStart, bond } = action;
    let record = this.#recordOf(auctionNumber);
    if (record !== undefined) this.#unsigned.delete(record.hash);
    else {
      const place = { chainId, stage: contracts.sealedBids, auctionNumber };
      const content = { vesselId, factorBps, maxScale, notional };
      const { salt, copy } = await sealBid(account, place, content, toHex(randomBytes(32)));
      const bid = { ...place, ...content, bidder: account.address, salt, copy };
      const stages = { commitEnd, revealEnd, publicStart };
      // One may have been found on the chain meanwhile.
      const found = this.#recordOf(auctionNumber);
      record = found ?? { ...bid, ...stages, accountId, bond, hash: sealedBidHash(chainId, bid) };
      if (!isTrial && found === undefined) {
        this.#unsigned.add(record.hash);
        await journal.saveSealedBid(record);
      }
    }
    const call = encodeFunctionData({
      abi: abis.sealedBids,
      functionName: 'commit',
      args: [accountId, record.hash],
    });
    return { to: contracts.sealedBids, data: concat([call, record.copy ?? '0x']) };
  }

  /**
   * What became of a commitment. A bid whose first one was refused before it was signed is forgotten: it would hold its vessel until the stage
   * ends, and the next one is by newer figures.
   */
  async committed({ auctionNumber }: SealedBidAction, end: TransactionOutcome['end']): Promise<void> {
    const record = this.#recordOf(auctionNumber);
    if (record === undefined || !this.#unsigned.delete(record.hash)) return;
    if (end === 'refused') await this.#forget(record);
  }

  /**
   * Finds commitments of the keeper that its journal does not know, and opens them by the key: at the start, and whenever another stake is
   * locked, since what an earlier process has sent, or another one sends, may be included later. Such a bid takes the place of one that the
   * journal has for the same auction: the chain has one of them, and only that can be revealed.
   *
   * @param now of the newest block
   */
  async complete(now: bigint): Promise<void> {
    await this.#adopt();
    const locked = await this.#reader.locked();
    if (locked === this.#searched) return;
    const { account, chainId, contracts, journal, onEvent } = this.#options;
    const commitments = await this.#reader.openCommitments(now);
    for (const found of commitments) {
      const { auctionNumber, accountId, data, hash, bond, revealEnd } = found;
      // By the hash: the journal may hold another bid for the auction, which the chain did not take.
      if (this.#unknown.has(hash) || this.#records().some((record) => record.hash === hash)) continue;
      const place = { chainId, stage: contracts.sealedBids, auctionNumber };
      const bid = data && (await openBid(account, place, data, hash));
      if (bid === undefined) {
        this.#unknown.add(hash);
        onEvent({ type: 'sealedBidUnknown', accountId, auctionNumber, bond, revealEnd });
        continue;
      }
      await journal.saveSealedBid({ ...recordOf(found), ...place, ...bid, bidder: account.address });
      onEvent({ type: 'sealedBid', accountId, auctionNumber, state: 'recovered' });
    }
    this.#searches += 1;
    const isAll = commitments.reduce((sum, { bond }) => sum + bond, 0n) === locked;
    if (!isAll && this.#searches < MOST_SEARCHES) return;
    this.#searches = 0;
    this.#searched = locked;
  }

  /**
   * Begins what own bids demand at a time of the chain: reveals, and bonds that are free. It asks the chain alone.
   *
   * @param now of the newest block
   */
  async fulfil(now: bigint, nativePrice: bigint): Promise<void> {
    for (const record of this.#records()) {
      const bid = await this.#reader.bid(record);
      this.#tellState(bid, now);
      const { bond } = record;
      // The block after the newest one is later than it.
      if (bid.state === 'committed' && now > bid.commitEnd && now < bid.revealEnd) {
        this.#send('reveal', record, nativePrice, bond, bid.revealEnd);
      } else if (bid.state === 'revealed' && now >= bid.publicStart) {
        const most = (bond * RELEASE_SHARE_BPS) / BASIS;
        this.#send('release', record, nativePrice, most, now + KEPT_SECONDS);
      } else if (now > bid.publicStart + KEPT_SECONDS) await this.#forget(record);
    }
  }

  /** Resolves when nothing is being sent. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#working.values());
  }

  /** Records of the former form do not tell their chain: the hash does, which holds it. */
  async #adopt(): Promise<void> {
    const { journal, chainId } = this.#options;
    for (const record of journal.sealedBids()) {
      if (record.chainId !== 0 || sealedBidHash(chainId, record) !== record.hash) continue;
      await journal.saveSealedBid({ ...record, chainId });
      await journal.removeSealedBid(record);
    }
  }

  #recordOf(auctionNumber: bigint): SealedBidRecord | undefined {
    return this.#records().find((record) => record.auctionNumber === auctionNumber);
  }

  #records(): readonly SealedBidRecord[] {
    const { journal, contracts, account, chainId } = this.#options;
    const own = { chainId, stage: contracts.sealedBids, bidder: account.address };
    return journal
      .sealedBids()
      .filter((record) => sealedBidKey(record) === sealedBidKey({ ...record, ...own }));
  }

  async #forget(record: SealedBidRecord): Promise<void> {
    this.#told.delete(record.auctionNumber);
    await this.#options.journal.removeSealedBid(record);
  }

  #send(
    kind: 'reveal' | 'release',
    record: SealedBidRecord,
    nativePrice: bigint,
    mayCost: bigint,
    notAfter: bigint,
  ): void {
    const { sender, contracts, abis, account, onEvent } = this.#options;
    const { auctionNumber, accountId, vesselId, factorBps, maxScale, salt } = record;
    const purpose = `${kind} ${auctionNumber}`;
    // Sent by this process, or by an earlier one.
    if (this.#working.has(purpose) || sender.pending.some(({ details }) => details.purpose === purpose))
      return;
    const args =
      kind === 'reveal'
        ? [auctionNumber, vesselId, factorBps, maxScale, salt]
        : [auctionNumber, account.address];
    const done = sender
      .submit({
        to: contracts.sealedBids,
        data: encodeFunctionData({ abi: abis.sealedBids, functionName: kind, args }),
        kind,
        gain: 0n,
        maxCost: moneyToWei(mayCost, nativePrice),
        notAfter,
        isOwed: true,
        details: { purpose, auction: auctionNumber.toString(), account: accountId.toString() },
      })
      .then((outcome) => {
        const cost = outcome.end === 'refused' ? 0n : (outcome.inclusion?.cost ?? 0n);
        const gasCost = weiToMoney(cost, nativePrice);
        const profit = { gross: 0n, hedge: 0n, gas: gasCost, net: -gasCost };
        onEvent({ type: 'finished', kind, accountId, end: outcome.end, profit, gasCost });
      })
      // The next pass tries again.
      .catch(() => {})
      .finally(() => this.#working.delete(purpose));
    this.#working.set(purpose, done);
  }

  #tellState(bid: OwnSealedBid, now: bigint): void {
    const { auctionNumber, accountId, state } = bid;
    if (state === 'none') return;
    const told = state === 'committed' && now > bid.revealEnd ? 'missed' : state;
    if (this.#told.get(auctionNumber) === told) return;
    this.#told.set(auctionNumber, told);
    this.#options.onEvent({ type: 'sealedBid', accountId, auctionNumber, state: told });
  }
}

/** What the chain tells of a commitment. */
function recordOf(found: Commitment): Omit<Commitment, 'data'> {
  const { data: _, ...told } = found;
  return told;
}
