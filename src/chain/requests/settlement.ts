/** Settlements: from an account with expired legs to the arguments of `ClearingHouse.settle`. */
import type { Address } from 'viem';
import type { SettlementPrice } from '../../margin/exact/settlement.ts';
import type { Leg } from '../../market/instrument.ts';
import { settlementContext } from '../../proof/witness/contexts.ts';
import { committedSettlement, settlementInput } from '../../proof/witness/settlement.ts';
import type { Positions } from './market.ts';
import { type ProofArgument, type Prover, proofArgument, servedInstance } from './proofs.ts';

/** What is to be settled. */
export interface SettlementTerms {
  readonly chainId: bigint;
  readonly clearingHouse: Address;
  readonly underlyingId: bigint;
  readonly accountId: bigint;
  readonly nonce: bigint;
  readonly positions: Positions;
  /** Recorded prices of one to four hours, increasing. */
  readonly prices: readonly SettlementPrice[];
}

/** A settlement as the contract takes it. */
export interface PreparedSettlement {
  readonly request: {
    readonly accountId: bigint;
    readonly expiryHours: readonly number[];
    readonly cash: bigint;
    readonly newCommitment: bigint;
    readonly capacity: number;
  };
  readonly proof: ProofArgument;
  /** Legs of the account afterwards; salt and scale stay. */
  readonly remaining: readonly Leg[];
}

/** @throws ZkMarginError `NO_LEGS` when nothing expires at these hours; as {@link servedInstance} */
export async function prepareSettlement(prover: Prover, terms: SettlementTerms): Promise<PreparedSettlement> {
  const { positions, prices, underlyingId, accountId } = terms;
  const { circuit, capacity } = servedInstance(prover, 'settlement', positions.legs.length);
  const statement = { ...positions, prices, underlyingId };
  const { cash, newCommitment, remaining } = await committedSettlement(statement);
  const context = settlementContext({
    chainId: terms.chainId,
    consumer: terms.clearingHouse,
    accountId,
    nonce: terms.nonce,
  });
  const { calldata } = await prover.prove({
    circuit,
    input: await settlementInput({ ...statement, context, capacity }),
  });
  return {
    request: {
      accountId,
      expiryHours: prices.map(({ expiryHour }) => expiryHour),
      cash,
      newCommitment,
      capacity,
    },
    proof: proofArgument(calldata),
    remaining,
  };
}
