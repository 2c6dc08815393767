/** Trades: from two accounts and what they exchange to the arguments of `ClearingHouse.trade`. */
import type { Address, Hex } from 'viem';
import { packLeg } from '../../market/instrument.ts';
import { commitPositions } from '../../proof/commitment.ts';
import { openingPoint } from '../../proof/opening.ts';
import { transferContext } from '../../proof/witness/contexts.ts';
import { transferInput } from '../../proof/witness/transfer.ts';
import type { MarketView, Positions } from './market.ts';
import { NO_PROOF, type ProofArgument, type Prover, proofArgument, servedInstance } from './proofs.ts';
import { proveSolvency } from './solvency.ts';

/** One side of a trade. */
export interface TradeParty {
  readonly accountId: bigint;
  readonly nonce: bigint;
  /** Positions before the trade; undefined for an account without any. */
  readonly before: Positions | undefined;
  /** Positions after it; undefined when it closes the account's positions. */
  readonly after: Positions | undefined;
  /** Cash and fresh collateral of other underlyings after the trade and its fee, at least; 1e-6 USD. */
  readonly cash: bigint;
  /** Value of fresh collateral that moves with the underlying, 1e-6 USD; 0 unless given. */
  readonly movingCollateral?: bigint;
  /** Who holds the opening instead of the public, with its signature. */
  readonly custody?: { readonly custodian: Address; readonly signature: Hex };
}

/** An owner's consent: empty when the owner sends the transaction. */
export interface ConsentArgument {
  readonly maxFee: bigint;
  readonly deadline: bigint;
  readonly signature: Hex;
}

/** What is exchanged. */
export interface TradeTerms {
  readonly clearingHouse: Address;
  readonly underlyingId: bigint;
  readonly a: TradeParty;
  readonly b: TradeParty;
  /** What B pays to A, 1e-6 USD, signed. */
  readonly cashToA: bigint;
}

/** A side as the contract takes it, before its owner has consented. */
export interface TradeSideArgument {
  readonly accountId: bigint;
  readonly newCommitment: bigint;
  readonly newScale: bigint;
  readonly emptyCommitment: bigint;
  readonly provenCash: bigint;
  readonly capacity: number;
  readonly opening: {
    readonly legs: readonly bigint[];
    readonly salt: bigint;
    readonly custodian: Address;
    readonly custodianSignature: Hex;
  };
}

/** A trade that both owners can consent to. */
export interface PreparedTrade {
  readonly a: TradeSideArgument;
  readonly b: TradeSideArgument;
  readonly cashToA: bigint;
  readonly round: bigint;
  readonly proofs: {
    readonly transfer: ProofArgument;
    readonly solvencyA: ProofArgument;
    readonly solvencyB: ProofArgument;
  };
}

const NOTHING: Positions = { legs: [], salt: 0n, scale: 0n };
const NOBODY: Address = '0x0000000000000000000000000000000000000000';

/**
 * Makes the three proofs of a trade.
 *
 * @throws ZkMarginError when something would be created or an account would not cover its initial requirement; as
 * {@link servedInstance}
 */
export async function prepareTrade(
  prover: Prover,
  market: MarketView,
  terms: TradeTerms,
): Promise<PreparedTrade> {
  const { clearingHouse, underlyingId, a, b, cashToA } = terms;
  // All of them before the first proof, which takes a second.
  const { circuit, capacity } = servedInstance(prover, 'transfer', mostLegs(a, b));
  for (const { after } of [a, b]) {
    if (after !== undefined) servedInstance(prover, 'solvency', after.legs.length);
  }
  const [sideA, sideB] = await Promise.all([sideOf(a, underlyingId), sideOf(b, underlyingId)]);
  const transfer = await prover.prove({
    circuit,
    input: await transferInput({
      before: { a: a.before ?? NOTHING, b: b.before ?? NOTHING },
      after: { a: a.after ?? NOTHING, b: b.after ?? NOTHING },
      underlyingId,
      context: transferContext({
        chainId: market.chainId,
        consumer: clearingHouse,
        accountA: a.accountId,
        nonceA: a.nonce,
        accountB: b.accountId,
        nonceB: b.nonce,
        cashToA,
      }),
      points: { a: pointOf(a, sideA), b: pointOf(b, sideB) },
      capacity,
    }),
  });
  const solvency = async (party: TradeParty) =>
    party.after === undefined
      ? { capacity: 0, proof: NO_PROOF }
      : proveSolvency(prover, market, {
          consumer: clearingHouse,
          purpose: 'trade',
          accountId: party.accountId,
          nonce: party.nonce,
          positions: party.after,
          cash: party.cash,
          ...(party.movingCollateral !== undefined && { movingCollateral: party.movingCollateral }),
          level: market.initialLevel,
        });
  const solvencyA = await solvency(a);
  const solvencyB = await solvency(b);
  return {
    a: { ...sideA, capacity: solvencyA.capacity },
    b: { ...sideB, capacity: solvencyB.capacity },
    cashToA,
    round: market.number,
    proofs: {
      transfer: proofArgument(transfer.calldata),
      solvencyA: solvencyA.proof,
      solvencyB: solvencyB.proof,
    },
  };
}

/** Legs of the side that has most, before or after. */
function mostLegs(...parties: readonly TradeParty[]): number {
  return Math.max(
    ...parties.flatMap(({ before, after }) => [before, after].map((held) => held?.legs.length ?? 0)),
  );
}

async function sideOf(party: TradeParty, underlyingId: bigint): Promise<Omit<TradeSideArgument, 'capacity'>> {
  const { before, after, custody } = party;
  const positions = after ?? NOTHING;
  const published = after !== undefined && custody === undefined;
  return {
    accountId: party.accountId,
    newCommitment: await commitPositions({ ...positions, underlyingId }),
    newScale: positions.scale,
    emptyCommitment: before === undefined ? await commitPositions({ ...NOTHING, underlyingId }) : 0n,
    provenCash: party.cash,
    opening: {
      legs: published ? positions.legs.map((leg) => packLeg(leg)) : [],
      salt: published ? positions.salt : 0n,
      custodian: custody?.custodian ?? NOBODY,
      custodianSignature: custody?.signature ?? '0x',
    },
  };
}

function pointOf(party: TradeParty, side: Omit<TradeSideArgument, 'capacity'>): bigint {
  if (party.after === undefined || party.custody !== undefined) return 0n;
  return openingPoint(side.newCommitment, side.opening);
}
