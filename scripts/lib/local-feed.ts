/** A keeper's feed from a local protocol itself, with real proofs: what the service's API gives, without the service. */
import type { HouseAuction, HouseCollateral } from '../../src/chain/house-records.ts';
import { proveInsolvency } from '../../src/chain/requests/insolvency.ts';
import type { Prover } from '../../src/chain/requests/proofs.ts';
import { ZkMarginError } from '../../src/errors.ts';
import type {
  FeedMarket,
  KeeperFeed,
  KeeperProof,
  KeeperProofRequest,
  LiquidationCandidate,
  PublishedOpening,
  RunningAuction,
} from '../../src/keeper/feed.ts';
import {
  atomicLiquidation,
  type CollateralValues,
  equityOf,
  worthOf,
} from '../../src/liquidation/amounts.ts';
import { integerTerms } from '../../src/liquidation/terms.ts';
import { exactMargin } from '../../src/margin/exact/margin.ts';
import type { Leg } from '../../src/market/instrument.ts';
import { CAPACITIES, capacityFor } from '../../src/proof/instances.ts';
import { auctionOf, collateralOf, type KnownAccount } from './local-auction.ts';
import type { LocalProtocol } from './local-protocol.ts';

/** Seconds after reveals in which sealed bids are executed. */
const FILL_SECONDS = 60;

/** The last job of each prover: a prover without a queue makes one proof at a time. */
const provers = new WeakMap<Prover, Promise<unknown>>();

/** A feed over accounts whose openings are known. */
export class LocalFeed implements KeeperFeed {
  /** Proofs that were made, not only asked for. */
  proofsMade = 0;
  readonly #protocol: LocalProtocol;
  readonly #prover: Prover;
  readonly #accounts: ReadonlyMap<bigint, KnownAccount>;
  readonly #isPublic: (accountId: bigint) => boolean;
  readonly #jobs = new Map<string, Promise<KeeperProof>>();

  /** @param isPublic whether an account's legs are shown; all are unless given */
  constructor(
    protocol: LocalProtocol,
    prover: Prover,
    accounts: readonly KnownAccount[],
    isPublic: (accountId: bigint) => boolean = () => true,
  ) {
    this.#protocol = protocol;
    this.#prover = prover;
    this.#accounts = new Map(accounts.map((account) => [account.accountId, account]));
    this.#isPublic = isPublic;
  }

  newestBlock(): Promise<bigint> {
    return this.#protocol.client.getBlockNumber({ cacheTime: 0 });
  }

