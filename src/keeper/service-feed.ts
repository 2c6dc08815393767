/** The keeper's feed over the service's API. */
import { proofArgument } from '../chain/requests/proofs.ts';
import type { JobView, LegView, ServiceClient } from '../client/index.ts';
import { ZkMarginError } from '../errors.ts';
import type { LiquidationTerms } from '../liquidation/terms.ts';
import type { InstrumentKind, Leg } from '../market/instrument.ts';
import { unpackRound } from '../market/words.ts';
import { unpackFigures } from '../proof/witness/figures.ts';
import type {
  FeedMarket,
  KeeperFeed,
  KeeperProof,
  KeeperProofRequest,
  LiquidationCandidate,
  PublishedOpening,
  RunningAuction,
} from './feed.ts';

/** Milliseconds after which a keeper shows again that it wants proofs. */
const REGISTER_MS = 600_000;

/** Options of {@link ServiceFeed}. */
export interface ServiceFeedOptions {
  /** The keeper's address: the service makes proofs for it before they are asked for, when it has nothing else to do. */
  readonly keeper?: string | undefined;
}

/** What the keeper needs to know, from a running service. */
export class ServiceFeed implements KeeperFeed {
  readonly #client: ServiceClient;
  /** What was asked for, by job. */
  readonly #asked = new Map<string, { readonly request: KeeperProofRequest; readonly job: JobView }>();
  #reading: ReturnType<ServiceClient['markets']> | undefined;

  readonly #keeper: string | undefined;
  #registered = Number.NEGATIVE_INFINITY;

  constructor(client: ServiceClient, { keeper }: ServiceFeedOptions = {}) {
    this.#client = client;
    this.#keeper = keeper;
  }

  ready(): Promise<void> {
    return this.#client.ready();
  }

