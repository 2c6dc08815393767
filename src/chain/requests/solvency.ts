/** Solvency proofs for withdrawals, trades and the end of auctions. */
import type { Address } from 'viem';
import { ZkMarginError } from '../../errors.ts';
import { type SOLVENCY_PURPOSES, solvencyContext } from '../../proof/witness/contexts.ts';
import { solvencyInput } from '../../proof/witness/solvency.ts';
import { CAPACITIES, type MarketView, type Positions } from './market.ts';
import { capacityFor, type ProofArgument, type Prover, proofArgument } from './proofs.ts';

/** What a solvency proof is to show. */
export interface SolvencyRequest {
  /** Contract that takes the proof. */
  readonly consumer: Address;
  readonly purpose: keyof typeof SOLVENCY_PURPOSES;
  readonly accountId: bigint;
  /** Of the account, before the transaction. */
  readonly nonce: bigint;
  /** Positions after the transaction. */
  readonly positions: Positions;
  /** Cash that is assumed, 1e-6 USD: at most what the account has with its collateral after the transaction. */
  readonly cash: bigint;
  /** Factor on the maintenance requirement, 2^-12. */
  readonly level: bigint;
}

/** A proof with the size of its circuit. */
export interface SizedProof {
  readonly capacity: number;
  readonly proof: ProofArgument;
}

/**
 * Proves solvency at the market's round.
 *
 * @throws ZkMarginError `WITNESS_FAILED` when the account is not solvent; `TOO_MANY_LEGS`
 */
export async function proveSolvency(
  prover: Prover,
  market: MarketView,
  request: SolvencyRequest,
): Promise<SizedProof> {
  const { consumer, purpose, accountId, nonce, positions, cash, level } = request;
  const capacity = capacityFor(positions.legs.length, CAPACITIES.solvency);
  if (capacity === undefined) {
    throw new ZkMarginError(
      'TOO_MANY_LEGS',
      'Reduce the account to 16 legs: no larger solvency proof exists.',
      {
        field: 'positions.legs',
      },
    );
  }
  const { calldata } = await prover.prove({
    circuit: `solvency-${capacity}`,
    input: await solvencyInput({
      ...positions,
      cash,
      level,
      round: market.round,
      parameters: market.parameters,
      capacity,
      context: solvencyContext({
        chainId: market.chainId,
        consumer,
        purpose,
        accountId,
        nonce,
        round: market.number,
      }),
    }),
  });
  return { capacity, proof: proofArgument(calldata) };
}