  async market(underlyingId: bigint): Promise<FeedMarket> {
    const { market, terms } = this.#protocol;
    if (market.round.underlying.underlyingId !== underlyingId) {
      throw new ZkMarginError('NOT_FOUND', 'Use an underlying that has a round.', { field: 'underlyingId' });
    }
    const { maxRoundAge } = await this.#protocol.read<{ maxRoundAge: number }>('oracle', 'configurationOf', [
      Number(underlyingId),
    ]);
    return {
      underlyingId,
      number: market.number,
      round: market.round,
      volatilityIndex: await this.#protocol.read<bigint>('oracle', 'volatilityIndex', [Number(underlyingId)]),
      terms,
      proofExpiry: market.round.underlying.timestamp + BigInt(maxRoundAge),
    };
  }

  async liquidations(): Promise<readonly LiquidationCandidate[]> {
    const { round, parameters, number } = this.#protocol.market;
    const market = await this.market(round.underlying.underlyingId);
    const now = await this.#protocol.now();
    const found: LiquidationCandidate[] = [];
    for (const { accountId, legs } of this.#accounts.values()) {
      const { scale, cash, nonce, commitment, inAuction } = await this.#protocol.account(accountId);
      if (scale === 0n || inAuction) continue;
      const collateral = collateralValues(await collateralOf(this.#protocol, accountId, false));
      const { mark, requirement, baseRequirement, collateralSlope } = exactMargin(
        { legs, scale, movingCollateral: collateral.movingCollateral },
        round,
        parameters,
      );
      const state = { cash, ...collateral, mark, baseRequirement, collateralSlope, scale };
      const equity = equityOf(state);
      if (equity >= requirement) continue;
      const chargedAt = await this.#protocol.read<bigint>('auctionHouse', 'feeChargedAt', [accountId]);
      found.push({
        accountId,
        underlyingId: market.underlyingId,
        status: worthOf(state) > 0n ? 'liquidatable' : 'badDebt',
        nonce,
        commitment,
        ...state,
        requirement,
        equity,
        round: number,
        proofExpiry: market.proofExpiry,
        capacity: capacityFor(legs.length, CAPACITIES.insolvency)!,
        ...this.#shown(accountId, legs),
        startFeeDue: chargedAt === 0n || now >= chargedAt + BigInt(market.terms.coolOffSeconds),
        expectedProfit: rewardOf(state, market),
      });
    }
    return found;
  }

  async auctions(): Promise<readonly RunningAuction[]> {
    const found: RunningAuction[] = [];
    for (const { accountId, legs } of this.#accounts.values()) {
      const auction = await auctionOf(this.#protocol, accountId);
      if (auction.number === 0n) continue;
      const account = await this.#protocol.account(accountId);
      const collateral = collateralValues(await collateralOf(this.#protocol, accountId, false));
      const subsidyFrom = subsidyRisesFrom(auction);
      const { terms } = await this.#protocol.read<{ terms: Record<string, number> }>(
        'auctionHouse',
        'auctionOf',
        [accountId],
      );
      found.push({
        accountId,
        underlyingId: this.#protocol.underlyingId,
        commitment: account.commitment,
        number: auction.number,
        startNonce: auction.startNonce,
        scale: account.scale,
        cash: account.cash,
        ...collateral,
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
        ...(subsidyFrom === undefined ? {} : { subsidyFrom }),
        superseded: account.nonce !== auction.startNonce + BigInt(auction.moves),
        terms: Object.fromEntries(
          Object.entries(terms).map(([name, value]) => [name, BigInt(value)]),
        ) as unknown as RunningAuction['terms'],
        capacity: capacityFor(legs.length, CAPACITIES.insolvency)!,
        ...this.#shown(accountId, legs),
      });
    }
    return found;
  }

  /** Also of vessels: they hold the legs of the account whose commitment they have. */
  async opening(accountId: bigint): Promise<PublishedOpening | undefined> {
    const { commitment } = await this.#protocol.account(accountId);
    for (const { accountId: known, legs, salt } of this.#accounts.values()) {
      if (!this.#isPublic(known)) continue;
      if ((await this.#protocol.account(known)).commitment === commitment) return { legs, salt };
    }
    return undefined;
  }

  async requestProof(request: KeeperProofRequest): Promise<string> {
    const { accountId, purpose, keeper, round } = request;
    const known = this.#accounts.get(accountId);
    if (known === undefined) throw new ZkMarginError('NOT_FOUND', 'Use an account of the feed.');
    if (round !== this.#protocol.market.number) {
      throw new ZkMarginError('STALE_ROUND', 'Ask for a proof of the newest round.', { field: 'round' });
    }
    const account = await this.#protocol.account(accountId);
    const auction = await auctionOf(this.#protocol, accountId);
    const running = purpose === 'auction' && auction.number !== 0n;
    const nonce = running ? auction.startNonce : account.nonce;
    const scale = running ? auction.baseScale : account.scale;
    const { moving } = await collateralOf(this.#protocol, accountId, false);
    const movingCollateral = (moving * scale) / account.scale;
    const id = [accountId, purpose, keeper, round, nonce, scale, movingCollateral].join('/');
    if (!this.#jobs.has(id)) {
      const { engine, auctionHouse } = this.#protocol.deployment;
      const { market } = this.#protocol;
      const before = provers.get(this.#prover) ?? Promise.resolve();
      const job = before
        .then(() =>
          proveInsolvency(this.#prover, market, {
            consumer: purpose === 'liquidate' ? engine : auctionHouse,
            accountId,
            nonce,
            positions: { ...known, scale },
            movingCollateral,
            keeper,
          }),
        )
        .then((proven) => {
          this.proofsMade += 1;
          return { ...proven, accountId, scale };
        });
      provers.set(
        this.#prover,
        job.catch(() => this.#jobs.delete(id)),
      );
      this.#jobs.set(id, job);
    }
    return id;
  }

  async waitForProof(id: string, signal: AbortSignal): Promise<KeeperProof> {
    const job = this.#jobs.get(id);
    if (job === undefined) throw new ZkMarginError('NOT_FOUND', 'Ask for the proof first.');
    return new Promise((resolve, reject) => {
      const cancel = () => reject(new ZkMarginError('CANCELLED', 'The proof is not waited for any more.'));
      if (signal.aborted) return cancel();
      signal.addEventListener('abort', cancel, { once: true });
      job.then(resolve, reject).finally(() => signal.removeEventListener('abort', cancel));
    });
  }

  #shown(accountId: bigint, legs: readonly Leg[]): { readonly legs?: readonly Leg[] } {
    return this.#isPublic(accountId) ? { legs } : {};
  }
}

function collateralValues({
  value: collateral,
  moving: movingCollateral,
  saleValue: saleCollateral,
}: HouseCollateral): CollateralValues {
  return { collateral, movingCollateral, saleCollateral };
}

function subsidyRisesFrom(auction: HouseAuction): bigint | undefined {
  if (auction.insolventSince === 0) return undefined;
  const { start, commitSeconds, revealSeconds, insolventSince } = auction;
  const stageEnd = commitSeconds === 0 ? 0 : start + commitSeconds + revealSeconds + FILL_SECONDS;
  return BigInt(Math.max(insolventSince, stageEnd));
}

function rewardOf(
  state: Parameters<typeof atomicLiquidation>[0],
  { terms, volatilityIndex }: FeedMarket,
): bigint {
  try {
    return atomicLiquidation(state, integerTerms(terms), volatilityIndex).reward;
  } catch {
    return 0n;
  }
}