  async newestBlock(): Promise<bigint> {
    return BigInt((await this.#client.markets()).block);
  }

  async market(underlyingId: bigint): Promise<FeedMarket> {
    const { markets } = await this.#readMarkets();
    const found = markets.find(({ round }) => BigInt(round.underlyingId) === underlyingId);
    if (found === undefined) {
      throw new ZkMarginError('NOT_FOUND', 'Use an underlying that has a round.', { field: 'underlyingId' });
    }
    const { round, terms, proofExpiry } = found;
    return {
      underlyingId,
      number: BigInt(round.number),
      round: unpackRound({
        underlyingWord: BigInt(round.underlyingWord),
        expiryWords: round.expiryWords.map(BigInt),
      }),
      volatilityIndex: BigInt(round.volatilityIndex),
      terms: {
        ...terms,
        penaltyBps: terms.penaltyBps as unknown as LiquidationTerms['penaltyBps'],
        atomicLimit: BigInt(terms.atomicLimit),
        tip: BigInt(terms.tip),
      },
      proofExpiry: BigInt(proofExpiry),
    };
  }

  /** One answer has all markets: whoever asks for several at once asks once. */
  #readMarkets(): ReturnType<ServiceClient['markets']> {
    this.#reading ??= this.#client.markets().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async liquidations(): Promise<readonly LiquidationCandidate[]> {
    await this.#register();
    return (await this.#client.allLiquidations()).map((item) => ({
      accountId: BigInt(item.accountId),
      underlyingId: BigInt(item.underlyingId),
      status: item.status as LiquidationCandidate['status'],
      nonce: BigInt(item.nonce),
      commitment: BigInt(item.commitment),
      scale: BigInt(item.scale),
      cash: BigInt(item.cash),
      collateral: BigInt(item.collateral),
      movingCollateral: BigInt(item.movingCollateral),
      saleCollateral: BigInt(item.saleCollateral),
      mark: BigInt(item.mark),
      requirement: BigInt(item.requirement),
      baseRequirement: BigInt(item.baseRequirement),
      collateralSlope: BigInt(item.collateralSlope),
      equity: BigInt(item.equity),
      round: BigInt(item.round),
      proofExpiry: BigInt(item.proofExpiry),
      capacity: item.capacity,
      legs: item.legs.map(legOf),
      startFeeDue: item.startFeeDue,
      expectedProfit: BigInt(item.expectedProfit),
    }));
  }

  async auctions(): Promise<readonly RunningAuction[]> {
    const auctions = await this.#client.runningAuctions();
    // Nobody can prove an account whose legs are not known.
    return auctions.flatMap((item) => {
      const { capacity, legs, subsidyFrom, proven, terms } = item;
      if (capacity === undefined) return [];
      return {
        accountId: BigInt(item.accountId),
        underlyingId: BigInt(item.underlyingId),
        commitment: BigInt(item.commitment),
        number: BigInt(item.number),
        startNonce: BigInt(item.startNonce),
        scale: BigInt(item.scale),
        cash: BigInt(item.cash),
        collateral: BigInt(item.collateral),
        movingCollateral: BigInt(item.movingCollateral),
        saleCollateral: BigInt(item.saleCollateral),
        reserved: BigInt(item.reserved),
        round: BigInt(item.round),
        provenAt: BigInt(item.provenAt),
        proven: {
          mark: BigInt(proven.mark),
          baseRequirement: BigInt(proven.baseRequirement),
          collateralSlope: BigInt(proven.collateralSlope),
          scale: BigInt(proven.scale),
        },
        publicStart: BigInt(item.publicStart),
        ...(subsidyFrom !== undefined && { subsidyFrom: BigInt(subsidyFrom) }),
        superseded: item.superseded,
        terms: Object.fromEntries(
          Object.entries(terms).map(([name, value]) => [name, BigInt(value)]),
        ) as unknown as RunningAuction['terms'],
        capacity,
        ...(legs !== undefined && { legs: legs.map(legOf) }),
      };
    });
  }

  async opening(accountId: bigint): Promise<PublishedOpening | undefined> {
    const { legs, salt } = await this.#client.account(accountId);
    if (legs === undefined || salt === undefined) return undefined;
    return { legs: legs.map(legOf), salt: BigInt(salt) };
  }

  async #register(): Promise<void> {
    if (this.#keeper === undefined || performance.now() - this.#registered < REGISTER_MS) return;
    this.#registered = performance.now();
    // It works without, only later: a service may have no room, or not do it at all.
    await this.#client.registerKeeper(this.#keeper).catch(() => undefined);
  }

  async requestProof(request: KeeperProofRequest): Promise<string> {
    const { accountId, purpose, keeper, round } = request;
    const job = await this.#client.proveAccount(accountId, { purpose, keeper, round: String(round) });
    this.#asked.set(job.id, { request, job });
    return job.id;
  }

  async waitForProof(id: string, signal: AbortSignal): Promise<KeeperProof> {
    const asked = this.#asked.get(id);
    if (asked === undefined) {
      throw new ZkMarginError('NOT_FOUND', 'Ask for the proof again: this client did not.', { field: 'id' });
    }
    const { request, job } = asked;
    // A proof that was made beforehand came with the answer.
    const { state, result, error, circuit } =
      job.state === 'done' ? job : await this.#client.finished(id, signal);
    if (state !== 'done' || result === undefined) {
      this.#asked.delete(id);
      throw new ZkMarginError('PROOF_FAILED', error?.message ?? 'The proof was not made.', {
        details: { reason: error?.code ?? 'INTERNAL' },
      });
    }
    const { calldata, publicSignals } = result;
    // Figures, commitment, scale: `docs/margin-model.md`, section 5.
    const [figures, , scale] = publicSignals;
    return {
      accountId: request.accountId,
      round: request.round,
      ...unpackFigures(BigInt(figures!)),
      capacity: Number(circuit.split('-')[1]),
      scale: BigInt(scale!),
      proof: proofArgument(calldata as Parameters<typeof proofArgument>[0]),
    };
  }
}

function legOf({ kind, expiryHour, strike, quantity }: LegView): Leg {
  return {
    instrument: { kind: kind as InstrumentKind, expiryHour, strike: BigInt(strike) },
    quantity: BigInt(quantity),
  };
}
