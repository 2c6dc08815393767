/**
 * Sealed bids of a keeper: secrets, commitments, reveals, bonds.
 *
 * A commitment stands for a bond, so it is an obligation: its salt is in the journal before the commitment is signed, and bids are
 * revealed whatever else happens, also when the service is silent, the auction has ended, or losses have reached their limit.
 */
import { randomBytes } from 'node:crypto';
import {
  type Address,
  encodeAbiParameters,
  encodeFunctionData,
  type Hex,
  keccak256,
  type PublicClient,
  toHex,
} from 'viem';
import type { ProtocolAbis } from '../../chain/artifacts.ts';
import type { KeeperContracts } from '../calls.ts';
import type { KeeperEvent } from '../events.ts';
import type { SealedBidAction } from '../strategy/actions.ts';
import type { OwnSealedBid, SealedBidding } from '../strategy/decide.ts';
import { moneyToWei, weiToMoney } from '../strategy/gas.ts';
import type { TransactionSender } from '../transactions/sender.ts';
import type { ContractCall } from '../transactions/simulation.ts';
import type { SealedBidJournal, SealedBidRecord } from './journal.ts';
import { SealedStageReader } from './stage.ts';

/** Seconds after public bidding began for which a bid is kept: a reorganisation could bring it back. */
const KEPT_SECONDS = 3_600n;
/** Part of a bond that may be spent to get it back once it is free, in basis points. */
const RELEASE_SHARE_BPS = 1_000n;

/** What {@link SealedBids} works with. */
export interface SealedBidsOptions {
  readonly client: PublicClient;
  readonly chainId: number;
  readonly bidder: Address;
  readonly contracts: KeeperContracts & { readonly sealedBids: Address };
  readonly abis: ProtocolAbis;
  readonly journal: SealedBidJournal;
  readonly sender: TransactionSender;
  readonly onEvent: (event: KeeperEvent) => void;
}

/** The hash that a bid is committed by, as the contract reckons it. */
export function sealedBidHash(
  chainId: number,
  bid: Pick<
    SealedBidRecord,
    'stage' | 'auctionNumber' | 'bidder' | 'vesselId' | 'factorBps' | 'maxScale' | 'salt'
  >,
): Hex {
  const types = ['uint256', 'address', 'uint64', 'address', 'uint256', 'uint256', 'uint256', 'bytes32'];
  return keccak256(
    encodeAbiParameters(
      types.map((type) => ({ type })),
      [
        BigInt(chainId),
        bid.stage,
        bid.auctionNumber,
        bid.bidder,
        bid.vesselId,
        bid.factorBps,
        bid.maxScale,
        bid.salt,
      ],
    ),
  );
}

/** The sealed bids of one keeper. */
export class SealedBids {
  readonly #options: SealedBidsOptions;
  readonly #reader: SealedStageReader;
  /** What is being sent, by what it is for. */
  readonly #working = new Map<string, Promise<void>>();
  /** States that have been told. */
  readonly #told = new Map<bigint, string>();

  constructor(options: SealedBidsOptions) {
    this.#options = options;
    const { client, abis, contracts, bidder } = options;
    this.#reader = new SealedStageReader(client, abis, contracts, bidder);
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
    const { bidder, contracts, chainId, journal, abis } = this.#options;
    const { auctionNumber, accountId, vesselId, factorBps, maxScale, notional } = action;
    const { commitEnd, revealEnd, publicStart, bond } = action;
    let record = this.#records().find((kept) => kept.auctionNumber === auctionNumber);
    if (record === undefined) {
      const bid = {
        auctionNumber,
        stage: contracts.sealedBids,
        bidder,
        vesselId,
        factorBps,
        maxScale,
        salt: toHex(randomBytes(32)),
        commitEnd,
        revealEnd,
        publicStart,
      };
      record = { ...bid, accountId, bond, notional, hash: sealedBidHash(chainId, bid) };
      if (!isTrial) await journal.saveSealedBid(record);
    }
    const args = [accountId, record.hash];
    return {
      to: contracts.sealedBids,
      data: encodeFunctionData({ abi: abis.sealedBids, functionName: 'commit', args }),
    };
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
      const { auctionNumber, bond } = record;
      // The block after the newest one is later than it.
      if (bid.state === 'committed' && now > bid.commitEnd && now < bid.revealEnd) {
        this.#send('reveal', record, nativePrice, bond, bid.revealEnd);
      } else if (bid.state === 'revealed' && now >= bid.publicStart) {
        const most = (bond * RELEASE_SHARE_BPS) / 10_000n;
        this.#send('release', record, nativePrice, most, now + KEPT_SECONDS);
      } else if (now > bid.publicStart + KEPT_SECONDS) await this.#forget(auctionNumber);
    }
  }

  /** Resolves when nothing is being sent. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#working.values());
  }

  #records(): readonly SealedBidRecord[] {
    const { journal, contracts, bidder } = this.#options;
    const of = contracts.sealedBids.toLowerCase();
    return journal
      .sealedBids()
      .filter((record) => record.stage.toLowerCase() === of && record.bidder === bidder);
  }

  async #forget(auctionNumber: bigint): Promise<void> {
    this.#told.delete(auctionNumber);
    await this.#options.journal.removeSealedBid(auctionNumber);
  }

  #send(
    kind: 'reveal' | 'release',
    record: SealedBidRecord,
    nativePrice: bigint,
    mayCost: bigint,
    notAfter: bigint,
  ): void {
    const { sender, contracts, abis, bidder, onEvent } = this.#options;
    const { auctionNumber, accountId, vesselId, factorBps, maxScale, salt } = record;
    const purpose = `${kind} ${auctionNumber}`;
    // Sent by this process, or by an earlier one.
    if (this.#working.has(purpose) || sender.pending.some(({ details }) => details.purpose === purpose))
      return;
    const args =
      kind === 'reveal' ? [auctionNumber, vesselId, factorBps, maxScale, salt] : [auctionNumber, bidder];
    const done = sender
      .submit({
        to: contracts.sealedBids,
        data: encodeFunctionData({ abi: abis.sealedBids, functionName: kind, args }),
        kind,
        gain: 0n,
        maxCost: moneyToWei(mayCost, nativePrice),
        notAfter,
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
