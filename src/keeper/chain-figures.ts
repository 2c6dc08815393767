/**
 * What a keeper decides by, as the chain has it. The feed says where to look; before anything is proven or sent, this reads the accounts, the round,
 * parameters and terms from the contracts, checks published legs against their commitment, and margins them by the exact model.
 */
import type { Abi, Address, PublicClient } from 'viem';
import type { ProtocolAbis } from '../chain/artifacts.ts';
import type { HouseAuction, HouseCollateral } from '../chain/house-records.ts';
import { isZkMarginError } from '../errors.ts';
import { type CollateralValues, equityOf, worthOf } from '../liquidation/amounts.ts';
import type { LiquidationTerms } from '../liquidation/terms.ts';
import { requirementWith } from '../margin/exact/collateral.ts';
import { type ExactAccount, exactMargin } from '../margin/exact/margin.ts';
import { type RiskParameters, unpackParameters } from '../margin/parameters.ts';
import type { Leg } from '../market/instrument.ts';
import { unpackRound } from '../market/words.ts';
import { commitPositions } from '../proof/commitment.ts';
import { CAPACITIES, capacityFor } from '../proof/instances.ts';
import type { KeeperContracts } from './calls.ts';
import type { FeedMarket, KeeperFeed, LiquidationCandidate, RunningAuction } from './feed.ts';
import type { DeclineReason } from './strategy/actions.ts';

/** What {@link ChainFigures} work with. */
export interface ChainFiguresOptions {
  readonly client: PublicClient;
  readonly contracts: KeeperContracts;
  readonly abis: ProtocolAbis;
  /** Says what opens a commitment; nothing else is asked of it. */
  readonly feed: Pick<KeeperFeed, 'opening'>;
}

/** The chances of a feed. */
export interface Chances {
  readonly markets: ReadonlyMap<bigint, FeedMarket>;
  readonly candidates: readonly LiquidationCandidate[];
  readonly auctions: readonly RunningAuction[];
}

/** Chances as the chain has them. */
export interface ConfirmedChances extends Chances {
  /** Accounts that the chain shows otherwise. */
  readonly refused: ReadonlyMap<bigint, DeclineReason>;
}

/** An account as the clearing house gives it. */
export interface HouseAccount {
  readonly nonce: bigint;
  readonly cash: bigint;
  readonly scale: bigint;
  readonly commitment: bigint;
  readonly underlyingId: number;
  readonly inAuction: boolean;
}

interface ChainMarket extends FeedMarket {
  readonly parameters: RiskParameters;
}

/** A block at which everything is read. */
export interface ReadAt {
  readonly number: bigint;
  readonly timestamp: bigint;
}

/** Seconds after reveals in which sealed bids are executed. */
const FILL_SECONDS = 60;
/** Checked openings that are remembered, and full values. */
const REMEMBERED = 4_096;

/** Reads the contracts for one keeper. */
export class ChainFigures {
  readonly #options: ChainFiguresOptions;
  /** Legs by commitment. */
  readonly #legs = new Map<bigint, readonly Leg[]>();
  /** Full values of collateral by account and the feed's values. */
  readonly #full = new Map<string, bigint>();

  constructor(options: ChainFiguresOptions) {
    this.#options = options;
  }

  /**
   * Chances of some accounts with every figure as the chain has it, at one block.
   *
   * Of the feed remains when proofs expire, and for positions that are not public what a proof would show of them.
   *
   * @param held underlyings whose markets are wanted in any case
   * @throws what the client or the feed throws when they cannot be asked
   */
  async confirm(
    claimed: Chances,
    accounts: ReadonlySet<bigint>,
    held: readonly bigint[],
    at: ReadAt,
  ): Promise<ConfirmedChances> {
    const candidates = claimed.candidates.filter(({ accountId }) => accounts.has(accountId));
    const auctions = claimed.auctions.filter(({ accountId }) => accounts.has(accountId));
    const markets = new Map<bigint, ChainMarket>();
    const underlyings = new Set([
      ...[...candidates, ...auctions].map(({ underlyingId }) => underlyingId),
      ...held,
    ]);
    await Promise.all(
      [...underlyings].map(async (id) => {
        const market = await this.#market(id, claimed.markets.get(id), at);
        if (market !== undefined) markets.set(id, market);
      }),
    );
    const refused = new Map<bigint, DeclineReason>();
    const kept = async <T extends { readonly accountId: bigint; readonly underlyingId: bigint }>(
      items: readonly T[],
      confirmed: (item: T, market: ChainMarket) => Promise<T | DeclineReason>,
    ): Promise<T[]> => {
      const found = await Promise.all(
        items.map(async (item) => {
          const market = markets.get(item.underlyingId);
          return market === undefined ? ('NO_MARKET' as const) : confirmed(item, market);
        }),
      );
      return found.filter((item, index): item is Awaited<T> => {
        if (typeof item !== 'string') return true;
        refused.set(items[index]!.accountId, item);
        return false;
      });
    };
    const [confirmedCandidates, confirmedAuctions] = await Promise.all([
      kept(candidates, (candidate, market) => this.#candidate(candidate, market, at)),
      kept(auctions, (auction, market) => this.#auction(auction, market, at)),
    ]);
    return { markets, candidates: confirmedCandidates, auctions: confirmedAuctions, refused };
  }

  /** An account of the clearing house. */
  account(accountId: bigint, at: ReadAt): Promise<HouseAccount> {
    return this.#read('clearingHouse', 'getAccount', [accountId], at);
  }

  /**
   * What an account's collateral counts for, 1e-6 USD.
   *
   * @param onlyFresh what vessels are judged by; liquidations count collateral at its last price
   */
  async collateral(accountId: bigint, onlyFresh: boolean, at: ReadAt): Promise<CollateralValues> {
    const { value, moving, saleValue } = await this.#read<HouseCollateral>(
      'clearingHouse',
      'collateralValueOf',
      [accountId, onlyFresh],
      at,
    );
    return { collateral: value, movingCollateral: moving, saleCollateral: saleValue };
  }

  /**
   * Chances with what the collateral of each is worth without haircuts, where the feed does not give it. An account that is worth nothing is worth
   * taking for that alone, so it must be known before chances are chosen. It is read again when the feed's values of collateral change.
   */
  async withFullCollateral<T extends LiquidationCandidate | RunningAuction>(
    chances: readonly T[],
    at: ReadAt,
  ): Promise<T[]> {
    return Promise.all(
      chances.map(async (chance) => {
        const { accountId, collateral, saleCollateral, fullCollateral } = chance;
        // Without haircuts the values are the same.
        if (fullCollateral !== undefined || saleCollateral <= collateral) return chance;
        const key = `${accountId}/${collateral}/${saleCollateral}`;
        const read = this.#full.get(key) ?? (await this.#fullCollateral(accountId, at));
        if (this.#full.size >= REMEMBERED) this.#full.clear();
        this.#full.set(key, read);
        // Never less than the feed's value, which may be of another block.
        return read < saleCollateral ? chance : { ...chance, fullCollateral: read };
      }),
    );
  }

  /** Value of an account's collateral at its last prices, without haircuts. */
  #fullCollateral(accountId: bigint, at: ReadAt): Promise<bigint> {
    return this.#read('vault', 'fullValueOf', [accountId, false], at);
  }

  /**
   * The published legs of a commitment.
   *
   * @returns undefined when none are published, `FALSE_OPENING` when those that the feed gives are of another commitment
   */
  async legs(
    accountId: bigint,
    underlyingId: bigint,
    commitment: bigint,
  ): Promise<readonly Leg[] | undefined | 'FALSE_OPENING'> {
    const known = this.#legs.get(commitment);
    if (known !== undefined) return known;
    const opening = await this.#options.feed.opening(accountId);
    if (opening === undefined) return undefined;
    const { legs, salt } = opening;
    try {
      if ((await commitPositions({ legs, salt, underlyingId })) !== commitment) return 'FALSE_OPENING';
    } catch (error) {
      if (isZkMarginError(error)) return 'FALSE_OPENING';
      throw error;
    }
    if (this.#legs.size >= REMEMBERED) this.#legs.clear();
    this.#legs.set(commitment, legs);
    return legs;
  }

  async #market(
    underlyingId: bigint,
    claimed: FeedMarket | undefined,
    at: ReadAt,
  ): Promise<ChainMarket | undefined> {
    if (claimed === undefined) return undefined;
    const id = Number(underlyingId);
    const [number, version] = await Promise.all([
      this.#read<bigint>('oracle', 'latestRound', [id], at),
      this.#read<bigint>('parameters', 'versionOf', [id], at),
    ]);
    if (number === 0n || version === 0n) return undefined;
    const [words, volatilityIndex, terms, packed] = await Promise.all([
      this.#read<readonly [bigint, readonly bigint[]]>('oracle', 'freshRoundWords', [id, number], at).catch(
        // Nothing is valued by a round that is too old.
        async (error: unknown) => {
          const [, isFresh] = await this.#read<readonly [bigint, boolean]>(
            'oracle',
            'latestUnderlyingWord',
            [id],
            at,
          );
          if (isFresh) throw error;
          return undefined;
        },
      ),
      this.#read<bigint>('oracle', 'volatilityIndex', [id], at),
      this.#read<LiquidationTerms>('parameters', 'termsAt', [id, version], at),
      this.#read<readonly bigint[]>('parameters', 'wordsAt', [id, version], at),
    ]);
    if (words === undefined) return undefined;
    const [underlyingWord, expiryWords] = words;
    const [header, ...scenarioWords] = packed;
    return {
      underlyingId,
      number,
      round: unpackRound({ underlyingWord, expiryWords }),
      volatilityIndex,
      terms,
      parameters: unpackParameters({ header: header!, scenarioWords }),
      proofExpiry: claimed.proofExpiry,
    };
  }

  async #candidate(
    claimed: LiquidationCandidate,
    market: ChainMarket,
    at: ReadAt,
  ): Promise<LiquidationCandidate | DeclineReason> {
    const { accountId, underlyingId } = claimed;
    const [account, values, fullCollateral, chargedAt] = await Promise.all([
      this.account(accountId, at),
      this.collateral(accountId, false, at),
      this.#fullCollateral(accountId, at),
      this.#read<bigint>('auctionHouse', 'feeChargedAt', [accountId], at),
    ]);
    const { nonce, commitment, scale, cash, inAuction } = account;
    if (scale === 0n || inAuction || BigInt(account.underlyingId) !== underlyingId) return 'NOT_CONFIRMED';
    const legs = await this.legs(accountId, underlyingId, commitment);
    if (legs === 'FALSE_OPENING') return legs;
    const figures =
      legs === undefined
        ? hiddenFigures(claimed, scale)
        : figuresOf({ legs, scale, movingCollateral: values.movingCollateral }, market);
    if (typeof figures === 'string') return figures;
    const { mark, baseRequirement, collateralSlope } = figures;
    const requirement = requirementWith(baseRequirement, collateralSlope, values.movingCollateral);
    const state = { cash, ...values, mark };
    const equity = equityOf(state);
    if (equity >= requirement) return 'NOT_CONFIRMED';
    const { legs: _, ...rest } = claimed;
    return {
      ...rest,
      ...state,
      fullCollateral,
      status: worthOf(state) > 0n ? 'liquidatable' : 'badDebt',
      nonce,
      commitment,
      scale,
      requirement,
      baseRequirement,
      collateralSlope,
      equity,
      round: market.number,
      ...(legs !== undefined && { legs, capacity: capacityFor(legs.length, CAPACITIES.insolvency)! }),
      startFeeDue: chargedAt === 0n || at.timestamp >= chargedAt + BigInt(market.terms.coolOffSeconds),
    };
  }

  async #auction(
    claimed: RunningAuction,
    market: ChainMarket,
    at: ReadAt,
  ): Promise<RunningAuction | DeclineReason> {
    const { accountId, underlyingId } = claimed;
    const [account, values, fullCollateral, auction] = await Promise.all([
      this.account(accountId, at),
      this.collateral(accountId, false, at),
      this.#fullCollateral(accountId, at),
      this.#read<HouseAuction>('auctionHouse', 'auctionOf', [accountId], at),
    ]);
    const { nonce, commitment, scale, cash } = account;
    if (auction.number === 0n || scale === 0n || BigInt(account.underlyingId) !== underlyingId) {
      return 'NOT_CONFIRMED';
    }
    const legs = await this.legs(accountId, underlyingId, commitment);
    if (legs === 'FALSE_OPENING') return legs;
    const { movingCollateral } = values;
    const figures = legs && figuresOf({ legs, scale, movingCollateral }, market);
    if (typeof figures === 'string') return figures;
    const subsidyFrom = subsidyRisesFrom(auction);
    const { legs: _legs, subsidyFrom: _since, ...rest } = claimed;
    return {
      ...rest,
      ...values,
      fullCollateral,
      commitment,
      number: auction.number,
      startNonce: auction.startNonce,
      scale,
      cash,
      reserved: auction.reserved,
      round: auction.round,
      provenAt: BigInt(auction.provenAt),
      proven: {
        mark: auction.mark,
        baseRequirement: auction.baseRequirement,
        collateralSlope: auction.collateralSlope,
        scale: auction.baseScale,
      },
      publicStart: BigInt(auction.publicStart),
      ...(subsidyFrom !== undefined && { subsidyFrom }),
      superseded: nonce !== auction.startNonce + BigInt(auction.moves),
      terms: Object.fromEntries(
        Object.entries(auction.terms).map(([name, value]) => [name, BigInt(value)]),
      ) as unknown as RunningAuction['terms'],
      ...(legs !== undefined && { legs, capacity: capacityFor(legs.length, CAPACITIES.insolvency)! }),
      ...(figures !== undefined && { presentMark: figures.mark }),
    };
  }

  #read<T>(
    role: 'clearingHouse' | 'vault' | 'auctionHouse' | 'oracle' | 'parameters',
    functionName: string,
    args: readonly unknown[],
    at: ReadAt,
  ): Promise<T> {
    const { client, contracts, abis } = this.#options;
    const address: Address = contracts[role];
    const abi: Abi = abis[role];
    return client.readContract({
      address,
      abi,
      functionName,
      args,
      blockNumber: at.number,
    }) as Promise<T>;
  }
}

type Figures = Pick<LiquidationCandidate, 'mark' | 'baseRequirement' | 'collateralSlope'>;

function figuresOf(account: ExactAccount, market: ChainMarket): Figures | DeclineReason {
  try {
    return exactMargin(account, market.round, market.parameters);
  } catch (error) {
    if (isZkMarginError(error)) return 'NOT_VALUED';
    throw error;
  }
}

function hiddenFigures(claimed: LiquidationCandidate, scale: bigint): Figures | DeclineReason {
  return claimed.scale === scale ? claimed : 'NOT_CONFIRMED';
}

function subsidyRisesFrom(auction: HouseAuction): bigint | undefined {
  const { insolventSince, start, commitSeconds, revealSeconds } = auction;
  if (insolventSince === 0) return undefined;
  const stageEnd = commitSeconds === 0 ? 0 : start + commitSeconds + revealSeconds + FILL_SECONDS;
  return BigInt(Math.max(insolventSince, stageEnd));
}
